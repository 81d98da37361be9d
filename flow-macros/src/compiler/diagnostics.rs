//! What the macro says about a notation that is wrong. Every message names what was written, what is wrong, and the way out.

use super::ast::{Network, Space, list};
use super::table::{self, LETTERS, MANIFOLDS, Manifold};
use proc_macro2::Span;

/// Errors on their way to the user. Dropping some unread is a bug of the compiler, and panics.
#[derive(Default)]
pub struct Diagnostics {
    errors: Vec<syn::Error>,
    read: bool,
}

impl Diagnostics {
    /// Adds a message.
    pub fn report(&mut self, span: Span, message: String) {
        self.errors.push(syn::Error::new(span, message));
    }

    /// Adds the messages of a parser.
    pub fn add(&mut self, error: syn::Error) {
        self.errors.extend(error);
    }

    /// Adds the messages of a failed step, and goes on without its result.
    pub fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    /// All of them.
    pub fn finish(mut self) -> Vec<syn::Error> {
        self.read = true;
        core::mem::take(&mut self.errors)
    }
}

impl Drop for Diagnostics {
    fn drop(&mut self) {
        if !self.read && !std::thread::panicking() {
            panic!("errors of a notation were dropped unread");
        }
    }
}

/// An example with everything.
pub const SHAPE: &str = "`e3 + s2 : gggg + n | cond 32`";

// ---- the notation as a whole -------------------------------------------------------------------------------------

pub fn empty() -> String {
    format!("nothing is written here: a density is manifolds, `:` and a chain of layers for each, for example {SHAPE}")
}

/// Manifolds and chains come in one text, or in two as with the ancestor of this notation.
pub fn quoted(line: &str) -> String {
    format!("the notation is written without quotes: `flow!({line})`")
}

pub fn no_colon(manifolds: &str) -> String {
    format!(
        "`{manifolds}` has no `:`: after the manifolds come `:` and a chain of layers for each, for example {SHAPE}"
    )
}

pub fn second(sign: char) -> String {
    let role =
        if sign == ':' { "between manifolds and chains" } else { "before the clauses; these are separated by `,`" };
    format!("a second `{sign}`: there is one, {role}, for example {SHAPE}")
}

pub fn angle_open() -> String {
    "the `<` has no `>` at the end: write both or neither".into()
}

pub fn missing(what: &str, sign: Option<char>, example: &str) -> String {
    let place = sign.map_or_else(|| "here".into(), |sign| format!("beside this `{sign}`"));
    format!("{what} is missing {place}, for example `{example}`")
}

pub fn unexpected(token: &str, place: &str) -> String {
    format!("unexpected `{token}`: {place}")
}

pub const IN_MANIFOLDS: &str = "manifolds are joined by `+` and followed by `:`, for example `e3 + s2 : gggg + n`";
pub const IN_CHAINS: &str = "a chain is words of layer letters, for example `ggg(num_kde = 20) t`, or your own layers in brackets, `[my::Layer]`; \
     chains are joined by `+`, and `|` begins the clauses";
pub const IN_CLAUSES: &str = "clauses are separated by `,`, for example `| cond 32, hidden 128-128`";
pub const IN_OPTIONS: &str =
    "options are `name = value`, separated by `,`, for example `(num_kde = 20, skip_model_offset = 1)`";
pub const IN_HEADER: &str = "a named flow is written `pub struct Name = e3 : gggg`, with no generics, fields or body";
pub const BRACES: &str = "braces have no meaning in the notation: options stand in parentheses, `ggg(num_kde = 20)`, layers of your own in \
     brackets, `[my::Layer<3>]`";
pub const ONE_FLOW: &str = "one `flow!` holds one notation, and only that of a `struct` may end in `;`: leave it out";

pub fn path_without_brackets() -> String {
    "unexpected `::`: a type of your own stands in brackets, `[my::Torus] : [my::Layer<3>]`".into()
}

// ---- the struct of a named flow ----------------------------------------------------------------------------------

pub fn not_a_struct(word: &str) -> String {
    format!("`{word}` cannot be declared here: write `struct`, for example `pub struct Name = e3 : gggg`")
}

/// Reports a header that Rust's own parser refuses, with its words about attributes and visibility.
pub fn wrong_header(reason: &str) -> String {
    format!("{reason} before `struct`: a named flow is written `#[derive(Clone)] pub struct Name = e3 : gggg`")
}

pub fn no_struct() -> String {
    "attributes belong to a named flow: write `pub struct Name = e3 : gggg` after them, or leave them out".into()
}

pub fn no_equals() -> String {
    format!("`=` and the notation are missing, for example `pub struct Name = {}`", SHAPE.trim_matches('`'))
}

pub fn keyword_as_name(word: &str) -> String {
    format!(
        "`{word}` is a keyword of Rust and cannot name a struct: write another name, for example `pub struct Event = e3 : gggg`"
    )
}

pub fn no_struct_name() -> String {
    "the name of the struct is missing, for example `pub struct Name = e3 : gggg`".into()
}

// ---- manifolds ---------------------------------------------------------------------------------------------------

/// Lists the manifolds of the table.
fn manifolds() -> String {
    list(MANIFOLDS.iter().map(|row| format!("{} ({})", row.notation(), row.name)), ", ")
}

pub fn unknown_manifold(kind: &str) -> String {
    let lower = kind.to_ascii_lowercase();
    // In this order: asking for a space that is none ends here again.
    let meant = lower != kind && super::check::space(&lower).is_ok();
    if meant {
        return format!("`{kind}` is not a manifold: did you mean `{lower}`?");
    }
    format!("`{kind}` is not a manifold of this version: there are {}", manifolds())
}

pub fn not_an_own_manifold(written: &str, reason: &str) -> String {
    format!(
        "`[{written}]` is not a manifold: brackets hold the type of a manifold of your own, `[my::Torus]` ({reason})"
    )
}

/// Letters know the manifolds of the table only.
pub fn letters_on_own(word: &str, kind: &str) -> String {
    format!(
        "`{word}` are letters of the manifolds that come with them, but `{kind}` is a manifold of your own: write layers of \
         your own, `[my::Layer]`"
    )
}

pub fn no_dimension(kind: &str) -> String {
    let rows = MANIFOLDS.iter().filter(|row| kind.starts_with(row.prefix));
    let dim = rows.map(|row| row.dims.1).max().unwrap_or(2).min(2);
    format!("`{kind}` lacks its dimension: write `{kind}{dim}`, say")
}

pub fn leading_zero(kind: &str, canonical: &str) -> String {
    format!("`{kind}` has a needless zero: write `{canonical}`")
}

pub fn wrong_dimension(kind: &str, prefix: char) -> String {
    if kind.starts_with("i1_") {
        return after_manifold("i1", "", "");
    }
    let has: Vec<_> = MANIFOLDS.iter().filter(|row| row.prefix == prefix).collect();
    let (least, most) = (has[0].dims.0, has[has.len() - 1].dims.1);
    let range = if least == most { format!("is {least}") } else { format!("goes from {least} to {most}") };
    format!("`{kind}` is not a manifold of this version: the dimension of `{prefix}` {range}")
}

pub fn ancestor_bounds(text: &str, better: &str) -> String {
    format!("`{text}` is written `{better}` here")
}

/// Bounds or options in parentheses or braces after a manifold.
pub fn after_manifold(kind: &str, inside: &str, whole: &str) -> String {
    let bounded = super::check::space(kind).is_ok_and(|(row, _)| row.takes == table::Takes::Bounds);
    if bounded {
        let two = inside.split(',').filter(|end| end.trim().parse::<f64>().is_ok()).count() == 2;
        let bounds = if two && inside.matches(',').count() == 1 { inside } else { "-3, 3" };
        return format!("bounds stand in brackets: `{kind}[{bounds}]`");
    }
    let way_out = match inside.parse::<usize>() {
        Ok(dim) if super::check::space(&format!("{kind}{dim}")).is_ok() => format!("write `{kind}{dim}`"),
        _ => "options stand after a word of the chain, `e3 : ggg(num_kde = 20)`".into(),
    };
    format!("unexpected `{whole}` after the manifold `{kind}`: {way_out}")
}

pub fn space_in_manifold(letter: &str, dim: &str) -> String {
    format!("the manifold `{letter} {dim}` is one word: write `{letter}{dim}`")
}

pub fn no_at(name: &str, kind: &str) -> String {
    format!("between the name `{name}` and its manifold stands `@`: write `{name}@{kind}`")
}

pub fn name_after_kind(kind: &str, name: &str) -> String {
    format!("the name of a manifold stands before it: write `{name}@{kind}`")
}

pub fn bounds_after(kind: &str) -> String {
    format!("`{kind}` takes no bounds: they belong to an interval, `i1[-1, 1]`; leave them out")
}

pub fn not_bounds(text: &str) -> String {
    format!("`[{text}]` are no bounds: write two numbers, for example `[-1, 1]`")
}

pub fn bounds_order(low: &str, high: &str) -> String {
    format!(
        "the bounds `[{low}, {high}]` are the wrong way round or leave nothing between them: write the smaller number first"
    )
}

pub fn bounds_size(low: &str, high: &str) -> String {
    format!("the bounds `[{low}, {high}]` are too large: each is at most {:e} in size", table::LARGEST_BOUND)
}

pub fn name_style(name: &str, better: Option<String>) -> String {
    let example = better.unwrap_or_else(|| "vertex".into());
    format!(
        "`{name}` cannot name a manifold: the name becomes a method, so write a plain lower-case word that is no keyword \
         of Rust, for example `{example}`"
    )
}

pub fn name_taken(name: &str) -> String {
    let constant = name.to_uppercase();
    format!(
        "`{name}` cannot name a manifold: the name becomes a constant of the flow, and `{constant}` is another one; choose \
         another name, for example `my_{}`",
        name.trim_end_matches("_params").trim_end_matches("_columns")
    )
}

pub fn name_twice(name: &str) -> String {
    format!("two manifolds are named `{name}`: give each its own name")
}

// ---- chains ------------------------------------------------------------------------------------------------------

pub fn chain_without_manifold(chain: &str, manifolds: usize) -> String {
    format!(
        "the chain `{chain}` has no manifold, there {} before the `:`: add one, or remove the chain",
        counted(manifolds, "manifold")
    )
}

pub fn manifold_without_chain(manifold: &str, chains: usize) -> String {
    format!(
        "the manifold `{manifold}` has no chain of layers, there {} after the `:`: add one, or remove the manifold",
        counted(chains, "chain")
    )
}

/// "is 1 chain", "are 2 chains".
fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("is 1 {what}") } else { format!("are {number} {what}s") }
}

pub fn too_long(what: &str, has: usize, most: usize) -> String {
    format!("{has} {what}: write at most {most}, deeper types reach the recursion limit of rustc")
}

fn ticked(letters: impl IntoIterator<Item = char>) -> String {
    list(letters.into_iter().map(|letter| format!("`{letter}`")), ", ")
}

/// The letters that act on a manifold, the nearest to `wanted` first.
fn letters_on(space: Space, wanted: char) -> String {
    let mut fitting: Vec<char> =
        LETTERS.iter().filter(|row| row.on.contains(&space.row.key)).map(|row| row.letter).collect();
    fitting.sort_by_key(|letter| (*letter as u32).abs_diff(wanted.to_ascii_lowercase() as u32));
    ticked(fitting)
}

pub fn unknown_letters(word: &str, unknown: &[char], space: Option<(Space, &str)>) -> String {
    if let Some(better) = meant(word, space) {
        return format!("`{word}` is not a word of layer letters: did you mean `{better}`?");
    }
    let which = match unknown {
        [one] if word.chars().eq([*one]) => format!("`{one}` is not a layer letter"),
        [one] => format!("`{one}` in `{word}` is not a layer letter"),
        many => format!("{} in `{word}` are not layer letters", ticked(many.iter().copied())),
    };
    match space {
        Some((space, kind)) => format!("{which}: on `{kind}` there are {}", letters_on(space, unknown[0])),
        None => format!("{which}: there are {}", ticked(LETTERS.iter().map(|row| row.letter))),
    }
}

/// `gggg` for `GGGG`, and for `g4`.
fn meant(word: &str, space: Option<(Space, &str)>) -> Option<String> {
    let fits = |letter: char| {
        table::letter(letter).is_some_and(|row| space.is_none_or(|(space, _)| row.on.contains(&space.row.key)))
    };
    let lower = word.to_lowercase();
    if lower != word && lower.chars().all(fits) {
        return Some(lower);
    }
    let (letter, number) = word.split_at_checked(1)?;
    let times = number.parse().ok().filter(|times| (1..=9).contains(times))?;
    letter.chars().all(fits).then(|| letter.repeat(times))
}

pub fn wrong_manifold(row: &table::Letter, space: Space, kind: &str) -> String {
    let acts = MANIFOLDS.iter().filter(|m| row.on.contains(&m.key)).map(Manifold::notation);
    format!(
        "`{}` acts on {}, but `{kind}` is {}: use {}",
        row.letter,
        list(acts, ", "),
        space.row.name,
        letters_on(space, row.letter)
    )
}

pub fn options_without_word() -> String {
    "these options follow no word: write the letters first, for example `ggg(num_kde = 20)`".into()
}

pub fn options_of_own_layer() -> String {
    "options belong to words of letters: what your own layer needs goes into its type, `[my::Layer<3>]`".into()
}

pub fn options_in(inside: &str) -> String {
    format!("options stand in parentheses after a word: `ggg({inside})`")
}

pub fn not_a_layer(written: &str, reason: &str) -> String {
    format!("`[{written}]` is not a layer: brackets hold the type of a layer of your own, `[my::Layer<3>]` ({reason})")
}

// ---- options -----------------------------------------------------------------------------------------------------

pub fn unknown_option(name: &str, word: &str, rows: &[&'static table::Letter]) -> String {
    let names: Vec<_> = rows.iter().flat_map(|row| row.options).map(|option| option.name).collect();
    let none = names.is_empty();
    let elsewhere: Vec<_> = LETTERS.iter().filter(|row| row.option(name).is_some()).map(|row| row.letter).collect();
    let way_out = if let Some(near) = nearest(name, &names) {
        format!("did you mean `{near}`?")
    } else if !elsewhere.is_empty() {
        format!("it is an option of {}", ticked(elsewhere))
    } else if none {
        "it has none, leave the parentheses out".into()
    } else {
        let mut names = names;
        names.sort_unstable();
        names.dedup();
        format!("there are {}", list(names.iter().map(|name| format!("`{name}`")), ", "))
    };
    format!("`{word}` has no option `{name}`: {way_out}")
}

pub fn option_twice(name: &str) -> String {
    format!("`{name}` is written twice: keep one of the two")
}

pub fn no_options(word: &str) -> String {
    match example_option(word) {
        Some(example) => format!("the options of `{word}` are missing, for example `{word}({example})`"),
        None => format!("`{word}` has no options: leave it out"),
    }
}

pub fn empty_options(word: &str) -> String {
    let way_out = example_option(word).map_or_else(
        || "leave them out, it has no options".into(),
        |example| format!("write options, for example `{word}({example})`, or leave them out"),
    );
    format!("the parentheses after `{word}` are empty: {way_out}")
}

/// An option of the first letter of a word; `None` for a letter without options.
fn example_option(word: &str) -> Option<String> {
    if word == "amortize" {
        return Some("rank = 5".into());
    }
    let row = word.chars().next().and_then(table::letter).unwrap_or(&LETTERS[0]);
    row.options.first().map(|option| format!("{} = {}", option.name, option.default))
}

pub fn wrong_value(letter: char, option: &table::Opt, text: &str) -> String {
    let table::Opt { name, kind, default, .. } = option;
    let near = match kind {
        table::Kind::Choice(of) => nearest(text.trim_matches('"'), of),
        _ => None,
    };
    let near = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
    format!("`{name} = {text}` does not fit: `{name}` of `{letter}` takes {} (default {default}){near}", kind.expects())
}

pub fn quotes_missing(name: &str, text: &str, kind: Option<table::Kind>) -> String {
    let near = match kind {
        Some(table::Kind::Choice(of)) => nearest(text, of).unwrap_or(of[0]),
        _ => text,
    };
    format!("`{text}` is a text: write it in quotes, `{name} = \"{near}\"`")
}

pub fn not_equals(name: &str) -> String {
    format!("between an option and its value stands one `=`: `{name} = ..`")
}

pub fn wrong_quotes(text: &str) -> String {
    format!(
        "`{text}` is not a value of the notation: write a number, `true`, `false`, or a text in plain quotes, \"full\""
    )
}

pub fn suffix(text: &str, suffix: &str) -> String {
    format!(
        "`{text}` has a suffix: numbers are written without a type, `{}`",
        text.trim_end_matches(suffix).trim_end_matches('_')
    )
}

pub fn too_large(text: &str) -> String {
    format!("`{text}` is too large for a number: write a finite one")
}

/// `shown` gives the value of an option as it is written, or its default.
pub fn rule(letter: char, option: &str, rule: &table::Rule, shown: impl Fn(&str) -> String) -> String {
    let conditions = rule.when.iter().filter(|(name, _)| *name != option);
    let bound = rule.needs.1.other().map(|name| format!("`{name} = {}`", shown(name)));
    let with =
        bound.unwrap_or_else(|| list(conditions.map(|(name, _)| format!("`{name} = {}`", shown(name))), " and "));
    format!("`{option} = {}` does not go with {with} in `{letter}`: {}", shown(option), rule.why)
}

// ---- clauses -----------------------------------------------------------------------------------------------------

/// The words that begin a clause.
pub const CLAUSES: &[&str] = &["cond", "hidden", "rank", "highway", "poisson", "amortize"];

/// Other names of the clauses; a word may begin with one of them.
const SYNONYMS: &[(&str, &str)] = &[
    ("cond", "cond"),
    ("context", "cond"),
    ("features", "cond"),
    ("given", "cond"),
    ("layers", "hidden"),
    ("width", "hidden"),
    ("network", "hidden"),
    ("mlp", "hidden"),
];

pub fn no_bar(clause: &str) -> String {
    format!("`{clause}` is a clause: write `|` before the first clause, for example {SHAPE}")
}

pub fn unknown_clause(word: &str) -> String {
    let synonym = SYNONYMS.iter().find(|(other, _)| word.starts_with(other)).map(|(_, clause)| *clause);
    if let Some(row) = LETTERS.iter().find(|row| row.option(word).is_some()) {
        return format!("`{word}` is an option: write it after its letter, `| {}({word} = ..)`", row.letter);
    }
    let way_out = nearest(word, CLAUSES).or(synonym).map_or_else(
        || {
            "there are `cond 32`, `hidden 128-128`, `rank 8`, `highway 1`, `poisson`, `amortize 128`, and options of a \
             letter, `g(num_kde = 20)`"
                .into()
        },
        |near| format!("did you mean `{near}`?"),
    );
    format!("`{word}` is not a clause: {way_out}")
}

pub fn clause_twice(word: &str) -> String {
    format!("the clause `{word}` is written twice: keep one of the two")
}

pub fn ancestor_clause(argument: &str, better: &str) -> String {
    format!("`{argument}` is written `{better}` here")
}

pub fn number_alone(number: &str) -> String {
    format!(
        "`{number}` is no clause: widths of the layers of one network are joined by `-`, `hidden 128-{number}`; a list with one entry for each \
         manifold stands in parentheses, `hidden (128, {number})`"
    )
}

pub fn sign_in_clause(sign: &str, clause: &str) -> String {
    format!("unexpected `{sign}`: a clause is written without it, `{clause}`")
}

pub fn list_in_brackets(list: &str) -> String {
    format!("a list stands in parentheses: `({})`", list.trim_matches(['[', ']']))
}

pub fn zero(what: &str, way_out: &str) -> String {
    format!("{what} is 0: {way_out}")
}

pub const ZERO_COND: &str = "leave the clause out for a density without given features";
pub const ZERO_COND_LIST: &str = "every manifold of a list is given at least one feature";
pub const ZERO_HIDDEN: &str = "write a width of at least 1, or `none` for a network without hidden layers";
pub const ZERO_RANK: &str = "leave the clause out for full matrices";
pub const ZERO_OUTER_RANK: &str = "leave the option out for full matrices";

/// The setting of the clause `highway`, in words.
pub const HIGHWAY: &str = "the mode of the highway";

/// The setting of the clause `rank`, in words.
pub const RANK: &str = "the rank";

pub fn not_a_count(text: &str, what: &str, most: usize) -> String {
    let (least, most) = match what {
        HIGHWAY => (0, 4),
        RANK => (0, most),
        _ => (1, most),
    };
    let zero = if what == RANK { ", 0 for a full matrix" } else { "" };
    format!("`{text}` does not fit: {what} is a whole number from {least} to {most}{zero}")
}

pub fn list_length(word: &str, has: usize, manifolds: usize) -> String {
    format!(
        "the list after `{word}` has {has} {}, but there {}: write one entry for each, or a single one without \
         parentheses for all",
        if has == 1 { "entry" } else { "entries" },
        counted(manifolds, "manifold")
    )
}

pub fn no_network(word: &str, amortized: bool) -> String {
    if amortized {
        return format!(
            "`{word}` is about the networks between the manifolds, and there is one manifold: leave it out; the network \
             that makes its parameters is told in its own clause, `amortize 128(rank = 5)`"
        );
    }
    format!(
        "`{word}` is about networks, and this density has none: with one manifold and no `cond` its parameters are free; \
         leave `{word}` out, or add `cond`"
    )
}

pub fn highway_of_none(mode: usize) -> String {
    format!(
        "`highway {mode}` runs beside hidden layers, and `hidden none` has none: leave `highway` out, or write widths"
    )
}

pub fn no_mode(mode: i64) -> String {
    format!(
        "a highway has no mode {mode}: 0 is a plain network, 1 a linear highway beside it, 2 to 4 add a small network for \
         each width (reading the input, the sum so far, or both)"
    )
}

pub fn ranks_length(has: usize, matrices: usize, network: &Network) -> String {
    let hidden = network.hidden.len();
    let layers = if hidden == 1 { "1 hidden layer".into() } else { format!("{hidden} hidden layers") };
    let highway = if network.highway == 0 { String::new() } else { format!(" and highway {}", network.highway) };
    format!(
        "{has} ranks, but a network with {layers}{highway} has {matrices} matrices: write one rank for all, or one for each"
    )
}

pub fn unknown_outer_option(name: &str) -> String {
    format!(
        "the network of `amortize` has no option `{name}`: it has `rank` and `highway`, `amortize 128(rank = 5, highway = 1)`"
    )
}

pub fn outer_option(name: &str, value: &str) -> String {
    format!("`{name} = {value}` does not fit: `{name}` of `amortize` is a whole number")
}

pub fn outer_without_cond() -> String {
    "a network of `amortize` reads given features, and none are given: add `cond 32`, or write `amortize` alone to give \
     every parameter yourself"
        .into()
}

pub fn outer_with_list() -> String {
    "with `amortize` one network reads all given features: write their number, `cond 32`".into()
}

pub fn amortize_in_parentheses(widths: &str) -> String {
    format!("`amortize` has one network: write its widths without parentheses, `amortize {widths}`")
}

pub fn poisson_in_parentheses() -> String {
    "the width of the network of `poisson` stands without parentheses: write `poisson 64`; its rank and its highway are those of the clauses \
     `rank` and `highway`"
        .into()
}

pub fn poisson_with_ranks() -> String {
    "a list of ranks is one for each matrix of a network between manifolds, and the network of `poisson` has others: write one rank for all".into()
}

pub fn poisson_without_cond() -> String {
    "a network for the log-mean reads given features, and none are given: write `poisson` alone for one free number, or \
     add `cond`"
        .into()
}

pub fn defaults_of_word(word: &str) -> String {
    format!(
        "`{word}(..)` after the bar sets options of one letter in the whole notation: write one clause for each letter"
    )
}

pub fn unused_defaults(letter: char) -> String {
    format!("`{letter}(..)` sets options of the letter `{letter}`, which no chain has: leave it out, or use the letter")
}

// ---- near words --------------------------------------------------------------------------------------------------

/// The nearest of some names, if it is near enough to have been meant.
fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    // A slip changes a letter or two; long names allow for a word left out.
    let limit = 1 + word.chars().count().min(64) / 4;
    let word = word.to_lowercase();
    names.iter().map(|name| (distance(&word, name), *name)).min().filter(|(far, _)| *far <= limit).map(|(_, name)| name)
}

/// The number of letters to insert, remove, replace, or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    // Long enough for every name; a word longer than that is near to none.
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(80).collect(), b.chars().take(80).collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "unread")]
    fn errors_are_not_forgotten() {
        Diagnostics::default().report(Span::call_site(), "x".into());
    }

    #[test]
    fn near_words() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("num_kde", "nmu_kde"), 1);
        assert_eq!(distance("ful", "full"), 1);
        assert_eq!(nearest("num_kdes", &["num_kde", "cov_type"]), Some("num_kde"));
        assert_eq!(nearest("banana", &["num_kde", "cov_type"]), None);
    }
}
