//! Elementary functions over packs of `f64`, free of branches: the formulas, generic over what holds the numbers.
//!
//! A function here is a pair: `formula`, and `inside`, the arguments for which the formula is good. The scalar function is asked for the
//! rest (zeros, infinities, NaN, as the case may be), lane by lane, so that a lane never depends on its neighbours. Inside, each formula is within
//! 4 units in the last place of the scalar function (tested over the whole range for every kind of pack that the processor has).

use super::real::{Mask, Real};

/// 1.5 * 2^52: adding it rounds a number to an integer and leaves that integer in the low bits.
pub(super) const ROUND: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts; the first has zeros at its end, so that its products with exponents are exact.
const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
/// Arguments at which e^x has long become zero and infinite.
const EXP_ENDS: [f64; 2] = [-800.0, 720.0];

/// Access to the bits of numbers, which the formulas need beside arithmetic.
pub(super) trait Register: Real<Scalar = f64> {
    /// x 2^n for an integer n within +-1200, rounded once.
    fn times_power(self, n: Self) -> Self;
    /// 2^n for an integer n within the exponents of normal numbers.
    fn power(n: Self) -> Self;
    /// k and m with x = 2^k m and m between sqrt(1/2) and sqrt 2, for a positive normal number.
    fn exponent_and_mantissa(self) -> (Self, Self);
    /// The size of `self` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
}

/// The bits of sqrt(1/2): counting exponents from there puts mantissas around one.
pub(super) const SQRT_HALF: u64 = 0x3FE6_A09E_667F_3BCD;

impl Register for f64 {
    #[inline(always)]
    fn times_power(self, n: f64) -> f64 {
        times_power_in_halves(self, n)
    }
    #[inline(always)]
    fn power(n: f64) -> f64 {
        f64::from_bits(((n + ROUND).to_bits() << 52).wrapping_add(1023 << 52))
    }
    #[inline(always)]
    fn exponent_and_mantissa(self) -> (f64, f64) {
        let bits = self.to_bits();
        let exponent = (bits.wrapping_sub(SQRT_HALF) as i64) >> 52;
        let mantissa = f64::from_bits(bits.wrapping_sub((exponent as u64) << 52));
        (f64::from_bits((exponent as u64).wrapping_add(ROUND.to_bits())) - ROUND, mantissa)
    }
    #[inline(always)]
    fn copysign(self, sign: f64) -> f64 {
        f64::copysign(self, sign)
    }
}

/// x 2^n in two steps of half the exponent, so that results that are denormal or infinite come out right.
#[inline(always)]
pub(super) fn times_power_in_halves<V: Register>(x: V, n: V) -> V {
    let half = round(n.scale(0.5));
    x * V::power(half) * V::power(n - half)
}

/// The nearest integer, for |x| below 2^51.
#[inline(always)]
fn round<V: Register>(x: V) -> V {
    (x + V::constant(ROUND)) - V::constant(ROUND)
}

/// c_0 + c_1 x + c_2 x^2 + ..
#[inline(always)]
fn polynomial<V: Register, const N: usize>(x: V, coefficients: [f64; N]) -> V {
    let mut sum = V::constant(coefficients[N - 1]);
    for c in coefficients.iter().rev().skip(1) {
        sum = sum.mul_add(x, V::constant(*c));
    }
    sum
}

/// n and e^r - 1 with x = n ln 2 + r, |r| <= ln 2 / 2. (e^r - 1 - r) / r^2 is the polynomial of degree 9 through its values at the Chebyshev nodes of
/// that interval, which leaves 1.6e-17 of e^r. Its even and odd halves are independent, which shortens the chain of dependent steps.
#[inline(always)]
fn split_exp<V: Register>(x: V) -> (V, V) {
    let n = x.mul_add(V::constant(core::f64::consts::LOG2_E), V::constant(ROUND)) - V::constant(ROUND);
    let r = n.mul_add(V::constant(-LN_2[1]), n.mul_add(V::constant(-LN_2[0]), x));
    let z = r * r;
    let even = [
        0.500_000_000_000_000_1,
        0.041_666_666_666_624_164,
        0.001_388_888_891_719_671_9,
        2.480_152_132_236_869_2e-5,
        2.762_007_587_998_336_7e-7,
    ];
    let odd = [
        0.166_666_666_666_666_69,
        0.008_333_333_333_330_065,
        0.000_198_412_698_630_405_45,
        2.755_726_848_031_002_4e-6,
        2.510_037_583_256_123_4e-8,
    ];
    let series = r.mul_add(polynomial(z, odd), polynomial(z, even));
    (n, z.mul_add(series, r))
}

/// `x` within `low` and `high`, NaN where it is NaN.
#[inline(always)]
fn between<V: Register>(x: V, low: f64, high: f64) -> V {
    V::constant(high).min(V::constant(low).max(x))
}

/// e^x, for all x.
pub(super) mod exp {
    use super::*;
    #[inline(always)]
    pub(in crate::numeric) fn formula<V: Register>(x: V) -> V {
        let (n, rest) = split_exp(between(x, EXP_ENDS[0], EXP_ENDS[1]));
        (V::one() + rest).times_power(n)
    }
    #[inline(always)]
    pub(in crate::numeric) fn inside<V: Register>(_: V) -> V::Mask {
        V::Mask::splat(true)
    }
}

/// e^x - 1 = 2 (2^(n - 1) (e^r - 1) + 2^(n - 1) - 1/2), for all x: the powers stay finite as long as the result does.
pub(super) mod exp_m1 {
    use super::*;
    #[inline(always)]
    pub(in crate::numeric) fn formula<V: Register>(x: V) -> V {
        // Below -40 the result is -1; from 709.8 on it is infinite, as is 2 * 2^1023.
        let (n, rest) = split_exp(between(x, -40.0, 710.0));
        let power = V::power(n - V::one());
        power.mul_add(rest, power - V::constant(0.5)).scale(2.0).copysign(x)
    }
    #[inline(always)]
    pub(in crate::numeric) fn inside<V: Register>(_: V) -> V::Mask {
        V::Mask::splat(true)
    }
}

/// tanh x = -e / (2 + e) with e = e^(-2 |x|) - 1, and the sign of x; for all x.
pub(super) mod tanh {
    use super::*;
    #[inline(always)]
    pub(in crate::numeric) fn formula<V: Register>(x: V) -> V {
        let e = exp_m1::formula(x.abs().scale(-2.0));
        (-e / (V::constant(2.0) + e)).copysign(x)
    }
    #[inline(always)]
    pub(in crate::numeric) fn inside<V: Register>(_: V) -> V::Mask {
        V::Mask::splat(true)
    }
}

/// erfc x = e^(-x^2) P(t) / (1 + 2 x) with t = (x - 3) / (x + 3) for x >= 0, and 2 - erfc(-x) below (M. M. Shepherd and J. G. Laframboise, Math. Comp. 36 (1981)
/// 249). P interpolates (1 + 2 x) e^(x^2) erfc x, which stays between 1 and 1.3, at the Chebyshev points of t for x up to 28, where erfc has long been zero; it
/// errs by 5e-17. All that is taken at the multiple a of 2^-20 next to x, whose square and sums are exact; from there three terms of Taylor's series lead to
/// x = a + h: erfc x = erfc a - 2 / sqrt(pi) e^(-a^2) (h - a h^2 + (2 a^2 - 1) h^3 / 3). For all x.
pub(super) mod erfc {
    use super::*;
    use core::f64::consts::FRAC_2_SQRT_PI;
    const END: f64 = 28.0;
    /// 1.5 * 2^32: adding it rounds a number to a multiple of 2^-20.
    const COARSE: f64 = 6_442_450_944.0;

    #[inline(always)]
    pub(in crate::numeric) fn formula<V: Register>(x: V) -> V {
        let size = between(x.abs(), 0.0, END);
        let a = (size + V::constant(COARSE)) - V::constant(COARSE);
        let (h, square) = (size - a, a * a);
        let t = (a - V::constant(3.0)) / (a + V::constant(3.0));
        let even = [
            -0.047_562_294_353_446_374,
            -0.119_273_663_415_528_53,
            -0.023_770_514_914_233_67,
            0.001_888_690_312_003_782,
            -0.000_105_159_490_337_759_75,
            4.948_147_875_576_539e-6,
            -7.275_875_746_667_183e-7,
            3.489_919_788_974_429_3e-7,
            -1.311_166_137_536_459e-7,
            3.291_634_396_766_32e-8,
            -4.210_104_975_119_195e-9,
        ];
        let odd = [
            0.129_645_158_702_705_52,
            0.068_308_027_345_804_59,
            0.002_529_391_788_270_445,
            -0.000_779_832_037_961_111_5,
            0.000_125_098_151_748_643_22,
            -2.009_663_087_595_395e-5,
            3.463_997_532_352_904e-6,
            -6.050_048_623_933_503e-7,
            9.186_243_026_143_847e-8,
            -8.500_119_502_115_306e-9,
        ];
        // The first two terms apart: they are nearly all of the sum. The second is such that erfc 0 is 1.
        let z = t * t;
        let series = t.mul_add(polynomial(z, odd), polynomial(z, even));
        let series = series.mul_add(t, V::constant(-0.135_621_106_124_580_72));
        let series = series.mul_add(t, V::constant(1.253_008_058_269_729_6));
        let bend = square.mul_add(V::constant(2.0 / 3.0), V::constant(-1.0 / 3.0));
        let beyond = h * h.mul_add(h.mul_add(bend, -a), V::one()).scale(FRAC_2_SQRT_PI);
        let scaled = series / (V::one() + a.scale(2.0)) - beyond;
        let (n, grown) = split_exp(-square);
        let tail = scaled.mul_add(grown, scaled).times_power(n);
        V::select(x.lt(V::zero()), V::constant(2.0) - tail, tail)
    }
    #[inline(always)]
    pub(in crate::numeric) fn inside<V: Register>(_: V) -> V::Mask {
        V::Mask::splat(true)
    }
}

/// ln x = k ln 2 + ln m with m between sqrt(1/2) and sqrt 2, by the series of fdlibm's `log` in s = (m - 1) / (m + 1) (its coefficients; error
/// below one unit in the last place). For positive normal numbers.
pub(super) mod ln {
    use super::*;
    #[inline(always)]
    pub(in crate::numeric) fn formula<V: Register>(x: V) -> V {
        let (k, m) = x.exponent_and_mantissa();
        let f = m - V::one();
        let s = f * (V::constant(2.0) + f).quick_recip();
        let z = s * s;
        let series = polynomial(
            z,
            [
                6.666_666_666_666_735e-1,
                3.999_999_999_940_942e-1,
                2.857_142_874_366_239e-1,
                2.222_219_843_214_978_4e-1,
                1.818_357_216_161_805e-1,
                1.531_383_769_920_937_3e-1,
                1.479_819_860_511_658_6e-1,
            ],
        );
        let half = f.scale(0.5) * f;
        let small = s.mul_add(z.mul_add(series, half), k.scale(LN_2[1]));
        k.scale(LN_2[0]) - ((half - small) - f)
    }
    #[inline(always)]
    pub(in crate::numeric) fn inside<V: Register>(x: V) -> V::Mask {
        x.ge(V::constant(f64::MIN_POSITIVE)) & x.le(V::constant(f64::MAX))
    }
}

/// ln(1 + x) = ln u + (x - (u - 1)) / u with u = 1 + x rounded: the second term is what rounding took. For -1 < x < 1e300.
pub(super) mod ln_1p {
    use super::*;
    #[inline(always)]
    pub(in crate::numeric) fn formula<V: Register>(x: V) -> V {
        let u = V::one() + x;
        // The sign is that of x, minus zero included.
        (ln::formula(u) + (x - (u - V::one())) / u).copysign(x)
    }
    #[inline(always)]
    pub(in crate::numeric) fn inside<V: Register>(x: V) -> V::Mask {
        x.gt(V::constant(-1.0)) & x.lt(V::constant(1e300))
    }
}

/// sin x and cos x: x = n pi/2 + r + t with |r| <= pi/4 and t what rounding took, then fdlibm's kernels. For |x| up to 8192, where n has few
/// enough bits for exact products with the first two parts of pi/2.
pub(super) mod sin_cos {
    use super::*;
    const HALF_PI: [f64; 3] = [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_795_950_7e-21];

    #[inline(always)]
    pub(in crate::numeric) fn formula<V: Register>(x: V) -> (V, V) {
        let n = round(x.scale(core::f64::consts::FRAC_2_PI));
        let first = x - n.scale(HALF_PI[0]);
        let taken = n.scale(HALF_PI[1]);
        let second = first - taken;
        let lost = n.scale(HALF_PI[2]) - ((first - second) - taken);
        let r = second - lost;
        let t = (second - r) - lost;
        let z = r * r;
        let v = z * r;
        let series = polynomial(
            z,
            [
                8.333_333_333_322_49e-3,
                -1.984_126_982_985_795e-4,
                2.755_731_370_707_006_8e-6,
                -2.505_076_025_340_686_3e-8,
                1.589_690_995_211_55e-10,
            ],
        );
        let sin = r - ((z * (t.scale(0.5) - v * series) - t) - v.scale(-1.666_666_666_666_663_2e-1));
        let series = polynomial(
            z,
            [
                4.166_666_666_666_66e-2,
                -1.388_888_888_887_411e-3,
                2.480_158_728_947_673e-5,
                -2.755_731_435_139_066_3e-7,
                2.087_572_321_298_175e-9,
                -1.135_964_755_778_819_5e-11,
            ],
        );
        let half = z.scale(0.5);
        let w = V::one() - half;
        let cos = w + (((V::one() - w) - half) + (z * (z * series) - r * t));
        // n modulo 4 as -2 .. 2.
        let turn = n - round(n.scale(0.25)).scale(4.0);
        let odd = turn.abs().lt(V::constant(1.5)) & turn.abs().gt(V::constant(0.5));
        let opposite = turn.abs().gt(V::constant(1.5));
        let quarter = turn.gt(V::constant(0.5));
        let back = turn.lt(V::constant(-0.5));
        let (a, b) = (V::select(odd, cos, sin), V::select(odd, sin, cos));
        (V::select(opposite | back, -a, a), V::select(opposite | quarter, -b, b))
    }
    #[inline(always)]
    pub(in crate::numeric) fn inside<V: Register>(x: V) -> V::Mask {
        x.abs().le(V::constant(8192.0))
    }
}

/// The angle of (x, y): for sizes x and y that of (1, 0), (1, 1) or (0, 1), whichever is nearest, and the arc tangent of t = y / x, (y - x) / (y + x) or
/// -x / y beyond it, |t| <= tan(pi/8); then the quadrant. For sizes whose quotients neither overflow nor underflow.
pub(super) mod atan2 {
    use super::*;
    use core::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};
    const COT_PI_8: f64 = 2.414_213_562_373_095;
    /// pi/2 minus its `f64`.
    const REST: f64 = 6.123_233_995_736_766e-17;

    /// The angle of sizes (x, y) as the nearest of 0, pi/4 and pi/2, what that has beyond its `f64`, and the rest.
    #[inline(always)]
    fn parts<V: Register>(y: V, x: V) -> [V; 3] {
        let (flat, steep) = (y.scale(COT_PI_8).lt(x), x.scale(COT_PI_8).lt(y));
        let above = V::select(steep, -x, V::select(flat, y, y - x));
        let below = V::select(steep, y, V::select(flat, x, y + x));
        let t = above / below;
        // (atan(t) - t) / t^3 interpolated at the Chebyshev points of t^2 up to tan(pi/8)^2, in even and odd halves: the error is 7e-18 of atan(t).
        let z = t * t;
        let even = [
            -3.333_333_333_333_333e-1,
            -1.428_571_428_466_222_6e-1,
            -9.090_904_564_022_367e-2,
            -6.664_506_835_133_263e-2,
            -5.085_240_174_154_878e-2,
            -1.916_947_638_536_126_5e-2,
        ];
        let odd = [
            1.999_999_999_999_55e-1,
            1.111_111_101_490_922e-1,
            7.692_182_863_309_697e-2,
            5.858_108_856_106_755e-2,
            3.922_560_559_586_107e-2,
        ];
        let square = z * z;
        let series = z.mul_add(polynomial(square, odd), polynomial(square, even));
        [
            V::select(steep, V::constant(FRAC_PI_2), V::select(flat, V::zero(), V::constant(FRAC_PI_4))),
            V::select(steep, V::constant(REST), V::select(flat, V::zero(), V::constant(0.5 * REST))),
            t.mul_add(z * series, t),
        ]
    }

    /// Computes atan2(y, x) for x > 0.
    #[inline(always)]
    pub(in crate::numeric) fn right<V: Register>(y: V, x: V) -> V {
        let [base, rest, atan] = parts(y.abs(), x);
        (base + (atan + rest)).copysign(y)
    }

    #[inline(always)]
    pub(in crate::numeric) fn formula<V: Register>(y: V, x: V) -> V {
        let (size_y, size_x) = (y.abs(), x.abs());
        // At the origin, where any other number would do.
        let size_x = V::select(size_y.max(size_x).le(V::zero()), V::one(), size_x);
        let [base, rest, atan] = parts(size_y, size_x);
        let left = V::one().copysign(x).lt(V::zero());
        let base = V::select(left, V::constant(PI) - base, base);
        let rest = V::select(left, V::constant(2.0 * REST) - rest, rest);
        (base + (V::select(left, -atan, atan) + rest)).copysign(y)
    }
    #[inline(always)]
    pub(in crate::numeric) fn inside<V: Register>(y: V, x: V) -> V::Mask {
        let (a, b) = (x.abs().min(y.abs()), x.abs().max(y.abs()));
        let usual = b.lt(V::constant(1e300)) & b.gt(V::constant(1e-290)) & a.gt(b.scale(1e-290));
        usual | (a.le(V::zero()) & b.lt(V::constant(1e300)))
    }
}

#[cfg(test)]
mod tests;
