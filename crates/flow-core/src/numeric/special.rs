//! Special functions, generic over [`Real`].

use super::real::{Mask, Real, Scalar};

/// ln(2 pi) / 2, the constant of the normal log-density.
pub const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;

/// ln(1 + e^x), without overflow and without loss for very negative x.
#[inline(always)]
pub fn softplus<R: Real>(x: R) -> R {
    x.max(R::zero()) + (-x.abs()).exp().ln_1p()
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub fn logistic<R: Real>(x: R) -> R {
    let e = (-x.abs()).exp();
    let small = e / (R::one() + e);
    R::select(x.lt(R::zero()), small, R::one() - small)
}

/// ln(e^a + e^b).
#[inline(always)]
pub fn log_add_exp<R: Real>(a: R, b: R) -> R {
    a.max(b) + (-(a - b).abs()).exp().ln_1p()
}

/// Argument below which the quotients use their series: ten terms leave less than 1e-15.
const SERIES: f64 = 0.03;

/// ln(1 + t) / t, smooth through t = 0.
#[inline(always)]
pub fn ln_1p_over<R: Real>(t: R) -> R {
    let small = t.abs().lt(R::constant(SERIES));
    let s = R::select(small, t, R::zero());
    let mut series = R::zero();
    for n in (1..=11).rev() {
        series = R::constant(1.0 / n as f64) - s * series;
    }
    let away = R::select(small, R::constant(1.0), t);
    R::select(small, series, away.ln_1p() / away)
}

/// (e^t - 1) / t, smooth through t = 0.
#[inline(always)]
pub fn exp_m1_over<R: Real>(t: R) -> R {
    let small = t.abs().lt(R::constant(SERIES));
    let s = R::select(small, t, R::zero());
    let mut series = R::one();
    for n in (2..=10).rev() {
        series = R::one() + s * series.scale(1.0 / n as f64);
    }
    let away = R::select(small, R::constant(1.0), t);
    R::select(small, series, away.exp_m1() / away)
}

/// The standard normal CDF and its complement at z, each to full relative precision.
#[inline(always)]
pub fn normal_cdf<R: Real>(z: R) -> (R, R) {
    // The smaller of the two: what is left of one is precise as well.
    let least = z.abs().scale(core::f64::consts::FRAC_1_SQRT_2).erfc().scale(0.5);
    let (negative, rest) = (z.lt(R::zero()), R::one() - least);
    (R::select(negative, least, rest), R::select(negative, rest, least))
}

/// 1 / phi(z), the derivative of the normal quantile where it is z.
#[inline(always)]
pub fn over_normal_density<R: Real>(z: R) -> R {
    (z.square().scale(0.5) + R::constant(HALF_LN_TAU)).exp()
}

/// From this |z| on the tails of the normal distribution come from a continued fraction instead of [`Real::erfc`], which underflows.
const MILLS_FROM: f64 = 5.0;

/// Levels of that fraction: enough to leave 2e-17 at [`MILLS_FROM`] and less beyond.
const MILLS_LEVELS: usize = 25;

apart! {
/// Mills' ratio (1 - Phi(z)) / phi(z) for z from [`MILLS_FROM`] on: Laplace's fraction 1 / (z + 1 / (z + 2 / (z + ..))).
fn mills_tail<R: Real>(z: R) -> R {
        let mut sum = z;
        for level in (1..=MILLS_LEVELS).rev() {
            sum = z + R::constant(level as f64) / sum;
        }
        sum.recip()
}
}

/// Mills' ratio (1 - Phi(z)) / phi(z) at z = -Phi^-1(`least`), z >= 0, to full relative precision however far out.
#[inline(always)]
pub fn mills<R: Real>(z: R, least: R) -> R {
    let near = (z.square().scale(0.5) + R::constant(HALF_LN_TAU)).exp() * least;
    let from = R::constant(MILLS_FROM);
    let far = z.gt(from);
    if far.any() { R::select(far, mills_tail(z.max(from)), near) } else { near }
}

/// ln(1 - Phi(z)) for z >= 0, however far out.
#[inline(always)]
fn ln_normal_tail<R: Real>(z: R) -> R {
    let from = R::constant(MILLS_FROM);
    let near = z.min(from).scale(core::f64::consts::FRAC_1_SQRT_2).erfc().scale(0.5).ln();
    let far = z.gt(from);
    if !far.any() {
        return near;
    }
    let tail = mills_tail(z.max(from)).ln() - z.square().scale(0.5) - R::constant(HALF_LN_TAU);
    R::select(far, tail, near)
}

/// ln Phi(z) - ln Phi(-z): the logit of the standard normal distribution function, in tails of any depth.
#[inline(always)]
pub fn normal_logit<R: Real>(z: R) -> R {
    let tail = ln_normal_tail(z.abs());
    let size = (-tail.exp()).ln_1p() - tail;
    R::select(z.lt(R::zero()), -size, size)
}

/// From this ln p on (27 squared, where the rational approximation of the quantile ends) quantiles are found by Newton steps.
const QUANTILE_ENDS: f64 = -729.0;

/// The standard normal quantile from ln p and ln(1 - p), each precise where it is small, however far out.
#[inline(always)]
pub fn normal_quantile_ln<R: Real>(ln_p: R, ln_q: R) -> R {
    let least = ln_p.min(ln_q);
    let near = quantile(ln_p.exp(), ln_q.exp(), least);
    let far = least.lt(R::constant(QUANTILE_ENDS));
    if !far.any() {
        return near;
    }
    let size = quantile_tail(R::select(far, least, R::constant(QUANTILE_ENDS)));
    R::select(far, R::select(ln_p.lt(ln_q), -size, size), near)
}

apart! {
/// The z with ln(1 - Phi(z)) = `ln_p`, for ln p below [`QUANTILE_ENDS`]. From z^2 = -2 ln p - ln(2 pi) - 2 ln z + .. with z^2 = -2 ln p in
/// the logarithm z is within 1e-4; as the second derivative of ln(1 - Phi) is nearly -1, two Newton steps leave 1e-20.
fn quantile_tail<R: Real>(ln_p: R) -> R {
        let twice = ln_p.scale(-2.0);
        let mut z = (twice - R::constant(2.0 * HALF_LN_TAU) - twice.ln()).sqrt();
        for _ in 0..2 {
            let ratio = mills_tail(z);
            z += (ratio.ln() - z.square().scale(0.5) - R::constant(HALF_LN_TAU) - ln_p) * ratio;
        }
        z
}
}

/// The standard normal quantile from a probability `p` and its complement `q = 1 - p`, each precise near zero.
///
/// `p` or `q` below the smallest normal number is read as that number.
#[inline(always)]
pub fn normal_quantile<R: Real>(p: R, q: R) -> R {
    quantile(p, q, p.min(q).max(R::constant(R::Scalar::TINY)).ln())
}

/// The quantile from p, 1 - p and the logarithm of the smaller of the two.
///
/// Rational approximations of M. J. Wichura, Algorithm AS 241, Appl. Statist. 37 (1988) 477, relative error near 1e-16.
#[inline(always)]
fn quantile<R: Real>(p: R, q: R, ln_least: R) -> R {
    let centre = {
        let d = (p - q).scale(0.5);
        let r = R::constant(0.180625) - d.square();
        let r = r.max(R::zero());
        d * ratio(
            r,
            [
                3.387_132_872_796_366_5,
                133.141_667_891_784_38,
                1_971.590_950_306_551_3,
                13_731.693_765_509_46,
                45_921.953_931_549_87,
                67_265.770_927_008_7,
                33_430.575_583_588_13,
                2_509.080_928_730_122_7,
            ],
            [
                42.313_330_701_600_91,
                687.187_007_492_057_9,
                5_394.196_021_424_751,
                21_213.794_301_586_597,
                39_307.895_800_092_71,
                28_729.085_735_721_943,
                5_226.495_278_852_854,
            ],
        )
    };
    let least = p.min(q);
    let tail = (-ln_least).sqrt();
    let near = ratio(
        tail - R::constant(1.6),
        [
            1.423_437_110_749_683_5,
            4.630_337_846_156_546,
            5.769_497_221_460_691,
            3.647_848_324_763_204_5,
            1.270_458_252_452_368_4,
            0.241_780_725_177_450_6,
            0.022_723_844_989_269_184,
            7.745_450_142_783_414e-4,
        ],
        [
            2.053_191_626_637_759,
            1.676_384_830_183_803_8,
            0.689_767_334_985_1,
            0.148_103_976_427_480_08,
            0.015_198_666_563_616_457,
            5.475_938_084_995_345e-4,
            1.050_750_071_644_416_9e-9,
        ],
    );
    let sign = |size: R| R::select(p.lt(q), -size, size);
    let inner = R::select(least.gt(R::constant(0.075)), centre, sign(near));
    let is_far = tail.gt(R::constant(5.0));
    if !is_far.any() {
        return inner;
    }
    let far = ratio(
        tail - R::constant(5.0),
        [
            6.657_904_643_501_103,
            5.463_784_911_164_114,
            1.784_826_539_917_291_3,
            0.296_560_571_828_504_87,
            0.026_532_189_526_576_124,
            0.001_242_660_947_388_078_4,
            2.711_555_568_743_487_6e-5,
            2.010_334_399_292_288_1e-7,
        ],
        [
            0.599_832_206_555_888,
            0.136_929_880_922_735_8,
            0.014_875_361_290_850_615,
            7.868_691_311_456_133e-4,
            1.846_318_317_510_054_8e-5,
            1.421_511_758_316_446e-7,
            2.044_263_103_389_939_8e-15,
        ],
    );
    R::select(is_far, sign(far), inner)
}

/// Quotient of two polynomials; the denominator starts with one.
#[inline(always)]
fn ratio<R: Real>(x: R, above: [f64; 8], below: [f64; 7]) -> R {
    let (mut num, mut den) = (R::constant(above[7]), R::constant(below[6]));
    for c in above[..7].iter().rev() {
        num = num.mul_add(x, R::constant(*c));
    }
    for c in below[..6].iter().rev() {
        den = den.mul_add(x, R::constant(*c));
    }
    num * den.mul_add(x, R::one()).quick_recip()
}

/// Whether every lane of every value is finite.
#[inline(always)]
pub fn all_finite<R: Real>(values: &[R]) -> R::Mask {
    let mut ok = R::Mask::splat(true);
    for value in values {
        ok = ok & value.is_finite();
    }
    ok
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_inverts_the_distribution_function_in_both_tails() {
        for i in -370..=80 {
            let z = i as f64 * 0.1;
            let (p, q) = normal_cdf(z);
            let back = normal_quantile(p, q);
            assert!((back - z).abs() <= 4e-15 * (1.0 + z.abs()), "{z}: {back}");
        }
    }

    /// ln p and the quantile of p, by mpmath with 50 digits.
    const QUANTILES: [(f64, f64); 19] = [
        (-0.7, -0.008_559_478_582_480_282),
        (-1.0, -0.337_474_963_764_202_44),
        (-2.5, -1.391_182_814_325_568_5),
        (-5.0, -2.470_938_637_261_588_2),
        (-10.0, -3.913_946_240_531_893),
        (-16.811_242_831_518_264, -5.326_723_886_384_496),
        (-25.0, -6.657_904_643_501_103),
        (-30.0, -7.357_666_815_008_75),
        (-100.0, -13.888_476_033_003_887),
        (-300.0, -24.326_438_906_565_59),
        (-700.0, -37.295_079_632_647_415),
        (-728.9, -38.061_559_808_489_65),
        (-729.1, -38.066_810_472_510_106),
        (-745.0, -38.481_948_964_330_2),
        (-1000.0, -44.615_747_731_969_4),
        (-1e4, -141.379_839_873_127_17),
        (-1e6, -1_414.207_782_991_017_4),
        (-1e8, -14_142.134_882_976_301),
        (-5e11, -999_999.999_985_265_5),
    ];

    #[test]
    fn quantiles_from_logarithms_in_tails_of_any_depth() {
        for (ln_p, z) in QUANTILES {
            let ln_q = (-ln_p.exp()).ln_1p();
            let (low, high) = (normal_quantile_ln(ln_p, ln_q), normal_quantile_ln(ln_q, ln_p));
            // Near p = 1/2 the rounding of the two logarithms, not of the quantile, is what is left.
            let bound = 2e-15 * z.abs() + 3e-16;
            assert!((low - z).abs() <= bound && (high + z).abs() <= bound, "{ln_p}: {low} {high}, not {z}");
            let logit = normal_logit(z);
            assert!((logit - (ln_p - ln_q)).abs() <= 3e-15 * (1.0 - ln_p), "{z}: {logit}, not {}", ln_p - ln_q);
            assert_eq!(normal_logit(-z), -logit);
            let narrow = normal_quantile_ln(ln_p as f32, ln_q as f32);
            assert!((f64::from(narrow) / z - 1.0).abs() < 2e-5, "{ln_p}: {narrow}");
        }
        assert_eq!(normal_quantile_ln(0.5_f64.ln(), 0.5_f64.ln()), 0.0);
        assert_eq!(normal_logit(0.0_f64), 0.0);
    }

    #[test]
    fn quantiles_from_logarithms_increase() {
        let mut before = f64::NEG_INFINITY;
        // ln p from -1e9 to just below 0, closest where formulas change.
        let steps = (0..4000).map(|i| -(10f64.powf(9.0 - 12.0 * i as f64 / 4000.0)));
        let dense = [-729.0, -25.0, 0.075_f64.ln()]
            .into_iter()
            .flat_map(|at| (-500..500).map(move |i| at + 1e-9 * f64::from(i)));
        let mut all: Vec<f64> = steps.chain(dense).collect();
        all.sort_by(f64::total_cmp);
        for ln_p in all {
            let z = normal_quantile_ln(ln_p, (-ln_p.exp_m1()).ln());
            assert!(z > before, "{ln_p}: {z} after {before}");
            before = z;
        }
    }

    #[test]
    fn mills_ratio_is_the_derivative_of_the_logarithm() {
        for (ln_p, z) in QUANTILES {
            let ratio = mills(-z, ln_p.exp());
            let h = 1e-4 * (1.0 - ln_p);
            let slope =
                (8.0 * (back(ln_p + h) - back(ln_p - h)) - back(ln_p + 2.0 * h) + back(ln_p - 2.0 * h)) / (12.0 * h);
            assert!((ratio / slope - 1.0).abs() < 1e-9, "{ln_p}: {ratio} {slope}");
        }
        fn back(ln_p: f64) -> f64 {
            normal_quantile_ln(ln_p, (-ln_p.exp()).ln_1p())
        }
    }

    #[test]
    fn quotients_are_smooth_through_zero() {
        for t in [-0.9, -0.031, -0.029, -1e-9, 0.0, 1e-12, 0.02999, 0.0301, 3.0] {
            let (a, b) = if t == 0.0 { (1.0, 1.0) } else { (f64::ln_1p(t) / t, f64::exp_m1(t) / t) };
            assert!((ln_1p_over(t) - a).abs() < 2e-15, "{t}");
            assert!((exp_m1_over(t) - b).abs() < 2e-15 * b, "{t}");
        }
    }

    #[test]
    fn softplus_and_logistic_keep_their_tails() {
        assert_eq!(softplus(-800.0_f64), 0.0);
        assert_eq!(softplus(800.0_f64), 800.0);
        assert!((softplus(-40.0_f64) / (-40.0_f64).exp() - 1.0).abs() < 1e-15);
        assert!((logistic(-40.0_f64) / (-40.0_f64).exp() - 1.0).abs() < 1e-15);
        assert_eq!(log_add_exp(-1e9_f64, 3.0), 3.0);
    }
}
