use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 + : g + f);

type P2 = flow!(: g);

type P3 = flow!(e3 :);

type P4 = flow!(vertex@ : g);

type P5 = flow!(e3 + s2 : g +);
