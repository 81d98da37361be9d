//! Layer y: an optional rotation of a circle or a sphere, and nothing else (layers.md 7.3).
//!
//! Parameters: with `add_rotation`, D + 1 reflection vectors of D + 1 numbers each (S^D in R^{D+1}).

use super::rotation::{
    householder, householder_prepare, householder_prepare_vjp, householder_transpose, householder_transpose_vjp,
    householder_vjp,
};
use super::{Layer, Options, StateTensor};
use crate::manifolds::{Circle, Manifold, Sphere, Sphere2};
use crate::numeric::{Lift, Mask, Real};
use core::marker::PhantomData;
use flow_notation::Written;
use flow_notation::options::OrientationOptions;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// Layer y: the identity, or a rotation of the circle or the sphere by Householder reflections.
///
/// inverse x -> Q^T x, forward z -> Q z with Q = H_1 .. H_{D+1}; log-determinant 0.
pub struct Orientation<Opts>(PhantomData<Opts>);

/// Spheres: the manifolds whose embedded coordinates are unit vectors.
pub trait Spherical: Manifold {}
impl Spherical for Circle {}
impl Spherical for Sphere2 {}
impl<const D: usize> Spherical for Sphere<D> {}

impl<Opts: Options<OrientationOptions>> Orientation<Opts> {
    const fn numbers(embed: usize) -> usize {
        if Opts::VALUE.add_rotation { embed * embed } else { 0 }
    }
}

impl<M: Spherical, Opts: Options<OrientationOptions>> Layer<M> for Orientation<Opts> {
    const PARAMS: usize = Self::numbers(M::EMBED);
    const PREPARED: usize = Self::numbers(M::EMBED);
    const SCRATCH: usize = M::EMBED;
    const NAME: &'static str = "y";

    fn options() -> Vec<Written> {
        Opts::VALUE.written()
    }

    fn state() -> Vec<StateTensor> {
        StateTensor::list([("householder_params", &[1, Self::numbers(M::EMBED)])])
    }

    fn initial<G: Rng + ?Sized>(rng: &mut G, params: &mut [f64]) {
        params.iter_mut().for_each(|p| *p = rng.sample(StandardNormal));
    }
    #[inline]
    fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        householder_prepare(M::EMBED, params, prepared);
    }
    #[inline]
    fn prepare_vjp<P: Real>(params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        householder_prepare_vjp(M::EMBED, params, prepared, cot_prepared, cot_params);
    }
    // Scratch holds the point of the base side in both directions.
    #[inline]
    fn inverse<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], _: &mut R, scratch: &mut [R]) {
        householder_transpose(M::EMBED, prepared, x);
        scratch.copy_from_slice(x);
    }
    #[inline]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        _: R,
        cot_prepared: &mut [R],
    ) {
        householder_transpose_vjp(M::EMBED, prepared, scratch, cot, cot_prepared);
    }
    #[inline]
    fn forward<R: Real, P: Lift<R>>(prepared: &[P], z: &mut [R], _: &mut R, scratch: &mut [R]) -> R::Mask {
        scratch.copy_from_slice(z);
        householder(M::EMBED, prepared, z);
        R::Mask::splat(false)
    }
    #[inline]
    fn forward_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        _: R,
        cot_prepared: &mut [R],
    ) {
        householder(M::EMBED, prepared, scratch);
        householder_vjp(M::EMBED, prepared, scratch, cot, cot_prepared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::circle::tests::at_the_special_points;
    use crate::layers::laws::{Tolerance, check};
    use flow_notation::settings::y;

    #[test]
    fn laws() {
        type Turned = Orientation<y::add_rotation<1>>;
        check::<Circle, (Turned, ())>(1, 5, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Turned, (Turned, ()))>(2, 5, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Orientation<()>, ())>(3, 2, 0.3, Tolerance::F64).unwrap();
        check::<Sphere<3>, (Turned, ())>(4, 3, 0.3, Tolerance::F64).unwrap();
        check::<Sphere<9>, (Turned, ())>(5, 2, 0.3, Tolerance::F64).unwrap();
    }

    #[test]
    fn the_circle_has_no_seam() {
        at_the_special_points::<(Orientation<y::add_rotation<1>>, ())>(4, 0.3, false);
        at_the_special_points::<(Orientation<()>, ())>(5, 0.3, false);
    }
}
