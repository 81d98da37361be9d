//! A density on a rectangle.

use super::canvas::{Anchor, Canvas, corners};
use super::colour::{BLACK, Colours, TRUTH};
use super::figure::{Panel, TITLE_SIZE};
use super::parts::{self, STAR_RADIUS};
use super::{Axis, ColourScale, Grid, LogDensities, LogDensity, PlotError, Rect, boxed, finite, masses};

const PLOT: Rect = Rect { x: 46.0, y: 8.0, w: 190.0, h: 165.0 };
const BAR: [f64; 2] = [9.0, 12.0];
const RIGHT: f64 = 64.0;
const TITLE_HEIGHT: f64 = 16.0;
const BELOW: f64 = 36.0;
/// The legend keeps clear of the neighbours.
const LEGEND_WIDTH: f64 = PLOT.w + 50.0;

/// A heat map of a density of two coordinates, with credible contours, points and a truth.
///
/// The density is with respect to the two coordinates as the axes name them, also where an axis is logarithmic.
#[must_use = "a panel is drawn by `save`, `png` or in a `Figure`"]
pub struct Density2d<'a> {
    x: Axis,
    y: Axis,
    title: String,
    cells: usize,
    density: Option<LogDensity<'a>>,
    scale: ColourScale,
    range: Option<[f64; 2]>,
    label: String,
    masses: Vec<f64>,
    points: Vec<[f64; 2]>,
    points_label: String,
    point_size: f64,
    truth: Option<[f64; 2]>,
}

impl<'a> Density2d<'a> {
    /// An empty panel with these axes.
    pub fn new(x: Axis, y: Axis) -> Self {
        Self {
            x,
            y,
            title: String::new(),
            cells: 200,
            density: None,
            scale: ColourScale::Linear,
            range: None,
            label: "probability density".into(),
            masses: Vec::new(),
            points: Vec::new(),
            points_label: "samples".into(),
            point_size: 1.0,
            truth: None,
        }
    }

    /// A line above the panel.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// The density: a closure from points (x, y) to log-densities with respect to x and y (or a `Result` of them), called with
    /// thousands of points at a time.
    pub fn density<R: LogDensities>(mut self, log_density: impl FnMut(&[[f64; 2]]) -> R + 'a) -> Self {
        self.density = Some(boxed(log_density));
        self
    }

    /// Cells along each axis; 200 if not given.
    pub fn cells(mut self, cells: usize) -> Self {
        self.cells = cells;
        self
    }

    /// How densities become colours; evenly from zero if not given.
    pub fn colour_scale(mut self, scale: ColourScale) -> Self {
        self.scale = scale;
        self
    }

    /// Densities at the two ends of the colours, to compare panels; from the density itself if not given.
    pub fn colour_range(mut self, low: f64, high: f64) -> Self {
        self.range = Some([low, high]);
        self
    }

    /// The label of the colour bar.
    pub fn density_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Outlines of the smallest regions that hold these fractions of what the panel shows.
    pub fn contours(mut self, masses: &[f64]) -> Self {
        self.masses = masses.to_vec();
        self
    }

    /// Points (x, y) with their name in the legend; those outside the axes are not drawn.
    pub fn points(mut self, label: impl Into<String>, points: &[[f64; 2]]) -> Self {
        self.points_label = label.into();
        self.points = points.to_vec();
        self
    }

    /// The size of the points; 1 if not given, smaller for many.
    pub fn point_size(mut self, size: f64) -> Self {
        self.point_size = size;
        self
    }

    /// Marks the true values with a star.
    pub fn truth(mut self, x_y: [f64; 2]) -> Self {
        self.truth = Some(x_y);
        self
    }

    fn check(&self) -> Result<(), PlotError> {
        self.x.check()?;
        self.y.check()?;
        masses(&self.masses)?;
        finite("point", self.points.iter().flatten(), 2)?;
        finite("truth", self.truth.iter().flatten(), 2)?;
        let wanted = "from 2 to 10000 cells are possible";
        let bad = PlotError::Option { what: "the number of cells of an axis", given: self.cells.to_string(), wanted };
        if (2..=10_000).contains(&self.cells) { Ok(()) } else { Err(bad) }
    }

    fn grid(&mut self) -> Result<Option<Grid>, PlotError> {
        let Some(density) = self.density.as_mut() else { return Ok(None) };
        let (cells, x, y) = (self.cells, &self.x, &self.y);
        let cell = |axis: &Axis, i: usize| {
            let at = |steps: f64| axis.value(steps / cells as f64);
            (at(i as f64 + 0.5), (at(i as f64 + 1.0) - at(i as f64)).abs())
        };
        let place = |row: usize, column: usize| {
            let ((x, width), (y, height)) = (cell(x, column), cell(y, cells - 1 - row));
            Some(([x, y], width * height))
        };
        Grid::evaluate(cells, cells, density, place).map(Some)
    }

    fn top(&self) -> f64 {
        PLOT.y + if self.title.is_empty() { 0.0 } else { TITLE_HEIGHT }
    }

    fn legend(&self) -> Vec<parts::Entry> {
        let contours: &[f64] = if self.density.is_some() { &self.masses } else { &[] };
        let points = (!self.points.is_empty()).then_some(self.points_label.as_str());
        parts::entries(contours, points, self.truth.is_some())
    }
}

impl Panel for Density2d<'_> {
    fn size(&self) -> [f64; 2] {
        let right = if self.density.is_some() { RIGHT } else { 8.0 };
        [PLOT.x + PLOT.w + right, self.top() + PLOT.h + BELOW + parts::legend_height(LEGEND_WIDTH, &self.legend())]
    }

    fn draw(&mut self, canvas: &mut Canvas, area: Rect) -> Result<(), PlotError> {
        self.check()?;
        let plot = Rect { x: area.x + PLOT.x, y: area.y + self.top(), ..PLOT };
        let centre = plot.x + 0.5 * plot.w;
        canvas.text([centre, area.y + 11.0], &self.title, TITLE_SIZE, Anchor::Centre, BLACK);
        let grid = self.grid()?;
        let onto = |[x, y]: [f64; 2]| plot.at([self.x.position(x), self.y.position(y)]);
        let inside = |point: &[f64; 2]| self.x.holds(point[0]) && self.y.holds(point[1]);
        if let Some(grid) = &grid {
            let colours = Colours::new(self.scale, self.range, grid)?;
            canvas.clipped(&corners(plot, false), |canvas| {
                parts::heat_map(canvas, plot, grid, &colours);
                parts::contours(canvas, plot, grid, &self.masses);
            });
            let bar = Rect { x: plot.x + plot.w + BAR[1], w: BAR[0], ..plot };
            parts::colour_bar(canvas, bar, true, &colours, &self.label);
        }
        for point in self.points.iter().filter(|point| inside(point)) {
            parts::point(canvas, onto(*point), self.point_size);
        }
        if let Some(truth) = self.truth.filter(inside) {
            canvas.star(onto(truth), STAR_RADIUS, TRUTH);
        }
        parts::axes(canvas, plot, &self.x, Some(&self.y));
        parts::legend(canvas, [centre, plot.y + plot.h + BELOW + 4.0], LEGEND_WIDTH, &self.legend());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logarithmic_axis_keeps_the_integral() {
        // Exponential in x, uniform in y.
        let density = |points: &[[f64; 2]]| -> Vec<f64> { points.iter().map(|[x, _]| -x).collect() };
        let mut panel = Density2d::new(Axis::log("x", 1e-3, 30.0), Axis::linear("y", 0.0, 1.0)).density(density);
        let grid = panel.grid().unwrap().unwrap();
        assert!((grid.integral() - 1.0).abs() < 2e-3, "{}", grid.integral());
        // Half of the mass lies at x < ln 2, where the density is above 1/2.
        assert!((grid.level(0.5) - 0.5f64.ln()).abs() < 0.03);
    }
}
