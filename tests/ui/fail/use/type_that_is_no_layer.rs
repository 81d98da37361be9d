use flow_runtime::flow;

type Event = flow!(e3 : gg [String]);

fn main() {}
