use flow_runtime::flow;

type P = flow!(e3 + s2 : g + n | cond (3, 4, 5));

fn main() {}
