#![deny(warnings)]

use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

// A flag is 0 and 1, or false and true.
type Digits = flow!(e1 : x(add_offset = 1));
type Words = flow!(e1 : x(add_offset = true));

fn same<T>(_: T, _: T) {}

fn main() {
    let dev = Cpu::default();
    same(dev.build_module::<Digits, f64>(), dev.build_module::<Words, f64>());
}
