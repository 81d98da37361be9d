//! The spaces a density lives on: coordinates, embedding, and the map to the base space.
//!
//! Chains of layers run in *embedded* coordinates (unit vectors on spheres, all shares of a simplex): they have no seam and no
//! poles. The intrinsic coordinates (angles) appear only at the two ends.

mod euclidean;
mod hypersphere;
mod interval;
mod simplex;
mod sphere;

pub use euclidean::Euclidean;
pub(crate) use hypersphere::hypot;
pub use hypersphere::{LARGEST_SPHERE, Sphere};
pub use interval::Interval;
pub use simplex::Simplex;
pub(crate) use simplex::{from_box, from_box_vjp, shares_from_base, shares_to_base, to_box, to_box_vjp};
pub use sphere::{Circle, Sphere2};
pub(crate) use sphere::{half_squares, ln_sin};

use crate::numeric::Real;

/// A space with coordinates, and the map between it and a standard normal base.
///
/// Log-determinants of layers are those of the surface measure (Lebesgue measure on Euclidean space, length on the
/// circle, area on the sphere, the simplex as a surface in R^{D+1}). `*_vjp` functions take the cotangents of a function's outputs and **add** the
/// cotangents of its inputs.
pub trait Manifold: Send + Sync + 'static {
    /// Number of intrinsic coordinates, and of base coordinates.
    const DIM: usize;
    /// Number of embedded coordinates.
    const EMBED: usize;
    /// How the notation writes it: `e3`, `s2`, `i1[-3, 3]`.
    fn notation() -> String;

    /// Intrinsic to embedded coordinates; adds ln |d embedded / d intrinsic|.
    fn embed<R: Real>(intrinsic: &[R], embedded: &mut [R], log_det: &mut R);
    /// Cotangents of [`Manifold::embed`].
    fn embed_vjp<R: Real>(intrinsic: &[R], cot_embedded: &[R], cot_log_det: R, cot_intrinsic: &mut [R]);
    /// Embedded to intrinsic coordinates; adds ln |d intrinsic / d embedded|.
    fn intrinsic<R: Real>(embedded: &[R], intrinsic: &mut [R], log_det: &mut R);
    /// Cotangents of [`Manifold::intrinsic`].
    fn intrinsic_vjp<R: Real>(embedded: &[R], cot_intrinsic: &[R], cot_log_det: R, cot_embedded: &mut [R]);
    /// Moves embedded coordinates given by a user onto the manifold (a vector of about unit length to unit length, shares
    /// to the sum 1).
    fn project<R: Real>(given: &[R], embedded: &mut [R]);
    /// Cotangents of [`Manifold::project`].
    fn project_vjp<R: Real>(given: &[R], cot_embedded: &[R], cot_given: &mut [R]);

    /// ln of the reference density at a point where the chain has ended: the standard normal of the base seen on the
    /// manifold (uniform on spheres, so that no base map and none of its poles enters a log-density).
    fn log_reference<R: Real>(target: &[R]) -> R;
    /// Cotangents of [`Manifold::log_reference`].
    fn log_reference_vjp<R: Real>(target: &[R], cot: R, cot_target: &mut [R]);

    /// The fixed map from the manifold to its base space R^DIM, under which the reference density is a standard normal.
    fn to_base<R: Real>(target: &[R], base: &mut [R]);
    /// The way back.
    fn from_base<R: Real>(base: &[R], target: &mut [R]);

    /// What is wrong with an intrinsic point, and the way out; `None` for a good one.
    fn check_intrinsic(point: &[f64]) -> Option<String>;
    /// What is wrong with an embedded point, and the way out; `None` for a good one.
    fn check_embedded(point: &[f64]) -> Option<String>;
}
