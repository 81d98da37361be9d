use flow_runtime::__private::dfdx::{nn::DeviceBuildExt, tensor::Cpu};
use flow_runtime::flow;

type Word = flow!(s2 : fn);
type Raw = flow!(s2 : r#fn);
type Apart = flow!(s2 : f n);

fn main() {
    let dev = Cpu::default();
    let _ = dev.build_module::<Word, f64>();
    let _: <Raw as Same>::Type = dev.build_module::<Apart, f64>();
}

trait Same {
    type Type;
}

impl<B> Same for B
where
    B: flow_runtime::__private::dfdx::nn::BuildOnDevice<Cpu, f64>,
{
    type Type = B::Built;
}
