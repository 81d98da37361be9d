//! Built flows: weights as tensors, and the checks of what is given.

mod conditioned;
pub(crate) mod kernel_calls;
mod operations;
mod spec;
#[cfg(test)]
mod tests;
mod traced;
mod unconditional;

pub use conditioned::Conditioned;
pub(super) use operations::{Accepted, Arguments, cotangent};
pub use spec::{Built, Conditional, FlowSpec, Notation, Spec, Unconditional};
pub use traced::TracedDensity;

use super::Element;
use super::cache::{PooledVec, WeightCache};
use super::points::FeatureSpec;
use super::weights::Weights;
use crate::error::{Error, Location};
use crate::kernels::{Blocks, Coordinates, RowFault, Summary};
use core::marker::PhantomData;
use core::ops::Deref;
use dfdx::nn::tensor_collection::{ModuleVisitor, TensorCollection};
use dfdx::shapes::{Const, Dim, Dtype, Shape};
use dfdx::tensor::{Cpu, Tensor, TensorFromVec};
use dfdx::tensor_ops::Device;

/// A built flow: its weights as tensors.
///
/// `S` is the type that `flow!` wrote, `W` its tensors, `E` the number type, `D` the device. Write [`Built<MyFlow,
/// f64>`](Built) in signatures.
///
/// A flow without `cond` has [`log_prob`](Flow::log_prob) and the sampling methods itself; one with `cond` has
/// [`given`](Flow::given), which returns the density for a batch of features.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Built, flow};
///
/// type Place = flow!(s2 + e1 : f + gt);
///
/// fn width(pdf: &Built<Place, f64>) -> usize {
///     pdf.num_trainable_params()
/// }
///
/// let pdf = Cpu::default().build_module::<Place, f64>();
/// // f has 10 parameters; then a network 3 -> 128 -> 33 for g (1 + 3 * 10) and t (offset and width).
/// assert_eq!(width(&pdf), 10 + 3 * 128 + 128 + 128 * 33 + 33);
/// ```
#[derive(Debug)]
pub struct Flow<S, W, E, D> {
    /// The weights.
    pub weights: W,
    cache: WeightCache<W, E>,
    spec: PhantomData<fn() -> (S, E, D)>,
}

impl<S, W: Clone, E, D> Clone for Flow<S, W, E, D> {
    fn clone(&self) -> Self {
        Flow { weights: self.weights.clone(), cache: WeightCache::default(), spec: PhantomData }
    }
}

impl<S, W, E: Dtype, D: Device<E>> TensorCollection<E, D> for Flow<S, W, E, D>
where
    W: TensorCollection<E, D>,
{
    type To<E2: Dtype, D2: Device<E2>> = Flow<S, W::To<E2, D2>, E2, D2>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        visitor.visit_fields(Self::module("blocks", |s| &s.weights, |s| &mut s.weights), |weights| Flow {
            weights,
            cache: WeightCache::default(),
            spec: PhantomData,
        })
    }
}

/// A log-density in its parts.
#[derive(Clone, Debug)]
pub struct LogProbParts<B: Dim, const N: usize, E: Element> {
    /// ln p of each point.
    pub log_prob: Tensor<(B,), E, Cpu>,
    /// ln of the standard normal density at each base point.
    pub log_prob_base: Tensor<(B,), E, Cpu>,
    /// The base point of each point.
    pub base: Tensor<(B, Const<N>), E, Cpu>,
}

/// Turns a kernel's fault into an error that names the place.
pub(crate) fn explain<S: Spec>(fault: RowFault) -> Error {
    let Summary { blocks, .. } = kernel_calls::summary::<S>();
    let notation = blocks.get(fault.manifold).map(|b| b.manifold.clone()).unwrap_or_default();
    let location = Location {
        manifold: fault.manifold,
        notation,
        layer: fault.layer.map(|l| (l.layer, l.name)),
        advice: fault.layer.map_or("", |l| l.advice),
    };
    match fault.layer {
        Some(layer) if layer.unconverged => Error::NotConverged { row: fault.row, location },
        _ => Error::NotFinite { row: fault.row, location },
    }
}

/// Refuses points that are not on their manifolds.
pub(crate) fn check_points<S: Spec, E: Element>(points: &[E], coordinates: Coordinates) -> Result<(), Error> {
    let columns = coordinates.count::<S::Blocks>();
    let mut point = vec![0.0; columns];
    for (row, numbers) in points.chunks_exact(columns).enumerate() {
        point.iter_mut().zip(numbers).for_each(|(p, x)| *p = x.widen());
        if let Some((manifold, message)) = kernel_calls::check_point::<S>(&point, coordinates) {
            let Summary { blocks, .. } = kernel_calls::summary::<S>();
            let notation = blocks.get(manifold).map(|b| b.manifold.clone()).unwrap_or_default();
            return Err(Error::Point { argument: "x", row, manifold, notation, message });
        }
    }
    Ok(())
}

/// Refuses features that are not finite.
pub(crate) fn check_features<E: Element>(features: &[E], columns: usize) -> Result<(), Error> {
    match features.iter().position(|f| !f.widen().is_finite()) {
        Some(i) => Err(Error::Feature { row: i / columns, column: i % columns, value: features[i].widen() }),
        None => Ok(()),
    }
}

/// Refuses to start parameters that the flow does not have, because they are given with each row (`amortize` without
/// `cond`).
pub(crate) fn check_owns_parameters<B: Blocks>() -> Result<(), Error> {
    if B::GIVEN == 0 {
        return Ok(());
    }
    let message = "the flow has no parameters of its own to start: `amortize` without `cond` takes them as features; write \
                   `cond` for an outer network that predicts them, or leave `amortize` out";
    Err(Error::argument("points", message))
}

/// Counts the rows of the given features; `None` where nothing is given.
pub(crate) fn conditions<S: Spec, E>(features: &[E]) -> Option<usize> {
    features.len().checked_div(S::Features::COUNT)
}

pub(super) fn tensor<Sh: Shape, E: Element>(data: Vec<E>, shape: Sh) -> Result<Tensor<Sh, E, Cpu>, Error> {
    Ok(Cpu::default().try_tensor_from_vec(data, shape)?)
}

impl<S: Spec, W: Weights<E>, E: Element> Flow<S, W, E, Cpu> {
    /// All weights, in the order of the kernels: blocks in the order written; free parameters in the flat order of
    /// their chain, networks layer by layer, each matrix row by row (one row an output), then its bias.
    pub fn flat_weights(&self) -> Vec<E> {
        let mut flat = Vec::with_capacity(S::Blocks::WEIGHTS);
        self.weights.read(&mut flat);
        flat
    }

    /// The same for a call that leaves nothing on a tape.
    pub(super) fn weights_now(&self) -> impl Deref<Target = [E]> + use<S, W, E> {
        self.cache.weights(&self.weights)
    }

    /// The same for a tape.
    pub(super) fn weights_for_tape(&self) -> PooledVec<E> {
        self.cache.weights_for_tape(&self.weights)
    }

    /// Sets all weights, in the order of [`flat_weights`](Flow::flat_weights).
    ///
    /// # Errors
    /// The number of weights is wrong; nothing is changed then.
    pub fn set_flat_weights(&mut self, flat: &[E]) -> Result<(), Error> {
        let (found, expected) = (flat.len(), S::Blocks::WEIGHTS);
        if found != expected {
            return Err(Error::Length { argument: "flat", expected, found });
        }
        self.cache.forget();
        self.weights.write(&mut &flat[..]);
        Ok(())
    }

    /// Lists manifolds, letters and networks, in order.
    pub fn summary(&self) -> Summary {
        kernel_calls::summary::<S>()
    }
}
