use flow_runtime::flow;

type P = flow!("e3 + s2", "gggg + n");

fn main() {}
