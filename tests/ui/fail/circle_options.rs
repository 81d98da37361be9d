use flow_runtime::flow;

type P = flow!(s1 + s1 : o(num_basis_functions = 5) + oo(fix_boundary_derivatives = 1.0));

fn main() {}
