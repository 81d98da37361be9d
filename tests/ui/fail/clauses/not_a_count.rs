use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : g | cond -3);

type P2 = flow!(e3 : g | cond 3.0);

type P3 = flow!(e3 : g | cond three);

type P4 = flow!(e3 : g | cond 3, rank full);

type P5 = flow!(e3 : g | cond 3, highway -1);

type P6 = flow!(e3 : g | cond 3, hidden "128-128");
