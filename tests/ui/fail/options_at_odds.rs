use flow_runtime::flow;

type P = flow!(e3 : gg(upper_bound_for_widths = -1));

fn main() {}
