//! Roots of increasing functions, lane by lane: steps of second or third order inside a bracket that closes from both sides.
//!
//! There are three reasons to stop: the bracket has closed to a few units in the last place of the root, the function hits its target, or the
//! function says how fast its slope can change ([`Smooth`]) and the step from here is so short that it must end within rounding of the root. A
//! small step alone proves nothing where the function has structure below the spacing of numbers (narrow sigmoids far from zero, `f32` above all).
//!
//! Where only the bracket can prove the root, Newton alone comes to it from one side, so its steps are lengthened by a hair to cross it;
//! where they stop shrinking because the function's own rounding is reached, one step of several lengths finds the other side of that noise.
//! Bisection takes over wherever neither makes progress.

use super::real::{Mask, Real, Scalar};

/// The bracket counts as closed at this many units in the last place of the root. Not less than twice [`NUDGE`] plus rounding.
const CLOSED: f64 = 8.0;

/// How far a Newton step is lengthened, in units in the last place.
const NUDGE: f64 = 2.0;

/// A step that no longer shrinks is lengthened by this factor to find the other side of the root.
const OVERSHOOT: f64 = 4.0;

/// Twice the bisections that take an `f64` bracket to the third power of its precision (see `floor` below), and some more.
const SWEEPS: usize = 352;

/// A step of third order has c of at most this size: far from the root a second derivative says little.
const CORRECTION: f64 = 0.5;

/// The last step may miss the root by this many units in its last place, and is at most this long in units of 1 / stiffness.
const MISSED: f64 = 0.5;
const SHORT: f64 = 1.0 / 16.0;

/// How often [`grow_bracket`] multiplies the width by [`GROWTH`]: enough to leave the range of `f32`.
const GROWTHS: usize = 64;
const GROWTH: f64 = 4.0;

/// An increasing function at a point.
pub struct Local<R> {
    /// f.
    pub value: R,
    /// 1 / f'.
    pub rise: R,
    /// How f' changes, where that is known.
    pub smooth: Option<Smooth<R>>,
}

/// How the slope of a function changes.
///
/// With Newton's step -r, r = (f - target) / f', and b = f'' / f', Halley's step -r / (1 - c), c = b r / 2, and as well -r (1 + c + c^2), which comes without
/// another division, miss the root by (b^2 / 4 - f''' / (6 f')) r^3 in leading order. With a number k such that |f''| <= 2 k f' and |f'''| <= 6 k^2 f'
/// everywhere (what x / (1 - k x) has at zero) that is at most 2 k^2 |r|^3.
pub struct Smooth<R> {
    /// f'' / f' here.
    pub bend: R,
    /// k; infinite in lanes where nothing is known.
    pub stiffness: R,
}

/// An increasing function. Closures that return value and slope are; a type of its own with an `#[inline(always)]` function is compiled into the search.
pub trait Increasing<R> {
    /// The function at x.
    fn at(&mut self, x: R) -> Local<R>;
}

impl<R: Real, F: FnMut(R) -> (R, R)> Increasing<R> for F {
    #[inline(always)]
    fn at(&mut self, x: R) -> Local<R> {
        let (value, slope) = self(x);
        Local { value, rise: slope.recip(), smooth: None }
    }
}

/// The x with f(x) = target for an increasing `f`, and the lanes that failed.
///
/// The root lies between `lo` and `hi` (up to rounding: a root that rounding puts just outside gives the end itself). The result is
/// as precise as `f` is: to a few units in the last place, and to the third power of the precision times the width of the bracket where the
/// root is zero. A slope may be wrong, zero or infinite: that costs time, not precision, unless `f` calls itself [`Smooth`]. `f` is evaluated
/// in all lanes until the last one has converged; what a lane returns does not depend on the others.
///
/// A lane fails where `f` gives NaN or where the root is outside the bracket by more than rounding.
#[inline(always)]
pub fn monotone_root<R: Real>(target: R, lo: R, hi: R, f: impl Increasing<R>) -> (R, R::Mask) {
    monotone_root_from(target, lo + (hi - lo).scale(0.5), lo, hi, f)
}

/// [`monotone_root`] with a first guess, which may be anything: outside of the bracket it counts as its middle.
#[inline(always)]
pub fn monotone_root_from<R: Real>(target: R, guess: R, lo: R, hi: R, mut f: impl Increasing<R>) -> (R, R::Mask) {
    let zero = R::zero();
    let none = R::Mask::splat(false);
    let (ulp, width) = (R::Scalar::EPSILON, hi - lo);
    let floor = width.scale(ulp * ulp * ulp);
    let gross = (lo.abs() + hi.abs()).scale(ulp.sqrt());

    let (mut lo, mut hi) = (lo, hi);
    // Ends that were tried as a guess, and ends that were found to lie on their side of the root.
    let (mut lo_tried, mut hi_tried) = (none, none);
    let (mut lo_good, mut hi_good) = (none, none);
    let mut x = R::select(guess.ge(lo) & guess.le(hi), guess, lo + width.scale(0.5));
    // Lengths of the last two moves, and whether the last one was an overshoot or a mere hair.
    let (mut last, mut before) = (width, width);
    let (mut overshot, mut crept) = (none, none);
    let mut active = R::Mask::splat(true);
    let mut failed = none;

    for _ in 0..SWEEPS {
        let Local { value, rise, smooth } = f.at(x);
        let off = value - target;
        let (low, high) = (off.le(zero), off.ge(zero));
        let lost = active & !(low | high);
        failed = failed | lost;
        active = active & !lost;

        // A hit closes the bracket from both sides.
        lo = R::select(active & low, x, lo);
        hi = R::select(active & high, x, hi);
        let reach = x.abs().scale(ulp);
        let (mut step, mut proved) = (off * rise, none);
        if let Some(Smooth { bend, stiffness }) = smooth {
            let c = (step * bend).scale(0.5).clamp(-CORRECTION, CORRECTION);
            step = step.mul_add(c.mul_add(c, c), step);
            let (size, stiff) = (step.abs(), stiffness * step.abs());
            let missed = (stiff.square() * size).scale(2.0);
            proved = stiff.le(R::constant(SHORT)) & missed.le(reach.scale(MISSED) + floor);
        }
        let usable = rise.gt(zero) & step.is_finite();
        let newton = x - step;

        let closed = active & (hi - lo).le(reach.scale(CLOSED) + floor);
        let outside = (high & !lo_good & x.le(lo)) | (low & !hi_good & x.ge(hi));
        failed = failed | (closed & outside & usable & step.abs().gt(gross));
        let done = closed | (active & proved & usable & newton.ge(lo) & newton.le(hi));
        let polished = R::select(usable, newton, x).max(lo).min(hi);
        x = R::select(done, polished, x);
        active = active & !done;
        if !active.any() {
            return (x, failed);
        }
        lo_good = lo_good | (active & low);
        hi_good = hi_good | (active & high);

        let inside = |x: R| x.gt(lo) & x.lt(hi);
        let hair = reach.scale(NUDGE) + floor.scale(0.25);
        let creeps = step.abs().le(hair);
        let hair = R::select(off.gt(zero), -hair, hair);
        let beyond = newton + hair;
        let lengthened = R::select(inside(beyond), beyond, newton - hair);
        let shrinks = usable & inside(lengthened) & step.abs().le(before.scale(0.5)) & !(creeps & crept);
        let several = x - step.scale(OVERSHOOT);
        let jumps = usable & inside(several) & !overshot & !creeps & !shrinks;
        // Beyond an end that was not looked at yet the end itself is the next guess.
        let to_lo = usable & newton.le(lo) & !(lo_tried | lo_good);
        let to_hi = usable & newton.ge(hi) & !(hi_tried | hi_good);
        lo_tried = lo_tried | to_lo;
        hi_tried = hi_tried | to_hi;

        let mut next = lo + (hi - lo).scale(0.5);
        next = R::select(shrinks, lengthened, next);
        next = R::select(jumps, several, next);
        next = R::select(to_lo, lo, next);
        next = R::select(to_hi, hi, next);
        before = last;
        last = (next - x).abs();
        (overshot, crept) = (jumps, shrinks & creeps);
        x = R::select(active, next, x);
    }
    (x, failed | active)
}

/// Moves `lo` and `hi` outwards until f(lo) <= target <= f(hi), for an increasing `f` (value and slope).
#[inline(always)]
pub fn grow_bracket<R: Real>(target: R, lo: R, hi: R, mut f: impl FnMut(R) -> (R, R)) -> (R, R) {
    let (mut lo, mut hi) = (lo, hi);
    let first = hi - lo;
    let mut width = first;
    for _ in 0..GROWTHS {
        let short = f(lo).0.gt(target);
        if !short.any() {
            break;
        }
        width = width.scale(GROWTH);
        let out = lo - width;
        hi = R::select(short, lo, hi);
        lo = R::select(short, out, lo);
    }
    let mut width = first;
    for _ in 0..GROWTHS {
        let short = f(hi).0.lt(target);
        if !short.any() {
            break;
        }
        width = width.scale(GROWTH);
        let out = hi + width;
        lo = R::select(short, hi, lo);
        hi = R::select(short, out, hi);
    }
    (lo, hi)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::Lanes;
    use crate::numeric::special::logistic;
    use core::cell::Cell;

    /// Distance of the root from where `f` really changes sign, in units in the last place, and the number of evaluations.
    fn ulps_off<T: Scalar>(target: T, lo: T, hi: T, f: impl Fn(T) -> (T, T)) -> (f64, usize) {
        let mut evaluations = 0;
        let (x, failed) = monotone_root(target, lo, hi, |x| {
            evaluations += 1;
            f(x)
        });
        assert!(!failed, "no root of {target} in [{lo}, {hi}]: {x}");
        // The nearest number of ulps n with f(x - n) <= target <= f(x + n).
        let ulp = T::narrow((x.widen().abs() * T::EPSILON).max(T::TINY));
        let mut n = 0.0;
        while f(x - T::narrow(n) * ulp).0 > target || f(x + T::narrow(n) * ulp).0 < target {
            n += 1.0;
            assert!(n < 1e4, "{x} is no root for {target}: {:?}", f(x));
        }
        (n, evaluations)
    }

    /// a sum of sigmoids at `centres`, each rising by 1 over about `width`.
    fn stairs<T: Scalar>(centres: &[f64], width: f64) -> impl Fn(T) -> (T, T) {
        move |x: T| {
            let mut sum = (T::zero(), T::zero());
            for c in centres {
                let s = logistic((x - T::narrow(*c)) / T::narrow(width));
                sum.0 += s;
                sum.1 += s * (T::one() - s) / T::narrow(width);
            }
            sum
        }
    }

    fn far_apart<T: Scalar>(largest_centre: f64) {
        let centres = [-largest_centre, -3.0, 0.5, 0.25 * largest_centre, largest_centre];
        for width in [1e-8, 0.01, 1.0, 1e4] {
            let reach = T::narrow(2.0 * largest_centre + 20.0 * width);
            for target in [0.3, 0.999, 1.2, 1.5, 2.0001, 2.5, 3.3, 4.7] {
                let f = stairs::<T>(&centres, width);
                let (off, count) = ulps_off(T::narrow(target), -reach, reach, f);
                assert!(off <= 8.0, "{} width {width} target {target}: {off} ulp", T::NAME);
                assert!(count < 200, "{} width {width} target {target}: {count} evaluations", T::NAME);
            }
        }
    }

    #[test]
    fn stairs_with_steps_far_apart_and_below_the_spacing_of_numbers() {
        far_apart::<f64>(1e8);
        far_apart::<f32>(1e8);
        far_apart::<f64>(10.0);
        far_apart::<f32>(10.0);
    }

    #[test]
    fn smooth_functions_take_few_evaluations() {
        let mut most = 0;
        for i in -40..=40 {
            let target = 0.37 * i as f64;
            let f = |x: f64| (x + 0.9 * x.sin(), 1.0 + 0.9 * x.cos());
            let (off, count) = ulps_off(target, -16.0, 16.0, f);
            assert!(off <= 4.0, "{target}: {off}");
            if i != 0 {
                most = most.max(count);
            }
        }
        assert!(most <= 16, "{most} evaluations");
    }

    /// A sum of sigmoids at `centres`, of width `width`, that says how smooth it is.
    struct Smoothly<'a> {
        centres: &'a [f64],
        width: f64,
        evaluations: Cell<usize>,
    }

    impl<R: Real> Increasing<R> for &Smoothly<'_> {
        fn at(&mut self, x: R) -> Local<R> {
            self.evaluations.set(self.evaluations.get() + 1);
            let over = R::constant(1.0 / self.width);
            let (mut value, mut slope, mut second) = (R::zero(), R::zero(), R::zero());
            for c in self.centres {
                let s = logistic((x - R::constant(*c)) * over);
                let p = s * (R::one() - s) * over;
                value += s;
                slope += p;
                second += p * (R::one() - s.scale(2.0)) * over;
            }
            Local { value, rise: slope.recip(), smooth: Some(Smooth { bend: second / slope, stiffness: over }) }
        }
    }

    /// Where a sum of sigmoids reaches its target the smooth search ends as precisely as the one that closes a bracket, also where the sigmoids are
    /// narrower than the spacing of numbers.
    fn as_precise_when_smooth<T: Scalar>(largest_centre: f64) {
        let mut total = [0, 0];
        let centres = [-largest_centre, -3.0, 0.5, 0.25 * largest_centre, largest_centre];
        for width in [1e-8, 0.01, 1.0, 1e4] {
            let reach = T::narrow(2.0 * largest_centre + 20.0 * width);
            let sum = stairs::<T>(&centres, width);
            for target in [0.3, 0.999, 1.2, 1.5, 2.0001, 2.5, 3.3, 4.7].map(T::narrow) {
                let (off, count) = ulps_off(target, -reach, reach, &sum);
                let f = Smoothly { centres: &centres, width, evaluations: Cell::new(0) };
                let (x, failed) = monotone_root::<T>(target, -reach, reach, &f);
                let around = T::narrow((off + 8.0) * (x.widen().abs() * T::EPSILON).max(T::TINY));
                // What rounds the sum by more than that cannot be resolved by it.
                let rounded = (sum(x).0 - target).abs() <= T::narrow(4.0 * T::EPSILON) * target;
                let holds = rounded || (sum(x - around).0 <= target && target <= sum(x + around).0);
                assert!(!failed && holds, "{} width {width} target {target}: {x}", T::NAME);
                let evaluations = f.evaluations.get();
                assert!(
                    evaluations <= count + 4,
                    "{} width {width} target {target}: {evaluations} of {count}",
                    T::NAME
                );
                total = [total[0] + evaluations, total[1] + count];
            }
        }
        assert!(total[0] < total[1], "{}: {} evaluations, not {}", T::NAME, total[0], total[1]);
    }

    #[test]
    fn smooth_searches_are_as_precise_and_shorter() {
        as_precise_when_smooth::<f64>(1e8);
        as_precise_when_smooth::<f32>(1e8);
        as_precise_when_smooth::<f64>(10.0);
        as_precise_when_smooth::<f32>(10.0);
    }

    /// A first guess at the distance of half a width is three steps of third order away from all digits.
    #[test]
    fn smooth_functions_take_three_evaluations() {
        for target in [0.02_f64, 0.3, 0.5, 0.8, 0.99] {
            let root = (target / (1.0 - target)).ln() * 2.0 + 1.0;
            for off in [-1.0, -0.1, 1e-9, 1.0] {
                let f = Smoothly { centres: &[1.0], width: 2.0, evaluations: Cell::new(0) };
                let (x, failed) = monotone_root_from::<f64>(target, root + off, -100.0, 100.0, &f);
                let precise = (x - root).abs() <= 4e-15 * (1.0 + root.abs()) / target.min(1.0 - target);
                assert!(!failed && precise, "{x} {root}");
                assert!(f.evaluations.get() <= 3, "{target} {off}: {} evaluations", f.evaluations.get());
            }
        }
    }

    #[test]
    fn flat_steep_and_wrong_slopes() {
        // A root of third order, a vertical tangent, slopes that are zero or infinite.
        let cube = |x: f64| (x * x * x, 3.0 * x * x);
        let (x, failed) = monotone_root(0.0, -1.0, 2.0, cube);
        assert!(!failed && x.abs() < 1e-20, "{x}");
        let (x, failed) = monotone_root(8e-30, -1.0, 2.0, cube);
        assert!(!failed && (x / 2e-10 - 1.0).abs() < 1e-15, "{x}");
        let root = |x: f64| (x.cbrt(), x.cbrt().powi(-2) / 3.0);
        let (x, failed) = monotone_root(1e-3, -1e8, 1e8, root);
        assert!(!failed && (x / 1e-9 - 1.0).abs() < 3e-15, "{x}");
        for slope in [0.0, f64::INFINITY, f64::NAN, -1.0, 1e-3, 1e3] {
            let (x, failed) = monotone_root(3.3, -1e3, 1e3, |x: f64| (x, slope));
            assert!(!failed && (x / 3.3 - 1.0).abs() < 2e-15, "slope {slope}: {x}");
        }
    }

    #[test]
    fn roots_at_the_ends_come_back_and_those_outside_fail() {
        let f = |x: f64| (2.0 * x, 2.0);
        assert_eq!(monotone_root(2.0, 1.0, 4.0, f), (1.0, false));
        assert_eq!(monotone_root(8.0, 1.0, 4.0, f), (4.0, false));
        assert_eq!(monotone_root(2.0 * (1.0 - 1e-15), 1.0, 4.0, f), (1.0, false));
        assert_eq!(monotone_root(8.0 * (1.0 + 1e-15), 1.0, 4.0, f), (4.0, false));
        assert!(monotone_root(1.5, 1.0, 4.0, f).1);
        assert!(monotone_root(8.5, 1.0, 4.0, f).1);
        assert!(monotone_root(f64::NAN, 1.0, 4.0, f).1);
        assert!(monotone_root(2.0, 1.0, 4.0, |x: f64| (x * f64::NAN, 1.0)).1);
    }

    #[test]
    fn lanes_do_not_see_each_other() {
        type R = Lanes<f64, 4>;
        let targets = [0.3, 2.5, f64::NAN, 3.999];
        let lane_f = |x: f64| stairs::<f64>(&[-1e6, 0.0, 1.0, 7e3], 0.1)(x);
        let (x, failed) = monotone_root(R::from_fn(|l| targets[l]), R::constant(-1e7), R::constant(1e7), |x: R| {
            let both = x.0.map(lane_f);
            (R::from_fn(|l| both[l].0), R::from_fn(|l| both[l].1))
        });
        for l in [0, 1, 3] {
            assert_eq!((x.0[l], failed.0[l]), monotone_root(targets[l], -1e7, 1e7, lane_f), "lane {l}");
        }
        assert!(failed.0[2]);
    }

    #[test]
    fn brackets_grow_to_both_sides() {
        for target in [-3e7, -2.0, 0.5, 4e9] {
            let f = |x: f64| (x - 1.0, 1.0);
            let (lo, hi) = grow_bracket(target, -1.0, 1.0, f);
            assert!(f(lo).0 <= target && target <= f(hi).0, "{target}: {lo} {hi}");
            assert_eq!(monotone_root(target, lo, hi, f), (target + 1.0, false));
        }
    }
}
