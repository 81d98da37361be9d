//! Layer t: the affine map of Euclidean space (layers.md 4.3), which alone is the general Gaussian.
//!
//! forward x = L z + o, inverse z = L^-1 (x - o) by substitution; L = diag(e^l) + strict lower triangle; ln det L = sum l.
//! Parameters: offset (last letter only), raw log-diagonal, strict lower triangle in the order of P7 (sub-diagonals from the
//! bottom-left corner upwards, each from top-left to bottom-right).

use super::identity::{OFFSET_START, add, means, subtract};
use super::width::WidthRegulator;
use super::{Layer, Options, Place, StateTensor};
use crate::manifolds::Euclidean;
use crate::numeric::{Lift, Mask, Real};
use core::marker::PhantomData;
use flow_notation::Written;
use flow_notation::options::{AffineOptions, CovType};
use rand::Rng;

/// Layer t: an offset and a lower-triangular matrix.
pub struct Affine<const D: usize, Pos, Opts>(PhantomData<(Pos, Opts)>);

impl<const D: usize, Pos: Place, Opts: Options<AffineOptions>> Affine<D, Pos, Opts> {
    const OFFSET: usize = if Pos::LAST && !Opts::VALUE.skip_model_offset { D } else { 0 };
    const DIAGONAL: usize = match Opts::VALUE.cov_type {
        CovType::Identity => 0,
        CovType::DiagonalSymmetric => 1,
        CovType::Diagonal | CovType::Full => D,
    };
    const LOWER: usize = if matches!(Opts::VALUE.cov_type, CovType::Full) { D * (D - 1) / 2 } else { 0 };
    const WIDTHS: WidthRegulator = WidthRegulator {
        softplus: Opts::VALUE.softplus_for_width,
        clamp: Opts::VALUE.clamp_widths,
        smooth: Opts::VALUE.width_smooth_saturation,
        lower: Opts::VALUE.lower_bound_for_widths,
        upper: Opts::VALUE.upper_bound_for_widths,
    };

    /// Where L[row][column], row > column, stands among the lower entries: sub-diagonal `row - column` has `D - (row - column)`
    /// entries and comes after all longer offsets.
    const fn lower_index(row: usize, column: usize) -> usize {
        let shorter = D - 1 - (row - column);
        shorter * (shorter + 1) / 2 + column
    }

    /// Offset, log-diagonal and lower entries of a prepared or parameter vector.
    #[inline(always)]
    fn parts<T>(numbers: &[T]) -> (&[T], &[T], &[T]) {
        let (offset, rest) = numbers.split_at(Self::OFFSET);
        let (diagonal, lower) = rest.split_at(Self::DIAGONAL);
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
    fn sum_log_diagonal<R: Real, P: Lift<R>>(diagonal: &[P]) -> R {
        let mut sum = R::zero();
        for row in 0..D {
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
    fn solve_transposed<R: Real, P: Lift<R>>(diagonal: &[P], lower: &[P], x: &mut [R]) {
        for row in (0..D).rev() {
            let mut sum = x[row];
            if Self::LOWER > 0 {
                for below in row + 1..D {
                    sum -= lower[Self::lower_index(below, row)].lift() * x[below];
                }
            }
            x[row] = sum * (-Self::log_diagonal(diagonal, row)).exp();
        }
    }

    /// Cotangents of L, given that x = L z + o and the cotangent of x: L_bar = x_bar z^T on the entries that exist.
    #[inline(always)]
    fn matrix_cot<R: Real, P: Lift<R>>(diagonal: &[P], z: &[R], cot_x: &[R], sign: R, cot_prepared: &mut [R]) {
        let (_, rest) = cot_prepared.split_at_mut(Self::OFFSET);
        let (cot_diagonal, cot_lower) = rest.split_at_mut(Self::DIAGONAL);
        for row in 0..D {
            let width = Self::log_diagonal::<R, P>(diagonal, row).exp();
            Self::add_diagonal(cot_diagonal, row, sign * cot_x[row] * z[row] * width);
            if Self::LOWER > 0 {
                for column in 0..row {
                    cot_lower[Self::lower_index(row, column)] += sign * cot_x[row] * z[column];
                }
            }
        }
    }
}

impl<const D: usize, Pos: Place, Opts: Options<AffineOptions>> Layer<Euclidean<D>> for Affine<D, Pos, Opts> {
    const PARAMS: usize = Self::OFFSET + Self::DIAGONAL + Self::LOWER;
    const PREPARED: usize = Self::PARAMS;
    const SCRATCH: usize = D;
    const NAME: &'static str = "t";
    const WIDE: bool = true;

    fn options() -> Vec<Written> {
        Opts::VALUE.written()
    }

    fn state() -> Vec<StateTensor> {
        let diagonal = match Opts::VALUE.cov_type {
            CovType::DiagonalSymmetric => "single_diagonal_log",
            _ => "full_diagonal_log",
        };
        StateTensor::list([
            ("offsets", &[Self::OFFSET]),
            (diagonal, &[1, Self::DIAGONAL]),
            ("lower_triangular_entries", &[1, Self::LOWER]),
        ])
    }

    fn initial<G: Rng + ?Sized>(_: &mut G, params: &mut [f64]) {
        params.fill(0.0);
        params[..Self::OFFSET].fill(OFFSET_START);
    }

    #[inline(always)]
    fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        prepared.copy_from_slice(params);
        for l in &mut prepared[Self::OFFSET..Self::OFFSET + Self::DIAGONAL] {
            *l = Self::WIDTHS.log_width(*l);
        }
    }

    #[inline(always)]
    fn prepare_vjp<P: Real>(params: &[P], _: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        for (i, (bar, cot)) in cot_params.iter_mut().zip(cot_prepared).enumerate() {
            let is_width = (Self::OFFSET..Self::OFFSET + Self::DIAGONAL).contains(&i);
            *bar += if is_width { Self::WIDTHS.with_slope(params[i]).1 * *cot } else { *cot };
        }
    }

    // Scratch holds the base-side point z.
    #[inline(always)]
    fn inverse<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        let (offset, diagonal, lower) = Self::parts(prepared);
        subtract(offset, x);
        for row in 0..D {
            let mut sum = x[row];
            if Self::LOWER > 0 {
                for column in 0..row {
                    sum -= lower[Self::lower_index(row, column)].lift() * x[column];
                }
            }
            x[row] = sum * (-Self::log_diagonal(diagonal, row)).exp();
        }
        *log_det -= Self::sum_log_diagonal(diagonal);
        scratch.copy_from_slice(x);
    }

    // z = L^-1 (x - o): x_bar = L^-T z_bar, o_bar = -x_bar, L_bar = -x_bar z^T.
    #[inline(always)]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (_, diagonal, lower) = Self::parts(prepared);
        Self::solve_transposed(diagonal, lower, cot);
        subtract(cot, &mut cot_prepared[..Self::OFFSET]);
        Self::matrix_cot(diagonal, scratch, cot, -R::one(), cot_prepared);
        for row in 0..D {
            Self::add_diagonal(&mut cot_prepared[Self::OFFSET..][..Self::DIAGONAL], row, -cot_log_det);
        }
    }

    #[inline(always)]
    fn forward<R: Real, P: Lift<R>>(prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        let (offset, diagonal, lower) = Self::parts(prepared);
        scratch.copy_from_slice(z);
        for row in 0..D {
            z[row] *= Self::log_diagonal::<R, P>(diagonal, row).exp();
            if Self::LOWER > 0 {
                for column in 0..row {
                    z[row] += lower[Self::lower_index(row, column)].lift() * scratch[column];
                }
            }
        }
        add(offset, z);
        *log_det += Self::sum_log_diagonal(diagonal);
        R::Mask::splat(false)
    }

    // x = L z + o: z_bar = L^T x_bar, o_bar = x_bar, L_bar = x_bar z^T.
    #[inline(always)]
    fn forward_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (_, diagonal, lower) = Self::parts(prepared);
        add(cot, &mut cot_prepared[..Self::OFFSET]);
        Self::matrix_cot(diagonal, scratch, cot, R::one(), cot_prepared);
        for row in 0..D {
            Self::add_diagonal(&mut cot_prepared[Self::OFFSET..][..Self::DIAGONAL], row, cot_log_det);
        }
        for row in 0..D {
            // Rows below have not been overwritten yet.
            cot[row] *= Self::log_diagonal::<R, P>(diagonal, row).exp();
            if Self::LOWER > 0 {
                for below in row + 1..D {
                    let entry: R = lower[Self::lower_index(below, row)].lift();
                    let below = cot[below];
                    cot[row] += entry * below;
                }
            }
        }
    }

    /// Offset and matrix of the best Gaussian: the mean and the Cholesky factor of the covariance (or the part of it that
    /// `cov_type` allows).
    fn initial_from_data<G: Rng + ?Sized>(_: &mut G, points: &mut [f64], params: &mut [f64]) -> bool {
        let mut centre = vec![0.0; D];
        if Self::OFFSET > 0 {
            centre = means(D, points);
            params[..D].copy_from_slice(&centre);
        }
        let rows = (points.len() / D) as f64;
        let product = |x: &[f64], i: usize, j: usize| (x[i] - centre[i]) * (x[j] - centre[j]);
        let moment = |i: usize, j: usize| points.chunks_exact(D).map(|x| product(x, i, j)).sum::<f64>() / rows;
        let (_, rest) = params.split_at_mut(Self::OFFSET);
        let (diagonal, lower) = rest.split_at_mut(Self::DIAGONAL);
        let raw = |variance: f64| Self::WIDTHS.raw(0.5 * variance.max(f64::MIN_POSITIVE).ln());
        match Opts::VALUE.cov_type {
            CovType::Identity => {}
            CovType::DiagonalSymmetric => {
                diagonal[0] = raw((0..D).map(|i| moment(i, i)).sum::<f64>() / D as f64);
            }
            CovType::Diagonal => (0..D).for_each(|i| diagonal[i] = raw(moment(i, i))),
            CovType::Full => {
                let mut l = vec![vec![0.0; D]; D];
                for i in 0..D {
                    for j in 0..=i {
                        let sum = moment(i, j) - (0..j).map(|k| l[i][k] * l[j][k]).sum::<f64>();
                        if i == j {
                            // A column that the earlier ones determine keeps a small width of its own.
                            let variance = sum.max(1e-8 * moment(i, i)).max(f64::MIN_POSITIVE);
                            l[i][i] = variance.sqrt();
                            diagonal[i] = raw(variance);
                        } else {
                            l[i][j] = sum / l[j][j];
                            lower[Self::lower_index(i, j)] = l[i][j];
                        }
                    }
                }
            }
        }
        super::map_rows::<Euclidean<D>, Self>(params, points);
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
        type T = Affine<3, Only, t::cov_type<3>>;
        assert_eq!([T::lower_index(2, 0), T::lower_index(1, 0), T::lower_index(2, 1)], [0, 1, 2]);
    }
}
