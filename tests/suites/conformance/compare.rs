//! One case compared in all it holds.

use super::kernels::Kernels;
use super::reference::{Case, Gradient, Space};
use super::rules::{self, Allowance, Rules, What};
use flow_runtime::kernels::{Coordinates, Job, PullBack, RowFault};
use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::fmt;

/// How close numbers must be, in units of their scale.
const CLOSE: f64 = 1e-8;

/// Numbers of a kind that were judged by a named rule: how many, and the largest difference.
pub type ByRule = BTreeMap<(&'static str, &'static str), (usize, f64)>;

/// What a case came to.
#[derive(Default)]
pub struct Report {
    /// The largest difference of each kind, in units of the scale, among those held to [`CLOSE`].
    largest: Vec<(&'static str, f64)>,
    /// What was judged by a named rule.
    pub by_rule: ByRule,
    wrong: Vec<String>,
}

impl Report {
    pub fn failed(reason: String) -> Report {
        Report { wrong: vec![reason], ..Report::default() }
    }
    pub fn agrees(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Holds one number to another.
    fn hold(&mut self, what: &'static str, at: &str, off: f64, scale: f64, noise: f64, allowance: Option<Allowance>) {
        if off <= CLOSE * scale + noise {
            let relative = off / scale;
            match self.largest.iter_mut().find(|(known, _)| *known == what) {
                Some((_, largest)) => *largest = largest.max(relative),
                None => self.largest.push((what, relative)),
            }
            return;
        }
        match allowance {
            Some(Allowance { rule, bound }) if off <= bound * scale => {
                let (count, largest) = self.by_rule.entry((rule, what)).or_default();
                (*count, *largest) = (*count + 1, largest.max(off / scale));
            }
            _ => self.wrong.push(format!("{what} {at}: off by {off:.3e} at scale {scale:.3e}, noise {noise:.1e}")),
        }
    }
}

/// What a rule is counted under that changes a number of ours as the reference changes its own, and then judges nothing.
const APPLIED: &str = "as theirs";

/// Lines of a disagreement that are printed.
const SHOWN: usize = 12;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.largest.iter().map(|(what, off)| format!("{what} {off:.0e}"));
        let rules = self
            .by_rule
            .iter()
            .map(|((rule, what), (count, off))| format!("[{rule}, {what}: {count} up to {off:.0e}]"));
        f.write_str(&parts.chain(rules).collect::<Vec<_>>().join("  "))?;
        if !self.wrong.is_empty() {
            write!(f, "\n    DISAGREES in {} numbers:", self.wrong.len())?;
            self.wrong.iter().take(SHOWN).try_for_each(|wrong| write!(f, "\n    {wrong}"))?;
        }
        Ok(())
    }
}

/// A case and what runs it.
struct Run<'a> {
    case: &'a Case,
    kernels: &'a Kernels,
    rules: Rules,
    report: Report,
}

/// Compares everything that the case holds.
pub fn case(case: &Case, kernels: &Kernels) -> Result<Report, String> {
    case.fits(kernels)?;
    let rules = Rules::of(case, &where_they_came_from(case, kernels)?, &where_they_lead(case, kernels)?)?;
    let mut run = Run { case, kernels, rules, report: Report::default() };
    run.evaluation()?;
    if case.has("x_embedded") {
        run.embedded()?;
    }
    run.gradients()?;
    run.generation()?;
    run.log_means()?;
    Ok(run.report)
}

/// Our base points of the points that the reference generated.
fn where_they_came_from(case: &Case, kernels: &Kernels) -> Result<Vec<f64>, String> {
    let x = case.rows("from_base.x")?;
    let (mut log_prob, mut base) = (vec![0.0; x.len()], vec![0.0; x.data.len()]);
    (kernels.evaluate)(job(case, kernels, Coordinates::Intrinsic), &x.data, &mut log_prob, &mut base).map_err(told)?;
    Ok(base)
}

/// Our points of the base points that the reference found by a search; empty where it searched none.
fn where_they_lead(case: &Case, kernels: &Kernels) -> Result<Vec<f64>, String> {
    if !case.searched()[0] {
        return Ok(Vec::new());
    }
    let base = case.rows("base")?;
    let (mut log_prob, mut x) = (vec![0.0; base.len()], vec![0.0; base.data.len()]);
    let job = job(case, kernels, Coordinates::Intrinsic);
    (kernels.generate)(job, &base.data, &mut x, &mut log_prob).map_err(told)?;
    Ok(x)
}

fn job<'a>(case: &'a Case, kernels: &Kernels, coordinates: Coordinates) -> Job<'a, f64> {
    let features = &case.features;
    let weights: &[f64] = if kernels.by_row { &[] } else { &case.weights };
    Job { weights, features: &features.data, feature_count: features.columns, repeat: 1, coordinates, pool: None }
}

fn told(fault: RowFault) -> String {
    format!("our flow stops at {fault:?}")
}

/// How far two angles are from each other.
fn turn(a: f64, b: f64) -> f64 {
    let off = (a - b).abs() % TAU;
    off.min(TAU - off)
}

impl<'a> Run<'a> {
    fn job(&self, coordinates: Coordinates) -> Job<'a, f64> {
        job(self.case, self.kernels, coordinates)
    }

    /// A number of a row, on the scale 1 + |theirs|.
    fn value(&mut self, what: What, row: usize, off: f64, theirs: f64, noise: f64) {
        if !theirs.is_nan() {
            let allowance = self.rules.allow(what, row);
            self.report.hold(what.name(), &format!("row {row} ({theirs})"), off, 1.0 + theirs.abs(), noise, allowance);
        }
    }

    fn column(&mut self, what: What, noise: &str, ours: &[f64], theirs: &[f64]) {
        let noise = self.case.noise(noise, theirs.len());
        for (row, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            self.value(what, row, (ours - theirs).abs(), *theirs, noise[row]);
        }
    }

    fn evaluation(&mut self) -> Result<(), String> {
        let x = self.case.rows("x")?;
        let (mut log_prob, mut base) = (vec![0.0; x.len()], vec![0.0; x.len() * self.kernels.dim]);
        (self.kernels.evaluate)(self.job(Coordinates::Intrinsic), &x.data, &mut log_prob, &mut base).map_err(told)?;
        for point in base.chunks_exact_mut(self.kernels.dim) {
            if let Some(rule) = rules::clip_base(self.case, point) {
                self.report.by_rule.entry((rule, APPLIED)).or_default().0 += 1;
            }
        }
        let normal = |z: &[f64]| z.iter().map(|z| -0.5 * (z * z + TAU.ln())).sum::<f64>();
        let log_base: Vec<f64> = base.chunks_exact(self.kernels.dim).map(normal).collect();
        self.as_theirs(&mut log_prob, &base, false);
        self.column(What::LogProb, "log_prob", &log_prob, &self.case.rows("log_prob")?.data);
        let noise = self.case.noise("base", x.len());
        for (k, theirs) in self.case.rows("base")?.data.iter().enumerate() {
            let row = k / self.kernels.dim;
            self.value(What::Base, row, (base[k] - theirs).abs(), *theirs, noise[row]);
        }
        // Follows from the base point, with its rounding error.
        for (row, theirs) in self.case.rows("log_prob_base")?.data.iter().enumerate() {
            let z = &base[row * self.kernels.dim..][..self.kernels.dim];
            let slope = z.iter().map(|z| z.abs()).sum::<f64>();
            self.value(What::Base, row, (log_base[row] - theirs).abs(), *theirs, noise[row] * slope);
        }
        Ok(())
    }

    /// Takes off what the reference's log-densities are short by.
    fn as_theirs(&mut self, log_prob: &mut [f64], base: &[f64], generated: bool) {
        for (ours, z) in log_prob.iter_mut().zip(base.chunks_exact(self.kernels.dim)) {
            let (short, rule) = rules::short_by(self.case, z, generated);
            *ours -= short;
            if let Some(rule) = rule {
                self.report.by_rule.entry((rule, APPLIED)).or_default().0 += 1;
            }
        }
    }

    fn embedded(&mut self) -> Result<(), String> {
        let mut x = self.case.rows("x_embedded")?;
        for row in x.data.chunks_exact_mut(x.columns) {
            if let Some(rule) = rules::round_shares(self.case, row) {
                self.report.by_rule.entry((rule, APPLIED)).or_default().0 += 1;
            }
        }
        let mut log_prob = vec![0.0; x.len()];
        (self.kernels.evaluate)(self.job(Coordinates::Embedded), &x.data, &mut log_prob, &mut []).map_err(told)?;
        self.column(What::Embedded, "log_prob", &log_prob, &self.case.rows("log_prob_embedded")?.data);
        Ok(())
    }

    fn log_means(&mut self) -> Result<(), String> {
        let Some(log_mean) = self.kernels.log_mean else { return Ok(()) };
        let theirs = self.case.rows("log_mean_poisson")?.data;
        let rows = if self.case.features.len() == 0 { 1 } else { self.case.features.len() };
        let mut ours = vec![0.0; rows];
        log_mean(self.job(Coordinates::Intrinsic), &mut ours);
        if theirs.len() != rows {
            return Err(format!("the case has {} log-means, our flow {rows}", theirs.len()));
        }
        for (row, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            let at = format!("row {row} ({theirs})");
            self.report.hold("log-mean", &at, (ours - theirs).abs(), 1.0 + theirs.abs(), 0.0, None);
        }
        Ok(())
    }

    fn gradients(&mut self) -> Result<(), String> {
        let x = self.case.rows("x")?;
        let cot = vec![-1.0 / x.len() as f64; x.len()];
        let back = (self.kernels.evaluate_vjp)(self.job(Coordinates::Intrinsic), &x.data, &cot).map_err(told)?;
        if let Some(Gradient::All(theirs)) = self.case.gradient("grad.x") {
            self.rows_of_gradient(What::GradX, "grad_x", &back.points, &theirs, x.len());
        }
        let whats = [What::GradParams, What::GradCond, What::GradState];
        self.weights_and_features("grad", whats, ["grad_params", "grad_x", "grad_state"], &back, x.len());
        Ok(())
    }

    /// The gradients by parameters, features and weights, of either direction.
    fn weights_and_features(
        &mut self,
        group: &str,
        [params, cond, state]: [What; 3],
        [params_noise, cond_noise, state_noise]: [&str; 3],
        back: &PullBack<f64>,
        rows: usize,
    ) {
        let theirs = self.case.gradient(&format!("{group}.params"));
        match theirs {
            Some(theirs) if self.kernels.by_row && self.case.shares_parameters() => {
                let columns = self.case.features.columns;
                let mut ours = vec![0.0; columns];
                for row in back.features.chunks_exact(columns) {
                    ours.iter_mut().zip(row).for_each(|(sum, g)| *sum += g);
                }
                self.tensor(params, params_noise, "params", &ours, &theirs);
            }
            Some(Gradient::All(theirs)) if self.kernels.by_row => {
                self.rows_of_gradient(params, params_noise, &back.features, &theirs, rows);
            }
            Some(theirs) => self.tensor(params, params_noise, "params", &back.weights, &theirs),
            None => {}
        }
        if let Some(Gradient::All(theirs)) = self.case.gradient(&format!("{group}.cond")) {
            self.rows_of_gradient(cond, cond_noise, &back.features, &theirs, rows);
        }
        for tensor in &self.case.state {
            if let Some(theirs) = self.case.state_gradient(&format!("{group}.state"), &tensor.name) {
                let ours = &back.weights[tensor.start..][..tensor.numbers()];
                self.tensor(state, state_noise, &tensor.name, ours, &theirs);
            }
        }
    }

    /// Gradients that belong to rows, each on the scale of the largest of its row; 1 / rows is the weight of a row in the mean.
    fn rows_of_gradient(&mut self, what: What, noise: &str, ours: &[f64], theirs: &[f64], rows: usize) {
        let noise = self.case.noise(noise, rows);
        let columns = theirs.len() / rows;
        for row in 0..rows {
            let of_row = row * columns..(row + 1) * columns;
            let scale = theirs[of_row.clone()].iter().fold(1.0 / rows as f64, |most, g| most.max(g.abs()));
            let allowance = self.rules.allow(what, row);
            for k in of_row.filter(|k| !theirs[*k].is_nan()) {
                let at = format!("row {row} number {} (ours {}, theirs {})", k - row * columns, ours[k], theirs[k]);
                self.report.hold(what.name(), &at, (ours[k] - theirs[k]).abs(), scale, noise[row], allowance);
            }
        }
    }

    /// The gradient by one tensor of weights, on the scale of its largest entry.
    fn tensor(&mut self, what: What, noise: &str, name: &str, ours: &[f64], theirs: &Gradient) {
        let noise = self.case.noise(noise, 1)[0];
        let allowance = self.rules.allow_sum(what);
        let mut hold = |at: String, ours: f64, theirs: f64, scale: f64| {
            if !theirs.is_nan() {
                let at = format!("{name} {at} (ours {ours}, theirs {theirs})");
                self.report.hold(what.name(), &at, (ours - theirs).abs(), scale, noise, allowance);
            }
        };
        let largest = |all: &[f64]| all.iter().fold(1.0_f64, |most, g| most.max(g.abs()));
        match theirs {
            Gradient::All(theirs) => {
                let scale = largest(theirs);
                for (k, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                    hold(format!("number {k}"), *ours, *theirs, scale);
                }
            }
            Gradient::Samples { index, value, sum, dot_cos } => {
                let scale = largest(value);
                for (k, theirs) in index.iter().zip(value) {
                    hold(format!("number {k}"), ours[*k], *theirs, scale);
                }
                let total: f64 = ours.iter().map(|g| g.abs()).sum::<f64>().max(1.0);
                hold("sum".into(), ours.iter().sum(), *sum, total);
                let dot = ours.iter().enumerate().map(|(k, g)| g * (k as f64).cos()).sum();
                hold("dot_cos".into(), dot, *dot_cos, total);
            }
        }
    }

    fn generation(&mut self) -> Result<(), String> {
        let z = self.case.rows("from_base.z")?;
        let rows = z.len();
        let (mut x, mut log_prob) = (vec![0.0; rows * self.kernels.dim], vec![0.0; rows]);
        let job = self.job(Coordinates::Intrinsic);
        (self.kernels.generate)(job, &z.data, &mut x, &mut log_prob).map_err(told)?;
        let noise = self.case.noise("from_base_x", rows);
        let theirs = self.case.rows("from_base.x")?;
        for row in 0..rows {
            let (ours, theirs) = (&x[row * self.kernels.dim..][..self.kernels.dim], theirs.row(row));
            let mut k = 0;
            for space in self.case.spaces.clone() {
                let mut hold = |k: usize, off| self.value(What::X, row, off, theirs[k], noise[row]);
                match space {
                    Space::Flat(dim) => (k..k + dim).for_each(|k| hold(k, (ours[k] - theirs[k]).abs())),
                    Space::Circle => hold(k, turn(ours[k], theirs[k])),
                    // Lengths on the sphere: the azimuth means little beside a pole.
                    Space::Sphere => {
                        hold(k, (ours[k] - theirs[k]).abs());
                        hold(k + 1, turn(ours[k + 1], theirs[k + 1]) * theirs[k].sin());
                    }
                }
                k += space.columns();
            }
        }
        self.as_theirs(&mut log_prob, &z.data, true);
        self.column(What::XLogProb, "from_base_log_prob", &log_prob, &self.case.rows("from_base.log_prob")?.data);

        let of: Vec<usize> = self.case.rows("from_base.grad.rows")?.data.iter().map(|row| *row as usize).collect();
        let mut cot = vec![0.0; rows];
        of.iter().for_each(|row| cot[*row] = 1.0 / of.len() as f64);
        let none = vec![0.0; x.len()];
        let back = (self.kernels.generate_vjp)(job, &x, &none, &cot).map_err(told)?;
        let whats = [What::XGradParams, What::XGradCond, What::XGradState];
        self.weights_and_features("from_base.grad", whats, ["grad_params", "grad_x", "grad_state"], &back, rows);
        Ok(())
    }
}
