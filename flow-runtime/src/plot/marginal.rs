//! Histograms and curves of one coordinate.

use super::canvas::{Anchor, Canvas, Pen, corners};
use super::colour::{BLACK, FAINT, faded, of_series};
use super::curves::Curves;
use super::figure::{Figure, Panel, TITLE_SIZE};
use super::{Axis, PlotError, Rect, parts};

const PLOT: Rect = Rect { x: 44.0, y: 8.0, w: 190.0, h: 165.0 };
const TITLE_HEIGHT: f64 = 16.0;
const BELOW: f64 = 36.0;
/// The legend keeps clear of the neighbours.
const LEGEND_WIDTH: f64 = PLOT.w + 40.0;
/// Room above the highest bar.
const HEADROOM: f64 = 1.08;

/// Histograms of samples and curves of densities of one coordinate, with a line at the truth.
///
/// Histograms are normalised to the samples given, so a part outside the axis is missing from the area.
#[must_use = "a panel is drawn by `save`, `png` or in a `Figure`"]
pub struct Marginal {
    axis: Axis,
    filled: bool,
    data: Curves,
}

impl Marginal {
    /// An empty panel over an axis.
    pub fn new(axis: Axis) -> Self {
        Self { axis, filled: false, data: Curves::new(40) }
    }

    /// A line above the panel.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.data.title = title.into();
        self
    }

    /// Bins of the histograms; 40 if not given.
    pub fn bins(mut self, bins: usize) -> Self {
        self.data.bins = bins;
        self
    }

    /// A histogram of samples, with its name in the legend.
    pub fn samples(mut self, label: impl Into<String>, samples: &[f64]) -> Self {
        self.data.samples.push((label.into(), samples.to_vec()));
        self
    }

    /// A curve of points (value, density), with its name in the legend.
    pub fn curve(mut self, label: impl Into<String>, points: &[[f64; 2]]) -> Self {
        self.data.curves.push((label.into(), points.to_vec()));
        self
    }

    /// The areas below the curves are filled.
    pub fn filled(mut self) -> Self {
        self.filled = true;
        self
    }

    /// A dashed line at the true value.
    pub fn truth(mut self, value: f64) -> Self {
        self.data.truth = Some(value);
        self
    }

    fn check(&self) -> Result<(), PlotError> {
        self.axis.check()?;
        self.data.check("sample")
    }

    /// Densities of the bins, from left to right.
    fn histogram(&self, samples: &[f64]) -> Vec<f64> {
        let mut counts = vec![0usize; self.data.bins];
        for sample in samples.iter().filter(|sample| self.axis.holds(**sample)) {
            counts[((self.axis.position(*sample) * self.data.bins as f64) as usize).min(self.data.bins - 1)] += 1;
        }
        let width = |i: usize| (self.edge(i + 1) - self.edge(i)).abs();
        let share = |count: usize| count as f64 / samples.len().max(1) as f64;
        counts.into_iter().enumerate().map(|(i, count)| share(count) / width(i)).collect()
    }

    fn edge(&self, i: usize) -> f64 {
        self.axis.value(i as f64 / self.data.bins as f64)
    }

    fn top(&self) -> f64 {
        PLOT.y + if self.data.title.is_empty() { 0.0 } else { TITLE_HEIGHT }
    }
}

impl Panel for Marginal {
    fn size(&self) -> [f64; 2] {
        let legend = parts::legend_height(LEGEND_WIDTH, &self.data.legend());
        [PLOT.x + PLOT.w + 10.0, self.top() + PLOT.h + BELOW + legend]
    }

    fn draw(&mut self, canvas: &mut Canvas, area: Rect) -> Result<(), PlotError> {
        self.check()?;
        let plot = Rect { x: area.x + PLOT.x, y: area.y + self.top(), ..PLOT };
        let centre = plot.x + 0.5 * plot.w;
        canvas.text([centre, area.y + 11.0], &self.data.title, TITLE_SIZE, Anchor::Centre, BLACK);
        let histograms: Vec<_> = self.data.samples.iter().map(|(_, samples)| self.histogram(samples)).collect();
        let y = Axis::linear("density", 0.0, self.data.full(&histograms, HEADROOM));
        let onto = |value: f64, density: f64| plot.at([self.axis.position(value), y.position(density)]);
        canvas.clipped(&corners(plot, false), |canvas| {
            for (t, _) in y.ticks(4).0 {
                canvas.line(&[plot.at([0.0, t]), plot.at([1.0, t])], &Pen::new(FAINT, 0.6));
            }
            for (rank, densities) in histograms.iter().enumerate() {
                let bars = densities.iter().enumerate();
                let top: Vec<_> =
                    bars.flat_map(|(i, d)| [onto(self.edge(i), *d), onto(self.edge(i + 1), *d)]).collect();
                let (first, last) = (onto(self.edge(0), 0.0), onto(self.edge(self.data.bins), 0.0));
                let outline: Vec<_> = std::iter::once(first).chain(top).chain([last]).collect();
                canvas.fill(&outline, faded(of_series(rank), 0.28));
                canvas.line(&outline, &Pen::new(of_series(rank), 1.2));
            }
            for (rank, (_, points)) in self.data.curves.iter().enumerate() {
                let inside = points.iter().filter(|p| self.axis.holds(p[0]));
                let line: Vec<_> = inside.map(|p| onto(p[0], p[1])).collect();
                if let (true, [first, .., last]) = (self.filled, &line[..]) {
                    let floor = plot.y + plot.h;
                    let area: Vec<_> =
                        [[first[0], floor]].into_iter().chain(line.clone()).chain([[last[0], floor]]).collect();
                    canvas.fill(&area, faded(of_series(histograms.len() + rank), 0.28));
                }
                canvas.line(&line, &Pen::new(of_series(histograms.len() + rank), 1.8));
            }
            if let Some(truth) = self.data.truth.filter(|truth| self.axis.holds(*truth)) {
                let x = self.axis.position(truth);
                canvas.line(&[plot.at([x, 0.0]), plot.at([x, 1.0])], &parts::truth_pen());
            }
        });
        parts::axes(canvas, plot, &self.axis, Some(&y));
        parts::legend(canvas, [centre, plot.y + plot.h + BELOW + 4.0], LEGEND_WIDTH, &self.data.legend());
        Ok(())
    }
}

/// A figure of the coordinates of `samples`, one panel an axis, with the truth where it is known; three panels a row.
pub fn marginals<const D: usize>(
    axes: [Axis; D],
    label: &str,
    samples: &[[f64; D]],
    truth: Option<[f64; D]>,
) -> Figure<'static> {
    axes.into_iter().enumerate().fold(Figure::new().columns(3), |figure, (d, axis)| {
        let column: Vec<f64> = samples.iter().map(|sample| sample[d]).collect();
        let panel = Marginal::new(axis).samples(label, &column);
        figure.panel(match truth {
            Some(truth) => panel.truth(truth[d]),
            None => panel,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_has_area_one() {
        let samples: Vec<f64> = (0..1000).map(|i| 1.5 + (f64::from(i) * 0.37).sin()).collect();
        for axis in [Axis::linear("x", 0.0, 4.0), Axis::log("x", 0.1, 4.0), Axis::linear("x", 0.0, 4.0).flipped()] {
            let panel = Marginal::new(axis).bins(30);
            let densities = panel.histogram(&samples);
            let area: f64 =
                densities.iter().enumerate().map(|(i, d)| d * (panel.edge(i + 1) - panel.edge(i)).abs()).sum();
            assert!((area - 1.0).abs() < 1e-12, "{area}");
        }
    }
}
