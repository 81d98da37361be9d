use flow_runtime::flow;

fn main() {}

type P1 = flow!(e2[0, 1] : g);

type P2 = flow!(s2[0, 1] : f);

type P3 = flow!([my::Torus][0, 1] : [my::Layer]);
