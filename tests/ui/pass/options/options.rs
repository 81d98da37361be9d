#![deny(warnings)]

use flow_runtime::__private::dfdx::{nn::DeviceBuildExt, tensor::Cpu};
use flow_runtime::flow;

type Event = flow!(
    e3 + s2 : ggg(num_kde = 20, rotation_mode = "angles") t(cov_type = "full") + fn(add_rotation = false)
    | cond 4, g(num_kde = 5, upper_bound_for_widths = 50), n(zenith_type_layers = "gg", hidden_dims = "16-8")
);

fn main() {
    let _ = Cpu::default().build_module::<Event, f64>();
}
