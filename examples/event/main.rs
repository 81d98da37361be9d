//! Vertex and direction of a particle from the light it leaves in a detector: a posterior on e3 x s2.
//!
//!     cargo run --release --example event
//!
//! The simulator and what it models: simulator.rs.

mod linear;
mod simulator;

use linear::LinearGuess;
use simulator::{Event, FEATURES, SENSORS, UNIT};

const SEED: u64 = 11;
const TRAINING: usize = 8_000;
const TEST: usize = 2_000;

fn main() {
    let training = simulator::events(TRAINING, SEED);
    let test = simulator::events(TEST, SEED + 1);
    describe(&test);
    check_information(&training, &test);
}

/// How much light there is.
fn describe(events: &[Event]) {
    let hit = |event: &Event| event.charges.iter().filter(|charge| **charge > 0.0).count();
    let mut hits: Vec<_> = events.iter().map(hit).collect();
    let mut photons: Vec<_> = events.iter().map(|event| event.charges.iter().sum::<f64>()).collect();
    hits.sort_unstable();
    photons.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| (share * (events.len() - 1) as f64) as usize;
    println!("{} events seen by {SENSORS} sensors ({FEATURES} features)", events.len());
    println!("  sensors with light, 5 %, 50 %, 95 %: {} {} {}", hits[at(0.05)], hits[at(0.5)], hits[at(0.95)]);
    println!("  photons, 5 %, 50 %, 95 %: {} {} {}", photons[at(0.05)], photons[at(0.5)], photons[at(0.95)]);
    println!("  prior entropy {:.2} nats (vertex in {UNIT} m, direction in sr)", -simulator::Truth::log_prior());
}

/// What a straight line through the features, and the brightest sensors alone, say about the truth: shares of its variance.
fn check_information(training: &[Event], test: &[Event]) {
    let features = |events: &[Event]| events.iter().map(Event::features).collect::<Vec<_>>();
    let (fitted, asked) = (features(training), features(test));
    let guess = LinearGuess::fit(&fitted, &training.iter().map(targets).collect::<Vec<_>>());
    println!(
        "share of the variance explained (0 nothing, 1 everything) by a linear guess, and by the centre of light:"
    );
    for (t, name) in
        ["vertex x", "vertex y", "vertex z", "direction x", "direction y", "direction z"].iter().enumerate()
    {
        let truths: Vec<_> = test.iter().map(|event| targets(event)[t]).collect();
        let guesses: Vec<_> = asked.iter().map(|row| guess.guess(row, t)).collect();
        let centres: Vec<_> = test.iter().map(|event| centre_of_light(event)[t % 3]).collect();
        let linear = 1.0 - residual(&truths, &guesses) / residual(&truths, &vec![mean(&truths); truths.len()]);
        println!("  {name:<12} {linear:5.2}   {:5.2}", correlation(&truths, &centres).powi(2));
    }
}

/// Vertex in units and direction vector.
fn targets(event: &Event) -> [f64; 6] {
    let [x, y, z, ..] = event.truth.row();
    let [u, v, w] = event.truth.direction();
    [x, y, z, u, v, w]
}

fn centre_of_light(event: &Event) -> [f64; 3] {
    let total = event.charges.iter().sum::<f64>().max(1.0);
    let sensors = simulator::sensors();
    [0, 1, 2].map(|k| event.charges.iter().zip(&sensors).map(|(q, at)| q * at[k]).sum::<f64>() / total)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn residual(truths: &[f64], guesses: &[f64]) -> f64 {
    mean(&truths.iter().zip(guesses).map(|(t, g)| (t - g).powi(2)).collect::<Vec<_>>())
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (ma, mb) = (mean(a), mean(b));
    let product = mean(&a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).collect::<Vec<_>>());
    product / (residual(a, &vec![ma; a.len()]) * residual(b, &vec![mb; b.len()])).sqrt()
}
