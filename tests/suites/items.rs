//! Flows as items: names of manifolds on samples, rows, tapes and marginals; constants; the table that a flow prints.

use dfdx::prelude::*;
use flow_runtime::estimators::{self, Estimate};
use flow_runtime::module::{Numbers, Spec};
use flow_runtime::{Density, Notation, flow};
use rand::{RngExt, SeedableRng, rngs::StdRng};

flow! {
    /// Direction first, so that columns differ between the two kinds of coordinates.
    pub struct Event = direction@s2 + vertex@e3 + share@a2 : f + gt(num_kde = 5) + w | cond 4, hidden 8
}

flow! { struct Free = place@s2 + e1 + e1 : y(add_rotation = 1) + t + t | poisson, hidden 3 }

flow! { struct Outer = a@e1 + b@e1 : t + t | cond 2, amortize 5, hidden 2 }

type Unnamed = flow!(s2 + e1 : y(add_rotation = 1) + t | cond 3, hidden none);

fn seeded() -> StdRng {
    StdRng::seed_from_u64(1)
}

/// Columns of rows, taken by hand.
fn by_hand(rows: &[f64], columns: usize, start: usize, len: usize) -> Vec<f64> {
    rows.chunks_exact(columns).flat_map(|row| row[start..start + len].to_vec()).collect()
}

#[test]
fn samples_have_their_columns_by_name_in_both_coordinates() {
    let pdf = Cpu::default().build_module::<Event, f64>();
    let given = pdf.given(&[[0.1, -0.2, 0.3, 0.4], [1.0, 0.5, -1.0, 0.0]]).unwrap();

    let sample = given.sample(&mut seeded()).unwrap();
    let rows = sample.points.as_vec();
    let (direction, vertex, share) = (sample.direction(), sample.vertex(), sample.share());
    let _: [[[f64; 2]; 2]; 2] = [direction.array(), share.array()];
    let _: [[f64; 3]; 2] = vertex.array();
    assert_eq!(direction.as_vec(), by_hand(&rows, 7, 0, 2));
    assert_eq!(vertex.as_vec(), by_hand(&rows, 7, 2, 3));
    assert_eq!(share.as_vec(), by_hand(&rows, 7, 5, 2));

    let sample = given.sample_n_embedded(5, &mut seeded()).unwrap();
    let rows = sample.points.as_vec();
    let (direction, vertex, share) = (sample.direction(), sample.vertex(), sample.share());
    assert_eq!(direction.shape(), &(Const::<2>, 5, Const::<3>));
    assert_eq!(direction.as_vec(), by_hand(&rows, 9, 0, 3));
    assert_eq!(vertex.as_vec(), by_hand(&rows, 9, 3, 3));
    assert_eq!(share.as_vec(), by_hand(&rows, 9, 6, 3));
    for n in direction.as_vec().chunks_exact(3) {
        assert!((n.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn rows_are_made_of_parts_and_taken_apart_by_name() {
    let rows = [
        Event::point([1.1, 4.0], [0.3, -1.2, 0.5], [0.2, 0.3]),
        Event::point([2.0, 0.3], [0.0, 0.7, -0.2], [0.5, 0.1]),
    ];
    assert_eq!(rows[1], [2.0, 0.3, 0.0, 0.7, -0.2, 0.5, 0.1]);
    assert_eq!(Event::points(&rows).vertex(), [[0.3, -1.2, 0.5], [0.0, 0.7, -0.2]]);
    assert_eq!(Event::points(&rows[..]).share(), vec![[0.2, 0.3], [0.5, 0.1]]);
    assert_eq!(Event::points(&rows.to_vec()).share(), vec![[0.2, 0.3], [0.5, 0.1]]);
    assert_eq!(Event::points(rows[0]).direction(), [1.1, 4.0]);
    let tensor = Cpu::default().tensor(rows);
    assert_eq!(Event::points(&tensor).vertex().array(), [[0.3, -1.2, 0.5], [0.0, 0.7, -0.2]]);
    let embedded = [0.0, 0.6, 0.8, 1.0, 2.0, 3.0, 0.5, 0.3, 0.2];
    let points = Event::embedded_points(embedded);
    assert_eq!(
        (points.direction(), points.vertex(), points.share()),
        ([0.0, 0.6, 0.8], [1.0, 2.0, 3.0], [0.5, 0.3, 0.2])
    );
    assert_eq!(points.into_rows(), embedded);
}

/// Of parts on a tape, each used twice, the gradient by the weights is the one of the whole points.
#[test]
fn parts_on_a_tape_pass_gradients_on() {
    let dev = Cpu::default();
    let mut pdf = dev.build_module::<Event, f64>();
    // The last matrices of networks start at zero, where features have no effect.
    let mut rng = seeded();
    let excited: Vec<f64> = pdf.flat_weights().iter().map(|w| w + 0.1 * (rng.random::<f64>() - 0.5)).collect();
    pdf.set_flat_weights(&excited).unwrap();
    let features = dev.tensor([[0.1, -0.2, 0.3, 0.4], [1.0, 0.5, -1.0, 0.0]]);
    let weights = dev.tensor([1.0, -2.0, 0.5, 0.5, 0.5, 3.0, 3.0]).broadcast::<Rank2<2, 7>, Axis<0>>();
    let gradient = |named: bool| {
        let given = pdf.given(features.clone().traced(Gradients::leaky())).unwrap();
        let sample = given.rsample(&mut seeded()).unwrap();
        let mut gradients = if named {
            sample.combine_named(|at, log_prob| {
                let direction = at.direction() * dev.tensor([1.0, -2.0]).broadcast::<Rank2<2, 2>, Axis<0>>();
                let again = (at.vertex() + at.vertex()) * 0.25;
                let share = at.share() * 3.0;
                let sum = |x: Tensor<(Const<2>,), f64, Cpu, OwnedTape<f64, Cpu>>| x.sum::<(), _>();
                sum(direction.sum::<_, Axis<1>>())
                    + sum(again.sum::<_, Axis<1>>())
                    + sum(share.sum::<_, Axis<1>>())
                    + sum(log_prob)
            })
        } else {
            sample.combine(|points, log_prob| (points * weights.clone()).sum::<(), _>() + log_prob.sum::<(), _>())
        }
        .backward();
        (flow_runtime::trainers::flat_gradient(&pdf, &mut gradients).unwrap(), gradients.get(&features).as_vec())
    };
    let (named, whole) = (gradient(true), gradient(false));
    for (a, b) in named.0.iter().chain(&named.1).zip(whole.0.iter().chain(&whole.1)) {
        assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{a} {b}");
    }
    assert!(named.0.iter().any(|g| g.abs() > 1e-3) && named.1.iter().any(|g| g.abs() > 1e-3));
}

#[test]
fn marginals_by_name_are_those_by_number() {
    let pdf = Cpu::default().build_module::<Event, f64>();
    let given = pdf.given(&[[0.1, -0.2, 0.3, 0.4], [1.0, 0.5, -1.0, 0.0]]).unwrap();

    // The first manifold: exact, and what the estimator gives at whole points.
    let directions = [[0.0, 0.6, 0.8], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.6, 0.0, -0.8]];
    let named = given.marginal_direction().log_prob_embedded(&directions, 2, &mut seeded()).unwrap();
    let rows: Vec<f64> =
        directions.iter().flat_map(|n| n.iter().copied().chain([0.0, 0.0, 0.0, 0.2, 0.3, 0.5])).collect();
    assert_eq!(named, estimators::marginal_log_prob(&given, &rows, &[Event::DIRECTION], 2, &mut seeded()).unwrap());

    // A later one: within the errors of two means.
    let vertices = [[0.1, 0.2, 0.3], [-1.0, 0.0, 0.5]];
    let mean = |seed: u64| {
        let mut rng = StdRng::seed_from_u64(seed);
        given.marginal_vertex().log_prob_embedded(&vertices, 400, &mut rng).unwrap()
    };
    let runs: Vec<Vec<f64>> = (0..8).map(mean).collect();
    let rows: Vec<f64> =
        (0..2).flat_map(|i| [&[0.0, 0.6, 0.8], &vertices[i], &[0.2, 0.3, 0.5]].map(|x| x.to_vec()).concat()).collect();
    let other = estimators::marginal_log_prob(&given, &rows, &[Event::VERTEX], 4000, &mut seeded()).unwrap();
    for (i, other) in other.iter().enumerate() {
        let found = Estimate::of(&runs.iter().map(|run| run[i]).collect::<Vec<_>>());
        assert!(found.pull(*other).abs() < 6.0, "{found:?} {other}");
    }

    let vertices: Vec<[f64; 3]> = given.marginal_vertex().sample(3, &mut seeded()).unwrap();
    let drawn = given.sample_rows(3, &mut seeded()).unwrap().points;
    assert_eq!(vertices.concat(), by_hand(&drawn, 7, 2, 3));
    let entropy = given.marginal_direction().entropy(10, 2, &mut seeded()).unwrap();
    assert_eq!(entropy, estimators::marginal_entropy(&given, &[0], 10, 2, &mut seeded()).unwrap());

    // Three points cannot be shared out over two conditions.
    let wrong = given.marginal_direction().log_prob_embedded(&directions[..3], 2, &mut seeded()).unwrap_err();
    assert!(wrong.to_string().contains("`points`"), "{wrong}");
}

#[test]
fn constants_are_what_is_built() {
    let pdf = Cpu::default().build_module::<Event, f64>();
    assert_eq!(Event::NOTATION, "direction@s2 + vertex@e3 + share@a2 : f + gt(num_kde = 5) + w | cond 4, hidden 8");
    assert_eq!(Event::NOTATION, <Event as Notation>::NOTATION);
    assert_eq!([Event::DIM, Event::EMBEDDED_DIM, Event::FEATURES], [7, 9, 4]);
    assert_eq!(Event::PARAMS, pdf.num_trainable_params());
    assert_eq!(Event::PARAMS, Event::DIRECTION_PARAMS + Event::VERTEX_PARAMS + Event::SHARE_PARAMS);
    let summary = pdf.summary();
    let layers = |k: usize| summary.blocks[k].letters.iter().map(|letter| letter.params).sum::<usize>();
    assert_eq!(
        [Event::DIRECTION_LAYER_PARAMS, Event::VERTEX_LAYER_PARAMS, Event::SHARE_LAYER_PARAMS],
        [0, 1, 2].map(layers)
    );
    assert_eq!([Event::DIRECTION, Event::VERTEX, Event::SHARE], [0, 1, 2]);
    // What documentation shows.
    let shown: (<Event as Numbers>::LayerParams, <Event as Numbers>::Params, <Event as Numbers>::Total) =
        (([(); 10], [(); 60], [(); 8316]), ([(); 130], [(); 604], [(); 74932]), [(); 75666]);
    assert_eq!(shown.2.len(), Event::PARAMS);
    let spaces = pdf.given(&[[0.0; 4]]).unwrap().manifolds();
    let columns = [Event::DIRECTION_COLUMNS, Event::VERTEX_COLUMNS, Event::SHARE_COLUMNS];
    assert!(columns.iter().zip(&spaces).all(|(columns, space)| *columns == space.columns));

    // Manifolds without a name are called by what they are, and by their place where that is not enough.
    assert_eq!((Free::PLACE, Free::PLACE_PARAMS), (0, Free::PLACE_LAYER_PARAMS));
    assert_eq!(Free::PARAMS, Free::PLACE_PARAMS + Free::E1_1_PARAMS + Free::E1_2_PARAMS + 1);
    assert_eq!((Free::FEATURES, Free::PARAMS), (0, Cpu::default().build_module::<Free, f64>().num_trainable_params()));
    assert_eq!((Outer::A_PARAMS, Outer::B_PARAMS), (0, 0));
    assert_eq!(Outer::PARAMS, Cpu::default().build_module::<Outer, f64>().num_trainable_params());

    // The same where a type stands, and for code that is generic.
    fn sizes<S: Spec>() -> [usize; 4] {
        [S::DIM, S::EMBEDDED_DIM, S::FEATURES, S::PARAMS]
    }
    let own = [Unnamed::DIM, Unnamed::EMBEDDED_DIM, Unnamed::FEATURES, Unnamed::PARAMS];
    assert_eq!(own, sizes::<Unnamed>());
    assert_eq!(own, [3, 4, 3, Cpu::default().build_module::<Unnamed, f64>().num_trainable_params()]);
    assert_eq!(sizes::<Event>(), [7, 9, 4, Event::PARAMS]);
}

#[test]
fn a_flow_prints_its_structure() {
    let dev = Cpu::default();
    // By hand: g has 3 * 3 * 5 numbers of mixtures and 3 * 3 of reflections, t 3 widths and 3 offsets; networks
    // read 4 features and 0, 3 and 6 embedded coordinates.
    let event = "\
Event: 7 coordinates given 4 features
                     layer parameters    trained
direction@s2
  f                                10
  network 4-8-10                             130
vertex@e3
  g(num_kde = 5)                   54
  t                                 6
  network 7-8-60                             604
share@a2
  w                              8316
  network 10-8-8316                        74932
total                            8386      75666";
    assert_eq!(dev.build_module::<Event, f64>().to_string(), event);
    assert_eq!(Event::structure(), event);
    assert_eq!(
        dev.build_module::<Free, f64>().to_string(),
        "\
Free: 4 coordinates
                         layer parameters    trained
place@s2
  y(add_rotation = 1)                   9
  free parameters                                  9
e1
  t                                     2
  network 3-3-2                                   20
e1
  t                                     2
  network 4-3-2                                   23
log-mean: a free number                            1
total                                  13         53"
    );
    assert_eq!(
        dev.build_module::<Outer, f32>().to_string(),
        "\
Outer: 2 coordinates given 2 features
                                                  layer parameters    trained
network 2-5-12 for all that is given                                       87
a@e1
  t                                                              2
  parameters, 2 numbers given for each point
b@e1
  t                                                              2
  network 1-2-2, 10 numbers given for each point
total                                                            4         87"
    );
    assert_eq!(
        Unnamed::structure(),
        "\
Flow: 3 coordinates given 3 features
                       layer parameters    trained
s2
  y(add_rotation = 1)                 9
  network 3-9                                   36
e1
  t                                   2
  network 6-2                                   14
total                                11         50"
    );
    assert_eq!(dev.build_module::<Unnamed, f64>().to_string(), Unnamed::structure());
}
