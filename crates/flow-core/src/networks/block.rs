//! Networks over a block of points: a matrix of `rows x width` numbers, one column a point.

use super::mlp::Mlp;
use super::product;
use super::walk::Backend;
use crate::numeric::Scalar;
use core::marker::PhantomData;

/// Whether the points of a block share the weights of a network, or each has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightLayout {
    /// One set of weights for all points.
    Shared,
    /// A set of weights for each point: a row of `width` numbers for each weight, as everything else in a block.
    PerPoint,
}

#[derive(Clone, Copy)]
struct Block<T> {
    layout: WeightLayout,
    width: usize,
    of: PhantomData<T>,
}

impl<T: Scalar> Backend for Block<T> {
    type Number = T;
    type Weight = T;

    fn width(self) -> usize {
        self.width
    }
    fn stride(self) -> usize {
        match self.layout {
            WeightLayout::Shared => 1,
            WeightLayout::PerPoint => self.width,
        }
    }
    fn tanh(self, numbers: &mut [T]) {
        product::each(product::Tanh, numbers);
    }
    fn start(self, bias: &[T], out: &mut [T]) {
        match self.layout {
            WeightLayout::Shared => {
                for (out, b) in out.chunks_exact_mut(self.width).zip(bias) {
                    out.fill(*b);
                }
            }
            WeightLayout::PerPoint => out.copy_from_slice(bias),
        }
    }
    fn start_vjp(self, cot_out: &[T], cot_bias: &mut [T]) {
        match self.layout {
            WeightLayout::Shared => {
                for (bar, cot) in cot_bias.iter_mut().zip(cot_out.chunks_exact(self.width)) {
                    *bar = add_all(*bar, cot);
                }
            }
            WeightLayout::PerPoint => {
                for (bar, cot) in cot_bias.iter_mut().zip(cot_out) {
                    *bar += *cot;
                }
            }
        }
    }
    fn add(self, weights: &[T], [rows, columns]: [usize; 2], input: &[T], out: &mut [T]) {
        let width = self.width;
        match self.layout {
            WeightLayout::Shared => product::add(weights, [rows, columns], width, input, out),
            // A product of matrices has become a sum of products of rows.
            WeightLayout::PerPoint => {
                for (i, out) in out.chunks_exact_mut(width).take(rows).enumerate() {
                    for (j, x) in input.chunks_exact(width).take(columns).enumerate() {
                        add_products(out, &weights[(i * columns + j) * width..][..width], x);
                    }
                }
            }
        }
    }
    fn add_vjp(
        self,
        weights: &[T],
        [rows, columns]: [usize; 2],
        input: &[T],
        cot_out: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
    ) {
        let width = self.width;
        match self.layout {
            WeightLayout::Shared => {
                product::add_transposed(weights, [rows, columns], width, cot_out, cot_input);
                product::add_outer(cot_weights, [rows, columns], width, cot_out, input);
            }
            WeightLayout::PerPoint => {
                for (i, cot) in cot_out.chunks_exact(width).take(rows).enumerate() {
                    for (j, x) in input.chunks_exact(width).take(columns).enumerate() {
                        let at = (i * columns + j) * width;
                        if !cot_input.is_empty() {
                            add_products(&mut cot_input[j * width..][..width], &weights[at..][..width], cot);
                        }
                        add_products(&mut cot_weights[at..][..width], cot, x);
                    }
                }
            }
        }
    }
}

/// The sum of these numbers and one more: eight sums beside each other, which need not wait for one another.
fn add_all<T: Scalar>(start: T, numbers: &[T]) -> T {
    let (eights, rest) = numbers.as_chunks::<8>();
    let mut sums = [T::narrow(0.0); 8];
    for eight in eights {
        for l in 0..8 {
            sums[l] += eight[l];
        }
    }
    sums.iter().chain(rest).fold(start, |sum, c| sum + *c)
}

/// a += b c, number by number.
fn add_products<T: Scalar>(a: &mut [T], b: &[T], c: &[T]) {
    for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
        *a += *b * *c;
    }
}

impl Mlp<'_> {
    /// Computes the outputs of a block of `width` points: `out` from `input`, [`Mlp::outputs`] and [`Mlp::inputs`] rows
    /// of `width` numbers. The weights are [`Mlp::params`] numbers, or as many rows if each point has its own.
    /// `activations` takes [`Mlp::activations`] rows, which [`Mlp::apply_vjp`] needs; `temp` is [`Mlp::temp`] rows of
    /// space to work in.
    ///
    /// # Panics
    /// If a slice is too short.
    #[allow(clippy::too_many_arguments, reason = "one map and its space")]
    pub fn apply<T: Scalar>(
        &self,
        layout: WeightLayout,
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &mut [T],
        out: &mut [T],
        temp: &mut [T],
    ) {
        self.walk(Block { layout, width, of: PhantomData }, weights, input, activations, out, temp);
    }

    /// Pulls cotangents of the outputs of [`Mlp::apply`] back: adds to those of input and weights, in the layouts of
    /// both. An empty `cot_input` asks for none. `cot_activations` is [`Mlp::activations`] rows of space to work in.
    ///
    /// # Panics
    /// If a slice is too short.
    #[allow(clippy::too_many_arguments, reason = "value, cotangent and weights of one map")]
    pub fn apply_vjp<T: Scalar>(
        &self,
        layout: WeightLayout,
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &[T],
        cot_activations: &mut [T],
        cot_out: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    ) {
        let by = Block { layout, width, of: PhantomData };
        self.walk_vjp(by, weights, input, activations, cot_activations, cot_out, cot_input, cot_weights, temp);
    }
}
