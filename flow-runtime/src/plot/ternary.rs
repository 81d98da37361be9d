//! Densities and samples of three shares of a whole, in a triangle.
//!
//! The simplex `a2` has coordinates x_1 and x_2, and x_0 = 1 - x_1 - x_2 is the rest. A place in the triangle with unit sides is
//! x_1 (1, 0) + x_2 (1/2, sqrt 3 / 2): the corners are where one share is the whole. Areas in the triangle are sqrt(3)/2 times those by dx_1 dx_2
//! everywhere, so that regions are as large as they look.

use super::canvas::{Anchor, Canvas, Pen};
use super::colour::{BLACK, INK, WHITE, faded};
use super::figure::{LABEL_SIZE, Panel, TICK_SIZE, TITLE_SIZE};
use super::heat::{self, Heat};
use super::{ColourScale, Grid, LogDensities, PlotError, Rect, boxed, parts, within};

const WIDTH: f64 = 200.0;
/// The height of a triangle with sides of that length.
const HEIGHT: f64 = 0.866_025_403_784_438_6 * WIDTH;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 96.0;
const ABOVE: f64 = 32.0;
const TITLE_HEIGHT: f64 = 16.0;
const BELOW: f64 = 44.0;
const BAR: f64 = 9.0;
const LEGEND_WIDTH: f64 = WIDTH + 80.0;
/// Cells along a side if no number is given.
const CELLS: usize = 200;
/// Shares are numbered in steps of a fifth.
const FIFTHS: usize = 5;
/// How far rounding may put a point outside the triangle.
const ROUNDING: f64 = 1e-6;

/// A heat map of a density of three shares of a whole, with credible contours, points and a truth.
///
/// Points are (x_1, x_2), the intrinsic coordinates of `a2`; densities are by dx_1 dx_2. The names are those of the rest x_0 (lower left corner), x_1
/// (lower right) and x_2 (top).
#[must_use = "a panel is drawn by `save`, `png` or in a `Figure`"]
pub struct Ternary<'a> {
    names: [String; 3],
    heat: Heat<'a>,
}

impl<'a> Ternary<'a> {
    /// An empty triangle with the names of the three shares.
    pub fn new(names: [&str; 3]) -> Self {
        Self { names: names.map(String::from), heat: Heat::new(ColourScale::Linear, "probability density", "samples") }
    }

    heat::options! {
        /// The density: a closure from points (x_1, x_2) to log-densities by dx_1 dx_2 (or a `Result` of them), called with thousands of points at a
        /// time, all inside the triangle and none on its rim.
        density,
        /// Cells along a side; 200 if not given.
        cells,
        /// How densities become colours; evenly from zero if not given.
        colour_scale,
        /// Outlines of the smallest regions that hold these probabilities.
        contours,
        /// Points (x_1, x_2) with their name in the legend.
        points,
        /// Marks the true shares (x_1, x_2) with a star.
        truth,
    }

    fn check(&self) -> Result<(), PlotError> {
        self.heat.check()?;
        let outside = |[a, b]: &&[f64; 2]| *a < -ROUNDING || *b < -ROUNDING || a + b > 1.0 + ROUNDING;
        if let Some([a, b]) = self.heat.points.iter().chain(&self.heat.truth).find(outside) {
            return Err(PlotError::Option {
                what: "a point of a triangle",
                given: format!("({a}, {b})"),
                wanted: "shares of at least 0, together at most 1, are needed",
            });
        }
        within(4..=5000, "the number of cells of a triangle", self.cell_count(), "from 4 to 5000 cells are possible")
    }

    fn cell_count(&self) -> usize {
        self.heat.cells.unwrap_or(CELLS)
    }

    /// The density on cells of the rectangle around the triangle. Cells whose centres lie outside take the nearest place inside and weigh nothing,
    /// so that colours and contours reach the rim.
    fn grid(&mut self) -> Result<Option<Grid>, PlotError> {
        let (cells, Some(density)) = (self.cell_count(), self.heat.density.as_mut()) else { return Ok(None) };
        let size = 1.0 / cells as f64;
        let place = |row: usize, column: usize| {
            let (u, v) = ((column as f64 + 0.5) * size, 1.0 - (row as f64 + 0.5) * size);
            let shares = [1.0 - u - 0.5 * v, u - 0.5 * v, v];
            let inside = shares.iter().all(|share| *share > 0.0);
            // Two cells outwards are enough for what is interpolated.
            if !inside && shares.iter().any(|share| *share < -2.0 * size) {
                return None;
            }
            let near = shares.map(|share| share.max(0.25 * size));
            let whole: f64 = near.iter().sum();
            // The rectangle has area 1 in (u, v), and so has dx_1 dx_2 by du dv.
            Some(([near[1] / whole, near[2] / whole], if inside { size * size } else { 0.0 }))
        };
        Grid::evaluate(cells, cells, density, place).map(Some)
    }

    fn top(&self) -> f64 {
        ABOVE + if self.heat.title.is_empty() { 0.0 } else { TITLE_HEIGHT }
    }
}

/// Maps shares to the page, in the rectangle around the triangle.
fn onto(plot: Rect, [x1, x2]: [f64; 2]) -> [f64; 2] {
    plot.at([x1 + 0.5 * x2, x2])
}

/// Ticks, grid lines and the names of the shares. Along each side one share is read off: x_1 at the bottom, x_2 at the right, x_0 at the left, on
/// the lines that lean as the ticks do.
fn scales(canvas: &mut Canvas, plot: Rect, names: &[String; 3], on_colours: bool) {
    let faint = Pen::new(if on_colours { faded(WHITE, 0.3) } else { faded(BLACK, 0.15) }, 0.6);
    let pen = Pen::new(INK, 0.8);
    // From a place on the side along the line of equal share: a tick outwards, a number, and the line inwards.
    type Side = (fn(f64) -> [f64; 2], fn(f64) -> [f64; 2], [f64; 2]);
    let sides: [Side; 3] = [
        // x_1 along the bottom, where x_2 = 0; its lines run up to where x_0 = 0.
        (|s| [s, 0.0], |s| [s, 1.0 - s], [-0.5, 0.866]),
        // x_2 along the right, where x_0 = 0; its lines run left to where x_1 = 0.
        (|s| [1.0 - s, s], |s| [0.0, s], [1.0, 0.0]),
        // x_0 along the left, where x_1 = 0; its lines run down to where x_2 = 0.
        (|s| [0.0, 1.0 - s], |s| [1.0 - s, 0.0], [-0.5, -0.866]),
    ];
    for (from, to, out) in sides {
        for fifth in 0..=FIFTHS {
            let share = fifth as f64 / FIFTHS as f64;
            let [x, y] = onto(plot, from(share));
            if fifth > 0 && fifth < FIFTHS {
                canvas.line(&[[x, y], onto(plot, to(share))], &faint);
            }
            canvas.line(&[[x, y], [x + 4.0 * out[0], y + 4.0 * out[1]]], &pen);
            let number = axis_number(share);
            let reach = 11.0 + if out[1] == 0.0 { 2.0 } else { 0.0 };
            canvas.text([x + reach * out[0], y + reach * out[1]], &number, TICK_SIZE, Anchor::Centre, INK);
        }
    }
    let triangle: Vec<_> = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]].map(|x| onto(plot, x)).to_vec();
    canvas.line(&triangle, &pen);
    let [left, right, top] = [onto(plot, [0.0, 0.0]), onto(plot, [1.0, 0.0]), onto(plot, [0.0, 1.0])];
    let bold = |canvas: &mut Canvas, at: [f64; 2], name: &str, anchor| {
        canvas.text(at, name, LABEL_SIZE, anchor, BLACK);
    };
    // Names stand where their share is the whole.
    bold(canvas, [left[0] - 14.0, left[1] + 26.0], &names[0], Anchor::Left);
    bold(canvas, [right[0] + 14.0, right[1] + 26.0], &names[1], Anchor::Right);
    bold(canvas, [top[0], top[1] - 22.0], &names[2], Anchor::Centre);
}

fn axis_number(share: f64) -> String {
    super::axis::number(share, 1)
}

impl Panel for Ternary<'_> {
    fn size(&self) -> [f64; 2] {
        let right = if self.heat.density.is_some() { RIGHT } else { LEFT };
        let legend = parts::legend_height(LEGEND_WIDTH, &self.heat.legend());
        [LEFT + WIDTH + right, self.top() + HEIGHT + BELOW + legend]
    }

    fn draw(&mut self, canvas: &mut Canvas, area: Rect) -> Result<(), PlotError> {
        self.check()?;
        let plot = Rect { x: area.x + LEFT, y: area.y + self.top(), w: WIDTH, h: HEIGHT };
        let centre = plot.x + 0.5 * plot.w;
        canvas.text([centre, area.y + 9.0], &self.heat.title, TITLE_SIZE, Anchor::Centre, BLACK);
        let grid = self.grid()?;
        let triangle = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]].map(|x| onto(plot, x));
        if let Some(grid) = &grid {
            let colours = self.heat.colours(grid)?;
            canvas.clipped(&triangle, |canvas| parts::heat_map(canvas, plot, grid, &colours));
            let bar = Rect { x: plot.x + plot.w + 34.0, y: plot.y + 8.0, w: BAR, h: plot.h - 8.0 };
            parts::colour_bar(canvas, bar, true, &colours, &self.heat.label);
        }
        scales(canvas, plot, &self.names, grid.is_some());
        if let Some(grid) = &grid {
            canvas.clipped(&triangle, |canvas| parts::contours(canvas, plot, grid, &self.heat.masses));
        }
        self.heat.marks(canvas, |point| Some(onto(plot, point)));
        parts::legend(canvas, [centre, plot.y + plot.h + BELOW], LEGEND_WIDTH, &self.heat.legend());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Figure;
    use super::super::colour::viridis;
    use super::*;
    use statrs::function::gamma::ln_gamma;

    /// ln of the Dirichlet density with these exponents, of the rest first.
    fn dirichlet([a, b, c]: [f64; 3]) -> impl Fn(&[[f64; 2]]) -> Vec<f64> {
        let norm = ln_gamma(a + b + c) - ln_gamma(a) - ln_gamma(b) - ln_gamma(c);
        move |points| {
            let log = |[x, y]: &[f64; 2]| (a - 1.0) * (1.0 - x - y).ln() + (b - 1.0) * x.ln() + (c - 1.0) * y.ln();
            points.iter().map(|p| norm + log(p)).collect()
        }
    }

    #[test]
    fn the_triangle_holds_the_whole_density() {
        let grid = Ternary::new(["a", "b", "c"]).density(dirichlet([2.0, 3.0, 4.0])).grid().unwrap().unwrap();
        assert!((grid.integral() - 1.0).abs() < 1e-3, "{}", grid.integral());
        // The uniform density is 2, and the region of a half holds half of the cells.
        let flat = Ternary::new(["a", "b", "c"]).density(dirichlet([1.0; 3])).grid().unwrap().unwrap();
        assert!((flat.integral() - 1.0).abs() < 0.01 && (flat.peak() - 2f64.ln()).abs() < 1e-9);
    }

    #[test]
    fn each_share_has_its_corner() {
        let place = |x: [f64; 2]| onto(Rect { x: 6.0 + LEFT, y: 6.0 + ABOVE, w: WIDTH, h: HEIGHT }, x);
        for (exponents, at) in
            [([40.0, 5.0, 5.0], [0.1, 0.1]), ([5.0, 40.0, 5.0], [0.8, 0.1]), ([5.0, 5.0, 40.0], [0.1, 0.8])]
        {
            let canvas =
                Figure::new().panel(Ternary::new(["a", "b", "c"]).density(dirichlet(exponents))).render().unwrap();
            // Beside the lines of the fifths.
            let near = |x: [f64; 2]| {
                let there = canvas.colour_at(place([x[0] + 0.01, x[1] + 0.01])).unwrap();
                // Green grows all along viridis.
                there[1] > viridis(0.5)[1]
            };
            for corner in [[0.1, 0.1], [0.8, 0.1], [0.1, 0.8]] {
                assert_eq!(near(corner), corner == at, "{exponents:?} at {corner:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        let error = |panel: Ternary<'_>| panel.png().unwrap_err().to_string();
        let panel = || Ternary::new(["a", "b", "c"]);
        assert!(error(panel().points("x", &[[0.5, 0.6]])).contains("(0.5, 0.6)"));
        assert!(error(panel().truth([f64::NAN, 0.0])).contains("truth 0 is NaN"));
        assert!(
            error(panel().cells(1)).contains("cells") && error(panel().contours(&[1.0])).contains("between 0 and 1")
        );
        assert!(panel().points("x", &[[0.0, 1.0], [0.2, 0.3]]).png().is_ok());
    }
}
