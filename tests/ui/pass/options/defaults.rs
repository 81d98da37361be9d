#![deny(warnings)]

use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

// The clause is for every letter of its kind, and the word overrides it.
type Event = flow!(e2 : g t g(num_kde = 4) | g(num_kde = 3, width_smooth_saturation = 0), t(cov_type = "full"));
type Spelt = flow!(
    e2 : g(num_kde = 3, width_smooth_saturation = 0) t(cov_type = "full") g(num_kde = 4, width_smooth_saturation = 0)
);

fn count<P: BuildOnDevice<Cpu, f64>>() -> usize
where
    P::Built: TensorCollection<f64, Cpu>,
{
    Cpu::default().build_module::<P, f64>().num_trainable_params()
}

fn main() {
    assert_eq!(count::<Event>(), count::<Spelt>());
}
