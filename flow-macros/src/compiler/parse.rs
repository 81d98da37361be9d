//! Tokens to the notation as written.
//!
//! The signs `|` `:` `+` `,` stand at the top level of the notation only where they separate: numbers, options and types are inside
//! delimiters. So the tokens are first cut at the signs, and every piece is read by itself: an error in one piece leaves the others readable.

use super::ast::{
    Bounds, Chain, Clause, ClauseKind, Count, Each, Header, Input, Kind, Link, Literal, Manifold, NONE, Setting, Spec,
    Widths, Written, print,
};
use super::diagnostics::{self as say, Diagnostics};
use proc_macro2::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Error, Result, Token, token};

/// More than this is a slip of the keyboard: a network of such a size fits no memory.
const LARGEST_COUNT: usize = 1 << 20;

/// A flow in item position, in type position, or in angle brackets.
pub fn input(tokens: TokenStream, errors: &mut Diagnostics) -> Input {
    let mut tokens = flat(tokens);
    if !starts_item(&tokens) {
        return Input { is_item: false, header: None, spec: spec(tokens, errors) };
    }
    let (head, rest) = cut(tokens.split_off(0), '=');
    let header = errors.keep(header.parse2(head.into_iter().collect()));
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

/// `#[..] pub struct Name`.
fn header(input: ParseStream) -> Result<Header> {
    let attributes = input.call(syn::Attribute::parse_outer)?;
    let visibility = input.parse()?;
    let keyword = input.call(Ident::parse_any).map_err(|_| Error::new(input.span(), say::no_struct()))?;
    if keyword != "struct" {
        return Err(Error::new(keyword.span(), say::not_a_struct(&keyword.to_string())));
    }
    let name: Ident = input.parse().map_err(|_| Error::new(keyword.span(), say::no_struct_name()))?;
    end(input, say::IN_HEADER)?;
    Ok(Header { attributes, visibility, name })
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
            let texts = tokens.iter().filter_map(|token| match token {
                TokenTree::Literal(literal) => text_in_quotes(literal),
                _ => None,
            });
            errors.report(first.span(), say::quoted(&texts.collect::<Vec<_>>()));
            return None;
        }
        Some(_) => {}
    }
    let (body, clauses) = cut(tokens, '|');
    let (body, clauses) = if clauses.is_none() { cut_before_clause(body, errors) } else { (body, clauses) };
    let (manifolds, chains) = cut(body, ':');
    let no_colon = chains.is_none().then(|| wrong(&manifolds, say::no_colon(&text_of(&manifolds))));
    let manifolds = no_commas(manifolds, say::IN_MANIFOLDS, errors);
    let chains = chains.map(|(colon, chains)| (colon, no_commas(chains, say::IN_CHAINS, errors)));
    let spec = Spec {
        manifolds: pieces(manifolds, '+', chains.as_ref().map(|(colon, _)| (*colon, ':')))
            .into_iter()
            .map(|piece| errors.keep(manifold(piece)))
            .collect(),
        chains: chains.map_or_else(Vec::new, |(colon, chains)| {
            pieces(chains, '+', Some((colon, ':'))).into_iter().map(|piece| errors.keep(chain(piece))).collect()
        }),
        clauses: clauses.map_or_else(Vec::new, |(bar, clauses)| {
            let mut pieces = pieces(clauses, ',', Some((bar, '|')));
            // A comma may end the list.
            if pieces.len() > 1 {
                pieces.pop_if(|piece| piece.tokens.is_empty());
            }
            pieces.into_iter().filter_map(|piece| errors.keep(clause(piece))).collect()
        }),
    };
    if let Some(error) = no_colon {
        errors.add(error);
    }
    Some(spec)
}

// ---- cutting -----------------------------------------------------------------------------------------------------

/// What stands between two signs.
struct Piece {
    tokens: Vec<TokenTree>,
    /// The sign beside it, to point at where nothing stands.
    sign: Option<(Span, char)>,
}

impl Piece {
    /// Reads all of the piece.
    fn read<T>(self, what: &str, example: &str, parser: impl FnOnce(ParseStream) -> Result<T>) -> Result<T> {
        if self.tokens.is_empty() {
            let span = self.sign.map_or_else(Span::call_site, |(span, _)| span);
            return Err(Error::new(span, say::missing(what, self.sign.map(|(_, sign)| sign), example)));
        }
        parser.parse2(self.tokens.into_iter().collect())
    }
}

fn is(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

/// What stands before the first `sign`, the sign, and what stands after it.
fn cut(mut tokens: Vec<TokenTree>, sign: char) -> (Vec<TokenTree>, Option<(Span, Vec<TokenTree>)>) {
    let Some(place) = tokens.iter().position(|token| is(token, sign)) else { return (tokens, None) };
    let rest = tokens.split_off(place + 1);
    let span = tokens.pop().map_or_else(Span::call_site, |token| token.span());
    (tokens, Some((span, rest)))
}

/// The pieces between signs; `beside` is the sign that stands beside the whole.
fn pieces(tokens: Vec<TokenTree>, sign: char, beside: Option<(Span, char)>) -> Vec<Piece> {
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
fn no_commas(tokens: Vec<TokenTree>, place: &str, errors: &mut Diagnostics) -> Vec<TokenTree> {
    let mut plus = |comma: TokenTree| {
        errors.report(comma.span(), say::unexpected(",", place));
        let mut plus = Punct::new('+', Spacing::Alone);
        plus.set_span(comma.span());
        plus.into()
    };
    tokens.into_iter().map(|token| if is(&token, ',') { plus(token) } else { token }).collect()
}

/// Clauses that follow a comma in the place of the `|`, which is a slip.
fn cut_before_clause(
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

fn is_clause(word: &Ident) -> bool {
    say::CLAUSES.iter().any(|clause| word == clause)
}

/// An error about all of some tokens.
fn wrong(tokens: &[TokenTree], message: String) -> Error {
    if tokens.is_empty() {
        return Error::new(Span::call_site(), message);
    }
    Error::new_spanned(tokens.iter().cloned().collect::<TokenStream>(), message)
}

fn text_of(tokens: &[TokenTree]) -> String {
    print(tokens.iter().cloned().collect())
}

/// What stands between the quotes, if it is a text.
fn text_in_quotes(literal: &proc_macro2::Literal) -> Option<String> {
    match syn::Lit::new(literal.clone()) {
        syn::Lit::Str(text) => Some(text.value()),
        _ => None,
    }
}

/// The next token as a person would write it.
fn next(input: ParseStream) -> String {
    let token = input.fork().parse::<TokenTree>();
    token.map_or_else(|_| String::new(), |token| print(token.into()))
}

/// Nothing may follow.
fn end(input: ParseStream, place: &str) -> Result<()> {
    if input.is_empty() { Ok(()) } else { Err(unexpected(input, place)) }
}

fn unexpected(input: ParseStream, place: &str) -> Error {
    let token = next(input);
    match token.as_str() {
        ":" | "|" => input.error(say::second(if token == ":" { ':' } else { '|' })),
        _ if token.starts_with('{') => input.error(say::unexpected("{", say::BRACES)),
        _ => input.error(say::unexpected(&token, place)),
    }
}

// ---- manifolds ---------------------------------------------------------------------------------------------------

fn manifold(piece: Piece) -> Result<Manifold> {
    if let Some((low, high)) = ancestor_bounds(&text_of(&piece.tokens)) {
        let message = say::ancestor_bounds(&text_of(&piece.tokens), &low, &high);
        return Err(wrong(&piece.tokens, message));
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

/// The bounds of `i1_-3_3`, which is how the ancestor of this notation writes an interval.
fn ancestor_bounds(text: &str) -> Option<(String, String)> {
    let (low, high) = text.strip_prefix("i1_")?.split_once('_')?;
    let both = low.parse::<f64>().is_ok() && high.parse::<f64>().is_ok();
    both.then(|| (low.into(), high.into()))
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

// ---- chains ------------------------------------------------------------------------------------------------------

fn chain(piece: Piece) -> Result<Chain> {
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
    let options = if input.peek(token::Paren) { settings(input, &word)? } else { Vec::new() };
    Ok(Link::Word(word, options))
}

/// `(num_kde = 20, skip_model_offset = 1)`.
fn settings(input: ParseStream, word: &Ident) -> Result<Vec<Setting>> {
    let inside;
    let parens = syn::parenthesized!(inside in input);
    if inside.is_empty() {
        return Err(Error::new(parens.span.join(), say::empty_options(&word.unraw().to_string())));
    }
    each_of(&inside, "an option", "num_kde = 20", |input| {
        let name = input.call(Ident::parse_any).map_err(|_| unexpected(input, say::IN_OPTIONS))?;
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
fn each_of<T>(
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

fn no_suffix(span: Span, text: &str, suffix: &str) -> Result<()> {
    if suffix.is_empty() { Ok(()) } else { Err(Error::new(span, say::suffix(text, suffix))) }
}

// ---- clauses -----------------------------------------------------------------------------------------------------

fn clause(piece: Piece) -> Result<Clause> {
    piece.read("a clause", "| cond 32", |input| {
        let word = input.call(Ident::parse_any).map_err(|_| unexpected(input, say::IN_CLAUSES))?;
        let text = word.unraw().to_string();
        let kind = match text.as_str() {
            "cond" => ClauseKind::Cond(each(input, &word, "the number of given features", "32", count)?),
            "hidden" => ClauseKind::Hidden(each(input, &word, "the width of a layer", "128-128", widths)?),
            "rank" => ClauseKind::Rank(each(input, &word, "the rank", "8", ranks)?),
            "highway" => ClauseKind::Highway(each(input, &word, say::HIGHWAY, "1", count)?),
            "poisson" if input.peek(token::Paren) => return Err(input.error(say::poisson_in_parentheses())),
            "poisson" => ClauseKind::Poisson(own_widths(input)?),
            "amortize" => {
                let widths = own_widths(input)?;
                ClauseKind::Amortize(
                    widths,
                    if input.peek(token::Paren) { settings(input, &word)? } else { Vec::new() },
                )
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
fn own_widths(input: ParseStream) -> Result<Option<Widths>> {
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
            let example = if what == "the rank" { "rank 8-4" } else { "hidden 128-128" };
            return Err(Error::new(minus.span, say::missing(what, Some('-'), example)));
        }
        all.push(count(input, what)?);
    }
    Ok(Widths(all))
}
