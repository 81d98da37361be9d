//! Densities whose features are in place: what `given` returns, and what an unconditional flow is inside, given
//! nothing.

use super::operations::tape_of;
use super::{Coordinates, Flow, FlowSpec, LogProbParts, Spec};
use crate::error::Error;
use crate::kernels::Blocks;
use crate::module::Element;
use crate::module::named::Embedded;
use crate::module::points::{FeatureSpec, GivenFeatures, Join, Points, RowsOnTape};
use crate::module::samples::{Regularised, Sample};
use crate::module::weights::Weights;
use dfdx::shapes::{Const, Dim};
use dfdx::tensor::{Cpu, Gradients, NoneTape, OwnedTape, Tape, Tensor};
use rand::Rng;
use std::borrow::Cow;

/// Log-densities of points with tape `T`, or without one.
pub(super) type LogProb<B, T, E> = Tensor<(B,), E, Cpu, <NoneTape as Join<T>>::Out>;

/// A flow with its features in place: a batch of densities, one for each row of features. Without a tape it can be used
/// any number of times; one that holds a tape is used once.
///
/// An unconditional flow is one too, given nothing: a row of 0 features.
#[must_use = "a density may hold the tape of its features: evaluate it or sample from it"]
pub struct Conditioned<'a, S, W, E: Element, FB, FT> {
    pub(in crate::module) flow: &'a Flow<S, W, E, Cpu>,
    pub(in crate::module) features: RowsOnTape<'a, FB, E, FT>,
}

impl<S: Spec, W: Weights<E>, E: Element> Flow<S, W, E, Cpu> {
    /// This flow under plain rows of features; one density where nothing is given.
    pub(crate) fn under<'a>(&'a self, features: impl Into<Cow<'a, [E]>>) -> Conditioned<'a, S, W, E, usize, NoneTape> {
        let features = features.into();
        let batch = features.len().checked_div(S::Features::COUNT).unwrap_or(1);
        Conditioned { flow: self, features: RowsOnTape::plain(features, batch) }
    }
}

impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element>
    Flow<FlowSpec<Tag, F, N, M, B>, W, E, Cpu>
{
    /// Returns the density for a batch of features: one row of features, one density.
    ///
    /// `features` is a tensor of shape (batch, features) with or without a tape, a reference to one, rows `&[[E;
    /// features]]`, or for a `cond` list a tuple of these. With a tape (say the output of an encoder network),
    /// gradients flow to the features and to all weights; the density then holds the tape and is used once.
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
    ///
    /// // Plain features make a density that can be used any number of times.
    /// let given = pdf.given(&[[0.1, 0.2, 0.3, 0.4]; 8])?;
    /// assert_eq!(given.log_prob(&x)?.array(), given.log_prob(&x)?.array());
    /// # let _ = gradients;
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// The entries of a list have different numbers of rows.
    pub fn given<X: GivenFeatures<F, E>>(
        &self,
        features: X,
    ) -> Result<Conditioned<'_, FlowSpec<Tag, F, N, M, B>, W, E, X::Batch, X::Tape>, Error> {
        Ok(Conditioned { flow: self, features: features.gather()? })
    }
}

impl<'a, S, W, E: Element, FB: Dim> Conditioned<'a, S, W, E, FB, NoneTape> {
    /// Puts the same density on a tape that records into `gradients`: by the weights, not by the features. Features
    /// that come from an encoder bring their tape with them.
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
    ) -> Result<Conditioned<'a, S, W, E, FB, OwnedTape<E, Cpu>>, Error> {
        let RowsOnTape { data, batch, .. } = self.features;
        let features = RowsOnTape { data, batch, tape: tape_of(gradients)?, give: None };
        Ok(Conditioned { flow: self.flow, features })
    }

    /// The same density once more, its features borrowed.
    pub(in crate::module) fn again(&self) -> Conditioned<'_, S, W, E, FB, NoneTape> {
        let features = RowsOnTape::plain(&*self.features.data, self.features.batch);
        Conditioned { flow: self.flow, features }
    }
}

/// Densities without a tape.
impl<Tag, F, const N: usize, const M: usize, B, W, E, FB> Conditioned<'_, FlowSpec<Tag, F, N, M, B>, W, E, FB, NoneTape>
where
    Tag: 'static,
    F: FeatureSpec,
    B: Blocks,
    W: Weights<E>,
    E: Element,
    FB: Dim,
{
    /// Computes ln p(x_i | features_i) in intrinsic coordinates: one point for each row of features, (batch, N) to
    /// (batch).
    ///
    /// # Errors
    /// A point or a feature is not finite, a point not on its manifold; the numbers of rows differ or are 0; a value
    /// leaves the range of the numbers.
    pub fn log_prob<X: Points<N, E>>(&self, x: X) -> Result<LogProb<X::Batch, X::Tape, E>, Error>
    where
        NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
    {
        self.again().log_prob_in(x.into_rows()?, Coordinates::Intrinsic)
    }

    /// Computes ln p(x_i | features_i) in embedded coordinates.
    ///
    /// # Errors
    /// As [`log_prob`](Conditioned::log_prob).
    pub fn log_prob_embedded<X: Points<M, E>>(&self, x: X) -> Result<LogProb<X::Batch, X::Tape, E>, Error>
    where
        NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
    {
        self.again().log_prob_in(x.into_rows()?, Coordinates::Embedded)
    }

    /// Computes ln p(x_i | features_i) in intrinsic coordinates with the penalties of continuous flows (letter `c`).
    ///
    /// # Errors
    /// As [`log_prob`](Conditioned::log_prob).
    pub fn log_prob_regularised<X: Points<N, E>>(
        &self,
        x: X,
    ) -> Result<Regularised<X::Batch, E, <NoneTape as Join<X::Tape>>::Out>, Error>
    where
        NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
    {
        self.again().log_prob_penalised(x.into_rows()?)
    }

    /// Computes ln p with the base points and their log-density.
    ///
    /// # Errors
    /// As [`log_prob`](Conditioned::log_prob).
    pub fn evaluate<X: Points<N, E>>(&self, x: X) -> Result<LogProbParts<X::Batch, N, E>, Error>
    where
        NoneTape: Join<X::Tape, Out = NoneTape>,
    {
        self.log_prob_parts(&x.into_rows()?, Coordinates::Intrinsic)
    }

    /// Computes the same as [`evaluate`](Conditioned::evaluate) for embedded coordinates.
    ///
    /// # Errors
    /// As [`log_prob`](Conditioned::log_prob).
    pub fn evaluate_embedded<X: Points<M, E>>(&self, x: X) -> Result<LogProbParts<X::Batch, N, E>, Error>
    where
        NoneTape: Join<X::Tape, Out = NoneTape>,
    {
        self.log_prob_parts(&x.into_rows()?, Coordinates::Embedded)
    }

    /// Draws one detached sample for each row of features, in intrinsic coordinates: (batch) to (batch, N).
    ///
    /// # Errors
    /// A feature is not finite; the batch is empty; a value leaves the range of the numbers.
    pub fn sample<G: Rng + ?Sized>(&self, rng: &mut G) -> Result<Sample<Tag, (FB, Const<N>), (FB,), E>, Error> {
        let batch = self.features.batch;
        self.sample_shaped(1, ((batch, Const), (batch,)), Coordinates::Intrinsic, rng)
    }

    /// Draws one detached sample for each row of features, in embedded coordinates.
    ///
    /// # Errors
    /// As [`sample`](Conditioned::sample).
    pub fn sample_embedded<G: Rng + ?Sized>(
        &self,
        rng: &mut G,
    ) -> Result<Sample<Tag, (FB, Const<M>), (FB,), E, Embedded>, Error> {
        let batch = self.features.batch;
        self.sample_shaped(1, ((batch, Const), (batch,)), Coordinates::Embedded, rng)
    }

    /// Draws `n` detached samples for each row of features, in intrinsic coordinates: (batch) to (batch, n, N).
    ///
    /// # Errors
    /// As [`sample`](Conditioned::sample), and `n` is 0.
    pub fn sample_n<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
    ) -> Result<Sample<Tag, (FB, usize, Const<N>), (FB, usize), E>, Error> {
        let batch = self.features.batch;
        self.sample_shaped(n, ((batch, n, Const), (batch, n)), Coordinates::Intrinsic, rng)
    }

    /// Draws `n` detached samples for each row of features, in embedded coordinates: (batch) to (batch, n, M).
    ///
    /// # Errors
    /// As [`sample_n`](Conditioned::sample_n).
    pub fn sample_n_embedded<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
    ) -> Result<Sample<Tag, (FB, usize, Const<M>), (FB, usize), E, Embedded>, Error> {
        let batch = self.features.batch;
        self.sample_shaped(n, ((batch, n, Const), (batch, n)), Coordinates::Embedded, rng)
    }
}
