//! The ladder of regression: four notations on the same data, from mean squared error to a density of any shape; and what one more label does to
//! the others.
//!
//!     cargo run --release --example labels [folder for the pictures]
//!
//! Every regression claims a density of the labels, most without saying so: minimising the squared error is maximum likelihood with a normal
//! distribution of width 1. Here each claim is fitted to the same rows, and asked two things: how probable it makes labels that it has not seen
//! (negative log-likelihood, NLL), and how often they lie inside the regions that it claims (coverage).

use dfdx::prelude::*;
use flow_runtime::estimators::{self, Estimate};
use flow_runtime::plot::{Axis, Density2d, Figure};
use flow_runtime::{Adam, Density, Fit, Schedule, flow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use std::f64::consts::TAU;
use std::path::PathBuf;

// The ladder. The network reads three features; what it predicts is all that differs.
type Unit = flow!(e2 : x(add_offset = 1) | cond 3, hidden 64);
type Scaled = flow!(e2 : t(cov_type = "diagonal_symmetric") | cond 3, hidden 64);
type Covariance = flow!(e2 : t(cov_type = "full") | cond 3, hidden 64);
type Shape = flow!(e2 : ggggt | cond 3, hidden 64);

const SEED: u64 = 3;
const FOLDER: &str = "target/pictures";
const TRAINING: usize = 6000;
const TEST: usize = 4000;

/// Features, two labels, and ln p of the labels under the simulation.
struct Row {
    features: [f64; 3],
    labels: [f64; 2],
    truth: f64,
}

/// The second label follows the first along a bent curve: its mean is a parabola in what the first is off by.
fn draw(rng: &mut StdRng, features: [f64; 3]) -> Row {
    let [a, b, c] = features;
    let [u, v]: [f64; 2] = [rng.sample(StandardNormal), rng.sample(StandardNormal)];
    let (width, bend) = ((0.3 + 0.5 * a).exp(), 0.8 * (1.0 + 0.5 * b));
    let first = (2.0 * c).sin() + a * b + width * u;
    let second = a - c * c + bend * (u * u - 1.0) + 0.3 * v;
    let truth = -0.5 * (u * u + v * v) - TAU.ln() - width.ln() - 0.3f64.ln();
    Row { features, labels: [first, second], truth }
}

fn rows(n: usize, rng: &mut StdRng) -> Vec<Row> {
    (0..n)
        .map(|_| {
            let features = std::array::from_fn(|_| rng.random_range(-1.0..1.0));
            draw(rng, features)
        })
        .collect()
}

fn settings() -> Fit {
    Fit {
        epochs: 60,
        batch: 128,
        optimizer: Adam { learning_rate: 3e-3, ..Adam::default() },
        schedule: Schedule::Cosine { warm_up: 50, last: 0.01 },
        patience: Some(15),
        seed: SEED,
        ..Fit::default()
    }
}

/// NLL of labels.
fn nll(log_prob: &[f64]) -> Estimate {
    Estimate::of(&log_prob.iter().map(|l| -l).collect::<Vec<_>>())
}

/// One rung of the ladder: NLL and coverage of a fitted density on the test rows.
fn judge<D: Density<f64>>(name: &str, density: &D, test: &[Row]) -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    let labels: Vec<f64> = test.iter().flat_map(|row| row.labels).collect();
    let log_prob = density.log_prob_rows(&labels)?;
    let found = nll(&log_prob);
    let mut rng = StdRng::seed_from_u64(SEED);
    let calibration = estimators::highest_density_coverage(density, &labels, 0..1, 200, &mut rng)?;
    let shares: Vec<String> = calibration
        .coverage(&[0.5, 0.683, 0.9])
        .iter()
        .map(|c| format!("{:5.1} ({:+5.1})", 100.0 * c.observed.value, c.observed.pull(c.expected)))
        .collect();
    let test = calibration.kolmogorov_smirnov();
    println!(
        "{name:<34}{:>7.3} +- {:.3}   {}   {:8.1e}",
        found.value,
        found.standard_error,
        shares.join("  "),
        test.p_value
    );
    Ok(log_prob)
}

macro_rules! ladder {
    ($training:expr, $test:expr, $($name:literal $flow:ty),+) => {{
        let features: Vec<[f64; 3]> = $training.iter().map(|row| row.features).collect();
        let labels: Vec<[f64; 2]> = $training.iter().map(|row| row.labels).collect();
        let seen: Vec<[f64; 3]> = $test.iter().map(|row| row.features).collect();
        ($({
            let mut pdf = Cpu::seed_from_u64(SEED).build_module::<$flow, f64>();
            pdf.initialize_from(&labels, SEED)?;
            pdf.fit(&features, &labels, &settings())?;
            judge($name, &pdf.given(&seen)?, $test)?;
            pdf
        }),+)
    }};
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| FOLDER.into()));
    let mut rng = StdRng::seed_from_u64(SEED);
    let (training, test) = (rows(TRAINING, &mut rng), rows(TEST, &mut rng));
    println!("two labels given three features: {TRAINING} rows to learn from, {TEST} to judge by\n");
    println!("{:<34}{:>16}   coverage in % (and how many standard errors off)", "", "NLL in nats");
    println!("{:<34}{:>16}   {:<14} {:<14} {:<14} {:<8}", "notation", "", "of 50", "of 68.3", "of 90", "p-value");
    let (unit, scaled, covariance, shape) = ladder!(
        &training, &test,
        "e2 : x (squared error)" Unit,
        "e2 : t (one width)" Scaled,
        "e2 : t (full covariance)" Covariance,
        "e2 : ggggt (any shape)" Shape
    );
    let truth: Vec<f64> = test.iter().map(|row| row.truth).collect();
    let truth = nll(&truth);
    println!("{:<34}{:>7.3} +- {:.3}", "the simulation itself", truth.value, truth.standard_error);

    one_more_label(&test)?;

    std::fs::create_dir_all(&folder)?;
    let features = [0.6, 0.8, -0.3];
    let own: Vec<[f64; 2]> = (0..400).map(|_| draw(&mut rng, features).labels).collect();
    let mut figure =
        Figure::new().title("The labels of one row of features: what is claimed, and what is drawn").columns(2);
    macro_rules! panel {
        ($name:literal, $pdf:expr) => {
            figure = figure.panel(
                Density2d::new(Axis::linear("first label", -7.0, 7.0), Axis::linear("second label", -4.0, 8.0))
                    .title($name)
                    .density(|points: &[[f64; 2]]| {
                        let given = $pdf.given(&[features])?;
                        given.log_prob_rows(points.as_flattened())
                    })
                    .contours(&[0.5, 0.9])
                    .points("the simulation", &own)
                    .point_size(0.6),
            );
        };
    }
    panel!("e2 : x", unit);
    panel!("e2 : t, one width", scaled);
    panel!("e2 : t, full covariance", covariance);
    panel!("e2 : ggggt", shape);
    let path = folder.join("labels_ladder.png");
    figure.save(&path)?;
    println!("\npicture: {}", path.display());
    Ok(())
}

// ---- one more label ------------------------------------------------------------------------------------------------

/// Summaries that a network in front makes of the features.
type Encoder = (Linear<3, 64>, Tanh, Linear<64, 16>, Tanh);

/// Training sets of a size; their differences say how far a gain can be trusted.
const REPETITIONS: u64 = 4;

/// The claim that one more label improves the fit of the others, tested: the second label is the one of interest, the first is added. A density of the
/// second alone, and an autoregressive density of both, the second after the first.
///
/// Two things must be kept apart. Given the first label, the second is much better known: that gain is their mutual information, and it is only there for
/// who knows the first label. With the first integrated out, the question is the same for both densities, and so would be the answer if both were
/// perfect; what is left is how well each is fitted. There is a way for the first label to help with that only where something is shared: each manifold
/// has its own network, so that something is a network in front of both.
fn one_more_label(test: &[Row]) -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "\nNLL of the second label in nats, alone and with the first one added (e1 + e1), mean of {REPETITIONS} training sets:"
    );
    println!(
        "{:<10}{:<12}{:>18}{:>22}{:>20}{:>20}",
        "rows", "networks", "alone", "first integrated out", "gain", "first label known"
    );
    for learn in [500, 3000] {
        for shared in [false, true] {
            let mut found: [Vec<f64>; 4] = Default::default();
            for seed in 0..REPETITIONS {
                let training = rows(learn, &mut StdRng::seed_from_u64(100 + seed));
                let [alone, marginal, known] =
                    if shared { behind_one_network(&training, test)? } else { networks_apart(&training, test)? };
                let numbers = [alone, marginal, alone - marginal, known];
                found.iter_mut().zip(numbers).for_each(|(all, number)| all.push(number));
            }
            let show = |values: &[f64]| {
                let e = Estimate::of(values);
                format!("{:.3} +- {:.3}", e.value, e.standard_error)
            };
            println!(
                "{learn:<10}{:<12}{:>18}{:>22}{:>20}{:>20}",
                if shared { "shared" } else { "apart" },
                show(&found[0]),
                show(&found[1]),
                show(&found[2]),
                show(&found[3])
            );
        }
    }
    Ok(())
}

fn features(rows: &[Row]) -> Vec<[f64; 3]> {
    rows.iter().map(|row| row.features).collect()
}
fn both_labels(rows: &[Row]) -> Vec<[f64; 2]> {
    rows.iter().map(|row| row.labels).collect()
}
fn second_label(rows: &[Row]) -> Vec<[f64; 1]> {
    rows.iter().map(|row| [row.labels[1]]).collect()
}

/// NLL of the second label under a density of both: the first integrated out, and the first known.
fn of_both<D: Density<f64>>(given: &D, test: &[Row]) -> Result<[f64; 2], flow_runtime::Error> {
    const INNER: usize = 200;
    let points: Vec<f64> = test.iter().flat_map(|row| row.labels).collect();
    let mut rng = StdRng::seed_from_u64(SEED);
    let marginal = estimators::marginal_log_prob(given, &points, &[1], INNER, &mut rng)?;
    Ok([nll(&marginal).value, nll(&given.log_prob_of(&points, 1..2)?).value])
}

fn networks_apart(training: &[Row], test: &[Row]) -> Result<[f64; 3], Box<dyn std::error::Error>> {
    let dev = Cpu::seed_from_u64(SEED);
    let (seen, own, both) = (features(training), second_label(training), both_labels(training));
    let mut alone = dev.build_module::<flow!(e1 : ggt | cond 3, hidden 64), f64>();
    alone.initialize_from(&own, SEED)?;
    alone.fit(&seen, &own, &settings())?;
    let mut joint = dev.build_module::<flow!(e1 + e1 : ggt + ggt | cond 3, hidden 64), f64>();
    joint.initialize_from(&both, SEED)?;
    joint.fit(&seen, &both, &settings())?;
    let log_prob = alone.given(&features(test))?.log_prob(&second_label(test))?.as_vec();
    let [marginal, known] = of_both(&joint.given(&features(test))?, test)?;
    Ok([nll(&log_prob).value, marginal, known])
}

fn behind_one_network(training: &[Row], test: &[Row]) -> Result<[f64; 3], Box<dyn std::error::Error>> {
    let dev = Cpu::seed_from_u64(SEED);
    let tensor = |rows: Vec<[f64; 3]>| -> Tensor<(usize, Const<3>), f64, Cpu> {
        Cpu::default().tensor_from_vec(rows.concat(), (rows.len(), Const))
    };
    let (seen, own, both) = (features(training), second_label(training), both_labels(training));
    let batch = |rows: &[usize]| tensor(rows.iter().map(|row| seen[*row]).collect());
    let mut alone =
        (dev.build_module::<Encoder, f64>(), dev.build_module::<flow!(e1 : ggt | cond 16, hidden 64), f64>());
    alone.1.initialize_from(&own, SEED)?;
    settings().run(&mut alone, training.len(), |(encoder, pdf), rows, gradients| {
        let x: Vec<[f64; 1]> = rows.iter().map(|row| own[*row]).collect();
        pdf.given(encoder.try_forward(batch(rows).traced(gradients))?)?.log_prob(&x)
    })?;
    let mut joint = (
        dev.build_module::<Encoder, f64>(),
        dev.build_module::<flow!(e1 + e1 : ggt + ggt | cond 16, hidden 64), f64>(),
    );
    joint.1.initialize_from(&both, SEED)?;
    settings().run(&mut joint, training.len(), |(encoder, pdf), rows, gradients| {
        let x: Vec<[f64; 2]> = rows.iter().map(|row| both[*row]).collect();
        pdf.given(encoder.try_forward(batch(rows).traced(gradients))?)?.log_prob(&x)
    })?;
    let summaries = alone.0.forward(tensor(features(test)));
    let log_prob = alone.1.given(summaries)?.log_prob(&second_label(test))?.as_vec();
    let [marginal, known] = of_both(&joint.1.given(joint.0.forward(tensor(features(test))))?, test)?;
    Ok([nll(&log_prob).value, marginal, known])
}
