//! Bounds that say what is wrong where a method belongs to the other kind of flow, so that rustc says what to write
//! instead of naming a long type.

use crate::error::Error;
use core::convert::Infallible;

/// The features of an unconditional flow: none.
#[diagnostic::on_unimplemented(
    message = "this flow is conditional (`cond`): give it features first",
    label = "a density only with features given",
    note = "write `pdf.given(&features)?` and use the result in its place"
)]
pub trait NothingGiven {}

/// The features of a conditional flow.
pub trait SomethingGiven {}

/// No argument: an unconditional flow is given nothing.
#[diagnostic::on_unimplemented(
    message = "this flow is not conditional: it is given no features",
    label = "there is nothing to give",
    note = "call `log_prob`, `sample`, .. on the flow itself, or add `| cond 32` to its notation"
)]
pub trait NoFeatures {
    /// Proves that nothing comes of an argument that cannot be.
    fn never(self) -> Result<Infallible, Error>;
}
