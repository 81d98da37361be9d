//! One manifold of a density by its name: what the accessors `marginal_..()` of a named flow return.

use super::{Estimate, marginal_entropy, marginal_log_prob};
use crate::density::{Density, draw_base};
use crate::error::Error;
use crate::kernels::Coordinates;
use crate::module::Element;
use rand::Rng;

/// The distribution of one manifold of a density, the others integrated out, with `LEN` intrinsic and `EMBED` embedded
/// coordinates.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{flow, rand::{SeedableRng, rngs::StdRng}};
///
/// flow! { struct Event = vertex@e3 + direction@s2 : gg + f }
///
/// let mut rng = StdRng::seed_from_u64(1);
/// let pdf = Cpu::default().build_module::<Event, f64>();
/// // The density of directions (unit vectors) wherever the vertex is: a mean over 200 vertices.
/// let log_prob = pdf.marginal_direction().log_prob_embedded(&[[0.0, 0.6, 0.8], [1.0, 0.0, 0.0]], 200, &mut rng)?;
/// assert!(log_prob.iter().all(|p| p.is_finite()));
/// let directions: Vec<[f64; 2]> = pdf.marginal_direction().sample(5, &mut rng)?;
/// assert_eq!(directions.len(), 5);
/// # Ok::<(), flow_runtime::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Marginal<'a, D, const LEN: usize, const EMBED: usize> {
    density: &'a D,
    manifold: usize,
}

impl<'a, D, const LEN: usize, const EMBED: usize> Marginal<'a, D, LEN, EMBED> {
    /// Manifold number `manifold`, with as many coordinates.
    #[doc(hidden)]
    pub fn new(density: &'a D, manifold: usize) -> Self {
        Marginal { density, manifold }
    }

    /// The number of the manifold, which estimators ask for.
    pub fn manifold(&self) -> usize {
        self.manifold
    }

    /// The columns of the manifold in rows of `DIM` intrinsic coordinates.
    fn columns<E: Element>(&self) -> core::ops::Range<usize>
    where
        D: Density<E>,
    {
        self.density.manifolds()[self.manifold].columns.clone()
    }

    /// ln p of points in embedded coordinates, by the surface measure; under several conditions as many points for each, one condition after the
    /// other.
    ///
    /// Exact for the first manifold; for the others the logarithm of a mean over `inner` draws of those before it, as in [`marginal_log_prob`].
    ///
    /// # Errors
    /// `inner` is below 2; a point is not finite or not on its manifold; the points cannot be shared out over the conditions; a value leaves the
    /// range of the numbers.
    pub fn log_prob_embedded<E: Element, G: Rng + ?Sized>(
        &self,
        points: &[[E; EMBED]],
        inner: usize,
        rng: &mut G,
    ) -> Result<Vec<f64>, Error>
    where
        D: Density<E>,
    {
        let conditions = self.density.conditions();
        if points.is_empty() {
            return Err(Error::Empty { argument: "points" });
        }
        if !points.len().is_multiple_of(conditions) {
            let expected = points.len().next_multiple_of(conditions) * EMBED;
            return Err(Error::Length { argument: "points", expected, found: points.len() * EMBED });
        }
        // The columns of the other manifolds are not read, but have to hold points.
        let start = self.density.manifolds()[self.manifold].embedded.start;
        let mut rows = self.density.forward(&draw_base(points.len() * D::DIM, rng), Coordinates::Embedded)?.points;
        for (row, point) in rows.chunks_exact_mut(D::EMBED).zip(points) {
            row[start..start + EMBED].copy_from_slice(point);
        }
        marginal_log_prob(self.density, &rows, &[self.manifold], inner, rng)
    }

    /// `n` points under each condition in intrinsic coordinates, one condition after the other.
    ///
    /// # Errors
    /// `n` is 0; a value leaves the range of the numbers.
    pub fn sample<E: Element, G: Rng + ?Sized>(&self, n: usize, rng: &mut G) -> Result<Vec<[E; LEN]>, Error>
    where
        D: Density<E>,
    {
        let (points, columns) = (self.density.sample_rows(n, rng)?.points, self.columns::<E>());
        let part = |row: &[E]| core::array::from_fn(|i| row[columns.start + i]);
        Ok(points.chunks_exact(D::DIM).map(part).collect())
    }

    /// The entropy under each condition, by the surface measure, in nats: [`marginal_entropy`].
    ///
    /// # Errors
    /// As [`marginal_entropy`].
    pub fn entropy<E: Element, G: Rng + ?Sized>(
        &self,
        n: usize,
        inner: usize,
        rng: &mut G,
    ) -> Result<Vec<Estimate>, Error>
    where
        D: Density<E>,
    {
        marginal_entropy(self.density, &[self.manifold], n, inner, rng)
    }
}
