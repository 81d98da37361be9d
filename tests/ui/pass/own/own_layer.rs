#![deny(warnings)]
//! A layer of the user's own between letters.

#[path = "../../scale.rs"]
mod scale;

use scale::Scale;

type Event = flow_runtime::flow!(e2 : gg [Scale] t | cond 3, hidden 8);
type Alone = flow_runtime::flow!(e3 : [Scale]);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    use dfdx::{nn::DeviceBuildExt, tensor::AsArray, tensor::Cpu};
    use flow_runtime::layers::laws;
    use flow_runtime::manifolds::Euclidean;
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
