//! Data: tables with named columns from memory and from files; which columns are which coordinates and features of a flow, and how they are prepared; streams of
//! batches larger than memory.
//!
//! A [`Table`] comes from memory, or from a file: CSV (feature `csv`, on by default), NumPy's .npy and .npz (feature `npy`), Parquet (feature `parquet`). A [`Binding`] says
//! what its columns are, a [`Model`](crate::Model) puts binding, preparation and flow together. What does not fit into memory is read in [`Chunks`] of a [`TableFile`] or
//! made as it is read ([`Generated`]), and becomes a [`Stream`] of shuffled batches.

mod binding;
mod chunks;
mod error;
mod files;
mod fitting;
mod preparation;
mod stream;
mod table;

pub use binding::{Binding, Convention, Degrees, Measure, Radians, Scaling, Unit, Unseen};
pub use chunks::{Chunks, Generated, Order, Shuffled};
pub use error::{BadRow, BadRows, DataError, Skipped};
#[cfg(feature = "csv")]
pub use files::CsvOptions;
pub use files::TableFile;
pub(crate) use fitting::Fitter;
pub use preparation::{FlowShape, Preparation};
pub(crate) use preparation::{Parts, Plan, Prepared};
pub use stream::{Rows, Stream};
pub use table::{Column, Table};
