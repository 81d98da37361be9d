//! A density on the two-sphere with elliptical contours, fitted to draws.
//!
//! The von Mises-Fisher density of concentration kappa around an axis, stretched by u across it and by 1/u across that: with y = (a . x, b . x, m . x)
//! for the axes a (major), b (minor) and m (mean), and r^2 = (y_1 / u)^2 + (u y_2)^2 + y_3^2,
//! ```text
//! ln p(x) = ln kappa - ln(4 pi sinh kappa) + kappa y_3 / r - 3 ln r
//! ```
//! It is normalised exactly for every kappa and u (the image of the von Mises-Fisher density under y -> (y_1/u, u y_2, y_3) / r, whose Jacobian on the
//! sphere is r^-3), has two more parameters than von Mises-Fisher as the Kent density has (Kent 1982, JRSS B 44, 71), and a moderate u does what
//! Kent's beta does. The axes come from moments, as in Kent's own moment estimate; kappa and u from maximum likelihood.
//!
//! # Errors and gradients
//! The fit theta = (ln kappa, ln u) solves mean_i s(y_i; theta) = 0 for the score s, with y_i = (a . x_i, b . x_i, m . x_i). By the implicit function theorem
//! ```text
//! d theta = H^-1 [mean_i (ds/dy)(y_i) dy_i + d(weights) s(y_i)],      H = -mean_i ds/dtheta,      dy_i = axes . dx_i + (turn of the axes) . y_i
//! ```
//! and the axes turn with the first two moments A = mean x, B = mean x x^T: by alpha = a . dA / R and beta = b . dA / R of m towards a and b, R = |A|, and by
//! psi = (a . dB b - alpha m . B b - beta a . B m) / (a . B a - b . B b) of a towards b (the derivative of an eigenvector across m). With dx_i this is the gradient on the
//! tape; with the weight of one draw, its influence, whose spread is the standard error (White 1982, Econometrica 50, 1), right also where p is of another
//! shape. Where p is round about its mean direction there is no major axis: psi, which then moves nothing, has an arbitrary value, and the stretch, which is at the
//! end of its range, is not normally distributed.

use super::base::Sampling;
use super::directional::{bessel_ratio, columns, concentration, resultant, slope, sphere};
use super::estimate::{Estimate, TracedEstimate, fused, rows};
use super::moments::embedded_draws;
use crate::density::{Density, ManifoldInfo};
use crate::error::Error;
use crate::module::{Element, TracedDensity};
use core::f64::consts::PI;
use dfdx::shapes::Const;
use rand::Rng;

/// A fitted elliptical density.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kent {
    /// Mean direction, major axis, minor axis: right-handed unit vectors.
    pub axes: [[f64; 3]; 3],
    /// The concentration: the geometric mean of the two widths is 1 / sqrt(kappa) where that is small.
    pub kappa: Estimate,
    /// The stretch u >= 1 along the major axis: the ratio of the two widths is u^2.
    pub stretch: Estimate,
    /// The mean log-density of the draws, by area: minus the cross-entropy of the density relative to the fit.
    pub log_likelihood: f64,
}

impl Kent {
    /// ln p(x) of a unit vector, by area.
    pub fn log_prob(&self, x: [f64; 3]) -> f64 {
        let [m, a, b] = self.axes.map(|axis| axis.iter().zip(x).map(|(a, x)| a * x).sum());
        Point::new([a, b, m], self.stretch.value.ln()).log_prob(self.kappa.value)
    }
}

/// A point, and what its log-density is made of.
#[derive(Clone, Copy)]
struct Point {
    cos: f64,
    ln_r: f64,
    /// (y_1 / u^2, u^2 y_2, y_3) / r, the gradient of r by y.
    normal: [f64; 3],
    r: f64,
    /// d ln r / d ln u = ((u y_2)^2 - (y_1 / u)^2) / r^2, and the sum of the same two terms.
    turn: f64,
    across: f64,
    /// y_1 / (u^2 r^2) and u^2 y_2 / r^2.
    parts: [f64; 2],
}

impl Point {
    fn new([y1, y2, y3]: [f64; 3], ln_u: f64) -> Self {
        let (shrunk, grown) = ((-2.0 * ln_u).exp() * y1, (2.0 * ln_u).exp() * y2);
        let (first, second) = (shrunk * y1, grown * y2);
        let r2 = first + second + y3 * y3;
        let r = r2.sqrt();
        Point {
            cos: y3 / r,
            ln_r: 0.5 * r2.ln(),
            normal: [shrunk / r, grown / r, y3 / r],
            r,
            turn: (second - first) / r2,
            across: (second + first) / r2,
            parts: [shrunk / r2, grown / r2],
        }
    }

    fn log_prob(&self, kappa: f64) -> f64 {
        // ln(kappa / (4 pi sinh kappa)) + kappa cos, without overflow.
        let log_norm = kappa.ln() - (2.0 * PI).ln() - (-(-2.0 * kappa).exp_m1()).ln();
        log_norm + kappa * (self.cos - 1.0) - 3.0 * self.ln_r
    }

    /// The derivatives by ln kappa and ln u; `mean_cos` is [`bessel_ratio`] of kappa.
    fn score(&self, kappa: f64, mean_cos: f64) -> [f64; 2] {
        [kappa * (self.cos - mean_cos), -(kappa * self.cos + 3.0) * self.turn]
    }

    /// Minus the second derivatives by ln kappa (twice), by both, and by ln u (twice): d cos / d ln u = -cos turn, d turn / d ln u = 2 across - 2 turn^2.
    fn curvature(&self, kappa: f64, mean_cos: f64, slope: f64) -> [f64; 3] {
        let along = kappa * self.cos;
        let by_turn = 2.0 * self.across - 2.0 * self.turn * self.turn;
        [
            kappa * (mean_cos - self.cos) + kappa * kappa * slope,
            along * self.turn,
            (along + 3.0) * by_turn - along * self.turn * self.turn,
        ]
    }

    /// The derivatives by y of a combination of the score.
    fn score_by_point(&self, kappa: f64, [by_kappa, by_u]: [f64; 2]) -> [f64; 3] {
        let cos_bar = kappa * by_kappa - kappa * self.turn * by_u;
        let turn_bar = -(kappa * self.cos + 3.0) * by_u;
        core::array::from_fn(|k| {
            // cos = y_3 / r, turn = (second - first) / r^2, dr = normal . dy.
            let by_cos = (f64::from(u8::from(k == 2)) - self.cos * self.normal[k]) / self.r;
            let own = [-2.0 * self.parts[0], 2.0 * self.parts[1], 0.0][k];
            cos_bar * by_cos + turn_bar * (own - 2.0 * self.turn * self.normal[k] / self.r)
        })
    }
}

/// Steps of the fit; it takes about five.
const STEPS: usize = 60;

/// Above this concentration draws are one point to rounding: 1 - R is known to 1e-16.
const ONE_POINT: f64 = 1e14;

/// Fits the elliptical density to draws of the sphere number `manifold` (an `s2`), under each condition.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(s2 : f), f64>();
/// let fit = estimators::kent(&pdf, 0, 2000, &mut StdRng::seed_from_u64(1))?[0];
/// assert!(fit.stretch.value >= 1.0 && fit.kappa.value > 0.0);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// There is no such manifold, or it is no `s2`; the number of draws does not suit its spread or is below 4; the draws lie on one point or one great circle, to
/// rounding; a value leaves the range of the numbers.
pub fn kent<E, D, G>(density: &D, manifold: usize, plan: impl Into<Sampling>, rng: &mut G) -> Result<Vec<Kent>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let (plan, space) = (plan.into(), two_sphere(&density.manifolds(), manifold)?);
    at_least_four(plan.n)?;
    let vectors = columns(&embedded_draws(density, plan, rng)?, D::EMBED, &space);
    let group = plan.group()?;
    vectors.chunks_exact(plan.n * 3).map(|own| Ok(fit(own.as_chunks().0, group)?.kent)).collect()
}

/// Concentration and stretch of [`kent()`] on the tape: the two columns of shape (conditions, 2).
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(s2 : ff), f64>();
/// let mut rng = StdRng::seed_from_u64(1);
/// let fit = estimators::kent_traced(pdf.on_tape(pdf.alloc_grads())?, 0, 200, &mut rng)?;
/// // A loss that asks for round contours.
/// let stretch = fit.value.slice((.., 1..)).realize::<(Const<1>, Const<1>)>();
/// let _ = (stretch - 1.0).square().sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`kent()`].
pub fn kent_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    manifold: usize,
    plan: impl Into<Sampling>,
    rng: &mut G,
) -> Result<TracedEstimate<(usize, Const<2>), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (plan, conditions, space) = (plan.into(), density.conditions(), two_sphere(&density.manifolds(), manifold)?);
    at_least_four(plan.n)?;
    let (n, group) = (plan.n, plan.group()?);
    let base = plan.draw(conditions, N, rng)?;
    let (points, traced) = rows(density.forward_traced_embedded(&base)?.into_points())?;
    let vectors = columns(&points, M, &space);
    let fits =
        vectors.chunks_exact(n * 3).map(|own| fit(own.as_chunks().0, group)).collect::<Result<Vec<_>, Error>>()?;
    let found: Vec<Estimate> = fits.iter().flat_map(|fit| [fit.kent.kappa, fit.kent.stretch]).collect();
    let value = fused(traced, (conditions, Const), found.iter().map(|e| e.value).collect(), move |cot| {
        let mut bars = vec![0.0; conditions * n * M];
        for (c, fit) in fits.iter().enumerate() {
            let own = vectors[c * n * 3..][..n * 3].as_chunks().0;
            for (i, bar) in fit.pull(own, [cot[2 * c], cot[2 * c + 1]]).into_iter().enumerate() {
                bars[(c * n + i) * M..][space.embedded.clone()].copy_from_slice(&bar);
            }
        }
        bars
    })?;
    Ok(TracedEstimate { value, standard_error: found.iter().map(|e| e.standard_error).collect() })
}

/// The two-sphere asked for.
fn two_sphere(spaces: &[ManifoldInfo], manifold: usize) -> Result<ManifoldInfo, Error> {
    let space = sphere(spaces, manifold)?;
    if space.embedded.len() != 3 {
        let message = format!("`{}` has no major and minor axis: this fit is for s2", space.notation);
        return Err(Error::argument("manifold", message));
    }
    Ok(space)
}

fn at_least_four(n: usize) -> Result<(), Error> {
    if n < 4 { Err(Error::argument("n", "an ellipse needs four draws at least")) } else { Ok(()) }
}

/// Mean direction, and the principal axes of the second moment across it, with its two eigenvalues.
fn frame(vectors: &[[f64; 3]]) -> ([[f64; 3]; 3], [f64; 2]) {
    let (mean, _) = resultant(vectors.as_flattened(), 3);
    let mean: [f64; 3] = [mean[0], mean[1], mean[2]];
    // Any two directions across the mean: the axis it is farthest from leads to the first.
    let far = (0..3).min_by(|i, j| mean[*i].abs().total_cmp(&mean[*j].abs())).unwrap_or(0);
    let mut e = [0.0; 3];
    e[far] = 1.0;
    let first = unit(cross(mean, e));
    let second = cross(mean, first);
    let [mut aa, mut ab, mut bb] = [0.0; 3];
    for x in vectors {
        let (a, b) = (dot(first, *x), dot(second, *x));
        aa += a * a;
        ab += a * b;
        bb += b * b;
    }
    let n = vectors.len() as f64;
    let turn = 0.5 * (2.0 * ab).atan2(aa - bb);
    let (sin, cos) = turn.sin_cos();
    let major: [f64; 3] = core::array::from_fn(|i| cos * first[i] + sin * second[i]);
    let spread = (0.5 * (aa - bb)).hypot(ab);
    ([mean, major, cross(mean, major)], [(0.5 * (aa + bb) + spread) / n, (0.5 * (aa + bb) - spread) / n])
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn unit(a: [f64; 3]) -> [f64; 3] {
    let length = dot(a, a).sqrt();
    a.map(|x| x / length)
}

/// A symmetric matrix [[a, b], [b, c]] solved for a vector.
fn solve([a, b, c]: [f64; 3], [x, y]: [f64; 2]) -> [f64; 2] {
    let det = a * c - b * b;
    [(c * x - b * y) / det, (a * y - b * x) / det]
}

/// A fit, and what its derivatives are made of.
struct Fit {
    kent: Kent,
    /// ln kappa and ln u along these axes; ln u may be negative where moments and likelihood disagree which axis is the major one.
    at: [f64; 2],
    axes: [[f64; 3]; 3],
    /// Minus the mean second derivatives of ln p.
    curvature: [f64; 3],
    /// The resultant length.
    length: f64,
    /// m . B b, a . B m, and a . B a - b . B b, of the second moment B.
    moments: [f64; 3],
}

/// The weights of a turn of the axes in a combination of the fit: along A towards a and b, and along a . dB b.
struct Turn {
    towards: [f64; 2],
    about: f64,
}

impl Fit {
    fn seen(&self, x: &[f64; 3]) -> [f64; 3] {
        [dot(self.axes[1], *x), dot(self.axes[2], *x), dot(self.axes[0], *x)]
    }

    /// For H^-1 c of a combination c of theta: the weights of the score, and those of the turn of the axes through all draws.
    fn solved(&self, vectors: &[[f64; 3]], combination: [f64; 2]) -> ([f64; 2], Turn) {
        let solved = solve(self.curvature, combination);
        let kappa = self.at[0].exp();
        // dy_1 = psi y_2 - alpha y_3, dy_2 = -psi y_1 - beta y_3, dy_3 = alpha y_1 + beta y_2.
        let mut sums = [0.0; 3];
        for x in vectors {
            let y = self.seen(x);
            let by = Point::new(y, self.at[1]).score_by_point(kappa, solved);
            sums[0] += by[2] * y[0] - by[0] * y[2];
            sums[1] += by[2] * y[1] - by[1] * y[2];
            sums[2] += by[0] * y[1] - by[1] * y[0];
        }
        let [alpha, beta, psi] = sums.map(|s| s / vectors.len() as f64);
        let [m_b, a_m, gap] = self.moments;
        let about = if gap > 0.0 { psi / gap } else { 0.0 };
        let towards = [(alpha - about * m_b) / self.length, (beta - about * a_m) / self.length];
        (solved, Turn { towards, about })
    }

    /// Computes how each draw's weight moves a combination of theta, apart from what all draws have in common.
    fn influence(&self, vectors: &[[f64; 3]], combination: [f64; 2]) -> Vec<f64> {
        let (solved, turn) = self.solved(vectors, combination);
        let kappa = self.at[0].exp();
        let mean_cos = bessel_ratio(kappa, 3);
        let of = |x: &[f64; 3]| {
            let y = self.seen(x);
            let score = Point::new(y, self.at[1]).score(kappa, mean_cos);
            let turned = turn.towards[0] * y[0] + turn.towards[1] * y[1] + turn.about * y[0] * y[1];
            solved[0] * score[0] + solved[1] * score[1] + turned
        };
        vectors.iter().map(of).collect()
    }

    /// d ln(stretch) / d ln u: -1 where the axes were exchanged.
    fn sign(&self) -> f64 {
        if self.at[1] < 0.0 { -1.0 } else { 1.0 }
    }

    /// Cotangents of the draws, given those of kappa and the stretch.
    fn pull(&self, vectors: &[[f64; 3]], [by_kappa, by_stretch]: [f64; 2]) -> Vec<[f64; 3]> {
        let combination = [by_kappa * self.kent.kappa.value, by_stretch * self.kent.stretch.value * self.sign()];
        let (solved, turn) = self.solved(vectors, combination);
        let (kappa, n) = (self.at[0].exp(), vectors.len() as f64);
        let of = |x: &[f64; 3]| {
            let y = self.seen(x);
            let by = Point::new(y, self.at[1]).score_by_point(kappa, solved);
            let along_a = by[0] + turn.towards[0] + turn.about * y[1];
            let along_b = by[1] + turn.towards[1] + turn.about * y[0];
            core::array::from_fn(|k| {
                (along_a * self.axes[1][k] + along_b * self.axes[2][k] + by[2] * self.axes[0][k]) / n
            })
        };
        vectors.iter().map(of).collect()
    }
}

/// A point on the likelihood's surface.
struct Top {
    value: f64,
    score: [f64; 2],
    curvature: [f64; 3],
}

fn look(seen: &[[f64; 3]], [ln_k, ln_u]: [f64; 2]) -> Top {
    let kappa = ln_k.exp();
    let (mean_cos, slope) = (bessel_ratio(kappa, 3), slope(kappa, 3));
    let mut top = Top { value: 0.0, score: [0.0; 2], curvature: [0.0; 3] };
    for y in seen {
        let point = Point::new(*y, ln_u);
        top.value += point.log_prob(kappa);
        top.score.iter_mut().zip(point.score(kappa, mean_cos)).for_each(|(sum, s)| *sum += s);
        top.curvature.iter_mut().zip(point.curvature(kappa, mean_cos, slope)).for_each(|(sum, c)| *sum += c);
    }
    let n = seen.len() as f64;
    Top { value: top.value / n, score: top.score.map(|s| s / n), curvature: top.curvature.map(|c| c / n) }
}

fn fit(vectors: &[[f64; 3]], group: usize) -> Result<Fit, Error> {
    let (axes, [major, minor]) = frame(vectors);
    let seen: Vec<[f64; 3]> = vectors.iter().map(|x| [dot(axes[1], *x), dot(axes[2], *x), dot(axes[0], *x)]).collect();
    let (_, length) = resultant(vectors.as_flattened(), 3);
    let ln_u = 0.25 * (major / minor.max(f64::MIN_POSITIVE)).ln().clamp(0.0, 20.0);
    let start =
        (0.5 * ((2.0 * ln_u).exp() + (-2.0 * ln_u).exp())).ln() + concentration(length, 3).clamp(1e-8, ONE_POINT).ln();
    let mut at = [start, ln_u];
    let mut top = look(&seen, at);
    let size = |score: [f64; 2]| score[0].hypot(score[1]);
    for _ in 0..STEPS {
        let [a, b, c] = top.curvature;
        let concave = a > 0.0 && a * c > b * b;
        // Newton where the likelihood is concave, else along the slope.
        let step = if concave { solve(top.curvature, top.score) } else { top.score };
        let tried = |share: f64| {
            let to = [at[0] + share * step[0], at[1] + share * step[1]];
            (to, look(&seen, to))
        };
        // Near the top the likelihood is level to rounding: there the score says which point is better.
        let close = |found: &Top| concave && size(found.score) < 0.5 * size(top.score);
        let better =
            |(_, found): &([f64; 2], Top)| found.value > top.value || (found.value > top.value - 1e-9 && close(found));
        let shares = core::iter::successors(Some(1.0), |share| (*share > 1e-10).then_some(0.5 * share));
        let Some((next, found)) = shares.map(tried).find(better) else { break };
        let done = size(found.score) <= 1e-15 * (1.0 + next[0].exp());
        (at, top) = (next, found);
        if done {
            break;
        }
    }
    let (kappa, stretch) = (at[0].exp(), at[1].abs().exp());
    let [a, b, c] = top.curvature;
    if !(kappa < ONE_POINT && stretch < ONE_POINT && a * c > b * b) {
        let message = "the draws of the sphere lie on one point or one great circle: no ellipse fits them";
        return Err(Error::argument("density", message));
    }
    let mean = |f: &dyn Fn(&[f64; 3]) -> f64| seen.iter().map(f).sum::<f64>() / seen.len() as f64;
    let moments = [mean(&|y| y[2] * y[1]), mean(&|y| y[0] * y[2]), mean(&|y| y[0] * y[0] - y[1] * y[1])];
    let [mean_axis, first, second] = axes;
    // A stretch below 1 is one along the other axis.
    let shown = if at[1] < 0.0 { [mean_axis, second, first.map(|x| -x)] } else { axes };
    let unknown = |value| Estimate { value, standard_error: f64::INFINITY };
    let kent = Kent { axes: shown, kappa: unknown(kappa), stretch: unknown(stretch), log_likelihood: top.value };
    let mut fit = Fit { kent, at, axes, curvature: top.curvature, length, moments };
    let error = |combination| Estimate::of_groups(&fit.influence(vectors, combination), group).standard_error;
    let [kappa_error, stretch_error] = [kappa * error([1.0, 0.0]), stretch * error([0.0, 1.0])];
    fit.kent.kappa.standard_error = kappa_error;
    fit.kent.stretch.standard_error = stretch_error;
    Ok(fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(kappa: f64, u: f64) -> Kent {
        let exact = |value| Estimate { value, standard_error: 0.0 };
        let axes = [unit([1.0, 2.0, -1.0]), unit([2.0, -1.0, 0.0]), [0.0; 3]];
        let axes = [axes[0], axes[1], cross(axes[0], axes[1])];
        Kent { axes, kappa: exact(kappa), stretch: exact(u), log_likelihood: 0.0 }
    }

    #[test]
    fn the_density_is_normalised() {
        for (kappa, u) in [(0.5, 1.0), (4.0, 1.7), (30.0, 2.5)] {
            let model = model(kappa, u);
            let steps = 400;
            let mut sum = 0.0;
            for i in 0..steps {
                let z = (2 * i + 1) as f64 / steps as f64 - 1.0;
                for j in 0..steps {
                    let phi = 2.0 * PI * (j as f64 + 0.5) / steps as f64;
                    let rho = (1.0 - z * z).sqrt();
                    sum += model.log_prob([rho * phi.cos(), rho * phi.sin(), z]).exp();
                }
            }
            let total = sum * 4.0 * PI / (steps * steps) as f64;
            assert!((total - 1.0).abs() < 1e-4, "{kappa} {u}: {total}");
        }
    }

    #[test]
    fn scores_are_differences() {
        let y = unit([0.3, -0.4, 0.8]);
        let at = |k: f64, u: f64| Point::new(y, u).log_prob(k.exp());
        let (k, u, h) = (1.3_f64, 0.4, 1e-6);
        let mean_cos = bessel_ratio(k.exp(), 3);
        let score = Point::new(y, u).score(k.exp(), mean_cos);
        let [a, b, c] = Point::new(y, u).curvature(k.exp(), mean_cos, slope(k.exp(), 3));
        let score_at = |k: f64, u: f64| Point::new(y, u).score(k.exp(), bessel_ratio(k.exp(), 3));
        let by = |i: usize, dk: f64, du: f64| (score_at(k - dk, u - du)[i] - score_at(k + dk, u + du)[i]) / (2.0 * h);
        for (found, differences) in [(a, by(0, h, 0.0)), (b, by(0, 0.0, h)), (b, by(1, h, 0.0)), (c, by(1, 0.0, h))] {
            assert!((found - differences).abs() < 1e-7, "{found} {differences}");
        }
        let by_point = Point::new(y, u).score_by_point(k.exp(), [0.7, -1.1]);
        for i in 0..3 {
            let at = |h: f64| {
                let mut y = y;
                y[i] += h;
                let [s, t] = Point::new(y, u).score(k.exp(), mean_cos);
                0.7 * s - 1.1 * t
            };
            assert!((by_point[i] - (at(h) - at(-h)) / (2.0 * h)).abs() < 1e-7, "{i}: {}", by_point[i]);
        }
        assert!((score[0] - (at(k + h, u) - at(k - h, u)) / (2.0 * h)).abs() < 1e-8);
        assert!((score[1] - (at(k, u + h) - at(k, u - h)) / (2.0 * h)).abs() < 1e-8);
    }

    #[test]
    fn its_own_parameters_are_found() {
        use rand::{RngExt, SeedableRng, rngs::StdRng};
        let (kappa, u) = (20.0, 1.6);
        let truth = model(kappa, u);
        let mut rng = StdRng::seed_from_u64(3);
        let draws: Vec<[f64; 3]> = (0..20_000)
            .map(|_| {
                let t: f64 = rng.random();
                let cos = 1.0 + (t + (1.0 - t) * (-2.0 * kappa).exp()).ln() / kappa;
                let (sin, phi) = ((1.0 - cos * cos).sqrt(), 2.0 * PI * rng.random::<f64>());
                // x/|x| of the stretched von Mises-Fisher point.
                let y = unit([u * sin * phi.cos(), sin * phi.sin() / u, cos]);
                core::array::from_fn(|i| y[0] * truth.axes[1][i] + y[1] * truth.axes[2][i] + y[2] * truth.axes[0][i])
            })
            .collect();
        let found = fit(&draws, 1).unwrap().kent;
        assert!(found.kappa.pull(kappa).abs() < 4.0, "{:?}", found.kappa);
        assert!(found.stretch.pull(u).abs() < 4.0, "{:?}", found.stretch);
        assert!(dot(found.axes[0], truth.axes[0]) > 0.9999 && dot(found.axes[1], truth.axes[1]).abs() > 0.999);
        let expected = draws.iter().map(|x| truth.log_prob(*x)).sum::<f64>() / draws.len() as f64;
        assert!(found.log_likelihood >= expected && found.log_likelihood < expected + 1e-3);
    }

    #[test]
    fn draws_on_one_point_or_one_line_are_refused() {
        let point = [unit([0.3, -0.4, 0.8]); 20];
        let line: Vec<[f64; 3]> = (0..20).map(|i| unit([0.1 * f64::from(i) - 1.0, 0.0, 1.0])).collect();
        for draws in [&point[..], &line] {
            let error = fit(draws, 1).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains("no ellipse fits them"), "{error}");
        }
    }

    /// Of a lopsided shape that is no ellipse: over repeated fits the spread is the standard error, which counts the turning axes.
    #[test]
    fn errors_are_honest_for_other_shapes() {
        use rand::{RngExt, SeedableRng, rngs::StdRng};
        use rand_distr::StandardNormal;
        let draws = |n: usize, seed: u64| -> Vec<[f64; 3]> {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut normal = || rng.sample::<f64, _>(StandardNormal);
            (0..n)
                .map(|_| {
                    let (a, b) = (normal(), normal());
                    unit([0.5 * a, 0.2 * b + 0.1 * (a + 0.7).powi(2), 1.0])
                })
                .collect()
        };
        let truth = fit(&draws(200_000, 1000), 1).unwrap().kent;
        let fits: Vec<Kent> = (0..200).map(|seed| fit(&draws(500, seed), 1).unwrap().kent).collect();
        for (name, of) in [("kappa", (|k| k.kappa) as fn(&Kent) -> Estimate), ("stretch", |k| k.stretch)] {
            let mean = Estimate::of(&fits.iter().map(|k| of(k).value).collect::<Vec<_>>());
            let spread = mean.standard_error * 200f64.sqrt();
            let says = (fits.iter().map(|k| of(k).standard_error.powi(2)).sum::<f64>() / 200.0).sqrt();
            // The bias is of the order of the error squared.
            assert!(
                (mean.value - of(&truth).value).abs() < 4.0 * mean.standard_error + 0.01 * mean.value,
                "{name}: {mean:?} {truth:?}"
            );
            assert!((says / spread - 1.0).abs() < 0.2, "{name}: says {says}, is {spread}");
        }
    }
}
