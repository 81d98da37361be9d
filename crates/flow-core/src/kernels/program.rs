//! A flow as a value: what the kernels walk over.
//!
//! The type that `flow!` writes carries shapes; [`Program::of`] makes the value of it, once in a process. All kernels work on
//! values, and are compiled in this crate.

use super::conditioner::Conditioner;
use super::network::NetworkSummary;
use super::summary::{BlockSummary, LogMeanSummary, Summary};
use super::types::Blocks;
use crate::layers::Chain;
use crate::manifolds::Geometry;
use crate::networks::{DAMPING, OwnedMlp};
use crate::numeric::{Scalar, WidePack};
use core::any::TypeId;
use core::ops::Range;
use rand::Rng;
use std::collections::HashMap;
use std::sync::{OnceLock, PoisonError, RwLock};

/// What a log-mean starts from where a network or a free number makes it (layers.md 2.8).
pub const LOG_MEAN_START: f64 = 0.1;

/// One manifold with its chain, and where its numbers stand among those of the flow.
pub struct Block {
    /// The manifold.
    pub geometry: Geometry,
    /// Its layers.
    pub chain: Chain,
    /// Where their parameters come from.
    pub conditioner: Conditioner,
    /// Number of the block.
    pub index: usize,
    /// Whether the conditioner makes the logarithm of a mean count too, as its last output.
    pub makes_log_mean: bool,
    /// Its intrinsic (and base) coordinates among those of a point.
    pub dims: Range<usize>,
    /// Its embedded coordinates among those of a point.
    pub embeds: Range<usize>,
    /// Its weights among the flat ones.
    pub weights: Range<usize>,
    /// Its prepared numbers among the shared ones, if its parameters are shared.
    pub shared: Range<usize>,
    /// The numbers it takes for each point in place of weights, among the rows of features.
    pub given: Range<usize>,
}

impl Block {
    /// Numbers that the conditioner makes: parameters of the chain, and a log-mean behind them.
    pub fn outputs(&self) -> usize {
        self.chain.params() + usize::from(self.makes_log_mean)
    }

    /// Parameters that start a fit near rows of `columns` intrinsic coordinates.
    fn params_from_data(&self, rng: &mut dyn Rng, points: &[f64], columns: usize, params: &mut [f64]) {
        let mut own = Vec::with_capacity(points.len() / columns * self.embeds.len());
        for point in points.chunks_exact(columns) {
            let start = own.len();
            own.resize(start + self.embeds.len(), 0.0);
            self.geometry.embed(&point[self.dims.clone()], &mut own[start..], &mut 0.0);
        }
        self.chain.initial_from_data(rng, &mut own, params);
    }
}

/// The network that makes every parameter of every block out of the given features: the clause `amortize`.
pub struct Hyper {
    /// It reads all given features.
    pub network: OwnedMlp,
    /// Its weights among the flat ones.
    pub weights: Range<usize>,
}

/// Where the logarithm of a mean count comes from: the clause `poisson`.
pub enum LogMean {
    /// The last output of the conditioner of the first block.
    Joint,
    /// A head of its own, which makes one number.
    Separate {
        /// Where it comes from.
        conditioner: Conditioner,
        /// Its weights among the flat ones.
        weights: Range<usize>,
        /// The number it takes for each point, among the rows of features.
        given: Range<usize>,
    },
}

/// A flow: manifolds in order, each with its chain and the source of its parameters.
#[derive(Default)]
pub struct Program {
    /// The manifolds.
    pub blocks: Vec<Block>,
    /// The network that makes all parameters, if there is one.
    pub hyper: Option<Hyper>,
    /// Where a log-mean comes from, if there is one.
    pub log_mean: Option<LogMean>,
    /// Features that are given.
    pub features: usize,
    /// Rows before the coordinates: features, and what a network makes of them.
    pub before: usize,
    /// Intrinsic coordinates.
    pub dim: usize,
    /// Embedded coordinates.
    pub embed: usize,
    /// Flat weights.
    pub weights: usize,
    /// Prepared numbers of blocks with shared parameters.
    pub shared: usize,
    /// Numbers that blocks take for each point in place of weights.
    pub given: usize,
}

impl Program {
    /// The program of a type that `flow!` wrote, with this many given features. It is made once and kept for as long as the
    /// process runs.
    pub fn of<B: Blocks>(features: usize) -> &'static Program {
        Program::known((TypeId::of::<B>(), features), B::append)
    }

    #[inline(never)]
    fn known(key: (TypeId, usize), append: fn(&mut Program)) -> &'static Program {
        static KNOWN: OnceLock<RwLock<HashMap<(TypeId, usize), &'static Program>>> = OnceLock::new();
        let known = KNOWN.get_or_init(RwLock::default);
        // A map of finished programs is whole at every moment.
        if let Some(program) = known.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return program;
        }
        let mut program = Program { features: key.1, before: key.1, ..Program::default() };
        append(&mut program);
        known.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert_with(|| Box::leak(Box::new(program)))
    }

    /// Adds the network that makes all parameters, before any block. It makes `outputs` numbers.
    pub fn push_hyper(&mut self, network: OwnedMlp) {
        let count = network.mlp().params();
        self.before += network.mlp().outputs();
        // What is taken for each point follows the features.
        self.given = self.features;
        self.hyper = Some(Hyper { network, weights: 0..count });
        self.weights = count;
    }

    fn take(end: &mut usize, count: usize) -> Range<usize> {
        let start = *end;
        *end += count;
        start..*end
    }

    /// Adds a manifold with its chain.
    #[inline(never)]
    pub fn push_block(&mut self, geometry: Geometry, chain: Chain, conditioner: Conditioner, makes_log_mean: bool) {
        let outputs = chain.params() + usize::from(makes_log_mean);
        let (dims, embeds) =
            (Self::take(&mut self.dim, geometry.dim()), Self::take(&mut self.embed, geometry.embedded_dim()));
        let weights = Self::take(&mut self.weights, conditioner.weights(outputs));
        let given = Self::take(&mut self.given, conditioner.given(outputs));
        let shared = Self::take(&mut self.shared, if conditioner.is_free() { chain.prepared() } else { 0 });
        if makes_log_mean {
            self.log_mean = Some(LogMean::Joint);
        }
        let index = self.blocks.len();
        self.blocks.push(Block {
            geometry,
            chain,
            conditioner,
            index,
            makes_log_mean,
            dims,
            embeds,
            weights,
            shared,
            given,
        });
    }

    /// Adds a head of its own for a log-mean, behind all blocks.
    #[inline(never)]
    pub fn push_log_mean(&mut self, conditioner: Conditioner) {
        let weights = Self::take(&mut self.weights, conditioner.weights(1));
        let given = Self::take(&mut self.given, conditioner.given(1));
        self.log_mean = Some(LogMean::Separate { conditioner, weights, given });
    }

    /// Prepares the parameters that all points share.
    pub(super) fn prepare_shared<T: Scalar>(&self, weights: &[T]) -> Vec<f64> {
        let mut shared = vec![0.0; self.shared];
        for block in self.blocks.iter().filter(|block| block.conditioner.is_free()) {
            let params: Vec<f64> = weights[block.weights.clone()].iter().map(|w| w.widen()).collect();
            block.chain.prepare(&params, &mut shared[block.shared.clone()]);
        }
        shared
    }

    /// Cotangents of [`Program::prepare_shared`], added to those of the weights.
    pub(super) fn prepare_shared_vjp<T: Scalar>(
        &self,
        weights: &[T],
        shared: &[f64],
        cot_shared: &[f64],
        cot_weights: &mut [T],
    ) {
        for block in self.blocks.iter().filter(|block| block.conditioner.is_free()) {
            let (own, own_shared) = (block.weights.clone(), block.shared.clone());
            let params: Vec<f64> = weights[own.clone()].iter().map(|w| w.widen()).collect();
            let mut cot_params = vec![0.0; params.len()];
            let (prepared, cot_prepared) = (&shared[own_shared.clone()], &cot_shared[own_shared]);
            block.chain.prepare_vjp(&params, prepared, cot_prepared, &mut cot_params);
            for (sum, cot) in cot_weights[own].iter_mut().zip(cot_params) {
                *sum = T::hold(sum.widen() + cot);
            }
        }
    }

    /// Intrinsic to embedded coordinates of a pack of points; adds the log-determinant.
    #[inline(always)]
    pub(super) fn embed<R: WidePack>(&self, intrinsic: &[R], embedded: &mut [R], log_det: &mut R) {
        for Block { geometry, dims, embeds, .. } in &self.blocks {
            geometry.embed(&intrinsic[dims.clone()], &mut embedded[embeds.clone()], log_det);
        }
    }
    /// Takes the intrinsic coordinates of one point to embedded ones; adds the log-determinant.
    pub fn embed_point(&self, intrinsic: &[f64], embedded: &mut [f64], log_det: &mut f64) {
        self.embed(intrinsic, embedded, log_det);
    }
    /// Takes the embedded coordinates of one point to intrinsic ones; adds the log-determinant.
    pub fn intrinsic_point(&self, embedded: &[f64], intrinsic: &mut [f64], log_det: &mut f64) {
        self.intrinsic(embedded, intrinsic, log_det);
    }
    /// Moves the embedded coordinates of one point onto the manifolds.
    pub fn project_point(&self, given: &[f64], embedded: &mut [f64]) {
        self.project(given, embedded);
    }
    /// Cotangents of [`Program::embed`].
    #[inline(always)]
    pub(super) fn embed_vjp<R: WidePack>(
        &self,
        intrinsic: &[R],
        cot_embedded: &[R],
        cot_log_det: R,
        cot_intrinsic: &mut [R],
    ) {
        for Block { geometry, dims, embeds, .. } in &self.blocks {
            let (cot_embedded, cot_intrinsic) = (&cot_embedded[embeds.clone()], &mut cot_intrinsic[dims.clone()]);
            geometry.embed_vjp(&intrinsic[dims.clone()], cot_embedded, cot_log_det, cot_intrinsic);
        }
    }
    /// Embedded to intrinsic coordinates; adds the log-determinant.
    #[inline(always)]
    pub(super) fn intrinsic<R: WidePack>(&self, embedded: &[R], intrinsic: &mut [R], log_det: &mut R) {
        for Block { geometry, dims, embeds, .. } in &self.blocks {
            geometry.intrinsic(&embedded[embeds.clone()], &mut intrinsic[dims.clone()], log_det);
        }
    }
    /// Cotangents of [`Program::intrinsic`].
    #[inline(always)]
    pub(super) fn intrinsic_vjp<R: WidePack>(
        &self,
        embedded: &[R],
        cot_intrinsic: &[R],
        cot_log_det: R,
        cot_embedded: &mut [R],
    ) {
        for Block { geometry, dims, embeds, .. } in &self.blocks {
            let (cot_intrinsic, cot_embedded) = (&cot_intrinsic[dims.clone()], &mut cot_embedded[embeds.clone()]);
            geometry.intrinsic_vjp(&embedded[embeds.clone()], cot_intrinsic, cot_log_det, cot_embedded);
        }
    }
    /// Moves embedded coordinates onto the manifolds.
    #[inline(always)]
    pub(super) fn project<R: WidePack>(&self, given: &[R], embedded: &mut [R]) {
        for Block { geometry, embeds, .. } in &self.blocks {
            geometry.project(&given[embeds.clone()], &mut embedded[embeds.clone()]);
        }
    }
    /// Cotangents of [`Program::project`].
    #[inline(always)]
    pub(super) fn project_vjp<R: WidePack>(&self, given: &[R], cot_embedded: &[R], cot_given: &mut [R]) {
        for Block { geometry, embeds, .. } in &self.blocks {
            let range = embeds.clone();
            geometry.project_vjp(&given[range.clone()], &cot_embedded[range.clone()], &mut cot_given[range]);
        }
    }

    /// What is wrong with a point: the number of the manifold, and a message. `None` for a good point.
    pub fn check(&self, point: &[f64], embedded: bool) -> Option<(usize, String)> {
        self.blocks.iter().find_map(|block| {
            let wrong = if embedded {
                block.geometry.check_embedded(&point[block.embeds.clone()])
            } else {
                block.geometry.check_intrinsic(&point[block.dims.clone()])
            };
            wrong.map(|message| (block.index, message))
        })
    }

    /// Weights that start a fit near rows of intrinsic coordinates, for the blocks that can learn from them: free
    /// parameters, the last bias of a network, or that of the network that makes all.
    pub fn initial_from_data(&self, rng: &mut dyn Rng, points: &[f64], weights: &mut [f64]) {
        if let Some(hyper) = &self.hyper {
            let outputs = hyper.network.mlp().outputs();
            let start = hyper.weights.end - outputs;
            for block in self.blocks.iter().filter(|block| !block.given.is_empty()) {
                // The parameters are the last of the numbers that a block takes.
                let end = start + block.given.end - self.features;
                let params = &mut weights[end - block.chain.params()..end];
                block.params_from_data(rng, points, self.dim, params);
            }
        }
        for block in self.blocks.iter().filter(|block| !block.weights.is_empty()) {
            // The parameters are the last of a conditioner's weights.
            let start = block.weights.end - block.outputs();
            let params = &mut weights[start..start + block.chain.params()];
            block.params_from_data(rng, points, self.dim, params);
        }
    }

    /// The numbers that blocks take for each point, as a fit starts from them.
    pub fn initial_given(&self, rng: &mut dyn Rng, given: &mut [f64]) {
        let first = if self.hyper.is_some() { self.features } else { 0 };
        for block in self.blocks.iter().filter(|block| !block.given.is_empty()) {
            let own = &mut given[block.given.start - first..block.given.end - first];
            let params = own.len() - block.chain.params();
            if let Conditioner::HyperPredicted { network } = &block.conditioner {
                network.mlp().initial(rng, DAMPING, None, own);
            }
            block.chain.initial(rng, &mut own[params..]);
        }
        if let Some(LogMean::Separate { given: own, .. }) = &self.log_mean
            && !own.is_empty()
        {
            given[own.start - first..own.end - first].fill(LOG_MEAN_START);
        }
    }

    /// Manifolds, letters, networks and parameter counts, for those who print them.
    pub fn summary(&self) -> Summary {
        let blocks = self.blocks.iter().map(|block| BlockSummary {
            geometry: block.geometry,
            manifold: block.geometry.notation(),
            coordinates: [block.dims.len(), block.embeds.len()],
            letters: block.chain.letters(),
            weights: block.weights.len(),
            network: block.conditioner.network().map(NetworkSummary::of),
            given: block.given.len(),
        });
        let log_mean = self.log_mean.as_ref().map(|log_mean| match log_mean {
            LogMean::Joint => LogMeanSummary::Joint,
            LogMean::Separate { conditioner, given, .. } => match conditioner.network() {
                Some(network) => LogMeanSummary::Separate(NetworkSummary::of(network)),
                None if !given.is_empty() => LogMeanSummary::Joint,
                None => LogMeanSummary::Free,
            },
        });
        let outer = self.hyper.as_ref().map(|hyper| NetworkSummary::of(&hyper.network));
        Summary { blocks: blocks.collect(), outer, log_mean }
    }
}

/// The largest sizes over all blocks of a program, for the space that a block of points is worked in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sizes {
    pub(super) dim: usize,
    pub(super) embed: usize,
    pub(super) net_input: usize,
    pub(super) activations: usize,
    pub(super) params: usize,
    pub(super) hyper: usize,
    pub(super) prepared: usize,
    pub(super) scratch: usize,
    pub(super) temp: usize,
}

impl Sizes {
    pub(super) fn of(program: &Program) -> Sizes {
        let mut sizes = Sizes::default();
        for block in &program.blocks {
            sizes.dim = sizes.dim.max(block.dims.len());
            sizes.embed = sizes.embed.max(block.embeds.len());
            sizes.prepared = sizes.prepared.max(block.chain.prepared());
            sizes.scratch = sizes.scratch.max(block.chain.scratch());
            sizes.conditioner(&block.conditioner, block.conditioner.inputs(block.embeds.start), block.outputs());
        }
        if let Some(LogMean::Separate { conditioner, .. }) = &program.log_mean {
            sizes.conditioner(conditioner, conditioner.inputs(0), 1);
        }
        if let Some(Hyper { network, .. }) = &program.hyper {
            sizes.hyper = network.mlp().activations();
            sizes.temp = sizes.temp.max(network.mlp().temp());
        }
        sizes
    }

    fn conditioner(&mut self, conditioner: &Conditioner, inputs: usize, outputs: usize) {
        self.net_input = self.net_input.max(inputs);
        self.params = self.params.max(outputs);
        if let Some(network) = conditioner.network() {
            self.activations = self.activations.max(network.mlp().activations());
            self.temp = self.temp.max(network.mlp().temp());
        }
    }
}
