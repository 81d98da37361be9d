//! What the clauses say: features, networks, the mean count, amortisation.

use super::super::ast::{
    Amortize, Chain, Clause, ClauseKind, Count, Each, Features, Link, Network, Poisson, Setting, Spec, Widths, Written,
};
use super::super::diagnostics::{self as say, Diagnostics};
use super::super::table;
use super::LONGEST;
use super::options::known_options;
use proc_macro2::{Ident, Span};
use std::collections::HashSet;
use syn::ext::IdentExt;

/// The options of an outer network.
const OUTER_OPTIONS: &[&str] = &["rank", "highway"];

/// The highest mode of a highway (layers.md 3.2).
const LAST_MODE: i64 = 4;

/// Width of the hidden layer of a network where none is written.
const HIDDEN: usize = 128;

/// The clauses by what they say.
#[derive(Default)]
pub(super) struct Clauses<'a> {
    cond: Option<&'a Each<Count>>,
    hidden: Option<(&'a Ident, &'a Each<Widths>)>,
    rank: Option<(&'a Ident, &'a Each<Widths>)>,
    highway: Option<(&'a Ident, &'a Each<Count>)>,
    poisson: Option<(&'a Ident, &'a Option<Widths>)>,
    amortize: Option<(&'a Ident, &'a Option<Widths>, &'a [Setting])>,
    pub(super) defaults: Vec<(&'static table::Letter, &'a [Setting])>,
}

pub(super) fn clauses<'a>(spec: &'a Spec, errors: &mut Diagnostics) -> Clauses<'a> {
    let mut all = Clauses::default();
    let mut seen = HashSet::new();
    for Clause { word, kind } in &spec.clauses {
        let text = word.unraw().to_string();
        if !seen.insert(text.clone()) {
            errors.report(word.span(), say::clause_twice(&text));
            continue;
        }
        match kind {
            ClauseKind::Cond(features) => all.cond = Some(features),
            ClauseKind::Hidden(widths) => all.hidden = Some((word, widths)),
            ClauseKind::Rank(ranks) => all.rank = Some((word, ranks)),
            ClauseKind::Highway(modes) => all.highway = Some((word, modes)),
            ClauseKind::Poisson(widths) => all.poisson = Some((word, widths)),
            ClauseKind::Amortize(widths, settings) => all.amortize = Some((word, widths, settings)),
            ClauseKind::Defaults(settings) => {
                if let Some(row) = defaults(spec, word, errors) {
                    known_options(&text, &[row], settings, true, errors);
                    all.defaults.push((row, settings));
                }
            }
        }
    }
    all
}

/// The letter whose options a clause sets.
fn defaults(spec: &Spec, word: &Ident, errors: &mut Diagnostics) -> Option<&'static table::Letter> {
    let text = word.unraw().to_string();
    let mut letters = text.chars();
    let (Some(letter), None) = (letters.next(), letters.next()) else {
        let all_known = text.chars().all(|letter| table::letter(letter).is_some());
        errors.report(word.span(), if all_known { say::defaults_of_word(&text) } else { say::unknown_clause(&text) });
        return None;
    };
    let Some(row) = table::letter(letter) else {
        errors.report(word.span(), say::unknown_letters(&text, &[letter], None));
        return None;
    };
    let has_letter = |chain: &Chain| {
        chain.links.iter().any(|link| matches!(link, Link::Word(word, _) if word.unraw().to_string().contains(letter)))
    };
    // A chain that could not be read may have had it.
    if spec.chains.iter().all(|chain| chain.as_ref().is_some_and(|chain| !has_letter(chain))) && !spec.chains.is_empty()
    {
        errors.report(word.span(), say::unused_defaults(letter));
    }
    Some(row)
}

pub(super) fn features(clauses: &Clauses, manifolds: usize, errors: &mut Diagnostics) -> Features {
    match clauses.cond {
        None => Features::None,
        Some(Each::All(count)) => {
            if count.value == 0 {
                errors.report(count.span, say::zero("the number of given features", say::ZERO_COND));
            }
            Features::Shared(count.value)
        }
        Some(Each::List(span, counts)) => {
            for count in counts.iter().filter(|count| count.value == 0) {
                errors.report(count.span, say::zero("the number of given features", say::ZERO_COND_LIST));
            }
            if counts.len() != manifolds {
                errors.report(*span, say::list_length("cond", counts.len(), manifolds));
            }
            Features::Each(counts.iter().map(|count| count.value).collect())
        }
    }
}

/// One value for each manifold: the one written for all, or those of the list.
fn one_each<'a, T>(
    word: &Ident,
    written: &'a Each<T>,
    manifolds: usize,
    errors: &mut Diagnostics,
) -> Vec<(usize, &'a T)> {
    match written {
        Each::All(one) => vec![(0, one); manifolds],
        Each::List(span, list) => {
            if list.len() != manifolds {
                errors.report(*span, say::list_length(&word.to_string(), list.len(), manifolds));
            }
            list.iter().enumerate().collect()
        }
    }
}

/// The network of every manifold.
pub(super) fn networks(clauses: &Clauses, manifolds: usize, errors: &mut Diagnostics) -> Vec<Network> {
    let mut networks = vec![Network { hidden: vec![HIDDEN], ..Network::default() }; manifolds];
    // What was written once for all is told once.
    let mut told = HashSet::new();
    if let Some((word, written)) = clauses.hidden {
        for ((place, widths), network) in one_each(word, written, manifolds, errors).into_iter().zip(&mut networks) {
            let quiet = !told.insert((0, place));
            network.hidden = if quiet { values(widths) } else { hidden(widths, errors) };
        }
    }
    if let Some((word, written)) = clauses.highway {
        for ((place, mode), network) in one_each(word, written, manifolds, errors).into_iter().zip(&mut networks) {
            if told.insert((1, place)) {
                known_mode(mode.span, mode.value as i64, errors);
            }
            network.highway = mode.value;
        }
    }
    highway_beside_layers(clauses, &networks, errors);
    if let Some((word, written)) = clauses.rank {
        for ((place, list), network) in one_each(word, written, manifolds, errors).into_iter().zip(&mut networks) {
            let alone = matches!(written, Each::All(_));
            ranks(list, network, [told.insert((2, place)), alone], errors);
        }
    }
    networks
}

/// Beside a linear map a highway is nothing (layers.md 3.2).
fn highway_beside_layers(clauses: &Clauses, networks: &[Network], errors: &mut Diagnostics) {
    let Some((_, written)) = clauses.highway else { return };
    let known = |mode: &Count| mode.value > 0 && mode.value as i64 <= LAST_MODE;
    let linear = |network: &Network| network.hidden.is_empty();
    let mut idle = |mode: &Count| errors.report(mode.span, say::highway_of_none(mode.value));
    match written {
        Each::All(mode) => {
            let of_log_mean = clauses.poisson.and_then(|(_, widths)| widths.as_ref());
            let nowhere = networks.iter().all(linear) && of_log_mean.is_none_or(|widths| widths.0.is_empty());
            if known(mode) && nowhere {
                idle(mode);
            }
        }
        Each::List(_, modes) => {
            let beside_none = modes.iter().zip(networks).filter(|(mode, network)| known(mode) && linear(network));
            beside_none.for_each(|(mode, _)| idle(mode));
        }
    }
}

fn values(widths: &Widths) -> Vec<usize> {
    widths.0.iter().map(|width| width.value).collect()
}

/// Widths of hidden layers.
fn hidden(widths: &Widths, errors: &mut Diagnostics) -> Vec<usize> {
    for width in widths.0.iter().filter(|width| width.value == 0) {
        errors.report(width.span, say::zero("the width of a layer", say::ZERO_HIDDEN));
    }
    if let Some(width) = widths.0.get(LONGEST) {
        errors.report(width.span, say::too_long("hidden layers", widths.0.len(), LONGEST));
    }
    values(widths)
}

fn known_mode(span: Span, mode: i64, errors: &mut Diagnostics) {
    if !(0..=LAST_MODE).contains(&mode) {
        errors.report(span, say::no_mode(mode));
    }
}

/// One rank for all matrices of a network, or one for each; 0 is a full matrix where there are others.
fn ranks(list: &Widths, network: &mut Network, [first_time, alone]: [bool; 2], errors: &mut Diagnostics) {
    let (ranks, matrices) = (values(list), network.matrices());
    match (&ranks[..], list.0.first()) {
        ([0], Some(rank)) if alone => {
            if first_time {
                errors.report(rank.span, say::zero(say::RANK, say::ZERO_RANK));
            }
        }
        ([rank], _) => network.ranks = vec![*rank; matrices],
        (_, Some(first)) if ranks.len() != matrices => {
            if first_time {
                errors.report(first.span, say::ranks_length(ranks.len(), matrices, network));
            }
        }
        _ => network.ranks = ranks,
    }
}

/// Reports clauses about networks in a flow that has none.
pub(super) fn networks_exist(spec: &Spec, clauses: &Clauses, errors: &mut Diagnostics) {
    let given = clauses.cond.is_some() && clauses.amortize.is_none();
    let separate = clauses.poisson.is_some_and(|(_, widths)| widths.is_some());
    if spec.manifolds.len() > 1 || given || spec.unread_clause {
        return;
    }
    let words = [
        clauses.hidden.map(|(word, _)| word),
        clauses.rank.filter(|_| !separate).map(|(word, _)| word),
        clauses.highway.filter(|_| !separate).map(|(word, _)| word),
    ];
    for word in words.into_iter().flatten() {
        errors.report(word.span(), say::no_network(&word.to_string(), clauses.amortize.is_some()));
    }
}

/// Finds the source of every parameter.
pub(super) fn amortize(spec: &Spec, clauses: &Clauses, errors: &mut Diagnostics) -> Option<Amortize> {
    let (word, widths, settings) = clauses.amortize?;
    let mut network = Network { hidden: vec![HIDDEN], ..Network::default() };
    if let Some(widths) = widths {
        network.hidden = hidden(widths, errors);
    }
    let mut seen = HashSet::new();
    let mut rank = 0;
    for Setting { name, value } in settings {
        let text = name.unraw().to_string();
        if !OUTER_OPTIONS.contains(&text.as_str()) {
            errors.report(name.span(), say::unknown_outer_option(&text));
            continue;
        }
        if !seen.insert(text.clone()) {
            errors.report(name.span(), say::option_twice(&text));
            continue;
        }
        match (text.as_str(), &value.value) {
            ("highway", Written::Int(mode)) => {
                known_mode(value.span, *mode, errors);
                network.highway = usize::try_from(*mode).unwrap_or_default();
            }
            ("rank", Written::Int(0)) => errors.report(value.span, say::zero(say::RANK, say::ZERO_OUTER_RANK)),
            ("rank", Written::Int(number)) if *number > 0 => rank = usize::try_from(*number).unwrap_or_default(),
            _ => errors.report(value.span, say::outer_option(&text, &value.text)),
        }
    }
    if rank > 0 {
        network.ranks = vec![rank; network.matrices()];
    }
    match clauses.cond {
        None if widths.is_some() || !settings.is_empty() => {
            if !spec.unread_clause {
                errors.report(word.span(), say::outer_without_cond());
            }
            None
        }
        None => Some(Amortize::Given),
        Some(Each::List(span, _)) => {
            errors.report(*span, say::outer_with_list());
            None
        }
        Some(Each::All(_)) => Some(Amortize::Outer(network)),
    }
}

/// Finds the source of the log-mean. A network of its own has the rank and the highway that are written for all.
pub(super) fn poisson(
    spec: &Spec,
    clauses: &Clauses,
    networks: &[Network],
    errors: &mut Diagnostics,
) -> Option<Poisson> {
    let (word, widths) = clauses.poisson?;
    let Some(widths) = widths else { return Some(Poisson::Joint) };
    let hidden = hidden(widths, errors);
    if clauses.cond.is_none() {
        if !spec.unread_clause {
            errors.report(word.span(), say::poisson_without_cond());
        }
        return None;
    }
    let for_all = |all: bool| networks.first().filter(|_| all);
    let highway = for_all(matches!(clauses.highway, Some((_, Each::All(_))))).map_or(0, |network| network.highway);
    let mut network = Network { hidden, highway, ranks: Vec::new() };
    match clauses.rank {
        Some((_, Each::All(list))) => match &list.0[..] {
            [rank] => network.ranks = vec![rank.value; network.matrices()],
            _ => errors.report(word.span(), say::poisson_with_ranks()),
        },
        Some((_, Each::List(..))) | None => {}
    }
    Some(Poisson::Separate(network))
}
