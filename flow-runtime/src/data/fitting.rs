//! What a preparation measures, from one table or from many that pass by.

use super::binding::{BoundFeature, Chart};
use super::error::{BadRows, DataError, Skipped};
use super::preparation::{Bound, Encoder, Line, Parts, Plan, Preparation, categories};
use super::table::Table;
use std::collections::BTreeMap;

/// More categories than this are a column of something else.
const MOST_CATEGORIES: usize = 1000;

/// Mean and sum of squares about it, number by number (Welford 1962, Technometrics 4, 419).
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, x: f64) {
        self.count += 1.0;
        let off = x - self.mean;
        self.mean += off / self.count;
        self.squares += off * (x - self.mean);
    }

    fn line(self, log: bool, column: &str) -> Result<Line, DataError> {
        let scale = (self.squares / self.count).sqrt();
        let refuse = |message: &str| Err(DataError::Preparation { column: column.into(), message: message.into() });
        if scale == 0.0 {
            return refuse(
                "it is the same in all rows of the training part, so it cannot be standardised: leave it out, or bind it with another scaling",
            );
        }
        if !scale.is_finite() {
            return refuse("its variance is beyond the range of the numbers: scale it before");
        }
        Ok(Line { log, shift: self.mean, scale })
    }
}

/// Measures the rows of tables that pass by; rows that break a rule have no part in it.
pub(crate) struct Fitter {
    rows: usize,
    bad: BadRows,
    pub skipped: Skipped,
    /// For each bound manifold the moments of its columns.
    lines: Vec<Vec<Moments>>,
    /// For each feature its moments and its categories.
    features: Vec<(Moments, BTreeMap<String, usize>)>,
}

impl Fitter {
    pub fn new(plan: &Plan, bad: BadRows) -> Self {
        let Preparation { lines, encoders, .. } = &plan.preparation;
        Fitter {
            rows: 0,
            bad,
            skipped: Skipped::default(),
            lines: lines.iter().map(|lines| vec![Moments::default(); lines.len()]).collect(),
            features: vec![Default::default(); encoders.len()],
        }
    }

    pub fn add(&mut self, plan: &Plan, table: &Table) -> Result<(), DataError> {
        let bound = plan.bind(table, Parts::Both)?;
        let (mut features, mut points) = (Vec::new(), Vec::new());
        for row in 0..table.len() {
            features.clear();
            points.clear();
            match plan.push_row(&bound, Parts::Both, row, &mut features, &mut points) {
                Ok(()) => self.add_row(plan, &bound, row)?,
                Err(error) if self.bad == BadRows::Refuse => return Err(error.into()),
                Err(error) => self.skipped.count(*error),
            }
        }
        Ok(())
    }

    fn add_row(&mut self, plan: &Plan, bound: &Bound<'_>, row: usize) -> Result<(), DataError> {
        self.rows += 1;
        let Preparation { lines, encoders, binding, .. } = &plan.preparation;
        for ((moments, lines), columns) in self.lines.iter_mut().zip(lines).zip(&bound.manifolds) {
            for ((moments, line), column) in moments.iter_mut().zip(lines).zip(columns) {
                moments.add(line.forward(column.number(row).unwrap_or(f64::NAN)));
            }
        }
        for (k, column) in bound.features.iter().enumerate() {
            let (moments, categories) = &mut self.features[k];
            match &encoders[k] {
                Encoder::Number(line) => moments.add(line.forward(column.number(row).unwrap_or(f64::NAN))),
                Encoder::Category { .. } => {
                    *categories.entry(column.category(row)).or_default() += 1;
                    if categories.len() > MOST_CATEGORIES {
                        let message = format!(
                            "it has more than {MOST_CATEGORIES} different values: is it a number, or a name that is unique in each row?"
                        );
                        return Err(DataError::Preparation { column: binding.features[k].column().into(), message });
                    }
                }
                Encoder::Circle(_) => {}
            }
        }
        Ok(())
    }

    pub fn finish(self, mut preparation: Preparation) -> Result<Preparation, DataError> {
        if self.rows == 0 {
            let message = if self.skipped.total() == 0 {
                "there are no rows".to_string()
            } else {
                format!("no row is good: {}", self.skipped)
            };
            return Err(DataError::source("the training part", message));
        }
        preparation.rows = self.rows;
        let Preparation { binding, lines, encoders, .. } = &mut preparation;
        for ((bound, lines), moments) in binding.manifolds.iter().zip(lines).zip(self.lines) {
            let Chart::Scaled(scaling) = bound.chart else { continue };
            if scaling.standardise() {
                for ((line, moments), column) in lines.iter_mut().zip(moments).zip(&bound.columns) {
                    *line = moments.line(scaling.log(), column)?;
                }
            }
        }
        for ((bound, encoder), (moments, counts)) in binding.features.iter().zip(encoders).zip(self.features) {
            match bound {
                BoundFeature::Number(column, scaling) if scaling.standardise() => {
                    *encoder = Encoder::Number(moments.line(scaling.log(), column)?);
                }
                BoundFeature::Category(_, unseen) => *encoder = categories(&counts, *unseen),
                _ => {}
            }
        }
        Ok(preparation)
    }
}
