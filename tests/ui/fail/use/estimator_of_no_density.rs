use flow_runtime::estimators::{self, Plan};

fn main() {
    let data = vec![[0.1, 0.2, 0.3]];
    let _ = estimators::expectation(&data, Plan::sobol(64), &mut rand::rng(), |x: &[f64]| x[0]);
}
