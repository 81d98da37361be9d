//! Manifolds by their names: what the accessors that `flow!` writes for a named flow work on.
//!
//! `vertex@e3 + direction@s2` gives samples, rows of points and points on a tape the methods `vertex()` and
//! `direction()`. Which columns these are depends on the coordinates of the points, so the coordinates are part of the
//! type: [`Intrinsic`] or [`Embedded`].

use super::Element;
use super::flow::{Conditioned, Flow, FlowSpec};
use super::samples::{Detached, Sample, Traced, TracedSample};
use core::marker::PhantomData;
use dfdx::shapes::{Const, Dim, HasShape, Shape};
use dfdx::tensor::{Cpu, Merge, NoneTape, OwnedTape, PutTape, SplitTape, Tape, Tensor, TensorFromVec};

/// Angles on spheres, one share fewer than there are on simplices: `DIM` columns a point.
#[derive(Clone, Copy, Debug)]
pub struct Intrinsic;

/// Unit vectors on spheres, all shares on simplices: `EMBEDDED_DIM` columns a point.
#[derive(Clone, Copy, Debug)]
pub struct Embedded;

/// What a flow and its manifolds are called. `()` is called nothing.
pub trait Label: 'static {
    /// The name of its type; empty without one.
    const NAME: &'static str;
    /// The names of its manifolds in order; `None` for one without a name.
    const PARTS: &'static [Option<&'static str>];
}

impl Label for () {
    const NAME: &'static str = "";
    const PARTS: &'static [Option<&'static str>] = &[];
}

/// Points of which some neighbouring columns can be taken.
pub trait Cut: Sized {
    /// `LEN` columns of the points.
    type Cut<const LEN: usize>;
    /// `LEN` columns from number `start` on.
    fn cut<const LEN: usize>(&self, start: usize) -> Self::Cut<LEN>;
}

/// The coordinates of points: [`Intrinsic`] or [`Embedded`].
///
/// A manifold has `DIM` columns from number `AT` on in intrinsic coordinates, and `EMBED` from number `EMBED_AT` on in
/// embedded ones.
pub trait System: 'static {
    /// The columns of a manifold.
    type Of<X: Cut, const DIM: usize, const EMBED: usize>;
    /// The columns of a manifold.
    fn of<X: Cut, const AT: usize, const DIM: usize, const EMBED_AT: usize, const EMBED: usize>(
        points: &X,
    ) -> Self::Of<X, DIM, EMBED>;
}

impl System for Intrinsic {
    type Of<X: Cut, const DIM: usize, const EMBED: usize> = X::Cut<DIM>;
    fn of<X: Cut, const AT: usize, const DIM: usize, const EMBED_AT: usize, const EMBED: usize>(
        points: &X,
    ) -> X::Cut<DIM> {
        points.cut(AT)
    }
}

impl System for Embedded {
    type Of<X: Cut, const DIM: usize, const EMBED: usize> = X::Cut<EMBED>;
    fn of<X: Cut, const AT: usize, const DIM: usize, const EMBED_AT: usize, const EMBED: usize>(
        points: &X,
    ) -> X::Cut<EMBED> {
        points.cut(EMBED_AT)
    }
}

/// Points with named columns: what has the accessors of the flow `Tag`.
pub trait Columns {
    /// The flow's type.
    type Tag;
    /// The columns of one manifold.
    type Part<const DIM: usize, const EMBED: usize>;
    /// The columns of one manifold, with numbers as in [`System`].
    fn part<const AT: usize, const DIM: usize, const EMBED_AT: usize, const EMBED: usize>(
        &self,
    ) -> Self::Part<DIM, EMBED>;
}

/// The points of something that carries the name of its flow and its coordinates.
macro_rules! columns {
    ($([$($generics:tt)*] $points:ty;)*) => {$(
        impl<Tag, C: System, $($generics)*> Columns for $points
        where
            Self: Cut,
        {
            type Tag = Tag;
            type Part<const DIM: usize, const EMBED: usize> = C::Of<Self, DIM, EMBED>;
            fn part<const AT: usize, const DIM: usize, const EMBED_AT: usize, const EMBED: usize>(
                &self,
            ) -> C::Of<Self, DIM, EMBED> {
                C::of::<Self, AT, DIM, EMBED_AT, EMBED>(self)
            }
        }
    )*};
}
columns! {
    [X] Named<Tag, X, C>;
    [S: Shape, L: Shape, E: Element] Sample<Tag, S, L, E, C>;
    [S: Shape, E: Element] TracedPoints<Tag, S, E, C>;
}

/// Some columns of rows of `columns` numbers.
fn cut<E: Copy>(data: &[E], columns: usize, start: usize, len: usize) -> Vec<E> {
    data.chunks_exact(columns).flat_map(|row| row[start..start + len].iter().copied()).collect()
}

// ---- rows --------------------------------------------------------------------------------------------------------

/// Points of the flow `Tag` as rows `X`, in coordinates `C`: a view with the names of its manifolds.
///
/// ```
/// use flow_runtime::flow;
///
/// flow! { struct Event = vertex@e3 + direction@s2 : gg + n }
///
/// let rows = [Event::point([0.3, -1.2, 0.5], [1.1, 4.0]), Event::point([0.0, 0.7, -0.2], [2.0, 0.3])];
/// let points = Event::points(&rows);
/// assert_eq!(points.direction(), [[1.1, 4.0], [2.0, 0.3]]);
/// assert_eq!(Event::points(rows[1]).vertex(), [0.0, 0.7, -0.2]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Named<Tag, X, C = Intrinsic> {
    rows: X,
    tag: PhantomData<fn() -> (Tag, C)>,
}

impl<Tag, X, C> Named<Tag, X, C> {
    #[doc(hidden)]
    pub fn new(rows: X) -> Self {
        Named { rows, tag: PhantomData }
    }
    /// The rows.
    pub fn into_rows(self) -> X {
        self.rows
    }
}

/// Points of `N` coordinates without a tape: one row `[E; N]`, rows `&[[E; N]]`, or a reference to a tensor of shape
/// (batch, N).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a point of {N} coordinates, nor rows of such points",
    label = "expected {N} coordinates a point",
    note = "give one row `[number; {N}]`, rows `&[[number; {N}]]`, or a reference to a tensor of shape (batch, {N})"
)]
pub trait NamedRows<const N: usize> {}
impl<E, const N: usize> NamedRows<N> for [E; N] {}
impl<E, const N: usize> NamedRows<N> for &[[E; N]] {}
impl<E, const N: usize, const B: usize> NamedRows<N> for &[[E; N]; B] {}
impl<E, const N: usize> NamedRows<N> for &Vec<[E; N]> {}
impl<B: Dim, E: Element, const N: usize> NamedRows<N> for &Tensor<(B, Const<N>), E, Cpu> {}

/// Some columns of a row.
fn of_row<E: Copy, const LEN: usize>(row: &[E], start: usize) -> [E; LEN] {
    core::array::from_fn(|i| row[start + i])
}

impl<Tag, E: Copy, const N: usize, C> Cut for Named<Tag, [E; N], C> {
    type Cut<const LEN: usize> = [E; LEN];
    fn cut<const LEN: usize>(&self, start: usize) -> [E; LEN] {
        of_row(&self.rows, start)
    }
}

impl<Tag, E: Copy, const N: usize, C> Cut for Named<Tag, &[[E; N]], C> {
    type Cut<const LEN: usize> = Vec<[E; LEN]>;
    fn cut<const LEN: usize>(&self, start: usize) -> Vec<[E; LEN]> {
        self.rows.iter().map(|row| of_row(row, start)).collect()
    }
}

impl<Tag, E: Copy, const N: usize, C> Cut for Named<Tag, &Vec<[E; N]>, C> {
    type Cut<const LEN: usize> = Vec<[E; LEN]>;
    fn cut<const LEN: usize>(&self, start: usize) -> Vec<[E; LEN]> {
        self.rows.iter().map(|row| of_row(row, start)).collect()
    }
}

impl<Tag, E: Copy, const N: usize, const B: usize, C> Cut for Named<Tag, &[[E; N]; B], C> {
    type Cut<const LEN: usize> = [[E; LEN]; B];
    fn cut<const LEN: usize>(&self, start: usize) -> [[E; LEN]; B] {
        self.rows.each_ref().map(|row| of_row(row, start))
    }
}

impl<Tag, B: Dim, const N: usize, E: Element, C> Cut for Named<Tag, &Tensor<(B, Const<N>), E, Cpu>, C> {
    type Cut<const LEN: usize> = Tensor<(B, Const<LEN>), E, Cpu>;
    fn cut<const LEN: usize>(&self, start: usize) -> Self::Cut<LEN> {
        let data = cut(&self.rows.as_vec(), N, start, LEN);
        Cpu::default().tensor_from_vec(data, (self.rows.shape().0, Const))
    }
}

// ---- samples -----------------------------------------------------------------------------------------------------

impl<Tag, B: Dim, const N: usize, L: Shape, E: Element, C> Cut for Sample<Tag, (B, Const<N>), L, E, C> {
    type Cut<const LEN: usize> = Detached<(B, Const<LEN>), E>;
    fn cut<const LEN: usize>(&self, start: usize) -> Self::Cut<LEN> {
        let data = cut(&self.points.as_vec(), N, start, LEN);
        Detached(Cpu::default().tensor_from_vec(data, (self.points.shape().0, Const)))
    }
}

impl<Tag, B: Dim, const N: usize, L: Shape, E: Element, C> Cut for Sample<Tag, (B, usize, Const<N>), L, E, C> {
    type Cut<const LEN: usize> = Detached<(B, usize, Const<LEN>), E>;
    fn cut<const LEN: usize>(&self, start: usize) -> Self::Cut<LEN> {
        let data = cut(&self.points.as_vec(), N, start, LEN);
        let shape = self.points.shape();
        Detached(Cpu::default().tensor_from_vec(data, (shape.0, shape.1, Const)))
    }
}

// ---- samples on a tape -------------------------------------------------------------------------------------------

/// The points of a [`TracedSample`] inside [`combine_named`](TracedSample::combine_named): its accessors give columns
/// that record what is done with them, and each may be called any number of times.
pub struct TracedPoints<Tag, S: Shape, E: Element, C = Intrinsic> {
    points: Tensor<S, E, Cpu>,
    tag: PhantomData<fn() -> (Tag, C)>,
}

impl<Tag, S: Shape, L: Shape, E: Element, C> TracedSample<Tag, S, L, E, C> {
    /// Anything that is made of the parts of the points and the log-density, with the tape.
    ///
    /// The arguments record what is done with them; the tape behind the sample is joined to the result, so that no part
    /// of it can be lost on the way.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::{flow, rand::{SeedableRng, rngs::StdRng}};
    ///
    /// flow! { struct Pair = left@e1 + right@e2 : t + t(cov_type = "full") }
    ///
    /// let pdf = Cpu::default().build_module::<Pair, f64>();
    /// let sample = pdf.rsample(100, &mut StdRng::seed_from_u64(1), pdf.alloc_grads())?;
    /// // The mean of ln p + left^2, and its gradient through the samples.
    /// let mean = sample.combine_named(|at, log_prob| {
    ///     let left: Tensor<(usize,), f64, Cpu, _> = at.left().square().sum();
    ///     (log_prob + left).mean::<(), _>()
    /// });
    /// let gradients = mean.backward();
    /// # let _ = gradients;
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    pub fn combine_named<R: Shape>(
        self,
        with: impl FnOnce(&TracedPoints<Tag, S, E, C>, Traced<L, E>) -> Traced<R, E>,
    ) -> Traced<R, E> {
        let points = TracedPoints { points: self.points, tag: PhantomData };
        let (result, tape) = with(&points, self.log_prob.put_tape(OwnedTape::default())).split_tape();
        result.put_tape(tape.merge(self.tape))
    }
}

impl<Tag, S: Shape, E: Element, C> TracedPoints<Tag, S, E, C> {
    /// Columns as an operation on a tape of its own, whose gradients are added to those of the points.
    fn record<Sh: Shape>(&self, shape: Sh, columns: usize, start: usize, len: usize) -> Traced<Sh, E> {
        let points = self.points.clone();
        let out = Cpu::default().tensor_from_vec(cut(&points.as_vec(), columns, start, len), shape);
        let (handle, mut tape) = (out.clone(), OwnedTape::default());
        tape.add_backward_op(move |gradients| {
            gradients.try_alloc_for(&handle)?;
            let cot = gradients.get(&handle).as_vec();
            let into = gradients.get_or_alloc_mut(&points)?;
            for (row, cot) in into.chunks_exact_mut(columns).zip(cot.chunks_exact(len)) {
                row[start..start + len].iter_mut().zip(cot).for_each(|(sum, cot)| *sum += *cot);
            }
            Ok(())
        });
        out.put_tape(tape)
    }
}

impl<Tag, B: Dim, const N: usize, E: Element, C> Cut for TracedPoints<Tag, (B, Const<N>), E, C> {
    type Cut<const LEN: usize> = Traced<(B, Const<LEN>), E>;
    fn cut<const LEN: usize>(&self, start: usize) -> Self::Cut<LEN> {
        self.record((self.points.shape().0, Const), N, start, LEN)
    }
}

impl<Tag, B: Dim, const N: usize, E: Element, C> Cut for TracedPoints<Tag, (B, usize, Const<N>), E, C> {
    type Cut<const LEN: usize> = Traced<(B, usize, Const<LEN>), E>;
    fn cut<const LEN: usize>(&self, start: usize) -> Self::Cut<LEN> {
        let shape = self.points.shape();
        self.record((shape.0, shape.1, Const), N, start, LEN)
    }
}

// ---- densities ---------------------------------------------------------------------------------------------------

/// A density with named manifolds: a flow that `flow!` wrote as a struct, or what it is under given features.
pub trait NamedDensity {
    /// The flow's type.
    type Tag;
}

impl<Tag: 'static, const N: usize, const M: usize, B, W, E: Element> NamedDensity
    for Flow<FlowSpec<Tag, (), N, M, B>, W, E, Cpu>
{
    type Tag = Tag;
}

impl<Tag: 'static, F, const N: usize, const M: usize, B, W, E: Element, FB> NamedDensity
    for Conditioned<'_, FlowSpec<Tag, F, N, M, B>, W, E, FB, NoneTape>
{
    type Tag = Tag;
}
