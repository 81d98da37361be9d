//! Rotations by the Cayley map: A = (I - K)(I + K)^-1 = 2 (I + K)^-1 - I with a skew-symmetric K of any dimension.
//!
//! Parameters: K_ab for a < b in lexicographic order. In two dimensions, with K_12 = t, this is the published one-parameter form
//! [[1 - t^2, -2t], [2t, 1 - t^2]] / (1 + t^2) (layers.md 4.2). Prepared: the matrix A, row by row.

use crate::numeric::{Lift, Real};

/// Number of parameters.
pub(super) const fn params(dim: usize) -> usize {
    dim * (dim - 1) / 2
}

/// Number of prepared numbers.
pub(super) const fn prepared(dim: usize) -> usize {
    dim * dim
}

/// As many numbers as there are dimensions; few of them need no allocation.
struct Few<R> {
    few: [R; FEW],
    many: Vec<R>,
    count: usize,
}

/// Dimensions whose numbers need no allocation.
const FEW: usize = 16;

impl<R: Real> Few<R> {
    #[inline(always)]
    fn of(count: usize) -> Self {
        let many = if count > FEW { vec![R::zero(); count] } else { Vec::new() };
        Few { few: [R::zero(); FEW], many, count }
    }
    #[inline(always)]
    fn numbers(&mut self) -> &mut [R] {
        if self.count > FEW { &mut self.many } else { &mut self.few[..self.count] }
    }
}

/// The sum of some terms.
#[inline(always)]
fn sum<P: Real>(terms: impl Iterator<Item = P>) -> P {
    terms.fold(P::zero(), |sum, term| sum + term)
}

/// The matrix A, in place.
///
/// I + K is inverted by elimination without pivoting: the symmetric part of every Schur complement is at least I, so that every pivot
/// is at least 1. What rounding leaves of A A^T - I, up to |K|^2 units in the last place, is taken away by making the rows orthonormal
/// one after the other, which moves A by no more than that.
#[inline]
pub(super) fn prepare<P: Real>(dim: usize, params: &[P], prepared: &mut [P]) {
    let at = |row: usize, column: usize| row * dim + column;
    let mut index = 0;
    for a in 0..dim {
        prepared[at(a, a)] = P::one();
        for b in a + 1..dim {
            prepared[at(a, b)] = params[index];
            prepared[at(b, a)] = -params[index];
            index += 1;
        }
    }
    for pivot in 0..dim {
        let inverse = prepared[at(pivot, pivot)].recip();
        prepared[at(pivot, pivot)] = P::one();
        for j in 0..dim {
            prepared[at(pivot, j)] *= inverse;
        }
        for i in (0..dim).filter(|i| *i != pivot) {
            let factor = prepared[at(i, pivot)];
            prepared[at(i, pivot)] = P::zero();
            for j in 0..dim {
                let by = prepared[at(pivot, j)];
                prepared[at(i, j)] -= factor * by;
            }
        }
    }
    for i in 0..dim {
        for j in 0..dim {
            prepared[at(i, j)] = prepared[at(i, j)].scale(2.0);
        }
        prepared[at(i, i)] -= P::one();
        for before in 0..i {
            let along = sum((0..dim).map(|j| prepared[at(i, j)] * prepared[at(before, j)]));
            for j in 0..dim {
                let by = prepared[at(before, j)];
                prepared[at(i, j)] -= along * by;
            }
        }
        let inverse = sum((0..dim).map(|j| prepared[at(i, j)].square())).sqrt().recip();
        for j in 0..dim {
            prepared[at(i, j)] *= inverse;
        }
    }
}

/// Cotangents of [`prepare`]: with M = (I + K)^-1 = (A + I) / 2, dA = -2 M dK M, so K_bar = -2 M^T A_bar M^T, row by row.
#[inline]
pub(super) fn prepare_vjp<P: Real>(dim: usize, prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
    let m = |i: usize, j: usize| {
        let a = prepared[i * dim + j];
        (if i == j { a + P::one() } else { a }).scale(0.5)
    };
    let place = |a: usize, b: usize| a * (2 * dim - a - 1) / 2 + b - a - 1;
    for a in 0..dim {
        let mut space = Few::of(dim);
        let row = space.numbers();
        for j in 0..dim {
            row[j] = sum((0..dim).map(|i| m(i, a) * cot_prepared[i * dim + j]));
        }
        for b in (0..dim).filter(|b| *b != a) {
            let cot = sum((0..dim).map(|j| row[j] * m(b, j))).scale(2.0);
            if a < b {
                cot_params[place(a, b)] -= cot;
            } else {
                cot_params[place(b, a)] += cot;
            }
        }
    }
}

/// x <- A x.
#[inline(always)]
pub(super) fn apply<R: Real, P: Lift<R>>(dim: usize, prepared: &[P], x: &mut [R]) {
    let mut space = Few::of(dim);
    let from = space.numbers();
    from.copy_from_slice(x);
    for i in 0..dim {
        x[i] = sum((0..dim).map(|j| prepared[i * dim + j].lift() * from[j]));
    }
}

/// x <- A^T x.
#[inline(always)]
pub(super) fn transpose<R: Real, P: Lift<R>>(dim: usize, prepared: &[P], x: &mut [R]) {
    let mut space = Few::of(dim);
    let from = space.numbers();
    from.copy_from_slice(x);
    for i in 0..dim {
        x[i] = sum((0..dim).map(|j| prepared[j * dim + i].lift() * from[j]));
    }
}

/// Cotangents of [`apply`]; `x` holds the result and is taken back to the argument.
#[inline(always)]
pub(super) fn apply_vjp<R: Real, P: Lift<R>>(
    dim: usize,
    prepared: &[P],
    x: &mut [R],
    cot: &mut [R],
    cot_prepared: &mut [R],
) {
    transpose(dim, prepared, x);
    for i in 0..dim {
        for j in 0..dim {
            cot_prepared[i * dim + j] += cot[i] * x[j];
        }
    }
    transpose(dim, prepared, cot);
}

/// Cotangents of [`transpose`]; `x` holds the result and is taken back to the argument.
#[inline(always)]
pub(super) fn transpose_vjp<R: Real, P: Lift<R>>(
    dim: usize,
    prepared: &[P],
    x: &mut [R],
    cot: &mut [R],
    cot_prepared: &mut [R],
) {
    apply(dim, prepared, x);
    for i in 0..dim {
        for j in 0..dim {
            cot_prepared[i * dim + j] += cot[j] * x[i];
        }
    }
    apply(dim, prepared, cot);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_dimensions_are_the_published_form() {
        for t in [-3.0_f64, -0.2, 0.0, 0.7, 40.0] {
            let mut a = [0.0; 4];
            prepare(2, &[t], &mut a);
            let n = 1.0 + t * t;
            for (a, b) in a.iter().zip([(1.0 - t * t) / n, -2.0 * t / n, 2.0 * t / n, (1.0 - t * t) / n]) {
                assert!((a - b).abs() < 1e-15, "{t}: {a} {b}");
            }
        }
    }

    #[test]
    fn the_matrix_is_a_rotation_and_solves_its_equation() {
        fn off<const D: usize>(size: f64) -> (f64, f64) {
            let k: Vec<f64> = (0..params(D)).map(|j| size * (1.0 + 1.3 * j as f64).sin()).collect();
            let mut a = vec![0.0; prepared(D)];
            prepare(D, &k, &mut a);
            let mut skew = vec![0.0; D * D];
            let pairs = (0..D).flat_map(|i| (i + 1..D).map(move |j| (i, j)));
            for (index, (i, j)) in pairs.enumerate() {
                (skew[i * D + j], skew[j * D + i]) = (k[index], -k[index]);
            }
            let one = |i, j| f64::from(i == j);
            let (mut orthogonal, mut equation) = (0.0_f64, 0.0_f64);
            for i in 0..D {
                for j in 0..D {
                    let total = |f: &dyn Fn(usize) -> f64| (0..D).map(f).sum::<f64>();
                    orthogonal = orthogonal.max((total(&|l| a[i * D + l] * a[j * D + l]) - one(i, j)).abs());
                    // A (I + K) = I - K.
                    let left = a[i * D + j] + total(&|l| a[i * D + l] * skew[l * D + j]);
                    equation = equation.max((left - one(i, j) + skew[i * D + j]).abs());
                }
            }
            (orthogonal, equation)
        }
        for size in [0.1, 1.0, 30.0, 1e4] {
            for (orthogonal, equation) in [off::<1>(size), off::<3>(size), off::<4>(size), off::<7>(size)] {
                assert!(orthogonal < 5e-15, "{size}: {orthogonal}");
                // The error of A (up to 1e-12 |K|, from the elimination) times K.
                assert!(equation < 2e-12 * (1.0 + size * size), "{size}: {equation}");
            }
        }
    }
}
