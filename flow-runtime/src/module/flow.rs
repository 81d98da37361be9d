//! Builders (the types that `flow!` writes) and built flows.

use super::Element;
use super::points::{FeatureSpec, GiveBack, GivenFeatures, Join, Points, Rows};
use super::samples::{Detached, Regularised, Sample, TracedSample};
use super::weights::{BuildWeights, Weights};
use crate::error::{Error, Place};
use crate::kernels::{self, Blocks, Coordinates, Job, PullBack, RowFault, Summary};
use crate::layers::PENALTIES;
use core::marker::PhantomData;
use core::ops::Range;
use dfdx::nn::tensor_collection::{ModuleVisitor, TensorCollection};
use dfdx::nn::{BuildModule, BuildOnDevice};
use dfdx::shapes::{Const, Dim, Dtype, Shape};
use dfdx::tensor::{
    Cpu, CpuError, Gradients, HasErr, NoneTape, OwnedTape, PutTape, SplitTape, Tape, Tensor, TensorFromVec, Trace,
    ZerosTensor,
};
use dfdx::tensor_ops::Device;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// A flow without given features: `N` intrinsic and `M` embedded coordinates, blocks `B`. `Tag` names it where `flow!` wrote a struct.
pub struct Unconditional<Tag, const N: usize, const M: usize, B>(PhantomData<(Tag, B)>);

/// A flow that is given features `F`.
pub struct Conditional<Tag, F, const N: usize, const M: usize, B>(PhantomData<(Tag, F, B)>);

/// What the two kinds of flows have in common.
pub trait Spec: 'static {
    /// The name, `()` without one.
    type Tag;
    /// What is given.
    type Features: FeatureSpec;
    /// Manifolds, chains and heads.
    type Blocks: Blocks;
}

impl<Tag: 'static, const N: usize, const M: usize, B: Blocks> Spec for Unconditional<Tag, N, M, B> {
    type Tag = Tag;
    type Features = ();
    type Blocks = B;
}

impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B: Blocks> Spec for Conditional<Tag, F, N, M, B> {
    type Tag = Tag;
    type Features = F;
    type Blocks = B;
}

/// A struct that `flow!` wrote: the flow it names, and the line it was written as.
pub trait Notation {
    /// The flow.
    type Flow;
    /// The notation, in canonical form.
    const NOTATION: &'static str;
}

/// What `dev.build_module::<S, E>()` returns: the type to write in signatures.
pub type Built<S, E> = <S as BuildOnDevice<Cpu, E>>::Built;

impl<Tag: 'static, const N: usize, const M: usize, B, E: Element> BuildOnDevice<Cpu, E> for Unconditional<Tag, N, M, B>
where
    Cpu: Device<E>,
    B: Blocks + BuildWeights<E, Cpu>,
{
    type Built = Flow<Self, B::Built, E, Cpu>;
    fn try_build_on_device(device: &Cpu) -> Result<Self::Built, CpuError> {
        const { kernels::admit::<B, E>() }
        BuildModule::try_build(device)
    }
}

impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B, E: Element> BuildOnDevice<Cpu, E>
    for Conditional<Tag, F, N, M, B>
where
    Cpu: Device<E>,
    B: Blocks + BuildWeights<E, Cpu>,
{
    type Built = Flow<Self, B::Built, E, Cpu>;
    fn try_build_on_device(device: &Cpu) -> Result<Self::Built, CpuError> {
        const { kernels::admit::<B, E>() }
        BuildModule::try_build(device)
    }
}

/// A built flow: its weights as tensors.
///
/// `S` is the type that `flow!` wrote, `W` its tensors, `E` the number type, `D` the device. Write [`Built<MyFlow, f64>`](Built) in signatures.
///
/// A flow without `cond` has [`log_prob`](Flow::log_prob) and the sampling methods itself; one with `cond` has [`given`](Flow::given), which returns
/// the density for a batch of features.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Built, flow};
///
/// type Place = flow!(s2 + e1 : f + gt);
///
/// fn width(pdf: &Built<Place, f64>) -> usize {
///     pdf.num_trainable_params()
/// }
///
/// let pdf = Cpu::default().build_module::<Place, f64>();
/// // f has 10 parameters; then a network 3 -> 128 -> 33 for g (1 + 3 * 10) and t (offset and width).
/// assert_eq!(width(&pdf), 10 + 3 * 128 + 128 + 128 * 33 + 33);
/// ```
#[derive(Debug)]
pub struct Flow<S, W, E, D> {
    /// The weights.
    pub weights: W,
    spec: PhantomData<fn() -> (S, E, D)>,
}

impl<S, W: Clone, E, D> Clone for Flow<S, W, E, D> {
    fn clone(&self) -> Self {
        Flow { weights: self.weights.clone(), spec: PhantomData }
    }
}

impl<S, W, E: Dtype, D: Device<E>> TensorCollection<E, D> for Flow<S, W, E, D>
where
    W: TensorCollection<E, D>,
{
    type To<E2: Dtype, D2: Device<E2>> = Flow<S, W::To<E2, D2>, E2, D2>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        visitor.visit_fields(Self::module("blocks", |s| &s.weights, |s| &mut s.weights), |weights| Flow {
            weights,
            spec: PhantomData,
        })
    }
}

/// A log-density in its parts.
#[derive(Clone, Debug)]
pub struct Evaluation<B: Dim, const N: usize, E: Element> {
    /// ln p of each point.
    pub log_prob: Tensor<(B,), E, Cpu>,
    /// ln of the standard normal density at each base point.
    pub log_prob_base: Tensor<(B,), E, Cpu>,
    /// The base point of each point.
    pub base: Tensor<(B, Const<N>), E, Cpu>,
}

/// What blocks consist of.
fn summary<B: Blocks>() -> Summary {
    let mut summary = Summary::default();
    B::describe(&mut summary);
    summary
}

/// Turns a kernel's fault into an error that names the place.
pub(crate) fn explain<B: Blocks>(fault: RowFault) -> Error {
    let Summary { blocks, .. } = summary::<B>();
    let notation = blocks.get(fault.manifold).map(|b| b.manifold.clone()).unwrap_or_default();
    let place = Place {
        manifold: fault.manifold,
        notation,
        layer: fault.layer.map(|l| (l.layer, l.name)),
        advice: fault.layer.map_or("", |l| l.advice),
    };
    match fault.layer {
        Some(layer) if layer.unconverged => Error::NotConverged { row: fault.row, place },
        _ => Error::NotFinite { row: fault.row, place },
    }
}

/// Refuses points that are not on their manifolds.
pub(crate) fn check_points<B: Blocks, E: Element>(points: &[E], coordinates: Coordinates) -> Result<(), Error> {
    let columns = coordinates.count::<B>();
    let mut point = vec![0.0; columns];
    for (row, numbers) in points.chunks_exact(columns).enumerate() {
        point.iter_mut().zip(numbers).for_each(|(p, x)| *p = x.widen());
        if let Some((manifold, message)) = B::check(&point, coordinates == Coordinates::Embedded, 0) {
            let Summary { blocks, .. } = summary::<B>();
            let notation = blocks.get(manifold).map(|b| b.manifold.clone()).unwrap_or_default();
            return Err(Error::Point { argument: "x", row, manifold, notation, message });
        }
    }
    Ok(())
}

/// Refuses features that are not finite.
pub(crate) fn check_features<E: Element>(features: &[E], columns: usize) -> Result<(), Error> {
    match features.iter().position(|f| !f.widen().is_finite()) {
        Some(i) => Err(Error::Feature { row: i / columns, column: i % columns, value: features[i].widen() }),
        None => Ok(()),
    }
}

/// Rows of the given features; `None` where nothing is given.
pub(crate) fn conditions<S: Spec, E>(features: &[E]) -> Option<usize> {
    features.len().checked_div(S::Features::COUNT)
}

/// Base coordinates for `count` points. They are drawn in `f64`, so that a seed gives the same points in both number types.
pub(crate) fn draw_base<G: Rng + ?Sized, E: Element>(count: usize, rng: &mut G) -> Vec<E> {
    (0..count).map(|_| E::narrow(rng.sample(StandardNormal))).collect()
}

pub(super) fn tensor<Sh: Shape, E: Element>(data: Vec<E>, shape: Sh) -> Result<Tensor<Sh, E, Cpu>, Error> {
    Ok(Cpu::default().try_tensor_from_vec(data, shape)?)
}

/// Samples in two shapes: points, and their log-densities.
type Drawn<Sh, L, E> = (Tensor<Sh, E, Cpu>, Tensor<L, E, Cpu>);

impl<S: Spec, W: Weights<E>, E: Element> Flow<S, W, E, Cpu> {
    /// All weights, in the order of the kernels: blocks in the order written; free parameters in the flat order of their chain, networks layer by layer, each
    /// matrix row by row (one row an output), then its bias.
    pub fn flat_weights(&self) -> Vec<E> {
        let mut flat = Vec::with_capacity(S::Blocks::WEIGHTS);
        self.weights.read(&mut flat);
        flat
    }

    /// Sets all weights, in the order of [`flat_weights`](Flow::flat_weights).
    ///
    /// # Errors
    /// The number of weights is wrong; nothing is changed then.
    pub fn set_flat_weights(&mut self, flat: &[E]) -> Result<(), Error> {
        let (found, expected) = (flat.len(), S::Blocks::WEIGHTS);
        if found != expected {
            return Err(Error::Length { argument: "flat", expected, found });
        }
        self.weights.write(&mut &flat[..]);
        Ok(())
    }

    /// Manifolds, letters and networks, in order.
    pub fn summary(&self) -> Summary {
        summary::<S::Blocks>()
    }

    /// The fused evaluation as one operation on the tape.
    pub(crate) fn evaluate_on_tape<B: Dim, FB, FT, T>(
        &self,
        features: Rows<FB, E, FT>,
        points: Rows<B, E, T>,
        coordinates: Coordinates,
    ) -> Result<Tensor<(B,), E, Cpu, FT::Out>, Error>
    where
        FT: Join<T>,
        FT::Out: Tape<E, Cpu>,
    {
        self.check(&features.data, &points.data, points.batch.size(), coordinates)?;
        self.evaluate_part_on_tape(features, points, (1, 0..S::Blocks::COUNT), coordinates)
    }

    /// The same for some of the manifolds and `repeat` points under each row of features, which have been checked.
    pub(super) fn evaluate_part_on_tape<B: Dim, FB, FT, T>(
        &self,
        features: Rows<FB, E, FT>,
        points: Rows<B, E, T>,
        (repeat, part): (usize, Range<usize>),
        coordinates: Coordinates,
    ) -> Result<Tensor<(B,), E, Cpu, FT::Out>, Error>
    where
        FT: Join<T>,
        FT::Out: Tape<E, Cpu>,
    {
        let batch = points.batch;
        let weights = self.flat_weights();
        let mut log_prob = vec![E::default(); batch.size()];
        let job = Self::job(&weights, &features.data, repeat, coordinates);
        kernels::evaluate_part::<S::Blocks, E>(job, part.clone(), &points.data, &mut log_prob, &mut [])
            .map_err(explain::<S::Blocks>)?;
        let out = tensor(log_prob, (batch,))?;
        let mut tape = features.tape.join(points.tape);
        if <FT::Out as Tape<E, Cpu>>::OWNS_TAPE {
            let (handle, module) = (out.clone(), self.weights.clone());
            let (features, give_features) = (features.data, features.give);
            let (points, give_points) = (points.data, points.give);
            tape.add_backward_op(move |gradients| {
                gradients.try_alloc_for(&handle)?;
                let cot = gradients.get(&handle).as_vec();
                let job = Self::job(&weights, &features, repeat, coordinates);
                let back = kernels::evaluate_part_vjp::<S::Blocks, E>(job, part, &points, &cot).map_err(unexpected)?;
                give(gradients, &module, back, give_features, give_points)
            });
        }
        Ok(out.put_tape(tape))
    }

    /// The fused evaluation with penalties as one operation on the tape, with three results.
    fn regularise_on_tape<B: Dim, FB, FT, T>(
        &self,
        features: Rows<FB, E, FT>,
        points: Rows<B, E, T>,
        coordinates: Coordinates,
    ) -> Result<Regularised<B, E, FT::Out>, Error>
    where
        FT: Join<T>,
        FT::Out: Tape<E, Cpu>,
    {
        let batch = points.batch;
        let rows = batch.size();
        self.check(&features.data, &points.data, rows, coordinates)?;
        let weights = self.flat_weights();
        let (mut log_prob, mut penalties) = (vec![E::default(); rows], vec![E::default(); rows * PENALTIES]);
        let job = Self::job(&weights, &features.data, 1, coordinates);
        kernels::evaluate_penalised::<S::Blocks, E>(job, &points.data, &mut log_prob, &mut penalties)
            .map_err(explain::<S::Blocks>)?;
        let column = |k: usize| tensor(penalties.chunks_exact(PENALTIES).map(|row| row[k]).collect(), (batch,));
        let (log_prob, kinetic, jacobian) = (tensor(log_prob, (batch,))?, column(0)?, column(1)?);
        let mut tape = features.tape.join(points.tape);
        if <FT::Out as Tape<E, Cpu>>::OWNS_TAPE {
            let handles = [log_prob.clone(), kinetic.clone(), jacobian.clone()];
            let module = self.weights.clone();
            let (features, give_features) = (features.data, features.give);
            let (points, give_points) = (points.data, points.give);
            tape.add_backward_op(move |gradients| {
                for handle in &handles {
                    gradients.try_alloc_for(handle)?;
                }
                let [cot, kinetic, jacobian] = handles.map(|handle| gradients.get(&handle).as_vec());
                let penalties: Vec<E> = kinetic.into_iter().zip(jacobian).flat_map(|(k, j)| [k, j]).collect();
                let job = Self::job(&weights, &features, 1, coordinates);
                let back = kernels::evaluate_penalised_vjp::<S::Blocks, E>(job, &points, &cot, &penalties)
                    .map_err(unexpected)?;
                give(gradients, &module, back, give_features, give_points)
            });
        }
        Ok(Regularised { log_prob, kinetic, jacobian, tape })
    }

    pub(super) fn job<'a>(weights: &'a [E], features: &'a [E], repeat: usize, coordinates: Coordinates) -> Job<'a, E> {
        Job { weights, features, feature_count: S::Features::COUNT, repeat, coordinates }
    }

    fn check(&self, features: &[E], points: &[E], rows: usize, coordinates: Coordinates) -> Result<(), Error> {
        if rows == 0 {
            return Err(Error::Empty { argument: "x" });
        }
        let given = conditions::<S, E>(features).unwrap_or(rows);
        if given != rows {
            return Err(Error::Rows { argument: "x", expected: given, found: rows });
        }
        check_features(features, S::Features::COUNT)?;
        check_points::<S::Blocks, E>(points, coordinates)
    }

    /// Log-density, base log-density and base points.
    fn evaluate_parts<B: Dim, const N: usize>(
        &self,
        features: &[E],
        points: &[E],
        batch: B,
        coordinates: Coordinates,
    ) -> Result<Evaluation<B, N, E>, Error> {
        let rows = batch.size();
        self.check(features, points, rows, coordinates)?;
        let weights = self.flat_weights();
        let (mut log_prob, mut base) = (vec![E::default(); rows], vec![E::default(); rows * N]);
        let job = Self::job(&weights, features, 1, coordinates);
        kernels::evaluate::<S::Blocks, E>(job, points, &mut log_prob, &mut base).map_err(explain::<S::Blocks>)?;
        let log_normal = |z: &[E]| {
            let sum: f64 = z.iter().map(|z| z.widen() * z.widen()).sum();
            E::narrow(-0.5 * sum - N as f64 * crate::numeric::special::HALF_LN_TAU)
        };
        let log_prob_base = base.chunks_exact(N).map(log_normal).collect();
        Ok(Evaluation {
            log_prob: tensor(log_prob, (batch,))?,
            log_prob_base: tensor(log_prob_base, (batch,))?,
            base: tensor(base, (batch, Const))?,
        })
    }

    /// `repeat` points for each row of features (or `repeat` points in all), as plain rows.
    fn generate<G: Rng + ?Sized>(
        &self,
        features: &[E],
        repeat: usize,
        coordinates: Coordinates,
        rng: &mut G,
    ) -> Result<(Vec<E>, Vec<E>, Vec<E>), Error> {
        let given = conditions::<S, E>(features).unwrap_or(1);
        let count = given * repeat;
        if count == 0 {
            return Err(Error::Empty { argument: if repeat == 0 { "n" } else { "features" } });
        }
        self.push(features, &draw_base(count * S::Blocks::DIM, rng), repeat, coordinates)
    }

    /// Points, log-densities and weights for base points, `repeat` under each row of features.
    pub(super) fn push(
        &self,
        features: &[E],
        base: &[E],
        repeat: usize,
        coordinates: Coordinates,
    ) -> Result<(Vec<E>, Vec<E>, Vec<E>), Error> {
        check_features(features, S::Features::COUNT)?;
        let weights = self.flat_weights();
        let count = base.len() / S::Blocks::DIM;
        let mut points = vec![E::default(); count * coordinates.count::<S::Blocks>()];
        let mut log_prob = vec![E::default(); count];
        let job = Self::job(&weights, features, repeat, coordinates);
        kernels::generate::<S::Blocks, E>(job, base, &mut points, &mut log_prob).map_err(explain::<S::Blocks>)?;
        Ok((points, log_prob, weights))
    }

    fn draw<G: Rng + ?Sized, Sh: Shape, L: Shape>(
        &self,
        features: &[E],
        repeat: usize,
        shapes: (Sh, L),
        coordinates: Coordinates,
        rng: &mut G,
    ) -> Result<Drawn<Sh, L, E>, Error> {
        let (points, log_prob, _) = self.generate(features, repeat, coordinates, rng)?;
        Ok((tensor(points, shapes.0)?, tensor(log_prob, shapes.1)?))
    }

    /// The fused sampling as one operation on the tape, with two results.
    #[allow(clippy::too_many_arguments, reason = "one operation")]
    fn generate_on_tape<G: Rng + ?Sized, Sh: Shape, L: Shape>(
        &self,
        features: Vec<E>,
        give_features: Option<GiveBack<E>>,
        repeat: usize,
        shapes: (Sh, L),
        coordinates: Coordinates,
        tape: OwnedTape<E, Cpu>,
        rng: &mut G,
    ) -> Result<TracedSample<S::Tag, Sh, L, E>, Error> {
        let generated = self.generate(&features, repeat, coordinates, rng)?;
        self.record(generated, (features, give_features), repeat, shapes, coordinates, tape)
    }

    /// Puts generated points, their log-densities and the weights they were generated with on a tape.
    pub(super) fn record<Tag, Sh: Shape, L: Shape>(
        &self,
        (rows, densities, weights): (Vec<E>, Vec<E>, Vec<E>),
        (features, give_features): (Vec<E>, Option<GiveBack<E>>),
        repeat: usize,
        shapes: (Sh, L),
        coordinates: Coordinates,
        mut tape: OwnedTape<E, Cpu>,
    ) -> Result<TracedSample<Tag, Sh, L, E>, Error> {
        let points = tensor(rows.clone(), shapes.0)?;
        let log_prob = tensor(densities, shapes.1)?;
        let (points_handle, density_handle, module) = (points.clone(), log_prob.clone(), self.weights.clone());
        tape.add_backward_op(move |gradients| {
            gradients.try_alloc_for(&points_handle)?;
            gradients.try_alloc_for(&density_handle)?;
            let cot_points = gradients.get(&points_handle).as_vec();
            let cot_log_prob = gradients.get(&density_handle).as_vec();
            let job = Self::job(&weights, &features, repeat, coordinates);
            let back =
                kernels::generate_vjp::<S::Blocks, E>(job, &rows, &cot_points, &cot_log_prob).map_err(unexpected)?;
            give(gradients, &module, back, give_features, None)
        });
        Ok(TracedSample { points, log_prob, tape, tag: PhantomData })
    }
}

/// A backward pass walks the points that the forward pass accepted, so a fault there is not expected; the tape can only say so in its
/// own error type.
pub(super) fn unexpected(_: RowFault) -> CpuError {
    CpuError::WrongNumElements
}

/// Hands gradients to weights, features and points.
pub(super) fn give<E: Element, W: Weights<E>>(
    gradients: &mut Gradients<E, Cpu>,
    module: &W,
    back: PullBack<E>,
    features: Option<GiveBack<E>>,
    points: Option<GiveBack<E>>,
) -> Result<(), CpuError> {
    module.give(gradients, &mut &back.weights[..])?;
    if let Some(give) = features {
        give(gradients, &back.features)?;
    }
    if let Some(give) = points {
        give(gradients, &back.points)?;
    }
    Ok(())
}

/// The absence of given features, as rows.
pub(crate) fn no_features<E: Element>() -> Rows<usize, E, NoneTape> {
    Rows { data: Vec::new(), batch: 0, tape: NoneTape, give: None }
}

/// Log-densities of points with tape `T`, or without one.
type LogProb<B, T, E> = Tensor<(B,), E, Cpu, <NoneTape as Join<T>>::Out>;

/// The shapes of samples of a flow with `N` coordinates: points, log-densities.
type Single<B, const N: usize> = ((B, Const<N>), (B,));
type Many<B, const N: usize> = ((B, usize, Const<N>), (B, usize));

impl<Tag: 'static, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element>
    Flow<Unconditional<Tag, N, M, B>, W, E, Cpu>
{
    /// ln p(x) in intrinsic coordinates (angles on spheres, densities by d theta d phi): shape (batch, N) to (batch).
    ///
    /// `x` is a tensor with or without a tape, a reference to one, or rows `&[[E; N]]`. With a tape, gradients flow to `x` and to all
    /// weights.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let dev = Cpu::default();
    /// let pdf = dev.build_module::<flow!(e2 : gg), f64>();
    /// let x = [[0.3, -1.2], [0.0, 0.5]];
    /// let plain = pdf.log_prob(&x)?;
    ///
    /// // One gradient step of maximum likelihood.
    /// let loss = pdf.log_prob(dev.tensor(x).traced(pdf.alloc_grads()))?.mean().negate();
    /// let gradients = loss.backward();
    /// # let _ = (plain, gradients);
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// A point is not finite or not on its manifold; the batch is empty; a value leaves the range of the numbers.
    pub fn log_prob<X: Points<N, E>>(&self, x: X) -> Result<LogProb<X::Batch, X::Tape, E>, Error>
    where
        NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
    {
        self.evaluate_on_tape(no_features(), x.into_rows()?, Coordinates::Intrinsic)
    }

    /// ln p(x) in embedded coordinates (unit vectors on spheres, densities by the surface measure): (batch, M) to (batch).
    ///
    /// # Errors
    /// As [`log_prob`](Flow::log_prob).
    pub fn log_prob_embedded<X: Points<M, E>>(&self, x: X) -> Result<LogProb<X::Batch, X::Tape, E>, Error>
    where
        NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
    {
        self.evaluate_on_tape(no_features(), x.into_rows()?, Coordinates::Embedded)
    }

    /// ln p(x) in intrinsic coordinates with the penalties of continuous flows (letter `c`).
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::{Penalty, flow};
    ///
    /// let dev = Cpu::default();
    /// let pdf = dev.build_module::<flow!(e2 : c(solver = "rk4", steps = 8)), f64>();
    /// let x = dev.tensor([[0.3, -1.2], [0.0, 0.5]]);
    /// let parts = pdf.log_prob_regularised(x.traced(pdf.alloc_grads()))?;
    /// assert!(parts.kinetic.array().iter().all(|k| *k > 0.0));
    /// let loss = parts.penalised(Penalty { kinetic: 0.01, jacobian: 0.01 }).mean().negate();
    /// let gradients = loss.backward();
    /// # let _ = gradients;
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`log_prob`](Flow::log_prob).
    pub fn log_prob_regularised<X: Points<N, E>>(
        &self,
        x: X,
    ) -> Result<Regularised<X::Batch, E, <NoneTape as Join<X::Tape>>::Out>, Error>
    where
        NoneTape: Join<X::Tape, Out: Tape<E, Cpu>>,
    {
        self.regularise_on_tape(no_features(), x.into_rows()?, Coordinates::Intrinsic)
    }

    /// ln p(x), with the base points and their log-density, without a tape.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let dev = Cpu::default();
    /// let pdf = dev.build_module::<flow!(e2 : x), f64>();
    /// let parts = pdf.evaluate(&[[0.3, -1.2]])?;
    /// assert_eq!(parts.base.array(), [[0.3, -1.2]]);
    /// assert_eq!(parts.log_prob.array(), parts.log_prob_base.array());
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`log_prob`](Flow::log_prob).
    pub fn evaluate<X: Points<N, E>>(&self, x: X) -> Result<Evaluation<X::Batch, N, E>, Error>
    where
        NoneTape: Join<X::Tape, Out = NoneTape>,
    {
        let x = x.into_rows()?;
        self.evaluate_parts(&[], &x.data, x.batch, Coordinates::Intrinsic)
    }

    /// [`evaluate`](Flow::evaluate) for embedded coordinates.
    ///
    /// # Errors
    /// As [`log_prob`](Flow::log_prob).
    pub fn evaluate_embedded<X: Points<M, E>>(&self, x: X) -> Result<Evaluation<X::Batch, N, E>, Error>
    where
        NoneTape: Join<X::Tape, Out = NoneTape>,
    {
        let x = x.into_rows()?;
        self.evaluate_parts(&[], &x.data, x.batch, Coordinates::Embedded)
    }

    /// `n` detached samples in intrinsic coordinates, with their log-density.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let dev = Cpu::default();
    /// use rand::{SeedableRng, rngs::StdRng};
    ///
    /// let pdf = dev.build_module::<flow!(s2 : f), f64>();
    /// let sample = pdf.sample(100, &mut StdRng::seed_from_u64(1))?;
    /// assert_eq!(sample.points.shape(), &(100, Const::<2>));
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// `n` is 0; a value leaves the range of the numbers.
    pub fn sample<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
    ) -> Result<Sample<Tag, (usize, Const<N>), (usize,), E>, Error> {
        let shapes: Single<usize, N> = ((n, Const), (n,));
        let (points, log_prob) = self.draw(&[], n, shapes, Coordinates::Intrinsic, rng)?;
        Ok(Sample { points: Detached(points), log_prob, tag: PhantomData })
    }

    /// `n` detached samples in embedded coordinates.
    ///
    /// # Errors
    /// As [`sample`](Flow::sample).
    pub fn sample_embedded<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
    ) -> Result<Sample<Tag, (usize, Const<M>), (usize,), E>, Error> {
        let shapes: Single<usize, M> = ((n, Const), (n,));
        let (points, log_prob) = self.draw(&[], n, shapes, Coordinates::Embedded, rng)?;
        Ok(Sample { points: Detached(points), log_prob, tag: PhantomData })
    }

    /// `n` samples on the tape in intrinsic coordinates: x = x(z; weights) with z drawn, differentiable by the weights.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let dev = Cpu::default();
    /// use rand::{SeedableRng, rngs::StdRng};
    ///
    /// let pdf = dev.build_module::<flow!(e1 : t), f64>();
    /// // The entropy -E[ln p(x)], and its gradient through the samples.
    /// let sample = pdf.rsample(1000, &mut StdRng::seed_from_u64(1), pdf.alloc_grads())?;
    /// let entropy = sample.into_log_prob().mean().negate();
    /// let gradients = entropy.backward();
    /// // t is x = e^l z + o: the entropy grows by 1 with l, and does not change with o.
    /// let gradient = flow_runtime::trainers::flat_gradient(&pdf, &mut { gradients })?;
    /// assert!(gradient[0].abs() < 1e-12 && (gradient[1] - 1.0).abs() < 0.1);
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`sample`](Flow::sample).
    pub fn rsample<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
        gradients: Gradients<E, Cpu>,
    ) -> Result<TracedSample<Tag, (usize, Const<N>), (usize,), E>, Error> {
        let shapes: Single<usize, N> = ((n, Const), (n,));
        self.generate_on_tape(Vec::new(), None, n, shapes, Coordinates::Intrinsic, tape_of(gradients)?, rng)
    }

    /// `n` samples on the tape in embedded coordinates.
    ///
    /// # Errors
    /// As [`sample`](Flow::sample).
    pub fn rsample_embedded<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
        gradients: Gradients<E, Cpu>,
    ) -> Result<TracedSample<Tag, (usize, Const<M>), (usize,), E>, Error> {
        let shapes: Single<usize, M> = ((n, Const), (n,));
        self.generate_on_tape(Vec::new(), None, n, shapes, Coordinates::Embedded, tape_of(gradients)?, rng)
    }
}

/// A tape that records into these gradients.
pub(super) fn tape_of<E: Element>(gradients: Gradients<E, Cpu>) -> Result<OwnedTape<E, Cpu>, Error> {
    let zero: Tensor<(), E, Cpu> = Cpu::default().try_zeros()?;
    Ok(zero.traced(gradients).split_tape().1)
}

impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element>
    Flow<Conditional<Tag, F, N, M, B>, W, E, Cpu>
{
    /// The density for a batch of features: one row of features, one density.
    ///
    /// `features` is a tensor of shape (batch, features) with or without a tape, a reference to one, rows `&[[E; features]]`, or for a
    /// `cond` list a tuple of these. With a tape (say the output of an encoder network), gradients flow to the features and to all weights;
    /// the density then holds the tape and is used once.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let dev = Cpu::default();
    /// // An encoder of 10 raw numbers, trained with the density it feeds.
    /// let encoder = dev.build_module::<(Linear<10, 16>, Tanh, Linear<16, 4>), f64>();
    /// let pdf = dev.build_module::<flow!(e1 + s2 : gt + f | cond 4), f64>();
    /// let raw: Tensor<Rank2<8, 10>, f64, _> = dev.sample_normal();
    /// let x = [[0.3, 1.1, 4.0]; 8];
    ///
    /// let features = encoder.forward(raw.traced(encoder.alloc_grads()));
    /// let loss = pdf.given(features)?.log_prob(&x)?.mean().negate();
    /// let gradients = loss.backward();
    /// # let _ = gradients;
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// The entries of a list have different numbers of rows.
    pub fn given<X: GivenFeatures<F, E>>(
        &self,
        features: X,
    ) -> Result<GivenFlow<'_, Conditional<Tag, F, N, M, B>, W, E, X::Batch, X::Tape>, Error> {
        Ok(GivenFlow { flow: self, features: features.gather()? })
    }
}

/// A conditional flow with its features given: a batch of densities.
#[must_use = "a density may hold the tape of its features: evaluate it or sample from it"]
pub struct GivenFlow<'a, S, W, E: Element, FB, FT> {
    flow: &'a Flow<S, W, E, Cpu>,
    features: Rows<FB, E, FT>,
}

impl<'a, S, W, E: Element, FB, FT> GivenFlow<'a, S, W, E, FB, FT> {
    pub(crate) fn flow(&self) -> &'a Flow<S, W, E, Cpu> {
        self.flow
    }
    pub(crate) fn features(&self) -> &Rows<FB, E, FT> {
        &self.features
    }
    pub(super) fn into_parts(self) -> (&'a Flow<S, W, E, Cpu>, Rows<FB, E, FT>) {
        (self.flow, self.features)
    }
    pub(super) fn from_parts(flow: &'a Flow<S, W, E, Cpu>, features: Rows<FB, E, FT>) -> Self {
        GivenFlow { flow, features }
    }
}

impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element, FB: Dim, FT>
    GivenFlow<'_, Conditional<Tag, F, N, M, B>, W, E, FB, FT>
{
    /// ln p(x_i | features_i) in intrinsic coordinates: one point for each row of features, (batch, N) to (batch).
    ///
    /// # Errors
    /// A point or a feature is not finite, a point not on its manifold; the numbers of rows differ or are 0; a value leaves the range
    /// of the numbers.
    pub fn log_prob<X: Points<N, E>>(self, x: X) -> Result<Tensor<(X::Batch,), E, Cpu, FT::Out>, Error>
    where
        FT: Join<X::Tape>,
        FT::Out: Tape<E, Cpu>,
    {
        self.flow.evaluate_on_tape(self.features, x.into_rows()?, Coordinates::Intrinsic)
    }

    /// ln p(x_i | features_i) in intrinsic coordinates with the penalties of continuous flows (letter `c`).
    ///
    /// # Errors
    /// As [`log_prob`](GivenFlow::log_prob).
    pub fn log_prob_regularised<X: Points<N, E>>(self, x: X) -> Result<Regularised<X::Batch, E, FT::Out>, Error>
    where
        FT: Join<X::Tape>,
        FT::Out: Tape<E, Cpu>,
    {
        self.flow.regularise_on_tape(self.features, x.into_rows()?, Coordinates::Intrinsic)
    }

    /// ln p(x_i | features_i) in embedded coordinates.
    ///
    /// # Errors
    /// As [`log_prob`](GivenFlow::log_prob).
    pub fn log_prob_embedded<X: Points<M, E>>(self, x: X) -> Result<Tensor<(X::Batch,), E, Cpu, FT::Out>, Error>
    where
        FT: Join<X::Tape>,
        FT::Out: Tape<E, Cpu>,
    {
        self.flow.evaluate_on_tape(self.features, x.into_rows()?, Coordinates::Embedded)
    }
}

impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element, FB: Dim>
    GivenFlow<'_, Conditional<Tag, F, N, M, B>, W, E, FB, NoneTape>
{
    /// ln p, with the base points and their log-density.
    ///
    /// # Errors
    /// As [`log_prob`](GivenFlow::log_prob).
    pub fn evaluate<X: Points<N, E>>(&self, x: X) -> Result<Evaluation<X::Batch, N, E>, Error>
    where
        NoneTape: Join<X::Tape, Out = NoneTape>,
    {
        let x = x.into_rows()?;
        self.flow.evaluate_parts(&self.features.data, &x.data, x.batch, Coordinates::Intrinsic)
    }

    /// [`evaluate`](GivenFlow::evaluate) for embedded coordinates.
    ///
    /// # Errors
    /// As [`log_prob`](GivenFlow::log_prob).
    pub fn evaluate_embedded<X: Points<M, E>>(&self, x: X) -> Result<Evaluation<X::Batch, N, E>, Error>
    where
        NoneTape: Join<X::Tape, Out = NoneTape>,
    {
        let x = x.into_rows()?;
        self.flow.evaluate_parts(&self.features.data, &x.data, x.batch, Coordinates::Embedded)
    }

    /// One detached sample for each row of features, in intrinsic coordinates: (batch) to (batch, N).
    ///
    /// # Errors
    /// A feature is not finite; the batch is empty; a value leaves the range of the numbers.
    pub fn sample<G: Rng + ?Sized>(&self, rng: &mut G) -> Result<Sample<Tag, (FB, Const<N>), (FB,), E>, Error> {
        let batch = self.features.batch;
        let shapes: Single<FB, N> = ((batch, Const), (batch,));
        let (points, log_prob) = self.flow.draw(&self.features.data, 1, shapes, Coordinates::Intrinsic, rng)?;
        Ok(Sample { points: Detached(points), log_prob, tag: PhantomData })
    }

    /// One detached sample for each row of features, in embedded coordinates.
    ///
    /// # Errors
    /// As [`sample`](GivenFlow::sample).
    pub fn sample_embedded<G: Rng + ?Sized>(
        &self,
        rng: &mut G,
    ) -> Result<Sample<Tag, (FB, Const<M>), (FB,), E>, Error> {
        let batch = self.features.batch;
        let shapes: Single<FB, M> = ((batch, Const), (batch,));
        let (points, log_prob) = self.flow.draw(&self.features.data, 1, shapes, Coordinates::Embedded, rng)?;
        Ok(Sample { points: Detached(points), log_prob, tag: PhantomData })
    }

    /// `n` detached samples for each row of features, in intrinsic coordinates: (batch) to (batch, n, N).
    ///
    /// # Errors
    /// As [`sample`](GivenFlow::sample), and `n` is 0.
    pub fn sample_n<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
    ) -> Result<Sample<Tag, (FB, usize, Const<N>), (FB, usize), E>, Error> {
        let batch = self.features.batch;
        let shapes: Many<FB, N> = ((batch, n, Const), (batch, n));
        let (points, log_prob) = self.flow.draw(&self.features.data, n, shapes, Coordinates::Intrinsic, rng)?;
        Ok(Sample { points: Detached(points), log_prob, tag: PhantomData })
    }

    /// `n` detached samples for each row of features, in embedded coordinates: (batch) to (batch, n, M).
    ///
    /// # Errors
    /// As [`sample_n`](GivenFlow::sample_n).
    pub fn sample_n_embedded<G: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut G,
    ) -> Result<Sample<Tag, (FB, usize, Const<M>), (FB, usize), E>, Error> {
        let batch = self.features.batch;
        let shapes: Many<FB, M> = ((batch, n, Const), (batch, n));
        let (points, log_prob) = self.flow.draw(&self.features.data, n, shapes, Coordinates::Embedded, rng)?;
        Ok(Sample { points: Detached(points), log_prob, tag: PhantomData })
    }
}

/// Samples on the tape of the features.
impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B: Blocks, W: Weights<E>, E: Element, FB: Dim>
    GivenFlow<'_, Conditional<Tag, F, N, M, B>, W, E, FB, OwnedTape<E, Cpu>>
{
    fn trace<G: Rng + ?Sized, Sh: Shape, L: Shape>(
        self,
        n: usize,
        shapes: (Sh, L),
        coordinates: Coordinates,
        rng: &mut G,
    ) -> Result<TracedSample<Tag, Sh, L, E>, Error> {
        let Rows { data, tape, give, .. } = self.features;
        self.flow.generate_on_tape(data, give, n, shapes, coordinates, tape, rng)
    }

    /// One sample on the tape for each row of features, in intrinsic coordinates: differentiable by features and weights.
    ///
    /// # Errors
    /// A feature is not finite; the batch is empty; a value leaves the range of the numbers.
    pub fn rsample<G: Rng + ?Sized>(self, rng: &mut G) -> Result<TracedSample<Tag, (FB, Const<N>), (FB,), E>, Error> {
        let batch = self.features.batch;
        let shapes: Single<FB, N> = ((batch, Const), (batch,));
        self.trace(1, shapes, Coordinates::Intrinsic, rng)
    }

    /// One sample on the tape for each row of features, in embedded coordinates.
    ///
    /// # Errors
    /// As [`rsample`](GivenFlow::rsample).
    pub fn rsample_embedded<G: Rng + ?Sized>(
        self,
        rng: &mut G,
    ) -> Result<TracedSample<Tag, (FB, Const<M>), (FB,), E>, Error> {
        let batch = self.features.batch;
        let shapes: Single<FB, M> = ((batch, Const), (batch,));
        self.trace(1, shapes, Coordinates::Embedded, rng)
    }

    /// `n` samples on the tape for each row of features, in intrinsic coordinates: (batch) to (batch, n, N).
    ///
    /// # Errors
    /// As [`rsample`](GivenFlow::rsample), and `n` is 0.
    pub fn rsample_n<G: Rng + ?Sized>(
        self,
        n: usize,
        rng: &mut G,
    ) -> Result<TracedSample<Tag, (FB, usize, Const<N>), (FB, usize), E>, Error> {
        let batch = self.features.batch;
        let shapes: Many<FB, N> = ((batch, n, Const), (batch, n));
        self.trace(n, shapes, Coordinates::Intrinsic, rng)
    }

    /// `n` samples on the tape for each row of features, in embedded coordinates: (batch) to (batch, n, M).
    ///
    /// # Errors
    /// As [`rsample_n`](GivenFlow::rsample_n).
    pub fn rsample_n_embedded<G: Rng + ?Sized>(
        self,
        n: usize,
        rng: &mut G,
    ) -> Result<TracedSample<Tag, (FB, usize, Const<M>), (FB, usize), E>, Error> {
        let batch = self.features.batch;
        let shapes: Many<FB, M> = ((batch, n, Const), (batch, n));
        self.trace(n, shapes, Coordinates::Embedded, rng)
    }
}

const _: fn() = || {
    // The fused operation reports its errors in the device's own type.
    fn error<T: HasErr<Err = CpuError>>() {}
    error::<Cpu>();
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Block, Dense, Free, Plain, Predicted};
    use crate::layers::{Affine, Chain, ContinuousFlow, First, Gaussianization, Last, Layer, Orientation, settings};
    use crate::manifolds::{Circle, Euclidean, Sphere2};
    use crate::module::Penalty;
    use crate::module::points::Features;
    use dfdx::nn::{DeviceBuildExt, NumParams, ZeroGrads};
    use dfdx::optim::{Adam, Optimizer};
    use dfdx::tensor::{AsArray, TensorFrom};
    use dfdx::tensor_ops::{Backward, MeanTo, SumTo};
    use rand::{SeedableRng, rngs::StdRng};

    type E2 = (Gaussianization<2, First, settings::g::num_kde<3, ()>>, (Affine<2, Last, settings::t::cov_type<3>>, ()));
    type S2 = (Orientation<settings::y::add_rotation<1>>, ());
    const E2_PARAMS: usize = <E2 as Chain<Euclidean<2>>>::PARAMS;
    type Head0 = Predicted<0, 3, Plain<(Dense<3, 5>, ()), Dense<5, E2_PARAMS>>>;
    type Head1 = Predicted<0, 3, Plain<(Dense<5, 4>, ()), Dense<4, 9>>>;
    type Pdf = Conditional<(), Features<3>, 4, 5, (Block<Euclidean<2>, E2, Head0>, (Block<Sphere2, S2, Head1>, ()))>;
    type Alone = Unconditional<(), 2, 2, (Block<Euclidean<2>, E2, Free<E2_PARAMS>>, ())>;

    fn excited<S, W, E: Element>(flow: &mut Flow<S, W, E, Cpu>)
    where
        S: Spec,
        W: Weights<E>,
    {
        let mut rng = StdRng::seed_from_u64(5);
        let weights: Vec<E> =
            flow.flat_weights().iter().map(|w| *w + E::narrow(0.4 * rng.sample::<f64, _>(StandardNormal))).collect();
        flow.set_flat_weights(&weights).unwrap();
    }

    #[test]
    fn gradients_of_log_prob_and_of_samples_are_differences() {
        let dev = Cpu::default();
        let mut pdf = dev.build_module::<Pdf, f64>();
        excited(&mut pdf);
        let features = [[0.3, -1.2, 0.8], [1.1, 0.2, -0.4], [0.0, 0.5, 2.0]];
        let x = [[0.3, -0.8, 1.1, 4.0], [1.2, 0.1, 2.2, 0.3], [-0.4, 0.9, 0.2, 6.0]];
        let seeded = || StdRng::seed_from_u64(11);
        // An objective of everything at once: log-densities at given points, samples in both coordinates, and their log-densities.
        let given = |pdf: &Built<Pdf, f64>, features: &[[f64; 3]; 3], x: &[[f64; 4]; 3]| {
            let at = pdf.given(features).unwrap();
            let a = at.log_prob(x).unwrap().mean::<(), _>().array();
            let at = pdf.given(features).unwrap();
            let s = at.sample_n(2, &mut seeded()).unwrap();
            let e = at.sample_n_embedded(2, &mut seeded()).unwrap();
            a + s.log_prob.mean::<(), _>().array()
                + s.points.into_data().mean::<(), _>().array()
                + e.points.into_data().mean::<(), _>().array()
                + 0.5 * e.log_prob.mean::<(), _>().array()
        };
        let f = dev.tensor_from_vec(features.concat(), (3usize, Const::<3>));
        let xt = dev.tensor_from_vec(x.concat(), (3usize, Const::<4>));
        let at = || pdf.given(f.clone().traced(Gradients::leaky())).unwrap();
        let evaluated = at().log_prob(xt.clone().traced(Gradients::leaky())).unwrap().mean::<(), _>().backward();
        let by_x = evaluated.get(&xt).as_vec();
        let sampled = at().rsample_n(2, &mut seeded()).unwrap();
        let sampled = sampled.combine(|x, p| x.mean::<(), _>() + p.mean::<(), _>()).backward();
        let embedded = at().rsample_n_embedded(2, &mut seeded()).unwrap();
        let embedded = embedded.combine(|x, p| x.mean::<(), _>() + p.mean::<(), _>() * 0.5).backward();
        let mut flat = vec![0.0; pdf.flat_weights().len()];
        let mut by_f = [0.0; 9];
        for mut grads in [evaluated, sampled, embedded] {
            by_f.iter_mut().zip(grads.get(&f).as_vec()).for_each(|(a, b)| *a += b);
            let by_weights = crate::trainers::flat_gradient(&pdf, &mut grads).unwrap();
            flat.iter_mut().zip(by_weights).for_each(|(a, b)| *a += b);
        }

        let h = 1e-5;
        let start = pdf.flat_weights();
        for (i, exact) in flat.iter().enumerate() {
            let shifted = |h: f64| {
                let mut other = pdf.clone();
                let mut w = start.clone();
                w[i] += h;
                other.set_flat_weights(&w).unwrap();
                given(&other, &features, &x)
            };
            let numerical = (shifted(h) - shifted(-h)) / (2.0 * h);
            assert!((exact - numerical).abs() < 1e-7, "weight {i}: {exact} {numerical}");
        }
        for i in 0..9 {
            let shifted = |h: f64| {
                let mut other = features;
                other[i / 3][i % 3] += h;
                given(&pdf, &other, &x)
            };
            let numerical = (shifted(h) - shifted(-h)) / (2.0 * h);
            assert!((by_f[i] - numerical).abs() < 1e-7, "feature {i}: {} {numerical}", by_f[i]);
        }
        for i in 0..12 {
            let shifted = |h: f64| {
                let mut other = x;
                other[i / 4][i % 4] += h;
                given(&pdf, &features, &other)
            };
            let numerical = (shifted(h) - shifted(-h)) / (2.0 * h);
            assert!((by_x[i] - numerical).abs() < 1e-7, "point {i}: {} {numerical}", by_x[i]);
        }
    }

    #[test]
    fn gradients_of_penalties_are_differences() {
        const C: usize = <ContinuousFlow<()> as Layer<Circle>>::PARAMS;
        type Head = Predicted<0, 3, Plain<(Dense<3, 4>, ()), Dense<4, C>>>;
        type Pdf =
            Conditional<(), Features<3>, 1, 2, (Block<Circle, (ContinuousFlow<settings::c::solver<1>>, ()), Head>, ())>;
        let mut pdf = Cpu::default().build_module::<Pdf, f64>();
        excited(&mut pdf);
        let features = [[0.3, -1.2, 0.8], [1.1, 0.2, -0.4]];
        let x = [[0.3], [2.8]];
        let f = Cpu::default().tensor_from_vec(features.concat(), (2usize, Const::<3>));
        let at = pdf.given(f.clone().traced(Gradients::leaky())).unwrap();
        let parts = at.log_prob_regularised(&x).unwrap();
        let plain = pdf.given(&features).unwrap().log_prob(&x).unwrap();
        assert_eq!(parts.log_prob.as_vec(), plain.as_vec());
        let penalty = Penalty { kinetic: 0.4, jacobian: 0.2 };
        let mut gradients = parts.penalised(penalty).sum::<(), _>().backward();
        let by_features = gradients.get(&f).as_vec();
        let by_weights = crate::trainers::flat_gradient(&pdf, &mut gradients).unwrap();
        let value = |pdf: &Built<Pdf, f64>, features: &[[f64; 3]; 2]| {
            let parts = pdf.given(features).unwrap().log_prob_regularised(&x).unwrap();
            let sum = |t: &Tensor<(Const<2>,), f64, Cpu>| t.as_vec().iter().sum::<f64>();
            sum(&parts.log_prob) - 0.4 * sum(&parts.kinetic) - 0.2 * sum(&parts.jacobian)
        };
        let (h, start) = (1e-5, pdf.flat_weights());
        for (i, exact) in by_weights.iter().enumerate().step_by(7) {
            let shifted = |h: f64| {
                let (mut other, mut w) = (pdf.clone(), start.clone());
                w[i] += h;
                other.set_flat_weights(&w).unwrap();
                value(&other, &features)
            };
            let numerical = (shifted(h) - shifted(-h)) / (2.0 * h);
            assert!((exact - numerical).abs() < 1e-6 * (1.0 + numerical.abs()), "weight {i}: {exact} {numerical}");
        }
        for (i, exact) in by_features.iter().enumerate() {
            let shifted = |h: f64| {
                let mut other = features;
                other[i / 3][i % 3] += h;
                value(&pdf, &other)
            };
            let numerical = (shifted(h) - shifted(-h)) / (2.0 * h);
            assert!((exact - numerical).abs() < 1e-6 * (1.0 + numerical.abs()), "feature {i}: {exact} {numerical}");
        }
    }

    #[test]
    fn an_equation_that_takes_too_many_steps_says_what_to_loosen() {
        type Short = settings::c::max_steps<2, ()>;
        type Pdf = Unconditional<
            (),
            2,
            2,
            (
                Block<
                    Euclidean<2>,
                    (ContinuousFlow<Short>, ()),
                    Free<{ <ContinuousFlow<()> as Layer<Euclidean<2>>>::PARAMS }>,
                >,
                (),
            ),
        >;
        let mut pdf = Cpu::default().build_module::<Pdf, f64>();
        excited(&mut pdf);
        let at = pdf.log_prob(&[[0.3, -0.2], [1.0, 0.0]]).unwrap_err().to_string();
        assert!(at.contains("row 0") && at.contains("layer 0 (`c`)") && at.contains("loosen `rtol`"), "{at}");
        let at = pdf.sample(3, &mut StdRng::seed_from_u64(1)).unwrap_err().to_string();
        assert!(at.contains("did not converge; its equation may take more steps than `max_steps`"), "{at}");
    }

    #[test]
    fn samples_carry_the_log_prob_of_evaluation_and_do_not_depend_on_the_batch() {
        let dev = Cpu::default();
        let mut pdf = dev.build_module::<Alone, f64>();
        excited(&mut pdf);
        let sample = pdf.sample(1000, &mut StdRng::seed_from_u64(3)).unwrap();
        let log_prob = pdf.log_prob(&sample.points).unwrap().as_vec();
        let rows = sample.points.as_vec();
        for (i, (a, b)) in log_prob.iter().zip(sample.log_prob.as_vec()).enumerate() {
            assert!((a - b).abs() < 1e-9);
            if i % 97 == 0 {
                let single = pdf.log_prob(&[[rows[2 * i], rows[2 * i + 1]]]).unwrap().as_vec()[0];
                assert!((single - a).abs() < 1e-12);
            }
        }
        let parts = pdf.evaluate(&sample.points).unwrap();
        assert_eq!(parts.log_prob.as_vec(), log_prob);
    }

    #[test]
    fn dfdx_optimisers_find_a_gradient_for_every_weight() {
        let dev = Cpu::default();
        let mut pdf = dev.build_module::<Pdf, f32>();
        assert_eq!(pdf.num_trainable_params(), 3 * 5 + 5 + 6 * E2_PARAMS + 5 * 4 + 4 + 5 * 9);
        let mut adam = Adam::new(&pdf, Default::default());
        let features = dev.tensor([[0.3, -1.2, 0.8], [1.1, 0.2, -0.4]]);
        let loss = pdf.given(features.traced(pdf.alloc_grads())).unwrap();
        let loss = loss.log_prob(&[[0.3, -0.8, 1.1, 4.0], [1.2, 0.1, 2.2, 0.3]]).unwrap().mean::<(), _>();
        adam.update(&mut pdf, &loss.backward()).unwrap();
    }

    #[test]
    fn bad_input_is_named() {
        let dev = Cpu::default();
        let pdf = dev.build_module::<Pdf, f64>();
        let good = [[0.0; 3]; 2];
        let message = |x: &[[f64; 4]; 2], f: &[[f64; 3]; 2]| pdf.given(f).unwrap().log_prob(x).unwrap_err().to_string();
        let at = message(&[[0.0; 4], [0.0, f64::NAN, 0.0, 0.0]], &good);
        assert!(at.contains("`x`, row 1: manifold 0 (`e2`): coordinate 1 is NaN"), "{at}");
        let at = message(&[[0.0, 0.0, 4.0, 0.0]; 2], &good);
        assert!(at.contains("row 0: manifold 1 (`s2`): theta is 4") && at.contains("pi/2 - latitude"), "{at}");
        let at = message(&[[0.0; 4]; 2], &[[0.0; 3], [0.0, 0.0, f64::INFINITY]]);
        assert!(at.contains("`features`, row 1: feature 2 is inf"), "{at}");
        let at = pdf.given(&good).unwrap().log_prob(&[[0.0; 4]; 3]).unwrap_err().to_string();
        assert!(at.contains("`x` has 3 rows, but `features` has 2"), "{at}");
        let none: Vec<[f64; 4]> = Vec::new();
        assert!(pdf.given(&Vec::new()).unwrap().log_prob(&none).unwrap_err().to_string().contains("`x` is empty"));
        assert!(pdf.given(&good).unwrap().sample_n(0, &mut StdRng::seed_from_u64(0)).is_err());
        let mut broken = pdf.clone();
        broken.set_flat_weights(&vec![f64::NAN; pdf.flat_weights().len()]).unwrap();
        let at = broken.given(&good).unwrap().log_prob(&[[0.1; 4]; 2]).unwrap_err().to_string();
        assert!(at.contains("row 0") && at.contains("the parameters of manifold 0 (`e2`)"), "{at}");
    }
}
