use flow_runtime::flow;

struct Torus;
struct Shift;

type Event = flow!([Torus] : [Shift]);

fn main() {}
