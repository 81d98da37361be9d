use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3, s2 : g, f);

type P2 = flow!(e3 * s2 : g * f);

type P3 = flow!(e3 : g >);

type P4 = flow!(e3 : g;);

type P5 = flow!(e3 : g { f });

type P6 = flow!(e3 : 4);
