//! Tokens of any kind, and slips in right lines: nothing makes the compiler panic, and every message says what to write.

use super::super::*;
use super::file;
use proc_macro2::TokenTree;
use proptest::prelude::*;

/// Pieces of notations, right and wrong.
const FRAGMENTS: &[&str] = &[
    "e3",
    "s1",
    "s2",
    "i1",
    "a2",
    "e0",
    "i1_-3_3",
    "i1[-3, 3]",
    "i1[3, -3]",
    "rz",
    "wu",
    "(min_width = 1e-3)",
    "e",
    "+",
    "+",
    ":",
    ":",
    "|",
    "|",
    ",",
    ",",
    ";",
    "@",
    "=",
    "<",
    ">",
    "-",
    "::",
    "'a",
    "#",
    "_",
    "fn",
    "r#type",
    "gggg",
    "t",
    "x",
    "n",
    "f",
    "y",
    "vq",
    "(num_kde = 20)",
    "(cov_type = \"full\")",
    "(num_kde = )",
    "(upper_bound_for_widths = -1)",
    "(a b c)",
    "()",
    "(3, 5)",
    "(128-64, 32)",
    "[my::Layer<3>]",
    "[]",
    "[-1, 1]",
    "{ }",
    "cond",
    "highway 3",
    "amortize",
    "amortize 8(rank = 2)",
    "none",
    "cond 3",
    "hidden",
    "hidden 128-128",
    "rank 4",
    "poisson",
    "g(num_kde = 3)",
    "0",
    "128-128",
    "1e5",
    "2e5",
    "99999999999999999999999999999999999999999999",
    "1e999",
    "1u8",
    "\"e3 : g\"",
    "b\"x\"",
    "'x'",
    "-",
    "pub",
    "struct",
    "Name",
    "pub struct Name =",
    "/// doc\n",
    "#[derive(Clone)]",
    "vertex@",
    "type",
    "true",
    "\u{e9}t\u{e9}",
];

/// Any token.
#[derive(Clone, Debug)]
enum Any {
    Fragment(usize),
    Sign(char, bool),
    Number(f64),
    Negative(i32),
    Group(u8, Vec<Any>),
}

fn any_token() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        4 => (0..FRAGMENTS.len()).prop_map(Any::Fragment),
        1 => (prop::sample::select("=<>!~+-*/%^&|@.,;:#$?'".chars().collect::<Vec<_>>()), any::<bool>())
            .prop_map(|(sign, joint)| Any::Sign(sign, joint)),
        1 => (0.0..1e9f64).prop_map(Any::Number),
        1 => any::<i32>().prop_map(Any::Negative),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        (0..4u8, prop::collection::vec(inner, 0..6)).prop_map(|(d, t)| Any::Group(d, t))
    })
}

fn built(all: &[Any]) -> TokenStream {
    use proc_macro2::{Delimiter, Group, Literal, Punct, Spacing};
    let one = |token: &Any| match token {
        // A few fragments are half a token, and do not stand alone.
        Any::Fragment(place) => FRAGMENTS[*place].parse().unwrap_or_default(),
        Any::Sign(sign, joint) => {
            let spacing = if *joint { Spacing::Joint } else { Spacing::Alone };
            TokenTree::from(Punct::new(*sign, spacing)).into()
        }
        Any::Number(number) => TokenTree::from(Literal::f64_suffixed(*number)).into(),
        Any::Negative(number) => TokenTree::from(Literal::i32_unsuffixed(*number)).into(),
        Any::Group(delimiter, inner) => {
            let delimiters = [Delimiter::Parenthesis, Delimiter::Bracket, Delimiter::Brace, Delimiter::None];
            TokenTree::from(Group::new(delimiters[*delimiter as usize], built(inner))).into()
        }
    };
    all.iter().map(one).collect::<Vec<TokenStream>>().into_iter().collect()
}

/// Lines that are right, with every part of the notation.
const VALID: &[&str] = &[
    "e3 + s2 : gggg + n | cond 32",
    "vertex@e3 + direction@s2 : gg(num_kde = 20) t(cov_type = \"full\") + fn | cond (3, 5), hidden (64, 128-64), rank (10, 0)",
    "i1[-3, 3.5] + a2 + s1 : rz + wu + mo | hidden none, highway 0, o(add_rotation = 0)",
    "e2 : g [my::Layer<3>] t | cond 4, amortize 64(rank = 5, highway = 1), poisson",
    "< s3 + e1 : ny(add_rotation = 1) + cx | cond 2, poisson 16-8, hidden 8 >",
    "/// An event.\n pub struct Event = energy@i1[0, 20] + turn@s3 : rr(min_width = 1e-3) + n | cond 3, g(num_kde = 5);",
];

/// Deletes, repeats or replaces one token, at the top or in a group.
fn slipped(tokens: &mut Vec<TokenTree>, place: usize, slip: u8, fragment: usize) {
    use proc_macro2::Group;
    if tokens.is_empty() {
        return;
    }
    let place = place % tokens.len();
    if let TokenTree::Group(group) = &tokens[place]
        && fragment.is_multiple_of(2)
    {
        let mut inside: Vec<TokenTree> = group.stream().into_iter().collect();
        slipped(&mut inside, fragment / 2, slip, fragment / 2);
        tokens[place] = Group::new(group.delimiter(), inside.into_iter().collect()).into();
        return;
    }
    match slip {
        0 => drop(tokens.remove(place)),
        1 => tokens.insert(place, tokens[place].clone()),
        _ => {
            let instead = FRAGMENTS[fragment].parse::<TokenStream>().unwrap_or_default();
            tokens.splice(place..=place, instead);
        }
    }
}

/// A message of ours has the form "what is wrong: what to write", or "what is written here".
fn has_a_way_out(message: &str) -> bool {
    let (wrong, way_out) =
        message.split_once(": ").or_else(|| message.split_once(", for example ")).unwrap_or((message, ""));
    let way_out = if let Some((_, instead)) = message.split_once(" is written ") { instead } else { way_out };
    !wrong.is_empty() && way_out.len() > 3
}

/// Types or items come out, or errors; and what is right is printed as something right that prints the same.
fn try_out(tokens: TokenStream) {
    match understand(tokens.clone()) {
        Ok((header, spec, _)) => {
            let text = spec.to_string();
            let (_, again, _) =
                understand(text.parse().unwrap()).unwrap_or_else(|wrong| panic!("{text}: {:?}", wrong.errors));
            assert_eq!(again.to_string(), text);
            let out = expand(tokens, &quote!(rt), |_| (0, 0));
            if header.is_some() { drop(file(out)) } else { drop(syn::parse2::<syn::Type>(out).unwrap()) }
        }
        Err(Wrong { input, errors }) => {
            assert!(!errors.is_empty());
            let out = expand(tokens, &quote!(rt), |_| (0, 0));
            if input.is_item { drop(file(out)) } else { drop(syn::parse2::<syn::Type>(out).unwrap()) }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tokens_end_in_a_type_or_in_errors(all in prop::collection::vec(any_token(), 0..16)) {
        try_out(built(&all));
    }

    #[test]
    fn slips_in_valid_lines_are_accepted_or_told(
        line in 0..VALID.len(),
        slips in prop::collection::vec((0..1000usize, 0..3u8, 0..FRAGMENTS.len()), 1..4),
    ) {
        let mut tokens: Vec<TokenTree> = VALID[line].parse::<TokenStream>().unwrap().into_iter().collect();
        for (place, slip, fragment) in slips {
            slipped(&mut tokens, place, slip, fragment);
        }
        let tokens: TokenStream = tokens.into_iter().collect();
        try_out(tokens.clone());
        for message in compile(tokens, &quote!(rt)).err().into_iter().flatten() {
            let message = message.to_string();
            // What is wrong, and after it the way out; not what the parser of Rust says of its own.
            assert!(has_a_way_out(&message), "{message}");
        }
    }

    #[test]
    fn slips_in_a_notation_end_in_a_type_or_in_errors(
        cuts in prop::collection::vec((0..20usize, 0..FRAGMENTS.len(), any::<bool>()), 0..4),
        start in prop::sample::select(vec!["", "<", "pub struct Name ="]),
    ) {
        let mut parts = vec![
            start, "a@", "e3", "+", "s2", "+", "e1", ":", "gg", "(num_kde = 20)", "t", "+", "n", "[my::Layer<3>]", "+", "x", "|",
            "cond 32", ",", "hidden 16-8", ",", "g(num_kde = 3)",
        ];
        for (place, fragment, replace) in cuts {
            let end = if replace { place + 1 } else { place };
            parts.splice(place..end, [FRAGMENTS[fragment]]);
        }
        if let Ok(tokens) = parts.join(" ").parse() {
            try_out(tokens);
        }
    }
}
