use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : g | cond 0);

type P2 = flow!(e3 + e1 : g + g | cond (3, 0));

type P3 = flow!(e3 : g | cond 3, hidden 128-0);

type P4 = flow!(e3 : g | cond 3, rank 0);

type P5 = flow!(e3 : g | cond 3, poisson 0);

type P6 = flow!(e3 : g | cond 3, amortize 64(rank = 0));

type P7 = flow!(e3 : g | cond 3, amortize 0);
