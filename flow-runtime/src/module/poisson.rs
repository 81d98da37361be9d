//! Flows with a log-mean (`poisson`): the mean count of what they are the density of, and the extended likelihood.
//!
//! A density says where points lie; a mean count lambda says how many there are. For n observed points the extended
//! log-likelihood (Barlow, NIM A 297, 1990) is
//!
//! ```text
//! ln L = sum_i ln p(x_i) + n ln lambda - lambda - ln n!
//! ```
//!
//! Without given features lambda is one free number. With `cond` it depends on all features that the head sees: as one
//! more output of the network of the first manifold (`poisson`; with a `cond` list that network sees the features of
//! the first manifold alone), or from a network of its own that reads all features (`poisson 128`). It starts at
//! exp(0.1), about one. [`Flow::fit_counts`] fits both together; `fit` of a conditional density leaves the mean alone.

use super::Element;
use super::flow::kernel_calls::{self as calls, Beside, Cotangents};
use super::flow::{Arguments, Conditioned, Flow, FlowSpec, Spec, check_features, check_points, cotangent, tensor};
use super::freeze::{FeatureRow, Frozen};
use super::misuse::{NothingGiven, SomethingGiven};
use super::points::{FeatureSpec, Join, Points, RowsOnTape};
use super::samples::Traced;
use super::weights::Weights;
use crate::error::Error;
use crate::kernels::{Blocks, Coordinates, LogMean};
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

/// Computes and checks the log-means of rows of features.
fn log_means<S: Spec<Blocks: LogMean>, E: Element>(
    request: calls::Request<'_, E>,
    rows: usize,
) -> Result<Vec<E>, Error> {
    if rows == 0 {
        return Err(Error::Empty { argument: "features" });
    }
    check_features(request.features, S::Features::COUNT)?;
    let log_means = calls::log_means::<S, E>(request, rows);
    check_means(&log_means)?;
    Ok(log_means)
}

impl<S: Spec<Blocks: LogMean>, W: Weights<E>, E: Element, FB: Dim, FT> Conditioned<'_, S, W, E, FB, FT> {
    /// Computes ln lambda of each row of features, as one operation on the tape.
    fn log_mean_shaped<Sh: Shape>(self, shape: Sh) -> Result<Tensor<Sh, E, Cpu, FT>, Error>
    where
        FT: Tape<E, Cpu> + Join<NoneTape, Out = FT>,
    {
        let weights = self.flow.weights_for_tape();
        let nothing = RowsOnTape::<_, _, NoneTape>::plain(Vec::new(), ());
        let (arguments, mut tape) = self.into_arguments(weights, nothing, (1, Coordinates::Intrinsic));
        let out = tensor(log_means::<S, E>(arguments.request(), shape.num_elements())?, shape)?;
        if FT::OWNS_TAPE {
            arguments.record(&mut tape, cotangent(&out), |of, cot| {
                Ok((calls::log_mean_gradients::<S, E>(of.request(), of.wants().features, &cot)?, E::narrow(1.0)))
            });
        }
        Ok(out.put_tape(tape))
    }

    /// Computes the extended log-likelihood of each row of features, whose points are `counts[row]` rows of `points`.
    fn extended_shaped<B: Dim, T, Sh: Shape>(
        self,
        points: RowsOnTape<'_, B, E, T>,
        counts: &[usize],
        shape: Sh,
    ) -> Result<Tensor<Sh, E, Cpu, FT::Out>, Error>
    where
        FT: Join<T>,
        FT::Out: Tape<E, Cpu>,
    {
        let (rows, count) = (shape.num_elements(), points.batch.size());
        if counts.len() != rows {
            return Err(Error::Length { argument: "counts", expected: rows, found: counts.len() });
        }
        let counted = counts.iter().fold(0_usize, |sum, n| sum.saturating_add(*n));
        if counted != count {
            return Err(Error::Counts { counted, found: count });
        }
        let weights = self.flow.weights_for_tape();
        let (of, mut tape) = self.into_arguments(weights, points, (1, Coordinates::Intrinsic));
        let log_means = log_means::<S, E>(of.request(), rows)?;
        check_points::<S, E>(of.points(), Coordinates::Intrinsic)?;
        let columns = S::Features::COUNT;
        let owners: Vec<usize> = counts.iter().enumerate().flat_map(|(row, n)| std::iter::repeat_n(row, *n)).collect();
        let features = of.request().features;
        let each: Vec<E> = owners.iter().flat_map(|row| features[row * columns..][..columns].iter().copied()).collect();
        let manifolds = 0..S::Blocks::COUNT;
        let log_prob = match count {
            0 => Vec::new(),
            _ => {
                let request = calls::Request { features: &each, ..of.request() };
                calls::evaluate::<S, E>(request, manifolds.clone(), of.points(), Beside::Nothing)?.log_prob
            }
        };
        let mut sums: Vec<f64> = (log_means.iter().zip(counts))
            .map(|(m, n)| *n as f64 * m.widen() - m.widen().exp() - ln_factorial(*n))
            .collect();
        owners.iter().zip(&log_prob).for_each(|(row, p)| sums[*row] += p.widen());
        let sums: Vec<E> = sums.into_iter().map(E::narrow).collect();
        if let Some(row) = sums.iter().position(|sum| !sum.widen().is_finite()) {
            return Err(Error::LogMean { row, value: log_means[row].widen() });
        }
        let out = tensor(sums, shape)?;
        if <FT::Out as Tape<E, Cpu>>::OWNS_TAPE {
            let counts = counts.to_vec();
            of.record(&mut tape, cotangent(&out), move |of: &Arguments<W, E>, cot| {
                // d ln L / d ln lambda = n - lambda
                let cot_means: Vec<E> = (cot.iter().zip(&log_means).zip(&counts))
                    .map(|((c, m), n)| E::narrow(c.widen() * (*n as f64 - m.widen().exp())))
                    .collect();
                let mut back = calls::log_mean_gradients::<S, E>(of.request(), of.wants().features, &cot_means)?;
                if !owners.is_empty() {
                    let cot_points: Vec<E> = owners.iter().map(|row| cot[*row]).collect();
                    let request = calls::Request { features: &each, ..of.request() };
                    let cot = Cotangents::LogProb(&cot_points);
                    let density = calls::gradients::<S, E>(request, manifolds, of.points(), of.wants(), cot)?;
                    back.weights.iter_mut().zip(&density.weights).for_each(|(sum, w)| *sum += *w);
                    for (row, cot) in owners.iter().zip(density.features.chunks_exact(columns.max(1))) {
                        let into = &mut back.features[row * columns..][..columns];
                        into.iter_mut().zip(cot).for_each(|(sum, c)| *sum += *c);
                    }
                    back.points = density.points;
                }
                Ok((back, E::narrow(1.0)))
            });
        }
        Ok(out.put_tape(tape))
    }
}

/// The log-mean of a flow without given features.
impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element>
    Flow<FlowSpec<Tag, F, N, M, B>, W, E, Cpu>
{
    /// Computes ln lambda, the logarithm of the mean count: a free number.
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
    // The bounds are on the methods, not on the block: so rustc says what the flow lacks.
    pub fn log_mean(&self) -> Result<E, Error>
    where
        F: NothingGiven,
        B: LogMean,
    {
        let density = self.given_nothing();
        let weights = self.weights_now();
        Ok(log_means::<FlowSpec<Tag, F, N, M, B>, E>(density.request(&weights, 1, Coordinates::Intrinsic), 1)?[0])
    }

    /// Computes ln lambda on the tape.
    ///
    /// # Errors
    /// As [`log_mean`](Flow::log_mean).
    pub fn log_mean_traced(&self, gradients: Gradients<E, Cpu>) -> Result<Traced<(), E>, Error>
    where
        F: NothingGiven,
        B: LogMean,
    {
        self.on_tape(gradients)?.log_mean_shaped(())
    }

    /// Computes the extended log-likelihood of all points as one observation, in intrinsic coordinates:
    /// sum_i ln p(x_i) + n ln lambda - lambda - ln n!. No points are an observation too.
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
    /// A point is not finite or not on its manifold; the log-mean is not finite; a value leaves the range of the
    /// numbers.
    pub fn extended_log_likelihood<X: Points<N, E>>(
        &self,
        x: X,
    ) -> Result<Tensor<(), E, Cpu, <NoneTape as Join<X::Tape>>::Out>, Error>
    where
        F: NothingGiven,
        NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
        B: LogMean,
    {
        let points = x.into_rows()?;
        let count = points.batch.size();
        self.given_nothing().extended_shaped(points, &[count], ())
    }
}

/// The log-mean under given features.
impl<Tag, F, const N: usize, const M: usize, B, W, E, FB> Conditioned<'_, FlowSpec<Tag, F, N, M, B>, W, E, FB, NoneTape>
where
    Tag: 'static,
    F: FeatureSpec,
    B: Blocks,
    W: Weights<E>,
    E: Element,
    FB: Dim,
{
    /// Computes ln lambda, the logarithm of the mean count, of each row of features.
    ///
    /// # Errors
    /// A feature is not finite; there are no rows; a log-mean is not finite, or its exponential is not.
    pub fn log_mean(&self) -> Result<Tensor<(FB,), E, Cpu>, Error>
    where
        B: LogMean,
    {
        self.again().log_mean_shaped((self.features.batch,))
    }

    /// Computes the extended log-likelihood of each row of features, in intrinsic coordinates:
    /// sum_i ln p(x_i | features) + n ln lambda - lambda - ln n!.
    ///
    /// Row r of the features has `counts[r]` points, none allowed. `x` holds the points of the first row of features
    /// first, then those of the second, and so on.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let dev = Cpu::default();
    /// let pdf = dev.build_module::<flow!(e1 : gt | cond 2, poisson), f64>();
    /// // Three rows of features with two points, none, and one.
    /// let features = dev.tensor([[0.1, 0.2], [0.4, -0.3], [0.0, 1.0]]);
    /// let (x, counts) = ([[0.3], [-1.2], [0.5]], [2, 0, 1]);
    /// let each = pdf.given(&features)?.extended_log_likelihood(&x, &counts)?;
    /// assert!(each.array().iter().all(|l| l.is_finite()));
    ///
    /// let traced = pdf.given(features.traced(pdf.alloc_grads()))?.extended_log_likelihood(&x, &counts)?;
    /// let gradients = traced.mean().negate().backward();
    /// # let _ = gradients;
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// `counts` has another length than the features have rows, or does not add up to the number of points; a point or
    /// a feature is not finite, a point not on its manifold; a log-mean is not finite; a value leaves the range of the
    /// numbers.
    pub fn extended_log_likelihood<X: Points<N, E>>(
        &self,
        x: X,
        counts: &[usize],
    ) -> Result<Tensor<(FB,), E, Cpu, <NoneTape as Join<X::Tape>>::Out>, Error>
    where
        NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
        B: LogMean,
    {
        self.again().extended_shaped(x.into_rows()?, counts, (self.features.batch,))
    }
}

/// The log-mean under given features, on their tape.
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
    /// Computes ln lambda, the logarithm of the mean count, of each row of features.
    ///
    /// # Errors
    /// A feature is not finite; there are no rows; a log-mean is not finite, or its exponential is not.
    pub fn log_mean(self) -> Result<Traced<(FB,), E>, Error>
    where
        B: LogMean,
    {
        let shape = (self.features.batch,);
        self.log_mean_shaped(shape)
    }

    /// Computes the extended log-likelihood of each row of features: see the same method without a tape.
    ///
    /// # Errors
    /// As without a tape.
    pub fn extended_log_likelihood<X: Points<N, E>>(self, x: X, counts: &[usize]) -> Result<Traced<(FB,), E>, Error>
    where
        OwnedTape<E, Cpu>: Join<X::Tape, Out = OwnedTape<E, Cpu>>,
        B: LogMean,
    {
        let shape = (self.features.batch,);
        self.extended_shaped(x.into_rows()?, counts, shape)
    }
}

impl<Tag: 'static, const N: usize, const M: usize, B: LogMean, E: Element> Frozen<FlowSpec<Tag, (), N, M, B>, E> {
    /// Computes ln lambda, the logarithm of the mean count.
    ///
    /// # Errors
    /// It is not finite, or its exponential is not.
    pub fn log_mean(&self) -> Result<E, Error> {
        self.mean_of(&[])
    }
}

impl<Tag, F, const N: usize, const M: usize, B, E: Element> Frozen<FlowSpec<Tag, F, N, M, B>, E>
where
    Tag: 'static,
    F: FeatureSpec + SomethingGiven,
    B: LogMean,
{
    /// Computes ln lambda, the logarithm of the mean count, of one row of features.
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
        let log_mean = self.with(|space| space.log_mean(self.request(features)));
        check_means(&[log_mean])?;
        Ok(log_mean)
    }
}
