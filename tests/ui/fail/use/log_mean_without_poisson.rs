use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

fn main() {
    let pdf = Cpu::default().build_module::<flow!(e3 : gg), f64>();
    let _ = pdf.log_mean();
    let _ = pdf.extended_log_likelihood(&[[0.1, 0.2, 0.3]]);
    let given = Cpu::default().build_module::<flow!(e3 : gg | cond 1), f64>();
    let _ = given.given(&[[0.1]]).unwrap().log_mean();
}
