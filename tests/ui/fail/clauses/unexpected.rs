use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : g | cond 3 hidden 128);
