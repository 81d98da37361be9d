//! The compiler from tokens to tokens: what notations become, what is said about wrong ones, and that nothing makes it panic.

mod mistakes;

use super::ast::print;
use super::*;
use proc_macro2::TokenTree;
use proptest::prelude::*;
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

// ---- lowering ----------------------------------------------------------------------------------------------------

#[test]
fn one_manifold_without_features_has_free_parameters() {
    becomes(
        "e1 : t",
        "Unconditional<(), { <Euclidean<1> as Manifold>::DIM }, { <Euclidean<1> as Manifold>::EMBED }, \
         (Block<Euclidean<1>, (Affine<1, Only, ()>, ()), \
         Free<{ <(Affine<1, Only, ()>, ()) as Chain<Euclidean<1>>>::PARAMS }>>, ())>",
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
         Dense<16, { <(Gaussianization<3, First, ()>, (Affine<3, Last, ()>, ())) as Chain<Euclidean<3>>>::PARAMS }>>>>, \
         (Block<Sphere2, (SegmentedSphere<()>, ()), \
         Predicted<0, 32, Plain<(Dense<{ 32 + <Euclidean<3> as Manifold>::EMBED }, 64>, (Dense<64, 16>, ())), \
         Dense<16, { <(SegmentedSphere<()>, ()) as Chain<Sphere2>>::PARAMS }>>>>, ()))>",
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
    let (x_params, y_params) =
        (format!("<({x}, ()) as Chain<Euclidean<1>>>::PARAMS"), format!("<({y}, ()) as Chain<Circle>>::PARAMS"));
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
    let params = "<(Affine<1, Only, ()>, ()) as Chain<Euclidean<1>>>::PARAMS";
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
    assert!(joint.contains("Predicted<0, 3, Plain<(Dense<3, 128>, ()), Dense<128, { <(Identity<1, ()>, ()) as Chain<Euclidean<1>>>::PARAMS + 1 }>>, 1>"), "{joint}");
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
    assert!(given.contains("Given<{ <(Affine<1, Only, ()>, ()) as Chain<Euclidean<1>>>::PARAMS }>"));
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
         (Block<my::Torus, (my::Shear, ()), Free<{ <(my::Shear, ()) as Chain<my::Torus>>::PARAMS }>>, \
         (Block<Euclidean<1>, (Affine<1, Only, ()>, ()), \
         Predicted<0, 0, Plain<(Dense<{ <my::Torus as Manifold>::EMBED }, 128>, ()), \
         Dense<128, { <(Affine<1, Only, ()>, ()) as Chain<Euclidean<1>>>::PARAMS }>>>>, ()))>",
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

// ---- messages ----------------------------------------------------------------------------------------------------

#[test]
fn messages_about_the_whole() {
    says("", &["nothing is written here"]);
    says("\"e3 + s2 : g + n\"", &["without quotes: `flow!(e3 + s2 : g + n)`"]);
    says("\"e3\", \"g\"", &["without quotes: `flow!(e3 : g)`"]);
    says("e3", &["`e3` has no `:`"]);
    says("e3 : g : g", &["a second `:`"]);
    says("e3 : g | cond 3 | rank 3", &["a second `|`"]);
    says("< e3 : g", &["the `<` has no `>`"]);
    says("e3 : g >", &["unexpected `>`"]);
    says("e3 : g, cond 3", &["write `|` before the first clause"]);
    says("e3 : g cond 3", &["write `|` before the first clause"]);
    says("e3, s2 : g, n", &["manifolds are joined by `+`", "chains are joined by `+`"]);
    says("2e5 : 128", &["unexpected `2e5`", "unexpected `128`"]);
}

#[test]
fn messages_about_manifolds() {
    says("e0 : g", &["the dimension of `e` goes from 1 to 512"]);
    says("e513 : g", &["goes from 1 to 512"]);
    says("e99999999999999999999999 : g", &["goes from 1 to 512"]);
    says("e03 : g", &["write `e3`"]);
    says("s0 : n", &["goes from 1 to 9"]);
    says("s10 : n", &["goes from 1 to 9"]);
    says("s3[0, 1] : n", &["`s3` takes no bounds"]);
    says("E3 : g", &["did you mean `e3`?"]);
    says("q : g", &["`q` is not a manifold of this version: there are `e1`, `e2`, .. (a Euclidean space), `s1`"]);
    says("e : g", &["`e` lacks its dimension"]);
    says("i1[1, -1] : rr", &["the bounds `[1, -1]` are the wrong way round"]);
    says("i1[2.5, 2.5] : rr", &["the bounds `[2.5, 2.5]` are the wrong way round or leave nothing between them"]);
    says("i1[-1e300, 1e300] : rr", &["the bounds `[-1e300, 1e300]` are too large"]);
    says("i1[1] : rr", &["two numbers"]);
    says("i2 : rr", &["the dimension of `i` is 1"]);
    says("a10 : w", &["the dimension of `a` goes from 1 to 9"]);
    says("a2[0, 1] : w", &["`a2` takes no bounds"]);
    says("i1_-3_3 : rr", &["`i1_-3_3` is written `i1[-3, 3]` here"]);
    says("i1_0_1 : rr", &["`i1_0_1` is written `i1[0, 1]` here"]);
    says("e2[0, 1] : g", &["`e2` takes no bounds"]);
    says("e3 + : g + n", &["a manifold is missing beside this `+`"]);
    says(": g", &["a manifold is missing beside this `:`"]);
    says("vertex@ : g", &["a manifold is missing beside this `@`"]);
    says("a@e3 + a@e2 : g + g", &["two manifolds are named `a`"]);
    says("EventVertex@e3 : g", &["`EventVertex` cannot name a manifold"]);
    says("fn@e3 + _@e2 : g + g", &["`fn` cannot name", "`_` cannot name"]);
}

#[test]
fn messages_about_chains() {
    says("e3 + s2 : g", &["the manifold `s2` has no chain of layers, there is 1 chain after the `:`"]);
    says("e3 : g + fn", &["the chain `fn` has no manifold, there is 1 manifold before the `:`"]);
    says("e3 + s2 : g +", &["a chain of layers is missing beside this `+`"]);
    says("e3 : b", &["`b` is not a layer letter: on `e3` there are `c`, `g`, `t`, `x`"]);
    says("e3 : G", &["did you mean `g`?"]);
    says("e3 : B", &["on `e3` there are `c`, `g`, `t`, `x`"]);
    says("e3 : ggq", &["`q` in `ggq` is not a layer letter"]);
    says("s2 : g", &["`g` acts on `e1`, `e2`, .., but `s2` is the two-sphere: use `f`, `c`, `n`, `v`, `y`"]);
    says("e3 : ggz", &["`z` acts on `i1`, but `e3` is a Euclidean space: use `x`, `t`, `g`"]);
    says("i1[-1, 1] : gg", &["`g` acts on `e1`, `e2`, .., but `i1` is an interval: use `r`, `z`"]);
    says("a2 : r", &["`r` acts on `i1`, but `a2` is a simplex: use `u`, `w`"]);
    says("s1 : f", &["`f` acts on `s2`, but `s1` is the circle: use `c`, `m`, `o`, `y`"]);
    says("s1 : n", &["`n` acts on `s2`, `s3`, `s4`, .., but `s1` is the circle: use `m`, `o`, `y`, `c`"]);
    says("s3 : f", &["`f` acts on `s2`, but `s3` is a higher sphere: use `c`, `n`, `y`"]);
    says("s9 : g", &["but `s9` is a higher sphere: use `c`, `n`, `y`"]);
    says("e3 : (num_kde = 3) g", &["follow no word"]);
    says("e3 : [A](num_kde = 3)", &["goes into its type"]);
    says("e3 : []", &["`[]` is not a layer"]);
    says("e3 : [3 4]", &["`[3 4]` is not a layer"]);
    says("e3 : g{}", &["braces have no meaning"]);
    says(&format!("e3 : {}", "g".repeat(65)), &["65 layers in one chain: write at most 64"]);
    assert!(compiled(&format!("e3 : {}", "g".repeat(64))).is_ok());
}

#[test]
fn messages_about_options() {
    says("e3 : ggg(num_kdes = 20)", &["`ggg` has no option `num_kdes`: did you mean `num_kde`?"]);
    says("e3 : g(cov_type = \"full\")", &["it is an option of `t`"]);
    says("e3 : x(banana = 20)", &["`x` has no option `banana`: there are `add_offset`"]);
    says("e3 : ggg(num_kde = 0)", &["takes a whole number from 1 to 4096 (default 10)"]);
    says("e3 : g(num_kde = 2e5)", &["`num_kde = 2e5` does not fit"]);
    says("e3 : g(num_kde = \"20\")", &["`num_kde = \"20\"` does not fit"]);
    says("e3 : g(num_kde = -99999999999999999999999)", &["does not fit"]);
    says("e3 : g(num_kde = 20u8)", &["numbers are written without a type, `20`"]);
    says("e3 : g(lower_bound_for_widths = 1e999)", &["too large"]);
    says("e3 : g(lower_bound_for_widths = -0.5)", &["takes a number above 0"]);
    says("e3 : g(upper_bound_for_widths = -2)", &["takes a number above 0, or -1"]);
    says("e3 : g(num_kde = 1, num_kde = 2)", &["`num_kde` is written twice"]);
    says("e3 : g(num_kde)", &["the value of `num_kde` is missing"]);
    says("e3 : g(num_kde =)", &["the value of `num_kde` is missing"]);
    says("e3 : g()", &["the parentheses after `g` are empty"]);
    says("e3 : g(num_kde = 3; clamp_widths = 1)", &["unexpected `;`"]);
    says("i1 : z(banana = 1)", &["`z` has no option `banana`: it has none"]);
    says("i1 : z()", &["the parentheses after `z` are empty: leave them out"]);
    says("i1 : z | z", &["`z` has no options"]);
    says("e3 : t(cov_type = full)", &["write it in quotes, `cov_type = \"full\"`"]);
    says("e3 : t(cov_type = 'f')", &["`'f'` is not a value"]);
    says("e3 : t(cov_type = \"ful\")", &["did you mean \"full\"?"]);
    says("e3 : x(add_offset = 2)", &["takes 0 or 1"]);
    says("s2 : n(max_rank = 0, highway_mode = 5)", &["from 1 to 4096, or -1", "from 0 to 4"]);
    says("s3 : n(zenith_type_layers = \"rg\")", &["letters `r` or `g` or `x` or `z`, always the same"]);
    says("s2 : n(hidden_dims = \"64 32\")", &["such as \"64-32\""]);
    says("s2 : c(num_charts = 4)", &["`c` has no option `num_charts`"]);
    says("e2 : c(solver = \"rk45\")", &["did you mean \"rk4\"?"]);
    says("e2 : c(rtol = 0)", &["takes a number above 0"]);
    says("a2 : c", &["`c` acts on `e1`, `e2`, .., `s1`, `s2`, `s3`, `s4`, .., but `a2` is a simplex: use `u`, `w`"]);
    says("s2 : f(circular_add_rotation = 1)", &["takes 0, the only value"]);
    says("s2 : f(boundary_cos_theta_identity_region = 1)", &["from 0 to below 1"]);
}

#[test]
fn messages_about_rules_between_options() {
    says("e3 : ggg(upper_bound_for_widths = -1)", &["does not go with `width_smooth_saturation = 1` in `g`"]);
    says(
        "e3 : g t g | t(lower_bound_for_widths = 200)",
        &["`upper_bound_for_widths = 100` does not go with `lower_bound_for_widths = 200` in `t`"],
    );
    says("e3 : g(lower_bound_for_norms = 20)", &["`upper_bound_for_norms = 10` does not go with"]);
    says("s2 : f(spline_num_basis_functions = -1)", &["there are no splines in z"]);
    says("s2 : f(add_vertical_rq_spline_flow = 1, spline_num_basis_functions = -1)", &["write `vertical_smooth = 1`"]);
    says(
        "s2 : f(add_vertical_rq_spline_flow = 1, vertical_smooth = 1)",
        &["smooth splines are built for 2 and 3 bins"],
    );
    says("s2 : f(vertical_also_fix_second_width_to_zero = 1)", &["there are no splines: write"]);
    says(
        "s2 : f(add_circular_rq_spline_flow = 1, vertical_also_fix_second_width_to_zero = 1)",
        &["the second follows the first"],
    );
    let vertical = "s2 : f(add_vertical_rq_spline_flow = 1, ";
    let fixed = "vertical_fix_first_width_n_height_to_zero = 1, vertical_also_fix_second_width_to_zero = 1";
    says(&format!("{vertical} {fixed}, spline_num_basis_functions = 1)"), &["one bin has no second width"]);
    says(
        &format!("{vertical} vertical_restrict_max_min_width_height_ratio = 4)"),
        &["must exceed the number of bins less one"],
    );
    assert!(compiled(&format!("{vertical} vertical_restrict_max_min_width_height_ratio = 4.1)")).is_ok());
    says(
        "e2 : c(solver = \"rk4\", rtol = 1e-5)",
        &["`rtol = 1e-5` does not go with `solver = \"rk4\"` in `c`: rk4 has no error control: give `steps`"],
    );
    says("s2 : c(steps = 8)", &["dopri5 chooses its steps: give `rtol` and `atol`, or write `solver = \"rk4\"`"]);
    says("s1 : c(checkpoints = 2)", &["discrete derivatives keep every step"]);
    says("s2 : c(probes = 1)", &["the exact divergence has no probes"]);
    assert!(compiled("s2 : c(solver = \"rk4\", steps = 8, gradients = \"adjoint\", checkpoints = 2)").is_ok());
    for kappa in ["mu", "mu_squared"] {
        says(&format!("s2 : f(kappa_prediction = {kappa:?})"), &["write `rotation_mode = \"xyz\"`"]);
        let with = |more: &str| format!("s2 : f(kappa_prediction = {kappa:?}, rotation_mode = \"xyz\"{more})");
        assert!(compiled(&with("")).is_ok());
        says(&with(", add_rotation = 0"), &["leave `add_rotation` out"]);
        says(&with(", min_kappa = 1.0"), &["no lower bound but 0"]);
        says(&with(", kappa_clamping = 1"), &["leave `kappa_clamping` out"]);
    }
    for kappa in ["quatvec", "quatvec_squared"] {
        let with = |mode: &str| format!("s2 : f(kappa_prediction = {kappa:?}, rotation_mode = {mode:?})");
        says(&with("xyz"), &["write `rotation_mode = \"quaternion\"`"]);
        assert!(compiled(&with("quaternion")).is_ok());
    }
    says("s2 : f(kappa_prediction = \"log_bounded\", kappa_clamping = 1)", &["leave `kappa_clamping` out"]);
    assert!(compiled("s2 : f(kappa_prediction = \"softplus_real_bounded\", kappa_clamping = 1)").is_ok());
    let correlated = "s2 : f(add_correlated_rq_spline_flow = 1, ";
    says(&format!("{correlated} add_vertical_rq_spline_flow = 1)"), &["correlated, or of z alone"]);
    says(&format!("{correlated} add_circular_rq_spline_flow = 1)"), &["correlated, or of the azimuth alone"]);
    says(&format!("{correlated} vertical_fix_boundary_derivative = 0)"), &["five bins in z"]);
    says(&format!("{correlated} spline_num_basis_functions = 8)"), &["leave it out"]);
    assert!(compiled(&format!("{correlated} correlated_max_rank = 0, vertical_flow_defs = \"rzr\")")).is_ok());
    says("i1 : r(smooth_second_derivative = 1)", &["write `num_basis_functions = 2` or 3"]);
    says("i1 : r(fix_boundary_derivatives = 1e-5)", &["a fixed slope must exceed the smallest one"]);
    says("i1 : r(restrict_max_min_width_height_ratio = 4)", &["must exceed the number of bins less one"]);
    says("i1 : r(also_fix_second_width_to_zero = 1)", &["the second follows the first"]);
    says(
        "i1 : r(num_basis_functions = 10, min_width = 0.1)",
        &["`min_width = 0.1` does not go with `num_basis_functions = 10` in `r`"],
    );
    says("i1 : r(min_height = 0.2)", &["leave something free of the interval"]);
    let first = "fix_first_width_n_height_to_zero = 1, num_basis_functions = 1";
    says(&format!("i1 : r({first}, also_fix_second_width_to_zero = 1)"), &["one bin has no second width"]);
    says(&format!("i1 : r({first}, fix_boundary_derivatives = 1)"), &["no parameter left"]);
    says("s1 : o(num_basis_functions = 5)", &["write `smooth_second_derivative = 0` for any other number"]);
    says("s1 : o(fix_boundary_derivatives = 1)", &["the slopes of a smooth spline follow from its bins"]);
    says("s1 : o(min_derivative = 0.1)", &["the slopes of a smooth spline follow from its bins"]);
    says("s1 : o(also_fix_second_width_to_zero = 1)", &["write `fix_first_width_n_height_to_zero = 1` too"]);
    says("s1 : o(min_width = 0.6)", &["leave something free of the circle"]);
    says(
        "s1 : o(smooth_second_derivative = 0, fix_boundary_derivatives = 0.1, min_derivative = 0.2)",
        &["a fixed slope must exceed the smallest one"],
    );
    let one = "smooth_second_derivative = 0, num_basis_functions = 1, fix_boundary_derivatives = 1, \
        fix_first_width_n_height_to_zero = 1";
    says(&format!("s1 : o({one}, add_rotation = 0)"), &["has no parameter left"]);
    assert!(compiled(&format!("s1 : o({one})")).is_ok());
    assert!(compiled("s1 : o(smooth_second_derivative = 0, num_basis_functions = 5)").is_ok());
    assert!(compiled("i1 : r(smooth_second_derivative = 1, num_basis_functions = 3)").is_ok());
    says("e3 : g(center_mean = 1, num_kde = 1)", &["`num_kde = 1` does not go with `center_mean = 1` in `g`"]);
    says("e3 : g(center_mean = true) | g(num_kde = 1)", &["does not go with `center_mean = true`"]);
    assert!(compiled("e3 : g(center_mean = 1, num_kde = 2)").is_ok());
    let splines = "nonlinear_stretch_type = \"rq_splines\"";
    for of_mixtures in [
        "fit_normalization = 0",
        "regulate_normalization = 0",
        "lower_bound_for_norms = 0.5",
        "upper_bound_for_norms = 20",
        "inverse_function_type = \"inormal\"",
        "replace_first_sigmoid_with_icdf = false",
        "softplus_for_width = 1",
        "clamp_widths = 1",
        "width_smooth_saturation = 0",
        "lower_bound_for_widths = 0.1",
        "upper_bound_for_widths = 1.5",
        "center_mean = 1",
        "add_skewness = 1",
    ] {
        let message = format!("`{of_mixtures}` does not go with `{splines}` in `g`: splines have no mixture");
        says(&format!("e3 : g({splines}, {of_mixtures})"), &[&message]);
        // A default for every g is one for mixtures; a word of splines mends it by writing what the option is without it.
        says(&format!("e3 : g g({splines}) | g({of_mixtures})"), &[&message]);
    }
    assert!(compiled(&format!("e3 : g g({splines}, add_skewness = 0) | g(add_skewness = 1)")).is_ok());
    assert!(compiled(&format!("e3 : g({splines}, num_kde = 999, rotation_mode = \"cayley\")")).is_ok());
    says(&format!("e3 : g({splines}, num_kde = 1000)"), &["write fewer than 1000 bins"]);
    // One clause serves two words, and is wrong once.
    says("e3 : g t g | g(upper_bound_for_widths = -1)", &["a smooth saturation needs a bound"]);
}

/// Options that do nothing beside others are refused, and those that act beside the same others are not.
#[test]
fn options_without_effect() {
    says(
        "s2 : f(vertical_flow_defs = \"rrr\", circular_flow_defs = \"o\")",
        &["no splines in z", "no splines in the azimuth"],
    );
    says("s2 : f(boundary_cos_theta_identity_region = 0.1)", &["there are no splines: write"]);
    says("s2 : f(add_circular_rq_spline_flow = 1, vertical_fix_boundary_derivative = 0)", &["no splines in z"]);
    says("s2 : f(correlated_max_rank = 5)", &["there are no correlated splines"]);
    says("s2 : f(add_rotation = 0, num_householder_iter = 2)", &["there is no rotation"]);
    says(
        "s2 : f(rotation_mode = \"angles\", num_householder_iter = 2)",
        &["only \"householder\" is made of reflections"],
    );
    says("s2 : n(add_rotation = 0, rotation_mode = \"angles\")", &["there is no rotation"]);
    says(
        "e3 : g(fit_normalization = 0, upper_bound_for_norms = 20)",
        &["components of equal weight have none to bound"],
    );
    says("e3 : g(regulate_normalization = 0, lower_bound_for_norms = 0.5)", &["free weights have no bounds"]);
    says("e3 : g(rotation_mode = \"none\", num_householder_iter = 2)", &["only \"householder\""]);
    says("e3 : t(cov_type = \"identity\", upper_bound_for_widths = 3.0)", &["the identity has no widths"]);
    for right in [
        "s2 : f(add_circular_rq_spline_flow = 1, boundary_cos_theta_identity_region = 0.1)",
        "s2 : f(add_circular_rq_spline_flow = 1, vertical_independent_width_height_parametrization = 1)",
        "s2 : f(add_extra_rotation_inbetween = 1)",
        "s2 : f(add_rotation = 0, rotation_mode = \"householder\", num_householder_iter = -1)",
        "s2 : f(vertical_smooth = 0, vertical_flow_defs = \"rr\")",
        "e3 : g(fit_normalization = 0, regulate_normalization = 1)",
        "e3 : t(cov_type = \"identity\", skip_model_offset = 1)",
    ] {
        assert!(compiled(right).is_ok(), "{right}");
    }
}

#[test]
fn messages_about_clauses() {
    says("e3 : g | cond 0", &["leave the clause out"]);
    says("e3 : g | cond", &["the number of given features is missing"]);
    says("e3 : g | cond -3", &["`-3` does not fit"]);
    says("e3 : g | cond 3.0", &["is a whole number from 1 to"]);
    says("e3 : g | cond 9999999999999999999999", &["is a whole number from 1 to"]);
    says("e3 : g | cond (3, 4)", &["the list after `cond` has 2 entries, but there is 1 manifold"]);
    says("e3 + e1 : g + g | cond (3, 0)", &["every manifold of a list"]);
    says("e3 : g | cond 3, cond 4", &["the clause `cond` is written twice"]);
    says("e3 : g | cond 3 hidden 128", &["unexpected `hidden`: clauses are separated by `,`"]);
    says("e3 : g | cond 3, hidden 128-", &["missing beside this `-`"]);
    says("e3 : g | cond 3, hidden 128-0", &["write a width of at least 1"]);
    says("e3 : g | cond 3, hidden (1, 2)", &["the list after `hidden` has 2 entries"]);
    says("e3 : g | cond 3, hiden 128", &["`hiden` is not a clause: did you mean `hidden`?"]);
    says("e3 : g | cond 3, rank 0", &["leave the clause out for full matrices"]);
    says("e3 : g | hidden 3, rank 3", &["`hidden` is about networks", "`rank` is about networks"]);
    says("e3 : g |", &["a clause is missing beside this `|`"]);
    says("e3 : g | cond 3,, rank 2", &["a clause is missing beside this `,`"]);
    says("e3 : g | g", &["the options of `g` are missing"]);
    says("e3 : g | t(cov_type = \"full\")", &["which no chain has"]);
    says("e3 : g | q(cov_type = \"full\")", &["`q` is not a layer letter"]);
    says("e3 : gt | gt(clamp_widths = 1)", &["one clause for each letter"]);
    says("e3 : g | g(cov_type = 3)", &["`g` has no option `cov_type`: it is an option of `t`"]);
}

#[test]
fn messages_about_named_flows() {
    says("type Name = e3 : g", &["`type` cannot be declared here: write `struct`"]);
    says("pub enum Name { e3 : g }", &["`enum` cannot be declared here"]);
    says("pub struct = e3 : g", &["the name of the struct is missing"]);
    says("pub struct Name", &["`=` and the notation are missing"]);
    says("pub struct Name =", &["`=` and the notation are missing"]);
    says("pub struct Name = ;", &["`=` and the notation are missing"]);
    says("pub struct Name<T> = e3 : g", &["unexpected `<`: a named flow"]);
    says("/// Documentation.", &["attributes belong to a named flow"]);
    says("#[derive(Clone)] e3 : g", &["`e3` cannot be declared here"]);
    says("e3 : g;", &["unexpected `;`"]);
}

#[test]
fn everything_wrong_is_said_at_once() {
    says(
        "e3 + s15 + : b + ggg + n(max_rank = 0) | cond 0, hiden 3, rank 2 2",
        &[
            "`hiden` is not a clause",
            "unexpected `2`",
            "a manifold is missing beside this `+`",
            "`s15` is not a manifold",
            "`b` is not a layer letter",
            "`max_rank = 0` does not fit",
            "the number of given features is 0",
        ],
    );
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

// ---- anything at all ---------------------------------------------------------------------------------------------

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
