//! Where a chain's parameters come from: free numbers, or a network that reads the given features and the earlier manifolds.

use super::linear::Linear;
use crate::numeric::{Lanes, Pack, Real, Scalar};

/// Hidden layers, each followed by tanh, as nested pairs `(First, (Second, ()))`.
pub trait Hidden: Send + Sync + 'static {
    /// Length of the flat weights.
    const WEIGHTS: usize;
    /// Rows of all activations together.
    const ACTIVATIONS: usize;
    /// Rows of the last activation; `None` without hidden layers.
    const LAST: Option<usize>;
    /// Rows of temporary space.
    const TEMP: usize;
    /// Whether every matrix is stored as such, not as a product.
    const FULL: bool;

    /// Writes every activation, one after the other.
    fn apply<T: Scalar>(weights: &[T], width: usize, input: &[T], activations: &mut [T], temp: &mut [T]);
    /// Takes the cotangents of all activations (those of the last one filled in), adds those of weights and input.
    #[allow(clippy::too_many_arguments, reason = "value, cotangent and weights of one map")]
    fn pull<T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &[T],
        cot_activations: &mut [T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    );
    /// Inputs and outputs of each layer in order.
    fn shapes(shapes: &mut Vec<[usize; 2]>);
}

impl Hidden for () {
    const WEIGHTS: usize = 0;
    const ACTIVATIONS: usize = 0;
    const LAST: Option<usize> = None;
    const TEMP: usize = 0;
    const FULL: bool = true;

    fn apply<T: Scalar>(_: &[T], _: usize, _: &[T], _: &mut [T], _: &mut [T]) {}
    fn pull<T: Scalar>(_: &[T], _: usize, _: &[T], _: &[T], _: &mut [T], _: &mut [T], _: &mut [T], _: &mut [T]) {}
    fn shapes(_: &mut Vec<[usize; 2]>) {}
}

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// tanh of a stretch of numbers, lanes at a time.
fn tanh_all<T: Scalar>(numbers: &mut [T]) {
    let mut packs = numbers.chunks_exact_mut(Lanes::<T, 8>::LANES);
    for pack in &mut packs {
        let out = Lanes::<T, 8>::from_fn(|i| pack[i]).tanh();
        pack.copy_from_slice(&out.0);
    }
    packs.into_remainder().iter_mut().for_each(|a| *a = a.tanh());
}

impl<L: Linear, Rest: Hidden> Hidden for (L, Rest) {
    const WEIGHTS: usize = L::WEIGHTS + Rest::WEIGHTS;
    const ACTIVATIONS: usize = L::OUT + Rest::ACTIVATIONS;
    const LAST: Option<usize> = match Rest::LAST {
        Some(rows) => Some(rows),
        None => Some(L::OUT),
    };
    const TEMP: usize = larger(L::TEMP, Rest::TEMP);
    const FULL: bool = L::FULL && Rest::FULL;

    fn apply<T: Scalar>(weights: &[T], width: usize, input: &[T], activations: &mut [T], temp: &mut [T]) {
        let (own, rest) = weights.split_at(L::WEIGHTS);
        let (here, next) = activations.split_at_mut(L::OUT * width);
        L::apply(own, width, input, here, temp);
        tanh_all(here);
        Rest::apply(rest, width, here, next, temp);
    }

    fn pull<T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &[T],
        cot_activations: &mut [T],
        cot_input: &mut [T],
        cot_weights: &mut [T],
        temp: &mut [T],
    ) {
        let (own, rest) = weights.split_at(L::WEIGHTS);
        let (cot_own, cot_rest) = cot_weights.split_at_mut(L::WEIGHTS);
        let (here, next) = activations.split_at(L::OUT * width);
        let (cot_here, cot_next) = cot_activations.split_at_mut(L::OUT * width);
        Rest::pull(rest, width, here, next, cot_next, cot_here, cot_rest, temp);
        // tanh' = 1 - tanh^2
        for (cot, a) in cot_here.iter_mut().zip(here) {
            *cot *= T::narrow(1.0) - *a * *a;
        }
        L::pull(own, width, input, cot_here, cot_input, cot_own, temp);
    }

    fn shapes(shapes: &mut Vec<[usize; 2]>) {
        shapes.push([L::IN, L::OUT]);
        Rest::shapes(shapes);
    }
}

/// Where a chain's parameters come from.
pub trait Head: Send + Sync + 'static {
    /// Length of the flat weights (the parameters themselves where they are free).
    const WEIGHTS: usize;
    /// Number of parameters made.
    const PARAMS: usize;
    /// Whether all points share one parameter vector.
    const SHARED: bool;
    /// The given features read: the first, and how many.
    const FEATURES: (usize, usize);
    /// Rows of hidden activations.
    const ACTIVATIONS: usize;
    /// Rows of temporary space.
    const TEMP: usize;
    /// Whether the network is a stack of full matrices, each followed by its bias.
    const STACK: bool = false;

    /// Inputs and outputs of each matrix of the network; `None` where the parameters are shared.
    fn network() -> Option<Vec<[usize; 2]>>;

    /// Network input to activations and parameters. Nothing where parameters are shared.
    fn apply<T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &mut [T],
        params: &mut [T],
        temp: &mut [T],
    );
    /// Cotangents of [`Head::apply`], added to those of input and weights.
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
}

/// Free parameters, shared by all points.
pub struct Free<const PARAMS: usize>;

impl<const P: usize> Head for Free<P> {
    const WEIGHTS: usize = P;
    const PARAMS: usize = P;
    const SHARED: bool = true;
    const FEATURES: (usize, usize) = (0, 0);
    const ACTIVATIONS: usize = 0;
    const TEMP: usize = 0;

    fn network() -> Option<Vec<[usize; 2]>> {
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

/// Parameters that are themselves the given features: `PARAMS` of them from number `FROM` on. A density whose every parameter
/// comes from outside.
pub struct Given<const FROM: usize, const PARAMS: usize>;

impl<const FROM: usize, const P: usize> Head for Given<FROM, P> {
    const WEIGHTS: usize = 0;
    const PARAMS: usize = P;
    const SHARED: bool = false;
    const FEATURES: (usize, usize) = (FROM, P);
    const ACTIVATIONS: usize = 0;
    const TEMP: usize = 0;

    fn network() -> Option<Vec<[usize; 2]>> {
        Some(Vec::new())
    }
    fn apply<T: Scalar>(_: &[T], width: usize, input: &[T], _: &mut [T], params: &mut [T], _: &mut [T]) {
        params.copy_from_slice(&input[..P * width]);
    }
    fn pull<T: Scalar>(
        _: &[T],
        _: usize,
        _: &[T],
        _: &[T],
        _: &mut [T],
        cot_params: &[T],
        cot_input: &mut [T],
        _: &mut [T],
        _: &mut [T],
    ) {
        for (bar, cot) in cot_input.iter_mut().zip(cot_params) {
            *bar += *cot;
        }
    }
}

/// Parameters predicted by a network that reads `COUNT` given features from number `FROM` on, then the embedded coordinates of all
/// earlier manifolds.
pub struct Predicted<const FROM: usize, const COUNT: usize, H, O>(core::marker::PhantomData<(H, O)>);

impl<const FROM: usize, const COUNT: usize, H: Hidden, O: Linear> Head for Predicted<FROM, COUNT, H, O> {
    const WEIGHTS: usize = H::WEIGHTS + O::WEIGHTS;
    const PARAMS: usize = O::OUT;
    const SHARED: bool = false;
    const FEATURES: (usize, usize) = (FROM, COUNT);
    const ACTIVATIONS: usize = H::ACTIVATIONS;
    const TEMP: usize = larger(H::TEMP, O::TEMP);
    const STACK: bool = H::FULL && O::FULL;

    fn network() -> Option<Vec<[usize; 2]>> {
        let mut shapes = Vec::new();
        H::shapes(&mut shapes);
        shapes.push([O::IN, O::OUT]);
        Some(shapes)
    }
    fn apply<T: Scalar>(
        weights: &[T],
        width: usize,
        input: &[T],
        activations: &mut [T],
        params: &mut [T],
        temp: &mut [T],
    ) {
        let (hidden, output) = weights.split_at(H::WEIGHTS);
        H::apply(hidden, width, input, activations, temp);
        let last = match H::LAST {
            Some(rows) => &activations[(H::ACTIVATIONS - rows) * width..],
            None => input,
        };
        O::apply(output, width, last, params, temp);
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
        let (hidden, output) = weights.split_at(H::WEIGHTS);
        let (cot_hidden, cot_output) = cot_weights.split_at_mut(H::WEIGHTS);
        match H::LAST {
            Some(rows) => {
                let from = (H::ACTIVATIONS - rows) * width;
                cot_activations.fill(T::narrow(0.0));
                O::pull(
                    output,
                    width,
                    &activations[from..],
                    cot_params,
                    &mut cot_activations[from..],
                    cot_output,
                    temp,
                );
                H::pull(hidden, width, input, activations, cot_activations, cot_input, cot_hidden, temp);
            }
            None => O::pull(output, width, input, cot_params, cot_input, cot_output, temp),
        }
    }
}
