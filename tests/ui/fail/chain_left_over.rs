use flow_runtime::flow;

type P = flow!(e3 : gggg + n);

fn main() {}
