//! The arithmetic of a flow: numbers, manifolds, layers, networks, and the kernels that fuse them over blocks of points.
//!
//! Users name `flow-runtime`, which builds on this crate and shows what is meant for them. Nothing here names tensors.
//!
//! | module | what is in it |
//! |---|---|
//! | [`numeric`] | numbers, lanes of numbers, numbers with derivatives; special functions; root finding |
//! | [`manifolds`] | coordinates, embeddings, base maps |
//! | [`networks`] | perceptrons over blocks of points and inside letters |
//! | [`layers`] | one file a letter: the bijections, their options, their derivatives |
//! | [`kernels`] | conditioner and chain fused over blocks of points, on threads |
//! | [`testing`] | the laws that layers and manifolds obey |

// The types that `flow!` writes are deep by nature.
#![allow(clippy::type_complexity)]
// Allowed in two places: the instructions of numeric/x86.rs and the tiles of product.rs.
#![deny(unsafe_code)]

pub mod kernels;
pub mod layers;
pub mod manifolds;
pub mod networks;
pub mod numeric;
pub mod testing;
