//! Networks over a block of points: perceptrons with tanh, alone or beside a linear highway (layers.md 3.2).
//!
//! Each network ends with the bias of its output, so that a flow starts where that bias says. The modes of a highway:
//!
//! | mode | type | output |
//! |---|---|---|
//! | 0 | [`Plain`] | net(x) |
//! | 1 | [`Beside`] | L x + net(x) |
//! | 2 | [`Ladder`] | L x + sum_j net_j(x), one hidden layer each |
//! | 3 | [`Ladder`] | acc_0 = L x, acc_1 = acc_0 + net_1(x), acc_j = acc_{j-1} + net_j(acc_{j-1}) |
//! | 4 | [`Ladder`] | the same with net_j(x, acc_{j-1}) |
//!
//! Flat weights: the nets in order, for each matrix its numbers (of a product the left factor, then the right one), then its
//! bias; the matrix of the highway and its bias last. In modes 1 to 4 the last matrix of a net has no bias.

use super::linear::{Linear, Weighing};
use super::product;
use crate::numeric::Scalar;
use core::marker::PhantomData;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// How far networks start from zero: uniform numbers within 1/sqrt(inputs), divided by this (layers.md 3.3), so that a flow starts
/// at the parameters it would have without a network.
pub const DAMPING: f64 = 1000.0;

/// A network whose weights lie in one flat stretch.
pub trait Network: Send + Sync + 'static {
    /// Numbers read a point.
    const IN: usize;
    /// Numbers written a point.
    const OUT: usize;
    /// Length of the flat weights; the last `OUT` are the bias of the output.
    const WEIGHTS: usize;
    /// Rows kept between the two passes.
    const ACTIVATIONS: usize;
    /// Rows of temporary space.
    const TEMP: usize;

    /// Input to output.
    fn apply<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &mut [T],
        out: &mut [T],
        temp: &mut [T],
    );
    /// Cotangents of [`Network::apply`], added to those of input and weights. `cot_activations` is space to work in; an empty `cot_input` asks for none.
    #[allow(clippy::too_many_arguments, reason = "value, cotangent and weights of one map")]
    fn pull<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &[T],
        cot_activations: &mut [T],
        cot_out: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    );
    /// Weights to start from, all but the bias of the output.
    fn initial<G: Rng + ?Sized>(rng: &mut G, weights: &mut [f64]);
    /// Its widths and its highway.
    fn describe() -> NetworkSummary;
}

/// What a network consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSummary {
    /// Inputs, hidden layers, outputs.
    pub widths: Vec<usize>,
    /// The mode of its highway; 0 without one.
    pub highway: usize,
    /// Number of weights and biases.
    pub weights: usize,
    /// Whether it is a stack of full matrices, each followed by its bias.
    pub stack: bool,
}

impl core::fmt::Display for NetworkSummary {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let widths: Vec<_> = self.widths.iter().map(usize::to_string).collect();
        f.write_str(&widths.join("-"))?;
        match self.highway {
            0 => Ok(()),
            mode => write!(f, " highway {mode}"),
        }
    }
}

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// tanh of a stretch of numbers.
fn tanh_all<T: Scalar>(numbers: &mut [T]) {
    product::each(product::Tanh, numbers);
}

/// Cotangents through tanh: tanh' = 1 - tanh^2.
fn pull_tanh<T: Scalar>(activations: &[T], cot: &mut [T]) {
    for (cot, a) in cot.iter_mut().zip(activations) {
        *cot *= T::narrow(1.0) - *a * *a;
    }
}

/// Uniform numbers for a matrix or a bias with this many inputs, damped.
fn uniform<G: Rng + ?Sized>(rng: &mut G, inputs: usize, weights: &mut [f64]) {
    let bound = 1.0 / (inputs.max(1) as f64).sqrt();
    weights.iter_mut().for_each(|w| *w = rng.random_range(-bound..=bound) / DAMPING);
}

/// Numbers for a matrix: uniform for a full one, normal for the factors of a product (layers.md 3.3; biases are uniform throughout, which the
/// damping makes a matter of taste).
fn initial_matrix<L: Linear, G: Rng + ?Sized>(rng: &mut G, weights: &mut [f64]) {
    if L::WEIGHTS == L::IN * L::OUT {
        uniform(rng, L::IN, weights);
    } else {
        weights.iter_mut().for_each(|w| *w = rng.sample::<f64, _>(StandardNormal) / DAMPING);
    }
}

// ---- hidden layers ---------------------------------------------------------------------------------------------------

/// Hidden layers, each an affine map followed by tanh, as nested pairs `(First, (Second, ()))`.
pub trait Hidden: Send + Sync + 'static {
    /// Length of the flat weights.
    const WEIGHTS: usize;
    /// Rows of all activations together.
    const ACTIVATIONS: usize;
    /// Rows of the last activation; `None` without hidden layers.
    const LAST: Option<usize>;
    /// Rows of temporary space.
    const TEMP: usize;
    /// Whether every matrix is stored as such, not as a product.
    const FULL: bool;
    /// Numbers read a point; `None` without hidden layers.
    const FIRST: Option<usize>;

    /// Writes every activation, one after the other.
    fn apply<W: Weighing, T: Scalar>(weights: &[T], width: usize, input: &[T], activations: &mut [T], temp: &mut [T]);
    /// Takes the cotangents of all activations (those of the last one filled in), adds those of weights and input.
    #[allow(clippy::too_many_arguments, reason = "value, cotangent and weights of one map")]
    fn pull<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &[T],
        cot_activations: &mut [T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    );
    /// Weights to start from.
    fn initial<G: Rng + ?Sized>(rng: &mut G, weights: &mut [f64]);
    /// The widths in order, the input's before the first.
    fn widths(widths: &mut Vec<usize>);
}

impl Hidden for () {
    const WEIGHTS: usize = 0;
    const ACTIVATIONS: usize = 0;
    const LAST: Option<usize> = None;
    const TEMP: usize = 0;
    const FULL: bool = true;
    const FIRST: Option<usize> = None;

    fn apply<W: Weighing, T: Scalar>(_: &[T], _: usize, _: &[T], _: &mut [T], _: &mut [T]) {}
    fn pull<W: Weighing, T: Scalar>(
        _: &[T],
        _: usize,
        _: &[T],
        _: &[T],
        _: &mut [T],
        _: &mut [T],
        _: &mut [T],
        _: &mut [T],
    ) {
    }
    fn initial<G: Rng + ?Sized>(_: &mut G, _: &mut [f64]) {}
    fn widths(_: &mut Vec<usize>) {}
}

impl<L: Linear, Rest: Hidden> Hidden for (L, Rest) {
    const WEIGHTS: usize = L::WEIGHTS + L::OUT + Rest::WEIGHTS;
    const ACTIVATIONS: usize = L::OUT + Rest::ACTIVATIONS;
    const LAST: Option<usize> = match Rest::LAST {
        Some(rows) => Some(rows),
        None => Some(L::OUT),
    };
    const TEMP: usize = larger(L::TEMP, Rest::TEMP);
    const FULL: bool = L::FULL && Rest::FULL;
    const FIRST: Option<usize> = Some(L::IN);

    fn apply<W: Weighing, T: Scalar>(weights: &[T], width: usize, input: &[T], activations: &mut [T], temp: &mut [T]) {
        let stride = W::stride(width);
        let (matrix, weights) = weights.split_at(L::WEIGHTS * stride);
        let (bias, rest) = weights.split_at(L::OUT * stride);
        let (here, next) = activations.split_at_mut(L::OUT * width);
        W::bias(bias, width, here);
        L::add::<W, T>(matrix, width, input, here, temp);
        tanh_all(here);
        Rest::apply::<W, T>(rest, width, here, next, temp);
    }

    fn pull<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &[T],
        cot_activations: &mut [T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    ) {
        let stride = W::stride(width);
        let (matrix, weights) = weights.split_at(L::WEIGHTS * stride);
        let rest = &weights[L::OUT * stride..];
        let (cot_matrix, cot_weights) = cot_weights.split_at_mut(L::WEIGHTS * stride);
        let (cot_bias, cot_rest) = cot_weights.split_at_mut(L::OUT * stride);
        let (here, next) = activations.split_at(L::OUT * width);
        let (cot_here, cot_next) = cot_activations.split_at_mut(L::OUT * width);
        Rest::pull::<W, T>(rest, width, here, next, cot_next, cot_here, cot_rest, temp);
        pull_tanh(here, cot_here);
        W::pull_bias(width, cot_here, cot_bias);
        L::pull::<W, T>(matrix, width, input, cot_here, cot_input, cot_matrix, temp);
    }

    fn initial<G: Rng + ?Sized>(rng: &mut G, weights: &mut [f64]) {
        let (matrix, weights) = weights.split_at_mut(L::WEIGHTS);
        let (bias, rest) = weights.split_at_mut(L::OUT);
        initial_matrix::<L, G>(rng, matrix);
        uniform(rng, L::IN, bias);
        Rest::initial(rng, rest);
    }
    fn widths(widths: &mut Vec<usize>) {
        if widths.is_empty() {
            widths.push(L::IN);
        }
        widths.push(L::OUT);
        Rest::widths(widths);
    }
}

/// The rows that the matrix after the hidden layers reads.
fn last<'a, H: Hidden, T>(width: usize, input: &'a [T], activations: &'a [T]) -> &'a [T] {
    match H::LAST {
        Some(rows) => &activations[(H::ACTIVATIONS - rows) * width..H::ACTIVATIONS * width],
        None => input,
    }
}

/// Cotangents of hidden layers and the matrix after them; the bias of that matrix is elsewhere.
#[allow(clippy::too_many_arguments, reason = "value, cotangent and weights of one map")]
fn pull_net<W: Weighing, H: Hidden, O: Linear, T: Scalar>(
    weights: &[T],
    width: usize,
    input: &[T],
    activations: &[T],
    cot_activations: &mut [T],
    cot_out: &[T],
    cot_input: &mut [T],
    cot_weights: &mut [T],
    temp: &mut [T],
) {
    let stride = W::stride(width);
    let (hidden, output) = weights.split_at(H::WEIGHTS * stride);
    let (cot_hidden, cot_output) = cot_weights.split_at_mut(H::WEIGHTS * stride);
    match H::LAST {
        Some(rows) => {
            let from = (H::ACTIVATIONS - rows) * width;
            cot_activations.fill(T::narrow(0.0));
            let read = &activations[from..];
            O::pull::<W, T>(output, width, read, cot_out, &mut cot_activations[from..], cot_output, temp);
            H::pull::<W, T>(hidden, width, input, activations, cot_activations, cot_input, cot_hidden, temp);
        }
        None => O::pull::<W, T>(output, width, input, cot_out, cot_input, cot_output, temp),
    }
}

// ---- mode 0 ----------------------------------------------------------------------------------------------------------

/// Hidden layers, then an affine map: mode 0. The clause `hidden 128-64` gives the widths of the hidden layers; `hidden none` leaves the affine map.
pub struct Plain<H, O>(PhantomData<(H, O)>);

impl<H: Hidden, O: Linear> Network for Plain<H, O> {
    const IN: usize = match H::FIRST {
        Some(inputs) => inputs,
        None => O::IN,
    };
    const OUT: usize = O::OUT;
    const WEIGHTS: usize = H::WEIGHTS + O::WEIGHTS + O::OUT;
    const ACTIVATIONS: usize = H::ACTIVATIONS;
    const TEMP: usize = larger(H::TEMP, O::TEMP);

    fn apply<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &mut [T],
        out: &mut [T],
        temp: &mut [T],
    ) {
        let stride = W::stride(width);
        let (hidden, weights) = weights.split_at(H::WEIGHTS * stride);
        let (output, bias) = weights.split_at(O::WEIGHTS * stride);
        H::apply::<W, T>(hidden, width, input, activations, temp);
        W::bias(bias, width, out);
        O::add::<W, T>(output, width, last::<H, T>(width, input, activations), out, temp);
    }

    fn pull<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &[T],
        cot_activations: &mut [T],
        cot_out: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    ) {
        let net = (H::WEIGHTS + O::WEIGHTS) * W::stride(width);
        let (cot_net, cot_bias) = cot_weights.split_at_mut(net);
        W::pull_bias(width, cot_out, cot_bias);
        pull_net::<W, H, O, T>(
            &weights[..net],
            width,
            input,
            activations,
            cot_activations,
            cot_out,
            cot_input,
            cot_net,
            temp,
        );
    }

    fn initial<G: Rng + ?Sized>(rng: &mut G, weights: &mut [f64]) {
        let (hidden, weights) = weights.split_at_mut(H::WEIGHTS);
        H::initial(rng, hidden);
        initial_matrix::<O, G>(rng, &mut weights[..O::WEIGHTS]);
    }
    fn describe() -> NetworkSummary {
        let mut widths = Vec::new();
        H::widths(&mut widths);
        if widths.is_empty() {
            widths.push(O::IN);
        }
        widths.push(O::OUT);
        NetworkSummary { widths, highway: 0, weights: Self::WEIGHTS, stack: H::FULL && O::FULL }
    }
}

// ---- mode 1 ----------------------------------------------------------------------------------------------------------

/// Hidden layers and a matrix `O`, beside a linear highway `L`: mode 1, the clause `highway 1`.
pub struct Beside<H, O, L>(PhantomData<(H, O, L)>);

impl<H: Hidden, O: Linear, L: Linear> Network for Beside<H, O, L> {
    const IN: usize = L::IN;
    const OUT: usize = L::OUT;
    const WEIGHTS: usize = H::WEIGHTS + O::WEIGHTS + L::WEIGHTS + L::OUT;
    const ACTIVATIONS: usize = H::ACTIVATIONS;
    const TEMP: usize = larger(larger(H::TEMP, O::TEMP), L::TEMP);

    fn apply<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &mut [T],
        out: &mut [T],
        temp: &mut [T],
    ) {
        let stride = W::stride(width);
        let (hidden, weights) = weights.split_at(H::WEIGHTS * stride);
        let (output, weights) = weights.split_at(O::WEIGHTS * stride);
        let (highway, bias) = weights.split_at(L::WEIGHTS * stride);
        H::apply::<W, T>(hidden, width, input, activations, temp);
        W::bias(bias, width, out);
        L::add::<W, T>(highway, width, input, out, temp);
        O::add::<W, T>(output, width, last::<H, T>(width, input, activations), out, temp);
    }

    fn pull<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &[T],
        cot_activations: &mut [T],
        cot_out: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    ) {
        let stride = W::stride(width);
        let (net, weights) = weights.split_at((H::WEIGHTS + O::WEIGHTS) * stride);
        let (cot_net, cot_weights) = cot_weights.split_at_mut((H::WEIGHTS + O::WEIGHTS) * stride);
        let (cot_highway, cot_bias) = cot_weights.split_at_mut(L::WEIGHTS * stride);
        W::pull_bias(width, cot_out, cot_bias);
        L::pull::<W, T>(&weights[..L::WEIGHTS * stride], width, input, cot_out, cot_input, cot_highway, temp);
        pull_net::<W, H, O, T>(net, width, input, activations, cot_activations, cot_out, cot_input, cot_net, temp);
    }

    fn initial<G: Rng + ?Sized>(rng: &mut G, weights: &mut [f64]) {
        let (hidden, weights) = weights.split_at_mut(H::WEIGHTS);
        let (output, weights) = weights.split_at_mut(O::WEIGHTS);
        H::initial(rng, hidden);
        initial_matrix::<O, G>(rng, output);
        initial_matrix::<L, G>(rng, &mut weights[..L::WEIGHTS]);
    }
    fn describe() -> NetworkSummary {
        let mut widths = Vec::new();
        H::widths(&mut widths);
        widths.push(L::OUT);
        NetworkSummary { widths, highway: 1, weights: Self::WEIGHTS, stack: false }
    }
}

// ---- modes 2 to 4 ----------------------------------------------------------------------------------------------------

/// What the first net of a ladder reads, and all nets in mode 2: the input.
pub const INPUT: usize = 2;
/// What later nets read in mode 3: the sum so far.
pub const SUM: usize = 3;
/// What later nets read in mode 4: the input, then the sum so far.
pub const BOTH: usize = 4;

/// A net with one hidden layer that adds to the sum of a [`Ladder`]: matrix `A` and its bias, tanh, matrix `B`. `READS` is [`INPUT`],
/// [`SUM`] or [`BOTH`].
pub struct Rung<const READS: usize, A, B>(PhantomData<(A, B)>);

/// Rungs one after the other, as nested pairs.
pub trait Rungs: Send + Sync + 'static {
    /// Length of the flat weights.
    const WEIGHTS: usize;
    /// Rows kept between the two passes.
    const ACTIVATIONS: usize;
    /// Rows of temporary space.
    const TEMP: usize;
    /// What the last rung reads: the mode of the ladder.
    const MODE: usize;

    /// Adds to the sum.
    fn apply<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &mut [T],
        sum: &mut [T],
        temp: &mut [T],
    );
    /// Turns the cotangent of the sum after the rungs into that of the sum before them; adds those of weights and input.
    #[allow(clippy::too_many_arguments, reason = "value, cotangent and weights of one map")]
    fn pull<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &[T],
        cot_activations: &mut [T],
        cot_sum: &mut [T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    );
    /// Weights to start from.
    fn initial<G: Rng + ?Sized>(rng: &mut G, weights: &mut [f64]);
    /// Widths of the hidden layers.
    fn widths(widths: &mut Vec<usize>);
}

impl Rungs for () {
    const WEIGHTS: usize = 0;
    const ACTIVATIONS: usize = 0;
    const TEMP: usize = 0;
    const MODE: usize = INPUT;

    fn apply<W: Weighing, T: Scalar>(_: &[T], _: usize, _: &[T], _: &mut [T], _: &mut [T], _: &mut [T]) {}
    fn pull<W: Weighing, T: Scalar>(
        _: &[T],
        _: usize,
        _: &[T],
        _: &[T],
        _: &mut [T],
        _: &mut [T],
        _: &mut [T],
        _: &mut [T],
        _: &mut [T],
    ) {
    }
    fn initial<G: Rng + ?Sized>(_: &mut G, _: &mut [f64]) {}
    fn widths(_: &mut Vec<usize>) {}
}

impl<const READS: usize, A: Linear, B: Linear> Rung<READS, A, B> {
    /// Rows of the copy of what is read, where that changes afterwards.
    const COPIED: usize = if READS == INPUT { 0 } else { A::IN };
}

impl<const READS: usize, A: Linear, B: Linear, Rest: Rungs> Rungs for (Rung<READS, A, B>, Rest) {
    const WEIGHTS: usize = A::WEIGHTS + A::OUT + B::WEIGHTS + Rest::WEIGHTS;
    const ACTIVATIONS: usize = Rung::<READS, A, B>::COPIED + A::OUT + Rest::ACTIVATIONS;
    const TEMP: usize = larger(larger(A::TEMP, B::TEMP), Rest::TEMP);
    const MODE: usize = if Rest::MODE > READS { Rest::MODE } else { READS };

    fn apply<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &mut [T],
        sum: &mut [T],
        temp: &mut [T],
    ) {
        let stride = W::stride(width);
        let (a, weights) = weights.split_at(A::WEIGHTS * stride);
        let (bias, weights) = weights.split_at(A::OUT * stride);
        let (b, rest) = weights.split_at(B::WEIGHTS * stride);
        let (read, activations) = activations.split_at_mut(Rung::<READS, A, B>::COPIED * width);
        let (hidden, next) = activations.split_at_mut(A::OUT * width);
        let given = if READS == BOTH { (A::IN - B::OUT) * width } else { 0 };
        if READS != INPUT {
            read[..given].copy_from_slice(&input[..given]);
            read[given..].copy_from_slice(sum);
        }
        W::bias(bias, width, hidden);
        A::add::<W, T>(a, width, if READS == INPUT { input } else { read }, hidden, temp);
        tanh_all(hidden);
        B::add::<W, T>(b, width, hidden, sum, temp);
        Rest::apply::<W, T>(rest, width, input, next, sum, temp);
    }

    fn pull<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &[T],
        cot_activations: &mut [T],
        cot_sum: &mut [T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    ) {
        let stride = W::stride(width);
        let (a, weights) = weights.split_at(A::WEIGHTS * stride);
        let (b, rest) = weights[A::OUT * stride..].split_at(B::WEIGHTS * stride);
        let (cot_a, cot_weights) = cot_weights.split_at_mut(A::WEIGHTS * stride);
        let (cot_bias, cot_weights) = cot_weights.split_at_mut(A::OUT * stride);
        let (cot_b, cot_rest) = cot_weights.split_at_mut(B::WEIGHTS * stride);
        let copied = Rung::<READS, A, B>::COPIED * width;
        let (read, activations) = activations.split_at(copied);
        let (cot_read, cot_activations) = cot_activations.split_at_mut(copied);
        let (hidden, next) = activations.split_at(A::OUT * width);
        let (cot_hidden, cot_next) = cot_activations.split_at_mut(A::OUT * width);
        Rest::pull::<W, T>(rest, width, input, next, cot_next, cot_sum, cot_input, cot_rest, temp);
        cot_hidden.fill(T::narrow(0.0));
        B::pull::<W, T>(b, width, hidden, cot_sum, cot_hidden, cot_b, temp);
        pull_tanh(hidden, cot_hidden);
        W::pull_bias(width, cot_hidden, cot_bias);
        if READS == INPUT {
            return A::pull::<W, T>(a, width, input, cot_hidden, cot_input, cot_a, temp);
        }
        cot_read.fill(T::narrow(0.0));
        A::pull::<W, T>(a, width, read, cot_hidden, cot_read, cot_a, temp);
        let given = if READS == BOTH { (A::IN - B::OUT) * width } else { 0 };
        let (by_input, by_sum) = cot_read.split_at(given);
        for (bar, cot) in cot_input.iter_mut().zip(by_input).chain(cot_sum.iter_mut().zip(by_sum)) {
            *bar += *cot;
        }
    }

    fn initial<G: Rng + ?Sized>(rng: &mut G, weights: &mut [f64]) {
        let (a, weights) = weights.split_at_mut(A::WEIGHTS);
        let (bias, weights) = weights.split_at_mut(A::OUT);
        let (b, rest) = weights.split_at_mut(B::WEIGHTS);
        initial_matrix::<A, G>(rng, a);
        uniform(rng, A::IN, bias);
        initial_matrix::<B, G>(rng, b);
        Rest::initial(rng, rest);
    }
    fn widths(widths: &mut Vec<usize>) {
        widths.push(A::OUT);
        Rest::widths(widths);
    }
}

/// A linear highway `L` and nets with one hidden layer that add to it: modes 2 to 4, the clauses `highway 2` to `highway 4`.
pub struct Ladder<R, L>(PhantomData<(R, L)>);

impl<R: Rungs, L: Linear> Network for Ladder<R, L> {
    const IN: usize = L::IN;
    const OUT: usize = L::OUT;
    const WEIGHTS: usize = R::WEIGHTS + L::WEIGHTS + L::OUT;
    const ACTIVATIONS: usize = R::ACTIVATIONS + L::OUT;
    const TEMP: usize = larger(R::TEMP, L::TEMP);

    fn apply<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &mut [T],
        out: &mut [T],
        temp: &mut [T],
    ) {
        let stride = W::stride(width);
        let (rungs, weights) = weights.split_at(R::WEIGHTS * stride);
        let (highway, bias) = weights.split_at(L::WEIGHTS * stride);
        W::bias(bias, width, out);
        L::add::<W, T>(highway, width, input, out, temp);
        R::apply::<W, T>(rungs, width, input, activations, out, temp);
    }

    fn pull<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &[T],
        cot_activations: &mut [T],
        cot_out: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    ) {
        let stride = W::stride(width);
        let (rungs, weights) = weights.split_at(R::WEIGHTS * stride);
        let highway = &weights[..L::WEIGHTS * stride];
        let (cot_rungs, cot_weights) = cot_weights.split_at_mut(R::WEIGHTS * stride);
        let (cot_highway, cot_bias) = cot_weights.split_at_mut(L::WEIGHTS * stride);
        // The bias is added to every sum: its cotangent is that of the first one.
        let (cot_activations, cot_sum) = cot_activations.split_at_mut(R::ACTIVATIONS * width);
        let cot_sum = &mut cot_sum[..L::OUT * width];
        cot_sum.copy_from_slice(&cot_out[..L::OUT * width]);
        R::pull::<W, T>(rungs, width, input, activations, cot_activations, cot_sum, cot_input, cot_rungs, temp);
        W::pull_bias(width, cot_sum, cot_bias);
        L::pull::<W, T>(highway, width, input, cot_sum, cot_input, cot_highway, temp);
    }

    fn initial<G: Rng + ?Sized>(rng: &mut G, weights: &mut [f64]) {
        let (rungs, weights) = weights.split_at_mut(R::WEIGHTS);
        R::initial(rng, rungs);
        initial_matrix::<L, G>(rng, &mut weights[..L::WEIGHTS]);
    }
    fn describe() -> NetworkSummary {
        let mut widths = vec![L::IN];
        R::widths(&mut widths);
        widths.push(L::OUT);
        NetworkSummary { widths, highway: R::MODE, weights: Self::WEIGHTS, stack: false }
    }
}

#[cfg(test)]
mod tests {
    use super::super::linear::{Dense, Each, LowRank, Shared, low_rank, low_rank_len};
    use super::*;

    const WIDTH: usize = 6;

    fn numbers(n: usize, seed: f64) -> Vec<f64> {
        (0..n).map(|i| 0.8 * (seed + 1.3 * i as f64).sin()).collect()
    }

    fn run<N: Network, W: Weighing>(width: usize, weights: &[f64], input: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (mut activations, mut out) = (vec![f64::NAN; N::ACTIVATIONS * width], vec![f64::NAN; N::OUT * width]);
        N::apply::<W, f64>(weights, width, input, &mut activations, &mut out, &mut vec![f64::NAN; N::TEMP * width]);
        (activations, out)
    }

    /// One network for a block, for one point, and with weights for each point are the same; cotangents equal differences.
    fn check<N: Network>() {
        assert_eq!(N::describe().weights, N::WEIGHTS);
        let (weights, input) = (numbers(N::WEIGHTS, 0.3), numbers(N::IN * WIDTH, 0.9));
        let cot_out = numbers(N::OUT * WIDTH, 0.1);
        let each: Vec<f64> = weights.iter().flat_map(|w| [*w; WIDTH]).collect();
        let (activations, out) = run::<N, Shared>(WIDTH, &weights, &input);
        let (activations_each, out_each) = run::<N, Each>(WIDTH, &each, &input);
        for (a, b) in out.iter().zip(&out_each) {
            assert!((a - b).abs() < 1e-13);
        }
        for lane in 0..WIDTH {
            let column: Vec<f64> = (0..N::IN).map(|i| input[i * WIDTH + lane]).collect();
            let single = run::<N, Shared>(1, &weights, &column).1;
            for o in 0..N::OUT {
                assert!((single[o] - out[o * WIDTH + lane]).abs() < 1e-13);
            }
        }
        let pull = |each_weights: bool| {
            let (w, a) = if each_weights { (&each, &activations_each) } else { (&weights, &activations) };
            let (mut cot_input, mut cot_weights) = (vec![0.0; input.len()], vec![0.0; w.len()]);
            let mut cot_activations = vec![f64::NAN; a.len()];
            let mut temp = vec![f64::NAN; N::TEMP * WIDTH];
            let pull = if each_weights { N::pull::<Each, f64> } else { N::pull::<Shared, f64> };
            pull(w, WIDTH, &input, a, &mut cot_activations, &cot_out, &mut cot_input, &mut cot_weights, &mut temp);
            (cot_input, cot_weights)
        };
        let (cot_input, cot_weights) = pull(false);
        let (cot_input_each, cot_weights_each) = pull(true);
        for (a, b) in cot_input.iter().zip(&cot_input_each) {
            assert!((a - b).abs() < 1e-13);
        }
        for (a, b) in cot_weights.iter().zip(cot_weights_each.chunks_exact(WIDTH)) {
            assert!((a - b.iter().sum::<f64>()).abs() < 1e-12);
        }
        let objective = |weights: &[f64], input: &[f64]| -> f64 {
            run::<N, Shared>(WIDTH, weights, input).1.iter().zip(&cot_out).map(|(a, b)| a * b).sum()
        };
        let difference = |at: usize, of_weights: bool| {
            let shifted = |h: f64| {
                let (mut w, mut x) = (weights.clone(), input.clone());
                if of_weights {
                    w[at] += h
                } else {
                    x[at] += h
                }
                objective(&w, &x)
            };
            (shifted(1e-5) - shifted(-1e-5)) / 2e-5
        };
        for i in 0..N::WEIGHTS {
            assert!((cot_weights[i] - difference(i, true)).abs() < 1e-8, "weight {i}");
        }
        for i in 0..N::IN * WIDTH {
            assert!((cot_input[i] - difference(i, false)).abs() < 1e-8, "input {i}");
        }
    }

    #[test]
    fn every_mode_and_its_cotangents() {
        check::<Plain<(), Dense<5, 3>>>();
        check::<Plain<(), Dense<0, 4>>>();
        check::<Plain<(Dense<3, 4>, (Dense<4, 5>, ())), Dense<5, 2>>>();
        check::<Beside<(Dense<3, 4>, (Dense<4, 5>, ())), Dense<5, 2>, Dense<3, 2>>>();
        type Mode2 = (Rung<INPUT, Dense<3, 4>, Dense<4, 2>>, (Rung<INPUT, Dense<3, 5>, Dense<5, 2>>, ()));
        check::<Ladder<Mode2, Dense<3, 2>>>();
        type Mode3 = (Rung<INPUT, Dense<3, 4>, Dense<4, 2>>, (Rung<SUM, Dense<2, 5>, Dense<5, 2>>, ()));
        check::<Ladder<Mode3, Dense<3, 2>>>();
        type Mode4 = (
            Rung<INPUT, Dense<3, 4>, Dense<4, 2>>,
            (Rung<BOTH, Dense<5, 5>, Dense<5, 2>>, (Rung<BOTH, Dense<5, 3>, Dense<3, 2>>, ())),
        );
        check::<Ladder<Mode4, Dense<3, 2>>>();
        assert_eq!(Ladder::<Mode4, Dense<3, 2>>::describe().to_string(), "3-4-5-3-2 highway 4");
        assert_eq!(Ladder::<Mode3, Dense<3, 2>>::describe().highway, 3);
    }

    /// The networks inside layers were written apart from these, for one point at a time.
    #[test]
    fn every_mode_is_that_of_the_networks_inside_layers() {
        use crate::layers::lane_mlp::Mlp;
        fn same<N: Network>(widths: &[usize], rank: usize, highway: usize) {
            let mlp = Mlp { widths, rank, highway };
            assert_eq!(mlp.params(), N::WEIGHTS, "{widths:?} {rank} {highway}");
            let (weights, input) = (numbers(N::WEIGHTS, 0.3), numbers(N::IN, 0.9));
            let out = run::<N, Shared>(1, &weights, &input).1;
            let each = run::<N, Each>(1, &weights, &input).1;
            let (mut hidden, mut expected) = (vec![0.0; mlp.hidden()], vec![0.0; N::OUT]);
            mlp.evaluate(&weights, &input, &mut hidden, &mut expected);
            for i in 0..N::OUT {
                assert!((out[i] - expected[i]).abs() < 1e-14 && (each[i] - expected[i]).abs() < 1e-14);
            }
        }
        type Hidden2 = (Dense<3, 4>, (Dense<4, 5>, ()));
        same::<Plain<Hidden2, Dense<5, 2>>>(&[3, 4, 5, 2], 0, 0);
        same::<Beside<Hidden2, Dense<5, 2>, Dense<3, 2>>>(&[3, 4, 5, 2], 0, 1);
        type First = Rung<INPUT, Dense<3, 4>, Dense<4, 2>>;
        same::<Ladder<(First, (Rung<INPUT, Dense<3, 5>, Dense<5, 2>>, ())), Dense<3, 2>>>(&[3, 4, 5, 2], 0, 2);
        same::<Ladder<(First, (Rung<SUM, Dense<2, 5>, Dense<5, 2>>, ())), Dense<3, 2>>>(&[3, 4, 5, 2], 0, 3);
        same::<Ladder<(First, (Rung<BOTH, Dense<5, 5>, Dense<5, 2>>, ())), Dense<3, 2>>>(&[3, 4, 5, 2], 0, 4);
        type Thin<const I: usize, const O: usize, const K: usize, const LEN: usize> = LowRank<I, O, K, LEN>;
        type Narrow = Thin<7, 9, { low_rank(2, 7, 9) }, { low_rank_len(2, 7, 9) }>;
        type Back = Thin<9, 6, { low_rank(2, 9, 6) }, { low_rank_len(2, 9, 6) }>;
        type Past = Thin<7, 6, { low_rank(2, 7, 6) }, { low_rank_len(2, 7, 6) }>;
        same::<Plain<(Narrow, ()), Back>>(&[7, 9, 6], 2, 0);
        same::<Beside<(Narrow, ()), Back, Past>>(&[7, 9, 6], 2, 1);
        same::<Ladder<(Rung<INPUT, Narrow, Back>, ()), Past>>(&[7, 9, 6], 2, 4);
    }

    #[test]
    fn products_of_matrices() {
        type Narrow = LowRank<7, 9, { low_rank(2, 7, 9) }, { low_rank_len(2, 7, 9) }>;
        type Back = LowRank<9, 6, { low_rank(2, 9, 6) }, { low_rank_len(2, 9, 6) }>;
        type Full = LowRank<3, 2, { low_rank(2, 3, 2) }, { low_rank_len(2, 3, 2) }>;
        assert_eq!((low_rank(2, 7, 9), low_rank_len(2, 7, 9)), (2, 32));
        assert_eq!((low_rank(2, 3, 2), low_rank_len(2, 3, 2)), (0, 6));
        check::<Plain<(Narrow, ()), Back>>();
        check::<Plain<(), Full>>();
        check::<Beside<(Narrow, ()), Back, LowRank<7, 6, { low_rank(3, 7, 6) }, { low_rank_len(3, 7, 6) }>>>();
    }

    #[test]
    fn flat_order_of_a_highway() {
        // x = 2; net: tanh(0.5 x + 0.1) * 3; highway: 0.7 x - 0.2. In mode 1 the flat order is W1, b1, W2, L, b.
        let out =
            run::<Beside<(Dense<1, 1>, ()), Dense<1, 1>, Dense<1, 1>>, Shared>(1, &[0.5, 0.1, 3.0, 0.7, -0.2], &[2.0])
                .1;
        assert!((out[0] - (3.0 * 1.1_f64.tanh() + 1.2)).abs() < 1e-15);
        // Mode 3 with two nets: acc = 1.2; acc += 3 tanh(1.1); acc += 2 tanh(0.4 acc - 0.3).
        type Net =
            Ladder<(Rung<INPUT, Dense<1, 1>, Dense<1, 1>>, (Rung<SUM, Dense<1, 1>, Dense<1, 1>>, ())), Dense<1, 1>>;
        let out = run::<Net, Shared>(1, &[0.5, 0.1, 3.0, 0.4, -0.3, 2.0, 0.7, -0.2], &[2.0]).1;
        let sum = 1.2 + 3.0 * 1.1_f64.tanh();
        assert!((out[0] - (sum + 2.0 * (0.4 * sum - 0.3).tanh())).abs() < 1e-15);
    }
}
