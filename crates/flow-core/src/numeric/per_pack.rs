//! The packs that letters are computed in, and objects that compute with each of them.
//!
//! Letters and manifolds are computed in `f64`, whatever the numbers of a flow are: its `f32` weights, features and points
//! become packs of `f64` when they are loaded. A function that is generic over its pack cannot be a method of an object; one
//! method for each kind of pack can. An object offers its parts by name ([`PerPack`]), and [`WidePack::pick`] takes that of
//! the pack at hand.

use super::lanes::Lanes;
use super::real::{Lift, Pack};
#[cfg(target_arch = "x86_64")]
use super::x86::{self, Avx2F64, Avx512F64, Level};

/// A pack that letters are computed in: numbers `f64`.
pub trait WidePack: Pack<Scalar = f64> {
    /// The part of an object that is meant for packs of this kind.
    fn pick<F: PerPack + ?Sized>(family: &F) -> &F::Of<Self>;
}

/// Something with a part for every kind of pack.
pub trait PerPack {
    /// The part for packs `R`.
    type Of<R: WidePack>: ?Sized;
    /// The part for single numbers.
    fn single(&self) -> &Self::Of<f64>;
    /// The part for plain arrays.
    fn lanes(&self) -> &Self::Of<Lanes<f64, 8>>;
    /// The part for registers of AVX2.
    #[cfg(target_arch = "x86_64")]
    fn avx2(&self) -> &Self::Of<Avx2F64>;
    /// The part for registers of AVX-512.
    #[cfg(target_arch = "x86_64")]
    fn avx512(&self) -> &Self::Of<Avx512F64>;
}

macro_rules! picks {
    ($($(#[$meta:meta])* $pack:ty: $pick:ident;)*) => {$(
        $(#[$meta])*
        impl WidePack for $pack {
            #[inline(always)]
            fn pick<F: PerPack + ?Sized>(family: &F) -> &F::Of<Self> {
                family.$pick()
            }
        }
    )*};
}
picks! {
    f64: single;
    Lanes<f64, 8>: lanes;
    #[cfg(target_arch = "x86_64")]
    Avx2F64: avx2;
    #[cfg(target_arch = "x86_64")]
    Avx512F64: avx512;
}

/// Declares `trait Any: Part<every kind of pack>` and implements [`PerPack`] for `dyn Any`, with `dyn Part<R>` as its
/// parts. The items in braces are those of the trait itself.
macro_rules! family {
    ($(#[$meta:meta])* $visibility:vis trait $any:ident: $part:ident $(+ $also:ident)* { $($items:tt)* }) => {
        #[cfg(target_arch = "x86_64")]
        $(#[$meta])*
        $visibility trait $any: $part<f64>
            + $part<$crate::numeric::Lanes<f64, 8>>
            + $part<$crate::numeric::Avx2F64>
            + $part<$crate::numeric::Avx512F64>
            $(+ $also)*
        { $($items)* }
        #[cfg(not(target_arch = "x86_64"))]
        $(#[$meta])*
        $visibility trait $any: $part<f64> + $part<$crate::numeric::Lanes<f64, 8>> $(+ $also)*
        { $($items)* }

        impl $crate::numeric::PerPack for dyn $any {
            type Of<R: $crate::numeric::WidePack> = dyn $part<R>;
            #[inline]
            fn single(&self) -> &(dyn $part<f64> + 'static) {
                self
            }
            #[inline]
            fn lanes(&self) -> &(dyn $part<$crate::numeric::Lanes<f64, 8>> + 'static) {
                self
            }
            #[cfg(target_arch = "x86_64")]
            #[inline]
            fn avx2(&self) -> &(dyn $part<$crate::numeric::Avx2F64> + 'static) {
                self
            }
            #[cfg(target_arch = "x86_64")]
            #[inline]
            fn avx512(&self) -> &(dyn $part<$crate::numeric::Avx512F64> + 'static) {
                self
            }
        }
    };
}
pub(crate) use family;

/// A piece of work that is generic over the packs that letters are computed in.
pub trait WithWidePack {
    /// What it gives.
    type Output;
    /// Does it with packs `R`.
    fn call<R: WidePack>(self) -> Self::Output
    where
        f64: Lift<R>;
}

/// Does a piece of work with the widest packs that this processor computes with.
#[inline]
pub fn with_widest<W: WithWidePack>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    match x86::level() {
        Level::Avx512 => return work.call::<Avx512F64>(),
        Level::Avx2 => return work.call::<Avx2F64>(),
        Level::Baseline => {}
    }
    work.call::<Lanes<f64, 8>>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::any::type_name;

    /// Says which packs it was asked about.
    trait Kind<R: WidePack> {
        fn kind(&self) -> &'static str;
    }
    struct Kinds;
    impl<R: WidePack> Kind<R> for Kinds {
        fn kind(&self) -> &'static str {
            type_name::<R>()
        }
    }
    family! {
        /// Every kind.
        trait AnyKind: Kind {}
    }
    impl AnyKind for Kinds {}

    fn picked<R: WidePack>() {
        assert_eq!(R::pick(&Kinds as &dyn AnyKind).kind(), type_name::<R>());
    }

    struct Widest;
    impl WithWidePack for Widest {
        type Output = ();
        fn call<R: WidePack>(self)
        where
            f64: Lift<R>,
        {
            picked::<R>();
        }
    }

    #[test]
    fn every_kind_picks_its_own_part() {
        picked::<f64>();
        picked::<Lanes<f64, 8>>();
        #[cfg(target_arch = "x86_64")]
        {
            picked::<Avx2F64>();
            picked::<Avx512F64>();
        }
        with_widest(Widest);
    }
}
