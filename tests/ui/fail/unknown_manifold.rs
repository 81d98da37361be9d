use flow_runtime::flow;

type P = flow!(E3 + s15 : g + n);

fn main() {}
