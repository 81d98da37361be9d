//! A batch and its place in the run: all that the loss of a step depends on beside the weights.

use core::ops::Deref;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// A batch as a loss function sees it: the rows (or what a stream gave), with the batch's place in the run and its own seed.
///
/// It is read as what it holds: `rows.len()`, `rows.iter()`.
///
/// A loss that draws random numbers (augmentation, samples of the model) takes them from [`rng`](Batch::rng): then a resumed run draws the same ones as a run that
/// was never stopped, and the step can be replayed alone.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Fit, flow};
/// use rand::RngExt;
///
/// let mut pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
/// let data: Vec<[f64; 1]> = (0..50).map(|i| [(i as f64).sin()]).collect();
/// Fit { epochs: 2, ..Fit::default() }.run(&mut pdf, data.len(), |pdf, rows, gradients| {
///     let mut rng = rows.rng();
///     // Noise for training, none for validation.
///     let noise = if rows.training() { 0.1 } else { 0.0 };
///     let x = rows.iter().map(|row| data[*row][0] + noise * rng.random_range(-1.0..1.0)).collect();
///     pdf.log_prob(Cpu::default().tensor_from_vec(x, (rows.len(), Const::<1>)).traced(gradients))
/// })?;
/// # Ok::<(), flow_runtime::FitError>(())
/// ```
#[derive(Debug)]
pub struct Batch<'a, B: ?Sized> {
    pub(super) data: &'a B,
    pub(super) place: Place,
}

/// Where a batch stands in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub epoch: usize,
    pub step: usize,
    pub batch: usize,
    pub training: bool,
    pub seed: u64,
}

impl Place {
    /// Batches for validation get the same seeds in every epoch, so that losses can be compared.
    pub fn new(seed: u64, training: bool, [epoch, step, batch]: [usize; 3]) -> Self {
        let name = if training { [1, epoch as u64, batch as u64] } else { [2, 0, batch as u64] };
        Place {
            epoch,
            step,
            batch,
            training,
            seed: name.into_iter().fold(mixed(seed), |h, x| mixed(h.wrapping_add(x))),
        }
    }
}

/// The output function of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a bijection of 64 bits in which every bit of the input reaches every bit of the output.
fn mixed(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl<B: ?Sized> Batch<'_, B> {
    /// The epoch, counted from 0.
    pub fn epoch(&self) -> usize {
        self.place.epoch
    }

    /// The step of the run, counted from 0.
    pub fn step(&self) -> usize {
        self.place.step
    }

    /// Whether weights are changed by this batch; otherwise it is evaluated for validation.
    pub fn training(&self) -> bool {
        self.place.training
    }

    /// The seed of the batch: a function of the seed of the fit, the epoch and the batch's place in it. Batches for validation keep theirs from epoch to epoch.
    pub fn seed(&self) -> u64 {
        self.place.seed
    }

    /// A generator with this seed.
    pub fn rng(&self) -> StdRng {
        StdRng::seed_from_u64(self.place.seed)
    }
}

impl<B: ?Sized> Deref for Batch<'_, B> {
    type Target = B;
    fn deref(&self) -> &B {
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn seeds_differ_but_for_validation_from_epoch_to_epoch() {
        let mut seen = HashSet::new();
        for seed in 0..3 {
            for epoch in 0..20 {
                for batch in 0..20 {
                    assert!(seen.insert(Place::new(seed, true, [epoch, 0, batch]).seed));
                    let fixed = Place::new(seed, false, [epoch, 0, batch]).seed;
                    assert_eq!(seen.insert(fixed), epoch == 0);
                }
            }
        }
    }
}
