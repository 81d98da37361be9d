use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : g | cond 3, rank 1-2-3);
