//! One bin of a spline: where a point lies in it, and the map within it.

use super::Ends;
use crate::numeric::Real;

impl<R: Real> Ends<R> {
    /// Rounding may have carried a point outside: it is read as the end. NaN stays.
    #[inline(always)]
    pub(super) fn inside(self) -> Self {
        Ends { low: R::zero().max(self.low), high: R::zero().max(self.high) }
    }
}

/// A bin; or cotangents of its numbers.
#[derive(Clone, Copy)]
pub(super) struct Bin<R: Real> {
    /// Distance of its lower knot from the lower end, along the argument.
    pub(super) start: R,
    /// Its size along the argument.
    pub(super) size: R,
    /// Distance of its upper knot from the upper end, along the argument.
    pub(super) beyond: R,
    /// Distance of its lower knot from the lower end, along the result.
    pub(super) out_start: R,
    /// Its size along the result.
    pub(super) out_size: R,
    /// Distance of its upper knot from the upper end, along the result.
    pub(super) out_beyond: R,
    /// dy/dx of the spline at the lower knot, whichever direction is taken.
    pub(super) slope_low: R,
    /// dy/dx at the upper knot.
    pub(super) slope_high: R,
    /// Whether it is the bin at the lower end.
    pub(super) first: R::Mask,
    /// Whether it is the bin at the upper end.
    pub(super) last: R::Mask,
}

impl<R: Real> Bin<R> {
    /// The shares of the bin that lie before and behind a point: the one on the side of the nearer end is the precise one.
    #[inline(always)]
    pub(super) fn shares(&self, at: Ends<R>, over_size: R) -> (R, R) {
        let turned = at.high.lt(at.low);
        let near = R::select(turned, at.high - self.beyond, at.low - self.start) * over_size;
        let near = R::one().min(R::zero().max(near));
        let other = R::one() - near;
        (R::select(turned, other, near), R::select(turned, near, other))
    }
    /// The derivative of cot_low ln low + cot_high ln high along low, where the cotangent of an end that the bin is at is zero.
    #[inline(always)]
    pub(super) fn tilt(&self, cot: Ends<R>, at: Ends<R>) -> R {
        cot.low / R::select(self.first, R::one(), at.low) - cot.high / R::select(self.last, R::one(), at.high)
    }
}

/// The map within a bin at the shares t and s = 1 - t, for the end slopes a and b: what its formulas are made of.
pub(super) struct Piece<R> {
    /// t^2 + s^2 + (a + b) t s.
    pub(super) den: R,
    /// t + a s: part = t up / den.
    pub(super) up: R,
    /// s + b t: rest = s down / den.
    pub(super) down: R,
    /// b t^2 + 2 t s + a s^2: d part / dt = steepness / den^2.
    pub(super) steepness: R,
}

impl<R: Real> Piece<R> {
    #[inline(always)]
    pub(super) fn new(t: R, s: R, a: R, b: R) -> Self {
        let (up, down, ts) = (t + a * s, s + b * t, t * s);
        Piece { den: t * up + s * down, up, down, steepness: b * t * t + ts + ts + a * s * s }
    }
}
