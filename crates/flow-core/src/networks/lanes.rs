//! Networks inside letters: a row is one number, of one point or of as many as a pack has lanes; weights may be fewer
//! than numbers (shared by the lanes).

use super::mlp::Mlp;
use super::walk::Backend;
use crate::numeric::{Lift, Real};
use core::marker::PhantomData;

#[derive(Clone, Copy)]
struct InLanes<R, P>(PhantomData<(R, P)>);

impl<R: Real, P: Lift<R>> Backend for InLanes<R, P> {
    type Number = R;
    type Weight = P;

    #[inline(always)]
    fn width(self) -> usize {
        1
    }
    #[inline(always)]
    fn stride(self) -> usize {
        1
    }
    #[inline(always)]
    fn tanh(self, numbers: &mut [R]) {
        for x in numbers {
            *x = x.tanh();
        }
    }
    #[inline(always)]
    fn start(self, bias: &[P], out: &mut [R]) {
        for (out, b) in out.iter_mut().zip(bias) {
            *out = b.lift();
        }
    }
    #[inline(always)]
    fn start_vjp(self, cot_out: &[R], cot_bias: &mut [R]) {
        for (bar, cot) in cot_bias.iter_mut().zip(cot_out) {
            *bar += *cot;
        }
    }
    #[inline(always)]
    fn add(self, weights: &[P], [rows, columns]: [usize; 2], input: &[R], out: &mut [R]) {
        for (i, out) in out[..rows].iter_mut().enumerate() {
            let mut sum = R::zero();
            for (w, x) in weights[i * columns..][..columns].iter().zip(input) {
                sum += w.lift() * *x;
            }
            *out += sum;
        }
    }
    #[inline(always)]
    fn add_vjp(
        self,
        weights: &[P],
        [rows, columns]: [usize; 2],
        input: &[R],
        cot_out: &[R],
        cot_input: &mut [R],
        cot_weights: &mut [R],
    ) {
        for (i, cot) in cot_out[..rows].iter().enumerate() {
            let (row, cot_row) = (&weights[i * columns..][..columns], &mut cot_weights[i * columns..][..columns]);
            for (cot_w, x) in cot_row.iter_mut().zip(input) {
                *cot_w += *x * *cot;
            }
            for (cot_x, w) in cot_input.iter_mut().zip(row) {
                *cot_x += w.lift() * *cot;
            }
        }
    }
}

impl Mlp<'_> {
    /// Computes the output at `input`; leaves what derivatives need in `hidden`, [`Mlp::hidden`] numbers.
    #[inline(always)]
    pub fn evaluate<R: Real, P: Lift<R>>(&self, weights: &[P], input: &[R], hidden: &mut [R], output: &mut [R]) {
        let (activations, temp) = hidden.split_at_mut(2 * self.activations());
        self.walk(InLanes(PhantomData), weights, input, activations, output, temp);
    }

    /// Pulls cotangents of the output of [`Mlp::evaluate`] back: adds to those of the input and the weights. `hidden`
    /// holds what it left, and is used up.
    #[inline(always)]
    pub fn evaluate_vjp<R: Real, P: Lift<R>>(
        &self,
        weights: &[P],
        input: &[R],
        hidden: &mut [R],
        cot_output: &[R],
        cot_input: &mut [R],
        cot_weights: &mut [R],
    ) {
        let (activations, rest) = hidden.split_at_mut(self.activations());
        let (cot_activations, temp) = rest.split_at_mut(activations.len());
        let by = InLanes(PhantomData::<(R, P)>);
        self.walk_vjp(by, weights, input, activations, cot_activations, cot_output, cot_input, cot_weights, temp);
    }
}
