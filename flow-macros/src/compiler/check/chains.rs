//! The layers of every chain.

use super::super::ast::{Ground, Layer, Link, Setting, Space, Spec};
use super::super::diagnostics::{self as say, Diagnostics};
use super::super::table;
use super::LONGEST;
use super::manifolds::span_of_chain;
use super::options::{known_options, options};
use proc_macro2::Ident;
use std::collections::HashSet;
use syn::ext::IdentExt;

pub(super) type Defaults<'a> = [(&'static table::Letter, &'a [Setting])];

/// The layers of every chain; those of a chain without a manifold are looked at too.
pub(super) fn chains(
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

/// The manifold that a chain stands on.
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
