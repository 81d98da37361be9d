//! Functions of numbers: the arithmetic that layers are written in.
//!
//! A layer's formulas are generic over [`Real`]: one number (`f32`, `f64`), a pack of numbers that are
//! treated alike ([`Lanes`], one lane a point), or a number with derivatives ([`Dual`]). The same source gives the
//! scalar reference, the vector kernels and, for the small scalar pieces, the exact derivatives.

/// Defines functions that are compiled once per pack type, out of line: large, rare, or called from several places. Write
/// argument lifetimes as `'a`.
macro_rules! apart {
    ($($(#[$meta:meta])* $visibility:vis fn $name:ident<R: Real $(, $other:ident: $bound:path)?>(
        $($arg:ident: $type:ty),* $(,)?
    ) -> $output:ty $body:block)*) => {$(
        $(#[$meta])*
        #[inline(always)]
        $visibility fn $name<'a, R: Real $(, $other: $bound)?>($($arg: $type),*) -> $output {
            struct Apart<'a, R: Real $(, $other: $bound)?> {
                $($arg: $type,)*
                of: core::marker::PhantomData<(&'a (), R $(, $other)?)>,
            }
            impl<'a, R: Real $(, $other: $bound)?> $crate::numeric::Work for Apart<'a, R $(, $other)?> {
                type Output = $output;
                #[inline(always)]
                fn run(self) -> $output {
                    let Apart { $($arg,)* .. } = self;
                    $body
                }
            }
            R::run(Apart::<R $(, $other)?> { $($arg,)* of: core::marker::PhantomData })
        }
    )*};
}
pub(crate) use apart;

mod dual;
mod lanes;
mod per_pack;
mod real;
pub mod root;
pub mod special;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use dual::Dual;
pub use lanes::{LaneMask, Lanes};
pub(crate) use per_pack::family;
pub use per_pack::{PerPack, WidePack, WithWidePack, with_widest};
pub use real::{Lift, Mask, Pack, Real, Scalar, WithPack, Work};
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2F64, Avx512F64};
