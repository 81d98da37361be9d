//! The layers: bijections of a manifold onto itself with parameters.
//!
//! A layer is a zero-sized type that states how many parameters it has and gives its map in both directions with their
//! derivatives. Nothing here knows about networks, tensors or threads: functions take slices of numbers.
//!
//! # Order of things
//! Sampling ("forward") walks a chain from the first letter to the last, evaluation ("inverse") from the last to the
//! first. The flat parameter vector of a chain is that of its letters in the order written.
//!
//! Comments cite docs/layers.md of the repository, which has all formulas: sections as `layers.md 4.2`, primitives as P9,
//! defects of jammy_flows that are mended as Q17.

mod affine;
#[macro_use]
mod bijection;
#[cfg(test)]
mod bounded;
mod box_flow;
mod cayley;
mod chain;
mod circle;
mod circle_moebius;
mod circle_spline;
mod circular_spline;
mod components;
mod continuous;
mod exponential_map;
mod fisher;
mod gauss1d;
mod gaussianization;
mod gumbel;
mod hidden_dims;
mod identity;
mod interval_spline;
mod mixture;
pub(crate) mod moebius;
mod orientation;
mod outer;
mod place;
pub(crate) mod rotation;
mod rotation_mode;
mod segmented;
mod skewed;
pub(crate) mod spline;
mod state;
mod stretch;
mod triangular;
mod unit;
mod width;

pub use crate::testing::laws;
pub use affine::Affine;
pub use bijection::{AnyLayer, Bijection, Facts, LayerType, PackLayer, Prepared, Way};
pub use box_flow::BoxFlow;
pub use chain::{Chain, ChainType, Fault, Letter};
pub use circle_moebius::CircleMoebius;
pub use circle_spline::CircleSpline;
pub use continuous::{ContinuousFlow, FlowSpace};
pub use exponential_map::ExponentialMap;
pub use fisher::FisherFlow;
pub use flow_notation::options::*;
pub use flow_notation::{Options, Text, Written, decode, settings};
pub use gaussianization::Gaussianization;
pub use gumbel::GumbelSoftmax;
pub use hidden_dims::HiddenDims;
pub use identity::Identity;
pub use interval_spline::IntervalSpline;
pub use orientation::{Orientation, Spherical};
pub use place::{First, Last, Middle, Only, Place};
pub use segmented::{SegmentedSphere, WithHeight, Zenith, ZenithLetter};
pub use state::StateTensor;
pub use unit::IntervalIdentity;

use crate::manifolds::Manifold;
use crate::numeric::{Lift, Real};
use rand::Rng;

/// How many penalties a fit may add to the density: kinetic energy and squared derivative of a continuous flow.
pub const PENALTIES: usize = 2;

/// A bijection of the manifold `M` with parameters: what a letter of the notation stands for.
///
/// # Data flow
/// ```text
/// parameters --prepare--> prepared numbers   (regulators, rotations, normalised weights: once per parameter vector)
/// prepared, target x --inverse--> base-side x, log|det|      (evaluation)
/// prepared, base-side z --forward--> target x, log|det|      (sampling)
/// ```
/// Points are in the embedded coordinates of `M` (`M::EMBED` numbers, unit vectors on spheres, shares that make 1 on simplices) and
/// log-determinants are those of the surface measure. Each of the two maps leaves in `scratch` what its `_vjp` needs. Both fill it in the same layout, so that
/// either derivative may follow either map at the same pair of points.
///
/// # Derivatives
/// A `_vjp` receives in `cot` the cotangent of the map's output point and replaces it by that of its input point;
/// `cot_log_det` is the cotangent of the added log-determinant; cotangents of prepared numbers (or parameters) are
/// **added**. On spheres and simplices ambient cotangents are meant: only their tangential part at the point matters.
///
/// # A layer of your own
/// Any type with this trait stands in the notation in brackets, `flow!(e3 : gg [my::Planar<3>] | cond 4)`, and is trained with the letters.
/// [`testing::check_layer`](crate::testing::check_layer) says whether it keeps what it promises. A base density of your own is a layer that stands first in its
/// chain and maps the normal density to another one. Both are in the example `own_layer` of the repository.
///
/// # Working range
/// Finite, invertible and differentiable for |x| up to 1e6 (Euclidean space), everywhere on spheres, and up to the closed ends of
/// intervals. On simplices finite up to the closed faces.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer on the manifold `{M}`",
    label = "no layer for the manifold in the same place",
    note = "a layer of your own needs `impl Layer<{M}> for {Self}`; letters that fit a manifold are listed in the guide, `flow_runtime::guide::letters`"
)]
pub trait Layer<M: Manifold>: Send + Sync + 'static {
    /// Length of the flat parameter vector.
    const PARAMS: usize;
    /// How many numbers [`Layer::prepare`] makes of it.
    const PREPARED: usize;
    /// How many numbers the maps leave for their derivatives.
    const SCRATCH: usize;
    /// The letter or the name, for messages.
    const NAME: &'static str;
    /// Reason and way out that messages add about points the layer could not map.
    const ADVICE: &'static str = "";

    /// Whether the layer's functions are written for vector registers: all of them, and all that they call, `#[inline(always)]` and without closures
    /// over numbers. Such a layer runs on the registers of AVX-512 or AVX2 themselves; any other on plain arrays of eight numbers, of which the
    /// compiler makes vector instructions as far as it sees through them. Both give the same numbers up to rounding.
    const WIDE: bool = false;

    /// Whether [`Layer::inverse_log_det`] is a shorter way than [`Layer::inverse`].
    const LOG_DET: bool = false;

    /// Every option with its value: a model file holds them, and refuses to be loaded where one has another.
    fn options() -> Vec<Written> {
        Vec::new()
    }

    /// The tensors that the flat parameter vector consists of, in its order: what the parameters are called where they are stored
    /// (`flow_runtime::compat`). A layer of your own need not say: it is one tensor `params`. The letters of the notation
    /// have the names of jammy_flows.
    fn state() -> Vec<StateTensor> {
        StateTensor::list([("params", &[1, Self::PARAMS])])
    }

    /// Parameters a fit starts from (random where the layer's default is).
    fn initial<G: Rng + ?Sized>(rng: &mut G, params: &mut [f64]);

    /// Parameters to prepared numbers.
    fn prepare<P: Real>(params: &[P], prepared: &mut [P]);
    /// Cotangents of [`Layer::prepare`].
    fn prepare_vjp<P: Real>(params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]);

    /// Target side to base side, in place; adds ln |d base / d target|.
    fn inverse<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]);
    /// Cotangents of [`Layer::inverse`].
    fn inverse_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    );

    /// Base side to target side, in place; adds ln |d target / d base|. Returns the lanes in which a root search
    /// did not converge, or an equation was not solved within its steps (none for a layer without either).
    fn forward<R: Real, P: Lift<R>>(prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask;
    /// Cotangents of [`Layer::forward`].
    fn forward_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    );

    /// [`Layer::inverse`] where nobody asks for the base-side point: in the first letter of a chain, where the reference density is the same
    /// everywhere ([`Manifold::UNIFORM`]). What it leaves in `x` is finite where the point would be; what it leaves in `scratch` is
    /// for [`Layer::inverse_log_det_vjp`].
    #[inline(always)]
    fn inverse_log_det<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        Self::inverse(prepared, x, log_det, scratch);
    }
    /// Cotangents of [`Layer::inverse_log_det`]: `cot` is set to that of the target-side point.
    #[inline(always)]
    fn inverse_log_det_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        cot.fill(R::zero());
        Self::inverse_vjp(prepared, scratch, cot, cot_log_det, cot_prepared);
    }

    /// Chooses `params` so that a fit starts near `points` (rows of `M::EMBED` numbers), maps `points` through the inverse
    /// and returns `true`. Returns `false`, both unchanged, if the layer cannot learn from data.
    fn initial_from_data<G: Rng + ?Sized>(rng: &mut G, points: &mut [f64], params: &mut [f64]) -> bool {
        let _ = (rng, points, params);
        false
    }
}
