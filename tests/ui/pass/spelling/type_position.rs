use flow_runtime::__private::dfdx::{nn::DeviceBuildExt, tensor::Cpu};
use flow_runtime::flow;

type Free = flow!(e3 : gggg);
type Event = flow!(e3 + s2 : gggg + n | cond 32);

fn main() {
    let dev = Cpu::default();
    let _ = dev.build_module::<Free, f64>();
    let _ = dev.build_module::<Event, f32>();
}
