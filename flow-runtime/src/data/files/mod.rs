//! Tables from files, whole or in chunks.

#[cfg(feature = "csv")]
mod csv;
#[cfg(feature = "npy")]
mod npy;
#[cfg(feature = "parquet")]
mod parquet;

#[cfg(feature = "csv")]
pub use csv::CsvOptions;

use super::{Chunks, DataError, Table};
use std::path::{Path, PathBuf};

/// A reader of one file format.
trait Format: Send {
    /// How many chunks there are.
    fn count(&self) -> usize;
    /// How many rows one has.
    fn rows(&self, index: usize) -> usize;
    /// Reads one.
    fn read(&mut self, index: usize) -> Result<Table, DataError>;
}

/// A file of rows, read in chunks of so many rows: one that need not fit into memory.
///
/// The ending of the name says the format.
///
/// | ending | feature | columns | in chunks |
/// |---|---|---|---|
/// | `.csv`, `.tsv` | `csv` (default) | named by the first line; numbers, where all cells are numbers or empty, else words | read once when opened, to find rows and kinds of columns |
/// | `.npy` | `npy` | of an array (rows) or (rows, columns), named `0`, `1`, ..; booleans, integers, `f4`, `f8`, text | at their place in the file |
/// | `.npz` | `npy` | one for each array (rows), `x[0]`, `x[1]`, .. for an array `x` of (rows, columns) | held in memory: take .npy for more |
/// | `.parquet` | `parquet` | by name, `a.b` inside of structs; booleans, integers, floats, text; what is null is missing | within their row group |
///
/// Parquet may be uncompressed or compressed by Snappy, gzip or LZ4; for zstd or Brotli, which need more than this crate does, name the crate `parquet` of the same version
/// with its feature `zstd` or `brotli` beside `flow-runtime` in your `Cargo.toml`.
///
/// What is missing is NaN in columns of numbers, and empty in those of words. Integers beyond 2^53 are rounded. Rows are counted from 0, without the first line of a CSV file.
///
/// ```
/// use flow_runtime::data::{Chunks, Table, TableFile};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("points.csv");
/// std::fs::write(&path, "x,kind\n1.5,a\n2.5,b\n3.5,a\n")?;
/// let mut file = TableFile::open(&path, 2)?;
/// assert_eq!((file.count(), file.read(1, 0, 0)?.origin_rows()), (2, &[2][..]));
/// assert_eq!(Table::read(&path)?.numbers("x")?, [1.5, 2.5, 3.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TableFile {
    path: PathBuf,
    format: Box<dyn Format>,
    names: Option<Vec<String>>,
}

impl std::fmt::Debug for TableFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TableFile({}, {} chunks)", self.path.display(), self.format.count())
    }
}

impl TableFile {
    /// Opens a file, to be read in chunks of `rows` rows.
    ///
    /// # Errors
    /// It cannot be read, is damaged, or holds no table; nothing here reads its ending, or the feature for it is off.
    pub fn open(path: impl AsRef<Path>, rows: usize) -> Result<Self, DataError> {
        let path = path.as_ref();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        if rows == 0 {
            return Err(DataError::source(path.display(), "chunks of 0 rows: at least 1"));
        }
        let format: Result<Box<dyn Format>, DataError> = match ending.as_str() {
            #[cfg(feature = "csv")]
            "csv" => csv::CsvFile::open(path, rows, CsvOptions::default()).map(|file| Box::new(file) as _),
            #[cfg(feature = "csv")]
            "tsv" => {
                let options = CsvOptions { delimiter: b'\t', ..CsvOptions::default() };
                csv::CsvFile::open(path, rows, options).map(|file| Box::new(file) as _)
            }
            #[cfg(not(feature = "csv"))]
            "csv" | "tsv" => Err(off(path, &ending, "csv")),
            #[cfg(feature = "npy")]
            "npy" => npy::NpyFile::open(path, rows).map(|file| Box::new(file) as _),
            #[cfg(feature = "npy")]
            "npz" => npy::NpzFile::open(path, rows).map(|file| Box::new(file) as _),
            #[cfg(not(feature = "npy"))]
            "npy" | "npz" => Err(off(path, &ending, "npy")),
            #[cfg(feature = "parquet")]
            "parquet" => parquet::ParquetFile::open(path, rows).map(|file| Box::new(file) as _),
            #[cfg(not(feature = "parquet"))]
            "parquet" => Err(off(path, &ending, "parquet")),
            _ => {
                let message = "nothing here reads such a file: its name ends in .csv, .tsv, .npy, .npz or .parquet";
                Err(DataError::source(path.display(), message))
            }
        };
        Ok(TableFile { path: path.into(), format: format?, names: None })
    }

    /// Opens a CSV file with other signs than commas, whatever its ending.
    ///
    /// # Errors
    /// As [`open`](TableFile::open).
    #[cfg(feature = "csv")]
    pub fn open_csv(path: impl AsRef<Path>, rows: usize, options: CsvOptions) -> Result<Self, DataError> {
        let path = path.as_ref();
        if rows == 0 {
            return Err(DataError::source(path.display(), "chunks of 0 rows: at least 1"));
        }
        Ok(TableFile { path: path.into(), format: Box::new(csv::CsvFile::open(path, rows, options)?), names: None })
    }

    /// Other names for the columns, in order: those of a NumPy array are numbers.
    pub fn named<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.names = Some(names.into_iter().map(String::from).collect());
        self
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        (0..self.format.count()).map(|index| self.format.rows(index)).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All rows at once.
    ///
    /// # Errors
    /// The file cannot be read, or has no rows.
    pub fn read_all(&mut self) -> Result<Table, DataError> {
        let mut all: Option<Table> = None;
        for index in 0..self.count() {
            let chunk = self.read(index, 0, 0)?;
            match &mut all {
                None => all = Some(chunk),
                Some(all) => all.append(chunk),
            }
        }
        all.ok_or_else(|| DataError::source(self.path.display(), "there are no rows"))
    }
}

impl Chunks for TableFile {
    type Chunk = Table;

    fn count(&self) -> usize {
        self.format.count()
    }
    fn rows(&self, index: usize) -> Option<usize> {
        Some(self.format.rows(index))
    }
    fn read(&mut self, index: usize, _: usize, _: u64) -> Result<Table, DataError> {
        let table = self.format.read(index)?;
        match &self.names {
            Some(names) => table.named(names.iter().map(String::as_str)),
            None => Ok(table),
        }
    }
}

/// Rows that are read at once where all are wanted.
const AT_ONCE: usize = 1 << 16;

impl Table {
    /// Reads a whole file; its format is that of its ending, see [`TableFile`].
    ///
    /// # Errors
    /// As [`TableFile::open`]; the file has no rows.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, DataError> {
        TableFile::open(path, AT_ONCE)?.read_all()
    }
}

/// Reports a file whose format needs a feature that is off.
#[cfg(not(all(feature = "csv", feature = "npy", feature = "parquet")))]
fn off(path: &Path, ending: &str, feature: &str) -> DataError {
    let message = format!("`.{ending}` is read with the feature `{feature}` of flow-runtime, which is off");
    DataError::source(path.display(), message)
}

/// Stretches of `rows` rows of a whole of `len`.
#[cfg(feature = "npy")]
fn stretch(index: usize, rows: usize, len: usize) -> core::ops::Range<usize> {
    let start = (index * rows).min(len);
    start..(start + rows).min(len)
}
