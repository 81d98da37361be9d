//! The one-dimensional Gaussianisation of layer n's zenith (layers.md 4.2 with D = 1 and the options 8.4 fixes).
//!
//! Ten logistic distributions with free weights; F, S = 1 - F and p are the distribution function, its complement and the
//! density of the mixture. Psi takes them to a logistic variable:
//!
//! ```text
//! Psi(x) = ln F - ln S,    Psi'(x) = p / (F S)
//! ```
//!
//! All in the log domain, so that both tails are straight lines for any x. (The published code drops e^u for u < -20 in ln S, up to 2e-9;
//! here nothing is dropped.) The single reflection of the one-dimensional rotation turns
//! x into -x whatever its number is: target side u, base side y = Psi(-u).
//!
//! Parameters: reflection (1, inert), means (10), raw log widths (10), raw log weights (10).

use crate::numeric::Real;
use crate::numeric::root::monotone_root;

const COMPONENTS: usize = 10;
/// Parameters of one letter.
pub(crate) const PARAMS: usize = 1 + 3 * COMPONENTS;
const MEANS: usize = 1;
const WIDTHS: usize = MEANS + COMPONENTS;
const WEIGHTS: usize = WIDTHS + COMPONENTS;
/// sigma = LEAST + MOST / (1 + MOST e^-l): the default width regulator of layer g (layers.md 4.1).
const LEAST: f64 = 0.01;
const MOST: f64 = 100.0;
/// Share of the spread of [`initial`] that lies between the means; the rest is in their widths.
const BETWEEN: f64 = 0.5;

/// A mixture ready for evaluation.
struct Mixture<R> {
    mean: [R; COMPONENTS],
    width: [R; COMPONENTS],
    ln_width: [R; COMPONENTS],
    ln_weight: [R; COMPONENTS],
}

/// e^{t_k} / sum e^t, and ln sum e^t.
#[inline(always)]
fn softmax<R: Real>(t: [R; COMPONENTS]) -> ([R; COMPONENTS], R) {
    let most = t.iter().fold(t[0], |most, x| most.max(*x));
    let e = t.map(|x| (x - most).exp());
    let sum = e.iter().fold(R::zero(), |sum, x| sum + *x);
    (e.map(|x| x / sum), most + sum.ln())
}

/// What a mixture makes of one x.
struct Seen<R> {
    /// (x - mean) / width, and the logistic function of it and of its negative.
    u: [R; COMPONENTS],
    below: [R; COMPONENTS],
    above: [R; COMPONENTS],
    /// Shares of the components in F, S and p.
    share_f: [R; COMPONENTS],
    share_s: [R; COMPONENTS],
    share_p: [R; COMPONENTS],
    y: R,
    ln_slope: R,
}

impl<R: Real> Mixture<R> {
    #[inline(always)]
    fn new(raw: &[R]) -> Self {
        let width: [R; COMPONENTS] = core::array::from_fn(|k| R::constant(LEAST) + free_width(raw[WIDTHS + k]));
        let (_, total) = softmax(core::array::from_fn(|k| raw[WEIGHTS + k]));
        Mixture {
            mean: core::array::from_fn(|k| raw[MEANS + k]),
            width,
            ln_width: width.map(R::ln),
            ln_weight: core::array::from_fn(|k| raw[WEIGHTS + k] - total),
        }
    }

    #[inline(always)]
    fn see(&self, x: R) -> Seen<R> {
        let u: [R; COMPONENTS] = core::array::from_fn(|k| (x - self.mean[k]) / self.width[k]);
        let small = u.map(|u| (-u.abs()).exp());
        let both = small.map(R::ln_1p);
        // ln(1 + e^u) and ln(1 + e^-u).
        let up: [R; COMPONENTS] = core::array::from_fn(|k| u[k].max(R::zero()) + both[k]);
        let down: [R; COMPONENTS] = core::array::from_fn(|k| (-u[k]).max(R::zero()) + both[k]);
        let (large, little) = (small.map(|e| (R::one() + e).recip()), small.map(|e| e / (R::one() + e)));
        let below = core::array::from_fn(|k| R::select(u[k].lt(R::zero()), little[k], large[k]));
        let above = core::array::from_fn(|k| R::select(u[k].lt(R::zero()), large[k], little[k]));
        let (share_f, ln_f) = softmax(core::array::from_fn(|k| self.ln_weight[k] - down[k]));
        let (share_s, ln_s) = softmax(core::array::from_fn(|k| self.ln_weight[k] - up[k]));
        let (share_p, ln_p) = softmax(core::array::from_fn(|k| self.ln_weight[k] - self.ln_width[k] - up[k] - down[k]));
        Seen { u, below, above, share_f, share_s, share_p, y: ln_f - ln_s, ln_slope: ln_p - ln_f - ln_s }
    }
}

/// M / (1 + M e^-l) for M = [`MOST`]; finite for every l.
#[inline(always)]
fn free_width<R: Real>(l: R) -> R {
    (R::constant(1.0 / MOST) + (-l).exp()).recip()
}

/// Base-side y = Psi(-u), and ln |dy / du|.
#[inline(always)]
pub(crate) fn inverse<R: Real>(raw: &[R], u: R) -> (R, R) {
    let seen = Mixture::new(raw).see(-u);
    (seen.y, seen.ln_slope)
}

/// The u with Psi(-u) = y, ln |dy / du| there, and the lanes in which the search failed.
///
/// Every component alone reaches y at mean + width y; the mixture does so between the least and the largest of these.
#[inline(always)]
pub(crate) fn forward<R: Real>(raw: &[R], y: R) -> (R, R, R::Mask) {
    let mixture = Mixture::new(raw);
    let alone: [R; COMPONENTS] = core::array::from_fn(|k| mixture.mean[k] + mixture.width[k] * y);
    let lo = alone.iter().fold(alone[0], |lo, x| lo.min(*x));
    let hi = alone.iter().fold(alone[0], |hi, x| hi.max(*x));
    let (x, failed) = monotone_root(y, lo, hi, |x| {
        let seen = mixture.see(x);
        (seen.y, seen.ln_slope.exp())
    });
    (-x, mixture.see(x).ln_slope, failed)
}

/// Cotangents of [`inverse`] at `u`: of y and of ln |dy / du|, to u (returned) and the parameters (added).
#[inline(always)]
pub(crate) fn inverse_vjp<R: Real>(raw: &[R], u: R, cot_y: R, cot_ln_slope: R, cot_raw: &mut [R]) -> R {
    let mixture = Mixture::new(raw);
    let seen = mixture.see(-u);
    -add_cotangents(raw, &mixture, &seen, cot_y, cot_ln_slope, cot_raw)
}

/// Cotangents of [`forward`], whose result is `u`: of u and of -ln |dy / du|, to y (returned) and the parameters (added).
/// From Psi(x, p) = y with x = -u: dx = (dy - Psi_p dp) / Psi'.
#[inline(always)]
pub(crate) fn forward_vjp<R: Real>(raw: &[R], u: R, cot_u: R, cot_log_det: R, cot_raw: &mut [R]) -> R {
    let mixture = Mixture::new(raw);
    let seen = mixture.see(-u);
    let cot_x = add_cotangents(raw, &mixture, &seen, R::zero(), -cot_log_det, cot_raw) - cot_u;
    let cot_y = cot_x * (-seen.ln_slope).exp();
    add_cotangents(raw, &mixture, &seen, -cot_y, R::zero(), cot_raw);
    cot_y
}

/// Cotangents of y and ln slope to x (returned) and the parameters (added).
///
/// With a, b, c the shares in F, S, p and s the logistic function:
/// d ln F = sum a (d ln w + s(-u) du), d ln S = sum b (d ln w - s(u) du),
/// d ln p = sum c (d ln w - d ln sigma + (s(-u) - s(u)) du), and du = (dx - d mu) / sigma - u d ln sigma.
#[inline(always)]
fn add_cotangents<R: Real>(
    raw: &[R],
    mixture: &Mixture<R>,
    seen: &Seen<R>,
    cot_y: R,
    cot_ln_slope: R,
    cot_raw: &mut [R],
) -> R {
    let (cot_f, cot_s, cot_p) = (cot_y - cot_ln_slope, -cot_y - cot_ln_slope, cot_ln_slope);
    let total = cot_f + cot_s + cot_p;
    let mut cot_x = R::zero();
    for k in 0..COMPONENTS {
        let (f, s, p) = (cot_f * seen.share_f[k], cot_s * seen.share_s[k], cot_p * seen.share_p[k]);
        let cot_u = (f + p) * seen.above[k] - (s + p) * seen.below[k];
        let by_width = cot_u / mixture.width[k];
        cot_x += by_width;
        cot_raw[MEANS + k] -= by_width;
        // d sigma / dl = t (1 - t / M) with t = M / (1 + M e^-l).
        let t = free_width(raw[WIDTHS + k]);
        let d_ln_width = t * (R::one() - t.scale(1.0 / MOST)) / mixture.width[k];
        cot_raw[WIDTHS + k] -= (p + seen.u[k] * cot_u) * d_ln_width;
        cot_raw[WEIGHTS + k] += f + s + p - mixture.ln_weight[k].exp() * total;
    }
    cot_x
}

/// Parameters under which Psi is close to the identity while no two components are alike.
pub(crate) fn initial(raw: &mut [f64]) {
    raw[0] = 1.0;
    for k in 0..COMPONENTS {
        let p = (k as f64 + 0.5) / COMPONENTS as f64;
        raw[MEANS + k] = BETWEEN * (p / (1.0 - p)).ln();
        raw[WIDTHS + k] = 0.5 * (1.0 - BETWEEN * BETWEEN).ln();
        raw[WEIGHTS + k] = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Vec<f64> {
        (0..PARAMS).map(|j| 1.5 * (1.0 + 1.3 * j as f64).sin()).collect()
    }

    #[test]
    fn round_trips_up_to_far_tails() {
        let raw = parameters();
        for u in [-1e6, -1e3, -40.0, -3.0, -1e-3, 0.0, 0.7, 5.0, 38.0, 1e4, 1e6] {
            let (y, ln_slope) = inverse(&raw, u);
            let (back, ln_back, failed) = forward(&raw, y);
            assert!(!failed && (back - u).abs() < 1e-14 * (1.0 + u.abs()), "{u}: {back}");
            assert!((ln_slope - ln_back).abs() < 1e-12, "{u}: {ln_slope} {ln_back}");
        }
    }

    #[test]
    fn starts_close_to_the_identity() {
        let mut raw = vec![0.0; PARAMS];
        initial(&mut raw);
        for u in [-6.0, -2.0, 0.0, 1.0, 5.0] {
            let (y, ln_slope) = inverse(&raw, u);
            assert!((y + u).abs() < 0.3 + 0.1 * f64::abs(u) && ln_slope.abs() < 0.2, "{u}: {y} {ln_slope}");
        }
    }

    #[test]
    fn derivatives_equal_differences() {
        let raw = parameters();
        let difference = |g: &dyn Fn(f64) -> f64| (8.0 * (g(2e-4) - g(-2e-4)) - g(4e-4) + g(-4e-4)) / 24e-4;
        type Direction = fn(&[f64], f64) -> (f64, f64);
        let directions: [Direction; 2] = [inverse, |raw, y| {
            let (u, ln_slope, _) = forward(raw, y);
            (u, -ln_slope)
        }];
        for (which, f) in directions.iter().enumerate() {
            for at in [-30.0, -0.8, 0.1, 2.0, 60.0] {
                let value = |raw: &[f64], at: f64| {
                    let (to, ln) = f(raw, at);
                    0.7 * to - 1.3 * ln
                };
                let mut cot = vec![0.0; PARAMS];
                let exact = if which == 0 {
                    inverse_vjp(&raw, at, 0.7, -1.3, &mut cot)
                } else {
                    forward_vjp(&raw, f(&raw, at).0, 0.7, -1.3, &mut cot)
                };
                let numerical = difference(&|h| value(&raw, at + h));
                assert!(
                    (exact - numerical).abs() < 1e-8 * (1.0 + numerical.abs()),
                    "{which} {at}: {exact} {numerical}"
                );
                for k in 0..PARAMS {
                    let numerical = difference(&|h| {
                        let mut raw = raw.clone();
                        raw[k] += h;
                        value(&raw, at)
                    });
                    let off = (cot[k] - numerical).abs();
                    assert!(off < 1e-8 * (1.0 + numerical.abs()), "{which} {at} {k}: {} {numerical}", cot[k]);
                }
            }
        }
    }
}
