//! One object that offers something for every kind of pack, and the way from a kind of pack to its part.
//!
//! Kernels are generic over [`Pack`]; what they are given at run time is behind a pointer, and cannot be. It offers its eight
//! parts by name ([`PerPack`]), and [`Pack::pick`] takes the one of a kind.

use super::lanes::Lanes;
use super::real::Pack;
#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2F32, Avx2F64, Avx512F32, Avx512F64};

/// Something with a part for every kind of pack.
pub trait PerPack {
    /// The part for packs `R`.
    type Of<R: Pack>: ?Sized;
    /// The part for single numbers.
    fn f64(&self) -> &Self::Of<f64>;
    /// The part for single numbers.
    fn f32(&self) -> &Self::Of<f32>;
    /// The part for plain arrays.
    fn lanes_f64(&self) -> &Self::Of<Lanes<f64, 8>>;
    /// The part for plain arrays.
    fn lanes_f32(&self) -> &Self::Of<Lanes<f32, 8>>;
    /// The part for registers of AVX2.
    #[cfg(target_arch = "x86_64")]
    fn avx2_f64(&self) -> &Self::Of<Avx2F64>;
    /// The part for registers of AVX2.
    #[cfg(target_arch = "x86_64")]
    fn avx2_f32(&self) -> &Self::Of<Avx2F32>;
    /// The part for registers of AVX-512.
    #[cfg(target_arch = "x86_64")]
    fn avx512_f64(&self) -> &Self::Of<Avx512F64>;
    /// The part for registers of AVX-512.
    #[cfg(target_arch = "x86_64")]
    fn avx512_f32(&self) -> &Self::Of<Avx512F32>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::{Lift, Scalar, WithPack};
    use core::any::type_name;

    /// Says which packs it was asked about.
    trait Kind<R: Pack> {
        fn kind(&self) -> &'static str;
    }
    struct Kinds;
    impl<R: Pack> Kind<R> for Kinds {
        fn kind(&self) -> &'static str {
            type_name::<R>()
        }
    }
    impl PerPack for Kinds {
        type Of<R: Pack> = dyn Kind<R>;
        fn f64(&self) -> &dyn Kind<f64> {
            self
        }
        fn f32(&self) -> &dyn Kind<f32> {
            self
        }
        fn lanes_f64(&self) -> &dyn Kind<Lanes<f64, 8>> {
            self
        }
        fn lanes_f32(&self) -> &dyn Kind<Lanes<f32, 8>> {
            self
        }
        #[cfg(target_arch = "x86_64")]
        fn avx2_f64(&self) -> &dyn Kind<Avx2F64> {
            self
        }
        #[cfg(target_arch = "x86_64")]
        fn avx2_f32(&self) -> &dyn Kind<Avx2F32> {
            self
        }
        #[cfg(target_arch = "x86_64")]
        fn avx512_f64(&self) -> &dyn Kind<Avx512F64> {
            self
        }
        #[cfg(target_arch = "x86_64")]
        fn avx512_f32(&self) -> &dyn Kind<Avx512F32> {
            self
        }
    }

    fn picked<R: Pack>() {
        assert_eq!(R::pick(&Kinds).kind(), type_name::<R>());
    }

    struct Widest;
    impl<T: Scalar> WithPack<T> for Widest {
        type Output = ();
        fn call<R: Pack<Scalar = T>>(self)
        where
            T: Lift<R>,
        {
            picked::<R>();
        }
    }

    #[test]
    fn every_kind_picks_its_own_part() {
        picked::<f64>();
        picked::<f32>();
        picked::<Lanes<f64, 8>>();
        picked::<Lanes<f32, 8>>();
        #[cfg(target_arch = "x86_64")]
        {
            picked::<Avx2F64>();
            picked::<Avx2F32>();
            picked::<Avx512F64>();
            picked::<Avx512F32>();
        }
        f64::widest(Widest);
        f32::widest(Widest);
    }
}
