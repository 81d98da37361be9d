//! The structure of a flow as one line: what its files and the checkpoints of its fits hold, and how two flows are told apart.
//!
//! ```text
//! e2 : g(num_kde = 4, ..) t(cov_type = "full", ..) [network 3-8-40, 392 weights] + s2 : f(..) [..] | cond 3
//! ```
//!
//! A line names every option with its value, as the notation writes them: it means the same flow whatever the defaults are when it is read.

use super::flow::Spec;
use super::points::FeatureSpec;
use crate::kernels::{BlockSummary, Blocks, LogMeanSummary, Summary};
use flow_notation::{Kind, Opt, Value, Written};

/// How a line writes options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// All of them, as the notation does.
    Notation,
    /// Those that differed from their defaults, as Rust's `{:?}` wrote them: formats 1 of files and checkpoints.
    Debug,
}

/// The line of the flow `S`.
pub(crate) fn structure<S: Spec>() -> String {
    let mut summary = Summary::default();
    S::Blocks::describe(&mut summary);
    let block = |b: &BlockSummary| {
        let letter = |l: &crate::layers::Letter| format!("{}{}", l.name, list(&l.options));
        let letters: Vec<String> = b.letters.iter().map(letter).collect();
        let source = match (&b.network, b.given) {
            (None, 0) => "free".to_string(),
            (None, _) => "given".to_string(),
            (Some(network), 0) => format!("network {network}"),
            (Some(network), _) => format!("given network {network}"),
        };
        format!("{} : {} [{source}, {} weights]", b.manifold, letters.join(" "), b.weights + b.given)
    };
    let blocks: Vec<String> = summary.blocks.iter().map(block).collect();
    let mut line = blocks.join(" + ");
    let mut clauses = Vec::new();
    if S::Features::COUNT > 0 {
        let mut entries = Vec::new();
        S::Features::entries(&mut entries);
        let entries: Vec<String> = entries.iter().map(usize::to_string).collect();
        clauses.push(match &entries[..] {
            [one] => format!("cond {one}"),
            list => format!("cond ({})", list.join(", ")),
        });
    }
    if let Some(outer) = &summary.outer {
        clauses.push(format!("amortize {outer} [{} weights]", outer.weights));
    }
    clauses.extend(summary.log_mean.map(|source| match source {
        LogMeanSummary::Free | LogMeanSummary::Joint => "poisson".to_string(),
        LogMeanSummary::Separate(network) => format!("poisson {network} [{} weights]", network.weights),
    }));
    if !clauses.is_empty() {
        line += &format!(" | {}", clauses.join(", "));
    }
    line
}

/// Options in brackets, as they stand after a letter; nothing for none.
pub(super) fn list<'a>(options: impl IntoIterator<Item = &'a Written>) -> String {
    let options: Vec<String> = options.into_iter().map(Written::to_string).collect();
    if options.is_empty() { String::new() } else { format!("({})", options.join(", ")) }
}

/// What tells the flow of a line that was `found` from one's `own`, as each has it; `None` if they are the same flow. Options come first, then the rest of the
/// lines, without options.
pub(crate) fn difference(found: &str, own: &str, words: Words) -> Option<[String; 2]> {
    if found == own {
        return None;
    }
    let (Some(theirs), Some(ours)) = (Line::read(found), Line::read(own)) else {
        return Some([found.into(), own.into()]);
    };
    let of_options = if theirs.names().eq(ours.names()) { theirs.options_differ(&ours, words) } else { None };
    let [found, own] = [theirs, ours].map(|line| line.without_options());
    of_options.or_else(|| (found != own).then_some([found, own]))
}

/// A line that was read.
struct Line<'a> {
    blocks: Vec<Block<'a>>,
    clauses: &'a str,
}

/// A manifold of a line.
struct Block<'a> {
    manifold: &'a str,
    layers: Vec<Layer<'a>>,
    /// Where its parameters come from.
    source: &'a str,
}

/// A layer of a line: its name, its options and their values.
struct Layer<'a> {
    name: &'a str,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Line<'a> {
    /// `None` for what is no line of a flow, such as the name of a type.
    fn read(line: &'a str) -> Option<Self> {
        let (blocks, clauses) = split_once(line, " | ").unwrap_or((line, ""));
        let blocks = split(blocks, " + ").into_iter().map(Block::read).collect::<Option<_>>()?;
        Some(Line { blocks, clauses })
    }

    /// The manifolds and layers.
    fn names(&self) -> impl Iterator<Item = (&'a str, Vec<&'a str>)> {
        self.blocks.iter().map(|block| (block.manifold, block.layers.iter().map(|layer| layer.name).collect()))
    }

    fn without_options(&self) -> String {
        let block = |block: &Block| {
            let letters: Vec<&str> = block.layers.iter().map(|layer| layer.name).collect();
            format!("{} : {} [{}", block.manifold, letters.join(" "), block.source)
        };
        let blocks: Vec<String> = self.blocks.iter().map(block).collect();
        let bar = if self.clauses.is_empty() { "" } else { " | " };
        format!("{}{bar}{}", blocks.join(" + "), self.clauses)
    }

    /// The options in which the first layer that differs differs, here and in `own`, a line with the same manifolds and layers.
    fn options_differ(&self, own: &Line, words: Words) -> Option<[String; 2]> {
        for (place, (theirs, ours)) in self.blocks.iter().zip(&own.blocks).enumerate() {
            for (number, (found, own)) in theirs.layers.iter().zip(&ours.layers).enumerate() {
                if let Some(lists) = found.options_differ(own, words) {
                    let at = format!("layer {number} (`{}`) of manifold {place} (`{}`)", own.name, ours.manifold);
                    return Some(lists.map(|list| format!("{at}: {list}")));
                }
            }
        }
        None
    }
}

impl<'a> Block<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (manifold, rest) = split_once(text, " : ")?;
        let (layers, source) = split_once(rest, " [")?;
        Some(Block { manifold, layers: split(layers, " ").into_iter().map(Layer::read).collect(), source })
    }
}

impl<'a> Layer<'a> {
    fn read(word: &'a str) -> Self {
        let (name, inside) = word.strip_suffix(')').and_then(|word| word.split_once('(')).unwrap_or((word, ""));
        let options = split(inside, ", ").into_iter().filter(|one| !one.is_empty());
        Layer { name, options: options.map(|one| split_once(one, " = ").unwrap_or((one, ""))).collect() }
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    /// The options whose values are not those of `own`, and theirs.
    fn options_differ(&self, own: &Layer, words: Words) -> Option<[String; 2]> {
        let mut letters = own.name.chars();
        let row = letters.next().filter(|_| letters.next().is_none()).and_then(flow_notation::letter);
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        let mut differ = |name: &str, found: Option<&str>, own: Option<&str>| {
            let told = |value: Option<&str>| value.map_or(format!("no {name}"), |value| format!("{name} = {value}"));
            theirs.push(told(found));
            ours.push(told(own));
        };
        for (name, value) in &own.options {
            // An option that is not in the table is one of a layer of the user's own.
            let option = row.and_then(|row| row.option(name).map(|option| (row, option)));
            let found = match (self.option(name), option) {
                (Some(found), Some((_, option))) if words == Words::Debug => Some(from_debug(option, found)),
                (Some(found), _) => Some(found.to_string()),
                (None, Some((row, option))) => Some(flow_notation::unnamed(row.letter, option).to_string()),
                (None, None) => None,
            };
            let same = match (&found, option) {
                (Some(found), Some((_, option))) => same(option, found, value),
                (found, _) => found.as_deref() == Some(*value),
            };
            if !same {
                differ(name, found.as_deref(), Some(value));
            }
        }
        for (name, found) in self.options.iter().filter(|(name, _)| own.option(name).is_none()) {
            differ(name, Some(found), None);
        }
        (!theirs.is_empty()).then(|| [theirs, ours].map(|list| list.join(", ")))
    }
}

/// Whether two values of an option make the same layer.
fn same(option: &Opt, a: &str, b: &str) -> bool {
    // Letters x and z both do nothing to a polar angle.
    let idle = |value: &str| value.replace('z', "x");
    option.same(a, b) || option.name == "zenith_type_layers" && idle(a) == idle(b)
}

/// What a value that Rust's `{:?}` wrote is in the notation; itself, if it is none.
fn from_debug(option: &Opt, value: &str) -> String {
    let between = |start: &str, middle: &str, end: &str| {
        value.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)).and_then(|rest| rest.split_once(middle))
    };
    let text = match option.kind {
        Kind::Choice(of) => of.iter().find(|name| variant(name) == value).map(ToString::to_string),
        // The number of letters.
        Kind::Letters { of, .. } if of.len() == 1 => value.parse().ok().map(|times| of.repeat(times)),
        Kind::Letters { .. } => between("Zenith { letter: ", ", repeats: ", " }").and_then(|(letter, times)| {
            let letter = match letter {
                "Spline" => "r",
                "Gaussianisation" => "g",
                _ => "x",
            };
            Some(letter.repeat(times.parse().ok()?))
        }),
        Kind::Widths => between("HiddenDims { widths: [", "], layers: ", " }").and_then(|(widths, count)| {
            let widths: Vec<&str> = widths.split(", ").take(count.parse().ok()?).collect();
            Some(widths.join("-"))
        }),
        _ => None,
    };
    match (text, Value::read(value)) {
        (Some(text), _) => Value::Text(&text).to_string(),
        (None, Some(Value::Flag(set))) => Value::Int(i64::from(set)).to_string(),
        (None, Some(number)) => number.to_string(),
        (None, None) => value.to_string(),
    }
}

/// The Rust name of a choice: `DiagonalSymmetric` of `diagonal_symmetric`.
fn variant(name: &str) -> String {
    let word =
        |word: &str| word.chars().enumerate().map(|(i, c)| if i == 0 { c.to_ascii_uppercase() } else { c }).collect();
    name.split('_').map(word).collect::<Vec<String>>().concat()
}

/// The pieces of a text between these signs, where they stand outside of brackets and quotes.
fn split<'a>(text: &'a str, signs: &str) -> Vec<&'a str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((piece, after)) = split_once(rest, signs) {
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// What stands before and after these signs, where they first stand outside of brackets and quotes.
fn split_once<'a>(text: &'a str, signs: &str) -> Option<(&'a str, &'a str)> {
    let (mut depth, mut quoted) = (0_i32, false);
    for (at, sign) in text.char_indices() {
        if depth == 0 && !quoted && text[at..].starts_with(signs) {
            return Some((&text[..at], &text[at + signs.len()..]));
        }
        match sign {
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differ(found: &str, own: &str) -> Option<[String; 2]> {
        difference(found, own, Words::Notation)
    }

    fn told<const N: usize>(pairs: [&str; N]) -> Option<[String; N]> {
        Some(pairs.map(String::from))
    }

    #[test]
    fn a_line_that_names_its_options_does_not_depend_on_defaults() {
        let t =
            |softplus: &str| format!("e1 : t(cov_type = \"full\", softplus_for_width = {softplus}) [free, 2 weights]");
        assert_eq!(differ(&t("0"), &t("0")), None);
        let at = "layer 0 (`t`) of manifold 0 (`e1`): softplus_for_width";
        assert_eq!(differ(&t("0"), &t("1")), told([&format!("{at} = 0"), &format!("{at} = 1")]));
        // The same number in other words; an option that is younger than the file; one that is no more.
        let g = |options: &str| format!("e1 : g({options}) [free, 2 weights]");
        assert_eq!(differ(&g("lower_bound_for_widths = 0.010"), &g("lower_bound_for_widths = 1e-2")), None);
        assert_eq!(differ(&g("num_kde = 3"), &g("num_kde = 3, add_skewness = 0")), None);
        let at = "layer 0 (`g`) of manifold 0 (`e1`)";
        let both = [format!("{at}: add_skewness = 0"), format!("{at}: add_skewness = 1")];
        assert_eq!(differ(&g("num_kde = 3"), &g("num_kde = 3, add_skewness = 1")), Some(both));
        let both = [format!("{at}: gone = 2"), format!("{at}: no gone")];
        assert_eq!(differ(&g("num_kde = 3, gone = 2"), &g("num_kde = 3")), Some(both));
        assert_eq!(
            differ("s2 : n(zenith_type_layers = \"zz\") [free]", "s2 : n(zenith_type_layers = \"xx\") [free]"),
            None
        );
    }

    #[test]
    fn what_is_not_an_option_is_told_apart_without_them() {
        let found = "e1 : x(add_offset = 0) z [free, 0 weights] + i1[-1, 3] : r(num_basis_functions = 5) [network 1-2-16, 52 weights] | cond (1, 2)";
        assert_eq!(differ(found, found), None);
        let own = found.replace("network 1-2", "network 1-3");
        let bare = "e1 : x z [free, 0 weights] + i1[-1, 3] : r [network 1-2-16, 52 weights] | cond (1, 2)";
        assert_eq!(differ(found, &own), told([bare, &bare.replace("network 1-2", "network 1-3")]));
        let own = found.replace("cond (1, 2)", "cond (2, 1)");
        assert_eq!(differ(found, &own), told([bare, &bare.replace("(1, 2)", "(2, 1)")]));
        // Layers of the user's own, with options or without; and what is no line at all.
        let own = "e1 : Planar(depth = 2, shape = [1, 2]) [free, 3 weights]";
        assert_eq!(differ(own, own), None);
        let at = "layer 0 (`Planar`) of manifold 0 (`e1`)";
        let both = [format!("{at}: shape = [1, 2]"), format!("{at}: shape = [1, 3]")];
        assert_eq!(differ(own, &own.replace("[1, 2]", "[1, 3]")), Some(both));
        let both = [format!("{at}: no depth, no shape"), format!("{at}: depth = 2, shape = [1, 2]")];
        assert_eq!(differ("e1 : Planar [free, 3 weights]", own), Some(both));
        assert_eq!(differ("my::Model", own), told(["my::Model", own]));
        assert_eq!(differ("my::Model", "my::Model"), None);
    }

    /// Every kind of value, as format 1 wrote it.
    #[test]
    fn the_words_of_rust_are_read() {
        let read = |letter: char, option: &str, value: &str| {
            let option = flow_notation::letter(letter).and_then(|row| row.option(option)).expect("an option");
            from_debug(option, value)
        };
        assert_eq!(read('g', "num_kde", "20"), "20");
        assert_eq!(read('g', "num_householder_iter", "-1"), "-1");
        assert_eq!(read('g', "add_skewness", "true"), "1");
        assert_eq!(read('g', "fit_normalization", "false"), "0");
        assert_eq!(read('t', "upper_bound_for_widths", "-1.0"), "-1");
        assert_eq!(read('c', "rtol", "1e-9"), "1e-9");
        assert_eq!(read('t', "cov_type", "DiagonalSymmetric"), "\"diagonal_symmetric\"");
        assert_eq!(read('c', "solver", "Rk4"), "\"rk4\"");
        assert_eq!(read('f', "vertical_flow_defs", "\"rz\""), "\"rz\"");
        assert_eq!(read('f', "circular_flow_defs", "3"), "\"ooo\"");
        let zenith = |letter: &str| format!("Zenith {{ letter: {letter}, repeats: 2 }}");
        assert_eq!(
            ["Spline", "Gaussianisation", "Identity"].map(|letter| read('n', "zenith_type_layers", &zenith(letter))),
            ["\"rr\"", "\"gg\"", "\"xx\""]
        );
        let widths = "HiddenDims { widths: [64, 32, 0, 0, 0, 0, 0, 0], layers: 2 }";
        assert_eq!(read('n', "hidden_dims", widths), "\"64-32\"");
        assert_eq!(read('t', "cov_type", "Unknown"), "Unknown");
        for row in flow_notation::LETTERS {
            for (option, of) in row.options.iter().filter_map(|option| match option.kind {
                Kind::Choice(of) => Some((option, of)),
                _ => None,
            }) {
                for name in of {
                    assert_eq!(from_debug(option, &variant(name)), format!("{name:?}"));
                }
            }
        }
        let old = "s2 : n(hidden_dims = HiddenDims { widths: [8, 0, 0, 0, 0, 0, 0, 0], layers: 1 }, highway_mode = 1) [free, 9 weights]";
        let now = "s2 : n(add_rotation = 1, hidden_dims = \"8\", highway_mode = 1) [free, 9 weights]";
        assert_eq!(difference(old, now, Words::Debug), None);
        assert!(difference(old, &now.replace("n = 1", "n = 0"), Words::Debug).is_some());
    }
}
