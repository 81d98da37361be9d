//! The polar angle of one level of layer n: its zenith letters, with parameters given.
//!
//! Level m is the height of a point of S^m over S^{m-1}. In h = (1 - cos theta)/2 and c = 1 - h area is (4 h
//! c)^{(m-2)/2} 2 dh times that of S^{m-1}, so a map of h adds ln dh'/dh + (m - 2)/2 ln (h' c') / (h c). For the spline
//! letters both ratios are smooth up to the poles and given by the spline itself; the letters g have du = dh / (h c),
//! and add ln du'/du + m/2 ln (h' c') / (h c).

use super::ANY;
use super::options::{Zenith, ZenithLetter};
use super::point::Polar;
use crate::layers::gauss1d;
use crate::layers::interval_spline::START;
use crate::layers::spline::{Ends, Mapped, MappedCot, SplineOptions};
use crate::manifolds::half_squares;
use crate::numeric::{Mask, Real};

/// The spline of a zenith letter r.
const SPLINE: SplineOptions = SplineOptions::DEFAULT;
const SPLINE_PREPARED: usize = SPLINE.prepared();

/// Numbers kept of a height.
const HEIGHT: usize = 2;

/// What a zenith letter maps: for r (and x, z) the pair (h, c), for g the Mercator coordinate u (and a zero).
type Height<R> = [R; HEIGHT];

impl ZenithLetter {
    /// Parameters of one letter.
    const fn params(self) -> usize {
        match self {
            ZenithLetter::Spline => SPLINE.params(),
            ZenithLetter::Gaussianisation => gauss1d::PARAMS,
            ZenithLetter::Identity => 0,
        }
    }
}

#[inline(always)]
fn spline<R: Real>(raw: &[R]) -> [R; SPLINE_PREPARED] {
    let mut prepared = [R::zero(); SPLINE_PREPARED];
    SPLINE.prepare(raw, &mut prepared);
    prepared
}

#[inline(always)]
fn mapped<R: Real>(m: Mapped<R>) -> (Height<R>, R, R) {
    ([m.to.low, m.to.high], m.ln, (m.ratio.low * m.ratio.high).sqrt())
}

#[inline(always)]
fn ends<R: Real>(at: &Height<R>) -> Ends<R> {
    Ends { low: at[0], high: at[1] }
}

/// A cotangent of h as one of the distance to the nearer pole, which is the one that a spline gives precisely.
#[inline(always)]
fn cot_mapped<R: Real>(to: &Height<R>, cot: R, cot_ln: R, cot_ln_shrunk: R) -> MappedCot<R> {
    let north = to[0].lt(to[1]);
    // shrunk^2 is the product of both ratios.
    let half = cot_ln_shrunk.scale(0.5);
    let ends = Ends { low: R::select(north, cot, R::zero()), high: R::select(north, R::zero(), -cot) };
    MappedCot { to: ends, ln_ratio: Some(Ends { low: half, high: half }), ln: cot_ln }
}

impl Zenith {
    /// How many letters there are to go through.
    const fn letters(&self) -> usize {
        match self.letter {
            ZenithLetter::Identity => 0,
            _ => self.repeats,
        }
    }
    /// Parameters of the chain.
    pub(super) const fn params(&self) -> usize {
        self.letters() * self.letter.params()
    }
    /// How many numbers are kept of the heights between the letters, from target to base.
    pub(super) const fn heights(&self) -> usize {
        HEIGHT * (self.letters() + 1)
    }
    /// Parameters at which the chain is close to the identity (or, for letters g, an odd number of them, its mirror
    /// image).
    pub(super) fn initial(&self, raw: &mut [f64]) {
        for letter in raw.chunks_exact_mut(self.letter.params().max(1)) {
            match self.letter {
                ZenithLetter::Gaussianisation => gauss1d::initial(letter),
                _ => letter.fill(START),
            }
        }
    }
}

/// A place in the heights kept.
#[inline(always)]
fn height_at<R: Real>(heights: &[R], index: usize) -> Height<R> {
    [heights[HEIGHT * index], heights[HEIGHT * index + 1]]
}
#[inline(always)]
fn set_height<R: Real>(heights: &mut [R], index: usize, height: &Height<R>) {
    heights[HEIGHT * index..HEIGHT * (index + 1)].copy_from_slice(height);
}

/// One level. Its kind is that of its layer.
#[derive(Clone, Copy)]
pub(super) struct Level<const KIND: u8> {
    zenith: Zenith,
    /// m: the dimension of the sphere whose height this is.
    dim: usize,
}

/// The coordinate of the letters: (h, c), or u where it is the Mercator one.
impl<const KIND: u8> Level<KIND> {
    #[inline(always)]
    const fn mercator(&self) -> bool {
        KIND == ANY && matches!(self.zenith.letter, ZenithLetter::Gaussianisation)
    }

    #[inline(always)]
    fn height<R: Real>(&self, at: &Polar<R>) -> Height<R> {
        if self.mercator() {
            let outer = (at.rho / (R::one() + at.z.abs())).ln().scale(2.0);
            [R::select(at.z.gt(R::zero()), outer, -outer), R::zero()]
        } else {
            let (h, c) = half_squares(&[at.rho, R::zero(), at.z]);
            [h, c]
        }
    }

    /// Distance to the axis and z; `from` and `shrunk` are the distance before the letters and what splines made of it.
    #[inline(always)]
    fn rho_and_z<R: Real>(&self, height: &Height<R>, from: R, shrunk: R) -> (R, R) {
        if self.mercator() {
            let size = height[0].abs();
            let tan = size.scale(-0.5).exp();
            let all = R::one() + tan.square();
            let z = -(-size).exp_m1() / all;
            (tan.scale(2.0) / all, R::select(height[0].gt(R::zero()), -z, z))
        } else {
            (from * shrunk, height[1] - height[0])
        }
    }

    /// ln of dh over the letter's own differential, ln(h c) for g.
    #[inline(always)]
    fn ln_measure<R: Real>(&self, height: &Height<R>) -> R {
        if self.mercator() {
            let size = height[0].abs();
            -size - (-size).exp().ln_1p().scale(2.0)
        } else {
            R::zero()
        }
    }

    /// A cotangent of theta, and one of [`Level::ln_measure`], to that of the coordinate (h or u).
    #[inline(always)]
    fn cot_height<R: Real>(&self, at: &Polar<R>, cot_theta: R, cot_measure: R) -> R {
        if self.mercator() { cot_theta * at.rho.scale(0.5) + cot_measure * at.z } else { cot_theta.scale(2.0) / at.rho }
    }

    /// The way back: a cotangent of the coordinate, and of the measure, to that of theta.
    #[inline(always)]
    fn cot_theta<R: Real>(&self, at: &Polar<R>, cot_height: R, cot_measure: R) -> R {
        if self.mercator() {
            (cot_height + cot_measure * at.z).scale(2.0) / at.rho
        } else {
            cot_height * at.rho.scale(0.5)
        }
    }
}

/// One letter r or g.
impl<const KIND: u8> Level<KIND> {
    /// Towards the base: new height, ln derivative, new distance to the axis / old one (splines).
    #[inline(always)]
    fn letter_inverse<R: Real>(&self, raw: &[R], at: &Height<R>) -> (Height<R>, R, R) {
        if self.mercator() {
            let (y, ln) = gauss1d::inverse(raw, at[0]);
            ([y, R::zero()], ln, R::one())
        } else {
            mapped(SPLINE.inverse(&spline(raw), ends(at)))
        }
    }

    /// Towards the target, and the lanes in which a search failed.
    #[inline(always)]
    fn letter_forward<R: Real>(&self, raw: &[R], at: &Height<R>) -> (Height<R>, R, R, R::Mask) {
        if self.mercator() {
            let (u, ln, failed) = gauss1d::forward(raw, at[0]);
            ([u, R::zero()], -ln, R::one(), failed)
        } else {
            let (to, ln, shrunk) = mapped(SPLINE.direct(&spline(raw), ends(at)));
            (to, ln, shrunk, R::Mask::splat(false))
        }
    }

    /// Cotangents of the letter between the heights `target` and `base`, towards the base if `inverse`: of the
    /// coordinate it ends at to that it starts from.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "both ends and cotangents of one map")]
    fn letter_vjp<R: Real>(
        &self,
        raw: &[R],
        [base, target]: [&Height<R>; 2],
        inverse: bool,
        cot: R,
        cot_ln: R,
        cot_ln_shrunk: R,
        cot_raw: &mut [R],
    ) -> R {
        if self.mercator() {
            return if inverse {
                gauss1d::inverse_vjp(raw, target[0], cot, cot_ln, cot_raw)
            } else {
                gauss1d::forward_vjp(raw, target[0], cot, cot_ln, cot_raw)
            };
        }
        let prepared = spline(raw);
        let mut cot_prepared = [R::zero(); SPLINE_PREPARED];
        let cot = cot_mapped(if inverse { base } else { target }, cot, cot_ln, cot_ln_shrunk);
        let cot = SPLINE.map_vjp(&prepared, [ends(base), ends(target)], cot, &mut cot_prepared, inverse);
        SPLINE.prepare_vjp(raw, &prepared, &cot_prepared, cot_raw);
        cot.low - cot.high
    }
}

impl<const KIND: u8> Level<KIND> {
    pub(super) const fn new(zenith: Zenith, dim: usize) -> Self {
        Level { zenith, dim }
    }
    /// How often ln (h' c') / (h c) counts for the letters g.
    const fn measures(&self) -> f64 {
        0.5 * self.dim as f64
    }
    /// How often the logarithm of the ratio of the distances to the axis counts for the other letters.
    const fn shrinks(&self) -> f64 {
        (self.dim - 2) as f64
    }
    #[inline(always)]
    fn letter<'a, T>(&self, raw: &'a [T], index: usize) -> &'a [T] {
        &raw[index * self.zenith.letter.params()..][..self.zenith.letter.params()]
    }
    #[inline(always)]
    fn letter_mut<'a, T>(&self, raw: &'a mut [T], index: usize) -> &'a mut [T] {
        &mut raw[index * self.zenith.letter.params()..][..self.zenith.letter.params()]
    }

    /// Distance and height after the letters; adds what is left of the log-determinant.
    #[inline(always)]
    fn leave<R: Real>(&self, height: &Height<R>, from: R, shrunk: R, log_det: &mut R) -> Polar<R> {
        if self.mercator() {
            *log_det += self.ln_measure(height).scale(self.measures());
        } else if self.dim > 2 && self.zenith.letters() > 0 {
            *log_det += shrunk.ln().scale(self.shrinks());
        }
        let (rho, z) = self.rho_and_z(height, from, shrunk);
        Polar { rho, z }
    }

    /// Target side to base side.
    #[inline(always)]
    pub fn inverse<R: Real>(&self, raw: &[R], target: &Polar<R>, heights: &mut [R], log_det: &mut R) -> Polar<R> {
        let (mut height, mut shrunk) = (self.height(target), R::one());
        *log_det -= self.ln_measure(&height).scale(self.measures());
        set_height(heights, 0, &height);
        for i in 0..self.zenith.letters() {
            let (to, ln, ratio) = self.letter_inverse(self.letter(raw, i), &height);
            set_height(heights, i + 1, &to);
            *log_det += ln;
            (height, shrunk) = (to, shrunk * ratio);
        }
        self.leave(&height, target.rho, shrunk, log_det)
    }

    /// Base side to target side, and the lanes in which a search failed.
    #[inline(always)]
    pub fn forward<R: Real>(
        &self,
        raw: &[R],
        base: &Polar<R>,
        heights: &mut [R],
        log_det: &mut R,
    ) -> (Polar<R>, R::Mask) {
        let (mut height, mut shrunk, mut failed) = (self.height(base), R::one(), R::Mask::splat(false));
        *log_det -= self.ln_measure(&height).scale(self.measures());
        set_height(heights, self.zenith.letters(), &height);
        for i in (0..self.zenith.letters()).rev() {
            let (to, ln, ratio, unconverged) = self.letter_forward(self.letter(raw, i), &height);
            set_height(heights, i, &to);
            *log_det += ln;
            failed = failed | unconverged;
            (height, shrunk) = (to, shrunk * ratio);
        }
        (self.leave(&height, base.rho, shrunk, log_det), failed)
    }

    /// Cotangents of [`Level::inverse`]: of the base side's theta and the log-determinant to the target side's theta
    /// (returned) and the parameters (added).
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "both ends, values and cotangents of one map")]
    pub fn inverse_vjp<R: Real>(
        &self,
        raw: &[R],
        target: &Polar<R>,
        base: &Polar<R>,
        heights: &[R],
        cot_theta: R,
        cot_log_det: R,
        cot_raw: &mut [R],
    ) -> R {
        let (cot_measure, cot_shrunk) = (cot_log_det.scale(self.measures()), cot_log_det.scale(self.shrinks()));
        let mut cot = self.cot_height(base, cot_theta, cot_measure);
        for i in (0..self.zenith.letters()).rev() {
            cot = self.letter_vjp(
                self.letter(raw, i),
                [&height_at(heights, i + 1), &height_at(heights, i)],
                true,
                cot,
                cot_log_det,
                cot_shrunk,
                self.letter_mut(cot_raw, i),
            );
        }
        self.cot_theta(target, cot, -cot_measure)
    }

    /// Cotangents of [`Level::forward`], likewise.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "both ends, values and cotangents of one map")]
    pub fn forward_vjp<R: Real>(
        &self,
        raw: &[R],
        base: &Polar<R>,
        target: &Polar<R>,
        heights: &[R],
        cot_theta: R,
        cot_log_det: R,
        cot_raw: &mut [R],
    ) -> R {
        let (cot_measure, cot_shrunk) = (cot_log_det.scale(self.measures()), cot_log_det.scale(self.shrinks()));
        let mut cot = self.cot_height(target, cot_theta, cot_measure);
        for i in 0..self.zenith.letters() {
            cot = self.letter_vjp(
                self.letter(raw, i),
                [&height_at(heights, i + 1), &height_at(heights, i)],
                false,
                cot,
                cot_log_det,
                cot_shrunk,
                self.letter_mut(cot_raw, i),
            );
        }
        self.cot_theta(base, cot, -cot_measure)
    }
}
