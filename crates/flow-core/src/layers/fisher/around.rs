//! Step 2 of layer f: splines around the axis, at rest at the poles.
//!
//! The step turns a point about the axis, by an angle and with a derivative that depend on its azimuth and on z. How they do is one of two things:
//! here the splines' parameters are free and faded out towards the poles; in correlated.rs a network gives them.

use super::AxisFlow;
use super::cap::floor;
use super::place::{Place, PlaceCot};
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

impl<const KIND: u8> AxisFlow<KIND> {
    #[inline(always)]
    pub(super) fn around<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        at: Place<R>,
        scratch: &mut [R],
        inverse: bool,
        log_det: &mut R,
    ) -> Place<R> {
        let azimuth = at.y.atan2(at.x);
        let turned = if self.correlated() {
            self.predicted(prepared, &at, azimuth, scratch, inverse, log_det)
        } else {
            self.faded(prepared, &at, azimuth, scratch, inverse, log_det)
        };
        let (sin, cos) = turned.sin_cos();
        Place { x: cos * at.x - sin * at.y, y: sin * at.x + cos * at.y, ..at }
    }

    #[inline(always)]
    pub(super) fn around_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        at: Place<R>,
        to: Place<R>,
        scratch: &mut [R],
        inverse: bool,
        cot: PlaceCot<R>,
        cot_prepared: &mut [R],
    ) -> PlaceCot<R> {
        let cot_step = (cot.y * to.x - cot.x * to.y, cot.log_det);
        let back = if self.correlated() {
            self.predicted_vjp(prepared, &at, scratch, inverse, cot_step, cot_prepared)
        } else {
            self.faded_vjp(prepared, &at, scratch, inverse, cot_step, cot_prepared)
        };
        let turned = scratch[self.azimuths + self.circulars()] - scratch[self.azimuths];
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
    fn faded_range(&self, letter: usize) -> (Range<usize>, Range<usize>) {
        let options = self.plan().circular();
        let (n, m) = (options.params(), options.prepared());
        let from = (self.circular_at.0 + letter * n, self.circular_at.1 + letter * m);
        (from.0..from.0 + n, from.1..from.1 + m)
    }

    #[inline(always)]
    pub(super) fn faded_prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        for letter in 0..self.circulars() {
            let (from, to) = self.faded_range(letter);
            self.plan().circular().prepare(&params[from], &mut prepared[to]);
        }
    }

    #[inline(always)]
    pub(super) fn faded_prepare_vjp<P: Real>(&self, cot_prepared: &[P], cot_params: &mut [P]) {
        for letter in 0..self.circulars() {
            let (from, to) = self.faded_range(letter);
            self.plan().circular().prepare_vjp(&cot_prepared[to], &mut cot_params[from]);
        }
    }

    /// g(z), which fades the circular splines out towards the poles, and its derivative by (1 + z)/2.
    ///
    /// A smooth step s^3 (10 - 15 s + 6 s^2) in s = 1 - |z|.
    #[inline(always)]
    fn fade<R: Real>(&self, at: &Place<R>) -> (R, R) {
        let acts = self.acts(at);
        let s = at.low.min(at.high).scale(2.0);
        let g = s * s * s * (R::constant(10.0) + s * (s.scale(6.0) - R::constant(15.0)));
        let slope = (s * (R::one() - s)).square().scale(60.0);
        let signed = R::select(at.low.lt(at.high), slope, -slope);
        (R::select(acts, g, R::zero()), R::select(acts, signed, R::zero()))
    }

    /// The angle by which the faded splines turn; leaves the azimuths between them in the scratch.
    #[inline(always)]
    fn faded<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        at: &Place<R>,
        mut azimuth: R,
        scratch: &mut [R],
        inverse: bool,
        log_det: &mut R,
    ) -> R {
        let options = self.plan().circular();
        let (factor, _) = self.fade(at);
        let mut turned = R::zero();
        for letter in Self::order(self.circulars(), inverse) {
            let (_, range) = self.faded_range(letter);
            scratch[self.azimuths + letter + usize::from(inverse)] = azimuth;
            let (turn, ln) = options.turn(&prepared[range], factor, azimuth, inverse);
            turned += turn;
            *log_det += ln;
            azimuth = wrapped(azimuth + turn);
        }
        scratch[self.azimuths + if inverse { 0 } else { self.circulars() }] = azimuth;
        turned
    }

    /// Cotangents of the angle turned and of the log-determinant, pulled back. At the axis itself the splines are faded out and that by the
    /// azimuth is zero.
    #[inline(always)]
    fn faded_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        at: &Place<R>,
        scratch: &[R],
        inverse: bool,
        (cot_turned, cot_ln): (R, R),
        cot_prepared: &mut [R],
    ) -> AroundCot<R> {
        let options = self.plan().circular();
        let (factor, slope) = self.fade(at);
        let mut cot_azimuth = R::zero();
        let mut cot_factor = R::zero();
        for letter in Self::order(self.circulars(), inverse).rev() {
            let (_, range) = self.faded_range(letter);
            let azimuth = scratch[self.azimuths + letter];
            let cot = (cot_turned + cot_azimuth, cot_ln);
            let own = &mut cot_prepared[range.clone()];
            let (by_factor, by_azimuth) = options.turn_vjp(&prepared[range], factor, azimuth, inverse, cot, own);
            cot_factor += by_factor;
            cot_azimuth += by_azimuth;
        }
        AroundCot { azimuth: cot_azimuth, up: cot_factor * slope }
    }
}
