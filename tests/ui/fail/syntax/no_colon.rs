use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 + s2);

type P2 = flow!(e3 gggg | cond 3);

type P3 = flow!(e3 = gggg);
