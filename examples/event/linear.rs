//! What can be said without a network: vertex and direction as linear functions of the features, with the spread of what is left.
//! A density that the flow has to beat.

use crate::least_squares::{cholesky, solve};
use crate::simulator::{Event, FEATURES};
use std::f64::consts::TAU;

/// Vertex (in units) and direction vector.
const TARGETS: usize = 6;
/// The features and a constant.
const INPUTS: usize = FEATURES + 1;
/// Added to the diagonal for each row, against features that are always zero.
const RIDGE: f64 = 1e-3;

/// A linear guess, normal in the vertex and von Mises-Fisher in the direction around it.
pub struct LinearGuess {
    /// one vector a target
    weights: [Vec<f64>; TARGETS],
    /// of the three coordinates of the vertex
    deviations: [f64; 3],
    /// of the direction
    kappa: f64,
}

impl LinearGuess {
    /// Least squares; the spread is that of the same events.
    pub fn fit(events: &[Event]) -> Self {
        let mut square = vec![vec![0.0; INPUTS]; INPUTS];
        let mut products: [Vec<f64>; TARGETS] = std::array::from_fn(|_| vec![0.0; INPUTS]);
        for event in events {
            let row = inputs(event);
            for (i, x) in row.iter().enumerate() {
                square[i].iter_mut().zip(&row).for_each(|(sum, y)| *sum += x * y);
                products.iter_mut().zip(targets(event)).for_each(|(sum, t)| sum[i] += x * t);
            }
        }
        (0..INPUTS).for_each(|i| square[i][i] += RIDGE * events.len() as f64);
        let factor = cholesky(square);
        let weights = products.map(|product| solve(&factor, product));
        let mut guess = Self { weights, deviations: [1.0; 3], kappa: 1.0 };
        let n = events.len() as f64;
        let square = |k: usize| events.iter().map(|e| (guess.guess(e).0[k] - targets(e)[k]).powi(2)).sum::<f64>() / n;
        let deviations = [0, 1, 2].map(|k| square(k).sqrt());
        let cosine = events.iter().map(|event| dot(guess.guess(event).1, event.truth.direction())).sum::<f64>() / n;
        (guess.deviations, guess.kappa) = (deviations, concentration(cosine));
        guess
    }

    /// ln of the density with respect to volume in units x solid angle.
    pub fn log_prob(&self, event: &Event) -> f64 {
        let (vertex, direction) = self.guess(event);
        let normal = |k: usize| {
            let z = (targets(event)[k] - vertex[k]) / self.deviations[k];
            -0.5 * z * z - self.deviations[k].ln() - 0.5 * TAU.ln()
        };
        let log_norm = (self.kappa / (TAU * -(-2.0 * self.kappa).exp_m1())).ln();
        (0..3).map(normal).sum::<f64>() + log_norm + self.kappa * (dot(direction, event.truth.direction()) - 1.0)
    }

    fn guess(&self, event: &Event) -> ([f64; 3], [f64; 3]) {
        let row = inputs(event);
        let [x, y, z, u, v, w] =
            [0, 1, 2, 3, 4, 5].map(|t| row.iter().zip(&self.weights[t]).map(|(x, w)| x * w).sum::<f64>());
        let length = dot([u, v, w], [u, v, w]).sqrt();
        ([x, y, z], [u, v, w].map(|x| x / length))
    }
}

fn inputs(event: &Event) -> Vec<f64> {
    event.features().into_iter().chain([1.0]).collect()
}

fn targets(event: &Event) -> [f64; TARGETS] {
    let [x, y, z, ..] = event.truth.row();
    let [u, v, w] = event.truth.direction();
    [x, y, z, u, v, w]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The concentration of a von Mises-Fisher density whose mean cosine coth(kappa) - 1 / kappa is this: its maximum likelihood.
fn concentration(cosine: f64) -> f64 {
    let (mut low, mut high) = (1e-3, 1e6);
    for _ in 0..100 {
        let kappa = f64::sqrt(low * high);
        if 1.0 / kappa.tanh() - 1.0 / kappa < cosine { low = kappa } else { high = kappa }
    }
    low
}
