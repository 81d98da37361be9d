//! Chains: layers one after the other, as nested pairs `(First, (Second, ()))`.

use super::{Layer, PENALTIES, StateTensor};
use crate::manifolds::Manifold;
use crate::numeric::special::all_finite;
use crate::numeric::{Lift, Mask, Pack, Real, Work};
use core::marker::PhantomData;
use core::ops::Range;
use rand::Rng;

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
    /// [`Layer::ADVICE`].
    pub advice: &'static str,
}

impl Fault {
    /// Records the first lane set in `bad`, unless something was recorded before.
    #[inline(always)]
    fn note<M: Manifold, H: Layer<M>, R: Real>(
        slot: &mut Option<Fault>,
        bad: R::Mask,
        layer: usize,
        unconverged: bool,
    ) {
        if slot.is_none() && bad.any() {
            let mut lane = 0;
            while !bad.lane(lane) {
                lane += 1;
            }
            *slot = Some(Fault { layer, name: H::NAME, lane, unconverged, advice: H::ADVICE });
        }
    }
}

/// A letter of a chain, for summaries and file headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The letter, or the name of a user's own layer.
    pub name: &'static str,
    /// The options that differ from their defaults.
    pub options: String,
    /// Number of parameters.
    pub params: usize,
    /// The tensors that they are stored as.
    pub state: Vec<StateTensor>,
}

/// A call of a layer's function as a piece of work: each layer is compiled once for each kind of pack, wherever it stands. The arguments after
/// the bar are given to a layer that is not [`Layer::WIDE`].
macro_rules! calls {
    ($($call:ident $function:ident <$($number:ident: $bound:path),*> ($($arg:ident: $type:ty = $plain:expr),*) -> $output:ty;)*) => {$(
        struct $call<'a, M, H, $($number),*> {
            $($arg: $type,)*
            of: PhantomData<(&'a (), M, H, $($number),*)>,
        }
        impl<'a, M: Manifold, H: Layer<M>, $($number: $bound),*> Work for $call<'a, M, H, $($number),*> {
            type Output = $output;
            #[inline(always)]
            fn run(self) -> Self::Output {
                let $call { $($arg,)* .. } = self;
                if H::WIDE {
                    H::$function($($arg),*)
                } else {
                    H::$function($($plain),*)
                }
            }
        }
    )*};
}

/// One number as a plain array.
#[inline(always)]
fn one_mut<R: Real>(x: &mut R) -> &mut R::Plain {
    &mut R::plain_mut(core::slice::from_mut(x))[0]
}

/// A few numbers as plain arrays.
#[inline(always)]
fn few_mut<R: Real, const N: usize>(x: &mut [R; N]) -> &mut [R::Plain; N] {
    match R::plain_mut(x).first_chunk_mut() {
        Some(plain) => plain,
        None => unreachable!("there are as many plain arrays as numbers"),
    }
}

calls! {
    Prepare prepare<P: Real>(
        params: &'a [P] = P::plain(params), prepared: &'a mut [P] = P::plain_mut(prepared)
    ) -> ();
    PrepareVjp prepare_vjp<P: Real>(
        params: &'a [P] = P::plain(params), prepared: &'a [P] = P::plain(prepared),
        cot_prepared: &'a [P] = P::plain(cot_prepared), cot_params: &'a mut [P] = P::plain_mut(cot_params)
    ) -> ();
    Inverse inverse<R: Real, P: Lift<R>>(
        prepared: &'a [P] = P::plain_parameters(prepared), x: &'a mut [R] = R::plain_mut(x),
        log_det: &'a mut R = one_mut(log_det), scratch: &'a mut [R] = R::plain_mut(scratch)
    ) -> ();
    InverseVjp inverse_vjp<R: Real, P: Lift<R>>(
        prepared: &'a [P] = P::plain_parameters(prepared), scratch: &'a mut [R] = R::plain_mut(scratch),
        cot: &'a mut [R] = R::plain_mut(cot), cot_log_det: R = cot_log_det.to_plain(),
        cot_prepared: &'a mut [R] = R::plain_mut(cot_prepared)
    ) -> ();
    InverseLogDet inverse_log_det<R: Real, P: Lift<R>>(
        prepared: &'a [P] = P::plain_parameters(prepared), x: &'a mut [R] = R::plain_mut(x),
        log_det: &'a mut R = one_mut(log_det), scratch: &'a mut [R] = R::plain_mut(scratch)
    ) -> ();
    InverseLogDetVjp inverse_log_det_vjp<R: Real, P: Lift<R>>(
        prepared: &'a [P] = P::plain_parameters(prepared), scratch: &'a mut [R] = R::plain_mut(scratch),
        cot: &'a mut [R] = R::plain_mut(cot), cot_log_det: R = cot_log_det.to_plain(),
        cot_prepared: &'a mut [R] = R::plain_mut(cot_prepared)
    ) -> ();
    InversePenalised inverse_penalised<R: Real, P: Lift<R>>(
        prepared: &'a [P] = P::plain_parameters(prepared), x: &'a mut [R] = R::plain_mut(x),
        log_det: &'a mut R = one_mut(log_det), penalties: &'a mut [R; PENALTIES] = few_mut(penalties),
        scratch: &'a mut [R] = R::plain_mut(scratch)
    ) -> ();
    InversePenalisedVjp inverse_penalised_vjp<R: Real, P: Lift<R>>(
        prepared: &'a [P] = P::plain_parameters(prepared), scratch: &'a mut [R] = R::plain_mut(scratch),
        cot: &'a mut [R] = R::plain_mut(cot), cot_log_det: R = cot_log_det.to_plain(),
        cot_penalties: [R; PENALTIES] = cot_penalties.map(R::to_plain), cot_prepared: &'a mut [R] = R::plain_mut(cot_prepared)
    ) -> ();
    ForwardVjp forward_vjp<R: Real, P: Lift<R>>(
        prepared: &'a [P] = P::plain_parameters(prepared), scratch: &'a mut [R] = R::plain_mut(scratch),
        cot: &'a mut [R] = R::plain_mut(cot), cot_log_det: R = cot_log_det.to_plain(),
        cot_prepared: &'a mut [R] = R::plain_mut(cot_prepared)
    ) -> ();
}

/// [`Layer::forward`] as a piece of work; it also says in which lanes a search failed.
struct Forward<'a, M, H, R, P> {
    prepared: &'a [P],
    z: &'a mut [R],
    log_det: &'a mut R,
    scratch: &'a mut [R],
    of: PhantomData<(M, H)>,
}

impl<M: Manifold, H: Layer<M>, R: Real, P: Lift<R>> Work for Forward<'_, M, H, R, P> {
    type Output = R::Mask;
    #[inline(always)]
    fn run(self) -> R::Mask {
        let Forward { prepared, z, log_det, scratch, .. } = self;
        if H::WIDE {
            return H::forward(prepared, z, log_det, scratch);
        }
        let (z, scratch) = (R::plain_mut(z), R::plain_mut(scratch));
        let failed = H::forward(P::plain_parameters(prepared), z, one_mut(log_det), scratch);
        // An outcome goes from one kind of pack to the other as a number.
        R::from_plain(R::Plain::select(failed, R::Plain::one(), R::Plain::zero())).gt(R::zero())
    }
}

/// Layers applied one after the other; the flat parameter vector, the prepared numbers and the scratch of the letters
/// stand side by side in the order written.
pub trait Chain<M: Manifold>: Send + Sync + 'static {
    /// Number of layers.
    const LEN: usize;
    /// Length of the flat parameter vector.
    const PARAMS: usize;
    /// Number of prepared numbers.
    const PREPARED: usize;
    /// Number of scratch numbers.
    const SCRATCH: usize;
    /// See [`Layer::NEEDS_F64`]: what the first such layer says.
    const NEEDS_F64: Option<&'static str>;
    /// Whether the first letter has a shorter way to its log-determinant alone ([`Layer::LOG_DET`]).
    const LOG_DET: bool;

    /// See [`Layer::initial`].
    fn initial<G: Rng + ?Sized>(rng: &mut G, params: &mut [f64]);
    /// See [`Layer::initial_from_data`]: the last letter sees the data first. Returns whether any layer learnt from it.
    fn initial_from_data<G: Rng + ?Sized>(rng: &mut G, points: &mut [f64], params: &mut [f64]) -> bool;
    /// See [`Layer::prepare`].
    fn prepare<P: Real>(params: &[P], prepared: &mut [P]);
    /// See [`Layer::prepare_vjp`].
    fn prepare_vjp<P: Real>(params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]);
    /// Evaluation: the last letter first. `first` is the place of the chain's first letter. Unless the base-side point is asked for (`BASE`), the first letter
    /// takes [`Layer::inverse_log_det`].
    fn evaluate<R: Pack, P: Lift<R>, const BASE: bool>(
        prepared: &[P],
        x: &mut [R],
        log_det: &mut R,
        scratch: &mut [R],
        first: usize,
        fault: &mut Option<Fault>,
    );
    /// Cotangents of [`Chain::evaluate`], for those of the point and of the log-determinant.
    fn evaluate_vjp<R: Pack, P: Lift<R>, const BASE: bool>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    );
    /// Target side to base side.
    #[inline(always)]
    fn inverse<R: Pack, P: Lift<R>>(
        prepared: &[P],
        x: &mut [R],
        log_det: &mut R,
        scratch: &mut [R],
        first: usize,
        fault: &mut Option<Fault>,
    ) {
        Self::evaluate::<R, P, true>(prepared, x, log_det, scratch, first, fault);
    }
    /// [`inverse`](Chain::inverse) of the letters in `part` alone, counted as places are: from the point after them to the point before them.
    fn inverse_part<R: Pack, P: Lift<R>>(
        prepared: &[P],
        x: &mut [R],
        log_det: &mut R,
        scratch: &mut [R],
        part: &Range<usize>,
        first: usize,
        fault: &mut Option<Fault>,
    );
    /// See [`Layer::inverse_vjp`].
    #[inline(always)]
    fn inverse_vjp<R: Pack, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        Self::evaluate_vjp::<R, P, true>(prepared, scratch, cot, cot_log_det, cot_prepared);
    }
    /// See [`Layer::inverse_penalised`].
    fn inverse_penalised<R: Pack, P: Lift<R>>(
        prepared: &[P],
        x: &mut [R],
        log_det: &mut R,
        penalties: &mut [R; PENALTIES],
        scratch: &mut [R],
        first: usize,
        fault: &mut Option<Fault>,
    );
    /// See [`Layer::inverse_penalised_vjp`].
    fn inverse_penalised_vjp<R: Pack, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_penalties: [R; PENALTIES],
        cot_prepared: &mut [R],
    );
    /// Sampling: the first letter first.
    fn forward<R: Pack, P: Lift<R>>(
        prepared: &[P],
        z: &mut [R],
        log_det: &mut R,
        scratch: &mut [R],
        first: usize,
        fault: &mut Option<Fault>,
    );
    /// See [`Layer::forward_vjp`].
    fn forward_vjp<R: Pack, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    );
    /// Name and parameter count of each letter.
    fn describe(letters: &mut Vec<Letter>);
}

impl<M: Manifold> Chain<M> for () {
    const LEN: usize = 0;
    const PARAMS: usize = 0;
    const PREPARED: usize = 0;
    const SCRATCH: usize = 0;
    const NEEDS_F64: Option<&'static str> = None;
    const LOG_DET: bool = false;

    fn initial<G: Rng + ?Sized>(_: &mut G, _: &mut [f64]) {}
    fn initial_from_data<G: Rng + ?Sized>(_: &mut G, _: &mut [f64], _: &mut [f64]) -> bool {
        false
    }
    #[inline(always)]
    fn prepare<P: Real>(_: &[P], _: &mut [P]) {}
    #[inline(always)]
    fn prepare_vjp<P: Real>(_: &[P], _: &[P], _: &[P], _: &mut [P]) {}
    #[inline(always)]
    fn evaluate<R: Pack, P: Lift<R>, const BASE: bool>(
        _: &[P],
        _: &mut [R],
        _: &mut R,
        _: &mut [R],
        _: usize,
        _: &mut Option<Fault>,
    ) {
    }
    #[inline(always)]
    fn evaluate_vjp<R: Pack, P: Lift<R>, const BASE: bool>(_: &[P], _: &mut [R], _: &mut [R], _: R, _: &mut [R]) {}
    #[inline(always)]
    fn inverse_part<R: Pack, P: Lift<R>>(
        _: &[P],
        _: &mut [R],
        _: &mut R,
        _: &mut [R],
        _: &Range<usize>,
        _: usize,
        _: &mut Option<Fault>,
    ) {
    }
    #[inline(always)]
    fn inverse_penalised<R: Pack, P: Lift<R>>(
        _: &[P],
        _: &mut [R],
        _: &mut R,
        _: &mut [R; PENALTIES],
        _: &mut [R],
        _: usize,
        _: &mut Option<Fault>,
    ) {
    }
    #[inline(always)]
    fn inverse_penalised_vjp<R: Pack, P: Lift<R>>(
        _: &[P],
        _: &mut [R],
        _: &mut [R],
        _: R,
        _: [R; PENALTIES],
        _: &mut [R],
    ) {
    }
    #[inline(always)]
    fn forward<R: Pack, P: Lift<R>>(_: &[P], _: &mut [R], _: &mut R, _: &mut [R], _: usize, _: &mut Option<Fault>) {}
    #[inline(always)]
    fn forward_vjp<R: Pack, P: Lift<R>>(_: &[P], _: &mut [R], _: &mut [R], _: R, _: &mut [R]) {}
    fn describe(_: &mut Vec<Letter>) {}
}

impl<M: Manifold, H: Layer<M>, T: Chain<M>> Chain<M> for (H, T) {
    const LEN: usize = 1 + T::LEN;
    const PARAMS: usize = H::PARAMS + T::PARAMS;
    const PREPARED: usize = H::PREPARED + T::PREPARED;
    const SCRATCH: usize = H::SCRATCH + T::SCRATCH;
    const NEEDS_F64: Option<&'static str> = if H::NEEDS_F64.is_some() { H::NEEDS_F64 } else { T::NEEDS_F64 };
    const LOG_DET: bool = H::LOG_DET;

    fn initial<G: Rng + ?Sized>(rng: &mut G, params: &mut [f64]) {
        let (head, tail) = params.split_at_mut(H::PARAMS);
        H::initial(rng, head);
        T::initial(rng, tail);
    }

    fn initial_from_data<G: Rng + ?Sized>(rng: &mut G, points: &mut [f64], params: &mut [f64]) -> bool {
        let (head, tail) = params.split_at_mut(H::PARAMS);
        let later = T::initial_from_data(rng, points, tail);
        let own = H::initial_from_data(rng, points, head);
        if !own {
            H::initial(rng, head);
        }
        own || later
    }

    #[inline(always)]
    fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        let (head, tail) = params.split_at(H::PARAMS);
        let (head_out, tail_out) = prepared.split_at_mut(H::PREPARED);
        P::run(Prepare::<M, H, P> { params: head, prepared: head_out, of: PhantomData });
        T::prepare(tail, tail_out);
    }

    #[inline(always)]
    fn prepare_vjp<P: Real>(params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        let (head, tail) = params.split_at(H::PARAMS);
        let (head_out, tail_out) = prepared.split_at(H::PREPARED);
        let (head_cot, tail_cot) = cot_prepared.split_at(H::PREPARED);
        let (head_in, tail_in) = cot_params.split_at_mut(H::PARAMS);
        P::run(PrepareVjp::<M, H, P> {
            params: head,
            prepared: head_out,
            cot_prepared: head_cot,
            cot_params: head_in,
            of: PhantomData,
        });
        T::prepare_vjp(tail, tail_out, tail_cot, tail_in);
    }

    #[inline(always)]
    fn evaluate<R: Pack, P: Lift<R>, const BASE: bool>(
        prepared: &[P],
        x: &mut [R],
        log_det: &mut R,
        scratch: &mut [R],
        first: usize,
        fault: &mut Option<Fault>,
    ) {
        let (prepared, tail) = prepared.split_at(H::PREPARED);
        let (scratch, tail_scratch) = scratch.split_at_mut(H::SCRATCH);
        T::inverse(tail, x, log_det, tail_scratch, first + 1, fault);
        if BASE {
            R::run(Inverse::<M, H, R, P> { prepared, x, log_det, scratch, of: PhantomData });
        } else {
            R::run(InverseLogDet::<M, H, R, P> { prepared, x, log_det, scratch, of: PhantomData });
        }
        Fault::note::<M, H, R>(fault, !(all_finite(x) & log_det.is_finite()), first, false);
    }

    #[inline(always)]
    fn evaluate_vjp<R: Pack, P: Lift<R>, const BASE: bool>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (prepared, tail) = prepared.split_at(H::PREPARED);
        let (scratch, tail_scratch) = scratch.split_at_mut(H::SCRATCH);
        let (cot_prepared, tail_cot) = cot_prepared.split_at_mut(H::PREPARED);
        if BASE {
            R::run(InverseVjp::<M, H, R, P> { prepared, scratch, cot, cot_log_det, cot_prepared, of: PhantomData });
        } else {
            R::run(InverseLogDetVjp::<M, H, R, P> {
                prepared,
                scratch,
                cot,
                cot_log_det,
                cot_prepared,
                of: PhantomData,
            });
        }
        T::inverse_vjp(tail, tail_scratch, cot, cot_log_det, tail_cot);
    }

    #[inline(always)]
    fn inverse_part<R: Pack, P: Lift<R>>(
        prepared: &[P],
        x: &mut [R],
        log_det: &mut R,
        scratch: &mut [R],
        part: &Range<usize>,
        first: usize,
        fault: &mut Option<Fault>,
    ) {
        let (head, tail) = prepared.split_at(H::PREPARED);
        let (head_scratch, tail_scratch) = scratch.split_at_mut(H::SCRATCH);
        T::inverse_part(tail, x, log_det, tail_scratch, part, first + 1, fault);
        if part.contains(&first) {
            H::inverse(head, x, log_det, head_scratch);
            Fault::note::<M, H, R>(fault, !(all_finite(x) & log_det.is_finite()), first, false);
        }
    }

    #[inline(always)]
    fn inverse_penalised<R: Pack, P: Lift<R>>(
        prepared: &[P],
        x: &mut [R],
        log_det: &mut R,
        penalties: &mut [R; PENALTIES],
        scratch: &mut [R],
        first: usize,
        fault: &mut Option<Fault>,
    ) {
        let (head, tail) = prepared.split_at(H::PREPARED);
        let (head_scratch, tail_scratch) = scratch.split_at_mut(H::SCRATCH);
        T::inverse_penalised(tail, x, log_det, penalties, tail_scratch, first + 1, fault);
        R::run(InversePenalised::<M, H, R, P> {
            prepared: head,
            x,
            log_det,
            penalties,
            scratch: head_scratch,
            of: PhantomData,
        });
        let finite = all_finite(x) & log_det.is_finite() & all_finite(penalties);
        Fault::note::<M, H, R>(fault, !finite, first, false);
    }

    #[inline(always)]
    fn inverse_penalised_vjp<R: Pack, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_penalties: [R; PENALTIES],
        cot_prepared: &mut [R],
    ) {
        let (head, tail) = prepared.split_at(H::PREPARED);
        let (head_scratch, tail_scratch) = scratch.split_at_mut(H::SCRATCH);
        let (head_cot, tail_cot) = cot_prepared.split_at_mut(H::PREPARED);
        R::run(InversePenalisedVjp::<M, H, R, P> {
            prepared: head,
            scratch: head_scratch,
            cot,
            cot_log_det,
            cot_penalties,
            cot_prepared: head_cot,
            of: PhantomData,
        });
        T::inverse_penalised_vjp(tail, tail_scratch, cot, cot_log_det, cot_penalties, tail_cot);
    }

    #[inline(always)]
    fn forward<R: Pack, P: Lift<R>>(
        prepared: &[P],
        z: &mut [R],
        log_det: &mut R,
        scratch: &mut [R],
        first: usize,
        fault: &mut Option<Fault>,
    ) {
        let (head, tail) = prepared.split_at(H::PREPARED);
        let (head_scratch, tail_scratch) = scratch.split_at_mut(H::SCRATCH);
        let unconverged =
            R::run(Forward::<M, H, R, P> { prepared: head, z, log_det, scratch: head_scratch, of: PhantomData });
        Fault::note::<M, H, R>(fault, unconverged, first, true);
        Fault::note::<M, H, R>(fault, !(all_finite(z) & log_det.is_finite()), first, false);
        T::forward(tail, z, log_det, tail_scratch, first + 1, fault);
    }

    #[inline(always)]
    fn forward_vjp<R: Pack, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (head, tail) = prepared.split_at(H::PREPARED);
        let (head_scratch, tail_scratch) = scratch.split_at_mut(H::SCRATCH);
        let (head_cot, tail_cot) = cot_prepared.split_at_mut(H::PREPARED);
        T::forward_vjp(tail, tail_scratch, cot, cot_log_det, tail_cot);
        R::run(ForwardVjp::<M, H, R, P> {
            prepared: head,
            scratch: head_scratch,
            cot,
            cot_log_det,
            cot_prepared: head_cot,
            of: PhantomData,
        });
    }

    fn describe(letters: &mut Vec<Letter>) {
        letters.push(Letter { name: H::NAME, options: H::options(), params: H::PARAMS, state: H::state() });
        T::describe(letters);
    }
}
