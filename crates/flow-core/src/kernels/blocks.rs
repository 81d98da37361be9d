//! The fused program over one block of points: conditioner, regulators, layers and base density of every manifold, and back.
//!
//! A block is `width` points held as structure of arrays (a row of `width` numbers for each feature, coordinate, activation,
//! parameter). Its rows stay in cache between the steps; nothing of size batch x parameters exists.

use super::condition::{condition, condition_vjp};
use super::conditioner::Head;
use super::summary::{BlockSummary, LogMeanSummary, Summary};
use super::workspace::{At, Model, Sizes, Totals, Workspace, add_to, load, store};
use crate::layers::{Chain, Fault, PENALTIES};
use crate::manifolds::value::OnPacks;
use crate::manifolds::{Manifold, Static};
use crate::numeric::special::all_finite;
use crate::numeric::{Lift, Mask, Pack, Scalar};
use core::marker::PhantomData;
use core::ops::Range;
use rand::Rng;

/// One manifold with its chain and the source of its parameters.
pub struct Block<M, C, H>(PhantomData<(M, C, H)>);

/// What went wrong with a point, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// The row.
    pub row: usize,
    /// The manifold, counted from 0.
    pub manifold: usize,
    /// The layer, and what happened; `None`: the parameters themselves are not finite.
    pub layer: Option<Fault>,
}

/// Refuses, when a program is compiled, numbers in which a layer of the blocks is no good.
pub const fn admit<B: Blocks, T: Scalar>() {
    if let Some(why) = B::NEEDS_F64 {
        let precise = if T::EPSILON <= f64::EPSILON { Some(()) } else { None };
        // What `expect` says begins where it is called; `panic!` with an argument points into the standard library.
        precise.expect(why);
    }
}

/// Blocks one after the other, as nested pairs `(First, (Second, ()))`: the autoregressive product of densities.
pub trait Blocks: Send + Sync + 'static {
    /// Number of manifolds.
    const COUNT: usize;
    /// Intrinsic coordinates of all manifolds.
    const DIM: usize;
    /// Embedded coordinates of all manifolds.
    const EMBED: usize;
    /// Weights of all blocks.
    const WEIGHTS: usize;
    /// Prepared numbers of all blocks with shared parameters.
    const SHARED: usize;
    /// What the first layer says that is no good in `f32` (see [`crate::layers::Layer::NEEDS_F64`]).
    const NEEDS_F64: Option<&'static str>;
    /// Numbers made for each point that the blocks take in place of weights.
    const GIVEN: usize;
    /// Numbers that an outer network adds to the given features.
    const OUTER: usize = 0;

    /// Largest sizes over the blocks.
    fn sizes(at: At, sizes: &mut Sizes);
    /// Prepares shared parameters.
    fn prepare_shared<T: Scalar>(weights: &[T], shared: &mut [T]);
    /// Cotangents of shared prepared numbers, added to those of the parameters.
    fn prepare_shared_vjp<T: Scalar>(weights: &[T], shared: &[T], cot_shared: &[T], cot_weights: &mut [T]);

    /// Adds the log-density of the block's points to `log_prob`, and writes their base coordinates if asked to. `PENALISED`: also adds to `penalties`.
    fn evaluate<T, R, const PENALISED: bool>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>, with_base: bool)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>;
    /// Cotangents of [`Blocks::evaluate`], for the points in `inputs` and the cotangents in `cot_log_prob` (and in `cot_penalties`). Adds the
    /// log-density to `log_prob` on the way.
    fn evaluate_vjp<T, R, const PENALISED: bool>(
        model: Model<'_, T>,
        at: At,
        space: &mut Workspace<T, R>,
        totals: &mut Totals<T, R>,
    ) where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>;
    /// Base coordinates to embedded coordinates, one manifold after the other, with the log-density of the result.
    fn generate<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>;
    /// Undoes the letters in `letters` of one manifold: its coordinates in `inputs`, those after the letters, become those before them. Adds the
    /// log-determinant to `log_prob`, and the reference density where the way ends at the base.
    fn undo<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>, manifold: usize, letters: &Range<usize>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>;
    /// Cotangents of [`Blocks::generate`] at the points in `inputs`, given those of the points in `cot_inputs` and of their
    /// log-density in `cot_log_prob`.
    fn generate_vjp<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>, totals: &mut Totals<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>;

    /// Intrinsic to embedded coordinates of a pack of points; adds the log-determinant.
    fn embed<R: Pack>(intrinsic: &[R], embedded: &mut [R], log_det: &mut R);
    /// Cotangents of [`Blocks::embed`].
    fn embed_vjp<R: Pack>(intrinsic: &[R], cot_embedded: &[R], cot_log_det: R, cot_intrinsic: &mut [R]);
    /// Embedded to intrinsic coordinates; adds the log-determinant.
    fn intrinsic<R: Pack>(embedded: &[R], intrinsic: &mut [R], log_det: &mut R);
    /// Cotangents of [`Blocks::intrinsic`].
    fn intrinsic_vjp<R: Pack>(embedded: &[R], cot_intrinsic: &[R], cot_log_det: R, cot_embedded: &mut [R]);
    /// Moves embedded coordinates onto the manifolds.
    fn project<R: Pack>(given: &[R], embedded: &mut [R]);
    /// Cotangents of [`Blocks::project`].
    fn project_vjp<R: Pack>(given: &[R], cot_embedded: &[R], cot_given: &mut [R]);
    /// What is wrong with a point: manifold and message.
    fn check(point: &[f64], embedded: bool, index: usize) -> Option<(usize, String)>;
    /// Parameters that start a fit near rows of `columns` intrinsic coordinates, for the blocks that can learn from them: free
    /// parameters, or the last bias of a network.
    fn initial_from_data<G: Rng + ?Sized>(rng: &mut G, at: At, points: &[f64], columns: usize, weights: &mut [f64]);
    /// The same for given numbers: `given` are those of these blocks.
    fn given_from_data<G: Rng + ?Sized>(rng: &mut G, at: At, points: &[f64], columns: usize, given: &mut [f64]);
    /// Given numbers a fit starts from.
    fn initial_given<G: Rng + ?Sized>(rng: &mut G, given: &mut [f64]);
    /// Notation, letters, networks and parameter counts.
    fn describe(summary: &mut Summary);
}

impl Blocks for () {
    const COUNT: usize = 0;
    const DIM: usize = 0;
    const EMBED: usize = 0;
    const WEIGHTS: usize = 0;
    const SHARED: usize = 0;
    const NEEDS_F64: Option<&'static str> = None;
    const GIVEN: usize = 0;

    fn sizes(_: At, _: &mut Sizes) {}
    fn prepare_shared<T: Scalar>(_: &[T], _: &mut [T]) {}
    fn prepare_shared_vjp<T: Scalar>(_: &[T], _: &[T], _: &[T], _: &mut [T]) {}
    #[inline(always)]
    fn evaluate<T, R, const PENALISED: bool>(_: Model<'_, T>, _: At, _: &mut Workspace<T, R>, _: bool)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
    }
    #[inline(always)]
    fn evaluate_vjp<T, R, const PENALISED: bool>(_: Model<'_, T>, _: At, _: &mut Workspace<T, R>, _: &mut Totals<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
    }
    #[inline(always)]
    fn generate<T, R>(_: Model<'_, T>, _: At, _: &mut Workspace<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
    }
    #[inline(always)]
    fn undo<T, R>(_: Model<'_, T>, _: At, _: &mut Workspace<T, R>, _: usize, _: &Range<usize>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
    }
    #[inline(always)]
    fn generate_vjp<T, R>(_: Model<'_, T>, _: At, _: &mut Workspace<T, R>, _: &mut Totals<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
    }
    #[inline(always)]
    fn embed<R: Pack>(_: &[R], _: &mut [R], _: &mut R) {}
    #[inline(always)]
    fn embed_vjp<R: Pack>(_: &[R], _: &[R], _: R, _: &mut [R]) {}
    #[inline(always)]
    fn intrinsic<R: Pack>(_: &[R], _: &mut [R], _: &mut R) {}
    #[inline(always)]
    fn intrinsic_vjp<R: Pack>(_: &[R], _: &[R], _: R, _: &mut [R]) {}
    #[inline(always)]
    fn project<R: Pack>(_: &[R], _: &mut [R]) {}
    #[inline(always)]
    fn project_vjp<R: Pack>(_: &[R], _: &[R], _: &mut [R]) {}
    fn check(_: &[f64], _: bool, _: usize) -> Option<(usize, String)> {
        None
    }
    fn initial_from_data<G: Rng + ?Sized>(_: &mut G, _: At, _: &[f64], _: usize, _: &mut [f64]) {}
    fn given_from_data<G: Rng + ?Sized>(_: &mut G, _: At, _: &[f64], _: usize, _: &mut [f64]) {}
    fn initial_given<G: Rng + ?Sized>(_: &mut G, _: &mut [f64]) {}
    fn describe(_: &mut Summary) {}
}

impl<M: Manifold, C: Chain<M>, H: Head> Block<M, C, H> {
    /// Prepared numbers where parameters are shared.
    const SHARED: usize = if H::SHARED { C::PREPARED } else { 0 };
    /// Rows of the network's input at a place.
    const fn net_rows(at: At) -> usize {
        H::FEATURES.1 + at.embed
    }

    /// Parameters that start a fit near the data; left as they are by a chain that learns nothing from data.
    fn params_from_data<G: Rng + ?Sized>(rng: &mut G, at: At, points: &[f64], columns: usize, params: &mut [f64]) {
        let mut own = vec![0.0; points.len() / columns * M::EMBED];
        for (row, point) in own.chunks_exact_mut(M::EMBED).zip(points.chunks_exact(columns)) {
            M::embed(&point[at.dim..][..M::DIM], row, &mut 0.0);
        }
        let mut found = params.to_vec();
        if C::initial_from_data(rng, &mut own, &mut found) {
            params.copy_from_slice(&found);
        }
    }

    /// Where the block after this one starts.
    pub(super) const fn after(at: At) -> At {
        At {
            features: at.features,
            given: at.given + H::GIVEN,
            embed: at.embed + M::EMBED,
            dim: at.dim + M::DIM,
            weights: at.weights + H::WEIGHTS,
            shared: at.shared + Self::SHARED,
            index: at.index + 1,
        }
    }

    /// The rows of this block's embedded coordinates.
    fn rows(at: At, width: usize) -> Range<usize> {
        let first = (at.features + at.embed) * width;
        first..first + M::EMBED * width
    }

    /// Runs the conditioner of a block whose parameters differ from point to point.
    #[inline(always)]
    fn condition<T: Scalar, R: Pack<Scalar = T>>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>) {
        condition::<H, T, R>(model, at, space, Self::net_rows(at));
    }

    /// Cotangents of [`Self::condition`], added to those of the rows it reads.
    #[inline(always)]
    fn condition_vjp<T: Scalar, R: Pack<Scalar = T>>(
        model: Model<'_, T>,
        at: At,
        space: &mut Workspace<T, R>,
        totals: &mut Totals<T, R>,
    ) {
        condition_vjp::<H, T, R>(model, at, space, totals, Self::net_rows(at));
    }

    /// Loads the parameters of a pack and prepares them; notes parameters that are not finite.
    #[inline(always)]
    fn prepare_pack<T: Scalar, R: Pack<Scalar = T>>(at: At, space: &mut Workspace<T, R>, first: usize) {
        let params = &mut space.lane_params[..C::PARAMS];
        load(&space.params, space.width, first, params);
        let bad = !all_finite(params);
        if bad.any() {
            Self::note(at, space, first, bad, None);
        }
        C::prepare(&space.lane_params[..C::PARAMS], &mut space.lane_prepared[..C::PREPARED]);
    }

    #[cold]
    fn note<T: Scalar, R: Pack<Scalar = T>>(
        at: At,
        space: &mut Workspace<T, R>,
        first: usize,
        bad: R::Mask,
        layer: Option<Fault>,
    ) {
        let lane = match layer {
            Some(fault) => fault.lane,
            None => (0..R::LANES).find(|l| bad.lane(*l)).unwrap_or(0),
        };
        let fault = (first + lane, RowFault { row: 0, manifold: at.index, layer });
        // The earliest point of the block is reported, and for one point what went wrong first.
        if space.fault.is_none_or(|(earlier, _)| fault.0 < earlier) {
            space.fault = Some(fault);
        }
    }

    #[inline(always)]
    fn note_layer<T: Scalar, R: Pack<Scalar = T>>(
        at: At,
        space: &mut Workspace<T, R>,
        first: usize,
        fault: Option<Fault>,
    ) {
        if fault.is_some() {
            Self::note(at, space, first, R::Mask::splat(false), fault);
        }
    }

    /// Chain and base density of one pack, from prepared numbers `P`. Leaves the base-side point in `space.point`.
    #[inline(always)]
    fn evaluate_pack<T: Scalar, R: Pack<Scalar = T>, P: Lift<R>>(
        prepared: &[P],
        point: &mut [R],
        scratch: &mut [R],
        fault: &mut Option<Fault>,
    ) -> R {
        let mut log_prob = R::zero();
        C::inverse(prepared, point, &mut log_prob, scratch, 0, fault);
        log_prob + Static::<M>::VALUE.log_reference(point)
    }

    /// Whether the base-side point need not be found: it is not asked for, the density does not depend on it, and there is a way around it.
    #[inline(always)]
    fn skips_base(with_base: bool) -> bool {
        M::UNIFORM && C::LOG_DET && !with_base
    }

    /// The same with what a fit may penalise, where that is asked for; the base-side point is there if it is asked for too (`with_base`).
    #[inline(always)]
    fn evaluate_penalised<T: Scalar, R: Pack<Scalar = T>, P: Lift<R>, const PENALISED: bool>(
        prepared: &[P],
        point: &mut [R],
        scratch: &mut [R],
        fault: &mut Option<Fault>,
        with_base: bool,
    ) -> (R, [R; PENALTIES]) {
        let mut penalties = [R::zero(); PENALTIES];
        if !PENALISED && !Self::skips_base(with_base) {
            return (Self::evaluate_pack(prepared, point, scratch, fault), penalties);
        }
        let mut log_prob = R::zero();
        if !PENALISED {
            C::evaluate::<R, P, false>(prepared, point, &mut log_prob, scratch, 0, fault);
            return (log_prob + Static::<M>::VALUE.log_reference(point), penalties);
        }
        C::inverse_penalised(prepared, point, &mut log_prob, &mut penalties, scratch, 0, fault);
        (log_prob + Static::<M>::VALUE.log_reference(point), penalties)
    }

    /// Cotangents of [`Self::evaluate_penalised`]'s walk through the chain.
    #[inline(always)]
    fn pull_back<T: Scalar, R: Pack<Scalar = T>, P: Lift<R>, const PENALISED: bool>(
        prepared: &[P],
        scratch: &mut [R],
        cot_point: &mut [R],
        cot_log_prob: R,
        cot_penalties: [R; PENALTIES],
        cot_prepared: &mut [R],
        with_base: bool,
    ) {
        if PENALISED {
            C::inverse_penalised_vjp(prepared, scratch, cot_point, cot_log_prob, cot_penalties, cot_prepared);
        } else if Self::skips_base(with_base) {
            C::evaluate_vjp::<R, P, false>(prepared, scratch, cot_point, cot_log_prob, cot_prepared);
        } else {
            C::inverse_vjp(prepared, scratch, cot_point, cot_log_prob, cot_prepared);
        }
    }
}

/// Adds a pack's gradients by prepared numbers: to the shared totals, or through the regulators to the block's parameters.
#[inline(always)]
fn settle<M: Manifold, C: Chain<M>, T: Scalar, R: Pack<Scalar = T>>(space: &mut Workspace<T, R>, first: usize) {
    let cot_params = &mut space.lane_cot_params[..C::PARAMS];
    cot_params.fill(R::zero());
    C::prepare_vjp(
        &space.lane_params[..C::PARAMS],
        &space.lane_prepared[..C::PREPARED],
        &space.lane_cot_prepared[..C::PREPARED],
        cot_params,
    );
    store(cot_params, &mut space.cot_params, space.width, first);
}

/// A log-mean beside the parameters takes no part in the density.
fn no_log_mean<H: Head, T: Scalar, R>(space: &mut Workspace<T, R>) {
    let width = space.width;
    space.cot_params[(H::PARAMS - H::EXTRA) * width..H::PARAMS * width].fill(T::narrow(0.0));
}

impl<M: Manifold, C: Chain<M>, H: Head, Rest: Blocks> Blocks for (Block<M, C, H>, Rest) {
    const COUNT: usize = 1 + Rest::COUNT;
    const DIM: usize = M::DIM + Rest::DIM;
    const EMBED: usize = M::EMBED + Rest::EMBED;
    const WEIGHTS: usize = H::WEIGHTS + Rest::WEIGHTS;
    const SHARED: usize = Block::<M, C, H>::SHARED + Rest::SHARED;
    const NEEDS_F64: Option<&'static str> = if C::NEEDS_F64.is_some() { C::NEEDS_F64 } else { Rest::NEEDS_F64 };
    const GIVEN: usize = H::GIVEN + Rest::GIVEN;

    fn sizes(at: At, sizes: &mut Sizes) {
        const {
            assert!(
                H::PARAMS == C::PARAMS + H::EXTRA,
                "the head of a block makes another number of parameters than its chain needs"
            )
        }
        sizes.dim = sizes.dim.max(M::DIM);
        sizes.embed = sizes.embed.max(M::EMBED);
        sizes.head::<H>(Block::<M, C, H>::net_rows(at));
        sizes.prepared = sizes.prepared.max(C::PREPARED);
        sizes.scratch = sizes.scratch.max(C::SCRATCH);
        Rest::sizes(Block::<M, C, H>::after(at), sizes);
    }

    fn prepare_shared<T: Scalar>(weights: &[T], shared: &mut [T]) {
        let (own, rest) = weights.split_at(H::WEIGHTS);
        let (own_shared, rest_shared) = shared.split_at_mut(Block::<M, C, H>::SHARED);
        if H::SHARED {
            C::prepare(own, own_shared);
        }
        Rest::prepare_shared(rest, rest_shared);
    }

    fn prepare_shared_vjp<T: Scalar>(weights: &[T], shared: &[T], cot_shared: &[T], cot_weights: &mut [T]) {
        let (own, rest) = weights.split_at(H::WEIGHTS);
        let (own_shared, rest_shared) = shared.split_at(Block::<M, C, H>::SHARED);
        let (own_cot, rest_cot) = cot_shared.split_at(Block::<M, C, H>::SHARED);
        let (cot_own, cot_rest) = cot_weights.split_at_mut(H::WEIGHTS);
        if H::SHARED {
            C::prepare_vjp(own, own_shared, own_cot, cot_own);
        }
        Rest::prepare_shared_vjp(rest, rest_shared, rest_cot, cot_rest);
    }

    #[inline(always)]
    fn evaluate<T, R, const PENALISED: bool>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>, with_base: bool)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
        // The rest is called in one place: it is inlined, and two would double the code with each manifold.
        if space.counts(at) {
            if !H::SHARED {
                Block::<M, C, H>::condition(model, at, space);
            }
            let width = space.width;
            for first in (0..width).step_by(R::LANES) {
                let mut fault = None;
                load(&space.inputs[Block::<M, C, H>::rows(at, width)], width, first, &mut space.point[..M::EMBED]);
                let (log_prob, penalties) = if H::SHARED {
                    let prepared = &model.shared[at.shared..][..C::PREPARED];
                    let point = &mut space.point[..M::EMBED];
                    let scratch = &mut space.lane_scratch[..C::SCRATCH];
                    Block::<M, C, H>::evaluate_penalised::<T, R, _, PENALISED>(
                        prepared, point, scratch, &mut fault, with_base,
                    )
                } else {
                    Block::<M, C, H>::prepare_pack(at, space, first);
                    let prepared = &space.lane_prepared[..C::PREPARED];
                    let point = &mut space.point[..M::EMBED];
                    let scratch = &mut space.lane_scratch[..C::SCRATCH];
                    Block::<M, C, H>::evaluate_penalised::<T, R, _, PENALISED>(
                        prepared, point, scratch, &mut fault, with_base,
                    )
                };
                Block::<M, C, H>::note_layer(at, space, first, fault);
                add_to(&[log_prob], &mut space.log_prob, width, first);
                if PENALISED {
                    add_to(&penalties, &mut space.penalties, width, first);
                }
                if with_base {
                    Static::<M>::VALUE.to_base(&space.point[..M::EMBED], &mut space.lane_base[..M::DIM]);
                    store(&space.lane_base[..M::DIM], &mut space.base[at.dim * width..], width, first);
                }
            }
        }
        Rest::evaluate::<T, R, PENALISED>(model, Block::<M, C, H>::after(at), space, with_base);
    }

    #[inline(always)]
    fn evaluate_vjp<T, R, const PENALISED: bool>(
        model: Model<'_, T>,
        at: At,
        space: &mut Workspace<T, R>,
        totals: &mut Totals<T, R>,
    ) where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
        if space.counts(at) {
            if !H::SHARED {
                Block::<M, C, H>::condition(model, at, space);
            }
            let width = space.width;
            let rows = Block::<M, C, H>::rows(at, width);
            for first in (0..width).step_by(R::LANES) {
                let mut fault = None;
                load(&space.inputs[rows.clone()], width, first, &mut space.point[..M::EMBED]);
                let mut cot_log_prob = [R::zero()];
                load(&space.cot_log_prob, width, first, &mut cot_log_prob);
                let [cot_log_prob] = cot_log_prob;
                let mut cot_penalties = [R::zero(); PENALTIES];
                if PENALISED {
                    load(&space.cot_penalties, width, first, &mut cot_penalties);
                }
                if !H::SHARED {
                    Block::<M, C, H>::prepare_pack(at, space, first);
                }
                let Workspace { point, cot_point, lane_scratch, lane_prepared, lane_cot_prepared, .. } = space;
                let (cot_base, lane_base) = (&space.cot_base, &mut space.lane_base[..M::DIM]);
                let with_base = !cot_base.is_empty();
                let (point, cot_point) = (&mut point[..M::EMBED], &mut cot_point[..M::EMBED]);
                let scratch = &mut lane_scratch[..C::SCRATCH];
                cot_point.fill(R::zero());
                let log_prob;
                let pull_base = |point: &[R], lane_base: &mut [R], cot_point: &mut [R]| {
                    if !cot_base.is_empty() {
                        load(&cot_base[at.dim * width..], width, first, lane_base);
                        Static::<M>::VALUE.to_base_vjp(point, lane_base, cot_point);
                    }
                };
                if H::SHARED {
                    let prepared = &model.shared[at.shared..][..C::PREPARED];
                    (log_prob, _) = Block::<M, C, H>::evaluate_penalised::<T, R, _, PENALISED>(
                        prepared, point, scratch, &mut fault, with_base,
                    );
                    Static::<M>::VALUE.log_reference_vjp(point, cot_log_prob, cot_point);
                    pull_base(point, lane_base, cot_point);
                    let cot_prepared = &mut totals.shared[at.shared..][..C::PREPARED];
                    Block::<M, C, H>::pull_back::<T, R, _, PENALISED>(
                        prepared,
                        scratch,
                        cot_point,
                        cot_log_prob,
                        cot_penalties,
                        cot_prepared,
                        with_base,
                    );
                } else {
                    let prepared = &lane_prepared[..C::PREPARED];
                    (log_prob, _) = Block::<M, C, H>::evaluate_penalised::<T, R, _, PENALISED>(
                        prepared, point, scratch, &mut fault, with_base,
                    );
                    Static::<M>::VALUE.log_reference_vjp(point, cot_log_prob, cot_point);
                    pull_base(point, lane_base, cot_point);
                    let cot_prepared = &mut lane_cot_prepared[..C::PREPARED];
                    cot_prepared.fill(R::zero());
                    Block::<M, C, H>::pull_back::<T, R, _, PENALISED>(
                        prepared,
                        scratch,
                        cot_point,
                        cot_log_prob,
                        cot_penalties,
                        cot_prepared,
                        with_base,
                    );
                    settle::<M, C, T, R>(space, first);
                }
                Block::<M, C, H>::note_layer(at, space, first, fault);
                add_to(&[log_prob], &mut space.log_prob, width, first);
                add_to(&space.cot_point[..M::EMBED], &mut space.cot_inputs[rows.clone()], width, first);
            }
            if !H::SHARED {
                no_log_mean::<H, T, R>(space);
                Block::<M, C, H>::condition_vjp(model, at, space, totals);
            }
        }
        Rest::evaluate_vjp::<T, R, PENALISED>(model, Block::<M, C, H>::after(at), space, totals);
    }

    #[inline(always)]
    fn generate<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
        if !H::SHARED {
            Block::<M, C, H>::condition(model, at, space);
        }
        let width = space.width;
        for first in (0..width).step_by(R::LANES) {
            let mut fault = None;
            load(&space.base[at.dim * width..], width, first, &mut space.lane_base[..M::DIM]);
            Static::<M>::VALUE.from_base(&space.lane_base[..M::DIM], &mut space.point[..M::EMBED]);
            let reference = Static::<M>::VALUE.log_reference(&space.point[..M::EMBED]);
            let mut log_det = R::zero();
            if !H::SHARED {
                Block::<M, C, H>::prepare_pack(at, space, first);
            }
            let Workspace { point, lane_scratch, lane_prepared, .. } = space;
            let (point, scratch) = (&mut point[..M::EMBED], &mut lane_scratch[..C::SCRATCH]);
            if H::SHARED {
                let prepared = &model.shared[at.shared..][..C::PREPARED];
                C::forward(prepared, point, &mut log_det, scratch, 0, &mut fault);
            } else {
                C::forward(&lane_prepared[..C::PREPARED], point, &mut log_det, scratch, 0, &mut fault);
            }
            Block::<M, C, H>::note_layer(at, space, first, fault);
            add_to(&[reference - log_det], &mut space.log_prob, width, first);
            let rows = Block::<M, C, H>::rows(at, width);
            store(&space.point[..M::EMBED], &mut space.inputs[rows], width, first);
        }
        Rest::generate(model, Block::<M, C, H>::after(at), space);
    }

    #[inline(always)]
    fn undo<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>, manifold: usize, letters: &Range<usize>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
        if at.index != manifold {
            return Rest::undo(model, Block::<M, C, H>::after(at), space, manifold, letters);
        }
        if !H::SHARED {
            Block::<M, C, H>::condition(model, at, space);
        }
        let width = space.width;
        let rows = Block::<M, C, H>::rows(at, width);
        for first in (0..width).step_by(R::LANES) {
            let mut fault = None;
            load(&space.inputs[rows.clone()], width, first, &mut space.point[..M::EMBED]);
            if !H::SHARED {
                Block::<M, C, H>::prepare_pack(at, space, first);
            }
            let mut log_prob = R::zero();
            let Workspace { point, lane_scratch, lane_prepared, .. } = space;
            let (point, scratch) = (&mut point[..M::EMBED], &mut lane_scratch[..C::SCRATCH]);
            if H::SHARED {
                let prepared = &model.shared[at.shared..][..C::PREPARED];
                C::inverse_part(prepared, point, &mut log_prob, scratch, letters, 0, &mut fault);
            } else {
                C::inverse_part(&lane_prepared[..C::PREPARED], point, &mut log_prob, scratch, letters, 0, &mut fault);
            }
            if letters.start == 0 {
                log_prob += M::log_reference(point);
            }
            store(point, &mut space.inputs[rows.clone()], width, first);
            Block::<M, C, H>::note_layer(at, space, first, fault);
            add_to(&[log_prob], &mut space.log_prob, width, first);
        }
    }

    // The points are known, so the chain is walked by its inverse (no root search) to refill what the derivatives of the
    // forward map need. Later blocks first: they add to the cotangents of this block's point through their networks.
    #[inline(always)]
    fn generate_vjp<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>, totals: &mut Totals<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
        Rest::generate_vjp(model, Block::<M, C, H>::after(at), space, totals);
        if !H::SHARED {
            Block::<M, C, H>::condition(model, at, space);
        }
        let width = space.width;
        let rows = Block::<M, C, H>::rows(at, width);
        for first in (0..width).step_by(R::LANES) {
            let mut fault = None;
            load(&space.inputs[rows.clone()], width, first, &mut space.point[..M::EMBED]);
            load(&space.cot_inputs[rows.clone()], width, first, &mut space.cot_point[..M::EMBED]);
            let mut cot_log_prob = [R::zero()];
            load(&space.cot_log_prob, width, first, &mut cot_log_prob);
            let cot_log_det = -cot_log_prob[0];
            if !H::SHARED {
                Block::<M, C, H>::prepare_pack(at, space, first);
            }
            let Workspace { point, cot_point, lane_scratch, lane_prepared, lane_cot_prepared, .. } = space;
            let (point, cot_point) = (&mut point[..M::EMBED], &mut cot_point[..M::EMBED]);
            let scratch = &mut lane_scratch[..C::SCRATCH];
            if H::SHARED {
                let prepared = &model.shared[at.shared..][..C::PREPARED];
                Block::<M, C, H>::evaluate_pack(prepared, point, scratch, &mut fault);
                let cot_prepared = &mut totals.shared[at.shared..][..C::PREPARED];
                C::forward_vjp(prepared, scratch, cot_point, cot_log_det, cot_prepared);
            } else {
                let prepared = &lane_prepared[..C::PREPARED];
                Block::<M, C, H>::evaluate_pack(prepared, point, scratch, &mut fault);
                let cot_prepared = &mut lane_cot_prepared[..C::PREPARED];
                cot_prepared.fill(R::zero());
                C::forward_vjp(prepared, scratch, cot_point, cot_log_det, cot_prepared);
                settle::<M, C, T, R>(space, first);
            }
            Block::<M, C, H>::note_layer(at, space, first, fault);
        }
        if !H::SHARED {
            no_log_mean::<H, T, R>(space);
            Block::<M, C, H>::condition_vjp(model, at, space, totals);
        }
    }

    #[inline(always)]
    fn embed<R: Pack>(intrinsic: &[R], embedded: &mut [R], log_det: &mut R) {
        let (own, rest) = intrinsic.split_at(M::DIM);
        let (own_out, rest_out) = embedded.split_at_mut(M::EMBED);
        Static::<M>::VALUE.embed(own, own_out, log_det);
        Rest::embed(rest, rest_out, log_det);
    }
    #[inline(always)]
    fn embed_vjp<R: Pack>(intrinsic: &[R], cot_embedded: &[R], cot_log_det: R, cot_intrinsic: &mut [R]) {
        let (own, rest) = intrinsic.split_at(M::DIM);
        let (own_cot, rest_cot) = cot_embedded.split_at(M::EMBED);
        let (own_out, rest_out) = cot_intrinsic.split_at_mut(M::DIM);
        Static::<M>::VALUE.embed_vjp(own, own_cot, cot_log_det, own_out);
        Rest::embed_vjp(rest, rest_cot, cot_log_det, rest_out);
    }
    #[inline(always)]
    fn intrinsic<R: Pack>(embedded: &[R], intrinsic: &mut [R], log_det: &mut R) {
        let (own, rest) = embedded.split_at(M::EMBED);
        let (own_out, rest_out) = intrinsic.split_at_mut(M::DIM);
        Static::<M>::VALUE.intrinsic(own, own_out, log_det);
        Rest::intrinsic(rest, rest_out, log_det);
    }
    #[inline(always)]
    fn intrinsic_vjp<R: Pack>(embedded: &[R], cot_intrinsic: &[R], cot_log_det: R, cot_embedded: &mut [R]) {
        let (own, rest) = embedded.split_at(M::EMBED);
        let (own_cot, rest_cot) = cot_intrinsic.split_at(M::DIM);
        let (own_out, rest_out) = cot_embedded.split_at_mut(M::EMBED);
        Static::<M>::VALUE.intrinsic_vjp(own, own_cot, cot_log_det, own_out);
        Rest::intrinsic_vjp(rest, rest_cot, cot_log_det, rest_out);
    }
    #[inline(always)]
    fn project<R: Pack>(given: &[R], embedded: &mut [R]) {
        let (own, rest) = given.split_at(M::EMBED);
        let (own_out, rest_out) = embedded.split_at_mut(M::EMBED);
        Static::<M>::VALUE.project(own, own_out);
        Rest::project(rest, rest_out);
    }
    #[inline(always)]
    fn project_vjp<R: Pack>(given: &[R], cot_embedded: &[R], cot_given: &mut [R]) {
        let (own, rest) = given.split_at(M::EMBED);
        let (own_cot, rest_cot) = cot_embedded.split_at(M::EMBED);
        let (own_out, rest_out) = cot_given.split_at_mut(M::EMBED);
        Static::<M>::VALUE.project_vjp(own, own_cot, own_out);
        Rest::project_vjp(rest, rest_cot, rest_out);
    }
    fn check(point: &[f64], embedded: bool, index: usize) -> Option<(usize, String)> {
        let (own, rest) = point.split_at(if embedded { M::EMBED } else { M::DIM });
        let wrong = if embedded { M::check_embedded(own) } else { M::check_intrinsic(own) };
        wrong.map(|message| (index, message)).or_else(|| Rest::check(rest, embedded, index + 1))
    }
    fn initial_from_data<G: Rng + ?Sized>(rng: &mut G, at: At, points: &[f64], columns: usize, weights: &mut [f64]) {
        // The parameters are the last of a head's weights; a head without weights of its own has nothing to start.
        if H::WEIGHTS > 0 {
            let start = at.weights + H::WEIGHTS - H::PARAMS;
            let params = &mut weights[start..][..C::PARAMS];
            Block::<M, C, H>::params_from_data(rng, at, points, columns, params);
        }
        Rest::initial_from_data(rng, Block::<M, C, H>::after(at), points, columns, weights);
    }
    fn given_from_data<G: Rng + ?Sized>(rng: &mut G, at: At, points: &[f64], columns: usize, given: &mut [f64]) {
        let (own, rest) = given.split_at_mut(H::GIVEN);
        if H::GIVEN > 0 {
            Block::<M, C, H>::params_from_data(rng, at, points, columns, &mut own[H::GIVEN - C::PARAMS..]);
        }
        Rest::given_from_data(rng, Block::<M, C, H>::after(at), points, columns, rest);
    }
    fn initial_given<G: Rng + ?Sized>(rng: &mut G, given: &mut [f64]) {
        let (own, rest) = given.split_at_mut(H::GIVEN);
        if H::GIVEN > 0 {
            H::initial_given(rng, own);
            C::initial(rng, &mut own[H::GIVEN - C::PARAMS..]);
        }
        Rest::initial_given(rng, rest);
    }
    fn describe(summary: &mut Summary) {
        let mut letters = Vec::new();
        C::describe(&mut letters);
        let (manifold, network) = (M::notation(), H::network());
        if H::EXTRA > 0 {
            summary.log_mean = Some(LogMeanSummary::Joint);
        }
        let coordinates = [M::DIM, M::EMBED];
        summary.blocks.push(BlockSummary {
            manifold,
            geometry: M::geometry(),
            coordinates,
            letters,
            weights: H::WEIGHTS,
            network,
            given: H::GIVEN,
        });
        Rest::describe(summary);
    }
}
