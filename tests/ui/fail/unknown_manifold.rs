use flow_runtime::flow;

type P = flow!(E3 + s5 : g + n);

fn main() {}
