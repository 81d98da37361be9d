//! The fused operations on densities whose features are in place: evaluation and sampling of whole batches, plain and
//! on the tape.

use super::conditioned::Conditioned;
use super::kernel_calls::{self as calls, BatchGradients, Beside, Cotangents, Request, Wants};
use super::{Coordinates, LogProbParts, Spec, check_features, check_points, tensor};
use crate::density::draw_base;
use crate::error::Error;
use crate::kernels::{Blocks, RowFault};
use crate::layers::PENALTIES;
use crate::module::Element;
use crate::module::cache::PooledVec;
use crate::module::points::{FeatureSpec, GiveBack, Join, RowsOnTape};
use crate::module::samples::{Detached, Regularised, Sample, TracedSample};
use crate::module::weights::Weights;
use core::marker::PhantomData;
use core::ops::Range;
use dfdx::shapes::{Const, Dim, Shape};
use dfdx::tensor::{
    Cpu, CpuError, Gradients, HasErr, NoneTape, OwnedTape, PutTape, SplitTape, Tape, Tensor, Trace, ZerosTensor,
};
use rand::Rng;

/// Which points an evaluation is of, once they are accepted.
pub(in crate::module) struct Accepted {
    /// Points under each row of features.
    pub repeat: usize,
    /// The manifolds that count.
    pub manifolds: Range<usize>,
    /// The coordinates of the points.
    pub coordinates: Coordinates,
}

/// The arguments of an operation on the tape, kept for its backward pass.
pub(in crate::module) struct Arguments<W, E: Element> {
    /// The tensors that the gradients of the weights go to.
    module: W,
    weights: PooledVec<E>,
    features: Vec<E>,
    give_features: Option<GiveBack<E>>,
    points: Vec<E>,
    give_points: Option<GiveBack<E>>,
    repeat: usize,
    coordinates: Coordinates,
}

impl<W: Weights<E>, E: Element> Arguments<W, E> {
    pub fn request(&self) -> Request<'_, E> {
        let Arguments { weights, features, repeat, coordinates, .. } = self;
        let (repeat, coordinates) = (*repeat, *coordinates);
        Request { weights, features, repeat, coordinates, pool: Some(weights.pool()) }
    }

    pub fn points(&self) -> &[E] {
        &self.points
    }

    pub fn wants(&self) -> Wants {
        Wants { features: self.give_features.is_some(), points: self.give_points.is_some() }
    }

    /// Records the backward pass of an operation with these arguments: `cotangents` reads those of its results,
    /// `backward` turns them into gradients, which go to weights, features and points times the factor beside them.
    pub fn record<T: Tape<E, Cpu>, C>(
        self,
        tape: &mut T,
        cotangents: impl FnOnce(&mut Gradients<E, Cpu>) -> Result<C, CpuError> + 'static,
        backward: impl FnOnce(&Self, C) -> Result<(BatchGradients<E>, E), RowFault> + 'static,
    ) {
        tape.add_backward_op(move |gradients| {
            let cot = cotangents(gradients)?;
            // A backward pass walks the points that the forward pass accepted, so a fault there is not expected; the
            // tape can only say so in its own error type.
            let (back, factor) = backward(&self, cot).map_err(|_| CpuError::WrongNumElements)?;
            let Arguments { module, weights, give_features, give_points, .. } = self;
            module.give(gradients, &mut &back.weights[..], factor)?;
            weights.pool().put(back.weights);
            for (give, mut rows) in [(give_features, back.features), (give_points, back.points)] {
                if let Some(give) = give {
                    rows.iter_mut().for_each(|g| *g *= factor);
                    give(gradients, &rows)?;
                }
            }
            Ok(())
        });
    }
}

/// Reads the cotangents of a result when the tape is run.
pub(in crate::module) fn cotangent<Sh: Shape, E: Element>(
    result: &Tensor<Sh, E, Cpu>,
) -> impl FnOnce(&mut Gradients<E, Cpu>) -> Result<Vec<E>, CpuError> + use<Sh, E> {
    let handle = result.clone();
    move |gradients| {
        gradients.try_alloc_for(&handle)?;
        Ok(gradients.get(&handle).as_vec())
    }
}

/// Makes a tape that records into these gradients.
pub(super) fn tape_of<E: Element>(gradients: Gradients<E, Cpu>) -> Result<OwnedTape<E, Cpu>, Error> {
    let zero: Tensor<(), E, Cpu> = Cpu::default().try_zeros()?;
    Ok(zero.traced(gradients).split_tape().1)
}

/// Finds how many rows of `columns` numbers each of `conditions` conditions gets.
fn share_out(argument: &'static str, found: usize, columns: usize, conditions: usize) -> Result<usize, Error> {
    if conditions == 0 {
        return Err(Error::Empty { argument: "features" });
    }
    if found == 0 {
        return Err(Error::Empty { argument });
    }
    let repeat = found / (conditions * columns);
    if found != repeat * conditions * columns {
        return Err(Error::Length { argument, expected: (repeat + 1) * conditions * columns, found });
    }
    Ok(repeat)
}

impl<S: Spec, W: Weights<E>, E: Element, FB: Dim, FT> Conditioned<'_, S, W, E, FB, FT> {
    /// Accepts one point for each row of features, or any number of points where nothing is given.
    pub(in crate::module) fn accept_one_each(
        &self,
        points: &[E],
        rows: usize,
        coordinates: Coordinates,
    ) -> Result<Accepted, Error> {
        if rows == 0 {
            return Err(Error::Empty { argument: "x" });
        }
        let expected = self.features.batch.size();
        if S::Features::COUNT > 0 && expected != rows {
            return Err(Error::Rows { argument: "x", expected, found: rows });
        }
        self.accept(points, 1, coordinates)
    }

    /// Accepts rows of points that are shared out evenly over the rows of features.
    pub(in crate::module) fn accept_shared(&self, points: &[E], coordinates: Coordinates) -> Result<Accepted, Error> {
        let columns = coordinates.count::<S::Blocks>();
        let repeat = share_out("points", points.len(), columns, self.features.batch.size())?;
        self.accept(points, repeat, coordinates)
    }

    fn accept(&self, points: &[E], repeat: usize, coordinates: Coordinates) -> Result<Accepted, Error> {
        check_features(&self.features.data, S::Features::COUNT)?;
        check_points::<S, E>(points, coordinates)?;
        Ok(Accepted { repeat, manifolds: 0..S::Blocks::COUNT, coordinates })
    }

    pub(in crate::module) fn request<'r>(
        &'r self,
        weights: &'r [E],
        repeat: usize,
        coordinates: Coordinates,
    ) -> Request<'r, E> {
        Request { weights, features: &self.features.data, repeat, coordinates, pool: None }
    }

    /// Evaluates points without a tape, whatever tape there is.
    pub(in crate::module) fn evaluate_plain(
        &self,
        accepted: &Accepted,
        points: &[E],
        beside: Beside,
    ) -> Result<calls::Evaluated<E>, Error> {
        let weights = self.flow.weights_now();
        let request = self.request(&weights, accepted.repeat, accepted.coordinates);
        calls::evaluate::<S, E>(request, accepted.manifolds.clone(), points, beside)
    }

    /// Splits into what a recorded operation keeps, and the joined tape.
    pub(in crate::module) fn into_arguments<B, T>(
        self,
        weights: PooledVec<E>,
        points: RowsOnTape<'_, B, E, T>,
        (repeat, coordinates): (usize, Coordinates),
    ) -> (Arguments<W, E>, FT::Out)
    where
        FT: Join<T>,
    {
        let arguments = Arguments {
            module: self.flow.weights.clone(),
            weights,
            features: self.features.data.into_owned(),
            give_features: self.features.give,
            points: points.data.into_owned(),
            give_points: points.give,
            repeat,
            coordinates,
        };
        (arguments, self.features.tape.join(points.tape))
    }

    /// Evaluates points as one operation on the tape, if there is one.
    pub(in crate::module) fn log_prob_accepted<B: Dim, T>(
        self,
        points: RowsOnTape<'_, B, E, T>,
        accepted: Accepted,
    ) -> Result<Tensor<(B,), E, Cpu, FT::Out>, Error>
    where
        FT: Join<T>,
        FT::Out: Tape<E, Cpu>,
    {
        let shape = (points.batch,);
        if !<FT::Out as Tape<E, Cpu>>::OWNS_TAPE {
            let found = self.evaluate_plain(&accepted, &points.data, Beside::Nothing)?;
            return Ok(tensor(found.log_prob, shape)?.put_tape(self.features.tape.join(points.tape)));
        }
        let guess = self.flow.cache.guess();
        let weights = self.flow.weights_for_tape();
        let Accepted { repeat, manifolds, coordinates } = accepted;
        let (arguments, mut tape) = self.into_arguments(weights, points, (repeat, coordinates));
        let (log_prob, ahead) = if guess.is_equal() {
            let (request, wants) = (arguments.request(), arguments.wants());
            let found = calls::evaluate_and_gradients::<S, E>(request, manifolds.clone(), &arguments.points, wants)?;
            (found.0, Some(found.1))
        } else {
            let (request, points) = (arguments.request(), &arguments.points);
            (calls::evaluate::<S, E>(request, manifolds.clone(), points, Beside::Nothing)?.log_prob, None)
        };
        let ahead = guess.expect(ahead);
        let out = tensor(log_prob, shape)?;
        arguments.record(&mut tape, cotangent(&out), move |of, cot| {
            ahead.take(&cot, |cot| {
                let cot = Cotangents::LogProb(cot);
                calls::gradients::<S, E>(of.request(), manifolds, &of.points, of.wants(), cot)
            })
        });
        Ok(out.put_tape(tape))
    }

    /// Evaluates one point for each row of features.
    pub(crate) fn log_prob_in<B: Dim, T>(
        self,
        points: RowsOnTape<'_, B, E, T>,
        coordinates: Coordinates,
    ) -> Result<Tensor<(B,), E, Cpu, FT::Out>, Error>
    where
        FT: Join<T>,
        FT::Out: Tape<E, Cpu>,
    {
        let accepted = self.accept_one_each(&points.data, points.batch.size(), coordinates)?;
        self.log_prob_accepted(points, accepted)
    }

    /// Maps accepted points to base coordinates, as one operation on the tape.
    pub(super) fn inverse_accepted<B: Dim, const N: usize, T>(
        self,
        points: RowsOnTape<'_, B, E, T>,
        accepted: &Accepted,
    ) -> Result<Tensor<(usize, Const<N>), E, Cpu, FT::Out>, Error>
    where
        FT: Join<T>,
        FT::Out: Tape<E, Cpu>,
    {
        let rows = points.batch.size();
        let weights = self.flow.weights_for_tape();
        let manifolds = accepted.manifolds.clone();
        let (arguments, mut tape) = self.into_arguments(weights, points, (accepted.repeat, accepted.coordinates));
        let found = calls::evaluate::<S, E>(arguments.request(), manifolds.clone(), &arguments.points, Beside::Base)?;
        let out: Tensor<_, E, Cpu> = tensor(found.beside, (rows, Const))?;
        if <FT::Out as Tape<E, Cpu>>::OWNS_TAPE {
            arguments.record(&mut tape, cotangent(&out), |of, cot| {
                let cot = Cotangents::Base(&cot);
                Ok((calls::gradients::<S, E>(of.request(), manifolds, &of.points, of.wants(), cot)?, E::narrow(1.0)))
            });
        }
        Ok(out.put_tape(tape))
    }

    /// Evaluates one point for each row of features with penalties, as one operation on the tape with three results.
    pub(crate) fn log_prob_penalised<B: Dim, T>(
        self,
        points: RowsOnTape<'_, B, E, T>,
    ) -> Result<Regularised<B, E, FT::Out>, Error>
    where
        FT: Join<T>,
        FT::Out: Tape<E, Cpu>,
    {
        let batch = points.batch;
        let accepted = self.accept_one_each(&points.data, batch.size(), Coordinates::Intrinsic)?;
        let weights = self.flow.weights_for_tape();
        let (arguments, mut tape) = self.into_arguments(weights, points, (1, Coordinates::Intrinsic));
        let manifolds = accepted.manifolds;
        let found =
            calls::evaluate::<S, E>(arguments.request(), manifolds.clone(), &arguments.points, Beside::Penalties)?;
        let column = |k: usize| tensor(found.beside.chunks_exact(PENALTIES).map(|row| row[k]).collect(), (batch,));
        let (log_prob, kinetic, jacobian) = (tensor(found.log_prob, (batch,))?, column(0)?, column(1)?);
        if <FT::Out as Tape<E, Cpu>>::OWNS_TAPE {
            let of_results = [&log_prob, &kinetic, &jacobian].map(cotangent);
            let cotangents = |gradients: &mut Gradients<E, Cpu>| {
                let [log_prob, kinetic, jacobian] = of_results;
                Ok([log_prob(gradients)?, kinetic(gradients)?, jacobian(gradients)?])
            };
            arguments.record(&mut tape, cotangents, |of, [log_prob, kinetic, jacobian]| {
                let penalties: Vec<E> = kinetic.into_iter().zip(jacobian).flat_map(|(k, j)| [k, j]).collect();
                let cot = Cotangents::Penalised { log_prob: &log_prob, penalties: &penalties };
                Ok((calls::gradients::<S, E>(of.request(), manifolds, &of.points, of.wants(), cot)?, E::narrow(1.0)))
            });
        }
        Ok(Regularised { log_prob, kinetic, jacobian, tape })
    }

    /// Computes log-density, base log-density and base points of one point for each row of features.
    pub(super) fn log_prob_parts<B: Dim, const N: usize, T>(
        &self,
        points: &RowsOnTape<'_, B, E, T>,
        coordinates: Coordinates,
    ) -> Result<LogProbParts<B, N, E>, Error> {
        let batch = points.batch;
        let accepted = self.accept_one_each(&points.data, batch.size(), coordinates)?;
        let calls::Evaluated { log_prob, beside: base } = self.evaluate_plain(&accepted, &points.data, Beside::Base)?;
        let log_normal = |z: &[E]| {
            let sum: f64 = z.iter().map(|z| z.widen() * z.widen()).sum();
            E::narrow(-0.5 * sum - N as f64 * crate::numeric::special::HALF_LN_TAU)
        };
        let log_prob_base = base.chunks_exact(N).map(log_normal).collect();
        Ok(LogProbParts {
            log_prob: tensor(log_prob, (batch,))?,
            log_prob_base: tensor(log_prob_base, (batch,))?,
            base: tensor(base, (batch, Const))?,
        })
    }

    /// Maps rows of base coordinates, `repeat` under each row of features, to points and log-densities.
    pub(in crate::module) fn generate(
        &self,
        weights: &[E],
        base: &[E],
        repeat: usize,
        coordinates: Coordinates,
    ) -> Result<(Vec<E>, Vec<E>), Error> {
        check_features(&self.features.data, S::Features::COUNT)?;
        calls::generate::<S, E>(self.request(weights, repeat, coordinates), base)
    }

    /// Finds how many rows of `base` belong to each row of features.
    pub(in crate::module) fn share_out_base(&self, base: &[E]) -> Result<usize, Error> {
        share_out("base", base.len(), S::Blocks::DIM, self.features.batch.size())
    }

    /// Draws base coordinates for `repeat` points under each row of features.
    fn draw_base<G: Rng + ?Sized>(&self, repeat: usize, rng: &mut G) -> Result<Vec<E>, Error> {
        let count = self.features.batch.size() * repeat;
        if count == 0 {
            return Err(Error::Empty { argument: if repeat == 0 { "n" } else { "features" } });
        }
        Ok(draw_base(count * S::Blocks::DIM, rng))
    }

    /// Draws `repeat` detached samples for each row of features.
    pub(super) fn sample_shaped<G: Rng + ?Sized, Sh: Shape, L: Shape, C>(
        &self,
        repeat: usize,
        shapes: (Sh, L),
        coordinates: Coordinates,
        rng: &mut G,
    ) -> Result<Sample<S::Tag, Sh, L, E, C>, Error> {
        let base = self.draw_base(repeat, rng)?;
        let (points, log_prob) = self.generate(&self.flow.weights_now(), &base, repeat, coordinates)?;
        let (points, log_prob) = (Detached(tensor(points, shapes.0)?), tensor(log_prob, shapes.1)?);
        Ok(Sample { points, log_prob, tag: PhantomData })
    }
}

impl<S: Spec, W: Weights<E>, E: Element, FB: Dim> Conditioned<'_, S, W, E, FB, OwnedTape<E, Cpu>> {
    /// Draws `repeat` samples on the tape for each row of features.
    pub(super) fn rsample_shaped<G: Rng + ?Sized, Sh: Shape, L: Shape, C>(
        self,
        repeat: usize,
        shapes: (Sh, L),
        coordinates: Coordinates,
        rng: &mut G,
    ) -> Result<TracedSample<S::Tag, Sh, L, E, C>, Error> {
        let base = self.draw_base(repeat, rng)?;
        self.generate_traced(&base, repeat, shapes, coordinates)
    }

    /// Maps rows of base coordinates to points and log-densities, as one operation on the tape with two results.
    pub(super) fn generate_traced<Tag, Sh: Shape, L: Shape, C>(
        self,
        base: &[E],
        repeat: usize,
        shapes: (Sh, L),
        coordinates: Coordinates,
    ) -> Result<TracedSample<Tag, Sh, L, E, C>, Error> {
        let weights = self.flow.weights_for_tape();
        let (rows, densities) = self.generate(&weights, base, repeat, coordinates)?;
        let (points, log_prob) = (tensor(rows.clone(), shapes.0)?, tensor(densities, shapes.1)?);
        let rows = RowsOnTape::<_, _, NoneTape>::plain(rows, ());
        let (arguments, mut tape) = self.into_arguments(weights, rows, (repeat, coordinates));
        let (of_points, of_log_prob) = (cotangent(&points), cotangent(&log_prob));
        let cotangents = |gradients: &mut Gradients<E, Cpu>| Ok((of_points(gradients)?, of_log_prob(gradients)?));
        arguments.record(&mut tape, cotangents, |of, (points, log_prob)| {
            let wants_features = of.wants().features;
            let cot = [&points[..], &log_prob];
            Ok((calls::generate_gradients::<S, E>(of.request(), &of.points, wants_features, cot)?, E::narrow(1.0)))
        });
        Ok(TracedSample { points, log_prob, tape, tag: PhantomData })
    }
}

const _: fn() = || {
    // The fused operation reports its errors in the device's own type.
    fn error<T: HasErr<Err = CpuError>>() {}
    error::<Cpu>();
};
