//! Step 2 of layer f: splines around the axis, at rest at the poles.
//!
//! The step turns a point about the axis, by an angle and with a derivative that depend on its azimuth and on z. How they do is one of two things:
//! here the splines' parameters are free and faded out towards the poles; in correlated.rs a network gives them.

use super::cap::floor;
use super::place::{Place, PlaceCot};
use super::{FisherFlow, FisherOptions};
use crate::layers::Options;
use crate::numeric::{Lift, Real};
use core::f64::consts::{PI, TAU};
use core::ops::Range;

/// An angle in [-3 pi, 3 pi], back in [-pi, pi].
#[inline(always)]
pub(super) fn wrapped<R: Real>(angle: R) -> R {
    let angle = R::select(angle.gt(R::constant(PI)), angle - R::constant(TAU), angle);
    R::select(angle.lt(R::constant(-PI)), angle + R::constant(TAU), angle)
}

/// Cotangents of a step around the axis by what it started from.
pub(super) struct AroundCot<R> {
    /// By the azimuth.
    pub azimuth: R,
    /// By (1 + z) / 2.
    pub up: R,
}

impl<Opts: Options<FisherOptions>> FisherFlow<Opts> {
    #[inline(always)]
    pub(super) fn around<R: Real, P: Lift<R>>(
        prepared: &[P],
        at: Place<R>,
        scratch: &mut [R],
        inverse: bool,
        log_det: &mut R,
    ) -> Place<R> {
        let azimuth = at.y.atan2(at.x);
        let turned = if Self::CORRELATED {
            Self::predicted(prepared, &at, azimuth, scratch, inverse, log_det)
        } else {
            Self::faded(prepared, &at, azimuth, scratch, inverse, log_det)
        };
        let (sin, cos) = turned.sin_cos();
        Place { x: cos * at.x - sin * at.y, y: sin * at.x + cos * at.y, ..at }
    }

    #[inline(always)]
    pub(super) fn around_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        at: Place<R>,
        to: Place<R>,
        scratch: &mut [R],
        inverse: bool,
        cot: PlaceCot<R>,
        cot_prepared: &mut [R],
    ) -> PlaceCot<R> {
        let cot_step = (cot.y * to.x - cot.x * to.y, cot.log_det);
        let back = if Self::CORRELATED {
            Self::predicted_vjp(prepared, &at, scratch, inverse, cot_step, cot_prepared)
        } else {
            Self::faded_vjp(prepared, &at, scratch, inverse, cot_step, cot_prepared)
        };
        let turned = scratch[Self::AZIMUTHS + Self::CIRCULARS] - scratch[Self::AZIMUTHS];
        let (sin, cos) = (if inverse { -turned } else { turned }).sin_cos();
        let by_square = back.azimuth / (at.x.square() + at.y.square()).max(R::constant(floor::<R>()));
        PlaceCot {
            x: cos * cot.x + sin * cot.y - by_square * at.y,
            y: cos * cot.y - sin * cot.x + by_square * at.x,
            up: cot.up + back.up,
            ..cot
        }
    }

    /// Places of a letter's parameters and prepared numbers.
    #[inline(always)]
    fn faded_range(letter: usize) -> (Range<usize>, Range<usize>) {
        let options = const { Self::PLAN.circular() };
        let (n, m) = (options.params(), options.prepared());
        let from = (Self::CIRCULAR.0 + letter * n, Self::CIRCULAR.1 + letter * m);
        (from.0..from.0 + n, from.1..from.1 + m)
    }

    #[inline(always)]
    pub(super) fn faded_prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        for letter in 0..Self::CIRCULARS {
            let (from, to) = Self::faded_range(letter);
            Self::PLAN.circular().prepare(&params[from], &mut prepared[to]);
        }
    }

    #[inline(always)]
    pub(super) fn faded_prepare_vjp<P: Real>(cot_prepared: &[P], cot_params: &mut [P]) {
        for letter in 0..Self::CIRCULARS {
            let (from, to) = Self::faded_range(letter);
            Self::PLAN.circular().prepare_vjp(&cot_prepared[to], &mut cot_params[from]);
        }
    }

    /// g(z), which fades the circular splines out towards the poles, and its derivative by (1 + z)/2.
    ///
    /// A smooth step s^3 (10 - 15 s + 6 s^2) in s = 1 - |z|.
    #[inline(always)]
    fn fade<R: Real>(at: &Place<R>) -> (R, R) {
        let acts = Self::acts(at);
        let s = at.low.min(at.high).scale(2.0);
        let g = s * s * s * (R::constant(10.0) + s * (s.scale(6.0) - R::constant(15.0)));
        let slope = (s * (R::one() - s)).square().scale(60.0);
        let signed = R::select(at.low.lt(at.high), slope, -slope);
        (R::select(acts, g, R::zero()), R::select(acts, signed, R::zero()))
    }

    /// The angle by which the faded splines turn; leaves the azimuths between them in the scratch.
    #[inline(always)]
    fn faded<R: Real, P: Lift<R>>(
        prepared: &[P],
        at: &Place<R>,
        mut azimuth: R,
        scratch: &mut [R],
        inverse: bool,
        log_det: &mut R,
    ) -> R {
        let options = const { Self::PLAN.circular() };
        let (factor, _) = Self::fade(at);
        let mut turned = R::zero();
        for letter in Self::order(Self::CIRCULARS, inverse) {
            let (_, range) = Self::faded_range(letter);
            scratch[Self::AZIMUTHS + letter + usize::from(inverse)] = azimuth;
            let (turn, ln) = options.turn(&prepared[range], factor, azimuth, inverse);
            turned += turn;
            *log_det += ln;
            azimuth = wrapped(azimuth + turn);
        }
        scratch[Self::AZIMUTHS + if inverse { 0 } else { Self::CIRCULARS }] = azimuth;
        turned
    }

    /// Cotangents of the angle turned and of the log-determinant, pulled back. At the axis itself the splines are faded out and that by the
    /// azimuth is zero.
    #[inline(always)]
    fn faded_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        at: &Place<R>,
        scratch: &[R],
        inverse: bool,
        (cot_turned, cot_ln): (R, R),
        cot_prepared: &mut [R],
    ) -> AroundCot<R> {
        let options = const { Self::PLAN.circular() };
        let (factor, slope) = Self::fade(at);
        let mut cot_azimuth = R::zero();
        let mut cot_factor = R::zero();
        for letter in Self::order(Self::CIRCULARS, inverse).rev() {
            let (_, range) = Self::faded_range(letter);
            let azimuth = scratch[Self::AZIMUTHS + letter];
            let cot = (cot_turned + cot_azimuth, cot_ln);
            let own = &mut cot_prepared[range.clone()];
            let (by_factor, by_azimuth) = options.turn_vjp(&prepared[range], factor, azimuth, inverse, cot, own);
            cot_factor += by_factor;
            cot_azimuth += by_azimuth;
        }
        AroundCot { azimuth: cot_azimuth, up: cot_factor * slope }
    }
}
