#![deny(warnings)]

use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

type Whole = flow!(i1[-3, 3] : r);
type Broken = flow!(i1[-0.5, 1e3] : rr);
type Plain = flow!(i1 + i1[2, 3] : z + r);

fn main() {
    let _ = Cpu::default().build_module::<Whole, f64>();
    let _ = Cpu::default().build_module::<Broken, f64>();
    let outside = Cpu::default().build_module::<Plain, f64>().log_prob(&[[0.5, 1.0]]);
    assert!(outside.is_err());
}
