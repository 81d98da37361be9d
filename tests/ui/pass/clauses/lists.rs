#![deny(warnings)]

use flow_runtime::__private::dfdx::{nn::DeviceBuildExt, tensor::Cpu};
use flow_runtime::flow;

type Event = flow!(e3 + s2 + s1 : gx + f + y | cond (3, 5, 1), hidden (32-16, 8, 4), rank 2);

fn main() {
    let _ = Cpu::default().build_module::<Event, f64>();
}
