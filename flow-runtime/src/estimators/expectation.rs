//! Expectations of any function: what all other estimators are special cases of.
//!
//! With z standard normal and x = x(z; w) the flow's forward map,
//! ```text
//! E_p[F(x)] = E_z[F(x(z; w))] ~ (1/N) sum_i F(x(z_i; w)),
//! d/dw E_p[F(x)] = E_z[F'(x(z; w)) dx/dw]
//! ```
//! (the reparameterised or pathwise gradient: Kingma and Welling, arXiv:1312.6114; Rezende and others, arXiv:1401.4082). Both are unbiased.

use super::base::Sampling;
use super::estimate::{Estimate, TracedEstimate, count, finite, means_traced, wide};
use crate::density::Density;
use crate::error::Error;
use crate::kernels::Coordinates;
use crate::module::{Element, Traced, TracedDensity};
use dfdx::shapes::{Const, HasShape};
use rand::Rng;

/// E[F(x)] under each condition, F a function of one point in intrinsic coordinates.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e2 : x), f64>();
/// let mut rng = StdRng::seed_from_u64(1);
/// let inside = estimators::expectation(&pdf, 10_000, &mut rng, |x| f64::from(x[0].hypot(x[1]) < 1.0))?[0];
/// // 1 - exp(-1/2) of a standard normal lie inside the unit circle.
/// assert!((inside.value - 0.3935).abs() < 4.0 * inside.standard_error);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// The number of draws does not suit its spread; F is not finite; a value leaves the range of the numbers.
pub fn expectation<E, D, G>(
    density: &D,
    plan: impl Into<Sampling>,
    rng: &mut G,
    mut f: impl FnMut(&[E]) -> f64,
) -> Result<Vec<Estimate>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let found = expectations(density, plan, Coordinates::Intrinsic, rng, |x| [f(x)])?;
    Ok(found.into_iter().map(|[e]| e).collect())
}

/// E[F(x)] under each condition for a function with `K` values, in coordinates of choice: all from the same draws.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, kernels::Coordinates, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(s2 : y), f64>();
/// // Uniform on the sphere: E[z] = 0, E[z^2] = 1/3, from the same draws.
/// let [mean, square] = estimators::expectations(&pdf, 2000, Coordinates::Embedded, &mut rng, |x| [x[2], x[2] * x[2]])?[0];
/// assert!(mean.pull(0.0).abs() < 4.0 && square.pull(1.0 / 3.0).abs() < 4.0);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`expectation`].
pub fn expectations<const K: usize, E, D, G>(
    density: &D,
    plan: impl Into<Sampling>,
    coordinates: Coordinates,
    rng: &mut G,
    mut f: impl FnMut(&[E]) -> [f64; K],
) -> Result<Vec<[Estimate; K]>, Error>
where
    E: Element,
    D: Density<E>,
    G: Rng + ?Sized,
{
    let plan = plan.into();
    let base = plan.draw(density.conditions(), D::DIM, rng)?;
    let draws = density.forward(&base, coordinates)?;
    let columns = match coordinates {
        Coordinates::Intrinsic => D::DIM,
        Coordinates::Embedded => D::EMBED,
    };
    let mut values: [Vec<f64>; K] = core::array::from_fn(|_| Vec::new());
    for point in draws.points.chunks_exact(columns) {
        values.iter_mut().zip(f(point)).for_each(|(all, value)| all.push(value));
    }
    values.iter().try_for_each(|own| finite("f", own))?;
    let group = plan.group()?;
    let own = |c: usize| core::array::from_fn(|k| Estimate::of_groups(&values[k][c * plan.n..][..plan.n], group));
    Ok((0..density.conditions()).map(own).collect())
}

/// E[F(x)] under each condition on the tape, F a function of rows of points in intrinsic coordinates that gives one value a row.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
/// let mut rng = StdRng::seed_from_u64(1);
/// let square = estimators::expectation_traced(pdf.on_tape(pdf.alloc_grads())?, 1000, &mut rng, |x| x.square().sum::<_, Axis<1>>())?;
/// let gradients = square.value.sum().backward();
/// // x = o + e^l z at o = 0, l = 0: d E[x^2] / dl = 2.
/// let by_weights = flow_runtime::trainers::flat_gradient(&pdf, &mut { gradients })?;
/// assert!((by_weights[1] - 2.0).abs() < 0.4);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`expectation`]; F does not give one value a row.
pub fn expectation_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    plan: impl Into<Sampling>,
    rng: &mut G,
    f: impl FnOnce(Traced<(usize, Const<N>), E>) -> Traced<(usize,), E>,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (plan, conditions) = (plan.into(), density.conditions());
    let base = plan.draw(conditions, N, rng)?;
    average(f(density.forward_traced(&base)?.into_points()), conditions, plan)
}

/// [`expectation_traced`] in embedded coordinates: unit vectors have no seam.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{estimators, flow, rand::{SeedableRng, rngs::StdRng}};
///
/// let dev = Cpu::default();
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = dev.build_module::<flow!(s1 : y), f64>();
/// let length = estimators::expectation_embedded_traced(pdf.on_tape(pdf.alloc_grads())?, 10, &mut rng, |x| {
///     x.square().sum::<_, Axis<1>>()
/// })?;
/// assert!((length.estimates()[0].value - 1.0).abs() < 1e-12);
/// let _ = length.value.sum().backward();
/// # Ok::<(), flow_runtime::Error>(())
/// ```
///
/// # Errors
/// As [`expectation_traced`].
pub fn expectation_embedded_traced<const N: usize, const M: usize, E, D, G>(
    density: D,
    plan: impl Into<Sampling>,
    rng: &mut G,
    f: impl FnOnce(Traced<(usize, Const<M>), E>) -> Traced<(usize,), E>,
) -> Result<TracedEstimate<(usize,), E>, Error>
where
    E: Element,
    D: TracedDensity<N, M, E>,
    G: Rng + ?Sized,
{
    let (plan, conditions) = (plan.into(), density.conditions());
    let base = plan.draw(conditions, N, rng)?;
    average(f(density.forward_traced_embedded(&base)?.into_points()), conditions, plan)
}

/// Means of a function's values, once there is one for each draw.
pub(crate) fn average<E: Element>(
    values: Traced<(usize,), E>,
    conditions: usize,
    plan: Sampling,
) -> Result<TracedEstimate<(usize,), E>, Error> {
    count("f", conditions * plan.n, values.shape().0)?;
    finite("f", &wide(&values.as_vec()))?;
    means_traced(values, conditions, plan.group()?)
}
