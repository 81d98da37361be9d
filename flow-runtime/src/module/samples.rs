//! What sampling returns: detached samples, and samples on the tape. They have different types, so that a gradient that
//! should have flowed through a sample cannot be lost quietly.

use super::Element;
use super::named::Intrinsic;
use super::points::{DetachedTape, Points, RowsOnTape};
use crate::error::Error;
use core::marker::PhantomData;
use dfdx::shapes::{Const, Dim, HasShape, Shape};
use dfdx::tensor::{AsArray, Cpu, Merge, OwnedTape, PutTape, SplitTape, Tensor};
use dfdx::tensor_ops::Device;

/// Points of a detached sample: numbers to look at, to count, to evaluate densities at, but not to differentiate at.
///
/// The gradient of an expectation under p goes through the points. A tape that starts at points drawn from p has lost
/// that part, and what it gives, mean of d ln p / d weights, is zero in expectation whatever p is. So there is no way
/// to put these on a tape; points that carry their gradients come from `rsample`.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let (p, q) = (dev.build_module::<flow!(e2 : gg), f64>(), dev.build_module::<flow!(e2 : t), f64>());
/// let sample = p.sample(100, &mut StdRng::seed_from_u64(1))?;
/// assert_eq!(p.log_prob(&sample.points)?.as_vec().len(), sample.points.as_vec().len() / 2);
///
/// // Points of one density as data for another: said explicitly.
/// let loss = q.log_prob(sample.points.into_data().traced(q.alloc_grads()))?.mean().negate();
/// # let _ = loss.backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Detached<S: Shape, E: Element>(pub(crate) Tensor<S, E, Cpu>);

/// No argument: a tape does not start at a detached sample.
#[diagnostic::on_unimplemented(
    message = "no gradient flows through a detached sample",
    label = "a tape that starts at points drawn from a density has lost how they were drawn",
    note = "draw with `rsample` (or use an estimator whose name ends in `_traced`): its points carry their gradients",
    note = "if the points are data, say to fit another density to them, write `sample.points.into_data()`"
)]
pub trait StartOfATape {}

impl<S: Shape, E: Element> Detached<S, E> {
    /// The numbers, row after row.
    pub fn as_vec(&self) -> Vec<E> {
        self.0.as_vec()
    }
    /// The numbers as an array, or as vectors where a dimension is only known at run time.
    pub fn array(&self) -> <Tensor<S, E, Cpu> as AsArray>::Array
    where
        Tensor<S, E, Cpu>: AsArray,
    {
        self.0.array()
    }
    /// The shape.
    pub fn shape(&self) -> &S {
        self.0.shape()
    }
    /// The points as data, whatever they were drawn from: where another density is fitted to them.
    pub fn into_data(self) -> Tensor<S, E, Cpu> {
        self.0
    }
    #[doc(hidden)]
    pub fn traced<G: StartOfATape>(self, _: G) -> Traced<S, E> {
        unreachable!("no argument meets the bound")
    }
    #[doc(hidden)]
    pub fn trace<G: StartOfATape>(&self, _: G) -> Traced<S, E> {
        unreachable!("no argument meets the bound")
    }
}

#[diagnostic::do_not_recommend]
impl<B: Dim, const N: usize, E: Element> Points<N, E> for &Detached<(B, Const<N>), E> {
    type Batch = B;
    type Tape = DetachedTape;
    fn into_rows<'x>(self) -> Result<RowsOnTape<'x, B, E, DetachedTape>, Error>
    where
        Self: 'x,
    {
        Ok(RowsOnTape::plain(self.as_vec(), self.shape().0))
    }
}

#[diagnostic::do_not_recommend]
impl<B: Dim, const N: usize, E: Element> Points<N, E> for Detached<(B, Const<N>), E> {
    type Batch = B;
    type Tape = DetachedTape;
    fn into_rows<'x>(self) -> Result<RowsOnTape<'x, B, E, DetachedTape>, Error>
    where
        Self: 'x,
    {
        Ok(RowsOnTape::plain(self.as_vec(), self.shape().0))
    }
}

/// Detached samples: points drawn from a density, and the log-density of each. No gradient flows through them.
///
/// `S` is the shape of the points, (n, DIM) or (batch, n, DIM); `L` that of the log-densities; `C` their coordinates.
#[derive(Debug)]
pub struct Sample<Tag, S: Shape, L: Shape, E: Element, C = Intrinsic> {
    /// The points.
    pub points: Detached<S, E>,
    /// The log-density of each point, from the same walk through the layers.
    pub log_prob: Tensor<L, E, Cpu>,
    pub(crate) tag: PhantomData<fn() -> (Tag, C)>,
}

impl<Tag, S: Shape, L: Shape, E: Element, C> Clone for Sample<Tag, S, L, E, C> {
    fn clone(&self) -> Self {
        Sample { points: self.points.clone(), log_prob: self.log_prob.clone(), tag: PhantomData }
    }
}

/// Samples on the tape: gradients flow through the points and their log-density to the parameters and the given
/// features.
///
/// There is one tape, so there are three ways to take it: with the points, with the log-density, or with what both are
/// combined to.
#[must_use = "a sample on the tape holds the tape: without it the gradients are lost"]
pub struct TracedSample<Tag, S: Shape, L: Shape, E: Element, C = Intrinsic> {
    pub(crate) points: Tensor<S, E, Cpu>,
    pub(crate) log_prob: Tensor<L, E, Cpu>,
    pub(crate) tape: OwnedTape<E, Cpu>,
    pub(crate) tag: PhantomData<fn() -> (Tag, C)>,
}

/// A tensor that carries the tape.
pub type Traced<S, E> = Tensor<S, E, Cpu, OwnedTape<E, Cpu>>;

impl<Tag, S: Shape, L: Shape, E: Element, C> TracedSample<Tag, S, L, E, C> {
    /// The points, with the tape.
    pub fn into_points(self) -> Traced<S, E> {
        self.points.put_tape(self.tape)
    }
    /// The log-density of the points, with the tape.
    pub fn into_log_prob(self) -> Traced<L, E> {
        self.log_prob.put_tape(self.tape)
    }
    /// Anything that is made of points and log-density together, with the tape.
    ///
    /// Both arguments record what is done with them; the tape behind the sample is joined to the result, so that no
    /// part of it can be lost on the way.
    pub fn combine<R: Shape>(self, with: impl FnOnce(Traced<S, E>, Traced<L, E>) -> Traced<R, E>) -> Traced<R, E> {
        let points = self.points.put_tape(OwnedTape::default());
        let log_prob = self.log_prob.put_tape(OwnedTape::default());
        let (result, tape) = with(points, log_prob).split_tape();
        result.put_tape(tape.merge(self.tape))
    }
    /// Plain copies, without the tape.
    pub fn detached(&self) -> Sample<Tag, S, L, E, C> {
        Sample { points: Detached(self.points.clone()), log_prob: self.log_prob.clone(), tag: PhantomData }
    }
}

/// Log-densities with what a fit may hold a continuous flow down by (arXiv:2002.02798), point by point: sums over the
/// letters `c` of all chains of the integrals along the path of |v|^2, the kinetic energy, and of |dv/dy|^2
/// (Frobenius), the size of the field's derivative. Both are 0 where there is no letter `c`.
///
/// There is one tape (or none), which the results share: [`combine`](Regularised::combine) makes one tensor of them.
#[must_use = "the results may hold a tape: without it the gradients are lost"]
pub struct Regularised<B: Dim, E: Element, T> {
    /// ln p of each point.
    pub log_prob: Tensor<(B,), E, Cpu>,
    /// The kinetic energy.
    pub kinetic: Tensor<(B,), E, Cpu>,
    /// The size of the derivative.
    pub jacobian: Tensor<(B,), E, Cpu>,
    pub(crate) tape: T,
}

impl<B: Dim, E: Element> Regularised<B, E, OwnedTape<E, Cpu>> {
    /// Anything that is made of log-density, kinetic energy and derivative, with the tape.
    ///
    /// The arguments record what is done with them; the tape behind them is joined to the result, so that no part of it
    /// can be lost on the way.
    pub fn combine<R: Shape>(
        self,
        with: impl FnOnce(Traced<(B,), E>, Traced<(B,), E>, Traced<(B,), E>) -> Traced<R, E>,
    ) -> Traced<R, E> {
        let [log_prob, kinetic, jacobian] =
            [self.log_prob, self.kinetic, self.jacobian].map(|part| part.put_tape(OwnedTape::default()));
        let (result, tape) = with(log_prob, kinetic, jacobian).split_tape();
        result.put_tape(tape.merge(self.tape))
    }

    /// ln p - kinetic weight * kinetic energy - jacobian weight * derivative, with the tape: what a penalised fit
    /// maximises.
    pub fn penalised(self, penalty: Penalty) -> Traced<(B,), E>
    where
        Cpu: Device<E>,
    {
        let [kinetic_weight, jacobian_weight] = [penalty.kinetic, penalty.jacobian].map(E::narrow);
        self.combine(|log_prob, kinetic, jacobian| log_prob - (kinetic * kinetic_weight) - (jacobian * jacobian_weight))
    }
}

/// How much a fit holds a continuous flow down: weights of the two parts of [`Regularised`]. A field that is slow and
/// nearly straight takes few steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Penalty {
    /// Of the kinetic energy.
    pub kinetic: f64,
    /// Of the field's derivative.
    pub jacobian: f64,
}
