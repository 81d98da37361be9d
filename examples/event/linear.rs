//! A linear guess: how much of the truth can be read from the features without a network. Used to check that the simulated
//! events are worth a posterior: neither hopeless nor solved.

/// Least squares with a small ridge: one weight vector a target, the constant last.
pub struct LinearGuess {
    weights: Vec<Vec<f64>>,
}

/// Added to the diagonal for each row, against features that are always zero.
const RIDGE: f64 = 1e-3;

impl LinearGuess {
    /// Fits every column of `targets` on the features.
    pub fn fit<const T: usize>(features: &[Vec<f64>], targets: &[[f64; T]]) -> Self {
        let rows: Vec<Vec<f64>> = features.iter().map(|row| with_constant(row)).collect();
        let n = rows.first().map_or(0, Vec::len);
        let mut square = vec![vec![0.0; n]; n];
        let mut products = vec![vec![0.0; n]; T];
        for (row, target) in rows.iter().zip(targets) {
            for (i, x) in row.iter().enumerate() {
                square[i].iter_mut().zip(row).for_each(|(sum, y)| *sum += x * y);
                products.iter_mut().zip(target).for_each(|(sum, t)| sum[i] += x * t);
            }
        }
        (0..n).for_each(|i| square[i][i] += RIDGE * rows.len() as f64);
        let factor = cholesky(square);
        Self { weights: products.into_iter().map(|product| solve(&factor, product)).collect() }
    }

    /// The guess for one target.
    pub fn guess(&self, features: &[f64], target: usize) -> f64 {
        with_constant(features).iter().zip(&self.weights[target]).map(|(x, w)| x * w).sum()
    }
}

fn with_constant(row: &[f64]) -> Vec<f64> {
    row.iter().copied().chain([1.0]).collect()
}

/// The lower triangle whose product with its transpose is the matrix.
fn cholesky(mut matrix: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for j in 0..matrix.len() {
        for i in j..matrix.len() {
            let product: f64 = (0..j).map(|k| matrix[i][k] * matrix[j][k]).sum();
            let rest = matrix[i][j] - product;
            matrix[i][j] = if i == j { rest.sqrt() } else { rest / matrix[j][j] };
        }
    }
    matrix
}

fn solve(factor: &[Vec<f64>], mut x: Vec<f64>) -> Vec<f64> {
    for i in 0..x.len() {
        let known: f64 = (0..i).map(|k| factor[i][k] * x[k]).sum();
        x[i] = (x[i] - known) / factor[i][i];
    }
    for i in (0..x.len()).rev() {
        let known: f64 = (i + 1..x.len()).map(|k| factor[k][i] * x[k]).sum();
        x[i] = (x[i] - known) / factor[i][i];
    }
    x
}
