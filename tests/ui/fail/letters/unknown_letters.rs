use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : b);

type P2 = flow!(e3 + s2 : ggq + qp);

type P3 = flow!(e3 : GGGG);

type P4 = flow!(e3 : g4);
