use flow_runtime::flow;

type P = flow!(e3 + s2 : ggb + n | cond 32);

fn main() {}
