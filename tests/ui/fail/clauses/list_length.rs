use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 + s2 : g + f | cond (3, 4, 5));

type P2 = flow!(e3 + s2 : g + f | hidden (64, 32, 16));

type P3 = flow!(e3 + s2 : g + f | rank (1, 2, 3));

type P4 = flow!(e3 : g | cond 3, highway (1, 2));
