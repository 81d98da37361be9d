//! Conditional probability densities on products of manifolds, written in one line and checked by the compiler.
//!
//! [`flow!`] turns a line of notation into a type; dfdx builds the type into a module; the module evaluates, samples, and
//! differentiates both.
//!
//! ```
//! use dfdx::prelude::*;
//! use flow_runtime::flow;
//!
//! // A vertex in space and a direction on the sphere, given 32 features.
//! type EventPdf = flow!(e3 + s2 : gggg + n | cond 32);
//!
//! let dev = Cpu::default();
//! let pdf = dev.build_module::<EventPdf, f64>();
//! let features = [[0.1; 32]; 2];
//! // x, y, z, theta, phi of two events
//! let x = [[0.3, -1.2, 0.5, 1.1, 4.0], [0.0, 0.7, -0.2, 2.0, 0.3]];
//! let log_prob = pdf.given(&features)?.log_prob(&x)?;
//! assert!(log_prob.array().iter().all(|p| p.is_finite()));
//! # Ok::<(), flow_runtime::Error>(())
//! ```
//!
//! New here? The [`guide`] goes from x = a z + b to densities on products of manifolds; it has a page for each letter.
//!
//! # Map of the crate
//! | module | what is in it |
//! |---|---|
//! | [`guide`] | how to use all this, page by page |
//! | [`numeric`] | numbers, lanes of numbers, numbers with derivatives; special functions; root finding |
//! | [`manifolds`] | coordinates, embeddings, base maps |
//! | [`layers`] | one file a letter: the bijections, their options, their derivatives, and the laws they obey |
//! | [`kernels`] | conditioner and chain fused over blocks of points, on threads |
//! | [`module`] | the dfdx side: weights as tensors, the operation on the tape, freezing, files |
//! | [`compat`] | densities trained elsewhere: state dicts of jammy_flows |
//! | [`data`] | tables with named columns, how they are bound and prepared, streams of batches larger than memory |
//! | [`density`] | what estimators and trainers see of a density |
//! | [`estimators`] | differentiable expectation values; moments, entropies, divergences, coverage, contours, losses |
//! | [`testing`] | the laws that layers and manifolds obey, for tests of your own |
//! | [`trainers`] | maximum likelihood from rows and streams, checkpoints, callbacks, the guard against what is not finite |
//! | [`tabular`] | models: a flow with the columns it takes, fitted to tables and kept in one file |
//! | `plot` | pictures (feature `plot`) |

//!
//! # Numbers
//! Flows are built with `f64` or `f32`. In `f32` weights, features, points and networks are `f32`, and layers are computed in `f64` all the same:
//! what is left of every letter and option is measured, in docs/f32.md of the repository.

// The types that `flow!` writes are deep by nature.
#![allow(clippy::type_complexity)]
#![forbid(unsafe_code)]

extern crate self as flow_runtime;

pub mod compat;
pub mod data;
pub mod density;
mod error;
pub mod estimators;
pub mod guide;
pub mod module;
#[cfg(feature = "plot")]
pub mod plot;
pub mod tabular;
pub mod trainers;

/// The tensors, devices and modules that flows are built on, in the version they are built with.
pub use dfdx;
/// The random generators that sampling takes, in the version it takes them.
pub use rand;

/// The arithmetic, from the crate `flow-core`.
pub use flow_core::{kernels, layers, manifolds, numeric, testing};

pub use density::{Density, Layerwise};
pub use error::{Error, Location};
pub use flow_macros::flow;
pub use module::{
    Built, Conditioned, Detached, Element, FileError, Flow, Frozen, LogProbParts, Notation, Penalty, Sample, Traced,
    TracedDensity, TracedSample,
};
pub use tabular::{Model, ModelError};
pub use trainers::{Adam, Fit, FitError, History, Schedule};

/// What the code written by [`flow!`] refers to. Not for use by hand: it may change with any version.
#[doc(hidden)]
pub mod __private {
    pub use crate::density::Density;
    pub use crate::estimators::Marginal;
    pub use crate::kernels::{
        BOTH, Beside, Block, Blocks, Dense, Free, Given, INPUT, Inner, Ladder, LogMeanHead, LowRank, Network, Outer,
        Plain, Predicted, Rung, SUM, low_rank, low_rank_len,
    };
    pub use crate::layers::{
        Affine, BoxFlow, ChainType, CircleMoebius, CircleSpline, ContinuousFlow, ExponentialMap, First, FisherFlow,
        Gaussianization, GumbelSoftmax, Identity, IntervalIdentity, IntervalSpline, Last, Middle, Only, Orientation,
        SegmentedSphere, settings,
    };
    pub use crate::manifolds::{Circle, Euclidean, Interval, Manifold, Simplex, Sphere, Sphere2};
    pub use crate::module::{
        Columns, Conditional, Element, Embedded, Features, Intrinsic, Label, ManifoldCounts as Part, Named,
        NamedDensity, NamedRows, Notation, Numbers, Spec, Unconditional,
    };
    pub use dfdx;
}

/// The examples of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The example that stands in the package.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct PackageReadme;
