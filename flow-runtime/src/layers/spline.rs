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

use super::StateTensor;
use crate::numeric::special::{logistic, softplus};
use crate::numeric::{Dual, Lift, Mask, Real};

/// What a spline looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SplineOptions {
    /// Number of bins.
    pub bins: usize,
    /// Slope at both ends; -1: free.
    pub fix_boundary_derivatives: f64,
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
            (false, false) => self.bins + 1,
        }
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
            slopes[k] = slope(raw[self.derivatives() - 1]);
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
            slope(self.derivatives() - 1, cot_slopes[k] + added[5]);
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
pub(super) fn shares_mean<P: Real>(shares: &[P], least: f64, cot: impl Fn(usize) -> P) -> P {
    let free = 1.0 - least * shares.len() as f64;
    let sum = shares.iter().enumerate().fold(P::zero(), |sum, (i, w)| sum + (*w - P::constant(least)) * cot(i));
    sum.scale(1.0 / free)
}

/// The slope at the inner knots of a smooth spline: the positive root of d^2 - 2 A d - p = 0 that makes the second derivative continuous.
///
/// Two bins: that of the one inner knot. Three bins, the third like the first and the two inner slopes the same.
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

/// A point as seen from the end of the interval that it is nearer to.
struct Seen<R: Real> {
    /// Distance to the nearer end.
    near: R,
    /// Distance to the other.
    far: R,
    /// Whether the nearer end is the upper one.
    turned: R::Mask,
}

impl<R: Real> Seen<R> {
    /// Rounding may have carried a point outside: it is read as the end.
    #[inline(always)]
    fn from(at: Ends<R>) -> Self {
        let inside = |d: R| R::select(d.lt(R::zero()), R::zero(), d);
        let (low, high) = (inside(at.low), inside(at.high));
        let turned = high.lt(low);
        Seen { near: R::select(turned, high, low), far: R::select(turned, low, high), turned }
    }
    /// Values for the nearer and the other end, put back in place.
    #[inline(always)]
    fn place(&self, near: R, far: R) -> Ends<R> {
        Ends { low: R::select(self.turned, far, near), high: R::select(self.turned, near, far) }
    }
    /// Values of the nearer and the other end.
    #[inline(always)]
    fn take(&self, ends: Ends<R>) -> (R, R) {
        (R::select(self.turned, ends.high, ends.low), R::select(self.turned, ends.low, ends.high))
    }
    /// Number `index` of a list, counted from the nearer end.
    #[inline(always)]
    fn pick<P: Lift<R>>(&self, list: &[P], index: usize) -> R {
        R::select(self.turned, list[list.len() - 1 - index].lift(), list[index].lift())
    }
    /// Adds to number `index` of a list, counted from the nearer end.
    #[inline(always)]
    fn give(&self, list: &mut [R], index: usize, value: R) {
        let mirrored = list.len() - 1 - index;
        list[index] += R::select(self.turned, R::zero(), value);
        list[mirrored] += R::select(self.turned, value, R::zero());
    }
}

/// A bin, counted from the end that the point is nearer to; or cotangents of these numbers.
struct Bin<R> {
    /// Distance of its nearer knot from the nearer end, along the argument.
    start: R,
    /// Its size along the argument.
    size: R,
    /// Distance of its nearer knot from the nearer end, along the result.
    out_start: R,
    /// Its size along the result.
    out_size: R,
    /// Distance of its farther knot from the farther end, along the result.
    out_beyond: R,
    /// dy/dx of the spline at the nearer knot, whichever direction is taken.
    slope_near: R,
    /// dy/dx at the farther knot.
    slope_far: R,
}

impl<R: Real> Bin<R> {
    /// Place within the bin, and the end slopes in units of the mean slope.
    #[inline(always)]
    fn arguments(&self, near: R, inverse: bool) -> (R, R, R) {
        let t = (near - self.start) / self.size;
        let t = R::select(t.lt(R::zero()), R::zero(), R::select(t.gt(R::one()), R::one(), t));
        let per_slope = if inverse { self.out_size / self.size } else { self.size / self.out_size };
        (t, self.slope_near * per_slope, self.slope_far * per_slope)
    }
    /// Whether the bin begins at the end of the interval.
    #[inline(always)]
    fn outer(&self) -> R::Mask {
        self.start.le(R::zero())
    }
}

/// A point within the unit square of a bin.
struct Piece<R> {
    /// Share of the bin that lies before it.
    part: R,
    /// Share of the bin that lies behind it.
    rest: R,
    /// part / argument.
    over: R,
    /// d part / d argument.
    slope: R,
}

/// d part / dt at t and s = 1 - t.
#[inline(always)]
fn piece_slope<R: Real>(t: R, s: R, a: R, b: R) -> R {
    let (tt, ts, ss) = (t * t, t * s, s * s);
    (b * tt + ts + ts + a * ss) / (tt + ss + (a + b) * ts).square()
}

#[inline(always)]
fn piece_direct<R: Real>(t: R, a: R, b: R) -> Piece<R> {
    let s = R::one() - t;
    let den = t * t + s * s + (a + b) * t * s;
    let over = (t + a * s) / den;
    Piece { part: t * over, rest: s * (s + b * t) / den, over, slope: piece_slope(t, s, a, b) }
}

/// The way back from the share p: with q = 1 - p and B = q a - p b, q r^2 + B r - p = 0 for r = t / s.
#[inline(always)]
fn piece_inverse<R: Real>(p: R, a: R, b: R) -> Piece<R> {
    let q = R::one() - p;
    let linear = q * a - p * b;
    let root = (linear.square() + (p * q).scale(4.0)).sqrt();
    // t : s, and t / p, each without cancellation. Where B < 0, p > 0.
    let falling = linear.lt(R::zero());
    let before = R::select(falling, root - linear, p + p);
    let behind = R::select(falling, q + q, linear + root);
    let all = before + behind;
    let (t, s) = (before / all, behind / all);
    let over = R::select(falling, t / R::select(falling, p, R::one()), R::constant(2.0) / all);
    Piece { part: t, rest: s, over, slope: piece_slope(t, s, a, b).recip() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::special::normal_quantile;
    use crate::numeric::{Lanes, Pack};
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    use rand_distr::StandardNormal;

    const PLAIN: SplineOptions = SplineOptions::DEFAULT;
    const SMOOTH_2: SplineOptions =
        SplineOptions { bins: 2, smooth_second_derivative: true, fix_boundary_derivatives: 1.0, ..PLAIN };
    const SMOOTH_3: SplineOptions = SplineOptions { bins: 3, smooth_second_derivative: true, ..PLAIN };
    const TIED_3: SplineOptions = SplineOptions {
        fix_boundary_derivatives: 1.0,
        fix_first_width_n_height_to_zero: true,
        also_fix_second_width_to_zero: true,
        independent_width_height_parametrization: true,
        ..SMOOTH_3
    };
    const ALL: [SplineOptions; 9] = [
        PLAIN,
        SMOOTH_2,
        SMOOTH_3,
        TIED_3,
        SplineOptions { bins: 2, ..TIED_3 },
        SplineOptions { fix_boundary_derivatives: 1.0, restrict_max_min_width_height_ratio: 30.0, ..PLAIN },
        SplineOptions {
            bins: 4,
            fix_first_width_n_height_to_zero: true,
            independent_width_height_parametrization: true,
            restrict_max_min_width_height_ratio: 30.0,
            ..PLAIN
        },
        SplineOptions { bins: 1, ..PLAIN },
        SplineOptions { bins: 2, fix_boundary_derivatives: -1.0, fix_first_width_n_height_to_zero: true, ..SMOOTH_2 },
    ];

    fn prepared(options: &SplineOptions, params: &[f64]) -> Vec<f64> {
        let mut prepared = vec![0.0; options.prepared()];
        options.prepare(params, &mut prepared);
        prepared
    }
    fn random(rng: &mut StdRng, n: usize) -> Vec<f64> {
        (0..n).map(|_| rng.sample(StandardNormal)).collect()
    }
    fn at(low: f64) -> Ends<f64> {
        Ends { low, high: 1.0 - low }
    }
    fn close(a: f64, b: f64, tolerance: f64) -> bool {
        (a - b).abs() <= tolerance * (1.0 + b.abs())
    }
    fn map(options: &SplineOptions, prepared: &[f64], at: Ends<f64>, inverse: bool) -> Mapped<f64> {
        if inverse { options.inverse(prepared, at) } else { options.direct(prepared, at) }
    }

    #[test]
    fn parameters_are_counted_as_published() {
        let counts: Vec<usize> = ALL.iter().map(|o| o.params()).collect();
        assert_eq!(counts, [16, 4, 6, 1, 1, 14, 11, 4, 4]);
    }

    #[test]
    fn both_directions_invert_each_other_up_to_the_ends() {
        let mut rng = StdRng::seed_from_u64(1);
        for options in &ALL {
            for round in 0..30 {
                let params: Vec<f64> =
                    random(&mut rng, options.params()).iter().map(|p| p * f64::from(1 + round / 10)).collect();
                let prepared = prepared(options, &params);
                let ends = [(0.0, 1.0), (1e-300, 1.0), (1e-12, 1.0 - 1e-12), (1.0, 1e-300), (1.0, 0.0)];
                let inner = (0..20).map(|_| rng.random::<f64>()).map(|u| (u, 1.0 - u));
                for (low, high) in ends.into_iter().chain(inner) {
                    let start = Ends { low, high };
                    let there = options.inverse(&prepared, start);
                    let back = options.direct(&prepared, there.to);
                    // What rounding of the point in between does to the way back.
                    let grown = 4e-15 * (1.0 + back.ln.exp());
                    assert!((back.to.low - low).abs() <= grown, "{options:?} {low}: {there:?} {back:?}");
                    assert!((back.to.high - high).abs() <= grown, "{options:?} {low}: {there:?} {back:?}");
                    for (a, b, tiny) in [
                        (back.to.low, low, low < 1e-10),
                        (back.to.high, high, high < 1e-10),
                        (there.to.low, low * there.ratio.low, true),
                        (there.to.high, high * there.ratio.high, true),
                        (there.ratio.low * back.ratio.low, 1.0, low < 1e-10),
                        (there.ratio.high * back.ratio.high, 1.0, high < 1e-10),
                        (there.ln.exp(), (-back.ln).exp(), low < 1e-10 || high < 1e-10),
                    ] {
                        assert!(!tiny || (a - b).abs() <= 1e-12 * b.abs(), "{options:?} {low}: {a} {b}");
                    }
                    assert!(close(there.to.low + there.to.high, 1.0, 1e-15));
                }
            }
        }
    }

    #[test]
    fn points_just_outside_are_the_ends() {
        let prepared = prepared(&PLAIN, &[0.3; 16]);
        for inverse in [true, false] {
            let below = map(&PLAIN, &prepared, Ends { low: -1e-16, high: 1.0 + 2e-16 }, inverse);
            let above = map(&PLAIN, &prepared, Ends { low: 1.0 + 2e-16, high: -2e-16 }, inverse);
            assert_eq!((below.to.low, above.to.high), (0.0, 0.0));
            assert!(close(below.to.high, 1.0, 1e-15) && close(above.to.low, 1.0, 1e-15));
            assert!(below.ln.is_finite() && above.ln.is_finite());
        }
        assert!(PLAIN.direct(&prepared, at(f64::NAN)).to.low.is_nan());
    }

    /// Outputs contracted with fixed weights, as a function of the point and of the parameters.
    fn objective(options: &SplineOptions, params: &[f64], low: f64, weights: &[f64], inverse: bool) -> f64 {
        let m = map(options, &prepared(options, params), at(low), inverse);
        m.to.low * weights[0]
            + m.to.high * weights[1]
            + m.ratio.low.ln() * weights[2]
            + m.ratio.high.ln() * weights[3]
            + m.ln * weights[4]
    }
    fn difference(mut f: impl FnMut(f64) -> f64) -> f64 {
        let h = 1e-5;
        (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
    }

    #[test]
    fn derivatives_equal_differences() {
        let mut rng = StdRng::seed_from_u64(2);
        for options in &ALL {
            for _ in 0..20 {
                let params = random(&mut rng, options.params());
                let weights = random(&mut rng, 5);
                let low = 0.02 + 0.96 * rng.random::<f64>();
                for inverse in [true, false] {
                    let prepared = prepared(options, &params);
                    let m = map(options, &prepared, at(low), inverse);
                    let slope = difference(|h| map(options, &prepared, at(low + h), inverse).to.low).ln();
                    assert!(close(m.ln, slope, 1e-7), "{options:?} {inverse} {low}: {} {slope}", m.ln);

                    let cot = MappedCot {
                        to: Ends { low: weights[0], high: weights[1] },
                        ln_ratio: Ends { low: weights[2], high: weights[3] },
                        ln: weights[4],
                    };
                    let mut cot_prepared = vec![0.0; options.prepared()];
                    let ends = if inverse {
                        options.inverse_vjp(&prepared, at(low), cot, &mut cot_prepared)
                    } else {
                        options.direct_vjp(&prepared, at(low), cot, &mut cot_prepared)
                    };
                    let mut cot_params = vec![0.0; options.params()];
                    options.prepare_vjp(&params, &prepared, &cot_prepared, &mut cot_params);
                    let mut pairs = vec![(
                        ends.low - ends.high,
                        difference(|h| objective(options, &params, low + h, &weights, inverse)),
                    )];
                    for k in 0..params.len() {
                        let shifted = |h: f64| {
                            let mut shifted = params.clone();
                            shifted[k] += h;
                            shifted
                        };
                        pairs.push((
                            cot_params[k],
                            difference(|h| objective(options, &shifted(h), low, &weights, inverse)),
                        ));
                    }
                    let scale = pairs.iter().fold(1.0_f64, |m, (_, d)| m.max(d.abs()));
                    for (exact, numerical) in pairs {
                        assert!(
                            (exact - numerical).abs() <= 1e-7 * scale,
                            "{options:?} {inverse} {low}: {exact} {numerical}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn derivatives_are_finite_and_continuous_at_the_ends() {
        let mut rng = StdRng::seed_from_u64(3);
        for options in &ALL {
            let params = random(&mut rng, options.params());
            let prepared = prepared(options, &params);
            for inverse in [true, false] {
                let one = |start: Ends<f64>| {
                    let cot = MappedCot {
                        to: Ends { low: 0.3, high: -0.8 },
                        ln_ratio: Ends { low: 1.1, high: 0.7 },
                        ln: -0.4,
                    };
                    let mut cot_prepared = vec![0.0; options.prepared()];
                    let ends = if inverse {
                        options.inverse_vjp(&prepared, start, cot, &mut cot_prepared)
                    } else {
                        options.direct_vjp(&prepared, start, cot, &mut cot_prepared)
                    };
                    cot_prepared.push(ends.low - ends.high);
                    cot_prepared
                };
                for (end, near) in [
                    (Ends { low: 0.0, high: 1.0 }, Ends { low: 1e-11, high: 1.0 - 1e-11 }),
                    (Ends { low: 1.0, high: 0.0 }, Ends { low: 1.0 - 1e-11, high: 1e-11 }),
                ] {
                    for (a, b) in one(end).iter().zip(one(near)) {
                        assert!(close(*a, b, 1e-7), "{options:?} {inverse}: {a} {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn lanes_with_their_own_parameters_agree_with_single_points() {
        type R = Lanes<f64, 4>;
        let mut rng = StdRng::seed_from_u64(4);
        let rows: Vec<Vec<f64>> = (0..4).map(|_| random(&mut rng, 16)).collect();
        let packed: Vec<R> = (0..16).map(|j| R::from_fn(|l| rows[l][j])).collect();
        let points = [0.05, 0.4, 0.7, 0.99];
        let mut prep = vec![R::from_fn(|_| 0.0); PLAIN.prepared()];
        PLAIN.prepare(&packed, &mut prep);
        let start = Ends { low: R::from_fn(|l| points[l]), high: R::from_fn(|l| 1.0 - points[l]) };
        let there = PLAIN.inverse(&prep, start);
        let both = |v: f64| Ends { low: v, high: -2.0 * v };
        let cot = MappedCot { to: both(0.3), ln_ratio: both(0.7), ln: 0.9 };
        let wide = |e: Ends<f64>| Ends { low: R::splat(e.low), high: R::splat(e.high) };
        let mut cot_prep = vec![R::from_fn(|_| 0.0); PLAIN.prepared()];
        let wide_cot = MappedCot { to: wide(cot.to), ln_ratio: wide(cot.ln_ratio), ln: R::splat(cot.ln) };
        let ends = PLAIN.inverse_vjp(&prep, start, wide_cot, &mut cot_prep);
        for l in 0..4 {
            let prepared = prepared(&PLAIN, &rows[l]);
            let single = PLAIN.inverse(&prepared, at(points[l]));
            let mut cot_single = vec![0.0; PLAIN.prepared()];
            let single_ends = PLAIN.inverse_vjp(&prepared, at(points[l]), cot, &mut cot_single);
            assert!(close(there.to.low.lane(l), single.to.low, 1e-15) && close(there.ln.lane(l), single.ln, 1e-15));
            assert!(
                close(ends.low.lane(l), single_ends.low, 1e-14) && close(ends.high.lane(l), single_ends.high, 1e-14)
            );
            for (a, b) in cot_prep.iter().zip(&cot_single) {
                assert!(close(a.lane(l), *b, 1e-14));
            }
        }
    }

    #[test]
    fn nothing_breaks_at_extreme_parameters() {
        let mut rng = StdRng::seed_from_u64(5);
        for options in &ALL {
            for _ in 0..200 {
                let params: Vec<f64> = random(&mut rng, options.params()).iter().map(|p| p * 30.0).collect();
                let prepared = prepared(options, &params);
                let low = rng.random::<f64>();
                for inverse in [true, false] {
                    let m = map(options, &prepared, at(low), inverse);
                    assert!((0.0..=1.0 + 1e-15).contains(&m.to.low), "{options:?} {params:?} {low}: {m:?}");
                    assert!((0.0..=1.0 + 1e-15).contains(&m.to.high), "{options:?} {params:?} {low}: {m:?}");
                    assert!(m.ln.is_finite(), "{options:?} {params:?} {low}: {m:?}");
                    let cot = MappedCot { to: m.to, ln_ratio: at(0.4), ln: 1.0 };
                    let mut cot_prepared = vec![0.0; options.prepared()];
                    let ends = options.map_vjp(&prepared, at(low), cot, &mut cot_prepared, inverse);
                    let mut cot_params = vec![0.0; options.params()];
                    options.prepare_vjp(&params, &prepared, &cot_prepared, &mut cot_params);
                    assert!(ends.low.is_finite() && ends.high.is_finite());
                    assert!(cot_params.iter().all(|c| c.is_finite()), "{options:?} {params:?} {low}: {cot_params:?}");
                }
            }
        }
    }

    fn wave(n: usize) -> Vec<f64> {
        (0..n).map(|j| 0.6 * (1.0 + 1.3 * j as f64).sin()).collect()
    }

    /// Rows of layers.md section 15.
    #[test]
    fn reference_values() {
        for (options, x, z, ln_inverse, from, to, ln_direct) in [
            (SMOOTH_2, 0.37, 0.26155121034, 0.168197610916, -0.6, -0.553246036862, 0.178855973138),
            (SMOOTH_3, 0.37, 0.423133078458, -0.0491802603565, -0.6, -0.588512319983, 0.219659498388),
        ] {
            let prepared = prepared(&options, &wave(options.params()));
            let unit = |x: f64| Ends { low: (1.0 + x) / 2.0, high: (1.0 - x) / 2.0 };
            let m = options.inverse(&prepared, unit(x));
            assert!(close(m.to.low - m.to.high, z, 1e-11) && close(m.ln, ln_inverse, 1e-11), "{m:?}");
            let m = options.direct(&prepared, unit(from));
            assert!(close(m.to.low - m.to.high, to, 1e-11) && close(m.ln, ln_direct, 1e-11), "{m:?}");
        }
        // On [0, 1] with the map to the line behind it.
        let prepared = prepared(&PLAIN, &wave(16));
        let m = PLAIN.inverse(&prepared, at(0.37));
        let z = normal_quantile(m.to.low, m.to.high);
        let ln = m.ln + z * z / 2.0 + crate::numeric::special::HALF_LN_TAU;
        assert!(close(z, -0.362788650368, 1e-11) && close(ln, 0.982051730472, 1e-11), "{z} {ln}");
    }
}
