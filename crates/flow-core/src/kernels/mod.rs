//! The arithmetic of a flow on plain slices: conditioner, chain and base density fused over blocks of points, in both
//! directions, with derivatives; run on threads. Nothing here names tensors.

mod batch;
mod blocks;
mod condition;
mod conditioner;
mod gradients;
mod linear;
mod log_mean;
mod network;
mod outer;
mod pool;
mod product;
mod run;
mod single;
mod summary;
mod workspace;

pub use batch::{evaluate, evaluate_part, evaluate_penalised, generate, log_mean, undo};
#[doc(hidden)]
pub use blocks::admit;
pub use blocks::{Block, Blocks, RowFault};
pub use conditioner::{Free, Given, Head, Inner, Predicted};
pub use gradients::{
    base_vjp, evaluate_part_and_vjp, evaluate_part_vjp, evaluate_penalised_vjp, evaluate_vjp, generate_vjp,
    log_mean_vjp,
};
pub use linear::{Dense, Linear, LowRank, low_rank, low_rank_len};
#[doc(hidden)]
pub use log_mean::START as LOG_MEAN_START;
pub use log_mean::{LogMean, LogMeanHead};
#[doc(hidden)]
pub use network::DAMPING;
pub use network::{BOTH, Beside, Hidden, INPUT, Ladder, Network, NetworkSummary, Plain, Rung, Rungs, SUM};
pub use outer::Outer;
pub use pool::Pool;
pub use run::{Coordinates, Job, Number, PullBack, Wanted};
pub use single::Evaluator;
pub use summary::{BlockSummary, LogMeanSummary, Summary};
pub use workspace::At;
