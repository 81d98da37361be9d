//! Cross-entropy, Kullback-Leibler divergence, and importance sampling.
//!
//! ```text
//! H(p, q)  = -E_p[ln q(x)]
//! KL(p|q)  =  E_p[ln p(x) - ln q(x)]
//! Z        =  integral f(x) dx = E_q[f(x) / q(x)]
//! ```
//! "Forward" and "reverse" are the same estimator with its arguments in another order: `kl_divergence(p, q)` is KL(p|q).

use super::base::Sampling;
use super::entropy::minus_means;
use super::estimate::{
    Estimate, TracedEstimate, count, difference, finite, fused_pair, log_mean_exp, log_means_traced, means_traced,
    negative, rows, wide,
};
use super::expectation::average;
use crate::density::{Density, ManifoldInfo};
use crate::error::Error;
use crate::kernels::Coordinates;
use crate::module::{Element, Traced, TracedDensity};
use dfdx::shapes::{Const, HasShape};
use dfdx::tensor::{Cpu, OwnedTape, PutTape};
use rand::Rng;

/// Refuses two densities on different spaces, or under different numbers of conditions.
fn same_space([of_p, of_q]: [&[ManifoldInfo]; 2], [p, q]: [usize; 2]) -> Result<(), Error> {
    let name = |spaces: &[ManifoldInfo]| spaces.iter().map(|s| s.notation.clone()).collect::<Vec<_>>().join(" + ");
    if name(of_p) != name(of_q) {
        let message = format!("a density on `{}`, the other one on `{}`", name(of_q), name(of_p));
        return Err(Error::argument("q", message));
    }
    if p == q { Ok(()) } else { Err(Error::argument("q", format!("{q} conditions, the other density has {p}"))) }
}

/// H(p, q) = -E_p[ln q] under each condition, by the surface measure. Unbiased.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let p = dev.build_module::<flow!(e2 : x), f64>();
/// let q = dev.build_module::<flow!(e2 : gt), f64>();
/// let (cross, own) = (estimators::cross_entropy(&p, &q, 2000, &mut rng)?[0], estimators::entropy(&p, 2000, &mut rng)?[0]);
/// assert!(cross.value > own.value - 4.0 * own.standard_error.hypot(cross.standard_error));
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// The densities live on different spaces, or have different numbers of conditions; the number of draws does not suit its spread; a value leaves the
/// range of the numbers.
pub fn cross_entropy<E, P, Q, G>(p: &P, q: &Q, plan: impl Into<Sampling>, rng: &mut G) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    P: Density<E>,
    Q: Density<E>,
    G: Rng + ?Sized,
{
    same_space([&p.manifolds(), &q.manifolds()], [p.conditions(), q.conditions()])?;
    let plan = plan.into();
    let base = plan.draw(p.conditions(), P::DIM, rng)?;
    let draws = p.forward(&base, Coordinates::Embedded)?;
    minus_means(&wide(&q.log_prob_of(&draws.points, 0..usize::MAX)?), plan)
}

/// KL(p|q) = E_p[ln p - ln q] under each condition, in nats. Unbiased, and with a smaller error than the difference of the two entropies.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let p = dev.build_module::<flow!(e1 : x), f64>();
/// let mut q = dev.build_module::<flow!(e1 : t(width_smooth_saturation = 0)), f64>();
/// // q = N(1, 4), for the width of this t is e^l + 0.01.
/// q.set_flat_weights(&[1.0, 1.99f64.ln()])?;
/// let kl = estimators::kl_divergence(&p, &q, 2000, &mut StdRng::seed_from_u64(1))?[0];
/// assert!(kl.pull(2f64.ln() + (1.0 + 1.0) / 8.0 - 0.5).abs() < 4.0);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`cross_entropy`].
pub fn kl_divergence<E, P, Q, G>(p: &P, q: &Q, plan: impl Into<Sampling>, rng: &mut G) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    P: Density<E>,
    Q: Density<E>,
    G: Rng + ?Sized,
{
    same_space([&p.manifolds(), &q.manifolds()], [p.conditions(), q.conditions()])?;
    let plan = plan.into();
    let base = plan.draw(p.conditions(), P::DIM, rng)?;
    let draws = p.forward(&base, Coordinates::Embedded)?;
    let other = q.log_prob_of(&draws.points, 0..usize::MAX)?;
    let minus: Vec<f64> = other.iter().zip(&draws.log_prob).map(|(q, p)| q.widen() - p.widen()).collect();
    minus_means(&minus, plan)
}

/// H(p, q) on the tape: gradients to both densities.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let p = dev.build_module::<flow!(e2 : gt), f64>();
/// let q = dev.build_module::<flow!(e2 : t), f64>();
/// // Fit q to p, which stays as it is.
/// let loss = estimators::cross_entropy_traced(p.on_tape(Gradients::leaky())?, q.on_tape(q.alloc_grads())?, 100, &mut rng)?;
/// let _ = loss.value.sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`cross_entropy`].
pub fn cross_entropy_traced<const N: usize, const M: usize, E, P, Q, G>(
    p: P,
    q: Q,
    plan: impl Into<Sampling>,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    P: TracedDensity<N, M, E>,
    Q: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (plan, conditions) = (plan.into(), p.conditions());
    same_space([&p.manifolds(), &q.manifolds()], [conditions, q.conditions()])?;
    let base = plan.draw(conditions, N, rng)?;
    let points = p.forward_traced_embedded(&base)?.into_points();
    means_traced(negative(q.log_prob_traced(points, 0..usize::MAX)?)?, conditions, plan.group()?)
}

/// KL(p|q) on the tape: gradients to both densities. A density that is not to be fitted may record into `Gradients::leaky()`.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let p = dev.build_module::<flow!(e2 : gt), f64>();
/// let q = dev.build_module::<flow!(e2 : t), f64>();
/// // Fit q to p, which stays as it is.
/// let loss = estimators::kl_divergence_traced(p.on_tape(Gradients::leaky())?, q.on_tape(q.alloc_grads())?, 100, &mut rng)?;
/// let _ = loss.value.sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`cross_entropy`].
pub fn kl_divergence_traced<const N: usize, const M: usize, E, P, Q, G>(
    p: P,
    q: Q,
    plan: impl Into<Sampling>,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    P: TracedDensity<N, M, E>,
    Q: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (plan, conditions) = (plan.into(), p.conditions());
    same_space([&p.manifolds(), &q.manifolds()], [conditions, q.conditions()])?;
    let base = plan.draw(conditions, N, rng)?;
    let sample = p.forward_traced_embedded(&base)?;
    let own = sample.log_prob.clone().put_tape(OwnedTape::default());
    let other = q.log_prob_traced(sample.into_points(), 0..usize::MAX)?;
    means_traced(difference(own, other)?, conditions, plan.group()?)
}

/// Results of importance sampling: the integral of an unnormalised density, and how good the samples are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Importance {
    /// Z = E_q[f / q], unbiased, relative to exp(`log_scale`): ln Z = `log_scale` + ln `normalisation`.
    pub normalisation: Estimate,
    /// The logarithm of the scale; the largest weight is 1 on it.
    pub log_scale: f64,
    /// ln Z. Its error is that of Z over Z; it is biased low by half the square of that.
    pub log_normalisation: Estimate,
    /// (sum w)^2 / sum w^2 (Kong 1992): the draws from the target itself that these draws are worth. A few of thousands: the proposal misses the target, and
    /// no error given here can be trusted. Divided by the draws it tends to Z^2 / E_q[(f/q)^2], with a bias of order 1 / n; its standard error is that of this function of
    /// two means.
    pub effective_sample_size: Estimate,
}

fn importance_of(log_weights: &[f64], group: usize) -> Importance {
    let top = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_scale = if top == f64::NEG_INFINITY { 0.0 } else { top };
    let weights: Vec<f64> = log_weights.iter().map(|l| (l - log_scale).exp()).collect();
    let normalisation = Estimate::of_groups(&weights, group);
    let squares: Vec<f64> = weights.iter().map(|w| w * w).collect();
    let (mean, square, n) = (normalisation.value, super::estimate::mean(&squares), weights.len() as f64);
    let found = square > 0.0;
    // d (m^2 / s) = (m^2 / s) (2 dm / m - ds / s).
    let share = if found { mean * mean / square } else { 0.0 };
    let linear: Vec<f64> = weights.iter().map(|w| n * share * (2.0 * w / mean - w * w / square)).collect();
    let spread = if found { Estimate::of_groups(&linear, group).standard_error } else { f64::INFINITY };
    Importance {
        normalisation,
        log_scale,
        log_normalisation: Estimate {
            value: log_scale + mean.ln(),
            standard_error: if found { normalisation.standard_error / mean } else { f64::INFINITY },
        },
        effective_sample_size: Estimate { value: n * share, standard_error: spread },
    }
}

/// Refuses log-values that are NaN or plus infinity; minus infinity is the density 0.
fn log_values(values: &[f64], expected: usize) -> Result<(), Error> {
    count("log_target", expected, values.len())?;
    match values.iter().position(|v| v.is_nan() || *v == f64::INFINITY) {
        Some(row) => Err(Error::argument("log_target", format!("the value at draw {row} is {}", values[row]))),
        None => Ok(()),
    }
}

/// The normalisation of f by draws from q (the density), under each condition.
///
/// `log_target` is given all draws, rows of intrinsic coordinates, and returns ln f of each, by the measure of intrinsic coordinates; minus infinity
/// where f is 0.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let q = Cpu::default().build_module::<flow!(e1 : x), f64>();
/// let log_f = |x: &[f64]| x.iter().map(|x| -2.0 * x * x).collect();
/// let found = estimators::importance(&q, 10_000, &mut StdRng::seed_from_u64(1), log_f)?[0];
/// assert!(found.log_normalisation.pull(0.5 * (std::f64::consts::PI / 2.0).ln()).abs() < 4.0);
/// assert!(found.effective_sample_size.value > 5000.0);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// The number of draws does not suit its spread; `log_target` returns another number of values, NaN or infinity; a value leaves the range of the numbers.
pub fn importance<E, D, G>(
    density: &D,
    plan: impl Into<Sampling>,
    rng: &mut G,
    log_target: impl FnOnce(&[E]) -> Vec<f64>,
) -> Result<Vec<Importance>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let plan = plan.into();
    let (_, log_weights) = weights(density, plan, rng, log_target)?;
    let group = plan.group()?;
    Ok(log_weights.chunks_exact(plan.n).map(|own| importance_of(own, group)).collect())
}

/// Draws and their log-weights.
fn weights<E, D, G>(
    density: &D,
    plan: Sampling,
    rng: &mut G,
    log_target: impl FnOnce(&[E]) -> Vec<f64>,
) -> Result<(Vec<E>, Vec<f64>), Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let base = plan.draw(density.conditions(), D::DIM, rng)?;
    let draws = density.forward(&base, Coordinates::Intrinsic)?;
    let target = log_target(&draws.points);
    log_values(&target, draws.log_prob.len())?;
    let log_weights = target.iter().zip(&draws.log_prob).map(|(f, q)| f - q.widen()).collect();
    Ok((draws.points, log_weights))
}

/// E_f[F(x)] of an unnormalised density f by weighted draws from q, sum w F / sum w, under each condition.
///
/// Biased by order 1 / n; the standard error is that of the ratio, sqrt(sum w^2 (F - mean)^2) / sum w (Owen, Monte Carlo theory, section 9.2).
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let q = dev.build_module::<flow!(e1 : x), f64>();
/// // The mean of a normal distribution around 0.5 of variance 1/4.
/// let log_f = |x: &[f64]| x.iter().map(|x| -2.0 * (x - 0.5) * (x - 0.5)).collect();
/// let mean = estimators::importance_expectation(&q, 10_000, &mut rng, log_f, |x| x[0])?[0];
/// assert!(mean.pull(0.5).abs() < 4.0);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`importance`]; F is not finite.
pub fn importance_expectation<E, D, G>(
    density: &D,
    plan: impl Into<Sampling>,
    rng: &mut G,
    log_target: impl FnOnce(&[E]) -> Vec<f64>,
    f: impl FnMut(&[E]) -> f64,
) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let plan = plan.into();
    let (points, log_weights) = weights(density, plan, rng, log_target)?;
    let group = plan.group()?;
    let values: Vec<f64> = points.chunks_exact(D::DIM).map(f).collect();
    finite("f", &values)?;
    let of = |(own, logs): (&[f64], &[f64])| Ok(weighted(own, logs, group)?.0);
    values.chunks_exact(plan.n).zip(log_weights.chunks_exact(plan.n)).map(of).collect()
}

/// The weighted mean of values, and the weights, 1 on average.
fn weighted(values: &[f64], log_weights: &[f64], group: usize) -> Result<(Estimate, Vec<f64>), Error> {
    let scale = log_mean_exp(log_weights);
    if scale == f64::NEG_INFINITY {
        return Err(Error::argument("log_target", "the target is 0 at every draw: there is nothing to average over"));
    }
    let weights: Vec<f64> = log_weights.iter().map(|l| (l - scale).exp()).collect();
    let value = values.iter().zip(&weights).map(|(v, w)| v * w).sum::<f64>() / values.len() as f64;
    let influence: Vec<f64> = values.iter().zip(&weights).map(|(v, w)| w * (v - value)).collect();
    Ok((Estimate { value, ..Estimate::of_groups(&influence, group) }, weights))
}

/// [`importance_expectation`] on the tape: gradients through the draws, to the weights, the target and F.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let q = Cpu::default().build_module::<flow!(e1 : t), f64>();
/// let mut rng = StdRng::seed_from_u64(1);
/// let mean = estimators::importance_expectation_traced(
///     q.on_tape(q.alloc_grads())?,
///     10_000,
///     &mut rng,
///     |x| (x - 0.5).square().sum::<_, Axis<1>>() * -2.0,
///     |x| x.sum::<_, Axis<1>>(),
/// )?;
/// assert!(mean.estimates()[0].pull(0.5).abs() < 4.0);
/// let _ = mean.value.sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`importance_expectation`]; F or `log_target` does not give one finite value a row.
pub fn importance_expectation_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    plan: impl Into<Sampling>,
    rng: &mut G,
    log_target: impl FnOnce(Traced<(usize, Const<N>), E>) -> Traced<(usize,), E>,
    f: impl FnOnce(Traced<(usize, Const<N>), E>) -> Traced<(usize,), E>,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (plan, conditions) = (plan.into(), density.conditions());
    let mut again = None;
    let log_weights = log_weights_traced(density, plan, rng, |x| {
        again = Some(x.retaped::<OwnedTape<E, Cpu>>());
        Ok(log_target(x))
    })?;
    let points = again.ok_or(Error::Empty { argument: "n" })?;
    let ((logs, traced), (values, of_f)) = (rows(log_weights)?, rows(f(points))?);
    count("f", logs.len(), values.len())?;
    finite("f", &values)?;
    let (n, group) = (plan.n, plan.group()?);
    let found = values.chunks_exact(n).zip(logs.chunks_exact(n)).map(|(own, logs)| weighted(own, logs, group));
    let (found, weights): (Vec<Estimate>, Vec<Vec<f64>>) =
        found.collect::<Result<Vec<_>, Error>>()?.into_iter().unzip();
    let means: Vec<f64> = found.iter().map(|e| e.value).collect();
    let weights = weights.concat();
    // Of sum w F / sum w: by F it is w / sum w, by ln w it is w (F - mean) / sum w.
    let value = fused_pair(of_f, traced, (conditions,), means.clone(), move |cot| {
        let by_f: Vec<f64> = weights.iter().enumerate().map(|(i, w)| cot[i / n] * w / n as f64).collect();
        let by_log = by_f.iter().enumerate().map(|(i, b)| b * (values[i] - means[i / n])).collect();
        [by_f, by_log]
    })?;
    Ok(TracedEstimate { value, standard_error: found.iter().map(|e| e.standard_error).collect() })
}

/// ln f - ln q at draws of q on the tape, in intrinsic coordinates.
pub(crate) fn log_weights_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    plan: Sampling,
    rng: &mut G,
    log_target: impl FnOnce(Traced<(usize, Const<N>), E>) -> Result<Traced<(usize,), E>, Error>,
) -> Result<Traced<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let conditions = density.conditions();
    let base = plan.draw(conditions, N, rng)?;
    let sample = density.forward_traced(&base)?;
    let own = sample.log_prob.clone().put_tape(OwnedTape::default());
    let target = log_target(sample.into_points())?;
    count("log_target", conditions * plan.n, target.shape().0)?;
    finite("log_target", &wide(&target.as_vec()))?;
    difference(target, own)
}

/// KL(q|f) - up to ln Z - of the density from an unnormalised target, E_q[ln q - ln f] under each condition, in nats. Unbiased. Where f is normalised it is the
/// divergence; else its smallest value is -ln Z. Minus this is the evidence lower bound.
///
/// `log_target` as in [`importance`], but finite: a target that is 0 where q is not is infinitely far away.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let q = Cpu::default().build_module::<flow!(e1 : x), f64>();
/// let log_f = |x: &[f64]| x.iter().map(|x| -0.5 * x * x).collect();
/// // The target is the density, but for its norm: each draw says the same.
/// let found = estimators::reverse_kl(&q, 10, &mut StdRng::seed_from_u64(1), log_f)?[0];
/// assert!((found.value + 0.5 * std::f64::consts::TAU.ln()).abs() < 1e-12);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`importance`]; a value of `log_target` is minus infinity.
pub fn reverse_kl<E, D, G>(
    density: &D,
    plan: impl Into<Sampling>,
    rng: &mut G,
    log_target: impl FnOnce(&[E]) -> Vec<f64>,
) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let plan = plan.into();
    let (_, log_weights) = weights(density, plan, rng, log_target)?;
    finite("log_target", &log_weights)?;
    minus_means(&log_weights, plan)
}

/// KL(q|f) - up to ln Z - of the density from an unnormalised target, E_q[ln q - ln f] on the tape, under each condition: the loss of variational
/// inference, without any data. Its smallest value is -ln Z.
///
/// `log_target` is given rows of points in intrinsic coordinates on the tape and returns ln f of each, by the same measure.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
/// let mut rng = StdRng::seed_from_u64(1);
/// let loss = estimators::reverse_kl_traced(pdf.on_tape(pdf.alloc_grads())?, 100, &mut rng, |x| {
///     x.square().sum::<_, Axis<1>>() * -0.5
/// })?;
/// // Z = sqrt(2 pi), and no divergence is below 0.
/// let found = loss.estimates()[0];
/// assert!(found.value > -0.5 * std::f64::consts::TAU.ln() - 4.0 * found.standard_error);
/// # let _ = loss.value.sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// The number of draws does not suit its spread; `log_target` returns another number of values, or one that is not finite; a value leaves the range of the
/// numbers.
pub fn reverse_kl_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    plan: impl Into<Sampling>,
    rng: &mut G,
    log_target: impl FnOnce(Traced<(usize, Const<N>), E>) -> Traced<(usize,), E>,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (plan, conditions) = (plan.into(), density.conditions());
    average(negative(log_weights_traced(density, plan, rng, |x| Ok(log_target(x)))?)?, conditions, plan)
}

/// ln of the mean weight, ln (1/n) sum f(x_i) / q(x_i), on the tape, under each condition: ln Z from below (Burda and others, arXiv:1509.00519).
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let q = dev.build_module::<flow!(e1 : t), f64>();
/// let log_z = estimators::log_normalisation_traced(q.on_tape(q.alloc_grads())?, 1000, &mut rng, |x| {
///     x.square().sum::<_, Axis<1>>() * -0.5
/// })?;
/// assert!((log_z.estimates()[0].value - 0.5 * std::f64::consts::TAU.ln()).abs() < 0.1);
/// let _ = log_z.value.sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`reverse_kl_traced`].
pub fn log_normalisation_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    plan: impl Into<Sampling>,
    rng: &mut G,
    log_target: impl FnOnce(Traced<(usize, Const<N>), E>) -> Traced<(usize,), E>,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (plan, conditions) = (plan.into(), density.conditions());
    let log_weights = log_weights_traced(density, plan, rng, |x| Ok(log_target(x)))?;
    let group = plan.group()?;
    let logs = wide(&log_weights.as_vec());
    let error = |own: &[f64]| importance_of(own, group).log_normalisation.standard_error;
    let standard_error = logs.chunks_exact(plan.n).map(error).collect();
    Ok(TracedEstimate { value: log_means_traced(log_weights, conditions, plan.n)?, standard_error })
}
