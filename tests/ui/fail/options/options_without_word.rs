use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : (num_kde = 20) ggg);
