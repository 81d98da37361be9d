//! What can stop a fit, in words that name step, row, manifold, layer and the way out.

use super::checkpoint::CheckpointError;
use crate::data::DataError;
use crate::error::Error;
use dfdx::tensor::CpuError;
use std::fmt;
use std::path::PathBuf;

/// Where in a run something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepLocation {
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// The step of the run, counted from 0.
    pub step: usize,
    /// The batch of the epoch, counted from 0; of the validation data where `validation` is set.
    pub batch: usize,
    /// The seed of the batch.
    pub seed: u64,
    /// Whether this was validation.
    pub validation: bool,
    /// A file with the state before the step, for [`Trainer::replay`](super::Trainer::replay), where the fit writes
    /// checkpoints.
    pub replay: Option<PathBuf>,
}

impl fmt::Display for StepLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StepLocation { epoch, step, batch, seed, .. } = self;
        if self.validation {
            write!(f, "validation after epoch {epoch}, batch {batch} (seed {seed:#018x})")
        } else {
            write!(f, "epoch {epoch}, step {step} (batch {batch} of the epoch, seed {seed:#018x})")
        }
    }
}

/// How a message ends.
struct Kept<'a>(&'a StepLocation);

impl fmt::Display for Kept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the best weights so far are kept")?;
        match &self.0.replay {
            Some(path) => write!(f, "; `replay` of {} makes the step again", path.display()),
            None => Ok(()),
        }
    }
}

fn of_row(row: &Option<usize>) -> String {
    row.map_or(String::new(), |row| format!(" by row {row}"))
}

/// An error of a fit. The model then has the best weights so far (those of the start if no epoch was finished).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// A setting does not make sense.
    #[error("setting `{setting}` of the fit: {message}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong, and the way out.
        message: String,
    },
    /// The loss function failed: of a density, `source` names row, manifold and layer. The row is that of the data, of
    /// a stream that of the batch.
    #[error("{at}: {source}; {}", Kept(.at))]
    Step {
        /// Where.
        at: StepLocation,
        /// What happened.
        source: Box<Error>,
    },
    /// The loss function returned a number that is not finite.
    #[error("{at}: the loss function gives {value} for row {row}; {}", Kept(.at))]
    Loss {
        /// Where.
        at: StepLocation,
        /// The row of the data; of a stream, or where the function does not return one number a row, the place among
        /// the numbers it returned.
        row: usize,
        /// What it returned: a log-density, or whatever is made as large as possible.
        value: f64,
    },
    /// A gradient is not finite.
    #[error("{at}: the gradient of {part}{} is not finite; lower the learning rate; {}", of_row(.row), Kept(.at))]
    Gradient {
        /// Where.
        at: StepLocation,
        /// The first part of the model with such a gradient: of a flow fitted by its own methods a layer or the network
        /// of a manifold, otherwise a tensor.
        part: String,
        /// The first row of the data that has such a gradient alone; `None` for streams, and where only the sum is not
        /// finite.
        row: Option<usize>,
    },
    /// The loss function returned no numbers.
    #[error("{at}: the loss function returned no numbers; {}", Kept(.at))]
    Nothing {
        /// Where.
        at: StepLocation,
    },
    /// An epoch, or the validation after it, had no batch to evaluate.
    #[error("epoch {epoch}: {what}; the best weights so far are kept")]
    NoBatches {
        /// The epoch.
        epoch: usize,
        /// What was missing.
        what: &'static str,
    },
    /// A stream failed.
    #[error("{0}; the best weights so far are kept")]
    Data(#[source] Box<DataError>),
    /// A checkpoint cannot be written, or not be resumed from.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The log cannot be written.
    #[error("log {}: {source}; the best weights so far are kept", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
}

impl From<DataError> for FitError {
    fn from(error: DataError) -> Self {
        FitError::Data(Box::new(error))
    }
}

impl From<CpuError> for FitError {
    fn from(error: CpuError) -> Self {
        FitError::Device(error.to_string())
    }
}
