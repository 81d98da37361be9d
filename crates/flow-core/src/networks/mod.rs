//! Networks: perceptrons with tanh, alone or beside a linear highway (layers.md 3.2), as values.
//!
//! | file | what is in it |
//! |---|---|
//! | `mlp` | the description: widths, ranks, highway; what it implies for counts and for the order of the weights |
//! | `walk` | the one way through a network and back, over rows of numbers of any kind |
//! | `block` | a block of points with scalars, weights shared by all points or one set a point |
//! | `lanes` | numbers inside letters: a pack, or a number with derivatives |
//! | `product` | matrix products of the blocks |
//! | `initial` | weights to start from |

mod block;
mod initial;
mod lanes;
mod mlp;
mod product;
#[cfg(test)]
mod tests;
mod walk;

pub use block::WeightLayout;
pub use initial::DAMPING;
pub use mlp::{Mlp, OwnedMlp, low_rank, low_rank_len};
