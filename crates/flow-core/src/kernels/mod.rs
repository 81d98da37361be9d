//! The arithmetic of a flow on plain slices: conditioner, chain and base density fused over blocks of points, in both
//! directions, with derivatives; run on threads. Nothing here names tensors.
//!
//! | file | what is in it |
//! |---|---|
//! | types | what `flow!` writes: shapes, and the way to the value |
//! | program | a flow as a value |
//! | conditioner | where parameters come from |
//! | walk | the fused program over one block of points, both ways, with derivatives |
//! | batch, gradients, single | rows of points cut into blocks; sums of gradients; one point at a time |
//! | run, workspace, pool | tasks on threads, and the space they work in |
//! | number | the doors, compiled for `f32` and `f64` |

mod batch;
mod conditioner;
mod gradients;
mod network;
mod number;
mod pool;
mod program;
mod run;
mod single;
mod summary;
mod types;
mod walk;
mod workspace;

pub use crate::networks::{DAMPING, low_rank, low_rank_len};
pub use batch::Evaluated;
pub use conditioner::Conditioner;
pub use gradients::Cotangents;
pub use network::{
    BOTH, Beside, Dense, Hidden, INPUT, Ladder, Linear, LowRank, Network, NetworkSummary, Plain, Rung, Rungs, SUM,
};
pub use number::{
    Number, base_vjp, evaluate, evaluate_part, evaluate_part_and_vjp, evaluate_part_vjp, evaluate_penalised,
    evaluate_penalised_vjp, evaluate_vjp, generate, generate_vjp, log_mean, log_mean_vjp, undo,
};
pub use pool::Pool;
pub use program::{LOG_MEAN_START, Program};
pub use run::{Coordinates, Job, PullBack, RowFault, Wanted};
pub use single::Evaluator;
pub use summary::{BlockSummary, LogMeanSummary, Summary};
pub use types::{Block, Blocks, Free, Given, Head, Inner, LogMean, LogMeanHead, Outer, Predicted};
