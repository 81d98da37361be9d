use flow_runtime::flow;

fn main() {}

type P1 = flow!(i1[3, -3] : r);

type P2 = flow!(i1[2, 2] : r);
