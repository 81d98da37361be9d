//! Simplices: shares of a whole.

use super::value::{ManifoldValue, finite};
use crate::numeric::special::{normal_cdf, normal_quantile, over_normal_density};
use crate::numeric::{Real, Scalar};
use core::f64::consts::LN_2;

/// How far below zero a share may be, and shares beyond one together: a few units in the last place of an `f32`. Such a point counts
/// as one of the face.
const ROUNDING: f64 = 4.0 * f32::EPSILON as f64;

/// How far from 1 the sum of canonical coordinates given by a user may be; they are divided by it.
const SUM_TOLERANCE: f64 = 1e-3;

/// The greatest dimension of a simplex.
pub(crate) const LARGEST_SIMPLEX: usize = 9;

/// The simplex of `D` dimensions, from 1 to 9: D + 1 shares x_0, x_1, .., x_D of a whole.
///
/// Intrinsic coordinates x_1 .. x_D (each at least 0, at most 1 together); embedded, "canonical", ones (x_0, x_1, .., x_D) with
/// x_0 = 1 - x_1 - .. - x_D. Densities in intrinsic coordinates are with respect to dx_1 .. dx_D, in embedded ones with respect to the
/// surface measure, which is sqrt(D + 1) times as large.
///
/// # The base
/// A simplex is seen as a box: with R_i = 1 - x_1 - .. - x_i, the share b_i = x_i / R_{i-1} of what is left. A standard normal z becomes
/// b_i with 1 - (1 - b_i)^2 = Phi(z_i) for i < D, and b_D = Phi(z_D). That is the uniform density for D = 1 and D = 2; in general it is
/// ```text
/// p(x) = 2^(D-1) / (R_1 R_2 .. R_{D-2})        with respect to dx_1 .. dx_D
/// ```
/// (the box density 2^(D-1) prod_{i<D} (1 - b_i) over the Jacobian R_1 .. R_{D-1} of the box).
///
/// # Faces
/// Faces, edges and corners belong to the simplex. Coordinates that rounding has carried outside by less than 5e-7 count as 0. In
/// embedded coordinates every share keeps its own relative precision; in intrinsic ones x_0 is known to the rounding of a sum. Where
/// R_{i-1} = 0 (an edge or a corner) the share b_i of nothing counts as one half, and has no derivative. For D > 2 the reference density has
/// poles where R_i = 0; there its logarithm is that of the smallest normal number.
pub struct Simplex<const D: usize>;

/// Below this, what is left counts as nothing.
#[inline(always)]
fn nothing<R: Real>() -> R {
    R::constant(R::Scalar::TINY * 16.0)
}

/// Shares [b_i, 1 - b_i] of what is left, both precise, or their cotangents.
pub(crate) type Shares<R> = [[R; 2]];

/// Computes what each share leaves of the whole: R_0, .., R_{D-1}; R_D is x_0.
#[inline(always)]
fn left<R: Real>(x: &[R]) -> [R; LARGEST_SIMPLEX] {
    let mut left = [R::zero(); LARGEST_SIMPLEX];
    let mut sum = x[0];
    for i in (0..x.len() - 1).rev() {
        sum += x[i + 1];
        left[i] = sum;
    }
    left
}

/// Computes the shares of what is left from canonical coordinates.
#[inline(always)]
pub(crate) fn to_box<R: Real>(x: &[R], shares: &mut Shares<R>) {
    let mut after = x[0];
    for (share, x) in shares.iter_mut().zip(&x[1..]).rev() {
        let left = after + *x;
        let gone = left.lt(nothing());
        let (whole, half) = (R::select(gone, R::one(), left), R::constant(0.5));
        *share = [R::select(gone, half, *x / whole), R::select(gone, half, after / whole)];
        after = left;
    }
}

/// Cotangents of [`to_box`], added; `shares` is its result.
///
/// b_i = x_i / R_{i-1}, 1 - b_i = R_i / R_{i-1}, R_{i-1} = x_i + R_i.
#[inline(always)]
pub(crate) fn to_box_vjp<R: Real>(shares: &Shares<R>, cot: &Shares<R>, cot_x: &mut [R]) {
    let mut left = R::one();
    // Of R_{i-1}, which is a part of everything before it.
    let mut cot_left = R::zero();
    for (i, ([of, rest], cot)) in shares.iter().zip(cot).enumerate() {
        let gone = left.lt(nothing());
        let over = R::select(gone, R::zero(), R::select(gone, R::one(), left).recip());
        let apart = (cot[0] - cot[1]) * over;
        cot_x[i + 1] += cot_left + apart * *rest;
        cot_left -= apart * *of;
        left *= *rest;
    }
    cot_x[0] += cot_left;
}

/// Computes canonical coordinates from the shares of what is left: the inverse of [`to_box`].
#[inline(always)]
pub(crate) fn from_box<R: Real>(shares: &Shares<R>, x: &mut [R]) {
    let mut left = R::one();
    for (x, [of, rest]) in x[1..].iter_mut().zip(shares) {
        *x = *of * left;
        left *= *rest;
    }
    x[0] = left;
}

/// Cotangents of [`from_box`], written over `cot`.
#[inline(always)]
pub(crate) fn from_box_vjp<R: Real>(shares: &Shares<R>, cot_x: &[R], cot: &mut Shares<R>) {
    // First what is left, R_i, in their place.
    let mut left = R::one();
    for (cot, [_, rest]) in cot.iter_mut().zip(shares) {
        cot[0] = left;
        left *= *rest;
    }
    let mut cot_left = cot_x[0];
    for ((cot, [of, rest]), cot_x) in cot.iter_mut().zip(shares).zip(&cot_x[1..]).rev() {
        let left = cot[0];
        *cot = [*cot_x * left, cot_left * left];
        cot_left = *cot_x * *of + cot_left * *rest;
    }
}

/// Base coordinates of shares.
#[inline(always)]
pub(crate) fn shares_to_base<R: Real>(shares: &Shares<R>, base: &mut [R]) {
    let dim = shares.len();
    for (i, (z, [of, rest])) in base.iter_mut().zip(shares).enumerate() {
        // 1 - (1 - b)^2 = b (2 - b), and its complement.
        *z = if i + 1 < dim {
            normal_quantile(*of * (R::one() + *rest), rest.square())
        } else {
            normal_quantile(*of, *rest)
        };
    }
}

/// Shares of base coordinates.
#[inline(always)]
pub(crate) fn shares_from_base<R: Real>(base: &[R], shares: &mut Shares<R>) {
    let dim = base.len();
    for (i, (share, z)) in shares.iter_mut().zip(base).enumerate() {
        let (below, above) = normal_cdf(*z);
        *share = if i + 1 < dim {
            let rest = above.sqrt();
            [below / (R::one() + rest), rest]
        } else {
            [below, above]
        };
    }
}

/// Shares to canonical coordinates; those that rounding has made negative count as 0, NaN stays.
#[inline(always)]
fn not_negative<R: Real>(x: R) -> R {
    R::select(x.lt(R::zero()), R::zero(), x)
}

const FINITE: &str = "a coordinate of a simplex is a finite number";

fn negative(point: &[f64]) -> Option<String> {
    point.iter().position(|x| *x < -ROUNDING).map(|i| {
        format!("coordinate {i} is {}: coordinates of a simplex are shares of a whole, each at least 0", point[i])
    })
}

/// ln(D + 1) / 2 from D = 1 on: a logarithm would be most of the work of a call.
const LN_SURFACE: [f64; LARGEST_SIMPLEX] = [
    0.34657359027997264,
    0.5493061443340549,
    0.6931471805599453,
    0.8047189562170501,
    0.8958797346140275,
    0.9729550745276566,
    1.0397207708399179,
    1.0986122886681098,
    1.151292546497023,
];

/// A simplex of 1 to [`LARGEST_SIMPLEX`] dimensions as a value.
pub(super) struct Whole {
    pub(super) dim: usize,
}

impl Whole {
    /// ln of the surface measure over dx_1 .. dx_D, sqrt(D + 1).
    #[inline(always)]
    pub(super) fn log_surface(&self) -> f64 {
        LN_SURFACE[self.dim - 1]
    }
}

impl ManifoldValue for Whole {
    const WIDE: bool = true;

    fn dims(&self) -> [usize; 2] {
        [self.dim, self.dim + 1]
    }
    fn notation(&self) -> String {
        format!("a{}", self.dim)
    }
    #[inline(always)]
    fn embed<R: Real>(&self, intrinsic: &[R], embedded: &mut [R], log_det: &mut R) {
        let mut rest = R::one();
        for (x, given) in embedded[1..].iter_mut().zip(intrinsic) {
            *x = not_negative(*given);
            rest -= *x;
        }
        embedded[0] = not_negative(rest);
        *log_det += R::constant(self.log_surface());
    }
    #[inline(always)]
    fn embed_vjp<R: Real>(&self, _: &[R], cot_embedded: &[R], _: R, cot_intrinsic: &mut [R]) {
        for (bar, cot) in cot_intrinsic.iter_mut().zip(&cot_embedded[1..]) {
            *bar += *cot - cot_embedded[0];
        }
    }
    #[inline(always)]
    fn intrinsic<R: Real>(&self, embedded: &[R], intrinsic: &mut [R], log_det: &mut R) {
        intrinsic.copy_from_slice(&embedded[1..]);
        *log_det -= R::constant(self.log_surface());
    }
    #[inline(always)]
    fn intrinsic_vjp<R: Real>(&self, _: &[R], cot_intrinsic: &[R], _: R, cot_embedded: &mut [R]) {
        for (bar, cot) in cot_embedded[1..].iter_mut().zip(cot_intrinsic) {
            *bar += *cot;
        }
    }
    #[inline(always)]
    fn project<R: Real>(&self, given: &[R], embedded: &mut [R]) {
        let mut sum = R::zero();
        for (x, given) in embedded.iter_mut().zip(given) {
            *x = not_negative(*given);
            sum += *x;
        }
        for x in embedded {
            *x = *x / sum;
        }
    }
    #[inline(always)]
    fn project_vjp<R: Real>(&self, given: &[R], cot_embedded: &[R], cot_given: &mut [R]) {
        let (mut sum, mut along) = (R::zero(), R::zero());
        for (x, cot) in given.iter().zip(cot_embedded) {
            sum += not_negative(*x);
            along += not_negative(*x) * *cot;
        }
        along = along / sum;
        for (bar, cot) in cot_given.iter_mut().zip(cot_embedded) {
            *bar += (*cot - along) / sum;
        }
    }
    #[inline(always)]
    fn log_reference<R: Real>(&self, target: &[R]) -> R {
        let left = left(target);
        let mut sum = R::constant((self.dim - 1) as f64 * LN_2 - self.log_surface());
        for i in 1..self.dim.max(2) - 1 {
            sum -= left[i].max(nothing()).ln();
        }
        sum
    }
    #[inline(always)]
    fn log_reference_vjp<R: Real>(&self, target: &[R], cot: R, cot_target: &mut [R]) {
        let (dim, left) = (self.dim, left(target));
        // R_i holds every x_k with k > i, and x_0.
        let mut sum = R::zero();
        for i in 1..dim {
            if i + 1 < dim {
                let free = left[i].gt(nothing());
                sum -= R::select(free, cot / R::select(free, left[i], R::one()), R::zero());
            }
            cot_target[i + 1] += sum;
        }
        cot_target[0] += sum;
    }
    #[inline(always)]
    fn to_base<R: Real>(&self, target: &[R], base: &mut [R]) {
        let mut room = [[R::zero(); 2]; LARGEST_SIMPLEX];
        let shares = &mut room[..self.dim];
        to_box(target, shares);
        shares_to_base(shares, base);
    }
    // z = Phi^-1(1 - (1 - b)^2), of the last share Phi^-1(b): by b it is 2 (1 - b) / phi(z), and 1 / phi(z).
    #[inline(always)]
    fn to_base_vjp<R: Real>(&self, target: &[R], cot_base: &[R], cot_target: &mut [R]) {
        let dim = self.dim;
        let mut room =
            ([[R::zero(); 2]; LARGEST_SIMPLEX], [[R::zero(); 2]; LARGEST_SIMPLEX], [R::zero(); LARGEST_SIMPLEX]);
        let (shares, cot, z) = (&mut room.0[..dim], &mut room.1[..dim], &mut room.2[..dim]);
        to_box(target, shares);
        shares_to_base(shares, z);
        for i in 0..dim {
            let slope = if i + 1 < dim { shares[i][1].scale(2.0) } else { R::one() };
            cot[i][0] = cot_base[i] * slope * over_normal_density(z[i]);
        }
        to_box_vjp(shares, cot, cot_target);
    }
    #[inline(always)]
    fn from_base<R: Real>(&self, base: &[R], target: &mut [R]) {
        let mut room = [[R::zero(); 2]; LARGEST_SIMPLEX];
        let shares = &mut room[..self.dim];
        shares_from_base(base, shares);
        from_box(shares, target);
    }
    fn check_intrinsic(&self, point: &[f64]) -> Option<String> {
        finite(point, FINITE).or_else(|| negative(point)).or_else(|| {
            let sum: f64 = point.iter().sum();
            (sum > 1.0 + ROUNDING).then(|| {
                format!(
                    "the coordinates add up to {sum}: the shares x_1 .. x_{} are at most 1 together, and x_0 is what is left",
                    self.dim
                )
            })
        })
    }
    fn check_embedded(&self, point: &[f64]) -> Option<String> {
        finite(point, FINITE).or_else(|| negative(point)).or_else(|| {
            let sum: f64 = point.iter().sum();
            ((sum - 1.0).abs() > SUM_TOLERANCE).then(|| {
                format!(
                    "the coordinates add up to {sum}: the shares x_0 .. x_{} make 1 together, divide them by their sum",
                    self.dim
                )
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifolds::Manifold;
    use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
    use rand_distr::StandardNormal;

    fn normals(rng: &mut impl Rng, n: usize) -> Vec<f64> {
        (0..n).map(|_| rng.sample(StandardNormal)).collect()
    }

    fn round_trip<const D: usize>(given: &[f64]) {
        let mut target = vec![0.0; D + 1];
        Simplex::<D>::project(given, &mut target);
        let (mut base, mut back) = (vec![0.0; D], vec![0.0; D + 1]);
        Simplex::<D>::to_base(&target, &mut base);
        Simplex::<D>::from_base(&base, &mut back);
        for (a, b) in target.iter().zip(&back) {
            // Relative: small shares keep their digits, down to the square root of the smallest number.
            assert!((a - b).abs() <= 1e-12 * a.max(1e-140), "{target:?} {base:?} {back:?}");
        }
        assert!(base.iter().all(|z| z.is_finite()));
    }

    #[test]
    fn the_base_map_inverts_itself_up_to_the_faces() {
        round_trip::<1>(&[0.3, 0.7]);
        round_trip::<1>(&[1.0, 1e-200]);
        round_trip::<2>(&[1e-30, 0.4, 0.6]);
        round_trip::<2>(&[0.5, 1e-30, 0.5]);
        round_trip::<2>(&[1e-30, 1.0, 1e-40]);
        round_trip::<3>(&[0.25, 0.25, 0.25, 0.25]);
        round_trip::<3>(&[1e-20, 0.5, 0.5, 1e-10]);
        round_trip::<3>(&[0.0, 1.0, 0.0, 0.0]);
        round_trip::<3>(&[0.0, 0.5, 0.5, 0.0]);
        round_trip::<3>(&[1.0, 0.0, 0.0, 0.0]);
        round_trip::<9>(&[0.1; 10]);
    }

    /// The reference density is that of the base map: its logarithm is ln N(z) - ln |dx/dz|.
    fn reference<const D: usize>(rng: &mut StdRng) {
        let z = normals(rng, D);
        let at = |z: &[f64]| {
            let mut x = vec![0.0; D + 1];
            Simplex::<D>::from_base(z, &mut x);
            x
        };
        let h = 1e-5;
        // The Jacobian is triangular: x_i does not depend on later z.
        let ln_det: f64 = (0..D)
            .map(|i| {
                let moved = |by: f64| {
                    let mut z = z.clone();
                    z[i] += by;
                    at(&z)[i + 1]
                };
                ((8.0 * (moved(h) - moved(-h)) - moved(2.0 * h) + moved(-2.0 * h)) / (12.0 * h)).ln()
            })
            .sum();
        let normal: f64 = z.iter().map(|z| -0.5 * (z * z + core::f64::consts::TAU.ln())).sum();
        let x = at(&z);
        let own = Simplex::<D>::log_reference(&x) + Whole { dim: D }.log_surface();
        assert!((own - (normal - ln_det)).abs() < 1e-8, "a{D} at {x:?}: {own} {}", normal - ln_det);

        let mut cot = vec![0.0; D + 1];
        Simplex::<D>::log_reference_vjp(&x, 0.7, &mut cot);
        for k in 0..=D {
            let moved = |by: f64| {
                let mut x = x.clone();
                x[k] += by * x[k];
                Simplex::<D>::log_reference(&x)
            };
            let numerical = 0.7 * (moved(1e-4) - moved(-1e-4)) / 2e-4;
            assert!(
                (cot[k] * x[k] - numerical).abs() < 1e-7 * (1.0 + numerical.abs()),
                "a{D} {k}: {cot:?} {numerical}"
            );
        }
    }

    #[test]
    fn the_reference_is_the_normal_of_the_base() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..10 {
            reference::<1>(&mut rng);
            reference::<2>(&mut rng);
            reference::<3>(&mut rng);
            reference::<5>(&mut rng);
            reference::<9>(&mut rng);
        }
        assert_eq!(Simplex::<2>::log_reference(&[0.1, 0.2, 0.7]), LN_2 - 0.5 * 3.0_f64.ln());
    }

    #[test]
    fn the_box_has_the_derivatives_of_differences() {
        const D: usize = 4;
        let mut rng = StdRng::seed_from_u64(2);
        for _ in 0..20 {
            let mut x = [0.0; D + 1];
            Simplex::<D>::from_base(&normals(&mut rng, D), &mut x);
            let weights: Vec<f64> = normals(&mut rng, 2 * D);
            let cot: [[f64; 2]; D] = core::array::from_fn(|i| [weights[2 * i], weights[2 * i + 1]]);
            let to_box = |x: &[f64]| {
                let mut shares = [[0.0; 2]; D];
                to_box(x, &mut shares);
                shares
            };
            let shares = to_box(&x);
            let mut cot_x = [0.0; D + 1];
            to_box_vjp(&shares, &cot, &mut cot_x);
            let value = |x: &[f64]| -> f64 { to_box(x).iter().zip(&cot).map(|(s, c)| s[0] * c[0] + s[1] * c[1]).sum() };
            for k in 0..=D {
                let moved = |by: f64| {
                    let mut x = x;
                    x[k] += by * x[k];
                    value(&x)
                };
                let numerical = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((cot_x[k] * x[k] - numerical).abs() < 1e-8, "{k}: {} {numerical}", cot_x[k] * x[k]);
            }

            let cot_point = normals(&mut rng, D + 1);
            let mut own = [[0.0; 2]; D];
            from_box_vjp(&shares, &cot_point, &mut own);
            for i in 0..D {
                for part in 0..2 {
                    let moved = |by: f64| {
                        let mut shares = shares;
                        shares[i][part] += by;
                        let mut x = [0.0; D + 1];
                        from_box(&shares, &mut x);
                        x.iter().zip(&cot_point).map(|(x, c)| x * c).sum::<f64>()
                    };
                    let numerical = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                    assert!((own[i][part] - numerical).abs() < 1e-9, "{i} {part}");
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_point_is_said() {
        assert_eq!(Simplex::<2>::check_intrinsic(&[0.0, 1.0]), None);
        assert_eq!(Simplex::<2>::check_intrinsic(&[-1e-7, 1.0000002]), None);
        assert!(Simplex::<2>::check_intrinsic(&[0.6, 0.6]).unwrap().contains("add up to 1.2"));
        assert!(Simplex::<2>::check_intrinsic(&[-0.1, 0.6]).unwrap().contains("coordinate 0 is -0.1"));
        assert!(Simplex::<2>::check_intrinsic(&[0.1, f64::NAN]).unwrap().contains("coordinate 1 is NaN"));
        assert_eq!(Simplex::<2>::check_embedded(&[0.2, 0.3, 0.5]), None);
        assert!(Simplex::<2>::check_embedded(&[2.0, 3.0, 5.0]).unwrap().contains("divide them by their sum"));
    }

    #[test]
    fn surfaces_are_those_of_the_formula() {
        for dim in 1..=LARGEST_SIMPLEX {
            assert_eq!(Whole { dim }.log_surface(), 0.5 * ((dim + 1) as f64).ln());
        }
    }

    #[test]
    fn embedding_and_projection() {
        let (mut x, mut log_det) = ([0.0; 3], 0.0);
        Simplex::<2>::embed(&[-1e-17, 1.0], &mut x, &mut log_det);
        assert_eq!(x, [0.0, 0.0, 1.0]);
        assert_eq!(log_det, 0.5 * 3.0_f64.ln());
        let given = [0.2002, 0.3003, 0.5005];
        Simplex::<2>::project(&given, &mut x);
        assert!(x.iter().zip([0.2, 0.3, 0.5]).all(|(a, b)| (a - b).abs() < 1e-15));
        let cot = [0.3, -1.1, 0.7];
        let mut own = [0.0; 3];
        Simplex::<2>::project_vjp(&given, &cot, &mut own);
        for k in 0..3 {
            let moved = |by: f64| {
                let (mut given, mut x) = (given, [0.0; 3]);
                given[k] += by;
                Simplex::<2>::project(&given, &mut x);
                x.iter().zip(cot).map(|(x, c)| x * c).sum::<f64>()
            };
            assert!((own[k] - (moved(1e-6) - moved(-1e-6)) / 2e-6).abs() < 1e-9);
        }
    }
}
