use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

fn main() {
    let dev = Cpu::default();
    let pdf = dev.build_module::<flow!(e3 : gg), f64>();
    // One point is a batch of one, arrays are lent, numbers are those of the flow.
    let _ = pdf.log_prob(&[0.1, 0.2, 0.3]);
    let _ = pdf.log_prob([[0.1, 0.2, 0.3]]);
    let _ = pdf.log_prob(&[[0.1_f32, 0.2, 0.3]]);
    let _ = pdf.log_prob(dev.tensor([[0.1, 0.2], [0.3, 0.4]]));
}
