//! The traits that formulas are written against.

use super::lanes::Lanes;
use core::fmt::Debug;
use core::ops::{Add, AddAssign, BitAnd, BitOr, Div, Mul, MulAssign, Neg, Not, Sub, SubAssign};

/// The outcome of a comparison, lane by lane.
pub trait Mask: Copy + Debug + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self> + Send + Sync {
    /// The same outcome in every lane.
    fn splat(value: bool) -> Self;
    /// Whether any lane holds `true`.
    fn any(self) -> bool;
    /// Whether every lane holds `true`.
    fn all(self) -> bool;
    /// The outcome of one lane.
    fn lane(self, lane: usize) -> bool;
}

impl Mask for bool {
    #[inline(always)]
    fn splat(value: bool) -> Self {
        value
    }
    #[inline(always)]
    fn any(self) -> bool {
        self
    }
    #[inline(always)]
    fn all(self) -> bool {
        self
    }
    #[inline(always)]
    fn lane(self, _: usize) -> bool {
        self
    }
}

/// Something that computes like a real number.
///
/// Branches on values are written with [`Real::select`], so that formulas work lane by lane. Both branches are
/// computed: keep the one not taken finite (clamp its argument first) where derivatives pass through it.
pub trait Real:
    Copy
    + Debug
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
{
    /// The number type of one lane.
    type Scalar: Scalar;
    /// The outcome of a comparison.
    type Mask: Mask;
    /// The same numbers as plain arrays, for code that is not written to be inlined whole (see [`crate::layers::Layer::WIDE`]).
    type Plain: Real<Scalar = Self::Scalar>;

    /// Numbers as plain arrays.
    fn plain(numbers: &[Self]) -> &[Self::Plain];
    /// Numbers as plain arrays.
    fn plain_mut(numbers: &mut [Self]) -> &mut [Self::Plain];
    /// A plain array as a number.
    #[inline(always)]
    fn from_plain(plain: Self::Plain) -> Self {
        let mut number = Self::zero();
        Self::plain_mut(core::slice::from_mut(&mut number))[0] = plain;
        number
    }
    /// A number as a plain array.
    #[inline(always)]
    fn to_plain(self) -> Self::Plain {
        Self::plain(&[self])[0]
    }

    /// The same number in every lane.
    fn splat(value: Self::Scalar) -> Self;
    /// A constant of a formula.
    #[inline(always)]
    fn constant(value: f64) -> Self {
        Self::splat(Self::Scalar::narrow(value))
    }
    /// Zero.
    #[inline(always)]
    fn zero() -> Self {
        Self::constant(0.0)
    }
    /// One.
    #[inline(always)]
    fn one() -> Self {
        Self::constant(1.0)
    }

    /// Absolute value.
    fn abs(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// e^x.
    fn exp(self) -> Self;
    /// e^x - 1, exact for small x.
    fn exp_m1(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + x), exact for small x.
    fn ln_1p(self) -> Self;
    /// Sine and cosine.
    fn sin_cos(self) -> (Self, Self);
    /// Angle of the point (x, y) = (other, self), in (-pi, pi].
    fn atan2(self, other: Self) -> Self;
    /// [`Real::atan2`] for other between 1e-300 and 1e300 and |self| below 1e300, in (-pi/2, pi/2).
    #[inline(always)]
    fn atan2_right(self, other: Self) -> Self {
        self.atan2(other)
    }
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// Complementary error function.
    fn erfc(self) -> Self;

    /// Does a piece of work, compiled for the vector unit of these numbers: what is inlined into `work` may use its instructions.
    #[inline]
    fn run<W: Work>(work: W) -> W::Output {
        work.run()
    }
    /// self < other.
    fn lt(self, other: Self) -> Self::Mask;
    /// self <= other.
    fn le(self, other: Self) -> Self::Mask;
    /// self > other.
    #[inline(always)]
    fn gt(self, other: Self) -> Self::Mask {
        other.lt(self)
    }
    /// self >= other.
    #[inline(always)]
    fn ge(self, other: Self) -> Self::Mask {
        other.le(self)
    }
    /// Neither infinite nor NaN.
    fn is_finite(self) -> Self::Mask;
    /// `yes` where the mask is set, `no` elsewhere.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// The smaller of two.
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self::select(self.lt(other), self, other)
    }
    /// The larger of two.
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self::select(self.gt(other), self, other)
    }
    /// self clipped to [low, high]; no derivative flows where the clip acts.
    #[inline(always)]
    fn clamp(self, low: f64, high: f64) -> Self {
        self.max(Self::constant(low)).min(Self::constant(high))
    }
    /// self * factor + term, in one rounding where the processor has an instruction for it.
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        self * factor + term
    }
    /// x * x.
    #[inline(always)]
    fn square(self) -> Self {
        self * self
    }
    /// 1 / x.
    #[inline(always)]
    fn recip(self) -> Self {
        Self::one() / self
    }
    /// 1 / x to within two units in the last place, for |x| between 1e-300 and 1e300: several times cheaper than a division where there is an
    /// instruction for a first guess.
    #[inline(always)]
    fn quick_recip(self) -> Self {
        self.recip()
    }
    /// x times a constant.
    #[inline(always)]
    fn scale(self, factor: f64) -> Self {
        self * Self::constant(factor)
    }
}

/// A piece of work on numbers of one kind, compiled for the vector unit that they need (see [`Real::run`]).
pub trait Work {
    /// What it gives.
    type Output;
    /// Does it. Implementations are `#[inline(always)]`.
    fn run(self) -> Self::Output;
}

/// A piece of work that is generic over the packs it works with (see [`Scalar::widest`]).
pub trait WithPack<T: Scalar> {
    /// What it gives.
    type Output;
    /// Does it with packs `R`.
    fn call<R: Pack<Scalar = T>>(self) -> Self::Output
    where
        T: Lift<R>;
}

/// One number: `f32` or `f64`.
pub trait Scalar: Real<Scalar = Self, Mask = bool> + Pack + PartialOrd + Default + core::fmt::Display {
    /// Distance from 1 to the next number.
    const EPSILON: f64;
    /// Smallest positive normal number.
    const TINY: f64;
    /// Half the largest number.
    const LARGE: f64;
    /// Name of the type, as written in files: `f32` or `f64`.
    const NAME: &'static str;
    /// Rounds from `f64`.
    fn narrow(value: f64) -> Self;
    /// Rounds what was computed in `f64`. A finite number stays finite: one beyond the range becomes the largest number of its sign.
    fn hold(value: f64) -> Self;
    /// Widens to `f64`.
    fn widen(self) -> f64;
    /// The first of these numbers as a pack.
    fn load<R: Pack<Scalar = f64>>(from: &[Self]) -> R;
    /// Rounds a pack over the first of these numbers, as [`Scalar::hold`] does.
    fn save<R: Pack<Scalar = f64>>(pack: &R, to: &mut [Self]);
    /// Does a piece of work with the widest packs that this processor computes with.
    fn widest<W: WithPack<Self>>(work: W) -> W::Output;
}

/// Numbers side by side, one lane a point.
pub trait Pack: Real {
    /// How many; at most 8.
    const LANES: usize;
    /// How many packs the registers of the processor hold, about.
    const REGISTERS: usize;
    /// The number of one lane.
    fn lane(&self, lane: usize) -> Self::Scalar;
    /// Numbers lane by lane.
    fn from_fn(value: impl FnMut(usize) -> Self::Scalar) -> Self;
    /// The first [`Pack::LANES`] of these numbers.
    #[inline(always)]
    fn read(from: &[Self::Scalar]) -> Self {
        let from = &from[..Self::LANES];
        Self::from_fn(|l| from[l])
    }
    /// Writes the numbers over the first of these.
    #[inline(always)]
    fn write(&self, to: &mut [Self::Scalar]) {
        for (l, to) in to[..Self::LANES].iter_mut().enumerate() {
            *to = self.lane(l);
        }
    }
    /// The sum over lanes, always in the same order.
    #[inline(always)]
    fn sum_lanes(&self) -> Self::Scalar {
        let mut sum = self.lane(0);
        for lane in 1..Self::LANES {
            sum += self.lane(lane);
        }
        sum
    }
}

/// A parameter that can be read as an `R`: either one number for all points, or one for each lane.
///
/// A layer's kernels read parameters through this, so that free parameters (shared by all points) and predicted ones
/// (one vector a point) run through the same source.
pub trait Lift<R: Real>: Real {
    /// Parameters for plain arrays of points.
    type PlainParameter: Lift<R::Plain>;
    /// The parameter in every lane.
    fn lift(self) -> R;
    /// Parameters for plain arrays of points.
    fn plain_parameters(parameters: &[Self]) -> &[Self::PlainParameter];
}

impl<R: Real> Lift<R> for R {
    type PlainParameter = R::Plain;
    #[inline(always)]
    fn lift(self) -> R {
        self
    }
    #[inline(always)]
    fn plain_parameters(parameters: &[R]) -> &[R::Plain] {
        R::plain(parameters)
    }
}

/// Whether a fused multiply-add is an instruction that every processor this is compiled for has; elsewhere it would be a function call.
const FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

/// Lanes of the packs that any processor computes with.
const PORTABLE_LANES: usize = 8;

/// See [`Scalar::hold`].
#[inline(always)]
fn to_f32(wide: f64) -> f32 {
    const LARGEST: f64 = f32::MAX as f64;
    let held = if wide > LARGEST { LARGEST } else { wide };
    let held = if held < -LARGEST { -LARGEST } else { held };
    (if wide.is_finite() { held } else { wide }) as f32
}

macro_rules! scalar {
    (@hold f64 $value:ident) => { $value };
    (@hold f32 $value:ident) => { to_f32($value) };
    (@load f64 $R:ident $from:ident) => { $R::read($from) };
    (@save f64 $R:ident $pack:ident $to:ident) => { $pack.write($to) };
    // Loops, not closures: those would be functions without the instructions of the pack.
    (@load f32 $R:ident $from:ident) => {{
        let (from, mut wide) = (&$from[..$R::LANES], [0.0; 8]);
        for l in 0..$R::LANES {
            wide[l] = f64::from(from[l]);
        }
        $R::read(&wide)
    }};
    (@save f32 $R:ident $pack:ident $to:ident) => {{
        let mut wide = [0.0; 8];
        $pack.write(&mut wide);
        for (to, wide) in $to[..$R::LANES].iter_mut().zip(wide) {
            *to = to_f32(wide);
        }
    }};
    ($t:ident, $erfc:path, $avx512:ident, $avx2:ident) => {
        impl Real for $t {
            type Scalar = $t;
            type Mask = bool;
            type Plain = $t;
            #[inline(always)]
            fn plain(numbers: &[$t]) -> &[$t] {
                numbers
            }
            #[inline(always)]
            fn plain_mut(numbers: &mut [$t]) -> &mut [$t] {
                numbers
            }
            #[inline(always)]
            fn splat(value: $t) -> $t {
                value
            }
            #[inline(always)]
            fn abs(self) -> $t {
                $t::abs(self)
            }
            #[inline(always)]
            fn sqrt(self) -> $t {
                $t::sqrt(self)
            }
            #[inline(always)]
            fn exp(self) -> $t {
                $t::exp(self)
            }
            #[inline(always)]
            fn exp_m1(self) -> $t {
                $t::exp_m1(self)
            }
            #[inline(always)]
            fn ln(self) -> $t {
                $t::ln(self)
            }
            #[inline(always)]
            fn ln_1p(self) -> $t {
                $t::ln_1p(self)
            }
            #[inline(always)]
            fn sin_cos(self) -> ($t, $t) {
                $t::sin_cos(self)
            }
            #[inline(always)]
            fn atan2(self, other: $t) -> $t {
                $t::atan2(self, other)
            }
            #[inline(always)]
            fn tanh(self) -> $t {
                $t::tanh(self)
            }
            #[inline(always)]
            fn erfc(self) -> $t {
                $erfc(self)
            }
            #[inline(always)]
            fn mul_add(self, factor: $t, term: $t) -> $t {
                if FUSED { $t::mul_add(self, factor, term) } else { self * factor + term }
            }
            #[inline(always)]
            fn lt(self, other: $t) -> bool {
                self < other
            }
            #[inline(always)]
            fn le(self, other: $t) -> bool {
                self <= other
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $t::is_finite(self)
            }
            #[inline(always)]
            fn select(mask: bool, yes: $t, no: $t) -> $t {
                if mask { yes } else { no }
            }
        }
        impl Scalar for $t {
            const EPSILON: f64 = $t::EPSILON as f64;
            const TINY: f64 = $t::MIN_POSITIVE as f64;
            const LARGE: f64 = $t::MAX as f64 / 2.0;
            const NAME: &'static str = stringify!($t);
            #[inline(always)]
            fn narrow(value: f64) -> $t {
                value as $t
            }
            #[inline(always)]
            fn hold(value: f64) -> $t {
                scalar!(@hold $t value)
            }
            #[inline(always)]
            fn widen(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn load<R: Pack<Scalar = f64>>(from: &[$t]) -> R {
                scalar!(@load $t R from)
            }
            #[inline(always)]
            fn save<R: Pack<Scalar = f64>>(pack: &R, to: &mut [$t]) {
                scalar!(@save $t R pack to)
            }
            #[inline]
            fn widest<W: WithPack<$t>>(work: W) -> W::Output {
                #[cfg(target_arch = "x86_64")]
                match super::x86::level() {
                    super::x86::Level::Avx512 => return work.call::<super::x86::$avx512>(),
                    super::x86::Level::Avx2 => return work.call::<super::x86::$avx2>(),
                    super::x86::Level::Baseline => {}
                }
                work.call::<Lanes<$t, PORTABLE_LANES>>()
            }
        }
        impl Pack for $t {
            const LANES: usize = 1;
            const REGISTERS: usize = 16;
            #[inline(always)]
            fn lane(&self, _: usize) -> $t {
                *self
            }
            #[inline(always)]
            fn from_fn(mut value: impl FnMut(usize) -> $t) -> $t {
                value(0)
            }
        }
    };
}

scalar!(f32, libm::erfcf, Avx512F32, Avx2F32);
scalar!(f64, libm::erfc, Avx512F64, Avx2F64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_finite_stays_finite_in_f32() {
        let largest = f64::from(f32::MAX);
        let wide = [1e300, -1e300, largest, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.1, -1e-300];
        let expected = [f32::MAX, f32::MIN, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 0.1, -0.0];
        let mut saved = [0.0_f32; 8];
        f32::save(&Lanes::<f64, 8>::from_fn(|l| wide[l]), &mut saved);
        for ((wide, expected), saved) in wide.into_iter().zip(expected).zip(saved) {
            for found in [f32::hold(wide), saved] {
                assert!(
                    found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(),
                    "{wide}: {found}"
                );
            }
        }
    }
}
