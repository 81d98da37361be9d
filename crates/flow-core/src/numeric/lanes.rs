//! Packs of numbers: plain arrays whose element-wise loops the compiler turns into vector instructions.

use super::per_pack::PerPack;
use super::real::{Lift, Mask, Pack, Real, Scalar};
use super::vector;
use core::ops::{Add, AddAssign, BitAnd, BitOr, Div, Mul, MulAssign, Neg, Not, Sub, SubAssign};

/// `W` numbers side by side, one a point.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(32))]
pub struct Lanes<T, const W: usize>(pub [T; W]);

/// The outcome of a comparison of [`Lanes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneMask<const W: usize>(pub [bool; W]);

impl<const W: usize> Mask for LaneMask<W> {
    #[inline(always)]
    fn splat(value: bool) -> Self {
        LaneMask([value; W])
    }
    #[inline(always)]
    fn any(self) -> bool {
        self.0.iter().fold(false, |any, &lane| any | lane)
    }
    #[inline(always)]
    fn all(self) -> bool {
        self.0.iter().fold(true, |all, &lane| all & lane)
    }
    #[inline(always)]
    fn lane(self, lane: usize) -> bool {
        self.0[lane]
    }
}

impl<const W: usize> BitAnd for LaneMask<W> {
    type Output = Self;
    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        LaneMask(core::array::from_fn(|i| self.0[i] & other.0[i]))
    }
}

impl<const W: usize> BitOr for LaneMask<W> {
    type Output = Self;
    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        LaneMask(core::array::from_fn(|i| self.0[i] | other.0[i]))
    }
}

impl<const W: usize> Not for LaneMask<W> {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        LaneMask(self.0.map(|lane| !lane))
    }
}

macro_rules! elementwise {
    ($($trait:ident $op:ident),*) => {$(
        impl<T: Scalar, const W: usize> $trait for Lanes<T, W> {
            type Output = Self;
            #[inline(always)]
            fn $op(self, other: Self) -> Self {
                Lanes(core::array::from_fn(|i| self.0[i].$op(other.0[i])))
            }
        }
    )*};
}
elementwise!(Add add, Sub sub, Mul mul, Div div);

macro_rules! assigning {
    ($($trait:ident $op:ident),*) => {$(
        impl<T: Scalar, const W: usize> $trait for Lanes<T, W> {
            #[inline(always)]
            fn $op(&mut self, other: Self) {
                for i in 0..W {
                    self.0[i].$op(other.0[i]);
                }
            }
        }
    )*};
}
assigning!(AddAssign add_assign, SubAssign sub_assign, MulAssign mul_assign);

impl<T: Scalar, const W: usize> Neg for Lanes<T, W> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Lanes(self.0.map(|x| -x))
    }
}

macro_rules! mapped {
    ($($op:ident),*) => {$(
        #[inline(always)]
        fn $op(self) -> Self {
            Lanes(self.0.map(T::$op))
        }
    )*};
}

/// Functions from [`vector`], computed in `f64`.
macro_rules! vectorised {
    ($($op:ident),*) => {$(
        #[inline(always)]
        fn $op(self) -> Self {
            let x = self.0.map(T::widen);
            let (y, inside) = (x.map(vector::$op::formula), x.map(vector::$op::inside));
            let all = inside.iter().fold(true, |all, inside| all & inside);
            let y = if all { y } else { core::array::from_fn(|i| if inside[i] { y[i] } else { Real::$op(x[i]) }) };
            Lanes(y.map(T::narrow))
        }
    )*};
}

impl<T: Scalar, const W: usize> Real for Lanes<T, W> {
    type Scalar = T;
    type Mask = LaneMask<W>;
    type Plain = Self;
    #[inline(always)]
    fn plain(numbers: &[Self]) -> &[Self] {
        numbers
    }
    #[inline(always)]
    fn plain_mut(numbers: &mut [Self]) -> &mut [Self] {
        numbers
    }

    #[inline(always)]
    fn splat(value: T) -> Self {
        Lanes([value; W])
    }
    mapped!(abs, sqrt);
    vectorised!(exp, exp_m1, ln, ln_1p, tanh, erfc);
    #[inline(always)]
    fn sin_cos(self) -> (Self, Self) {
        let x = self.0.map(T::widen);
        let (mut sin, mut cos, mut all) = ([0.0; W], [0.0; W], true);
        for i in 0..W {
            all &= vector::sin_cos::inside(x[i]);
            (sin[i], cos[i]) = vector::sin_cos::formula(x[i]);
        }
        if !all {
            for i in 0..W {
                if !vector::sin_cos::inside(x[i]) {
                    (sin[i], cos[i]) = x[i].sin_cos();
                }
            }
        }
        (Lanes(sin.map(T::narrow)), Lanes(cos.map(T::narrow)))
    }
    #[inline(always)]
    fn atan2(self, other: Self) -> Self {
        let (y, x) = (self.0.map(T::widen), other.0.map(T::widen));
        let (mut angle, mut all) = ([0.0; W], true);
        for i in 0..W {
            all &= vector::atan2::inside(y[i], x[i]);
            angle[i] = vector::atan2::formula(y[i], x[i]);
        }
        if !all {
            angle =
                core::array::from_fn(|i| if vector::atan2::inside(y[i], x[i]) { angle[i] } else { y[i].atan2(x[i]) });
        }
        Lanes(angle.map(T::narrow))
    }
    #[inline(always)]
    fn atan2_right(self, other: Self) -> Self {
        let (y, x) = (self.0.map(T::widen), other.0.map(T::widen));
        let mut angle = [0.0; W];
        for i in 0..W {
            angle[i] = vector::atan2::right(y[i], x[i]);
        }
        Lanes(angle.map(T::narrow))
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        Lanes(core::array::from_fn(|i| self.0[i].mul_add(factor.0[i], term.0[i])))
    }
    #[inline(always)]
    fn lt(self, other: Self) -> LaneMask<W> {
        LaneMask(core::array::from_fn(|i| self.0[i] < other.0[i]))
    }
    #[inline(always)]
    fn le(self, other: Self) -> LaneMask<W> {
        LaneMask(core::array::from_fn(|i| self.0[i] <= other.0[i]))
    }
    #[inline(always)]
    fn is_finite(self) -> LaneMask<W> {
        LaneMask(self.0.map(T::is_finite))
    }
    #[inline(always)]
    fn select(mask: LaneMask<W>, yes: Self, no: Self) -> Self {
        Lanes(core::array::from_fn(|i| if mask.0[i] { yes.0[i] } else { no.0[i] }))
    }
}

impl<T: Scalar, const W: usize> Lanes<T, W> {
    /// The number of one lane.
    #[inline(always)]
    pub fn lane(&self, lane: usize) -> T {
        self.0[lane]
    }
    /// Numbers lane by lane.
    #[inline(always)]
    pub fn from_fn(value: impl FnMut(usize) -> T) -> Self {
        Lanes(core::array::from_fn(value))
    }
}

/// Eight lanes are the packs that any processor computes with.
macro_rules! pack {
    ($t:ident, $face:ident) => {
        impl Pack for Lanes<$t, 8> {
            const LANES: usize = 8;
            // Registers of 16 bytes: 32 on aarch64, 16 on x86-64.
            const REGISTERS: usize = if cfg!(target_arch = "aarch64") { 32 } else { 16 } * 16 / size_of::<Self>();
            #[inline(always)]
            fn pick<F: PerPack + ?Sized>(family: &F) -> &F::Of<Self> {
                family.$face()
            }
            #[inline(always)]
            fn lane(&self, lane: usize) -> $t {
                self.lane(lane)
            }
            #[inline(always)]
            fn from_fn(value: impl FnMut(usize) -> $t) -> Self {
                Lanes::from_fn(value)
            }
        }
    };
}
pack!(f64, lanes_f64);
pack!(f32, lanes_f32);

impl<const W: usize> Lift<Lanes<f32, W>> for f32 {
    type PlainParameter = f32;
    #[inline(always)]
    fn lift(self) -> Lanes<f32, W> {
        Lanes([self; W])
    }
    #[inline(always)]
    fn plain_parameters(parameters: &[f32]) -> &[f32] {
        parameters
    }
}

impl<const W: usize> Lift<Lanes<f64, W>> for f64 {
    type PlainParameter = f64;
    #[inline(always)]
    fn lift(self) -> Lanes<f64, W> {
        Lanes([self; W])
    }
    #[inline(always)]
    fn plain_parameters(parameters: &[f64]) -> &[f64] {
        parameters
    }
}
