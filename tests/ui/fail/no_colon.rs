use flow_runtime::flow;

type P = flow!(e3 + s2 | cond 32);

fn main() {}
