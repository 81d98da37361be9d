//! The doors to the kernels: what is called with `f32` or `f64` is compiled here, once, and not where it is called.

use super::batch::{self, Evaluated};
use super::gradients::{self, Cotangents};
use super::program::Program;
use super::run::{Job, PullBack, RowFault, Wanted};
use super::single::Evaluator;
use super::types::{Blocks, LogMean};
use crate::numeric::Scalar;
use core::ops::Range;

/// All manifolds, as a part.
const WHOLE: Range<usize> = 0..usize::MAX;

/// The numbers a flow computes with: `f32` and `f64`. Functions of programs, compiled for both in this crate.
pub trait Number: Scalar {
    /// Log-density of each point, with base coordinates and penalties if they are asked for; `part` says of which manifolds:
    /// the result is the sum of ln p_k(x_k | x_0 .. x_{k-1}, features) over them.
    ///
    /// The points are whole ones; of the manifolds after `part` nothing is read, and base coordinates are those of `part`
    /// (zero elsewhere). In intrinsic coordinates the log-determinant of all manifolds is added, so that a true part wants
    /// embedded ones.
    ///
    /// # Errors
    /// A value leaves the range of the numbers, or a search does not converge: the fault of the lowest row.
    fn evaluate(
        program: &Program,
        job: Job<'_, Self>,
        part: Range<usize>,
        points: &[Self],
        out: Evaluated<'_, Self>,
    ) -> Result<(), RowFault>;

    /// Gradients of sum_i (cot_i log p(x_i) + sum_k cot_ik penalty_k(x_i) + sum_k cot_ik z_k(x_i)) over penalties and base
    /// coordinates z of the points, as far as they have cotangents. Leaves log-densities in `log_prob` unless it is empty.
    ///
    /// # Errors
    /// As [`Number::evaluate`].
    fn evaluate_vjp(
        program: &Program,
        job: Job<'_, Self>,
        wanted: Wanted,
        part: Range<usize>,
        points: &[Self],
        cot: Cotangents<'_, Self>,
        log_prob: &mut [Self],
    ) -> Result<PullBack<Self>, RowFault>;

    /// Base coordinates to points, with the log-density of each.
    ///
    /// # Errors
    /// As [`Number::evaluate`].
    fn generate(
        program: &Program,
        job: Job<'_, Self>,
        base: &[Self],
        points: &mut [Self],
        log_prob: &mut [Self],
    ) -> Result<(), RowFault>;

    /// Gradients of sum_i (cot_points_i . x_i + cot_log_prob_i log p(x_i)) over generated points x_i, by weights and features.
    ///
    /// # Errors
    /// As [`Number::evaluate`].
    fn generate_vjp(
        program: &Program,
        job: Job<'_, Self>,
        wants_features: bool,
        points: &[Self],
        cot_points: &[Self],
        cot_log_prob: &[Self],
    ) -> Result<PullBack<Self>, RowFault>;

    /// Inverts the letters in `letters` of one manifold of embedded points, all others being where they are: `points` become
    /// those with this manifold before the letters, and `log_prob` the log-determinant, with the reference density where the
    /// way ends at the base: then it is the log-density, by the surface measure, of the manifold after these letters, given
    /// those before it.
    ///
    /// # Errors
    /// As [`Number::evaluate`].
    fn inverse_through(
        program: &Program,
        job: Job<'_, Self>,
        manifold: usize,
        letters: &Range<usize>,
        points: &mut [Self],
        log_prob: &mut [Self],
    ) -> Result<(), RowFault>;

    /// The logarithm of the mean count of each row of features (of one row, where nothing is given), into `log_mean`.
    fn log_mean(program: &Program, job: Job<'_, Self>, log_mean: &mut [Self]);

    /// Gradients of sum_i cot_i ln lambda_i, by weights and features.
    ///
    /// # Errors
    /// As [`Number::evaluate`].
    fn log_mean_vjp(
        program: &Program,
        job: Job<'_, Self>,
        wants_features: bool,
        cot_log_mean: &[Self],
    ) -> Result<PullBack<Self>, RowFault>;

    /// Prepares the parameters that all points share.
    fn prepare_shared(program: &Program, weights: &[Self]) -> Vec<f64>;

    /// A workspace for one point at a time.
    fn evaluator(program: &'static Program) -> Evaluator<Self>;
    /// Log-density of one point.
    ///
    /// # Errors
    /// As [`Number::evaluate`].
    fn evaluate_one(
        space: &mut Evaluator<Self>,
        job: &Job<'_, Self>,
        shared: &[f64],
        point: &[Self],
    ) -> Result<Self, RowFault>;
    /// One point from base coordinates, and its log-density.
    ///
    /// # Errors
    /// As [`Number::evaluate`].
    fn generate_one(
        space: &mut Evaluator<Self>,
        job: &Job<'_, Self>,
        shared: &[f64],
        base: &[Self],
        point: &mut [Self],
    ) -> Result<Self, RowFault>;
    /// The logarithm of the mean count of one row of features.
    fn log_mean_one(space: &mut Evaluator<Self>, job: &Job<'_, Self>) -> Self;
}

macro_rules! numbers {
    ($($t:ty)*) => {$(
        impl Number for $t {
            #[inline(never)]
            fn evaluate(
                program: &Program,
                job: Job<'_, $t>,
                part: Range<usize>,
                points: &[$t],
                out: Evaluated<'_, $t>,
            ) -> Result<(), RowFault> {
                batch::evaluate(program, job, part, points, out)
            }
            #[inline(never)]
            fn evaluate_vjp(
                program: &Program,
                job: Job<'_, $t>,
                wanted: Wanted,
                part: Range<usize>,
                points: &[$t],
                cot: Cotangents<'_, $t>,
                log_prob: &mut [$t],
            ) -> Result<PullBack<$t>, RowFault> {
                gradients::evaluate_vjp(program, job, wanted, part, points, cot, log_prob)
            }
            #[inline(never)]
            fn generate(
                program: &Program,
                job: Job<'_, $t>,
                base: &[$t],
                points: &mut [$t],
                log_prob: &mut [$t],
            ) -> Result<(), RowFault> {
                batch::generate(program, job, base, points, log_prob)
            }
            #[inline(never)]
            fn generate_vjp(
                program: &Program,
                job: Job<'_, $t>,
                wants_features: bool,
                points: &[$t],
                cot_points: &[$t],
                cot_log_prob: &[$t],
            ) -> Result<PullBack<$t>, RowFault> {
                gradients::generate_vjp(program, job, wants_features, points, cot_points, cot_log_prob)
            }
            #[inline(never)]
            fn inverse_through(
                program: &Program,
                job: Job<'_, $t>,
                manifold: usize,
                letters: &Range<usize>,
                points: &mut [$t],
                log_prob: &mut [$t],
            ) -> Result<(), RowFault> {
                batch::inverse_through(program, job, manifold, letters, points, log_prob)
            }
            #[inline(never)]
            fn log_mean(program: &Program, job: Job<'_, $t>, log_mean: &mut [$t]) {
                batch::log_mean(program, job, log_mean);
            }
            #[inline(never)]
            fn log_mean_vjp(
                program: &Program,
                job: Job<'_, $t>,
                wants_features: bool,
                cot_log_mean: &[$t],
            ) -> Result<PullBack<$t>, RowFault> {
                gradients::log_mean_vjp(program, job, wants_features, cot_log_mean)
            }
            #[inline(never)]
            fn prepare_shared(program: &Program, weights: &[$t]) -> Vec<f64> {
                program.prepare_shared(weights)
            }
            #[inline(never)]
            fn evaluator(program: &'static Program) -> Evaluator<$t> {
                Evaluator::of(program)
            }
            #[inline(never)]
            fn evaluate_one(
                space: &mut Evaluator<$t>,
                job: &Job<'_, $t>,
                shared: &[f64],
                point: &[$t],
            ) -> Result<$t, RowFault> {
                space.evaluate(job, shared, point)
            }
            #[inline(never)]
            fn generate_one(
                space: &mut Evaluator<$t>,
                job: &Job<'_, $t>,
                shared: &[f64],
                base: &[$t],
                point: &mut [$t],
            ) -> Result<$t, RowFault> {
                space.generate(job, shared, base, point)
            }
            #[inline(never)]
            fn log_mean_one(space: &mut Evaluator<$t>, job: &Job<'_, $t>) -> $t {
                space.mean(job)
            }
        }
    )*};
}
numbers! { f32 f64 }

impl<T: Number> Evaluator<T> {
    /// A workspace for points of a flow with `feature_count` given features.
    pub fn new<B: Blocks>(feature_count: usize) -> Self {
        T::evaluator(Program::of::<B>(feature_count))
    }
    /// Log-density of one point; `shared` are the prepared numbers of shared parameters.
    ///
    /// # Errors
    /// As [`Number::evaluate`].
    pub fn log_prob(&mut self, job: &Job<'_, T>, shared: &[f64], point: &[T]) -> Result<T, RowFault> {
        T::evaluate_one(self, job, shared, point)
    }
    /// One point from base coordinates, and its log-density.
    ///
    /// # Errors
    /// As [`Number::evaluate`].
    pub fn sample(&mut self, job: &Job<'_, T>, shared: &[f64], base: &[T], point: &mut [T]) -> Result<T, RowFault> {
        T::generate_one(self, job, shared, base, point)
    }
    /// The logarithm of the mean count of one row of features.
    pub fn log_mean(&mut self, job: &Job<'_, T>) -> T {
        T::log_mean_one(self, job)
    }
}

/// The program of a call.
fn program<B: Blocks, T: Number>(job: &Job<'_, T>) -> &'static Program {
    Program::of::<B>(job.feature_count)
}

/// Evaluates [`Number::evaluate`] for all manifolds of a type of blocks: log-densities, and base coordinates unless `base` is
/// empty.
///
/// # Errors
/// As [`Number::evaluate`].
pub fn evaluate<B: Blocks, T: Number>(
    job: Job<'_, T>,
    points: &[T],
    log_prob: &mut [T],
    base: &mut [T],
) -> Result<(), RowFault> {
    evaluate_part::<B, T>(job, WHOLE, points, log_prob, base)
}

/// Evaluates [`Number::evaluate`] for some of the manifolds.
///
/// # Errors
/// As [`Number::evaluate`].
pub fn evaluate_part<B: Blocks, T: Number>(
    job: Job<'_, T>,
    part: Range<usize>,
    points: &[T],
    log_prob: &mut [T],
    base: &mut [T],
) -> Result<(), RowFault> {
    T::evaluate(program::<B, T>(&job), job, part, points, Evaluated { log_prob, base, penalties: &mut [] })
}

/// Evaluates log-densities and what a fit may penalise.
///
/// # Errors
/// As [`Number::evaluate`].
pub fn evaluate_penalised<B: Blocks, T: Number>(
    job: Job<'_, T>,
    points: &[T],
    log_prob: &mut [T],
    penalties: &mut [T],
) -> Result<(), RowFault> {
    T::evaluate(program::<B, T>(&job), job, WHOLE, points, Evaluated { log_prob, base: &mut [], penalties })
}

/// Computes gradients of sum_i cot_i log p(x_i).
///
/// # Errors
/// As [`Number::evaluate`].
pub fn evaluate_vjp<B: Blocks, T: Number>(
    job: Job<'_, T>,
    wanted: Wanted,
    points: &[T],
    cot_log_prob: &[T],
) -> Result<PullBack<T>, RowFault> {
    evaluate_part_vjp::<B, T>(job, wanted, WHOLE, points, cot_log_prob)
}

/// Computes gradients of sum_i cot_i log p(x_i) over some of the manifolds.
///
/// # Errors
/// As [`Number::evaluate`].
pub fn evaluate_part_vjp<B: Blocks, T: Number>(
    job: Job<'_, T>,
    wanted: Wanted,
    part: Range<usize>,
    points: &[T],
    log_prob: &[T],
) -> Result<PullBack<T>, RowFault> {
    let cot = Cotangents { log_prob, penalties: &[], base: &[] };
    T::evaluate_vjp(program::<B, T>(&job), job, wanted, part, points, cot, &mut [])
}

/// Evaluates log-densities, and on the same way the gradients of their sum.
///
/// # Errors
/// As [`Number::evaluate`].
pub fn evaluate_part_and_vjp<B: Blocks, T: Number>(
    job: Job<'_, T>,
    wanted: Wanted,
    part: Range<usize>,
    points: &[T],
    log_prob: &mut [T],
) -> Result<PullBack<T>, RowFault> {
    let ones = vec![T::narrow(1.0); log_prob.len()];
    let cot = Cotangents { log_prob: &ones, penalties: &[], base: &[] };
    T::evaluate_vjp(program::<B, T>(&job), job, wanted, part, points, cot, log_prob)
}

/// Computes gradients of sum_i (cot_i log p(x_i) + sum_k cot_ik penalty_k(x_i)).
///
/// # Errors
/// As [`Number::evaluate`].
pub fn evaluate_penalised_vjp<B: Blocks, T: Number>(
    job: Job<'_, T>,
    wanted: Wanted,
    points: &[T],
    log_prob: &[T],
    penalties: &[T],
) -> Result<PullBack<T>, RowFault> {
    let cot = Cotangents { log_prob, penalties, base: &[] };
    T::evaluate_vjp(program::<B, T>(&job), job, wanted, WHOLE, points, cot, &mut [])
}

/// Computes gradients of sum_ik cot_ik z_k(x_i) over the base coordinates z of the points.
///
/// # Errors
/// As [`Number::evaluate`].
pub fn base_vjp<B: Blocks, T: Number>(
    job: Job<'_, T>,
    wanted: Wanted,
    points: &[T],
    base: &[T],
) -> Result<PullBack<T>, RowFault> {
    let none = vec![T::narrow(0.0); base.len() / B::DIM];
    let cot = Cotangents { log_prob: &none, penalties: &[], base };
    T::evaluate_vjp(program::<B, T>(&job), job, wanted, WHOLE, points, cot, &mut [])
}

/// Maps base coordinates to points: see [`Number::generate`].
///
/// # Errors
/// As [`Number::evaluate`].
pub fn generate<B: Blocks, T: Number>(
    job: Job<'_, T>,
    base: &[T],
    points: &mut [T],
    log_prob: &mut [T],
) -> Result<(), RowFault> {
    T::generate(program::<B, T>(&job), job, base, points, log_prob)
}

/// Computes gradients through generated points: see [`Number::generate_vjp`].
///
/// # Errors
/// As [`Number::evaluate`].
pub fn generate_vjp<B: Blocks, T: Number>(
    job: Job<'_, T>,
    wants_features: bool,
    points: &[T],
    cot_points: &[T],
    cot_log_prob: &[T],
) -> Result<PullBack<T>, RowFault> {
    T::generate_vjp(program::<B, T>(&job), job, wants_features, points, cot_points, cot_log_prob)
}

/// Inverts letters of one manifold: see [`Number::inverse_through`].
///
/// # Errors
/// As [`Number::evaluate`].
pub fn undo<B: Blocks, T: Number>(
    job: Job<'_, T>,
    manifold: usize,
    letters: &Range<usize>,
    points: &mut [T],
    log_prob: &mut [T],
) -> Result<(), RowFault> {
    T::inverse_through(program::<B, T>(&job), job, manifold, letters, points, log_prob)
}

/// Computes log-means: see [`Number::log_mean`].
pub fn log_mean<B: LogMean, T: Number>(job: Job<'_, T>, log_mean: &mut [T]) {
    T::log_mean(program::<B, T>(&job), job, log_mean);
}

/// Computes gradients of log-means: see [`Number::log_mean_vjp`].
///
/// # Errors
/// As [`Number::evaluate`].
pub fn log_mean_vjp<B: LogMean, T: Number>(
    job: Job<'_, T>,
    wants_features: bool,
    cot_log_mean: &[T],
) -> Result<PullBack<T>, RowFault> {
    T::log_mean_vjp(program::<B, T>(&job), job, wants_features, cot_log_mean)
}
