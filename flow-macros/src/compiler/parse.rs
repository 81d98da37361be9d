//! Tokens to the notation as written.
//!
//! The signs `|` `:` `+` `,` stand at the top level of the notation only where they separate: numbers, options and types are inside
//! delimiters. So the tokens are first cut at the signs, and every piece is read by itself: an error in one piece leaves the others readable.

use super::ancestor;
use super::ast::{
    Bounds, Chain, Clause, ClauseKind, Count, Each, Header, Input, Kind, Link, Literal, Manifold, NONE, Setting, Spec,
    Widths, Written, print,
};
use super::check::space;
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

pub fn text_of(tokens: &[TokenTree]) -> String {
    print(tokens.iter().cloned().collect())
}

/// What stands between the quotes, if it is a text.
pub fn text_in_quotes(literal: &proc_macro2::Literal) -> Option<String> {
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

// ---- manifolds ---------------------------------------------------------------------------------------------------

fn manifold(piece: Piece) -> Result<Manifold> {
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

/// What people write after a manifold in the place of what belongs there.
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
fn settings(input: ParseStream, word: &Ident) -> Result<Vec<Setting>> {
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
