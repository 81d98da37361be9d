use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

type Event = flow!(e3 : gg | cond 4, poisson);

fn main() {
    let pdf = Cpu::default().build_module::<Event, f64>();
    let rng = &mut rand::rng();
    let x = [[0.1, 0.2, 0.3]];
    let _ = pdf.sample(10, rng);
    let _ = pdf.sample_embedded(10, rng);
    let _ = pdf.rsample(10, rng, pdf.alloc_grads());
    let _ = pdf.evaluate(&x);
    let _ = pdf.log_prob_embedded(&x);
    let _ = pdf.on_tape(pdf.alloc_grads());
    let _ = pdf.log_mean();
    let _ = pdf.extended_log_likelihood(&x);
}
