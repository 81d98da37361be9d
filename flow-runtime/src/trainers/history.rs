//! What happened in a run.

use super::adam::AdamState;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What happened in one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Mean loss (negative log-density) over the training rows, as met during the epoch.
    pub training: f64,
    /// Mean loss over the validation rows after the epoch, with the averaged weights where [`Fit::ema_decay`](super::Fit::ema_decay) is set.
    pub validation: Option<f64>,
    /// Learning rate at the end of the epoch.
    pub rate: f64,
    /// Largest gradient norm of the epoch, before clipping.
    pub gradient: f64,
    /// Seconds.
    pub seconds: f64,
}

/// A batch that was passed over because its loss or gradient was not finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Skipped {
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// The step of the run, counted from 0.
    pub step: usize,
    /// The seed of the batch.
    pub seed: u64,
    /// What was not finite: layer, manifold and row, as the error would say it.
    pub reason: String,
}

/// What happened in a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The epochs.
    pub epochs: Vec<Epoch>,
    /// The epoch with the smallest loss, counted from 0: its weights are kept.
    pub best: usize,
    /// Its loss: of the validation rows, or of the training rows where there are none. Infinite before the end of the first epoch.
    #[serde(serialize_with = "or_null", deserialize_with = "or_infinite")]
    pub best_loss: f64,
    /// Whether the run ended early: by patience, or by a callback.
    pub stopped_early: bool,
    /// Whether a callback paused the run: its last checkpoint goes on from here.
    pub paused: bool,
    /// Batches that were passed over ([`NonFinite::Skip`](super::NonFinite::Skip)).
    pub skipped: Vec<Skipped>,
    /// The optimiser's state at the end of the run.
    pub optimizer: AdamState,
}

/// JSON has no infinity.
fn or_null<S: Serializer>(loss: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    loss.is_finite().then_some(*loss).serialize(serializer)
}

fn or_infinite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
}
