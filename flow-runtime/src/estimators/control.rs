//! Control variates: functions whose mean is known take away the part of the error that they explain.
//!
//! For values F_i and controls g_i with known means m,
//! ```text
//! E[F] ~ mean F - b . (mean g - m),        b = Cov(g)^-1 Cov(g, F)
//! ```
//! with b from the same draws by least squares (Owen, Monte Carlo theory, section 8.9): the variance falls by the share R^2 that the controls explain.
//! The bias of a fitted b is of order (controls / n) times the error. A flow brings its controls along: the base points z and their squares, whose
//! means are exactly 0 and 1.

use super::base::Plan;
use super::estimate::{Estimate, count, finite, wide};
use crate::density::Density;
use crate::error::Error;
use crate::kernels::Coordinates;
use crate::module::Element;
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
    controlled(values, controls, means, 1)
}

fn controlled(values: &[f64], controls: &[Vec<f64>], means: &[f64], group: usize) -> Result<Estimate, Error> {
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
    let normal = controls.iter().map(|a| controls.iter().map(|b| dot(a, b)).collect()).collect();
    let slopes = least_squares(normal, controls.iter().map(|g| dot(g, &values)).collect());
    let value = centre - (0..k).map(|j| slopes[j] * (centres[j] - means[j])).sum::<f64>();
    let rest =
        (0..n).map(|i| (values[i] - (0..k).map(|j| slopes[j] * controls[j][i]).sum::<f64>()).powi(2)).sum::<f64>();
    let standard_error = (rest / (n - k - 1) as f64 / n as f64).sqrt();
    Ok(Estimate { value, standard_error })
}

/// [`expectation`](super::expectation()) with the base coordinates z_i and their squares as controls.
///
/// A flow near a linear map makes F(x(z)) nearly a polynomial in z, and most of the error goes. It does not change the gradient of an
/// estimate (the controls do not depend on weights), so there is no form on the tape; there, spread the base points ([`Plan`]).
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
    plan: impl Into<Plan>,
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
    let draws = density.push(&base, Coordinates::Intrinsic)?;
    let values: Vec<f64> = draws.points.chunks_exact(D::DIM).map(f).collect();
    let (base, group) = (wide(&base), plan.group()?);
    let means: Vec<f64> = (0..2 * D::DIM).map(|k| f64::from(u8::from(k >= D::DIM))).collect();
    let of = |(own, base): (&[f64], &[f64])| {
        let column = |k: usize, order: i32| base.chunks_exact(D::DIM).map(|z| z[k].powi(order)).collect();
        let controls: Vec<Vec<f64>> =
            (0..2 * D::DIM).map(|k| column(k % D::DIM, if k < D::DIM { 1 } else { 2 })).collect();
        controlled(own, &controls, &means, group)
    };
    values.chunks_exact(plan.n).zip(base.chunks_exact(plan.n * D::DIM)).map(of).collect()
}
