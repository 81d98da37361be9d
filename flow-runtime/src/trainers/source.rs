//! Where batches come from: rows in memory, or a stream. The loop sees only this.

use super::error::FitError;
use crate::data::Stream;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// Batches, pass after pass. What a pass gives is a function of its number and the seed of the fit alone.
pub(super) trait Source {
    /// What it gives at a time.
    type Batch: ?Sized;
    /// Starts pass `epoch` from its first batch.
    fn start(&mut self, epoch: usize) -> Result<(), FitError>;
    /// Passes over batches.
    fn skip(&mut self, batches: usize) -> Result<(), FitError>;
    /// The next batch.
    fn next(&mut self) -> Result<Option<&Self::Batch>, FitError>;
    /// Batches of a pass, where that is known.
    fn batches(&self) -> Option<usize>;
    /// The rows of the data in a batch, where they have numbers.
    fn rows(batch: &Self::Batch) -> Option<&[usize]>;
    /// The batch of one of the rows, where rows have numbers.
    fn one(batch: &Self::Batch, row: usize) -> Option<&Self::Batch>;
}

/// Rows in memory, shuffled in every pass.
///
/// Each pass shuffles the order of the pass before. To go back to pass n after a stop, the n shuffles are made again: some nanoseconds for each row that an epoch
/// of training spends microseconds on.
pub(super) struct ShuffledRows {
    seed: u64,
    batch: usize,
    kept: usize,
    only: Vec<usize>,
    order: Vec<usize>,
    rng: StdRng,
    shuffled: usize,
    at: usize,
}

impl ShuffledRows {
    /// The last `validation` of all rows in a first shuffle are for validation.
    pub fn share(rows: usize, validation: usize, batch: usize, seed: u64) -> (Self, FixedRows) {
        let mut own = Self::of((0..rows).collect(), rows - validation, batch, seed);
        let rows = own.rewind();
        (own, FixedRows { rows, chunk: 0, batch, at: 0 })
    }

    /// These are for validation, all others for training.
    pub fn given(rows: usize, validation: &[usize], batch: usize, seed: u64) -> (Self, FixedRows) {
        let mut own = vec![true; rows];
        validation.iter().for_each(|row| own[*row] = false);
        let only: Vec<usize> = (0..rows).filter(|row| own[*row]).collect();
        let kept = only.len();
        let mut own = Self::of(only, kept, batch, seed);
        own.rewind();
        (own, FixedRows { rows: validation.to_vec(), chunk: 0, batch, at: 0 })
    }

    fn of(only: Vec<usize>, kept: usize, batch: usize, seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        ShuffledRows { seed, batch, kept, only, order: Vec::new(), rng, shuffled: 0, at: 0 }
    }

    /// Back to before the first pass; the rows that were split off.
    fn rewind(&mut self) -> Vec<usize> {
        self.rng = StdRng::seed_from_u64(self.seed);
        self.order.clone_from(&self.only);
        self.order.shuffle(&mut self.rng);
        self.shuffled = 0;
        self.order.split_off(self.kept)
    }
}

impl Source for ShuffledRows {
    type Batch = [usize];

    fn start(&mut self, epoch: usize) -> Result<(), FitError> {
        if epoch < self.shuffled {
            self.rewind();
        }
        while self.shuffled <= epoch {
            self.order.shuffle(&mut self.rng);
            self.shuffled += 1;
        }
        self.at = 0;
        Ok(())
    }

    fn skip(&mut self, batches: usize) -> Result<(), FitError> {
        self.at = self.order.len().min(self.at.saturating_add(batches.saturating_mul(self.batch)));
        Ok(())
    }

    fn next(&mut self) -> Result<Option<&[usize]>, FitError> {
        let from = self.at;
        self.at = self.order.len().min(from + self.batch);
        Ok((from < self.at).then(|| &self.order[from..self.at]))
    }

    fn batches(&self) -> Option<usize> {
        Some(self.order.len().div_ceil(self.batch))
    }

    fn rows(batch: &[usize]) -> Option<&[usize]> {
        Some(batch)
    }

    fn one(batch: &[usize], row: usize) -> Option<&[usize]> {
        batch.get(row..row + 1)
    }
}

/// Validation batches hold at least as many rows: nothing has to be kept for a gradient.
const VALIDATION_BATCH: usize = 1024;

/// Rows in memory in the same order in every pass.
pub(super) struct FixedRows {
    rows: Vec<usize>,
    chunk: usize,
    batch: usize,
    at: usize,
}

impl FixedRows {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Source for FixedRows {
    type Batch = [usize];

    fn start(&mut self, _: usize) -> Result<(), FitError> {
        (self.at, self.chunk) = (0, self.batch.max(VALIDATION_BATCH));
        Ok(())
    }

    fn skip(&mut self, batches: usize) -> Result<(), FitError> {
        self.at = self.rows.len().min(self.at + batches * self.chunk);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<&[usize]>, FitError> {
        let from = self.at;
        self.at = self.rows.len().min(from + self.chunk);
        Ok((from < self.at).then(|| &self.rows[from..self.at]))
    }

    fn batches(&self) -> Option<usize> {
        Some(self.rows.len().div_ceil(self.batch.max(VALIDATION_BATCH)))
    }

    fn rows(batch: &[usize]) -> Option<&[usize]> {
        Some(batch)
    }

    fn one(batch: &[usize], row: usize) -> Option<&[usize]> {
        batch.get(row..row + 1)
    }
}

/// A stream. For validation the same pass is read every time.
pub(super) struct Streamed<'s, S: Stream> {
    stream: &'s mut S,
    current: Option<S::Batch>,
    seed: u64,
    fixed: bool,
}

impl<'s, S: Stream> Streamed<'s, S> {
    pub fn new(stream: &'s mut S, seed: u64, fixed: bool) -> Self {
        Streamed { stream, current: None, seed, fixed }
    }
}

impl<S: Stream> Source for Streamed<'_, S> {
    type Batch = S::Batch;

    fn start(&mut self, epoch: usize) -> Result<(), FitError> {
        self.current = None;
        Ok(self.stream.start(if self.fixed { 0 } else { epoch }, self.seed)?)
    }

    fn skip(&mut self, batches: usize) -> Result<(), FitError> {
        if batches > 0 {
            self.stream.skip(batches)?;
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<&S::Batch>, FitError> {
        // The last batch goes before the next one comes: one is held at a time.
        self.current = None;
        self.current = self.stream.next_batch()?;
        Ok(self.current.as_ref())
    }

    fn batches(&self) -> Option<usize> {
        self.stream.batches()
    }

    fn rows(_: &S::Batch) -> Option<&[usize]> {
        None
    }

    fn one(_: &S::Batch, _: usize) -> Option<&S::Batch> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(source: &mut ShuffledRows, epoch: usize, skip: usize) -> Vec<Vec<usize>> {
        source.start(epoch).unwrap();
        source.skip(skip).unwrap();
        let mut batches = Vec::new();
        while let Some(batch) = source.next().unwrap() {
            batches.push(batch.to_vec());
        }
        batches
    }

    #[test]
    fn a_pass_is_the_same_whenever_it_is_started_and_wherever_it_is_joined() {
        for given in [false, true] {
            let make = || match given {
                false => ShuffledRows::share(23, 5, 4, 7),
                true => ShuffledRows::given(23, &[3, 22, 0], 4, 7),
            };
            let (mut source, held) = make();
            let passes: Vec<_> = (0..4).map(|epoch| pass(&mut source, epoch, 0)).collect();
            assert_ne!(passes[0], passes[1]);
            for (epoch, batches) in passes.iter().enumerate() {
                let mut all = [batches.concat(), held.rows.clone()].concat();
                all.sort_unstable();
                assert_eq!(all, (0..23).collect::<Vec<_>>());
                assert_eq!(pass(&mut source, epoch, 0), *batches);
                assert_eq!(pass(&mut make().0, epoch, 2), batches[2..]);
            }
            assert!(pass(&mut source, 1, 100).is_empty());
        }
    }
}
