//! Points on their way through layer f.

use crate::manifolds::half_squares;
use crate::numeric::Real;

/// A point of the sphere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<R> {
    pub(super) x: R,
    pub(super) y: R,
    /// (1 + z) / 2.
    pub(super) low: R,
    /// (1 - z) / 2.
    pub(super) high: R,
}

impl<R: Real> Place<R> {
    pub(super) const LEN: usize = 4;

    #[inline(always)]
    pub(super) fn from_vector(v: &[R]) -> Self {
        let (high, low) = half_squares(v);
        Place { x: v[0], y: v[1], low, high }
    }
    #[inline(always)]
    pub(super) fn vector(&self) -> [R; 3] {
        [self.x, self.y, self.low - self.high]
    }
    #[inline(always)]
    pub(super) fn store(&self, scratch: &mut [R], at: usize) {
        scratch[at..at + Self::LEN].copy_from_slice(&[self.x, self.y, self.low, self.high]);
    }
    #[inline(always)]
    pub(super) fn load(scratch: &[R], at: usize) -> Self {
        Place { x: scratch[at], y: scratch[at + 1], low: scratch[at + 2], high: scratch[at + 3] }
    }
    /// A quarter turn about the y axis: (x, y, z) to (z, y, -x), or back.
    #[inline(always)]
    pub(super) fn tilted(&self, inverse: bool) -> Self {
        Self::from_vector(&tilt(self.vector(), inverse))
    }
}

#[inline(always)]
pub(super) fn tilt<R: Real>([x, y, z]: [R; 3], inverse: bool) -> [R; 3] {
    if inverse { [-z, y, x] } else { [z, y, -x] }
}

/// Cotangents of a [`Place`].
#[derive(Clone, Copy, Debug)]
pub(super) struct PlaceCot<R> {
    pub(super) x: R,
    pub(super) y: R,
    /// Of `low`, with `high` = 1 - `low`.
    pub(super) up: R,
    /// Of the log-determinant added on the way.
    pub(super) log_det: R,
}

impl<R: Real> PlaceCot<R> {
    /// From those of [`Place::vector`].
    #[inline(always)]
    pub(super) fn from_vector(cot: &[R], log_det: R) -> Self {
        PlaceCot { x: cot[0], y: cot[1], up: cot[2].scale(2.0), log_det }
    }
    /// To those of the unit vector: along the sphere d low = dz / 2 = -(x dx + y dy) / (2 z). The latter is taken around
    /// the poles, where `up` may be large while nothing of dz lies along the sphere.
    #[inline(always)]
    pub(super) fn vector(&self, at: &Place<R>) -> [R; 3] {
        let z = at.low - at.high;
        let polar = z.abs().gt(R::constant(0.5));
        let by_z = self.up.scale(0.5);
        let radial = R::select(polar, by_z / R::select(polar, z, R::one()), R::zero());
        [self.x - radial * at.x, self.y - radial * at.y, R::select(polar, R::zero(), by_z)]
    }
    /// Those behind [`Place::tilted`] turned back (or forward) to those before it; `at` is the point that these here belong to.
    #[inline(always)]
    pub(super) fn tilted(&self, at: &Place<R>, inverse: bool) -> Self {
        Self::from_vector(&tilt(self.vector(at), inverse), self.log_det)
    }
}
