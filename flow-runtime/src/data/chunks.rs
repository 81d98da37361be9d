//! Data in chunks, and the order in which a pass goes through them.

use super::{DataError, Rows, Stream};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// Data in chunks that can be read in any order.
pub trait Chunks {
    /// The type of a chunk: a [`Table`](super::Table), or [`Rows`].
    type Chunk;

    /// How many there are.
    fn count(&self) -> usize;

    /// How many rows a chunk has, where that is known before it is read.
    fn rows(&self, index: usize) -> Option<usize> {
        let _ = index;
        None
    }

    /// Chunk `index` in pass `epoch`. The same numbers give the same chunk; files give the same in every pass and for every seed.
    ///
    /// # Errors
    /// It cannot be read, or a row breaks a rule.
    fn read(&mut self, index: usize, epoch: usize, seed: u64) -> Result<Self::Chunk, DataError>;
}

/// Batch size, shuffle buffer and shuffling of one pass over chunked data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Order {
    /// Rows of a batch; the last one of a pass may be smaller.
    pub batch: usize,
    /// Rows that are shuffled together: chunks come in a random order, as many together as make this many rows. Memory is for these, and one chunk more.
    pub buffer: usize,
    /// Whether anything is shuffled.
    pub shuffle: bool,
}

impl Default for Order {
    fn default() -> Self {
        Order { batch: 256, buffer: 1 << 16, shuffle: true }
    }
}

/// Batches of rows made as they are read: nothing is kept.
///
/// ```
/// use flow_runtime::data::{Generated, Order, Rows, Shuffled, Stream};
/// use flow_runtime::rand::{RngExt, SeedableRng, rngs::StdRng};
///
/// // 10 chunks of 100 rows; new ones in every pass, as each has the seed that it is asked for.
/// let simulate = |index: usize, epoch: usize, seed: u64| {
///     let mut rng = StdRng::seed_from_u64(seed ^ (epoch * 10 + index) as u64);
///     let points = (0..100).map(|_| [rng.random::<f64>()]).collect();
///     Ok(Rows { features: vec![[]; 100], points })
/// };
/// let mut stream = Shuffled::new(Generated::new(10, 100, simulate), Order { batch: 64, buffer: 300, shuffle: true });
/// stream.start(0, 1)?;
/// let first = stream.next_batch()?.expect("there are rows");
/// assert_eq!((first.len(), stream.batches()), (64, Some(16)));
/// stream.start(0, 1)?;
/// assert_eq!(stream.next_batch()?, Some(first));
/// # Ok::<(), flow_runtime::data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Generated<F> {
    count: usize,
    rows: usize,
    make: F,
}

impl<const N: usize, const C: usize, E, F> Generated<F>
where
    F: FnMut(usize, usize, u64) -> Result<Rows<N, C, E>, DataError>,
{
    /// `count` chunks of `rows` rows each; `make(index, epoch, seed)` makes one.
    pub fn new(count: usize, rows: usize, make: F) -> Self {
        Generated { count, rows, make }
    }
}

impl<const N: usize, const C: usize, E, F> Chunks for Generated<F>
where
    F: FnMut(usize, usize, u64) -> Result<Rows<N, C, E>, DataError>,
{
    type Chunk = Rows<N, C, E>;

    fn count(&self) -> usize {
        self.count
    }
    fn rows(&self, _: usize) -> Option<usize> {
        Some(self.rows)
    }
    fn read(&mut self, index: usize, epoch: usize, seed: u64) -> Result<Rows<N, C, E>, DataError> {
        let rows = (self.make)(index, epoch, seed)?;
        if rows.len() != self.rows {
            let message = format!("chunk {index} has {} rows: {} were promised", rows.len(), self.rows);
            return Err(DataError::source("a generated source", message));
        }
        Ok(rows)
    }
}

/// Rows in memory as chunks of this many.
const MEMORY_CHUNK: usize = 4096;

impl<const N: usize, const C: usize, E: Copy> Chunks for Rows<N, C, E> {
    type Chunk = Rows<N, C, E>;

    fn count(&self) -> usize {
        self.len().div_ceil(MEMORY_CHUNK)
    }
    fn rows(&self, index: usize) -> Option<usize> {
        Some(MEMORY_CHUNK.min(self.len().saturating_sub(index * MEMORY_CHUNK)))
    }
    fn read(&mut self, index: usize, _: usize, _: u64) -> Result<Self, DataError> {
        let start = (index * MEMORY_CHUNK).min(self.len());
        let end = (start + MEMORY_CHUNK).min(self.len());
        Ok(Rows { features: self.features[start..end].to_vec(), points: self.points[start..end].to_vec() })
    }
}

/// A stream of shuffled batches of the rows of [`Chunks`].
///
/// A pass is a sequence of rows, cut into batches: chunks in a random order, their rows shuffled with those of their neighbours within the buffer of [`Order`]. It is a
/// function of epoch and seed. What [`skip`](Stream::skip) passes over is not read where the number of its rows is known.
#[derive(Clone, Debug)]
pub struct Shuffled<S: Chunks> {
    source: S,
    order: Order,
    epoch: usize,
    seed: u64,
    /// The chunks of the pass in order, and how many of them were read.
    chunks: Vec<usize>,
    read: usize,
    /// The rows that are shuffled together, in the order they come, and how many of them were given.
    window: Vec<S::Chunk>,
    /// Chunk of the window and row of it.
    places: Vec<(u32, u32)>,
    given: usize,
}

/// The generator of pass `epoch` (`part` 0), or of a buffer in it. The numbers are mixed by multiples that are odd, so that neighbours have nothing in common.
fn generator(seed: u64, epoch: usize, part: usize) -> StdRng {
    let mixed = seed
        .wrapping_add((epoch as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add((part as u64).wrapping_mul(0xd1b5_4a32_d192_ed03));
    StdRng::seed_from_u64(mixed)
}

impl<const N: usize, const C: usize, E, S> Shuffled<S>
where
    E: Copy,
    S: Chunks<Chunk = Rows<N, C, E>>,
{
    /// A stream of these chunks.
    pub fn new(source: S, order: Order) -> Self {
        Shuffled {
            source,
            order,
            epoch: 0,
            seed: 0,
            chunks: Vec::new(),
            read: 0,
            window: Vec::new(),
            places: Vec::new(),
            given: 0,
        }
    }

    /// Returns the source of the chunks.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// How many chunks behind those read make a buffer, and how many rows they have where that is known.
    fn next_window(&self) -> (usize, Option<usize>) {
        let (mut chunks, mut rows) = (0, Some(0));
        for chunk in &self.chunks[self.read..] {
            if rows.is_none_or(|rows| rows >= self.order.buffer.max(1)) {
                break;
            }
            chunks += 1;
            rows = rows.zip(self.source.rows(*chunk)).map(|(sum, own)| sum + own);
        }
        (chunks, rows)
    }

    /// Reads the next buffer; whether there was one.
    fn fill(&mut self) -> Result<bool, DataError> {
        let start = self.read;
        self.window.clear();
        self.places.clear();
        self.given = 0;
        while self.read < self.chunks.len() && self.places.len() < self.order.buffer.max(1) {
            let chunk = self.source.read(self.chunks[self.read], self.epoch, self.seed)?;
            let place = self.window.len() as u32;
            self.places.extend((0..chunk.len() as u32).map(|row| (place, row)));
            self.window.push(chunk);
            self.read += 1;
        }
        if self.order.shuffle {
            self.places.shuffle(&mut generator(self.seed, self.epoch, 1 + start));
        }
        Ok(!self.places.is_empty() || self.read < self.chunks.len())
    }
}

impl<const N: usize, const C: usize, E, S> Stream for Shuffled<S>
where
    E: Copy,
    S: Chunks<Chunk = Rows<N, C, E>>,
{
    type Batch = Rows<N, C, E>;

    fn start(&mut self, epoch: usize, seed: u64) -> Result<(), DataError> {
        if self.order.batch == 0 {
            return Err(DataError::source("a stream", "0 rows a batch: at least 1"));
        }
        self.chunks = (0..self.source.count()).collect();
        if self.order.shuffle {
            self.chunks.shuffle(&mut generator(seed, epoch, 0));
        }
        (self.epoch, self.seed, self.read, self.given) = (epoch, seed, 0, 0);
        self.window.clear();
        self.places.clear();
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<Rows<N, C, E>>, DataError> {
        let mut batch = Rows { features: Vec::new(), points: Vec::new() };
        while batch.len() < self.order.batch {
            if self.given == self.places.len() && !self.fill()? {
                break;
            }
            let end = (self.given + self.order.batch - batch.len()).min(self.places.len());
            for (chunk, row) in &self.places[self.given..end] {
                let chunk = &self.window[*chunk as usize];
                batch.features.push(chunk.features[*row as usize]);
                batch.points.push(chunk.points[*row as usize]);
            }
            self.given = end;
        }
        Ok(if batch.is_empty() { None } else { Some(batch) })
    }

    fn skip(&mut self, batches: usize) -> Result<(), DataError> {
        let mut rows = batches.saturating_mul(self.order.batch);
        while rows > 0 {
            let passed = rows.min(self.places.len() - self.given);
            (self.given, rows) = (self.given + passed, rows - passed);
            if rows == 0 {
                break;
            }
            match self.next_window() {
                (0, _) => break,
                (chunks, Some(own)) if own <= rows => (self.read, rows) = (self.read + chunks, rows - own),
                _ => {
                    self.fill()?;
                }
            }
        }
        Ok(())
    }

    fn batches(&self) -> Option<usize> {
        let rows: Option<usize> = (0..self.source.count()).map(|chunk| self.source.rows(chunk)).sum();
        rows.map(|rows| rows.div_ceil(self.order.batch.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chunks of uneven sizes whose rows are numbered, which count what is read of them.
    struct Numbered {
        sizes: Vec<usize>,
        known: bool,
        reads: usize,
    }

    impl Chunks for Numbered {
        type Chunk = Rows<1, 1>;
        fn count(&self) -> usize {
            self.sizes.len()
        }
        fn rows(&self, index: usize) -> Option<usize> {
            self.known.then(|| self.sizes[index])
        }
        fn read(&mut self, index: usize, _: usize, _: u64) -> Result<Rows<1, 1>, DataError> {
            self.reads += 1;
            let start: usize = self.sizes[..index].iter().sum();
            let points: Vec<_> = (start..start + self.sizes[index]).map(|row| [row as f64]).collect();
            Ok(Rows { features: points.iter().map(|[x]| [-x]).collect(), points })
        }
    }

    fn numbered(known: bool, order: Order) -> Shuffled<Numbered> {
        let sizes = vec![7, 0, 13, 1, 40, 5, 22, 9, 3, 11];
        Shuffled::new(Numbered { sizes, known, reads: 0 }, order)
    }

    fn rest(stream: &mut Shuffled<Numbered>) -> Vec<Vec<usize>> {
        let mut batches = Vec::new();
        while let Some(batch) = stream.next_batch().unwrap() {
            assert!(batch.features.iter().zip(&batch.points).all(|(f, p)| f[0] == -p[0]));
            batches.push(batch.points.iter().map(|[x]| *x as usize).collect());
        }
        batches
    }

    #[test]
    fn a_pass_has_every_row_once_in_batches_of_one_size() {
        for (batch, buffer) in [(4, 30), (10, 1), (111, 50), (7, 1000), (200, 10)] {
            let mut stream = numbered(true, Order { batch, buffer, shuffle: true });
            assert_eq!(rest(&mut stream).len(), 0);
            stream.start(0, 5).unwrap();
            let batches = rest(&mut stream);
            assert_eq!(Some(batches.len()), stream.batches());
            assert!(batches[..batches.len() - 1].iter().all(|b| b.len() == batch));
            let mut rows = batches.concat();
            assert_ne!(rows, (0..111).collect::<Vec<_>>());
            rows.sort_unstable();
            assert_eq!(rows, (0..111).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_order_is_that_of_epoch_and_seed() {
        let mut stream = numbered(true, Order { batch: 8, buffer: 30, shuffle: true });
        let mut pass = |epoch, seed| {
            stream.start(epoch, seed).unwrap();
            rest(&mut stream)
        };
        let first = pass(3, 1);
        assert_ne!(first, pass(4, 1));
        assert_ne!(first, pass(3, 2));
        assert_eq!(first, pass(3, 1));
        let mut plain = numbered(false, Order { batch: 100, buffer: 1, shuffle: false });
        plain.start(1, 1).unwrap();
        assert_eq!(rest(&mut plain).concat(), (0..111).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_skipped_is_passed_over_and_not_read_where_its_size_is_known() {
        for known in [false, true] {
            let order = Order { batch: 6, buffer: 20, shuffle: true };
            let mut whole = numbered(known, order);
            whole.start(2, 9).unwrap();
            let all = rest(&mut whole);
            for skipped in 0..all.len() + 2 {
                for before in 0..skipped.min(3) {
                    let mut other = numbered(known, order);
                    other.start(2, 9).unwrap();
                    for batch in &all[..before.min(all.len())] {
                        assert_eq!(rest_one(&mut other), *batch);
                    }
                    other.skip(skipped - before).unwrap();
                    assert_eq!(rest(&mut other), all[skipped.min(all.len())..], "{skipped} after {before}, {known}");
                }
            }
            let mut other = numbered(known, order);
            other.start(2, 9).unwrap();
            other.skip(all.len()).unwrap();
            assert_eq!(other.source.reads, if known { 0 } else { 10 });
        }
    }

    fn rest_one(stream: &mut Shuffled<Numbered>) -> Vec<usize> {
        stream.next_batch().unwrap().unwrap().points.iter().map(|[x]| *x as usize).collect()
    }

    #[test]
    fn rows_in_memory_are_a_source() {
        let points: Vec<[f64; 1]> = (0..10_000).map(|row| [row as f64]).collect();
        let rows = Rows { features: vec![[]; points.len()], points };
        let mut stream = Shuffled::new(rows, Order { batch: 1000, buffer: 20_000, shuffle: true });
        stream.start(0, 0).unwrap();
        let (mut seen, mut batches) = (vec![false; 10_000], 0);
        while let Some(batch) = stream.next_batch().unwrap() {
            // The buffer holds all rows, so that a batch is one of all.
            assert!(batch.points.iter().any(|[x]| *x < 4096.0) && batch.points.iter().any(|[x]| *x >= 8192.0));
            batch.points.iter().for_each(|[x]| seen[*x as usize] = true);
            batches += 1;
        }
        assert!(batches == 10 && seen.into_iter().all(|s| s));
    }

    #[test]
    fn promises_of_a_generated_source_are_kept() {
        let short = |_: usize, _: usize, _: u64| Ok(Rows { features: vec![[]; 2], points: vec![[0.0]; 2] });
        let mut stream = Shuffled::new(Generated::new(3, 4, short), Order::default());
        stream.start(0, 0).unwrap();
        assert!(stream.next_batch().unwrap_err().to_string().contains("has 2 rows: 4 were promised"));
        let mut stream = stream_of_nothing();
        assert!(stream.start(0, 0).unwrap_err().to_string().contains("at least 1"));
    }

    fn stream_of_nothing() -> Shuffled<Numbered> {
        numbered(true, Order { batch: 0, ..Order::default() })
    }
}
