//! Step 2 of layer f with `add_correlated_rq_spline_flow`: splines around the axis that a network gives for every z.
//!
//! # Formula
//! ```text
//! (p_1, p_2, ..) = MLP(z)      the network 1 -> 64 -> 8 L for L letters o, z that of the target side, in both directions
//! phi' = phi turned by spline_1, then by rotation_1, then by spline_2, ..      (base to target)
//! ```
//! A letter has eight numbers: the vectors v_1, v_2 of two reflections of the plane, raw widths (two), raw heights (two) of a smooth circular
//! spline (circular_spline.rs). Two reflections are one rotation, by twice the angle from v_2 to v_1.
//!
//! The splines do not end at the poles, where the azimuth has no meaning: the map is one to one and area is accounted for, but around a pole the
//! density depends on the direction of approach and has derivatives across it that grow like 1 / sin(theta). All numbers stay finite there.

use super::AxisFlow;
use super::around::{AroundCot, wrapped};
use super::place::Place;
use crate::layers::circular_spline::CircularOptions;
use crate::networks::{DAMPING, Mlp};
use crate::numeric::{Lift, Real, Scalar};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// Width of the network's hidden layer.
const HIDDEN: usize = 64;
/// Numbers of a letter: two reflections of the plane, ..
const ROTATION: usize = 4;
/// .. and a spline.
const SPLINE: CircularOptions = CircularOptions::DEFAULT;
const LETTER: usize = ROTATION + SPLINE.params();

/// A letter's rotation and its prepared spline.
struct Letter<R> {
    turn: R,
    spline: [R; SPLINE.prepared()],
}

impl<R: Real> Letter<R> {
    #[inline(always)]
    fn of(raw: &[R]) -> Self {
        let mut spline = [R::zero(); SPLINE.prepared()];
        SPLINE.prepare(&raw[ROTATION..], &mut spline);
        Letter { turn: rotation(raw), spline }
    }
}

/// v in units of its largest component.
#[inline(always)]
fn scaled<R: Real>([a, b]: [R; 2]) -> [R; 2] {
    let size = a.abs().max(b.abs()).max(R::constant(R::Scalar::TINY));
    [a / size, b / size]
}

/// The angle of the rotation H_1 H_2: with w = v_1 conj(v_2) that of w^2, in [-pi, pi].
#[inline(always)]
fn rotation<R: Real>(raw: &[R]) -> R {
    let ([a, b], [c, d]) = (scaled([raw[0], raw[1]]), scaled([raw[2], raw[3]]));
    let (re, im) = (a * c + b * d, b * c - a * d);
    (re * im).scale(2.0).atan2((re - im) * (re + im))
}

/// Cotangents of [`rotation`]: d angle = 2 (v_1 x dv_1) / |v_1|^2 - 2 (v_2 x dv_2) / |v_2|^2.
#[inline(always)]
fn rotation_vjp<R: Real>(raw: &[R], cot: R, cot_raw: &mut [R]) {
    for (k, sign) in [(0, 2.0), (2, -2.0)] {
        let (a, b) = (raw[k], raw[k + 1]);
        let each = cot.scale(sign) / (a.square() + b.square()).max(R::constant(R::Scalar::TINY));
        cot_raw[k] -= each * b;
        cot_raw[k + 1] += each * a;
    }
}

impl<const KIND: u8> AxisFlow<KIND> {
    const fn output(&self) -> usize {
        LETTER * self.circulars()
    }
    /// The network.
    pub(super) const fn network(&self) -> Mlp<'_> {
        Mlp::new(&self.widths, self.options.correlated_max_rank as usize, 0)
    }
    /// Its widths, given how many letters there are.
    pub(super) const fn network_widths(letters: usize) -> [usize; 3] {
        [1, HIDDEN, LETTER * letters]
    }
    /// Scratch of the network: its activations, its output and the output's cotangents.
    pub(super) const fn predicted_len(&self) -> usize {
        if self.correlated() { self.network().hidden() + 2 * self.output() } else { 0 }
    }

    /// Weights that start each letter as a random rotation and no spline, nearly the same for every z.
    pub(super) fn initial_network(&self, rng: &mut dyn Rng, weights: &mut [f64]) {
        let mut output = vec![0.0; self.output()];
        for letter in output.chunks_exact_mut(LETTER) {
            letter[..ROTATION].iter_mut().for_each(|p| *p = rng.sample(StandardNormal));
        }
        self.network().initial(rng, DAMPING, Some(&output), weights);
    }

    /// The angle by which the splines turn; leaves the azimuths between letters and the network's numbers in the scratch.
    #[inline(always)]
    pub(super) fn predicted<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        at: &Place<R>,
        mut azimuth: R,
        scratch: &mut [R],
        inverse: bool,
        log_det: &mut R,
    ) -> R {
        let (azimuths, rest) = scratch[self.azimuths..].split_at_mut(self.circulars() + 1);
        let (hidden, rest) = rest.split_at_mut(self.network().hidden());
        let raw = &mut rest[..self.output()];
        self.network().evaluate(&prepared[self.circular_at.1..self.end.1], &[at.low - at.high], hidden, raw);
        let acts = self.acts(at);
        let only = |value: R| R::select(acts, value, R::zero());
        let mut turned = R::zero();
        for letter in Self::order(self.circulars(), inverse) {
            azimuths[letter + usize::from(inverse)] = azimuth;
            let Letter { turn: rotation, spline } = Letter::of(&raw[letter * LETTER..][..LETTER]);
            let rotation = only(if inverse { -rotation } else { rotation });
            if inverse {
                azimuth = wrapped(azimuth + rotation);
            }
            let (turn, ln) = SPLINE.turn(&spline, R::one(), azimuth, inverse);
            azimuth = wrapped(azimuth + only(turn));
            if !inverse {
                azimuth = wrapped(azimuth + rotation);
            }
            turned += rotation + only(turn);
            *log_det += only(ln);
        }
        azimuths[if inverse { 0 } else { self.circulars() }] = azimuth;
        turned
    }

    /// Cotangents of the angle turned and of the log-determinant, pulled back.
    #[inline(always)]
    pub(super) fn predicted_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        at: &Place<R>,
        scratch: &mut [R],
        inverse: bool,
        (cot_turned, cot_ln): (R, R),
        cot_prepared: &mut [R],
    ) -> AroundCot<R> {
        let (azimuths, rest) = scratch[self.azimuths..].split_at_mut(self.circulars() + 1);
        let (hidden, rest) = rest.split_at_mut(self.network().hidden());
        let (raw, rest) = rest.split_at_mut(self.output());
        let cot_raw = &mut rest[..self.output()];
        cot_raw.fill(R::zero());
        let acts = self.acts(at);
        let only = |value: R| R::select(acts, value, R::zero());
        let (cot_turned, cot_ln) = (only(cot_turned), only(cot_ln));
        let mut cot_azimuth = R::zero();
        for letter in Self::order(self.circulars(), inverse).rev() {
            let of = letter * LETTER..(letter + 1) * LETTER;
            let (raw, cot_raw) = (&raw[of.clone()], &mut cot_raw[of]);
            let Letter { spline, .. } = Letter::of(raw);
            // The rotation lies behind the spline.
            let azimuth = azimuths[letter];
            let behind = cot_turned + cot_azimuth;
            let mut cot_spline = [R::zero(); SPLINE.prepared()];
            let (_, by_azimuth) =
                SPLINE.turn_vjp(&spline, R::one(), azimuth, inverse, (behind, cot_ln), &mut cot_spline);
            SPLINE.prepare_vjp(&cot_spline, &mut cot_raw[ROTATION..]);
            rotation_vjp(raw, if inverse { -(behind + by_azimuth) } else { behind }, cot_raw);
            cot_azimuth += by_azimuth;
        }
        let (of, mut cot_z) = (self.circular_at.1..self.end.1, [R::zero()]);
        let (weights, cot_weights) = (&prepared[of.clone()], &mut cot_prepared[of]);
        self.network().evaluate_vjp(weights, &[at.low - at.high], hidden, cot_raw, &mut cot_z, cot_weights);
        AroundCot { azimuth: cot_azimuth, up: cot_z[0].scale(2.0) }
    }
}
