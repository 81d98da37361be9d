//! The compiler from tokens to tokens: what notations become, what is said about wrong ones, and that nothing makes it panic.

mod anything;
mod messages;
mod mistakes;

use super::ast::print;
use super::*;
use std::collections::HashSet;

const ROOT: &str = "rt";

fn compiled(text: &str) -> Result<String, Vec<String>> {
    let root: TokenStream = ROOT.parse().unwrap();
    match compile(text.parse().unwrap(), &root) {
        Ok(tokens) => Ok(print(tokens).replace("rt::__private::", "")),
        Err(errors) => Err(errors.iter().map(ToString::to_string).collect()),
    }
}

#[track_caller]
fn becomes(text: &str, expected: &str) {
    let expected = expected.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(compiled(text).unwrap_or_else(|errors| panic!("{text}: {errors:#?}")), expected, "\n{text}");
}

/// The one block of a notation with one manifold.
#[track_caller]
fn chain(text: &str) -> String {
    let whole = compiled(text).unwrap_or_else(|errors| panic!("{text}: {errors:#?}"));
    let start = whole.find("(Block<").unwrap() + 1;
    let head = ["Free<", "Predicted<"].iter().filter_map(|head| whole.find(head)).min().unwrap();
    whole[start..head - 2].to_string()
}

/// One message for each fragment, in any order.
#[track_caller]
fn says(text: &str, fragments: &[&str]) {
    let errors = compiled(text).expect_err(text);
    for fragment in fragments {
        assert!(errors.iter().any(|error| error.contains(fragment)), "{text}: no `{fragment}` in {errors:#?}");
    }
    assert_eq!(errors.len(), fragments.len(), "{text}: {errors:#?}");
}

/// What files hold is notation: every option of every letter, written with its default.
#[test]
fn options_as_files_write_them_are_notation() {
    for letter in table::LETTERS.iter().filter(|letter| !letter.options.is_empty()) {
        let manifold = table::MANIFOLDS.iter().find(|manifold| letter.on.contains(&manifold.key)).unwrap();
        let options: Vec<_> = letter.options.iter().map(|one| format!("{} = {}", one.name, one.default)).collect();
        let line = format!("{}{} : {}({})", manifold.prefix, manifold.dims.0, letter.letter, options.join(", "));
        let lowered = chain(&line);
        for option in letter.options {
            let code = option.kind.encode(option.default).unwrap();
            let setting = format!("settings::{}::{}<{code}u128,", letter.letter, option.name);
            assert!(lowered.contains(&setting), "{line}: no {setting} in {lowered}");
        }
    }
}

// ---- lowering ----------------------------------------------------------------------------------------------------

#[test]
fn one_manifold_without_features_has_free_parameters() {
    becomes(
        "e1 : t",
        "Unconditional<(), { <Euclidean<1> as Manifold>::DIM }, { <Euclidean<1> as Manifold>::EMBED }, \
         (Block<Euclidean<1>, (Affine<1, Only, ()>, ()), \
         Free<{ <(Affine<1, Only, ()>, ()) as ChainType<Euclidean<1>>>::PARAMS }>>, ())>",
    );
}

#[test]
fn every_manifold_sees_the_features_and_the_manifolds_before_it() {
    becomes(
        "e3 + s2 : gt + n | cond 32, hidden 64-16",
        "Conditional<(), Features<32>, \
         { <Euclidean<3> as Manifold>::DIM + <Sphere2 as Manifold>::DIM }, \
         { <Euclidean<3> as Manifold>::EMBED + <Sphere2 as Manifold>::EMBED }, \
         (Block<Euclidean<3>, (Gaussianization<3, First, ()>, (Affine<3, Last, ()>, ())), \
         Predicted<0, 32, Plain<(Dense<32, 64>, (Dense<64, 16>, ())), \
         Dense<16, { <(Gaussianization<3, First, ()>, (Affine<3, Last, ()>, ())) as ChainType<Euclidean<3>>>::PARAMS }>>>>, \
         (Block<Sphere2, (SegmentedSphere<()>, ()), \
         Predicted<0, 32, Plain<(Dense<{ 32 + <Euclidean<3> as Manifold>::EMBED }, 64>, (Dense<64, 16>, ())), \
         Dense<16, { <(SegmentedSphere<()>, ()) as ChainType<Sphere2>>::PARAMS }>>>>, ()))>",
    );
}

#[test]
fn lists_ranks_and_defaults() {
    let low_rank = |inputs: &str, outputs: &str| {
        let argument = |size: &str| if size.parse::<u8>().is_ok() { size.into() } else { format!("{{ {size} }}") };
        let (columns, rows) = (argument(inputs), argument(outputs));
        format!(
            "LowRank<{columns}, {rows}, {{ low_rank(2, {inputs}, {outputs}) }}, {{ low_rank_len(2, {inputs}, {outputs}) }}>"
        )
    };
    let (x, y) =
        ("Identity<1, settings::x::add_offset<1u128, ()>>", "Orientation<settings::y::add_rotation<1u128, ()>>");
    let (x_params, y_params) = (
        format!("<({x}, ()) as ChainType<Euclidean<1>>>::PARAMS"),
        format!("<({y}, ()) as ChainType<Circle>>::PARAMS"),
    );
    becomes(
        "e1 + s1 : x(add_offset = 1) + y(add_rotation = true) | cond (3, 5), hidden (8, 4-2), rank 2",
        &format!(
            "Conditional<(), (Features<3>, (Features<5>, ())), \
             {{ <Euclidean<1> as Manifold>::DIM + <Circle as Manifold>::DIM }}, \
             {{ <Euclidean<1> as Manifold>::EMBED + <Circle as Manifold>::EMBED }}, \
             (Block<Euclidean<1>, ({x}, ()), Predicted<0, 3, Plain<({}, ()), {}>>>, \
             (Block<Circle, ({y}, ()), Predicted<3, 5, Plain<({}, ({}, ())), {}>>>, ()))>",
            low_rank("3", "8"),
            low_rank("8", &x_params),
            low_rank("5 + <Euclidean<1> as Manifold>::EMBED", "4"),
            low_rank("4", "2"),
            low_rank("2", &y_params),
        ),
    );
}

#[test]
fn without_features_a_later_manifold_sees_the_earlier_ones() {
    let whole = compiled("e2 + s1 + e1 : t + y + t").unwrap();
    assert!(whole.contains(
        "Predicted<0, 0, Plain<(Dense<{ <Euclidean<2> as Manifold>::EMBED + <Circle as Manifold>::EMBED }, 128>, ()), Dense<128, "
    ));
}

/// The head of the first block with a network.
fn network(line: &str) -> String {
    let whole = compiled(line).unwrap();
    let from = whole.find("Predicted<").unwrap();
    // What a chain has for parameters is said elsewhere.
    let params = "<(Affine<1, Only, ()>, ()) as ChainType<Euclidean<1>>>::PARAMS";
    whole[from..].replace(&format!("{{ {params} }}"), "P").replace(params, "P").strip_suffix(">, ())>").unwrap().into()
}

#[test]
fn highways() {
    assert_eq!(network("e1 : t | cond 3"), "Predicted<0, 3, Plain<(Dense<3, 128>, ()), Dense<128, P>>>");
    assert_eq!(network("e1 : t | cond 3, highway 0"), network("e1 : t | cond 3"));
    assert_eq!(network("e1 : t | cond 3, hidden none"), "Predicted<0, 3, Plain<(), Dense<3, P>>>");
    assert_eq!(network("e1 : t | cond 3, hidden none, highway 0"), network("e1 : t | cond 3, hidden none"));
    for mode in 1..5 {
        says(
            &format!("e1 : t | cond 3, hidden none, highway {mode}"),
            &["`hidden none` has none: leave `highway` out"],
        );
    }
    // What is written for all is said of those that have hidden layers, the log-mean's too.
    assert!(compiled("e1 + e1 : t + t | cond 3, hidden (none, 5), highway 1").is_ok());
    assert!(compiled("e1 : t | cond 3, hidden none, highway 1, poisson 8").is_ok());
    assert_eq!(
        network("e1 : t | cond 3, hidden 5-4, highway 1"),
        "Predicted<0, 3, Beside<(Dense<3, 5>, (Dense<5, 4>, ())), Dense<4, P>, Dense<3, P>>>"
    );
    let ladder = |mode: usize| network(&format!("e1 : t | cond 3, hidden 5-4, highway {mode}"));
    let first = "Rung<{ INPUT }, Dense<3, 5>, Dense<5, P>>";
    let of = |second: &str| format!("Predicted<0, 3, Ladder<({first}, ({second}, ())), Dense<3, P>>>");
    assert_eq!(ladder(2), of("Rung<{ INPUT }, Dense<3, 4>, Dense<4, P>>"));
    assert_eq!(ladder(3), of("Rung<{ SUM }, Dense<P, 4>, Dense<4, P>>"));
    assert_eq!(ladder(4), of("Rung<{ BOTH }, Dense<{ 3 + P }, 4>, Dense<4, P>>"));
    // One rank for each matrix in the order of the flat weights, 0 for a full one.
    assert_eq!(
        network("e1 : t | cond 3, hidden 5, highway 1, rank 0-2-0"),
        "Predicted<0, 3, Beside<(Dense<3, 5>, ()), LowRank<5, P, { low_rank(2, 5, P) }, { low_rank_len(2, 5, P) }>, \
         Dense<3, P>>>"
    );
    let each = compiled("e1 + e1 : t + t | cond 3, highway (0, 1), rank (2, 0)").unwrap();
    assert!(
        each.contains("LowRank<3, 128")
            && each.contains("Beside<(Dense<{ 3 + <Euclidean<1> as Manifold>::EMBED }, 128>")
    );
    says("e1 : t | cond 3, highway 5", &["a highway has no mode 5"]);
    says("e1 : t | cond 3, highway -1", &["a whole number from 0 to 4"]);
    says("e1 : t | highway 1", &["`highway` is about networks, and this density has none"]);
    says("e1 : t | cond 3, rank 1-2-3", &["3 ranks, but a network with 1 hidden layer has 2 matrices"]);
    says("e1 : t | cond 3, hidden 5-4, highway 2, rank 1-2", &["2 hidden layers and highway 2 has 5 matrices"]);
    says("e1 : t | cond 3, rank 0", &["the rank is 0: leave the clause out"]);
    says("e1 : t | cond 3, highway", &["the mode of the highway is missing"]);
}

#[test]
fn log_means() {
    let free = compiled("e1 : t | poisson").unwrap();
    assert!(
        free.ends_with("(LogMeanHead<Free<1>>, ())))>") || free.ends_with("(LogMeanHead<Free<1>>, ()))>"),
        "{free}"
    );
    let joint = compiled("e1 + e1 : x + t | cond 3, poisson").unwrap();
    assert!(joint.contains("Predicted<0, 3, Plain<(Dense<3, 128>, ()), Dense<128, { <(Identity<1, ()>, ()) as ChainType<Euclidean<1>>>::PARAMS + 1 }>>, 1>"), "{joint}");
    let separate = compiled("e1 + e1 : t + t | cond (3, 2), poisson 16-8, highway 1").unwrap();
    assert!(separate.contains(
        "LogMeanHead<Predicted<0, 5, Beside<(Dense<5, 16>, (Dense<16, 8>, ())), Dense<8, 1>, Dense<5, 1>>>>"
    ));
    says("e1 : t | poisson 16", &["a network for the log-mean reads given features, and none are given"]);
    says("e1 : t | cond 3, poisson 0", &["the width of a layer is 0"]);
    says("e1 : t | cond 3, poisson (64)", &["stands without parentheses: write `poisson 64`"]);
    says("e1 : t | cond 3, poisson 64, rank 2-3", &["write one rank for all"]);
}

#[test]
fn every_parameter_from_outside() {
    let given = compiled("e1 + s1 : t + y(add_rotation = 1) | hidden 4, amortize").unwrap();
    assert!(given.starts_with("Conditional<(), Features<{ <(Block<"), "{given}");
    assert!(given.contains("as Blocks>::GIVEN }>"));
    assert!(given.contains("Given<{ <(Affine<1, Only, ()>, ()) as ChainType<Euclidean<1>>>::PARAMS }>"));
    assert!(given.contains("Inner<Plain<(Dense<{ <Euclidean<1> as Manifold>::EMBED }, 4>, ())"));
    let outer = compiled("e1 : t | cond 2, amortize 6(rank = 2, highway = 1), poisson").unwrap();
    assert!(outer.starts_with("Conditional<(), Features<2>, "));
    assert!(outer.contains("Outer<2, Beside<(LowRank<2, 6, ") && outer.contains("LogMeanHead<Given<1>>"), "{outer}");
    says("e1 : t | amortize 6", &["add `cond 32`, or write `amortize` alone"]);
    says("e1 + e1 : t + t | cond (1, 2), amortize", &["one network reads all given features"]);
    says("e1 : t | cond 2, amortize 6(width = 3)", &["has no option `width`: it has `rank` and `highway`"]);
    says("e1 : t | cond 2, amortize(rank = \"full\")", &["`rank` of `amortize` is a whole number"]);
    says("e1 : t | cond 2, amortize(rank = 2, rank = 3)", &["`rank` is written twice"]);
    says("e1 : t | cond 2, amortize()", &["for example `amortize(rank = 5)`"]);
    says("e1 : t | cond 2, amortize(highway = 7)", &["a highway has no mode 7"]);
    says("e1 : t | cond 2, hidden 5, amortize", &["`hidden` is about the networks between the manifolds"]);
}

#[test]
fn intervals_and_simplices() {
    let bits = |x: f64| format!("{}u64", x.to_bits());
    let interval = |low, high| format!("Interval<{}, {}>", bits(low), bits(high));
    assert_eq!(
        chain("i1 : rz"),
        format!("Block<{}, (IntervalSpline<()>, (IntervalIdentity<()>, ()))", interval(0.0, 1.0))
    );
    assert_eq!(chain("i1[-3, 2.5] : r"), format!("Block<{}, (IntervalSpline<()>, ())", interval(-3.0, 2.5)));
    assert_eq!(chain("i1[-0.0, 1] : r"), chain("i1 : r"));
    assert_eq!(chain("a2 : wu"), "Block<Simplex<2>, (BoxFlow<2, ()>, (GumbelSoftmax<2, ()>, ()))");
    let whole = compiled("i1[-3, 3] + a2 : r + u").unwrap();
    assert!(whole.contains(&format!("Dense<{{ <{} as Manifold>::EMBED }}, 128>", interval(-3.0, 3.0))));
    let docs = compiled("struct Event = energy@i1[-3, 3] : r(min_width = 1e-3)").unwrap();
    assert!(docs.contains("| `i1[-3, 3]` | `energy` | `r` | `r(min_width = 1e-3)` |"), "{docs}");
}

#[test]
fn chains_without_parameters_need_no_network() {
    let free = |chains: &str| {
        !compiled(&format!("e2 + {chains} | cond 3")).unwrap().contains("Predicted<0, 3, Plain<(Dense<{")
    };
    assert!(free("e2 : t + x"));
    assert!(free("i1 : t + z"));
    assert!(!free("i1 : t + zr"));
    assert!(free("s1 : t + y"));
    assert!(free("e2 : t + xx"));
    assert!(free("e2 : t + x(add_offset = 0)"));
    assert!(free("e2 : t + t(cov_type = \"identity\", skip_model_offset = 1)"));
    assert!(free("e2 : t + t(cov_type = \"identity\") x"));
    assert!(!free("e2 : t + t(cov_type = \"identity\")"));
    assert!(!free("e2 : t + x(add_offset = 1)"));
    assert!(!free("s1 : t + y(add_rotation = 1)"));
    assert!(!free("s2 : t + [my::Layer]"));
}

#[test]
fn places_and_layers_of_the_users_own() {
    assert_eq!(
        chain("e3 : gg [my::Layer<3>] t"),
        "Block<Euclidean<3>, (Gaussianization<3, First, ()>, (Gaussianization<3, Middle, ()>, (my::Layer<3>, (Affine<3, Last, \
         ()>, ()))))"
    );
    assert_eq!(chain("s3 : yn"), "Block<Sphere<3>, (Orientation<()>, (SegmentedSphere<()>, ()))");
    assert_eq!(chain("s2 : fn"), "Block<Sphere2, (FisherFlow<()>, (SegmentedSphere<()>, ()))");
    assert_eq!(chain("s2 : r#fn"), chain("s2 : fn"));
    assert_eq!(chain("s2 : f n"), chain("s2 : fn"));
}

#[test]
fn options_become_settings_the_last_one_outermost() {
    assert_eq!(
        chain("e1 : g(num_kde = 20, rotation_mode = \"none\")"),
        "Block<Euclidean<1>, (Gaussianization<1, Only, settings::g::rotation_mode<2u128, settings::g::num_kde<20u128, \
         ()>>>, ())"
    );
    let minus_one = u128::MAX;
    assert_eq!(
        chain("s2 : f(num_householder_iter = -1, add_vertical_rq_spline_flow = true, vertical_flow_defs = \"r\")"),
        format!(
            "Block<Sphere2, (FisherFlow<settings::f::vertical_flow_defs<{}u128, settings::f::add_vertical_rq_spline_flow<1u128, \
             settings::f::num_householder_iter<{minus_one}u128, ()>>>>, ())",
            u128::from(b'r')
        )
    );
    assert_eq!(
        chain("e1 : t(upper_bound_for_widths = -1, width_smooth_saturation = 0)"),
        format!(
            "Block<Euclidean<1>, (Affine<1, Only, settings::t::width_smooth_saturation<0u128, \
             settings::t::upper_bound_for_widths<{}u128, ()>>>, ())",
            (-1.0f64).to_bits()
        )
    );
}

#[test]
fn options_reach_the_letters_that_have_them_and_override_the_defaults() {
    assert_eq!(
        chain("e1 : gt(cov_type = \"full\") g | g(num_kde = 5, clamp_widths = 1)"),
        "Block<Euclidean<1>, (Gaussianization<1, First, settings::g::clamp_widths<1u128, settings::g::num_kde<5u128, \
         ()>>>, (Affine<1, Middle, settings::t::cov_type<3u128, ()>>, (Gaussianization<1, Last, \
         settings::g::clamp_widths<1u128, settings::g::num_kde<5u128, ()>>>, ())))"
    );
    assert_eq!(
        chain("e1 : g(num_kde = 7) | g(num_kde = 5, clamp_widths = 1)"),
        "Block<Euclidean<1>, (Gaussianization<1, Only, settings::g::num_kde<7u128, settings::g::clamp_widths<1u128, \
         ()>>>, ())"
    );
}

#[test]
fn a_default_may_break_a_rule_that_a_word_mends() {
    assert!(compiled("e1 : g(width_smooth_saturation = 0) | g(upper_bound_for_widths = -1)").is_ok());
}

#[test]
fn spellings_of_one_notation() {
    let plain = compiled("e3 + s2 : gggg + n | cond 32").unwrap();
    for same in [
        "< e3 + s2 : gggg + n | cond 32 >",
        "e3+s2:gggg+n|cond 32",
        "e3 + s2 : gg gg + n | cond 32,",
        "vertex@e3 + direction@s2 : gggg + n | cond 32",
        "e3 + s2 : gggg + n | hidden 128, cond 32",
    ] {
        assert_eq!(compiled(same).unwrap(), plain, "{same}");
    }
}

// ---- named flows -------------------------------------------------------------------------------------------------

fn file(tokens: TokenStream) -> Vec<syn::Item> {
    syn::parse2::<syn::File>(tokens).unwrap().items
}

#[test]
fn a_named_flow_declares_a_struct_its_flow_and_its_parts() {
    let text = "/// An event.\n #[derive(Clone)] pub(crate) struct Event = vertex@e3 + s2 + energy@e1 : ggg(num_kde = 20) + n + t | cond 4;";
    let tokens = compile(text.parse().unwrap(), &quote!(rt)).unwrap();
    let items = file(tokens);
    let [syn::Item::Struct(event), rest @ ..] = items.as_slice() else { panic!("{}", items.len()) };
    let parts =
        rest.iter().find_map(|item| if let syn::Item::Trait(parts) = item { Some(parts) } else { None }).unwrap();
    assert!(event.ident == "Event" && matches!(event.vis, syn::Visibility::Restricted(_)));
    assert_eq!(event.attrs.len(), 3);
    assert_eq!(parts.ident, "EventParts");
    let whole = compiled(text).unwrap();
    assert!(whole.contains("type Flow = Conditional<Event, Features<4>, "));
    assert!(
        whole.contains("NOTATION: &'static str = \"vertex@e3 + s2 + energy@e1 : ggg(num_kde = 20) + n + t | cond 4\"")
    );
    assert!(whole.contains("fn energy(&self)-> Self::Part<1, { <Euclidean<1> as Manifold>::EMBED }>"));
    assert!(whole.contains(
        "<{ <Euclidean<3> as Manifold>::DIM + <Sphere2 as Manifold>::DIM }, 1, \
         { <Euclidean<3> as Manifold>::EMBED + <Sphere2 as Manifold>::EMBED }, { <Euclidean<1> as Manifold>::EMBED }>(self)"
    ));
    assert!(whole.contains("fn marginal_energy(&self)-> Marginal<'_, Self, 1, { <Euclidean<1> as Manifold>::EMBED }>"));
    assert!(whole.contains(
        "| `e3` | `vertex` | `ggg` | `ggg(num_kde = 20)` | [`VERTEX_LAYER_PARAMS`](Self::VERTEX_LAYER_PARAMS) | \
         [`VERTEX_PARAMS`](Self::VERTEX_PARAMS) |"
    ));
    assert!(whole.contains("| total | | | | | [`PARAMS`](Self::PARAMS) |"));
    for constant in
        ["VERTEX:usize = 0", "S2_PARAMS:usize = Part::of", "ENERGY:usize = 2", "PARAMS:usize = <Event as Spec>"]
    {
        assert!(whole.contains(&format!("pub const {constant}")), "{constant}");
    }
    // One of the three has no name, so that a point cannot be made of named parts.
    assert!(!whole.contains("fn point<") && whole.contains("fn points<__X:NamedRows<{ Event::DIM }>>"));
    let named = compiled("struct Event = vertex@e3 + direction@s2 : g + f").unwrap();
    assert!(named.contains("(vertex:[__E; 3], direction:[__E; 2])"), "{named}");
}

#[test]
fn constants_have_names_of_their_own() {
    let names = |text: &str| -> HashSet<String> {
        let whole = compiled(text).unwrap();
        let all: Vec<String> =
            whole.split("pub const ").skip(1).map(|rest| rest.split(':').next().unwrap().into()).collect();
        let unique: HashSet<String> = all.iter().cloned().collect();
        assert_eq!(all.len(), unique.len(), "{all:?}");
        unique
    };
    let found = names("struct P = e1 + e1 + s2 + [my::T] + [my::T] : t + t + f + [my::L] + [my::L]");
    for label in ["E1_0", "E1_1", "S2", "MANIFOLD_3", "MANIFOLD_4"] {
        assert!(found.contains(&format!("{label}_PARAMS")), "{found:?}");
    }
    // Names come first.
    let found = names("struct P = e1 + e1 + e1_1@s2 + e1_0@s1 : t + t + f + y");
    assert!(found.contains("E1_1_PARAMS") && found.contains("E1_1__PARAMS") && found.contains("E1_1"), "{found:?}");
}

#[test]
fn manifolds_of_the_users_own() {
    becomes(
        "[my::Torus] + e1 : [my::Shear] + t",
        "Unconditional<(), { <my::Torus as Manifold>::DIM + <Euclidean<1> as Manifold>::DIM }, \
         { <my::Torus as Manifold>::EMBED + <Euclidean<1> as Manifold>::EMBED }, \
         (Block<my::Torus, (my::Shear, ()), Free<{ <(my::Shear, ()) as ChainType<my::Torus>>::PARAMS }>>, \
         (Block<Euclidean<1>, (Affine<1, Only, ()>, ()), \
         Predicted<0, 0, Plain<(Dense<{ <my::Torus as Manifold>::EMBED }, 128>, ()), \
         Dense<128, { <(Affine<1, Only, ()>, ()) as ChainType<Euclidean<1>>>::PARAMS }>>>>, ()))>",
    );
    let named = compiled("struct P = angle@[my::Torus<2>] : [my::Shear]").unwrap();
    assert!(named.contains("fn angle(&self)-> Self::Part<{ <my::Torus<2> as Manifold>::DIM }, "), "{named}");
    assert!(named.contains("| `[my::Torus<2>]` | `angle` | `[my::Shear]` |"), "{named}");
}

#[test]
fn options_that_are_being_typed_are_shown_to_editors() {
    let shown = |text: &str| print(editor::unfinished_options(text.parse().unwrap(), &quote!(rt)));
    let import = |path: &str| format!("use rt::__private::settings::{path} as _;");
    assert_eq!(shown("e3 : gg(num_k = 3) | cond 4"), import("g::num_k"));
    assert_eq!(shown("struct P = a@e3 : xgt(num_kde = 3, cov_type = \"full\", cl)"), import("x::cl"));
    assert_eq!(shown("e3 : gg(n) t(c) | g(x = 2)"), ["g::n", "t::c", "g::x"].map(import).join(" "));
    // Sound options, no options, no letters: nothing is unfinished.
    for text in ["e3 : gg(num_kde = 3)", "e3 : g | hidden (3, 4)", "e1 : q(x)", "i1 : z(x)", "e3 : g | cond (a, b)"] {
        assert_eq!(shown(text), "", "{text}");
    }
    assert!(!editor::is_editor());
}

#[test]
fn a_flow_without_names_has_no_parts() {
    let items = file(compile("struct Event = e3 : g".parse().unwrap(), &quote!(rt)).unwrap());
    assert!(!items.iter().any(|item| matches!(item, syn::Item::Trait(_))));
    assert!(lower_type("struct Event = e3 : g".parse().unwrap(), &quote!(rt)).is_ok());
}

#[test]
fn the_notation_of_a_flow_gives_the_flow_again() {
    for text in [
        "e3 + s2 : gggg + n | cond 32",
        "a@e3 + b@s2 : gg(num_kde = 20, lower_bound_for_widths = 1e-3) t(cov_type = \"full\") + fn(add_rotation = false)",
        "e1 + s1 : x + y(add_rotation = 1) | cond (3, 5), hidden (8, 4-2), rank 2",
        "i1[-3, 2.5] + i1 + a3 : rr(smooth_second_derivative = 1, num_basis_functions = 2) z + r + wuw",
        "e2 : g [my::Layer<3, &'static str, [u8; 4]>] [dyn_::Other<{ 2 + 3 }>] t | g(upper_bound_for_norms = 20)",
    ] {
        let spec = |text: &str| understand(text.parse().unwrap()).ok().unwrap().1.to_string();
        let once = spec(text);
        assert_eq!(once, text);
        assert_eq!(spec(&once), once);
    }
}

#[test]
fn after_an_error_something_of_the_right_kind_stands_there() {
    let parsed = |text: &str| expand(text.parse().unwrap(), &quote!(rt), |_| (0, 0));
    assert!(syn::parse2::<syn::Type>(parsed("e3 : b")).is_ok());
    assert!(syn::parse2::<syn::Type>(parsed("e0 : b | cond 0")).is_ok());
    assert!(syn::parse2::<syn::Type>(parsed("")).is_ok());
    for text in ["pub struct Name = a@e0 : b | cond 0", "pub struct Name", "pub enum Name = e3 : g", "/// x"] {
        assert!(syn::parse2::<syn::File>(parsed(text)).is_ok(), "{text}");
    }
}
