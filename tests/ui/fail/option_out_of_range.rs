use flow_runtime::flow;

type P = flow!(e3 : ggg(num_kde = 0));

fn main() {}
