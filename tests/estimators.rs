//! Estimators against closed forms: over repeated runs their mean lies within 4 standard errors of the truth, and their standard errors are
//! what they say. Calibration passes true densities and catches one that is a fifth too narrow.

use dfdx::prelude::*;
use flow_runtime::estimators::{self, Calibration, Estimate, Sampling};
use flow_runtime::kernels::Coordinates;
use flow_runtime::{Built, Density, Error, flow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use std::f64::consts::{PI, TAU};

/// A Gaussian: widths e^l + 0.01.
type Plane = flow!(e2 : t(cov_type = "full", width_smooth_saturation = 0));
type Pair = flow!(e1 + e1 : t(width_smooth_saturation = 0) + t(width_smooth_saturation = 0) | hidden 1);
type Direction = flow!(s2 : f);
type Given = flow!(e1 : t(width_smooth_saturation = 0) | cond 1, hidden 1);

const ENTROPY: f64 = 1.418_938_533_204_672_7;

fn raw(width: f64) -> f64 {
    (width - 0.01).ln()
}

/// x = (1 + 2 a, -1 + 0.6 a + 0.5 b).
fn plane() -> Built<Plane, f64> {
    let mut pdf = Cpu::default().build_module::<Plane, f64>();
    pdf.set_flat_weights(&[1.0, -1.0, raw(2.0), raw(0.5), 0.6]).unwrap();
    pdf
}

/// Smallness at which tanh is a straight line to 1e-8.
const SMALL: f64 = 1e-4;

/// x_0 ~ N(0, 1), x_1 | x_0 ~ N(x_0, w^2): the network is tanh(SMALL x_0) / SMALL.
fn pair(width: f64) -> Built<Pair, f64> {
    let mut pdf = Cpu::default().build_module::<Pair, f64>();
    // Offset and raw width; then 1 -> 1 -> 2, matrices before biases.
    pdf.set_flat_weights(&[0.0, raw(1.0), SMALL, 0.0, 1.0 / SMALL, 0.0, 0.0, raw(width)]).unwrap();
    pdf
}

type Walk = flow!(e1 + e1 + e1 : t(width_smooth_saturation = 0) + t(width_smooth_saturation = 0) + t(width_smooth_saturation = 0) | hidden 1);

/// x_0 ~ N(0, 1), and each next one N(the one before, 1).
fn walk() -> Built<Walk, f64> {
    let mut pdf = Cpu::default().build_module::<Walk, f64>();
    let first = [0.0, raw(1.0)];
    let second = [SMALL, 0.0, 1.0 / SMALL, 0.0, 0.0, raw(1.0)];
    // The third network reads two numbers.
    let third = [0.0, SMALL, 0.0, 1.0 / SMALL, 0.0, 0.0, raw(1.0)];
    pdf.set_flat_weights(&[&first[..], &second, &third].concat()).unwrap();
    pdf
}

/// x ~ N(slope c, w^2) given c.
fn given(slope: f64, width: f64) -> Built<Given, f64> {
    let mut pdf = Cpu::default().build_module::<Given, f64>();
    pdf.set_flat_weights(&[SMALL, 0.0, slope / SMALL, 0.0, 0.0, raw(width)]).unwrap();
    pdf
}

/// A von Mises-Fisher density, its concentration and axis.
fn fisher() -> (Built<Direction, f64>, f64, [f64; 3]) {
    let mut pdf = Cpu::default().build_module::<Direction, f64>();
    let mut rng = StdRng::seed_from_u64(5);
    // The concentration is the last parameter, after the rotation.
    let mut weights: Vec<f64> = pdf.flat_weights().iter().map(|w| w + rng.sample::<f64, _>(StandardNormal)).collect();
    *weights.last_mut().unwrap() = 8f64.ln();
    pdf.set_flat_weights(&weights).unwrap();
    // ln p = const + kappa mu . x.
    let at = |x: [f64; 3]| pdf.log_prob_embedded(&[x]).unwrap().array()[0];
    let slopes: [f64; 3] = std::array::from_fn(|i| {
        let mut x = [0.0; 3];
        x[i] = 1.0;
        0.5 * (at(x) - at(x.map(|x| -x)))
    });
    let kappa = slopes.iter().map(|s| s * s).sum::<f64>().sqrt();
    let x = [0.6, 0.0, -0.8];
    let expected = kappa.ln() - (4.0 * PI * kappa.sinh()).ln() + x.iter().zip(slopes).map(|(x, s)| x * s).sum::<f64>();
    assert!(kappa > 2.0, "{kappa} is no concentration to speak of");
    assert!((at(x) - expected).abs() < 1e-9, "f is no von Mises-Fisher density: {} {expected}", at(x));
    (pdf, kappa, slopes.map(|s| s / kappa))
}

/// Runs an estimator often: its mean must be the truth (plus what is known of its bias), its errors must be as large as it says.
fn honest(name: &str, truth: f64, bias: f64, runs: usize, estimate: impl Fn(&mut StdRng) -> Estimate) {
    let found: Vec<Estimate> = (0..runs as u64).map(|seed| estimate(&mut StdRng::seed_from_u64(seed))).collect();
    let mean = Estimate::of(&found.iter().map(|e| e.value).collect::<Vec<_>>());
    assert!((mean.value - truth).abs() < 4.0 * mean.standard_error + bias, "{name}: {mean:?}, the truth is {truth}");
    let spread = mean.standard_error * (runs as f64).sqrt();
    let claimed = (found.iter().map(|e| e.standard_error.powi(2)).sum::<f64>() / runs as f64).sqrt();
    // A standard deviation of r runs is known to 1 / sqrt(2 r): 5 % for 200.
    let slack = 4.0 / (2.0 * runs as f64).sqrt();
    assert!((claimed / spread - 1.0).abs() < slack, "{name}: says {claimed}, is {spread}");
}

fn first<T>(found: Result<Vec<T>, Error>) -> T {
    found.unwrap().swap_remove(0)
}

#[test]
fn expectations_and_moments() {
    let pdf = plane();
    let f = |x: &[f64]| x[0] * x[1] + (0.3 * x[0]).cos();
    // E[x y] = 2 * 0.6 - 1; E[cos(a x)] = cos(a m) e^(-a^2 s^2 / 2).
    let truth = 0.2 + (0.3f64).cos() * (-0.5 * 0.09 * 4.0f64).exp();
    for (name, plan) in
        [("independent", 64.into()), ("antithetic", Sampling::antithetic(64)), ("Sobol", Sampling::sobol(128))]
    {
        honest(name, truth, 0.0, 300, |rng| first(estimators::expectation(&pdf, plan, rng, f)));
    }
    honest("controlled", truth, 0.0, 300, |rng| first(estimators::expectation_controlled(&pdf, 400, rng, f)));
    honest("several at once", truth, 0.0, 300, |rng| {
        first(estimators::expectations(&pdf, 64, Coordinates::Embedded, rng, |x| [1.0, f(x)]))[1]
    });
    // Squares of z_0 and z_0 z_1 as controls of (z_0 + z_1)^2, drawn by hand.
    honest("control variates", 2.0, 0.0, 300, |rng| {
        let z: Vec<[f64; 2]> = (0..100).map(|_| [rng.sample(StandardNormal), rng.sample(StandardNormal)]).collect();
        let values: Vec<f64> = z.iter().map(|[a, b]| (a + b).powi(2)).collect();
        let controls = [z.iter().map(|[a, _]| a * a).collect(), z.iter().map(|[a, b]| a * b).collect()];
        estimators::control_variates(&values, &controls, &[1.0, 0.0]).unwrap()
    });
    // E[x^3] = m^3 + 3 m s^2.
    honest("third moment", 13.0, 0.0, 300, |rng| first(estimators::moment(&pdf, 3, 200, rng))[0]);
    honest("mean", -1.0, 0.0, 300, |rng| first(estimators::covariance(&pdf, 200, rng)).mean[1]);
    for (i, j, truth) in [(0, 0, 4.0), (0, 1, 1.2), (1, 1, 0.61)] {
        // The error of a variance has an error itself: heavy tails of squares want many draws.
        honest("covariance", truth, 0.0, 300, |rng| first(estimators::covariance(&pdf, 400, rng)).covariance[i][j]);
    }
    for (share, z) in [(0.1586552539, -1.0), (0.5, 0.0), (0.9772498681, 2.0)] {
        honest("quantile", 1.0 + 2.0 * z, 0.02, 300, |rng| {
            first(estimators::quantiles(&pdf, 0, &[share], 2000, rng))[0]
        });
    }
}

#[test]
fn regions_of_highest_density() {
    let pdf = plane();
    // det L = 1: ln p at the edge is -chi^2 / 2 - ln 2 pi, and the volume is pi chi^2.
    let square = -2.0 * (1.0 - 0.9f64).ln();
    let region = |rng: &mut StdRng| first(estimators::highest_density(&pdf, &[0.9], 2000, rng))[0];
    honest("level", -0.5 * square - TAU.ln(), 0.01, 200, |rng| region(rng).level);
    honest("volume", PI * square, 0.05, 200, |rng| region(rng).volume);
    // The density falls by a distance of about 1 / sqrt(draws) from the mode: one draw in n is within the share 1 / n.
    let mode = first(estimators::densest_draw(&pdf, 5000, &mut StdRng::seed_from_u64(1)));
    assert!((mode[0] - 1.0).abs() < 0.3 && (mode[1] + 1.0).abs() < 0.3);
}

#[test]
fn directions() {
    let (pdf, kappa, axis) = fisher();
    let length = 1.0 / kappa.tanh() - 1.0 / kappa;
    let found = |rng: &mut StdRng| first(estimators::direction(&pdf, 0, 1000, rng));
    honest("length", length, 1e-3, 200, |rng| found(rng).length);
    honest("kappa", kappa, 4e-3 * kappa, 200, |rng| found(rng).kappa);
    let sine = |mean: &[f64]| (1.0 - mean.iter().zip(axis).map(|(m, a)| m * a).sum::<f64>().powi(2)).sqrt();
    let squares: Vec<f64> = (0..100)
        .map(|seed| {
            let found = found(&mut StdRng::seed_from_u64(seed));
            (sine(&found.mean) / found.mean_error).powi(2)
        })
        .collect();
    assert!(Estimate::of(&squares).pull(1.0).abs() < 4.0, "{:?}", Estimate::of(&squares));
    // The truth is inside the family: no stretch, the same concentration.
    honest("elliptical kappa", kappa, 4e-3 * kappa, 200, |rng| first(estimators::kent(&pdf, 0, 1000, rng)).kappa);
    let fit = first(estimators::kent(&pdf, 0, 20_000, &mut StdRng::seed_from_u64(1)));
    assert!((fit.stretch.value - 1.0) < 4.0 * fit.stretch.standard_error);
    assert!(estimators::kent(&pdf, 0, 3, &mut StdRng::seed_from_u64(1)).is_err());
    // On the circle too, where the ancestor fails; not on a plane.
    let circle = Cpu::default().build_module::<flow!(s1 + e1 : y + t), f64>();
    let uniform = first(estimators::direction(&circle, 0, 10_000, &mut StdRng::seed_from_u64(1)));
    assert!(uniform.length.value < 0.04 && uniform.kappa.value < 0.08);
    let error = estimators::direction(&circle, 1, 100, &mut StdRng::seed_from_u64(1)).unwrap_err().to_string();
    assert!(error.contains("manifold 1 of `s1 + e1` is not a sphere"), "{error}");
}

#[test]
fn entropies_and_information() {
    // Var x_0 = 1, Var x_1 = 1 + w^2, and the density of one is that of the other mirrored.
    let (width, pdf) = (0.8, pair(0.8));
    let marginal = ENTROPY + 0.5 * f64::ln(1.0 + width * width);
    honest("joint", 2.0 * ENTROPY + f64::ln(width), 0.0, 200, |rng| first(estimators::entropy(&pdf, 100, rng)));
    honest("first", ENTROPY, 0.0, 200, |rng| first(estimators::marginal_entropy(&pdf, &[0], 100, 2, rng)));
    // This one has no variance of its own beyond chi^2.
    honest("given", ENTROPY + f64::ln(width), 0.0, 200, |rng| {
        first(estimators::conditional_entropy(&pdf, [&[1], &[0]], 100, 2, rng))
    });
    // Against the order: H(x_0 | x_1) = H(x_0, x_1) - H(x_1).
    honest("given what comes later", 2.0 * ENTROPY + f64::ln(width) - marginal, 2e-3, 200, |rng| {
        first(estimators::conditional_entropy(&pdf, [&[0], &[1]], 100, 100, rng))
    });
    honest("second", marginal, 2e-3, 200, |rng| first(estimators::marginal_entropy(&pdf, &[1], 100, 100, rng)));
    let information = marginal - ENTROPY - f64::ln(width);
    for sets in [[&[0][..], &[1]], [&[1], &[0]]] {
        honest("information", information, 2e-3, 100, |rng| {
            first(estimators::mutual_information(&pdf, sets, 100, 100, rng))
        });
    }
    // With the correction, few inner draws do: without it ten of them are 0.1 too low.
    let crude = first(estimators::marginal_entropy(&pdf, &[1], 20_000, 10, &mut StdRng::seed_from_u64(1)));
    assert!((crude.value - marginal).abs() < 0.03, "{crude:?} {marginal}");
    // Manifolds after those asked for do not matter, and those drawn anew may lie between.
    let three = Cpu::default().build_module::<flow!(e1 + e1 + e1 : t + t + t), f64>();
    let one = first(estimators::marginal_entropy(&three, &[0, 2], 400, 50, &mut StdRng::seed_from_u64(1)));
    let other = first(estimators::entropy(&three, 400, &mut StdRng::seed_from_u64(1)));
    assert!(one.value < other.value + 1.0 && one.standard_error < 0.1);
    // A walk x_0, x_0 + x_1, x_0 + x_1 + x_2 with steps of variance 1: the second given first and last is half way, with variance 1/2.
    let walk = walk();
    honest("between", ENTROPY - 0.5 * 2f64.ln(), 5e-3, 200, |rng| {
        first(estimators::conditional_entropy(&walk, [&[1], &[0, 2]], 100, 100, rng))
    });
    honest("first and last", 2.0 * ENTROPY + 0.5 * 2f64.ln(), 2e-3, 200, |rng| {
        first(estimators::marginal_entropy(&walk, &[2, 0], 100, 100, rng))
    });
    // I(x_0; x_2) = 1/2 ln(3 / 2).
    honest("the ends of a walk", 0.5 * 1.5f64.ln(), 5e-3, 200, |rng| {
        first(estimators::mutual_information(&walk, [&[0], &[2]], Sampling::antithetic(100), 100, rng))
    });
    let log_prob =
        estimators::marginal_log_prob(&walk, &[0.3, 9.0, 1.1], &[0, 2], 200_000, &mut StdRng::seed_from_u64(1));
    let exact = -TAU.ln() - 0.5 * 2f64.ln() - 0.5 * (0.09 + 0.64 / 2.0);
    assert!((first(log_prob) - exact).abs() < 5e-3);
    // Two runs that are integrated out, around a chosen one.
    honest("second of three, and the last", 2.0 * ENTROPY + 0.5 * 2f64.ln(), 4e-3, 200, |rng| {
        first(estimators::marginal_entropy(&walk, &[1, 2], 100, 100, rng))
    });
    let error = estimators::conditional_entropy(&walk, [&[1, 2], &[2]], 10, 10, &mut StdRng::seed_from_u64(1));
    assert!(error.unwrap_err().to_string().contains("manifold 2 is in both sets"));
    let error = estimators::marginal_entropy(&walk, &[1], 10, 1, &mut StdRng::seed_from_u64(1));
    assert!(error.unwrap_err().to_string().contains("from two draws on"));
}

#[test]
fn divergences() {
    let p = given(1.0, 1.0);
    let q = given(0.5, 2.0);
    let features = [[0.0], [3.0]];
    let (p, q) = (p.given(&features).unwrap(), q.given(&features).unwrap());
    for (c, gap) in [(0, 0.0), (1, 1.5)] {
        let cross = 2f64.ln() + 0.5 * TAU.ln() + (1.0 + gap * gap) / 8.0;
        honest("cross-entropy", cross, 0.0, 200, |rng| estimators::cross_entropy(&p, &q, 200, rng).unwrap()[c]);
        honest("forward", cross - ENTROPY, 0.0, 200, |rng| estimators::kl_divergence(&p, &q, 200, rng).unwrap()[c]);
        let reverse = (4.0 + gap * gap) / 2.0 + 0.5 * TAU.ln() - ENTROPY - 2f64.ln();
        honest("reverse", reverse, 0.0, 200, |rng| estimators::kl_divergence(&q, &p, 200, rng).unwrap()[c]);
    }
    let plane = plane();
    let line = Cpu::default().build_module::<flow!(e1 + e1 : t + t), f64>();
    let error = estimators::kl_divergence(&plane, &line, 10, &mut StdRng::seed_from_u64(1)).unwrap_err().to_string();
    assert!(error.contains("`e1 + e1`, the other one on `e2`"), "{error}");
}

#[test]
fn normalisation_by_importance() {
    let pdf = given(0.0, 1.0);
    let pdf = pdf.given(&[[0.0]]).unwrap();
    // f = exp(-2 (x - 0.5)^2): Z = sqrt(pi / 2), mean 0.5.
    let log_f = |x: &[f64]| x.iter().map(|x| -2.0 * (x - 0.5) * (x - 0.5)).collect::<Vec<_>>();
    let z = (PI / 2.0).sqrt();
    honest("Z", z, 0.0, 300, |rng| {
        let found = first(estimators::importance(&pdf, 200, rng, log_f));
        let scale = found.log_scale.exp();
        Estimate {
            value: scale * found.normalisation.value,
            standard_error: scale * found.normalisation.standard_error,
        }
    });
    honest("ln Z", z.ln(), 2e-3, 300, |rng| first(estimators::importance(&pdf, 400, rng, log_f)).log_normalisation);
    honest("mean of f", 0.5, 2e-3, 300, |rng| {
        first(estimators::importance_expectation(&pdf, 400, rng, log_f, |x| x[0]))
    });
    // KL(q|f) - up to ln Z - = E_q[ln q] + 2 E_q[(x - 1/2)^2].
    honest("reverse, unnormalised", 2.5 - ENTROPY, 0.0, 300, |rng| {
        first(estimators::reverse_kl(&pdf, 100, rng, log_f))
    });
    // The effective share tends to Z^2 / E_q[(f / q)^2], by quadrature.
    let second: f64 = (0..40_000)
        .map(|i| {
            let x = -10.0 + 20.0 * (i as f64 + 0.5) / 40_000.0;
            let q = (-0.5 * x * x - 0.5 * TAU.ln()).exp();
            (-4.0 * (x - 0.5) * (x - 0.5)).exp() / q * 20.0 / 40_000.0
        })
        .sum();
    let found = first(estimators::importance(&pdf, 100_000, &mut StdRng::seed_from_u64(1), log_f));
    assert!((found.effective_sample_size.value / 1e5 / (z * z / second) - 1.0).abs() < 0.02);
    honest("effective sample size", 2000.0 * z * z / second, 10.0, 300, |rng| {
        first(estimators::importance(&pdf, 2000, rng, log_f)).effective_sample_size
    });
    // A target that is zero at every draw has no normalisation, but is no error; NaN is one.
    let none =
        first(estimators::importance(&pdf, 10, &mut StdRng::seed_from_u64(1), |x| vec![f64::NEG_INFINITY; x.len()]));
    assert_eq!((none.normalisation.value, none.effective_sample_size.value), (0.0, 0.0));
    assert_eq!(none.log_normalisation.standard_error, f64::INFINITY);
    let nothing = |x: &[f64]| vec![f64::NEG_INFINITY; x.len()];
    let error = estimators::importance_expectation(&pdf, 10, &mut StdRng::seed_from_u64(1), nothing, |x| x[0]);
    assert!(error.unwrap_err().to_string().contains("the target is 0 at every draw"));
    assert!(estimators::reverse_kl(&pdf, 10, &mut StdRng::seed_from_u64(1), nothing).is_err());
    assert!(estimators::importance(&pdf, 10, &mut StdRng::seed_from_u64(1), |x| vec![f64::NAN; x.len()]).is_err());
}

#[test]
fn better_base_points_have_smaller_errors() {
    let pdf = plane();
    let f = |x: &[f64]| (0.4 * x[0] + 0.2 * x[1]).sin();
    let error =
        |plan: Sampling| first(estimators::expectation(&pdf, plan, &mut StdRng::seed_from_u64(1), f)).standard_error;
    let plain = error(4096.into());
    assert!(error(Sampling::antithetic(4096)) < 0.8 * plain);
    assert!(error(Sampling::sobol(4096)) < 0.1 * plain);
    let controlled = first(estimators::expectation_controlled(&pdf, 4096, &mut StdRng::seed_from_u64(1), f));
    assert!(controlled.standard_error < 0.5 * plain);
}

/// Every calibration of a density at points.
fn calibrations<D: Density<f64>>(density: &D, points: &[f64], rng: &mut StdRng) -> Vec<(&'static str, Calibration)> {
    let count = density.manifolds().len();
    let mut all = vec![
        ("base", estimators::base_coverage(density, points, 0..density.manifolds().len()).unwrap()),
        ("base of the first", estimators::base_coverage(density, points, 0..1).unwrap()),
        ("base of the last", estimators::base_coverage(density, points, count - 1..count).unwrap()),
        ("highest density", estimators::highest_density_coverage(density, points, 0..count, 99, rng).unwrap()),
        ("highest density of the first", estimators::highest_density_coverage(density, points, 0..1, 99, rng).unwrap()),
        ("highest density of the last", {
            estimators::highest_density_coverage(density, points, count - 1..count, 99, rng).unwrap()
        }),
        ("highest density of the last alone", {
            estimators::marginal_coverage(density, points, &[count - 1], 49, 4, rng).unwrap()
        }),
        ("rank", estimators::rank_calibration(density, points, 99, rng, |x| (x[0] - 0.3).abs()).unwrap()),
    ];
    let transforms = estimators::integral_transform(density, points).unwrap();
    all.extend(transforms.into_iter().map(|t| ("integral transform", t)));
    all
}

#[test]
fn true_densities_are_calibrated_and_narrow_ones_are_caught() {
    let truth = pair(1.0);
    // p-values of true densities are uniform: those of all tests over many data sets together.
    let mut p_values = vec![Vec::new(); 3];
    for seed in 0..150 {
        let mut rng = StdRng::seed_from_u64(seed);
        let points = truth.sample_rows(100, &mut rng).unwrap().points;
        let found = &calibrations(&truth, &points, &mut rng);
        // One of the tests in turn, for they are not independent of each other.
        let (_, calibration) = &found[seed as usize % found.len()];
        p_values[0].push(calibration.kolmogorov_smirnov().p_value);
        p_values[1].push(calibration.chi_square(10).p_value);
        p_values[2].push(calibration.cramer_von_mises().p_value);
    }
    for values in [&p_values[0], &p_values[2]] {
        let uniform = estimators::kolmogorov_smirnov(values);
        assert!(uniform.p_value > 1e-3, "{uniform:?}");
    }
    // A chi^2 of counts has steps: its p-values are uniform to about their size.
    let low = p_values[1].iter().filter(|p| **p < 0.05).count();
    assert!((1..=18).contains(&low), "{low} of 150 below 5 %");

    let mut narrow = pair(0.8);
    let mut weights = narrow.flat_weights();
    weights[1] = raw(0.8);
    narrow.set_flat_weights(&weights).unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let points = truth.sample_rows(2000, &mut rng).unwrap().points;
    for (name, calibration) in calibrations(&narrow, &points, &mut rng) {
        // Folded numbers move a lot; of one coordinate a wrong width moves only the tails, which counts in bins see.
        let p = calibration.kolmogorov_smirnov().p_value.min(calibration.chi_square(20).p_value);
        assert!(p < 1e-6, "{name}: {p}");
    }
    // p-values of points themselves: those of a narrow density are too small.
    let p = estimators::base_p_values(&truth, &points).unwrap();
    assert!(estimators::kolmogorov_smirnov(&p).p_value > 1e-3);
    let p = estimators::base_p_values(&narrow, &points).unwrap();
    assert!(estimators::cramer_von_mises(&p).p_value < 1e-6);
    // Of the exact highest-density regions, 90 % hold what a Gaussian of four fifths of the width leaves: 1 - 0.1^0.64.
    let densest = estimators::highest_density_coverage(&narrow, &points, 0..2, 999, &mut rng).unwrap();
    let [coverage] = densest.coverage(&[0.9])[..] else { unreachable!() };
    assert!((coverage.observed.value - (1.0 - 0.1f64.powf(0.64))).abs() < 0.04, "{coverage:?}");
    // 1 sigma regions of a density a fifth too narrow: chi^2_2 < 2.296 covers 1 - exp(-0.64 * 2.296 / 2).
    let base = estimators::base_coverage(&narrow, &points, 0..2).unwrap();
    let [coverage] = base.coverage(&[0.6827])[..] else { unreachable!() };
    let expected = 1.0 - (0.64 * (1.0 - 0.6827f64).ln()).exp();
    assert!((coverage.observed.value - expected).abs() < 0.045, "{coverage:?} {expected}");
    assert!(coverage.observed.pull(0.6827) < -10.0);
}

#[test]
fn calibration_works_under_many_conditions_and_on_spheres() {
    let mut pdf = Cpu::default().build_module::<flow!(s2 + e1 : f + t | cond 1, hidden 4), f64>();
    let mut rng = StdRng::seed_from_u64(2);
    let weights: Vec<f64> = pdf.flat_weights().iter().map(|w| w + 2.0 * rng.sample::<f64, _>(StandardNormal)).collect();
    pdf.set_flat_weights(&weights).unwrap();
    let features: Vec<[f64; 1]> = (0..200).map(|i| [i as f64 / 100.0 - 1.0]).collect();
    let given = pdf.given(&features).unwrap();
    let points = given.sample_rows(2, &mut rng).unwrap().points;
    for (name, calibration) in calibrations(&given, &points, &mut rng) {
        assert_eq!(calibration.values.len(), 400);
        assert!(calibration.kolmogorov_smirnov().p_value > 1e-3, "{name}: {:?}", calibration.kolmogorov_smirnov());
    }
    // Labels under the wrong conditions are found out.
    let turned: Vec<f64> = points.chunks_exact(6).rev().flatten().copied().collect();
    let found = calibrations(&given, &turned, &mut rng);
    assert!(found.iter().any(|(_, c)| c.kolmogorov_smirnov().p_value < 1e-4));
    let entropies = estimators::entropy(&given, 1000, &mut rng).unwrap();
    assert_eq!(entropies.len(), 200);
    let one = pdf.given(&features[7..8]).unwrap();
    let alone = estimators::entropy(&one, 1000, &mut rng).unwrap()[0];
    assert!((alone.value - entropies[7].value).abs() < 4.0 * alone.standard_error.hypot(entropies[7].standard_error));
}

#[test]
fn parts_of_a_density_add_up() {
    let pdf = Cpu::default().build_module::<flow!(e1 + s2 + a2 : gt + f + u), f64>();
    let draws = pdf.forward(&[0.3, -0.7, 1.1, 0.2, -0.4, -1.0, 0.1, 0.5, 0.9, -0.2], Coordinates::Embedded).unwrap();
    let whole = pdf.log_prob_of(&draws.points, 0..3).unwrap();
    let parts: Vec<Vec<f64>> = (0..3).map(|k| pdf.log_prob_of(&draws.points, k..k + 1).unwrap()).collect();
    for row in 0..2 {
        let sum: f64 = parts.iter().map(|part| part[row]).sum();
        assert!((sum - whole[row]).abs() < 1e-12 && (whole[row] - draws.log_prob[row]).abs() < 1e-9);
    }
    let back = pdf.inverse(&draws.points, Coordinates::Embedded).unwrap();
    let again = pdf.forward(&back, Coordinates::Embedded).unwrap();
    assert!(again.points.iter().zip(&draws.points).all(|(a, b)| (a - b).abs() < 1e-9));
    let spaces = pdf.manifolds();
    assert_eq!((spaces[1].columns.clone(), spaces[1].embedded.clone(), spaces[2].embedded.clone()), (1..3, 1..4, 4..7));
}

#[test]
fn goodness_of_fit_finds_observations_that_no_label_explains() {
    // z ~ N(0, 1), x | z ~ N(z, 1): the posterior is N(x / 2, 1 / 2). The likelihood is a plane of two such, so that labels cannot absorb all.
    let posterior = given(0.5, 0.5f64.sqrt());
    let likelihood = given(1.0, 1.0);
    let n = 2000;
    let fit = |observed: &[[f64; 1]]| {
        let given = posterior.given(&observed.to_vec()).unwrap();
        estimators::goodness_of_fit(&given, n, &mut StdRng::seed_from_u64(1), |z| {
            let labels: Vec<[f64; 1]> = z.iter().map(|z| [*z]).collect();
            let same: Vec<f64> = observed.iter().flat_map(|[x]| vec![*x; n]).collect();
            estimators::base_p_values(&likelihood.given(&labels)?, &same)
        })
        .unwrap()
    };
    // |x - z|^2 with x - z ~ N(x / 2, 1 / 2): E[P(chi^2_1 > (x - z)^2)] = P((u)^2 > (x - z)^2) = P(|u| > |v|), by quadrature over v.
    for (x, found) in [0.0, 3.0, 12.0].into_iter().zip(fit(&[[0.0], [3.0], [12.0]])) {
        let steps = 4000;
        let exact: f64 = (0..steps)
            .map(|i| {
                let t = -8.0 + 16.0 * (i as f64 + 0.5) / steps as f64;
                let v: f64 = 0.5 * x + 0.5f64.sqrt() * t;
                let tail = 2.0 * (1.0 - flow_runtime::numeric::special::normal_cdf(v.abs()).0);
                tail * (-0.5 * t * t).exp() / TAU.sqrt() * 16.0 / steps as f64
            })
            .sum();
        assert!(found.pull(exact).abs() < 4.0, "{x}: {found:?} {exact}");
    }
}

/// z ~ N(0, 1), x | z ~ N(z, 1): over observations of the model itself p-values are 1/2 on average, and lower if the likelihood is a fifth too narrow.
#[test]
fn goodness_of_fit_passes_true_likelihoods_and_catches_narrow_ones() {
    let posterior = given(0.5, 0.5f64.sqrt());
    let mut rng = StdRng::seed_from_u64(3);
    let mut normal = || rng.sample::<f64, _>(StandardNormal);
    let observed: Vec<[f64; 1]> = (0..2000).map(|_| [normal() + normal()]).collect();
    let mean = |width: f64, rng: &mut StdRng| {
        let likelihood = given(1.0, width);
        let n = 4;
        let fits = estimators::goodness_of_fit(&posterior.given(&observed).unwrap(), n, rng, |z| {
            let labels: Vec<[f64; 1]> = z.iter().map(|z| [*z]).collect();
            let same: Vec<f64> = observed.iter().flat_map(|[x]| vec![*x; n]).collect();
            estimators::base_p_values(&likelihood.given(&labels)?, &same)
        });
        Estimate::of(&fits.unwrap().iter().map(|fit| fit.value).collect::<Vec<_>>())
    };
    assert!(mean(1.0, &mut rng).pull(0.5).abs() < 4.0);
    // P(|u| > |v| / 0.8) for two normal numbers.
    let narrow = mean(0.8, &mut rng);
    assert!(narrow.pull(1.0 - 2.0 / PI * 1.25f64.atan()).abs() < 4.0 && narrow.pull(0.5) < -8.0, "{narrow:?}");
}

/// Where a density is level all points score the same, and rounding must not decide.
#[test]
fn level_densities_are_calibrated() {
    let pdf = Cpu::default().build_module::<flow!(s2 + i1[-3, 3] : y + r), f64>();
    let mut rng = StdRng::seed_from_u64(5);
    let points = pdf.sample_rows(300, &mut rng).unwrap().points;
    for manifolds in [0..2, 0..1, 1..2] {
        let found = estimators::highest_density_coverage(&pdf, &points, manifolds.clone(), 99, &mut rng).unwrap();
        assert!(found.kolmogorov_smirnov().p_value > 1e-3, "{manifolds:?}: {:?}", found.kolmogorov_smirnov());
    }
}

#[test]
fn too_little_to_estimate_from_is_an_error() {
    let mut rng = StdRng::seed_from_u64(1);
    let plane = plane();
    let message = |error: Error| error.to_string();
    assert!(message(estimators::covariance(&plane, 1, &mut rng).unwrap_err()).contains("two draws at least"));
    assert!(message(estimators::moment(&plane, u32::MAX, 4, &mut rng).unwrap_err()).contains("order"));
    assert!(message(estimators::moment(&plane, 100_000, 400, &mut rng).unwrap_err()).contains("order"));
    assert_eq!(first(estimators::entropy(&plane, 1, &mut rng)).standard_error, f64::INFINITY);
    let one = first(estimators::direction(&fisher().0, 0, 1, &mut rng));
    assert!(one.kappa.value > 1e14 && one.kappa.standard_error == f64::INFINITY);
    // No rows of features: it is they that are missing.
    let pdf = given(1.0, 1.0);
    let features: Vec<[f64; 1]> = Vec::new();
    let none = pdf.given(&features).unwrap();
    let empty = |error: Error| assert!(message(error).contains("argument `features` is empty"));
    empty(estimators::entropy(&none, 10, &mut rng).unwrap_err());
    empty(estimators::marginal_entropy(&none, &[0], 10, 2, &mut rng).unwrap_err());
    empty(estimators::quantiles(&none, 0, &[0.5], 10, &mut rng).unwrap_err());
    empty(estimators::highest_density_coverage(&none, &[0.3], 0..1, 10, &mut rng).unwrap_err());
    empty(estimators::expectation_controlled(&none, 10, &mut rng, |x| x[0]).unwrap_err());
    assert!(estimators::base_coverage(&pdf.given(&[[1.0]]).unwrap(), &[f64::NAN], 0..1).is_err());
    assert!(estimators::rank_calibration(&plane, &[0.0, 0.0], 0, &mut rng, |x| x[0]).is_err());
    assert!(estimators::rank_calibration(&plane, &[0.0, 0.0], 5, &mut rng, |_| f64::NAN).is_err());
}

#[test]
fn maps_of_equal_area() {
    let (pdf, kappa, axis) = fisher();
    let map = first(estimators::equal_area_map(&pdf, 0, 1, &mut StdRng::seed_from_u64(1)));
    assert!((map.total() - 1.0).abs() < 1e-4);
    let masses = [0.5, 0.9, 0.99];
    let exact = |mass: f64| -2.0 * PI * (1.0 - mass * (1.0 - (-2.0 * kappa).exp())).ln() / kappa;
    for (mass, area) in masses.iter().zip(map.areas(&masses).unwrap()) {
        assert!((area / exact(*mass) - 1.0).abs() < 2e-3, "{mass}: {area} {}", exact(*mass));
    }
    // The same numbers as draws give, and coverage of a direction.
    let regions = first(estimators::highest_density(&pdf, &masses, 20_000, &mut StdRng::seed_from_u64(1)));
    for (region, (level, area)) in
        regions.iter().zip(map.levels(&masses).unwrap().into_iter().zip(map.areas(&masses).unwrap()))
    {
        assert!(
            region.level.pull(level).abs() < 4.0 && region.volume.pull(area).abs() < 4.0,
            "{region:?} {level} {area}"
        );
    }
    let centre = [axis[0].hypot(axis[1]).atan2(axis[2]), axis[1].atan2(axis[0]).rem_euclid(TAU)];
    assert!(map.probability_above(centre) < 0.01 && map.probability_above([PI - centre[0], centre[1] + PI]) > 0.98);
    let areas: f64 = map.cells.iter().map(|cell| cell.area()).sum();
    assert!((areas / (4.0 * PI) - 1.0).abs() < 1e-12);

    // A peak of an arc minute, far narrower than the first cells: draws point it out.
    let (mut sharp, ..) = fisher();
    let mut weights = sharp.flat_weights();
    let kappa = 1.2e7_f64;
    *weights.last_mut().unwrap() = kappa.ln();
    sharp.set_flat_weights(&weights).unwrap();
    let map = first(estimators::equal_area_map(&sharp, 0, 1, &mut StdRng::seed_from_u64(1)));
    for (mass, area) in masses.iter().zip(map.areas(&masses).unwrap()) {
        let exact = -2.0 * PI * (1.0 - mass).ln() / kappa;
        assert!((area / exact - 1.0).abs() < 0.01, "{mass}: {area} {exact}");
    }

    // The same everywhere, under two conditions and before another manifold.
    let even = Cpu::default().build_module::<flow!(s2 + e1 : y + t | cond 1), f64>();
    let maps =
        estimators::equal_area_map(&even.given(&[[0.1], [0.7]]).unwrap(), 0, 1, &mut StdRng::seed_from_u64(1)).unwrap();
    assert!(maps.len() == 2 && (maps[1].areas(&[0.3]).unwrap()[0] / (1.2 * PI) - 1.0).abs() < 1e-9);
    let plane = plane();
    let error = estimators::equal_area_map(&plane, 0, 1, &mut StdRng::seed_from_u64(1)).unwrap_err().to_string();
    assert!(error.contains("manifold 0 of `e2` is not a sphere"), "{error}");
}

/// A direction that is written after what it depends on.
#[test]
fn maps_of_a_sphere_anywhere_in_a_product() {
    let mut pdf = Cpu::default().build_module::<flow!(e1 + s2 + e1 : t + f + t | cond 1, hidden 4), f64>();
    let mut rng = StdRng::seed_from_u64(4);
    let weights: Vec<f64> = pdf.flat_weights().iter().map(|w| w + 1.5 * rng.sample::<f64, _>(StandardNormal)).collect();
    pdf.set_flat_weights(&weights).unwrap();
    let given = pdf.given(&[[0.3], [-1.0]]).unwrap();
    let maps = estimators::equal_area_map(&given, 1, 300, &mut rng).unwrap();
    let n = 4000;
    let draws = given.sample_rows(n, &mut rng).unwrap().points;
    for (map, draws) in maps.iter().zip(draws.chunks_exact(4 * n)) {
        assert!((map.total() - 1.0).abs() < 2e-3, "{}", map.total());
        // Contours hold of fresh draws what they say, up to the draws that are integrated over.
        for mass in [0.5, 0.9] {
            let inside = draws.chunks_exact(4).filter(|x| map.probability_above([x[1], x[2]]) < mass).count();
            assert!((inside as f64 / n as f64 - mass).abs() < 0.05, "{mass}: {inside} of {n}");
        }
    }
    // A cell holds the marginal density at its centre.
    let cell = maps[0].cells[0];
    let [theta, phi] = cell.centre();
    let centre = [theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()];
    let point = [&[0.0][..], &centre, &[0.0]].concat();
    let one = pdf.given(&[[0.3]]).unwrap();
    let exact = first(estimators::marginal_log_prob(&one, &point, &[1], 20_000, &mut rng));
    assert!((cell.log_density - exact).abs() < 0.3, "{} {exact}", cell.log_density);
}

/// Which test shows what each estimator gives: its value over repeated runs, or its gradient. An estimator that is not named here fails this test, as does one
/// that its test does not call.
const SHOWN: &[(&str, &str)] = &[
    ("base_coverage", "true_densities_are_calibrated_and_narrow_ones_are_caught"),
    ("base_coverage_traced", "calibration"),
    ("base_p_values", "true_densities_are_calibrated_and_narrow_ones_are_caught"),
    ("chi_square_uniform", "true_densities_are_calibrated_and_narrow_ones_are_caught"),
    ("concentration_traced", "expectations_moments_and_directions"),
    ("conditional_entropy", "entropies_and_information"),
    ("conditional_entropy_traced", "entropies_over_held_draws_add_up_and_are_exact_on_average"),
    ("control_variates", "expectations_and_moments"),
    ("covariance", "expectations_and_moments"),
    ("covariance_traced", "expectations_moments_and_directions"),
    ("cramer_von_mises", "true_densities_are_calibrated_and_narrow_ones_are_caught"),
    ("cramer_von_mises_traced", "calibration"),
    ("cross_entropy", "divergences"),
    ("cross_entropy_traced", "entropies_and_divergences"),
    ("densest_draw", "regions_of_highest_density"),
    ("direction", "directions"),
    ("elbo_traced", "a_perfect_posterior_closes_the_bound"),
    ("entropy", "entropies_and_information"),
    ("entropy_traced", "gradients_are_exact_on_average"),
    ("equal_area_map", "maps_of_equal_area"),
    ("expectation", "expectations_and_moments"),
    ("expectation_controlled", "expectations_and_moments"),
    ("expectation_controlled_traced", "expectations_moments_and_directions"),
    ("expectation_embedded_traced", "expectations_moments_and_directions"),
    ("expectation_traced", "gradients_are_exact_on_average"),
    ("expectations", "expectations_and_moments"),
    ("goodness_of_fit", "goodness_of_fit_passes_true_likelihoods_and_catches_narrow_ones"),
    ("goodness_of_fit_traced", "calibration"),
    ("highest_density", "regions_of_highest_density"),
    ("highest_density_coverage", "true_densities_are_calibrated_and_narrow_ones_are_caught"),
    ("highest_density_level_traced", "gradients_are_exact_on_average"),
    ("highest_density_volume_traced", "gradients_are_exact_on_average"),
    ("importance", "normalisation_by_importance"),
    ("importance_expectation", "normalisation_by_importance"),
    ("importance_expectation_traced", "entropies_and_divergences"),
    ("importance_weighted_traced", "a_perfect_posterior_closes_the_bound"),
    ("integral_transform", "true_densities_are_calibrated_and_narrow_ones_are_caught"),
    ("integral_transform_traced", "calibration"),
    ("kent", "directions"),
    ("kent_traced", "expectations_moments_and_directions"),
    ("kl_divergence", "divergences"),
    ("kl_divergence_traced", "gradients_are_exact_on_average"),
    ("kolmogorov_smirnov", "true_densities_are_calibrated_and_narrow_ones_are_caught"),
    ("log_likelihood_traced", "losses"),
    ("log_normalisation_traced", "entropies_and_divergences"),
    ("marginal_coverage", "true_densities_are_calibrated_and_narrow_ones_are_caught"),
    ("marginal_entropy", "entropies_and_information"),
    ("marginal_entropy_traced", "any_set_of_manifolds_has_gradients"),
    ("marginal_log_prob", "entropies_and_information"),
    ("mean_direction_traced", "expectations_moments_and_directions"),
    ("moment", "expectations_and_moments"),
    ("moment_traced", "expectations_moments_and_directions"),
    ("mutual_information", "entropies_and_information"),
    ("mutual_information_traced", "entropies_over_held_draws_add_up_and_are_exact_on_average"),
    ("quantile_traced", "gradients_are_exact_on_average"),
    ("quantiles", "expectations_and_moments"),
    ("rank_calibration", "true_densities_are_calibrated_and_narrow_ones_are_caught"),
    ("resultant_length_traced", "expectations_moments_and_directions"),
    ("reverse_kl", "normalisation_by_importance"),
    ("reverse_kl_traced", "entropies_and_divergences"),
    ("semi_supervised", "losses"),
];

/// Functions of numbers, tested beside their code.
const NUMBERS: [&str; 2] = ["bessel_ratio", "concentration"];

/// The name after `pub fn` or `fn` at the start of a line.
fn named<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    line.strip_prefix(keyword)?.split(['<', '(']).next()
}

#[test]
fn every_estimator_has_its_test() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/flow-runtime/src/estimators");
    let mut public = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        public.extend(source.lines().filter_map(|line| named(line, "pub fn ")).map(String::from));
    }
    public.retain(|name| !NUMBERS.contains(&name.as_str()));
    public.sort();
    let shown: Vec<&str> = SHOWN.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        public, shown,
        "an estimator and the test that shows what it gives belong into `SHOWN`, in the order of the alphabet"
    );

    // The bodies of tests, and of what they call in these files.
    let sources = [include_str!("estimators.rs"), include_str!("estimators_traced.rs")].concat();
    let body = |name: &str| -> String {
        let start = sources.find(&format!("\nfn {name}(")).or_else(|| sources.find(&format!("\nfn {name}<")));
        let from = &sources[start.unwrap_or_else(|| panic!("there is no test `{name}`"))..];
        from[..from.find("\n}").unwrap()].to_string()
    };
    for (name, test) in SHOWN {
        let mut text = body(test);
        if text.contains("calibrations(") {
            text += &body("calibrations");
        }
        let method = matches!(*name, "kolmogorov_smirnov" | "chi_square_uniform");
        let called = text.contains(&format!("estimators::{name}(")) || (method && text.contains(".chi_square("));
        assert!(called, "`{test}` does not call `{name}`");
    }
}
