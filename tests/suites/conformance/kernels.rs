//! The kernels of one flow, as plain functions, so that what compares is compiled once.

use flow_runtime::compat::jammy_flows::{self, Report, State, StateError};
use flow_runtime::kernels::{self, Block, Blocks, Free, Given, Job, LogMean, PullBack, RowFault};
use flow_runtime::layers::ChainType;
use flow_runtime::manifolds::Manifold;
use flow_runtime::module::{FeatureSpec, Spec};

/// A density with free parameters, seen as one whose parameters are given row by row.
pub trait ByRow {
    /// That density.
    type Blocks: Blocks;
}

impl<M: Manifold, C: ChainType<M>, const P: usize> ByRow for (Block<M, C, Free<P>>, ()) {
    type Blocks = (Block<M, C, Given<P>>, ());
}

type Load = fn(&State) -> Result<(Vec<f64>, Report), StateError>;
type LogMeans = fn(Job<'_, f64>, &mut [f64]);
type Evaluate = fn(Job<'_, f64>, &[f64], &mut [f64], &mut [f64]) -> Result<(), RowFault>;
type Pull = fn(Job<'_, f64>, &[f64], &[f64]) -> Result<PullBack<f64>, RowFault>;
type PullGenerated = fn(Job<'_, f64>, &[f64], &[f64], &[f64]) -> Result<PullBack<f64>, RowFault>;

/// What can be done with one flow.
pub struct Kernels {
    /// Whether the parameters are given row by row.
    pub by_row: bool,
    /// Intrinsic and base coordinates.
    pub dim: usize,
    /// Length of the flat weights.
    pub weights: usize,
    /// Given features, or parameters given row by row.
    pub features: usize,
    /// The weights that a state of the reference means.
    pub load: Load,
    /// The log-mean of each row of features, where there is one.
    pub log_mean: Option<LogMeans>,
    pub evaluate: Evaluate,
    pub evaluate_vjp: Pull,
    pub generate: Evaluate,
    pub generate_vjp: PullGenerated,
}

impl Kernels {
    /// A flow with features or free parameters.
    pub const fn of<S: Spec>() -> Kernels {
        Kernels::new::<S::Blocks>(false, <S::Features as FeatureSpec>::COUNT)
    }

    /// A flow with free parameters, given row by row.
    pub const fn by_row<S: Spec<Blocks: ByRow>>() -> Kernels {
        Kernels::new::<<S::Blocks as ByRow>::Blocks>(true, S::Blocks::WEIGHTS)
    }

    /// A flow whose parameters and networks are given row by row (`amortize`).
    #[allow(dead_code, reason = "the cases of the repository have none of several manifolds, other folders may")]
    pub const fn given<S: Spec>() -> Kernels {
        Kernels::new::<S::Blocks>(true, <S::Features as FeatureSpec>::COUNT)
    }

    /// A flow with a log-mean beside it.
    pub const fn counted<S: Spec<Blocks: LogMean>>() -> Kernels {
        Kernels { log_mean: Some(kernels::log_mean::<S::Blocks, f64>), ..Kernels::of::<S>() }
    }

    const fn new<B: Blocks>(by_row: bool, features: usize) -> Kernels {
        Kernels {
            by_row,
            features,
            dim: B::DIM,
            weights: B::WEIGHTS,
            log_mean: None,
            load: jammy_flows::weights::<B>,
            evaluate: kernels::evaluate::<B, f64>,
            evaluate_vjp: |job, points, cotangent| {
                let all = kernels::Wanted { features: true, points: true };
                kernels::evaluate_vjp::<B, f64>(job, all, points, cotangent)
            },
            generate: kernels::generate::<B, f64>,
            generate_vjp: |job, points, cot_points, cot_log_prob| {
                kernels::generate_vjp::<B, f64>(job, true, points, cot_points, cot_log_prob)
            },
        }
    }
}
