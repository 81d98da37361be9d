//! Quantiles of coordinates, and regions of highest density.

use super::base::at_least_two;
use super::estimate::{Estimate, TracedEstimate, finite, fused, held, rows, wide};
use crate::density::{Density, draw_base};
use crate::error::Error;
use crate::kernels::Coordinates;
use crate::module::{Element, TracedDensity};
use core::ops::RangeInclusive;
use rand::Rng;

/// Refuses numbers outside (0, 1).
pub(crate) fn probabilities(argument: &'static str, given: &[f64]) -> Result<(), Error> {
    match given.iter().find(|p| !(0.0 < **p && **p < 1.0)) {
        Some(p) => Err(Error::argument(argument, format!("{p} is not between 0 and 1, such as 0.9"))),
        None => Ok(()),
    }
}

/// The value below which a share `p` of sorted values lies, interpolated, with the half-width of its binomial interval of one standard deviation:
/// ranks n p +- sqrt(n p (1 - p)) (David and Nagaraja, Order Statistics, section 7.1). Where one end of the interval lies beyond all values, the other
/// half is the width; where the rank itself or both ends do, nothing is known of it, and the standard error is infinite.
fn quantile_of(sorted: &[f64], p: f64) -> Estimate {
    let n = sorted.len() as f64;
    let at = |rank: f64| {
        // Rank k of n stands for the share (k + 1/2) / n.
        let place = (rank - 0.5).clamp(0.0, n - 1.0);
        let low = place.floor() as usize;
        let high = (low + 1).min(sorted.len() - 1);
        sorted[low] + (place - low as f64) * (sorted[high] - sorted[low])
    };
    let (rank, width) = (n * p, (n * p * (1.0 - p)).sqrt());
    let [low, high] = [rank - width, rank + width].map(|end| (0.5..=n - 0.5).contains(&end).then(|| at(end)));
    let (value, within) = (at(rank), (0.5..=n - 0.5).contains(&rank));
    let standard_error = match (low, high) {
        (Some(low), Some(high)) => 0.5 * (high - low),
        (Some(low), None) if within => value - low,
        (None, Some(high)) if within => high - value,
        _ => f64::INFINITY,
    };
    Estimate { value, standard_error }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// The quantiles of one intrinsic coordinate, under each condition: for each p of `shares` the value below which the coordinate lies with probability
/// p. Of an angle, counted from 0.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e2 : x), f64>();
/// let found = &estimators::quantiles(&pdf, 1, &[0.16, 0.5, 0.84], 10_000, &mut StdRng::seed_from_u64(1))?[0];
/// assert!(found[1].pull(0.0).abs() < 4.0 && found[2].pull(0.99446).abs() < 4.0);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// There is no such column; a share is not between 0 and 1; there are fewer than two draws; a value leaves the range of the numbers.
pub fn quantiles<E, D, G>(
    density: &D,
    column: usize,
    shares: &[f64],
    n: usize,
    rng: &mut G,
) -> Result<Vec<Vec<Estimate>>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    check_column(column, D::DIM)?;
    probabilities("shares", shares)?;
    at_least_two(n)?;
    let draws = wide(&density.sample_rows(n, rng)?.points);
    let of = |own: &[f64]| {
        let own = sorted(own.chunks_exact(D::DIM).map(|x| x[column]).collect());
        shares.iter().map(|p| quantile_of(&own, *p)).collect()
    };
    Ok(draws.chunks_exact(n * D::DIM).map(of).collect())
}

pub(crate) fn check_column(column: usize, columns: usize) -> Result<(), Error> {
    if column < columns {
        return Ok(());
    }
    Err(Error::argument("column", format!("there is no column {column}: the density has {columns}, from 0 on")))
}

/// One quantile of one intrinsic coordinate on the tape.
///
/// The value is the mean of the sqrt(n) order statistics around rank n p. Its gradient is the mean gradient of these draws, which estimates
/// E[dx/dw | x = q], the exact gradient of a quantile (Hong 2009, Operations Research 57, 118); a single order statistic would have the same
/// mean, but a variance that more draws do not reduce.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e1 : t), f64>();
/// let median = estimators::quantile_traced(pdf.on_tape(pdf.alloc_grads())?, 0, 0.5, 1000, &mut rng)?;
/// let mut gradients = median.value.sum().backward();
/// // It moves with the offset as much as the offset does.
/// assert!((flow_runtime::trainers::flat_gradient(&pdf, &mut gradients)?[0] - 1.0).abs() < 1e-9);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`quantiles`].
pub fn quantile_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    column: usize,
    share: f64,
    n: usize,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    check_column(column, N)?;
    probabilities("share", &[share])?;
    at_least_two(n)?;
    let conditions = density.conditions();
    let base = draw_base::<G, E>(conditions * n * N, rng);
    let (points, traced) = rows(density.forward_traced(&base)?.into_points())?;
    let values: Vec<f64> = points.chunks_exact(N).map(|x| x[column]).collect();
    let (found, chosen) = around_quantile(&values, n, share);
    let value = fused(traced, (conditions,), found.iter().map(|e| e.value).collect(), move |cot| {
        let mut bars = vec![0.0; points.len()];
        for (c, picked) in chosen.iter().enumerate() {
            picked.iter().for_each(|i| bars[(c * n + i) * N + column] = cot[c] / picked.len() as f64);
        }
        bars
    })?;
    Ok(TracedEstimate { value, standard_error: found.iter().map(|e| e.standard_error).collect() })
}

/// Ranks around n p: the same number on both sides, about sqrt(n) in all, as far as there are ranks.
fn window(n: usize, share: f64) -> RangeInclusive<usize> {
    let last = n as f64 - 1.0;
    let centre = n as f64 * share - 0.5;
    let half = (0.5 * (n as f64).sqrt()).min(centre + 0.5).min(last + 0.5 - centre).max(0.5);
    ((centre - half).ceil().clamp(0.0, last) as usize)..=((centre + half).floor().clamp(0.0, last) as usize)
}

/// Per condition the mean of the values around a quantile, and which these are.
fn around_quantile(values: &[f64], n: usize, share: f64) -> (Vec<Estimate>, Vec<Vec<usize>>) {
    let of = |own: &[f64]| {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|i, j| own[*i].total_cmp(&own[*j]));
        let sorted: Vec<f64> = order.iter().map(|i| own[*i]).collect();
        let ranks = window(n, share);
        let value = super::estimate::mean(&sorted[ranks.clone()]);
        (Estimate { value, ..quantile_of(&sorted, share) }, order[ranks].to_vec())
    };
    values.chunks_exact(n).map(of).unzip()
}

/// The region of highest density that holds a given probability, under one condition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// The probability inside.
    pub mass: f64,
    /// The log-density, by the surface measure, at the edge: the region is where ln p is above it.
    pub level: Estimate,
    /// The volume of the region (length, area on the unit sphere, ..).
    pub volume: Estimate,
}

/// Regions of highest density under each condition, one for each probability of `masses`.
///
/// Draws lie inside with the probability of the region, so the level is the 1 - mass quantile of ln p(x) over draws (Hyndman 1996, The American
/// Statistician 50, 120), in any dimension and without a grid. The volume is an integral, V = E_p[1(ln p > level) / p], with the level of other draws.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e2 : x), f64>();
/// let region = estimators::highest_density(&pdf, &[0.9], 20_000, &mut StdRng::seed_from_u64(1))?[0][0];
/// // A circle of radius^2 = -2 ln 0.1.
/// let radius2 = -2.0 * 0.1f64.ln();
/// assert!(region.level.pull(-0.5 * radius2 - std::f64::consts::TAU.ln()).abs() < 4.0);
/// assert!(region.volume.pull(std::f64::consts::PI * radius2).abs() < 4.0);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// A mass is not between 0 and 1; there are fewer than four draws; a value leaves the range of the numbers.
pub fn highest_density<E, D, G>(density: &D, masses: &[f64], n: usize, rng: &mut G) -> Result<Vec<Vec<Region>>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    probabilities("masses", masses)?;
    at_least_four(n)?;
    let base = draw_base::<G, E>(density.conditions() * n * D::DIM, rng);
    let log_prob = wide(&density.forward(&base, Coordinates::Embedded)?.log_prob);
    let of = |own: &[f64]| masses.iter().map(|mass| region(own, *mass)).collect();
    Ok(log_prob.chunks_exact(n).map(of).collect())
}

/// One half of the draws finds the level, the other measures the volume at that level.
fn region(log_prob: &[f64], mass: f64) -> Region {
    let (first, second) = log_prob.split_at(log_prob.len() / 2);
    let level = quantile_of(&sorted(first.to_vec()), 1.0 - mass);
    let inside: Vec<f64> = second.iter().map(|l| if *l > level.value { (-l).exp() } else { 0.0 }).collect();
    let volume = Estimate::of(&inside);
    // The error of the level moves the edge: dV = dmass / p(edge).
    let mass_error = (mass * (1.0 - mass) / first.len() as f64).sqrt();
    let standard_error = volume.standard_error.hypot(mass_error * (-level.value).exp());
    Region { mass, level, volume: Estimate { standard_error, ..volume } }
}

/// The level of [`highest_density`] on the tape, for one probability: ln p at the edge of the region.
///
/// A quantile of y = ln p(x(z; w); w) over z, as in [`quantile_traced`]: its gradient is the mean of dy/dw over draws about the edge, E[dy/dw | y = level].
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
/// let mut rng = StdRng::seed_from_u64(1);
/// let level = estimators::highest_density_level_traced(pdf.on_tape(pdf.alloc_grads())?, 0.9, 1000, &mut rng)?;
/// let mut gradients = level.value.sum().backward();
/// // ln p at the edge falls by 1 with the log-width.
/// assert!((flow_runtime::trainers::flat_gradient(&pdf, &mut gradients)?[1] + 1.0).abs() < 0.6);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// The mass is not between 0 and 1; there are fewer than two draws; a value leaves the range of the numbers.
pub fn highest_density_level_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    mass: f64,
    n: usize,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    probabilities("mass", &[mass])?;
    at_least_two(n)?;
    let conditions = density.conditions();
    let base = draw_base::<G, E>(conditions * n * N, rng);
    let (log_prob, traced) = rows(density.forward_traced_embedded(&base)?.into_log_prob())?;
    finite("density", &log_prob)?;
    let (found, chosen) = around_quantile(&log_prob, n, 1.0 - mass);
    let value = fused(traced, (conditions,), found.iter().map(|e| e.value).collect(), move |cot| {
        let mut bars = vec![0.0; log_prob.len()];
        for (c, picked) in chosen.iter().enumerate() {
            picked.iter().for_each(|i| bars[c * n + i] = cot[c] / picked.len() as f64);
        }
        bars
    })?;
    Ok(TracedEstimate { value, standard_error: found.iter().map(|e| e.standard_error).collect() })
}

/// The volume of [`highest_density`] on the tape, for one probability m: length, volume, or the area on the sphere inside a contour.
///
/// With t = p at the edge, the probability inside does not change: integral_inside dp/dw dx + t dV/dw = 0, so that
/// ```text
/// dV/dw = -(1/t) integral_inside dp/dw dx = -(1/t) E_p[(1(x inside) - m) d ln p(x)/dw],      x held, for E_p[d ln p/dw] = 0
/// ```
/// The points are held here by right: it is the edge of the region that moves, not they. The mean is over all draws and unbiased up to the error of the level,
/// 1 / n; the value itself counts draws, and is no function whose differences show this gradient.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// // A loss that asks for small contours.
/// let pdf = Cpu::default().build_module::<flow!(s2 : f), f64>();
/// let mut rng = StdRng::seed_from_u64(1);
/// let area = estimators::highest_density_volume_traced(pdf.on_tape(pdf.alloc_grads())?, 0.9, 1000, &mut rng)?;
/// assert!(area.estimates()[0].value < 4.0 * std::f64::consts::PI);
/// let _ = area.value.sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// The mass is not between 0 and 1; there are fewer than four draws; a value leaves the range of the numbers.
pub fn highest_density_volume_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    mass: f64,
    n: usize,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    probabilities("mass", &[mass])?;
    at_least_four(n)?;
    let conditions = density.conditions();
    let base = draw_base::<G, E>(conditions * n * N, rng);
    let (sampling, evaluating) = density.twins()?;
    let sample = sampling.forward_traced_embedded(&base)?;
    let drawn = wide(&sample.log_prob.as_vec());
    let points = held(sample.into_points())?;
    let (log_prob, traced) = rows(evaluating.log_prob_traced(points, 0..usize::MAX)?)?;
    finite("density", &log_prob)?;
    let regions: Vec<Region> = drawn.chunks_exact(n).map(|own| region(own, mass)).collect();
    let values = regions.iter().map(|r| r.volume.value).collect();
    let standard_error = regions.iter().map(|r| r.volume.standard_error).collect();
    let value = fused(traced, (conditions,), values, move |cot| {
        let by = |(i, l): (usize, &f64)| {
            let level = regions[i / n].level.value;
            let inside = f64::from(u8::from(*l > level));
            -cot[i / n] * (-level).exp() * (inside - mass) / n as f64
        };
        log_prob.iter().enumerate().map(by).collect()
    })?;
    Ok(TracedEstimate { value, standard_error })
}

fn at_least_four(n: usize) -> Result<(), Error> {
    if n < 4 { Err(Error::argument("n", "level and volume need two draws each at least")) } else { Ok(()) }
}

/// The draw of highest log-density of `n`, in embedded coordinates, under each condition: an estimate of the mode, to start a search from.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e1 + s2 : x + y), f64>();
/// let start = &estimators::densest_draw(&pdf, 1000, &mut rng)?[0];
/// assert!(start.len() == 4 && start[0].abs() < 0.1);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// `n` is 0; a value leaves the range of the numbers.
pub fn densest_draw<E, D, G>(density: &D, n: usize, rng: &mut G) -> Result<Vec<Vec<f64>>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    if n == 0 {
        return Err(Error::Empty { argument: "n" });
    }
    let base = draw_base::<G, E>(density.conditions() * n * D::DIM, rng);
    let draws = density.forward(&base, Coordinates::Embedded)?;
    let (points, log_prob) = (wide(&draws.points), wide(&draws.log_prob));
    let best = |c: usize| {
        let own = &log_prob[c * n..][..n];
        let i = (0..n).max_by(|i, j| own[*i].total_cmp(&own[*j])).unwrap_or(0);
        points[(c * n + i) * D::EMBED..][..D::EMBED].to_vec()
    };
    Ok((0..density.conditions()).map(best).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_beyond_the_draws_have_no_error_to_speak_of() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        // Ranks 0.1 and 99.9 lie outside all draws.
        for share in [0.001, 0.999] {
            assert_eq!(quantile_of(&values, share).standard_error, f64::INFINITY, "{share}");
        }
        // Rank 1: only the upper half of the interval, 1 to 2, is inside.
        assert!((quantile_of(&values, 0.01).standard_error - 0.99f64.sqrt()).abs() < 1e-12);
        assert!((quantile_of(&values, 0.5).standard_error - 5.0).abs() < 1e-12);
        assert_eq!(quantile_of(&[2.0; 10], 0.5), Estimate { value: 2.0, standard_error: 0.0 });
        assert_eq!(quantile_of(&[1.0, 2.0], 0.01).standard_error, f64::INFINITY);
    }

    #[test]
    fn windows_hold_the_ranks_around_a_quantile() {
        for n in 2..40 {
            for share in [1e-6, 0.01, 0.3, 0.5, 0.77, 0.99, 1.0 - 1e-6] {
                let window = window(n, share);
                assert!(!window.is_empty() && *window.end() < n, "{n} {share}");
            }
        }
        assert_eq!((window(100, 0.5), window(9, 0.5)), (45..=54, 3..=5));
    }
}
