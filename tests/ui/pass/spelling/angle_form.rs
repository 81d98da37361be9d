use flow_runtime::__private::dfdx::{nn::DeviceBuildExt, tensor::Cpu};
use flow_runtime::flow;

type Event = flow!{< e3 + s2 : gggg + n | cond 32 >};

fn main() {
    let _ = Cpu::default().build_module::<Event, f64>();
}
