//! The types of manifolds: what [`Manifold`] says of each, by its value.

use super::euclidean::{Euclidean, Flat};
use super::hypersphere::{Hypersphere, LARGEST_SPHERE, Sphere};
use super::interval::{Bounds, Interval};
use super::simplex::{LARGEST_SIMPLEX, Simplex, Whole};
use super::sphere::{Circle, Round, Sphere2, TwoSphere};
use super::value::{ManifoldValue, forward};
use super::{Geometry, Manifold};
use crate::numeric::Real;

#[diagnostic::do_not_recommend]
impl<const D: usize> Manifold for Euclidean<D> {
    const DIM: usize = D;
    const EMBED: usize = D;
    forward!(Flat: Flat { dim: D }, Geometry::Euclidean { dim: D });
}

#[diagnostic::do_not_recommend]
impl Manifold for Circle {
    const DIM: usize = 1;
    const EMBED: usize = 2;
    forward!(Round: Round, Geometry::Circle);
}

#[diagnostic::do_not_recommend]
impl Manifold for Sphere2 {
    const DIM: usize = 2;
    const EMBED: usize = 3;
    forward!(TwoSphere: TwoSphere, Geometry::Sphere { dim: 2 });
}

#[diagnostic::do_not_recommend]
impl<const D: usize> Manifold for Sphere<D> {
    const DIM: usize = D;
    const EMBED: usize = {
        assert!(D >= 2 && D <= LARGEST_SPHERE, "spheres have 2 to 9 dimensions; the circle is a type of its own");
        D + 1
    };

    forward!(Hypersphere: Hypersphere { dim: D }, Geometry::Sphere { dim: D });
}

#[diagnostic::do_not_recommend]
impl<const LOW_BITS: u64, const HIGH_BITS: u64> Manifold for Interval<LOW_BITS, HIGH_BITS> {
    const DIM: usize = 1;
    const EMBED: usize = 1;
    forward!(Bounds: Self::VALUE, Geometry::Interval { low: Self::BOUNDS[0], high: Self::BOUNDS[1] });
}

#[diagnostic::do_not_recommend]
impl<const D: usize> Manifold for Simplex<D> {
    const DIM: usize = D;
    const EMBED: usize = {
        assert!(D >= 1 && D <= LARGEST_SIMPLEX, "simplices have 1 to 9 dimensions");
        D + 1
    };
    forward!(Whole: Whole { dim: D }, Geometry::Simplex { dim: D });
}
