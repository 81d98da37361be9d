//! Batches one after another, from data that need not fit into memory.

use super::DataError;

/// Rows of points, `N` coordinates each, and of what is given with each, `C` features: a batch of data.
///
/// Without features, `C` is 0 and `features` holds as many empty arrays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows<const N: usize, const C: usize, E = f64> {
    /// The features of each row.
    pub features: Vec<[E; C]>,
    /// The point of each row, in intrinsic coordinates.
    pub points: Vec<[E; N]>,
}

impl<const N: usize, const C: usize, E> Rows<N, C, E> {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

/// A source of batches that can be read any number of times, each time in another order.
///
/// The order is a function of `epoch` and `seed` alone: a run that is resumed calls [`start`](Stream::start) with the numbers of the run that was stopped, passes
/// over the batches that it had, and goes on with the same ones.
pub trait Stream {
    /// The type of a batch, mostly [`Rows`].
    type Batch;

    /// Starts pass `epoch`, whatever the state of the pass before.
    ///
    /// # Errors
    /// The source cannot be opened or read.
    fn start(&mut self, epoch: usize, seed: u64) -> Result<(), DataError>;

    /// The next batch of the pass; `None` at its end, and before the first [`start`](Stream::start).
    ///
    /// # Errors
    /// The source cannot be read, or a row breaks a rule.
    fn next_batch(&mut self) -> Result<Option<Self::Batch>, DataError>;

    /// Passes over batches, or to the end where fewer are left; without making them where the source can do that.
    ///
    /// # Errors
    /// As [`next_batch`](Stream::next_batch).
    fn skip(&mut self, batches: usize) -> Result<(), DataError> {
        for _ in 0..batches {
            if self.next_batch()?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// How many batches a pass has, where that is known before it ends.
    fn batches(&self) -> Option<usize> {
        None
    }
}

impl<S: Stream + ?Sized> Stream for &mut S {
    type Batch = S::Batch;
    fn start(&mut self, epoch: usize, seed: u64) -> Result<(), DataError> {
        (**self).start(epoch, seed)
    }
    fn next_batch(&mut self) -> Result<Option<S::Batch>, DataError> {
        (**self).next_batch()
    }
    fn skip(&mut self, batches: usize) -> Result<(), DataError> {
        (**self).skip(batches)
    }
    fn batches(&self) -> Option<usize> {
        (**self).batches()
    }
}
