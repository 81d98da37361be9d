use flow_runtime::flow;

type P = flow!(e3 : g, cond 32);

fn main() {}
