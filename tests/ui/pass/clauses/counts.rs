#![deny(warnings)]

use flow_runtime::dfdx::prelude::*;
use flow_runtime::flow;

type Free = flow!(e1 : t | poisson);
type Joint = flow!(e1 : t | cond 2, poisson);
type Own = flow!(e1 : t | cond 2, hidden none, poisson 8, highway 1);

fn main() {
    let dev = Cpu::default();
    let _: f64 = dev.build_module::<Free, f64>().log_mean().unwrap();
    let _ = dev.build_module::<Joint, f64>().given(&[[0.1, 0.2]]).unwrap().log_mean().unwrap();
    let _ = dev.build_module::<Own, f64>();
}
