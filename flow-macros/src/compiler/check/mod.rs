//! The notation as written to a density whose every part exists and fits, or messages.

mod chains;
mod clauses;
mod manifolds;
mod options;

use super::ast::{Block, Density, Places, Spec};
use super::diagnostics::Diagnostics;
use chains::chains;
use clauses::{amortize, clauses, features, networks, networks_exist, poisson};
use manifolds::{as_many_chains_as_manifolds, names, spaces};
pub use manifolds::{is_free, space};
use proc_macro2::Span;

/// Types nest once for each layer and each manifold; rustc stops at 128 levels, and some of them are the runtime's.
const LONGEST: usize = 64;

/// Checks everything; `None` where something that cannot be left out was wrong, and has been reported.
pub fn density(spec: &Spec, errors: &mut Diagnostics) -> Option<Density> {
    names(spec, errors);
    let spaces = spaces(spec, errors);
    as_many_chains_as_manifolds(spec, errors);
    let clauses = clauses(spec, errors);
    let chains = chains(spec, &spaces, &clauses.defaults, errors);
    let features = features(&clauses, spec.manifolds.len(), errors);
    let networks = networks(&clauses, spec.manifolds.len(), errors);
    networks_exist(spec, &clauses, errors);
    let amortize = amortize(spec, &clauses, errors);
    let poisson = poisson(spec, &clauses, &networks, errors);

    let blocks = spec.manifolds.iter().zip(spaces).zip(chains).zip(networks);
    let blocks = blocks.map(|(((manifold, space), chain), network)| {
        Some(Block { name: manifold.as_ref()?.name.clone(), space: space.ok()?, chain: chain?, network })
    });
    Some(Density { features, blocks: blocks.collect::<Option<_>>()?, amortize, poisson, places: places(spec) })
}

/// Collects the places of the clauses' words; the place of the macro for those that are not written.
fn places(spec: &Spec) -> Places {
    let word = |name: &str| {
        let clause = spec.clauses.iter().find(|clause| clause.word == name);
        clause.map_or_else(Span::call_site, |clause| clause.word.span())
    };
    Places {
        cond: word("cond"),
        hidden: word("hidden"),
        rank: word("rank"),
        highway: word("highway"),
        poisson: word("poisson"),
        amortize: word("amortize"),
    }
}
