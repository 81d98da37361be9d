//! Methods of flows without given features.

use super::operations::{no_features, tape_of};
use super::{Coordinates, Evaluation, Flow, Single, Unconditional};
use crate::error::Error;
use crate::kernels::Blocks;
use crate::module::Element;
use crate::module::named::Embedded;
use crate::module::points::{Join, Points};
use crate::module::samples::{Detached, Regularised, Sample, TracedSample};
use crate::module::weights::Weights;
use core::marker::PhantomData;
use dfdx::shapes::Const;
use dfdx::tensor::{Cpu, Gradients, NoneTape, Tape, Tensor};
use rand::Rng;

/// Log-densities of points with tape `T`, or without one.
type LogProb<B, T, E> = Tensor<(B,), E, Cpu, <NoneTape as Join<T>>::Out>;

impl<Tag: 'static, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element>
    Flow<Unconditional<Tag, N, M, B>, W, E, Cpu>
{
    /// ln p(x) in intrinsic coordinates (angles on spheres, densities by d theta d phi): shape (batch, N) to (batch).
    ///
    /// `x` is a tensor with or without a tape, a reference to one, or rows `&[[E; N]]`. With a tape, gradients flow to `x` and to all
    /// weights.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let dev = Cpu::default();
    /// let pdf = dev.build_module::<flow!(e2 : gg), f64>();
    /// let x = [[0.3, -1.2], [0.0, 0.5]];
    /// let plain = pdf.log_prob(&x)?;
    ///
    /// // One gradient step of maximum likelihood.
    /// let loss = pdf.log_prob(dev.tensor(x).traced(pdf.alloc_grads()))?.mean().negate();
    /// let gradients = loss.backward();
    /// # let _ = (plain, gradients);
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// A point is not finite or not on its manifold; the batch is empty; a value leaves the range of the numbers.
    pub fn log_prob<X: Points<N, E>>(&self, x: X) -> Result<LogProb<X::Batch, X::Tape, E>, Error>
    where
        NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
    {
        self.evaluate_on_tape(no_features(), x.into_rows()?, Coordinates::Intrinsic)
    }

    /// ln p(x) in embedded coordinates (unit vectors on spheres, densities by the surface measure): (batch, M) to (batch).
    ///
    /// # Errors
    /// As [`log_prob`](Flow::log_prob).
    pub fn log_prob_embedded<X: Points<M, E>>(&self, x: X) -> Result<LogProb<X::Batch, X::Tape, E>, Error>
    where
        NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
    {
        self.evaluate_on_tape(no_features(), x.into_rows()?, Coordinates::Embedded)
    }

    /// ln p(x) in intrinsic coordinates with the penalties of continuous flows (letter `c`).
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::{Penalty, flow};
    ///
    /// let dev = Cpu::default();
    /// let pdf = dev.build_module::<flow!(e2 : c(solver = "rk4", steps = 8)), f64>();
    /// let x = dev.tensor([[0.3, -1.2], [0.0, 0.5]]);
    /// let parts = pdf.log_prob_regularised(x.traced(pdf.alloc_grads()))?;
    /// assert!(parts.kinetic.array().iter().all(|k| *k > 0.0));
    /// let loss = parts.penalised(Penalty { kinetic: 0.01, jacobian: 0.01 }).mean().negate();
    /// let gradients = loss.backward();
    /// # let _ = gradients;
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`log_prob`](Flow::log_prob).
    pub fn log_prob_regularised<X: Points<N, E>>(
        &self,
        x: X,
    ) -> Result<Regularised<X::Batch, E, <NoneTape as Join<X::Tape>>::Out>, Error>
    where
        NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
    {
        self.regularise_on_tape(no_features(), x.into_rows()?, Coordinates::Intrinsic)
    }

    /// ln p(x), with the base points and their log-density, without a tape.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let dev = Cpu::default();
    /// let pdf = dev.build_module::<flow!(e2 : x), f64>();
    /// let parts = pdf.evaluate(&[[0.3, -1.2]])?;
    /// assert_eq!(parts.base.array(), [[0.3, -1.2]]);
    /// assert_eq!(parts.log_prob.array(), parts.log_prob_base.array());
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`log_prob`](Flow::log_prob).
    pub fn evaluate<X: Points<N, E>>(&self, x: X) -> Result<Evaluation<X::Batch, N, E>, Error>
    where
        NoneTape: Join<X::Tape, Out = NoneTape>,
    {
        let x = x.into_rows()?;
        self.evaluate_parts(&[], &x.data, x.batch, Coordinates::Intrinsic)
    }

    /// [`evaluate`](Flow::evaluate) for embedded coordinates.
    ///
    /// # Errors
    /// As [`log_prob`](Flow::log_prob).
    pub fn evaluate_embedded<X: Points<M, E>>(&self, x: X) -> Result<Evaluation<X::Batch, N, E>, Error>
    where
        NoneTape: Join<X::Tape, Out = NoneTape>,
    {
        let x = x.into_rows()?;
        self.evaluate_parts(&[], &x.data, x.batch, Coordinates::Embedded)
    }

    /// `n` detached samples in intrinsic coordinates, with their log-density.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let dev = Cpu::default();
    /// use rand::{SeedableRng, rngs::StdRng};
    ///
    /// let pdf = dev.build_module::<flow!(s2 : f), f64>();
    /// let sample = pdf.sample(100, &mut StdRng::seed_from_u64(1))?;
    /// assert_eq!(sample.points.shape(), &(100, Const::<2>));
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// `n` is 0; a value leaves the range of the numbers.
    pub fn sample<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
    ) -> Result<Sample<Tag, (usize, Const<N>), (usize,), E>, Error> {
        let shapes: Single<usize, N> = ((n, Const), (n,));
        let (points, log_prob) = self.draw(&[], n, shapes, Coordinates::Intrinsic, rng)?;
        Ok(Sample { points: Detached(points), log_prob, tag: PhantomData })
    }

    /// `n` detached samples in embedded coordinates.
    ///
    /// # Errors
    /// As [`sample`](Flow::sample).
    pub fn sample_embedded<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
    ) -> Result<Sample<Tag, (usize, Const<M>), (usize,), E, Embedded>, Error> {
        let shapes: Single<usize, M> = ((n, Const), (n,));
        let (points, log_prob) = self.draw(&[], n, shapes, Coordinates::Embedded, rng)?;
        Ok(Sample { points: Detached(points), log_prob, tag: PhantomData })
    }

    /// `n` samples on the tape in intrinsic coordinates: x = x(z; weights) with z drawn, differentiable by the weights.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let dev = Cpu::default();
    /// use rand::{SeedableRng, rngs::StdRng};
    ///
    /// let pdf = dev.build_module::<flow!(e1 : t), f64>();
    /// // The entropy -E[ln p(x)], and its gradient through the samples.
    /// let sample = pdf.rsample(1000, &mut StdRng::seed_from_u64(1), pdf.alloc_grads())?;
    /// let entropy = sample.into_log_prob().mean().negate();
    /// let gradients = entropy.backward();
    /// // t is x = e^l z + o: the entropy grows by 1 with l, and does not change with o.
    /// let gradient = flow_runtime::trainers::flat_gradient(&pdf, &mut { gradients })?;
    /// assert!(gradient[0].abs() < 1e-12 && (gradient[1] - 1.0).abs() < 0.1);
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`sample`](Flow::sample).
    pub fn rsample<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
        gradients: Gradients<E, Cpu>,
    ) -> Result<TracedSample<Tag, (usize, Const<N>), (usize,), E>, Error> {
        let shapes: Single<usize, N> = ((n, Const), (n,));
        self.generate_on_tape(Vec::new(), None, n, shapes, Coordinates::Intrinsic, tape_of(gradients)?, rng)
    }

    /// `n` samples on the tape in embedded coordinates.
    ///
    /// # Errors
    /// As [`sample`](Flow::sample).
    pub fn rsample_embedded<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
        gradients: Gradients<E, Cpu>,
    ) -> Result<TracedSample<Tag, (usize, Const<M>), (usize,), E, Embedded>, Error> {
        let shapes: Single<usize, M> = ((n, Const), (n,));
        self.generate_on_tape(Vec::new(), None, n, shapes, Coordinates::Embedded, tape_of(gradients)?, rng)
    }
}
