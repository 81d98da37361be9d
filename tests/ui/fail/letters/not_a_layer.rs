use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : g [my layer] g);

type P2 = flow!(e3 : g []);
