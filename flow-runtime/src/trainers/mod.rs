//! Fitting: minibatch maximum likelihood with an optimiser whose state can be saved.

mod adam;
mod fit;
mod flat;
mod schedule;

pub use adam::{Adam, AdamState};
pub use fit::{Epoch, Fit, FitError, History};
pub use flat::{flat_gradient, flat_values, set_flat_values, tensor_names};
pub use schedule::Schedule;
