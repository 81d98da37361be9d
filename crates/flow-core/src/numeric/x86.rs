//! Packs of eight numbers in the vector registers of x86-64: AVX-512, and AVX2 with fused multiply-add.
//!
//! A program is compiled for plain x86-64. [`level`] asks the processor once; [`Scalar::widest`](super::Scalar::widest) then hands work to the
//! packs that it computes with, and [`Real::run`] compiles a piece of work for them. Packs of this file come into being in no other way, which is what
//! makes their instructions safe. What is not inlined into such a piece of work is correct but slow: its operations become
//! function calls. Code that is not written to be inlined whole, closures and all, works on the same numbers as [`Lanes`].
//!
//! The environment variable `FLOW_PACKS` caps what is used, so that one machine can test each kind of packs:
//! `portable` (arrays alone), `avx2`, `avx512`. A processor without these instructions is not made to run them, and any
//! other value caps nothing. It is read once, when a program first computes; targets that are not x86-64 ignore it.

use super::lanes::Lanes;
use super::real::{Lift, Mask, Pack, Real, Work};
use super::vector::{self, Register};
use core::arch::x86_64::*;
use core::ops::{Add, AddAssign, BitAnd, BitOr, Div, Mul, MulAssign, Neg, Not, Sub, SubAssign};
use std::sync::OnceLock;

/// Lanes of every pack of this file.
const LANES: usize = 8;

/// The registers that a processor computes with, the narrower first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// No more than every x86-64 has.
    Baseline,
    /// AVX2 and fused multiply-add.
    Avx2,
    /// AVX-512 with the instructions of servers since Skylake.
    Avx512,
}

/// The environment variable that caps [`level`].
const CAP: &str = "FLOW_PACKS";

/// What this program computes with on this processor: the best it has, or less where `FLOW_PACKS` says so.
#[inline]
pub(super) fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| detected().min(cap(std::env::var(CAP).ok().as_deref())))
}

/// What this processor computes with.
fn detected() -> Level {
    let narrow = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let wide = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl");
    match (narrow, wide) {
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        _ => Level::Baseline,
    }
}

/// The widest packs that a value of `FLOW_PACKS` allows.
fn cap(value: Option<&str>) -> Level {
    match value {
        Some("portable") => Level::Baseline,
        Some("avx2") => Level::Avx2,
        _ => Level::Avx512,
    }
}

/// Whether packs `A` may be read and written as packs `B`: both hold the same numbers and nothing else, and a place for an
/// `A` is aligned well enough for a `B`.
const fn alike<A, B>() -> bool {
    size_of::<A>() == size_of::<B>() && align_of::<A>() >= align_of::<B>()
}

/// Functions of one expression each, made of instructions.
macro_rules! instructions {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty = $body:expr;)*) => {$(
        #[allow(unsafe_code, reason = "instructions that not every x86-64 has")]
        #[inline(always)]
        pub(super) fn $name($($arg: $type),*) -> $result {
            // SAFETY: packs of this file exist only where `level` found their instructions; see the head of the file.
            unsafe { $body }
        }
    )*};
}

/// The operations that the methods of a pack are made of, for each kind of pack.
mod avx512_f64 {
    use super::*;
    pub(super) type Numbers = __m512d;
    pub(super) type Outcome = __mmask8;
    instructions! {
        splat(x: f64) -> Numbers = _mm512_set1_pd(x);
        load(x: &[f64; LANES]) -> Numbers = _mm512_loadu_pd(x.as_ptr());
        save(x: Numbers, to: &mut [f64; LANES]) -> () = _mm512_storeu_pd(to.as_mut_ptr(), x);
        add(a: Numbers, b: Numbers) -> Numbers = _mm512_add_pd(a, b);
        sub(a: Numbers, b: Numbers) -> Numbers = _mm512_sub_pd(a, b);
        mul(a: Numbers, b: Numbers) -> Numbers = _mm512_mul_pd(a, b);
        div(a: Numbers, b: Numbers) -> Numbers = _mm512_div_pd(a, b);
        mul_add(a: Numbers, b: Numbers, c: Numbers) -> Numbers = _mm512_fmadd_pd(a, b, c);
        neg(a: Numbers) -> Numbers = _mm512_xor_pd(a, _mm512_set1_pd(-0.0));
        abs(a: Numbers) -> Numbers = _mm512_abs_pd(a);
        sqrt(a: Numbers) -> Numbers = _mm512_sqrt_pd(a);
        min(a: Numbers, b: Numbers) -> Numbers = _mm512_min_pd(a, b);
        max(a: Numbers, b: Numbers) -> Numbers = _mm512_max_pd(a, b);
        lt(a: Numbers, b: Numbers) -> Outcome = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(a, b);
        le(a: Numbers, b: Numbers) -> Outcome = _mm512_cmp_pd_mask::<_CMP_LE_OQ>(a, b);
        select(m: Outcome, yes: Numbers, no: Numbers) -> Numbers = _mm512_mask_blend_pd(m, no, yes);
        // 14 bits of 1 / x, then two steps of Newton's y + y (1 - x y).
        quick_recip(x: Numbers) -> Numbers = {
            let (one, guess) = (_mm512_set1_pd(1.0), _mm512_rcp14_pd(x));
            let better = _mm512_fmadd_pd(guess, _mm512_fnmadd_pd(x, guess, one), guess);
            _mm512_fmadd_pd(better, _mm512_fnmadd_pd(x, better, one), better)
        };
        power(n: Numbers) -> Numbers = _mm512_scalef_pd(_mm512_set1_pd(1.0), n);
        times_power(x: Numbers, n: Numbers) -> Numbers = _mm512_scalef_pd(x, n);
        copysign(x: Numbers, sign: Numbers) -> Numbers = {
            let bit = _mm512_set1_pd(-0.0);
            _mm512_or_pd(_mm512_andnot_pd(bit, x), _mm512_and_pd(bit, sign))
        };
        // Mantissas between 3/4 and 3/2 would be one instruction; the formula of `ln` wants them around one in ratio.
        exponent_and_mantissa(x: Numbers) -> (Numbers, Numbers) = {
            let bits = _mm512_castpd_si512(x);
            let from = _mm512_set1_epi64(vector::SQRT_HALF as i64);
            let exponent = _mm512_srai_epi64::<52>(_mm512_sub_epi64(bits, from));
            let mantissa = _mm512_sub_epi64(bits, _mm512_slli_epi64::<52>(exponent));
            (_mm512_cvtepi64_pd(exponent), _mm512_castsi512_pd(mantissa))
        };
    }
}

mod avx512_f32 {
    use super::*;
    pub(super) type Numbers = __m256;
    pub(super) type Outcome = __mmask8;
    instructions! {
        lt(a: Numbers, b: Numbers) -> Outcome = _mm256_cmp_ps_mask::<_CMP_LT_OQ>(a, b);
        le(a: Numbers, b: Numbers) -> Outcome = _mm256_cmp_ps_mask::<_CMP_LE_OQ>(a, b);
        select(m: Outcome, yes: Numbers, no: Numbers) -> Numbers = _mm256_mask_blend_ps(m, no, yes);
        widen(x: Numbers) -> __m512d = _mm512_cvtps_pd(x);
        narrow(x: __m512d) -> Numbers = _mm512_cvtpd_ps(x);
    }
    pub(super) use super::avx2_f32::{
        abs, add, div, load, max, min, mul, mul_add, neg, quick_recip, save, splat, sqrt, sub,
    };
}

mod avx512_mask {
    use super::*;
    type Outcome = __mmask8;
    #[inline(always)]
    pub(super) fn splat(value: bool) -> Outcome {
        if value { 0xff } else { 0 }
    }
    #[inline(always)]
    pub(super) fn and(a: Outcome, b: Outcome) -> Outcome {
        a & b
    }
    #[inline(always)]
    pub(super) fn or(a: Outcome, b: Outcome) -> Outcome {
        a | b
    }
    #[inline(always)]
    pub(super) fn not(a: Outcome) -> Outcome {
        !a
    }
    #[inline(always)]
    pub(super) fn bits(a: Outcome) -> u32 {
        u32::from(a)
    }
}

/// Two registers of four numbers.
mod avx2_f64 {
    use super::*;
    pub(super) type Numbers = [__m256d; 2];
    pub(super) type Outcome = [__m256d; 2];
    #[inline(always)]
    pub(super) fn quick_recip(x: Numbers) -> Numbers {
        div(splat(1.0), x)
    }
    instructions! {
        splat(x: f64) -> Numbers = [_mm256_set1_pd(x); 2];
        load(x: &[f64; LANES]) -> Numbers = [_mm256_loadu_pd(x.as_ptr()), _mm256_loadu_pd(x.as_ptr().add(4))];
        save(x: Numbers, to: &mut [f64; LANES]) -> () = {
            _mm256_storeu_pd(to.as_mut_ptr(), x[0]);
            _mm256_storeu_pd(to.as_mut_ptr().add(4), x[1]);
        };
        add(a: Numbers, b: Numbers) -> Numbers = [_mm256_add_pd(a[0], b[0]), _mm256_add_pd(a[1], b[1])];
        sub(a: Numbers, b: Numbers) -> Numbers = [_mm256_sub_pd(a[0], b[0]), _mm256_sub_pd(a[1], b[1])];
        mul(a: Numbers, b: Numbers) -> Numbers = [_mm256_mul_pd(a[0], b[0]), _mm256_mul_pd(a[1], b[1])];
        div(a: Numbers, b: Numbers) -> Numbers = [_mm256_div_pd(a[0], b[0]), _mm256_div_pd(a[1], b[1])];
        mul_add(a: Numbers, b: Numbers, c: Numbers) -> Numbers =
            [_mm256_fmadd_pd(a[0], b[0], c[0]), _mm256_fmadd_pd(a[1], b[1], c[1])];
        neg(a: Numbers) -> Numbers = {
            let bit = _mm256_set1_pd(-0.0);
            [_mm256_xor_pd(a[0], bit), _mm256_xor_pd(a[1], bit)]
        };
        abs(a: Numbers) -> Numbers = {
            let bit = _mm256_set1_pd(-0.0);
            [_mm256_andnot_pd(bit, a[0]), _mm256_andnot_pd(bit, a[1])]
        };
        sqrt(a: Numbers) -> Numbers = [_mm256_sqrt_pd(a[0]), _mm256_sqrt_pd(a[1])];
        min(a: Numbers, b: Numbers) -> Numbers = [_mm256_min_pd(a[0], b[0]), _mm256_min_pd(a[1], b[1])];
        max(a: Numbers, b: Numbers) -> Numbers = [_mm256_max_pd(a[0], b[0]), _mm256_max_pd(a[1], b[1])];
        lt(a: Numbers, b: Numbers) -> Outcome =
            [_mm256_cmp_pd::<_CMP_LT_OQ>(a[0], b[0]), _mm256_cmp_pd::<_CMP_LT_OQ>(a[1], b[1])];
        le(a: Numbers, b: Numbers) -> Outcome =
            [_mm256_cmp_pd::<_CMP_LE_OQ>(a[0], b[0]), _mm256_cmp_pd::<_CMP_LE_OQ>(a[1], b[1])];
        select(m: Outcome, yes: Numbers, no: Numbers) -> Numbers =
            [_mm256_blendv_pd(no[0], yes[0], m[0]), _mm256_blendv_pd(no[1], yes[1], m[1])];
        // An integer in the low bits, moved to the place of the exponent.
        power(n: Numbers) -> Numbers = {
            let (round, one) = (_mm256_set1_pd(vector::ROUND), _mm256_set1_epi64x(1023 << 52));
            n.map(|n| {
                let bits = _mm256_castpd_si256(_mm256_add_pd(n, round));
                _mm256_castsi256_pd(_mm256_add_epi64(_mm256_slli_epi64::<52>(bits), one))
            })
        };
        copysign(x: Numbers, sign: Numbers) -> Numbers = {
            let bit = _mm256_set1_pd(-0.0);
            [0, 1].map(|i| _mm256_or_pd(_mm256_andnot_pd(bit, x[i]), _mm256_and_pd(bit, sign[i])))
        };
        // There is no arithmetic shift of 64 bits: the exponent is read from numbers made positive by adding 1024 to it.
        exponent_and_mantissa(x: Numbers) -> (Numbers, Numbers) = {
            let from = _mm256_set1_epi64x((vector::SQRT_HALF as i64).wrapping_sub(1024 << 52));
            let (round, offset) = (_mm256_set1_pd(vector::ROUND), _mm256_set1_pd(vector::ROUND + 1024.0));
            let both = x.map(|x| {
                let bits = _mm256_castpd_si256(x);
                let exponent = _mm256_srli_epi64::<52>(_mm256_sub_epi64(bits, from));
                let less = _mm256_sub_epi64(exponent, _mm256_set1_epi64x(1024));
                let mantissa = _mm256_sub_epi64(bits, _mm256_slli_epi64::<52>(less));
                let number = _mm256_castsi256_pd(_mm256_add_epi64(exponent, _mm256_castpd_si256(round)));
                (_mm256_sub_pd(number, offset), _mm256_castsi256_pd(mantissa))
            });
            ([both[0].0, both[1].0], [both[0].1, both[1].1])
        };
    }
    #[inline(always)]
    pub(super) fn times_power(x: Numbers, n: Numbers) -> Numbers {
        vector::times_power_in_halves(Avx2F64(x), Avx2F64(n)).0
    }
}

mod avx2_f64_mask {
    use super::*;
    type Outcome = [__m256d; 2];
    instructions! {
        splat(value: bool) -> Outcome = [_mm256_castsi256_pd(_mm256_set1_epi64x(-i64::from(value))); 2];
        and(a: Outcome, b: Outcome) -> Outcome = [_mm256_and_pd(a[0], b[0]), _mm256_and_pd(a[1], b[1])];
        or(a: Outcome, b: Outcome) -> Outcome = [_mm256_or_pd(a[0], b[0]), _mm256_or_pd(a[1], b[1])];
        not(a: Outcome) -> Outcome = {
            let all = splat(true);
            [_mm256_andnot_pd(a[0], all[0]), _mm256_andnot_pd(a[1], all[1])]
        };
        bits(a: Outcome) -> u32 = (_mm256_movemask_pd(a[0]) | _mm256_movemask_pd(a[1]) << 4) as u32;
    }
}

mod avx2_f32 {
    use super::*;
    pub(super) type Numbers = __m256;
    pub(super) type Outcome = __m256;
    #[inline(always)]
    pub(super) fn quick_recip(x: Numbers) -> Numbers {
        div(splat(1.0), x)
    }
    instructions! {
        splat(x: f32) -> Numbers = _mm256_set1_ps(x);
        load(x: &[f32; LANES]) -> Numbers = _mm256_loadu_ps(x.as_ptr());
        save(x: Numbers, to: &mut [f32; LANES]) -> () = _mm256_storeu_ps(to.as_mut_ptr(), x);
        add(a: Numbers, b: Numbers) -> Numbers = _mm256_add_ps(a, b);
        sub(a: Numbers, b: Numbers) -> Numbers = _mm256_sub_ps(a, b);
        mul(a: Numbers, b: Numbers) -> Numbers = _mm256_mul_ps(a, b);
        div(a: Numbers, b: Numbers) -> Numbers = _mm256_div_ps(a, b);
        mul_add(a: Numbers, b: Numbers, c: Numbers) -> Numbers = _mm256_fmadd_ps(a, b, c);
        neg(a: Numbers) -> Numbers = _mm256_xor_ps(a, _mm256_set1_ps(-0.0));
        abs(a: Numbers) -> Numbers = _mm256_andnot_ps(_mm256_set1_ps(-0.0), a);
        sqrt(a: Numbers) -> Numbers = _mm256_sqrt_ps(a);
        min(a: Numbers, b: Numbers) -> Numbers = _mm256_min_ps(a, b);
        max(a: Numbers, b: Numbers) -> Numbers = _mm256_max_ps(a, b);
        lt(a: Numbers, b: Numbers) -> Outcome = _mm256_cmp_ps::<_CMP_LT_OQ>(a, b);
        le(a: Numbers, b: Numbers) -> Outcome = _mm256_cmp_ps::<_CMP_LE_OQ>(a, b);
        select(m: Outcome, yes: Numbers, no: Numbers) -> Numbers = _mm256_blendv_ps(no, yes, m);
        widen(x: Numbers) -> [__m256d; 2] =
            [_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(x))];
        narrow(x: [__m256d; 2]) -> Numbers = _mm256_set_m128(_mm256_cvtpd_ps(x[1]), _mm256_cvtpd_ps(x[0]));
    }
}

mod avx2_f32_mask {
    use super::*;
    type Outcome = __m256;
    instructions! {
        splat(value: bool) -> Outcome = _mm256_castsi256_ps(_mm256_set1_epi32(-i32::from(value)));
        and(a: Outcome, b: Outcome) -> Outcome = _mm256_and_ps(a, b);
        or(a: Outcome, b: Outcome) -> Outcome = _mm256_or_ps(a, b);
        not(a: Outcome) -> Outcome = _mm256_andnot_ps(a, splat(true));
        bits(a: Outcome) -> u32 = _mm256_movemask_ps(a) as u32;
    }
}

macro_rules! mask {
    ($name:ident, $outcome:ty, $ops:ident) => {
        /// The outcome of a comparison.
        #[derive(Clone, Copy, Debug)]
        pub struct $name($outcome);
        impl Mask for $name {
            #[inline(always)]
            fn splat(value: bool) -> Self {
                $name($ops::splat(value))
            }
            #[inline(always)]
            fn any(self) -> bool {
                $ops::bits(self.0) != 0
            }
            #[inline(always)]
            fn all(self) -> bool {
                $ops::bits(self.0) == 0xff
            }
            #[inline(always)]
            fn lane(self, lane: usize) -> bool {
                $ops::bits(self.0) >> lane & 1 == 1
            }
        }
        impl BitAnd for $name {
            type Output = Self;
            #[inline(always)]
            fn bitand(self, other: Self) -> Self {
                $name($ops::and(self.0, other.0))
            }
        }
        impl BitOr for $name {
            type Output = Self;
            #[inline(always)]
            fn bitor(self, other: Self) -> Self {
                $name($ops::or(self.0, other.0))
            }
        }
        impl Not for $name {
            type Output = Self;
            #[inline(always)]
            fn not(self) -> Self {
                $name($ops::not(self.0))
            }
        }
    };
}

mask!(Avx512Mask, __mmask8, avx512_mask);
mask!(Avx2Mask64, [__m256d; 2], avx2_f64_mask);
mask!(Avx2Mask32, __m256, avx2_f32_mask);

macro_rules! operators {
    ($name:ident, $ops:ident: $($trait:ident $method:ident $assigning:ident $assign:ident),*) => {$(
        impl $trait for $name {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                $name($ops::$method(self.0, other.0))
            }
        }
        impl $assigning for $name {
            #[inline(always)]
            fn $assign(&mut self, other: Self) {
                *self = $name($ops::$method(self.0, other.0));
            }
        }
    )*};
}

/// A pack: its arithmetic from `$ops`; its functions from [`vector`], for `f32` by way of the `f64` pack `$wide`.
macro_rules! pack {
    ($name:ident, $scalar:ident, $mask:ident, $ops:ident, $registers:literal, $features:literal, $functions:ident) => {
        #[doc = concat!("Eight numbers (", stringify!($scalar), ") with ", $features, ".")]
        #[derive(Clone, Copy, Debug)]
        #[repr(transparent)]
        pub struct $name($ops::Numbers);

        // What `plain` and `plain_mut` rest on.
        const _: () = assert!(alike::<$name, Lanes<$scalar, LANES>>());

        operators!($name, $ops: Add add AddAssign add_assign, Sub sub SubAssign sub_assign, Mul mul MulAssign mul_assign);
        impl Div for $name {
            type Output = Self;
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                $name($ops::div(self.0, other.0))
            }
        }
        impl Neg for $name {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                $name($ops::neg(self.0))
            }
        }

        impl $name {
            #[inline(always)]
            fn array(self) -> [$scalar; LANES] {
                let mut array = [0.0; LANES];
                $ops::save(self.0, &mut array);
                array
            }
        }

        impl Real for $name {
            type Scalar = $scalar;
            type Mask = $mask;
            type Plain = Lanes<$scalar, LANES>;
            #[allow(unsafe_code, reason = "the same numbers under the type of arrays, not copied")]
            #[inline(always)]
            fn plain(numbers: &[Self]) -> &[Self::Plain] {
                // SAFETY: both are eight numbers side by side, of the same size, and a pack is aligned well enough for the array
                // (`alike` above); any numbers are an array.
                unsafe { core::slice::from_raw_parts(numbers.as_ptr().cast(), numbers.len()) }
            }
            #[allow(unsafe_code, reason = "the same numbers under the type of arrays, not copied")]
            #[inline(always)]
            fn plain_mut(numbers: &mut [Self]) -> &mut [Self::Plain] {
                // SAFETY: as in `plain`; and any numbers that are written are a pack.
                unsafe { core::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len()) }
            }
            #[inline(always)]
            fn splat(value: $scalar) -> Self {
                $name($ops::splat(value))
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $name($ops::abs(self.0))
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $name($ops::sqrt(self.0))
            }
            $functions!($name);
            #[inline(always)]
            fn lt(self, other: Self) -> $mask {
                $mask($ops::lt(self.0, other.0))
            }
            #[inline(always)]
            fn le(self, other: Self) -> $mask {
                $mask($ops::le(self.0, other.0))
            }
            #[inline(always)]
            fn is_finite(self) -> $mask {
                self.abs().lt(Self::splat($scalar::INFINITY))
            }
            #[inline(always)]
            fn select(mask: $mask, yes: Self, no: Self) -> Self {
                $name($ops::select(mask.0, yes.0, no.0))
            }
            #[inline(always)]
            fn quick_recip(self) -> Self {
                $name($ops::quick_recip(self.0))
            }
            // These instructions are `if a < b { a } else { b }` and `if a > b { a } else { b }`, as everywhere.
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                $name($ops::min(self.0, other.0))
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                $name($ops::max(self.0, other.0))
            }
            #[allow(unsafe_code, reason = "instructions that not every x86-64 has")]
            #[inline(always)]
            fn run<W: Work>(work: W) -> W::Output {
                #[target_feature(enable = $features)]
                fn compiled<W: Work>(work: W) -> W::Output {
                    work.run()
                }
                // SAFETY: packs of this file exist only where `level` found their instructions; see the head of the file.
                unsafe { compiled(work) }
            }
            #[inline(always)]
            fn mul_add(self, factor: Self, term: Self) -> Self {
                $name($ops::mul_add(self.0, factor.0, term.0))
            }
        }

        impl Pack for $name {
            const LANES: usize = LANES;
            const REGISTERS: usize = $registers;
            #[inline(always)]
            fn read(from: &[$scalar]) -> Self {
                match from.first_chunk() {
                    Some(array) => $name($ops::load(array)),
                    None => too_short(),
                }
            }
            #[inline(always)]
            fn write(&self, to: &mut [$scalar]) {
                match to.first_chunk_mut() {
                    Some(array) => $ops::save(self.0, array),
                    None => too_short(),
                }
            }
            #[inline(always)]
            fn lane(&self, lane: usize) -> $scalar {
                self.array()[lane]
            }
            #[inline(always)]
            fn from_fn(value: impl FnMut(usize) -> $scalar) -> Self {
                $name($ops::load(&core::array::from_fn(value)))
            }
            #[inline(always)]
            fn sum_lanes(&self) -> $scalar {
                let mut sum = 0.0;
                for x in self.array() {
                    sum += x;
                }
                sum
            }
        }

        impl Lift<$name> for $scalar {
            type PlainParameter = $scalar;
            #[inline(always)]
            fn plain_parameters(parameters: &[$scalar]) -> &[$scalar] {
                parameters
            }
            #[inline(always)]
            fn lift(self) -> $name {
                $name::splat(self)
            }
        }
    };
}

/// Functions of [`vector`], the scalar function for lanes outside of their range.
macro_rules! functions_f64 {
    ($name:ident) => {
        functions_f64!($name: exp exp_m1 ln ln_1p tanh erfc);
        #[inline(always)]
        fn sin_cos(self) -> (Self, Self) {
            let ((sin, cos), inside) = (vector::sin_cos::formula(self), vector::sin_cos::inside(self));
            if inside.all() {
                return (sin, cos);
            }
            (Self::select(inside, sin, rare(self, f64::sin)), Self::select(inside, cos, rare(self, f64::cos)))
        }
        #[inline(always)]
        fn atan2(self, other: Self) -> Self {
            let (angle, inside) = (vector::atan2::formula(self, other), vector::atan2::inside(self, other));
            if inside.all() {
                return angle;
            }
            let (y, x) = (self.array(), other.array());
            Self::select(inside, angle, Self::from_fn(|l| y[l].atan2(x[l])))
        }
        #[inline(always)]
        fn atan2_right(self, other: Self) -> Self {
            vector::atan2::right(self, other)
        }
    };
    ($name:ident: $($op:ident)*) => {$(
        #[inline(always)]
        fn $op(self) -> Self {
            let (y, inside) = (vector::$op::formula(self), vector::$op::inside(self));
            if inside.all() { y } else { Self::select(inside, y, rare(self, <f64 as Real>::$op)) }
        }
    )*};
}

#[cold]
#[inline(never)]
fn too_short() -> ! {
    panic!("a pack needs {LANES} numbers");
}

/// The scalar function of every lane.
#[cold]
#[inline(never)]
fn rare<R: Pack<Scalar = f64>>(x: R, scalar: fn(f64) -> f64) -> R {
    R::from_fn(|l| scalar(x.lane(l)))
}

macro_rules! functions_f32 {
    (Avx512F32) => { functions_f32!(Avx512F64, avx512_f32: exp exp_m1 ln ln_1p tanh erfc); };
    (Avx2F32) => { functions_f32!(Avx2F64, avx2_f32: exp exp_m1 ln ln_1p tanh erfc); };
    ($wide:ident, $ops:ident: $($op:ident)*) => {
        $(
            #[inline(always)]
            fn $op(self) -> Self {
                Self($ops::narrow($wide($ops::widen(self.0)).$op().0))
            }
        )*
        #[inline(always)]
        fn sin_cos(self) -> (Self, Self) {
            let (sin, cos) = $wide($ops::widen(self.0)).sin_cos();
            (Self($ops::narrow(sin.0)), Self($ops::narrow(cos.0)))
        }
        #[inline(always)]
        fn atan2(self, other: Self) -> Self {
            Self($ops::narrow($wide($ops::widen(self.0)).atan2($wide($ops::widen(other.0))).0))
        }
        #[inline(always)]
        fn atan2_right(self, other: Self) -> Self {
            Self($ops::narrow($wide($ops::widen(self.0)).atan2_right($wide($ops::widen(other.0))).0))
        }
    };
}

macro_rules! register {
    ($name:ident, $ops:ident) => {
        impl Register for $name {
            #[inline(always)]
            fn times_power(self, n: Self) -> Self {
                $name($ops::times_power(self.0, n.0))
            }
            #[inline(always)]
            fn power(n: Self) -> Self {
                $name($ops::power(n.0))
            }
            #[inline(always)]
            fn exponent_and_mantissa(self) -> (Self, Self) {
                let (exponent, mantissa) = $ops::exponent_and_mantissa(self.0);
                ($name(exponent), $name(mantissa))
            }
            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                $name($ops::copysign(self.0, sign.0))
            }
        }
    };
}

pack!(Avx512F64, f64, Avx512Mask, avx512_f64, 32, "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma", functions_f64);
pack!(Avx512F32, f32, Avx512Mask, avx512_f32, 32, "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma", functions_f32);
pack!(Avx2F64, f64, Avx2Mask64, avx2_f64, 8, "avx2,fma", functions_f64);
pack!(Avx2F32, f32, Avx2Mask32, avx2_f32, 16, "avx2,fma", functions_f32);
register!(Avx512F64, avx512_f64);
register!(Avx2F64, avx2_f64);

#[cfg(test)]
mod tests {
    use super::super::WithPack;
    use super::*;
    use std::process::Command;

    #[test]
    fn a_value_caps_the_packs() {
        assert_eq!(cap(Some("portable")), Level::Baseline);
        assert_eq!(cap(Some("avx2")), Level::Avx2);
        for nothing in [Some("avx512"), Some("AVX9"), Some(""), None] {
            assert_eq!(cap(nothing), Level::Avx512, "{nothing:?}");
        }
    }

    /// Every program asks once: each value has a process of its own.
    #[test]
    fn the_environment_caps_the_packs() {
        let this = std::env::current_exe().unwrap();
        for value in ["portable", "avx2", "avx512", "AVX9"] {
            let outcome = Command::new(&this)
                .args(["--exact", "--ignored", "numeric::x86::tests::packs_are_capped"])
                .env(CAP, value)
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&outcome.stdout);
            assert!(outcome.status.success() && told.contains("1 passed"), "{CAP}={value}: {told}");
        }
    }

    /// Run by the test above.
    #[test]
    #[ignore = "needs FLOW_PACKS"]
    fn packs_are_capped() {
        let value = std::env::var(CAP).unwrap_or_default();
        assert_eq!(level(), detected().min(cap(Some(&value))));
    }

    /// Numbers written through the arrays are the numbers of the packs, in their order.
    #[test]
    fn packs_are_arrays_in_both_directions() {
        struct Through;
        macro_rules! of {
            ($scalar:ident) => {
                impl WithPack<$scalar> for Through {
                    type Output = ();
                    fn call<R: Pack<Scalar = $scalar>>(self)
                    where
                        $scalar: Lift<R>,
                    {
                        let counted = |from: usize| R::from_fn(|l| (from + l) as $scalar);
                        let mut packs = [counted(0), counted(10), counted(20)];
                        for plain in R::plain_mut(&mut packs) {
                            *plain += R::Plain::one();
                        }
                        for (n, (pack, plain)) in packs.iter().zip(R::plain(&packs)).enumerate() {
                            for l in 0..R::LANES {
                                assert_eq!(pack.lane(l), (10 * n + l + 1) as $scalar);
                            }
                            assert!((pack.to_plain() - *plain).abs().le(R::Plain::zero()).all());
                        }
                    }
                }
            };
        }
        of!(f64);
        of!(f32);
        if detected() >= Level::Avx2 {
            Through.call::<Avx2F64>();
            Through.call::<Avx2F32>();
        }
        if detected() >= Level::Avx512 {
            Through.call::<Avx512F64>();
            Through.call::<Avx512F32>();
        }
    }
}
