#![deny(warnings)]

use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

flow! { struct With = e1 : t; }
flow! { struct Without = e1 : t }

fn main() {
    let _ = Cpu::default().build_module::<With, f64>();
    let _ = Cpu::default().build_module::<Without, f64>();
}
