//! What the distribution function of a mixture is mapped to: y as a function of the logit t = ln F - ln S, with F = s(t), S = s(-t)
//! (layers.md 4.2, `inverse_function_type`).
//!
//! * `isigmoid`: y = t, a logistic variable.
//! * `inormal`: the normal quantile of F, exact in both tails however deep. The choice for new densities.
//!
//! Three published approximations of it are kept so that published parameters keep their meaning. With Winitzki's constant
//! a = 0.147, c = 2 / (pi a), L = ln(4 F S), G = L/2 + c, H = sqrt(G^2 - L/a), his quantile is sign(t) sqrt(2 (H - G)):
//!
//! * `inormal_full_pade`: that everywhere. Smooth and increasing. Its published ln y' is a constant for |F - 1/2| <= 1e-5.
//! * `inormal_partly_precise`: the exact quantile, and his where F or S is at most 5e-8. There y steps *back* from 5.3267 to
//!   5.3234, so that a y in between has two preimages; the one in the centre is returned.
//! * `inormal_partly_crude`: the exact quantile, and sqrt(-2 ln(F S)) - 0.4717 where F or S is at most 5e-8. There y jumps *over* the
//!   numbers between 5.32672 and 5.32680, which are no values; their preimage is the jump. Its published ln y' in the tail leaves out
//!   ln |F - S| (at most 1e-7).
//!
//! The way back ([`Quantile::logit`]) is a closed formula for each.

use super::mixture::Mixture;
use crate::numeric::special::{
    HALF_LN_TAU, ln_1p_over, mills, normal_cdf, normal_logit, normal_quantile, normal_quantile_ln,
};
use crate::numeric::{Dual, Mask, Real, apart};
use core::f64::consts::{LN_2, PI};
use flow_notation::options::InverseFunction;

/// Below this probability (in either tail) the partly approximate variants take their approximation.
const TAIL: f64 = 5e-8;
/// The logit of 1 - TAIL and its normal quantile.
const TAIL_LOGIT: f64 = 16.811_242_781_518_264;
const TAIL_QUANTILE: f64 = 5.326_723_886_384_496;
/// Winitzki's constant and what follows from it.
const WINITZKI: f64 = 0.147;
const WINITZKI_C: f64 = 2.0 / (PI * WINITZKI);
/// What the crude tail takes off.
const CRUDE: f64 = 0.4717;
/// |F - S| within which the published ln y' of `inormal_full_pade` is a constant, and the number whose logarithm it is.
const PATCH: f64 = 2e-5;
const PATCH_SLOPE: f64 = 2.506_628;

/// y of a mixture, with derivatives along t.
pub(super) struct Outer<R> {
    pub y: R,
    /// dy / dt.
    pub slope: R,
    /// ln |dy / dx|, the mixture included: ln dy/dt + ln q.
    pub log_slope: R,
    /// d ln(dy/dt) / dt.
    pub bend: R,
}

impl<R: Real> Outer<R> {
    /// Cotangents of ln F, ln S and ln p from those of y and of ln y'.
    #[inline(always)]
    pub(super) fn cots(&self, cot_y: R, cot_l: R) -> [R; 3] {
        let cot_t = cot_y * self.slope + cot_l * self.bend;
        [cot_t - cot_l, -cot_t - cot_l, cot_l]
    }
}

/// The function that an [`InverseFunction`] names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantile(pub InverseFunction);

impl Quantile {
    /// y of a mixture.
    #[inline(always)]
    pub(super) fn outer<R: Real>(self, mix: &Mixture<R>) -> Outer<R> {
        self.along::<R, 1>(mix)
    }

    /// y of a mixture with `N` derivatives along t where a formula is differentiated as it is written: 1, or 0 where nobody reads them.
    #[inline(always)]
    fn along<R: Real, const N: usize>(self, mix: &Mixture<R>) -> Outer<R> {
        match self.0 {
            InverseFunction::Isigmoid => isigmoid(mix),
            InverseFunction::InormalPartlyPrecise => with_tail::<R, N>(mix, winitzki),
            seldom => seldom_taken(seldom, *mix),
        }
    }

    /// y of a mixture and ln |dy / dx|, without the derivatives of either.
    #[inline(always)]
    pub(super) fn value<R: Real>(self, mix: &Mixture<R>) -> (R, R) {
        let Outer { y, log_slope, .. } = self.along::<R, 0>(mix);
        (y, log_slope)
    }

    /// The logit t that belongs to y.
    #[inline(always)]
    pub(super) fn logit<R: Real>(self, y: R) -> R {
        match self.0 {
            InverseFunction::Isigmoid => y,
            InverseFunction::InormalPartlyPrecise => logit_with_tail(y, winitzki_product(beyond_edge(y))),
            seldom => seldom_taken_logit(seldom, y),
        }
    }
}

apart! {
/// y by a formula that few densities ask for.
fn seldom_taken<R: Real>(kind: InverseFunction, mix: Mixture<R>) -> Outer<R> {
    match kind {
        InverseFunction::InormalFullPade => full_pade::<R, 1>(&mix),
        InverseFunction::InormalPartlyCrude => with_tail::<R, 1>(&mix, crude),
        _ => inormal(&mix),
    }
}

/// The way back from it.
fn seldom_taken_logit<R: Real>(kind: InverseFunction, y: R) -> R {
    match kind {
        InverseFunction::InormalFullPade => odd(y, logit_of_product(winitzki_product(y.abs()))),
        InverseFunction::InormalPartlyCrude => logit_with_tail(y, crude_product(beyond_edge(y))),
        _ => normal_logit(y),
    }
}
}

/// `size` with the sign of `y`.
#[inline(always)]
fn odd<R: Real>(y: R, size: R) -> R {
    R::select(y.lt(R::zero()), -size, size)
}

#[inline(always)]
fn isigmoid<R: Real>(mix: &Mixture<R>) -> Outer<R> {
    Outer { y: mix.logit(), slope: R::one(), log_slope: mix.ln_q(), bend: R::zero() }
}

/// The exact quantile where neither F nor S is far below the rounding of numbers. With F = Phi(y): dy/dt = F S / phi(y),
/// d ln(dy/dt) / dt = S - F + y dy/dt.
#[inline(always)]
fn centre<R: Real>(ln_p: R, f: R, s: R) -> Outer<R> {
    let y = normal_quantile(f, s);
    let half = y.square().scale(0.5) + R::constant(HALF_LN_TAU);
    let slope = half.exp() * (f * s);
    Outer { y, slope, log_slope: half + ln_p, bend: s - f + y * slope }
}

#[inline(always)]
fn inormal<R: Real>(mix: &Mixture<R>) -> Outer<R> {
    let (ln_f, ln_s, ln_q) = (mix.ln_f(), mix.ln_s(), mix.ln_q());
    let y = normal_quantile_ln(ln_f, ln_s);
    let (f, s, least) = (mix.f(), mix.s(), ln_f.min(ln_s));
    // The smaller of F and S over phi(y).
    let ratio = mills(y.abs(), least.exp());
    let slope = ratio * f.max(s);
    Outer { y, slope, log_slope: ratio.ln() + ln_f.max(ln_s) + ln_q, bend: s - f + y * slope }
}

/// t, and the direction along it if there is one.
#[inline(always)]
fn along<R: Real, const N: usize>(t: R) -> Dual<R, N> {
    Dual { value: t, grad: [R::one(); N] }
}

/// The derivative along t, or zero.
#[inline(always)]
fn slope<R: Real, const N: usize>(of: &Dual<R, N>) -> R {
    if N > 0 { of.grad[0] } else { R::zero() }
}

/// The exact quantile, and in the tails a function of t that gives y and ln dy/dt.
#[inline(always)]
fn with_tail<R: Real, const N: usize>(
    mix: &Mixture<R>,
    tail: impl Fn(Dual<R, N>) -> (Dual<R, N>, Dual<R, N>),
) -> Outer<R> {
    let (f, s) = (mix.f(), mix.s());
    let far = f.le(R::constant(TAIL)) | s.le(R::constant(TAIL));
    let mut outer = centre(mix.ln_p(), f, s);
    if far.any() {
        // Lanes in the centre get a harmless argument.
        let t = R::select(far, mix.logit(), R::constant(TAIL_LOGIT));
        let (y, log_slope) = tail(along(t));
        outer.y = R::select(far, y.value, outer.y);
        outer.slope = R::select(far, slope(&y), outer.slope);
        outer.log_slope = R::select(far, log_slope.value + mix.ln_q(), outer.log_slope);
        outer.bend = R::select(far, slope(&log_slope), outer.bend);
    }
    outer
}

#[inline(always)]
fn full_pade<R: Real, const N: usize>(mix: &Mixture<R>) -> Outer<R> {
    let (y, log_slope) = winitzki(along::<R, N>(mix.logit()));
    let (total, bend) = (log_slope.value + mix.ln_q(), slope(&log_slope));
    // In the patch ln |dy/dx| is a constant and ln p; along t, ln F + ln S changes by S - F.
    let excess = mix.f() - mix.s();
    let patch = excess.abs().le(R::constant(PATCH));
    Outer {
        y: y.value,
        slope: slope(&y),
        log_slope: R::select(patch, R::constant(PATCH_SLOPE.ln()) + mix.ln_p(), total),
        bend: R::select(patch, -excess, bend),
    }
}

apart! {
/// Winitzki's quantile and ln dy/dt.
///
/// With d = F - S = tanh(t/2) and -L = q d^2, the difference H - G is q d^2 / (a (H + G)), so that y = d sqrt(2 ratio) with
/// ratio = (H - G) / d^2: smooth through t = 0, where the published form loses half of its digits.
fn winitzki<R: Real>(t: R) -> (R, R) {
        let one = R::one();
        let d = t.scale(0.5).tanh();
        let d2 = d.square();
        let near = t.abs().lt(one);
        let size = R::select(near, one, t.abs());
        let ln_product = R::constant(2.0 * LN_2) - size - (-size).exp().ln_1p().scale(2.0);
        let q = R::select(near, ln_1p_over(-R::select(near, d2, R::zero())), -ln_product / R::select(near, one, d2));
        let g = R::constant(WINITZKI_C) - (q * d2).scale(0.5);
        let h = (g.square() + (q * d2).scale(1.0 / WINITZKI)).sqrt();
        let central = g.gt(R::zero());
        let ratio = R::select(
            central,
            q.scale(1.0 / WINITZKI) / (h + R::select(central, g, one)),
            (h - R::select(central, R::zero(), g)) / R::select(central, one, d2),
        );
        let log_slope =
            (ratio * d2 + R::constant(1.0 / WINITZKI)).ln() - R::constant(1.5 * LN_2) - ratio.ln().scale(0.5) - h.ln();
        (d * ratio.scale(2.0).sqrt(), log_slope)
}
}

/// L = ln(4 F S) from |y|: y^2/2 = H - G solved for it.
#[inline(always)]
fn winitzki_product<R: Real>(size: R) -> R {
    let half = size.square().scale(0.5);
    -half * (half + R::constant(2.0 * WINITZKI_C)) / (half + R::constant(1.0 / WINITZKI))
}

/// L = ln(4 F S) from |y| by the crude tail. A y that is jumped over belongs to the jump.
#[inline(always)]
fn crude_product<R: Real>(size: R) -> R {
    let product = R::constant(2.0 * LN_2) - (size + R::constant(CRUDE)).square().scale(0.5);
    product.min(R::constant(2.0 * (LN_2 + (-TAIL).ln_1p()) - TAIL_LOGIT))
}

apart! {
/// The crude tail, and its published ln dy/dt.
fn crude<R: Real>(t: R) -> (R, R) {
    let size = t.abs();
    let twice = (size + (-size).exp().ln_1p().scale(2.0)).scale(2.0);
    (odd(t, twice.sqrt() - R::constant(CRUDE)), twice.ln().scale(-0.5))
}
}

/// |t| from L = ln(4 F S) <= 0: with d = |F - S|, 4 F S = 1 - d^2 = (1 + d) (1 - d) and |t| = ln((1 + d) / (1 - d)).
#[inline(always)]
fn logit_of_product<R: Real>(product: R) -> R {
    let d = (-product.exp_m1()).sqrt();
    d.ln_1p().scale(2.0) - product
}

/// |y| where it is beyond the end of the exact quantile, and that end elsewhere.
#[inline(always)]
fn beyond_edge<R: Real>(y: R) -> R {
    y.abs().max(R::constant(TAIL_QUANTILE))
}

/// t from y where the exact quantile ends at [`TAIL_QUANTILE`], and beyond it from L at [`beyond_edge`].
#[inline(always)]
fn logit_with_tail<R: Real>(y: R, product: R) -> R {
    let edge = R::constant(TAIL_QUANTILE);
    let (f, s) = normal_cdf(y.max(-edge).min(edge));
    let centre = f.ln() - s.ln();
    let far = y.abs().gt(edge);
    if !far.any() {
        return centre;
    }
    let tail = logit_of_product(product);
    R::select(far, odd(y, tail), centre)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::special::softplus;
    use crate::numeric::{Lanes, Pack};

    /// ln F, ln S and a constant ln q at the logit t.
    fn logs<R: Real>(t: R) -> [R; 3] {
        [-softplus(-t), -softplus(t), R::constant(-0.3)]
    }

    /// A mixture in logarithms.
    fn at_logit<R: Real>(t: R) -> Mixture<R> {
        Mixture::in_logs(logs(t))
    }

    const LOGITS: [f64; 19] = [
        -1e8, -3e4, -800.0, -745.0, -740.0, -100.0, -17.5, -16.0, -3.0, -0.4, -1e-3, 0.0, 1e-7, 0.9, 1.1, 12.0, 20.0,
        700.0, 1e6,
    ];

    #[test]
    fn the_logit_is_the_way_back() {
        for outer in InverseFunction::ALL.iter().copied().map(Quantile) {
            for t in LOGITS {
                let back = outer.logit(outer.outer(&at_logit(t)).y);
                assert!((back - t).abs() <= 2e-14 * (1.0 + t.abs()), "{outer:?} {t}: {back}");
                let narrow = outer.logit(outer.outer(&at_logit(t as f32)).y);
                // A number of y has 24 bits, and t grows like y^2 / 2.
                assert!((f64::from(narrow) - t).abs() <= 3e-6 * (1.0 + t.abs()), "{outer:?} {t}: {narrow}");
            }
        }
    }

    #[test]
    fn slopes_are_differences() {
        let difference =
            |h: f64, f: &dyn Fn(f64) -> f64| (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h);
        for outer in InverseFunction::ALL.iter().copied().map(Quantile) {
            for t in LOGITS.into_iter().filter(|t| t.abs() < 1e5) {
                let h = 1e-3 * (1.0 + t.abs());
                let at = |t: f64| outer.outer(&at_logit(t));
                let Outer { slope, log_slope, bend, .. } = at(t);
                let numerical = difference(h, &|h| at(t + h).y);
                assert!((slope / numerical - 1.0).abs() < 1e-9, "{outer:?} {t}: {slope} {numerical}");
                // ln dy/dt, which the two published liberties leave at that of the formula (see the head of the file).
                let ln = |t: f64| at(t).log_slope - logs(t)[2];
                let published = match outer.0 {
                    InverseFunction::InormalPartlyCrude if t.abs() > 16.0 => 1.1e-7,
                    InverseFunction::InormalFullPade if t.abs() < 1e-4 => 1.2e-7,
                    _ => 1e-12,
                };
                let off = ln(t) - slope.ln();
                assert!(off.abs() < published * (1.0 + 1e-2 * t.abs()), "{outer:?} {t}: {off}");
                assert!((log_slope - logs(t)[2] - ln(t)).abs() == 0.0);
                if !(matches!(outer.0, InverseFunction::InormalFullPade) && t.abs() < 1e-2) {
                    let numerical = difference(h, &|h| ln(t + h));
                    assert!((bend - numerical).abs() < 1e-8, "{outer:?} {t}: {bend} {numerical}");
                }
            }
        }
    }

    #[test]
    fn the_exact_quantile_increases_where_the_published_one_steps_back_or_jumps() {
        let edge = TAIL_LOGIT;
        let step = |of| Quantile(of).outer(&at_logit(edge + 1e-9)).y - Quantile(of).outer(&at_logit(edge - 1e-9)).y;
        assert!((step(InverseFunction::InormalPartlyPrecise) + 3.35e-3).abs() < 1e-4);
        assert!((step(InverseFunction::InormalPartlyCrude) - 7e-5).abs() < 2e-5);
        for smooth in [InverseFunction::Isigmoid, InverseFunction::InormalFullPade, InverseFunction::Inormal] {
            assert!((0.0..3e-9).contains(&step(smooth)), "{smooth:?}");
            let mut before = f64::NEG_INFINITY;
            for i in -40_000..=40_000 {
                let y = Quantile(smooth).outer(&at_logit(f64::from(i) * 0.025)).y;
                assert!(y > before, "{smooth:?} {i}: {y} after {before}");
                before = y;
            }
        }
        // What is jumped over belongs to the jump.
        assert!((Quantile(InverseFunction::InormalPartlyCrude).logit(5.32675) - edge).abs() < 1e-6);
        assert!((Quantile(InverseFunction::InormalPartlyCrude).logit(-5.32675) + edge).abs() < 1e-6);
    }

    #[test]
    fn lanes_do_not_see_each_other() {
        for outer in InverseFunction::ALL.iter().copied().map(Quantile) {
            for four in LOGITS.chunks_exact(4) {
                let wide = outer.outer(&at_logit(Lanes::<f64, 4>::from_fn(|l| four[l])));
                let wide_back = outer.logit(wide.y);
                for l in 0..4 {
                    let one = outer.outer(&at_logit(four[l]));
                    let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * (1.0 + b.abs());
                    assert!(
                        close(wide.y.lane(l), one.y) && close(wide.slope.lane(l), one.slope),
                        "{outer:?} {}",
                        four[l]
                    );
                    assert!(close(wide.log_slope.lane(l), one.log_slope) && close(wide.bend.lane(l), one.bend));
                    assert!(close(wide_back.lane(l), outer.logit(one.y)));
                }
            }
        }
    }
}
