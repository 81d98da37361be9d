//! Networks inside a layer: their weights are parameters of the layer, free or different for each point.
//!
//! The perceptrons of layers.md 3.2 with layers in -> h_1 -> .. -> h_k -> out, a tanh after each matrix that feeds a hidden layer, and the modes
//! of a highway, a linear map L from input to output (a net is a matrix, tanh, a matrix):
//!
//! | mode | output |
//! |---|---|
//! | 0 | net(x) through all hidden layers |
//! | 1 | L x + net(x) |
//! | 2 | L x + sum_j net_j(x), one hidden layer each |
//! | 3 | acc_0 = L x, acc_1 = acc_0 + net_1(x), acc_j = acc_{j-1} + net_j(acc_{j-1}) |
//! | 4 | the same with net_j(x, acc_{j-1}) |
//!
//! # Order of the weights
//! The matrices net by net, then L, though it acts first. A matrix W (out, in) is stored row by row, then its bias; one of low rank as U (out,
//! rank), then V (rank, in), with W = U V. In modes 1 to 4 the last matrix of a net has no bias. Without hidden layers
//! every mode is the one matrix, with a bias.

use crate::numeric::{Lift, Real};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// The greatest mode of a highway.
pub(crate) const MOST_HIGHWAY: usize = 4;

/// One affine map.
#[derive(Clone, Copy, Debug)]
struct Matrix {
    from: usize,
    to: usize,
    /// The rank, if it is stored in two factors.
    factored: Option<usize>,
    bias: bool,
}

impl Matrix {
    /// Numbers of the matrix, without its bias.
    const fn numbers(&self) -> usize {
        match self.factored {
            Some(rank) => rank * (self.from + self.to),
            None => self.from * self.to,
        }
    }
    const fn params(&self) -> usize {
        self.numbers() + if self.bias { self.to } else { 0 }
    }

    /// y += W x + b; the input is in two parts, of which the second may be empty.
    #[inline(always)]
    fn add<R: Real, P: Lift<R>>(&self, weights: &[P], x: [&[R]; 2], y: &mut [R]) {
        let (matrix, bias) = weights.split_at(self.numbers());
        for (y, bias) in y.iter_mut().zip(bias) {
            *y += bias.lift();
        }
        match self.factored {
            None => {
                for (y, row) in y.iter_mut().zip(matrix.chunks_exact(self.from)) {
                    *y += dot(row, x);
                }
            }
            Some(rank) => {
                let (left, right) = matrix.split_at(self.to * rank);
                for (k, row) in right.chunks_exact(self.from).enumerate() {
                    let inner = dot(row, x);
                    for (y, row) in y.iter_mut().zip(left.chunks_exact(rank)) {
                        *y += row[k].lift() * inner;
                    }
                }
            }
        }
    }

    /// Cotangents of [`Matrix::add`], added to those of both parts of the input and of the weights.
    #[inline(always)]
    fn add_vjp<R: Real, P: Lift<R>>(
        &self,
        weights: &[P],
        x: [&[R]; 2],
        cot_y: &[R],
        cot_x: [&mut [R]; 2],
        cot_weights: &mut [R],
    ) {
        let (cot_matrix, cot_bias) = cot_weights.split_at_mut(self.numbers());
        for (bias, cot) in cot_bias.iter_mut().zip(cot_y) {
            *bias += *cot;
        }
        let [cot_first, cot_second] = cot_x;
        let mut pull = |row: &[P], cot_row: &mut [R], cot: R| {
            let (row_first, row_second) = row.split_at(x[0].len());
            let (cot_row_first, cot_row_second) = cot_row.split_at_mut(x[0].len());
            axpy(cot, row_first, x[0], cot_row_first, cot_first);
            axpy(cot, row_second, x[1], cot_row_second, cot_second);
        };
        match self.factored {
            None => {
                let rows = weights[..self.numbers()].chunks_exact(self.from);
                for ((row, cot_row), cot) in rows.zip(cot_matrix.chunks_exact_mut(self.from)).zip(cot_y) {
                    pull(row, cot_row, *cot);
                }
            }
            Some(rank) => {
                let (left, right) = weights[..self.numbers()].split_at(self.to * rank);
                let (cot_left, cot_right) = cot_matrix.split_at_mut(self.to * rank);
                for (k, row) in right.chunks_exact(self.from).enumerate() {
                    let (inner, mut cot_inner) = (dot(row, x), R::zero());
                    for (i, cot) in cot_y.iter().enumerate() {
                        cot_inner += left[i * rank + k].lift() * *cot;
                        cot_left[i * rank + k] += inner * *cot;
                    }
                    pull(row, &mut cot_right[k * self.from..][..self.from], cot_inner);
                }
            }
        }
    }
}

/// row . (x, y) over an input in two parts.
#[inline(always)]
fn dot<R: Real, P: Lift<R>>(row: &[P], x: [&[R]; 2]) -> R {
    let (first, second) = row.split_at(x[0].len());
    let part = |sum: R, row: &[P], x: &[R]| row.iter().zip(x).fold(sum, |sum, (w, x)| sum + w.lift() * *x);
    part(part(R::zero(), first, x[0]), second, x[1])
}

/// Cotangents of row . x: cot x to the row, cot row to x.
#[inline(always)]
fn axpy<R: Real, P: Lift<R>>(cot: R, row: &[P], x: &[R], cot_row: &mut [R], cot_x: &mut [R]) {
    for (((w, x), cot_w), cot_x) in row.iter().zip(x).zip(cot_row).zip(cot_x) {
        *cot_w += *x * cot;
        *cot_x += w.lift() * cot;
    }
}

/// The shape of a network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mlp<'a> {
    /// (in, h_1, .., h_k, out).
    pub widths: &'a [usize],
    /// The rank of its matrices, wherever that saves numbers; 0: the full one.
    pub rank: usize,
    /// The mode of its highway.
    pub highway: usize,
}

impl<'a> Mlp<'a> {
    /// A network of full rank without a highway.
    pub const fn plain(widths: &'a [usize]) -> Self {
        Mlp { widths, rank: 0, highway: 0 }
    }

    /// Number of hidden layers.
    const fn layers(&self) -> usize {
        self.widths.len() - 2
    }
    const fn inputs(&self) -> usize {
        self.widths[0]
    }
    const fn outputs(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }
    /// Whether hidden layers stand side by side, each with a net of its own.
    const fn ladder(&self) -> bool {
        self.highway >= 2
    }
    /// Whether nets read the sum of those before them.
    const fn accumulates(&self) -> bool {
        self.highway >= 3 && self.layers() > 0
    }

    const fn matrix(&self, from: usize, to: usize, bias: bool) -> Matrix {
        let least = if from < to { from } else { to };
        let rank = if self.rank < least { self.rank } else { least };
        let factored = if rank == 0 || rank * (from + to) >= from * to { None } else { Some(rank) };
        Matrix { from, to, factored, bias }
    }
    /// L, or the one matrix of a network without hidden layers.
    const fn linear(&self) -> Matrix {
        self.matrix(self.inputs(), self.outputs(), true)
    }
    /// The matrix into hidden layer `layer`, counted from 0.
    const fn up(&self, layer: usize) -> Matrix {
        let from = match (layer, self.highway) {
            (0, _) | (_, 2) => self.inputs(),
            (_, 3) => self.outputs(),
            (_, 4) => self.inputs() + self.outputs(),
            _ => self.widths[layer],
        };
        self.matrix(from, self.widths[layer + 1], true)
    }
    /// The matrix out of hidden layer `layer`, where it leads to the output.
    const fn down(&self, layer: usize) -> Option<Matrix> {
        if self.ladder() || layer + 1 == self.layers() {
            Some(self.matrix(self.widths[layer + 1], self.outputs(), self.highway == 0))
        } else {
            None
        }
    }
    /// Whether there is a linear map from input to output.
    const fn has_linear(&self) -> bool {
        self.highway > 0 || self.layers() == 0
    }

    /// Number of weights and biases.
    pub const fn params(&self) -> usize {
        assert!(self.highway <= MOST_HIGHWAY, "the modes of a highway are 0 to 4");
        let (mut n, mut layer) = (if self.has_linear() { self.linear().params() } else { 0 }, 0);
        while layer < self.layers() {
            n += self.up(layer).params();
            if let Some(down) = self.down(layer) {
                n += down.params();
            }
            layer += 1;
        }
        n
    }

    /// Number of hidden activations.
    const fn activations(&self) -> usize {
        let (mut n, mut layer) = (0, 0);
        while layer < self.layers() {
            n += self.widths[layer + 1];
            layer += 1;
        }
        n
    }
    /// How many numbers [`Mlp::evaluate`] leaves and [`Mlp::evaluate_vjp`] uses up: activations and their cotangents, and the sums that nets
    /// read with the running cotangent of the sum.
    pub const fn hidden(&self) -> usize {
        2 * self.activations() + if self.accumulates() { self.layers() * self.outputs() } else { 0 }
    }

    /// Weights to start from (layers.md 3.3): full matrices and their biases uniform within 1 / sqrt(in), factored ones and their biases
    /// normal (of a factored L only the right factor is), all of it divided by `damping`; and the output starts at the last bias, which is
    /// `output`.
    pub fn initial<G: Rng + ?Sized>(&self, rng: &mut G, damping: f64, output: &[f64], weights: &mut [f64]) {
        let mut start = 0;
        let mut draw = |matrix: Matrix, linear: bool| {
            let bound = 1.0 / (matrix.from as f64).sqrt();
            let own = &mut weights[start..start + matrix.params()];
            start += matrix.params();
            // Where the right factor begins and ends.
            let left = matrix.factored.map_or(own.len(), |rank| rank * matrix.to);
            for (i, w) in own.iter_mut().enumerate() {
                let right = i >= left && i < matrix.numbers();
                let normal = matrix.factored.is_some() && (right || !linear);
                let drawn: f64 = if normal { rng.sample(StandardNormal) } else { rng.random_range(-bound..bound) };
                *w = drawn / damping;
            }
        };
        for layer in 0..self.layers() {
            draw(self.up(layer), false);
            if let Some(down) = self.down(layer) {
                draw(down, false);
            }
        }
        if self.has_linear() {
            draw(self.linear(), self.highway > 0);
        }
        let last = weights.len() - output.len();
        weights[last..].copy_from_slice(output);
    }

    /// The network's output at `input`; leaves what derivatives need in `hidden`.
    #[inline(always)]
    pub fn evaluate<R: Real, P: Lift<R>>(&self, weights: &[P], input: &[R], hidden: &mut [R], output: &mut [R]) {
        output.fill(R::zero());
        let (mut weights, outputs) = (weights, self.outputs());
        if self.has_linear() {
            let (rest, linear) = weights.split_at(weights.len() - self.linear().params());
            weights = rest;
            self.linear().add(linear, [input, &[]], output);
        }
        let (activations, rest) = hidden.split_at_mut(self.activations());
        let sums = &mut rest[activations.len()..];
        let mut done = 0;
        for layer in 0..self.layers() {
            let up = self.up(layer);
            let (matrix, rest) = weights.split_at(up.params());
            weights = rest;
            let (before, after) = activations.split_at_mut(done);
            let activation = &mut after[..up.to];
            activation.fill(R::zero());
            if self.accumulates() && layer > 0 {
                sums[(layer - 1) * outputs..][..outputs].copy_from_slice(output);
            }
            let read: [&[R]; 2] = match (layer, self.highway) {
                (0, _) | (_, 2) => [input, &[]],
                (_, 3) => [&*output, &[]],
                (_, 4) => [input, &*output],
                _ => [&before[done - up.from..], &[]],
            };
            up.add(matrix, read, activation);
            activation.iter_mut().for_each(|a| *a = a.tanh());
            if let Some(down) = self.down(layer) {
                let (matrix, rest) = weights.split_at(down.params());
                weights = rest;
                down.add(matrix, [activation, &[]], output);
            }
            done += up.to;
        }
    }

    /// Cotangents of [`Mlp::evaluate`]: adds those of the input and the weights. `hidden` holds what it left, and is used up.
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
        let outputs = self.outputs();
        let (activations, rest) = hidden.split_at_mut(self.activations());
        let (cot_activations, sums) = rest.split_at_mut(activations.len());
        // Cotangent of the sum so far, where later nets read it.
        let kept = sums.len() - if self.accumulates() { outputs } else { 0 };
        let (sums, running) = sums.split_at_mut(kept);
        running.iter_mut().zip(cot_output).for_each(|(running, cot)| *running = *cot);
        cot_activations.fill(R::zero());

        let linear = if self.has_linear() { self.linear().params() } else { 0 };
        let (mut end, mut done) = (weights.len() - linear, activations.len());
        for layer in (0..self.layers()).rev() {
            let up = self.up(layer);
            done -= up.to;
            let (cot_before, cot_after) = cot_activations.split_at_mut(done);
            let (activation, cot_activation) = (&activations[done..][..up.to], &mut cot_after[..up.to]);
            if let Some(down) = self.down(layer) {
                let start = end - down.params();
                let (own, cot_own) = (&weights[start..end], &mut cot_weights[start..end]);
                let cot = if self.accumulates() { &*running } else { cot_output };
                down.add_vjp(own, [activation, &[]], cot, [&mut *cot_activation, &mut []], cot_own);
                end = start;
            }
            // tanh' = 1 - tanh^2.
            for (cot, a) in cot_activation.iter_mut().zip(activation) {
                *cot *= R::one() - a.square();
            }
            let start = end - up.params();
            let (own, cot_own) = (&weights[start..end], &mut cot_weights[start..end]);
            end = start;
            let sum = |layer: usize| &sums[(layer - 1) * outputs..][..outputs];
            match (layer, self.highway) {
                (0, _) | (_, 2) => up.add_vjp(own, [input, &[]], cot_activation, [cot_input, &mut []], cot_own),
                (_, 3) => up.add_vjp(own, [sum(layer), &[]], cot_activation, [running, &mut []], cot_own),
                (_, 4) => up.add_vjp(own, [input, sum(layer)], cot_activation, [cot_input, running], cot_own),
                _ => {
                    let (read, cot_read) = (&activations[done - up.from..done], &mut cot_before[done - up.from..]);
                    up.add_vjp(own, [read, &[]], cot_activation, [cot_read, &mut []], cot_own);
                }
            }
        }
        if self.has_linear() {
            let start = weights.len() - linear;
            let cot = if self.accumulates() { &*running } else { cot_output };
            self.linear().add_vjp(
                &weights[start..],
                [input, &[]],
                cot,
                [cot_input, &mut []],
                &mut cot_weights[start..],
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    const FULL: Mlp = Mlp::plain(&[2, 5, 3, 4]);

    /// Every mode over several shapes, full and factored.
    fn all() -> Vec<Mlp<'static>> {
        let shapes: [&[usize]; 4] = [&[2, 4], &[2, 5, 4], &[2, 5, 6, 7], &[3, 6, 5, 4, 7]];
        let of = |widths: &'static [usize]| {
            (0..=MOST_HIGHWAY).flat_map(move |highway| [0, 1, 2].map(|rank| Mlp { widths, rank, highway }))
        };
        shapes.into_iter().flat_map(of).collect()
    }

    fn weights(net: &Mlp) -> Vec<f64> {
        (0..net.params()).map(|j| 0.6 * (1.0 + 1.3 * j as f64).sin()).collect()
    }

    fn run(net: &Mlp, weights: &[f64], input: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (mut activations, mut output) = (vec![0.0; net.hidden()], vec![0.0; net.outputs()]);
        net.evaluate(weights, input, &mut activations, &mut output);
        (activations, output)
    }

    #[test]
    fn counts_and_order_of_the_weights() {
        assert_eq!((Mlp::plain(&[2, 64, 16]).params(), FULL.params()), (1232, 15 + 18 + 16));
        // 1 -> 64 saves nothing at any rank, 64 -> 16 does.
        let factored = |rank| Mlp { widths: &[1, 64, 16], rank, highway: 0 }.params();
        assert_eq!([1, 2, 3, 4].map(factored), [224, 304, 384, 464]);
        let highway = |highway| Mlp { widths: &[2, 5, 3, 4], rank: 0, highway }.params();
        let nets = (15 + 20) + (9 + 12);
        assert_eq!([0, 1, 2, 3, 4].map(highway), [49, 49 - 4 + 12, nets + 12, nets + 6 + 12, nets + 12 + 12]);
        // W1 = (1, 2; 3, 4), b1 = (5, 6), W2 = (7, 8), b2 = 9.
        let (_, output) = run(&Mlp::plain(&[2, 2, 1]), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], &[0.1, -0.2]);
        let expected = 7.0 * (0.1_f64 - 0.4 + 5.0).tanh() + 8.0 * (0.3_f64 - 0.8 + 6.0).tanh() + 9.0;
        assert!((output[0] - expected).abs() < 1e-14);
        let (_, output) = run(&Mlp::plain(&[2, 1]), &[1.0, 2.0, 3.0], &[0.1, -0.2]);
        assert!((output[0] - 2.7).abs() < 1e-15);
    }

    /// The table above with one number everywhere: nets of a weight, a bias and a weight, then L.
    #[test]
    fn modes_are_those_of_the_table() {
        let (x, w) = (0.7_f64, [0.3, 0.2, 1.1, -0.9, 0.4, 0.8, -0.5, 0.6, 0.25]);
        let value = |highway, w: &[f64]| run(&Mlp { widths: &[1, 1, 1, 1], rank: 0, highway }, w, &[x]).1[0];
        let net = |w: &[f64], x: f64| w[2] * (w[0] * x + w[1]).tanh();
        let inner = (w[2] * (w[0] * x + w[1]).tanh() + w[3]).tanh();
        assert!((value(0, &w[..6]) - (w[4] * inner + w[5])).abs() < 1e-15);
        assert!((value(1, &w[..7]) - (w[4] * inner + w[5] * x + w[6])).abs() < 1e-15);
        let linear = w[6] * x + w[7];
        let first = linear + net(&w, x);
        assert!((value(2, &w[..8]) - (first + net(&w[3..], x))).abs() < 1e-15);
        assert!((value(3, &w[..8]) - (first + net(&w[3..], first))).abs() < 1e-15);
        let first = w[7] * x + w[8] + net(&w, x);
        let second = w[6] * (w[3] * x + w[4] * first + w[5]).tanh();
        assert!((value(4, &w) - (first + second)).abs() < 1e-15);
    }

    /// A matrix in two factors is their product.
    #[test]
    fn factors_are_multiplied() {
        let (factored, full) = (Mlp { widths: &[4, 5], rank: 2, highway: 0 }, Mlp::plain(&[4, 5]));
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
        for net in all() {
            let weights = weights(&net);
            let input = &[0.3, -0.8, 0.5][..net.inputs()];
            let cot = &[0.7, -0.2, 1.1, 0.4, -0.9, 0.3, 0.5][..net.outputs()];
            let value = |weights: &[f64], input: &[f64]| -> f64 {
                run(&net, weights, input).1.iter().zip(cot).map(|(y, c)| y * c).sum()
            };
            let (mut activations, _) = run(&net, &weights, input);
            let (mut cot_input, mut cot_weights) = (vec![0.0; input.len()], vec![0.0; weights.len()]);
            net.evaluate_vjp(&weights, input, &mut activations, cot, &mut cot_input, &mut cot_weights);
            let h = 1e-4;
            let difference = |f: &dyn Fn(f64) -> f64| (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h);
            for j in 0..input.len() {
                let numerical = difference(&|by| {
                    let mut input = input.to_vec();
                    input[j] += by;
                    value(&weights, &input)
                });
                assert!((cot_input[j] - numerical).abs() < 1e-9, "{net:?}: input {j}, {} {numerical}", cot_input[j]);
            }
            for j in 0..weights.len() {
                let numerical = difference(&|by| {
                    let mut weights = weights.clone();
                    weights[j] += by;
                    value(&weights, input)
                });
                assert!(
                    (cot_weights[j] - numerical).abs() < 1e-9,
                    "{net:?}: weight {j}, {} {numerical}",
                    cot_weights[j]
                );
            }
        }
    }

    #[test]
    fn the_start_gives_its_output_almost_everywhere() {
        let (mut rng, start) = (StdRng::seed_from_u64(1), [0.3, -0.8, 1.1, 0.0, 0.5, 2.0, 0.7]);
        for net in all() {
            let (mut weights, start) = (vec![0.0; net.params()], &start[..net.outputs()]);
            net.initial(&mut rng, 1000.0, start, &mut weights);
            for (y, start) in run(&net, &weights, &[0.9, -3.0, 0.5][..net.inputs()]).1.iter().zip(start) {
                assert!((y - start).abs() < 1e-2 && y != start, "{net:?}: {y} {start}");
            }
        }
    }
}
