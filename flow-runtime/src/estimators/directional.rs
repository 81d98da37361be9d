//! Statistics of directions: mean direction, resultant length, von Mises-Fisher concentration.
//!
//! For unit vectors x in R^p with mean vector m: mean direction m / |m|, mean resultant length R = |m|. The von Mises-Fisher density
//! proportional to exp(kappa mu . x) that is closest to p in KL(p | vMF), which is also the fit of maximum likelihood to the draws, has mu = m / |m|
//! and
//! ```text
//! A_p(kappa) = I_{p/2}(kappa) / I_{p/2-1}(kappa) = R        (p = 3: coth kappa - 1/kappa)
//! ```
//! (Mardia and Jupp, Directional Statistics, sections 9.2 and 10.3). Any sphere works: the circle too, where the ancestor fails.

use super::base::Sampling;
use super::estimate::{Estimate, TracedEstimate, finite, fused, rows};
use super::moments::embedded_draws;
use crate::density::{Density, ManifoldInfo};
use crate::error::Error;
use crate::module::{Element, TracedDensity};
use rand::Rng;

/// Mean direction and spread of the points on one sphere, under one condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction {
    /// The mean direction, a unit vector in embedded coordinates.
    pub mean: Vec<f64>,
    /// The angle, in radians, within which the mean direction is known: its root mean square error.
    pub mean_error: f64,
    /// The mean resultant length, from 0 (no direction) to 1 (one direction). Where it is about 1 / sqrt(draws), it is noise: a length is never
    /// negative.
    pub length: Estimate,
    /// The concentration of the closest von Mises-Fisher density; 1 / sqrt(kappa) is its width in radians where that is small. Infinite where all draws
    /// are one point to rounding, from about 1e15 on, and with an infinite standard error there.
    pub kappa: Estimate,
}

/// The sphere asked for.
pub(crate) fn sphere(spaces: &[ManifoldInfo], manifold: usize) -> Result<ManifoldInfo, Error> {
    let space = spaces.get(manifold).cloned();
    let names: Vec<_> = spaces.iter().map(|space| space.notation.as_str()).collect();
    let refuse =
        || Error::argument("manifold", format!("manifold {manifold} of `{}` is not a sphere", names.join(" + ")));
    space.filter(ManifoldInfo::is_sphere).ok_or_else(refuse)
}

/// The columns of one manifold.
pub(crate) fn columns(points: &[f64], width: usize, space: &ManifoldInfo) -> Vec<f64> {
    points.chunks_exact(width).flat_map(|x| &x[space.embedded.clone()]).copied().collect()
}

/// Mean direction, resultant length and concentration of the sphere number `manifold`, under each condition.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// // v with no components is the uniform distribution; f draws it together.
/// let pdf = Cpu::default().build_module::<flow!(e1 + s2 : g + f), f64>();
/// let direction = &estimators::direction(&pdf, 1, 2000, &mut StdRng::seed_from_u64(1))?[0];
/// assert!((direction.mean.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-12);
/// assert!(direction.length.value < 1.0);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// There is no such manifold, or it is no sphere; the number of draws does not suit its spread; a value leaves the range of the numbers.
pub fn direction<E, D, G>(
    density: &D,
    manifold: usize,
    plan: impl Into<Sampling>,
    rng: &mut G,
) -> Result<Vec<Direction>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let (plan, space) = (plan.into(), sphere(&density.manifolds(), manifold)?);
    let p = space.embedded.len();
    let vectors = columns(&embedded_draws(density, plan, rng)?, D::EMBED, &space);
    let group = plan.group()?;
    Ok(vectors.chunks_exact(plan.n * p).map(|own| direction_of(own, p, group)).collect())
}

fn direction_of(own: &[f64], p: usize, group: usize) -> Direction {
    let (axis, length) = resultant(own, p);
    // |m| moves with m along the axis; the axis with m across it.
    let along: Vec<f64> = own.chunks_exact(p).map(|x| dot(x, &axis)).collect();
    let length = Estimate { value: length, ..Estimate::of_groups(&along, group) };
    let kappa = concentration(length.value, p);
    let slope = slope(kappa, p);
    let standard_error = if slope > 0.0 { length.standard_error / slope } else { f64::INFINITY };
    let kappa = Estimate { value: kappa, standard_error };
    let mut found = Direction { mean: axis, mean_error: f64::INFINITY, length, kappa };
    found.mean_error = across(own, &found, group).iter().map(|error| error * error).sum::<f64>().sqrt();
    found
}

/// The standard error of each coordinate of the mean direction.
fn across(own: &[f64], found: &Direction, group: usize) -> Vec<f64> {
    let p = found.mean.len();
    let error = |i: usize| -> f64 {
        let part = |x: &[f64]| x[i] - dot(x, &found.mean) * found.mean[i];
        let parts: Vec<f64> = own.chunks_exact(p).map(part).collect();
        Estimate::of_groups(&parts, group).standard_error / found.length.value
    };
    (0..p).map(error).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Direction and length of the mean vector.
pub(crate) fn resultant(own: &[f64], p: usize) -> (Vec<f64>, f64) {
    let n = (own.len() / p) as f64;
    let mean: Vec<f64> = (0..p).map(|i| own.chunks_exact(p).map(|x| x[i]).sum::<f64>() / n).collect();
    let length = dot(&mean, &mean).sqrt();
    // Without any direction, one is as good as another.
    let axis = match length > 0.0 {
        true => mean.iter().map(|m| m / length).collect(),
        false => (0..p).map(|i| f64::from(u8::from(i == 0))).collect(),
    };
    (axis, length)
}

/// Above this concentration the asymptotic series of [`bessel_ratio`] is exact to the last digit.
const CONCENTRATED: f64 = 1e4;

/// A_p(kappa) = I_{p/2}(kappa) / I_{p/2-1}(kappa), the mean resultant length of a von Mises-Fisher density in R^p.
///
/// From the recurrence I_{v-1} / I_v = 2 v / kappa + I_{v+1} / I_v, begun where the ratio is small (Amos 1974, Mathematics of Computation 28, 239); for
/// large kappa from 1 - (p-1) / (2 kappa) + (p-1)(p-3) / (8 kappa^2) (1 + 1 / kappa).
pub fn bessel_ratio(kappa: f64, p: usize) -> f64 {
    let q = p as f64;
    if kappa > CONCENTRATED {
        return 1.0 - (q - 1.0) / (2.0 * kappa) + (q - 1.0) * (q - 3.0) / (8.0 * kappa * kappa) * (1.0 + 1.0 / kappa);
    }
    let steps = (2.0 * kappa).ceil() as usize + 60;
    (0..steps).rev().fold(0.0, |ratio, k| kappa / (q + 2.0 * k as f64 + kappa * ratio))
}

/// d A_p / d kappa = 1 - A^2 - (p - 1) A / kappa.
pub(crate) fn slope(kappa: f64, p: usize) -> f64 {
    let q = p as f64;
    if kappa > CONCENTRATED {
        return (q - 1.0) / (2.0 * kappa * kappa) * (1.0 - (q - 3.0) / (2.0 * kappa));
    }
    if kappa == 0.0 {
        return 1.0 / q;
    }
    let a = bessel_ratio(kappa, p);
    1.0 - a * a - (q - 1.0) * a / kappa
}

/// The kappa with A_p(kappa) = `length`; infinite for length 1.
///
/// Newton steps (Sra 2012, Computational Statistics 27, 177) from R (p - R^2) / (1 - R^2).
///
/// ```
/// use flow_runtime::estimators::{bessel_ratio, concentration};
///
/// assert!((concentration(bessel_ratio(12.5, 3), 3) - 12.5).abs() < 1e-9);
/// assert!((bessel_ratio(2.0, 3) - (1.0 / 2f64.tanh() - 0.5)).abs() < 1e-15);
/// ```
pub fn concentration(length: f64, p: usize) -> f64 {
    if length >= 1.0 {
        return f64::INFINITY;
    }
    if length <= 0.0 {
        return 0.0;
    }
    let start = length * (p as f64 - length * length) / (1.0 - length * length);
    let mut kappa = start;
    // Each step at least doubles the digits that are right; the start has about two.
    for _ in 0..20 {
        let step = (bessel_ratio(kappa, p) - length) / slope(kappa, p);
        let next = (kappa - step).clamp(0.5 * kappa, 2.0 * kappa);
        if (next - kappa).abs() <= 1e-14 * kappa {
            break;
        }
        kappa = next;
    }
    kappa
}

/// The mean direction of [`direction`] on the tape: shape (conditions, embedded coordinates of the sphere), unit vectors.
///
/// By the mean vector m it is (1 - mu mu^T) / |m|.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(s2 : f), f64>();
/// let mean = estimators::mean_direction_traced(pdf.on_tape(pdf.alloc_grads())?, 0, 100, &mut rng)?;
/// assert_eq!(mean.value.shape(), &(1, 3));
/// let _ = mean.value.square().mean().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`direction`].
pub fn mean_direction_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    manifold: usize,
    plan: impl Into<Sampling>,
    rng: &mut G,
) -> Result<TracedEstimate<(usize, usize), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let plan = plan.into();
    let (conditions, space) = (density.conditions(), sphere(&density.manifolds(), manifold)?);
    let (p, n, group) = (space.embedded.len(), plan.n, plan.group()?);
    let base = plan.draw(conditions, N, rng)?;
    let (points, traced) = rows(density.forward_traced_embedded(&base)?.into_points())?;
    let vectors = columns(&points, M, &space);
    let found: Vec<Direction> = vectors.chunks_exact(n * p).map(|own| direction_of(own, p, group)).collect();
    let standard_error = vectors.chunks_exact(n * p).zip(&found).flat_map(|(own, d)| across(own, d, group)).collect();
    let values = found.iter().flat_map(|d| d.mean.clone()).collect();
    let value = fused(traced, (conditions, p), values, move |cot| {
        let mut bars = vec![0.0; conditions * n * M];
        for (row, bar) in bars.chunks_exact_mut(M).enumerate() {
            let (direction, cot) = (&found[row / n], &cot[row / n * p..][..p]);
            let along = dot(cot, &direction.mean);
            for (k, bar) in bar[space.embedded.clone()].iter_mut().enumerate() {
                *bar = (cot[k] - along * direction.mean[k]) / (direction.length.value * n as f64);
            }
        }
        bars
    })?;
    Ok(TracedEstimate { value, standard_error })
}

/// Computes g(R) for each condition, on the tape through g'(R): for [`resultant_length_traced`] and
/// [`concentration_traced`].
fn length_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    manifold: usize,
    plan: Sampling,
    rng: &mut G,
    value_and_slope: impl Fn(f64, usize) -> (f64, f64),
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (conditions, space) = (density.conditions(), sphere(&density.manifolds(), manifold)?);
    let (p, n, group) = (space.embedded.len(), plan.n, plan.group()?);
    let base = plan.draw(conditions, N, rng)?;
    let (points, traced) = rows(density.forward_traced_embedded(&base)?.into_points())?;
    let vectors = columns(&points, M, &space);
    let (mut axes, mut values, mut slopes, mut errors) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for own in vectors.chunks_exact(n * p) {
        let found = direction_of(own, p, group);
        let (value, slope) = value_and_slope(found.length.value, p);
        finite("density", &[value, slope])?;
        axes.push(found.mean);
        values.push(value);
        slopes.push(slope);
        errors.push(found.length.standard_error * slope);
    }
    // R = |mean x|: by each x it is axis / n.
    let value = fused(traced, (conditions,), values, move |cot| {
        let mut bars = vec![0.0; conditions * n * M];
        for (row, bar) in bars.chunks_exact_mut(M).enumerate() {
            let c = row / n;
            for (bar, a) in bar[space.embedded.clone()].iter_mut().zip(&axes[c]) {
                *bar = cot[c] * slopes[c] * a / n as f64;
            }
        }
        bars
    })?;
    Ok(TracedEstimate { value, standard_error: errors })
}

/// The mean resultant length of [`direction`] on the tape.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(s2 : f), f64>();
/// let length = estimators::resultant_length_traced(pdf.on_tape(pdf.alloc_grads())?, 0, 100, &mut rng)?;
/// let _ = length.value.sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`direction`].
pub fn resultant_length_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    manifold: usize,
    plan: impl Into<Sampling>,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    length_traced(density, manifold, plan.into(), rng, |length, _| (length, 1.0))
}

/// The concentration of [`direction`] on the tape: kappa(R) by the implicit function theorem.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(s2 : f), f64>();
/// // A loss that asks for a concentration of 10.
/// let kappa = estimators::concentration_traced(pdf.on_tape(pdf.alloc_grads())?, 0, 100, &mut rng)?;
/// let _ = (kappa.value - 10.0).square().sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`direction`].
pub fn concentration_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    manifold: usize,
    plan: impl Into<Sampling>,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    length_traced(density, manifold, plan.into(), rng, |length, p| {
        let kappa = concentration(length, p);
        (kappa, 1.0 / slope(kappa, p))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_and_concentration_invert_each_other() {
        for p in [2, 3, 4, 7] {
            for kappa in [1e-9, 1e-3, 0.3, 5.0, 80.0, 9.9e3, 1.1e4, 1e7] {
                let length = bessel_ratio(kappa, p);
                // 1 - R is known to half a unit of R, so that kappa is to about eps kappa.
                let precision = 1e-12 + 4.0 * f64::EPSILON * kappa;
                assert!((concentration(length, p) / kappa - 1.0).abs() < precision, "{p} {kappa}");
                let h = 1e-4 * kappa;
                let differences = (bessel_ratio(kappa + h, p) - bessel_ratio(kappa - h, p)) / (2.0 * h);
                let precision = 1e-5 + 1e-10 * kappa;
                assert!((slope(kappa, p) / differences - 1.0).abs() < precision, "{p} {kappa}");
            }
        }
        // I_1(2) / I_0(2), from tables.
        assert!((bessel_ratio(2.0, 2) - 1.590_636_854_637_329 / 2.279_585_302_336_067).abs() < 1e-14);
        assert_eq!((concentration(0.0, 3), concentration(1.0, 3)), (0.0, f64::INFINITY));
    }
}
