//! Arrays of NumPy: .npy, and .npz, a zip of them.

use super::super::{Column, DataError, Table};
use super::{Format, stretch};
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, TypeStr};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The type of an array's items.
#[derive(Clone, Copy)]
enum Items {
    Float(usize),
    Int(usize),
    Uint(usize),
    Bool,
    /// UTF-32 of so many characters, filled up by zeros.
    Text(usize),
    /// Bytes, filled up by zeros.
    Bytes(usize),
}

/// An array of one or two dimensions without its numbers.
#[derive(Clone, Copy)]
struct Array {
    items: Items,
    big: bool,
    rows: usize,
    columns: usize,
    /// Whether it was one of two dimensions.
    table: bool,
    by_columns: bool,
}

impl Array {
    fn of(header: &NpyHeader) -> Result<Self, String> {
        let kind = match header.dtype() {
            DType::Plain(kind) => kind,
            _ => return Err("it is a structured array: save its fields as arrays of a .npz, `np.savez(path, **{f: a[f] for f in a.dtype.names})`".into()),
        };
        let (items, big) = items(&kind)?;
        let (rows, columns, table) = match header.shape() {
            [rows] => (*rows, 1, false),
            [rows, columns] => (*rows, *columns, true),
            shape => return Err(format!("its shape is {shape:?}: a table is (rows) or (rows, columns)")),
        };
        let array = Array {
            items,
            big,
            rows: rows as usize,
            columns: columns as usize,
            table,
            by_columns: header.order() == Order::Fortran,
        };
        array
            .rows
            .checked_mul(array.columns)
            .and_then(|items| items.checked_mul(array.width()))
            .ok_or("it is larger than memory can be")?;
        Ok(array)
    }

    /// Bytes of an item.
    fn width(self) -> usize {
        match self.items {
            Items::Float(width) | Items::Int(width) | Items::Uint(width) | Items::Bytes(width) => width,
            Items::Bool => 1,
            Items::Text(characters) => 4 * characters,
        }
    }

    fn column(self, bytes: &[u8]) -> Column {
        match self.items {
            Items::Text(_) | Items::Bytes(_) => {
                Column::Words(bytes.chunks_exact(self.width().max(1)).map(|item| self.word(item)).collect())
            }
            _ => Column::Numbers(bytes.chunks_exact(self.width()).map(|item| self.number(item)).collect()),
        }
    }

    fn number(self, item: &[u8]) -> f64 {
        let mut little = [0; 8];
        let own = &mut little[..item.len()];
        own.copy_from_slice(item);
        if self.big {
            own.reverse();
        }
        let bits = u64::from_le_bytes(little);
        match self.items {
            Items::Float(4) => f32::from_bits(bits as u32).into(),
            Items::Float(_) => f64::from_bits(bits),
            // The sign is that of the highest byte there is.
            Items::Int(width) => ((bits << (64 - 8 * width)) as i64 >> (64 - 8 * width)) as f64,
            _ => bits as f64,
        }
    }

    fn word(self, item: &[u8]) -> String {
        if let Items::Bytes(_) = self.items {
            return String::from_utf8_lossy(item).trim_end_matches('\0').into();
        }
        let character = |four: &[u8; 4]| {
            let code = if self.big { u32::from_be_bytes(*four) } else { u32::from_le_bytes(*four) };
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
        };
        let text: String = item.as_chunks().0.iter().map(character).collect();
        text.trim_end_matches('\0').into()
    }

    /// Some rows, column by column, from where the numbers start.
    fn read<R: Read + Seek>(
        self,
        reader: &mut R,
        start: u64,
        rows: core::ops::Range<usize>,
    ) -> std::io::Result<Vec<Column>> {
        let (width, len) = (self.width(), rows.len());
        let mut columns = vec![vec![0; len * width]; self.columns];
        if self.by_columns {
            for (k, column) in columns.iter_mut().enumerate() {
                reader.seek(SeekFrom::Start(start + ((k * self.rows + rows.start) * width) as u64))?;
                reader.read_exact(column)?;
            }
        } else {
            reader.seek(SeekFrom::Start(start + (rows.start * self.columns * width) as u64))?;
            let mut row = vec![0; self.columns * width];
            for r in 0..len {
                reader.read_exact(&mut row)?;
                for (k, column) in columns.iter_mut().enumerate() {
                    column[r * width..][..width].copy_from_slice(&row[k * width..][..width]);
                }
            }
        }
        Ok(columns.into_iter().map(|bytes| self.column(&bytes)).collect())
    }
}

fn items(kind: &TypeStr) -> Result<(Items, bool), String> {
    let size = kind.size_field() as usize;
    let items = match (kind.type_char(), size) {
        (TypeChar::Float, 4 | 8) => Items::Float(size),
        (TypeChar::Int, 1 | 2 | 4 | 8) => Items::Int(size),
        (TypeChar::Uint, 1 | 2 | 4 | 8) => Items::Uint(size),
        (TypeChar::Bool, 1) => Items::Bool,
        (TypeChar::UnicodeStr, _) => Items::Text(size),
        (TypeChar::ByteStr, _) => Items::Bytes(size),
        _ => return Err(format!("its type is {kind}: convert it, `array.astype(\"f8\")`")),
    };
    Ok((items, kind.endianness() == Endianness::Big))
}

/// One array in a file.
pub struct NpyFile {
    path: PathBuf,
    reader: BufReader<File>,
    array: Array,
    start: u64,
    chunk: usize,
}

impl NpyFile {
    pub fn open(path: &Path, chunk: usize) -> Result<Self, DataError> {
        let io = |error| DataError::io(path, error);
        let mut reader = BufReader::new(File::open(path).map_err(io)?);
        let header = NpyHeader::from_reader(&mut reader)
            .map_err(|error| DataError::source(path.display(), format!("it is no .npy file: {error}")))?;
        let start = reader.stream_position().map_err(io)?;
        let array = Array::of(&header).map_err(|message| DataError::source(path.display(), message))?;
        let wanted = start + (array.rows * array.columns * array.width()) as u64;
        let found = reader.get_ref().metadata().map_err(io)?.len();
        if found < wanted {
            let message = format!("it is cut off: {found} bytes of {wanted}");
            return Err(DataError::source(path.display(), message));
        }
        Ok(NpyFile { path: path.into(), reader, array, start, chunk })
    }
}

impl Format for NpyFile {
    fn count(&self) -> usize {
        self.array.rows.div_ceil(self.chunk)
    }
    fn rows(&self, index: usize) -> usize {
        stretch(index, self.chunk, self.array.rows).len()
    }
    fn read(&mut self, index: usize) -> Result<Table, DataError> {
        let rows = stretch(index, self.chunk, self.array.rows);
        let columns = self
            .array
            .read(&mut self.reader, self.start, rows.clone())
            .map_err(|error| DataError::io(&self.path, error))?;
        let mut table = Table::new(self.path.display().to_string());
        for (k, column) in columns.into_iter().enumerate() {
            table = table.with(k.to_string(), column)?;
        }
        Ok(table.starting_at(rows.start))
    }
}

/// Several arrays in a file, all in memory: what is compressed can only be read from its start.
pub struct NpzFile {
    table: Table,
    chunk: usize,
}

impl NpzFile {
    pub fn open(path: &Path, chunk: usize) -> Result<Self, DataError> {
        let file = File::open(path).map_err(|error| DataError::io(path, error))?;
        let broken = |error: String| DataError::source(path.display(), error);
        let mut archive = zip::ZipArchive::new(BufReader::new(file))
            .map_err(|error| broken(format!("it is no .npz file: {error}")))?;
        let mut table = Table::new(path.display().to_string());
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(|error| broken(error.to_string()))?;
            let name = entry.name().map_err(|error| broken(error.to_string()))?.trim_end_matches(".npy").to_string();
            let of = |error: String| broken(format!("array `{name}`: {error}"));
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(|error| of(error.to_string()))?;
            let mut reader = std::io::Cursor::new(&bytes);
            let header = NpyHeader::from_reader(&mut reader).map_err(|error| of(error.to_string()))?;
            let (array, start) = (Array::of(&header).map_err(of)?, reader.position());
            if ((bytes.len() as u64) - start) < (array.rows * array.columns * array.width()) as u64 {
                return Err(of("it is cut off".into()));
            }
            let columns = array.read(&mut reader, start, 0..array.rows).map_err(|error| of(error.to_string()))?;
            for (k, column) in columns.into_iter().enumerate() {
                let name = if array.table { format!("{name}[{k}]") } else { name.clone() };
                table = table.with(name, column)?;
            }
        }
        Ok(NpzFile { table, chunk })
    }
}

impl Format for NpzFile {
    fn count(&self) -> usize {
        self.table.len().div_ceil(self.chunk)
    }
    fn rows(&self, index: usize) -> usize {
        stretch(index, self.chunk, self.table.len()).len()
    }
    fn read(&mut self, index: usize) -> Result<Table, DataError> {
        let rows: Vec<usize> = stretch(index, self.chunk, self.table.len()).collect();
        Ok(self.table.select(&rows))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Chunks, TableFile};
    use super::*;
    use std::io::Write;

    /// An array as NumPy writes it.
    fn npy(descr: &str, order: bool, shape: &str, data: &[u8]) -> Vec<u8> {
        let order = if order { "True" } else { "False" };
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
        while (10 + header.len() + 1) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn file(name: &str, content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn arrays_of_both_orders_are_read_in_chunks() {
        let at = |row: usize, column: usize| (100 * row + column) as f64 - 0.25;
        for by_columns in [false, true] {
            let mut data = Vec::new();
            for outer in 0..if by_columns { 3 } else { 11 } {
                for inner in 0..if by_columns { 11 } else { 3 } {
                    let x = if by_columns { at(inner, outer) } else { at(outer, inner) };
                    data.extend(x.to_le_bytes());
                }
            }
            let (_folder, path) = file("a.npy", &npy("<f8", by_columns, "(11, 3)", &data));
            let mut source = TableFile::open(&path, 4).unwrap().named(["x", "y", "z"]);
            assert_eq!((source.count(), source.len()), (3, 11));
            for index in [2, 0, 1] {
                let chunk = source.read(index, 0, 0).unwrap();
                for (k, name) in ["x", "y", "z"].into_iter().enumerate() {
                    let rows = chunk.origin_rows().to_vec();
                    assert_eq!(rows[0], 4 * index);
                    assert_eq!(chunk.numbers(name).unwrap(), rows.iter().map(|row| at(*row, k)).collect::<Vec<_>>());
                }
            }
            assert_eq!(Table::read(&path).unwrap().names().collect::<Vec<_>>(), ["0", "1", "2"]);
        }
    }

    #[test]
    fn every_type_is_read() {
        let of = |descr: &str, shape: &str, data: &[u8]| {
            let (_folder, path) = file("a.npy", &npy(descr, false, shape, data));
            Table::read(&path).unwrap().column("0").unwrap().clone()
        };
        assert_eq!(of(">f4", "(2,)", &[1.5f32.to_be_bytes(), (-2f32).to_be_bytes()].concat()), [1.5, -2.0].into());
        assert_eq!(of("<i2", "(2,)", &[(-3i16).to_le_bytes(), 300i16.to_le_bytes()].concat()), [-3.0, 300.0].into());
        assert_eq!(of(">i8", "(1,)", &(-5i64).to_be_bytes()), [-5.0].into());
        assert_eq!(of("|i1", "(2,)", &[0x80, 0x7f]), [-128.0, 127.0].into());
        assert_eq!(of("<u8", "(1,)", &(1u64 << 63).to_le_bytes()), [2f64.powi(63)].into());
        assert_eq!(of("|b1", "(3,)", &[1, 0, 1]), [1.0, 0.0, 1.0].into());
        let text: Vec<u8> = ['ä', '\0', 'b', 'c'].into_iter().flat_map(|c| (c as u32).to_le_bytes()).collect();
        assert_eq!(of("<U2", "(2,)", &text), ["ä", "bc"].into());
        assert_eq!(of("|S3", "(2,)", b"ab\0xyz"), ["ab", "xyz"].into());
    }

    #[test]
    fn archives_have_a_column_for_each_array() {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let x: Vec<u8> = [1.0f64, 2.0, 3.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let v: Vec<u8> = (0..6).flat_map(|x: i32| x.to_le_bytes()).collect();
        for (name, method, array) in [
            ("x.npy", zip::CompressionMethod::Stored, npy("<f8", false, "(3,)", &x)),
            ("v.npy", zip::CompressionMethod::Deflated, npy("<i4", false, "(3, 2)", &v)),
        ] {
            archive.start_file(name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
            archive.write_all(&array).unwrap();
        }
        let (_folder, path) = file("a.npz", &archive.finish().unwrap().into_inner());
        let table = TableFile::open(&path, 2).unwrap().read_all().unwrap();
        assert_eq!(table.names().collect::<Vec<_>>(), ["x", "v[0]", "v[1]"]);
        assert_eq!(table.numbers("v[1]").unwrap(), [1.0, 3.0, 5.0]);
        assert_eq!(TableFile::open(&path, 2).unwrap().read(1, 0, 0).unwrap().numbers("x").unwrap(), [3.0]);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let of = |name: &str, content: &[u8]| {
            let (_folder, path) = file(name, content);
            Table::read(&path).unwrap_err().to_string()
        };
        assert!(of("a.npy", b"1,2,3\n").contains("it is no .npy file"));
        assert!(of("a.npz", b"1,2,3\n").contains("it is no .npz file"));
        assert!(of("a.npy", &npy("<f8", false, "(3,)", &[0; 16])).contains("cut off"));
        assert!(of("a.npy", &npy("<f8", false, "(1, 1, 1)", &[0; 8])).contains("(rows, columns)"));
        assert!(of("a.npy", &npy("<c16", false, "(1,)", &[0; 16])).contains("astype"));
    }
}
