//! Matrices applied to a block of points: what the conditioner networks are made of.
//!
//! Activations are matrices of `rows x width` numbers, one column a point, so that a layer is one matrix product of the weights
//! (rows x columns, as stored) with the block.

use super::product;
use crate::numeric::Scalar;

/// A matrix with its numbers in one flat stretch. Biases belong to the networks.
pub trait Linear: Send + Sync + 'static {
    /// Numbers read a point.
    const IN: usize;
    /// Numbers written a point.
    const OUT: usize;
    /// Length of the flat weights.
    const WEIGHTS: usize;
    /// Rows of temporary space a block needs.
    const TEMP: usize;
    /// Whether the matrix is stored as such, not as a product.
    const FULL: bool;

    /// out += W input.
    fn add<W: Weighing, T: Scalar>(weights: &[T], width: usize, input: &[T], out: &mut [T], temp: &mut [T]);
    /// Adds to the cotangents of the weights, and to those of the input unless `cot_input` is empty.
    fn pull<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        cot_out: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    );
}

/// Whether the points of a block share the weights of a network, or each has its own.
///
/// Weights of their own come in a row of `width` numbers for each weight, as everything else in a block.
pub trait Weighing: Send + Sync + 'static {
    /// Numbers held for each weight.
    fn stride(width: usize) -> usize;
    /// out += W input for a row-major `rows x columns` matrix.
    fn add<T: Scalar>(weights: &[T], shape: [usize; 2], width: usize, input: &[T], out: &mut [T]);
    /// cot_input += W^T cot_out and cot_weights += cot_out input^T.
    fn pull<T: Scalar>(
        weights: &[T],
        shape: [usize; 2],
        width: usize,
        input: &[T],
        cot_out: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
    );
    /// out = b.
    fn bias<T: Scalar>(bias: &[T], width: usize, out: &mut [T]);
    /// cot_bias += cot_out.
    fn pull_bias<T: Scalar>(width: usize, cot_out: &[T], cot_bias: &mut [T]);
}

/// One set of weights for all points.
#[derive(Clone, Copy, Debug)]
pub struct Shared;

/// A set of weights for each point.
#[derive(Clone, Copy, Debug)]
pub struct Each;

/// A full matrix `O x I` (row-major). Each hidden layer of the clause `hidden 128-64` has one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dense<const I: usize, const O: usize>;

/// A matrix `O x I` as a product of `O x K` and `K x I`; with `K = 0` a full matrix. `LEN` numbers. The clause `rank 8`.
///
/// [`low_rank`] and [`low_rank_len`] give `K` and `LEN` for a requested rank: the product is used where it saves numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct LowRank<const I: usize, const O: usize, const K: usize, const LEN: usize>;

/// The rank used for an `output x input` matrix when `rank` is asked for; 0 where a full matrix is smaller (layers.md 3.2).
pub const fn low_rank(rank: usize, input: usize, output: usize) -> usize {
    let mut k = rank;
    if k > input {
        k = input;
    }
    if k > output {
        k = output;
    }
    if k * (input + output) < input * output { k } else { 0 }
}

/// How many numbers the product, or the full matrix in its place, has.
pub const fn low_rank_len(rank: usize, input: usize, output: usize) -> usize {
    match low_rank(rank, input, output) {
        0 => input * output,
        k => k * (input + output),
    }
}

impl Weighing for Shared {
    fn stride(_: usize) -> usize {
        1
    }

    fn add<T: Scalar>(weights: &[T], [rows, columns]: [usize; 2], width: usize, input: &[T], out: &mut [T]) {
        product::add(weights, [rows, columns], width, input, out);
    }

    fn pull<T: Scalar>(
        weights: &[T],
        [rows, columns]: [usize; 2],
        width: usize,
        input: &[T],
        cot_out: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
    ) {
        product::add_transposed(weights, [rows, columns], width, cot_out, cot_input);
        product::add_outer(cot_weights, [rows, columns], width, cot_out, input);
    }

    fn bias<T: Scalar>(bias: &[T], width: usize, out: &mut [T]) {
        for (out, b) in out.chunks_exact_mut(width).zip(bias) {
            out.fill(*b);
        }
    }

    fn pull_bias<T: Scalar>(width: usize, cot_out: &[T], cot_bias: &mut [T]) {
        for (bar, cot) in cot_bias.iter_mut().zip(cot_out.chunks_exact(width)) {
            // Eight sums beside each other, which need not wait for one another.
            let (eights, rest) = cot.as_chunks::<8>();
            let mut sums = [T::narrow(0.0); 8];
            for eight in eights {
                for l in 0..8 {
                    sums[l] += eight[l];
                }
            }
            *bar = sums.iter().chain(rest).fold(*bar, |sum, c| sum + *c);
        }
    }
}

/// a += b c, number by number.
fn add_products<T: Scalar>(a: &mut [T], b: &[T], c: &[T]) {
    for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
        *a += *b * *c;
    }
}

// A product of matrices has become a sum of products of rows.
impl Weighing for Each {
    fn stride(width: usize) -> usize {
        width
    }

    fn add<T: Scalar>(weights: &[T], [rows, columns]: [usize; 2], width: usize, input: &[T], out: &mut [T]) {
        for (i, out) in out.chunks_exact_mut(width).take(rows).enumerate() {
            for (j, x) in input.chunks_exact(width).take(columns).enumerate() {
                add_products(out, &weights[(i * columns + j) * width..][..width], x);
            }
        }
    }

    fn pull<T: Scalar>(
        weights: &[T],
        [rows, columns]: [usize; 2],
        width: usize,
        input: &[T],
        cot_out: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
    ) {
        for (i, cot) in cot_out.chunks_exact(width).take(rows).enumerate() {
            for (j, x) in input.chunks_exact(width).take(columns).enumerate() {
                let at = (i * columns + j) * width;
                add_products(&mut cot_input[j * width..][..width], &weights[at..][..width], cot);
                add_products(&mut cot_weights[at..][..width], cot, x);
            }
        }
    }

    fn bias<T: Scalar>(bias: &[T], width: usize, out: &mut [T]) {
        let numbers = bias.len() / width * width;
        out[..numbers].copy_from_slice(&bias[..numbers]);
    }

    fn pull_bias<T: Scalar>(_: usize, cot_out: &[T], cot_bias: &mut [T]) {
        for (bar, cot) in cot_bias.iter_mut().zip(cot_out) {
            *bar += *cot;
        }
    }
}

impl<const I: usize, const O: usize> Linear for Dense<I, O> {
    const IN: usize = I;
    const OUT: usize = O;
    const WEIGHTS: usize = I * O;
    const TEMP: usize = 0;
    const FULL: bool = true;

    fn add<W: Weighing, T: Scalar>(weights: &[T], width: usize, input: &[T], out: &mut [T], _: &mut [T]) {
        W::add(weights, [O, I], width, input, out);
    }

    fn pull<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        cot_out: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        _: &mut [T],
    ) {
        W::pull(weights, [O, I], width, input, cot_out, cot_input, cot_weights);
    }
}

impl<const I: usize, const O: usize, const K: usize, const LEN: usize> Linear for LowRank<I, O, K, LEN> {
    const IN: usize = I;
    const OUT: usize = O;
    const WEIGHTS: usize = LEN;
    const TEMP: usize = 2 * K;
    const FULL: bool = K == 0;

    fn add<W: Weighing, T: Scalar>(weights: &[T], width: usize, input: &[T], out: &mut [T], temp: &mut [T]) {
        if K == 0 {
            return W::add(weights, [O, I], width, input, out);
        }
        let (u, v) = weights.split_at(O * K * W::stride(width));
        let middle = &mut temp[..K * width];
        middle.fill(T::narrow(0.0));
        W::add(v, [K, I], width, input, middle);
        W::add(u, [O, K], width, middle, out);
    }

    fn pull<W: Weighing, T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        cot_out: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    ) {
        if K == 0 {
            return W::pull(weights, [O, I], width, input, cot_out, cot_input, cot_weights);
        }
        let (u, v) = weights.split_at(O * K * W::stride(width));
        let (cot_u, cot_v) = cot_weights.split_at_mut(O * K * W::stride(width));
        let (middle, cot_middle) = temp[..2 * K * width].split_at_mut(K * width);
        middle.fill(T::narrow(0.0));
        cot_middle.fill(T::narrow(0.0));
        W::add(v, [K, I], width, input, middle);
        W::pull(u, [O, K], width, middle, cot_out, cot_middle, cot_u);
        W::pull(v, [K, I], width, input, cot_middle, cot_input, cot_v);
    }
}
