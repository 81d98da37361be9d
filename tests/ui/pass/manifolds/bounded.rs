#![deny(warnings)]

use flow_runtime::__private::dfdx::{nn::DeviceBuildExt, tensor::Cpu};
use flow_runtime::flow;

type Event = flow!(
    i1[-3, 3] + i1 + a2 : rr(smooth_second_derivative = 1, num_basis_functions = 2) + rz + uu
    | cond 4, r(min_width = 1e-3)
);

flow! {
    pub struct Mixture = energy@i1[0.5, 20] + flavour@a2 : r + w
}

fn main() {
    let _ = Cpu::default().build_module::<Event, f64>();
    let _ = Cpu::default().build_module::<Mixture, f32>();
}
