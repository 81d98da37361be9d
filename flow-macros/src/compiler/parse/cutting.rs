//! Tokens cut at signs, and texts of tokens.

use super::super::ast::print;
use super::super::diagnostics::{self as say, Diagnostics};
use proc_macro2::{Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};
use syn::{Error, Result, Token};

/// The tokens between two signs.
pub(super) struct Piece {
    pub(super) tokens: Vec<TokenTree>,
    /// The sign beside it, to point at where nothing stands.
    sign: Option<(Span, char)>,
}

impl Piece {
    /// Reads all of the piece.
    pub(super) fn read<T>(self, what: &str, example: &str, parser: impl FnOnce(ParseStream) -> Result<T>) -> Result<T> {
        if self.tokens.is_empty() {
            let span = self.sign.map_or_else(Span::call_site, |(span, _)| span);
            return Err(Error::new(span, say::missing(what, self.sign.map(|(_, sign)| sign), example)));
        }
        parser.parse2(self.tokens.into_iter().collect())
    }
}

pub(super) fn is(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

/// Cuts tokens at the first `sign`: those before it, the sign, and those after it.
pub(super) fn cut(mut tokens: Vec<TokenTree>, sign: char) -> (Vec<TokenTree>, Option<(Span, Vec<TokenTree>)>) {
    // The two colons of a path are none of these.
    let double = |place: usize| {
        let next = |at: usize| tokens.get(at).is_some_and(|token| is(token, sign));
        let joint = |at: usize| matches!(&tokens[at], TokenTree::Punct(sign) if sign.spacing() == Spacing::Joint);
        next(place + 1) && joint(place) || place > 0 && next(place - 1) && joint(place - 1)
    };
    let Some(place) = (0..tokens.len()).find(|place| is(&tokens[*place], sign) && !(sign == ':' && double(*place)))
    else {
        return (tokens, None);
    };
    let rest = tokens.split_off(place + 1);
    let span = tokens.pop().map_or_else(Span::call_site, |token| token.span());
    (tokens, Some((span, rest)))
}

/// The pieces between signs; `beside` is the sign that stands beside the whole.
pub(super) fn pieces(tokens: Vec<TokenTree>, sign: char, beside: Option<(Span, char)>) -> Vec<Piece> {
    let mut all = vec![Piece { tokens: Vec::new(), sign: beside }];
    for token in tokens {
        if is(&token, sign) {
            let span = token.span();
            if let Some(last) = all.last_mut() {
                last.sign = Some((span, sign));
            }
            all.push(Piece { tokens: Vec::new(), sign: Some((span, sign)) });
        } else if let Some(last) = all.last_mut() {
            last.tokens.push(token);
        }
    }
    all
}

/// Manifolds or chains with `+` for each comma between them, which is a slip.
pub(super) fn no_commas(tokens: Vec<TokenTree>, place: &str, errors: &mut Diagnostics) -> Vec<TokenTree> {
    let mut plus = |comma: TokenTree| {
        errors.report(comma.span(), say::unexpected(",", place));
        let mut plus = Punct::new('+', Spacing::Alone);
        plus.set_span(comma.span());
        plus.into()
    };
    tokens.into_iter().map(|token| if is(&token, ',') { plus(token) } else { token }).collect()
}

/// Clauses that follow a comma in the place of the `|`, which is a slip.
pub(super) fn cut_before_clause(
    mut tokens: Vec<TokenTree>,
    errors: &mut Diagnostics,
) -> (Vec<TokenTree>, Option<(Span, Vec<TokenTree>)>) {
    let begins =
        |pair: &[TokenTree]| is(&pair[0], ',') && matches!(&pair[1], TokenTree::Ident(word) if is_clause(word));
    let Some(place) = tokens.windows(2).position(begins) else { return (tokens, None) };
    let clauses = tokens.split_off(place + 1);
    let comma = tokens.pop().map_or_else(Span::call_site, |token| token.span());
    errors.report(comma, say::no_bar(&clauses[0].to_string()));
    (tokens, Some((comma, clauses)))
}

pub(super) fn is_clause(word: &Ident) -> bool {
    say::CLAUSES.iter().any(|clause| word == clause)
}

/// An error about all of some tokens.
pub(super) fn wrong(tokens: &[TokenTree], message: String) -> Error {
    if tokens.is_empty() {
        return Error::new(Span::call_site(), message);
    }
    Error::new_spanned(tokens.iter().cloned().collect::<TokenStream>(), message)
}

pub fn text_of(tokens: &[TokenTree]) -> String {
    print(tokens.iter().cloned().collect())
}

/// Reads the text between the quotes, if it is a text.
pub fn text_in_quotes(literal: &proc_macro2::Literal) -> Option<String> {
    match syn::Lit::new(literal.clone()) {
        syn::Lit::Str(text) => Some(text.value()),
        _ => None,
    }
}

/// The next token as a person would write it.
pub(super) fn next(input: ParseStream) -> String {
    let token = input.fork().parse::<TokenTree>();
    token.map_or_else(|_| String::new(), |token| print(token.into()))
}

/// Nothing may follow.
pub(super) fn end(input: ParseStream, place: &str) -> Result<()> {
    if input.is_empty() { Ok(()) } else { Err(unexpected(input, place)) }
}

pub(super) fn unexpected(input: ParseStream, place: &str) -> Error {
    let token = next(input);
    match token.as_str() {
        _ if place == say::IN_HEADER => {
            let sign = if token.starts_with('{') { "{" } else { &token };
            input.error(say::unexpected(sign, place))
        }
        ":" if input.peek(Token![::]) => input.error(say::path_without_brackets()),
        ":" | "|" => input.error(say::second(if token == ":" { ':' } else { '|' })),
        ";" if place != say::IN_OPTIONS => input.error(say::unexpected(";", say::ONE_FLOW)),
        _ if token.starts_with('{') => input.error(say::unexpected("{", say::BRACES)),
        _ => input.error(say::unexpected(&token, place)),
    }
}
