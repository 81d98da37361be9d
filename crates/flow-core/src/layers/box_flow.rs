//! Layer w: an autoregressive flow of splines on the box behind a simplex (layers.md 9.2).
//!
//! # Formula
//! With what is left, R_i = 1 - x_1 - .. - x_i, and the shares b_i = x_i / R_{i-1} of it, in [0, 1]^D:
//! ```text
//! (raw_i0, raw_i1) = MLP_i(b_1, .., b_{i-1})      (free numbers for i = 1)
//! b'_i = r(raw_i0)^-1 ( r(raw_i1)^-1 (b_i) )      two splines of ten bins, the second one first
//! ln|det| = sum_i ln db'_i/db_i + sum_{i<D} (D - i) ln ((1 - b'_i) / (1 - b_i))
//! ```
//! The last sum is the Jacobian of the box, prod_i R_i, on both sides. The ancestor adds that of its base map with a wrong one (Q8):
//! here the base map belongs to the manifold and is exact, so the letter may stand anywhere in a chain.
//!
//! Shares are kept as pairs (b, 1 - b), and a spline gives the ratio (1 - b') / (1 - b) itself, so that all of it is finite on the
//! faces. Where nothing is left to share (an edge or corner with R_{i-1} = 0), b_i counts as one half and has no derivative: the density there depends on
//! the direction of approach.
//!
//! # Parameters
//! Of the first share: r_0 (31), r_1 (31). Then for i = 2 .. D the weights of MLP_i, (i - 1) -> 128 -> 62, whose output is (r_0, r_1)
//! of share i.

use super::interval_spline::START;
use super::spline::{Ends, Mapped, MappedCot, SplineOptions};
use super::{Layer, StateTensor};
use crate::manifolds::{Simplex, from_box, from_box_vjp, to_box, to_box_vjp};
use crate::networks::{DAMPING, Mlp};
use crate::numeric::{Lift, Mask, Real};
use core::marker::PhantomData;
use rand::Rng;

const SPLINE: SplineOptions = SplineOptions { bins: 10, ..SplineOptions::DEFAULT };
/// Splines of one share.
const SPLINES: usize = 2;
/// Parameters and prepared numbers of one share.
const RAW: usize = SPLINES * SPLINE.params();
const READY: usize = SPLINES * SPLINE.prepared();
/// Width of the networks' hidden layer.
const HIDDEN: usize = 128;

/// Layer w: a flow of splines on the box of a simplex, each share given the ones before it.
pub struct BoxFlow<const D: usize, Opts = ()>(PhantomData<Opts>);

/// Widths of the network of share `i`, counted from 0.
const fn widths(i: usize) -> [usize; 3] {
    [i, HIDDEN, RAW]
}

/// Space of one network: what it leaves for its derivatives, and its output.
const SPACE: usize = KEPT + RAW;
const KEPT: usize = Mlp::plain(&widths(1)).hidden();

/// Weights of the networks of the shares before share `i`.
const fn weights_before(i: usize) -> usize {
    let (mut n, mut k) = (0, 1);
    while k < i {
        n += Mlp::plain(&widths(k)).params();
        k += 1;
    }
    n
}

/// Raw parameters of a share to prepared ones.
#[inline(always)]
fn prepare_share<P: Real>(raw: &[P], ready: &mut [P]) {
    for (raw, ready) in raw.chunks_exact(SPLINE.params()).zip(ready.chunks_exact_mut(SPLINE.prepared())) {
        SPLINE.prepare(raw, ready);
    }
}

#[inline(always)]
fn prepare_share_vjp<P: Real>(raw: &[P], ready: &[P], cot_ready: &[P], cot_raw: &mut [P]) {
    let (own, all) = (SPLINE.params(), SPLINE.prepared());
    for k in 0..SPLINES {
        let (ready, cot_ready) = (&ready[k * all..][..all], &cot_ready[k * all..][..all]);
        SPLINE.prepare_vjp(&raw[k * own..][..own], ready, cot_ready, &mut cot_raw[k * own..][..own]);
    }
}

/// A share on its three places: target side, between the splines, base side.
type Places<R> = [[R; 2]; 3];

#[inline]
fn ends<R: Real>([low, high]: [R; 2]) -> Ends<R> {
    Ends { low, high }
}

/// One share through both splines. Returns ln derivative and ln of the ratio of the distances to 1.
#[inline(always)]
fn map_share<R: Real, P: Lift<R>>(ready: &[P], places: &mut Places<R>, inverse: bool) -> (R, R) {
    let (first, second) = ready.split_at(SPLINE.prepared());
    let (mut ln, mut ratio) = (R::zero(), R::one());
    for step in 0..SPLINES {
        let own = if (step == 0) != inverse { first } else { second };
        let at = places[if inverse { step } else { 2 - step }];
        let Mapped { to, ratio: r, ln: l } = SPLINE.map(own, ends(at), inverse);
        places[if inverse { step + 1 } else { 1 - step }] = [to.low, to.high];
        ln += l;
        ratio *= r.high;
    }
    (ln, ratio.ln())
}

/// Cotangents of [`map_share`]: of the result, of ln derivative and of the logarithm of the ratio, to the argument.
#[inline(always)]
fn map_share_vjp<R: Real, P: Lift<R>>(
    ready: &[P],
    places: &Places<R>,
    cot: [R; 2],
    cot_ln: R,
    cot_ln_ratio: R,
    cot_ready: &mut [R],
    inverse: bool,
) -> [R; 2] {
    let (first, second) = ready.split_at(SPLINE.prepared());
    let (cot_first, cot_second) = cot_ready.split_at_mut(SPLINE.prepared());
    let mut cot = ends(cot);
    for step in (0..SPLINES).rev() {
        let ln_ratio = Ends { low: R::zero(), high: cot_ln_ratio };
        let mapped = MappedCot { to: cot, ln_ratio: Some(ln_ratio), ln: cot_ln };
        let of_first = (step == 0) != inverse;
        let (ready, cot_ready) = if of_first { (first, &mut *cot_first) } else { (second, &mut *cot_second) };
        let behind = if inverse { step } else { 1 - step };
        let ways = [ends(places[behind + 1]), ends(places[behind])];
        cot = SPLINE.map_vjp(ready, ways, mapped, cot_ready, inverse);
    }
    [cot.low, cot.high]
}

impl<const D: usize, Opts> BoxFlow<D, Opts> {
    const WEIGHTS: usize = weights_before(D);
    /// Places of the shares in the scratch; then the networks' activations and outputs.
    const PLACES: usize = 6 * D;
    const NETWORKS: usize = (D - 1) * SPACE;

    /// How often the ratio of share `i` counts.
    fn ratio_weight(i: usize) -> f64 {
        (D - 1 - i) as f64
    }
    /// Weights of the network of share `i`.
    fn weights(i: usize) -> core::ops::Range<usize> {
        READY + weights_before(i)..READY + weights_before(i + 1)
    }

    #[inline(always)]
    fn walk<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R], inverse: bool) {
        let (kept, networks) = scratch.split_at_mut(Self::PLACES);
        let mut shares = [[R::zero(); 2]; D];
        to_box(x, &mut shares);
        let mut places = shares.map(|share| [share; 3]);
        // The networks read the shares of the target.
        let mut read = [R::zero(); D];
        for i in 0..D {
            if inverse {
                read[i] = places[i][0][0];
            }
            let (ln, ln_ratio) = if i == 0 {
                map_share(&prepared[..READY], &mut places[i], inverse)
            } else {
                let (hidden, raw) = networks[(i - 1) * SPACE..][..SPACE].split_at_mut(KEPT);
                Mlp::plain(&widths(i)).evaluate(&prepared[Self::weights(i)], &read[..i], hidden, raw);
                let mut ready = [R::zero(); READY];
                prepare_share(raw, &mut ready);
                map_share(&ready, &mut places[i], inverse)
            };
            *log_det += ln + ln_ratio.scale(Self::ratio_weight(i));
            read[i] = places[i][0][0];
        }
        from_box(&places.map(|share| share[if inverse { 2 } else { 0 }]), x);
        for (kept, place) in kept.chunks_exact_mut(6).zip(&places) {
            kept.copy_from_slice(place.as_flattened());
        }
    }

    #[inline(always)]
    fn walk_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
        inverse: bool,
    ) {
        let (kept, networks) = scratch.split_at_mut(Self::PLACES);
        let places: [Places<R>; D] = core::array::from_fn(|i| {
            let kept = &kept[6 * i..];
            [[kept[0], kept[1]], [kept[2], kept[3]], [kept[4], kept[5]]]
        });
        let (from, to) = if inverse { (0, 2) } else { (2, 0) };
        let mut cot_to = [[R::zero(); 2]; D];
        from_box_vjp(&places.map(|share| share[to]), cot, &mut cot_to);
        let read: [R; D] = core::array::from_fn(|i| places[i][0][0]);
        let mut cot_from = [[R::zero(); 2]; D];
        // What the networks ask of the target's shares.
        let mut cot_read = [R::zero(); D];
        for i in (0..D).rev() {
            let mut cot_share = cot_to[i];
            if !inverse {
                cot_share[0] += cot_read[i];
            }
            let cot_ratio = cot_log_det.scale(Self::ratio_weight(i));
            cot_from[i] = if i == 0 {
                let (ready, cot_ready) = (&prepared[..READY], &mut cot_prepared[..READY]);
                map_share_vjp(ready, &places[i], cot_share, cot_log_det, cot_ratio, cot_ready, inverse)
            } else {
                let (hidden, raw) = networks[(i - 1) * SPACE..][..SPACE].split_at_mut(KEPT);
                let (mut ready, mut cot_ready, mut cot_raw) =
                    ([R::zero(); READY], [R::zero(); READY], [R::zero(); RAW]);
                prepare_share(raw, &mut ready);
                let cot = map_share_vjp(&ready, &places[i], cot_share, cot_log_det, cot_ratio, &mut cot_ready, inverse);
                prepare_share_vjp(raw, &ready, &cot_ready, &mut cot_raw);
                let (own, cot_own) = (&prepared[Self::weights(i)], &mut cot_prepared[Self::weights(i)]);
                let cot_read = &mut cot_read[..i];
                Mlp::plain(&widths(i)).evaluate_vjp(own, &read[..i], hidden, &cot_raw, cot_read, cot_own);
                cot
            };
        }
        let shares = places.map(|share| share[from]);
        if inverse {
            for (cot, read) in cot_from.iter_mut().zip(cot_read) {
                cot[0] += read;
            }
        }
        cot.fill(R::zero());
        to_box_vjp(&shares, &cot_from, cot);
    }
}

impl<const D: usize> Layer<Simplex<D>> for BoxFlow<D> {
    const PARAMS: usize = RAW + Self::WEIGHTS;
    const PREPARED: usize = READY + Self::WEIGHTS;
    const SCRATCH: usize = Self::PLACES + Self::NETWORKS;
    const NAME: &'static str = "w";

    fn state() -> Vec<StateTensor> {
        StateTensor::list([("inner_flow_params", &[1, <Self as Layer<Simplex<D>>>::PARAMS])])
    }

    fn initial<G: Rng + ?Sized>(rng: &mut G, params: &mut [f64]) {
        let (first, mut weights) = params.split_at_mut(RAW);
        first.fill(START);
        for i in 1..D {
            let widths = widths(i);
            let network = Mlp::plain(&widths);
            let (own, rest) = weights.split_at_mut(network.params());
            weights = rest;
            // Damped, so that the layer starts as the identity.
            network.initial(rng, DAMPING, Some(&[START; RAW]), own);
        }
    }
    #[inline]
    fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        prepare_share(&params[..RAW], &mut prepared[..READY]);
        prepared[READY..].copy_from_slice(&params[RAW..]);
    }
    #[inline]
    fn prepare_vjp<P: Real>(params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        prepare_share_vjp(&params[..RAW], &prepared[..READY], &cot_prepared[..READY], &mut cot_params[..RAW]);
        for (bar, cot) in cot_params[RAW..].iter_mut().zip(&cot_prepared[READY..]) {
            *bar += *cot;
        }
    }
    #[inline]
    fn inverse<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        Self::walk(prepared, x, log_det, scratch, true);
    }
    #[inline]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        Self::walk_vjp(prepared, scratch, cot, cot_log_det, cot_prepared, true);
    }
    #[inline]
    fn forward<R: Real, P: Lift<R>>(prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        Self::walk(prepared, z, log_det, scratch, false);
        R::Mask::splat(false)
    }
    #[inline]
    fn forward_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        Self::walk_vjp(prepared, scratch, cot, cot_log_det, cot_prepared, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::bounded::{faces, finite_at, first, wave};
    use crate::layers::laws::{Tolerance, check_samples, random_params};
    use rand::{SeedableRng, rngs::StdRng};

    type Chain<const D: usize> = (BoxFlow<D>, ());

    // The laws of larger simplices, with derivatives by thousands of parameters, are in tests/wide_laws.rs, which is compiled with optimisation.
    #[test]
    fn laws() {
        check_samples::<Simplex<1>, (BoxFlow<1>, (BoxFlow<1>, ()))>(1, 4, 0.5, Tolerance::F64).unwrap();
    }

    #[test]
    fn parameters_are_counted_as_published() {
        let count = |n: [usize; 3]| assert_eq!(n, [62, 8316, 16698]);
        count([
            <BoxFlow<1> as Layer<Simplex<1>>>::PARAMS,
            <BoxFlow<2> as Layer<Simplex<2>>>::PARAMS,
            <BoxFlow<3> as Layer<Simplex<3>>>::PARAMS,
        ]);
    }

    #[test]
    fn everything_is_finite_on_faces_edges_and_corners() {
        fn at<const D: usize>() {
            let params = random_params::<Simplex<D>, Chain<D>>(&mut StdRng::seed_from_u64(5), 0.2);
            for x in faces(D) {
                finite_at::<Simplex<D>, Chain<D>, f64>(&params, &x);
                finite_at::<Simplex<D>, Chain<D>, f32>(&params, &x);
            }
        }
        at::<1>();
        at::<2>();
        at::<3>();
        at::<9>();
    }

    #[test]
    fn it_starts_as_the_identity() {
        let mut params = vec![0.0; 16698];
        <BoxFlow<3> as Layer<Simplex<3>>>::initial(&mut StdRng::seed_from_u64(6), &mut params);
        let x = [0.1, 0.3, 0.2, 0.4];
        let (to, ln) = crate::layers::bounded::reference::<Simplex<3>, Chain<3>>(&params, &x, true);
        assert!(to.iter().zip(x).all(|(a, b)| (a - b).abs() < 0.01) && ln.abs() < 0.05, "{to:?} {ln}");
    }

    /// Rows of layers.md section 15. For D = 3 the ancestor's log-determinant lacks ln 2 (Q8).
    #[test]
    fn reference_values() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-10 * (1.0 + b.abs());
        let (z, ln) = first::<Simplex<2>, Chain<2>>(&wave(8316), &[0.3, 0.25], true);
        assert!(close(z[0], -0.0372944082054) && close(z[1], 3.36821443368) && close(ln, -6.69580186983), "{z:?} {ln}");
        let (z, ln) = first::<Simplex<3>, Chain<3>>(&wave(16698), &[0.3, 0.25, 0.1], true);
        // Printed to 1.2e-9: the reference beyond 5 sigma.
        assert!(close(z[0], -0.0372944082054) && (z[1] - 5.13231694895).abs() < 2e-9 && close(z[2], 3.6405985561));
        assert!((ln - core::f64::consts::LN_2 - -13.4827519788).abs() < 1e-8, "{ln}");
    }
}
