//! Layers, a base density and a manifold of one's own, as the examples have them: they obey the laws, mean what they say, and train beside letters.

#[path = "../../examples/own_layer/base.rs"]
mod base;
#[path = "../../examples/own_layer/planar.rs"]
mod planar;
#[path = "../../examples/own_manifold/positive.rs"]
mod positive;

use base::HeavyTails;
use dfdx::prelude::*;
use flow_runtime::layers::{Affine, Gaussianization, Identity, Layer, Only};
use flow_runtime::manifolds::{Euclidean, Manifold, Sphere2};
use flow_runtime::numeric::{Lift, Mask, Real};
use flow_runtime::testing::{Law, Laws, Points, check_chain, check_layer, check_manifold};
use flow_runtime::{Adam, Density, Fit, estimators, flow};
use planar::Planar;
use positive::{OfLog, Positive};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;
use std::f64::consts::TAU;

flow! { struct Bent = e3 : gg [Planar<3>] | cond 4, hidden 8 }
flow! { struct Straight = e2 : t(cov_type = "full") }
flow! { struct Cut = e2 : [Planar<2>] [Planar<2>] t }
flow! { struct Tails = e1 : [HeavyTails] }
flow! { struct LogNormal = x@[Positive] : [OfLog<Identity<1, ()>>] }
flow! { struct Shower = energy@[Positive] + place@s2 : [OfLog<Gaussianization<1, Only, ()>>] + f | cond 2, hidden 8 }

#[test]
fn they_obey_the_laws() {
    for spread in [0.2, 1.5] {
        let laws = Laws { spread, ..Laws::default() };
        check_layer::<Euclidean<1>, Planar<1>>(&laws).unwrap();
        check_layer::<Euclidean<3>, Planar<3>>(&laws).unwrap();
    }
    check_chain::<Euclidean<2>, (Planar<2>, (Planar<2>, (Affine<2, Only, ()>, ())))>(&Laws::default()).unwrap();
    for at in [Points::Reference(1.0), Points::Reference(3.0)] {
        check_layer::<Euclidean<2>, HeavyTails>(&Laws { at, ..Laws::default() }).unwrap();
    }
    let report = check_manifold::<Positive>(&Laws::default()).unwrap();
    assert!(report.laws.iter().any(|(law, ..)| *law == Law::Reference), "{report}");
    check_layer::<Positive, OfLog<Gaussianization<1, Only, ()>>>(&Laws::default()).unwrap();
}

#[test]
fn a_base_density_takes_the_place_of_the_normal_one() {
    let pdf = Cpu::default().build_module::<Tails, f64>();
    for x in [0.0, 1e-9, -0.3, 2.0, -50.0, 1e4, -1e6] {
        let exact = -1.5 * (2.0_f64 + x * x).ln();
        let found = pdf.log_prob(&[[x]]).unwrap().array()[0];
        assert!((found - exact).abs() < 1e-9 * (1.0 + exact.abs()), "{x}: {found} {exact}");
    }
    // A quarter of the samples lie beyond each of +-sqrt(2/3).
    let sample = pdf.sample(4000, &mut StdRng::seed_from_u64(1)).unwrap().points.as_vec();
    let beyond = sample.iter().filter(|x| **x > (2.0_f64 / 3.0).sqrt()).count() as f64;
    assert!((beyond - 1000.0).abs() < 4.0 * 750.0_f64.sqrt(), "{beyond}");
}

#[test]
fn a_manifold_stands_in_the_notation_alone_and_beside_others() {
    let dev = Cpu::default();
    let pdf = dev.build_module::<LogNormal, f64>();
    for x in [1e-6, 0.5, 1.0, 30.0, 1e9] {
        let x: f64 = x;
        let exact = -x.ln() - 0.5 * x.ln().powi(2) - 0.5 * TAU.ln();
        let found = pdf.log_prob(&[[x]]).unwrap().array()[0];
        assert!((found - exact).abs() < 1e-12 * (1.0 + exact.abs()), "{x}: {found} {exact}");
    }
    let wrong = pdf.log_prob(&[[1.0], [-2.0]]).unwrap_err().to_string();
    assert!(wrong.contains("row 1: manifold 0 (`[Positive]`): x is -2: a positive number is above 0"), "{wrong}");
    assert_eq!(LogNormal::NOTATION, "x@[Positive] : [OfLog<Identity<1, ()>>]");

    let pdf = dev.build_module::<Shower, f64>();
    let given = pdf.given(&[[0.1, 0.2], [1.0, -1.0]]).unwrap();
    let sample = given.sample_n(50, &mut StdRng::seed_from_u64(2)).unwrap();
    assert!(sample.energy().as_vec().iter().all(|x| *x > 0.0));
    assert_eq!(sample.place().shape(), &(Const::<2>, 50, Const::<2>));
    assert_eq!((Shower::DIM, Shower::EMBEDDED_DIM), (3, 4));
    assert!(pdf.to_string().contains("\nenergy@[Positive]\n  g "), "{pdf}");
}

/// A line whose notation begins like that of a sphere.
struct Slab;

impl Manifold for Slab {
    const DIM: usize = 1;
    const EMBED: usize = 1;
    fn notation() -> String {
        "slab".into()
    }
    fn embed<R: Real>(intrinsic: &[R], embedded: &mut [R], _: &mut R) {
        embedded[0] = intrinsic[0];
    }
    fn embed_vjp<R: Real>(_: &[R], cot_embedded: &[R], _: R, cot_intrinsic: &mut [R]) {
        cot_intrinsic[0] += cot_embedded[0];
    }
    fn intrinsic<R: Real>(embedded: &[R], intrinsic: &mut [R], _: &mut R) {
        intrinsic[0] = embedded[0];
    }
    fn intrinsic_vjp<R: Real>(_: &[R], cot_intrinsic: &[R], _: R, cot_embedded: &mut [R]) {
        cot_embedded[0] += cot_intrinsic[0];
    }
    fn log_reference<R: Real>(target: &[R]) -> R {
        <Euclidean<1>>::log_reference(target)
    }
    fn log_reference_vjp<R: Real>(target: &[R], cot: R, cot_target: &mut [R]) {
        <Euclidean<1>>::log_reference_vjp(target, cot, cot_target);
    }
    fn to_base<R: Real>(target: &[R], base: &mut [R]) {
        base[0] = target[0];
    }
    fn to_base_vjp<R: Real>(_: &[R], cot_base: &[R], cot_target: &mut [R]) {
        cot_target[0] += cot_base[0];
    }
    fn from_base<R: Real>(base: &[R], target: &mut [R]) {
        target[0] = base[0];
    }
    fn check_intrinsic(point: &[f64]) -> Option<String> {
        <Euclidean<1>>::check_intrinsic(point)
    }
}

/// What the layer does not say is the identity.
struct Stay;

impl Layer<Slab> for Stay {
    const PARAMS: usize = 0;
    const PREPARED: usize = 0;
    const SCRATCH: usize = 0;
    const NAME: &'static str = "stay";
    fn initial<G: rand::Rng + ?Sized>(_: &mut G, _: &mut [f64]) {}
    fn prepare<P: Real>(_: &[P], _: &mut [P]) {}
    fn prepare_vjp<P: Real>(_: &[P], _: &[P], _: &[P], _: &mut [P]) {}
    fn inverse<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], _: &mut R, _: &mut [R]) {}
    fn inverse_vjp<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], _: &mut [R], _: R, _: &mut [R]) {}
    fn forward<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], _: &mut R, _: &mut [R]) -> R::Mask {
        R::Mask::splat(false)
    }
    fn forward_vjp<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], _: &mut [R], _: R, _: &mut [R]) {}
}

/// It was one if its notation began with an `s`.
#[test]
fn a_manifold_is_no_sphere_by_its_name() {
    flow! { struct Named = x@[Slab] + direction@s2 : [Stay] + f }
    check_manifold::<Slab>(&Laws::default()).unwrap();
    let pdf = Cpu::default().build_module::<Named, f64>();
    let rng = &mut StdRng::seed_from_u64(4);
    let spaces = pdf.manifolds();
    assert_eq!(spaces[0].geometry, Slab::geometry());
    assert_eq!(spaces.iter().map(|space| space.is_sphere()).collect::<Vec<_>>(), [false, true]);
    let refused = estimators::direction(&pdf, 0, 20, rng).unwrap_err().to_string();
    assert!(refused.contains("manifold 0 of `slab + s2` is not a sphere"), "{refused}");
    assert!(estimators::direction(&pdf, 1, 20, rng).is_ok());
}

#[test]
fn they_train_beside_letters() {
    let mut rng = StdRng::seed_from_u64(3);
    // A cloud cut in two: no affine image of a normal density.
    let rows: Vec<[f64; 2]> = (0..600)
        .map(|_| {
            let [a, b]: [f64; 2] = [rng.sample(StandardNormal), rng.sample(StandardNormal)];
            [a + 2.0 * (3.0 * a).tanh(), 0.5 * b]
        })
        .collect();
    let fit =
        Fit { epochs: 60, batch: 100, optimizer: Adam { learning_rate: 0.02, ..Adam::default() }, ..Fit::default() };
    let dev = Cpu::default();
    let mut straight = dev.build_module::<Straight, f64>();
    straight.fit(&rows, &fit).unwrap();
    let mut cut = dev.build_module::<Cut, f64>();
    cut.fit(&rows, &fit).unwrap();
    let mean = |log_prob: Vec<f64>| log_prob.iter().sum::<f64>() / log_prob.len() as f64;
    let (cut, straight) =
        (mean(cut.log_prob(&rows).unwrap().as_vec()), mean(straight.log_prob(&rows).unwrap().as_vec()));
    assert!(cut > straight + 0.15, "{cut} {straight}");

    // Given features, in both number types, and on the tape.
    let narrow = dev.build_module::<Bent, f32>();
    assert!(narrow.given(&[[0.1; 4]]).unwrap().log_prob(&[[0.3, -0.2, 0.5]]).unwrap().array()[0].is_finite());
    let pdf = dev.build_module::<Bent, f64>();
    let features = dev.tensor([[0.1, 0.2, 0.3, 0.4]]).traced(pdf.alloc_grads());
    let loss = pdf.given(features).unwrap().log_prob(&[[0.3, -0.2, 0.5]]).unwrap().mean();
    let gradient = flow_runtime::trainers::flat_gradient(&pdf, &mut loss.backward()).unwrap();
    // The last biases of the network are the parameters of the chain, of which the planar layer's are the last 7.
    assert!(gradient[gradient.len() - 7..].iter().all(|g| *g != 0.0), "{:?}", &gradient[gradient.len() - 7..]);
}

#[test]
fn a_broken_layer_says_which_law() {
    /// The identity, but that its log-determinant is not 0.
    struct Nowhere;
    impl Layer<Sphere2> for Nowhere {
        const PARAMS: usize = 0;
        const PREPARED: usize = 0;
        const SCRATCH: usize = 0;
        const NAME: &'static str = "nowhere";
        fn initial<G: rand::Rng + ?Sized>(_: &mut G, _: &mut [f64]) {}
        fn prepare<P: Real>(_: &[P], _: &mut [P]) {}
        fn prepare_vjp<P: Real>(_: &[P], _: &[P], _: &[P], _: &mut [P]) {}
        fn inverse<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], log_det: &mut R, _: &mut [R]) {
            *log_det += R::constant(0.5);
        }
        fn inverse_vjp<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], _: &mut [R], _: R, _: &mut [R]) {}
        fn forward<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], log_det: &mut R, _: &mut [R]) -> R::Mask {
            *log_det -= R::constant(0.5);
            R::Mask::splat(false)
        }
        fn forward_vjp<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], _: &mut [R], _: R, _: &mut [R]) {}
    }
    let broken = check_layer::<Sphere2, Nowhere>(&Laws::default()).unwrap_err();
    assert_eq!(broken.law, Law::LogDet);
    let text = broken.to_string();
    assert!(text.starts_with("`nowhere` on `s2` breaks the law that the log-determinant is that of the numerical Jacobian: `inverse` adds 0.5 where"), "{text}");
}
