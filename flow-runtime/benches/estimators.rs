//! What variance reduction gains: the error of an estimate at equal cost, for a flow with bends in it.
//!
//! `cargo bench -p flow-runtime --bench estimators` prints, for numbers of draws from 256 to 16384, the root mean square error over repetitions of each way
//! to spread base points, and the time of one estimate.

use dfdx::prelude::*;
use flow_runtime::estimators::{self, Estimate, Sampling};
use flow_runtime::{Density, Error, flow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use std::time::Instant;

/// Repetitions; the error is known to 1 / sqrt(2 * 64) = 9 %.
const RUNS: u64 = 64;

type Way = (&'static str, fn(usize) -> Sampling, bool);
const WAYS: [Way; 5] = [
    ("independent", Sampling::from, false),
    ("antithetic", Sampling::antithetic, false),
    ("Sobol", Sampling::sobol, false),
    ("independent, controlled", Sampling::from, true),
    ("antithetic, controlled", Sampling::antithetic, true),
];

fn table<D: Density<f64>>(title: &str, density: &D, f: impl Fn(&[f64]) -> f64) -> Result<(), Error> {
    // The truth, to far below the errors that are compared.
    let truth = estimators::expectation(density, Sampling::sobol(1 << 19), &mut StdRng::seed_from_u64(0), &f)?[0];
    println!("\n{title}: {:.6} +- {:.1e}", truth.value, truth.standard_error);
    println!("{:<26}{:>10}{:>14}{:>14}{:>12}{:>10}", "spread", "draws", "error", "says", "gain", "ms");
    for n in [256, 1024, 4096, 16_384] {
        let mut plain = f64::NAN;
        for (name, plan, controlled) in &WAYS {
            let start = Instant::now();
            let run = |seed: u64| -> Result<Estimate, Error> {
                let rng = &mut StdRng::seed_from_u64(1 + seed);
                let found = if *controlled {
                    estimators::expectation_controlled(density, plan(n), rng, &f)
                } else {
                    estimators::expectation(density, plan(n), rng, &f)
                };
                Ok(found?[0])
            };
            let found = (0..RUNS).map(run).collect::<Result<Vec<_>, Error>>()?;
            let time = start.elapsed().as_secs_f64() / RUNS as f64;
            let mean = |of: &dyn Fn(&Estimate) -> f64| (found.iter().map(of).sum::<f64>() / RUNS as f64).sqrt();
            let error = mean(&|e| (e.value - truth.value).powi(2));
            let says = mean(&|e| e.standard_error.powi(2));
            if plain.is_nan() {
                plain = error;
            }
            // Draws that the plain way would need for this error, over those made.
            let gain = (plain / error).powi(2);
            println!("{name:<26}{n:>10}{error:>14.2e}{says:>14.2e}{gain:>11.1}x{:>10.2}", 1e3 * time);
        }
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    let mut pdf = Cpu::default().build_module::<flow!(e3 : ggt), f64>();
    let mut rng = StdRng::seed_from_u64(1);
    let weights: Vec<f64> = pdf.flat_weights().iter().map(|w| w + 0.3 * rng.sample::<f64, _>(StandardNormal)).collect();
    pdf.set_flat_weights(&weights)?;
    table("a coordinate", &pdf, |x| x[0])?;
    table("a square", &pdf, |x| x.iter().map(|x| x * x).sum())?;
    table("a probability (a step)", &pdf, |x| f64::from(x.iter().map(|x| x * x).sum::<f64>() < 2.0))
}
