use flow_runtime::flow;

fn main() {}

type P1 = flow!(i1(-3, 3) : r);

type P2 = flow!(i1{-3, 3} : r);

type P3 = flow!(e(3) : g);

type P4 = flow!(e[3] : g);

type P5 = flow!(i1_0 : r);

type P6 = flow!(e3(num_kde = 20) : ggg);
