//! Control variates: functions whose mean is known take away the part of the error that they explain.
//!
//! For values F_i and controls g_i with known means m,
//! ```text
//! E[F] ~ mean F - b . (mean g - m),        b = Cov(g)^-1 Cov(g, F)
//! ```
//! with b from the same draws by least squares (Owen, Monte Carlo theory, section 8.9): the variance falls by the share R^2 that the controls explain.
//! The bias of a fitted b is of order (controls / n) times the error. A flow brings its controls along: the base points z and their squares, whose
//! means are exactly 0 and 1.

use super::base::Sampling;
use super::estimate::{Estimate, TracedEstimate, count, finite, fused, rows, wide};
use crate::density::Density;
use crate::error::Error;
use crate::kernels::Coordinates;
use crate::module::{Element, Traced, TracedDensity};
use dfdx::shapes::Const;
use rand::Rng;

/// Solves A x = b for a symmetric positive semidefinite matrix by Cholesky's method; directions without variance get 0.
fn least_squares(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let k = b.len();
    let scale: Vec<f64> = (0..k).map(|i| a[i][i]).collect();
    for j in 0..k {
        let pivot = a[j][j] - (0..j).map(|m| a[j][m] * a[j][m]).sum::<f64>();
        // A control that the earlier ones explain adds nothing.
        let kept = pivot > 1e-12 * scale[j];
        a[j][j] = if kept { pivot.sqrt() } else { 0.0 };
        for i in j + 1..k {
            let rest = a[i][j] - (0..j).map(|m| a[i][m] * a[j][m]).sum::<f64>();
            a[i][j] = if kept { rest / a[j][j] } else { 0.0 };
        }
    }
    for i in 0..k {
        let rest = b[i] - (0..i).map(|m| a[i][m] * b[m]).sum::<f64>();
        b[i] = if a[i][i] > 0.0 { rest / a[i][i] } else { 0.0 };
    }
    for i in (0..k).rev() {
        let rest = b[i] - (i + 1..k).map(|m| a[m][i] * b[m]).sum::<f64>();
        b[i] = if a[i][i] > 0.0 { rest / a[i][i] } else { 0.0 };
    }
    b
}

/// The mean of values, corrected by controls: `controls[k]` holds the values of control k at the same draws, `means[k]` its known mean.
///
/// ```
/// use flow_runtime::estimators::control_variates;
///
/// // The values are a line in the control: nothing is left to err about.
/// let control: Vec<f64> = (0..50).map(|i| f64::sin(i as f64)).collect();
/// let values: Vec<f64> = control.iter().map(|g| 3.0 + 2.0 * g).collect();
/// let found = control_variates(&values, &[control], &[0.0])?;
/// assert!((found.value - 3.0).abs() < 1e-12 && found.standard_error < 1e-12);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// A control has another number of values, or there is another number of means; a value is not finite; there are not more values than controls by 2.
pub fn control_variates(values: &[f64], controls: &[Vec<f64>], means: &[f64]) -> Result<Estimate, Error> {
    Ok(controlled(values, controls, means, 1)?.0)
}

/// The estimate, and what it weighs each value with.
fn controlled(
    values: &[f64],
    controls: &[Vec<f64>],
    means: &[f64],
    group: usize,
) -> Result<(Estimate, Vec<f64>), Error> {
    count("means", controls.len(), means.len())?;
    finite("values", values)?;
    for control in controls {
        count("controls", values.len(), control.len())?;
        finite("controls", control)?;
    }
    let grouped = |all: &[f64]| -> Vec<f64> { all.chunks(group).map(super::estimate::mean).collect() };
    let values = grouped(values);
    let (n, k) = (values.len(), controls.len());
    if n < k + 3 {
        let message = format!("{n} independent values for {k} controls: at least {}", k + 3);
        return Err(Error::argument("values", message));
    }
    let mean = super::estimate::mean;
    let apart = |all: &[f64]| -> (f64, Vec<f64>) {
        let centre = mean(all);
        (centre, all.iter().map(|v| v - centre).collect())
    };
    let (centre, values) = apart(&values);
    let (centres, controls): (Vec<f64>, Vec<Vec<f64>>) = controls.iter().map(|c| apart(&grouped(c))).unzip();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let normal: Vec<Vec<f64>> = controls.iter().map(|a| controls.iter().map(|b| dot(a, b)).collect()).collect();
    let slopes = least_squares(normal.clone(), controls.iter().map(|g| dot(g, &values)).collect());
    let value = centre - (0..k).map(|j| slopes[j] * (centres[j] - means[j])).sum::<f64>();
    let rest =
        (0..n).map(|i| (values[i] - (0..k).map(|j| slopes[j] * controls[j][i]).sum::<f64>()).powi(2)).sum::<f64>();
    let standard_error = (rest / (n - k - 1) as f64 / n as f64).sqrt();
    // The slopes are linear in the values, and so is the estimate: sum_i c_i F_i with c_i = 1/n - (mean g - m) . Cov(g)^-1 (g_i - mean g).
    let off = least_squares(normal, (0..k).map(|j| centres[j] - means[j]).collect());
    let weight = |i: usize| 1.0 / n as f64 - (0..k).map(|j| off[j] * controls[j][i]).sum::<f64>();
    let weights = (0..n * group).map(|i| weight(i / group) / group as f64).collect();
    Ok((Estimate { value, standard_error }, weights))
}

/// [`expectation`](super::expectation()) with the base coordinates z_i and their squares as controls.
///
/// A flow near a linear map makes F(x(z)) nearly a polynomial in z, and most of the error goes.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e2 : t), f64>();
/// let plain = estimators::expectation(&pdf, 500, &mut rng, |x| x[0])?[0];
/// // A coordinate of an affine map is a line in z: nothing is left to err about.
/// let controlled = estimators::expectation_controlled(&pdf, 500, &mut rng, |x| x[0])?[0];
/// assert!(controlled.standard_error < 1e-6 * plain.standard_error);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`expectation`](super::expectation()); there are too few draws for 2 x dimension controls.
pub fn expectation_controlled<E, D, G>(
    density: &D,
    plan: impl Into<Sampling>,
    rng: &mut G,
    f: impl FnMut(&[E]) -> f64,
) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let plan = plan.into();
    let base: Vec<E> = plan.draw(density.conditions(), D::DIM, rng)?;
    let draws = density.forward(&base, Coordinates::Intrinsic)?;
    let values: Vec<f64> = draws.points.chunks_exact(D::DIM).map(f).collect();
    Ok(by_base(&values, &wide(&base), D::DIM, plan)?.into_iter().map(|(found, _)| found).collect())
}

/// Per condition the estimate with base coordinates and their squares as controls, and the weights of the values.
fn by_base(values: &[f64], base: &[f64], dim: usize, plan: Sampling) -> Result<Vec<(Estimate, Vec<f64>)>, Error> {
    let group = plan.group()?;
    let means: Vec<f64> = (0..2 * dim).map(|k| f64::from(u8::from(k >= dim))).collect();
    let of = |(own, base): (&[f64], &[f64])| {
        let column = |k: usize, order: i32| base.chunks_exact(dim).map(|z| z[k].powi(order)).collect();
        let controls: Vec<Vec<f64>> = (0..2 * dim).map(|k| column(k % dim, if k < dim { 1 } else { 2 })).collect();
        controlled(own, &controls, &means, group)
    };
    values.chunks_exact(plan.n).zip(base.chunks_exact(plan.n * dim)).map(of).collect()
}

/// [`expectation_controlled`] on the tape.
///
/// The estimate weighs each value with a number that depends on the base points alone, so its gradient is that of the values with the same weights: what the
/// controls explain of the gradient's error goes too.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
/// let square = |x: Tensor<_, f64, Cpu, _>| x.square().sum::<_, Axis<1>>();
/// let found = estimators::expectation_controlled_traced(pdf.on_tape(pdf.alloc_grads())?, 50, &mut rng, square)?;
/// let mut gradients = found.value.sum().backward();
/// // d E[x^2] / dl = 2 at width 1: without any noise, for x^2 is a polynomial in z.
/// assert!((flow_runtime::trainers::flat_gradient(&pdf, &mut gradients)?[1] - 2.0).abs() < 0.3);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`expectation_controlled`]; F does not give one value a row.
pub fn expectation_controlled_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    plan: impl Into<Sampling>,
    rng: &mut G,
    f: impl FnOnce(Traced<(usize, Const<N>), E>) -> Traced<(usize,), E>,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (plan, conditions) = (plan.into(), density.conditions());
    let base: Vec<E> = plan.draw(conditions, N, rng)?;
    let (values, traced) = rows(f(density.forward_traced(&base)?.into_points()))?;
    count("f", conditions * plan.n, values.len())?;
    finite("f", &values)?;
    let (found, weights): (Vec<Estimate>, Vec<Vec<f64>>) = by_base(&values, &wide(&base), N, plan)?.into_iter().unzip();
    let value = fused(traced, (conditions,), found.iter().map(|e| e.value).collect(), move |cot| {
        weights.iter().zip(cot).flat_map(|(own, c)| own.iter().map(move |w| w * c)).collect()
    })?;
    Ok(TracedEstimate { value, standard_error: found.iter().map(|e| e.standard_error).collect() })
}
