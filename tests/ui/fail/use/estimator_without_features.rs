use flow_runtime::dfdx::prelude::*;
use flow_runtime::estimators::{self, Sampling};
use flow_runtime::flow;

fn main() {
    let pdf = Cpu::default().build_module::<flow!(e3 : gg | cond 4), f64>();
    let _ = estimators::expectation(&pdf, Sampling::sobol(64), &mut rand::rng(), |x| x[0]);
}
