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
//! is a sum of squares and products of positive numbers; its root over `den` is the derivative of part by t.
//!
//! # Speed
//! Everything is inlined whole, so that it may run on vector registers ([`super::Layer::WIDE`]): loops instead of closures, selections instead of
//! gathers, quotients from one reciprocal where they can share it. Derivatives of the inverse are those of the spline itself at the point on the
//! base side, by the implicit function theorem: no equation is solved for them.

mod bin;
#[cfg(test)]
mod tests;

use super::StateTensor;
use crate::numeric::special::{logistic, softplus};
use crate::numeric::{Dual, Lift, Mask, Real};
use bin::{Bin, Piece};

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
    /// Of the **logarithms** of the two ratios, where these are used.
    pub ln_ratio: Option<Ends<R>>,
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
        match self.width_at(bin) {
            Some(i) => params[i],
            None => P::zero(),
        }
    }
    #[inline(always)]
    fn height_logit<P: Real>(&self, params: &[P], bin: usize) -> P {
        let own = match self.height_at(bin) {
            Some(i) => params[i],
            None => P::zero(),
        };
        if self.independent_width_height_parametrization { own + self.width_logit(params, bin) } else { own }
    }
    /// Bound of the absolute value of a logit under the ratio limit.
    #[inline(always)]
    fn logit_bound(&self) -> Option<f64> {
        let ratio = self.restrict_max_min_width_height_ratio;
        if ratio > 0.0 { Some(0.5 * (ratio.ln() - ((self.bins - 1) as f64).max(1.0).ln())) } else { None }
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

    /// A slope from its raw parameter.
    #[inline(always)]
    fn slope<P: Real>(&self, raw: P) -> P {
        P::constant(self.min_derivative) + softplus(raw)
    }

    /// Parameters to widths, heights and slopes.
    #[inline(always)]
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
        if self.fixed() {
            slopes[0] = P::constant(self.fix_boundary_derivatives);
            slopes[k] = slopes[0];
        } else {
            slopes[0] = self.slope(raw[0]);
            slopes[k] = if self.periodic { slopes[0] } else { self.slope(raw[self.last_slope()]) };
        }
        if self.smooth_second_derivative {
            let inner = smooth_slope(k, [widths[0], widths[1], heights[0], heights[1], slopes[0], slopes[k]]);
            slopes[1..k].fill(inner);
        } else {
            let first = usize::from(!self.fixed());
            for (d, b) in slopes[1..k].iter_mut().zip(&raw[first..]) {
                *d = self.slope(*b);
            }
        }
    }

    /// Cotangents of [`SplineOptions::prepare`].
    #[inline(always)]
    pub fn prepare_vjp<P: Real>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        let k = self.bins;
        let (widths, rest) = prepared.split_at(k);
        let (heights, slopes) = rest.split_at(k);
        let (cot_widths, rest) = cot_prepared.split_at(k);
        let (cot_heights, cot_slopes) = rest.split_at(k);

        // What the inner slopes of a smooth spline add, by the order of the arguments of `smooth_slope`.
        let mut added = [P::zero(); 6];
        if self.smooth_second_derivative {
            let mut cot = P::zero();
            for of_knot in &cot_slopes[1..k] {
                cot += *of_knot;
            }
            let at = [widths[0], widths[1], heights[0], heights[1], slopes[0], slopes[k]];
            let mut inputs = [Dual::<P, 6>::fixed(P::zero()); 6];
            for i in 0..6 {
                inputs[i] = Dual::input(at[i], i);
            }
            let inner = smooth_slope(k, inputs);
            for i in 0..6 {
                added[i] = inner.grad[i] * cot;
            }
        }

        let raw = self.widths() + self.heights();
        if !self.fixed() {
            let last = raw + self.last_slope();
            cot_params[raw] += (cot_slopes[0] + added[4]) * logistic(params[raw]);
            cot_params[last] += (cot_slopes[k] + added[5]) * logistic(params[last]);
        }
        if !self.smooth_second_derivative {
            let first = raw + usize::from(!self.fixed());
            for (i, cot) in cot_slopes[1..k].iter().enumerate() {
                cot_params[first + i] += *cot * logistic(params[first + i]);
            }
        }

        let mut mean_width = shares_mean(widths, self.min_width, cot_widths);
        let mut mean_height = shares_mean(heights, self.min_height, cot_heights);
        for bin in 0..k.min(2) {
            mean_width += self.of_mean(widths[bin], self.min_width) * added[bin];
            mean_height += self.of_mean(heights[bin], self.min_height) * added[2 + bin];
        }
        for bin in 0..k {
            let (mut cot, mut up) = (cot_widths[bin] - mean_width, cot_heights[bin] - mean_height);
            if bin < 2 {
                cot += added[bin];
                up += added[2 + bin];
            }
            cot *= widths[bin] - P::constant(self.min_width);
            cot *= self.limited_derivative(self.width_logit(params, bin));
            up *= heights[bin] - P::constant(self.min_height);
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

    /// How much of the mean in [`shares_mean`] a cotangent of this share makes.
    #[inline(always)]
    fn of_mean<P: Real>(&self, share: P, least: f64) -> P {
        (share - P::constant(least)).scale(1.0 / (1.0 - least * self.bins as f64))
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
        let target = self.direct(prepared, at).to;
        self.map_vjp(prepared, [at, target], cot, cot_prepared, false)
    }
    /// The spline or its inverse.
    #[inline(always)]
    pub fn map<R: Real, P: Lift<R>>(&self, prepared: &[P], at: Ends<R>, inverse: bool) -> Mapped<R> {
        let at = at.inside();
        let bin = self.bin(prepared, at.low, inverse);
        let over_sizes = (bin.size * bin.out_size).quick_recip();
        let steep = bin.out_size.square() * over_sizes;
        let per_slope = if inverse { steep } else { bin.size.square() * over_sizes };
        let (share, rest) = bin.shares(at, bin.out_size * over_sizes);
        let (a, b) = (bin.slope_low * per_slope, bin.slope_high * per_slope);

        let (part, behind, slope, piece);
        if inverse {
            // For the shares p and q = 1 - p: with B = q a - p b it is q r^2 + B r - p = 0 for r = t / s. Both are found without cancellation.
            let linear = rest * a - share * b;
            let root = (linear.square() + (share * rest).scale(4.0)).sqrt();
            let falling = linear.lt(R::zero());
            let before = R::select(falling, root - linear, share + share);
            let after = R::select(falling, rest + rest, linear + root);
            let all = before + after;
            let over = (all * root).quick_recip();
            let over_all = over * root;
            (part, behind) = (before * over_all, after * over_all);
            piece = Piece::new(part, behind, a, b);
            // By the implicit function theorem dt / dp = den / root.
            slope = piece.den * (over * all);
        } else {
            piece = Piece::new(share, rest, a, b);
            let over = piece.den.quick_recip();
            (part, behind) = (share * piece.up * over, rest * piece.down * over);
            slope = piece.steepness * over.square();
        }

        let to = Ends { low: bin.out_start + bin.out_size * part, high: bin.out_beyond + bin.out_size * behind };
        // In the bin at an end its ratio is what is left when the distance is taken out: up / den, or down / den. Elsewhere distances are not small.
        let (low, high) = if inverse {
            ((piece.den, piece.up), (piece.den, piece.down))
        } else {
            ((piece.up, piece.den), (piece.down, piece.den))
        };
        let (above_low, below_low) = (R::select(bin.first, steep * low.0, to.low), R::select(bin.first, low.1, at.low));
        let (above_high, below_high) =
            (R::select(bin.last, steep * high.0, to.high), R::select(bin.last, high.1, at.high));
        let over = (below_low * below_high).quick_recip();
        Mapped {
            to,
            ratio: Ends { low: above_low * (below_high * over), high: above_high * (below_low * over) },
            ln: (steep * slope).ln(),
        }
    }

    /// Cotangents of [`SplineOptions::map`], given the point before and after the spline itself: returns those of the two distances of what
    /// was mapped, adds those of the prepared numbers.
    ///
    /// With x and y the two distances from the lower end, y = y0 + h part(t, a, b), t = (x - x0) / w, a = d0 w / h and b = d1 w / h.
    #[inline(always)]
    pub fn map_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        [base, target]: [Ends<R>; 2],
        cot: MappedCot<R>,
        cot_prepared: &mut [R],
        inverse: bool,
    ) -> Ends<R> {
        let zero = R::zero();
        let base = base.inside();
        let bin = self.bin(prepared, base.low, false);
        let over_sizes = (bin.size * bin.out_size).quick_recip();
        let (over_size, over_out) = (bin.out_size * over_sizes, bin.size * over_sizes);
        let per_slope = bin.size.square() * over_sizes;
        let (t, s) = bin.shares(base, over_size);
        let (a, b) = (bin.slope_low * per_slope, bin.slope_high * per_slope);
        let piece = Piece::new(t, s, a, b);
        let above = piece.steepness;
        let over = (piece.den * above).quick_recip();
        let (over_den, over_above) = (over * above, over * piece.den);

        // Logarithms are those of the spline itself; the inverse has the opposite ones.
        let cot_ln = if inverse { -cot.ln } else { cot.ln };
        // ln(above / den^2) by t, a, b.
        let one = R::one();
        let den_t = (t - s) * (R::constant(2.0) - (a + b)) * over_den;
        let (bent, mixed) = ((t * (b - one) + s * (one - a)) * over_above, t * s * over_den);
        let mut by_t = (cot_ln + cot_ln) * (bent - den_t);
        let mut by_a = cot_ln * (s * s * over_above - mixed - mixed);
        let mut by_b = cot_ln * (t * t * over_above - mixed - mixed);
        let mut steepness = cot_ln;
        let (mut by_base, mut by_target) = (zero, zero);
        if let Some(Ends { low, high }) = cot.ln_ratio {
            // ln ratio = ln(h / w) + ln(up / den), or ln(h / w) + ln(down / den), in the bin at the end, ln(y / x) elsewhere.
            let (low, high) = if inverse { (-low, -high) } else { (low, high) };
            let (outer_low, outer_high) = (R::select(bin.first, low, zero), R::select(bin.last, high, zero));
            let both = outer_low + outer_high;
            let (up, down) = (outer_low / piece.up, outer_high / piece.down);
            by_t += up * (one - a) + down * (b - one) - both * den_t;
            by_a += up * s - both * mixed;
            by_b += down * t - both * mixed;
            steepness += both;
            let inner = Ends { low: R::select(bin.first, zero, low), high: R::select(bin.last, zero, high) };
            by_base = -bin.tilt(inner, base);
            by_target = bin.tilt(inner, target);
        }
        by_base += by_t * over_size;

        // The cotangents of x and y, and the one that the parameters in y have: the inverse is dx = (dy - dy of the parameters) / slope.
        let cot_to = cot.to.low - cot.to.high;
        let slope = above * over_den.square();
        let (cot_at, cot_target);
        if inverse {
            let through = (cot_to + by_base) * (bin.size * over_out) * (piece.den.square() * over_above);
            (cot_at, cot_target) = (through + by_target, -through);
        } else {
            cot_target = cot_to + by_target;
            cot_at = cot_target * (bin.out_size * over_size) * slope + by_base;
        }

        let cot_part = cot_target * bin.out_size;
        let (part, rest) = (t * piece.up * over_den, s * piece.down * over_den);
        let cot_t = cot_part * slope + by_t;
        let cot_a = cot_part * mixed * rest + by_a;
        let cot_b = by_b - cot_part * mixed * part;
        let flatness = cot_a * a + cot_b * b;
        // All sizes together are 1, so that any number may be added to the cotangents of all. Counted from the nearer end they are small where the
        // cotangent of the point is as large as its distance is small.
        let turned = base.high.lt(base.low);
        let along = cot_t * over_size;
        let parts = Bin {
            start: R::select(turned, zero, -along),
            size: (flatness - steepness) * over_size + along * R::select(turned, s, -t),
            beyond: R::select(turned, along, zero),
            out_start: R::select(turned, zero, cot_target),
            out_size: cot_target * R::select(turned, -rest, part) + (steepness - flatness) * over_out,
            out_beyond: R::select(turned, -cot_target, zero),
            slope_low: cot_a * per_slope,
            slope_high: cot_b * per_slope,
            ..bin
        };
        self.bin_vjp(prepared, base.low, parts, cot_prepared);
        // By the distance to the nearer end of what was mapped: what follows may use the other one for something that is not small.
        let at = if inverse { target } else { base };
        let turned = at.high.lt(at.low);
        Ends { low: R::select(turned, zero, cot_at), high: R::select(turned, -cot_at, zero) }
    }

    /// The bin that a point at this distance from the lower end is in.
    #[inline(always)]
    fn bin<R: Real, P: Lift<R>>(&self, prepared: &[P], low: R, inverse: bool) -> Bin<R> {
        let (from, to, slopes) = self.split(prepared, inverse);
        let mut bin = Bin {
            start: R::zero(),
            size: from[0].lift(),
            beyond: R::zero(),
            out_start: R::zero(),
            out_size: to[0].lift(),
            out_beyond: R::zero(),
            slope_low: slopes[0].lift(),
            slope_high: slopes[1].lift(),
            first: R::Mask::splat(true),
            last: R::Mask::splat(self.bins == 1),
        };
        let (mut edge, mut out_edge) = (bin.size, bin.out_size);
        for i in 1..self.bins {
            let (size, out_size) = (from[i].lift(), to[i].lift());
            let here = edge.le(low);
            bin.start = R::select(here, edge, bin.start);
            bin.size = R::select(here, size, bin.size);
            bin.beyond = R::select(here, R::zero(), bin.beyond + size);
            bin.out_start = R::select(here, out_edge, bin.out_start);
            bin.out_size = R::select(here, out_size, bin.out_size);
            bin.out_beyond = R::select(here, R::zero(), bin.out_beyond + out_size);
            bin.slope_low = R::select(here, slopes[i].lift(), bin.slope_low);
            bin.slope_high = R::select(here, slopes[i + 1].lift(), bin.slope_high);
            if i == 1 {
                bin.first = !here;
            }
            bin.last = here;
            edge += size;
            out_edge += out_size;
        }
        bin
    }

    /// Adds cotangents of a bin's numbers, found by the spline itself, to those of the prepared numbers.
    #[inline(always)]
    fn bin_vjp<R: Real, P: Lift<R>>(&self, prepared: &[P], low: R, cot: Bin<R>, cot_prepared: &mut [R]) {
        let k = self.bins;
        let (widths, _, _) = self.split(prepared, false);
        let (cot_widths, rest) = cot_prepared.split_at_mut(k);
        let (cot_heights, cot_slopes) = rest.split_at_mut(k);
        let mut edge = R::zero();
        let mut reached = R::Mask::splat(true);
        for i in 0..k {
            edge += widths[i].lift();
            // Whether the point is in a later bin, or in this one. The last bin has no end.
            let later = if i + 1 < k { edge.le(low) } else { R::Mask::splat(false) };
            let here = reached & !later;
            cot_widths[i] += R::select(here, cot.size, R::select(later, cot.start, cot.beyond));
            cot_heights[i] += R::select(here, cot.out_size, R::select(later, cot.out_start, cot.out_beyond));
            add_where(here, cot.slope_low, &mut cot_slopes[i]);
            add_where(here, cot.slope_high, &mut cot_slopes[i + 1]);
            reached = later;
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

/// Adds where the mask is set.
#[inline(always)]
fn add_where<R: Real>(mask: R::Mask, value: R, sum: &mut R) {
    *sum = R::select(mask, *sum + value, *sum);
}

/// Logits to shares of the interval, none below `least`.
#[inline(always)]
pub(super) fn shares<P: Real>(logits: &mut [P], least: f64) {
    let free = 1.0 - least * logits.len() as f64;
    let mut largest = logits[0];
    for a in logits.iter().skip(1) {
        largest = largest.max(*a);
    }
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

/// Cotangents of [`shares`], from shares and their cotangents to those of the logits: a_i_bar = (share_i - least) (c_i - mean). Here the mean.
#[inline(always)]
pub(super) fn shares_mean<P: Real>(shares: &[P], least: f64, cots: &[P]) -> P {
    let free = 1.0 - least * shares.len() as f64;
    let mut sum = P::zero();
    for (share, cot) in shares.iter().zip(cots) {
        sum += (*share - P::constant(least)) * *cot;
    }
    sum.scale(1.0 / free)
}

/// The slope at the inner knots of a smooth spline: the positive root of d^2 - 2 A d - p = 0 that makes the second derivative continuous.
///
/// Two bins: that of the one inner knot. Three bins, the third like the first and the two inner slopes the same.
#[inline(always)]
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
