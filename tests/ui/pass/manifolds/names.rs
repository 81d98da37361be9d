#![deny(warnings)]

use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

flow! { struct Event = vertex@e3 + s2 + b_tag@i1[0, 1] : t + y + r }

fn main() {
    let sample = Cpu::default().build_module::<Event, f64>().sample(2, &mut rand::rng()).unwrap();
    assert_eq!(sample.vertex().as_vec().len(), 6);
    assert_eq!(sample.b_tag().as_vec().len(), 2);
}
