use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

fn main() {
    let pdf = Cpu::default().build_module::<flow!(e1 + s1 : t + m | cond (3, 5)), f64>();
    let _ = pdf.given(&[[0.0; 8]]);
    let _ = pdf.given((&[[0.0; 3]], &[[0.0; 4]]));
}
