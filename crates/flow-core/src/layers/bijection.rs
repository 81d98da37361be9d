//! Layers as values: the arithmetic of a letter with its dimension and its options as fields, compiled once for each
//! kind of pack in this crate, however many flows use it.
//!
//! A [`Bijection`] is written over any numbers; an [`AnyLayer`] is the same behind a pointer, for the eight kinds of packs
//! that kernels compute with. [`Own`] makes a value of a layer of the user's ([`Layer`]).

use super::{
    Affine, AffineOptions, BoxFlow, CircleMoebius, CircleMoebiusOptions, CircleSpline, CircleSplineOptions,
    ContinuousFlow, ContinuousOptions, Fault, FlowSpace, GumbelSoftmax, Identity, IdentityOptions, IntervalIdentity,
    IntervalSpline, IntervalSplineOptions, Layer, Letter, Options, Orientation, OrientationOptions, PENALTIES, Place,
    Spherical, StateTensor,
};
use crate::manifolds::{Circle, Euclidean, Interval, Manifold, Simplex};
use crate::numeric::{Lift, Mask, Real, WidePack, Work, family};
use core::marker::PhantomData;
use core::ops::Range;
use rand::Rng;
use std::sync::Arc;

/// A bijection of a manifold onto itself with parameters, as a value.
///
/// The data flow, the meaning of the arguments and the laws are those of [`Layer`], where they are described; here sizes are
/// known when the value is made, not when a program is compiled.
pub trait Bijection: Send + Sync + 'static {
    /// Whether all functions are written for vector registers: see [`Layer::WIDE`].
    const VECTORISED: bool = false;
    /// Whether [`Bijection::inverse_log_det`] is a shorter way than [`Bijection::inverse`].
    const HAS_LOG_DET_ONLY: bool = false;
    /// Whether [`Bijection::inverse_penalised`] adds anything.
    const HAS_PENALTIES: bool = false;

    /// The letter or the name, for messages.
    fn name(&self) -> &'static str;
    /// What messages add about points that the layer could not map; see [`Layer::ADVICE`].
    fn advice(&self) -> &'static str {
        ""
    }
    /// Length of the flat parameter vector.
    fn params(&self) -> usize;
    /// How many numbers [`Bijection::prepare`] makes of it.
    fn prepared(&self) -> usize;
    /// How many numbers the maps leave for their derivatives.
    fn scratch(&self) -> usize;
    /// The options as text; see [`Layer::options`].
    fn options(&self) -> String {
        String::new()
    }
    /// The tensors that the flat parameter vector consists of, in its order; see [`Layer::state`].
    fn state(&self) -> Vec<StateTensor> {
        StateTensor::list([("params", &[1, self.params()])])
    }

    /// Parameters a fit starts from.
    fn initial(&self, rng: &mut dyn Rng, params: &mut [f64]);
    /// Parameters that start a fit near the data; see [`Layer::initial_from_data`].
    fn initial_from_data(&self, rng: &mut dyn Rng, points: &mut [f64], params: &mut [f64]) -> bool {
        let _ = (rng, points, params);
        false
    }

    /// Parameters to prepared numbers.
    fn prepare<P: Real>(&self, params: &[P], prepared: &mut [P]);
    /// Cotangents of [`Bijection::prepare`].
    fn prepare_vjp<P: Real>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]);

    /// Target side to base side, in place; adds ln |d base / d target|.
    fn inverse<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]);
    /// Cotangents of [`Bijection::inverse`].
    fn inverse_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    );
    /// Base side to target side, in place; adds ln |d target / d base|. Returns the lanes in which a search failed.
    fn forward<R: Real, P: Lift<R>>(&self, prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask;
    /// Cotangents of [`Bijection::forward`].
    fn forward_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    );

    /// [`Bijection::inverse`] where nobody asks for the base-side point; see [`Layer::inverse_log_det`].
    #[inline(always)]
    fn inverse_log_det<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        self.inverse(prepared, x, log_det, scratch);
    }
    /// Cotangents of [`Bijection::inverse_log_det`]: `cot` is set to that of the target-side point.
    #[inline(always)]
    fn inverse_log_det_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        cot.fill(R::zero());
        self.inverse_vjp(prepared, scratch, cot, cot_log_det, cot_prepared);
    }

    /// [`Bijection::inverse`] that adds penalties too; see [`Layer::inverse_penalised`].
    #[inline(always)]
    fn inverse_penalised<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        x: &mut [R],
        log_det: &mut R,
        penalties: &mut [R; PENALTIES],
        scratch: &mut [R],
    ) {
        let _ = penalties;
        self.inverse(prepared, x, log_det, scratch);
    }
    /// Cotangents of [`Bijection::inverse_penalised`].
    #[inline(always)]
    fn inverse_penalised_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_penalties: [R; PENALTIES],
        cot_prepared: &mut [R],
    ) {
        let _ = cot_penalties;
        self.inverse_vjp(prepared, scratch, cot, cot_log_det, cot_prepared);
    }
}

/// Maps rows of `columns` numbers towards the base by a layer with these parameters.
pub(super) fn map_rows<L: Bijection>(layer: &L, columns: usize, params: &[f64], points: &mut [f64]) {
    let mut prepared = vec![0.0; layer.prepared()];
    let mut scratch = vec![0.0; layer.scratch()];
    layer.prepare(params, &mut prepared);
    for row in points.chunks_exact_mut(columns) {
        layer.inverse(&prepared, row, &mut 0.0, &mut scratch);
    }
}

// ---- a layer behind a pointer ---------------------------------------------------------------------------------------

/// Prepared numbers of a chain or a layer: one set for all points, or one for each lane.
#[derive(Clone, Copy, Debug)]
pub enum Prepared<'a, R> {
    /// One number for all points.
    Shared(&'a [f64]),
    /// A number for each lane.
    Each(&'a [R]),
}

impl<R> Prepared<'_, R> {
    /// Some of them.
    #[inline(always)]
    pub fn part(&self, range: &Range<usize>) -> Self {
        match self {
            Prepared::Shared(numbers) => Prepared::Shared(&numbers[range.start..range.end]),
            Prepared::Each(numbers) => Prepared::Each(&numbers[range.start..range.end]),
        }
    }
}

/// What the evaluation of a layer is asked for beside its log-determinant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The base-side point: [`Bijection::inverse`].
    Point,
    /// Nothing: [`Bijection::inverse_log_det`].
    LogDet,
    /// The base-side point and the penalties: [`Bijection::inverse_penalised`].
    Penalised,
}

/// A layer on packs of one kind.
pub trait PackLayer<R: WidePack>: Send + Sync {
    /// See [`Bijection::prepare`].
    fn prepare(&self, params: &[R], prepared: &mut [R]);
    /// See [`Bijection::prepare_vjp`].
    fn prepare_vjp(&self, params: &[R], prepared: &[R], cot_prepared: &[R], cot_params: &mut [R]);
    /// See [`Bijection::inverse`] and [`Way`]; `penalties` are added to where they are asked for.
    fn inverse(
        &self,
        way: Way,
        prepared: Prepared<'_, R>,
        x: &mut [R],
        log_det: &mut R,
        penalties: &mut [R; PENALTIES],
        scratch: &mut [R],
    );
    /// Cotangents of [`PackLayer::inverse`].
    #[allow(clippy::too_many_arguments, reason = "value, cotangents and parameters of one map")]
    fn inverse_vjp(
        &self,
        way: Way,
        prepared: Prepared<'_, R>,
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: &R,
        cot_penalties: &[R; PENALTIES],
        cot_prepared: &mut [R],
    );
    /// See [`Bijection::forward`].
    fn forward(&self, prepared: Prepared<'_, R>, z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask;
    /// Cotangents of [`PackLayer::forward`].
    fn forward_vjp(
        &self,
        prepared: Prepared<'_, R>,
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: &R,
        cot_prepared: &mut [R],
    );
}

/// Calls of a layer's functions as pieces of work, compiled for the vector unit of their numbers. The arguments after `=` are
/// given to a layer that is not [`Bijection::VECTORISED`].
macro_rules! calls {
    ($($call:ident $function:ident <$($number:ident: $bound:path),*> (
        $($arg:ident: $type:ty = $plain:expr),*
    );)*) => {$(
        struct $call<'a, L, $($number),*> {
            layer: &'a L,
            $($arg: $type,)*
        }
        impl<'a, L: Bijection, $($number: $bound),*> Work for $call<'a, L, $($number),*> {
            type Output = ();
            #[inline(always)]
            fn run(self) {
                let $call { layer, $($arg),* } = self;
                if L::VECTORISED {
                    layer.$function($($arg),*)
                } else {
                    layer.$function($($plain),*)
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
    );
    PrepareVjp prepare_vjp<P: Real>(
        params: &'a [P] = P::plain(params), prepared: &'a [P] = P::plain(prepared),
        cot_prepared: &'a [P] = P::plain(cot_prepared), cot_params: &'a mut [P] = P::plain_mut(cot_params)
    );
    Inverse inverse<R: Real, P: Lift<R>>(
        prepared: &'a [P] = P::plain_parameters(prepared), x: &'a mut [R] = R::plain_mut(x),
        log_det: &'a mut R = one_mut(log_det), scratch: &'a mut [R] = R::plain_mut(scratch)
    );
    InverseVjp inverse_vjp<R: Real, P: Lift<R>>(
        prepared: &'a [P] = P::plain_parameters(prepared), scratch: &'a mut [R] = R::plain_mut(scratch),
        cot: &'a mut [R] = R::plain_mut(cot), cot_log_det: R = cot_log_det.to_plain(),
        cot_prepared: &'a mut [R] = R::plain_mut(cot_prepared)
    );
    InverseLogDet inverse_log_det<R: Real, P: Lift<R>>(
        prepared: &'a [P] = P::plain_parameters(prepared), x: &'a mut [R] = R::plain_mut(x),
        log_det: &'a mut R = one_mut(log_det), scratch: &'a mut [R] = R::plain_mut(scratch)
    );
    InverseLogDetVjp inverse_log_det_vjp<R: Real, P: Lift<R>>(
        prepared: &'a [P] = P::plain_parameters(prepared), scratch: &'a mut [R] = R::plain_mut(scratch),
        cot: &'a mut [R] = R::plain_mut(cot), cot_log_det: R = cot_log_det.to_plain(),
        cot_prepared: &'a mut [R] = R::plain_mut(cot_prepared)
    );
    InversePenalised inverse_penalised<R: Real, P: Lift<R>>(
        prepared: &'a [P] = P::plain_parameters(prepared), x: &'a mut [R] = R::plain_mut(x),
        log_det: &'a mut R = one_mut(log_det), penalties: &'a mut [R; PENALTIES] = few_mut(penalties),
        scratch: &'a mut [R] = R::plain_mut(scratch)
    );
    InversePenalisedVjp inverse_penalised_vjp<R: Real, P: Lift<R>>(
        prepared: &'a [P] = P::plain_parameters(prepared), scratch: &'a mut [R] = R::plain_mut(scratch),
        cot: &'a mut [R] = R::plain_mut(cot), cot_log_det: R = cot_log_det.to_plain(),
        cot_penalties: [R; PENALTIES] = cot_penalties.map(R::to_plain),
        cot_prepared: &'a mut [R] = R::plain_mut(cot_prepared)
    );
    ForwardVjp forward_vjp<R: Real, P: Lift<R>>(
        prepared: &'a [P] = P::plain_parameters(prepared), scratch: &'a mut [R] = R::plain_mut(scratch),
        cot: &'a mut [R] = R::plain_mut(cot), cot_log_det: R = cot_log_det.to_plain(),
        cot_prepared: &'a mut [R] = R::plain_mut(cot_prepared)
    );
}

/// [`Bijection::forward`] as a piece of work; it also says in which lanes a search failed.
struct Forward<'a, L, R, P> {
    layer: &'a L,
    prepared: &'a [P],
    z: &'a mut [R],
    log_det: &'a mut R,
    scratch: &'a mut [R],
}

impl<L: Bijection, R: Real, P: Lift<R>> Work for Forward<'_, L, R, P> {
    type Output = R::Mask;
    #[inline(always)]
    fn run(self) -> R::Mask {
        let Forward { layer, prepared, z, log_det, scratch } = self;
        if L::VECTORISED {
            return layer.forward(prepared, z, log_det, scratch);
        }
        let (z, scratch) = (R::plain_mut(z), R::plain_mut(scratch));
        let failed = layer.forward(P::plain_parameters(prepared), z, one_mut(log_det), scratch);
        // An outcome goes from one kind of pack to the other as a number.
        R::from_plain(R::Plain::select(failed, R::Plain::one(), R::Plain::zero())).gt(R::zero())
    }
}

/// Runs one of the calls above with parameters of either kind.
macro_rules! either {
    ($R:ty, $call:ident { layer: $layer:expr, prepared: $prepared:expr, $($rest:tt)* }) => {
        match $prepared {
            Prepared::Shared(prepared) => <$R>::run($call { layer: $layer, prepared, $($rest)* }),
            Prepared::Each(prepared) => <$R>::run($call { layer: $layer, prepared, $($rest)* }),
        }
    };
}

impl<L: Bijection, R: WidePack> PackLayer<R> for L
where
    f64: Lift<R>,
{
    fn prepare(&self, params: &[R], prepared: &mut [R]) {
        R::run(Prepare { layer: self, params, prepared });
    }

    fn prepare_vjp(&self, params: &[R], prepared: &[R], cot_prepared: &[R], cot_params: &mut [R]) {
        R::run(PrepareVjp { layer: self, params, prepared, cot_prepared, cot_params });
    }

    fn inverse(
        &self,
        way: Way,
        prepared: Prepared<'_, R>,
        x: &mut [R],
        log_det: &mut R,
        penalties: &mut [R; PENALTIES],
        scratch: &mut [R],
    ) {
        let layer = self;
        if L::HAS_LOG_DET_ONLY && way == Way::LogDet {
            either!(R, InverseLogDet { layer: layer, prepared: prepared, x, log_det, scratch });
        } else if L::HAS_PENALTIES && way == Way::Penalised {
            either!(R, InversePenalised { layer: layer, prepared: prepared, x, log_det, penalties, scratch });
        } else {
            either!(R, Inverse { layer: layer, prepared: prepared, x, log_det, scratch });
        }
    }

    fn inverse_vjp(
        &self,
        way: Way,
        prepared: Prepared<'_, R>,
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: &R,
        cot_penalties: &[R; PENALTIES],
        cot_prepared: &mut [R],
    ) {
        let (layer, cot_log_det) = (self, *cot_log_det);
        if L::HAS_LOG_DET_ONLY && way == Way::LogDet {
            either!(R, InverseLogDetVjp { layer: layer, prepared: prepared, scratch, cot, cot_log_det, cot_prepared });
        } else if L::HAS_PENALTIES && way == Way::Penalised {
            let cot_penalties = *cot_penalties;
            either!(
                R,
                InversePenalisedVjp {
                    layer: layer,
                    prepared: prepared,
                    scratch,
                    cot,
                    cot_log_det,
                    cot_penalties,
                    cot_prepared
                }
            );
        } else {
            either!(R, InverseVjp { layer: layer, prepared: prepared, scratch, cot, cot_log_det, cot_prepared });
        }
    }

    fn forward(&self, prepared: Prepared<'_, R>, z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        either!(R, Forward { layer: self, prepared: prepared, z, log_det, scratch })
    }

    fn forward_vjp(
        &self,
        prepared: Prepared<'_, R>,
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: &R,
        cot_prepared: &mut [R],
    ) {
        let cot_log_det = *cot_log_det;
        either!(R, ForwardVjp { layer: self, prepared: prepared, scratch, cot, cot_log_det, cot_prepared });
    }
}

family! {
/// A layer as a value behind a pointer: what a chain is made of.
pub trait AnyLayer: PackLayer {
    /// Its sizes and its name.
    fn facts(&self) -> Facts;
    /// Its name, options and parameters, for those who print or store them.
    fn letter(&self) -> Letter;
    /// See [`Bijection::initial`].
    fn start(&self, rng: &mut dyn Rng, params: &mut [f64]);
    /// See [`Bijection::initial_from_data`].
    fn start_from_data(&self, rng: &mut dyn Rng, points: &mut [f64], params: &mut [f64]) -> bool;
}
}

/// Sizes and name of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// See [`Bijection::name`].
    pub name: &'static str,
    /// See [`Bijection::advice`].
    pub advice: &'static str,
    /// See [`Bijection::params`].
    pub params: usize,
    /// See [`Bijection::prepared`].
    pub prepared: usize,
    /// See [`Bijection::scratch`].
    pub scratch: usize,
    /// See [`Bijection::HAS_LOG_DET_ONLY`].
    pub has_log_det_only: bool,
}

impl<L: Bijection> AnyLayer for L {
    fn facts(&self) -> Facts {
        Facts {
            name: self.name(),
            advice: self.advice(),
            params: self.params(),
            prepared: self.prepared(),
            scratch: self.scratch(),
            has_log_det_only: L::HAS_LOG_DET_ONLY,
        }
    }
    fn letter(&self) -> Letter {
        Letter { name: self.name(), options: self.options(), params: self.params(), state: self.state() }
    }
    fn start(&self, rng: &mut dyn Rng, params: &mut [f64]) {
        self.initial(rng, params);
    }
    fn start_from_data(&self, rng: &mut dyn Rng, points: &mut [f64], params: &mut [f64]) -> bool {
        self.initial_from_data(rng, points, params)
    }
}

// ---- what stands in the type of a flow ------------------------------------------------------------------------------

/// What stands for a layer in the type of a flow: it says how many parameters there are, and makes the value.
pub trait LayerType<M: Manifold>: Send + Sync + 'static {
    /// Length of the flat parameter vector.
    const PARAMS: usize;
    /// See [`Layer::NEEDS_F64`].
    const NEEDS_F64: Option<&'static str> = None;
    /// The layer.
    fn layer() -> Arc<dyn AnyLayer>;
}

/// A layer of the user's own in the type of a flow: the brackets of the notation.
pub struct Own<L>(PhantomData<L>);

impl<M: Manifold, L: Layer<M>> LayerType<M> for Own<L> {
    const PARAMS: usize = L::PARAMS;
    const NEEDS_F64: Option<&'static str> = L::NEEDS_F64;
    fn layer() -> Arc<dyn AnyLayer> {
        Arc::new(Static::<M, L>(PhantomData))
    }
}

/// The value of a layer that is written as static functions.
struct Static<M, L>(PhantomData<(M, L)>);

impl<M: Manifold, L: Layer<M>> Bijection for Static<M, L> {
    const VECTORISED: bool = L::WIDE;
    const HAS_LOG_DET_ONLY: bool = L::LOG_DET;
    const HAS_PENALTIES: bool = L::PENALISED;

    fn name(&self) -> &'static str {
        L::NAME
    }
    fn advice(&self) -> &'static str {
        L::ADVICE
    }
    fn params(&self) -> usize {
        L::PARAMS
    }
    fn prepared(&self) -> usize {
        L::PREPARED
    }
    fn scratch(&self) -> usize {
        L::SCRATCH
    }
    fn options(&self) -> String {
        L::options()
    }
    fn state(&self) -> Vec<StateTensor> {
        L::state()
    }
    fn initial(&self, rng: &mut dyn Rng, params: &mut [f64]) {
        L::initial(rng, params);
    }
    fn initial_from_data(&self, rng: &mut dyn Rng, points: &mut [f64], params: &mut [f64]) -> bool {
        L::initial_from_data(rng, points, params)
    }
    #[inline(always)]
    fn prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        L::prepare(params, prepared);
    }
    #[inline(always)]
    fn prepare_vjp<P: Real>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        L::prepare_vjp(params, prepared, cot_prepared, cot_params);
    }
    #[inline(always)]
    fn inverse<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        L::inverse(prepared, x, log_det, scratch);
    }
    #[inline(always)]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        L::inverse_vjp(prepared, scratch, cot, cot_log_det, cot_prepared);
    }
    #[inline(always)]
    fn forward<R: Real, P: Lift<R>>(&self, prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        L::forward(prepared, z, log_det, scratch)
    }
    #[inline(always)]
    fn forward_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        L::forward_vjp(prepared, scratch, cot, cot_log_det, cot_prepared);
    }
    #[inline(always)]
    fn inverse_log_det<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        L::inverse_log_det(prepared, x, log_det, scratch);
    }
    #[inline(always)]
    fn inverse_log_det_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        L::inverse_log_det_vjp(prepared, scratch, cot, cot_log_det, cot_prepared);
    }
    #[inline(always)]
    fn inverse_penalised<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        x: &mut [R],
        log_det: &mut R,
        penalties: &mut [R; PENALTIES],
        scratch: &mut [R],
    ) {
        L::inverse_penalised(prepared, x, log_det, penalties, scratch);
    }
    #[inline(always)]
    fn inverse_penalised_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_penalties: [R; PENALTIES],
        cot_prepared: &mut [R],
    ) {
        L::inverse_penalised_vjp(prepared, scratch, cot, cot_log_det, cot_penalties, cot_prepared);
    }
}

/// Types of letters that are still written as static functions.
macro_rules! static_letters {
    ($([$($generics:tt)*] $manifold:ty, $letter:ty;)*) => {$(
        impl<$($generics)*> LayerType<$manifold> for $letter {
            const PARAMS: usize = <$letter as Layer<$manifold>>::PARAMS;
            const NEEDS_F64: Option<&'static str> = <$letter as Layer<$manifold>>::NEEDS_F64;
            fn layer() -> Arc<dyn AnyLayer> {
                Arc::new(Static::<$manifold, $letter>(PhantomData))
            }
        }
    )*};
}

/// The first lane set in `bad`.
#[inline(always)]
pub(super) fn first_lane<M: Mask>(bad: M) -> usize {
    let mut lane = 0;
    while !bad.lane(lane) {
        lane += 1;
    }
    lane
}

impl Fault {
    /// Records the first lane set in `bad`, unless something was recorded before.
    #[inline(always)]
    pub(super) fn note<M: Mask>(slot: &mut Option<Fault>, bad: M, layer: usize, facts: &Facts, unconverged: bool) {
        if slot.is_none() && bad.any() {
            let lane = first_lane(bad);
            *slot = Some(Fault { layer, name: facts.name, lane, unconverged, advice: facts.advice });
        }
    }
}

static_letters! {
    [const LOW: u64, const HIGH: u64] Interval<LOW, HIGH>, IntervalIdentity;
    [const D: usize] Simplex<D>, GumbelSoftmax<D>;
    [const D: usize, Opts: Options<IdentityOptions>] Euclidean<D>, Identity<D, Opts>;
    [const D: usize] Simplex<D>, BoxFlow<D>;
    [M: FlowSpace, Opts: Options<ContinuousOptions>] M, ContinuousFlow<Opts>;
    [Opts: Options<CircleSplineOptions>] Circle, CircleSpline<Opts>;
    [const D: usize, Pos: Place, Opts: Options<AffineOptions>] Euclidean<D>, Affine<D, Pos, Opts>;
    [Opts: Options<CircleMoebiusOptions>] Circle, CircleMoebius<Opts>;
    [M: Spherical, Opts: Options<OrientationOptions>] M, Orientation<Opts>;
    [const LOW: u64, const HIGH: u64, Opts: Options<IntervalSplineOptions>] Interval<LOW, HIGH>, IntervalSpline<Opts>;
}
