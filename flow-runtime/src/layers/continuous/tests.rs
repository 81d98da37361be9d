//! Layer c against its laws, at tolerances below those of the laws.

use super::*;
use crate::layers::laws::{Tolerance, check};
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
    Shape::new(n, sphere, probes, HiddenDims::from_code(FIVE_FOUR).network(n + 1, n))
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

fn difference(f: impl Fn(f64) -> f64) -> f64 {
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
    fn params<M: FlowSpace, O: Options<ContinuousOptions>>() -> usize {
        <ContinuousFlow<O> as Layer<M>>::PARAMS
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
