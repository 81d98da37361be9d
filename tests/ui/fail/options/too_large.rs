use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : g(upper_bound_for_widths = 1e999));
