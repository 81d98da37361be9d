//! Conditional probability densities on products of manifolds, written in one line and checked by the compiler.

pub mod layers;
pub mod manifolds;
pub mod numeric;
#[cfg(feature = "plot")]
pub mod plot;
