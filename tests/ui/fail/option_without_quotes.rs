use flow_runtime::flow;

type P = flow!(e3 : t(cov_type = full));

fn main() {}
