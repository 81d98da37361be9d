//! Weights to start from (layers.md 3.3).

use super::mlp::{Matrix, Mlp};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// How far networks start from zero: their first weights and biases are divided by this, so that a flow starts at the
/// parameters that it would have without a network.
pub const DAMPING: f64 = 1000.0;

impl Mlp<'_> {
    /// Draws weights to start from: full matrices and their biases uniform within 1 / sqrt(inputs), factors and their
    /// biases normal, but of a highway of low rank only the right factor; all of it divided by `damping`. The bias of
    /// the output becomes `output` where that is given.
    ///
    /// # Panics
    /// If `weights` are not [`Mlp::params`] numbers, or `output` is too long.
    pub fn initial<G: Rng + ?Sized>(&self, rng: &mut G, damping: f64, output: Option<&[f64]>, weights: &mut [f64]) {
        let (linear, mut rest) = (self.in_order().count() - 1, &mut *weights);
        for (index, matrix) in self.in_order().enumerate() {
            let (own, after) = rest.split_at_mut(matrix.params());
            draw(rng, matrix, self.highway() > 0 && index == linear, damping, own);
            rest = after;
        }
        assert!(rest.is_empty(), "more weights than the network has");
        if let Some(output) = output {
            let last = weights.len() - output.len();
            weights[last..].copy_from_slice(output);
        }
    }
}

/// A matrix and its bias.
fn draw<G: Rng + ?Sized>(rng: &mut G, matrix: Matrix, is_highway: bool, damping: f64, numbers: &mut [f64]) {
    let bound = 1.0 / (matrix.from.max(1) as f64).sqrt();
    let right = matrix.to * matrix.rank..matrix.numbers();
    for (i, w) in numbers.iter_mut().enumerate() {
        let is_normal = matrix.rank > 0 && (!is_highway || right.contains(&i));
        let drawn: f64 = if is_normal { rng.sample(StandardNormal) } else { rng.random_range(-bound..bound) };
        *w = drawn / damping;
    }
}
