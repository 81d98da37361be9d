//! The dfdx side: parameters as tensors, the fused operation on the tape, builders and built flows.

mod counts;
mod files;
mod flow;
mod freeze;
mod instead;
mod points;
mod samples;
mod weights;

pub use files::FileError;
pub(crate) use flow::check_points;
pub use flow::{Built, Conditional, Evaluation, Flow, GivenFlow, Notation, Spec, Unconditional};
pub use freeze::{FeatureRow, Frozen};
pub use points::{FeatureSpec, Features, GiveBack, GivenFeatures, Join, Points, Rows};
pub use samples::{Columns, Penalty, Regularised, Sample, Traced, TracedSample};
pub use weights::{BuildWeights, Weights};

/// The numbers a flow is built with: `f32` and `f64`.
pub trait Element: crate::kernels::Number + dfdx::shapes::Dtype {}
impl Element for f32 {}
impl Element for f64 {}
