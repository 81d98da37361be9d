//! Mixtures of skewed logistic distributions on a line: logistic distribution functions to a power, in tails of any depth
//! (layers.md 4.2, `add_skewness`).
//!
//! With a the exponent and q = u for the first half of the components, q = -u for the others, a component has on one side the
//! distribution function s(q)^a, and on the other what is left of it:
//! ```text
//! ln A = -a softplus(-q)     ln B = ln(1 - A)     ln p = ln a - ln sigma - a softplus(-q) - softplus(q)
//! ```
//! F = A, S = B for the first half and the other way round for the second, so that a mixture can lean to both sides. Everything is computed
//! in the log domain; 1 - A = -expm1(-t) with t = a softplus(-q), and ln t where t is too small for a number.

use super::mixture::{LogSums, Mixture};
use crate::numeric::special::{exp_m1_over, softplus};
use crate::numeric::{Lift, Real, Scalar};

/// Prepared numbers of a component: mean, 1 / width, weight, exponent.
pub(super) const COMPONENT: usize = 4;

/// Below this argument ln softplus(x) = x - e^x / 2 + .. to full precision.
const FAR: f64 = -20.0;

/// ln(softplus(x)), however far out.
#[inline(always)]
fn ln_softplus<R: Real>(x: R, softplus: R) -> R {
    let far = x.lt(R::constant(FAR));
    let low = x.min(R::constant(FAR));
    R::select(far, low - low.exp().scale(0.5), R::select(far, R::one(), softplus).ln())
}

/// ln(1 - e^-t) from t > 0 and ln t, and ln((1 - e^-t) / t), which stays precise where both of these are large.
#[inline(always)]
fn ln_rest<R: Real>(t: R, ln_t: R) -> [R; 2] {
    let small = t.lt(R::constant(0.5));
    let excess = exp_m1_over(-t.min(R::constant(0.5))).ln();
    let far = (-(-t.max(R::constant(0.5))).exp()).ln_1p();
    [R::select(small, ln_t + excess, far), R::select(small, excess, far - ln_t)]
}

/// ln of s(x) / softplus(x), from softplus(-x) and ln softplus(x).
#[inline(always)]
fn ln_sigmoid_over<R: Real>(x: R, of_negative: R, ln_softplus: R) -> R {
    let far = x.lt(R::constant(FAR));
    let e = x.min(R::constant(FAR)).exp();
    R::select(far, e.scale(0.5) - e.ln_1p(), -of_negative - ln_softplus)
}

/// ln(e^t - 1) from t > 0 and ln t.
#[inline(always)]
fn ln_expm1<R: Real>(t: R, ln_t: R) -> R {
    let small = t.lt(R::constant(0.5));
    let near = ln_t + exp_m1_over(t.min(R::constant(0.5))).ln();
    let far = t + (-(-t.max(R::constant(0.5))).exp()).ln_1p();
    R::select(small, near, far)
}

/// A component at a point.
struct Term<R> {
    /// ln of its distribution function, of the complement, and of what its density has beyond their product.
    ln: [R; 3],
    /// ln w.
    ln_weight: R,
    /// softplus(-q), softplus(q).
    plus: [R; 2],
    /// ln of softplus(-q) / B and of s(-q) / B.
    over_rest: [R; 2],
}

impl<R: Real> Term<R> {
    /// The same of the component times its weight.
    #[inline(always)]
    fn weighted(&self) -> [R; 3] {
        let [f, s, over] = self.ln;
        [f + self.ln_weight, s + self.ln_weight, over - self.ln_weight]
    }
}

/// Whether component `k` of `count` has q = u.
#[inline(always)]
const fn rising(k: usize, count: usize) -> bool {
    k < count / 2
}

#[inline(always)]
fn term<R: Real, P: Lift<R>>(c: &[P], rising: bool, x: R) -> Term<R> {
    let (mean, inv_width, weight, a): (R, R, R, R) = (c[0].lift(), c[1].lift(), c[2].lift(), c[3].lift());
    let u = (x - mean) * inv_width;
    let q = if rising { u } else { -u };
    let (minus, plus) = (softplus(-q), softplus(q));
    let (ln_minus, ln_a) = (ln_softplus(-q, minus), a.ln());
    let t = a * minus;
    let [rest, excess] = ln_rest(t, ln_a + ln_minus);
    let minus_over_rest = -ln_a - excess;
    let down_over_rest = ln_sigmoid_over(-q, plus, ln_minus) + minus_over_rest;
    // p / (A B) = a s(-q) / (sigma B).
    let over = ln_a + inv_width.ln() + down_over_rest;
    Term {
        ln: if rising { [-t, rest, over] } else { [rest, -t, over] },
        ln_weight: weight.max(R::constant(R::Scalar::TINY)).ln(),
        plus: [minus, plus],
        over_rest: [minus_over_rest, down_over_rest],
    }
}

/// Evaluates a mixture at x.
#[inline(always)]
pub(super) fn mixture<R: Real, P: Lift<R>>(components: &[P], x: R) -> Mixture<R> {
    let count = components.len() / COMPONENT;
    let mut sums = LogSums::new();
    for (k, c) in components.chunks_exact(COMPONENT).enumerate() {
        sums.add(term(c, rising(k, count), x).weighted());
    }
    Mixture::in_logs(sums.logs())
}

/// Where a component alone has the logit `t`: s(q)^a is logistic(t) (or logistic(-t), for the second half).
#[inline(always)]
pub(super) fn single_root<R: Real, P: Lift<R>>(c: &[P], k: usize, count: usize, t: R) -> R {
    let (mean, inv_width, a): (R, R, R) = (c[0].lift(), c[1].lift(), c[3].lift());
    let target = if rising(k, count) { -t } else { t };
    // a softplus(-q) = softplus(target), and q = -ln(e^v - 1) for v = softplus(-q).
    let plus = softplus(target);
    let v = plus / a;
    let minus_q = ln_expm1(v, ln_softplus(target, plus) - a.ln());
    mean + if rising(k, count) { -minus_q } else { minus_q } / inv_width
}

/// Cotangents of the logarithms of F, S and p to x (returned) and, if `cot` is given, to the components (added). With r the share of a component
/// in each of the three sums:
///
/// d ln A / dq = a s(-q), d ln A / da = -softplus(-q); d ln B = -(A / B) d ln A; d ln p / dq = a s(-q) - s(q),
/// d ln p / da = 1 / a - softplus(-q).
#[inline(always)]
pub(super) fn pull<R: Real, P: Lift<R>>(
    components: &[P],
    x: R,
    mix: &Mixture<R>,
    cots: [R; 3],
    mut cot: Option<&mut [R]>,
) -> R {
    let count = components.len() / COMPONENT;
    let mut cot_x = R::zero();
    for (k, c) in components.chunks_exact(COMPONENT).enumerate() {
        let (mean, inv_width, weight, a): (R, R, R, R) = (c[0].lift(), c[1].lift(), c[2].lift(), c[3].lift());
        let rising = rising(k, count);
        let term = term(c, rising, x);
        let (ln_weight, [minus, plus], [minus_over_rest, down_over_rest]) = (term.ln_weight, term.plus, term.over_rest);
        let [f, s, over] = term.weighted();
        let (in_f, in_s) = (f - mix.ln_f(), s - mix.ln_s());
        let shares = [in_f, in_s, in_f + in_s + (over - mix.ln_q())];
        // Shares without the weight.
        let share = [0, 1, 2].map(|i| cots[i] * (shares[i] - ln_weight).exp());
        let (by_a, by_b) = if rising { (share[0], share[1]) } else { (share[1], share[0]) };
        let ln_a = -(a * minus);
        // s(-q) = e^-softplus(q), s(q) = e^-softplus(-q).
        let down = (-plus).exp();
        let cot_q = weight
            * (by_a * (a * down) - by_b * a * (ln_a + down_over_rest).exp() + share[2] * (a * down - (-minus).exp()));
        let cot_u = if rising { cot_q } else { -cot_q };
        cot_x += cot_u * inv_width;
        if let Some(cot) = cot.as_deref_mut() {
            let cot = &mut cot[k * COMPONENT..][..COMPONENT];
            cot[0] -= cot_u * inv_width;
            cot[1] += cot_u * (x - mean) + weight * share[2] / inv_width;
            cot[2] += share[0] + share[1] + share[2];
            cot[3] += weight * (by_b * (ln_a + minus_over_rest).exp() + share[2] / a - (by_a + share[2]) * minus);
        }
    }
    cot_x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_power_leaves_is_exact() {
        // T(x; a) = ln(1 - (1 + e^x)^-a), with mpmath.
        let t = |x: f64, a: f64| {
            let plus = softplus(x);
            ln_rest(a * plus, a.ln() + ln_softplus(x, plus))[0]
        };
        for (x, a, exact) in [
            (-1e6, 2.5, -999999.0837092681),
            (-800.0, 0.3, -801.203972804326),
            (-40.0, 9.1, -37.7917255864772),
            (-20.5, 0.1, -22.80258509368163),
            (-19.9, 0.1, -22.202585094246903),
            (-18.0, 0.7, -18.356674956884216),
            (-17.5, 0.5, -18.19314719939244),
            (-3.0, 1.0, -3.048587351573742),
            (0.0, 9.1, -0.0018239925250337703),
            (0.3, 0.1, -2.5024069337386408),
            (2.0, 4.0, -0.0002019256327494325),
            (40.0, 9.1, -8.256739583429425e-159),
            (800.0, 0.1, -1.8048513878454073e-35),
        ] {
            assert!((t(x, a) - exact).abs() <= 3e-16 * (2.0 + f64::abs(exact)), "{x} {a}: {} {exact}", t(x, a));
        }
    }

    #[test]
    fn components_alone_have_their_logit_at_their_root() {
        for (count, k) in [(2, 0), (2, 1), (3, 0), (3, 1)] {
            for a in [0.1, 0.7, 1.0, 9.1] {
                let component = [0.4, 1.7, 1.0, a];
                for logit in [-1e5, -900.0, -30.0, -0.3, 0.0, 2.0, 36.0, 740.0, 1e6] {
                    let root = single_root(&component, k, count, logit);
                    let [ln_f, ln_s, _] = term(&component, rising(k, count), root).ln;
                    let off = (ln_f - ln_s - logit).abs();
                    assert!(off < 1e-13 * (10.0 + logit.abs()), "{count} {k} {a} {logit}: {root} {off}");
                }
            }
        }
    }

    #[test]
    fn exponents_of_one_make_the_plain_mixture() {
        let plain = [0.4, 1.7, 0.3, -1.2, 0.6, 0.7_f64];
        let skewed = [0.4, 1.7, 0.3, 1.0, -1.2, 0.6, 0.7, 1.0_f64];
        for x in [-3e3, -20.0, -1.0, 0.2, 5.0, 80.0] {
            let a = mixture(&skewed, x);
            let b = super::super::mixture::mixture(&plain, x, &mut [0.0; 4]);
            for (a, b) in [(a.ln_f(), b.ln_f()), (a.ln_s(), b.ln_s()), (a.ln_q(), b.ln_q())] {
                assert!((a - b).abs() < 1e-14 * (1.0 + b.abs()), "{x}: {a} {b}");
            }
        }
    }

    /// Far out every logarithm is as large as x, and shares are exponentials of differences between them.
    #[test]
    fn derivatives_keep_their_digits_in_the_far_tails() {
        let wide = [0.4, 1.7, 0.3, 0.8, -1.2, 0.6, 0.7, 2.5];
        let narrow = wide.map(|c| c as f32);
        for x in [-1e6_f32, -3e4, 3e4, 1e6] {
            for cots in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, -1.0, 1.0]] {
                let (mut cot, mut exact_cot) = ([0.0_f32; 8], [0.0_f64; 8]);
                let at = pull(&narrow, x, &mixture(&narrow, x), cots.map(|c| c as f32), Some(&mut cot));
                let far = f64::from(x);
                let exact = pull(&wide, far, &mixture(&wide, far), cots, Some(&mut exact_cot));
                assert!((f64::from(at) - exact).abs() < 1e-6, "{x} {cots:?}: {at} {exact}");
                let largest = exact_cot.iter().fold(1.0, |largest: f64, c| largest.max(c.abs()));
                for (a, b) in cot.iter().zip(exact_cot) {
                    assert!((f64::from(*a) - b).abs() < 1e-6 * largest, "{x} {cots:?}: {cot:?} {exact_cot:?}");
                }
            }
        }
    }
}
