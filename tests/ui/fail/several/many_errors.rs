use flow_runtime::flow;

type P = flow!(e3 + s15 : ggb + n(max_rank = 0) | cond 0, hiden 128);

fn main() {}
