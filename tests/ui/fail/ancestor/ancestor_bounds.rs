use flow_runtime::flow;

fn main() {}

type P1 = flow!(i1_-3_3 : rr);

type P2 = flow!(i1_-3.5_2.5 + i1_0_1 : rr + r);

type P3 = flow!(energy@i1_0_20 : rr);
