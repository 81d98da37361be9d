use flow_runtime::flow;

fn main() {}

type P1 = flow!(e : g);

type P2 = flow!(s + e1 : f + g);
