//! Tests of layer n.

use super::*;
use crate::layers::HiddenDims;
use crate::layers::laws::{self, Tolerance, check};
use crate::layers::{Chain, ChainType};
use crate::manifolds::Manifold;
use crate::numeric::Scalar;
use crate::testing::Walk;
use core::f64::consts::PI;
use flow_notation::Text;
use flow_notation::settings::n;
use rand::{SeedableRng, rngs::StdRng};

/// What tests look at: azimuth, distance to the axis and z of a point of the two-sphere.
struct Polar {
    azimuth: [f64; 2],
    rho: f64,
}

impl Polar {
    fn of(v: &[f64]) -> Self {
        let point = Point::of(2, v);
        Polar { azimuth: point.azimuth, rho: point.levels[0].rho }
    }
}

type One<O> = (SegmentedSphere<O>, ());
const EIGHT: u128 = b'8' as u128;
const SIX_FIVE: u128 = u32::from_le_bytes(*b"6-5\0") as u128;
const G: u128 = b'g' as u128;
const GG: u128 = u16::from_le_bytes(*b"gg") as u128;
const RR: u128 = u16::from_le_bytes(*b"rr") as u128;

type Small<Rest = ()> = n::hidden_dims<EIGHT, n::num_basis_functions<3, Rest>>;
type SmallG<Rest = ()> = Small<n::zenith_type_layers<G, Rest>>;
type Unturned<Rest = ()> = Small<n::add_rotation<0, Rest>>;
type UnturnedG = Unturned<n::zenith_type_layers<G>>;

/// The layer as a chain on the two-sphere.
fn chain<O: Options<SegmentedOptions>>() -> Chain {
    <One<O> as ChainType<Sphere2>>::chain()
}

/// The layer itself.
fn flow<O: Options<SegmentedOptions>>() -> HeightFlow<ANY> {
    HeightFlow::new(2, Sphere2::REFLECTIONS, O::VALUE)
}

/// A map at a point.
fn mapped(chain: &Chain, params: &[f64], start: &[f64], inverse: bool) -> Walk<f64> {
    let walk = Walk::new(chain, params, start, inverse);
    assert_eq!(walk.fault, None, "{start:?}");
    walk
}

#[test]
fn counts_and_texts() {
    fn params<O: Options<SegmentedOptions>>() -> usize {
        <One<O> as ChainType<Sphere2>>::PARAMS
    }
    assert_eq!(params::<()>(), 1281);
    assert_eq!(params::<n::hidden_dims<EIGHT, n::num_basis_functions<5>>>(), 197);
    assert_eq!(params::<n::hidden_dims<EIGHT, n::num_basis_functions<5, n::zenith_type_layers<G>>>>(), 332);
    assert_eq!(params::<n::rotation_mode<1>>(), 1275);
    assert_eq!(params::<n::hidden_dims<0, n::add_rotation<0, n::zenith_type_layers<RR>>>>(), 96 + 40);
    let dims = HiddenDims::new(Text::new("64-32-7"));
    assert_eq!((dims.layers, &dims.widths[..3]), (3, &[64, 32, 7][..]));
    assert_eq!(Zenith::new(Text::from_code(GG)), Zenith { letter: ZenithLetter::Gaussianisation, repeats: 2 });
}

/// The laws at points that keep away from the poles of the layer's axis: the differences of laws.rs step by 2e-4 while
/// the map bends over distances like rho there (see `derivatives_beside_the_poles`).
fn away_from_the_poles<O: Options<SegmentedOptions>>(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let flow = flow::<O>();
    for _ in 0..10 {
        let params = laws::random_params::<Sphere2, One<O>>(&mut rng, 0.3);
        let mut numbers = vec![0.0; flow.prepared()];
        flow.prepare(&params, &mut numbers);
        let (start, seen) = loop {
            let start = laws::random_point::<Sphere2>(&mut rng, 1.0);
            let mut turned = start.clone();
            flow.rotate_back(flow.sections(&numbers).0, &mut turned);
            if Polar::of(&start).rho.min(Polar::of(&turned).rho) > 0.03 {
                break (start, turned);
            }
        };
        laws::round_trip::<Sphere2, One<O>, f64>(&params, &start, 1e-9).unwrap();
        laws::round_trip::<Sphere2, One<O>, f32>(&params, &start, 1e-4).unwrap();
        laws::jacobian::<Sphere2, One<O>>(&params, &start, 1e-6).unwrap();
        for inverse in [true, false] {
            laws::gradients::<Sphere2, One<O>>(&mut rng, &params, &start, inverse, 1e-6).unwrap();
        }
        // The seam: the azimuth of the turned point moved beside pi.
        let rho = Polar::of(&seen).rho;
        for sin in [1e-3_f64, 1e-9, 0.0, -1e-9, -1e-3] {
            let mut seam = [-rho * (1.0 - sin * sin).sqrt(), rho * sin, seen[2]];
            flow.rotate(flow.sections(&numbers).0, &mut seam);
            laws::round_trip::<Sphere2, One<O>, f64>(&params, &seam, 1e-9).unwrap();
            laws::jacobian::<Sphere2, One<O>>(&params, &seam, 1e-6).unwrap();
            laws::gradients::<Sphere2, One<O>>(&mut rng, &params, &seam, true, 1e-6).unwrap();
        }
    }
}

#[test]
fn laws_away_from_the_poles() {
    away_from_the_poles::<Small>(1);
    away_from_the_poles::<Small<n::zenith_type_layers<RR>>>(2);
    away_from_the_poles::<SmallG>(3);
    away_from_the_poles::<Small<n::zenith_type_layers<GG>>>(4);
    away_from_the_poles::<Small<n::rotation_mode<1>>>(5);
    away_from_the_poles::<Unturned>(6);
    away_from_the_poles::<UnturnedG>(7);
    away_from_the_poles::<n::hidden_dims<SIX_FIVE>>(8);
}

/// What the compiler knows of the usual layer changes no number.
#[test]
fn the_usual_kind_gives_the_numbers_of_any() {
    type O = n::num_basis_functions<4>;
    let (usual, any) = (chain::<O>(), Chain::new(vec![Arc::new(flow::<O>())]));
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..5 {
        let params = laws::random_params::<Sphere2, One<O>>(&mut rng, 0.3);
        let start = laws::random_point::<Sphere2>(&mut rng, 1.0);
        for inverse in [true, false] {
            let ends = [&usual, &any].map(|chain| {
                let (mut walk, mut cot) = (mapped(chain, &params, &start, inverse), vec![0.3, -0.8, 1.1]);
                let cot_params = walk.pull_params(chain, &params, &mut cot, 0.7);
                (walk.point, walk.log_det, cot, cot_params)
            });
            assert_eq!(ends[0], ends[1], "{inverse}");
        }
    }
}

/// Of the seeds 1 to 99 those that fail have a point at rho < 0.006 (see above); these have none.
#[test]
fn laws_of_random_points() {
    for seed in 2..=8 {
        check::<Sphere2, One<Small>>(seed, 1, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, One<SmallG<n::rotation_mode<1>>>>(seed, 1, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (SegmentedSphere<Small>, One<SmallG>)>(seed, 1, 0.3, Tolerance::F64).unwrap();
    }
}

/// Distances of a vector's azimuth and ln rho from another's, and whether they are on the same side.
fn polar_distance(a: &[f64], b: &[f64]) -> f64 {
    let (p, q) = (Polar::of(a), Polar::of(b));
    let turn = (p.azimuth[0] * q.azimuth[1] - p.azimuth[1] * q.azimuth[0]).abs();
    let same = p.azimuth[0] * q.azimuth[0] + p.azimuth[1] * q.azimuth[1] > 0.0 && a[2] * b[2] > 0.0;
    if same { turn.max((p.rho / q.rho).ln().abs()) } else { f64::INFINITY }
}

fn beside_a_pole(theta: f64, phi: f64, south: bool) -> [f64; 3] {
    let z = theta.cos();
    [theta.sin() * phi.cos(), theta.sin() * phi.sin(), if south { -z } else { z }]
}

fn round_trips_beside_the_poles<O: Options<SegmentedOptions>>(seed: u64, least: f64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let chain = chain::<O>();
    for _ in 0..5 {
        let params = laws::random_params::<Sphere2, One<O>>(&mut rng, 0.3);
        for theta in [1e-1, 1e-3, 1e-6, 1e-12, 1e-40, 1e-150].into_iter().filter(|t| *t >= least) {
            for (phi, south) in [(0.3, false), (PI, false), (4.0, true), (-1e-9, true)] {
                let start = beside_a_pole(theta, phi, south);
                let Walk { point: base, log_det: ln, .. } = mapped(&chain, &params, &start, true);
                let Walk { point: back, log_det: ln_back, .. } = mapped(&chain, &params, &base, false);
                let off = polar_distance(&start, &back);
                assert!(off < 1e-10, "{theta:e} {phi} {south}: {off:e}, {start:?} {base:?} {back:?}");
                assert!((ln + ln_back).abs() < 1e-9 * (1.0 + ln.abs()), "{theta:e} {phi}: {ln} {ln_back}");
            }
        }
    }
}

/// Relative to the distance from the pole, not only to the radius of the sphere.
#[test]
fn round_trips_to_the_poles() {
    round_trips_beside_the_poles::<Unturned>(1, 0.0);
    round_trips_beside_the_poles::<Unturned<n::zenith_type_layers<RR>>>(2, 0.0);
    // Steep tails take 1e-40 to the end of the numbers.
    round_trips_beside_the_poles::<UnturnedG>(3, 1e-40);
    round_trips_beside_the_poles::<Unturned<n::zenith_type_layers<GG>>>(4, 1e-12);
}

/// Beside a pole, at distances that `T` has, whose parameters and points are rounded to `T`.
fn finite_at_the_poles<O: Options<SegmentedOptions>, T: Scalar>(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let chain = chain::<O>();
    let rounded = |x: f64| T::narrow(x).widen();
    let params = laws::random_params::<Sphere2, One<O>>(&mut rng, 0.3);
    let params: Vec<f64> = params.into_iter().map(rounded).collect();
    for (rho, z) in
        [(0.0, 1.0), (0.0, -1.0), (T::TINY, 1.0), (T::TINY * 1e9, -1.0), (T::TINY.sqrt(), 1.0), (1e-6, -1.0)]
    {
        for inverse in [true, false] {
            let mut walk = mapped(&chain, &params, &[rho * 0.6, -rho * 0.8, z].map(rounded), inverse);
            let mut cot = [0.3, -0.8, 1.1];
            let cot_prepared = walk.pull(&chain, &mut cot, 0.0);
            let Walk { point, log_det, scratch, .. } = walk;
            let mut all = point.iter().chain(&cot).chain(&cot_prepared).chain(&scratch).chain([&log_det]);
            assert!(all.all(|v| v.is_finite()), "{rho:e} {z} {inverse} {}: {point:?} {log_det} {cot:?}", T::NAME);
            let on_axis = point[2].abs() - 1.0;
            assert!(rho > 1e-20 || on_axis.abs() < 1e-6, "{rho:e} {z} {inverse}: {point:?}");
        }
    }
}

#[test]
fn values_and_derivatives_are_finite_at_the_poles() {
    finite_at_the_poles::<Unturned, f64>(1);
    finite_at_the_poles::<Unturned, f32>(1);
    finite_at_the_poles::<UnturnedG, f64>(2);
    finite_at_the_poles::<UnturnedG, f32>(2);
    finite_at_the_poles::<Unturned<n::zenith_type_layers<GG>>, f64>(3);
    finite_at_the_poles::<Unturned<n::zenith_type_layers<GG>>, f32>(3);
}

/// Derivatives by ln theta, by phi and by the parameters, of a combination of the result's ln rho, azimuth and the
/// log-determinant.
fn derivatives_beside<O: Options<SegmentedOptions>>(seed: u64, theta: f64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let chain = chain::<O>();
    let params = laws::random_params::<Sphere2, One<O>>(&mut rng, 0.3);
    let difference = |f: &dyn Fn(f64) -> f64| (8.0 * (f(1e-3) - f(-1e-3)) - f(2e-3) + f(-2e-3)) / 12e-3;
    for (phi, south) in [(0.3, false), (PI, true), (5.0, false)] {
        for inverse in [true, false] {
            let mut walk = mapped(&chain, &params, &beside_a_pole(theta, phi, south), inverse);
            let at_end = Polar::of(&walk.point);
            let [cos, sin] = at_end.azimuth;
            let value = |params: &[f64], theta: f64, phi: f64| {
                let Walk { point, log_det, .. } = mapped(&chain, params, &beside_a_pole(theta, phi, south), inverse);
                let to = Polar::of(&point);
                let turn = cos * to.azimuth[1] - sin * to.azimuth[0];
                0.7 * (to.rho / at_end.rho).ln() + 0.4 * turn - 1.3 * log_det
            };
            // d ln rho = (cos x + sin y) / rho, d turn = (-sin x + cos y) / rho.
            let mut cot = vec![(0.7 * cos - 0.4 * sin) / at_end.rho, (0.7 * sin + 0.4 * cos) / at_end.rho, 0.0];
            let cot_params = walk.pull_params(&chain, &params, &mut cot, -1.3);
            let down = if south { theta.sin() } else { -theta.sin() };
            let by_theta = theta * (theta.cos() * (phi.cos() * cot[0] + phi.sin() * cot[1]) + down * cot[2]);
            let by_phi = theta.sin() * (phi.cos() * cot[1] - phi.sin() * cot[0]);
            let mut pairs = vec![
                (by_theta, difference(&|h| value(&params, theta * h.exp(), phi))),
                (by_phi, difference(&|h| value(&params, theta, phi + h))),
            ];
            for k in 0..params.len() {
                let numerical = difference(&|h| {
                    let mut params = params.clone();
                    params[k] += h;
                    value(&params, theta, phi)
                });
                pairs.push((cot_params[k], numerical));
            }
            let largest = pairs.iter().fold(1.0_f64, |most, (_, n)| most.max(n.abs()));
            for (i, (exact, numerical)) in pairs.iter().enumerate() {
                let off = (exact - numerical).abs() / largest;
                assert!(off < 1e-7, "{theta:e} {phi} {inverse}: number {i}, {exact} {numerical}");
            }
        }
    }
}

#[test]
fn derivatives_beside_the_poles() {
    for theta in [1e-3, 1e-6, 1e-12] {
        derivatives_beside::<Unturned>(1, theta);
        derivatives_beside::<Unturned<n::zenith_type_layers<RR>>>(2, theta);
        derivatives_beside::<UnturnedG>(3, theta);
    }
}

#[test]
fn starts_close_to_the_identity_of_the_polar_angle() {
    fn most<O: Options<SegmentedOptions>>() -> f64 {
        let chain = chain::<O>();
        let mut params = vec![0.0; chain.params()];
        chain.initial(&mut StdRng::seed_from_u64(1), &mut params);
        let end = |theta: f64| mapped(&chain, &params, &beside_a_pole(theta, 1.0, false), true).point;
        let moved = |theta: f64| end(theta)[2].acos() - theta;
        (1..31).map(|i| moved(0.1 * i as f64).abs()).fold(0.0, f64::max)
    }
    assert!(most::<Unturned>() < 0.01);
    // Two mirror images.
    assert!(most::<Unturned<n::zenith_type_layers<GG>>>() < 0.1);
}

/// Rows of layers.md section 15: without the map to the plane, both sides in theta and phi.
#[test]
fn reference_values() {
    fn row<O: Options<SegmentedOptions>>(base: [f64; 2], ln_inverse: f64, target: [f64; 2], ln_forward: f64) {
        let chain = chain::<O>();
        let params: Vec<f64> = (0..chain.params()).map(|j| 0.6 * (1.0 + 1.3 * j as f64).sin()).collect();
        for (from, to, ln, inverse) in [([1.1, 4.0], base, ln_inverse, true), ([2.0, 0.5], target, ln_forward, false)] {
            let (mut x, mut sum, mut angles) = ([0.0; 3], 0.0, [0.0; 2]);
            Sphere2::embed(&from, &mut x, &mut sum);
            let end = mapped(&chain, &params, &x, inverse);
            Sphere2::intrinsic(&end.point, &mut angles, &mut sum);
            sum += end.log_det;
            let off = (angles[0] - to[0]).abs().max((angles[1] - to[1]).abs()).max((sum - ln).abs());
            assert!(off < 1e-11, "{inverse}: {angles:?} {sum} is off by {off:e}");
        }
    }
    row::<n::hidden_dims<EIGHT, n::num_basis_functions<5>>>(
        [1.98310213082, 1.17170246282],
        -2.49205178664,
        [1.26865263018, 4.95877177532],
        1.80888170406,
    );
    row::<n::hidden_dims<EIGHT, n::num_basis_functions<5, n::zenith_type_layers<G>>>>(
        [0.676100850232, 1.2203419955],
        -1.95544157181,
        [0.731238507746, 5.69584907179],
        -0.346381844764,
    );
}
