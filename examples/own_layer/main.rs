//! Layers of one's own: a planar layer, and a base density with heavy tails. They obey the laws of the letters, stand beside them in the notation,
//! and are trained with them.
//!
//! ```sh
//! cargo run --release --example own_layer [-- folder for the picture]
//! ```

mod base;
mod planar;

use base::HeavyTails;
use dfdx::prelude::*;
use flow_runtime::manifolds::Euclidean;
use flow_runtime::plot::Steps;
use flow_runtime::testing::{Laws, check_layer};
use flow_runtime::{Adam, Fit, flow};
use planar::Planar;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{StandardNormal, StudentT};

flow! {
    /// A letter and planar layers, given one feature.
    pub struct Bent = e2 : [Planar<2>] [Planar<2>] t | cond 1, hidden 32
}
flow! {
    /// The same without the planar layers: a normal density under each feature.
    pub struct Normal = e2 : t(cov_type = "full") | cond 1, hidden 32
}
flow! {
    /// An affine image of a density with heavy tails.
    pub struct Tails = e1 : [HeavyTails] t
}
flow! {
    /// An affine image of a normal density.
    pub struct NoTails = e1 : t
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}\n", check_layer::<Euclidean<3>, Planar<3>>(&Laws::default())?);
    println!("{}\n", check_layer::<Euclidean<2>, HeavyTails>(&Laws::default())?);

    let mut rng = StdRng::seed_from_u64(1);
    let dev = Cpu::default();

    // A cloud that is cut in two along its first axis, by more the larger the feature is.
    let mut features = Vec::new();
    let mut rows = Vec::new();
    for _ in 0..4000 {
        let f = rng.random_range(0.0..1.0);
        let [a, b]: [f64; 2] = [rng.sample(StandardNormal), rng.sample(StandardNormal)];
        features.push([f]);
        rows.push([a + 2.0 * f * (3.0 * a).tanh(), 0.5 * b + (3.0 * a).tanh()]);
    }
    let fit = Fit { epochs: 60, optimizer: Adam { learning_rate: 0.01, ..Adam::default() }, ..Fit::default() };
    let mut bent = dev.build_module::<Bent, f64>();
    let mut normal = dev.build_module::<Normal, f64>();
    bent.fit(&features, &rows, &fit)?;
    normal.fit(&features, &rows, &fit)?;
    println!("{bent}\n");
    let mean = |log_prob: Vec<f64>| log_prob.iter().sum::<f64>() / log_prob.len() as f64;
    let (with, without) = (
        mean(bent.given(&features)?.log_prob(&rows)?.as_vec()),
        mean(normal.given(&features)?.log_prob(&rows)?.as_vec()),
    );
    println!("a cut cloud, mean ln p: {with:.3} with planar layers, {without:.3} normal\n");

    // What each layer does to the density, where the feature is 1.
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target/pictures".into());
    std::fs::create_dir_all(&folder)?;
    let picture = std::path::Path::new(&folder).join("own_layer_steps.png");
    Steps::new().columns(4).figure(&bent.given(&[[1.0]])?, &mut rng)?.save(&picture)?;
    println!("picture: {}\n", picture.display());

    // Student's t with two degrees of freedom, moved and widened: the exact answer is there to compare with.
    let tail = StudentT::new(2.0)?;
    let rows: Vec<[f64; 1]> = (0..4000).map(|_| [3.0 + 0.5 * rng.sample(tail)]).collect();
    let mut tails = dev.build_module::<Tails, f64>();
    let mut no_tails = dev.build_module::<NoTails, f64>();
    tails.fit(&rows, &fit)?;
    no_tails.fit(&rows, &fit)?;
    let exact = rows.iter().map(|[x]| -1.5 * (2.0 + (2.0 * (x - 3.0)).powi(2)).ln() + 2.0_f64.ln()).collect();
    println!(
        "heavy tails, mean ln p: {:.3} with the base density, {:.3} without, {:.3} exactly",
        mean(tails.log_prob(&rows)?.as_vec()),
        mean(no_tails.log_prob(&rows)?.as_vec()),
        mean(exact)
    );
    Ok(())
}
