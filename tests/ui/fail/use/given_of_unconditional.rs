use flow_runtime::flow;

type Event = flow!(e3 : gg);

fn main() {
    use dfdx::{nn::DeviceBuildExt, tensor::Cpu};
    let pdf = Cpu::default().build_module::<Event, f64>();
    let log_prob = pdf.given(&[[0.1, 0.2]]).unwrap().log_prob(&[[0.1, 0.2, 0.3]]).unwrap();
    println!("{:?}", log_prob.as_vec());
}
