//! Euclidean space.

use super::Manifold;
use crate::numeric::Real;
use crate::numeric::special::HALF_LN_TAU;

/// Euclidean space of `D` dimensions: intrinsic, embedded and base coordinates are the same.
pub struct Euclidean<const D: usize>;

#[inline]
fn add<R: Real>(from: &[R], to: &mut [R]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += *from;
    }
}

fn check(point: &[f64]) -> Option<String> {
    point
        .iter()
        .position(|x| !x.is_finite())
        .map(|i| format!("coordinate {i} is {}: a coordinate of a Euclidean space is a finite number", point[i]))
}

#[diagnostic::do_not_recommend]
impl<const D: usize> Manifold for Euclidean<D> {
    const DIM: usize = D;
    const EMBED: usize = D;

    fn notation() -> String {
        format!("e{D}")
    }
    #[inline]
    fn embed<R: Real>(intrinsic: &[R], embedded: &mut [R], _: &mut R) {
        embedded.copy_from_slice(intrinsic);
    }
    #[inline]
    fn embed_vjp<R: Real>(_: &[R], cot_embedded: &[R], _: R, cot_intrinsic: &mut [R]) {
        add(cot_embedded, cot_intrinsic);
    }
    #[inline]
    fn intrinsic<R: Real>(embedded: &[R], intrinsic: &mut [R], _: &mut R) {
        intrinsic.copy_from_slice(embedded);
    }
    #[inline]
    fn intrinsic_vjp<R: Real>(_: &[R], cot_intrinsic: &[R], _: R, cot_embedded: &mut [R]) {
        add(cot_intrinsic, cot_embedded);
    }
    #[inline]
    fn project<R: Real>(given: &[R], embedded: &mut [R]) {
        embedded.copy_from_slice(given);
    }
    #[inline]
    fn project_vjp<R: Real>(_: &[R], cot_embedded: &[R], cot_given: &mut [R]) {
        add(cot_embedded, cot_given);
    }
    #[inline]
    fn log_reference<R: Real>(target: &[R]) -> R {
        target.iter().fold(R::constant(-HALF_LN_TAU * D as f64), |sum, x| sum - x.square().scale(0.5))
    }
    #[inline]
    fn log_reference_vjp<R: Real>(target: &[R], cot: R, cot_target: &mut [R]) {
        for (bar, x) in cot_target.iter_mut().zip(target) {
            *bar -= *x * cot;
        }
    }
    #[inline]
    fn to_base<R: Real>(target: &[R], base: &mut [R]) {
        base.copy_from_slice(target);
    }
    #[inline]
    fn to_base_vjp<R: Real>(_: &[R], cot_base: &[R], cot_target: &mut [R]) {
        cot_target.iter_mut().zip(cot_base).for_each(|(bar, cot)| *bar += *cot);
    }
    #[inline]
    fn from_base<R: Real>(base: &[R], target: &mut [R]) {
        target.copy_from_slice(base);
    }
    fn check_intrinsic(point: &[f64]) -> Option<String> {
        check(point)
    }
    fn check_embedded(point: &[f64]) -> Option<String> {
        check(point)
    }
}
