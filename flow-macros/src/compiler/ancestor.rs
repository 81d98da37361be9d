//! How jammy_flows, the ancestor of this notation, writes what is meant. It is read only to say how it is written here.

use super::ast::list;
use super::diagnostics::{Diagnostics, SHAPE};
use super::table::LETTERS;
use super::{check, parse};
use proc_macro2::{TokenStream, TokenTree};

/// Arguments of a constructor there, the word of the clause here, and the clause as an example.
const ARGUMENTS: &[(&str, &str, &str)] = &[
    ("conditional_input_dim", "cond", "cond 32"),
    ("amortization_mlp_dims", "hidden", "hidden 128-128"),
    ("inner_mlp_dims_sub_pdfs", "hidden", "hidden 64"),
    ("amortization_mlp_ranks", "rank", "rank 10"),
    ("inner_mlp_ranks", "rank", "rank 10"),
    ("amortization_mlp_highway_mode", "highway", "highway 1"),
    ("inner_mlp_highway_mode", "highway", "highway 1"),
    ("predict_log_normalization", "poisson", "poisson"),
    ("amortize_everything", "amortize", "amortize"),
    ("options_overwrite", "g", "g(num_kde = 20)"),
];

/// Words of clauses that a flag of the constructor switches on.
const SWITCHES: &[&str] = &["poisson", "amortize"];

/// `i1[-3, 3]` for `i1_-3_3`, with its name.
pub fn interval(text: &str) -> Option<String> {
    let (name, kind) = text.rsplit_once('@').map_or(("", text), |(name, kind)| (name, kind));
    let (low, high) = kind.strip_prefix("i1_")?.split_once('_')?;
    let at = if name.is_empty() { "" } else { "@" };
    let both = low.parse::<f64>().is_ok() && high.parse::<f64>().is_ok();
    both.then(|| format!("{name}{at}i1[{low}, {high}]"))
}

/// The clause that stands for an argument of the constructor.
pub fn clause(argument: &str) -> Option<&'static str> {
    ARGUMENTS.iter().find(|(name, ..)| *name == argument).map(|(.., example)| *example)
}

/// The notation for texts and arguments, `"e3+s2", "gggg+n", conditional_input_dim = 32`, or for one text with all of it.
pub fn line(tokens: Vec<TokenTree>) -> String {
    let (mut texts, mut clauses) = (Vec::new(), Vec::new());
    // The texts of manifolds and chains may be joined as they are here.
    let between = |token: &TokenTree| matches!(token, TokenTree::Punct(sign) if matches!(sign.as_char(), ',' | ':'));
    for part in tokens.split(between) {
        match part {
            [TokenTree::Literal(literal)] => texts.extend(parse::text_in_quotes(literal)),
            [TokenTree::Ident(name), TokenTree::Punct(_), value @ ..] => {
                clauses.extend(argument(&name.to_string(), &parse::text_of(value)));
            }
            _ => {}
        }
    }
    let whole = texts.join(" : ");
    if whole.trim().is_empty() {
        return SHAPE.trim_matches('`').into();
    }
    let (manifolds, chains) = whole.split_once(':').unwrap_or((&whole, ""));
    let manifolds = manifolds.split('+').map(|one| interval(one.trim()).unwrap_or_else(|| one.trim().into()));
    let manifolds: Vec<String> = manifolds.collect();
    let chains = if chains.trim().is_empty() { examples(&manifolds) } else { chains.trim().into() };
    let bar = match (clauses.is_empty(), chains.contains('|')) {
        (true, _) => "",
        (false, false) => " | ",
        (false, true) => ", ",
    };
    let line = format!("{} : {chains}{bar}{}", manifolds.join(" + "), clauses.join(", "));
    canonical(&line).unwrap_or(line)
}

/// The clause for an argument with its value.
fn argument(name: &str, value: &str) -> Option<String> {
    let (_, word, _) = ARGUMENTS.iter().find(|(argument, ..)| *argument == name)?;
    // Lists stand in parentheses here, and widths without quotes.
    let value: String = value.chars().filter(|sign| *sign != '"').collect();
    let value = value.replace('[', "(").replace(']', ")");
    if SWITCHES.contains(word) {
        return matches!(&value[..], "True" | "true" | "1").then(|| word.to_string());
    }
    (name != "options_overwrite" && !value.is_empty()).then(|| format!("{word} {value}"))
}

/// A letter for each manifold.
fn examples(manifolds: &[String]) -> String {
    let letter = |kind: &String| {
        let key = check::space(kind.split('[').next()?.rsplit('@').next()?).ok()?.0.key;
        LETTERS.iter().find(|row| row.on.contains(&key)).map(|row| row.letter)
    };
    list(manifolds.iter().map(|kind| letter(kind).map_or_else(|| "..".into(), |letter| letter.to_string())), " + ")
}

/// A line as the notation prints it, if nothing is wrong with it.
fn canonical(line: &str) -> Option<String> {
    let tokens: TokenStream = line.parse().ok()?;
    let mut errors = Diagnostics::default();
    let spec = parse::input(tokens, &mut errors).spec;
    let sound = spec.as_ref().is_some_and(|spec| check::density(spec, &mut errors).is_some());
    let errors = errors.finish();
    spec.filter(|_| sound && errors.is_empty()).map(|spec| spec.to_string())
}
