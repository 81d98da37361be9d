use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : gt | gt(clamp_widths = 1));
