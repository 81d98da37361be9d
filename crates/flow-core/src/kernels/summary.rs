//! What a flow consists of, for those who print it.

use super::network::NetworkSummary;
use crate::layers::Letter;
use crate::manifolds::Geometry;

/// What a flow consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Its manifolds in order.
    pub blocks: Vec<BlockSummary>,
    /// The network that makes every parameter, where there is one.
    pub outer: Option<NetworkSummary>,
    /// Where the log-mean comes from, where there is one.
    pub log_mean: Option<LogMeanSummary>,
}

/// Where a log-mean comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogMeanSummary {
    /// One number.
    Free,
    /// The last output of the network of the first manifold, or the last of the given numbers.
    Joint,
    /// A network of its own.
    Separate(NetworkSummary),
}

/// What a block consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockSummary {
    /// The manifold as the notation writes it.
    pub manifold: String,
    /// What it is.
    pub geometry: Geometry,
    /// Intrinsic and embedded coordinates.
    pub coordinates: [usize; 2],
    /// Its letters.
    pub letters: Vec<Letter>,
    /// Free parameters, or weights of the network that predicts them.
    pub weights: usize,
    /// The network; `None` where the parameters are free or given.
    pub network: Option<NetworkSummary>,
    /// Numbers made for each point in place of weights.
    pub given: usize,
}
