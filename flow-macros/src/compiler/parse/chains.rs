//! Words, options and layers of the user's own as written.

use super::super::ast::{Chain, Link, Literal, Setting, Written, print};
use super::super::diagnostics as say;
use super::cutting::{Piece, end, is, is_clause, next, pieces, unexpected, wrong};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Result, Token, token};

pub(super) fn chain(piece: Piece) -> Result<Chain> {
    piece.read("a chain of layers", "e3 + s2 : gggg + n", |input| {
        let mut links = Vec::new();
        while !input.is_empty() {
            links.push(link(input, matches!(links.last(), Some(Link::Own(_))))?);
        }
        Ok(Chain { links })
    })
}

fn link(input: ParseStream, after_own: bool) -> Result<Link> {
    if input.peek(token::Bracket) {
        let inside;
        let brackets = syn::bracketed!(inside in input);
        let tokens: TokenStream = inside.parse()?;
        if tokens.is_empty() {
            return Err(Error::new(brackets.span.join(), say::not_a_layer("", "nothing is written there")));
        }
        if let [TokenTree::Ident(_), equals, ..] = &tokens.clone().into_iter().collect::<Vec<_>>()[..]
            && is(equals, '=')
        {
            return Err(Error::new(brackets.span.join(), say::options_in(&print(tokens))));
        }
        let layer = syn::parse2(tokens.clone());
        return layer
            .map(Link::Own)
            .map_err(|error| Error::new(brackets.span.join(), say::not_a_layer(&print(tokens), &error.to_string())));
    }
    if input.peek(token::Paren) {
        let message = if after_own { say::options_of_own_layer() } else { say::options_without_word() };
        return Err(input.error(message));
    }
    let word = input.call(Ident::parse_any).map_err(|_| unexpected(input, say::IN_CHAINS))?;
    if is_clause(&word) {
        return Err(Error::new(word.span(), say::no_bar(&word.to_string())));
    }
    if input.peek(token::Brace) && next(input).contains('=') {
        return Err(input.error(say::options_in(next(input).trim_matches(['{', '}', ' ']))));
    }
    let options = if input.peek(token::Paren) { settings(input, &word)? } else { Vec::new() };
    Ok(Link::Word(word, options))
}

/// `(num_kde = 20, skip_model_offset = 1)`.
pub(super) fn settings(input: ParseStream, word: &Ident) -> Result<Vec<Setting>> {
    let inside;
    let parens = syn::parenthesized!(inside in input);
    if inside.is_empty() {
        return Err(Error::new(parens.span.join(), say::empty_options(&word.unraw().to_string())));
    }
    each_of(&inside, "an option", "num_kde = 20", |input| {
        let name = input.call(Ident::parse_any).map_err(|_| unexpected(input, say::IN_OPTIONS))?;
        if input.peek(Token![:]) || input.peek(Token![==]) || input.peek(Token![=>]) {
            let sign: TokenStream = input.parse()?;
            return Err(wrong(&sign.into_iter().take(1).collect::<Vec<_>>(), say::not_equals(&name.to_string())));
        }
        input.parse::<Token![=]>().map_err(|_| {
            Error::new(name.span(), say::missing(&format!("the value of `{name}`"), None, &format!("{name} = 1")))
        })?;
        if input.is_empty() {
            let message = say::missing(&format!("the value of `{name}`"), Some('='), &format!("{name} = 1"));
            return Err(Error::new(name.span(), message));
        }
        let value = input.parse()?;
        end(input, say::IN_OPTIONS)?;
        Ok(Setting { name, value })
    })
}

/// A list with commas, each entry by itself; all errors in one.
pub(super) fn each_of<T>(
    input: ParseStream,
    what: &str,
    example: &str,
    parser: impl Fn(ParseStream) -> Result<T>,
) -> Result<Vec<T>> {
    let place = input.span();
    let tokens: TokenStream = input.parse()?;
    let mut pieces = pieces(tokens.into_iter().collect(), ',', Some((place, '(')));
    if pieces.len() > 1 {
        pieces.pop_if(|piece| piece.tokens.is_empty());
    }
    let (mut items, mut wrong) = (Vec::new(), None::<Error>);
    for piece in pieces {
        match piece.read(what, example, &parser) {
            Ok(item) => items.push(item),
            Err(error) => match &mut wrong {
                Some(before) => before.combine(error),
                None => wrong = Some(error),
            },
        }
    }
    wrong.map_or(Ok(items), Err)
}

impl Parse for Literal {
    fn parse(input: ParseStream) -> Result<Literal> {
        let (start, written) = (input.span(), next(input));
        let minus = input.parse::<Option<Token![-]>>()?;
        if minus.is_none() && input.peek(Ident::peek_any) && !input.peek(syn::LitBool) {
            let word = input.call(Ident::parse_any)?.unraw().to_string();
            return Ok(Literal { span: start, text: word.clone(), value: Written::Bare(word) });
        }
        let sign = if minus.is_some() { "-" } else { "" };
        let no_value = |_| Error::new(start, say::wrong_quotes(&written));
        let literal = input.parse::<syn::Lit>().map_err(no_value)?;
        let span = start.join(literal.span()).unwrap_or_else(|| literal.span());
        let (value, text) = match &literal {
            syn::Lit::Int(int) => {
                no_suffix(int.span(), &int.to_string(), int.suffix())?;
                let text = format!("{sign}{}", int.base10_digits());
                (text.parse().map_or_else(|_| float(&text), Written::Int), text)
            }
            syn::Lit::Float(number) => {
                no_suffix(number.span(), &number.to_string(), number.suffix())?;
                let text = format!("{sign}{}", number.base10_digits());
                (float(&text), text)
            }
            syn::Lit::Bool(flag) if minus.is_none() => (Written::Flag(flag.value), flag.value.to_string()),
            syn::Lit::Str(text) if minus.is_none() && text.suffix().is_empty() => {
                (Written::Text(text.value()), format!("{:?}", text.value()))
            }
            _ => return Err(Error::new(span, say::wrong_quotes(&written))),
        };
        if matches!(value, Written::Float(number) if !number.is_finite()) {
            return Err(Error::new(span, say::too_large(&text)));
        }
        Ok(Literal { span, value, text })
    }
}

fn float(text: &str) -> Written {
    Written::Float(text.parse().unwrap_or(f64::INFINITY))
}

pub(super) fn no_suffix(span: Span, text: &str, suffix: &str) -> Result<()> {
    if suffix.is_empty() { Ok(()) } else { Err(Error::new(span, say::suffix(text, suffix))) }
}
