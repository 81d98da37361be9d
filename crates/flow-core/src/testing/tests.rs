//! The laws hold for what comes with the crate, and each is noticed where it is broken.

use super::*;
use crate::layers::{Affine, Last, Layer};
use crate::manifolds::{Circle, Euclidean, Interval, Simplex, Sphere, Sphere2};
use crate::numeric::{Lift, Mask, Real};
use rand::Rng;

#[test]
fn manifolds_obey() {
    fn check<M: Manifold>() {
        let report = check_manifold::<M>(&Laws::default()).unwrap();
        assert_eq!(report.rounds, 20);
        let seen: Vec<Law> = report.laws.iter().map(|(law, ..)| *law).collect();
        for law in [Law::RoundTrip, Law::LogDetsCancel, Law::LogDet, Law::PointGradient, Law::Reference, Law::Points] {
            assert!(seen.contains(&law), "{report}");
        }
    }
    check::<Euclidean<1>>();
    check::<Euclidean<4>>();
    check::<Circle>();
    check::<Sphere2>();
    check::<Sphere<3>>();
    check::<Sphere<5>>();
    check::<Interval<{ (-3.0_f64).to_bits() }, { 3.0_f64.to_bits() }>>();
    check::<Simplex<1>>();
    check::<Simplex<3>>();
}

/// What is wrong with [`Scale`].
mod wrong {
    pub const NOTHING: usize = 0;
    pub const FORWARD: usize = 1;
    pub const BOTH_LOG_DETS: usize = 2;
    pub const ONE_LOG_DET: usize = 3;
    pub const POINT_DERIVATIVE: usize = 4;
    pub const PARAMETER_DERIVATIVE: usize = 5;
    pub const ONLY_FORWARD_DERIVATIVE: usize = 6;
    pub const STATE: usize = 7;
    pub const NOT_FINITE: usize = 8;
    pub const LANES: usize = 9;
}

/// x = z e^s, with something wrong.
struct Scale<const WRONG: usize>;

fn factor<R: Real>(yes: bool) -> R {
    R::constant(if yes { 1.001 } else { 1.0 })
}

impl<const W: usize> Layer<Euclidean<2>> for Scale<W> {
    const PARAMS: usize = 1;
    const PREPARED: usize = 1;
    const SCRATCH: usize = 2;
    const NAME: &'static str = "scale";

    fn state() -> Vec<crate::layers::StateTensor> {
        crate::layers::StateTensor::list([("params", &[if W == wrong::STATE { 2 } else { 1 }])])
    }
    fn initial<G: Rng + ?Sized>(_: &mut G, params: &mut [f64]) {
        params[0] = 0.0;
    }
    fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        prepared[0] = params[0];
    }
    fn prepare_vjp<P: Real>(_: &[P], _: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        cot_params[0] += cot_prepared[0];
    }
    fn inverse<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        let s: R = prepared[0].lift();
        for x in x.iter_mut() {
            *x = *x / s.exp();
            *log_det -= s * factor(W == wrong::BOTH_LOG_DETS || W == wrong::ONE_LOG_DET);
        }
        // More than one lane is another type than one.
        if W == wrong::LANES && size_of::<R>() > 8 {
            x[0] *= factor(true);
        }
        scratch.copy_from_slice(x);
    }
    fn inverse_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let width = prepared[0].lift().exp();
        for (cot, z) in cot.iter_mut().zip(scratch) {
            cot_prepared[0] -= *cot * *z * factor(W == wrong::PARAMETER_DERIVATIVE)
                + cot_log_det * factor(W == wrong::BOTH_LOG_DETS || W == wrong::ONE_LOG_DET);
            *cot = *cot / width * factor(W == wrong::POINT_DERIVATIVE);
        }
    }
    fn forward<R: Real, P: Lift<R>>(prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        scratch.copy_from_slice(z);
        let s: R = prepared[0].lift();
        for z in z.iter_mut() {
            *z = *z * s.exp() * factor(W == wrong::FORWARD);
            *log_det += s * factor(W == wrong::BOTH_LOG_DETS);
        }
        if W == wrong::NOT_FINITE {
            z[0] = z[0] / R::zero();
        }
        R::Mask::splat(false)
    }
    fn forward_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let width = prepared[0].lift().exp();
        for (cot, z) in cot.iter_mut().zip(scratch) {
            cot_prepared[0] += *cot * *z * width + cot_log_det * factor(W == wrong::BOTH_LOG_DETS);
            *cot = *cot * width * factor(W == wrong::ONLY_FORWARD_DERIVATIVE);
        }
    }
}

fn of<const W: usize>() -> Result<Report, Broken> {
    check_layer::<Euclidean<2>, Scale<W>>(&Laws::default())
}

#[test]
fn every_broken_law_is_named_with_the_place() {
    let report = of::<{ wrong::NOTHING }>().unwrap().to_string();
    assert!(report.starts_with("`scale` on `e2` at 20 points:\n  forward(inverse(x)) = x: off by "), "{report}");

    let broken = of::<{ wrong::FORWARD }>().unwrap_err();
    assert_eq!(broken.law, Law::RoundTrip);
    assert!(broken.off > 1e-5 && broken.point.len() == 2 && broken.params.len() == 1);
    let text = broken.to_string();
    assert!(
        text.starts_with("`scale` on `e2` breaks the law that forward(inverse(x)) = x: in f64: inverse gives ["),
        "{text}"
    );
    assert!(
        text.contains("\n  off by ")
            && text.contains("allowed 1.0e-9\n  at the point [")
            && text.contains("\n  with the parameters [")
    );
    assert_eq!(format!("{broken:?}"), text);

    assert_eq!(of::<{ wrong::ONE_LOG_DET }>().unwrap_err().law, Law::LogDetsCancel);
    assert_eq!(of::<{ wrong::BOTH_LOG_DETS }>().unwrap_err().law, Law::LogDet);
    assert_eq!(of::<{ wrong::POINT_DERIVATIVE }>().unwrap_err().law, Law::PointGradient);
    assert_eq!(of::<{ wrong::PARAMETER_DERIVATIVE }>().unwrap_err().law, Law::ParameterGradient);
    let broken = of::<{ wrong::ONLY_FORWARD_DERIVATIVE }>().unwrap_err();
    assert!(
        broken.law == Law::PointGradient && broken.detail.starts_with("`forward_vjp`, derivatives by the point: "),
        "{broken}"
    );
    let broken = of::<{ wrong::STATE }>().unwrap_err();
    assert!(
        broken.law == Law::State && broken.detail.contains("`scale` has 1 parameters, but its tensors"),
        "{broken}"
    );
    let broken = of::<{ wrong::NOT_FINITE }>().unwrap_err();
    assert!(
        broken.detail.contains("`forward` of layer 0 (`scale`) gave a number that is not finite in f64"),
        "{broken}"
    );
    assert_eq!(of::<{ wrong::LANES }>().unwrap_err().law, Law::Lanes);

    // In a chain with a sound layer too.
    type Chain = (Scale<{ wrong::FORWARD }>, (Affine<2, Last, ()>, ()));
    assert_eq!(check_chain::<Euclidean<2>, Chain>(&Laws::default()).unwrap_err().layer.as_ref(), "scale t");
}

/// The interval [0, 1] with something wrong.
struct Bad<const WRONG: usize>;

type Unit = Interval<{ 0.0_f64.to_bits() }, { 1.0_f64.to_bits() }>;

impl<const W: usize> Manifold for Bad<W> {
    const DIM: usize = 1;
    const EMBED: usize = 1;
    fn notation() -> String {
        "[Bad]".into()
    }
    fn embed<R: Real>(intrinsic: &[R], embedded: &mut [R], log_det: &mut R) {
        Unit::embed(intrinsic, embedded, log_det);
        if W == 1 {
            *log_det += R::constant(0.1);
        }
    }
    fn embed_vjp<R: Real>(intrinsic: &[R], cot_embedded: &[R], cot_log_det: R, cot_intrinsic: &mut [R]) {
        Unit::embed_vjp(intrinsic, cot_embedded, cot_log_det, cot_intrinsic);
        if W == 2 {
            cot_intrinsic[0] += R::constant(0.1);
        }
    }
    fn intrinsic<R: Real>(embedded: &[R], intrinsic: &mut [R], log_det: &mut R) {
        Unit::intrinsic(embedded, intrinsic, log_det);
        if W == 3 {
            intrinsic[0] = intrinsic[0].square();
        }
    }
    fn intrinsic_vjp<R: Real>(embedded: &[R], cot_intrinsic: &[R], cot_log_det: R, cot_embedded: &mut [R]) {
        Unit::intrinsic_vjp(embedded, cot_intrinsic, cot_log_det, cot_embedded);
    }
    fn project<R: Real>(given: &[R], embedded: &mut [R]) {
        Unit::project(given, embedded);
    }
    fn project_vjp<R: Real>(given: &[R], cot_embedded: &[R], cot_given: &mut [R]) {
        Unit::project_vjp(given, cot_embedded, cot_given);
    }
    fn log_reference<R: Real>(target: &[R]) -> R {
        Unit::log_reference(target) + R::constant(if W == 4 { 0.1 } else { 0.0 })
    }
    fn log_reference_vjp<R: Real>(target: &[R], cot: R, cot_target: &mut [R]) {
        Unit::log_reference_vjp(target, cot, cot_target);
    }
    fn to_base<R: Real>(target: &[R], base: &mut [R]) {
        Unit::to_base(target, base);
        if W == 5 {
            base[0] = base[0].scale(0.9);
        }
    }
    fn to_base_vjp<R: Real>(target: &[R], cot_base: &[R], cot_target: &mut [R]) {
        Unit::to_base_vjp(target, cot_base, cot_target);
        if W == 7 {
            cot_target[0] += R::constant(0.1);
        }
    }
    fn from_base<R: Real>(base: &[R], target: &mut [R]) {
        Unit::from_base(base, target);
    }
    fn check_intrinsic(point: &[f64]) -> Option<String> {
        Unit::check_intrinsic(point)
    }
    fn check_embedded(point: &[f64]) -> Option<String> {
        if W == 6 { None } else { Unit::check_embedded(point) }
    }
}

#[test]
fn every_broken_law_of_a_manifold_is_named() {
    fn of<const W: usize>() -> Law {
        check_manifold::<Bad<W>>(&Laws::default()).unwrap_err().law
    }
    assert!(check_manifold::<Bad<0>>(&Laws::default()).is_ok());
    assert_eq!(of::<1>(), Law::LogDetsCancel);
    assert_eq!(of::<2>(), Law::PointGradient);
    assert_eq!(of::<3>(), Law::RoundTrip);
    assert_eq!(of::<4>(), Law::Reference);
    assert_eq!(of::<5>(), Law::RoundTrip);
    assert_eq!(of::<6>(), Law::Points);
    assert_eq!(of::<7>(), Law::PointGradient);
    let text = check_manifold::<Bad<4>>(&Laws::default()).unwrap_err().to_string();
    assert!(
        text.starts_with("`[Bad]` breaks the law that the reference density is a standard normal of the base: "),
        "{text}"
    );
}
