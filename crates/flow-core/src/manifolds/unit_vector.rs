//! What spheres of all dimensions share: unit vectors and angles.

use super::value::finite;
use crate::numeric::Real;
use core::f64::consts::TAU;

/// How far from unit length a vector given as embedded coordinates may be.
const UNIT_TOLERANCE: f64 = 1e-3;

/// sin(theta) is at least this in ln sin(theta), the one term that is singular at the poles.
const POLE: f64 = 1e-7;

/// Says what is wrong with a unit vector.
pub(super) fn unit(point: &[f64]) -> Option<String> {
    finite(point, "a component of a unit vector is a finite number").or_else(|| {
        let norm = point.iter().map(|x| x * x).sum::<f64>().sqrt();
        ((norm - 1.0).abs() > UNIT_TOLERANCE).then(|| {
            format!("the vector has length {norm}: embedded coordinates are a unit vector, divide it by its length")
        })
    })
}

/// The scalar product.
#[inline(always)]
pub(super) fn dot<R: Real>(a: &[R], b: &[R]) -> R {
    let mut sum = R::zero();
    for (a, b) in a.iter().zip(b) {
        sum += *a * *b;
    }
    sum
}

/// A vector divided by its length.
#[inline(always)]
pub(super) fn project<R: Real>(given: &[R], embedded: &mut [R]) {
    let norm = dot(given, given).sqrt();
    for (unit, x) in embedded.iter_mut().zip(given) {
        *unit = *x / norm;
    }
}

/// Cotangents of [`project`].
#[inline(always)]
pub(super) fn project_vjp<R: Real>(given: &[R], cot_embedded: &[R], cot_given: &mut [R]) {
    let norm2 = dot(given, given);
    let norm = norm2.sqrt();
    let along = dot(given, cot_embedded) / norm2;
    for ((bar, x), c) in cot_given.iter_mut().zip(given).zip(cot_embedded) {
        *bar += (*c - *x * along) / norm;
    }
}

/// An angle from (-pi, pi] to [0, 2 pi).
#[inline(always)]
pub(super) fn wrap<R: Real>(angle: R) -> R {
    let turned = R::select(angle.lt(R::zero()), angle + R::constant(TAU), angle);
    R::select(turned.lt(R::constant(TAU)), turned, R::zero())
}

/// ln sin(theta) with the sine kept above `POLE`, and its derivative. The sine is held, not the angle: in `f32` no
/// angle is as close to pi.
#[inline(always)]
pub(super) fn ln_sin<R: Real>(theta: R) -> (R, R) {
    let (sin, cos) = theta.sin_cos();
    let least = R::constant(POLE);
    let free = sin.gt(least);
    let held = R::select(free, sin, least);
    (held.ln(), R::select(free, cos / held, R::zero()))
}
