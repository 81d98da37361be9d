use flow_runtime::flow;

type P = flow!(e0 : g);

fn main() {}
