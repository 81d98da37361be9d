//! The circle and the two-sphere. Embedded coordinates are unit vectors.

use super::hypersphere::polar_base_vjp;
use super::unit_vector::{ln_sin, project, project_vjp, unit, wrap};
use super::value::{ManifoldValue, finite};
use crate::numeric::special::{ln_1p_over, normal_quantile, over_normal_density};
use crate::numeric::{Real, Scalar};
use core::f64::consts::{PI, TAU};

/// The circle: intrinsic coordinate an angle in radians (any number; [0, 2 pi) is returned), embedded (cos, sin).
pub struct Circle;

/// The circle as a value.
pub(super) struct Round;

impl ManifoldValue for Round {
    const WIDE: bool = true;
    const UNIFORM: bool = true;

    fn dims(&self) -> [usize; 2] {
        [1, 2]
    }
    fn notation(&self) -> String {
        "s1".into()
    }
    #[inline(always)]
    fn embed<R: Real>(&self, intrinsic: &[R], embedded: &mut [R], _: &mut R) {
        let (sin, cos) = intrinsic[0].sin_cos();
        embedded[0] = cos;
        embedded[1] = sin;
    }
    #[inline(always)]
    fn embed_vjp<R: Real>(&self, intrinsic: &[R], cot_embedded: &[R], _: R, cot_intrinsic: &mut [R]) {
        let (sin, cos) = intrinsic[0].sin_cos();
        cot_intrinsic[0] += cos * cot_embedded[1] - sin * cot_embedded[0];
    }
    #[inline(always)]
    fn intrinsic<R: Real>(&self, embedded: &[R], intrinsic: &mut [R], _: &mut R) {
        intrinsic[0] = wrap(embedded[1].atan2(embedded[0]));
    }
    #[inline(always)]
    fn intrinsic_vjp<R: Real>(&self, embedded: &[R], cot_intrinsic: &[R], _: R, cot_embedded: &mut [R]) {
        cot_embedded[0] -= embedded[1] * cot_intrinsic[0];
        cot_embedded[1] += embedded[0] * cot_intrinsic[0];
    }
    #[inline(always)]
    fn project<R: Real>(&self, given: &[R], embedded: &mut [R]) {
        project(given, embedded);
    }
    #[inline(always)]
    fn project_vjp<R: Real>(&self, given: &[R], cot_embedded: &[R], cot_given: &mut [R]) {
        project_vjp(given, cot_embedded, cot_given);
    }
    #[inline(always)]
    fn log_reference<R: Real>(&self, _: &[R]) -> R {
        R::constant(-TAU.ln())
    }
    #[inline(always)]
    fn log_reference_vjp<R: Real>(&self, _: &[R], _: R, _: &mut [R]) {}
    /// The angle pi goes to 0, the angle 0 to both infinities, angles in (0, pi) to positive numbers.
    #[inline(always)]
    fn to_base<R: Real>(&self, target: &[R], base: &mut [R]) {
        let signed = target[1].atan2(target[0]);
        let tail = signed.abs().scale(1.0 / TAU);
        let rest = R::one() - tail;
        let r = -normal_quantile(tail, rest);
        base[0] = R::select(signed.lt(R::zero()), -r, r);
    }
    #[inline(always)]
    // |z| = -Phi^-1(|angle| / tau): dz / d angle = -1 / (tau phi(z)) on both sides.
    fn to_base_vjp<R: Real>(&self, target: &[R], cot_base: &[R], cot_target: &mut [R]) {
        let mut z = [R::zero()];
        self.to_base(target, &mut z);
        let cot = -cot_base[0] * over_normal_density(z[0]).scale(1.0 / TAU);
        cot_target[0] -= target[1] * cot;
        cot_target[1] += target[0] * cot;
    }
    #[inline(always)]
    fn from_base<R: Real>(&self, base: &[R], target: &mut [R]) {
        // The angle in units of tau is the tail of the normal distribution beyond |z|.
        let tail = base[0].abs().scale(core::f64::consts::FRAC_1_SQRT_2).erfc().scale(0.5);
        let (sin, cos) = tail.scale(TAU).sin_cos();
        target[0] = cos;
        target[1] = R::select(base[0].lt(R::zero()), -sin, sin);
    }
    #[inline]
    fn check_intrinsic(&self, point: &[f64]) -> Option<String> {
        finite(point, "an angle is a finite number, in radians")
    }
    fn check_embedded(&self, point: &[f64]) -> Option<String> {
        unit(point)
    }
}

/// The two-sphere: intrinsic coordinates (theta, phi) in radians, theta in [0, pi] from the +z axis, phi any angle ([0, 2 pi) is
/// returned); embedded (x, y, z).
///
/// Densities in intrinsic coordinates are with respect to d theta d phi, in embedded ones with respect to area. Within 1e-7
/// of the poles ln sin(theta) is held constant; densities in embedded coordinates have no such limit.
pub struct Sphere2;

/// (1 - z) / 2 and (1 + z) / 2 of a unit vector: squared sine and cosine of half the polar angle, each to full relative precision.
#[inline(always)]
pub(crate) fn half_squares<R: Real>(v: &[R]) -> (R, R) {
    let rho2 = v[0].square() + v[1].square();
    let big = (R::one() + v[2].abs()).scale(0.5);
    let small = rho2.scale(0.25) / big;
    let north = v[2].gt(R::zero());
    (R::select(north, small, big), R::select(north, big, small))
}

/// The two-sphere as a value.
pub(super) struct TwoSphere;

impl ManifoldValue for TwoSphere {
    const WIDE: bool = true;
    const UNIFORM: bool = true;

    fn dims(&self) -> [usize; 2] {
        [2, 3]
    }
    fn notation(&self) -> String {
        "s2".into()
    }
    #[inline(always)]
    fn embed<R: Real>(&self, intrinsic: &[R], embedded: &mut [R], log_det: &mut R) {
        let (sin, cos) = intrinsic[0].sin_cos();
        let (sin_phi, cos_phi) = intrinsic[1].sin_cos();
        embedded[0] = sin * cos_phi;
        embedded[1] = sin * sin_phi;
        embedded[2] = cos;
        *log_det += ln_sin(intrinsic[0]).0;
    }
    #[inline(always)]
    fn embed_vjp<R: Real>(&self, intrinsic: &[R], cot_embedded: &[R], cot_log_det: R, cot_intrinsic: &mut [R]) {
        let (sin, cos) = intrinsic[0].sin_cos();
        let (sin_phi, cos_phi) = intrinsic[1].sin_cos();
        let radial = cot_embedded[0] * cos_phi + cot_embedded[1] * sin_phi;
        cot_intrinsic[0] += cos * radial - sin * cot_embedded[2] + cot_log_det * ln_sin(intrinsic[0]).1;
        cot_intrinsic[1] += sin * (cot_embedded[1] * cos_phi - cot_embedded[0] * sin_phi);
    }
    #[inline(always)]
    fn intrinsic<R: Real>(&self, embedded: &[R], intrinsic: &mut [R], log_det: &mut R) {
        let rho = (embedded[0].square() + embedded[1].square()).sqrt();
        intrinsic[0] = rho.atan2(embedded[2]);
        intrinsic[1] = wrap(embedded[1].atan2(embedded[0]));
        *log_det -= ln_sin(intrinsic[0]).0;
    }
    #[inline(always)]
    fn intrinsic_vjp<R: Real>(&self, embedded: &[R], cot_intrinsic: &[R], cot_log_det: R, cot_embedded: &mut [R]) {
        let rho2 = (embedded[0].square() + embedded[1].square()).max(R::constant(R::Scalar::TINY));
        let rho = rho2.sqrt();
        let theta_bar = cot_intrinsic[0] - cot_log_det * ln_sin(rho.atan2(embedded[2])).1;
        let radial = theta_bar * embedded[2] / rho;
        let turn = cot_intrinsic[1] / rho2;
        cot_embedded[0] += radial * embedded[0] - turn * embedded[1];
        cot_embedded[1] += radial * embedded[1] + turn * embedded[0];
        cot_embedded[2] -= theta_bar * rho;
    }
    #[inline(always)]
    fn project<R: Real>(&self, given: &[R], embedded: &mut [R]) {
        project(given, embedded);
    }
    #[inline(always)]
    fn project_vjp<R: Real>(&self, given: &[R], cot_embedded: &[R], cot_given: &mut [R]) {
        project_vjp(given, cot_embedded, cot_given);
    }
    #[inline(always)]
    fn log_reference<R: Real>(&self, _: &[R]) -> R {
        R::constant(-(2.0 * TAU).ln())
    }
    #[inline(always)]
    fn log_reference_vjp<R: Real>(&self, _: &[R], _: R, _: &mut [R]) {}
    /// The south pole goes to the origin, the north pole to infinity (to about 37 in f64): r = sqrt(-2 ln((1 - z)/2)).
    #[inline(always)]
    fn to_base<R: Real>(&self, target: &[R], base: &mut [R]) {
        // At the pole itself any direction is right; the smallest step along x keeps r finite.
        let least = R::constant((R::Scalar::TINY * 16.0).sqrt());
        let at_pole = (target[0].square() + target[1].square()).lt(least.square()) & target[2].gt(R::zero());
        let x = R::select(at_pole, least, target[0]);
        let (h, c) = half_squares(&[x, target[1], target[2]]);
        // r / rho with r^2 = -2 ln h and rho^2 = 4 h c, smooth at the south pole (c = 0, h = 1).
        let south = c.lt(R::constant(0.5));
        let log_over =
            R::select(south, ln_1p_over(-R::select(south, c, R::zero())), -h.ln() / R::select(south, R::one(), c));
        let (long, short) = (log_over.sqrt(), h.scale(2.0).sqrt());
        base[0] = x / short * long;
        base[1] = target[1] / short * long;
    }
    #[inline(always)]
    fn to_base_vjp<R: Real>(&self, target: &[R], cot_base: &[R], cot_target: &mut [R]) {
        let mut base = [R::zero(); 2];
        self.to_base(target, &mut base);
        polar_base_vjp(target, &base, cot_base, cot_target);
    }
    #[inline(always)]
    fn from_base<R: Real>(&self, base: &[R], target: &mut [R]) {
        let half = (base[0].square() + base[1].square()).scale(0.5);
        let h = (-half).exp();
        // c = 1 - e^(-r^2/2); rho / r = sqrt(4 h c / r^2), smooth at r = 0.
        let c = -(-half).exp_m1();
        let c_over_half = crate::numeric::special::exp_m1_over(-half);
        let shrink = (h * c_over_half.scale(2.0)).sqrt();
        target[0] = base[0] * shrink;
        target[1] = base[1] * shrink;
        target[2] = c - h;
    }
    fn check_intrinsic(&self, point: &[f64]) -> Option<String> {
        finite(point, "angles are finite numbers, in radians").or_else(|| {
            // Rounding in f32 may carry pi a little above itself.
            let outside = point[0] < -1e-6 || point[0] > PI + 1e-6;
            outside.then(|| {
                format!(
                    "theta is {}: the first coordinate of s2 is the polar angle in radians, from 0 (+z axis) to pi; \
                     a latitude becomes pi/2 - latitude",
                    point[0]
                )
            })
        })
    }
    fn check_embedded(&self, point: &[f64]) -> Option<String> {
        unit(point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifolds::Manifold;

    #[test]
    fn base_maps_invert_each_other_up_to_the_poles() {
        for theta in [0.0, 1e-12, 1e-6, 1e-3, 0.7, 2.0, PI - 1e-3, PI - 1e-9, PI] {
            for phi in [0.0, 1e-9, 2.0, 4.0, TAU - 1e-9] {
                let mut v = [0.0; 3];
                Sphere2::embed(&[theta, phi], &mut v, &mut 0.0);
                let mut z = [0.0; 2];
                Sphere2::to_base(&v, &mut z);
                let mut back = [0.0; 3];
                Sphere2::from_base(&z, &mut back);
                for k in 0..3 {
                    assert!((back[k] - v[k]).abs() < 1e-14, "{theta} {phi}: {v:?} {back:?}");
                }
            }
        }
        for angle in [0.0, 1e-12, 1e-3, 1.0, 3.0, PI, 4.0, TAU - 1e-9] {
            let mut v = [0.0; 2];
            Circle::embed(&[angle], &mut v, &mut 0.0);
            let mut z = [0.0];
            Circle::to_base(&v, &mut z);
            let mut back = [0.0; 2];
            Circle::from_base(&z, &mut back);
            assert!((back[0] - v[0]).abs() < 2e-15 && (back[1] - v[1]).abs() < 2e-15, "{angle}: {z:?}");
        }
    }

    /// In f32 pi is 9e-8 above itself, and pi - 1e-7 rounds to 1.5e-7 below.
    #[test]
    fn the_log_determinant_of_angles_is_the_same_in_both_number_types() {
        for theta in [
            0.0_f32,
            1e-9,
            3e-7,
            1e-3,
            1.0,
            core::f32::consts::PI - 1e-3,
            core::f32::consts::PI - 3e-7,
            core::f32::consts::PI,
        ] {
            let (mut narrow, mut wide) = (0.0_f32, 0.0_f64);
            Sphere2::embed(&[theta, 0.3], &mut [0.0; 3], &mut narrow);
            Sphere2::embed(&[f64::from(theta), 0.3], &mut [0.0; 3], &mut wide);
            assert!((f64::from(narrow) - wide).abs() < 1e-5, "{theta}: {narrow} {wide}");
        }
    }

    /// The angle 0 is both infinities of the base: what is beside it, however close, goes far out to its own side and comes back.
    #[test]
    fn beside_the_seam_of_the_circle_base_points_are_far_out_on_their_side() {
        let mut before = 0.0;
        for sin in [1e-3, 1e-7, 1e-12, 4e-16, 1e-30, 1e-300] {
            let mut out = [0.0; 2];
            for (side, out) in [1.0, -1.0].into_iter().zip(&mut out) {
                let mut z = [0.0];
                Circle::to_base(&[f64::sqrt(1.0 - sin * sin), side * sin], &mut z);
                *out = side * z[0];
                let mut back = [0.0; 2];
                Circle::from_base(&z, &mut back);
                assert!(back[0] == 1.0 || sin > 1e-8);
                // An ulp of z is worth z^2 ulps of the tail.
                assert!((back[1] / (side * sin) - 1.0).abs() < 4e-16 * (10.0 + z[0] * z[0]), "{sin} {side}: {back:?}");
            }
            assert!(out[0] == out[1] && out[0] > before && out[0] < 38.0, "{sin}: {out:?}");
            before = out[0];
        }
        for angle in [0.0, -0.0, TAU, -TAU, TAU.next_up(), TAU.next_down(), f64::MIN_POSITIVE] {
            let mut v = [0.0; 2];
            Circle::embed(&[angle], &mut v, &mut 0.0);
            let (mut z, mut angles) = ([0.0], [0.0]);
            Circle::to_base(&v, &mut z);
            Circle::intrinsic(&v, &mut angles, &mut 0.0);
            assert!(z[0].is_finite() && z[0].abs() > 7.9, "{angle}: {z:?}");
            assert!((0.0..TAU).contains(&angles[0]), "{angle}: {angles:?}");
        }
    }
}
