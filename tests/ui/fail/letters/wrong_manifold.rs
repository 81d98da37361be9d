use flow_runtime::flow;

fn main() {}

type P1 = flow!(s2 : gggg);

type P2 = flow!(i1 + a2 : g + r);

type P3 = flow!(s1 + s3 : n + f);
