//! Every call of the arithmetic in `flow-core`, in one place: a request in, numbers out, faults explained.

use super::{Spec, explain};
use crate::density::Element;
use crate::error::Error;
use crate::kernels::{self, Blocks, Coordinates, Evaluator, Job, LogMean, RowFault, Summary};
use crate::layers::PENALTIES;
use crate::module::points::FeatureSpec;
use core::ops::Range;
use rand::SeedableRng;
use rand::rngs::StdRng;

pub(in crate::module) use kernels::{Pool as BufferPool, PullBack as BatchGradients, Wanted as Wants};

/// What a batch is computed with.
#[derive(Clone, Copy)]
pub(in crate::module) struct Request<'a, E> {
    /// All weights, flat.
    pub weights: &'a [E],
    /// The features, row after row; empty where nothing is given.
    pub features: &'a [E],
    /// How many points belong to each row of features.
    pub repeat: usize,
    /// The coordinates of the points.
    pub coordinates: Coordinates,
    /// Where a gradient finds room for the sums of its tasks.
    pub pool: Option<&'a BufferPool<E>>,
}

impl<'a, E> Request<'a, E> {
    fn job<S: Spec>(self) -> Job<'a, E> {
        let Request { weights, features, repeat, coordinates, pool } = self;
        Job { weights, features, feature_count: S::Features::COUNT, repeat, coordinates, pool }
    }
}

/// What an evaluation computes beside the log-densities.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::module) enum Beside {
    /// Nothing.
    Nothing,
    /// Base coordinates.
    Base,
    /// The penalties of continuous flows, of all manifolds.
    Penalties,
}

/// Log-densities, and rows of what was asked for beside them.
pub(in crate::module) struct Evaluated<E> {
    pub log_prob: Vec<E>,
    pub beside: Vec<E>,
}

/// Cotangents of what an evaluation gives for each row.
pub(in crate::module) enum Cotangents<'a, E> {
    /// Of log-densities.
    LogProb(&'a [E]),
    /// Of log-densities and penalties, of all manifolds.
    Penalised { log_prob: &'a [E], penalties: &'a [E] },
    /// Of base coordinates of all manifolds.
    Base(&'a [E]),
}

fn zeros<E: Element>(count: usize) -> Vec<E> {
    vec![E::default(); count]
}

/// Evaluates rows of points: the sum over `manifolds` of ln p(x_k | x_0 .. x_{k-1}), and what is asked for beside it.
pub(in crate::module) fn evaluate<S: Spec, E: Element>(
    request: Request<'_, E>,
    manifolds: Range<usize>,
    points: &[E],
    beside: Beside,
) -> Result<Evaluated<E>, Error> {
    let rows = points.len() / request.coordinates.count::<S::Blocks>();
    let mut log_prob = zeros(rows);
    let job = request.job::<S>();
    let mut more = match beside {
        Beside::Nothing => Vec::new(),
        Beside::Base => zeros(rows * S::Blocks::DIM),
        Beside::Penalties => zeros(rows * PENALTIES),
    };
    let done = match beside {
        Beside::Penalties => kernels::evaluate_penalised::<S::Blocks, E>(job, points, &mut log_prob, &mut more),
        _ => kernels::evaluate_part::<S::Blocks, E>(job, manifolds, points, &mut log_prob, &mut more),
    };
    done.map_err(explain::<S>)?;
    Ok(Evaluated { log_prob, beside: more })
}

/// Evaluates rows of points, and on the same way computes the gradients of the sum of their log-densities.
pub(in crate::module) fn evaluate_and_gradients<S: Spec, E: Element>(
    request: Request<'_, E>,
    manifolds: Range<usize>,
    points: &[E],
    wants: Wants,
) -> Result<(Vec<E>, BatchGradients<E>), Error> {
    let mut log_prob = zeros(points.len() / request.coordinates.count::<S::Blocks>());
    let job = request.job::<S>();
    let gradients = kernels::evaluate_part_and_vjp::<S::Blocks, E>(job, wants, manifolds, points, &mut log_prob);
    Ok((log_prob, gradients.map_err(explain::<S>)?))
}

/// Computes the gradients of an evaluation for cotangents of its results.
pub(in crate::module) fn gradients<S: Spec, E: Element>(
    request: Request<'_, E>,
    manifolds: Range<usize>,
    points: &[E],
    wants: Wants,
    cot: Cotangents<'_, E>,
) -> Result<BatchGradients<E>, RowFault> {
    let job = request.job::<S>();
    match cot {
        Cotangents::LogProb(cot) => kernels::evaluate_part_vjp::<S::Blocks, E>(job, wants, manifolds, points, cot),
        Cotangents::Penalised { log_prob, penalties } => {
            kernels::evaluate_penalised_vjp::<S::Blocks, E>(job, wants, points, log_prob, penalties)
        }
        Cotangents::Base(cot) => kernels::base_vjp::<S::Blocks, E>(job, wants, points, cot),
    }
}

/// Maps rows of base coordinates to points, with the log-density of each.
pub(in crate::module) fn generate<S: Spec, E: Element>(
    request: Request<'_, E>,
    base: &[E],
) -> Result<(Vec<E>, Vec<E>), Error> {
    let rows = base.len() / S::Blocks::DIM;
    let (mut points, mut log_prob) = (zeros(rows * request.coordinates.count::<S::Blocks>()), zeros(rows));
    kernels::generate::<S::Blocks, E>(request.job::<S>(), base, &mut points, &mut log_prob).map_err(explain::<S>)?;
    Ok((points, log_prob))
}

/// Computes the gradients of generated points and their log-densities, by weights and (if `wants_features`) features.
pub(in crate::module) fn generate_gradients<S: Spec, E: Element>(
    request: Request<'_, E>,
    points: &[E],
    wants_features: bool,
    [cot_points, cot_log_prob]: [&[E]; 2],
) -> Result<BatchGradients<E>, RowFault> {
    kernels::generate_vjp::<S::Blocks, E>(request.job::<S>(), wants_features, points, cot_points, cot_log_prob)
}

/// Takes one manifold of rows of embedded points backwards through some letters of its chain. Returns the rows and the
/// log-determinants.
pub(in crate::module) fn inverse_through<S: Spec, E: Element>(
    request: Request<'_, E>,
    manifold: usize,
    letters: &Range<usize>,
    mut points: Vec<E>,
) -> Result<(Vec<E>, Vec<E>), Error> {
    let mut log_prob = zeros(points.len() / S::Blocks::EMBED);
    kernels::undo::<S::Blocks, E>(request.job::<S>(), manifold, letters, &mut points, &mut log_prob)
        .map_err(explain::<S>)?;
    Ok((points, log_prob))
}

/// Computes ln lambda of `rows` rows of features.
pub(in crate::module) fn log_means<S: Spec<Blocks: LogMean>, E: Element>(
    request: Request<'_, E>,
    rows: usize,
) -> Vec<E> {
    let mut log_means = zeros(rows);
    kernels::log_mean::<S::Blocks, E>(request.job::<S>(), &mut log_means);
    log_means
}

/// Computes the gradients of log-means, by weights and (if `wants_features`) features.
pub(in crate::module) fn log_mean_gradients<S: Spec<Blocks: LogMean>, E: Element>(
    request: Request<'_, E>,
    wants_features: bool,
    cot: &[E],
) -> Result<BatchGradients<E>, RowFault> {
    kernels::log_mean_vjp::<S::Blocks, E>(request.job::<S>(), wants_features, cot)
}

/// The numbers that parameters shared by all points are prepared to, once for given weights.
pub(in crate::module) fn prepare_shared<S: Spec, E: Element>(weights: &[E]) -> Vec<E> {
    let mut shared = zeros(S::Blocks::SHARED);
    S::Blocks::prepare_shared(weights, &mut shared);
    shared
}

/// A workspace for one point at a time, which allocates nothing.
pub(in crate::module) struct OneRow<S: Spec, E>(Evaluator<S::Blocks, E>);

impl<S: Spec, E: Element> OneRow<S, E> {
    pub fn new() -> Self {
        OneRow(Evaluator::new(S::Features::COUNT))
    }

    /// Computes ln p of a point; `shared` comes from [`prepare_shared`].
    pub fn log_prob(&mut self, request: Request<'_, E>, shared: &[E], point: &[E]) -> Result<E, Error> {
        self.0.log_prob(&request.job::<S>(), shared, point).map_err(explain::<S>)
    }

    /// Maps base coordinates to `point`, and returns its log-density.
    pub fn sample(&mut self, request: Request<'_, E>, shared: &[E], base: &[E], point: &mut [E]) -> Result<E, Error> {
        self.0.sample(&request.job::<S>(), shared, base, point).map_err(explain::<S>)
    }

    /// Computes ln lambda.
    pub fn log_mean(&mut self, request: Request<'_, E>) -> E
    where
        S::Blocks: LogMean,
    {
        self.0.log_mean(&request.job::<S>())
    }
}

/// Lists manifolds, letters and networks.
pub(crate) fn summary<S: Spec>() -> Summary {
    summary_of::<S::Blocks>()
}

/// Lists manifolds, letters and networks of blocks.
pub(crate) fn summary_of<B: Blocks>() -> Summary {
    let mut summary = Summary::default();
    B::describe(&mut summary);
    summary
}

/// Tells which manifold a point is not on, and what is wrong with it; `None` for a point that is on all.
pub(crate) fn check_point<S: Spec>(point: &[f64], coordinates: Coordinates) -> Option<(usize, String)> {
    S::Blocks::check(point, coordinates == Coordinates::Embedded, 0)
}

/// Maps one point from intrinsic to embedded coordinates.
pub(crate) fn embed<S: Spec>(intrinsic: &[f64], embedded: &mut [f64]) {
    S::Blocks::embed::<f64>(intrinsic, embedded, &mut 0.0);
}

/// Maps one point from embedded to intrinsic coordinates.
pub(crate) fn intrinsic<S: Spec>(embedded: &[f64], intrinsic: &mut [f64]) {
    S::Blocks::intrinsic::<f64>(embedded, intrinsic, &mut 0.0);
}

/// Maps numbers that are nearly an embedded point to the nearest one.
pub(crate) fn project<S: Spec>(given: &[f64], embedded: &mut [f64]) {
    S::Blocks::project::<f64>(given, embedded);
}

/// Chooses weights so that a fit starts near `points`, rows of intrinsic coordinates.
pub(crate) fn initial_from_data<S: Spec>(seed: u64, points: &[f64], weights: &mut [f64]) {
    let at = kernels::At::start::<S::Blocks>(S::Features::COUNT);
    S::Blocks::initial_from_data(&mut StdRng::seed_from_u64(seed), at, points, S::Blocks::DIM, weights);
}
