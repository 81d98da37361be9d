#![deny(warnings)]

use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

fn main() {
    let pdf = Cpu::default().build_module::<flow!(s2 : f), f32>();
    let _: f32 = pdf.log_prob(&[[1.0, 2.0]]).unwrap().array()[0];
}
