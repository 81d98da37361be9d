#![deny(warnings)]

use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

// Options that act only beside others, beside them.
type Splines = flow!(
    s2 : f(add_vertical_rq_spline_flow = 1, vertical_smooth = 1, spline_num_basis_functions = -1)
        f(add_circular_rq_spline_flow = 1, circular_flow_defs = "o", boundary_cos_theta_identity_region = 0.1)
);
type Numbers = flow!(e2 : g(rotation_mode = "householder", num_householder_iter = 1) t(cov_type = "identity"));

fn main() {
    let _ = Cpu::default().build_module::<Splines, f64>();
    let _ = Cpu::default().build_module::<Numbers, f64>();
}
