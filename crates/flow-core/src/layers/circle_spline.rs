//! Layer o: a spline of the circle onto itself (layers.md 7.2; the splines themselves are in circular_spline.rs and spline.rs).
//!
//! # The two splines
//! With `smooth_second_derivative` two bins and a second derivative that is continuous around the circle; the angles 0 and pi are fixed
//! points, and the map is odd about both. Without, a rational-quadratic spline of [0, 2 pi] with any number of bins and the same
//! slope at both ends; the angle 0 is a fixed point, and the map is once differentiable there and at the knots.
//!
//! # Numbers
//! A unit vector gives its angle to full relative precision beside 0, and beside pi as the angle of the opposite vector; the vector
//! returned is formed in the same way. So fixed points stay fixed, and whatever is beside them stays there in proportion. Nothing
//! is clipped: the ancestor keeps the inverse, but not the forward direction, 1e-7 away from the angle 0 (Q27).
//!
//! Parameters: with `add_rotation` two reflection vectors of two numbers; then widths, heights, slopes (raw; those that an option fixes
//! are left out, and so is the last slope, which is the first one).

use super::circle::{self, CircleMap, Moved, MovedCot};
use super::circular_spline::CircularOptions;
use super::interval_spline::START;
use super::spline::{Ends, MappedCot, SplineOptions};
use super::{AnyLayer, Bijection, LayerType, Options, StateTensor};
use crate::manifolds::Circle;
use crate::numeric::{Lift, Mask, Real};
use core::f64::consts::TAU;
use core::marker::PhantomData;
use flow_notation::Written;
use flow_notation::options::CircleSplineOptions;
use rand::Rng;
use std::sync::Arc;

/// Layer o in the type of a flow: a spline of the circle. See the options in [`CircleSplineOptions`].
pub struct CircleSpline<Opts>(PhantomData<Opts>);

impl<Opts: Options<CircleSplineOptions>> LayerType<Circle> for CircleSpline<Opts> {
    const PARAMS: usize = SplineCircle::new(Opts::VALUE).params;

    fn layer() -> Arc<dyn AnyLayer> {
        layer(Opts::VALUE)
    }
}

/// The layer for these options.
#[inline(never)]
fn layer(options: CircleSplineOptions) -> Arc<dyn AnyLayer> {
    Arc::new(SplineCircle::new(options))
}

/// Layer o.
struct SplineCircle {
    options: CircleSplineOptions,
    /// The spline of two bins with a continuous second derivative.
    circular: CircularOptions,
    /// The spline of [0, 2 pi].
    spline: SplineOptions,
    params: usize,
}

impl SplineCircle {
    const fn new(options: CircleSplineOptions) -> Self {
        if options.smooth_second_derivative {
            assert!(options.num_basis_functions == 2, "a circular spline with smooth_second_derivative has two bins");
            assert!(
                options.fix_boundary_derivatives == -1.0,
                "a circular spline with smooth_second_derivative has no slope to fix"
            );
        }
        let circular = CircularOptions {
            fix_first_width_n_height_to_zero: options.fix_first_width_n_height_to_zero,
            also_fix_second_width_to_zero: options.also_fix_second_width_to_zero,
            independent_width_height_parametrization: options.independent_width_height_parametrization,
            min_width: options.min_width,
            min_height: options.min_height,
        };
        let spline = SplineOptions {
            bins: options.num_basis_functions as usize,
            fix_boundary_derivatives: options.fix_boundary_derivatives,
            periodic: true,
            smooth_second_derivative: false,
            restrict_max_min_width_height_ratio: -1.0,
            fix_first_width_n_height_to_zero: options.fix_first_width_n_height_to_zero,
            also_fix_second_width_to_zero: options.also_fix_second_width_to_zero,
            independent_width_height_parametrization: options.independent_width_height_parametrization,
            min_width: options.min_width,
            min_height: options.min_height,
            min_derivative: options.min_derivative,
        };
        let own = if options.smooth_second_derivative { circular.params() } else { spline.params() };
        SplineCircle { options, circular, spline, params: circle::rotation(options.add_rotation) + own }
    }

    #[inline(always)]
    const fn is_smooth(&self) -> bool {
        self.options.smooth_second_derivative
    }
}

/// The angle of a unit vector as shares of the way around, from either side of 0.
#[inline(always)]
fn shares<R: Real>(e: [R; 2]) -> Ends<R> {
    let share = e[1].atan2(e[0]).scale(1.0 / TAU);
    let behind = share.lt(R::zero());
    Ends { low: R::select(behind, R::one() + share, share), high: R::select(behind, -share, R::one() - share) }
}

/// The unit vector at shares of the way around: from the angle counted from 0 or from pi, the one that is the more precise.
#[inline(always)]
fn unit<R: Real>(Ends { low, high }: Ends<R>) -> [R; 2] {
    let front = low.min(high).lt(R::constant(0.25));
    let from_0 = R::select(low.le(high), low, -high);
    let (sin, cos) = R::select(front, from_0.scale(TAU), (low - high).scale(0.5 * TAU)).sin_cos();
    [R::select(front, cos, -cos), R::select(front, sin, -sin)]
}

impl CircleMap for SplineCircle {
    #[inline(always)]
    fn rotates(&self) -> bool {
        self.options.add_rotation
    }
    #[inline(always)]
    fn is_natural(&self) -> bool {
        self.options.natural_direction
    }
    #[inline(always)]
    fn prepare_own<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        if self.is_smooth() {
            self.circular.prepare(params, prepared);
        } else {
            self.spline.prepare(params, prepared);
        }
    }
    #[inline(always)]
    fn prepare_own_vjp<P: Real>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        if self.is_smooth() {
            self.circular.prepare_vjp(cot_prepared, cot_params);
        } else {
            self.spline.prepare_vjp(params, prepared, cot_prepared, cot_params);
        }
    }
    #[inline(always)]
    fn go<R: Real, P: Lift<R>>(&self, prepared: &[P], from: [R; 2], direct: bool) -> Moved<R> {
        let failed = R::Mask::splat(false);
        if self.is_smooth() {
            let (to, ln) = self.circular.map(prepared, from, !direct);
            return Moved { to, ln, failed };
        }
        let at = shares(from);
        let mapped = self.spline.map(prepared, at, !direct);
        Moved { to: unit(mapped.to), ln: mapped.ln, failed }
    }
    #[inline(always)]
    fn go_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        from: [R; 2],
        to: [R; 2],
        direct: bool,
        cot: MovedCot<R>,
        cot_prepared: &mut [R],
    ) -> R {
        if self.is_smooth() {
            return self.circular.map_vjp(prepared, from, !direct, (cot.angle, cot.ln), cot_prepared);
        }
        let by_share = Ends { low: cot.angle.scale(TAU), high: R::zero() };
        let mapped = MappedCot { to: by_share, ln_ratio: None, ln: cot.ln };
        let (base, target) = if direct { (from, to) } else { (to, from) };
        let ends = self.spline.map_vjp(prepared, [shares(base), shares(target)], mapped, cot_prepared, !direct);
        (ends.low - ends.high).scale(1.0 / TAU)
    }
}

impl Bijection for SplineCircle {
    const VECTORISED: bool = true;

    fn name(&self) -> &'static str {
        "o"
    }
    fn params(&self) -> usize {
        self.params
    }
    fn prepared(&self) -> usize {
        let own = if self.is_smooth() { self.circular.prepared() } else { self.spline.prepared() };
        circle::rotation(self.options.add_rotation) + own
    }
    fn scratch(&self) -> usize {
        circle::SCRATCH
    }

    fn options(&self) -> Vec<Written> {
        self.options.written()
    }

    fn state(&self) -> Vec<StateTensor> {
        let mut tensors =
            StateTensor::list([("householder_params", &[1, circle::rotation(self.options.add_rotation)])]);
        tensors.extend(if self.is_smooth() { self.circular.state() } else { self.spline.state() });
        tensors
    }

    fn initial(&self, rng: &mut dyn Rng, params: &mut [f64]) {
        params.fill(if self.is_smooth() { 0.0 } else { START });
        circle::initial_rotation(self, rng, params);
    }
    #[inline(always)]
    fn prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        circle::prepare(self, params, prepared);
    }
    #[inline(always)]
    fn prepare_vjp<P: Real>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        circle::prepare_vjp(self, params, prepared, cot_prepared, cot_params);
    }
    #[inline(always)]
    fn inverse<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        circle::inverse(self, prepared, x, log_det, scratch);
    }
    #[inline(always)]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        circle::inverse_vjp(self, prepared, scratch, cot, cot_log_det, cot_prepared);
    }
    #[inline(always)]
    fn forward<R: Real, P: Lift<R>>(&self, prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        circle::forward(self, prepared, z, log_det, scratch)
    }
    #[inline(always)]
    fn forward_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        circle::forward_vjp(self, prepared, scratch, cot, cot_log_det, cot_prepared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::ChainType;
    use crate::layers::bounded::{reference, wave};
    use crate::layers::circle::tests::{
        BESIDE, at_the_special_points, derivatives_of_bent_maps, well_conditioned_extremes,
    };
    use crate::layers::laws::{Tolerance, check};
    use crate::manifolds::Manifold;
    use crate::testing::Walk;
    use flow_notation::settings::o;

    const fn float(value: f64) -> u128 {
        value.to_bits() as u128
    }
    type Plain<const K: u128, Rest = ()> = o::smooth_second_derivative<0, o::num_basis_functions<K, Rest>>;
    type Still<Rest = ()> = o::add_rotation<0, Rest>;
    type Back<Rest = ()> = o::natural_direction<0, Rest>;
    type Fixed<Rest = ()> = o::fix_boundary_derivatives<{ float(0.7) }, Rest>;
    type First<Rest = ()> = o::fix_first_width_n_height_to_zero<1, Rest>;
    type Second<Rest = ()> = o::also_fix_second_width_to_zero<1, First<Rest>>;
    type Independent<Rest = ()> = o::independent_width_height_parametrization<1, Rest>;
    type Least<Rest = ()> = o::min_width<{ float(0.02) }, o::min_height<{ float(0.03) }, Rest>>;
    type Tiny<Rest = ()> = o::min_width<{ float(1e-8) }, o::min_height<{ float(1e-8) }, Rest>>;
    type Steep<Rest = ()> = o::min_derivative<{ float(0.1) }, Rest>;

    fn holds<Opts: Options<CircleSplineOptions>>(seed: u64) {
        type Chain<Opts> = (CircleSpline<Opts>, (CircleSpline<Opts>, ()));
        let told = |e: crate::testing::Broken| panic!("{:?}: {e}", Opts::VALUE);
        check::<Circle, (CircleSpline<Opts>, ())>(seed, 4, 0.7, Tolerance::F64).unwrap_or_else(told);
        check::<Circle, Chain<Opts>>(seed, 3, 0.7, Tolerance::F64).unwrap_or_else(told);
        at_the_special_points::<Chain<Opts>>(seed, 0.7, !Opts::VALUE.smooth_second_derivative);
    }

    #[test]
    fn laws_for_every_option() {
        holds::<()>(1);
        holds::<Still>(2);
        holds::<Back>(3);
        holds::<Still<Back>>(4);
        holds::<First>(5);
        holds::<Second>(6);
        holds::<Independent>(7);
        holds::<Independent<Second<Still>>>(8);
        holds::<Least>(9);
        holds::<Plain<2>>(10);
        holds::<Plain<1>>(11);
        holds::<Plain<7, Still>>(12);
        holds::<Plain<5, Back>>(13);
        holds::<Plain<5, Back<Still>>>(14);
        holds::<Plain<5, Fixed>>(15);
        holds::<Plain<1, Fixed>>(16);
        holds::<Plain<4, First>>(17);
        holds::<Plain<4, Second>>(18);
        holds::<Plain<4, Independent<Second<Still>>>>(19);
        holds::<Plain<3, Least<Steep>>>(20);
    }

    #[test]
    fn parameters_are_counted_as_published() {
        fn count<Opts: Options<CircleSplineOptions>>() -> usize {
            <CircleSpline<Opts> as LayerType<Circle>>::PARAMS
        }
        assert_eq!((count::<()>(), count::<First>(), count::<Independent<Second>>(), count::<Still>()), (8, 6, 5, 4));
        assert_eq!((count::<Plain<2>>(), count::<Plain<5, Fixed>>(), count::<Plain<4, Still>>()), (10, 18, 12));
        assert_eq!((count::<Plain<5, First>>(), count::<Plain<5, Second<Fixed>>>()), (17, 15));
    }

    /// Rows of layers.md section 15.
    #[test]
    fn reference_values() {
        fn row<Opts: Options<CircleSplineOptions>>(count: usize, inverse: [f64; 3], forward: [f64; 3]) {
            for ([from, to, ln], back) in [(inverse, true), (forward, false)] {
                let e = [from.cos(), from.sin()];
                let (point, found) = reference::<Circle, (CircleSpline<Opts>, ())>(&wave(count), &e, back);
                let mut angle = [0.0];
                Circle::intrinsic(&point, &mut angle, &mut 0.0);
                assert!((angle[0] - to).abs() < 1e-10 && (found - ln).abs() < 1e-11, "{angle:?} {found}");
            }
        }
        row::<()>(8, [2.2, 3.10186292862, -0.888622455206], [5.1, 5.01188165764, -0.767224476205]);
        row::<Plain<4, Still>>(12, [2.2, 3.28705541395, -0.129286055458], [5.1, 4.75244027243, 0.764946381135]);
    }

    /// Without a rotation the angle 0 stays, and what is beside it stays there in proportion; of a smooth spline pi as well.
    #[test]
    fn fixed_points_are_exact() {
        fn at<C: ChainType<Circle>>(params: &[f64], fixed: &[f64]) {
            for (inverse, side) in
                [true, false].into_iter().flat_map(|inverse| fixed.iter().map(move |s| (inverse, *s)))
            {
                let (there, slope) = reference::<Circle, C>(params, &[side, 0.0], inverse);
                assert_eq!(there, [side, 0.0]);
                for sin in BESIDE {
                    let (there, _) = reference::<Circle, C>(params, &[side, sin], inverse);
                    assert!((there[1] / sin / slope.exp() - 1.0).abs() < 1e-6, "{side} {sin}: {there:?} {slope}");
                }
            }
        }
        at::<(CircleSpline<Still>, ())>(&wave(4), &[1.0, -1.0]);
        at::<(CircleSpline<Still<Back>>, ())>(&wave(4), &[1.0, -1.0]);
        at::<(CircleSpline<Plain<4, Still>>, ())>(&wave(12), &[1.0]);
        at::<(CircleSpline<Plain<4, Still<Back>>>, ())>(&wave(12), &[1.0]);
    }

    /// Where a spline that is not smooth has its knot at the angle 0, each side has the derivative of its own side.
    #[test]
    fn derivatives_beside_the_knot_at_the_seam_are_those_of_their_side() {
        type C = (CircleSpline<Plain<4, Still>>, ());
        let params = wave(12);
        let chain = C::chain();
        for (inverse, side) in [(true, 1.0), (true, -1.0), (false, 1.0), (false, -1.0)] {
            let mut walk = Walk::new(&chain, &params, &[1.0, side * 1e-300], inverse);
            let (ln, mut cot) = (walk.log_det, [0.0, 0.0]);
            walk.pull(&chain, &mut cot, 1.0);
            let h = 1e-4 * side;
            let at = |k: f64| reference::<Circle, C>(&params, &[(k * h).cos(), (k * h).sin()], inverse).1;
            let one_sided =
                (-25.0 * ln + 48.0 * at(1.0) - 36.0 * at(2.0) + 16.0 * at(3.0) - 3.0 * at(4.0)) / (12.0 * h);
            assert!(
                (cot[1] - one_sided).abs() < 1e-7 * (1.0 + one_sided.abs()),
                "{inverse} {side}: {cot:?} {one_sided}"
            );
        }
    }

    #[test]
    fn extreme_parameters() {
        for size in [3.0, 6.0, 20.0, 300.0] {
            for signs in 0..16 {
                let sign = |k: usize| if signs >> (k % 4) & 1 == 1 { size } else { -size };
                let params: Vec<f64> = (0..4).map(sign).collect();
                well_conditioned_extremes::<(CircleSpline<Still>, ())>(&params);
                well_conditioned_extremes::<(CircleSpline<Still<Back>>, ())>(&params);
                well_conditioned_extremes::<(CircleSpline<Still<Tiny>>, ())>(&params);
                if size < 5.0 {
                    derivatives_of_bent_maps::<(CircleSpline<Still>, ())>(&params, false);
                    derivatives_of_bent_maps::<(CircleSpline<Still<Back>>, ())>(&params, true);
                }
                let params: Vec<f64> = (0..12).map(|k| sign(k * k + k / 2)).collect();
                well_conditioned_extremes::<(CircleSpline<Plain<4, Still>>, ())>(&params);
            }
        }
    }
}
