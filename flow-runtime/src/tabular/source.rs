//! Tables in chunks as rows that a flow takes.

use crate::data::{BadRows, Chunks, DataError, Parts, Plan, Prepared, Rows, Skipped, Table};
use crate::module::Element;
use core::marker::PhantomData;

/// The rows of a table in chunks, prepared for a flow: [`Model::stream`](super::Model::stream) makes it.
#[derive(Clone)]
pub struct TableRows<const N: usize, const C: usize, E, S> {
    plan: Plan,
    source: S,
    bad: BadRows,
    /// Chunks whose bad rows were counted.
    counted: Vec<bool>,
    skipped: Skipped,
    number: PhantomData<fn() -> E>,
}

/// The numbers of coordinates and features in a type are those of the flow.
pub(super) fn same_counts<const N: usize, const C: usize>(plan: &Plan) -> Result<(), DataError> {
    let (dim, features) = (plan.shape.dim, plan.shape.features);
    if (N, C) == (dim, features) {
        return Ok(());
    }
    Err(DataError::binding(format!(
        "rows of {N} coordinates and {C} features are asked for: the flow has {dim} and {features}"
    )))
}

pub(super) fn typed<const N: usize, const C: usize, E: Element>(prepared: &Prepared) -> Rows<N, C, E> {
    fn arrays<const K: usize, E: Element>(numbers: &[f64], count: usize) -> Vec<[E; K]> {
        (0..count).map(|row| core::array::from_fn(|k| E::narrow(numbers[row * K + k]))).collect()
    }
    let count = prepared.kept.len();
    Rows { features: arrays(&prepared.features, count), points: arrays(&prepared.points, count) }
}

impl<const N: usize, const C: usize, E: Element, S: Chunks<Chunk = Table>> TableRows<N, C, E, S> {
    pub(super) fn new(plan: Plan, source: S, bad: BadRows) -> Result<Self, DataError> {
        same_counts::<N, C>(&plan)?;
        let counted = vec![false; source.count()];
        Ok(TableRows { plan, source, bad, counted, skipped: Skipped::default(), number: PhantomData })
    }

    /// The rows left out so far, each counted once.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }
}

impl<const N: usize, const C: usize, E: Element, S: Chunks<Chunk = Table>> Chunks for TableRows<N, C, E, S> {
    type Chunk = Rows<N, C, E>;

    fn count(&self) -> usize {
        self.source.count()
    }
    fn rows(&self, index: usize) -> Option<usize> {
        match self.bad {
            BadRows::Refuse => self.source.rows(index),
            // How many are left is known once they are read.
            BadRows::Skip => None,
        }
    }
    fn read(&mut self, index: usize, epoch: usize, seed: u64) -> Result<Rows<N, C, E>, DataError> {
        let table = self.source.read(index, epoch, seed)?;
        let prepared = self.plan.rows(&table, Parts::Both, self.bad)?;
        let rows = typed(&prepared);
        if !core::mem::replace(&mut self.counted[index], true) {
            self.skipped.add(prepared.skipped);
        }
        Ok(rows)
    }
}
