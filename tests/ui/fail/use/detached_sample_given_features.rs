use flow_runtime::dfdx::prelude::*;
use flow_runtime::rand::{SeedableRng, rngs::StdRng};
use flow_runtime::{Error, flow};

fn main() -> Result<(), Error> {
    let dev = Cpu::default();
    let pdf = dev.build_module::<flow!(e3 : gg | cond 2), f64>();
    let features = dev.tensor([[0.1, 0.2], [0.3, 0.4]]);
    let sample = pdf.given(&features)?.sample(&mut StdRng::seed_from_u64(1))?;
    // Features on the tape, points that are not.
    let log_prob = pdf.given(features.traced(pdf.alloc_grads()))?.log_prob(&sample.points)?;
    log_prob.mean().negate().backward();
    Ok(())
}
