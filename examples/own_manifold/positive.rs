//! The positive numbers as a manifold, for energies, masses and lifetimes.

use flow_runtime::layers::{AnyLayer, LayerType};
use flow_runtime::manifolds::{Euclidean, Manifold};
use flow_runtime::numeric::Real;
use std::f64::consts::TAU;
use std::marker::PhantomData;
use std::sync::Arc;

/// The numbers above zero. Embedded they are their logarithms y = ln x: there they are a line, on which the reference density is a standard
/// normal one. So the density of x with no layer at all is log-normal.
pub struct Positive;

impl Manifold for Positive {
    const DIM: usize = 1;
    const EMBED: usize = 1;

    fn notation() -> String {
        "[Positive]".into()
    }
    fn embed<R: Real>(intrinsic: &[R], embedded: &mut [R], log_det: &mut R) {
        embedded[0] = intrinsic[0].ln();
        *log_det -= embedded[0];
    }
    fn embed_vjp<R: Real>(intrinsic: &[R], cot_embedded: &[R], cot_log_det: R, cot_intrinsic: &mut [R]) {
        cot_intrinsic[0] += (cot_embedded[0] - cot_log_det) / intrinsic[0];
    }
    fn intrinsic<R: Real>(embedded: &[R], intrinsic: &mut [R], log_det: &mut R) {
        intrinsic[0] = embedded[0].exp();
        *log_det += embedded[0];
    }
    fn intrinsic_vjp<R: Real>(embedded: &[R], cot_intrinsic: &[R], cot_log_det: R, cot_embedded: &mut [R]) {
        cot_embedded[0] += cot_intrinsic[0] * embedded[0].exp() + cot_log_det;
    }
    fn log_reference<R: Real>(target: &[R]) -> R {
        -target[0].square().scale(0.5) - R::constant(0.5 * TAU.ln())
    }
    fn log_reference_vjp<R: Real>(target: &[R], cot: R, cot_target: &mut [R]) {
        cot_target[0] -= target[0] * cot;
    }
    fn to_base<R: Real>(target: &[R], base: &mut [R]) {
        base[0] = target[0];
    }
    fn to_base_vjp<R: Real>(_: &[R], cot_base: &[R], cot_target: &mut [R]) {
        cot_target[0] += cot_base[0];
    }
    fn from_base<R: Real>(base: &[R], target: &mut [R]) {
        target[0] = base[0];
    }
    fn check_intrinsic(point: &[f64]) -> Option<String> {
        let x = point[0];
        let good = x > 0.0 && x.is_finite();
        (!good).then(|| format!("x is {x}: a positive number is above 0 and finite; shift or drop zeros before"))
    }
}

/// A layer of the line acting on the logarithm: all letters of `e1` are layers of the positive numbers too, because both have the same embedded
/// coordinates.
pub struct OfLog<L>(PhantomData<fn() -> L>);

impl<L: LayerType<Euclidean<1>>> LayerType<Positive> for OfLog<L> {
    const PARAMS: usize = L::PARAMS;

    fn layer() -> Arc<dyn AnyLayer> {
        L::layer()
    }
}
