//! Layer z: the identity of an interval (layers.md 5.3). No parameters, no options, log-determinant 0.

use super::{AnyLayer, Bijection, LayerType};
use crate::manifolds::Interval;
use crate::numeric::{Lift, Mask, Real};
use core::marker::PhantomData;
use rand::Rng;
use std::sync::Arc;

/// Layer z in the type of a flow: does nothing. Alone it makes the uniform density of its interval.
pub struct IntervalIdentity<Opts = ()>(PhantomData<Opts>);

impl<const LOW: u64, const HIGH: u64> LayerType<Interval<LOW, HIGH>> for IntervalIdentity {
    const PARAMS: usize = 0;

    fn layer() -> Arc<dyn AnyLayer> {
        layer()
    }
}

/// The layer.
#[inline(never)]
fn layer() -> Arc<dyn AnyLayer> {
    Arc::new(Nothing)
}

/// Layer z.
struct Nothing;

impl Bijection for Nothing {
    const VECTORISED: bool = true;

    fn name(&self) -> &'static str {
        "z"
    }
    fn params(&self) -> usize {
        0
    }
    fn prepared(&self) -> usize {
        0
    }
    fn scratch(&self) -> usize {
        0
    }
    fn initial(&self, _: &mut dyn Rng, _: &mut [f64]) {}
    #[inline(always)]
    fn prepare<P: Real>(&self, _: &[P], _: &mut [P]) {}
    #[inline(always)]
    fn prepare_vjp<P: Real>(&self, _: &[P], _: &[P], _: &[P], _: &mut [P]) {}
    #[inline(always)]
    fn inverse<R: Real, P: Lift<R>>(&self, _: &[P], _: &mut [R], _: &mut R, _: &mut [R]) {}
    #[inline(always)]
    fn inverse_vjp<R: Real, P: Lift<R>>(&self, _: &[P], _: &mut [R], _: &mut [R], _: R, _: &mut [R]) {}
    #[inline(always)]
    fn forward<R: Real, P: Lift<R>>(&self, _: &[P], _: &mut [R], _: &mut R, _: &mut [R]) -> R::Mask {
        R::Mask::splat(false)
    }
    #[inline(always)]
    fn forward_vjp<R: Real, P: Lift<R>>(&self, _: &[P], _: &mut [R], _: &mut [R], _: R, _: &mut [R]) {}
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
