//! The shapes of networks as types, for the side that stores weights as tensors of static shapes. What they compute is
//! [`Mlp`](crate::networks::Mlp): [`Network::mlp`] is the description as a value.
//!
//! | mode of the highway | type |
//! |---|---|
//! | 0 | [`Plain`] |
//! | 1 | [`Beside`] |
//! | 2 to 4 | [`Ladder`] |

use crate::networks::OwnedMlp;
use core::marker::PhantomData;

/// A network whose weights lie in one flat stretch.
pub trait Network: Send + Sync + 'static {
    /// Numbers read a point.
    const IN: usize;
    /// Numbers written a point.
    const OUT: usize;
    /// Length of the flat weights; the last `OUT` are the bias of the output.
    const WEIGHTS: usize;
    /// Rows kept between the two passes.
    const ACTIVATIONS: usize;
    /// Rows of temporary space.
    const TEMP: usize;

    /// Describes the network.
    fn mlp() -> OwnedMlp;
}

/// What a network consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSummary {
    /// Inputs, hidden layers, outputs.
    pub widths: Vec<usize>,
    /// The mode of its highway; 0 without one.
    pub highway: usize,
    /// Number of weights and biases.
    pub weights: usize,
    /// Whether it is a stack of full matrices, each followed by its bias.
    pub stack: bool,
}

impl NetworkSummary {
    /// Summarises a network.
    pub fn of(network: &OwnedMlp) -> NetworkSummary {
        let OwnedMlp { widths, ranks, highway } = network;
        let stack = *highway == 0 && ranks.iter().all(|rank| *rank == 0);
        NetworkSummary { widths: widths.clone(), highway: *highway, weights: network.mlp().params(), stack }
    }
}

impl core::fmt::Display for NetworkSummary {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let widths: Vec<_> = self.widths.iter().map(usize::to_string).collect();
        f.write_str(&widths.join("-"))?;
        match self.highway {
            0 => Ok(()),
            mode => write!(f, " highway {mode}"),
        }
    }
}

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

// ---- matrices --------------------------------------------------------------------------------------------------------

/// A matrix. Biases belong to the networks.
pub trait Linear: Send + Sync + 'static {
    /// Numbers read a point.
    const IN: usize;
    /// Numbers written a point.
    const OUT: usize;
    /// Length of the flat weights.
    const WEIGHTS: usize;
    /// The rank if it is stored as a product; 0: it is stored as such.
    const RANK: usize;
}

/// A full matrix `O x I` (row-major). Each hidden layer of the clause `hidden 128-64` has one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dense<const I: usize, const O: usize>;

impl<const I: usize, const O: usize> Linear for Dense<I, O> {
    const IN: usize = I;
    const OUT: usize = O;
    const WEIGHTS: usize = I * O;
    const RANK: usize = 0;
}

/// A matrix `O x I` as a product of `O x K` and `K x I`; with `K = 0` a full matrix. `LEN` numbers. The clause `rank
/// 8`.
///
/// [`low_rank`](super::low_rank) and [`low_rank_len`](super::low_rank_len) give `K` and `LEN` for a requested rank: the
/// product is used where it saves numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct LowRank<const I: usize, const O: usize, const K: usize, const LEN: usize>;

impl<const I: usize, const O: usize, const K: usize, const LEN: usize> Linear for LowRank<I, O, K, LEN> {
    const IN: usize = I;
    const OUT: usize = O;
    const WEIGHTS: usize = LEN;
    const RANK: usize = K;
}

// ---- hidden layers ---------------------------------------------------------------------------------------------------

/// Hidden layers, each an affine map followed by tanh, as nested pairs `(First, (Second, ()))`.
pub trait Hidden: Send + Sync + 'static {
    /// Length of the flat weights.
    const WEIGHTS: usize;
    /// Rows of all activations together.
    const ACTIVATIONS: usize;
    /// Rows of temporary space.
    const TEMP: usize;
    /// Numbers read a point; `None` without hidden layers.
    const FIRST: Option<usize>;

    /// Appends the widths and the ranks in order.
    fn describe(mlp: &mut OwnedMlp);
}

impl Hidden for () {
    const WEIGHTS: usize = 0;
    const ACTIVATIONS: usize = 0;
    const TEMP: usize = 0;
    const FIRST: Option<usize> = None;

    fn describe(_: &mut OwnedMlp) {}
}

impl<L: Linear, Rest: Hidden> Hidden for (L, Rest) {
    const WEIGHTS: usize = L::WEIGHTS + L::OUT + Rest::WEIGHTS;
    const ACTIVATIONS: usize = L::OUT + Rest::ACTIVATIONS;
    const TEMP: usize = larger(2 * L::RANK, Rest::TEMP);
    const FIRST: Option<usize> = Some(L::IN);

    fn describe(mlp: &mut OwnedMlp) {
        mlp.widths.push(L::OUT);
        mlp.ranks.push(L::RANK);
        Rest::describe(mlp);
    }
}

/// Hidden layers, then an affine map: mode 0. The clause `hidden 128-64` gives the widths of the hidden layers; `hidden
/// none` leaves the affine map.
pub struct Plain<H, O>(PhantomData<(H, O)>);

impl<H: Hidden, O: Linear> Network for Plain<H, O> {
    const IN: usize = match H::FIRST {
        Some(inputs) => inputs,
        None => O::IN,
    };
    const OUT: usize = O::OUT;
    const WEIGHTS: usize = H::WEIGHTS + O::WEIGHTS + O::OUT;
    const ACTIVATIONS: usize = H::ACTIVATIONS;
    const TEMP: usize = larger(H::TEMP, 2 * O::RANK);

    fn mlp() -> OwnedMlp {
        let mut mlp = OwnedMlp { widths: vec![Self::IN], ranks: Vec::new(), highway: 0 };
        H::describe(&mut mlp);
        mlp.widths.push(O::OUT);
        mlp.ranks.push(O::RANK);
        mlp
    }
}

/// Hidden layers and a matrix `O`, beside a linear highway `L`: mode 1, the clause `highway 1`.
pub struct Beside<H, O, L>(PhantomData<(H, O, L)>);

impl<H: Hidden, O: Linear, L: Linear> Network for Beside<H, O, L> {
    const IN: usize = L::IN;
    const OUT: usize = L::OUT;
    const WEIGHTS: usize = H::WEIGHTS + O::WEIGHTS + L::WEIGHTS + L::OUT;
    const ACTIVATIONS: usize = H::ACTIVATIONS;
    const TEMP: usize = larger(larger(H::TEMP, 2 * O::RANK), 2 * L::RANK);

    fn mlp() -> OwnedMlp {
        let mut mlp = OwnedMlp { widths: vec![Self::IN], ranks: Vec::new(), highway: 1 };
        H::describe(&mut mlp);
        mlp.widths.push(L::OUT);
        mlp.ranks.extend([O::RANK, L::RANK]);
        mlp
    }
}

// ---- modes 2 to 4 ----------------------------------------------------------------------------------------------------

/// What the first net of a ladder reads, and all nets in mode 2: the input.
pub const INPUT: usize = 2;
/// What later nets read in mode 3: the sum so far.
pub const SUM: usize = 3;
/// What later nets read in mode 4: the input, then the sum so far.
pub const BOTH: usize = 4;

/// A net with one hidden layer that adds to the sum of a [`Ladder`]: matrix `A` and its bias, tanh, matrix `B`. `READS`
/// is [`INPUT`], [`SUM`] or [`BOTH`].
pub struct Rung<const READS: usize, A, B>(PhantomData<(A, B)>);

/// Rungs one after the other, as nested pairs.
pub trait Rungs: Send + Sync + 'static {
    /// Length of the flat weights.
    const WEIGHTS: usize;
    /// Rows kept between the two passes.
    const ACTIVATIONS: usize;
    /// Rows of temporary space.
    const TEMP: usize;
    /// What the last rung reads: the mode of the ladder.
    const MODE: usize;

    /// Appends the widths of the hidden layers and the ranks in order.
    fn describe(mlp: &mut OwnedMlp);
}

impl Rungs for () {
    const WEIGHTS: usize = 0;
    const ACTIVATIONS: usize = 0;
    const TEMP: usize = 0;
    const MODE: usize = INPUT;

    fn describe(_: &mut OwnedMlp) {}
}

impl<const READS: usize, A: Linear, B: Linear, Rest: Rungs> Rungs for (Rung<READS, A, B>, Rest) {
    const WEIGHTS: usize = A::WEIGHTS + A::OUT + B::WEIGHTS + Rest::WEIGHTS;
    // What is read is copied where it changes afterwards.
    const ACTIVATIONS: usize = if READS == INPUT { 0 } else { A::IN } + A::OUT + Rest::ACTIVATIONS;
    const TEMP: usize = larger(2 * larger(A::RANK, B::RANK), Rest::TEMP);
    const MODE: usize = larger(READS, Rest::MODE);

    fn describe(mlp: &mut OwnedMlp) {
        mlp.widths.push(A::OUT);
        mlp.ranks.extend([A::RANK, B::RANK]);
        Rest::describe(mlp);
    }
}

/// A linear highway `L` and nets with one hidden layer that add to it: modes 2 to 4, the clauses `highway 2` to
/// `highway 4`.
pub struct Ladder<R, L>(PhantomData<(R, L)>);

impl<R: Rungs, L: Linear> Network for Ladder<R, L> {
    const IN: usize = L::IN;
    const OUT: usize = L::OUT;
    const WEIGHTS: usize = R::WEIGHTS + L::WEIGHTS + L::OUT;
    const ACTIVATIONS: usize = R::ACTIVATIONS + if R::MODE > INPUT { L::OUT } else { 0 };
    const TEMP: usize = larger(R::TEMP, 2 * L::RANK);

    fn mlp() -> OwnedMlp {
        let mut mlp = OwnedMlp { widths: vec![Self::IN], ranks: Vec::new(), highway: R::MODE };
        R::describe(&mut mlp);
        mlp.widths.push(L::OUT);
        mlp.ranks.push(L::RANK);
        mlp
    }
}

#[cfg(test)]
mod tests {
    use super::super::{low_rank, low_rank_len};
    use super::*;
    use crate::networks::Mlp;

    fn summary<N: Network>() -> NetworkSummary {
        NetworkSummary::of(&N::mlp())
    }

    /// The constants of a type are those of its description, and that is the one wanted.
    fn same<N: Network>(widths: &[usize], rank: usize, highway: usize) {
        let (network, wanted) = (N::mlp(), Mlp::new(widths, rank, highway));
        assert_eq!(network, OwnedMlp::from(wanted));
        let constants = [N::IN, N::OUT, N::WEIGHTS, N::ACTIVATIONS, N::TEMP];
        for mlp in [wanted, network.mlp()] {
            let counts = [mlp.inputs(), mlp.outputs(), mlp.params(), mlp.activations(), mlp.temp()];
            assert_eq!(constants, counts, "{widths:?} {rank} {highway}");
        }
        assert_eq!(summary::<N>().weights, N::WEIGHTS);
    }

    type Thin<const I: usize, const O: usize, const K: usize, const LEN: usize> = LowRank<I, O, K, LEN>;
    type Narrow = Thin<7, 9, { low_rank(2, 7, 9) }, { low_rank_len(2, 7, 9) }>;
    type Back = Thin<9, 6, { low_rank(2, 9, 6) }, { low_rank_len(2, 9, 6) }>;
    type Past = Thin<7, 6, { low_rank(2, 7, 6) }, { low_rank_len(2, 7, 6) }>;
    type Full = Thin<3, 2, { low_rank(2, 3, 2) }, { low_rank_len(2, 3, 2) }>;
    type First = Rung<INPUT, Dense<3, 4>, Dense<4, 2>>;
    type Mode3 = Ladder<(First, (Rung<SUM, Dense<2, 5>, Dense<5, 2>>, ())), Dense<3, 2>>;
    type Mode4 = Ladder<
        (First, (Rung<BOTH, Dense<5, 5>, Dense<5, 2>>, (Rung<BOTH, Dense<5, 3>, Dense<3, 2>>, ()))),
        Dense<3, 2>,
    >;

    #[test]
    fn every_mode_is_described() {
        type Hidden2 = (Dense<3, 4>, (Dense<4, 5>, ()));
        same::<Plain<(), Dense<5, 3>>>(&[5, 3], 0, 0);
        same::<Plain<(), Dense<0, 4>>>(&[0, 4], 0, 0);
        same::<Plain<Hidden2, Dense<5, 2>>>(&[3, 4, 5, 2], 0, 0);
        same::<Beside<Hidden2, Dense<5, 2>, Dense<3, 2>>>(&[3, 4, 5, 2], 0, 1);
        same::<Ladder<(First, (Rung<INPUT, Dense<3, 5>, Dense<5, 2>>, ())), Dense<3, 2>>>(&[3, 4, 5, 2], 0, 2);
        same::<Mode3>(&[3, 4, 5, 2], 0, 3);
        same::<Mode4>(&[3, 4, 5, 3, 2], 0, 4);
        assert_eq!(summary::<Mode4>().to_string(), "3-4-5-3-2 highway 4");
        assert_eq!(summary::<Mode3>().highway, 3);
    }

    #[test]
    fn products_of_matrices_are_described() {
        same::<Plain<(), Full>>(&[3, 2], 2, 0);
        same::<Plain<(Narrow, ()), Back>>(&[7, 9, 6], 2, 0);
        same::<Beside<(Narrow, ()), Back, Past>>(&[7, 9, 6], 2, 1);
        same::<Ladder<(Rung<INPUT, Narrow, Back>, ()), Past>>(&[7, 9, 6], 2, 2);
        assert!(summary::<Plain<(), Full>>().stack && !summary::<Plain<(Narrow, ()), Back>>().stack);
    }
}
