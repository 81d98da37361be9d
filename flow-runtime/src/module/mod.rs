//! The dfdx side: parameters as tensors, the fused operation on the tape, builders and built flows.

mod counts;
mod files;
mod flow;
mod freeze;
mod instead;
mod line;
mod memory;
mod named;
mod on_tape;
mod plain;
mod points;
mod samples;
mod structure;
mod weights;

pub use files::FileError;
pub(crate) use files::write_atomically;
pub use flow::{Built, Conditional, Evaluation, Flow, GivenFlow, Notation, Spec, Unconditional};
pub(crate) use flow::{check_owns_parameters, check_points, draw_base};
pub use freeze::{FeatureRow, Frozen};
pub use instead::FeaturesFirst;
pub(crate) use line::{Words, difference, structure};
pub use named::{Columns, Cut, Embedded, Intrinsic, Label, Named, NamedDensity, NamedRows, System, TracedPoints};
pub use on_tape::OnTape;
pub(crate) use plain::{embed_rows, intrinsic_rows, letters_of, spaces};
pub use points::{DetachedTape, FeatureSpec, Features, GiveBack, GivenFeatures, Join, Points, Rows};
pub use samples::{Detached, Penalty, Regularised, Sample, Traced, TracedSample};
pub use structure::{Counts, Numbers, Part};
pub use weights::{BuildWeights, Weights};

/// The numbers a flow is built with: `f32` and `f64`.
pub trait Element: crate::kernels::Number + dfdx::shapes::Dtype {}
impl Element for f32 {}
impl Element for f64 {}
