use flow_runtime::flow;

fn main() {}

type P1 = flow!([my torus] : [my::Layer]);

type P2 = flow!([] : g);
