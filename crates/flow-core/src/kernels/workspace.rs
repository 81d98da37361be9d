//! The space a block of points is worked in, and where its numbers are.

use super::program::{Program, Sizes};
use super::run::RowFault;
use crate::layers::PENALTIES;
use crate::numeric::{Scalar, WidePack};

/// What is the same for all points of a call: weights, and the prepared numbers of shared parameters.
#[derive(Clone, Copy)]
pub struct Model<'a, T> {
    /// All weights, block after block.
    pub weights: &'a [T],
    /// Prepared numbers of the blocks with shared parameters.
    pub shared: &'a [f64],
}

/// Gradients that a run of blocks adds up.
pub struct Totals<T, R> {
    /// By the weights of networks.
    pub weights: Vec<T>,
    /// By shared prepared numbers, lane by lane.
    pub shared: Vec<R>,
}

/// The space one block of points is worked in; reused from block to block.
pub struct Workspace<T, R> {
    /// Points side by side.
    pub width: usize,
    /// How many of them are meant; those after them repeat the last.
    pub points: usize,
    /// Rows of features, then of embedded coordinates.
    pub inputs: Vec<T>,
    /// Cotangents of `inputs`.
    pub cot_inputs: Vec<T>,
    /// Base coordinates.
    pub base: Vec<T>,
    /// The log-density, or its part so far.
    pub log_prob: Vec<T>,
    /// Cotangents of `log_prob`.
    pub cot_log_prob: Vec<T>,
    /// Rows of what a fit may penalise, where it is asked for.
    pub penalties: Vec<T>,
    /// Cotangents of `penalties`.
    pub cot_penalties: Vec<T>,
    /// Rows of cotangents of `base`; empty where there are none.
    pub cot_base: Vec<T>,
    pub(super) net_input: Vec<T>,
    pub(super) cot_net_input: Vec<T>,
    pub(super) activations: Vec<T>,
    pub(super) cot_activations: Vec<T>,
    pub(super) params: Vec<T>,
    pub(super) cot_params: Vec<T>,
    /// Parameters of one point, and their cotangents.
    pub(super) single: Vec<T>,
    /// Activations of the network that makes all parameters.
    pub(super) hyper: Vec<T>,
    /// Space for their cotangents.
    pub(super) cot_hyper: Vec<T>,
    pub(super) temp: Vec<T>,
    pub(super) lane_params: Vec<R>,
    pub(super) lane_cot_params: Vec<R>,
    pub(super) lane_prepared: Vec<R>,
    pub(super) lane_cot_prepared: Vec<R>,
    pub(super) lane_scratch: Vec<R>,
    pub(super) lane_base: Vec<R>,
    pub(super) point: Vec<R>,
    pub(super) cot_point: Vec<R>,
    /// Whether somebody asks for gradients by the given features.
    pub wants_features: bool,
    /// The first fault met: lane within the block, and what.
    pub fault: Option<(usize, RowFault)>,
    /// The manifolds, from and to, whose log-densities evaluation adds up; the others are only read.
    pub counted: [usize; 2],
}

impl<T: Scalar, R: WidePack> Workspace<T, R> {
    /// Space for blocks of `width` points; `for_gradients` adds that of the cotangents.
    #[inline(always)]
    pub fn new(program: &Program, width: usize, for_gradients: bool) -> Self {
        let sizes = Sizes::of(program);
        let rows = program.before + program.embed;
        let zero = T::narrow(0.0);
        let block = |rows: usize| vec![zero; rows * width];
        let cot_block = |rows: usize| vec![zero; if for_gradients { rows * width } else { 0 }];
        let lanes = |n: usize| vec![R::zero(); n];
        let cot_lanes = |n: usize| vec![R::zero(); if for_gradients { n } else { 0 }];
        Workspace {
            width,
            points: width,
            inputs: block(rows),
            cot_inputs: cot_block(rows),
            base: block(program.dim),
            log_prob: block(1),
            cot_log_prob: cot_block(1),
            penalties: block(PENALTIES),
            cot_penalties: cot_block(PENALTIES),
            cot_base: Vec::new(),
            net_input: block(sizes.net_input),
            cot_net_input: cot_block(sizes.net_input),
            activations: block(sizes.activations),
            cot_activations: cot_block(sizes.activations),
            params: block(sizes.params),
            cot_params: cot_block(sizes.params),
            single: vec![zero; sizes.params],
            hyper: block(sizes.hyper),
            cot_hyper: cot_block(sizes.hyper),
            temp: block(sizes.temp),
            lane_params: lanes(sizes.params),
            lane_cot_params: cot_lanes(sizes.params),
            lane_prepared: lanes(sizes.prepared),
            lane_cot_prepared: cot_lanes(sizes.prepared),
            lane_scratch: lanes(sizes.scratch),
            lane_base: lanes(sizes.dim),
            point: lanes(sizes.embed),
            cot_point: cot_lanes(sizes.embed),
            wants_features: true,
            fault: None,
            counted: [0, usize::MAX],
        }
    }

    /// Whether lanes repeat a single point.
    pub(super) fn is_single(&self) -> bool {
        self.points == 1 && self.width > 1
    }

    pub(super) fn counts(&self, manifold: usize) -> bool {
        (self.counted[0]..self.counted[1]).contains(&manifold)
    }
}

/// Reads rows of a block into lanes, `R::LANES` points from number `first` on.
#[inline(always)]
pub(super) fn load<T: Scalar, R: WidePack>(rows: &[T], width: usize, first: usize, lanes: &mut [R]) {
    for (i, lane) in lanes.iter_mut().enumerate() {
        *lane = T::load(&rows[i * width + first..]);
    }
}

/// Writes lanes into rows of a block.
#[inline(always)]
pub(super) fn store<T: Scalar, R: WidePack>(lanes: &[R], rows: &mut [T], width: usize, first: usize) {
    for (i, lane) in lanes.iter().enumerate() {
        T::save(lane, &mut rows[i * width + first..]);
    }
}

/// Adds lanes to rows of a block.
#[inline(always)]
pub(super) fn add_to<T: Scalar, R: WidePack>(lanes: &[R], rows: &mut [T], width: usize, first: usize) {
    for (i, lane) in lanes.iter().enumerate() {
        let row = &mut rows[i * width + first..];
        T::save(&(T::load::<R>(row) + *lane), row);
    }
}
