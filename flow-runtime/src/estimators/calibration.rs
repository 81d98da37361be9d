//! Calibration: does the truth lie where the density says it does?
//!
//! Every test here turns points (labels, observations) into numbers that are uniform in (0, 1) if, and in the long run only if, the density is right in the respect
//! that is tested; [`Calibration`] then compares them with the diagonal.
//!
//! # On the tape
//! Base coordinates z(x; w) are smooth in weights, features and points, and so are the numbers made of them: [`base_coverage_traced`],
//! [`integral_transform_traced`], and the mean p-value [`goodness_of_fit_traced`]. How far such numbers are from uniform is
//! [`cramer_von_mises_traced`](super::cramer_von_mises_traced). Numbers that are counted have no such form: a share of points below a level
//! ([`Calibration::coverage`]) and a rank among draws ([`highest_density_coverage`], [`marginal_coverage`], [`rank_calibration`]) are step functions of
//! weights and points, with a derivative that is zero wherever there is one, while their expectations move by points that cross the steps. Any smoothing of the
//! steps would be an estimate of something else; what moves a density towards calibration is its likelihood, or the distance above.

use super::base::{Sampling, at_least_two};
use super::entropy::{marginal_log_prob, redraw};
use super::estimate::{Estimate, TracedEstimate, count, finite, fused, rows, wide};
use super::expectation::average;
use super::significance::{
    Test, chi_square_cdf, chi_square_density, chi_square_tail, chi_square_uniform, cramer_von_mises, kolmogorov_smirnov,
};
use crate::density::{Density, ManifoldInfo, draw_base};
use crate::error::Error;
use crate::kernels::Coordinates;
use crate::module::{Element, Join, Points, Traced, TracedDensity};
use crate::numeric::special::{normal_cdf, over_normal_density};
use core::ops::Range;
use dfdx::shapes::Const;
use dfdx::tensor::{Cpu, OwnedTape};
use rand::{Rng, RngExt};

/// Numbers that are uniform in (0, 1) if a density is right, one for each point that was tested.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// The numbers, in the order of the points.
    pub values: Vec<f64>,
}

/// How often the truth lay inside a region that should hold a given share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// The share that the density claims.
    pub expected: f64,
    /// The share that was found, with the error that a right density would have, sqrt(a (1 - a) / n).
    pub observed: Estimate,
}

impl Calibration {
    /// The coverage of the regions with these probabilities: the share of numbers below each.
    pub fn coverage(&self, probabilities: &[f64]) -> Vec<Coverage> {
        let n = self.values.len() as f64;
        let at = |expected: &f64| {
            let inside = self.values.iter().filter(|v| *v <= expected).count() as f64;
            let standard_error = (expected * (1.0 - expected) / n).sqrt();
            Coverage { expected: *expected, observed: Estimate { value: inside / n, standard_error } }
        };
        probabilities.iter().map(at).collect()
    }

    /// [`kolmogorov_smirnov`] of the numbers: sees a shift best.
    pub fn kolmogorov_smirnov(&self) -> Test {
        kolmogorov_smirnov(&self.values)
    }

    /// [`cramer_von_mises`] of the numbers: sees a shift, and less than the other two of anything narrow.
    pub fn cramer_von_mises(&self) -> Test {
        cramer_von_mises(&self.values)
    }

    /// [`chi_square_uniform`] of the numbers: sees any shape that is wider than a bin.
    pub fn chi_square(&self, bins: usize) -> Test {
        chi_square_uniform(&self.values, bins)
    }
}

/// Refuses a run of manifolds that is empty or not there.
fn check_run(manifolds: &Range<usize>, count: usize) -> Result<(), Error> {
    if manifolds.is_empty() || manifolds.end > count {
        let message = format!("{}..{} are no manifolds: there are {count}, from 0 on", manifolds.start, manifolds.end);
        return Err(Error::argument("manifolds", message));
    }
    Ok(())
}

/// The base columns of a run of manifolds.
fn base_columns(spaces: &[ManifoldInfo], manifolds: &Range<usize>) -> Result<Range<usize>, Error> {
    check_run(manifolds, spaces.len())?;
    Ok(spaces[manifolds.start].columns.start..spaces[manifolds.end - 1].columns.end)
}

/// |z|^2 of the base coordinates of some manifolds, and how many coordinates these are.
fn base_squares<E: Element, D: Density<E>>(
    density: &D,
    points: &[E],
    manifolds: Range<usize>,
) -> Result<(Vec<f64>, usize), Error> {
    let columns = base_columns(&density.manifolds(), &manifolds)?;
    let base = wide(&density.inverse(points, Coordinates::Intrinsic)?);
    Ok((squares(&base, D::DIM, &columns), columns.len()))
}

fn squares(base: &[f64], dim: usize, columns: &Range<usize>) -> Vec<f64> {
    base.chunks_exact(dim).map(|z| z[columns.clone()].iter().map(|z| z * z).sum()).collect()
}

/// Coverage from the base density: for each point the probability of the base-ordered region at whose edge it lies, P(chi^2_d <= |z|^2) for its base
/// coordinates z (arXiv:2008.05825). No sampling.
///
/// `manifolds` selects neighbouring ones: `0..count` for the joint density, `k..k + 1` for manifold k given those before it, with its own number
/// of degrees of freedom (the ancestor uses the total for all). The regions are images of balls: of the right probability, but not the
/// smallest ones, and points on spheres are ordered by the angle from where the base has its origin. For smallest regions:
/// [`highest_density_coverage`].
///
/// Rows of points are intrinsic coordinates, shared out evenly over the conditions.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Density, estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e2 + s2 : gg + f), f64>();
/// let truth = pdf.sample_rows(500, &mut StdRng::seed_from_u64(1))?.points;
/// for manifolds in [0..2, 0..1, 1..2] {
///     assert!(estimators::base_coverage(&pdf, &truth, manifolds)?.kolmogorov_smirnov().p_value > 1e-3);
/// }
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// There are no such manifolds; a point is not finite or not on its manifold; the rows cannot be shared out evenly; a value leaves the range of the numbers.
pub fn base_coverage<E: Element, D: Density<E>>(
    density: &D,
    points: &[E],
    manifolds: Range<usize>,
) -> Result<Calibration, Error> {
    let (squares, dim) = base_squares(density, points, manifolds)?;
    Ok(Calibration { values: squares.into_iter().map(|q| chi_square_cdf(q, dim)).collect() })
}

/// [`base_coverage`] on the tape: gradients to weights and features, and to points that carry a tape (rows of arrays are data).
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow};
///
/// let pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
/// let inside = estimators::base_coverage_traced(pdf.on_tape(pdf.alloc_grads())?, &[[0.5], [-1.0]], 0..1)?;
/// assert_eq!(inside.shape(), &(2,));
/// let _ = inside.mean().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`base_coverage`].
pub fn base_coverage_traced<const N: usize, const M: usize, E, D, X>(
    density: D,
    points: X,
    manifolds: Range<usize>,
) -> Result<Traced<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    X: Points<N, E>,
    OwnedTape<E, Cpu>: Join<X::Tape, Out = OwnedTape<E, Cpu>>,
{
    let columns = base_columns(&density.manifolds(), &manifolds)?;
    let (base, traced) = rows(density.inverse_traced(points)?)?;
    let (squares, dim) = (squares(&base, N, &columns), columns.len());
    let values = squares.iter().map(|q| chi_square_cdf(*q, dim)).collect();
    // d F(|z|^2) / dz = 2 z f(|z|^2); of one coordinate 2 |z| f(z^2) is a kink at z = 0, where the middle of both sides is 0.
    fused(traced, (squares.len(),), values, move |cot| {
        let mut bars = vec![0.0; base.len()];
        for (row, q) in squares.iter().enumerate().filter(|(_, q)| **q > 0.0) {
            let slope = 2.0 * chi_square_density(*q, dim) * cot[row];
            columns.clone().for_each(|k| bars[row * N + k] = slope * base[row * N + k]);
        }
        bars
    })
}

/// The p-value of each point under its density: the probability of the base-ordered region outside it, P(chi^2 > |z|^2). For
/// [`goodness_of_fit`], or as a measure of how unusual an observation is.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e2 : x), f64>();
/// let p = estimators::base_p_values(&pdf, &[0.0, 0.0, 3.0, 4.0])?;
/// // exp(-|x|^2 / 2)
/// assert!((p[0] - 1.0).abs() < 1e-12 && (p[1] - (-12.5f64).exp()).abs() < 1e-12);
/// # let _ = &mut rng;
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`base_coverage`].
pub fn base_p_values<E: Element, D: Density<E>>(density: &D, points: &[E]) -> Result<Vec<f64>, Error> {
    let (squares, dim) = base_squares(density, points, 0..density.manifolds().len())?;
    Ok(squares.into_iter().map(|q| chi_square_tail(q, dim)).collect())
}

/// The probability integral transform of Rosenblatt (1952, Annals of Mathematical Statistics 23, 470), which a flow is: Phi(z_i) of each base coordinate i.
/// One calibration a coordinate; together they are also independent of each other.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Density, estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e1 + s2 : gt + f), f64>();
/// let truth = pdf.sample_rows(500, &mut rng)?.points;
/// for coordinate in estimators::integral_transform(&pdf, &truth)? {
///     assert!(coordinate.kolmogorov_smirnov().p_value > 1e-3);
/// }
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`base_coverage`].
pub fn integral_transform<E: Element, D: Density<E>>(density: &D, points: &[E]) -> Result<Vec<Calibration>, Error> {
    let base = wide(&density.inverse(points, Coordinates::Intrinsic)?);
    let column = |i: usize| base.chunks_exact(D::DIM).map(|z| normal_cdf(z[i]).0).collect();
    Ok((0..D::DIM).map(|i| Calibration { values: column(i) }).collect())
}

/// [`integral_transform`] on the tape: shape (rows, N), gradients as in [`base_coverage_traced`].
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow};
///
/// let pdf = Cpu::default().build_module::<flow!(e2 : t), f64>();
/// let share = estimators::integral_transform_traced(pdf.on_tape(pdf.alloc_grads())?, &[[0.5, 0.0], [-1.0, 2.0]])?;
/// assert_eq!(share.shape(), &(2, Const::<2>));
/// let _ = share.mean().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`base_coverage`].
pub fn integral_transform_traced<const N: usize, const M: usize, E, D, X>(
    density: D,
    points: X,
) -> Result<Traced<(usize, Const<N>), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    X: Points<N, E>,
    OwnedTape<E, Cpu>: Join<X::Tape, Out = OwnedTape<E, Cpu>>,
{
    let (base, traced) = rows(density.inverse_traced(points)?)?;
    let values = base.iter().map(|z| normal_cdf(*z).0).collect();
    fused(traced, (base.len() / N, Const), values, move |cot| {
        base.iter().zip(cot).map(|(z, c)| c / over_normal_density(*z)).collect()
    })
}

/// Rows of draws that are held at once.
const AT_ONCE: usize = 1 << 18;

/// For each point the share of `n` draws, its own ones, that score below it: (draws below + u) / (n + 1) with u uniform, which is exactly uniform if point
/// and draws are alike, for any n.
///
/// `scores` is asked for rows `first..first + count` under each condition: the scores of `n` draws for each. Points and draws have to go through the same
/// function, to the last digit: where a density is level, scores are equal, and rounding must not put all draws on one side.
fn ranks<G: Rng + ?Sized>(
    own: &[f64],
    conditions: usize,
    n: usize,
    held: usize,
    rng: &mut G,
    mut scores: impl FnMut([usize; 2], &mut G) -> Result<Vec<f64>, Error>,
) -> Result<Vec<f64>, Error> {
    if n == 0 {
        return Err(Error::Empty { argument: "n" });
    }
    finite("scores", own)?;
    let each = own.len() / conditions;
    let together = (AT_ONCE / (conditions * n * held)).clamp(1, each);
    let mut found = vec![0.0; own.len()];
    for first in (0..each).step_by(together) {
        let count = together.min(each - first);
        let drawn = scores([first, count], rng)?;
        finite("scores", &drawn)?;
        for (i, theirs) in drawn.chunks_exact(n).enumerate() {
            let row = i / count * each + first + i % count;
            let below = theirs.iter().filter(|s| **s < own[row]).count();
            // Draws of exactly the same score count as a group in which the point has any place.
            let same = theirs.iter().filter(|s| **s == own[row]).count();
            let u: f64 = rng.random();
            found[row] = (below as f64 + u * (same as f64 + 1.0)) / (n as f64 + 1.0);
        }
    }
    Ok(found)
}

/// Rows `first..first + count` of each condition, each `n` times.
fn copies<E: Copy>(rows: &[E], columns: usize, conditions: usize, [first, count]: [usize; 2], n: usize) -> Vec<E> {
    let each = rows.len() / columns / conditions;
    let row = |i: usize| &rows[(i / count * each + first + i % count) * columns..][..columns];
    (0..conditions * count).flat_map(|i| std::iter::repeat_n(row(i), n)).flatten().copied().collect()
}

/// Exact coverage of the regions of highest density: for each point the probability of the smallest region it lies in, found with `n` draws of its own under
/// its condition. Works in any dimension, without a grid.
///
/// `manifolds` selects neighbouring ones: `0..count` for the joint density, `k..k + 1` for manifold k given the point's own manifolds before it, as in
/// [`base_coverage`]. For regions of a manifold with all others integrated out: [`marginal_coverage`].
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Density, estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e1 + s2 : gg + f | cond 1), f64>();
/// let given = pdf.given(&vec![[0.5]; 200])?;
/// let mut rng = StdRng::seed_from_u64(1);
/// let truth = given.sample_rows(1, &mut rng)?.points;
/// for manifolds in [0..2, 1..2] {
///     let coverage = estimators::highest_density_coverage(&given, &truth, manifolds, 100, &mut rng)?.coverage(&[0.5, 0.9]);
///     assert!(coverage.iter().all(|c| c.observed.pull(c.expected).abs() < 4.0));
/// }
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`base_coverage`]; `n` is 0.
pub fn highest_density_coverage<E, D, G>(
    density: &D,
    points: &[E],
    manifolds: Range<usize>,
    n: usize,
    rng: &mut G,
) -> Result<Calibration, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    check_run(&manifolds, density.manifolds().len())?;
    // Checks the points, which their embedding does not.
    density.log_prob_rows(points)?;
    let (embedded, conditions) = (D::embed(points), density.conditions());
    let sparse = |points: &[E]| -> Result<Vec<f64>, Error> {
        Ok(density.log_prob_of(points, manifolds.clone())?.iter().map(|l| -l.widen()).collect())
    };
    let values = ranks(&sparse(&embedded)?, conditions, n, 1, rng, |rows, rng| {
        let mut drawn = copies(&embedded, D::EMBED, conditions, rows, n);
        redraw(density, &mut drawn, manifolds.clone(), rng)?;
        sparse(&drawn)
    })?;
    Ok(Calibration { values })
}

/// [`highest_density_coverage`] of any set of manifolds with all others integrated out: of the direction alone, wherever it stands in the product.
///
/// The marginal density is estimated with `inner` draws of the others for each point and each draw ([`marginal_log_prob`]). Both go through the same estimate
/// with noise of their own, so that the numbers are exactly uniform under a right density for any `inner`; a small one costs power only. Takes n inner
/// evaluations a point.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Density, estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e1 + s2 : t + f), f64>();
/// let mut rng = StdRng::seed_from_u64(1);
/// let truth = pdf.sample_rows(100, &mut rng)?.points;
/// let direction = estimators::marginal_coverage(&pdf, &truth, &[1], 50, 10, &mut rng)?;
/// assert!(direction.kolmogorov_smirnov().p_value > 1e-3);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`base_coverage`]; `n` is 0; `inner` is below 2 where it is needed.
pub fn marginal_coverage<E, D, G>(
    density: &D,
    points: &[E],
    manifolds: &[usize],
    n: usize,
    inner: usize,
    rng: &mut G,
) -> Result<Calibration, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    density.log_prob_rows(points)?;
    let conditions = density.conditions();
    let sparse = |points: &[E], rng: &mut G| -> Result<Vec<f64>, Error> {
        Ok(marginal_log_prob(density, points, manifolds, inner, rng)?.iter().map(|l| -l).collect())
    };
    let own = sparse(&D::embed(points), rng)?;
    let values = ranks(&own, conditions, n, inner.max(1), rng, |[_, count], rng| {
        let base: Vec<E> = draw_base(conditions * count * n * D::DIM, rng);
        sparse(&density.forward(&base, Coordinates::Embedded)?.points, rng)
    })?;
    Ok(Calibration { values })
}

/// Simulation-based calibration (Talts and others, arXiv:1804.06788): the rank of a quantity f of the truth, in intrinsic coordinates, among its values at `n` draws
/// under the same condition. f may be a coordinate, a distance, an angle: whatever the density will be used for.
///
/// Uniform for every f, if the density is right; a single coordinate may be right where a combination is not.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Density, estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e2 : gt), f64>();
/// let truth = pdf.sample_rows(300, &mut rng)?.points;
/// let radius = estimators::rank_calibration(&pdf, &truth, 99, &mut rng, |x| x[0].hypot(x[1]))?;
/// assert!(radius.chi_square(10).p_value > 1e-3);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`base_coverage`]; `n` is 0; f is not finite.
pub fn rank_calibration<E, D, G>(
    density: &D,
    points: &[E],
    n: usize,
    rng: &mut G,
    f: impl Fn(&[E]) -> f64,
) -> Result<Calibration, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    density.log_prob_rows(points)?;
    let conditions = density.conditions();
    let score = |points: &[E]| -> Vec<f64> { points.chunks_exact(D::DIM).map(&f).collect() };
    let values = ranks(&score(points), conditions, n, 1, rng, |[_, count], rng| {
        let base: Vec<E> = draw_base(conditions * count * n * D::DIM, rng);
        Ok(score(&density.forward(&base, Coordinates::Intrinsic)?.points))
    })?;
    Ok(Calibration { values })
}

/// The goodness of fit of observations: the posterior predictive p-value of arXiv:2008.05825.
///
/// For an observation x, labels z are drawn from the posterior q(z | x), one condition of `posterior` each, and each is asked how unusual x is under
/// p(x | z); the mean of these p-values is returned, with its standard error. `p_values` is given all draws (rows of intrinsic coordinates, `n` for each
/// observation) and returns one p-value for each: for a flow p(x | z) its [`base_p_values`], which need no simulated observations.
///
/// A small value says that no label the posterior believes in explains the observation: it is of a kind that was not learned from. Posterior predictive
/// p-values crowd around one half where all is well (they use the observation twice: Gelman, Meng and Stern 1996, Statistica Sinica 6, 733), so a small one
/// means more than its number says.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let posterior = dev.build_module::<flow!(e1 : gt | cond 2), f64>();
/// let likelihood = dev.build_module::<flow!(e2 : gt | cond 1), f64>();
/// let observed = [[0.3, -0.2], [60.0, -80.0]];
/// let n = 20;
/// let fit = estimators::goodness_of_fit(&posterior.given(&observed)?, n, &mut StdRng::seed_from_u64(1), |z| {
///     let labels: Vec<[f64; 1]> = z.iter().map(|z| [*z]).collect();
///     let same: Vec<f64> = observed.iter().flat_map(|x| x.repeat(n)).collect();
///     estimators::base_p_values(&likelihood.given(&labels)?, &same)
/// })?;
/// assert!(fit[0].value > 0.01 && fit[1].value < 1e-6);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// Fewer than two draws; those of `p_values`, another number of them, or one outside \[0, 1\]; a value leaves the range of the numbers.
pub fn goodness_of_fit<E, D, G>(
    posterior: &D,
    n: usize,
    rng: &mut G,
    p_values: impl FnOnce(&[E]) -> Result<Vec<f64>, Error>,
) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    at_least_two(n)?;
    let draws = posterior.sample_rows(n, rng)?;
    let found = p_values(&draws.points)?;
    count("p_values", posterior.conditions() * n, found.len())?;
    probabilities_within(&found, 0.0)?;
    Ok(found.chunks_exact(n).map(Estimate::of).collect())
}

/// [`goodness_of_fit`] on the tape: the mean p-value of each observation, with gradients through the draws of the posterior and whatever `p_values` puts on
/// the tape, such as one minus [`base_coverage_traced`] of the likelihood.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let posterior = dev.build_module::<flow!(e1 : gt | cond 2), f64>();
/// let likelihood = dev.build_module::<flow!(e2 : gt | cond 1), f64>();
/// let observed = dev.tensor([[0.3, -0.2], [1.0, 0.5]]);
/// let given = posterior.given(observed.clone().traced(posterior.alloc_grads()))?;
/// let fit = estimators::goodness_of_fit_traced(given, 5, &mut StdRng::seed_from_u64(1), |z| {
///     let same: Vec<[f64; 2]> = observed.array().into_iter().flat_map(|x| [x; 5]).collect();
///     Ok(estimators::base_coverage_traced(likelihood.given(z)?, &same, 0..1)?.negate() + 1.0)
/// })?;
/// let _ = fit.value.mean().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`goodness_of_fit`].
pub fn goodness_of_fit_traced<const N: usize, const M: usize, E, D, G>(
    posterior: D,
    n: usize,
    rng: &mut G,
    p_values: impl FnOnce(Traced<(usize, Const<N>), E>) -> Result<Traced<(usize,), E>, Error>,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    at_least_two(n)?;
    let conditions = posterior.conditions();
    let base: Vec<E> = draw_base(conditions * n * N, rng);
    let found = p_values(posterior.forward_traced(&base)?.into_points())?;
    // What is on the tape may be off by the rounding of its numbers.
    probabilities_within(&wide(&found.as_vec()), E::EPSILON)?;
    average(found, conditions, Sampling::from(n))
}

fn probabilities_within(found: &[f64], rounding: f64) -> Result<(), Error> {
    match found.iter().position(|p| !(-rounding..=1.0 + rounding).contains(p)) {
        Some(row) => Err(Error::argument("p_values", format!("draw {row}: {} is no probability", found[row]))),
        None => Ok(()),
    }
}
