//! The way through a network and back, over rows of numbers: what a row is, and what a matrix does to rows, is up to a
//! [`Backend`].
//!
//! Everything here is inlined into its callers, among them letters, which are compiled once for each kind of pack.

use super::mlp::{Matrix, Mlp, Reads};
use crate::numeric::{Lift, Real};

/// What a network computes with. Numbers lie in rows of [`Backend::width`], weights in flat order with
/// [`Backend::stride`] numbers each.
pub(super) trait Backend: Copy {
    type Number: Real;
    type Weight: Lift<Self::Number>;

    /// Numbers in a row.
    fn width(self) -> usize;
    /// Numbers held for each weight.
    fn stride(self) -> usize;
    /// tanh of every number.
    fn tanh(self, numbers: &mut [Self::Number]);
    /// out = b.
    fn start(self, bias: &[Self::Weight], out: &mut [Self::Number]);
    /// cot_bias += cot_out.
    fn start_vjp(self, cot_out: &[Self::Number], cot_bias: &mut [Self::Number]);
    /// out += W input for a row-major `rows x columns` matrix.
    fn add(self, weights: &[Self::Weight], shape: [usize; 2], input: &[Self::Number], out: &mut [Self::Number]);
    /// cot_input += W^T cot_out, unless `cot_input` is empty, and cot_weights += cot_out input^T.
    fn add_vjp(
        self,
        weights: &[Self::Weight],
        shape: [usize; 2],
        input: &[Self::Number],
        cot_out: &[Self::Number],
        cot_input: &mut [Self::Number],
        cot_weights: &mut [Self::Number],
    );
}

impl Matrix {
    /// out += W input.
    #[inline(always)]
    fn add<B: Backend>(
        &self,
        by: B,
        weights: &[B::Weight],
        input: &[B::Number],
        out: &mut [B::Number],
        temp: &mut [B::Number],
    ) {
        if self.rank == 0 {
            return by.add(weights, [self.to, self.from], input, out);
        }
        let (left, right) = weights.split_at(self.to * self.rank * by.stride());
        let middle = &mut temp[..self.rank * by.width()];
        middle.fill(B::Number::zero());
        by.add(right, [self.rank, self.from], input, middle);
        by.add(left, [self.to, self.rank], middle, out);
    }

    /// Cotangents of [`Matrix::add`], added to those of the weights and, unless `cot_input` is empty, of the input.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "value, cotangent and weights of one map")]
    fn add_vjp<B: Backend>(
        &self,
        by: B,
        weights: &[B::Weight],
        input: &[B::Number],
        cot_out: &[B::Number],
        cot_input: &mut [B::Number],
        cot_weights: &mut [B::Number],
        temp: &mut [B::Number],
    ) {
        if self.rank == 0 {
            return by.add_vjp(weights, [self.to, self.from], input, cot_out, cot_input, cot_weights);
        }
        let (left, right) = weights.split_at(self.to * self.rank * by.stride());
        let (cot_left, cot_right) = cot_weights.split_at_mut(self.to * self.rank * by.stride());
        let rows = self.rank * by.width();
        let (middle, cot_middle) = temp[..2 * rows].split_at_mut(rows);
        middle.fill(B::Number::zero());
        cot_middle.fill(B::Number::zero());
        by.add(right, [self.rank, self.from], input, middle);
        by.add_vjp(left, [self.to, self.rank], middle, cot_out, cot_middle, cot_left);
        by.add_vjp(right, [self.rank, self.from], input, cot_middle, cot_input, cot_right);
    }
}

/// Cotangents through tanh: tanh' = 1 - tanh^2.
#[inline(always)]
fn tanh_vjp<R: Real>(activations: &[R], cot: &mut [R]) {
    for (cot, a) in cot.iter_mut().zip(activations) {
        *cot *= R::one() - *a * *a;
    }
}

/// a += b, number by number; an empty `a` takes nothing.
#[inline(always)]
fn accumulate<R: Real>(a: &mut [R], b: &[R]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += *b;
    }
}

impl Mlp<'_> {
    /// From input to output. `activations` holds, layer by layer, a copy of what the layer reads if that is a sum, then
    /// what it gives.
    #[inline(always)]
    pub(super) fn walk<B: Backend>(
        &self,
        by: B,
        weights: &[B::Weight],
        input: &[B::Number],
        activations: &mut [B::Number],
        out: &mut [B::Number],
        temp: &mut [B::Number],
    ) {
        let (width, stride) = (by.width(), by.stride());
        let out = &mut out[..self.outputs() * width];
        let (mut weights, bias) = weights.split_at(weights.len() - self.outputs() * stride);
        by.start(bias, out);
        if let Some(linear) = self.linear() {
            let (nets, own) = weights.split_at(weights.len() - linear.numbers() * stride);
            weights = nets;
            linear.add(by, own, input, out, temp);
        }
        let mut done = 0;
        for layer in 0..self.layers() {
            let up = self.up(layer);
            let (matrix, rest) = weights.split_at(up.numbers() * stride);
            let (bias, rest) = rest.split_at(up.to * stride);
            weights = rest;
            let copied = self.copied(layer) * width;
            let (before, after) = activations.split_at_mut(done + copied);
            let activation = &mut after[..up.to * width];
            let read = match self.reads(layer) {
                Reads::Input => input,
                Reads::Before => &before[done - up.from * width..],
                Reads::Sum | Reads::Both => {
                    let (given, sum) = before[done..].split_at_mut(copied - out.len());
                    given.copy_from_slice(&input[..given.len()]);
                    sum.copy_from_slice(out);
                    &before[done..]
                }
            };
            by.start(bias, activation);
            up.add(by, matrix, read, activation, temp);
            by.tanh(activation);
            if let Some(down) = self.down(layer) {
                let (matrix, rest) = weights.split_at(down.numbers() * stride);
                weights = rest;
                down.add(by, matrix, activation, out, temp);
            }
            done += copied + activation.len();
        }
    }

    /// Cotangents of [`Mlp::walk`], added to those of the weights and, unless `cot_input` is empty, of the input.
    /// `cot_activations` is space to work in.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "value, cotangent and weights of one map")]
    pub(super) fn walk_vjp<B: Backend>(
        &self,
        by: B,
        weights: &[B::Weight],
        input: &[B::Number],
        activations: &[B::Number],
        cot_activations: &mut [B::Number],
        cot_out: &[B::Number],
        cot_input: &mut [B::Number],
        cot_weights: &mut [B::Number],
        temp: &mut [B::Number],
    ) {
        let (width, stride) = (by.width(), by.stride());
        let cot_out = &cot_out[..self.outputs() * width];
        let weights = &weights[..weights.len() - self.outputs() * stride];
        let (cot_weights, cot_bias) = cot_weights.split_at_mut(weights.len());
        let linear = self.linear();
        let mut end = weights.len() - linear.map_or(0, |linear| linear.numbers()) * stride;
        let (weights, of_linear) = weights.split_at(end);
        let (cot_weights, cot_of_linear) = cot_weights.split_at_mut(end);

        let (cot_activations, running) = cot_activations.split_at_mut(self.kept() * width);
        cot_activations.fill(B::Number::zero());
        // The cotangent of the sum so far, where later nets read it.
        let accumulates = self.accumulates();
        let running = &mut running[..if accumulates { cot_out.len() } else { 0 }];
        if accumulates {
            running.copy_from_slice(cot_out);
        }
        // Beside one net the highway's turn is first, under a ladder it is last: then the cotangent of its output is
        // known.
        if !self.is_ladder() {
            by.start_vjp(cot_out, cot_bias);
            if let Some(linear) = linear {
                linear.add_vjp(by, of_linear, input, cot_out, cot_input, cot_of_linear, temp);
            }
        }
        let mut done = self.kept() * width;
        for layer in (0..self.layers()).rev() {
            let up = self.up(layer);
            done -= up.to * width;
            let activation = &activations[done..][..up.to * width];
            let (cot_before, cot) = cot_activations.split_at_mut(done);
            let cot = &mut cot[..activation.len()];
            if let Some(down) = self.down(layer) {
                let start = end - down.numbers() * stride;
                let (own, cot_own) = (&weights[start..end], &mut cot_weights[start..end]);
                let cot_sum = if accumulates { &*running } else { cot_out };
                down.add_vjp(by, own, activation, cot_sum, cot, cot_own, temp);
                end = start;
            }
            tanh_vjp(activation, cot);
            let start = end - up.to * stride;
            by.start_vjp(cot, &mut cot_weights[start..end]);
            end = start;
            let start = end - up.numbers() * stride;
            let (own, cot_own) = (&weights[start..end], &mut cot_weights[start..end]);
            end = start;
            match self.reads(layer) {
                Reads::Input => up.add_vjp(by, own, input, cot, cot_input, cot_own, temp),
                Reads::Before => {
                    let from = done - up.from * width;
                    up.add_vjp(by, own, &activations[from..done], cot, &mut cot_before[from..], cot_own, temp);
                }
                Reads::Sum | Reads::Both => {
                    let from = done - up.from * width;
                    let cot_read = &mut cot_before[from..];
                    up.add_vjp(by, own, &activations[from..done], cot, cot_read, cot_own, temp);
                    let (by_input, by_sum) = cot_read.split_at(cot_read.len() - running.len());
                    accumulate(cot_input, by_input);
                    accumulate(running, by_sum);
                    done = from;
                }
            }
        }
        if self.is_ladder() {
            let cot_sum = if accumulates { &*running } else { cot_out };
            by.start_vjp(cot_sum, cot_bias);
            if let Some(linear) = linear {
                linear.add_vjp(by, of_linear, input, cot_sum, cot_input, cot_of_linear, temp);
            }
        }
    }
}
