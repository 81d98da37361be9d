//! Tests of layer g: the laws over its options, far points, starts from data, reference values.

use super::*;
use crate::layers::laws::{Tolerance, check, gradients, random_params, round_trip};
use crate::layers::{ChainType, First, Last, Middle, Only};
use crate::testing::Walk;
use flow_notation::settings::g;
use rand::{SeedableRng, rngs::StdRng};

type G<const D: usize, Opts = (), Pos = Middle> = (Gaussianization<D, Pos, Opts>, ());

// Options by name.
type Angles<Rest = ()> = g::rotation_mode<1, Rest>;
type NoRotation<Rest = ()> = g::rotation_mode<2, Rest>;
type Triangular<Rest = ()> = g::rotation_mode<3, Rest>;
type Cayley<Rest = ()> = g::rotation_mode<4, Rest>;
type PartlyPrecise<Rest = ()> = g::inverse_function_type<1, Rest>;
type FullPade<Rest = ()> = g::inverse_function_type<2, Rest>;
type PartlyCrude<Rest = ()> = g::inverse_function_type<3, Rest>;
type Inormal<Rest = ()> = g::inverse_function_type<4, Rest>;
type Skewed<Rest = ()> = g::add_skewness<1, Rest>;
type Centred<Rest = ()> = g::center_mean<1, Rest>;
type Splines<Rest = ()> = g::nonlinear_stretch_type<1, Rest>;
type Equal<Rest = ()> = g::fit_normalization<0, Rest>;

fn laws<const D: usize, C: ChainType<Euclidean<D>>>(seed: u64) {
    check::<Euclidean<D>, C>(seed, 4, 0.5, Tolerance::F64).unwrap();
}

#[test]
fn laws_of_the_defaults() {
    laws::<1, G<1, (), Only>>(1);
    laws::<3, G<3, (), Only>>(2);
    laws::<2, G<2, (), First>>(3);
    laws::<2, G<2, Equal<g::num_kde<4>>, Only>>(6);
    laws::<2, G<2, g::regulate_normalization<0>, Only>>(7);
    type Chained =
        (Gaussianization<3, First, ()>, (Gaussianization<3, Middle, ()>, (Gaussianization<3, Last, ()>, ())));
    laws::<3, Chained>(9);
}

#[test]
fn laws_of_the_inverse_functions() {
    laws::<1, G<1, Inormal>>(11);
    laws::<2, G<2, Inormal, First>>(12);
    laws::<3, G<3, Inormal, Last>>(13);
    laws::<1, G<1, FullPade>>(14);
    laws::<2, G<2, FullPade>>(15);
    laws::<1, G<1, PartlyCrude>>(16);
    laws::<2, G<2, PartlyCrude>>(17);
    laws::<3, G<3, PartlyPrecise>>(18);
}

#[test]
fn laws_of_the_rotations() {
    laws::<3, G<3, Angles>>(21);
    laws::<2, G<2, NoRotation, Last>>(22);
    laws::<3, G<3, g::num_householder_iter<1>, Only>>(23);
    laws::<1, G<1, Triangular>>(24);
    laws::<2, G<2, Triangular>>(25);
    laws::<3, G<3, Triangular, Last>>(26);
    laws::<1, G<1, Cayley>>(27);
    laws::<2, G<2, Cayley>>(28);
    laws::<3, G<3, Cayley, Last>>(29);
    laws::<5, G<5, Cayley<g::num_kde<3>>>>(30);
}

#[test]
fn laws_of_centred_means_and_skewness() {
    laws::<1, G<1, Centred<g::num_kde<2>>>>(31);
    laws::<2, G<2, Centred>>(32);
    laws::<3, G<3, Centred<Equal<g::num_kde<4>>>>>(33);
    laws::<2, G<2, Centred<Skewed<g::num_kde<5>>>>>(34);
    laws::<1, G<1, Skewed>>(35);
    laws::<2, G<2, Skewed<Inormal>, First>>(36);
    laws::<3, G<3, Skewed<Equal<g::num_kde<3>>>, Last>>(37);
    laws::<2, G<2, Skewed<FullPade<g::num_kde<1>>>>>(38);
}

#[test]
fn laws_of_splines() {
    // Seeds with no knot within the steps of the differences: there ln y' has a kink.
    laws::<1, G<1, Splines>>(45);
    laws::<2, G<2, Splines, First>>(42);
    laws::<3, G<3, Splines<Cayley<g::num_kde<3>>>, Last>>(43);
    laws::<1, G<1, Splines<g::num_kde<1>>>>(44);
}

/// Round trips in both number types up to 1e6, and derivatives as differences at some distance.
fn far<C: ChainType<Euclidean<2>>>(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let params = random_params::<Euclidean<2>, C>(&mut rng, 0.3);
    for far in [30.0, 1e3, 1e6] {
        let x = [far, -0.7 * far];
        round_trip::<Euclidean<2>, C, f64>(&params, &x, 1e-9).unwrap();
        round_trip::<Euclidean<2>, C, f32>(&params, &x, 1e-4).unwrap();
    }
    for inverse in [true, false] {
        gradients::<Euclidean<2>, C>(&mut rng, &params, &[40.0, -25.0], inverse, 1e-6).unwrap();
    }
}

#[test]
fn far_points_stay_invertible_and_differentiable() {
    far::<(Gaussianization<2, First, ()>, (Gaussianization<2, Last, ()>, ()))>(3);
    far::<G<2, Inormal>>(4);
    far::<(Gaussianization<2, First, Inormal>, G<2, Inormal, Last>)>(5);
    far::<G<2, PartlyPrecise>>(6);
    far::<G<2, FullPade>>(7);
    far::<G<2, PartlyCrude>>(8);
    far::<G<2, Triangular>>(9);
    far::<G<2, Cayley>>(10);
    far::<G<2, Centred>>(11);
    far::<G<2, Skewed>>(12);
    far::<G<2, Skewed<Inormal>>>(13);
    far::<G<2, Splines>>(14);
}

/// A density that is one logistic per dimension has its closed form at any distance: y is the normal quantile of F, and
/// y' = p / phi(y).
#[test]
fn the_exact_normal_variable_is_one_in_the_deepest_tails() {
    type One = G<1, Inormal<NoRotation<g::num_kde<1>>>>;
    // F = s(x / sigma) and quantiles of it by mpmath with 50 digits.
    let sigma: f64 = 0.01 + 100.0 / 101.0;
    for (u, y) in [
        (-700.0, -37.295_079_632_647_415),
        (-1e4, -141.379_839_873_127_17),
        (-1e6, -1_414.207_782_991_017_4),
        (1e6, 1_414.207_782_991_017_4),
    ] {
        let params = [0.0, 0.0, 1.0];
        let Walk { point, log_det, .. } =
            Walk::new(&<One as ChainType<Euclidean<1>>>::chain(), &params, &[u * sigma], true);
        assert!((point[0] / y - 1.0).abs() < 1e-12, "{u}: {}", point[0]);
        // phi(y) y' = p: both sides far below the least number, their logarithms not.
        let ln_p = -f64::abs(u) - sigma.ln();
        let ln = log_det - y * y / 2.0 - crate::numeric::special::HALF_LN_TAU;
        assert!((ln - ln_p).abs() < 1e-14 * u.abs(), "{u}: {ln} {ln_p}");
    }
}

/// Data of two heaps, far from the origin: the start maps it to something like a base variable, whatever the options.
fn starts_near_data<C: ChainType<Euclidean<2>>>() {
    let mut rng = StdRng::seed_from_u64(1);
    let points: Vec<f64> = (0..2000)
        .flat_map(|i| {
            let [a, b]: [f64; 2] = [rng.sample(StandardNormal), rng.sample(StandardNormal)];
            [3.0 + 0.5 * a + if i % 3 == 0 { 4.0 } else { 0.0 }, -1.0 + 0.02 * b]
        })
        .collect();
    let mut params = vec![0.0; C::PARAMS];
    let mut mapped = points.clone();
    assert!(C::chain().initial_from_data(&mut rng, &mut mapped, &mut params));
    assert!(params.iter().all(|p| p.is_finite()), "{params:?}");
    for d in 0..2 {
        let column: Vec<f64> = mapped.iter().skip(d).step_by(2).copied().collect();
        let mean = column.iter().sum::<f64>() / column.len() as f64;
        let spread = (column.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / column.len() as f64).sqrt();
        assert!(mean.abs() < 2.0 && (0.01..4.0).contains(&spread), "{d}: {mean} {spread}");
    }
}

#[test]
fn every_option_starts_near_data() {
    starts_near_data::<G<2, (), Only>>();
    starts_near_data::<G<2>>();
    starts_near_data::<G<2, Inormal, Only>>();
    starts_near_data::<G<2, PartlyPrecise>>();
    starts_near_data::<G<2, FullPade>>();
    starts_near_data::<G<2, PartlyCrude>>();
    starts_near_data::<G<2, Triangular>>();
    starts_near_data::<G<2, Cayley, Only>>();
    starts_near_data::<G<2, Angles<Equal>>>();
    starts_near_data::<G<2, Centred, Only>>();
    starts_near_data::<G<2, Centred<NoRotation>>>();
    starts_near_data::<G<2, Skewed, Only>>();
    starts_near_data::<G<2, Splines, Only>>();
    starts_near_data::<G<2, Splines<g::num_kde<1>>>>();
    // A column of equal numbers.
    let chain = <G<1, Splines> as ChainType<Euclidean<1>>>::chain();
    let (mut params, mut same) = (vec![0.0; chain.params()], vec![2.0; 50]);
    assert!(chain.initial_from_data(&mut StdRng::seed_from_u64(1), &mut same, &mut params));
    assert!(params.iter().chain(&same).all(|p| p.is_finite()), "{params:?}");
}

/// A point and what the package makes of it, with its log-determinant.
type Row<const D: usize> = ([f64; D], [f64; D], f64);

/// Rows of layers.md section 15: parameters 0.6 sin(1 + 1.3 j), printed with 12 digits.
fn reference<const D: usize, C: ChainType<Euclidean<D>>>(count: usize, inverse: Row<D>, forward: Option<Row<D>>) {
    let params: Vec<f64> = (0..C::PARAMS).map(|j| 0.6 * (1.0 + 1.3 * j as f64).sin()).collect();
    assert_eq!(params.len(), count);
    let chain = C::chain();
    for (is_inverse, (from, to, ln)) in
        [(true, Some(inverse)), (false, forward)].into_iter().filter_map(|(i, row)| Some((i, row?)))
    {
        let Walk { point: x, log_det, fault, .. } = Walk::new(&chain, &params, &from, is_inverse);
        assert!(fault.is_none());
        for (ours, theirs) in x.iter().chain([&log_det]).zip(to.iter().chain([&ln])) {
            assert!(
                (ours - theirs).abs() < 2e-10 * (1.0 + theirs.abs()),
                "{is_inverse}: {x:?} {log_det}, not {to:?} {ln}"
            );
        }
    }
}

#[test]
fn reference_values() {
    let (x, z) = ([0.7, -1.3], [0.4, -0.9]);
    reference::<2, G<2>>(
        64,
        (x, [1.38163789704, -0.231530757549], -0.263260536497),
        Some((z, [-0.578315566474, -0.883718146944], 0.120044587712)),
    );
    let precise = [0.838959298029, -0.144951693443];
    let forward = Some((z, [-0.881846747872, -1.51221371404], 1.32702338038));
    reference::<2, G<2, PartlyPrecise>>(64, (x, precise, -1.29240883593), forward);
    reference::<2, G<2, PartlyCrude>>(64, (x, precise, -1.29240883593), forward);
    // In the centre the exact quantile is the same number.
    reference::<2, G<2, Inormal>>(64, (x, precise, -1.29240883593), forward);
    reference::<2, G<2, FullPade>>(
        64,
        (x, [0.839093224097, -0.144952820232], -1.29209233738),
        Some((z, [-0.881641907116, -1.51197862212], 1.32650962268)),
    );
    reference::<2, G<2, PartlyPrecise>>(64, ([25.0, -30.0], [6.57081047432, -0.667406678423], -3.03217368883), None);
    reference::<2, G<2, Angles<Equal>, Last>>(
        43,
        (x, [-0.137772697092, -1.65030596081], 0.026751622637),
        Some((z, [0.998466745196, -0.43991071344], -0.0404182298581)),
    );
    reference::<3, G<3, Triangular>>(
        98,
        ([0.7, -1.3, 0.2], [2.02081525858, -1.6142256314, -0.192775709367], -0.423247552064),
        Some(([0.4, -0.9, 0.1], [-0.0487977704889, -1.00177067231, 0.223467870412], 0.03728155794)),
    );
    reference::<2, G<2, Cayley<Skewed>>>(
        81,
        (x, [-0.46251020727, -1.18516643246], -0.079187795963),
        Some((z, [1.00153641182, -0.384860313744], 0.185955300272)),
    );
    reference::<2, G<2, NoRotation<Centred<g::num_kde<4>>>>>(
        22,
        (x, [0.860612744529, -1.34796147876], 0.072177462124),
        Some((z, [0.25629799097, -0.893120534487], -0.183687699195)),
    );
    reference::<2, G<2, Splines>>(
        74,
        (x, [2.76138492741, 0.574402048123], -0.735162581668),
        Some((z, [-2.16595605913, -0.934671845441], 0.434302251115)),
    );
}
