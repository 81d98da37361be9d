//! Step 1 of layer f: splines in z.
//!
//! Levels hold the distances to the ends of the splines' interval, in units of its length.

use super::place::{Place, PlaceCot};
use super::{FisherFlow, FisherOptions};
use crate::layers::Options;
use crate::layers::spline::{Ends, MappedCot};
use crate::numeric::{Lift, Real};
use core::ops::Range;
use flow_notation::Text;

impl<Opts: Options<FisherOptions>> FisherFlow<Opts> {
    /// Where the parameters and the prepared numbers of each letter start, and where the last ones end.
    const STARTS: [(usize, usize); Text::MOST + 1] = {
        let mut starts = [(0, 0); Text::MOST + 1];
        let mut letter = 0;
        while letter <= Self::VERTICALS {
            let (params, prepared) = Self::PLAN.vertical_numbers(letter);
            starts[letter] = (Self::VERTICAL.0 + params, Self::VERTICAL.1 + prepared);
            letter += 1;
        }
        starts
    };

    /// Places of a letter's parameters and prepared numbers.
    #[inline(always)]
    fn vertical_range(letter: usize) -> (Range<usize>, Range<usize>) {
        let (from, to) = (Self::STARTS[letter], Self::STARTS[letter + 1]);
        (from.0..to.0, from.1..to.1)
    }

    #[inline(always)]
    pub(super) fn vertical_prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        for letter in 0..Self::VERTICALS {
            if let Some(options) = Self::PLAN.vertical(letter) {
                let (from, to) = Self::vertical_range(letter);
                options.prepare(&params[from], &mut prepared[to]);
            }
        }
    }

    #[inline(always)]
    pub(super) fn vertical_prepare_vjp<P: Real>(
        params: &[P],
        prepared: &[P],
        cot_prepared: &[P],
        cot_params: &mut [P],
    ) {
        for letter in 0..Self::VERTICALS {
            if let Some(options) = Self::PLAN.vertical(letter) {
                let (from, to) = Self::vertical_range(letter);
                let cot = &cot_prepared[to.clone()];
                options.prepare_vjp(&params[from.clone()], &prepared[to], cot, &mut cot_params[from]);
            }
        }
    }

    #[inline(always)]
    pub(super) fn vertical<R: Real, P: Lift<R>>(
        prepared: &[P],
        at: Place<R>,
        scratch: &mut [R],
        inverse: bool,
        log_det: &mut R,
    ) -> Place<R> {
        let (margin, width) = (R::constant(Self::MARGIN), 1.0 - 2.0 * Self::MARGIN);
        let acts = Self::acts(&at);
        let mut level = Ends { low: (at.low - margin).scale(1.0 / width), high: (at.high - margin).scale(1.0 / width) };
        let mut squared = R::one();
        let mut ln = R::zero();
        for letter in Self::order(Self::VERTICALS, inverse) {
            store(&mut scratch[Self::LEVELS..], letter + usize::from(inverse), level);
            let (Some(options), (_, range)) = (Self::PLAN.vertical(letter), Self::vertical_range(letter)) else {
                continue;
            };
            let mapped = options.map(&prepared[range], level, inverse);
            level = mapped.to;
            squared *= mapped.ratio.low * mapped.ratio.high;
            ln += mapped.ln;
        }
        store(&mut scratch[Self::LEVELS..], if inverse { 0 } else { Self::VERTICALS }, level);
        let mut to = Ends { low: margin + level.low.scale(width), high: margin + level.high.scale(width) };
        if Self::MARGIN > 0.0 {
            let one = R::one();
            let old = R::select(acts, at.low * at.high, one);
            squared = R::select(acts, to.low * to.high / old, one);
            to = Ends { low: R::select(acts, to.low, at.low), high: R::select(acts, to.high, at.high) };
            ln = R::select(acts, ln, R::zero());
        }
        let stretch = squared.sqrt();
        scratch[Self::STRETCH] = if inverse { stretch.recip() } else { stretch };
        *log_det += ln;
        Place { x: at.x * stretch, y: at.y * stretch, low: to.low, high: to.high }
    }

    #[inline(always)]
    pub(super) fn vertical_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        at: Place<R>,
        to: Place<R>,
        scratch: &[R],
        inverse: bool,
        cot: PlaceCot<R>,
        cot_prepared: &mut [R],
    ) -> PlaceCot<R> {
        let (zero, half) = (R::zero(), R::constant(0.5));
        let width = 1.0 - 2.0 * Self::MARGIN;
        let acts = Self::acts(&at);
        let stretch = scratch[Self::STRETCH];
        let stretch = if inverse { stretch.recip() } else { stretch };
        let cot_squared = (cot.x * to.x + cot.y * to.y) * half;
        // ln stretch^2 is the sum of the logarithms of all ratios, or ln (low' high') - ln (low high) between margins.
        let by_ratio = if Self::MARGIN > 0.0 { None } else { Some(Ends { low: cot_squared, high: cot_squared }) };
        let mut cot_up = cot.up;
        let mut cot_old = zero;
        if Self::MARGIN > 0.0 {
            cot_up += cot_squared * (to.high - to.low) / R::select(acts, to.low * to.high, R::one());
            cot_old = cot_squared * (at.high - at.low) / R::select(acts, at.low * at.high, R::one());
        }
        let mut cot_level = Ends { low: R::select(acts, cot_up.scale(width), zero), high: zero };
        let cot_ln = R::select(acts, cot.log_det, zero);
        for letter in Self::order(Self::VERTICALS, inverse).rev() {
            let (Some(options), (_, range)) = (Self::PLAN.vertical(letter), Self::vertical_range(letter)) else {
                continue;
            };
            let base = load(&scratch[Self::LEVELS..], letter);
            let target = load(&scratch[Self::LEVELS..], letter + 1);
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
