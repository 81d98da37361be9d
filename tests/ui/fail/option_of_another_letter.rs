use flow_runtime::flow;

type P = flow!(e3 : ggg(cov_type = "full"));

fn main() {}
