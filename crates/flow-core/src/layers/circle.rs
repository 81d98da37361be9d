//! What the layers of the circle share: a rotation before the layer's own map, and a map that is written in closed form in one
//! direction and serves either as the inverse or as the forward map (layers.md 6.2).
//!
//! inverse x -> map(Q^T x), forward z -> Q map^-1(z), with Q = H_1 H_2 a product of two Householder reflections, a rotation. Everything is done on
//! unit vectors: there is no angle that could jump. (The ancestor takes angles from arccos, which loses half of the digits beside 0 and
//! pi, Q17.)
//!
//! Parameters: with a rotation two reflection vectors of two numbers; then those of the map.

use super::rotation::{
    householder, householder_prepare, householder_prepare_vjp, householder_transpose, householder_transpose_vjp,
    householder_vjp,
};
use crate::numeric::{Lift, Real};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// Numbers of a unit vector.
const EMBED: usize = 2;
/// Numbers of a rotation, raw and prepared.
const ROTATION: usize = EMBED * EMBED;
/// The scratch of a layer: the point after the rotation is taken off on the target side, and the point on the base side.
pub(super) const SCRATCH: usize = 2 * EMBED;

/// A point mapped.
pub(super) struct Moved<R: Real> {
    /// Where it is now.
    pub to: [R; 2],
    /// ln of the derivative of the map taken.
    pub ln: R,
    /// Lanes in which a search failed.
    pub failed: R::Mask,
}

/// Cotangents of a [`Moved`]: of the angle of the new point, and of ln derivative.
#[derive(Clone, Copy)]
pub(super) struct MovedCot<R> {
    pub angle: R,
    pub ln: R,
}

/// A map of the circle that keeps its orientation, and what a layer does with it.
pub(super) trait CircleMap {
    /// Whether the layer rotates.
    fn rotates(&self) -> bool;
    /// Whether the forward direction takes the map itself, and inverse its inverse; or the other way round.
    fn is_natural(&self) -> bool;

    /// Parameters to prepared numbers.
    fn prepare_own<P: Real>(&self, params: &[P], prepared: &mut [P]);
    /// Cotangents of [`CircleMap::prepare_own`].
    fn prepare_own_vjp<P: Real>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]);
    /// The map (`direct`) or its inverse.
    fn go<R: Real, P: Lift<R>>(&self, prepared: &[P], from: [R; 2], direct: bool) -> Moved<R>;
    /// Cotangents of [`CircleMap::go`], which led from `from` to `to`: returns that of the angle of `from`, adds those of the prepared
    /// numbers.
    fn go_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        from: [R; 2],
        to: [R; 2],
        direct: bool,
        cot: MovedCot<R>,
        cot_prepared: &mut [R],
    ) -> R;
    /// ln of the derivative of the map itself.
    #[inline(always)]
    fn ln_slope<R: Real, P: Lift<R>>(&self, prepared: &[P], from: [R; 2]) -> R {
        self.go(prepared, from, true).ln
    }
    /// Cotangents of [`CircleMap::ln_slope`]: returns that of the angle of `from`, adds those of the prepared numbers.
    #[inline(always)]
    fn ln_slope_vjp<R: Real, P: Lift<R>>(&self, prepared: &[P], from: [R; 2], cot_ln: R, cot_prepared: &mut [R]) -> R {
        let moved = MovedCot { angle: R::zero(), ln: cot_ln };
        self.go_vjp(prepared, from, from, true, moved, cot_prepared)
    }
}

/// Numbers of the rotation, raw or prepared.
#[inline(always)]
pub(super) const fn rotation(rotates: bool) -> usize {
    if rotates { ROTATION } else { 0 }
}

/// A rotation to start from.
pub(super) fn initial_rotation<Map: CircleMap>(map: &Map, rng: &mut dyn Rng, params: &mut [f64]) {
    params[..rotation(map.rotates())].iter_mut().for_each(|p| *p = rng.sample(StandardNormal));
}

#[inline(always)]
pub(super) fn prepare<Map: CircleMap, P: Real>(map: &Map, params: &[P], prepared: &mut [P]) {
    let (turned, own) = params.split_at(rotation(map.rotates()));
    let (reflections, ready) = prepared.split_at_mut(rotation(map.rotates()));
    householder_prepare(EMBED, turned, reflections);
    map.prepare_own(own, ready);
}

/// Cotangents of [`prepare`].
#[inline(always)]
pub(super) fn prepare_vjp<Map: CircleMap, P: Real>(
    map: &Map,
    params: &[P],
    prepared: &[P],
    cot_prepared: &[P],
    cot_params: &mut [P],
) {
    let (turned, own) = params.split_at(rotation(map.rotates()));
    let (reflections, ready) = prepared.split_at(rotation(map.rotates()));
    let (cot_reflections, cot_ready) = cot_prepared.split_at(rotation(map.rotates()));
    let (cot_turned, cot_own) = cot_params.split_at_mut(rotation(map.rotates()));
    householder_prepare_vjp(EMBED, turned, reflections, cot_reflections, cot_turned);
    map.prepare_own_vjp(own, ready, cot_ready, cot_own);
}

/// Target side to base side.
#[inline(always)]
pub(super) fn inverse<Map: CircleMap, R: Real, P: Lift<R>>(
    map: &Map,
    prepared: &[P],
    x: &mut [R],
    log_det: &mut R,
    scratch: &mut [R],
) -> R::Mask {
    let (reflections, own) = prepared.split_at(rotation(map.rotates()));
    householder_transpose(EMBED, reflections, x);
    let Moved { to, ln, failed } = map.go(own, [x[0], x[1]], !map.is_natural());
    scratch.copy_from_slice(&[x[0], x[1], to[0], to[1]]);
    x.copy_from_slice(&to);
    *log_det += ln;
    failed
}

/// Cotangents of [`inverse`].
#[inline(always)]
pub(super) fn inverse_vjp<Map: CircleMap, R: Real, P: Lift<R>>(
    map: &Map,
    prepared: &[P],
    scratch: &mut [R],
    cot: &mut [R],
    cot_log_det: R,
    cot_prepared: &mut [R],
) {
    let (reflections, own) = prepared.split_at(rotation(map.rotates()));
    let (cot_reflections, cot_own) = cot_prepared.split_at_mut(rotation(map.rotates()));
    let (target, base) = scratch.split_at_mut(EMBED);
    let (from, to) = ([target[0], target[1]], [base[0], base[1]]);
    let moved = MovedCot { angle: of_angle(to, cot), ln: cot_log_det };
    let turned = map.go_vjp(own, from, to, !map.is_natural(), moved, cot_own);
    cot.copy_from_slice(&along(from, turned));
    householder_transpose_vjp(EMBED, reflections, target, cot, cot_reflections);
}

/// The log-determinant of [`inverse`] alone, for a map that is not [`Circlemap.is_natural()`].
#[inline(always)]
pub(super) fn inverse_log_det<Map: CircleMap, R: Real, P: Lift<R>>(
    map: &Map,
    prepared: &[P],
    x: &mut [R],
    log_det: &mut R,
    scratch: &mut [R],
) {
    let (reflections, own) = prepared.split_at(rotation(map.rotates()));
    householder_transpose(EMBED, reflections, x);
    scratch[..EMBED].copy_from_slice(x);
    *log_det += map.ln_slope(own, [x[0], x[1]]);
}

/// Cotangents of [`inverse_log_det`].
#[inline(always)]
pub(super) fn inverse_log_det_vjp<Map: CircleMap, R: Real, P: Lift<R>>(
    map: &Map,
    prepared: &[P],
    scratch: &mut [R],
    cot: &mut [R],
    cot_log_det: R,
    cot_prepared: &mut [R],
) {
    let (reflections, own) = prepared.split_at(rotation(map.rotates()));
    let (cot_reflections, cot_own) = cot_prepared.split_at_mut(rotation(map.rotates()));
    let target = &mut scratch[..EMBED];
    let from = [target[0], target[1]];
    let turned = map.ln_slope_vjp(own, from, cot_log_det, cot_own);
    cot.copy_from_slice(&along(from, turned));
    householder_transpose_vjp(EMBED, reflections, target, cot, cot_reflections);
}

/// Base side to target side.
#[inline(always)]
pub(super) fn forward<Map: CircleMap, R: Real, P: Lift<R>>(
    map: &Map,
    prepared: &[P],
    z: &mut [R],
    log_det: &mut R,
    scratch: &mut [R],
) -> R::Mask {
    let (reflections, own) = prepared.split_at(rotation(map.rotates()));
    let Moved { to, ln, failed } = map.go(own, [z[0], z[1]], map.is_natural());
    scratch.copy_from_slice(&[to[0], to[1], z[0], z[1]]);
    z.copy_from_slice(&to);
    householder(EMBED, reflections, z);
    *log_det += ln;
    failed
}

/// Cotangents of [`forward`].
#[inline(always)]
pub(super) fn forward_vjp<Map: CircleMap, R: Real, P: Lift<R>>(
    map: &Map,
    prepared: &[P],
    scratch: &mut [R],
    cot: &mut [R],
    cot_log_det: R,
    cot_prepared: &mut [R],
) {
    let (reflections, own) = prepared.split_at(rotation(map.rotates()));
    let (cot_reflections, cot_own) = cot_prepared.split_at_mut(rotation(map.rotates()));
    let (target, base) = scratch.split_at_mut(EMBED);
    let (from, to) = ([base[0], base[1]], [target[0], target[1]]);
    // The derivative of a product of reflections starts from its result.
    householder(EMBED, reflections, target);
    householder_vjp(EMBED, reflections, target, cot, cot_reflections);
    let moved = MovedCot { angle: of_angle(to, cot), ln: cot_log_det };
    let turned = map.go_vjp(own, from, to, map.is_natural(), moved, cot_own);
    cot.copy_from_slice(&along(from, turned));
}

/// The cotangent of the angle of the unit vector `e`, from that of its two numbers.
#[inline(always)]
fn of_angle<R: Real>(e: [R; 2], cot: &[R]) -> R {
    e[0] * cot[1] - e[1] * cot[0]
}

/// The cotangent along the circle at `e`, from that of the angle.
#[inline(always)]
fn along<R: Real>(e: [R; 2], cot_angle: R) -> [R; 2] {
    [-e[1] * cot_angle, e[0] * cot_angle]
}

#[cfg(test)]
pub(super) mod tests {
    use crate::layers::ChainType;
    use crate::layers::bounded::{finite_at, log_prob, reference};
    use crate::layers::laws::{gradients, jacobian, random_params, round_trip};
    use crate::manifolds::Circle;
    use crate::testing::Walk;
    use core::f64::consts::{PI, TAU};
    use rand::{SeedableRng, rngs::StdRng};

    /// Sines of angles beside 0 or pi: far below rounding of the angle, a few units in the last place, and more.
    pub(crate) const BESIDE: [f64; 8] = [1e-300, -1e-300, 2e-16, -2e-16, 7e-16, -1e-12, 1e-9, -1e-9];

    /// The angles 0 and pi, their neighbours, and some others.
    fn points() -> Vec<[f64; 2]> {
        let beside = BESIDE.into_iter().chain([0.0, -0.0, 1e-7, -1e-5]);
        let two = beside.flat_map(|sin: f64| [[(1.0 - sin * sin).sqrt(), sin], [-(1.0 - sin * sin).sqrt(), sin]]);
        two.chain([0.3, 1.2, 2.9, -0.9, -1.6, -3.0].map(|x: f64| [x.cos(), x.sin()])).collect()
    }

    /// The laws at points beside the seam and the antipode, and no seam in the density. A map that is `bent` has a second derivative that
    /// jumps at the seam: no differences across it.
    pub(crate) fn at_the_special_points<C: ChainType<Circle>>(seed: u64, spread: f64, bent: bool) {
        let mut rng = StdRng::seed_from_u64(seed);
        let params = random_params::<Circle, C>(&mut rng, spread);
        for point in points() {
            finite_at::<Circle, C, f64>(&params, &point);
            finite_at::<Circle, C, f32>(&params, &point);
            let held = round_trip::<Circle, C, f64>(&params, &point, 1e-12)
                .and_then(|_| round_trip::<Circle, C, f32>(&params, &point, 1e-4));
            held.unwrap_or_else(|e| panic!("{params:?}: {e}"));
            if bent && point[0] > 0.999 {
                continue;
            }
            let held = jacobian::<Circle, C>(&params, &point, 1e-6)
                .and_then(|_| gradients::<Circle, C>(&mut rng, &params, &point, true, 1e-6))
                .and_then(|_| gradients::<Circle, C>(&mut rng, &params, &point, false, 1e-6));
            held.unwrap_or_else(|e| panic!("{params:?}: {e}"));
        }
        for angle in [0.0, PI] {
            let at = |x: f64| log_prob::<Circle, C>(&params, &[x]);
            let here = at(angle);
            for ulps in [1.0, -1.0, 3.0, -5.0] {
                for turned in [0.0, TAU, -TAU] {
                    let beside = at(angle + turned + ulps * 4.0 * f64::EPSILON);
                    assert!((beside - here).abs() < 1e-12, "{angle} {turned} {ulps}: {beside} {here}");
                }
            }
        }
    }

    /// Round trips as good as the map is conditioned, and finite derivatives, for parameters at the ends of their range.
    pub(crate) fn well_conditioned_extremes<C: ChainType<Circle>>(params: &[f64]) {
        for point in points() {
            finite_at::<Circle, C, f64>(params, &point);
            finite_at::<Circle, C, f32>(params, &point);
            for inverse in [true, false] {
                let (there, ln) = reference::<Circle, C>(params, &point, inverse);
                let (back, ln_back) = reference::<Circle, C>(params, &there, !inverse);
                assert!((there[0].hypot(there[1]) - 1.0).abs() < 1e-15, "{there:?}");
                // Rounding of the angle in between (an ulp of pi is 4e-16), stretched by the way back; and what it does to the derivative.
                let grown = 2e-15 * (2.0 + ln_back.exp());
                let turned = |by: f64| {
                    let beside = [point[0] - by * point[1], point[1] + by * point[0]];
                    (reference::<Circle, C>(params, &beside, inverse).1 - ln).abs()
                };
                let bent = turned(grown).max(turned(-grown));
                let off = (back[0] - point[0]).hypot(back[1] - point[1]);
                assert!(off < grown, "{params:?} {point:?} {inverse}: {off:e} of {grown:e}");
                assert!(
                    (ln + ln_back).abs() < 1e-10 + 2.0 * bent,
                    "{params:?} {point:?} {inverse}: {ln} {ln_back} {bent}"
                );
            }
        }
    }

    /// Derivatives of strongly bent maps: in the direction that is a formula against differences, and those of both directions against
    /// each other. As going there and back changes nothing, whatever are the parameters: if forward takes cotangents (x, l) of
    /// point and log-determinant to (z, p) of point and parameters, inverse takes (-z, -l) to (-x, p).
    pub(crate) fn derivatives_of_bent_maps<C: ChainType<Circle>>(params: &[f64], inverse: bool) {
        let mut rng = StdRng::seed_from_u64(2);
        let chain = C::chain();
        for point in points() {
            gradients::<Circle, C>(&mut rng, params, &point, inverse, 1e-6)
                .unwrap_or_else(|e| panic!("{params:?}: {e}"));

            // What either map leaves is good for the derivatives of both.
            let mut walk = Walk::new(&chain, params, &point, true);
            let ln = walk.log_det;
            let (cot, cot_ln) = (0.7, -1.3);
            let mut there = [-point[1] * cot, point[0] * cot];
            let by_forward = walk.clone().pull_as(&chain, false, &mut there, cot_ln);
            let mut back = there.map(|cot| -cot);
            let by_inverse = walk.pull(&chain, &mut back, -cot_ln);
            // In units of the terms that cancel on the way.
            let size = there.iter().fold(1.0_f64, |most, cot| most.max(cot.abs())) * (1.0 + ln.exp());
            let turned = point[0] * back[1] - point[1] * back[0];
            assert!((turned + cot).abs() < 1e-12 * size, "{params:?} {point:?}: {turned} {size:e}");
            let largest = by_forward.iter().fold(size, |most, cot| most.max(cot.abs()));
            for (a, b) in by_forward.iter().zip(&by_inverse) {
                assert!((a - b).abs() < 1e-9 * largest, "{params:?} {point:?}: {by_forward:?} {by_inverse:?}");
            }
        }
    }
}
