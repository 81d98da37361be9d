use flow_runtime::flow;

fn main() {}

type P1 = flow!("e3+s2");

type P2 = flow!("e3" : "gg");

type P3 = flow!("");

type P4 = flow!("e3+s2", "gggg+n");

type P5 = flow!("i1_-3.0_3.0+a2", "rr+w", conditional_input_dim=4);

type P6 = flow!("e2+s1", "gg+m", conditional_input_dim=[3, 5], amortization_mlp_dims=["64", "128-64"], predict_log_normalization=True);

type P7 = flow!("e3 + s2 : gggg + n | cond 32");
