use flow_runtime::flow;

flow! {
    /// One error, and nothing about what uses it.
    #[derive(Clone)]
    pub struct Event = vertex@e3 + direction@s2 : gggg + b | cond 32
}

fn main() {
    use flow_runtime::__private::dfdx::{nn::DeviceBuildExt, tensor::Cpu};
    let pdf = Cpu::default().build_module::<Event, f64>();
    let _ = pdf.anything(1).at_all();
}
