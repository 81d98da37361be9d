//! Densities on a tape: used once, for they hold the tape.

use super::operations::Accepted;
use super::{Conditioned, Coordinates, FlowSpec, tensor};
use crate::density::{Density, ManifoldInfo};
use crate::error::Error;
use crate::kernels::Blocks;
use crate::module::Element;
use crate::module::named::Embedded;
use crate::module::points::{FeatureSpec, GiveBack, Join, Points, RowsOnTape};
use crate::module::rows::manifolds;
use crate::module::samples::{Regularised, Traced, TracedSample};
use crate::module::weights::Weights;
use core::ops::Range;
use dfdx::shapes::{Const, Dim};
use dfdx::tensor::{Cpu, NoneTape, OwnedTape, Tape, Tensor};
use rand::Rng;

/// A density, or a batch of them, on a tape: gradients flow to its weights and to the features it is given.
///
/// It holds the tape, so it is used once. An unconditional flow gets one by [`on_tape`](crate::Flow::on_tape), a
/// conditional one with its features. `N` and `M` count intrinsic and embedded coordinates; rows are grouped by
/// condition as in [`Density`].
#[diagnostic::on_unimplemented(
    message = "this is no density on a tape",
    label = "a differentiable estimator takes a density that holds a tape",
    note = "write `pdf.on_tape(pdf.alloc_grads())?`; of a conditional flow give features with a tape, `pdf.given(features.traced(gradients))?`",
    note = "the same estimator without `_traced` takes any density and gives plain numbers"
)]
pub trait TracedDensity<const N: usize, const M: usize, E: Element>: Sized {
    /// Counts the densities of the batch.
    fn conditions(&self) -> usize;

    /// Lists the manifolds.
    fn manifolds(&self) -> Vec<ManifoldInfo>;

    /// Maps rows of `N` base coordinates to points in intrinsic coordinates.
    ///
    /// # Errors
    /// As [`Density::forward`].
    fn forward_traced(self, base: &[E]) -> Result<TracedSample<(), (usize, Const<N>), (usize,), E>, Error>;

    /// Maps rows of `N` base coordinates to points in embedded coordinates.
    ///
    /// # Errors
    /// As [`Density::forward`].
    fn forward_traced_embedded(self, base: &[E]) -> Result<TracedSample<(), (usize, Const<M>), (usize,), E>, Error>;

    /// Computes [`Density::log_prob_of`] with gradients to points, weights and features.
    ///
    /// # Errors
    /// As [`Density::log_prob_of`].
    fn log_prob_traced(
        self,
        points: Traced<(usize, Const<M>), E>,
        manifolds: Range<usize>,
    ) -> Result<Traced<(usize,), E>, Error>;

    /// Maps rows of intrinsic coordinates to base coordinates ([`Density::inverse`]), with gradients to weights,
    /// features, and points that carry a tape.
    ///
    /// # Errors
    /// As [`Density::inverse`].
    fn inverse_traced<X>(self, points: X) -> Result<Traced<(usize, Const<N>), E>, Error>
    where
        X: Points<N, E>,
        OwnedTape<E, Cpu>: Join<X::Tape, Out = OwnedTape<E, Cpu>>;

    /// Returns the same density without a tape, for what needs numbers only.
    fn plain(&self) -> impl Density<E>;

    /// Returns the same density twice, for what uses it twice. What is made of the two must come together again in one
    /// result.
    ///
    /// # Errors
    /// The device fails.
    fn twins(self) -> Result<(Self, Self), Error>;
}

/// Densities on a tape.
impl<Tag, F, const N: usize, const M: usize, B, W, E, FB>
    Conditioned<'_, FlowSpec<Tag, F, N, M, B>, W, E, FB, OwnedTape<E, Cpu>>
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
    pub fn log_prob<X: Points<N, E>>(self, x: X) -> Result<Traced<(X::Batch,), E>, Error>
    where
        OwnedTape<E, Cpu>: Join<X::Tape, Out = OwnedTape<E, Cpu>>,
    {
        self.log_prob_in(x.into_rows()?, Coordinates::Intrinsic)
    }

    /// Computes ln p(x_i | features_i) in embedded coordinates.
    ///
    /// # Errors
    /// As [`log_prob`](Conditioned::log_prob).
    pub fn log_prob_embedded<X: Points<M, E>>(self, x: X) -> Result<Traced<(X::Batch,), E>, Error>
    where
        OwnedTape<E, Cpu>: Join<X::Tape, Out = OwnedTape<E, Cpu>>,
    {
        self.log_prob_in(x.into_rows()?, Coordinates::Embedded)
    }

    /// Computes ln p(x_i | features_i) in intrinsic coordinates with the penalties of continuous flows (letter `c`).
    ///
    /// # Errors
    /// As [`log_prob`](Conditioned::log_prob).
    pub fn log_prob_regularised<X: Points<N, E>>(
        self,
        x: X,
    ) -> Result<Regularised<X::Batch, E, OwnedTape<E, Cpu>>, Error>
    where
        OwnedTape<E, Cpu>: Join<X::Tape, Out = OwnedTape<E, Cpu>>,
    {
        self.log_prob_penalised(x.into_rows()?)
    }

    /// Draws one sample on the tape for each row of features, in intrinsic coordinates: differentiable by features and
    /// weights.
    ///
    /// # Errors
    /// A feature is not finite; the batch is empty; a value leaves the range of the numbers.
    pub fn rsample<G: Rng + ?Sized>(self, rng: &mut G) -> Result<TracedSample<Tag, (FB, Const<N>), (FB,), E>, Error> {
        let batch = self.features.batch;
        self.rsample_shaped(1, ((batch, Const), (batch,)), Coordinates::Intrinsic, rng)
    }

    /// Draws one sample on the tape for each row of features, in embedded coordinates.
    ///
    /// # Errors
    /// As [`rsample`](Conditioned::rsample).
    pub fn rsample_embedded<G: Rng + ?Sized>(
        self,
        rng: &mut G,
    ) -> Result<TracedSample<Tag, (FB, Const<M>), (FB,), E, Embedded>, Error> {
        let batch = self.features.batch;
        self.rsample_shaped(1, ((batch, Const), (batch,)), Coordinates::Embedded, rng)
    }

    /// Draws `n` samples on the tape for each row of features, in intrinsic coordinates: (batch) to (batch, n, N).
    ///
    /// # Errors
    /// As [`rsample`](Conditioned::rsample), and `n` is 0.
    pub fn rsample_n<G: Rng + ?Sized>(
        self,
        n: usize,
        rng: &mut G,
    ) -> Result<TracedSample<Tag, (FB, usize, Const<N>), (FB, usize), E>, Error> {
        let batch = self.features.batch;
        self.rsample_shaped(n, ((batch, n, Const), (batch, n)), Coordinates::Intrinsic, rng)
    }

    /// Draws `n` samples on the tape for each row of features, in embedded coordinates: (batch) to (batch, n, M).
    ///
    /// # Errors
    /// As [`rsample_n`](Conditioned::rsample_n).
    pub fn rsample_n_embedded<G: Rng + ?Sized>(
        self,
        n: usize,
        rng: &mut G,
    ) -> Result<TracedSample<Tag, (FB, usize, Const<M>), (FB, usize), E, Embedded>, Error> {
        let batch = self.features.batch;
        self.rsample_shaped(n, ((batch, n, Const), (batch, n)), Coordinates::Embedded, rng)
    }
}

#[diagnostic::do_not_recommend]
impl<Tag, F, const N: usize, const M: usize, B, W, E, FB> TracedDensity<N, M, E>
    for Conditioned<'_, FlowSpec<Tag, F, N, M, B>, W, E, FB, OwnedTape<E, Cpu>>
where
    Tag: 'static,
    F: FeatureSpec,
    B: Blocks,
    W: Weights<E>,
    E: Element,
    FB: Dim,
{
    fn conditions(&self) -> usize {
        self.features.batch.size()
    }
    fn manifolds(&self) -> Vec<ManifoldInfo> {
        manifolds::<FlowSpec<Tag, F, N, M, B>>()
    }
    fn forward_traced(self, base: &[E]) -> Result<TracedSample<(), (usize, Const<N>), (usize,), E>, Error> {
        let (repeat, rows) = (self.share_out_base(base)?, base.len() / N);
        self.generate_traced(base, repeat, ((rows, Const), (rows,)), Coordinates::Intrinsic)
    }
    fn forward_traced_embedded(self, base: &[E]) -> Result<TracedSample<(), (usize, Const<M>), (usize,), E>, Error> {
        let (repeat, rows) = (self.share_out_base(base)?, base.len() / N);
        self.generate_traced(base, repeat, ((rows, Const), (rows,)), Coordinates::Embedded)
    }
    fn log_prob_traced(
        self,
        points: Traced<(usize, Const<M>), E>,
        manifolds: Range<usize>,
    ) -> Result<Traced<(usize,), E>, Error> {
        let points: RowsOnTape<'_, usize, E, OwnedTape<E, Cpu>> = points.into_rows()?;
        let accepted = self.accept_shared(&points.data, Coordinates::Embedded)?;
        self.log_prob_accepted(points, Accepted { manifolds, ..accepted })
    }
    fn inverse_traced<X>(self, points: X) -> Result<Traced<(usize, Const<N>), E>, Error>
    where
        X: Points<N, E>,
        OwnedTape<E, Cpu>: Join<X::Tape, Out = OwnedTape<E, Cpu>>,
    {
        let points = points.into_rows()?;
        let accepted = self.accept_shared(&points.data, Coordinates::Intrinsic)?;
        self.inverse_accepted(points, &accepted)
    }
    fn plain(&self) -> impl Density<E> {
        Conditioned {
            flow: self.flow,
            features: RowsOnTape::<_, _, NoneTape>::plain(&*self.features.data, self.features.batch),
        }
    }
    // The features become one tensor that both twins add their gradients to. Its own operation is recorded first, so
    // that the tape runs it last, when both sums are complete.
    fn twins(self) -> Result<(Self, Self), Error> {
        let RowsOnTape { data, batch, mut tape, give } = self.features;
        let shared: Option<Tensor<(usize,), E, Cpu>> = match give {
            None => None,
            Some(give) => {
                let shared = tensor(data.to_vec(), (data.len(),))?;
                let own = shared.clone();
                tape.add_backward_op(move |gradients| {
                    let cot = gradients.get_or_alloc_mut(&own)?.to_vec();
                    give(gradients, &cot)
                });
                Some(shared)
            }
        };
        let twin = |tape| {
            let give = shared.clone().map(|shared| -> GiveBack<E> {
                Box::new(move |gradients, rows| {
                    let into = gradients.get_or_alloc_mut(&shared)?;
                    into.iter_mut().zip(rows).for_each(|(sum, g)| *sum += *g);
                    Ok(())
                })
            });
            Conditioned { flow: self.flow, features: RowsOnTape { data: data.clone(), batch, tape, give } }
        };
        Ok((twin(tape), twin(OwnedTape::default())))
    }
}
