//! Methods of flows without given features: those of the density that a flow is when it is given nothing.

use super::conditioned::LogProb;
use super::{Conditioned, Coordinates, Flow, FlowSpec, LogProbParts};
use crate::error::Error;
use crate::kernels::Blocks;
use crate::module::Element;
use crate::module::misuse::NothingGiven;
use crate::module::named::Embedded;
use crate::module::points::{FeatureSpec, Join, Points};
use crate::module::samples::{Regularised, Sample, TracedSample};
use crate::module::weights::Weights;
use dfdx::shapes::Const;
use dfdx::tensor::{Cpu, Gradients, NoneTape, OwnedTape, Tape};
use rand::Rng;

// The bound is on the methods, not on the flow: so rustc says in words what the flow asks for first.
impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element>
    Flow<FlowSpec<Tag, F, N, M, B>, W, E, Cpu>
{
    /// This flow, given nothing.
    pub(in crate::module) fn given_nothing(&self) -> Conditioned<'_, FlowSpec<Tag, F, N, M, B>, W, E, usize, NoneTape>
    where
        F: NothingGiven,
    {
        self.under(&[])
    }

    /// Computes ln p(x) in intrinsic coordinates (angles on spheres, densities by d theta d phi): shape (batch, N) to
    /// (batch).
    ///
    /// `x` is a tensor with or without a tape, a reference to one, or rows `&[[E; N]]`. With a tape, gradients flow to
    /// `x` and to all weights.
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
        F: NothingGiven,
        NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
    {
        self.given_nothing().log_prob(x)
    }

    /// Computes ln p(x) in embedded coordinates (unit vectors on spheres, densities by the surface measure): (batch, M)
    /// to (batch).
    ///
    /// # Errors
    /// As [`log_prob`](Flow::log_prob).
    pub fn log_prob_embedded<X: Points<M, E>>(&self, x: X) -> Result<LogProb<X::Batch, X::Tape, E>, Error>
    where
        F: NothingGiven,
        NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
    {
        self.given_nothing().log_prob_embedded(x)
    }

    /// Computes ln p(x) in intrinsic coordinates with the penalties of continuous flows (letter `c`).
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
        F: NothingGiven,
        NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
    {
        self.given_nothing().log_prob_regularised(x)
    }

    /// Computes ln p(x) with the base points and their log-density, without a tape.
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
    pub fn evaluate<X: Points<N, E>>(&self, x: X) -> Result<LogProbParts<X::Batch, N, E>, Error>
    where
        F: NothingGiven,
        NoneTape: Join<X::Tape, Out = NoneTape>,
    {
        self.given_nothing().evaluate(x)
    }

    /// Computes the same as [`evaluate`](Flow::evaluate) for embedded coordinates.
    ///
    /// # Errors
    /// As [`log_prob`](Flow::log_prob).
    pub fn evaluate_embedded<X: Points<M, E>>(&self, x: X) -> Result<LogProbParts<X::Batch, N, E>, Error>
    where
        F: NothingGiven,
        NoneTape: Join<X::Tape, Out = NoneTape>,
    {
        self.given_nothing().evaluate_embedded(x)
    }

    /// Draws `n` detached samples in intrinsic coordinates, with their log-density.
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
    ) -> Result<Sample<Tag, (usize, Const<N>), (usize,), E>, Error>
    where
        F: NothingGiven,
    {
        self.given_nothing().sample_shaped(n, ((n, Const), (n,)), Coordinates::Intrinsic, rng)
    }

    /// Draws `n` detached samples in embedded coordinates.
    ///
    /// # Errors
    /// As [`sample`](Flow::sample).
    pub fn sample_embedded<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
    ) -> Result<Sample<Tag, (usize, Const<M>), (usize,), E, Embedded>, Error>
    where
        F: NothingGiven,
    {
        self.given_nothing().sample_shaped(n, ((n, Const), (n,)), Coordinates::Embedded, rng)
    }

    /// Draws `n` samples on the tape in intrinsic coordinates: x = x(z; weights) with z drawn, differentiable by the
    /// weights.
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
    ) -> Result<TracedSample<Tag, (usize, Const<N>), (usize,), E>, Error>
    where
        F: NothingGiven,
    {
        self.on_tape(gradients)?.rsample_shaped(n, ((n, Const), (n,)), Coordinates::Intrinsic, rng)
    }

    /// Draws `n` samples on the tape in embedded coordinates.
    ///
    /// # Errors
    /// As [`sample`](Flow::sample).
    pub fn rsample_embedded<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
        gradients: Gradients<E, Cpu>,
    ) -> Result<TracedSample<Tag, (usize, Const<M>), (usize,), E, Embedded>, Error>
    where
        F: NothingGiven,
    {
        self.on_tape(gradients)?.rsample_shaped(n, ((n, Const), (n,)), Coordinates::Embedded, rng)
    }

    /// Puts this density on a tape that records into `gradients`: what differentiable estimators take.
    ///
    /// A conditional flow gets its tape with its features, `pdf.given(features.traced(gradients))`, or beside them,
    /// `pdf.given(features)?.on_tape(gradients)`.
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
    ) -> Result<Conditioned<'_, FlowSpec<Tag, F, N, M, B>, W, E, usize, OwnedTape<E, Cpu>>, Error>
    where
        F: NothingGiven,
    {
        self.given_nothing().on_tape(gradients)
    }
}
