#![deny(warnings)]

use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

// What the messages about tapes say, done as they say.
type Event = flow!(e1 : t);

fn main() {
    let pdf = Cpu::default().build_module::<Event, f64>();
    let traced = pdf.on_tape(pdf.alloc_grads()).unwrap();
    let entropy = flow_runtime::estimators::entropy_traced(traced, 8, &mut rand::rng()).unwrap();
    let _ = entropy.value.mean().backward();
}
