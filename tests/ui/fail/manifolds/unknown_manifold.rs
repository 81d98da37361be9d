use flow_runtime::flow;

fn main() {}

type P1 = flow!(q3 : g);

type P2 = flow!(E3 : g);

type P3 = flow!(so3 : n);
