//! Data: tables of named columns, streams of batches larger than memory.

mod error;
mod stream;

pub use error::DataError;
pub use stream::{Rows, Stream};
