use flow_runtime::dfdx::prelude::*;
use flow_runtime::rand::{SeedableRng, rngs::StdRng};
use flow_runtime::{Error, flow};

fn main() -> Result<(), Error> {
    let pdf = Cpu::default().build_module::<flow!(e3 : gg), f64>();
    let sample = pdf.sample(100, &mut StdRng::seed_from_u64(1))?;
    // Not the gradient of the entropy: the points do not move with the weights.
    let entropy = pdf.log_prob(sample.points.traced(pdf.alloc_grads()))?.mean().negate();
    entropy.backward();
    Ok(())
}
