//! Networks inside a layer: their weights are parameters of the layer, free or different for each point.
//!
//! The full-rank perceptron without highways of layers.md 3.2 (mode 0): in -> h_1 -> .. -> h_k -> out, tanh after all but the last
//! matrix. Flat weights: for each matrix W (out, in) row by row, then its bias.
//!
//! `widths` is (in, h_1, .., h_k, out) everywhere below.

use crate::numeric::{Lift, Real};

/// Number of weights and biases.
pub(crate) const fn params(widths: &[usize]) -> usize {
    let (mut n, mut i) = (0, 1);
    while i < widths.len() {
        n += (widths[i - 1] + 1) * widths[i];
        i += 1;
    }
    n
}

/// Number of hidden activations.
pub(crate) const fn hidden(widths: &[usize]) -> usize {
    let (mut n, mut i) = (0, 1);
    while i + 1 < widths.len() {
        n += widths[i];
        i += 1;
    }
    n
}

/// The network's output at `input`; leaves the activations of the hidden layers in `hidden`.
#[inline(always)]
pub(crate) fn evaluate<R: Real, P: Lift<R>>(
    widths: &[usize],
    weights: &[P],
    input: &[R],
    hidden: &mut [R],
    output: &mut [R],
) {
    let last = widths.len() - 2;
    let (mut weights, mut done) = (weights, 0);
    for (layer, pair) in widths.windows(2).enumerate() {
        let (from, to) = (pair[0], pair[1]);
        let (matrix, rest) = weights.split_at(from * to);
        let (bias, rest) = rest.split_at(to);
        weights = rest;
        // The activations so far end with those this matrix reads.
        let (before, after) = hidden.split_at_mut(done);
        let read = if layer == 0 { input } else { &before[done - from..] };
        let write = if layer == last { &mut *output } else { &mut after[..to] };
        for ((y, row), bias) in write.iter_mut().zip(matrix.chunks_exact(from)).zip(bias) {
            let sum = row.iter().zip(read).fold(bias.lift(), |sum, (w, x)| sum + w.lift() * *x);
            *y = if layer == last { sum } else { sum.tanh() };
        }
        if layer != last {
            done += to;
        }
    }
}

/// Cotangents of [`evaluate`]: adds those of the input and the weights. `hidden` holds the activations it left, and is used up.
///
/// A hidden activation a = tanh(s) gives way to the cotangent of s, (1 - a^2) a_bar, once nothing reads it any more.
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
    let last = widths.len() - 2;
    let (mut end, mut done) = (weights.len(), hidden.len());
    for (layer, pair) in widths.windows(2).enumerate().rev() {
        let (from, to) = (pair[0], pair[1]);
        let start = end - (from + 1) * to;
        let matrix = &weights[start..start + from * to];
        let (cot_matrix, cot_bias) = cot_weights[start..end].split_at_mut(from * to);
        end = start;
        let (before, after) = hidden.split_at_mut(done);
        let cot = if layer == last { cot_output } else { &after[..to] };
        for (bias, cot) in cot_bias.iter_mut().zip(cot) {
            *bias += *cot;
        }
        for j in 0..from {
            let x = if layer == 0 { input[j] } else { before[done - from + j] };
            let mut bar = R::zero();
            for (i, cot) in cot.iter().enumerate() {
                bar += matrix[i * from + j].lift() * *cot;
                cot_matrix[i * from + j] += x * *cot;
            }
            if layer == 0 {
                cot_input[j] += bar;
            } else {
                before[done - from + j] = bar * (R::one() - x.square());
            }
        }
        if layer != 0 {
            done -= from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTHS: [usize; 4] = [2, 5, 3, 4];

    fn weights() -> Vec<f64> {
        (0..params(&WIDTHS)).map(|j| 0.6 * (1.0 + 1.3 * j as f64).sin()).collect()
    }

    fn run(widths: &[usize], weights: &[f64], input: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (mut activations, mut output) = (vec![0.0; hidden(widths)], vec![0.0; widths[widths.len() - 1]]);
        evaluate(widths, weights, input, &mut activations, &mut output);
        (activations, output)
    }

    #[test]
    fn counts_and_order_of_the_weights() {
        assert_eq!((params(&[2, 64, 16]), hidden(&[2, 64, 16])), (1232, 64));
        assert_eq!((params(&WIDTHS), hidden(&WIDTHS)), (15 + 18 + 16, 8));
        // W1 = (1, 2; 3, 4), b1 = (5, 6), W2 = (7, 8), b2 = 9.
        let (_, output) = run(&[2, 2, 1], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], &[0.1, -0.2]);
        let expected = 7.0 * (0.1_f64 - 0.4 + 5.0).tanh() + 8.0 * (0.3_f64 - 0.8 + 6.0).tanh() + 9.0;
        assert!((output[0] - expected).abs() < 1e-14);
        let (_, output) = run(&[2, 1], &[1.0, 2.0, 3.0], &[0.1, -0.2]);
        assert!((output[0] - 2.7).abs() < 1e-15);
    }

    #[test]
    fn derivatives_equal_differences() {
        let (weights, input, cot) = (weights(), [0.3, -0.8], [0.7, -0.2, 1.1, 0.4]);
        let value = |weights: &[f64], input: &[f64]| -> f64 {
            run(&WIDTHS, weights, input).1.iter().zip(cot).map(|(y, c)| y * c).sum()
        };
        let (mut activations, _) = run(&WIDTHS, &weights, &input);
        let (mut cot_input, mut cot_weights) = ([0.0; 2], vec![0.0; weights.len()]);
        evaluate_vjp(&WIDTHS, &weights, &input, &mut activations, &cot, &mut cot_input, &mut cot_weights);
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
