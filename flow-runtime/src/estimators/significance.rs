//! Tests of uniformity, with p-values.

use super::estimate::{fused, rows};
use crate::error::Error;
use crate::module::{Element, Traced};
use core::f64::consts::PI;
use statrs::function::gamma::{checked_gamma_lr, checked_gamma_ur, ln_gamma};

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

/// The density of chi^2 at x > 0.
pub(crate) fn chi_square_density(x: f64, dim: usize) -> f64 {
    let half = 0.5 * dim as f64;
    ((half - 1.0) * x.ln() - 0.5 * x - half * 2f64.ln() - ln_gamma(half)).exp()
}

/// Answers for numbers outside [0, 1], which are certainly not uniform, and for none at all, which show nothing.
fn without_test(values: &[f64]) -> Option<Test> {
    if values.is_empty() {
        return Some(Test { statistic: 0.0, p_value: 1.0 });
    }
    let outside = values.iter().any(|v| !(0.0..=1.0).contains(v));
    outside.then_some(Test { statistic: f64::INFINITY, p_value: 0.0 })
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
        let term = |k: i32| (-(f64::from(2 * k - 1) * PI / x).powi(2) / 8.0).exp();
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
///
/// Numbers outside \[0, 1\], NaN among them, are certainly not uniform: p-value 0. No numbers at all: p-value 1.
pub fn kolmogorov_smirnov(values: &[f64]) -> Test {
    if let Some(test) = without_test(values) {
        return test;
    }
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
/// Numbers outside \[0, 1\] as in [`kolmogorov_smirnov`].
pub fn chi_square_uniform(values: &[f64], bins: usize) -> Test {
    if let Some(test) = without_test(values) {
        return test;
    }
    let bins = bins.max(2);
    let mut counts = vec![0.0; bins];
    for v in values {
        counts[((v * bins as f64) as usize).min(bins - 1)] += 1.0;
    }
    let expected = values.len() as f64 / bins as f64;
    let statistic = counts.iter().map(|c| (c - expected) * (c - expected) / expected).sum();
    Test { statistic, p_value: chi_square_tail(statistic, bins - 1) }
}

/// W^2 = 1 / (12 n) + sum_i (u_(i) - (2 i - 1) / (2 n))^2 over the sorted numbers, n times the mean squared distance between their distribution and the diagonal;
/// and the numbers' ranks.
fn squared_distance(values: &[f64]) -> (f64, Vec<usize>) {
    let n = values.len() as f64;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|i, j| values[*i].total_cmp(&values[*j]));
    let terms = order.iter().enumerate().map(|(rank, i)| (values[*i] - middle(rank, values.len())).powi(2));
    (1.0 / (12.0 * n) + terms.sum::<f64>(), order)
}

/// Expected position of the number of this rank, counted from 0.
fn middle(rank: usize, n: usize) -> f64 {
    (rank as f64 + 0.5) / n as f64
}

/// P(W^2 > x) in the limit of many numbers (Anderson and Darling 1952, Annals of Mathematical Statistics 23, 193):
/// ```text
/// P(W^2 <= x) = 1 / (pi sqrt x) sum_k (-1)^k C(-1/2, k) sqrt(4 k + 1) e^-y K_{1/4}(y),       y = (4 k + 1)^2 / (16 x)
/// ```
/// with K_{1/4}(y) e^y = integral_0^inf e^(-y (cosh t - 1)) cosh(t / 4) dt by the trapezoidal rule, which converges faster than any power.
fn squared_distance_tail(x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let bessel = |y: f64| -> f64 {
        // The integrand is below e^-40 from here on.
        let end = (1.0 + 40.0 / y).acosh();
        let step = end / 200.0;
        let at = |t: f64| (-y * (t.cosh() - 1.0)).exp() * (0.25 * t).cosh();
        step * (0.5 * at(0.0) + (1..200).map(|i| at(i as f64 * step)).sum::<f64>())
    };
    let (mut sum, mut binomial) = (0.0, 1.0);
    for k in 0..40 {
        let j = f64::from(4 * k + 1);
        let y = j * j / (16.0 * x);
        sum += binomial * j.sqrt() * (-2.0 * y).exp() * bessel(y);
        binomial *= (f64::from(k) + 0.5) / f64::from(k + 1);
    }
    (1.0 - sum / (PI * x.sqrt())).clamp(0.0, 1.0)
}

/// The test of Cramer and von Mises: are these numbers uniform in (0, 1)? The statistic is W^2 = n integral (F_n(u) - u)^2 du, which is 1/6 on average.
///
/// The p-value is that of the limit of many numbers: off by at most 0.015 for ten numbers, 0.005 for thirty. Numbers outside \[0, 1\] as in
/// [`kolmogorov_smirnov`].
///
/// ```
/// let even: Vec<f64> = (0..100).map(|i| (i as f64 + 0.5) / 100.0).collect();
/// assert!(flow_runtime::estimators::cramer_von_mises(&even).p_value > 0.999);
/// let narrow: Vec<f64> = even.iter().map(|p| 0.2 + 0.6 * p).collect();
/// assert!(flow_runtime::estimators::cramer_von_mises(&narrow).p_value < 1e-3);
/// ```
pub fn cramer_von_mises(values: &[f64]) -> Test {
    if let Some(test) = without_test(values) {
        return test;
    }
    let (statistic, _) = squared_distance(values);
    Test { statistic, p_value: squared_distance_tail(statistic) }
}

/// The statistic of [`cramer_von_mises`] on the tape, of numbers such as [`base_coverage_traced`](super::base_coverage_traced): a distance from
/// calibration. By each number it is 2 (u_(i) - (2 i - 1) / (2 n)), which jumps by 2 / n where two numbers change places.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow};
///
/// let pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
/// let data: Vec<[f64; 1]> = (0..50).map(|i| [f64::sin(i as f64)]).collect();
/// let inside = estimators::base_coverage_traced(pdf.on_tape(pdf.alloc_grads())?, &data, 0..1)?;
/// let distance = estimators::cramer_von_mises_traced(inside)?;
/// let _ = distance.backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// There are no numbers, or the device fails.
pub fn cramer_von_mises_traced<E: Element>(values: Traced<(usize,), E>) -> Result<Traced<(), E>, Error> {
    let (numbers, traced) = rows(values)?;
    if numbers.is_empty() {
        return Err(Error::Empty { argument: "values" });
    }
    let (statistic, order) = squared_distance(&numbers);
    fused(traced, (), vec![statistic], move |cot| {
        let mut bars = vec![0.0; numbers.len()];
        for (rank, i) in order.iter().enumerate() {
            bars[*i] = 2.0 * cot[0] * (numbers[*i] - middle(rank, numbers.len()));
        }
        bars
    })
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

    #[test]
    fn squared_distances_have_the_tails_of_tables() {
        // Points of 10 %, 5 % and 1 % (Anderson and Darling 1952, table 1).
        for (x, p) in [(0.34730, 0.10), (0.46136, 0.05), (0.74346, 0.01), (0.11888, 0.50)] {
            assert!((squared_distance_tail(x) - p).abs() < 2e-5, "{x}: {} {p}", squared_distance_tail(x));
        }
        assert!(squared_distance_tail(0.02) > 0.99 && squared_distance_tail(5.0) < 1e-10);
    }

    #[test]
    fn numbers_that_are_no_shares_are_not_uniform_and_none_show_nothing() {
        for test in [kolmogorov_smirnov as fn(&[f64]) -> Test, cramer_von_mises, |v| chi_square_uniform(v, 4)] {
            for wrong in [f64::NAN, -0.1, 1.5] {
                assert_eq!(test(&[0.2, wrong, 0.7]).p_value, 0.0, "{wrong}");
            }
            assert_eq!(test(&[]).p_value, 1.0);
            assert!(test(&[0.4]).p_value > 0.3);
        }
    }
}
