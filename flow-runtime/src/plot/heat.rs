//! What the panels of a density of two coordinates have in common: what they are told, and the marks over the heat map.

use super::canvas::Canvas;
use super::colour::{Colours, TRUTH};
use super::parts::{self, STAR_RADIUS};
use super::{ColourScale, Grid, LogDensity, PlotError, finite, masses};

/// A density of two coordinates, how its values become colours, and what is marked over it.
pub(crate) struct Heat<'a> {
    pub(crate) title: String,
    pub(crate) cells: Option<usize>,
    pub(crate) density: Option<LogDensity<'a>>,
    pub(crate) scale: ColourScale,
    pub(crate) range: Option<[f64; 2]>,
    pub(crate) label: String,
    pub(crate) masses: Vec<f64>,
    pub(crate) points: Vec<[f64; 2]>,
    pub(crate) points_label: String,
    pub(crate) point_size: f64,
    pub(crate) truth: Option<[f64; 2]>,
}

impl Heat<'_> {
    /// Nothing to show yet; the scale and the label of the colours, and the name of points, until others are given.
    pub(crate) fn new(scale: ColourScale, label: &str, points_label: &str) -> Self {
        Self {
            title: String::new(),
            cells: None,
            density: None,
            scale,
            range: None,
            label: label.into(),
            masses: Vec::new(),
            points: Vec::new(),
            points_label: points_label.into(),
            point_size: 1.0,
            truth: None,
        }
    }

    /// Refuses contours, points and a truth that cannot be drawn.
    pub(crate) fn check(&self) -> Result<(), PlotError> {
        masses(&self.masses)?;
        finite("point", self.points.iter().flatten(), 2)?;
        finite("truth", self.truth.iter().flatten(), 2)
    }

    pub(crate) fn colours(&self, grid: &Grid) -> Result<Colours, PlotError> {
        Colours::new(self.scale, self.range, grid)
    }

    /// Points and truth, where they are on the page; those that are not on it are left out.
    pub(crate) fn marks(&self, canvas: &mut Canvas, onto: impl Fn([f64; 2]) -> Option<[f64; 2]>) {
        for at in self.points.iter().filter_map(|point| onto(*point)) {
            parts::point(canvas, at, self.point_size);
        }
        if let Some(at) = self.truth.and_then(&onto) {
            canvas.star(at, STAR_RADIUS, TRUTH);
        }
    }

    pub(crate) fn legend(&self) -> Vec<parts::Entry> {
        let contours: &[f64] = if self.density.is_some() { &self.masses } else { &[] };
        let points = (!self.points.is_empty()).then_some(self.points_label.as_str());
        parts::entries(contours, points, self.truth.is_some())
    }
}

/// The methods that set a panel's [`Heat`], its field `heat`: those with the same documentation everywhere, and those named, with the panel's own. It
/// stands in an `impl<'a>`, whose `'a` is the life of the density's closure.
macro_rules! options {
    ($($(#[$doc:meta])* $option:ident,)*) => {
        /// A line above the panel.
        pub fn title(mut self, title: impl Into<String>) -> Self {
            self.heat.title = title.into();
            self
        }

        /// The label of the colour bar.
        pub fn density_label(mut self, label: impl Into<String>) -> Self {
            self.heat.label = label.into();
            self
        }

        /// The size of the points; 1 if not given, smaller for many.
        pub fn point_size(mut self, size: f64) -> Self {
            self.heat.point_size = size;
            self
        }

        $(heat::option!($(#[$doc])* $option);)*
    };
}

/// One method of [`options`].
macro_rules! option {
    ($(#[$doc:meta])* density) => {
        $(#[$doc])*
        pub fn density<R: LogDensities>(mut self, log_density: impl FnMut(&[[f64; 2]]) -> R + 'a) -> Self {
            self.heat.density = Some(boxed(log_density));
            self
        }
    };
    ($(#[$doc:meta])* cells) => {
        $(#[$doc])*
        pub fn cells(mut self, cells: usize) -> Self {
            self.heat.cells = Some(cells);
            self
        }
    };
    ($(#[$doc:meta])* colour_scale) => {
        $(#[$doc])*
        pub fn colour_scale(mut self, scale: ColourScale) -> Self {
            self.heat.scale = scale;
            self
        }
    };
    ($(#[$doc:meta])* colour_range) => {
        $(#[$doc])*
        pub fn colour_range(mut self, low: f64, high: f64) -> Self {
            self.heat.range = Some([low, high]);
            self
        }
    };
    ($(#[$doc:meta])* contours) => {
        $(#[$doc])*
        pub fn contours(mut self, masses: &[f64]) -> Self {
            self.heat.masses = masses.to_vec();
            self
        }
    };
    ($(#[$doc:meta])* points) => {
        $(#[$doc])*
        pub fn points(mut self, label: impl Into<String>, points: &[[f64; 2]]) -> Self {
            self.heat.points_label = label.into();
            self.heat.points = points.to_vec();
            self
        }
    };
    ($(#[$doc:meta])* truth) => {
        $(#[$doc])*
        pub fn truth(mut self, point: [f64; 2]) -> Self {
            self.heat.truth = Some(point);
            self
        }
    };
}

pub(crate) use {option, options};
