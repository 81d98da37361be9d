//! Fitting: minibatch maximum likelihood, or any loss that is a mean over rows, in runs that can be stopped and
//! resumed.
//!
//! [`Fit`] holds all settings and is kept in a TOML or JSON file. A flow is fitted by its own `fit`, `fit_stream`,
//! `fit_counts`; any dfdx module with any loss by [`Fit::run`] and [`Fit::run_stream`]. [`Trainer`] is a `Fit` with
//! callbacks.
//!
//! # One step
//! Loss and gradient of a batch (on the tape); the gradient's norm is clipped; [`Adam`] at the rate of the
//! [`Schedule`]; averages of the weights. After an epoch: the validation loss, by the averages where there are any; the
//! best weights so far are kept; patience is counted. At the end the model gets the best weights.
//!
//! # Checkpoints
//! With [`Fit::checkpoint`] a run writes its whole state to a directory, every so many steps, epochs or minutes: the
//! weights, the optimiser's moments, the averages, the best weights, what the schedule remembers, the position in the
//! data, the history, and what is needed to go back where a step fails. Started again, the same program goes on from
//! the newest file.
//!
//! What holds:
//! - A resumed run is the run that was never stopped, bit for bit: weights, optimiser, history (but for seconds). No generator's state has to be kept, since every random
//!   number of a run is a function of the seed and of its place: the shuffles of epoch n, and the seed of each batch, which a loss gets as [`Batch::rng`]. A loss that
//!   draws from a generator of its own instead is outside of this, as is another machine, compiler or version.
//! - A file is written beside its place, put on disk and renamed: a kill or a power cut at any moment leaves the last complete checkpoint.
//! - A file that was cut short or changed is refused, with the reason; one of another version of the format is refused by name; one of another flow, other data or other
//!   settings with what differs. Settings on which no weights depend (progress bar, log, checkpoints) may change; so may the number of epochs, where the
//!   schedule does not depend on it: then a run that has ended goes on.
//!
//! ```
//! use dfdx::prelude::*;
//! use flow_runtime::{Fit, flow, trainers::{Checkpointing, Control, Event, Every}};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let run = folder.path().join("run");
//! let data: Vec<[f64; 2]> = (0..200).map(|i| [(i as f64).sin(), (2.0 * i as f64).cos()]).collect();
//! let every = Every::Steps(2);
//! let fit = Fit { epochs: 4, batch: 64, checkpoint: Some(Checkpointing { every, ..Checkpointing::new(&run) }), ..Fit::default() };
//!
//! // A callback sees what happens and answers whether to go on. This one pauses the run in the middle of an epoch.
//! let mut pdf = Cpu::default().build_module::<flow!(e2 : gt), f64>();
//! let paused = pdf.fit(&data, fit.watch(|event| match event {
//!     Event::Step { step: 4, .. } => Control::Pause,
//!     _ => Control::Continue,
//! }))?;
//! assert!(paused.paused);
//! // The same program again.
//! let mut pdf = Cpu::default().build_module::<flow!(e2 : gt), f64>();
//! let history = pdf.fit(&data, &fit)?;
//!
//! let mut never_stopped = Cpu::default().build_module::<flow!(e2 : gt), f64>();
//! let straight = never_stopped.fit(&data, &Fit { checkpoint: None, ..fit })?;
//! assert_eq!(pdf.flat_weights(), never_stopped.flat_weights());
//! assert_eq!(history.optimizer, straight.optimizer);
//! # Ok::<(), flow_runtime::FitError>(())
//! ```
//!
//! # What is not finite
//! A loss or a gradient that is not finite never reaches the weights. By default the fit ends with an error that names
//! step, seed, row, manifold and layer; [`NonFinite::Skip`] goes back to the last good state and passes over the batch.
//! With checkpoints on, the state before the step is written to a file, and [`Trainer::replay`] makes that one step
//! again.

mod adam;
mod batch;
mod checkpoint;
mod error;
mod event;
mod flat;
mod flows;
mod history;
mod log;
mod run;
mod schedule;
mod settings;
mod source;
mod step;
mod trainer;

pub use adam::{Adam, AdamState};
pub use batch::Batch;
pub use checkpoint::{Checkpoint, CheckpointError};
pub use error::{FitError, StepLocation};
pub use event::{Control, Event};
pub use flat::{flat_gradient, flat_values, set_flat_values, tensor_names};
pub(crate) use flows::Objective;
pub use history::{Epoch, History, Skipped};
pub use schedule::Schedule;
pub use settings::{Checkpointing, Every, Fit, Log, NonFinite, Resume};
pub use trainer::Trainer;
