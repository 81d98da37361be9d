#![deny(warnings)]

use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

type Deep = flow!(e2 + s1 : t + m | cond 4, hidden 16-8, rank 4-0-2, highway 0);
type Linear = flow!(e2 + s1 : t + m | hidden none);
type Each = flow!(e2 + s1 : t + m | cond 4, hidden (none, 8), highway (0, 1), rank (0, 2));

fn main() {
    let _ = Cpu::default().build_module::<Deep, f64>();
    let _ = Cpu::default().build_module::<Linear, f64>();
    let _ = Cpu::default().build_module::<Each, f64>();
}
