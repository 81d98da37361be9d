//! The laws of manifolds.

use super::laws::{beyond, difference, distance, moved, step_along, tangents, volume};
use super::{Broken, Law, Laws, Report};
use crate::manifolds::Manifold;
use crate::numeric::special::HALF_LN_TAU;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;

/// Differences in intrinsic coordinates keep this many steps inside the manifold.
const ROOM: f64 = 100.0;

/// Every law on a manifold, at points of its reference density:
///
/// - intrinsic and embedded coordinates invert each other, with log-determinants that cancel and are those of the numerical Jacobian;
/// - the way to the base and back again gives the same point, and projecting a point of the manifold does not move it;
/// - the reference density is the standard normal of the base, seen on the manifold;
/// - all derivatives equal differences;
/// - the points are accepted, and points that are not finite are refused with a reason.
///
/// ```
/// # extern crate flow_core as flow_runtime;
/// use flow_runtime::manifolds::Sphere2;
/// use flow_runtime::testing::{Laws, check_manifold};
///
/// println!("{}", check_manifold::<Sphere2>(&Laws::default())?);
/// # Ok::<(), flow_runtime::testing::Broken>(())
/// ```
///
/// # Errors
/// The first law that is broken.
pub fn check_manifold<M: Manifold>(laws: &Laws) -> Result<Report, Broken> {
    let mut rng = StdRng::seed_from_u64(laws.seed);
    let mut report = Report { subject: format!("`{}`", M::notation()), rounds: laws.rounds, laws: Vec::new() };
    for _ in 0..laws.rounds {
        let base: Vec<f64> = (0..M::DIM).map(|_| rng.sample(StandardNormal)).collect();
        let weights: Vec<f64> = (0..M::EMBED).map(|_| rng.sample(StandardNormal)).collect();
        let mut point = vec![0.0; M::EMBED];
        M::from_base(&base, &mut point);
        let mut at = At::<M> { base, point, weights, laws, report: &mut report, manifold: core::marker::PhantomData };
        at.coordinates()?;
        at.projection()?;
        at.reference()?;
        at.derivatives()?;
        at.complaints()?;
    }
    Ok(report)
}

/// A point under the laws.
struct At<'a, M> {
    base: Vec<f64>,
    point: Vec<f64>,
    /// Factors by which the outputs of a function are summed before they are differentiated.
    weights: Vec<f64>,
    laws: &'a Laws,
    report: &'a mut Report,
    manifold: core::marker::PhantomData<M>,
}

fn embed<M: Manifold>(intrinsic: &[f64]) -> (Vec<f64>, f64) {
    let (mut point, mut log_det) = (vec![0.0; M::EMBED], 0.0);
    M::embed(intrinsic, &mut point, &mut log_det);
    (point, log_det)
}

fn intrinsic<M: Manifold>(point: &[f64]) -> (Vec<f64>, f64) {
    let (mut intrinsic, mut log_det) = (vec![0.0; M::DIM], 0.0);
    M::intrinsic(point, &mut intrinsic, &mut log_det);
    (intrinsic, log_det)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl<M: Manifold> At<'_, M> {
    /// Notes how far a law is off, or says that it is broken.
    fn note(&mut self, law: Law, off: f64, allowed: f64, detail: impl FnOnce() -> String) -> Result<(), Broken> {
        if beyond(off, allowed) {
            let (point, detail) = (self.point.clone(), detail().into());
            let (layer, params, manifold) = ("".into(), Vec::new(), M::notation().into());
            return Err(Broken { law, layer, manifold, point, params, off, allowed, detail });
        }
        self.report.note(law, off, allowed);
        Ok(())
    }

    /// A derivative and the difference of what it is the derivative of.
    fn slope(&mut self, exact: f64, numerical: f64, what: impl FnOnce() -> String) -> Result<(), Broken> {
        let off = (exact - numerical).abs() / (1.0 + numerical.abs());
        self.note(Law::PointGradient, off, self.laws.tolerance.gradient, || {
            format!("the derivative of {} is {exact} but differences give {numerical}", what())
        })
    }

    fn coordinates(&mut self) -> Result<(), Broken> {
        let tolerance = self.laws.tolerance;
        let (angles, ln) = intrinsic::<M>(&self.point);
        let (back, ln_back) = embed::<M>(&angles);
        let off = distance(&back, &self.point);
        self.note(Law::RoundTrip, off, tolerance.round_trip, || {
            format!("`intrinsic` gives {angles:?}, `embed` of that gives {back:?}")
        })?;
        let off = (ln + ln_back).abs() / (1.0 + ln.abs());
        self.note(Law::LogDetsCancel, off, tolerance.round_trip, || {
            format!("`intrinsic` adds {ln}, `embed` adds {ln_back}")
        })?;
        // The volume of the surface by that of the coordinates.
        let columns: Vec<Vec<f64>> = (0..M::DIM)
            .map(|k| {
                let along = |i: usize| difference(self.step(&angles, k), |h| embed::<M>(&by(&angles, k, h)).0[i]);
                (0..M::EMBED).map(along).collect()
            })
            .collect();
        let numerical = volume(&columns).ln();
        let off = (ln_back - numerical).abs() / (1.0 + numerical.abs());
        self.note(Law::LogDet, off, tolerance.jacobian, || {
            format!("`embed` adds {ln_back} where its numerical Jacobian gives {numerical}")
        })
    }

    /// A step along an intrinsic coordinate that stays well inside the manifold.
    fn step(&self, angles: &[f64], k: usize) -> f64 {
        let mut step = 1e-4;
        let outside = |h: f64| M::check_intrinsic(&by(angles, k, h)).is_some();
        while (outside(ROOM * step) || outside(-ROOM * step)) && step > 1e-12 {
            step *= 0.5;
        }
        step
    }

    fn projection(&mut self) -> Result<(), Broken> {
        let mut on = vec![0.0; M::EMBED];
        M::project(&self.point, &mut on);
        let off = distance(&on, &self.point);
        self.note(Law::RoundTrip, off, self.laws.tolerance.round_trip, || {
            format!("`project` moves a point of the manifold to {on:?}")
        })?;
        let (mut base, expected) = (vec![0.0; M::DIM], self.base.clone());
        M::to_base(&self.point, &mut base);
        let off = distance(&base, &expected);
        self.note(Law::RoundTrip, off, self.laws.tolerance.round_trip, || {
            format!("`from_base` of {expected:?} is the point, `to_base` of that gives {base:?}")
        })
    }

    /// ln p(target) = ln N(base) + ln |d base / d target|.
    fn reference(&mut self) -> Result<(), Broken> {
        let point = &self.point;
        let columns: Vec<Vec<f64>> = tangents(M::geometry(), point)
            .iter()
            .map(|direction| {
                let along = |i: usize| {
                    difference(step_along(M::geometry(), point, direction), |h| {
                        let mut base = vec![0.0; M::DIM];
                        M::to_base(&moved(M::geometry(), point, direction, h), &mut base);
                        base[i]
                    })
                };
                (0..M::DIM).map(along).collect()
            })
            .collect();
        let normal = self.base.iter().map(|z| -0.5 * z * z - HALF_LN_TAU).sum::<f64>();
        let expected = normal + volume(&columns).ln();
        let found: f64 = M::log_reference(point);
        let off = (found - expected).abs() / (1.0 + expected.abs());
        self.note(Law::Reference, off, self.laws.tolerance.jacobian, || {
            format!("`log_reference` is {found}, the normal density of the base seen on the manifold is {expected}")
        })
    }

    fn derivatives(&mut self) -> Result<(), Broken> {
        let (point, weights) = (self.point.clone(), self.weights.clone());
        let angles = intrinsic::<M>(&point).0;
        let mut cot = vec![0.0; M::DIM];
        M::embed_vjp(&angles, &weights, 0.7, &mut cot);
        for k in 0..M::DIM {
            let numerical = difference(self.step(&angles, k), |h| {
                let (point, ln) = embed::<M>(&by(&angles, k, h));
                dot(&point, &weights) + 0.7 * ln
            });
            self.slope(cot[k], numerical, || format!("`embed` by intrinsic coordinate {k}"))?;
        }
        let mut cot_intrinsic = vec![0.0; M::EMBED];
        M::intrinsic_vjp(&point, &weights[..M::DIM], 0.7, &mut cot_intrinsic);
        let mut cot_reference = vec![0.0; M::EMBED];
        M::log_reference_vjp(&point, 1.0, &mut cot_reference);
        let mut cot_base = vec![0.0; M::EMBED];
        M::to_base_vjp(&point, &weights[..M::DIM], &mut cot_base);
        for (k, direction) in tangents(M::geometry(), &point).iter().enumerate() {
            let step = step_along(M::geometry(), &point, direction);
            let numerical = difference(step, |h| {
                let (angles, ln) = intrinsic::<M>(&moved(M::geometry(), &point, direction, h));
                dot(&angles, &weights) + 0.7 * ln
            });
            self.slope(dot(&cot_intrinsic, direction), numerical, || format!("`intrinsic` along tangent {k}"))?;
            let numerical = difference(step, |h| {
                let mut base = vec![0.0; M::DIM];
                M::to_base(&moved(M::geometry(), &point, direction, h), &mut base);
                dot(&base, &weights)
            });
            self.slope(dot(&cot_base, direction), numerical, || format!("`to_base` along tangent {k}"))?;
            let numerical = difference(step, |h| M::log_reference(&moved(M::geometry(), &point, direction, h)));
            self.slope(dot(&cot_reference, direction), numerical, || format!("`log_reference` along tangent {k}"))?;
        }
        let mut cot_project = vec![0.0; M::EMBED];
        M::project_vjp(&point, &weights, &mut cot_project);
        for k in 0..M::EMBED {
            let numerical = difference(1e-5, |h| {
                let mut on = vec![0.0; M::EMBED];
                M::project(&by(&point, k, h), &mut on);
                dot(&on, &weights)
            });
            self.slope(cot_project[k], numerical, || format!("`project` by coordinate {k}"))?;
        }
        Ok(())
    }

    fn complaints(&mut self) -> Result<(), Broken> {
        let good = [M::check_embedded(&self.point), M::check_intrinsic(&intrinsic::<M>(&self.point).0)];
        let refused = good.into_iter().flatten().next();
        self.note(Law::Points, if refused.is_some() { f64::INFINITY } else { 0.0 }, 0.0, || {
            format!("a point of the manifold is refused: {}", refused.unwrap_or_default())
        })?;
        let bad = [M::check_embedded(&vec![f64::NAN; M::EMBED]), M::check_intrinsic(&vec![f64::NAN; M::DIM])];
        let missed = bad.iter().any(Option::is_none);
        self.note(Law::Points, if missed { f64::INFINITY } else { 0.0 }, 0.0, || {
            "a point of NaN is accepted: `check_embedded` and `check_intrinsic` have to say what is wrong with it"
                .into()
        })
    }
}

/// A point moved along coordinate `k`.
fn by(point: &[f64], k: usize, h: f64) -> Vec<f64> {
    let mut point = point.to_vec();
    point[k] += h;
    point
}
