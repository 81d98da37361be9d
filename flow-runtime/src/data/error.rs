//! What can be wrong with data, in words that name file, row, column, value and rule.

use std::collections::BTreeMap;
use std::fmt;
#[cfg(any(feature = "csv", feature = "npy", feature = "parquet"))]
use std::path::Path;
use std::path::PathBuf;

/// A row that breaks a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct BadRow {
    /// The file, or what a table in memory calls itself.
    pub origin: String,
    /// The row of the file or table as it was read, counted from 0 without a header.
    pub row: usize,
    /// The column; several, with commas, where the rule is about them together.
    pub column: String,
    /// The value.
    pub value: String,
    /// The rule that it breaks.
    pub rule: String,
    /// The way out, if there is a common one; empty if not.
    pub advice: String,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadRow { origin, row, column, value, rule, advice } = self;
        write!(f, "{origin}, row {row}, column `{column}`: the value is `{value}`; the rule: {rule}")?;
        if advice.is_empty() { Ok(()) } else { write!(f, " ({advice})") }
    }
}

/// An error of reading or preparing data.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file system refused.
    #[error("{}: {message}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The message of the reader.
        message: String,
    },
    /// A file, or another source of rows, is not what it should be.
    #[error("{origin}: {message}")]
    Source {
        /// The file, or what the source calls itself.
        origin: String,
        /// The mistake, and the way out.
        message: String,
    },
    /// There is no such column, or it is of the wrong kind.
    #[error("{origin}: column `{column}`: {message}")]
    Column {
        /// The file, or what a table in memory calls itself.
        origin: String,
        /// The column.
        column: String,
        /// The mistake, and the way out.
        message: String,
    },
    /// A row breaks a rule.
    #[error("{0}")]
    Row(Box<BadRow>),
    /// Columns are bound to what the flow does not have, or something of it is left without columns.
    #[error("the binding does not fit the flow: {message}")]
    Binding {
        /// The mistake, and the way out.
        message: String,
    },
    /// The preparation cannot be fitted.
    #[error("column `{column}`: {message}")]
    Preparation {
        /// The column.
        column: String,
        /// The mistake, and the way out.
        message: String,
    },
}

impl DataError {
    #[cfg(any(feature = "csv", feature = "npy", feature = "parquet"))]
    pub(crate) fn io(path: &Path, error: impl fmt::Display) -> Self {
        DataError::Io { path: path.into(), message: error.to_string() }
    }
    pub(crate) fn source(origin: impl fmt::Display, message: impl fmt::Display) -> Self {
        DataError::Source { origin: origin.to_string(), message: message.to_string() }
    }
    pub(crate) fn binding(message: impl Into<String>) -> Self {
        DataError::Binding { message: message.into() }
    }
}

impl From<Box<BadRow>> for DataError {
    fn from(row: Box<BadRow>) -> Self {
        DataError::Row(row)
    }
}

/// Treatment of rows that break a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum BadRows {
    /// The first one is an error.
    #[default]
    Refuse,
    /// They are left out, and counted.
    Skip,
}

/// Rows that were left out, counted by column and rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How many broke which rule first: (column, rule) to a count.
    pub rules: BTreeMap<(String, String), usize>,
}

impl Skipped {
    /// How many rows were left out.
    pub fn total(&self) -> usize {
        self.rules.values().sum()
    }

    pub(crate) fn count(&mut self, row: BadRow) {
        *self.rules.entry((row.column, row.rule)).or_default() += 1;
    }

    /// Adds the counts of another part of the data.
    pub fn add(&mut self, other: Skipped) {
        for (key, count) in other.rules {
            *self.rules.entry(key).or_default() += count;
        }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rules.is_empty() {
            return write!(f, "no row was left out");
        }
        write!(f, "{} rows were left out", self.total())?;
        for ((column, rule), count) in &self.rules {
            write!(f, "\n    {count}: column `{column}`: {rule}")?;
        }
        Ok(())
    }
}
