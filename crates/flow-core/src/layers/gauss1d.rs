//! The one-dimensional Gaussianisation of layer n's zenith: layer g on a line with the options that layers.md 8.4 fixes (ten
//! components, one reflection, free weights without bounds, a logistic variable, no offset), as functions of one number.
//!
//! Parameters: reflection (1, inert: on a line it is the factor -1 whatever its number), means (10), raw log widths (10), raw
//! log weights (10).

use super::Bijection;
use super::gaussianization::{CLASSIC, MixtureFlow};
use crate::numeric::Real;
use flow_notation::options::GaussianizationOptions;

const LINE: MixtureFlow<CLASSIC> = MixtureFlow::new(
    1,
    false,
    false,
    GaussianizationOptions { regulate_normalization: false, ..GaussianizationOptions::DEFAULT },
);

const COMPONENTS: usize = 10;
/// Parameters of one letter.
pub(crate) const PARAMS: usize = LINE.params;
const PREPARED: usize = LINE.prepared_numbers();
const SCRATCH: usize = LINE.kept() + 1;
const MEANS: usize = 1;
const WIDTHS: usize = MEANS + COMPONENTS;
const WEIGHTS: usize = WIDTHS + COMPONENTS;
/// Share of the spread of [`initial`] that lies between the means; the rest is in their widths.
const BETWEEN: f64 = 0.5;

#[inline]
fn prepare<R: Real>(raw: &[R]) -> [R; PREPARED] {
    let mut prepared = [R::zero(); PREPARED];
    LINE.prepare(raw, &mut prepared);
    prepared
}

/// Base-side y, and ln |dy / du|, with what derivatives need in `scratch`.
#[inline]
fn walk<R: Real>(prepared: &[R], u: R, scratch: &mut [R; SCRATCH]) -> (R, R) {
    let (mut point, mut log_det) = ([u], R::zero());
    LINE.inverse(prepared, &mut point, &mut log_det, scratch);
    (point[0], log_det)
}

/// Base-side y of a target-side u, and ln |dy / du|.
#[inline(always)]
pub(crate) fn inverse<R: Real>(raw: &[R], u: R) -> (R, R) {
    walk(&prepare(raw), u, &mut [R::zero(); SCRATCH])
}

/// The u of a base-side y, ln |dy / du| there, and the lanes in which the search failed.
#[inline(always)]
pub(crate) fn forward<R: Real>(raw: &[R], y: R) -> (R, R, R::Mask) {
    let (mut point, mut log_det) = ([y], R::zero());
    let failed = LINE.forward(&prepare(raw), &mut point, &mut log_det, &mut [R::zero(); SCRATCH]);
    (point[0], -log_det, failed)
}

/// Cotangents of [`inverse`] at `u`: of y and of ln |dy / du|, to u (returned) and the parameters (added).
#[inline(always)]
pub(crate) fn inverse_vjp<R: Real>(raw: &[R], u: R, cot_y: R, cot_ln_slope: R, cot_raw: &mut [R]) -> R {
    pull(
        raw,
        u,
        |prepared, scratch, cot_prepared| {
            let mut cot = [cot_y];
            LINE.inverse_vjp(prepared, scratch, &mut cot, cot_ln_slope, cot_prepared);
            cot[0]
        },
        cot_raw,
    )
}

/// Cotangents of [`forward`], whose result is `u`: of u and of -ln |dy / du|, to y (returned) and the parameters (added).
#[inline(always)]
pub(crate) fn forward_vjp<R: Real>(raw: &[R], u: R, cot_u: R, cot_log_det: R, cot_raw: &mut [R]) -> R {
    pull(
        raw,
        u,
        |prepared, scratch, cot_prepared| {
            let mut cot = [cot_u];
            LINE.forward_vjp(prepared, scratch, &mut cot, cot_log_det, cot_prepared);
            cot[0]
        },
        cot_raw,
    )
}

/// Prepares, walks to refill the scratch, and takes the cotangents of prepared numbers back to the parameters.
#[inline(always)]
fn pull<R: Real>(raw: &[R], u: R, vjp: impl FnOnce(&[R], &mut [R], &mut [R]) -> R, cot_raw: &mut [R]) -> R {
    let prepared = prepare(raw);
    let mut scratch = [R::zero(); SCRATCH];
    walk(&prepared, u, &mut scratch);
    let mut cot_prepared = [R::zero(); PREPARED];
    let cot = vjp(&prepared, &mut scratch, &mut cot_prepared);
    LINE.prepare_vjp(raw, &prepared, &cot_prepared, cot_raw);
    cot
}

/// Parameters under which Psi is close to the identity while no two components are alike.
pub(crate) fn initial(raw: &mut [f64]) {
    raw[0] = 1.0;
    for k in 0..COMPONENTS {
        let p = (k as f64 + 0.5) / COMPONENTS as f64;
        raw[MEANS + k] = BETWEEN * (p / (1.0 - p)).ln();
        raw[WIDTHS + k] = 0.5 * (1.0 - BETWEEN * BETWEEN).ln();
        raw[WEIGHTS + k] = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Vec<f64> {
        (0..PARAMS).map(|j| 1.5 * (1.0 + 1.3 * j as f64).sin()).collect()
    }

    #[test]
    fn round_trips_up_to_far_tails() {
        let raw = parameters();
        for u in [-1e6, -1e3, -40.0, -3.0, -1e-3, 0.0, 0.7, 5.0, 38.0, 1e4, 1e6] {
            let (y, ln_slope) = inverse(&raw, u);
            let (back, ln_back, failed) = forward(&raw, y);
            assert!(!failed && (back - u).abs() < 1e-14 * (1.0 + u.abs()), "{u}: {back}");
            assert!((ln_slope - ln_back).abs() < 1e-12, "{u}: {ln_slope} {ln_back}");
        }
    }

    #[test]
    fn starts_close_to_the_identity() {
        let mut raw = vec![0.0; PARAMS];
        initial(&mut raw);
        for u in [-6.0, -2.0, 0.0, 1.0, 5.0] {
            let (y, ln_slope) = inverse(&raw, u);
            assert!((y + u).abs() < 0.3 + 0.1 * f64::abs(u) && ln_slope.abs() < 0.2, "{u}: {y} {ln_slope}");
        }
    }

    #[test]
    fn derivatives_equal_differences() {
        let raw = parameters();
        let difference = |g: &dyn Fn(f64) -> f64| (8.0 * (g(2e-4) - g(-2e-4)) - g(4e-4) + g(-4e-4)) / 24e-4;
        type Direction = fn(&[f64], f64) -> (f64, f64);
        let directions: [Direction; 2] = [inverse, |raw, y| {
            let (u, ln_slope, _) = forward(raw, y);
            (u, -ln_slope)
        }];
        for (which, f) in directions.iter().enumerate() {
            for at in [-30.0, -0.8, 0.1, 2.0, 60.0] {
                let value = |raw: &[f64], at: f64| {
                    let (to, ln) = f(raw, at);
                    0.7 * to - 1.3 * ln
                };
                let mut cot = vec![0.0; PARAMS];
                let exact = if which == 0 {
                    inverse_vjp(&raw, at, 0.7, -1.3, &mut cot)
                } else {
                    forward_vjp(&raw, f(&raw, at).0, 0.7, -1.3, &mut cot)
                };
                let numerical = difference(&|h| value(&raw, at + h));
                assert!(
                    (exact - numerical).abs() < 1e-8 * (1.0 + numerical.abs()),
                    "{which} {at}: {exact} {numerical}"
                );
                for k in 0..PARAMS {
                    let numerical = difference(&|h| {
                        let mut raw = raw.clone();
                        raw[k] += h;
                        value(&raw, at)
                    });
                    let off = (cot[k] - numerical).abs();
                    assert!(off < 1e-8 * (1.0 + numerical.abs()), "{which} {at} {k}: {} {numerical}", cot[k]);
                }
            }
        }
    }
}
