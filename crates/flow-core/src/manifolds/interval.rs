//! Closed intervals of the line.

use super::value::ManifoldValue;
use crate::numeric::Real;
use crate::numeric::special::{normal_cdf, normal_quantile, over_normal_density};

/// How far outside its interval a point counts as the end, as a share of the larger bound: a few units in the last place of an
/// `f32`.
const ROUNDING: f64 = 4.0 * f32::EPSILON as f64;

/// The closed interval between two bounds, given by the bits of two `f64` so that they are part of the type.
///
/// The intrinsic coordinate x is also the embedded one: networks of later manifolds read x itself, not rescaled. The reference
/// density is the uniform one, seen by the base as x = low + (high - low) Phi(z).
///
/// # Ends
/// Both ends belong to the interval: densities and their derivatives are finite there, and the base point is that of the smallest normal
/// number (about -37 or 37 in `f64`). A point up to 5e-7 of the larger bound outside counts as the end; one further out is an error.
/// The distance to an end that is not 0 is known to the rounding of x.
pub struct Interval<const LOW_BITS: u64, const HIGH_BITS: u64>;

impl<const LOW_BITS: u64, const HIGH_BITS: u64> Interval<LOW_BITS, HIGH_BITS> {
    /// The lower and the upper bound.
    pub const BOUNDS: [f64; 2] = {
        let (low, high) = (f64::from_bits(LOW_BITS), f64::from_bits(HIGH_BITS));
        assert!(low < high && (high - low).is_finite(), "an interval has two finite bounds, the smaller one first");
        [low, high]
    };
    /// The distance between them.
    pub const LENGTH: f64 = Self::BOUNDS[1] - Self::BOUNDS[0];

    pub(super) const VALUE: Bounds = Bounds { low: Self::BOUNDS[0], high: Self::BOUNDS[1] };
}

/// An interval as a value.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Bounds {
    /// The distance between them.
    #[inline(always)]
    pub(crate) fn length(self) -> f64 {
        self.high - self.low
    }

    /// Distances from the lower and the upper end, in units of the length.
    #[inline(always)]
    pub(crate) fn shares<R: Real>(self, x: R) -> [R; 2] {
        let (low, high) = (R::constant(self.low), R::constant(self.high));
        [(x - low).scale(1.0 / self.length()), (high - x).scale(1.0 / self.length())]
    }

    /// The point at these distances, from the one that is more precise.
    #[inline(always)]
    pub(crate) fn at_shares<R: Real>(self, [from_low, from_high]: [R; 2]) -> R {
        let (low, high) = (R::constant(self.low), R::constant(self.high));
        let nearer = from_low.le(from_high);
        self.inside(R::select(nearer, low + from_low.scale(self.length()), high - from_high.scale(self.length())))
    }

    /// Points outside to the end; NaN stays.
    #[inline(always)]
    fn inside<R: Real>(self, x: R) -> R {
        let (low, high) = (R::constant(self.low), R::constant(self.high));
        R::select(x.lt(low), low, R::select(x.gt(high), high, x))
    }
}

impl ManifoldValue for Bounds {
    const WIDE: bool = true;
    const UNIFORM: bool = true;

    fn dims(&self) -> [usize; 2] {
        [1, 1]
    }
    fn notation(&self) -> String {
        let Bounds { low, high } = self;
        if [*low, *high] == [0.0, 1.0] { "i1".into() } else { format!("i1[{low}, {high}]") }
    }
    #[inline(always)]
    fn embed<R: Real>(&self, intrinsic: &[R], embedded: &mut [R], _: &mut R) {
        embedded[0] = self.inside(intrinsic[0]);
    }
    // Of a point that counts as an end, the derivatives are those of the end.
    #[inline(always)]
    fn embed_vjp<R: Real>(&self, _: &[R], cot_embedded: &[R], _: R, cot_intrinsic: &mut [R]) {
        cot_intrinsic[0] += cot_embedded[0];
    }
    #[inline(always)]
    fn intrinsic<R: Real>(&self, embedded: &[R], intrinsic: &mut [R], _: &mut R) {
        intrinsic[0] = embedded[0];
    }
    #[inline(always)]
    fn intrinsic_vjp<R: Real>(&self, _: &[R], cot_intrinsic: &[R], _: R, cot_embedded: &mut [R]) {
        cot_embedded[0] += cot_intrinsic[0];
    }
    #[inline(always)]
    fn project<R: Real>(&self, given: &[R], embedded: &mut [R]) {
        embedded[0] = self.inside(given[0]);
    }
    #[inline(always)]
    fn project_vjp<R: Real>(&self, _: &[R], cot_embedded: &[R], cot_given: &mut [R]) {
        cot_given[0] += cot_embedded[0];
    }
    #[inline(always)]
    fn log_reference<R: Real>(&self, _: &[R]) -> R {
        R::constant(-self.length().ln())
    }
    #[inline(always)]
    fn log_reference_vjp<R: Real>(&self, _: &[R], _: R, _: &mut [R]) {}
    #[inline(always)]
    fn to_base<R: Real>(&self, target: &[R], base: &mut [R]) {
        let [low, high] = self.shares(target[0]);
        base[0] = normal_quantile(low, high);
    }
    #[inline(always)]
    // dz / dp = 1 / phi(z).
    fn to_base_vjp<R: Real>(&self, target: &[R], cot_base: &[R], cot_target: &mut [R]) {
        let mut z = [R::zero()];
        self.to_base(target, &mut z);
        cot_target[0] += cot_base[0] * over_normal_density(z[0]).scale(1.0 / self.length());
    }
    #[inline(always)]
    fn from_base<R: Real>(&self, base: &[R], target: &mut [R]) {
        let (low, high) = normal_cdf(base[0]);
        target[0] = self.at_shares([low, high]);
    }
    fn check_intrinsic(&self, point: &[f64]) -> Option<String> {
        let (x, Bounds { low, high }) = (point[0], *self);
        if !x.is_finite() {
            return Some(format!("the coordinate is {x}: a coordinate of an interval is a finite number"));
        }
        let slack = ROUNDING * low.abs().max(high.abs());
        (x < low - slack || x > high + slack).then(|| {
            format!(
                "the coordinate is {x}, outside the interval from {low} to {high}: remove the row, or write wider bounds in the \
                 notation, `i1[low, high]`"
            )
        })
    }
    fn check_embedded(&self, point: &[f64]) -> Option<String> {
        self.check_intrinsic(point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifolds::Manifold;

    type Wide = Interval<{ (-3.0f64).to_bits() }, { 3.0f64.to_bits() }>;
    type Unit = Interval<0, { 1.0f64.to_bits() }>;
    type Shifted = Interval<{ 5.0f64.to_bits() }, { 5.5f64.to_bits() }>;

    fn round_trip<M: Manifold>(x: f64) -> (f64, f64) {
        let (mut base, mut back) = ([0.0], [0.0]);
        M::to_base(&[x], &mut base);
        M::from_base(&base, &mut back);
        (base[0], back[0])
    }

    #[test]
    fn the_base_map_inverts_itself_up_to_the_ends() {
        for share in [0.0, 1e-12, 1e-3, 0.2, 0.5, 0.7, 1.0 - 1e-9, 1.0] {
            for (x, (base, back)) in [
                (share, round_trip::<Unit>(share)),
                (-3.0 + 6.0 * share, round_trip::<Wide>(-3.0 + 6.0 * share)),
                (5.0 + 0.5 * share, round_trip::<Shifted>(5.0 + 0.5 * share)),
            ] {
                assert!(base.is_finite() && (back - x).abs() < 4e-15 * (1.0 + x.abs()), "{x}: {base} {back}");
            }
        }
        assert!(round_trip::<Wide>(-3.0).0 < -37.0 && round_trip::<Wide>(3.0).0 > 37.0);
        // Next to an end at 0 nothing is lost.
        assert!((round_trip::<Unit>(1e-200).1 / 1e-200 - 1.0).abs() < 1e-12);
        for z in [-1e6, -40.0, 40.0, 1e6] {
            let mut x = [0.0];
            Wide::from_base(&[z], &mut x);
            assert_eq!(x[0], f64::signum(z) * 3.0);
        }
    }

    #[test]
    fn ends_are_inside_and_a_few_units_beyond_them_are_the_ends() {
        for (given, end) in [(-3.0, -3.0), (-3.0 - 1e-15, -3.0), (3.000001, 3.0), (3.0 + 1e-6, 3.0)] {
            assert_eq!(Wide::check_intrinsic(&[given]), None);
            let mut x = [0.0];
            Wide::embed(&[given], &mut x, &mut 0.0);
            assert_eq!(x[0], end);
        }
        let message = Wide::check_intrinsic(&[3.1]).unwrap();
        assert!(message.contains("3.1, outside the interval from -3 to 3"), "{message}");
        assert!(Unit::check_embedded(&[-1e-6]).is_some() && Unit::check_embedded(&[f64::NAN]).is_some());
        let mut x = [0.0];
        Unit::embed(&[f64::NAN], &mut x, &mut 0.0);
        assert!(x[0].is_nan());
    }

    #[test]
    fn notation_names_the_bounds() {
        assert_eq!((Wide::notation().as_str(), Unit::notation().as_str()), ("i1[-3, 3]", "i1"));
    }
}
