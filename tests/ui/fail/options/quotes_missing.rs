use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : t(cov_type = full));

type P2 = flow!(e3 : t(cov_type = ful));
