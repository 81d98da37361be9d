//! Running the head of a block on the rows that it reads.

use super::conditioner::Head;
use super::workspace::{At, Model, Totals, Workspace};
use crate::numeric::{Pack, Scalar};
use core::ops::Range;

/// Whether a head reads all features, so that its input is a prefix of the workspace's rows.
const fn reads_prefix<H: Head>(at: At) -> bool {
    H::FEATURES.0 == 0 && H::FEATURES.1 == at.features
}

/// The rows of the workspace that a head reads, `rows` in all: given features, and earlier coordinates.
fn read_by<H: Head>(at: At, rows: usize) -> [Range<usize>; 2] {
    let (from, count) = H::FEATURES;
    [from..from + count, at.features..at.features + rows - count]
}

/// Runs a head that reads `rows` rows: features, then embedded coordinates of earlier manifolds. For one point the network runs once, not once in each
/// lane.
#[inline(always)]
pub(super) fn condition<H: Head, T: Scalar, R: Pack<Scalar = T>>(
    model: Model<'_, T>,
    at: At,
    space: &mut Workspace<T, R>,
    rows: usize,
) {
    let width = space.width;
    if H::GIVEN > 0 {
        let params = &mut space.params[..H::PARAMS * width];
        let activations = &mut space.activations[..H::ACTIVATIONS * width];
        let given = &space.inputs[at.given * width..][..H::GIVEN * width];
        let earlier = &space.inputs[at.features * width..][..rows * width];
        return H::apply(given, width, earlier, activations, params, &mut space.temp);
    }
    let weights = &model.weights[at.weights..][..H::WEIGHTS];
    if space.is_single() {
        let Workspace { inputs, net_input, single, params, .. } = space;
        let [own, earlier] = read_by::<H>(at, rows);
        for (x, row) in net_input.iter_mut().zip(own.chain(earlier)) {
            *x = inputs[row * width];
        }
        let (activations, single) = (&mut space.activations[..H::ACTIVATIONS], &mut single[..H::PARAMS]);
        H::apply(weights, 1, &net_input[..rows], activations, single, &mut space.temp);
        for (row, x) in params.chunks_exact_mut(width).zip(single) {
            row.fill(*x);
        }
        return;
    }
    let params = &mut space.params[..H::PARAMS * width];
    let activations = &mut space.activations[..H::ACTIVATIONS * width];
    let input: &[T] = if reads_prefix::<H>(at) {
        &space.inputs
    } else {
        let (own, earlier) = space.net_input[..rows * width].split_at_mut(H::FEATURES.1 * width);
        own.copy_from_slice(&space.inputs[H::FEATURES.0 * width..][..H::FEATURES.1 * width]);
        earlier.copy_from_slice(&space.inputs[at.features * width..][..earlier.len()]);
        &space.net_input
    };
    H::apply(weights, width, &input[..rows * width], activations, params, &mut space.temp);
}

/// a += b, number by number.
fn accumulate<T: Scalar>(into: &mut [T], from: &[T]) {
    for (sum, x) in into.iter_mut().zip(from) {
        *sum += *x;
    }
}

/// Cotangents of [`condition`], added to those of the rows it reads.
#[inline(always)]
pub(super) fn condition_vjp<H: Head, T: Scalar, R: Pack<Scalar = T>>(
    model: Model<'_, T>,
    at: At,
    space: &mut Workspace<T, R>,
    totals: &mut Totals<T, R>,
    rows: usize,
) {
    let (width, is_single) = (space.width, space.is_single());
    let Workspace { inputs, cot_inputs, net_input, cot_net_input, activations, cot_activations, temp, .. } = space;
    let activations = &activations[..H::ACTIVATIONS * width];
    let cot_activations = &mut cot_activations[..H::ACTIVATIONS * width];
    let cot_params = &space.cot_params[..H::PARAMS * width];
    if H::GIVEN > 0 {
        let given = &inputs[at.given * width..][..H::GIVEN * width];
        let earlier = &inputs[at.features * width..][..rows * width];
        // The given numbers are features, and so come before the coordinates.
        let (before, after) = cot_inputs.split_at_mut(at.features * width);
        let cot_given = &mut before[at.given * width..][..H::GIVEN * width];
        let cot_earlier = &mut after[..rows * width];
        return H::pull(given, width, earlier, activations, cot_activations, cot_params, cot_earlier, cot_given, temp);
    }
    // Features alone, and nobody asks for their gradient.
    let is_unread = at.embed == 0 && !space.wants_features;
    let weights = &model.weights[at.weights..][..H::WEIGHTS];
    let cot_weights = &mut totals.weights[at.weights..][..H::WEIGHTS];
    if is_single {
        for (cot, row) in space.single.iter_mut().zip(cot_params.chunks_exact(width)) {
            *cot = row[0];
        }
        let (activations, cot_activations) = (&activations[..H::ACTIVATIONS], &mut cot_activations[..H::ACTIVATIONS]);
        let (input, cot_input) = (&net_input[..rows], &mut cot_net_input[..if is_unread { 0 } else { rows }]);
        cot_input.fill(T::narrow(0.0));
        let cot_params = &space.single[..H::PARAMS];
        H::pull(weights, 1, input, activations, cot_activations, cot_params, cot_input, cot_weights, temp);
        let [own, earlier] = read_by::<H>(at, rows);
        for (cot, row) in cot_input.iter().zip(own.chain(earlier)) {
            cot_inputs[row * width] += *cot;
        }
        return;
    }
    let prefix = reads_prefix::<H>(at);
    let (input, cot_input) = if prefix {
        (&inputs[..rows * width], &mut cot_inputs[..rows * width])
    } else {
        cot_net_input[..rows * width].fill(T::narrow(0.0));
        (&net_input[..rows * width], &mut cot_net_input[..rows * width])
    };
    let cot_input = if is_unread { &mut [] } else { cot_input };
    H::pull(weights, width, input, activations, cot_activations, cot_params, cot_input, cot_weights, temp);
    if !prefix && !is_unread {
        let (own, earlier) = cot_net_input[..rows * width].split_at(H::FEATURES.1 * width);
        accumulate(&mut cot_inputs[H::FEATURES.0 * width..], own);
        accumulate(&mut cot_inputs[at.features * width..], earlier);
    }
}
