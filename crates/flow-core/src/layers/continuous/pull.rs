//! Derivatives of a solution: of the steps that were taken, or of the equation.

use super::field::{Field, RATES};
use super::solve::{Method, Work, combine, fit, growth, onto_sphere, slot, stages, weighted};
use crate::numeric::{Lift, Mask, Real, Scalar};

/// Cotangents on their way from the end of a path to its start.
pub(super) struct Cotangents<'a, R> {
    /// Of the position: that of the end becomes that of the start.
    pub point: &'a mut [R],
    /// Of the integrals of the rates.
    pub integrals: [R; RATES],
    /// Of the weights, which are added to.
    pub weights: &'a mut [R],
}

/// Cotangents of the recorded steps, the last one first: exact for the map that the solver computed, step lengths held constant.
///
/// With u' = u + h sum_i b_i k_i and stages Y_i, backwards through the stages: the cotangent of k_i is
/// h (b_i u'_bar + sum_{j>i} a_ji Y_j_bar), that of Y_i is its pull-back by the field, and u_bar = u'_bar + sum_i Y_i_bar.
#[inline]
pub(super) fn discrete<R: Real, P: Lift<R>>(
    field: &Field<'_, P>,
    method: &Method,
    record: &[R],
    cotangents: Cotangents<'_, R>,
    work: &mut Work<'_, R>,
) {
    let (n, block, tableau) = (field.shape.n, field.shape.block(), method.tableau);
    let Cotangents { point: cot, integrals: cot_integrals, weights: cot_weights } = cotangents;
    for step in record.chunks_exact(slot(n)).rev() {
        let (y, t, h) = (&step[..n], step[n], step[n + 1]);
        if h.abs().le(R::zero()).all() {
            continue;
        }
        stages(field, tableau, [t, h], y, work, false, true);
        if field.shape.sphere {
            // u = w / |w|: w_bar = (u_bar - u (u.u_bar)) / |w|.
            let length = work.next.iter().fold(R::zero(), |sum, w| sum + w.square()).sqrt();
            onto_sphere(work.next);
            let along = cot.iter().zip(&*work.next).fold(R::zero(), |sum, (c, u)| sum + *c * *u);
            cot.iter_mut().zip(&*work.next).for_each(|(c, u)| *c = (*c - along * *u) / length);
        }
        work.next.copy_from_slice(cot);
        for i in (0..tableau.stages()).rev() {
            let (before, after) = work.duals.split_at_mut((i + 1) * n);
            for d in 0..n {
                let mut sum = cot[d].scale(tableau.b[i]);
                for (j, later) in after.chunks(n).enumerate().take(tableau.stages() - 1 - i) {
                    sum += later[d].scale(tableau.a[i + 1 + j][i]);
                }
                work.dual[d] = h * sum;
            }
            let own = &mut before[i * n..];
            own.fill(R::zero());
            let rates = cot_integrals.map(|c| h.scale(tableau.b[i]) * c);
            let stage = &work.blocks[i * block..][..block];
            field.pull(stage, work.dual, rates, own, Some(&mut *cot_weights), work.back);
            work.next.iter_mut().zip(own).for_each(|(sum, own)| *sum += *own);
        }
        cot.copy_from_slice(work.next);
    }
}

/// Cotangents by the adjoint equation over one interval, from its end `to` back to its start `from` (`y` is the position at the end).
///
/// Along a solution u' = f(u, t) the cotangent a of the position obeys a' = -(df/du)^T a - sum_r c_r d rate_r/du, with c the cotangents of the
/// integrals, and those of the weights are the integral of (df/dw)^T a + sum_r c_r d rate_r/dw: the same pull-back. The position and a are integrated backwards together
/// by steps of their own, in which the weights of the method make the integral. On the sphere f is the ambient field, whose solutions stay there. Returns the lanes
/// that were not done within the step limit.
#[inline]
pub(super) fn adjoint<R: Real, P: Lift<R>>(
    field: &Field<'_, P>,
    method: &Method,
    [from, to]: [f64; 2],
    y: &mut [R],
    cotangents: Cotangents<'_, R>,
    work: &mut Work<'_, R>,
) -> R::Mask {
    let (n, block, tableau) = (field.shape.n, field.shape.block(), method.tableau);
    let Cotangents { point: cot, integrals: cot_integrals, weights: cot_weights } = cotangents;
    let (length, sign) = ((to - from).abs(), (from - to).signum());
    let (rtol, atol) = method.tolerances::<R>();
    let adaptive = method.adaptive();
    // Cotangents have any scale: their tolerance is relative to the largest of them.
    let size = |values: &[R]| values.iter().fold(R::zero(), |most, v| most.max(v.abs()));
    let scale = size(cot).max(size(&cot_integrals)).max(R::constant(R::Scalar::TINY.sqrt()));
    let (mut gone, mut h) = (R::zero(), method.first::<R>());
    let mut active = R::Mask::splat(true);
    for attempt in 0..method.steps {
        if !active.any() {
            break;
        }
        let (tried, last) = if adaptive {
            fit(gone, length, h, active)
        } else {
            (R::constant(length / method.steps as f64), R::Mask::splat(attempt + 1 == method.steps))
        };
        let t = R::constant(to) + gone.scale(sign);
        let signed = tried.scale(sign);
        for i in 0..tableau.slopes() {
            let weights = if i < tableau.stages() { tableau.a[i] } else { tableau.b };
            let c = if i < tableau.stages() { tableau.c[i] } else { 1.0 };
            let (done, own) = work.slopes.split_at_mut(i * n);
            let (dual_done, dual_own) = work.dual_slopes.split_at_mut(i * n);
            let (point, dual) = (&mut work.points[i * n..][..n], &mut work.duals[i * n..][..n]);
            combine(y, signed, weights, done, point);
            combine(cot, signed, weights, dual_done, dual);
            let stage = &mut work.blocks[i * block..][..block];
            field.evaluate(t + signed.scale(c), point, stage, &mut own[..n]);
            let dual_own = &mut dual_own[..n];
            dual_own.fill(R::zero());
            field.pull(stage, dual, cot_integrals, dual_own, None, work.back);
            dual_own.iter_mut().for_each(|d| *d = -*d);
        }
        combine(y, signed, tableau.b, work.slopes, work.next);
        combine(cot, signed, tableau.b, work.dual_slopes, work.dual);
        let mut ratio = R::zero();
        if adaptive {
            let mut judge = |error: R, allowed: R| {
                let off = (signed * error).abs() / allowed;
                ratio = R::select(off.le(ratio) | !ratio.is_finite(), ratio, off);
            };
            let scale = scale.max(size(cot)).max(size(work.dual));
            for d in 0..n {
                let allowed = atol + rtol * y[d].abs().max(work.next[d].abs());
                judge(weighted(tableau.error, work.slopes, n, d), allowed);
                judge(weighted(tableau.error, work.dual_slopes, n, d), rtol.max(atol) * scale);
            }
        }
        let accepted = active & ratio.le(R::one());
        // Backwards in time: the integral from start to end is minus that of the steps.
        let taken = -R::select(accepted, signed, R::zero());
        for i in 0..tableau.stages() {
            if tableau.b[i] != 0.0 && accepted.any() {
                let share = taken.scale(tableau.b[i]);
                let dual = &mut work.duals[i * n..][..n];
                dual.iter_mut().for_each(|a| *a *= share);
                let unused = &mut work.dual_slopes[i * n..][..n];
                let stage = &work.blocks[i * block..][..block];
                field.pull(stage, dual, cot_integrals.map(|c| c * share), unused, Some(&mut *cot_weights), work.back);
            }
        }
        if field.shape.sphere {
            onto_sphere(work.next);
        }
        for d in 0..n {
            y[d] = R::select(accepted, work.next[d], y[d]);
            cot[d] = R::select(accepted, work.dual[d], cot[d]);
        }
        gone = R::select(accepted, gone + tried, gone);
        active = active & !(accepted & last);
        h = tried * growth(ratio);
    }
    active
}
