use flow_runtime::dfdx::prelude::*;
use flow_runtime::{Fit, flow};

fn main() {
    let mut pdf = Cpu::default().build_module::<flow!(e3 : gg), f64>();
    let _ = pdf.fit(&[[0.1, 0.2]], &Fit::default());
    let mut given = Cpu::default().build_module::<flow!(e1 : gg | cond 2), f64>();
    let _ = given.fit(&[[0.1]], &Fit::default());
    let _ = given.fit(&[[0.1, 0.2, 0.3]], &[[0.1]], &Fit::default());
}
