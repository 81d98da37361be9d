use flow_runtime::dfdx::prelude::*;
use flow_runtime::rand::{SeedableRng, rngs::StdRng};
use flow_runtime::{Error, flow};

flow! {
    struct Event = vertex@e3 + direction@s2 : gg + f | cond 2
}

fn main() -> Result<(), Error> {
    let dev = Cpu::default();
    let pdf = dev.build_module::<Event, f64>();
    let features = dev.tensor([[0.1, 0.2], [0.3, 0.4]]);
    let sample = pdf.given(&features)?.sample(&mut StdRng::seed_from_u64(1))?;
    // Plain numbers: of the whole, of a part, as features of another density.
    pdf.given(&features)?.log_prob(&sample.points)?;
    pdf.given(&features)?.evaluate(&sample.points)?;
    let other = dev.build_module::<flow!(e1 : gt | cond 3), f64>();
    other.given(&sample.vertex())?.sample(&mut StdRng::seed_from_u64(1))?;
    // As data, said explicitly.
    let data = sample.points.into_data();
    let loss = pdf.given(features.traced(pdf.alloc_grads()))?.log_prob(data)?.mean().negate();
    loss.backward();
    Ok(())
}
