#![deny(warnings)]

use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

struct Model<T>(core::marker::PhantomData<T>);

type Posterior = Model<flow!(e1 : t | cond 2)>;

trait Named {
    type Flow;
}
impl Named for Posterior {
    type Flow = flow!(e1 : t | cond 2);
}

fn main() {
    let _ = Model::<flow!(e1 : t)>(core::marker::PhantomData);
    let _ = Cpu::default().build_module::<<Posterior as Named>::Flow, f64>();
}
