//! What methods accept as points and as given features.

use super::Element;
use super::misuse::{NoFeatures, NothingGiven, SomethingGiven};
use crate::error::Error;
use dfdx::shapes::{Const, Dim, HasShape};
use dfdx::tensor::{Cpu, CpuError, Gradients, Merge, NoneTape, OwnedTape, SplitTape, Tape, Tensor};
use dfdx::tensor_ops::ReshapeTo;
use std::borrow::Cow;

/// The place of a tape in the points of a detached sample: there is none, and none may come in beside it.
#[derive(Clone, Copy, Debug, Default)]
pub struct DetachedTape;

/// Joins the tapes of two arguments: the result has one if either has.
///
/// A tape and a detached sample do not join: the gradient of ln p at points that were drawn from p, but do not carry
/// gradients, is not the gradient of an expectation under p.
#[diagnostic::on_unimplemented(
    message = "no gradient flows through a detached sample",
    label = "a density on a tape at the points of a detached sample",
    note = "draw with `rsample` (or use an estimator whose name ends in `_traced`): its points carry their gradients",
    note = "if the points are data, say to fit another density to them, write `sample.points.into_data()`"
)]
pub trait Join<Rhs> {
    /// The tape of the result.
    type Out;
    /// Both tapes as one.
    fn join(self, other: Rhs) -> Self::Out;
}

#[diagnostic::do_not_recommend]
impl Join<NoneTape> for NoneTape {
    type Out = NoneTape;
    fn join(self, _: NoneTape) -> NoneTape {
        self
    }
}
#[diagnostic::do_not_recommend]
impl Join<DetachedTape> for NoneTape {
    type Out = NoneTape;
    fn join(self, _: DetachedTape) -> NoneTape {
        self
    }
}
#[diagnostic::do_not_recommend]
impl<E: Element> Join<OwnedTape<E, Cpu>> for NoneTape {
    type Out = OwnedTape<E, Cpu>;
    fn join(self, other: OwnedTape<E, Cpu>) -> OwnedTape<E, Cpu> {
        other
    }
}
#[diagnostic::do_not_recommend]
impl<E: Element> Join<NoneTape> for OwnedTape<E, Cpu> {
    type Out = OwnedTape<E, Cpu>;
    fn join(self, _: NoneTape) -> OwnedTape<E, Cpu> {
        self
    }
}
#[diagnostic::do_not_recommend]
impl<E: Element> Join<OwnedTape<E, Cpu>> for OwnedTape<E, Cpu> {
    type Out = OwnedTape<E, Cpu>;
    fn join(self, other: OwnedTape<E, Cpu>) -> OwnedTape<E, Cpu> {
        self.merge(other)
    }
}

/// Takes the gradients by an argument, row after row, when the tape is run.
pub type GiveBack<E> = Box<dyn FnOnce(&mut Gradients<E, Cpu>, &[E]) -> Result<(), CpuError>>;

/// An argument as plain rows, with its tape and the way back for its gradients.
pub struct RowsOnTape<'x, B, E: Element, T> {
    /// The numbers, row after row.
    pub data: Cow<'x, [E]>,
    /// The batch dimension.
    pub batch: B,
    /// The argument's tape.
    pub tape: T,
    /// Where its gradients go; `None` where nothing asks for them.
    pub give: Option<GiveBack<E>>,
}

impl<'x, B, E: Element, T: Default> RowsOnTape<'x, B, E, T> {
    /// Rows that nothing asks gradients for.
    pub(crate) fn plain(data: impl Into<Cow<'x, [E]>>, batch: B) -> Self {
        RowsOnTape { data: data.into(), batch, tape: T::default(), give: None }
    }
}

impl<B, E: Element, T> RowsOnTape<'_, B, E, T> {
    /// The same rows as numbers of their own, for a density that outlives the argument.
    fn into_owned(self) -> RowsOnTape<'static, B, E, T> {
        let RowsOnTape { data, batch, tape, give } = self;
        RowsOnTape { data: Cow::Owned(data.into_owned()), batch, tape, give }
    }
}

/// Rows of `N` numbers: a tensor of shape (batch, N), with or without a tape, a reference to one, or plain arrays.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a batch of rows of {N} numbers",
    label = "expected rows of {N} numbers",
    note = "give a tensor of shape (batch, {N}), with or without a tape, a reference to one without, or a slice of arrays `&[[number; {N}]]`"
)]
pub trait Points<const N: usize, E: Element> {
    /// The batch dimension.
    type Batch: Dim;
    /// The tape.
    type Tape;
    /// Lays the numbers out row after row.
    ///
    /// # Errors
    /// The device fails.
    fn into_rows<'x>(self) -> Result<RowsOnTape<'x, Self::Batch, E, Self::Tape>, Error>
    where
        Self: 'x;
}

#[diagnostic::do_not_recommend]
impl<B: Dim, const N: usize, E: Element, T: Tape<E, Cpu>> Points<N, E> for Tensor<(B, Const<N>), E, Cpu, T> {
    type Batch = B;
    type Tape = T;
    fn into_rows<'x>(self) -> Result<RowsOnTape<'x, B, E, T>, Error>
    where
        Self: 'x,
    {
        let shape = *self.shape();
        if !T::OWNS_TAPE {
            let (plain, tape) = self.split_tape();
            return Ok(RowsOnTape { data: plain.as_vec().into(), batch: shape.0, tape, give: None });
        }
        // A reshape to its own shape lays a broadcast or permuted tensor out row after row, and is recorded on the
        // tape.
        let (plain, tape) = self.try_reshape_like(&shape)?.split_tape();
        let data = plain.as_vec().into();
        let give: GiveBack<E> = Box::new(move |gradients, rows| {
            let into = gradients.get_or_alloc_mut(&plain)?;
            into.iter_mut().zip(rows).for_each(|(sum, g)| *sum += *g);
            Ok(())
        });
        Ok(RowsOnTape { data, batch: shape.0, tape, give: Some(give) })
    }
}

#[diagnostic::do_not_recommend]
impl<B: Dim, const N: usize, E: Element> Points<N, E> for &Tensor<(B, Const<N>), E, Cpu> {
    type Batch = B;
    type Tape = NoneTape;
    fn into_rows<'x>(self) -> Result<RowsOnTape<'x, B, E, NoneTape>, Error>
    where
        Self: 'x,
    {
        Ok(RowsOnTape::plain(self.as_vec(), self.shape().0))
    }
}

#[diagnostic::do_not_recommend]
impl<const N: usize, E: Element> Points<N, E> for &[[E; N]] {
    type Batch = usize;
    type Tape = NoneTape;
    fn into_rows<'x>(self) -> Result<RowsOnTape<'x, usize, E, NoneTape>, Error>
    where
        Self: 'x,
    {
        Ok(RowsOnTape::plain(self.as_flattened(), self.len()))
    }
}

#[diagnostic::do_not_recommend]
impl<const N: usize, const B: usize, E: Element> Points<N, E> for &[[E; N]; B] {
    type Batch = Const<B>;
    type Tape = NoneTape;
    fn into_rows<'x>(self) -> Result<RowsOnTape<'x, Const<B>, E, NoneTape>, Error>
    where
        Self: 'x,
    {
        Ok(RowsOnTape::plain(self.as_flattened(), Const))
    }
}

#[diagnostic::do_not_recommend]
impl<const N: usize, E: Element> Points<N, E> for &Vec<[E; N]> {
    type Batch = usize;
    type Tape = NoneTape;
    fn into_rows<'x>(self) -> Result<RowsOnTape<'x, usize, E, NoneTape>, Error>
    where
        Self: 'x,
    {
        self.as_slice().into_rows()
    }
}

/// What a flow is given: `Features<32>`, or a list `(Features<3>, (Features<5>, ()))` with one entry a manifold.
pub trait FeatureSpec: Send + Sync + 'static {
    /// Number of features, all entries together.
    const COUNT: usize;
    /// Appends the number of each entry.
    fn entries(entries: &mut Vec<usize>);
}

/// `N` given features: the clause `cond N`. `cond (3, 5)` is a list of them, one entry a manifold.
pub struct Features<const N: usize>;

impl<const N: usize> FeatureSpec for Features<N> {
    const COUNT: usize = N;
    fn entries(entries: &mut Vec<usize>) {
        entries.push(N);
    }
}
impl FeatureSpec for () {
    const COUNT: usize = 0;
    fn entries(_: &mut Vec<usize>) {}
}
impl NothingGiven for () {}
impl<const N: usize> SomethingGiven for Features<N> {}
impl<A, Rest> SomethingGiven for (A, Rest) {}
impl<A: FeatureSpec, Rest: FeatureSpec> FeatureSpec for (A, Rest) {
    const COUNT: usize = A::COUNT + Rest::COUNT;
    fn entries(entries: &mut Vec<usize>) {
        A::entries(entries);
        Rest::entries(entries);
    }
}

/// Features that fit what a flow is given: one batch of rows, or for a list a tuple of batches (all with a tape, or
/// none).
#[diagnostic::on_unimplemented(
    message = "these are not the features that the density is given",
    label = "`cond` in the notation asks for other features",
    note = "`cond 32` takes one batch of 32 features a row: a tensor of shape (batch, 32) or `&[[number; 32]]`; a list `cond (3, 5)` takes a tuple of two batches"
)]
pub trait GivenFeatures<F: FeatureSpec, E: Element> {
    /// The batch dimension.
    type Batch: Dim;
    /// The tape.
    type Tape: Tape<E, Cpu>;
    /// Lays the features out as rows of their own, the entries of a list side by side.
    ///
    /// # Errors
    /// The entries of a list have different numbers of rows; the device fails.
    fn gather(self) -> Result<RowsOnTape<'static, Self::Batch, E, Self::Tape>, Error>;
}

impl<const N: usize, E: Element, X: Points<N, E>> GivenFeatures<Features<N>, E> for X
where
    NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
{
    type Batch = X::Batch;
    type Tape = <NoneTape as Join<X::Tape>>::Out;
    fn gather(self) -> Result<RowsOnTape<'static, X::Batch, E, Self::Tape>, Error> {
        let RowsOnTape { data, batch, tape, give } = self.into_rows()?.into_owned();
        Ok(RowsOnTape { data, batch, tape: NoneTape.join(tape), give })
    }
}

impl<E: Element, X: NoFeatures> GivenFeatures<(), E> for X {
    type Batch = usize;
    type Tape = NoneTape;
    fn gather(self) -> Result<RowsOnTape<'static, usize, E, NoneTape>, Error> {
        self.never().map(|never| match never {})
    }
}

/// Puts two arguments of `n` and `m` columns side by side, row by row.
fn beside<B: Dim, E: Element, T: Tape<E, Cpu>>(
    left: RowsOnTape<'_, B, E, T>,
    right: RowsOnTape<'_, B, E, T>,
    [n, m]: [usize; 2],
) -> Result<RowsOnTape<'static, B, E, T>, Error> {
    let rows = left.batch.size();
    if right.batch.size() != rows {
        return Err(Error::Rows { argument: "features", expected: rows, found: right.batch.size() });
    }
    let mut data = Vec::with_capacity(rows * (n + m));
    for row in 0..rows {
        data.extend_from_slice(&left.data[row * n..][..n]);
        data.extend_from_slice(&right.data[row * m..][..m]);
    }
    let give = match (left.give, right.give) {
        (Some(give_left), Some(give_right)) => Some(Box::new(move |gradients: &mut Gradients<E, Cpu>, all: &[E]| {
            let part = |from: usize, len: usize| -> Vec<E> {
                all.chunks_exact(n + m).flat_map(|row| row[from..from + len].iter().copied()).collect()
            };
            give_left(gradients, &part(0, n))?;
            give_right(gradients, &part(n, m))
        }) as GiveBack<E>),
        _ => None,
    };
    Ok(RowsOnTape { data: data.into(), batch: left.batch, tape: left.tape.merge(right.tape), give })
}

macro_rules! feature_lists {
    ($($first:ident $n:ident $x:ident, $($rest:ident $m:ident $y:ident),+;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<const $n: usize, $(const $m: usize,)* E: Element, $first, $($rest),*>
            GivenFeatures<feature_lists!(@spec $n $($m)*), E> for ($first, $($rest),*)
        where
            $first: Points<$n, E, Tape: Tape<E, Cpu>>,
            $($rest: Points<$m, E, Batch = $first::Batch, Tape = $first::Tape>,)*
        {
            type Batch = $first::Batch;
            type Tape = $first::Tape;
            fn gather(self) -> Result<RowsOnTape<'static, Self::Batch, E, Self::Tape>, Error> {
                let ($x, $($y),*) = self;
                let (all, _columns) = ($x.into_rows()?, $n);
                $(let (all, _columns) = (beside(all, $y.into_rows()?, [_columns, $m])?, _columns + $m);)*
                Ok(all.into_owned())
            }
        }
    )*};
    (@spec $n:ident) => { (Features<$n>, ()) };
    (@spec $n:ident $($m:ident)+) => { (Features<$n>, feature_lists!(@spec $($m)+)) };
}

feature_lists! {
    A N1 a, B N2 b;
    A N1 a, B N2 b, C N3 c;
    A N1 a, B N2 b, C N3 c, D N4 d;
    A N1 a, B N2 b, C N3 c, D N4 d, F N5 f;
    A N1 a, B N2 b, C N3 c, D N4 d, F N5 f, G N6 g;
    A N1 a, B N2 b, C N3 c, D N4 d, F N5 f, G N6 g, H N7 h;
    A N1 a, B N2 b, C N3 c, D N4 d, F N5 f, G N6 g, H N7 h, I N8 i;
}
