//! Does the truth lie where the density says it does: found coverage against claimed coverage, and histograms of probability integral
//! transforms, with the bands in which a right density stays.

use super::canvas::{Anchor, Canvas, Pen, corners};
use super::colour::{BLACK, Colour, INK, faded, of_series};
use super::figure::{Panel, TITLE_SIZE};
use super::parts::{self, Entry};
use super::{Axis, PlotError, Rect, within};
use crate::estimators::Calibration;
use statrs::distribution::{Binomial, DiscreteCDF};

const PLOT: Rect = Rect { x: 46.0, y: 8.0, w: 180.0, h: 180.0 };
const PIT: Rect = Rect { h: 150.0, ..PLOT };
const TITLE_HEIGHT: f64 = 16.0;
const BELOW: f64 = 36.0;
const LEGEND_WIDTH: f64 = PLOT.w + 40.0;
/// Two-sided probabilities of the bands, the wide one first.
const BANDS: [f64; 2] = [0.95, 0.68];
/// Number of points at which curves are evaluated.
const STEPS: usize = 200;

/// The greys of the bands.
fn grey(band: usize) -> Colour {
    [[228, 228, 228, 255], [198, 198, 198, 255]][band]
}

/// Bounds that a count of `n` draws of probability `p` keeps with probability `band` at least, as shares of n.
fn bounds(n: usize, p: f64, band: f64) -> [f64; 2] {
    if p <= 0.0 || p >= 1.0 {
        return [p.clamp(0.0, 1.0); 2];
    }
    let tail = 0.5 * (1.0 - band);
    // p is inside (0, 1), so that the distribution exists.
    let Ok(binomial) = Binomial::new(p, n as u64) else { return [p; 2] };
    [tail, 1.0 - tail].map(|q| binomial.inverse_cdf(q) as f64 / n as f64)
}

/// A list of calibrations, their names, and a title: what both panels hold.
struct Series {
    title: String,
    named: Vec<(String, Vec<f64>)>,
}

impl Series {
    fn new() -> Self {
        Self { title: String::new(), named: Vec::new() }
    }

    fn push(&mut self, label: String, calibration: &Calibration) {
        let mut values = calibration.values.clone();
        values.sort_by(f64::total_cmp);
        self.named.push((label, values));
    }

    fn check(&self) -> Result<(), PlotError> {
        let bad = |given: String, wanted| Err(PlotError::Option { what: "a calibration", given, wanted });
        if self.named.is_empty() {
            return bad("missing".into(), "give at least one series");
        }
        for (label, values) in &self.named {
            if values.is_empty() {
                return bad(format!("empty (\"{label}\")"), "at least one number is needed");
            }
            if let Some(value) = values.iter().find(|v| !(0.0..=1.0).contains(*v)) {
                return bad(format!("{value} (\"{label}\")"), "numbers from 0 to 1 are needed");
            }
        }
        Ok(())
    }

    /// Bands are those of the shortest series, the widest ones.
    fn least(&self) -> usize {
        self.named.iter().map(|(_, values)| values.len()).min().unwrap_or(0)
    }

    fn legend(&self) -> Vec<Entry> {
        let named = self.named.iter().enumerate().filter(|(_, (label, _))| !label.is_empty());
        let mut entries: Vec<_> = named.map(|(i, (label, _))| Entry::Line(of_series(i), label.clone())).collect();
        let band = |i: usize| Entry::Area(grey(i), format!("{} of right densities", parts::percent(BANDS[i])));
        entries.extend([band(1), band(0)]);
        entries
    }

    fn top(&self) -> f64 {
        if self.title.is_empty() { 0.0 } else { TITLE_HEIGHT }
    }

    fn size(&self, plot: Rect) -> [f64; 2] {
        let legend = parts::legend_height(LEGEND_WIDTH, &self.legend());
        [plot.x + plot.w + 12.0, self.top() + plot.y + plot.h + BELOW + legend]
    }

    /// Title, axes and legend around a plot.
    fn surround(&self, canvas: &mut Canvas, area: Rect, plot: Rect, x: &Axis, y: &Axis) {
        let centre = plot.x + 0.5 * plot.w;
        canvas.text([centre, area.y + 9.0], &self.title, TITLE_SIZE, Anchor::Centre, BLACK);
        parts::axes(canvas, plot, x, Some(y));
        parts::legend(canvas, [centre, plot.y + plot.h + BELOW + 4.0], LEGEND_WIDTH, &self.legend());
    }

    fn place(&self, area: Rect, plot: Rect) -> Rect {
        Rect { x: area.x + plot.x, y: area.y + self.top() + plot.y, ..plot }
    }
}

/// The share of truths found inside regions against the share that the density claims: below the diagonal it is too sure of itself.
///
/// The grey bands hold the curve of a right density with 68 and 95 % at each claimed share by itself (binomial; a curve as a whole leaves them more
/// often).
#[must_use = "a panel is drawn by `save`, `png` or in a `Figure`"]
pub struct CoveragePlot(Series);

impl Default for CoveragePlot {
    fn default() -> Self {
        Self::new()
    }
}

impl CoveragePlot {
    /// A plot without curves.
    pub fn new() -> Self {
        Self(Series::new())
    }

    /// A line above the panel.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.0.title = title.into();
        self
    }

    /// A curve, with its name in the legend: of [`highest_density_coverage`](crate::estimators::highest_density_coverage) or
    /// [`base_coverage`](crate::estimators::base_coverage).
    pub fn series(mut self, label: impl Into<String>, calibration: &Calibration) -> Self {
        self.0.push(label.into(), calibration);
        self
    }
}

/// The share of sorted values that are no more than `p`.
fn share(sorted: &[f64], p: f64) -> f64 {
    sorted.partition_point(|v| *v <= p) as f64 / sorted.len() as f64
}

impl Panel for CoveragePlot {
    fn size(&self) -> [f64; 2] {
        self.0.size(PLOT)
    }

    fn draw(&mut self, canvas: &mut Canvas, area: Rect) -> Result<(), PlotError> {
        self.0.check()?;
        let plot = self.0.place(area, PLOT);
        let n = self.0.least();
        let steps = || (0..=STEPS).map(|i| i as f64 / STEPS as f64);
        canvas.clipped(&corners(plot, false), |canvas| {
            for (i, band) in BANDS.iter().enumerate() {
                let edges: Vec<_> = steps().map(|p| (p, bounds(n, p, *band))).collect();
                let upper = edges.iter().map(|(p, [_, high])| plot.at([*p, *high]));
                let lower = edges.iter().rev().map(|(p, [low, _])| plot.at([*p, *low]));
                canvas.fill(&upper.chain(lower).collect::<Vec<_>>(), grey(i));
            }
            canvas.line(&[plot.at([0.0, 0.0]), plot.at([1.0, 1.0])], &Pen::new(INK, 0.8).dashed(&[3.0, 2.0]));
            for (rank, (_, values)) in self.0.named.iter().enumerate() {
                let line: Vec<_> = steps().map(|p| plot.at([p, share(values, p)])).collect();
                canvas.line(&line, &Pen::new(of_series(rank), 1.6));
            }
        });
        let x = Axis::linear("claimed coverage", 0.0, 1.0);
        self.0.surround(canvas, area, plot, &x, &Axis::linear("found coverage", 0.0, 1.0));
        Ok(())
    }
}

/// Histograms of probability integral transforms: flat for a right density; a heap in the middle says that it is too wide, heaps at both ends
/// that it is too narrow, a slope that it is shifted.
///
/// The grey bands hold each bin of a right density with 68 and 95 % by itself (binomial).
#[must_use = "a panel is drawn by `save`, `png` or in a `Figure`"]
pub struct PitHistogram {
    series: Series,
    bins: usize,
}

impl Default for PitHistogram {
    fn default() -> Self {
        Self::new()
    }
}

impl PitHistogram {
    /// A plot without histograms.
    pub fn new() -> Self {
        Self { series: Series::new(), bins: 20 }
    }

    /// A line above the panel.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.series.title = title.into();
        self
    }

    /// Bins; 20 if not given.
    pub fn bins(mut self, bins: usize) -> Self {
        self.bins = bins;
        self
    }

    /// A histogram, with its name in the legend: of [`integral_transform`](crate::estimators::integral_transform) or
    /// [`rank_calibration`](crate::estimators::rank_calibration).
    pub fn series(mut self, label: impl Into<String>, calibration: &Calibration) -> Self {
        self.series.push(label.into(), calibration);
        self
    }

    /// Densities of the bins.
    fn histogram(&self, values: &[f64]) -> Vec<f64> {
        let mut counts = vec![0usize; self.bins];
        for value in values {
            counts[((value * self.bins as f64) as usize).min(self.bins - 1)] += 1;
        }
        counts.into_iter().map(|c| c as f64 * self.bins as f64 / values.len() as f64).collect()
    }
}

impl Panel for PitHistogram {
    fn size(&self) -> [f64; 2] {
        self.series.size(PIT)
    }

    fn draw(&mut self, canvas: &mut Canvas, area: Rect) -> Result<(), PlotError> {
        self.series.check()?;
        within(1..=1000, "the number of bins", self.bins, "from 1 to 1000 are possible")?;
        let plot = self.series.place(area, PIT);
        let histograms: Vec<_> = self.series.named.iter().map(|(_, values)| self.histogram(values)).collect();
        let bins = self.bins as f64;
        let bands = BANDS.map(|band| bounds(self.series.least(), 1.0 / bins, band).map(|share| share * bins));
        let highest = histograms.iter().flatten().copied().fold(bands[0][1], f64::max);
        let y = Axis::linear("density", 0.0, 1.1 * highest);
        canvas.clipped(&corners(plot, false), |canvas| {
            for (i, [low, high]) in bands.into_iter().enumerate() {
                let [low, high] = [low, high].map(|v| y.position(v));
                canvas.fill(&[[0.0, low], [1.0, low], [1.0, high], [0.0, high]].map(|p| plot.at(p)), grey(i));
            }
            let one = y.position(1.0);
            canvas.line(&[plot.at([0.0, one]), plot.at([1.0, one])], &Pen::new(INK, 0.8).dashed(&[3.0, 2.0]));
            for (rank, densities) in histograms.iter().enumerate() {
                let step = |(i, d): (usize, &f64)| [i, i + 1].map(|i| plot.at([i as f64 / bins, y.position(*d)]));
                let line: Vec<_> = densities.iter().enumerate().flat_map(step).collect();
                if histograms.len() == 1 {
                    let area: Vec<_> =
                        [plot.at([0.0, 0.0])].into_iter().chain(line.clone()).chain([plot.at([1.0, 0.0])]).collect();
                    canvas.fill(&area, faded(of_series(rank), 0.2));
                }
                canvas.line(&line, &Pen::new(of_series(rank), 1.5));
            }
        });
        self.series.surround(canvas, area, plot, &Axis::linear("probability integral transform", 0.0, 1.0), &y);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Figure;
    use super::*;

    fn even(n: usize) -> Calibration {
        Calibration { values: (0..n).map(|i| (i as f64 + 0.5) / n as f64).collect() }
    }

    #[test]
    fn bounds_are_those_of_the_binomial_distribution() {
        // Of ten throws of a coin: 2 to 8 heads hold 97.9 %, 3 to 7 only 89 %; the quantiles of 2.5 % and 97.5 % are 2 and 8.
        assert_eq!(bounds(10, 0.5, 0.95), [0.2, 0.8]);
        let [low, high] = bounds(100_000, 0.3, 0.68);
        let sigma = (0.3 * 0.7 / 1e5f64).sqrt();
        assert!((high - 0.3 - 0.9945 * sigma).abs() < 2e-5 && (0.3 - low - 0.9945 * sigma).abs() < 2e-5);
        assert_eq!(bounds(10, 0.0, 0.95), [0.0, 0.0]);
    }

    #[test]
    fn a_right_density_stays_in_the_band_and_a_narrow_one_does_not() {
        let narrow = Calibration { values: even(1000).values.iter().map(|v| v.sqrt()).collect() };
        let plot = CoveragePlot::new().series("right", &even(1000)).series("narrow", &narrow);
        let canvas = Figure::new().panel(plot).render().unwrap();
        let place = |p: [f64; 2]| Rect { x: 6.0 + PLOT.x, y: 6.0 + PLOT.y, ..PLOT }.at(p);
        // sqrt(v) <= 0.5 for a quarter of them; the band is 0.47 to 0.53 there.
        assert_eq!(canvas.colour_at(place([0.5, 0.5])), Some(of_series(0)));
        assert_eq!(canvas.colour_at(place([0.5, 0.25])), Some(of_series(1)));
        assert_eq!(canvas.colour_at(place([0.5, 0.525])), Some(grey(0)));
        assert_eq!(canvas.colour_at(place([0.5, 0.6])), Some([255; 4]));
        let words: Vec<_> = canvas.words().collect();
        assert!(words.contains(&"narrow") && words.contains(&"95 % of right densities"));
    }

    #[test]
    fn histograms_of_transforms_have_area_one() {
        let plot = PitHistogram::new().bins(8);
        let densities = plot.histogram(&even(1000).values);
        assert!(densities.iter().all(|d| (d - 1.0).abs() < 0.01));
        assert!((plot.histogram(&[0.0, 1.0, 1.0]).iter().sum::<f64>() / 8.0 - 1.0).abs() < 1e-12);
        assert!(plot.series("x", &even(50)).png().is_ok());
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        let error = |values: &[f64]| {
            let calibration = Calibration { values: values.to_vec() };
            CoveragePlot::new().series("x", &calibration).png().unwrap_err().to_string()
        };
        assert!(error(&[]).contains("empty"));
        assert!(error(&[0.5, 1.5]).contains("1.5") && error(&[f64::NAN]).contains("NaN"));
        assert!(CoveragePlot::new().png().unwrap_err().to_string().contains("at least one series"));
        assert!(PitHistogram::new().bins(0).series("x", &even(3)).png().unwrap_err().to_string().contains("bins"));
    }
}
