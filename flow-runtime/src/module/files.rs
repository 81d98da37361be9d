//! Flows on disk: safetensors with a header that says what the file holds.

use super::Element;
use super::flow::kernel_calls::summary;
use super::flow::{Flow, Spec};
use super::points::FeatureSpec;
use super::weights::Weights;
use crate::kernels::{BlockSummary, Blocks, LogMeanSummary};
use dfdx::tensor::Cpu;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The format written, and the only one read.
const FORMAT: &str = "flow-compiler 1";

/// An error of saving or loading. Loading changes nothing unless it succeeds; saving leaves an existing file as it was unless it succeeds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The file is not a model, or is damaged.
    #[error("{}: not a saved flow: {reason}", path.display())]
    NotAFlow {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file holds another flow.
    #[error(
        "{}: the file holds another {what}: in the file\n    {found}\n  but this flow has\n    {expected}\nload it into the flow it was saved from, or save this one under another name",
        path.display()
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What differs: format, flow, number type, tensor.
        what: String,
        /// What the file says.
        found: String,
        /// What was expected.
        expected: String,
    },
}

/// What a flow consists of, as one line: the header of its file.
pub(crate) fn structure<S: Spec>() -> String {
    let summary = summary::<S>();
    let block = |b: &BlockSummary| {
        let letter = |l: &crate::layers::Letter| {
            if l.options.is_empty() { l.name.to_string() } else { format!("{}({})", l.name, l.options) }
        };
        let letters: Vec<String> = b.letters.iter().map(letter).collect();
        let source = match (&b.network, b.given) {
            (None, 0) => "free".to_string(),
            (None, _) => "given".to_string(),
            (Some(network), 0) => format!("network {network}"),
            (Some(network), _) => format!("given network {network}"),
        };
        format!("{} : {} [{source}, {} weights]", b.manifold, letters.join(" "), b.weights + b.given)
    };
    let blocks: Vec<String> = summary.blocks.iter().map(block).collect();
    let mut line = blocks.join(" + ");
    let mut clauses = Vec::new();
    if S::Features::COUNT > 0 {
        let mut entries = Vec::new();
        S::Features::entries(&mut entries);
        let entries: Vec<String> = entries.iter().map(usize::to_string).collect();
        clauses.push(match &entries[..] {
            [one] => format!("cond {one}"),
            list => format!("cond ({})", list.join(", ")),
        });
    }
    if let Some(outer) = &summary.outer {
        clauses.push(format!("amortize {outer} [{} weights]", outer.weights));
    }
    clauses.extend(summary.log_mean.map(|source| match source {
        LogMeanSummary::Free | LogMeanSummary::Joint => "poisson".to_string(),
        LogMeanSummary::Separate(network) => format!("poisson {network} [{} weights]", network.weights),
    }));
    if !clauses.is_empty() {
        line += &format!(" | {}", clauses.join(", "));
    }
    line
}

fn bytes<E: Element>(numbers: &[E]) -> Vec<u8> {
    let wide = numbers.iter().map(|x| x.widen());
    if E::NAME == "f32" {
        wide.flat_map(|x| (x as f32).to_le_bytes()).collect()
    } else {
        wide.flat_map(f64::to_le_bytes).collect()
    }
}

fn numbers<E: Element>(bytes: &[u8]) -> Vec<E> {
    if E::NAME == "f32" {
        bytes.as_chunks().0.iter().map(|b| E::narrow(f32::from_le_bytes(*b) as f64)).collect()
    } else {
        bytes.as_chunks().0.iter().map(|b| E::narrow(f64::from_le_bytes(*b))).collect()
    }
}

fn dtype<E: Element>() -> Dtype {
    if E::NAME == "f32" { Dtype::F32 } else { Dtype::F64 }
}

/// Writes a file so that the path holds either its old content or all of the new: temporary file beside it, fsync, rename.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let io = |source| FileError::Io { path: path.into(), source };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().ok_or_else(|| io(std::io::ErrorKind::InvalidFilename.into()))?;
    let mut temporary = name.to_os_string();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = folder.join(temporary);
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        // The rename itself is on disk once the folder is. Not every system can open a folder; there this is left to it.
        if let Ok(folder) = File::open(folder) {
            folder.sync_all()?;
        }
        Ok(())
    })();
    if written.is_err() {
        // What is left of the attempt is of no use; the error that matters is the first.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(io)
}

impl<S: Spec, W: Weights<E>, E: Element> Flow<S, W, E, Cpu> {
    fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut names = Vec::new();
        self.weights.names("", &mut names);
        names
    }

    /// Saves the weights as a safetensors file whose header holds the flow's structure with all options, the number type and the version.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// type Pdf = flow!(e2 : ggt);
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("model.safetensors");
    /// let dev = Cpu::default();
    /// dev.build_module::<Pdf, f64>().save(&path)?;
    ///
    /// let mut pdf = dev.build_module::<Pdf, f64>();
    /// pdf.load(&path)?;
    /// // Another flow is refused; the error shows both.
    /// assert!(dev.build_module::<flow!(e2 : gt), f64>().load(&path).is_err());
    /// # Ok::<(), flow_runtime::FileError>(())
    /// ```
    ///
    /// # Errors
    /// The file system refuses; a file that was there before is then still whole.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        self.save_with(path.as_ref(), [])
    }

    /// [`save`](Flow::save) with more entries in the header, which [`load`](Flow::load) passes over.
    pub(crate) fn save_with<const K: usize>(&self, path: &Path, more: [(&str, String); K]) -> Result<(), FileError> {
        let flat = self.flat_weights();
        let mut stretches = Vec::new();
        let mut at = 0;
        for (name, shape) in self.tensors() {
            let len: usize = shape.iter().product();
            stretches.push((name, shape, bytes(&flat[at..at + len])));
            at += len;
        }
        let broken = |e: safetensors::SafeTensorError| FileError::NotAFlow { path: path.into(), reason: e.to_string() };
        let views: Vec<(&String, TensorView<'_>)> = stretches
            .iter()
            .map(|(name, shape, data)| Ok((name, TensorView::new(dtype::<E>(), shape.clone(), data)?)))
            .collect::<Result<_, _>>()
            .map_err(broken)?;
        let mut header = HashMap::from([
            ("format".to_string(), FORMAT.to_string()),
            ("notation".to_string(), structure::<S>()),
            ("number type".to_string(), E::NAME.to_string()),
            ("version".to_string(), env!("CARGO_PKG_VERSION").to_string()),
        ]);
        header.extend(more.map(|(key, entry)| (key.to_string(), entry)));
        let content = safetensors::serialize(views, Some(header)).map_err(broken)?;
        write_atomically(path, &content)
    }

    /// Loads weights that [`save`](Flow::save) wrote from a flow of the same structure and number type.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or holds another flow: the error shows both. Nothing is changed then.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), FileError> {
        self.load_with(path.as_ref(), |_| Ok(()))
    }

    /// [`load`](Flow::load) that reads more of the header, before anything is changed. What `read` has to say is why the file is none.
    pub(crate) fn load_with<T>(
        &mut self,
        path: &Path,
        read: impl FnOnce(&HashMap<String, String>) -> Result<T, String>,
    ) -> Result<T, FileError> {
        let content = fs::read(path).map_err(|source| FileError::Io { path: path.into(), source })?;
        let broken = |reason: String| FileError::NotAFlow { path: path.into(), reason };
        let (_, metadata) = SafeTensors::read_metadata(&content).map_err(|e| broken(e.to_string()))?;
        let header = metadata.metadata().clone().unwrap_or_default();
        let same = |key: &str, what: &str, expected: String| {
            let found = header.get(key).cloned().ok_or_else(|| broken(format!("its header has no entry `{key}`")))?;
            if found == expected {
                return Ok(());
            }
            Err(FileError::Other { path: path.into(), what: what.into(), found, expected })
        };
        same("format", "format", FORMAT.into())?;
        same("notation", "flow", structure::<S>())?;
        same("number type", "number type", E::NAME.into())?;
        let file = SafeTensors::deserialize(&content).map_err(|e| broken(e.to_string()))?;
        let mut flat = Vec::with_capacity(S::Blocks::WEIGHTS);
        for (name, shape) in self.tensors() {
            let tensor = file.tensor(&name).map_err(|e| broken(e.to_string()))?;
            if tensor.dtype() != dtype::<E>() || tensor.shape() != shape {
                let of = |dtype: Dtype, shape: &[usize]| format!("{dtype:?} {shape:?}");
                return Err(FileError::Other {
                    path: path.into(),
                    what: format!("tensor `{name}`"),
                    found: of(tensor.dtype(), tensor.shape()),
                    expected: of(dtype::<E>(), &shape),
                });
            }
            flat.extend(numbers::<E>(tensor.data()));
        }
        let more = read(&header).map_err(broken)?;
        self.set_flat_weights(&flat).map_err(|e| broken(e.to_string()))?;
        Ok(more)
    }
}
