//! The laws of layers with thousands of parameters: each derivative by each of them is compared with differences, which wants an optimised build. Other
//! layers have their laws beside them and in the suites.

use flow_runtime::layers::laws::{Tolerance, check_samples};
use flow_runtime::layers::{BoxFlow, GumbelSoftmax};
use flow_runtime::manifolds::Simplex;

#[test]
fn box_flows_of_larger_simplices() {
    check_samples::<Simplex<2>, (BoxFlow<2>, ())>(2, 2, 0.1, Tolerance::F64).unwrap();
    check_samples::<Simplex<3>, (BoxFlow<3>, ())>(3, 1, 0.1, Tolerance::F64).unwrap();
}

#[test]
fn box_flows_in_a_chain() {
    check_samples::<Simplex<2>, (BoxFlow<2>, (BoxFlow<2>, ()))>(4, 1, 0.05, Tolerance::F64).unwrap();
    check_samples::<Simplex<2>, (BoxFlow<2>, (GumbelSoftmax<2>, ()))>(8, 1, 0.1, Tolerance::F64).unwrap();
}
