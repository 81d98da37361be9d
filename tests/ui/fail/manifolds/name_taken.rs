use flow_runtime::flow;

fn main() {}

type P1 = flow!(features@e3 : g);

type P2 = flow!(vertex@e3 + vertex_params@e1 : g + t);
