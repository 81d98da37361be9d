//! Mixtures of Moebius maps of the circle (layers.md 7.1): the azimuth of layer n, and all of layer m.
//!
//! Danilo J. Rezende et al., Normalizing Flows on Tori and Spheres (2020), sections 2.1.1 and A.2.
//!
//! # Formula
//! A component has a centre w with |w| = r < 1 and a weight pi. It maps the unit vector e to (1 - r^2) (e - w) / |e - w|^2 - w;
//! with complex numbers that is (e - w) / (1 - conj(w) e), whose angle is x + 2 A(x) for e at the angle x and
//!
//! ```text
//! A(x) = arg(1 - w conj(e)) = atan2(e cross p, e . p) in (-pi/2, pi/2),    p = e - w
//! ```
//!
//! Turned so that the angle pi stays where it is, averaged over components:
//!
//! ```text
//! T(x)  = x + 2 sum pi (A(x) - A(pi))
//! T'(x) = sum pi (1 - r^2) / |p|^2                  in [0.0005, 2000]
//! ```
//!
//! The sum is a smooth function of the unit vector e: there is no seam, neither in T nor in any derivative, and the image of e is
//! e turned by that sum. |p|^2 is formed from p, and 1 - r^2 from 1 - r, so that nothing is lost where w comes close to the circle.

use crate::numeric::root::{Increasing, Local, Smooth, monotone_root_from};
use crate::numeric::special::logistic;
use crate::numeric::{Lift, Real, Scalar};

/// Parameters of a component: a, b (direction of w), l (|w| through a logistic function), n (logit of the weight).
pub(crate) const PARAMS: usize = 4;
/// r = LEAST + SPAN logistic(l).
const LEAST: f64 = 0.001;
const SPAN: f64 = 0.998;
/// The search for an angle of (-pi, pi] looks a little further on both sides.
const REACH: f64 = 3.2;

/// How many prepared numbers a mixture has: (w_x, w_y, 1 - r^2, pi) per component, then 2 sum pi A(pi).
pub(crate) const fn prepared(components: usize) -> usize {
    4 * components + 1
}

/// Direction (a, b) / |(a, b)|, 1 / |(a, b)|, r, 1 - r and dr/dl of a component.
#[inline(always)]
fn centre<P: Real>(component: &[P]) -> ([P; 2], P, P, P, P) {
    let norm2 = component[0].square() + component[1].square();
    let scale = norm2.max(P::constant(P::Scalar::TINY)).sqrt().recip();
    let (up, down) = (logistic(component[2]), logistic(-component[2]));
    let r = P::constant(LEAST) + up.scale(SPAN);
    let rest = P::constant(1.0 - LEAST - SPAN) + down.scale(SPAN);
    ([component[0] * scale, component[1] * scale], scale, r, rest, (up * down).scale(SPAN))
}

/// Parameters (K, 4) to prepared numbers.
#[inline(always)]
pub(crate) fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
    let last = prepared.len() - 1;
    let mut most = params[3];
    for p in params.chunks_exact(PARAMS) {
        most = most.max(p[3]);
    }
    let mut sum = P::zero();
    for (p, out) in params.chunks_exact(PARAMS).zip(prepared.chunks_exact_mut(4)) {
        let (n, _, r, rest, _) = centre(p);
        out[0] = r * n[0];
        out[1] = r * n[1];
        out[2] = rest * (P::one() + r);
        out[3] = (p[3] - most).exp();
        sum += out[3];
    }
    let over = sum.recip();
    let mut offset = P::zero();
    for out in prepared.chunks_exact_mut(4) {
        out[3] *= over;
        offset += (out[3] * at_pi(out).0).scale(2.0);
    }
    prepared[last] = offset;
}

/// A(pi) of a prepared component, and its derivatives by w. With e = (-1, 0): d A / d w = (p_y, -p_x) / |p|^2 and p = -(1 + w_x, w_y).
#[inline(always)]
fn at_pi<P: Real>(c: &[P]) -> (P, [P; 2]) {
    let across = P::one() + c[0];
    let over = (across.square() + c[1].square()).recip();
    (c[1].atan2_right(across), [-c[1] * over, across * over])
}

/// Cotangents of [`prepare`].
#[inline(always)]
pub(crate) fn prepare_vjp<P: Real>(params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
    let offset_bar = cot_prepared[prepared.len() - 1];
    // The cotangents of the weights before their normalisation; their mean is taken off below.
    let mut mean = P::zero();
    for (((p, c), bar), out) in params
        .chunks_exact(PARAMS)
        .zip(prepared.chunks_exact(4))
        .zip(cot_prepared.chunks_exact(4))
        .zip(cot_params.chunks_exact_mut(PARAMS))
    {
        let (n, scale, r, _, slope) = centre(p);
        let (angle, by_w) = at_pi(c);
        let twice = (offset_bar * c[3]).scale(2.0);
        let w_bar = [bar[0] + by_w[0] * twice, bar[1] + by_w[1] * twice];
        let along = w_bar[0] * n[0] + w_bar[1] * n[1];
        out[0] += r * (w_bar[0] - n[0] * along) * scale;
        out[1] += r * (w_bar[1] - n[1] * along) * scale;
        out[2] += (along - (r * bar[2]).scale(2.0)) * slope;
        let weighted = c[3] * (bar[3] + (angle * offset_bar).scale(2.0));
        out[3] += weighted;
        mean += weighted;
    }
    for (c, out) in prepared.chunks_exact(4).zip(cot_params.chunks_exact_mut(PARAMS)) {
        out[3] -= c[3] * mean;
    }
}

/// A component seen from the unit vector e.
struct Seen<R> {
    /// p = e - w.
    p: [R; 2],
    /// e . p and e cross p.
    along: R,
    across: R,
    /// 1 / |p|^2.
    over: R,
}

#[inline(always)]
fn seen<R: Real, P: Lift<R>>(component: &[P], e: [R; 2]) -> Seen<R> {
    let p = [e[0] - component[0].lift(), e[1] - component[1].lift()];
    let along = e[0].mul_add(p[0], e[1] * p[1]);
    let across = e[0].mul_add(p[1], -(e[1] * p[0]));
    Seen { p, along, across, over: p[0].mul_add(p[0], p[1].square()).quick_recip() }
}

/// T(x) - x, T'(x) and T''(x) at the unit vector e; d|p|^2 / dx = 2 e cross p.
#[inline(always)]
fn turn_and_slopes<R: Real, P: Lift<R>>(prepared: &[P], e: [R; 2]) -> (R, R, R) {
    let (mut turn, mut slope, mut bend) = (R::zero(), R::zero(), R::zero());
    for c in prepared.chunks_exact(4) {
        let Seen { along, across, over, .. } = seen(c, e);
        let (gap, weight): (R, R) = (c[2].lift(), c[3].lift());
        turn = weight.mul_add(across.atan2_right(along), turn);
        let share = weight * gap * over;
        slope += share;
        bend = (share * over).mul_add(across, bend);
    }
    let offset: R = prepared[prepared.len() - 1].lift();
    (turn.scale(2.0) - offset, slope, bend.scale(-2.0))
}

/// e turned by an angle.
#[inline(always)]
fn turned<R: Real>(e: [R; 2], angle: R) -> [R; 2] {
    let (sin, cos) = angle.sin_cos();
    [e[0] * cos - e[1] * sin, e[1] * cos + e[0] * sin]
}

/// The image of the unit vector `e`, and T'.
#[inline(always)]
pub(crate) fn map<R: Real, P: Lift<R>>(prepared: &[P], e: [R; 2]) -> ([R; 2], R) {
    let (turn, slope, _) = turn_and_slopes(prepared, e);
    (turned(e, turn), slope)
}

/// T as a function of the angle x, for the search of its roots.
///
/// Its slope is a sum of Poisson kernels P = (1 - r^2) / |p|^2. With k = 2 / (1 - r^2), |P'| <= r k P; and P'' / P, which is
/// 2 (P'/P)^2 - 2 r cos(d) / |p|^2, is at most 2 (r k)^2 + 2 r / (1 - r)^2 <= 4 k^2.
struct Image<'a, R, P> {
    prepared: &'a [P],
    /// The largest k.
    stiffness: R,
}

impl<R: Real, P: Lift<R>> Increasing<R> for Image<'_, R, P> {
    #[inline(always)]
    fn at(&mut self, x: R) -> Local<R> {
        let (turn, slope, bend) = turn_and_slopes(self.prepared, unit(x));
        let rise = slope.quick_recip();
        Local { value: x + turn, rise, smooth: Some(Smooth { bend: bend * rise, stiffness: self.stiffness }) }
    }
}

#[inline(always)]
fn unit<R: Real>(x: R) -> [R; 2] {
    let (sin, cos) = x.sin_cos();
    [cos, sin]
}

/// The unit vector whose image is `image`, T' there, and the lanes in which the search for it failed.
#[inline(always)]
pub(crate) fn solve<R: Real, P: Lift<R>>(prepared: &[P], image: [R; 2]) -> ([R; 2], R, R::Mask) {
    let mut least: R = prepared[2].lift();
    for c in prepared.chunks_exact(4) {
        least = least.min(c[2].lift());
    }
    let (reach, angle) = (R::constant(REACH), image[1].atan2(image[0]));
    let f = Image { prepared, stiffness: least.quick_recip().scale(2.0) };
    let (x, failed) = monotone_root_from(angle, angle, -reach, reach, f);
    let e = unit(x);
    (e, slope_and_bend(prepared, e).0, failed)
}

/// Cotangents of [`map`]: of the image's angle and of ln T', to the angle of `e` (returned) and the prepared numbers.
#[inline(always)]
pub(crate) fn map_vjp<R: Real, P: Lift<R>>(
    prepared: &[P],
    e: [R; 2],
    cot_angle: R,
    cot_ln_slope: R,
    cot_prepared: &mut [R],
) -> R {
    let (slope, bend) = slope_and_bend(prepared, e);
    add_cot_prepared(prepared, e, cot_angle, cot_ln_slope / slope, cot_prepared);
    slope * cot_angle + bend / slope * cot_ln_slope
}

/// Cotangents of [`solve`], whose result is `e`: of its angle and of -ln T' there, to the angle of the image (returned) and the
/// prepared numbers. From T(x, p) = y: dx = (dy - T_p dp) / T'.
#[inline(always)]
pub(crate) fn solve_vjp<R: Real, P: Lift<R>>(
    prepared: &[P],
    e: [R; 2],
    cot_angle: R,
    cot_log_det: R,
    cot_prepared: &mut [R],
) -> R {
    let (slope, bend) = slope_and_bend(prepared, e);
    let cot_image = (cot_angle - bend / slope * cot_log_det) / slope;
    add_cot_prepared(prepared, e, -cot_image, -cot_log_det / slope, cot_prepared);
    cot_image
}

/// T' at the unit vector `e`.
#[inline(always)]
pub(crate) fn slope<R: Real, P: Lift<R>>(prepared: &[P], e: [R; 2]) -> R {
    slope_and_bend(prepared, e).0
}

/// Cotangents of ln T': to the angle of `e` (returned) and the prepared numbers.
#[inline(always)]
pub(crate) fn ln_slope_vjp<R: Real, P: Lift<R>>(
    prepared: &[P],
    e: [R; 2],
    cot_ln_slope: R,
    cot_prepared: &mut [R],
) -> R {
    let (slope, bend) = slope_and_bend(prepared, e);
    let cot_slope = cot_ln_slope / slope;
    for (c, bar) in prepared.chunks_exact(4).zip(cot_prepared.chunks_exact_mut(4)) {
        by_slope(c, &seen(c, e), cot_slope, bar);
    }
    bend * cot_slope
}

/// T' and T''.
#[inline(always)]
fn slope_and_bend<R: Real, P: Lift<R>>(prepared: &[P], e: [R; 2]) -> (R, R) {
    let (mut slope, mut bend) = (R::zero(), R::zero());
    for c in prepared.chunks_exact(4) {
        let Seen { across, over, .. } = seen(c, e);
        let (gap, weight): (R, R) = (c[2].lift(), c[3].lift());
        let share = weight * gap * over;
        slope += share;
        bend = (share * over).mul_add(across, bend);
    }
    (slope, bend.scale(-2.0))
}

/// Cotangents of T' with respect to the prepared numbers of a component.
#[inline(always)]
fn by_slope<R: Real, P: Lift<R>>(c: &[P], Seen { p, over, .. }: &Seen<R>, cot_slope: R, bar: &mut [R]) {
    let (gap, weight): (R, R) = (c[2].lift(), c[3].lift());
    let (each, steep) = (weight * *over, gap * *over * cot_slope);
    let steeper = (each * steep).scale(2.0);
    bar[0] += steeper * p[0];
    bar[1] += steeper * p[1];
    bar[2] += each * cot_slope;
    bar[3] += steep;
}

/// Cotangents of T(x) - x and T' with respect to the prepared numbers; d A / d w = (p_y, -p_x) / |p|^2.
#[inline(always)]
fn add_cot_prepared<R: Real, P: Lift<R>>(prepared: &[P], e: [R; 2], cot_turn: R, cot_slope: R, cot_prepared: &mut [R]) {
    cot_prepared[prepared.len() - 1] -= cot_turn;
    let twice = cot_turn.scale(2.0);
    for (c, bar) in prepared.chunks_exact(4).zip(cot_prepared.chunks_exact_mut(4)) {
        let seen = seen(c, e);
        by_slope(c, &seen, cot_slope, bar);
        let weight: R = c[3].lift();
        let turned = weight * seen.over * twice;
        bar[0] += turned * seen.p[1];
        bar[1] -= turned * seen.p[0];
        bar[3] = seen.across.atan2_right(seen.along).mul_add(twice, bar[3]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::f64::consts::{PI, TAU};

    /// Three components, one of them close to the circle beside the seam.
    const PARAMETERS: [f64; 12] = [0.3, -0.8, 0.7, 0.1, -1.0, 0.01, 3.0, 0.4, 0.5, 0.9, -1.0, -0.3];

    fn prepared_numbers(params: &[f64]) -> Vec<f64> {
        let mut numbers = vec![0.0; prepared(params.len() / PARAMS)];
        prepare(params, &mut numbers);
        numbers
    }

    fn unit(x: f64) -> [f64; 2] {
        [x.cos(), x.sin()]
    }

    fn angle(e: [f64; 2]) -> f64 {
        e[1].atan2(e[0])
    }

    /// The formula of layers.md 7.1, word by word.
    fn reference(params: &[f64], x: f64) -> (f64, f64) {
        let (mut t, mut slope, mut total) = (0.0, 0.0, 0.0);
        for p in params.chunks(4) {
            let r = 0.001 + 0.998 / (1.0 + (-p[2]).exp());
            let norm = p[0].hypot(p[1]);
            let w = [r * p[0] / norm, r * p[1] / norm];
            let image = |x: f64| {
                let e = unit(x);
                let q = 1.0 + r * r - 2.0 * (e[0] * w[0] + e[1] * w[1]);
                ([0, 1].map(|i| (1.0 - r * r) * (e[i] - w[i]) - q * w[i]), q)
            };
            let (y, q) = image(x);
            let turn = -PI - angle(image(-PI).0);
            let turned = [y[0] * turn.cos() - y[1] * turn.sin(), y[0] * turn.sin() + y[1] * turn.cos()];
            t += p[3].exp() * (angle(turned) + PI);
            slope += p[3].exp() * (1.0 - r * r) / q;
            total += p[3].exp();
        }
        (t / total - PI, slope / total)
    }

    #[test]
    fn agrees_with_the_published_formula() {
        let numbers = prepared_numbers(&PARAMETERS);
        for i in -31..=31 {
            let x = 0.1 * i as f64;
            let (image, slope) = map(&numbers, unit(x));
            let (t, s) = reference(&PARAMETERS, x);
            assert!((angle(image) - t).abs() < 1e-12 && (slope / s - 1.0).abs() < 1e-11, "{x}");
        }
    }

    #[test]
    fn solve_inverts_map_beside_the_seam_too() {
        for l in [-3.0, 0.0, 4.0, 12.0, 60.0] {
            let mut params = PARAMETERS;
            params[6] = l;
            let numbers = prepared_numbers(&params);
            for x in [0.0, 1.0, 2.5, -3.0, 3.1, PI - 1e-6, PI - 1e-12, PI, 1e-12 - PI, 1e-4 - PI, -1e-9] {
                let e = unit(x);
                let (image, slope) = map(&numbers, e);
                let (back, slope_back, failed) = solve(&numbers, image);
                let off = (back[0] - e[0]).hypot(back[1] - e[1]);
                assert!(!failed && off < 1e-15 * (1.0 + 8.0 / slope), "{l} {x}: {off:e}, slope {slope}");
                // The slope changes by at most T'' (below 1e6) times the distance.
                assert!((slope_back - slope).abs() < 1e-11 * slope.max(1.0), "{l} {x}: {slope} {slope_back}");
            }
        }
    }

    #[test]
    fn the_seam_is_not_felt() {
        let numbers = prepared_numbers(&PARAMETERS);
        let at = |x: f64| map(&numbers, unit(x));
        let (seam, slope) = at(PI);
        // The slope carries the rounding of pi and of the unit vectors.
        let rounding = 1e-15 + 4e-16 * slope;
        assert!((seam[0] + 1.0).abs() < 1e-15 && seam[1].abs() < rounding, "{seam:?}");
        let beside = |x: f64| angle(at(x).0.map(|e| -e));
        let (below, above) = (beside(PI - 1e-9), beside(-PI + 1e-9));
        assert!((below + above).abs() < rounding && (below / (-1e-9 * slope) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn derivatives_equal_differences() {
        let numbers = prepared_numbers(&PARAMETERS);
        let (cot_angle, cot_ln) = (0.7, -1.3);
        // The same combination of results for any parameters and angle, without jumps of the angle.
        type Direction = fn(&[f64], [f64; 2]) -> ([f64; 2], f64);
        let directions: [Direction; 2] = [
            |numbers, e| {
                let (image, slope) = map(numbers, e);
                (image, slope.ln())
            },
            |numbers, e| {
                let (back, slope, _) = solve(numbers, e);
                (back, -slope.ln())
            },
        ];
        for (which, f) in directions.iter().enumerate() {
            for x in [0.4, -2.0, 3.1, PI] {
                let (to, _) = f(&numbers, unit(x));
                let mut cot_prepared = vec![0.0; numbers.len()];
                let cot_x = if which == 0 {
                    map_vjp(&numbers, unit(x), cot_angle, cot_ln, &mut cot_prepared)
                } else {
                    solve_vjp(&numbers, to, cot_angle, cot_ln, &mut cot_prepared)
                };
                let mut cot_params = vec![0.0; PARAMETERS.len()];
                prepare_vjp(&PARAMETERS, &numbers, &cot_prepared, &mut cot_params);
                let value = |params: &[f64], x: f64| {
                    let (image, ln) = f(&prepared_numbers(params), unit(x));
                    let moved = (to[0] * image[1] - to[1] * image[0]).atan2(to[0] * image[0] + to[1] * image[1]);
                    cot_angle * moved + cot_ln * ln
                };
                let difference = |g: &dyn Fn(f64) -> f64| (8.0 * (g(1e-4) - g(-1e-4)) - g(2e-4) + g(-2e-4)) / 12e-4;
                let numerical = difference(&|h| value(&PARAMETERS, x + h));
                assert!((cot_x - numerical).abs() < 1e-7 * (1.0 + numerical.abs()), "{which} {x}: {cot_x} {numerical}");
                for k in 0..PARAMETERS.len() {
                    let numerical = difference(&|h| {
                        let mut params = PARAMETERS;
                        params[k] += h;
                        value(&params, x)
                    });
                    let off = (cot_params[k] - numerical).abs();
                    assert!(off < 1e-7 * (1.0 + numerical.abs()), "{which} {x} {k}: {} {numerical}", cot_params[k]);
                }
            }
        }
    }

    #[test]
    fn turns_once_around() {
        let numbers = prepared_numbers(&PARAMETERS);
        let mut total = 0.0;
        let n = 1000;
        for i in 0..n {
            let (a, b) = (
                map(&numbers, unit(TAU * i as f64 / n as f64)).0,
                map(&numbers, unit(TAU * (i + 1) as f64 / n as f64)).0,
            );
            total += (a[0] * b[1] - a[1] * b[0]).atan2(a[0] * b[0] + a[1] * b[1]);
        }
        assert!((total - TAU).abs() < 1e-12);
    }
}
