use flow_runtime::flow;

fn main() {}

type P1 = flow!(e03 : g);
