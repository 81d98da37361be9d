//! What the tests of layers on intervals, simplices and the circle share: chains evaluated at a point, and the parameters of the reference
//! rows.

use super::ChainType;
use crate::manifolds::{Geometry, Interval, Manifold};
use crate::numeric::special::HALF_LN_TAU;
use crate::testing::Walk;

/// [0, 1].
pub(crate) type Unit = Interval<0, { 1.0f64.to_bits() }>;

/// The parameters of the rows of layers.md section 15.
pub(crate) fn wave(n: usize) -> Vec<f64> {
    (0..n).map(|j| 0.6 * (1.0 + 1.3 * j as f64).sin()).collect()
}

/// A chain at an embedded point: where it goes, and the log-determinant.
pub(crate) fn reference<M: Manifold, C: ChainType<M>>(params: &[f64], at: &[f64], inverse: bool) -> (Vec<f64>, f64) {
    let Walk { point, log_det, fault, .. } = Walk::new(&C::chain(), params, at, inverse);
    assert!(fault.is_none(), "{at:?}: {fault:?}");
    (point, log_det)
}

/// ln of the density in intrinsic coordinates.
pub(crate) fn log_prob<M: Manifold, C: ChainType<M>>(params: &[f64], x: &[f64]) -> f64 {
    let (mut embedded, mut ln) = (vec![0.0; M::EMBED], 0.0);
    M::embed(x, &mut embedded, &mut ln);
    let (base, log_det) = reference::<M, C>(params, &embedded, true);
    ln + log_det + M::log_reference(&base)
}

/// A chain with the map of its first letter to the base, as the ancestor has it: intrinsic point to base point or back, and the
/// log-determinant.
pub(crate) fn first<M: Manifold, C: ChainType<M>>(params: &[f64], at: &[f64], inverse: bool) -> (Vec<f64>, f64) {
    let normal = |z: &[f64]| z.iter().map(|z| -0.5 * z * z - HALF_LN_TAU).sum::<f64>();
    let mut embedded = vec![0.0; M::EMBED];
    if inverse {
        M::embed(at, &mut embedded, &mut 0.0);
        let (point, _) = reference::<M, C>(params, &embedded, true);
        let mut z = vec![0.0; M::DIM];
        M::to_base(&point, &mut z);
        let ln = log_prob::<M, C>(params, at) - normal(&z);
        (z, ln)
    } else {
        M::from_base(at, &mut embedded);
        let mut ln = normal(at) - M::log_reference(&embedded);
        let (point, log_det) = reference::<M, C>(params, &embedded, false);
        let mut x = vec![0.0; M::DIM];
        ln += log_det;
        M::intrinsic(&point, &mut x, &mut ln);
        (x, ln)
    }
}

/// Asserts that a chain and both its derivatives are finite at a point that, with its parameters, is rounded to numbers `T`.
pub(crate) fn finite_at<M: Manifold, C: ChainType<M>, T: crate::numeric::Scalar>(params: &[f64], at: &[f64]) {
    let rounded = |v: &[f64]| v.iter().map(|v| T::narrow(*v).widen()).collect::<Vec<f64>>();
    let (chain, params, at) = (C::chain(), rounded(params), rounded(at));
    for inverse in [true, false] {
        let mut walk = Walk::new(&chain, &params, &at, inverse);
        let mut cot = vec![1.0; M::EMBED];
        cot[0] = -0.7;
        if inverse {
            M::log_reference_vjp(&walk.point, 1.0, &mut cot);
        }
        let cot_prepared = walk.pull(&chain, &mut cot, 1.0);
        let Walk { point, log_det, fault, .. } = &walk;
        let told = format!("{} {at:?} inverse {inverse}: {point:?} {log_det} {cot:?}", T::NAME);
        assert!(fault.is_none() && T::narrow(*log_det).is_finite(), "{told}");
        assert!(T::narrow(M::log_reference(point)).is_finite(), "{told}");
        assert!(cot.iter().chain(&cot_prepared).all(|c| T::narrow(*c).is_finite()), "{told}");
        let sum: f64 = point.iter().sum();
        assert!(!matches!(M::geometry(), Geometry::Simplex { .. }) || (sum - 1.0).abs() < 1e-5, "{told}");
    }
}

/// Corners, edges and faces of the simplex of `d` dimensions, and points next to them.
pub(crate) fn faces(d: usize) -> Vec<Vec<f64>> {
    let mut all = Vec::new();
    for tiny in [0.0, 1e-300, 1e-30, 1e-12] {
        for corner in 0..=d {
            let mut x = vec![tiny; d + 1];
            x[corner] = 1.0 - tiny * d as f64;
            all.push(x);
            let mut x = vec![(1.0 - tiny) / d as f64; d + 1];
            x[corner] = tiny;
            all.push(x);
            let mut x = vec![tiny; d + 1];
            x[corner] = 0.4;
            x[(corner + 1) % (d + 1)] = 0.6;
            all.push(x);
        }
    }
    all
}
