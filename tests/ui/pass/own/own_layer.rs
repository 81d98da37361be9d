#![deny(warnings)]
//! A layer of the user's own between letters.

use flow_runtime::layers::Layer;
use flow_runtime::manifolds::Euclidean;
use flow_runtime::numeric::{Lift, Mask, Real};
use rand::Rng;

/// x = z e^s: one width for all coordinates.
struct Scale;

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

type Event = flow_runtime::flow!(e2 : gg [Scale] t | cond 3, hidden 8);
type Alone = flow_runtime::flow!(e3 : [Scale]);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    use dfdx::{nn::DeviceBuildExt, tensor::AsArray, tensor::Cpu};
    use flow_runtime::layers::laws;
    type Chain = (Scale, ());
    laws::check::<Euclidean<2>, Chain>(1, 3, 0.5, laws::Tolerance::F64)?;

    let dev = Cpu::default();
    let pdf = dev.build_module::<Event, f64>();
    assert!(pdf.given(&[[0.1, 0.2, 0.3]])?.log_prob(&[[0.4, -0.7]])?.array()[0].is_finite());
    // e^1 wide: the standard normal at 0, less ln of the volume.
    let mut pdf = dev.build_module::<Alone, f64>();
    pdf.set_flat_weights(&[1.0])?;
    let expected = -1.5 * std::f64::consts::TAU.ln() - 3.0;
    assert!((pdf.log_prob(&[[0.0, 0.0, 0.0]])?.array()[0] - expected).abs() < 1e-14);
    // Stored by another program, its parameters are called `params`.
    let state = br#"{"layer_list.0.0.params": [[2.0]]}"#;
    pdf.load_jammy_flows_state(&flow_runtime::compat::jammy_flows::State::from_bytes(state)?)?;
    assert_eq!(pdf.flat_weights(), [2.0]);
    Ok(())
}
