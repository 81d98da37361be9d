use flow_runtime::flow;

type P = flow!(e3 : g | cond 0);

fn main() {}
