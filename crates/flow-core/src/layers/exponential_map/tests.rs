use super::*;
use crate::layers::laws::{self, Tolerance, check, random_params, random_point};
use crate::layers::{Chain, ChainType, Fault};
use crate::manifolds::Manifold;
use crate::testing::Walk;
use flow_notation::settings::v;
use rand::{SeedableRng, rngs::StdRng};

const LINEAR: u128 = 0;
const QUADRATIC: u128 = 1;
const SPLINES: u128 = 2;
const EXPONENTIAL: u128 = 3;
const HOUSEHOLDER: u128 = 1;

type Set<const N: u128, const TYPE: u128, Rest = ()> = v::num_components<N, v::exp_map_type<TYPE, Rest>>;
type With<const N: u128, const TYPE: u128, Rest = ()> = ExponentialMap<Set<N, TYPE, Rest>>;
type Few<const TYPE: u128, Rest = ()> = With<4, TYPE, Rest>;
type Natural<const TYPE: u128> = Few<TYPE, v::natural_direction<1>>;
type Turned<const TYPE: u128> = Few<TYPE, v::add_rotation<1>>;
type Reflected<const TYPE: u128> = Few<TYPE, v::mean_parametrization<HOUSEHOLDER>>;
type All<const TYPE: u128> =
    Few<TYPE, v::natural_direction<1, v::add_rotation<1, v::mean_parametrization<HOUSEHOLDER>>>>;

fn params<C: LayerType<Sphere2>>() -> usize {
    C::PARAMS
}

#[test]
fn parameters_are_counted_as_published() {
    assert_eq!(params::<ExponentialMap<()>>(), 50);
    assert_eq!(params::<Few<LINEAR>>(), 16);
    assert_eq!(params::<Few<QUADRATIC>>(), 16);
    assert_eq!(params::<Few<SPLINES>>(), 140);
    assert_eq!(params::<Few<EXPONENTIAL>>(), 20);
    assert_eq!(params::<Turned<EXPONENTIAL>>(), 29);
    assert_eq!(params::<Reflected<EXPONENTIAL>>(), 48);
}

#[test]
fn laws() {
    fn all<const TYPE: u128>(seed: u64) {
        check::<Sphere2, (Few<TYPE>, ())>(seed, 8, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Natural<TYPE>, ())>(seed + 1, 8, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Turned<TYPE>, ())>(seed + 2, 8, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Reflected<TYPE>, ())>(seed + 3, 8, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (All<TYPE>, ())>(seed + 4, 8, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (All<TYPE>, (Few<TYPE>, ()))>(seed + 5, 4, 0.3, Tolerance::F64).unwrap();
    }
    all::<LINEAR>(10);
    all::<QUADRATIC>(20);
    all::<SPLINES>(30);
    all::<EXPONENTIAL>(40);
}

/// A chain walked in one direction.
fn walked<C: ChainType<Sphere2>>(params: &[f64], start: &[f64], inverse: bool) -> (Vec<f64>, f64, Option<Fault>) {
    let Walk { point, log_det, fault, .. } = Walk::new(&C::chain(), params, start, inverse);
    (point, log_det, fault)
}

/// The layer itself.
fn flow<O: Options<ExponentialMapOptions>>() -> GradientFlow<ANY> {
    GradientFlow::new(O::VALUE)
}

fn prepared(flow: &GradientFlow<ANY>, params: &[f64]) -> Vec<f64> {
    let mut prepared = vec![0.0; flow.prepared()];
    flow.prepare(params, &mut prepared);
    prepared
}

fn off(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// Prepared numbers of a layer without rotation: 1 - sum w, and (mean, weight) of each component.
fn components<C: LayerType<Sphere2>>(params: &[f64], count: usize) -> (f64, Vec<([f64; 3], f64)>) {
    let chain = <(C, ()) as ChainType<Sphere2>>::chain();
    let mut prepared = vec![0.0; chain.prepared()];
    chain.prepare(params, &mut prepared);
    let stride = (chain.prepared() - 1) / count;
    (prepared[0], prepared[1..].chunks_exact(stride).map(|c| ([c[0], c[1], c[2]], c[3])).collect())
}

/// Parameters with long vectors (weights near their limit) and, where there are any, sharp profiles.
fn strong<C: LayerType<Sphere2>>(rng: &mut StdRng, count: usize, length: f64, sharp: f64) -> Vec<f64> {
    let mut params = random_params::<Sphere2, (C, ())>(rng, 0.3);
    for i in 0..count {
        let norm = (0..3).map(|k| params[k * count + i].powi(2)).sum::<f64>().sqrt();
        (0..3).for_each(|k| params[k * count + i] *= length / norm);
    }
    if params.len() > 4 * count {
        params[4 * count..].iter_mut().for_each(|p| *p *= sharp);
    }
    params
}

/// Rows of layers.md section 15, in angles.
#[test]
fn reference_values() {
    fn row<const TYPE: u128>(to: [f64; 2], ln: f64) {
        let params: Vec<f64> = (0..params::<Few<TYPE>>()).map(|j| 0.6 * (1.0 + 1.3 * j as f64).sin()).collect();
        let (mut log_det, mut point, mut angles) = (0.0, [0.0; 3], [0.0; 2]);
        Sphere2::embed(&[1.1, 4.0], &mut point, &mut log_det);
        let (point, added, _) = walked::<(Few<TYPE>, ())>(&params, &point, true);
        log_det += added;
        Sphere2::intrinsic(&point, &mut angles, &mut log_det);
        for (own, published) in [(angles[0], to[0]), (angles[1], to[1]), (log_det, ln)] {
            assert!((own - published).abs() < 2e-11, "{own} {published}");
        }
    }
    row::<LINEAR>([1.09195616358, 3.98931368861], -0.0199436302576);
    row::<QUADRATIC>([1.10046946959, 3.98948014453], -0.0334800518924);
    row::<EXPONENTIAL>([1.09537905791, 3.98968768269], -0.0234879091825);
    row::<SPLINES>([1.09935741107, 3.98824879916], -0.0397401325773);
}

/// Points where formulas in angles break: poles, means, their antipodes, fixed points, and beside all of them.
fn special_points<C: LayerType<Sphere2>>(params: &[f64], count: usize) -> Vec<Vec<f64>> {
    let mut centres = vec![[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]];
    for (mean, _) in components::<C>(params, count).1 {
        centres.extend([mean, mean.map(|x| -x)]);
    }
    // E climbs the potential: to its maximum, where p = 0.
    let mut top = vec![0.6, 0.0, 0.8];
    for _ in 0..3000 {
        top = walked::<(C, ())>(params, &top, true).0;
    }
    centres.push([top[0], top[1], top[2]]);
    let mut points = Vec::new();
    for centre in centres {
        for beside in [0.0, 1e-300, 1e-12, 1e-7, 1e-3] {
            let moved = [centre[0] + 0.6 * beside, centre[1] - 0.5 * beside, centre[2] + 0.7 * beside];
            points.push(gradient_map::unit(moved).to_vec());
        }
    }
    points
}

fn holds_at_special_points<const TYPE: u128>(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    for length in [2.0, 20.0, 70.0] {
        let params = strong::<Few<TYPE>>(&mut rng, 4, length, 1.0);
        for start in special_points::<Few<TYPE>>(&params, 4) {
            laws::round_trip::<Sphere2, (Few<TYPE>, ()), f64>(&params, &start, 1e-9).unwrap();
            laws::round_trip::<Sphere2, (Natural<TYPE>, ()), f64>(&params, &start, 1e-9).unwrap();
            laws::jacobian::<Sphere2, (Few<TYPE>, ())>(&params, &start, 1e-6).unwrap();
            for inverse in [true, false] {
                laws::gradients::<Sphere2, (Few<TYPE>, ())>(&mut rng, &params, &start, inverse, 1e-6).unwrap();
            }
        }
    }
}

#[test]
fn laws_hold_at_means_antipodes_and_fixed_points() {
    holds_at_special_points::<LINEAR>(1);
    holds_at_special_points::<QUADRATIC>(2);
    holds_at_special_points::<SPLINES>(3);
    holds_at_special_points::<EXPONENTIAL>(4);
}

#[test]
fn two_equal_pulls_in_opposite_directions_move_nothing() {
    // g = 0 everywhere.
    let params = [3.0, -3.0, 1.0, -1.0, -2.0, 2.0, 0.3, 0.3];
    type C = (With<2, LINEAR>, ());
    let mut rng = StdRng::seed_from_u64(5);
    for _ in 0..10 {
        let start = random_point::<Sphere2>(&mut rng, 1.0);
        for inverse in [true, false] {
            let (to, ln, fault) = walked::<C>(&params, &start, inverse);
            assert!(off(&to, &start) < 1e-15 && ln.abs() < 1e-15 && fault.is_none(), "{to:?} {ln} {fault:?}");
            laws::gradients::<Sphere2, C>(&mut rng, &params, &start, inverse, 1e-6).unwrap();
        }
    }
}

/// At the mean of a single component E is a stretch by 1 - w in both directions, however small that is.
#[test]
fn the_flattest_point_is_precise() {
    type C = (With<1, LINEAR>, ());
    for length in [0.0, 1e-200, 1e-3, 1.0, 30.0, 100.0, 300.0, 1000.0, 3000.0] {
        let params = [0.0, 0.6 * length, -0.8 * length, 0.4];
        let (rest, all) = components::<With<1, LINEAR>>(&params, 1);
        let expected = ((std::f64::consts::E - 1.0) * (-length / 10.0).exp()).ln_1p();
        assert!((rest / expected - 1.0).abs() < 1e-14, "{length}: {rest} {expected}");
        // The zero vector has no direction.
        if length == 0.0 {
            continue;
        }
        let (to, ln, fault) = walked::<C>(&params, &all[0].0, true);
        assert!(off(&to, &all[0].0) < 1e-15, "{to:?}");
        let least = 2.0 * rest.ln();
        assert!((ln - least).abs() <= 1e-15 * (2.0 - least) && fault.is_none(), "{length}: {ln} {least} {fault:?}");
    }
}

/// Sei's bound: no direction is shrunk by more than 1 - sum w (and sin|p| / |p|).
#[test]
fn the_map_is_a_bijection_for_all_parameters() {
    fn all<const TYPE: u128>(rng: &mut StdRng) {
        for round in 0..60 {
            let length = [1.0, 10.0, 40.0, 90.0, 150.0][round % 5];
            let sharp = [0.1, 1.0, 4.0, 10.0][round % 4];
            let params = strong::<Few<TYPE>>(rng, 4, length, sharp);
            let (rest, means) = components::<Few<TYPE>>(&params, 4);
            for _ in 0..50 {
                // Anywhere, or within the reach of a mean.
                let mut start = random_point::<Sphere2>(rng, 1.0);
                let near = rng.random::<f64>().powi(4);
                let mean = means[rng.random_range(0..4)].0;
                if rng.random::<bool>() {
                    start = gradient_map::unit(core::array::from_fn(|k| mean[k] + near * start[k])).to_vec();
                }
                let (_, ln, fault) = walked::<(Few<TYPE>, ())>(&params, &start, true);
                let least = 2.0 * rest.ln() + 0.84_f64.ln();
                assert!(fault.is_none() && ln > least, "{length} {sharp} {start:?}: {ln}, at least {least}");
            }
        }
    }
    let mut rng = StdRng::seed_from_u64(6);
    all::<LINEAR>(&mut rng);
    all::<QUADRATIC>(&mut rng);
    all::<SPLINES>(&mut rng);
    all::<EXPONENTIAL>(&mut rng);
}

/// E of what the search finds is what it was given, to rounding, and few points are looked at.
#[test]
fn the_search_ends_at_rounding() {
    fn all<const TYPE: u128>(rng: &mut StdRng, typical: usize, most: usize) {
        let (mut usual, mut worst, mut farthest) = (0, 0, 0.0_f64);
        for round in 0..60 {
            let hard = round % 2 == 1;
            let length = if hard { [20.0, 60.0, 150.0][round % 3] } else { 2.0 };
            let sharp = if hard { [1.0, 4.0, 12.0][round / 2 % 3] } else { 1.0 };
            let params = strong::<Few<TYPE>>(rng, 4, length, sharp);
            let flow = flow::<Set<4, TYPE>>();
            let prepared = prepared(&flow, &params);
            for _ in 0..40 {
                let y: Vec<f64> = random_point::<Sphere2>(rng, 1.0);
                let mut count = 0;
                let (x, failed) = search::search([y[0], y[1], y[2]], 4, 1000, |x| {
                    count += 1;
                    flow.local(&prepared, x)
                });
                let (frame, local) = flow.local(&prepared, x);
                let missed = off(&frame.vector(local.image()), &y);
                // Where the map is steep the rounding of x itself is seen.
                let bound = 1e-15 * (4.0 + local.stretch());
                assert!(!failed && missed < bound, "{TYPE} {length} {sharp} {y:?}: {failed} {missed:e} {bound:e}");
                farthest = farthest.max(missed);
                if hard { worst = worst.max(count) } else { usual = usual.max(count) }
            }
        }
        println!("type {TYPE}: {usual} points, hard cases {worst}, |E(x) - y| {farthest:.1e}");
        assert!(usual <= typical && worst <= most, "type {TYPE}: {usual} {worst}");
    }
    let mut rng = StdRng::seed_from_u64(7);
    all::<LINEAR>(&mut rng, 5, 20);
    all::<QUADRATIC>(&mut rng, 5, 20);
    all::<SPLINES>(&mut rng, 12, 100);
    all::<EXPONENTIAL>(&mut rng, 6, 60);
}

/// Sums of many components round more.
#[test]
fn the_search_ends_with_many_components() {
    type C = (With<1000, EXPONENTIAL>, ());
    let mut rng = StdRng::seed_from_u64(12);
    for length in [2.0, 40.0] {
        let params = strong::<With<1000, EXPONENTIAL>>(&mut rng, 1000, length, 1.0);
        for _ in 0..20 {
            let start = random_point::<Sphere2>(&mut rng, 1.0);
            laws::round_trip::<Sphere2, C, f64>(&params, &start, 1e-12).unwrap();
            laws::round_trip::<Sphere2, C, f32>(&params, &start, 1e-4).unwrap();
        }
    }
}

/// Close to a mean that squeezes its surroundings.
#[test]
fn the_search_leaves_the_flattest_point() {
    for (length, rounds) in [(20.0, 40), (100.0, 60), (200.0, 80)] {
        let params = [0.0, 0.6 * length, -0.8 * length, 0.4];
        let flow = flow::<Set<1, LINEAR>>();
        let prepared = prepared(&flow, &params);
        for power in 0..16 {
            let away = 0.1_f64.powi(power);
            let y = gradient_map::unit([away, 0.6, -0.8]);
            let mut count = 0;
            let (x, failed) = search::search(y, 1, 1000, |x| {
                count += 1;
                flow.local(&prepared, x)
            });
            let (frame, local) = flow.local(&prepared, x);
            let missed = off(&frame.vector(local.image()), &y);
            assert!(!failed && missed < 4e-15 && count < rounds, "{length} {away:e}: {failed} {missed:e} {count}");
        }
    }
}

/// A profile so sharp that the sphere is flat within its reach: with s = t sqrt(beta) the polar angle goes to s - w s
/// e^(-s^2 / 2), whatever beta is.
#[test]
fn sharp_profiles_are_those_of_the_plane() {
    type C = With<1, EXPONENTIAL>;
    for (power, length) in [14.0, 20.0, 30.0, 40.0].into_iter().flat_map(|p| [(p, 3.0), (p, 40.0)]) {
        let params = [0.0, 0.0, length, 0.2, power];
        let (rest, all) = components::<C>(&params, 1);
        let (scale, weight) = ((-0.5_f64 * power).exp(), all[0].1);
        // Corrections of the second order in the reach, and rounding of unit vectors in its units.
        let bound = 60.0 * scale * scale + 2e-15 / scale / rest;
        for s in [0.0_f64, 0.1, 0.5, 1.0, 2.0, 4.0, 10.0] {
            let (sin, cos) = (s * scale).sin_cos();
            let (to, ln, _) = walked::<(C, ())>(&params, &[sin, 0.0, cos], true);
            let pull = weight * (-0.5 * s * s).exp();
            let expected = (1.0 - pull) * (1.0 - pull * (1.0 - s * s));
            assert!((ln - expected.ln()).abs() < bound, "{power} {length} {s}: {ln} {}", expected.ln());
            let moved = s - pull * s;
            assert!(
                (to[0] / scale - moved).abs() < bound * (1.0 + s.powi(3)),
                "{power} {length} {s}: {} {moved}",
                to[0] / scale
            );
            let (back, ln_back, fault) = walked::<(C, ())>(&params, &to, false);
            assert!(
                (back[0] - sin).abs() / scale < bound && fault.is_none(),
                "{power} {length} {s}: {} {fault:?}",
                back[0]
            );
            assert!((ln + ln_back).abs() < bound, "{power} {length} {s}: {ln} {ln_back}");
        }
    }
}

#[test]
fn a_search_that_was_too_short_is_reported() {
    type Short<Rest = ()> = With<4, EXPONENTIAL, v::max_num_newton_iter<1, Rest>>;
    let mut rng = StdRng::seed_from_u64(8);
    let params = strong::<Short>(&mut rng, 4, 20.0, 1.0);
    let start = random_point::<Sphere2>(&mut rng, 1.0);
    let fault = |unconverged| Some(Fault { layer: 0, name: "v", lane: 0, unconverged, advice: "" });
    assert_eq!(walked::<(Short, ())>(&params, &start, false).2, fault(true));
    assert_eq!(walked::<(Short<v::natural_direction<1>>, ())>(&params, &start, true).2, fault(false));
    // The closed directions search nothing.
    assert_eq!(walked::<(Short, ())>(&params, &start, true).2, None);
    assert_eq!(walked::<(Short<v::natural_direction<1>>, ())>(&params, &start, false).2, None);
    // Not a number in, not a number out.
    assert_eq!(walked::<(Few<LINEAR>, ())>(&[f64::NAN; 16], &start, false).2, fault(true));
    assert_eq!(walked::<(Natural<LINEAR>, ())>(&[f64::NAN; 16], &start, true).2, fault(false));
}

/// Numbers as a flow in `f32` has them.
fn in_single(values: &[f64]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v as f32)).collect()
}

#[test]
fn strong_maps_survive_the_round_trip() {
    fn all<const TYPE: u128>(rng: &mut StdRng) {
        for (length, sharp, in_f32) in [(10.0, 1.0, 1e-4), (40.0, 3.0, 1e-3), (80.0, 6.0, 1e-1)] {
            for _ in 0..10 {
                let params = strong::<Few<TYPE>>(rng, 4, length, sharp);
                let start = random_point::<Sphere2>(rng, 1.0);
                laws::round_trip::<Sphere2, (Few<TYPE>, ()), f64>(&params, &start, 1e-9).unwrap();
                laws::round_trip::<Sphere2, (Natural<TYPE>, ()), f64>(&params, &start, 1e-9).unwrap();
                for (natural, inverse) in [(false, true), (false, false), (true, true), (true, false)] {
                    let walk = if natural { walked::<(Natural<TYPE>, ())> } else { walked::<(Few<TYPE>, ())> };
                    let (to, ln, fault) = walk(&in_single(&params), &in_single(&start), inverse);
                    let (wide, wide_ln, _) = walk(&params, &start, inverse);
                    let missed = off(&to, &wide);
                    assert!(fault.is_none() && ln.is_finite(), "{TYPE} {params:?} {start:?}: {fault:?} {ln}");
                    assert!(missed < in_f32, "{TYPE} {length} {natural} {inverse}: {missed:e}");
                    assert!((ln - wide_ln).abs() < 1e3 * in_f32, "{TYPE} {length} {natural} {inverse}: {ln} {wide_ln}");
                }
            }
        }
    }
    let mut rng = StdRng::seed_from_u64(9);
    all::<LINEAR>(&mut rng);
    all::<QUADRATIC>(&mut rng);
    all::<SPLINES>(&mut rng);
    all::<EXPONENTIAL>(&mut rng);
}

#[test]
fn derivatives_of_strong_maps_equal_differences() {
    fn all<const TYPE: u128>(rng: &mut StdRng) {
        for (length, sharp) in [(20.0, 2.0), (60.0, 3.0)] {
            for _ in 0..4 {
                let params = strong::<Few<TYPE>>(rng, 4, length, sharp);
                // In both directions at once: the search starts from an image.
                let start = random_point::<Sphere2>(rng, 1.0);
                let (base, ..) = walked::<(Few<TYPE>, ())>(&params, &start, true);
                laws::jacobian::<Sphere2, (Few<TYPE>, ())>(&params, &start, 1e-6).unwrap();
                laws::gradients::<Sphere2, (Few<TYPE>, ())>(rng, &params, &start, true, 1e-6).unwrap();
                laws::gradients::<Sphere2, (Few<TYPE>, ())>(rng, &params, &base, false, 1e-6).unwrap();
                laws::gradients::<Sphere2, (Natural<TYPE>, ())>(rng, &params, &base, true, 1e-6).unwrap();
                laws::gradients::<Sphere2, (Natural<TYPE>, ())>(rng, &params, &start, false, 1e-6).unwrap();
            }
        }
    }
    let mut rng = StdRng::seed_from_u64(10);
    all::<LINEAR>(&mut rng);
    all::<QUADRATIC>(&mut rng);
    all::<SPLINES>(&mut rng);
    all::<EXPONENTIAL>(&mut rng);
}

/// Derivatives of both directions are numbers, where the vectors of the means vanish as well.
#[test]
fn derivatives_without_a_direction_are_numbers() {
    fn all<const TYPE: u128>() {
        let chain = <(Natural<TYPE>, ()) as ChainType<Sphere2>>::chain();
        let params = vec![0.0; chain.params()];
        for start in [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [0.6, 0.0, 0.8]] {
            for inverse in [true, false] {
                let mut walk = Walk::new(&chain, &params, &start, inverse);
                let mut cot = [0.3, -0.2, 0.7];
                let cot_params = walk.pull_params(&chain, &params, &mut cot, 1.0);
                // Nothing has a weight: the identity.
                assert!(walk.log_det == 0.0 && off(&walk.point, &start) < 1e-7);
                assert!(
                    cot.iter().chain(&cot_params).all(|c| c.is_finite()),
                    "{TYPE} {inverse}: {cot:?} {cot_params:?}"
                );
            }
        }
    }
    all::<LINEAR>();
    all::<QUADRATIC>();
    all::<SPLINES>();
    all::<EXPONENTIAL>();
}

/// What the compiler knows of exponential profiles changes no number.
#[test]
fn the_exponential_kind_gives_the_numbers_of_any() {
    type O = Set<3, EXPONENTIAL, v::add_rotation<1>>;
    type C = (ExponentialMap<O>, ());
    let (known, any) = (<C as ChainType<Sphere2>>::chain(), Chain::new(vec![Arc::new(flow::<O>())]));
    let mut rng = StdRng::seed_from_u64(13);
    for _ in 0..5 {
        let (params, start) = (random_params::<Sphere2, C>(&mut rng, 0.5), random_point::<Sphere2>(&mut rng, 1.0));
        for inverse in [true, false] {
            let ends = [&known, &any].map(|chain| {
                let (mut walk, mut cot) = (Walk::new(chain, &params, &start, inverse), vec![0.3, -0.8, 1.1]);
                let cot_params = walk.pull_params(chain, &params, &mut cot, 0.7);
                (walk.point, walk.log_det, cot, cot_params)
            });
            assert_eq!(ends[0], ends[1], "{inverse}");
        }
    }
}

/// mu is the third column of H_1 H_2 H_3, nu a logistic function (layers.md 8.2, Q6).
#[test]
fn reflections_give_the_published_mean() {
    type C = With<2, LINEAR, v::mean_parametrization<HOUSEHOLDER>>;
    let mut rng = StdRng::seed_from_u64(11);
    let params = random_params::<Sphere2, (C, ())>(&mut rng, 1.0);
    let (rest, all) = components::<C>(&params, 2);
    let logits = &params[20..];
    let mut sum = 0.0;
    for (i, (mean, weight)) in all.iter().enumerate() {
        let mut product = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        for vector in 0..3 {
            let v: [f64; 3] = core::array::from_fn(|k| params[(3 * vector + k) * 2 + i]);
            let norm: f64 = v.iter().map(|x| x * x).sum();
            let h = |a: usize, b: usize| f64::from(a == b) - 2.0 * v[a] * v[b] / norm;
            product = core::array::from_fn(|a| core::array::from_fn(|b| (0..3).map(|c| product[a][c] * h(c, b)).sum()));
        }
        let share = logits[i].exp() / (logits[0].exp() + logits[1].exp());
        let nu = 1.0 / (1.0 + (-params[18 + i]).exp());
        (0..3).for_each(|k| assert!((mean[k] - product[k][2]).abs() < 1e-15, "{mean:?} {product:?}"));
        assert!((weight - nu * share).abs() < 1e-15, "{weight}");
        sum += weight;
    }
    assert!((rest - (1.0 - sum)).abs() < 1e-15, "{rest}");
}
