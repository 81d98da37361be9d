//! The regulator of widths: raw parameters to log-widths in a safe range (layers.md 4.1).

use crate::numeric::special::{log_add_exp, logistic, softplus};
use crate::numeric::{Dual, Real};

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
pub(crate) fn bounded_log<R: Real>(x: R, lower: f64, upper: f64, centre: f64) -> R {
    log_add_exp(R::constant(upper.ln()) - softplus(R::constant(centre) - x), R::constant(lower.ln()))
}

/// The derivative of [`bounded_log`], given its value.
pub(crate) fn bounded_log_slope<R: Real>(x: R, value: R, upper: f64, centre: f64) -> R {
    let s = logistic(x - R::constant(centre));
    s * (R::one() - s) * (R::constant(upper.ln()) - value).exp()
}

impl WidthRegulator {
    /// The log-width of a raw parameter.
    pub fn log_width<R: Real>(&self, raw: R) -> R {
        let smooth = self.smooth && !self.softplus;
        let top = if smooth { 3.0 * self.upper.ln() } else { self.upper.ln() };
        let mut raw = raw;
        if self.clamp {
            raw = raw.max(R::constant((self.lower / 100.0).ln()));
            if self.upper > 0.0 {
                raw = raw.min(R::constant(top));
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
    pub fn with_slope<R: Real>(&self, raw: R) -> (R, R) {
        let dual = self.log_width(Dual::<R, 1>::input(raw, 0));
        (dual.value, dual.grad[0])
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
            for raw in [-3.0, -0.2, 0.9, 2.5] {
                let (value, slope) = regulator.with_slope(raw);
                let h = 1e-5;
                let numerical = (regulator.log_width(raw + h) - regulator.log_width(raw - h)) / (2.0 * h);
                assert!((slope - numerical).abs() < 1e-9, "{regulator:?} {raw}: {slope} {numerical}");
                assert_eq!(value, regulator.log_width(raw));
            }
        }
        let x = 0.7;
        let slope = bounded_log_slope(x, bounded_log(x, 1.0, 10.0, 0.0), 10.0, 0.0);
        let numerical = (bounded_log(x + 1e-5, 1.0, 10.0, 0.0) - bounded_log(x - 1e-5, 1.0, 10.0, 0.0)) / 2e-5;
        assert!((slope - numerical).abs() < 1e-9);
    }
}
