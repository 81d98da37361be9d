//! Layer c against its laws, at tolerances below those of the laws.

use super::*;
use crate::layers::ChainType;
use crate::layers::laws::{self, Tolerance, check};
use crate::numeric::{Lanes, Pack};
use flow_notation::Text;
use flow_notation::settings::c;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::StandardNormal;

const fn text<const N: usize>(text: &[u8; N]) -> u128 {
    let (mut code, mut i) = (0, N);
    while i > 0 {
        i -= 1;
        code = code << 8 | text[i] as u128;
    }
    code
}

const SIX: u128 = text(b"6");
const FIVE_FOUR: u128 = text(b"5-4");
const TIGHT: u128 = 1e-11_f64.to_bits() as u128;

type Small<Rest = ()> = c::cnf_network_hidden_dims<SIX, Rest>;
type Deep<Rest = ()> = c::cnf_network_hidden_dims<FIVE_FOUR, Rest>;
type Tight<Rest = ()> = c::rtol<TIGHT, c::atol<TIGHT, Rest>>;
type Rk4<Rest = ()> = c::solver<1, c::steps<80, Rest>>;
type Adjoint<Rest = ()> = c::gradients<1, Rest>;
type Probes<const K: u128, Rest = ()> = c::divergence<1, c::probes<K, Rest>>;
type One<O> = (ContinuousFlow<O>, ());

/// The layer of a manifold.
fn flow<M: FlowSpace, O: Options<ContinuousOptions>>() -> VelocityFlow {
    VelocityFlow::new(M::EMBED, M::SPHERE, O::VALUE)
}

fn normals(rng: &mut StdRng, n: usize) -> Vec<f64> {
    (0..n).map(|_| rng.sample(StandardNormal)).collect()
}

// ---- the field ---------------------------------------------------------------------------------------------------

struct Trial {
    weights: Vec<f64>,
    y: Vec<f64>,
    t: f64,
}

fn shape(n: usize, sphere: bool, probes: Option<usize>) -> Shape {
    Shape::new(n, sphere, probes, HiddenDims::new(Text::from_code(FIVE_FOUR)).network(n + 1, n))
}

fn trial(shape: &Shape, seed: u64) -> Trial {
    let mut rng = StdRng::seed_from_u64(seed);
    let weights = normals(&mut rng, shape.params());
    let mut y = normals(&mut rng, shape.n);
    if shape.sphere {
        solve::onto_sphere(&mut y);
    }
    Trial { weights, y, t: 0.3 }
}

fn evaluate(shape: Shape, weights: &[f64], t: f64, y: &[f64]) -> (Vec<f64>, [f64; RATES], Vec<f64>) {
    let (mut block, mut v) = (vec![0.0; shape.block()], vec![0.0; shape.n]);
    let rates = Field { shape, weights, penalised: true }.evaluate(t, y, &mut block, &mut v);
    // The rates that are asked for alone are the same.
    let (mut again, mut other) = (vec![0.0; shape.block()], vec![0.0; shape.n]);
    let [divergence, ..] = Field { shape, weights, penalised: false }.evaluate(t, y, &mut again, &mut other);
    assert!((divergence - rates[0]).abs() < 1e-13 && other == v);
    (v, rates, block)
}

fn difference(mut f: impl FnMut(f64) -> f64) -> f64 {
    (8.0 * (f(1e-3) - f(-1e-3)) - f(2e-3) + f(-2e-3)) / 12e-3
}

/// The derivative of the velocity by differences, along the sphere where it is one.
fn jacobian(shape: Shape, Trial { weights, y, t }: &Trial) -> Vec<Vec<f64>> {
    let n = shape.n;
    let along = |j: usize, h: f64| {
        let mut moved = y.clone();
        moved[j] += h;
        if shape.sphere {
            solve::onto_sphere(&mut moved);
        }
        evaluate(shape, weights, *t, &moved).0
    };
    let mut rows: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| difference(|h| along(j, h)[i])).collect()).collect();
    if shape.sphere {
        // The part of each column along the sphere.
        for j in 0..n {
            let normal: f64 = (0..n).map(|i| y[i] * rows[i][j]).sum();
            (0..n).for_each(|i| rows[i][j] -= normal * y[i]);
        }
    }
    rows
}

#[test]
fn rates_are_those_of_the_derivative() {
    for (n, sphere) in [(1, false), (2, false), (3, false), (2, true), (3, true), (4, true)] {
        let shape = shape(n, sphere, None);
        let trial = trial(&shape, 1 + n as u64);
        let (v, [divergence, energy, norm], _) = evaluate(shape, &trial.weights, trial.t, &trial.y);
        let rows = jacobian(shape, &trial);
        let trace: f64 = (0..n).map(|i| rows[i][i]).sum();
        let squares: f64 = rows.iter().flatten().map(|x| x * x).sum();
        assert!((divergence - trace).abs() < 1e-9, "{n} {sphere}: {divergence} {trace}");
        assert!((norm - squares).abs() < 1e-8, "{n} {sphere}: {norm} {squares}");
        assert!((energy - v.iter().map(|v| v * v).sum::<f64>()).abs() < 1e-13);
        if sphere {
            let normal: f64 = v.iter().zip(&trial.y).map(|(v, y)| v * y).sum();
            assert!(normal.abs() < 1e-14);
        }
    }
}

/// The mean over all sign patterns would be the trace; these directions add the entries that the documentation names.
#[test]
fn probes_give_the_trace_and_the_entries_that_alias() {
    for (n, probes, sphere) in [(3, 4, false), (3, 4, true), (4, 4, true), (2, 2, false), (5, 2, false), (4, 1, false)]
    {
        let exact = shape(n, sphere, None);
        let trial = trial(&exact, 7);
        let few = shape(n, sphere, Some(probes));
        let (_, [truth, _, norm], _) = evaluate(exact, &trial.weights, trial.t, &trial.y);
        let (_, [found, _, found_norm], _) = evaluate(few, &trial.weights, trial.t, &trial.y);
        let mut expected = truth;
        if probes < n {
            let rows = jacobian(exact, &trial);
            for i in 0..n {
                for j in (0..n).filter(|j| *j != i && (i ^ *j) % probes == 0) {
                    expected += few.direction(i, 0) * few.direction(j, 0) * rows[i][j];
                }
            }
            assert!((expected - truth).abs() > 1e-3);
        } else {
            assert!((norm - found_norm).abs() < 1e-12);
        }
        assert!((found - expected).abs() < 1e-9, "{n} {probes}: {found} {expected}");
    }
}

#[test]
fn derivatives_of_the_field_equal_differences() {
    for penalised in [false, true] {
        for (n, sphere, probes) in [
            (1, false, None),
            (3, false, None),
            (3, true, None),
            (2, true, None),
            (4, true, Some(2)),
            (3, false, Some(2)),
        ] {
            let shape = shape(n, sphere, probes);
            let Trial { weights, mut y, t } = trial(&shape, 3);
            // Stages of a step lie off the sphere.
            y.iter_mut().for_each(|y| *y *= 1.1);
            let mut rng = StdRng::seed_from_u64(9);
            let cot_v = normals(&mut rng, n);
            let cot_rates = if penalised { [0.7, -0.4, 0.3] } else { [0.7, 0.0, 0.0] };
            let value = |weights: &[f64], y: &[f64]| {
                let (mut block, mut v) = (vec![0.0; shape.block()], vec![0.0; n]);
                let rates = Field { shape, weights, penalised }.evaluate(t, y, &mut block, &mut v);
                v.iter().chain(&rates).zip(cot_v.iter().chain(&cot_rates)).map(|(a, b)| a * b).sum::<f64>()
            };
            let field = Field { shape, weights: &weights, penalised };
            let (mut block, mut v) = (vec![0.0; shape.block()], vec![0.0; n]);
            field.evaluate(t, &y, &mut block, &mut v);
            let (mut cot_y, mut cot_weights) = (vec![0.0; n], vec![0.0; weights.len()]);
            let mut back = vec![0.0; shape.back()];
            field.pull(&block, &cot_v, cot_rates, &mut cot_y, Some(&mut cot_weights), &mut back);
            let name = format!("{n} {sphere} {probes:?} {penalised}");
            for i in 0..n {
                let moved = difference(|h| {
                    let mut y = y.clone();
                    y[i] += h;
                    value(&weights, &y)
                });
                assert!((moved - cot_y[i]).abs() < 1e-8 * (1.0 + moved.abs()), "{name}: y {i}, {} {moved}", cot_y[i]);
            }
            for i in 0..weights.len() {
                let moved = difference(|h| {
                    let mut weights = weights.clone();
                    weights[i] += h;
                    value(&weights, &y)
                });
                let off = (moved - cot_weights[i]).abs();
                assert!(off < 1e-8 * (1.0 + moved.abs()), "{name}: weight {i}, {} {moved}", cot_weights[i]);
            }
        }
    }
}

// ---- the layer ---------------------------------------------------------------------------------------------------

#[test]
fn counts() {
    fn params<M: FlowSpace, O: Options<ContinuousOptions>>() -> usize
    where
        ContinuousFlow<O>: LayerType<M>,
    {
        <ContinuousFlow<O> as LayerType<M>>::PARAMS
    }
    // layers.md 8.3: 4 * 32 + 32 + 32 * 3 + 3.
    assert_eq!(params::<Sphere2, ()>(), 259);
    assert_eq!(params::<Sphere2, c::cnf_network_hidden_dims<{ text(b"8") }>>(), 67);
    assert_eq!(params::<Euclidean<2>, ()>(), 3 * 32 + 32 + 32 * 2 + 2);
    assert_eq!(params::<Circle, Deep>(), 3 * 5 + 5 + 5 * 4 + 4 + 4 * 2 + 2);
}

#[test]
fn laws_with_fixed_steps() {
    check::<Euclidean<1>, One<Small<Rk4>>>(1, 2, 0.5, Tolerance::F64).unwrap();
    check::<Euclidean<2>, One<Deep<Rk4>>>(2, 2, 0.5, Tolerance::F64).unwrap();
    check::<Circle, One<Small<Rk4>>>(3, 2, 0.5, Tolerance::F64).unwrap();
    check::<Sphere2, One<Deep<Rk4>>>(4, 2, 0.5, Tolerance::F64).unwrap();
}

#[test]
fn laws_with_error_control() {
    check::<Euclidean<1>, One<Deep<Tight>>>(5, 2, 0.5, Tolerance::F64).unwrap();
    check::<Euclidean<3>, One<Small<Tight>>>(6, 2, 0.5, Tolerance::F64).unwrap();
    check::<Sphere<3>, One<Small<Tight>>>(16, 2, 0.5, Tolerance::F64).unwrap();
    check::<Circle, One<Deep<Tight>>>(7, 2, 0.5, Tolerance::F64).unwrap();
    check::<Sphere2, (ContinuousFlow<Small<Tight>>, One<Small<Tight>>)>(8, 2, 0.5, Tolerance::F64).unwrap();
}

#[test]
fn laws_with_the_adjoint_equation() {
    check::<Euclidean<2>, One<Deep<Adjoint<Rk4>>>>(9, 2, 0.5, Tolerance::F64).unwrap();
    check::<Euclidean<2>, One<Small<Adjoint<Tight>>>>(10, 2, 0.5, Tolerance::F64).unwrap();
    check::<Circle, One<Small<Adjoint<Tight<c::checkpoints<1>>>>>>(11, 2, 0.5, Tolerance::F64).unwrap();
    check::<Sphere2, One<Deep<Adjoint<Tight>>>>(12, 2, 0.5, Tolerance::F64).unwrap();
}

#[test]
fn laws_with_enough_probes() {
    check::<Euclidean<3>, One<Small<Tight<Probes<4>>>>>(13, 2, 0.5, Tolerance::F64).unwrap();
    check::<Sphere2, One<Deep<Tight<Probes<4>>>>>(14, 2, 0.5, Tolerance::F64).unwrap();
}

/// Rows of layers.md section 15: the reference solves the same equation in charts, whose clipped logarithm moves the points (Q5).
#[test]
fn reference_values() {
    fn row<O: Options<ContinuousOptions>>() {
        let layer = flow::<Sphere2, O>();
        let params: Vec<f64> = (0..layer.params()).map(|j| 0.6 * (1.0 + 1.3 * j as f64).sin()).collect();
        let mut scratch = vec![0.0; layer.scratch()];
        for (from, to, ln, inverse) in [
            ([1.1, 4.0], [0.977848377314, 4.8105374078], -4.15872114214, true),
            ([2.0, 0.5], [1.79533145185, 0.546391625122], -1.9567474003, false),
        ] {
            let (mut x, mut sum, mut angles) = ([0.0; 3], 0.0, [0.0; 2]);
            Sphere2::embed(&from, &mut x, &mut sum);
            if inverse {
                layer.inverse(&params, &mut x, &mut sum, &mut scratch);
            } else {
                assert!(!layer.forward(&params, &mut x, &mut sum, &mut scratch));
            }
            Sphere2::intrinsic(&x, &mut angles, &mut sum);
            let off = (angles[0] - to[0]).abs().max((angles[1] - to[1]).abs()).max((sum - ln).abs());
            println!("{off:e} {angles:?} {sum}");
            assert!(off < 1e-5, "{inverse}: {angles:?} {sum} is off by {off:e}");
        }
    }
    row::<c::cnf_network_hidden_dims<{ text(b"8") }, c::solver<1>>>();
    row::<c::cnf_network_hidden_dims<{ text(b"8") }>>();
}

/// Penalties: their values against the trapezoidal rule along the path, and the derivatives of all results by point and parameters.
fn penalties_of<M: FlowSpace, O: Options<ContinuousOptions>>(seed: u64)
where
    One<O>: ChainType<M>,
{
    let mut rng = StdRng::seed_from_u64(seed);
    let params = laws::random_params::<M, One<O>>(&mut rng, 0.5);
    let start = laws::random_point::<M>(&mut rng, 1.0);
    let layer = flow::<M, O>();
    let mut scratch = vec![0.0; layer.scratch()];
    let mut run = |params: &[f64], start: &[f64]| {
        let (mut x, mut log_det, mut penalties) = (start.to_vec(), 0.0, [0.0; PENALTIES]);
        layer.inverse_penalised(params, &mut x, &mut log_det, &mut penalties, &mut scratch);
        (x, log_det, penalties, scratch.clone())
    };
    let (x, log_det, penalties, mut kept) = run(&params, &start);
    let (mut plain, mut plain_det) = (start.clone(), 0.0);
    let mut other = vec![0.0; kept.len()];
    layer.inverse(&params, &mut plain, &mut plain_det, &mut other);
    assert!(x == plain && (log_det - plain_det).abs() < 1e-14, "penalties move a point");

    // Euler's method with the midpoint's derivative, in steps of 1/2000: an independent solution good to 1e-6.
    let field = layer.field(&params, true);
    let (mut y, mut block) = (start.clone(), vec![0.0; field.shape.block()]);
    let (mut v, mut expected, steps) = (vec![0.0; M::EMBED], [0.0; PENALTIES], 2000);
    for k in 0..steps {
        let (t, h) = (f64::from(k) / f64::from(steps), 1.0 / f64::from(steps));
        field.evaluate(t, &y, &mut block, &mut v);
        let half: Vec<f64> = y.iter().zip(&v).map(|(y, v)| y + 0.5 * h * v).collect();
        let [_, energy, norm] = field.evaluate(t + 0.5 * h, &half, &mut block, &mut v);
        y.iter_mut().zip(&v).for_each(|(y, v)| *y += h * v);
        expected[0] += h * energy;
        expected[1] += h * norm;
    }
    for (found, expected) in penalties.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5 * (1.0 + expected), "{found} {expected}");
    }

    let cot: Vec<f64> = normals(&mut rng, M::EMBED);
    let of = |(x, log_det, [energy, norm], _): (Vec<f64>, f64, [f64; 2], Vec<f64>)| {
        x.iter().zip(&cot).map(|(a, b)| a * b).sum::<f64>() + 0.8 * log_det - 0.6 * energy + 0.4 * norm
    };
    let (mut cot_x, mut cot_params) = (cot.clone(), vec![0.0; params.len()]);
    let cot_penalties = [-0.6, 0.4];
    layer.inverse_penalised_vjp(&params, &mut kept, &mut cot_x, 0.8, cot_penalties, &mut cot_params);
    for i in 0..params.len() {
        let moved = difference(|h| {
            let mut params = params.clone();
            params[i] += h;
            of(run(&params, &start))
        });
        assert!((moved - cot_params[i]).abs() < 1e-7 * (1.0 + moved.abs()), "weight {i}: {} {moved}", cot_params[i]);
    }
    // Along the manifold.
    let mut along = normals(&mut rng, M::EMBED);
    if M::SPHERE {
        let normal: f64 = along.iter().zip(&start).map(|(a, b)| a * b).sum();
        along.iter_mut().zip(&start).for_each(|(a, b)| *a -= normal * b);
    }
    let moved = difference(|h| {
        let ahead: Vec<f64> = start.iter().zip(&along).map(|(x, d)| x + h * d).collect();
        let mut on = vec![0.0; M::EMBED];
        M::project(&ahead, &mut on);
        of(run(&params, &on))
    });
    let exact: f64 = cot_x.iter().zip(&along).map(|(a, b)| a * b).sum();
    assert!((moved - exact).abs() < 1e-7 * (1.0 + moved.abs()), "point: {exact} {moved}");
}

#[test]
fn penalties_are_integrals_along_the_path() {
    penalties_of::<Euclidean<2>, Deep<Tight>>(1);
    penalties_of::<Euclidean<3>, Small<Rk4>>(2);
    penalties_of::<Sphere2, Deep<Tight>>(3);
    penalties_of::<Circle, Small<Adjoint<Tight>>>(4);
    penalties_of::<Euclidean<2>, Deep<Adjoint<Rk4>>>(5);
}

/// An estimate is no log-determinant, but it has derivatives, and cancels in a round trip.
#[test]
fn few_probes_in_ten_dimensions() {
    type C = One<Small<Tight<Probes<2>>>>;
    type M = Euclidean<10>;
    let mut rng = StdRng::seed_from_u64(15);
    let params = laws::random_params::<M, C>(&mut rng, 0.5);
    let start = laws::random_point::<M>(&mut rng, 1.0);
    laws::round_trip::<M, C, f64>(&params, &start, 1e-9).unwrap();
    assert!(laws::jacobian::<M, C>(&params, &start, 1e-6).is_err());
    for inverse in [true, false] {
        laws::gradients::<M, C>(&mut rng, &params, &start, inverse, 1e-6).unwrap();
    }
    // The same parameters with all axes.
    laws::jacobian::<M, One<Small<Tight>>>(&params, &start, 1e-6).unwrap();
}

// ---- solvers -----------------------------------------------------------------------------------------------------

type Few = Tight<c::max_steps<6, Small>>;

/// A point and parameters that take dopri5 more than six steps.
fn hard() -> (Vec<f64>, [f64; 2]) {
    let mut params = laws::random_params::<Euclidean<2>, One<Few>>(&mut StdRng::seed_from_u64(1), 0.3);
    params.iter_mut().for_each(|w| *w *= 3.0);
    (params, [0.4, -0.9])
}

#[test]
fn a_path_that_does_not_arrive_is_told_in_both_directions() {
    let layer = flow::<Euclidean<2>, Few>();
    let (params, x) = hard();
    let mut scratch = vec![0.0; layer.scratch()];
    let (mut there, mut log_det) = (x, 0.0);
    layer.inverse(&params, &mut there, &mut log_det, &mut scratch);
    assert!(log_det.is_nan());
    let (mut there, mut log_det) = (x, 0.0);
    assert!(layer.forward(&params, &mut there, &mut log_det, &mut scratch));
    // Without any field one step is enough.
    let (mut there, mut log_det) = (x, 0.0);
    layer.inverse(&vec![0.0; params.len()], &mut there, &mut log_det, &mut scratch);
    assert!(log_det == 0.0 && there == x);
}

/// One lane that does not arrive, or needs many more steps, leaves the others what they are alone.
#[test]
fn a_lane_does_not_depend_on_its_neighbours() {
    let layer = flow::<Euclidean<2>, Small<c::max_steps<40>>>();
    let (params, _) = hard();
    let points = [[0.4, -0.9], [1e3, 2.0], [-2.0, 0.3], [0.0, 0.0]];
    // Lane 3 has a field too fast for the step limit.
    let fast: Vec<f64> = params.iter().map(|w| 300.0 * w).collect();
    let weights: Vec<Lanes<f64, 4>> =
        (0..params.len()).map(|k| Lanes::from_fn(|lane| if lane == 3 { fast[k] } else { params[k] })).collect();
    let mut x: Vec<Lanes<f64, 4>> = (0..2).map(|d| Lanes::from_fn(|lane| points[lane][d])).collect();
    let (mut log_det, mut scratch) = (Lanes::zero(), vec![Lanes::<f64, 4>::zero(); layer.scratch()]);
    layer.inverse(&weights, &mut x, &mut log_det, &mut scratch);
    assert!(log_det.lane(3).is_nan());
    let mut single = vec![0.0; scratch.len()];
    for lane in 0..3 {
        let (mut y, mut ln) = (points[lane], 0.0);
        layer.inverse(&params, &mut y, &mut ln, &mut single);
        for (a, b) in [(x[0].lane(lane), y[0]), (x[1].lane(lane), y[1]), (log_det.lane(lane), ln)] {
            assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "lane {lane}: {a} {b}");
        }
    }
}

/// Error of a round trip with `STEPS` steps of rk4, and with error control.
fn round_trip_error<O: Options<ContinuousOptions>>() -> f64 {
    type S = Sphere2;
    let params = laws::random_params::<S, One<Small>>(&mut StdRng::seed_from_u64(4), 0.5);
    let start = laws::random_point::<S>(&mut StdRng::seed_from_u64(5), 1.0);
    let layer = flow::<S, O>();
    let mut scratch = vec![0.0; layer.scratch()];
    let (mut x, mut sum) = (start.clone(), 0.0);
    layer.inverse(&params, &mut x, &mut sum, &mut scratch);
    assert!((x.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-15);
    assert!(!layer.forward(&params, &mut x, &mut sum, &mut scratch));
    x.iter().zip(start).map(|(a, b)| (a - b).abs()).fold(sum.abs(), f64::max)
}

/// Halving the steps of rk4 divides the error by 2^4 at least (errors of the two directions cancel in part); dopri5 keeps to its tolerance.
#[test]
fn errors_are_of_the_order_of_the_method() {
    let (coarse, fine) = (
        round_trip_error::<c::solver<1, c::steps<8, Small>>>(),
        round_trip_error::<c::solver<1, c::steps<16, Small>>>(),
    );
    assert!(coarse > 1e-9 && coarse / fine > 14.0, "{coarse:e} {fine:e}");
    for (error, tolerance) in [
        (round_trip_error::<Small>(), 1e-7),
        (
            round_trip_error::<c::rtol<{ 1e-4_f64.to_bits() as u128 }, c::atol<{ 1e-4_f64.to_bits() as u128 }, Small>>>(
            ),
            1e-4,
        ),
        (round_trip_error::<Small<Tight>>(), 1e-11),
    ] {
        assert!(error < 20.0 * tolerance, "{error:e} at tolerance {tolerance:e}");
    }
}

/// Either derivative follows either map at the same pair of points.
fn after_the_other_direction<M: FlowSpace, O: Options<ContinuousOptions>>()
where
    One<O>: ChainType<M>,
{
    let layer = flow::<M, O>();
    let mut rng = StdRng::seed_from_u64(6);
    let params = laws::random_params::<M, One<O>>(&mut rng, 0.5);
    let target = laws::random_point::<M>(&mut rng, 1.0);
    let cot = normals(&mut rng, M::EMBED);
    let pull = |forward_map: bool, forward_vjp: bool| {
        let mut scratch = vec![0.0; layer.scratch()];
        let (mut x, mut log_det) = (target.clone(), 0.0);
        layer.inverse(&params, &mut x, &mut log_det, &mut scratch);
        if forward_map {
            assert!(!layer.forward(&params, &mut x, &mut log_det, &mut scratch));
        }
        let (mut cot, mut cot_params) = (cot.clone(), vec![0.0; params.len()]);
        if forward_vjp {
            layer.forward_vjp(&params, &mut scratch, &mut cot, 0.7, &mut cot_params);
        } else {
            layer.inverse_vjp(&params, &mut scratch, &mut cot, 0.7, &mut cot_params);
        }
        [cot, cot_params].concat()
    };
    for vjp in [true, false] {
        let (a, b) = (pull(true, vjp), pull(false, vjp));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-8 * (1.0 + b.abs())), "{a:?} {b:?}");
    }
}

#[test]
fn derivatives_follow_either_map() {
    after_the_other_direction::<Euclidean<2>, Small<Tight>>();
    after_the_other_direction::<Sphere2, Small<Rk4>>();
    after_the_other_direction::<Sphere2, Deep<Adjoint<Tight>>>();
}
