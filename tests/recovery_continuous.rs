//! Densities with separate modes, recovered by continuous flows (letter `c`): eight Gaussians in the plane (arXiv:1810.01367, figure 2) and four wrapped
//! normals on the sphere (arXiv:2006.10254, figure 4). Trained with a few equal steps of rk4, judged with the steps of dopri5 by error control: the equation
//! is the same, and so are the weights.

mod common;

use common::{angles, fit, mean};
use dfdx::prelude::*;
use flow_runtime::layers::{ChainType, ContinuousFlow, FlowSpace, settings::c};
use flow_runtime::manifolds::{Euclidean, Sphere2};
use flow_runtime::testing::Walk;
use flow_runtime::{Penalty, flow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_4, TAU};
use std::time::Instant;

/// Around (4 cos, 4 sin) of multiples of 45 degrees with standard deviation 0.5, all over the square root of 2.
const WIDTH: f64 = 0.5 * FRAC_1_SQRT_2;

fn centre(k: usize) -> [f64; 2] {
    let (sin, cos) = (FRAC_PI_4 * k as f64).sin_cos();
    [4.0 * cos * FRAC_1_SQRT_2, 4.0 * sin * FRAC_1_SQRT_2]
}

fn eight_gaussians(rng: &mut StdRng, n: usize) -> Vec<[f64; 2]> {
    (0..n)
        .map(|_| {
            let centre = centre(rng.random_range(0..8));
            centre.map(|c| c + WIDTH * rng.sample::<f64, _>(StandardNormal))
        })
        .collect()
}

fn log_eight_gaussians(x: &[f64; 2]) -> f64 {
    let square = |k: usize| centre(k).iter().zip(x).map(|(c, x)| ((x - c) / WIDTH).powi(2)).sum::<f64>();
    let sum: f64 = (0..8).map(|k| (-0.5 * square(k)).exp()).sum();
    (sum / 8.0).ln() - TAU.ln() - 2.0 * WIDTH.ln()
}

/// Largest excess of the cross entropy over the entropy, in nats.
const CLOSE: f64 = 0.1;

/// Entropy of the eight Gaussians.
const ENTROPY: f64 = 2.831_880;

#[test]
fn eight_gaussians_are_recovered() {
    let mut rng = StdRng::seed_from_u64(1);
    let (training, fresh) = (eight_gaussians(&mut rng, 20_000), eight_gaussians(&mut rng, 20_000));
    let (truth, error) = mean(fresh.iter().map(|x| -log_eight_gaussians(x)));
    assert!((truth - ENTROPY).abs() < 4.0 * error, "the truth itself: {truth} +- {error}");

    type Trained = flow!(e2 : ccc(solver = "rk4", steps = 4));
    type Judged = flow!(e2 : ccc(rtol = 1e-5, atol = 1e-5));
    let mut pdf = Cpu::seed_from_u64(2).build_module::<Trained, f64>();
    let mut judged = Cpu::default().build_module::<Judged, f64>();
    let start = Instant::now();
    pdf.fit(&training, &fit(20, 5e-3)).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    judged.set_flat_weights(&pdf.flat_weights()).unwrap();
    let start = Instant::now();
    let own = judged.log_prob(&fresh).unwrap().as_vec();
    let each = start.elapsed().as_secs_f64() / fresh.len() as f64;
    let evaluations = evaluations::<Euclidean<2>>(&pdf.flat_weights(), &fresh[..1000]);
    println!("eight Gaussians: trained in {seconds:.0} s; then {:.1} ms for 1,000 points", 1e6 * each);
    println!("{evaluations:.0} evaluations of the fields for a point");
    assert!(evaluations < 200.0);
    judge(&own, &pdf.log_prob(&fresh).unwrap().as_vec(), fresh.iter().map(log_eight_gaussians), ENTROPY);
}

/// The layer that judges, outside of a flow.
type Judge = ContinuousFlow<c::rtol<TOLERANCE, c::atol<TOLERANCE>>>;
const TOLERANCE: u128 = 1e-5_f64.to_bits() as u128;

/// How often the chain of layers with these weights evaluates its fields for a point, on average.
fn evaluations<M: FlowSpace>(weights: &[f64], points: &[[f64; 2]]) -> f64
where
    (Judge, ()): ChainType<M>,
{
    let (chain, mut count) = (<(Judge, ()) as ChainType<M>>::chain(), 0);
    for point in points {
        let mut x = vec![0.0; M::EMBED];
        M::embed(point, &mut x, &mut 0.0);
        for layer in weights.chunks_exact(chain.params()).rev() {
            count += Judge::evaluations::<M>(layer, &x);
            x = Walk::new(&chain, layer, &x, true).point;
        }
    }
    count as f64 / points.len() as f64
}

/// Cross entropy of a fit, and its excess over the truth on the same points; and that few equal steps were enough to train with.
fn judge(own: &[f64], trained: &[f64], truth: impl Iterator<Item = f64>, entropy: f64) {
    let (nll, _) = mean(own.iter().map(|p| -p));
    let (excess, error) = mean(truth.zip(own).map(|(truth, own)| truth - own));
    let (apart, _) = mean(trained.iter().zip(own).map(|(a, b)| (a - b).abs()));
    println!(
        "NLL {nll:.4}, entropy {entropy:.4}, excess {excess:.4} +- {error:.4}; equal steps are off by {apart:.1e}"
    );
    assert!(nll - entropy < CLOSE && excess < CLOSE && excess > -4.0 * error);
    assert!(apart < 1e-2, "equal steps are off by {apart}");
}

/// Four wrapped normals around the corners of a square on the equator: the tangent normal distribution of this width, carried along great circles.
const SPREAD: f64 = 0.3;

fn corner(k: usize) -> [f64; 3] {
    let (sin, cos) = (FRAC_PI_4 * (2 * k + 1) as f64).sin_cos();
    [cos, sin, 0.0]
}

fn four_wrapped_normals(rng: &mut StdRng, n: usize) -> Vec<[f64; 2]> {
    (0..n)
        .map(|_| {
            let [cos, sin, _] = corner(rng.random_range(0..4));
            let [along, up]: [f64; 2] = std::array::from_fn(|_| SPREAD * rng.sample::<f64, _>(StandardNormal));
            let length = along.hypot(up);
            // cos(length) centre + sin(length) direction.
            let (far, near) = length.sin_cos();
            let turn = far * along / length;
            let v = [near * cos - turn * sin, near * sin + turn * cos, far * up / length];
            angles(v)
        })
        .collect()
}

/// By area; what wraps around a whole great circle is beyond twenty widths.
fn log_four_wrapped_normals([theta, phi]: &[f64; 2]) -> f64 {
    let v = [theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()];
    let one = |k: usize| {
        let chord = corner(k).iter().zip(v).map(|(c, v)| (c - v).powi(2)).sum::<f64>().sqrt();
        let angle = 2.0 * (0.5 * chord).asin();
        (-0.5 * (angle / SPREAD).powi(2)).exp() * angle / angle.sin()
    };
    ((0..4).map(one).sum::<f64>() / 4.0).ln() - TAU.ln() - 2.0 * SPREAD.ln()
}

#[test]
fn four_wrapped_normals_are_recovered() {
    let mut rng = StdRng::seed_from_u64(3);
    let (training, fresh) = (four_wrapped_normals(&mut rng, 10_000), four_wrapped_normals(&mut rng, 20_000));
    let by_angles = |x: &[f64; 2]| log_four_wrapped_normals(x) + x[0].sin().ln();
    let (entropy, _) = mean(fresh.iter().map(|x| -by_angles(x)));

    type Trained = flow!(s2 : cc(solver = "rk4", steps = 4));
    type Judged = flow!(s2 : cc(rtol = 1e-5, atol = 1e-5));
    let mut pdf = Cpu::seed_from_u64(4).build_module::<Trained, f64>();
    let mut judged = Cpu::default().build_module::<Judged, f64>();
    let start = Instant::now();
    // A little held down: the fit is no worse, the path straighter.
    pdf.fit_penalised(&training, Penalty { kinetic: 0.001, jacobian: 0.0001 }, &fit(15, 1e-2)).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    judged.set_flat_weights(&pdf.flat_weights()).unwrap();
    let start = Instant::now();
    let own = judged.log_prob(&fresh).unwrap().as_vec();
    let each = start.elapsed().as_secs_f64() / fresh.len() as f64;
    let evaluations = evaluations::<Sphere2>(&pdf.flat_weights(), &fresh[..1000]);
    println!("four wrapped normals: trained in {seconds:.0} s; then {:.1} ms for 1,000 points", 1e6 * each);
    println!("{evaluations:.0} evaluations of the fields for a point");
    assert!(evaluations < 200.0);
    judge(&own, &pdf.log_prob(&fresh).unwrap().as_vec(), fresh.iter().map(by_angles), entropy);
}

/// The penalties do what they are for: the same density by a slower field.
#[test]
fn penalties_slow_the_field() {
    let mut rng = StdRng::seed_from_u64(5);
    let training = eight_gaussians(&mut rng, 4_000);
    type Pdf = flow!(e2 : c(solver = "rk4", steps = 6));
    let energy = |kinetic: f64| {
        let mut pdf = Cpu::seed_from_u64(6).build_module::<Pdf, f64>();
        pdf.fit_penalised(&training, Penalty { kinetic, jacobian: 0.1 * kinetic }, &fit(8, 5e-3)).unwrap();
        let parts = pdf.log_prob_regularised(&training).unwrap();
        let log_prob = pdf.log_prob(&training).unwrap().as_vec();
        assert!(parts.log_prob.as_vec() == log_prob);
        let (kinetic, _) = mean(parts.kinetic.as_vec().into_iter());
        (kinetic, mean(parts.jacobian.as_vec().into_iter()).0, -mean(log_prob.into_iter()).0)
    };
    let (free, held) = (energy(0.0), energy(0.25));
    println!("kinetic energy, derivative, NLL: free {free:.3?}, held {held:.3?}");
    assert!(held.0 < 0.7 * free.0 && held.1 < 0.7 * free.1 && held.2 < free.2 + 0.3);
}
