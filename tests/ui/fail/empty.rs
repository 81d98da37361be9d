use flow_runtime::flow;

type P = flow!();

fn main() {}
