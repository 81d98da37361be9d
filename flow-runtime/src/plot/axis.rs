//! An axis: a label, a range, and numbers at round places.

use super::PlotError;

/// A labelled range of a coordinate.
#[derive(Clone, Debug)]
pub struct Axis {
    pub(crate) label: String,
    pub(crate) low: f64,
    pub(crate) high: f64,
    logarithmic: bool,
    flipped: bool,
}

impl Axis {
    /// An even axis. The label names the quantity and its unit: `"depth (km)"`.
    pub fn linear(label: impl Into<String>, low: f64, high: f64) -> Self {
        Self { label: label.into(), low, high, logarithmic: false, flipped: false }
    }

    /// An axis even in the logarithm; both ends are positive.
    pub fn log(label: impl Into<String>, low: f64, high: f64) -> Self {
        Self { label: label.into(), low, high, logarithmic: true, flipped: false }
    }

    /// Puts the low end at the right or the top, as depth is often drawn.
    pub fn flipped(mut self) -> Self {
        self.flipped = !self.flipped;
        self
    }

    pub(crate) fn check(&self) -> Result<(), PlotError> {
        let usable = self.low < self.high && self.low.is_finite() && self.high.is_finite();
        if usable && (!self.logarithmic || self.low > 0.0) {
            return Ok(());
        }
        Err(PlotError::Option {
            what: "the range of an axis",
            given: format!("{} to {} (\"{}\")", self.low, self.high, self.label),
            wanted: "finite numbers low < high are needed, both positive on a log axis",
        })
    }

    /// Maps a value to its position, 0 (left, bottom) to 1 (right, top).
    pub(crate) fn position(&self, value: f64) -> f64 {
        let t = if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if self.flipped { 1.0 - t } else { t }
    }

    /// The value at a position.
    pub(crate) fn value(&self, position: f64) -> f64 {
        let t = if self.flipped { 1.0 - position } else { position };
        if self.logarithmic {
            self.low * (t * (self.high / self.low).ln()).exp()
        } else {
            self.low + t * (self.high - self.low)
        }
    }

    /// Chooses the power of ten by which the numbers are divided.
    pub(crate) fn unit(&self) -> f64 {
        if self.logarithmic { 1.0 } else { 10f64.powi(shared_power(self.low, self.high)) }
    }

    /// Whether a value lies in the range.
    pub(crate) fn holds(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// (position, label) of the numbered ticks, and a power of ten that belongs behind the axis label.
    pub(crate) fn ticks(&self, about: usize) -> (Vec<(f64, String)>, String) {
        if self.logarithmic && self.high / self.low >= 8.0 {
            let decades = (self.high / self.low).log10();
            let steps: &[f64] = if decades < 1.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
            let every = (decades / about as f64).ceil().max(1.0) as i32;
            let values = (first..=last).filter(|e| e.rem_euclid(every) == 0);
            let values = values.flat_map(|e| steps.iter().map(move |s| (s * 10f64.powi(e), e)));
            let inside = values.filter(|(v, _)| self.holds(*v) || (v / self.low - 1.0).abs() < 1e-9);
            let plain = self.low >= 1e-3 && self.high < 1e5;
            let label = |v: f64, e: i32| match (v / 10f64.powi(e)).round() as i32 {
                _ if plain => number(v, (-e).max(0) as usize),
                1 => power_of_ten(e),
                lead => format!("{lead}×{}", power_of_ten(e)),
            };
            return (inside.map(|(v, e)| (self.position(v), label(v, e))).collect(), String::new());
        }
        let (marks, factor) = ticks(self.low, self.high, about);
        (marks.into_iter().map(|(v, label)| (self.position(v), label)).collect(), factor)
    }
}

/// The factor that the numbers of an even axis share, as a power of ten: none near 1.
fn shared_power(low: f64, high: f64) -> i32 {
    let power = low.abs().max(high.abs()).log10().floor() as i32;
    if (-2..5).contains(&power) { 0 } else { power }
}

/// Round values between two numbers with their labels; very large or small ones share a factor, such as " (× 10⁻³)".
pub(crate) fn ticks(low: f64, high: f64, about: usize) -> (Vec<(f64, String)>, String) {
    let step = round_step((high - low) / about as f64);
    let exponent = shared_power(low, high);
    let unit = 10f64.powi(exponent);
    let decimals = (-(step / unit * 1.0001).log10().floor()).max(0.0) as usize;
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    let marks = (first..=last).map(|i| (i as f64 * step, number(i as f64 * step / unit, decimals))).collect();
    (marks, if exponent == 0 { String::new() } else { format!(" (× {})", power_of_ten(exponent)) })
}

/// 1, 2 or 5 times a power of ten, not below the given step.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let lead = step / power;
    power
        * if lead <= 1.0001 {
            1.0
        } else if lead <= 2.0001 {
            2.0
        } else if lead <= 5.0001 {
            5.0
        } else {
            10.0
        }
}

/// A number with a true minus sign.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|b| b == b'0' || b == b'.') => digits.into(),
        Some(digits) => format!("\u{2212}{digits}"),
        None => text,
    }
}

/// 10 to an integer power, in Unicode superscripts.
pub(crate) fn power_of_ten(exponent: i32) -> String {
    let raise = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32(0x2070 + digit as u32 - '0' as u32).unwrap_or(digit),
    };
    match exponent {
        0 => "1".into(),
        1 => "10".into(),
        _ => format!("10{}", exponent.to_string().chars().map(raise).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let labels = |low, high| ticks(low, high, 5).0.into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(labels(0.0, 1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(-0.8, 6.4), ["0", "2", "4", "6"]);
        assert_eq!(labels(-100.0, 100.0), ["−100", "−50", "0", "50", "100"]);
        assert_eq!(ticks(0.0, 3e-6, 3).1, " (× 10⁻⁶)");
        let (log, _) = Axis::log("depth (km)", 0.5, 700.0).ticks(5);
        assert_eq!(log.into_iter().map(|t| t.1).collect::<Vec<_>>(), ["1", "10", "100"]);
        let (log, _) = Axis::log("rate", 6e-4, 1.3e-2).ticks(3);
        assert_eq!(log.into_iter().map(|t| t.1).collect::<Vec<_>>(), ["10⁻³", "2×10⁻³", "5×10⁻³", "10⁻²"]);
    }

    #[test]
    fn positions_and_values_agree() {
        for axis in [Axis::linear("", -3.0, 5.0), Axis::log("", 0.1, 90.0), Axis::linear("", -3.0, 5.0).flipped()] {
            for t in [0.0, 0.3, 1.0] {
                assert!((axis.position(axis.value(t)) - t).abs() < 1e-12);
            }
        }
        assert!(Axis::log("x", 0.0, 1.0).check().is_err() && Axis::linear("x", 1.0, 1.0).check().is_err());
    }
}
