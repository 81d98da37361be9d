use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : g | hidden 128);

type P2 = flow!(e3 : g | rank 8, highway 1);

type P3 = flow!(e3 : g | cond 3, amortize 64, hidden 32);
