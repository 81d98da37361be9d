//! Entropies, and mutual information between the manifolds of a product.
//!
//! In nats, by the surface measure (so that those of spheres do not depend on where the poles are). A product of manifolds is an
//! autoregressive one, p(x_0) p(x_1 | x_0) .., so that with S any set of manifolds
//! ```text
//! H(x)         = -E[ln p(x)]                                              exact density: unbiased
//! H(x_S)       = -E[ln p(x_S)]                                            exact where S is the first manifolds
//! H(x_A | x_B) = -E[ln p(x_A, x_B) - ln p(x_B)]                           exact where B, and A with B, are
//! I(x_A; x_B)  =  E[ln p(x_A, x_B) - ln p(x_A) - ln p(x_B)]
//! p(x_S)       =  E_{x'}[prod_{k in S} p(x_k | x_S, x' before k)]         otherwise
//! ```
//! where x' are the manifolds outside S, drawn anew in their turn, each given those before it. The inner mean over K such draws is unbiased for p(x_S); its
//! logarithm is low by Var / (2 K p^2) to first order, and that is added back: what is left is of order 1 / K^2. (The ancestor averages over the sample itself, the
//! point's own earlier manifolds among it, which biases the entropy low by about 1 / K of the mutual information's exponential.)
//!
//! # On the tape
//! The draws x' of a point are held, and with them their density q(x'): p(x_S) = E_q[p(x_S, x') / q(x')] for any q, so that
//! ```text
//! ln p(x_S) ~ ln (1/K) sum_j exp(ln p(x_S, x'_j; w) - ln q(x'_j))
//! ```
//! has the value of the plain form and is a function of weights and x_S that may be differentiated: its gradient is the average of d ln p(x_S, x'_j) over x'_j weighted
//! to the posterior p(x' | x_S), which is d ln p(x_S) (Fisher's identity). The bias of the gradient is that of the value's derivative.

use super::base::Sampling;
use super::estimate::{
    Estimate, TracedEstimate, finite, fused, log_mean_exp, means_traced, negative, plus_scaled, rows, scaled, wide,
};
use crate::density::{Density, draw_base};
use crate::error::Error;
use crate::kernels::Coordinates;
use crate::module::{Element, Traced, TracedDensity};
use core::ops::Range;
use dfdx::shapes::Const;
use dfdx::tensor::{Cpu, OwnedTape};
use rand::Rng;

/// H(x) under each condition: -(1/N) sum ln p(x_i), unbiased.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e2 : x), f64>();
/// let entropy = estimators::entropy(&pdf, 2000, &mut StdRng::seed_from_u64(1))?[0];
/// // A standard normal has (1 + ln 2 pi) / 2 nats a dimension.
/// assert!(entropy.pull(1.0 + std::f64::consts::TAU.ln()).abs() < 4.0);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// The number of draws does not suit its spread; a value leaves the range of the numbers.
pub fn entropy<E, D, G>(density: &D, plan: impl Into<Sampling>, rng: &mut G) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let plan = plan.into();
    let base = plan.draw(density.conditions(), D::DIM, rng)?;
    let draws = density.forward(&base, Coordinates::Embedded)?;
    minus_means(&wide(&draws.log_prob), plan)
}

/// Per condition minus the mean of log-densities.
pub(crate) fn minus_means(log_prob: &[f64], plan: Sampling) -> Result<Vec<Estimate>, Error> {
    finite("density", log_prob)?;
    let group = plan.group()?;
    let of = |own: &[f64]| {
        let mean = Estimate::of_groups(own, group);
        Estimate { value: -mean.value, ..mean }
    };
    Ok(log_prob.chunks_exact(plan.n).map(of).collect())
}

/// Refuses manifolds that are not there.
fn check_manifolds(manifolds: &[usize], count: usize) -> Result<Vec<usize>, Error> {
    if manifolds.is_empty() {
        return Err(Error::Empty { argument: "manifolds" });
    }
    if let Some(k) = manifolds.iter().find(|k| **k >= count) {
        return Err(Error::argument("manifolds", format!("there is no manifold {k}: there are {count}, from 0 on")));
    }
    let mut sorted = manifolds.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    Ok(sorted)
}

/// Refuses two sets with a manifold in common.
fn check_apart([a, b]: [&[usize]; 2]) -> Result<(), Error> {
    match a.iter().find(|k| b.contains(k)) {
        Some(k) => Err(Error::argument("manifolds", format!("manifold {k} is in both sets"))),
        None => Ok(()),
    }
}

/// A sum of log-densities of sets of manifolds: sum_s c_s ln p(x_s). What all of these estimators are the mean of.
type Terms = Vec<(f64, Vec<usize>)>;

/// ln p(x_A | x_B), times -1.
fn conditional_terms([a, given]: [&[usize]; 2]) -> Terms {
    vec![(-1.0, [a, given].concat()), (1.0, given.to_vec())]
}

/// ln p(x_A, x_B) - ln p(x_A) - ln p(x_B).
fn shared_terms([a, b]: [&[usize]; 2]) -> Terms {
    vec![(1.0, [a, b].concat()), (-1.0, a.to_vec()), (-1.0, b.to_vec())]
}

/// The mean of a sum of log-densities over draws of all manifolds.
fn mean_of_terms<E, D, G>(
    density: &D,
    terms: &Terms,
    plan: Sampling,
    inner: usize,
    rng: &mut G,
) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let base = plan.draw(density.conditions(), D::DIM, rng)?;
    let points = density.forward(&base, Coordinates::Embedded)?.points;
    let mut sums = vec![0.0; points.len() / D::EMBED];
    for (factor, manifolds) in terms {
        let found = marginal_log_prob(density, &points, manifolds, inner, rng)?;
        sums.iter_mut().zip(found).for_each(|(sum, l)| *sum += factor * l);
    }
    finite("density", &sums)?;
    let group = plan.group()?;
    Ok(sums.chunks_exact(plan.n).map(|own| Estimate::of_groups(own, group)).collect())
}

/// H(x_A | x_B) of some manifolds given others, all others integrated out, under each condition.
///
/// Unbiased where B is the first manifolds and A the next ones, as `[&[2], &[0, 1]]`; otherwise with `inner` draws of the others for each point, as
/// in [`marginal_entropy`].
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e1 + e1 : x + x), f64>();
/// let half = estimators::conditional_entropy(&pdf, [&[1], &[0]], 1000, 2, &mut rng)?[0];
/// assert!(half.pull(0.5 * (1.0 + std::f64::consts::TAU.ln())).abs() < 4.0);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`marginal_entropy`]; the two sets have a manifold in common.
pub fn conditional_entropy<E, D, G>(
    density: &D,
    sets: [&[usize]; 2],
    plan: impl Into<Sampling>,
    inner: usize,
    rng: &mut G,
) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    check_apart(sets)?;
    mean_of_terms(density, &conditional_terms(sets), plan.into(), inner, rng)
}

/// ln p(x_S), the log-density of some manifolds with the others integrated out, for rows of embedded coordinates.
///
/// Exact where S is the first manifolds; else a mean over `inner` draws of the others for each row, corrected for the bias of the logarithm
/// ([module](self)). The rows need `inner` times their memory.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e1 + e1 : x + x), f64>();
/// // The second of two independent normal numbers, at 0.
/// let found = estimators::marginal_log_prob(&pdf, &[5.0, 0.0], &[1], 10, &mut rng)?;
/// assert!((found[0] + 0.5 * std::f64::consts::TAU.ln()).abs() < 1e-12);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// There is no such manifold; `inner` is below 2; a point is not finite or not on its manifold; a value leaves the range of the numbers.
pub fn marginal_log_prob<E, D, G>(
    density: &D,
    points: &[E],
    manifolds: &[usize],
    inner: usize,
    rng: &mut G,
) -> Result<Vec<f64>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let chosen = check_manifolds(manifolds, density.manifolds().len())?;
    let last = chosen[chosen.len() - 1];
    if last + 1 == chosen.len() {
        return Ok(wide(&density.log_prob_of(points, 0..chosen.len())?));
    }
    let current = others_anew(density, points, &chosen, inner, rng)?;
    let logs = log_prob_of_runs(density, &current, &runs(&chosen)[1])?;
    Ok(logs.chunks_exact(inner).map(|own| corrected_log_mean(own).0).collect())
}

/// The manifolds up to the last chosen one in runs of neighbours: those between the chosen ones, and the chosen ones.
fn runs(chosen: &[usize]) -> [Vec<Range<usize>>; 2] {
    let (mut between, mut kept): (Vec<Range<usize>>, Vec<Range<usize>>) = (Vec::new(), Vec::new());
    for k in chosen {
        let end = kept.last().map_or(0, |run| run.end);
        if end < *k {
            between.push(end..*k);
        }
        match kept.last_mut() {
            Some(run) if run.end == *k => run.end = k + 1,
            _ => kept.push(*k..k + 1),
        }
    }
    [between, kept]
}

/// The sum of the log-densities of runs of manifolds, each given those before it.
fn log_prob_of_runs<E: Element, D: Density<E>>(
    density: &D,
    points: &[E],
    runs: &[Range<usize>],
) -> Result<Vec<f64>, Error> {
    let mut sums = vec![0.0; points.len() / D::EMBED];
    for run in runs {
        let own = density.log_prob_of(points, run.clone())?;
        sums.iter_mut().zip(own).for_each(|(sum, l)| *sum += l.widen());
    }
    Ok(sums)
}

/// Each point `inner` times, its manifolds before the last chosen one that are not chosen drawn anew.
fn others_anew<E, D, G>(density: &D, points: &[E], chosen: &[usize], inner: usize, rng: &mut G) -> Result<Vec<E>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    if inner < 2 {
        return Err(Error::argument("inner", "the bias is known from two draws on"));
    }
    let mut current: Vec<E> =
        points.chunks_exact(D::EMBED).flat_map(|row| std::iter::repeat_n(row, inner)).flatten().copied().collect();
    for between in &runs(chosen)[0] {
        redraw(density, &mut current, between.clone(), rng)?;
    }
    Ok(current)
}

/// Draws the manifolds of `part` anew, given those before them.
pub(crate) fn redraw<E, D, G>(density: &D, current: &mut [E], part: Range<usize>, rng: &mut G) -> Result<(), Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let spaces = density.manifolds();
    let fresh: Vec<E> = draw_base(current.len() / D::EMBED * D::DIM, rng);
    // The base points of what is given stay, so that pushing them gives it back.
    let base = if part.start == 0 {
        fresh
    } else {
        let mut base = density.inverse(current, Coordinates::Embedded)?;
        let from = spaces[part.start].columns.start;
        for (row, fresh) in base.chunks_exact_mut(D::DIM).zip(fresh.chunks_exact(D::DIM)) {
            row[from..].copy_from_slice(&fresh[from..]);
        }
        base
    };
    let drawn = density.forward(&base, Coordinates::Embedded)?.points;
    let columns = spaces[part.start].embedded.start..spaces[part.end - 1].embedded.end;
    for (row, drawn) in current.chunks_exact_mut(D::EMBED).zip(drawn.chunks_exact(D::EMBED)) {
        row[columns.clone()].copy_from_slice(&drawn[columns.clone()]);
    }
    Ok(())
}

/// The logarithm of the mean of weights, with the first order of its bias added back, ln m + s^2 / (2 K m^2); and its derivatives by the logarithms
/// of the weights.
fn corrected_log_mean(logs: &[f64]) -> (f64, Vec<f64>) {
    let log_mean = log_mean_exp(logs);
    if log_mean == f64::NEG_INFINITY {
        return (log_mean, vec![0.0; logs.len()]);
    }
    let k = logs.len() as f64;
    let weights: Vec<f64> = logs.iter().map(|l| (l - log_mean).exp()).collect();
    // s^2 / m^2 with weights of mean 1; by ln w_j, sum_i 2 (w_i - 1) dw_i with dw_i = w_i (delta_ij - w_j / K) is 2 w_j (w_j - 1) - 2 w_j sum_i w_i (w_i - 1) / K.
    let squares = weights.iter().map(|w| (w - 1.0).powi(2)).sum::<f64>();
    let by = |w: &f64| w / k + w * ((w - 1.0) - squares / k) / ((k - 1.0) * k);
    (log_mean + squares / (k - 1.0) / (2.0 * k), weights.iter().map(by).collect())
}

/// H(x_S) of some manifolds, the others integrated out, under each condition: the draws of the plan, for each of which `inner` draws of the others.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e1 + s2 : t + f), f64>();
/// let mut rng = StdRng::seed_from_u64(1);
/// let direction = estimators::marginal_entropy(&pdf, &[1], 200, 50, &mut rng)?[0];
/// let given = estimators::conditional_entropy(&pdf, [&[1], &[0]], 200, 2, &mut rng)?[0];
/// // Knowing more leaves less entropy.
/// assert!(given.value < direction.value + 4.0 * direction.standard_error);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// There is no such manifold; the number of draws does not suit its spread; `inner` is below 2 where it is needed; a value leaves the range of the numbers.
pub fn marginal_entropy<E, D, G>(
    density: &D,
    manifolds: &[usize],
    plan: impl Into<Sampling>,
    inner: usize,
    rng: &mut G,
) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    mean_of_terms(density, &vec![(-1.0, manifolds.to_vec())], plan.into(), inner, rng)
}

/// I(x_A; x_B) = E[ln p(x_A, x_B) - ln p(x_A) - ln p(x_B)] between two sets of manifolds, under each condition, in nats.
///
/// Exact log-densities where a set is the first manifolds, means over `inner` draws as in [`marginal_entropy`] elsewhere.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e1 + e1 : x + x), f64>();
/// // Independent: none.
/// let shared = estimators::mutual_information(&pdf, [&[0], &[1]], 100, 20, &mut rng)?[0];
/// assert!(shared.value.abs() < 1e-12);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`marginal_entropy`]; the two sets have a manifold in common.
pub fn mutual_information<E, D, G>(
    density: &D,
    sets: [&[usize]; 2],
    plan: impl Into<Sampling>,
    inner: usize,
    rng: &mut G,
) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    check_apart(sets)?;
    mean_of_terms(density, &shared_terms(sets), plan.into(), inner, rng)
}

/// H(x) on the tape.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
/// let entropy = estimators::entropy_traced(pdf.on_tape(pdf.alloc_grads())?, 100, &mut StdRng::seed_from_u64(1))?;
/// let mut gradients = entropy.value.sum().backward();
/// // t is x = e^l z + o: H grows by 1 with l.
/// let by_weights = flow_runtime::trainers::flat_gradient(&pdf, &mut gradients)?;
/// assert!((by_weights[1] - 1.0).abs() < 0.6);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`entropy`].
pub fn entropy_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    plan: impl Into<Sampling>,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (plan, conditions) = (plan.into(), density.conditions());
    let base = plan.draw(conditions, N, rng)?;
    let log_prob = density.forward_traced_embedded(&base)?.into_log_prob();
    means_traced(negative(log_prob)?, conditions, plan.group()?)
}

/// [`conditional_entropy`] on the tape, between any two sets of manifolds.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e1 + s2 : t + f), f64>();
/// // Of the number given the direction: against the order in which they are written.
/// let found = estimators::conditional_entropy_traced(pdf.on_tape(pdf.alloc_grads())?, [&[0], &[1]], 100, 20, &mut rng)?;
/// let _ = found.value.sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`conditional_entropy`].
pub fn conditional_entropy_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    sets: [&[usize]; 2],
    plan: impl Into<Sampling>,
    inner: usize,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    check_apart(sets)?;
    mean_of_terms_traced(density, &conditional_terms(sets), plan.into(), inner, rng)
}

/// [`marginal_entropy`] on the tape, of any set of manifolds.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e1 + s2 : t + f), f64>();
/// let found = estimators::marginal_entropy_traced(pdf.on_tape(pdf.alloc_grads())?, &[1], 50, 20, &mut rng)?;
/// let _ = found.value.sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`marginal_entropy`].
pub fn marginal_entropy_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    manifolds: &[usize],
    plan: impl Into<Sampling>,
    inner: usize,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    mean_of_terms_traced(density, &vec![(-1.0, manifolds.to_vec())], plan.into(), inner, rng)
}

/// [`mutual_information`] on the tape, between any two sets of manifolds.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e1 + s2 : t + f), f64>();
/// let found = estimators::mutual_information_traced(pdf.on_tape(pdf.alloc_grads())?, [&[0], &[1]], 50, 20, &mut rng)?;
/// let _ = found.value.sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`mutual_information`].
pub fn mutual_information_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    sets: [&[usize]; 2],
    plan: impl Into<Sampling>,
    inner: usize,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    check_apart(sets)?;
    mean_of_terms_traced(density, &shared_terms(sets), plan.into(), inner, rng)
}

/// [`mean_of_terms`] on the tape: the same draws in the same order.
fn mean_of_terms_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    terms: &Terms,
    plan: Sampling,
    inner: usize,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (conditions, count) = (density.conditions(), density.manifolds().len());
    let base = plan.draw(conditions, N, rng)?;
    let (sampling, mut rest) = density.twins()?;
    let mut points = Some(sampling.forward_traced_embedded(&base)?.into_points());
    let mut sum: Option<Traced<(usize,), E>> = None;
    for (i, (factor, manifolds)) in terms.iter().enumerate() {
        let chosen = check_manifolds(manifolds, count)?;
        let own;
        (own, rest) = rest.twins()?;
        // The last to use the points takes their tape.
        let last = i + 1 == terms.len();
        let again = points.as_ref().map(|points| points.retaped::<OwnedTape<E, Cpu>>());
        let Some(used) = (if last { points.take() } else { again }) else { break };
        let log_prob = marginal_log_prob_traced(own, used, &chosen, inner, rng)?;
        sum = Some(match sum {
            None => scaled(log_prob, *factor)?,
            Some(sum) => plus_scaled(sum, log_prob, *factor)?,
        });
    }
    let sum = sum.ok_or(Error::Empty { argument: "manifolds" })?;
    finite("density", &wide(&sum.as_vec()))?;
    means_traced(sum, conditions, plan.group()?)
}

/// [`marginal_log_prob`] on the tape.
fn marginal_log_prob_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    points: Traced<(usize, Const<M>), E>,
    chosen: &[usize],
    inner: usize,
    rng: &mut G,
) -> Result<Traced<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let last = chosen[chosen.len() - 1];
    if last + 1 == chosen.len() {
        return density.log_prob_traced(points, 0..chosen.len());
    }
    let (_, points) = rows(points)?;
    let spaces = density.manifolds();
    let columns: Vec<usize> = chosen.iter().flat_map(|k| spaces[*k].embedded.clone()).collect();
    let (current, log_drawn) = {
        let plain = density.plain();
        let current = others_anew(&plain, &points.as_vec(), chosen, inner, rng)?;
        let log_drawn = log_prob_of_runs(&plain, &current, &runs(chosen)[0])?;
        (current, log_drawn)
    };
    let count = current.len() / M;
    // The chosen columns are those of the point, the others do not move.
    let spread = fused(points, (count, Const::<M>), wide(&current), move |cot| {
        let mut bars = vec![0.0; count / inner * M];
        for (row, cot) in cot.chunks_exact(M).enumerate() {
            columns.iter().for_each(|k| bars[row / inner * M + k] += cot[*k]);
        }
        bars
    })?;
    let (mut logs, traced) = rows(density.log_prob_traced(spread, 0..last + 1)?)?;
    logs.iter_mut().zip(log_drawn).for_each(|(l, q)| *l -= q);
    let (values, slopes): (Vec<f64>, Vec<Vec<f64>>) = logs.chunks_exact(inner).map(corrected_log_mean).unzip();
    fused(traced, (count / inner,), values, move |cot| {
        slopes.iter().zip(cot).flat_map(|(own, c)| own.iter().map(move |s| s * c)).collect()
    })
}
