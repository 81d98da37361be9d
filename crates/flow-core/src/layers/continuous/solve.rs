//! Initial value problems, lane by lane: fixed steps, or steps chosen by an error estimate.
//!
//! # Steps of its own for each lane
//! Every lane has its own time, step and tolerance; a lane that is done waits with steps of length zero. What a lane returns does not depend on the
//! others, so that a point gives the same result in whatever batch it comes.
//!
//! # Error control
//! A step is accepted if |error_i| <= atol + rtol max(|u_i|, |u_i'|) for every coordinate u_i and for the integral of the divergence; the next one is
//! longer by 0.9 norm^(-1/5), at least 0.2 and at most 10 times (Hairer, Norsett, Wanner, Solving ODEs I, II.4). Integrals of penalties are not controlled, so
//! that asking for them does not move a point. The last step ends on the end of the interval.
//!
//! # Spheres
//! The position is divided by its length after each step. That moves it by no more than the step's own error, so the order stays.

use super::field::{Field, RATES, Shape};
use super::tableau::Tableau;
use crate::numeric::{Lift, Mask, Real, Scalar};

/// How to integrate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    pub tableau: &'static Tableau,
    /// Steps of an interval: their number where they are fixed, else their greatest number, refused ones included.
    pub steps: usize,
    /// Tolerances relative to a coordinate, and absolute; not used by fixed steps.
    pub rtol: f64,
    pub atol: f64,
}

/// Tolerances are at least this many units in the last place: below, the estimate is rounding.
const FLOOR: f64 = 32.0;
/// A step is at most this much of what is left, or all of it.
const NEARLY_ALL: f64 = 0.99;
const SAFETY: f64 = 0.9;
const SHORTEN: f64 = 0.2;
const LENGTHEN: f64 = 10.0;
/// An error ratio above this is no number to build on.
const LOST: f64 = 1e30;

impl Method {
    pub const fn adaptive(&self) -> bool {
        !self.tableau.error.is_empty()
    }

    /// Relative and absolute tolerance in numbers of this precision.
    #[inline]
    pub fn tolerances<R: Real>(&self) -> (R, R) {
        let least = FLOOR * R::Scalar::EPSILON;
        (R::constant(self.rtol.max(least)), R::constant(self.atol.max(least)))
    }

    /// The first step tried: as long as a field of size 1 with derivatives of size 1 would have it.
    #[inline]
    pub fn first<R: Real>(&self) -> R {
        R::constant(self.rtol.max(self.atol).max(FLOOR * R::Scalar::EPSILON).powf(0.2))
    }
}

/// Length of the next step over that of this one, from the ratio of error and tolerance.
#[inline]
pub(super) fn growth<R: Real>(ratio: R) -> R {
    let power = (ratio.max(R::constant(1e-10)).ln().scale(-0.2)).exp().scale(SAFETY);
    R::select(ratio.le(R::constant(LOST)), power.clamp(SHORTEN, LENGTHEN), R::constant(SHORTEN))
}

/// Time gone by in an interval of length `length`, and how the step `h` fits: its length, and the lanes that it takes to the end.
#[inline]
pub(super) fn fit<R: Real>(gone: R, length: f64, h: R, active: R::Mask) -> (R, R::Mask) {
    let left = R::constant(length) - gone;
    let last = h.ge(left.scale(NEARLY_ALL));
    (R::select(active, R::select(last, left, h), R::zero()), last)
}

/// Numbers of a recorded step: position before it, time, signed length.
pub(super) const fn slot(n: usize) -> usize {
    n + 2
}

/// Space to work in, cut out of a layer's scratch.
pub(super) struct Work<'a, R> {
    /// Positions of the stages.
    pub points: &'a mut [R],
    /// Their velocities.
    pub slopes: &'a mut [R],
    /// Their rates.
    pub rates: &'a mut [R],
    /// Cotangents of the positions, or the adjoint state of the stages.
    pub duals: &'a mut [R],
    /// Their slopes.
    pub dual_slopes: &'a mut [R],
    /// The position after the step.
    pub next: &'a mut [R],
    /// The adjoint state after the step; a cotangent.
    pub dual: &'a mut [R],
    /// What [`Field::evaluate`] leaves, stage by stage.
    pub blocks: &'a mut [R],
    /// Space of [`Field::pull`].
    pub back: &'a mut [R],
}

impl<'a, R: Real> Work<'a, R> {
    /// Numbers of the space.
    pub const fn size(shape: &Shape, tableau: &Tableau) -> usize {
        let n = shape.n;
        tableau.slopes() * (4 * n + RATES + shape.block()) + 2 * n + shape.back()
    }

    pub fn cut(shape: &Shape, tableau: &Tableau, numbers: &'a mut [R]) -> Self {
        let (n, slopes) = (shape.n, tableau.slopes());
        let (points, rest) = numbers.split_at_mut(slopes * n);
        let (velocities, rest) = rest.split_at_mut(slopes * n);
        let (rates, rest) = rest.split_at_mut(slopes * RATES);
        let (duals, rest) = rest.split_at_mut(slopes * n);
        let (dual_slopes, rest) = rest.split_at_mut(slopes * n);
        let (next, rest) = rest.split_at_mut(n);
        let (dual, rest) = rest.split_at_mut(n);
        let (blocks, back) = rest.split_at_mut(slopes * shape.block());
        Work { points, slopes: velocities, rates, duals, dual_slopes, next, dual, blocks, back }
    }
}

/// base + h sum_i w_i rows_i, into `out`.
#[inline]
pub(super) fn combine<R: Real>(base: &[R], h: R, weights: &[f64], rows: &[R], out: &mut [R]) {
    for d in 0..base.len() {
        out[d] = base[d] + h * weighted(weights, rows, base.len(), d);
    }
}

/// sum_i w_i rows_i of one column.
#[inline]
pub(super) fn weighted<R: Real>(weights: &[f64], rows: &[R], columns: usize, column: usize) -> R {
    let mut sum = R::zero();
    for (w, row) in weights.iter().zip(rows.chunks_exact(columns)) {
        if *w != 0.0 {
            sum += row[column].scale(*w);
        }
    }
    sum
}

/// The stages of a step from `y`, and the unprojected position after it in `work.next`. `known`: the first one is there already. `keep`: each
/// stage keeps its block.
#[inline]
pub(super) fn stages<R: Real, P: Lift<R>>(
    field: &Field<'_, P>,
    tableau: &Tableau,
    [t, h]: [R; 2],
    y: &[R],
    work: &mut Work<'_, R>,
    known: bool,
    keep: bool,
) {
    let (n, block) = (field.shape.n, field.shape.block());
    for i in usize::from(known)..tableau.stages() {
        let (done, own) = work.slopes.split_at_mut(i * n);
        let point = &mut work.points[i * n..][..n];
        combine(y, h, tableau.a[i], done, point);
        let at = if keep { i * block } else { 0 };
        let rates = field.evaluate(t + h.scale(tableau.c[i]), point, &mut work.blocks[at..][..block], &mut own[..n]);
        work.rates[i * RATES..][..RATES].copy_from_slice(&rates);
    }
    combine(y, h, tableau.b, work.slopes, work.next);
}

/// Divides by the length.
#[inline]
pub(super) fn onto_sphere<R: Real>(y: &mut [R]) {
    let length = y.iter().fold(R::zero(), |sum, y| sum + y.square()).sqrt();
    y.iter_mut().for_each(|y| *y = *y / length);
}

/// Integrates from time `from` to `to`: moves `y`, adds the integrals of the rates, and records the steps unless `record` is empty. Returns the number of steps
/// recorded and the lanes that were not done within the step limit.
#[inline]
pub(super) fn march<R: Real, P: Lift<R>>(
    field: &Field<'_, P>,
    method: &Method,
    [from, to]: [f64; 2],
    y: &mut [R],
    integrals: &mut [R; RATES],
    record: &mut [R],
    work: &mut Work<'_, R>,
) -> (usize, R::Mask) {
    if method.adaptive() {
        adaptive(field, method, [from, to], y, integrals, record, work)
    } else {
        fixed(field, method, [from, to], y, integrals, record, work);
        (method.steps, R::Mask::splat(false))
    }
}

#[inline]
fn note<R: Real>(record: &mut [R], step: usize, y: &[R], t: R, h: R) {
    if !record.is_empty() {
        let slot = &mut record[step * slot(y.len())..][..slot(y.len())];
        slot[..y.len()].copy_from_slice(y);
        slot[y.len()..].copy_from_slice(&[t, h]);
    }
}

#[inline]
fn fixed<R: Real, P: Lift<R>>(
    field: &Field<'_, P>,
    method: &Method,
    [from, to]: [f64; 2],
    y: &mut [R],
    integrals: &mut [R; RATES],
    record: &mut [R],
    work: &mut Work<'_, R>,
) {
    let length = (to - from) / method.steps as f64;
    let h = R::constant(length);
    for step in 0..method.steps {
        let t = R::constant(from + length * step as f64);
        note(record, step, y, t, h);
        stages(field, method.tableau, [t, h], y, work, false, false);
        if field.shape.sphere {
            onto_sphere(work.next);
        }
        y.copy_from_slice(work.next);
        for (r, integral) in integrals.iter_mut().enumerate() {
            *integral += h * weighted(method.tableau.b, work.rates, RATES, r);
        }
    }
}

#[inline]
fn adaptive<R: Real, P: Lift<R>>(
    field: &Field<'_, P>,
    method: &Method,
    [from, to]: [f64; 2],
    y: &mut [R],
    integrals: &mut [R; RATES],
    record: &mut [R],
    work: &mut Work<'_, R>,
) -> (usize, R::Mask) {
    let Method { tableau, .. } = *method;
    let (n, block, last_stage) = (field.shape.n, field.shape.block(), tableau.stages());
    let (length, sign) = ((to - from).abs(), (to - from).signum());
    let (rtol, atol) = method.tolerances::<R>();
    let (mut gone, mut h) = (R::zero(), method.first::<R>());
    let mut active = R::Mask::splat(true);
    for attempt in 0..method.steps {
        if !active.any() {
            return (attempt, active);
        }
        let (tried, last) = fit(gone, length, h, active);
        let t = R::constant(from) + gone.scale(sign);
        let signed = tried.scale(sign);
        stages(field, tableau, [t, signed], y, work, attempt > 0, false);
        if field.shape.sphere {
            onto_sphere(work.next);
        }
        // The slope at the end: the estimate needs it, and the next step starts with it.
        let end = &mut work.slopes[last_stage * n..][..n];
        let rates = field.evaluate(t + signed, work.next, &mut work.blocks[..block], end);
        work.rates[last_stage * RATES..][..RATES].copy_from_slice(&rates);

        let mut ratio = R::zero();
        let mut judge = |error: R, before: R, after: R| {
            let off = (signed * error).abs() / (atol + rtol * before.abs().max(after.abs()));
            // NaN replaces a number and stays.
            ratio = R::select(off.le(ratio) | !ratio.is_finite(), ratio, off);
        };
        for d in 0..n {
            judge(weighted(tableau.error, work.slopes, n, d), y[d], work.next[d]);
        }
        let divergence = integrals[0] + signed * weighted(tableau.b, work.rates, RATES, 0);
        judge(weighted(tableau.error, work.rates, RATES, 0), integrals[0], divergence);

        let accepted = active & ratio.le(R::one());
        note(record, attempt, y, t, R::select(accepted, signed, R::zero()));
        for d in 0..n {
            y[d] = R::select(accepted, work.next[d], y[d]);
            work.slopes[d] = R::select(accepted, work.slopes[last_stage * n + d], work.slopes[d]);
        }
        for r in 0..RATES {
            let whole = integrals[r] + signed * weighted(tableau.b, work.rates, RATES, r);
            integrals[r] = R::select(accepted, whole, integrals[r]);
            work.rates[r] = R::select(accepted, work.rates[last_stage * RATES + r], work.rates[r]);
        }
        gone = R::select(accepted, gone + tried, gone);
        active = active & !(accepted & last);
        h = tried * growth(ratio);
    }
    (method.steps, active)
}
