//! A base density of one's own: a layer without parameters that stands first in its chain.
//!
//! Letters are fitted between a standard normal density and the data. A first layer that maps the normal density to another one puts that in
//! its place, and every layer behind it is fitted between the other density and the data.

use flow_runtime::layers::Layer;
use flow_runtime::manifolds::Euclidean;
use flow_runtime::numeric::special::{normal_logit, normal_quantile_ln, softplus};
use flow_runtime::numeric::{Lift, Mask, Real};
use flow_runtime::rand::Rng;
use std::f64::consts::{SQRT_2, TAU};

/// Student's t density with two degrees of freedom in every coordinate, f(x) = (2 + x^2)^(-3/2): tails far heavier than normal ones.
///
/// Its distribution function F has ln F(x) - ln F(-x) = 2 asinh(x / sqrt 2), so F(x) = Phi(z) is solved by x = sqrt 2 sinh(L / 2) with the logit
/// L of Phi(z).
pub struct HeavyTails;

/// ln |dx / dz| = ln phi(z) - ln f(x), and its derivative by x at fixed z, and by z at fixed x.
fn log_det<R: Real>(x: R, z: R) -> [R; 3] {
    let two = R::constant(2.0) + x.square();
    let value = two.ln().scale(1.5) - z.square().scale(0.5) - R::constant(0.5 * TAU.ln());
    [value, x.scale(3.0) / two, -z]
}

impl<const D: usize> Layer<Euclidean<D>> for HeavyTails {
    const PARAMS: usize = 0;
    const PREPARED: usize = 0;
    // x and z.
    const SCRATCH: usize = 2 * D;
    const NAME: &'static str = "heavy tails";

    fn initial<G: Rng + ?Sized>(_: &mut G, _: &mut [f64]) {}
    fn prepare<P: Real>(_: &[P], _: &mut [P]) {}
    fn prepare_vjp<P: Real>(_: &[P], _: &[P], _: &[P], _: &mut [P]) {}

    fn inverse<R: Real, P: Lift<R>>(_: &[P], x: &mut [R], ln: &mut R, scratch: &mut [R]) {
        for (k, x) in x.iter_mut().enumerate() {
            // asinh of the size, so that it does not cancel.
            let size = x.abs().scale(1.0 / SQRT_2);
            let logit = (size + size.square() / (R::one() + (R::one() + size.square()).sqrt())).ln_1p().scale(2.0);
            let logit = R::select(x.lt(R::zero()), -logit, logit);
            let z = normal_quantile_ln(-softplus(-logit), -softplus(logit));
            *ln -= log_det(*x, z)[0];
            (scratch[k], scratch[D + k]) = (*x, z);
            *x = z;
        }
    }
    fn inverse_vjp<R: Real, P: Lift<R>>(_: &[P], scratch: &mut [R], cot: &mut [R], cot_ln: R, _: &mut [R]) {
        for (k, cot) in cot.iter_mut().enumerate() {
            let [ln, by_x, by_z] = log_det(scratch[k], scratch[D + k]);
            *cot = (*cot - cot_ln * by_z) / ln.exp() - cot_ln * by_x;
        }
    }
    fn forward<R: Real, P: Lift<R>>(_: &[P], z: &mut [R], ln: &mut R, scratch: &mut [R]) -> R::Mask {
        for (k, z) in z.iter_mut().enumerate() {
            // sqrt 2 sinh(L / 2), from exp(L / 2) - 1 so that it does not cancel.
            let half = normal_logit(*z).scale(0.5);
            let e = half.abs().exp_m1();
            let size = (e + e / (e + R::one())).scale(1.0 / SQRT_2);
            let x = R::select(half.lt(R::zero()), -size, size);
            *ln += log_det(x, *z)[0];
            (scratch[k], scratch[D + k]) = (x, *z);
            *z = x;
        }
        R::Mask::splat(false)
    }
    fn forward_vjp<R: Real, P: Lift<R>>(_: &[P], scratch: &mut [R], cot: &mut [R], cot_ln: R, _: &mut [R]) {
        for (k, cot) in cot.iter_mut().enumerate() {
            let [ln, by_x, by_z] = log_det(scratch[k], scratch[D + k]);
            *cot = (*cot + cot_ln * by_x) * ln.exp() + cot_ln * by_z;
        }
    }
}
