//! What `flow!` writes: the manifolds of a flow with their chains and the sources of their parameters, as types that carry
//! shapes, and make the value that kernels walk over ([`Program`]).

use super::conditioner::Conditioner;
use super::network::Network;
use super::program::Program;
use super::summary::Summary;
use crate::layers::ChainType;
use crate::manifolds::Manifold;
use core::marker::PhantomData;
use rand::Rng;

/// One manifold with its chain and the source of its parameters.
pub struct Block<M, C, H>(PhantomData<(M, C, H)>);

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
    /// Numbers made for each point that the blocks take in place of weights.
    const GIVEN: usize;
    /// How many given features are read, up to the last one.
    const READS: usize;

    /// Adds the blocks to a program.
    fn append(program: &mut Program);

    /// The program of these blocks where nobody cares how many features are given.
    fn program() -> &'static Program
    where
        Self: Sized,
    {
        Program::of::<Self>(Self::READS)
    }

    /// Describes manifolds, letters, networks and parameter counts.
    fn describe(summary: &mut Summary)
    where
        Self: Sized,
    {
        *summary = Self::program().summary();
    }
    /// Says what is wrong with a point: the number of the manifold, and a message. `None` for a good point.
    fn check(point: &[f64], embedded: bool) -> Option<(usize, String)>
    where
        Self: Sized,
    {
        Self::program().check(point, embedded)
    }
    /// Takes intrinsic to embedded coordinates; adds the log-determinant.
    fn embed(intrinsic: &[f64], embedded: &mut [f64], log_det: &mut f64)
    where
        Self: Sized,
    {
        Self::program().embed_point(intrinsic, embedded, log_det);
    }
    /// Takes embedded to intrinsic coordinates; adds the log-determinant.
    fn intrinsic(embedded: &[f64], intrinsic: &mut [f64], log_det: &mut f64)
    where
        Self: Sized,
    {
        Self::program().intrinsic_point(embedded, intrinsic, log_det);
    }
    /// Moves embedded coordinates onto the manifolds.
    fn project(given: &[f64], embedded: &mut [f64])
    where
        Self: Sized,
    {
        Self::program().project_point(given, embedded);
    }
    /// Chooses weights that start a fit near rows of intrinsic coordinates: see [`Program::initial_from_data`].
    fn initial_from_data(rng: &mut dyn Rng, points: &[f64], weights: &mut [f64])
    where
        Self: Sized,
    {
        Self::program().initial_from_data(rng, points, weights);
    }
    /// Chooses the numbers that blocks take for each point, as a fit starts from them.
    fn initial_given(rng: &mut dyn Rng, given: &mut [f64])
    where
        Self: Sized,
    {
        Self::program().initial_given(rng, given);
    }
}

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

impl Blocks for () {
    const COUNT: usize = 0;
    const DIM: usize = 0;
    const EMBED: usize = 0;
    const WEIGHTS: usize = 0;
    const GIVEN: usize = 0;
    const READS: usize = 0;
    fn append(_: &mut Program) {}
}

impl<M: Manifold, C: ChainType<M>, H: Head, Rest: Blocks> Blocks for (Block<M, C, H>, Rest) {
    const COUNT: usize = 1 + Rest::COUNT;
    const DIM: usize = M::DIM + Rest::DIM;
    const EMBED: usize = M::EMBED + Rest::EMBED;
    const WEIGHTS: usize = H::WEIGHTS + Rest::WEIGHTS;
    const GIVEN: usize = H::GIVEN + Rest::GIVEN;
    const READS: usize = larger(H::READS, Rest::READS);

    fn append(program: &mut Program) {
        const {
            assert!(
                H::PARAMS == C::PARAMS + H::EXTRA,
                "the head of a block makes another number of parameters than its chain needs"
            )
        }
        program.push_block(M::geometry(), C::chain(), H::conditioner(), H::EXTRA > 0);
        Rest::append(program);
    }
}

/// The source of a block's parameters.
pub trait Head: Send + Sync + 'static {
    /// Length of the flat weights.
    const WEIGHTS: usize;
    /// Numbers made for each point that stand where weights would.
    const GIVEN: usize = 0;
    /// Number of parameters made.
    const PARAMS: usize;
    /// How many of them, the last ones, are not the chain's: 1 for a log-mean.
    const EXTRA: usize = 0;
    /// How many given features are read, up to the last one.
    const READS: usize = 0;

    /// The value.
    fn conditioner() -> Conditioner;
}

/// Free parameters, shared by all points.
pub struct Free<const PARAMS: usize>;

impl<const P: usize> Head for Free<P> {
    const WEIGHTS: usize = P;
    const PARAMS: usize = P;
    fn conditioner() -> Conditioner {
        Conditioner::Free
    }
}

/// Parameters that are given for each point.
pub struct Given<const PARAMS: usize>;

impl<const P: usize> Head for Given<P> {
    const WEIGHTS: usize = 0;
    const GIVEN: usize = P;
    const PARAMS: usize = P;
    fn conditioner() -> Conditioner {
        Conditioner::PerPoint
    }
}

/// Parameters predicted by a network that reads `COUNT` given features from number `FROM` on, then the embedded coordinates of
/// all earlier manifolds. With `EXTRA = 1` its last output is the logarithm of a mean count.
pub struct Predicted<const FROM: usize, const COUNT: usize, N, const EXTRA: usize = 0>(PhantomData<N>);

impl<const FROM: usize, const COUNT: usize, N: Network, const EXTRA: usize> Head for Predicted<FROM, COUNT, N, EXTRA> {
    const WEIGHTS: usize = N::WEIGHTS;
    const PARAMS: usize = N::OUT;
    const EXTRA: usize = EXTRA;
    const READS: usize = FROM + COUNT;
    fn conditioner() -> Conditioner {
        Conditioner::Predicted { from: FROM, count: COUNT, network: N::mlp() }
    }
}

/// Parameters predicted by a network that reads the embedded coordinates of all earlier manifolds and whose weights are given
/// for each point (layers.md 2.7).
pub struct Inner<N>(PhantomData<N>);

impl<N: Network> Head for Inner<N> {
    const WEIGHTS: usize = 0;
    const GIVEN: usize = N::WEIGHTS;
    const PARAMS: usize = N::OUT;
    fn conditioner() -> Conditioner {
        Conditioner::HyperPredicted { network: N::mlp() }
    }
}

/// Blocks `B` whose given numbers a network `N` makes of `F` features: the clause `amortize 128` (layers.md 2.7).
///
/// The outputs of the network lie beside the given features, and the blocks take theirs from there one after the other.
pub struct Outer<const F: usize, N, B>(PhantomData<(N, B)>);

impl<const F: usize, N: Network, B: Blocks> Blocks for Outer<F, N, B> {
    const COUNT: usize = B::COUNT;
    const DIM: usize = B::DIM;
    const EMBED: usize = B::EMBED;
    const WEIGHTS: usize = N::WEIGHTS + B::WEIGHTS;
    const GIVEN: usize = 0;
    const READS: usize = F;

    fn append(program: &mut Program) {
        const {
            assert!(
                N::OUT == B::GIVEN && N::IN == F,
                "the outer network makes another number of parameters than the blocks take"
            )
        }
        program.push_hyper(N::mlp());
        B::append(program);
    }
}

/// A log-mean beside a density, the clause `poisson`, with a head of its own: [`Free<1>`](Free), [`Given<1>`](Given), or a
/// network with one output that reads all features. It stands after the last block, `(.., (Block, (LogMeanHead<H>, ())))`.
pub struct LogMeanHead<H>(PhantomData<H>);

/// To the density the head is nothing but weights.
impl<H: Head> Blocks for (LogMeanHead<H>, ()) {
    const COUNT: usize = 0;
    const DIM: usize = 0;
    const EMBED: usize = 0;
    const WEIGHTS: usize = H::WEIGHTS;
    const GIVEN: usize = H::GIVEN;
    const READS: usize = H::READS;

    fn append(program: &mut Program) {
        const { assert!(H::PARAMS == 1, "the head of a log-mean makes one number") }
        program.push_log_mean(H::conditioner());
    }
}

/// Blocks with a log-mean beside them.
#[diagnostic::on_unimplemented(
    message = "this flow has no log-mean",
    label = "the notation of this flow has no `poisson`",
    note = "add the clause `poisson` to the notation: `flow!(e2 : gg | cond 3, poisson)`"
)]
pub trait LogMean: Blocks {}

/// Blocks that leave the log-mean to those after them.
macro_rules! passes_on {
    ($([$($generics:tt)*] $head:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<M: Manifold, C: ChainType<M>, $($generics)*, Rest: LogMean> LogMean for (Block<M, C, $head>, Rest) {}
    )*};
}
passes_on! {
    [const P: usize] Free<P>;
    [const P: usize] Given<P>;
    [N: Network] Inner<N>;
    [const FROM: usize, const COUNT: usize, N: Network] Predicted<FROM, COUNT, N, 0>;
}

/// The last output of the head of the first block.
#[diagnostic::do_not_recommend]
impl<M: Manifold, C: ChainType<M>, const FROM: usize, const COUNT: usize, N: Network, Rest: Blocks> LogMean
    for (Block<M, C, Predicted<FROM, COUNT, N, 1>>, Rest)
{
}

#[diagnostic::do_not_recommend]
impl<const F: usize, N: Network, B: LogMean> LogMean for Outer<F, N, B> {}

#[diagnostic::do_not_recommend]
impl<H: Head> LogMean for (LogMeanHead<H>, ()) {}
