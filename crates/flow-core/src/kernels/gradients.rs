//! Gradients of batches: cotangents of what evaluation and generation give.

use super::program::Program;
use super::run::{
    BLOCK, Coordinates, Edge, Job, PullBack, RowFault, TASK, Task, Wanted, blocks_of, in_tasks, scatter, zeros,
};
use super::walk::{self, Asked};
use super::workspace::{Model, Totals, Workspace, load, store};
use crate::layers::PENALTIES;
use crate::numeric::{Lift, Scalar, WidePack, WithWidePack, with_widest};
use core::marker::PhantomData;
use core::ops::Range;

/// Tasks of a gradient at most, and rows of each at least where there are more than [`TASK`]: each task has its own sum of all weights.
const GRADIENT_TASKS: usize = 64;
const GRADIENT_TASK: usize = 512;

/// Rows of a task of a gradient.
fn gradient_task(rows: usize) -> usize {
    // Small batches are spread over a few threads all the same.
    let least = (rows / 4).clamp(TASK, GRADIENT_TASK);
    rows.div_ceil(GRADIENT_TASKS).max(least).div_ceil(BLOCK) * BLOCK
}

/// Gradients that tasks add up, each into its own part, and what they leave of each row: nothing where a slice is empty.
struct Partial<'a, T> {
    weights: Vec<T>,
    shared: Vec<f64>,
    features: &'a mut [T],
    points: &'a mut [T],
    log_prob: &'a mut [T],
}

/// Slices of `columns` numbers a row for each of `tasks` tasks; empty ones where there is nothing.
fn shares<T>(rows: &mut [T], columns: usize, task: usize, tasks: usize) -> Vec<&mut [T]> {
    let mut parts: Vec<&mut [T]> = rows.chunks_mut((task * columns).max(1)).collect();
    parts.resize_with(tasks, Default::default);
    parts
}

/// What a gradient does with a block of points.
trait Pull<T: Scalar>: Sync {
    /// Adds the cotangents of `count` points from number `first` on to the totals, and writes those of the points themselves.
    fn pull<R: WidePack>(
        &self,
        program: &Program,
        model: Model<'_, T>,
        rows: [usize; 2],
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        totals: &mut Totals<T, R>,
        cot_points: &mut [T],
    );
}

/// Runs `pull` on each block of each task and adds the gradients in the order of the rows, for any kind of pack.
struct Differentiate<'a, T, P> {
    program: &'a Program,
    job: Job<'a, T>,
    rows: usize,
    wanted: Wanted,
    point_columns: usize,
    /// The log-densities that the pull leaves, where they are asked for.
    log_prob: &'a mut [T],
    pull: P,
}

impl<T: Scalar, P: Pull<T>> WithWidePack for Differentiate<'_, T, P> {
    type Output = Result<PullBack<T>, RowFault>;

    fn call<R: WidePack>(self) -> Self::Output
    where
        f64: Lift<R>,
    {
        let Differentiate { program, job, rows, wanted, point_columns, log_prob, pull } = self;
        let shared = program.prepare_shared(job.weights);
        let model = Model { weights: job.weights, shared: &shared };
        let task = gradient_task(rows);
        let tasks = rows.div_ceil(task);
        let feature_columns = if wanted.features { job.feature_count } else { 0 };
        let point_columns = if wanted.points { point_columns } else { 0 };
        let (mut by_row, mut by_point) = (zeros(rows * feature_columns), zeros(rows * point_columns));
        let of_rows = shares(&mut by_row, feature_columns, task, tasks).into_iter();
        let of_points = shares(&mut by_point, point_columns, task, tasks).into_iter();
        let of_log_prob = shares(log_prob, 1, task, tasks).into_iter();
        let mut partials: Vec<Partial<'_, T>> = of_rows
            .zip(of_points)
            .zip(of_log_prob)
            .map(|((features, points), log_prob)| {
                let (weights, shared) = (Vec::new(), Vec::new());
                Partial { weights, shared, features, points, log_prob }
            })
            .collect();
        let wants_features = wanted.features;
        let work = DifferentiateTask { program, job, point_columns, wants_features, model, pull, of: PhantomData };
        in_tasks::<T, R, _>(rows, task, partials.iter_mut().collect(), &work)?;
        let mut partials = partials.into_iter();
        let (mut weights, mut cot_shared) = match partials.next() {
            Some(first) => (first.weights, first.shared),
            None => (zeros(program.weights), vec![0.0; program.shared]),
        };
        for part in partials {
            weights.iter_mut().zip(&part.weights).for_each(|(sum, w)| *sum += *w);
            cot_shared.iter_mut().zip(&part.shared).for_each(|(sum, s)| *sum += *s);
            if let Some(pool) = job.pool {
                pool.put(part.weights);
            }
        }
        program.prepare_shared_vjp(job.weights, &shared, &cot_shared, &mut weights);
        if job.repeat > 1 && feature_columns > 0 {
            let mut features = zeros(job.features.len());
            for (row, cot) in by_row.chunks_exact(feature_columns).enumerate() {
                let into = &mut features[row / job.repeat * feature_columns..][..feature_columns];
                into.iter_mut().zip(cot).for_each(|(sum, c)| *sum += *c);
            }
            by_row = features;
        }
        Ok(PullBack { weights, features: by_row, points: by_point })
    }
}

struct DifferentiateTask<'a, 'p, 'q, T, P> {
    program: &'a Program,
    job: Job<'a, T>,
    point_columns: usize,
    wants_features: bool,
    model: Model<'a, T>,
    pull: P,
    of: PhantomData<fn(&'p (), &'q ())>,
}

impl<'p, 'q: 'p, T: Scalar, R: WidePack, P: Pull<T>> Task<T, R> for DifferentiateTask<'_, 'p, 'q, T, P> {
    type Part = &'p mut Partial<'q, T>;
    const GRADIENTS: bool = true;

    fn program(&self) -> &Program {
        self.program
    }

    #[inline(always)]
    fn run(
        &self,
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        [start, len]: [usize; 2],
        part: Self::Part,
    ) -> Result<(), RowFault> {
        let job = &self.job;
        let mut totals =
            Totals { weights: job.room(self.program.weights), shared: vec![R::zero(); self.program.shared] };
        for (first, count) in blocks_of(start, len) {
            space.begin(job, first, count);
            space.wants_features = self.wants_features;
            let points = &mut part.points[(first - start) * self.point_columns..];
            self.pull.pull(self.program, self.model, [first, count], space, edge, &mut totals, points);
            if let Some(fault) = space.failed(first, count) {
                return Err(fault);
            }
            if !part.features.is_empty() {
                space.leave_features(job, first - start, count, part.features);
            }
            if !part.log_prob.is_empty() {
                part.log_prob[first - start..][..count].copy_from_slice(&space.log_prob[..count]);
            }
        }
        part.weights = totals.weights;
        // A loop, not an iterator's closure: that would be a function without the processor's features.
        part.shared = vec![0.0; self.program.shared];
        for (sum, lanes) in part.shared.iter_mut().zip(&totals.shared) {
            *sum = lanes.sum_lanes();
        }
        Ok(())
    }
}

/// Loads cotangents of the log-density; lanes beyond `count` get zero, so that they add nothing.
fn load_cot<T: Scalar, R>(space: &mut Workspace<T, R>, cot_log_prob: &[T], first: usize, count: usize) {
    space.cot_log_prob.fill(T::narrow(0.0));
    space.cot_log_prob[..count].copy_from_slice(&cot_log_prob[first..first + count]);
}

/// Cotangents of what evaluation gives for each row; empty where it has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cotangents<'a, T> {
    /// Of ln p: always.
    pub log_prob: &'a [T],
    /// Of the penalties.
    pub penalties: &'a [T],
    /// Of the base coordinates.
    pub base: &'a [T],
}

/// Rows of cotangents from number `first` on, side by side; lanes beyond `count` get zero.
fn load_rows<T: Scalar>(rows: &[T], columns: usize, [first, count, width]: [usize; 3], block: &mut [T]) {
    block.fill(T::narrow(0.0));
    for (lane, row) in rows.chunks_exact(columns).skip(first).take(count).enumerate() {
        for (column, cot) in row.iter().enumerate() {
            block[column * width + lane] = *cot;
        }
    }
}

/// Gradients of sum_i (cot_i log p(x_i) + sum_k cot_ik penalty_k(x_i) + sum_k cot_ik z_k(x_i)) over penalties and base coordinates
/// z of the points, as far as they have cotangents. Leaves the log-densities in `log_prob` unless that is empty.
pub(super) fn evaluate_vjp<T: Scalar>(
    program: &Program,
    job: Job<'_, T>,
    wanted: Wanted,
    part: Range<usize>,
    points: &[T],
    cot: Cotangents<'_, T>,
    log_prob: &mut [T],
) -> Result<PullBack<T>, RowFault> {
    with_widest(Differentiate {
        program,
        job,
        rows: cot.log_prob.len(),
        wanted,
        point_columns: job.coordinates.columns(program),
        log_prob,
        pull: PullEvaluation { job, part, points, cot },
    })
}

/// Cotangents of evaluation.
struct PullEvaluation<'a, T> {
    job: Job<'a, T>,
    part: Range<usize>,
    points: &'a [T],
    cot: Cotangents<'a, T>,
}

impl<T: Scalar> Pull<T> for PullEvaluation<'_, T> {
    #[inline(always)]
    fn pull<R: WidePack>(
        &self,
        program: &Program,
        model: Model<'_, T>,
        [first, count]: [usize; 2],
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        totals: &mut Totals<T, R>,
        cot_points: &mut [T],
    ) {
        let job = &self.job;
        let columns = job.coordinates.columns(program);
        let asked = Asked { base: !self.cot.base.is_empty(), penalties: !self.cot.penalties.is_empty() };
        space.counted = [self.part.start, self.part.end];
        space.enter(program, job, self.points, first, count, edge);
        load_cot(space, self.cot.log_prob, first, count);
        let at = [first, count, space.width];
        if asked.penalties {
            load_rows(self.cot.penalties, PENALTIES, at, &mut space.cot_penalties);
        }
        if asked.base {
            space.cot_base.resize(program.dim * space.width, T::narrow(0.0));
            load_rows(self.cot.base, program.dim, at, &mut space.cot_base);
        }
        walk::evaluate_vjp(program, model, space, totals, asked);
        if cot_points.is_empty() {
            return;
        }
        let width = space.width;
        for at in (0..width).step_by(R::LANES) {
            load(&edge.rows, width, at, &mut edge.outer[..columns]);
            load(&space.cot_inputs[program.before * width..], width, at, &mut edge.cot_inner);
            let mut cot = [R::zero()];
            load(&space.cot_log_prob, width, at, &mut cot);
            let (outer, cot_outer) = (&edge.outer[..columns], &mut edge.cot_outer[..columns]);
            cot_outer.fill(R::zero());
            match job.coordinates {
                Coordinates::Intrinsic => program.embed_vjp(outer, &edge.cot_inner, cot[0], cot_outer),
                Coordinates::Embedded => program.project_vjp(outer, &edge.cot_inner, cot_outer),
            }
            scatter(cot_outer, at, count, cot_points);
        }
    }
}

/// Gradients of sum_i (cot_points_i . x_i + cot_log_prob_i log p(x_i)) over generated points x_i, by weights and features.
pub(super) fn generate_vjp<T: Scalar>(
    program: &Program,
    job: Job<'_, T>,
    wants_features: bool,
    points: &[T],
    cot_points: &[T],
    cot_log_prob: &[T],
) -> Result<PullBack<T>, RowFault> {
    with_widest(Differentiate {
        program,
        job,
        rows: cot_log_prob.len(),
        wanted: Wanted { features: wants_features, points: false },
        point_columns: 0,
        log_prob: &mut [],
        pull: PullGeneration { job, points, cot_points, cot_log_prob },
    })
}

/// Cotangents of generation.
struct PullGeneration<'a, T> {
    job: Job<'a, T>,
    points: &'a [T],
    cot_points: &'a [T],
    cot_log_prob: &'a [T],
}

impl<T: Scalar> Pull<T> for PullGeneration<'_, T> {
    #[inline(always)]
    fn pull<R: WidePack>(
        &self,
        program: &Program,
        model: Model<'_, T>,
        [first, count]: [usize; 2],
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        totals: &mut Totals<T, R>,
        _: &mut [T],
    ) {
        let job = &self.job;
        let columns = job.coordinates.columns(program);
        space.enter(program, job, self.points, first, count, edge);
        load_cot(space, self.cot_log_prob, first, count);
        let width = space.width;
        for at in (0..width).step_by(R::LANES) {
            let here = |l: usize| at + l < count;
            for (column, cot) in edge.cot_outer[..columns].iter_mut().enumerate() {
                *cot = R::from_fn(|l| {
                    if here(l) { self.cot_points[(first + at + l) * columns + column].widen() } else { 0.0 }
                });
            }
            load(&space.inputs[program.before * width..], width, at, &mut edge.inner);
            let mut cot_log_prob = [R::zero()];
            load(&space.cot_log_prob, width, at, &mut cot_log_prob);
            edge.cot_inner.fill(R::zero());
            match job.coordinates {
                // The density by intrinsic coordinates is that by area over |d intrinsic / d embedded|.
                Coordinates::Intrinsic => {
                    let cot_outer = &edge.cot_outer[..columns];
                    program.intrinsic_vjp(&edge.inner, cot_outer, -cot_log_prob[0], &mut edge.cot_inner);
                }
                Coordinates::Embedded => edge.cot_inner.copy_from_slice(&edge.cot_outer[..columns]),
            }
            store(&edge.cot_inner, &mut space.cot_inputs[program.before * width..], width, at);
        }
        walk::generate_vjp(program, model, space, totals);
    }
}

/// Gradients of sum_i cot_i ln lambda_i, by weights and features.
pub(super) fn log_mean_vjp<T: Scalar>(
    program: &Program,
    job: Job<'_, T>,
    wants_features: bool,
    cot_log_mean: &[T],
) -> Result<PullBack<T>, RowFault> {
    with_widest(Differentiate {
        program,
        job,
        rows: cot_log_mean.len(),
        wanted: Wanted { features: wants_features, points: false },
        point_columns: 0,
        log_prob: &mut [],
        pull: PullLogMean { cot_log_mean },
    })
}

/// Cotangents of a log-mean.
struct PullLogMean<'a, T> {
    cot_log_mean: &'a [T],
}

impl<T: Scalar> Pull<T> for PullLogMean<'_, T> {
    #[inline(always)]
    fn pull<R: WidePack>(
        &self,
        program: &Program,
        model: Model<'_, T>,
        [first, count]: [usize; 2],
        space: &mut Workspace<T, R>,
        _: &mut Edge<T, R>,
        totals: &mut Totals<T, R>,
        _: &mut [T],
    ) {
        load_cot(space, self.cot_log_mean, first, count);
        walk::log_mean_vjp(program, model, space, totals);
    }
}
