//! What estimators and trainers see of a density: log-densities of points and draws from it, whatever flow is behind
//! it.

use crate::error::Error;
use crate::kernels::{Coordinates, Number};
use core::ops::Range;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// The numbers a flow is built with: `f32` and `f64`.
pub trait Element: Number + dfdx::shapes::Dtype {}
impl Element for f32 {}
impl Element for f64 {}

/// Draws base coordinates, `count` numbers. They are drawn in `f64`, so that a seed gives the same points in both
/// number types.
pub(crate) fn draw_base<G: Rng + ?Sized, E: Element>(count: usize, rng: &mut G) -> Vec<E> {
    (0..count).map(|_| E::narrow(rng.sample(StandardNormal))).collect()
}

/// Points drawn from a density, as plain rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Draws<E> {
    /// The points, row after row: for each condition its draws one after the other.
    pub points: Vec<E>,
    /// The log-density of each point.
    pub log_prob: Vec<E>,
}

/// A manifold of a product, and where its coordinates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifoldInfo {
    /// The manifold as the notation writes it.
    pub notation: String,
    /// Its columns in intrinsic coordinates, and in base coordinates.
    pub columns: Range<usize>,
    /// Its columns in embedded coordinates.
    pub embedded: Range<usize>,
}

impl ManifoldInfo {
    /// Tells whether this is a sphere of any dimension (embedded coordinates are unit vectors).
    pub fn is_sphere(&self) -> bool {
        self.notation.starts_with('s')
    }
}

/// A density, or a batch of densities under as many conditions, in plain rows.
///
/// An unconditional flow is one density. A conditional flow with features given ([`Flow::given`](crate::Flow::given))
/// is one density for each row of features. Rows are grouped by condition: with n rows per condition, row i belongs to
/// condition i / n. The number of rows must be a multiple of the number of conditions.
///
/// Intrinsic coordinates are angles on spheres, with densities by d theta d phi; embedded ones are unit vectors, with
/// densities by the surface measure.
#[diagnostic::on_unimplemented(
    message = "this is no density that an estimator can take",
    label = "expected a flow, or a conditional flow with its features",
    note = "a density on a tape goes to the estimator whose name ends in `_traced`; numbers are of the type that the flow is built with"
)]
pub trait Density<E: Element> {
    /// Intrinsic coordinates of a point, and base coordinates.
    const DIM: usize;
    /// Embedded coordinates of a point.
    const EMBED: usize;

    /// Counts the densities of the batch: rows of features, or 1.
    fn conditions(&self) -> usize;

    /// Lists the manifolds.
    fn manifolds(&self) -> Vec<ManifoldInfo>;

    /// Computes ln p of rows of `DIM` intrinsic coordinates.
    ///
    /// # Errors
    /// The rows cannot be shared out evenly; a point is not finite or not on its manifold; a value leaves the range of
    /// the numbers.
    fn log_prob_rows(&self, points: &[E]) -> Result<Vec<E>, Error>;

    /// Computes the sum of ln p(x_k | x_0 .. x_{k-1}) over the manifolds k of `manifolds`, for rows of `EMBED` embedded
    /// coordinates, by the surface measure. Of the manifolds after these nothing is read, but they must hold points.
    ///
    /// # Errors
    /// As [`log_prob_rows`](Density::log_prob_rows).
    fn log_prob_of(&self, points: &[E], manifolds: Range<usize>) -> Result<Vec<E>, Error>;

    /// Maps rows of `DIM` base coordinates to points: draws, if the rows are drawn from a standard normal distribution.
    ///
    /// # Errors
    /// The rows cannot be shared out evenly; a value leaves the range of the numbers.
    fn forward(&self, base: &[E], coordinates: Coordinates) -> Result<Draws<E>, Error>;

    /// Maps rows of points to base coordinates: [`forward`](Density::forward) backwards.
    ///
    /// # Errors
    /// As [`log_prob_rows`](Density::log_prob_rows).
    fn inverse(&self, points: &[E], coordinates: Coordinates) -> Result<Vec<E>, Error>;

    /// Maps intrinsic to embedded coordinates, row by row.
    fn embed(points: &[E]) -> Vec<E>;

    /// Draws `n` points under each condition, in intrinsic coordinates.
    ///
    /// # Errors
    /// `n` is 0; a value leaves the range of the numbers.
    fn sample_rows<G: Rng + ?Sized>(&self, n: usize, rng: &mut G) -> Result<Draws<E>, Error> {
        if n == 0 {
            return Err(Error::Empty { argument: "n" });
        }
        self.forward(&draw_base(self.conditions() * n * Self::DIM, rng), Coordinates::Intrinsic)
    }
}

/// A density whose chains can be stopped between two letters: what a layer does to the density, from the base to the
/// target.
///
/// A chain `ggg` carries the base to the target in three steps. After n letters it stands at a density of its own,
/// which this shows: by its log-density, and by points on their way. A flow is one; a conditional flow under one row of
/// its features at a time.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Density, Layerwise, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e2 : ggg), f64>();
/// let draws = pdf.sample_rows(100, &mut StdRng::seed_from_u64(1))?.points;
/// let steps = pdf.steps(0, 0, &draws)?; // condition 0, manifold 0
/// assert_eq!(steps.len(), 4); // the base, and after each letter
/// assert_eq!(steps[3], draws);
/// let ln_p = pdf.log_prob_after(0, 0, 2, &steps[2])?; // the density after two letters, at its own points
/// assert_eq!(ln_p.len(), 100);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "the chains of this density cannot be stopped between two letters",
    label = "expected a flow, or a conditional flow with its features",
    note = "of a conditional flow give features first: `pdf.given(&features)?`"
)]
pub trait Layerwise<E: Element>: Density<E> {
    /// Lists the letters of each manifold's chain, from the base to the target.
    fn letters(&self) -> Vec<Vec<&'static str>>;

    /// Takes rows of embedded coordinates backwards through `letters` of one manifold, all rows under one condition.
    ///
    /// In `points`, `manifold` is where `letters` have carried it; the result holds the same rows with this manifold
    /// where it was before them. `log_prob` is the log-determinant of these letters; where `letters` begin with the
    /// first, it is the log-density of the manifold after `letters.end` letters, by the surface measure, given the
    /// manifolds before it.
    ///
    /// # Errors
    /// There is no such condition, manifold or letter; a point is not finite or not on its manifold; a value leaves the
    /// range of the numbers.
    fn inverse_through(
        &self,
        condition: usize,
        points: &[E],
        manifold: usize,
        letters: Range<usize>,
    ) -> Result<Draws<E>, Error>;

    /// Maps embedded to intrinsic coordinates, row by row.
    fn intrinsic(points: &[E]) -> Vec<E>;

    /// Draws `n` points under one condition, in intrinsic coordinates.
    ///
    /// # Errors
    /// There is no such condition; `n` is 0; a value leaves the range of the numbers.
    fn sample_at<G: Rng + ?Sized>(&self, condition: usize, n: usize, rng: &mut G) -> Result<Draws<E>, Error>;

    /// Computes ln p of one manifold after the first `letters` letters of its chain, given the manifolds before it, by
    /// the surface measure. Rows are intrinsic coordinates; of the manifolds after it nothing is read, but they must
    /// hold points.
    ///
    /// # Errors
    /// As [`inverse_through`](Layerwise::inverse_through).
    fn log_prob_after(&self, condition: usize, manifold: usize, letters: usize, points: &[E]) -> Result<Vec<E>, Error> {
        Ok(self.inverse_through(condition, &Self::embed(points), manifold, 0..letters)?.log_prob)
    }

    /// Shows where points come from: rows of intrinsic coordinates at the base of `manifold`, and after each letter of
    /// its chain. The last are the points.
    ///
    /// # Errors
    /// As [`inverse_through`](Layerwise::inverse_through).
    fn steps(&self, condition: usize, manifold: usize, points: &[E]) -> Result<Vec<Vec<E>>, Error> {
        let count = self.letters().get(manifold).map_or(0, Vec::len);
        let mut embedded = Self::embed(points);
        // Also where there is no letter to go through: it is what looks at the arguments.
        embedded = self.inverse_through(condition, &embedded, manifold, count..count)?.points;
        let mut steps = vec![points.to_vec()];
        for letter in (0..count).rev() {
            embedded = self.inverse_through(condition, &embedded, manifold, letter..letter + 1)?.points;
            steps.push(Self::intrinsic(&embedded));
        }
        steps.reverse();
        Ok(steps)
    }
}
