//! Tokens to the notation as written.
//!
//! The signs `|` `:` `+` `,` stand at the top level of the notation only where they separate: numbers, options and types are inside
//! delimiters. So the tokens are first cut at the signs, and every piece is read by itself: an error in one piece leaves the others readable.

mod chains;
mod clauses;
mod cutting;
mod manifolds;

use super::ancestor;
use super::ast::{Header, Input, Spec};
use super::diagnostics::{self as say, Diagnostics};
use chains::chain;
use clauses::clause;
use cutting::{cut, cut_before_clause, end, is, no_commas, pieces, wrong};
pub use cutting::{text_in_quotes, text_of};
use manifolds::manifold;
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Result};

/// More than this is a slip of the keyboard: a network of such a size fits no memory.
const LARGEST_COUNT: usize = 1 << 20;

/// A flow in item position, in type position, or in angle brackets.
pub fn input(tokens: TokenStream, errors: &mut Diagnostics) -> Input {
    let mut tokens = flat(tokens);
    if !starts_item(&tokens) {
        return Input { is_item: false, header: None, spec: spec(tokens, errors) };
    }
    let attributes = attributes(&mut tokens).map_err(|error| errors.add(error));
    let (head, rest) = cut(tokens, '=');
    let header = match attributes {
        Ok(attributes) => {
            errors.keep(header.parse2(head.into_iter().collect())).map(|header| Header { attributes, ..header })
        }
        Err(()) => None,
    };
    let Some((equals, mut notation)) = rest else {
        if header.is_some() {
            errors.report(Span::call_site(), say::no_equals());
        }
        return Input { is_item: true, header, spec: None };
    };
    notation.pop_if(|token| is(token, ';'));
    if notation.is_empty() {
        errors.report(equals, say::no_equals());
        return Input { is_item: true, header, spec: None };
    }
    Input { is_item: true, header, spec: spec(notation, errors) }
}

/// The tokens without the invisible groups in which macros wrap what they pass on.
fn flat(tokens: TokenStream) -> Vec<TokenTree> {
    let mut all = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => all.extend(flat(group.stream())),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {
                let mut same = Group::new(Delimiter::Parenthesis, flat(group.stream()).into_iter().collect());
                same.set_span(group.span());
                all.push(same.into());
            }
            other => all.push(other),
        }
    }
    all
}

/// A notation begins with a manifold, an item with an attribute, a visibility or a keyword.
fn starts_item(tokens: &[TokenTree]) -> bool {
    match tokens {
        [first, ..] if is(first, '#') => true,
        [TokenTree::Ident(word), TokenTree::Ident(_) | TokenTree::Group(_), ..] => {
            ["pub", "struct", "type", "enum", "union", "trait", "const", "static"].iter().any(|item| word == item)
        }
        [TokenTree::Ident(word), ..] => word == "struct" || word == "pub",
        _ => false,
    }
}

/// `pub struct Name`, after its attributes.
fn header(input: ParseStream) -> Result<Header> {
    let visibility = input.parse().map_err(|error| Error::new(error.span(), say::wrong_header(&error.to_string())))?;
    let keyword = input.call(Ident::parse_any).map_err(|_| Error::new(input.span(), say::no_struct()))?;
    if keyword != "struct" {
        return Err(Error::new(keyword.span(), say::not_a_struct(&keyword.to_string())));
    }
    let name: Ident = input.parse().map_err(|_| match input.fork().call(Ident::parse_any) {
        Ok(word) => Error::new(word.span(), say::keyword_as_name(&word.to_string())),
        Err(_) => Error::new(keyword.span(), say::no_struct_name()),
    })?;
    end(input, say::IN_HEADER)?;
    Ok(Header { attributes: Vec::new(), visibility, name })
}

/// The attributes before it, each read by itself: what is left over in one is an error of its own.
fn attributes(tokens: &mut Vec<TokenTree>) -> Result<Vec<syn::Attribute>> {
    let mut all = Vec::new();
    while tokens.first().is_some_and(|token| is(token, '#')) {
        let length = tokens.len().min(2);
        let one: Vec<_> = tokens.drain(..length).collect();
        let wrong = |error: Error| Error::new(one[0].span(), say::wrong_header(&error.to_string()));
        all.extend(syn::Attribute::parse_outer.parse2(one.iter().cloned().collect()).map_err(wrong)?);
    }
    Ok(all)
}

/// Manifolds, chains, clauses.
fn spec(mut tokens: Vec<TokenTree>, errors: &mut Diagnostics) -> Option<Spec> {
    if let Some(open) = tokens.first().filter(|token| is(token, '<')).map(TokenTree::span) {
        tokens.remove(0);
        if tokens.pop_if(|token| is(token, '>')).is_none() {
            errors.report(open, say::angle_open());
        }
    }
    match tokens.first() {
        None => {
            errors.report(Span::call_site(), say::empty());
            return None;
        }
        Some(TokenTree::Literal(first)) if text_in_quotes(first).is_some() => {
            errors.report(first.span(), say::quoted(&ancestor::line(tokens)));
            return None;
        }
        Some(_) => {}
    }
    let (body, clauses) = cut(tokens, '|');
    let (body, clauses) = if clauses.is_none() { cut_before_clause(body, errors) } else { (body, clauses) };
    let (manifolds, chains) = cut(body, ':');
    let no_colon = chains.is_none().then(|| wrong(&manifolds, say::no_colon(&text_of(&manifolds))));
    // Without a colon nothing says where the manifolds end: what cannot be read as one is no mistake of its own.
    let mut unread = Diagnostics::default();
    let in_manifolds = if no_colon.is_some() { &mut unread } else { &mut *errors };
    let manifolds = no_commas(manifolds, say::IN_MANIFOLDS, in_manifolds);
    let beside = chains.as_ref().map(|(colon, _)| (*colon, ':'));
    let manifolds =
        pieces(manifolds, '+', beside).into_iter().map(|piece| in_manifolds.keep(manifold(piece))).collect();
    unread.finish();
    let chains = chains.map(|(colon, chains)| (colon, no_commas(chains, say::IN_CHAINS, errors)));
    let chains = chains.map_or_else(Vec::new, |(colon, chains)| {
        pieces(chains, '+', Some((colon, ':'))).into_iter().map(|piece| errors.keep(chain(piece))).collect()
    });
    let clauses: Vec<_> = clauses.map_or_else(Vec::new, |(bar, clauses)| {
        let mut pieces = pieces(clauses, ',', Some((bar, '|')));
        // A comma may end the list.
        if pieces.len() > 1 {
            pieces.pop_if(|piece| piece.tokens.is_empty());
        }
        pieces.into_iter().map(|piece| errors.keep(clause(piece))).collect()
    });
    let unread_clause = clauses.iter().any(Option::is_none);
    let spec = Spec { manifolds, chains, clauses: clauses.into_iter().flatten().collect(), unread_clause };
    if let Some(error) = no_colon {
        errors.add(error);
    }
    Some(spec)
}
