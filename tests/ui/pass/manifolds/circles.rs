#![deny(warnings)]

use flow_runtime::__private::dfdx::{nn::DeviceBuildExt, tensor::Cpu};
use flow_runtime::flow;

type Torsions = flow!(
    s1 + s1 + s1 + s1 + s1 + s1 + s1 : m + mo + m + om + m + oo(smooth_second_derivative = 0, num_basis_functions = 8) + m
    | hidden 8, m(num_basis_functions = 3, add_rotation = 1)
);

flow! {
    pub struct Joint = phi@s1 + psi@s1 : mm(natural_direction = 1) + oy(add_rotation = 1) | cond 2
}

fn main() {
    let _ = Cpu::default().build_module::<Torsions, f64>();
    let _ = Cpu::default().build_module::<Joint, f32>();
}
