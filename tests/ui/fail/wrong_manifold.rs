use flow_runtime::flow;

type P = flow!(s2 : gggg | cond 32);

fn main() {}
