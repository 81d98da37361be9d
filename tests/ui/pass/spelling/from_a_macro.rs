use flow_runtime::__private::dfdx::{nn::DeviceBuildExt, tensor::Cpu};
use flow_runtime::flow;

// What a macro passes on may arrive in invisible groups.
macro_rules! wide {
    ($name:ident, $manifold:ident, $components:literal, $features:expr, $layer:ty) => {
        type $name = flow!($manifold : gg(num_kde = $components) [$layer] | cond $features);
    };
}
wide!(Wide, e3, 30, 7, flow_runtime::__private::Identity<3, ()>);

fn main() {
    let _ = Cpu::default().build_module::<Wide, f64>();
}
