//! The spaces a density lives on: coordinates, embedding, and the map to the base space.
//!
//! Chains of layers run in *embedded* coordinates (unit vectors on spheres, all shares of a simplex): they have no seam and no
//! poles. The intrinsic coordinates (angles) appear only at the two ends.

mod euclidean;
mod geometry;
mod hypersphere;
mod interval;
mod simplex;
mod sphere;
mod types;
mod unit_vector;
pub(crate) mod value;

pub use euclidean::Euclidean;
pub use geometry::{Geometry, OwnManifold};
pub(crate) use hypersphere::hypot;
pub use hypersphere::{LARGEST_SPHERE, Sphere};
pub(crate) use interval::Bounds;
pub use interval::Interval;
pub use simplex::Simplex;
pub(crate) use simplex::{
    LARGEST_SIMPLEX, Shares, from_box, from_box_vjp, shares_from_base, shares_to_base, to_box, to_box_vjp,
};
pub(crate) use sphere::half_squares;
pub use sphere::{Circle, Sphere2};

use crate::numeric::Real;
use core::marker::PhantomData;
use value::ManifoldValue;

/// A space with coordinates, and the map between it and a standard normal base.
///
/// Log-determinants of layers are those of the surface measure (Lebesgue measure on Euclidean space, length on the
/// circle, area on the sphere, the simplex as a surface in R^{D+1}). `*_vjp` functions take the cotangents of a function's outputs and **add** the
/// cotangents of its inputs.
///
/// A type of your own with this trait stands in the notation in brackets, `flow!(angle@[my::Torus] + e1 : [my::Shear] + t)`, with layers of your own on it:
/// the example `own_manifold` of the repository. [`testing::check_manifold`](crate::testing::check_manifold) says whether it keeps what it promises.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a manifold",
    label = "brackets before the `:` hold the type of a manifold of your own",
    note = "write one of the manifolds that come with the crate, for example `e3` or `s2`, or `impl flow_runtime::manifolds::Manifold for {Self}`"
)]
pub trait Manifold: Sized + Send + Sync + 'static {
    /// Number of intrinsic coordinates, and of base coordinates.
    const DIM: usize;
    /// Number of embedded coordinates.
    const EMBED: usize;
    /// Whether its functions are written for vector registers, as [`Layer::WIDE`](crate::layers::Layer::WIDE) says of a layer.
    const WIDE: bool = false;
    /// Whether [`Manifold::log_reference`] is the same everywhere: then the density of a point does not ask where a chain leads it.
    const UNIFORM: bool = false;
    /// How the notation writes it: `e3`, `s2`, `i1[-3, 3]`.
    fn notation() -> String;
    /// The manifold as a value, for what decides by it. A manifold of your own keeps this default.
    fn geometry() -> Geometry {
        Geometry::Own(OwnManifold::of(Static::<Self>::VALUE))
    }

    /// Intrinsic to embedded coordinates; adds ln |d embedded / d intrinsic|.
    fn embed<R: Real>(intrinsic: &[R], embedded: &mut [R], log_det: &mut R);
    /// Cotangents of [`Manifold::embed`].
    fn embed_vjp<R: Real>(intrinsic: &[R], cot_embedded: &[R], cot_log_det: R, cot_intrinsic: &mut [R]);
    /// Embedded to intrinsic coordinates; adds ln |d intrinsic / d embedded|.
    fn intrinsic<R: Real>(embedded: &[R], intrinsic: &mut [R], log_det: &mut R);
    /// Cotangents of [`Manifold::intrinsic`].
    fn intrinsic_vjp<R: Real>(embedded: &[R], cot_intrinsic: &[R], cot_log_det: R, cot_embedded: &mut [R]);
    /// Moves embedded coordinates given by a user onto the manifold (a vector of about unit length to unit length, shares
    /// to the sum 1). By default they are taken as they are.
    #[inline(always)]
    fn project<R: Real>(given: &[R], embedded: &mut [R]) {
        embedded.copy_from_slice(given);
    }
    /// Cotangents of [`Manifold::project`].
    #[inline(always)]
    fn project_vjp<R: Real>(given: &[R], cot_embedded: &[R], cot_given: &mut [R]) {
        // As the default of `project` says.
        let _ = given;
        for (bar, cot) in cot_given.iter_mut().zip(cot_embedded) {
            *bar += *cot;
        }
    }

    /// ln of the reference density at a point where the chain has ended: the standard normal of the base seen on the
    /// manifold (uniform on spheres, so that no base map and none of its poles enters a log-density).
    fn log_reference<R: Real>(target: &[R]) -> R;
    /// Cotangents of [`Manifold::log_reference`].
    fn log_reference_vjp<R: Real>(target: &[R], cot: R, cot_target: &mut [R]);

    /// The fixed map from the manifold to its base space R^DIM, under which the reference density is a standard normal.
    fn to_base<R: Real>(target: &[R], base: &mut [R]);
    /// Cotangents of [`Manifold::to_base`].
    fn to_base_vjp<R: Real>(target: &[R], cot_base: &[R], cot_target: &mut [R]);
    /// Maps base to target: the inverse of [`Manifold::to_base`].
    fn from_base<R: Real>(base: &[R], target: &mut [R]);

    /// Says what is wrong with an intrinsic point, and the way out; `None` for a good one.
    fn check_intrinsic(point: &[f64]) -> Option<String>;
    /// Says what is wrong with an embedded point, and the way out; `None` for a good one. By default any
    /// finite numbers are a point.
    fn check_embedded(point: &[f64]) -> Option<String> {
        value::finite(point, "an embedded coordinate is a finite number")
    }
}

/// The value of a type.
#[doc(hidden)]
pub struct Static<M>(PhantomData<fn() -> M>);

impl<M: Manifold> Static<M> {
    /// The value.
    pub const VALUE: &'static Self = &Static(PhantomData);
}

impl<M: Manifold> ManifoldValue for Static<M> {
    const WIDE: bool = M::WIDE;
    const UNIFORM: bool = M::UNIFORM;
    fn dims(&self) -> [usize; 2] {
        [M::DIM, M::EMBED]
    }
    fn notation(&self) -> String {
        M::notation()
    }
    fn check_intrinsic(&self, point: &[f64]) -> Option<String> {
        M::check_intrinsic(point)
    }
    fn check_embedded(&self, point: &[f64]) -> Option<String> {
        M::check_embedded(point)
    }
    value::arithmetic!({ value::of_type });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moved along directions within the manifold, the base point moves as the cotangents say.
    fn base_maps_differentiate<M: Manifold>(points: &[&[f64]]) {
        for given in points {
            let at = |intrinsic: &[f64]| {
                let (mut x, mut z) = (vec![0.0; M::EMBED], vec![0.0; M::DIM]);
                M::embed(intrinsic, &mut x, &mut 0.0);
                M::to_base(&x, &mut z);
                (x, z)
            };
            let (x, _) = at(given);
            let cot: Vec<f64> = (0..M::DIM).map(|k| 1.0 - 0.6 * k as f64).collect();
            let (mut by_x, mut by_intrinsic) = (vec![0.0; M::EMBED], vec![0.0; M::DIM]);
            M::to_base_vjp(&x, &cot, &mut by_x);
            M::embed_vjp(given, &by_x, 0.0, &mut by_intrinsic);
            for k in 0..M::DIM {
                let h = 1e-6 * given[k].abs().min(1.0);
                let shifted = |h: f64| {
                    let mut moved = given.to_vec();
                    moved[k] += h;
                    at(&moved).1.iter().zip(&cot).map(|(z, c)| z * c).sum::<f64>()
                };
                let differences = (shifted(h) - shifted(-h)) / (2.0 * h);
                let precision = 1e-6 * (1.0 + differences.abs());
                let found = by_intrinsic[k];
                assert!(
                    (found - differences).abs() < precision,
                    "{} {given:?}, {k}: {found} {differences}",
                    M::notation()
                );
            }
        }
    }

    #[test]
    fn base_maps_have_the_derivatives_of_differences() {
        base_maps_differentiate::<Euclidean<2>>(&[&[0.3, -2.0]]);
        base_maps_differentiate::<Circle>(&[&[0.4], &[3.0], &[3.3], &[6.0]]);
        let near = core::f64::consts::PI - 1e-3;
        base_maps_differentiate::<Sphere2>(&[&[0.02, 1.0], &[1.2, 0.4], &[2.0, 5.0], &[near, 2.0]]);
        base_maps_differentiate::<Sphere<2>>(&[&[0.02, 1.0], &[1.2, 0.4], &[2.0, 5.0], &[near, 2.0]]);
        base_maps_differentiate::<Sphere<3>>(&[&[0.05, 1.0, 2.0], &[1.2, 0.4, 4.0], &[2.9, 2.0, 0.5]]);
        base_maps_differentiate::<Sphere<6>>(&[&[1.2, 0.4, 2.0, 1.0, 2.0, 0.3]]);
        base_maps_differentiate::<Simplex<1>>(&[&[0.2]]);
        base_maps_differentiate::<Simplex<3>>(&[&[0.2, 0.3, 0.1], &[0.01, 0.9, 0.05]]);
        type Bounded = Interval<{ (-3f64).to_bits() }, { 2f64.to_bits() }>;
        base_maps_differentiate::<Bounded>(&[&[0.3], &[-2.999], &[1.9]]);
    }

    #[test]
    fn base_maps_of_spheres_have_derivatives_at_the_poles() {
        // z = (x, y) / sqrt 2 about the south pole of s2.
        let mut bar = [0.0; 3];
        Sphere2::to_base_vjp(&[0.0, 0.0, -1.0], &[1.0, 2.0], &mut bar);
        let half = core::f64::consts::FRAC_1_SQRT_2;
        assert!(
            (bar[0] - half).abs() < 1e-12 && (bar[1] - 2.0 * half).abs() < 1e-12 && bar[2].abs() < 1e-12,
            "{bar:?}"
        );
        let mut bar = [0.0; 4];
        Sphere::<3>::to_base_vjp(&[0.0, 0.0, 0.0, -1.0], &[1.0, 2.0, 0.0], &mut bar);
        assert!(bar.iter().all(|b| b.is_finite()) && (bar[1] / bar[0] - 2.0).abs() < 1e-12, "{bar:?}");
        let mut bar = [0.0; 3];
        Sphere2::to_base_vjp(&[0.0, 0.0, 1.0], &[1.0, 2.0], &mut bar);
        assert!(bar.iter().all(|b| b.is_finite()), "{bar:?}");
    }
}
