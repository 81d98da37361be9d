use flow_runtime::flow;

type P = flow!(e3 : g(num_kde = 3, num_kde = 4));

fn main() {}
