//! Linear regression as a density: a normal distribution about a linear function of the features, with the covariance of what is left.

use crate::least_squares::{cholesky, solve};
use flow_runtime::data::Rows;
use flow_runtime::estimators::Calibration;
use std::f64::consts::TAU;

/// Added to the diagonal for each row, against features that add up to one.
const RIDGE: f64 = 1e-6;

/// Linear in the features, normal about that, of two targets.
pub struct LinearGaussian<const C: usize> {
    /// One vector a target; the constant last.
    weights: [Vec<f64>; 2],
    /// Deviation of the first, slope of the second along the first, deviation of the second about that.
    spread: [f64; 3],
}

fn inputs<const C: usize>(features: &[f64; C]) -> impl Iterator<Item = f64> {
    features.iter().copied().chain([1.0])
}

impl<const C: usize> LinearGaussian<C> {
    /// Least squares, and the covariance of the residuals: maximum likelihood of this density.
    pub fn fit(rows: &Rows<2, C>) -> Self {
        let n = rows.len() as f64;
        let mut square = vec![vec![0.0; C + 1]; C + 1];
        let mut products = [vec![0.0; C + 1], vec![0.0; C + 1]];
        for (features, point) in rows.features.iter().zip(&rows.points) {
            for (i, x) in inputs(features).enumerate() {
                square[i].iter_mut().zip(inputs(features)).for_each(|(sum, y)| *sum += x * y);
                products.iter_mut().zip(point).for_each(|(sum, t)| sum[i] += x * t);
            }
        }
        (0..=C).for_each(|i| square[i][i] += RIDGE * n);
        let factor = cholesky(square);
        let mut own = Self { weights: products.map(|product| solve(&factor, product)), spread: [1.0, 0.0, 1.0] };
        let residuals: Vec<_> = rows.features.iter().zip(&rows.points).map(|(f, p)| own.residual(f, p)).collect();
        let mean = |of: &dyn Fn(&[f64; 2]) -> f64| residuals.iter().map(of).sum::<f64>() / n;
        let slope = mean(&|r| r[0] * r[1]) / mean(&|r| r[0] * r[0]);
        own.spread = [mean(&|r| r[0] * r[0]).sqrt(), slope, mean(&|r| (r[1] - slope * r[0]).powi(2)).sqrt()];
        own
    }

    fn residual(&self, features: &[f64; C], point: &[f64; 2]) -> [f64; 2] {
        [0, 1].map(|k| point[k] - inputs(features).zip(&self.weights[k]).map(|(x, w)| x * w).sum::<f64>())
    }

    /// The standard normal numbers that a point comes from.
    fn base(&self, features: &[f64; C], point: &[f64; 2]) -> [f64; 2] {
        let ([a, b], [first, slope, second]) = (self.residual(features, point), self.spread);
        [a / first, (b - slope * a) / second]
    }

    /// ln p of each row.
    pub fn log_prob(&self, rows: &Rows<2, C>) -> Vec<f64> {
        let norm = TAU.ln() + self.spread[0].ln() + self.spread[2].ln();
        let of = |(f, p)| -norm - 0.5 * self.base(f, p).iter().map(|z| z * z).sum::<f64>();
        rows.features.iter().zip(&rows.points).map(of).collect()
    }

    /// Phi(z) of both numbers: what `estimators::integral_transform` is of a flow.
    pub fn integral_transform(&self, rows: &Rows<2, C>) -> [Calibration; 2] {
        let all: Vec<_> = rows.features.iter().zip(&rows.points).map(|(f, p)| self.base(f, p)).collect();
        [0, 1].map(|k| Calibration {
            values: all.iter().map(|z| flow_runtime::numeric::special::normal_cdf(z[k]).0).collect(),
        })
    }

    /// P(chi^2_2 < |z|^2): what `estimators::base_coverage` is of a flow.
    pub fn coverage(&self, rows: &Rows<2, C>) -> Calibration {
        let of = |(f, p)| -(-0.5 * self.base(f, p).iter().map(|z| z * z).sum::<f64>()).exp_m1();
        Calibration { values: rows.features.iter().zip(&rows.points).map(of).collect() }
    }
}
