#![deny(warnings)]
//! Samples and points by the names of their manifolds.

use dfdx::{nn::DeviceBuildExt, tensor::Cpu};
use flow_runtime::flow;
use rand::{SeedableRng, rngs::StdRng};

flow! {
    /// A vertex and a direction, given two features.
    pub struct Event = vertex@e3 + direction@s2 : gg + n | cond 2, hidden 8
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pdf = Cpu::default().build_module::<Event, f64>();
    let given = [[0.1, 0.2], [0.3, -0.4]];
    let sample = pdf.given(&given)?.sample(&mut StdRng::seed_from_u64(1))?;
    let (vertex, direction) = (sample.vertex(), sample.direction());
    let _: [[f64; 3]; 2] = vertex.array();
    let _: [[f64; 2]; 2] = direction.array();
    Ok(())
}
