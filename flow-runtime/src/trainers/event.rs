//! What callbacks see, and what they may answer.

use super::history::{Epoch, Skipped};
use std::path::Path;

/// Something that happened in a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The run goes on from a checkpoint.
    Resumed {
        /// The checkpoint.
        path: &'a Path,
        /// The epoch it goes on in.
        epoch: usize,
        /// The next step.
        step: usize,
    },
    /// A step was made.
    Step {
        /// The epoch, counted from 0.
        epoch: usize,
        /// The step of the run, counted from 0.
        step: usize,
        /// The loss of the batch before the step.
        loss: f64,
        /// The norm of its gradient, before clipping.
        gradient: f64,
        /// The learning rate.
        rate: f64,
    },
    /// A batch was passed over.
    Skipped(&'a Skipped),
    /// An epoch ended.
    Epoch {
        /// Its number, counted from 0.
        index: usize,
        /// What happened in it.
        epoch: &'a Epoch,
        /// Whether its loss is the smallest so far.
        best: bool,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// The file.
        path: &'a Path,
    },
}

/// The answer of a callback. Of several callbacks the strongest answer counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Control {
    /// Go on.
    #[default]
    Continue,
    /// End the run here: an epoch that has begun is validated and recorded as it is.
    Stop,
    /// Write a checkpoint and return: the run can be resumed as if it had never been stopped. Without
    /// [`Fit::checkpoint`](super::Fit::checkpoint) the rest of the run is lost.
    Pause,
}
