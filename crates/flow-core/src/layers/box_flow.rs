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
use super::{AnyLayer, Bijection, LayerType, StateTensor};
use crate::manifolds::{LARGEST_SIMPLEX, Simplex, from_box, from_box_vjp, to_box, to_box_vjp};
use crate::networks::{DAMPING, Mlp};
use crate::numeric::{Lift, Mask, Real};
use core::marker::PhantomData;
use core::ops::Range;
use rand::Rng;
use std::sync::Arc;

const SPLINE: SplineOptions = SplineOptions { bins: 10, ..SplineOptions::DEFAULT };
/// Splines of one share.
const SPLINES: usize = 2;
/// Parameters and prepared numbers of one share.
const RAW: usize = SPLINES * SPLINE.params();
const READY: usize = SPLINES * SPLINE.prepared();
/// Width of the networks' hidden layer.
const HIDDEN: usize = 128;

/// Layer w in the type of a flow: splines on the box of a simplex, each share given the ones before it.
pub struct BoxFlow<const D: usize, Opts = ()>(PhantomData<Opts>);

impl<const D: usize> LayerType<Simplex<D>> for BoxFlow<D> {
    const PARAMS: usize = RAW + BoxSplines::new(D).weights;

    fn layer() -> Arc<dyn AnyLayer> {
        layer(D)
    }
}

#[inline(never)]
fn layer(dim: usize) -> Arc<dyn AnyLayer> {
    Arc::new(BoxSplines::new(dim))
}

/// Layer w.
struct BoxSplines {
    dim: usize,
    /// Where the weights of the network of each share start among prepared numbers.
    starts: [usize; LARGEST_SIMPLEX],
    /// Weights of all networks.
    weights: usize,
}

/// Widths of the network of share `i`, counted from 0.
const fn widths(i: usize) -> [usize; 3] {
    [i, HIDDEN, RAW]
}

/// Space of one network: what it leaves for its derivatives, and its output.
const SPACE: usize = KEPT + RAW;
const KEPT: usize = Mlp::plain(&widths(1)).hidden();

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

/// Numbers of a share's places in the scratch.
const PLACES: usize = 6;

/// The places of share `i` in the scratch.
#[inline(always)]
fn places<R: Real>(kept: &[R], i: usize) -> Places<R> {
    let kept = &kept[PLACES * i..][..PLACES];
    [[kept[0], kept[1]], [kept[2], kept[3]], [kept[4], kept[5]]]
}

impl BoxSplines {
    const fn new(dim: usize) -> Self {
        assert!(dim >= 1 && dim <= LARGEST_SIMPLEX, "simplices have 1 to 9 dimensions");
        let (mut starts, mut weights, mut i) = ([READY; LARGEST_SIMPLEX], 0, 1);
        while i < dim {
            starts[i] = READY + weights;
            weights += Mlp::plain(&widths(i)).params();
            i += 1;
        }
        BoxSplines { dim, starts, weights }
    }

    /// How often the ratio of share `i` counts.
    #[inline(always)]
    fn ratio_weight(&self, i: usize) -> f64 {
        (self.dim - 1 - i) as f64
    }
    /// Weights of the network of share `i`.
    #[inline(always)]
    fn weights(&self, i: usize) -> Range<usize> {
        let start = self.starts[i];
        start..start + Mlp::plain(&widths(i)).params()
    }
    /// The scratch: places of the shares, then the networks' activations and outputs.
    #[inline(always)]
    fn parts<'a, R>(&self, scratch: &'a mut [R]) -> (&'a mut [R], &'a mut [R]) {
        scratch.split_at_mut(PLACES * self.dim)
    }

    #[inline(always)]
    fn walk<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        x: &mut [R],
        log_det: &mut R,
        scratch: &mut [R],
        inverse: bool,
    ) {
        let (kept, networks) = self.parts(scratch);
        let mut room = [[R::zero(); 2]; LARGEST_SIMPLEX];
        let shares = &mut room[..self.dim];
        to_box(x, shares);
        // The networks read the shares of the target.
        let mut read = [R::zero(); LARGEST_SIMPLEX];
        for i in 0..self.dim {
            let mut places = [shares[i]; 3];
            let (ln, ln_ratio) = if i == 0 {
                map_share(&prepared[..READY], &mut places, inverse)
            } else {
                let (hidden, raw) = networks[(i - 1) * SPACE..][..SPACE].split_at_mut(KEPT);
                Mlp::plain(&widths(i)).evaluate(&prepared[self.weights(i)], &read[..i], hidden, raw);
                let mut ready = [R::zero(); READY];
                prepare_share(raw, &mut ready);
                map_share(&ready, &mut places, inverse)
            };
            *log_det += ln + ln_ratio.scale(self.ratio_weight(i));
            read[i] = places[0][0];
            shares[i] = places[if inverse { 2 } else { 0 }];
            kept[PLACES * i..][..PLACES].copy_from_slice(places.as_flattened());
        }
        from_box(shares, x);
    }

    #[inline(always)]
    fn walk_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
        inverse: bool,
    ) {
        let (kept, networks) = self.parts(scratch);
        let (from, to) = if inverse { (0, 2) } else { (2, 0) };
        let mut room = [[[R::zero(); 2]; LARGEST_SIMPLEX]; 2];
        let (shares, cots) = room.split_at_mut(1);
        let (shares, cots) = (&mut shares[0][..self.dim], &mut cots[0][..self.dim]);
        let mut read = [R::zero(); LARGEST_SIMPLEX];
        for i in 0..self.dim {
            let places = places(kept, i);
            read[i] = places[0][0];
            shares[i] = places[to];
        }
        from_box_vjp(shares, cot, cots);
        // What the networks ask of the target's shares.
        let mut cot_read = [R::zero(); LARGEST_SIMPLEX];
        for i in (0..self.dim).rev() {
            let places = places(kept, i);
            shares[i] = places[from];
            let mut cot_share = cots[i];
            if !inverse {
                cot_share[0] += cot_read[i];
            }
            let cot_ratio = cot_log_det.scale(self.ratio_weight(i));
            cots[i] = if i == 0 {
                let (ready, cot_ready) = (&prepared[..READY], &mut cot_prepared[..READY]);
                map_share_vjp(ready, &places, cot_share, cot_log_det, cot_ratio, cot_ready, inverse)
            } else {
                let (hidden, raw) = networks[(i - 1) * SPACE..][..SPACE].split_at_mut(KEPT);
                let (mut ready, mut cot_ready, mut cot_raw) =
                    ([R::zero(); READY], [R::zero(); READY], [R::zero(); RAW]);
                prepare_share(raw, &mut ready);
                let cot = map_share_vjp(&ready, &places, cot_share, cot_log_det, cot_ratio, &mut cot_ready, inverse);
                prepare_share_vjp(raw, &ready, &cot_ready, &mut cot_raw);
                let (own, cot_own) = (&prepared[self.weights(i)], &mut cot_prepared[self.weights(i)]);
                let cot_read = &mut cot_read[..i];
                Mlp::plain(&widths(i)).evaluate_vjp(own, &read[..i], hidden, &cot_raw, cot_read, cot_own);
                cot
            };
        }
        if inverse {
            for (cot, read) in cots.iter_mut().zip(cot_read) {
                cot[0] += read;
            }
        }
        cot.fill(R::zero());
        to_box_vjp(shares, cots, cot);
    }
}

impl Bijection for BoxSplines {
    fn name(&self) -> &'static str {
        "w"
    }
    fn params(&self) -> usize {
        RAW + self.weights
    }
    fn prepared(&self) -> usize {
        READY + self.weights
    }
    fn scratch(&self) -> usize {
        PLACES * self.dim + (self.dim - 1) * SPACE
    }

    fn state(&self) -> Vec<StateTensor> {
        StateTensor::list([("inner_flow_params", &[1, self.params()])])
    }

    fn initial(&self, rng: &mut dyn Rng, params: &mut [f64]) {
        let (first, mut weights) = params.split_at_mut(RAW);
        first.fill(START);
        for i in 1..self.dim {
            let widths = widths(i);
            let network = Mlp::plain(&widths);
            let (own, rest) = weights.split_at_mut(network.params());
            weights = rest;
            // Damped, so that the layer starts as the identity.
            network.initial(rng, DAMPING, Some(&[START; RAW]), own);
        }
    }

    #[inline]
    fn prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        prepare_share(&params[..RAW], &mut prepared[..READY]);
        prepared[READY..].copy_from_slice(&params[RAW..]);
    }
    #[inline]
    fn prepare_vjp<P: Real>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        prepare_share_vjp(&params[..RAW], &prepared[..READY], &cot_prepared[..READY], &mut cot_params[..RAW]);
        for (bar, cot) in cot_params[RAW..].iter_mut().zip(&cot_prepared[READY..]) {
            *bar += *cot;
        }
    }

    #[inline]
    fn inverse<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        self.walk(prepared, x, log_det, scratch, true);
    }
    #[inline]
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
    #[inline]
    fn forward<R: Real, P: Lift<R>>(&self, prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        self.walk(prepared, z, log_det, scratch, false);
        R::Mask::splat(false)
    }
    #[inline]
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
            <BoxFlow<1> as LayerType<Simplex<1>>>::PARAMS,
            <BoxFlow<2> as LayerType<Simplex<2>>>::PARAMS,
            <BoxFlow<3> as LayerType<Simplex<3>>>::PARAMS,
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
        BoxSplines::new(3).initial(&mut StdRng::seed_from_u64(6), &mut params);
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
