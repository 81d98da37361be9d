//! Layer x: the identity of Euclidean space, with an offset on request (layers.md 4.4).
//!
//! inverse x -> x - o, forward z -> z + o; log-determinant 0. Parameters: the offset, if `add_offset`.

use super::{Layer, Options, StateTensor};
use crate::manifolds::Euclidean;
use crate::numeric::{Lift, Mask, Real};
use core::marker::PhantomData;
use flow_notation::Written;
use flow_notation::options::IdentityOptions;
use rand::Rng;

/// Layer x: does nothing, or shifts.
pub struct Identity<const D: usize, Opts>(PhantomData<Opts>);

/// Where free offsets start: the ancestor's value, just off zero.
pub(crate) const OFFSET_START: f64 = 0.001;

impl<const D: usize, Opts: Options<IdentityOptions>> Identity<D, Opts> {
    const NUMBERS: usize = if Opts::VALUE.add_offset { D } else { 0 };
}

/// x <- x - o, for an offset that may be absent.
#[inline(always)]
pub(crate) fn subtract<R: Real, P: Lift<R>>(offset: &[P], x: &mut [R]) {
    for (x, o) in x.iter_mut().zip(offset) {
        *x -= o.lift();
    }
}

/// x <- x + o.
#[inline(always)]
pub(crate) fn add<R: Real, P: Lift<R>>(offset: &[P], x: &mut [R]) {
    for (x, o) in x.iter_mut().zip(offset) {
        *x += o.lift();
    }
}

/// The mean of each column of rows of `dim` numbers.
pub(crate) fn means(dim: usize, points: &[f64]) -> Vec<f64> {
    let rows = points.len() / dim;
    let mut mean = vec![0.0; dim];
    for row in points.chunks_exact(dim) {
        for (m, x) in mean.iter_mut().zip(row) {
            *m += x / rows as f64;
        }
    }
    mean
}

impl<const D: usize, Opts: Options<IdentityOptions>> Layer<Euclidean<D>> for Identity<D, Opts> {
    const PARAMS: usize = Self::NUMBERS;
    const PREPARED: usize = Self::NUMBERS;
    const SCRATCH: usize = 0;
    const NAME: &'static str = "x";
    const WIDE: bool = true;

    fn options() -> Vec<Written> {
        Opts::VALUE.written()
    }

    fn state() -> Vec<StateTensor> {
        StateTensor::list([("offsets", &[Self::NUMBERS])])
    }

    fn initial<G: Rng + ?Sized>(_: &mut G, params: &mut [f64]) {
        params.fill(OFFSET_START);
    }
    #[inline(always)]
    fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        prepared.copy_from_slice(params);
    }
    #[inline(always)]
    fn prepare_vjp<P: Real>(_: &[P], _: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        add(cot_prepared, cot_params);
    }
    #[inline(always)]
    fn inverse<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], _: &mut R, _: &mut [R]) {
        subtract(prepared, x);
    }
    #[inline(always)]
    fn inverse_vjp<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], cot: &mut [R], _: R, cot_prepared: &mut [R]) {
        subtract(cot, cot_prepared);
    }
    #[inline(always)]
    fn forward<R: Real, P: Lift<R>>(prepared: &[P], z: &mut [R], _: &mut R, _: &mut [R]) -> R::Mask {
        add(prepared, z);
        R::Mask::splat(false)
    }
    #[inline(always)]
    fn forward_vjp<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], cot: &mut [R], _: R, cot_prepared: &mut [R]) {
        add(cot, cot_prepared);
    }
    fn initial_from_data<G: Rng + ?Sized>(_: &mut G, points: &mut [f64], params: &mut [f64]) -> bool {
        if Self::NUMBERS == 0 {
            return false;
        }
        params.copy_from_slice(&means(D, points));
        super::map_rows::<Euclidean<D>, Self>(params, points);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::laws::{Tolerance, check};
    use flow_notation::settings::x;

    #[test]
    fn laws() {
        check::<Euclidean<3>, (Identity<3, ()>, ())>(1, 2, 0.5, Tolerance::F64).unwrap();
        check::<Euclidean<2>, (Identity<2, x::add_offset<1>>, ())>(2, 3, 0.5, Tolerance::F64).unwrap();
    }
}
