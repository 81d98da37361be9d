//! Densities on a tape: used once, for they hold the tape.

use super::Element;
use super::flow::{Conditional, Flow, GivenFlow, Spec, Unconditional, no_features, tape_of, tensor};
use super::plain::{share_out, spaces};
use super::points::{FeatureSpec, GiveBack, Join, Points, Rows};
use super::samples::{Traced, TracedSample};
use super::weights::Weights;
use crate::density::{Density, Space, TracedDensity};
use crate::error::Error;
use crate::kernels::{Blocks, Coordinates};
use core::ops::Range;
use dfdx::shapes::{Const, Dim, Shape};
use dfdx::tensor::{Cpu, Gradients, NoneTape, OwnedTape, Tape, Tensor};

/// An unconditional flow with a tape that records into gradients: what differentiable estimators take.
///
/// A conditional flow gets its tape with its features, `pdf.given(features.traced(gradients))`, or beside them, `pdf.given(features)?.on_tape(gradients)`.
#[must_use = "a density on a tape is used once: sample from it, or evaluate it"]
pub struct OnTape<'a, S, W, E: Element> {
    flow: &'a Flow<S, W, E, Cpu>,
    tape: OwnedTape<E, Cpu>,
}

impl<Tag: 'static, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element>
    Flow<Unconditional<Tag, N, M, B>, W, E, Cpu>
{
    /// This density on a tape that records into `gradients`.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
    ///
    /// let pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
    /// let mut rng = StdRng::seed_from_u64(1);
    /// let entropy = estimators::entropy_traced(pdf.on_tape(pdf.alloc_grads())?, 1000, &mut rng)?;
    /// let gradients = entropy.value.sum().backward();
    /// # let _ = gradients;
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// The device fails.
    pub fn on_tape(
        &self,
        gradients: Gradients<E, Cpu>,
    ) -> Result<OnTape<'_, Unconditional<Tag, N, M, B>, W, E>, Error> {
        Ok(OnTape { flow: self, tape: tape_of(gradients)? })
    }
}

type Generated<Sh, E> = TracedSample<(), Sh, (usize,), E>;

impl<S: Spec, W: Weights<E>, E: Element> Flow<S, W, E, Cpu> {
    fn push_on_tape<Sh: Shape, FB>(
        &self,
        features: Rows<FB, E, OwnedTape<E, Cpu>>,
        base: &[E],
        conditions: usize,
        coordinates: Coordinates,
        shape: impl FnOnce(usize) -> Sh,
    ) -> Result<Generated<Sh, E>, Error> {
        let repeat = share_out("base", base.len(), S::Blocks::DIM, conditions)?;
        let weights = self.weights_for_tape();
        let generated = self.push(&weights, &features.data, base, repeat, coordinates)?;
        let rows = conditions * repeat;
        let (given, shapes) = ((features.data, features.give), (shape(rows), (rows,)));
        self.record((weights, generated), given, repeat, shapes, coordinates, features.tape)
    }

    fn log_prob_on_tape<const M: usize, FB>(
        &self,
        features: Rows<FB, E, OwnedTape<E, Cpu>>,
        points: Traced<(usize, Const<M>), E>,
        part: Range<usize>,
    ) -> Result<Traced<(usize,), E>, Error> {
        let points: Rows<usize, E, OwnedTape<E, Cpu>> = points.into_rows()?;
        let repeat = self.accept(&features.data, &points.data, Coordinates::Embedded)?;
        self.evaluate_part_on_tape(features, points, (repeat, part), Coordinates::Embedded)
    }

    fn pull_on_tape<const N: usize, FB, X>(
        &self,
        features: Rows<FB, E, OwnedTape<E, Cpu>>,
        points: X,
    ) -> Result<Traced<(usize, Const<N>), E>, Error>
    where
        X: Points<N, E>,
        OwnedTape<E, Cpu>: Join<X::Tape, Out = OwnedTape<E, Cpu>>,
    {
        let points = points.into_rows()?;
        let repeat = self.accept(&features.data, &points.data, Coordinates::Intrinsic)?;
        self.base_on_tape(features, points, repeat)
    }
}

fn with_tape<E: Element>(tape: OwnedTape<E, Cpu>) -> Rows<usize, E, OwnedTape<E, Cpu>> {
    let Rows { data, batch, give, .. } = no_features::<E>();
    Rows { data, batch, tape, give }
}

#[diagnostic::do_not_recommend]
impl<Tag: 'static, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element> TracedDensity<N, M, E>
    for OnTape<'_, Unconditional<Tag, N, M, B>, W, E>
{
    fn conditions(&self) -> usize {
        1
    }
    fn spaces(&self) -> Vec<Space> {
        spaces::<B>()
    }
    fn push_traced(self, base: &[E]) -> Result<Generated<(usize, Const<N>), E>, Error> {
        self.flow.push_on_tape(with_tape(self.tape), base, 1, Coordinates::Intrinsic, |rows| (rows, Const))
    }
    fn push_traced_embedded(self, base: &[E]) -> Result<Generated<(usize, Const<M>), E>, Error> {
        self.flow.push_on_tape(with_tape(self.tape), base, 1, Coordinates::Embedded, |rows| (rows, Const))
    }
    fn log_prob_traced(
        self,
        points: Traced<(usize, Const<M>), E>,
        part: Range<usize>,
    ) -> Result<Traced<(usize,), E>, Error> {
        self.flow.log_prob_on_tape(with_tape(self.tape), points, part)
    }
    fn base_traced<X>(self, points: X) -> Result<Traced<(usize, Const<N>), E>, Error>
    where
        X: Points<N, E>,
        OwnedTape<E, Cpu>: Join<X::Tape, Out = OwnedTape<E, Cpu>>,
    {
        self.flow.pull_on_tape(with_tape(self.tape), points)
    }
    fn plain(&self) -> impl Density<E> {
        self.flow.clone()
    }
    fn twins(self) -> Result<(Self, Self), Error> {
        let second = OnTape { flow: self.flow, tape: OwnedTape::default() };
        Ok((self, second))
    }
}

#[diagnostic::do_not_recommend]
impl<Tag, F, const N: usize, const M: usize, B, W, E, FB> TracedDensity<N, M, E>
    for GivenFlow<'_, Conditional<Tag, F, N, M, B>, W, E, FB, OwnedTape<E, Cpu>>
where
    Tag: 'static,
    F: FeatureSpec,
    B: Blocks,
    W: Weights<E>,
    E: Element,
    FB: Dim,
{
    fn conditions(&self) -> usize {
        self.features().batch.size()
    }
    fn spaces(&self) -> Vec<Space> {
        spaces::<B>()
    }
    fn push_traced(self, base: &[E]) -> Result<Generated<(usize, Const<N>), E>, Error> {
        let conditions = TracedDensity::conditions(&self);
        let (flow, features) = self.into_parts();
        flow.push_on_tape(features, base, conditions, Coordinates::Intrinsic, |rows| (rows, Const))
    }
    fn push_traced_embedded(self, base: &[E]) -> Result<Generated<(usize, Const<M>), E>, Error> {
        let conditions = TracedDensity::conditions(&self);
        let (flow, features) = self.into_parts();
        flow.push_on_tape(features, base, conditions, Coordinates::Embedded, |rows| (rows, Const))
    }
    fn log_prob_traced(
        self,
        points: Traced<(usize, Const<M>), E>,
        part: Range<usize>,
    ) -> Result<Traced<(usize,), E>, Error> {
        let (flow, features) = self.into_parts();
        flow.log_prob_on_tape(features, points, part)
    }
    fn base_traced<X>(self, points: X) -> Result<Traced<(usize, Const<N>), E>, Error>
    where
        X: Points<N, E>,
        OwnedTape<E, Cpu>: Join<X::Tape, Out = OwnedTape<E, Cpu>>,
    {
        let (flow, features) = self.into_parts();
        flow.pull_on_tape(features, points)
    }
    fn plain(&self) -> impl Density<E> {
        let Rows { data, batch, .. } = self.features();
        let features = Rows { data: data.clone(), batch: *batch, tape: NoneTape, give: None };
        GivenFlow::from_parts(self.flow(), features)
    }
    // The features become one tensor that both twins add their gradients to. Its own operation is recorded first, so that the tape
    // runs it last, when both sums are complete.
    fn twins(self) -> Result<(Self, Self), Error> {
        let (flow, features) = self.into_parts();
        let Rows { data, batch, mut tape, give } = features;
        let shared: Tensor<(usize,), E, Cpu> = tensor(data.clone(), (data.len(),))?;
        if let Some(give) = give {
            let shared = shared.clone();
            tape.add_backward_op(move |gradients| {
                let cot = gradients.get_or_alloc_mut(&shared)?.to_vec();
                give(gradients, &cot)
            });
        }
        let twin = |tape| {
            let shared = shared.clone();
            let give: GiveBack<E> = Box::new(move |gradients, rows| {
                let into = gradients.get_or_alloc_mut(&shared)?;
                into.iter_mut().zip(rows).for_each(|(sum, g)| *sum += *g);
                Ok(())
            });
            GivenFlow::from_parts(flow, Rows { data: data.clone(), batch, tape, give: Some(give) })
        };
        Ok((twin(tape), twin(OwnedTape::default())))
    }
}
