//! The smooth circular spline of two bins (layers.md 7.2): as a map of unit vectors for layer o, and as a turn of an angle that can
//! be faded out for layer f.
//!
//! # The map
//! Shifted so that the angle 0 is a fixed point, the middle of the second bin lies at 0 and that of the first at pi, on the
//! argument and on the result, and the map is odd about both. So with widths w and heights h as shares of the circle and an
//! angle measured from the middle of its bin, as a share u of the bin in [-1/2, 1/2],
//! ```text
//! angle' = h * 2 pi u / den      den = 1 + 2 (a - 1) (1/4 - u^2)      a = d w / h
//! d angle' / d angle = (h / w) (1 + (a - 1) (1/2 + 2 u^2)) / den^2
//! ```
//! with one slope d for both knots, which makes the second derivative continuous around the circle.
//!
//! # Numbers
//! Only the differences of the two width logits and of the two height logits matter.
//!
//! The map of unit vectors is made of sums of positive terms only and counts angles from the middle of their bin: it is as precise
//! as it can be for any shares, and what is beside a fixed point stays beside it in proportion.
//!
//! The turn is formed so that it, ln derivative and their derivatives are proportional to the differences of logits when these are
//! small: a layer that fades the spline out towards a pole of the sphere multiplies them by a factor, and divides by the
//! distance from the pole.

use super::StateTensor;
use crate::numeric::special::logistic;
use crate::numeric::{Dual, Lift, Real};
use core::f64::consts::{PI, TAU};

/// What a circular spline looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CircularOptions {
    /// The first width and the first height are no parameters.
    pub fix_first_width_n_height_to_zero: bool,
    /// Nor is the second width.
    pub also_fix_second_width_to_zero: bool,
    /// Heights are given relative to widths.
    pub independent_width_height_parametrization: bool,
    /// Smallest width, as a share of the circle.
    pub min_width: f64,
    /// Smallest height, as a share of the circle.
    pub min_height: f64,
}

impl CircularOptions {
    /// The defaults of layers.md 7.2, without its rotation.
    pub const DEFAULT: CircularOptions = CircularOptions {
        fix_first_width_n_height_to_zero: false,
        also_fix_second_width_to_zero: false,
        independent_width_height_parametrization: false,
        min_width: 1e-4,
        min_height: 1e-4,
    };

    const fn widths(&self) -> usize {
        2 - self.fix_first_width_n_height_to_zero as usize - self.also_fix_second_width_to_zero as usize
    }
    const fn heights(&self) -> usize {
        2 - self.fix_first_width_n_height_to_zero as usize
    }
    /// Number of parameters: widths, heights.
    pub const fn params(&self) -> usize {
        assert!(
            self.fix_first_width_n_height_to_zero || !self.also_fix_second_width_to_zero,
            "also_fix_second_width_to_zero needs fix_first_width_n_height_to_zero"
        );
        assert!(
            self.min_width > 0.0 && self.min_height > 0.0 && self.min_width < 0.5 && self.min_height < 0.5,
            "min_width and min_height are positive shares of the circle, below one half"
        );
        self.widths() + self.heights()
    }
    /// The tensors of these parameters, where they are those of a layer of its own.
    pub fn state(&self) -> Vec<StateTensor> {
        StateTensor::list([("rel_log_widths", &[1, self.widths()]), ("rel_log_heights", &[1, self.heights()])])
    }
    /// Number of prepared numbers: the second logit minus the first, of the heights and (unless fixed) of the widths.
    pub const fn prepared(&self) -> usize {
        if self.also_fix_second_width_to_zero { 1 } else { 2 }
    }

    /// Last minus first of the logits at hand; those not at hand are zero.
    #[inline(always)]
    fn difference<P: Real>(logits: &[P]) -> P {
        match logits {
            [first, second] => *second - *first,
            [second] => *second,
            _ => P::zero(),
        }
    }
    #[inline(always)]
    fn difference_vjp<P: Real>(cot: P, cot_logits: &mut [P]) {
        match cot_logits {
            [first, second] => {
                *first -= cot;
                *second += cot;
            }
            [second] => *second += cot,
            _ => {}
        }
    }

    /// The difference of the logits of the widths.
    #[inline(always)]
    fn second<R: Real, P: Lift<R>>(prepared: &[P]) -> R {
        match prepared.get(1) {
            Some(width) => width.lift(),
            None => R::zero(),
        }
    }

    /// Parameters to differences of logits.
    #[inline(always)]
    pub fn prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        let (widths, heights) = params.split_at(self.widths());
        let width = Self::difference(widths);
        let height = Self::difference(heights);
        prepared[0] = if self.independent_width_height_parametrization { height + width } else { height };
        if let Some(second) = prepared.get_mut(1) {
            *second = width;
        }
    }
    /// Cotangents of [`CircularOptions::prepare`].
    #[inline(always)]
    pub fn prepare_vjp<P: Real>(&self, cot_prepared: &[P], cot_params: &mut [P]) {
        let (cot_widths, cot_heights) = cot_params.split_at_mut(self.widths());
        Self::difference_vjp(cot_prepared[0], cot_heights);
        if self.independent_width_height_parametrization {
            Self::difference_vjp(cot_prepared[0], cot_widths);
        }
        if let Some(cot) = cot_prepared.get(1) {
            Self::difference_vjp(*cot, cot_widths);
        }
    }

    /// The image of a unit vector under the spline (or its inverse), and ln of the derivative.
    #[inline(always)]
    pub fn map<R: Real, P: Lift<R>>(&self, prepared: &[P], e: [R; 2], inverse: bool) -> ([R; 2], R) {
        let (height, width) = (prepared[0].lift(), Self::second(prepared));
        let (second, from_middle, ln) = self.moved(angles(e), height, width, inverse);
        let (sin, cos) = from_middle.sin_cos();
        ([R::select(second, cos, -cos), R::select(second, sin, -sin)], ln)
    }

    /// Cotangents of [`CircularOptions::map`], from those of the angle of the image and of ln derivative: returns that of the angle of `e`,
    /// adds those of the prepared numbers.
    #[inline(always)]
    pub fn map_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        e: [R; 2],
        inverse: bool,
        (cot_angle, cot_ln): (R, R),
        cot_prepared: &mut [R],
    ) -> R {
        let (height, width) = (prepared[0].lift(), Self::second(prepared));
        let [from_0, from_pi] = angles(e);
        let at = [Dual::<R, 3>::input(from_0, 0), Dual::input(from_pi, 0)];
        let (_, moved, ln) = self.moved(at, Dual::input(height, 1), Dual::input(width, 2), inverse);
        let [by_angle, by_height, by_width] = contracted((cot_angle, &moved), (cot_ln, &ln));
        cot_prepared[0] += by_height;
        if let Some(cot) = cot_prepared.get_mut(1) {
            *cot += by_width;
        }
        by_angle
    }

    /// Whether an angle, counted from 0 and from pi, is in the second bin; where it goes, counted from the middle of its bin; and ln
    /// derivative.
    #[inline(always)]
    fn moved<R: Real>(&self, [from_0, from_pi]: [R; 2], height: R, width: R, inverse: bool) -> (R::Mask, R, R) {
        let (one, half) = (R::one(), R::constant(0.5));
        let (w1, w2) = both_shares(width, self.min_width);
        let (h1, h2) = both_shares(height, self.min_height);
        // The slope at both knots, for shares that make 1 together.
        let (ww, hh) = (w1 * w2, h1 * h2);
        let squares = (h2 * w1).square() + (h1 * w2).square();
        let root = (hh * (squares.scale(8.0) + (R::constant(9.0) - ww.scale(16.0)) * hh)).sqrt();
        let slope = (hh + root) / ww.scale(4.0);

        let second = from_0.abs().le((if inverse { h2 } else { w2 }).scale(PI));
        let (w, h) = (R::select(second, w2, w1), R::select(second, h2, h1));
        let a = slope * w / h;
        let v = R::select(second, from_0, from_pi) / (if inverse { h } else { w }).scale(TAU);
        let u = if inverse {
            // At the edge of the bin rounding may carry 4 v^2 beyond 1.
            let vv = v.square().scale(4.0).min(one);
            v * (one + a) / (one + (one - vv + a.square() * vv).sqrt())
        } else {
            v
        };
        let uu = u.square().scale(2.0);
        let den = half + uu + a * (half - uu);
        let ln = (h / w * (half - uu + a * (half + uu))).ln() - den.ln().scale(2.0);
        if inverse { (second, (u * w).scale(TAU), -ln) } else { (second, (u * h / den).scale(TAU), ln) }
    }

    /// How far the spline (or its inverse) turns an angle in [-pi, pi], and ln of the derivative of the angle reached;
    /// its parameters multiplied by `factor`.
    #[inline(always)]
    pub fn turn<R: Real, P: Lift<R>>(&self, prepared: &[P], factor: R, angle: R, inverse: bool) -> (R, R) {
        let (one, half) = (R::one(), R::constant(0.5));
        let knots = self.knots(prepared, factor);
        let bin = knots.bin(angle, if inverse { knots.y } else { knots.x });
        let (sx, sy, w, h, excess) = (bin.x, bin.y, bin.w, bin.h, bin.excess);
        let share = bin.from_middle.scale(1.0 / TAU) * if inverse { bin.over_h } else { bin.over_w };
        // Along the argument of the spline itself; the way back is 2 (a - 1) v u^2 + u - v (1 + a) / 2 = 0 for v = angle' / (2 pi h). The
        // discriminant is a sum of positive terms.
        let (mut u, mut turn) = (share, share);
        if inverse {
            let (vv, a) = (share.square().scale(4.0), bin.a);
            let root = (one - vv + a.square() * vv).sqrt();
            let over = (one + root).quick_recip();
            let root_m1 = excess * (one + a) * vv * over;
            u = share * (one + a) * over;
            turn = share * ((sx - sy).scale(2.0) + w * excess - h * root_m1) * over;
        }
        let uu = u.square().scale(2.0);
        let dip = excess * (half - uu);
        let over_den = (one + dip).quick_recip();
        if !inverse {
            turn = share * (sy - sx - w * dip) * over_den;
        }
        let (above_1, stretch) = bin.stretch(excess * (half + uu), dip, over_den);
        let ln = ln_near_1(above_1, stretch);
        (turn.scale(TAU), if inverse { -ln } else { ln })
    }

    /// Cotangents of [`CircularOptions::turn`] at the angle that is or becomes the argument of the spline itself: returns those of (factor, angle
    /// given), adds those of the prepared numbers.
    ///
    /// With u = angle / (2 pi w), q = 1/2 - 2 u^2, e = a - 1, den = 1 + e q and above = 1 + e (1 - q) the map is 2 pi u h / den, and its derivative
    /// h above / (w den^2). The inverse is differentiated by the implicit function theorem.
    #[inline(always)]
    pub fn turn_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        factor: R,
        angle: R,
        inverse: bool,
        (cot_turn, cot_ln): (R, R),
        cot_prepared: &mut [R],
    ) -> (R, R) {
        let (one, half) = (R::one(), R::constant(0.5));
        let knots = self.knots(prepared, factor);
        let bin = knots.bin(angle, knots.x);
        let u = bin.from_middle.scale(1.0 / TAU) * bin.over_w;
        let uu = u.square().scale(2.0);
        let (q, p) = (half - uu, half + uu);
        let (dip, rise) = (bin.excess * q, bin.excess * p);
        let (den, above) = (one + dip, one + rise);
        let over = (den * above).quick_recip();
        let (over_den, over_above) = (over * above, over * den);
        let (above_1, stretch) = bin.stretch(rise, dip, over_den);
        let ln_u = bin.excess * u * (over_above + over_den + over_den).scale(4.0);
        let ln_angle = (ln_u * bin.over_w).scale(1.0 / TAU);

        let (turn, ln, by_angle);
        if inverse {
            let over = stretch.recip();
            turn = (cot_ln * ln_angle - cot_turn) * over;
            ln = -cot_ln;
            by_angle = -(cot_turn * above_1 + cot_ln * ln_angle) * over;
        } else {
            (turn, ln) = (cot_turn, cot_ln);
            by_angle = turn * above_1 + ln * ln_angle;
        }

        // To e, w and h, and from there to x and y; w and h grow with them in the second bin and shrink in the first.
        let along = (turn * u).scale(TAU);
        let by_excess = ln * (p * over_above - (q + q) * over_den) - along * bin.h * q * over_den.square();
        let by_w = -(along * stretch + ln * (one + ln_u * u) * bin.over_w);
        let by_h = along * over_den + ln * bin.over_h;
        let per_h = by_excess * bin.over_h;
        let by_slope = per_h * bin.w;
        let by_y = by_h - per_h * bin.a;
        let over_root = knots.root.recip().scale(0.125);
        let by_height =
            knots.height_slope * (R::select(bin.second, by_y, -by_y) + by_slope * knots.slope_by_height(over_root));
        cot_prepared[0] += by_height * factor;
        let mut by_factor = by_height * prepared[0].lift();
        if let Some(cot_width) = cot_prepared.get_mut(1) {
            let by_x = by_w + per_h * (one + knots.slope_m1);
            let by_width =
                knots.width_slope * (R::select(bin.second, by_x, -by_x) + by_slope * knots.slope_by_width(over_root));
            *cot_width += by_width * factor;
            by_factor += by_width * Self::second(prepared);
        }
        (by_factor, by_angle)
    }

    /// The knots for parameters multiplied by `factor`.
    #[inline(always)]
    fn knots<R: Real, P: Lift<R>>(&self, prepared: &[P], factor: R) -> Knots<R> {
        let (one, zero) = (R::one(), R::zero());
        let (y, height_slope) = half_share(prepared[0].lift() * factor, self.min_height);
        let hh = y.square().scale(4.0);
        let free = one - hh;
        // d - 1 of
        // d = (h1 h2 + sqrt(h1 h2 (8 ((h2 w1)^2 + (h1 w2)^2) + (9 - 16 w1 w2) h1 h2))) / (4 w1 w2)
        // with everything that cancels at x = y = 0 taken out. With H = 4 y^2, W = 4 x^2, C = 4 x y the square root is r / 4,
        //     r^2 = (1 - H) (4 (1 - C)^2 + 16 (x - y)^2 + (5 + 4 W) (1 - H)) = 9 + (8 W - H - 16 C) (1 - H) - 9 H,
        // and d - 1 = ((r - 3) / 4 + W - H / 4) / (1 - W).
        let three = R::constant(3.0);
        let Some(width) = prepared.get(1) else {
            // W = C = 0.
            let root = (free * (R::constant(9.0) - hh)).sqrt();
            let above_9 = hh * (hh - R::constant(10.0));
            let slope_m1 = (above_9 * (root + three).quick_recip() - hh).scale(0.25);
            let tilt = -hh;
            return Knots { x: zero, y, height_slope, width_slope: zero, slope_m1, root, free, tilt, over: one };
        };
        let (x, width_slope) = half_share(width.lift() * factor, self.min_width);
        let (ww, cc) = (x.square().scale(4.0), (x * y).scale(4.0));
        let sum =
            (one - cc).square().scale(4.0) + (x - y).square().scale(16.0) + (R::constant(5.0) + ww.scale(4.0)) * free;
        let root = (free * sum).sqrt();
        let tilt = ww.scale(8.0) - hh - cc.scale(16.0);
        let above_9 = tilt * free - hh.scale(9.0);
        let over = (one - ww).recip();
        let slope_m1 = ((above_9 * (root + three).quick_recip() - hh).scale(0.25) + ww) * over;
        Knots { x, y, height_slope, width_slope, slope_m1, root, free, tilt, over }
    }
}

/// Where the knots of a spline are, and the slope there.
struct Knots<R> {
    /// Shares of the second bin, less one half: of the argument and of the result; and their derivatives by the parameters.
    x: R,
    y: R,
    width_slope: R,
    height_slope: R,
    /// The slope at both knots, less one.
    slope_m1: R,
    /// r, 1 - H, 8 W - H - 16 C and 1 / (1 - W) of the formula of the slope.
    root: R,
    free: R,
    tilt: R,
    over: R,
}

impl<R: Real> Knots<R> {
    /// The bin of an angle, whose share beyond one half is `edge` in the second bin.
    #[inline(always)]
    fn bin(&self, angle: R, edge: R) -> CircleBin<R> {
        let (half, pi) = (R::constant(0.5), R::constant(PI));
        let second = angle.abs().le((half + edge).scale(PI));
        let turned = R::select(angle.lt(R::zero()), angle + pi, angle - pi);
        let (x, y) = (R::select(second, self.x, -self.x), R::select(second, self.y, -self.y));
        let (w, h) = (half + x, half + y);
        let over = (w * h).quick_recip();
        let (over_w, over_h) = (h * over, w * over);
        let rise = self.slope_m1 * w;
        let (excess, a) = ((x - y + rise) * over_h, (rise + w) * over_h);
        CircleBin { second, from_middle: R::select(second, angle, turned), x, y, w, h, over_w, over_h, excess, a }
    }

    /// The derivatives of the slope by y and by x, given 1 / (8 r).
    #[inline(always)]
    fn slope_by_height(&self, over_root: R) -> R {
        let by_square =
            (self.x.scale(-64.0) - self.y.scale(8.0)) * self.free - self.y * (self.tilt.scale(8.0) + R::constant(72.0));
        (by_square * over_root - self.y.scale(2.0)) * self.over
    }
    #[inline(always)]
    fn slope_by_width(&self, over_root: R) -> R {
        let by_square = (self.x - self.y).scale(64.0) * self.free;
        (by_square * over_root + self.x.scale(8.0) * (R::one() + self.slope_m1)) * self.over
    }
}

/// One bin, and an angle counted from its middle.
struct CircleBin<R: Real> {
    second: R::Mask,
    from_middle: R,
    /// Its shares less one half, and these shares with their reciprocals.
    x: R,
    y: R,
    w: R,
    h: R,
    over_w: R,
    over_h: R,
    /// a - 1, without cancellation, and a.
    excess: R,
    a: R,
}

impl<R: Real> CircleBin<R> {
    /// The derivative h (1 + rise) / (w (1 + dip)^2) less one, without cancellation, and itself.
    #[inline(always)]
    fn stretch(&self, rise: R, dip: R, over_den: R) -> (R, R) {
        let over_squared = over_den.square();
        let taller = (self.y - self.x) * self.over_w;
        let above_1 = (taller + rise + taller * rise - dip * (R::constant(2.0) + dip)) * over_squared;
        (above_1, self.h * self.over_w * (R::one() + rise) * over_squared)
    }
}

/// tanh(logit / 2) / 2, short of the end by `least`, and its derivative.
#[inline(always)]
fn half_share<R: Real>(logit: R, least: f64) -> (R, R) {
    let tanh = logit.scale(0.5).tanh();
    (tanh.scale(0.5 - least), (R::one() - tanh.square()).scale(0.25 - 0.5 * least))
}

/// ln of `number`, of which `above_1` is more precise where it is small.
#[inline(always)]
fn ln_near_1<R: Real>(above_1: R, number: R) -> R {
    let small = above_1.abs().lt(R::constant(0.5));
    let rounded = R::one() + above_1;
    let lost = (above_1 - (rounded - R::one())) * R::select(small, rounded, R::one()).quick_recip();
    R::select(small, rounded, number).ln() + R::select(small, lost, R::zero())
}

/// The shares of the two bins, none below `least`.
#[inline(always)]
fn both_shares<R: Real>(logit: R, least: f64) -> (R, R) {
    let free = 1.0 - 2.0 * least;
    (R::constant(least) + logistic(-logit).scale(free), R::constant(least) + logistic(logit).scale(free))
}

/// Cotangents of two results to those of their inputs.
#[inline(always)]
fn contracted<R: Real, const N: usize>((cot_a, a): (R, &Dual<R, N>), (cot_b, b): (R, &Dual<R, N>)) -> [R; N] {
    let mut cots = a.grad;
    for i in 0..N {
        cots[i] = cot_a * a.grad[i] + cot_b * b.grad[i];
    }
    cots
}

/// The angle of a unit vector counted from 0 and from pi, each precise where it is small.
#[inline(always)]
fn angles<R: Real>(e: [R; 2]) -> [R; 2] {
    [e[1].atan2(e[0]), (-e[1]).atan2(-e[0])]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    use rand_distr::StandardNormal;

    const PLAIN: CircularOptions = CircularOptions::DEFAULT;
    const FIRST: CircularOptions = CircularOptions { fix_first_width_n_height_to_zero: true, ..PLAIN };
    const ALL: [CircularOptions; 4] = [
        PLAIN,
        FIRST,
        CircularOptions { independent_width_height_parametrization: true, ..PLAIN },
        CircularOptions {
            also_fix_second_width_to_zero: true,
            independent_width_height_parametrization: true,
            ..FIRST
        },
    ];

    fn prepared(options: &CircularOptions, params: &[f64]) -> Vec<f64> {
        let mut prepared = vec![0.0; options.prepared()];
        options.prepare(params, &mut prepared);
        prepared
    }
    fn random(rng: &mut StdRng, n: usize) -> Vec<f64> {
        (0..n).map(|_| rng.sample(StandardNormal)).collect()
    }
    fn close(a: f64, b: f64, tolerance: f64) -> bool {
        (a - b).abs() <= tolerance * (1.0 + b.abs())
    }

    /// The argument of the spline itself where it, or its inverse, is given `angle`.
    fn base(options: &CircularOptions, prepared: &[f64], factor: f64, angle: f64, inverse: bool) -> f64 {
        let base = if inverse { angle + options.turn(prepared, factor, angle, true).0 } else { angle };
        base - TAU * (base / TAU).round()
    }

    #[test]
    fn parameters_are_counted_as_published() {
        assert_eq!(ALL.map(|o| o.params()), [4, 2, 4, 1]);
    }

    /// The published formulas, word by word.
    fn published(params: &[f64], x: f64) -> (f64, f64) {
        let share = |a: f64, b: f64| TAU * (1e-4 + (1.0 - 2e-4) * a.exp() / (a.exp() + b.exp()));
        let (w1, w2) = (share(params[0], params[1]), share(params[1], params[0]));
        let (h1, h2) = (share(params[2], params[3]), share(params[3], params[2]));
        let (hp, wp) = (h1 * h2, w1 * w2);
        let squares = (h2 * w1).powi(2) + (h1 * w2).powi(2);
        let d = (hp * (w1 + w2) + (hp * (8.0 * squares + (9.0 * (w1 + w2).powi(2) - 16.0 * wp) * hp)).sqrt())
            / (4.0 * (h1 + h2) * wp);
        let (e, g) = (w1 / 2.0 - PI, w1 / 2.0 - PI + w2);
        let sx = PI - w1 / 2.0;
        let sy = TAU - (h1 + h2 * e * (e * h1 - d * w1 * g) / (h1 * w2 * w2 + 2.0 * (h1 - d * w1) * e * g));
        let u = if x < sx { x - sx + TAU } else { x - sx };
        let (start, y0, w, h) = if u < w1 { (0.0, 0.0, w1, h1) } else { (w1, h1, w2, h2) };
        let (t, sl) = ((u - start) / w, h / w);
        let q = 2.0 * (d - sl);
        let y = y0 + h * (sl * t * t + d * t * (1.0 - t)) / (sl + q * t * (1.0 - t)) + sy;
        let slope =
            sl * sl * (d * t * t + 2.0 * sl * t * (1.0 - t) + d * (1.0 - t).powi(2)) / (sl + q * t * (1.0 - t)).powi(2);
        (if y > TAU { y - TAU } else { y }, slope.ln())
    }

    #[test]
    fn the_map_is_the_published_one() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..200 {
            let params = random(&mut rng, 4);
            let x = TAU * rng.random::<f64>();
            let (y, ln) = published(&params, x);
            let angle = if x > PI { x - TAU } else { x };
            let (turn, own) = PLAIN.turn(&prepared(&PLAIN, &params), 1.0, angle, false);
            let off = (angle + turn - y).rem_euclid(TAU);
            assert!(off.min(TAU - off) < 1e-12 && close(own, ln, 1e-12), "{params:?} {x}: {off} {own} {ln}");
            let (e, own) = PLAIN.map(&prepared(&PLAIN, &params), [x.cos(), x.sin()], false);
            assert!(
                (e[0] - y.cos()).hypot(e[1] - y.sin()) < 1e-12 && close(own, ln, 1e-12),
                "{params:?} {x}: {e:?} {own}"
            );
        }
    }

    #[test]
    fn both_directions_invert_each_other_around_the_circle() {
        let mut rng = StdRng::seed_from_u64(2);
        for options in &ALL {
            for round in 0..100 {
                let prepared: Vec<f64> = prepared(options, &random(&mut rng, options.params()))
                    .iter()
                    .map(|p| p * f64::from(1 + round / 20))
                    .collect();
                let factor = rng.random::<f64>();
                for angle in [0.0, PI, -PI, 1e-12, -1e-9, TAU * rng.random::<f64>() - PI] {
                    let (there, ln_there) = options.turn(&prepared, factor, angle, true);
                    let (back, ln_back) = options.turn(&prepared, factor, angle + there, false);
                    let grown = 1e-14 * (1.0 + ln_back.exp());
                    assert!((there + back).abs() < grown, "{options:?} {prepared:?} {angle}: {there} {back}");
                    assert!(close(ln_there, -ln_back, 1e-10), "{options:?} {angle}: {ln_there} {ln_back}");
                }
            }
        }
    }

    #[test]
    fn a_faded_spline_is_proportional_to_its_factor() {
        let prepared = prepared(&PLAIN, &[0.4, -0.3, 0.9, 1.2]);
        for inverse in [true, false] {
            for angle in [0.3, 2.0, -3.0] {
                let (turn, ln) = PLAIN.turn(&prepared, 1e-8, angle, inverse);
                for factor in [1e-12, 1e-100, 1e-290] {
                    let (small, small_ln) = PLAIN.turn(&prepared, factor, angle, inverse);
                    assert!(close(small / factor, turn / 1e-8, 1e-6), "{small} {turn}");
                    assert!(close(small_ln / factor, ln / 1e-8, 1e-6), "{small_ln} {ln}");
                    let mut cot = [0.0; 2];
                    let (_, by_angle) = PLAIN.turn_vjp(
                        &prepared,
                        factor,
                        base(&PLAIN, &prepared, factor, angle, inverse),
                        inverse,
                        (1.0, 1.0),
                        &mut cot,
                    );
                    assert!(by_angle.abs() < 10.0 * factor, "{by_angle}");
                }
            }
        }
        assert_eq!(PLAIN.turn(&prepared, 0.0, 1.0, true), (0.0, 0.0));
    }

    fn difference(mut f: impl FnMut(f64) -> f64) -> f64 {
        let h = 1e-4;
        (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
    }

    #[test]
    fn derivatives_equal_differences() {
        let mut rng = StdRng::seed_from_u64(3);
        for options in &ALL {
            for _ in 0..100 {
                let params = random(&mut rng, options.params());
                let (factor, angle) = (rng.random::<f64>(), TAU * rng.random::<f64>() - PI);
                let (by_turn, by_ln): (f64, f64) = (rng.sample(StandardNormal), rng.sample(StandardNormal));
                for inverse in [true, false] {
                    let f = |params: &[f64], factor: f64, angle: f64| {
                        let (turn, ln) = options.turn(&prepared(options, params), factor, angle, inverse);
                        by_turn * turn + by_ln * ln
                    };
                    let prepared = prepared(options, &params);
                    let (_, ln) = options.turn(&prepared, factor, angle, inverse);
                    let slope = difference(|h| h + options.turn(&prepared, factor, angle + h, inverse).0).ln();
                    assert!(close(ln, slope, 1e-8), "{options:?} {ln} {slope}");

                    let mut cot = vec![0.0; options.prepared()];
                    let (cot_factor, cot_angle) = options.turn_vjp(
                        &prepared,
                        factor,
                        base(options, &prepared, factor, angle, inverse),
                        inverse,
                        (by_turn, by_ln),
                        &mut cot,
                    );
                    let mut cot_params = vec![0.0; options.params()];
                    options.prepare_vjp(&cot, &mut cot_params);
                    let mut pairs = vec![
                        (cot_factor, difference(|h| f(&params, factor + h, angle))),
                        (cot_angle, difference(|h| f(&params, factor, angle + h))),
                    ];
                    for k in 0..params.len() {
                        let shifted = |h: f64| {
                            let mut shifted = params.clone();
                            shifted[k] += h;
                            shifted
                        };
                        pairs.push((cot_params[k], difference(|h| f(&shifted(h), factor, angle))));
                    }
                    for (exact, numerical) in pairs {
                        assert!(close(exact, numerical, 1e-6), "{options:?} {inverse} {angle}: {exact} {numerical}");
                    }
                }
            }
        }
    }
}
