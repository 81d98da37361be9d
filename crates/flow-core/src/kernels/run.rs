//! Batches: rows of points cut into blocks, blocks spread over threads.
//!
//! The cut depends on the number of rows alone and partial sums are added in the order of the rows, so that results do
//! not depend on the number of threads.

use super::pool::Pool;
use super::program::Program;
use super::types::Blocks;
use super::workspace::{Workspace, load, store};
use crate::layers::Fault;
use crate::numeric::{Scalar, WidePack, Work};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What went wrong with a point, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// The row.
    pub row: usize,
    /// The manifold, counted from 0.
    pub manifold: usize,
    /// The layer, and what happened; `None`: the parameters themselves are not finite.
    pub layer: Option<Fault>,
}

/// Points in a block: as many as keep a block's parameters and activations in cache.
pub(super) const BLOCK: usize = 64;

/// Rows that one task of a thread works on, at least.
pub(super) const TASK: usize = 128;

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

    /// Numbers a point of a program.
    pub(super) fn columns(self, program: &Program) -> usize {
        match self {
            Coordinates::Intrinsic => program.dim,
            Coordinates::Embedded => program.embed,
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
    pub(super) fn room(&self, count: usize) -> Vec<T> {
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

/// Some rows of a batch: those of a block.
#[derive(Clone, Copy)]
pub(super) struct RowsOf {
    /// The first, counted from the start of the batch.
    pub(super) first: usize,
    /// How many.
    pub(super) count: usize,
    /// The first, counted from the start of the task.
    pub(super) at: usize,
}

/// A rows-by-columns view into a slice of rows.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub(super) data: &'a [T],
    pub(super) columns: usize,
}

pub(super) fn zeros<T: Scalar>(n: usize) -> Vec<T> {
    vec![T::narrow(0.0); n]
}

/// Copies rows `first..first + count` into a block, column by column; lanes beyond `count` repeat the last row.
pub(super) fn fill<T: Scalar>(from: Rows<'_, T>, [first, count, repeat]: [usize; 3], width: usize, block: &mut [T]) {
    let columns = from.columns;
    if repeat > 1 {
        for lane in 0..width {
            let row = (first + lane.min(count - 1)) / repeat;
            for (column, x) in from.data[row * columns..][..columns].iter().enumerate() {
                block[column * width + lane] = *x;
            }
        }
        return;
    }
    let rows = &from.data[first * columns..][..count * columns];
    for (column, out) in block.chunks_exact_mut(width).take(columns).enumerate() {
        let (meant, beyond) = out.split_at_mut(count);
        for (x, row) in meant.iter_mut().zip(rows.chunks_exact(columns)) {
            *x = row[column];
        }
        beyond.fill(meant[count - 1]);
    }
}

impl<T: Scalar, R: WidePack> Workspace<T, R> {
    /// Starts a block with `count` points: features in, log-density and cotangents at zero.
    pub(super) fn begin(&mut self, job: &Job<'_, T>, first: usize, count: usize) {
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
    pub(super) fn enter(
        &mut self,
        program: &Program,
        job: &Job<'_, T>,
        points: &[T],
        first: usize,
        count: usize,
        lanes: &mut Edge<T, R>,
    ) {
        let columns = job.coordinates.columns(program);
        let width = self.width;
        fill(Rows { data: points, columns }, [first, count, 1], width, &mut lanes.rows);
        for at in (0..width).step_by(R::LANES) {
            load(&lanes.rows, width, at, &mut lanes.outer[..columns]);
            let mut log_det = [R::zero()];
            match job.coordinates {
                Coordinates::Intrinsic => program.embed(&lanes.outer[..columns], &mut lanes.inner, &mut log_det[0]),
                Coordinates::Embedded => program.project(&lanes.outer[..columns], &mut lanes.inner),
            }
            store(&lanes.inner, &mut self.inputs[program.before * width..], width, at);
            store(&log_det, &mut self.log_prob, width, at);
        }
    }

    pub(super) fn failed(&self, first: usize, count: usize) -> Option<RowFault> {
        let (lane, fault) = self.fault?;
        Some(RowFault { row: first + lane.min(count - 1), ..fault })
    }

    /// Adds the cotangents of the features to their rows.
    pub(super) fn leave_features(&self, job: &Job<'_, T>, first: usize, count: usize, out: &mut [T]) {
        let columns = job.feature_count;
        for lane in 0..count {
            for column in 0..columns {
                out[(first + lane) * columns + column] = self.cot_inputs[column * self.width + lane];
            }
        }
    }
}

/// Space for points on their way in and out of a block.
pub(super) struct Edge<T, R> {
    pub(super) rows: Vec<T>,
    pub(super) outer: Vec<R>,
    pub(super) inner: Vec<R>,
    pub(super) cot_outer: Vec<R>,
    pub(super) cot_inner: Vec<R>,
}

impl<T: Scalar, R: WidePack> Edge<T, R> {
    #[inline(always)]
    pub(super) fn new(program: &Program, width: usize) -> Self {
        let outer = program.dim.max(program.embed);
        Edge {
            rows: zeros(outer * width),
            outer: vec![R::zero(); outer],
            inner: vec![R::zero(); program.embed],
            cot_outer: vec![R::zero(); outer],
            cot_inner: vec![R::zero(); program.embed],
        }
    }
}

/// What a thread does with some consecutive rows of a batch, in packs `R`.
pub(super) trait Task<T: Scalar, R: WidePack>: Sync {
    /// Where the results of the rows go.
    type Part: Send;
    /// Whether it needs space for cotangents.
    const GRADIENTS: bool;
    /// The flow.
    fn program(&self) -> &Program;
    /// Does it for `count` rows from number `first` on. Implementations are `#[inline(always)]`, as those of [`Work::run`].
    fn run(
        &self,
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        rows: [usize; 2],
        part: Self::Part,
    ) -> Result<(), RowFault>;
}

/// A task for certain rows.
struct OfRows<'a, T: Scalar, R: WidePack, K: Task<T, R>> {
    task: &'a K,
    space: &'a mut (Workspace<T, R>, Edge<T, R>),
    rows: [usize; 2],
    part: K::Part,
}

impl<T: Scalar, R: WidePack, K: Task<T, R>> Work for OfRows<'_, T, R, K> {
    type Output = Result<(), RowFault>;
    #[inline(always)]
    fn run(self) -> Self::Output {
        self.task.run(&mut self.space.0, &mut self.space.1, self.rows, self.part)
    }
}

/// Rows cut into tasks: runs them on threads where there is more than one, and reports the fault of the lowest row. Each thread takes the next task when it
/// is done with one, and keeps its space.
pub(super) fn in_tasks<T: Scalar, R: WidePack, K: Task<T, R>>(
    rows: usize,
    size: usize,
    parts: Vec<K::Part>,
    task: &K,
) -> Result<(), RowFault> {
    let threads = if parts.len() <= 1 { 1 } else { rayon::current_num_threads().min(parts.len()) };
    let queue = Mutex::new(parts.into_iter().enumerate());
    let lowest: Mutex<Option<RowFault>> = Mutex::new(None);
    let work = || {
        let width = block_width::<R>(rows.min(size));
        let program = task.program();
        let mut space = (Workspace::new(program, width, K::GRADIENTS), Edge::new(program, width));
        // The guard of the queue is gone before the task begins.
        let next = || lock(&queue).next();
        while let Some((index, part)) = next() {
            let first = index * size;
            let rows = [first, (rows - first).min(size)];
            if let Err(fault) = R::run(OfRows { task, space: &mut space, rows, part }) {
                let mut lowest = lock(&lowest);
                if lowest.is_none_or(|known| fault.row < known.row) {
                    *lowest = Some(fault);
                }
            }
        }
    };
    if threads == 1 {
        work();
    } else {
        // The calling thread sleeps meanwhile: working along it would share its processor with the thread that it wakes, as schedulers go.
        rayon::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|_| work());
            }
            work();
        });
    }
    let fault = *lock(&lowest);
    fault.map_or(Ok(()), Err)
}

/// Takes a lock; what these guard is whole also where another thread panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lanes for the blocks of a task: a whole number of packs.
fn block_width<R: WidePack>(rows: usize) -> usize {
    rows.min(BLOCK).div_ceil(R::LANES) * R::LANES
}

pub(super) fn blocks_of(first: usize, count: usize) -> impl Iterator<Item = (usize, usize)> {
    (first..first + count).step_by(BLOCK).map(move |at| (at, (first + count - at).min(BLOCK)))
}

/// Lanes `at..` of a block into rows of points, as far as there are points.
#[inline(always)]
pub(super) fn scatter<T: Scalar, R: WidePack>(lanes: &[R], at: usize, count: usize, rows: &mut [T]) {
    for l in 0..R::LANES.min(count.saturating_sub(at)) {
        for (column, lane) in lanes.iter().enumerate() {
            rows[(at + l) * lanes.len() + column] = T::hold(lane.lane(l));
        }
    }
}

/// A pack of generated points in the coordinates asked for, into `edge.outer`; the log-density into `edge.inner[0]`.
#[inline(always)]
pub(super) fn leave_point<T: Scalar, R: WidePack>(
    program: &Program,
    job: &Job<'_, T>,
    space: &Workspace<T, R>,
    edge: &mut Edge<T, R>,
    at: usize,
) {
    let width = space.width;
    let columns = job.coordinates.columns(program);
    load(&space.inputs[program.before * width..], width, at, &mut edge.inner);
    let mut log_prob = [R::zero()];
    load(&space.log_prob, width, at, &mut log_prob);
    match job.coordinates {
        Coordinates::Intrinsic => {
            let mut log_det = R::zero();
            program.intrinsic(&edge.inner, &mut edge.outer[..columns], &mut log_det);
            log_prob[0] -= log_det;
        }
        Coordinates::Embedded => edge.outer[..columns].copy_from_slice(&edge.inner),
    }
    edge.inner[0] = log_prob[0];
}
