//! Where a chain's parameters come from: free numbers, a network that reads the given features and the earlier manifolds, or
//! numbers made outside for each point, the weights of such a network among them.

use super::network::{Network, NetworkSummary};
use crate::networks::WeightLayout;
use crate::numeric::Scalar;
use core::marker::PhantomData;
use rand::Rng;

/// Where a chain's parameters come from.
pub trait Head: Send + Sync + 'static {
    /// Length of the flat weights (the parameters themselves where they are free).
    const WEIGHTS: usize;
    /// Numbers made for each point outside of the block, which stand where weights would.
    const GIVEN: usize;
    /// Number of parameters made.
    const PARAMS: usize;
    /// How many of them, the last ones, are not the chain's: 1 for a log-mean.
    const EXTRA: usize;
    /// Whether all points share one parameter vector.
    const SHARED: bool;
    /// The given features read: the first, and how many.
    const FEATURES: (usize, usize);
    /// Rows of hidden activations.
    const ACTIVATIONS: usize;
    /// Rows of temporary space.
    const TEMP: usize;

    /// The network; `None` where the parameters are shared, or given.
    fn network() -> Option<NetworkSummary>;

    /// Network input to activations and parameters. Nothing where parameters are shared. `weights` are the flat ones, or rows of
    /// given numbers.
    fn apply<T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &mut [T],
        params: &mut [T],
        temp: &mut [T],
    );
    /// Cotangents of [`Head::apply`], added to those of input and weights. An empty `cot_input` asks for none.
    #[allow(clippy::too_many_arguments, reason = "value, cotangent and weights of one map")]
    fn pull<T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &[T],
        cot_activations: &mut [T],
        cot_params: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    );
    /// The given numbers a fit starts from; the last of them, the parameters themselves, become those of the chain afterwards.
    fn initial_given<G: Rng + ?Sized>(rng: &mut G, given: &mut [f64]) {
        let _ = (rng, given);
    }
}

/// Free parameters, shared by all points.
pub struct Free<const PARAMS: usize>;

impl<const P: usize> Head for Free<P> {
    const WEIGHTS: usize = P;
    const GIVEN: usize = 0;
    const PARAMS: usize = P;
    const EXTRA: usize = 0;
    const SHARED: bool = true;
    const FEATURES: (usize, usize) = (0, 0);
    const ACTIVATIONS: usize = 0;
    const TEMP: usize = 0;

    fn network() -> Option<NetworkSummary> {
        None
    }
    fn apply<T: Scalar>(_: &[T], _: usize, _: &[T], _: &mut [T], _: &mut [T], _: &mut [T]) {}
    fn pull<T: Scalar>(
        _: &[T],
        _: usize,
        _: &[T],
        _: &[T],
        _: &mut [T],
        _: &[T],
        _: &mut [T],
        _: &mut [T],
        _: &mut [T],
    ) {
    }
}

/// Parameters that are given for each point.
pub struct Given<const PARAMS: usize>;

impl<const P: usize> Head for Given<P> {
    const WEIGHTS: usize = 0;
    const GIVEN: usize = P;
    const PARAMS: usize = P;
    const EXTRA: usize = 0;
    const SHARED: bool = false;
    const FEATURES: (usize, usize) = (0, 0);
    const ACTIVATIONS: usize = 0;
    const TEMP: usize = 0;

    fn network() -> Option<NetworkSummary> {
        None
    }
    fn apply<T: Scalar>(weights: &[T], _: usize, _: &[T], _: &mut [T], params: &mut [T], _: &mut [T]) {
        params.copy_from_slice(weights);
    }
    fn pull<T: Scalar>(
        _: &[T],
        _: usize,
        _: &[T],
        _: &[T],
        _: &mut [T],
        cot_params: &[T],
        _: &mut [T],
        cot_weights: &mut [T],
        _: &mut [T],
    ) {
        for (bar, cot) in cot_weights.iter_mut().zip(cot_params) {
            *bar += *cot;
        }
    }
}

/// Parameters predicted by a network that reads `COUNT` given features from number `FROM` on, then the embedded coordinates of all
/// earlier manifolds. With `EXTRA = 1` its last output is the logarithm of a mean count.
pub struct Predicted<const FROM: usize, const COUNT: usize, N, const EXTRA: usize = 0>(PhantomData<N>);

impl<const FROM: usize, const COUNT: usize, N: Network, const EXTRA: usize> Head for Predicted<FROM, COUNT, N, EXTRA> {
    const WEIGHTS: usize = N::WEIGHTS;
    const GIVEN: usize = 0;
    const PARAMS: usize = N::OUT;
    const EXTRA: usize = EXTRA;
    const SHARED: bool = false;
    const FEATURES: (usize, usize) = (FROM, COUNT);
    const ACTIVATIONS: usize = N::ACTIVATIONS;
    const TEMP: usize = N::TEMP;

    fn network() -> Option<NetworkSummary> {
        Some(N::describe())
    }
    fn apply<T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &mut [T],
        params: &mut [T],
        temp: &mut [T],
    ) {
        N::apply(WeightLayout::Shared, weights, width, input, activations, params, temp);
    }
    fn pull<T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &[T],
        cot_activations: &mut [T],
        cot_params: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    ) {
        N::pull(
            WeightLayout::Shared,
            weights,
            width,
            input,
            activations,
            cot_activations,
            cot_params,
            cot_input,
            cot_weights,
            temp,
        );
    }
}

/// Parameters predicted by a network that reads the embedded coordinates of all earlier manifolds and whose weights are given for each
/// point (layers.md 2.7).
pub struct Inner<N>(PhantomData<N>);

impl<N: Network> Head for Inner<N> {
    const WEIGHTS: usize = 0;
    const GIVEN: usize = N::WEIGHTS;
    const PARAMS: usize = N::OUT;
    const EXTRA: usize = 0;
    const SHARED: bool = false;
    const FEATURES: (usize, usize) = (0, 0);
    const ACTIVATIONS: usize = N::ACTIVATIONS;
    const TEMP: usize = N::TEMP;

    fn network() -> Option<NetworkSummary> {
        Some(N::describe())
    }
    fn apply<T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &mut [T],
        params: &mut [T],
        temp: &mut [T],
    ) {
        N::apply(WeightLayout::PerPoint, weights, width, input, activations, params, temp);
    }
    fn pull<T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &[T],
        cot_activations: &mut [T],
        cot_params: &[T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    ) {
        N::pull(
            WeightLayout::PerPoint,
            weights,
            width,
            input,
            activations,
            cot_activations,
            cot_params,
            cot_input,
            cot_weights,
            temp,
        );
    }
    fn initial_given<G: Rng + ?Sized>(rng: &mut G, given: &mut [f64]) {
        N::initial(rng, given);
    }
}
