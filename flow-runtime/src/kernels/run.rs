//! Batches: rows of points cut into blocks, blocks spread over threads.
//!
//! The cut depends on the number of rows alone and partial sums are added in the order of the rows, so that results do
//! not depend on the number of threads.

use super::blocks::{At, Blocks, Model, RowFault, Totals, Workspace, load, store};
use super::log_mean::LogMean;
use super::pool::Pool;
use crate::layers::PENALTIES;
use crate::numeric::{Lift, Pack, Scalar, WithPack, Work};
use core::marker::PhantomData;
use core::ops::Range;
use rayon::prelude::*;

/// The numbers a flow computes with: `f32` and `f64`.
pub trait Number: Scalar {}
impl Number for f32 {}
impl Number for f64 {}

/// Points in a block: as many as keep a block's parameters and activations in cache.
const BLOCK: usize = 64;

/// Rows that one task of a thread works on, at least.
const TASK: usize = 128;

/// Tasks of a gradient at most, and rows of each at least where there are more than [`TASK`]: each task has its own sum of all weights.
const GRADIENT_TASKS: usize = 64;
const GRADIENT_TASK: usize = 512;

/// The coordinates in which points come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinates {
    /// Angles on spheres; densities with respect to d theta d phi.
    Intrinsic,
    /// Unit vectors on spheres; densities with respect to the surface measure.
    Embedded,
}

impl Coordinates {
    /// Numbers a point.
    pub const fn count<B: Blocks>(self) -> usize {
        match self {
            Coordinates::Intrinsic => B::DIM,
            Coordinates::Embedded => B::EMBED,
        }
    }
}

/// What a batch is made of.
#[derive(Clone, Copy)]
pub struct Job<'a, T> {
    /// Flat weights.
    pub weights: &'a [T],
    /// Given features, row after row.
    pub features: &'a [T],
    /// Number of given features.
    pub feature_count: usize,
    /// How many points share a row of features.
    pub repeat: usize,
    /// Coordinates of the points.
    pub coordinates: Coordinates,
    /// Where a gradient finds room for the sums of its tasks.
    pub pool: Option<&'a Pool<T>>,
}

impl<T: Scalar> Job<'_, T> {
    /// Zeros, one for each of `count` weights.
    fn room(&self, count: usize) -> Vec<T> {
        self.pool.map_or_else(|| zeros(count), |pool| pool.zeros(count))
    }
}

/// Gradients of a batch.
pub struct PullBack<T> {
    /// By the flat weights.
    pub weights: Vec<T>,
    /// By the given features, row after row; empty where they are not wanted.
    pub features: Vec<T>,
    /// By the points; empty where they are not wanted, and where points are results.
    pub points: Vec<T>,
}

impl<T: Scalar> PullBack<T> {
    /// All gradients times a number.
    pub fn scale(&mut self, factor: T) {
        let PullBack { weights, features, points } = self;
        [weights, features, points].into_iter().flatten().for_each(|g| *g *= factor);
    }
}

/// Which gradients beside those by the weights somebody asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// By the given features.
    pub features: bool,
    /// By the points.
    pub points: bool,
}

/// A rows-by-columns view into a slice of rows.
#[derive(Clone, Copy)]
struct Rows<'a, T> {
    data: &'a [T],
    columns: usize,
}

/// Rows of a block before the coordinates: given features, and what an outer network makes of them.
fn before<B: Blocks, T>(job: &Job<'_, T>) -> usize {
    job.feature_count + B::OUTER
}

fn zeros<T: Scalar>(n: usize) -> Vec<T> {
    vec![T::narrow(0.0); n]
}

/// Copies rows `first..first + count` into a block, column by column; lanes beyond `count` repeat the last row.
fn fill<T: Scalar>(from: Rows<'_, T>, [first, count, repeat]: [usize; 3], width: usize, block: &mut [T]) {
    for lane in 0..width {
        let point = first + lane.min(count - 1);
        // A division takes longer than all the rest.
        let row = if repeat == 1 { point } else { point / repeat };
        let numbers = &from.data[row * from.columns..][..from.columns];
        for (x, out) in numbers.iter().zip(block[lane..].iter_mut().step_by(width)) {
            *out = *x;
        }
    }
}

impl<T: Number, R: Pack<Scalar = T>> Workspace<T, R>
where
    T: Lift<R>,
{
    /// Starts a block with `count` points: features in, log-density and cotangents at zero.
    fn begin(&mut self, job: &Job<'_, T>, first: usize, count: usize) {
        (self.width, self.points) = (count.div_ceil(R::LANES) * R::LANES, count);
        self.fault = None;
        let features = Rows { data: job.features, columns: job.feature_count };
        fill(features, [first, count, job.repeat], self.width, &mut self.inputs);
        self.log_prob[..self.width].fill(T::narrow(0.0));
        self.penalties.fill(T::narrow(0.0));
        self.cot_inputs.fill(T::narrow(0.0));
    }

    /// Points of the given coordinates into the embedded rows; adds the log-determinant to the log-density.
    #[inline(always)]
    fn enter<B: Blocks>(&mut self, job: &Job<'_, T>, points: &[T], first: usize, count: usize, lanes: &mut Edge<T, R>) {
        let columns = job.coordinates.count::<B>();
        let width = self.width;
        fill(Rows { data: points, columns }, [first, count, 1], width, &mut lanes.rows);
        for at in (0..width).step_by(R::LANES) {
            load(&lanes.rows, width, at, &mut lanes.outer[..columns]);
            let mut log_det = [R::zero()];
            match job.coordinates {
                Coordinates::Intrinsic => B::embed(&lanes.outer[..columns], &mut lanes.inner, &mut log_det[0]),
                Coordinates::Embedded => B::project(&lanes.outer[..columns], &mut lanes.inner),
            }
            store(&lanes.inner, &mut self.inputs[before::<B, T>(job) * width..], width, at);
            store(&log_det, &mut self.log_prob, width, at);
        }
    }

    fn failed(&self, first: usize, count: usize) -> Option<RowFault> {
        let (lane, fault) = self.fault?;
        Some(RowFault { row: first + lane.min(count - 1), ..fault })
    }

    /// Adds the cotangents of the features to their rows.
    fn leave_features(&self, job: &Job<'_, T>, first: usize, count: usize, out: &mut [T]) {
        let columns = job.feature_count;
        for lane in 0..count {
            for column in 0..columns {
                out[(first + lane) * columns + column] = self.cot_inputs[column * self.width + lane];
            }
        }
    }
}

/// Space for points on their way in and out of a block.
struct Edge<T, R> {
    rows: Vec<T>,
    outer: Vec<R>,
    inner: Vec<R>,
    cot_outer: Vec<R>,
    cot_inner: Vec<R>,
}

impl<T: Scalar, R: Pack<Scalar = T>> Edge<T, R> {
    #[inline(always)]
    fn new<B: Blocks>(width: usize) -> Self {
        let outer = B::DIM.max(B::EMBED);
        Edge {
            rows: zeros(outer * width),
            outer: vec![R::zero(); outer],
            inner: vec![R::zero(); B::EMBED],
            cot_outer: vec![R::zero(); outer],
            cot_inner: vec![R::zero(); B::EMBED],
        }
    }
}

/// What a thread does with some consecutive rows of a batch, in packs `R`.
trait Task<R: Pack>: Sync {
    /// The flow.
    type Flow: Blocks;
    /// Where the results of the rows go.
    type Part: Send;
    /// Whether it needs space for cotangents.
    const GRADIENTS: bool;
    /// Number of given features.
    fn features(&self) -> usize;
    /// Does it for `count` rows from number `first` on. Implementations are `#[inline(always)]`, as those of [`Work::run`].
    fn run(
        &self,
        space: &mut Workspace<R::Scalar, R>,
        edge: &mut Edge<R::Scalar, R>,
        rows: [usize; 2],
        part: Self::Part,
    ) -> Result<(), RowFault>;
}

/// A task for certain rows.
struct OfRows<'a, R: Pack, K: Task<R>> {
    task: &'a K,
    space: &'a mut (Workspace<R::Scalar, R>, Edge<R::Scalar, R>),
    rows: [usize; 2],
    part: K::Part,
}

impl<R: Pack, K: Task<R>> Work for OfRows<'_, R, K> {
    type Output = Result<(), RowFault>;
    #[inline(always)]
    fn run(self) -> Self::Output {
        self.task.run(&mut self.space.0, &mut self.space.1, self.rows, self.part)
    }
}

/// Rows cut into tasks: runs them on threads where there is more than one, and reports the fault of the lowest row. A thread keeps its space from
/// task to task.
fn in_tasks<R: Pack, K: Task<R>>(rows: usize, size: usize, parts: Vec<K::Part>, task: &K) -> Result<(), RowFault> {
    let space = || {
        let width = block_width::<R>(rows.min(size));
        let space = Workspace::new::<K::Flow>(task.features(), width, K::GRADIENTS);
        (space, Edge::new::<K::Flow>(width))
    };
    let go = |space: &mut (Workspace<R::Scalar, R>, Edge<R::Scalar, R>), (index, part): (usize, K::Part)| {
        let first = index * size;
        R::run(OfRows { task, space, rows: [first, (rows - first).min(size)], part })
    };
    if parts.len() <= 1 {
        return parts.into_iter().enumerate().try_for_each(|part| go(&mut space(), part));
    }
    let results: Vec<_> = parts.into_par_iter().enumerate().map_init(space, go).collect();
    results.into_iter().collect()
}

/// Lanes for the blocks of a task: a whole number of packs.
fn block_width<R: Pack>(rows: usize) -> usize {
    rows.min(BLOCK).div_ceil(R::LANES) * R::LANES
}

fn blocks_of(first: usize, count: usize) -> impl Iterator<Item = (usize, usize)> {
    (first..first + count).step_by(BLOCK).map(move |at| (at, (first + count - at).min(BLOCK)))
}

/// All manifolds, as a part.
const WHOLE: Range<usize> = 0..usize::MAX;

/// Log-density of each point, into `log_prob`; base coordinates into `base` unless that is empty.
pub fn evaluate<B: Blocks, T: Number>(
    job: Job<'_, T>,
    points: &[T],
    log_prob: &mut [T],
    base: &mut [T],
) -> Result<(), RowFault> {
    evaluate_part::<B, T>(job, WHOLE, points, log_prob, base)
}

/// [`evaluate`] for some of the manifolds: the sum of ln p_k(x_k | x_0 .. x_{k-1}, features) over k in `part`. The points are whole
/// ones; of the manifolds after `part` nothing is read, and base coordinates are those of `part` (zero elsewhere).
///
/// In intrinsic coordinates the log-determinant of all manifolds is added, so that a true part wants embedded ones.
pub fn evaluate_part<B: Blocks, T: Number>(
    job: Job<'_, T>,
    part: Range<usize>,
    points: &[T],
    log_prob: &mut [T],
    base: &mut [T],
) -> Result<(), RowFault> {
    T::widest(Evaluate::<B, T, false> { job, part, points, log_prob, base, penalties: &mut [], flow: PhantomData })
}

/// Log-density of each point and what a fit may penalise (rows of [`PENALTIES`] numbers).
pub fn evaluate_penalised<B: Blocks, T: Number>(
    job: Job<'_, T>,
    points: &[T],
    log_prob: &mut [T],
    penalties: &mut [T],
) -> Result<(), RowFault> {
    T::widest(Evaluate::<B, T, true> {
        job,
        part: WHOLE,
        points,
        log_prob,
        base: &mut [],
        penalties,
        flow: PhantomData,
    })
}

/// Parts of optional rows of results, one for each task: `None` where they are not asked for.
fn parts_of<T>(rows: &mut [T], task: usize, tasks: usize) -> Vec<Option<&mut [T]>> {
    let mut parts = if rows.is_empty() { Vec::new() } else { rows.chunks_mut(task).map(Some).collect() };
    parts.resize_with(tasks, || None);
    parts
}

/// Copies rows of a block into rows of results.
fn leave<T: Copy>(block: &[T], width: usize, columns: usize, count: usize, rows: &mut [T]) {
    for (lane, row) in rows.chunks_exact_mut(columns).take(count).enumerate() {
        for (column, out) in row.iter_mut().enumerate() {
            *out = block[column * width + lane];
        }
    }
}

/// Evaluation of a batch, for any kind of pack.
struct Evaluate<'a, B, T, const PENALISED: bool> {
    job: Job<'a, T>,
    part: Range<usize>,
    points: &'a [T],
    log_prob: &'a mut [T],
    base: &'a mut [T],
    penalties: &'a mut [T],
    flow: PhantomData<fn() -> B>,
}

impl<B: Blocks, T: Number, const PENALISED: bool> WithPack<T> for Evaluate<'_, B, T, PENALISED> {
    type Output = Result<(), RowFault>;

    fn call<R: Pack<Scalar = T>>(self) -> Self::Output
    where
        T: Lift<R>,
    {
        let Evaluate { job, part, points, log_prob, base, penalties, .. } = self;
        let rows = log_prob.len();
        let mut shared = zeros(B::SHARED);
        B::prepare_shared(job.weights, &mut shared);
        let model = Model { weights: job.weights, shared: &shared };
        let (with_base, tasks) = (!base.is_empty(), rows.div_ceil(TASK));
        let (bases, penalties) = (parts_of(base, TASK * B::DIM, tasks), parts_of(penalties, TASK * PENALTIES, tasks));
        let parts = log_prob.chunks_mut(TASK).zip(bases.into_iter().zip(penalties)).collect();
        let task = EvaluateTask::<B, T, PENALISED> { job, part, points, model, with_base, flow: PhantomData };
        in_tasks::<R, _>(rows, TASK, parts, &task)
    }
}

struct EvaluateTask<'a, 'p, B, T, const PENALISED: bool> {
    job: Job<'a, T>,
    part: Range<usize>,
    points: &'a [T],
    model: Model<'a, T>,
    with_base: bool,
    flow: PhantomData<fn(&'p ()) -> B>,
}

impl<'p, B: Blocks, T: Number + Lift<R>, R: Pack<Scalar = T>, const PENALISED: bool> Task<R>
    for EvaluateTask<'_, 'p, B, T, PENALISED>
{
    type Flow = B;
    type Part = (&'p mut [T], (Option<&'p mut [T]>, Option<&'p mut [T]>));
    const GRADIENTS: bool = false;

    fn features(&self) -> usize {
        self.job.feature_count
    }

    #[inline(always)]
    fn run(
        &self,
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        [start, len]: [usize; 2],
        (log_prob, (mut base, mut penalties)): Self::Part,
    ) -> Result<(), RowFault> {
        let job = &self.job;
        space.counted = [self.part.start, self.part.end];
        for (first, count) in blocks_of(start, len) {
            space.begin(job, first, count);
            space.enter::<B>(job, self.points, first, count, edge);
            B::evaluate::<T, R, PENALISED>(self.model, At::start::<B>(job.feature_count), space, self.with_base);
            if let Some(fault) = space.failed(first, count) {
                return Err(fault);
            }
            let at = first - start;
            log_prob[at..][..count].copy_from_slice(&space.log_prob[..count]);
            if let Some(base) = &mut base {
                leave(&space.base, space.width, B::DIM, count, &mut base[at * B::DIM..]);
            }
            if let Some(penalties) = &mut penalties {
                leave(&space.penalties, space.width, PENALTIES, count, &mut penalties[at * PENALTIES..]);
            }
        }
        Ok(())
    }
}

/// Rows of a task of a gradient.
fn gradient_task(rows: usize) -> usize {
    // Small batches are spread over a few threads all the same.
    let least = (rows / 4).clamp(TASK, GRADIENT_TASK);
    rows.div_ceil(GRADIENT_TASKS).max(least).div_ceil(BLOCK) * BLOCK
}

/// Gradients that tasks add up, each into its own part, and what they leave of each row: nothing where a slice is empty.
struct Partial<'a, T> {
    weights: Vec<T>,
    shared: Vec<T>,
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
trait Pull<T: Number>: Sync {
    /// Adds the cotangents of `count` points from number `first` on to the totals, and writes those of the points themselves.
    fn pull<R: Pack<Scalar = T>>(
        &self,
        model: Model<'_, T>,
        rows: [usize; 2],
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        totals: &mut Totals<T, R>,
        cot_points: &mut [T],
    ) where
        T: Lift<R>;
}

/// Runs `pull` on each block of each task and adds the gradients in the order of the rows, for any kind of pack.
struct Differentiate<'a, B, T, P> {
    job: Job<'a, T>,
    rows: usize,
    wanted: Wanted,
    point_columns: usize,
    /// The log-densities that the pull leaves, where they are asked for.
    log_prob: &'a mut [T],
    pull: P,
    flow: PhantomData<fn() -> B>,
}

impl<B: Blocks, T: Number, P: Pull<T>> WithPack<T> for Differentiate<'_, B, T, P> {
    type Output = Result<PullBack<T>, RowFault>;

    fn call<R: Pack<Scalar = T>>(self) -> Self::Output
    where
        T: Lift<R>,
    {
        let Differentiate { job, rows, wanted, point_columns, log_prob, pull, .. } = self;
        let mut shared = zeros(B::SHARED);
        B::prepare_shared(job.weights, &mut shared);
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
        let work = DifferentiateTask::<B, T, P> { job, point_columns, model, pull, flow: PhantomData };
        in_tasks::<R, _>(rows, task, partials.iter_mut().collect(), &work)?;
        let mut partials = partials.into_iter();
        let (mut weights, mut cot_shared) = match partials.next() {
            Some(first) => (first.weights, first.shared),
            None => (zeros(B::WEIGHTS), zeros(B::SHARED)),
        };
        for part in partials {
            weights.iter_mut().zip(&part.weights).for_each(|(sum, w)| *sum += *w);
            cot_shared.iter_mut().zip(&part.shared).for_each(|(sum, s)| *sum += *s);
            if let Some(pool) = job.pool {
                pool.put(part.weights);
            }
        }
        B::prepare_shared_vjp(job.weights, &shared, &cot_shared, &mut weights);
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

struct DifferentiateTask<'a, 'p, 'q, B, T, P> {
    job: Job<'a, T>,
    point_columns: usize,
    model: Model<'a, T>,
    pull: P,
    flow: PhantomData<fn(&'p (), &'q ()) -> B>,
}

impl<'p, 'q: 'p, B: Blocks, T: Number + Lift<R>, R: Pack<Scalar = T>, P: Pull<T>> Task<R>
    for DifferentiateTask<'_, 'p, 'q, B, T, P>
{
    type Flow = B;
    type Part = &'p mut Partial<'q, T>;
    const GRADIENTS: bool = true;

    fn features(&self) -> usize {
        self.job.feature_count
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
        let mut totals = Totals { weights: job.room(B::WEIGHTS), shared: vec![R::zero(); B::SHARED] };
        for (first, count) in blocks_of(start, len) {
            space.begin(job, first, count);
            let points = &mut part.points[(first - start) * self.point_columns..];
            self.pull.pull(self.model, [first, count], space, edge, &mut totals, points);
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
        part.shared = zeros(B::SHARED);
        for (sum, lanes) in part.shared.iter_mut().zip(&totals.shared) {
            *sum = lanes.sum_lanes();
        }
        Ok(())
    }
}

/// Loads cotangents of the log-density; lanes beyond `count` get zero, so that they add nothing.
fn load_cot<T: Number, R>(space: &mut Workspace<T, R>, cot_log_prob: &[T], first: usize, count: usize) {
    space.cot_log_prob.fill(T::narrow(0.0));
    space.cot_log_prob[..count].copy_from_slice(&cot_log_prob[first..first + count]);
}

/// Gradients of sum_i cot_i log p(x_i).
pub fn evaluate_vjp<B: Blocks, T: Number>(
    job: Job<'_, T>,
    wanted: Wanted,
    points: &[T],
    cot_log_prob: &[T],
) -> Result<PullBack<T>, RowFault> {
    evaluate_part_vjp::<B, T>(job, wanted, WHOLE, points, cot_log_prob)
}

/// [`evaluate_vjp`] of [`evaluate_part`].
pub fn evaluate_part_vjp<B: Blocks, T: Number>(
    job: Job<'_, T>,
    wanted: Wanted,
    part: Range<usize>,
    points: &[T],
    cot_log_prob: &[T],
) -> Result<PullBack<T>, RowFault> {
    let cot = Cotangents { log_prob: cot_log_prob, penalties: &[], base: &[] };
    evaluate_all_vjp::<B, T, false>(job, wanted, part, points, cot, &mut [])
}

/// [`evaluate_part`], and on the same way the gradients of the sum of the log-densities.
pub fn evaluate_part_and_vjp<B: Blocks, T: Number>(
    job: Job<'_, T>,
    wanted: Wanted,
    part: Range<usize>,
    points: &[T],
    log_prob: &mut [T],
) -> Result<PullBack<T>, RowFault> {
    let ones = vec![T::narrow(1.0); log_prob.len()];
    let cot = Cotangents { log_prob: &ones, penalties: &[], base: &[] };
    evaluate_all_vjp::<B, T, false>(job, wanted, part, points, cot, log_prob)
}

/// Gradients of sum_i (cot_i log p(x_i) + sum_k cot_ik penalty_k(x_i)).
pub fn evaluate_penalised_vjp<B: Blocks, T: Number>(
    job: Job<'_, T>,
    wanted: Wanted,
    points: &[T],
    cot_log_prob: &[T],
    cot_penalties: &[T],
) -> Result<PullBack<T>, RowFault> {
    let cot = Cotangents { log_prob: cot_log_prob, penalties: cot_penalties, base: &[] };
    evaluate_all_vjp::<B, T, true>(job, wanted, WHOLE, points, cot, &mut [])
}

/// Gradients of sum_ik cot_ik z_k(x_i) over the base coordinates z of the points.
pub fn base_vjp<B: Blocks, T: Number>(
    job: Job<'_, T>,
    wanted: Wanted,
    points: &[T],
    cot_base: &[T],
) -> Result<PullBack<T>, RowFault> {
    let none = zeros(cot_base.len() / B::DIM);
    let cot = Cotangents { log_prob: &none, penalties: &[], base: cot_base };
    evaluate_all_vjp::<B, T, false>(job, wanted, WHOLE, points, cot, &mut [])
}

/// Cotangents of what evaluation gives for each row; empty where it has none.
#[derive(Clone, Copy)]
struct Cotangents<'a, T> {
    log_prob: &'a [T],
    penalties: &'a [T],
    base: &'a [T],
}

/// Rows of cotangents from number `first` on, side by side; lanes beyond `count` get zero.
fn load_rows<T: Number>(rows: &[T], columns: usize, [first, count, width]: [usize; 3], block: &mut [T]) {
    block.fill(T::narrow(0.0));
    for (lane, row) in rows.chunks_exact(columns).skip(first).take(count).enumerate() {
        for (column, cot) in row.iter().enumerate() {
            block[column * width + lane] = *cot;
        }
    }
}

fn evaluate_all_vjp<B: Blocks, T: Number, const PENALISED: bool>(
    job: Job<'_, T>,
    wanted: Wanted,
    part: Range<usize>,
    points: &[T],
    cot: Cotangents<'_, T>,
    log_prob: &mut [T],
) -> Result<PullBack<T>, RowFault> {
    T::widest(Differentiate::<B, T, _> {
        job,
        rows: cot.log_prob.len(),
        wanted,
        point_columns: job.coordinates.count::<B>(),
        log_prob,
        pull: PullEvaluation::<B, T, PENALISED> { job, part, points, cot, flow: PhantomData },
        flow: PhantomData,
    })
}

/// Cotangents of evaluation.
struct PullEvaluation<'a, B, T, const PENALISED: bool> {
    job: Job<'a, T>,
    part: Range<usize>,
    points: &'a [T],
    cot: Cotangents<'a, T>,
    flow: PhantomData<fn() -> B>,
}

impl<B: Blocks, T: Number, const PENALISED: bool> Pull<T> for PullEvaluation<'_, B, T, PENALISED> {
    #[inline(always)]
    fn pull<R: Pack<Scalar = T>>(
        &self,
        model: Model<'_, T>,
        [first, count]: [usize; 2],
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        totals: &mut Totals<T, R>,
        cot_points: &mut [T],
    ) where
        T: Lift<R>,
    {
        let job = &self.job;
        let columns = job.coordinates.count::<B>();
        space.counted = [self.part.start, self.part.end];
        space.enter::<B>(job, self.points, first, count, edge);
        load_cot(space, self.cot.log_prob, first, count);
        if PENALISED {
            let at = [first, count, space.width];
            load_rows(self.cot.penalties, PENALTIES, at, &mut space.cot_penalties);
        }
        if !self.cot.base.is_empty() {
            let at = [first, count, space.width];
            space.cot_base.resize(B::DIM * space.width, T::narrow(0.0));
            load_rows(self.cot.base, B::DIM, at, &mut space.cot_base);
        }
        B::evaluate_vjp::<T, R, PENALISED>(model, At::start::<B>(job.feature_count), space, totals);
        if cot_points.is_empty() {
            return;
        }
        let width = space.width;
        for at in (0..width).step_by(R::LANES) {
            load(&edge.rows, width, at, &mut edge.outer[..columns]);
            load(&space.cot_inputs[before::<B, T>(job) * width..], width, at, &mut edge.cot_inner);
            let mut cot = [R::zero()];
            load(&space.cot_log_prob, width, at, &mut cot);
            let (outer, cot_outer) = (&edge.outer[..columns], &mut edge.cot_outer[..columns]);
            cot_outer.fill(R::zero());
            match job.coordinates {
                Coordinates::Intrinsic => B::embed_vjp(outer, &edge.cot_inner, cot[0], cot_outer),
                Coordinates::Embedded => B::project_vjp(outer, &edge.cot_inner, cot_outer),
            }
            scatter(cot_outer, at, count, cot_points);
        }
    }
}

/// Lanes `at..` of a block into rows of points, as far as there are points.
#[inline(always)]
fn scatter<T: Number, R: Pack<Scalar = T>>(lanes: &[R], at: usize, count: usize, rows: &mut [T]) {
    for l in 0..R::LANES.min(count.saturating_sub(at)) {
        for (column, lane) in lanes.iter().enumerate() {
            rows[(at + l) * lanes.len() + column] = lane.lane(l);
        }
    }
}

/// Base coordinates to points, with the log-density of each.
pub fn generate<B: Blocks, T: Number>(
    job: Job<'_, T>,
    base: &[T],
    points: &mut [T],
    log_prob: &mut [T],
) -> Result<(), RowFault> {
    T::widest(Generate::<B, T> { job, base, points, log_prob, flow: PhantomData })
}

/// Generation of a batch, for any kind of pack.
struct Generate<'a, B, T> {
    job: Job<'a, T>,
    base: &'a [T],
    points: &'a mut [T],
    log_prob: &'a mut [T],
    flow: PhantomData<fn() -> B>,
}

impl<B: Blocks, T: Number> WithPack<T> for Generate<'_, B, T> {
    type Output = Result<(), RowFault>;

    fn call<R: Pack<Scalar = T>>(self) -> Self::Output
    where
        T: Lift<R>,
    {
        let Generate { job, base, points, log_prob, .. } = self;
        let rows = log_prob.len();
        let columns = job.coordinates.count::<B>();
        let mut shared = zeros(B::SHARED);
        B::prepare_shared(job.weights, &mut shared);
        let model = Model { weights: job.weights, shared: &shared };
        let parts = log_prob.chunks_mut(TASK).zip(points.chunks_mut(TASK * columns)).collect();
        let task = GenerateTask::<B, T> { job, base, model, flow: PhantomData };
        in_tasks::<R, _>(rows, TASK, parts, &task)
    }
}

struct GenerateTask<'a, 'p, B, T> {
    job: Job<'a, T>,
    base: &'a [T],
    model: Model<'a, T>,
    flow: PhantomData<fn(&'p ()) -> B>,
}

impl<'p, B: Blocks, T: Number + Lift<R>, R: Pack<Scalar = T>> Task<R> for GenerateTask<'_, 'p, B, T> {
    type Flow = B;
    type Part = (&'p mut [T], &'p mut [T]);
    const GRADIENTS: bool = false;

    fn features(&self) -> usize {
        self.job.feature_count
    }

    #[inline(always)]
    fn run(
        &self,
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        [start, len]: [usize; 2],
        (log_prob, points): Self::Part,
    ) -> Result<(), RowFault> {
        let job = &self.job;
        let columns = job.coordinates.count::<B>();
        for (first, count) in blocks_of(start, len) {
            space.begin(job, first, count);
            let width = space.width;
            fill(Rows { data: self.base, columns: B::DIM }, [first, count, 1], width, &mut space.base);
            B::generate(self.model, At::start::<B>(job.feature_count), space);
            if let Some(fault) = space.failed(first, count) {
                return Err(fault);
            }
            for at in (0..width).step_by(R::LANES) {
                leave_point::<B, T, _>(job, space, edge, at);
                scatter(&edge.outer[..columns], at, count, &mut points[(first - start) * columns..]);
                for l in 0..R::LANES.min(count.saturating_sub(at)) {
                    log_prob[first - start + at + l] = edge.inner[0].lane(l);
                }
            }
        }
        Ok(())
    }
}

/// Undoes the letters in `letters` of one manifold of embedded points, all others being where they are: `points` become those with this manifold
/// before the letters, and `log_prob` the log-determinant, with the reference density where the way ends at the base: then it is the
/// log-density, by the surface measure, of the manifold after these letters, given those before it.
pub fn undo<B: Blocks, T: Number>(
    job: Job<'_, T>,
    manifold: usize,
    letters: &Range<usize>,
    points: &mut [T],
    log_prob: &mut [T],
) -> Result<(), RowFault> {
    let job = Job { coordinates: Coordinates::Embedded, ..job };
    T::widest(Undo::<B, T> { job, manifold, letters, points, log_prob, flow: PhantomData })
}

/// Undoing of letters for a batch, for any kind of pack.
struct Undo<'a, B, T> {
    job: Job<'a, T>,
    manifold: usize,
    letters: &'a Range<usize>,
    points: &'a mut [T],
    log_prob: &'a mut [T],
    flow: PhantomData<fn() -> B>,
}

impl<B: Blocks, T: Number> WithPack<T> for Undo<'_, B, T> {
    type Output = Result<(), RowFault>;

    fn call<R: Pack<Scalar = T>>(self) -> Self::Output
    where
        T: Lift<R>,
    {
        let Undo { job, manifold, letters, points, log_prob, .. } = self;
        let rows = log_prob.len();
        let mut shared = zeros(B::SHARED);
        B::prepare_shared(job.weights, &mut shared);
        let model = Model { weights: job.weights, shared: &shared };
        let parts = log_prob.chunks_mut(TASK).zip(points.chunks_mut(TASK * B::EMBED)).collect();
        let task = UndoTask::<B, T> { job, manifold, letters, model, flow: PhantomData };
        in_tasks::<R, _>(rows, TASK, parts, &task)
    }
}

struct UndoTask<'a, 'p, B, T> {
    job: Job<'a, T>,
    manifold: usize,
    letters: &'a Range<usize>,
    model: Model<'a, T>,
    flow: PhantomData<fn(&'p ()) -> B>,
}

impl<'p, B: Blocks, T: Number + Lift<R>, R: Pack<Scalar = T>> Task<R> for UndoTask<'_, 'p, B, T> {
    type Flow = B;
    type Part = (&'p mut [T], &'p mut [T]);
    const GRADIENTS: bool = false;

    fn features(&self) -> usize {
        self.job.feature_count
    }

    #[inline(always)]
    fn run(
        &self,
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        [start, len]: [usize; 2],
        (log_prob, points): Self::Part,
    ) -> Result<(), RowFault> {
        let job = &self.job;
        for (first, count) in blocks_of(start, len) {
            let at = first - start;
            space.begin(job, first, count);
            // The points of a task are its own: rows are counted from its start.
            space.enter::<B>(job, points, at, count, edge);
            B::undo(self.model, At::start::<B>(job.feature_count), space, self.manifold, self.letters);
            if let Some(fault) = space.failed(first, count) {
                return Err(fault);
            }
            log_prob[at..][..count].copy_from_slice(&space.log_prob[..count]);
            let rows = &space.inputs[before::<B, T>(job) * space.width..];
            leave(rows, space.width, B::EMBED, count, &mut points[at * B::EMBED..]);
        }
        Ok(())
    }
}

/// A pack of generated points in the coordinates asked for, into `edge.outer`; the log-density into `edge.inner[0]`.
#[inline(always)]
fn leave_point<B: Blocks, T: Number, R: Pack<Scalar = T>>(
    job: &Job<'_, T>,
    space: &Workspace<T, R>,
    edge: &mut Edge<T, R>,
    at: usize,
) {
    let width = space.width;
    let columns = job.coordinates.count::<B>();
    load(&space.inputs[before::<B, T>(job) * width..], width, at, &mut edge.inner);
    let mut log_prob = [R::zero()];
    load(&space.log_prob, width, at, &mut log_prob);
    match job.coordinates {
        Coordinates::Intrinsic => {
            let mut log_det = R::zero();
            B::intrinsic(&edge.inner, &mut edge.outer[..columns], &mut log_det);
            log_prob[0] -= log_det;
        }
        Coordinates::Embedded => edge.outer[..columns].copy_from_slice(&edge.inner),
    }
    edge.inner[0] = log_prob[0];
}

/// Gradients of sum_i (cot_points_i . x_i + cot_log_prob_i log p(x_i)) over generated points x_i, by weights and features.
pub fn generate_vjp<B: Blocks, T: Number>(
    job: Job<'_, T>,
    wants_features: bool,
    points: &[T],
    cot_points: &[T],
    cot_log_prob: &[T],
) -> Result<PullBack<T>, RowFault> {
    T::widest(Differentiate::<B, T, _> {
        job,
        rows: cot_log_prob.len(),
        wanted: Wanted { features: wants_features, points: false },
        point_columns: 0,
        log_prob: &mut [],
        pull: PullGeneration::<B, T> { job, points, cot_points, cot_log_prob, flow: PhantomData },
        flow: PhantomData,
    })
}

/// Cotangents of generation.
struct PullGeneration<'a, B, T> {
    job: Job<'a, T>,
    points: &'a [T],
    cot_points: &'a [T],
    cot_log_prob: &'a [T],
    flow: PhantomData<fn() -> B>,
}

impl<B: Blocks, T: Number> Pull<T> for PullGeneration<'_, B, T> {
    #[inline(always)]
    fn pull<R: Pack<Scalar = T>>(
        &self,
        model: Model<'_, T>,
        [first, count]: [usize; 2],
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        totals: &mut Totals<T, R>,
        _: &mut [T],
    ) where
        T: Lift<R>,
    {
        let job = &self.job;
        let columns = job.coordinates.count::<B>();
        space.enter::<B>(job, self.points, first, count, edge);
        load_cot(space, self.cot_log_prob, first, count);
        let width = space.width;
        for at in (0..width).step_by(R::LANES) {
            let here = |l: usize| at + l < count;
            for (column, cot) in edge.cot_outer[..columns].iter_mut().enumerate() {
                *cot = R::from_fn(|l| {
                    if here(l) { self.cot_points[(first + at + l) * columns + column] } else { T::narrow(0.0) }
                });
            }
            load(&space.inputs[before::<B, T>(job) * width..], width, at, &mut edge.inner);
            let mut cot_log_prob = [R::zero()];
            load(&space.cot_log_prob, width, at, &mut cot_log_prob);
            edge.cot_inner.fill(R::zero());
            match job.coordinates {
                // The density by intrinsic coordinates is that by area over |d intrinsic / d embedded|.
                Coordinates::Intrinsic => {
                    let cot_outer = &edge.cot_outer[..columns];
                    B::intrinsic_vjp(&edge.inner, cot_outer, -cot_log_prob[0], &mut edge.cot_inner);
                }
                Coordinates::Embedded => edge.cot_inner.copy_from_slice(&edge.cot_outer[..columns]),
            }
            store(&edge.cot_inner, &mut space.cot_inputs[before::<B, T>(job) * width..], width, at);
        }
        B::generate_vjp(model, At::start::<B>(job.feature_count), space, totals);
    }
}

/// The logarithm of the mean count of each row of features (of one row, where nothing is given), into `log_mean`.
pub fn log_mean<B: LogMean, T: Number>(job: Job<'_, T>, log_mean: &mut [T]) {
    T::widest(EvaluateLogMean::<B, T> { job, log_mean, flow: PhantomData });
}

/// Log-means of a batch, for any kind of pack.
struct EvaluateLogMean<'a, B, T> {
    job: Job<'a, T>,
    log_mean: &'a mut [T],
    flow: PhantomData<fn() -> B>,
}

impl<B: LogMean, T: Number> WithPack<T> for EvaluateLogMean<'_, B, T> {
    type Output = ();

    fn call<R: Pack<Scalar = T>>(self)
    where
        T: Lift<R>,
    {
        let EvaluateLogMean { job, log_mean, .. } = self;
        let rows = log_mean.len();
        let model = Model { weights: job.weights, shared: &[] };
        let parts = log_mean.chunks_mut(TASK).collect();
        let task = LogMeanTask::<B, T> { job, model, flow: PhantomData };
        let done = in_tasks::<R, _>(rows, TASK, parts, &task);
        debug_assert!(done.is_ok(), "a network alone finds no fault");
    }
}

struct LogMeanTask<'a, 'p, B, T> {
    job: Job<'a, T>,
    model: Model<'a, T>,
    flow: PhantomData<fn(&'p ()) -> B>,
}

impl<'p, B: LogMean, T: Number + Lift<R>, R: Pack<Scalar = T>> Task<R> for LogMeanTask<'_, 'p, B, T> {
    type Flow = B;
    type Part = &'p mut [T];
    const GRADIENTS: bool = false;

    fn features(&self) -> usize {
        self.job.feature_count
    }

    #[inline(always)]
    fn run(
        &self,
        space: &mut Workspace<T, R>,
        _: &mut Edge<T, R>,
        [start, len]: [usize; 2],
        log_mean: Self::Part,
    ) -> Result<(), RowFault> {
        let job = &self.job;
        for (first, count) in blocks_of(start, len) {
            space.begin(job, first, count);
            B::log_mean(self.model, At::start::<B>(job.feature_count), space);
            log_mean[first - start..][..count].copy_from_slice(&space.log_prob[..count]);
        }
        Ok(())
    }
}

/// Gradients of sum_i cot_i ln lambda_i, by weights and features.
pub fn log_mean_vjp<B: LogMean, T: Number>(
    job: Job<'_, T>,
    wants_features: bool,
    cot_log_mean: &[T],
) -> Result<PullBack<T>, RowFault> {
    T::widest(Differentiate::<B, T, _> {
        job,
        rows: cot_log_mean.len(),
        wanted: Wanted { features: wants_features, points: false },
        point_columns: 0,
        log_prob: &mut [],
        pull: PullLogMean::<B, T> { job, cot_log_mean, flow: PhantomData },
        flow: PhantomData,
    })
}

/// Cotangents of a log-mean.
struct PullLogMean<'a, B, T> {
    job: Job<'a, T>,
    cot_log_mean: &'a [T],
    flow: PhantomData<fn() -> B>,
}

impl<B: LogMean, T: Number> Pull<T> for PullLogMean<'_, B, T> {
    #[inline(always)]
    fn pull<R: Pack<Scalar = T>>(
        &self,
        model: Model<'_, T>,
        [first, count]: [usize; 2],
        space: &mut Workspace<T, R>,
        _: &mut Edge<T, R>,
        totals: &mut Totals<T, R>,
        _: &mut [T],
    ) where
        T: Lift<R>,
    {
        load_cot(space, self.cot_log_mean, first, count);
        B::log_mean_vjp(model, At::start::<B>(self.job.feature_count), space, totals);
    }
}

/// One point at a time, without threads and without allocation: weights prepared once, one workspace.
pub struct Evaluator<B, T> {
    space: Workspace<T, T>,
    edge: Edge<T, T>,
    flow: PhantomData<fn() -> B>,
}

impl<B: Blocks, T: Number> Evaluator<B, T> {
    /// A workspace for points of a flow with `feature_count` given features.
    pub fn new(feature_count: usize) -> Self {
        Evaluator { space: Workspace::new::<B>(feature_count, 1, false), edge: Edge::new::<B>(1), flow: PhantomData }
    }

    /// Log-density of one point; `shared` are the prepared numbers of shared parameters.
    pub fn log_prob(&mut self, job: &Job<'_, T>, shared: &[T], point: &[T]) -> Result<T, RowFault> {
        self.space.begin(job, 0, 1);
        self.space.enter::<B>(job, point, 0, 1, &mut self.edge);
        B::evaluate::<T, T, false>(
            Model { weights: job.weights, shared },
            At::start::<B>(job.feature_count),
            &mut self.space,
            false,
        );
        match self.space.failed(0, 1) {
            Some(fault) => Err(fault),
            None => Ok(self.space.log_prob[0]),
        }
    }

    /// The logarithm of the mean count of one row of features.
    pub fn log_mean(&mut self, job: &Job<'_, T>) -> T
    where
        B: LogMean,
    {
        self.space.begin(job, 0, 1);
        let model = Model { weights: job.weights, shared: &[] };
        B::log_mean::<T, T>(model, At::start::<B>(job.feature_count), &mut self.space);
        self.space.log_prob[0]
    }

    /// One point from base coordinates, and its log-density.
    pub fn sample(&mut self, job: &Job<'_, T>, shared: &[T], base: &[T], point: &mut [T]) -> Result<T, RowFault> {
        self.space.begin(job, 0, 1);
        self.space.base.copy_from_slice(base);
        B::generate::<T, T>(Model { weights: job.weights, shared }, At::start::<B>(job.feature_count), &mut self.space);
        if let Some(fault) = self.space.failed(0, 1) {
            return Err(fault);
        }
        leave_point::<B, T, T>(job, &self.space, &mut self.edge, 0);
        point.copy_from_slice(&self.edge.outer[..job.coordinates.count::<B>()]);
        Ok(self.edge.inner[0])
    }
}
