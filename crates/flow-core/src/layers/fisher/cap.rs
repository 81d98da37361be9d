//! The scaling of layer f: uniform becomes von Mises-Fisher.

use crate::numeric::special::{exp_m1_over, ln_1p_over};
use crate::numeric::{Real, Scalar};

/// Distances below this are read as this where a logarithm or a quotient is taken: the smallest normal number with room above.
#[inline(always)]
pub(super) fn floor<R: Real>() -> f64 {
    R::Scalar::TINY * 1e16
}

/// A point scaled along the axis.
pub(super) struct Scaled<R> {
    /// Distance (1 -+ z)/2 to the pole of concentration.
    pub(super) near: R,
    /// Distance to the other pole.
    pub(super) far: R,
    /// New / old distance to the pole of concentration.
    pub(super) near_ratio: R,
    /// New / old distance to the other pole.
    pub(super) far_ratio: R,
    /// ln of the derivative.
    pub(super) ln: R,
}

/// The scaling of uniform to von Mises-Fisher and its inverse, from the distances n to the pole of concentration and m = 1 - n to
/// the other one, and K = 2 kappa:
/// ```text
/// forward  n' = -ln(1 + n (e^-K - 1)) / K      m' = ln(1 + m (e^K - 1)) / K      d n'/dn = e^(K n') (1 - e^-K) / K
/// inverse  n = (1 - e^(-K n')) / (1 - e^-K)    m = e^(-K n') (1 - e^(-K m')) / (1 - e^-K)
/// ```
#[inline(always)]
pub(super) fn scaling<R: Real>(n: R, m: R, twice: R, inverse: bool) -> Scaled<R> {
    let (one, least) = (R::one(), R::constant(floor::<R>()));
    // (1 - e^-K) / K: the derivative at the pole of concentration.
    let shrink = exp_m1_over(-twice);
    if inverse {
        let near_ratio = exp_m1_over(-(twice * n)) / shrink;
        // Below the smallest numbers the azimuth at least survives.
        let far_ratio = ((-(twice * n)).exp() * exp_m1_over(-(twice * m)) / shrink).max(least);
        let ln = -(shrink.ln() + twice * n);
        return Scaled { near: n * near_ratio, far: m * far_ratio, near_ratio, far_ratio, ln };
    }
    // n' to full relative precision: by ln_1p, or from m where little is left of 1 + n (e^-K - 1) = m + n e^-K.
    let m_read = m.max(least);
    let minus = (-twice).exp_m1();
    let (t, rest) = (n * minus, m_read + n * (-twice).exp());
    let close = t.gt(R::constant(-0.5));
    let close_ratio = ln_1p_over(R::select(close, t, R::zero())) * shrink;
    let far_n = R::select(close, one, n);
    let near_ratio = R::select(close, close_ratio, -R::select(close, one, rest).ln() / (twice * far_n));
    let near = n * near_ratio;
    // m' likewise: 1 - n', but by ln_1p where n' > 1/2 unless e^K overflows (then m' is tiny only at distances near e^-K).
    let largest = R::constant(-0.85 * R::Scalar::TINY.ln());
    let simple = near.le(R::constant(0.5)) | twice.gt(largest);
    let bounded = R::select(simple, one, twice);
    let far_ratio = R::select(
        simple,
        (one - near).max(least) / m_read,
        ln_1p_over(m_read * bounded.exp_m1()) * exp_m1_over(bounded),
    );
    let far = m * far_ratio;
    // A pole stays one.
    let near = R::select(m.lt(least), one - far, near);
    let near_ratio = R::select(m.lt(least), near, near_ratio);
    Scaled { near, far, near_ratio, far_ratio, ln: shrink.ln() + twice * near }
}
