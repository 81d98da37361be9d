use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : g | cond 3, hiden 128);

type P2 = flow!(e3 : g | features 3);
