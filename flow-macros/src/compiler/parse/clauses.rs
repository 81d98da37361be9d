//! The clauses as written.

use super::super::ancestor;
use super::super::ast::{Clause, ClauseKind, Count, Each, NONE, Widths};
use super::super::diagnostics as say;
use super::LARGEST_COUNT;
use super::chains::{each_of, no_suffix, settings};
use super::cutting::{Piece, end, next, text_of, unexpected};
use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Error, Result, Token, token};

pub(super) fn clause(piece: Piece) -> Result<Clause> {
    piece.read("a clause", "| cond 32", |input| {
        if input.peek(syn::LitInt) {
            return Err(input.error(say::number_alone(&next(input))));
        }
        let word = input.call(Ident::parse_any).map_err(|_| unexpected(input, say::IN_CLAUSES))?;
        let text = word.unraw().to_string();
        let kind = match text.as_str() {
            "cond" => ClauseKind::Cond(each(input, &word, "the number of given features", "32", count)?),
            "hidden" => ClauseKind::Hidden(each(input, &word, "the width of a layer", "128-128", widths)?),
            "rank" => ClauseKind::Rank(each(input, &word, say::RANK, "8", ranks)?),
            "highway" => ClauseKind::Highway(each(input, &word, say::HIGHWAY, "1", count)?),
            "poisson" if input.peek(token::Paren) => return Err(input.error(say::poisson_in_parentheses())),
            "poisson" => ClauseKind::Poisson(own_widths(input, &word)?),
            "amortize" => {
                let widths = own_widths(input, &word)?;
                let after = next(input);
                if after.starts_with('(') && after[1..].starts_with(|sign: char| sign.is_ascii_digit()) {
                    let list = after.trim_matches(['(', ')']).replace(", ", "-").replace(',', "-");
                    return Err(input.error(say::amortize_in_parentheses(&list)));
                }
                ClauseKind::Amortize(
                    widths,
                    if input.peek(token::Paren) { settings(input, &word)? } else { Vec::new() },
                )
            }
            name if ancestor::clause(name).is_some() => {
                let better = ancestor::clause(name).unwrap_or_default();
                return Err(Error::new(word.span(), say::ancestor_clause(name, better)));
            }
            _ if input.peek(token::Paren) => ClauseKind::Defaults(settings(input, &word)?),
            letter if letter.chars().count() == 1 => return Err(Error::new(word.span(), say::no_options(letter))),
            _ => return Err(Error::new(word.span(), say::unknown_clause(&text))),
        };
        end(input, say::IN_CLAUSES)?;
        Ok(Clause { word, kind })
    })
}

/// One for all, or a list in parentheses.
fn each<T>(
    input: ParseStream,
    word: &Ident,
    what: &str,
    example: &str,
    one: impl Fn(ParseStream, &str) -> Result<T>,
) -> Result<Each<T>> {
    missing_number(input, word, what, example)?;
    no_sign(input, &format!("{word} {example}"))?;
    if input.peek(token::Bracket) {
        return Err(input.error(say::list_in_brackets(&next(input))));
    }
    if !input.peek(token::Paren) {
        return Ok(Each::All(one(input, what)?));
    }
    let inside;
    let parens = syn::parenthesized!(inside in input);
    let items = each_of(&inside, what, &format!("{word} ({example}, {example})"), |input| {
        let item = one(input, what)?;
        end(input, say::IN_CLAUSES)?;
        Ok(item)
    })?;
    Ok(Each::List(parens.span.join(), items))
}

/// Between the word of a clause and what it says stands nothing.
fn no_sign(input: ParseStream, example: &str) -> Result<()> {
    if input.peek(Token![=]) || input.peek(Token![:]) {
        return Err(input.error(say::sign_in_clause(&next(input), example)));
    }
    Ok(())
}

fn missing_number(input: ParseStream, word: &Ident, what: &str, example: &str) -> Result<()> {
    if !input.is_empty() {
        return Ok(());
    }
    Err(Error::new(word.span(), say::missing(what, None, &format!("{word} {example}"))))
}

fn count(input: ParseStream, what: &str) -> Result<Count> {
    let (span, mut written) = (input.span(), next(input));
    if written == "-" {
        written = text_of(&input.fork().parse::<TokenStream>()?.into_iter().take(2).collect::<Vec<_>>());
    }
    let wrong = || Error::new(span, say::not_a_count(&written, what, LARGEST_COUNT));
    let literal = input.parse::<syn::LitInt>().map_err(|_| wrong())?;
    no_suffix(span, &written, literal.suffix())?;
    let value = literal.base10_parse().ok().filter(|value| *value <= LARGEST_COUNT).ok_or_else(wrong)?;
    Ok(Count { span, value })
}

/// The widths of a network that a clause may have.
fn own_widths(input: ParseStream, word: &Ident) -> Result<Option<Widths>> {
    no_sign(input, &format!("{word} 64"))?;
    if input.is_empty() || input.peek(token::Paren) {
        Ok(None)
    } else {
        widths(input, "the width of a layer").map(Some)
    }
}

fn widths(input: ParseStream, what: &str) -> Result<Widths> {
    if input.peek(Ident::peek_any) && input.fork().call(Ident::parse_any)? == NONE {
        input.call(Ident::parse_any)?;
        return Ok(Widths(Vec::new()));
    }
    ranks(input, what)
}

/// Numbers with a sign between them.
fn ranks(input: ParseStream, what: &str) -> Result<Widths> {
    let mut all = vec![count(input, what)?];
    while let Some(minus) = input.parse::<Option<Token![-]>>()? {
        if input.is_empty() {
            let example = if what == say::RANK { "rank 8-4" } else { "hidden 128-128" };
            return Err(Error::new(minus.span, say::missing(what, Some('-'), example)));
        }
        all.push(count(input, what)?);
    }
    Ok(Widths(all))
}
