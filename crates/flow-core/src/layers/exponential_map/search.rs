//! The search of layer v: x with E(x) = y.
//!
//! Newton's method on the sphere: the chord y - E(x), taken back by the exact Jacobian, is a step along the sphere.
//! Where the whole step does not bring E(x) nearer to y it is halved until it does. E is a diffeomorphism, so that the
//! direction always leads nearer and nothing but the solution is stationary; x = y is a good start, because E moves no
//! point by one radian or more.
//!
//! A lane has converged where |y - E(x)| is the rounding of E: that of its sums, and that of x grown by the map's
//! stretch. One last step then takes off most of what is left. Lanes do not see each other.

use super::VECTOR;
use super::gradient_map::{Frame, Local, unit, walk};
use crate::numeric::{Mask, Real, Scalar};

/// Rounding of E, in units in the last place: of its formula, for the root of the number of components that are summed,
/// and for each unit of stretch.
const ROUNDING: f64 = 16.0;
const ROUNDING_OF_SUMS: f64 = 1.0;
const ROUNDING_OF_POINT: f64 = 8.0;

/// The longest step, in radians.
const LONGEST: f64 = 1.0;

/// What a step must gain, as a share of what Newton's method promises.
const GAIN: f64 = 1e-3;

/// After a success steps may grow by this factor.
const GROWTH: f64 = 4.0;

/// A point that was looked at.
#[derive(Clone, Copy)]
struct Look<R> {
    x: [R; VECTOR],
    /// Newton's step from there, and its length.
    step: [R; VECTOR],
    length: R,
    /// |y - E(x)|, and what of it is rounding.
    off: R,
    rounding: R,
}

impl<R: Real> Look<R> {
    #[inline(always)]
    fn at(x: [R; VECTOR], y: [R; VECTOR], sums: f64, (frame, local): (Frame<R>, Local<R>)) -> Self {
        let image = frame.vector(local.image());
        let off: [R; VECTOR] = core::array::from_fn(|k| y[k] - image[k]);
        let [first, second] = local.solve(frame.read(off));
        let floor = R::constant(ROUNDING + sums) + local.stretch().scale(ROUNDING_OF_POINT);
        Look {
            x,
            step: frame.vector([first, second, R::zero()]),
            length: (first.square() + second.square()).sqrt(),
            off: (off[0].square() + off[1].square() + off[2].square()).sqrt(),
            rounding: floor.scale(R::Scalar::EPSILON),
        }
    }
    #[inline(always)]
    fn select(mask: R::Mask, yes: &Self, no: &Self) -> Self {
        let vector = |yes: [R; VECTOR], no: [R; VECTOR]| core::array::from_fn(|k| R::select(mask, yes[k], no[k]));
        Look {
            x: vector(yes.x, no.x),
            step: vector(yes.step, no.step),
            length: R::select(mask, yes.length, no.length),
            off: R::select(mask, yes.off, no.off),
            rounding: R::select(mask, yes.rounding, no.rounding),
        }
    }
    #[inline(always)]
    fn converged(&self) -> R::Mask {
        self.off.le(self.rounding)
    }
    /// The share of the step that is not too long.
    #[inline(always)]
    fn whole(&self) -> R {
        R::constant(LONGEST) / self.length.max(R::constant(LONGEST))
    }
    #[inline(always)]
    fn ahead(&self, share: R) -> [R; VECTOR] {
        walk(self.x, self.step.map(|s| s * share))
    }
}

/// The x with E(x) = y, and the lanes in which `limit` points were not enough; `local` gives E, of this many
/// components, at a point.
#[inline(always)]
pub(super) fn search<R: Real>(
    y: [R; VECTOR],
    components: usize,
    limit: usize,
    mut local: impl FnMut([R; VECTOR]) -> (Frame<R>, Local<R>),
) -> ([R; VECTOR], R::Mask) {
    let y = unit(y);
    let sums = ROUNDING_OF_SUMS * (components as f64).sqrt();
    let mut best = Look::at(y, y, sums, local(y));
    let mut share = best.whole();
    let mut active = !best.converged();
    let mut failed = !(best.off.is_finite() & best.length.is_finite());
    for _ in 1..limit {
        active = active & !failed;
        if !active.any() {
            break;
        }
        let ahead = best.ahead(share);
        let next = Look::at(ahead, y, sums, local(ahead));
        let gained = next.off.le(best.off * (R::one() - share.scale(GAIN))) | next.converged();
        let taken = active & gained & next.length.is_finite();
        best = Look::select(taken, &next, &best);
        share = R::select(taken, best.whole().min(share.scale(GROWTH)), share.scale(0.5));
        active = active & !best.converged();
        // A step too short to move the point.
        failed = failed | (active & (share * best.length).lt(R::constant(0.1 * R::Scalar::EPSILON)));
    }
    let failed = failed | active;
    let last = best.ahead(best.whole());
    (core::array::from_fn(|k| R::select(failed, best.x[k], last[k])), failed)
}
