//! The rotation of layer f: one interface over its modes.

use crate::layers::{cayley, rotation};
use crate::numeric::{Dual, Lift, Real, Scalar};
use flow_notation::options::FisherRotation;

/// What a [`FisherRotation`] does.
#[derive(Clone, Copy)]
pub(super) struct Turn(pub FisherRotation);

impl Turn {
    /// Number of parameters with this many reflections.
    pub(super) const fn params(self, reflections: usize) -> usize {
        match self.0 {
            FisherRotation::Householder => 3 * reflections,
            FisherRotation::Angles | FisherRotation::Xyz => 3,
            FisherRotation::Quaternion => 4,
        }
    }

    /// Number of prepared numbers: unit vectors, (cos, sin) of each angle, or the matrix row by row.
    pub(super) const fn prepared(self, reflections: usize) -> usize {
        match self.0 {
            FisherRotation::Householder => 3 * reflections,
            FisherRotation::Angles => 6,
            FisherRotation::Xyz | FisherRotation::Quaternion => 9,
        }
    }

    #[inline(always)]
    pub(super) fn prepare<P: Real>(self, params: &[P], prepared: &mut [P]) {
        match self.0 {
            FisherRotation::Householder => rotation::householder_prepare(3, params, prepared),
            FisherRotation::Angles => rotation::angles_prepare(params, prepared),
            FisherRotation::Xyz => prepared.copy_from_slice(&xyz([params[0], params[1], params[2]])),
            FisherRotation::Quaternion => {
                prepared.copy_from_slice(&quaternion([params[0], params[1], params[2], params[3]]));
            }
        }
    }

    /// Cotangents of [`Turn::prepare`].
    #[inline(always)]
    pub(super) fn prepare_vjp<P: Real>(self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        match self.0 {
            FisherRotation::Householder => {
                rotation::householder_prepare_vjp(3, params, prepared, cot_prepared, cot_params);
            }
            FisherRotation::Angles => rotation::angles_prepare_vjp(prepared, cot_prepared, cot_params),
            FisherRotation::Xyz => {
                let matrix = xyz(core::array::from_fn(|i| Dual::<P, 3>::input(params[i], i)));
                pull(&matrix, cot_prepared, cot_params);
            }
            FisherRotation::Quaternion => {
                let matrix = quaternion(core::array::from_fn(|i| Dual::<P, 4>::input(params[i], i)));
                pull(&matrix, cot_prepared, cot_params);
            }
        }
    }

    /// v <- R v, or R^T v where `inverse`.
    #[inline(always)]
    pub(super) fn apply<R: Real, P: Lift<R>>(self, prepared: &[P], v: &mut [R], inverse: bool) {
        match (self.0, inverse) {
            (FisherRotation::Householder, false) => rotation::householder(3, prepared, v),
            (FisherRotation::Householder, true) => rotation::householder_transpose(3, prepared, v),
            (FisherRotation::Angles, false) => rotation::angles(3, prepared, v),
            (FisherRotation::Angles, true) => rotation::angles_transpose(3, prepared, v),
            (_, false) => cayley::apply(3, prepared, v),
            (_, true) => cayley::transpose(3, prepared, v),
        }
    }

    /// Cotangents of [`Turn::apply`]; `v` holds the result and is taken back to the argument.
    #[inline(always)]
    pub(super) fn apply_vjp<R: Real, P: Lift<R>>(
        self,
        prepared: &[P],
        v: &mut [R],
        inverse: bool,
        cot: &mut [R],
        out: &mut [R],
    ) {
        match (self.0, inverse) {
            (FisherRotation::Householder, false) => rotation::householder_vjp(3, prepared, v, cot, out),
            (FisherRotation::Householder, true) => rotation::householder_transpose_vjp(3, prepared, v, cot, out),
            (FisherRotation::Angles, false) => rotation::angles_vjp(3, prepared, v, cot, out),
            (FisherRotation::Angles, true) => rotation::angles_transpose_vjp(3, prepared, v, cot, out),
            (_, false) => cayley::apply_vjp(3, prepared, v, cot, out),
            (_, true) => cayley::transpose_vjp(3, prepared, v, cot, out),
        }
    }
}

#[inline(always)]
fn pull<P: Real, const N: usize>(matrix: &[Dual<P, N>; 9], cot: &[P], cot_params: &mut [P]) {
    for (k, bar) in cot_params.iter_mut().enumerate() {
        *bar += matrix.iter().zip(cot).fold(P::zero(), |sum, (entry, cot)| sum + entry.grad[k] * *cot);
    }
}

/// A vector of length one, by way of the largest component; a vector of zeros becomes axis number `axis`.
#[inline(always)]
fn unit<P: Real, const N: usize>(v: [P; N], axis: usize) -> [P; N] {
    let largest = v.iter().fold(P::zero(), |m, x| m.max(x.abs()));
    let none = largest.lt(P::constant(P::Scalar::TINY));
    let size = P::select(none, P::one(), largest);
    let v: [P; N] = core::array::from_fn(|i| {
        let of_axis = if i == axis { P::one() } else { P::zero() };
        P::select(none, of_axis, v[i] / size)
    });
    let norm = v.iter().fold(P::zero(), |sum, x| sum + x.square()).sqrt();
    v.map(|x| x / norm)
}

/// The rotation that takes +z the shortest way to u = p / |p| = (a, b, c), with k = 1 / (1 + c) (layers.md 6.2):
/// ```text
/// [[1 - a^2 k, -a b k, a], [-a b k, 1 - b^2 k, b], [-a, -b, c]]
/// ```
/// Every entry is bounded, but at c = -1 all half turns about horizontal axes are as short and the published formula divides by zero.
/// With (a, b) = rho (cos, sin) and k = (1 - c) / rho^2 it is a^2 k = (1 - c) cos^2: near there the rotation depends on the
/// direction in which u leaves -z, and derivatives grow like 1 / rho. At -z itself it is the half turn about the y axis, and the way in which that
/// turns with u counts as constant. A vector of zeros gives no rotation.
#[inline(always)]
fn xyz<P: Real>(p: [P; 3]) -> [P; 9] {
    let [a, b, c] = unit(p, 2);
    let one = P::one();
    let largest = a.abs().max(b.abs());
    let none = largest.lt(P::constant(P::Scalar::TINY.sqrt()));
    let size = P::select(none, one, largest);
    let (cos, sin) = (P::select(none, one, a / size), P::select(none, P::zero(), b / size));
    let square = cos.square() + sin.square();
    // k times the square of what a and b are divided by: from 1 + c, or from 1 - c around the other pole.
    let south = c.lt(P::zero());
    let k_north = largest.square() / P::select(south, one, one + c);
    let k = P::select(south, (one - c) / square, k_north);
    let (aa, ab, bb) = (cos * cos * k, cos * sin * k, sin * sin * k);
    [one - aa, -ab, a, -ab, one - bb, b, -a, -b, c]
}

/// The rotation of a quaternion (a, i, j, k), of any length (layers.md 6.2); four zeros give no rotation.
#[inline(always)]
fn quaternion<P: Real>(q: [P; 4]) -> [P; 9] {
    let [a, i, j, k] = unit(q, 0);
    let one = P::one();
    let twice = |x: P| x.scale(2.0);
    [
        one - twice(j * j + k * k),
        twice(i * j - a * k),
        twice(i * k + a * j),
        twice(i * j + a * k),
        one - twice(i * i + k * k),
        twice(j * k - a * i),
        twice(i * k - a * j),
        twice(j * k + a * i),
        one - twice(i * i + j * j),
    ]
}
