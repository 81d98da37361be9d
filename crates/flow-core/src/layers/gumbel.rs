//! Layer u: the Gumbel distribution of log-ratios on a simplex (layers.md 9.3), as a bijection of the simplex onto itself.
//!
//! # Formula
//! With l_k = ln x_k, tau = e^{log tau}, and for i = 1 .. D:
//! ```text
//! g_i = tau (l_i - l_0) - p_i + p_0          F_i = e^{-e^{-g_i}}, the Gumbel distribution function
//! z_i = Psi(F_i)                             the normal quantile `inormal_partly_precise` (outer.rs)
//! x'  = base map^-1 (z)                      the simplex point whose base point is z
//! ln|det| = D log tau - sum_k l_k + sum_i ln dz_i/dg_i - ln |dz/dx'|
//! ```
//! The way back is closed form. The ancestor's letter ends at z in R^D, so it can stand only alone. Here the base map of the simplex
//! ([`crate::manifolds::Simplex`]) is undone behind it: alone or as the first letter of a chain the density and the base point are the
//! ancestor's (the base map of the manifold is applied again and cancels), and it may stand anywhere else as well. Its
//! log-determinant is one sum for each row (the ancestor's way forward sums over the batch, Q9). Two limits follow: a base point beyond the range of
//! numbers (37 in `f64`, 13 in `f32`) is told as that limit, while the density keeps its value; and sampling inverts the published quantile
//! exactly, also in its tails (|z| > 5.3), where the ancestor inverts the exact one.
//!
//! # Faces
//! ln F and ln S = ln(1 - F) are formed in the log domain. A share below the smallest normal number counts as that number, and e^{-g} is held
//! below the square root of the largest one: on a face the log-density is finite, an enormous negative number where x_i = 0 (i > 0). Shares
//! below the square root of the smallest normal number have no derivative, nor have base-side shares with a slope db'/dz as small (26 sigma
//! in `f64`).
//!
//! # Parameters
//! log tau, then p_1, .., p_D, and that of x_0 last (the ancestor's order).

use super::mixture::Mixture;
use super::outer::Quantile;
use super::{AnyLayer, Bijection, LayerType, StateTensor};
use crate::manifolds::{
    LARGEST_SIMPLEX, Shares, Simplex, from_box, from_box_vjp, shares_from_base, shares_to_base, to_box, to_box_vjp,
};
use crate::numeric::special::{HALF_LN_TAU, softplus};
use crate::numeric::{Lift, Mask, Real, Scalar};
use core::f64::consts::LN_2;
use core::marker::PhantomData;
use flow_notation::options::InverseFunction;
use rand::Rng;
use std::sync::Arc;

/// The normal quantile that the ancestor takes.
const QUANTILE: Quantile = Quantile(InverseFunction::InormalPartlyPrecise);

/// Layer u in the type of a flow: log-ratios of shares are Gumbel distributed.
pub struct GumbelSoftmax<const D: usize, Opts = ()>(PhantomData<Opts>);

impl<const D: usize> LayerType<Simplex<D>> for GumbelSoftmax<D> {
    const PARAMS: usize = GumbelRatios::new(D).last + 1;

    fn layer() -> Arc<dyn AnyLayer> {
        layer(D)
    }
}

#[inline(never)]
fn layer(dim: usize) -> Arc<dyn AnyLayer> {
    Arc::new(GumbelRatios::new(dim))
}

/// Layer u.
struct GumbelRatios {
    dim: usize,
    /// Shares in canonical order to parameters: p_1, .., p_D, p_0; where that of x_0 stands.
    last: usize,
}

/// Share of the logarithm of the largest number that -g may reach: the square of e^{-g}, and e^{-g} over the square root of the smallest
/// number, are finite.
const DEEPEST: f64 = 0.42;

/// One coordinate between g and z.
#[derive(Clone, Copy)]
struct Gumbel<R: Real> {
    z: R,
    /// dz/dg; zero where g is held.
    slope: R,
    /// ln dz/dg - z^2/2 - ln(2 pi)/2, what is left of ln dz/dg after the normal density of z.
    ln: R,
    /// Its derivative by g, z itself taken as a function of g.
    ln_slope: R,
}

#[inline(always)]
fn gumbel<R: Real>(g: R) -> Gumbel<R> {
    let deepest = R::constant(-DEEPEST * R::Scalar::LARGE.ln());
    let held = g.lt(deepest);
    let g = R::select(held, deepest, g);
    let e = (-g).exp();
    // S = 1 - e^-e; for small e, ln S = -g - e / 2 + e^2 / 24.
    let small = e.lt(R::constant(1e-3));
    let ln_s = R::select(
        small,
        -g - e.scale(0.5) + e.square().scale(1.0 / 24.0),
        (-(-R::select(small, R::one(), e)).exp_m1()).ln(),
    );
    let (ln_f, ln_p) = (-e, -g - e);
    let outer = QUANTILE.outer(&Mixture::in_logs([ln_f, ln_s, -g - ln_s]));
    // d ln F / dg = p / F = e^-g, d ln S / dg = -p / S, d ln p / dg = p / F - 1; the logit is ln F - ln S.
    let hazard = (ln_p - ln_s).exp();
    let logit = e + hazard;
    let slope = outer.slope * logit;
    let log_slope = outer.bend * logit + hazard - R::one();
    let none = |v: R| R::select(held, R::zero(), v);
    Gumbel {
        z: outer.y,
        slope: none(slope),
        ln: outer.log_slope - outer.y.square().scale(0.5) - R::constant(HALF_LN_TAU),
        ln_slope: none(log_slope - outer.y * slope),
    }
}

/// The g of a z.
#[inline(always)]
fn gumbel_inverse<R: Real>(z: R) -> R {
    -softplus(-QUANTILE.logit(z)).max(R::constant(R::Scalar::TINY)).ln()
}

impl GumbelRatios {
    const fn new(dim: usize) -> Self {
        assert!(dim >= 1 && dim <= LARGEST_SIMPLEX, "simplices have 1 to 9 dimensions");
        GumbelRatios { dim, last: dim + 1 }
    }

    /// How often ln(1 - b'_i) counts: prod_i R'_i of the box, less the derivative 2 (1 - b'_i) of what the skewed coordinates were.
    #[inline(always)]
    fn rest_weight(&self, i: usize) -> f64 {
        if i + 2 < self.dim { (self.dim - 2 - i) as f64 } else { 0.0 }
    }

    /// Logarithms of the target's shares, and z, in the scratch.
    #[inline(always)]
    fn parts<'a, R>(&self, scratch: &'a mut [R]) -> (&'a mut [R], &'a mut [R]) {
        scratch.split_at_mut(self.dim + 1)
    }

    /// The coordinates of the target whose shares have these logarithms, as many as `gumbels` has room for.
    #[inline(always)]
    fn gumbels<R: Real, P: Lift<R>>(&self, prepared: &[P], logs: &[R], gumbels: &mut [Gumbel<R>]) {
        let tau: R = prepared[0].lift();
        for (i, own) in gumbels.iter_mut().enumerate() {
            *own = gumbel(tau * (logs[i + 1] - logs[0]) - prepared[i + 1].lift() + prepared[self.last].lift());
        }
    }

    /// ln |det| of the inverse, from target to base side.
    #[inline(always)]
    fn log_det<R: Real, P: Lift<R>>(&self, prepared: &[P], logs: &[R], gumbels: &[Gumbel<R>], shares: &Shares<R>) -> R {
        let tau: R = prepared[0].lift();
        let mut sum = tau.ln().scale(self.dim as f64) - R::constant((self.dim - 1) as f64 * LN_2);
        logs.iter().for_each(|l| sum -= *l);
        for (i, (gumbel, [_, rest])) in gumbels.iter().zip(shares).enumerate() {
            sum += gumbel.ln;
            if self.rest_weight(i) > 0.0 {
                sum += least(*rest).ln().scale(self.rest_weight(i));
            }
        }
        sum
    }

    /// The cotangent of z_i that the logarithm of 1 - b'_i causes.
    #[inline(always)]
    fn rest_vjp<R: Real>(&self, i: usize, z: R, rest: R, cot_log_det: R) -> R {
        if self.rest_weight(i) == 0.0 {
            return R::zero();
        }
        // 1 - b' is the square root of the upper tail of z.
        let hazard = (-z.square().scale(0.5) - R::constant(HALF_LN_TAU) - least(rest).ln().scale(2.0)).exp();
        -cot_log_det * hazard.scale(0.5 * self.rest_weight(i))
    }

    /// db'/dz.
    #[inline(always)]
    fn share_slope<R: Real>(&self, i: usize, z: R, rest: R) -> R {
        let ln_normal = -z.square().scale(0.5) - R::constant(HALF_LN_TAU);
        // For the skewed ones, 1 - b' = sqrt(1 - Phi(z)).
        if i + 1 < self.dim { (ln_normal - least(rest).ln()).exp().scale(0.5) } else { ln_normal.exp() }
    }
}

/// Numbers below the smallest normal one as that one.
#[inline(always)]
fn least<R: Real>(x: R) -> R {
    x.max(R::constant(R::Scalar::TINY))
}

/// Room for the coordinates and the shares of a simplex of any dimension.
#[inline(always)]
fn room<R: Real>() -> ([Gumbel<R>; LARGEST_SIMPLEX], [[R; 2]; LARGEST_SIMPLEX]) {
    let zero = R::zero();
    ([Gumbel { z: zero, slope: zero, ln: zero, ln_slope: zero }; LARGEST_SIMPLEX], [[zero; 2]; LARGEST_SIMPLEX])
}

impl Bijection for GumbelRatios {
    fn name(&self) -> &'static str {
        "u"
    }
    fn params(&self) -> usize {
        self.dim + 2
    }
    fn prepared(&self) -> usize {
        self.dim + 2
    }
    fn scratch(&self) -> usize {
        2 * self.dim + 1
    }

    fn state(&self) -> Vec<StateTensor> {
        StateTensor::list([("log_tau", &[1, 1]), ("log_probs", &[1, self.dim + 1])])
    }

    fn initial(&self, _: &mut dyn Rng, params: &mut [f64]) {
        params.fill(0.0);
    }
    #[inline]
    fn prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        prepared.copy_from_slice(params);
        prepared[0] = params[0].exp();
    }
    #[inline]
    fn prepare_vjp<P: Real>(&self, _: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        cot_params[0] += cot_prepared[0] * prepared[0];
        for (bar, cot) in cot_params[1..].iter_mut().zip(&cot_prepared[1..]) {
            *bar += *cot;
        }
    }

    #[inline]
    fn inverse<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        let (logs, z) = self.parts(scratch);
        for (l, x) in logs.iter_mut().zip(&*x) {
            *l = least(*x).ln();
        }
        let mut room = room();
        let (gumbels, shares) = (&mut room.0[..self.dim], &mut room.1[..self.dim]);
        self.gumbels(prepared, logs, gumbels);
        for (z, gumbel) in z.iter_mut().zip(&*gumbels) {
            *z = gumbel.z;
        }
        shares_from_base(z, shares);
        *log_det += self.log_det(prepared, logs, gumbels, shares);
        from_box(shares, x);
    }

    #[inline]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (logs, z) = self.parts(scratch);
        let (mut room, mut room_of_cots) = (room(), [[R::zero(); 2]; LARGEST_SIMPLEX]);
        let (gumbels, shares) = (&mut room.0[..self.dim], &mut room.1[..self.dim]);
        let cot_shares = &mut room_of_cots[..self.dim];
        self.gumbels(prepared, logs, gumbels);
        shares_from_base(z, shares);
        from_box_vjp(shares, cot, cot_shares);
        let tau: R = prepared[0].lift();
        cot_prepared[0] += cot_log_det.scale(self.dim as f64) / tau;
        cot.fill(-cot_log_det);
        for i in 0..self.dim {
            let by_share = (cot_shares[i][0] - cot_shares[i][1]) * self.share_slope(i, z[i], shares[i][1]);
            let cot_z = self.rest_vjp(i, z[i], shares[i][1], cot_log_det);
            let cot_g = (cot_z + by_share) * gumbels[i].slope + cot_log_det * gumbels[i].ln_slope;
            cot_prepared[0] += cot_g * (logs[i + 1] - logs[0]);
            cot_prepared[i + 1] -= cot_g;
            cot_prepared[self.last] += cot_g;
            cot[i + 1] += cot_g * tau;
            cot[0] -= cot_g * tau;
        }
        for (cot, l) in cot.iter_mut().zip(&*logs) {
            let on_face = l.le(R::constant(0.5 * R::Scalar::TINY.ln()));
            *cot = R::select(on_face, R::zero(), *cot * (-*l).exp());
        }
    }

    #[inline]
    fn forward<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        let (logs, z) = self.parts(scratch);
        let mut room = room();
        let (gumbels, shares) = (&mut room.0[..self.dim], &mut room.1[..self.dim]);
        to_box(x, shares);
        shares_to_base(shares, z);
        // Softmax of a_i = (g_i + p_i - p_0) / tau and a_0 = 0.
        let over_tau = prepared[0].lift().recip();
        logs[0] = R::zero();
        let mut largest = R::zero();
        for i in 0..self.dim {
            let g = gumbel_inverse(z[i]);
            logs[i + 1] = (g + prepared[i + 1].lift() - prepared[self.last].lift()) * over_tau;
            largest = largest.max(logs[i + 1]);
        }
        let sum = logs.iter().fold(R::zero(), |sum, a| sum + (*a - largest).exp());
        let ln_sum = largest + sum.ln();
        for (l, x) in logs.iter_mut().zip(&mut *x) {
            *l -= ln_sum;
            *x = l.exp();
        }
        self.gumbels(prepared, logs, gumbels);
        *log_det -= self.log_det(prepared, logs, gumbels, shares);
        R::Mask::splat(false)
    }

    #[inline]
    fn forward_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (logs, z) = self.parts(scratch);
        let (mut room, mut room_of_cots) = (room(), [[R::zero(); 2]; LARGEST_SIMPLEX]);
        let (gumbels, shares) = (&mut room.0[..self.dim], &mut room.1[..self.dim]);
        let cot_shares = &mut room_of_cots[..self.dim];
        self.gumbels(prepared, logs, gumbels);
        shares_from_base(z, shares);
        let over_tau = prepared[0].lift().recip();
        cot_prepared[0] -= cot_log_det.scale(self.dim as f64) * over_tau;
        // Of l_k: x_k x_bar_k from the point, and one from the log-determinant. Of a_i, which the normalisation takes a share of.
        for (cot, l) in cot.iter_mut().zip(&*logs) {
            *cot = *cot * l.exp() + cot_log_det;
        }
        let all = cot.iter().fold(R::zero(), |sum, c| sum + *c);
        for i in 0..self.dim {
            let cot_a = cot[i + 1] - logs[i + 1].exp() * all;
            cot_prepared[0] -= cot_a * (logs[i + 1] - logs[0]) * over_tau;
            cot_prepared[i + 1] += cot_a * over_tau;
            cot_prepared[self.last] -= cot_a * over_tau;
            let cot_g = cot_a * over_tau - cot_log_det * gumbels[i].ln_slope;
            let cot_z = cot_g / least(gumbels[i].slope) + self.rest_vjp(i, z[i], shares[i][1], -cot_log_det);
            // dz/db' is the inverse of db'/dz, as long as its inverse is far from overflow.
            let slope = self.share_slope(i, z[i], shares[i][1]);
            let moves = slope.gt(R::constant(R::Scalar::TINY.sqrt()));
            let cot_share = R::select(moves, cot_z / R::select(moves, slope, R::one()), R::zero());
            let [of, rest] = shares[i];
            let lower = of.le(rest);
            cot_shares[i] = [R::select(lower, cot_share, R::zero()), R::select(lower, R::zero(), -cot_share)];
        }
        cot.fill(R::zero());
        to_box_vjp(shares, cot_shares, cot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::BoxFlow;
    use crate::layers::bounded::{faces, finite_at, first, log_prob, wave};
    use crate::layers::laws::{Tolerance, check_samples};

    type Chain<const D: usize> = (GumbelSoftmax<D>, ());

    #[test]
    fn laws() {
        check_samples::<Simplex<1>, Chain<1>>(1, 10, 0.3, Tolerance::F64).unwrap();
        check_samples::<Simplex<2>, Chain<2>>(2, 10, 0.3, Tolerance::F64).unwrap();
        check_samples::<Simplex<3>, Chain<3>>(3, 10, 0.3, Tolerance::F64).unwrap();
        check_samples::<Simplex<5>, Chain<5>>(4, 10, 0.3, Tolerance::F64).unwrap();
        check_samples::<Simplex<9>, Chain<9>>(5, 5, 0.3, Tolerance::F64).unwrap();
    }

    #[test]
    fn laws_at_any_place_of_a_chain() {
        check_samples::<Simplex<2>, (GumbelSoftmax<2>, (GumbelSoftmax<2>, ()))>(6, 5, 0.2, Tolerance::F64).unwrap();
        check_samples::<Simplex<1>, (GumbelSoftmax<1>, (BoxFlow<1>, (GumbelSoftmax<1>, ())))>(
            7,
            5,
            0.2,
            Tolerance::F64,
        )
        .unwrap();
    }

    #[test]
    fn everything_is_finite_on_faces_edges_and_corners() {
        fn at<const D: usize>(log_tau: f64) {
            let mut params = wave(D + 2);
            params[0] = log_tau;
            for x in faces(D) {
                finite_at::<Simplex<D>, Chain<D>, f64>(&params, &x);
                finite_at::<Simplex<D>, Chain<D>, f32>(&params, &x);
            }
        }
        for log_tau in [-1.0, 0.0, 0.7] {
            at::<1>(log_tau);
            at::<2>(log_tau);
            at::<3>(log_tau);
            at::<9>(log_tau);
        }
    }

    /// Far out on a face the density is that of the log domain, not of what a simplex point can say of its base point.
    #[test]
    fn the_density_does_not_saturate() {
        // Gumbel variables g = -p + p_0 + tau ln(x / x_0), all far down: ln p of the largest term is -e^{-g}.
        let x = [1e-7, 1e-7];
        let own = log_prob::<Simplex<2>, Chain<2>>(&[0.0, 0.0, 0.0, 0.0], &x);
        let expected = -2.0 * (1.0 - 2e-7) / 1e-7;
        assert!((own / expected - 1.0).abs() < 1e-5, "{own} {expected}");
    }

    /// The row of layers.md section 15.
    #[test]
    fn reference_values() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-11 * (1.0 + b.abs());
        let (z, ln) = first::<Simplex<2>, Chain<2>>(&wave(4), &[0.3, 0.25], true);
        assert!(close(z[0], -2.65211296003) && close(z[1], -1.94811001074) && close(ln, 5.47448160534), "{z:?} {ln}");
        let (x, ln) = first::<Simplex<2>, Chain<2>>(&wave(4), &[0.4, -0.9], false);
        assert!(close(x[0], 0.625257810901) && close(x[1], 0.175949152975) && close(ln, -4.70489624582), "{x:?} {ln}");
    }
}
