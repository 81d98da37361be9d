//! Entropies, and mutual information between the manifolds of a product.
//!
//! In nats, by the surface measure (so that those of spheres do not depend on where the poles are). A product of manifolds is an
//! autoregressive one, p(x_0) p(x_1 | x_0) .., so that
//! ```text
//! H(x)             = -E[ln p(x)]                                    exact density: unbiased
//! H(x_k | x_{<k})  = -E[ln p(x_k | x_{<k})]                         the same
//! H(x_0 .. x_k)    = -E[ln p(x_0 .. x_k)]                           the same
//! H(x_S)           = -E[ln p(x_S)],  p(x_S) = E_{x'}[prod_{k in S} p(x_k | x'_{<k})]      otherwise
//! ```
//! where the manifolds outside S are drawn anew, x', each time. The inner mean over K such draws is unbiased for p(x_S); its logarithm is low by
//! Var / (2 K p^2) to first order, and that is added back: what is left is of order 1 / K^2. (The ancestor averages over the sample itself, the
//! point's own x_{<k} among it, which biases the entropy low by about 1 / K of the mutual information's exponential.)

use super::base::Plan;
use super::estimate::{Estimate, TracedEstimate, finite, fused, log_mean_exp, means_traced, negative, rows, wide};
use crate::density::{Density, TracedDensity};
use crate::error::Error;
use crate::kernels::Coordinates;
use crate::module::{Element, Traced, draw_base};
use core::ops::Range;
use dfdx::shapes::Const;
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
pub fn entropy<E, D, G>(density: &D, plan: impl Into<Plan>, rng: &mut G) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let plan = plan.into();
    let base = plan.draw(density.conditions(), D::DIM, rng)?;
    let draws = density.push(&base, Coordinates::Embedded)?;
    minus_means(&wide(&draws.log_prob), plan)
}

/// Per condition minus the mean of log-densities.
pub(crate) fn minus_means(log_prob: &[f64], plan: Plan) -> Result<Vec<Estimate>, Error> {
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

/// Refuses a run of manifolds that is empty or not there.
fn check_part(part: &Range<usize>, count: usize) -> Result<(), Error> {
    if part.is_empty() || part.end > count {
        let message = format!("{}..{} are no manifolds: there are {count}, from 0 on", part.start, part.end);
        return Err(Error::argument("part", message));
    }
    Ok(())
}

/// H(x_k | x_0 .. x_{k-1}) of manifold number k, given the manifolds before it, under each condition. Unbiased.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e1 + e1 : x + x), f64>();
/// let half = estimators::conditional_entropy(&pdf, 1, 1000, &mut rng)?[0];
/// assert!(half.pull(0.5 * (1.0 + std::f64::consts::TAU.ln())).abs() < 4.0);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`entropy`]; there is no such manifold.
pub fn conditional_entropy<E, D, G>(
    density: &D,
    manifold: usize,
    plan: impl Into<Plan>,
    rng: &mut G,
) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    check_manifolds(&[manifold], density.spaces().len())?;
    let plan = plan.into();
    let base = plan.draw(density.conditions(), D::DIM, rng)?;
    let draws = density.push(&base, Coordinates::Embedded)?;
    minus_means(&wide(&density.log_prob_part(&draws.points, manifold..manifold + 1)?), plan)
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
    let spaces = density.spaces();
    let chosen = check_manifolds(manifolds, spaces.len())?;
    let prefix = (0..).zip(&chosen).take_while(|(i, k)| i == *k).count();
    let exact = match prefix {
        0 => vec![0.0; points.len() / D::EMBED],
        _ => wide(&density.log_prob_part(points, 0..prefix)?),
    };
    if prefix == chosen.len() {
        return Ok(exact);
    }
    if inner < 2 {
        return Err(Error::argument("inner", "the bias is known from two draws on"));
    }
    let mut current: Vec<E> =
        points.chunks_exact(D::EMBED).flat_map(|row| std::iter::repeat_n(row, inner)).flatten().copied().collect();
    let copies = current.len() / D::EMBED;
    let mut log_weights = vec![0.0; copies];
    let mut at = prefix;
    for k in &chosen[prefix..] {
        if at < *k {
            redraw(density, &mut current, at..*k, rng)?;
        }
        let own = density.log_prob_part(&current, *k..*k + 1)?;
        log_weights.iter_mut().zip(own).for_each(|(sum, l)| *sum += l.widen());
        at = *k + 1;
    }
    Ok(exact.iter().zip(log_weights.chunks_exact(inner)).map(|(l, own)| l + corrected_log_mean(own)).collect())
}

/// Draws the manifolds of `part` anew, given those before them.
fn redraw<E, D, G>(density: &D, current: &mut [E], part: Range<usize>, rng: &mut G) -> Result<(), Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let spaces = density.spaces();
    let fresh: Vec<E> = draw_base(current.len() / D::EMBED * D::DIM, rng);
    // The base points of what is given stay, so that pushing them gives it back.
    let base = if part.start == 0 {
        fresh
    } else {
        let mut base = density.pull(current, Coordinates::Embedded)?;
        let from = spaces[part.start].columns.start;
        for (row, fresh) in base.chunks_exact_mut(D::DIM).zip(fresh.chunks_exact(D::DIM)) {
            row[from..].copy_from_slice(&fresh[from..]);
        }
        base
    };
    let drawn = density.push(&base, Coordinates::Embedded)?.points;
    let columns = spaces[part.start].embedded.start..spaces[part.end - 1].embedded.end;
    for (row, drawn) in current.chunks_exact_mut(D::EMBED).zip(drawn.chunks_exact(D::EMBED)) {
        row[columns.clone()].copy_from_slice(&drawn[columns.clone()]);
    }
    Ok(())
}

/// The logarithm of the mean of weights, with the first order of its bias added back: ln m + s^2 / (2 K m^2).
fn corrected_log_mean(logs: &[f64]) -> f64 {
    let log_mean = log_mean_exp(logs);
    if log_mean == f64::NEG_INFINITY {
        return log_mean;
    }
    let k = logs.len() as f64;
    let variance = logs.iter().map(|l| ((l - log_mean).exp() - 1.0).powi(2)).sum::<f64>() / (k - 1.0);
    log_mean + variance / (2.0 * k)
}

/// H(x_S) of some manifolds, the others integrated out, under each condition: `n` draws, for each of which `inner` draws of the others.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e1 + s2 : t + f), f64>();
/// let mut rng = StdRng::seed_from_u64(1);
/// let direction = estimators::marginal_entropy(&pdf, &[1], 200, 50, &mut rng)?[0];
/// let given = estimators::conditional_entropy(&pdf, 1, 200, &mut rng)?[0];
/// // Knowing more leaves less entropy.
/// assert!(given.value < direction.value + 4.0 * direction.standard_error);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// There is no such manifold; `n` or `inner` is below 2; a value leaves the range of the numbers.
pub fn marginal_entropy<E, D, G>(
    density: &D,
    manifolds: &[usize],
    n: usize,
    inner: usize,
    rng: &mut G,
) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let plan = Plan::from(n);
    let base: Vec<E> = plan.draw(density.conditions(), D::DIM, rng)?;
    let draws = density.push(&base, Coordinates::Embedded)?;
    minus_means(&marginal_log_prob(density, &draws.points, manifolds, inner, rng)?, plan)
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
    [a, b]: [&[usize]; 2],
    n: usize,
    inner: usize,
    rng: &mut G,
) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    if let Some(k) = a.iter().find(|k| b.contains(k)) {
        return Err(Error::argument("manifolds", format!("manifold {k} is in both sets")));
    }
    let plan = Plan::from(n);
    let base: Vec<E> = plan.draw(density.conditions(), D::DIM, rng)?;
    let points = density.push(&base, Coordinates::Embedded)?.points;
    let both = marginal_log_prob(density, &points, &[a, b].concat(), inner, rng)?;
    let first = marginal_log_prob(density, &points, a, inner, rng)?;
    let second = marginal_log_prob(density, &points, b, inner, rng)?;
    let gain: Vec<f64> = (0..both.len()).map(|i| both[i] - first[i] - second[i]).collect();
    finite("density", &gain)?;
    Ok(gain.chunks_exact(n).map(Estimate::of).collect())
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
    plan: impl Into<Plan>,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (plan, conditions) = (plan.into(), density.conditions());
    let base = plan.draw(conditions, N, rng)?;
    let log_prob = density.push_traced_embedded(&base)?.into_log_prob();
    means_traced(negative(log_prob)?, conditions, plan.group()?)
}

/// H(x_k | x_{<k}) on the tape.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e1 + s2 : t + f), f64>();
/// let found = estimators::conditional_entropy_traced(pdf.on_tape(pdf.alloc_grads())?, 1, 100, &mut rng)?;
/// let _ = found.value.sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`conditional_entropy`].
pub fn conditional_entropy_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    manifold: usize,
    plan: impl Into<Plan>,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    check_manifolds(&[manifold], density.spaces().len())?;
    let (plan, conditions) = (plan.into(), density.conditions());
    let base = plan.draw(conditions, N, rng)?;
    let (first, second) = density.twins()?;
    let points = first.push_traced_embedded(&base)?.into_points();
    let log_prob = second.log_prob_traced(points, manifold..manifold + 1)?;
    means_traced(negative(log_prob)?, conditions, plan.group()?)
}

/// H(x_part) of neighbouring manifolds on the tape, those before integrated out: n draws, each of which is also an inner draw of all others
/// (never of itself), so n^2 log-densities.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e1 + s2 : t + f), f64>();
/// let found = estimators::marginal_entropy_traced(pdf.on_tape(pdf.alloc_grads())?, 1..2, 30, &mut rng)?;
/// let _ = found.value.sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`marginal_entropy`]; `n` is below 3.
pub fn marginal_entropy_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    part: Range<usize>,
    n: usize,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    check_part(&part, density.spaces().len())?;
    if part.start > 0 {
        return crossed(density, part, n, rng, false);
    }
    let (plan, conditions) = (Plan::from(n), density.conditions());
    let base = plan.draw(conditions, N, rng)?;
    let (first, second) = density.twins()?;
    let points = first.push_traced_embedded(&base)?.into_points();
    means_traced(negative(second.log_prob_traced(points, part)?)?, conditions, 1)
}

/// I(x_{<part}; x_part) between neighbouring manifolds and all before them, on the tape, as in [`marginal_entropy_traced`].
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e1 + s2 : t + f), f64>();
/// let found = estimators::mutual_information_traced(pdf.on_tape(pdf.alloc_grads())?, 1..2, 30, &mut rng)?;
/// let _ = found.value.sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`marginal_entropy_traced`]; nothing is before `part`.
pub fn mutual_information_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    part: Range<usize>,
    n: usize,
    rng: &mut G,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    check_part(&part, density.spaces().len())?;
    if part.start == 0 {
        return Err(Error::argument(
            "part",
            "nothing is before manifold 0: there is nothing to share information with",
        ));
    }
    crossed(density, part, n, rng, true)
}

/// Every draw's part under every draw's earlier manifolds: L_ij = ln p(y_i | x_j). With a_i = ln mean_{j != i} exp L_ij, corrected for its bias, the
/// marginal entropy is -mean a_i and the mutual information mean (L_ii - a_i).
fn crossed<const N: usize, const M: usize, E, D, G>(
    density: D,
    part: Range<usize>,
    n: usize,
    rng: &mut G,
    information: bool,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    if n < 3 {
        return Err(Error::argument("n", "a point and two others are needed at least"));
    }
    let conditions = density.conditions();
    let before = density.spaces()[part.start].embedded.start;
    let base: Vec<E> = draw_base(conditions * n * N, rng);
    let (first, second) = density.twins()?;
    let crossing = cross(first.push_traced_embedded(&base)?.into_points(), before, n)?;
    let (logs, traced) = rows(second.log_prob_traced(crossing, part)?)?;
    finite("density", &logs)?;

    let others = (n - 1) as f64;
    let mut found = Vec::with_capacity(conditions);
    let mut slopes = vec![0.0; logs.len()];
    for (own, slope) in logs.chunks_exact(n * n).zip(slopes.chunks_exact_mut(n * n)) {
        let mut influence = vec![0.0; n];
        for i in 0..n {
            let row = &own[i * n..][..n];
            let rest: Vec<f64> = (0..n).filter(|j| *j != i).map(|j| row[j]).collect();
            let log_mean = log_mean_exp(&rest);
            let weights: Vec<f64> = row.iter().map(|l| (l - log_mean).exp()).collect();
            let spread = (0..n).filter(|j| *j != i).map(|j| (weights[j] - 1.0).powi(2)).sum::<f64>() / (others - 1.0);
            let a = log_mean + spread / (2.0 * others);
            influence[i] += if information { row[i] - a } else { -a };
            for j in (0..n).filter(|j| *j != i) {
                let w = weights[j];
                // A draw also moves the others' means: the projection of a U-statistic (Hoeffding 1948).
                influence[j] -= (w - 1.0) / others;
                let by_log = w * (1.0 / others + (w - 1.0) / ((others - 1.0) * others) - spread / (others * others));
                slope[i * n + j] = -by_log / n as f64;
            }
            if information {
                slope[i * n + i] = 1.0 / n as f64;
            }
        }
        // The projections sum to the estimate: sum_j of (w - 1) is zero in every row.
        found.push(Estimate::of(&influence));
    }
    let value = fused(traced, (conditions,), found.iter().map(|e| e.value).collect(), move |cot| {
        slopes.iter().enumerate().map(|(k, s)| s * cot[k / (n * n)]).collect()
    })?;
    Ok(TracedEstimate { value, standard_error: found.iter().map(|e| e.standard_error).collect() })
}

/// Rows (i, j) under each condition: columns before `before` of point j, the others of point i.
fn cross<const M: usize, E: Element>(
    points: Traced<(usize, Const<M>), E>,
    before: usize,
    n: usize,
) -> Result<Traced<(usize, Const<M>), E>, Error> {
    let (numbers, points) = rows(points)?;
    let all = numbers.len() / M;
    let rows_of = move || (0..all).flat_map(move |i| (i / n * n..i / n * n + n).map(move |j| (i, j)));
    let source =
        move |(i, j): (usize, usize), column: usize| if column < before { j * M + column } else { i * M + column };
    let crossed =
        rows_of().flat_map(|pair| (0..M).map(move |column| source(pair, column))).map(|s| numbers[s]).collect();
    fused(points, (all * n, Const::<M>), crossed, move |cot| {
        let mut bars = vec![0.0; all * M];
        for (row, pair) in rows_of().enumerate() {
            for column in 0..M {
                bars[source(pair, column)] += cot[row * M + column];
            }
        }
        bars
    })
}
