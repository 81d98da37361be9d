use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : gg my::Layer t);

type P2 = flow!(my::Torus : [my::Layer]);
