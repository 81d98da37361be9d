//! Checkpoints on disk: the state of a run in one file, written whole or not at all, and refused when it is not what it was.
//!
//! The file is safetensors, readable by other programs: the numbers are tensors, all else is text in the header. The header's entry `checksum` is the CRC-32 of all
//! bytes of the file, with zeros in the place of its own eight digits: any change of up to 32 neighbouring bits is found, and any other but for one in 2^32.

use super::adam::AdamState;
use super::flat::{set_flat_values, tensor_names};
use super::history::History;
use super::schedule::Plateau;
use super::settings::by_new_names;
use crate::module::{Element, FileError, write_atomically};
use dfdx::nn::tensor_collection::TensorCollection;
use dfdx::tensor::Cpu;
use dfdx::tensor_ops::Device;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// The format written, and the only one read. A change of what the file holds, or of what a run makes of it, gets a new number.
const FORMAT: &str = "flow-compiler checkpoint 1";
/// How the formats of this family begin.
const FAMILY: &str = "flow-compiler checkpoint ";
/// In the header, before the eight digits of the checksum.
const BEFORE_CHECKSUM: &[u8] = b"\"checksum\":\"";
const CHECKSUM_DIGITS: usize = 8;

/// An error of writing or reading a checkpoint. Writing leaves what was there before as it was unless it succeeds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The file is not a checkpoint, is cut short, or was changed.
    #[error("{}: not a whole checkpoint: {reason}; remove it to go on from the one before it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is of another version of the format.
    #[error("{}: written as `{found}`, but this version reads `{FORMAT}`: resume with the version that wrote it (flow-runtime {version})", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: String,
        /// The version of the library that wrote it.
        version: String,
    },
    /// The checkpoint is of another run.
    #[error(
        "{}: a checkpoint of another run: its {what} is\n    {found}\n  but here it is\n    {expected}\nresume with what the run began with, or choose another directory",
        path.display()
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: String,
        /// What the checkpoint says.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// There are checkpoints where a run is to start anew, or none where one is to be resumed.
    #[error("{}: {message}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong, and the way out.
        message: String,
    },
}

impl From<FileError> for CheckpointError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io { path, source } => CheckpointError::Io { path, source },
            FileError::NotAFlow { path, reason } => CheckpointError::Damaged { path, reason },
            FileError::Other { path, what, found, expected } => CheckpointError::Other { path, what, found, expected },
        }
    }
}

/// What a checkpoint belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The model in words: a flow's structure with all options, or the name of its type.
    pub model: String,
    /// Its tensors, and how many numbers each has.
    pub tensors: Vec<(String, usize)>,
    /// The data in words: how many rows, and a checksum where the fit sees them.
    pub data: String,
    /// The settings on which weights depend.
    #[serde(deserialize_with = "by_new_names")]
    pub settings: serde_json::Map<String, serde_json::Value>,
}

impl Identity {
    /// The first thing in which this differs from what a checkpoint says: its name, and both.
    fn differs(&self, file: &Identity) -> Option<(String, String, String)> {
        let pair = |what: &str, found: String, expected: String| Some((what.to_string(), found, expected));
        if self.tensors != file.tensors {
            let name = |tensor: Option<&(String, usize)>| match tensor {
                Some((name, numbers)) => format!("`{name}` with {numbers} numbers"),
                None => "none".to_string(),
            };
            let longer = self.tensors.len().max(file.tensors.len());
            let at = (0..longer).find(|i| self.tensors.get(*i) != file.tensors.get(*i)).unwrap_or(0);
            let [found, expected] = [file, self].map(|side| name(side.tensors.get(at)));
            // The flows in words, where they tell more than their tensors.
            if self.model != file.model {
                let [a, b] = around_difference(&file.model, &self.model);
                return pair("model", format!("{a} (tensor {at}: {found})"), format!("{b} (tensor {at}: {expected})"));
            }
            return pair(&format!("tensor {at}"), found, expected);
        }
        if self.model != file.model {
            let [found, expected] = around_difference(&file.model, &self.model);
            return pair("model", found, expected);
        }
        if self.data != file.data {
            return pair("data", file.data.clone(), self.data.clone());
        }
        let names: std::collections::BTreeSet<&String> = self.settings.keys().chain(file.settings.keys()).collect();
        for name in names {
            let [found, expected] = [file, self].map(|side| side.settings.get(name));
            if found != expected {
                let say = |v: Option<&serde_json::Value>| v.map_or("not there".to_string(), |v| v.to_string());
                return pair(&format!("setting `{name}`"), say(found), say(expected));
            }
        }
        None
    }
}

/// Two long lines: what is about their first difference.
fn around_difference(a: &str, b: &str) -> [String; 2] {
    /// Letters shown before the difference, and from it on.
    const SHOWN: [usize; 2] = [40, 80];
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(SHOWN[0]);
    [a, b].map(|line| {
        let rest: String = line.chars().skip(from).take(same - from + SHOWN[1]).collect();
        let before = if from > 0 { ".." } else { "" };
        let after = if line.chars().count() > same + SHOWN[1] { ".." } else { "" };
        format!("{before}{rest}{after}")
    })
}

/// Sums over the part of an epoch that is done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sums {
    pub loss: f64,
    pub weight: f64,
    pub gradient: f64,
    pub rate: f64,
    pub seconds: f64,
}

/// Everything of a run's state that is not a long list of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The epoch of the next batch, and how many batches of it are done.
    pub epoch: usize,
    pub batch: usize,
    /// Steps done.
    pub step: usize,
    pub sums: Sums,
    pub plateau: Plateau,
    /// What the rate is multiplied by after weights went back.
    pub brake: f64,
    /// Whether patience or a callback ended the run.
    pub ended: bool,
    pub history: History,
}

/// Weights, averages and optimiser at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Snapshot<E> {
    pub weights: Vec<E>,
    pub average: Vec<f64>,
    pub optimizer: AdamState,
}

/// The state of a run between two steps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State<E> {
    pub progress: Progress,
    /// Of `now` the weights are the model's.
    pub now: Snapshot<E>,
    pub best: Vec<E>,
    /// The last state that had a finite loss and gradient, where a fit goes back to it.
    pub good: Option<Snapshot<E>>,
}

/// A checkpoint, read and verified.
///
/// A fit resumes by itself ([`Fit::checkpoint`](super::Fit::checkpoint)); this is to look into one, and to take weights out of it.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Fit, flow, trainers::{Checkpoint, Checkpointing}};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let run = folder.path().join("run");
/// let data: Vec<[f64; 1]> = (0..100).map(|i| [(i as f64).sin()]).collect();
/// let mut pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
/// let fit = Fit { epochs: 3, checkpoint: Some(Checkpointing::new(&run)), ..Fit::default() };
/// pdf.fit(&data, &fit)?;
///
/// let newest = Checkpoint::newest(&run)?.expect("one was written");
/// let checkpoint = Checkpoint::read(&newest)?;
/// assert_eq!((checkpoint.epoch(), checkpoint.step()), (3, 3));
/// assert_eq!(checkpoint.history().epochs.len(), 3);
/// let mut best = Cpu::default().build_module::<flow!(e1 : t), f64>();
/// checkpoint.load_best(&mut best)?;
/// assert_eq!(best.flat_weights(), pdf.flat_weights());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    version: String,
    number: String,
    identity: Identity,
    progress: Progress,
    optimizer_steps: [u64; 2],
    /// `f32` numbers are exact in `f64`.
    tensors: BTreeMap<String, Vec<f64>>,
}

impl Checkpoint {
    /// Reads a checkpoint and verifies it.
    ///
    /// # Errors
    /// The file cannot be read, is cut short, was changed, or has another version of the format.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let content = fs::read(path).map_err(|source| CheckpointError::Io { path: path.into(), source })?;
        Self::parse(path, content)
    }

    fn parse(path: &Path, mut content: Vec<u8>) -> Result<Self, CheckpointError> {
        let damaged = |reason: String| CheckpointError::Damaged { path: path.into(), reason };
        let bytes = content.len();
        let length = content.first_chunk().map(|length| u64::from_le_bytes(*length));
        let Some(header) = length.and_then(|length| content.get(8..usize::try_from(length).ok()?.checked_add(8)?))
        else {
            return Err(damaged(format!("its {bytes} bytes end before its header does")));
        };
        let found = header.windows(BEFORE_CHECKSUM.len()).position(|w| w == BEFORE_CHECKSUM);
        let header_end = 8 + header.len();
        let Some(at) = found.map(|at| 8 + at + BEFORE_CHECKSUM.len()).filter(|at| at + CHECKSUM_DIGITS <= header_end)
        else {
            return Err(damaged("its header holds no checksum".into()));
        };
        let written = String::from_utf8_lossy(&content[at..at + CHECKSUM_DIGITS]).into_owned();
        content[at..at + CHECKSUM_DIGITS].fill(b'0');
        let computed = format!("{:08x}", crc32fast::hash(&content));
        if written != computed {
            return Err(damaged(match announced(&content[8..header_end]).map(|data| header_end + data) {
                Some(total) if total > bytes => format!("it is cut short: {bytes} of {total} bytes are there"),
                _ => format!("it was changed after it was written: its checksum is {computed}, but it says {written}"),
            }));
        }
        let (_, metadata) = SafeTensors::read_metadata(&content).map_err(|e| damaged(e.to_string()))?;
        let text = metadata.metadata().clone().unwrap_or_default();
        let entry = |name: &str| text.get(name).ok_or_else(|| damaged(format!("its header has no entry `{name}`")));
        let (format, version) = (entry("format")?, entry("version")?.clone());
        if format != FORMAT {
            if !format.starts_with(FAMILY) {
                return Err(damaged(format!("its format is `{format}`")));
            }
            return Err(CheckpointError::Version { path: path.into(), found: format.clone(), version });
        }
        let json = |name: &str, e: serde_json::Error| damaged(format!("its entry `{name}`: {e}"));
        let file = SafeTensors::deserialize(&content).map_err(|e| damaged(e.to_string()))?;
        let mut tensors = BTreeMap::new();
        for (name, tensor) in file.iter() {
            let numbers = match tensor.dtype() {
                Dtype::F32 => tensor.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect(),
                Dtype::F64 => tensor.data().as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
                other => return Err(damaged(format!("tensor `{name}` holds {other:?}"))),
            };
            tensors.insert(name.to_string(), numbers);
        }
        Ok(Checkpoint {
            path: path.into(),
            version,
            number: entry("number type")?.clone(),
            identity: serde_json::from_str(entry("run")?).map_err(|e| json("run", e))?,
            progress: serde_json::from_str(entry("progress")?).map_err(|e| json("progress", e))?,
            optimizer_steps: serde_json::from_str(entry("optimizer steps")?).map_err(|e| json("optimizer steps", e))?,
            tensors,
        })
    }

    /// The newest checkpoint of a directory, by its step; `None` if there is none or no directory.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn newest(directory: impl AsRef<Path>) -> Result<Option<PathBuf>, CheckpointError> {
        Ok(list(directory.as_ref())?.pop().map(|(_, path)| path))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version of the library that wrote it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The epoch in which the run goes on: as many are done.
    pub fn epoch(&self) -> usize {
        self.progress.epoch
    }

    /// The step with which the run goes on: as many are done.
    pub fn step(&self) -> usize {
        self.progress.step
    }

    /// What happened so far, with the state of the optimiser.
    pub fn history(&self) -> History {
        let mut history = self.progress.history.clone();
        history.optimizer = self.optimizer("optimizer", self.optimizer_steps[0]);
        history
    }

    /// Gives a model the weights with which the run goes on.
    ///
    /// # Errors
    /// The model has other tensors or another number type.
    pub fn load_weights<E, M>(&self, model: &mut M) -> Result<(), CheckpointError>
    where
        E: Element,
        Cpu: Device<E>,
        M: TensorCollection<E, Cpu>,
    {
        self.load("weights", model)
    }

    /// Gives a model the best weights so far: what the fit would end with if it ended here.
    ///
    /// # Errors
    /// The model has other tensors or another number type.
    pub fn load_best<E, M>(&self, model: &mut M) -> Result<(), CheckpointError>
    where
        E: Element,
        Cpu: Device<E>,
        M: TensorCollection<E, Cpu>,
    {
        self.load("best", model)
    }

    fn load<E, M>(&self, tensor: &str, model: &mut M) -> Result<(), CheckpointError>
    where
        E: Element,
        Cpu: Device<E>,
        M: TensorCollection<E, Cpu>,
    {
        let broken = |e: dfdx::tensor::CpuError| self.damaged(format!("tensor `{tensor}`: {e}"));
        let here = Identity { tensors: tensor_names(model).map_err(broken)?, ..self.identity.clone() };
        self.same::<E>(&here)?;
        let numbers = self.numbers::<E>(tensor, self.count())?;
        set_flat_values(model, &numbers).map_err(broken)
    }

    fn damaged(&self, reason: String) -> CheckpointError {
        CheckpointError::Damaged { path: self.path.clone(), reason }
    }

    fn count(&self) -> usize {
        self.identity.tensors.iter().map(|(_, numbers)| numbers).sum()
    }

    fn optimizer(&self, name: &str, step: u64) -> AdamState {
        let part = |of: &str| self.tensors.get(&format!("{name}.{of}")).cloned().unwrap_or_default();
        AdamState { step, mean: part("mean"), square: part("square") }
    }

    fn numbers<E: Element>(&self, name: &str, count: usize) -> Result<Vec<E>, CheckpointError> {
        match self.tensors.get(name) {
            Some(numbers) if numbers.len() == count => Ok(numbers.iter().map(|x| E::narrow(*x)).collect()),
            Some(numbers) => Err(self.damaged(format!("tensor `{name}` has {} numbers, not {count}", numbers.len()))),
            None => Err(self.damaged(format!("there is no tensor `{name}`"))),
        }
    }

    /// Refuses a checkpoint of another run.
    fn same<E: Element>(&self, here: &Identity) -> Result<(), CheckpointError> {
        let number = (self.number != E::NAME)
            .then(|| ("number type".to_string(), self.number.clone(), E::NAME.to_string()))
            .or_else(|| here.differs(&self.identity));
        match number {
            None => Ok(()),
            Some((what, found, expected)) => {
                Err(CheckpointError::Other { path: self.path.clone(), what, found, expected })
            }
        }
    }

    /// The state of the run that is described by `here`.
    pub(super) fn state<E: Element>(&self, here: &Identity) -> Result<State<E>, CheckpointError> {
        self.same::<E>(here)?;
        let count = self.count();
        let snapshot = |prefix: &str, step: u64| {
            let average = match self.tensors.contains_key(&format!("{prefix}average")) {
                true => self.numbers::<f64>(&format!("{prefix}average"), count)?,
                false => Vec::new(),
            };
            let optimizer = self.optimizer(&format!("{prefix}optimizer"), step);
            let moments = [&optimizer.mean, &optimizer.square];
            if moments.iter().any(|m| !m.is_empty() && m.len() != count) {
                return Err(self.damaged("the optimiser has another number of weights than the model".into()));
            }
            Ok(Snapshot { weights: self.numbers(&format!("{prefix}weights"), count)?, average, optimizer })
        };
        let [now, good] = self.optimizer_steps;
        Ok(State {
            progress: self.progress.clone(),
            now: snapshot("", now)?,
            best: self.numbers("best", count)?,
            good: match self.tensors.contains_key("good.weights") {
                true => Some(snapshot("good.", good)?),
                false => None,
            },
        })
    }
}

/// How many bytes a header says that its tensors have.
fn announced(header: &[u8]) -> Option<usize> {
    let header: HashMap<String, serde_json::Value> = serde_json::from_slice(header).ok()?;
    let ends = header.values().filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
    usize::try_from(ends.max()?).ok()
}

/// Writes a state.
pub(super) fn write<E: Element>(path: &Path, identity: &Identity, state: &State<E>) -> Result<(), CheckpointError> {
    let broken = |reason: String| CheckpointError::Damaged { path: path.into(), reason };
    let wide = |numbers: &[f64]| (Dtype::F64, numbers.len(), numbers.iter().flat_map(|x| x.to_le_bytes()).collect());
    let own = |numbers: &[E]| -> (Dtype, usize, Vec<u8>) {
        let numbers_wide = numbers.iter().map(|x| x.widen());
        match E::NAME {
            "f32" => (Dtype::F32, numbers.len(), numbers_wide.flat_map(|x| (x as f32).to_le_bytes()).collect()),
            _ => (Dtype::F64, numbers.len(), numbers_wide.flat_map(f64::to_le_bytes).collect()),
        }
    };
    let mut tensors: Vec<(String, (Dtype, usize, Vec<u8>))> = vec![("best".into(), own(&state.best))];
    for (prefix, snapshot) in [("", Some(&state.now)), ("good.", state.good.as_ref())] {
        let Some(Snapshot { weights, average, optimizer }) = snapshot else { continue };
        tensors.push((format!("{prefix}weights"), own(weights)));
        for (name, numbers) in
            [("average", average), ("optimizer.mean", &optimizer.mean), ("optimizer.square", &optimizer.square)]
        {
            if !numbers.is_empty() {
                tensors.push((format!("{prefix}{name}"), wide(numbers)));
            }
        }
    }
    let json = |text: Result<String, serde_json::Error>| text.map_err(|e| broken(e.to_string()));
    let steps = [state.now.optimizer.step, state.good.as_ref().map_or(0, |good| good.optimizer.step)];
    let header = HashMap::from([
        ("format".to_string(), FORMAT.to_string()),
        ("version".to_string(), env!("CARGO_PKG_VERSION").to_string()),
        ("number type".to_string(), E::NAME.to_string()),
        ("run".to_string(), json(serde_json::to_string(identity))?),
        ("progress".to_string(), json(serde_json::to_string(&state.progress))?),
        ("optimizer steps".to_string(), json(serde_json::to_string(&steps))?),
        ("checksum".to_string(), "0".repeat(CHECKSUM_DIGITS)),
    ]);
    let views: Vec<(&String, TensorView<'_>)> = tensors
        .iter()
        .map(|(name, (dtype, count, data))| Ok((name, TensorView::new(*dtype, vec![*count], data)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>()
        .map_err(|e| broken(e.to_string()))?;
    let mut content = safetensors::serialize(views, Some(header)).map_err(|e| broken(e.to_string()))?;
    // Quotes inside of other entries are escaped: these bytes stand in one place.
    let at = content.windows(BEFORE_CHECKSUM.len()).position(|w| w == BEFORE_CHECKSUM);
    let at = at.ok_or_else(|| broken("the header lost its checksum".into()))? + BEFORE_CHECKSUM.len();
    let checksum = format!("{:08x}", crc32fast::hash(&content));
    content[at..at + CHECKSUM_DIGITS].copy_from_slice(checksum.as_bytes());
    Ok(write_atomically(path, &content)?)
}

/// How names of checkpoints begin, and how they end.
const NAME: [&str; 2] = ["checkpoint-", ".safetensors"];
/// How names of files for replay begin.
const FAULT: &str = "fault-";

/// The checkpoints of a directory with their steps, oldest first.
fn list(directory: &Path) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
    let io = |source| CheckpointError::Io { path: directory.into(), source };
    let entries = match fs::read_dir(directory) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(io)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(io)?.file_name();
        let step = name.to_str().and_then(|name| name.strip_prefix(NAME[0])?.strip_suffix(NAME[1])?.parse().ok());
        found.extend(step.map(|step| (step, directory.join(name))));
    }
    found.sort();
    Ok(found)
}

/// The directory of a run's checkpoints.
pub(super) struct Folder {
    path: PathBuf,
    keep: usize,
}

impl Folder {
    /// Makes the directory, and removes what a writer that was killed has left in it.
    pub fn open(path: &Path, keep: usize) -> Result<Self, CheckpointError> {
        let io = |source| CheckpointError::Io { path: path.into(), source };
        fs::create_dir_all(path).map_err(io)?;
        for entry in fs::read_dir(path).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            let unfinished = |name: &str| {
                (name.starts_with(NAME[0]) || name.starts_with(FAULT))
                    && name.contains(NAME[1])
                    && name.ends_with(".tmp")
            };
            if name.to_str().is_some_and(unfinished) {
                fs::remove_file(path.join(&name)).map_err(io)?;
            }
        }
        Ok(Folder { path: path.into(), keep })
    }

    pub fn newest(&self) -> Result<Option<PathBuf>, CheckpointError> {
        Checkpoint::newest(&self.path)
    }

    /// Writes a checkpoint, then removes those that are older than the ones to keep.
    pub fn write<E: Element>(&self, identity: &Identity, state: &State<E>) -> Result<PathBuf, CheckpointError> {
        let path = self.path.join(format!("{}{:012}{}", NAME[0], state.progress.step, NAME[1]));
        write(&path, identity, state)?;
        let mut all = list(&self.path)?;
        for (_, old) in all.drain(..all.len().saturating_sub(self.keep)) {
            fs::remove_file(&old).map_err(|source| CheckpointError::Io { path: old, source })?;
        }
        Ok(path)
    }

    /// Writes the state before a step that failed.
    pub fn write_fault<E: Element>(&self, identity: &Identity, state: &State<E>) -> Result<PathBuf, CheckpointError> {
        let path = self.path.join(format!("{FAULT}{:012}{}", state.progress.step, NAME[1]));
        write(&path, identity, state)?;
        Ok(path)
    }
}
