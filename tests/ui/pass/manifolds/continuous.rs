#![deny(warnings)]

use flow_runtime::__private::dfdx::{nn::DeviceBuildExt, tensor::Cpu};
use flow_runtime::{Penalty, flow};

type Path = flow!(
    e2 + s1 + s2 : c(cnf_network_hidden_dims = "16-16", rtol = 1e-5, atol = 1e-6, max_steps = 100)
        + cc(solver = "rk4", steps = 8) + c(gradients = "adjoint", checkpoints = 2)
    | cond 3, hidden 8, c(divergence = "hutchinson", probes = 2)
);
type Alone = flow!(e3 : tcx);

fn main() {
    let _ = Cpu::default().build_module::<Path, f64>();
    let pdf = Cpu::default().build_module::<Alone, f32>();
    let parts = pdf.log_prob_regularised(&[[0.1, 0.2, 0.3]]).unwrap();
    assert!(parts.kinetic.as_vec()[0] > 0.0 && Penalty::default().kinetic == 0.0);
}
