//! What several tests do in the same way: trainings and how they are judged, gradients by weights against differences.
#![allow(dead_code, reason = "each test uses a part")]

use dfdx::prelude::*;
use flow_runtime::trainers::{flat_gradient, flat_values, set_flat_values};
use flow_runtime::{Adam, Fit, Schedule};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use std::f64::consts::TAU;

/// Largest excess of a cross entropy over the entropy, in nats.
pub const CLOSE: f64 = 0.01;

/// The mean of numbers and its standard error.
pub fn mean(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values: Vec<f64> = values.collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// Compares what a fit says of fresh points with the truth, whose entropy is known.
pub fn judge(what: &str, entropy: f64, own: &[f64], truth: impl Iterator<Item = f64>) {
    let truth: Vec<f64> = truth.collect();
    let (found, error) = mean(truth.iter().map(|p| -p));
    assert!((found - entropy).abs() < 4.0 * error, "the truth itself: {found} +- {error}, entropy {entropy}");
    let (excess, error) = mean(truth.iter().zip(own).map(|(truth, own)| truth - own));
    println!("{what}: entropy {entropy}, excess {excess:.5} +- {error:.5}");
    assert!(excess < CLOSE && excess > -4.0 * error, "{what}: excess {excess} +- {error}");
}

/// Batches of 256, a rate that falls to a hundredth.
pub fn fit(epochs: usize, rate: f64) -> Fit {
    Fit {
        epochs,
        batch: 256,
        optimizer: Adam { learning_rate: rate, ..Adam::default() },
        schedule: Schedule::Cosine { warm_up: 20, last: 0.01 },
        seed: 1,
        ..Fit::default()
    }
}

/// theta and phi of a unit vector.
pub fn angles(v: [f64; 3]) -> [f64; 2] {
    [v[0].hypot(v[1]).atan2(v[2]), v[1].atan2(v[0]).rem_euclid(TAU)]
}

/// Weights away from their damped start, so that every path carries something.
pub fn excite<M: TensorCollection<f64, Cpu>>(model: &mut M) {
    let mut rng = StdRng::seed_from_u64(1);
    let values: Vec<f64> =
        flat_values(model).unwrap().iter().map(|v| v + 0.3 * rng.sample::<f64, _>(StandardNormal)).collect();
    set_flat_values(model, &values).unwrap();
}

/// Gradients by every `every`-th weight equal differences of the value. Central differences with a step of 1e-5 are good to some 1e-10.
pub fn check_weights<M: TensorCollection<f64, Cpu> + Clone>(
    model: &M,
    gradients: &mut Gradients<f64, Cpu>,
    every: usize,
    value: impl Fn(&M) -> f64,
) {
    let exact = flat_gradient(model, gradients).unwrap();
    let start = flat_values(model).unwrap();
    for i in (0..exact.len()).step_by(every) {
        let shifted = |h: f64| {
            let mut other = model.clone();
            let mut values = start.clone();
            values[i] += h;
            set_flat_values(&mut other, &values).unwrap();
            value(&other)
        };
        let numerical = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
        assert!((exact[i] - numerical).abs() < 1e-7 * (1.0 + numerical.abs()), "weight {i}: {} {numerical}", exact[i]);
    }
}
