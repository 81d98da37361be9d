//! The parameters of layer g's mixtures, one mixture per dimension: raw numbers to means, widths, weights and exponents (layers.md 4.2).
//!
//! Parameters, entry (k, d) of each at k D + d: means (K, D), raw log-widths (K, D), raw log-weights (K, D) with `fit_normalization`, raw
//! log-exponents (K, D) with `add_skewness`. Prepared, entry (d, k): mean, 1 / width, weight and, with `add_skewness`, the exponent.
//!
//! With `center_mean` the last mean is no parameter: mu_K = -sum_{k<K} mu_k e^(b_k - b_K) for log-weights b before they are normalised. That
//! centres a mixture of logistics; a skewed one it does not, and keeps the formula all the same (Q36).

use super::width::{WidthRegulator, bounded_log, bounded_log_slope};
use super::{StateTensor, mixture, skewed};
use crate::numeric::{Real, Scalar};
use core::f64::consts::PI;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// Bounds of the exponents: e^reg(raw; 0.1, 9, ln 9), which is 1 at raw 0.
const LEAST_EXPONENT: f64 = 0.1;
const MOST_EXPONENT: f64 = 9.0;

/// What a mixture looks like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Components {
    /// Number of components per dimension.
    pub count: usize,
    /// Whether weights are free.
    pub fit_weights: bool,
    /// Least and additional greatest weight before normalisation, where they are bounded.
    pub weight_bounds: Option<(f64, f64)>,
    /// The regulator of widths.
    pub widths: WidthRegulator,
    /// Whether the last mean follows from the others.
    pub center_mean: bool,
    /// Whether the components are skewed.
    pub skewed: bool,
}

/// Means, raw widths, raw weights, raw exponents.
struct Raw<T>(T, T, T, T);

/// m + M / (1 + e^-x) and its derivative; x is kept above what overflows.
#[inline(always)]
fn bounded<P: Real>(raw: P, lower: f64, upper: f64) -> (P, P) {
    let e = (-raw.max(P::constant(-0.4 * P::Scalar::LARGE.ln()))).exp();
    let share = (P::one() + e).quick_recip();
    (share.mul_add(P::constant(upper), P::constant(lower)), (e * share) * share.scale(upper))
}

impl Components {
    /// Number of parameters.
    pub const fn params(&self, dim: usize) -> usize {
        let means = self.count - self.center_mean as usize;
        dim * (means + self.count * (1 + self.fit_weights as usize + self.skewed as usize))
    }
    /// The tensors of these parameters.
    pub fn state(&self, dim: usize) -> Vec<StateTensor> {
        let all = |there: bool| if there { self.count } else { 0 };
        StateTensor::list([
            ("kde_means", &[1, self.count - self.center_mean as usize, dim]),
            ("kde_log_widths", &[1, self.count, dim]),
            ("kde_log_weights", &[1, all(self.fit_weights), dim]),
            ("kde_log_skew_exponents", &[1, all(self.skewed), dim]),
        ])
    }
    /// Prepared numbers of a component.
    pub const fn stride(&self) -> usize {
        if self.skewed { skewed::COMPONENT } else { mixture::COMPONENT }
    }
    /// Prepared numbers of a dimension.
    pub const fn per_dim(&self) -> usize {
        self.stride() * self.count
    }

    #[inline(always)]
    fn raw<'a, T>(&self, dim: usize, params: &'a [T]) -> Raw<&'a [T]> {
        let (means, rest) = params.split_at((self.count - self.center_mean as usize) * dim);
        let (widths, rest) = rest.split_at(self.count * dim);
        let (weights, skews) = rest.split_at(if self.fit_weights { self.count * dim } else { 0 });
        Raw(means, widths, weights, skews)
    }

    #[inline(always)]
    fn raw_mut<'a, T>(&self, dim: usize, params: &'a mut [T]) -> Raw<&'a mut [T]> {
        let (means, rest) = params.split_at_mut((self.count - self.center_mean as usize) * dim);
        let (widths, rest) = rest.split_at_mut(self.count * dim);
        let (weights, skews) = rest.split_at_mut(if self.fit_weights { self.count * dim } else { 0 });
        Raw(means, widths, weights, skews)
    }

    /// The raw weight's exponent and its slope.
    #[inline(always)]
    fn log_weight<P: Real>(&self, raw: P) -> (P, P) {
        match self.weight_bounds {
            Some((lower, upper)) => {
                let value = bounded_log(raw, lower, upper, 0.0);
                (value, bounded_log_slope(raw, value, upper, 0.0))
            }
            None => (raw, P::one()),
        }
    }

    /// e^(b_k - b_K) for component `k` of dimension `d`.
    #[inline(always)]
    fn ratio<P: Real>(&self, dim: usize, weights: &[P], k: usize, d: usize) -> P {
        if !self.fit_weights {
            return P::one();
        }
        let log = |k: usize| self.log_weight(weights[k * dim + d]).0;
        (log(k) - log(self.count - 1)).exp()
    }

    /// What a fit starts from.
    pub fn initial(&self, dim: usize, rng: &mut dyn Rng, params: &mut [f64]) {
        let Raw(means, widths, weights, skews) = self.raw_mut(dim, params);
        means.iter_mut().for_each(|m| *m = rng.sample(StandardNormal));
        widths.fill(0.2 * (4.0 * PI.sqrt() / (PI.powi(4) * self.count as f64)).ln());
        weights.fill(1.0);
        skews.fill(0.0);
    }

    /// Parameters to the numbers of each component.
    #[inline(always)]
    pub fn prepare<P: Real>(&self, dim: usize, params: &[P], prepared: &mut [P]) {
        let Raw(means, widths, weights, skews) = self.raw(dim, params);
        for d in 0..dim {
            let of = &mut prepared[d * self.per_dim()..][..self.per_dim()];
            for (k, out) in of.chunks_exact_mut(self.stride()).enumerate() {
                let i = k * dim + d;
                if i < means.len() {
                    out[0] = means[i];
                }
                out[1] = self.widths.inverse(widths[i]);
                out[2] = match (self.fit_weights, self.weight_bounds) {
                    (false, _) => P::constant(1.0 / self.count as f64),
                    (true, Some((lower, upper))) => bounded(weights[i], lower, upper).0,
                    (true, None) => weights[i],
                };
                if self.skewed {
                    out[3] = bounded_log(skews[i], LEAST_EXPONENT, MOST_EXPONENT, MOST_EXPONENT.ln()).exp();
                }
            }
            if self.center_mean {
                let last = (0..self.count - 1)
                    .fold(P::zero(), |sum, k| sum - means[k * dim + d] * self.ratio(dim, weights, k, d));
                of[(self.count - 1) * self.stride()] = last;
            }
            if self.fit_weights {
                let weight = |k: usize| k * self.stride() + 2;
                if self.weight_bounds.is_none() {
                    // Softmax with the largest exponent taken out.
                    let mut largest = of[weight(0)];
                    for k in 1..self.count {
                        largest = largest.max(of[weight(k)]);
                    }
                    for k in 0..self.count {
                        of[weight(k)] = (of[weight(k)] - largest).exp();
                    }
                }
                let mut sum = of[weight(0)];
                for k in 1..self.count {
                    sum += of[weight(k)];
                }
                let over = sum.recip();
                for k in 0..self.count {
                    of[weight(k)] *= over;
                }
            }
        }
    }

    /// Cotangents of [`Components::prepare`].
    #[inline(always)]
    pub fn prepare_vjp<P: Real>(
        &self,
        dim: usize,
        params: &[P],
        prepared: &[P],
        cot_prepared: &[P],
        cot_params: &mut [P],
    ) {
        let Raw(means, widths, weights, skews) = self.raw(dim, params);
        let Raw(cot_means, cot_widths, cot_weights, cot_skews) = self.raw_mut(dim, cot_params);
        for d in 0..dim {
            let of = &prepared[d * self.per_dim()..][..self.per_dim()];
            let cot_of = &cot_prepared[d * self.per_dim()..][..self.per_dim()];
            let at = |k: usize| k * self.stride();
            // Softmax of b: b_bar_k = w_k (w_bar_k - sum_j w_j w_bar_j). With bounded weights v_k = e^b_k the same is
            // v_bar_k = (w_bar_k - sum_j w_j w_bar_j) / sum_j v_j, and w_0 / v_0 is 1 / sum_j v_j.
            let mut along = P::zero();
            for k in 0..self.count {
                along += of[at(k) + 2] * cot_of[at(k) + 2];
            }
            let over_sum = match (self.fit_weights, self.weight_bounds) {
                (true, Some((lower, upper))) => of[at(0) + 2] / bounded(weights[d], lower, upper).0,
                _ => P::one(),
            };
            for k in 0..self.count {
                let i = k * dim + d;
                if i < cot_means.len() {
                    cot_means[i] += cot_of[at(k)];
                }
                let slope = self.widths.slope(widths[i], of[at(k) + 1]);
                cot_widths[i] -= cot_of[at(k) + 1] * of[at(k) + 1] * slope;
                if self.fit_weights {
                    let off = cot_of[at(k) + 2] - along;
                    cot_weights[i] += match self.weight_bounds {
                        Some((lower, upper)) => over_sum * off * bounded(weights[i], lower, upper).1,
                        None => of[at(k) + 2] * off,
                    };
                }
                if self.skewed {
                    let centre = MOST_EXPONENT.ln();
                    let log = bounded_log(skews[i], LEAST_EXPONENT, MOST_EXPONENT, centre);
                    let slope = bounded_log_slope(skews[i], log, MOST_EXPONENT, centre);
                    cot_skews[i] += cot_of[at(k) + 3] * of[at(k) + 3] * slope;
                }
            }
            if self.center_mean {
                // mu_K = -sum_k mu_k e^(b_k - b_K): by mu_k, by b_k, and by b_K the opposite of all of these.
                let last = self.count - 1;
                let cot = cot_of[at(last)];
                for k in 0..last {
                    let i = k * dim + d;
                    let ratio = self.ratio(dim, weights, k, d);
                    cot_means[i] -= cot * ratio;
                    if self.fit_weights {
                        let by_log = cot * means[i] * ratio;
                        cot_weights[i] -= by_log * self.log_weight(weights[i]).1;
                        let i = last * dim + d;
                        cot_weights[i] += by_log * self.log_weight(weights[i]).1;
                    }
                }
            }
        }
    }

    /// Starts dimension `d` from a sorted column of data: means at the K mid-quantiles, widths half the mean gap to the neighbouring means, so
    /// that neighbours overlap. Weights and exponents stay as they are, equal and 1. Where the last mean follows from the others the means
    /// are moved to the sum zero, and the widths cover what that takes away.
    pub fn start(&self, dim: usize, d: usize, column: &[f64], params: &mut [f64]) {
        let n = column.len();
        let quantile = |k: usize| column[((k as f64 + 0.5) / self.count as f64 * n as f64) as usize % n];
        let mean = column.iter().sum::<f64>() / n as f64;
        let spread = (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
        // A column of equal numbers has no width of its own.
        let spread = if spread > 0.0 { spread } else { 1.0 };
        let mut at: Vec<f64> = (0..self.count).map(quantile).collect();
        let moved = if self.center_mean { at.iter().sum::<f64>() / self.count as f64 } else { 0.0 };
        at.iter_mut().for_each(|m| *m -= moved);
        let Raw(means, widths, _, _) = self.raw_mut(dim, params);
        for k in 0..self.count {
            let left = at[k] - at[k.saturating_sub(1)];
            let right = at[(k + 1).min(self.count - 1)] - at[k];
            let sides = if k == 0 || k + 1 == self.count { 1.0 } else { 2.0 };
            // One component alone: a logistic of the data's own spread (standard deviation pi / sqrt 3 widths).
            let width = if self.count == 1 { spread * 3.0_f64.sqrt() / PI } else { 0.5 * (left + right) / sides };
            let width = width.max(0.02 * spread).hypot(moved);
            if let Some(mean) = means.get_mut(k * dim + d) {
                *mean = at[k];
            }
            widths[k * dim + d] = self.widths.raw(width.ln());
        }
    }
}
