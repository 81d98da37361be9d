//! Mixtures of logistic distributions on a line, in tails of any depth: the heart of layer g (layers.md 4.2).

use crate::numeric::root::{Increasing, Local, Smooth};
use crate::numeric::special::softplus;
use crate::numeric::{Lift, Mask, Real, Scalar, apart};

/// Prepared numbers of a component: mean, 1 / width, weight.
pub(super) const COMPONENT: usize = 3;

/// From this many times the smallest normal number on F, S and p are safe, and what a component's distribution function is at least.
const LEAST: f64 = 1e8;
const LEAST_SIGMOID: f64 = 1e4;

/// F, S and p of a mixture with q = p / (F S) = d(ln F - ln S) / dx, and what is made of them when asked for: no logarithm is taken that nobody
/// needs. Where they underflow (everywhere for a mixture that is only computed in the log domain) their logarithms are held.
///
/// Far out ln p and ln F + ln S are large and nearly the same; q is a mean of 1 / widths however far out, and is computed as one.
#[derive(Clone, Copy)]
pub(super) struct Mixture<R: Real> {
    /// F, S and p; ln F, ln S and ln q of a mixture that is only computed in the log domain.
    pub kept: [R; 3],
    /// F, S and p, or harmless numbers.
    linear: [R; 3],
    /// ln F, ln S and ln q in lanes that are not `safe`.
    logs: [R; 3],
    /// Lanes in which F, S and p are far from underflow.
    safe: R::Mask,
}

/// Evaluates a mixture at x and leaves s(u_k), s(-u_k) in `sigmoids` (two numbers a component).
#[inline(always)]
pub(super) fn mixture<R: Real, P: Lift<R>>(components: &[P], x: R, sigmoids: &mut [R]) -> Mixture<R> {
    let (mut f, mut s, mut p) = (R::zero(), R::zero(), R::zero());
    // A distribution function is kept just above underflow; one that small counts only where all others are as small, and `Mixture` goes to
    // logarithms long before that.
    let most = R::constant(-(R::Scalar::TINY * LEAST_SIGMOID).ln());
    for (c, sigmoid) in components.chunks_exact(COMPONENT).zip(sigmoids.chunks_exact_mut(2)) {
        let (mean, inv_width, weight): (R, R, R) = (c[0].lift(), c[1].lift(), c[2].lift());
        // With e^-u (NaN if x is): s(u) = 1 / (1 + e^-u) and s(-u) = e^-u s(u) keep all their digits in both tails.
        let e = most.min((mean - x) * inv_width).exp();
        let up = (R::one() + e).quick_recip();
        let down = e * up;
        sigmoid[0] = up;
        sigmoid[1] = down;
        f = weight.mul_add(up, f);
        s = weight.mul_add(down, s);
        p = (weight * inv_width).mul_add(up * down, p);
    }
    Mixture::new(components, x, [f, s, p])
}

/// The logit ln F - ln S of a mixture as a function of x, for the search of its roots.
///
/// Its slope is q, and with F + S = 1 its bend q' / q = p' / p + q (F - S).
///
/// A logistic distribution function s with a width of at least 1 / k has |s''| <= k s' and |s'''| <= k^2 s'; so have sums of them, which is what F is, and
/// A = p / F and B = p / S are at most k. From q = A + B, A' = A (p'/p - A), B' = B (p'/p + B) follow |q'| <= 2 k q and |q''| <= 6 k^2 q.
pub(super) struct Logit<'a, R, P> {
    /// Prepared numbers of the mixture.
    pub components: &'a [P],
    /// k.
    pub stiffness: R,
}

impl<R: Real, P: Lift<R>> Increasing<R> for Logit<'_, R, P> {
    #[inline(always)]
    fn at(&mut self, x: R) -> Local<R> {
        let (mut f, mut s, mut p, mut bend) = (R::zero(), R::zero(), R::zero(), R::zero());
        let most = R::constant(-(R::Scalar::TINY * LEAST_SIGMOID).ln());
        for c in self.components.chunks_exact(COMPONENT) {
            let (mean, inv_width, weight): (R, R, R) = (c[0].lift(), c[1].lift(), c[2].lift());
            let e = most.min((mean - x) * inv_width).exp();
            let up = (R::one() + e).quick_recip();
            let down = e * up;
            let density = (weight * inv_width) * (up * down);
            f = weight.mul_add(up, f);
            s = weight.mul_add(down, s);
            p += density;
            bend = (density * inv_width).mul_add(down - up, bend);
        }
        let mix = Mixture::new(self.components, x, [f, s, p]);
        let [f, s, p] = mix.linear;
        let over_p = p.quick_recip();
        let mut rise = f * s * over_p;
        if !mix.safe.all() {
            rise = R::select(mix.safe, rise, (-mix.logs[2]).exp());
        }
        // Where F, S or p underflow, the bend is not known; the logit is nearly straight there.
        let bend = R::select(mix.safe, mix.q().mul_add(f - s, bend * over_p), R::zero());
        let stiffness = R::select(mix.safe, self.stiffness, R::constant(f64::INFINITY));
        Local { value: mix.logit(), rise, smooth: Some(Smooth { bend, stiffness }) }
    }
}

impl<R: Real> Mixture<R> {
    /// From the logarithms alone.
    #[inline(always)]
    pub(super) fn in_logs(logs: [R; 3]) -> Self {
        Mixture { kept: logs, linear: [R::one(); 3], logs, safe: R::Mask::splat(false) }
    }

    /// From F, S and p, or in the log domain where they underflow.
    #[inline(always)]
    pub(super) fn new<P: Lift<R>>(components: &[P], x: R, kept: [R; 3]) -> Self {
        let least = R::constant(R::Scalar::TINY * LEAST);
        let [f, s, p] = kept;
        let safe = f.gt(least) & s.gt(least) & p.gt(least);
        let linear = [f.max(least), s.max(least), p.max(least)];
        let logs = if safe.all() { linear } else { log_mixture(components, x) };
        Mixture { kept, linear, logs, safe }
    }

    /// F.
    #[inline(always)]
    pub(super) fn f(&self) -> R {
        let ([f, _, _], [ln_f, _, _]) = (self.linear, self.logs);
        if self.safe.all() { f } else { R::select(self.safe, f, ln_f.exp()) }
    }

    /// S.
    #[inline(always)]
    pub(super) fn s(&self) -> R {
        let ([_, s, _], [_, ln_s, _]) = (self.linear, self.logs);
        if self.safe.all() { s } else { R::select(self.safe, s, ln_s.exp()) }
    }

    /// ln F.
    #[inline(always)]
    pub(super) fn ln_f(&self) -> R {
        let ([f, _, _], [ln_f, _, _]) = (self.linear, self.logs);
        if self.safe.all() { f.ln() } else { R::select(self.safe, f.ln(), ln_f) }
    }

    /// ln S.
    #[inline(always)]
    pub(super) fn ln_s(&self) -> R {
        let ([_, s, _], [_, ln_s, _]) = (self.linear, self.logs);
        if self.safe.all() { s.ln() } else { R::select(self.safe, s.ln(), ln_s) }
    }

    /// ln F - ln S.
    #[inline(always)]
    pub(super) fn logit(&self) -> R {
        let ([f, s, _], [ln_f, ln_s, _]) = (self.linear, self.logs);
        if self.safe.all() {
            (f * s.quick_recip()).ln()
        } else {
            R::select(self.safe, (f * s.quick_recip()).ln(), ln_f - ln_s)
        }
    }

    /// ln p.
    #[inline(always)]
    pub(super) fn ln_p(&self) -> R {
        let ([_, _, p], [ln_f, ln_s, ln_q]) = (self.linear, self.logs);
        if self.safe.all() { p.ln() } else { R::select(self.safe, p.ln(), ln_f + ln_s + ln_q) }
    }

    /// q. The larger of F and S is at least one half, so that their product does not underflow where they do not.
    #[inline(always)]
    pub(super) fn q(&self) -> R {
        let ([f, s, p], [_, _, ln_q]) = (self.linear, self.logs);
        if self.safe.all() {
            p * (f * s).quick_recip()
        } else {
            R::select(self.safe, p * (f * s).quick_recip(), ln_q.exp())
        }
    }

    /// ln q.
    #[inline(always)]
    pub(super) fn ln_q(&self) -> R {
        let ([f, s, p], [_, _, ln_q]) = (self.linear, self.logs);
        if self.safe.all() {
            (p * (f * s).quick_recip()).ln()
        } else {
            R::select(self.safe, (p * (f * s).quick_recip()).ln(), ln_q)
        }
    }
}

/// ln(w s(u)), ln(w s(-u)) of a component, and ln of what its density has beyond their product, 1 / (w sigma).
#[inline(always)]
fn log_terms<R: Real, P: Lift<R>>(c: &[P], x: R) -> [R; 3] {
    let (mean, inv_width, weight): (R, R, R) = (c[0].lift(), c[1].lift(), c[2].lift());
    let u = (x - mean) * inv_width;
    let ln_w = weight.max(R::constant(R::Scalar::TINY)).ln();
    [ln_w - softplus(-u), ln_w - softplus(u), inv_width.ln() - ln_w]
}

/// Sums of F, S and q = sum_k F_k S_k / (w_k sigma_k) / (F S) in units of their largest terms so far.
pub(super) struct LogSums<R> {
    largest: [R; 3],
    sums: [R; 3],
}

impl<R: Real> LogSums<R> {
    pub(super) fn new() -> Self {
        LogSums { largest: [R::constant(-R::Scalar::LARGE); 3], sums: [R::zero(); 3] }
    }

    /// Adds a component: ln F_k, ln S_k and ln of p_k / (F_k S_k). The largest term of q is kept relative to those of F and S: what is
    /// large in them goes out before anything is added.
    #[inline(always)]
    pub(super) fn add(&mut self, [f, s, over]: [R; 3]) {
        let mut moved = R::zero();
        for (i, ln) in [f, s].into_iter().enumerate() {
            let top = self.largest[i].max(ln);
            let shift = self.largest[i] - top;
            self.sums[i] = self.sums[i] * shift.exp() + (ln - top).exp();
            moved += shift.max(R::constant(-0.25 * R::Scalar::LARGE));
            self.largest[i] = top;
        }
        let before = self.largest[2].max(R::constant(-0.25 * R::Scalar::LARGE)) + moved;
        let ln = (f - self.largest[0]) + (s - self.largest[1]) + over;
        let top = before.max(ln);
        self.sums[2] = self.sums[2] * (before - top).exp() + (ln - top).exp();
        self.largest[2] = top;
    }

    /// ln F, ln S, ln q.
    #[inline(always)]
    pub(super) fn logs(&self) -> [R; 3] {
        let [f, s, q] = [self.sums[0].ln(), self.sums[1].ln(), self.sums[2].ln()];
        [self.largest[0] + f, self.largest[1] + s, self.largest[2] + (q - f - s)]
    }
}

apart! {
/// The same in the log domain, for points so far out that F, S or p underflow.
fn log_mixture<R: Real, P: Lift<R>>(components: &'a [P], x: R) -> [R; 3] {
        let mut sums = LogSums::new();
        for c in components.chunks_exact(COMPONENT) {
            sums.add(log_terms(c, x));
        }
        sums.logs()
}
}

/// Derivatives of one dimension. The cotangent of ln F, ln S and ln p is `(a, b, c)`; with the shares
/// rF_k = w_k s_k / F (likewise rS, rp) of each component
///
/// u_bar_k = a rF_k s(-u_k) - b rS_k s(u_k) + c rp_k (1 - 2 s(u_k)),
/// mu_bar_k = -u_bar_k / sigma_k, (1/sigma)_bar_k = u_bar_k (x - mu_k) + c rp_k sigma_k, w_bar_k = (a rF_k + b rS_k + c rp_k) / w_k.
///
/// Returns the cotangent of x; adds those of the components if `cot` is given.
#[inline(always)]
pub(super) fn pull<R: Real, P: Lift<R>>(
    components: &[P],
    x: R,
    mix: &Mixture<R>,
    sigmoids: &[R],
    [a, b, c]: [R; 3],
    mut cot: Option<&mut [R]>,
) -> R {
    let all_safe = mix.safe.all();
    let [f, s, p] = mix.linear;
    let (over_f, over_s, over_p) = (a * f.quick_recip(), b * s.quick_recip(), c * p.quick_recip());
    let mut cot_x = R::zero();
    for (k, (component, sigmoid)) in components.chunks_exact(COMPONENT).zip(sigmoids.chunks_exact(2)).enumerate() {
        let (mean, inv_width, weight): (R, R, R) = (component[0].lift(), component[1].lift(), component[2].lift());
        let (up, down) = (sigmoid[0], sigmoid[1]);
        // a rF / w, b rS / w, c rp / w, and the last one times sigma.
        let mut wide = over_p * (up * down);
        let mut share = [over_f * up, over_s * down, wide * inv_width];
        if !all_safe {
            let terms = log_terms(component, x);
            let ln_w = weight.max(R::constant(R::Scalar::TINY)).ln();
            let [ln_f, ln_s, ln_q] = mix.logs;
            let (in_f, in_s) = (terms[0] - ln_f, terms[1] - ln_s);
            let in_p = in_f + in_s + (terms[2] - ln_q);
            let far = [a * (in_f - ln_w).exp(), b * (in_s - ln_w).exp(), c * (in_p - ln_w).exp()];
            for i in 0..3 {
                share[i] = R::select(mix.safe, share[i], far[i]);
            }
            wide = R::select(mix.safe, wide, far[2] / inv_width);
        }
        let cot_u = weight * share[2].mul_add(down - up, share[0] * down - share[1] * up);
        let cot_here = cot_u * inv_width;
        cot_x += cot_here;
        if let Some(cot) = cot.as_deref_mut() {
            let cot = &mut cot[k * COMPONENT..][..COMPONENT];
            cot[0] -= cot_here;
            cot[1] += cot_u.mul_add(x - mean, weight * wide);
            cot[2] += share[0] + share[1] + share[2];
        }
    }
    cot_x
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far out q is 1 / width of one component, while ln p, ln F and ln S are as large as x.
    #[test]
    fn the_slope_of_the_logit_keeps_its_digits_in_the_far_tails() {
        let wide = [0.4, 1.7, 0.3, -1.2, 0.6, 0.7];
        let narrow = wide.map(|c| c as f32);
        for x in [-1e6_f32, -3e4, -200.0, 200.0, 3e4, 1e6] {
            let ln_q = mixture(&narrow, x, &mut [0.0; 4]).ln_q();
            let exact = mixture(&wide, f64::from(x), &mut [0.0; 4]);
            assert!((f64::from(ln_q) - 0.6_f64.ln()).abs() < 1e-6, "{x}: {ln_q}");
            assert!((exact.ln_q() - 0.6_f64.ln()).abs() < 1e-14, "{x}: {}", exact.ln_q());
        }
        // Between two components far apart neither has a share in both F and S.
        let apart = [-1e6, 1.0, 0.5, 1e6, 1.0, 0.5];
        let mix = mixture(&apart, 1.0, &mut [0.0; 4]);
        let (ln_f, ln_s, ln_q) = (mix.ln_f(), mix.ln_s(), mix.ln_q());
        assert!((ln_f - 0.5_f64.ln()).abs() < 1e-14 && (ln_s - 0.5_f64.ln()).abs() < 1e-14);
        let exact = 2.0_f64.ln() + (-2.0_f64).exp().ln_1p() - (1e6 - 1.0);
        assert!((ln_q - exact).abs() < 1e-9, "{ln_q} {exact}");
    }
}
