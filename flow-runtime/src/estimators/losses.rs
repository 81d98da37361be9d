//! Losses for training, each as an objective for [`Fit::run`](crate::Fit::run): one number for each row of the data, on the tape, whose mean is made
//! as large as possible.
//!
//! With observations x, labels z, a posterior q(z | x), a likelihood p(x | z) and a prior p(z), all densities that are flows:
//! ```text
//! maximum likelihood       E_data[ln q(z | x)]
//! evidence lower bound     E_data E_{q(z|x)}[ln p(x | z) + ln p(z) - ln q(z | x)]  <=  E_data[ln p(x)]
//! joint, with labels       E_data[ln q(z | x) + ln p(x | z) + ln p(z)]
//! ```
//! All are the divergence of one joint density of x and z from another (Gluesenkamp, arXiv:2008.05825): the first KL(p_true(x, z) | q(z | x) p_true(x)), up to
//! terms without parameters; the second KL(q(z | x) p_true(x) | p(x | z) p(z)); the third the first plus KL(p_true(x, z) | p(x | z) p(z)). Data of which
//! only a part has labels take the third where there are labels and the second where there are none: [`semi_supervised`].
//!
//! A density without data: [`reverse_kl_traced`](super::reverse_kl_traced).

use super::base::Sampling;
use super::divergence::log_weights_traced;
use super::estimate::{TracedEstimate, fused_pair, log_means_traced, rows};
use super::expectation::average;
use crate::error::Error;
use crate::module::{Element, Traced, TracedDensity};
use dfdx::shapes::Const;
use dfdx::tensor::{Cpu, OwnedTape, PutTape, Tensor, TensorFromVec};
use rand::Rng;

/// ln p of data in embedded coordinates under each condition, n rows each, averaged over the rows of a condition: minus the cross-entropy of the data
/// relative to the density.
///
/// With one row a condition this is the objective of maximum likelihood, which flows have as `log_prob` in intrinsic coordinates.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(e2 : t), f64>();
/// let data = [[0.3, 0.1], [0.5, -0.2], [0.0, 1.0]];
/// let mean = estimators::log_likelihood_traced(pdf.on_tape(pdf.alloc_grads())?, &data)?;
/// let _ = mean.value.sum().negate().backward();
/// # let _: &mut StdRng = &mut rng;
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// The rows cannot be shared out evenly; a point is not finite or not on its manifold; a value leaves the range of the numbers.
pub fn log_likelihood_traced<const N: usize, const M: usize, E, D>(
    density: D,
    points: &[[E; M]],
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
{
    let conditions = density.conditions();
    if conditions == 0 || points.is_empty() || !points.len().is_multiple_of(conditions) {
        let message = format!("{} rows cannot be shared out over {conditions} conditions", points.len());
        return Err(Error::argument("points", message));
    }
    let data: Tensor<(usize, Const<M>), E, Cpu> =
        Cpu::default().try_tensor_from_vec(points.as_flattened().to_vec(), (points.len(), Const))?;
    let log_prob = density.log_prob_traced(data.put_tape(OwnedTape::default()), 0..usize::MAX)?;
    average(log_prob, conditions, Sampling::from(points.len() / conditions))
}

/// The evidence lower bound of each observation on the tape (Kingma and Welling, arXiv:1312.6114), with `plan.n` draws of z.
///
/// `encoder` is the posterior q(z | x) given the observations, one condition each. `log_joint` is given draws of z, rows of intrinsic coordinates with
/// `plan.n` neighbours for each observation, and returns ln p(x | z) + ln p(z) of each, by the same coordinates.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let encoder = dev.build_module::<flow!(e1 : gt | cond 2, hidden 8), f64>();
/// let decoder = dev.build_module::<flow!(e2 : t | cond 1, hidden 8), f64>();
/// let prior = dev.build_module::<flow!(e1 : x), f64>();
/// let x = dev.tensor([[0.3, -0.2], [1.0, 0.5]]);
/// let mut rng = StdRng::seed_from_u64(1);
///
/// let bound = estimators::elbo_traced(encoder.given(x.clone().leaky_traced())?, 2, &mut rng, |z| {
///     let repeated: Vec<[f64; 2]> = x.array().into_iter().flat_map(|x| [x; 2]).collect();
///     let prior = prior.log_prob(z.retaped::<OwnedTape<f64, Cpu>>())?;
///     Ok(decoder.given(z)?.log_prob(&repeated)? + prior)
/// })?;
/// let gradients = bound.value.mean().backward();
/// # let _ = gradients;
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// Those of `log_joint`; it returns another number of values, or one that is not finite; a value leaves the range of the numbers.
pub fn elbo_traced<const N: usize, const M: usize, E, D, G>(
    encoder: D,
    plan: impl Into<Sampling>,
    rng: &mut G,
    log_joint: impl FnOnce(Traced<(usize, Const<N>), E>) -> Result<Traced<(usize,), E>, Error>,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (plan, conditions) = (plan.into(), encoder.conditions());
    average(log_weights_traced(encoder, plan, rng, log_joint)?, conditions, plan)
}

/// The importance-weighted bound ln (1/n) sum p(x, z_i) / q(z_i | x) of each observation on the tape (Burda and others, arXiv:1509.00519): between the
/// evidence lower bound, which it is for one draw, and ln p(x), which it tends to.
///
/// Its gradient for the encoder loses its signal against its noise as n grows (Rainforth and others, arXiv:1802.04537): a dozen draws are many.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let encoder = dev.build_module::<flow!(e1 : gt | cond 2, hidden 8), f64>();
/// let x = dev.tensor([[0.3, -0.2], [1.0, 0.5]]);
/// // A toy of a joint density: z is a normal number, and x tells nothing of it, so that ln p(x) is 0 but for constants.
/// let bound = estimators::importance_weighted_traced(encoder.given(x.leaky_traced())?, 8, &mut rng, |z| {
///     Ok(z.square().sum::<_, Axis<1>>() * -0.5 - 0.5 * std::f64::consts::TAU.ln())
/// })?;
/// assert_eq!(bound.shape(), &(2,));
/// let _ = bound.mean().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`elbo_traced`].
pub fn importance_weighted_traced<const N: usize, const M: usize, E, D, G>(
    encoder: D,
    n: usize,
    rng: &mut G,
    log_joint: impl FnOnce(Traced<(usize, Const<N>), E>) -> Result<Traced<(usize,), E>, Error>,
) -> Result<Traced<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let conditions = encoder.conditions();
    log_means_traced(log_weights_traced(encoder, Sampling::from(n), rng, log_joint)?, conditions, n)
}

/// The objective of data of which only a part has labels (arXiv:2008.05825): the rows with labels and then the rows without, in one tensor.
///
/// `labelled` holds ln q(z | x) + ln p(x | z) + ln p(z) of rows with labels, or only the terms that are wanted; `unlabelled` the bounds of the others, as from
/// [`elbo_traced`], times `weight`.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let posterior = dev.build_module::<flow!(e1 : t | cond 2, hidden 8), f64>();
/// let prior = dev.build_module::<flow!(e1 : x), f64>();
/// let (x, z) = (dev.tensor([[0.3, -0.2], [1.0, 0.5]]), [[0.1], [0.4]]);
/// let (with, without) = (x.clone().traced(posterior.alloc_grads()), x.leaky_traced());
///
/// let labelled = posterior.given(with)?.log_prob(&z)?;
/// let bound = estimators::elbo_traced(posterior.given(without)?, 1, &mut rng, |z| prior.log_prob(z))?;
/// let (labelled, bound) = (labelled.reshape_like(&(2usize,)), bound.value);
/// let loss = estimators::semi_supervised(labelled, bound, 1.0)?.mean().negate();
/// let _ = loss.backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// There are no rows of either kind; the weight is not finite.
pub fn semi_supervised<E: Element>(
    labelled: Traced<(usize,), E>,
    unlabelled: Traced<(usize,), E>,
    weight: f64,
) -> Result<Traced<(usize,), E>, Error> {
    if !weight.is_finite() {
        return Err(Error::argument("weight", format!("{weight} is no weight, such as 1")));
    }
    let ((a, x), (b, y)) = (rows(labelled)?, rows(unlabelled)?);
    if a.is_empty() && b.is_empty() {
        return Err(Error::Empty { argument: "labelled" });
    }
    let first = a.len();
    let values: Vec<f64> = a.into_iter().chain(b.into_iter().map(|b| weight * b)).collect();
    fused_pair(x, y, (values.len(),), values, move |cot| {
        let (x, y) = cot.split_at(first);
        [x.to_vec(), y.iter().map(|c| weight * c).collect()]
    })
}
