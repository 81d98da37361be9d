//! Densities on circles, recovered from samples by maximum likelihood: a von Mises density on one circle and a correlated density on two,
//! judged by quadrature over all of the circle or torus, so that the excess is the Kullback-Leibler divergence itself. And seven
//! circles at once.

mod common;

use common::fit;
use dfdx::prelude::*;
use flow_runtime::flow;
use flow_runtime::kernels::{Coordinates, Job, Wanted, evaluate, evaluate_vjp, generate, generate_vjp};
use flow_runtime::module::Spec;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::f64::consts::{PI, TAU};

/// Largest divergence from the von Mises density, in nats.
const CLOSE: f64 = 0.01;
/// The same on two circles.
const CLOSE_TWO: f64 = 0.02;

/// An angle of the von Mises density around 0, by D. J. Best and N. I. Fisher, Appl. Statist. 28 (1979) 152.
fn von_mises(rng: &mut StdRng, kappa: f64) -> f64 {
    let tau = 1.0 + (1.0 + 4.0 * kappa * kappa).sqrt();
    let rho = (tau - (2.0 * tau).sqrt()) / (2.0 * kappa);
    let r = (1.0 + rho * rho) / (2.0 * rho);
    loop {
        let [u1, u2, u3]: [f64; 3] = std::array::from_fn(|_| rng.random_range(0.0..1.0));
        let z = (PI * u1).cos();
        let f = (1.0 + r * z) / (r + z);
        let c = kappa * (r - f);
        if (c / u2).ln() + 1.0 - c >= 0.0 {
            return f.acos().copysign(u3 - 0.5);
        }
    }
}

/// Equidistant angles, from 0 on: the trapezoidal rule, exact to rounding for smooth densities.
fn angles(count: usize) -> impl Iterator<Item = f64> {
    (0..count).map(move |i| TAU * i as f64 / count as f64)
}

/// ln of the von Mises density.
fn ln_von_mises(kappa: f64) -> impl Fn(f64) -> f64 {
    let n = 400;
    let norm = (angles(n).map(|x| (kappa * (x.cos() - 1.0)).exp()).sum::<f64>() * TAU / n as f64).ln();
    move |x| kappa * (x.cos() - 1.0) - norm
}

/// Entropy of the truth, and the divergence of a model from it, from ln densities at the nodes of a rule of equal weights.
fn divergence(truth: &[f64], model: &[f64], weight: f64) -> (f64, f64) {
    let mean =
        |f: &dyn Fn(f64, f64) -> f64| truth.iter().zip(model).map(|(t, m)| t.exp() * f(*t, *m)).sum::<f64>() * weight;
    assert!((mean(&|_, _| 1.0) - 1.0).abs() < 1e-12, "the truth is normalised");
    let total = model.iter().map(|m| m.exp()).sum::<f64>() * weight;
    assert!((total - 1.0).abs() < 1e-4, "the model is normalised: {total}");
    (mean(&|t, _| -t), mean(&|t, m| t - m))
}

/// Fits a flow to von Mises distributed angles around 1; the divergence from the truth.
macro_rules! fitted_to_von_mises {
    ($rows:expr, $fit:expr, $($notation:tt)*) => {{
        let kappa = 10.0;
        let mut rng = StdRng::seed_from_u64(1);
        let training: Vec<[f64; 1]> = (0..$rows).map(|_| [(1.0 + von_mises(&mut rng, kappa)).rem_euclid(TAU)]).collect();
        let mut pdf = Cpu::seed_from_u64(2).build_module::<flow!($($notation)*), f64>();
        pdf.fit(&training, &$fit).unwrap();
        let nodes: Vec<[f64; 1]> = angles(4000).map(|x| [x]).collect();
        let ln_truth = ln_von_mises(kappa);
        let truth: Vec<f64> = nodes.iter().map(|[x]| ln_truth(x - 1.0)).collect();
        let own = pdf.log_prob(&nodes).unwrap().as_vec();
        let (entropy, excess) = divergence(&truth, &own, TAU / nodes.len() as f64);
        println!("{}: entropy {entropy:.6}, excess {excess:.5}", stringify!($($notation)*));
        assert!((entropy - 0.294_851).abs() < 1e-6, "{entropy}");
        excess
    }};
}

/// One letter whose forward map is the mixture. (A mixture as the inverse map makes the density one of wrapped Cauchy densities: five of
/// them come no closer than 0.058 nats. Two letters do.)
#[test]
fn a_von_mises_density_is_recovered_by_one_letter() {
    let excess = fitted_to_von_mises!(
        40_000, fit(20, 0.1), s1 : m(natural_direction = 1, num_basis_functions = 10)
    );
    assert!(excess < CLOSE, "{excess}");
}

#[test]
fn a_von_mises_density_is_recovered_by_two_letters() {
    let excess = fitted_to_von_mises!(60_000, fit(30, 0.03), s1 : mm);
    assert!(excess < CLOSE, "{excess}");
}

/// Two circles: a is von Mises distributed, b is a and another von Mises distributed angle.
#[test]
fn a_correlated_density_on_two_circles_is_recovered() {
    let (of_a, of_b) = (2.0, 6.0);
    let mut rng = StdRng::seed_from_u64(3);
    let mut draw = || {
        let a = von_mises(&mut rng, of_a);
        [a, a + von_mises(&mut rng, of_b)].map(|x| x.rem_euclid(TAU))
    };
    let training: Vec<[f64; 2]> = (0..40_000).map(|_| draw()).collect();
    let mut pdf = Cpu::seed_from_u64(4).build_module::<flow!(s1 + s1 : mm + mm | hidden 64-64), f64>();
    pdf.fit(&training, &fit(20, 0.01)).unwrap();
    let n = 200;
    let nodes: Vec<[f64; 2]> = angles(n).flat_map(|a| angles(n).map(move |b| [a, b])).collect();
    let (ln_a, ln_b) = (ln_von_mises(of_a), ln_von_mises(of_b));
    let truth: Vec<f64> = nodes.iter().map(|[a, b]| ln_a(*a) + ln_b(b - a)).collect();
    let (entropy, excess) = divergence(&truth, &pdf.log_prob(&nodes).unwrap().as_vec(), (TAU / n as f64).powi(2));
    println!("two circles: entropy {entropy:.6}, excess {excess:.5}");
    assert!(excess < CLOSE_TWO, "{excess}");
}

/// Seven circles, each angle near the one before it: the loss falls from that of a random start to near the truth. Ten short epochs and one letter of five
/// wrapped Cauchy densities for each von Mises density (see above) leave a tenth of a nat for each circle.
#[test]
fn seven_circles_train() {
    type Pdf = flow!(s1 + s1 + s1 + s1 + s1 + s1 + s1 : m + m + m + m + m + m + m | hidden 32);
    let mut rng = StdRng::seed_from_u64(5);
    let mut draw = || {
        let mut x = rng.random_range(0.0..TAU);
        std::array::from_fn(|_| {
            x = (x + von_mises(&mut rng, 4.0)).rem_euclid(TAU);
            x
        })
    };
    let (training, fresh): (Vec<[f64; 7]>, Vec<[f64; 7]>) =
        ((0..10_000).map(|_| draw()).collect(), (0..10_000).map(|_| draw()).collect());
    let mut pdf = Cpu::seed_from_u64(6).build_module::<Pdf, f64>();
    let loss = |own: Vec<f64>| -own.iter().sum::<f64>() / own.len() as f64;
    let start = loss(pdf.log_prob(&fresh).unwrap().as_vec());
    pdf.fit(&training, &fit(10, 0.01)).unwrap();
    let end = loss(pdf.log_prob(&fresh).unwrap().as_vec());
    let ln = ln_von_mises(4.0);
    let truth = TAU.ln() - 6.0 * angles(400).map(|x| ln(x).exp() * ln(x)).sum::<f64>() * TAU / 400.0;
    println!("seven circles: {start:.3} to {end:.3}, truth {truth:.3}");
    assert!(start - end > 5.0 && end - truth < 0.7 && end > truth - 0.1, "{start} {end} {truth}");
}

/// Circles that see the circles before them: samples come with the density that evaluation gives them, and all derivatives equal
/// differences, at points on both sides of the angle 0 as well.
#[test]
fn products_of_circles_obey_the_laws() {
    type Pdf = flow!(s1 + s1 + s1 : mm + oo + m(natural_direction = 1) y(add_rotation = 1) | hidden 6);
    let mut rng = StdRng::seed_from_u64(7);
    let pdf = Cpu::seed_from_u64(8).build_module::<Pdf, f64>();
    let sample = pdf.sample(300, &mut rng).unwrap();
    let points: Vec<[f64; 3]> = sample.points.as_vec().chunks_exact(3).map(|x| x.try_into().unwrap()).collect();
    for (a, b) in sample.log_prob.as_vec().into_iter().zip(pdf.log_prob(&points).unwrap().as_vec()) {
        assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{a} {b}");
    }

    type Blocks = <Pdf as Spec>::Blocks;
    let weights = pdf.flat_weights();
    let mut given = vec![1e-13, TAU - 1e-13, 0.0, 2.0, PI, 5.0];
    given.extend(points[..4].as_flattened());
    let rows = given.len() / 3;
    let base: Vec<f64> = (0..3 * rows).map(|i| (2.0 * i as f64).sin()).collect();
    let cot: Vec<f64> = (0..rows).map(|i| 1.0 + 0.3 * i as f64).collect();
    fn job(weights: &[f64]) -> Job<'_, f64> {
        Job { weights, features: &[], feature_count: 0, repeat: 1, coordinates: Coordinates::Intrinsic, pool: None }
    }
    let sum = |values: &[f64]| values.iter().zip(&cot).map(|(a, b)| a * b).sum::<f64>();
    let evaluated = |weights: &[f64], points: &[f64]| {
        let mut log_prob = vec![0.0; rows];
        evaluate::<Blocks, f64>(job(weights), points, &mut log_prob, &mut []).unwrap();
        sum(&log_prob)
    };
    // Of samples also the sine of each angle, which has no jump.
    let generated = |weights: &[f64]| {
        let (mut points, mut log_prob) = (vec![0.0; 3 * rows], vec![0.0; rows]);
        generate::<Blocks, f64>(job(weights), &base, &mut points, &mut log_prob).unwrap();
        let sines = points.iter().map(|x| x.sin()).sum::<f64>();
        (sum(&log_prob) + sines, points)
    };
    let difference = |f: &dyn Fn(f64) -> f64| (8.0 * (f(1e-4) - f(-1e-4)) - f(2e-4) + f(-2e-4)) / 12e-4;
    let shifted = |values: &[f64], k: usize, by: f64| {
        let mut values = values.to_vec();
        values[k] += by;
        values
    };
    let close = |what: &str, exact: f64, numerical: f64| {
        assert!((exact - numerical).abs() < 1e-6 * (10.0 + numerical.abs()), "{what}: {exact} {numerical}");
    };
    let back =
        evaluate_vjp::<Blocks, f64>(job(&weights), Wanted { features: false, points: true }, &given, &cot).unwrap();
    for k in 0..given.len() {
        close("by the point", back.points[k], difference(&|h| evaluated(&weights, &shifted(&given, k, h))));
    }
    let made = generated(&weights).1;
    let cot_made: Vec<f64> = made.iter().map(|x| x.cos()).collect();
    let forth = generate_vjp::<Blocks, f64>(job(&weights), false, &made, &cot_made, &cot).unwrap();
    for k in 0..weights.len() {
        close("by the weights", back.weights[k], difference(&|h| evaluated(&shifted(&weights, k, h), &given)));
        close("of samples", forth.weights[k], difference(&|h| generated(&shifted(&weights, k, h)).0));
    }
}
