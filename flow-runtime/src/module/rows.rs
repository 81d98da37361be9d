//! Densities as plain rows of numbers: [`Density`] and [`Layerwise`] of flows.

use super::Element;
use super::flow::kernel_calls::{self as calls, Beside};
use super::flow::{Accepted, Conditioned, Flow, FlowSpec, Spec};
use super::misuse::NothingGiven;
use super::points::{FeatureSpec, RowsOnTape};
use super::weights::Weights;
use crate::density::{Density, Draws, Layerwise, ManifoldInfo};
use crate::error::Error;
use crate::kernels::{BlockSummary, Blocks, Coordinates};
use core::ops::Range;
use dfdx::shapes::Dim;
use dfdx::tensor::{Cpu, NoneTape};
use rand::Rng;

/// Lists the manifolds of a flow, and their columns.
pub(crate) fn manifolds<S: Spec>() -> Vec<ManifoldInfo> {
    let (mut dim, mut embed) = (0, 0);
    let place = |block: BlockSummary| {
        let [own_dim, own_embed] = block.coordinates;
        let (columns, embedded) = (dim..dim + own_dim, embed..embed + own_embed);
        (dim, embed) = (columns.end, embedded.end);
        ManifoldInfo { notation: block.manifold, columns, embedded }
    };
    calls::summary::<S>().blocks.into_iter().map(place).collect()
}

/// A flow that is a density without more ado: one without `cond`, or one with features given and no tape.
#[diagnostic::on_unimplemented(
    message = "this is no density that an estimator can take",
    label = "expected a flow, or a conditional flow with its features",
    note = "a density on a tape goes to the estimator whose name ends in `_traced`; numbers are of the type that the flow is built with"
)]
pub trait PlainDensity<E: Element> {
    /// What the flow consists of.
    type Spec: Spec;
    /// Its tensors.
    type Weights: Weights<E>;
    /// Returns the flow with its features in place.
    fn conditioned(&self) -> Conditioned<'_, Self::Spec, Self::Weights, E, usize, NoneTape>;
}

impl<Tag: 'static, F, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element> PlainDensity<E>
    for Flow<FlowSpec<Tag, F, N, M, B>, W, E, Cpu>
where
    F: FeatureSpec + NothingGiven,
{
    type Spec = FlowSpec<Tag, F, N, M, B>;
    type Weights = W;
    fn conditioned(&self) -> Conditioned<'_, Self::Spec, W, E, usize, NoneTape> {
        self.given_nothing()
    }
}

impl<S: Spec, W: Weights<E>, E: Element, FB: Dim> PlainDensity<E> for Conditioned<'_, S, W, E, FB, NoneTape> {
    type Spec = S;
    type Weights = W;
    fn conditioned(&self) -> Conditioned<'_, S, W, E, usize, NoneTape> {
        let features = RowsOnTape::plain(&*self.features.data, self.features.batch.size());
        Conditioned { flow: self.flow, features }
    }
}

impl<E: Element, D: PlainDensity<E>> Density<E> for D {
    const DIM: usize = <D::Spec as Spec>::Blocks::DIM;
    const EMBED: usize = <D::Spec as Spec>::Blocks::EMBED;

    fn conditions(&self) -> usize {
        self.conditioned().features.batch
    }
    fn manifolds(&self) -> Vec<ManifoldInfo> {
        manifolds::<D::Spec>()
    }
    fn log_prob_rows(&self, points: &[E]) -> Result<Vec<E>, Error> {
        let density = self.conditioned();
        let accepted = density.accept_shared(points, Coordinates::Intrinsic)?;
        Ok(density.evaluate_plain(&accepted, points, Beside::Nothing)?.log_prob)
    }
    fn log_prob_of(&self, points: &[E], manifolds: Range<usize>) -> Result<Vec<E>, Error> {
        let density = self.conditioned();
        let accepted = density.accept_shared(points, Coordinates::Embedded)?;
        Ok(density.evaluate_plain(&Accepted { manifolds, ..accepted }, points, Beside::Nothing)?.log_prob)
    }
    fn forward(&self, base: &[E], coordinates: Coordinates) -> Result<Draws<E>, Error> {
        let density = self.conditioned();
        let repeat = density.share_out_base(base)?;
        let (points, log_prob) = density.generate(&density.flow.weights_now(), base, repeat, coordinates)?;
        Ok(Draws { points, log_prob })
    }
    fn inverse(&self, points: &[E], coordinates: Coordinates) -> Result<Vec<E>, Error> {
        let density = self.conditioned();
        let accepted = density.accept_shared(points, coordinates)?;
        Ok(density.evaluate_plain(&accepted, points, Beside::Base)?.beside)
    }
    fn embed(points: &[E]) -> Vec<E> {
        by_row(points, [Self::DIM, Self::EMBED], calls::embed::<D::Spec>)
    }
}

impl<E: Element, D: PlainDensity<E>> Layerwise<E> for D {
    fn letters(&self) -> Vec<Vec<&'static str>> {
        let names = |block: BlockSummary| block.letters.into_iter().map(|letter| letter.name).collect();
        calls::summary::<D::Spec>().blocks.into_iter().map(names).collect()
    }
    fn inverse_through(
        &self,
        condition: usize,
        points: &[E],
        manifold: usize,
        letters: Range<usize>,
    ) -> Result<Draws<E>, Error> {
        let chains = self.letters();
        let chain = chains.get(manifold).ok_or_else(|| {
            Error::argument("manifold", format!("{manifold}: there are {}, counted from 0", chains.len()))
        })?;
        if letters.start > letters.end || letters.end > chain.len() {
            let message = format!("{}..{}: the chain has {} letters", letters.start, letters.end, chain.len());
            return Err(Error::argument("letters", message));
        }
        let density = self.conditioned();
        let density = density.at(condition)?;
        let accepted = density.accept_shared(points, Coordinates::Embedded)?;
        let weights = density.flow.weights_now();
        let request = density.request(&weights, accepted.repeat, Coordinates::Embedded);
        let (points, log_prob) = calls::inverse_through::<D::Spec, E>(request, manifold, &letters, points.to_vec())?;
        Ok(Draws { points, log_prob })
    }
    fn sample_at<G: Rng + ?Sized>(&self, condition: usize, n: usize, rng: &mut G) -> Result<Draws<E>, Error> {
        self.conditioned().at(condition)?.sample_rows(n, rng)
    }
    fn intrinsic(points: &[E]) -> Vec<E> {
        by_row(points, [Self::EMBED, Self::DIM], calls::intrinsic::<D::Spec>)
    }
}

impl<S: Spec, W: Weights<E>, E: Element> Conditioned<'_, S, W, E, usize, NoneTape> {
    /// Returns the density under one row of the features.
    fn at(&self, condition: usize) -> Result<Conditioned<'_, S, W, E, usize, NoneTape>, Error> {
        let conditions = self.features.batch;
        if condition >= conditions {
            return Err(Error::argument("condition", format!("{condition}: there are {conditions}, counted from 0")));
        }
        Ok(self.flow.under(&self.features.data[condition * S::Features::COUNT..][..S::Features::COUNT]))
    }
}

/// Maps rows of numbers to rows of others, in `f64`.
fn by_row<E: Element>(rows: &[E], [columns, into]: [usize; 2], map: impl Fn(&[f64], &mut [f64])) -> Vec<E> {
    let mut mapped = vec![E::default(); rows.len() / columns * into];
    let (mut from, mut to) = (vec![0.0; columns], vec![0.0; into]);
    for (row, out) in rows.chunks_exact(columns).zip(mapped.chunks_exact_mut(into)) {
        from.iter_mut().zip(row).for_each(|(x, e)| *x = e.widen());
        map(&from, &mut to);
        out.iter_mut().zip(&to).for_each(|(e, x)| *e = E::narrow(*x));
    }
    mapped
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
            let draws = density.sample_rows(5, &mut StdRng::seed_from_u64(1)).unwrap();
            assert_eq!(draws.points.len(), 5 * conditions * D::DIM);
            let again = density.log_prob_rows(&draws.points).unwrap();
            for (a, b) in draws.log_prob.iter().zip(again) {
                assert!((a - b).abs() < 1e-9);
            }
            assert!(density.sample_rows(0, &mut StdRng::seed_from_u64(1)).is_err());
        }
        let dev = Cpu::default();
        check(&dev.build_module::<flow!(e2 + s2 : gg + f), f64>(), 1);
        let pdf = dev.build_module::<flow!(e1 + s1 : g + y | cond 2), f64>();
        let given = pdf.given(&[[0.1, 0.2], [1.0, -1.0], [0.0, 3.0]]).unwrap();
        check(&given, 3);
        assert!(given.log_prob_rows(&[0.0; 8]).unwrap_err().to_string().contains("holds 8 numbers"));
    }

    /// The density after every letter is the one that the letter before it was changed into: by the log-determinants of
    /// single letters, by the whole, and by an integral.
    #[test]
    fn steps_lead_from_the_base_to_the_target() {
        fn check<D: Layerwise<f64>>(density: &D, condition: usize) {
            let draws = density.sample_rows(9, &mut StdRng::seed_from_u64(3)).unwrap();
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
                    let alone =
                        density.inverse_through(condition, &D::embed(&steps[n]), manifold, n - 1..n).unwrap().log_prob;
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
            let whole = density.log_prob_of(&whole, 0..usize::MAX).unwrap();
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
        let alone = pdf.given(&[[1.0, -1.0]]).unwrap().sample_rows(4, &mut StdRng::seed_from_u64(1)).unwrap();
        assert_eq!(given.sample_at(1, 4, &mut StdRng::seed_from_u64(1)).unwrap(), alone);
        assert!(given.sample_at(3, 4, &mut StdRng::seed_from_u64(1)).is_err());
        assert!(given.sample_at(0, 0, &mut StdRng::seed_from_u64(1)).is_err());
        for (condition, manifold, letters, wrong) in [
            (3, 0, 0..1, "condition"),
            (0, 2, 0..1, "manifold"),
            (0, 1, 0..3, "letters"),
            (0, 1, Range { start: 2, end: 1 }, "letters"),
        ] {
            let error = given.inverse_through(condition, &[0.0, 1.0, 0.0], manifold, letters).unwrap_err().to_string();
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
