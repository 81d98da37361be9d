use flow_runtime::flow;

type Event = flow!(e3 : gg | cond 4);

fn main() {
    use dfdx::{nn::DeviceBuildExt, tensor::Cpu};
    let pdf = Cpu::default().build_module::<Event, f64>();
    let _ = pdf.given(&[[0.1, 0.2, 0.3]]);
}
