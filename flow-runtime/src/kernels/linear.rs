//! Affine maps of a block of points: what the conditioner networks are made of.
//!
//! Activations are matrices of `rows x width` numbers, one column a point, so that a layer is one matrix product of the weights
//! (rows x columns, as stored) with the block.

use crate::numeric::Scalar;

/// An affine map with its weights in one flat stretch.
pub trait Linear: Send + Sync + 'static {
    /// Numbers read a point.
    const IN: usize;
    /// Numbers written a point.
    const OUT: usize;
    /// Length of the flat weights, bias last.
    const WEIGHTS: usize;
    /// Rows of temporary space a block needs.
    const TEMP: usize;
    /// Whether the matrix is stored as such, not as a product.
    const FULL: bool;

    /// out = W input + b.
    fn apply<T: Scalar>(weights: &[T], width: usize, input: &[T], out: &mut [T], temp: &mut [T]);
    /// Adds to the cotangents of the weights, and to those of the input.
    fn pull<T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        cot_out: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    );
}

/// A full matrix `O x I` (row-major) and a bias `O`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dense<const I: usize, const O: usize>;

/// A matrix `O x I` as a product of `O x K` and `K x I`, and a bias; with `K = 0` a full matrix. `LEN` numbers without the bias.
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

/// A matrix in a slice: element (i, j) at `i * row + j * column`.
#[derive(Clone, Copy)]
struct Layout {
    row: usize,
    column: usize,
}

/// dst (m x n, row-major) += lhs (m x k) rhs (k x n).
fn multiply<T: Scalar>(
    [m, n, k]: [usize; 3],
    dst: &mut [T],
    lhs: &[T],
    lhs_layout: Layout,
    rhs: &[T],
    rhs_layout: Layout,
) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let reach = |rows: usize, columns: usize, l: Layout| (rows - 1) * l.row + (columns - 1) * l.column;
    assert!(reach(m, k, lhs_layout) < lhs.len() && reach(k, n, rhs_layout) < rhs.len() && m * n <= dst.len());
    let one = T::narrow(1.0);
    // SAFETY: the assertion above keeps every element that the product touches inside its slice, and `dst` is borrowed
    // mutably, so it overlaps neither operand. `gemm` supports f32 and f64, the only scalars.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.as_mut_ptr(),
            1,
            n as isize,
            true,
            lhs.as_ptr(),
            lhs_layout.column as isize,
            lhs_layout.row as isize,
            rhs.as_ptr(),
            rhs_layout.column as isize,
            rhs_layout.row as isize,
            one,
            one,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// How many partial sums a dot product keeps, so that it runs in vector registers.
const PARTS: usize = 8;

fn dot<T: Scalar>(a: &[T], b: &[T]) -> T {
    let mut parts = [T::narrow(0.0); PARTS];
    let (a_blocks, b_blocks) = (a.chunks_exact(PARTS), b.chunks_exact(PARTS));
    let mut rest = T::narrow(0.0);
    for (x, y) in a_blocks.remainder().iter().zip(b_blocks.remainder()) {
        rest += *x * *y;
    }
    for (x, y) in a_blocks.zip(b_blocks) {
        for i in 0..PARTS {
            parts[i] += x[i] * y[i];
        }
    }
    parts.iter().fold(rest, |sum, p| sum + *p)
}

/// out += W input for a row-major `rows x columns` matrix.
fn apply_matrix<T: Scalar>(weights: &[T], [rows, columns]: [usize; 2], width: usize, input: &[T], out: &mut [T]) {
    if width == 1 {
        if columns > 0 {
            for (out, row) in out.iter_mut().zip(weights.chunks_exact(columns)) {
                *out += dot(row, input);
            }
        }
    } else {
        let (by_row, block) = (Layout { row: columns, column: 1 }, Layout { row: width, column: 1 });
        multiply([rows, width, columns], out, weights, by_row, input, block);
    }
}

/// cot_input += W^T cot_out and cot_weights += cot_out input^T.
fn pull_matrix<T: Scalar>(
    weights: &[T],
    [rows, columns]: [usize; 2],
    width: usize,
    input: &[T],
    cot_out: &[T],
    cot_input: &mut [T],
    cot_weights: &mut [T],
) {
    let (transposed, block) = (Layout { row: 1, column: columns }, Layout { row: width, column: 1 });
    multiply([columns, width, rows], cot_input, weights, transposed, cot_out, block);
    multiply([rows, columns, width], cot_weights, cot_out, block, input, Layout { row: 1, column: width });
}

fn fill_bias<T: Scalar>(bias: &[T], width: usize, out: &mut [T]) {
    for (out, b) in out.chunks_exact_mut(width).zip(bias) {
        out.fill(*b);
    }
}

fn pull_bias<T: Scalar>(width: usize, cot_out: &[T], cot_bias: &mut [T]) {
    for (bar, cot) in cot_bias.iter_mut().zip(cot_out.chunks_exact(width)) {
        *bar = cot.iter().fold(*bar, |sum, c| sum + *c);
    }
}

impl<const I: usize, const O: usize> Linear for Dense<I, O> {
    const IN: usize = I;
    const OUT: usize = O;
    const WEIGHTS: usize = I * O + O;
    const TEMP: usize = 0;
    const FULL: bool = true;

    fn apply<T: Scalar>(weights: &[T], width: usize, input: &[T], out: &mut [T], _: &mut [T]) {
        let (matrix, bias) = weights.split_at(I * O);
        fill_bias(bias, width, out);
        apply_matrix(matrix, [O, I], width, input, out);
    }

    fn pull<T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        cot_out: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        _: &mut [T],
    ) {
        let (cot_matrix, cot_bias) = cot_weights.split_at_mut(I * O);
        pull_bias(width, cot_out, cot_bias);
        pull_matrix(&weights[..I * O], [O, I], width, input, cot_out, cot_input, cot_matrix);
    }
}

impl<const I: usize, const O: usize, const K: usize, const LEN: usize> Linear for LowRank<I, O, K, LEN> {
    const IN: usize = I;
    const OUT: usize = O;
    const WEIGHTS: usize = LEN + O;
    const TEMP: usize = 2 * K;
    const FULL: bool = K == 0;

    fn apply<T: Scalar>(weights: &[T], width: usize, input: &[T], out: &mut [T], temp: &mut [T]) {
        let (matrix, bias) = weights.split_at(LEN);
        fill_bias(bias, width, out);
        if K == 0 {
            return apply_matrix(matrix, [O, I], width, input, out);
        }
        let (u, v) = matrix.split_at(O * K);
        let middle = &mut temp[..K * width];
        middle.fill(T::narrow(0.0));
        apply_matrix(v, [K, I], width, input, middle);
        apply_matrix(u, [O, K], width, middle, out);
    }

    fn pull<T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        cot_out: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    ) {
        let matrix = &weights[..LEN];
        let (cot_matrix, cot_bias) = cot_weights.split_at_mut(LEN);
        pull_bias(width, cot_out, cot_bias);
        if K == 0 {
            return pull_matrix(matrix, [O, I], width, input, cot_out, cot_input, cot_matrix);
        }
        let (u, v) = matrix.split_at(O * K);
        let (cot_u, cot_v) = cot_matrix.split_at_mut(O * K);
        let (middle, cot_middle) = temp[..2 * K * width].split_at_mut(K * width);
        middle.fill(T::narrow(0.0));
        cot_middle.fill(T::narrow(0.0));
        apply_matrix(v, [K, I], width, input, middle);
        pull_matrix(u, [O, K], width, middle, cot_out, cot_middle, cot_u);
        pull_matrix(v, [K, I], width, input, cot_middle, cot_input, cot_v);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: f64) -> Vec<f64> {
        (0..n).map(|i| (seed + 1.3 * i as f64).sin()).collect()
    }

    /// Both widths agree, and the cotangents equal differences.
    fn check<L: Linear>() {
        let width = 6;
        let (weights, input) = (numbers(L::WEIGHTS, 0.3), numbers(L::IN * width, 0.9));
        let weight_of_out = numbers(L::OUT * width, 0.1);
        let run = |weights: &[f64], input: &[f64]| {
            let mut out = vec![0.0; L::OUT * width];
            L::apply(weights, width, input, &mut out, &mut vec![0.0; L::TEMP * width]);
            out
        };
        let out = run(&weights, &input);
        for lane in 0..width {
            let column: Vec<f64> = (0..L::IN).map(|i| input[i * width + lane]).collect();
            let mut single = vec![0.0; L::OUT];
            L::apply(&weights, 1, &column, &mut single, &mut vec![0.0; L::TEMP]);
            for o in 0..L::OUT {
                assert!((single[o] - out[o * width + lane]).abs() < 1e-13);
            }
        }
        let (mut cot_input, mut cot_weights) = (vec![0.0; L::IN * width], vec![0.0; L::WEIGHTS]);
        let mut temp = vec![0.0; L::TEMP * width];
        L::pull(&weights, width, &input, &weight_of_out, &mut cot_input, &mut cot_weights, &mut temp);
        let objective = |weights: &[f64], input: &[f64]| -> f64 {
            run(weights, input).iter().zip(&weight_of_out).map(|(a, b)| a * b).sum()
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
        for i in 0..L::WEIGHTS {
            assert!((cot_weights[i] - difference(i, true)).abs() < 1e-8);
        }
        for i in 0..L::IN * width {
            assert!((cot_input[i] - difference(i, false)).abs() < 1e-8);
        }
    }

    #[test]
    fn maps_and_their_cotangents() {
        check::<Dense<5, 3>>();
        check::<Dense<0, 4>>();
        check::<Dense<3, 0>>();
        check::<LowRank<7, 9, { low_rank(2, 7, 9) }, { low_rank_len(2, 7, 9) }>>();
        check::<LowRank<3, 2, { low_rank(2, 3, 2) }, { low_rank_len(2, 3, 2) }>>();
        assert_eq!((low_rank(2, 7, 9), low_rank_len(2, 7, 9)), (2, 32));
        assert_eq!((low_rank(2, 3, 2), low_rank_len(2, 3, 2)), (0, 6));
    }
}
