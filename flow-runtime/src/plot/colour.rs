//! Colours: viridis for densities (even in lightness, safe for colour-blind readers and in print), Okabe and Ito's palette for
//! lines and marks.

use super::axis::{power_of_ten, ticks};
use super::{Grid, PlotError};
use core::f64::consts::LN_10;

/// Red, green, blue, opacity; 0 to 255.
pub type Colour = [u8; 4];

pub(crate) const BLACK: Colour = [0, 0, 0, 255];
pub(crate) const INK: Colour = [38, 38, 38, 255];
pub(crate) const FAINT: Colour = [225, 225, 225, 255];
pub(crate) const WHITE: Colour = [255, 255, 255, 255];

/// M. Okabe and K. Ito, Color Universal Design (2008), in the order used for series: blue, orange, green, purple, sky blue.
pub(crate) const SERIES: [Colour; 5] =
    [[0, 114, 178, 255], [230, 159, 0, 255], [0, 158, 115, 255], [204, 121, 167, 255], [86, 180, 233, 255]];

/// The colour of a series by its number.
pub(crate) fn of_series(rank: usize) -> Colour {
    SERIES[rank % SERIES.len()]
}

/// Their vermilion, kept for the truth.
pub(crate) const TRUTH: Colour = [213, 94, 0, 255];

/// Gives a colour another opacity, 0 to 1.
pub(crate) fn faded([r, g, b, _]: Colour, opacity: f64) -> Colour {
    [r, g, b, (255.0 * opacity).round() as u8]
}

/// Viridis (N. Smith, S. van der Walt, 2015), from 0 to 1.
pub(crate) fn viridis(t: f64) -> Colour {
    let colour = colorous::VIRIDIS.eval_continuous(t.clamp(0.0, 1.0));
    [colour.r, colour.g, colour.b, 255]
}

/// How densities become colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ColourScale {
    /// From zero to the peak.
    Linear,
    /// This many powers of ten below the peak; what is lower has the lowest colour.
    Log {
        /// powers of ten
        decades: f64,
    },
}

/// A colour scale with its ends: log-densities to [0, 1].
pub(crate) struct Colours {
    scale: ColourScale,
    /// densities: of log-densities only their exponentials are ever shown to a reader
    low: f64,
    high: f64,
}

impl Colours {
    pub(crate) fn new(scale: ColourScale, range: Option<[f64; 2]>, grid: &Grid) -> Result<Self, PlotError> {
        let bad = |what, given, wanted| Err(PlotError::Option { what, given, wanted });
        if let ColourScale::Log { decades } = scale
            && !(decades > 0.0 && decades.is_finite())
        {
            return bad("the number of decades", decades.to_string(), "a positive number is needed, such as 4");
        }
        let [low, high] = match (range, scale) {
            (Some(range), _) => range,
            (None, ColourScale::Linear) => [0.0, grid.peak().exp()],
            (None, ColourScale::Log { decades }) => [(grid.peak() - decades * LN_10).exp(), grid.peak().exp()],
        };
        let usable = low < high && high.is_finite() && high > 0.0 && (scale == ColourScale::Linear || low > 0.0);
        if !usable {
            let wanted = "densities low < high are needed, both positive on a log scale (is the density too large or too small?)";
            return bad("the colour range", format!("{low} to {high}"), wanted);
        }
        Ok(Self { scale, low, high })
    }

    /// The lowest log-density that has a colour of its own: what lies below is drawn as this.
    pub(crate) fn floor(&self) -> f64 {
        match self.scale {
            // Far enough below the peak to be the colour of zero.
            ColourScale::Linear => self.high.ln() - 12.0,
            ColourScale::Log { .. } => self.low.ln(),
        }
    }

    /// Maps a log-density to its position on the bar, 0 to 1.
    pub(crate) fn position(&self, log_density: f64) -> f64 {
        let t = match self.scale {
            ColourScale::Linear => (log_density.exp() - self.low) / (self.high - self.low),
            ColourScale::Log { .. } => (log_density - self.low.ln()) / (self.high / self.low).ln(),
        };
        t.clamp(0.0, 1.0)
    }

    /// Positions and labels along the bar, and the factor that belongs behind the bar's label.
    pub(crate) fn ticks(&self) -> (Vec<(f64, String)>, String) {
        match self.scale {
            ColourScale::Linear => {
                let (marks, factor) = ticks(self.low, self.high, 5);
                (marks.into_iter().map(|(v, label)| ((v - self.low) / (self.high - self.low), label)).collect(), factor)
            }
            ColourScale::Log { .. } => {
                let (first, last) = (self.low.log10().ceil() as i32, self.high.log10().floor() as i32);
                let every = ((last - first) / 7 + 1).max(1);
                let marks = (first..=last).filter(|e| e.rem_euclid(every) == 0 || every == 1);
                let marks = marks.map(|e| (self.position(f64::from(e) * LN_10), power_of_ten(e)));
                (marks.collect(), String::new())
            }
        }
    }
}
