use flow_runtime::flow;

fn main() {}

type P1 = flow!(e0 : g);

type P2 = flow!(e999 : g);

type P3 = flow!(s15 : n);

type P4 = flow!(i2 : rr);
