//! Euclidean space.

use super::value::{ManifoldValue, finite};
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

const FINITE: &str = "a coordinate of a Euclidean space is a finite number";

/// A Euclidean space as a value.
pub(super) struct Flat {
    pub(super) dim: usize,
}

impl ManifoldValue for Flat {
    fn dims(&self) -> [usize; 2] {
        [self.dim; 2]
    }
    fn notation(&self) -> String {
        format!("e{}", self.dim)
    }
    #[inline]
    fn embed<R: Real>(&self, intrinsic: &[R], embedded: &mut [R], _: &mut R) {
        embedded.copy_from_slice(intrinsic);
    }
    #[inline]
    fn embed_vjp<R: Real>(&self, _: &[R], cot_embedded: &[R], _: R, cot_intrinsic: &mut [R]) {
        add(cot_embedded, cot_intrinsic);
    }
    #[inline]
    fn intrinsic<R: Real>(&self, embedded: &[R], intrinsic: &mut [R], _: &mut R) {
        intrinsic.copy_from_slice(embedded);
    }
    #[inline]
    fn intrinsic_vjp<R: Real>(&self, _: &[R], cot_intrinsic: &[R], _: R, cot_embedded: &mut [R]) {
        add(cot_intrinsic, cot_embedded);
    }
    #[inline]
    fn project<R: Real>(&self, given: &[R], embedded: &mut [R]) {
        embedded.copy_from_slice(given);
    }
    #[inline]
    fn project_vjp<R: Real>(&self, _: &[R], cot_embedded: &[R], cot_given: &mut [R]) {
        add(cot_embedded, cot_given);
    }
    #[inline]
    fn log_reference<R: Real>(&self, target: &[R]) -> R {
        target.iter().fold(R::constant(-HALF_LN_TAU * self.dim as f64), |sum, x| sum - x.square().scale(0.5))
    }
    #[inline]
    fn log_reference_vjp<R: Real>(&self, target: &[R], cot: R, cot_target: &mut [R]) {
        for (bar, x) in cot_target.iter_mut().zip(target) {
            *bar -= *x * cot;
        }
    }
    #[inline]
    fn to_base<R: Real>(&self, target: &[R], base: &mut [R]) {
        base.copy_from_slice(target);
    }
    #[inline]
    fn to_base_vjp<R: Real>(&self, _: &[R], cot_base: &[R], cot_target: &mut [R]) {
        add(cot_base, cot_target);
    }
    #[inline]
    fn from_base<R: Real>(&self, base: &[R], target: &mut [R]) {
        target.copy_from_slice(base);
    }
    fn check_intrinsic(&self, point: &[f64]) -> Option<String> {
        finite(point, FINITE)
    }
    fn check_embedded(&self, point: &[f64]) -> Option<String> {
        finite(point, FINITE)
    }
}
