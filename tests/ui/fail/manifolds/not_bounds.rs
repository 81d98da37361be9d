use flow_runtime::flow;

fn main() {}

type P1 = flow!(i1[1] : r);

type P2 = flow!(i1[-3 3] : r);

type P3 = flow!(i1[0, PI] : r);
