//! Objects that compute with every kind of pack.
//!
//! A function that is generic over its pack cannot be a method of an object; one method for each kind can. A family is
//! an object with one face for each kind of pack, and [`Pack::pick`] takes the face of the pack at hand: which one that
//! is is known when it is compiled.

#[cfg(target_arch = "x86_64")]
pub(crate) use super::x86::{Avx2F32, Avx2F64, Avx512F32, Avx512F64};
use super::{Lanes, Pack};

/// One face for each kind of pack; [`family!`] implements it for an object.
///
/// The trait is not named outside of this crate: so nobody comes by packs that the processor does not compute with.
pub trait PerPack {
    /// The face that computes with packs `R`.
    type Of<R: Pack>: ?Sized;
    /// The face for single numbers `f64`.
    fn f64(&self) -> &Self::Of<f64>;
    /// The face for single numbers `f32`.
    fn f32(&self) -> &Self::Of<f32>;
    /// The face for arrays of `f64`.
    fn lanes_f64(&self) -> &Self::Of<Lanes<f64, 8>>;
    /// The face for arrays of `f32`.
    fn lanes_f32(&self) -> &Self::Of<Lanes<f32, 8>>;
    /// The face for registers of `f64` with AVX2.
    #[cfg(target_arch = "x86_64")]
    fn avx2_f64(&self) -> &Self::Of<Avx2F64>;
    /// The face for registers of `f32` with AVX2.
    #[cfg(target_arch = "x86_64")]
    fn avx2_f32(&self) -> &Self::Of<Avx2F32>;
    /// The face for registers of `f64` with AVX-512.
    #[cfg(target_arch = "x86_64")]
    fn avx512_f64(&self) -> &Self::Of<Avx512F64>;
    /// The face for registers of `f32` with AVX-512.
    #[cfg(target_arch = "x86_64")]
    fn avx512_f32(&self) -> &Self::Of<Avx512F32>;
}

/// Declares `trait Any: Each<every kind of pack> + ..` and implements [`PerPack`] for `dyn Any`, with `dyn Each<R>` as
/// its faces. What implements `Each<R>` for every pack `R`, and the further traits named behind it, is an `Any`.
///
/// ```text
/// family! {
///     /// A layer that computes with every kind of pack.
///     pub trait AnyLayer: PackLayer + Send + Sync
/// }
/// ```
macro_rules! family {
    ($(#[$meta:meta])* $visibility:vis trait $any:ident: $each:ident $(+ $also:path)*) => {
        $crate::numeric::per_pack::family! {
            @ [$(#[$meta])* $visibility trait $any: $each [$($also)*]]
            f64: f64, f32: f32, lanes_f64: $crate::numeric::Lanes<f64, 8>, lanes_f32: $crate::numeric::Lanes<f32, 8>,
            ; avx2_f64: $crate::numeric::per_pack::Avx2F64, avx2_f32: $crate::numeric::per_pack::Avx2F32,
            avx512_f64: $crate::numeric::per_pack::Avx512F64, avx512_f32: $crate::numeric::per_pack::Avx512F32,
        }
    };
    (
        @ [$(#[$meta:meta])* $visibility:vis trait $any:ident: $each:ident [$($also:path)*]]
        $($method:ident: $pack:ty,)* ; $($x86_method:ident: $x86_pack:ty,)*
    ) => {
        $(#[$meta])*
        #[cfg(target_arch = "x86_64")]
        $visibility trait $any: $($each<$pack> +)* $($each<$x86_pack> +)* $($also +)* {}
        #[cfg(target_arch = "x86_64")]
        impl<T: $($each<$pack> +)* $($each<$x86_pack> +)* $($also +)*> $any for T {}

        $(#[$meta])*
        #[cfg(not(target_arch = "x86_64"))]
        $visibility trait $any: $($each<$pack> +)* $($also +)* {}
        #[cfg(not(target_arch = "x86_64"))]
        impl<T: $($each<$pack> +)* $($also +)*> $any for T {}

        impl $crate::numeric::per_pack::PerPack for dyn $any {
            type Of<R: $crate::numeric::Pack> = dyn $each<R>;
            $(
                fn $method(&self) -> &Self::Of<$pack> {
                    self
                }
            )*
            $(
                #[cfg(target_arch = "x86_64")]
                fn $x86_method(&self) -> &Self::Of<$x86_pack> {
                    self
                }
            )*
        }
    };
}
pub(crate) use family;

#[cfg(test)]
mod tests {
    use super::*;
    use core::any::type_name;

    trait Named<R: Pack> {
        fn name(&self) -> (&'static str, usize);
    }

    family! {
        /// What knows the name of every kind of pack.
        trait AnyNamed: Named + Send
    }

    struct Prefixed(usize);

    impl<R: Pack> Named<R> for Prefixed {
        fn name(&self) -> (&'static str, usize) {
            (type_name::<R>(), self.0 * R::LANES)
        }
    }

    fn picked<R: Pack>(object: &(dyn AnyNamed + 'static)) {
        assert_eq!(R::pick(object).name(), (type_name::<R>(), 3 * R::LANES));
    }

    #[test]
    fn an_object_shows_each_pack_its_own_face() {
        let object: Box<dyn AnyNamed> = Box::new(Prefixed(3));
        picked::<f64>(&*object);
        picked::<f32>(&*object);
        picked::<Lanes<f64, 8>>(&*object);
        picked::<Lanes<f32, 8>>(&*object);
        #[cfg(target_arch = "x86_64")]
        {
            picked::<Avx2F64>(&*object);
            picked::<Avx2F32>(&*object);
            picked::<Avx512F64>(&*object);
            picked::<Avx512F32>(&*object);
        }
    }
}
