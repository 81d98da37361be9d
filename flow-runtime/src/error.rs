//! What can go wrong at run time, in words that name the argument, the row and the way out.

use std::fmt;

/// Where in a flow something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The manifold, counted from 0.
    pub manifold: usize,
    /// The manifold as the notation writes it.
    pub notation: String,
    /// The layer's place in its chain, counted from 0, and its letter; `None` for the parameters of the whole chain.
    pub layer: Option<(usize, &'static str)>,
    /// What the layer has to add, behind a semicolon; mostly nothing.
    pub advice: &'static str,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layer {
            Some((index, letter)) => {
                write!(f, "layer {index} (`{letter}`) of manifold {} (`{}`)", self.manifold, self.notation)
            }
            None => write!(f, "the parameters of manifold {} (`{}`)", self.manifold, self.notation),
        }
    }
}

/// An error of a density: bad input, or a computation that left the range of the numbers.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A point is not on its manifold, or not finite.
    #[error("argument `{argument}`, row {row}: manifold {manifold} (`{notation}`): {message}")]
    Point {
        /// The argument's name.
        argument: &'static str,
        /// The row.
        row: usize,
        /// The manifold, counted from 0.
        manifold: usize,
        /// The manifold as the notation writes it.
        notation: String,
        /// What is wrong, and the way out.
        message: String,
    },
    /// A given feature is not finite.
    #[error(
        "argument `features`, row {row}: feature {column} is {value}: features are finite numbers; remove the row or fill it in"
    )]
    Feature {
        /// The row.
        row: usize,
        /// The feature.
        column: usize,
        /// Its value.
        value: f64,
    },
    /// Nothing was given, or asked for.
    #[error("argument `{argument}` is empty: give at least one row")]
    Empty {
        /// The argument's name.
        argument: &'static str,
    },
    /// Points and features do not belong together.
    #[error(
        "argument `{argument}` has {found} rows, but `features` has {expected}: give one point for each row of features"
    )]
    Rows {
        /// The argument's name.
        argument: &'static str,
        /// Rows of the features.
        expected: usize,
        /// Rows found.
        found: usize,
    },
    /// A slice has the wrong length.
    #[error("argument `{argument}` holds {found} numbers: expected {expected}")]
    Length {
        /// The argument's name.
        argument: &'static str,
        /// Numbers expected.
        expected: usize,
        /// Numbers found.
        found: usize,
    },
    /// An argument does not make sense.
    #[error("argument `{argument}`: {message}")]
    Argument {
        /// The argument's name.
        argument: &'static str,
        /// What is wrong, and the way out.
        message: String,
    },
    /// A value is not finite after a layer.
    #[error(
        "row {row}: a value is not finite after {location}: the point lies beyond the range of the numbers, or the parameters have diverged{}",
        .location.advice
    )]
    NotFinite {
        /// The row.
        row: usize,
        /// Where.
        location: Location,
    },
    /// A search did not converge.
    #[error("row {row}: the search of {location} did not converge{}", .location.advice)]
    NotConverged {
        /// The row.
        row: usize,
        /// Where.
        location: Location,
    },
    /// A log-mean is not finite, or its exponential is not.
    #[error("row {row}: the log-mean is {value}, which is no mean count: the parameters have diverged")]
    LogMean {
        /// The row of the features; 0 where nothing is given.
        row: usize,
        /// The log-mean.
        value: f64,
    },
    /// Counts and points do not belong together.
    #[error(
        "argument `counts` adds up to {counted}, but `x` has {found} rows: give the points of the first row of features first, then those of the second, and so on"
    )]
    Counts {
        /// The sum of the counts.
        counted: usize,
        /// Rows of points.
        found: usize,
    },
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
}

impl Error {
    pub(crate) fn argument(argument: &'static str, message: impl Into<String>) -> Self {
        Error::Argument { argument, message: message.into() }
    }

    /// The row of the data that the error is about, if it is about one.
    pub fn row(&self) -> Option<usize> {
        match self {
            Error::Point { row, .. }
            | Error::Feature { row, .. }
            | Error::NotFinite { row, .. }
            | Error::NotConverged { row, .. }
            | Error::LogMean { row, .. } => Some(*row),
            _ => None,
        }
    }

    /// The same error about another row: batches are cut out of data sets.
    pub fn at_row(mut self, new: usize) -> Self {
        if let Error::Point { row, .. }
        | Error::Feature { row, .. }
        | Error::NotFinite { row, .. }
        | Error::NotConverged { row, .. }
        | Error::LogMean { row, .. } = &mut self
        {
            *row = new;
        }
        self
    }
}

impl From<dfdx::tensor::CpuError> for Error {
    fn from(error: dfdx::tensor::CpuError) -> Self {
        Error::Device(error.to_string())
    }
}
