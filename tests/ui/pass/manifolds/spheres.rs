#![deny(warnings)]

use flow_runtime::__private::dfdx::{nn::DeviceBuildExt, tensor::Cpu};
use flow_runtime::flow;

type Rotation = flow!(s3 : n);

type Pose = flow!(e1 + s3 : t + n(highway_mode = 4, hidden_dims = "8-8", max_rank = 2) | cond 4);

flow! {
    pub struct Grasp = turn@s3 + place@e2 : n(zenith_type_layers = "g") y(add_rotation = 1) + gt
}

flow! {
    pub struct Large = s9 : yn(zenith_type_layers = "zz", rotation_mode = "angles")
}

fn main() {
    let _ = Cpu::default().build_module::<Rotation, f64>();
    let _ = Cpu::default().build_module::<Pose, f32>();
    let _ = Cpu::default().build_module::<Grasp, f64>();
    let _ = Cpu::default().build_module::<Large, f64>();
}
