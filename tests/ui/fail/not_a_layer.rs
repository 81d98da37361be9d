use flow_runtime::flow;

type P = flow!(e3 : g [my layer]);

fn main() {}
