//! Layer z: the identity of an interval (layers.md 5.3). No parameters, no options, log-determinant 0.

use super::Layer;
use crate::manifolds::Interval;
use crate::numeric::{Lift, Mask, Real};
use core::marker::PhantomData;
use rand::Rng;

/// Layer z: does nothing. Alone it makes the uniform density of its interval.
pub struct IntervalIdentity<Opts = ()>(PhantomData<Opts>);

impl<const LOW: u64, const HIGH: u64> Layer<Interval<LOW, HIGH>> for IntervalIdentity {
    const PARAMS: usize = 0;
    const PREPARED: usize = 0;
    const SCRATCH: usize = 0;
    const NAME: &'static str = "z";

    fn initial<G: Rng + ?Sized>(_: &mut G, _: &mut [f64]) {}
    #[inline]
    fn prepare<P: Real>(_: &[P], _: &mut [P]) {}
    #[inline]
    fn prepare_vjp<P: Real>(_: &[P], _: &[P], _: &[P], _: &mut [P]) {}
    #[inline]
    fn inverse<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], _: &mut R, _: &mut [R]) {}
    #[inline]
    fn inverse_vjp<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], _: &mut [R], _: R, _: &mut [R]) {}
    #[inline]
    fn forward<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], _: &mut R, _: &mut [R]) -> R::Mask {
        R::Mask::splat(false)
    }
    #[inline]
    fn forward_vjp<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], _: &mut [R], _: R, _: &mut [R]) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::bounded::Unit;
    use crate::layers::laws::{Tolerance, check_samples};

    #[test]
    fn laws() {
        check_samples::<Unit, (IntervalIdentity, ())>(1, 3, 0.0, Tolerance::F64).unwrap();
    }
}
