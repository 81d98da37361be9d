//! What estimators and trainers see of a density: log-densities of points and draws from it, whatever flow is behind it.

use crate::error::Error;
use crate::kernels::Blocks;
use crate::module::{Conditional, Element, FeatureSpec, Flow, GivenFlow, Unconditional, Weights};
use dfdx::shapes::Dim;
use dfdx::tensor::{Cpu, NoneTape};
use rand::Rng;

/// Points drawn from a density, as plain rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Draws<E> {
    /// The points, row after row: for each condition its draws one after the other.
    pub points: Vec<E>,
    /// The log-density of each point.
    pub log_prob: Vec<E>,
}

/// A density, or a batch of densities under as many conditions, in intrinsic coordinates and plain rows.
///
/// An unconditional flow is one density. A conditional flow with features given ([`Flow::given`]) is one density for each row of
/// features.
pub trait Density<E: Element> {
    /// Intrinsic coordinates of a point.
    const DIM: usize;

    /// How many densities this is: rows of features, or 1.
    fn conditions(&self) -> usize;

    /// ln p of rows of `DIM` numbers. The rows are shared out evenly: with n rows a condition, row i lies under condition i / n.
    ///
    /// # Errors
    /// The rows cannot be shared out evenly; a point is not finite or not on its manifold; a value leaves the range of the numbers.
    fn log_prob_rows(&self, points: &[E]) -> Result<Vec<E>, Error>;

    /// `n` points under each condition.
    ///
    /// # Errors
    /// `n` is 0; a value leaves the range of the numbers.
    fn draw<G: Rng + ?Sized>(&self, n: usize, rng: &mut G) -> Result<Draws<E>, Error>;
}

impl<Tag: 'static, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element> Density<E>
    for Flow<Unconditional<Tag, N, M, B>, W, E, Cpu>
{
    const DIM: usize = N;

    fn conditions(&self) -> usize {
        1
    }
    fn log_prob_rows(&self, points: &[E]) -> Result<Vec<E>, Error> {
        self.rows_log_prob(&[], points)
    }
    fn draw<G: Rng + ?Sized>(&self, n: usize, rng: &mut G) -> Result<Draws<E>, Error> {
        let (points, log_prob) = self.rows_draw(&[], n, rng)?;
        Ok(Draws { points, log_prob })
    }
}

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

    fn conditions(&self) -> usize {
        self.features().batch.size()
    }
    fn log_prob_rows(&self, points: &[E]) -> Result<Vec<E>, Error> {
        self.flow().rows_log_prob(&self.features().data, points)
    }
    fn draw<G: Rng + ?Sized>(&self, n: usize, rng: &mut G) -> Result<Draws<E>, Error> {
        let (points, log_prob) = self.flow().rows_draw(&self.features().data, n, rng)?;
        Ok(Draws { points, log_prob })
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
