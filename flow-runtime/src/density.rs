//! What estimators and trainers see of a density: log-densities of points and draws from it, whatever flow is behind it.

use crate::error::Error;
use crate::kernels::{Blocks, Coordinates};
use crate::module::{
    Conditional, Element, FeatureSpec, FeaturesFirst, Flow, GivenFlow, Join, Points, Traced, TracedSample,
    Unconditional, Weights, draw_base, embed_rows, spaces,
};
use core::ops::Range;
use dfdx::shapes::{Const, Dim};
use dfdx::tensor::{Cpu, NoneTape, OwnedTape};
use rand::Rng;

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
pub struct Space {
    /// The manifold as the notation writes it.
    pub notation: String,
    /// Its columns in intrinsic coordinates, and in base coordinates.
    pub columns: Range<usize>,
    /// Its columns in embedded coordinates.
    pub embedded: Range<usize>,
}

impl Space {
    /// Whether this is a sphere of any dimension (embedded coordinates are unit vectors).
    pub fn is_sphere(&self) -> bool {
        self.notation.starts_with('s')
    }
}

/// A density, or a batch of densities under as many conditions, in plain rows.
///
/// An unconditional flow is one density. A conditional flow with features given ([`Flow::given`]) is one density for each row of
/// features. Rows of points are shared out evenly: with n rows a condition, row i lies under condition i / n.
///
/// Intrinsic coordinates are angles on spheres, with densities by d theta d phi; embedded ones are unit vectors, with densities by the
/// surface measure.
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

    /// How many densities this is: rows of features, or 1.
    fn conditions(&self) -> usize;

    /// The manifolds.
    fn spaces(&self) -> Vec<Space>;

    /// ln p of rows of `DIM` intrinsic coordinates.
    ///
    /// # Errors
    /// The rows cannot be shared out evenly; a point is not finite or not on its manifold; a value leaves the range of the numbers.
    fn log_prob_rows(&self, points: &[E]) -> Result<Vec<E>, Error>;

    /// The sum of ln p(x_k | x_0 .. x_{k-1}) over the manifolds k of `part`, for rows of `EMBED` embedded coordinates, by the surface
    /// measure. Of the manifolds after `part` nothing is read, but they must hold points.
    ///
    /// # Errors
    /// As [`log_prob_rows`](Density::log_prob_rows).
    fn log_prob_part(&self, points: &[E], part: Range<usize>) -> Result<Vec<E>, Error>;

    /// The points of rows of `DIM` base coordinates: draws, if these are drawn from a standard normal distribution.
    ///
    /// # Errors
    /// The rows cannot be shared out evenly; a value leaves the range of the numbers.
    fn push(&self, base: &[E], coordinates: Coordinates) -> Result<Draws<E>, Error>;

    /// The base coordinates of rows of points: [`push`](Density::push) backwards.
    ///
    /// # Errors
    /// As [`log_prob_rows`](Density::log_prob_rows).
    fn pull(&self, points: &[E], coordinates: Coordinates) -> Result<Vec<E>, Error>;

    /// Intrinsic to embedded coordinates, row by row.
    fn embed(points: &[E]) -> Vec<E>;

    /// `n` points under each condition, in intrinsic coordinates.
    ///
    /// # Errors
    /// `n` is 0; a value leaves the range of the numbers.
    fn draw<G: Rng + ?Sized>(&self, n: usize, rng: &mut G) -> Result<Draws<E>, Error> {
        if n == 0 {
            return Err(Error::Empty { argument: "n" });
        }
        self.push(&draw_base(self.conditions() * n * Self::DIM, rng), Coordinates::Intrinsic)
    }
}

/// A density, or a batch of them, on a tape: gradients flow to its weights and to the features it is given.
///
/// It holds the tape, so it is used once. An unconditional flow gets one by [`on_tape`](Flow::on_tape), a conditional one with its features.
/// `N` and `M` count intrinsic and embedded coordinates; rows are shared out as in [`Density`].
#[diagnostic::on_unimplemented(
    message = "this is no density on a tape",
    label = "a differentiable estimator takes a density that holds a tape",
    note = "write `pdf.on_tape(pdf.alloc_grads())?`; of a conditional flow give features with a tape, `pdf.given(features.traced(gradients))?`",
    note = "the same estimator without `_traced` takes any density and gives plain numbers"
)]
pub trait TracedDensity<const N: usize, const M: usize, E: Element>: Sized {
    /// How many densities this is.
    fn conditions(&self) -> usize;

    /// The manifolds.
    fn spaces(&self) -> Vec<Space>;

    /// The points of rows of `N` base coordinates, in intrinsic coordinates.
    ///
    /// # Errors
    /// As [`Density::push`].
    fn push_traced(self, base: &[E]) -> Result<TracedSample<(), (usize, Const<N>), (usize,), E>, Error>;

    /// The points of rows of `N` base coordinates, in embedded coordinates.
    ///
    /// # Errors
    /// As [`Density::push`].
    fn push_traced_embedded(self, base: &[E]) -> Result<TracedSample<(), (usize, Const<M>), (usize,), E>, Error>;

    /// [`Density::log_prob_part`] with gradients to points, weights and features.
    ///
    /// # Errors
    /// As [`Density::log_prob_part`].
    fn log_prob_traced(
        self,
        points: Traced<(usize, Const<M>), E>,
        part: Range<usize>,
    ) -> Result<Traced<(usize,), E>, Error>;

    /// The base coordinates of rows of intrinsic coordinates ([`Density::pull`]) with gradients to weights, features, and points that carry a tape.
    ///
    /// # Errors
    /// As [`Density::pull`].
    fn base_traced<X>(self, points: X) -> Result<Traced<(usize, Const<N>), E>, Error>
    where
        X: Points<N, E>,
        OwnedTape<E, Cpu>: Join<X::Tape, Out = OwnedTape<E, Cpu>>;

    /// The same density without a tape, for what needs numbers only.
    fn plain(&self) -> impl Density<E>;

    /// The same density twice, for what uses it twice. What is made of the two must come together again in one result.
    ///
    /// # Errors
    /// The device fails.
    fn twins(self) -> Result<(Self, Self), Error>;
}

#[diagnostic::do_not_recommend]
impl<Tag: 'static, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element> Density<E>
    for Flow<Unconditional<Tag, N, M, B>, W, E, Cpu>
{
    const DIM: usize = N;
    const EMBED: usize = M;

    fn conditions(&self) -> usize {
        1
    }
    fn spaces(&self) -> Vec<Space> {
        spaces::<B>()
    }
    fn log_prob_rows(&self, points: &[E]) -> Result<Vec<E>, Error> {
        self.rows_log_prob(&[], points)
    }
    fn log_prob_part(&self, points: &[E], part: Range<usize>) -> Result<Vec<E>, Error> {
        self.rows_evaluate(&[], points, part, Coordinates::Embedded, false).map(|(log_prob, _)| log_prob)
    }
    fn push(&self, base: &[E], coordinates: Coordinates) -> Result<Draws<E>, Error> {
        self.rows_push(&[], base, coordinates)
    }
    fn pull(&self, points: &[E], coordinates: Coordinates) -> Result<Vec<E>, Error> {
        self.rows_evaluate(&[], points, 0..B::COUNT, coordinates, true).map(|(_, base)| base)
    }
    fn embed(points: &[E]) -> Vec<E> {
        embed_rows::<B, E>(points)
    }
}

/// A conditional flow is a density only with features given; this holds for none, and says so.
impl<Tag: FeaturesFirst, F: FeatureSpec, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element>
    Density<E> for Flow<Conditional<Tag, F, N, M, B>, W, E, Cpu>
{
    const DIM: usize = N;
    const EMBED: usize = M;

    fn conditions(&self) -> usize {
        unreachable!("no flow meets the bound")
    }
    fn spaces(&self) -> Vec<Space> {
        unreachable!("no flow meets the bound")
    }
    fn log_prob_rows(&self, _: &[E]) -> Result<Vec<E>, Error> {
        unreachable!("no flow meets the bound")
    }
    fn log_prob_part(&self, _: &[E], _: Range<usize>) -> Result<Vec<E>, Error> {
        unreachable!("no flow meets the bound")
    }
    fn push(&self, _: &[E], _: Coordinates) -> Result<Draws<E>, Error> {
        unreachable!("no flow meets the bound")
    }
    fn pull(&self, _: &[E], _: Coordinates) -> Result<Vec<E>, Error> {
        unreachable!("no flow meets the bound")
    }
    fn embed(_: &[E]) -> Vec<E> {
        unreachable!("no flow meets the bound")
    }
}

#[diagnostic::do_not_recommend]
impl<Tag, F, const N: usize, const M: usize, B, W, E, FB> Density<E>
    for GivenFlow<'_, Conditional<Tag, F, N, M, B>, W, E, FB, NoneTape>
where
    Tag: 'static,
    F: FeatureSpec,
    B: Blocks,
    W: Weights<E>,
    E: Element,
    FB: Dim,
{
    const DIM: usize = N;
    const EMBED: usize = M;

    fn conditions(&self) -> usize {
        self.features().batch.size()
    }
    fn spaces(&self) -> Vec<Space> {
        spaces::<B>()
    }
    fn log_prob_rows(&self, points: &[E]) -> Result<Vec<E>, Error> {
        self.flow().rows_log_prob(&self.features().data, points)
    }
    fn log_prob_part(&self, points: &[E], part: Range<usize>) -> Result<Vec<E>, Error> {
        let found = self.flow().rows_evaluate(&self.features().data, points, part, Coordinates::Embedded, false);
        found.map(|(log_prob, _)| log_prob)
    }
    fn push(&self, base: &[E], coordinates: Coordinates) -> Result<Draws<E>, Error> {
        self.flow().rows_push(&self.features().data, base, coordinates)
    }
    fn pull(&self, points: &[E], coordinates: Coordinates) -> Result<Vec<E>, Error> {
        let found = self.flow().rows_evaluate(&self.features().data, points, 0..B::COUNT, coordinates, true);
        found.map(|(_, base)| base)
    }
    fn embed(points: &[E]) -> Vec<E> {
        embed_rows::<B, E>(points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow;
    use dfdx::nn::DeviceBuildExt;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn draws_have_the_log_prob_that_evaluation_gives() {
        fn check<D: Density<f64>>(density: &D, conditions: usize) {
            assert_eq!(density.conditions(), conditions);
            let draws = density.draw(5, &mut StdRng::seed_from_u64(1)).unwrap();
            assert_eq!(draws.points.len(), 5 * conditions * D::DIM);
            let again = density.log_prob_rows(&draws.points).unwrap();
            for (a, b) in draws.log_prob.iter().zip(again) {
                assert!((a - b).abs() < 1e-9);
            }
            assert!(density.draw(0, &mut StdRng::seed_from_u64(1)).is_err());
        }
        let dev = Cpu::default();
        check(&dev.build_module::<flow!(e2 + s2 : gg + f), f64>(), 1);
        let pdf = dev.build_module::<flow!(e1 + s1 : g + y | cond 2), f64>();
        let given = pdf.given(&[[0.1, 0.2], [1.0, -1.0], [0.0, 3.0]]).unwrap();
        check(&given, 3);
        assert!(given.log_prob_rows(&[0.0; 8]).unwrap_err().to_string().contains("holds 8 numbers"));
    }
}
