//! Rational-quadratic splines of an interval onto itself (layers.md P9 and 5.2), for the layers that contain one.
//!
//! Everything happens on the unit interval: a spline of [lo, hi] onto itself is the same spline in units of hi - lo, slopes
//! included. A point is given by its distances to *both* ends ([`Ends`]), each precise near its own end, and so is
//! the result; together with the ratios new distance / old distance, which are smooth and positive up to the ends, this
//! makes what surrounds a spline (a pole of a sphere, a quantile) exact there.
//!
//! # Within a bin
//! With t in [0, 1] along the bin, s = 1 - t, and the end slopes a, b in units of the bin's mean slope:
//! ```text
//! den = t^2 + s^2 + (a + b) t s
//! part = t (t + a s) / den      rest = 1 - part = s (s + b t) / den      d part / dt = (b t^2 + 2 t s + a s^2) / den^2
//! ```
//! (J. A. Gregory and R. Delbourgo, IMA J. Numer. Anal. 2 (1982) 123, in the symmetric form: all terms are positive.) From
//! part : rest = t (t + a s) : s (s + b t) the way back is a quadratic equation for t : s whose discriminant
//! is a sum of squares and products of positive numbers.

mod bin;
#[cfg(test)]
mod tests;

use super::StateTensor;
use crate::numeric::special::{logistic, softplus};
use crate::numeric::{Dual, Lift, Mask, Real};
use bin::{Bin, Seen, piece_direct, piece_inverse};

/// What a spline looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SplineOptions {
    /// Number of bins.
    pub bins: usize,
    /// Slope at both ends; -1: free.
    pub fix_boundary_derivatives: f64,
    /// The two ends are one place and have one slope.
    pub periodic: bool,
    /// Inner slopes follow from a continuous second derivative (two or three bins).
    pub smooth_second_derivative: bool,
    /// Largest ratio of a bin's share to another's; -1: none.
    pub restrict_max_min_width_height_ratio: f64,
    /// The first width and the first height are no parameters.
    pub fix_first_width_n_height_to_zero: bool,
    /// Nor is the second width.
    pub also_fix_second_width_to_zero: bool,
    /// Heights are given relative to widths.
    pub independent_width_height_parametrization: bool,
    /// Smallest width, as a share of the interval.
    pub min_width: f64,
    /// Smallest height, as a share of the interval.
    pub min_height: f64,
    /// Smallest slope at a knot.
    pub min_derivative: f64,
}

/// Distances to the two ends of the interval, in units of its length (or what belongs to each of them).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends<R> {
    /// From the lower end.
    pub low: R,
    /// From the upper end.
    pub high: R,
}

/// A point mapped by a spline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapped<R> {
    /// Where it is now.
    pub to: Ends<R>,
    /// New distance / old distance.
    pub ratio: Ends<R>,
    /// ln of the derivative of the map taken.
    pub ln: R,
}

/// Cotangents of a [`Mapped`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct MappedCot<R> {
    /// Of the new distances.
    pub to: Ends<R>,
    /// Of the **logarithms** of the two ratios.
    pub ln_ratio: Ends<R>,
    /// Of ln derivative.
    pub ln: R,
}

impl SplineOptions {
    /// The defaults of layers.md 5.2.
    pub const DEFAULT: SplineOptions = SplineOptions {
        bins: 5,
        fix_boundary_derivatives: -1.0,
        periodic: false,
        smooth_second_derivative: false,
        restrict_max_min_width_height_ratio: -1.0,
        fix_first_width_n_height_to_zero: false,
        also_fix_second_width_to_zero: false,
        independent_width_height_parametrization: false,
        min_width: 1e-4,
        min_height: 1e-4,
        min_derivative: 1e-4,
    };

    const fn check(&self) {
        let bins = self.bins as f64;
        assert!(self.bins > 0, "a spline needs at least one bin");
        assert!(
            !self.smooth_second_derivative || self.bins == 2 || self.bins == 3,
            "a spline with smooth_second_derivative has two or three bins"
        );
        assert!(
            !self.smooth_second_derivative || !self.periodic,
            "a spline with smooth_second_derivative has a first and a last slope"
        );
        assert!(
            self.min_width > 0.0
                && self.min_height > 0.0
                && self.min_width * bins < 1.0
                && self.min_height * bins < 1.0,
            "min_width and min_height are positive shares of the interval that leave something free in all bins together"
        );
        assert!(self.min_derivative > 0.0, "min_derivative must be positive");
        assert!(
            self.fix_boundary_derivatives == -1.0 || self.fix_boundary_derivatives > self.min_derivative,
            "fix_boundary_derivatives is -1 (free) or larger than min_derivative"
        );
        assert!(
            self.restrict_max_min_width_height_ratio == -1.0 || self.restrict_max_min_width_height_ratio > bins - 1.0,
            "restrict_max_min_width_height_ratio is -1 (no limit) or larger than the number of bins minus one"
        );
        assert!(
            self.fix_first_width_n_height_to_zero || !self.also_fix_second_width_to_zero,
            "also_fix_second_width_to_zero needs fix_first_width_n_height_to_zero"
        );
        assert!(
            !self.also_fix_second_width_to_zero || self.bins > 1,
            "also_fix_second_width_to_zero needs a second bin"
        );
    }

    /// Whether the slopes at the ends are fixed.
    const fn fixed(&self) -> bool {
        self.fix_boundary_derivatives > 0.0
    }
    /// Whether the third bin copies the first.
    const fn symmetric(&self) -> bool {
        self.smooth_second_derivative && self.bins == 3
    }
    const fn fixed_widths(&self) -> usize {
        self.fix_first_width_n_height_to_zero as usize + self.also_fix_second_width_to_zero as usize
    }
    const fn fixed_heights(&self) -> usize {
        self.fix_first_width_n_height_to_zero as usize
    }
    const fn widths(&self) -> usize {
        self.bins - self.symmetric() as usize - self.fixed_widths()
    }
    const fn heights(&self) -> usize {
        self.bins - self.symmetric() as usize - self.fixed_heights()
    }
    const fn derivatives(&self) -> usize {
        match (self.smooth_second_derivative, self.fixed()) {
            (true, true) => 0,
            (true, false) => 2,
            (false, true) => self.bins - 1,
            (false, false) => self.bins + !self.periodic as usize,
        }
    }

    /// Place of the last slope among the raw slopes, where they are free.
    const fn last_slope(&self) -> usize {
        if self.periodic { 0 } else { self.derivatives() - 1 }
    }

    /// Number of parameters: widths, heights, derivatives.
    pub const fn params(&self) -> usize {
        self.check();
        self.widths() + self.heights() + self.derivatives()
    }
    /// The tensors of these parameters, where they are those of a layer of its own.
    pub fn state(&self) -> Vec<StateTensor> {
        StateTensor::list([
            ("rel_log_widths", &[1, self.widths()]),
            ("rel_log_heights", &[1, self.heights()]),
            ("rel_log_derivatives", &[1, self.derivatives()]),
        ])
    }
    /// Number of prepared numbers: the bins' widths, their heights, the slopes at the knots.
    pub const fn prepared(&self) -> usize {
        3 * self.bins + 1
    }

    /// Place of a bin's width among the parameters, if it is one.
    #[inline(always)]
    fn width_at(&self, bin: usize) -> Option<usize> {
        let bin = if self.symmetric() && bin == 2 { 0 } else { bin };
        bin.checked_sub(self.fixed_widths())
    }
    #[inline(always)]
    fn height_at(&self, bin: usize) -> Option<usize> {
        let bin = if self.symmetric() && bin == 2 { 0 } else { bin };
        bin.checked_sub(self.fixed_heights()).map(|i| self.widths() + i)
    }
    #[inline(always)]
    fn width_logit<P: Real>(&self, params: &[P], bin: usize) -> P {
        self.width_at(bin).map_or(P::zero(), |i| params[i])
    }
    #[inline(always)]
    fn height_logit<P: Real>(&self, params: &[P], bin: usize) -> P {
        let own = self.height_at(bin).map_or(P::zero(), |i| params[i]);
        if self.independent_width_height_parametrization { own + self.width_logit(params, bin) } else { own }
    }
    /// Bound of the absolute value of a logit under the ratio limit.
    #[inline(always)]
    fn logit_bound(&self) -> Option<f64> {
        let ratio = self.restrict_max_min_width_height_ratio;
        (ratio > 0.0).then(|| 0.5 * (ratio.ln() - ((self.bins - 1) as f64).max(1.0).ln()))
    }
    #[inline(always)]
    fn limited<P: Real>(&self, logit: P) -> P {
        match self.logit_bound() {
            Some(bound) => logistic(logit).scale(2.0 * bound) - P::constant(bound),
            None => logit,
        }
    }
    #[inline(always)]
    fn limited_derivative<P: Real>(&self, logit: P) -> P {
        match self.logit_bound() {
            Some(bound) => (logistic(logit) * logistic(-logit)).scale(2.0 * bound),
            None => P::one(),
        }
    }

    /// Parameters to widths, heights and slopes.
    #[inline]
    pub fn prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        let k = self.bins;
        let (widths, rest) = prepared.split_at_mut(k);
        let (heights, slopes) = rest.split_at_mut(k);
        for bin in 0..k {
            widths[bin] = self.limited(self.width_logit(params, bin));
            heights[bin] = self.limited(self.height_logit(params, bin));
        }
        shares(widths, self.min_width);
        shares(heights, self.min_height);

        let raw = &params[self.widths() + self.heights()..];
        let slope = |b: P| P::constant(self.min_derivative) + softplus(b);
        if self.fixed() {
            slopes[0] = P::constant(self.fix_boundary_derivatives);
            slopes[k] = slopes[0];
        } else {
            slopes[0] = slope(raw[0]);
            slopes[k] = slope(raw[self.last_slope()]);
        }
        if self.smooth_second_derivative {
            let inner = smooth_slope(k, [widths[0], widths[1], heights[0], heights[1], slopes[0], slopes[k]]);
            slopes[1..k].fill(inner);
        } else {
            let first = usize::from(!self.fixed());
            for (d, b) in slopes[1..k].iter_mut().zip(&raw[first..]) {
                *d = slope(*b);
            }
        }
    }

    /// Cotangents of [`SplineOptions::prepare`].
    #[inline]
    pub fn prepare_vjp<P: Real>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        let k = self.bins;
        let (widths, rest) = prepared.split_at(k);
        let (heights, slopes) = rest.split_at(k);
        let (cot_widths, rest) = cot_prepared.split_at(k);
        let (cot_heights, cot_slopes) = rest.split_at(k);

        // What the inner slopes of a smooth spline add, by the order of the arguments of `smooth_slope`.
        let mut added = [P::zero(); 6];
        if self.smooth_second_derivative {
            let cot = cot_slopes[1..k].iter().fold(P::zero(), |sum, c| sum + *c);
            let at = [widths[0], widths[1], heights[0], heights[1], slopes[0], slopes[k]];
            let inner = smooth_slope(k, core::array::from_fn(|i| Dual::<P, 6>::input(at[i], i)));
            added = inner.grad.map(|g| g * cot);
        }

        let raw = self.widths() + self.heights();
        let mut slope = |place: usize, cot: P| cot_params[raw + place] += cot * logistic(params[raw + place]);
        if !self.fixed() {
            slope(0, cot_slopes[0] + added[4]);
            slope(self.last_slope(), cot_slopes[k] + added[5]);
        }
        if !self.smooth_second_derivative {
            let first = usize::from(!self.fixed());
            for (i, cot) in cot_slopes[1..k].iter().enumerate() {
                slope(first + i, *cot);
            }
        }

        let cot_width = |bin: usize| if bin < 2 { cot_widths[bin] + added[bin] } else { cot_widths[bin] };
        let cot_height = |bin: usize| if bin < 2 { cot_heights[bin] + added[2 + bin] } else { cot_heights[bin] };
        let mean_width = shares_mean(widths, self.min_width, cot_width);
        let mean_height = shares_mean(heights, self.min_height, cot_height);
        for bin in 0..k {
            let mut cot = (widths[bin] - P::constant(self.min_width)) * (cot_width(bin) - mean_width);
            cot *= self.limited_derivative(self.width_logit(params, bin));
            let mut up = (heights[bin] - P::constant(self.min_height)) * (cot_height(bin) - mean_height);
            up *= self.limited_derivative(self.height_logit(params, bin));
            if self.independent_width_height_parametrization {
                cot += up;
            }
            if let Some(i) = self.width_at(bin) {
                cot_params[i] += cot;
            }
            if let Some(i) = self.height_at(bin) {
                cot_params[i] += up;
            }
        }
    }

    /// The spline.
    #[inline(always)]
    pub fn direct<R: Real, P: Lift<R>>(&self, prepared: &[P], at: Ends<R>) -> Mapped<R> {
        self.map(prepared, at, false)
    }
    /// Its inverse.
    #[inline(always)]
    pub fn inverse<R: Real, P: Lift<R>>(&self, prepared: &[P], at: Ends<R>) -> Mapped<R> {
        self.map(prepared, at, true)
    }
    /// Cotangents of [`SplineOptions::direct`] at the point `at`: returns those of the two distances, adds those of the prepared numbers.
    #[inline(always)]
    pub fn direct_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        at: Ends<R>,
        cot: MappedCot<R>,
        cot_prepared: &mut [R],
    ) -> Ends<R> {
        self.map_vjp(prepared, at, cot, cot_prepared, false)
    }
    /// Cotangents of [`SplineOptions::inverse`] at the point `at` that it was given.
    #[inline(always)]
    pub fn inverse_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        at: Ends<R>,
        cot: MappedCot<R>,
        cot_prepared: &mut [R],
    ) -> Ends<R> {
        self.map_vjp(prepared, at, cot, cot_prepared, true)
    }

    #[inline(always)]
    fn map<R: Real, P: Lift<R>>(&self, prepared: &[P], at: Ends<R>, inverse: bool) -> Mapped<R> {
        let seen = Seen::from(at);
        let bin = self.bin(prepared, &seen, inverse);
        let (t, a, b) = bin.arguments(seen.near, inverse);
        let piece = if inverse { piece_inverse(t, a, b) } else { piece_direct(t, a, b) };

        let near = bin.out_start + bin.out_size * piece.part;
        let far = bin.out_beyond + bin.out_size * piece.rest;
        let steep = bin.out_size / bin.size;
        let outer = bin.outer();
        let near_ratio = R::select(outer, steep * piece.over, near / R::select(outer, R::one(), seen.near));
        Mapped {
            to: seen.place(near, far),
            ratio: seen.place(near_ratio, far / seen.far),
            ln: (steep * piece.slope).ln(),
        }
    }

    #[inline(always)]
    fn map_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        at: Ends<R>,
        cot: MappedCot<R>,
        cot_prepared: &mut [R],
        inverse: bool,
    ) -> Ends<R> {
        let seen = Seen::from(at);
        let bin = self.bin(prepared, &seen, inverse);
        let (t, a, b) = bin.arguments(seen.near, inverse);
        let (td, ad, bd) = (Dual::<R, 3>::input(t, 0), Dual::input(a, 1), Dual::input(b, 2));
        let piece = if inverse { piece_inverse(td, ad, bd) } else { piece_direct(td, ad, bd) };

        // Backwards through `map`; `size` and `out_size` are those of the bin along the argument and along the result.
        let (mut cot_near, mut cot_far) = seen.take(cot.to);
        let (cot_near_ratio, cot_far_ratio) = seen.take(cot.ln_ratio);
        let outer = bin.outer();
        let near = bin.out_start + bin.out_size * piece.part.value;
        let far = bin.out_beyond + bin.out_size * piece.rest.value;

        cot_far += cot_far_ratio / far;
        let cot_at_far = -cot_far_ratio / seen.far;
        // ln ratio = ln(out_size / size) + ln over in the outer bin, ln(near / at) in the others.
        let in_outer = R::select(outer, cot_near_ratio, R::zero());
        let in_inner = R::select(outer, R::zero(), cot_near_ratio);
        cot_near += in_inner / R::select(outer, R::one(), near);
        let mut cot_at_near = -in_inner / R::select(outer, R::one(), seen.near);

        let steepness = in_outer + cot.ln;
        let mut cot_size = -steepness / bin.size;
        let mut cot_out_size = steepness / bin.out_size + cot_near * piece.part.value + cot_far * piece.rest.value;
        let cot_part = cot_near * bin.out_size;
        let cot_rest = cot_far * bin.out_size;
        let cot_over = in_outer / piece.over.value;
        let cot_slope = cot.ln / piece.slope.value;
        let [cot_t, cot_a, cot_b]: [R; 3] = core::array::from_fn(|i| {
            cot_part * piece.part.grad[i]
                + cot_rest * piece.rest.grad[i]
                + cot_over * piece.over.grad[i]
                + cot_slope * piece.slope.grad[i]
        });

        // t = (at - start) / size; a = slope * width / height.
        cot_at_near += cot_t / bin.size;
        let cot_start = -cot_t / bin.size;
        cot_size -= cot_t * t / bin.size;
        let flatness = cot_a * a + cot_b * b;
        let per_slope = if inverse { bin.out_size / bin.size } else { bin.size / bin.out_size };
        if inverse {
            cot_size -= flatness / bin.size;
            cot_out_size += flatness / bin.out_size;
        } else {
            cot_size += flatness / bin.size;
            cot_out_size -= flatness / bin.out_size;
        }
        let parts = Bin {
            start: cot_start,
            size: cot_size,
            out_start: cot_near,
            out_size: cot_out_size,
            out_beyond: cot_far,
            slope_near: cot_a * per_slope,
            slope_far: cot_b * per_slope,
        };
        self.bin_vjp(prepared, &seen, parts, cot_prepared, inverse);
        seen.place(cot_at_near, cot_at_far)
    }

    /// The bin that a point is in, counted from its nearer end.
    #[inline(always)]
    fn bin<R: Real, P: Lift<R>>(&self, prepared: &[P], seen: &Seen<R>, inverse: bool) -> Bin<R> {
        let (from, to, slopes) = self.split(prepared, inverse);
        let mut bin = Bin {
            start: R::zero(),
            size: seen.pick(from, 0),
            out_start: R::zero(),
            out_size: seen.pick(to, 0),
            out_beyond: R::zero(),
            slope_near: seen.pick(slopes, 0),
            slope_far: seen.pick(slopes, 1),
        };
        let (mut edge, mut out_edge) = (bin.size, bin.out_size);
        for i in 1..self.bins {
            let (size, out_size) = (seen.pick(from, i), seen.pick(to, i));
            let here = edge.le(seen.near);
            bin.start = R::select(here, edge, bin.start);
            bin.size = R::select(here, size, bin.size);
            bin.out_start = R::select(here, out_edge, bin.out_start);
            bin.out_size = R::select(here, out_size, bin.out_size);
            bin.out_beyond = R::select(here, R::zero(), bin.out_beyond + out_size);
            bin.slope_near = R::select(here, seen.pick(slopes, i), bin.slope_near);
            bin.slope_far = R::select(here, seen.pick(slopes, i + 1), bin.slope_far);
            edge += size;
            out_edge += out_size;
        }
        bin
    }

    /// Cotangents of [`SplineOptions::bin`].
    #[inline(always)]
    fn bin_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        seen: &Seen<R>,
        cot: Bin<R>,
        cot_prepared: &mut [R],
        inverse: bool,
    ) {
        let k = self.bins;
        let (from, _, _) = self.split(prepared, inverse);
        let (cot_widths, rest) = cot_prepared.split_at_mut(k);
        let (cot_heights, cot_slopes) = rest.split_at_mut(k);
        let (cot_from, cot_to) = if inverse { (cot_heights, cot_widths) } else { (cot_widths, cot_heights) };
        let mut edge = R::zero();
        for i in 0..k {
            let next = edge + seen.pick(from, i);
            // Whether the point is in a later bin, or in this one, or in an earlier one. The last bin has no end.
            let later = if i + 1 < k { next.le(seen.near) } else { R::Mask::splat(false) };
            let reached = if i == 0 { R::Mask::splat(true) } else { edge.le(seen.near) };
            let here = |this: R, before: R, beyond: R| R::select(later, before, R::select(reached, this, beyond));
            seen.give(cot_from, i, here(cot.size, cot.start, R::zero()));
            seen.give(cot_to, i, here(cot.out_size, cot.out_start, cot.out_beyond));
            seen.give(cot_slopes, i, here(cot.slope_near, R::zero(), R::zero()));
            seen.give(cot_slopes, i + 1, here(cot.slope_far, R::zero(), R::zero()));
            edge = next;
        }
    }

    /// Sizes of the bins along the argument and along the result, and the slopes.
    #[inline(always)]
    fn split<'a, P>(&self, prepared: &'a [P], inverse: bool) -> (&'a [P], &'a [P], &'a [P]) {
        let (widths, rest) = prepared.split_at(self.bins);
        let (heights, slopes) = rest.split_at(self.bins);
        if inverse { (heights, widths, slopes) } else { (widths, heights, slopes) }
    }
}

/// Logits to shares of the interval, none below `least`.
#[inline]
pub(super) fn shares<P: Real>(logits: &mut [P], least: f64) {
    let free = 1.0 - least * logits.len() as f64;
    let largest = logits.iter().fold(logits[0], |m, a| m.max(*a));
    let mut sum = P::zero();
    for a in logits.iter_mut() {
        *a = (*a - largest).exp();
        sum += *a;
    }
    let each = P::constant(free) / sum;
    for a in logits.iter_mut() {
        *a = P::constant(least) + *a * each;
    }
}

/// The mean of cotangents that [`shares`] takes off each: a_i_bar = (share_i - least) (c_i - mean).
#[inline]
pub(super) fn shares_mean<P: Real>(shares: &[P], least: f64, cot: impl Fn(usize) -> P) -> P {
    let free = 1.0 - least * shares.len() as f64;
    let sum = shares.iter().enumerate().fold(P::zero(), |sum, (i, w)| sum + (*w - P::constant(least)) * cot(i));
    sum.scale(1.0 / free)
}

/// The slope at the inner knots of a smooth spline: the positive root of d^2 - 2 A d - p = 0 that makes the second derivative continuous.
///
/// Two bins: that of the one inner knot. Three bins, the third like the first and the two inner slopes the same.
#[inline]
fn smooth_slope<P: Real>(bins: usize, [w1, w2, h1, h2, first, last]: [P; 6]) -> P {
    let (half_sum, product) = if bins == 2 {
        let sum = h1 + h2;
        let (p1, p2) = (h1 / sum, h2 / sum);
        ((p1 * (h2 / w2 - last) + p2 * (h1 / w1 - first)).scale(0.5), h1 * h2 * (p1 / w1.square() + p2 / w2.square()))
    } else {
        let n = w1 * w2 * (h1 + h1 + h2);
        (
            (h2 * (h1 * (w1 + w2) - first * w1 * w2) / n).scale(0.5),
            h1 * h2 * (h1 * w2.square() + h2 * w1.square()) / (n * w1 * w2),
        )
    };
    let root = (half_sum.square() + product).sqrt();
    let falling = half_sum.lt(P::zero());
    P::select(falling, product / (root - half_sum), half_sum + root)
}
