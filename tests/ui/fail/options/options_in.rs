use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : ggg[num_kde = 20]);

type P2 = flow!(e3 : ggg{num_kde = 20});
