use flow_runtime::flow;

type P = flow!(e3 : g | cond 32, hiden 128-128);

fn main() {}
