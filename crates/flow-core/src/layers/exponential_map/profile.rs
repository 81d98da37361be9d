//! The profiles h(c) of layer v on [-1, 1]: increasing, |h| <= 1.

use crate::layers::spline::{Ends, MappedCot, SplineOptions};
use crate::numeric::{Lift, Real};
use flow_notation::options::ExpMapType;

const SPLINE: SplineOptions =
    SplineOptions { bins: 10, min_width: 1e-3, min_height: 1e-3, min_derivative: 1e-3, ..SplineOptions::DEFAULT };

/// A profile at a point.
pub(super) struct Profile<R> {
    /// h.
    pub height: R,
    /// h'.
    pub slope: R,
    /// 1 - c h, which is positive: formed without cancellation.
    pub lack: R,
}

/// Where c is, as distances to the ends of [-1, 1] in units of its length.
#[inline(always)]
fn cosine<R: Real>(at: Ends<R>) -> R {
    at.low - at.high
}

/// The profile that an [`ExpMapType`] names.
#[derive(Clone, Copy)]
pub(super) struct Curve(pub ExpMapType);

impl Curve {
    /// Parameters of a profile.
    pub(super) const fn params(self) -> usize {
        match self.0 {
            ExpMapType::Linear | ExpMapType::Quadratic => 0,
            ExpMapType::Splines => SPLINE.params(),
            ExpMapType::Exponential => 1,
        }
    }
    /// Prepared numbers of a profile.
    pub(super) const fn prepared(self) -> usize {
        match self.0 {
            ExpMapType::Linear | ExpMapType::Quadratic => 0,
            ExpMapType::Splines => SPLINE.prepared(),
            ExpMapType::Exponential => 1,
        }
    }

    #[inline(always)]
    pub(super) fn prepare<P: Real>(self, params: &[P], prepared: &mut [P]) {
        match self.0 {
            ExpMapType::Linear | ExpMapType::Quadratic => {}
            ExpMapType::Splines => SPLINE.prepare(params, prepared),
            ExpMapType::Exponential => prepared[0] = params[0].exp(),
        }
    }
    #[inline(always)]
    pub(super) fn prepare_vjp<P: Real>(self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        match self.0 {
            ExpMapType::Linear | ExpMapType::Quadratic => {}
            ExpMapType::Splines => SPLINE.prepare_vjp(params, prepared, cot_prepared, cot_params),
            ExpMapType::Exponential => cot_params[0] += cot_prepared[0] * prepared[0],
        }
    }

    /// The profile at c.
    #[inline(always)]
    pub(super) fn value<R: Real, P: Lift<R>>(self, prepared: &[P], at: Ends<R>) -> Profile<R> {
        match self.0 {
            ExpMapType::Linear => Profile { height: R::one(), slope: R::zero(), lack: at.high.scale(2.0) },
            ExpMapType::Quadratic => {
                Profile { height: cosine(at), slope: R::one(), lack: (at.low * at.high).scale(4.0) }
            }
            ExpMapType::Splines => {
                let mapped = SPLINE.direct(prepared, at);
                Profile {
                    height: cosine(mapped.to),
                    slope: mapped.ln.exp(),
                    lack: (at.low * mapped.to.high + at.high * mapped.to.low).scale(2.0),
                }
            }
            ExpMapType::Exponential => {
                let (beta, depth) = (prepared[0].lift(), at.high.scale(2.0));
                let exponent = -(beta * depth);
                let height = exponent.exp();
                Profile { height, slope: beta * height, lack: height * depth - exponent.exp_m1() }
            }
        }
    }

    /// Cotangents of the height and the slope to that of c; adds those of the prepared numbers.
    #[inline(always)]
    pub(super) fn vjp<R: Real, P: Lift<R>>(
        self,
        prepared: &[P],
        at: Ends<R>,
        profile: &Profile<R>,
        (cot_height, cot_slope): (R, R),
        cot_prepared: &mut [R],
    ) -> R {
        match self.0 {
            ExpMapType::Linear => R::zero(),
            ExpMapType::Quadratic => cot_height,
            ExpMapType::Splines => {
                let cot = MappedCot {
                    to: Ends { low: cot_height, high: -cot_height },
                    ln_ratio: None,
                    ln: profile.slope * cot_slope,
                };
                let ends = SPLINE.direct_vjp(prepared, at, cot, cot_prepared);
                (ends.low - ends.high).scale(0.5)
            }
            ExpMapType::Exponential => {
                let (beta, depth) = (prepared[0].lift(), at.high.scale(2.0));
                // h' = beta h, h'' = beta^2 h; by beta: -d h and (1 - beta d) h.
                cot_prepared[0] += profile.height * (cot_slope * (R::one() - beta * depth) - cot_height * depth);
                profile.slope * (cot_height + beta * cot_slope)
            }
        }
    }
}
