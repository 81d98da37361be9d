//! The manifolds, their bounds and names; as many chains as manifolds.

use super::super::ast::{Bounds, Chain, Ground, Kind, Link, Manifold, Space, Spec};
use super::super::diagnostics::{self as say, Diagnostics};
use super::super::table::{self, Value};
use super::LONGEST;
use proc_macro2::{Ident, Span};
use std::collections::HashSet;
use syn::ext::IdentExt;

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
pub(super) fn spaces(spec: &Spec, errors: &mut Diagnostics) -> Vec<Result<Ground, ()>> {
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

/// Names of the constants of a named flow, beside those of its manifolds.
const CONSTANTS: &[&str] = &["notation", "dim", "embedded_dim", "features", "params"];

/// Whether the constants of a manifold with this name would be nothing else's.
pub fn is_free(name: &str) -> bool {
    !CONSTANTS.contains(&name) && !name.ends_with("_params") && !name.ends_with("_columns")
}

/// Names become methods and constants.
pub(super) fn names(spec: &Spec, errors: &mut Diagnostics) {
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
pub(super) fn as_many_chains_as_manifolds(spec: &Spec, errors: &mut Diagnostics) {
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

pub(super) fn span_of_chain(chain: &Chain) -> Span {
    match chain.links.first() {
        Some(Link::Word(word, _)) => word.span(),
        Some(Link::Own(layer)) => syn::spanned::Spanned::span(layer),
        None => Span::call_site(),
    }
}
