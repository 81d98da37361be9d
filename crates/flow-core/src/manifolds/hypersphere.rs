//! Spheres of three and more dimensions. Embedded coordinates are unit vectors.

use super::unit_vector::{dot, ln_sin, project, project_vjp, unit, wrap};
use super::value::{ManifoldValue, finite};
use crate::numeric::root::monotone_root;
use crate::numeric::special::{mills, normal_cdf};
use crate::numeric::{Real, Scalar};
use core::f64::consts::{FRAC_PI_2, LN_2, PI};
use std::sync::LazyLock;

/// The greatest dimension of a sphere.
pub const LARGEST_SPHERE: usize = 9;

/// Space for embedded coordinates.
const MOST: usize = LARGEST_SPHERE + 1;

/// The sphere of `D` dimensions, the unit vectors v of R^(D+1), for D from 2 to [`LARGEST_SPHERE`]. `Sphere<2>` is the two-sphere; the notation
/// takes [`super::Sphere2`] for it, which is the same in closed form.
///
/// Intrinsic coordinates are angles in radians (theta_1, .., theta_{D-1}, phi), thetas in [0, pi], phi any angle ([0, 2 pi) is returned):
/// ```text
/// v_D     = cos theta_1
/// v_{D-1} = sin theta_1 cos theta_2
/// ..
/// v_2     = sin theta_1 .. sin theta_{D-2} cos theta_{D-1}
/// v_1     = sin theta_1 .. sin theta_{D-1} sin phi
/// v_0     = sin theta_1 .. sin theta_{D-1} cos phi
/// ```
/// so that theta_1 is the angle from the last axis, as on the two-sphere. Densities in intrinsic coordinates are with respect to d theta_1 ..
/// d theta_{D-1} d phi, in embedded ones with respect to area, which is prod_k sin^{D-k}(theta_k) as large. Within 1e-7 of 0 and pi ln sin(theta)
/// is held constant; densities in embedded coordinates have no such limit. Where some of the first coordinates are all 0, the angles that follow from
/// them are undefined: pi/2 and 0 are returned.
///
/// # Rotations
/// The three-sphere is that of unit quaternions, in the order (w, x, y, z). A quaternion q and its negative -q are two points of the sphere
/// and one rotation of space: the density of a rotation is p(q) + p(-q), and a fit to rotations sees each one with both signs (or with one
/// drawn at random).
///
/// # The base
/// A point keeps the direction of (v_0, .., v_{D-1}); the angle alpha from the south pole v_D = -1 becomes the radius r of the base point under
/// which the normal distribution has the same mass: P(chi_D < r) = A_{D-1}/A_D int_0^alpha sin^{D-1}, with A_n the area of S^n. The south pole goes
/// to the origin, the north pole to infinity. On the circle and the two-sphere this is the map they have, and like there a
/// rotation about the last axis is one of the base. Both sides of the equation are sums of positive numbers, solved in logarithms from the
/// nearer pole, so both directions are exact up to the poles.
pub struct Sphere<const D: usize>;

/// Lengths below this count as this: the reciprocal and its multiples are still numbers.
#[inline(always)]
fn least<R: Real>() -> R {
    R::constant(R::Scalar::TINY * 1e8)
}

/// The length of (a, b), without squares of small numbers and at least 1e8 times the smallest normal number.
#[inline(always)]
pub(crate) fn hypot<R: Real>(a: R, b: R) -> R {
    let (a, b) = (a.abs(), b.abs());
    let (long, short) = (a.max(b).max(least()), a.min(b));
    long * (R::one() + (short / long).square()).sqrt()
}

/// |(v_0, .., v_m)| for each m from 1 on.
#[inline(always)]
fn radii<R: Real>(v: &[R]) -> [R; MOST] {
    let mut radii = [v[0]; MOST];
    for m in 1..v.len() {
        radii[m] = hypot(radii[m - 1], v[m]);
    }
    radii
}

/// The length of a vector of any dimension.
#[inline(always)]
fn length<R: Real>(v: &[R]) -> R {
    let mut length = R::zero();
    for x in v {
        length = hypot(length, *x);
    }
    length
}

#[inline(always)]
fn power<R: Real>(x: R, n: usize) -> R {
    (0..n).fold(R::one(), |product, _| product * x)
}

/// Gamma(n / 2).
const fn gamma_half(n: usize) -> f64 {
    let (mut value, mut at) = if n.is_multiple_of(2) { (1.0, 2) } else { (1.772_453_850_905_516, 1) };
    while at < n {
        value *= 0.5 * at as f64;
        at += 2;
    }
    value
}

/// Area of the sphere of `dim` dimensions: 2 pi^((dim + 1)/2) / Gamma((dim + 1)/2).
fn area(dim: usize) -> f64 {
    2.0 * PI.powf(0.5 * (dim + 1) as f64) / gamma_half(dim + 1)
}

/// What depends on the dimension D of a sphere alone, computed once. A_n is the area of the sphere of n dimensions.
struct Constants {
    /// D.
    dim: usize,
    /// ln D.
    ln_dim: f64,
    /// ln A_D.
    ln_area: f64,
    /// ln(A_{D-1} / A_D).
    ln_ratio: f64,
    /// ln(D A_D / A_{D-1}).
    ln_cap: f64,
    /// ln Gamma(D/2 + 1).
    ln_gamma: f64,
    /// K = A_{D-1} / A_D 2^(D/2-1) Gamma(D/2).
    slope: f64,
    /// K^(1/D).
    growth: f64,
}

impl Constants {
    /// Those of a sphere of 1 to [`LARGEST_SPHERE`] dimensions.
    #[inline]
    fn of(dim: usize) -> &'static Constants {
        static ALL: LazyLock<[Constants; LARGEST_SPHERE]> =
            LazyLock::new(|| core::array::from_fn(|i| Constants::compute(i + 1)));
        &ALL[dim - 1]
    }

    fn compute(dim: usize) -> Self {
        let (d, ratio) = (dim as f64, area(dim - 1) / area(dim));
        let slope = ratio * 2f64.powf(0.5 * d - 1.0) * gamma_half(dim);
        Constants {
            dim,
            ln_dim: d.ln(),
            ln_area: area(dim).ln(),
            ln_ratio: ratio.ln(),
            ln_cap: (d * area(dim) / area(dim - 1)).ln(),
            ln_gamma: gamma_half(dim + 2).ln(),
            slope,
            growth: slope.powf(1.0 / d),
        }
    }
}

/// Cotangents of a base map z = r v / |v| of a sphere (v, h) of `v.len()` dimensions, whose reference density is uniform, added.
///
/// With the angle alpha from the south pole, P(chi < r) is the share of the cap within alpha, so that
/// ```text
/// dr / d alpha = (|v| / r)^(D-1) e^(r^2/2) K,      K = A_{D-1} / A_D 2^(D/2-1) Gamma(D/2),      A_D the area of the sphere
/// ```
/// d alpha = |v| dh - h d|v|, and across v lengths grow by r / |v|, which is K^(1/D) at the south pole.
#[inline(always)]
pub(super) fn polar_base_vjp<R: Real>(target: &[R], base: &[R], cot_base: &[R], cot_target: &mut [R]) {
    let dim = base.len();
    let (v, h) = (&target[..dim], target[dim]);
    let of = Constants::of(dim);
    let (rho, r) = (length(v).max(least()), length(base));
    let at_south = rho.lt(R::constant(R::Scalar::EPSILON.sqrt())) & h.lt(R::zero());
    let growth = R::select(at_south, R::constant(of.growth), r / rho);
    let slope = (r.square().scale(0.5) - growth.ln().scale((dim - 1) as f64)).exp().scale(of.slope);
    let along = dot(v, cot_base) / rho;
    let radial = -along * (h * slope + growth) / rho;
    for ((bar, x), cot) in cot_target.iter_mut().zip(v).zip(cot_base) {
        *bar += growth * *cot + *x * radial;
    }
    cot_target[dim] += rho * along * slope;
}

/// Gauss-Legendre rule of 16 nodes on [-1, 1]: the positive nodes and their weights. On [0, 1] it integrates (sin(a u) / a)^8 for a up to pi/2
/// to full precision: what it leaves is less than (pi k / 8)^32 / 32! of the integrand's size, k = 8.
const NODES: [[f64; 2]; 8] = [
    [0.095_012_509_837_637_44, 0.189_450_610_455_068_5],
    [0.281_603_550_779_258_9, 0.182_603_415_044_923_6],
    [0.458_016_777_657_227_4, 0.169_156_519_395_002_54],
    [0.617_876_244_402_643_7, 0.149_595_988_816_576_73],
    [0.755_404_408_355_003, 0.124_628_971_255_533_87],
    [0.865_631_202_387_831_7, 0.095_158_511_682_492_78],
    [0.944_575_023_073_232_6, 0.062_253_523_938_647_894],
    [0.989_400_934_991_649_9, 0.027_152_459_411_754_096],
];

/// ln of the share of the sphere that lies within the angle alpha <= pi/2 of a pole, and its derivative by ln alpha.
///
/// int_0^alpha sin^k = alpha^(k+1) int_0^1 (sin(alpha u) / alpha)^k du, k = dim - 1.
#[inline]
fn ln_cap<R: Real>(of: &Constants, ln_alpha: R) -> (R, R) {
    let dim = of.dim;
    let alpha = ln_alpha.exp();
    let height = |u: R| power((alpha * u).sin_cos().0 / alpha, dim - 1);
    let mut mean = R::zero();
    for [x, w] in NODES {
        let both = height(R::constant(0.5 * (1.0 - x))) + height(R::constant(0.5 * (1.0 + x)));
        mean += both.scale(0.5 * w);
    }
    (ln_alpha.scale(dim as f64) + mean.ln() + R::constant(of.ln_ratio), height(R::one()) / mean)
}

/// Terms of the series below, enough for r^2 <= 3.4 dim.
const TERMS: usize = 48;

/// ln P(chi < r) for the length of a normal vector and r^2 up to 3.4 dim, and its derivative by ln r.
///
/// P = x^a e^-x / Gamma(a + 1) sum_n x^n / ((a + 1) .. (a + n)) with a = dim/2, x = r^2/2.
#[inline]
fn ln_below<R: Real>(of: &Constants, ln_r: R) -> (R, R) {
    let dim = of.dim;
    let (a, x) = (0.5 * dim as f64, ln_r.scale(2.0).exp().scale(0.5));
    let series = (1..=TERMS).rev().fold(R::one(), |sum, n| R::one() + x.scale(1.0 / (a + n as f64)) * sum);
    let constant = -(a * LN_2 + of.ln_gamma);
    (ln_r.scale(dim as f64) - x + series.ln() + R::constant(constant), R::constant(dim as f64) / series)
}

/// -ln P(chi > r) and its derivative by ln r, however far out.
///
/// P = e^-x (start + sum x^j / Gamma(j + 1)) over j = .., dim/2 - 1 in whole steps: for even dim from 0 on, without a start; for odd dim from
/// 1/2 on, and the start is e^x erfc(sqrt x) = sqrt(2/pi) times Mills' ratio at r.
#[inline]
fn ln_beyond<R: Real>(dim: usize, ln_r: R) -> (R, R) {
    let r = ln_r.exp();
    let x = r.square().scale(0.5);
    let (mut sum, mut term) = if dim.is_multiple_of(2) {
        (R::zero(), R::one())
    } else {
        (mills(r, normal_cdf(r).1).scale((2.0 / PI).sqrt()), x.sqrt().scale(1.0 / gamma_half(3)))
    };
    let mut twice = 2 + dim % 2;
    while twice <= dim {
        sum += term;
        term *= x.scale(2.0 / twice as f64);
        twice += 2;
    }
    // r^dim / (2^(a-1) Gamma(a)) = 2 x^a / Gamma(a), and the last term is x^a / Gamma(a + 1).
    (x - sum.ln(), term.scale(dim as f64) / sum)
}

/// A sphere of 2 to [`LARGEST_SPHERE`] dimensions as a value.
pub(super) struct Hypersphere {
    pub(super) dim: usize,
}

impl ManifoldValue for Hypersphere {
    const UNIFORM: bool = true;

    fn dims(&self) -> [usize; 2] {
        [self.dim, self.dim + 1]
    }
    fn notation(&self) -> String {
        format!("s{}", self.dim)
    }
    #[inline]
    fn embed<R: Real>(&self, intrinsic: &[R], embedded: &mut [R], log_det: &mut R) {
        let dim = self.dim;
        let (sin, cos) = intrinsic[dim - 1].sin_cos();
        embedded[0] = cos;
        embedded[1] = sin;
        for m in 2..=dim {
            let theta = intrinsic[dim - m];
            let (sin, cos) = theta.sin_cos();
            embedded[..m].iter_mut().for_each(|x| *x *= sin);
            embedded[m] = cos;
            *log_det += ln_sin(theta).0.scale((m - 1) as f64);
        }
    }
    #[inline]
    fn embed_vjp<R: Real>(&self, intrinsic: &[R], cot_embedded: &[R], cot_log_det: R, cot_intrinsic: &mut [R]) {
        let dim = self.dim;
        // Sines and cosines by the last coordinate they lead to, and the product of the sines beyond each.
        let (mut pairs, mut beyond) = ([(R::zero(), R::zero()); MOST], [R::one(); MOST]);
        for m in (2..=dim).rev() {
            pairs[m] = intrinsic[dim - m].sin_cos();
            beyond[m - 1] = beyond[m] * pairs[m].0;
        }
        let (sin, cos) = intrinsic[dim - 1].sin_cos();
        cot_intrinsic[dim - 1] += beyond[1] * (cos * cot_embedded[1] - sin * cot_embedded[0]);
        let mut inner = [R::zero(); MOST];
        (inner[0], inner[1]) = (cos, sin);
        for m in 2..=dim {
            let (sin, cos) = pairs[m];
            let along = inner[..m].iter().zip(cot_embedded).fold(R::zero(), |sum, (x, c)| sum + *x * *c);
            let slope = ln_sin(intrinsic[dim - m]).1.scale((m - 1) as f64);
            cot_intrinsic[dim - m] += beyond[m] * (cos * along - sin * cot_embedded[m]) + cot_log_det * slope;
            inner[..m].iter_mut().for_each(|x| *x *= sin);
            inner[m] = cos;
        }
    }
    #[inline]
    fn intrinsic<R: Real>(&self, embedded: &[R], intrinsic: &mut [R], log_det: &mut R) {
        let dim = self.dim;
        let radii = radii(embedded);
        intrinsic[dim - 1] = wrap(embedded[1].atan2(embedded[0]));
        for m in 2..=dim {
            let theta = radii[m - 1].atan2(embedded[m]);
            intrinsic[dim - m] = theta;
            *log_det -= ln_sin(theta).0.scale((m - 1) as f64);
        }
    }
    #[inline]
    fn intrinsic_vjp<R: Real>(&self, embedded: &[R], cot_intrinsic: &[R], cot_log_det: R, cot_embedded: &mut [R]) {
        let dim = self.dim;
        let radii = radii(embedded);
        let turn = cot_intrinsic[dim - 1] / radii[1];
        cot_embedded[0] -= embedded[1] / radii[1] * turn;
        cot_embedded[1] += embedded[0] / radii[1] * turn;
        for m in 2..=dim {
            let theta = radii[m - 1].atan2(embedded[m]);
            let cot = cot_intrinsic[dim - m] - cot_log_det * ln_sin(theta).1.scale((m - 1) as f64);
            // theta = atan2(rho, h): (h d rho - rho dh) / (rho^2 + h^2), d rho = (v / rho) . dv.
            let over = cot / radii[m];
            let radial = embedded[m] / radii[m] * over;
            for (bar, x) in cot_embedded[..m].iter_mut().zip(embedded) {
                *bar += *x / radii[m - 1] * radial;
            }
            cot_embedded[m] -= radii[m - 1] / radii[m] * over;
        }
    }
    #[inline]
    fn project<R: Real>(&self, given: &[R], embedded: &mut [R]) {
        project(given, embedded);
    }
    #[inline]
    fn project_vjp<R: Real>(&self, given: &[R], cot_embedded: &[R], cot_given: &mut [R]) {
        project_vjp(given, cot_embedded, cot_given);
    }
    #[inline]
    fn log_reference<R: Real>(&self, _: &[R]) -> R {
        R::constant(-Constants::of(self.dim).ln_area)
    }
    #[inline]
    fn log_reference_vjp<R: Real>(&self, _: &[R], _: R, _: &mut [R]) {}

    #[inline]
    fn to_base<R: Real>(&self, target: &[R], base: &mut [R]) {
        let (dim, of) = (self.dim, Constants::of(self.dim));
        base.copy_from_slice(&target[..dim]);
        // At the north pole any direction is right.
        let rho = length(base);
        let at_pole = rho.le(least()) & target[dim].gt(R::zero());
        base[0] = R::select(at_pole, least(), base[0]);

        let south = target[dim].lt(R::zero());
        let (ln_share, _) = ln_cap(of, rho.atan2(target[dim].abs()).ln());
        // South: P(chi < r) lies between r^D / (2^a Gamma(a + 1)) and e^(-r^2/2) times that, and r^2 < D. North: r > 1
        // because the median is, and P(chi > r) < (e x / a)^a e^-x is below any p where x = 2 ln(1/p) + 8 D.
        let within = (ln_share + R::constant(0.5 * dim as f64 * LN_2 + of.ln_gamma)).scale(1.0 / dim as f64);
        let far = (R::constant(16.0 * dim as f64) - ln_share.scale(4.0)).ln().scale(0.5);
        let lo = R::select(south, within - R::constant(1e-3), R::zero());
        let hi = R::select(south, within + R::constant(0.5), far);
        let outermost = R::constant(0.5 * of.ln_dim + 0.6);
        let (ln_r, _) = monotone_root(R::select(south, ln_share, -ln_share), lo, hi, |ln_r: R| {
            let (below, beyond) = (ln_below(of, ln_r.min(outermost)), ln_beyond(dim, ln_r));
            (R::select(south, below.0, beyond.0), R::select(south, below.1, beyond.1))
        });
        let r = ln_r.exp();
        base.iter_mut().for_each(|x| *x = *x / rho * r);
    }
    #[inline]
    fn to_base_vjp<R: Real>(&self, target: &[R], cot_base: &[R], cot_target: &mut [R]) {
        let mut room = [R::zero(); LARGEST_SPHERE];
        let base = &mut room[..self.dim];
        self.to_base(target, base);
        polar_base_vjp(target, base, cot_base, cot_target);
    }
    #[inline]
    fn from_base<R: Real>(&self, base: &[R], target: &mut [R]) {
        let (dim, of) = (self.dim, Constants::of(self.dim));
        let r = length(base);
        let ln_r = r.ln();
        let ln_beyond = -ln_beyond(dim, ln_r).0;
        let south = ln_beyond.gt(R::constant(-LN_2));
        // Where less than half is nearer, r^2 < D.
        let (ln_below, _) = ln_below(of, ln_r.min(R::constant(0.5 * of.ln_dim)));
        let nearest = least::<R>().ln().scale(dim as f64);
        let ln_share = R::select(south, ln_below, ln_beyond).max(nearest);
        // 2/pi alpha <= sin alpha <= alpha.
        let within = (ln_share + R::constant(of.ln_cap)).scale(1.0 / dim as f64);
        let (lo, hi) = (within - R::constant(1e-3), within + R::constant(FRAC_PI_2.ln() + 1e-3));
        let (ln_alpha, _) = monotone_root(ln_share, lo, hi, |ln_alpha| ln_cap(of, ln_alpha));
        let (sin, cos) = ln_alpha.exp().sin_cos();
        for (x, z) in target.iter_mut().zip(base) {
            *x = *z / r * sin;
        }
        target[dim] = R::select(south, -cos, cos);
    }

    fn check_intrinsic(&self, point: &[f64]) -> Option<String> {
        let dim = self.dim;
        finite(point, "angles are finite numbers, in radians").or_else(|| {
            // Rounding in f32 may carry pi a little above itself.
            let outside = point[..dim - 1].iter().position(|theta| *theta < -1e-6 || *theta > PI + 1e-6)?;
            Some(format!(
                "theta_{} is {}: the first {} coordinates of s{dim} are polar angles in radians, from 0 to pi, the last one is an azimuth \
                 of any size",
                outside + 1,
                point[outside],
                dim - 1
            ))
        })
    }
    fn check_embedded(&self, point: &[f64]) -> Option<String> {
        unit(point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifolds::{Manifold, Sphere2};
    use core::f64::consts::TAU;
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    use rand_distr::StandardNormal;

    fn unit_vector<const D: usize>(rng: &mut StdRng) -> Vec<f64> {
        let given: Vec<f64> = (0..=D).map(|_| rng.sample(StandardNormal)).collect();
        let mut v = vec![0.0; D + 1];
        Sphere::<D>::project(&given, &mut v);
        v
    }

    /// Points beside the poles, and on and beside the circles where inner angles are undefined.
    fn special<const D: usize>() -> Vec<Vec<f64>> {
        let mut points = Vec::new();
        for size in [0.0, 1e-290, 1e-100, 1e-12, 1e-6, 1e-3] {
            for last in 1..=D {
                for sign in [1.0, -1.0] {
                    let mut given = vec![0.0; D + 1];
                    given[last] = sign;
                    given[0] = size * 0.6;
                    given[last - 1] -= size * 0.8;
                    for _ in 0..2 {
                        let norm = given.iter().map(|x| x * x).sum::<f64>().sqrt();
                        points.push(given.iter().map(|x| x / norm).collect());
                        given[D] += 0.5;
                    }
                }
            }
        }
        points
    }

    fn base_maps_invert<const D: usize>() {
        let mut rng = StdRng::seed_from_u64(1);
        let points = (0..50).map(|_| unit_vector::<D>(&mut rng)).chain(special::<D>());
        for v in points {
            let (mut z, mut back) = (vec![0.0; D], vec![0.0; D + 1]);
            Sphere::<D>::to_base(&v, &mut z);
            Sphere::<D>::from_base(&z, &mut back);
            assert!(z.iter().all(|z| z.is_finite()), "{v:?}: {z:?}");
            // Relative to the distance from the nearer pole: the logarithm of it, up to 700, is what is solved for.
            let rho = length(&v[..D]).max(1e-290);
            for k in 0..=D {
                let off = (back[k] - v[k]).abs() / if k < D { rho } else { 1.0 };
                assert!(off < 1e-12 || v[k] == 0.0 && back[k] < 1e-290, "s{D} {k}: {v:?} {z:?} {back:?}");
            }
        }
        for size in [0.0, 1e-300, 1e-20, 1e-3, 1.0, 1.538, 3.0, 8.0, 30.0] {
            let z: Vec<f64> = (0..D).map(|i| size * (0.3 + i as f64).sin() / (0.5 * D as f64).sqrt()).collect();
            let (mut v, mut back) = (vec![0.0; D + 1], vec![0.0; D]);
            Sphere::<D>::from_base(&z, &mut v);
            Sphere::<D>::to_base(&v, &mut back);
            for k in 0..D {
                assert!((z[k] - back[k]).abs() <= 1e-12 * size.max(1e-280), "s{D}: {z:?} {v:?} {back:?}");
            }
        }
    }

    #[test]
    fn base_maps_invert_each_other_up_to_the_poles() {
        base_maps_invert::<2>();
        base_maps_invert::<3>();
        base_maps_invert::<4>();
        base_maps_invert::<5>();
        base_maps_invert::<8>();
        base_maps_invert::<9>();
    }

    /// The normal distribution of the base becomes the uniform one: ln N(z) + ln |dz/dv| = -ln area, by differences along orthonormal
    /// directions. Radial: dr/dalpha; across: (r / sin alpha)^(D-1).
    fn base_is_uniform<const D: usize>() {
        for alpha in [0.01, 0.4, 1.0, FRAC_PI_2, 2.0, 2.9, 3.1] {
            let radius = |alpha: f64| {
                let (mut v, mut z) = (vec![0.0; D + 1], vec![0.0; D]);
                (v[1], v[D]) = (alpha.sin(), -alpha.cos());
                Sphere::<D>::to_base(&v, &mut z);
                length(&z)
            };
            let (r, h) = (radius(alpha), 1e-4);
            let slope = (8.0 * (radius(alpha + h) - radius(alpha - h)) - radius(alpha + 2.0 * h)
                + radius(alpha - 2.0 * h))
                / (12.0 * h);
            let normal = -0.5 * (r * r + D as f64 * TAU.ln());
            let found = normal + slope.ln() + (D - 1) as f64 * (r / alpha.sin()).ln();
            let expected: f64 = Sphere::<D>::log_reference(&[0.0; MOST][..=D]);
            assert!((found - expected).abs() < 1e-9, "s{D} {alpha}: {found} {expected}");
        }
    }

    #[test]
    fn the_base_is_a_standard_normal() {
        base_is_uniform::<2>();
        base_is_uniform::<3>();
        base_is_uniform::<4>();
        base_is_uniform::<7>();
        base_is_uniform::<9>();
        // 4 pi, 2 pi^2, 8 pi^2 / 3, pi^3.
        for (dim, exact) in [(2, 4.0 * PI), (3, 2.0 * PI * PI), (4, 8.0 * PI * PI / 3.0), (5, PI.powi(3))] {
            assert!((area(dim) / exact - 1.0).abs() < 1e-14, "{dim}");
        }
    }

    #[test]
    fn in_two_dimensions_it_is_the_two_sphere() {
        let mut rng = StdRng::seed_from_u64(2);
        for v in (0..100).map(|_| unit_vector::<2>(&mut rng)) {
            let (mut a, mut b, mut ln_a, mut ln_b) = ([0.0; 2], [0.0; 2], 0.0, 0.0);
            Sphere2::intrinsic(&v, &mut a, &mut ln_a);
            Sphere::<2>::intrinsic(&v, &mut b, &mut ln_b);
            assert!((a[0] - b[0]).abs() < 1e-15 && a[1] == b[1] && (ln_a - ln_b).abs() < 1e-14);
            Sphere2::to_base(&v, &mut a);
            Sphere::<2>::to_base(&v, &mut b);
            assert!((a[0] - b[0]).abs().max((a[1] - b[1]).abs()) < 1e-13, "{a:?} {b:?}");
            let (mut v, mut w) = ([0.0; 3], [0.0; 3]);
            Sphere2::from_base(&a, &mut v);
            Sphere::<2>::from_base(&a, &mut w);
            assert!((0..3).all(|k| (v[k] - w[k]).abs() < 1e-14), "{v:?} {w:?}");
        }
        assert_eq!(Sphere2::log_reference(&[0.0; 3]), Sphere::<2>::log_reference(&[0.0_f64; 3]));
    }

    /// Angles and vectors invert each other, their log-determinant is that of the numerical Jacobian (whose Gram matrix is diagonal), and both
    /// derivatives equal differences.
    fn coordinates<const D: usize>() {
        let mut rng = StdRng::seed_from_u64(3);
        let weights: Vec<f64> = (0..=D).map(|_| rng.sample(StandardNormal)).collect();
        let h = 1e-4;
        let difference = |f: &dyn Fn(f64) -> f64| (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h);
        for _ in 0..10 {
            let v = unit_vector::<D>(&mut rng);
            let (mut angles, mut back, mut ln, mut ln_back) = (vec![0.0; D], vec![0.0; D + 1], 0.0, 0.0);
            Sphere::<D>::intrinsic(&v, &mut angles, &mut ln);
            Sphere::<D>::embed(&angles, &mut back, &mut ln_back);
            assert!((ln + ln_back).abs() < 1e-13 && (0..=D).all(|k| (v[k] - back[k]).abs() < 1e-14));

            let at = |k: usize, by: f64| {
                let (mut angles, mut v, mut ln) = (angles.clone(), vec![0.0; D + 1], 0.0);
                angles[k] += by;
                Sphere::<D>::embed(&angles, &mut v, &mut ln);
                (v, ln)
            };
            let stretch = |k: usize| (0..=D).map(|i| difference(&|by| at(k, by).0[i]).powi(2)).sum::<f64>().sqrt();
            let numerical: f64 = (0..D).map(|k| stretch(k).ln()).sum();
            assert!((ln_back - numerical).abs() < 1e-8, "s{D}: {ln_back} {numerical}");

            let mut cot = vec![0.0; D];
            Sphere::<D>::embed_vjp(&angles, &weights, 0.7, &mut cot);
            for k in 0..D {
                let numerical = difference(&|by| {
                    let (v, ln) = at(k, by);
                    v.iter().zip(&weights).map(|(v, w)| v * w).sum::<f64>() + 0.7 * ln
                });
                assert!((cot[k] - numerical).abs() < 1e-8 * (1.0 + numerical.abs()), "s{D} angle {k}");
            }
            let mut cot = vec![0.0; D + 1];
            Sphere::<D>::intrinsic_vjp(&v, &weights[..D], 0.7, &mut cot);
            for k in 0..=D {
                let numerical = difference(&|by| {
                    let (mut v, mut angles, mut ln) = (v.clone(), vec![0.0; D], 0.0);
                    v[k] += by;
                    Sphere::<D>::intrinsic(&v, &mut angles, &mut ln);
                    angles.iter().zip(&weights).map(|(a, w)| a * w).sum::<f64>() + 0.7 * ln
                });
                let off = (cot[k] - numerical).abs();
                assert!(off < 1e-7 * (1.0 + numerical.abs()), "s{D} component {k}: {} {numerical}", cot[k]);
            }
        }
        for v in special::<D>() {
            let (mut angles, mut back, mut ln) = (vec![0.0; D], vec![0.0; D + 1], 0.0);
            Sphere::<D>::intrinsic(&v, &mut angles, &mut ln);
            Sphere::<D>::embed(&angles, &mut back, &mut 0.0);
            assert!((0..=D).all(|k| (v[k] - back[k]).abs() < 1e-15) && ln.is_finite(), "{v:?} {angles:?} {back:?}");
            let mut cot = vec![0.0; D + 1];
            Sphere::<D>::intrinsic_vjp(&v, &weights[..D], 0.7, &mut cot);
            assert!(cot.iter().all(|c| c.is_finite()), "{v:?}: {cot:?}");
        }
    }

    #[test]
    fn angles_and_vectors() {
        coordinates::<2>();
        coordinates::<3>();
        coordinates::<4>();
        coordinates::<9>();
        let mut q = [0.0; 4];
        Sphere::<3>::embed(&[0.3_f64, 0.7, 5.0], &mut q, &mut 0.0);
        let expected =
            [0.3_f64.sin() * 0.7_f64.sin() * 5.0_f64.cos(), 0.0, 0.3_f64.sin() * 0.7_f64.cos(), 0.3_f64.cos()];
        assert!([0, 2, 3].iter().all(|k| (q[*k] - expected[*k]).abs() < 1e-15));
    }

    #[test]
    fn what_is_wrong_with_a_point_is_said() {
        assert_eq!(Sphere::<3>::check_intrinsic(&[0.0, PI, -40.0]), None);
        assert!(Sphere::<3>::check_intrinsic(&[1.0, 4.0, 0.0]).unwrap().contains("theta_2 is 4"));
        assert!(Sphere::<3>::check_intrinsic(&[1.0, f64::NAN, 0.0]).unwrap().contains("coordinate 1 is NaN"));
        assert!(Sphere::<3>::check_embedded(&[1.0, 1.0, 0.0, 0.0]).unwrap().contains("divide it by its length"));
        assert_eq!(Sphere::<3>::check_embedded(&[0.5, -0.5, 0.5, 0.5]), None);
    }
}
