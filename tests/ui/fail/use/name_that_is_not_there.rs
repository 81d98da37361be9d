use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

flow! { struct Event = vertex@e3 + s2 : t + y }

fn main() {
    let sample = Cpu::default().build_module::<Event, f64>().sample(2, &mut rand::rng()).unwrap();
    let _ = sample.vertx();
}
