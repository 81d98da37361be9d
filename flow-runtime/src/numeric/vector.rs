//! Elementary functions of several numbers at once, free of branches, so that their loops become vector instructions.
//!
//! Each is within 4 units in the last place of the scalar function (tested); numbers outside the range of a formula (overflow,
//! denormals, NaN) go through the scalar function one by one, so that a lane never depends on its neighbours.

/// 1.5 * 2^52: adding it rounds a number to an integer and leaves that integer in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Arguments of the exponential whose result is a normal number.
const EXP_RANGE: [f64; 2] = [-708.0, 709.0];

/// 2^n and e^r - 1 with x = n ln 2 + r, |r| <= ln 2 / 2, by the Taylor series to r^13 (remainder below 4e-18).
#[inline(always)]
fn split_exp(x: f64) -> (f64, f64) {
    let x = x.clamp(EXP_RANGE[0], EXP_RANGE[1]);
    let shifted = x * core::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let mut series = 1.0 / 6_227_020_800.0;
    for inverse_factorial in [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
    ] {
        series = series * r + inverse_factorial;
    }
    let scale = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52));
    (scale, r + r * r * series)
}

#[inline(always)]
fn in_exp_range(x: f64) -> bool {
    (EXP_RANGE[0]..=EXP_RANGE[1]).contains(&x)
}

/// Applies a formula to all lanes, then the scalar function to those outside the formula's range.
#[inline(always)]
fn patched<const W: usize>(
    x: [f64; W],
    formula: impl Fn(f64) -> f64,
    inside: impl Fn(f64) -> bool,
    scalar: impl Fn(f64) -> f64,
) -> [f64; W] {
    let mut out = x;
    let mut all = true;
    for lane in 0..W {
        out[lane] = formula(x[lane]);
        all &= inside(x[lane]);
    }
    if !all {
        for lane in 0..W {
            if !inside(x[lane]) {
                out[lane] = scalar(x[lane]);
            }
        }
    }
    out
}

/// e^x.
#[inline(always)]
pub(crate) fn exp<const W: usize>(x: [f64; W]) -> [f64; W] {
    let formula = |x| {
        let (scale, rest) = split_exp(x);
        scale + scale * rest
    };
    patched(x, formula, in_exp_range, f64::exp)
}

/// e^x - 1.
#[inline(always)]
pub(crate) fn exp_m1<const W: usize>(x: [f64; W]) -> [f64; W] {
    let formula = |x| {
        let (scale, rest) = split_exp(x);
        scale * rest + (scale - 1.0)
    };
    patched(x, formula, in_exp_range, f64::exp_m1)
}

/// tanh x = -e / (2 + e) with e = e^(-2 |x|) - 1, and the sign of x.
#[inline(always)]
pub(crate) fn tanh<const W: usize>(x: [f64; W]) -> [f64; W] {
    let formula = |x: f64| {
        let (scale, rest) = split_exp(-2.0 * x.abs());
        let e = scale * rest + (scale - 1.0);
        (-e / (2.0 + e)).copysign(x)
    };
    patched(x, formula, |x| x.abs() <= 300.0, f64::tanh)
}

/// ln x for a positive normal number: x = 2^k m with m between sqrt(1/2) and sqrt 2, then the series of fdlibm's `log` in
/// s = (m - 1) / (m + 1) (its coefficients; error below one unit in the last place).
#[inline(always)]
fn ln_normal(x: f64) -> f64 {
    const SQRT_HALF: u64 = 0x3FE6_A09E_667F_3BCD;
    let bits = x.to_bits();
    let exponent = (bits.wrapping_sub(SQRT_HALF) as i64) >> 52;
    let m = f64::from_bits(bits.wrapping_sub((exponent as u64) << 52));
    let k = f64::from_bits((exponent as u64).wrapping_add(ROUND.to_bits())) - ROUND;
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let mut series = 1.479_819_860_511_658_6e-1;
    for c in [
        1.531_383_769_920_937_3e-1,
        1.818_357_216_161_805e-1,
        2.222_219_843_214_978_4e-1,
        2.857_142_874_366_239e-1,
        3.999_999_999_940_942e-1,
        6.666_666_666_666_735e-1,
    ] {
        series = series * z + c;
    }
    let half = 0.5 * f * f;
    k * LN_2_HIGH - ((half - (s * (half + z * series) + k * LN_2_LOW)) - f)
}

#[inline(always)]
fn is_normal(x: f64) -> bool {
    (f64::MIN_POSITIVE..=f64::MAX).contains(&x)
}

/// ln x.
#[inline(always)]
pub(crate) fn ln<const W: usize>(x: [f64; W]) -> [f64; W] {
    patched(x, ln_normal, is_normal, f64::ln)
}

/// ln(1 + x) = ln u + (x - (u - 1)) / u with u = 1 + x rounded: the second term is what rounding took.
#[inline(always)]
pub(crate) fn ln_1p<const W: usize>(x: [f64; W]) -> [f64; W] {
    let formula = |x: f64| {
        let u = 1.0 + x;
        ln_normal(u) + (x - (u - 1.0)) / u
    };
    patched(x, formula, |x| x > -1.0 && x < 1e300, f64::ln_1p)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    /// Distance in units in the last place of the scalar result.
    fn ulps(a: f64, b: f64) -> f64 {
        if a == b || (a.is_nan() && b.is_nan()) {
            return 0.0;
        }
        let ulp = (b.abs().next_up() - b.abs()).max(f64::from_bits(1));
        (a - b).abs() / ulp
    }

    fn check(vector: fn([f64; 4]) -> [f64; 4], scalar: fn(f64) -> f64, numbers: &[f64]) {
        for four in numbers.chunks_exact(4) {
            let four: [f64; 4] = core::array::from_fn(|i| four[i]);
            let out = vector(four);
            for i in 0..4 {
                assert!(ulps(out[i], scalar(four[i])) <= 4.0, "{}: {} {}", four[i], out[i], scalar(four[i]));
                // A lane does not depend on its neighbours.
                assert_eq!(out[i].to_bits(), vector([four[i]; 4])[i].to_bits());
            }
            assert_eq!(out[0].is_sign_negative(), scalar(four[0]).is_sign_negative());
        }
    }

    #[test]
    fn within_four_units_of_the_scalar_functions() {
        let mut rng = StdRng::seed_from_u64(1);
        let special = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.5,
            2.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            f64::from_bits(1),
            709.5,
            710.0,
            -708.5,
            -745.0,
            -746.0,
            1e-300,
            1e300,
            -0.999_999_999_9,
            0.346_573,
            0.346_574,
            -0.346_573,
        ];
        let mut numbers = special.to_vec();
        for _ in 0..20_000 {
            let size = 10f64.powf(rng.random_range(-18.0..3.0));
            numbers.push(if rng.random_bool(0.5) { size } else { -size });
        }
        check(exp, f64::exp, &numbers);
        check(exp_m1, f64::exp_m1, &numbers);
        check(tanh, f64::tanh, &numbers);
        let beyond: Vec<f64> = numbers.iter().map(|x| if *x < -1.0 { -1.0 / x } else { *x }).collect();
        check(ln_1p, f64::ln_1p, &beyond);
        let positive: Vec<f64> = (0..20_000).map(|_| 10f64.powf(rng.random_range(-310.0..308.0))).collect();
        check(ln, f64::ln, &positive);
        check(ln, f64::ln, &special.map(f64::abs));
        let near_one: Vec<f64> = (0..20_000).map(|_| 1.0 + rng.random_range(-0.5..0.5)).collect();
        check(ln, f64::ln, &near_one);
    }
}
