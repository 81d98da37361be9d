use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 + s2 : g + f | cond [3, 5]);
