//! A variational autoencoder of small pictures whose three parts are densities: posterior q(z | x), likelihood p(x | z), prior p(z); with Gaussians, and
//! with flows for posterior and prior.
//!
//!     cargo run --release --example vae [folder for the pictures]
//!
//! The pictures are arcs of light on 8 x 8 pixels: place, radius, opening and direction differ, so that two numbers are not enough to say which one it
//! is, and the codes of the pictures do not fill a Gaussian.

use dfdx::prelude::*;
use flow_runtime::estimators::{self, Estimate, Sampling};
use flow_runtime::kernels::Coordinates;
use flow_runtime::module::Traced;
use flow_runtime::plot::{Axis, ColourScale, Density2d, Figure};
use flow_runtime::{Adam, Built, Density, Error, Fit, Schedule, flow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use std::cell::RefCell;
use std::f64::consts::TAU;
use std::path::PathBuf;

const SIDE: usize = 8;
const PIXELS: usize = SIDE * SIDE;

// Likelihoods: a normal distribution around the predicted picture, one width for all pixels.
type Likelihood = flow!(e64 : t(cov_type = "diagonal_symmetric") | cond 4, hidden 128-128);
// All Gaussian: the autoencoder as it was first written down (arXiv:1312.6114).
type GaussPosterior = flow!(e4 : t | cond 64, hidden 128-128);
type GaussPrior = flow!(e4 : x);
// Flows: a posterior of any shape with correlations, a prior that is learned.
type FlowPosterior = flow!(e4 : g(num_kde = 5) t(cov_type = "full") | cond 64, hidden 128-128);
type FlowPrior = flow!(e4 : ggg(num_kde = 10) t);

const SEED: u64 = 1;
const FOLDER: &str = "target/pictures";
/// Pictures of a panel.
const SHOWN: usize = 16;
const TRAINING: usize = 16_000;
const TEST: usize = 400;
const NOISE: f64 = 0.1;

type Image = [f64; PIXELS];
type Tape = OwnedTape<f64, Cpu>;

/// An arc of light, and noise.
fn image(rng: &mut StdRng) -> Image {
    let centre: [f64; 2] = [rng.random_range(2.5..4.5), rng.random_range(2.5..4.5)];
    let (radius, direction) = (rng.random_range(1.2..2.8), rng.random_range(0.0..TAU));
    std::array::from_fn(|i| {
        let (x, y) = ((i % SIDE) as f64 - centre[0], (i / SIDE) as f64 - centre[1]);
        let ring = (-0.5 * ((x.hypot(y) - radius) / 0.6).powi(2)).exp();
        let side = 1.0 / (1.0 + (-4.0 * (y.atan2(x) - direction).cos()).exp());
        ring * side + NOISE * rng.sample::<f64, _>(StandardNormal)
    })
}

/// Epochs, and how much more than its share the likelihood counts in them. Fitted from the start with the share that is right, codes that say nothing
/// yet are soon given up: a posterior that is the prior costs nothing.
const STAGES: [(usize, f64); 2] = [(4, 10.0), (60, 1.0)];

fn settings() -> Fit {
    Fit {
        epochs: 0,
        batch: 64,
        optimizer: Adam { learning_rate: 2e-3, ..Adam::default() },
        schedule: Schedule::Cosine { warm_up: 100, last: 0.02 },
        validation: 0.1,
        patience: None,
        clip: Some(200.0),
        seed: SEED,
        progress: true,
        ..Fit::default()
    }
}

fn tensor(images: &[Image]) -> Tensor<(usize, Const<PIXELS>), f64, Cpu> {
    Cpu::default().tensor_from_vec(images.concat(), (images.len(), Const))
}

/// Posterior, likelihood, prior: the three fitted together, and what is asked of them afterwards.
macro_rules! autoencoder {
    ($name:literal, $posterior:ty, $prior:ty, $training:expr, $test:expr) => {{
        let dev = Cpu::seed_from_u64(SEED);
        let mut model = (
            dev.build_module::<$posterior, f64>(),
            dev.build_module::<Likelihood, f64>(),
            dev.build_module::<$prior, f64>(),
        );
        model.1.initialize_from($training, SEED)?;
        let rng = RefCell::new(StdRng::seed_from_u64(SEED));
        type Model = (Built<$posterior, f64>, Built<Likelihood, f64>, Built<$prior, f64>);
        for (epochs, weight) in STAGES {
            let settings = Fit { epochs, ..settings() };
            settings.run(&mut model, $training.len(), |(posterior, likelihood, prior): &Model, rows, gradients| {
                let images: Vec<Image> = rows.iter().map(|row| $training[*row]).collect();
                // One draw of z for each picture; the bound is the objective of its row.
                let given = posterior.given(tensor(&images).traced(gradients))?;
                let rng = &mut *rng.borrow_mut();
                let bound = estimators::elbo_traced(given, 1, rng, |z: Traced<(usize, Const<4>), f64>| {
                    let of_prior = prior.log_prob(z.retaped::<Tape>())?;
                    Ok(likelihood.given(z)?.log_prob(&images)? * weight + of_prior)
                })?;
                Ok(bound.value)
            })?;
        }
        judge($name, &model.0.given($test)?, $test, |z| model.1.given(z), |z| model.2.log_prob_rows(z))?;
        // What pictures become when coded and decoded, and pictures of codes that the prior makes up.
        let mut rng = StdRng::seed_from_u64(SEED);
        let shown = &$test[..SHOWN].to_vec();
        let codes = model.0.given(shown)?.sample(&mut rng)?;
        let made: Vec<[f64; 4]> = model.2.sample_rows(SHOWN, &mut rng)?.points.as_chunks().0.to_vec();
        let mean = |z: &[[f64; 4]]| -> Result<Vec<Image>, Error> {
            // The centre of a Gaussian is where its base is 0.
            let found = model.1.given(&z.to_vec())?.forward(&vec![0.0; z.len() * PIXELS], Coordinates::Intrinsic)?;
            Ok(found.points.as_chunks().0.to_vec())
        };
        (mean(codes.points.as_vec().as_chunks().0)?, mean(&made)?)
    }};
}

/// Bounds of ln p(x) on pictures that were not learned from: with one draw of the posterior, and with many, weighted, which comes close to ln p(x) itself.
fn judge<D, L>(
    name: &str,
    posterior: &D,
    test: &[Image],
    likelihood: impl Fn(&Vec<[f64; 4]>) -> Result<L, Error>,
    prior: impl Fn(&[f64]) -> Result<Vec<f64>, Error>,
) -> Result<(), Box<dyn std::error::Error>>
where
    D: Density<f64>,
    L: Density<f64>,
{
    const MANY: usize = 256;
    let mut rng = StdRng::seed_from_u64(SEED);
    let log_joint = |z: &[f64]| -> Result<Vec<f64>, Error> {
        let codes: Vec<[f64; 4]> = z.as_chunks().0.to_vec();
        let each = codes.len() / test.len();
        let repeated: Vec<f64> = test.iter().flat_map(|x| x.repeat(each)).collect();
        let (like, prior) = (likelihood(&codes)?.log_prob_rows(&repeated)?, prior(z)?);
        Ok(like.iter().zip(prior).map(|(a, b)| a + b).collect())
    };
    let mut failed = None;
    let target = |z: &[f64]| {
        log_joint(z).unwrap_or_else(|error| {
            failed = Some(error);
            vec![f64::NEG_INFINITY; z.len() / 4]
        })
    };
    let weighted = estimators::importance(posterior, Sampling::from(MANY), &mut rng, target)?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let draws = posterior.sample_rows(16, &mut rng)?;
    let gains: Vec<f64> = log_joint(&draws.points)?.iter().zip(&draws.log_prob).map(|(j, q)| j - q).collect();
    let bounds: Vec<f64> = gains.chunks_exact(16).map(|own| own.iter().sum::<f64>() / 16.0).collect();
    let many: Vec<f64> = weighted.iter().map(|w| w.log_normalisation.value).collect();
    let gaps: Vec<f64> = many.iter().zip(&bounds).map(|(many, one)| many - one).collect();
    let worth = weighted.iter().map(|w| w.effective_sample_size.value).sum::<f64>() / many.len() as f64;
    let show = |values: &[f64]| {
        let e = Estimate::of(values);
        format!("{:.2} +- {:.2}", e.value, e.standard_error)
    };
    println!("{name:<10}{:>18}{:>18}{:>18}{worth:>16.0} of {MANY}", show(&bounds), show(&many), show(&gaps));
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| FOLDER.into()));
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut images = |n: usize| -> Vec<Image> { (0..n).map(|_| image(&mut rng)).collect() };
    let (training, test) = (images(TRAINING), images(TEST));
    println!("{TRAINING} pictures of {SIDE} x {SIDE} pixels to learn from, {TEST} to judge by; codes of 4 numbers");
    println!("{:<10}{:>18}{:>18}{:>18}{:>23}", "", "bound, nats", "many draws", "between them", "draws worth");
    let (gauss_again, gauss_made) = autoencoder!("Gaussians", GaussPosterior, GaussPrior, &training, &test);
    let (flow_again, flow_made) = autoencoder!("flows", FlowPosterior, FlowPrior, &training, &test);

    std::fs::create_dir_all(&folder)?;
    let path = folder.join("vae.png");
    Figure::new()
        .title("Pictures, coded and decoded, and made up")
        .columns(3)
        .panel(mosaic("pictures", &test[..SHOWN]))
        .panel(mosaic("decoded: Gaussians", &gauss_again))
        .panel(mosaic("decoded: flows", &flow_again))
        .panel(mosaic("more pictures", &test[SHOWN..2 * SHOWN]))
        .panel(mosaic("made up: Gaussians", &gauss_made))
        .panel(mosaic("made up: flows", &flow_made))
        .save(&path)?;
    println!("picture: {}", path.display());
    Ok(())
}

/// Pictures in rows of four, each with a dark edge.
fn mosaic<'a>(title: &str, images: &[Image]) -> Density2d<'a> {
    let step = SIDE + 1;
    let side = 4 * step;
    let mut pixels = vec![0.0; side * side];
    for (k, image) in images.iter().enumerate() {
        for (i, value) in image.iter().enumerate() {
            pixels[(k / 4 * step + i / SIDE) * side + k % 4 * step + i % SIDE] = value.clamp(0.0, 1.0);
        }
    }
    let high = side as f64;
    Density2d::new(Axis::linear("column", 0.0, high), Axis::linear("row", 0.0, high).flipped())
        .title(title)
        .cells(4 * side)
        .colour_scale(ColourScale::Linear)
        .colour_range(0.0, 1.0)
        .density_label("brightness")
        .density(move |points: &[[f64; 2]]| -> Vec<f64> {
            points.iter().map(|[x, y]| pixels[*y as usize * side + *x as usize].max(1e-9).ln()).collect()
        })
}
