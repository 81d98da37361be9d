//! The arithmetic of a flow on plain slices: conditioner, chain and base density fused over blocks of points, in both
//! directions, with derivatives; run on threads. Nothing here names tensors.

mod blocks;
mod conditioner;
mod linear;
mod run;

pub(crate) use blocks::admit;
pub use blocks::{At, Block, BlockSummary, Blocks, RowFault};
pub use conditioner::{Free, Given, Head, Hidden, Predicted};
pub use linear::{Dense, Linear, LowRank, low_rank, low_rank_len};
pub use run::{
    Coordinates, Evaluator, Job, Lane, Number, PullBack, evaluate, evaluate_part, evaluate_part_vjp, evaluate_vjp,
    generate, generate_vjp,
};
