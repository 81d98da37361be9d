use flow_runtime::flow;

type P = flow!(e3 : g | hidden 128);

fn main() {}
