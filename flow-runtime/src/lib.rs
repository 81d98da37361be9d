//! Conditional probability densities on products of manifolds, written in one line and checked by the compiler.

pub mod kernels;
pub mod layers;
pub mod manifolds;
pub mod numeric;
