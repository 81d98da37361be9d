//! Corner plots: every coordinate by itself and every pair of them.

use super::canvas::{Anchor, Canvas, Pen, corners};
use super::colour::{BLACK, Colour, INK, WHITE, of_series};
use super::figure::{LABEL_SIZE, Panel, TICK_SIZE, TITLE_SIZE};
use super::parts::{self, Entry, FRAME, TICK};
use super::smooth::{self, quantile};
use super::{Axis, Grid, PlotError, Rect, axis, contour, finite, masses};

const LEFT: f64 = 48.0;
const BELOW: f64 = 40.0;
const TITLE_HEIGHT: f64 = 18.0;
/// Above each diagonal cell: its numbers.
const NUMBERS: f64 = 15.0;
const NUMBERS_SIZE: f64 = 7.5;
const GAP: f64 = 7.0;
/// The side of a cell: as large as a page allows, but neither tiny nor huge.
const PAGE: f64 = 460.0;
const CELL: [f64; 2] = [66.0, 132.0];
/// Cells of the smoothed densities of pairs, and of one coordinate.
const PAIR: usize = 72;
const SINGLE: usize = 160;
const BANDS: [f64; 2] = [0.68, 0.95];
/// Fewer samples than this are drawn as points: contours of them would be inventions.
const FEW: usize = 50;
const HEADROOM: f64 = 1.1;
/// Coordinates at most: more do not fit on any page.
const MOST: usize = 24;

/// One distribution of a corner plot.
struct Series {
    label: String,
    /// one list a coordinate
    columns: Vec<Vec<f64>>,
    /// the length of the first row that has another number of coordinates
    wrong: Option<usize>,
}

/// A triangle of panels: on the diagonal the density of each coordinate, below it the contours of each pair.
///
/// Several distributions are drawn over each other; the first is filled, and its medians and central 68 % intervals are written above the diagonal, by the same power of ten as the axis. Bands
/// of the first on the diagonal are central 68 and 95 % intervals. Contours hold the stated shares of the samples. Densities are smoothed from samples
/// with a normal kernel; those of a flow are drawn from it: `pdf.sample_rows(20_000, rng)`.
#[must_use = "a panel is drawn by `save`, `png` or in a `Figure`"]
pub struct Corner {
    axes: Vec<Axis>,
    title: String,
    series: Vec<Series>,
    masses: Vec<f64>,
    truth: Option<Vec<f64>>,
}

impl Corner {
    /// An empty plot of coordinates with these axes, each labelled with its name and unit.
    pub fn new(axes: impl Into<Vec<Axis>>) -> Self {
        Self { axes: axes.into(), title: String::new(), series: Vec::new(), masses: BANDS.to_vec(), truth: None }
    }

    /// A line above the plot.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Samples of a distribution, one row of coordinates each, with their name in the legend.
    pub fn samples<R: AsRef<[f64]>>(mut self, label: impl Into<String>, rows: impl IntoIterator<Item = R>) -> Self {
        let mut columns = vec![Vec::new(); self.axes.len()];
        let mut wrong = None;
        for row in rows {
            let row = row.as_ref();
            if row.len() != columns.len() {
                wrong = wrong.or(Some(row.len()));
            }
            columns.iter_mut().zip(row).for_each(|(column, value)| column.push(*value));
        }
        self.series.push(Series { label: label.into(), columns, wrong });
        self
    }

    /// Shares of the samples that the contours hold; 0.68 and 0.95 if not given.
    pub fn contours(mut self, masses: &[f64]) -> Self {
        self.masses = masses.to_vec();
        self
    }

    /// Lines at the true values.
    pub fn truth(mut self, values: &[f64]) -> Self {
        self.truth = Some(values.to_vec());
        self
    }

    fn check(&self) -> Result<(), PlotError> {
        let bad = |what, given: String, wanted| Err(PlotError::Option { what, given, wanted });
        if !(1..=MOST).contains(&self.axes.len()) {
            return bad("the number of axes", self.axes.len().to_string(), "from 1 to 24 are possible");
        }
        self.axes.iter().try_for_each(Axis::check)?;
        masses(&self.masses)?;
        for Series { label, columns, wrong } in &self.series {
            let wanted = "one for each axis is needed";
            if let Some(wrong) = wrong {
                return bad("the number of coordinates of a sample", format!("{wrong} (\"{label}\")"), wanted);
            }
            if columns[0].is_empty() {
                return bad("the number of samples", format!("0 (\"{label}\")"), "at least one is needed");
            }
            columns.iter().try_for_each(|column| finite(&format!("sample (\"{label}\")"), column, 1))?;
        }
        if let Some(truth) = &self.truth {
            if truth.len() != self.axes.len() {
                return bad("the number of true values", truth.len().to_string(), "one for each axis is needed");
            }
            finite("truth", truth, 1)?;
        }
        Ok(())
    }

    fn cell(&self) -> f64 {
        (PAGE / self.axes.len().max(1) as f64).clamp(CELL[0], CELL[1])
    }

    /// From the left edge of a cell to that of the next.
    fn step(&self) -> f64 {
        self.cell() + GAP
    }

    /// The cell in a row and a column, counted from the upper left.
    fn place(&self, area: Rect, row: usize, column: usize) -> Rect {
        let (side, step) = (self.cell(), self.step());
        let (x, y) = (area.x + LEFT + column as f64 * step, area.y + self.top() + row as f64 * step);
        Rect { x, y, w: side, h: side }
    }

    fn top(&self) -> f64 {
        NUMBERS + if self.title.is_empty() { 0.0 } else { TITLE_HEIGHT }
    }

    fn legend(&self) -> Vec<Entry> {
        let named = self.series.iter().enumerate().filter(|(_, s)| !s.label.is_empty());
        let mut entries: Vec<_> = named.map(|(i, s)| Entry::Line(of_series(i), s.label.clone())).collect();
        if self.series.first().is_some_and(|s| s.columns[0].len() >= FEW) {
            entries.extend(self.sorted().iter().map(|mass| Entry::Area(self.tint(*mass), parts::percent(*mass))));
        }
        entries.extend(self.truth.as_ref().map(|_| Entry::TruthLine));
        entries
    }

    fn sorted(&self) -> Vec<f64> {
        let mut masses = self.masses.clone();
        masses.sort_by(f64::total_cmp);
        masses
    }

    /// The tint of what lies inside a contour of the first series: paler the more it holds.
    fn tint(&self, mass: f64) -> Colour {
        let sorted = self.sorted();
        let rank = sorted.iter().position(|m| *m >= mass).unwrap_or(0);
        mixed(of_series(0), 0.55 * (1.0 - rank as f64 / sorted.len().max(1) as f64) + 0.05)
    }

    /// The legend's place: right of the plot for one coordinate, else in the empty corner.
    fn beside(&self) -> bool {
        self.axes.len() < 2
    }

    fn diagonal(&self, canvas: &mut Canvas, plot: Rect, k: usize) {
        let x = &self.axes[k];
        let positions = |s: &Series| s.columns[k].iter().map(|v| x.position(*v)).collect::<Vec<_>>();
        let curves: Vec<_> = self.series.iter().map(|s| smooth::curve(&positions(s), SINGLE)).collect();
        let highest = curves.iter().flatten().copied().fold(0.0, f64::max);
        let full = if highest > 0.0 { HEADROOM * highest } else { 1.0 };
        let at = |i: usize| (i as f64 + 0.5) / SINGLE as f64;
        canvas.clipped(&corners(plot, false), |canvas| {
            if let (Some(first), Some(curve)) = (self.series.first(), curves.first())
                && first.columns[k].len() >= FEW
            {
                let mut sorted = positions(first);
                sorted.sort_by(f64::total_cmp);
                for mass in self.sorted().into_iter().rev() {
                    let [low, high] = [0.5 - 0.5 * mass, 0.5 + 0.5 * mass].map(|q| quantile(&sorted, q));
                    let height = |t: f64| {
                        let c = (t * SINGLE as f64 - 0.5).clamp(0.0, (SINGLE - 1) as f64);
                        let (i, share) = (c.floor() as usize, c.fract());
                        (1.0 - share) * curve[i] + share * curve[(i + 1).min(SINGLE - 1)]
                    };
                    let inner = (0..SINGLE).map(at).filter(|t| low < *t && *t < high);
                    let tops = [low].into_iter().chain(inner).chain([high]).map(|t| plot.at([t, height(t) / full]));
                    let outline: Vec<_> =
                        [plot.at([low, 0.0])].into_iter().chain(tops).chain([plot.at([high, 0.0])]).collect();
                    canvas.fill(&outline, self.tint(mass));
                }
            }
            for (rank, curve) in curves.iter().enumerate() {
                let line: Vec<_> = curve.iter().enumerate().map(|(i, d)| plot.at([at(i), d / full])).collect();
                canvas.line(&line, &Pen::new(of_series(rank), 1.3));
            }
            if let Some(truth) = &self.truth {
                let t = x.position(truth[k]);
                canvas.line(&[plot.at([t, 0.0]), plot.at([t, 1.0])], &parts::truth_pen());
            }
        });
        if let Some(first) = self.series.first() {
            let mut sorted = first.columns[k].clone();
            sorted.sort_by(f64::total_cmp);
            let text = interval([0.5, 0.16, 0.84].map(|q| quantile(&sorted, q) / x.unit()));
            canvas.text([plot.x + 0.5 * plot.w, plot.y - 7.0], &text, NUMBERS_SIZE, Anchor::Centre, of_series(0));
        }
    }

    fn pair(&self, canvas: &mut Canvas, plot: Rect, [i, j]: [usize; 2]) {
        let (x, y) = (&self.axes[i], &self.axes[j]);
        let sorted = self.sorted();
        let smoothed: Vec<Option<(Grid, Vec<f64>)>> = self
            .series
            .iter()
            .map(|series| {
                let [px, py] = [(i, x), (j, y)]
                    .map(|(k, axis)| series.columns[k].iter().map(|v| axis.position(*v)).collect::<Vec<_>>());
                (px.len() >= FEW).then(|| {
                    let grid = smooth::grid(&px, &py, PAIR);
                    let levels = sorted.iter().map(|mass| smooth::level(&grid, &px, &py, *mass)).collect();
                    (grid, levels)
                })
            })
            .collect();
        let cells = PAIR as f64;
        canvas.clipped(&corners(plot, false), |canvas| {
            if let Some(Some((grid, levels))) = smoothed.first() {
                let tints: Vec<_> = sorted.iter().map(|mass| self.tint(*mass)).collect();
                canvas.shade(plot, |u, v| {
                    let height = grid.interpolate(u * cells - 0.5, v * cells - 0.5, -700.0)?;
                    levels.iter().position(|level| height >= *level).map(|rank| tints[rank])
                });
            }
            for (rank, (series, smoothed)) in self.series.iter().zip(&smoothed).enumerate() {
                let Some((grid, levels)) = smoothed else {
                    for (a, b) in series.columns[i].iter().zip(&series.columns[j]) {
                        canvas.disk(plot.at([x.position(*a), y.position(*b)]), 1.3, of_series(rank));
                    }
                    continue;
                };
                // What lies beyond the axes is no place a contour could go to.
                for level in levels.iter().filter(|level| level.is_finite()) {
                    for line in contour::lines(grid, *level) {
                        let onto = |[c, r]: &[f64; 2]| plot.at([(c + 0.5) / cells, 1.0 - (r + 0.5) / cells]);
                        canvas.line(&line.iter().map(onto).collect::<Vec<_>>(), &Pen::new(of_series(rank), 1.0));
                    }
                }
            }
            if let Some(truth) = &self.truth {
                let (u, v) = (x.position(truth[i]), y.position(truth[j]));
                canvas.line(&[plot.at([u, 0.0]), plot.at([u, 1.0])], &parts::truth_pen());
                canvas.line(&[plot.at([0.0, v]), plot.at([1.0, v])], &parts::truth_pen());
            }
        });
    }

    /// Frame and ticks; numbers and labels only at the lower and the left rim of the plot.
    fn frame(&self, canvas: &mut Canvas, plot: Rect, row: usize, column: usize) {
        let pen = Pen::new(INK, FRAME);
        canvas.frame(plot, &pen);
        let about = ((plot.w / 34.0) as usize + 1).max(4);
        // Numbers at the very ends would meet those of the neighbours.
        let clear = |t: f64| (0.06..=0.94).contains(&t);
        let (ticks, factor) = self.axes[column].ticks(about);
        let last = row + 1 == self.axes.len();
        for (t, label) in &ticks {
            let [x, bottom] = plot.at([*t, 0.0]);
            canvas.line(&[[x, bottom], [x, bottom + TICK]], &pen);
            if last && clear(*t) {
                canvas.text([x, bottom + TICK + 7.0], label, TICK_SIZE, Anchor::Centre, INK);
            }
        }
        if last {
            let at = [plot.x + 0.5 * plot.w, plot.y + plot.h + 26.0];
            canvas.text(at, &format!("{}{factor}", self.axes[column].label), LABEL_SIZE, Anchor::Centre, BLACK);
        }
        if row == column {
            return;
        }
        let (ticks, factor) = self.axes[row].ticks(about);
        for (t, label) in &ticks {
            let [left, y] = plot.at([0.0, *t]);
            canvas.line(&[[left - TICK, y], [left, y]], &pen);
            if column == 0 && clear(*t) {
                canvas.text([left - TICK - 2.5, y], label, TICK_SIZE, Anchor::Right, INK);
            }
        }
        if column == 0 {
            let at = [plot.x - LEFT + 10.0, plot.y + 0.5 * plot.h];
            canvas.text(at, &format!("{}{factor}", self.axes[row].label), LABEL_SIZE, Anchor::Upwards, BLACK);
        }
    }
}

/// A colour on white paper.
fn mixed(colour: Colour, share: f64) -> Colour {
    let mix = |c: u8, white: u8| (share * f64::from(c) + (1.0 - share) * f64::from(white)).round() as u8;
    [mix(colour[0], WHITE[0]), mix(colour[1], WHITE[1]), mix(colour[2], WHITE[2]), 255]
}

/// A median with the way to both ends of an interval, to two digits of the shorter way.
fn interval([middle, low, high]: [f64; 3]) -> String {
    let shorter = (middle - low).min(high - middle);
    let decimals = if shorter > 0.0 { (1.0 - shorter.log10().floor()).clamp(0.0, 8.0) as usize } else { 2 };
    let number = |v: f64| axis::number(v, decimals);
    format!("{} +{} −{}", number(middle), number(high - middle), number(middle - low))
}

impl Panel for Corner {
    fn size(&self) -> [f64; 2] {
        let whole = self.axes.len() as f64 * self.step() - GAP;
        let right = if self.beside() { 100.0 } else { 14.0 };
        [LEFT + whole + right, self.top() + whole + BELOW]
    }

    fn draw(&mut self, canvas: &mut Canvas, area: Rect) -> Result<(), PlotError> {
        self.check()?;
        let whole = self.axes.len() as f64 * self.step() - GAP;
        canvas.text([area.x + LEFT + 0.5 * whole, area.y + 9.0], &self.title, TITLE_SIZE, Anchor::Centre, BLACK);
        for row in 0..self.axes.len() {
            for column in 0..=row {
                let plot = self.place(area, row, column);
                if row == column {
                    self.diagonal(canvas, plot, row);
                } else {
                    self.pair(canvas, plot, [column, row]);
                }
                self.frame(canvas, plot, row, column);
            }
        }
        let entries = self.legend();
        let first = self.place(area, 0, self.axes.len() - 1);
        let right = first.x + first.w;
        let corner = if self.beside() {
            [right + 14.0, first.y + 10.0]
        } else {
            // Right-aligned in the empty corner, but clear of the first cell and its numbers.
            let clear = self.place(area, 0, 1).x + 12.0;
            [(right - parts::column_width(canvas, &entries)).max(clear), first.y + 10.0]
        };
        parts::legend_column(canvas, corner, &entries);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Figure;
    use super::*;
    use crate::numeric::special::normal_quantile;

    /// Two independent normal coordinates around (1, -2) with widths 0.5 and 1, and their sum.
    fn rows(n: usize) -> Vec<[f64; 3]> {
        let normal = |i: usize, by: usize| {
            let p = ((i * by % n) as f64 + 0.5) / n as f64;
            normal_quantile(p, 1.0 - p)
        };
        (0..n).map(|i| [1.0 + 0.5 * normal(i, 1), -2.0 + normal(i, 2749)]).map(|[a, b]| [a, b, a + b]).collect()
    }

    fn axes() -> [Axis; 3] {
        [Axis::linear("a (m)", -1.0, 3.0), Axis::linear("b (s)", -6.0, 2.0), Axis::linear("a + b", -6.0, 4.0)]
    }

    #[test]
    fn regions_hold_the_share_they_claim() {
        let rows = rows(10_007);
        let corner = Corner::new(axes()).samples("draws", &rows).contours(&[0.5, 0.9]);
        let (inner, outer) = (corner.tint(0.5), corner.tint(0.9));
        assert_ne!(inner, outer);
        let plot = corner.place(Rect { x: 6.0, y: 6.0, w: 0.0, h: 0.0 }, 1, 0);
        let canvas = Figure::new().panel(corner).dpi(288.0).render().unwrap();
        let mut found = [0usize; 3];
        for [a, b, _] in rows.iter().step_by(3) {
            let colour = canvas.colour_at(plot.at([(a + 1.0) / 4.0, (b + 6.0) / 8.0])).unwrap();
            let kind = if colour == inner {
                0
            } else if colour == outer {
                1
            } else {
                2
            };
            found[kind] += 1;
        }
        // Lines of contours, a point wide, hide a few.
        let share = |count: usize| count as f64 / found.iter().sum::<usize>() as f64;
        assert!((share(found[0]) - 0.5).abs() < 0.05 && (share(found[1]) - 0.4).abs() < 0.07, "{found:?}");
    }

    #[test]
    fn names_units_numbers_and_truth_are_there() {
        let corner = Corner::new(axes())
            .title("Posterior")
            .samples("flow", rows(2003))
            .samples("other", rows(40))
            .truth(&[1.0, -2.0, 0.0]);
        let plot = corner.place(Rect { x: 6.0, y: 6.0, w: 0.0, h: 0.0 }, 2, 1);
        let canvas = Figure::new().panel(corner).render().unwrap();
        let words: Vec<_> = canvas.words().collect();
        for expected in
            ["Posterior", "a (m)", "b (s)", "a + b", "flow", "other", "68 %", "95 %", "truth", "1.00 +0.50 −0.50"]
        {
            assert!(words.contains(&expected), "{expected}: {words:?}");
        }
        // b = -2 and a + b = 0 cross at these places.
        let near = |at: [f64; 2], wanted: Colour| {
            (0..36).any(|i| {
                let d = [f64::from(i % 6) - 2.5, f64::from(i / 6) - 2.5].map(|d| 0.5 * d);
                canvas.colour_at([at[0] + d[0], at[1] + d[1]]) == Some(wanted)
            })
        };
        assert!(near(plot.at([0.5, 0.6]), super::super::colour::TRUTH));
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        let error = |corner: Corner| corner.png().unwrap_err().to_string();
        assert!(error(Corner::new([])).contains("number of axes"));
        assert!(error(Corner::new(axes()).samples("x", [[1.0, 2.0]])).contains("2 (\"x\")"));
        assert!(error(Corner::new(axes()).samples("x", Vec::<[f64; 3]>::new())).contains("at least one"));
        assert!(error(Corner::new(axes()).samples("x", [[1.0, f64::NAN, 0.0]])).contains("sample (\"x\") 0 is NaN"));
        assert!(error(Corner::new(axes()).truth(&[1.0])).contains("true values"));
        assert!(error(Corner::new(axes()).contours(&[0.0])).contains("between 0 and 1"));
        assert!(Corner::new(axes()).png().is_ok());
        assert!(Corner::new([Axis::linear("x", 0.0, 1.0)]).samples("same", vec![[0.5]; 100]).png().is_ok());
    }

    #[test]
    fn intervals_have_two_digits() {
        assert_eq!(interval([1.234, 1.211, 1.27]), "1.234 +0.036 −0.023");
        assert_eq!(interval([-120.0, -160.0, -90.0]), "−120 +30 −40");
        assert_eq!(interval([1.0, 1.0, 1.0]), "1.00 +0.00 −0.00");
    }
}
