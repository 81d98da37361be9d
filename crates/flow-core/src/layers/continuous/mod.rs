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
use super::{AnyLayer, Bijection, LayerType, Options, PENALTIES, StateTensor};
use crate::manifolds::{Circle, Euclidean, Manifold, Sphere, Sphere2};
use crate::numeric::{Lift, Mask, Real};
use core::marker::PhantomData;
use field::{Field, RATES, Shape};
use flow_notation::Written;
use flow_notation::options::{ContinuousOptions, Divergence, Gradients, Solver};
use pull::Cotangents;
use rand::{Rng, RngExt};
use solve::{Method, Work};
use std::sync::Arc;

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

/// Layer c in the type of a flow: the flow along a velocity field given by a network. See the options in
/// [`ContinuousOptions`].
pub struct ContinuousFlow<Opts>(PhantomData<Opts>);

/// The letter on each of its manifolds.
macro_rules! on {
    ($([$($generics:tt)*] $manifold:ty;)*) => {$(
        impl<$($generics)* Opts: Options<ContinuousOptions>> LayerType<$manifold> for ContinuousFlow<Opts> {
            const PARAMS: usize =
                VelocityFlow::new(<$manifold>::EMBED, <$manifold>::SPHERE, Opts::VALUE).shape.params();

            fn layer() -> Arc<dyn AnyLayer> {
                layer(<$manifold>::EMBED, <$manifold>::SPHERE, Opts::VALUE)
            }
        }
    )*};
}
on! {
    [const D: usize,] Euclidean<D>;
    [] Circle;
    [] Sphere2;
    [const D: usize,] Sphere<D>;
}

impl<Opts: Options<ContinuousOptions>> ContinuousFlow<Opts> {
    /// Counts how often the field is evaluated on the way from a target point (embedded coordinates of `M`) to its base
    /// point.
    pub fn evaluations<M: FlowSpace>(params: &[f64], target: &[f64]) -> usize {
        VelocityFlow::new(M::EMBED, M::SPHERE, Opts::VALUE).evaluations(params, target)
    }
}

#[inline(never)]
fn layer(n: usize, sphere: bool, options: ContinuousOptions) -> Arc<dyn AnyLayer> {
    Arc::new(VelocityFlow::new(n, sphere, options))
}

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

/// Layer c.
struct VelocityFlow {
    options: ContinuousOptions,
    shape: Shape,
    method: Method,
    /// Whether derivatives are those of the adjoint equation.
    adjoint: bool,
    /// Intervals between checkpoints.
    pieces: usize,
}

impl VelocityFlow {
    /// The layer on `n` embedded coordinates, those of unit vectors on a sphere.
    const fn new(n: usize, sphere: bool, options: ContinuousOptions) -> Self {
        let probes = match options.divergence {
            Divergence::Exact => None,
            Divergence::Hutchinson => Some(options.probes as usize),
        };
        let adjoint = matches!(options.gradients, Gradients::Adjoint);
        let pieces = if adjoint { options.checkpoints as usize } else { 1 };
        let (tableau, steps) = match options.solver {
            Solver::Dopri5 => (&tableau::DOPRI5, options.max_steps as usize),
            Solver::Rk4 => (&tableau::RK4, (options.steps as usize).div_ceil(pieces)),
        };
        VelocityFlow {
            options,
            shape: Shape::new(n, sphere, probes, HiddenDims::new(options.cnf_network_hidden_dims).network(n + 1, n)),
            method: Method { tableau, steps, rtol: options.rtol, atol: options.atol },
            adjoint,
            pieces,
        }
    }

    /// Numbers of the steps, or of the checkpoints.
    const fn record(&self) -> usize {
        if self.adjoint { self.pieces * self.shape.n } else { self.method.steps * solve::slot(self.shape.n) }
    }

    #[inline]
    fn path<'a, R: Real>(&self, scratch: &'a mut [R]) -> Path<'a, R> {
        let (head, rest) = scratch.split_at_mut(HEAD);
        let (target, rest) = rest.split_at_mut(self.shape.n);
        let (base, rest) = rest.split_at_mut(self.shape.n);
        let (record, rest) = rest.split_at_mut(self.record());
        Path { head, target, base, record, work: Work::cut(&self.shape, self.method.tableau, rest) }
    }

    #[inline]
    fn field<'a, P>(&self, weights: &'a [P], penalised: bool) -> Field<'a, P> {
        Field { shape: self.shape, weights, penalised }
    }

    /// How often the field is evaluated on the way from a target point to its base point.
    fn evaluations(&self, params: &[f64], target: &[f64]) -> usize {
        let mut scratch = vec![0.0; self.scratch()];
        let field = self.field(params, false);
        let mut path = self.path(&mut scratch);
        let (y, method) = (path.base, &self.method);
        y.copy_from_slice(target);
        let mut count = 0;
        for piece in 0..self.pieces {
            let times = self.times(true, piece);
            let (steps, _) = solve::march(&field, method, times, y, &mut [0.0; RATES], &mut [], &mut path.work);
            // With error control the last slope of a step is the first one of the next.
            count += steps * method.tableau.stages() + usize::from(method.adaptive());
        }
        count
    }

    /// The times of a piece, in the order in which they are passed.
    fn times(&self, inverse: bool, piece: usize) -> [f64; 2] {
        let time = |k: usize| k as f64 / self.pieces as f64;
        if inverse {
            [time(piece), time(piece + 1)]
        } else {
            [time(self.pieces - piece), time(self.pieces - piece - 1)]
        }
    }

    /// Walks the path from its start to its end; returns the integrals of the rates and the lanes that did not arrive.
    #[inline]
    fn walk<R: Real, P: Lift<R>>(
        &self,
        field: &Field<'_, P>,
        inverse: bool,
        path: &mut Path<'_, R>,
    ) -> ([R; RATES], R::Mask) {
        let n = field.shape.n;
        let Path { head, target, base, record, work } = path;
        let (start, y) = if inverse { (target, base) } else { (base, target) };
        y.copy_from_slice(start);
        let (mut integrals, mut failed, mut steps) = ([R::zero(); RATES], R::Mask::splat(false), 0);
        for piece in 0..self.pieces {
            let times = self.times(inverse, piece);
            let kept = if self.adjoint {
                record[piece * n..][..n].copy_from_slice(y);
                &mut []
            } else {
                &mut **record
            };
            let (taken, late) = solve::march(field, &self.method, times, y, &mut integrals, kept, work);
            steps = taken;
            failed = failed | late;
        }
        head.copy_from_slice(&[R::constant(if inverse { 1.0 } else { -1.0 }), R::constant(steps as f64)]);
        (integrals, failed)
    }

    /// Cotangents of [`Self::walk`].
    #[inline]
    fn walk_back<R: Real, P: Lift<R>>(
        &self,
        field: &Field<'_, P>,
        inverse: bool,
        path: &mut Path<'_, R>,
        cotangents: Cotangents<'_, R>,
    ) {
        let Cotangents { point: cot, integrals, weights } = cotangents;
        let n = field.shape.n;
        let walked = if inverse { path.head[0].gt(R::zero()) } else { path.head[0].lt(R::zero()) };
        if !walked.all() {
            self.walk(field, inverse, path);
        }
        let Path { head, target, base, record, work } = path;
        if self.adjoint {
            let y = if inverse { base } else { target };
            for piece in (0..self.pieces).rev() {
                let times = self.times(inverse, piece);
                let here = Cotangents { point: &mut *cot, integrals, weights: &mut *weights };
                let late = pull::adjoint(field, &self.method, times, y, here, work);
                // A derivative that was not reached is no number, which whoever uses it is told.
                cot.iter_mut().for_each(|c| *c = R::select(late, R::constant(f64::NAN), *c));
                y.copy_from_slice(&record[piece * n..][..n]);
            }
            // The position went back to the start.
            head[0] = R::zero();
        } else {
            let steps = (0..self.method.steps).take_while(|k| R::constant(*k as f64).lt(head[1]).any()).count();
            let record = &record[..steps * solve::slot(n)];
            let here = Cotangents { point: cot, integrals, weights };
            pull::discrete(field, &self.method, record, here, work);
        }
    }
}

impl Bijection for VelocityFlow {
    const HAS_PENALTIES: bool = true;

    fn name(&self) -> &'static str {
        "c"
    }
    fn advice(&self) -> &'static str {
        match self.options.solver {
            Solver::Dopri5 => {
                "; its equation may take more steps than `max_steps`: allow more, or loosen `rtol` and `atol`"
            }
            Solver::Rk4 => "",
        }
    }
    fn params(&self) -> usize {
        self.shape.params()
    }
    fn prepared(&self) -> usize {
        self.shape.params()
    }
    fn scratch(&self) -> usize {
        HEAD + 2 * self.shape.n + self.record() + Work::<f64>::size(&self.shape, self.method.tableau)
    }

    fn options(&self) -> Vec<Written> {
        self.options.written()
    }

    fn state(&self) -> Vec<StateTensor> {
        let name = "cnf_network.u_v_b_pars";
        let shape = vec![1, self.params()];
        vec![StateTensor { name, copy: Some("func.func.func.u_v_b_pars"), shape }]
    }

    fn initial(&self, rng: &mut dyn Rng, params: &mut [f64]) {
        let (widths, mut rest) = (self.shape.widths(), params);
        for (level, pair) in widths.windows(2).enumerate() {
            let (own, later) = rest.split_at_mut((pair[0] + 1) * pair[1]);
            let last = level + 2 == widths.len();
            let most = if last { START } else { 1.0 } / (pair[0] as f64).sqrt();
            own.iter_mut().for_each(|w| *w = rng.random_range(-most..most));
            rest = later;
        }
    }

    #[inline]
    fn prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        prepared.copy_from_slice(params);
    }
    #[inline]
    fn prepare_vjp<P: Real>(&self, _: &[P], _: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        cot_params.iter_mut().zip(cot_prepared).for_each(|(bar, cot)| *bar += *cot);
    }

    #[inline]
    fn inverse<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        let mut path = self.path(scratch);
        path.target.copy_from_slice(x);
        let ([divergence, ..], failed) = self.walk(&self.field(prepared, false), true, &mut path);
        x.copy_from_slice(path.base);
        *log_det += R::select(failed, R::constant(f64::NAN), divergence);
    }

    #[inline]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let field = self.field(prepared, false);
        let cotangents =
            Cotangents { point: cot, integrals: [cot_log_det, R::zero(), R::zero()], weights: cot_prepared };
        self.walk_back(&field, true, &mut self.path(scratch), cotangents);
    }

    #[inline]
    fn inverse_penalised<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        x: &mut [R],
        log_det: &mut R,
        penalties: &mut [R; PENALTIES],
        scratch: &mut [R],
    ) {
        let mut path = self.path(scratch);
        path.target.copy_from_slice(x);
        let ([divergence, energy, norm], failed) = self.walk(&self.field(prepared, true), true, &mut path);
        x.copy_from_slice(path.base);
        *log_det += R::select(failed, R::constant(f64::NAN), divergence);
        penalties[0] += energy;
        penalties[1] += norm;
    }

    #[inline]
    fn inverse_penalised_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        [cot_energy, cot_norm]: [R; PENALTIES],
        cot_prepared: &mut [R],
    ) {
        let field = self.field(prepared, true);
        let cotangents =
            Cotangents { point: cot, integrals: [cot_log_det, cot_energy, cot_norm], weights: cot_prepared };
        self.walk_back(&field, true, &mut self.path(scratch), cotangents);
    }

    // Time runs backwards: the integral from 1 to 0 of the divergence is the log-determinant as it stands.
    #[inline]
    fn forward<R: Real, P: Lift<R>>(&self, prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        let mut path = self.path(scratch);
        path.base.copy_from_slice(z);
        let ([divergence, ..], failed) = self.walk(&self.field(prepared, false), false, &mut path);
        z.copy_from_slice(path.target);
        *log_det += divergence;
        failed
    }

    #[inline]
    fn forward_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let field = self.field(prepared, false);
        let cotangents =
            Cotangents { point: cot, integrals: [cot_log_det, R::zero(), R::zero()], weights: cot_prepared };
        self.walk_back(&field, false, &mut self.path(scratch), cotangents);
    }
}
