//! What sampling returns: detached samples, and samples on the tape. They have different types, so that a gradient that should
//! have flowed through a sample cannot be lost quietly.

use super::Element;
use core::marker::PhantomData;
use dfdx::shapes::{Const, Dim, HasShape, Shape};
use dfdx::tensor::{Cpu, Merge, OwnedTape, PutTape, SplitTape, Tensor, TensorFromVec};
use dfdx::tensor_ops::Device;

/// Detached samples: points drawn from a density, and the log-density of each. No gradient flows through them.
///
/// `S` is the shape of the points, (n, DIM) or (batch, n, DIM); `L` that of the log-densities.
#[derive(Debug)]
pub struct Sample<Tag, S: Shape, L: Shape, E: Element> {
    /// The points.
    pub points: Tensor<S, E, Cpu>,
    /// The log-density of each point, from the same walk through the layers.
    pub log_prob: Tensor<L, E, Cpu>,
    pub(crate) tag: PhantomData<fn() -> Tag>,
}

impl<Tag, S: Shape, L: Shape, E: Element> Clone for Sample<Tag, S, L, E> {
    fn clone(&self) -> Self {
        Sample { points: self.points.clone(), log_prob: self.log_prob.clone(), tag: PhantomData }
    }
}

/// Samples on the tape: gradients flow through the points and their log-density to the parameters and the given features.
///
/// There is one tape, so there are three ways to take it: with the points, with the log-density, or with what both are combined to.
#[must_use = "a sample on the tape holds the tape: without it the gradients are lost"]
pub struct TracedSample<Tag, S: Shape, L: Shape, E: Element> {
    pub(crate) points: Tensor<S, E, Cpu>,
    pub(crate) log_prob: Tensor<L, E, Cpu>,
    pub(crate) tape: OwnedTape<E, Cpu>,
    pub(crate) tag: PhantomData<fn() -> Tag>,
}

/// A tensor that carries the tape.
pub type Traced<S, E> = Tensor<S, E, Cpu, OwnedTape<E, Cpu>>;

impl<Tag, S: Shape, L: Shape, E: Element> TracedSample<Tag, S, L, E> {
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
    /// Both arguments record what is done with them; the tape behind the sample is joined to the result, so that no part of it
    /// can be lost on the way.
    pub fn combine<R: Shape>(self, with: impl FnOnce(Traced<S, E>, Traced<L, E>) -> Traced<R, E>) -> Traced<R, E> {
        let points = self.points.put_tape(OwnedTape::default());
        let log_prob = self.log_prob.put_tape(OwnedTape::default());
        let (result, tape) = with(points, log_prob).split_tape();
        result.put_tape(tape.merge(self.tape))
    }
    /// Plain copies, without the tape.
    pub fn detached(&self) -> Sample<Tag, S, L, E> {
        Sample { points: self.points.clone(), log_prob: self.log_prob.clone(), tag: PhantomData }
    }
}

/// Log-densities with what a fit may hold a continuous flow down by (arXiv:2002.02798), point by point: sums over the letters `c` of all chains of the integrals along the
/// path of |v|^2, the kinetic energy, and of |dv/dy|^2 (Frobenius), the size of the field's derivative. Both are 0 where there is no letter `c`.
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
    /// The arguments record what is done with them; the tape behind them is joined to the result, so that no part of it can be lost on the way.
    pub fn combine<R: Shape>(
        self,
        with: impl FnOnce(Traced<(B,), E>, Traced<(B,), E>, Traced<(B,), E>) -> Traced<R, E>,
    ) -> Traced<R, E> {
        let [log_prob, kinetic, jacobian] =
            [self.log_prob, self.kinetic, self.jacobian].map(|part| part.put_tape(OwnedTape::default()));
        let (result, tape) = with(log_prob, kinetic, jacobian).split_tape();
        result.put_tape(tape.merge(self.tape))
    }

    /// ln p - kinetic weight * kinetic energy - jacobian weight * derivative, with the tape: what a penalised fit maximises.
    pub fn penalised(self, penalty: Penalty) -> Traced<(B,), E>
    where
        Cpu: Device<E>,
    {
        let [kinetic_weight, jacobian_weight] = [penalty.kinetic, penalty.jacobian].map(E::narrow);
        self.combine(|log_prob, kinetic, jacobian| log_prob - (kinetic * kinetic_weight) - (jacobian * jacobian_weight))
    }
}

/// How much a fit holds a continuous flow down: weights of the two parts of [`Regularised`]. A field that is slow and nearly straight takes few steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Penalty {
    /// Of the kinetic energy.
    pub kinetic: f64,
    /// Of the field's derivative.
    pub jacobian: f64,
}

/// Points with named columns: what the accessors that `flow!` makes for named manifolds work on.
pub trait Columns {
    /// The flow's type.
    type Tag;
    /// Some columns of the points.
    type Columns<const LEN: usize>;
    /// `LEN` columns from number `START` on.
    fn columns<const START: usize, const LEN: usize>(&self) -> Self::Columns<LEN>;
}

fn cut<E: Element>(data: &[E], columns: usize, start: usize, len: usize) -> Vec<E> {
    data.chunks_exact(columns).flat_map(|row| row[start..start + len].iter().copied()).collect()
}

impl<Tag, B: Dim, const N: usize, L: Shape, E: Element> Columns for Sample<Tag, (B, Const<N>), L, E> {
    type Tag = Tag;
    type Columns<const LEN: usize> = Tensor<(B, Const<LEN>), E, Cpu>;
    fn columns<const START: usize, const LEN: usize>(&self) -> Self::Columns<LEN> {
        let data = cut(&self.points.as_vec(), N, START, LEN);
        self.points.device().tensor_from_vec(data, (self.points.shape().0, Const))
    }
}

impl<Tag, B: Dim, const N: usize, L: Shape, E: Element> Columns for Sample<Tag, (B, usize, Const<N>), L, E> {
    type Tag = Tag;
    type Columns<const LEN: usize> = Tensor<(B, usize, Const<LEN>), E, Cpu>;
    fn columns<const START: usize, const LEN: usize>(&self) -> Self::Columns<LEN> {
        let data = cut(&self.points.as_vec(), N, START, LEN);
        let shape = self.points.shape();
        self.points.device().tensor_from_vec(data, (shape.0, shape.1, Const))
    }
}
