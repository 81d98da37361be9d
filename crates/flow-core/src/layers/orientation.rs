//! Layer y: an optional rotation of a circle or a sphere, and nothing else (layers.md 7.3).
//!
//! Parameters: with `add_rotation`, D + 1 reflection vectors of D + 1 numbers each (S^D in R^{D+1}).

use super::rotation::{
    householder, householder_prepare, householder_prepare_vjp, householder_transpose, householder_transpose_vjp,
    householder_vjp,
};
use super::{AnyLayer, Bijection, LayerType, Options, StateTensor};
use crate::manifolds::{Circle, Manifold, Sphere, Sphere2};
use crate::numeric::{Lift, Mask, Real};
use core::marker::PhantomData;
use flow_notation::Written;
use flow_notation::options::OrientationOptions;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use std::sync::Arc;

/// Layer y in the type of a flow: the identity, or a rotation of the circle or the sphere by Householder reflections.
///
/// inverse x -> Q^T x, forward z -> Q z with Q = H_1 .. H_{D+1}; log-determinant 0.
pub struct Orientation<Opts>(PhantomData<Opts>);

/// Spheres: the manifolds whose embedded coordinates are unit vectors.
pub trait Spherical: Manifold {}
impl Spherical for Circle {}
impl Spherical for Sphere2 {}
impl<const D: usize> Spherical for Sphere<D> {}

/// The letter on each of its manifolds.
macro_rules! on {
    ($([$($generics:tt)*] $manifold:ty;)*) => {$(
        impl<$($generics)* Opts: Options<OrientationOptions>> LayerType<$manifold> for Orientation<Opts> {
            const PARAMS: usize = Reflections::new(<$manifold>::EMBED, Opts::VALUE).numbers;

            fn layer() -> Arc<dyn AnyLayer> {
                layer(<$manifold>::EMBED, Opts::VALUE)
            }
        }
    )*};
}
on! {
    [] Circle;
    [] Sphere2;
    [const D: usize,] Sphere<D>;
}

/// The layer for these options.
#[inline(never)]
fn layer(embed: usize, options: OrientationOptions) -> Arc<dyn AnyLayer> {
    Arc::new(Reflections::new(embed, options))
}

/// Layer y.
struct Reflections {
    options: OrientationOptions,
    /// Numbers of a unit vector.
    embed: usize,
    /// Numbers of all reflections.
    numbers: usize,
}

impl Reflections {
    const fn new(embed: usize, options: OrientationOptions) -> Self {
        Reflections { options, embed, numbers: if options.add_rotation { embed * embed } else { 0 } }
    }
}

impl Bijection for Reflections {
    fn name(&self) -> &'static str {
        "y"
    }
    fn params(&self) -> usize {
        self.numbers
    }
    fn prepared(&self) -> usize {
        self.numbers
    }
    fn scratch(&self) -> usize {
        self.embed
    }

    fn options(&self) -> Vec<Written> {
        self.options.written()
    }

    fn state(&self) -> Vec<StateTensor> {
        StateTensor::list([("householder_params", &[1, self.numbers])])
    }

    fn initial(&self, rng: &mut dyn Rng, params: &mut [f64]) {
        params.iter_mut().for_each(|p| *p = rng.sample(StandardNormal));
    }
    #[inline]
    fn prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        householder_prepare(self.embed, params, prepared);
    }
    #[inline]
    fn prepare_vjp<P: Real>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        householder_prepare_vjp(self.embed, params, prepared, cot_prepared, cot_params);
    }
    // Scratch holds the point of the base side in both directions.
    #[inline]
    fn inverse<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], _: &mut R, scratch: &mut [R]) {
        householder_transpose(self.embed, prepared, x);
        scratch.copy_from_slice(x);
    }
    #[inline]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        _: R,
        cot_prepared: &mut [R],
    ) {
        householder_transpose_vjp(self.embed, prepared, scratch, cot, cot_prepared);
    }
    #[inline]
    fn forward<R: Real, P: Lift<R>>(&self, prepared: &[P], z: &mut [R], _: &mut R, scratch: &mut [R]) -> R::Mask {
        scratch.copy_from_slice(z);
        householder(self.embed, prepared, z);
        R::Mask::splat(false)
    }
    #[inline]
    fn forward_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        _: R,
        cot_prepared: &mut [R],
    ) {
        householder(self.embed, prepared, scratch);
        householder_vjp(self.embed, prepared, scratch, cot, cot_prepared);
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
