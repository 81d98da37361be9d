//! The regulator of widths: raw parameters to log-widths in a safe range (layers.md 4.1).

use crate::numeric::special::{log_add_exp, logistic, softplus};
use crate::numeric::{Dual, Real, Scalar};

/// Options of the regulator, shared by g and t.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WidthRegulator {
    pub softplus: bool,
    pub clamp: bool,
    pub smooth: bool,
    pub lower: f64,
    pub upper: f64,
}

/// ln( M / (1 + e^(c - x)) + m ), evaluated in the log domain (layers.md P4); range (ln m, ln(M + m)).
#[inline(always)]
pub(crate) fn bounded_log<R: Real>(x: R, lower: f64, upper: f64, centre: f64) -> R {
    log_add_exp(R::constant(upper.ln()) - softplus(R::constant(centre) - x), R::constant(lower.ln()))
}

/// The derivative of [`bounded_log`], given its value.
#[inline(always)]
pub(crate) fn bounded_log_slope<R: Real>(x: R, value: R, upper: f64, centre: f64) -> R {
    let s = logistic(x - R::constant(centre));
    s * (R::one() - s) * (R::constant(upper.ln()) - value).exp()
}

impl WidthRegulator {
    /// The log-width of a raw parameter.
    #[inline(always)]
    pub fn log_width<R: Real>(&self, raw: R) -> R {
        let smooth = self.smooth && !self.softplus;
        let mut raw = raw;
        if self.clamp {
            let [low, high] = self.clip();
            raw = raw.max(R::constant(low));
            if self.upper > 0.0 {
                raw = raw.min(R::constant(high));
            }
        }
        if self.softplus {
            (softplus(raw) + R::constant(self.lower)).ln()
        } else if smooth {
            bounded_log(raw, self.lower, self.upper, self.upper.ln())
        } else {
            log_add_exp(raw, R::constant(self.lower.ln()))
        }
    }

    /// The log-width and its derivative.
    #[inline(always)]
    pub fn with_slope<R: Real>(&self, raw: R) -> (R, R) {
        let dual = self.log_width(Dual::<R, 1>::input(raw, 0));
        (dual.value, dual.grad[0])
    }

    /// 1 / width of a raw parameter.
    ///
    /// A smooth regulator has width m + 1 / t with t = e^-x + 1 / M, and so 1 / width = t / (1 + m t).
    #[inline(always)]
    pub fn inverse<R: Real>(&self, raw: R) -> R {
        if !self.smooth || self.softplus {
            return (-self.log_width(raw)).exp();
        }
        let (_, t) = self.smooth_parts(raw);
        t * t.mul_add(R::constant(self.lower), R::one()).quick_recip()
    }

    /// d ln(width) / d raw, given 1 / width: of a smooth regulator e^-x / t^2 / width.
    #[inline(always)]
    pub fn slope<R: Real>(&self, raw: R, inverse: R) -> R {
        if !self.smooth || self.softplus {
            return self.with_slope(raw).1;
        }
        let (e, t) = self.smooth_parts(raw);
        let over = t.quick_recip();
        let slope = (e * over) * (over * inverse);
        if !self.clamp {
            return slope;
        }
        let [low, high] = self.clip().map(R::constant);
        R::select(raw.lt(low) | raw.gt(high), R::zero(), slope)
    }

    /// Where `clamp` clips raw parameters.
    fn clip(&self) -> [f64; 2] {
        let smooth = self.smooth && !self.softplus;
        let top = if smooth { 3.0 * self.upper.ln() } else { self.upper.ln() };
        [(self.lower / 100.0).ln(), if self.upper > 0.0 { top } else { f64::INFINITY }]
    }

    /// e^-x and t of a smooth regulator; x is kept above what overflows, where the width is the least one to all digits.
    #[inline(always)]
    fn smooth_parts<R: Real>(&self, raw: R) -> (R, R) {
        let mut raw = raw.max(R::constant(-0.4 * R::Scalar::LARGE.ln()));
        if self.clamp {
            let [low, high] = self.clip();
            raw = raw.clamp(low, high);
        }
        let e = (-raw).exp();
        (e, e + R::constant(1.0 / self.upper))
    }

    /// A raw parameter whose log-width is `log_width`, or as near as the range allows.
    pub fn raw(&self, log_width: f64) -> f64 {
        let (mut low, mut high) = (-40.0, 40.0);
        for _ in 0..80 {
            let middle = 0.5 * (low + high);
            if self.log_width(middle) < log_width { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_inverts_the_regulator_and_slopes_are_differences() {
        for (softplus, clamp, smooth) in [
            (false, false, true),
            (false, true, true),
            (false, false, false),
            (false, true, false),
            (true, false, true),
            (true, true, false),
        ] {
            let regulator = WidthRegulator { softplus, clamp, smooth, lower: 0.01, upper: 100.0 };
            for log_width in [-2.0, 0.0, 1.5] {
                assert!((regulator.log_width(regulator.raw(log_width)) - log_width).abs() < 1e-12);
            }
            for raw in [-3.0, -0.2, 0.9, 2.5, 11.0] {
                let (value, slope) = regulator.with_slope(raw);
                let h = 1e-5;
                let numerical = (regulator.log_width(raw + h) - regulator.log_width(raw - h)) / (2.0 * h);
                assert!((slope - numerical).abs() < 1e-9, "{regulator:?} {raw}: {slope} {numerical}");
                assert_eq!(value, regulator.log_width(raw));
                let inverse = regulator.inverse(raw);
                assert!((inverse * value.exp() - 1.0).abs() < 1e-14, "{regulator:?} {raw}: {inverse} {value}");
                let direct = regulator.slope(raw, inverse);
                assert!((direct - slope).abs() < 1e-14, "{regulator:?} {raw}: {direct} {slope}");
            }
        }
        let x = 0.7;
        let slope = bounded_log_slope(x, bounded_log(x, 1.0, 10.0, 0.0), 10.0, 0.0);
        let numerical = (bounded_log(x + 1e-5, 1.0, 10.0, 0.0) - bounded_log(x - 1e-5, 1.0, 10.0, 0.0)) / 2e-5;
        assert!((slope - numerical).abs() < 1e-9);
    }
}
