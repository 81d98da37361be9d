//! A point of a sphere, seen as a chain of heights over a circle.
//!
//! S^D is S^{D-1} times a height: v = (rho_D u_{D-1}, z_D) with u_{D-1} on S^{D-1}, rho_D = sin theta and z_D = cos
//! theta of the polar angle of *level* D; and so on down to level 2, whose u_1 = (cos phi, sin phi) lies on the circle.
//! With S_m the product of the rho of all levels above m,
//! ```text
//! dv / d theta_m = S_m (z_m u_{m-1}, -rho_m, 0, ..)        dv / d phi = S_1 (-sin phi, cos phi, 0, ..)
//! ```
//! are orthogonal. Distances to an axis are formed without squares of small numbers and kept beside the heights, so
//! everything is precise relative to them.

use crate::manifolds::{LARGEST_SPHERE, hypot};
use crate::numeric::{Real, Scalar};

/// Space for components of a vector.
pub(super) const COMPONENTS: usize = LARGEST_SPHERE + 1;
/// Levels of the largest sphere.
pub(super) const LEVELS: usize = LARGEST_SPHERE - 1;

/// Sine and cosine of the polar angle of one level.
#[derive(Clone, Copy, Debug)]
pub(super) struct Polar<R> {
    pub rho: R,
    pub z: R,
}

/// A point: the azimuth's unit vector, and level m at place m - 2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point<R> {
    pub azimuth: [R; 2],
    pub levels: [Polar<R>; LEVELS],
}

/// Cotangents of all angles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Angles<R> {
    pub phi: R,
    /// Of level m at place m - 2.
    pub theta: [R; LEVELS],
}

impl<R: Real> Angles<R> {
    #[inline(always)]
    pub fn zero() -> Self {
        Angles { phi: R::zero(), theta: [R::zero(); LEVELS] }
    }
}

/// How many numbers [`Point::save`] keeps.
pub(super) const fn saved(dim: usize) -> usize {
    2 * dim
}

/// The cotangent of an angle that moves a point on a circle of this radius; none where `axis`, a distance, is nothing.
#[inline(always)]
fn over<R: Real>(angle: R, radius: R, axis: R) -> R {
    let away = axis.gt(Point::least());
    R::select(away, angle / R::select(away, radius, R::one()), R::zero())
}

/// The components of a point of the next larger sphere: those of the smaller one shrunk, and the height behind them.
#[inline(always)]
fn raise<R: Real>(u: &mut [R; COMPONENTS], m: usize, Polar { rho, z }: Polar<R>) {
    for x in &mut u[..m] {
        *x *= rho;
    }
    u[m] = z;
}

impl<R: Real> Point<R> {
    /// Distances to an axis below this count as this.
    #[inline(always)]
    pub fn least() -> R {
        R::constant(R::Scalar::TINY * 1e8)
    }

    /// The point of the sphere of `dim` dimensions with these components.
    #[inline(always)]
    pub fn of(dim: usize, v: &[R]) -> Self {
        let on_axis = v[0].abs().max(v[1].abs()).lt(Self::least());
        let mut length = R::select(on_axis, Self::least(), hypot(v[0], v[1]));
        let azimuth = [R::select(on_axis, R::one(), v[0] / length), R::select(on_axis, R::zero(), v[1] / length)];
        let mut levels = [Polar { rho: R::one(), z: R::zero() }; LEVELS];
        for m in 2..dim {
            let all = hypot(length, v[m]);
            levels[m - 2] = Polar { rho: length / all, z: v[m] / all };
            length = all;
        }
        // The outermost level is of unit length as it is.
        levels[dim - 2] = Polar { rho: length, z: v[dim] };
        Point { azimuth, levels }
    }

    /// The point u of S^dim that the first levels make; its components are the first dim + 1.
    #[inline(always)]
    pub fn vector(&self, dim: usize) -> [R; COMPONENTS] {
        let mut u = [R::zero(); COMPONENTS];
        u[..2].copy_from_slice(&self.azimuth);
        for m in 2..=dim {
            raise(&mut u, m, self.levels[m - 2]);
        }
        u
    }

    #[inline(always)]
    pub fn save(&self, dim: usize, to: &mut [R]) {
        to[..2].copy_from_slice(&self.azimuth);
        for (to, level) in to[2..].chunks_exact_mut(2).zip(&self.levels[..dim - 1]) {
            to[0] = level.rho.max(Self::least());
            to[1] = level.z;
        }
    }
    #[inline(always)]
    pub fn load(dim: usize, from: &[R]) -> Self {
        let mut levels = [Polar { rho: R::one(), z: R::zero() }; LEVELS];
        for (level, from) in levels[..dim - 1].iter_mut().zip(from[2..].chunks_exact(2)) {
            *level = Polar { rho: from[0], z: from[1] };
        }
        Point { azimuth: [from[0], from[1]], levels }
    }

    /// S_m of the sphere of `dim` dimensions, at place m.
    #[inline(always)]
    fn products(&self, dim: usize) -> [R; COMPONENTS] {
        let mut products = [R::one(); COMPONENTS];
        for m in (2..=dim).rev() {
            products[m - 1] = products[m] * self.levels[m - 2].rho;
        }
        products
    }

    /// An ambient cotangent at the point that the first levels make on S^dim, added to those of the angles.
    #[inline(always)]
    pub fn add_cot_angles(&self, dim: usize, cot: &[R], angles: &mut Angles<R>) {
        let products = self.products(dim);
        let mut u = [R::zero(); COMPONENTS];
        u[..2].copy_from_slice(&self.azimuth);
        angles.phi += products[1] * (u[0] * cot[1] - u[1] * cot[0]);
        for m in 2..=dim {
            let Polar { rho, z } = self.levels[m - 2];
            let mut along = R::zero();
            for (x, c) in u[..m].iter().zip(cot) {
                along += *x * *c;
            }
            angles.theta[m - 2] += products[m] * (z * along - rho * cot[m]);
            raise(&mut u, m, self.levels[m - 2]);
        }
    }

    /// Cotangents of the angles to the tangential ambient one; none for the angles that a point on an axis does not
    /// have.
    #[inline(always)]
    pub fn cot_vector(&self, dim: usize, angles: &Angles<R>, cot: &mut [R]) {
        let products = self.products(dim);
        let mut u = [R::zero(); COMPONENTS];
        u[..2].copy_from_slice(&self.azimuth);
        let turn = over(angles.phi, products[1], products[1]);
        cot.fill(R::zero());
        cot[0] = -turn * u[1];
        cot[1] = turn * u[0];
        for m in 2..=dim {
            let Polar { rho, z } = self.levels[m - 2];
            let fall = over(angles.theta[m - 2], products[m], products[m - 1]);
            for (cot, x) in cot[..m].iter_mut().zip(&u) {
                *cot += fall * z * *x;
            }
            cot[m] -= fall * rho;
            raise(&mut u, m, self.levels[m - 2]);
        }
    }
}
