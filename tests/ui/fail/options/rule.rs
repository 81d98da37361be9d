use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : gg(upper_bound_for_widths = -1));

type P2 = flow!(e3 : g(rotation_mode = "angles", num_householder_iter = 2));

type P3 = flow!(e3 : t(cov_type = "identity", clamp_widths = 1));

type P4 = flow!(s2 : f(vertical_smooth = 1));

type P5 = flow!(s2 : f(add_rotation = 0, rotation_mode = "xyz"));

type P6 = flow!(s1 + s1 : o(num_basis_functions = 5) + o(fix_boundary_derivatives = 1));

type P7 = flow!(e2 : c(solver = "rk4", rtol = 1e-5));
