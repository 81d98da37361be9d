//! Rational-quadratic splines of a line onto itself, one per dimension, with straight tails: the other choice of layer g's elementwise
//! part, `nonlinear_stretch_type = "rq_splines"` (layers.md 4.2, P10).
//!
//! inverse: the spline takes the interval [left, left + W] to [bottom, bottom + H], and goes on straight with its end slopes on
//! both sides. forward: back. Both are closed formulas. With u = (x - left) / W and v = (y - bottom) / H it is a spline of the unit
//! interval ([`super::spline`]) with slopes in units of H / W.
//!
//! Parameters: width logits (D, K), height logits (D, K), raw slopes (D, K + 1), boxes (D, 4) = (left, ln(W - 1/2), bottom, ln(H - 1/2)). Prepared, for
//! each dimension: left, W, bottom, H, widths (K), heights (K), slopes of the unit spline (K + 1).

use super::StateTensor;
use super::spline::{Ends, Mapped, MappedCot, SplineOptions, shares, shares_mean};
use crate::numeric::special::{logistic, normal_quantile, softplus};
use crate::numeric::{Lift, Real};

/// Least width and height of a bin, as shares of the box, and least slope.
const LEAST: f64 = 1e-3;
/// Least size of a box.
const LEAST_SIZE: f64 = 0.5;
/// Numbers of a box.
const BOX: usize = 4;
/// Where the slopes start: softplus makes 1 of it (the ancestor's number).
const SLOPE_START: f64 = 0.54135;

/// What the splines look like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// Number of bins.
    pub bins: usize,
}

/// Width logits, height logits, raw slopes, boxes of all dimensions.
struct Raw<T>(T, T, T, T);

/// A point of the line in units of the box.
struct At<R: Real> {
    /// As the spline sees it: never outside.
    ends: Ends<R>,
    low: R::Mask,
    high: R::Mask,
    /// Distance beyond the end, negative below the lower one; 0 inside.
    beyond: R,
}

impl Stretch {
    const fn spline(&self) -> SplineOptions {
        SplineOptions {
            bins: self.bins,
            min_width: LEAST,
            min_height: LEAST,
            min_derivative: LEAST,
            ..SplineOptions::DEFAULT
        }
    }
    /// Number of parameters.
    pub const fn params(&self, dim: usize) -> usize {
        dim * (BOX + self.spline().params())
    }
    /// The tensors of these parameters.
    pub fn state(&self, dim: usize) -> Vec<StateTensor> {
        StateTensor::list([
            ("log_widths", &[1, dim, self.bins]),
            ("log_heights", &[1, dim, self.bins]),
            ("log_derivatives", &[1, dim, self.bins + 1]),
            ("boundary_points", &[1, dim, BOX]),
        ])
    }
    /// Prepared numbers of a dimension.
    pub const fn per_dim(&self) -> usize {
        BOX + self.spline().prepared()
    }

    #[inline(always)]
    fn raw<'a, T>(&self, dim: usize, params: &'a [T]) -> Raw<&'a [T]> {
        let (widths, rest) = params.split_at(self.bins * dim);
        let (heights, rest) = rest.split_at(self.bins * dim);
        let (slopes, boxes) = rest.split_at((self.bins + 1) * dim);
        Raw(widths, heights, slopes, boxes)
    }

    #[inline(always)]
    fn raw_mut<'a, T>(&self, dim: usize, params: &'a mut [T]) -> Raw<&'a mut [T]> {
        let (widths, rest) = params.split_at_mut(self.bins * dim);
        let (heights, rest) = rest.split_at_mut(self.bins * dim);
        let (slopes, boxes) = rest.split_at_mut((self.bins + 1) * dim);
        Raw(widths, heights, slopes, boxes)
    }

    /// What a fit starts from: nearly the identity from [-1, 2.2] to itself.
    pub fn initial(&self, dim: usize, params: &mut [f64]) {
        let Raw(widths, heights, slopes, boxes) = self.raw_mut(dim, params);
        widths.fill(1.0);
        heights.fill(1.0);
        slopes.fill(SLOPE_START);
        boxes.chunks_exact_mut(BOX).for_each(|b| b.copy_from_slice(&[-1.0, 1.0, -1.0, 1.0]));
    }

    /// Parameters to boxes, shares and slopes.
    #[inline]
    pub fn prepare<P: Real>(&self, dim: usize, params: &[P], prepared: &mut [P]) {
        let k = self.bins;
        let Raw(widths, heights, slopes, boxes) = self.raw(dim, params);
        for d in 0..dim {
            let (frame, spline) = prepared[d * self.per_dim()..][..self.per_dim()].split_at_mut(BOX);
            let raw = &boxes[d * BOX..][..BOX];
            for i in [0, 2] {
                frame[i] = raw[i];
                frame[i + 1] = raw[i + 1].exp() + P::constant(LEAST_SIZE);
            }
            spline[..k].copy_from_slice(&widths[d * k..][..k]);
            spline[k..2 * k].copy_from_slice(&heights[d * k..][..k]);
            shares(&mut spline[..k], LEAST);
            shares(&mut spline[k..2 * k], LEAST);
            let to_unit = frame[1] / frame[3];
            for (out, raw) in spline[2 * k..].iter_mut().zip(&slopes[d * (k + 1)..]) {
                *out = (softplus(*raw) + P::constant(LEAST)) * to_unit;
            }
        }
    }

    /// Cotangents of [`Stretch::prepare`].
    #[inline]
    pub fn prepare_vjp<P: Real>(
        &self,
        dim: usize,
        params: &[P],
        prepared: &[P],
        cot_prepared: &[P],
        cot_params: &mut [P],
    ) {
        let k = self.bins;
        let Raw(_, _, slopes, boxes) = self.raw(dim, params);
        let Raw(cot_widths, cot_heights, cot_slopes, cot_boxes) = self.raw_mut(dim, cot_params);
        for d in 0..dim {
            let (frame, spline) = prepared[d * self.per_dim()..][..self.per_dim()].split_at(BOX);
            let (cot_frame, cot_spline) = cot_prepared[d * self.per_dim()..][..self.per_dim()].split_at(BOX);
            // slope = raw slope W / H.
            let (mut cot_width, mut cot_height) = (cot_frame[1], cot_frame[3]);
            let to_unit = frame[1] / frame[3];
            for i in 0..=k {
                let cot = cot_spline[2 * k + i];
                cot_slopes[d * (k + 1) + i] += cot * to_unit * logistic(slopes[d * (k + 1) + i]);
                let along = cot * spline[2 * k + i];
                cot_width += along / frame[1];
                cot_height -= along / frame[3];
            }
            let raw = &boxes[d * BOX..][..BOX];
            let out = &mut cot_boxes[d * BOX..][..BOX];
            out[0] += cot_frame[0];
            out[1] += cot_width * raw[1].exp();
            out[2] += cot_frame[2];
            out[3] += cot_height * raw[3].exp();
            for (start, cot_logits) in [(0, &mut *cot_widths), (k, &mut *cot_heights)] {
                let (share, cot) = (&spline[start..start + k], &cot_spline[start..start + k]);
                let mean = shares_mean(share, LEAST, cot);
                for i in 0..k {
                    cot_logits[d * k + i] += (share[i] - P::constant(LEAST)) * (cot[i] - mean);
                }
            }
        }
    }

    /// y and ln |dy/dx| in one dimension (`back`: x and ln |dx/dy|), given its prepared numbers.
    #[inline(always)]
    pub fn map<R: Real, P: Lift<R>>(&self, prepared: &[P], point: R, back: bool) -> (R, R) {
        let (frame, spline) = prepared.split_at(BOX);
        let (from, size, to, out_size) = sides::<R, P>(frame, back);
        let at = At::of(point, from, size);
        let Mapped { to: inside, ln, .. } = self.spline().map(spline, at.ends, back);
        let slope = self.end_slope::<R, P>(spline, &at);
        let slope = if back { slope.recip() } else { slope };
        let outside = at.low | at.high;
        let unit = inside.low + R::select(outside, at.beyond * slope, R::zero());
        (to + out_size * unit, R::select(outside, slope.ln(), ln) + out_size.ln() - size.ln())
    }

    /// Cotangents of [`Stretch::map`] at the point that it was given, from those of its two results: returns that of the point, adds
    /// those of the prepared numbers.
    #[inline(always)]
    pub fn map_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        point: R,
        back: bool,
        cot_point: R,
        cot_ln: R,
        cot_prepared: &mut [R],
    ) -> R {
        let zero = R::zero();
        let (frame, spline) = prepared.split_at(BOX);
        let (cot_frame, cot_spline) = cot_prepared.split_at_mut(BOX);
        let (from, size, _, out_size) = sides::<R, P>(frame, back);
        let at = At::of(point, from, size);
        let outside = at.low | at.high;
        let inner = |cot: R| R::select(outside, zero, cot);
        let cot_unit = cot_point * out_size;

        // Inside.
        let cot = MappedCot { to: Ends { low: inner(cot_unit), high: zero }, ln_ratio: None, ln: inner(cot_ln) };
        let mapped = self.spline().map(spline, at.ends, back);
        let ways = if back { [mapped.to, at.ends] } else { [at.ends, mapped.to] };
        let cot_ends = self.spline().map_vjp(spline, ways, cot, cot_spline, back);

        // Outside: unit = end + beyond g with g = slope or its reciprocal, ln g.
        let slope = self.end_slope::<R, P>(spline, &at);
        let factor = if back { slope.recip() } else { slope };
        let cot_factor = cot_unit * at.beyond + cot_ln / factor;
        let cot_slope = if back { -cot_factor * factor.square() } else { cot_factor };
        cot_spline[2 * self.bins] += R::select(at.low, cot_slope, zero);
        cot_spline[3 * self.bins] += R::select(at.high, cot_slope, zero);

        let unit = mapped.to.low + R::select(outside, at.beyond * factor, zero);
        let cot_at = R::select(outside, cot_unit * factor, cot_ends.low - cot_ends.high);
        // (from, size) stand first if not `back`; at = (point - from) / size, result = to + out_size unit, ln out_size - ln size.
        let (start, out) = if back { (2, 0) } else { (0, 2) };
        let into = cot_at / size;
        cot_frame[start] -= into;
        cot_frame[start + 1] -= into * ((point - from) / size) + cot_ln / size;
        cot_frame[out] += cot_point;
        cot_frame[out + 1] += cot_point * unit + cot_ln / out_size;
        into
    }

    /// Slope of the unit spline at the end that a point is beyond.
    #[inline(always)]
    fn end_slope<R: Real, P: Lift<R>>(&self, spline: &[P], at: &At<R>) -> R {
        R::select(at.low, spline[2 * self.bins].lift(), spline[3 * self.bins].lift())
    }

    /// Starts dimension `d` from a sorted column of data: knots at K + 1 quantiles, taken to the normal quantiles of the same probabilities.
    pub fn start(&self, dim: usize, d: usize, column: &[f64], params: &mut [f64]) {
        let (k, n) = (self.bins, column.len());
        let share = |i: usize| (i as f64 + 0.5) / (k + 1) as f64;
        let mut x: Vec<f64> = (0..=k).map(|i| column[(share(i) * n as f64) as usize % n]).collect();
        let mut y: Vec<f64> = (0..=k).map(|i| normal_quantile(share(i), 1.0 - share(i))).collect();
        // Equal numbers leave no room between knots; and a box has a least size, which the outer bins fill up.
        let spread = (x[k] - x[0]).max(LEAST);
        for i in 1..=k {
            x[i] = x[i].max(x[i - 1] + LEAST * spread);
        }
        for knots in [&mut x, &mut y] {
            let missing = 0.5 * (LEAST_SIZE + LEAST - (knots[k] - knots[0])).max(0.0);
            knots[0] -= missing;
            knots[k] += missing;
        }
        let slope = |i: usize| (y[i + 1] - y[i]) / (x[i + 1] - x[i]);
        let Raw(widths, heights, slopes, boxes) = self.raw_mut(dim, params);
        for (knots, logits) in [(&x, widths), (&y, heights)] {
            for i in 0..k {
                let share = (knots[i + 1] - knots[i]) / (knots[k] - knots[0]);
                logits[d * k + i] = (share - LEAST).max(LEAST).ln();
            }
        }
        for i in 0..=k {
            // Between two bins the geometric mean of their slopes.
            let mean = (slope(i.saturating_sub(1)) * slope(i.min(k - 1))).sqrt();
            let rest = (mean - LEAST).clamp(LEAST, 1.0 / LEAST);
            slopes[d * (k + 1) + i] = rest + (-(-rest).exp()).ln_1p();
        }
        let size = |knots: &[f64]| (knots[k] - knots[0] - LEAST_SIZE).ln();
        boxes[d * BOX..][..BOX].copy_from_slice(&[x[0], size(&x), y[0], size(&y)]);
    }
}

/// Start and size along the argument, start and size along the result.
#[inline(always)]
fn sides<R: Real, P: Lift<R>>(frame: &[P], back: bool) -> (R, R, R, R) {
    let [left, width, bottom, height] = [0, 1, 2, 3].map(|i| frame[i].lift());
    if back { (bottom, height, left, width) } else { (left, width, bottom, height) }
}

impl<R: Real> At<R> {
    #[inline(always)]
    fn of(point: R, from: R, size: R) -> Self {
        let (zero, one) = (R::zero(), R::one());
        let (below, above) = ((point - from) / size, (from - point + size) / size);
        let (low, high) = (below.le(zero), above.le(zero));
        let outside = low | high;
        let beyond = R::select(low, below, R::select(high, -above, zero));
        let end = R::select(low, zero, one);
        let ends = Ends { low: R::select(outside, end, below), high: R::select(outside, one - end, above) };
        At { ends, low, high, beyond }
    }
}
