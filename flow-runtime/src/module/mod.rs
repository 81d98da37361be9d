//! The dfdx side: parameters as tensors, the fused operation on the tape, builders and built flows.

mod cache;
mod files;
mod flow;
mod freeze;
mod line;
mod misuse;
mod named;
mod points;
mod poisson;
mod rows;
mod samples;
mod structure;
mod weights;

pub use crate::density::Element;
pub use files::FileError;
pub(crate) use files::write_atomically;
pub use flow::{
    Built, Conditional, Conditioned, Flow, FlowSpec, LogProbParts, Notation, Spec, TracedDensity, Unconditional,
};
pub(crate) use flow::{check_owns_parameters, check_points, kernel_calls};
pub use freeze::{FeatureRow, Frozen};
pub(crate) use line::{Words, difference, structure};
pub use misuse::{NothingGiven, SomethingGiven};
pub use named::{Columns, Cut, Embedded, Intrinsic, Label, Named, NamedDensity, NamedRows, System, TracedPoints};
pub use points::{DetachedTape, FeatureSpec, Features, GiveBack, GivenFeatures, Join, Points, RowsOnTape};
pub(crate) use rows::manifolds;
pub use samples::{Detached, Penalty, Regularised, Sample, Traced, TracedSample};
pub use structure::{Counts, ManifoldCounts, Numbers};
pub use weights::{BuildWeights, Weights};
