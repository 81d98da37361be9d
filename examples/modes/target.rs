//! The target: p(x) ~ sum over k of exp(10 mu_k . x) on the unit sphere, with four directions mu_k (Rezende et al., arXiv:2002.02428).
//!
//! The four terms have the same integral, so p is the mixture, in equal shares, of four von Mises-Fisher distributions with
//! concentration 10: this is how it is sampled.

use dfdx::prelude::*;
use rand::{Rng, RngExt};
use std::f64::consts::{FRAC_PI_2, PI, TAU};

/// Azimuth, and polar angle less a quarter turn, of each mode.
const PLACES: [[f64; 2]; 4] = [[1.5, 0.7], [1.0, -1.0], [5.0, 0.6], [4.0, -0.7]];
const KAPPA: f64 = 10.0;
/// ln of the integral of the sum over the sphere: 4 * 4 pi sinh(10) / 10.
pub const LOG_NORM: f64 = 10.921_586_332_5;

/// A tensor that carries the tape.
type Traced<S> = Tensor<S, f64, Cpu, OwnedTape<f64, Cpu>>;

/// (theta, phi) of each mode.
pub fn modes() -> [[f64; 2]; 4] {
    PLACES.map(|[phi, theta]| [theta + FRAC_PI_2, phi])
}

/// The unit vector of (theta, phi).
pub fn unit([theta, phi]: [f64; 2]) -> [f64; 3] {
    [theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()]
}

/// ln p per solid angle.
pub fn log_prob(x: &[f64; 3]) -> f64 {
    let exponents = modes().map(|mode| KAPPA * unit(mode).iter().zip(x).map(|(mu, x)| mu * x).sum::<f64>());
    let most = exponents.into_iter().fold(f64::NEG_INFINITY, f64::max);
    most + exponents.iter().map(|e| (e - most).exp()).sum::<f64>().ln() - LOG_NORM
}

/// ln p by d theta d phi.
pub fn log_prob_of_angles(angles: &[f64; 2]) -> f64 {
    log_prob(&unit(*angles)) + angles[0].sin().ln()
}

/// The same per solid angle in operations on tensors: gradients by the points are on the tape.
pub fn log_prob_of(points: Traced<(usize, Const<3>)>) -> Traced<(usize,)> {
    let modes = modes().map(unit);
    let columns: [[f64; 4]; 3] = std::array::from_fn(|i| modes.map(|mu| KAPPA * mu[i]));
    points.matmul(Cpu::default().tensor(columns)).logsumexp::<(usize,), _>() - LOG_NORM
}

/// `n` points (theta, phi) drawn from p.
pub fn sample<G: Rng>(n: usize, rng: &mut G) -> Vec<[f64; 2]> {
    (0..n).map(|_| draw(rng)).collect()
}

fn draw<G: Rng>(rng: &mut G) -> [f64; 2] {
    let [theta, phi] = modes()[rng.random_range(0..4)];
    // The cosine of the angle from the mode has a density ~ exp(10 cos): through its distribution function.
    let u = rng.random_range(f64::MIN_POSITIVE..1.0);
    let away = -(u + (1.0 - u) * (-2.0 * KAPPA).exp()).ln() / KAPPA;
    let (cos, sin) = (1.0 - away, (away * (2.0 - away)).sqrt());
    let (east, south) = rng.random_range(0.0..TAU).sin_cos();
    // The mode, and the directions in which theta and phi grow there.
    let along = unit([theta, phi]);
    let down = unit([theta + FRAC_PI_2, phi]);
    let across = [-phi.sin(), phi.cos(), 0.0];
    let [x, y, z]: [f64; 3] = std::array::from_fn(|i| cos * along[i] + sin * (south * down[i] + east * across[i]));
    [x.hypot(y).atan2(z), y.atan2(x).rem_euclid(TAU)]
}

/// Points on the sphere and the solid angles they stand for: Fejer's first rule along the polar angle, equal steps around. Exact for
/// polynomials of degree below `rings`.
pub fn quadrature(rings: usize) -> Vec<([f64; 3], f64)> {
    let around = 2 * rings;
    let ring = |i: usize| {
        let theta = (i as f64 + 0.5) * PI / rings as f64;
        let term = |k: usize| (2.0 * k as f64 * theta).cos() / (4.0 * (k * k) as f64 - 1.0);
        let weight = 2.0 / rings as f64 * (1.0 - 2.0 * (1..=rings / 2).map(term).sum::<f64>());
        let place = move |k: usize| unit([theta, (k as f64 + 0.5) * TAU / around as f64]);
        (0..around).map(move |k| (place(k), weight * TAU / around as f64))
    };
    (0..rings).flat_map(ring).collect()
}
