//! What estimators and trainers see of a density: log-densities of points and draws from it, whatever flow is behind it.

use crate::error::Error;
use crate::kernels::{Blocks, Coordinates};
use crate::manifolds::Geometry;
use crate::module::{
    Conditional, Element, FeatureSpec, FeaturesFirst, Flow, GivenFlow, Join, Points, Traced, TracedSample,
    Unconditional, Weights, draw_base, embed_rows, intrinsic_rows, letters_of, spaces,
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
    /// What it is.
    pub geometry: Geometry,
    /// Its columns in intrinsic coordinates, and in base coordinates.
    pub columns: Range<usize>,
    /// Its columns in embedded coordinates.
    pub embedded: Range<usize>,
}

impl Space {
    /// Whether this is a sphere of any dimension (embedded coordinates are unit vectors).
    pub fn is_sphere(&self) -> bool {
        self.geometry.is_sphere()
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

/// A density whose chains can be stopped between two letters: what a layer does to the density, from the base to the target.
///
/// A chain `ggg` carries the base to the target in three steps. After n letters it stands at a density of its own, which this shows: by its
/// log-density, and by points on their way. A flow is one; a conditional flow under one row of its features at a time.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Density, Stepwise, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e2 : ggg), f64>();
/// let draws = pdf.draw(100, &mut StdRng::seed_from_u64(1))?.points;
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
pub trait Stepwise<E: Element>: Density<E> {
    /// The letters of each manifold's chain, from the base to the target.
    fn letters(&self) -> Vec<Vec<&'static str>>;

    /// Rows of embedded coordinates, all under one condition, in which `manifold` is where `letters` have carried it: the same rows with
    /// this manifold where it was before them. `log_prob` is the log-determinant of these letters; where `letters` begin with the first, it is
    /// the log-density of the manifold after `letters.end` letters, by the surface measure, given the manifolds before it.
    ///
    /// # Errors
    /// There is no such condition, manifold or letter; a point is not finite or not on its manifold; a value leaves the range of the numbers.
    fn undo(&self, condition: usize, points: &[E], manifold: usize, letters: Range<usize>) -> Result<Draws<E>, Error>;

    /// Embedded to intrinsic coordinates, row by row.
    fn intrinsic(points: &[E]) -> Vec<E>;

    /// `n` points under one condition, in intrinsic coordinates.
    ///
    /// # Errors
    /// There is no such condition; `n` is 0; a value leaves the range of the numbers.
    fn draw_under<G: Rng + ?Sized>(&self, condition: usize, n: usize, rng: &mut G) -> Result<Draws<E>, Error>;

    /// ln p of one manifold after the first `letters` letters of its chain, given the manifolds before it, by the surface measure; of the
    /// manifolds after it nothing is read, but they must hold points. Rows are intrinsic coordinates.
    ///
    /// # Errors
    /// As [`undo`](Stepwise::undo).
    fn log_prob_after(&self, condition: usize, manifold: usize, letters: usize, points: &[E]) -> Result<Vec<E>, Error> {
        Ok(self.undo(condition, &Self::embed(points), manifold, 0..letters)?.log_prob)
    }

    /// Where points come from: rows of intrinsic coordinates at the base of `manifold`, and after each letter of its chain. The last are the points.
    ///
    /// # Errors
    /// As [`undo`](Stepwise::undo).
    fn steps(&self, condition: usize, manifold: usize, points: &[E]) -> Result<Vec<Vec<E>>, Error> {
        let count = self.letters().get(manifold).map_or(0, Vec::len);
        let mut embedded = Self::embed(points);
        // Also where there is nothing to undo: it is what looks at the arguments.
        embedded = self.undo(condition, &embedded, manifold, count..count)?.points;
        let mut steps = vec![points.to_vec()];
        for letter in (0..count).rev() {
            embedded = self.undo(condition, &embedded, manifold, letter..letter + 1)?.points;
            steps.push(Self::intrinsic(&embedded));
        }
        steps.reverse();
        Ok(steps)
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

impl<Tag: 'static, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element> Stepwise<E>
    for Flow<Unconditional<Tag, N, M, B>, W, E, Cpu>
{
    fn letters(&self) -> Vec<Vec<&'static str>> {
        letters_of::<B>()
    }
    fn undo(&self, condition: usize, points: &[E], manifold: usize, letters: Range<usize>) -> Result<Draws<E>, Error> {
        self.rows_undo(&[], condition, points, manifold, letters)
    }
    fn draw_under<G: Rng + ?Sized>(&self, condition: usize, n: usize, rng: &mut G) -> Result<Draws<E>, Error> {
        self.rows_draw_under(&[], condition, n, rng)
    }
    fn intrinsic(points: &[E]) -> Vec<E> {
        intrinsic_rows::<B, E>(points)
    }
}

impl<Tag, F, const N: usize, const M: usize, B, W, E, FB> Stepwise<E>
    for GivenFlow<'_, Conditional<Tag, F, N, M, B>, W, E, FB, NoneTape>
where
    Tag: 'static,
    F: FeatureSpec,
    B: Blocks,
    W: Weights<E>,
    E: Element,
    FB: Dim,
{
    fn letters(&self) -> Vec<Vec<&'static str>> {
        letters_of::<B>()
    }
    fn undo(&self, condition: usize, points: &[E], manifold: usize, letters: Range<usize>) -> Result<Draws<E>, Error> {
        self.flow().rows_undo(&self.features().data, condition, points, manifold, letters)
    }
    fn draw_under<G: Rng + ?Sized>(&self, condition: usize, n: usize, rng: &mut G) -> Result<Draws<E>, Error> {
        self.flow().rows_draw_under(&self.features().data, condition, n, rng)
    }
    fn intrinsic(points: &[E]) -> Vec<E> {
        intrinsic_rows::<B, E>(points)
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

    /// The density after every letter is the one that the letter before it was changed into: by the log-determinants of single letters, by
    /// the whole, and by an integral.
    #[test]
    fn steps_lead_from_the_base_to_the_target() {
        fn check<D: Stepwise<f64>>(density: &D, condition: usize) {
            let draws = density.draw(9, &mut StdRng::seed_from_u64(3)).unwrap();
            let of = condition * 9;
            let (points, embedded) = (&draws.points[of * D::DIM..][..9 * D::DIM], D::embed(&draws.points));
            let embedded = &embedded[of * D::EMBED..][..9 * D::EMBED];
            let mut sum = [0.0; 9];
            for (manifold, letters) in density.letters().iter().enumerate() {
                let all = density.log_prob_after(condition, manifold, letters.len(), points).unwrap();
                let steps = density.steps(condition, manifold, points).unwrap();
                assert_eq!(steps.len(), letters.len() + 1);
                // ln p_n(x_n) = ln p_{n-1}(x_{n-1}) + ln |det| of letter n alone.
                let mut below = density.log_prob_after(condition, manifold, 0, &steps[0]).unwrap();
                for n in 1..=letters.len() {
                    let alone = density.undo(condition, &D::embed(&steps[n]), manifold, n - 1..n).unwrap().log_prob;
                    let here = density.log_prob_after(condition, manifold, n, &steps[n]).unwrap();
                    for i in 0..9 {
                        // The first letter's way ends at the base, whose density it adds.
                        let expected = if n == 1 { alone[i] } else { below[i] + alone[i] };
                        assert!((here[i] - expected).abs() < 1e-8, "{} {expected}", here[i]);
                    }
                    below = here;
                }
                for i in 0..9 {
                    assert!((below[i] - all[i]).abs() < 1e-8);
                    sum[i] += all[i];
                }
            }
            let whole: Vec<f64> = (0..density.conditions()).flat_map(|_| embedded.to_vec()).collect();
            let whole = density.log_prob_part(&whole, 0..usize::MAX).unwrap();
            for i in 0..9 {
                assert!((sum[i] - whole[of + i]).abs() < 1e-9, "the manifolds make up the whole");
            }
        }
        let dev = Cpu::seed_from_u64(5);
        check(&dev.build_module::<flow!(e2 + s2 : gg + fn), f64>(), 0);
        let pdf = dev.build_module::<flow!(e1 + s1 : gt + mo | cond 2), f64>();
        let given = pdf.given(&[[0.1, 0.2], [1.0, -1.0], [0.0, 3.0]]).unwrap();
        check(&given, 0);
        check(&given, 2);
        // Under one condition alone the draws are those of a density that is given nothing else.
        let alone = pdf.given(&[[1.0, -1.0]]).unwrap().draw(4, &mut StdRng::seed_from_u64(1)).unwrap();
        assert_eq!(given.draw_under(1, 4, &mut StdRng::seed_from_u64(1)).unwrap(), alone);
        assert!(given.draw_under(3, 4, &mut StdRng::seed_from_u64(1)).is_err());
        assert!(given.draw_under(0, 0, &mut StdRng::seed_from_u64(1)).is_err());
        for (condition, manifold, letters, wrong) in [
            (3, 0, 0..1, "condition"),
            (0, 2, 0..1, "manifold"),
            (0, 1, 0..3, "letters"),
            (0, 1, Range { start: 2, end: 1 }, "letters"),
        ] {
            let error = given.undo(condition, &[0.0, 1.0, 0.0], manifold, letters).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn the_density_after_each_letter_integrates_to_one() {
        let pdf = Cpu::seed_from_u64(2).build_module::<flow!(e1 : ggt), f64>();
        let h = 0.01;
        let grid: Vec<f64> = (-4000..4000).map(|i| (f64::from(i) + 0.5) * h).collect();
        for letters in 0..=3 {
            let sum: f64 = pdf.log_prob_after(0, 0, letters, &grid).unwrap().iter().map(|l| h * l.exp()).sum();
            assert!((sum - 1.0).abs() < 1e-6, "after {letters}: {sum}");
        }
    }
}
