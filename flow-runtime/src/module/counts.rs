//! Flows with a log-mean (`poisson`): the mean count of what they are the density of, and the extended likelihood.
//!
//! A density says where points lie; a mean count lambda says how many there are. For n observed points the extended log-likelihood (Barlow, NIM A
//! 297, 1990) is
//!
//! ```text
//! ln L = sum_i ln p(x_i) + n ln lambda - lambda - ln n!
//! ```
//!
//! Without given features lambda is one free number. With `cond` it depends on all features that the head sees: as one more output of the network of the
//! first manifold (`poisson`; with a `cond` list that network sees the features of the first manifold alone), or from a network of its own that reads
//! all features (`poisson 128`). It starts at exp(0.1), about one. [`Flow::fit_counts`] fits both together; `fit` of a conditional density leaves
//! the mean alone.

use super::Element;
use super::flow::{
    Conditional, Flow, GivenFlow, Spec, Unconditional, check_features, check_points, explain, give, tape_of, tensor,
    unexpected,
};
use super::freeze::{FeatureRow, Frozen};
use super::points::{FeatureSpec, GiveBack, Join, Points, Rows};
use super::weights::Weights;
use crate::error::Error;
use crate::kernels::{self, Blocks, Coordinates, LogMean, Wanted};
use dfdx::shapes::{Dim, Shape};
use dfdx::tensor::{Cpu, Gradients, NoneTape, OwnedTape, PutTape, Tape, Tensor};

/// Refuses log-means without a finite exponential.
fn check_means<E: Element>(log_means: &[E]) -> Result<(), Error> {
    let in_range = |m: &E| m.widen().is_finite() && E::narrow(m.widen().exp()).widen().is_finite();
    let bad = log_means.iter().position(|m| !in_range(m));
    match bad {
        Some(row) => Err(Error::LogMean { row, value: log_means[row].widen() }),
        None => Ok(()),
    }
}

/// ln n!
fn ln_factorial(n: usize) -> f64 {
    libm::lgamma(n as f64 + 1.0)
}

impl<S: Spec, W: Weights<E>, E: Element> Flow<S, W, E, Cpu>
where
    S::Blocks: LogMean,
{
    fn log_means(&self, weights: &[E], features: &[E], rows: usize) -> Result<Vec<E>, Error> {
        if rows == 0 {
            return Err(Error::Empty { argument: "features" });
        }
        check_features(features, S::Features::COUNT)?;
        let mut log_means = vec![E::default(); rows];
        let job = Self::job(weights, features, 1, Coordinates::Intrinsic);
        kernels::log_mean::<S::Blocks, E>(job, &mut log_means);
        check_means(&log_means)?;
        Ok(log_means)
    }

    fn log_mean_on_tape<Sh: Shape, T: Tape<E, Cpu>>(
        &self,
        features: Vec<E>,
        give_features: Option<GiveBack<E>>,
        shape: Sh,
        mut tape: T,
    ) -> Result<Tensor<Sh, E, Cpu, T>, Error> {
        let weights = self.weights_for_tape();
        let out = tensor(self.log_means(&weights, &features, shape.num_elements())?, shape)?;
        if T::OWNS_TAPE {
            let (handle, module) = (out.clone(), self.weights.clone());
            tape.add_backward_op(move |gradients| {
                gradients.try_alloc_for(&handle)?;
                let cot = gradients.get(&handle).as_vec();
                let job = Self::job(&weights, &features, 1, Coordinates::Intrinsic);
                let back =
                    kernels::log_mean_vjp::<S::Blocks, E>(job, give_features.is_some(), &cot).map_err(unexpected)?;
                give(gradients, &module, &weights, back, give_features, None)
            });
        }
        Ok(out.put_tape(tape))
    }

    /// The extended log-likelihood of each row of features, whose points are `counts[row]` rows of `points`.
    fn extended_on_tape<B: Dim, Sh: Shape, T: Tape<E, Cpu>>(
        &self,
        features: (Vec<E>, Option<GiveBack<E>>),
        points: (Vec<E>, Option<GiveBack<E>>, B),
        counts: &[usize],
        shape: Sh,
        mut tape: T,
    ) -> Result<Tensor<Sh, E, Cpu, T>, Error> {
        let ((features, give_features), (points, give_points, batch)) = (features, points);
        let (rows, count) = (shape.num_elements(), batch.size());
        if counts.len() != rows {
            return Err(Error::Length { argument: "counts", expected: rows, found: counts.len() });
        }
        let counted = counts.iter().fold(0_usize, |sum, n| sum.saturating_add(*n));
        if counted != count {
            return Err(Error::Counts { counted, found: count });
        }
        let weights = self.weights_for_tape();
        let log_means = self.log_means(&weights, &features, rows)?;
        check_points::<S::Blocks, E>(&points, Coordinates::Intrinsic)?;
        let columns = S::Features::COUNT;
        let owners: Vec<usize> = counts.iter().enumerate().flat_map(|(row, n)| std::iter::repeat_n(row, *n)).collect();
        let each: Vec<E> = owners.iter().flat_map(|row| features[row * columns..][..columns].iter().copied()).collect();
        let mut log_prob = vec![E::default(); count];
        if count > 0 {
            let job = Self::job(&weights, &each, 1, Coordinates::Intrinsic);
            kernels::evaluate::<S::Blocks, E>(job, &points, &mut log_prob, &mut []).map_err(explain::<S::Blocks>)?;
        }
        let mut sums: Vec<f64> = (log_means.iter().zip(counts))
            .map(|(m, n)| *n as f64 * m.widen() - m.widen().exp() - ln_factorial(*n))
            .collect();
        owners.iter().zip(&log_prob).for_each(|(row, p)| sums[*row] += p.widen());
        let sums: Vec<E> = sums.into_iter().map(E::narrow).collect();
        if let Some(row) = sums.iter().position(|sum| !sum.widen().is_finite()) {
            return Err(Error::LogMean { row, value: log_means[row].widen() });
        }
        let out = tensor(sums, shape)?;
        if T::OWNS_TAPE {
            let (handle, module, counts) = (out.clone(), self.weights.clone(), counts.to_vec());
            tape.add_backward_op(move |gradients| {
                gradients.try_alloc_for(&handle)?;
                let cot = gradients.get(&handle).as_vec();
                // d ln L / d ln lambda = n - lambda
                let cot_means: Vec<E> = (cot.iter().zip(&log_means).zip(&counts))
                    .map(|((c, m), n)| E::narrow(c.widen() * (*n as f64 - m.widen().exp())))
                    .collect();
                let job = Self::job(&weights, &features, 1, Coordinates::Intrinsic);
                let wanted = Wanted { features: give_features.is_some(), points: give_points.is_some() };
                let mut back =
                    kernels::log_mean_vjp::<S::Blocks, E>(job, wanted.features, &cot_means).map_err(unexpected)?;
                if !owners.is_empty() {
                    let cot_points: Vec<E> = owners.iter().map(|row| cot[*row]).collect();
                    let job = Self::job(&weights, &each, 1, Coordinates::Intrinsic);
                    let density =
                        kernels::evaluate_vjp::<S::Blocks, E>(job, wanted, &points, &cot_points).map_err(unexpected)?;
                    back.weights.iter_mut().zip(&density.weights).for_each(|(sum, w)| *sum += *w);
                    for (row, cot) in owners.iter().zip(density.features.chunks_exact(columns.max(1))) {
                        let into = &mut back.features[row * columns..][..columns];
                        into.iter_mut().zip(cot).for_each(|(sum, c)| *sum += *c);
                    }
                    back.points = density.points;
                }
                give(gradients, &module, &weights, back, give_features, give_points)
            });
        }
        Ok(out.put_tape(tape))
    }
}

/// The log-mean of a flow without given features.
impl<Tag: 'static, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element>
    Flow<Unconditional<Tag, N, M, B>, W, E, Cpu>
{
    /// ln lambda, the logarithm of the mean count: a free number.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let pdf = Cpu::default().build_module::<flow!(e2 : gg | poisson), f64>();
    /// assert_eq!(pdf.log_mean()?, 0.1);
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// It is not finite, or its exponential is not.
    // The bound is on the methods, not on the block: so rustc says what the flow lacks.
    pub fn log_mean(&self) -> Result<E, Error>
    where
        B: LogMean,
    {
        Ok(self.log_means(&self.weights_now(), &[], 1)?[0])
    }

    /// ln lambda on the tape.
    ///
    /// # Errors
    /// As [`log_mean`](Flow::log_mean).
    pub fn log_mean_traced(&self, gradients: Gradients<E, Cpu>) -> Result<Tensor<(), E, Cpu, OwnedTape<E, Cpu>>, Error>
    where
        B: LogMean,
    {
        self.log_mean_on_tape(Vec::new(), None, (), tape_of(gradients)?)
    }

    /// The extended log-likelihood of all points as one observation: sum_i ln p(x_i) + n ln lambda - lambda - ln n!, in intrinsic
    /// coordinates. No points are an observation too.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let dev = Cpu::default();
    /// let pdf = dev.build_module::<flow!(e2 : gg | poisson), f64>();
    /// let x = dev.tensor([[0.3, -1.2], [0.0, 0.5], [0.4, 0.1]]);
    /// let loss = pdf.extended_log_likelihood(x.traced(pdf.alloc_grads()))?.negate();
    /// let gradients = loss.backward();
    /// # let _ = gradients;
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// A point is not finite or not on its manifold; the log-mean is not finite; a value leaves the range of the numbers.
    pub fn extended_log_likelihood<X: Points<N, E>>(
        &self,
        x: X,
    ) -> Result<Tensor<(), E, Cpu, <NoneTape as Join<X::Tape>>::Out>, Error>
    where
        NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
        B: LogMean,
    {
        let Rows { data, batch, tape, give } = x.into_rows()?;
        self.extended_on_tape((Vec::new(), None), (data, give, batch), &[batch.size()], (), NoneTape.join(tape))
    }
}

/// The log-mean under given features.
impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B: Blocks, W, E: Element, FB: Dim, FT>
    GivenFlow<'_, Conditional<Tag, F, N, M, B>, W, E, FB, FT>
where
    W: Weights<E>,
    FT: Tape<E, Cpu>,
{
    /// ln lambda, the logarithm of the mean count, of each row of features.
    ///
    /// # Errors
    /// A feature is not finite; there are no rows; a log-mean is not finite, or its exponential is not.
    pub fn log_mean(self) -> Result<Tensor<(FB,), E, Cpu, FT>, Error>
    where
        B: LogMean,
    {
        let (flow, Rows { data, batch, tape, give }) = self.into_parts();
        flow.log_mean_on_tape(data, give, (batch,), tape)
    }

    /// The extended log-likelihood of each row of features: sum_i ln p(x_i | features) + n ln lambda - lambda - ln n!, in intrinsic
    /// coordinates.
    ///
    /// Row r of the features has `counts[r]` points, none allowed. `x` holds the points of the first row of features first, then those of
    /// the second, and so on.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let dev = Cpu::default();
    /// let pdf = dev.build_module::<flow!(e1 : gt | cond 2, poisson), f64>();
    /// // Three rows of features with two points, none, and one.
    /// let features = dev.tensor([[0.1, 0.2], [0.4, -0.3], [0.0, 1.0]]);
    /// let at = pdf.given(features.traced(pdf.alloc_grads()))?;
    /// let each = at.extended_log_likelihood(&[[0.3], [-1.2], [0.5]], &[2, 0, 1])?;
    /// let gradients = each.mean().negate().backward();
    /// # let _ = gradients;
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// `counts` has another length than the features have rows, or does not add up to the number of points; a point or a feature is not finite,
    /// a point not on its manifold; a log-mean is not finite; a value leaves the range of the numbers.
    pub fn extended_log_likelihood<X: Points<N, E>>(
        self,
        x: X,
        counts: &[usize],
    ) -> Result<Tensor<(FB,), E, Cpu, FT::Out>, Error>
    where
        FT: Join<X::Tape>,
        FT::Out: Tape<E, Cpu>,
        B: LogMean,
    {
        let (flow, features) = self.into_parts();
        let points = x.into_rows()?;
        let tape = features.tape.join(points.tape);
        let shape = (features.batch,);
        let (features, points) = ((features.data, features.give), (points.data, points.give, points.batch));
        flow.extended_on_tape(features, points, counts, shape, tape)
    }
}

impl<Tag: 'static, const N: usize, const M: usize, B: LogMean, E: Element> Frozen<Unconditional<Tag, N, M, B>, E> {
    /// ln lambda, the logarithm of the mean count.
    ///
    /// # Errors
    /// It is not finite, or its exponential is not.
    pub fn log_mean(&self) -> Result<E, Error> {
        self.mean_of(&[])
    }
}

impl<Tag, F, const N: usize, const M: usize, B, E: Element> Frozen<Conditional<Tag, F, N, M, B>, E>
where
    Tag: 'static,
    F: FeatureSpec,
    B: LogMean,
{
    /// ln lambda, the logarithm of the mean count, of one row of features.
    ///
    /// # Errors
    /// A feature is not finite; the log-mean is not finite, or its exponential is not.
    pub fn log_mean<X: FeatureRow<F, E>>(&self, features: &X) -> Result<E, Error> {
        Self::with_features(features, |row| self.mean_of(row))
    }
}

impl<S: Spec, E: Element> Frozen<S, E>
where
    S::Blocks: LogMean,
{
    fn mean_of(&self, features: &[E]) -> Result<E, Error> {
        check_features(features, S::Features::COUNT)?;
        let log_mean = self.with(|space| space.log_mean(&self.job(features)));
        check_means(&[log_mean])?;
        Ok(log_mean)
    }
}
