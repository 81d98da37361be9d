//! One point at a time.

use super::program::Program;
use super::run::{Edge, Job, RowFault, leave_point};
use super::walk::{self, Asked};
use super::workspace::{Model, Workspace};
use crate::numeric::Scalar;

/// One point at a time, without threads and without allocation: weights prepared once, one workspace.
pub struct Evaluator<T> {
    program: &'static Program,
    space: Workspace<T, f64>,
    edge: Edge<T, f64>,
}

impl<T: Scalar> Evaluator<T> {
    pub(super) fn of(program: &'static Program) -> Self {
        Evaluator { program, space: Workspace::new(program, 1, false), edge: Edge::new(program, 1) }
    }

    pub(super) fn evaluate(&mut self, job: &Job<'_, T>, shared: &[f64], point: &[T]) -> Result<T, RowFault> {
        self.space.begin(job, 0, 1);
        self.space.enter(self.program, job, point, 0, 1, &mut self.edge);
        walk::evaluate(self.program, Model { weights: job.weights, shared }, &mut self.space, Asked::default());
        match self.space.failed(0, 1) {
            Some(fault) => Err(fault),
            None => Ok(self.space.log_prob[0]),
        }
    }

    pub(super) fn mean(&mut self, job: &Job<'_, T>) -> T {
        self.space.begin(job, 0, 1);
        walk::log_mean(self.program, Model { weights: job.weights, shared: &[] }, &mut self.space);
        self.space.log_prob[0]
    }

    pub(super) fn generate(
        &mut self,
        job: &Job<'_, T>,
        shared: &[f64],
        base: &[T],
        point: &mut [T],
    ) -> Result<T, RowFault> {
        self.space.begin(job, 0, 1);
        self.space.base.copy_from_slice(base);
        walk::generate(self.program, Model { weights: job.weights, shared }, &mut self.space);
        if let Some(fault) = self.space.failed(0, 1) {
            return Err(fault);
        }
        leave_point(self.program, job, &self.space, &mut self.edge, 0);
        let columns = job.coordinates.columns(self.program);
        for (to, from) in point.iter_mut().zip(&self.edge.outer[..columns]) {
            *to = T::hold(*from);
        }
        Ok(T::hold(self.edge.inner[0]))
    }
}
