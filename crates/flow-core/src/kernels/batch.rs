//! Evaluation and generation of batches.

use super::blocks::{Blocks, RowFault};
use super::log_mean::LogMean;
use super::run::{
    Coordinates, Edge, Job, Number, Rows, TASK, Task, WHOLE, before, blocks_of, fill, in_tasks, leave_point, scatter,
    zeros,
};
use super::workspace::{At, Model, Workspace};
use crate::layers::PENALTIES;
use crate::numeric::{Lift, Pack, WithPack};
use core::marker::PhantomData;
use core::ops::Range;

/// Some rows of a batch: those of a block.
#[derive(Clone, Copy)]
struct Stretch {
    /// The first, counted from the start of the batch.
    first: usize,
    /// How many.
    count: usize,
    /// The first, counted from the start of the task.
    at: usize,
}

/// What is done with the blocks of a batch, for any kind of pack. Implementations are `#[inline(always)]`, as those of [`Task::run`].
trait Batch<T: Number>: Sync {
    /// The flow.
    type Flow: Blocks;
    /// Where the results of the rows of a task go.
    type Part: Send;
    /// Works on a block whose features are there; it may find a fault.
    fn work<R: Pack<Scalar = T>>(
        &self,
        call: &Call<'_, T>,
        rows: Stretch,
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        part: &Self::Part,
    ) where
        T: Lift<R>;
    /// Takes the results of a block without a fault.
    fn leave<R: Pack<Scalar = T>>(
        &self,
        call: &Call<'_, T>,
        rows: Stretch,
        space: &Workspace<T, R>,
        edge: &mut Edge<T, R>,
        part: &mut Self::Part,
    ) where
        T: Lift<R>;
}

/// What all blocks of a call share.
#[derive(Clone, Copy)]
struct Call<'a, T> {
    job: Job<'a, T>,
    model: Model<'a, T>,
}

impl<T> Call<'_, T> {
    fn start<B: Blocks>(&self) -> At {
        At::start::<B>(self.job.feature_count)
    }
}

/// A batch of rows with the parts of its tasks.
struct Run<'a, T, K: Batch<T>>
where
    T: Number,
{
    job: Job<'a, T>,
    rows: usize,
    parts: Vec<K::Part>,
    batch: K,
}

impl<T: Number, K: Batch<T>> WithPack<T> for Run<'_, T, K> {
    type Output = Result<(), RowFault>;

    fn call<R: Pack<Scalar = T>>(self) -> Self::Output
    where
        T: Lift<R>,
    {
        let Run { job, rows, parts, batch } = self;
        let mut shared = zeros(K::Flow::SHARED);
        K::Flow::prepare_shared(job.weights, &mut shared);
        let call = Call { job, model: Model { weights: job.weights, shared: &shared } };
        in_tasks::<R, _>(rows, TASK, parts, &RunTask { call, batch })
    }
}

struct RunTask<'a, T, K> {
    call: Call<'a, T>,
    batch: K,
}

impl<T: Number + Lift<R>, R: Pack<Scalar = T>, K: Batch<T>> Task<R> for RunTask<'_, T, K> {
    type Flow = K::Flow;
    type Part = K::Part;
    const GRADIENTS: bool = false;

    fn features(&self) -> usize {
        self.call.job.feature_count
    }

    #[inline(always)]
    fn run(
        &self,
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        [start, len]: [usize; 2],
        mut part: K::Part,
    ) -> Result<(), RowFault> {
        for (first, count) in blocks_of(start, len) {
            let rows = Stretch { first, count, at: first - start };
            space.begin(&self.call.job, first, count);
            self.batch.work(&self.call, rows, space, edge, &part);
            if let Some(fault) = space.failed(first, count) {
                return Err(fault);
            }
            self.batch.leave(&self.call, rows, space, edge, &mut part);
        }
        Ok(())
    }
}

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
    evaluate_rows::<B, T, false>(job, part, points, log_prob, base, &mut [])
}

/// Log-density of each point and what a fit may penalise (rows of [`PENALTIES`] numbers).
pub fn evaluate_penalised<B: Blocks, T: Number>(
    job: Job<'_, T>,
    points: &[T],
    log_prob: &mut [T],
    penalties: &mut [T],
) -> Result<(), RowFault> {
    evaluate_rows::<B, T, true>(job, WHOLE, points, log_prob, &mut [], penalties)
}

fn evaluate_rows<B: Blocks, T: Number, const PENALISED: bool>(
    job: Job<'_, T>,
    part: Range<usize>,
    points: &[T],
    log_prob: &mut [T],
    base: &mut [T],
    penalties: &mut [T],
) -> Result<(), RowFault> {
    let (rows, with_base) = (log_prob.len(), !base.is_empty());
    let tasks = rows.div_ceil(TASK);
    let (bases, penalties) = (parts_of(base, TASK * B::DIM, tasks), parts_of(penalties, TASK * PENALTIES, tasks));
    let parts = log_prob.chunks_mut(TASK).zip(bases.into_iter().zip(penalties)).collect();
    let batch = Evaluate::<B, T, PENALISED> { part, points, with_base, flow: PhantomData };
    T::widest(Run { job, rows, parts, batch })
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

/// Evaluation.
struct Evaluate<'a, 'p, B, T, const PENALISED: bool> {
    part: Range<usize>,
    points: &'a [T],
    with_base: bool,
    flow: PhantomData<fn(&'p ()) -> B>,
}

impl<'p, B: Blocks, T: Number, const PENALISED: bool> Batch<T> for Evaluate<'_, 'p, B, T, PENALISED> {
    type Flow = B;
    type Part = (&'p mut [T], (Option<&'p mut [T]>, Option<&'p mut [T]>));

    #[inline(always)]
    fn work<R: Pack<Scalar = T>>(
        &self,
        call: &Call<'_, T>,
        rows: Stretch,
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        _: &Self::Part,
    ) where
        T: Lift<R>,
    {
        space.counted = [self.part.start, self.part.end];
        space.enter::<B>(&call.job, self.points, rows.first, rows.count, edge);
        B::evaluate::<T, R, PENALISED>(call.model, call.start::<B>(), space, self.with_base);
    }

    #[inline(always)]
    fn leave<R: Pack<Scalar = T>>(
        &self,
        _: &Call<'_, T>,
        Stretch { count, at, .. }: Stretch,
        space: &Workspace<T, R>,
        _: &mut Edge<T, R>,
        (log_prob, (base, penalties)): &mut Self::Part,
    ) where
        T: Lift<R>,
    {
        log_prob[at..][..count].copy_from_slice(&space.log_prob[..count]);
        if let Some(base) = base {
            leave(&space.base, space.width, B::DIM, count, &mut base[at * B::DIM..]);
        }
        if let Some(penalties) = penalties {
            leave(&space.penalties, space.width, PENALTIES, count, &mut penalties[at * PENALTIES..]);
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
    let (rows, columns) = (log_prob.len(), job.coordinates.count::<B>());
    let parts = log_prob.chunks_mut(TASK).zip(points.chunks_mut(TASK * columns)).collect();
    T::widest(Run { job, rows, parts, batch: Generate::<B, T> { base, flow: PhantomData } })
}

/// Generation.
struct Generate<'a, 'p, B, T> {
    base: &'a [T],
    flow: PhantomData<fn(&'p ()) -> B>,
}

impl<'p, B: Blocks, T: Number> Batch<T> for Generate<'_, 'p, B, T> {
    type Flow = B;
    type Part = (&'p mut [T], &'p mut [T]);

    #[inline(always)]
    fn work<R: Pack<Scalar = T>>(
        &self,
        call: &Call<'_, T>,
        rows: Stretch,
        space: &mut Workspace<T, R>,
        _: &mut Edge<T, R>,
        _: &Self::Part,
    ) where
        T: Lift<R>,
    {
        let from = Rows { data: self.base, columns: B::DIM };
        fill(from, [rows.first, rows.count, 1], space.width, &mut space.base);
        B::generate(call.model, call.start::<B>(), space);
    }

    #[inline(always)]
    fn leave<R: Pack<Scalar = T>>(
        &self,
        call: &Call<'_, T>,
        rows: Stretch,
        space: &Workspace<T, R>,
        edge: &mut Edge<T, R>,
        (log_prob, points): &mut Self::Part,
    ) where
        T: Lift<R>,
    {
        let columns = call.job.coordinates.count::<B>();
        for at in (0..space.width).step_by(R::LANES) {
            leave_point::<B, T, _>(&call.job, space, edge, at);
            scatter(&edge.outer[..columns], at, rows.count, &mut points[rows.at * columns..]);
            for l in 0..R::LANES.min(rows.count.saturating_sub(at)) {
                log_prob[rows.at + at + l] = edge.inner[0].lane(l);
            }
        }
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
    let (job, rows) = (Job { coordinates: Coordinates::Embedded, ..job }, log_prob.len());
    let parts = log_prob.chunks_mut(TASK).zip(points.chunks_mut(TASK * B::EMBED)).collect();
    T::widest(Run { job, rows, parts, batch: Undo::<B> { manifold, letters, flow: PhantomData } })
}

/// Undoing of letters.
struct Undo<'a, 'p, B> {
    manifold: usize,
    letters: &'a Range<usize>,
    flow: PhantomData<fn(&'p ()) -> B>,
}

impl<'p, B: Blocks, T: Number> Batch<T> for Undo<'_, 'p, B> {
    type Flow = B;
    type Part = (&'p mut [T], &'p mut [T]);

    #[inline(always)]
    fn work<R: Pack<Scalar = T>>(
        &self,
        call: &Call<'_, T>,
        rows: Stretch,
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        (_, points): &Self::Part,
    ) where
        T: Lift<R>,
    {
        // The points of a task are its own: rows are counted from its start.
        space.enter::<B>(&call.job, points, rows.at, rows.count, edge);
        B::undo(call.model, call.start::<B>(), space, self.manifold, self.letters);
    }

    #[inline(always)]
    fn leave<R: Pack<Scalar = T>>(
        &self,
        call: &Call<'_, T>,
        Stretch { count, at, .. }: Stretch,
        space: &Workspace<T, R>,
        _: &mut Edge<T, R>,
        (log_prob, points): &mut Self::Part,
    ) where
        T: Lift<R>,
    {
        log_prob[at..][..count].copy_from_slice(&space.log_prob[..count]);
        let rows = &space.inputs[before::<B, T>(&call.job) * space.width..];
        leave(rows, space.width, B::EMBED, count, &mut points[at * B::EMBED..]);
    }
}

/// The logarithm of the mean count of each row of features (of one row, where nothing is given), into `log_mean`.
pub fn log_mean<B: LogMean, T: Number>(job: Job<'_, T>, log_mean: &mut [T]) {
    let (rows, parts) = (log_mean.len(), log_mean.chunks_mut(TASK).collect());
    let done = T::widest(Run { job, rows, parts, batch: LogMeans::<B>(PhantomData) });
    debug_assert!(done.is_ok(), "a network alone finds no fault");
}

/// Log-means.
struct LogMeans<'p, B>(PhantomData<fn(&'p ()) -> B>);

impl<'p, B: LogMean, T: Number> Batch<T> for LogMeans<'p, B> {
    type Flow = B;
    type Part = &'p mut [T];

    #[inline(always)]
    fn work<R: Pack<Scalar = T>>(
        &self,
        call: &Call<'_, T>,
        _: Stretch,
        space: &mut Workspace<T, R>,
        _: &mut Edge<T, R>,
        _: &Self::Part,
    ) where
        T: Lift<R>,
    {
        B::log_mean(call.model, call.start::<B>(), space);
    }

    #[inline(always)]
    fn leave<R: Pack<Scalar = T>>(
        &self,
        _: &Call<'_, T>,
        Stretch { count, at, .. }: Stretch,
        space: &Workspace<T, R>,
        _: &mut Edge<T, R>,
        log_mean: &mut Self::Part,
    ) where
        T: Lift<R>,
    {
        log_mean[at..][..count].copy_from_slice(&space.log_prob[..count]);
    }
}
