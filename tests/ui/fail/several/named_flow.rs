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
    let _ = [Event::DIM, Event::PARAMS, Event::DIRECTION, Event::VERTEX_PARAMS, Event::DIRECTION_COLUMNS.len()];
    let row = Event::point([0.1, 0.2, 0.3], [1.0, 2.0]);
    let _ = Event::points(&[row]).direction();
}
