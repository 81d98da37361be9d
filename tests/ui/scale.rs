//! A layer of the user's own, for the programs of these folders.

use flow_runtime::layers::Layer;
use flow_runtime::manifolds::Euclidean;
use flow_runtime::numeric::{Lift, Mask, Real};
use rand::Rng;

/// x = z e^s: one width for all coordinates.
pub struct Scale;

impl<const D: usize> Layer<Euclidean<D>> for Scale {
    const PARAMS: usize = 1;
    const PREPARED: usize = 1;
    const SCRATCH: usize = D;
    const NAME: &'static str = "scale";

    fn initial<G: Rng + ?Sized>(_: &mut G, params: &mut [f64]) {
        params[0] = 0.0;
    }
    fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        prepared[0] = params[0];
    }
    fn prepare_vjp<P: Real>(_: &[P], _: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        cot_params[0] += cot_prepared[0];
    }
    // Scratch holds the base side in both directions.
    fn inverse<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        let s = prepared[0].lift();
        let width = s.exp();
        for x in x.iter_mut() {
            *x = *x / width;
            *log_det -= s;
        }
        scratch.copy_from_slice(x);
    }
    fn inverse_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let width = prepared[0].lift().exp();
        for (cot, z) in cot.iter_mut().zip(scratch) {
            cot_prepared[0] -= *cot * *z + cot_log_det;
            *cot = *cot / width;
        }
    }
    fn forward<R: Real, P: Lift<R>>(prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        scratch.copy_from_slice(z);
        let s = prepared[0].lift();
        let width = s.exp();
        for z in z.iter_mut() {
            *z = *z * width;
            *log_det += s;
        }
        R::Mask::splat(false)
    }
    fn forward_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let width = prepared[0].lift().exp();
        for (cot, z) in cot.iter_mut().zip(scratch) {
            cot_prepared[0] += *cot * *z * width + cot_log_det;
            *cot = *cot * width;
        }
    }
}
