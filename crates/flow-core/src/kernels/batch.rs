//! Evaluation and generation of batches.

use super::program::Program;
use super::run::{
    Coordinates, Edge, Job, RowFault, Rows, RowsOf, TASK, Task, blocks_of, fill, in_tasks, leave_point, scatter,
};
use super::walk::{self, Asked};
use super::workspace::{Model, Workspace};
use crate::layers::PENALTIES;
use crate::numeric::{Lift, Scalar, WidePack, WithWidePack, with_widest};
use core::marker::PhantomData;
use core::ops::Range;

/// What is done with the blocks of a batch, for any kind of pack. Implementations are `#[inline(always)]`.
pub(super) trait Batch<T: Scalar>: Sync {
    /// Where the results of the rows of a task go.
    type Part: Send;
    /// Works on a block whose features are there; it may find a fault.
    fn work<R: WidePack>(
        &self,
        call: &Call<'_, T>,
        rows: RowsOf,
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        part: &Self::Part,
    );
    /// Takes the results of a block without a fault.
    fn leave<R: WidePack>(
        &self,
        call: &Call<'_, T>,
        rows: RowsOf,
        space: &Workspace<T, R>,
        edge: &mut Edge<T, R>,
        part: &mut Self::Part,
    );
}

/// What all blocks of a call share.
#[derive(Clone, Copy)]
pub(super) struct Call<'a, T> {
    program: &'a Program,
    job: Job<'a, T>,
    model: Model<'a, T>,
}

/// A batch of rows with the parts of its tasks.
struct Run<'a, T: Scalar, K: Batch<T>> {
    program: &'a Program,
    job: Job<'a, T>,
    rows: usize,
    parts: Vec<K::Part>,
    batch: K,
}

impl<T: Scalar, K: Batch<T>> WithWidePack for Run<'_, T, K> {
    type Output = Result<(), RowFault>;

    fn call<R: WidePack>(self) -> Self::Output
    where
        f64: Lift<R>,
    {
        let Run { program, job, rows, parts, batch } = self;
        let shared = program.prepare_shared(job.weights);
        let call = Call { program, job, model: Model { weights: job.weights, shared: &shared } };
        in_tasks::<T, R, _>(rows, TASK, parts, &RunTask { call, batch })
    }
}

struct RunTask<'a, T, K> {
    call: Call<'a, T>,
    batch: K,
}

impl<T: Scalar, R: WidePack, K: Batch<T>> Task<T, R> for RunTask<'_, T, K> {
    type Part = K::Part;
    const GRADIENTS: bool = false;

    fn program(&self) -> &Program {
        self.call.program
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
            let rows = RowsOf { first, count, at: first - start };
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

/// Where the results of an evaluation go, row after row. Those that are empty are not asked for.
#[derive(Debug, Default)]
pub struct Evaluated<'a, T> {
    /// ln p of each point: always.
    pub log_prob: &'a mut [T],
    /// Base coordinates.
    pub base: &'a mut [T],
    /// Rows of [`PENALTIES`] numbers.
    pub penalties: &'a mut [T],
}

/// Log-density of each point, with base coordinates and penalties if they are asked for; `part` says of which manifolds: the
/// result is the sum of ln p_k(x_k | x_0 .. x_{k-1}, features) over them.
///
/// The points are whole ones; of the manifolds after `part` nothing is read, and base coordinates are those of `part` (zero
/// elsewhere). In intrinsic coordinates the log-determinant of all manifolds is added, so that a true part wants embedded ones.
pub(super) fn evaluate<T: Scalar>(
    program: &Program,
    job: Job<'_, T>,
    part: Range<usize>,
    points: &[T],
    out: Evaluated<'_, T>,
) -> Result<(), RowFault> {
    let Evaluated { log_prob, base, penalties } = out;
    let (rows, asked) = (log_prob.len(), Asked { base: !base.is_empty(), penalties: !penalties.is_empty() });
    let tasks = rows.div_ceil(TASK);
    let bases = parts_of(base, TASK * program.dim, tasks);
    let penalties = parts_of(penalties, TASK * PENALTIES, tasks);
    let parts = log_prob.chunks_mut(TASK).zip(bases.into_iter().zip(penalties)).collect();
    with_widest(Run { program, job, rows, parts, batch: Evaluate { part, points, asked, of: PhantomData } })
}

/// Evaluation.
struct Evaluate<'a, 'p, T> {
    part: Range<usize>,
    points: &'a [T],
    asked: Asked,
    of: PhantomData<fn(&'p ())>,
}

impl<'p, T: Scalar> Batch<T> for Evaluate<'_, 'p, T> {
    type Part = (&'p mut [T], (Option<&'p mut [T]>, Option<&'p mut [T]>));

    #[inline(always)]
    fn work<R: WidePack>(
        &self,
        call: &Call<'_, T>,
        rows: RowsOf,
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        _: &Self::Part,
    ) {
        space.counted = [self.part.start, self.part.end];
        space.enter(call.program, &call.job, self.points, rows.first, rows.count, edge);
        walk::evaluate(call.program, call.model, space, self.asked);
    }

    #[inline(always)]
    fn leave<R: WidePack>(
        &self,
        call: &Call<'_, T>,
        RowsOf { count, at, .. }: RowsOf,
        space: &Workspace<T, R>,
        _: &mut Edge<T, R>,
        (log_prob, (base, penalties)): &mut Self::Part,
    ) {
        let dim = call.program.dim;
        log_prob[at..][..count].copy_from_slice(&space.log_prob[..count]);
        if let Some(base) = base {
            leave(&space.base, space.width, dim, count, &mut base[at * dim..]);
        }
        if let Some(penalties) = penalties {
            leave(&space.penalties, space.width, PENALTIES, count, &mut penalties[at * PENALTIES..]);
        }
    }
}

/// Base coordinates to points, with the log-density of each.
pub(super) fn generate<T: Scalar>(
    program: &Program,
    job: Job<'_, T>,
    base: &[T],
    points: &mut [T],
    log_prob: &mut [T],
) -> Result<(), RowFault> {
    let (rows, columns) = (log_prob.len(), job.coordinates.columns(program));
    let parts = log_prob.chunks_mut(TASK).zip(points.chunks_mut(TASK * columns)).collect();
    with_widest(Run { program, job, rows, parts, batch: Generate { base, of: PhantomData } })
}

/// Generation.
struct Generate<'a, 'p, T> {
    base: &'a [T],
    of: PhantomData<fn(&'p ())>,
}

impl<'p, T: Scalar> Batch<T> for Generate<'_, 'p, T> {
    type Part = (&'p mut [T], &'p mut [T]);

    #[inline(always)]
    fn work<R: WidePack>(
        &self,
        call: &Call<'_, T>,
        rows: RowsOf,
        space: &mut Workspace<T, R>,
        _: &mut Edge<T, R>,
        _: &Self::Part,
    ) {
        let from = Rows { data: self.base, columns: call.program.dim };
        fill(from, [rows.first, rows.count, 1], space.width, &mut space.base);
        walk::generate(call.program, call.model, space);
    }

    #[inline(always)]
    fn leave<R: WidePack>(
        &self,
        call: &Call<'_, T>,
        rows: RowsOf,
        space: &Workspace<T, R>,
        edge: &mut Edge<T, R>,
        (log_prob, points): &mut Self::Part,
    ) {
        let columns = call.job.coordinates.columns(call.program);
        for at in (0..space.width).step_by(R::LANES) {
            leave_point(call.program, &call.job, space, edge, at);
            scatter(&edge.outer[..columns], at, rows.count, &mut points[rows.at * columns..]);
            for l in 0..R::LANES.min(rows.count.saturating_sub(at)) {
                log_prob[rows.at + at + l] = T::hold(edge.inner[0].lane(l));
            }
        }
    }
}

/// Inverts the letters in `letters` of one manifold of embedded points, all others being where they are: `points` become those
/// with this manifold before the letters, and `log_prob` the log-determinant, with the reference density where the way ends at
/// the base: then it is the log-density, by the surface measure, of the manifold after these letters, given those before it.
pub(super) fn inverse_through<T: Scalar>(
    program: &Program,
    job: Job<'_, T>,
    manifold: usize,
    letters: &Range<usize>,
    points: &mut [T],
    log_prob: &mut [T],
) -> Result<(), RowFault> {
    let (job, rows) = (Job { coordinates: Coordinates::Embedded, ..job }, log_prob.len());
    let parts = log_prob.chunks_mut(TASK).zip(points.chunks_mut(TASK * program.embed)).collect();
    let batch = InverseThrough { manifold, letters, of: PhantomData };
    with_widest(Run { program, job, rows, parts, batch })
}

/// The inverse through some letters.
struct InverseThrough<'a, 'p> {
    manifold: usize,
    letters: &'a Range<usize>,
    of: PhantomData<fn(&'p ())>,
}

impl<'p, T: Scalar> Batch<T> for InverseThrough<'_, 'p> {
    type Part = (&'p mut [T], &'p mut [T]);

    #[inline(always)]
    fn work<R: WidePack>(
        &self,
        call: &Call<'_, T>,
        rows: RowsOf,
        space: &mut Workspace<T, R>,
        edge: &mut Edge<T, R>,
        (_, points): &Self::Part,
    ) {
        // The points of a task are its own: rows are counted from its start.
        space.enter(call.program, &call.job, points, rows.at, rows.count, edge);
        walk::inverse_through(call.program, call.model, space, self.manifold, self.letters);
    }

    #[inline(always)]
    fn leave<R: WidePack>(
        &self,
        call: &Call<'_, T>,
        RowsOf { count, at, .. }: RowsOf,
        space: &Workspace<T, R>,
        _: &mut Edge<T, R>,
        (log_prob, points): &mut Self::Part,
    ) {
        let embed = call.program.embed;
        log_prob[at..][..count].copy_from_slice(&space.log_prob[..count]);
        let rows = &space.inputs[call.program.before * space.width..];
        leave(rows, space.width, embed, count, &mut points[at * embed..]);
    }
}

/// The logarithm of the mean count of each row of features (of one row, where nothing is given), into `log_mean`.
pub(super) fn log_mean<T: Scalar>(program: &Program, job: Job<'_, T>, log_mean: &mut [T]) {
    let (rows, parts) = (log_mean.len(), log_mean.chunks_mut(TASK).collect());
    let done = with_widest(Run { program, job, rows, parts, batch: LogMeans(PhantomData) });
    debug_assert!(done.is_ok(), "a network alone finds no fault");
}

/// Log-means.
struct LogMeans<'p>(PhantomData<fn(&'p ())>);

impl<'p, T: Scalar> Batch<T> for LogMeans<'p> {
    type Part = &'p mut [T];

    #[inline(always)]
    fn work<R: WidePack>(
        &self,
        call: &Call<'_, T>,
        _: RowsOf,
        space: &mut Workspace<T, R>,
        _: &mut Edge<T, R>,
        _: &Self::Part,
    ) {
        walk::log_mean(call.program, call.model, space);
    }

    #[inline(always)]
    fn leave<R: WidePack>(
        &self,
        _: &Call<'_, T>,
        RowsOf { count, at, .. }: RowsOf,
        space: &Workspace<T, R>,
        _: &mut Edge<T, R>,
        log_mean: &mut Self::Part,
    ) {
        log_mean[at..][..count].copy_from_slice(&space.log_prob[..count]);
    }
}
