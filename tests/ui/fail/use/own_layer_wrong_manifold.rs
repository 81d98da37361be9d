#[path = "../../scale.rs"]
mod scale;

use scale::Scale;

type Event = flow_runtime::flow!(s1 : m [Scale] y);

fn main() {}
