//! Figures of densities, samples and fits, as PNG and SVG (cargo feature `plot`).
//!
//! A [`Figure`] is a grid of panels; a single [`Panel`] can also be saved by itself. Panels know nothing of flows: densities come in as closures
//! from a batch of points to log-densities, samples as slices. [`Steps`] and [`Report`] draw what a flow has to show.
//!
//! | file | what it draws or computes |
//! |---|---|
//! | [`sky_map`](SkyMap) | a density on the sphere: all of it in Mollweide's equal-area projection, or a part |
//! | [`density2d`](Density2d) | a density on a rectangle |
//! | [`ternary`](Ternary) | a density of three shares, in a triangle |
//! | [`circle`](CirclePlot) | histograms and curves around a circle |
//! | [`marginal`](Marginal) | histograms and curves of one coordinate |
//! | [`corner`](Corner) | every coordinate and every pair of samples of several distributions |
//! | [`training`](TrainingCurves) | losses and rate of a fit |
//! | [`calibration`](CoveragePlot) | coverage and [probability integral transforms](PitHistogram), with bands |
//! | [`steps`](Steps) | the density after each layer of a chain |
//! | [`report`](Report) | a folder with all pictures that fit a density, its numbers, and a page that shows them |
//! | [`figure`](Figure) | panels side by side, and the file |
//! | [`grid`](Grid) | a density on cells: integral, credible levels |
//! | `smooth` | densities of samples |
//! | `graticule` | lines and names on maps of the sphere |
//! | [`mollweide`](Mollweide), [`zenithal`](Zenithal) | projections and their inverses |
//! | `contour` | lines of one level on a grid |
//! | `heat`, `curves` | what panels of two coordinates, and of one, have in common |
//! | [`axis`](Axis), `colour`, `parts` | ticks, colours, legends |
//! | [`canvas`](Canvas), `raster`, `svg` | a page: lines, areas and text; its pixels, its vectors |
//!
//! Pages are drawn once and written twice. tiny-skia makes the pixels; the five kinds of marks of a page are written as SVG here, as no kept library
//! draws to both with text as outlines. Colours are viridis, and for lines those of Okabe and Ito: safe for colour-blind readers, and in print.
//!
//! ```
//! use flow_runtime::plot::{Axis, Density2d, Panel};
//!
//! let normal = |points: &[[f64; 2]]| -> Vec<f64> {
//!     points.iter().map(|[x, y]| -0.5 * (x * x + y * y) - std::f64::consts::TAU.ln()).collect()
//! };
//! let png = Density2d::new(Axis::linear("x (m)", -4.0, 4.0), Axis::linear("y (m)", -4.0, 4.0))
//!     .density(normal)
//!     .contours(&[0.5, 0.9])
//!     .png()?;
//! assert!(png.starts_with(b"\x89PNG"));
//! # Ok::<(), flow_runtime::plot::PlotError>(())
//! ```

mod axis;
mod calibration;
mod canvas;
mod circle;
mod colour;
mod contour;
mod corner;
mod curves;
mod density2d;
mod figure;
mod graticule;
mod grid;
mod heat;
mod marginal;
mod mollweide;
mod page;
mod parts;
mod raster;
mod report;
mod sky_map;
mod smooth;
mod steps;
mod svg;
mod ternary;
mod training;
mod zenithal;

pub use axis::Axis;
pub use calibration::{CoveragePlot, PitHistogram};
pub use canvas::{Anchor, Canvas, Rect};
pub use circle::CirclePlot;
pub use colour::{Colour, ColourScale};
pub use corner::Corner;
pub use density2d::Density2d;
pub use figure::{Figure, Panel};
pub use graticule::View;
pub use grid::Grid;
pub use marginal::{Marginal, marginals};
pub use mollweide::Mollweide;
pub use report::Report;
pub use sky_map::SkyMap;
pub use steps::Steps;
pub use ternary::Ternary;
pub use training::TrainingCurves;
pub use zenithal::Zenithal;

use crate::module::FileError;
use core::ops::RangeInclusive;
use std::path::PathBuf;

/// The error of a user's closure.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error between a density and a picture of it.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The density closure gave another number of values than it was given points.
    #[error("the density was asked at {asked} points and returned {returned} values: return one log-density a point")]
    Count {
        /// How many points were given.
        asked: usize,
        /// How many values came back.
        returned: usize,
    },
    /// The density closure returned NaN or plus infinity.
    #[error("the log-density at point ({}, {}) is {value}: a finite number or -inf (density zero) is needed", point[0], point[1])]
    NotADensity {
        /// The point.
        point: [f64; 2],
        /// The value returned.
        value: f64,
    },
    /// The density is zero wherever the picture looks.
    #[error("the density is zero at every point of the picture: check the range and the units of the axes")]
    Empty,
    /// The density closure failed.
    #[error("the density could not be evaluated: {0}")]
    Density(#[source] BoxError),
    /// An axis, a range, a size or a probability is not usable.
    #[error("{what} is {given}: {wanted}")]
    Option {
        /// Name of the argument.
        what: &'static str,
        /// The value given.
        given: String,
        /// The values that are possible.
        wanted: &'static str,
    },
    /// A point, sample or curve holds NaN or an infinity.
    #[error("{what} {row} is {value}: only finite numbers can be drawn")]
    NotFinite {
        /// Name of the list.
        what: String,
        /// Index in the list.
        row: usize,
        /// The number.
        value: f64,
    },
    /// The picture could not be encoded.
    #[error("the picture could not be encoded: {0}")]
    Encode(String),
    /// A report would be written over something that is none.
    #[error("{}: there is something here that no report wrote, and that is not replaced: give an empty folder, or one that is not there yet", path.display())]
    Foreign {
        /// Path of the folder or file.
        path: PathBuf,
    },
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
}

/// The return types of a density closure: the log-densities, or a `Result` of them.
pub trait LogDensities {
    /// The values, or why there are none.
    fn into_result(self) -> Result<Vec<f64>, BoxError>;
}

impl LogDensities for Vec<f64> {
    fn into_result(self) -> Result<Vec<f64>, BoxError> {
        Ok(self)
    }
}

impl<E: Into<BoxError>> LogDensities for Result<Vec<f64>, E> {
    fn into_result(self) -> Result<Vec<f64>, BoxError> {
        self.map_err(Into::into)
    }
}

/// A density closure, owned by a panel until it is drawn.
type LogDensity<'a> = Box<dyn FnMut(&[[f64; 2]]) -> Result<Vec<f64>, BoxError> + 'a>;

/// Boxes a closure, so that panels hold one type.
fn boxed<'a, R: LogDensities>(mut density: impl FnMut(&[[f64; 2]]) -> R + 'a) -> LogDensity<'a> {
    Box::new(move |points| density(points).into_result())
}

/// Refuses a list with a NaN or an infinity in it.
fn finite<'p>(what: &str, values: impl IntoIterator<Item = &'p f64>, per_row: usize) -> Result<(), PlotError> {
    match values.into_iter().enumerate().find(|(_, value)| !value.is_finite()) {
        Some((i, value)) => Err(PlotError::NotFinite { what: what.into(), row: i / per_row, value: *value }),
        None => Ok(()),
    }
}

/// Refuses a number outside its range.
fn within(
    range: RangeInclusive<usize>,
    what: &'static str,
    given: usize,
    wanted: &'static str,
) -> Result<(), PlotError> {
    let bad = || PlotError::Option { what, given: given.to_string(), wanted };
    if range.contains(&given) { Ok(()) } else { Err(bad()) }
}

/// Refuses a probability outside (0, 1).
fn masses(given: &[f64]) -> Result<(), PlotError> {
    match given.iter().find(|mass| !(0.0 < **mass && **mass < 1.0)) {
        Some(mass) => Err(PlotError::Option {
            what: "the probability of a contour",
            given: mass.to_string(),
            wanted: "a number between 0 and 1, such as 0.9",
        }),
        None => Ok(()),
    }
}
