//! The manifolds as written.

use super::super::ancestor;
use super::super::ast::{Bounds, Kind, Literal, Manifold, print};
use super::super::check::space;
use super::super::diagnostics as say;
use super::cutting::{Piece, end, next, text_of, unexpected, wrong};
use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Result, Token, token};

pub(super) fn manifold(piece: Piece) -> Result<Manifold> {
    let text = text_of(&piece.tokens);
    if let Some(better) = ancestor::interval(&text) {
        return Err(wrong(&piece.tokens, say::ancestor_bounds(&text, &better)));
    }
    piece.read("a manifold", "e3", |input| {
        let (name, kind) = if input.peek(token::Bracket) {
            (None, own_manifold(input)?)
        } else {
            let first = input.call(Ident::parse_any).map_err(|_| unexpected(input, say::IN_MANIFOLDS))?;
            if input.peek(Token![@]) {
                let at: Token![@] = input.parse()?;
                let kind = if input.peek(token::Bracket) {
                    own_manifold(input)?
                } else {
                    let word = input.call(Ident::parse_any);
                    let missing = |_| Error::new(at.span, say::missing("a manifold", Some('@'), "vertex@e3"));
                    Kind::Word(word.map_err(missing)?)
                };
                (Some(first), kind)
            } else {
                (None, Kind::Word(first))
            }
        };
        after_kind(input, &kind)?;
        let bounds = if input.peek(token::Bracket) { Some(bounds(input)?) } else { None };
        end(input, say::IN_MANIFOLDS)?;
        Ok(Manifold { name, kind, bounds })
    })
}

/// `[my::Torus]`.
fn own_manifold(input: ParseStream) -> Result<Kind> {
    let inside;
    let brackets = syn::bracketed!(inside in input);
    let tokens: TokenStream = inside.parse()?;
    let own = if tokens.is_empty() {
        Err("nothing is written there".to_string())
    } else {
        syn::parse2(tokens.clone()).map_err(|error| error.to_string())
    };
    own.map(Kind::Own)
        .map_err(|reason| Error::new(brackets.span.join(), say::not_an_own_manifold(&print(tokens), &reason)))
}

/// Reports what people write after a manifold in place of what belongs there.
fn after_kind(input: ParseStream, kind: &Kind) -> Result<()> {
    let text = kind.to_string();
    let next = next(input);
    if input.peek(token::Paren) || input.peek(token::Brace) {
        let inside = next[1..next.len() - 1].trim();
        return Err(input.error(say::after_manifold(&text, inside, &next)));
    }
    if input.peek(Token![=]) {
        return Err(input.error(say::unexpected("=", say::IN_HEADER)));
    }
    let inside = next.trim_matches(['[', ']']);
    if input.peek(token::Bracket) && text.len() == 1 && space(&format!("{text}{inside}")).is_ok() {
        return Err(input.error(say::after_manifold(&text, inside, &next)));
    }
    let joined = format!("{text}{next}");
    if input.peek(syn::LitInt) && text.len() == 1 && space(&joined).is_ok() {
        return Err(Error::new(kind.span(), say::space_in_manifold(&text, &next)));
    }
    if input.peek(Ident::peek_any) && space(&text).is_err() && space(&next).is_ok() {
        return Err(Error::new(kind.span(), say::no_at(&text, &next)));
    }
    Ok(())
}

fn bounds(input: ParseStream) -> Result<Bounds> {
    let inside;
    let brackets = syn::bracketed!(inside in input);
    let span = brackets.span.join();
    let tokens: TokenStream = inside.parse()?;
    let ends = |input: ParseStream| {
        let low: Literal = input.parse()?;
        input.parse::<Token![,]>()?;
        Ok([low, input.parse()?])
    };
    let ends = ends.parse2(tokens.clone()).ok().filter(|ends| ends.iter().all(Literal::is_number));
    let ends = ends.ok_or_else(|| Error::new(span, say::not_bounds(&print(tokens))))?;
    Ok(Bounds { span, ends })
}
