use flow_runtime::flow;

type P = flow!(s1 + s3 : n + f);

fn main() {}
