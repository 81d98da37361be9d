//! A training run that recovers a known conditional density on e3 + s2.
//!
//! c ~ U[-1, 1]^2; x ~ N((2 c1, 2 c2, c1 c2), L L^T) with diag L = (e^{0.3 c1}, e^{-0.3 c2}, 1), L21 = 0.5 c2; then the direction, given both, is
//! von Mises-Fisher distributed around (x + (0, 0, 2)) / |x + (0, 0, 2)| with concentration e^{3 + 2 c1}. The expected negative log-density of the
//! truth, with respect to volume and area, is 4.0934290.

mod common;

use common::{angles, mean};
use dfdx::prelude::*;
use flow_runtime::{Adam, Fit, Schedule, flow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use std::f64::consts::TAU;

const EXPECTED: f64 = 4.093_429_0;

type Pdf = flow!(e3 + s2 : gt(cov_type = "full") + ff | cond 2, hidden 128-64);

struct Row {
    features: [f64; 2],
    /// x, y, z, theta, phi
    point: [f64; 5],
    /// The same with a unit vector.
    embedded: [f64; 6],
    log_truth: f64,
}

fn draw(rng: &mut StdRng) -> Row {
    let c: [f64; 2] = [rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0)];
    let z: [f64; 3] = std::array::from_fn(|_| rng.sample(StandardNormal));
    let diagonal = [(0.3 * c[0]).exp(), (-0.3 * c[1]).exp(), 1.0];
    let x = [
        2.0 * c[0] + diagonal[0] * z[0],
        2.0 * c[1] + 0.5 * c[1] * z[0] + diagonal[1] * z[1],
        c[0] * c[1] + diagonal[2] * z[2],
    ];
    let kappa = (3.0 + 2.0 * c[0]).exp();
    let axis = [x[0], x[1], x[2] + 2.0];
    let norm = axis.iter().map(|a| a * a).sum::<f64>().sqrt();
    let axis = axis.map(|a| a / norm);
    // Cosine of the angle to the axis, by inversion, and a uniform turn around it.
    let u: f64 = rng.random_range(0.0..1.0);
    let cos = 1.0 + (u + (1.0 - u) * (-2.0 * kappa).exp()).ln() / kappa;
    let turn: f64 = rng.random_range(0.0..TAU);
    let sin = (1.0 - cos * cos).max(0.0).sqrt();
    let helper = if axis[2].abs() < 0.9 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
    let cross =
        |a: [f64; 3], b: [f64; 3]| [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    let first = cross(axis, helper);
    let length = first.iter().map(|a| a * a).sum::<f64>().sqrt();
    let first = first.map(|a| a / length);
    let second = cross(axis, first);
    let v: [f64; 3] = std::array::from_fn(|i| cos * axis[i] + sin * (turn.cos() * first[i] + turn.sin() * second[i]));
    let log_normal =
        -0.5 * z.iter().map(|z| z * z).sum::<f64>() - 1.5 * TAU.ln() - diagonal.iter().map(|d| d.ln()).sum::<f64>();
    let log_fisher = kappa.ln() - TAU.ln() - (-(-2.0 * kappa).exp()).ln_1p() + kappa * (cos - 1.0);
    let [theta, phi] = angles(v);
    Row {
        features: c,
        point: [x[0], x[1], x[2], theta, phi],
        embedded: [x[0], x[1], x[2], v[0], v[1], v[2]],
        log_truth: log_normal + log_fisher,
    }
}

#[test]
fn a_known_conditional_density_is_recovered() {
    let mut rng = StdRng::seed_from_u64(1);
    let training: Vec<Row> = (0..60_000).map(|_| draw(&mut rng)).collect();
    let test: Vec<Row> = (0..100_000).map(|_| draw(&mut rng)).collect();
    let (truth, error) = mean(test.iter().map(|r| -r.log_truth));
    assert!((truth - EXPECTED).abs() < 4.0 * error, "the truth itself: {truth} +- {error}");

    let dev = Cpu::seed_from_u64(2);
    let mut pdf = dev.build_module::<Pdf, f64>();
    let features: Vec<[f64; 2]> = training.iter().map(|r| r.features).collect();
    let points: Vec<[f64; 5]> = training.iter().map(|r| r.point).collect();
    pdf.initialize_from(&points, 3).unwrap();
    let fit = Fit {
        epochs: 40,
        batch: 256,
        optimizer: Adam { learning_rate: 3e-3, ..Adam::default() },
        schedule: Schedule::Cosine { warm_up: 100, last: 0.01 },
        seed: 4,
        ..Fit::default()
    };
    let start = std::time::Instant::now();
    let history = pdf.fit(&features, &points, &fit).unwrap();
    let seconds = start.elapsed().as_secs_f64();

    let features: Vec<[f64; 2]> = test.iter().map(|r| r.features).collect();
    let embedded: Vec<[f64; 6]> = test.iter().map(|r| r.embedded).collect();
    let log_prob = pdf.given(&features).unwrap().log_prob_embedded(&embedded).unwrap().as_vec();
    let (nll, _) = mean(log_prob.iter().map(|p| -p));
    // On the same rows as the truth: the excess is the Kullback-Leibler divergence, with a small error of its own.
    let (excess, error) = mean(log_prob.iter().zip(&test).map(|(p, r)| r.log_truth - p));
    println!(
        "{} epochs in {seconds:.0} s, best {}: test NLL {nll:.4}, truth {truth:.4}, excess {excess:.4} +- {error:.4}",
        history.epochs.len(),
        history.best
    );
    assert!(nll - EXPECTED < 0.05 && excess < 0.05 && excess > -4.0 * error);
}
