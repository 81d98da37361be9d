//! Manifolds by what they are: the one value that stands for any of them.

use super::euclidean::Flat;
use super::hypersphere::Hypersphere;
use super::interval::Bounds;
use super::simplex::Whole;
use super::sphere::{Round, TwoSphere};
use super::unit_vector::ln_sin;
use super::value::{AnyManifold, Described, Inlined, ManifoldValue, OnPacks, arithmetic};
use crate::numeric::WidePack;
use core::fmt;

/// Says what a manifold is, with the numbers that tell it from others of its kind.
/// [`Manifold::geometry`](super::Manifold::geometry) gives that of a type.
///
/// Its functions are those of [`Manifold`](super::Manifold), for sizes that are known at run time. They compute with
/// packs, one point a lane, and are compiled once for each kind of pack. Where [`is_uniform`](Geometry::is_uniform) says so,
/// one call of `log_reference` is enough for all points.
///
/// ```
/// use flow_runtime::manifolds::{Geometry, Manifold, Sphere2};
///
/// let sphere = Sphere2::geometry();
/// assert_eq!(sphere, Geometry::Sphere { dim: 2 });
/// let mut vector = [0.0; 3];
/// sphere.embed(&[std::f64::consts::FRAC_PI_2, 0.0], &mut vector, &mut 0.0);
/// assert_eq!(vector[0], 1.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Geometry {
    /// [`Euclidean`](super::Euclidean) space.
    Euclidean {
        /// Its dimension.
        dim: usize,
    },
    /// The [`Circle`](super::Circle).
    Circle,
    /// The two-sphere ([`Sphere2`](super::Sphere2)), or a higher [`Sphere`](super::Sphere).
    Sphere {
        /// Its dimension, from 2 to [`LARGEST_SPHERE`](super::LARGEST_SPHERE).
        dim: usize,
    },
    /// An [`Interval`](super::Interval).
    Interval {
        /// Its lower bound, a finite number.
        low: f64,
        /// Its upper bound, a finite number above the lower one.
        high: f64,
    },
    /// A [`Simplex`](super::Simplex).
    Simplex {
        /// Its dimension, from 1 to 9.
        dim: usize,
    },
    /// A manifold of the user's own.
    Own(OwnManifold),
}

/// Bounds are finite numbers.
impl Eq for Geometry {}

/// A manifold of the user's own, known by its type.
#[derive(Clone, Copy)]
pub struct OwnManifold(&'static dyn AnyManifold);

impl OwnManifold {
    pub(super) fn of<V: ManifoldValue>(value: &'static V) -> Self {
        OwnManifold(value)
    }
}

impl fmt::Debug for OwnManifold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.notation())
    }
}

impl PartialEq for OwnManifold {
    fn eq(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }
}

impl Eq for OwnManifold {}

/// An expression for the value behind a geometry, and one for the object of a manifold of the user's own.
macro_rules! behind {
    ($geometry:expr, $value:ident => $built_in:expr, $own:ident => $of_own:expr) => {
        match $geometry {
            Geometry::Euclidean { dim } => {
                let $value = &Flat { dim };
                $built_in
            }
            Geometry::Circle => {
                let $value = &Round;
                $built_in
            }
            Geometry::Sphere { dim: 2 } => {
                let $value = &TwoSphere;
                $built_in
            }
            Geometry::Sphere { dim } => {
                let $value = &Hypersphere { dim };
                $built_in
            }
            Geometry::Interval { low, high } => {
                let $value = &Bounds { low, high };
                $built_in
            }
            Geometry::Simplex { dim } => {
                let $value = &Whole { dim };
                $built_in
            }
            Geometry::Own(OwnManifold($own)) => $of_own,
        }
    };
}

/// The choice of the value, inside of what is compiled for a pack.
macro_rules! choose {
    ([] $(fn $name:ident($($arg:ident: [$($type:tt)*]),*) -> $output:tt;)*) => {$(
        #[inline(always)]
        fn $name<'a>(&'a self, $($arg: $($type)*),*) -> $output {
            behind!(
                *self,
                value => Inlined::<R>::$name(value, $($arg),*),
                own => OnPacks::<R>::$name(R::pick(own), $($arg),*)
            )
        }
    )*};
}

impl<R: WidePack> Inlined<R> for Geometry {
    arithmetic!({ choose });
}

/// Methods for every pack.
macro_rules! methods {
    ([] $(fn $name:ident($($arg:ident: [$($type:tt)*]),*) -> $output:tt;)*) => {$(
        #[doc = concat!("Does what [`Manifold::", stringify!($name), "`](super::Manifold::", stringify!($name), ") says.")]
        #[inline]
        pub fn $name<'a, R: WidePack>(&'a self, $($arg: $($type)*),*) -> $output {
            OnPacks::<R>::$name(self, $($arg),*)
        }
    )*};
}

impl Geometry {
    fn described<T>(&self, of: impl FnOnce(&dyn Described) -> T) -> T {
        behind!(*self, value => of(value), own => of(own))
    }
    /// Number of intrinsic coordinates, and of base coordinates.
    pub fn dim(&self) -> usize {
        self.described(|manifold| manifold.dims()[0])
    }
    /// Number of embedded coordinates.
    pub fn embedded_dim(&self) -> usize {
        self.described(|manifold| manifold.dims()[1])
    }
    /// How the notation writes it: `e3`, `s2`, `i1[-3, 3]`.
    pub fn notation(&self) -> String {
        self.described(|manifold| manifold.notation())
    }
    /// Whether the reference density is the same everywhere ([`Manifold::UNIFORM`](super::Manifold::UNIFORM)).
    pub fn is_uniform(&self) -> bool {
        self.described(|manifold| manifold.is_uniform())
    }
    /// Whether it is a sphere of any dimension, the circle among them: embedded coordinates are unit vectors.
    pub fn is_sphere(&self) -> bool {
        matches!(self, Geometry::Circle | Geometry::Sphere { .. })
    }
    /// Says what is wrong with an intrinsic point, and the way out; `None` for a good one.
    pub fn check_intrinsic(&self, point: &[f64]) -> Option<String> {
        self.described(|manifold| manifold.check_intrinsic(point))
    }
    /// Says what is wrong with an embedded point, and the way out; `None` for a good one.
    pub fn check_embedded(&self, point: &[f64]) -> Option<String> {
        self.described(|manifold| manifold.check_embedded(point))
    }
    /// Computes ln of the area that a unit of intrinsic coordinates covers at a point: prod_k sin^(D-k)(theta_k) on a sphere
    /// of D dimensions, sqrt(D + 1) on a simplex, 1 elsewhere and on manifolds of the user's own. The sine is held at the
    /// poles, so that densities by area are finite there.
    pub fn ln_area(&self, intrinsic: &[f64]) -> f64 {
        match *self {
            Geometry::Sphere { dim } => (1..dim).map(|k| (dim - k) as f64 * ln_sin(intrinsic[k - 1]).0).sum(),
            Geometry::Simplex { dim } => Whole { dim }.log_surface(),
            _ => 0.0,
        }
    }
    arithmetic!({ methods });
}

#[cfg(test)]
mod tests {
    use super::super::{Circle, Euclidean, Interval, Manifold, Simplex, Sphere, Sphere2};
    use super::*;
    use crate::numeric::{Lanes, Lift, Real, WithWidePack, with_widest};

    /// Positive numbers, of several types that have the name of the circle.
    struct OneOf<const NUMBER: usize>;
    type Own = OneOf<0>;

    impl<const NUMBER: usize> Manifold for OneOf<NUMBER> {
        const DIM: usize = 1;
        const EMBED: usize = 1;
        fn notation() -> String {
            "s1".into()
        }
        fn embed<R: Real>(intrinsic: &[R], embedded: &mut [R], log_det: &mut R) {
            embedded[0] = intrinsic[0].exp();
            *log_det += intrinsic[0];
        }
        fn embed_vjp<R: Real>(intrinsic: &[R], cot_embedded: &[R], cot_log_det: R, cot_intrinsic: &mut [R]) {
            cot_intrinsic[0] += cot_embedded[0] * intrinsic[0].exp() + cot_log_det;
        }
        fn intrinsic<R: Real>(embedded: &[R], intrinsic: &mut [R], log_det: &mut R) {
            intrinsic[0] = embedded[0].ln();
            *log_det -= intrinsic[0];
        }
        fn intrinsic_vjp<R: Real>(embedded: &[R], cot_intrinsic: &[R], cot_log_det: R, cot_embedded: &mut [R]) {
            cot_embedded[0] += (cot_intrinsic[0] - cot_log_det) / embedded[0];
        }
        fn log_reference<R: Real>(target: &[R]) -> R {
            Euclidean::<1>::log_reference(&[target[0].ln()]) - target[0].ln()
        }
        fn log_reference_vjp<R: Real>(target: &[R], cot: R, cot_target: &mut [R]) {
            cot_target[0] -= cot * (R::one() + target[0].ln()) / target[0];
        }
        fn to_base<R: Real>(target: &[R], base: &mut [R]) {
            base[0] = target[0].ln();
        }
        fn to_base_vjp<R: Real>(target: &[R], cot_base: &[R], cot_target: &mut [R]) {
            cot_target[0] += cot_base[0] / target[0];
        }
        fn from_base<R: Real>(base: &[R], target: &mut [R]) {
            target[0] = base[0].exp();
        }
        fn check_intrinsic(point: &[f64]) -> Option<String> {
            Euclidean::<1>::check_intrinsic(point)
        }
    }

    /// All that the functions of a manifold give at the points of some base points: of the type, or of the value.
    macro_rules! all_of {
        ($dims:expr, $base:expr, $($call:tt)*) => {{
            let ([dim, embed], base) = ($dims, $base);
            let room = |n: usize| vec![R::zero(); n];
            let cot = |n: usize| (0..n).map(|k| R::constant(0.3 - 0.7 * k as f64)).collect::<Vec<R>>();
            let (mut target, mut angles, mut back, mut z) = (room(embed), room(dim), room(embed), room(dim));
            let mut ln = room(3);
            let bars = [embed, dim, embed, embed, embed, embed].map(room);
            let [mut by_intrinsic, mut by_angles, mut by_given, mut by_reference, mut by_base, mut given] = bars;
            let half = R::constant(0.5);
            $($call)*::from_base(base, &mut target);
            $($call)*::intrinsic(&target, &mut angles, &mut ln[0]);
            $($call)*::embed(&angles, &mut back, &mut ln[1]);
            given.iter_mut().zip(&target).for_each(|(to, x)| *to = x.scale(1.001));
            let mut on = room(embed);
            $($call)*::project(&given, &mut on);
            $($call)*::to_base(&target, &mut z);
            ln[2] = $($call)*::log_reference(&target);
            $($call)*::intrinsic_vjp(&target, &cot(dim), half, &mut by_intrinsic);
            $($call)*::embed_vjp(&angles, &cot(embed), half, &mut by_angles);
            $($call)*::project_vjp(&given, &cot(embed), &mut by_given);
            $($call)*::log_reference_vjp(&target, half, &mut by_reference);
            $($call)*::to_base_vjp(&target, &cot(dim), &mut by_base);
            [target, angles, back, on, z, ln, by_intrinsic, by_angles, by_given, by_reference, by_base].concat()
        }};
    }

    /// Packs of points against the functions of the type on the same packs.
    struct Agree<M>(core::marker::PhantomData<M>);

    impl<M: Manifold> WithWidePack for Agree<M> {
        type Output = ();
        fn call<R: WidePack>(self)
        where
            f64: Lift<R>,
        {
            let geometry = M::geometry();
            assert_eq!([geometry.dim(), geometry.embedded_dim()], [M::DIM, M::EMBED]);
            let at = |k: usize, lane: usize| 0.4 + (1.0 + k as f64 + 2.0 * lane as f64).sin();
            let base: Vec<R> = (0..M::DIM).map(|k| R::from_fn(|lane| at(k, lane))).collect();
            mod of_value {
                use super::*;
                macro_rules! functions {
                    ([] $(fn $name:ident($($arg:ident: [$($type:tt)*]),*) -> $output:tt;)*) => {
                        pub(super) struct Of<M>(core::marker::PhantomData<M>);
                        impl<M: Manifold> Of<M> {$(
                            pub(super) fn $name<'a, R: WidePack>($($arg: $($type)*),*) -> $output {
                                M::geometry().$name($($arg),*)
                            }
                        )*}
                    };
                }
                arithmetic!({ functions });
            }
            let ours = all_of!([M::DIM, M::EMBED], &base, of_value::Of::<M>);
            let exact = all_of!([M::DIM, M::EMBED], &base, M);
            for (i, (a, b)) in ours.iter().zip(&exact).enumerate() {
                for lane in 0..R::LANES {
                    let (a, b) = (a.lane(lane), b.lane(lane));
                    let off = (a - b).abs() / (1.0 + b.abs());
                    assert!(off <= 64.0 * f64::EPSILON, "{geometry:?}, number {i}, {} lanes: {a} {b}", R::LANES);
                }
            }
        }
    }

    fn agrees<M: Manifold>() {
        let agree = || Agree::<M>(core::marker::PhantomData);
        agree().call::<f64>();
        agree().call::<Lanes<f64, 8>>();
        with_widest(agree());
    }

    type Wide = Interval<{ (-3.0f64).to_bits() }, { 2.5f64.to_bits() }>;

    #[test]
    fn a_value_computes_what_its_type_does() {
        agrees::<Euclidean<1>>();
        agrees::<Euclidean<12>>();
        agrees::<Circle>();
        agrees::<Sphere2>();
        agrees::<Sphere<3>>();
        agrees::<Sphere<8>>();
        agrees::<Sphere<9>>();
        agrees::<Wide>();
        agrees::<Simplex<1>>();
        agrees::<Simplex<4>>();
        agrees::<Simplex<9>>();
        agrees::<Own>();
    }

    #[test]
    fn it_says_what_its_type_says() {
        fn says<M: Manifold>(written: &str, geometry: Geometry) {
            assert_eq!((M::geometry(), M::notation(), geometry.notation()), (geometry, written.into(), written.into()));
            assert_eq!(geometry.is_uniform(), M::UNIFORM);
            for point in [0.5, -0.5, 7.0, f64::NAN] {
                let point = vec![point; M::EMBED];
                assert_eq!(geometry.check_intrinsic(&point[..M::DIM]), M::check_intrinsic(&point[..M::DIM]));
                assert_eq!(geometry.check_embedded(&point), M::check_embedded(&point));
            }
        }
        says::<Euclidean<3>>("e3", Geometry::Euclidean { dim: 3 });
        says::<Circle>("s1", Geometry::Circle);
        says::<Sphere2>("s2", Geometry::Sphere { dim: 2 });
        says::<Sphere<7>>("s7", Geometry::Sphere { dim: 7 });
        says::<Wide>("i1[-3, 2.5]", Geometry::Interval { low: -3.0, high: 2.5 });
        says::<Interval<0, { 1.0f64.to_bits() }>>("i1", Geometry::Interval { low: 0.0, high: 1.0 });
        says::<Simplex<2>>("a2", Geometry::Simplex { dim: 2 });
        says::<Own>("s1", Own::geometry());
        let wrong = Own::check_embedded(&[f64::INFINITY]).unwrap();
        assert_eq!(wrong, "coordinate 0 is inf: an embedded coordinate is a finite number");
    }

    #[test]
    fn a_manifold_of_the_users_own_is_what_its_type_is() {
        assert_eq!(Own::geometry(), Own::geometry());
        assert_ne!(Own::geometry(), OneOf::<1>::geometry());
        assert_ne!(Own::geometry(), Circle::geometry());
        assert!(!Own::geometry().is_sphere() && Circle::geometry().is_sphere());
        assert_eq!(format!("{:?}", Own::geometry()), "Own(s1)");
    }

    /// It is the log-determinant that `embed` adds.
    #[test]
    fn areas_are_those_of_the_embedding() {
        fn area<M: Manifold>(point: &[f64]) {
            let mut ln = 0.0;
            M::embed(point, &mut vec![0.0; M::EMBED], &mut ln);
            assert!((M::geometry().ln_area(point) - ln).abs() < 1e-14, "{}: {ln}", M::notation());
        }
        area::<Euclidean<2>>(&[0.3, -1.0]);
        area::<Circle>(&[2.0]);
        area::<Sphere2>(&[0.4, 5.0]);
        area::<Sphere2>(&[0.0, 5.0]);
        area::<Sphere<5>>(&[0.4, 1.0, 2.0, 3.0, 4.0]);
        area::<Wide>(&[-1.0]);
        area::<Simplex<3>>(&[0.2, 0.3, 0.1]);
    }
}
