//! The logarithm of a mean count beside a density: ln lambda, free, predicted by a network of its own, or an output of a network
//! that predicts parameters (layers.md 2.8).
//!
//! A head of its own stands after the last block, `(.., (Block, (LogMeanHead<H>, ())))`.

use super::blocks::{Block, Blocks};
use super::condition::{condition, condition_vjp};
use super::conditioner::{Free, Given, Head, Inner, Predicted};
use super::network::Network;
use super::outer::Outer;
use super::summary::{LogMeanSummary, Summary};
use super::workspace::{At, Model, Sizes, Totals, Workspace};
use crate::layers::Chain;
use crate::manifolds::Manifold;
use crate::numeric::{Lift, Pack, Real, Scalar};
use core::marker::PhantomData;
use core::ops::Range;
use rand::Rng;

/// What a log-mean starts from where a network or a free number makes it (layers.md 2.8).
pub const START: f64 = 0.1;

/// A log-mean beside a density, the clause `poisson`, with a head of its own: [`Free<1>`](Free), [`Given<1>`](Given), or a network with one output that reads all features.
pub struct LogMeanHead<H>(PhantomData<H>);

/// Blocks with a log-mean beside them.
#[diagnostic::on_unimplemented(
    message = "this flow has no log-mean",
    label = "the notation of this flow has no `poisson`",
    note = "add the clause `poisson` to the notation: `flow!(e2 : gg | cond 3, poisson)`"
)]
pub trait LogMean: Blocks {
    /// Writes ln lambda of the block's features to `log_prob`.
    fn log_mean<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>;
    /// Cotangents of [`LogMean::log_mean`], for those in `cot_log_prob`.
    fn log_mean_vjp<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>, totals: &mut Totals<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>;
}

/// Blocks that leave the log-mean to those after them.
macro_rules! passes_on {
    ([$($generics:tt)*] $head:ty) => {
        #[diagnostic::do_not_recommend]
        impl<M: Manifold, C: Chain<M>, $($generics)*, Rest: LogMean> LogMean for (Block<M, C, $head>, Rest) {
            #[inline(always)]
            fn log_mean<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>)
            where
                T: Scalar + Lift<R>,
                R: Pack<Scalar = T>,
            {
                Rest::log_mean(model, Block::<M, C, $head>::after(at), space);
            }
            #[inline(always)]
            fn log_mean_vjp<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>, totals: &mut Totals<T, R>)
            where
                T: Scalar + Lift<R>,
                R: Pack<Scalar = T>,
            {
                Rest::log_mean_vjp(model, Block::<M, C, $head>::after(at), space, totals);
            }
        }
    };
}
passes_on!([const P: usize] Free<P>);
passes_on!([const P: usize] Given<P>);
passes_on!([N: Network] Inner<N>);
passes_on!([const FROM: usize, const COUNT: usize, N: Network] Predicted<FROM, COUNT, N, 0>);

/// The last output of the head of the first block.
#[diagnostic::do_not_recommend]
impl<M: Manifold, C: Chain<M>, const FROM: usize, const COUNT: usize, N: Network, Rest: Blocks> LogMean
    for (Block<M, C, Predicted<FROM, COUNT, N, 1>>, Rest)
{
    #[inline(always)]
    fn log_mean<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
        condition::<Predicted<FROM, COUNT, N, 1>, T, R>(model, at, space, COUNT + at.embed);
        space.last_to_log_prob(N::OUT);
    }
    #[inline(always)]
    fn log_mean_vjp<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>, totals: &mut Totals<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
        condition::<Predicted<FROM, COUNT, N, 1>, T, R>(model, at, space, COUNT + at.embed);
        space.log_prob_to_last(N::OUT);
        condition_vjp::<Predicted<FROM, COUNT, N, 1>, T, R>(model, at, space, totals, COUNT + at.embed);
    }
}

#[diagnostic::do_not_recommend]
impl<const F: usize, N: Network, B: LogMean> LogMean for Outer<F, N, B> {
    #[inline(always)]
    fn log_mean<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
        Self::apply(model, at, space);
        B::log_mean(model, Self::inside(at), space);
    }
    #[inline(always)]
    fn log_mean_vjp<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>, totals: &mut Totals<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
        Self::apply(model, at, space);
        B::log_mean_vjp(model, Self::inside(at), space, totals);
        Self::pull(model, at, space, totals);
    }
}

#[diagnostic::do_not_recommend]
impl<H: Head> LogMean for (LogMeanHead<H>, ()) {
    #[inline(always)]
    fn log_mean<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
        if H::SHARED {
            let width = space.width;
            space.log_prob[..width].fill(model.weights[at.weights]);
        } else {
            condition::<H, T, R>(model, at, space, H::FEATURES.1);
            space.last_to_log_prob(1);
        }
    }
    #[inline(always)]
    fn log_mean_vjp<T, R>(model: Model<'_, T>, at: At, space: &mut Workspace<T, R>, totals: &mut Totals<T, R>)
    where
        T: Scalar + Lift<R>,
        R: Pack<Scalar = T>,
    {
        if H::SHARED {
            let cot = &space.cot_log_prob[..space.width];
            totals.weights[at.weights] = cot.iter().fold(totals.weights[at.weights], |sum, c| sum + *c);
        } else {
            condition::<H, T, R>(model, at, space, H::FEATURES.1);
            space.log_prob_to_last(1);
            condition_vjp::<H, T, R>(model, at, space, totals, H::FEATURES.1);
        }
    }
}

/// To the density the head is nothing but weights.
impl<H: Head> Blocks for (LogMeanHead<H>, ()) {
    const COUNT: usize = 0;
    const DIM: usize = 0;
    const EMBED: usize = 0;
    const WEIGHTS: usize = H::WEIGHTS;
    const SHARED: usize = 0;
    const GIVEN: usize = H::GIVEN;
    const NEEDS_F64: Option<&'static str> = None;

    fn sizes(_: At, sizes: &mut Sizes) {
        const { assert!(H::PARAMS == 1, "the head of a log-mean makes one number") }
        sizes.head::<H>(H::FEATURES.1);
    }
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
    fn embed<R: Real>(_: &[R], _: &mut [R], _: &mut R) {}
    #[inline(always)]
    fn embed_vjp<R: Real>(_: &[R], _: &[R], _: R, _: &mut [R]) {}
    #[inline(always)]
    fn intrinsic<R: Real>(_: &[R], _: &mut [R], _: &mut R) {}
    #[inline(always)]
    fn intrinsic_vjp<R: Real>(_: &[R], _: &[R], _: R, _: &mut [R]) {}
    #[inline(always)]
    fn project<R: Real>(_: &[R], _: &mut [R]) {}
    #[inline(always)]
    fn project_vjp<R: Real>(_: &[R], _: &[R], _: &mut [R]) {}
    fn check(_: &[f64], _: bool, _: usize) -> Option<(usize, String)> {
        None
    }
    fn initial_from_data<G: Rng + ?Sized>(_: &mut G, _: At, _: &[f64], _: usize, _: &mut [f64]) {}
    fn given_from_data<G: Rng + ?Sized>(_: &mut G, _: At, _: &[f64], _: usize, _: &mut [f64]) {}
    fn initial_given<G: Rng + ?Sized>(_: &mut G, given: &mut [f64]) {
        given.fill(START);
    }
    fn describe(summary: &mut Summary) {
        summary.log_mean = Some(match H::network() {
            Some(network) => LogMeanSummary::Separate(network),
            None if H::GIVEN > 0 => LogMeanSummary::Joint,
            None => LogMeanSummary::Free,
        });
    }
}
