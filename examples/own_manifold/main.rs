//! A manifold of one's own: positive numbers. It obeys the laws of the manifolds that come with the crate, and stands beside them in the
//! notation.
//!
//! ```sh
//! cargo run --release --example own_manifold
//! ```

mod positive;

use dfdx::prelude::*;
use flow_runtime::layers::{Affine, Gaussianization, Last, Only};
use flow_runtime::testing::{Laws, check_layer, check_manifold};
use flow_runtime::{Adam, Fit, flow};
use positive::{OfLog, Positive};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Gamma, StandardNormal};

/// Gaussianisation of the logarithm.
type G = OfLog<Gaussianization<1, Only, ()>>;
/// Scale and power: ln x is moved and widened.
type T = OfLog<Affine<1, Last, ()>>;

flow! {
    /// An energy, and where it is deposited.
    pub struct Shower = energy@[Positive] + place@e2 : [G] [T] + gt | hidden 16
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}\n", check_manifold::<Positive>(&Laws::default())?);
    println!("{}\n", check_layer::<Positive, G>(&Laws::default())?);

    // Energies with a gamma density; the place is known the better the higher the energy is.
    let mut rng = StdRng::seed_from_u64(1);
    let energies = Gamma::new(2.0, 3.0)?;
    let rows: Vec<[f64; 3]> = (0..4000)
        .map(|_| {
            let energy: f64 = rng.sample(energies);
            let [x, y]: [f64; 2] = [rng.sample(StandardNormal), rng.sample(StandardNormal)];
            Shower::point([energy], [x / energy.sqrt(), y / energy.sqrt()])
        })
        .collect();
    let mut pdf = Cpu::default().build_module::<Shower, f64>();
    let adam = Adam { learning_rate: 0.01, ..Adam::default() };
    pdf.fit(&rows, &Fit { epochs: 60, optimizer: adam, ..Fit::default() })?;
    println!("{pdf}\n");

    let sample = pdf.sample(4000, &mut rng)?;
    let mean = |energies: Vec<f64>| energies.iter().sum::<f64>() / energies.len() as f64;
    println!("mean energy: {:.2} of samples, 6 exactly", mean(sample.energy().as_vec()));
    let wrong = pdf.log_prob(&[Shower::point([-1.0], [0.0, 0.0])]).map(|_| ());
    println!("an energy below zero: {}", wrong.err().map(|e| e.to_string()).unwrap_or_default());
    Ok(())
}
