//! Tests of layer n on spheres of three and more dimensions.

use super::*;
use crate::layers::laws::{self, Tolerance, check};
use crate::layers::{Chain, ChainType};
use crate::numeric::Scalar;
use crate::testing::Walk;
use flow_notation::settings::n;
use rand::{SeedableRng, rngs::StdRng};

type One<O> = (SegmentedSphere<O>, ());
const FIVE: u128 = b'5' as u128;
const FOUR_THREE: u128 = u32::from_le_bytes(*b"4-3\0") as u128;
const G: u128 = b'g' as u128;
const GG: u128 = u16::from_le_bytes(*b"gg") as u128;
const RR: u128 = u16::from_le_bytes(*b"rr") as u128;
const Z: u128 = b'z' as u128;

type Small<Rest = ()> = n::hidden_dims<FIVE, n::num_basis_functions<3, Rest>>;
type SmallG<Rest = ()> = Small<n::zenith_type_layers<G, Rest>>;
type Unturned<Rest = ()> = Small<n::add_rotation<0, Rest>>;

/// The layer as a chain.
fn chain<M: WithHeight, O: Options<SegmentedOptions>>() -> Chain
where
    One<O>: ChainType<M>,
{
    <One<O> as ChainType<M>>::chain()
}

/// The layer itself.
fn flow<M: WithHeight, O: Options<SegmentedOptions>>() -> HeightFlow<ANY> {
    HeightFlow::new(M::DIM, M::REFLECTIONS, O::VALUE)
}

fn prepared<M: WithHeight, O: Options<SegmentedOptions>>(params: &[f64]) -> Vec<f64>
where
    One<O>: ChainType<M>,
{
    let mut prepared = vec![0.0; flow::<M, O>().prepared()];
    flow::<M, O>().prepare(params, &mut prepared);
    prepared
}

/// A map at a point: the result and its log-determinant.
fn mapped<M: WithHeight, O: Options<SegmentedOptions>>(params: &[f64], start: &[f64], inverse: bool) -> (Vec<f64>, f64)
where
    One<O>: ChainType<M>,
{
    let Walk { point, log_det, fault, .. } = Walk::new(&chain::<M, O>(), params, start, inverse);
    assert_eq!(fault, None, "{start:?}");
    (point, log_det)
}

/// The least distance to an axis, over the levels.
fn least_rho<M: WithHeight>(v: &[f64]) -> f64 {
    Point::of(M::DIM, v).levels[..M::DIM - 1].iter().map(|level| level.rho).fold(1.0, f64::min)
}

#[test]
fn counts() {
    fn params<const D: usize, O: Options<SegmentedOptions>>() -> usize {
        <One<O> as ChainType<Sphere<D>>>::PARAMS
    }
    // Reflections, networks 2 -> 64 -> 16 and 3 -> 64 -> 16, mixture.
    assert_eq!(params::<3, ()>(), 16 + 1232 + 1296 + 40);
    assert_eq!(params::<4, n::rotation_mode<1>>(), 10 + 1232 + 1296 + 1360 + 40);
    assert_eq!(params::<3, Unturned<n::zenith_type_layers<Z>>>(), 12);
    assert_eq!(params::<3, n::highway_mode<1>>(), 16 + 1232 + 32 + 1296 + 48 + 40);
    // 2 x 64 saves nothing below rank 2 but rank 1 does: 66, as 67 for 3 x 64; 64 x 16 takes 80.
    assert_eq!(params::<3, n::max_rank<1>>(), 16 + (66 + 64 + 80 + 16) + (67 + 64 + 80 + 16) + 40);
    assert_eq!(params::<2, ()>(), 1281);
}

/// At points whose rho is at least 0.1 at every level, for the reason given in the tests of the two-sphere.
fn away_from_the_axes<M: WithHeight, O: Options<SegmentedOptions>>(seed: u64)
where
    One<O>: ChainType<M>,
{
    let mut rng = StdRng::seed_from_u64(seed);
    let flow = flow::<M, O>();
    let mut all = Vec::new();
    for _ in 0..4 {
        let params = laws::random_params::<M, One<O>>(&mut rng, 0.3);
        let numbers = prepared::<M, O>(&params);
        let start = loop {
            let start = laws::random_point::<M>(&mut rng, 1.0);
            let mut turned = start.clone();
            flow.rotate_back(flow.sections(&numbers).0, &mut turned);
            if least_rho::<M>(&turned).min(least_rho::<M>(&start)) > 0.1 {
                break start;
            }
        };
        laws::round_trip::<M, One<O>, f64>(&params, &start, 1e-9).unwrap();
        laws::round_trip::<M, One<O>, f32>(&params, &start, 1e-4).unwrap();
        laws::jacobian::<M, One<O>>(&params, &start, 1e-6).unwrap();
        all.push((params, start));
    }
    for (params, start) in &all[..2] {
        for inverse in [true, false] {
            laws::gradients::<M, One<O>>(&mut rng, params, start, inverse, 1e-6).unwrap();
        }
    }
    let (params, points): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    laws::lanes_agree::<M, One<O>>(&mut rng, &params, &points).unwrap();
}

#[test]
fn laws_on_the_three_sphere() {
    away_from_the_axes::<Sphere<3>, Small>(1);
    away_from_the_axes::<Sphere<3>, SmallG>(2);
    away_from_the_axes::<Sphere<3>, Small<n::zenith_type_layers<RR>>>(3);
    away_from_the_axes::<Sphere<3>, Small<n::zenith_type_layers<GG>>>(4);
    away_from_the_axes::<Sphere<3>, Small<n::zenith_type_layers<Z>>>(5);
    away_from_the_axes::<Sphere<3>, Small<n::rotation_mode<1>>>(6);
    away_from_the_axes::<Sphere<3>, Unturned>(7);
}

#[test]
fn laws_with_every_network() {
    away_from_the_axes::<Sphere<3>, n::hidden_dims<FOUR_THREE, n::highway_mode<1>>>(1);
    away_from_the_axes::<Sphere<3>, n::hidden_dims<FOUR_THREE, n::highway_mode<2, n::max_rank<2>>>>(2);
    away_from_the_axes::<Sphere2, n::hidden_dims<FOUR_THREE, n::highway_mode<3>>>(3);
    away_from_the_axes::<Sphere<3>, n::hidden_dims<FOUR_THREE, n::highway_mode<4, n::max_rank<1>>>>(4);
}

#[test]
fn laws_on_larger_spheres() {
    away_from_the_axes::<Sphere<4>, Small>(1);
    away_from_the_axes::<Sphere<4>, SmallG<n::rotation_mode<1>>>(2);
    away_from_the_axes::<Sphere<6>, Small<n::rotation_mode<1>>>(3);
    check::<Sphere<4>, (SegmentedSphere<Small<n::zenith_type_layers<Z>>>, ())>(4, 1, 0.3, Tolerance::F64).unwrap();
}

/// The two-sphere is the special case: with the same numbers both give the same.
#[test]
fn in_two_dimensions_it_is_the_layer_of_the_two_sphere() {
    type O = Unturned;
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..5 {
        let params = laws::random_params::<Sphere2, One<O>>(&mut rng, 0.3);
        let start = laws::random_point::<Sphere2>(&mut rng, 1.0);
        let own = mapped::<Sphere<2>, O>(&params, &start, true);
        assert_eq!(own, mapped::<Sphere2, O>(&params, &start, true));
    }
}

/// Splines at their start and no rotation leave the heights alone, so that a uniform density stays uniform but for the
/// azimuth.
#[test]
fn the_identity_of_the_heights_has_no_volume() {
    type O = Unturned<n::zenith_type_layers<Z>>;
    let mut rng = StdRng::seed_from_u64(1);
    let params = laws::random_params::<Sphere<4>, One<O>>(&mut rng, 0.3);
    let start = laws::random_point::<Sphere<4>>(&mut rng, 1.0);
    let (to, ln) = mapped::<Sphere<4>, O>(&params, &start, true);
    assert!((2..5).all(|k| (to[k] - start[k]).abs() < 1e-15));
    let mixture = &prepared::<Sphere<4>, O>(&params);
    assert!((ln - moebius::map(mixture, Point::of(4, &start).azimuth).1.ln()).abs() < 1e-15);
}

/// Poles of every level, and points beside them: v_0 = .. = v_{m-1} = 0.
fn special<M: WithHeight>() -> Vec<Vec<f64>> {
    let mut points = Vec::new();
    for size in [0.0, 1e-300, 1e-30, 1e-12, 1e-7, 1e-3] {
        for (level, sign) in (2..M::EMBED).flat_map(|level| [(level, 1.0), (level, -1.0)]) {
            let mut v = vec![0.0; M::EMBED];
            (v[level], v[0], v[1]) = (sign, 0.6 * size, -0.8 * size);
            let unit = |v: &[f64]| {
                let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
                v.iter().map(|x| x / norm).collect()
            };
            points.push(unit(&v));
            v[M::DIM] += 0.7;
            if level > 2 {
                v[2] -= 0.5 * size;
            }
            points.push(unit(&v));
        }
    }
    points
}

/// Parameters and points are rounded to `T`, and the points between both ways as well.
fn at_the_poles<M: WithHeight, O: Options<SegmentedOptions>, T: Scalar>(seed: u64)
where
    One<O>: ChainType<M>,
{
    let mut rng = StdRng::seed_from_u64(seed);
    let chain = chain::<M, O>();
    let rounded = |values: &[f64]| values.iter().map(|v| T::narrow(*v).widen()).collect::<Vec<f64>>();
    let params = rounded(&laws::random_params::<M, One<O>>(&mut rng, 0.3));
    for point in special::<M>() {
        let start = rounded(&point);
        let mut at = start.clone();
        let mut sum = 0.0;
        for inverse in [true, false] {
            let mut walk = Walk::new(&chain, &params, &at, inverse);
            assert_eq!(walk.fault, None, "{} {point:?} {inverse}", T::NAME);
            let mut cot = [0.3, -0.8, 1.1, 0.4, -0.6][..M::EMBED].to_vec();
            let cot_prepared = walk.pull(&chain, &mut cot, 0.0);
            at = rounded(&walk.point);
            sum += walk.log_det;
            let mut all = at.iter().chain(&cot).chain(&cot_prepared).chain([&sum]);
            assert!(all.all(|v| v.is_finite()), "{} {point:?} {inverse}: {at:?} {sum} {cot:?}", T::NAME);
        }
        // On an axis there is a value for each direction in which it is left, and the way back may start in another.
        if point[0].hypot(point[1]) < 1e-20 {
            continue;
        }
        let off = at.iter().zip(&start).map(|(a, b)| (a - b).abs()).fold(sum.abs(), f64::max);
        assert!(off < 1e4 * T::EPSILON, "{} {point:?}: {at:?}, off by {off:e}", T::NAME);
    }
}

#[test]
fn everything_is_finite_and_comes_back_at_the_poles() {
    at_the_poles::<Sphere<3>, Unturned, f64>(1);
    at_the_poles::<Sphere<3>, Unturned, f32>(1);
    at_the_poles::<Sphere<4>, Unturned<n::zenith_type_layers<RR>>, f64>(2);
    at_the_poles::<Sphere<4>, Unturned<n::zenith_type_layers<Z>>, f32>(3);
}

/// Relative to the distance from the axis of each level.
#[test]
fn round_trips_to_the_poles() {
    type O = Unturned;
    let mut rng = StdRng::seed_from_u64(2);
    for _ in 0..5 {
        let params = laws::random_params::<Sphere<3>, One<O>>(&mut rng, 0.3);
        for (outer, inner) in [(1e-3, 0.4), (0.4, 1e-6), (1e-6, 1e-6), (1e-40, 1e-30), (1e-150, 0.7), (0.7, 1e-150)] {
            let (z, up) = (f64::sqrt(1.0 - outer * outer), f64::sqrt(1.0 - inner * inner));
            let start = [outer * inner * 0.6, outer * inner * 0.8, -outer * up, z];
            let (base, ln) = mapped::<Sphere<3>, O>(&params, &start, true);
            let (back, ln_back) = mapped::<Sphere<3>, O>(&params, &base, false);
            let (a, b) = (Point::of(3, &start), Point::of(3, &back));
            let same = (0..2).all(|m| (a.levels[m].rho / b.levels[m].rho).ln().abs() < 1e-10)
                && (0..2).all(|i| (a.azimuth[i] - b.azimuth[i]).abs() < 1e-10);
            assert!(same && (ln + ln_back).abs() < 1e-9, "{start:?} {base:?} {back:?} {ln} {ln_back}");
        }
    }
}
