//! Linear equations with a symmetric positive matrix, for the linear baselines.

/// The lower triangle whose product with its transpose is the matrix.
pub fn cholesky(mut matrix: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for j in 0..matrix.len() {
        for i in j..matrix.len() {
            let product: f64 = (0..j).map(|k| matrix[i][k] * matrix[j][k]).sum();
            let rest = matrix[i][j] - product;
            matrix[i][j] = if i == j { rest.sqrt() } else { rest / matrix[j][j] };
        }
    }
    matrix
}

/// The vector that the matrix of a [`cholesky`] factor takes to `x`.
pub fn solve(factor: &[Vec<f64>], mut x: Vec<f64>) -> Vec<f64> {
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
