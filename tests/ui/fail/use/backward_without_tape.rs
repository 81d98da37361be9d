use flow_runtime::flow;

type Event = flow!(e3 : gg);

fn main() {
    use dfdx::{nn::DeviceBuildExt, tensor_ops::Backward, tensor::Cpu, tensor_ops::MeanTo};
    let pdf = Cpu::default().build_module::<Event, f64>();
    let log_prob = pdf.log_prob(&[[0.1, 0.2, 0.3]]).unwrap();
    let _ = log_prob.mean().backward();
}
