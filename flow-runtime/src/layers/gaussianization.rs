//! Layer g: a rotation, then one mixture of logistic distribution functions per dimension, mapped to a logistic or a normal
//! variable (Gaussianization flows, Meng et al., arXiv:2003.01941; layers.md 4.2).
//!
//! inverse: x -> x - o -> A^-1 x -> y_d = Psi_d(x_d) with, for mixture components k of mean mu, width sigma, weight w,
//! u_k = (x - mu_k) / sigma_k, F = sum w_k s(u_k), S = sum w_k s(-u_k), p = sum w_k s(u_k) s(-u_k) / sigma_k:
//!
//! * `isigmoid`: y = ln F - ln S, ln y' = ln p - ln F - ln S (a logistic variable),
//! * `inormal_partly_precise`: y = the normal quantile of F, in the tails (F or S below 5e-8) Winitzki's closed approximation of it.
//!
//! forward: the root of Psi per dimension. Both choices are first turned into the logit t that F must have; the root of
//! ln F - ln S = t lies between the smallest and the largest of mu_k + sigma_k t.
//!
//! Parameters: offset (last letter only), rotation, means (K, D), raw log-widths (K, D), raw log-weights (K, D).
//!
//! `inormal_partly_precise` keeps the published formula, which steps back by 3.4e-3 where the approximation takes over (at
//! |y| = 5.327, that is once in ten million points): points inside that step do not survive a round trip.

use super::identity::{OFFSET_START, add, means, subtract};
use super::mixture::{COMPONENT, Mixture, Outer, isigmoid, mixture, partly_precise, partly_precise_logit, pull};
use super::rotation;
use super::width::{WidthRegulator, bounded_log, bounded_log_slope};
use super::{Layer, Options, Place, decode};
use crate::manifolds::Euclidean;
use crate::numeric::root::monotone_root;
use crate::numeric::{Lift, Mask, Real};
use core::f64::consts::PI;
use core::marker::PhantomData;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

choices! {
    /// What the mixture's distribution function is mapped to.
    pub enum InverseFunction {
        /// The logit: a logistic variable.
        Isigmoid = "isigmoid",
        /// The normal quantile, approximated in the far tails.
        InormalPartlyPrecise = "inormal_partly_precise",
    }
}

choices! {
    /// How the layer rotates.
    pub enum RotationMode {
        /// Householder reflections.
        Householder = "householder",
        /// Givens angles.
        Angles = "angles",
        /// Not at all.
        None = "none",
    }
}

options! {
    /// Options of layer g.
    pub struct GaussianizationOptions, settings in g {
        /// Mixture components per dimension.
        num_kde: i64 = 10, decode::int;
        /// Free component weights.
        fit_normalization: bool = true, decode::flag;
        /// Keep the weights within bounds.
        regulate_normalization: bool = true, decode::flag;
        /// Least weight before normalisation.
        lower_bound_for_norms: f64 = 1.0, decode::float;
        /// Largest weight before normalisation (plus the least).
        upper_bound_for_norms: f64 = 10.0, decode::float;
        /// What the distribution function is mapped to.
        inverse_function_type: InverseFunction = InverseFunction::Isigmoid, InverseFunction::from_code;
        /// Let the first letter of a chain end in a normal variable.
        replace_first_sigmoid_with_icdf: bool = true, decode::flag;
        /// Leave the offset out where the last letter would have it.
        skip_model_offset: bool = false, decode::flag;
        /// Widths as softplus instead of exponential.
        softplus_for_width: bool = false, decode::flag;
        /// Clip raw widths.
        clamp_widths: bool = false, decode::flag;
        /// Saturate widths smoothly at the upper bound.
        width_smooth_saturation: bool = true, decode::flag;
        /// Least width.
        lower_bound_for_widths: f64 = 0.01, decode::float;
        /// Largest width (plus the least); -1: none.
        upper_bound_for_widths: f64 = 100.0, decode::float;
        /// How the layer rotates.
        rotation_mode: RotationMode = RotationMode::Householder, RotationMode::from_code;
        /// Number of reflections; -1: as many as dimensions.
        num_householder_iter: i64 = -1, decode::int;
    }
}

/// Layer g: a rotation and one mixture of logistics per dimension.
pub struct Gaussianization<const D: usize, Pos, Opts>(PhantomData<(Pos, Opts)>);

impl<const D: usize, Pos: Place, Opts: Options<GaussianizationOptions>> Gaussianization<D, Pos, Opts> {
    const K: usize = Opts::VALUE.num_kde as usize;
    const OFFSET: usize = if Pos::LAST && !Opts::VALUE.skip_model_offset { D } else { 0 };
    const REFLECTIONS: usize =
        if Opts::VALUE.num_householder_iter < 0 { D } else { Opts::VALUE.num_householder_iter as usize };
    /// Rotation parameters, and prepared rotation numbers.
    const TURN: (usize, usize) = match Opts::VALUE.rotation_mode {
        RotationMode::Householder => (Self::REFLECTIONS * D, Self::REFLECTIONS * D),
        RotationMode::Angles => (D * (D - 1) / 2, D * (D - 1)),
        RotationMode::None => (0, 0),
    };
    const WEIGHTS: usize = if Opts::VALUE.fit_normalization { Self::K * D } else { 0 };
    /// Whether this layer ends in a normal variable (layers.md 2.3: not where it carries the offset).
    const NORMAL: bool = match Opts::VALUE.inverse_function_type {
        InverseFunction::InormalPartlyPrecise => true,
        InverseFunction::Isigmoid => Pos::FIRST && Self::OFFSET == 0 && Opts::VALUE.replace_first_sigmoid_with_icdf,
    };
    const WIDTHS: WidthRegulator = WidthRegulator {
        softplus: Opts::VALUE.softplus_for_width,
        clamp: Opts::VALUE.clamp_widths,
        smooth: Opts::VALUE.width_smooth_saturation,
        lower: Opts::VALUE.lower_bound_for_widths,
        upper: Opts::VALUE.upper_bound_for_widths,
    };
    /// Scratch: the mixture's argument x and F, S, p for each dimension, then two sigmoids a component.
    const SIGMOIDS: usize = 4 * D;

    /// The offset, the rotation and the mixtures among prepared numbers.
    #[inline(always)]
    fn parts<T>(prepared: &[T]) -> (&[T], &[T], &[T]) {
        let (offset, rest) = prepared.split_at(Self::OFFSET);
        let (turn, mixtures) = rest.split_at(Self::TURN.1);
        (offset, turn, mixtures)
    }

    #[inline(always)]
    fn parts_mut<T>(prepared: &mut [T]) -> (&mut [T], &mut [T], &mut [T]) {
        let (offset, rest) = prepared.split_at_mut(Self::OFFSET);
        let (turn, mixtures) = rest.split_at_mut(Self::TURN.1);
        (offset, turn, mixtures)
    }

    /// Prepared numbers of dimension `d`.
    #[inline(always)]
    fn of<T>(mixtures: &[T], d: usize) -> &[T] {
        &mixtures[d * Self::K * COMPONENT..][..Self::K * COMPONENT]
    }

    /// The raw weight's exponent and its slope.
    fn log_weight<P: Real>(raw: P) -> (P, P) {
        if Opts::VALUE.regulate_normalization {
            let (lower, upper) = (Opts::VALUE.lower_bound_for_norms, Opts::VALUE.upper_bound_for_norms);
            let value = bounded_log(raw, lower, upper, 0.0);
            (value, bounded_log_slope(raw, value, upper, 0.0))
        } else {
            (raw, P::one())
        }
    }

    #[inline(always)]
    fn rotate_back<R: Real, P: Lift<R>>(turn: &[P], x: &mut [R]) {
        match Opts::VALUE.rotation_mode {
            RotationMode::Householder => rotation::householder_transpose(D, turn, x),
            RotationMode::Angles => rotation::angles_transpose(D, turn, x),
            RotationMode::None => {}
        }
    }

    #[inline(always)]
    fn rotate<R: Real, P: Lift<R>>(turn: &[P], x: &mut [R]) {
        match Opts::VALUE.rotation_mode {
            RotationMode::Householder => rotation::householder(D, turn, x),
            RotationMode::Angles => rotation::angles(D, turn, x),
            RotationMode::None => {}
        }
    }

    /// y, ln y' and their derivatives.
    #[inline(always)]
    fn outer<R: Real>(mix: &Mixture<R>) -> Outer<R> {
        if Self::NORMAL { partly_precise(mix) } else { isigmoid(mix) }
    }

    /// Evaluates dimension `d` at `v` and keeps in scratch what derivatives need.
    #[inline(always)]
    fn evaluate<R: Real, P: Lift<R>>(mixtures: &[P], d: usize, v: R, scratch: &mut [R]) -> Mixture<R> {
        let (points, sigmoids) = scratch.split_at_mut(Self::SIGMOIDS);
        let mix = mixture(Self::of(mixtures, d), v, &mut sigmoids[d * 2 * Self::K..][..2 * Self::K]);
        points[4 * d] = v;
        points[4 * d + 1..4 * d + 4].copy_from_slice(&mix.linear);
        mix
    }

    /// The mixture of dimension `d` as [`Self::evaluate`] left it in scratch.
    #[inline(always)]
    fn recall<R: Real, P: Lift<R>>(mixtures: &[P], d: usize, scratch: &[R]) -> Mixture<R> {
        let points = &scratch[4 * d..4 * d + 4];
        Mixture::new(Self::of(mixtures, d), points[0], [points[1], points[2], points[3]])
    }
}

impl<const D: usize, Pos: Place, Opts: Options<GaussianizationOptions>> Layer<Euclidean<D>>
    for Gaussianization<D, Pos, Opts>
{
    const PARAMS: usize = Self::OFFSET + Self::TURN.0 + 2 * Self::K * D + Self::WEIGHTS;
    const PREPARED: usize = Self::OFFSET + Self::TURN.1 + COMPONENT * Self::K * D;
    const SCRATCH: usize = Self::SIGMOIDS + 2 * Self::K * D + D;
    const NAME: &'static str = "g";

    fn options() -> String {
        Opts::VALUE.written()
    }

    fn initial<G: Rng + ?Sized>(rng: &mut G, params: &mut [f64]) {
        let (offset, rest) = params.split_at_mut(Self::OFFSET);
        let (turn, rest) = rest.split_at_mut(Self::TURN.0);
        let (means, rest) = rest.split_at_mut(Self::K * D);
        let (widths, weights) = rest.split_at_mut(Self::K * D);
        offset.fill(OFFSET_START);
        for v in turn.iter_mut() {
            *v = match Opts::VALUE.rotation_mode {
                RotationMode::Householder => rng.sample(StandardNormal),
                _ => 0.0,
            };
        }
        means.iter_mut().for_each(|m| *m = rng.sample(StandardNormal));
        widths.fill(0.2 * (4.0 * PI.sqrt() / (PI.powi(4) * Self::K as f64)).ln());
        weights.fill(1.0);
    }

    fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        let (offset, rest) = params.split_at(Self::OFFSET);
        let (turn, rest) = rest.split_at(Self::TURN.0);
        let (means, rest) = rest.split_at(Self::K * D);
        let (widths, weights) = rest.split_at(Self::K * D);
        let (offset_out, turn_out, mixtures) = Self::parts_mut(prepared);
        offset_out.copy_from_slice(offset);
        match Opts::VALUE.rotation_mode {
            RotationMode::Householder => rotation::householder_prepare(D, turn, turn_out),
            RotationMode::Angles => rotation::angles_prepare(turn, turn_out),
            RotationMode::None => {}
        }
        for d in 0..D {
            let mut sum = P::zero();
            for k in 0..Self::K {
                let out = &mut mixtures[(d * Self::K + k) * COMPONENT..][..COMPONENT];
                out[0] = means[k * D + d];
                out[1] = (-Self::WIDTHS.log_width(widths[k * D + d])).exp();
                out[2] = if Self::WEIGHTS == 0 {
                    P::constant(1.0 / Self::K as f64)
                } else {
                    Self::log_weight(weights[k * D + d]).0
                };
            }
            if Self::WEIGHTS > 0 {
                // Softmax with the largest exponent taken out.
                let weight = |k: usize| (d * Self::K + k) * COMPONENT + 2;
                let largest = (1..Self::K).fold(mixtures[weight(0)], |top, k| top.max(mixtures[weight(k)]));
                for k in 0..Self::K {
                    let e = (mixtures[weight(k)] - largest).exp();
                    mixtures[weight(k)] = e;
                    sum += e;
                }
                for k in 0..Self::K {
                    mixtures[weight(k)] = mixtures[weight(k)] / sum;
                }
            }
        }
    }

    fn prepare_vjp<P: Real>(params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        let (_, rest) = params.split_at(Self::OFFSET);
        let (turn, rest) = rest.split_at(Self::TURN.0);
        let (_, rest) = rest.split_at(Self::K * D);
        let (widths, weights) = rest.split_at(Self::K * D);
        let (_, turn_out, mixtures) = Self::parts(prepared);
        let (cot_offset_out, cot_turn_out, cot_mixtures) = Self::parts(cot_prepared);
        let (cot_offset, rest) = cot_params.split_at_mut(Self::OFFSET);
        let (cot_turn, rest) = rest.split_at_mut(Self::TURN.0);
        let (cot_means, rest) = rest.split_at_mut(Self::K * D);
        let (cot_widths, cot_weights) = rest.split_at_mut(Self::K * D);
        add(cot_offset_out, cot_offset);
        match Opts::VALUE.rotation_mode {
            RotationMode::Householder => rotation::householder_prepare_vjp(D, turn, turn_out, cot_turn_out, cot_turn),
            RotationMode::Angles => rotation::angles_prepare_vjp(turn_out, cot_turn_out, cot_turn),
            RotationMode::None => {}
        }
        for d in 0..D {
            let at = |k: usize| (d * Self::K + k) * COMPONENT;
            // Softmax: b_bar_k = w_k (w_bar_k - sum_j w_j w_bar_j).
            let along = (0..Self::K).fold(P::zero(), |sum, k| sum + mixtures[at(k) + 2] * cot_mixtures[at(k) + 2]);
            for k in 0..Self::K {
                let i = k * D + d;
                cot_means[i] += cot_mixtures[at(k)];
                let (_, slope) = Self::WIDTHS.with_slope(widths[i]);
                cot_widths[i] -= cot_mixtures[at(k) + 1] * mixtures[at(k) + 1] * slope;
                if Self::WEIGHTS > 0 {
                    let slope = Self::log_weight(weights[i]).1;
                    cot_weights[i] += mixtures[at(k) + 2] * (cot_mixtures[at(k) + 2] - along) * slope;
                }
            }
        }
    }

    fn inverse<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        let (offset, turn, mixtures) = Self::parts(prepared);
        subtract(offset, x);
        Self::rotate_back(turn, x);
        for d in 0..D {
            let mix = Self::evaluate(mixtures, d, x[d], scratch);
            let outer = Self::outer(&mix);
            x[d] = outer.y;
            *log_det += outer.log_slope;
        }
    }

    fn inverse_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (_, turn, mixtures) = Self::parts(prepared);
        let (cot_offset, cot_turn, cot_mixtures) = Self::parts_mut(cot_prepared);
        let mut point = [R::zero(); D];
        for d in 0..D {
            let mix = Self::recall(mixtures, d, scratch);
            let outer = Self::outer(&mix);
            let by = |i: usize| cot[d] * outer.y_grad[i] + cot_log_det * outer.log_slope_grad[i];
            let cots = [by(0), by(1), cot_log_det];
            let sigmoids = &scratch[Self::SIGMOIDS + d * 2 * Self::K..][..2 * Self::K];
            let into = &mut cot_mixtures[d * Self::K * COMPONENT..][..Self::K * COMPONENT];
            point[d] = scratch[4 * d];
            cot[d] = pull(Self::of(mixtures, d), point[d], &mix, sigmoids, cots, Some(into));
        }
        match Opts::VALUE.rotation_mode {
            RotationMode::Householder => rotation::householder_transpose_vjp(D, turn, &mut point, cot, cot_turn),
            RotationMode::Angles => rotation::angles_transpose_vjp(D, turn, &mut point, cot, cot_turn),
            RotationMode::None => {}
        }
        subtract(cot, cot_offset);
    }

    fn forward<R: Real, P: Lift<R>>(prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        let (offset, turn, mixtures) = Self::parts(prepared);
        let mut unconverged = R::Mask::splat(false);
        for d in 0..D {
            let components = Self::of(mixtures, d);
            let logit = if Self::NORMAL { partly_precise_logit(z[d]) } else { z[d] };
            // A component alone would have its root at mu_k + sigma_k t; the mixture's lies among these.
            let single = |c: &[P]| {
                let (mean, inv_width): (R, R) = (c[0].lift(), c[1].lift());
                mean + logit / inv_width
            };
            let mut low = single(&components[..COMPONENT]);
            let mut high = low;
            for c in components.chunks_exact(COMPONENT).skip(1) {
                let root = single(c);
                low = low.min(root);
                high = high.max(root);
            }
            let sigmoids = Self::SIGMOIDS + d * 2 * Self::K;
            let (root, failed) = monotone_root(logit, low, high, |x| {
                let mix = mixture(components, x, &mut scratch[sigmoids..][..2 * Self::K]);
                (mix.ln_f - mix.ln_s, (mix.ln_p - mix.ln_f - mix.ln_s).exp())
            });
            unconverged = unconverged | failed;
            let mix = Self::evaluate(mixtures, d, root, scratch);
            *log_det -= Self::outer(&mix).log_slope;
            z[d] = root;
        }
        Self::rotate(turn, z);
        add(offset, z);
        unconverged
    }

    // x = Psi^-1(y; theta), ln|dx/dy| = -l(x; theta) with l = ln Psi'. By the implicit function theorem, with
    // v = x_bar - l_bar dl/dx and y_bar = v / Psi', the parameters get the cotangents of the inverse for (-y_bar, -l_bar).
    fn forward_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (_, turn, mixtures) = Self::parts(prepared);
        let (cot_offset, cot_turn, cot_mixtures) = Self::parts_mut(cot_prepared);
        add(cot, cot_offset);
        let mut point = [R::zero(); D];
        for d in 0..D {
            point[d] = scratch[4 * d];
        }
        let mut turned = point;
        Self::rotate(turn, &mut turned);
        match Opts::VALUE.rotation_mode {
            RotationMode::Householder => rotation::householder_vjp(D, turn, &mut turned, cot, cot_turn),
            RotationMode::Angles => rotation::angles_vjp(D, turn, &mut turned, cot, cot_turn),
            RotationMode::None => {}
        }
        for d in 0..D {
            let mix = Self::recall(mixtures, d, scratch);
            let outer = Self::outer(&mix);
            let components = Self::of(mixtures, d);
            let sigmoids = &scratch[Self::SIGMOIDS + d * 2 * Self::K..][..2 * Self::K];
            let det = |i: usize| -cot_log_det * outer.log_slope_grad[i];
            let bend = pull(components, point[d], &mix, sigmoids, [det(0), det(1), -cot_log_det], None);
            let cot_y = (cot[d] + bend) * (-outer.log_slope).exp();
            let by = |i: usize| -cot_y * outer.y_grad[i] + det(i);
            let into = &mut cot_mixtures[d * Self::K * COMPONENT..][..Self::K * COMPONENT];
            pull(components, point[d], &mix, sigmoids, [by(0), by(1), -cot_log_det], Some(into));
            cot[d] = cot_y;
        }
    }

    /// Offset: the mean. Rotation: as without data. Means: the K mid-quantiles of each rotated coordinate; widths: half the mean
    /// gap to the neighbouring means, so that neighbours overlap; equal weights.
    fn initial_from_data<G: Rng + ?Sized>(rng: &mut G, points: &mut [f64], params: &mut [f64]) -> bool {
        Self::initial(rng, params);
        if Self::OFFSET > 0 {
            params[..D].copy_from_slice(&means(D, points));
        }
        let mut prepared = vec![0.0; Self::PREPARED];
        Self::prepare(params, &mut prepared);
        let (offset, turn, _) = Self::parts(&prepared);
        let mut columns = vec![Vec::with_capacity(points.len() / D); D];
        for row in points.chunks_exact(D) {
            let mut x: [f64; D] = core::array::from_fn(|d| row[d]);
            subtract(offset, &mut x);
            Self::rotate_back(turn, &mut x);
            x.iter().zip(&mut columns).for_each(|(x, column)| column.push(*x));
        }
        let before_means = Self::OFFSET + Self::TURN.0;
        for (d, column) in columns.iter_mut().enumerate() {
            column.sort_by(f64::total_cmp);
            let n = column.len();
            let quantile = |k: usize| column[((k as f64 + 0.5) / Self::K as f64 * n as f64) as usize % n];
            let mean = column.iter().sum::<f64>() / n as f64;
            let spread = (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
            // A column of equal numbers has no width of its own.
            let spread = if spread > 0.0 { spread } else { 1.0 };
            let means: Vec<f64> = (0..Self::K).map(quantile).collect();
            for k in 0..Self::K {
                let left = means[k] - means[k.saturating_sub(1)];
                let right = means[(k + 1).min(Self::K - 1)] - means[k];
                let sides = if k == 0 || k + 1 == Self::K { 1.0 } else { 2.0 };
                // One component alone: a logistic of the data's own spread (standard deviation pi / sqrt 3 widths).
                let width = if Self::K == 1 { spread * 3.0_f64.sqrt() / PI } else { 0.5 * (left + right) / sides };
                let width = width.max(0.02 * spread);
                params[before_means + k * D + d] = means[k];
                params[before_means + Self::K * D + k * D + d] = Self::WIDTHS.raw(width.ln());
            }
        }
        super::map_rows::<Euclidean<D>, Self>(params, points);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::laws::{Tolerance, check, gradients, round_trip};
    use crate::layers::{Chain, First, Last, Middle, Only};
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn laws() {
        check::<Euclidean<1>, (Gaussianization<1, Only, ()>, ())>(1, 4, 0.5, Tolerance::F64).unwrap();
        check::<Euclidean<3>, (Gaussianization<3, Only, ()>, ())>(2, 4, 0.5, Tolerance::F64).unwrap();
        check::<Euclidean<2>, (Gaussianization<2, First, ()>, ())>(3, 6, 0.5, Tolerance::F64).unwrap();
        check::<Euclidean<3>, (Gaussianization<3, Middle, g::rotation_mode<1>>, ())>(4, 4, 0.5, Tolerance::F64)
            .unwrap();
        check::<Euclidean<2>, (Gaussianization<2, Last, g::rotation_mode<2>>, ())>(5, 4, 0.5, Tolerance::F64).unwrap();
        check::<Euclidean<2>, (Gaussianization<2, Only, g::fit_normalization<0, g::num_kde<4>>>, ())>(
            6,
            4,
            0.5,
            Tolerance::F64,
        )
        .unwrap();
        check::<Euclidean<2>, (Gaussianization<2, Only, g::regulate_normalization<0>>, ())>(7, 4, 0.5, Tolerance::F64)
            .unwrap();
        check::<Euclidean<3>, (Gaussianization<3, Only, g::num_householder_iter<1>>, ())>(8, 4, 0.5, Tolerance::F64)
            .unwrap();
        type Chained =
            (Gaussianization<3, First, ()>, (Gaussianization<3, Middle, ()>, (Gaussianization<3, Last, ()>, ())));
        check::<Euclidean<3>, Chained>(9, 3, 0.5, Tolerance::F64).unwrap();
    }

    #[test]
    fn far_points_stay_invertible_and_differentiable() {
        type C = (Gaussianization<2, First, ()>, (Gaussianization<2, Last, ()>, ()));
        let mut rng = StdRng::seed_from_u64(3);
        let mut params = vec![0.0; <C as Chain<Euclidean<2>>>::PARAMS];
        <C as Chain<Euclidean<2>>>::initial(&mut rng, &mut params);
        for far in [30.0, 1e3, 1e6] {
            let x = [far, -0.7 * far];
            round_trip::<Euclidean<2>, C, f64>(&params, &x, 1e-9).unwrap();
            round_trip::<Euclidean<2>, C, f32>(&params, &x, 1e-4).unwrap();
        }
        for inverse in [true, false] {
            gradients::<Euclidean<2>, C>(&mut rng, &params, &[40.0, -25.0], inverse, 1e-6).unwrap();
        }
    }
}
