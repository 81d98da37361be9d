#![deny(warnings)]

use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

type Narrow = flow!(e3+s2:gggg+n|cond 32);
type Wide = flow!(
    e3
    + s2
    : gg gg
    + n
    | cond 32,
);

// Spaces and a last comma change nothing.
fn same<T>(_: core::marker::PhantomData<T>, _: core::marker::PhantomData<T>) {}

fn main() {
    same::<Narrow>(core::marker::PhantomData, core::marker::PhantomData::<Wide>);
    let _ = Cpu::default().build_module::<Narrow, f64>();
}
