//! Directions of the components of layer v and the bounds of their weights, from raw numbers.

use super::VECTOR;
use super::profile::Curve;
use crate::layers::rotation::{householder, householder_prepare, householder_prepare_vjp, householder_vjp};
use crate::numeric::special::logistic;
use crate::numeric::{Real, Scalar};
use core::f64::consts::E;
use flow_notation::options::{ExpMapType, MeanParametrization};

/// Numbers of the reflections behind a direction.
const REFLECTIONS: usize = VECTOR * VECTOR;

/// Most parameters that a component has.
pub(super) const MOST_ROWS: usize =
    Means(MeanParametrization::Householder).params() + 1 + Curve(ExpMapType::Splines).params();

/// Lengths of vectors count in units of this.
const LENGTH: f64 = 10.0;

/// A direction, the bound nu of its weight, and 1 - nu, each precise where it is small.
pub(super) struct Weighed<P> {
    pub mean: [P; VECTOR],
    pub bound: P,
    pub spare: P,
}

/// The directions and bounds of a [`MeanParametrization`].
#[derive(Clone, Copy)]
pub(super) struct Means(pub MeanParametrization);

impl Means {
    /// Parameters of a direction and its bound.
    pub(super) const fn params(self) -> usize {
        match self.0 {
            MeanParametrization::Old => VECTOR,
            MeanParametrization::Householder => REFLECTIONS + 1,
        }
    }

    #[inline(always)]
    pub(super) fn weighed<P: Real>(self, raw: &[P]) -> Weighed<P> {
        match self.0 {
            MeanParametrization::Old => {
                let mut mean = [P::zero(); VECTOR];
                householder_prepare(VECTOR, &raw[..VECTOR], &mut mean);
                let length = length(raw).scale(-1.0 / LENGTH);
                // nu = 1 - ln(1 + (e - 1) e^-l) = -ln(1 + (1 - 1/e) (e^-l - 1)).
                let bound = -length.exp_m1().scale(1.0 - 1.0 / E).ln_1p();
                Weighed { mean, bound, spare: length.exp().scale(E - 1.0).ln_1p() }
            }
            MeanParametrization::Householder => {
                let r = raw[REFLECTIONS];
                Weighed { mean: reflected(&reflections(raw)), bound: logistic(r), spare: logistic(-r) }
            }
        }
    }

    /// Cotangents of [`Means::weighed`]; `cot_bound` is that of nu with 1 - nu following it.
    #[inline(always)]
    pub(super) fn weighed_vjp<P: Real>(self, raw: &[P], cot_mean: [P; VECTOR], cot_bound: P, cot_raw: &mut [P]) {
        match self.0 {
            MeanParametrization::Old => {
                let mut mean = [P::zero(); VECTOR];
                householder_prepare(VECTOR, &raw[..VECTOR], &mut mean);
                householder_prepare_vjp(VECTOR, &raw[..VECTOR], &mean, &cot_mean, &mut cot_raw[..VECTOR]);
                let decayed = length(raw).scale(-1.0 / LENGTH).exp().scale(E - 1.0);
                let slope = (decayed / (P::one() + decayed)).scale(1.0 / LENGTH);
                (0..VECTOR).for_each(|k| cot_raw[k] += mean[k] * slope * cot_bound);
            }
            MeanParametrization::Householder => {
                let units = reflections(raw);
                let (mut end, mut cot) = (reflected(&units), cot_mean);
                let mut cot_units = [P::zero(); REFLECTIONS];
                householder_vjp(VECTOR, &units, &mut end, &mut cot, &mut cot_units);
                let (raw_vectors, cot_vectors) = (&raw[..REFLECTIONS], &mut cot_raw[..REFLECTIONS]);
                householder_prepare_vjp(VECTOR, raw_vectors, &units, &cot_units, cot_vectors);
                let r = raw[REFLECTIONS];
                cot_raw[REFLECTIONS] += logistic(r) * logistic(-r) * cot_bound;
            }
        }
    }
}

/// Length of a vector, as [`householder_prepare`] has it.
#[inline(always)]
fn length<P: Real>(raw: &[P]) -> P {
    raw[..VECTOR].iter().fold(P::zero(), |sum, x| sum + x.square()).max(P::constant(P::Scalar::TINY)).sqrt()
}

#[inline(always)]
fn reflections<P: Real>(raw: &[P]) -> [P; REFLECTIONS] {
    let mut units = [P::zero(); REFLECTIONS];
    householder_prepare(VECTOR, &raw[..REFLECTIONS], &mut units);
    units
}

/// H_1 H_2 H_3 e_z.
#[inline(always)]
fn reflected<P: Real>(units: &[P]) -> [P; VECTOR] {
    let mut end = [P::zero(), P::zero(), P::one()];
    householder(VECTOR, units, &mut end);
    end
}
