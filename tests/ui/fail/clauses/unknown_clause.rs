use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : g | cond 3, hiden 128);

type P2 = flow!(e3 : g | features 3);

type P3 = flow!(e3 : g | COND 3);

type P4 = flow!(e3 : g | num_kde = 20);

type P5 = flow!(e3 : g | cond 3, banana 4);
