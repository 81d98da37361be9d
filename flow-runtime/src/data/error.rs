//! What can be wrong with data, in words that name file, row, column, value and rule.

use std::path::PathBuf;

/// An error of reading or preparing data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// A source of batches failed in a way of its own.
    #[error("{origin}: {message}")]
    Source {
        /// The file, or what the source calls itself.
        origin: String,
        /// What is wrong, and the way out.
        message: String,
    },
}
