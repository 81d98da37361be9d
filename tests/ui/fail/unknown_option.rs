use flow_runtime::flow;

type P = flow!(e3 : ggg(num_kdes = 20));

fn main() {}
