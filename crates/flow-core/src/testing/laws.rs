//! The laws of layers one by one, at parameters and points of the caller's choice. Each returns how far it is off.
//!
//! They are asked of values ([`Subject`]) and compiled once; the functions of the same names ask them of types.

pub use super::Tolerance;
use super::{Broken, Law, Laws, Points, Report, Walk, check_chain};
use crate::layers::{Chain, ChainType, Fault, Letter, PENALTIES, Prepared, StateTensor, Way};
use crate::manifolds::{Geometry, Manifold};
use crate::numeric::{Lanes, Pack, Scalar};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;
use std::collections::HashSet;

/// A chain on its manifold: what the laws are asked of.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The manifold.
    pub geometry: Geometry,
    /// The chain.
    pub chain: &'a Chain,
}

/// Where a walk leads in a flow of numbers `T`: layers are computed in `f64`, what goes in and comes out is rounded.
struct Rounded<T> {
    point: Vec<T>,
    log_det: T,
    fault: Option<Fault>,
}

fn widen<T: Scalar>(values: &[T]) -> Vec<f64> {
    values.iter().map(|v| v.widen()).collect()
}

fn narrow<T: Scalar>(values: &[f64]) -> Vec<T> {
    values.iter().map(|v| T::narrow(*v)).collect()
}

/// The largest difference of two vectors, relative to the larger of 1 and their largest number: a rotation spreads the rounding
/// of a large coordinate over the small ones beside it.
pub(super) fn distance(a: &[f64], b: &[f64]) -> f64 {
    let largest = b.iter().fold(0.0, |largest: f64, b| largest.max(b.abs()));
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |worst: f64, off| if off.is_nan() { off } else { worst.max(off) })
        / (1.0 + largest)
}

/// Orthonormal directions along the manifold at a point: what its projection makes of the axes.
pub(super) fn tangents(on: Geometry, point: &[f64]) -> Vec<Vec<f64>> {
    let (dim, n) = (on.dim(), on.embedded_dim());
    if dim == n {
        return (0..n).map(|i| (0..n).map(|j| f64::from(i == j)).collect()).collect();
    }
    // Row j of the projection's Jacobian is its pull-back of axis j; a candidate is a column.
    let mut candidates = vec![vec![0.0; n]; n];
    for j in 0..n {
        let axis: Vec<f64> = (0..n).map(|i| f64::from(i == j)).collect();
        let mut row = vec![0.0; n];
        on.project_vjp(point, &axis, &mut row);
        for (candidate, entry) in candidates.iter_mut().zip(row) {
            candidate[j] = entry;
        }
    }
    let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    while basis.len() < dim {
        // The longest of what is left, so that it is well conditioned.
        candidates.sort_by(|a, b| length(a).total_cmp(&length(b)));
        let Some(mut v) = candidates.pop() else { break };
        let norm = length(&v);
        v.iter_mut().for_each(|x| *x /= norm);
        for other in &mut candidates {
            let along: f64 = other.iter().zip(&v).map(|(a, b)| a * b).sum();
            other.iter_mut().zip(&v).for_each(|(a, b)| *a -= along * b);
        }
        basis.push(v);
    }
    basis
}

/// The point reached by walking `step` along the tangent `direction`.
pub(super) fn moved(on: Geometry, point: &[f64], direction: &[f64], step: f64) -> Vec<f64> {
    let ahead: Vec<f64> = point.iter().zip(direction).map(|(p, d)| p + step * d).collect();
    let mut moved = vec![0.0; point.len()];
    on.project(&ahead, &mut moved);
    moved
}

/// Steps of a difference at most.
const STEP: f64 = 1e-4;
/// What a second step is shorter by.
const SHORTER: f64 = 1.0 / 64.0;
/// A boundary is at least this many steps away.
const ROOM: f64 = 100.0;

/// A step along a tangent that keeps well inside a boundary: where walking straight on leaves the manifold in the second order only.
pub(super) fn step_along(manifold: Geometry, point: &[f64], direction: &[f64]) -> f64 {
    let mut step = STEP;
    let straight = |by: f64| {
        let on = moved(manifold, point, direction, by);
        let off = point.iter().zip(direction).zip(on).map(|((p, d), on)| (p + by * d - on).abs()).fold(0.0, f64::max);
        off <= 2.0 * by * by + 1e-15
    };
    while !(straight(ROOM * step) && straight(-ROOM * step)) && step > 1e-12 {
        step *= 0.5;
    }
    step
}

/// Derivative of `f` at 0 by a five-point central difference.
pub(super) fn difference(step: f64, mut f: impl FnMut(f64) -> f64) -> f64 {
    (8.0 * (f(step) - f(-step)) - (f(2.0 * step) - f(-2.0 * step))) / (12.0 * step)
}

/// A derivative by differences, to compare with `exact`. The second derivative of a spline jumps at its knots: where the first step
/// disagrees, one too short to reach a knot that lies beside the point decides.
fn difference_near(exact: f64, tolerance: f64, step: f64, mut f: impl FnMut(f64) -> f64) -> f64 {
    let far = difference(step, &mut f);
    if beyond((far - exact).abs(), tolerance * (1.0 + far.abs())) { difference(step * SHORTER, f) } else { far }
}

/// The volume that vectors span: the root of the determinant of their Gram matrix.
pub(super) fn volume(vectors: &[Vec<f64>]) -> f64 {
    let dot = |a: &Vec<f64>, b: &Vec<f64>| a.iter().zip(b).map(|(a, b)| a * b).sum();
    determinant(vectors.iter().map(|a| vectors.iter().map(|b| dot(a, b)).collect()).collect()).sqrt()
}

fn determinant(mut m: Vec<Vec<f64>>) -> f64 {
    let n = m.len();
    let mut det = 1.0;
    for i in 0..n {
        let pivot = (i..n).max_by(|a, b| m[*a][i].abs().total_cmp(&m[*b][i].abs())).unwrap_or(i);
        m.swap(i, pivot);
        det *= m[i][i];
        for k in i + 1..n {
            let factor = m[k][i] / m[i][i];
            for j in i..n {
                m[k][j] -= factor * m[i][j];
            }
        }
    }
    det.abs()
}

/// Whether a difference is too large; NaN is.
pub(super) fn beyond(off: f64, tolerance: f64) -> bool {
    off.is_nan() || off > tolerance
}

/// How far pairs of an exact and a numerical derivative are apart, relative to the largest.
fn compare(pairs: &[(f64, f64)], tolerance: f64) -> Result<f64, (f64, String)> {
    let largest = pairs.iter().map(|(_, n)| n.abs()).fold(1.0, f64::max);
    let mut worst = 0.0_f64;
    for (i, (exact, numerical)) in pairs.iter().enumerate() {
        let off = (exact - numerical).abs();
        if beyond(off, tolerance * largest) {
            let told = format!("number {i} is {exact} but differences give {numerical} (largest {largest})");
            return Err((off / largest, told));
        }
        worst = worst.max(off / largest);
    }
    Ok(worst)
}

/// How far a lane may be off: vector and scalar functions round differently.
pub(super) const LANES_OFF: f64 = 1e-9;

impl<'a> Subject<'a> {
    /// A chain on a manifold.
    pub fn new(geometry: Geometry, chain: &'a Chain) -> Self {
        Subject { geometry, chain }
    }

    /// A parameter vector a little away from a start of the chain.
    pub fn random_params(&self, rng: &mut StdRng, spread: f64) -> Vec<f64> {
        let mut params = vec![0.0; self.chain.params()];
        self.chain.initial(rng, &mut params);
        for p in &mut params {
            let noise: f64 = rng.sample(StandardNormal);
            *p += spread * noise;
        }
        params
    }

    /// A random point in embedded coordinates, of the reference density (times `width` on Euclidean space).
    pub fn random_point(&self, rng: &mut dyn Rng, width: f64) -> Vec<f64> {
        let base: Vec<f64> = (0..self.geometry.dim()).map(|_| rng.sample::<f64, _>(StandardNormal) * width).collect();
        let mut target = vec![0.0; self.geometry.embedded_dim()];
        self.geometry.from_base(&base, &mut target);
        target
    }

    /// A sample of the chain with these parameters.
    fn sample(&self, rng: &mut StdRng, params: &[f64]) -> Vec<f64> {
        let base = self.random_point(rng, 1.0);
        self.walk(params, &base, false).point
    }

    fn walk(&self, params: &[f64], start: &[f64], inverse: bool) -> Walk<f64> {
        Walk::new(self.chain, params, start, inverse)
    }

    fn rounded<T: Scalar>(&self, params: &[T], start: &[T], inverse: bool) -> Rounded<T> {
        let Walk { point, log_det, fault, .. } = self.walk(&widen(params), &widen(start), inverse);
        Rounded { point: narrow(&point), log_det: T::narrow(log_det), fault }
    }

    /// The letters of the chain.
    fn names(&self) -> String {
        self.chain.letters().iter().map(|letter| letter.name).collect::<Vec<_>>().join(" ")
    }

    /// What a law was asked about: the message of a law that is broken begins with it.
    fn broken(&self, law: Law, params: &[f64], point: &[f64], (off, allowed): (f64, f64), detail: String) -> Broken {
        Broken {
            law,
            layer: self.names().into(),
            manifold: self.geometry.notation().into(),
            point: point.to_vec(),
            params: params.to_vec(),
            off,
            allowed,
            detail: detail.into(),
        }
    }

    /// Round trip in `T` from `start`: the point must come back and the log-determinants must cancel.
    ///
    /// # Errors
    /// They do not.
    pub fn round_trip<T: Scalar>(&self, params: &[f64], start: &[f64], tolerance: f64) -> Result<f64, Broken> {
        let (given_params, given) = (params, start);
        let (params, start) = (narrow::<T>(params), narrow::<T>(start));
        let there = self.rounded(&params, &start, true);
        let back = self.rounded(&params, &there.point, false);
        for (name, w) in [("inverse", &there), ("forward", &back)] {
            if let Some(fault) = w.fault {
                let what = if fault.unconverged { "did not converge" } else { "gave a number that is not finite" };
                let detail = format!("`{name}` of layer {} (`{}`) {what} in {}", fault.layer, fault.name, T::NAME);
                return Err(self.broken(Law::RoundTrip, given_params, given, (f64::NAN, tolerance), detail));
            }
        }
        let off = distance(&widen(&back.point), &widen(&start));
        let sum = (there.log_det + back.log_det).widen().abs() / (1.0 + there.log_det.widen().abs());
        if off <= tolerance && sum <= tolerance {
            return Ok(off.max(sum));
        }
        let (law, by) = if off <= tolerance { (Law::LogDetsCancel, sum) } else { (Law::RoundTrip, off) };
        let detail = format!(
            "in {}: inverse gives {:?}, forward of that gives {:?}; the log-determinants are {} and {}",
            T::NAME,
            there.point,
            back.point,
            there.log_det,
            back.log_det
        );
        Err(self.broken(law, given_params, given, (by, tolerance), detail))
    }

    /// Log-determinant of the inverse against its numerical Jacobian at `start`.
    ///
    /// # Errors
    /// They differ.
    pub fn jacobian(&self, params: &[f64], start: &[f64], tolerance: f64) -> Result<f64, Broken> {
        let here = self.walk(params, start, true);
        let from = tangents(self.geometry, start);
        let to = tangents(self.geometry, &here.point);
        let numerical = |shorter: f64| {
            let along = |direction: &Vec<f64>, axis: &Vec<f64>| {
                difference(step_along(self.geometry, start, direction) * shorter, |h| {
                    let y = self.walk(params, &moved(self.geometry, start, direction, h), true).point;
                    y.iter().zip(axis).zip(&here.point).map(|((y, a), y0)| (y - y0) * a).sum()
                })
            };
            let matrix: Vec<Vec<f64>> = to.iter().map(|axis| from.iter().map(|d| along(d, axis)).collect()).collect();
            determinant(matrix).ln()
        };
        // See `difference_near`.
        let off = |numerical: f64| (numerical - here.log_det).abs() / (1.0 + here.log_det.abs());
        let first = off(numerical(1.0));
        if !beyond(first, tolerance) {
            return Ok(first);
        }
        let numerical = numerical(SHORTER);
        let off = off(numerical);
        if !beyond(off, tolerance) {
            return Ok(off);
        }
        let detail = format!("`inverse` adds {} where its numerical Jacobian gives {numerical}", here.log_det);
        Err(self.broken(Law::LogDet, params, start, (off, tolerance), detail))
    }

    /// The log-determinant alone ([`Way::LogDet`]) and its derivatives against those on the way to the base.
    fn log_det_alone(&self, params: &[f64], start: &[f64]) -> Result<(), Broken> {
        /// Both ways round alike.
        const ALIKE: f64 = 1e-11;
        let chain = self.chain;
        let mut whole = self.walk(params, start, true);
        let mut cot = vec![0.0; start.len()];
        let by_prepared = whole.pull(chain, &mut cot, 1.0);

        let mut alone = whole.clone();
        let (mut cot_alone, mut by_prepared_alone) = (vec![0.0; start.len()], vec![0.0; chain.prepared()]);
        let (mut x, mut none) = (start.to_vec(), [0.0; PENALTIES]);
        alone.log_det = 0.0;
        let Walk { prepared, scratch, log_det, fault, .. } = &mut alone;
        let (prepared, all) = (Prepared::<f64>::Each(prepared), 0..chain.len());
        chain.inverse(Way::LogDet, all, prepared, &mut x, log_det, &mut none, scratch, fault);
        chain.inverse_vjp(Way::LogDet, prepared, scratch, &mut cot_alone, &1.0, &none, &mut by_prepared_alone);
        let told = |off: f64, detail: String| Err(self.broken(Law::LogDet, params, start, (off, ALIKE), detail));
        let off = (alone.log_det - whole.log_det).abs() / (1.0 + whole.log_det.abs());
        if beyond(off, ALIKE) {
            return told(off, format!("`inverse_log_det` adds {}, `inverse` {}", alone.log_det, whole.log_det));
        }
        let off = distance(&cot_alone, &cot).max(distance(&by_prepared_alone, &by_prepared));
        if beyond(off, ALIKE) {
            return told(off, "`inverse_log_det_vjp` differs from `inverse_vjp`".into());
        }
        Ok(())
    }

    /// All derivatives of one direction against central differences: a random combination of the result's coordinates and
    /// the log-determinant, differentiated with respect to the point and every parameter.
    ///
    /// # Errors
    /// They differ.
    pub fn gradients(
        &self,
        rng: &mut StdRng,
        params: &[f64],
        start: &[f64],
        inverse: bool,
        tolerance: f64,
    ) -> Result<f64, Broken> {
        let weights: Vec<f64> = start.iter().map(|_| rng.sample(StandardNormal)).collect();
        let det_weight: f64 = rng.sample(StandardNormal);
        let objective = |params: &[f64], start: &[f64]| {
            let w = self.walk(params, start, inverse);
            w.point.iter().zip(&weights).map(|(a, b)| a * b).sum::<f64>() + det_weight * w.log_det
        };
        let mut cot = weights.clone();
        let cot_params = self.walk(params, start, inverse).pull_params(self.chain, params, &mut cot, det_weight);
        if inverse && self.chain.has_log_det_only() {
            self.log_det_alone(params, start)?;
        }

        let direction = if inverse { "inverse" } else { "forward" };
        let compared = |pairs: &[(f64, f64)], law: Law, of: &str| {
            compare(pairs, tolerance).map_err(|(off, e)| {
                let detail = format!("`{direction}_vjp`, derivatives by {of}: {e}");
                self.broken(law, params, start, (off, tolerance), detail)
            })
        };
        let on = self.geometry;
        let mut pairs = Vec::new();
        for d in tangents(on, start) {
            let exact: f64 = cot.iter().zip(&d).map(|(a, b)| a * b).sum();
            let step = step_along(on, start, &d);
            let numerical = difference_near(exact, tolerance, step, |h| objective(params, &moved(on, start, &d, h)));
            pairs.push((exact, numerical));
        }
        let by_point = compared(&pairs, Law::PointGradient, "the point")?;
        let mut pairs = Vec::new();
        for k in 0..params.len() {
            let numerical = difference_near(cot_params[k], tolerance, STEP, |h| {
                let mut shifted = params.to_vec();
                shifted[k] += h;
                objective(&shifted, start)
            });
            pairs.push((cot_params[k], numerical));
        }
        Ok(by_point.max(compared(&pairs, Law::ParameterGradient, "the parameters (and `prepare_vjp`)")?))
    }

    /// A pack of points, each with its own parameters, gives in every lane what the scalar path gives.
    ///
    /// # Errors
    /// A lane differs.
    pub fn lanes_agree(&self, rng: &mut StdRng, params: &[Vec<f64>], points: &[Vec<f64>]) -> Result<f64, Broken> {
        type R = Lanes<f64, 8>;
        let pick = |rows: &[Vec<f64>]| -> Vec<R> {
            (0..rows[0].len()).map(|j| R::from_fn(|l| rows[l % rows.len()][j])).collect()
        };
        let (chain, packed) = (self.chain, pick(params));
        let weights: Vec<f64> = points[0].iter().map(|_| rng.sample(StandardNormal)).collect();
        let mut worst = 0.0_f64;
        for inverse in [true, false] {
            let mut together = Walk::new(chain, &packed, &pick(points), inverse);
            let mut cot: Vec<R> = weights.iter().map(|w| R::from_fn(|_| *w)).collect();
            let cot_prepared = together.pull(chain, &mut cot, R::from_fn(|_| 1.0));
            let (x, log_det) = (together.point, together.log_det);
            for lane in 0..R::LANES {
                let params = &params[lane % params.len()];
                let mut w = self.walk(params, &points[lane % points.len()], inverse);
                let mut single = weights.clone();
                let single_prepared = w.pull(chain, &mut single, 1.0);
                let of = |values: &[R]| values.iter().map(|v| v.lane(lane)).collect::<Vec<f64>>();
                let off = distance(&of(&x), &w.point)
                    .max(distance(&of(&cot), &single))
                    .max(distance(&of(&cot_prepared), &single_prepared))
                    .max((log_det.lane(lane) - w.log_det).abs() / (1.0 + w.log_det.abs()));
                if beyond(off, LANES_OFF) {
                    let direction = if inverse { "inverse" } else { "forward" };
                    let detail =
                        format!("lane {lane} of `{direction}` and its derivatives differs from the scalar path");
                    let point = &points[lane % points.len()];
                    return Err(self.broken(Law::Lanes, params, point, (off, LANES_OFF), detail));
                }
                worst = worst.max(off);
            }
        }
        Ok(worst)
    }

    /// The tensors that each layer states make up its parameters, and have names of their own.
    ///
    /// # Errors
    /// They do not.
    pub fn state(&self) -> Result<(), Broken> {
        let told = |detail| Err(self.broken(Law::State, &[], &[], (f64::NAN, 0.0), detail));
        for Letter { name, params, state, .. } in self.chain.letters() {
            let numbers: usize = state.iter().map(StateTensor::numbers).sum();
            if numbers != params {
                return told(format!("`{name}` has {params} parameters, but its tensors {state:?} hold {numbers}"));
            }
            let names: HashSet<&str> =
                state.iter().flat_map(|tensor| [Some(tensor.name), tensor.copy]).flatten().collect();
            let copies = state.iter().filter(|tensor| tensor.copy.is_some()).count();
            if names.len() != state.len() + copies {
                return told(format!("`{name}` has several tensors of one name: {state:?}"));
            }
        }
        Ok(())
    }

    /// Every law: see [`Law`].
    ///
    /// # Errors
    /// The first law that is broken.
    pub fn check(&self, laws: &Laws) -> Result<Report, Broken> {
        self.state()?;
        let Laws { seed, rounds, spread, at, tolerance } = *laws;
        let mut rng = StdRng::seed_from_u64(seed);
        let subject = format!("`{}` on `{}`", self.names(), self.geometry.notation());
        let mut report = Report { subject, rounds, laws: Vec::new() };
        let point = |rng: &mut StdRng, params: &[f64]| match at {
            Points::Reference(width) => self.random_point(rng, width),
            Points::Samples => self.sample(rng, params),
        };
        for _ in 0..rounds {
            let params = self.random_params(&mut rng, spread);
            let start = point(&mut rng, &params);
            let off = self.round_trip::<f64>(&params, &start, tolerance.round_trip)?;
            report.note(Law::RoundTrip, off, tolerance.round_trip);
            let off = self.round_trip::<f32>(&params, &start, Tolerance::ROUND_TRIP_F32)?;
            report.note(Law::RoundTrip, off, Tolerance::ROUND_TRIP_F32);
            let off = self.jacobian(&params, &start, tolerance.jacobian)?;
            report.note(Law::LogDet, off, tolerance.jacobian);
            for inverse in [true, false] {
                let off = self.gradients(&mut rng, &params, &start, inverse, tolerance.gradient)?;
                report.note(Law::PointGradient, off, tolerance.gradient);
            }
        }
        let params: Vec<Vec<f64>> = (0..4).map(|_| self.random_params(&mut rng, spread)).collect();
        let points: Vec<Vec<f64>> = params.iter().map(|params| point(&mut rng, params)).collect();
        report.note(Law::Lanes, self.lanes_agree(&mut rng, &params, &points)?, LANES_OFF);
        Ok(report)
    }
}

// ---- the same of types ----------------------------------------------------------------------------------------------

/// Asks a law of the value of a chain in the type of a flow.
fn of<M: Manifold, C: ChainType<M>, T>(ask: impl FnOnce(&Subject) -> T) -> T {
    ask(&Subject::new(M::geometry(), &C::chain()))
}

/// See [`Subject::random_params`].
pub fn random_params<M: Manifold, C: ChainType<M>>(rng: &mut StdRng, spread: f64) -> Vec<f64> {
    of::<M, C, _>(|subject| subject.random_params(rng, spread))
}

/// See [`Subject::random_point`].
pub fn random_point<M: Manifold>(rng: &mut dyn Rng, width: f64) -> Vec<f64> {
    of::<M, (), _>(|subject| subject.random_point(rng, width))
}

/// See [`Subject::round_trip`].
///
/// # Errors
/// The law is broken.
pub fn round_trip<M: Manifold, C: ChainType<M>, T: Scalar>(
    params: &[f64],
    start: &[f64],
    tolerance: f64,
) -> Result<f64, Broken> {
    of::<M, C, _>(|subject| subject.round_trip::<T>(params, start, tolerance))
}

/// See [`Subject::jacobian`].
///
/// # Errors
/// The law is broken.
pub fn jacobian<M: Manifold, C: ChainType<M>>(params: &[f64], start: &[f64], tolerance: f64) -> Result<f64, Broken> {
    of::<M, C, _>(|subject| subject.jacobian(params, start, tolerance))
}

/// See [`Subject::gradients`].
///
/// # Errors
/// The law is broken.
pub fn gradients<M: Manifold, C: ChainType<M>>(
    rng: &mut StdRng,
    params: &[f64],
    start: &[f64],
    inverse: bool,
    tolerance: f64,
) -> Result<f64, Broken> {
    of::<M, C, _>(|subject| subject.gradients(rng, params, start, inverse, tolerance))
}

/// See [`Subject::lanes_agree`].
///
/// # Errors
/// The law is broken.
pub fn lanes_agree<M: Manifold, C: ChainType<M>>(
    rng: &mut StdRng,
    params: &[Vec<f64>],
    points: &[Vec<f64>],
) -> Result<f64, Broken> {
    of::<M, C, _>(|subject| subject.lanes_agree(rng, params, points))
}

/// See [`Subject::state`].
///
/// # Errors
/// The law is broken.
pub fn state<M: Manifold, C: ChainType<M>>() -> Result<(), Broken> {
    of::<M, C, _>(|subject| subject.state())
}

/// Every law on a chain: random parameters (`spread` away from a start) and points.
///
/// # Errors
/// The first law that is broken.
pub fn check<M: Manifold, C: ChainType<M>>(
    seed: u64,
    rounds: usize,
    spread: f64,
    tolerance: Tolerance,
) -> Result<(), Broken> {
    let laws = Laws { seed, rounds, spread, tolerance, ..Laws::default() };
    check_chain::<M, C>(&laws).map(|_| ())
}

/// The same at samples of the chain itself: for a map that takes most other points to the very rim of the reference density.
///
/// # Errors
/// As [`check`].
pub fn check_samples<M: Manifold, C: ChainType<M>>(
    seed: u64,
    rounds: usize,
    spread: f64,
    tolerance: Tolerance,
) -> Result<(), Broken> {
    let laws = Laws { seed, rounds, spread, tolerance, at: Points::Samples };
    check_chain::<M, C>(&laws).map(|_| ())
}
