//! Networks inside a layer: their weights are parameters of the layer, free or different for each point.
//!
//! The perceptron without highways of layers.md 3.2 (mode 0): in -> h_1 -> .. -> h_k -> out, tanh after all but the last matrix. Flat
//! weights: for each matrix W (out, in) row by row, then its bias. A matrix of low rank is stored as U (out, rank), then V (rank, in),
//! with W = U V.
//!
//! `widths` is (in, h_1, .., h_k, out) everywhere below.

use crate::numeric::{Lift, Real};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// The greatest rank of a matrix stored in two factors.
const MOST_RANK: usize = 64;

/// The shape of a network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mlp<'a> {
    /// The widths of its layers.
    pub widths: &'a [usize],
    /// The rank of its matrices, wherever that saves numbers; 0: the full one.
    pub rank: usize,
}

impl Mlp<'_> {
    /// The rank of a matrix that is stored in two factors.
    const fn factored(&self, layer: usize) -> Option<usize> {
        let (from, to) = (self.widths[layer], self.widths[layer + 1]);
        let least = if from < to { from } else { to };
        let rank = if self.rank < least { self.rank } else { least };
        if rank == 0 || rank * (from + to) >= from * to {
            return None;
        }
        assert!(rank <= MOST_RANK, "networks inside a layer have matrices of at most this rank, or full ones");
        Some(rank)
    }
    /// Numbers of a matrix, without its bias.
    const fn matrix(&self, layer: usize) -> usize {
        let (from, to) = (self.widths[layer], self.widths[layer + 1]);
        match self.factored(layer) {
            Some(rank) => rank * (from + to),
            None => from * to,
        }
    }

    /// Number of weights and biases.
    pub const fn params(&self) -> usize {
        let (mut n, mut layer) = (0, 0);
        while layer + 1 < self.widths.len() {
            n += self.matrix(layer) + self.widths[layer + 1];
            layer += 1;
        }
        n
    }

    /// Number of hidden activations.
    pub const fn hidden(&self) -> usize {
        let (mut n, mut i) = (0, 1);
        while i + 1 < self.widths.len() {
            n += self.widths[i];
            i += 1;
        }
        n
    }

    /// Weights to start from (layers.md 3.3): full matrices and their biases uniform within 1 / sqrt(in), factored ones and their biases
    /// normal, all of it divided by `damping`; and the output starts at the last bias, which is `output`.
    pub fn initial<G: Rng + ?Sized>(&self, rng: &mut G, damping: f64, output: &[f64], weights: &mut [f64]) {
        let mut start = 0;
        for layer in 0..self.widths.len() - 1 {
            let end = start + self.matrix(layer) + self.widths[layer + 1];
            let bound = 1.0 / (self.widths[layer] as f64).sqrt();
            let mut draw = || match self.factored(layer) {
                Some(_) => rng.sample::<f64, _>(StandardNormal),
                None => rng.random_range(-bound..bound),
            };
            weights[start..end].iter_mut().for_each(|w| *w = draw() / damping);
            start = end;
        }
        weights[start - output.len()..].copy_from_slice(output);
    }

    /// The network's output at `input`; leaves the activations of the hidden layers in `hidden`.
    #[inline(always)]
    pub fn evaluate<R: Real, P: Lift<R>>(&self, weights: &[P], input: &[R], hidden: &mut [R], output: &mut [R]) {
        let last = self.widths.len() - 2;
        let (mut weights, mut done) = (weights, 0);
        for (layer, pair) in self.widths.windows(2).enumerate() {
            let (from, to) = (pair[0], pair[1]);
            let (matrix, rest) = weights.split_at(self.matrix(layer));
            let (bias, rest) = rest.split_at(to);
            weights = rest;
            // The activations so far end with those this matrix reads.
            let (before, after) = hidden.split_at_mut(done);
            let read = if layer == 0 { input } else { &before[done - from..] };
            let write = if layer == last { &mut *output } else { &mut after[..to] };
            match self.factored(layer) {
                None => {
                    for ((y, row), bias) in write.iter_mut().zip(matrix.chunks_exact(from)).zip(bias) {
                        *y = bias.lift() + dot(row, read);
                    }
                }
                Some(rank) => {
                    let (left, right) = matrix.split_at(to * rank);
                    for (y, bias) in write.iter_mut().zip(bias) {
                        *y = bias.lift();
                    }
                    for (k, row) in right.chunks_exact(from).enumerate() {
                        let inner = dot(row, read);
                        for (y, row) in write.iter_mut().zip(left.chunks_exact(rank)) {
                            *y += row[k].lift() * inner;
                        }
                    }
                }
            }
            if layer != last {
                write.iter_mut().for_each(|y| *y = y.tanh());
                done += to;
            }
        }
    }

    /// Cotangents of [`Mlp::evaluate`]: adds those of the input and the weights. `hidden` holds the activations it left, and is used up.
    ///
    /// A hidden activation a = tanh(s) gives way to the cotangent of s, (1 - a^2) a_bar, once nothing reads it any more.
    #[inline(always)]
    pub fn evaluate_vjp<R: Real, P: Lift<R>>(
        &self,
        weights: &[P],
        input: &[R],
        hidden: &mut [R],
        cot_output: &[R],
        cot_input: &mut [R],
        cot_weights: &mut [R],
    ) {
        let last = self.widths.len() - 2;
        let (mut end, mut done) = (weights.len(), hidden.len());
        for (layer, pair) in self.widths.windows(2).enumerate().rev() {
            let (from, to) = (pair[0], pair[1]);
            let start = end - self.matrix(layer) - to;
            let matrix = &weights[start..end - to];
            let (cot_matrix, cot_bias) = cot_weights[start..end].split_at_mut(end - to - start);
            end = start;
            let (before, after) = hidden.split_at_mut(done);
            let cot = if layer == last { cot_output } else { &after[..to] };
            for (bias, cot) in cot_bias.iter_mut().zip(cot) {
                *bias += *cot;
            }
            let first = layer == 0;
            // Where what this matrix reads begins among the activations.
            let read_from = done - if first { 0 } else { from };
            let (left, right) = matrix.split_at(self.factored(layer).map_or(0, |rank| to * rank));
            let (cot_left, cot_right) = cot_matrix.split_at_mut(left.len());
            // U^T y_bar, the cotangents between the two factors.
            let mut between = [R::zero(); MOST_RANK];
            if let Some(rank) = self.factored(layer) {
                let read = if first { input } else { &before[read_from..] };
                for (k, row) in right.chunks_exact(from).enumerate() {
                    let inner = dot(row, read);
                    for (i, cot) in cot.iter().enumerate() {
                        between[k] += left[i * rank + k].lift() * *cot;
                        cot_left[i * rank + k] += inner * *cot;
                    }
                    for (cot_row, x) in cot_right[k * from..][..from].iter_mut().zip(read) {
                        *cot_row += between[k] * *x;
                    }
                }
            }
            for j in 0..from {
                let x = if first { input[j] } else { before[read_from + j] };
                let mut bar = R::zero();
                match self.factored(layer) {
                    None => {
                        for (i, cot) in cot.iter().enumerate() {
                            bar += right[i * from + j].lift() * *cot;
                            cot_right[i * from + j] += x * *cot;
                        }
                    }
                    Some(rank) => {
                        for (k, between) in between[..rank].iter().enumerate() {
                            bar += right[k * from + j].lift() * *between;
                        }
                    }
                }
                if first {
                    cot_input[j] += bar;
                } else {
                    before[read_from + j] = bar * (R::one() - x.square());
                }
            }
            if !first {
                done -= from;
            }
        }
    }
}

#[inline(always)]
fn dot<R: Real, P: Lift<R>>(row: &[P], x: &[R]) -> R {
    row.iter().zip(x).fold(R::zero(), |sum, (w, x)| sum + w.lift() * *x)
}

/// Number of weights and biases of a network of full rank.
pub(crate) const fn params(widths: &[usize]) -> usize {
    Mlp { widths, rank: 0 }.params()
}

/// Number of hidden activations.
pub(crate) const fn hidden(widths: &[usize]) -> usize {
    Mlp { widths, rank: 0 }.hidden()
}

/// [`Mlp::evaluate`] at full rank.
#[inline(always)]
pub(crate) fn evaluate<R: Real, P: Lift<R>>(
    widths: &[usize],
    weights: &[P],
    input: &[R],
    hidden: &mut [R],
    output: &mut [R],
) {
    Mlp { widths, rank: 0 }.evaluate(weights, input, hidden, output);
}

/// [`Mlp::evaluate_vjp`] at full rank.
#[inline(always)]
pub(crate) fn evaluate_vjp<R: Real, P: Lift<R>>(
    widths: &[usize],
    weights: &[P],
    input: &[R],
    hidden: &mut [R],
    cot_output: &[R],
    cot_input: &mut [R],
    cot_weights: &mut [R],
) {
    Mlp { widths, rank: 0 }.evaluate_vjp(weights, input, hidden, cot_output, cot_input, cot_weights);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    const FULL: Mlp = Mlp { widths: &[2, 5, 3, 4], rank: 0 };
    const FACTORED: Mlp = Mlp { widths: &[2, 5, 6, 7], rank: 2 };

    fn weights(net: &Mlp) -> Vec<f64> {
        (0..net.params()).map(|j| 0.6 * (1.0 + 1.3 * j as f64).sin()).collect()
    }

    fn run(net: &Mlp, weights: &[f64], input: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (mut activations, mut output) = (vec![0.0; net.hidden()], vec![0.0; net.widths[net.widths.len() - 1]]);
        net.evaluate(weights, input, &mut activations, &mut output);
        (activations, output)
    }

    #[test]
    fn counts_and_order_of_the_weights() {
        assert_eq!((params(&[2, 64, 16]), hidden(&[2, 64, 16])), (1232, 64));
        assert_eq!((FULL.params(), FULL.hidden()), (15 + 18 + 16, 8));
        // That of the correlated splines of layer f: 1 -> 64 saves nothing, 64 -> 16 does.
        assert_eq!(
            (1..5).map(|rank| Mlp { widths: &[1, 64, 16], rank }.params()).collect::<Vec<_>>(),
            [224, 304, 384, 464]
        );
        // W1 = (1, 2; 3, 4), b1 = (5, 6), W2 = (7, 8), b2 = 9.
        let net = Mlp { widths: &[2, 2, 1], rank: 0 };
        let (_, output) = run(&net, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], &[0.1, -0.2]);
        let expected = 7.0 * (0.1_f64 - 0.4 + 5.0).tanh() + 8.0 * (0.3_f64 - 0.8 + 6.0).tanh() + 9.0;
        assert!((output[0] - expected).abs() < 1e-14);
        let (_, output) = run(&Mlp { widths: &[2, 1], rank: 0 }, &[1.0, 2.0, 3.0], &[0.1, -0.2]);
        assert!((output[0] - 2.7).abs() < 1e-15);
    }

    /// A matrix in two factors is their product.
    #[test]
    fn factors_are_multiplied() {
        let (factored, full) = (Mlp { widths: &[4, 5], rank: 2 }, Mlp { widths: &[4, 5], rank: 0 });
        let own = weights(&factored);
        assert_eq!((own.len(), full.params()), (18 + 5, 25));
        let (left, right) = own[..18].split_at(10);
        let product = (0..20).map(|p| (0..2).map(|k| left[p / 4 * 2 + k] * right[k * 4 + p % 4]).sum::<f64>());
        let product: Vec<f64> = product.chain(own[18..].iter().copied()).collect();
        let input = [0.3, -0.8, 1.1, 0.2];
        for (a, b) in run(&factored, &own, &input).1.iter().zip(run(&full, &product, &input).1) {
            assert!((a - b).abs() < 1e-15, "{a} {b}");
        }
    }

    #[test]
    fn derivatives_equal_differences() {
        for net in [FULL, FACTORED] {
            let (weights, input, cot) = (weights(&net), [0.3, -0.8], [0.7, -0.2, 1.1, 0.4, -0.9, 0.3, 0.5]);
            let value = |weights: &[f64], input: &[f64]| -> f64 {
                run(&net, weights, input).1.iter().zip(cot).map(|(y, c)| y * c).sum()
            };
            let (mut activations, output) = run(&net, &weights, &input);
            let (mut cot_input, mut cot_weights) = ([0.0; 2], vec![0.0; weights.len()]);
            let cot = &cot[..output.len()];
            net.evaluate_vjp(&weights, &input, &mut activations, cot, &mut cot_input, &mut cot_weights);
            let h = 1e-5;
            for j in 0..2 {
                let moved = |by: f64| {
                    let mut input = input;
                    input[j] += by;
                    value(&weights, &input)
                };
                assert!((cot_input[j] - (moved(h) - moved(-h)) / (2.0 * h)).abs() < 1e-9, "input {j}");
            }
            for j in 0..weights.len() {
                let moved = |by: f64| {
                    let mut weights = weights.clone();
                    weights[j] += by;
                    value(&weights, &input)
                };
                assert!((cot_weights[j] - (moved(h) - moved(-h)) / (2.0 * h)).abs() < 1e-9, "weight {j}");
            }
        }
    }

    #[test]
    fn the_start_gives_its_output_almost_everywhere() {
        let (mut rng, start) = (StdRng::seed_from_u64(1), [0.3, -0.8, 1.1, 0.0, 0.5, 2.0, 0.7]);
        let mut weights = vec![0.0; FACTORED.params()];
        FACTORED.initial(&mut rng, 1000.0, &start, &mut weights);
        for (y, start) in run(&FACTORED, &weights, &[0.9, -3.0]).1.iter().zip(start) {
            assert!((y - start).abs() < 1e-4 && *y != start, "{y} {start}");
        }
    }
}
