//! Densities and samples on the circle.

use super::canvas::{Anchor, Canvas, Pen};
use super::colour::{BLACK, FAINT, INK, TRUTH, faded, of_series};
use super::curves::Curves;
use super::figure::{Panel, TICK_SIZE, TITLE_SIZE};
use super::{PlotError, Rect, axis, parts};
use core::f64::consts::{FRAC_PI_2, TAU};

/// Room for the plot with its labels.
const SIDE: f64 = 236.0;
const OUTER: f64 = 96.0;
/// The circle on which densities start from zero.
const INNER: f64 = 34.0;
const TITLE_HEIGHT: f64 = 16.0;
const LABEL: f64 = 13.0;
/// Degrees between labelled directions.
const SPOKE: u32 = 45;
/// Room above the highest bar.
const HEADROOM: f64 = 1.05;

/// Histograms of angles and curves of densities around a circle: the distance outwards from the inner circle is the density per radian.
///
/// Angles are in radians and may be any number; they grow counterclockwise from the right, or, as on a compass, clockwise from the top.
#[must_use = "a panel is drawn by `save`, `png` or in a `Figure`"]
pub struct CirclePlot {
    label: String,
    compass: bool,
    data: Curves,
}

impl CirclePlot {
    /// An empty panel. The label names the angle: `"phase"`. Directions are numbered in degrees.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), compass: false, data: Curves::new(36) }
    }

    /// A line above the panel.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.data.title = title.into();
        self
    }

    /// Angles from north, clockwise.
    pub fn compass(mut self) -> Self {
        self.compass = true;
        self
    }

    /// Bins of the histograms; 36 if not given, ten degrees each.
    pub fn bins(mut self, bins: usize) -> Self {
        self.data.bins = bins;
        self
    }

    /// A histogram of angles, with its name in the legend.
    pub fn samples(mut self, label: impl Into<String>, angles: &[f64]) -> Self {
        self.data.samples.push((label.into(), angles.to_vec()));
        self
    }

    /// A closed curve of points (angle, density per radian) in the order of the angles, with its name in the legend.
    pub fn curve(mut self, label: impl Into<String>, points: &[[f64; 2]]) -> Self {
        self.data.curves.push((label.into(), points.to_vec()));
        self
    }

    /// A line at the true angle.
    pub fn truth(mut self, angle: f64) -> Self {
        self.data.truth = Some(angle);
        self
    }

    fn check(&self) -> Result<(), PlotError> {
        self.data.check("angle")
    }

    /// Densities per radian of the bins, from angle 0 on.
    fn histogram(&self, angles: &[f64]) -> Vec<f64> {
        let mut counts = vec![0usize; self.data.bins];
        for angle in angles {
            let turn = angle.rem_euclid(TAU) / TAU;
            counts[((turn * self.data.bins as f64) as usize).min(self.data.bins - 1)] += 1;
        }
        let scale = self.data.bins as f64 / (TAU * angles.len().max(1) as f64);
        counts.into_iter().map(|count| count as f64 * scale).collect()
    }

    /// Right and up of the centre, for an angle at a distance.
    fn direction(&self, angle: f64, distance: f64) -> [f64; 2] {
        let turned = if self.compass { FRAC_PI_2 - angle } else { angle };
        [distance * turned.cos(), distance * turned.sin()]
    }

    fn top(&self) -> f64 {
        if self.data.title.is_empty() { 0.0 } else { TITLE_HEIGHT }
    }
}

/// Points of an arc, close enough to look round.
fn arc(from: f64, to: f64) -> impl Iterator<Item = f64> {
    let steps = ((to - from).abs() / 0.03).ceil().max(1.0) as usize;
    (0..=steps).map(move |i| from + (to - from) * i as f64 / steps as f64)
}

impl Panel for CirclePlot {
    fn size(&self) -> [f64; 2] {
        [SIDE, self.top() + SIDE + LABEL + 6.0 + parts::legend_height(SIDE, &self.data.legend())]
    }

    fn draw(&mut self, canvas: &mut Canvas, area: Rect) -> Result<(), PlotError> {
        self.check()?;
        let centre = [area.x + 0.5 * SIDE, area.y + self.top() + 0.5 * SIDE];
        canvas.text([centre[0], area.y + 9.0], &self.data.title, TITLE_SIZE, Anchor::Centre, BLACK);
        let histograms: Vec<_> = self.data.samples.iter().map(|(_, angles)| self.histogram(angles)).collect();
        let full = self.data.full(&histograms, HEADROOM);
        let onto = |angle: f64, density: f64| {
            let [right, up] = self.direction(angle, INNER + (OUTER - INNER) * density / full);
            [centre[0] + right, centre[1] - up]
        };
        let circle = |density: f64| arc(0.0, TAU).map(|a| onto(a, density)).collect::<Vec<_>>();
        let (marks, factor) = axis::ticks(0.0, full, 3);
        for (density, _) in &marks {
            canvas.line(&circle(*density), &Pen::new(FAINT, 0.7));
        }
        for degrees in (0..360).step_by(SPOKE as usize) {
            let angle = f64::from(degrees).to_radians();
            canvas.line(&[onto(angle, 0.0), onto(angle, full)], &Pen::new(FAINT, 0.7));
            let [right, up] = self.direction(angle, OUTER + 12.0);
            let at = [centre[0] + right, centre[1] - up];
            canvas.text(at, &format!("{degrees}°"), TICK_SIZE, Anchor::Centre, INK);
        }
        for (rank, densities) in histograms.iter().enumerate() {
            let edge = |i: usize| TAU * i as f64 / self.data.bins as f64;
            let top: Vec<_> = densities
                .iter()
                .enumerate()
                .flat_map(|(i, d)| arc(edge(i), edge(i + 1)).map(|a| onto(a, *d)))
                .collect();
            for (i, density) in densities.iter().enumerate().filter(|(_, d)| **d > 0.0) {
                let outer = arc(edge(i), edge(i + 1)).map(|a| onto(a, *density));
                let inner = arc(edge(i + 1), edge(i)).map(|a| onto(a, 0.0));
                canvas.fill(&outer.chain(inner).collect::<Vec<_>>(), faded(of_series(rank), 0.28));
            }
            canvas.line(&closed(top), &Pen::new(of_series(rank), 1.1));
        }
        for (rank, (_, points)) in self.data.curves.iter().enumerate() {
            let line = points.iter().map(|[angle, density]| onto(*angle, *density)).collect();
            canvas.line(&closed(line), &Pen::new(of_series(histograms.len() + rank), 1.7));
        }
        canvas.line(&circle(0.0), &Pen::new(INK, 0.9));
        if let Some(truth) = self.data.truth {
            canvas.line(&[onto(truth, 0.0), onto(truth, full)], &parts::truth_pen());
            canvas.disk(onto(truth, 0.0), 2.6, TRUTH);
        }
        // Between two directions, where no label of theirs is.
        for (density, label) in marks.iter().filter(|(density, _)| *density > 0.0) {
            let between = 1.5 * f64::from(SPOKE).to_radians();
            canvas.rimmed_text(onto(between, *density), label, TICK_SIZE - 1.0, [INK, [255; 4]]);
        }
        let below = centre[1] + 0.5 * SIDE + 4.0;
        let words = format!("{} (degrees); outwards: density per radian{factor}", self.label);
        canvas.text([centre[0], below], &words, TICK_SIZE, Anchor::Centre, BLACK);
        parts::legend(canvas, [centre[0], below + LABEL + 4.0], SIDE, &self.data.legend());
        Ok(())
    }
}

/// A line that ends where it began.
fn closed(mut line: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    line.extend(line.first().copied());
    line
}

#[cfg(test)]
mod tests {
    use super::super::Figure;
    use super::*;

    #[test]
    fn a_histogram_has_area_one_and_angles_wrap() {
        let panel = CirclePlot::new("phase").bins(12);
        let angles: Vec<f64> = (0..1000).map(|i| -20.0 + 0.0413 * f64::from(i)).collect();
        let densities = panel.histogram(&angles);
        assert!((densities.iter().sum::<f64>() * TAU / 12.0 - 1.0).abs() < 1e-12);
        assert_eq!(panel.histogram(&[-0.1])[11], 12.0 / TAU);
        assert_eq!(panel.histogram(&[-1e-300])[11], 12.0 / TAU, "a turn that rounds up to a whole one");
    }

    #[test]
    fn angles_are_where_the_convention_says() {
        // All at 90 degrees: up from the right, right on a compass.
        let angles = [1.5f64; 50];
        for (compass, [right, up]) in [(false, [0.0, 1.0]), (true, [1.0, 0.0])] {
            let panel = CirclePlot::new("phase").samples("draws", &angles).bins(8);
            let panel = if compass { panel.compass() } else { panel };
            let canvas = Figure::new().panel(panel).render().unwrap();
            // Beside the spoke, inside the bin from 45 to 90 degrees.
            let centre = 6.0 + 0.5 * SIDE;
            let (along, side) = (0.5 * (INNER + OUTER), -8.0);
            let at = |along: f64| [centre + along * right + side * -up, centre - along * up - side * -right];
            let there = canvas.colour_at(at(along)).unwrap();
            let opposite = canvas.colour_at(at(-along)).unwrap();
            assert_ne!(there, [255; 4], "{compass}");
            assert_eq!(opposite, [255; 4], "{compass}");
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        let error = |panel: CirclePlot| panel.png().unwrap_err().to_string();
        assert!(error(CirclePlot::new("a").samples("x", &[0.0, f64::INFINITY])).starts_with("angle (\"x\") 1 is inf"));
        assert!(error(CirclePlot::new("a").bins(0)).contains("bins"));
        assert!(CirclePlot::new("a").png().is_ok());
    }
}
