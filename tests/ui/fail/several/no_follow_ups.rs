use flow_runtime::flow;

type P = flow!(e3 : ggb | cond 32);

fn main() {
    use flow_runtime::__private::dfdx::{nn::DeviceBuildExt, tensor::Cpu};
    let pdf = Cpu::default().build_module::<P, f64>();
    let _ = pdf.anything(1).at_all();
}
