use flow_runtime::flow;

fn main() {}

type P1 = flow!("e3+s2");

type P2 = flow!("e3+s2", "gggg+n");

type P3 = flow!("i1_-3.0_3.0+a2", "rr+w", conditional_input_dim=4);

type P4 = flow!("e2+s1", "gg+m", conditional_input_dim=[3, 5], amortization_mlp_dims=["64", "128-64"], predict_log_normalization=True);

type P5 = flow!("e3 + s2 : gggg + n | cond 32");
