#![deny(warnings)]

use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

type One = flow!(e1 : x);
type Many = flow!(e64 : xt);

fn main() {
    let _ = Cpu::default().build_module::<One, f64>();
    let _ = Cpu::default().build_module::<Many, f32>();
}
