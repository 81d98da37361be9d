use flow_runtime::flow;

type P = flow!(e3 + s5 : ggb + n(max_rank = 2) | cond 0, hiden 128);

fn main() {}
