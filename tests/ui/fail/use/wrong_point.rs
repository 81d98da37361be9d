use flow_runtime::flow;

type Event = flow!(e3 + s2 : gg + f);

fn main() {
    use dfdx::{nn::DeviceBuildExt, tensor::Cpu};
    let pdf = Cpu::default().build_module::<Event, f64>();
    let _ = pdf.log_prob(&[[0.1, 0.2, 0.3]]);
}
