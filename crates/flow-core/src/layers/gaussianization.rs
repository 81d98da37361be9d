//! Layer g: a rotation, then one mixture of logistic distribution functions per dimension, mapped to a logistic or a normal
//! variable (Gaussianization flows, Meng et al., arXiv:2003.01941; layers.md 4.2).
//!
//! inverse: x -> x - o -> A^-1 x -> y_d = Psi_d(x_d) with, for mixture components k of mean mu, width sigma, weight w,
//! u_k = (x - mu_k) / sigma_k, F = sum w_k s(u_k), S = sum w_k s(-u_k), p = sum w_k s(u_k) s(-u_k) / sigma_k:
//! y = h(ln F - ln S), where h is the identity (a logistic variable) or takes a logistic to a normal variable ([`super::outer`]).
//! With `add_skewness` the components are skewed ([`super::skewed`]); with `nonlinear_stretch_type = "rq_splines"` Psi is a spline
//! with straight tails ([`super::stretch`]) and there is no mixture.
//!
//! forward: the root of Psi per dimension. h is undone first; the root of ln F - ln S = t lies between the smallest and the largest of
//! those of the components, mu_k + sigma_k t without skewness.
//!
//! Parameters: offset (last letter only), rotation ([`RotationMode`]), then those of the mixtures ([`super::components`]) or splines.

use super::bijection::map_rows;
use super::components::Components;
use super::identity::{OFFSET_START, add, means, subtract};
use super::mixture::{self, Mixture};
use super::outer::{Outer, Quantile};
use super::rotation_mode::Turn;
use super::stretch::Stretch;
use super::width::WidthRegulator;
use super::{AnyLayer, Bijection, LayerType, Options, Place, StateTensor, skewed};
use crate::manifolds::Euclidean;
use crate::numeric::root::monotone_root_from;
use crate::numeric::{Lift, Mask, Real};
use core::marker::PhantomData;
use flow_notation::Written;
use flow_notation::options::{GaussianizationOptions, InverseFunction, RotationMode, StretchType};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use std::sync::Arc;

/// Layer g in the type of a flow: a rotation and one mixture of logistics per dimension.
pub struct Gaussianization<const D: usize, Pos, Opts>(PhantomData<(Pos, Opts)>);

impl<const D: usize, Pos: Place, Opts: Options<GaussianizationOptions>> LayerType<Euclidean<D>>
    for Gaussianization<D, Pos, Opts>
{
    const PARAMS: usize = MixtureFlow::<ANY>::new(D, Pos::FIRST, Pos::LAST, Opts::VALUE).params;

    fn layer() -> Arc<dyn AnyLayer> {
        layer(D, Pos::FIRST, Pos::LAST, Opts::VALUE)
    }
}

/// All options that choose between formulas have their defaults.
const USUAL: u8 = 0;
/// Mixtures that are not skewed, and reflections.
pub(super) const CLASSIC: u8 = 1;
/// Whatever the options say.
const ANY: u8 = 2;

/// The layer for these options, in the kind of which the compiler knows most.
#[inline(never)]
fn layer(dim: usize, first: bool, last: bool, options: GaussianizationOptions) -> Arc<dyn AnyLayer> {
    let usual = GaussianizationOptions {
        num_kde: options.num_kde,
        inverse_function_type: options.inverse_function_type,
        replace_first_sigmoid_with_icdf: options.replace_first_sigmoid_with_icdf,
        skip_model_offset: options.skip_model_offset,
        num_householder_iter: options.num_householder_iter,
        ..GaussianizationOptions::DEFAULT
    };
    let classic = matches!(options.nonlinear_stretch_type, StretchType::Classic) && !options.add_skewness;
    if options == usual {
        Arc::new(MixtureFlow::<USUAL>::new(dim, first, last, options))
    } else if classic && matches!(options.rotation_mode, RotationMode::Householder) {
        Arc::new(MixtureFlow::<CLASSIC>::new(dim, first, last, options))
    } else {
        Arc::new(MixtureFlow::<ANY>::new(dim, first, last, options))
    }
}

/// Layer g: a rotation and one mixture of logistics, or one spline, per dimension.
///
/// What its kind says of the options is known when this is compiled.
pub(super) struct MixtureFlow<const KIND: u8> {
    dim: usize,
    options: GaussianizationOptions,
    /// Components, or bins.
    count: usize,
    /// Numbers of the offset.
    offset: usize,
    reflections: usize,
    /// Rotation parameters, and prepared rotation numbers.
    turn: (usize, usize),
    /// What the mixture's distribution function is mapped to (layers.md 2.3: the first letter ends in a normal variable, unless
    /// it carries the offset).
    outer: Quantile,
    /// Parameters of the elementwise part, and its prepared numbers of a dimension.
    elements: (usize, usize),
    pub(super) params: usize,
}

impl<const KIND: u8> MixtureFlow<KIND> {
    pub(super) const fn new(dim: usize, first: bool, last: bool, options: GaussianizationOptions) -> Self {
        let count = options.num_kde as usize;
        let offset = if last && !options.skip_model_offset { dim } else { 0 };
        let reflections = if options.num_householder_iter < 0 { dim } else { options.num_householder_iter as usize };
        let mode = Turn(options.rotation_mode);
        let outer = Quantile(match options.inverse_function_type {
            InverseFunction::Isigmoid if first && offset == 0 && options.replace_first_sigmoid_with_icdf => {
                InverseFunction::InormalPartlyPrecise
            }
            written => written,
        });
        let turn = (mode.params(dim, reflections), mode.prepared(dim, reflections));
        let mut layer =
            MixtureFlow { dim, options, count, offset, reflections, turn, outer, elements: (0, 0), params: 0 };
        layer.elements = if layer.splines() {
            (layer.stretch().params(dim), layer.stretch().per_dim())
        } else {
            (layer.components().params(dim), layer.components().per_dim())
        };
        layer.params = offset + turn.0 + layer.elements.0;
        layer
    }

    pub(super) const fn prepared_numbers(&self) -> usize {
        self.offset + self.turn.1 + self.elements.1 * self.dim
    }

    /// Options that choose between formulas.
    #[inline(always)]
    const fn options(&self) -> &GaussianizationOptions {
        if KIND == USUAL { &GaussianizationOptions::DEFAULT } else { &self.options }
    }
    #[inline(always)]
    const fn mode(&self) -> Turn {
        Turn(if KIND == ANY { self.options.rotation_mode } else { RotationMode::Householder })
    }
    #[inline(always)]
    const fn splines(&self) -> bool {
        KIND == ANY && matches!(self.options.nonlinear_stretch_type, StretchType::RqSplines)
    }
    #[inline(always)]
    const fn skewed(&self) -> bool {
        KIND == ANY && self.options.add_skewness
    }
    #[inline(always)]
    const fn stretch(&self) -> Stretch {
        Stretch { bins: self.count }
    }
    #[inline(always)]
    const fn components(&self) -> Components {
        let options = self.options();
        Components {
            count: self.count,
            fit_weights: options.fit_normalization,
            weight_bounds: if options.regulate_normalization {
                Some((options.lower_bound_for_norms, options.upper_bound_for_norms))
            } else {
                None
            },
            widths: WidthRegulator {
                softplus: options.softplus_for_width,
                clamp: options.clamp_widths,
                smooth: options.width_smooth_saturation,
                lower: options.lower_bound_for_widths,
                upper: options.upper_bound_for_widths,
            },
            center_mean: options.center_mean,
            skewed: self.skewed(),
        }
    }
    /// Scratch of a mixture: its argument x and F, S, p for each dimension (ln F, ln S, ln q, if it is skewed), then two sigmoids
    /// a component (none, if it is). Scratch of splines: x and y for each dimension.
    const fn sigmoids(&self) -> usize {
        4 * self.dim
    }
    /// The same, as a length: behind it there is room for a point.
    pub(super) const fn kept(&self) -> usize {
        if self.splines() {
            2 * self.dim
        } else if self.skewed() {
            self.sigmoids()
        } else {
            self.sigmoids() + 2 * self.count * self.dim
        }
    }

    /// The offset, the rotation and the mixtures among prepared numbers.
    #[inline(always)]
    fn parts<'a, T>(&self, prepared: &'a [T]) -> (&'a [T], &'a [T], &'a [T]) {
        let (offset, rest) = prepared.split_at(self.offset);
        let (turn, elements) = rest.split_at(self.turn.1);
        (offset, turn, elements)
    }

    #[inline(always)]
    fn parts_mut<'a, T>(&self, prepared: &'a mut [T]) -> (&'a mut [T], &'a mut [T], &'a mut [T]) {
        let (offset, rest) = prepared.split_at_mut(self.offset);
        let (turn, elements) = rest.split_at_mut(self.turn.1);
        (offset, turn, elements)
    }

    /// The same among parameters.
    #[inline(always)]
    fn params_of<'a, T>(&self, params: &'a [T]) -> (&'a [T], &'a [T], &'a [T]) {
        let (offset, rest) = params.split_at(self.offset);
        let (turn, elements) = rest.split_at(self.turn.0);
        (offset, turn, elements)
    }

    #[inline(always)]
    fn params_of_mut<'a, T>(&self, params: &'a mut [T]) -> (&'a mut [T], &'a mut [T], &'a mut [T]) {
        let (offset, rest) = params.split_at_mut(self.offset);
        let (turn, elements) = rest.split_at_mut(self.turn.0);
        (offset, turn, elements)
    }

    /// Prepared numbers of dimension `d`.
    #[inline(always)]
    fn of<'a, T>(&self, elements: &'a [T], d: usize) -> &'a [T] {
        &elements[d * self.elements.1..][..self.elements.1]
    }

    #[inline(always)]
    fn of_mut<'a, T>(&self, elements: &'a mut [T], d: usize) -> &'a mut [T] {
        &mut elements[d * self.elements.1..][..self.elements.1]
    }

    /// y, ln y' and their derivatives.
    #[inline(always)]
    fn outer_of<R: Real>(&self, mix: &Mixture<R>) -> Outer<R> {
        self.outer.outer(mix)
    }

    /// The mixture of dimension `d` at `v`; leaves its sigmoids in scratch.
    #[inline(always)]
    fn mixture<R: Real, P: Lift<R>>(&self, elements: &[P], d: usize, v: R, scratch: &mut [R]) -> Mixture<R> {
        if self.skewed() {
            skewed::mixture(self.of(elements, d), v)
        } else {
            let sigmoids = &mut scratch[self.sigmoids() + d * 2 * self.count..][..2 * self.count];
            mixture::mixture(self.of(elements, d), v, sigmoids)
        }
    }

    /// Evaluates dimension `d` at `v` and keeps in scratch what derivatives need.
    #[inline(always)]
    fn evaluate<R: Real, P: Lift<R>>(&self, elements: &[P], d: usize, v: R, scratch: &mut [R]) -> Mixture<R> {
        let mix = self.mixture(elements, d, v, scratch);
        scratch[4 * d] = v;
        scratch[4 * d + 1..4 * d + 4].copy_from_slice(&mix.kept);
        mix
    }

    /// The mixture of dimension `d` as [`Self::evaluate`] left it in scratch.
    #[inline(always)]
    fn recall<R: Real, P: Lift<R>>(&self, elements: &[P], d: usize, scratch: &[R]) -> Mixture<R> {
        let kept = [scratch[4 * d + 1], scratch[4 * d + 2], scratch[4 * d + 3]];
        if self.skewed() { Mixture::in_logs(kept) } else { Mixture::new(self.of(elements, d), scratch[4 * d], kept) }
    }

    /// Cotangents of ln F, ln S, ln p of dimension `d` to its argument (returned) and to its components (added to `cot`, if given).
    #[inline(always)]
    fn pull<R: Real, P: Lift<R>>(
        &self,
        elements: &[P],
        d: usize,
        mix: &Mixture<R>,
        scratch: &[R],
        cots: [R; 3],
        cot: Option<&mut [R]>,
    ) -> R {
        if self.skewed() {
            skewed::pull(self.of(elements, d), scratch[4 * d], mix, cots, cot)
        } else {
            let sigmoids = &scratch[self.sigmoids() + d * 2 * self.count..][..2 * self.count];
            mixture::pull(self.of(elements, d), scratch[4 * d], mix, sigmoids, cots, cot)
        }
    }

    /// Where component `k` alone has this logit.
    #[inline(always)]
    fn single_root<R: Real, P: Lift<R>>(&self, c: &[P], k: usize, logit: R) -> R {
        if self.skewed() {
            skewed::single_root(c, k, self.count, logit)
        } else {
            let (mean, inv_width): (R, R) = (c[0].lift(), c[1].lift());
            mean + logit * inv_width.quick_recip()
        }
    }

    /// Where the mixture of dimension `d` has this logit, and the lanes in which the search failed.
    #[inline(always)]
    fn root<R: Real, P: Lift<R>>(&self, elements: &[P], d: usize, logit: R) -> (R, R::Mask) {
        // The root of the mixture lies among those of its components, and often near their mean.
        let stride = self.components().stride();
        let components = self.of(elements, d);
        let mut low = self.single_root(&components[..stride], 0, logit);
        let (mut high, mut guess) = (low, low * components[2].lift());
        let mut stiffness: R = components[1].lift();
        for (k, c) in components.chunks_exact(stride).enumerate().skip(1) {
            let root = self.single_root(c, k, logit);
            low = low.min(root);
            high = high.max(root);
            guess += root * c[2].lift();
            stiffness = stiffness.max(c[1].lift());
        }
        if self.skewed() {
            return monotone_root_from(logit, guess, low, high, |x| {
                let mix = skewed::mixture(components, x);
                (mix.logit(), mix.q())
            });
        }
        monotone_root_from(logit, guess, low, high, mixture::Logit { components, stiffness })
    }
}

impl<const KIND: u8> Bijection for MixtureFlow<KIND> {
    const VECTORISED: bool = KIND != ANY;

    fn name(&self) -> &'static str {
        "g"
    }
    fn params(&self) -> usize {
        self.params
    }
    fn prepared(&self) -> usize {
        self.prepared_numbers()
    }
    fn scratch(&self) -> usize {
        self.kept() + self.dim
    }

    fn options(&self) -> Vec<Written> {
        self.options.written()
    }

    fn state(&self) -> Vec<StateTensor> {
        let mut tensors = StateTensor::list([("offsets", &[self.offset])]);
        tensors.extend(self.mode().state(self.dim, self.reflections));
        tensors.extend(if self.splines() { self.stretch().state(self.dim) } else { self.components().state(self.dim) });
        tensors
    }

    fn initial(&self, rng: &mut dyn Rng, params: &mut [f64]) {
        let (offset, turn, elements) = self.params_of_mut(params);
        offset.fill(OFFSET_START);
        for v in turn.iter_mut() {
            *v = match self.mode().0 {
                RotationMode::Householder => rng.sample(StandardNormal),
                _ => 0.0,
            };
        }
        if self.splines() {
            self.stretch().initial(self.dim, elements);
        } else {
            self.components().initial(self.dim, rng, elements);
        }
    }

    #[inline(always)]
    fn prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        let (offset, turn, elements) = self.params_of(params);
        let (offset_out, turn_out, elements_out) = self.parts_mut(prepared);
        offset_out.copy_from_slice(offset);
        self.mode().prepare(self.dim, turn, turn_out);
        if self.splines() {
            self.stretch().prepare(self.dim, elements, elements_out);
        } else {
            self.components().prepare(self.dim, elements, elements_out);
        }
    }

    #[inline(always)]
    fn prepare_vjp<P: Real>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        let (_, turn, elements) = self.params_of(params);
        let (_, turn_out, elements_out) = self.parts(prepared);
        let (cot_offset_out, cot_turn_out, cot_elements_out) = self.parts(cot_prepared);
        let (cot_offset, cot_turn, cot_elements) = self.params_of_mut(cot_params);
        add(cot_offset_out, cot_offset);
        self.mode().prepare_vjp(self.dim, turn, turn_out, cot_turn_out, cot_turn);
        if self.splines() {
            self.stretch().prepare_vjp(self.dim, elements, elements_out, cot_elements_out, cot_elements);
        } else {
            self.components().prepare_vjp(self.dim, elements, elements_out, cot_elements_out, cot_elements);
        }
    }

    #[inline(always)]
    fn inverse<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        let (offset, turn, elements) = self.parts(prepared);
        subtract(offset, x);
        self.mode().undo(self.dim, turn, x);
        for d in 0..self.dim {
            if self.splines() {
                let (y, log_slope) = self.stretch().map(self.of(elements, d), x[d], false);
                scratch[2 * d..2 * d + 2].copy_from_slice(&[x[d], y]);
                x[d] = y;
                *log_det += log_slope;
            } else {
                let mix = self.evaluate(elements, d, x[d], scratch);
                let (y, log_slope) = self.outer.value(&mix);
                x[d] = y;
                *log_det += log_slope;
            }
        }
    }

    // With t = ln F - ln S, y = h(t) and ln y' = ln h'(t) + ln p - ln F - ln S.
    #[inline(always)]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (_, turn, elements) = self.parts(prepared);
        let (cot_offset, cot_turn, cot_elements) = self.parts_mut(cot_prepared);
        let (scratch, point) = scratch.split_at_mut(self.kept());
        for d in 0..self.dim {
            let into = self.of_mut(cot_elements, d);
            if self.splines() {
                point[d] = scratch[2 * d];
                cot[d] = self.stretch().map_vjp(self.of(elements, d), point[d], false, cot[d], cot_log_det, into);
            } else {
                let mix = self.recall(elements, d, scratch);
                let outer = self.outer_of(&mix);
                let cots = outer.cots(cot[d], cot_log_det);
                point[d] = scratch[4 * d];
                cot[d] = self.pull(elements, d, &mix, scratch, cots, Some(into));
            }
        }
        self.mode().undo_vjp(self.dim, turn, point, cot, cot_turn);
        subtract(cot, cot_offset);
    }

    #[inline(always)]
    fn forward<R: Real, P: Lift<R>>(&self, prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        let (offset, turn, elements) = self.parts(prepared);
        let mut unconverged = R::Mask::splat(false);
        for d in 0..self.dim {
            if self.splines() {
                let (x, log_slope) = self.stretch().map(self.of(elements, d), z[d], true);
                scratch[2 * d..2 * d + 2].copy_from_slice(&[x, z[d]]);
                z[d] = x;
                *log_det += log_slope;
            } else {
                let (root, failed) = self.root(elements, d, self.outer.logit(z[d]));
                unconverged = unconverged | failed;
                let mix = self.evaluate(elements, d, root, scratch);
                *log_det -= self.outer.value(&mix).1;
                z[d] = root;
            }
        }
        self.mode().apply(self.dim, turn, z);
        add(offset, z);
        unconverged
    }

    // Mixtures: x = Psi^-1(y; theta), ln|dx/dy| = -l(x; theta) with l = ln Psi'. By the implicit function theorem, with
    // v = x_bar - l_bar dl/dx and y_bar = v / Psi', the parameters get the cotangents of the inverse for (-y_bar, -l_bar).
    #[inline(always)]
    fn forward_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (_, turn, elements) = self.parts(prepared);
        let (cot_offset, cot_turn, cot_elements) = self.parts_mut(cot_prepared);
        add(cot, cot_offset);
        let (scratch, turned) = scratch.split_at_mut(self.kept());
        for d in 0..self.dim {
            turned[d] = scratch[if self.splines() { 2 * d } else { 4 * d }];
        }
        self.mode().apply(self.dim, turn, turned);
        self.mode().apply_vjp(self.dim, turn, turned, cot, cot_turn);
        for d in 0..self.dim {
            let into = self.of_mut(cot_elements, d);
            if self.splines() {
                cot[d] =
                    self.stretch().map_vjp(self.of(elements, d), scratch[2 * d + 1], true, cot[d], cot_log_det, into);
                continue;
            }
            let mix = self.recall(elements, d, scratch);
            let outer = self.outer_of(&mix);
            let bend = self.pull(elements, d, &mix, scratch, outer.cots(R::zero(), -cot_log_det), None);
            let cot_y = (cot[d] + bend) * (-outer.log_slope).exp();
            self.pull(elements, d, &mix, scratch, outer.cots(-cot_y, -cot_log_det), Some(into));
            cot[d] = cot_y;
        }
    }

    /// Offset: the mean. Rotation: as without data. Mixtures and splines: at the quantiles of each rotated coordinate.
    fn initial_from_data(&self, rng: &mut dyn Rng, points: &mut [f64], params: &mut [f64]) -> bool {
        self.initial(rng, params);
        if self.offset > 0 {
            params[..self.dim].copy_from_slice(&means(self.dim, points));
        }
        let mut prepared = vec![0.0; self.prepared()];
        self.prepare(params, &mut prepared);
        let (offset, turn, _) = self.parts(&prepared);
        let mut columns = vec![Vec::with_capacity(points.len() / self.dim); self.dim];
        for row in points.chunks_exact(self.dim) {
            let mut x = row.to_vec();
            subtract(offset, &mut x);
            self.mode().undo(self.dim, turn, &mut x);
            x.iter().zip(&mut columns).for_each(|(x, column)| column.push(*x));
        }
        let (_, _, elements) = self.params_of_mut(params);
        for (d, column) in columns.iter_mut().enumerate() {
            column.sort_by(f64::total_cmp);
            if self.splines() {
                self.stretch().start(self.dim, d, column, elements);
            } else {
                self.components().start(self.dim, d, column, elements);
            }
        }
        map_rows(self, self.dim, params, points);
        true
    }
}

#[cfg(test)]
mod tests;
