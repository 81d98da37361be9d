use flow_runtime::dfdx::prelude::*;
use flow_runtime::rand::{SeedableRng, rngs::StdRng};
use flow_runtime::{Error, estimators, flow};

fn main() -> Result<(), Error> {
    let pdf = Cpu::default().build_module::<flow!(e3 : gg), f64>();
    let entropy = estimators::entropy_traced(&pdf, 100, &mut StdRng::seed_from_u64(1))?;
    entropy.value.mean().backward();
    Ok(())
}
