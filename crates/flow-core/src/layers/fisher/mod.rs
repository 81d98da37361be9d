//! Layer f: von-Mises-Fisher scaling of the two-sphere, with optional splines along the axis and around it (layers.md 8.1).
//!
//! # The map
//! Forward (base to target), for the uniform distribution on the sphere:
//! 1. vertical splines move z,
//! 2. circular splines turn the azimuth: either their parameters are faded out towards the poles by g(z), or (`add_correlated_rq_spline_flow`)
//!    a network gives them for every z,
//! 3. (`add_extra_rotation_inbetween`) a quarter turn about the y axis,
//! 4. the scaling concentrates towards a pole, so that uniform becomes von Mises-Fisher with concentration kappa,
//! 5. a rotation takes the pole anywhere.
//!
//! Inverse undoes the steps in opposite order. Both directions are closed formulas.
//!
//! # Numbers
//! A point is carried as (x, y) and its squared half-chords to the two poles, (1 + z)/2 and (1 - z)/2, each precise
//! near its own pole. A step along the axis gives the ratios new / old of both and scales (x, y) by the root
//! of their product: no angle is formed, and all is smooth at the poles, where ratios are positive and finite. Log-determinants are those of
//! area, d phi dz, so no ln sin(theta) appears either.
//!
//! The published layer clips cos(theta) and the base plane near the poles, forms e^(2 kappa) - 1 literally, rounds the boundary of the splines to
//! two decimals and takes options that then do nothing (layers.md P11, Q3, Q17, Q18, Q19, Q28); here the exact thing is done instead, and such
//! options are refused.
//!
//! Parameters: [rotation][kappa, unless the rotation gives it][vertical splines, letter by letter][circular splines, letter by letter, or the
//! weights of their network].

mod around;
mod cap;
mod correlated;
mod kappa;
mod options;
mod place;
mod rotation;
#[cfg(test)]
mod tests;
mod vertical;

use super::interval_spline::START;
use super::{Layer, Options, StateTensor};
use crate::manifolds::Sphere2;
use crate::numeric::{Dual, Lift, Mask, Real};
use cap::{floor, scaling};
use core::marker::PhantomData;
use flow_notation::Written;
use flow_notation::options::{FisherOptions, FisherRotation};
use options::Plan;
use place::{Place, PlaceCot};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use rotation::Turn;

/// The mean that the raw concentration starts around.
const KAPPA_START: f64 = -3.0;
/// How far from zero a rotation starts that gives the concentration as well.
const ROTATION_START: f64 = 0.01;

/// Layer f: von-Mises-Fisher scaling of the sphere with optional splines.
///
/// Forward: uniform becomes von Mises-Fisher with concentration kappa about a pole, splines before and a rotation behind;
/// see the options. Both directions are analytic.
pub struct FisherFlow<Opts>(PhantomData<Opts>);

impl<Opts: Options<FisherOptions>> FisherFlow<Opts> {
    const OPTIONS: FisherOptions = Opts::VALUE;
    const PLAN: Plan = Plan(Self::OPTIONS);
    const VERTICALS: usize = Self::PLAN.verticals();
    const CIRCULARS: usize = Self::PLAN.circulars();
    const CORRELATED: bool = Self::OPTIONS.add_correlated_rq_spline_flow;
    const TILTED: bool = Self::OPTIONS.add_extra_rotation_inbetween;
    /// Half the width of the region in z, at each pole, that the splines leave alone.
    const MARGIN: f64 = {
        let region = Self::OPTIONS.boundary_cos_theta_identity_region;
        assert!(region >= 0.0 && region < 1.0, "boundary_cos_theta_identity_region is at least 0 and below 1");
        0.5 * region
    };

    // Places of blocks in parameters and prepared numbers.
    const KAPPA: (usize, usize) = (Self::PLAN.rotation_params(), Self::PLAN.rotation_prepared());
    const VERTICAL: (usize, usize) = (Self::KAPPA.0 + Self::PLAN.has_own_kappa() as usize, Self::KAPPA.1 + 1);
    const CIRCULAR: (usize, usize) = {
        let (params, prepared) = Self::PLAN.vertical_numbers(Self::VERTICALS);
        (Self::VERTICAL.0 + params, Self::VERTICAL.1 + prepared)
    };
    const END: (usize, usize) = {
        let (params, prepared) = if Self::CORRELATED {
            (Self::NETWORK.params(), Self::NETWORK.params())
        } else {
            let one = Self::PLAN.circular();
            (Self::CIRCULARS * one.params(), Self::CIRCULARS * one.prepared())
        };
        (Self::CIRCULAR.0 + params, Self::CIRCULAR.1 + prepared)
    };

    // Scratch: the point at the base and behind each step of the forward map that there is, ..
    const AT_BASE: usize = 0;
    const AT_LIFTED: usize = Self::AT_BASE + if Self::VERTICALS > 0 { Place::<f64>::LEN } else { 0 };
    const AT_TURNED: usize = Self::AT_LIFTED + if Self::CIRCULARS > 0 { Place::<f64>::LEN } else { 0 };
    const AT_TILTED: usize = Self::AT_TURNED + if Self::TILTED { Place::<f64>::LEN } else { 0 };
    const AT_SCALED: usize = Self::AT_TILTED + Place::<f64>::LEN;
    // .. how much the vertical splines stretch (x, y), and the points between them, ..
    const STRETCH: usize = Self::AT_SCALED + Place::<f64>::LEN;
    const LEVELS: usize = Self::STRETCH + (Self::VERTICALS > 0) as usize;
    // .. the azimuths between the circular splines, and what their network needs.
    const AZIMUTHS: usize = Self::LEVELS + if Self::VERTICALS > 0 { 2 * (Self::VERTICALS + 1) } else { 0 };
    const PREDICTED: usize = Self::AZIMUTHS + if Self::CIRCULARS > 0 { Self::CIRCULARS + 1 } else { 0 };
    const SCRATCH: usize = Self::PREDICTED + Self::PREDICTED_LEN;

    /// The letters of a chain of splines in the order that a direction takes them.
    #[inline(always)]
    fn order(letters: usize, inverse: bool) -> impl DoubleEndedIterator<Item = usize> {
        (0..letters).map(move |i| if inverse { letters - 1 - i } else { i })
    }

    /// Whether the splines act at a point.
    #[inline(always)]
    fn acts<R: Real>(at: &Place<R>) -> R::Mask {
        if Self::MARGIN > 0.0 { at.low.min(at.high).gt(R::constant(Self::MARGIN)) } else { R::Mask::splat(true) }
    }

    // Step 4: the scaling.

    #[inline(always)]
    fn scaling<R: Real, P: Lift<R>>(prepared: &[P], at: Place<R>, inverse: bool, log_det: &mut R) -> Place<R> {
        let twice = prepared[Self::KAPPA.1].lift();
        let (n, m) = Self::from_peak(at.low, at.high);
        let scaled = scaling(n, m, twice, inverse);
        *log_det += scaled.ln;
        let stretch = scaled.near_ratio.sqrt() * scaled.far_ratio.sqrt();
        let (low, high) = Self::from_peak(scaled.near, scaled.far);
        Place { x: at.x * stretch, y: at.y * stretch, low, high }
    }

    #[inline(always)]
    fn scaling_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        at: Place<R>,
        to: Place<R>,
        inverse: bool,
        cot: PlaceCot<R>,
        cot_prepared: &mut [R],
    ) -> PlaceCot<R> {
        let twice = prepared[Self::KAPPA.1].lift();
        let (n, m) = Self::from_peak(at.low, at.high);
        // The first input is a logarithm of the distance to the nearer pole: derivatives by the distance itself may overflow.
        let least = n.min(m);
        let n = Dual { value: n, grad: [least, R::zero()] };
        let m = Dual { value: m, grad: [-least, R::zero()] };
        let scaled = scaling(n, m, Dual::<R, 2>::input(twice, 1), inverse);
        let (near_ratio, far_ratio) = (scaled.near_ratio.value, scaled.far_ratio.value);
        let stretch = near_ratio.sqrt() * far_ratio.sqrt();

        let sign = R::constant(if Self::OPTIONS.inverse_z_scaling { 1.0 } else { -1.0 });
        let cot_near = cot.up * sign;
        let cot_squared = (cot.x * to.x + cot.y * to.y).scale(0.5);
        let (by_near_ratio, by_far_ratio) = (cot_squared / near_ratio, cot_squared / far_ratio);
        let mut by = [R::zero(); 2];
        for i in 0..2 {
            by[i] = cot_near * scaled.near.grad[i]
                + by_near_ratio * scaled.near_ratio.grad[i]
                + by_far_ratio * scaled.far_ratio.grad[i]
                + cot.log_det * scaled.ln.grad[i];
        }
        let [by_log, by_twice] = by;
        cot_prepared[Self::KAPPA.1] += by_twice;
        PlaceCot {
            x: cot.x * stretch,
            y: cot.y * stretch,
            up: sign * by_log / least.max(R::constant(floor::<R>())),
            ..cot
        }
    }

    /// (low, high) as (distance to the pole of concentration, to the other one), and the other way round.
    #[inline(always)]
    fn from_peak<R>(low: R, high: R) -> (R, R) {
        if Self::OPTIONS.inverse_z_scaling { (low, high) } else { (high, low) }
    }

    // Step 5: the rotation.

    #[inline(always)]
    fn rotate<R: Real, P: Lift<R>>(prepared: &[P], v: &mut [R], inverse: bool) {
        if let Some(mode) = const { Self::PLAN.rotation() } {
            mode.apply(&prepared[..Self::KAPPA.1], v, inverse);
        }
    }
    /// `v` holds the result and is taken back to the argument.
    #[inline(always)]
    fn rotate_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        v: &mut [R],
        inverse: bool,
        cot: &mut [R],
        cot_prepared: &mut [R],
    ) {
        if let Some(mode) = const { Self::PLAN.rotation() } {
            mode.apply_vjp(&prepared[..Self::KAPPA.1], v, inverse, cot, &mut cot_prepared[..Self::KAPPA.1]);
        }
    }
}

impl<Opts: Options<FisherOptions>> Layer<Sphere2> for FisherFlow<Opts> {
    const PARAMS: usize = Self::END.0;
    const PREPARED: usize = Self::END.1;
    const SCRATCH: usize = Self::SCRATCH;
    const NAME: &'static str = "f";
    const WIDE: bool = !Self::CORRELATED
        && Self::PLAN.has_own_kappa()
        && matches!(Self::PLAN.rotation(), None | Some(Turn(FisherRotation::Householder | FisherRotation::Angles)));

    fn options() -> Vec<Written> {
        Opts::VALUE.written()
    }

    fn state() -> Vec<StateTensor> {
        let of = |there: bool, n: usize| if there { n } else { 0 };
        StateTensor::list([
            ("householder_params", &[1, Self::KAPPA.0]),
            ("loglike_kappa", &[1, Self::VERTICAL.0 - Self::KAPPA.0]),
            ("vertical_flow_params", &[1, of(!Self::CORRELATED, Self::CIRCULAR.0 - Self::VERTICAL.0)]),
            ("circular_flow_params", &[1, of(!Self::CORRELATED, Self::END.0 - Self::CIRCULAR.0)]),
            ("correlated_flow_params", &[1, of(Self::CORRELATED, Self::END.0 - Self::VERTICAL.0)]),
        ])
    }

    fn initial<G: Rng + ?Sized>(rng: &mut G, params: &mut [f64]) {
        let (rotation, rest) = params.split_at_mut(Self::KAPPA.0);
        let spread = if Self::PLAN.has_own_kappa() { 1.0 } else { ROTATION_START };
        rotation.iter_mut().for_each(|p| *p = spread * rng.sample::<f64, _>(StandardNormal));
        for own in &mut rest[..Self::VERTICAL.0 - Self::KAPPA.0] {
            *own = rng.sample::<f64, _>(StandardNormal) + KAPPA_START;
        }
        let smooth = Self::OPTIONS.vertical_smooth && !Self::CORRELATED;
        params[Self::VERTICAL.0..Self::CIRCULAR.0].fill(if smooth { 0.0 } else { START });
        let around = &mut params[Self::CIRCULAR.0..];
        if Self::CORRELATED { Self::initial_network(rng, around) } else { around.fill(0.0) }
    }

    #[inline(always)]
    fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        let (rotation, own) = params[..Self::VERTICAL.0].split_at(Self::KAPPA.0);
        if let Some(mode) = const { Self::PLAN.rotation() } {
            mode.prepare(rotation, &mut prepared[..Self::KAPPA.1]);
        }
        prepared[Self::KAPPA.1] = Self::PLAN.twice_kappa(own, rotation);
        Self::vertical_prepare(params, prepared);
        if Self::CORRELATED {
            prepared[Self::CIRCULAR.1..].copy_from_slice(&params[Self::CIRCULAR.0..]);
        } else {
            Self::faded_prepare(params, prepared);
        }
    }

    #[inline(always)]
    fn prepare_vjp<P: Real>(params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        let (rotation, own) = params[..Self::VERTICAL.0].split_at(Self::KAPPA.0);
        let (cot_rotation, cot_own) = cot_params[..Self::VERTICAL.0].split_at_mut(Self::KAPPA.0);
        if let Some(mode) = const { Self::PLAN.rotation() } {
            let of = ..Self::KAPPA.1;
            mode.prepare_vjp(rotation, &prepared[of], &cot_prepared[of], cot_rotation);
        }
        Self::PLAN.twice_kappa_vjp(own, rotation, cot_prepared[Self::KAPPA.1], cot_own, cot_rotation);
        Self::vertical_prepare_vjp(params, prepared, cot_prepared, cot_params);
        if Self::CORRELATED {
            for (bar, cot) in cot_params[Self::CIRCULAR.0..].iter_mut().zip(&cot_prepared[Self::CIRCULAR.1..]) {
                *bar += *cot;
            }
        } else {
            Self::faded_prepare_vjp(cot_prepared, cot_params);
        }
    }

    #[inline(always)]
    fn inverse<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        Self::rotate(prepared, x, true);
        let mut at = Place::from_vector(x);
        at.store(scratch, Self::AT_SCALED);
        at = Self::scaling(prepared, at, true, log_det);
        at.store(scratch, Self::AT_TILTED);
        if Self::TILTED {
            at = at.tilted(true);
            at.store(scratch, Self::AT_TURNED);
        }
        if Self::CIRCULARS > 0 {
            at = Self::around(prepared, at, scratch, true, log_det);
            at.store(scratch, Self::AT_LIFTED);
        }
        if Self::VERTICALS > 0 {
            at = Self::vertical(prepared, at, scratch, true, log_det);
            at.store(scratch, Self::AT_BASE);
        }
        x.copy_from_slice(&at.vector());
    }

    #[inline(always)]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let mut bar = PlaceCot::from_vector(cot, cot_log_det);
        if Self::VERTICALS > 0 {
            let (from, to) = (Place::load(scratch, Self::AT_LIFTED), Place::load(scratch, Self::AT_BASE));
            bar = Self::vertical_vjp(prepared, from, to, scratch, true, bar, cot_prepared);
        }
        if Self::CIRCULARS > 0 {
            let (from, to) = (Place::load(scratch, Self::AT_TURNED), Place::load(scratch, Self::AT_LIFTED));
            bar = Self::around_vjp(prepared, from, to, scratch, true, bar, cot_prepared);
        }
        if Self::TILTED {
            bar = bar.tilted(&Place::load(scratch, Self::AT_TURNED), false);
        }
        let (from, to) = (Place::load(scratch, Self::AT_SCALED), Place::load(scratch, Self::AT_TILTED));
        bar = Self::scaling_vjp(prepared, from, to, true, bar, cot_prepared);
        cot.copy_from_slice(&bar.vector(&from));
        Self::rotate_vjp(prepared, &mut from.vector(), true, cot, cot_prepared);
    }

    #[inline(always)]
    fn forward<R: Real, P: Lift<R>>(prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        let mut at = Place::from_vector(z);
        at.store(scratch, Self::AT_BASE);
        if Self::VERTICALS > 0 {
            at = Self::vertical(prepared, at, scratch, false, log_det);
            at.store(scratch, Self::AT_LIFTED);
        }
        if Self::CIRCULARS > 0 {
            at = Self::around(prepared, at, scratch, false, log_det);
            at.store(scratch, Self::AT_TURNED);
        }
        if Self::TILTED {
            at = at.tilted(false);
            at.store(scratch, Self::AT_TILTED);
        }
        at = Self::scaling(prepared, at, false, log_det);
        at.store(scratch, Self::AT_SCALED);
        z.copy_from_slice(&at.vector());
        Self::rotate(prepared, z, false);
        R::Mask::splat(false)
    }

    #[inline(always)]
    fn forward_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (from, to) = (Place::load(scratch, Self::AT_TILTED), Place::load(scratch, Self::AT_SCALED));
        let mut v = to.vector();
        Self::rotate(prepared, &mut v, false);
        Self::rotate_vjp(prepared, &mut v, false, cot, cot_prepared);
        let mut bar = PlaceCot::from_vector(cot, cot_log_det);
        bar = Self::scaling_vjp(prepared, from, to, false, bar, cot_prepared);
        if Self::TILTED {
            bar = bar.tilted(&from, true);
        }
        if Self::CIRCULARS > 0 {
            let (from, to) = (Place::load(scratch, Self::AT_LIFTED), Place::load(scratch, Self::AT_TURNED));
            bar = Self::around_vjp(prepared, from, to, scratch, false, bar, cot_prepared);
        }
        if Self::VERTICALS > 0 {
            let (from, to) = (Place::load(scratch, Self::AT_BASE), Place::load(scratch, Self::AT_LIFTED));
            bar = Self::vertical_vjp(prepared, from, to, scratch, false, bar, cot_prepared);
        }
        cot.copy_from_slice(&bar.vector(&Place::load(scratch, Self::AT_BASE)));
    }
}
