//! What a flow consists of: counts that the compiler knows, and the table that a built flow prints.

use super::flow::kernel_calls::summary;
use super::flow::{Flow, Spec};
use super::named::Label;
use super::points::FeatureSpec;
use crate::kernels::{Block, BlockSummary, Blocks, Head, LogMeanHead, LogMeanSummary, Network, Outer, Summary};
use crate::layers::{Chain, Letter};
use crate::manifolds::Manifold;
use core::fmt::{self, Display};

/// One manifold of a flow in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifoldCounts {
    /// Intrinsic coordinates.
    pub dim: usize,
    /// Embedded coordinates.
    pub embed: usize,
    /// Numbers that its layers take.
    pub layer_params: usize,
    /// Numbers that are trained for it: free parameters, or weights of the network that predicts them.
    pub params: usize,
    rest: Option<&'static ManifoldCounts>,
}

/// The numbers of a flow that `flow!` wrote as a struct, as lengths of arrays: documentation shows these, where it only
/// shows how a constant is written.
pub trait Numbers {
    /// An array for each manifold, as long as its layers take numbers.
    type LayerParams;
    /// An array for each manifold, as long as numbers are trained for it.
    type Params;
    /// An array as long as all trained numbers, those of outer networks and log-means among them.
    type Total;
}

/// The manifolds of a flow in numbers, for constants.
pub trait Counts {
    /// The first one, which holds the others.
    const FIRST: Option<&'static ManifoldCounts>;
}

impl Counts for () {
    const FIRST: Option<&'static ManifoldCounts> = None;
}

impl<M: Manifold, C: Chain<M>, H: Head, Rest: Counts> Counts for (Block<M, C, H>, Rest) {
    const FIRST: Option<&'static ManifoldCounts> = Some(&ManifoldCounts {
        dim: M::DIM,
        embed: M::EMBED,
        layer_params: C::PARAMS,
        params: H::WEIGHTS,
        rest: Rest::FIRST,
    });
}

impl<H, Rest: Counts> Counts for (LogMeanHead<H>, Rest) {
    const FIRST: Option<&'static ManifoldCounts> = Rest::FIRST;
}

impl<const F: usize, N: Network, B: Counts> Counts for Outer<F, N, B> {
    const FIRST: Option<&'static ManifoldCounts> = B::FIRST;
}

impl ManifoldCounts {
    /// Manifold number `place` of the flow `S`.
    ///
    /// # Panics
    /// There are fewer manifolds: at compile time, where the number is written.
    pub const fn of<S: Spec<Blocks: Counts>>(place: usize) -> ManifoldCounts {
        let (mut part, mut left) = (<S::Blocks as Counts>::FIRST, place);
        while let Some(found) = part {
            if left == 0 {
                return *found;
            }
            (part, left) = (found.rest, left - 1);
        }
        panic!("the flow has fewer manifolds")
    }
}

/// A line of the table: what it is about, parameters of layers, trained numbers.
struct Row {
    what: String,
    layer_params: Option<usize>,
    params: Option<usize>,
}

impl Row {
    fn new(what: impl Into<String>, layer_params: Option<usize>, params: Option<usize>) -> Row {
        Row { what: what.into(), layer_params, params }
    }
}

/// A manifold, its layers, and where their parameters come from.
fn block(block: &BlockSummary, name: Option<&str>, rows: &mut Vec<Row>) {
    let name = name.map(|name| format!("{name}@")).unwrap_or_default();
    rows.push(Row::new(format!("{name}{}", block.manifold), None, None));
    for Letter { name, options, params, .. } in &block.letters {
        let options = if options.is_empty() { String::new() } else { format!("({options})") };
        rows.push(Row::new(format!("  {name}{options}"), Some(*params), None));
    }
    let given = |what: &str| format!("  {what}, {} numbers given for each point", block.given);
    rows.push(match (&block.network, block.given) {
        (None, 0) => Row::new("  free parameters", None, Some(block.weights)),
        (None, _) => Row::new(given("parameters"), None, None),
        (Some(network), 0) => Row::new(format!("  network {network}"), None, Some(block.weights)),
        (Some(network), _) => Row::new(given(&format!("network {network}")), None, None),
    });
}

fn rows(summary: &Summary, names: &[Option<&str>]) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(network) = &summary.outer {
        rows.push(Row::new(format!("network {network} for all that is given"), None, Some(network.weights)));
    }
    for (place, of) in summary.blocks.iter().enumerate() {
        block(of, names.get(place).copied().flatten(), &mut rows);
    }
    rows.extend(summary.log_mean.as_ref().map(|source| match source {
        LogMeanSummary::Free => Row::new("log-mean: a free number", None, Some(1)),
        LogMeanSummary::Joint if summary.outer.is_some() => Row::new("log-mean: given for each point", None, None),
        LogMeanSummary::Joint => Row::new("log-mean: last output of the first network", None, None),
        LogMeanSummary::Separate(network) => {
            Row::new(format!("log-mean: network {network}"), None, Some(network.weights))
        }
    }));
    rows
}

/// The structure of the flow `S` as a table: manifolds, layers with the options that are not left to their defaults,
/// the parameters they take, networks with their widths, and how many numbers are trained.
pub(super) fn structure<S: Spec<Tag: Label>>() -> String {
    let summary = summary::<S>();
    let mut rows = rows(&summary, <S::Tag as Label>::PARTS);
    let layer_params = summary.blocks.iter().flat_map(|block| &block.letters).map(|letter| letter.params).sum();
    rows.push(Row::new("total", Some(layer_params), Some(S::Blocks::WEIGHTS)));

    let name = match <S::Tag as Label>::NAME {
        "" => "Flow",
        name => name,
    };
    let counted = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let features = match S::Features::COUNT {
        0 => String::new(),
        count => format!(" given {}", counted(count, "feature")),
    };
    let heads = ["layer parameters", "trained"];
    let width = rows.iter().map(|row| row.what.chars().count()).max().unwrap_or_default();
    let mut text = format!("{name}: {}{features}\n", counted(S::Blocks::DIM, "coordinate"));
    let mut line = |what: &str, cells: [String; 2]| {
        let [a, b] = cells;
        let line = format!("{what:<width$}  {a:>0$}  {b:>1$}", heads[0].len(), heads[1].len().max(9));
        text += line.trim_end();
        text.push('\n');
    };
    line("", heads.map(String::from));
    let cell = |count: Option<usize>| count.map(|count| count.to_string()).unwrap_or_default();
    for Row { what, layer_params, params } in &rows {
        line(what, [cell(*layer_params), cell(*params)]);
    }
    text.pop();
    text
}

/// The structure of the flow, as a table.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::flow;
///
/// flow! { struct Event = vertex@e2 + direction@s2 : gt(num_kde = 5) + f | cond 4, hidden 16 }
///
/// let pdf = Cpu::default().build_module::<Event, f64>();
/// println!("{pdf}");
/// ```
/// prints
/// ```text
/// Event: 4 coordinates given 4 features
///                    layer parameters    trained
/// vertex@e2
///   g(num_kde = 5)                 36
/// ..
/// ```
impl<S: Spec<Tag: Label>, W, E, D> Display for Flow<S, W, E, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&structure::<S>())
    }
}
