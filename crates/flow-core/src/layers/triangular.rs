//! Volume-preserving triangular maps: A = L diag(e^a) U with unit triangular L and U and a of sum zero (layers.md 4.2,
//! `triangular_combination`).
//!
//! Parameters: the strict lower triangle of L, the first D - 1 numbers of a, the strict lower triangle of U^T, each triangle sub-diagonal
//! by sub-diagonal from the bottom-left corner (P7). Prepared: the two triangles and the D numbers e^a. The factors are applied and undone
//! one by one, so derivatives walk back from the result and nothing has to be stored.

use crate::numeric::{Lift, Real};

/// Entries of a strict triangle.
const fn triangle(dim: usize) -> usize {
    dim * (dim - 1) / 2
}

/// Number of parameters.
pub(super) const fn params(dim: usize) -> usize {
    2 * triangle(dim) + dim - 1
}

/// Number of prepared numbers.
pub(super) const fn prepared(dim: usize) -> usize {
    2 * triangle(dim) + dim
}

/// Where entry (row, column), row > column, stands in a strict triangle.
#[inline(always)]
const fn place(dim: usize, row: usize, column: usize) -> usize {
    let shorter = dim - 1 - (row - column);
    triangle(shorter + 1) + column
}

/// Left triangle, scales (or the numbers a), right triangle.
#[inline(always)]
fn parts<T>(dim: usize, numbers: &[T]) -> (&[T], &[T], &[T]) {
    let (left, rest) = numbers.split_at(triangle(dim));
    let (scales, right) = rest.split_at(rest.len() - triangle(dim));
    (left, scales, right)
}

#[inline(always)]
fn parts_mut<T>(dim: usize, numbers: &mut [T]) -> (&mut [T], &mut [T], &mut [T]) {
    let (left, rest) = numbers.split_at_mut(triangle(dim));
    let (scales, right) = rest.split_at_mut(rest.len() - triangle(dim));
    (left, scales, right)
}

/// e^a, with the last number minus the sum of the others.
#[inline]
pub(super) fn prepare<P: Real>(dim: usize, params: &[P], prepared: &mut [P]) {
    let (left, logs, right) = parts(dim, params);
    let (left_out, scales, right_out) = parts_mut(dim, prepared);
    left_out.copy_from_slice(left);
    right_out.copy_from_slice(right);
    let mut rest = P::zero();
    for (scale, log) in scales.iter_mut().zip(logs) {
        *scale = log.exp();
        rest -= *log;
    }
    scales[dim - 1] = rest.exp();
}

/// Cotangents of [`prepare`].
#[inline]
pub(super) fn prepare_vjp<P: Real>(dim: usize, prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
    let (_, scales, _) = parts(dim, prepared);
    let (left, cot_scales, right) = parts(dim, cot_prepared);
    let (left_out, cot_logs, right_out) = parts_mut(dim, cot_params);
    left_out.iter_mut().zip(left).for_each(|(out, cot)| *out += *cot);
    right_out.iter_mut().zip(right).for_each(|(out, cot)| *out += *cot);
    let last = scales[dim - 1] * cot_scales[dim - 1];
    for ((out, scale), cot) in cot_logs.iter_mut().zip(scales).zip(cot_scales) {
        *out += *scale * *cot - last;
    }
}

/// x <- L x, or U^T x for the right triangle.
#[inline(always)]
fn lower<R: Real, P: Lift<R>>(dim: usize, entries: &[P], x: &mut [R]) {
    for row in (1..dim).rev() {
        for column in 0..row {
            let e: R = entries[place(dim, row, column)].lift();
            x[row] += e * x[column];
        }
    }
}

/// x <- L^-1 x.
#[inline(always)]
fn lower_back<R: Real, P: Lift<R>>(dim: usize, entries: &[P], x: &mut [R]) {
    for row in 1..dim {
        for column in 0..row {
            let e: R = entries[place(dim, row, column)].lift();
            x[row] -= e * x[column];
        }
    }
}

/// x <- L^T x, that is U x for the right triangle.
#[inline(always)]
fn upper<R: Real, P: Lift<R>>(dim: usize, entries: &[P], x: &mut [R]) {
    for column in 0..dim {
        for row in column + 1..dim {
            let e: R = entries[place(dim, row, column)].lift();
            x[column] += e * x[row];
        }
    }
}

/// x <- L^-T x.
#[inline(always)]
fn upper_back<R: Real, P: Lift<R>>(dim: usize, entries: &[P], x: &mut [R]) {
    for column in (0..dim).rev() {
        for row in column + 1..dim {
            let e: R = entries[place(dim, row, column)].lift();
            x[column] -= e * x[row];
        }
    }
}

/// entry_bar(row, column) += sign by(row) from(column).
#[inline(always)]
fn outer<R: Real>(dim: usize, by: &[R], from: &[R], sign: f64, cot: &mut [R]) {
    for row in 1..dim {
        for column in 0..row {
            cot[place(dim, row, column)] += (by[row] * from[column]).scale(sign);
        }
    }
}

/// x <- A x.
#[inline(always)]
pub(super) fn apply<R: Real, P: Lift<R>>(dim: usize, prepared: &[P], x: &mut [R]) {
    let (left, scales, right) = parts(dim, prepared);
    upper(dim, right, x);
    x.iter_mut().zip(scales).for_each(|(x, scale)| *x *= scale.lift());
    lower(dim, left, x);
}

/// x <- A^-1 x.
#[inline(always)]
pub(super) fn undo<R: Real, P: Lift<R>>(dim: usize, prepared: &[P], x: &mut [R]) {
    let (left, scales, right) = parts(dim, prepared);
    lower_back(dim, left, x);
    x.iter_mut().zip(scales).for_each(|(x, scale)| *x = *x / scale.lift());
    upper_back(dim, right, x);
}

/// Cotangents of [`apply`]; `x` holds the result and is taken back to the argument.
#[inline(always)]
pub(super) fn apply_vjp<R: Real, P: Lift<R>>(
    dim: usize,
    prepared: &[P],
    x: &mut [R],
    cot: &mut [R],
    cot_prepared: &mut [R],
) {
    let (left, scales, right) = parts(dim, prepared);
    let (cot_left, cot_scales, cot_right) = parts_mut(dim, cot_prepared);
    lower_back(dim, left, x);
    outer(dim, cot, x, 1.0, cot_left);
    upper(dim, left, cot);
    for i in 0..dim {
        let scale: R = scales[i].lift();
        x[i] = x[i] / scale;
        cot_scales[i] += cot[i] * x[i];
        cot[i] *= scale;
    }
    // x = U y: entry (row, column) of U^T is entry (column, row) of U.
    upper_back(dim, right, x);
    outer(dim, x, cot, 1.0, cot_right);
    lower(dim, right, cot);
}

/// Cotangents of [`undo`]; `x` holds the result and is taken back to the argument. For y = M^-1 x: x_bar = M^-T y_bar,
/// M_bar = -x_bar y^T.
#[inline(always)]
pub(super) fn undo_vjp<R: Real, P: Lift<R>>(
    dim: usize,
    prepared: &[P],
    x: &mut [R],
    cot: &mut [R],
    cot_prepared: &mut [R],
) {
    let (left, scales, right) = parts(dim, prepared);
    let (cot_left, cot_scales, cot_right) = parts_mut(dim, cot_prepared);
    lower_back(dim, right, cot);
    outer(dim, x, cot, -1.0, cot_right);
    upper(dim, right, x);
    for i in 0..dim {
        let scale: R = scales[i].lift();
        cot[i] = cot[i] / scale;
        cot_scales[i] -= cot[i] * x[i];
        x[i] *= scale;
    }
    upper_back(dim, left, cot);
    outer(dim, cot, x, -1.0, cot_left);
    lower(dim, left, x);
}
