//! Densities on the three-sphere recovered from samples by maximum likelihood: a Fisher-Bingham distribution of unit quaternions, alone and
//! beside a place that depends on it.
//!
//! ln p(q) = kappa mu . q + q' A q - ln Z with kappa = 4, mu = (1, 1, -1, 1)/2 and a matrix A that is not aligned with mu. Z and the entropy come
//! from quadrature over q = (sqrt(1-t) cos a, sqrt(1-t) sin a, sqrt t cos b, sqrt t sin b), where area is da db dt / 2.

mod common;

use common::{fit, judge};
use dfdx::prelude::*;
use flow_runtime::flow;
use flow_runtime::manifolds::{Manifold, Sphere};
use flow_runtime::trainers::{flat_values, set_flat_values};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use std::f64::consts::TAU;

const KAPPA: f64 = 4.0;
const MU: [f64; 4] = [0.5, 0.5, -0.5, 0.5];
const A: [[f64; 4]; 4] = [[0.4, 0.3, 0.0, -0.5], [0.3, -1.0, 0.6, 0.0], [0.0, 0.6, 1.0, 0.2], [-0.5, 0.0, 0.2, -0.4]];
/// A bound of q' A q: its largest eigenvalue is less than the largest sum of the sizes in a row.
const MOST: f64 = 1.9;

fn exponent(kappa: f64, q: &[f64; 4]) -> f64 {
    let linear: f64 = (0..4).map(|i| MU[i] * q[i]).sum();
    let square: f64 = (0..4).map(|i| (0..4).map(|j| q[i] * A[i][j] * q[j]).sum::<f64>()).sum();
    kappa * linear + square
}

/// ln Z and the entropy. Trapezoidal rules: over whole periods, and over u with t = 1/(1 + e^-u), dt = t (1 - t) du.
fn normaliser(kappa: f64) -> (f64, f64) {
    let (angles, steps, reach) = (40, 160, 40.0);
    let (mut sum, mut mean) = (0.0, 0.0);
    for k in 0..steps {
        let u = reach * (2.0 * (f64::from(k) + 0.5) / f64::from(steps) - 1.0);
        let (t, rest) = (1.0 / (1.0 + (-u).exp()), 1.0 / (1.0 + u.exp()));
        let weight = 0.5 * t * rest * 2.0 * reach / f64::from(steps) * (TAU / f64::from(angles)).powi(2);
        for i in 0..angles {
            let (sin_a, cos_a) = (TAU * f64::from(i) / f64::from(angles)).sin_cos();
            for j in 0..angles {
                let (sin_b, cos_b) = (TAU * f64::from(j) / f64::from(angles)).sin_cos();
                let (inner, outer) = (rest.sqrt(), t.sqrt());
                let f = exponent(kappa, &[inner * cos_a, inner * sin_a, outer * cos_b, outer * sin_b]);
                sum += weight * f.exp();
                mean += weight * f.exp() * f;
            }
        }
    }
    (sum.ln(), sum.ln() - mean / sum)
}

/// A quaternion by rejection from uniform ones.
fn draw(rng: &mut StdRng, kappa: f64) -> [f64; 4] {
    loop {
        let given: [f64; 4] = std::array::from_fn(|_| rng.sample(StandardNormal));
        let norm = given.iter().map(|x| x * x).sum::<f64>().sqrt();
        let q = given.map(|x| x / norm);
        if rng.random_range(0.0_f64..1.0).ln() < exponent(kappa, &q) - kappa - MOST {
            return q;
        }
    }
}

fn angles(q: &[f64; 4]) -> [f64; 3] {
    let mut angles = [0.0; 3];
    Sphere::<3>::intrinsic(q, &mut angles, &mut 0.0);
    angles
}

#[test]
fn a_density_of_quaternions_is_recovered() {
    let (ln_z, entropy) = normaliser(KAPPA);
    let mut rng = StdRng::seed_from_u64(1);
    let training: Vec<[f64; 3]> = (0..30_000).map(|_| angles(&draw(&mut rng, KAPPA))).collect();
    let fresh: Vec<[f64; 4]> = (0..60_000).map(|_| draw(&mut rng, KAPPA)).collect();
    let mut pdf =
        Cpu::seed_from_u64(2).build_module::<flow!(s3 : nn(hidden_dims = "16", num_basis_functions = 5)), f64>();
    let start = std::time::Instant::now();
    pdf.fit(&training, &fit(12, 0.01)).unwrap();
    println!("{:.0} s", start.elapsed().as_secs_f64());
    let own = pdf.log_prob_embedded(&fresh).unwrap().as_vec();
    judge("s3, Fisher-Bingham", entropy, &own, fresh.iter().map(|q| exponent(KAPPA, q) - ln_z));
}

/// The same quaternions, and a place in the plane that is normal around (q_0 + q_3, q_1 - q_2) with deviations 0.5 and 1.
#[test]
fn a_rotation_and_what_depends_on_it_are_recovered() {
    let (ln_z, entropy) = normaliser(KAPPA);
    let mut rng = StdRng::seed_from_u64(3);
    let mut row = || {
        let (q, z): ([f64; 4], [f64; 2]) = (draw(&mut rng, KAPPA), std::array::from_fn(|_| rng.sample(StandardNormal)));
        let ln_normal = -0.5 * (z[0] * z[0] + z[1] * z[1]) - TAU.ln() - 0.5_f64.ln();
        (q, [q[0] + q[3] + 0.5 * z[0], q[1] - q[2] + z[1]], exponent(KAPPA, &q) - ln_z + ln_normal)
    };
    let training: Vec<[f64; 5]> = (0..80_000)
        .map(|_| {
            let (q, x, _) = row();
            let [a, b, c] = angles(&q);
            [a, b, c, x[0], x[1]]
        })
        .collect();
    let fresh: Vec<_> = (0..60_000).map(|_| row()).collect();
    let points: Vec<[f64; 6]> = fresh.iter().map(|(q, x, _)| [q[0], q[1], q[2], q[3], x[0], x[1]]).collect();
    type Pdf = flow!(s3 + e2 : nn(hidden_dims = "16", num_basis_functions = 5) + gt | hidden 16, g(num_kde = 3));
    let mut pdf = Cpu::seed_from_u64(4).build_module::<Pdf, f64>();
    let start = std::time::Instant::now();
    pdf.fit(&training, &fit(8, 0.01)).unwrap();
    println!("{:.0} s", start.elapsed().as_secs_f64());
    let own = pdf.log_prob_embedded(&points).unwrap().as_vec();
    let truth = fresh.iter().map(|(_, _, ln)| *ln);
    // The entropy of a normal distribution in the plane is ln(2 pi e sigma_1 sigma_2).
    judge("s3 + e2", entropy + TAU.ln() + 1.0 + 0.5_f64.ln(), &own, truth);
}

/// Rotations: q and -q are the same one. With kappa = 0 the density is a Bingham distribution, the same at both; a program that gives rotations picks one of
/// the two (say w >= 0), and the rows to train with get a sign at random. Then p(q) + p(-q) is the density of the rotation, which has half of the sphere for
/// its space and ln 2 less entropy than the quaternion.
#[test]
fn rotations_are_recovered_from_quaternions_of_either_sign() {
    let (ln_z, entropy) = normaliser(0.0);
    let mut rng = StdRng::seed_from_u64(7);
    let mut rotations = |n: usize| -> Vec<[f64; 4]> {
        (0..n).map(|_| draw(&mut rng, 0.0)).map(|q| if q[0] < 0.0 { q.map(|x| -x) } else { q }).collect()
    };
    let (given, fresh) = (rotations(20_000), rotations(40_000));
    let training: Vec<[f64; 3]> =
        given.iter().map(|q| if rng.random_bool(0.5) { q.map(|x| -x) } else { *q }).map(|q| angles(&q)).collect();
    let mut pdf =
        Cpu::seed_from_u64(8).build_module::<flow!(s3 : nn(hidden_dims = "16", num_basis_functions = 5)), f64>();
    pdf.fit(&training, &fit(8, 0.01)).unwrap();
    let other: Vec<[f64; 4]> = fresh.iter().map(|q| q.map(|x| -x)).collect();
    let [one, two] = [&fresh, &other].map(|q| pdf.log_prob_embedded(q).unwrap().as_vec());
    let own: Vec<f64> = one.iter().zip(two).map(|(a, b)| a.max(b) + (-(a - b).abs()).exp().ln_1p()).collect();
    let ln_two = 2.0_f64.ln();
    judge("rotations, Bingham", entropy - ln_two, &own, fresh.iter().map(|q| exponent(0.0, q) - ln_z + ln_two));
}

/// A density of rotations given a feature: the layer's rotation, networks and mixture all come from the network of the flow. Log-densities and
/// samples have the derivatives of differences, by features and by points.
#[test]
fn gradients_flow_through_a_predicted_rotation() {
    type Pdf = flow!(e1 + s3 : t + n(hidden_dims = "5", num_basis_functions = 3) | cond 2, hidden 4);
    let dev = Cpu::default();
    let mut pdf = dev.build_module::<Pdf, f64>();
    let mut rng = StdRng::seed_from_u64(5);
    let mut weights = flat_values(&pdf).unwrap();
    weights.iter_mut().for_each(|w| *w += 0.2 * rng.sample::<f64, _>(StandardNormal));
    set_flat_values(&mut pdf, &weights).unwrap();

    let (features, x) = ([[0.3, -1.2], [1.1, 0.4]], [[0.3, 1.1, 0.8, 4.0], [-0.7, 2.0, 1.9, 0.4]]);
    let seeded = || StdRng::seed_from_u64(6);
    let value = |features: &[[f64; 2]; 2], x: &[[f64; 4]; 2]| {
        let at = pdf.given(features).unwrap();
        let sample = at.sample_n_embedded(2, &mut seeded()).unwrap();
        let points =
            sample.points.as_vec().into_iter().zip([0.3, -0.8, 1.1, 0.4, 0.6].into_iter().cycle()).map(|(p, w)| p * w);
        let sampled = points.sum::<f64>();
        pdf.given(features).unwrap().log_prob(x).unwrap().sum::<(), _>().array() + sampled
    };
    let f = dev.tensor_from_vec(features.concat(), (2usize, Const::<2>));
    let xt = dev.tensor_from_vec(x.concat(), (2usize, Const::<4>));
    let at = || pdf.given(f.clone().traced(Gradients::leaky())).unwrap();
    let evaluated = at().log_prob(xt.clone().traced(Gradients::leaky())).unwrap().sum::<(), _>().backward();
    let pull = [0.3, -0.8, 1.1, 0.4, 0.6].repeat(4);
    let pull = dev.tensor_from_vec(pull, (2usize, 2usize, Const::<5>));
    let sampled = at().rsample_n_embedded(2, &mut seeded()).unwrap();
    let sampled = sampled.combine(|x, _| (x * pull.clone()).sum::<(), _>()).backward();
    let (by_f, by_f_of_samples, by_x) =
        (evaluated.get(&f).as_vec(), sampled.get(&f).as_vec(), evaluated.get(&xt).as_vec());

    let difference = |g: &dyn Fn(f64) -> f64| {
        let h = 1e-4;
        (8.0 * (g(h) - g(-h)) - (g(2.0 * h) - g(-2.0 * h))) / (12.0 * h)
    };
    for row in 0..2 {
        for k in 0..2 {
            let exact = by_f[2 * row + k] + by_f_of_samples[2 * row + k];
            let numerical = difference(&|by| {
                let mut features = features;
                features[row][k] += by;
                value(&features, &x)
            });
            assert!(
                (exact - numerical).abs() < 1e-6 * (1.0 + numerical.abs()),
                "feature {row} {k}: {exact} {numerical}"
            );
        }
        for k in 0..4 {
            let exact = by_x[4 * row + k];
            let numerical = difference(&|by| {
                let mut x = x;
                x[row][k] += by;
                value(&features, &x)
            });
            assert!((exact - numerical).abs() < 1e-6 * (1.0 + numerical.abs()), "point {row} {k}: {exact} {numerical}");
        }
    }
}
