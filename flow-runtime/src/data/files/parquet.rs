//! Apache Parquet, by its columns.

use super::super::{Column, DataError, Table};
use super::Format;
use core::ops::Range;
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A file with its columns, and its rows in stretches of row groups.
pub struct ParquetFile {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    /// Name, place and greatest definition level of the columns that are read.
    columns: Vec<(String, usize, i16)>,
    /// Those that are not, and why.
    unread: Vec<(String, String)>,
    /// Row group, rows in it, and first row in the file.
    chunks: Vec<(usize, Range<usize>, usize)>,
}

impl ParquetFile {
    pub fn open(path: &Path, rows: usize) -> Result<Self, DataError> {
        let file = File::open(path).map_err(|error| DataError::io(path, error))?;
        let reader = SerializedFileReader::new(file)
            .map_err(|error| DataError::source(path.display(), format!("it is no Parquet file: {error}")))?;
        let (mut columns, mut unread) = (Vec::new(), Vec::new());
        for (place, column) in reader.metadata().file_metadata().schema_descr().columns().iter().enumerate() {
            let name = column.path().parts().join(".");
            match refused(column) {
                None => columns.push((name, place, column.max_def_level())),
                Some(why) => unread.push((name, why)),
            }
        }
        let (mut chunks, mut first) = (Vec::new(), 0);
        for (group, metadata) in reader.metadata().row_groups().iter().enumerate() {
            let all = metadata.num_rows().max(0) as usize;
            for start in (0..all).step_by(rows) {
                chunks.push((group, start..(start + rows).min(all), first + start));
            }
            first += all;
        }
        Ok(ParquetFile { path: path.into(), reader, columns, unread, chunks })
    }

    fn column(&self, group: usize, place: usize, level: i16, rows: Range<usize>) -> Result<Column, ParquetError> {
        let descriptor = self.reader.metadata().file_metadata().schema_descr().column(place);
        let unsigned = matches!(
            descriptor.converted_type(),
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
        );
        let missing = f64::NAN;
        Ok(match self.reader.get_row_group(group)?.get_column_reader(place)? {
            ColumnReader::BoolColumnReader(r) => numbers(r, rows, level, missing, |x| f64::from(u8::from(x)))?.into(),
            ColumnReader::Int32ColumnReader(r) if unsigned => {
                numbers(r, rows, level, missing, |x| x as u32 as f64)?.into()
            }
            ColumnReader::Int32ColumnReader(r) => numbers(r, rows, level, missing, f64::from)?.into(),
            ColumnReader::Int64ColumnReader(r) if unsigned => {
                numbers(r, rows, level, missing, |x| x as u64 as f64)?.into()
            }
            ColumnReader::Int64ColumnReader(r) => numbers(r, rows, level, missing, |x| x as f64)?.into(),
            ColumnReader::FloatColumnReader(r) => numbers(r, rows, level, missing, f64::from)?.into(),
            ColumnReader::DoubleColumnReader(r) => numbers(r, rows, level, missing, |x| x)?.into(),
            ColumnReader::ByteArrayColumnReader(r) => {
                let word = |x: parquet::data_type::ByteArray| String::from_utf8_lossy(x.data()).into_owned();
                numbers(r, rows, level, String::new(), word)?.into()
            }
            _ => return Err(ParquetError::General("a column of another type than the schema says".into())),
        })
    }
}

/// Why a column is not read.
fn refused(column: &ColumnDescriptor) -> Option<String> {
    if column.max_rep_level() > 0 {
        return Some("it is a list in each row: a column has one value".into());
    }
    let decimal = column.converted_type() == ConvertedType::DECIMAL
        || matches!(column.logical_type_ref(), Some(LogicalType::Decimal { .. }));
    if decimal || matches!(column.physical_type(), Type::INT96 | Type::FIXED_LEN_BYTE_ARRAY) {
        return Some(format!("its type {} is not read: write it as DOUBLE", column.physical_type()));
    }
    None
}

/// Rows of a column; a value is present where its definition level is the greatest.
fn numbers<T: DataType, X: Clone>(
    mut reader: ColumnReaderImpl<T>,
    rows: Range<usize>,
    level: i16,
    missing: X,
    convert: impl Fn(T::T) -> X,
) -> Result<Vec<X>, ParquetError> {
    reader.skip_records(rows.start)?;
    let (mut values, mut levels, mut read) = (Vec::new(), Vec::new(), 0);
    while read < rows.len() {
        let (records, ..) = reader.read_records(rows.len() - read, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Err(ParquetError::EOF(format!("{read} rows of {}", rows.len())));
        }
        read += records;
    }
    if level == 0 {
        return Ok(values.into_iter().map(convert).collect());
    }
    let mut values = values.into_iter();
    let value = |own: i16| if own == level { values.next().map(&convert) } else { Some(missing.clone()) };
    levels.into_iter().map(value).collect::<Option<_>>().ok_or_else(|| ParquetError::EOF("values are missing".into()))
}

impl Format for ParquetFile {
    fn count(&self) -> usize {
        self.chunks.len()
    }
    fn rows(&self, index: usize) -> usize {
        self.chunks[index].1.len()
    }
    fn read(&mut self, index: usize) -> Result<Table, DataError> {
        let (group, rows, first) = self.chunks[index].clone();
        let mut table = Table::new(self.path.display().to_string());
        for (name, place, level) in &self.columns {
            let column = self.column(group, *place, *level, rows.clone()).map_err(|error| DataError::Column {
                origin: self.path.display().to_string(),
                column: name.clone(),
                message: error.to_string(),
            })?;
            table = table.with(name, column)?;
        }
        Ok(table.starting_at(first).without(self.unread.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Chunks, TableFile};
    use super::*;
    use parquet::basic::{Compression, GzipLevel};
    use parquet::data_type::{BoolType, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
    use parquet::schema::parser::parse_message_type;
    use std::sync::Arc;

    const SCHEMA: &str = "message rows {
        required double x; optional double y; required float f; required int32 i; required int64 n; required int32 u (UINT_32);
        required boolean b; optional binary word (UTF8); required int64 money (DECIMAL(10, 2));
        optional group pair { required double a; }
    }";

    /// Rows whose columns are known functions of the row.
    fn write(path: &Path, groups: &[Range<usize>], compression: Compression) {
        let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
        let properties = WriterProperties::builder().set_compression(compression).build();
        let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties)).unwrap();
        for rows in groups {
            let mut group = writer.next_row_group().unwrap();
            let mut put = |with: &dyn Fn(SerializedColumnWriter<'_>)| with(group.next_column().unwrap().unwrap());
            macro_rules! column {
                ($kind:ty, $value:expr) => {
                    put(&|mut column| {
                        let values: Vec<_> = rows.clone().map($value).collect();
                        column.typed::<$kind>().write_batch(&values, None, None).unwrap();
                        column.close().unwrap();
                    })
                };
                ($kind:ty, $value:expr, present $present:expr) => {
                    put(&|mut column| {
                        let values: Vec<_> = rows.clone().filter($present).map($value).collect();
                        let levels: Vec<i16> = rows.clone().map(|row| i16::from($present(&row))).collect();
                        column.typed::<$kind>().write_batch(&values, Some(&levels), None).unwrap();
                        column.close().unwrap();
                    })
                };
            }
            column!(DoubleType, |row| row as f64 + 0.125);
            column!(DoubleType, |row| -(row as f64), present |row: &usize| !row.is_multiple_of(3));
            column!(FloatType, |row| row as f32 * 0.5);
            column!(Int32Type, |row| -(row as i32));
            column!(Int64Type, |row| row as i64 * 1_000_000_007);
            column!(Int32Type, |row| -1 - row as i32);
            column!(BoolType, |row| row % 2 == 1);
            column!(ByteArrayType, |row| format!("w{}", row % 5).as_str().into(), present |row: &usize| !row.is_multiple_of(4));
            column!(Int64Type, |row| row as i64);
            column!(DoubleType, |row| row as f64, present |row: &usize| row.is_multiple_of(2));
            group.close().unwrap();
        }
        writer.close().unwrap();
    }

    #[test]
    fn chunks_of_row_groups_hold_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.parquet");
        for compression in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::LZ4_RAW,
        ] {
            write(&path, &[0..13, 13..20, 20..50], compression);
            let mut file = TableFile::open(&path, 6).unwrap();
            assert_eq!((file.count(), file.len()), (3 + 2 + 5, 50));
            let mut seen = 0;
            for index in 0..file.count() {
                let chunk = file.read(index, 0, 0).unwrap();
                let numbers = |name: &str| chunk.numbers(name).unwrap();
                let words = chunk.column("word").unwrap();
                for (k, row) in chunk.origin_rows().iter().copied().enumerate() {
                    assert_eq!(row, seen);
                    seen += 1;
                    let x = row as f64;
                    assert_eq!((numbers("x")[k], numbers("f")[k], numbers("i")[k]), (x + 0.125, 0.5 * x, -x));
                    assert_eq!((numbers("n")[k], numbers("u")[k]), (x * 1_000_000_007.0, 4_294_967_295.0 - x));
                    assert_eq!(numbers("b")[k], (row % 2) as f64);
                    assert!(if row % 3 == 0 { numbers("y")[k].is_nan() } else { numbers("y")[k] == -x });
                    assert!(if row % 2 == 0 { numbers("pair.a")[k] == x } else { numbers("pair.a")[k].is_nan() });
                    assert_eq!(words.show(k), if row % 4 == 0 { String::new() } else { format!("w{}", row % 5) });
                }
            }
            assert_eq!(seen, 50);
        }
        let whole = Table::read(&path).unwrap();
        assert_eq!(whole.len(), 50);
        let message = whole.column("money").unwrap_err().to_string();
        assert!(message.contains("column `money`: its type INT64 is not read: write it as DOUBLE"), "{message}");
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.parquet");
        write(&path, std::slice::from_ref(&(0..100)), Compression::SNAPPY);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 10]).unwrap();
        assert!(Table::read(&path).unwrap_err().to_string().contains("no Parquet file"));
        std::fs::write(&path, b"x,y\n1,2\n").unwrap();
        assert!(Table::read(&path).unwrap_err().to_string().contains("no Parquet file"));
    }
}
