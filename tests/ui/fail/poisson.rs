use flow_runtime::flow;

type P = flow!(e3 : g | poisson 64);

fn main() {}
