use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : g | cond 3, hidden none, highway 1);

type P2 = flow!(e3 + e1 : g + g | cond 3, hidden (none, 8), highway (1, 1));
