//! Where the parameters of a chain come from, and running it on the rows that it reads.

use super::program::{Block, Program};
use super::workspace::{Model, Totals, Workspace};
use crate::networks::{OwnedMlp, WeightLayout};
use crate::numeric::{Scalar, WidePack};
use core::ops::Range;

/// The source of a block's parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Conditioner {
    /// Free parameters, shared by all points.
    Free,
    /// Parameters given for each point.
    PerPoint,
    /// A network that reads `count` given features from number `from` on, then the embedded coordinates of all earlier
    /// manifolds.
    Predicted {
        /// The first feature read.
        from: usize,
        /// How many are read.
        count: usize,
        /// The network.
        network: OwnedMlp,
    },
    /// A network that reads the embedded coordinates of all earlier manifolds and whose weights are given for each point
    /// (layers.md 2.7).
    HyperPredicted {
        /// The network.
        network: OwnedMlp,
    },
}

impl Conditioner {
    /// The network, where there is one.
    pub fn network(&self) -> Option<&OwnedMlp> {
        match self {
            Conditioner::Predicted { network, .. } | Conditioner::HyperPredicted { network } => Some(network),
            Conditioner::Free | Conditioner::PerPoint => None,
        }
    }

    /// Whether all points share the parameters.
    pub fn is_free(&self) -> bool {
        matches!(self, Conditioner::Free)
    }

    /// Flat weights of its own, given how many numbers it makes.
    pub fn weights(&self, outputs: usize) -> usize {
        match self {
            Conditioner::Free => outputs,
            Conditioner::Predicted { network, .. } => network.mlp().params(),
            Conditioner::PerPoint | Conditioner::HyperPredicted { .. } => 0,
        }
    }

    /// Numbers that it takes for each point in place of weights.
    pub fn given(&self, outputs: usize) -> usize {
        match self {
            Conditioner::Free | Conditioner::Predicted { .. } => 0,
            Conditioner::PerPoint => outputs,
            Conditioner::HyperPredicted { network } => network.mlp().params(),
        }
    }

    /// Rows that it reads, given how many embedded coordinates come before.
    pub(super) fn inputs(&self, earlier: usize) -> usize {
        match self {
            Conditioner::Free | Conditioner::PerPoint => 0,
            Conditioner::Predicted { count, .. } => count + earlier,
            Conditioner::HyperPredicted { .. } => earlier,
        }
    }
}

/// A conditioner with the places of what it reads and makes: of a block, or of a log-mean beside the density.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) conditioner: &'a Conditioner,
    /// Embedded coordinates that it reads: those of earlier manifolds.
    pub(super) earlier: usize,
    /// Numbers that it makes.
    pub(super) outputs: usize,
    pub(super) weights: &'a Range<usize>,
    pub(super) given: &'a Range<usize>,
}

impl<'a> Head<'a> {
    pub(super) fn of(block: &'a Block) -> Head<'a> {
        Head {
            conditioner: &block.conditioner,
            earlier: block.embeds.start,
            outputs: block.outputs(),
            weights: &block.weights,
            given: &block.given,
        }
    }
}

/// The rows of the workspace that a network reads: given features, and earlier coordinates.
fn rows_read(program: &Program, from: usize, count: usize, earlier: usize) -> [Range<usize>; 2] {
    [from..from + count, program.before..program.before + earlier]
}

/// Runs a conditioner: its outputs into `space.params`. For one point the network runs once, not once in each lane.
pub(super) fn condition<T: Scalar, R: WidePack>(
    program: &Program,
    model: Model<'_, T>,
    head: Head<'_>,
    space: &mut Workspace<T, R>,
) {
    let (width, is_single) = (space.width, space.is_single());
    let Workspace { inputs, net_input, activations, params, single, temp, .. } = space;
    match head.conditioner {
        Conditioner::Free => {}
        Conditioner::PerPoint => {
            let given = &inputs[head.given.start * width..head.given.end * width];
            params[..given.len()].copy_from_slice(given);
        }
        Conditioner::HyperPredicted { network } => {
            let given = &inputs[head.given.start * width..head.given.end * width];
            let earlier = &inputs[program.before * width..][..head.earlier * width];
            network.mlp().apply(
                WeightLayout::PerPoint,
                given,
                width,
                earlier,
                &mut activations[..network.mlp().activations() * width],
                &mut params[..head.outputs * width],
                temp,
            );
        }
        Conditioner::Predicted { from, count, network } => {
            let (mlp, weights) = (network.mlp(), &model.weights[head.weights.clone()]);
            let rows = count + head.earlier;
            if is_single {
                let [own, earlier] = rows_read(program, *from, *count, head.earlier);
                for (x, row) in net_input.iter_mut().zip(own.chain(earlier)) {
                    *x = inputs[row * width];
                }
                let single = &mut single[..head.outputs];
                mlp.apply(
                    WeightLayout::Shared,
                    weights,
                    1,
                    &net_input[..rows],
                    &mut activations[..mlp.activations()],
                    single,
                    temp,
                );
                for (row, x) in params.chunks_exact_mut(width).zip(single) {
                    row.fill(*x);
                }
                return;
            }
            let input = if *from == 0 && *count == program.before {
                &inputs[..rows * width]
            } else {
                let (own, earlier) = net_input[..rows * width].split_at_mut(count * width);
                own.copy_from_slice(&inputs[from * width..][..count * width]);
                earlier.copy_from_slice(&inputs[program.before * width..][..earlier.len()]);
                &net_input[..rows * width]
            };
            let (activations, params) =
                (&mut activations[..mlp.activations() * width], &mut params[..head.outputs * width]);
            mlp.apply(WeightLayout::Shared, weights, width, input, activations, params, temp);
        }
    }
}

/// a += b, number by number.
fn accumulate<T: Scalar>(into: &mut [T], from: &[T]) {
    for (sum, x) in into.iter_mut().zip(from) {
        *sum += *x;
    }
}

/// Cotangents of [`condition`] for those in `space.cot_params`, added to those of the rows it reads and of the weights.
pub(super) fn condition_vjp<T: Scalar, R: WidePack>(
    program: &Program,
    model: Model<'_, T>,
    head: Head<'_>,
    space: &mut Workspace<T, R>,
    totals: &mut Totals<T, R>,
) {
    let (width, is_single, wants_features) = (space.width, space.is_single(), space.wants_features);
    let Workspace { inputs, cot_inputs, net_input, cot_net_input, .. } = space;
    let Workspace { activations, cot_activations, cot_params, single, temp, .. } = space;
    let cot_params = &cot_params[..head.outputs * width];
    match head.conditioner {
        Conditioner::Free => {}
        Conditioner::PerPoint => {
            let cot_given = &mut cot_inputs[head.given.start * width..head.given.end * width];
            accumulate(cot_given, cot_params);
        }
        Conditioner::HyperPredicted { network } => {
            let given = &inputs[head.given.start * width..head.given.end * width];
            let earlier = &inputs[program.before * width..][..head.earlier * width];
            // The given numbers are features, and so come before the coordinates.
            let (before, after) = cot_inputs.split_at_mut(program.before * width);
            network.mlp().apply_vjp(
                WeightLayout::PerPoint,
                given,
                width,
                earlier,
                &activations[..network.mlp().activations() * width],
                &mut cot_activations[..network.mlp().activations() * width],
                cot_params,
                &mut after[..head.earlier * width],
                &mut before[head.given.start * width..head.given.end * width],
                temp,
            );
        }
        Conditioner::Predicted { from, count, network } => {
            let (mlp, weights) = (network.mlp(), &model.weights[head.weights.clone()]);
            let cot_weights = &mut totals.weights[head.weights.clone()];
            let rows = count + head.earlier;
            // Features alone, and nobody asks for their gradient.
            let is_unread = head.earlier == 0 && !wants_features;
            if is_single {
                for (cot, row) in single.iter_mut().zip(cot_params.chunks_exact(width)) {
                    *cot = row[0];
                }
                let (input, cot_input) = (&net_input[..rows], &mut cot_net_input[..if is_unread { 0 } else { rows }]);
                cot_input.fill(T::narrow(0.0));
                let single = &single[..head.outputs];
                let shared = WeightLayout::Shared;
                mlp.apply_vjp(
                    shared,
                    weights,
                    1,
                    input,
                    &activations[..mlp.activations()],
                    &mut cot_activations[..mlp.activations()],
                    single,
                    cot_input,
                    cot_weights,
                    temp,
                );
                let [own, earlier] = rows_read(program, *from, *count, head.earlier);
                for (cot, row) in cot_input.iter().zip(own.chain(earlier)) {
                    cot_inputs[row * width] += *cot;
                }
                return;
            }
            let is_prefix = *from == 0 && *count == program.before;
            let (input, cot_input) = if is_prefix {
                (&inputs[..rows * width], &mut cot_inputs[..rows * width])
            } else {
                cot_net_input[..rows * width].fill(T::narrow(0.0));
                (&net_input[..rows * width], &mut cot_net_input[..rows * width])
            };
            let cot_input = if is_unread { &mut [] } else { cot_input };
            mlp.apply_vjp(
                WeightLayout::Shared,
                weights,
                width,
                input,
                &activations[..mlp.activations() * width],
                &mut cot_activations[..mlp.activations() * width],
                cot_params,
                cot_input,
                cot_weights,
                temp,
            );
            if !is_prefix && !is_unread {
                let (own, earlier) = cot_net_input[..rows * width].split_at(count * width);
                accumulate(&mut cot_inputs[from * width..], own);
                accumulate(&mut cot_inputs[program.before * width..], earlier);
            }
        }
    }
}

/// Runs the network that makes all parameters: its outputs follow the features.
pub(super) fn apply_hyper<T: Scalar, R: WidePack>(program: &Program, model: Model<'_, T>, space: &mut Workspace<T, R>) {
    let Some(hyper) = &program.hyper else { return };
    let width = space.width;
    let (features, made) = space.inputs.split_at_mut(program.features * width);
    let mlp = hyper.network.mlp();
    let (weights, made) = (&model.weights[hyper.weights.clone()], &mut made[..mlp.outputs() * width]);
    mlp.apply(
        WeightLayout::Shared,
        weights,
        width,
        features,
        &mut space.hyper[..mlp.activations() * width],
        made,
        &mut space.temp,
    );
}

/// Cotangents of [`apply_hyper`].
pub(super) fn apply_hyper_vjp<T: Scalar, R: WidePack>(
    program: &Program,
    model: Model<'_, T>,
    space: &mut Workspace<T, R>,
    totals: &mut Totals<T, R>,
) {
    let Some(hyper) = &program.hyper else { return };
    let width = space.width;
    let mlp = hyper.network.mlp();
    let (cot_features, cot_made) = space.cot_inputs.split_at_mut(program.features * width);
    mlp.apply_vjp(
        WeightLayout::Shared,
        &model.weights[hyper.weights.clone()],
        width,
        &space.inputs[..program.features * width],
        &space.hyper[..mlp.activations() * width],
        &mut space.cot_hyper[..mlp.activations() * width],
        &cot_made[..mlp.outputs() * width],
        cot_features,
        &mut totals.weights[hyper.weights.clone()],
        &mut space.temp,
    );
}
