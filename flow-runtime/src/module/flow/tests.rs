use super::*;
use crate::kernels::{Block, Dense, Free, Plain, Predicted};
use crate::layers::{Affine, Chain, ContinuousFlow, First, Gaussianization, Last, Layer, Orientation, settings};
use crate::manifolds::{Circle, Euclidean, Sphere2};
use crate::module::Penalty;
use crate::module::points::Features;
use dfdx::nn::{DeviceBuildExt, NumParams, ResetParams, ZeroGrads};
use dfdx::optim::{Adam, Optimizer};
use dfdx::tensor::{AsArray, Gradients, TensorFrom, Trace};
use dfdx::tensor_ops::{Backward, MeanTo, SumTo};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;

type E2 = (Gaussianization<2, First, settings::g::num_kde<3, ()>>, (Affine<2, Last, settings::t::cov_type<3>>, ()));
type S2 = (Orientation<settings::y::add_rotation<1>>, ());
const E2_PARAMS: usize = <E2 as Chain<Euclidean<2>>>::PARAMS;
type Head0 = Predicted<0, 3, Plain<(Dense<3, 5>, ()), Dense<5, E2_PARAMS>>>;
type Head1 = Predicted<0, 3, Plain<(Dense<5, 4>, ()), Dense<4, 9>>>;
type Pdf = Conditional<(), Features<3>, 4, 5, (Block<Euclidean<2>, E2, Head0>, (Block<Sphere2, S2, Head1>, ()))>;
type Alone = Unconditional<(), 2, 2, (Block<Euclidean<2>, E2, Free<E2_PARAMS>>, ())>;

fn excited<S, W, E: Element>(flow: &mut Flow<S, W, E, Cpu>)
where
    S: Spec,
    W: Weights<E>,
{
    let mut rng = StdRng::seed_from_u64(5);
    let weights: Vec<E> =
        flow.flat_weights().iter().map(|w| *w + E::narrow(0.4 * rng.sample::<f64, _>(StandardNormal))).collect();
    flow.set_flat_weights(&weights).unwrap();
}

#[test]
fn gradients_of_log_prob_and_of_samples_are_differences() {
    let dev = Cpu::default();
    let mut pdf = dev.build_module::<Pdf, f64>();
    excited(&mut pdf);
    let features = [[0.3, -1.2, 0.8], [1.1, 0.2, -0.4], [0.0, 0.5, 2.0]];
    let x = [[0.3, -0.8, 1.1, 4.0], [1.2, 0.1, 2.2, 0.3], [-0.4, 0.9, 0.2, 6.0]];
    let seeded = || StdRng::seed_from_u64(11);
    // An objective of everything at once: log-densities at given points, samples in both coordinates, and their
    // log-densities.
    let given = |pdf: &Built<Pdf, f64>, features: &[[f64; 3]; 3], x: &[[f64; 4]; 3]| {
        let at = pdf.given(features).unwrap();
        let a = at.log_prob(x).unwrap().mean::<(), _>().array();
        let s = at.sample_n(2, &mut seeded()).unwrap();
        let e = at.sample_n_embedded(2, &mut seeded()).unwrap();
        a + s.log_prob.mean::<(), _>().array()
            + s.points.into_data().mean::<(), _>().array()
            + e.points.into_data().mean::<(), _>().array()
            + 0.5 * e.log_prob.mean::<(), _>().array()
    };
    let f = dev.tensor_from_vec(features.concat(), (3usize, Const::<3>));
    let xt = dev.tensor_from_vec(x.concat(), (3usize, Const::<4>));
    let at = || pdf.given(f.clone().traced(Gradients::leaky())).unwrap();
    let evaluated = at().log_prob(xt.clone().traced(Gradients::leaky())).unwrap().mean::<(), _>().backward();
    let by_x = evaluated.get(&xt).as_vec();
    let sampled = at().rsample_n(2, &mut seeded()).unwrap();
    let sampled = sampled.combine(|x, p| x.mean::<(), _>() + p.mean::<(), _>()).backward();
    let embedded = at().rsample_n_embedded(2, &mut seeded()).unwrap();
    let embedded = embedded.combine(|x, p| x.mean::<(), _>() + p.mean::<(), _>() * 0.5).backward();
    let mut flat = vec![0.0; pdf.flat_weights().len()];
    let mut by_f = [0.0; 9];
    for mut grads in [evaluated, sampled, embedded] {
        by_f.iter_mut().zip(grads.get(&f).as_vec()).for_each(|(a, b)| *a += b);
        let by_weights = crate::trainers::flat_gradient(&pdf, &mut grads).unwrap();
        flat.iter_mut().zip(by_weights).for_each(|(a, b)| *a += b);
    }

    let h = 1e-5;
    let start = pdf.flat_weights();
    for (i, exact) in flat.iter().enumerate() {
        let shifted = |h: f64| {
            let mut other = pdf.clone();
            let mut w = start.clone();
            w[i] += h;
            other.set_flat_weights(&w).unwrap();
            given(&other, &features, &x)
        };
        let numerical = (shifted(h) - shifted(-h)) / (2.0 * h);
        assert!((exact - numerical).abs() < 1e-7, "weight {i}: {exact} {numerical}");
    }
    for i in 0..9 {
        let shifted = |h: f64| {
            let mut other = features;
            other[i / 3][i % 3] += h;
            given(&pdf, &other, &x)
        };
        let numerical = (shifted(h) - shifted(-h)) / (2.0 * h);
        assert!((by_f[i] - numerical).abs() < 1e-7, "feature {i}: {} {numerical}", by_f[i]);
    }
    for i in 0..12 {
        let shifted = |h: f64| {
            let mut other = x;
            other[i / 4][i % 4] += h;
            given(&pdf, &features, &other)
        };
        let numerical = (shifted(h) - shifted(-h)) / (2.0 * h);
        assert!((by_x[i] - numerical).abs() < 1e-7, "point {i}: {} {numerical}", by_x[i]);
    }
}

#[test]
fn gradients_of_penalties_are_differences() {
    const C: usize = <ContinuousFlow<()> as Layer<Circle>>::PARAMS;
    type Head = Predicted<0, 3, Plain<(Dense<3, 4>, ()), Dense<4, C>>>;
    type Pdf =
        Conditional<(), Features<3>, 1, 2, (Block<Circle, (ContinuousFlow<settings::c::solver<1>>, ()), Head>, ())>;
    let mut pdf = Cpu::default().build_module::<Pdf, f64>();
    excited(&mut pdf);
    let features = [[0.3, -1.2, 0.8], [1.1, 0.2, -0.4]];
    let x = [[0.3], [2.8]];
    let f = Cpu::default().tensor_from_vec(features.concat(), (2usize, Const::<3>));
    let at = pdf.given(f.clone().traced(Gradients::leaky())).unwrap();
    let parts = at.log_prob_regularised(&x).unwrap();
    let plain = pdf.given(&features).unwrap().log_prob(&x).unwrap();
    assert_eq!(parts.log_prob.as_vec(), plain.as_vec());
    let penalty = Penalty { kinetic: 0.4, jacobian: 0.2 };
    let mut gradients = parts.penalised(penalty).sum::<(), _>().backward();
    let by_features = gradients.get(&f).as_vec();
    let by_weights = crate::trainers::flat_gradient(&pdf, &mut gradients).unwrap();
    let value = |pdf: &Built<Pdf, f64>, features: &[[f64; 3]; 2]| {
        let parts = pdf.given(features).unwrap().log_prob_regularised(&x).unwrap();
        let sum = |t: &Tensor<(Const<2>,), f64, Cpu>| t.as_vec().iter().sum::<f64>();
        sum(&parts.log_prob) - 0.4 * sum(&parts.kinetic) - 0.2 * sum(&parts.jacobian)
    };
    let (h, start) = (1e-5, pdf.flat_weights());
    for (i, exact) in by_weights.iter().enumerate().step_by(7) {
        let shifted = |h: f64| {
            let (mut other, mut w) = (pdf.clone(), start.clone());
            w[i] += h;
            other.set_flat_weights(&w).unwrap();
            value(&other, &features)
        };
        let numerical = (shifted(h) - shifted(-h)) / (2.0 * h);
        assert!((exact - numerical).abs() < 1e-6 * (1.0 + numerical.abs()), "weight {i}: {exact} {numerical}");
    }
    for (i, exact) in by_features.iter().enumerate() {
        let shifted = |h: f64| {
            let mut other = features;
            other[i / 3][i % 3] += h;
            value(&pdf, &other)
        };
        let numerical = (shifted(h) - shifted(-h)) / (2.0 * h);
        assert!((exact - numerical).abs() < 1e-6 * (1.0 + numerical.abs()), "feature {i}: {exact} {numerical}");
    }
}

#[test]
fn an_equation_that_takes_too_many_steps_says_what_to_loosen() {
    type Short = settings::c::max_steps<2, ()>;
    type Pdf = Unconditional<
        (),
        2,
        2,
        (
            Block<
                Euclidean<2>,
                (ContinuousFlow<Short>, ()),
                Free<{ <ContinuousFlow<()> as Layer<Euclidean<2>>>::PARAMS }>,
            >,
            (),
        ),
    >;
    let mut pdf = Cpu::default().build_module::<Pdf, f64>();
    excited(&mut pdf);
    let at = pdf.log_prob(&[[0.3, -0.2], [1.0, 0.0]]).unwrap_err().to_string();
    assert!(at.contains("row 0") && at.contains("layer 0 (`c`)") && at.contains("loosen `rtol`"), "{at}");
    let at = pdf.sample(3, &mut StdRng::seed_from_u64(1)).unwrap_err().to_string();
    assert!(at.contains("did not converge; its equation may take more steps than `max_steps`"), "{at}");
}

#[test]
fn samples_carry_the_log_prob_of_evaluation_and_do_not_depend_on_the_batch() {
    let dev = Cpu::default();
    let mut pdf = dev.build_module::<Alone, f64>();
    excited(&mut pdf);
    let sample = pdf.sample(1000, &mut StdRng::seed_from_u64(3)).unwrap();
    let log_prob = pdf.log_prob(&sample.points).unwrap().as_vec();
    let rows = sample.points.as_vec();
    for (i, (a, b)) in log_prob.iter().zip(sample.log_prob.as_vec()).enumerate() {
        assert!((a - b).abs() < 1e-9);
        if i % 97 == 0 {
            let single = pdf.log_prob(&[[rows[2 * i], rows[2 * i + 1]]]).unwrap().as_vec()[0];
            assert!((single - a).abs() < 1e-12);
        }
    }
    let parts = pdf.evaluate(&sample.points).unwrap();
    assert_eq!(parts.log_prob.as_vec(), log_prob);
}

#[test]
fn dfdx_optimisers_find_a_gradient_for_every_weight() {
    let dev = Cpu::default();
    let mut pdf = dev.build_module::<Pdf, f32>();
    assert_eq!(pdf.num_trainable_params(), 3 * 5 + 5 + 6 * E2_PARAMS + 5 * 4 + 4 + 5 * 9);
    let mut adam = Adam::new(&pdf, Default::default());
    let features = dev.tensor([[0.3, -1.2, 0.8], [1.1, 0.2, -0.4]]);
    let loss = pdf.given(features.traced(pdf.alloc_grads())).unwrap();
    let loss = loss.log_prob(&[[0.3, -0.8, 1.1, 4.0], [1.2, 0.1, 2.2, 0.3]]).unwrap().mean::<(), _>();
    adam.update(&mut pdf, &loss.backward()).unwrap();
}

#[test]
fn bad_input_is_named() {
    let dev = Cpu::default();
    let pdf = dev.build_module::<Pdf, f64>();
    let good = [[0.0; 3]; 2];
    let message = |x: &[[f64; 4]; 2], f: &[[f64; 3]; 2]| pdf.given(f).unwrap().log_prob(x).unwrap_err().to_string();
    let at = message(&[[0.0; 4], [0.0, f64::NAN, 0.0, 0.0]], &good);
    assert!(at.contains("`x`, row 1: manifold 0 (`e2`): coordinate 1 is NaN"), "{at}");
    let at = message(&[[0.0, 0.0, 4.0, 0.0]; 2], &good);
    assert!(at.contains("row 0: manifold 1 (`s2`): theta is 4") && at.contains("pi/2 - latitude"), "{at}");
    let at = message(&[[0.0; 4]; 2], &[[0.0; 3], [0.0, 0.0, f64::INFINITY]]);
    assert!(at.contains("`features`, row 1: feature 2 is inf"), "{at}");
    let at = pdf.given(&good).unwrap().log_prob(&[[0.0; 4]; 3]).unwrap_err().to_string();
    assert!(at.contains("`x` has 3 rows, but `features` has 2"), "{at}");
    let none: Vec<[f64; 4]> = Vec::new();
    assert!(pdf.given(&Vec::new()).unwrap().log_prob(&none).unwrap_err().to_string().contains("`x` is empty"));
    assert!(pdf.given(&good).unwrap().sample_n(0, &mut StdRng::seed_from_u64(0)).is_err());
    let mut broken = pdf.clone();
    broken.set_flat_weights(&vec![f64::NAN; pdf.flat_weights().len()]).unwrap();
    let at = broken.given(&good).unwrap().log_prob(&[[0.1; 4]; 2]).unwrap_err().to_string();
    assert!(at.contains("row 0") && at.contains("the parameters of manifold 0 (`e2`)"), "{at}");
}

/// Gradients by weights, features and points of a weighted sum of log-densities.
fn pulled(pdf: &Built<Pdf, f64>, weights: [f64; 3]) -> [Vec<f64>; 3] {
    let dev = Cpu::default();
    let f = dev.tensor_from_vec([0.3, -1.2, 0.8, 1.1, 0.2, -0.4, 0.0, 0.5, 2.0].to_vec(), (3usize, Const::<3>));
    let x = [0.3, -0.8, 1.1, 4.0, 1.2, 0.1, 2.2, 0.3, -0.4, 0.9, 0.2, 6.0].to_vec();
    let x = dev.tensor_from_vec(x, (3usize, Const::<4>));
    let at = pdf.given(f.clone().traced(Gradients::leaky())).unwrap();
    let log_prob = at.log_prob(x.clone().traced(Gradients::leaky())).unwrap();
    let mut gradients = (log_prob * dev.tensor_from_vec(weights.to_vec(), (3usize,))).sum::<(), _>().backward();
    let by_weights = crate::trainers::flat_gradient(pdf, &mut gradients).unwrap();
    [by_weights, gradients.get(&f).as_vec(), gradients.get(&x).as_vec()]
}

#[test]
fn what_is_worked_out_ahead_changes_no_gradient() {
    let mut pdf = Cpu::default().build_module::<Pdf, f64>();
    excited(&mut pdf);
    let (equal, unequal) = ([0.7; 3], [0.7, -0.2, 1.3]);
    assert!(pdf.cache.guess().is_equal());
    let ahead = pulled(&pdf, equal);
    let anew = pulled(&pdf, unequal);
    assert!(!pdf.cache.guess().is_equal());
    // After a gradient with other cotangents nothing is worked out ahead: the same numbers, to the last bit.
    assert_eq!(pulled(&pdf, equal), ahead);
    assert!(pdf.cache.guess().is_equal());
    assert_eq!(pulled(&pdf, unequal), anew);
    // A sum of log-densities is the sum of what each contributes.
    let each = [[0.7, 0.0, 0.0], [0.0, 0.7, 0.0], [0.0, 0.0, 0.7]].map(|weights| pulled(&pdf, weights));
    for part in 0..3 {
        for (i, all) in ahead[part].iter().enumerate() {
            let sum: f64 = each.iter().map(|one| one[part][i]).sum();
            assert!((all - sum).abs() < 1e-12 * (1.0 + sum.abs()), "{part} {i}: {all} {sum}");
        }
    }
    // A tape that is dropped unused says that there was nothing to work out.
    let x = Cpu::default().tensor([[0.3, -0.8, 1.1, 4.0]]);
    pulled(&pdf, equal);
    let at = pdf.given(&[[0.3, -1.2, 0.8]]).unwrap();
    drop(at.log_prob(x.traced(Gradients::leaky())).unwrap());
    assert!(!pdf.cache.guess().is_equal());
}

#[test]
fn plain_calls_see_every_change_of_the_weights() {
    let dev = Cpu::default();
    let mut pdf = dev.build_module::<Alone, f64>();
    let x = [[0.3, -0.8], [1.2, 0.1]];
    // A clone remembers nothing.
    let right = |pdf: &Built<Alone, f64>| {
        let now = pdf.log_prob(&x).unwrap().as_vec();
        assert_eq!(now, pdf.clone().log_prob(&x).unwrap().as_vec());
        assert_eq!(now, pdf.log_prob(&x).unwrap().as_vec());
        now
    };
    let mut seen = vec![right(&pdf)];
    excited(&mut pdf);
    seen.push(right(&pdf));
    // Changed where they lie, by an optimiser that knows nothing of the memory.
    let mut adam = Adam::new(&pdf, Default::default());
    let points = dev.tensor_from_vec(x.concat(), (2usize, Const::<2>));
    for _ in 0..2 {
        let loss = -pdf.log_prob(points.clone().traced(pdf.alloc_grads())).unwrap().mean::<(), _>();
        adam.update(&mut pdf, &loss.backward()).unwrap();
        seen.push(right(&pdf));
    }
    // Exchanged for others.
    let mut other = pdf.clone();
    excited(&mut other);
    pdf.weights = other.weights.clone();
    seen.push(right(&pdf));
    pdf.reset_params();
    seen.push(right(&pdf));
    for (i, a) in seen.iter().enumerate() {
        assert!(seen[..i].iter().all(|b| a != b), "{i}: {seen:?}");
    }
}

/// One point runs networks in another way than a batch does.
#[test]
fn one_point_is_a_row_of_a_batch() {
    let mut pdf = Cpu::default().build_module::<Pdf, f64>();
    excited(&mut pdf);
    let dev = Cpu::default();
    let features = [[0.3, -1.2, 0.8], [1.1, 0.2, -0.4], [0.0, 0.5, 2.0]];
    let x = [[0.3, -0.8, 1.1, 4.0], [1.2, 0.1, 2.2, 0.3], [-0.4, 0.9, 0.2, 6.0]];
    let batch = pdf.given(&features).unwrap().log_prob(&x).unwrap().as_vec();
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{a} {b}");
    let (mut sums, [by_weights, by_features, by_points]) =
        (vec![0.0; pdf.flat_weights().len()], pulled(&pdf, [1.0; 3]));
    for row in 0..3 {
        close(pdf.given(&[features[row]]).unwrap().log_prob(&[x[row]]).unwrap().as_vec()[0], batch[row]);
        let (f, point) = (dev.tensor([features[row]]), dev.tensor([x[row]]));
        let at = pdf.given(f.clone().traced(Gradients::leaky())).unwrap();
        let log_prob = at.log_prob(point.clone().traced(Gradients::leaky())).unwrap();
        let mut gradients = log_prob.sum::<(), _>().backward();
        let own = crate::trainers::flat_gradient(&pdf, &mut gradients).unwrap();
        sums.iter_mut().zip(own).for_each(|(sum, g)| *sum += g);
        gradients.get(&f).as_vec().into_iter().zip(&by_features[3 * row..]).for_each(|(a, b)| close(a, *b));
        gradients.get(&point).as_vec().into_iter().zip(&by_points[4 * row..]).for_each(|(a, b)| close(a, *b));
        // And samples with their gradients, from one seed.
        let drawn = |n: usize| {
            let given = dev.tensor_from_vec(vec![features[row]; n].concat(), (n, Const::<3>));
            pdf.given(&given).unwrap().sample(&mut StdRng::seed_from_u64(3)).unwrap()
        };
        let (one, two) = (drawn(1), drawn(2));
        close(one.log_prob.as_vec()[0], two.log_prob.as_vec()[0]);
    }
    sums.into_iter().zip(by_weights).for_each(|(a, b)| close(a, b));
}

#[test]
fn a_tape_beside_the_features_gives_the_same_gradients_of_the_weights() {
    let mut pdf = Cpu::default().build_module::<Pdf, f64>();
    excited(&mut pdf);
    let features = [[0.3, -1.2, 0.8], [1.1, 0.2, -0.4], [0.0, 0.5, 2.0]];
    let x = [[0.3, -0.8, 1.1, 4.0], [1.2, 0.1, 2.2, 0.3], [-0.4, 0.9, 0.2, 6.0]];
    let by_weights = |mut gradients| crate::trainers::flat_gradient(&pdf, &mut gradients).unwrap();
    for rows in [1, 3] {
        let (given, x) = (&features[..rows], &x[..rows]);
        let alone = pdf.given(given).unwrap().on_tape(pdf.alloc_grads()).unwrap();
        let alone = alone.log_prob(x).unwrap().sum::<(), _>().backward();
        let f = Cpu::default().tensor_from_vec(given.concat(), (rows, Const::<3>));
        let with_features = pdf.given(f.traced(pdf.alloc_grads())).unwrap();
        let with_features = with_features.log_prob(x).unwrap().sum::<(), _>().backward();
        assert_eq!(by_weights(alone), by_weights(with_features));
    }
}

#[test]
fn plain_features_can_be_used_again() {
    let mut pdf = Cpu::default().build_module::<Pdf, f64>();
    excited(&mut pdf);
    let dev = Cpu::default();
    let (features, x) = ([[0.3, -1.2, 0.8], [1.1, 0.2, -0.4]], [[0.3, -0.8, 1.1, 4.0], [1.2, 0.1, 2.2, 0.3]]);
    let given = pdf.given(&features).unwrap();
    let first = given.log_prob(&x).unwrap().array();
    assert_eq!(given.log_prob(&x).unwrap().array(), first);
    // Points with a tape between two calls, and the other ways to evaluate.
    let points = dev.tensor(x);
    let traced = given.log_prob(points.clone().traced(Gradients::leaky())).unwrap();
    assert_eq!(traced.array(), first);
    assert!(traced.sum::<(), _>().backward().get(&points).as_vec().iter().all(|g| g.is_finite()));
    assert_eq!(given.log_prob_regularised(&x).unwrap().log_prob.array(), first);
    assert_eq!(given.evaluate(&x).unwrap().log_prob.array(), first);
    assert_eq!(given.log_prob(&x).unwrap().array(), first);
}
