//! The clauses of the notation at work: lists of features, hidden layers for each manifold, low rank, names, own layers.

use dfdx::prelude::*;
use flow_runtime::trainers::{flat_gradient, flat_values, set_flat_values};
use flow_runtime::{Built, flow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

type Lists = flow!(e2 + s1 + s2 : gg + y(add_rotation = 1) + f | cond (2, 3, 1), hidden (6, 5-4, 3));
type LowRank = flow!(e3 + s2 : gt + f | cond 6, hidden 40-30, rank 2);

flow! {
    /// A vertex and a direction.
    pub struct Event = vertex@e3 + direction@s2 : gt + f | cond 2, hidden 8
}

/// Weights away from their damped start, so that every path carries something.
fn excite<M: TensorCollection<f64, Cpu>>(model: &mut M) {
    let mut rng = StdRng::seed_from_u64(1);
    let values: Vec<f64> =
        flat_values(model).unwrap().iter().map(|v| v + 0.3 * rng.sample::<f64, _>(StandardNormal)).collect();
    set_flat_values(model, &values).unwrap();
}

/// Every gradient by weights equals differences of the mean log-density.
fn check_weights<M: TensorCollection<f64, Cpu> + Clone>(
    model: &M,
    gradients: &mut Gradients<f64, Cpu>,
    every: usize,
    mean: impl Fn(&M) -> f64,
) {
    let exact = flat_gradient(model, gradients).unwrap();
    let start = flat_values(model).unwrap();
    for i in (0..exact.len()).step_by(every) {
        let shifted = |h: f64| {
            let mut other = model.clone();
            let mut values = start.clone();
            values[i] += h;
            set_flat_values(&mut other, &values).unwrap();
            mean(&other)
        };
        let numerical = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
        assert!((exact[i] - numerical).abs() < 1e-7, "weight {i}: {} {numerical}", exact[i]);
    }
}

const X: [[f64; 5]; 2] = [[0.3, -0.8, 2.0, 1.1, 4.0], [1.2, 0.1, 5.0, 2.2, 0.3]];

#[test]
fn a_list_of_features_gives_one_input_to_each_manifold() {
    let dev = Cpu::seed_from_u64(2);
    let mut pdf = dev.build_module::<Lists, f64>();
    excite(&mut pdf);
    let (a, b, c) = ([[0.1, -0.4], [0.7, 1.0]], [[1.0, 0.3, 2.0], [-1.0, 0.2, 0.4]], [[0.5], [-0.9]]);
    let mean = |pdf: &Built<Lists, f64>, a: &[[f64; 2]; 2], b: &[[f64; 3]; 2], c: &[[f64; 1]; 2]| {
        pdf.given((a, b, c)).unwrap().log_prob(&X).unwrap().mean::<(), _>().array()
    };
    let (ta, tb, tc) = (dev.tensor(a), dev.tensor(b), dev.tensor(c));
    // Gradients of the features themselves are asked for, so nothing may be dropped: leaky.
    let traced = (
        ta.clone().traced(Gradients::leaky()),
        tb.clone().traced(Gradients::leaky()),
        tc.clone().traced(Gradients::leaky()),
    );
    let mut gradients = pdf.given(traced).unwrap().log_prob(&X).unwrap().mean::<(), _>().backward();
    let h = 1e-5;
    for row in 0..2 {
        for k in 0..2 {
            let at = |s: f64| {
                let mut a = a;
                a[row][k] += s;
                mean(&pdf, &a, &b, &c)
            };
            assert!((gradients.get(&ta).array()[row][k] - (at(h) - at(-h)) / (2.0 * h)).abs() < 1e-7);
        }
        for k in 0..3 {
            let at = |s: f64| {
                let mut b = b;
                b[row][k] += s;
                mean(&pdf, &a, &b, &c)
            };
            assert!((gradients.get(&tb).array()[row][k] - (at(h) - at(-h)) / (2.0 * h)).abs() < 1e-7);
        }
        let at = |s: f64| {
            let mut c = c;
            c[row][0] += s;
            mean(&pdf, &a, &b, &c)
        };
        assert!((gradients.get(&tc).array()[row][0] - (at(h) - at(-h)) / (2.0 * h)).abs() < 1e-7);
    }
    check_weights(&pdf, &mut gradients, 1, |pdf| mean(pdf, &a, &b, &c));
    // The first manifold sees the first entry alone: its density does not change with the others.
    let vertex = |b: &[[f64; 3]; 2]| {
        let sample = pdf.given((&a, b, &c)).unwrap().sample(&mut StdRng::seed_from_u64(3)).unwrap();
        sample.points.as_vec()
    };
    let (one, two) = (vertex(&b), vertex(&[[9.0; 3]; 2]));
    assert_eq!(one[..2], two[..2]);
    assert_ne!(one[2], two[2]);
}

#[test]
fn low_rank_networks_have_fewer_weights_and_exact_gradients() {
    let dev = Cpu::seed_from_u64(2);
    let mut pdf = dev.build_module::<LowRank, f64>();
    excite(&mut pdf);
    // 6 -> 40 -> 30 -> params and 9 -> 40 -> 30 -> 10, each matrix as a product of rank 2, each layer with a bias.
    let params = pdf.summary().blocks[0].letters.iter().map(|l| l.params).sum::<usize>();
    let expected = 2 * (6 + 40)
        + 40
        + 2 * (40 + 30)
        + 30
        + 2 * (30 + params)
        + params
        + 2 * (9 + 40)
        + 40
        + 2 * (40 + 30)
        + 30
        + 2 * (30 + 10)
        + 10;
    assert_eq!(pdf.num_trainable_params(), expected);
    let features = [[0.3, -0.2, 1.0, 0.5, -1.1, 0.0], [1.0, 0.8, -0.6, 0.2, 0.9, -0.3]];
    let f = dev.tensor(features);
    let mut gradients =
        pdf.given(f.traced(pdf.alloc_grads())).unwrap().log_prob(&X).unwrap().mean::<(), _>().backward();
    check_weights(&pdf, &mut gradients, 7, |pdf| {
        pdf.given(&features).unwrap().log_prob(&X).unwrap().mean::<(), _>().array()
    });
}

#[test]
fn names_become_accessors_and_the_notation_is_kept() {
    use flow_runtime::Notation;
    assert_eq!(Event::NOTATION, "vertex@e3 + direction@s2 : gt + f | cond 2, hidden 8");
    let dev = Cpu::seed_from_u64(2);
    let pdf = dev.build_module::<Event, f64>();
    let sample = pdf.given(&[[0.1, 0.2], [0.3, 0.4]]).unwrap().sample_n(3, &mut StdRng::seed_from_u64(4)).unwrap();
    let (all, vertex, direction) = (sample.points.as_vec(), sample.vertex(), sample.direction());
    assert_eq!(vertex.shape(), &(Const::<2>, 3, Const::<3>));
    assert_eq!(direction.shape(), &(Const::<2>, 3, Const::<2>));
    assert_eq!(vertex.as_vec()[3..6], all[5..8]);
    assert_eq!(direction.as_vec()[2..4], all[8..10]);
}

#[test]
fn broadcast_features_get_the_sum_of_their_gradients() {
    let dev = Cpu::seed_from_u64(2);
    let mut pdf = dev.build_module::<Event, f64>();
    excite(&mut pdf);
    let one = dev.tensor([0.4, -0.7]);
    let shared = one.clone().traced(Gradients::leaky()).broadcast::<Rank2<2, 2>, Axis<0>>();
    let gradients = pdf.given(shared).unwrap().log_prob(&X).unwrap().mean::<(), _>().backward();
    let exact = gradients.get(&one).array();
    for k in 0..2 {
        let at = |h: f64| {
            let mut f = [0.4, -0.7];
            f[k] += h;
            pdf.given(&[f; 2]).unwrap().log_prob(&X).unwrap().mean::<(), _>().array()
        };
        assert!((exact[k] - (at(1e-5) - at(-1e-5)) / 2e-5).abs() < 1e-7);
    }
}
