//! Two ways to fit a flow to the target: by its density, through differentiable samples; and by points drawn from it.

use crate::target;
use dfdx::prelude::*;
use flow_runtime::estimators::{self, Estimate};
use flow_runtime::{Adam, Built, Fit, FitError, Schedule, flow};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::cell::RefCell;

// Four modes need polar angles that are far from uniform at some azimuths: mixtures bend there with fewer numbers than splines.
flow! {
    /// A density on the sphere.
    pub struct Sphere = s2 : nn(zenith_type_layers = "gg", hidden_dims = "32")
}

pub type Pdf = Built<Sphere, f64>;

const SEED: u64 = 1;
const BATCH: usize = 512;

/// The weights are those of the best epoch: an epoch has to be long enough for its mean loss to be known.
const STEPS_AN_EPOCH: usize = 50;

fn settings(epochs: usize, progress: bool) -> Fit {
    Fit {
        epochs,
        batch: BATCH,
        optimizer: Adam { learning_rate: 0.02, ..Adam::default() },
        schedule: Schedule::Cosine { warm_up: 20, last: 0.01 },
        validation: 0.0,
        patience: None,
        clip: Some(5.0),
        seed: SEED,
        progress,
        ..Fit::default()
    }
}

fn start() -> Pdf {
    Cpu::seed_from_u64(SEED).build_module::<Sphere, f64>()
}

/// Reverse Kullback-Leibler divergence, E over q of ln q - ln p: only the density p is asked, at points x(z; weights) that the flow
/// draws itself. The gradient goes through the points. As the flow starts nearly uniform, it finds all modes.
pub fn by_density(steps: usize, progress: bool) -> Result<Pdf, FitError> {
    let mut pdf = start();
    let rng = RefCell::new(StdRng::seed_from_u64(SEED));
    // There are no rows of data: a batch is a number of points to draw, new ones in every step.
    let fit = settings(steps / STEPS_AN_EPOCH, progress);
    fit.run(&mut pdf, STEPS_AN_EPOCH * BATCH, |pdf: &Pdf, rows, gradients| {
        let drawn = pdf.rsample_embedded(rows.len(), &mut *rng.borrow_mut(), gradients)?;
        Ok(drawn.combine(|points, log_q| target::log_prob_of(points) - log_q))
    })?;
    Ok(pdf)
}

/// Maximum likelihood, on points drawn from p once.
pub fn by_points(count: usize, epochs: usize, progress: bool) -> Result<Pdf, FitError> {
    let points = target::sample(count, &mut StdRng::seed_from_u64(SEED));
    let mut pdf = start();
    pdf.fit(&points, &settings(epochs, progress))?;
    Ok(pdf)
}

/// What fresh points of a flow q say about it, with weights w = p / q.
#[derive(Clone, Copy, Debug)]
pub struct Weighed {
    /// Mean of ln q - ln p.
    pub reverse: Estimate,
    /// Effective sample size as a share of the sample.
    pub effective: Estimate,
    /// Mean of w: 1, or q misses a part of p.
    pub weight: Estimate,
}

pub fn weigh(pdf: &Pdf, count: usize) -> Result<Weighed, flow_runtime::Error> {
    let log_p = |angles: &[f64]| angles.as_chunks().0.iter().map(target::log_prob_of_angles).collect::<Vec<_>>();
    let rng = || StdRng::seed_from_u64(SEED + 1);
    let reverse = estimators::reverse_kl(pdf, count, &mut rng(), log_p)?[0];
    let found = estimators::importance(pdf, count, &mut rng(), log_p)?[0];
    let times =
        |e: Estimate, factor: f64| Estimate { value: factor * e.value, standard_error: factor * e.standard_error };
    let effective = times(found.effective_sample_size, 1.0 / count as f64);
    Ok(Weighed { reverse, effective, weight: times(found.normalisation, found.log_scale.exp()) })
}

/// E over p of ln p - ln q, and the integral of q, both by quadrature over the sphere.
pub fn forward_divergence(pdf: &Pdf) -> Result<[f64; 2], flow_runtime::Error> {
    let (points, areas): (Vec<_>, Vec<_>) = target::quadrature(200).into_iter().unzip();
    let log_q = pdf.log_prob_embedded(&points)?.as_vec();
    let mut sums = [0.0; 2];
    for ((x, area), log_q) in points.iter().zip(areas).zip(log_q) {
        let log_p = target::log_prob(x);
        sums[0] += area * log_p.exp() * (log_p - log_q);
        sums[1] += area * log_q.exp();
    }
    Ok(sums)
}
