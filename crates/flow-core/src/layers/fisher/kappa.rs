//! The concentration of layer f: twice kappa, from a parameter of its own or from those of the rotation (layers.md 8.1).

use super::options::Plan;
use crate::numeric::special::{logistic, softplus};
use crate::numeric::{Real, Scalar};
use flow_notation::options::KappaPrediction;

/// Where `kappa_clamping` holds the raw parameter of the concentration.
const LEAST_RAW: f64 = -5.0;

/// How the concentration follows from a vector that also turns the sphere.
#[derive(Clone, Copy)]
enum Length {
    /// Its length.
    Plain,
    /// The square of that.
    Squared,
}

/// The length of a vector without over- or underflow, and the vector in units of it (zero for a vector of zeros).
#[inline(always)]
fn length<P: Real>(v: &[P]) -> (P, [P; 3]) {
    let largest = v.iter().fold(P::zero(), |m, x| m.max(x.abs()));
    let none = largest.lt(P::constant(P::Scalar::TINY));
    let size = P::select(none, P::one(), largest);
    let norm = v.iter().fold(P::zero(), |sum, x| sum + (*x / size).square()).sqrt();
    let unit = |x: P| P::select(none, P::zero(), x / size / P::select(none, P::one(), norm));
    (norm * size, [unit(v[0]), unit(v[1]), unit(v[2])])
}

impl Plan {
    /// What kind of length the concentration is, and where the vector begins among the parameters of the rotation; `None` with a parameter of its own.
    const fn of_rotation(&self) -> Option<(Length, usize)> {
        match self.0.kappa_prediction {
            KappaPrediction::DirectLogRealBounded
            | KappaPrediction::SoftplusRealBounded
            | KappaPrediction::LogBounded => None,
            KappaPrediction::Mu => Some((Length::Plain, 0)),
            KappaPrediction::MuSquared => Some((Length::Squared, 0)),
            KappaPrediction::Quatvec => Some((Length::Plain, 1)),
            KappaPrediction::QuatvecSquared => Some((Length::Squared, 1)),
        }
    }

    /// Whether the concentration has a parameter of its own.
    pub(super) const fn has_own_kappa(&self) -> bool {
        self.of_rotation().is_none()
    }

    /// 2 kappa from its own parameter (if it has one) or the rotation's.
    #[inline(always)]
    pub(super) fn twice_kappa<P: Real>(&self, own: &[P], rotation: &[P]) -> P {
        let least = P::constant(self.0.min_kappa);
        if let Some((kind, from)) = self.of_rotation() {
            let v = &rotation[from..from + 3];
            return match kind {
                Length::Plain => length(v).0.scale(2.0),
                Length::Squared => v.iter().fold(P::zero(), |sum, x| sum + x.square()).scale(2.0),
            };
        }
        let raw = if self.0.kappa_clamping { own[0].max(P::constant(LEAST_RAW)) } else { own[0] };
        let kappa = match self.0.kappa_prediction {
            KappaPrediction::SoftplusRealBounded => softplus(raw) + least,
            // e^(ln(1 + e^p) + ln min_kappa).
            KappaPrediction::LogBounded => least + least * raw.exp(),
            _ => raw.exp() + least,
        };
        kappa.scale(2.0)
    }

    /// Cotangents of [`Plan::twice_kappa`].
    #[inline(always)]
    pub(super) fn twice_kappa_vjp<P: Real>(
        &self,
        own: &[P],
        rotation: &[P],
        cot: P,
        cot_own: &mut [P],
        cot_rotation: &mut [P],
    ) {
        let cot = cot.scale(2.0);
        if let Some((kind, from)) = self.of_rotation() {
            let v = &rotation[from..from + 3];
            let (_, unit) = length(v);
            for (i, bar) in cot_rotation[from..from + 3].iter_mut().enumerate() {
                *bar += cot
                    * match kind {
                        Length::Plain => unit[i],
                        Length::Squared => v[i].scale(2.0),
                    };
            }
            return;
        }
        let raw = own[0];
        let slope = match self.0.kappa_prediction {
            KappaPrediction::SoftplusRealBounded => logistic(raw),
            KappaPrediction::LogBounded => raw.exp().scale(self.0.min_kappa),
            _ => raw.exp(),
        };
        let held = if self.0.kappa_clamping { raw.lt(P::constant(LEAST_RAW)) } else { raw.lt(raw) };
        cot_own[0] += P::select(held, P::zero(), slope * cot);
    }
}
