//! Quantiles of coordinates, and regions of highest density.

use super::estimate::{Estimate, TracedEstimate, fused, rows, wide};
use crate::density::{Density, TracedDensity};
use crate::error::Error;
use crate::kernels::Coordinates;
use crate::module::{Element, draw_base};
use rand::Rng;

/// Refuses numbers outside (0, 1).
pub(crate) fn probabilities(argument: &'static str, given: &[f64]) -> Result<(), Error> {
    match given.iter().find(|p| !(0.0 < **p && **p < 1.0)) {
        Some(p) => Err(Error::argument(argument, format!("{p} is not between 0 and 1, such as 0.9"))),
        None => Ok(()),
    }
}

/// The value below which a share `p` of sorted values lies, interpolated, with the half-width of its binomial interval of one standard deviation:
/// ranks n p +- sqrt(n p (1 - p)) (David and Nagaraja, Order Statistics, section 7.1).
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
    Estimate { value: at(rank), standard_error: 0.5 * (at(rank + width) - at(rank - width)) }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn at_least_two(n: usize) -> Result<(), Error> {
    if n < 2 { Err(Error::argument("n", "a standard error needs two draws at least")) } else { Ok(()) }
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
    let draws = wide(&density.draw(n, rng)?.points);
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
    let (points, traced) = rows(density.push_traced(&base)?.into_points())?;
    // The same number of ranks on both sides of n p, as far as there are ranks.
    let centre = n as f64 * share - 0.5;
    let half = (0.5 * (n as f64).sqrt()).min(centre + 0.5).min(n as f64 - 0.5 - centre).max(0.5);
    let window = ((centre - half).ceil().max(0.0) as usize)..=((centre + half).floor().min(n as f64 - 1.0) as usize);
    let (mut found, mut chosen) = (Vec::new(), Vec::new());
    for own in points.chunks_exact(n * N) {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|i, j| own[i * N + column].total_cmp(&own[j * N + column]));
        let values: Vec<f64> = order.iter().map(|i| own[i * N + column]).collect();
        let picked = order[window.clone()].to_vec();
        let value = picked.iter().map(|i| own[i * N + column]).sum::<f64>() / picked.len() as f64;
        found.push(Estimate { value, ..quantile_of(&values, share) });
        chosen.push(picked);
    }
    let value = fused(traced, (conditions,), found.iter().map(|e| e.value).collect(), move |cot| {
        let mut bars = vec![0.0; points.len()];
        for (c, picked) in chosen.iter().enumerate() {
            for i in picked {
                bars[(c * n + i) * N + column] = cot[c] / picked.len() as f64;
            }
        }
        bars
    })?;
    Ok(TracedEstimate { value, standard_error: found.iter().map(|e| e.standard_error).collect() })
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
    if n < 4 {
        return Err(Error::argument("n", "level and volume need two draws each at least"));
    }
    let base = draw_base::<G, E>(density.conditions() * n * D::DIM, rng);
    let log_prob = wide(&density.push(&base, Coordinates::Embedded)?.log_prob);
    // One half of the draws finds the level, the other measures the volume at that level.
    let region = |own: &[f64], mass: f64| {
        let (first, second) = own.split_at(n / 2);
        let values = sorted(first.to_vec());
        let level = quantile_of(&values, 1.0 - mass);
        let volume_at = |level: f64, draws: &[f64]| {
            let inside: Vec<f64> = draws.iter().map(|l| if *l > level { (-l).exp() } else { 0.0 }).collect();
            Estimate::of(&inside)
        };
        let volume = volume_at(level.value, second);
        // The error of the level moves the edge: dV = dmass / p(edge).
        let mass_error = (mass * (1.0 - mass) / first.len() as f64).sqrt();
        let from_level = mass_error * (-level.value).exp();
        let standard_error = volume.standard_error.hypot(from_level);
        Region { mass, level, volume: Estimate { value: volume.value, standard_error } }
    };
    Ok(log_prob.chunks_exact(n).map(|own| masses.iter().map(|mass| region(own, *mass)).collect()).collect())
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
    let draws = density.push(&base, Coordinates::Embedded)?;
    let (points, log_prob) = (wide(&draws.points), wide(&draws.log_prob));
    let best = |c: usize| {
        let own = &log_prob[c * n..][..n];
        let i = (0..n).max_by(|i, j| own[*i].total_cmp(&own[*j])).unwrap_or(0);
        points[(c * n + i) * D::EMBED..][..D::EMBED].to_vec()
    };
    Ok((0..density.conditions()).map(best).collect())
}
