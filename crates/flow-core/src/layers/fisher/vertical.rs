//! Step 1 of layer f: splines in z.
//!
//! Levels hold the distances to the ends of the splines' interval, in units of its length.

use super::AxisFlow;
use super::place::{Place, PlaceCot};
use crate::layers::spline::{Ends, MappedCot};
use crate::numeric::{Lift, Real};
use core::ops::Range;

impl<const KIND: u8> AxisFlow<KIND> {
    /// Places of a letter's parameters and prepared numbers.
    #[inline(always)]
    fn vertical_range(&self, letter: usize) -> (Range<usize>, Range<usize>) {
        let (from, to) = (self.starts[letter], self.starts[letter + 1]);
        (from.0..to.0, from.1..to.1)
    }

    #[inline(always)]
    pub(super) fn vertical_prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        for letter in 0..self.verticals() {
            if let Some(options) = self.plan().vertical(letter) {
                let (from, to) = self.vertical_range(letter);
                options.prepare(&params[from], &mut prepared[to]);
            }
        }
    }

    #[inline(always)]
    pub(super) fn vertical_prepare_vjp<P: Real>(
        &self,
        params: &[P],
        prepared: &[P],
        cot_prepared: &[P],
        cot_params: &mut [P],
    ) {
        for letter in 0..self.verticals() {
            if let Some(options) = self.plan().vertical(letter) {
                let (from, to) = self.vertical_range(letter);
                let cot = &cot_prepared[to.clone()];
                options.prepare_vjp(&params[from.clone()], &prepared[to], cot, &mut cot_params[from]);
            }
        }
    }

    #[inline(always)]
    pub(super) fn vertical<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        at: Place<R>,
        scratch: &mut [R],
        inverse: bool,
        log_det: &mut R,
    ) -> Place<R> {
        let (margin, width) = (R::constant(self.margin()), 1.0 - 2.0 * self.margin());
        let acts = self.acts(&at);
        let mut level = Ends { low: (at.low - margin).scale(1.0 / width), high: (at.high - margin).scale(1.0 / width) };
        let mut squared = R::one();
        let mut ln = R::zero();
        for letter in Self::order(self.verticals(), inverse) {
            store(&mut scratch[self.levels..], letter + usize::from(inverse), level);
            let (Some(options), (_, range)) = (self.plan().vertical(letter), self.vertical_range(letter)) else {
                continue;
            };
            let mapped = options.map(&prepared[range], level, inverse);
            level = mapped.to;
            squared *= mapped.ratio.low * mapped.ratio.high;
            ln += mapped.ln;
        }
        store(&mut scratch[self.levels..], if inverse { 0 } else { self.verticals() }, level);
        let mut to = Ends { low: margin + level.low.scale(width), high: margin + level.high.scale(width) };
        if self.margin() > 0.0 {
            let one = R::one();
            let old = R::select(acts, at.low * at.high, one);
            squared = R::select(acts, to.low * to.high / old, one);
            to = Ends { low: R::select(acts, to.low, at.low), high: R::select(acts, to.high, at.high) };
            ln = R::select(acts, ln, R::zero());
        }
        let stretch = squared.sqrt();
        scratch[self.stretch] = if inverse { stretch.recip() } else { stretch };
        *log_det += ln;
        Place { x: at.x * stretch, y: at.y * stretch, low: to.low, high: to.high }
    }

    #[inline(always)]
    pub(super) fn vertical_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        at: Place<R>,
        to: Place<R>,
        scratch: &[R],
        inverse: bool,
        cot: PlaceCot<R>,
        cot_prepared: &mut [R],
    ) -> PlaceCot<R> {
        let (zero, half) = (R::zero(), R::constant(0.5));
        let width = 1.0 - 2.0 * self.margin();
        let acts = self.acts(&at);
        let stretch = scratch[self.stretch];
        let stretch = if inverse { stretch.recip() } else { stretch };
        let cot_squared = (cot.x * to.x + cot.y * to.y) * half;
        // ln stretch^2 is the sum of the logarithms of all ratios, or ln (low' high') - ln (low high) between margins.
        let by_ratio = if self.margin() > 0.0 { None } else { Some(Ends { low: cot_squared, high: cot_squared }) };
        let mut cot_up = cot.up;
        let mut cot_old = zero;
        if self.margin() > 0.0 {
            cot_up += cot_squared * (to.high - to.low) / R::select(acts, to.low * to.high, R::one());
            cot_old = cot_squared * (at.high - at.low) / R::select(acts, at.low * at.high, R::one());
        }
        let mut cot_level = Ends { low: R::select(acts, cot_up.scale(width), zero), high: zero };
        let cot_ln = R::select(acts, cot.log_det, zero);
        for letter in Self::order(self.verticals(), inverse).rev() {
            let (Some(options), (_, range)) = (self.plan().vertical(letter), self.vertical_range(letter)) else {
                continue;
            };
            let base = load(&scratch[self.levels..], letter);
            let target = load(&scratch[self.levels..], letter + 1);
            let mapped = MappedCot { to: cot_level, ln_ratio: by_ratio, ln: cot_ln };
            let own = &mut cot_prepared[range.clone()];
            cot_level = options.map_vjp(&prepared[range], [base, target], mapped, own, inverse);
        }
        let up = (cot_level.low - cot_level.high).scale(1.0 / width) - cot_old;
        PlaceCot { x: cot.x * stretch, y: cot.y * stretch, up: R::select(acts, up, cot.up), ..cot }
    }
}

#[inline(always)]
fn store<R: Real>(list: &mut [R], place: usize, level: Ends<R>) {
    list[2 * place] = level.low;
    list[2 * place + 1] = level.high;
}

#[inline(always)]
fn load<R: Real>(list: &[R], place: usize) -> Ends<R> {
    Ends { low: list[2 * place], high: list[2 * place + 1] }
}
