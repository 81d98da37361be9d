//! The numbers of a report, as JSON and as the tables of its page.

use super::super::parts::percent;
use super::super::svg::escaped;
use super::Report;
use crate::density::{Layerwise, ManifoldInfo};
use crate::error::Error;
use crate::estimators::{self, Calibration, Estimate};
use crate::module::Element;
use serde_json::{Value, json};

/// Draws for the coverage of smallest regions: so many times those in all, and for each row of the data between these bounds.
const COVERAGE_DRAWS: usize = 50;
const COVERAGE_EACH: [usize; 2] = [20, 200];
/// Shares at which coverage is written down.
pub(super) const SHARES: [f64; 11] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.68, 0.8, 0.9, 0.95, 0.99];

/// Everything that is computed before anything is drawn.
pub(super) struct Numbers {
    pub(super) nll: Option<(Estimate, usize)>,
    pub(super) entropies: Vec<(String, Estimate)>,
    pub(super) coverage: Vec<(String, Calibration)>,
    pub(super) transforms: Vec<Calibration>,
    pub(super) json: Value,
}

impl<E: Element, D: Layerwise<E>> Report<'_, E, D> {
    pub(super) fn numbers(&self) -> Result<Numbers, Error> {
        let (density, spaces) = (self.density, self.density.manifolds());
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
        spaces: &[ManifoldInfo],
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
    pub(super) fn words(&self, numbers: &Numbers) -> String {
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
        let spaces = self.density.manifolds();
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
                [percent(SHARES[i])].into_iter().chain(found).collect()
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
}
