#[path = "../scale.rs"]
mod scale;

use scale::Scale;

type Event = flow_runtime::flow!(e2 : gg [Scale<false>] t);

fn main() {
    use dfdx::{nn::DeviceBuildExt, tensor::Cpu};
    let dev = Cpu::default();
    let _ = dev.build_module::<Event, f64>();
    let _ = dev.build_module::<Event, f32>();
}
