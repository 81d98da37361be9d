//! What a network consists of, as a value: its counts follow.

/// The greatest mode of a highway.
pub(super) const MOST_HIGHWAY: usize = 4;

/// The rank of an `output x input` matrix where `rank` is asked for: the smallest of the three numbers, or 0, a full
/// matrix, where a product of two factors saves no numbers (layers.md 3.2).
pub const fn low_rank(rank: usize, input: usize, output: usize) -> usize {
    let mut k = rank;
    if k > input {
        k = input;
    }
    if k > output {
        k = output;
    }
    if k * (input + output) < input * output { k } else { 0 }
}

/// How many numbers the product, or the full matrix in its place, has.
pub const fn low_rank_len(rank: usize, input: usize, output: usize) -> usize {
    Matrix { from: input, to: output, rank: low_rank(rank, input, output), bias: false }.numbers()
}

/// One matrix of a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix {
    pub from: usize,
    pub to: usize,
    /// The rank if it is stored as a product; 0: it is stored as such.
    pub rank: usize,
    /// Whether a bias follows it.
    pub bias: bool,
}

impl Matrix {
    /// Numbers of the matrix, without its bias.
    pub const fn numbers(&self) -> usize {
        match self.rank {
            0 => self.from * self.to,
            rank => rank * (self.from + self.to),
        }
    }
    pub const fn params(&self) -> usize {
        self.numbers() + if self.bias { self.to } else { 0 }
    }
}

/// What a hidden layer reads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reads {
    Input,
    /// The hidden layer before it.
    Before,
    /// The sum so far.
    Sum,
    /// The input, then the sum so far.
    Both,
}

#[derive(Clone, Copy, Debug)]
enum Ranks<'a> {
    All(usize),
    Each(&'a [usize]),
}

/// The description of a network, without its weights: layers in -> h_1 -> .. -> h_k -> out, a tanh after each matrix
/// that feeds a hidden layer, and a highway, a linear map L from input to output, in one of five modes (layers.md 3.2).
/// A net is a matrix, tanh, a matrix:
///
/// | mode | output |
/// |---|---|
/// | 0 | net(x) through all hidden layers |
/// | 1 | L x + net(x) |
/// | 2 | L x + sum_j net_j(x), one hidden layer each |
/// | 3 | acc_0 = L x, acc_1 = acc_0 + net_1(x), acc_j = acc_{j-1} + net_j(acc_{j-1}) |
/// | 4 | the same with net_j(x, acc_{j-1}) |
///
/// Without hidden layers every mode is one matrix with a bias.
///
/// # Flat order of the weights
/// The matrices net by net, then L, though it acts first. Of a matrix W (out, in) its numbers row by row, of one of low
/// rank those of U (out, rank), then of V (rank, in), with W = U V; then its bias. In modes 1 to 4 the last matrix of a
/// net has no bias. So the last numbers are always the bias of the output: what the network starts from.
///
/// # Panics
/// The constructors panic (in a constant: do not compile) where there are fewer than two widths, the mode is above 4 or
/// the number of ranks is not that of the matrices.
#[derive(Clone, Copy, Debug)]
pub struct Mlp<'a> {
    widths: &'a [usize],
    ranks: Ranks<'a>,
    highway: usize,
}

impl<'a> Mlp<'a> {
    /// Describes a network with these widths (inputs, hidden layers, outputs), with this mode of its highway, and with
    /// matrices of this rank wherever that saves numbers (0: full matrices).
    pub const fn new(widths: &'a [usize], rank: usize, highway: usize) -> Self {
        assert!(widths.len() >= 2, "a network has inputs and outputs");
        assert!(highway <= MOST_HIGHWAY, "the modes of a highway are 0 to 4");
        Mlp { widths, ranks: Ranks::All(rank), highway }
    }
    /// The same with a rank for each matrix, in flat order.
    pub const fn with_ranks(widths: &'a [usize], ranks: &'a [usize], highway: usize) -> Self {
        let mlp = Mlp { ranks: Ranks::Each(ranks), ..Mlp::new(widths, 0, highway) };
        assert!(ranks.len() == mlp.matrices(), "each matrix has one rank");
        mlp
    }
    /// The same with full matrices and without a highway.
    pub const fn plain(widths: &'a [usize]) -> Self {
        Mlp::new(widths, 0, 0)
    }

    /// Inputs, hidden layers, outputs.
    pub const fn widths(&self) -> &'a [usize] {
        self.widths
    }
    /// The mode of the highway; 0 without one.
    pub const fn highway(&self) -> usize {
        self.highway
    }
    /// How many numbers are read for each point.
    pub const fn inputs(&self) -> usize {
        self.widths[0]
    }
    /// How many numbers are written for each point.
    pub const fn outputs(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }
    /// Number of hidden layers.
    pub(super) const fn layers(&self) -> usize {
        self.widths.len() - 2
    }
    /// Number of matrices.
    const fn matrices(&self) -> usize {
        match (self.layers(), self.highway) {
            (0, _) => 1,
            (layers, 0) => layers + 1,
            (layers, 1) => layers + 2,
            (layers, _) => 2 * layers + 1,
        }
    }
    /// Whether each hidden layer belongs to a net of its own.
    pub(super) const fn is_ladder(&self) -> bool {
        self.highway >= 2
    }
    /// Whether nets read the sum of those before them.
    pub(super) const fn accumulates(&self) -> bool {
        self.highway >= 3 && self.layers() > 1
    }

    const fn matrix(&self, index: usize, from: usize, to: usize, bias: bool) -> Matrix {
        let rank = match self.ranks {
            Ranks::All(rank) => rank,
            Ranks::Each(ranks) => ranks[index],
        };
        Matrix { from, to, rank: low_rank(rank, from, to), bias }
    }
    /// L, or the one matrix of a network without hidden layers.
    pub(super) const fn linear(&self) -> Option<Matrix> {
        if self.highway == 0 && self.layers() > 0 {
            None
        } else {
            Some(self.matrix(self.matrices() - 1, self.inputs(), self.outputs(), true))
        }
    }
    pub(super) const fn reads(&self, layer: usize) -> Reads {
        match (layer, self.highway) {
            (0, _) | (_, 2) => Reads::Input,
            (_, 3) => Reads::Sum,
            (_, 4) => Reads::Both,
            _ => Reads::Before,
        }
    }
    /// The matrix into hidden layer `layer`, counted from 0.
    pub(super) const fn up(&self, layer: usize) -> Matrix {
        let from = match self.reads(layer) {
            Reads::Input => self.inputs(),
            Reads::Before => self.widths[layer],
            Reads::Sum => self.outputs(),
            Reads::Both => self.inputs() + self.outputs(),
        };
        let index = if self.is_ladder() { 2 * layer } else { layer };
        self.matrix(index, from, self.widths[layer + 1], true)
    }
    /// The matrix out of hidden layer `layer`, where it leads to the output.
    pub(super) const fn down(&self, layer: usize) -> Option<Matrix> {
        let from = self.widths[layer + 1];
        if self.is_ladder() {
            Some(self.matrix(2 * layer + 1, from, self.outputs(), false))
        } else if layer + 1 == self.layers() {
            Some(self.matrix(layer + 1, from, self.outputs(), self.highway == 0))
        } else {
            None
        }
    }
    /// Rows of the copy of what a hidden layer reads, where that changes afterwards.
    pub(super) const fn copied(&self, layer: usize) -> usize {
        match self.reads(layer) {
            Reads::Input | Reads::Before => 0,
            Reads::Sum | Reads::Both => self.up(layer).from,
        }
    }

    /// Number of weights and biases.
    pub const fn params(&self) -> usize {
        let (mut n, mut layer) = (0, 0);
        while layer < self.layers() {
            n += self.up(layer).params();
            if let Some(down) = self.down(layer) {
                n += down.params();
            }
            layer += 1;
        }
        match self.linear() {
            Some(linear) => n + linear.params(),
            None => n,
        }
    }
    /// Rows of what the hidden layers give, and of copies of what they read.
    pub(super) const fn kept(&self) -> usize {
        let (mut n, mut layer) = (0, 0);
        while layer < self.layers() {
            n += self.copied(layer) + self.widths[layer + 1];
            layer += 1;
        }
        n
    }
    /// Rows kept between the two passes; their cotangents need as many.
    pub const fn activations(&self) -> usize {
        self.kept() + if self.accumulates() { self.outputs() } else { 0 }
    }
    /// Rows of temporary space.
    pub const fn temp(&self) -> usize {
        let (mut rank, mut layer) = (0, 0);
        while layer < self.layers() {
            rank = larger(rank, self.up(layer).rank);
            if let Some(down) = self.down(layer) {
                rank = larger(rank, down.rank);
            }
            layer += 1;
        }
        if let Some(linear) = self.linear() {
            rank = larger(rank, linear.rank);
        }
        2 * rank
    }
    /// How many numbers [`Mlp::evaluate`] leaves and [`Mlp::evaluate_vjp`] uses up: activations, their cotangents and
    /// temporary space.
    pub const fn hidden(&self) -> usize {
        2 * self.activations() + self.temp()
    }

    /// The matrices in flat order.
    pub(super) fn in_order(&self) -> impl Iterator<Item = Matrix> {
        (0..self.layers()).flat_map(|layer| [Some(self.up(layer)), self.down(layer)]).flatten().chain(self.linear())
    }
}

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// A [`Mlp`] that owns its lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedMlp {
    /// Inputs, hidden layers, outputs.
    pub widths: Vec<usize>,
    /// The rank of each matrix in flat order; 0: a full one.
    pub ranks: Vec<usize>,
    /// The mode of the highway; 0 without one.
    pub highway: usize,
}

impl OwnedMlp {
    /// Lends the description.
    pub fn mlp(&self) -> Mlp<'_> {
        Mlp::with_ranks(&self.widths, &self.ranks, self.highway)
    }
}

/// Each matrix gets the rank that it really has.
impl From<Mlp<'_>> for OwnedMlp {
    fn from(mlp: Mlp<'_>) -> Self {
        let ranks = mlp.in_order().map(|matrix| matrix.rank).collect();
        OwnedMlp { widths: mlp.widths.to_vec(), ranks, highway: mlp.highway }
    }
}
