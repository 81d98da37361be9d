use flow_runtime::flow;

type P = flow!(e3 + s2 : ggv + n | cond 32);

fn main() {}
