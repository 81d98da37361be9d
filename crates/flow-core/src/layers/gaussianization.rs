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

use super::components::Components;
use super::identity::{OFFSET_START, add, means, subtract};
use super::mixture::{self, Mixture};
use super::outer::{Outer, Quantile};
use super::rotation_mode::Turn;
use super::stretch::Stretch;
use super::width::WidthRegulator;
use super::{Layer, Options, Place, StateTensor, skewed};
use crate::manifolds::Euclidean;
use crate::numeric::root::monotone_root_from;
use crate::numeric::{Lift, Mask, Real};
use core::marker::PhantomData;
use flow_notation::Written;
use flow_notation::options::{GaussianizationOptions, InverseFunction, RotationMode, StretchType};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// Layer g: a rotation and one mixture of logistics per dimension.
pub struct Gaussianization<const D: usize, Pos, Opts>(PhantomData<(Pos, Opts)>);

impl<const D: usize, Pos: Place, Opts: Options<GaussianizationOptions>> Gaussianization<D, Pos, Opts> {
    const K: usize = Opts::VALUE.num_kde as usize;
    const OFFSET: usize = if Pos::LAST && !Opts::VALUE.skip_model_offset { D } else { 0 };
    const REFLECTIONS: usize =
        if Opts::VALUE.num_householder_iter < 0 { D } else { Opts::VALUE.num_householder_iter as usize };
    const MODE: Turn = Turn(Opts::VALUE.rotation_mode);
    /// Rotation parameters, and prepared rotation numbers.
    const TURN: (usize, usize) = (Self::MODE.params(D, Self::REFLECTIONS), Self::MODE.prepared(D, Self::REFLECTIONS));
    /// What the mixture's distribution function is mapped to (layers.md 2.3: the first letter ends in a normal variable, unless
    /// it carries the offset).
    const OUTER: Quantile = Quantile(match Opts::VALUE.inverse_function_type {
        InverseFunction::Isigmoid if Pos::FIRST && Self::OFFSET == 0 && Opts::VALUE.replace_first_sigmoid_with_icdf => {
            InverseFunction::InormalPartlyPrecise
        }
        written => written,
    });
    const SPLINES: bool = matches!(Opts::VALUE.nonlinear_stretch_type, StretchType::RqSplines);
    const SKEWED: bool = Opts::VALUE.add_skewness;
    const STRETCH: Stretch = Stretch { bins: Self::K };
    const COMPONENTS: Components = Components {
        count: Self::K,
        fit_weights: Opts::VALUE.fit_normalization,
        weight_bounds: if Opts::VALUE.regulate_normalization {
            Some((Opts::VALUE.lower_bound_for_norms, Opts::VALUE.upper_bound_for_norms))
        } else {
            None
        },
        widths: WidthRegulator {
            softplus: Opts::VALUE.softplus_for_width,
            clamp: Opts::VALUE.clamp_widths,
            smooth: Opts::VALUE.width_smooth_saturation,
            lower: Opts::VALUE.lower_bound_for_widths,
            upper: Opts::VALUE.upper_bound_for_widths,
        },
        center_mean: Opts::VALUE.center_mean,
        skewed: Self::SKEWED,
    };
    /// Parameters of the elementwise part, and its prepared numbers of a dimension.
    const ELEMENTS: (usize, usize) = if Self::SPLINES {
        (Self::STRETCH.params(D), Self::STRETCH.per_dim())
    } else {
        (Self::COMPONENTS.params(D), Self::COMPONENTS.per_dim())
    };
    /// Scratch of a mixture: its argument x and F, S, p for each dimension (ln F, ln S, ln q, if it is skewed), then two sigmoids
    /// a component (none, if it is). Scratch of splines: x and y for each dimension.
    const SIGMOIDS: usize = 4 * D;
    const KEPT: usize = if Self::SPLINES {
        2 * D
    } else if Self::SKEWED {
        Self::SIGMOIDS
    } else {
        Self::SIGMOIDS + 2 * Self::K * D
    };

    /// The offset, the rotation and the mixtures among prepared numbers.
    #[inline(always)]
    fn parts<T>(prepared: &[T]) -> (&[T], &[T], &[T]) {
        let (offset, rest) = prepared.split_at(Self::OFFSET);
        let (turn, elements) = rest.split_at(Self::TURN.1);
        (offset, turn, elements)
    }

    #[inline(always)]
    fn parts_mut<T>(prepared: &mut [T]) -> (&mut [T], &mut [T], &mut [T]) {
        let (offset, rest) = prepared.split_at_mut(Self::OFFSET);
        let (turn, elements) = rest.split_at_mut(Self::TURN.1);
        (offset, turn, elements)
    }

    /// The same among parameters.
    #[inline(always)]
    fn params<T>(params: &[T]) -> (&[T], &[T], &[T]) {
        let (offset, rest) = params.split_at(Self::OFFSET);
        let (turn, elements) = rest.split_at(Self::TURN.0);
        (offset, turn, elements)
    }

    #[inline(always)]
    fn params_mut<T>(params: &mut [T]) -> (&mut [T], &mut [T], &mut [T]) {
        let (offset, rest) = params.split_at_mut(Self::OFFSET);
        let (turn, elements) = rest.split_at_mut(Self::TURN.0);
        (offset, turn, elements)
    }

    /// Prepared numbers of dimension `d`.
    #[inline(always)]
    fn of<T>(elements: &[T], d: usize) -> &[T] {
        &elements[d * Self::ELEMENTS.1..][..Self::ELEMENTS.1]
    }

    #[inline(always)]
    fn of_mut<T>(elements: &mut [T], d: usize) -> &mut [T] {
        &mut elements[d * Self::ELEMENTS.1..][..Self::ELEMENTS.1]
    }

    /// y, ln y' and their derivatives.
    #[inline(always)]
    fn outer<R: Real>(mix: &Mixture<R>) -> Outer<R> {
        Self::OUTER.outer(mix)
    }

    /// The mixture of dimension `d` at `v`; leaves its sigmoids in scratch.
    #[inline(always)]
    fn mixture<R: Real, P: Lift<R>>(elements: &[P], d: usize, v: R, scratch: &mut [R]) -> Mixture<R> {
        if Self::SKEWED {
            skewed::mixture(Self::of(elements, d), v)
        } else {
            let sigmoids = &mut scratch[Self::SIGMOIDS + d * 2 * Self::K..][..2 * Self::K];
            mixture::mixture(Self::of(elements, d), v, sigmoids)
        }
    }

    /// Evaluates dimension `d` at `v` and keeps in scratch what derivatives need.
    #[inline(always)]
    fn evaluate<R: Real, P: Lift<R>>(elements: &[P], d: usize, v: R, scratch: &mut [R]) -> Mixture<R> {
        let mix = Self::mixture(elements, d, v, scratch);
        scratch[4 * d] = v;
        scratch[4 * d + 1..4 * d + 4].copy_from_slice(&mix.kept);
        mix
    }

    /// The mixture of dimension `d` as [`Self::evaluate`] left it in scratch.
    #[inline(always)]
    fn recall<R: Real, P: Lift<R>>(elements: &[P], d: usize, scratch: &[R]) -> Mixture<R> {
        let kept = [scratch[4 * d + 1], scratch[4 * d + 2], scratch[4 * d + 3]];
        if Self::SKEWED { Mixture::in_logs(kept) } else { Mixture::new(Self::of(elements, d), scratch[4 * d], kept) }
    }

    /// Cotangents of ln F, ln S, ln p of dimension `d` to its argument (returned) and to its components (added to `cot`, if given).
    #[inline(always)]
    fn pull<R: Real, P: Lift<R>>(
        elements: &[P],
        d: usize,
        mix: &Mixture<R>,
        scratch: &[R],
        cots: [R; 3],
        cot: Option<&mut [R]>,
    ) -> R {
        if Self::SKEWED {
            skewed::pull(Self::of(elements, d), scratch[4 * d], mix, cots, cot)
        } else {
            let sigmoids = &scratch[Self::SIGMOIDS + d * 2 * Self::K..][..2 * Self::K];
            mixture::pull(Self::of(elements, d), scratch[4 * d], mix, sigmoids, cots, cot)
        }
    }

    /// Where component `k` alone has this logit.
    #[inline(always)]
    fn single_root<R: Real, P: Lift<R>>(c: &[P], k: usize, logit: R) -> R {
        if Self::SKEWED {
            skewed::single_root(c, k, Self::K, logit)
        } else {
            let (mean, inv_width): (R, R) = (c[0].lift(), c[1].lift());
            mean + logit * inv_width.quick_recip()
        }
    }

    /// Where the mixture of dimension `d` has this logit, and the lanes in which the search failed.
    #[inline(always)]
    fn root<R: Real, P: Lift<R>>(elements: &[P], d: usize, logit: R) -> (R, R::Mask) {
        // The root of the mixture lies among those of its components, and often near their mean.
        let stride = Self::COMPONENTS.stride();
        let components = Self::of(elements, d);
        let mut low = Self::single_root(&components[..stride], 0, logit);
        let (mut high, mut guess) = (low, low * components[2].lift());
        let mut stiffness: R = components[1].lift();
        for (k, c) in components.chunks_exact(stride).enumerate().skip(1) {
            let root = Self::single_root(c, k, logit);
            low = low.min(root);
            high = high.max(root);
            guess += root * c[2].lift();
            stiffness = stiffness.max(c[1].lift());
        }
        if Self::SKEWED {
            return monotone_root_from(logit, guess, low, high, |x| {
                let mix = skewed::mixture(components, x);
                (mix.logit(), mix.q())
            });
        }
        monotone_root_from(logit, guess, low, high, mixture::Logit { components, stiffness })
    }
}

impl<const D: usize, Pos: Place, Opts: Options<GaussianizationOptions>> Layer<Euclidean<D>>
    for Gaussianization<D, Pos, Opts>
{
    const PARAMS: usize = Self::OFFSET + Self::TURN.0 + Self::ELEMENTS.0;
    const PREPARED: usize = Self::OFFSET + Self::TURN.1 + Self::ELEMENTS.1 * D;
    const SCRATCH: usize = Self::KEPT;
    const NAME: &'static str = "g";
    const WIDE: bool = !Self::SPLINES && !Self::SKEWED && matches!(Self::MODE.0, RotationMode::Householder);

    fn options() -> Vec<Written> {
        Opts::VALUE.written()
    }

    fn state() -> Vec<StateTensor> {
        let mut tensors = StateTensor::list([("offsets", &[Self::OFFSET])]);
        tensors.extend(Self::MODE.state(D, Self::REFLECTIONS));
        tensors.extend(if Self::SPLINES { Self::STRETCH.state(D) } else { Self::COMPONENTS.state(D) });
        tensors
    }

    fn initial<G: Rng + ?Sized>(rng: &mut G, params: &mut [f64]) {
        let (offset, turn, elements) = Self::params_mut(params);
        offset.fill(OFFSET_START);
        for v in turn.iter_mut() {
            *v = match Self::MODE.0 {
                RotationMode::Householder => rng.sample(StandardNormal),
                _ => 0.0,
            };
        }
        if Self::SPLINES {
            Self::STRETCH.initial(D, elements);
        } else {
            Self::COMPONENTS.initial(D, rng, elements);
        }
    }

    #[inline(always)]
    fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        let (offset, turn, elements) = Self::params(params);
        let (offset_out, turn_out, elements_out) = Self::parts_mut(prepared);
        offset_out.copy_from_slice(offset);
        Self::MODE.prepare::<D, P>(turn, turn_out);
        if Self::SPLINES {
            Self::STRETCH.prepare(D, elements, elements_out);
        } else {
            Self::COMPONENTS.prepare(D, elements, elements_out);
        }
    }

    #[inline(always)]
    fn prepare_vjp<P: Real>(params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        let (_, turn, elements) = Self::params(params);
        let (_, turn_out, elements_out) = Self::parts(prepared);
        let (cot_offset_out, cot_turn_out, cot_elements_out) = Self::parts(cot_prepared);
        let (cot_offset, cot_turn, cot_elements) = Self::params_mut(cot_params);
        add(cot_offset_out, cot_offset);
        Self::MODE.prepare_vjp::<D, P>(turn, turn_out, cot_turn_out, cot_turn);
        if Self::SPLINES {
            Self::STRETCH.prepare_vjp(D, elements, elements_out, cot_elements_out, cot_elements);
        } else {
            Self::COMPONENTS.prepare_vjp(D, elements, elements_out, cot_elements_out, cot_elements);
        }
    }

    #[inline(always)]
    fn inverse<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        let (offset, turn, elements) = Self::parts(prepared);
        subtract(offset, x);
        Self::MODE.undo::<D, R, P>(turn, x);
        for d in 0..D {
            if Self::SPLINES {
                let (y, log_slope) = Self::STRETCH.map(Self::of(elements, d), x[d], false);
                scratch[2 * d..2 * d + 2].copy_from_slice(&[x[d], y]);
                x[d] = y;
                *log_det += log_slope;
            } else {
                let mix = Self::evaluate(elements, d, x[d], scratch);
                let (y, log_slope) = Self::OUTER.value(&mix);
                x[d] = y;
                *log_det += log_slope;
            }
        }
    }

    // With t = ln F - ln S, y = h(t) and ln y' = ln h'(t) + ln p - ln F - ln S.
    #[inline(always)]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (_, turn, elements) = Self::parts(prepared);
        let (cot_offset, cot_turn, cot_elements) = Self::parts_mut(cot_prepared);
        let mut point = [R::zero(); D];
        for d in 0..D {
            let into = Self::of_mut(cot_elements, d);
            if Self::SPLINES {
                point[d] = scratch[2 * d];
                cot[d] = Self::STRETCH.map_vjp(Self::of(elements, d), point[d], false, cot[d], cot_log_det, into);
            } else {
                let mix = Self::recall(elements, d, scratch);
                let outer = Self::outer(&mix);
                let cots = outer.cots(cot[d], cot_log_det);
                point[d] = scratch[4 * d];
                cot[d] = Self::pull(elements, d, &mix, scratch, cots, Some(into));
            }
        }
        Self::MODE.undo_vjp::<D, R, P>(turn, &mut point, cot, cot_turn);
        subtract(cot, cot_offset);
    }

    #[inline(always)]
    fn forward<R: Real, P: Lift<R>>(prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        let (offset, turn, elements) = Self::parts(prepared);
        let mut unconverged = R::Mask::splat(false);
        for d in 0..D {
            if Self::SPLINES {
                let (x, log_slope) = Self::STRETCH.map(Self::of(elements, d), z[d], true);
                scratch[2 * d..2 * d + 2].copy_from_slice(&[x, z[d]]);
                z[d] = x;
                *log_det += log_slope;
            } else {
                let (root, failed) = Self::root(elements, d, Self::OUTER.logit(z[d]));
                unconverged = unconverged | failed;
                let mix = Self::evaluate(elements, d, root, scratch);
                *log_det -= Self::OUTER.value(&mix).1;
                z[d] = root;
            }
        }
        Self::MODE.apply::<D, R, P>(turn, z);
        add(offset, z);
        unconverged
    }

    // Mixtures: x = Psi^-1(y; theta), ln|dx/dy| = -l(x; theta) with l = ln Psi'. By the implicit function theorem, with
    // v = x_bar - l_bar dl/dx and y_bar = v / Psi', the parameters get the cotangents of the inverse for (-y_bar, -l_bar).
    #[inline(always)]
    fn forward_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (_, turn, elements) = Self::parts(prepared);
        let (cot_offset, cot_turn, cot_elements) = Self::parts_mut(cot_prepared);
        add(cot, cot_offset);
        let mut turned = [R::zero(); D];
        for d in 0..D {
            turned[d] = scratch[if Self::SPLINES { 2 * d } else { 4 * d }];
        }
        Self::MODE.apply::<D, R, P>(turn, &mut turned);
        Self::MODE.apply_vjp::<D, R, P>(turn, &mut turned, cot, cot_turn);
        for d in 0..D {
            let into = Self::of_mut(cot_elements, d);
            if Self::SPLINES {
                cot[d] =
                    Self::STRETCH.map_vjp(Self::of(elements, d), scratch[2 * d + 1], true, cot[d], cot_log_det, into);
                continue;
            }
            let mix = Self::recall(elements, d, scratch);
            let outer = Self::outer(&mix);
            let bend = Self::pull(elements, d, &mix, scratch, outer.cots(R::zero(), -cot_log_det), None);
            let cot_y = (cot[d] + bend) * (-outer.log_slope).exp();
            Self::pull(elements, d, &mix, scratch, outer.cots(-cot_y, -cot_log_det), Some(into));
            cot[d] = cot_y;
        }
    }

    /// Offset: the mean. Rotation: as without data. Mixtures and splines: at the quantiles of each rotated coordinate.
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
            Self::MODE.undo::<D, f64, f64>(turn, &mut x);
            x.iter().zip(&mut columns).for_each(|(x, column)| column.push(*x));
        }
        let (_, _, elements) = Self::params_mut(params);
        for (d, column) in columns.iter_mut().enumerate() {
            column.sort_by(f64::total_cmp);
            if Self::SPLINES {
                Self::STRETCH.start(D, d, column, elements);
            } else {
                Self::COMPONENTS.start(D, d, column, elements);
            }
        }
        super::map_rows::<Euclidean<D>, Self>(params, points);
        true
    }
}

#[cfg(test)]
mod tests;
