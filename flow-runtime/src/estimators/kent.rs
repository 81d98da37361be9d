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

use super::base::Plan;
use super::directional::{columns, concentration, resultant, sphere};
use super::estimate::Estimate;
use super::moments::embedded_draws;
use crate::density::Density;
use crate::error::Error;
use crate::module::Element;
use core::f64::consts::PI;
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
    /// d ln r / d ln u.
    turn: f64,
}

impl Point {
    fn new([y1, y2, y3]: [f64; 3], ln_u: f64) -> Self {
        let (first, second) = ((y1 * (-ln_u).exp()).powi(2), (y2 * ln_u.exp()).powi(2));
        let r2 = first + second + y3 * y3;
        Point { cos: y3 / r2.sqrt(), ln_r: 0.5 * r2.ln(), turn: (second - first) / r2 }
    }

    fn log_prob(&self, kappa: f64) -> f64 {
        // ln(kappa / (4 pi sinh kappa)) + kappa cos, without overflow.
        let log_norm = kappa.ln() - (2.0 * PI).ln() - (-(-2.0 * kappa).exp_m1()).ln();
        log_norm + kappa * (self.cos - 1.0) - 3.0 * self.ln_r
    }

    /// The derivatives by ln kappa and ln u.
    fn score(&self, kappa: f64) -> [f64; 2] {
        let mean_cos = super::directional::bessel_ratio(kappa, 3);
        [kappa * (self.cos - mean_cos), -(kappa * self.cos + 3.0) * self.turn]
    }
}

/// Steps of the fit; it takes about five.
const STEPS: usize = 60;

/// Fits the elliptical density to draws of the sphere number `manifold` (an `s2`), under each condition.
///
/// The standard errors are those of the fit with its axes held, by the sandwich H^-1 S H^-1 / N (White 1982, Econometrica 50, 1), which is right also
/// where p is of another shape.
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
/// There is no such manifold, or it is no `s2`; the number of draws does not suit its spread; a value leaves the range of the numbers.
pub fn kent<E, D, G>(density: &D, manifold: usize, plan: impl Into<Plan>, rng: &mut G) -> Result<Vec<Kent>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let (plan, space) = (plan.into(), sphere(&density.spaces(), manifold)?);
    if space.embedded.len() != 3 {
        let message = format!("`{}` has no major and minor axis: this fit is for s2", space.notation);
        return Err(Error::argument("manifold", message));
    }
    let vectors = columns(&embedded_draws(density, plan, rng)?, D::EMBED, &space);
    let group = plan.group()?;
    Ok(vectors.chunks_exact(plan.n * 3).map(|own| fit(own.as_chunks().0, group)).collect())
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

fn fit(vectors: &[[f64; 3]], group: usize) -> Kent {
    let (axes, [major, minor]) = frame(vectors);
    let seen: Vec<[f64; 3]> = vectors.iter().map(|x| [dot(axes[1], *x), dot(axes[2], *x), dot(axes[0], *x)]).collect();
    let likelihood = |[ln_k, ln_u]: [f64; 2]| {
        seen.iter().map(|y| Point::new(*y, ln_u).log_prob(ln_k.exp())).sum::<f64>() / seen.len() as f64
    };
    let score_of = |y: &[f64; 3], [ln_k, ln_u]: [f64; 2]| Point::new(*y, ln_u).score(ln_k.exp());
    let score = |at: [f64; 2]| {
        let sum = seen.iter().fold([0.0; 2], |sum, y| {
            let own = score_of(y, at);
            [sum[0] + own[0], sum[1] + own[1]]
        });
        sum.map(|s| s / seen.len() as f64)
    };
    // Minus the Hessian, from differences of the score.
    let curvature = |at: [f64; 2]| {
        let h = 1e-5;
        let by = |i: usize| {
            let (mut up, mut down) = (at, at);
            up[i] += h;
            down[i] -= h;
            let (up, down) = (score(up), score(down));
            [(down[0] - up[0]) / (2.0 * h), (down[1] - up[1]) / (2.0 * h)]
        };
        let (first, second) = (by(0), by(1));
        [first[0], 0.5 * (first[1] + second[0]), second[1]]
    };
    let (_, length) = resultant(vectors.as_flattened(), 3);
    let ln_u = 0.25 * (major / minor.max(f64::MIN_POSITIVE)).ln().clamp(0.0, 20.0);
    let start =
        (0.5 * ((2.0 * ln_u).exp() + (-2.0 * ln_u).exp())).ln() + concentration(length, 3).clamp(1e-8, 1e12).ln();
    let mut at = [start, ln_u];
    let mut value = likelihood(at);
    for _ in 0..STEPS {
        let slope = score(at);
        let [a, b, c] = curvature(at);
        // Newton where the likelihood is concave, else along the slope.
        let newton = solve([a, b, c], slope);
        let step = if a > 0.0 && a * c > b * b { newton } else { slope };
        let mut share = 1.0;
        let mut next = None;
        while share > 1e-10 {
            let tried = [at[0] + share * step[0], at[1] + share * step[1]];
            let found = likelihood(tried);
            if found > value {
                next = Some((tried, found));
                break;
            }
            share *= 0.5;
        }
        // No step is better: this is the top, to rounding.
        let Some((tried, found)) = next else { break };
        (at, value) = (tried, found);
    }
    let h = curvature(at);
    let scores: Vec<[f64; 2]> = seen.iter().map(|y| solve(h, score_of(y, at))).collect();
    let error = |i: usize| Estimate::of_groups(&scores.iter().map(|s| s[i]).collect::<Vec<_>>(), group).standard_error;
    let (kappa, stretch) = (at[0].exp(), at[1].exp());
    let [kappa_error, stretch_error] = [kappa * error(0), stretch * error(1)];
    let [mean, first, second] = axes;
    // A stretch below 1 is one along the other axis.
    let (axes, stretch, stretch_error) = if stretch < 1.0 {
        ([mean, second, first.map(|x| -x)], 1.0 / stretch, stretch_error / (stretch * stretch))
    } else {
        (axes, stretch, stretch_error)
    };
    Kent {
        axes,
        kappa: Estimate { value: kappa, standard_error: kappa_error },
        stretch: Estimate { value: stretch, standard_error: stretch_error },
        log_likelihood: value,
    }
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
        let score = Point::new(y, u).score(k.exp());
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
        let found = fit(&draws, 1);
        assert!(found.kappa.pull(kappa).abs() < 4.0, "{:?}", found.kappa);
        assert!(found.stretch.pull(u).abs() < 4.0, "{:?}", found.stretch);
        assert!(dot(found.axes[0], truth.axes[0]) > 0.9999 && dot(found.axes[1], truth.axes[1]).abs() > 0.999);
        let expected = draws.iter().map(|x| truth.log_prob(*x)).sum::<f64>() / draws.len() as f64;
        assert!(found.log_likelihood >= expected && found.log_likelihood < expected + 1e-3);
    }
}
