//! Comma-separated values.

use super::super::table::parse;
use super::super::{Column, DataError, Table};
use super::Format;
use csv::{ByteRecord, ErrorKind, Position, Reader, ReaderBuilder};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The signs of a CSV file. Cells may be in double quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    /// Between cells: a comma.
    pub delimiter: u8,
    /// Lines that start with this are passed over: none.
    pub comment: Option<u8>,
}

impl Default for CsvOptions {
    fn default() -> Self {
        CsvOptions { delimiter: b',', comment: None }
    }
}

/// A file whose rows and kinds of columns have been found.
pub struct CsvFile {
    path: PathBuf,
    options: CsvOptions,
    names: Vec<String>,
    /// Whether all cells of a column are numbers, or empty.
    numeric: Vec<bool>,
    /// Position of each chunk in the file.
    starts: Vec<Position>,
    chunk: usize,
    rows: usize,
}

impl CsvFile {
    pub fn open(path: &Path, chunk: usize, options: CsvOptions) -> Result<Self, DataError> {
        let mut reader = reader(path, options, true)?;
        let header = reader.byte_headers().map_err(|error| explain(path, 0, error))?.clone();
        let names = header.iter().map(|name| text(path, "the first line", name)).collect::<Result<Vec<_>, _>>()?;
        if names.iter().all(String::is_empty) {
            return Err(DataError::source(path.display(), "the first line names no columns"));
        }
        let mut file = CsvFile {
            path: path.into(),
            options,
            numeric: vec![true; names.len()],
            names,
            starts: Vec::new(),
            chunk,
            rows: 0,
        };
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(|error| explain(path, file.rows, error))? {
            if file.rows.is_multiple_of(chunk)
                && let Some(position) = record.position()
            {
                file.starts.push(position.clone());
            }
            for ((cell, numeric), name) in record.iter().zip(&mut file.numeric).zip(&file.names) {
                let cell = text(path, &format!("row {}, column `{name}`", file.rows), cell)?;
                *numeric = *numeric && parse(&cell).is_some();
            }
            file.rows += 1;
        }
        Ok(file)
    }
}

impl Format for CsvFile {
    fn count(&self) -> usize {
        self.starts.len()
    }
    fn rows(&self, index: usize) -> usize {
        self.chunk.min(self.rows - index * self.chunk)
    }
    fn read(&mut self, index: usize) -> Result<Table, DataError> {
        let first = index * self.chunk;
        let mut reader = reader(&self.path, self.options, false)?;
        reader.seek(self.starts[index].clone()).map_err(|error| explain(&self.path, first, error))?;
        let empty = |numeric: &bool| if *numeric { Column::Numbers(Vec::new()) } else { Column::Words(Vec::new()) };
        let mut columns: Vec<Column> = self.numeric.iter().map(empty).collect();
        let mut record = ByteRecord::new();
        for row in first..first + self.rows(index) {
            if !reader.read_byte_record(&mut record).map_err(|error| explain(&self.path, row, error))? {
                return Err(changed(&self.path));
            }
            for ((cell, column), name) in record.iter().zip(&mut columns).zip(&self.names) {
                let cell = text(&self.path, &format!("row {row}, column `{name}`"), cell)?;
                match column {
                    Column::Numbers(numbers) => numbers.push(parse(&cell).ok_or_else(|| changed(&self.path))?),
                    Column::Words(words) => words.push(cell),
                }
            }
        }
        let mut table = Table::new(self.path.display().to_string());
        for (name, column) in self.names.iter().zip(columns) {
            table = table.with(name, column)?;
        }
        Ok(table.starting_at(first))
    }
}

fn reader(path: &Path, options: CsvOptions, header: bool) -> Result<Reader<File>, DataError> {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(options.delimiter).comment(options.comment).has_headers(header).trim(csv::Trim::All);
    builder.from_path(path).map_err(|error| DataError::io(path, error))
}

fn text(path: &Path, place: &str, cell: &[u8]) -> Result<String, DataError> {
    // Excel marks UTF-8 by these bytes at the start.
    let cell = cell.strip_prefix(b"\xef\xbb\xbf").unwrap_or(cell);
    String::from_utf8(cell.to_vec()).map_err(|_| DataError::source(path.display(), format!("{place}: is not UTF-8")))
}

fn changed(path: &Path) -> DataError {
    DataError::source(path.display(), "the file is another than when it was opened")
}

/// Converts an error of the reader, with the row counted as everywhere.
fn explain(path: &Path, row: usize, error: csv::Error) -> DataError {
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let message = format!("row {row} has {len} cells: the first line names {expected_len} columns");
            DataError::source(path.display(), message)
        }
        _ => DataError::io(path, error),
    }
}

impl Table {
    /// Writes the table as CSV. The path holds either what it held before, or all of the table.
    ///
    /// ```
    /// use flow_runtime::data::Table;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("table.csv");
    /// let table = Table::new("table").with("x", [0.1, 1e300])?.with("word", ["with, comma", "plain"])?;
    /// table.write_csv(&path)?;
    /// let again = Table::read(&path)?;
    /// assert_eq!((again.column("x")?, again.column("word")?), (table.column("x")?, table.column("word")?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The file system refuses.
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        let path = path.as_ref();
        let mut writer = csv::Writer::from_writer(Vec::new());
        let columns = self.names().map(|name| self.column(name)).collect::<Result<Vec<_>, _>>()?;
        let io = |error: csv::Error| DataError::io(path, error);
        writer.write_record(self.names()).map_err(io)?;
        for row in 0..self.len() {
            writer.write_record(columns.iter().map(|column| column.show(row))).map_err(io)?;
        }
        let content = writer.into_inner().map_err(|error| DataError::io(path, error.error()))?;
        crate::module::write_atomically(path, &content).map_err(|error| match error {
            crate::FileError::Io { path, source } => DataError::io(&path, source),
            other => DataError::io(path, other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Chunks, TableFile};
    use super::*;

    fn written(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.csv");
        std::fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn chunks_are_parts_of_the_whole() {
        let mut content = String::from("\u{feff}x ,\"the name\", y\r\n");
        for row in 0..50 {
            // Cells over two lines, empty cells, and a column that turns out to be words in its last row.
            let name = if row % 7 == 3 { "\"two\nlines, quoted\"".to_string() } else { format!("n{row}") };
            let x = if row == 20 { String::new() } else { format!("{}e-3", row * row) };
            content += &format!("{x},{name},{}\n", if row == 49 { "last".to_string() } else { row.to_string() });
        }
        let (_folder, path) = written(content.as_bytes());
        let whole = Table::read(&path).unwrap();
        assert_eq!(whole.names().collect::<Vec<_>>(), ["x", "the name", "y"]);
        assert_eq!((whole.len(), whole.origin_rows()[49]), (50, 49));
        let Column::Numbers(x) = whole.column("x").unwrap() else { panic!("x is no column of numbers") };
        assert!(x[20].is_nan() && x[19] == 361e-3);
        assert_eq!(whole.column("the name").unwrap().show(3), "two\nlines, quoted");
        let mut file = TableFile::open(&path, 8).unwrap();
        assert_eq!((file.count(), file.len(), Chunks::rows(&file, 6)), (7, 50, Some(2)));
        for index in [6, 0, 3, 2] {
            let chunk = file.read(index, 0, 0).unwrap();
            for name in ["x", "the name", "y"] {
                for row in 0..chunk.len() {
                    let (own, all) = (chunk.column(name).unwrap(), whole.column(name).unwrap());
                    assert_eq!(own.show(row), all.show(8 * index + row));
                }
            }
            assert!(matches!(chunk.column("y").unwrap(), Column::Words(_)));
            assert_eq!(chunk.origin_rows()[0], 8 * index);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let of = |content: &[u8]| {
            let (_folder, path) = written(content);
            Table::read(&path).unwrap_err().to_string()
        };
        assert!(of(b"a,b\n1,2\n3\n").contains("row 1 has 1 cells: the first line names 2 columns"));
        assert!(of(b"a,b\n1,\xff\n").contains("row 0, column `b`: is not UTF-8"));
        assert!(of(b"a,a\n1,2\n").contains("column `a`: there are two columns of this name"));
        assert!(of(b"a,b\n").contains("there are no rows"));
        assert!(of(b"").contains("names no columns"));
        let missing = Table::read("/nowhere/data.csv").unwrap_err().to_string();
        assert!(missing.starts_with("/nowhere/data.csv: "), "{missing}");
        assert!(Table::read("data.xls").unwrap_err().to_string().contains(".parquet"));
    }

    #[test]
    fn other_signs_are_read() {
        let (_folder, path) = written(b"# of today\na;b\n1;2,5\n# and more\n3;x\n");
        let options = CsvOptions { delimiter: b';', comment: Some(b'#') };
        let table = TableFile::open_csv(&path, 10, options).unwrap().read_all().unwrap();
        assert_eq!(table.numbers("a").unwrap(), [1.0, 3.0]);
        assert_eq!(table.column("b").unwrap(), &Column::from(["2,5", "x"]));
    }
}
