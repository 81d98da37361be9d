//! Functions of numbers: the arithmetic that layers are written in.
//!
//! A layer's formulas are generic over [`Real`]: one number (`f32`, `f64`), a pack of numbers that are
//! treated alike ([`Lanes`], one lane a point), or a number with derivatives ([`Dual`]). The same source gives the
//! scalar reference, the vector kernels and, for the small scalar pieces, the exact derivatives.

mod dual;
mod lanes;
mod real;
pub mod root;
pub mod special;
pub(crate) mod vector;

pub use dual::Dual;
pub use lanes::{LaneMask, Lanes};
pub use real::{Lift, Mask, Pack, Real, Scalar};
