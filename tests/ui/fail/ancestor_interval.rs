use flow_runtime::flow;

type P = flow!(i1_-3_3 : rr);

fn main() {}
