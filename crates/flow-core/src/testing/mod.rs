//! The laws of layers and manifolds, for tests of your own: one call says that a layer is invertible, has the log-determinant it states and
//! the derivatives it states, or which of these is wrong, where, and by how much.
//!
//! Every letter of the notation passes the same laws.
//!
//! ```
//! # extern crate flow_core as flow_runtime;
//! use flow_runtime::layers::{Affine, Only};
//! use flow_runtime::manifolds::Euclidean;
//! use flow_runtime::testing::{Laws, check_layer};
//!
//! let report = check_layer::<Euclidean<3>, Affine<3, Only, ()>>(&Laws::default())?;
//! println!("{report}");
//! # Ok::<(), flow_runtime::testing::Broken>(())
//! ```
//!
//! A layer of your own is `impl Layer<M>` ([`Layer`](crate::layers::Layer)), a manifold of your own `impl Manifold` ([`Manifold`]); both stand in the notation in
//! brackets, `flow!([my::Torus] + e3 : [my::Shear] + gg [my::Planar<3>] | cond 4)`. The examples `own_layer` and `own_manifold` of the repository are
//! short ones to copy.

pub mod laws;
mod manifold;
#[cfg(test)]
mod tests;
mod walk;

pub use manifold::check_manifold;
pub use walk::Walk;

use crate::layers::{ChainType, LayerType};
use crate::manifolds::Manifold;
use core::fmt::{self, Debug, Display};
use laws::Subject;

/// A law that layers or manifolds obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Law {
    /// `forward(inverse(x)) = x`.
    RoundTrip,
    /// The log-determinants of the two directions cancel.
    LogDetsCancel,
    /// The log-determinant is that of the numerical Jacobian.
    LogDet,
    /// Derivatives by the point equal differences.
    PointGradient,
    /// Derivatives by the parameters equal differences.
    ParameterGradient,
    /// Several points at once give what each gives alone.
    Lanes,
    /// The tensors of the parameters make up all of them.
    State,
    /// The reference density is a standard normal of the base, seen on the manifold.
    Reference,
    /// Points of the manifold are accepted, and others are refused.
    Points,
}

impl Law {
    /// Says the law in a few words.
    pub fn says(self) -> &'static str {
        match self {
            Law::RoundTrip => "forward(inverse(x)) = x",
            Law::LogDetsCancel => "the log-determinants of both directions cancel",
            Law::LogDet => "the log-determinant is that of the numerical Jacobian",
            Law::PointGradient => "derivatives by the point equal differences",
            Law::ParameterGradient => "derivatives by the parameters equal differences",
            Law::Lanes => "several points at once give what each gives alone",
            Law::State => "the tensors in `state` make up the parameters",
            Law::Reference => "the reference density is a standard normal of the base",
            Law::Points => "points of the manifold are accepted, others are not",
        }
    }
}

/// A law that does not hold, and where.
// Tests unwrap it: what `Debug` prints is for people.
#[derive(Clone, PartialEq)]
pub struct Broken {
    /// The law.
    pub law: Law,
    /// The layer, or the letters of a chain; nothing for a law of a manifold.
    pub layer: Box<str>,
    /// The manifold, as the notation writes it.
    pub manifold: Box<str>,
    /// The point, in embedded coordinates on the target side (on the base side for derivatives of `forward`).
    pub point: Vec<f64>,
    /// The parameters.
    pub params: Vec<f64>,
    /// How far it is off; NaN where that is no number.
    pub off: f64,
    /// How far it may be off.
    pub allowed: f64,
    /// The value found and the value expected.
    pub detail: Box<str>,
}

impl Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Broken { law, layer, manifold, point, params, off, allowed, detail } = self;
        let of = if layer.is_empty() { String::new() } else { format!("`{layer}` on ") };
        write!(f, "{of}`{manifold}` breaks the law that {}: {detail}", law.says())?;
        if off.is_finite() {
            write!(f, "\n  off by {off:.1e}, allowed {allowed:.1e}")?;
        }
        if !point.is_empty() {
            write!(f, "\n  at the point {point:?}")?;
        }
        if !params.is_empty() {
            write!(f, "\n  with the parameters {params:?}")?;
        }
        Ok(())
    }
}

impl Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl std::error::Error for Broken {}

impl From<Broken> for String {
    fn from(broken: Broken) -> String {
        broken.to_string()
    }
}

/// How far the laws may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// |forward(inverse(x)) - x|, relative to 1 + max |x_i|, and the same for the sum of both log-determinants.
    pub round_trip: f64,
    /// Log-determinant against the numerical Jacobian.
    pub jacobian: f64,
    /// Derivatives against central differences, relative to the largest derivative of the same kind.
    pub gradient: f64,
}

impl Tolerance {
    /// For `f64`.
    pub const F64: Tolerance = Tolerance { round_trip: 1e-9, jacobian: 1e-6, gradient: 1e-6 };
    /// Round trips in `f32`.
    const ROUND_TRIP_F32: f64 = 1e-4;
}

/// The points at which layers are tested.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Points {
    /// At points of the reference density; on Euclidean space at points of a normal density of this width.
    Reference(f64),
    /// At samples of the layer itself: for a map that takes most other points to the very rim of the reference density.
    Samples,
}

/// The points at which laws are tested, and the tolerances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Laws {
    /// The seed of parameters and points.
    pub seed: u64,
    /// How many pairs of parameters and points.
    pub rounds: usize,
    /// How far parameters are from those a fit starts from: the standard deviation of what is added.
    pub spread: f64,
    /// The points.
    pub at: Points,
    /// How far the laws may be off.
    pub tolerance: Tolerance,
}

impl Default for Laws {
    fn default() -> Self {
        Laws { seed: 1, rounds: 20, spread: 0.5, at: Points::Reference(2.0), tolerance: Tolerance::F64 }
    }
}

/// Laws that hold, and how well.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Name of the layer or manifold tested.
    pub subject: String,
    /// At how many points.
    pub rounds: usize,
    /// Each law with the largest deviation, and the one allowed.
    pub laws: Vec<(Law, f64, f64)>,
}

impl Report {
    fn note(&mut self, law: Law, off: f64, allowed: f64) {
        match self.laws.iter_mut().find(|(other, _, limit)| *other == law && *limit == allowed) {
            Some((_, worst, _)) => *worst = worst.max(off),
            None => self.laws.push((law, off, allowed)),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} points:", self.subject, self.rounds)?;
        for (law, off, allowed) in &self.laws {
            write!(f, "\n  {}: off by {off:.1e} at most, allowed {allowed:.1e}", law.says())?;
        }
        Ok(())
    }
}

/// Every law on one layer: see [`Law`].
///
/// # Errors
/// The first law that is broken.
pub fn check_layer<M: Manifold, L: LayerType<M>>(laws: &Laws) -> Result<Report, Broken> {
    check_chain::<M, (L, ())>(laws)
}

/// Every law on a chain `(First, (Second, ()))`, the base side first.
///
/// # Errors
/// As [`check_layer`].
pub fn check_chain<M: Manifold, C: ChainType<M>>(laws: &Laws) -> Result<Report, Broken> {
    Subject::new(M::geometry(), &C::chain()).check(laws)
}
