//! Regression on a table: residual sugar and total sulphur dioxide of red wines, given all else that was measured of them, p(y | features).
//!
//!     cargo run --release --example tabular [folder for the pictures]
//!
//! The data are the red wines of "Wine Quality" (P. Cortez, A. Cerdeira, F. Almeida, T. Matos, J. Reis, Decision Support Systems 47 (2009) 547; UCI Machine Learning
//! Repository, CC BY 4.0), as the crate linfa-datasets carries them: ../data/README.md.
//!
//! From a CSV file to a file of the model that takes raw rows: columns by name, features scaled by what the training part says, one column of categories. Judged on rows that
//! the fit has not seen, beside linear regression with normal errors on the same split, in the units of the table and in logarithms.

#[path = "../shared/least_squares.rs"]
mod least_squares;
mod linear;

use flow_runtime::data::{BadRows, Binding, Rows, Scaling, Table, Unseen};
use flow_runtime::estimators::{Calibration, base_coverage, integral_transform};
use flow_runtime::plot::{Axis, CoveragePlot, Density2d, Figure, Panel, PitHistogram, TrainingCurves};
use flow_runtime::{Adam, Fit, Model, Schedule, flow};
use linear::LinearGaussian;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};

flow! {
    /// Sugar and sulphur dioxide of a wine, given the rest.
    struct Wine = target@e2 : ggt | cond 14, hidden 24
}

const SEED: u64 = 1;
const FOLDER: &str = "target/pictures";
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/winequality_red.csv");
/// What is predicted, in g and mg per dm^3, and to what it was rounded.
const TARGETS: [(&str, f64); 2] = [("residual sugar", 0.1), ("total sulfur dioxide", 1.0)];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| FOLDER.into()));
    std::fs::create_dir_all(&folder)?;

    let wines = read()?;
    let (training, test) = wines.split(0.3, SEED)?;
    println!("{} wines to learn from, {} to judge by", training.len(), test.len());

    // All that is measured, means and deviations and which categories there are, is measured on the training part.
    let mut model = Model::<Wine>::prepare(binding(Scaling::LogStandardise), &training)?;
    println!("features: {}", model.preparation().feature_names().join(", "));
    model.initialize(&training, SEED)?;
    let fit = Fit {
        epochs: 300,
        batch: 64,
        seed: SEED,
        validation: 0.2,
        patience: Some(40),
        ema_decay: Some(0.99),
        optimizer: Adam { learning_rate: 2e-3, weight_decay: 0.05, ..Adam::default() },
        schedule: Schedule::Cosine { warm_up: 50, last: 0.05 },
        progress: true,
        ..Fit::default()
    };
    let history = model.fit(&training, &fit)?;

    // From here on the file is all there is: weights, columns and preparation.
    let file = folder.join("wine.safetensors");
    model.save(&file)?;
    let model = Model::<Wine>::load(&file)?;

    let judged = judge(&model, &training, &test)?;
    draw(&model, &test, &judged, &folder)?;
    TrainingCurves::new(&history).save(folder.join("tabular_training.png"))?;
    println!("pictures: {}", folder.display());
    Ok(())
}

/// The wines of the file, each once, with the digits that rounding took made up again.
fn read() -> Result<Table, Box<dyn Error>> {
    let table = Table::read(FILE)?;
    // What breaks a rule is left out and counted; nothing does in this file.
    let (table, skipped) = Model::<Wine>::clean(&binding(Scaling::LogStandardise), &table, BadRows::Skip)?;
    println!("{}: {skipped}", table.origin());
    // The same wine in both parts would be one that the fit has seen.
    let columns = table.names().map(|name| table.numbers(name)).collect::<Result<Vec<_>, _>>()?;
    let mut seen = BTreeSet::new();
    let once: Vec<usize> = (0..table.len())
        .filter(|row| seen.insert(columns.iter().map(|column| column[*row].to_bits()).collect::<Vec<_>>()))
        .collect();
    println!("{} rows, {} different wines", table.len(), once.len());
    let mut table = table.select(&once);
    // Rounded numbers have no density. What they were before may be anywhere within half a step, so each is drawn from there.
    let mut rng = StdRng::seed_from_u64(SEED);
    for (name, step) in TARGETS {
        let numbers = table.numbers(name)?;
        let drawn: Vec<f64> = numbers.iter().map(|x| x + step * rng.random_range(-0.5..0.5)).collect();
        table = table.replace(name, drawn)?;
    }
    Ok(table)
}

/// What the columns are. Quality is a grade by tasters from 3 to 8; those that are rare count as one.
fn binding(targets: Scaling) -> Binding {
    Binding::new()
        .scaled("target", TARGETS.map(|(name, _)| name), targets)
        .features(
            ["fixed acidity", "volatile acidity", "citric acid", "density", "pH", "alcohol"],
            Scaling::Standardise,
        )
        .features(["chlorides", "free sulfur dioxide", "sulphates"], Scaling::LogStandardise)
        .category("quality", Unseen::Other { below: 30 })
}

/// Calibrations of one density on the test part.
struct Judged {
    name: &'static str,
    transforms: [Calibration; 2],
    coverage: Calibration,
}

fn judge(model: &Model<Wine>, training: &Table, test: &Table) -> Result<Vec<Judged>, Box<dyn Error>> {
    println!("\nnegative log-likelihood of the test part in nats, per g/dm^3 of sugar x mg/dm^3 of sulphur dioxide:");
    let own = model.log_prob(test)?;
    let rows: Rows<2, 14> = model.rows(test)?;
    let given = model.flow.given(&rows.features)?;
    let points = rows.points.as_flattened();
    let transforms = integral_transform(&given, points)?.try_into().map_err(|_| "two coordinates")?;
    let mut judged = vec![Judged { name: "flow", transforms, coverage: base_coverage(&given, points, 0..1)? }];
    println!("  {:<22} {}", "flow", score(&own));
    for (name, scaling) in [("linear, in logarithms", Scaling::LogStandardise), ("linear", Scaling::Standardise)] {
        // A model without a fit: its preparation gives the same rows that the flow is given, and the way to the units of the table.
        let prepared = Model::<Wine>::prepare(binding(scaling), training)?;
        let linear = LinearGaussian::fit(&prepared.rows(training)?);
        let rows = prepared.rows(test)?;
        // What the columns add to a density by the scaled coordinates is the same for any density.
        let scaled = prepared.flow.given(&rows.features)?.log_prob(&rows.points)?.as_vec();
        let by_columns = prepared.log_prob(test)?.into_iter().zip(scaled).map(|(by_columns, own)| by_columns - own);
        let log_prob: Vec<_> =
            linear.log_prob(&rows).iter().zip(by_columns).map(|(own, change)| own + change).collect();
        let gains: Vec<_> = own.iter().zip(&log_prob).map(|(own, linear)| linear - own).collect();
        println!("  {name:<22} {}   the flow is lower by {}, wine by wine", score(&log_prob), score(&gains));
        judged.push(Judged { name, transforms: linear.integral_transform(&rows), coverage: linear.coverage(&rows) });
    }
    println!(
        "\nshare of the test part inside the regions that should hold 50, 68, 90, 95 % (each +- what a right density has):"
    );
    for Judged { name, coverage, .. } in &judged {
        let found: Vec<_> = coverage
            .coverage(&[0.5, 0.68, 0.9, 0.95])
            .iter()
            .map(|c| format!("{:.1} +- {:.1}", 100.0 * c.observed.value, 100.0 * c.observed.standard_error))
            .collect();
        println!("  {name:<22} {}", found.join("   "));
    }
    println!(
        "\np-values of uniform probability integral transforms (Kolmogorov-Smirnov): sugar, sulphur dioxide given sugar"
    );
    for Judged { name, transforms, .. } in &judged {
        let [sugar, dioxide] = transforms.each_ref().map(|t| t.kolmogorov_smirnov().p_value);
        println!("  {name:<22} {sugar:.2e}   {dioxide:.2e}");
    }
    Ok(judged)
}

/// Mean negative log-likelihood with its standard error.
fn score(log_probs: &[f64]) -> String {
    let n = log_probs.len() as f64;
    let mean = log_probs.iter().sum::<f64>() / n;
    let variance = log_probs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (n - 1.0);
    format!("{:6.3} +- {:.3}", -mean, (variance / n).sqrt())
}

fn draw(model: &Model<Wine>, test: &Table, judged: &[Judged], folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut sugar = PitHistogram::new().title("Residual sugar").bins(10);
    let mut dioxide = PitHistogram::new().title("Sulphur dioxide given sugar").bins(10);
    let mut coverage = CoveragePlot::new().title("Both");
    for Judged { name, transforms, coverage: own } in judged {
        (sugar, dioxide) = (sugar.series(*name, &transforms[0]), dioxide.series(*name, &transforms[1]));
        coverage = coverage.series(*name, own);
    }
    Figure::new()
        .panel(sugar)
        .panel(dioxide)
        .panel(coverage)
        .dpi(110.0)
        .save(folder.join("tabular_calibration.png"))?;

    // Densities by the columns of three wines, on a grid in their units.
    let mut figure = Figure::new().title("What is predicted of three wines that were not seen, and what was measured");
    for row in 0..3 {
        let wine = test.select(&[row]);
        let [x, y] = TARGETS.map(|(name, _)| name);
        let truth = [wine.numbers(x)?[0], wine.numbers(y)?[0]];
        let drawn = model.sample(&wine, 4000, &mut StdRng::seed_from_u64(SEED))?.table;
        let density = move |points: &[[f64; 2]]| {
            let column = |k: usize| points.iter().map(|p| p[k]).collect::<Vec<_>>();
            let table = wine.select(&vec![0; points.len()]).replace(x, column(0))?.replace(y, column(1))?;
            model.log_prob(&table)
        };
        // Axes that show where most draws are.
        let axis = |name: &str, label: &str| {
            let mut values = drawn.numbers(name)?;
            values.sort_by(f64::total_cmp);
            let at = |share: f64| values[(share * (values.len() - 1) as f64) as usize];
            Ok::<_, Box<dyn Error>>(Axis::linear(label, 0.8 * at(0.005), 1.2 * at(0.97)))
        };
        let (across, up) = (axis(x, "residual sugar (g/dm³)")?, axis(y, "total sulphur dioxide (mg/dm³)")?);
        figure =
            figure.panel(Density2d::new(across, up).density(density).contours(&[0.5, 0.9]).truth(truth).cells(150));
    }
    figure.dpi(90.0).save(folder.join("tabular_wines.png"))?;
    Ok(())
}
