//! Tests of uniformity, with p-values.

use statrs::function::gamma::{checked_gamma_lr, checked_gamma_ur};

/// The result of a test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// The statistic.
    pub statistic: f64,
    /// The probability of a statistic at least as large where there is nothing to find.
    pub p_value: f64,
}

/// P(chi^2 <= x) with `dim` degrees of freedom: the regularised lower incomplete gamma function of dim/2 and x/2.
pub(crate) fn chi_square_cdf(x: f64, dim: usize) -> f64 {
    checked_gamma_lr(0.5 * dim as f64, 0.5 * x).unwrap_or(if x > 0.0 { 1.0 } else { 0.0 })
}

/// P(chi^2 > x), precise where it is small.
pub(crate) fn chi_square_tail(x: f64, dim: usize) -> f64 {
    checked_gamma_ur(0.5 * dim as f64, 0.5 * x).unwrap_or(if x > 0.0 { 0.0 } else { 1.0 })
}

/// P(K > x) of Kolmogorov's distribution, by whichever of its two series converges fast (Marsaglia, Tsang and Wang 2003, section 1).
fn kolmogorov_tail(x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if x < 1.0 {
        let term = |k: i32| (-(f64::from(2 * k - 1) * core::f64::consts::PI / x).powi(2) / 8.0).exp();
        return 1.0 - core::f64::consts::TAU.sqrt() / x * (1..6).map(term).sum::<f64>();
    }
    2.0 * (1..8).map(|k| f64::from(1 - 2 * ((k + 1) % 2)) * (-2.0 * f64::from(k * k) * x * x).exp()).sum::<f64>()
}

/// The test of Kolmogorov and Smirnov: are these numbers uniform in (0, 1)? The statistic is the largest distance D between the distribution of the numbers
/// and the diagonal.
///
/// The p-value is that of Kolmogorov's limit at sqrt(n) D + 1 / (6 sqrt n) + (sqrt(n) D - 1) / (4 n) (Vrbik 2018, Pioneer Journal of Theoretical and Applied
/// Statistics 15, 15): off by at most 0.0027 for ten numbers, 0.0003 for a hundred.
///
/// ```
/// let even: Vec<f64> = (0..100).map(|i| (i as f64 + 0.5) / 100.0).collect();
/// assert!(flow_runtime::estimators::kolmogorov_smirnov(&even).p_value > 0.999);
/// let narrow: Vec<f64> = even.iter().map(|p| 0.2 + 0.6 * p).collect();
/// assert!(flow_runtime::estimators::kolmogorov_smirnov(&narrow).p_value < 1e-3);
/// ```
pub fn kolmogorov_smirnov(values: &[f64]) -> Test {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let distance = |(i, v): (usize, &f64)| (v - i as f64 / n).max((i as f64 + 1.0) / n - v);
    let statistic = sorted.iter().enumerate().map(distance).fold(0.0, f64::max);
    let x = n.sqrt() * statistic;
    Test { statistic, p_value: kolmogorov_tail(x + 1.0 / (6.0 * n.sqrt()) + (x - 1.0) / (4.0 * n)).clamp(0.0, 1.0) }
}

/// Pearson's test: are these numbers uniform in (0, 1), counted in bins of equal width? The statistic is chi^2 = sum (count - n/bins)^2 / (n/bins), with bins - 1
/// degrees of freedom. Bins that should hold less than about 5 numbers make the p-value inexact.
pub fn chi_square_uniform(values: &[f64], bins: usize) -> Test {
    let bins = bins.max(2);
    let mut counts = vec![0.0; bins];
    for v in values {
        counts[((v * bins as f64) as usize).min(bins - 1)] += 1.0;
    }
    let expected = values.len() as f64 / bins as f64;
    let statistic = counts.iter().map(|c| (c - expected) * (c - expected) / expected).sum();
    Test { statistic, p_value: chi_square_tail(statistic, bins - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_tables() {
        // Critical values of 5 %: Kolmogorov 1.3581, chi^2 with 2 degrees of freedom -2 ln 0.05, with 10 18.307.
        assert!((kolmogorov_tail(1.3581) - 0.05).abs() < 1e-5);
        assert!((kolmogorov_tail(1.0 - 1e-12) - kolmogorov_tail(1.0)).abs() < 1e-9);
        assert!((chi_square_tail(-2.0 * 0.05f64.ln(), 2) - 0.05).abs() < 1e-12);
        assert!((chi_square_cdf(18.307, 10) - 0.95).abs() < 1e-5);
        assert_eq!((chi_square_cdf(0.0, 3), chi_square_tail(0.0, 3)), (0.0, 1.0));
        // n = 10, D = 0.40925 is the 5 % point of the exact distribution.
        let x: f64 = 10f64.sqrt() * 0.40925;
        let p = kolmogorov_tail(x + 1.0 / (6.0 * 10f64.sqrt()) + (x - 1.0) / 40.0);
        assert!((p - 0.05).abs() < 2.7e-3, "{p}");
    }
}
