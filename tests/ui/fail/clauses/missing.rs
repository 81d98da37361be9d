use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : g | cond);

type P2 = flow!(e3 : g | cond 3, hidden 128-);

type P3 = flow!(e3 : g | cond 3, rank 8-);

type P4 = flow!(e3 : g | cond 3, highway);

type P5 = flow!(e3 : g |);

type P6 = flow!(e3 : g | cond 3,, rank 2);
