//! Estimators on the tape: the values of their plain forms at the same seed, gradients that are differences of the values at the same seed, and on
//! average the exact gradients where these are known.

use dfdx::prelude::*;
use flow_runtime::estimators::{self, Estimate, Sampling, TracedEstimate};
use flow_runtime::module::Traced;
use flow_runtime::trainers::{flat_gradient, flat_values, set_flat_values};
use flow_runtime::{Adam, Built, Error, Fit, flow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

type Tape = OwnedTape<f64, Cpu>;
type Product = flow!(e1 + s2 : gt(num_kde = 3) + f | cond 2, hidden 3);
type Wide = flow!(e1 + s2 : t + f | cond 2, hidden 2);
type Models = (Built<Product, f64>, Built<Wide, f64>);

fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

fn excited<M: TensorCollection<f64, Cpu>>(mut model: M) -> M {
    let mut rng = StdRng::seed_from_u64(3);
    let weights: Vec<f64> =
        flat_values(&model).unwrap().iter().map(|w| w + 0.4 * rng.sample::<f64, _>(StandardNormal)).collect();
    set_flat_values(&mut model, &weights).unwrap();
    model
}

fn models() -> Models {
    let dev = Cpu::default();
    (excited(dev.build_module::<Product, f64>()), excited(dev.build_module::<Wide, f64>()))
}

const FEATURES: [[f64; 2]; 2] = [[0.3, -1.2], [1.1, 0.2]];

/// The gradients of an objective by all weights and by the features are differences.
fn differentiates<S: Shape>(
    name: &str,
    objective: impl Fn(&Models, Tensor<(usize, Const<2>), f64, Cpu, Tape>) -> Result<TracedEstimate<S, f64>, Error>,
) -> Vec<Estimate> {
    let dev = Cpu::default();
    let models = models();
    let at = |features: [f64; 4]| dev.tensor_from_vec(features.to_vec(), (2usize, Const::<2>));
    let start: [f64; 4] = FEATURES.concat().try_into().unwrap();
    let features = at(start);
    // An uneven sum, so that no two conditions or columns can be mistaken for each other.
    let weigh = |k: usize| (1.0 + 0.37 * k as f64).sin();
    let total = |models: &Models, features: [f64; 4]| -> f64 {
        let found = objective(models, at(features).leaky_traced()).unwrap();
        found.estimates().iter().enumerate().map(|(k, e)| weigh(k) * e.value).sum()
    };
    // Leaky: the gradient by the features is asked for too.
    let found = objective(&models, features.clone().leaky_traced()).unwrap();
    let estimates = found.estimates();
    let shape = *found.value.shape();
    let weights = (0..estimates.len()).map(weigh).collect();
    let weights: Tensor<S, f64, Cpu> = dev.tensor_from_vec(weights, shape);
    let n = estimates.len() as f64;
    let mut gradients = ((found.value * weights).reshape_like(&(estimates.len(),)).mean::<(), _>() * n).backward();
    let by_features = gradients.get(&features).as_vec();
    let by_weights = flat_gradient(&models, &mut gradients).unwrap();
    let (values, h) = (flat_values(&models).unwrap(), 1e-6);
    let close = |what: String, exact: f64, low: f64, high: f64| {
        let differences = (high - low) / (2.0 * h);
        assert!(
            (exact - differences).abs() < 2e-6 * (1.0 + differences.abs()),
            "{name}, {what}: {exact} {differences}"
        );
    };
    for i in 0..values.len() {
        let shifted = |h: f64| {
            let (mut values, mut models) = (values.clone(), models.clone());
            values[i] += h;
            set_flat_values(&mut models, &values).unwrap();
            total(&models, start)
        };
        close(format!("weight {i}"), by_weights[i], shifted(-h), shifted(h));
    }
    for i in 0..4 {
        let shifted = |h: f64| {
            let mut features = start;
            features[i] += h;
            total(&models, features)
        };
        close(format!("feature {i}"), by_features[i], shifted(-h), shifted(h));
    }
    estimates
}

fn same(name: &str, traced: Vec<Estimate>, plain: impl IntoIterator<Item = Estimate>) {
    for (a, b) in traced.iter().zip(plain) {
        let scale = 1e-9 * (1.0 + b.value.abs());
        assert!((a.value - b.value).abs() < scale, "{name}: {a:?} {b:?}");
        assert!((a.standard_error - b.standard_error).abs() < scale, "{name}: {a:?} {b:?}");
    }
}

#[test]
fn expectations_moments_and_directions() {
    let models = models();
    let plain = models.0.given(&FEATURES).unwrap();
    let plan = Sampling::antithetic(6);
    let traced = differentiates("expectation", |m, f| {
        estimators::expectation_traced(m.0.given(f)?, plan, &mut rng(), |x| x.sin().sum::<_, Axis<1>>())
    });
    same(
        "expectation",
        traced,
        estimators::expectation(&plain, plan, &mut rng(), |x| x.iter().map(|x| x.sin()).sum()).unwrap(),
    );
    differentiates("expectation of unit vectors", |m, f| {
        estimators::expectation_embedded_traced(m.0.given(f)?, 5, &mut rng(), |x| x.square().exp().sum::<_, Axis<1>>())
    });
    let traced = differentiates("moment", |m, f| estimators::moment_traced(m.0.given(f)?, 3, 5, &mut rng()));
    same("moment", traced, estimators::moment(&plain, 3, 5, &mut rng()).unwrap().concat());
    let traced = differentiates("covariance", |m, f| estimators::covariance_traced(m.0.given(f)?, 5, &mut rng()));
    let covariance = estimators::covariance(&plain, 5, &mut rng()).unwrap();
    same("covariance", traced, covariance.into_iter().flat_map(|c| c.covariance.concat()));
    let directions = estimators::direction(&plain, 1, 5, &mut rng()).unwrap();
    let traced = differentiates("length", |m, f| estimators::resultant_length_traced(m.0.given(f)?, 1, 5, &mut rng()));
    same("length", traced, directions.iter().map(|d| d.length));
    let traced = differentiates("kappa", |m, f| estimators::concentration_traced(m.0.given(f)?, 1, 5, &mut rng()));
    same("kappa", traced, directions.iter().map(|d| d.kappa));
    let traced = differentiates("controlled", |m, f| {
        let sines = |x: Traced<(usize, Const<3>), f64>| x.sin().sum::<_, Axis<1>>();
        estimators::expectation_controlled_traced(m.0.given(f)?, 12, &mut rng(), sines)
    });
    let sines = |x: &[f64]| x.iter().map(|x| x.sin()).sum();
    same("controlled", traced, estimators::expectation_controlled(&plain, 12, &mut rng(), sines).unwrap());
    let traced =
        differentiates("mean direction", |m, f| estimators::mean_direction_traced(m.0.given(f)?, 1, 5, &mut rng()));
    let means: Vec<f64> = directions.iter().flat_map(|d| d.mean.clone()).collect();
    assert!(traced.iter().zip(means).all(|(a, b)| (a.value - b).abs() < 1e-9));
    let traced = differentiates("ellipse", |m, f| estimators::kent_traced(m.0.given(f)?, 1, 40, &mut rng()));
    let fits = estimators::kent(&plain, 1, 40, &mut rng()).unwrap();
    same("ellipse", traced, fits.iter().flat_map(|fit| [fit.kappa, fit.stretch]));
    differentiates("level", |m, f| estimators::highest_density_level_traced(m.0.given(f)?, 0.7, 30, &mut rng()));
    differentiates("quantile", |m, f| estimators::quantile_traced(m.0.given(f)?, 0, 0.3, 30, &mut rng()));
}

#[test]
fn entropies_and_divergences() {
    let models = models();
    let plain = models.0.given(&FEATURES).unwrap();
    let other = models.1.given(&FEATURES).unwrap();
    let traced = differentiates("entropy", |m, f| estimators::entropy_traced(m.0.given(f)?, 4, &mut rng()));
    same("entropy", traced, estimators::entropy(&plain, 4, &mut rng()).unwrap());
    let sets: [&[usize]; 2] = [&[1], &[0]];
    let traced =
        differentiates("given", |m, f| estimators::conditional_entropy_traced(m.0.given(f)?, sets, 4, 2, &mut rng()));
    same("given", traced, estimators::conditional_entropy(&plain, sets, 4, 2, &mut rng()).unwrap());
    let traced =
        differentiates("first", |m, f| estimators::marginal_entropy_traced(m.0.given(f)?, &[0], 4, 2, &mut rng()));
    same("first", traced, estimators::marginal_entropy(&plain, &[0], 4, 2, &mut rng()).unwrap());
    let both = |m: &Models, f: Tensor<(usize, Const<2>), f64, Cpu, Tape>, kl: bool| {
        // Both densities are given the same features, on one tape each.
        let again = f.retaped::<Tape>();
        let (p, q) = (m.0.given(f)?, m.1.given(again)?);
        if kl {
            estimators::kl_divergence_traced(p, q, 4, &mut rng())
        } else {
            estimators::cross_entropy_traced(p, q, 4, &mut rng())
        }
    };
    let traced = differentiates("divergence", |m, f| both(m, f, true));
    same("divergence", traced, estimators::kl_divergence(&plain, &other, 4, &mut rng()).unwrap());
    let traced = differentiates("cross-entropy", |m, f| both(m, f, false));
    same("cross-entropy", traced, estimators::cross_entropy(&plain, &other, 4, &mut rng()).unwrap());
    let target = |x: Traced<(usize, Const<3>), f64>| x.square().sum::<_, Axis<1>>() * -0.3;
    let reverse =
        differentiates("reverse KL", |m, f| estimators::reverse_kl_traced(m.0.given(f)?, 4, &mut rng(), target));
    let log_z =
        differentiates("ln Z", |m, f| estimators::log_normalisation_traced(m.0.given(f)?, 4, &mut rng(), target));
    let log_f = |x: &[f64]| x.chunks_exact(3).map(|x| -0.3 * x.iter().map(|x| x * x).sum::<f64>()).collect();
    same("reverse KL", reverse, estimators::reverse_kl(&plain, 4, &mut rng(), log_f).unwrap());
    let traced = differentiates("weighted", |m, f| {
        let sines = |x: Traced<(usize, Const<3>), f64>| x.sin().sum::<_, Axis<1>>();
        estimators::importance_expectation_traced(m.0.given(f)?, 4, &mut rng(), target, sines)
    });
    let sines = |x: &[f64]| x.iter().map(|x| x.sin()).sum();
    same("weighted", traced, estimators::importance_expectation(&plain, 4, &mut rng(), log_f, sines).unwrap());
    let plain = estimators::importance(&plain, 4, &mut rng(), log_f).unwrap();
    same("ln Z", log_z, plain.iter().map(|i| i.log_normalisation));
}

type Three = flow!(e1 + s1 + e1 + e1 : t + m + t + t | hidden 2);

/// Every set of manifolds, those with gaps among them: values of the plain form, and gradients that average to differences of the mean over many inner draws.
#[test]
fn any_set_of_manifolds_has_gradients() {
    let pdf = excited(Cpu::default().build_module::<Three, f64>());
    let sets: [(&str, &[usize]); 4] = [("gap", &[0, 2]), ("two gaps", &[1, 3]), ("last", &[3]), ("middle", &[1, 2])];
    for (name, set) in sets {
        let traced =
            estimators::marginal_entropy_traced(pdf.on_tape(pdf.alloc_grads()).unwrap(), set, 300, 60, &mut rng())
                .unwrap();
        same(name, traced.estimates(), estimators::marginal_entropy(&pdf, set, 300, 60, &mut rng()).unwrap());
        let found = flat_gradient(&pdf, &mut traced.value.sum::<(), _>().backward()).unwrap();
        let (weights, h) = (pdf.flat_weights(), 1e-3);
        let mean = |i: usize, h: f64| {
            let (mut moved, mut weights) = (pdf.clone(), weights.clone());
            weights[i] += h;
            moved.set_flat_weights(&weights).unwrap();
            estimators::marginal_entropy(&moved, set, 300, 60, &mut rng()).unwrap()[0].value
        };
        // The plain form's own differences are gradients along the inner draws: another unbiased estimate of the same, with noise of its own.
        for i in (0..weights.len()).step_by(weights.len() / 5) {
            let differences = (mean(i, h) - mean(i, -h)) / (2.0 * h);
            assert!((found[i] - differences).abs() < 0.06, "{name}, weight {i}: {} {differences}", found[i]);
        }
    }
}

/// Where inner draws are held, a value's differences are no test: sums of terms at the same seed are, and averages of exact gradients.
#[test]
fn entropies_over_held_draws_add_up_and_are_exact_on_average() {
    let models = models();
    let plain = models.0.given(&FEATURES).unwrap();
    #[allow(clippy::type_complexity, reason = "an objective: a density on the tape, and its estimate")]
    let gradient = |objective: &dyn Fn(
        Tensor<(usize, Const<2>), f64, Cpu, Tape>,
    ) -> Result<TracedEstimate<(usize,), f64>, Error>| {
        let features = Cpu::default().tensor_from_vec(FEATURES.concat(), (2usize, Const::<2>));
        let found = objective(features.clone().leaky_traced()).unwrap();
        let estimates = found.estimates();
        let weights = Cpu::default().tensor_from_vec(vec![1.0, 0.3], (2usize,));
        let mut gradients = (found.value * weights).sum::<(), _>().backward();
        let by_features = gradients.get(&features).as_vec();
        (estimates, [flat_gradient(&models, &mut gradients).unwrap(), by_features].concat())
    };
    let given = |f| models.0.given(f);
    let (first, by_first) = gradient(&|f| estimators::marginal_entropy_traced(given(f)?, &[0], 6, 5, &mut rng()));
    let (second, by_second) = gradient(&|f| estimators::marginal_entropy_traced(given(f)?, &[1], 6, 5, &mut rng()));
    let (both, by_both) = gradient(&|f| estimators::marginal_entropy_traced(given(f)?, &[0, 1], 6, 5, &mut rng()));
    let (shared, by_shared) =
        gradient(&|f| estimators::mutual_information_traced(given(f)?, [&[0], &[1]], 6, 5, &mut rng()));
    let (left, by_left) =
        gradient(&|f| estimators::conditional_entropy_traced(given(f)?, [&[0], &[1]], 6, 5, &mut rng()));
    for c in 0..2 {
        assert!((shared[c].value - (first[c].value + second[c].value - both[c].value)).abs() < 1e-9);
        assert!((left[c].value - (both[c].value - second[c].value)).abs() < 1e-9);
    }
    for i in 0..by_both.len() {
        assert!((by_shared[i] - (by_first[i] + by_second[i] - by_both[i])).abs() < 1e-9, "{i}");
        assert!((by_left[i] - (by_both[i] - by_second[i])).abs() < 1e-9, "{i}");
    }
    same("second", second, estimators::marginal_entropy(&plain, &[1], 6, 5, &mut rng()).unwrap());
    same("shared", shared, estimators::mutual_information(&plain, [&[0], &[1]], 6, 5, &mut rng()).unwrap());
    same("left", left, estimators::conditional_entropy(&plain, [&[0], &[1]], 6, 5, &mut rng()).unwrap());

    // x_0 ~ N(0, 1), x_1 ~ N(x_0, w^2): d H(x_1) / dw = w / (1 + w^2), and of the width 1 of x_0 it is 1 / (1 + w^2).
    type Pair = flow!(e1 + e1 : t(width_smooth_saturation = 0) + t(width_smooth_saturation = 0) | hidden 1);
    let (mut pair, small, w) = (Cpu::default().build_module::<Pair, f64>(), 1e-4, 0.8_f64);
    let raw = |width: f64| (width - 0.01).ln();
    pair.set_flat_weights(&[0.0, raw(1.0), small, 0.0, 1.0 / small, 0.0, 0.0, raw(w)]).unwrap();
    let found: Vec<[f64; 2]> = (0..100)
        .map(|seed| {
            let tape = pair.on_tape(pair.alloc_grads()).unwrap();
            let rng = &mut StdRng::seed_from_u64(seed);
            let value = estimators::marginal_entropy_traced(tape, &[1], 100, 100, rng).unwrap().value;
            let g = flat_gradient(&pair, &mut value.sum::<(), _>().backward()).unwrap();
            [g[1] / 0.99, g[7] / (w - 0.01)]
        })
        .collect();
    for (i, exact) in [1.0 / (1.0 + w * w), w / (1.0 + w * w)].into_iter().enumerate() {
        let mean = Estimate::of(&found.iter().map(|g| g[i]).collect::<Vec<_>>());
        assert!((mean.value - exact).abs() < 4.0 * mean.standard_error + 5e-3, "{i}: {mean:?} {exact}");
    }
}

#[test]
fn calibration() {
    let points = [[0.3, 1.1, 2.0], [-0.5, 2.0, 4.0], [1.0, 0.7, 0.3], [0.1, 2.5, 6.0]];
    let models = models();
    let plain = models.0.given(&FEATURES).unwrap();
    let without = |values: Traced<(usize,), f64>| {
        let n = values.shape().0;
        TracedEstimate { value: values, standard_error: vec![0.0; n] }
    };
    for manifolds in [0..2, 0..1, 1..2] {
        let run = manifolds.clone();
        let traced = differentiates("coverage", |m, f| {
            Ok(without(estimators::base_coverage_traced(m.0.given(f)?, &points, run.clone())?))
        });
        let found = estimators::base_coverage(&plain, points.as_flattened(), manifolds).unwrap();
        assert!(traced.iter().zip(&found.values).all(|(a, b)| (a.value - b).abs() < 1e-12));
    }
    differentiates("integral transform", |m, f| {
        let value = estimators::integral_transform_traced(m.0.given(f)?, &points)?;
        Ok(TracedEstimate { value, standard_error: vec![0.0; 12] })
    });
    differentiates("distance", |m, f| {
        let inside = estimators::base_coverage_traced(m.0.given(f)?, &points, 0..2)?;
        let distance = estimators::cramer_von_mises_traced(inside)?;
        Ok(TracedEstimate { value: distance.reshape_like(&(1usize,)), standard_error: vec![0.0] })
    });
    // The numbers of the first density are labels of the second one's points.
    let same: Vec<[f64; 3]> = points.iter().flat_map(|x| [*x; 2]).take(4).collect();
    differentiates("goodness of fit", |m, f| {
        estimators::goodness_of_fit_traced(m.0.given(f)?, 2, &mut rng(), |z| {
            let features = z.slice((.., ..2)).realize::<(usize, Const<2>)>();
            Ok(estimators::base_coverage_traced(m.1.given(features)?, &same, 0..2)?.negate() + 1.0)
        })
    });
}

#[test]
fn losses() {
    let points = [[0.3, 0.6, 0.0, 0.8], [1.0, 0.0, -0.6, 0.8], [-0.5, 1.0, 0.0, 0.0], [0.1, 0.0, 0.0, -1.0]];
    differentiates("likelihood", |m, f| estimators::log_likelihood_traced(m.0.given(f)?, &points));
    // The product is the encoder; the other density decodes two of its three numbers.
    let joint = |m: &Models, z: Traced<(usize, Const<3>), f64>| {
        let rows = z.shape().0;
        let prior = z.retaped::<Tape>().square().sum::<_, Axis<1>>() * -0.5;
        let features = z.slice((.., ..2)).realize::<(usize, Const<2>)>();
        let data: Vec<[f64; 3]> = (0..rows).map(|i| [0.2 * i as f64, 1.0, 0.5]).collect();
        Ok(m.1.given(features)?.log_prob(&data)? + prior)
    };
    differentiates("bound", |m, f| estimators::elbo_traced(m.0.given(f)?, 3, &mut rng(), |z| joint(m, z)));
    differentiates("importance-weighted bound", |m, f| {
        let value = estimators::importance_weighted_traced(m.0.given(f)?, 3, &mut rng(), |z| joint(m, z))?;
        Ok(TracedEstimate { value, standard_error: vec![0.0; 2] })
    });
    differentiates("semi-supervised", |m, f| {
        let again = f.retaped::<Tape>();
        let labelled = estimators::log_likelihood_traced(m.1.given(again)?, &points)?.value;
        let bound = estimators::elbo_traced(m.0.given(f)?, 3, &mut rng(), |z| joint(m, z))?.value;
        let value = estimators::semi_supervised(labelled, bound, 0.7)?;
        Ok(TracedEstimate { value, standard_error: vec![0.0; 4] })
    });
}

type Line = flow!(e1 : t(width_smooth_saturation = 0));

fn line(offset: f64, width: f64) -> Built<Line, f64> {
    let mut pdf = Cpu::default().build_module::<Line, f64>();
    pdf.set_flat_weights(&[offset, (width - 0.01f64).ln()]).unwrap();
    pdf
}

/// Gradients over repeated runs, by offset and width.
fn gradients(width: f64, run: impl Fn(&mut StdRng) -> [f64; 2]) -> [Estimate; 2] {
    // Width = e^l + 0.01.
    let found: Vec<[f64; 2]> = (0..200).map(|seed| run(&mut StdRng::seed_from_u64(seed))).collect();
    let column = |i: usize, scale: f64| Estimate::of(&found.iter().map(|g| g[i] * scale).collect::<Vec<_>>());
    [column(0, 1.0), column(1, 1.0 / (width - 0.01))]
}

#[test]
fn gradients_are_exact_on_average() {
    let (p, q) = (line(0.5, 2.0), line(-0.4, 1.5));
    let of = |pdf: &Built<Line, f64>, value: Traced<(usize,), f64>| -> [f64; 2] {
        flat_gradient(pdf, &mut value.sum::<(), _>().backward()).unwrap().try_into().unwrap()
    };
    // d H / d width = 1 / width, without any noise.
    let [offset, width] = gradients(2.0, |rng| {
        of(&p, estimators::entropy_traced(p.on_tape(p.alloc_grads()).unwrap(), 5, rng).unwrap().value)
    });
    assert!(offset.value.abs() < 1e-12 && (width.value - 0.5).abs() < 1e-12);
    // KL(p|q) = ln(b / a) + (a^2 + d^2) / (2 b^2) - 1/2 with widths a of p, b of q, and distance d.
    let (a, b, d) = (2.0, 1.5, 0.9);
    let kl = |rng: &mut StdRng, of_p: bool| {
        let tape = |own: bool, pdf: &Built<Line, f64>| if own { pdf.alloc_grads() } else { Gradients::leaky() };
        let (first, second) = (p.on_tape(tape(true, &p)).unwrap(), q.on_tape(tape(true, &q)).unwrap());
        of(if of_p { &p } else { &q }, estimators::kl_divergence_traced(first, second, 50, rng).unwrap().value)
    };
    let [offset, width] = gradients(a, |rng| kl(rng, true));
    assert!(
        offset.pull(d / (b * b)).abs() < 4.0 && width.pull(-1.0 / a + a / (b * b)).abs() < 4.0,
        "{offset:?} {width:?}"
    );
    let [offset, width] = gradients(b, |rng| kl(rng, false));
    let by_b = 1.0 / b - (a * a + d * d) / (b * b * b);
    assert!(offset.pull(-d / (b * b)).abs() < 4.0 && width.pull(by_b).abs() < 4.0, "{offset:?} {width:?}");
    // d E[x^2] = 2 (o do + w dw); the quantile at +1 sigma moves as o + w.
    let [offset, width] = gradients(a, |rng| {
        let square = |x: Traced<(usize, Const<1>), f64>| x.square().sum::<_, Axis<1>>();
        of(&p, estimators::expectation_traced(p.on_tape(p.alloc_grads()).unwrap(), 50, rng, square).unwrap().value)
    });
    assert!(offset.pull(1.0).abs() < 4.0 && width.pull(4.0).abs() < 4.0, "{offset:?} {width:?}");
    // The region of 90 %: ln p at its edge falls as the width grows, by 1 / a; its length is 2 * 1.6449 a.
    let [offset, width] = gradients(a, |rng| {
        let tape = p.on_tape(p.alloc_grads()).unwrap();
        of(&p, estimators::highest_density_level_traced(tape, 0.9, 1000, rng).unwrap().value)
    });
    assert!(offset.value.abs() < 1e-9 && (width.value + 1.0 / a).abs() < 0.01, "{offset:?} {width:?}");
    let [offset, width] = gradients(a, |rng| {
        let tape = p.on_tape(p.alloc_grads()).unwrap();
        of(&p, estimators::highest_density_volume_traced(tape, 0.9, 1000, rng).unwrap().value)
    });
    assert!(
        offset.pull(0.0).abs() < 4.0 && (width.value - 3.2897).abs() < 4.0 * width.standard_error + 0.02,
        "{offset:?} {width:?}"
    );
    let [offset, width] = gradients(a, |rng| {
        of(
            &p,
            estimators::quantile_traced(p.on_tape(p.alloc_grads()).unwrap(), 0, 0.841_344_746, 1000, rng)
                .unwrap()
                .value,
        )
    });
    assert!((offset.value - 1.0).abs() < 1e-12 && (width.value - 1.0).abs() < 0.01, "{offset:?} {width:?}");
}

/// A density is fitted to an unnormalised target, without data: reverse KL falls to -ln Z.
#[test]
fn a_target_without_data_is_learned() {
    let mut pdf = Cpu::default().build_module::<flow!(e1 : gt(num_kde = 5)), f64>();
    // f = e^-(x-2)^2 / 2 + e^-(x+2)^2 / 2 ... as a log of a sum: Z = 2 sqrt(2 pi).
    let target = |x: Traced<(usize, Const<1>), f64>| {
        let rows = x.shape().0;
        let again = x.retaped::<Tape>();
        let one = ((x - 1.5).square() * -0.5).exp();
        let other = ((again + 1.5).square() * -0.5).exp();
        (one + other).ln().reshape_like(&(rows,))
    };
    let rng = std::cell::RefCell::new(StdRng::seed_from_u64(1));
    let settings = Fit {
        epochs: 60,
        batch: 64,
        validation: 0.0,
        patience: None,
        optimizer: Adam { learning_rate: 0.02, ..Adam::default() },
        ..Fit::default()
    };
    // The rows stand for draws: each step draws its own.
    settings
        .run(&mut pdf, 640, |pdf, rows, gradients| {
            let plan = Sampling::antithetic(rows.len());
            let loss = estimators::reverse_kl_traced(pdf.on_tape(gradients)?, plan, &mut *rng.borrow_mut(), target)?;
            Ok(loss.value.negate())
        })
        .unwrap();
    let loss = estimators::reverse_kl_traced(
        pdf.on_tape(Gradients::leaky()).unwrap(),
        20_000,
        &mut StdRng::seed_from_u64(2),
        target,
    );
    let gap = loss.unwrap().estimates()[0].value + (2.0 * std::f64::consts::TAU.sqrt()).ln();
    assert!((0.0..0.02).contains(&gap), "KL to the target is {gap}");
}

type Given = flow!(e1 : t(width_smooth_saturation = 0) | cond 1, hidden 1);

/// x ~ N(slope c, w^2) given c, by a network small enough to be a straight line.
fn given(slope: f64, width: f64) -> Built<Given, f64> {
    let mut pdf = Cpu::default().build_module::<Given, f64>();
    pdf.set_flat_weights(&[1e-4, 0.0, slope / 1e-4, 0.0, 0.0, (width - 0.01f64).ln()]).unwrap();
    pdf
}

#[test]
fn a_perfect_posterior_closes_the_bound() {
    // z ~ N(0, 1), x | z ~ N(z, 1): the posterior is N(x / 2, 1 / 2), and x ~ N(0, 2).
    let (likelihood, prior) = (given(1.0, 1.0), Cpu::default().build_module::<flow!(e1 : x), f64>());
    let observed = [[0.3], [-2.0]];
    let bound = |posterior: &Built<Given, f64>, n: usize, weighted: bool| -> Vec<f64> {
        let x = Cpu::default().tensor_from_vec(observed.concat(), (2usize, Const::<1>)).leaky_traced();
        let same: Vec<[f64; 1]> = observed.iter().flat_map(|x| vec![*x; n]).collect();
        let joint = |z: Traced<(usize, Const<1>), f64>| {
            let of_prior = prior.log_prob(z.retaped::<Tape>())?;
            Ok(likelihood.given(z)?.log_prob(&same)? + of_prior)
        };
        let given = posterior.given(x).unwrap();
        if weighted {
            estimators::importance_weighted_traced(given, n, &mut rng(), joint).unwrap().as_vec()
        } else {
            estimators::elbo_traced(given, n, &mut rng(), joint).unwrap().value.as_vec()
        }
    };
    let evidence = observed.map(|[x]| -x * x / 4.0 - 0.5 * (2.0 * std::f64::consts::TAU).ln());
    let exact = given(0.5, 0.5f64.sqrt());
    for c in 0..2 {
        assert!((bound(&exact, 1, false)[c] - evidence[c]).abs() < 1e-6);
        assert!((bound(&exact, 3, true)[c] - evidence[c]).abs() < 1e-6);
        // Another posterior misses the evidence by its divergence from the right one; weighted draws come close again.
        let (wrong, n) = (given(0.5, 1.0), 20_000);
        let kl = 0.5f64.sqrt().ln() + 1.0 / (2.0 * 0.5) - 0.5;
        assert!((bound(&wrong, n, false)[c] - (evidence[c] - kl)).abs() < 0.03);
        assert!((bound(&wrong, n, true)[c] - evidence[c]).abs() < 0.02);
    }
}

#[test]
fn single_precision_works_as_well() {
    let narrow = Cpu::default().build_module::<flow!(e1 + s2 : x + y), f32>();
    let exact = 0.5 * (1.0 + std::f64::consts::TAU.ln()) + (4.0 * std::f64::consts::PI).ln();
    let plain = estimators::entropy(&narrow, 2000, &mut rng()).unwrap()[0];
    let traced = estimators::entropy_traced(narrow.on_tape(Gradients::leaky()).unwrap(), 2000, &mut rng()).unwrap();
    assert!(plain.pull(exact).abs() < 4.0 && (traced.estimates()[0].value - plain.value).abs() < 1e-5);
    let truth: Vec<f32> = flow_runtime::Density::sample_rows(&narrow, 200, &mut rng()).unwrap().points;
    assert!(estimators::base_coverage(&narrow, &truth, 0..2).unwrap().kolmogorov_smirnov().p_value > 1e-3);
}
