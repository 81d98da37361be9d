//! Numbers with their standard errors, plain and on the tape.

use crate::error::Error;
use crate::module::{Element, Traced};
use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{Cpu, Merge, PutTape, SplitTape, Tape, Tensor, TensorFromVec};
use dfdx::tensor_ops::ReshapeTo;

/// A number estimated from draws, and its standard error: the standard deviation of the number over repetitions with other draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Standard error of the value.
    pub standard_error: f64,
}

impl Estimate {
    /// The mean of independent values, with standard error s / sqrt(n), where s^2 = sum (v - mean)^2 / (n - 1).
    ///
    /// The standard error of a single value is infinite; of no values at all the mean is NaN.
    ///
    /// ```
    /// let mean = flow_runtime::estimators::Estimate::of(&[1.0, 3.0]);
    /// assert_eq!((mean.value, mean.standard_error), (2.0, 1.0));
    /// ```
    pub fn of(values: &[f64]) -> Estimate {
        Estimate::of_groups(values, 1)
    }

    /// The mean of values of which each `group` neighbours may depend on each other: the standard error comes from their means.
    pub(crate) fn of_groups(values: &[f64], group: usize) -> Estimate {
        let means: Vec<f64> = values.chunks(group).map(mean).collect();
        let value = mean(&means);
        let n = means.len() as f64;
        let squares: f64 = means.iter().map(|m| (m - value).powi(2)).sum();
        let standard_error = if means.len() > 1 { (squares / (n - 1.0) / n).sqrt() } else { f64::INFINITY };
        Estimate { value, standard_error }
    }

    /// How many standard errors this is from a number, with sign.
    pub fn pull(&self, truth: f64) -> f64 {
        (self.value - truth) / self.standard_error
    }
}

/// The arithmetic mean.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// ln of the mean of exponentials.
pub(crate) fn log_mean_exp(logs: &[f64]) -> f64 {
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    top + mean(&logs.iter().map(|l| (l - top).exp()).collect::<Vec<_>>()).ln()
}

/// Estimates on the tape: gradients of the values flow through the draws.
///
/// The gradient of an estimate is an unbiased estimate of the gradient where the estimate itself is unbiased.
#[must_use = "an estimate on the tape holds the tape: without it the gradients are lost"]
pub struct TracedEstimate<S: Shape, E: Element> {
    /// The values, with the tape.
    pub value: Traced<S, E>,
    /// The standard error of each value, row after row.
    pub standard_error: Vec<f64>,
}

impl<S: Shape, E: Element> TracedEstimate<S, E> {
    /// Values and standard errors, without the tape.
    pub fn estimates(&self) -> Vec<Estimate> {
        let join = |(value, error): (E, &f64)| Estimate { value: value.widen(), standard_error: *error };
        self.value.as_vec().into_iter().zip(&self.standard_error).map(join).collect()
    }
}

/// The numbers of a tensor, row after row, and the tensor laid out like them.
pub(crate) fn rows<S: Shape, E: Element>(x: Traced<S, E>) -> Result<(Vec<f64>, Traced<S, E>), Error> {
    // A reshape to its own shape lays a broadcast or permuted tensor out, and is recorded on the tape.
    let shape = *x.shape();
    let x = x.try_reshape_like(&shape)?;
    let numbers = x.as_vec().into_iter().map(|x| x.widen()).collect();
    Ok((numbers, x))
}

/// A function of a tensor as one operation on its tape: `value` in shape `shape`, and `pull`, which turns cotangents of the value into
/// those of `x`.
///
/// All is computed in `f64`: a mean of many `f32` keeps its last digits.
pub(crate) fn fused<S: Shape, R: Shape, E: Element>(
    x: Traced<S, E>,
    shape: R,
    value: Vec<f64>,
    pull: impl FnOnce(&[f64]) -> Vec<f64> + 'static,
) -> Result<Traced<R, E>, Error> {
    let (x, mut tape) = x.split_tape();
    let out: Tensor<R, E, Cpu> =
        Cpu::default().try_tensor_from_vec(value.into_iter().map(E::narrow).collect(), shape)?;
    let handle = out.clone();
    tape.add_backward_op(move |gradients| {
        gradients.try_alloc_for(&handle)?;
        let cot: Vec<f64> = gradients.get(&handle).as_vec().into_iter().map(|c| c.widen()).collect();
        let into = gradients.get_or_alloc_mut(&x)?;
        into.iter_mut().zip(pull(&cot)).for_each(|(sum, c)| *sum += E::narrow(c));
        Ok(())
    });
    Ok(out.put_tape(tape))
}

/// A function of two tensors of rows as one operation: `pull` turns cotangents of the value into those of both.
pub(crate) fn fused_pair<S: Shape, T: Shape, R: Shape, E: Element>(
    x: Traced<S, E>,
    y: Traced<T, E>,
    shape: R,
    value: Vec<f64>,
    pull: impl FnOnce(&[f64]) -> [Vec<f64>; 2] + 'static,
) -> Result<Traced<R, E>, Error> {
    let ((x, tape), (y, other)) = (x.split_tape(), y.split_tape());
    let mut tape = tape.merge(other);
    let out: Tensor<R, E, Cpu> =
        Cpu::default().try_tensor_from_vec(value.into_iter().map(E::narrow).collect(), shape)?;
    let handle = out.clone();
    tape.add_backward_op(move |gradients| {
        gradients.try_alloc_for(&handle)?;
        let cot: Vec<f64> = gradients.get(&handle).as_vec().into_iter().map(|c| c.widen()).collect();
        let [by_x, by_y] = pull(&cot);
        gradients.get_or_alloc_mut(&x)?.iter_mut().zip(by_x).for_each(|(sum, c)| *sum += E::narrow(c));
        gradients.get_or_alloc_mut(&y)?.iter_mut().zip(by_y).for_each(|(sum, c)| *sum += E::narrow(c));
        Ok(())
    });
    Ok(out.put_tape(tape))
}

/// x + factor y, row by row; the two tapes become one.
pub(crate) fn plus_scaled<E: Element>(
    x: Traced<(usize,), E>,
    y: Traced<(usize,), E>,
    factor: f64,
) -> Result<Traced<(usize,), E>, Error> {
    let ((a, x), (b, y)) = (rows(x)?, rows(y)?);
    count("log_prob", a.len(), b.len())?;
    let values = a.iter().zip(&b).map(|(a, b)| a + factor * b).collect();
    fused_pair(x, y, (a.len(),), values, move |cot| [cot.to_vec(), cot.iter().map(|c| factor * c).collect()])
}

/// x - y, row by row.
pub(crate) fn difference<E: Element>(
    x: Traced<(usize,), E>,
    y: Traced<(usize,), E>,
) -> Result<Traced<(usize,), E>, Error> {
    plus_scaled(x, y, -1.0)
}

/// factor x, row by row.
pub(crate) fn scaled<E: Element>(x: Traced<(usize,), E>, factor: f64) -> Result<Traced<(usize,), E>, Error> {
    let (values, x) = rows(x)?;
    let scaled = values.iter().map(|v| factor * v).collect();
    fused(x, (values.len(),), scaled, move |cot| cot.iter().map(|c| factor * c).collect())
}

/// -x, row by row.
pub(crate) fn negative<E: Element>(x: Traced<(usize,), E>) -> Result<Traced<(usize,), E>, Error> {
    scaled(x, -1.0)
}

/// Copies numbers so that no gradient goes back through them; the tape stays.
pub(crate) fn held<S: Shape, E: Element>(x: Traced<S, E>) -> Result<Traced<S, E>, Error> {
    let (values, x) = rows(x)?;
    let (shape, count) = (*x.shape(), values.len());
    fused(x, shape, values, move |_| vec![0.0; count])
}

/// Per condition the mean of its values, of which each `group` neighbours may depend on each other.
pub(crate) fn means_traced<E: Element>(
    values: Traced<(usize,), E>,
    conditions: usize,
    group: usize,
) -> Result<TracedEstimate<(usize,), E>, Error> {
    let (numbers, values) = rows(values)?;
    let n = numbers.len() / conditions;
    let estimates: Vec<Estimate> = numbers.chunks(n).map(|own| Estimate::of_groups(own, group)).collect();
    let means = estimates.iter().map(|e| e.value).collect();
    let value = fused(values, (conditions,), means, move |cot| {
        cot.iter().flat_map(|c| std::iter::repeat_n(c / n as f64, n)).collect()
    })?;
    Ok(TracedEstimate { value, standard_error: estimates.iter().map(|e| e.standard_error).collect() })
}

/// Per condition ln of the mean of exponentials.
pub(crate) fn log_means_traced<E: Element>(
    logs: Traced<(usize,), E>,
    conditions: usize,
    n: usize,
) -> Result<Traced<(usize,), E>, Error> {
    let (logs, traced) = rows(logs)?;
    let values: Vec<f64> = logs.chunks_exact(n).map(log_mean_exp).collect();
    let kept = values.clone();
    fused(traced, (conditions,), values, move |cot| {
        logs.iter().enumerate().map(|(i, l)| cot[i / n] * (l - kept[i / n]).exp() / n as f64).collect()
    })
}

/// Refuses values that are not finite.
pub(crate) fn finite(argument: &'static str, values: &[f64]) -> Result<(), Error> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(row) => Err(Error::argument(argument, format!("the value at draw {row} is {}", values[row]))),
        None => Ok(()),
    }
}

/// Refuses numbers of rows other than those asked for.
pub(crate) fn count(argument: &'static str, expected: usize, found: usize) -> Result<(), Error> {
    if expected == found { Ok(()) } else { Err(Error::Length { argument, expected, found }) }
}

/// Plain numbers of a flow, widened.
pub(crate) fn wide<E: Element>(values: &[E]) -> Vec<f64> {
    values.iter().map(|v| v.widen()).collect()
}
