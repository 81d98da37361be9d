use flow_runtime::flow;

fn main() {}

type P1 = flow!(i1[0, 1e300] : r);
