//! A folder that shows what a density is and how good it is: pictures, numbers, and a page with both.

mod numbers;
mod pictures;

use super::page::Page;
use super::steps::Kind;
use super::{PlotError, View};
use crate::density::{Layerwise, ManifoldInfo};
use crate::error::Error;
use crate::module::Element;
use crate::trainers::History;
use pictures::Picture;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::path::Path;

/// Draws that stand for the density in corner plots, histograms and entropies, in all conditions together.
const DRAWS: usize = 20_000;

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

impl<'a, E: Element, D: Layerwise<E>> Report<'a, E, D> {
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

    fn label(&self, space: &ManifoldInfo, k: usize) -> String {
        let own = || match Kind::of(space) {
            Kind::Line | Kind::Interval(_) | Kind::Circle => {
                format!("{} (column {})", space.notation, space.columns.start)
            }
            _ => format!("{}, coordinate {} (column {})", space.notation, k + 1, space.columns.start + k),
        };
        self.labels.get(space.columns.start + k).cloned().unwrap_or_else(own)
    }

    fn all_labels(&self) -> Vec<String> {
        let spaces = self.density.manifolds();
        spaces.iter().flat_map(|space| (0..space.columns.len()).map(|k| self.label(space, k))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::numbers::SHARES;
    use super::*;
    use crate::density::Density;
    use crate::flow;
    use crate::trainers::Schedule;
    use crate::{Adam, Fit};
    use dfdx::prelude::{Cpu, DeviceBuildExt};
    use serde_json::{Value, json};
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
