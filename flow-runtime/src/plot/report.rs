//! A folder that shows what a density is and how good it is: pictures, numbers, and a page with both.

use super::page::{Page, Section};
use super::steps::{Kind, Slice, Steps, even, range};
use super::svg::escaped;
use super::{
    Axis, BoxError, Canvas, CirclePlot, Corner, CoveragePlot, Figure, Marginal, PitHistogram, PlotError, SkyMap,
    Ternary, TrainingCurves, View,
};
use crate::density::{Space, Stepwise};
use crate::error::Error;
use crate::estimators::{self, Calibration, Estimate};
use crate::module::Element;
use crate::trainers::History;
use core::f64::consts::TAU;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::path::Path;

/// Draws that stand for the density in corner plots, histograms and entropies, in all conditions together.
const DRAWS: usize = 20_000;
/// Draws for the coverage of smallest regions: so many times those in all, and for each row of the data between these bounds.
const COVERAGE_DRAWS: usize = 50;
const COVERAGE_EACH: [usize; 2] = [20, 200];
/// Draws for the ranges of step-by-step pictures.
const STEP_DRAWS: usize = 4000;
/// Points of the manifolds before, over which the density of a later one is averaged: this many at most, and one for so many draws.
const AVERAGED: usize = 32;
const DRAWS_AN_AVERAGED: usize = 10;
/// Coordinates of a corner plot at most, and histograms of transforms.
const COORDINATES: usize = 12;
/// Points shown on a map.
const SHOWN: usize = 400;
/// Shares at which coverage is written down.
const SHARES: [f64; 11] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.68, 0.8, 0.9, 0.95, 0.99];
const CONTOURS: [f64; 2] = [0.68, 0.95];

/// Everything there is to see of a density, in one call: a folder with pictures (PNG and SVG), the numbers as JSON, and `index.html` that shows them.
///
/// With held-out data: negative log-likelihood with its standard error, coverage, probability integral transforms. With a history: the training curves.
/// Always: entropies, a corner plot of the Euclidean parts, the density of each circle, sphere and triangle, and each chain step by step.
///
/// A density of many conditions (features given) is shown as draws under all of them together, beside the data; maps and steps are those of the first
/// condition. The same seed writes the same files.
///
/// ```no_run
/// use dfdx::prelude::*;
/// use flow_runtime::{Fit, flow, plot::Report};
///
/// # let (training, held_out) = (vec![[0.0f64; 2]], vec![[0.0f64; 2]]);
/// let mut pdf = Cpu::default().build_module::<flow!(e2 : ggg), f64>();
/// let history = pdf.fit(&training, &Fit::default())?;
/// Report::new(&pdf).title("Two numbers").labels(&["x (m)", "y (m)"]).data(&held_out).history(&history).write("report")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a report is written by `write`"]
pub struct Report<'a, E: Element, D> {
    density: &'a D,
    title: String,
    labels: Vec<String>,
    data: Option<(&'a [E], usize)>,
    history: Option<&'a History>,
    view: View,
    dpi: f64,
    seed: u64,
    draws: usize,
    cells: Option<usize>,
}

/// What a report was made of, to be written.
struct Picture {
    name: String,
    caption: String,
    section: Section,
    canvas: Canvas,
}

impl<'a, E: Element, D: Stepwise<E>> Report<'a, E, D> {
    /// Of a flow, or of one with its features given: `pdf.given(&features)?`.
    pub fn new(density: &'a D) -> Self {
        Self {
            density,
            title: "Density".into(),
            labels: Vec::new(),
            data: None,
            history: None,
            view: View::Directions,
            dpi: 144.0,
            seed: 0,
            draws: DRAWS,
            cells: None,
        }
    }

    /// The headline.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Names and units of all intrinsic coordinates in their order: `"x (m)"`.
    pub fn labels(mut self, labels: &[&str]) -> Self {
        self.labels = labels.iter().map(|label| label.to_string()).collect();
        self
    }

    /// Held-out points, rows of intrinsic coordinates; with features given, as many for each row of features.
    pub fn data<const N: usize>(mut self, points: &'a [[E; N]]) -> Self {
        self.data = Some((points.as_flattened(), N));
        self
    }

    /// How the density was fitted.
    pub fn history(mut self, history: &'a History) -> Self {
        self.history = Some(history);
        self
    }

    /// Conventions of the maps of the sphere; [`View::Directions`] if not given.
    pub fn view(mut self, view: View) -> Self {
        self.view = view;
        self
    }

    /// Dots per inch of the pictures; 144 if not given.
    pub fn dpi(mut self, dpi: f64) -> Self {
        self.dpi = dpi;
        self
    }

    /// The seed of all draws; 0 if not given.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Draws from the density for corner plots, histograms and entropies; 20,000 if not given. Coverage takes up to 50 times as many.
    pub fn draws(mut self, draws: usize) -> Self {
        self.draws = draws;
        self
    }

    /// Cells across maps, heat maps and triangles; as many as each needs to look smooth if not given.
    pub fn cells(mut self, cells: usize) -> Self {
        self.cells = Some(cells);
        self
    }

    /// Writes the report into a folder, which is made if it is not there.
    ///
    /// Everything is computed and drawn before anything is written; each file is written beside its place and renamed. A folder that holds anything
    /// but an earlier report is refused, and so is one in which a file of the report would replace one that is not of the earlier report.
    ///
    /// # Errors
    /// The data do not suit the density, or the labels; the density fails; the folder is not empty and not a report's; a file cannot be written.
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<(), PlotError> {
        let (folder, failed) = (folder.as_ref(), |e: Error| PlotError::Density(e.into()));
        self.check()?;
        let mut page = Page::open(folder)?;
        let numbers = self.numbers().map_err(failed)?;
        let mut pictures = self.pictures(&numbers)?;
        pictures.sort_by_key(|picture| picture.section);
        for Picture { name, caption, section, canvas } in pictures {
            page.picture(section, &name, &caption, canvas.png()?, canvas.svg()?);
        }
        page.write(&self.title, &self.words(&numbers), numbers.json)
    }

    fn check(&self) -> Result<(), PlotError> {
        let bad = |what, given: String, wanted| Err(PlotError::Option { what, given, wanted });
        if let Some((points, columns)) = self.data
            && (columns != D::DIM || points.is_empty())
        {
            let given = format!("{} rows of {columns} coordinates", points.len() / columns.max(1));
            return bad("the data", given, "at least one row of all intrinsic coordinates is needed");
        }
        if self.draws < 2 {
            return bad("the number of draws", self.draws.to_string(), "at least 2 are needed");
        }
        if !self.labels.is_empty() && self.labels.len() != D::DIM {
            let wanted = "one for each intrinsic coordinate is needed";
            return bad("the number of labels", self.labels.len().to_string(), wanted);
        }
        Ok(())
    }

    fn rng(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed)
    }

    fn label(&self, space: &Space, k: usize) -> String {
        let own = || match Kind::of(space) {
            Kind::Line | Kind::Interval(_) | Kind::Circle => {
                format!("{} (column {})", space.notation, space.columns.start)
            }
            _ => format!("{}, coordinate {} (column {})", space.notation, k + 1, space.columns.start + k),
        };
        self.labels.get(space.columns.start + k).cloned().unwrap_or_else(own)
    }

    // ---- numbers ------------------------------------------------------------------------------------------------

    fn numbers(&self) -> Result<Numbers, Error> {
        let (density, spaces) = (self.density, self.density.spaces());
        let rng = &mut self.rng();
        let conditions = density.conditions();
        let each = (self.draws / conditions).max(2);
        let together = |of: Vec<Estimate>| Estimate {
            value: of.iter().map(|e| e.value).sum::<f64>() / of.len() as f64,
            standard_error: of.iter().map(|e| e.standard_error.powi(2)).sum::<f64>().sqrt() / of.len() as f64,
        };
        let mut entropies = vec![("joint".to_string(), together(estimators::entropy(density, each, rng)?))];
        if spaces.len() > 1 {
            for (k, space) in spaces.iter().enumerate() {
                // Exact, as these are the first manifolds: the number of inner draws has no meaning.
                let before: Vec<usize> = (0..k).collect();
                let (given, own) = match k {
                    0 => ("", estimators::marginal_entropy(density, &[0], each, 2, rng)?),
                    _ => (
                        ", given those before it",
                        estimators::conditional_entropy(density, [&[k], &before], each, 2, rng)?,
                    ),
                };
                entropies.push((format!("manifold {k} ({}){given}", space.notation), together(own)));
            }
        }
        let (mut nll, mut coverage, mut transforms) = (None, Vec::new(), Vec::new());
        if let Some((points, columns)) = self.data {
            let minus: Vec<f64> = density.log_prob_rows(points)?.iter().map(|l| -l.widen()).collect();
            nll = Some((Estimate::of(&minus), minus.len()));
            let rows = points.len() / columns;
            let draws = (COVERAGE_DRAWS * self.draws / rows).clamp(COVERAGE_EACH[0], COVERAGE_EACH[1]);
            let smallest = estimators::highest_density_coverage(density, points, 0..spaces.len(), draws, rng)?;
            coverage.push(("smallest regions".to_string(), smallest));
            if spaces.len() > 1 {
                for (k, space) in spaces.iter().enumerate() {
                    let name = format!("manifold {k} ({})", space.notation);
                    coverage.push((name, estimators::base_coverage(density, points, k..k + 1)?));
                }
            }
            transforms = estimators::integral_transform(density, points)?;
        }
        let json = self.json(&spaces, nll, &entropies, &coverage, &transforms);
        Ok(Numbers { nll, entropies, coverage, transforms, json })
    }

    fn json(
        &self,
        spaces: &[Space],
        nll: Option<(Estimate, usize)>,
        entropies: &[(String, Estimate)],
        coverage: &[(String, Calibration)],
        transforms: &[Calibration],
    ) -> Value {
        let estimate = |e: &Estimate| json!({ "value": e.value, "standard_error": e.standard_error });
        let test = |c: &Calibration| {
            let test = c.kolmogorov_smirnov();
            json!({ "statistic": test.statistic, "p_value": test.p_value })
        };
        let letters = self.density.letters();
        let manifolds: Vec<_> = spaces
            .iter()
            .zip(&letters)
            .map(|(space, letters)| json!({ "manifold": space.notation, "letters": letters }))
            .collect();
        let table = |c: &Calibration| {
            let at = c.coverage(&SHARES);
            let row = |c: &estimators::Coverage| json!({ "claimed": c.expected, "found": c.observed.value, "standard_error": c.observed.standard_error });
            at.iter().map(row).collect::<Vec<_>>()
        };
        json!({
            "title": self.title,
            "seed": self.seed,
            "conditions": self.density.conditions(),
            "manifolds": manifolds,
            "negative_log_likelihood": nll.map(|(e, rows)| json!({
                "value": e.value, "standard_error": e.standard_error.is_finite().then_some(e.standard_error), "rows": rows,
            })),
            "entropies": entropies.iter().map(|(name, e)| json!({ "of": name, "entropy": estimate(e) })).collect::<Vec<_>>(),
            "coverage": coverage.iter().map(|(name, c)| json!({
                "of": name, "kolmogorov_smirnov": test(c), "table": table(c),
            })).collect::<Vec<_>>(),
            "probability_integral_transforms": transforms.iter().enumerate().map(|(k, c)| json!({
                "coordinate": k, "kolmogorov_smirnov": test(c),
            })).collect::<Vec<_>>(),
            "training": self.history.map(|h| json!({
                "epochs": h.epochs.len(), "best_epoch": h.best + 1, "best_loss": h.best_loss, "stopped_early": h.stopped_early,
            })),
        })
    }

    /// The numbers as the tables of the page.
    fn words(&self, numbers: &Numbers) -> String {
        let mut out = String::new();
        let mut table = |title: &str, head: &[&str], rows: Vec<Vec<String>>| {
            let cells = |tag: &str, row: &mut dyn Iterator<Item = &str>| {
                row.map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect::<String>()
            };
            out +=
                &format!("<h3>{}</h3>\n<table>\n<tr>{}</tr>\n", escaped(title), cells("th", &mut head.iter().copied()));
            for row in rows {
                out += &format!("<tr>{}</tr>\n", cells("td", &mut row.iter().map(String::as_str)));
            }
            out += "</table>\n";
        };
        let spaces = self.density.spaces();
        let manifolds = spaces.iter().zip(self.density.letters());
        let manifolds = manifolds.map(|(space, letters)| vec![space.notation.clone(), letters.join(" ")]).collect();
        table("Manifolds", &["manifold", "layers, from the base to the target"], manifolds);
        let number = |e: &Estimate| match e.standard_error.is_finite() {
            true => format!("{:.4} ± {:.4}", e.value, e.standard_error),
            false => format!("{:.4}", e.value),
        };
        if let Some((nll, rows)) = &numbers.nll {
            let title = "Negative log-likelihood of the data (nats, by the intrinsic coordinates)";
            table(title, &["mean", "rows"], vec![vec![number(nll), rows.to_string()]]);
        }
        if let Some(history) = self.history {
            let row =
                [history.epochs.len().to_string(), (history.best + 1).to_string(), format!("{:.4}", history.best_loss)];
            table("Training", &["epochs", "best epoch", "best loss"], vec![row.to_vec()]);
        }
        let rows = numbers.entropies.iter().map(|(name, e)| vec![name.clone(), number(e)]).collect();
        table("Entropy (nats, by the surface measure)", &["of", "entropy"], rows);
        if !numbers.coverage.is_empty() {
            let head: Vec<&str> =
                ["claimed"].into_iter().chain(numbers.coverage.iter().map(|(n, _)| n.as_str())).collect();
            let columns: Vec<_> = numbers.coverage.iter().map(|(_, c)| c.coverage(&SHARES)).collect();
            let row = |i: usize| {
                let found = columns.iter().map(|c| number(&c[i].observed));
                [super::parts::percent(SHARES[i])].into_iter().chain(found).collect()
            };
            table("Coverage: share of the data inside", &head, (0..SHARES.len()).map(row).collect());
            let tested = |name: &str, c: &Calibration| {
                let test = c.kolmogorov_smirnov();
                vec![name.into(), format!("{:.4}", test.statistic), format!("{:.3}", test.p_value)]
            };
            let mut rows: Vec<_> = numbers.coverage.iter().map(|(n, c)| tested(n, c)).collect();
            let labels = self.all_labels();
            rows.extend(
                numbers.transforms.iter().zip(&labels).map(|(c, label)| tested(&format!("transform of {label}"), c)),
            );
            table("Kolmogorov-Smirnov tests of uniformity", &["of", "statistic", "p-value"], rows);
        }
        out
    }

    fn all_labels(&self) -> Vec<String> {
        let spaces = self.density.spaces();
        spaces.iter().flat_map(|space| (0..space.columns.len()).map(|k| self.label(space, k))).collect()
    }

    // ---- pictures -----------------------------------------------------------------------------------------------

    fn pictures(&self, numbers: &Numbers) -> Result<Vec<Picture>, PlotError> {
        let failed = |e: Error| PlotError::Density(e.into());
        let (density, spaces) = (self.density, self.density.spaces());
        let rng = &mut self.rng();
        let conditions = density.conditions();
        let draws = density.draw((self.draws / conditions).max(1), rng).map_err(failed)?.points;
        let given =
            density.draw_under(0, (self.draws / DRAWS_AN_AVERAGED).clamp(1, AVERAGED), rng).map_err(failed)?.points;
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
            .filter(|space| space.notation.starts_with('e') || space.notation.starts_with('i'))
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

    fn corner(&self, spaces: &[Space], columns: &[usize], draws: &[E]) -> Corner {
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

    fn circle(&self, space: &Space, slice: &Slice<'_, E, D>, draws: &[E]) -> Result<CirclePlot, PlotError> {
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
        space: &Space,
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
    fn shown(&self, space: &Space) -> Vec<[f64; 2]> {
        let Some((points, _)) = self.data else { return Vec::new() };
        let rows = points.len() / D::DIM / self.density.conditions();
        let pair = |row: &[E]| [0, 1].map(|k| row[space.columns.start + k].widen());
        points.chunks_exact(D::DIM).take(rows.min(SHOWN)).map(pair).collect()
    }

    fn sphere<'s>(&self, space: &Space, slice: &'s Slice<'_, E, D>) -> SkyMap<'s> {
        let letters = self.density.letters()[slice.manifold].len();
        let cells = if slice.manifold == 0 { 400 } else { 160 };
        let map = SkyMap::new(self.view).cells(self.cells.unwrap_or(cells)).contours(&CONTOURS);
        let map = map.density(move |points: &[[f64; 2]]| slice.log_prob(letters, points).map_err(BoxError::from));
        map.points("data", &self.shown(space)).point_size(0.7)
    }

    fn triangle<'s>(&self, space: &Space, slice: &'s Slice<'_, E, D>) -> Ternary<'s> {
        let letters = self.density.letters()[slice.manifold].len();
        let names = [0, 1].map(|k| self.label(space, k));
        let panel = Ternary::new(["rest", &names[0], &names[1]]).contours(&CONTOURS);
        let panel = panel.cells(self.cells.unwrap_or(if slice.manifold == 0 { 160 } else { 80 }));
        let panel = panel.density(move |points: &[[f64; 2]]| slice.log_prob(letters, points).map_err(BoxError::from));
        panel.points("data", &self.shown(space)).point_size(0.6)
    }
}

/// What was computed before anything is drawn.
struct Numbers {
    nll: Option<(Estimate, usize)>,
    entropies: Vec<(String, Estimate)>,
    coverage: Vec<(String, Calibration)>,
    transforms: Vec<Calibration>,
    json: Value,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::density::Density;
    use crate::flow;
    use crate::trainers::Schedule;
    use crate::{Adam, Fit};
    use dfdx::prelude::{Cpu, DeviceBuildExt};
    use std::fs;

    /// The report of a density with every kind of manifold that has a picture.
    #[test]
    fn a_report_holds_all_pictures_and_the_numbers() {
        let mut pdf = Cpu::seed_from_u64(3)
            .build_module::<flow!(e2 + i1[-1, 1] + s1 + s2 + a2 : gg + rr + m + f + w | hidden 4), f64>();
        let rows: Vec<[f64; 8]> = (0..12)
            .map(f64::from)
            .map(|t| {
                [
                    t.sin(),
                    t.cos(),
                    0.9 * (0.7 * t).sin(),
                    0.2 * t,
                    1.0 + 0.3 * t.sin(),
                    3.0 + t.cos(),
                    0.3,
                    0.2 + 0.1 * t.sin(),
                ]
            })
            .collect();
        let fit =
            Fit { epochs: 2, batch: 6, optimizer: Adam::default(), schedule: Schedule::Constant, ..Fit::default() };
        let history = pdf.fit(&rows, &fit).unwrap();
        let outer = tempfile::tempdir().unwrap();
        let report = || {
            let names = ["x (m)", "y (m)", "cos", "phase", "zenith", "azimuth", "silt", "clay"];
            let report = Report::new(&pdf).title("A < B").labels(&names).data(&rows).history(&history);
            report.draws(20).cells(12).dpi(72.0).seed(4)
        };
        let folder = outer.path().join("report");
        report().write(&folder).unwrap();
        let pictures = [
            "training",
            "coverage",
            "transforms",
            "corner",
            "interval_1",
            "circle_2",
            "sphere_3",
            "triangle_4",
            "steps_0",
            "steps_1",
        ];
        let page = fs::read_to_string(folder.join("index.html")).unwrap();
        for name in pictures {
            let png = fs::read(folder.join(format!("{name}.png"))).expect(name);
            assert!(png.starts_with(b"\x89PNG"));
            let svg = fs::read_to_string(folder.join(format!("{name}.svg"))).expect(name);
            assert!(roxmltree::Document::parse(&svg).is_ok(), "{name}");
            assert!(page.contains(&format!("src=\"{name}.png\"")), "{name}");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2 * pictures.len() + 2, "and the page and the numbers");
        assert!(page.contains("<h1>A &lt; B</h1>") && page.contains("x (m)"));
        let json: Value = serde_json::from_slice(&fs::read(folder.join("report.json")).unwrap()).unwrap();
        let own: f64 = -pdf.log_prob_rows(rows.as_flattened()).unwrap().iter().sum::<f64>() / 12.0;
        assert!((json["negative_log_likelihood"]["value"].as_f64().unwrap() - own).abs() < 1e-12);
        assert_eq!(json["negative_log_likelihood"]["rows"], 12);
        assert_eq!(json["manifolds"][1], json!({ "manifold": "i1[-1, 1]", "letters": ["r", "r"] }));
        assert_eq!((json["entropies"].as_array().unwrap().len(), json["coverage"].as_array().unwrap().len()), (6, 6));
        assert_eq!(json["coverage"][0]["table"].as_array().unwrap().len(), SHARES.len());
        assert_eq!(json["training"]["epochs"], 2);
        // The same seed writes the same files.
        let again = outer.path().join("again");
        report().write(&again).unwrap();
        for entry in fs::read_dir(&folder).unwrap() {
            let name = entry.unwrap().file_name();
            assert_eq!(fs::read(folder.join(&name)).unwrap(), fs::read(again.join(&name)).unwrap(), "{name:?}");
        }
    }

    #[test]
    fn conditions_are_shown_together() {
        let pdf = Cpu::seed_from_u64(3).build_module::<flow!(e1 + s1 + s2 : gg + m + f | cond 1, hidden 4), f64>();
        let features: Vec<[f64; 1]> = (0..6).map(|i| [f64::from(i) / 6.0]).collect();
        let given = pdf.given(&features).unwrap();
        let rows = [[0.1, 1.0, 2.0, 3.0]; 6];
        let outer = tempfile::tempdir().unwrap();
        Report::new(&given).data(&rows).draws(20).cells(12).dpi(72.0).write(outer.path()).unwrap();
        let json: Value = serde_json::from_slice(&fs::read(outer.path().join("report.json")).unwrap()).unwrap();
        assert_eq!((&json["conditions"], &json["training"]), (&json!(6), &Value::Null));
        assert!(
            fs::read_to_string(outer.path().join("index.html")).unwrap().contains("given the first row of features")
        );
    }

    #[test]
    fn what_does_not_suit_the_density_is_an_error_and_writes_nothing() {
        let pdf = Cpu::seed_from_u64(3).build_module::<flow!(e2 : t), f64>();
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("report");
        let error = |report: Report<'_, f64, _>| report.draws(20).cells(8).write(&folder).unwrap_err().to_string();
        assert!(error(Report::new(&pdf).data(&[[0.0; 3]])).contains("1 rows of 3 coordinates"));
        assert!(error(Report::new(&pdf).data::<2>(&[])).contains("0 rows"));
        assert!(error(Report::new(&pdf).labels(&["x"])).contains("labels"));
        assert!(error(Report::new(&pdf).data(&[[0.0, f64::NAN]])).contains("row 0"));
        assert!(!folder.exists());
    }
}
