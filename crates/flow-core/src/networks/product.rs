//! Products of small matrices with a block of points, for whatever vector unit the processor has.
//!
//! A block is a matrix of `rows x width` numbers, one column a point. Results are built up tile by tile: a few rows by a few packs of columns, as
//! many as registers hold, so that each number loaded is used several times. Weights are read as they are stored, one number for all lanes of
//! a pack: nothing is packed or copied first. Each result is a sum of sums of 64 terms in their order, whatever the tile.

use crate::numeric::{Lift, Pack, Scalar, WithPack, Work};
use core::marker::PhantomData;
use std::borrow::Cow;

/// Lanes of the widest packs.
const MOST_LANES: usize = 8;

/// Rows of a tile. With four packs of columns it fills the 32 registers of AVX-512, with one the 16 of AVX2 (two to a pack).
const ROWS: usize = 6;

/// Terms of a sum that are taken at a time: as many as keep the numbers that all tiles below each other read in the first cache.
const DEPTH: usize = 64;

/// The left factor of a product: element (i, k) at `i * row + k * column`.
#[derive(Clone, Copy)]
struct Left<'a, T> {
    numbers: &'a [T],
    row: usize,
    column: usize,
}

/// out += left right with `depth` terms in each sum: `out` has rows of `columns` numbers, `right` has rows of `right_row` numbers that reach over whole packs.
struct Product<'a, T> {
    left: Left<'a, T>,
    depth: usize,
    right: &'a [T],
    right_row: usize,
    out: &'a mut [T],
    columns: usize,
}

impl<T: Scalar> WithPack<T> for Product<'_, T> {
    type Output = ();
    fn call<R: Pack<Scalar = T>>(self)
    where
        T: Lift<R>,
    {
        R::run(InPacks::<R, Self>(self, PhantomData));
    }
}

/// A piece of work in packs `R`.
struct InPacks<R, W>(W, PhantomData<R>);

impl<T: Scalar, R: Pack<Scalar = T>> Work for InPacks<R, Product<'_, T>> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        self.0.in_tiles::<R>();
    }
}

impl<T: Scalar> Product<'_, T> {
    /// Packs of columns beside each other, then tiles of rows below each other.
    #[inline(always)]
    fn in_tiles<R: Pack<Scalar = T>>(mut self) {
        if self.depth == 0 || self.columns == 0 {
            return;
        }
        let mut at = 0;
        while at < self.columns {
            let packs = (self.columns - at).div_ceil(R::LANES);
            at += R::LANES
                * if R::REGISTERS >= 32 && packs >= 4 {
                    self.column_of_tiles::<R, 4>(at)
                } else if R::REGISTERS >= 16 && packs >= 2 {
                    self.column_of_tiles::<R, 2>(at)
                } else {
                    self.column_of_tiles::<R, 1>(at)
                };
        }
    }

    /// All rows of `PACKS` packs of columns; returns `PACKS`.
    #[inline(always)]
    fn column_of_tiles<R: Pack<Scalar = T>, const PACKS: usize>(&mut self, at: usize) -> usize {
        let rows = self.out.len() / self.columns;
        for from in (0..self.depth).step_by(DEPTH) {
            let mut first = 0;
            while first + ROWS <= rows {
                self.tile::<R, ROWS, PACKS>(first, at, from);
                first += ROWS;
            }
            match rows - first {
                5 => self.tile::<R, 5, PACKS>(first, at, from),
                4 => self.tile::<R, 4, PACKS>(first, at, from),
                3 => self.tile::<R, 3, PACKS>(first, at, from),
                2 => self.tile::<R, 2, PACKS>(first, at, from),
                1 => self.tile::<R, 1, PACKS>(first, at, from),
                _ => {}
            }
        }
        PACKS
    }

    /// `M` rows by `PACKS` packs of columns, from the sums so far on: the terms from number `from` on, [`DEPTH`] of them at most.
    #[allow(unsafe_code, reason = "two assertions stand for a comparison at every number read")]
    #[inline(always)]
    fn tile<R: Pack<Scalar = T>, const M: usize, const PACKS: usize>(&mut self, first: usize, at: usize, from: usize) {
        let Left { numbers, row, column } = self.left;
        let terms = (self.depth - from).min(DEPTH);
        let (left, right) = (&numbers[first * row + from * column..], &self.right[from * self.right_row + at..]);
        // The farthest numbers read below.
        assert!((M - 1) * row + (terms - 1) * column < left.len());
        assert!((terms - 1) * self.right_row + PACKS * R::LANES <= right.len());
        let mut sums = [[R::zero(); PACKS]; M];
        for k in 0..terms {
            let mut factors = [R::zero(); PACKS];
            for p in 0..PACKS {
                let start = k * self.right_row + p * R::LANES;
                // SAFETY: k < terms and p < PACKS, so that the end is within what the second assertion compares.
                factors[p] = R::read(unsafe { right.get_unchecked(start..start + R::LANES) });
            }
            for i in 0..M {
                // SAFETY: i < M and k < terms, so that the place is within what the first assertion compares.
                let left = R::splat(unsafe { *left.get_unchecked(i * row + k * column) });
                for p in 0..PACKS {
                    sums[i][p] = left.mul_add(factors[p], sums[i][p]);
                }
            }
        }
        for i in 0..M {
            let out = &mut self.out[(first + i) * self.columns..][..self.columns];
            for p in 0..PACKS {
                let here = &mut out[at + p * R::LANES..];
                if here.len() >= R::LANES {
                    (R::read(here) + sums[i][p]).write(here);
                } else {
                    for (lane, out) in here.iter_mut().enumerate() {
                        *out += sums[i][p].lane(lane);
                    }
                }
            }
        }
    }
}

/// Rows made of whole packs, whichever the packs, and their length. The blocks of a batch are; others are copied.
fn in_whole_packs<T: Scalar>(block: &[T], rows: usize, width: usize) -> (Cow<'_, [T]>, usize) {
    if width.is_multiple_of(MOST_LANES) {
        return (Cow::Borrowed(block), width);
    }
    let padded = width.next_multiple_of(MOST_LANES);
    let mut copy = vec![T::narrow(0.0); rows * padded];
    for (to, from) in copy.chunks_exact_mut(padded).zip(block.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
    }
    (Cow::Owned(copy), padded)
}

/// out += W input for a row-major `rows x columns` matrix and a block.
pub(super) fn add<T: Scalar>(weights: &[T], [rows, columns]: [usize; 2], width: usize, input: &[T], out: &mut [T]) {
    if width == 1 {
        return T::widest(OfOne { weights, columns, input, out: &mut out[..rows] });
    }
    let left = Left { numbers: weights, row: columns, column: 1 };
    let out = &mut out[..rows * width];
    let (right, right_row) = in_whole_packs(input, columns, width);
    T::widest(Product { left, depth: columns, right: &right, right_row, out, columns: width });
}

/// cot_input += W^T cot_out; nothing where nobody asks for it (`cot_input` is empty).
pub(super) fn add_transposed<T: Scalar>(
    weights: &[T],
    [rows, columns]: [usize; 2],
    width: usize,
    cot_out: &[T],
    cot_input: &mut [T],
) {
    if cot_input.is_empty() {
        return;
    }
    if width == 1 {
        // One row of results, lanes along the rows of the weights.
        let left = Left { numbers: cot_out, row: rows, column: 1 };
        let out = &mut cot_input[..columns];
        let (right, right_row) = in_whole_packs(weights, rows, columns);
        return T::widest(Product { left, depth: rows, right: &right, right_row, out, columns });
    }
    let left = Left { numbers: weights, row: 1, column: columns };
    let out = &mut cot_input[..columns * width];
    let (right, right_row) = in_whole_packs(cot_out, rows, width);
    T::widest(Product { left, depth: rows, right: &right, right_row, out, columns: width });
}

/// cot_weights += cot_out input^T. The input is turned around first, so that lanes are columns of the weights.
pub(super) fn add_outer<T: Scalar>(
    cot_weights: &mut [T],
    [rows, columns]: [usize; 2],
    width: usize,
    cot_out: &[T],
    input: &[T],
) {
    let padded = columns.next_multiple_of(MOST_LANES);
    let mut turned = vec![T::narrow(0.0); padded * width];
    // A few columns at a time: written one by one, rows this far apart would chase each other out of the first cache.
    for j in (0..columns).step_by(MOST_LANES) {
        let beside = (columns - j).min(MOST_LANES);
        for (point, turned) in turned.chunks_exact_mut(padded).enumerate() {
            for (l, turned) in turned[j..j + beside].iter_mut().enumerate() {
                *turned = input[(j + l) * width + point];
            }
        }
    }
    let left = Left { numbers: cot_out, row: width, column: 1 };
    let out = &mut cot_weights[..rows * columns];
    T::widest(Product { left, depth: width, right: &turned, right_row: padded, out, columns });
}

/// out += W input for one point: a dot product a row, lanes along the row.
struct OfOne<'a, T> {
    weights: &'a [T],
    columns: usize,
    input: &'a [T],
    out: &'a mut [T],
}

impl<T: Scalar> WithPack<T> for OfOne<'_, T> {
    type Output = ();
    fn call<R: Pack<Scalar = T>>(self)
    where
        T: Lift<R>,
    {
        R::run(InPacks::<R, Self>(self, PhantomData));
    }
}

/// Rows of one point's product that are summed beside each other.
const BESIDE: usize = 4;

impl<T: Scalar, R: Pack<Scalar = T>> Work for InPacks<R, OfOne<'_, T>> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let OfOne { weights, columns, input, out } = self.0;
        if columns == 0 {
            return;
        }
        let mut rows = weights.chunks_exact(columns);
        let mut outs = out.chunks_exact_mut(BESIDE);
        for out in &mut outs {
            let mut four = [&weights[..0]; BESIDE];
            for row in &mut four {
                *row = rows.next().unwrap_or_default();
            }
            let sums = dots::<T, R, BESIDE>(four, input);
            for i in 0..BESIDE {
                out[i] += sums[i];
            }
        }
        for (out, row) in outs.into_remainder().iter_mut().zip(rows) {
            *out += dots::<T, R, 1>([row], input)[0];
        }
    }
}

#[inline(always)]
fn dots<T: Scalar, R: Pack<Scalar = T>, const N: usize>(rows: [&[T]; N], input: &[T]) -> [T; N] {
    let mut sums = [R::zero(); N];
    let whole = input.len() / R::LANES * R::LANES;
    let mut at = 0;
    while at < whole {
        let x = R::read(&input[at..]);
        for i in 0..N {
            sums[i] = R::read(&rows[i][at..]).mul_add(x, sums[i]);
        }
        at += R::LANES;
    }
    let mut out = [T::narrow(0.0); N];
    for i in 0..N {
        out[i] = sums[i].sum_lanes();
        for (a, b) in rows[i][whole..].iter().zip(&input[whole..]) {
            out[i] += *a * *b;
        }
    }
    out
}

/// A function of each number of a block, in packs.
pub(super) trait Each: Copy {
    /// The function.
    fn of<R: Pack>(self, x: R) -> R;
}

/// tanh.
#[derive(Clone, Copy)]
pub(super) struct Tanh;

impl Each for Tanh {
    #[inline(always)]
    fn of<R: Pack>(self, x: R) -> R {
        x.tanh()
    }
}

struct All<'a, T, F>(F, &'a mut [T]);

/// Applies a function to every number.
pub(super) fn each<T: Scalar, F: Each>(function: F, numbers: &mut [T]) {
    T::widest(All(function, numbers));
}

impl<T: Scalar, F: Each> WithPack<T> for All<'_, T, F> {
    type Output = ();
    fn call<R: Pack<Scalar = T>>(self)
    where
        T: Lift<R>,
    {
        R::run(InPacks::<R, Self>(self, PhantomData));
    }
}

impl<T: Scalar, F: Each, R: Pack<Scalar = T>> Work for InPacks<R, All<'_, T, F>> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let All(function, numbers) = self.0;
        let mut packs = numbers.chunks_exact_mut(R::LANES);
        for pack in &mut packs {
            function.of(R::read(pack)).write(pack);
        }
        let rest = packs.into_remainder();
        if let [first, ..] = *rest {
            let mut padded = [first; MOST_LANES];
            padded[..rest.len()].copy_from_slice(rest);
            function.of(R::read(&padded)).write(&mut padded);
            rest.copy_from_slice(&padded[..rest.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    fn random(rng: &mut StdRng, n: usize) -> Vec<f64> {
        (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    fn close(got: &[f64], wanted: &[f64], terms: usize) {
        for (i, (a, b)) in got.iter().zip(wanted).enumerate() {
            assert!((a - b).abs() <= 4.0 * f64::EPSILON * (terms as f64 + 1.0), "{i}: {a}, not {b}");
        }
    }

    /// Every remainder of tiles and packs against sums written out.
    #[test]
    fn products_are_sums_of_products() {
        let mut rng = StdRng::seed_from_u64(1);
        let shapes = [(1, 1), (2, 7), (7, 1), (7, 9), (2, 70), (4, 0), (3, 8), (5, 35), (6, 16), (13, 17), (40, 33)];
        let widths = [1, 3, 8, 13, 40, 64];
        // Miri interprets: the first of them have every kind of tile and of remainder.
        let (shapes, widths) = if cfg!(miri) { (&shapes[..6], &widths[..4]) } else { (&shapes[..], &widths[..]) };
        for &(rows, columns) in shapes {
            for &width in widths {
                let (weights, input) = (random(&mut rng, rows * columns), random(&mut rng, columns * width));
                let start = random(&mut rng, rows * width);
                let mut out = start.clone();
                add(&weights, [rows, columns], width, &input, &mut out);
                let mut wanted = start.clone();
                for (i, sum) in wanted.iter_mut().enumerate() {
                    let (row, point) = (i / width, i % width);
                    *sum += (0..columns).map(|k| weights[row * columns + k] * input[k * width + point]).sum::<f64>();
                }
                close(&out, &wanted, columns);

                let start = random(&mut rng, columns * width);
                let mut cot_input = start.clone();
                add_transposed(&weights, [rows, columns], width, &out, &mut cot_input);
                let mut wanted = start.clone();
                for (i, sum) in wanted.iter_mut().enumerate() {
                    let (column, point) = (i / width, i % width);
                    *sum += (0..rows).map(|k| weights[k * columns + column] * out[k * width + point]).sum::<f64>();
                }
                close(&cot_input, &wanted, 8 * rows);

                let start = random(&mut rng, rows * columns);
                let mut cot_weights = start.clone();
                add_outer(&mut cot_weights, [rows, columns], width, &out, &input);
                let mut wanted = start.clone();
                for (i, sum) in wanted.iter_mut().enumerate() {
                    let (row, column) = (i / columns, i % columns);
                    *sum += (0..width).map(|p| out[row * width + p] * input[column * width + p]).sum::<f64>();
                }
                close(&cot_weights, &wanted, 8 * width);
            }
        }
    }

    #[test]
    fn functions_reach_every_number() {
        for n in 0..20 {
            let mut numbers: Vec<f32> = (0..n).map(|i| 0.3 * i as f32 - 2.0).collect();
            let wanted: Vec<f32> = numbers.iter().map(|x| x.tanh()).collect();
            each(Tanh, &mut numbers);
            assert!(numbers.iter().zip(&wanted).all(|(a, b)| (a - b).abs() <= f32::EPSILON), "{numbers:?} {wanted:?}");
        }
    }
}
