use flow_runtime::flow;

type Path = flow!(e2 : c(solver = "rk4", rtol = 1e-5));

fn main() {}
