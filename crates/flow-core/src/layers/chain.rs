//! Chains: layers one after the other.
//!
//! In the type of a flow a chain is nested pairs `(First, (Second, ()))` of [`LayerType`]s; what is walked is the value [`Chain`].

use super::bijection::{AnyLayer, Facts, LayerType, Prepared, Way};
use super::{PENALTIES, StateTensor};
use crate::manifolds::Manifold;
use crate::numeric::WidePack;
use crate::numeric::special::all_finite;
use core::ops::Range;
use flow_notation::Written;
use rand::Rng;
use std::sync::Arc;

/// The first thing that went wrong in a walk through a chain: where, and in which lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Place of the layer in its chain, counted from 0.
    pub layer: usize,
    /// The layer's letter or name.
    pub name: &'static str,
    /// The lane.
    pub lane: usize,
    /// Whether a search did not converge (else: a value was not finite).
    pub unconverged: bool,
    /// [`Layer::ADVICE`](super::Layer::ADVICE).
    pub advice: &'static str,
}

/// A letter of a chain, for summaries and file headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The letter, or the name of a user's own layer.
    pub name: &'static str,
    /// Its options, all of them.
    pub options: Vec<Written>,
    /// Number of parameters.
    pub params: usize,
    /// The tensors that they are stored as.
    pub state: Vec<StateTensor>,
}

/// A chain in the type of a flow: nested pairs that end in `()`.
pub trait ChainType<M: Manifold>: Send + Sync + 'static {
    /// Number of layers.
    const LEN: usize;
    /// Length of the flat parameter vector.
    const PARAMS: usize;

    /// Appends the layers in order.
    fn append(layers: &mut Vec<Arc<dyn AnyLayer>>);
    /// The chain.
    fn chain() -> Chain {
        let mut layers = Vec::with_capacity(Self::LEN);
        Self::append(&mut layers);
        Chain::new(layers)
    }
}

impl<M: Manifold> ChainType<M> for () {
    const LEN: usize = 0;
    const PARAMS: usize = 0;
    fn append(_: &mut Vec<Arc<dyn AnyLayer>>) {}
}

impl<M: Manifold, H: LayerType<M>, T: ChainType<M>> ChainType<M> for (H, T) {
    const LEN: usize = 1 + T::LEN;
    const PARAMS: usize = H::PARAMS + T::PARAMS;
    fn append(layers: &mut Vec<Arc<dyn AnyLayer>>) {
        layers.push(H::layer());
        T::append(layers);
    }
}

/// A layer with the place of its numbers among those of its chain.
struct Placed {
    layer: Arc<dyn AnyLayer>,
    facts: Facts,
    params: Range<usize>,
    prepared: Range<usize>,
    scratch: Range<usize>,
}

/// Layers applied one after the other; the flat parameter vector, the prepared numbers and the scratch of the layers
/// stand side by side in the order written.
pub struct Chain {
    layers: Vec<Placed>,
    params: usize,
    prepared: usize,
    scratch: usize,
}

impl Chain {
    /// A chain of these layers, the base side first.
    pub fn new(layers: Vec<Arc<dyn AnyLayer>>) -> Chain {
        let mut chain = Chain { layers: Vec::with_capacity(layers.len()), params: 0, prepared: 0, scratch: 0 };
        let take = |end: &mut usize, count: usize| {
            let start = *end;
            *end += count;
            start..*end
        };
        for layer in layers {
            let facts = layer.facts();
            let params = take(&mut chain.params, facts.params);
            let prepared = take(&mut chain.prepared, facts.prepared);
            let scratch = take(&mut chain.scratch, facts.scratch);
            chain.layers.push(Placed { layer, facts, params, prepared, scratch });
        }
        chain
    }

    /// Number of layers.
    pub fn len(&self) -> usize {
        self.layers.len()
    }
    /// Whether there are no layers.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
    /// Length of the flat parameter vector.
    pub fn params(&self) -> usize {
        self.params
    }
    /// Number of prepared numbers.
    pub fn prepared(&self) -> usize {
        self.prepared
    }
    /// Number of scratch numbers.
    pub fn scratch(&self) -> usize {
        self.scratch
    }
    /// Whether the first letter has a shorter way to its log-determinant alone.
    pub fn has_log_det_only(&self) -> bool {
        self.layers.first().is_some_and(|first| first.facts.has_log_det_only)
    }

    /// Names, options and parameters of the letters.
    pub fn letters(&self) -> Vec<Letter> {
        self.layers.iter().map(|placed| placed.layer.letter()).collect()
    }

    /// Parameters a fit starts from, layer by layer.
    pub fn initial(&self, rng: &mut dyn Rng, params: &mut [f64]) {
        for Placed { layer, params: range, .. } in &self.layers {
            layer.start(rng, &mut params[range.clone()]);
        }
    }

    /// Parameters that start a fit near the data, which the last letter sees first; returns whether any layer learnt from it.
    pub fn initial_from_data(&self, rng: &mut dyn Rng, points: &mut [f64], params: &mut [f64]) -> bool {
        let mut learnt = false;
        for Placed { layer, params: range, .. } in self.layers.iter().rev() {
            let own = &mut params[range.clone()];
            if layer.start_from_data(rng, points, own) {
                learnt = true;
            } else {
                layer.start(rng, own);
            }
        }
        learnt
    }

    /// Parameters to prepared numbers.
    #[inline(always)]
    pub fn prepare<P: WidePack>(&self, params: &[P], prepared: &mut [P]) {
        for placed in &self.layers {
            P::pick(&*placed.layer).prepare(&params[placed.params.clone()], &mut prepared[placed.prepared.clone()]);
        }
    }

    /// Cotangents of [`Chain::prepare`], added to those of the parameters.
    #[inline(always)]
    pub fn prepare_vjp<P: WidePack>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        for placed in &self.layers {
            let (of_params, of_prepared) = (placed.params.clone(), placed.prepared.clone());
            P::pick(&*placed.layer).prepare_vjp(
                &params[of_params.clone()],
                &prepared[of_prepared.clone()],
                &cot_prepared[of_prepared],
                &mut cot_params[of_params],
            );
        }
    }

    /// Maps the target side to the base side through the letters in `letters`, the last one first, and adds their log-determinant. Only
    /// the first letter of the chain may take the short way of [`Way::LogDet`]. Notes the first number that is not finite.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "one walk for every question")]
    pub fn inverse<R: WidePack>(
        &self,
        way: Way,
        letters: Range<usize>,
        prepared: Prepared<'_, R>,
        x: &mut [R],
        log_det: &mut R,
        penalties: &mut [R; PENALTIES],
        scratch: &mut [R],
        fault: &mut Option<Fault>,
    ) {
        for (place, placed) in self.layers.iter().enumerate().rev() {
            if place < letters.start || place >= letters.end {
                continue;
            }
            let way = if place > 0 && way == Way::LogDet { Way::Point } else { way };
            let (own, scratch) = (prepared.part(&placed.prepared), &mut scratch[placed.scratch.clone()]);
            R::pick(&*placed.layer).inverse(way, own, x, log_det, penalties, scratch);
            let finite = all_finite(x) & log_det.is_finite();
            Fault::note(fault, !finite, place, &placed.facts, false);
            if way == Way::Penalised {
                Fault::note(fault, !all_finite(penalties), place, &placed.facts, false);
            }
        }
    }

    /// Cotangents of [`Chain::inverse`] of all letters.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "value, cotangents and parameters of one map")]
    pub fn inverse_vjp<R: WidePack>(
        &self,
        way: Way,
        prepared: Prepared<'_, R>,
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: &R,
        cot_penalties: &[R; PENALTIES],
        cot_prepared: &mut [R],
    ) {
        for (place, placed) in self.layers.iter().enumerate() {
            let way = if place > 0 && way == Way::LogDet { Way::Point } else { way };
            R::pick(&*placed.layer).inverse_vjp(
                way,
                prepared.part(&placed.prepared),
                &mut scratch[placed.scratch.clone()],
                cot,
                cot_log_det,
                cot_penalties,
                &mut cot_prepared[placed.prepared.clone()],
            );
        }
    }

    /// Maps the base side to the target side, the first letter first, and adds the log-determinants. Notes searches that failed and
    /// numbers that are not finite.
    #[inline(always)]
    pub fn forward<R: WidePack>(
        &self,
        prepared: Prepared<'_, R>,
        z: &mut [R],
        log_det: &mut R,
        scratch: &mut [R],
        fault: &mut Option<Fault>,
    ) {
        for (place, placed) in self.layers.iter().enumerate() {
            let (own, scratch) = (prepared.part(&placed.prepared), &mut scratch[placed.scratch.clone()]);
            let unconverged = R::pick(&*placed.layer).forward(own, z, log_det, scratch);
            Fault::note(fault, unconverged, place, &placed.facts, true);
            let finite = all_finite(z) & log_det.is_finite();
            Fault::note(fault, !finite, place, &placed.facts, false);
        }
    }

    /// Cotangents of [`Chain::forward`].
    #[inline(always)]
    pub fn forward_vjp<R: WidePack>(
        &self,
        prepared: Prepared<'_, R>,
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: &R,
        cot_prepared: &mut [R],
    ) {
        for placed in self.layers.iter().rev() {
            R::pick(&*placed.layer).forward_vjp(
                prepared.part(&placed.prepared),
                &mut scratch[placed.scratch.clone()],
                cot,
                cot_log_det,
                &mut cot_prepared[placed.prepared.clone()],
            );
        }
    }
}
