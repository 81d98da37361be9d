#![deny(warnings)]

use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

type Given = flow!(e1 : t | amortize);
type Outer = flow!(e1 + s1 : t + y(add_rotation = 1) | cond 2, hidden 4, amortize 8(rank = 2, highway = 1));

fn main() {
    let dev = Cpu::default();
    // A width and an offset.
    let pdf = dev.build_module::<Given, f64>();
    let _ = pdf.given(&[[0.0, 0.0]]).unwrap().log_prob(&[[0.3]]).unwrap();
    let _ = dev.build_module::<Outer, f64>();
}
