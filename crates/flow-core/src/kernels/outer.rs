//! Full amortisation: every parameter of every block, the weights of their networks included, comes from one outer network
//! (layers.md 2.7).
//!
//! The outputs of the outer network lie beside the given features, and the blocks take theirs from there one after the other.

use super::blocks::Blocks;
use super::linear::Shared;
use super::network::Network;
use super::summary::Summary;
use super::workspace::{At, Model, Sizes, Totals, Workspace};
use crate::numeric::{Lift, Pack, Scalar};
use core::marker::PhantomData;
use core::ops::Range;
use rand::Rng;

/// Blocks `B` whose given numbers a network `N` makes of `F` features: the clause `amortize 128`.
pub struct Outer<const F: usize, N, B>(PhantomData<(N, B)>);

impl<const F: usize, N: Network, B: Blocks> Outer<F, N, B> {
    /// Where the blocks inside start.
    pub(super) const fn inside(at: At) -> At {
        At { given: F, weights: at.weights + N::WEIGHTS, ..at }
    }

    /// Runs the network: its outputs follow the features.
    #[inline(always)]
    pub(super) fn apply<T: Scalar, R: Pack<Scalar = T>>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>) {
        let width = space.width;
        let weights = &model.weights[at.weights..][..N::WEIGHTS];
        let (features, made) = space.inputs.split_at_mut(F * width);
        let activations = &mut space.outer[..N::ACTIVATIONS * width];
        N::apply::<Shared, T>(weights, width, features, activations, &mut made[..N::OUT * width], &mut space.temp);
    }

    /// Cotangents of [`Self::apply`].
    #[inline(always)]
    pub(super) fn pull<T: Scalar, R: Pack<Scalar = T>>(
        model: Model<'_, T>,
        at: At,
        space: &mut Workspace<T, R>,
        totals: &mut Totals<T, R>,
    ) {
        let width = space.width;
        let weights = &model.weights[at.weights..][..N::WEIGHTS];
        let cot_weights = &mut totals.weights[at.weights..][..N::WEIGHTS];
        let (cot_features, cot_made) = space.cot_inputs.split_at_mut(F * width);
        N::pull::<Shared, T>(
            weights,
            width,
            &space.inputs[..F * width],
            &space.outer[..N::ACTIVATIONS * width],
            &mut space.cot_outer[..N::ACTIVATIONS * width],
            &cot_made[..N::OUT * width],
            cot_features,
            cot_weights,
            &mut space.temp,
        );
    }
}

impl<const F: usize, N: Network, B: Blocks> Blocks for Outer<F, N, B> {
    const COUNT: usize = B::COUNT;
    const DIM: usize = B::DIM;
    const EMBED: usize = B::EMBED;
    const WEIGHTS: usize = N::WEIGHTS + B::WEIGHTS;
    const SHARED: usize = B::SHARED;
    const GIVEN: usize = 0;
    const NEEDS_F64: Option<&'static str> = B::NEEDS_F64;
    const OUTER: usize = N::OUT;

    fn sizes(at: At, sizes: &mut Sizes) {
        const {
            assert!(
                N::OUT == B::GIVEN && N::IN == F,
                "the outer network makes another number of parameters than the blocks take"
            )
        }
        sizes.outer::<N>();
        B::sizes(Self::inside(at), sizes);
    }
    fn prepare_shared<T: Scalar>(weights: &[T], shared: &mut [T]) {
        B::prepare_shared(&weights[N::WEIGHTS..], shared);
    }
    fn prepare_shared_vjp<T: Scalar>(weights: &[T], shared: &[T], cot_shared: &[T], cot_weights: &mut [T]) {
        B::prepare_shared_vjp(&weights[N::WEIGHTS..], shared, cot_shared, &mut cot_weights[N::WEIGHTS..]);
    }

    #[inline(always)]
    fn evaluate<T, R, const PENALISED: bool>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>, with_base: bool)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
        Self::apply(model, at, space);
        B::evaluate::<T, R, PENALISED>(model, Self::inside(at), space, with_base);
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
        Self::apply(model, at, space);
        B::evaluate_vjp::<T, R, PENALISED>(model, Self::inside(at), space, totals);
        Self::pull(model, at, space, totals);
    }
    #[inline(always)]
    fn generate<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
        Self::apply(model, at, space);
        B::generate(model, Self::inside(at), space);
    }
    #[inline(always)]
    fn undo<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>, manifold: usize, letters: &Range<usize>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
        Self::apply(model, at, space);
        B::undo(model, Self::inside(at), space, manifold, letters);
    }
    #[inline(always)]
    fn generate_vjp<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>, totals: &mut Totals<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
        Self::apply(model, at, space);
        B::generate_vjp(model, Self::inside(at), space, totals);
        Self::pull(model, at, space, totals);
    }

    #[inline(always)]
    fn embed<R: Pack>(intrinsic: &[R], embedded: &mut [R], log_det: &mut R) {
        B::embed(intrinsic, embedded, log_det);
    }
    #[inline(always)]
    fn embed_vjp<R: Pack>(intrinsic: &[R], cot_embedded: &[R], cot_log_det: R, cot_intrinsic: &mut [R]) {
        B::embed_vjp(intrinsic, cot_embedded, cot_log_det, cot_intrinsic);
    }
    #[inline(always)]
    fn intrinsic<R: Pack>(embedded: &[R], intrinsic: &mut [R], log_det: &mut R) {
        B::intrinsic(embedded, intrinsic, log_det);
    }
    #[inline(always)]
    fn intrinsic_vjp<R: Pack>(embedded: &[R], cot_intrinsic: &[R], cot_log_det: R, cot_embedded: &mut [R]) {
        B::intrinsic_vjp(embedded, cot_intrinsic, cot_log_det, cot_embedded);
    }
    #[inline(always)]
    fn project<R: Pack>(given: &[R], embedded: &mut [R]) {
        B::project(given, embedded);
    }
    #[inline(always)]
    fn project_vjp<R: Pack>(given: &[R], cot_embedded: &[R], cot_given: &mut [R]) {
        B::project_vjp(given, cot_embedded, cot_given);
    }
    fn check(point: &[f64], embedded: bool, index: usize) -> Option<(usize, String)> {
        B::check(point, embedded, index)
    }
    // What the blocks would start from is the last bias of the network.
    fn initial_from_data<G: Rng + ?Sized>(rng: &mut G, at: At, points: &[f64], columns: usize, weights: &mut [f64]) {
        let last = at.weights + N::WEIGHTS - N::OUT;
        B::given_from_data(rng, at, points, columns, &mut weights[last..][..B::GIVEN]);
        B::initial_from_data(rng, Self::inside(at), points, columns, weights);
    }
    fn given_from_data<G: Rng + ?Sized>(_: &mut G, _: At, _: &[f64], _: usize, _: &mut [f64]) {}
    fn initial_given<G: Rng + ?Sized>(_: &mut G, _: &mut [f64]) {}
    fn describe(summary: &mut Summary) {
        B::describe(summary);
        summary.outer = Some(N::describe());
    }
}
