use flow_runtime::estimators::{self, Sampling};

fn main() {
    let data = vec![[0.1, 0.2, 0.3]];
    let _ = estimators::expectation(&data, Sampling::sobol(64), &mut rand::rng(), |x: &[f64]| x[0]);
}
