//! Rotations and reflections shared by the layers: products of Householder reflections, products of Givens rotations.
//!
//! Both are applied factor by factor. A factor is its own inverse up to a sign, so derivatives walk back from the result
//! and nothing has to be stored.

use crate::numeric::{Lift, Real, Scalar};

#[inline(always)]
fn dot<R: Real, P: Lift<R>>(n: &[P], x: &[R]) -> R {
    let mut sum = R::zero();
    for (n, x) in n.iter().zip(x) {
        sum = n.lift().mul_add(*x, sum);
    }
    sum
}

/// v / |v| for `count` vectors of `dim` numbers (layers.md P5: the order v_1, v_2, ..).
#[inline(always)]
pub(crate) fn householder_prepare<P: Real>(dim: usize, params: &[P], prepared: &mut [P]) {
    for (v, unit) in params.chunks_exact(dim).zip(prepared.chunks_exact_mut(dim)) {
        let norm2 = dot::<P, P>(v, v);
        let scale = norm2.max(P::constant(P::Scalar::TINY)).sqrt().recip();
        for (u, x) in unit.iter_mut().zip(v) {
            *u = *x * scale;
        }
    }
}

/// Cotangents of [`householder_prepare`]: (n_bar - n (n . n_bar)) / |v|.
#[inline(always)]
pub(crate) fn householder_prepare_vjp<P: Real>(
    dim: usize,
    params: &[P],
    prepared: &[P],
    cot_prepared: &[P],
    cot_params: &mut [P],
) {
    for (((v, n), cot), out) in params
        .chunks_exact(dim)
        .zip(prepared.chunks_exact(dim))
        .zip(cot_prepared.chunks_exact(dim))
        .zip(cot_params.chunks_exact_mut(dim))
    {
        let norm2 = dot::<P, P>(v, v);
        let scale = norm2.max(P::constant(P::Scalar::TINY)).sqrt().recip();
        let along = dot::<P, P>(n, cot);
        for i in 0..dim {
            out[i] += (cot[i] - n[i] * along) * scale;
        }
    }
}

#[inline(always)]
fn reflect<R: Real, P: Lift<R>>(n: &[P], x: &mut [R]) {
    let twice = dot::<R, P>(n, x).scale(2.0);
    for (x, n) in x.iter_mut().zip(n) {
        *x -= n.lift() * twice;
    }
}

/// Derivative of a reflection y = x - 2 n (n . x): `x` holds y and is taken back to x, `cot` likewise, and
/// n_bar -= 2 ((n . x) y_bar + (n . y_bar) x).
#[inline(always)]
fn reflect_back<R: Real, P: Lift<R>>(n: &[P], x: &mut [R], cot: &mut [R], cot_n: &mut [R]) {
    reflect(n, x);
    let along = dot::<R, P>(n, x).scale(2.0);
    let bar = dot::<R, P>(n, cot).scale(2.0);
    for i in 0..x.len() {
        cot_n[i] -= along * cot[i] + bar * x[i];
        cot[i] -= n[i].lift() * bar;
    }
}

/// x <- Q x = H_1 (H_2 (.. x)).
#[inline(always)]
pub(crate) fn householder<R: Real, P: Lift<R>>(dim: usize, prepared: &[P], x: &mut [R]) {
    for n in prepared.chunks_exact(dim).rev() {
        reflect(n, x);
    }
}

/// x <- Q^T x.
#[inline(always)]
pub(crate) fn householder_transpose<R: Real, P: Lift<R>>(dim: usize, prepared: &[P], x: &mut [R]) {
    for n in prepared.chunks_exact(dim) {
        reflect(n, x);
    }
}

/// Cotangents of [`householder`]; `x` holds the result and is taken back to the argument.
#[inline(always)]
pub(crate) fn householder_vjp<R: Real, P: Lift<R>>(
    dim: usize,
    prepared: &[P],
    x: &mut [R],
    cot: &mut [R],
    cot_prepared: &mut [R],
) {
    for (n, cot_n) in prepared.chunks_exact(dim).zip(cot_prepared.chunks_exact_mut(dim)) {
        reflect_back(n, x, cot, cot_n);
    }
}

/// Cotangents of [`householder_transpose`]; `x` holds the result and is taken back to the argument.
#[inline(always)]
pub(crate) fn householder_transpose_vjp<R: Real, P: Lift<R>>(
    dim: usize,
    prepared: &[P],
    x: &mut [R],
    cot: &mut [R],
    cot_prepared: &mut [R],
) {
    for (n, cot_n) in prepared.chunks_exact(dim).zip(cot_prepared.chunks_exact_mut(dim)).rev() {
        reflect_back(n, x, cot, cot_n);
    }
}

/// (cos, sin) of each angle.
#[inline(always)]
pub(crate) fn angles_prepare<P: Real>(params: &[P], prepared: &mut [P]) {
    for (t, pair) in params.iter().zip(prepared.chunks_exact_mut(2)) {
        let (sin, cos) = t.sin_cos();
        pair[0] = cos;
        pair[1] = sin;
    }
}

/// Cotangents of [`angles_prepare`].
#[inline(always)]
pub(crate) fn angles_prepare_vjp<P: Real>(prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
    for ((pair, cot), out) in prepared.chunks_exact(2).zip(cot_prepared.chunks_exact(2)).zip(cot_params) {
        *out += pair[0] * cot[1] - pair[1] * cot[0];
    }
}

/// The plane (a, b) of factor number `index`, in lexicographic order.
#[inline(always)]
fn plane(dim: usize, mut index: usize) -> (usize, usize) {
    let mut a = 0;
    while index >= dim - 1 - a {
        index -= dim - 1 - a;
        a += 1;
    }
    (a, a + 1 + index)
}

#[inline(always)]
fn turn<R: Real>(x: &mut [R], (a, b): (usize, usize), cos: R, sin: R) {
    let (xa, xb) = (x[a], x[b]);
    x[a] = cos * xa + sin * xb;
    x[b] = cos * xb - sin * xa;
}

/// x <- R x with R = G_last .. G_2 G_1 (layers.md P6).
#[inline(always)]
pub(crate) fn angles<R: Real, P: Lift<R>>(dim: usize, prepared: &[P], x: &mut [R]) {
    for (i, g) in prepared.chunks_exact(2).enumerate() {
        turn(x, plane(dim, i), g[0].lift(), g[1].lift());
    }
}

/// x <- R^T x.
#[inline(always)]
pub(crate) fn angles_transpose<R: Real, P: Lift<R>>(dim: usize, prepared: &[P], x: &mut [R]) {
    for (i, g) in prepared.chunks_exact(2).enumerate().rev() {
        turn(x, plane(dim, i), g[0].lift(), -g[1].lift());
    }
}

/// Cotangents of [`angles`]; `x` holds the result and is taken back to the argument.
#[inline(always)]
pub(crate) fn angles_vjp<R: Real, P: Lift<R>>(
    dim: usize,
    prepared: &[P],
    x: &mut [R],
    cot: &mut [R],
    cot_prepared: &mut [R],
) {
    for (i, (g, bar)) in prepared.chunks_exact(2).zip(cot_prepared.chunks_exact_mut(2)).enumerate().rev() {
        let (a, b) = plane(dim, i);
        let (cos, sin) = (g[0].lift(), g[1].lift());
        turn(x, (a, b), cos, -sin);
        bar[0] += cot[a] * x[a] + cot[b] * x[b];
        bar[1] += cot[a] * x[b] - cot[b] * x[a];
        turn(cot, (a, b), cos, -sin);
    }
}

/// Cotangents of [`angles_transpose`]; `x` holds the result and is taken back to the argument.
#[inline(always)]
pub(crate) fn angles_transpose_vjp<R: Real, P: Lift<R>>(
    dim: usize,
    prepared: &[P],
    x: &mut [R],
    cot: &mut [R],
    cot_prepared: &mut [R],
) {
    for (i, (g, bar)) in prepared.chunks_exact(2).zip(cot_prepared.chunks_exact_mut(2)).enumerate() {
        let (a, b) = plane(dim, i);
        let (cos, sin) = (g[0].lift(), g[1].lift());
        turn(x, (a, b), cos, sin);
        bar[0] += cot[a] * x[a] + cot[b] * x[b];
        bar[1] += cot[b] * x[a] - cot[a] * x[b];
        turn(cot, (a, b), cos, sin);
    }
}
