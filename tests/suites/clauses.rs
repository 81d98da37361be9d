//! The clauses of the notation at work: lists of features, hidden layers for each manifold, low rank, names, own layers.

#[path = "../common/mod.rs"]
mod common;

use common::{check_weights, excite};
use dfdx::prelude::*;
use flow_runtime::{Built, flow};
use rand::SeedableRng;
use rand::rngs::StdRng;

type Lists = flow!(e2 + s1 + s2 : gg + y(add_rotation = 1) + f | cond (2, 3, 1), hidden (6, 5-4, 3));
type LowRank = flow!(e3 + s2 : gt + f | cond 6, hidden 40-30, rank 2);

flow! {
    /// A vertex and a direction.
    pub struct Event = vertex@e3 + direction@s2 : gt + f | cond 2, hidden 8
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

type Beside = flow!(e2 + s1 : t + y(add_rotation = 1) | cond 2, hidden 5-3, highway 1);
type Parallel = flow!(e2 + s1 : t + y(add_rotation = 1) | cond 2, hidden 5-3-4, highway 2, rank 1);
type Sums = flow!(e2 + s1 : t + y(add_rotation = 1) | cond 2, hidden 5-3-4, highway 3);
type Both = flow!(e2 + s1 : t + y(add_rotation = 1) | cond 2, hidden 5-3-4, highway (4, 0), rank (2, 0));
type Linear1 = flow!(e2 + s1 : t + y(add_rotation = 1) | cond 2, hidden none);
type Outer = flow!(e2 + s1 : t + y(add_rotation = 1) | cond 2, hidden 3, amortize 4-3(highway = 1), poisson);

const PLACE: [[f64; 3]; 2] = [[0.3, -0.8, 2.0], [1.2, 0.1, 5.0]];

/// Gradients by all weights and by the features equal differences, whatever the networks.
macro_rules! networks {
    ($($name:ident: $flow:ty = $weights:expr;)*) => {$(
        #[test]
        fn $name() {
            let dev = Cpu::seed_from_u64(2);
            let mut pdf = dev.build_module::<$flow, f64>();
            assert_eq!(pdf.num_trainable_params(), $weights);
            excite(&mut pdf);
            let features = [[0.3, -0.2], [1.0, 0.8]];
            let f = dev.tensor(features);
            let traced = f.clone().traced(Gradients::leaky());
            let mut gradients = pdf.given(traced).unwrap().log_prob(&PLACE).unwrap().mean::<(), _>().backward();
            check_weights(&pdf, &mut gradients, 1, |pdf| {
                pdf.given(&features).unwrap().log_prob(&PLACE).unwrap().mean::<(), _>().array()
            });
            let exact = gradients.get(&f).array();
            for (row, k) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let at = |h: f64| {
                    let mut f = features;
                    f[row][k] += h;
                    pdf.given(&f).unwrap().log_prob(&PLACE).unwrap().mean::<(), _>().array()
                };
                assert!((exact[row][k] - (at(1e-5) - at(-1e-5)) / 2e-5).abs() < 1e-7);
            }
            // Samples carry the density of evaluation, and their gradients the same networks.
            let sample = pdf.given(&features).unwrap().sample(&mut StdRng::seed_from_u64(3)).unwrap();
            let again = pdf.given(&features).unwrap().log_prob(&sample.points).unwrap().as_vec();
            again.iter().zip(sample.log_prob.as_vec()).for_each(|(a, b)| assert!((a - b).abs() < 1e-9));
            let traced = f.clone().traced(Gradients::leaky());
            let sample = pdf.given(traced).unwrap().rsample(&mut StdRng::seed_from_u64(3)).unwrap();
            let mut gradients = sample.combine(|x, p| x.mean::<(), _>() + p.mean::<(), _>()).backward();
            check_weights(&pdf, &mut gradients, 1, |pdf| {
                let sample = pdf.given(&features).unwrap().sample(&mut StdRng::seed_from_u64(3)).unwrap();
                sample.points.into_data().mean::<(), _>().array() + sample.log_prob.mean::<(), _>().array()
            });
        }
    )*};
}

networks! {
    // t on e2 has 4 parameters, y with a rotation 4 on the circle; the second network reads 2 features and 2 coordinates.
    a_highway_beside_a_network: Beside = (2 * 5 + 5 + 5 * 3 + 3 + 3 * 4 + 2 * 4 + 4) + (4 * 5 + 5 + 5 * 3 + 3 + 3 * 4 + 4 * 4 + 4);
    nets_beside_each_other: Parallel =
        ((2 + 5 + 5) + (5 + 4) + (2 * 3 - 1 + 3) + (3 + 4) + (2 + 4 + 4) + (4 + 4) + (2 + 4) + 4)
            + ((4 + 5 + 5) + (5 + 4) + (4 + 3 + 3) + (3 + 4) + (4 + 4 + 4) + (4 + 4) + (4 + 4) + 4);
    nets_that_read_the_sum: Sums = ((2 * 5 + 5 + 5 * 4) + (4 * 3 + 3 + 3 * 4) + (4 * 4 + 4 + 4 * 4) + 2 * 4 + 4)
        + ((4 * 5 + 5 + 5 * 4) + (4 * 3 + 3 + 3 * 4) + (4 * 4 + 4 + 4 * 4) + 4 * 4 + 4);
    nets_that_read_both: Both = pdf_weights_of_both();
    no_hidden_layers: Linear1 = (2 * 4 + 4) + (4 * 4 + 4);
    one_outer_network: Outer = outer_weights();
}

/// Rank 2 helps only where 2 (inputs + outputs) < inputs x outputs: in the matrices 5 -> 4 and 6 -> 4.
fn pdf_weights_of_both() -> usize {
    let first = 2 * 5 + 5 + 2 * (5 + 4);
    let second = 6 * 3 + 3 + 3 * 4;
    let third = 2 * (6 + 4) + 4 + 4 * 4;
    let plain = 4 * 5 + 5 + 5 * 3 + 3 + 3 * 4 + 4 + 4 * 4 + 4;
    first + second + third + 2 * 4 + 4 + plain
}

/// 4 parameters of t, the inner network 2 -> 3 -> 4 with its biases, and the log-mean.
fn outer_weights() -> usize {
    let outputs = 4 + (2 * 3 + 3 + 3 * 4 + 4) + 1;
    2 * 4 + 4 + 4 * 3 + 3 + 3 * outputs + 2 * outputs + outputs
}

/// Numbers of the package for a density whose every parameter is given (layers.md 15).
#[test]
fn given_parameters_are_those_of_the_package() {
    let dev = Cpu::default();
    type All = flow!(e1 + s1 + s2 + i1 : gg + m + f + r | hidden 6, amortize);
    type Two = flow!(e2 + s2 : ggt + ff | hidden 6, amortize);
    fn params<const N: usize>() -> [[f64; N]; 1] {
        [core::array::from_fn(|j| 0.6 * (1.0 + 1.3 * j as f64).sin())]
    }
    let pdf = dev.build_module::<All, f64>();
    assert_eq!(pdf.num_trainable_params(), 0);
    let parts = pdf.given(&params::<463>()).unwrap().evaluate(&[[0.7, 2.2, 1.1, 4.0, 0.37]]).unwrap();
    assert!((parts.log_prob.array()[0] + 8.65947095662).abs() < 1e-10);
    let base = [0.506982463324, 0.178739282084, -0.629194898823, -0.57180466125, -1.05156359251];
    parts.base.array()[0].iter().zip(base).for_each(|(a, b)| assert!((a - b).abs() < 1e-10, "{a} {b}"));
    let pdf = dev.build_module::<Two, f64>();
    let parts = pdf.given(&params::<290>()).unwrap().evaluate(&[[0.7, -1.3, 1.1, 4.0]]).unwrap();
    assert!((parts.log_prob.array()[0] + 7.40259691524).abs() < 1e-10);
    let base = [-0.023476825424, 0.635651725512, 0.55508016412, -1.02911027097];
    parts.base.array()[0].iter().zip(base).for_each(|(a, b)| assert!((a - b).abs() < 1e-10, "{a} {b}"));
}

/// The sampling direction of the same numbers.
#[test]
fn given_parameters_lead_where_those_of_the_package_lead() {
    use flow_runtime::kernels::{Blocks, Coordinates, Job, generate};
    use flow_runtime::module::Spec;
    fn lead<S: Spec>(base: &[f64], expected: &[f64], density: f64) {
        let features: Vec<f64> =
            (0..<S::Blocks as Blocks>::GIVEN).map(|j| 0.6 * (1.0 + 1.3 * j as f64).sin()).collect();
        let (mut x, mut log_prob) = (vec![0.0; base.len()], [0.0]);
        let feature_count = features.len();
        let coordinates = Coordinates::Intrinsic;
        let job = Job { weights: &[], features: &features, feature_count, repeat: 1, coordinates, pool: None };
        generate::<S::Blocks, f64>(job, base, &mut x, &mut log_prob).unwrap();
        x.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-9, "{a} {b}"));
        assert!((log_prob[0] - density).abs() < 1e-9, "{} {density}", log_prob[0]);
    }
    lead::<flow!(e1 + s1 + s2 + i1 : gg + m + f + r | hidden 6, amortize)>(
        &[0.4, -0.9, 0.3, 1.1, -0.2],
        &[0.484209268549, 4.42921137823, 1.20698371301, 4.65027339693, 0.671102456171],
        -5.0779562025,
    );
    lead::<flow!(e2 + s2 : ggt + ff | hidden 6, amortize)>(
        &[0.4, -0.9, 0.3, 1.1],
        &[-2.7085628201, 0.617072181592, 2.60354363015, 4.23288908988],
        -6.78102651353,
    );
}

/// Data start an outer network as they start free parameters: what its chains would have is its last bias.
#[test]
fn data_start_an_outer_network() {
    let dev = Cpu::seed_from_u64(4);
    let mut pdf = dev.build_module::<flow!(e2 + e1 : t + t | cond 2, hidden 3, amortize 8), f64>();
    let mut alone = dev.build_module::<flow!(e2 + e1 : t + t), f64>();
    let points: Vec<[f64; 3]> =
        (0..200).map(|i| i as f64).map(|i| [7.0 + i.sin(), 0.1 * (2.0 * i).cos(), -3.0]).collect();
    pdf.initialize_from(&points, 1).unwrap();
    alone.initialize_from(&points, 1).unwrap();
    let x = [[7.2, 0.05, -3.0]];
    let (a, b) = (pdf.given(&[[0.3, 0.1]]).unwrap().log_prob(&x).unwrap(), alone.log_prob(&x).unwrap());
    assert!((a.array()[0] - b.array()[0]).abs() < 0.1, "{} {}", a.array()[0], b.array()[0]);
}

/// Given parameters are nobody's to start.
#[test]
fn data_start_no_given_parameters() {
    let mut pdf = Cpu::default().build_module::<flow!(e2 : t | amortize), f64>();
    let error = pdf.initialize_from(&[[0.3, -0.2], [1.0, 0.4]], 1).unwrap_err().to_string();
    assert!(error.contains("no parameters of its own") && error.contains("write `cond`"), "{error}");
}

/// All kinds of networks in `f32`: the numbers of `f64` with the same weights, to the rounding of sums of some ten terms.
#[test]
fn networks_in_f32_are_those_in_f64() {
    macro_rules! narrowed {
        ($($flow:ty),*) => {$({
            let mut wide = Cpu::seed_from_u64(2).build_module::<$flow, f64>();
            excite(&mut wide);
            let mut narrow = Cpu::default().build_module::<$flow, f32>();
            narrow.set_flat_weights(&wide.flat_weights().iter().map(|w| *w as f32).collect::<Vec<_>>()).unwrap();
            let of_wide = wide.given(&[[0.3, -0.2], [1.0, 0.8]]).unwrap().log_prob(&PLACE).unwrap().as_vec();
            let place = PLACE.map(|row| row.map(|x| x as f32));
            let of_narrow = narrow.given(&[[0.3_f32, -0.2], [1.0, 0.8]]).unwrap().log_prob(&place).unwrap().as_vec();
            for (a, b) in of_wide.iter().zip(of_narrow) {
                assert!((a - f64::from(b)).abs() < 1e-5 * (1.0 + a.abs()), "{}: {a} {b}", stringify!($flow));
            }
        })*};
    }
    narrowed!(Beside, Parallel, Sums, Both, Linear1, Outer);
    let mut wide = Cpu::seed_from_u64(2).build_module::<Outer, f64>();
    excite(&mut wide);
    let mut narrow = Cpu::default().build_module::<Outer, f32>();
    narrow.set_flat_weights(&wide.flat_weights().iter().map(|w| *w as f32).collect::<Vec<_>>()).unwrap();
    let (a, b) = (wide.given(&[[0.3, -0.2]]).unwrap().log_mean(), narrow.given(&[[0.3_f32, -0.2]]).unwrap().log_mean());
    let (a, b) = (a.unwrap().array()[0], f64::from(b.unwrap().array()[0]));
    assert!((a - b).abs() < 1e-5 * (1.0 + a.abs()), "{a} {b}");
}

/// An outer network starts where the density would start alone: near the same density for all features.
#[test]
fn an_outer_network_starts_at_the_parameters_of_its_chains() {
    let dev = Cpu::seed_from_u64(4);
    let pdf = dev.build_module::<flow!(e2 + e1 : t + t | cond 2, amortize 8), f64>();
    let alone = dev.build_module::<flow!(e2 + e1 : t + t), f64>();
    let x = [[0.3, -1.2, 0.4]];
    let (a, b) = (pdf.given(&[[0.3, 0.1]]).unwrap().log_prob(&x).unwrap(), alone.log_prob(&x).unwrap());
    assert!((a.array()[0] - b.array()[0]).abs() < 0.05, "{} {}", a.array()[0], b.array()[0]);
}

#[test]
fn names_become_accessors_and_the_notation_is_kept() {
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
