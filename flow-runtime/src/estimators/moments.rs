//! Moments of coordinates: mean, n-th moments, covariance.
//!
//! All in embedded coordinates, for the mean of an angle has no meaning; of a Euclidean space, an interval and the circle's cosine and sine
//! these are what one expects. What to make of the mean vector on a sphere: [`direction`](super::direction).

use super::base::{Sampling, at_least_two};
use super::estimate::{Estimate, TracedEstimate, finite, fused, mean, rows, wide};
use crate::density::Density;
use crate::error::Error;
use crate::kernels::Coordinates;
use crate::module::{Element, TracedDensity};
use dfdx::shapes::Const;
use rand::Rng;

/// E[x_i^order] of each embedded coordinate i, under each condition: (1/N) sum x_i^order, unbiased.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e2 : x), f64>();
/// let fourth = &estimators::moment(&pdf, 4, 10_000, &mut StdRng::seed_from_u64(1))?[0];
/// assert!(fourth[0].pull(3.0).abs() < 4.0 && fourth[1].pull(3.0).abs() < 4.0);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// The number of draws does not suit its spread; a value leaves the range of the numbers.
pub fn moment<E, D, G>(
    density: &D,
    order: u32,
    plan: impl Into<Sampling>,
    rng: &mut G,
) -> Result<Vec<Vec<Estimate>>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let plan = plan.into();
    let points = embedded_draws(density, plan, rng)?;
    let group = plan.group()?;
    let order = power(order)?;
    let powers: Vec<f64> = points.iter().map(|x| x.powi(order)).collect();
    finite("order", &powers)?;
    let of = |own: &[f64]| -> Vec<Estimate> {
        let column = |i: usize| -> Vec<f64> { own.chunks_exact(D::EMBED).map(|x| x[i]).collect() };
        (0..D::EMBED).map(|i| Estimate::of_groups(&column(i), group)).collect()
    };
    Ok(powers.chunks_exact(plan.n * D::EMBED).map(of).collect())
}

/// An order as a power.
fn power(order: u32) -> Result<i32, Error> {
    i32::try_from(order).map_err(|_| Error::argument("order", format!("there is no power {order}")))
}

/// Draws in embedded coordinates, widened.
pub(crate) fn embedded_draws<E, D, G>(density: &D, plan: Sampling, rng: &mut G) -> Result<Vec<f64>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let base = plan.draw(density.conditions(), D::DIM, rng)?;
    Ok(wide(&density.forward(&base, Coordinates::Embedded)?.points))
}

/// Mean vector and covariance matrix under one condition, in embedded coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct Covariance {
    /// The mean of each coordinate.
    pub mean: Vec<Estimate>,
    /// The covariance of each pair of coordinates.
    pub covariance: Vec<Vec<Estimate>>,
}

/// Sum of (x_i - m_i)(x_j - m_j) over N - 1, and its standard error from the spread of the products.
fn covariance_of(own: &[f64], columns: usize, group: usize) -> Covariance {
    let n = own.len() / columns;
    let at = |i: usize| -> Vec<f64> { own.chunks_exact(columns).map(|x| x[i]).collect() };
    let mean_of: Vec<Estimate> = (0..columns).map(|i| Estimate::of_groups(&at(i), group)).collect();
    let unbiased = n as f64 / (n as f64 - 1.0);
    let pair = |i: usize, j: usize| {
        let products: Vec<f64> = own
            .chunks_exact(columns)
            .map(|x| (x[i] - mean_of[i].value) * (x[j] - mean_of[j].value) * unbiased)
            .collect();
        Estimate::of_groups(&products, group)
    };
    let covariance = (0..columns).map(|i| (0..columns).map(|j| pair(i, j)).collect()).collect();
    Covariance { mean: mean_of, covariance }
}

/// Mean and covariance under each condition: the covariance as sum (x - m)(x - m)^T / (N - 1), unbiased for independent draws.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e3 : x), f64>();
/// let found = &estimators::covariance(&pdf, 10_000, &mut StdRng::seed_from_u64(1))?[0];
/// assert!(found.mean[2].pull(0.0).abs() < 4.0);
/// assert!(found.covariance[0][0].pull(1.0).abs() < 4.0 && found.covariance[0][1].pull(0.0).abs() < 4.0);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`moment`]; there are fewer than two draws.
pub fn covariance<E, D, G>(density: &D, plan: impl Into<Sampling>, rng: &mut G) -> Result<Vec<Covariance>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let plan = plan.into();
    at_least_two(plan.n)?;
    let points = embedded_draws(density, plan, rng)?;
    let group = plan.group()?;
    Ok(points.chunks_exact(plan.n * D::EMBED).map(|own| covariance_of(own, D::EMBED, group)).collect())
}

/// [`moment`] on the tape: shape (conditions, M).
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e2 : t), f64>();
/// let mean = estimators::moment_traced(pdf.on_tape(pdf.alloc_grads())?, 1, 100, &mut rng)?;
/// let mut gradients = mean.value.sum().backward();
/// // The mean moves with the offset, the first parameters of t.
/// let by_weights = flow_runtime::trainers::flat_gradient(&pdf, &mut gradients)?;
/// assert!((by_weights[0] - 1.0).abs() < 1e-9 && (by_weights[1] - 1.0).abs() < 1e-9);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`moment`].
pub fn moment_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    order: u32,
    plan: impl Into<Sampling>,
    rng: &mut G,
) -> Result<TracedEstimate<(usize, Const<M>), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (plan, conditions) = (plan.into(), density.conditions());
    let base = plan.draw(conditions, N, rng)?;
    let (points, traced) = rows(density.forward_traced_embedded(&base)?.into_points())?;
    let (group, n, order) = (plan.group()?, plan.n, power(order)?);
    finite("order", &points.iter().map(|x| x.powi(order)).collect::<Vec<_>>())?;
    let of = |k: usize| {
        let column: Vec<f64> = points[k / M * n * M..][..n * M].chunks_exact(M).map(|x| x[k % M].powi(order)).collect();
        Estimate::of_groups(&column, group)
    };
    let found: Vec<Estimate> = (0..conditions * M).map(of).collect();
    let value = fused(traced, (conditions, Const), found.iter().map(|e| e.value).collect(), move |cot| {
        let slope = |x: f64| if order == 0 { 0.0 } else { f64::from(order) * x.powi(order - 1) };
        let bar = |(k, x): (usize, &f64)| cot[k / (n * M) * M + k % M] * slope(*x) / n as f64;
        points.iter().enumerate().map(bar).collect()
    })?;
    Ok(TracedEstimate { value, standard_error: found.iter().map(|e| e.standard_error).collect() })
}

/// The covariance of [`covariance`] on the tape: shape (conditions, M, M).
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e2 : t), f64>();
/// let covariance = estimators::covariance_traced(pdf.on_tape(pdf.alloc_grads())?, 100, &mut rng)?;
/// assert_eq!(covariance.value.shape(), &(1, Const::<2>, Const::<2>));
/// // It does not move with the offset.
/// let mut gradients = covariance.value.sum().backward();
/// assert!(flow_runtime::trainers::flat_gradient(&pdf, &mut gradients)?[0].abs() < 1e-9);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`moment`]; there are fewer than two draws.
pub fn covariance_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    plan: impl Into<Sampling>,
    rng: &mut G,
) -> Result<TracedEstimate<(usize, Const<M>, Const<M>), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (plan, conditions) = (plan.into(), density.conditions());
    at_least_two(plan.n)?;
    let base = plan.draw(conditions, N, rng)?;
    let (points, traced) = rows(density.forward_traced_embedded(&base)?.into_points())?;
    let (group, n) = (plan.group()?, plan.n);
    let found: Vec<Estimate> = points
        .chunks_exact(n * M)
        .flat_map(|own| covariance_of(own, M, group).covariance.into_iter().flatten())
        .collect();
    // C = sum (x - m)(x - m)^T / (n - 1): by x_i it is (cot + cot^T)(x_i - m) / (n - 1), for the deviations sum to zero.
    let value = fused(traced, (conditions, Const, Const), found.iter().map(|e| e.value).collect(), move |cot| {
        let mut bars = Vec::with_capacity(points.len());
        for (own, cot) in points.chunks_exact(n * M).zip(cot.chunks_exact(M * M)) {
            let centre: Vec<f64> =
                (0..M).map(|i| mean(&own.chunks_exact(M).map(|x| x[i]).collect::<Vec<_>>())).collect();
            for x in own.chunks_exact(M) {
                let bar =
                    |i: usize| -> f64 { (0..M).map(|j| (cot[i * M + j] + cot[j * M + i]) * (x[j] - centre[j])).sum() };
                bars.extend((0..M).map(|i| bar(i) / (n as f64 - 1.0)));
            }
        }
        bars
    })?;
    Ok(TracedEstimate { value, standard_error: found.iter().map(|e| e.standard_error).collect() })
}
