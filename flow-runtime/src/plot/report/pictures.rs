//! The pictures of a report.

use super::super::page::Section;
use super::super::steps::{Kind, Slice, Steps, even, range};
use super::super::{
    Axis, BoxError, Canvas, CirclePlot, Corner, CoveragePlot, Figure, Marginal, PitHistogram, PlotError, SkyMap,
    Ternary, TrainingCurves,
};
use super::Report;
use super::numbers::Numbers;
use crate::density::{Layerwise, ManifoldInfo};
use crate::error::Error;
use crate::manifolds::Geometry;
use crate::module::Element;
use core::f64::consts::TAU;

/// Draws for the ranges of step-by-step pictures.
const STEP_DRAWS: usize = 4000;
/// Points of the manifolds before, over which the density of a later one is averaged: this many at most, and one for so many draws.
const AVERAGED: usize = 32;
const DRAWS_AN_AVERAGED: usize = 10;
/// Coordinates of a corner plot at most, and histograms of transforms.
const COORDINATES: usize = 12;
/// Points shown on a map.
const SHOWN: usize = 400;
const CONTOURS: [f64; 2] = [0.68, 0.95];

/// A picture of a report, to be written.
pub(super) struct Picture {
    pub(super) name: String,
    pub(super) caption: String,
    pub(super) section: Section,
    pub(super) canvas: Canvas,
}

impl<E: Element, D: Layerwise<E>> Report<'_, E, D> {
    pub(super) fn pictures(&self, numbers: &Numbers) -> Result<Vec<Picture>, PlotError> {
        let failed = |e: Error| PlotError::Density(e.into());
        let (density, spaces) = (self.density, self.density.manifolds());
        let rng = &mut self.rng();
        let conditions = density.conditions();
        let draws = density.sample_rows((self.draws / conditions).max(1), rng).map_err(failed)?.points;
        let given =
            density.sample_at(0, (self.draws / DRAWS_AN_AVERAGED).clamp(1, AVERAGED), rng).map_err(failed)?.points;
        let mut pictures = Vec::new();
        let mut add = |section, name: String, caption: String, figure: Figure<'_>| -> Result<(), PlotError> {
            let canvas = figure.dpi(self.dpi).render()?;
            pictures.push(Picture { name, caption, section, canvas });
            Ok(())
        };
        if let Some(history) = self.history {
            let caption = "Losses and learning rate by epoch; the dashed line is the epoch whose weights were kept.";
            add(
                Section::Training,
                "training".into(),
                caption.into(),
                Figure::new().panel(TrainingCurves::new(history)),
            )?;
        }
        self.calibration(numbers, &mut add)?;
        let flat: Vec<usize> = spaces
            .iter()
            .filter(|space| matches!(space.geometry, Geometry::Euclidean { .. } | Geometry::Interval { .. }))
            .flat_map(|space| space.columns.clone())
            .take(COORDINATES)
            .collect();
        if !flat.is_empty() {
            let caption = "Every coordinate and every pair of coordinates of the Euclidean manifolds and intervals: draws from the \
                           density, and the data. Contours hold 68 and 95 % of the samples.";
            add(
                Section::Density,
                "corner".into(),
                caption.into(),
                Figure::new().panel(self.corner(&spaces, &flat, &draws)),
            )?;
        }
        for (k, space) in spaces.iter().enumerate() {
            // A manifold after the first is averaged over those before it.
            let rows = if k == 0 { &given[..D::DIM] } else { &given[..] };
            let slice = Slice { density, condition: 0, manifold: k, rows: rows.to_vec() };
            let of = if conditions > 1 { " given the first row of features" } else { "" };
            let name = |what: &str| if spaces.len() > 1 { format!("{what}_{k}") } else { what.to_string() };
            match Kind::of(space) {
                Kind::Circle => {
                    let caption =
                        format!("Manifold {k} ({}): draws from the density{}.", space.notation, self.and_data());
                    add(
                        Section::Density,
                        name("circle"),
                        caption,
                        Figure::new().panel(self.circle(space, &slice, &draws)?),
                    )?;
                }
                Kind::Interval(ends) => {
                    let caption =
                        format!("Manifold {k} ({}): draws from the density{}.", space.notation, self.and_data());
                    let panel = self.interval(space, ends, &slice, &draws)?;
                    add(Section::Density, name("interval"), caption, Figure::new().panel(panel))?;
                }
                Kind::Sphere => {
                    let caption = format!(
                        "Manifold {k} ({}): the density{of}{}, with 68 and 95 % regions.",
                        space.notation,
                        self.and_data()
                    );
                    add(Section::Density, name("sphere"), caption, Figure::new().panel(self.sphere(space, &slice)))?;
                }
                Kind::Triangle => {
                    let caption = format!(
                        "Manifold {k} ({}): the density{of}{}, with 68 and 95 % regions.",
                        space.notation,
                        self.and_data()
                    );
                    add(
                        Section::Density,
                        name("triangle"),
                        caption,
                        Figure::new().panel(self.triangle(space, &slice)),
                    )?;
                }
                Kind::Line | Kind::Plane | Kind::Other => {}
            }
            if Kind::of(space) != Kind::Other && density.letters()[k].len() > 1 {
                let labels: Vec<String> = (0..space.columns.len()).map(|i| self.label(space, i)).collect();
                let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
                let steps = Steps::new().manifold(k).view(self.view).draws(STEP_DRAWS.min(self.draws));
                let steps = self.cells.map_or(steps.clone(), |cells| steps.cells(cells));
                let steps = if Kind::of(space) == Kind::Triangle { steps } else { steps.labels(&labels) };
                let before = if k > 0 { " and one point of the manifolds before it" } else { "" };
                let caption = format!("Manifold {k} ({}), from the base to the target{of}{before}.", space.notation);
                add(Section::Steps, name("steps"), caption, steps.figure(density, rng)?)?;
            }
        }
        Ok(pictures)
    }

    fn and_data(&self) -> &'static str {
        if self.data.is_some() { ", and the data" } else { "" }
    }

    fn calibration(
        &self,
        numbers: &Numbers,
        add: &mut impl FnMut(Section, String, String, Figure<'_>) -> Result<(), PlotError>,
    ) -> Result<(), PlotError> {
        if numbers.coverage.is_empty() {
            return Ok(());
        }
        let plot = numbers.coverage.iter().fold(CoveragePlot::new(), |plot, (name, c)| plot.series(name, c));
        let caption = "The share of the data found inside regions against the share that the density claims: below the diagonal it is \
                       too sure of itself.";
        add(Section::Calibration, "coverage".into(), caption.into(), Figure::new().panel(plot))?;
        let labels = self.all_labels();
        let transforms = numbers.transforms.iter().zip(&labels).take(COORDINATES);
        let figure = transforms.fold(Figure::new().columns(3), |figure, (c, label)| {
            figure.panel(PitHistogram::new().title(label).series("", c))
        });
        let caption = "Probability integral transforms of the data, flat if the density is right: each base coordinate given those before it.";
        add(Section::Calibration, "transforms".into(), caption.into(), figure)
    }

    /// The values of a column of rows of points.
    fn column(points: &[E], column: usize) -> Vec<f64> {
        points.chunks_exact(D::DIM).map(|row| row[column].widen()).collect()
    }

    fn corner(&self, spaces: &[ManifoldInfo], columns: &[usize], draws: &[E]) -> Corner {
        let labels = self.all_labels();
        let axes: Vec<Axis> = columns
            .iter()
            .map(|column| {
                let space = spaces.iter().find(|space| space.columns.contains(column));
                let [low, high] = match space.map(Kind::of) {
                    Some(Kind::Interval(ends)) => ends,
                    _ => {
                        let data = self.data.map(|(points, _)| range(&Self::column(points, *column)));
                        let own = range(&Self::column(draws, *column));
                        data.map_or(own, |data| [own[0].min(data[0]), own[1].max(data[1])])
                    }
                };
                Axis::linear(&labels[*column], low, high)
            })
            .collect();
        let rows = |points: &[E]| {
            let row = |row: &[E]| columns.iter().map(|c| row[*c].widen()).collect::<Vec<f64>>();
            points.chunks_exact(D::DIM).map(row).collect::<Vec<_>>()
        };
        let corner = Corner::new(axes).samples("density", rows(draws));
        match self.data {
            Some((points, _)) => corner.samples("data", rows(points)),
            None => corner,
        }
    }

    fn circle(&self, space: &ManifoldInfo, slice: &Slice<'_, E, D>, draws: &[E]) -> Result<CirclePlot, PlotError> {
        let column = space.columns.start;
        let panel = CirclePlot::new(self.label(space, 0));
        let panel = match self.data {
            Some((points, _)) => panel.samples("data", &Self::column(points, column)),
            None => panel,
        };
        if self.density.conditions() > 1 {
            return Ok(panel.samples("density", &Self::column(draws, column)));
        }
        let letters = self.density.letters()[slice.manifold].len();
        Ok(panel.curve("density", &slice.curve(letters, &even(0.0, TAU))?))
    }

    fn interval(
        &self,
        space: &ManifoldInfo,
        [low, high]: [f64; 2],
        slice: &Slice<'_, E, D>,
        draws: &[E],
    ) -> Result<Marginal, PlotError> {
        let column = space.columns.start;
        let panel = Marginal::new(Axis::linear(self.label(space, 0), low, high));
        let panel = match self.data {
            Some((points, _)) => panel.samples("data", &Self::column(points, column)),
            None => panel,
        };
        if self.density.conditions() > 1 {
            return Ok(panel.samples("density", &Self::column(draws, column)));
        }
        let letters = self.density.letters()[slice.manifold].len();
        Ok(panel.curve("density", &slice.curve(letters, &even(low, high))?))
    }

    /// The data that lie under the first condition, of two columns.
    fn shown(&self, space: &ManifoldInfo) -> Vec<[f64; 2]> {
        let Some((points, _)) = self.data else { return Vec::new() };
        let rows = points.len() / D::DIM / self.density.conditions();
        let pair = |row: &[E]| [0, 1].map(|k| row[space.columns.start + k].widen());
        points.chunks_exact(D::DIM).take(rows.min(SHOWN)).map(pair).collect()
    }

    fn sphere<'s>(&self, space: &ManifoldInfo, slice: &'s Slice<'_, E, D>) -> SkyMap<'s> {
        let letters = self.density.letters()[slice.manifold].len();
        let cells = if slice.manifold == 0 { 400 } else { 160 };
        let map = SkyMap::new(self.view).cells(self.cells.unwrap_or(cells)).contours(&CONTOURS);
        let map = map.density(move |points: &[[f64; 2]]| slice.log_prob(letters, points).map_err(BoxError::from));
        map.points("data", &self.shown(space)).point_size(0.7)
    }

    fn triangle<'s>(&self, space: &ManifoldInfo, slice: &'s Slice<'_, E, D>) -> Ternary<'s> {
        let letters = self.density.letters()[slice.manifold].len();
        let names = [0, 1].map(|k| self.label(space, k));
        let panel = Ternary::new(["rest", &names[0], &names[1]]).contours(&CONTOURS);
        let panel = panel.cells(self.cells.unwrap_or(if slice.manifold == 0 { 160 } else { 80 }));
        let panel = panel.density(move |points: &[[f64; 2]]| slice.log_prob(letters, points).map_err(BoxError::from));
        panel.points("data", &self.shown(space)).point_size(0.6)
    }
}
