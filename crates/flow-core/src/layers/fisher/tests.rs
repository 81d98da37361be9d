//! Tests of layer f.

use super::*;
use crate::layers::ChainType;
use crate::layers::laws::{self, Tolerance, check, random_params};
use crate::manifolds::{Manifold, half_squares};
use crate::numeric::Scalar;
use crate::testing::Walk;
use flow_notation::settings::f;
use rand::{SeedableRng, rngs::StdRng};

const MINUS_ONE: u128 = u128::MAX;
const RR: u128 = 0x7272;

type Plain = FisherFlow<()>;
type Vertical = FisherFlow<f::add_vertical_rq_spline_flow<1>>;
type Circular = FisherFlow<f::add_circular_rq_spline_flow<1>>;
type Both = FisherFlow<f::add_vertical_rq_spline_flow<1, f::add_circular_rq_spline_flow<1>>>;
type SuggestedWith<Rest> = f::add_vertical_rq_spline_flow<
    1,
    f::add_circular_rq_spline_flow<
        1,
        f::spline_num_basis_functions<
            MINUS_ONE,
            f::vertical_smooth<
                1,
                f::vertical_fix_first_width_n_height_to_zero<
                    1,
                    f::vertical_also_fix_second_width_to_zero<
                        1,
                        f::vertical_independent_width_height_parametrization<1, f::vertical_flow_defs<RR, Rest>>,
                    >,
                >,
            >,
        >,
    >,
>;
type Suggested = FisherFlow<SuggestedWith<()>>;
type Unrotated = FisherFlow<f::add_rotation<0>>;
type UnrotatedSuggested = FisherFlow<SuggestedWith<f::add_rotation<0>>>;
type UnrotatedBoth =
    FisherFlow<f::add_vertical_rq_spline_flow<1, f::add_circular_rq_spline_flow<1, f::add_rotation<0>>>>;
type North = FisherFlow<f::inverse_z_scaling<0>>;
type Tilted = FisherFlow<SuggestedWith<f::add_extra_rotation_inbetween<1>>>;
type Region = FisherFlow<SuggestedWith<f::boundary_cos_theta_identity_region<{ 0.1_f64.to_bits() as u128 }>>>;
type Angles = FisherFlow<f::rotation_mode<1>>;
type Xyz<Rest = ()> = f::rotation_mode<2, Rest>;
type Quaternion<Rest = ()> = f::rotation_mode<3, Rest>;
type Softplus = FisherFlow<f::kappa_prediction<1>>;
type SoftplusClamped = FisherFlow<f::kappa_prediction<1, f::kappa_clamping<1>>>;
type LogBounded = FisherFlow<f::kappa_prediction<2, f::min_kappa<{ 0.01_f64.to_bits() as u128 }>>>;
type Mu<Rest = ()> = FisherFlow<f::kappa_prediction<3, Xyz<Rest>>>;
type MuSquared = FisherFlow<f::kappa_prediction<4, Xyz>>;
type Quatvec = FisherFlow<f::kappa_prediction<5, Quaternion>>;
type QuatvecSquared = FisherFlow<f::kappa_prediction<6, Quaternion>>;
type CorrelatedWith<Rest> = f::add_correlated_rq_spline_flow<1, Rest>;
type Correlated = FisherFlow<CorrelatedWith<()>>;
/// A small network, for many laws.
type Thin<Rest = ()> =
    CorrelatedWith<f::correlated_max_rank<1, f::circular_flow_defs<O, f::vertical_flow_defs<R, Rest>>>>;
type ThinCap = FisherFlow<
    Thin<f::boundary_cos_theta_identity_region<{ 0.1_f64.to_bits() as u128 }, f::add_extra_rotation_inbetween<1>>>,
>;
const O: u128 = 0x6f;
const R: u128 = 0x72;
const ZRZ: u128 = 0x7a727a;
/// An identity between splines.
type Mixed = FisherFlow<f::add_vertical_rq_spline_flow<1, f::vertical_flow_defs<ZRZ, f::num_householder_iter<2>>>>;
type Narrow = FisherFlow<SuggestedWith<f::boundary_cos_theta_identity_region<{ 0.004_f64.to_bits() as u128 }>>>;
type Clamped = FisherFlow<f::kappa_clamping<1>>;
type FreeEnds =
    FisherFlow<f::vertical_fix_boundary_derivative<0, f::add_vertical_rq_spline_flow<1, f::add_rotation<0>>>>;

fn params<C: LayerType<Sphere2>>() -> usize {
    C::PARAMS
}

#[test]
fn parameters_are_counted_as_published() {
    assert_eq!(params::<Plain>(), 10);
    assert_eq!(params::<Suggested>(), 14);
    assert_eq!(params::<Both>(), 46);
    assert_eq!(params::<Angles>(), 4);
    assert_eq!(params::<Unrotated>(), 1);
    assert_eq!(params::<Correlated>(), 426);
    assert_eq!(params::<FisherFlow<CorrelatedWith<f::correlated_max_rank<0>>>>(), 10 + 32 + 128 + 65 * 16);
    assert_eq!((params::<FisherFlow<Xyz>>(), params::<FisherFlow<Quaternion>>()), (4, 5));
    assert_eq!((params::<Mu>(), params::<QuatvecSquared>()), (3, 4));
    assert_eq!(params::<Mixed>(), 6 + 1 + 14);
}

#[test]
fn laws() {
    check::<Sphere2, (Plain, ())>(1, 20, 0.3, Tolerance::F64).unwrap();
    check::<Sphere2, (Vertical, ())>(2, 20, 0.3, Tolerance::F64).unwrap();
    check::<Sphere2, (Circular, ())>(3, 20, 0.3, Tolerance::F64).unwrap();
    check::<Sphere2, (Both, ())>(4, 20, 0.3, Tolerance::F64).unwrap();
    check::<Sphere2, (Suggested, ())>(5, 20, 0.3, Tolerance::F64).unwrap();
    check::<Sphere2, (Unrotated, ())>(6, 20, 0.3, Tolerance::F64).unwrap();
    check::<Sphere2, (North, ())>(7, 20, 0.3, Tolerance::F64).unwrap();
    check::<Sphere2, (Tilted, ())>(8, 20, 0.3, Tolerance::F64).unwrap();
    check::<Sphere2, (Region, ())>(9, 20, 0.3, Tolerance::F64).unwrap();
    check::<Sphere2, (Angles, ())>(10, 20, 0.3, Tolerance::F64).unwrap();
    check::<Sphere2, (Clamped, ())>(11, 20, 2.0, Tolerance::F64).unwrap();
    check::<Sphere2, (FreeEnds, ())>(12, 20, 0.3, Tolerance::F64).unwrap();
    check::<Sphere2, (Suggested, (Both, (Tilted, ())))>(13, 5, 0.3, Tolerance::F64).unwrap();
    check::<Sphere2, (FisherFlow<Xyz>, ())>(14, 20, 0.8, Tolerance::F64).unwrap();
    check::<Sphere2, (FisherFlow<Quaternion>, ())>(15, 20, 0.8, Tolerance::F64).unwrap();
    check::<Sphere2, (Mixed, ())>(16, 20, 0.3, Tolerance::F64).unwrap();
    check::<Sphere2, (Narrow, ())>(17, 20, 0.3, Tolerance::F64).unwrap();
}

#[test]
fn laws_of_every_concentration() {
    check::<Sphere2, (Softplus, ())>(1, 20, 0.8, Tolerance::F64).unwrap();
    check::<Sphere2, (SoftplusClamped, ())>(2, 20, 2.0, Tolerance::F64).unwrap();
    check::<Sphere2, (LogBounded, ())>(3, 20, 0.8, Tolerance::F64).unwrap();
    check::<Sphere2, (Mu, ())>(4, 20, 0.8, Tolerance::F64).unwrap();
    check::<Sphere2, (MuSquared, ())>(5, 20, 0.8, Tolerance::F64).unwrap();
    check::<Sphere2, (Quatvec, ())>(6, 20, 0.8, Tolerance::F64).unwrap();
    check::<Sphere2, (QuatvecSquared, ())>(7, 20, 0.8, Tolerance::F64).unwrap();
    check::<Sphere2, (Mu<f::inverse_z_scaling<0>>, (QuatvecSquared, ()))>(8, 20, 0.8, Tolerance::F64).unwrap();
}

/// The laws at points whose base points are away from the poles, where correlated splines are not smooth.
fn holds_away_from_the_poles<C: ChainType<Sphere2>>(seed: u64, rounds: usize, spread: f64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let tolerance = Tolerance::F64;
    let (mut all, mut points) = (Vec::new(), Vec::new());
    for _ in 0..rounds.max(2) {
        let params = random_params::<Sphere2, C>(&mut rng, spread);
        let base = loop {
            let base = laws::random_point::<Sphere2>(&mut rng, 2.0);
            if base[2].abs() < 0.99 {
                break base;
            }
        };
        points.push(walk::<C>(&params, &base, false).0);
        all.push(params);
    }
    for (params, start) in all.iter().zip(&points).take(rounds) {
        laws::round_trip::<Sphere2, C, f64>(params, start, tolerance.round_trip).unwrap();
        laws::round_trip::<Sphere2, C, f32>(params, start, 1e-4).unwrap();
        laws::jacobian::<Sphere2, C>(params, start, tolerance.jacobian).unwrap();
        laws::gradients::<Sphere2, C>(&mut rng, params, start, true, tolerance.gradient).unwrap();
        let (base, _) = walk::<C>(params, start, true);
        laws::gradients::<Sphere2, C>(&mut rng, params, &base, false, tolerance.gradient).unwrap();
    }
    laws::lanes_agree::<Sphere2, C>(&mut rng, &all, &points).unwrap();
}

#[test]
fn laws_of_correlated_splines() {
    holds_away_from_the_poles::<(FisherFlow<Thin>, ())>(1, 6, 0.3);
    holds_away_from_the_poles::<(FisherFlow<Thin<f::add_rotation<0>>>, ())>(2, 6, 0.3);
    holds_away_from_the_poles::<(ThinCap, ())>(3, 6, 0.3);
    holds_away_from_the_poles::<(Correlated, ())>(4, 2, 0.3);
    holds_away_from_the_poles::<(FisherFlow<CorrelatedWith<f::correlated_max_rank<0>>>, ())>(5, 1, 0.1);
}

/// Poles, next to them, and the seam of the azimuth.
fn special_points() -> Vec<Vec<f64>> {
    let mut points = vec![vec![0.0, 0.0, 1.0], vec![0.0, 0.0, -1.0]];
    for rho in [1e-300, 1e-100, 1e-12, 1e-7, 1e-3] {
        let z = (1.0 - rho * rho).sqrt();
        points.push(vec![rho * 0.8, -rho * 0.6, z]);
        points.push(vec![-rho, 0.0, -z]);
        points.push(vec![0.0, rho, -z]);
    }
    for z in [-0.7, 0.4] {
        let rho = f64::sqrt(1.0 - z * z);
        points.push(vec![-rho, 0.0, z]);
        points.push(vec![-rho, -0.0, z]);
        points.push(vec![-rho, 1e-13, z]);
        points.push(vec![rho, 0.0, z]);
    }
    points
}

fn holds_at_special_points<C: ChainType<Sphere2>>(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let tolerance = Tolerance::F64;
    for _ in 0..5 {
        let params = random_params::<Sphere2, C>(&mut rng, 0.3);
        for start in special_points() {
            laws::round_trip::<Sphere2, C, f64>(&params, &start, tolerance.round_trip).unwrap();
            laws::round_trip::<Sphere2, C, f32>(&params, &start, 1e-4).unwrap();
            laws::jacobian::<Sphere2, C>(&params, &start, tolerance.jacobian).unwrap();
            for inverse in [true, false] {
                laws::gradients::<Sphere2, C>(&mut rng, &params, &start, inverse, tolerance.gradient).unwrap();
            }
        }
    }
}

#[test]
fn laws_hold_at_the_poles_and_at_the_seam() {
    holds_at_special_points::<(Unrotated, ())>(21);
    holds_at_special_points::<(UnrotatedSuggested, ())>(22);
    holds_at_special_points::<(UnrotatedBoth, ())>(23);
    holds_at_special_points::<(FreeEnds, ())>(24);
    holds_at_special_points::<(Suggested, ())>(25);
    holds_at_special_points::<(Tilted, ())>(26);
    holds_at_special_points::<(FisherFlow<f::inverse_z_scaling<0, f::add_rotation<0>>>, ())>(27);
    holds_at_special_points::<(Mu, ())>(28);
    holds_at_special_points::<(QuatvecSquared, ())>(29);
    holds_at_special_points::<(Narrow, ())>(30);
}

/// The rotations of vectors around -z, where the shortest way from +z is none: they are rotations, they take +z there,
/// and values and derivatives are numbers; likewise for vectors of zeros.
#[test]
fn the_shortest_way_has_no_hole() {
    fn moved<T: Scalar>(p: [f64; 3]) -> ([f64; 3], [f64; 3]) {
        let p = p.map(T::narrow);
        let mut matrix = [T::narrow(0.0); 9];
        Turn(FisherRotation::Xyz).prepare(&p, &mut matrix);
        let mut cot = [T::narrow(0.0); 3];
        Turn(FisherRotation::Xyz).prepare_vjp(&p, &matrix, &[T::narrow(0.7); 9], &mut cot);
        assert!(cot.iter().all(|c| c.is_finite()), "{p:?}: {cot:?}");
        let of = |axis: usize| {
            let mut v = [0, 1, 2].map(|i| T::narrow(f64::from(u8::from(i == axis))));
            Turn(FisherRotation::Xyz).apply(&matrix, &mut v, false);
            v.map(|x| x.widen())
        };
        let [x, y, z] = [of(0), of(1), of(2)];
        let cross = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]];
        let off = cross.iter().zip(z).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs()));
        assert!(off < 8.0 * T::EPSILON, "{p:?}: {x:?} {y:?} {z:?}");
        (x, z)
    }
    let mut vectors = vec![[0.0, 0.0, -2.0], [0.0, 0.0, 3.0]];
    for rho in [1e-300, 1e-200, 1e-30, 1e-16, 1e-12, 1e-6, 0.1, 5.0] {
        vectors.extend([[rho, 0.0, -1.0], [-0.6 * rho, 0.8 * rho, -1.0], [rho, -rho, 1.0], [0.3, rho, 0.0]]);
        vectors.extend([[rho, rho, -rho], [rho, 0.0, 0.0]]);
    }
    for p in vectors {
        let (_, z) = moved::<f64>(p);
        let (_, narrow) = moved::<f32>(p);
        let size = p.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let norm = p.iter().map(|x| (x / size).powi(2)).sum::<f64>().sqrt();
        for i in 0..3 {
            assert!((z[i] - p[i] / size / norm).abs() < 1e-15, "{p:?}: {z:?}");
            assert!(size < 1e-30 || (narrow[i] - z[i]).abs() < 1e-6, "{p:?}: {narrow:?}");
        }
    }
    assert_eq!(moved::<f64>([0.0, 0.0, -1.0]), ([-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]));
    assert_eq!(moved::<f64>([0.0; 3]), ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]));
    let mut matrix = [0.0; 9];
    Turn(FisherRotation::Quaternion).prepare(&[0.0; 4], &mut matrix);
    assert_eq!(matrix, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
}

/// The region that splines leave alone ends where it is said to, whatever the number of its decimals (Q3).
#[test]
fn the_region_left_alone_is_exact() {
    type Cap = FisherFlow<
        SuggestedWith<f::boundary_cos_theta_identity_region<{ 0.004_f64.to_bits() as u128 }, f::add_rotation<0>>>,
    >;
    let mut rng = StdRng::seed_from_u64(41);
    let mut params = random_params::<Sphere2, (Cap, ())>(&mut rng, 1.0);
    params[0] = -40.0;
    for (z, acts) in [(0.9961, false), (0.9959, true), (-0.9961, false), (-0.9959, true)] {
        let rho = f64::sqrt(1.0 - z * z);
        let start = [rho * 0.6, rho * 0.8, z];
        let (to, ln) = walk::<(Cap, ())>(&params, &start, true);
        let off = to.iter().zip(start).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs()));
        assert_eq!(off > 1e-8, acts, "{z}: {to:?}");
        assert_eq!(ln.abs() > 1e-8, acts, "{z}: {ln}");
    }
    // The splines of z end at the region's edge on both sides.
    let edge = 0.996 - 1e-13;
    let (to, _) = walk::<(Cap, ())>(&params, &[0.0, f64::sqrt(1.0 - edge * edge), edge], true);
    assert!((to[2] - edge).abs() < 1e-12, "{to:?}");
}

/// A chain walked in one direction: the point reached and the log-determinant of area.
fn walk<C: ChainType<Sphere2>>(params: &[f64], start: &[f64], inverse: bool) -> (Vec<f64>, f64) {
    let Walk { point, log_det, fault, .. } = Walk::new(&C::chain(), params, start, inverse);
    assert_eq!(fault, None, "{params:?} {start:?}");
    (point, log_det)
}

/// Rows of layers.md section 15. Those of a first letter include the map to the plane, with ln |d plane / d area| =
/// -ln(1 - z); all are in angles.
#[test]
fn reference_values() {
    fn row<C: LayerType<Sphere2>>(first: bool, base: [f64; 2], ln_inverse: f64, from: [f64; 2], to: [f64; 2], ln: f64) {
        let params: Vec<f64> = (0..C::PARAMS).map(|j| 0.6 * (1.0 + 1.3 * j as f64).sin()).collect();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 2e-11 * (1.0 + b.abs()), "{a} {b}");
        let out = |v: &[f64], log_det: &mut f64| {
            let mut z = [0.0; 2];
            if first {
                Sphere2::to_base(v, &mut z);
                *log_det -= (2.0 * half_squares(v).0).ln();
            } else {
                Sphere2::intrinsic(v, &mut z, log_det);
            }
            z
        };
        let mut log_det = 0.0;
        let mut v = [0.0; 3];
        Sphere2::embed(&[1.1, 4.0], &mut v, &mut log_det);
        let (v, added) = walk::<(C, ())>(&params, &v, true);
        log_det += added;
        let z = out(&v, &mut log_det);
        close(z[0], base[0]);
        close(z[1], base[1]);
        close(log_det, ln_inverse);

        let (mut log_det, mut v) = (0.0, [0.0; 3]);
        if first {
            Sphere2::from_base(&from, &mut v);
            log_det += (2.0 * half_squares(&v).0).ln();
        } else {
            Sphere2::embed(&from, &mut v, &mut log_det);
        }
        let (v, added) = walk::<(C, ())>(&params, &v, false);
        log_det += added;
        let mut x = [0.0; 2];
        Sphere2::intrinsic(&v, &mut x, &mut log_det);
        close(x[0], to[0]);
        close(x[1], to[1]);
        close(log_det, ln);
    }
    row::<Plain>(
        true,
        [0.71020247941, -0.666995060429],
        0.153745771363,
        [0.4, -0.9],
        [1.38492179369, 4.1350705616],
        -0.253341392488,
    );
    row::<Suggested>(
        false,
        [1.483678685, 4.94601580346],
        0.507291117501,
        [2.0, 0.5],
        [1.08435784292, 3.08142092811],
        -1.49030897373,
    );
    row::<Correlated>(
        false,
        [1.80038663891, 3.12651415026],
        -4.3466665206,
        [2.0, 0.5],
        [2.36182015763, 3.0295786244],
        -15.8573120318,
    );
    row::<FisherFlow<f::kappa_prediction<3, Xyz<f::add_extra_rotation_inbetween<1>>>>>(
        false,
        [1.56427465076, 6.07063049632],
        0.51504825714,
        [2.0, 0.5],
        [1.22242792794, 3.35828303124],
        -0.591531614392,
    );
    row::<QuatvecSquared>(
        false,
        [0.455180227454, 0.59917707231],
        0.142821208144,
        [2.0, 0.5],
        [1.68392725845, 5.57027405462],
        -0.411831896023,
    );
    row::<Both>(
        false,
        [1.86064596378, 4.01791505319],
        0.447503564286,
        [2.0, 0.5],
        [0.849324737413, 3.26035289238],
        -1.72898297763,
    );
}

/// The scaling alone, at a point with (1 + z)/2 = `low` and azimuth 2.
fn at(low: f64) -> Vec<f64> {
    let rho = 2.0 * (low * (1.0 - low)).sqrt();
    vec![rho * 2.0_f64.cos(), rho * 2.0_f64.sin(), 2.0 * low - 1.0]
}

#[test]
fn every_concentration_is_inverted_and_differentiated() {
    let mut rng = StdRng::seed_from_u64(31);
    // Exact derivatives, both signs of the scaling.
    every_concentration_has_exact_derivatives::<FisherFlow<f::inverse_z_scaling<0, Unbounded>>>(1.0);
    every_concentration_has_exact_derivatives::<FisherFlow<Unbounded>>(-1.0);
    for power in -12..=8 {
        let kappa = 10.0_f64.powi(power);
        let params = [kappa.ln()];
        type C = (Unrotated, ());
        // On the target side distances from the pole are of the order of 1 / (2 kappa); forward from anywhere.
        for share in [0.0, 1e-200, 1e-9, 0.01, 0.3, 0.9, 2.0, 10.0] {
            let start = at(share / (2.0 * kappa).max(20.0));
            laws::round_trip::<Sphere2, C, f64>(&params, &start, 1e-9).unwrap();
        }
        for low in [0.0, 1e-200, 1e-9, 0.1, 0.5, 0.9, 0.99] {
            let (there, ln) = walk::<C>(&params, &at(low), false);
            let (back, ln_back) = walk::<C>(&params, &there, true);
            let off = back.iter().zip(at(low)).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs()));
            assert!(off < 1e-9 && (ln + ln_back).abs() < 1e-9, "{kappa} {low}: {off:e} {}", ln + ln_back);
            if power <= 2 {
                laws::gradients::<Sphere2, C>(&mut rng, &params, &at(low), false, 1e-6).unwrap();
                laws::gradients::<Sphere2, C>(&mut rng, &params, &at(low), true, 1e-6).unwrap();
            }
        }
    }
}

/// kappa = e^p to all digits, and no rotation.
type Unbounded = f::min_kappa<{ 1e-300_f64.to_bits() as u128 }, f::add_rotation<0>>;

/// Against closed forms for all concentrations: with N = ln((1 - e^(-2 kappa)) / (2 kappa)) the inverse has ln|det| =
/// -N - kappa (1 - s z), whose derivatives are 1 / kappa - 2 / (e^(2 kappa) - 1) - (1 - s z), times kappa, by the raw
/// concentration, and kappa s by z. Points are those whose base points are evenly spread, and both poles.
fn every_concentration_has_exact_derivatives<C: LayerType<Sphere2>>(sign: f64) {
    let chain = <(C, ()) as ChainType<Sphere2>>::chain();
    for power in -12..=8 {
        let kappa = 10.0_f64.powi(power);
        let params = [kappa.ln()];
        for share in [0.0, 1e-12, 1e-6, 0.01, 0.3, 0.5, 0.7, 0.99, 1.0 - 1e-6, 1.0] {
            let mut base = at(share);
            base.iter_mut().skip(2).for_each(|z| *z *= -sign);
            let (target, _) = walk::<(C, ())>(&params, &base, false);
            // 1 - s z to full precision at the pole of concentration.
            let (high, low) = half_squares(&target);
            let away = 2.0 * if sign > 0.0 { high } else { low };
            let (mut back, mut cot) = (Walk::new(&chain, &params, &target, true), [0.0; 3]);
            let norm = if kappa < 1e-3 { -kappa } else { (-(-2.0 * kappa).exp_m1() / (2.0 * kappa)).ln() };
            let value = -norm - kappa * away;
            let scale = 1.0 + (kappa * away).abs() + norm.abs();
            let close = |a: f64, b: f64, what: &str| {
                let slack = if kappa < 1e-3 { kappa * kappa } else { 0.0 };
                assert!((a - b).abs() < 1e-13 * scale + slack, "{what}, kappa {kappa}, share {share}: {a}, not {b}");
            };
            close(back.log_det, value, "value");
            let cot_params = back.pull_params(&chain, &params, &mut cot, 1.0);
            let by_raw = if kappa < 1e-3 {
                kappa - kappa * away
            } else {
                1.0 - 2.0 * kappa / (2.0 * kappa).exp_m1() - kappa * away
            };
            close(cot_params[0], by_raw, "derivative by the concentration");
            // Along the meridian, d z = sin(theta): kappa s sin(theta).
            let rho = target[0].hypot(target[1]);
            let tangent = [-target[0] / rho * target[2], -target[1] / rho * target[2], rho];
            if rho > 0.0 {
                let along: f64 = cot.iter().zip(tangent).map(|(c, t)| c * t).sum();
                let exact = sign * kappa * rho;
                assert!(
                    (along - exact).abs() < 1e-12 * (1.0 + exact.abs()),
                    "by z, kappa {kappa}, {share}: {along}, not {exact}"
                );
            }
        }
    }
}

/// Where the raw concentration stands among the parameters.
trait Fisher: LayerType<Sphere2> {
    const KAPPA: usize;
}
impl<Opts: Options<FisherOptions>> Fisher for FisherFlow<Opts> {
    const KAPPA: usize = AxisFlow::<ANY>::new(Opts::VALUE).kappa.0;
}

#[test]
fn nothing_breaks_anywhere() {
    /// With parameters and points rounded to `T`, and results that `T` has.
    fn finite<C: Fisher, T: Scalar>(kappa: f64, spread: f64, rng: &mut StdRng) {
        let chain = <(C, ()) as ChainType<Sphere2>>::chain();
        let rounded = |values: &[f64]| values.iter().map(|v| T::narrow(*v).widen()).collect::<Vec<f64>>();
        let mut points = special_points();
        points.extend([1e-9, 0.1, 0.5, 0.9, 1.0 - 1e-9].map(at));
        let mut params = random_params::<Sphere2, (C, ())>(rng, spread);
        params[C::KAPPA] = kappa.ln();
        let params = rounded(&params);
        for point in points {
            for inverse in [true, false] {
                let mut walk = Walk::new(&chain, &params, &rounded(&point), inverse);
                let mut cot = vec![0.4, -0.8, 1.3];
                let cot_params = walk.pull_params(&chain, &params, &mut cot, 1.0);
                let all = [&walk.point[..], &[walk.log_det], &cot, &cot_params].concat();
                let finite = all.iter().all(|x| T::narrow(*x).is_finite());
                assert!(finite, "{} {kappa} {point:?} {inverse}: {all:?}", T::NAME);
                let norm = walk.point.iter().map(|x| x.powi(2)).sum::<f64>();
                assert!((norm - 1.0).abs() < 40.0 * T::EPSILON, "{} {kappa} {point:?} {inverse}: {norm}", T::NAME);
            }
        }
    }
    let mut rng = StdRng::seed_from_u64(32);
    for power in -12..=8 {
        let kappa = 10.0_f64.powi(power);
        for spread in [0.3, 3.0] {
            finite::<Unrotated, f64>(kappa, spread, &mut rng);
            finite::<Suggested, f64>(kappa, spread, &mut rng);
            finite::<Both, f64>(kappa, spread, &mut rng);
            finite::<UnrotatedBoth, f64>(kappa, spread, &mut rng);
            finite::<UnrotatedSuggested, f64>(kappa, spread, &mut rng);
            finite::<Region, f64>(kappa, spread, &mut rng);
            finite::<Tilted, f64>(kappa, spread, &mut rng);
            finite::<North, f64>(kappa, spread, &mut rng);
            finite::<FisherFlow<Thin>, f64>(kappa, spread, &mut rng);
            finite::<FisherFlow<Thin<f::add_rotation<0>>>, f64>(kappa, spread, &mut rng);
            finite::<FisherFlow<Xyz>, f64>(kappa, spread, &mut rng);
            finite::<FisherFlow<Quaternion>, f64>(kappa, spread, &mut rng);
            finite::<FisherFlow<Thin>, f32>(kappa, spread, &mut rng);
            finite::<FisherFlow<Unbounded>, f64>(kappa, spread, &mut rng);
            finite::<Unrotated, f32>(kappa, spread, &mut rng);
            finite::<UnrotatedSuggested, f32>(kappa, spread, &mut rng);
            finite::<Suggested, f32>(kappa, spread, &mut rng);
            finite::<Region, f32>(kappa, spread, &mut rng);
        }
    }
}
