//! The fused program over one block of points: conditioner, regulators, layers and reference density of every manifold, and
//! back.
//!
//! A block is `width` points held as structure of arrays (a row of `width` numbers for each feature, coordinate, activation,
//! parameter). Its rows stay in cache between the steps; nothing of size batch x parameters exists.
//!
//! All functions of packs here are inlined into the one piece of work that a task is, so that they run on registers.

use super::conditioner::{Head, apply_hyper, apply_hyper_vjp, condition, condition_vjp};
use super::program::{Block, LogMean, Program};
use super::run::RowFault;
use super::workspace::{Model, Totals, Workspace, add_to, load, store};
use crate::layers::{Fault, PENALTIES, Prepared, Way};
use crate::numeric::special::all_finite;
use crate::numeric::{Mask, Scalar, WidePack};
use core::ops::Range;

/// What an evaluation is asked for beside log-densities.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// Base coordinates.
    pub(super) base: bool,
    /// Penalties.
    pub(super) penalties: bool,
}

impl Asked {
    /// How the chain of a block is evaluated: where the base-side point is not asked for and the density does not depend on it, the
    /// first letter may take a shorter way.
    fn way(self, block: &Block) -> Way {
        if self.penalties {
            Way::Penalised
        } else if !self.base && block.geometry.is_uniform() && block.chain.has_log_det_only() {
            Way::LogDet
        } else {
            Way::Point
        }
    }
}

/// Notes what went wrong with a point of a block.
#[cold]
fn note<T: Scalar, R>(block: &Block, space: &mut Workspace<T, R>, lane: usize, layer: Option<Fault>) {
    let fault = (lane, RowFault { row: 0, manifold: block.index, layer });
    // The earliest point of the block is reported, and for one point what went wrong first.
    if space.fault.is_none_or(|(earlier, _)| fault.0 < earlier) {
        space.fault = Some(fault);
    }
}

/// Prepares the parameters of a pack of points, if it has its own; notes those that are not finite.
#[inline(always)]
fn prepare<T: Scalar, R: WidePack>(block: &Block, space: &mut Workspace<T, R>, first: usize) {
    if is_shared(block) {
        return;
    }
    let count = block.chain.params();
    load(&space.params, space.width, first, &mut space.lane_params[..count]);
    let bad = !all_finite(&space.lane_params[..count]);
    if bad.any() {
        let lane = (0..R::LANES).find(|l| bad.lane(*l)).unwrap_or(0);
        note(block, space, first + lane, None);
    }
    block.chain.prepare(&space.lane_params[..count], &mut space.lane_prepared[..block.chain.prepared()]);
}

fn is_shared(block: &Block) -> bool {
    block.conditioner.is_free()
}

/// Prepared numbers of a block: see [`prepare`].
#[inline(always)]
fn prepared<'a, T: Scalar, R: WidePack>(block: &Block, model: Model<'a, T>, lane_prepared: &'a [R]) -> Prepared<'a, R> {
    if is_shared(block) {
        Prepared::Shared(&model.shared[block.shared.clone()])
    } else {
        Prepared::Each(&lane_prepared[..block.chain.prepared()])
    }
}

/// Adds a pack's gradients by prepared numbers to the block's parameters, through the regulators. Those of shared parameters are
/// added up as they are.
#[inline(always)]
fn settle<T: Scalar, R: WidePack>(block: &Block, space: &mut Workspace<T, R>, first: usize) {
    let (params, prepared) = (block.chain.params(), block.chain.prepared());
    let cot_params = &mut space.lane_cot_params[..params];
    cot_params.fill(R::zero());
    block.chain.prepare_vjp(
        &space.lane_params[..params],
        &space.lane_prepared[..prepared],
        &space.lane_cot_prepared[..prepared],
        cot_params,
    );
    store(cot_params, &mut space.cot_params, space.width, first);
}

/// Rows of a block's coordinates in the workspace.
fn rows(program: &Program, block: &Block, width: usize) -> Range<usize> {
    (program.before + block.embeds.start) * width..(program.before + block.embeds.end) * width
}

/// Adds the log-density of the block's points to `log_prob`, and writes base coordinates and penalties if asked to.
#[inline(always)]
pub(super) fn evaluate<T, R>(program: &Program, model: Model<'_, T>, space: &mut Workspace<T, R>, asked: Asked)
where
    T: Scalar,
    R: WidePack,
{
    apply_hyper(program, model, space);
    for block in &program.blocks {
        if !space.counts(block.index) {
            continue;
        }
        condition(program, model, Head::of(block), space);
        let (width, way) = (space.width, asked.way(block));
        let (rows, embed, dim) = (rows(program, block, width), block.embeds.len(), block.dims.len());
        for first in (0..width).step_by(R::LANES) {
            let mut fault = None;
            load(&space.inputs[rows.clone()], width, first, &mut space.point[..embed]);
            prepare(block, space, first);
            let Workspace { point, lane_scratch, lane_prepared, .. } = space;
            let (point, scratch) = (&mut point[..embed], &mut lane_scratch[..block.chain.scratch()]);
            let (mut log_prob, mut penalties) = (R::zero(), [R::zero(); PENALTIES]);
            let numbers = prepared(block, model, lane_prepared);
            let letters = 0..usize::MAX;
            block.chain.inverse(way, letters, numbers, point, &mut log_prob, &mut penalties, scratch, &mut fault);
            log_prob += block.geometry.log_reference(point);
            if let Some(fault) = fault {
                note(block, space, first + fault.lane, Some(fault));
            }
            add_to(&[log_prob], &mut space.log_prob, width, first);
            if asked.penalties {
                add_to(&penalties, &mut space.penalties, width, first);
            }
            if asked.base {
                block.geometry.to_base(&space.point[..embed], &mut space.lane_base[..dim]);
                store(&space.lane_base[..dim], &mut space.base[block.dims.start * width..], width, first);
            }
        }
    }
}

/// Cotangents of [`evaluate`], for the points in `inputs` and the cotangents in `cot_log_prob` (and in `cot_penalties` and
/// `cot_base`). Adds the log-density to `log_prob` on the way.
#[inline(always)]
pub(super) fn evaluate_vjp<T, R>(
    program: &Program,
    model: Model<'_, T>,
    space: &mut Workspace<T, R>,
    totals: &mut Totals<T, R>,
    asked: Asked,
) where
    T: Scalar,
    R: WidePack,
{
    apply_hyper(program, model, space);
    for block in &program.blocks {
        if !space.counts(block.index) {
            continue;
        }
        condition(program, model, Head::of(block), space);
        let (width, way, shared) = (space.width, asked.way(block), is_shared(block));
        let (rows, embed, dim) = (rows(program, block, width), block.embeds.len(), block.dims.len());
        for first in (0..width).step_by(R::LANES) {
            let mut fault = None;
            load(&space.inputs[rows.clone()], width, first, &mut space.point[..embed]);
            let (mut cot_log_prob, mut cot_penalties) = ([R::zero()], [R::zero(); PENALTIES]);
            load(&space.cot_log_prob, width, first, &mut cot_log_prob);
            if asked.penalties {
                load(&space.cot_penalties, width, first, &mut cot_penalties);
            }
            prepare(block, space, first);
            let Workspace { point, cot_point, lane_scratch, lane_prepared, lane_cot_prepared, .. } = space;
            let (point, cot_point) = (&mut point[..embed], &mut cot_point[..embed]);
            let scratch = &mut lane_scratch[..block.chain.scratch()];
            let (mut log_prob, mut penalties) = (R::zero(), [R::zero(); PENALTIES]);
            let numbers = prepared(block, model, lane_prepared);
            let letters = 0..usize::MAX;
            block.chain.inverse(way, letters, numbers, point, &mut log_prob, &mut penalties, scratch, &mut fault);
            log_prob += block.geometry.log_reference(point);
            cot_point.fill(R::zero());
            block.geometry.log_reference_vjp(point, cot_log_prob[0], cot_point);
            if asked.base {
                let lane_base = &mut space.lane_base[..dim];
                load(&space.cot_base[block.dims.start * width..], width, first, lane_base);
                block.geometry.to_base_vjp(point, lane_base, cot_point);
            }
            let cot_prepared = if shared {
                &mut totals.shared[block.shared.clone()]
            } else {
                let own = &mut lane_cot_prepared[..block.chain.prepared()];
                own.fill(R::zero());
                own
            };
            let cots = (&cot_log_prob[0], &cot_penalties);
            block.chain.inverse_vjp(way, numbers, scratch, cot_point, cots.0, cots.1, cot_prepared);
            if !shared {
                settle(block, space, first);
            }
            if let Some(fault) = fault {
                note(block, space, first + fault.lane, Some(fault));
            }
            add_to(&[log_prob], &mut space.log_prob, width, first);
            add_to(&space.cot_point[..embed], &mut space.cot_inputs[rows.clone()], width, first);
        }
        no_log_mean(block, space);
        condition_vjp(program, model, Head::of(block), space, totals);
    }
    apply_hyper_vjp(program, model, space, totals);
}

/// A log-mean beside the parameters takes no part in the density.
fn no_log_mean<T: Scalar, R>(block: &Block, space: &mut Workspace<T, R>) {
    let width = space.width;
    space.cot_params[block.chain.params() * width..block.outputs() * width].fill(T::narrow(0.0));
}

/// Base coordinates to embedded coordinates, one manifold after the other, with the log-density of the result.
#[inline(always)]
pub(super) fn generate<T, R>(program: &Program, model: Model<'_, T>, space: &mut Workspace<T, R>)
where
    T: Scalar,
    R: WidePack,
{
    apply_hyper(program, model, space);
    for block in &program.blocks {
        condition(program, model, Head::of(block), space);
        let width = space.width;
        let (rows, embed, dim) = (rows(program, block, width), block.embeds.len(), block.dims.len());
        for first in (0..width).step_by(R::LANES) {
            let mut fault = None;
            load(&space.base[block.dims.start * width..], width, first, &mut space.lane_base[..dim]);
            block.geometry.from_base(&space.lane_base[..dim], &mut space.point[..embed]);
            let reference = block.geometry.log_reference(&space.point[..embed]);
            prepare(block, space, first);
            let Workspace { point, lane_scratch, lane_prepared, .. } = space;
            let (point, scratch) = (&mut point[..embed], &mut lane_scratch[..block.chain.scratch()]);
            let mut log_det = R::zero();
            block.chain.forward(prepared(block, model, lane_prepared), point, &mut log_det, scratch, &mut fault);
            if let Some(fault) = fault {
                note(block, space, first + fault.lane, Some(fault));
            }
            add_to(&[reference - log_det], &mut space.log_prob, width, first);
            store(&space.point[..embed], &mut space.inputs[rows.clone()], width, first);
        }
    }
}

/// Inverts the letters in `letters` of one manifold: its coordinates in `inputs`, those after the letters, become those before
/// them. Adds the log-determinant to `log_prob`, and the reference density where the way ends at the base.
#[inline(always)]
pub(super) fn inverse_through<T, R>(
    program: &Program,
    model: Model<'_, T>,
    space: &mut Workspace<T, R>,
    manifold: usize,
    letters: &Range<usize>,
) where
    T: Scalar,
    R: WidePack,
{
    apply_hyper(program, model, space);
    let Some(block) = program.blocks.get(manifold) else { return };
    condition(program, model, Head::of(block), space);
    let width = space.width;
    let (rows, embed) = (rows(program, block, width), block.embeds.len());
    for first in (0..width).step_by(R::LANES) {
        let mut fault = None;
        load(&space.inputs[rows.clone()], width, first, &mut space.point[..embed]);
        prepare(block, space, first);
        let Workspace { point, lane_scratch, lane_prepared, .. } = space;
        let (point, scratch) = (&mut point[..embed], &mut lane_scratch[..block.chain.scratch()]);
        let (mut log_prob, mut penalties) = (R::zero(), [R::zero(); PENALTIES]);
        let numbers = prepared(block, model, lane_prepared);
        let letters = letters.clone();
        block.chain.inverse(
            Way::Point,
            letters.clone(),
            numbers,
            point,
            &mut log_prob,
            &mut penalties,
            scratch,
            &mut fault,
        );
        if letters.start == 0 {
            log_prob += block.geometry.log_reference(point);
        }
        store(point, &mut space.inputs[rows.clone()], width, first);
        if let Some(fault) = fault {
            note(block, space, first + fault.lane, Some(fault));
        }
        add_to(&[log_prob], &mut space.log_prob, width, first);
    }
}

/// Cotangents of [`generate`] at the points in `inputs`, given those of the points in `cot_inputs` and of their log-density in
/// `cot_log_prob`.
///
/// The points are known, so the chain is walked by its inverse (no root search) to refill what the derivatives of the forward
/// map need. Later blocks first: they add to the cotangents of this block's point through their networks.
#[inline(always)]
pub(super) fn generate_vjp<T, R>(
    program: &Program,
    model: Model<'_, T>,
    space: &mut Workspace<T, R>,
    totals: &mut Totals<T, R>,
) where
    T: Scalar,
    R: WidePack,
{
    apply_hyper(program, model, space);
    for block in program.blocks.iter().rev() {
        condition(program, model, Head::of(block), space);
        let (width, shared) = (space.width, is_shared(block));
        let (rows, embed) = (rows(program, block, width), block.embeds.len());
        for first in (0..width).step_by(R::LANES) {
            let mut fault = None;
            load(&space.inputs[rows.clone()], width, first, &mut space.point[..embed]);
            load(&space.cot_inputs[rows.clone()], width, first, &mut space.cot_point[..embed]);
            let mut cot_log_prob = [R::zero()];
            load(&space.cot_log_prob, width, first, &mut cot_log_prob);
            prepare(block, space, first);
            let Workspace { point, cot_point, lane_scratch, lane_prepared, lane_cot_prepared, .. } = space;
            let (point, cot_point) = (&mut point[..embed], &mut cot_point[..embed]);
            let scratch = &mut lane_scratch[..block.chain.scratch()];
            let (mut log_det, mut penalties) = (R::zero(), [R::zero(); PENALTIES]);
            let (numbers, letters) = (prepared(block, model, lane_prepared), 0..usize::MAX);
            let way = Way::Point;
            block.chain.inverse(way, letters, numbers, point, &mut log_det, &mut penalties, scratch, &mut fault);
            let cot_prepared = if shared {
                &mut totals.shared[block.shared.clone()]
            } else {
                let own = &mut lane_cot_prepared[..block.chain.prepared()];
                own.fill(R::zero());
                own
            };
            block.chain.forward_vjp(numbers, scratch, cot_point, &-cot_log_prob[0], cot_prepared);
            if !shared {
                settle(block, space, first);
            }
            if let Some(fault) = fault {
                note(block, space, first + fault.lane, Some(fault));
            }
        }
        no_log_mean(block, space);
        condition_vjp(program, model, Head::of(block), space, totals);
    }
    apply_hyper_vjp(program, model, space, totals);
}

/// The head of a log-mean, with the block that it is part of.
fn log_mean_head(program: &Program) -> Option<Head<'_>> {
    match program.log_mean.as_ref()? {
        LogMean::Joint => program.blocks.first().map(Head::of),
        LogMean::Separate { conditioner, weights, given } => {
            Some(Head { conditioner, earlier: 0, outputs: 1, weights, given })
        }
    }
}

/// Writes ln lambda of the block's features to `log_prob`.
#[inline(always)]
pub(super) fn log_mean<T, R>(program: &Program, model: Model<'_, T>, space: &mut Workspace<T, R>)
where
    T: Scalar,
    R: WidePack,
{
    let Some(head) = log_mean_head(program) else { return };
    apply_hyper(program, model, space);
    let width = space.width;
    if head.conditioner.is_free() {
        space.log_prob[..width].fill(model.weights[head.weights.start]);
    } else {
        condition(program, model, head, space);
        space.log_prob[..width].copy_from_slice(&space.params[(head.outputs - 1) * width..][..width]);
    }
}

/// Cotangents of [`log_mean`], for those in `cot_log_prob`.
#[inline(always)]
pub(super) fn log_mean_vjp<T, R>(
    program: &Program,
    model: Model<'_, T>,
    space: &mut Workspace<T, R>,
    totals: &mut Totals<T, R>,
) where
    T: Scalar,
    R: WidePack,
{
    let Some(head) = log_mean_head(program) else { return };
    apply_hyper(program, model, space);
    let width = space.width;
    if head.conditioner.is_free() {
        let total = &mut totals.weights[head.weights.start];
        *total = space.cot_log_prob[..width].iter().fold(*total, |sum, c| sum + *c);
    } else {
        condition(program, model, head, space);
        space.cot_params[..(head.outputs - 1) * width].fill(T::narrow(0.0));
        space.cot_params[(head.outputs - 1) * width..][..width].copy_from_slice(&space.cot_log_prob[..width]);
        condition_vjp(program, model, head, space, totals);
    }
    apply_hyper_vjp(program, model, space, totals);
}
