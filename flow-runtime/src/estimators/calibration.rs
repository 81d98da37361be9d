//! Calibration: does the truth lie where the density says it does?
//!
//! Every test here turns points (labels, observations) into numbers that are uniform in (0, 1) if, and in the long run only if, the density is right in the respect
//! that is tested; [`Calibration`] then compares them with the diagonal.

use super::estimate::{Estimate, wide};
use super::significance::{Test, chi_square_cdf, chi_square_tail, chi_square_uniform, kolmogorov_smirnov};
use crate::density::Density;
use crate::error::Error;
use crate::kernels::Coordinates;
use crate::module::{Element, draw_base};
use crate::numeric::special::normal_cdf;
use core::ops::Range;
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

    /// [`chi_square_uniform`] of the numbers: sees any shape that is wider than a bin.
    pub fn chi_square(&self, bins: usize) -> Test {
        chi_square_uniform(&self.values, bins)
    }
}

/// |z|^2 of the base coordinates of some manifolds, and how many coordinates these are.
fn base_squares<E: Element, D: Density<E>>(
    density: &D,
    points: &[E],
    manifolds: Range<usize>,
) -> Result<(Vec<f64>, usize), Error> {
    let spaces = density.spaces();
    if manifolds.is_empty() || manifolds.end > spaces.len() {
        let message =
            format!("{}..{} are no manifolds: there are {}, from 0 on", manifolds.start, manifolds.end, spaces.len());
        return Err(Error::argument("manifolds", message));
    }
    let columns = spaces[manifolds.start].columns.start..spaces[manifolds.end - 1].columns.end;
    let base = wide(&density.pull(points, Coordinates::Intrinsic)?);
    let square = |z: &[f64]| z[columns.clone()].iter().map(|z| z * z).sum();
    Ok((base.chunks_exact(D::DIM).map(square).collect(), columns.len()))
}

/// Coverage from the base density: for each point the probability of the base-ordered region at whose edge it lies, P(chi^2_d <= |z|^2) for its base
/// coordinates z (arXiv:2008.05825, section 4). No sampling.
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
/// let truth = pdf.draw(500, &mut StdRng::seed_from_u64(1))?.points;
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
    let (squares, dim) = base_squares(density, points, 0..density.spaces().len())?;
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
/// let truth = pdf.draw(500, &mut rng)?.points;
/// for coordinate in estimators::integral_transform(&pdf, &truth)? {
///     assert!(coordinate.kolmogorov_smirnov().p_value > 1e-3);
/// }
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`base_coverage`].
pub fn integral_transform<E: Element, D: Density<E>>(density: &D, points: &[E]) -> Result<Vec<Calibration>, Error> {
    let base = wide(&density.pull(points, Coordinates::Intrinsic)?);
    let column = |i: usize| base.chunks_exact(D::DIM).map(|z| normal_cdf(z[i]).0).collect();
    Ok((0..D::DIM).map(|i| Calibration { values: column(i) }).collect())
}

/// Rows of draws that are held at once.
const AT_ONCE: usize = 1 << 18;

/// For each point the share of `n` draws, its own ones, that score below it: (draws below + u) / (n + 1) with u uniform, which is exactly uniform if the point
/// comes from the density, for any n.
fn ranks<E, D, G>(
    density: &D,
    points: &[E],
    n: usize,
    rng: &mut G,
    coordinates: Coordinates,
    scores: impl Fn(&[E], &[E]) -> Vec<f64>,
) -> Result<Vec<f64>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    if n == 0 {
        return Err(Error::Empty { argument: "n" });
    }
    let embedded = D::embed(points);
    let own = match coordinates {
        Coordinates::Intrinsic => scores(points, &density.log_prob_rows(points)?),
        Coordinates::Embedded => scores(&embedded, &density.log_prob_part(&embedded, 0..usize::MAX)?),
    };
    super::estimate::finite("scores", &own)?;
    let conditions = density.conditions();
    let each = own.len() / conditions;
    let together = (AT_ONCE / (conditions * n)).clamp(1, each);
    let mut found = vec![0.0; own.len()];
    for first in (0..each).step_by(together) {
        let count = together.min(each - first);
        let base: Vec<E> = draw_base(conditions * count * n * D::DIM, rng);
        let draws = density.push(&base, coordinates)?;
        let drawn = scores(&draws.points, &draws.log_prob);
        super::estimate::finite("scores", &drawn)?;
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

/// Exact coverage of the regions of highest density: for each point the probability of the smallest region it lies in, found with `n` draws of its own under
/// its condition. Works in any dimension, without a grid.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Density, estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e1 + s2 : gg + f | cond 1), f64>();
/// let given = pdf.given(&vec![[0.5]; 200])?;
/// let mut rng = StdRng::seed_from_u64(1);
/// let truth = given.draw(1, &mut rng)?.points;
/// let coverage = estimators::highest_density_coverage(&given, &truth, 100, &mut rng)?.coverage(&[0.5, 0.9]);
/// assert!(coverage.iter().all(|c| c.observed.pull(c.expected).abs() < 4.0));
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`base_coverage`]; `n` is 0.
pub fn highest_density_coverage<E, D, G>(density: &D, points: &[E], n: usize, rng: &mut G) -> Result<Calibration, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let denser = |_: &[E], log_prob: &[E]| log_prob.iter().map(|l| -l.widen()).collect();
    Ok(Calibration { values: ranks(density, points, n, rng, Coordinates::Embedded, denser)? })
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
/// let truth = pdf.draw(300, &mut rng)?.points;
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
    let score = |points: &[E], _: &[E]| points.chunks_exact(D::DIM).map(&f).collect();
    Ok(Calibration { values: ranks(density, points, n, rng, Coordinates::Intrinsic, score)? })
}

/// The goodness of fit of observations: the posterior predictive p-value of arXiv:2008.05825, section 3.
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
    if n < 2 {
        return Err(Error::argument("n", "a standard error needs two draws at least"));
    }
    let draws = posterior.draw(n, rng)?;
    let found = p_values(&draws.points)?;
    super::estimate::count("p_values", posterior.conditions() * n, found.len())?;
    if let Some(row) = found.iter().position(|p| !(0.0..=1.0).contains(p)) {
        return Err(Error::argument("p_values", format!("draw {row}: {} is no probability", found[row])));
    }
    Ok(found.chunks_exact(n).map(Estimate::of).collect())
}
