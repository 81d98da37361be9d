//! Layer c: a continuous flow, the solution of an ordinary differential equation.
//!
//! # Formula
//! With a velocity field v(y, t; w) on Euclidean space (FFJORD, arXiv:1810.01367) or along a sphere (arXiv:2006.10254, arXiv:2006.06663),
//!
//! ```text
//! dy/dt = v(y, t)     y(0) = x on the target side, y(1) = z on the base side
//! inverse x -> z from t = 0 to 1, forward z -> x from t = 1 to 0
//! ln|dz/dx| = integral over t from 0 to 1 of div v(y(t), t)
//! ```
//!
//! The field is a tanh perceptron of (y, t) whose weights are the layer's parameters (field.rs); on a sphere the tangential part of it. The divergence is exact, or
//! Hutchinson's estimate from fixed directions. On spheres the equation is solved in the ambient space and the point put back onto the sphere after each step: no chart, no
//! pole, no seam. (The layer of layers.md 8.3 works in charts whose logarithm is clipped and takes the charts' centres for constants, which costs it 7e-6 in the round trip
//! and its gradients, Q4, Q5; parameters stand there twice, Q25. Its options `num_charts` and `step_size` have no meaning here.)
//!
//! # Solvers
//! `dopri5`: steps by error control, each point for itself, so that its result does not depend on the batch it comes in; what is not done within `max_steps` steps is an error that names layer and
//! row. `rk4`: `steps` equal steps of the 3/8 rule. Both directions are as exact as the solver, and so are round trips: choose `rtol` and `atol` (or
//! `steps`) by the precision that is wanted. Tolerances below 32 units in the last place of the number type count as that.
//!
//! # Derivatives
//! `gradients = "discrete"`: exact for the steps that were taken (their lengths held constant). All steps are kept: D + 2 numbers each, where D is the number of embedded
//! coordinates, `max_steps` or `steps` of them, for the points that are worked on at a time. `gradients = "adjoint"`: by the adjoint equation, solved backwards piece by piece between
//! `checkpoints` kept positions, so that memory does not grow with the number of steps and errors of going back do not grow along the whole path; exact to the solver's tolerance. The forward map's derivative at a point
//! that came from an evaluation integrates the forward map anew from the base side.
//!
//! # Hutchinson's estimate
//! With `divergence = "hutchinson"` the same `probes` directions serve every point, so that a log-density is a function. It is then no density to the last digit: off-diagonal
//! derivatives enter the trace (field.rs says which), and a long maximum-likelihood fit learns to profit from that. Judge such a fit with the exact divergence: the
//! parameters are the same. With a power of two of probes, at least D, the estimate is the exact trace.
//!
//! # Parameters
//! For each matrix of the network its weights row by row, then its bias; inputs are the D embedded coordinates and t, outputs D.
//! They start uniform within 1/sqrt(inputs of the matrix), the last matrix and bias a tenth of that: the flow starts near the identity, at
//! no point where gradients vanish.

mod field;
mod pull;
mod solve;
mod tableau;
#[cfg(test)]
mod tests;

use super::hidden_dims::HiddenDims;
use super::{Layer, Options, PENALTIES, StateTensor};
use crate::manifolds::{Circle, Euclidean, Manifold, Sphere, Sphere2};
use crate::numeric::{Lift, Mask, Real, Scalar};
use core::marker::PhantomData;
use field::{Field, RATES, Shape};
use flow_notation::Written;
use flow_notation::options::{ContinuousOptions, Divergence, Gradients, Solver};
use pull::Cotangents;
use rand::{Rng, RngExt};
use solve::{Method, Work};

/// A manifold that a velocity field can flow along.
pub trait FlowSpace: Manifold {
    /// Whether embedded coordinates are unit vectors; else they are those of a Euclidean space.
    const SPHERE: bool;
}
impl<const D: usize> FlowSpace for Euclidean<D> {
    const SPHERE: bool = false;
}
impl FlowSpace for Circle {
    const SPHERE: bool = true;
}
impl FlowSpace for Sphere2 {
    const SPHERE: bool = true;
}
impl<const D: usize> FlowSpace for Sphere<D> {
    const SPHERE: bool = true;
}

/// Layer c: the flow along a velocity field given by a network. See the options in [`ContinuousOptions`].
pub struct ContinuousFlow<Opts>(PhantomData<Opts>);

/// How much smaller the last matrix starts.
const START: f64 = 0.1;

/// The direction of the path in a scratch, and its number of steps.
const HEAD: usize = 2;

/// A layer's scratch: the path that was walked, and space to work in.
struct Path<'a, R> {
    head: &'a mut [R],
    target: &'a mut [R],
    base: &'a mut [R],
    /// Steps, or checkpoints.
    record: &'a mut [R],
    work: Work<'a, R>,
}

impl<Opts: Options<ContinuousOptions>> ContinuousFlow<Opts> {
    const OPTIONS: ContinuousOptions = Opts::VALUE;
    const ADJOINT: bool = matches!(Self::OPTIONS.gradients, Gradients::Adjoint);
    /// Intervals between checkpoints.
    const PIECES: usize = if Self::ADJOINT { Self::OPTIONS.checkpoints as usize } else { 1 };
    const METHOD: Method = Method {
        tableau: match Self::OPTIONS.solver {
            Solver::Dopri5 => &tableau::DOPRI5,
            Solver::Rk4 => &tableau::RK4,
        },
        steps: match Self::OPTIONS.solver {
            Solver::Dopri5 => Self::OPTIONS.max_steps as usize,
            Solver::Rk4 => (Self::OPTIONS.steps as usize).div_ceil(Self::PIECES),
        },
        rtol: Self::OPTIONS.rtol,
        atol: Self::OPTIONS.atol,
    };

    const fn shape<M: FlowSpace>() -> Shape {
        let n = M::EMBED;
        let probes = match Self::OPTIONS.divergence {
            Divergence::Exact => None,
            Divergence::Hutchinson => Some(Self::OPTIONS.probes as usize),
        };
        Shape::new(n, M::SPHERE, probes, HiddenDims::new(Self::OPTIONS.cnf_network_hidden_dims).network(n + 1, n))
    }

    const fn record<M: FlowSpace>() -> usize {
        if Self::ADJOINT { Self::PIECES * M::EMBED } else { Self::METHOD.steps * solve::slot(M::EMBED) }
    }

    const fn scratch<M: FlowSpace>() -> usize {
        HEAD + 2 * M::EMBED + Self::record::<M>() + Work::<f64>::size(&Self::shape::<M>(), Self::METHOD.tableau)
    }

    #[inline]
    fn path<M: FlowSpace, R: Real>(scratch: &mut [R]) -> Path<'_, R> {
        let (head, rest) = scratch.split_at_mut(HEAD);
        let (target, rest) = rest.split_at_mut(M::EMBED);
        let (base, rest) = rest.split_at_mut(M::EMBED);
        let (record, rest) = rest.split_at_mut(Self::record::<M>());
        Path { head, target, base, record, work: Work::cut(&Self::shape::<M>(), Self::METHOD.tableau, rest) }
    }

    fn field<M: FlowSpace, P>(weights: &[P], penalised: bool) -> Field<'_, P> {
        Field { shape: const { Self::shape::<M>() }, weights, penalised }
    }

    /// How often the field is evaluated on the way from a target point to its base point.
    pub fn evaluations<M: FlowSpace, T: Scalar>(params: &[T], target: &[T]) -> usize {
        let mut scratch = vec![T::narrow(0.0); Self::scratch::<M>()];
        let field = Self::field::<M, T>(params, false);
        let mut path = Self::path::<M, T>(&mut scratch);
        let (y, method) = (path.base, Self::METHOD);
        y.copy_from_slice(target);
        let mut count = 0;
        for piece in 0..Self::PIECES {
            let times = Self::piece(true, piece);
            let mut integrals = [T::narrow(0.0); RATES];
            let (steps, _) = solve::march(&field, &method, times, y, &mut integrals, &mut [], &mut path.work);
            // With error control the last slope of a step is the first one of the next.
            count +=
                if method.adaptive() { 1 + steps * method.tableau.stages() } else { steps * method.tableau.stages() };
        }
        count
    }

    /// The times of a piece, in the order in which they are passed.
    fn piece(inverse: bool, piece: usize) -> [f64; 2] {
        let time = |k: usize| k as f64 / Self::PIECES as f64;
        if inverse {
            [time(piece), time(piece + 1)]
        } else {
            [time(Self::PIECES - piece), time(Self::PIECES - piece - 1)]
        }
    }

    /// Walks the path from its start to its end; returns the integrals of the rates and the lanes that did not arrive.
    #[inline]
    fn walk<R: Real, P: Lift<R>>(field: &Field<'_, P>, inverse: bool, path: &mut Path<'_, R>) -> ([R; RATES], R::Mask) {
        let n = field.shape.n;
        let Path { head, target, base, record, work } = path;
        let (start, y) = if inverse { (target, base) } else { (base, target) };
        y.copy_from_slice(start);
        let (mut integrals, mut failed, mut steps) = ([R::zero(); RATES], R::Mask::splat(false), 0);
        for piece in 0..Self::PIECES {
            let times = Self::piece(inverse, piece);
            let kept = if Self::ADJOINT {
                record[piece * n..][..n].copy_from_slice(y);
                &mut []
            } else {
                &mut **record
            };
            let (taken, late) = solve::march(field, &Self::METHOD, times, y, &mut integrals, kept, work);
            steps = taken;
            failed = failed | late;
        }
        head.copy_from_slice(&[R::constant(if inverse { 1.0 } else { -1.0 }), R::constant(steps as f64)]);
        (integrals, failed)
    }

    /// Cotangents of [`Self::walk`].
    #[inline]
    fn walk_back<R: Real, P: Lift<R>>(
        field: &Field<'_, P>,
        inverse: bool,
        path: &mut Path<'_, R>,
        cotangents: Cotangents<'_, R>,
    ) {
        let Cotangents { point: cot, integrals, weights } = cotangents;
        let n = field.shape.n;
        let walked = if inverse { path.head[0].gt(R::zero()) } else { path.head[0].lt(R::zero()) };
        if !walked.all() {
            Self::walk(field, inverse, path);
        }
        let Path { head, target, base, record, work } = path;
        if Self::ADJOINT {
            let y = if inverse { base } else { target };
            for piece in (0..Self::PIECES).rev() {
                let times = Self::piece(inverse, piece);
                let here = Cotangents { point: &mut *cot, integrals, weights: &mut *weights };
                let late = pull::adjoint(field, &Self::METHOD, times, y, here, work);
                // A derivative that was not reached is no number, which whoever uses it is told.
                cot.iter_mut().for_each(|c| *c = R::select(late, R::constant(f64::NAN), *c));
                y.copy_from_slice(&record[piece * n..][..n]);
            }
            // The position went back to the start.
            head[0] = R::zero();
        } else {
            let steps = (0..Self::METHOD.steps).take_while(|k| R::constant(*k as f64).lt(head[1]).any()).count();
            let record = &record[..steps * solve::slot(n)];
            let here = Cotangents { point: cot, integrals, weights };
            pull::discrete(field, &Self::METHOD, record, here, work);
        }
    }
}

impl<M: FlowSpace, Opts: Options<ContinuousOptions>> Layer<M> for ContinuousFlow<Opts> {
    const PARAMS: usize = Self::shape::<M>().params();
    const PREPARED: usize = Self::shape::<M>().params();
    const SCRATCH: usize = Self::scratch::<M>();
    const NAME: &'static str = "c";
    const ADVICE: &'static str = match Self::OPTIONS.solver {
        Solver::Dopri5 => {
            "; its equation may take more steps than `max_steps`: allow more, or loosen `rtol` and `atol`"
        }
        Solver::Rk4 => "",
    };

    fn options() -> Vec<Written> {
        Opts::VALUE.written()
    }

    fn state() -> Vec<StateTensor> {
        let name = "cnf_network.u_v_b_pars";
        let shape = vec![1, <Self as Layer<M>>::PARAMS];
        vec![StateTensor { name, copy: Some("func.func.func.u_v_b_pars"), shape }]
    }

    fn initial<G: Rng + ?Sized>(rng: &mut G, params: &mut [f64]) {
        let shape = Self::shape::<M>();
        let (widths, mut rest) = (shape.widths(), params);
        for (level, pair) in widths.windows(2).enumerate() {
            let (own, later) = rest.split_at_mut((pair[0] + 1) * pair[1]);
            let last = level + 2 == widths.len();
            let most = if last { START } else { 1.0 } / (pair[0] as f64).sqrt();
            own.iter_mut().for_each(|w| *w = rng.random_range(-most..most));
            rest = later;
        }
    }

    #[inline]
    fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        prepared.copy_from_slice(params);
    }
    #[inline]
    fn prepare_vjp<P: Real>(_: &[P], _: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        cot_params.iter_mut().zip(cot_prepared).for_each(|(bar, cot)| *bar += *cot);
    }

    #[inline]
    fn inverse<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        let mut path = Self::path::<M, R>(scratch);
        path.target.copy_from_slice(x);
        let ([divergence, ..], failed) = Self::walk(&Self::field::<M, P>(prepared, false), true, &mut path);
        x.copy_from_slice(path.base);
        *log_det += R::select(failed, R::constant(f64::NAN), divergence);
    }

    #[inline]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let field = Self::field::<M, P>(prepared, false);
        let cotangents =
            Cotangents { point: cot, integrals: [cot_log_det, R::zero(), R::zero()], weights: cot_prepared };
        Self::walk_back(&field, true, &mut Self::path::<M, R>(scratch), cotangents);
    }

    #[inline]
    fn inverse_penalised<R: Real, P: Lift<R>>(
        prepared: &[P],
        x: &mut [R],
        log_det: &mut R,
        penalties: &mut [R; PENALTIES],
        scratch: &mut [R],
    ) {
        let mut path = Self::path::<M, R>(scratch);
        path.target.copy_from_slice(x);
        let ([divergence, energy, norm], failed) = Self::walk(&Self::field::<M, P>(prepared, true), true, &mut path);
        x.copy_from_slice(path.base);
        *log_det += R::select(failed, R::constant(f64::NAN), divergence);
        penalties[0] += energy;
        penalties[1] += norm;
    }

    #[inline]
    fn inverse_penalised_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        [cot_energy, cot_norm]: [R; PENALTIES],
        cot_prepared: &mut [R],
    ) {
        let field = Self::field::<M, P>(prepared, true);
        let cotangents =
            Cotangents { point: cot, integrals: [cot_log_det, cot_energy, cot_norm], weights: cot_prepared };
        Self::walk_back(&field, true, &mut Self::path::<M, R>(scratch), cotangents);
    }

    // Time runs backwards: the integral from 1 to 0 of the divergence is the log-determinant as it stands.
    #[inline]
    fn forward<R: Real, P: Lift<R>>(prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        let mut path = Self::path::<M, R>(scratch);
        path.base.copy_from_slice(z);
        let ([divergence, ..], failed) = Self::walk(&Self::field::<M, P>(prepared, false), false, &mut path);
        z.copy_from_slice(path.target);
        *log_det += divergence;
        failed
    }

    #[inline]
    fn forward_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let field = Self::field::<M, P>(prepared, false);
        let cotangents =
            Cotangents { point: cot, integrals: [cot_log_det, R::zero(), R::zero()], weights: cot_prepared };
        Self::walk_back(&field, false, &mut Self::path::<M, R>(scratch), cotangents);
    }
}
