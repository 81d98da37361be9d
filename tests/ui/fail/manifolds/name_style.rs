use flow_runtime::flow;

fn main() {}

type P1 = flow!(Vertex@e3 : g);

type P2 = flow!(fn@e3 : g);
