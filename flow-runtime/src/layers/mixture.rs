//! Mixtures of logistic distributions on a line, in tails of any depth, and what their distribution function is mapped to: the
//! elementwise part of layer g (layers.md 4.2).

use crate::numeric::special::{HALF_LN_TAU, normal_cdf, normal_quantile, softplus};
use crate::numeric::{Dual, Lift, Mask, Real, Scalar};
use core::f64::consts::{LN_2, PI};

/// Prepared numbers of a component: mean, 1 / width, weight.
pub(super) const COMPONENT: usize = 3;

/// Below this probability (in either tail) `inormal_partly_precise` takes the approximation.
const TAIL: f64 = 5e-8;
/// Normal quantile of 1 - TAIL: from this |y| on, the forward map takes the approximation.
const TAIL_QUANTILE: f64 = 5.326_723_886_384_098;
/// Winitzki's constant and what follows from it.
const WINITZKI: f64 = 0.147;
const WINITZKI_C: f64 = 2.0 / (PI * WINITZKI);

/// ln F, ln S, ln p of a mixture, and F, S, p themselves where they do not underflow.
pub(super) struct Mixture<R: Real> {
    pub ln_f: R,
    pub ln_s: R,
    pub ln_p: R,
    pub linear: [R; 3],
    /// Lanes in which F, S and p are far from underflow.
    safe: R::Mask,
}

/// Evaluates a mixture at x and leaves s(u_k), s(-u_k) in `sigmoids` (two numbers a component).
#[inline(always)]
pub(super) fn mixture<R: Real, P: Lift<R>>(components: &[P], x: R, sigmoids: &mut [R]) -> Mixture<R> {
    let (mut f, mut s, mut p) = (R::zero(), R::zero(), R::zero());
    for (c, sigmoid) in components.chunks_exact(COMPONENT).zip(sigmoids.chunks_exact_mut(2)) {
        let (mean, inv_width, weight): (R, R, R) = (c[0].lift(), c[1].lift(), c[2].lift());
        let u = (x - mean) * inv_width;
        let e = (-u.abs()).exp();
        let large = (R::one() + e).recip();
        let small = e * large;
        let negative = u.lt(R::zero());
        let up = R::select(negative, small, large);
        let down = R::select(negative, large, small);
        sigmoid[0] = up;
        sigmoid[1] = down;
        f += weight * up;
        s += weight * down;
        p += weight * inv_width * (large * small);
    }
    Mixture::new(components, x, [f, s, p])
}

impl<R: Real> Mixture<R> {
    /// Of another distribution, for the outer functions below: ln F, ln S, ln p.
    #[inline(always)]
    pub(super) fn of_logs(ln_f: R, ln_s: R, ln_p: R) -> Self {
        Mixture { ln_f, ln_s, ln_p, linear: [R::zero(); 3], safe: R::Mask::splat(false) }
    }

    /// From F, S and p, or in the log domain where they underflow.
    #[inline(always)]
    pub(super) fn new<P: Lift<R>>(components: &[P], x: R, linear: [R; 3]) -> Self {
        let least = R::constant(R::Scalar::TINY * 1e8);
        let safe = linear.iter().fold(R::Mask::splat(true), |safe, v| safe & v.gt(least));
        let mut logs = linear.map(|v| v.max(least).ln());
        if !safe.all() {
            let far = log_mixture(components, x);
            logs = [0, 1, 2].map(|i| R::select(safe, logs[i], far[i]));
        }
        let [ln_f, ln_s, ln_p] = logs;
        Mixture { ln_f, ln_s, ln_p, linear, safe }
    }
}

/// ln(w s(u)), ln(w s(-u)), ln(w s(u) s(-u) / sigma) of a component.
#[inline(always)]
fn log_terms<R: Real, P: Lift<R>>(c: &[P], x: R) -> [R; 3] {
    let (mean, inv_width, weight): (R, R, R) = (c[0].lift(), c[1].lift(), c[2].lift());
    let u = (x - mean) * inv_width;
    let ln_w = weight.max(R::constant(R::Scalar::TINY)).ln();
    let (up, down) = (softplus(-u), softplus(u));
    [ln_w - up, ln_w - down, ln_w + inv_width.ln() - up - down]
}

/// The same in the log domain, for points so far out that F, S or p underflow.
#[cold]
#[inline(never)]
fn log_mixture<R: Real, P: Lift<R>>(components: &[P], x: R) -> [R; 3] {
    let mut largest = [R::constant(-R::Scalar::LARGE); 3];
    for c in components.chunks_exact(COMPONENT) {
        let terms = log_terms(c, x);
        for i in 0..3 {
            largest[i] = largest[i].max(terms[i]);
        }
    }
    let mut sums = [R::zero(); 3];
    for c in components.chunks_exact(COMPONENT) {
        let terms = log_terms(c, x);
        for i in 0..3 {
            sums[i] += (terms[i] - largest[i]).exp();
        }
    }
    [0, 1, 2].map(|i| largest[i] + sums[i].ln())
}

/// A value with its derivatives with respect to ln F, ln S and ln p.
pub(super) struct Outer<R> {
    pub y: R,
    pub y_grad: [R; 2],
    pub log_slope: R,
    /// By ln F and ln S; the derivative by ln p is one.
    pub log_slope_grad: [R; 2],
}

#[inline(always)]
pub(super) fn isigmoid<R: Real>(mix: &Mixture<R>) -> Outer<R> {
    let one = R::one();
    Outer {
        y: mix.ln_f - mix.ln_s,
        y_grad: [one, -one],
        log_slope: mix.ln_p - mix.ln_f - mix.ln_s,
        log_slope_grad: [-one, -one],
    }
}

/// Winitzki's approximation of |normal quantile| and the log of its slope, without ln p, in terms of ln F and ln S.
fn winitzki<R: Real>(ln_f: R, ln_s: R) -> (R, R) {
    let g = (ln_f + ln_s + R::constant(2.0 * LN_2)).scale(0.5);
    let big_g = g + R::constant(WINITZKI_C);
    let h = (big_g.square() - g.scale(2.0 / WINITZKI)).sqrt();
    let gap = (h - big_g).max(R::constant(R::Scalar::TINY));
    let one_minus_2p = (-ln_f.min(ln_s).exp().scale(2.0)).ln_1p();
    let log_slope =
        (gap + R::constant(1.0 / WINITZKI)).ln() - R::constant(1.5 * LN_2) - gap.ln().scale(0.5) - h.ln() - ln_f - ln_s
            + one_minus_2p;
    (gap.scale(2.0).sqrt(), log_slope)
}

#[inline(always)]
pub(super) fn partly_precise<R: Real>(mix: &Mixture<R>) -> Outer<R> {
    let (f, s) = (mix.ln_f.exp(), mix.ln_s.exp());
    let tail = f.le(R::constant(TAIL)) | s.le(R::constant(TAIL));
    // Centre: F = Phi(y), so dy/dlnF = F / phi(y), and by F + S = 1 the same through S. Each side uses its small one.
    let y = normal_quantile(f, s);
    let half = y.square().scale(0.5);
    let low = f.lt(s);
    let slope = (half + R::constant(HALF_LN_TAU)).exp() * f.min(s);
    let zero = R::zero();
    let by_f = R::select(low, slope, zero);
    let by_s = R::select(low, zero, -slope);
    let mut outer = Outer {
        y,
        y_grad: [by_f, by_s],
        log_slope: half + R::constant(HALF_LN_TAU) + mix.ln_p,
        log_slope_grad: [y * by_f, y * by_s],
    };
    if tail.any() {
        // Lanes in the centre get a harmless argument.
        let pick = |ln: R, index| Dual::<R, 2>::input(R::select(tail, ln, R::constant(-17.0 * index as f64)), index);
        let (mut y, log_slope) = winitzki(pick(mix.ln_f, 0), pick(mix.ln_s, 1));
        y = Dual::select(low, -y, y);
        outer.y = R::select(tail, y.value, outer.y);
        outer.log_slope = R::select(tail, log_slope.value + mix.ln_p, outer.log_slope);
        for i in 0..2 {
            outer.y_grad[i] = R::select(tail, y.grad[i], outer.y_grad[i]);
            outer.log_slope_grad[i] = R::select(tail, log_slope.grad[i], outer.log_slope_grad[i]);
        }
    }
    outer
}

/// The logit ln F - ln S that belongs to y under `inormal_partly_precise`.
#[inline(always)]
pub(super) fn partly_precise_logit<R: Real>(y: R) -> R {
    let edge = R::constant(TAIL_QUANTILE);
    let (f, s) = normal_cdf(y.max(-edge).min(edge));
    let centre = f.ln() - s.ln();
    let tail = y.abs().gt(edge);
    if !tail.any() {
        return centre;
    }
    // y^2 / 2 = H - G solved for L = ln F + ln S + ln 4; then F S = e^L / 4 gives |t| = ln(F/S).
    let half = R::select(tail, y, edge).square().scale(0.5);
    let l = -half * (half + R::constant(2.0 * WINITZKI_C)) / (half + R::constant(1.0 / WINITZKI));
    let product = l.exp().scale(0.25);
    // S = 1 - F with F S = q: ln F - ln S = ln q - 2 ln S, S = (1 + sqrt(1 - 4 q)) / 2.
    let root = (R::one() - product.scale(4.0)).sqrt();
    let ln_s = ((R::one() + root).scale(0.5)).ln();
    let t = l - R::constant(2.0 * LN_2) - ln_s.scale(2.0);
    R::select(tail, R::select(y.lt(R::zero()), t, -t), centre)
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
    let one = R::one();
    let guard = |v: R| R::select(mix.safe, v, one).recip();
    let (over_f, over_s, over_p) = (a * guard(f), b * guard(s), c * guard(p));
    let mut cot_x = R::zero();
    for (k, (component, sigmoid)) in components.chunks_exact(COMPONENT).zip(sigmoids.chunks_exact(2)).enumerate() {
        let (mean, inv_width, weight): (R, R, R) = (component[0].lift(), component[1].lift(), component[2].lift());
        let (up, down) = (sigmoid[0], sigmoid[1]);
        // a rF / w, b rS / w, c rp / w
        let mut share = [over_f * up, over_s * down, over_p * inv_width * (up * down)];
        if !all_safe {
            let terms = log_terms(component, x);
            let ln_w = weight.max(R::constant(R::Scalar::TINY)).ln();
            let far = [
                a * (terms[0] - mix.ln_f - ln_w).exp(),
                b * (terms[1] - mix.ln_s - ln_w).exp(),
                c * (terms[2] - mix.ln_p - ln_w).exp(),
            ];
            for i in 0..3 {
                share[i] = R::select(mix.safe, share[i], far[i]);
            }
        }
        let cot_u = weight * (share[0] * down - share[1] * up + share[2] * (down - up));
        cot_x += cot_u * inv_width;
        if let Some(cot) = cot.as_deref_mut() {
            let cot = &mut cot[k * COMPONENT..][..COMPONENT];
            cot[0] -= cot_u * inv_width;
            cot[1] += cot_u * (x - mean) + weight * share[2] / inv_width;
            cot[2] += share[0] + share[1] + share[2];
        }
    }
    cot_x
}
