//! Conditional probability densities on products of manifolds, written in one line and checked by the compiler.

// The types that `flow!` writes are deep by nature.
#![allow(clippy::type_complexity)]

mod error;
pub mod kernels;
pub mod layers;
pub mod manifolds;
pub mod module;
pub mod numeric;
pub mod trainers;

pub use error::{Error, Place};
pub use module::{Built, Evaluation, FileError, Flow, Frozen, Notation};
