use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : g(num_kde = 3, num_kde = 4));
