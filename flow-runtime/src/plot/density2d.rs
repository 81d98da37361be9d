//! A density on a rectangle.

use super::canvas::{Anchor, Canvas, corners};
use super::colour::BLACK;
use super::figure::{Panel, TITLE_SIZE};
use super::heat::{self, Heat};
use super::{Axis, ColourScale, Grid, LogDensities, PlotError, Rect, boxed, parts, within};

const PLOT: Rect = Rect { x: 46.0, y: 8.0, w: 190.0, h: 165.0 };
const BAR: [f64; 2] = [9.0, 12.0];
const RIGHT: f64 = 64.0;
const TITLE_HEIGHT: f64 = 16.0;
const BELOW: f64 = 36.0;
/// Cells along each axis if no number is given.
const CELLS: usize = 200;
/// The legend keeps clear of the neighbours.
const LEGEND_WIDTH: f64 = PLOT.w + 50.0;

/// A heat map of a density of two coordinates, with credible contours, points and a truth.
///
/// The density is with respect to the two coordinates as the axes name them, also where an axis is logarithmic.
#[must_use = "a panel is drawn by `save`, `png` or in a `Figure`"]
pub struct Density2d<'a> {
    x: Axis,
    y: Axis,
    heat: Heat<'a>,
}

impl<'a> Density2d<'a> {
    /// An empty panel with these axes.
    pub fn new(x: Axis, y: Axis) -> Self {
        Self { x, y, heat: Heat::new(ColourScale::Linear, "probability density", "samples") }
    }

    heat::options! {
        /// The density: a closure from points (x, y) to log-densities with respect to x and y (or a `Result` of them), called with
        /// thousands of points at a time.
        density,
        /// Cells along each axis; 200 if not given.
        cells,
        /// How densities become colours; evenly from zero if not given.
        colour_scale,
        /// Densities at the two ends of the colours, to compare panels; from the density itself if not given.
        colour_range,
        /// Outlines of the smallest regions that hold these fractions of what the panel shows.
        contours,
        /// Points (x, y) with their name in the legend; those outside the axes are not drawn.
        points,
        /// Marks the true values (x, y) with a star.
        truth,
    }

    fn check(&self) -> Result<(), PlotError> {
        self.x.check()?;
        self.y.check()?;
        self.heat.check()?;
        within(2..=10_000, "the number of cells of an axis", self.cell_count(), "from 2 to 10000 cells are possible")
    }

    fn cell_count(&self) -> usize {
        self.heat.cells.unwrap_or(CELLS)
    }

    fn grid(&mut self) -> Result<Option<Grid>, PlotError> {
        let (cells, x, y) = (self.cell_count(), &self.x, &self.y);
        let Some(density) = self.heat.density.as_mut() else { return Ok(None) };
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
        PLOT.y + if self.heat.title.is_empty() { 0.0 } else { TITLE_HEIGHT }
    }
}

impl Panel for Density2d<'_> {
    fn size(&self) -> [f64; 2] {
        let right = if self.heat.density.is_some() { RIGHT } else { 8.0 };
        [PLOT.x + PLOT.w + right, self.top() + PLOT.h + BELOW + parts::legend_height(LEGEND_WIDTH, &self.heat.legend())]
    }

    fn draw(&mut self, canvas: &mut Canvas, area: Rect) -> Result<(), PlotError> {
        self.check()?;
        let plot = Rect { x: area.x + PLOT.x, y: area.y + self.top(), ..PLOT };
        let centre = plot.x + 0.5 * plot.w;
        canvas.text([centre, area.y + 11.0], &self.heat.title, TITLE_SIZE, Anchor::Centre, BLACK);
        let grid = self.grid()?;
        if let Some(grid) = &grid {
            let colours = self.heat.colours(grid)?;
            canvas.clipped(&corners(plot, false), |canvas| {
                parts::heat_map(canvas, plot, grid, &colours);
                parts::contours(canvas, plot, grid, &self.heat.masses);
            });
            let bar = Rect { x: plot.x + plot.w + BAR[1], w: BAR[0], ..plot };
            parts::colour_bar(canvas, bar, true, &colours, &self.heat.label);
        }
        self.heat.marks(canvas, |[x, y]| {
            let inside = self.x.holds(x) && self.y.holds(y);
            inside.then(|| plot.at([self.x.position(x), self.y.position(y)]))
        });
        parts::axes(canvas, plot, &self.x, Some(&self.y));
        parts::legend(canvas, [centre, plot.y + plot.h + BELOW + 4.0], LEGEND_WIDTH, &self.heat.legend());
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
