//! Layer t: the affine map of Euclidean space (layers.md 4.3), which alone is the general Gaussian.
//!
//! forward x = L z + o, inverse z = L^-1 (x - o) by substitution; L = diag(e^l) + strict lower triangle; ln det L = sum l.
//! Parameters: offset (last letter only), raw log-diagonal, strict lower triangle in the order of P7 (sub-diagonals from the
//! bottom-left corner upwards, each from top-left to bottom-right).

use super::bijection::map_rows;
use super::identity::{OFFSET_START, add, means, subtract};
use super::width::WidthRegulator;
use super::{AnyLayer, Bijection, LayerType, Options, Place, StateTensor};
use crate::manifolds::Euclidean;
use crate::numeric::{Lift, Mask, Real};
use core::marker::PhantomData;
use flow_notation::Written;
use flow_notation::options::{AffineOptions, CovType};
use rand::Rng;
use std::sync::Arc;

/// Layer t in the type of a flow: an offset and a lower-triangular matrix.
pub struct Affine<const D: usize, Pos, Opts>(PhantomData<(Pos, Opts)>);

impl<const D: usize, Pos: Place, Opts: Options<AffineOptions>> LayerType<Euclidean<D>> for Affine<D, Pos, Opts> {
    const PARAMS: usize = AffineMap::new(D, Pos::LAST, Opts::VALUE).params;

    fn layer() -> Arc<dyn AnyLayer> {
        layer(D, Pos::LAST, Opts::VALUE)
    }
}

/// The layer for these options.
#[inline(never)]
fn layer(dim: usize, last: bool, options: AffineOptions) -> Arc<dyn AnyLayer> {
    Arc::new(AffineMap::new(dim, last, options))
}

/// Layer t: an offset and a lower-triangular matrix.
struct AffineMap {
    dim: usize,
    options: AffineOptions,
    /// Numbers of the offset.
    offset: usize,
    /// Numbers of the log-diagonal: none, one for all rows, or one a row.
    diagonal: usize,
    /// Entries below the diagonal.
    lower: usize,
    params: usize,
}

impl AffineMap {
    const fn new(dim: usize, last: bool, options: AffineOptions) -> Self {
        let offset = if last && !options.skip_model_offset { dim } else { 0 };
        let diagonal = match options.cov_type {
            CovType::Identity => 0,
            CovType::DiagonalSymmetric => 1,
            CovType::Diagonal | CovType::Full => dim,
        };
        let lower = if matches!(options.cov_type, CovType::Full) { dim * (dim - 1) / 2 } else { 0 };
        AffineMap { dim, options, offset, diagonal, lower, params: offset + diagonal + lower }
    }

    #[inline(always)]
    const fn widths(&self) -> WidthRegulator {
        WidthRegulator {
            softplus: self.options.softplus_for_width,
            clamp: self.options.clamp_widths,
            smooth: self.options.width_smooth_saturation,
            lower: self.options.lower_bound_for_widths,
            upper: self.options.upper_bound_for_widths,
        }
    }

    /// Where L[row][column], row > column, stands among the lower entries: sub-diagonal `row - column` has `dim - (row - column)`
    /// entries and comes after all longer offsets.
    #[inline(always)]
    const fn lower_index(&self, row: usize, column: usize) -> usize {
        let shorter = self.dim - 1 - (row - column);
        shorter * (shorter + 1) / 2 + column
    }

    /// Offset, log-diagonal and lower entries of a prepared or parameter vector.
    #[inline(always)]
    fn parts<'a, T>(&self, numbers: &'a [T]) -> (&'a [T], &'a [T], &'a [T]) {
        let (offset, rest) = numbers.split_at(self.offset);
        let (diagonal, lower) = rest.split_at(self.diagonal);
        (offset, diagonal, lower)
    }

    #[inline(always)]
    fn log_diagonal<R: Real, P: Lift<R>>(diagonal: &[P], row: usize) -> R {
        match diagonal.len() {
            0 => R::zero(),
            1 => diagonal[0].lift(),
            _ => diagonal[row].lift(),
        }
    }

    #[inline(always)]
    fn sum_log_diagonal<R: Real, P: Lift<R>>(&self, diagonal: &[P]) -> R {
        let mut sum = R::zero();
        for row in 0..self.dim {
            sum += Self::log_diagonal(diagonal, row);
        }
        sum
    }

    /// Adds the cotangent of the log-diagonal entry of a row.
    #[inline(always)]
    fn add_diagonal<R: Real>(cot_diagonal: &mut [R], row: usize, cot: R) {
        match cot_diagonal.len() {
            0 => {}
            1 => cot_diagonal[0] += cot,
            _ => cot_diagonal[row] += cot,
        }
    }

    /// x <- L^-T x, by backward substitution.
    #[inline(always)]
    fn solve_transposed<R: Real, P: Lift<R>>(&self, diagonal: &[P], lower: &[P], x: &mut [R]) {
        for row in (0..self.dim).rev() {
            let mut sum = x[row];
            if self.lower > 0 {
                for below in row + 1..self.dim {
                    sum -= lower[self.lower_index(below, row)].lift() * x[below];
                }
            }
            x[row] = sum * (-Self::log_diagonal(diagonal, row)).exp();
        }
    }

    /// Cotangents of L, given that x = L z + o and the cotangent of x: L_bar = x_bar z^T on the entries that exist.
    #[inline(always)]
    fn matrix_cot<R: Real, P: Lift<R>>(&self, diagonal: &[P], z: &[R], cot_x: &[R], sign: R, cot_prepared: &mut [R]) {
        let (_, rest) = cot_prepared.split_at_mut(self.offset);
        let (cot_diagonal, cot_lower) = rest.split_at_mut(self.diagonal);
        for row in 0..self.dim {
            let width = Self::log_diagonal::<R, P>(diagonal, row).exp();
            Self::add_diagonal(cot_diagonal, row, sign * cot_x[row] * z[row] * width);
            if self.lower > 0 {
                for column in 0..row {
                    cot_lower[self.lower_index(row, column)] += sign * cot_x[row] * z[column];
                }
            }
        }
    }
}

impl Bijection for AffineMap {
    const VECTORISED: bool = true;

    fn name(&self) -> &'static str {
        "t"
    }
    fn params(&self) -> usize {
        self.params
    }
    fn prepared(&self) -> usize {
        self.params
    }
    fn scratch(&self) -> usize {
        self.dim
    }

    fn options(&self) -> Vec<Written> {
        self.options.written()
    }

    fn state(&self) -> Vec<StateTensor> {
        let diagonal = match self.options.cov_type {
            CovType::DiagonalSymmetric => "single_diagonal_log",
            _ => "full_diagonal_log",
        };
        StateTensor::list([
            ("offsets", &[self.offset]),
            (diagonal, &[1, self.diagonal]),
            ("lower_triangular_entries", &[1, self.lower]),
        ])
    }

    fn initial(&self, _: &mut dyn Rng, params: &mut [f64]) {
        params.fill(0.0);
        params[..self.offset].fill(OFFSET_START);
    }

    #[inline(always)]
    fn prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        prepared.copy_from_slice(params);
        for l in &mut prepared[self.offset..self.offset + self.diagonal] {
            *l = self.widths().log_width(*l);
        }
    }

    #[inline(always)]
    fn prepare_vjp<P: Real>(&self, params: &[P], _: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        for (i, (bar, cot)) in cot_params.iter_mut().zip(cot_prepared).enumerate() {
            let is_width = (self.offset..self.offset + self.diagonal).contains(&i);
            *bar += if is_width { self.widths().with_slope(params[i]).1 * *cot } else { *cot };
        }
    }

    // Scratch holds the base-side point z.
    #[inline(always)]
    fn inverse<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        let (offset, diagonal, lower) = self.parts(prepared);
        subtract(offset, x);
        for row in 0..self.dim {
            let mut sum = x[row];
            if self.lower > 0 {
                for column in 0..row {
                    sum -= lower[self.lower_index(row, column)].lift() * x[column];
                }
            }
            x[row] = sum * (-Self::log_diagonal(diagonal, row)).exp();
        }
        *log_det -= self.sum_log_diagonal(diagonal);
        scratch.copy_from_slice(x);
    }

    // z = L^-1 (x - o): x_bar = L^-T z_bar, o_bar = -x_bar, L_bar = -x_bar z^T.
    #[inline(always)]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (_, diagonal, lower) = self.parts(prepared);
        self.solve_transposed(diagonal, lower, cot);
        subtract(cot, &mut cot_prepared[..self.offset]);
        self.matrix_cot(diagonal, scratch, cot, -R::one(), cot_prepared);
        for row in 0..self.dim {
            Self::add_diagonal(&mut cot_prepared[self.offset..][..self.diagonal], row, -cot_log_det);
        }
    }

    #[inline(always)]
    fn forward<R: Real, P: Lift<R>>(&self, prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        let (offset, diagonal, lower) = self.parts(prepared);
        scratch.copy_from_slice(z);
        for row in 0..self.dim {
            z[row] *= Self::log_diagonal::<R, P>(diagonal, row).exp();
            if self.lower > 0 {
                for column in 0..row {
                    z[row] += lower[self.lower_index(row, column)].lift() * scratch[column];
                }
            }
        }
        add(offset, z);
        *log_det += self.sum_log_diagonal(diagonal);
        R::Mask::splat(false)
    }

    // x = L z + o: z_bar = L^T x_bar, o_bar = x_bar, L_bar = x_bar z^T.
    #[inline(always)]
    fn forward_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (_, diagonal, lower) = self.parts(prepared);
        add(cot, &mut cot_prepared[..self.offset]);
        self.matrix_cot(diagonal, scratch, cot, R::one(), cot_prepared);
        for row in 0..self.dim {
            Self::add_diagonal(&mut cot_prepared[self.offset..][..self.diagonal], row, cot_log_det);
        }
        for row in 0..self.dim {
            // Rows below have not been overwritten yet.
            cot[row] *= Self::log_diagonal::<R, P>(diagonal, row).exp();
            if self.lower > 0 {
                for below in row + 1..self.dim {
                    let entry: R = lower[self.lower_index(below, row)].lift();
                    let below = cot[below];
                    cot[row] += entry * below;
                }
            }
        }
    }

    /// Offset and matrix of the best Gaussian: the mean and the Cholesky factor of the covariance (or the part of it that
    /// `cov_type` allows).
    fn initial_from_data(&self, _: &mut dyn Rng, points: &mut [f64], params: &mut [f64]) -> bool {
        let mut centre = vec![0.0; self.dim];
        if self.offset > 0 {
            centre = means(self.dim, points);
            params[..self.dim].copy_from_slice(&centre);
        }
        let rows = (points.len() / self.dim) as f64;
        let product = |x: &[f64], i: usize, j: usize| (x[i] - centre[i]) * (x[j] - centre[j]);
        let moment = |i: usize, j: usize| points.chunks_exact(self.dim).map(|x| product(x, i, j)).sum::<f64>() / rows;
        let (_, rest) = params.split_at_mut(self.offset);
        let (diagonal, lower) = rest.split_at_mut(self.diagonal);
        let raw = |variance: f64| self.widths().raw(0.5 * variance.max(f64::MIN_POSITIVE).ln());
        match self.options.cov_type {
            CovType::Identity => {}
            CovType::DiagonalSymmetric => {
                diagonal[0] = raw((0..self.dim).map(|i| moment(i, i)).sum::<f64>() / self.dim as f64);
            }
            CovType::Diagonal => (0..self.dim).for_each(|i| diagonal[i] = raw(moment(i, i))),
            CovType::Full => {
                let mut l = vec![vec![0.0; self.dim]; self.dim];
                for i in 0..self.dim {
                    for j in 0..=i {
                        let sum = moment(i, j) - (0..j).map(|k| l[i][k] * l[j][k]).sum::<f64>();
                        if i == j {
                            // A column that the earlier ones determine keeps a small width of its own.
                            let variance = sum.max(1e-8 * moment(i, i)).max(f64::MIN_POSITIVE);
                            l[i][i] = variance.sqrt();
                            diagonal[i] = raw(variance);
                        } else {
                            l[i][j] = sum / l[j][j];
                            lower[self.lower_index(i, j)] = l[i][j];
                        }
                    }
                }
            }
        }
        map_rows(self, self.dim, params, points);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::laws::{Tolerance, check};
    use crate::layers::{First, Only};
    use flow_notation::settings::t;

    #[test]
    fn laws() {
        check::<Euclidean<3>, (Affine<3, Only, ()>, ())>(1, 3, 0.5, Tolerance::F64).unwrap();
        check::<Euclidean<4>, (Affine<4, Only, t::cov_type<3>>, ())>(2, 4, 0.5, Tolerance::F64).unwrap();
        check::<Euclidean<3>, (Affine<3, First, t::cov_type<1>>, ())>(3, 3, 0.5, Tolerance::F64).unwrap();
        check::<Euclidean<2>, (Affine<2, Only, t::cov_type<0>>, ())>(4, 3, 0.5, Tolerance::F64).unwrap();
        check::<Euclidean<2>, (Affine<2, Only, t::softplus_for_width<1>>, ())>(5, 3, 0.5, Tolerance::F64).unwrap();
    }

    #[test]
    fn the_order_of_the_lower_triangle_is_that_of_the_ancestor() {
        // D = 3: corner (2,0), then (1,0), (2,1).
        let options = AffineOptions { cov_type: CovType::Full, ..AffineOptions::DEFAULT };
        let map = AffineMap::new(3, true, options);
        assert_eq!([map.lower_index(2, 0), map.lower_index(1, 0), map.lower_index(2, 1)], [0, 1, 2]);
    }
}
