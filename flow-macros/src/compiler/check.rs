//! The notation as written to a density whose every part exists and fits, or messages.

use super::ast::{
    Amortize, Block, Bounds, Chain, Chosen, Clause, ClauseKind, Count, Density, Each, Features, Ground, Kind, Layer,
    Link, Manifold, Network, Places, Poisson, Setting, Space, Spec, Widths, Written,
};
use super::diagnostics::{self as say, Diagnostics};
use super::table::{self, Value};
use proc_macro2::{Ident, Span};
use std::collections::HashSet;
use syn::ext::IdentExt;

/// Width of the hidden layer of a network where none is written.
const HIDDEN: usize = 128;

/// The highest mode of a highway (layers.md 3.2).
const LAST_MODE: i64 = 4;

/// The options of an outer network.
const OUTER_OPTIONS: &[&str] = &["rank", "highway"];

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

/// Where the words of the clauses stand; where the macro stands for those that are not written.
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

// ---- manifolds ---------------------------------------------------------------------------------------------------

/// The manifold of a kind, `e3`; or what is wrong with it.
pub fn space(kind: &str) -> Result<(&'static table::Manifold, usize), String> {
    let digits = kind.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let prefix = &kind[..kind.len() - digits.len()];
    let mut letters = prefix.chars();
    let (Some(letter), None) = (letters.next(), letters.next()) else { return Err(say::unknown_manifold(kind)) };
    if !table::MANIFOLDS.iter().any(|row| row.prefix == letter) {
        return Err(say::unknown_manifold(kind));
    }
    if digits.is_empty() {
        return Err(say::no_dimension(kind));
    }
    let Ok(dim) = digits.parse::<usize>() else { return Err(say::wrong_dimension(kind, letter)) };
    if digits.starts_with('0') && dim > 0 {
        return Err(say::leading_zero(kind, &format!("{letter}{dim}")));
    }
    table::manifold(letter, dim).map(|row| (row, dim)).ok_or_else(|| say::wrong_dimension(kind, letter))
}

/// The manifolds of the notation, those that exist.
fn spaces(spec: &Spec, errors: &mut Diagnostics) -> Vec<Result<Ground, ()>> {
    let mut one = |manifold: &Manifold| {
        let Manifold { kind, bounds, .. } = manifold;
        let text = kind.to_string();
        if let Kind::Own(own) = kind {
            if let Some(written) = bounds {
                errors.report(written.span, say::bounds_after(&text));
            }
            return Ok(Ground::Own(own.clone()));
        }
        let name = manifold.name.as_ref().map(|name| name.unraw().to_string());
        if let Some(name) = name.filter(|name| space(&text).is_err() && space(name).is_ok()) {
            errors.report(kind.span(), say::name_after_kind(&name, &text));
            return Err(());
        }
        let (row, dim) = space(&text).map_err(|message| errors.report(kind.span(), message))?;
        let mut ends = table::BOUNDS;
        if let Some(written) = bounds {
            if row.takes == table::Takes::Bounds {
                ends = self::bounds(written, errors);
            } else {
                errors.report(written.span, say::bounds_after(&text));
            }
        }
        Ok(Ground::Known(Space { row, dim, bounds: ends, span: kind.span() }))
    };
    spec.manifolds.iter().map(|manifold| manifold.as_ref().map_or(Err(()), &mut one)).collect()
}

/// Two numbers of reasonable size, the smaller one first.
fn bounds(written: &Bounds, errors: &mut Diagnostics) -> [f64; 2] {
    let ends = written.ends.each_ref().map(|end| end.value().and_then(Value::number).unwrap_or(f64::NAN));
    let [low, high] = &written.ends;
    if ends.iter().any(|end| end.abs() > table::LARGEST_BOUND) {
        errors.report(written.span, say::bounds_size(&low.text, &high.text));
    } else if ends[0] >= ends[1] {
        errors.report(written.span, say::bounds_order(&low.text, &high.text));
    }
    // The two zeros are one.
    ends.map(|end| end + 0.0)
}

/// What the constants of a named flow are called, beside those of its manifolds.
const CONSTANTS: &[&str] = &["notation", "dim", "embedded_dim", "features", "params"];

/// Whether the constants of a manifold with this name would be nothing else's.
pub fn is_free(name: &str) -> bool {
    !CONSTANTS.contains(&name) && !name.ends_with("_params") && !name.ends_with("_columns")
}

/// Names become methods and constants.
fn names(spec: &Spec, errors: &mut Diagnostics) {
    let mut seen = HashSet::new();
    for name in spec.manifolds.iter().flatten().filter_map(|manifold| manifold.name.as_ref()) {
        let text = name.to_string();
        let plain = |text: &str| {
            let fits = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            fits && !text.starts_with('_') && syn::parse_str::<Ident>(text).is_ok()
        };
        if !plain(&text) {
            let better = snake_case(name.unraw().to_string().as_str());
            errors.report(name.span(), say::name_style(&text, plain(&better).then_some(better)));
        } else if !is_free(&text) {
            errors.report(name.span(), say::name_taken(&text));
        } else if !seen.insert(text) {
            errors.report(name.span(), say::name_twice(&name.to_string()));
        }
    }
}

/// `EventVertex` as `event_vertex`.
fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for (place, letter) in name.trim_matches('_').char_indices() {
        if letter.is_uppercase() && place > 0 && !text.ends_with('_') {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

/// Manifolds and chains are pairs.
fn as_many_chains_as_manifolds(spec: &Spec, errors: &mut Diagnostics) {
    let (manifolds, chains) = (spec.manifolds.len(), spec.chains.len());
    let unread = spec.manifolds.iter().any(Option::is_none) || spec.chains.iter().any(Option::is_none);
    if chains == 0 || unread {
        // There is no colon, or a part that may stand for two, which parsing has reported.
        return;
    }
    for manifold in spec.manifolds.iter().skip(chains).flatten() {
        errors.report(manifold.kind.span(), say::manifold_without_chain(&manifold.to_string(), chains));
    }
    for chain in spec.chains.iter().skip(manifolds).flatten() {
        errors.report(span_of_chain(chain), say::chain_without_manifold(&chain.to_string(), manifolds));
    }
    if let Some(manifold) = spec.manifolds.get(LONGEST).and_then(Option::as_ref) {
        errors.report(manifold.kind.span(), say::too_long("manifolds", manifolds, LONGEST));
    }
}

fn span_of_chain(chain: &Chain) -> Span {
    match chain.links.first() {
        Some(Link::Word(word, _)) => word.span(),
        Some(Link::Own(layer)) => syn::spanned::Spanned::span(layer),
        None => Span::call_site(),
    }
}

// ---- clauses -----------------------------------------------------------------------------------------------------

/// The clauses by what they say.
#[derive(Default)]
struct Clauses<'a> {
    cond: Option<&'a Each<Count>>,
    hidden: Option<(&'a Ident, &'a Each<Widths>)>,
    rank: Option<(&'a Ident, &'a Each<Widths>)>,
    highway: Option<(&'a Ident, &'a Each<Count>)>,
    poisson: Option<(&'a Ident, &'a Option<Widths>)>,
    amortize: Option<(&'a Ident, &'a Option<Widths>, &'a [Setting])>,
    defaults: Vec<(&'static table::Letter, &'a [Setting])>,
}

fn clauses<'a>(spec: &'a Spec, errors: &mut Diagnostics) -> Clauses<'a> {
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

fn features(clauses: &Clauses, manifolds: usize, errors: &mut Diagnostics) -> Features {
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
fn networks(clauses: &Clauses, manifolds: usize, errors: &mut Diagnostics) -> Vec<Network> {
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

/// What is said about networks is not said in vain.
fn networks_exist(spec: &Spec, clauses: &Clauses, errors: &mut Diagnostics) {
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

/// Where every parameter comes from.
fn amortize(spec: &Spec, clauses: &Clauses, errors: &mut Diagnostics) -> Option<Amortize> {
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

/// Where the log-mean comes from. A network of its own has the rank and the highway that are written for all.
fn poisson(spec: &Spec, clauses: &Clauses, networks: &[Network], errors: &mut Diagnostics) -> Option<Poisson> {
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

// ---- chains ------------------------------------------------------------------------------------------------------

type Defaults<'a> = [(&'static table::Letter, &'a [Setting])];

/// The layers of every chain; those of a chain without a manifold are looked at too.
fn chains(
    spec: &Spec,
    spaces: &[Result<Ground, ()>],
    defaults: &Defaults,
    errors: &mut Diagnostics,
) -> Vec<Option<Vec<Layer>>> {
    // A setting that breaks a rule may serve many words; it is told once.
    let mut told = HashSet::new();
    let mut all = Vec::new();
    for (place, chain) in spec.chains.iter().enumerate() {
        let Some(chain) = chain else {
            all.push(None);
            continue;
        };
        let kind = spec.manifolds.get(place).and_then(|manifold| manifold.as_ref()).map(|m| m.kind.to_string());
        let place = match (spaces.get(place), &kind) {
            (Some(Ok(Ground::Known(space))), Some(kind)) => Place::On(*space, kind),
            (Some(Ok(Ground::Own(_))), Some(kind)) => Place::OnOwn(kind),
            (Some(_), _) => Place::Unknown,
            (None, _) => Place::Nowhere,
        };
        let length = chain.links.iter().map(Link::len).sum();
        if length > LONGEST {
            errors.report(span_of_chain(chain), say::too_long("layers in one chain", length, LONGEST));
            all.push(None);
            continue;
        }
        let mut layers = Vec::new();
        for link in &chain.links {
            match link {
                Link::Own(layer) => layers.push(Layer::Own(layer.clone())),
                Link::Word(word, settings) => {
                    layers.extend(self::word(word, settings, place, defaults, &mut told, errors))
                }
            }
        }
        all.push(Some(layers));
    }
    all
}

impl Link {
    /// Number of layers.
    fn len(&self) -> usize {
        match self {
            Link::Word(word, _) => word.unraw().to_string().chars().count(),
            Link::Own(_) => 1,
        }
    }
}

/// What a chain stands on.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// A manifold, and how it is written.
    On(Space, &'a str),
    /// A manifold of the user's own, and how it is written.
    OnOwn(&'a str),
    /// A manifold that does not exist, which has been reported.
    Unknown,
    /// No manifold.
    Nowhere,
}

/// The layers of a word.
fn word(
    word: &Ident,
    settings: &[Setting],
    place: Place,
    defaults: &Defaults,
    told: &mut HashSet<*const Setting>,
    errors: &mut Diagnostics,
) -> Vec<Layer> {
    let text = word.unraw().to_string();
    if let Place::OnOwn(kind) = place {
        errors.report(word.span(), say::letters_on_own(&text, kind));
        return Vec::new();
    }
    let (mut rows, mut unknown) = (Vec::<&'static table::Letter>::new(), Vec::new());
    for letter in text.chars() {
        match table::letter(letter) {
            Some(row) if !rows.iter().any(|other| other.letter == letter) => rows.push(row),
            None if !unknown.contains(&letter) => unknown.push(letter),
            _ => {}
        }
    }
    // What is on a manifold that does not exist may have letters that do not exist.
    let (judged, space) = match place {
        Place::On(space, kind) => (true, Some((space, kind))),
        Place::Nowhere => (true, None),
        Place::Unknown | Place::OnOwn(_) => (false, None),
    };
    if !unknown.is_empty() && judged {
        errors.report(word.span(), say::unknown_letters(&text, &unknown, space));
    }
    if let Some((space, kind)) = space {
        for row in rows.iter().filter(|row| !row.on.contains(&space.row.key)) {
            errors.report(word.span(), say::wrong_manifold(row, space, kind));
        }
    }
    known_options(&text, &rows, settings, unknown.is_empty(), errors);
    let options: Vec<_> = rows.iter().map(|row| (row.letter, options(row, settings, defaults, told, errors))).collect();
    let layer = |letter| {
        let (_, chosen) = options.iter().find(|(other, _)| *other == letter)?;
        Some(Layer::Letter(table::letter(letter)?, word.span(), chosen.clone()))
    };
    text.chars().filter_map(layer).collect()
}

// ---- options -----------------------------------------------------------------------------------------------------

/// Every option belongs to a letter of its word, is written once, and has a value it takes.
fn known_options(
    word: &str,
    rows: &[&'static table::Letter],
    settings: &[Setting],
    all_letters_known: bool,
    errors: &mut Diagnostics,
) {
    let mut seen = HashSet::new();
    for setting in settings {
        let Setting { name, value } = setting;
        let text = name.to_string();
        if !seen.insert(text.clone()) {
            errors.report(name.span(), say::option_twice(&text));
        }
        let owners: Vec<_> = rows.iter().filter_map(|row| Some((row.letter, row.option(&text)?))).collect();
        if owners.is_empty() && all_letters_known {
            errors.report(name.span(), say::unknown_option(&text, word, rows));
        }
        if let Written::Bare(bare) = &value.value {
            let kind = owners.first().map(|(_, option)| option.kind);
            let of_texts = kind.is_none_or(|kind| {
                use table::Kind::{Choice, Letters, Widths};
                matches!(kind, Choice(_) | Letters { .. } | Widths)
            });
            let message = match owners.first() {
                Some((letter, option)) if !of_texts => say::wrong_value(*letter, option, bare),
                _ => say::quotes_missing(&text, bare, kind),
            };
            errors.report(value.span, message);
            continue;
        }
        // Letters of one word may take different values of an option; the first that does not take it is named.
        let refuses = |(_, option): &&(char, &'static table::Opt)| encode(option, setting).is_none();
        if let Some((letter, option)) = owners.iter().find(refuses) {
            errors.report(value.span, say::wrong_value(*letter, option, &value.text));
        }
    }
}

fn encode(option: &table::Opt, setting: &Setting) -> Option<u128> {
    option.kind.encode(setting.value.value()?)
}

/// The options of a letter in a word: the defaults of the whole notation, then the word's own, which override them.
fn options(
    row: &'static table::Letter,
    own: &[Setting],
    defaults: &Defaults,
    told: &mut HashSet<*const Setting>,
    errors: &mut Diagnostics,
) -> Vec<Chosen> {
    let defaults = defaults.iter().filter(|(other, _)| other.letter == row.letter).flat_map(|(_, settings)| *settings);
    let overridden = |setting: &&Setting| own.iter().any(|other| other.name == setting.name);
    let written: Vec<&Setting> = defaults.filter(|setting| !overridden(setting)).chain(own).collect();
    rules(row, &written, told, errors);
    let chosen = |setting: &&Setting| {
        let option = row.option(&setting.name.to_string())?;
        Some(Chosen { option, span: setting.name.span(), code: encode(option, setting)? })
    };
    written.iter().filter_map(chosen).collect()
}

/// What must hold between options.
fn rules(row: &table::Letter, written: &[&Setting], told: &mut HashSet<*const Setting>, errors: &mut Diagnostics) {
    let setting = |name: &str| written.iter().rev().copied().find(|setting| setting.name == name);
    let value = |name: &str| {
        let Some(option) = row.option(name) else { return f64::NAN };
        let written = setting(name).map_or(Some(option.default), |setting| setting.value.value());
        written.map_or(f64::NAN, |value| option.number(value))
    };
    let holds = |(name, test): &(&str, table::Test)| {
        let default = row.option(name).map_or(f64::NAN, |option| option.number(option.default));
        test.holds(value(name), default, value)
    };
    let shown = |name: &str| {
        let default = || row.option(name).map(|option| option.default.to_string()).unwrap_or_default();
        setting(name).map_or_else(default, |setting| setting.value.text.clone())
    };
    let sound = |name: &str| {
        let Some((setting, option)) = setting(name).zip(row.option(name)) else { return true };
        encode(option, setting).is_some()
    };
    for rule in row.rules {
        let (name, test) = rule.needs;
        let involved: Vec<&str> = rule.when.iter().map(|(name, _)| *name).chain([name]).chain(test.other()).collect();
        // A value that does not fit has been reported.
        let applies = involved.iter().all(|name| sound(name)) && rule.when.iter().all(holds);
        if !applies || holds(&rule.needs) {
            continue;
        }
        let culprit = written.iter().rev().find(|setting| involved.iter().any(|name| setting.name == name));
        if let Some(culprit) = culprit.filter(|culprit| told.insert(**culprit)) {
            errors.report(culprit.name.span(), say::rule(row.letter, name, rule, shown));
        }
    }
}
