use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

fn main() {
    let frozen = Cpu::default().build_module::<flow!(e1 : t | cond 2), f64>().freeze();
    let _ = frozen.log_prob(&[0.1, 0.2, 0.3], &[0.5]);
}
