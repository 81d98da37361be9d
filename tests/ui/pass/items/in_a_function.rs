#![deny(warnings)]

use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

fn main() {
    flow! {
        /// Known here alone.
        struct Local = angle@s1 : m
    }
    let sample = Cpu::default().build_module::<Local, f64>().sample(1, &mut rand::rng()).unwrap();
    assert_eq!(sample.angle().as_vec().len(), 1);
}
