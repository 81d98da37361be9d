use flow_runtime::dfdx::prelude::*;
use flow_runtime::estimators::{self, Sampling};
use flow_runtime::flow;

fn main() {
    let pdf = Cpu::default().build_module::<flow!(e3 : gg), f64>();
    let traced = pdf.on_tape(pdf.alloc_grads()).unwrap();
    let _ = estimators::expectation(&traced, Sampling::sobol(64), &mut rand::rng(), |x| x[0]);
}
