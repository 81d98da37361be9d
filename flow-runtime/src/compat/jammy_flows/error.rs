//! What can be wrong with a state, in words.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong with a state.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// The flow needs a tensor that the state does not hold.
    Missing {
        /// Name of the tensor.
        name: String,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// The state holds a tensor that the flow has no place for.
    Surplus {
        /// Name of the tensor.
        name: String,
        /// Shape in the state.
        found: Vec<usize>,
    },
    /// A tensor has another shape.
    Shape {
        /// Name of the tensor.
        name: String,
        /// The shape in the state.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A tensor holds numbers of another type than F32 and F64.
    Type {
        /// Name of the tensor.
        name: String,
        /// The type in the state.
        found: String,
    },
    /// A tensor holds a number that is not finite, or not finite in the flow's number type.
    NotFinite {
        /// Name of the tensor.
        name: String,
        /// The first such number.
        value: f64,
        /// Place of the number, counted row by row from 0.
        at: usize,
        /// The flow's number type.
        number: &'static str,
    },
    /// Two tensors should be copies of each other, but differ.
    Copies {
        /// The tensor.
        name: String,
        /// The other.
        copy: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Missing { name, expected } => write!(f, "`{name}` is missing: its shape would be {expected:?}"),
            Problem::Surplus { name, found } => {
                write!(f, "`{name}` of shape {found:?} is surplus: the flow has no place for it")
            }
            Problem::Shape { name, found, expected } => {
                write!(f, "`{name}` has the shape {found:?}: expected {expected:?}")
            }
            Problem::Type { name, found } => {
                write!(
                    f,
                    "`{name}` holds {found}: expected F32 or F64; convert it before it is saved, with `.double()`"
                )
            }
            Problem::NotFinite { name, value, at, number } => {
                write!(f, "`{name}` holds {value:e} at place {at}: not a finite {number}")
            }
            Problem::Copies { name, copy } => {
                write!(f, "`{name}` and `{copy}` are two copies of the same parameters, but differ")
            }
        }
    }
}

/// Writes the origin of a state, as the beginning of a message.
fn from(origin: &Option<PathBuf>) -> String {
    origin.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default()
}

/// The problems line by line; where names or shapes differ, also what to look at.
fn told(problems: &[Problem]) -> String {
    let another = |problem: &Problem| {
        matches!(problem, Problem::Missing { .. } | Problem::Surplus { .. } | Problem::Shape { .. })
    };
    let advice = "\nletters, options and clauses (`cond`, `hidden`, `rank`, `highway`, `poisson`, `amortize`) of the flow have to be those of the density in Python";
    let lines: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    if problems.iter().any(another) { lines + advice } else { lines }
}

/// An error of reading a state. The flow is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It could not be read at all.
    #[error("{}{source}", from(origin))]
    Io {
        /// The file, if it is one.
        origin: Option<PathBuf>,
        /// The error of the file system, or of the reader.
        source: std::io::Error,
    },
    /// It is no state, or damaged.
    #[error("{}not a state dict: {reason}", from(origin))]
    NotAState {
        /// The file, if it is one.
        origin: Option<PathBuf>,
        /// The reason.
        reason: String,
    },
    /// It is the state of another flow: everything that does not fit.
    #[error("{}the state does not fit the flow:{}", from(origin), told(problems))]
    Misfit {
        /// The file, if it is one.
        origin: Option<PathBuf>,
        /// All that is wrong: first what belongs to the flow, in its order, then what is surplus.
        problems: Vec<Problem>,
    },
}
