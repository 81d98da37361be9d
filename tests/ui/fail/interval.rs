use flow_runtime::flow;

type P = flow!(i1[1, -1] + e2 : rr + gg);

fn main() {}
