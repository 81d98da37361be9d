#![deny(missing_docs, warnings)]
//! A documented crate.

use flow_runtime::__private::dfdx::{nn::DeviceBuildExt, tensor::Cpu};
use flow_runtime::flow;

flow! {
    /// Vertex and direction of an event, given 32 summary features.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Event = vertex@e3 + direction@s2 : gggg + n | cond 32, hidden 128-128;
}

flow! { pub(crate) struct E = e1 : t }

mod inner {
    flow_runtime::flow! { pub(super) struct Points = angle@s1 : y(add_rotation = true) }
}

fn main() {
    let dev = Cpu::default();
    let _ = dev.build_module::<Event, f64>();
    let _ = dev.build_module::<E, f64>();
    let _ = dev.build_module::<inner::Points, f64>();
    assert_eq!(Event, Event.clone());
    assert_eq!(
        <Event as flow_runtime::__private::Notation>::NOTATION,
        "vertex@e3 + direction@s2 : gggg + n | cond 32, hidden 128-128"
    );
}

#[allow(dead_code)]
fn parts<S: EventParts>(sample: &S) {
    let _ = sample.vertex();
    let _ = sample.direction();
}
