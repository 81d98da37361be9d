//! Base points: how many, and how they are spread.
//!
//! A draw is x(z) with z standard normal, so any rule that spreads z well makes all expectations better. Three are offered; the gain of each, as
//! error at equal cost, is what `cargo bench --bench estimators` prints.

use crate::error::Error;
use crate::module::Element;
use crate::numeric::special::normal_quantile;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use sobol_burley::{NUM_DIMENSIONS, parts};

/// How base points are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointSet {
    /// Independent standard normal numbers.
    Independent,
    /// Pairs z, -z (Hammersley and Morton 1956, Proceedings of the Cambridge Philosophical Society 52, 449). What is odd in z cancels; of what is even a
    /// pair says the same thing twice, so that its variance doubles.
    Antithetic,
    /// Sobol points, Owen-scrambled (Burley 2020, Journal of Computer Graphics Techniques 9(4)), in independent replicas: the error of a smooth
    /// function falls with up to n^(-3/2) in each replica (Owen 1997, Annals of Statistics 25, 1541), and its standard error comes from the spread of the
    /// replicas. Best with a power of two of points a replica.
    Sobol {
        /// Independent scrambles that share the points. With 16, the standard error itself is known to 18 %.
        replicas: usize,
    },
}

/// How many draws, and how their base points are spread. A plain number is as many independent draws. With a single independent draw, pair or replica
/// the standard error of a mean is infinite.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators::{self, Sampling}, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e2 : gt), f64>();
/// let mut rng = StdRng::seed_from_u64(1);
/// let square = |x: &[f64]| x[0] * x[0];
/// let plain = estimators::expectation(&pdf, 4096, &mut rng, square)?[0];
/// let better = estimators::expectation(&pdf, Sampling::sobol(4096), &mut rng, square)?[0];
/// assert!(better.standard_error < 0.3 * plain.standard_error);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Draws under each condition.
    pub n: usize,
    /// How their base points are spread.
    pub points: PointSet,
}

impl From<usize> for Sampling {
    fn from(n: usize) -> Self {
        Sampling { n, points: PointSet::Independent }
    }
}

/// The replicas of [`Sampling::sobol`].
const REPLICAS: usize = 16;

/// Points that one scrambled sequence has.
const LONGEST: usize = 1 << 16;

impl Sampling {
    /// `n` draws in antithetic pairs.
    pub fn antithetic(n: usize) -> Self {
        Sampling { n, points: PointSet::Antithetic }
    }

    /// `n` draws from 16 scrambled Sobol sequences.
    pub fn sobol(n: usize) -> Self {
        Sampling { n, points: PointSet::Sobol { replicas: REPLICAS } }
    }

    /// How many neighbouring draws depend on each other.
    pub(crate) fn group(&self) -> Result<usize, Error> {
        let (multiple, group) = match self.points {
            PointSet::Independent => (1, 1),
            PointSet::Antithetic => (2, 2),
            PointSet::Sobol { replicas } => (replicas.max(1), self.n / replicas.max(1)),
        };
        if self.n == 0 {
            return Err(Error::argument("n", "0 draws: there is nothing to average over"));
        }
        if !self.n.is_multiple_of(multiple) {
            let message = format!("{} draws do not fall into equal parts: take a multiple of {multiple}", self.n);
            return Err(Error::argument("n", message));
        }
        if matches!(self.points, PointSet::Sobol { .. }) && group > LONGEST {
            let message = format!("{group} points a replica: a sequence has {LONGEST}, take more replicas");
            return Err(Error::argument("n", message));
        }
        Ok(group)
    }

    /// Rows of `dim` base coordinates: under each condition its own draws.
    pub(crate) fn draw<E: Element, G: Rng + ?Sized>(
        &self,
        conditions: usize,
        dim: usize,
        rng: &mut G,
    ) -> Result<Vec<E>, Error> {
        let group = self.group()?;
        let mut base = vec![E::default(); conditions * self.n * dim];
        for part in base.chunks_exact_mut(group * dim) {
            match self.points {
                PointSet::Independent => part.iter_mut().for_each(|z| *z = E::narrow(rng.sample(StandardNormal))),
                PointSet::Antithetic => {
                    let (first, second) = part.split_at_mut(dim);
                    for (z, mirrored) in first.iter_mut().zip(second) {
                        *z = E::narrow(rng.sample(StandardNormal));
                        *mirrored = -*z;
                    }
                }
                PointSet::Sobol { .. } => sobol(part, dim, rng),
            }
        }
        Ok(base)
    }
}

/// Refuses fewer draws than a standard error needs.
pub(crate) fn at_least_two(n: usize) -> Result<(), Error> {
    if n < 2 { Err(Error::argument("n", "a standard error needs two draws at least")) } else { Ok(()) }
}

/// One scrambled sequence of normal points.
///
/// The library returns 24 bits; its parts give all 32 bits of a coordinate, and a uniform number fills in the bits below them, as
/// an Owen scramble of infinite depth would. Beyond the dimensions of the library another, independently scrambled sequence begins.
fn sobol<E: Element, G: Rng + ?Sized>(part: &mut [E], dim: usize, rng: &mut G) {
    let orders: Vec<u32> = (0..dim.div_ceil(NUM_DIMENSIONS as usize)).map(|_| rng.random()).collect();
    let columns: Vec<[u32; 2]> = (0..dim).map(|d| [orders[d / NUM_DIMENSIONS as usize], rng.random()]).collect();
    for (index, row) in part.chunks_exact_mut(dim).enumerate() {
        for (d, (z, [order, scramble])) in row.iter_mut().zip(&columns).enumerate() {
            let shuffled = parts::owen_scramble_rev((index as u32).reverse_bits(), parts::hash(*order));
            let sobol = parts::sobol_rev(shuffled, d as u32 % NUM_DIMENSIONS);
            let bits = parts::owen_scramble_rev(sobol, parts::hash(*scramble)).reverse_bits();
            // In (0, 1): both tails are positive.
            let below: f64 = rng.random_range(f64::MIN_POSITIVE..1.0);
            let unit = 2f64.powi(-32);
            let p = (f64::from(bits) + below) * unit;
            *z = E::narrow(normal_quantile(p, (f64::from(u32::MAX - bits) + (1.0 - below)) * unit));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::special::normal_cdf;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn sobol_points_are_strata_of_every_coordinate_and_replicas_differ() {
        let plan = Sampling { n: 128, points: PointSet::Sobol { replicas: 2 } };
        let dim = NUM_DIMENSIONS as usize + 44;
        let base: Vec<f64> = plan.draw(1, dim, &mut StdRng::seed_from_u64(1)).unwrap();
        let column = |replica: usize, d: usize| -> Vec<f64> {
            base.chunks_exact(dim).skip(64 * replica).take(64).map(|z| normal_cdf(z[d]).0).collect()
        };
        for d in 0..dim {
            for replica in 0..2 {
                let mut strata: Vec<usize> = column(replica, d).iter().map(|p| (p * 64.0) as usize).collect();
                strata.sort_unstable();
                assert!(strata.iter().copied().eq(0..64), "column {d}: {strata:?}");
            }
            assert_ne!(column(0, d), column(1, d));
        }
        // Pairs of the first coordinates fill 8 x 8 boxes, one point each (a net in base 2).
        let boxes = |a: usize, b: usize| {
            let pairs = column(0, a).into_iter().zip(column(0, b));
            let mut boxes: Vec<usize> = pairs.map(|(p, q)| (p * 8.0) as usize * 8 + (q * 8.0) as usize).collect();
            boxes.sort_unstable();
            boxes.dedup();
            boxes.len()
        };
        assert_eq!(boxes(0, 1), 64);
        // Coordinates of different sequences are independent of each other: no such order, but no line either.
        assert!(boxes(0, NUM_DIMENSIONS as usize) > 30);
    }

    #[test]
    fn plans_that_do_not_fit_are_refused() {
        let refused = |plan: Sampling| plan.group().unwrap_err().to_string();
        assert!(refused(Sampling::antithetic(7)).contains("multiple of 2"));
        assert!(refused(Sampling::sobol(100)).contains("multiple of 16"));
        assert!(refused(Sampling::sobol(1 << 21)).contains("take more replicas"));
        assert!(refused(0.into()).contains("nothing to average over"));
        assert_eq!((Sampling::from(1).group().unwrap(), Sampling::sobol(64).group().unwrap()), (1, 4));
    }
}
