//! Layer r: a rational-quadratic spline of an interval onto itself (layers.md 5.2; the spline itself is in spline.rs).
//!
//! forward is the spline, inverse its closed-form inverse. The point is taken as the pair of its distances to both ends, so nothing is
//! clipped: any bounds work, and both ends are fixed points with finite derivatives.
//!
//! Parameters: widths, heights, slopes (raw; those that an option fixes are left out).

use super::spline::{Ends, Mapped, MappedCot, SplineOptions};
use super::{AnyLayer, Bijection, LayerType, Options, StateTensor};
use crate::manifolds::{Bounds, Interval};
use crate::numeric::{Lift, Mask, Real};
use core::marker::PhantomData;
use flow_notation::Written;
use flow_notation::options::IntervalSplineOptions;
use rand::Rng;
use std::sync::Arc;

/// Slopes of a spline with all its parameters at this value are 1: ln(1 + e^0.54) = 1.
pub(super) const START: f64 = 0.54;

/// Layer r in the type of a flow: a rational-quadratic spline of the interval. See the options in
/// [`IntervalSplineOptions`].
pub struct IntervalSpline<Opts>(PhantomData<Opts>);

impl<const LOW: u64, const HIGH: u64, Opts: Options<IntervalSplineOptions>> LayerType<Interval<LOW, HIGH>>
    for IntervalSpline<Opts>
{
    const PARAMS: usize = spline(Opts::VALUE).params();

    fn layer() -> Arc<dyn AnyLayer> {
        layer(f64::from_bits(LOW), f64::from_bits(HIGH), Opts::VALUE)
    }
}

/// The layer for these options.
#[inline(never)]
fn layer(low: f64, high: f64, options: IntervalSplineOptions) -> Arc<dyn AnyLayer> {
    Arc::new(BoundedSpline { options, bounds: Bounds { low, high }, spline: spline(options) })
}

/// The spline of these options.
const fn spline(options: IntervalSplineOptions) -> SplineOptions {
    SplineOptions {
        bins: options.num_basis_functions as usize,
        fix_boundary_derivatives: options.fix_boundary_derivatives,
        periodic: false,
        smooth_second_derivative: options.smooth_second_derivative,
        restrict_max_min_width_height_ratio: options.restrict_max_min_width_height_ratio,
        fix_first_width_n_height_to_zero: options.fix_first_width_n_height_to_zero,
        also_fix_second_width_to_zero: options.also_fix_second_width_to_zero,
        independent_width_height_parametrization: options.independent_width_height_parametrization,
        min_width: options.min_width,
        min_height: options.min_height,
        min_derivative: options.min_derivative,
    }
}

/// Layer r.
struct BoundedSpline {
    options: IntervalSplineOptions,
    bounds: Bounds,
    spline: SplineOptions,
}

impl BoundedSpline {
    /// One direction of the map: target and base side are numbers 0 and 1, or 2 and 3, of the scratch.
    #[inline(always)]
    fn walk<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        x: &mut [R],
        log_det: &mut R,
        scratch: &mut [R],
        inverse: bool,
    ) {
        let [low, high] = self.bounds.shares(x[0]);
        let at = Ends { low, high };
        let Mapped { to, ln, .. } = self.spline.map(prepared, at, inverse);
        x[0] = self.bounds.at_shares([to.low, to.high]);
        *log_det += ln;
        let (target, base) = if inverse { (at, to) } else { (to, at) };
        scratch.copy_from_slice(&[target.low, target.high, base.low, base.high]);
    }

    #[inline(always)]
    fn walk_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &[R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
        inverse: bool,
    ) {
        let target = Ends { low: scratch[0], high: scratch[1] };
        let base = Ends { low: scratch[2], high: scratch[3] };
        let to = Ends { low: cot[0].scale(self.bounds.length()), high: R::zero() };
        let cot_mapped = MappedCot { to, ln_ratio: None, ln: cot_log_det };
        let ends = self.spline.map_vjp(prepared, [base, target], cot_mapped, cot_prepared, inverse);
        cot[0] = (ends.low - ends.high).scale(1.0 / self.bounds.length());
    }
}

impl Bijection for BoundedSpline {
    const VECTORISED: bool = true;

    fn name(&self) -> &'static str {
        "r"
    }
    fn params(&self) -> usize {
        self.spline.params()
    }
    fn prepared(&self) -> usize {
        self.spline.prepared()
    }
    fn scratch(&self) -> usize {
        4
    }

    fn options(&self) -> Vec<Written> {
        self.options.written()
    }

    fn state(&self) -> Vec<StateTensor> {
        self.spline.state()
    }

    fn initial(&self, _: &mut dyn Rng, params: &mut [f64]) {
        params.fill(if self.spline.smooth_second_derivative { 0.0 } else { START });
    }
    #[inline(always)]
    fn prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        self.spline.prepare(params, prepared);
    }
    #[inline(always)]
    fn prepare_vjp<P: Real>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        self.spline.prepare_vjp(params, prepared, cot_prepared, cot_params);
    }
    #[inline(always)]
    fn inverse<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        self.walk(prepared, x, log_det, scratch, true);
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
        self.walk_vjp(prepared, scratch, cot, cot_log_det, cot_prepared, true);
    }
    #[inline(always)]
    fn forward<R: Real, P: Lift<R>>(&self, prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        self.walk(prepared, z, log_det, scratch, false);
        R::Mask::splat(false)
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
        self.walk_vjp(prepared, scratch, cot, cot_log_det, cot_prepared, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::ChainType;
    use crate::layers::bounded::{Unit, finite_at, first, reference, wave};
    use crate::layers::laws::{Tolerance, check_samples, random_params};
    use crate::testing::Walk;
    use flow_notation::settings::r;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    type Wide = Interval<{ (-3.0f64).to_bits() }, { 3.0f64.to_bits() }>;
    type Far = Interval<{ 100.0f64.to_bits() }, { 110.0f64.to_bits() }>;
    type Both = Interval<{ (-1.0f64).to_bits() }, { 1.0f64.to_bits() }>;

    const fn float(value: f64) -> u128 {
        value.to_bits() as u128
    }
    type Fixed<Rest = ()> = r::fix_boundary_derivatives<{ float(1.0) }, Rest>;
    type Smooth<const K: u128, Rest = ()> = r::smooth_second_derivative<1, r::num_basis_functions<K, Rest>>;
    type First<Rest = ()> = r::fix_first_width_n_height_to_zero<1, Rest>;
    type Second<Rest = ()> = r::also_fix_second_width_to_zero<1, First<Rest>>;
    type Independent<Rest = ()> = r::independent_width_height_parametrization<1, Rest>;
    type Ratio<Rest = ()> = r::restrict_max_min_width_height_ratio<{ float(20.0) }, Rest>;
    type Least<Rest = ()> =
        r::min_width<{ float(0.02) }, r::min_height<{ float(0.03) }, r::min_derivative<{ float(0.1) }, Rest>>>;

    /// Laws on four intervals, and finite ends.
    fn holds<Opts: Options<IntervalSplineOptions>>(seed: u64) {
        type Chain<Opts> = (IntervalSpline<Opts>, (IntervalSpline<Opts>, ()));
        let told = |e: crate::testing::Broken| panic!("{:?}: {e}", Opts::VALUE);
        check_samples::<Unit, (IntervalSpline<Opts>, ())>(seed, 4, 0.7, Tolerance::F64).unwrap_or_else(told);
        check_samples::<Wide, Chain<Opts>>(seed, 4, 0.7, Tolerance::F64).unwrap_or_else(told);
        check_samples::<Both, Chain<Opts>>(seed, 2, 0.7, Tolerance::F64).unwrap_or_else(told);
        // Far from zero the distances to the ends are known to 1e-15 of the position only: less room in f32.
        let loose = Tolerance { round_trip: 1e-9, ..Tolerance::F64 };
        check_samples::<Far, (IntervalSpline<Opts>, ())>(seed, 2, 0.3, loose).unwrap_or_else(told);
        for end in [-3.0, 3.0] {
            let mut rng = StdRng::seed_from_u64(seed);
            let params = random_params::<Wide, Chain<Opts>>(&mut rng, 0.7);
            finite_at::<Wide, Chain<Opts>, f64>(&params, &[end]);
            finite_at::<Wide, Chain<Opts>, f32>(&params, &[end]);
        }
    }

    #[test]
    fn laws_for_every_option() {
        holds::<()>(1);
        holds::<r::num_basis_functions<1>>(2);
        holds::<r::num_basis_functions<12>>(3);
        holds::<Fixed>(4);
        holds::<Smooth<2>>(5);
        holds::<Smooth<3>>(6);
        holds::<Fixed<Smooth<2>>>(7);
        holds::<Fixed<Smooth<3>>>(8);
        holds::<Ratio>(9);
        holds::<Ratio<Smooth<3>>>(10);
        holds::<First>(11);
        holds::<Second>(12);
        holds::<Independent>(13);
        holds::<Independent<Second>>(14);
        holds::<Independent<Second<Fixed<Smooth<2>>>>>(15);
        holds::<Independent<Second<Fixed<Smooth<3>>>>>(16);
        holds::<Least>(17);
    }

    #[test]
    fn parameters_are_counted_as_published() {
        fn count<Opts: Options<IntervalSplineOptions>>() -> usize {
            <IntervalSpline<Opts> as LayerType<Unit>>::PARAMS
        }
        assert_eq!(
            (count::<()>(), count::<Fixed>(), count::<Smooth<2>>(), count::<Fixed<Smooth<3>>>()),
            (16, 14, 6, 4)
        );
        assert_eq!(
            (count::<First>(), count::<Second>(), count::<Independent<r::num_basis_functions<7>>>()),
            (14, 13, 22)
        );
    }

    #[test]
    fn ends_are_fixed_points_with_finite_derivatives() {
        let (chain, params) = (<(IntervalSpline<()>, ()) as ChainType<Wide>>::chain(), wave(16));
        for end in [-3.0, 3.0] {
            for inverse in [true, false] {
                let mut walk = Walk::new(&chain, &params, &[end], inverse);
                let mut cot = [0.3];
                let cot_prepared = walk.pull(&chain, &mut cot, 1.0);
                assert_eq!(walk.point, [end]);
                assert!(walk.log_det.is_finite() && cot[0].is_finite() && cot_prepared.iter().all(|c| c.is_finite()));
                assert!(cot[0] != 0.0);
            }
        }
    }

    /// Q2: on [-3, 3] and on [-1, 1] it is one spline in units of the length.
    #[test]
    fn an_interval_of_any_length_has_the_same_spline() {
        let mut rng = StdRng::seed_from_u64(3);
        let params = random_params::<Wide, (IntervalSpline<()>, ())>(&mut rng, 1.0);
        for _ in 0..100 {
            let x: f64 = rng.random_range(-1.0..1.0);
            let wide = reference::<Wide, (IntervalSpline<()>, ())>(&params, &[3.0 * x], true);
            let unit = reference::<Both, (IntervalSpline<()>, ())>(&params, &[x], true);
            assert!((wide.0[0] - 3.0 * unit.0[0]).abs() < 1e-14 && (wide.1 - unit.1).abs() < 1e-13);
        }
    }

    /// Rows of layers.md section 15.
    #[test]
    fn reference_values() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-11 * (1.0 + b.abs());
        let (to, ln) = reference::<Both, (IntervalSpline<Fixed<Smooth<2>>>, ())>(&wave(4), &[0.37], true);
        assert!(close(to[0], 0.26155121034) && close(ln, 0.168197610916), "{to:?} {ln}");
        let (to, ln) = reference::<Both, (IntervalSpline<Fixed<Smooth<2>>>, ())>(&wave(4), &[-0.6], false);
        assert!(close(to[0], -0.553246036862) && close(ln, 0.178855973138), "{to:?} {ln}");
        let (to, ln) = reference::<Both, (IntervalSpline<Smooth<3>>, ())>(&wave(6), &[0.37], true);
        assert!(close(to[0], 0.423133078458) && close(ln, -0.0491802603565), "{to:?} {ln}");
        let (to, ln) = reference::<Both, (IntervalSpline<Smooth<3>>, ())>(&wave(6), &[-0.6], false);
        assert!(close(to[0], -0.588512319983) && close(ln, 0.219659498388), "{to:?} {ln}");
        // With the map to the line.
        let (z, ln) = first::<Unit, (IntervalSpline<()>, ())>(&wave(16), &[0.37], true);
        assert!(close(z[0], -0.362788650368) && close(ln, 0.982051730472), "{z:?} {ln}");
        let (x, ln) = first::<Unit, (IntervalSpline<()>, ())>(&wave(16), &[0.4], false);
        assert!(close(x[0], 0.636753446321) && close(ln, -0.853142509296), "{x:?} {ln}");
    }
}
