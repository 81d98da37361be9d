//! Layer v: the exponential map of a gradient on the two-sphere (layers.md 8.2; D. J. Rezende et al., arXiv:2002.02428,
//! section 2.3, after T. Sei, arXiv:0906.0874).
//!
//! # Formula
//! n components with directions mu_i, weights w_i and increasing profiles h_i of c_i = x . mu_i:
//!
//! ```text
//! g = sum_i w_i h_i(c_i) mu_i      p = g - (g . x) x      E(x) = x cos|p| + p sin|p| / |p|
//! linear: h = 1      quadratic: h = c      exponential: h = e^(beta (c - 1))
//! splines: h a rational-quadratic spline of [-1, 1] onto itself, 10 bins, shares and slopes at least 1e-3
//! ```
//!
//! p is the gradient of the potential sum_i w_i H_i(c_i), H' = h, along the sphere, and E walks along it. The published
//! form divides by |g| and by the sine of the angle between x and g (its nu is |p|); p needs neither, so that points
//! with g = 0 or g along x are ordinary fixed points. Derivatives: gradient_map.rs. All is in unit vectors, so that no
//! arccos loses digits beside an axis (Q17).
//!
//! # It is a bijection, whatever the parameters
//! Each direction has its own bound 0 <= nu_i < 1, and w_i = nu_i softmax(logits)_i, so that sum w < 1. One component
//! with weight one takes the polar angle t about mu to t - h(cos t) sin t, from 0 to pi, and does not turn back: the
//! derivative 1 - c h + (1 - c^2) h' is not negative where |h| <= 1 and h' >= 0. That holds for all four profiles,
//! every beta = e^p > 0 and every spline. For sums, T. Sei (arXiv:0906.0874; Comm. Statist. Theory Methods 42 (2013)
//! 2525): det J > 0 as long as N = A + B(p) > 0, with A the Hessian of the potential along the sphere and B(p) that of
//! half the squared distance to exp_x(p). A is a sum over components and B is concave, B(0) = 1, so
//!
//! ```text
//! N >= sum_i w_i (A_i + B(p_i)) + (1 - sum w) 1 >= 1 - sum w > 0
//! ```
//!
//! because A_i + B(p_i) >= 0 says just what was said of one component. No direction is shrunk by more than (1 - sum w)
//! sin|p| / |p|, and |p| < 1.
//!
//! What may go wrong is rounding. 1 - nu_i is about 1.7 e^(-|v|/10) for a vector v (`old`) or e^-r (`householder`):
//! vectors of length 300, or r = 30, squeeze the surroundings of a mean by 1e13, and a search there finds x to that
//! much fewer digits. Where numbers overflow (beta beyond e^700, 1 - nu below 1e-154) the log-determinant is not finite
//! and that is an error, never hidden. With splines the density is continuous but has kinks, at the circles c_i = knot.
//!
//! # Directions
//! `natural_direction = 0`: the inverse (evaluation) is E itself and forward (sampling) searches x with E(x) = y; 1:
//! the other way round. The search (search.rs) is Newton's method on the sphere with a line search and ends at the
//! rounding of E, for every lane by itself; the published one stops where 1 - E . y rounds to zero, 1e-8 away (Q7).
//! `max_num_newton_iter` limits the number of points it looks at. Lanes that reach the limit are returned by `forward`;
//! `inverse` has no such return and makes their log-determinant NaN, which becomes the error that names this letter and
//! the row. Derivatives of the search follow from the implicit function theorem.
//!
//! # Parameters
//! With `add_rotation` 9 numbers of three reflections (inverse: x -> R^T x first). Then a matrix of rows of n numbers,
//! entry (row, i) of component i: the direction, the logit of the weight, the profile (exponential: ln beta; splines:
//! 10 widths, 10 heights, 11 derivatives). Direction `old`: a vector v, mu = v/|v|, nu = 1 - ln(1 + (e - 1)
//! e^(-|v|/10)). `householder`: three vectors and a number r, mu = H_1 H_2 H_3 e_z, nu = 1 / (1 + e^-r); the published
//! code stops with a type error there (Q6), this is what its formula says.
//!
//! Prepared: reflections, then 1 - sum_i w_i, then for each component mu, w and the numbers of its profile.

mod component;
mod gradient_map;
mod profile;
mod search;
#[cfg(test)]
mod tests;

use super::rotation::{
    householder, householder_prepare, householder_prepare_vjp, householder_transpose, householder_transpose_vjp,
    householder_vjp,
};
use super::{AnyLayer, Bijection, LayerType, Options, StateTensor};
use crate::manifolds::Sphere2;
use crate::numeric::{Lift, Mask, Real};
use component::{MOST_ROWS, Means, Weighed};
use core::marker::PhantomData;
use flow_notation::Written;
use flow_notation::options::{ExpMapType, ExponentialMapOptions};
use gradient_map::{Frame, Local, Sums, SumsCot};
use profile::Curve;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use std::sync::Arc;

/// Layer v in the type of a flow: E(x) = exp_x(grad of a sum of potentials about n directions), and its inverse.
///
/// One direction is a closed formula, the other a search to rounding; see [`ExponentialMapOptions`]. A bijection for
/// all parameters. Derivatives of both directions are closed form.
pub struct ExponentialMap<Opts>(PhantomData<Opts>);

impl<Opts: Options<ExponentialMapOptions>> LayerType<Sphere2> for ExponentialMap<Opts> {
    const PARAMS: usize = GradientFlow::<ANY>::new(Opts::VALUE).params_len();

    fn layer() -> Arc<dyn AnyLayer> {
        layer(Opts::VALUE)
    }
}

/// Exponential profiles.
const EXPONENTIAL: u8 = 0;
/// Whatever the options say.
const ANY: u8 = 1;

/// The layer for these options, in the kind of which the compiler knows most.
#[inline(never)]
fn layer(options: ExponentialMapOptions) -> Arc<dyn AnyLayer> {
    match options.exp_map_type {
        ExpMapType::Exponential => Arc::new(GradientFlow::<EXPONENTIAL>::new(options)),
        _ => Arc::new(GradientFlow::<ANY>::new(options)),
    }
}

/// Numbers of a vector.
const VECTOR: usize = 3;

/// Layer v. What its kind says of the options is known when this is compiled.
struct GradientFlow<const KIND: u8> {
    options: ExponentialMapOptions,
    components: usize,
    /// Numbers of the rotation, among parameters and prepared ones.
    rotation: usize,
}

impl<const KIND: u8> GradientFlow<KIND> {
    const fn new(options: ExponentialMapOptions) -> Self {
        let rotation = if options.add_rotation { VECTOR * VECTOR } else { 0 };
        GradientFlow { options, components: options.num_components as usize, rotation }
    }

    #[inline(always)]
    const fn profile(&self) -> Curve {
        Curve(if KIND == EXPONENTIAL { ExpMapType::Exponential } else { self.options.exp_map_type })
    }
    #[inline(always)]
    const fn mean(&self) -> Means {
        Means(self.options.mean_parametrization)
    }
    /// Parameters of a component.
    #[inline(always)]
    const fn rows(&self) -> usize {
        self.mean().params() + 1 + self.profile().params()
    }
    /// Prepared numbers of a component.
    #[inline(always)]
    const fn stride(&self) -> usize {
        VECTOR + 1 + self.profile().prepared()
    }
    /// Where the components start among prepared numbers; 1 - sum_i w_i stands before them.
    #[inline(always)]
    const fn first(&self) -> usize {
        self.rotation + 1
    }
    const fn params_len(&self) -> usize {
        self.rotation + self.rows() * self.components
    }

    /// The numbers of component `i` from the matrix of parameters.
    #[inline(always)]
    fn gather<P: Real>(&self, params: &[P], i: usize) -> [P; MOST_ROWS] {
        let matrix = &params[self.rotation..];
        core::array::from_fn(|row| if row < self.rows() { matrix[row * self.components + i] } else { P::zero() })
    }

    /// Share of component `i` in the softmax of the logits: the largest logit and the sum of e^(logit - largest).
    #[inline(always)]
    fn softmax<P: Real>(&self, params: &[P]) -> (P, P) {
        let logits = self.logits(params);
        let largest = logits.iter().fold(logits[0], |top, a| top.max(*a));
        (largest, logits.iter().fold(P::zero(), |sum, a| sum + (*a - largest).exp()))
    }
    #[inline(always)]
    fn logits<'a, P: Real>(&self, params: &'a [P]) -> &'a [P] {
        &params[self.rotation + self.mean().params() * self.components..][..self.components]
    }

    /// The map and its derivatives at a point.
    #[inline(always)]
    fn local<R: Real, P: Lift<R>>(&self, prepared: &[P], x: [R; VECTOR]) -> (Frame<R>, Local<R>) {
        let frame = Frame::at(x);
        let mut sums = Sums::start(prepared[self.rotation].lift());
        for numbers in prepared[self.first()..].chunks_exact(self.stride()) {
            let (mean, weight) = ([0, 1, 2].map(|k| numbers[k].lift()), numbers[VECTOR].lift());
            let seen = frame.see(mean);
            sums.add(&seen, weight, &self.profile().value(&numbers[VECTOR + 1..], seen.ends()));
        }
        (frame, Local::of(sums))
    }

    /// Cotangents of E and its log-determinant at a point: returns that of the point, adds those of prepared numbers.
    #[inline(always)]
    fn local_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        frame: &Frame<R>,
        local: &Local<R>,
        cot: [R; VECTOR],
        cot_ln: R,
        cot_prepared: &mut [R],
    ) -> [R; VECTOR] {
        let (sums, mut moved): (SumsCot<R>, [R; 2]) = local.vjp(frame.read(cot), cot_ln);
        cot_prepared[self.rotation] += sums.rest;
        let all = prepared[self.first()..].chunks_exact(self.stride());
        for (numbers, out) in all.zip(cot_prepared[self.first()..].chunks_exact_mut(self.stride())) {
            let (mean, weight) = ([0, 1, 2].map(|k| numbers[k].lift()), numbers[VECTOR].lift());
            let seen = frame.see(mean);
            let profile = self.profile().value(&numbers[VECTOR + 1..], seen.ends());
            let (own, cot_weight) = sums.take(&seen, weight, &profile);
            out[VECTOR] += cot_weight;
            let by_profile = self.profile().vjp(
                &numbers[VECTOR + 1..],
                seen.ends(),
                &profile,
                (own.height, own.slope),
                &mut out[VECTOR + 1..],
            );
            let by_along = own.along + by_profile;
            let by_mean = frame.vector([own.across[0], own.across[1], by_along]);
            (0..VECTOR).for_each(|k| out[k] += by_mean[k]);
            // Walking by d turns the frame: the point moves by d, its directions e_k by -d_k x.
            for (k, moved) in moved.iter_mut().enumerate() {
                *moved += by_along * seen.across[k] - seen.along() * own.across[k];
            }
        }
        frame.vector([moved[0], moved[1], R::zero()])
    }

    /// Whether a direction is the closed formula.
    const fn closed(&self, inverse: bool) -> bool {
        inverse != self.options.natural_direction
    }

    /// One direction without the rotation. Scratch: the argument of E, then its value.
    #[inline(always)]
    fn map<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        point: &mut [R],
        log_det: &mut R,
        scratch: &mut [R],
        inverse: bool,
    ) -> R::Mask {
        let from = [point[0], point[1], point[2]];
        let closed = self.closed(inverse);
        let (x, failed) = if closed {
            (from, R::Mask::splat(false))
        } else {
            let limit = self.options.max_num_newton_iter as usize;
            search::search(from, self.components, limit, |x| self.local(prepared, x))
        };
        let (frame, local) = self.local(prepared, x);
        let (argument, value) = scratch.split_at_mut(VECTOR);
        argument.copy_from_slice(&x);
        if closed {
            value.copy_from_slice(&frame.vector(local.image()));
            point.copy_from_slice(value);
            *log_det += local.ln();
        } else {
            value.copy_from_slice(&from);
            point.copy_from_slice(&x);
            *log_det -= local.ln();
        }
        failed
    }

    /// Cotangents of [`GradientFlow::map`]. For the search: E(x) = y gives dx = J^-1 (dy - dE), dE that of the
    /// parameters, so that with v the cotangent of x, that of ln det included, y gets J^-T v and the parameters what E
    /// gets for -J^-T v.
    #[inline(always)]
    fn map_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &[R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
        inverse: bool,
    ) {
        let (frame, local) = self.local(prepared, [scratch[0], scratch[1], scratch[2]]);
        let given = [cot[0], cot[1], cot[2]];
        let closed = self.closed(inverse);
        let (ahead, cot_ln) = if closed { (given, cot_log_det) } else { ([R::zero(); VECTOR], -cot_log_det) };
        let by_ln = self.local_vjp(prepared, &frame, &local, ahead, cot_ln, cot_prepared);
        if closed {
            cot.copy_from_slice(&by_ln);
            return;
        }
        let [first, second, _] = frame.read(core::array::from_fn(|k| given[k] + by_ln[k]));
        let by_value = frame.vector(local.solve_transpose([first, second]));
        self.local_vjp(prepared, &frame, &local, by_value.map(|c| -c), R::zero(), cot_prepared);
        cot.copy_from_slice(&by_value);
    }

    /// The point of the scratch on the target side, before the rotation.
    #[inline(always)]
    fn target_side<R: Real>(&self, scratch: &[R]) -> [R; VECTOR] {
        let start = if self.options.natural_direction { VECTOR } else { 0 };
        core::array::from_fn(|k| scratch[start + k])
    }
}

impl<const KIND: u8> Bijection for GradientFlow<KIND> {
    fn name(&self) -> &'static str {
        "v"
    }
    fn params(&self) -> usize {
        self.params_len()
    }
    fn prepared(&self) -> usize {
        self.first() + self.stride() * self.components
    }
    fn scratch(&self) -> usize {
        2 * VECTOR
    }

    fn options(&self) -> Vec<Written> {
        self.options.written()
    }

    fn state(&self) -> Vec<StateTensor> {
        StateTensor::list([
            ("householder_params", &[1, self.rotation]),
            ("potential_pars", &[1, self.rows(), self.components]),
        ])
    }

    fn initial(&self, rng: &mut dyn Rng, params: &mut [f64]) {
        params.iter_mut().for_each(|p| *p = rng.sample(StandardNormal));
    }

    #[inline(always)]
    fn prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        let (rotation, rest) = prepared.split_at_mut(self.rotation);
        householder_prepare(VECTOR, &params[..self.rotation], rotation);
        let (spare, components) = rest.split_at_mut(1);
        spare[0] = P::zero();
        let (largest, sum) = self.softmax(params);
        for (i, out) in components.chunks_exact_mut(self.stride()).enumerate() {
            let raw = self.gather(params, i);
            let share = (self.logits(params)[i] - largest).exp() / sum;
            let Weighed { mean, bound, spare: left } = self.mean().weighed(&raw);
            out[..VECTOR].copy_from_slice(&mean);
            out[VECTOR] = bound * share;
            spare[0] += left * share;
            self.profile().prepare(&raw[self.mean().params() + 1..self.rows()], &mut out[VECTOR + 1..]);
        }
    }

    #[inline(always)]
    fn prepare_vjp<P: Real>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        let (rotation, matrix) = cot_params.split_at_mut(self.rotation);
        householder_prepare_vjp(
            VECTOR,
            &params[..self.rotation],
            &prepared[..self.rotation],
            &cot_prepared[..self.rotation],
            rotation,
        );
        let cot_spare = cot_prepared[self.rotation];
        let (largest, sum) = self.softmax(params);
        let share = |i: usize| (self.logits(params)[i] - largest).exp() / sum;
        let cot_of = |i: usize| &cot_prepared[self.first() + i * self.stride()..][..self.stride()];
        // w = nu s and 1 - sum w = sum (1 - nu) s, then the softmax: a_bar_i = s_i (s_bar_i - sum_j s_j s_bar_j).
        let cot_share = |i: usize| {
            let Weighed { bound, spare, .. } = self.mean().weighed(&self.gather(params, i));
            bound * cot_of(i)[VECTOR] + spare * cot_spare
        };
        let common = (0..self.components).fold(P::zero(), |sum, i| sum + share(i) * cot_share(i));
        for i in 0..self.components {
            let (raw, cot) = (self.gather(params, i), cot_of(i));
            let of = &prepared[self.first() + i * self.stride()..][..self.stride()];
            let mut out = [P::zero(); MOST_ROWS];
            let cot_mean = [cot[0], cot[1], cot[2]];
            self.mean().weighed_vjp(&raw, cot_mean, share(i) * (cot[VECTOR] - cot_spare), &mut out);
            out[self.mean().params()] = share(i) * (cot_share(i) - common);
            let own = self.mean().params() + 1..self.rows();
            self.profile().prepare_vjp(&raw[own.clone()], &of[VECTOR + 1..], &cot[VECTOR + 1..], &mut out[own]);
            for (row, cot) in out[..self.rows()].iter().enumerate() {
                matrix[row * self.components + i] += *cot;
            }
        }
    }

    #[inline(always)]
    fn inverse<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        householder_transpose(VECTOR, &prepared[..self.rotation], x);
        let failed = self.map(prepared, x, log_det, scratch, true);
        *log_det = R::select(failed, R::constant(f64::NAN), *log_det);
    }

    #[inline(always)]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        self.map_vjp(prepared, scratch, cot, cot_log_det, cot_prepared, true);
        let (rotation, out) = (&prepared[..self.rotation], &mut cot_prepared[..self.rotation]);
        householder_transpose_vjp(VECTOR, rotation, &mut self.target_side(scratch), cot, out);
    }

    #[inline(always)]
    fn forward<R: Real, P: Lift<R>>(&self, prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        let failed = self.map(prepared, z, log_det, scratch, false);
        householder(VECTOR, &prepared[..self.rotation], z);
        failed
    }

    #[inline(always)]
    fn forward_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (rotation, out) = (&prepared[..self.rotation], &mut cot_prepared[..self.rotation]);
        let mut target = self.target_side(scratch);
        householder(VECTOR, rotation, &mut target);
        householder_vjp(VECTOR, rotation, &mut target, cot, out);
        self.map_vjp(prepared, scratch, cot, cot_log_det, cot_prepared, false);
    }
}
