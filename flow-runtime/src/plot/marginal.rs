//! Histograms and curves of one coordinate.

use super::canvas::{Anchor, Canvas, Pen, corners};
use super::colour::{BLACK, Colour, FAINT, SERIES, faded};
use super::figure::{Figure, Panel, TITLE_SIZE};
use super::parts::{self, Entry};
use super::{Axis, PlotError, Rect, finite};

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
    title: String,
    bins: usize,
    samples: Vec<(String, Vec<f64>)>,
    curves: Vec<(String, Vec<[f64; 2]>)>,
    truth: Option<f64>,
    filled: bool,
}

impl Marginal {
    /// An empty panel over an axis.
    pub fn new(axis: Axis) -> Self {
        Self {
            axis,
            title: String::new(),
            bins: 40,
            samples: Vec::new(),
            curves: Vec::new(),
            truth: None,
            filled: false,
        }
    }

    /// A line above the panel.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Bins of the histograms; 40 if not given.
    pub fn bins(mut self, bins: usize) -> Self {
        self.bins = bins;
        self
    }

    /// A histogram of samples, with its name in the legend.
    pub fn samples(mut self, label: impl Into<String>, samples: &[f64]) -> Self {
        self.samples.push((label.into(), samples.to_vec()));
        self
    }

    /// A curve of points (value, density), with its name in the legend.
    pub fn curve(mut self, label: impl Into<String>, points: &[[f64; 2]]) -> Self {
        self.curves.push((label.into(), points.to_vec()));
        self
    }

    /// The areas below the curves are filled.
    pub fn filled(mut self) -> Self {
        self.filled = true;
        self
    }

    /// A dashed line at the true value.
    pub fn truth(mut self, value: f64) -> Self {
        self.truth = Some(value);
        self
    }

    fn check(&self) -> Result<(), PlotError> {
        self.axis.check()?;
        for (label, samples) in &self.samples {
            finite(&format!("sample (\"{label}\")"), samples, 1)?;
        }
        for (label, points) in &self.curves {
            finite(&format!("curve point (\"{label}\")"), points.iter().flatten(), 2)?;
        }
        finite("truth", &self.truth, 1)?;
        let bad = |what, given: usize, wanted| Err(PlotError::Option { what, given: given.to_string(), wanted });
        match self.bins {
            1..=10_000 => Ok(()),
            bins => bad("the number of bins", bins, "from 1 to 10000 are possible"),
        }
    }

    /// Densities of the bins, from left to right.
    fn histogram(&self, samples: &[f64]) -> Vec<f64> {
        let mut counts = vec![0usize; self.bins];
        for sample in samples.iter().filter(|sample| self.axis.holds(**sample)) {
            counts[((self.axis.position(*sample) * self.bins as f64) as usize).min(self.bins - 1)] += 1;
        }
        let width = |i: usize| (self.edge(i + 1) - self.edge(i)).abs();
        let share = |count: usize| count as f64 / samples.len().max(1) as f64;
        counts.into_iter().enumerate().map(|(i, count)| share(count) / width(i)).collect()
    }

    fn edge(&self, i: usize) -> f64 {
        self.axis.value(i as f64 / self.bins as f64)
    }

    fn top(&self) -> f64 {
        PLOT.y + if self.title.is_empty() { 0.0 } else { TITLE_HEIGHT }
    }

    fn legend(&self) -> Vec<Entry> {
        let names = self.samples.iter().map(|s| &s.0).chain(self.curves.iter().map(|c| &c.0));
        let named = names.enumerate().filter(|(_, name)| !name.is_empty());
        let mut entries: Vec<_> = named.map(|(i, name)| Entry::Line(colour(i), name.clone())).collect();
        entries.extend(self.truth.map(|_| Entry::TruthLine));
        entries
    }
}

fn colour(rank: usize) -> Colour {
    SERIES[rank % SERIES.len()]
}

impl Panel for Marginal {
    fn size(&self) -> [f64; 2] {
        let legend = parts::legend_height(LEGEND_WIDTH, &self.legend());
        [PLOT.x + PLOT.w + 10.0, self.top() + PLOT.h + BELOW + legend]
    }

    fn draw(&mut self, canvas: &mut Canvas, area: Rect) -> Result<(), PlotError> {
        self.check()?;
        let plot = Rect { x: area.x + PLOT.x, y: area.y + self.top(), ..PLOT };
        let centre = plot.x + 0.5 * plot.w;
        canvas.text([centre, area.y + 11.0], &self.title, TITLE_SIZE, Anchor::Centre, BLACK);
        let histograms: Vec<_> = self.samples.iter().map(|(_, samples)| self.histogram(samples)).collect();
        let heights = histograms.iter().flatten().chain(self.curves.iter().flat_map(|c| c.1.iter().map(|p| &p[1])));
        let highest = heights.copied().fold(0.0, f64::max);
        let y = Axis::linear("density", 0.0, if highest > 0.0 { HEADROOM * highest } else { 1.0 });
        let onto = |value: f64, density: f64| plot.at([self.axis.position(value), y.position(density)]);
        canvas.clipped(&corners(plot, false), |canvas| {
            for (t, _) in y.ticks(4).0 {
                canvas.line(&[plot.at([0.0, t]), plot.at([1.0, t])], &Pen::new(FAINT, 0.6));
            }
            for (rank, densities) in histograms.iter().enumerate() {
                let bars = densities.iter().enumerate();
                let top: Vec<_> =
                    bars.flat_map(|(i, d)| [onto(self.edge(i), *d), onto(self.edge(i + 1), *d)]).collect();
                let (first, last) = (onto(self.edge(0), 0.0), onto(self.edge(self.bins), 0.0));
                let outline: Vec<_> = std::iter::once(first).chain(top).chain([last]).collect();
                canvas.fill(&outline, faded(colour(rank), 0.28));
                canvas.line(&outline, &Pen::new(colour(rank), 1.2));
            }
            for (rank, (_, points)) in self.curves.iter().enumerate() {
                let inside = points.iter().filter(|p| self.axis.holds(p[0]));
                let line: Vec<_> = inside.map(|p| onto(p[0], p[1])).collect();
                if let (true, [first, .., last]) = (self.filled, &line[..]) {
                    let floor = plot.y + plot.h;
                    let area: Vec<_> =
                        [[first[0], floor]].into_iter().chain(line.clone()).chain([[last[0], floor]]).collect();
                    canvas.fill(&area, faded(colour(histograms.len() + rank), 0.28));
                }
                canvas.line(&line, &Pen::new(colour(histograms.len() + rank), 1.8));
            }
            if let Some(truth) = self.truth.filter(|truth| self.axis.holds(*truth)) {
                let x = self.axis.position(truth);
                canvas.line(&[plot.at([x, 0.0]), plot.at([x, 1.0])], &parts::truth_pen());
            }
        });
        parts::axes(canvas, plot, &self.axis, Some(&y));
        parts::legend(canvas, [centre, plot.y + plot.h + BELOW + 4.0], LEGEND_WIDTH, &self.legend());
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
