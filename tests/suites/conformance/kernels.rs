//! The kernels of one flow, as plain functions, so that what compares is compiled once.

use flow_runtime::kernels::{self, Block, Blocks, Free, Given, Job, PullBack, RowFault};
use flow_runtime::layers::Chain;
use flow_runtime::manifolds::Manifold;
use flow_runtime::module::Spec;

/// The manifolds and chains of a type that `flow!` wrote.
pub type Flow<S> = <S as Spec>::Blocks;

/// A density with free parameters, seen as one whose parameters are given row by row.
pub trait ByRow {
    /// That density.
    type Blocks: Blocks;
}

impl<M: Manifold, C: Chain<M>, const P: usize> ByRow for (Block<M, C, Free<P>>, ()) {
    type Blocks = (Block<M, C, Given<0, P>>, ());
}

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
    pub evaluate: Evaluate,
    pub evaluate_vjp: Pull,
    pub generate: Evaluate,
    pub generate_vjp: PullGenerated,
}

impl Kernels {
    pub const fn of<B: Blocks>(by_row: bool) -> Kernels {
        Kernels {
            by_row,
            dim: B::DIM,
            weights: B::WEIGHTS,
            evaluate: kernels::evaluate::<B, f64>,
            evaluate_vjp: kernels::evaluate_vjp::<B, f64>,
            generate: kernels::generate::<B, f64>,
            generate_vjp: kernels::generate_vjp::<B, f64>,
        }
    }
}
