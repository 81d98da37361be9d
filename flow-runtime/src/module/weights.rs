//! Weights as dfdx tensors: what a flow is built into.
//!
//! Each head, matrix and stack of hidden layers of the kernels has a built twin here that holds its tensors. The flat
//! order of the kernels is the order of the fields.

use super::Element;
use crate::kernels::{
    Beside, Block, Blocks, DAMPING, Dense, Free, Given, Inner, LOG_MEAN_START, Ladder, LogMeanHead, LowRank, Outer,
    Plain, Predicted, Rung,
};
use crate::layers::Chain;
use crate::manifolds::Manifold;
use core::marker::PhantomData;
use dfdx::nn::tensor_collection::{ModuleVisitor, TensorCollection, TensorOptions};
use dfdx::shapes::{ConstShape, Dtype, Rank1, Rank2};
use dfdx::tensor::{Cpu, CpuError, Gradients, Storage, Tensor};
use dfdx::tensor_ops::Device;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Tensors that stand for one stretch of the kernels' flat weights.
pub trait Weights<E: Element>: Clone + 'static {
    /// Appends all numbers.
    fn read(&self, flat: &mut Vec<E>);
    /// Takes all numbers from the front of `flat`.
    fn write(&mut self, flat: &mut &[E]);
    /// Appends where the numbers lie. Two lists are equal if and only if the tensors are the same numbers in the same
    /// order in memory.
    fn places(&self, places: &mut Vec<usize>);
    /// Adds gradients, taken from the front of `flat`, times `factor`.
    fn give(&self, gradients: &mut Gradients<E, Cpu>, flat: &mut &[E], factor: E) -> Result<(), CpuError>;
    /// Name and shape of each tensor in order.
    fn names(&self, prefix: &str, names: &mut Vec<(String, Vec<usize>)>);
}

impl<S: ConstShape, E: Element> Weights<E> for Tensor<S, E, Cpu> {
    fn read(&self, flat: &mut Vec<E>) {
        let start = flat.len();
        flat.resize(start + S::default().num_elements(), E::default());
        self.copy_into(&mut flat[start..]);
    }
    fn write(&mut self, flat: &mut &[E]) {
        let (own, rest) = flat.split_at(S::default().num_elements());
        self.copy_from(own);
        *flat = rest;
    }
    // The place of the first number, and along each axis that of the second: these tell strides apart.
    fn places(&self, places: &mut Vec<usize>) {
        let (shape, mut index) = (S::default().concrete(), S::Concrete::default());
        if S::default().num_elements() == 0 {
            return;
        }
        places.push(&raw const self[index] as usize);
        for axis in (0..S::NUM_DIMS).filter(|axis| shape[*axis] > 1) {
            index[axis] = 1;
            places.push(&raw const self[index] as usize);
            index[axis] = 0;
        }
    }
    fn give(&self, gradients: &mut Gradients<E, Cpu>, flat: &mut &[E], factor: E) -> Result<(), CpuError> {
        let (own, rest) = flat.split_at(S::default().num_elements());
        let into = gradients.get_or_alloc_mut(self)?;
        into.iter_mut().zip(own).for_each(|(sum, g)| *sum += *g * factor);
        *flat = rest;
        Ok(())
    }
    fn names(&self, prefix: &str, names: &mut Vec<(String, Vec<usize>)>) {
        names.push((prefix.into(), S::default().concrete().into_iter().collect()));
    }
}

fn seeded<S: ConstShape, E: Dtype, D: Device<E>>(tensor: &Tensor<S, E, D>) -> StdRng {
    StdRng::seed_from_u64(tensor.device().random_u64())
}

fn fill<S: ConstShape, E: Dtype, D: Device<E>>(tensor: &mut Tensor<S, E, D>, mut value: impl FnMut() -> f64) {
    let values: Vec<E> = (0..S::default().num_elements()).map(|_| E::from_f64(value()).unwrap_or_default()).collect();
    tensor.copy_from(&values);
}

/// Damped uniform numbers for `INPUTS` inputs.
fn damped<S, E, D, const INPUTS: usize>(tensor: &mut Tensor<S, E, D>) -> Result<(), D::Err>
where
    S: ConstShape,
    E: Dtype,
    D: Device<E>,
{
    let mut rng = seeded(tensor);
    let bound = 1.0 / (INPUTS.max(1) as f64).sqrt();
    fill(tensor, || rng.random_range(-bound..=bound) / DAMPING);
    Ok(())
}

/// Damped normal numbers, for low-rank matrices.
fn damped_normal<S: ConstShape, E: Dtype, D: Device<E>>(tensor: &mut Tensor<S, E, D>) -> Result<(), D::Err> {
    let mut rng = seeded(tensor);
    fill(tensor, || rng.sample::<f64, _>(rand_distr::StandardNormal) / DAMPING);
    Ok(())
}

/// What free parameters, or the last bias of a network, start from.
pub trait Start: 'static {
    /// Writes the numbers.
    fn start(rng: &mut StdRng, numbers: &mut [f64]);
}

/// The parameters a chain starts from, then the start of a log-mean where there is one.
#[derive(Debug)]
pub struct ChainStart<M, C>(PhantomData<fn() -> (M, C)>);

impl<M: Manifold, C: Chain<M>> Start for ChainStart<M, C> {
    fn start(rng: &mut StdRng, numbers: &mut [f64]) {
        let (chain, extra) = numbers.split_at_mut(C::PARAMS);
        C::initial(rng, chain);
        extra.fill(LOG_MEAN_START);
    }
}

/// The start of a log-mean alone.
#[derive(Debug)]
pub struct LogMeanStart;

impl Start for LogMeanStart {
    fn start(_: &mut StdRng, numbers: &mut [f64]) {
        numbers.fill(LOG_MEAN_START);
    }
}

/// What the blocks `B` are given at the start.
#[derive(Debug)]
pub struct GivenStart<B>(PhantomData<fn() -> B>);

impl<B: Blocks> Start for GivenStart<B> {
    fn start(rng: &mut StdRng, numbers: &mut [f64]) {
        B::initial_given(rng, numbers);
    }
}

fn start<I, S, E, D>(tensor: &mut Tensor<S, E, D>) -> Result<(), D::Err>
where
    I: Start,
    S: ConstShape,
    E: Dtype,
    D: Device<E>,
{
    let mut numbers = vec![0.0; S::default().num_elements()];
    I::start(&mut seeded(tensor), &mut numbers);
    let mut numbers = numbers.into_iter();
    fill(tensor, || numbers.next().unwrap_or_default());
    Ok(())
}

/// Implements [`Weights`] field by field.
macro_rules! weights_by_field {
    ([$($generics:tt)*] $t:ty { $($field:ident = $name:literal),* }) => {
        impl<$($generics)*> Weights<E> for $t {
            fn read(&self, _flat: &mut Vec<E>) {
                $(self.$field.read(_flat);)*
            }
            fn write(&mut self, _flat: &mut &[E]) {
                $(self.$field.write(_flat);)*
            }
            fn places(&self, _places: &mut Vec<usize>) {
                $(self.$field.places(_places);)*
            }
            fn give(&self, _gradients: &mut Gradients<E, Cpu>, _flat: &mut &[E], _factor: E) -> Result<(), CpuError> {
                $(self.$field.give(_gradients, _flat, _factor)?;)*
                Ok(())
            }
            fn names(&self, _prefix: &str, _names: &mut Vec<(String, Vec<usize>)>) {
                $(self.$field.names(&format!("{_prefix}{}", $name), _names);)*
            }
        }
    };
}

/// No tensors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl dfdx::nn::ZeroSizedModule for Nothing {}
weights_by_field!([E: Element] Nothing {});

/// A full matrix.
#[derive(Clone, Debug)]
pub struct DenseMatrix<const I: usize, const O: usize, E: Dtype, D: Storage<E>> {
    /// Row-major, one row an output.
    pub weight: Tensor<Rank2<O, I>, E, D>,
}

impl<const I: usize, const O: usize, E: Dtype, D: Device<E>> TensorCollection<E, D> for DenseMatrix<I, O, E, D> {
    type To<E2: Dtype, D2: Device<E2>> = DenseMatrix<I, O, E2, D2>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        let options = TensorOptions::reset_with(damped::<Rank2<O, I>, E, D, I>);
        visitor.visit_fields(Self::tensor("weight", |s| &s.weight, |s| &mut s.weight, options), |weight| DenseMatrix {
            weight,
        })
    }
}
weights_by_field!([const I: usize, const O: usize, E: Element] DenseMatrix<I, O, E, Cpu> { weight = "weight" });

/// A matrix as a product, or a full one where that is smaller: see [`LowRank`].
#[derive(Clone, Debug)]
pub struct LowRankMatrix<const I: usize, const O: usize, const K: usize, const LEN: usize, E: Dtype, D: Storage<E>> {
    /// The left factor, then the right one, each row by row; or the full matrix. One tensor, for dfdx has no use for
    /// empty ones.
    pub factors: Tensor<Rank1<LEN>, E, D>,
}

impl<const I: usize, const O: usize, const K: usize, const LEN: usize, E: Dtype, D: Device<E>> TensorCollection<E, D>
    for LowRankMatrix<I, O, K, LEN, E, D>
{
    type To<E2: Dtype, D2: Device<E2>> = LowRankMatrix<I, O, K, LEN, E2, D2>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        let options = match K {
            0 => TensorOptions::reset_with(damped::<Rank1<LEN>, E, D, I>),
            _ => TensorOptions::reset_with(damped_normal),
        };
        visitor.visit_fields(Self::tensor("factors", |s| &s.factors, |s| &mut s.factors, options), |factors| {
            LowRankMatrix { factors }
        })
    }
}
weights_by_field!(
    [const I: usize, const O: usize, const K: usize, const LEN: usize, E: Element]
    LowRankMatrix<I, O, K, LEN, E, Cpu> { factors = "factors" }
);

/// Hidden layers: a matrix, its bias, and the layers after it.
#[derive(Clone, Debug)]
pub struct HiddenWeights<W, const I: usize, const O: usize, Rest, E: Dtype, D: Storage<E>> {
    /// The matrix.
    pub matrix: W,
    /// The bias.
    pub bias: Tensor<Rank1<O>, E, D>,
    /// The layers after it.
    pub next: Rest,
}

impl<W, const I: usize, const O: usize, Rest, E: Dtype, D: Device<E>> TensorCollection<E, D>
    for HiddenWeights<W, I, O, Rest, E, D>
where
    W: TensorCollection<E, D>,
    Rest: TensorCollection<E, D>,
{
    type To<E2: Dtype, D2: Device<E2>> = HiddenWeights<W::To<E2, D2>, I, O, Rest::To<E2, D2>, E2, D2>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        let bias = TensorOptions::reset_with(damped::<Rank1<O>, E, D, I>);
        visitor.visit_fields(
            (
                Self::module("matrix", |s| &s.matrix, |s| &mut s.matrix),
                Self::tensor("bias", |s| &s.bias, |s| &mut s.bias, bias),
                Self::module("next", |s| &s.next, |s| &mut s.next),
            ),
            |(matrix, bias, next)| HiddenWeights { matrix, bias, next },
        )
    }
}
weights_by_field!(
    [W: Weights<E>, const I: usize, const O: usize, Rest: Weights<E>, E: Element]
    HiddenWeights<W, I, O, Rest, E, Cpu> { matrix = "", bias = "bias", next = "next." }
);

/// Free numbers.
#[derive(Debug)]
pub struct FreeWeights<I, const P: usize, E: Dtype, D: Storage<E>> {
    /// The flat parameter vector.
    pub params: Tensor<Rank1<P>, E, D>,
    start: PhantomData<fn() -> I>,
}

impl<I, const P: usize, E: Dtype, D: Storage<E>> Clone for FreeWeights<I, P, E, D> {
    fn clone(&self) -> Self {
        FreeWeights { params: self.params.clone(), start: PhantomData }
    }
}

impl<I: Start, const P: usize, E: Dtype, D: Device<E>> TensorCollection<E, D> for FreeWeights<I, P, E, D> {
    type To<E2: Dtype, D2: Device<E2>> = FreeWeights<I, P, E2, D2>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        let options = TensorOptions::reset_with(start::<I, Rank1<P>, E, D>);
        visitor.visit_fields(Self::tensor("params", |s| &s.params, |s| &mut s.params, options), |params| FreeWeights {
            params,
            start: PhantomData,
        })
    }
}
weights_by_field!([I: Start, const P: usize, E: Element] FreeWeights<I, P, E, Cpu> { params = "params" });

/// Hidden layers and a matrix after them, beside a highway.
#[derive(Clone, Debug)]
pub struct BesideWeights<H, W> {
    /// The hidden layers.
    pub layers: H,
    /// The matrix after them.
    pub last: W,
}

impl<H, W, E: Dtype, D: Device<E>> TensorCollection<E, D> for BesideWeights<H, W>
where
    H: TensorCollection<E, D>,
    W: TensorCollection<E, D>,
{
    type To<E2: Dtype, D2: Device<E2>> = BesideWeights<H::To<E2, D2>, W::To<E2, D2>>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        visitor.visit_fields(
            (
                Self::module("layers", |s| &s.layers, |s| &mut s.layers),
                Self::module("last", |s| &s.last, |s| &mut s.last),
            ),
            |(layers, last)| BesideWeights { layers, last },
        )
    }
}
weights_by_field!([H: Weights<E>, W: Weights<E>, E: Element] BesideWeights<H, W> { layers = "layers.", last = "last." });

/// A net of a ladder, and the nets after it.
#[derive(Clone, Debug)]
pub struct RungWeights<A, const I: usize, const O: usize, B, Rest, E: Dtype, D: Storage<E>> {
    /// The first matrix.
    pub matrix: A,
    /// Its bias.
    pub bias: Tensor<Rank1<O>, E, D>,
    /// The second matrix.
    pub last: B,
    /// The nets after it.
    pub next: Rest,
}

impl<A, const I: usize, const O: usize, B, Rest, E: Dtype, D: Device<E>> TensorCollection<E, D>
    for RungWeights<A, I, O, B, Rest, E, D>
where
    A: TensorCollection<E, D>,
    B: TensorCollection<E, D>,
    Rest: TensorCollection<E, D>,
{
    type To<E2: Dtype, D2: Device<E2>> = RungWeights<A::To<E2, D2>, I, O, B::To<E2, D2>, Rest::To<E2, D2>, E2, D2>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        let bias = TensorOptions::reset_with(damped::<Rank1<O>, E, D, I>);
        visitor.visit_fields(
            (
                Self::module("matrix", |s| &s.matrix, |s| &mut s.matrix),
                Self::tensor("bias", |s| &s.bias, |s| &mut s.bias, bias),
                Self::module("last", |s| &s.last, |s| &mut s.last),
                Self::module("next", |s| &s.next, |s| &mut s.next),
            ),
            |(matrix, bias, last, next)| RungWeights { matrix, bias, last, next },
        )
    }
}
weights_by_field!(
    [A: Weights<E>, const I: usize, const O: usize, B: Weights<E>, Rest: Weights<E>, E: Element]
    RungWeights<A, I, O, B, Rest, E, Cpu> { matrix = "", bias = "bias", last = "last.", next = "next." }
);

/// A network.
#[derive(Debug)]
pub struct NetworkWeights<I, H, W, const P: usize, E: Dtype, D: Storage<E>> {
    /// What comes before the last matrix: the hidden layers, or what stands beside a highway.
    pub hidden: H,
    /// The last matrix, or the highway.
    pub matrix: W,
    /// The last bias: what the network's outputs start from.
    pub bias: Tensor<Rank1<P>, E, D>,
    start: PhantomData<fn() -> I>,
}

impl<I, H: Clone, W: Clone, const P: usize, E: Dtype, D: Storage<E>> Clone for NetworkWeights<I, H, W, P, E, D> {
    fn clone(&self) -> Self {
        let (hidden, matrix, bias) = (self.hidden.clone(), self.matrix.clone(), self.bias.clone());
        NetworkWeights { hidden, matrix, bias, start: PhantomData }
    }
}

impl<I, H, W, const P: usize, E: Dtype, D: Device<E>> TensorCollection<E, D> for NetworkWeights<I, H, W, P, E, D>
where
    I: Start,
    H: TensorCollection<E, D>,
    W: TensorCollection<E, D>,
{
    type To<E2: Dtype, D2: Device<E2>> = NetworkWeights<I, H::To<E2, D2>, W::To<E2, D2>, P, E2, D2>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        let bias = TensorOptions::reset_with(start::<I, Rank1<P>, E, D>);
        visitor.visit_fields(
            (
                Self::module("hidden", |s| &s.hidden, |s| &mut s.hidden),
                Self::module("matrix", |s| &s.matrix, |s| &mut s.matrix),
                Self::tensor("bias", |s| &s.bias, |s| &mut s.bias, bias),
            ),
            |(hidden, matrix, bias)| NetworkWeights { hidden, matrix, bias, start: PhantomData },
        )
    }
}
weights_by_field!(
    [I: Start, H: Weights<E>, W: Weights<E>, const P: usize, E: Element]
    NetworkWeights<I, H, W, P, E, Cpu> { hidden = "hidden.", matrix = "output.", bias = "output.bias" }
);

/// The weights of one block and of those after it.
#[derive(Clone, Debug)]
pub struct BlockWeights<H, Rest> {
    /// This block's.
    pub head: H,
    /// Those of the blocks after it.
    pub next: Rest,
}

impl<H, Rest, E: Dtype, D: Device<E>> TensorCollection<E, D> for BlockWeights<H, Rest>
where
    H: TensorCollection<E, D>,
    Rest: TensorCollection<E, D>,
{
    type To<E2: Dtype, D2: Device<E2>> = BlockWeights<H::To<E2, D2>, Rest::To<E2, D2>>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        visitor.visit_fields(
            (Self::module("head", |s| &s.head, |s| &mut s.head), Self::module("next", |s| &s.next, |s| &mut s.next)),
            |(head, next)| BlockWeights { head, next },
        )
    }
}
weights_by_field!(
    [H: Weights<E>, Rest: Weights<E>, E: Element] BlockWeights<H, Rest> { head = "", next = "next." }
);

/// The weights of a log-mean of its own, after those of all blocks.
#[derive(Clone, Debug)]
pub struct LogMeanWeights<H> {
    /// The weights.
    pub log_mean: H,
}

impl<H: TensorCollection<E, D>, E: Dtype, D: Device<E>> TensorCollection<E, D> for LogMeanWeights<H> {
    type To<E2: Dtype, D2: Device<E2>> = LogMeanWeights<H::To<E2, D2>>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        visitor.visit_fields(Self::module("log_mean", |s| &s.log_mean, |s| &mut s.log_mean), |log_mean| {
            LogMeanWeights { log_mean }
        })
    }
}
weights_by_field!([H: Weights<E>, E: Element] LogMeanWeights<H> { log_mean = "log_mean." });

/// The weights of an outer network, and those of the blocks inside.
#[derive(Clone, Debug)]
pub struct OuterWeights<N, B> {
    /// The outer network.
    pub outer: N,
    /// The blocks.
    pub inside: B,
}

impl<N, B, E: Dtype, D: Device<E>> TensorCollection<E, D> for OuterWeights<N, B>
where
    N: TensorCollection<E, D>,
    B: TensorCollection<E, D>,
{
    type To<E2: Dtype, D2: Device<E2>> = OuterWeights<N::To<E2, D2>, B::To<E2, D2>>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        visitor.visit_fields(
            (
                Self::module("outer", |s| &s.outer, |s| &mut s.outer),
                Self::module("inside", |s| &s.inside, |s| &mut s.inside),
            ),
            |(outer, inside)| OuterWeights { outer, inside },
        )
    }
}
weights_by_field!([N: Weights<E>, B: Weights<E>, E: Element] OuterWeights<N, B> { outer = "outer.", inside = "inside." });

/// A part of a flow that can be built on a device: matrices, hidden layers, blocks.
pub trait BuildWeights<E: Dtype, D: Device<E>> {
    /// Its tensors.
    type Built: TensorCollection<E, D, To<E, D> = Self::Built> + Clone;
}

impl<E: Dtype, D: Device<E>> BuildWeights<E, D> for () {
    type Built = Nothing;
}

impl<const I: usize, const O: usize, E: Dtype, D: Device<E>> BuildWeights<E, D> for Dense<I, O> {
    type Built = DenseMatrix<I, O, E, D>;
}

impl<const I: usize, const O: usize, const K: usize, const LEN: usize, E: Dtype, D: Device<E>> BuildWeights<E, D>
    for LowRank<I, O, K, LEN>
{
    type Built = LowRankMatrix<I, O, K, LEN, E, D>;
}

/// A network that can be built; its last bias starts from what `I` says.
pub trait BuildNetwork<I, E: Dtype, D: Device<E>> {
    /// Its tensors.
    type Built: TensorCollection<E, D, To<E, D> = Self::Built> + Clone;
}

impl<M, C, const P: usize, Rest, E: Dtype, D: Device<E>> BuildWeights<E, D> for (Block<M, C, Free<P>>, Rest)
where
    M: Manifold,
    C: Chain<M>,
    Rest: BuildWeights<E, D>,
{
    type Built = BlockWeights<FreeWeights<ChainStart<M, C>, P, E, D>, Rest::Built>;
}

impl<M, C, const FROM: usize, const COUNT: usize, N, const EXTRA: usize, Rest, E: Dtype, D: Device<E>>
    BuildWeights<E, D> for (Block<M, C, Predicted<FROM, COUNT, N, EXTRA>>, Rest)
where
    M: Manifold,
    C: Chain<M>,
    N: BuildNetwork<ChainStart<M, C>, E, D>,
    Rest: BuildWeights<E, D>,
{
    type Built = BlockWeights<N::Built, Rest::Built>;
}

impl<M, C, const P: usize, Rest, E: Dtype, D: Device<E>> BuildWeights<E, D> for (Block<M, C, Given<P>>, Rest)
where
    Rest: BuildWeights<E, D>,
{
    type Built = BlockWeights<Nothing, Rest::Built>;
}

impl<M, C, N, Rest, E: Dtype, D: Device<E>> BuildWeights<E, D> for (Block<M, C, Inner<N>>, Rest)
where
    Rest: BuildWeights<E, D>,
{
    type Built = BlockWeights<Nothing, Rest::Built>;
}

impl<const P: usize, E: Dtype, D: Device<E>> BuildWeights<E, D> for (LogMeanHead<Free<P>>, ()) {
    type Built = LogMeanWeights<FreeWeights<LogMeanStart, P, E, D>>;
}

impl<const P: usize, E: Dtype, D: Device<E>> BuildWeights<E, D> for (LogMeanHead<Given<P>>, ()) {
    type Built = Nothing;
}

impl<const FROM: usize, const COUNT: usize, N, const EXTRA: usize, E: Dtype, D: Device<E>> BuildWeights<E, D>
    for (LogMeanHead<Predicted<FROM, COUNT, N, EXTRA>>, ())
where
    N: BuildNetwork<LogMeanStart, E, D>,
{
    type Built = LogMeanWeights<N::Built>;
}

impl<const F: usize, N, B, E: Dtype, D: Device<E>> BuildWeights<E, D> for Outer<F, N, B>
where
    N: BuildNetwork<GivenStart<B>, E, D>,
    B: Blocks + BuildWeights<E, D>,
{
    type Built = OuterWeights<N::Built, B::Built>;
}

/// What holds for both kinds of matrices.
macro_rules! for_matrix {
    ([$($generics:tt)*] $matrix:ty) => {
        impl<$($generics)*, Rest: BuildWeights<E, D>, E: Dtype, D: Device<E>> BuildWeights<E, D> for ($matrix, Rest) {
            type Built = HiddenWeights<<$matrix as BuildWeights<E, D>>::Built, I, O, Rest::Built, E, D>;
        }

        impl<const READS: usize, $($generics)*, B, Rest, E: Dtype, D: Device<E>> BuildWeights<E, D>
            for (Rung<READS, $matrix, B>, Rest)
        where
            B: BuildWeights<E, D>,
            Rest: BuildWeights<E, D>,
        {
            type Built = RungWeights<<$matrix as BuildWeights<E, D>>::Built, I, O, B::Built, Rest::Built, E, D>;
        }

        impl<S: Start, H: BuildWeights<E, D>, $($generics)*, E: Dtype, D: Device<E>> BuildNetwork<S, E, D>
            for Plain<H, $matrix>
        {
            type Built = NetworkWeights<S, H::Built, <$matrix as BuildWeights<E, D>>::Built, O, E, D>;
        }

        impl<S: Start, H, W, $($generics)*, E: Dtype, D: Device<E>> BuildNetwork<S, E, D> for Beside<H, W, $matrix>
        where
            H: BuildWeights<E, D>,
            W: BuildWeights<E, D>,
        {
            type Built = NetworkWeights<
                S,
                BesideWeights<H::Built, W::Built>,
                <$matrix as BuildWeights<E, D>>::Built,
                O,
                E,
                D,
            >;
        }

        impl<S: Start, R: BuildWeights<E, D>, $($generics)*, E: Dtype, D: Device<E>> BuildNetwork<S, E, D>
            for Ladder<R, $matrix>
        {
            type Built = NetworkWeights<S, R::Built, <$matrix as BuildWeights<E, D>>::Built, O, E, D>;
        }
    };
}
for_matrix!([const I: usize, const O: usize] Dense<I, O>);
for_matrix!([const I: usize, const O: usize, const K: usize, const LEN: usize] LowRank<I, O, K, LEN>);
