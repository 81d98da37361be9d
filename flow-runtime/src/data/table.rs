//! Tables: named columns of numbers or words.

use super::{BadRow, DataError};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Numbers; what is missing is NaN.
    Numbers(Vec<f64>),
    /// Words; what is missing is empty. Words that are numbers can be used as numbers.
    Words(Vec<String>),
}

impl Column {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        match self {
            Column::Numbers(numbers) => numbers.len(),
            Column::Words(words) => words.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a row as it is shown.
    pub(crate) fn show(&self, row: usize) -> String {
        match self {
            Column::Numbers(numbers) => numbers[row].to_string(),
            Column::Words(words) => words[row].clone(),
        }
    }

    /// The value of a row as a number; NaN for an empty word, `None` for another word.
    pub(crate) fn number(&self, row: usize) -> Option<f64> {
        match self {
            Column::Numbers(numbers) => Some(numbers[row]),
            Column::Words(words) => parse(&words[row]),
        }
    }

    /// The value of a row as the name of a category. A word that is a number counts as that number, so that `1`, `1.0` and `01` are one category, whether the
    /// rest of the column was read as numbers or as words.
    pub(crate) fn category(&self, row: usize) -> String {
        match self.number(row) {
            Some(number) if number.is_finite() => number.to_string(),
            Some(_) => String::new(),
            None => self.show(row).trim().to_string(),
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        match self {
            Column::Numbers(numbers) => Column::Numbers(rows.iter().map(|row| numbers[*row]).collect()),
            Column::Words(words) => Column::Words(rows.iter().map(|row| words[*row].clone()).collect()),
        }
    }
}

/// A cell as a number: NaN for an empty one.
pub(crate) fn parse(cell: &str) -> Option<f64> {
    let cell = cell.trim();
    if cell.is_empty() { Some(f64::NAN) } else { cell.parse().ok() }
}

impl From<Vec<f64>> for Column {
    fn from(numbers: Vec<f64>) -> Self {
        Column::Numbers(numbers)
    }
}
impl From<&[f64]> for Column {
    fn from(numbers: &[f64]) -> Self {
        Column::Numbers(numbers.into())
    }
}
impl<const N: usize> From<[f64; N]> for Column {
    fn from(numbers: [f64; N]) -> Self {
        Column::Numbers(numbers.into())
    }
}
impl From<Vec<String>> for Column {
    fn from(words: Vec<String>) -> Self {
        Column::Words(words)
    }
}
impl From<Vec<&str>> for Column {
    fn from(words: Vec<&str>) -> Self {
        Column::Words(words.into_iter().map(String::from).collect())
    }
}
impl<const N: usize> From<[&str; N]> for Column {
    fn from(words: [&str; N]) -> Self {
        Column::Words(words.map(String::from).into())
    }
}

/// Named columns of equal length, which know where they come from: errors name the file and the row in it, also after rows were selected or shuffled.
///
/// ```
/// use flow_runtime::data::Table;
///
/// let table = Table::new("three stars")
///     .with("ra", [10.5, 83.2, 201.0])?
///     .with("dec", [-5.0, 22.0, -11.2])?
///     .with("class", ["B", "O", "B"])?;
/// assert_eq!((table.len(), table.names().count()), (3, 3));
/// assert_eq!(table.select(&[2]).numbers("ra")?, [201.0]);
/// // What is not there is named, beside what is.
/// let message = table.numbers("DEC").unwrap_err().to_string();
/// assert!(message.contains("three stars") && message.contains("`ra`, `dec`, `class`"));
/// # Ok::<(), flow_runtime::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    origin: String,
    /// The row of the origin that each row was.
    rows: Vec<usize>,
    columns: Vec<(String, Column)>,
    /// Columns that could not be read, and why.
    unread: Vec<(String, String)>,
}

impl Table {
    /// A table without columns. `origin` is what errors call it.
    pub fn new(origin: impl Into<String>) -> Self {
        Table { origin: origin.into(), rows: Vec::new(), columns: Vec::new(), unread: Vec::new() }
    }

    /// A table of rows of numbers.
    ///
    /// ```
    /// use flow_runtime::data::Table;
    ///
    /// let table = Table::from_rows("points", ["x", "y"], &[[0.0, 1.0], [2.0, 3.0]])?;
    /// assert_eq!(table.numbers("y")?, [1.0, 3.0]);
    /// # Ok::<(), flow_runtime::data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// Two names are the same.
    pub fn from_rows<const N: usize>(
        origin: impl Into<String>,
        names: [&str; N],
        rows: &[[f64; N]],
    ) -> Result<Self, DataError> {
        let mut table = Table::new(origin);
        for (k, name) in names.into_iter().enumerate() {
            table = table.with(name, rows.iter().map(|row| row[k]).collect::<Vec<_>>())?;
        }
        Ok(table)
    }

    /// The table with one column more: numbers (what is missing is NaN), or words.
    ///
    /// # Errors
    /// There is a column of this name, or it has another number of rows.
    pub fn with(mut self, name: impl Into<String>, column: impl Into<Column>) -> Result<Self, DataError> {
        let (name, column) = (name.into(), column.into());
        let refuse =
            |message: String| Err(DataError::Column { origin: self.origin.clone(), column: name.clone(), message });
        if self.columns.iter().any(|(other, _)| *other == name) {
            return refuse("there are two columns of this name: rename one".into());
        }
        match self.columns.first() {
            None => self.rows = (0..column.len()).collect(),
            Some((first, _)) if column.len() != self.len() => {
                return refuse(format!("it has {} rows, but column `{first}` has {}", column.len(), self.len()));
            }
            Some(_) => {}
        }
        self.columns.push((name, column));
        Ok(self)
    }

    /// The table with another column in the place of one; rows stay those that they were.
    ///
    /// ```
    /// use flow_runtime::data::Table;
    ///
    /// let table = Table::from_rows("points", ["x", "y"], &[[0.0, 1.0], [2.0, 3.0]])?;
    /// let rows = table.select(&[1]).replace("x", [-2.0])?;
    /// assert_eq!((rows.numbers("x")?, rows.origin_rows()), (vec![-2.0], &[1][..]));
    /// # Ok::<(), flow_runtime::data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// There is no such column, or the new one has another number of rows.
    pub fn replace(mut self, name: &str, column: impl Into<Column>) -> Result<Self, DataError> {
        let (len, column) = (self.len(), column.into());
        self.column(name)?;
        if column.len() != len {
            let message = format!("it has {len} rows, what is to take its place has {}", column.len());
            return Err(DataError::Column { origin: self.origin, column: name.into(), message });
        }
        for (own, old) in &mut self.columns {
            if own == name {
                *old = column;
                break;
            }
        }
        Ok(self)
    }

    /// A part of a file, whose first row is row `start` of it.
    #[cfg(any(feature = "csv", feature = "npy", feature = "parquet"))]
    pub(crate) fn starting_at(mut self, start: usize) -> Self {
        self.rows.iter_mut().for_each(|row| *row += start);
        self
    }

    /// Notes columns that could not be read.
    #[cfg(feature = "parquet")]
    pub(crate) fn without(mut self, unread: Vec<(String, String)>) -> Self {
        self.unread = unread;
        self
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The file it was read from, or what it was called.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The row of the file, or of the table as it was made, that each row was.
    pub fn origin_rows(&self) -> &[usize] {
        &self.rows
    }

    /// The names of the columns, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The column of this name.
    ///
    /// # Errors
    /// There is none: the error names those there are.
    pub fn column(&self, name: &str) -> Result<&Column, DataError> {
        if let Some((_, column)) = self.columns.iter().find(|(own, _)| own == name) {
            return Ok(column);
        }
        let message = match self.unread.iter().find(|(own, _)| own == name) {
            Some((_, why)) => why.clone(),
            None => {
                let names: Vec<_> = self.names().map(|name| format!("`{name}`")).collect();
                format!("there is no such column: there are {}", names.join(", "))
            }
        };
        Err(DataError::Column { origin: self.origin.clone(), column: name.into(), message })
    }

    /// A column as numbers.
    ///
    /// # Errors
    /// There is no such column, or it holds a word that is no number: the error names the row.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, DataError> {
        let column = self.column(name)?;
        let number = |row| column.number(row).ok_or_else(|| self.bad(row, name, column, "a number", "").into());
        (0..self.len()).map(number).collect()
    }

    /// Builds the error of one value.
    pub(crate) fn bad(&self, row: usize, name: &str, column: &Column, rule: &str, advice: &str) -> Box<BadRow> {
        Box::new(BadRow {
            origin: self.origin.clone(),
            row: self.rows[row],
            column: name.into(),
            value: column.show(row),
            rule: rule.into(),
            advice: advice.into(),
        })
    }

    /// Some of the rows, in this order. Rows that do not exist are left out.
    pub fn select(&self, rows: &[usize]) -> Self {
        let rows: Vec<usize> = rows.iter().copied().filter(|row| *row < self.len()).collect();
        Table {
            origin: self.origin.clone(),
            rows: rows.iter().map(|row| self.rows[*row]).collect(),
            columns: self.columns.iter().map(|(name, column)| (name.clone(), column.select(&rows))).collect(),
            unread: self.unread.clone(),
        }
    }

    /// The rows in two parts at random: the rest, and `share` of them (rounded). What is fitted is fitted to the first alone.
    ///
    /// # Errors
    /// `share` is not from 0 to 1.
    pub fn split(&self, share: f64, seed: u64) -> Result<(Self, Self), DataError> {
        if !(0.0..=1.0).contains(&share) {
            return Err(DataError::source(&self.origin, format!("{share} is no share of the rows: from 0 to 1")));
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(seed));
        let held = order.split_off(self.len() - (self.len() as f64 * share).round() as usize);
        Ok((self.select(&order), self.select(&held)))
    }

    /// The table with other names for its columns, for instance those of a NumPy array.
    ///
    /// # Errors
    /// There are more or fewer names than columns, or two are the same.
    pub fn named<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Result<Self, DataError> {
        let names: Vec<&str> = names.into_iter().collect();
        if names.len() != self.columns.len() {
            let message = format!("{} names for {} columns", names.len(), self.columns.len());
            return Err(DataError::source(&self.origin, message));
        }
        let mut table = Table::new(self.origin);
        for (name, (_, column)) in names.into_iter().zip(self.columns) {
            table = table.with(name, column)?;
        }
        Ok(Table { rows: self.rows, ..table })
    }

    /// The rows of both tables, those of `other` behind. Errors then name this table's origin.
    pub(crate) fn append(&mut self, other: Table) {
        self.rows.extend(other.rows);
        for ((_, own), (_, more)) in self.columns.iter_mut().zip(other.columns) {
            match (own, more) {
                (Column::Numbers(own), Column::Numbers(more)) => own.extend(more),
                (Column::Words(own), Column::Words(more)) => own.extend(more),
                // Chunks of one file have columns of the same kind.
                (own, more) => {
                    *own = Column::Words(
                        (0..own.len())
                            .map(|row| own.show(row))
                            .chain((0..more.len()).map(|row| more.show(row)))
                            .collect(),
                    )
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let words = ["1", "", "x", "4.5", " 2 "];
        Table::new("t").with("a", [1.0, 2.0, 3.0, 4.0, f64::NAN]).unwrap().with("b", words).unwrap()
    }

    #[test]
    fn rows_keep_the_number_they_had() {
        let selected = table().select(&[3, 2, 9]).select(&[1]);
        assert_eq!((selected.len(), selected.origin_rows()), (1, &[2][..]));
        let message = selected.numbers("b").unwrap_err().to_string();
        assert_eq!(message, "t, row 2, column `b`: the value is `x`; the rule: a number");
        let (rest, held) = table().split(0.4, 1).unwrap();
        assert_eq!((rest.len(), held.len()), (3, 2));
        let mut all = [rest.origin_rows(), held.origin_rows()].concat();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4]);
        assert_eq!(table().split(0.4, 1).unwrap().1.origin_rows(), held.origin_rows());
        assert!(table().split(1.5, 1).unwrap_err().to_string().contains("from 0 to 1"));
    }

    #[test]
    fn words_that_are_numbers_are_numbers() {
        let good = table().select(&[0, 3, 4]);
        assert_eq!(good.numbers("b").unwrap(), [1.0, 4.5, 2.0]);
        assert!(table().select(&[1]).numbers("b").unwrap()[0].is_nan());
        let column = Column::from(["1", "1.0", "01", "one ", ""]);
        let categories: Vec<_> = (0..5).map(|row| column.category(row)).collect();
        assert_eq!(categories, ["1", "1", "1", "one", ""]);
        assert_eq!(Column::from([1.0]).category(0), "1");
    }

    #[test]
    fn columns_are_of_one_length_and_have_names() {
        let message = table().with("a", [0.0; 5]).unwrap_err().to_string();
        assert!(message.contains("`a`: there are two columns of this name"), "{message}");
        let message = table().with("c", [0.0; 4]).unwrap_err().to_string();
        assert!(message.contains("`c`: it has 4 rows, but column `a` has 5"), "{message}");
        let named = table().select(&[4]).named(["p", "q"]).unwrap();
        assert_eq!((named.names().collect::<Vec<_>>(), named.origin_rows()), (vec!["p", "q"], &[4][..]));
        let message = table().replace("a", [1.0]).unwrap_err().to_string();
        assert!(message.contains("`a`: it has 5 rows, what is to take its place has 1"), "{message}");
        assert!(table().replace("z", [1.0]).unwrap_err().to_string().contains("there is no such column"));
        assert!(table().named(["p"]).unwrap_err().to_string().contains("1 names for 2 columns"));
    }
}
