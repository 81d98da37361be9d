use flow_runtime::flow;

type P = flow!(vertex@e3 + vertex@s2 : g + n);

fn main() {}
