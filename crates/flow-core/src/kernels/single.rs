//! One point at a time.

use super::blocks::{Blocks, RowFault};
use super::log_mean::LogMean;
use super::run::{Edge, Job, Number, leave_point};
use super::workspace::{At, Model, Workspace};
use core::marker::PhantomData;

/// One point at a time, without threads and without allocation: weights prepared once, one workspace.
pub struct Evaluator<B, T> {
    space: Workspace<T, T>,
    edge: Edge<T, T>,
    flow: PhantomData<fn() -> B>,
}

impl<B: Blocks, T: Number> Evaluator<B, T> {
    /// A workspace for points of a flow with `feature_count` given features.
    pub fn new(feature_count: usize) -> Self {
        Evaluator { space: Workspace::new::<B>(feature_count, 1, false), edge: Edge::new::<B>(1), flow: PhantomData }
    }

    /// Log-density of one point; `shared` are the prepared numbers of shared parameters.
    pub fn log_prob(&mut self, job: &Job<'_, T>, shared: &[T], point: &[T]) -> Result<T, RowFault> {
        self.space.begin(job, 0, 1);
        self.space.enter::<B>(job, point, 0, 1, &mut self.edge);
        B::evaluate::<T, T, false>(
            Model { weights: job.weights, shared },
            At::start::<B>(job.feature_count),
            &mut self.space,
            false,
        );
        match self.space.failed(0, 1) {
            Some(fault) => Err(fault),
            None => Ok(self.space.log_prob[0]),
        }
    }

    /// The logarithm of the mean count of one row of features.
    pub fn log_mean(&mut self, job: &Job<'_, T>) -> T
    where
        B: LogMean,
    {
        self.space.begin(job, 0, 1);
        let model = Model { weights: job.weights, shared: &[] };
        B::log_mean::<T, T>(model, At::start::<B>(job.feature_count), &mut self.space);
        self.space.log_prob[0]
    }

    /// One point from base coordinates, and its log-density.
    pub fn sample(&mut self, job: &Job<'_, T>, shared: &[T], base: &[T], point: &mut [T]) -> Result<T, RowFault> {
        self.space.begin(job, 0, 1);
        self.space.base.copy_from_slice(base);
        B::generate::<T, T>(Model { weights: job.weights, shared }, At::start::<B>(job.feature_count), &mut self.space);
        if let Some(fault) = self.space.failed(0, 1) {
            return Err(fault);
        }
        leave_point::<B, T, T>(job, &self.space, &mut self.edge, 0);
        point.copy_from_slice(&self.edge.outer[..job.coordinates.count::<B>()]);
        Ok(self.edge.inner[0])
    }
}
