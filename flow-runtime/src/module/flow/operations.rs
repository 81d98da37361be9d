//! The fused operations: evaluation and sampling of whole batches, plain and on the tape.

use super::{
    Coordinates, Evaluation, Flow, Spec, check_features, check_points, conditions, draw_base, explain, tensor,
};
use crate::error::Error;
use crate::kernels::{self, Blocks, Job, PullBack, RowFault, Wanted};
use crate::layers::PENALTIES;
use crate::module::Element;
use crate::module::memory::Lent;
use crate::module::points::{FeatureSpec, GiveBack, Join, Rows};
use crate::module::samples::{Regularised, TracedSample};
use crate::module::weights::Weights;
use core::marker::PhantomData;
use core::ops::Range;
use dfdx::shapes::{Const, Dim, Shape};
use dfdx::tensor::{
    Cpu, CpuError, Gradients, HasErr, NoneTape, OwnedTape, PutTape, SplitTape, Tape, Tensor, Trace, ZerosTensor,
};
use rand::Rng;

/// Rows of points, and their log-densities.
type Pushed<E> = (Vec<E>, Vec<E>);

/// Samples in two shapes: points, and their log-densities.
type Drawn<Sh, L, E> = (Tensor<Sh, E, Cpu>, Tensor<L, E, Cpu>);

impl<S: Spec, W: Weights<E>, E: Element> Flow<S, W, E, Cpu> {
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
    pub(in crate::module) fn evaluate_part_on_tape<B: Dim, FB, FT, T>(
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
        let mut log_prob = vec![E::default(); batch.size()];
        let mut tape = features.tape.join(points.tape);
        if !<FT::Out as Tape<E, Cpu>>::OWNS_TAPE {
            let weights = self.weights_now();
            let job = Self::job(&weights, &features.data, repeat, coordinates);
            kernels::evaluate_part::<S::Blocks, E>(job, part, &points.data, &mut log_prob, &mut [])
                .map_err(explain::<S::Blocks>)?;
            return Ok(tensor(log_prob, (batch,))?.put_tape(tape));
        }
        let weights = self.weights_for_tape();
        let wanted = Wanted { features: features.give.is_some(), points: points.give.is_some() };
        let job = Self::tape_job(&weights, &features.data, repeat, coordinates);
        let habit = self.memory.habit();
        let gradient = if habit.is_equal() {
            let (part, points, log_prob) = (part.clone(), &points.data, &mut log_prob);
            let found = kernels::evaluate_part_and_vjp::<S::Blocks, E>(job, wanted, part, points, log_prob);
            Some(found.map_err(explain::<S::Blocks>)?)
        } else {
            kernels::evaluate_part::<S::Blocks, E>(job, part.clone(), &points.data, &mut log_prob, &mut [])
                .map_err(explain::<S::Blocks>)?;
            None
        };
        let ahead = habit.expect(gradient);
        let out = tensor(log_prob, (batch,))?;
        let (handle, module) = (out.clone(), self.weights.clone());
        let (features, give_features) = (features.data, features.give);
        let (points, give_points) = (points.data, points.give);
        tape.add_backward_op(move |gradients| {
            gradients.try_alloc_for(&handle)?;
            let cot = gradients.get(&handle).as_vec();
            let pull = |cot: &[E]| {
                let job = Self::tape_job(&weights, &features, repeat, coordinates);
                kernels::evaluate_part_vjp::<S::Blocks, E>(job, wanted, part, &points, cot)
            };
            let back = ahead.pull(&cot, pull).map_err(unexpected)?;
            give(gradients, &module, &weights, back, give_features, give_points)
        });
        Ok(out.put_tape(tape))
    }

    /// Base coordinates as one operation on the tape, of points which have been checked.
    pub(in crate::module) fn base_on_tape<B: Dim, const N: usize, FB, FT, T>(
        &self,
        features: Rows<FB, E, FT>,
        points: Rows<B, E, T>,
        repeat: usize,
    ) -> Result<Tensor<(usize, Const<N>), E, Cpu, FT::Out>, Error>
    where
        FT: Join<T>,
        FT::Out: Tape<E, Cpu>,
    {
        let coordinates = Coordinates::Intrinsic;
        let rows = points.batch.size();
        let weights = self.weights_for_tape();
        let (mut log_prob, mut base) = (vec![E::default(); rows], vec![E::default(); rows * N]);
        let job = Self::job(&weights, &features.data, repeat, coordinates);
        kernels::evaluate::<S::Blocks, E>(job, &points.data, &mut log_prob, &mut base).map_err(explain::<S::Blocks>)?;
        let out: Tensor<_, E, Cpu> = tensor(base, (rows, Const))?;
        let mut tape = features.tape.join(points.tape);
        if <FT::Out as Tape<E, Cpu>>::OWNS_TAPE {
            let (handle, module) = (out.clone(), self.weights.clone());
            let (features, give_features) = (features.data, features.give);
            let (points, give_points) = (points.data, points.give);
            tape.add_backward_op(move |gradients| {
                gradients.try_alloc_for(&handle)?;
                let cot = gradients.get(&handle).as_vec();
                let job = Self::tape_job(&weights, &features, repeat, coordinates);
                let wanted = Wanted { features: give_features.is_some(), points: give_points.is_some() };
                let back = kernels::base_vjp::<S::Blocks, E>(job, wanted, &points, &cot).map_err(unexpected)?;
                give(gradients, &module, &weights, back, give_features, give_points)
            });
        }
        Ok(out.put_tape(tape))
    }

    /// The fused evaluation with penalties as one operation on the tape, with three results.
    pub(super) fn regularise_on_tape<B: Dim, FB, FT, T>(
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
        let weights = self.weights_for_tape();
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
                let wanted = Wanted { features: give_features.is_some(), points: give_points.is_some() };
                let penalties: Vec<E> = kinetic.into_iter().zip(jacobian).flat_map(|(k, j)| [k, j]).collect();
                let job = Self::tape_job(&weights, &features, 1, coordinates);
                let back = kernels::evaluate_penalised_vjp::<S::Blocks, E>(job, wanted, &points, &cot, &penalties)
                    .map_err(unexpected)?;
                give(gradients, &module, &weights, back, give_features, give_points)
            });
        }
        Ok(Regularised { log_prob, kinetic, jacobian, tape })
    }

    pub(in crate::module) fn job<'a>(
        weights: &'a [E],
        features: &'a [E],
        repeat: usize,
        coordinates: Coordinates,
    ) -> Job<'a, E> {
        Job { weights, features, feature_count: S::Features::COUNT, repeat, coordinates, pool: None }
    }

    /// The same for gradients, which take room from where the weights came from.
    pub(in crate::module) fn tape_job<'a>(
        weights: &'a Lent<E>,
        features: &'a [E],
        repeat: usize,
        coordinates: Coordinates,
    ) -> Job<'a, E> {
        Job { pool: Some(weights.pool()), ..Self::job(weights, features, repeat, coordinates) }
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
    pub(super) fn evaluate_parts<B: Dim, const N: usize>(
        &self,
        features: &[E],
        points: &[E],
        batch: B,
        coordinates: Coordinates,
    ) -> Result<Evaluation<B, N, E>, Error> {
        let rows = batch.size();
        self.check(features, points, rows, coordinates)?;
        let weights = self.weights_now();
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
        weights: &[E],
        features: &[E],
        repeat: usize,
        coordinates: Coordinates,
        rng: &mut G,
    ) -> Result<Pushed<E>, Error> {
        let given = conditions::<S, E>(features).unwrap_or(1);
        let count = given * repeat;
        if count == 0 {
            return Err(Error::Empty { argument: if repeat == 0 { "n" } else { "features" } });
        }
        self.push(weights, features, &draw_base(count * S::Blocks::DIM, rng), repeat, coordinates)
    }

    /// Points and log-densities for base points, `repeat` under each row of features.
    pub(in crate::module) fn push(
        &self,
        weights: &[E],
        features: &[E],
        base: &[E],
        repeat: usize,
        coordinates: Coordinates,
    ) -> Result<Pushed<E>, Error> {
        check_features(features, S::Features::COUNT)?;
        let count = base.len() / S::Blocks::DIM;
        let mut points = vec![E::default(); count * coordinates.count::<S::Blocks>()];
        let mut log_prob = vec![E::default(); count];
        let job = Self::job(weights, features, repeat, coordinates);
        kernels::generate::<S::Blocks, E>(job, base, &mut points, &mut log_prob).map_err(explain::<S::Blocks>)?;
        Ok((points, log_prob))
    }

    pub(super) fn draw<G: Rng + ?Sized, Sh: Shape, L: Shape>(
        &self,
        features: &[E],
        repeat: usize,
        shapes: (Sh, L),
        coordinates: Coordinates,
        rng: &mut G,
    ) -> Result<Drawn<Sh, L, E>, Error> {
        let (points, log_prob) = self.generate(&self.weights_now(), features, repeat, coordinates, rng)?;
        Ok((tensor(points, shapes.0)?, tensor(log_prob, shapes.1)?))
    }

    /// The fused sampling as one operation on the tape, with two results.
    #[allow(clippy::too_many_arguments, reason = "one operation")]
    pub(super) fn generate_on_tape<G: Rng + ?Sized, Sh: Shape, L: Shape, C>(
        &self,
        features: Vec<E>,
        give_features: Option<GiveBack<E>>,
        repeat: usize,
        shapes: (Sh, L),
        coordinates: Coordinates,
        tape: OwnedTape<E, Cpu>,
        rng: &mut G,
    ) -> Result<TracedSample<S::Tag, Sh, L, E, C>, Error> {
        let weights = self.weights_for_tape();
        let generated = self.generate(&weights, &features, repeat, coordinates, rng)?;
        self.record((weights, generated), (features, give_features), repeat, shapes, coordinates, tape)
    }

    /// Puts generated points, their log-densities and the weights they were generated with on a tape.
    pub(in crate::module) fn record<Tag, Sh: Shape, L: Shape, C>(
        &self,
        (weights, (rows, densities)): (Lent<E>, Pushed<E>),
        (features, give_features): (Vec<E>, Option<GiveBack<E>>),
        repeat: usize,
        shapes: (Sh, L),
        coordinates: Coordinates,
        mut tape: OwnedTape<E, Cpu>,
    ) -> Result<TracedSample<Tag, Sh, L, E, C>, Error> {
        let points = tensor(rows.clone(), shapes.0)?;
        let log_prob = tensor(densities, shapes.1)?;
        let (points_handle, density_handle, module) = (points.clone(), log_prob.clone(), self.weights.clone());
        tape.add_backward_op(move |gradients| {
            gradients.try_alloc_for(&points_handle)?;
            gradients.try_alloc_for(&density_handle)?;
            let cot_points = gradients.get(&points_handle).as_vec();
            let cot_log_prob = gradients.get(&density_handle).as_vec();
            let job = Self::tape_job(&weights, &features, repeat, coordinates);
            let wants = give_features.is_some();
            let back = kernels::generate_vjp::<S::Blocks, E>(job, wants, &rows, &cot_points, &cot_log_prob)
                .map_err(unexpected)?;
            give(gradients, &module, &weights, back, give_features, None)
        });
        Ok(TracedSample { points, log_prob, tape, tag: PhantomData })
    }
}

/// A backward pass walks the points that the forward pass accepted, so a fault there is not expected; the tape can only say so in its
/// own error type.
pub(in crate::module) fn unexpected(_: RowFault) -> CpuError {
    CpuError::WrongNumElements
}

/// Hands gradients to weights, features and points.
pub(in crate::module) fn give<E: Element, W: Weights<E>>(
    gradients: &mut Gradients<E, Cpu>,
    module: &W,
    weights: &Lent<E>,
    back: PullBack<E>,
    features: Option<GiveBack<E>>,
    points: Option<GiveBack<E>>,
) -> Result<(), CpuError> {
    module.give(gradients, &mut &back.weights[..])?;
    weights.pool().put(back.weights);
    if let Some(give) = features {
        give(gradients, &back.features)?;
    }
    if let Some(give) = points {
        give(gradients, &back.points)?;
    }
    Ok(())
}

/// The absence of given features, as rows.
pub(in crate::module) fn no_features<E: Element>() -> Rows<usize, E, NoneTape> {
    Rows { data: Vec::new(), batch: 0, tape: NoneTape, give: None }
}

/// A tape that records into these gradients.
pub(in crate::module) fn tape_of<E: Element>(gradients: Gradients<E, Cpu>) -> Result<OwnedTape<E, Cpu>, Error> {
    let zero: Tensor<(), E, Cpu> = Cpu::default().try_zeros()?;
    Ok(zero.traced(gradients).split_tape().1)
}

const _: fn() = || {
    // The fused operation reports its errors in the device's own type.
    fn error<T: HasErr<Err = CpuError>>() {}
    error::<Cpu>();
};
