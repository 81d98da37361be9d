//! Mixtures of logistic distributions on a line, in tails of any depth: the heart of layer g (layers.md 4.2).

use crate::numeric::special::softplus;
use crate::numeric::{Lift, Mask, Real, Scalar};

/// Prepared numbers of a component: mean, 1 / width, weight.
pub(super) const COMPONENT: usize = 3;

/// ln F, ln S, ln p of a mixture, and F, S, p themselves where they do not underflow (the logarithms again for a mixture that is only
/// computed in the log domain).
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
    /// From the logarithms alone.
    #[inline(always)]
    pub(super) fn in_logs([ln_f, ln_s, ln_p]: [R; 3]) -> Self {
        Mixture { ln_f, ln_s, ln_p, linear: [ln_f, ln_s, ln_p], safe: R::Mask::splat(true) }
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
