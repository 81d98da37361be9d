//! Log-means beside densities: their sources, the extended likelihood, its gradients.

#[path = "../common/mod.rs"]
mod common;

use common::{check_weights, excite};
use dfdx::prelude::*;
use flow_runtime::trainers::flat_gradient;
use flow_runtime::{Adam, Error, Fit, flow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Poisson, StandardNormal};

type Joint = flow!(e1 + s1 : gt + y(add_rotation = 1) | cond 2, hidden 4, poisson);
type Separate = flow!(e1 + s1 : gt + y(add_rotation = 1) | cond (1, 1), hidden 4, poisson 5-3, highway 1);
type Outer = flow!(e1 + s1 : gt + y(add_rotation = 1) | cond 2, hidden 3, amortize 4, poisson);
type Constant = flow!(e1 + s1 : x + y | cond 2, hidden 4, poisson);
type Free = flow!(e2 : gt | poisson);

const X: [[f64; 2]; 4] = [[0.3, 2.0], [1.2, 5.0], [-0.4, 0.7], [0.1, 3.0]];
const COUNTS: [usize; 3] = [3, 0, 1];
const FEATURES: [[f64; 2]; 3] = [[0.3, -0.7], [1.1, 0.4], [-0.6, 0.9]];

/// The extended log-likelihood is its formula, and differentiable by weights, features and points; so is the log-mean.
macro_rules! extended {
    ($($name:ident: $flow:ty, |$dev:ident, $rows:ident| $given:expr;)*) => {$(
        #[test]
        fn $name() {
            let $dev = Cpu::seed_from_u64(2);
            let mut pdf = $dev.build_module::<$flow, f64>();
            excite(&mut pdf);
            macro_rules! at {
                ($pdf:expr, $features:expr) => {{
                    let $rows = $features;
                    $pdf.given($given).unwrap()
                }};
            }
            let log_mean = at!(pdf, FEATURES).log_mean().unwrap().as_vec();
            let owners = [FEATURES[0], FEATURES[0], FEATURES[0], FEATURES[2]];
            let each = at!(pdf, owners).log_prob(&X).unwrap().as_vec();
            let value = |m: f64, n: f64, p: f64| p + n * m - m.exp() - ln_factorial(n);
            let expected = [
                value(log_mean[0], 3.0, each[0] + each[1] + each[2]),
                value(log_mean[1], 0.0, 0.0),
                value(log_mean[2], 1.0, each[3]),
            ];
            let all = |pdf: &flow_runtime::Built<$flow, f64>, x: &[[f64; 2]; 4]| {
                at!(pdf, FEATURES).extended_log_likelihood(x, &COUNTS).unwrap().as_vec()
            };
            let mean = |pdf: &_, x: &_| all(pdf, x).iter().sum::<f64>() / 3.0;
            all(&pdf, &X).iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-12, "{a} {b}"));

            let xt = $dev.tensor(X);
            let traced = xt.clone().traced(Gradients::leaky());
            let likelihood = at!(pdf, FEATURES).extended_log_likelihood(traced, &COUNTS).unwrap();
            let mut gradients = likelihood.mean::<(), _>().backward();
            check_weights(&pdf, &mut gradients, 1, |pdf| mean(pdf, &X));
            let by_x = gradients.get(&xt).array();
            for (row, k) in [(0, 0), (2, 1), (3, 0), (3, 1)] {
                let at = |h: f64| {
                    let mut x = X;
                    x[row][k] += h;
                    mean(&pdf, &x)
                };
                assert!((by_x[row][k] - (at(1e-5) - at(-1e-5)) / 2e-5).abs() < 1e-7);
            }
        }
    )*};
}

extended! {
    an_output_of_the_first_network: Joint, |dev, f| dev.tensor(f);
    an_output_of_the_outer_network: Outer, |dev, f| dev.tensor(f);
    a_network_of_its_own: Separate, |dev, f| (dev.tensor(f.map(|[a, _]| [a])), dev.tensor(f.map(|[_, b]| [b])));
    a_density_without_parameters: Constant, |dev, f| dev.tensor(f);
}

fn ln_factorial(n: f64) -> f64 {
    (1..=n as usize).map(|k| (k as f64).ln()).sum()
}

#[test]
fn features_get_the_gradients_of_density_and_mean() {
    let dev = Cpu::seed_from_u64(2);
    let mut pdf = dev.build_module::<Joint, f64>();
    excite(&mut pdf);
    let f = dev.tensor(FEATURES);
    let at = pdf.given(f.clone().traced(Gradients::leaky())).unwrap();
    let gradients = at.extended_log_likelihood(&X, &COUNTS).unwrap().mean::<(), _>().backward();
    let means = pdf.given(f.clone().traced(Gradients::leaky())).unwrap().log_mean().unwrap();
    let of_means = means.mean::<(), _>().backward();
    for (row, k) in [(0, 0), (1, 1), (2, 0)] {
        let with = |h: f64| {
            let mut f = FEATURES;
            f[row][k] += h;
            let likelihood =
                pdf.given(&f).unwrap().extended_log_likelihood(&X, &COUNTS).unwrap().mean::<(), _>().array();
            (likelihood, pdf.given(&f).unwrap().log_mean().unwrap().mean::<(), _>().array())
        };
        let (up, down) = (with(1e-5), with(-1e-5));
        assert!((gradients.get(&f).array()[row][k] - (up.0 - down.0) / 2e-5).abs() < 1e-7);
        assert!((of_means.get(&f).array()[row][k] - (up.1 - down.1) / 2e-5).abs() < 1e-9);
    }
}

#[test]
fn a_free_log_mean_is_best_at_the_logarithm_of_the_count() {
    let dev = Cpu::seed_from_u64(2);
    let mut pdf = dev.build_module::<Free, f64>();
    let x = dev.tensor([[0.3, -1.2], [0.0, 0.5], [0.4, 0.1]]);
    let gradient = |pdf: &flow_runtime::Built<Free, f64>| {
        let mut gradients = pdf.extended_log_likelihood(x.clone().traced(pdf.alloc_grads())).unwrap().backward();
        flat_gradient(pdf, &mut gradients).unwrap()
    };
    // The log-mean is the last weight: d ln L / d ln lambda = n - lambda.
    assert!((gradient(&pdf).last().unwrap() - (3.0 - 0.1_f64.exp())).abs() < 1e-14);
    let mut weights = pdf.flat_weights();
    *weights.last_mut().unwrap() = 3.0_f64.ln();
    pdf.set_flat_weights(&weights).unwrap();
    assert!(gradient(&pdf).last().unwrap().abs() < 1e-14);
    // No points are an observation too.
    let none: Vec<[f64; 2]> = Vec::new();
    assert!((pdf.extended_log_likelihood(&none).unwrap().array() + 3.0).abs() < 1e-14);
    let mut traced = pdf.log_mean_traced(pdf.alloc_grads()).unwrap().backward();
    assert_eq!(*flat_gradient(&pdf, &mut traced).unwrap().last().unwrap(), 1.0);
    assert_eq!(pdf.freeze().log_mean().unwrap(), 3.0_f64.ln());
}

#[test]
fn a_frozen_flow_has_the_same_log_mean() {
    let dev = Cpu::seed_from_u64(2);
    let mut pdf = dev.build_module::<Joint, f64>();
    excite(&mut pdf);
    let (frozen, all) = (pdf.freeze(), pdf.given(&FEATURES).unwrap().log_mean().unwrap().as_vec());
    for (f, expected) in FEATURES.iter().zip(all) {
        assert!((frozen.log_mean(f).unwrap() - expected).abs() < 1e-14);
    }
}

#[test]
fn what_does_not_belong_together_is_named() {
    let dev = Cpu::seed_from_u64(2);
    let mut pdf = dev.build_module::<Joint, f64>();
    let error = |counts: &[usize]| pdf.given(&FEATURES).unwrap().extended_log_likelihood(&X, counts).unwrap_err();
    assert!(error(&[3, 1]).to_string().contains("`counts` holds 2 numbers: expected 3"));
    assert!(error(&[3, 1, 1]).to_string().contains("`counts` adds up to 5, but `x` has 4 rows"));
    let bad = pdf.given(&[[0.1, 0.2], [f64::NAN, 0.0], [0.3, 0.4]]).unwrap().log_mean().unwrap_err();
    assert!(matches!(bad, Error::Feature { row: 1, column: 0, .. }), "{bad}");
    pdf.set_flat_weights(&vec![400.0; pdf.flat_weights().len()]).unwrap();
    let bad = pdf.given(&FEATURES).unwrap().log_mean().unwrap_err();
    assert!(matches!(bad, Error::LogMean { row: 0, .. }) && bad.to_string().contains("diverged"), "{bad}");
}

/// Several manifolds without features, and parameters that are given together with the log-mean.
#[test]
fn log_means_without_features_and_among_given_numbers() {
    let dev = Cpu::seed_from_u64(2);
    type Several = flow!(e1 + s1 : gt + m | poisson, hidden 4);
    let mut pdf = dev.build_module::<Several, f64>();
    excite(&mut pdf);
    let m = pdf.log_mean().unwrap();
    let sum: f64 = pdf.log_prob(&X).unwrap().as_vec().iter().sum();
    let expected = sum + 4.0 * m - m.exp() - ln_factorial(4.0);
    assert!((pdf.extended_log_likelihood(&X).unwrap().array() - expected).abs() < 1e-12);
    let x = dev.tensor(X).traced(pdf.alloc_grads());
    let mut gradients = pdf.extended_log_likelihood(x).unwrap().backward();
    check_weights(&pdf, &mut gradients, 1, |pdf| pdf.extended_log_likelihood(&X).unwrap().array());

    // t: two numbers; the network 1 -> 2 -> 4 of y: 16; the log-mean.
    type Given = flow!(e1 + s1 : t + y(add_rotation = 1) | hidden 2, amortize, poisson);
    let pdf = dev.build_module::<Given, f64>();
    let numbers: [f64; 19] = core::array::from_fn(|j| 0.6 * (1.0 + 1.3 * j as f64).sin());
    assert_eq!(pdf.given(&[numbers]).unwrap().log_mean().unwrap().array(), [numbers[18]]);
    let given = dev.tensor([numbers]);
    let at = pdf.given(given.clone().traced(Gradients::leaky())).unwrap();
    let gradients = at.extended_log_likelihood(&X, &[4]).unwrap().mean::<(), _>().backward();
    for j in 0..19 {
        let with = |h: f64| {
            let mut numbers = numbers;
            numbers[j] += h;
            pdf.given(&[numbers]).unwrap().extended_log_likelihood(&X, &[4]).unwrap().array()[0]
        };
        let numerical = (with(1e-5) - with(-1e-5)) / 2e-5;
        assert!((gradients.get(&given).array()[0][j] - numerical).abs() < 1e-6, "{j}");
    }
}

#[test]
fn samples_of_a_flow_with_a_joint_log_mean_have_its_gradients() {
    let dev = Cpu::seed_from_u64(2);
    let mut pdf = dev.build_module::<Joint, f64>();
    excite(&mut pdf);
    let traced = dev.tensor(FEATURES).traced(pdf.alloc_grads());
    let sample = pdf.given(traced).unwrap().rsample(&mut StdRng::seed_from_u64(3)).unwrap();
    let mut gradients = sample.combine(|x, p| x.mean::<(), _>() + p.mean::<(), _>()).backward();
    check_weights(&pdf, &mut gradients, 1, |pdf| {
        let sample = pdf.given(&FEATURES).unwrap().sample(&mut StdRng::seed_from_u64(3)).unwrap();
        let mean = |all: Vec<f64>| all.iter().sum::<f64>() / all.len() as f64;
        mean(sample.points.as_vec()) + mean(sample.log_prob.as_vec())
    });
}

#[test]
fn numbers_beyond_their_type_are_errors() {
    let mut pdf = Cpu::default().build_module::<flow!(e1 : x | poisson), f32>();
    pdf.set_flat_weights(&[100.0]).unwrap();
    assert!(matches!(pdf.log_mean().unwrap_err(), Error::LogMean { row: 0, .. }));
    assert!(pdf.extended_log_likelihood(&[[0.0_f32]]).is_err());
    let pdf = Cpu::default().build_module::<Joint, f64>();
    let error = pdf.given(&FEATURES).unwrap().extended_log_likelihood(&X, &[usize::MAX, 2, 3]).unwrap_err();
    assert!(matches!(error, Error::Counts { found: 4, .. }), "{error}");
}

/// Counts with mean exp(1 + 0.8 f) and positions around f: both are learnt from the extended likelihood.
#[test]
fn counts_and_positions_are_learnt_together() {
    type Pdf = flow!(e1 : t | cond 1, hidden 16, highway 1, poisson);
    let mut rng = StdRng::seed_from_u64(5);
    let (mut features, mut x, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..400 {
        let f: f64 = rng.random_range(-1.0..1.0);
        let n = Poisson::new((1.0 + 0.8 * f).exp()).unwrap().sample(&mut rng) as usize;
        features.push([f]);
        counts.push(n);
        x.extend((0..n).map(|_| [f + 0.3 * rng.sample::<f64, _>(StandardNormal)]));
    }
    let mut pdf = Cpu::seed_from_u64(6).build_module::<Pdf, f64>();
    let fit =
        Fit { epochs: 60, batch: 50, optimizer: Adam { learning_rate: 0.01, ..Adam::default() }, ..Fit::default() };
    pdf.fit_counts(&features, &x, &counts, &fit).unwrap();
    for f in [-0.8, 0.0, 0.8] {
        let log_mean = pdf.given(&[[f]]).unwrap().log_mean().unwrap().array()[0];
        assert!((log_mean - (1.0 + 0.8 * f)).abs() < 0.2, "{f}: {log_mean}");
        let peak = pdf.given(&[[f], [f]]).unwrap().log_prob(&[[f], [f + 0.3]]).unwrap().array();
        assert!((peak[0] - peak[1] - 0.5).abs() < 0.2, "{f}: {peak:?}");
    }
    let error = pdf.fit_counts(&features, &x[1..], &counts, &fit).unwrap_err().to_string();
    assert!(error.contains("`counts` adds up to"), "{error}");
    // Without features the mean count is that of the data.
    let mut free = Cpu::seed_from_u64(6).build_module::<flow!(e1 : t | poisson), f64>();
    free.fit(&x, &Fit { epochs: 1, ..Fit::default() }).unwrap();
    assert!((free.log_mean().unwrap() - (x.len() as f64).ln()).abs() < 1e-12);
}
