use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : g());

type P2 = flow!(i1 : z());
