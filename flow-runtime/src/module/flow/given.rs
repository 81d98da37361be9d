//! Flows with given features: `given`, and the densities it returns.

use super::operations::tape_of;
use super::{Conditional, Coordinates, Evaluation, Flow, Many, Single};
use crate::error::Error;
use crate::kernels::Blocks;
use crate::module::Element;
use crate::module::named::Embedded;
use crate::module::points::{FeatureSpec, GivenFeatures, Join, Points, Rows};
use crate::module::samples::{Detached, Regularised, Sample, TracedSample};
use crate::module::weights::Weights;
use core::marker::PhantomData;
use dfdx::shapes::{Const, Dim, Shape};
use dfdx::tensor::{Cpu, Gradients, NoneTape, OwnedTape, Tape, Tensor};
use rand::Rng;

impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element>
    Flow<Conditional<Tag, F, N, M, B>, W, E, Cpu>
{
    /// The density for a batch of features: one row of features, one density.
    ///
    /// `features` is a tensor of shape (batch, features) with or without a tape, a reference to one, rows `&[[E; features]]`, or for a
    /// `cond` list a tuple of these. With a tape (say the output of an encoder network), gradients flow to the features and to all weights;
    /// the density then holds the tape and is used once.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let dev = Cpu::default();
    /// // An encoder of 10 raw numbers, trained with the density it feeds.
    /// let encoder = dev.build_module::<(Linear<10, 16>, Tanh, Linear<16, 4>), f64>();
    /// let pdf = dev.build_module::<flow!(e1 + s2 : gt + f | cond 4), f64>();
    /// let raw: Tensor<Rank2<8, 10>, f64, _> = dev.sample_normal();
    /// let x = [[0.3, 1.1, 4.0]; 8];
    ///
    /// let features = encoder.forward(raw.traced(encoder.alloc_grads()));
    /// let loss = pdf.given(features)?.log_prob(&x)?.mean().negate();
    /// let gradients = loss.backward();
    /// # let _ = gradients;
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// The entries of a list have different numbers of rows.
    pub fn given<X: GivenFeatures<F, E>>(
        &self,
        features: X,
    ) -> Result<GivenFlow<'_, Conditional<Tag, F, N, M, B>, W, E, X::Batch, X::Tape>, Error> {
        Ok(GivenFlow { flow: self, features: features.gather()? })
    }
}

/// A conditional flow with its features given: a batch of densities.
#[must_use = "a density may hold the tape of its features: evaluate it or sample from it"]
pub struct GivenFlow<'a, S, W, E: Element, FB, FT> {
    flow: &'a Flow<S, W, E, Cpu>,
    features: Rows<FB, E, FT>,
}

impl<'a, S, W, E: Element, FB, FT> GivenFlow<'a, S, W, E, FB, FT> {
    pub(crate) fn flow(&self) -> &'a Flow<S, W, E, Cpu> {
        self.flow
    }
    pub(crate) fn features(&self) -> &Rows<FB, E, FT> {
        &self.features
    }
    pub(in crate::module) fn into_parts(self) -> (&'a Flow<S, W, E, Cpu>, Rows<FB, E, FT>) {
        (self.flow, self.features)
    }
    pub(in crate::module) fn from_parts(flow: &'a Flow<S, W, E, Cpu>, features: Rows<FB, E, FT>) -> Self {
        GivenFlow { flow, features }
    }
}

impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element, FB: Dim, FT>
    GivenFlow<'_, Conditional<Tag, F, N, M, B>, W, E, FB, FT>
{
    /// ln p(x_i | features_i) in intrinsic coordinates: one point for each row of features, (batch, N) to (batch).
    ///
    /// # Errors
    /// A point or a feature is not finite, a point not on its manifold; the numbers of rows differ or are 0; a value leaves the range
    /// of the numbers.
    pub fn log_prob<X: Points<N, E>>(self, x: X) -> Result<Tensor<(X::Batch,), E, Cpu, FT::Out>, Error>
    where
        FT: Join<X::Tape>,
        FT::Out: Tape<E, Cpu>,
    {
        self.flow.evaluate_on_tape(self.features, x.into_rows()?, Coordinates::Intrinsic)
    }

    /// ln p(x_i | features_i) in intrinsic coordinates with the penalties of continuous flows (letter `c`).
    ///
    /// # Errors
    /// As [`log_prob`](GivenFlow::log_prob).
    pub fn log_prob_regularised<X: Points<N, E>>(self, x: X) -> Result<Regularised<X::Batch, E, FT::Out>, Error>
    where
        FT: Join<X::Tape>,
        FT::Out: Tape<E, Cpu>,
    {
        self.flow.regularise_on_tape(self.features, x.into_rows()?, Coordinates::Intrinsic)
    }

    /// ln p(x_i | features_i) in embedded coordinates.
    ///
    /// # Errors
    /// As [`log_prob`](GivenFlow::log_prob).
    pub fn log_prob_embedded<X: Points<M, E>>(self, x: X) -> Result<Tensor<(X::Batch,), E, Cpu, FT::Out>, Error>
    where
        FT: Join<X::Tape>,
        FT::Out: Tape<E, Cpu>,
    {
        self.flow.evaluate_on_tape(self.features, x.into_rows()?, Coordinates::Embedded)
    }
}

impl<'a, Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element, FB: Dim>
    GivenFlow<'a, Conditional<Tag, F, N, M, B>, W, E, FB, NoneTape>
{
    /// The same density on a tape that records into `gradients`: by the weights, not by the features. Features that come from an encoder bring their tape with them.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let pdf = Cpu::default().build_module::<flow!(e1 + s2 : gt + f | cond 2), f64>();
    /// let (features, x) = ([[0.3, -1.0]; 8], [[0.3, 1.1, 4.0]; 8]);
    /// let loss = pdf.given(&features)?.on_tape(pdf.alloc_grads())?.log_prob(&x)?.mean().negate();
    /// let gradients = loss.backward();
    /// # let _ = gradients;
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// The device fails.
    pub fn on_tape(
        self,
        gradients: Gradients<E, Cpu>,
    ) -> Result<GivenFlow<'a, Conditional<Tag, F, N, M, B>, W, E, FB, OwnedTape<E, Cpu>>, Error> {
        let Rows { data, batch, .. } = self.features;
        Ok(GivenFlow { flow: self.flow, features: Rows { data, batch, tape: tape_of(gradients)?, give: None } })
    }

    /// ln p, with the base points and their log-density.
    ///
    /// # Errors
    /// As [`log_prob`](GivenFlow::log_prob).
    pub fn evaluate<X: Points<N, E>>(&self, x: X) -> Result<Evaluation<X::Batch, N, E>, Error>
    where
        NoneTape: Join<X::Tape, Out = NoneTape>,
    {
        let x = x.into_rows()?;
        self.flow.evaluate_parts(&self.features.data, &x.data, x.batch, Coordinates::Intrinsic)
    }

    /// [`evaluate`](GivenFlow::evaluate) for embedded coordinates.
    ///
    /// # Errors
    /// As [`log_prob`](GivenFlow::log_prob).
    pub fn evaluate_embedded<X: Points<M, E>>(&self, x: X) -> Result<Evaluation<X::Batch, N, E>, Error>
    where
        NoneTape: Join<X::Tape, Out = NoneTape>,
    {
        let x = x.into_rows()?;
        self.flow.evaluate_parts(&self.features.data, &x.data, x.batch, Coordinates::Embedded)
    }

    /// One detached sample for each row of features, in intrinsic coordinates: (batch) to (batch, N).
    ///
    /// # Errors
    /// A feature is not finite; the batch is empty; a value leaves the range of the numbers.
    pub fn sample<G: Rng + ?Sized>(&self, rng: &mut G) -> Result<Sample<Tag, (FB, Const<N>), (FB,), E>, Error> {
        let batch = self.features.batch;
        let shapes: Single<FB, N> = ((batch, Const), (batch,));
        let (points, log_prob) = self.flow.draw(&self.features.data, 1, shapes, Coordinates::Intrinsic, rng)?;
        Ok(Sample { points: Detached(points), log_prob, tag: PhantomData })
    }

    /// One detached sample for each row of features, in embedded coordinates.
    ///
    /// # Errors
    /// As [`sample`](GivenFlow::sample).
    pub fn sample_embedded<G: Rng + ?Sized>(
        &self,
        rng: &mut G,
    ) -> Result<Sample<Tag, (FB, Const<M>), (FB,), E, Embedded>, Error> {
        let batch = self.features.batch;
        let shapes: Single<FB, M> = ((batch, Const), (batch,));
        let (points, log_prob) = self.flow.draw(&self.features.data, 1, shapes, Coordinates::Embedded, rng)?;
        Ok(Sample { points: Detached(points), log_prob, tag: PhantomData })
    }

    /// `n` detached samples for each row of features, in intrinsic coordinates: (batch) to (batch, n, N).
    ///
    /// # Errors
    /// As [`sample`](GivenFlow::sample), and `n` is 0.
    pub fn sample_n<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
    ) -> Result<Sample<Tag, (FB, usize, Const<N>), (FB, usize), E>, Error> {
        let batch = self.features.batch;
        let shapes: Many<FB, N> = ((batch, n, Const), (batch, n));
        let (points, log_prob) = self.flow.draw(&self.features.data, n, shapes, Coordinates::Intrinsic, rng)?;
        Ok(Sample { points: Detached(points), log_prob, tag: PhantomData })
    }

    /// `n` detached samples for each row of features, in embedded coordinates: (batch) to (batch, n, M).
    ///
    /// # Errors
    /// As [`sample_n`](GivenFlow::sample_n).
    pub fn sample_n_embedded<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
    ) -> Result<Sample<Tag, (FB, usize, Const<M>), (FB, usize), E, Embedded>, Error> {
        let batch = self.features.batch;
        let shapes: Many<FB, M> = ((batch, n, Const), (batch, n));
        let (points, log_prob) = self.flow.draw(&self.features.data, n, shapes, Coordinates::Embedded, rng)?;
        Ok(Sample { points: Detached(points), log_prob, tag: PhantomData })
    }
}

/// Samples on the tape of the features.
impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element, FB: Dim>
    GivenFlow<'_, Conditional<Tag, F, N, M, B>, W, E, FB, OwnedTape<E, Cpu>>
{
    fn trace<G: Rng + ?Sized, Sh: Shape, L: Shape, C>(
        self,
        n: usize,
        shapes: (Sh, L),
        coordinates: Coordinates,
        rng: &mut G,
    ) -> Result<TracedSample<Tag, Sh, L, E, C>, Error> {
        let Rows { data, tape, give, .. } = self.features;
        self.flow.generate_on_tape(data, give, n, shapes, coordinates, tape, rng)
    }

    /// One sample on the tape for each row of features, in intrinsic coordinates: differentiable by features and weights.
    ///
    /// # Errors
    /// A feature is not finite; the batch is empty; a value leaves the range of the numbers.
    pub fn rsample<G: Rng + ?Sized>(self, rng: &mut G) -> Result<TracedSample<Tag, (FB, Const<N>), (FB,), E>, Error> {
        let batch = self.features.batch;
        let shapes: Single<FB, N> = ((batch, Const), (batch,));
        self.trace(1, shapes, Coordinates::Intrinsic, rng)
    }

    /// One sample on the tape for each row of features, in embedded coordinates.
    ///
    /// # Errors
    /// As [`rsample`](GivenFlow::rsample).
    pub fn rsample_embedded<G: Rng + ?Sized>(
        self,
        rng: &mut G,
    ) -> Result<TracedSample<Tag, (FB, Const<M>), (FB,), E, Embedded>, Error> {
        let batch = self.features.batch;
        let shapes: Single<FB, M> = ((batch, Const), (batch,));
        self.trace(1, shapes, Coordinates::Embedded, rng)
    }

    /// `n` samples on the tape for each row of features, in intrinsic coordinates: (batch) to (batch, n, N).
    ///
    /// # Errors
    /// As [`rsample`](GivenFlow::rsample), and `n` is 0.
    pub fn rsample_n<G: Rng + ?Sized>(
        self,
        n: usize,
        rng: &mut G,
    ) -> Result<TracedSample<Tag, (FB, usize, Const<N>), (FB, usize), E>, Error> {
        let batch = self.features.batch;
        let shapes: Many<FB, N> = ((batch, n, Const), (batch, n));
        self.trace(n, shapes, Coordinates::Intrinsic, rng)
    }

    /// `n` samples on the tape for each row of features, in embedded coordinates: (batch) to (batch, n, M).
    ///
    /// # Errors
    /// As [`rsample_n`](GivenFlow::rsample_n).
    pub fn rsample_n_embedded<G: Rng + ?Sized>(
        self,
        n: usize,
        rng: &mut G,
    ) -> Result<TracedSample<Tag, (FB, usize, Const<M>), (FB, usize), E, Embedded>, Error> {
        let batch = self.features.batch;
        let shapes: Many<FB, M> = ((batch, n, Const), (batch, n));
        self.trace(n, shapes, Coordinates::Embedded, rng)
    }
}
