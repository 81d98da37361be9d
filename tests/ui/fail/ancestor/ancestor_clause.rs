use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : g | conditional_input_dim = 3);

type P2 = flow!(e3 : g | cond 3, amortization_mlp_dims = "128");
