//! Layer m: a mixture of Moebius maps of the circle (layers.md 7.1; the mixture itself is in moebius.rs).
//!
//! Danilo J. Rezende et al., Normalizing Flows on Tori and Spheres (2020), sections 2.1.1 and A.2.
//!
//! The mixture T is a formula, its inverse a search within a bracket that ends at rounding; derivatives of the search come from the
//! implicit function theorem. With `natural_direction = 0` T leads from the target to the base, and the density of one letter is a
//! mixture of wrapped Cauchy densities, with their wide tails; with `natural_direction = 1`, or two letters, it may fall off faster.
//!
//! T keeps the angle pi where it is and is smooth around the circle: the angle 0, where intrinsic coordinates start again, is a point
//! like any other.
//!
//! Parameters: with `add_rotation` two reflection vectors of two numbers; then four numbers of each component, see moebius.rs.

use super::circle::{self, CircleMap, Moved, MovedCot};
use super::{AnyLayer, Bijection, LayerType, Options, StateTensor, moebius};
use crate::manifolds::Circle;
use crate::numeric::{Lift, Mask, Real};
use core::marker::PhantomData;
use flow_notation::Written;
use flow_notation::options::CircleMoebiusOptions;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use std::sync::Arc;

/// Layer m in the type of a flow: a mixture of Moebius maps of the circle. See the options in [`CircleMoebiusOptions`].
pub struct CircleMoebius<Opts>(PhantomData<Opts>);

impl<Opts: Options<CircleMoebiusOptions>> LayerType<Circle> for CircleMoebius<Opts> {
    const PARAMS: usize = MoebiusCircle::<true>::new(Opts::VALUE).params;

    fn layer() -> Arc<dyn AnyLayer> {
        layer(Opts::VALUE)
    }
}

/// The layer for these options.
#[inline(never)]
fn layer(options: CircleMoebiusOptions) -> Arc<dyn AnyLayer> {
    if options.natural_direction {
        Arc::new(MoebiusCircle::<true>::new(options))
    } else {
        Arc::new(MoebiusCircle::<false>::new(options))
    }
}

/// Layer m. `NATURAL`: the mixture is the forward map.
struct MoebiusCircle<const NATURAL: bool> {
    options: CircleMoebiusOptions,
    components: usize,
    params: usize,
}

impl<const NATURAL: bool> MoebiusCircle<NATURAL> {
    const fn new(options: CircleMoebiusOptions) -> Self {
        assert!(options.num_basis_functions > 0, "layer m needs at least one component");
        let components = options.num_basis_functions as usize;
        let params = circle::rotation(options.add_rotation) + moebius::PARAMS * components;
        MoebiusCircle { options, components, params }
    }
}

impl<const NATURAL: bool> CircleMap for MoebiusCircle<NATURAL> {
    #[inline(always)]
    fn rotates(&self) -> bool {
        self.options.add_rotation
    }
    #[inline(always)]
    fn is_natural(&self) -> bool {
        NATURAL
    }
    #[inline(always)]
    fn prepare_own<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        moebius::prepare(params, prepared);
    }
    #[inline(always)]
    fn prepare_own_vjp<P: Real>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        moebius::prepare_vjp(params, prepared, cot_prepared, cot_params);
    }
    #[inline(always)]
    fn go<R: Real, P: Lift<R>>(&self, prepared: &[P], from: [R; 2], direct: bool) -> Moved<R> {
        if direct {
            let (to, slope) = moebius::map(prepared, from);
            Moved { to, ln: slope.ln(), failed: R::Mask::splat(false) }
        } else {
            let (to, slope, failed) = moebius::solve(prepared, from);
            Moved { to, ln: -slope.ln(), failed }
        }
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
        if direct {
            moebius::map_vjp(prepared, from, cot.angle, cot.ln, cot_prepared)
        } else {
            moebius::solve_vjp(prepared, to, cot.angle, cot.ln, cot_prepared)
        }
    }
    #[inline(always)]
    fn ln_slope<R: Real, P: Lift<R>>(&self, prepared: &[P], from: [R; 2]) -> R {
        moebius::slope(prepared, from).ln()
    }
    #[inline(always)]
    fn ln_slope_vjp<R: Real, P: Lift<R>>(&self, prepared: &[P], from: [R; 2], cot_ln: R, cot_prepared: &mut [R]) -> R {
        moebius::ln_slope_vjp(prepared, from, cot_ln, cot_prepared)
    }
}

impl<const NATURAL: bool> Bijection for MoebiusCircle<NATURAL> {
    const VECTORISED: bool = true;
    const HAS_LOG_DET_ONLY: bool = !NATURAL;

    fn name(&self) -> &'static str {
        "m"
    }
    fn params(&self) -> usize {
        self.params
    }
    fn prepared(&self) -> usize {
        circle::rotation(self.options.add_rotation) + moebius::prepared(self.components)
    }
    fn scratch(&self) -> usize {
        circle::SCRATCH
    }

    fn options(&self) -> Vec<Written> {
        self.options.written()
    }

    fn state(&self) -> Vec<StateTensor> {
        StateTensor::list([
            ("householder_params", &[1, circle::rotation(self.options.add_rotation)]),
            ("moebius_pars", &[1, self.components, moebius::PARAMS]),
        ])
    }

    fn initial(&self, rng: &mut dyn Rng, params: &mut [f64]) {
        params.iter_mut().for_each(|p| *p = rng.sample(StandardNormal));
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
    fn inverse_log_det<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        circle::inverse_log_det(self, prepared, x, log_det, scratch);
    }
    #[inline(always)]
    fn inverse_log_det_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        circle::inverse_log_det_vjp(self, prepared, scratch, cot, cot_log_det, cot_prepared);
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
    use crate::layers::bounded::{first, wave};
    use crate::layers::circle::tests::{at_the_special_points, derivatives_of_bent_maps, well_conditioned_extremes};
    use crate::layers::laws::{Tolerance, check};
    use flow_notation::settings::m;

    type Bare<const K: u128, Rest = ()> = m::num_basis_functions<K, Rest>;
    type Turned<Rest = ()> = m::add_rotation<1, Rest>;
    type Natural<Rest = ()> = m::natural_direction<1, Rest>;

    fn holds<Opts: Options<CircleMoebiusOptions>>(seed: u64) {
        type Chain<Opts> = (CircleMoebius<Opts>, (CircleMoebius<Opts>, ()));
        let told = |e: crate::testing::Broken| panic!("{:?}: {e}", Opts::VALUE);
        check::<Circle, (CircleMoebius<Opts>, ())>(seed, 4, 0.3, Tolerance::F64).unwrap_or_else(told);
        check::<Circle, Chain<Opts>>(seed, 4, 0.3, Tolerance::F64).unwrap_or_else(told);
        at_the_special_points::<Chain<Opts>>(seed, 0.3, false);
    }

    #[test]
    fn laws_for_every_option() {
        holds::<()>(1);
        holds::<Natural>(2);
        holds::<Turned>(3);
        holds::<Turned<Natural>>(4);
        holds::<Bare<1>>(5);
        holds::<Bare<1, Turned<Natural>>>(6);
        holds::<Bare<12>>(7);
    }

    #[test]
    fn parameters_are_counted_as_published() {
        fn count<Opts: Options<CircleMoebiusOptions>>() -> usize {
            <CircleMoebius<Opts> as LayerType<Circle>>::PARAMS
        }
        assert_eq!((count::<()>(), count::<Turned>(), count::<Bare<1>>(), count::<Bare<1, Turned>>()), (20, 24, 4, 8));
    }

    /// A row of layers.md section 15, with the map to the line.
    #[test]
    fn reference_values() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-11;
        let (z, ln) = first::<Circle, (CircleMoebius<()>, ())>(&wave(20), &[2.2], true);
        assert!(close(z[0], 0.472144431312) && close(ln, -1.01564715016), "{z:?} {ln}");
        let (x, ln) = first::<Circle, (CircleMoebius<()>, ())>(&wave(20), &[0.4], false);
        assert!(close(x[0], 2.39617834528) && close(ln, 0.965742401095), "{x:?} {ln}");
    }

    /// Components as concentrated as they can be (r = 0.999), towards the angle 0, towards pi, elsewhere, and beside others.
    #[test]
    fn extreme_parameters() {
        for l in [4.0, 9.0, 40.0, 700.0] {
            for towards in [[1.0, 0.0], [-1.0, 0.0], [-1.0, 1e-9], [0.4, -0.7], [0.6, 0.8]] {
                let one = [towards[0], towards[1], l, 0.3];
                well_conditioned_extremes::<(CircleMoebius<Bare<1>>, ())>(&one);
                well_conditioned_extremes::<(CircleMoebius<Bare<1, Natural>>, ())>(&one);
                let three = [&one[..], &[-1.0, 0.4, -l, 0.0], &[0.3, 0.5, l, -30.0]].concat();
                well_conditioned_extremes::<(CircleMoebius<Bare<3>>, ())>(&three);
                well_conditioned_extremes::<(CircleMoebius<Bare<3, Natural>>, ())>(&three);
                derivatives_of_bent_maps::<(CircleMoebius<Bare<1>>, ())>(&one, true);
                derivatives_of_bent_maps::<(CircleMoebius<Bare<3>>, ())>(&three, true);
                derivatives_of_bent_maps::<(CircleMoebius<Bare<3, Natural>>, ())>(&three, false);
            }
        }
    }
}
