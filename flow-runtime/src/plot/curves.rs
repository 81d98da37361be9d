//! What the panels of one coordinate have in common: histograms of samples, curves of densities, a truth.

use super::colour::of_series;
use super::parts::Entry;
use super::{PlotError, finite, within};

/// Samples and curves with their names, and how samples become histograms.
pub(crate) struct Curves {
    pub(crate) title: String,
    pub(crate) bins: usize,
    pub(crate) samples: Vec<(String, Vec<f64>)>,
    pub(crate) curves: Vec<(String, Vec<[f64; 2]>)>,
    pub(crate) truth: Option<f64>,
}

impl Curves {
    pub(crate) fn new(bins: usize) -> Self {
        Self { title: String::new(), bins, samples: Vec::new(), curves: Vec::new(), truth: None }
    }

    /// Refuses what cannot be drawn; `sample` is what messages call a sample.
    pub(crate) fn check(&self, sample: &str) -> Result<(), PlotError> {
        for (label, samples) in &self.samples {
            finite(&format!("{sample} (\"{label}\")"), samples, 1)?;
        }
        for (label, points) in &self.curves {
            finite(&format!("curve point (\"{label}\")"), points.iter().flatten(), 2)?;
        }
        finite("truth", &self.truth, 1)?;
        within(1..=10_000, "the number of bins", self.bins, "from 1 to 10000 are possible")
    }

    /// The height of the axis of densities: that of the highest bar or curve times `headroom`, or 1 where all are empty.
    pub(crate) fn full(&self, histograms: &[Vec<f64>], headroom: f64) -> f64 {
        let points = self.curves.iter().flat_map(|(_, points)| points.iter().map(|p| &p[1]));
        let highest = histograms.iter().flatten().chain(points).copied().fold(0.0, f64::max);
        if highest > 0.0 { headroom * highest } else { 1.0 }
    }

    pub(crate) fn legend(&self) -> Vec<Entry> {
        let names = self.samples.iter().map(|s| &s.0).chain(self.curves.iter().map(|c| &c.0));
        let named = names.enumerate().filter(|(_, name)| !name.is_empty());
        let mut entries: Vec<_> = named.map(|(i, name)| Entry::Line(of_series(i), name.clone())).collect();
        entries.extend(self.truth.map(|_| Entry::TruthLine));
        entries
    }
}
