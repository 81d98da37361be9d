//! One bin of a spline: where a point lies in it, and the map within it.

use super::Ends;
use crate::numeric::{Lift, Real};

/// A point as seen from the end of the interval that it is nearer to.
pub(super) struct Seen<R: Real> {
    /// Distance to the nearer end.
    pub(super) near: R,
    /// Distance to the other.
    pub(super) far: R,
    /// Whether the nearer end is the upper one.
    pub(super) turned: R::Mask,
}

impl<R: Real> Seen<R> {
    /// Rounding may have carried a point outside: it is read as the end.
    #[inline(always)]
    pub(super) fn from(at: Ends<R>) -> Self {
        let inside = |d: R| R::select(d.lt(R::zero()), R::zero(), d);
        let (low, high) = (inside(at.low), inside(at.high));
        let turned = high.lt(low);
        Seen { near: R::select(turned, high, low), far: R::select(turned, low, high), turned }
    }
    /// Values for the nearer and the other end, put back in place.
    #[inline(always)]
    pub(super) fn place(&self, near: R, far: R) -> Ends<R> {
        Ends { low: R::select(self.turned, far, near), high: R::select(self.turned, near, far) }
    }
    /// Values of the nearer and the other end.
    #[inline(always)]
    pub(super) fn take(&self, ends: Ends<R>) -> (R, R) {
        (R::select(self.turned, ends.high, ends.low), R::select(self.turned, ends.low, ends.high))
    }
    /// Number `index` of a list, counted from the nearer end.
    #[inline(always)]
    pub(super) fn pick<P: Lift<R>>(&self, list: &[P], index: usize) -> R {
        R::select(self.turned, list[list.len() - 1 - index].lift(), list[index].lift())
    }
    /// Adds to number `index` of a list, counted from the nearer end.
    #[inline(always)]
    pub(super) fn give(&self, list: &mut [R], index: usize, value: R) {
        let mirrored = list.len() - 1 - index;
        list[index] += R::select(self.turned, R::zero(), value);
        list[mirrored] += R::select(self.turned, value, R::zero());
    }
}

/// A bin, counted from the end that the point is nearer to; or cotangents of these numbers.
pub(super) struct Bin<R> {
    /// Distance of its nearer knot from the nearer end, along the argument.
    pub(super) start: R,
    /// Its size along the argument.
    pub(super) size: R,
    /// Distance of its nearer knot from the nearer end, along the result.
    pub(super) out_start: R,
    /// Its size along the result.
    pub(super) out_size: R,
    /// Distance of its farther knot from the farther end, along the result.
    pub(super) out_beyond: R,
    /// dy/dx of the spline at the nearer knot, whichever direction is taken.
    pub(super) slope_near: R,
    /// dy/dx at the farther knot.
    pub(super) slope_far: R,
}

impl<R: Real> Bin<R> {
    /// Place within the bin, and the end slopes in units of the mean slope.
    #[inline(always)]
    pub(super) fn arguments(&self, near: R, inverse: bool) -> (R, R, R) {
        let t = (near - self.start) / self.size;
        let t = R::select(t.lt(R::zero()), R::zero(), R::select(t.gt(R::one()), R::one(), t));
        let per_slope = if inverse { self.out_size / self.size } else { self.size / self.out_size };
        (t, self.slope_near * per_slope, self.slope_far * per_slope)
    }
    /// Whether the bin begins at the end of the interval.
    #[inline(always)]
    pub(super) fn outer(&self) -> R::Mask {
        self.start.le(R::zero())
    }
}

/// A point within the unit square of a bin.
pub(super) struct Piece<R> {
    /// Share of the bin that lies before it.
    pub(super) part: R,
    /// Share of the bin that lies behind it.
    pub(super) rest: R,
    /// part / argument.
    pub(super) over: R,
    /// d part / d argument.
    pub(super) slope: R,
}

/// d part / dt at t and s = 1 - t.
#[inline(always)]
pub(super) fn piece_slope<R: Real>(t: R, s: R, a: R, b: R) -> R {
    let (tt, ts, ss) = (t * t, t * s, s * s);
    (b * tt + ts + ts + a * ss) / (tt + ss + (a + b) * ts).square()
}

#[inline(always)]
pub(super) fn piece_direct<R: Real>(t: R, a: R, b: R) -> Piece<R> {
    let s = R::one() - t;
    let den = t * t + s * s + (a + b) * t * s;
    let over = (t + a * s) / den;
    Piece { part: t * over, rest: s * (s + b * t) / den, over, slope: piece_slope(t, s, a, b) }
}

/// The way back from the share p: with q = 1 - p and B = q a - p b, q r^2 + B r - p = 0 for r = t / s.
#[inline(always)]
pub(super) fn piece_inverse<R: Real>(p: R, a: R, b: R) -> Piece<R> {
    let q = R::one() - p;
    let linear = q * a - p * b;
    let root = (linear.square() + (p * q).scale(4.0)).sqrt();
    // t : s, and t / p, each without cancellation. Where B < 0, p > 0.
    let falling = linear.lt(R::zero());
    let before = R::select(falling, root - linear, p + p);
    let behind = R::select(falling, q + q, linear + root);
    let all = before + behind;
    let (t, s) = (before / all, behind / all);
    let over = R::select(falling, t / R::select(falling, p, R::one()), R::constant(2.0) / all);
    Piece { part: t, rest: s, over, slope: piece_slope(t, s, a, b).recip() }
}
