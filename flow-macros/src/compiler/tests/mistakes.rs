//! The inventory of mistakes: for every message a notation that earns it, and what to write instead.
//!
//! From this list come the table in the documentation of the crate (`mistakes.md`) and the cases of `tests/ui/fail`, one file for a message.
//! `UPDATE_DOCS=1 cargo test -p flow-macros mistakes` writes both; then `TRYBUILD=overwrite cargo test --release --test notation` writes
//! what rustc says about them.

use super::super::ast::list;
use super::super::table::{self, LETTERS, MANIFOLDS};
use super::{compiled, quote};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The message of `diagnostics`, what is written, and what to write instead.
type Mistake = (&'static str, &'static str, &'static str);

/// Themes of the mistakes; also the names of their folders.
const THEMES: &[(&str, &str, &[Mistake])] = &[
    ("manifolds", "Manifolds", MANIFOLD_MISTAKES),
    ("letters", "Chains and letters", LETTER_MISTAKES),
    ("options", "Options", OPTION_MISTAKES),
    ("clauses", "Clauses", CLAUSE_MISTAKES),
    ("syntax", "Signs", SYNTAX_MISTAKES),
    ("items", "Named flows", ITEM_MISTAKES),
    ("ancestor", "As jammy_flows writes it", ANCESTOR_MISTAKES),
];

const MANIFOLD_MISTAKES: &[Mistake] = &[
    ("unknown_manifold", "q3 : g", "e3 : g"),
    ("unknown_manifold", "E3 : g", "e3 : g"),
    ("unknown_manifold", "so3 : n", "s3 : n"),
    ("no_dimension", "e : g", "e2 : g"),
    ("no_dimension", "s + e1 : f + g", "s2 + e1 : f + g"),
    ("wrong_dimension", "e0 : g", "e1 : g"),
    ("wrong_dimension", "e999 : g", "e512 : g"),
    ("wrong_dimension", "s15 : n", "s9 : n"),
    ("wrong_dimension", "i2 : rr", "i1 + i1 : rr + rr"),
    ("leading_zero", "e03 : g", "e3 : g"),
    ("space_in_manifold", "e 3 : g", "e3 : g"),
    ("after_manifold", "i1(-3, 3) : r", "i1[-3, 3] : r"),
    ("after_manifold", "i1{-3, 3} : r", "i1[-3, 3] : r"),
    ("after_manifold", "e(3) : g", "e3 : g"),
    ("after_manifold", "e[3] : g", "e3 : g"),
    ("after_manifold", "i1_0 : r", "i1[0, 1] : r"),
    ("after_manifold", "e3(num_kde = 20) : ggg", "e3 : ggg(num_kde = 20)"),
    ("bounds_after", "e2[0, 1] : g", "e2 : g"),
    ("bounds_after", "s2[0, 1] : f", "s2 : f"),
    ("bounds_after", "[my::Torus][0, 1] : [my::Layer]", "[my::Torus] : [my::Layer]"),
    ("not_bounds", "i1[1] : r", "i1[0, 1] : r"),
    ("not_bounds", "i1[-3 3] : r", "i1[-3, 3] : r"),
    ("not_bounds", "i1[0, PI] : r", "i1[0, 3.141592653589793] : r"),
    ("bounds_order", "i1[3, -3] : r", "i1[-3, 3] : r"),
    ("bounds_order", "i1[2, 2] : r", "i1[1, 2] : r"),
    ("bounds_size", "i1[0, 1e300] : r", "i1[0, 1e15] : r"),
    ("not_an_own_manifold", "[my torus] : [my::Layer]", "[my::Torus] : [my::Layer]"),
    ("not_an_own_manifold", "[] : g", "e3 : g"),
    ("name_style", "Vertex@e3 : g", "vertex@e3 : g"),
    ("name_style", "fn@e3 : g", "function@e3 : g"),
    ("name_taken", "features@e3 : g", "my_features@e3 : g"),
    ("name_taken", "vertex@e3 + vertex_params@e1 : g + t", "vertex@e3 + my_vertex@e1 : g + t"),
    ("name_twice", "vertex@e3 + vertex@s2 : g + f", "vertex@e3 + direction@s2 : g + f"),
    ("no_at", "vertex e3 : g", "vertex@e3 : g"),
    ("name_after_kind", "e3@vertex : g", "vertex@e3 : g"),
];

const LETTER_MISTAKES: &[Mistake] = &[
    ("unknown_letters", "e3 : b", "e3 : g"),
    ("unknown_letters", "e3 + s2 : ggq + qp", "e3 + s2 : ggt + fn"),
    ("unknown_letters", "e3 : GGGG", "e3 : gggg"),
    ("unknown_letters", "e3 : g4", "e3 : gggg"),
    ("wrong_manifold", "s2 : gggg", "s2 : ffff"),
    ("wrong_manifold", "i1 + a2 : g + r", "i1 + a2 : r + w"),
    ("wrong_manifold", "s1 + s3 : n + f", "s1 + s3 : m + n"),
    ("manifold_without_chain", "e3 + s2 : gggg", "e3 + s2 : gggg + f"),
    ("chain_without_manifold", "e3 : gggg + n", "e3 + s2 : gggg + n"),
    (
        "too_long",
        "e1 : ggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg",
        "e1 : gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg",
    ),
    ("not_a_layer", "e3 : g [my layer] g", "e3 : g [my::Layer] g"),
    ("not_a_layer", "e3 : g []", "e3 : g"),
    ("path_without_brackets", "e3 : gg my::Layer t", "e3 : gg [my::Layer] t"),
    ("path_without_brackets", "my::Torus : [my::Layer]", "[my::Torus] : [my::Layer]"),
    ("letters_on_own", "[my::Torus] : gg", "[my::Torus] : [my::Layer]"),
    ("options_of_own_layer", "e3 : [my::Layer](width = 3)", "e3 : [my::Layer<3>]"),
];

const OPTION_MISTAKES: &[Mistake] = &[
    ("unknown_option", "e3 : ggg(num_kdes = 20)", "e3 : ggg(num_kde = 20)"),
    ("unknown_option", "e3 : g(cov_type = \"full\")", "e3 : t(cov_type = \"full\")"),
    ("unknown_option", "e3 : x(banana = 20)", "e3 : x(add_offset = 1)"),
    ("unknown_option", "e3 : g(Num_KDE = 20)", "e3 : g(num_kde = 20)"),
    ("unknown_option", "i1 : z(num_kde = 20)", "i1 : z"),
    ("option_twice", "e3 : g(num_kde = 3, num_kde = 4)", "e3 : g(num_kde = 4)"),
    ("wrong_value", "e3 : ggg(num_kde = 0)", "e3 : ggg(num_kde = 1)"),
    ("wrong_value", "e3 : ggg(num_kde = 2.5)", "e3 : ggg(num_kde = 2)"),
    ("wrong_value", "e3 : ggg(num_kde = \"20\")", "e3 : ggg(num_kde = 20)"),
    ("wrong_value", "e3 : ggg(num_kde = many)", "e3 : ggg(num_kde = 20)"),
    ("wrong_value", "e3 : g(lower_bound_for_widths = -0.5)", "e3 : g(lower_bound_for_widths = 0.5)"),
    ("wrong_value", "e3 : x(add_offset = 2)", "e3 : x(add_offset = 1)"),
    ("wrong_value", "e3 : t(cov_type = \"ful\")", "e3 : t(cov_type = \"full\")"),
    (
        "wrong_value",
        "s2 : f(boundary_cos_theta_identity_region = 1, add_vertical_rq_spline_flow = 1)",
        "s2 : f(boundary_cos_theta_identity_region = 0.1, add_vertical_rq_spline_flow = 1)",
    ),
    ("wrong_value", "s2 : f(circular_add_rotation = 1)", "s2 : f(circular_add_rotation = 0)"),
    ("wrong_value", "s3 : n(zenith_type_layers = \"rg\")", "s3 : n(zenith_type_layers = \"rr\")"),
    ("wrong_value", "s2 : n(hidden_dims = \"64 32\")", "s2 : n(hidden_dims = \"64-32\")"),
    ("quotes_missing", "e3 : t(cov_type = full)", "e3 : t(cov_type = \"full\")"),
    ("quotes_missing", "e3 : t(cov_type = ful)", "e3 : t(cov_type = \"full\")"),
    ("wrong_quotes", "e3 : t(cov_type = 'f')", "e3 : t(cov_type = \"full\")"),
    ("wrong_quotes", "e3 : g(num_kde = (20))", "e3 : g(num_kde = 20)"),
    ("suffix", "e3 : g(num_kde = 20u8)", "e3 : g(num_kde = 20)"),
    ("too_large", "e3 : g(upper_bound_for_widths = 1e999)", "e3 : g(upper_bound_for_widths = 1e99)"),
    ("not_equals", "e3 : g(num_kde: 20)", "e3 : g(num_kde = 20)"),
    ("not_equals", "e3 : g(num_kde == 20)", "e3 : g(num_kde = 20)"),
    ("options_in", "e3 : ggg[num_kde = 20]", "e3 : ggg(num_kde = 20)"),
    ("options_in", "e3 : ggg{num_kde = 20}", "e3 : ggg(num_kde = 20)"),
    ("options_without_word", "e3 : (num_kde = 20) ggg", "e3 : ggg(num_kde = 20)"),
    ("empty_options", "e3 : g()", "e3 : g"),
    ("empty_options", "i1 : z()", "i1 : z"),
    (
        "rule",
        "e3 : gg(upper_bound_for_widths = -1)",
        "e3 : gg(upper_bound_for_widths = -1, width_smooth_saturation = 0)",
    ),
    ("rule", "e3 : g(rotation_mode = \"angles\", num_householder_iter = 2)", "e3 : g(num_householder_iter = 2)"),
    ("rule", "e3 : t(cov_type = \"identity\", clamp_widths = 1)", "e3 : t(cov_type = \"identity\")"),
    (
        "rule",
        "s2 : f(vertical_smooth = 1)",
        "s2 : f(add_vertical_rq_spline_flow = 1, vertical_smooth = 1, spline_num_basis_functions = 2)",
    ),
    ("rule", "s2 : f(add_rotation = 0, rotation_mode = \"xyz\")", "s2 : f(rotation_mode = \"xyz\")"),
    (
        "rule",
        "s1 + s1 : o(num_basis_functions = 5) + o(fix_boundary_derivatives = 1)",
        "s1 + s1 : o(smooth_second_derivative = 0, num_basis_functions = 5) + o(smooth_second_derivative = 0, fix_boundary_derivatives = 1)",
    ),
    ("rule", "e2 : c(solver = \"rk4\", rtol = 1e-5)", "e2 : c(solver = \"dopri5\", rtol = 1e-5)"),
    ("missing", "e3 : g(num_kde)", "e3 : g(num_kde = 20)"),
    ("missing", "e3 : g(num_kde = )", "e3 : g(num_kde = 20)"),
    ("missing", "e3 : g(num_kde = 20,, clamp_widths = 1)", "e3 : g(num_kde = 20, clamp_widths = 1)"),
    ("unexpected", "e3 : g(num_kde = 20; clamp_widths = 1)", "e3 : g(num_kde = 20, clamp_widths = 1)"),
];

const CLAUSE_MISTAKES: &[Mistake] = &[
    ("unknown_clause", "e3 : g | cond 3, hiden 128", "e3 : g | cond 3, hidden 128"),
    ("unknown_clause", "e3 : g | features 3", "e3 : g | cond 3"),
    ("unknown_clause", "e3 : g | COND 3", "e3 : g | cond 3"),
    ("unknown_clause", "e3 : g | num_kde = 20", "e3 : g | g(num_kde = 20)"),
    ("unknown_clause", "e3 : g | cond 3, banana 4", "e3 : g | cond 3"),
    ("clause_twice", "e3 : g | cond 3, cond 4", "e3 : g | cond 4"),
    ("no_bar", "e3 : g, cond 3", "e3 : g | cond 3"),
    ("no_bar", "e3 : g cond 3", "e3 : g | cond 3"),
    ("zero", "e3 : g | cond 0", "e3 : g"),
    ("zero", "e3 + e1 : g + g | cond (3, 0)", "e3 + e1 : g + g | cond (3, 1)"),
    ("zero", "e3 : g | cond 3, hidden 128-0", "e3 : g | cond 3, hidden 128-1"),
    ("zero", "e3 : g | cond 3, rank 0", "e3 : g | cond 3"),
    ("zero", "e3 : g | cond 3, poisson 0", "e3 : g | cond 3, poisson 8"),
    ("zero", "e3 : g | cond 3, amortize 64(rank = 0)", "e3 : g | cond 3, amortize 64"),
    ("zero", "e3 : g | cond 3, amortize 0", "e3 : g | cond 3, amortize 8"),
    ("not_a_count", "e3 : g | cond -3", "e3 : g | cond 3"),
    ("not_a_count", "e3 : g | cond 3.0", "e3 : g | cond 3"),
    ("not_a_count", "e3 : g | cond three", "e3 : g | cond 3"),
    ("not_a_count", "e3 : g | cond 3, rank full", "e3 : g | cond 3"),
    ("not_a_count", "e3 : g | cond 3, highway -1", "e3 : g | cond 3, highway 1"),
    ("not_a_count", "e3 : g | cond 3, hidden \"128-128\"", "e3 : g | cond 3, hidden 128-128"),
    ("list_length", "e3 + s2 : g + f | cond (3, 4, 5)", "e3 + s2 : g + f | cond (3, 4)"),
    ("list_length", "e3 + s2 : g + f | hidden (64, 32, 16)", "e3 + s2 : g + f | hidden (64, 32)"),
    ("list_length", "e3 + s2 : g + f | rank (1, 2, 3)", "e3 + s2 : g + f | rank (1, 2)"),
    ("list_length", "e3 : g | cond 3, highway (1, 2)", "e3 : g | cond 3, highway 1"),
    ("list_in_brackets", "e3 + s2 : g + f | cond [3, 5]", "e3 + s2 : g + f | cond (3, 5)"),
    ("number_alone", "e3 : g | cond 3, hidden 128, 64", "e3 : g | cond 3, hidden 128-64"),
    ("sign_in_clause", "e3 : g | cond = 3", "e3 : g | cond 3"),
    ("sign_in_clause", "e3 : g | cond: 3", "e3 : g | cond 3"),
    ("sign_in_clause", "e3 : g | cond 3, poisson = 64", "e3 : g | cond 3, poisson 64"),
    ("no_network", "e3 : g | hidden 128", "e3 : g"),
    ("no_network", "e3 : g | rank 8, highway 1", "e3 : g | cond 3, rank 8, highway 1"),
    ("no_network", "e3 : g | cond 3, amortize 64, hidden 32", "e3 : g | cond 3, amortize 64"),
    ("no_mode", "e3 : g | cond 3, highway 5", "e3 : g | cond 3, highway 4"),
    ("no_mode", "e3 : g | cond 3, amortize 64(highway = 7)", "e3 : g | cond 3, amortize 64(highway = 1)"),
    ("highway_of_none", "e3 : g | cond 3, hidden none, highway 1", "e3 : g | cond 3, hidden none"),
    (
        "highway_of_none",
        "e3 + e1 : g + g | cond 3, hidden (none, 8), highway (1, 1)",
        "e3 + e1 : g + g | cond 3, hidden (none, 8), highway (0, 1)",
    ),
    ("ranks_length", "e3 : g | cond 3, rank 1-2-3", "e3 : g | cond 3, rank 1-2"),
    ("unknown_outer_option", "e3 : g | cond 3, amortize 64(width = 3)", "e3 : g | cond 3, amortize 64(rank = 3)"),
    ("outer_option", "e3 : g | cond 3, amortize 64(rank = \"full\")", "e3 : g | cond 3, amortize 64"),
    ("outer_without_cond", "e3 : g | amortize 64", "e3 : g | amortize"),
    ("outer_with_list", "e3 + s2 : g + f | cond (1, 2), amortize 64", "e3 + s2 : g + f | cond 3, amortize 64"),
    ("amortize_in_parentheses", "e3 : g | cond 3, amortize (64, 32)", "e3 : g | cond 3, amortize 64-32"),
    ("poisson_without_cond", "e3 : g | poisson 64", "e3 : g | poisson"),
    ("poisson_in_parentheses", "e3 : g | cond 3, poisson (64)", "e3 : g | cond 3, poisson 64"),
    ("poisson_with_ranks", "e3 : g | cond 3, poisson 64, rank 2-3", "e3 : g | cond 3, poisson 64, rank 2"),
    ("defaults_of_word", "e3 : gt | gt(clamp_widths = 1)", "e3 : gt | g(clamp_widths = 1), t(clamp_widths = 1)"),
    ("unused_defaults", "e3 : g | t(cov_type = \"full\")", "e3 : gt | t(cov_type = \"full\")"),
    ("no_options", "e3 : g | g", "e3 : g | g(num_kde = 20)"),
    ("no_options", "i1 : z | z", "i1 : z"),
    ("missing", "e3 : g | cond", "e3 : g | cond 3"),
    ("missing", "e3 : g | cond 3, hidden 128-", "e3 : g | cond 3, hidden 128"),
    ("missing", "e3 : g | cond 3, rank 8-", "e3 : g | cond 3, rank 8"),
    ("missing", "e3 : g | cond 3, highway", "e3 : g | cond 3, highway 1"),
    ("missing", "e3 : g |", "e3 : g"),
    ("missing", "e3 : g | cond 3,, rank 2", "e3 : g | cond 3, rank 2"),
    ("unexpected", "e3 : g | cond 3 hidden 128", "e3 : g | cond 3, hidden 128"),
];

const SYNTAX_MISTAKES: &[Mistake] = &[
    ("empty", "", "e3 + s2 : gggg + n | cond 32"),
    ("no_colon", "e3 + s2", "e3 + s2 : g + f"),
    ("no_colon", "e3 gggg | cond 3", "e3 : gggg | cond 3"),
    ("no_colon", "e3 = gggg", "e3 : gggg"),
    ("second", "e3 : g : g", "e3 : g g"),
    ("second", "e3 : g | cond 3 | rank 3", "e3 : g | cond 3, rank 3"),
    ("angle_open", "< e3 : g", "e3 : g"),
    ("missing", "e3 + : g + f", "e3 + s2 : g + f"),
    ("missing", ": g", "e3 : g"),
    ("missing", "e3 :", "e3 : g"),
    ("missing", "vertex@ : g", "vertex@e3 : g"),
    ("missing", "e3 + s2 : g +", "e3 + s2 : g + f"),
    ("unexpected", "e3, s2 : g, f", "e3 + s2 : g + f"),
    ("unexpected", "e3 * s2 : g * f", "e3 + s2 : g + f"),
    ("unexpected", "e3 : g >", "e3 : g"),
    ("unexpected", "e3 : g;", "e3 : g"),
    ("unexpected", "e3 : g { f }", "e3 : g"),
    ("unexpected", "e3 : 4", "e3 : gggg"),
];

const ITEM_MISTAKES: &[Mistake] = &[
    ("not_a_struct", "pub type Event = e3 : gggg", "pub struct Event = e3 : gggg"),
    ("not_a_struct", "pub enum Event { e3 : gggg }", "pub struct Event = e3 : gggg"),
    ("wrong_header", "#derive(Clone) pub struct Event = e3 : gggg", "#[derive(Clone)] pub struct Event = e3 : gggg"),
    ("no_struct", "/// An event.", "/// An event.\n    pub struct Event = e3 : gggg"),
    ("no_struct_name", "pub struct = e3 : gggg", "pub struct Event = e3 : gggg"),
    ("keyword_as_name", "pub struct fn = e3 : gggg", "pub struct Event = e3 : gggg"),
    ("no_equals", "pub struct Event", "pub struct Event = e3 : gggg"),
    ("no_equals", "pub struct Event =;", "pub struct Event = e3 : gggg;"),
    ("unexpected", "pub struct Event == e3 : gggg", "pub struct Event = e3 : gggg"),
    ("unexpected", "pub struct Event<T> = e3 : gggg", "pub struct Event = e3 : gggg"),
    ("unexpected", "pub struct Event: e3 : gggg", "pub struct Event = e3 : gggg"),
    ("unexpected", "pub struct Event { e3 : gggg }", "pub struct Event = e3 : gggg"),
    ("unexpected", "pub struct A = e3 : gggg; pub struct B = s2 : f;", "pub struct A = e3 : gggg;"),
];

const ANCESTOR_MISTAKES: &[Mistake] = &[
    ("quoted", "\"e3+s2\"", "e3 + s2 : g + f"),
    ("quoted", "\"e3\" : \"gg\"", "e3 : gg"),
    ("quoted", "\"\"", "e3 + s2 : gggg + n | cond 32"),
    ("quoted", "\"e3+s2\", \"gggg+n\"", "e3 + s2 : gggg + n"),
    ("quoted", "\"i1_-3.0_3.0+a2\", \"rr+w\", conditional_input_dim=4", "i1[-3.0, 3.0] + a2 : rr + w | cond 4"),
    (
        "quoted",
        "\"e2+s1\", \"gg+m\", conditional_input_dim=[3, 5], amortization_mlp_dims=[\"64\", \"128-64\"], predict_log_normalization=True",
        "e2 + s1 : gg + m | cond (3, 5), hidden (64, 128-64), poisson",
    ),
    ("quoted", "\"e3 + s2 : gggg + n | cond 32\"", "e3 + s2 : gggg + n | cond 32"),
    ("ancestor_bounds", "i1_-3_3 : rr", "i1[-3, 3] : rr"),
    ("ancestor_bounds", "i1_-3.5_2.5 + i1_0_1 : rr + r", "i1[-3.5, 2.5] + i1[0, 1] : rr + r"),
    ("ancestor_bounds", "energy@i1_0_20 : rr", "energy@i1[0, 20] : rr"),
    ("ancestor_clause", "e3 : g | conditional_input_dim = 3", "e3 : g | cond 3"),
    ("ancestor_clause", "e3 : g | cond 3, amortization_mlp_dims = \"128\"", "e3 : g | cond 3, hidden 128"),
];

fn all() -> impl Iterator<Item = (&'static str, Mistake)> {
    THEMES.iter().flat_map(|(theme, _, mistakes)| mistakes.iter().map(|mistake| (*theme, *mistake)))
}

/// The texts of every message in `diagnostics`: pieces between what is filled in.
fn messages() -> HashMap<String, Vec<String>> {
    let file = syn::parse_file(include_str!("../diagnostics.rs")).unwrap();
    let returns_text = |function: &syn::ItemFn| {
        let public = matches!(function.vis, syn::Visibility::Public(_));
        let output = &function.sig.output;
        public && quote!(#output).to_string() == "-> String"
    };
    let functions = file.items.iter().filter_map(|item| match item {
        syn::Item::Fn(function) if returns_text(function) => Some(function),
        _ => None,
    });
    functions.map(|function| (function.sig.ident.to_string(), pieces(quote!(#function)))).collect()
}

/// The pieces of the texts among some tokens that are long enough to be told from others.
fn pieces(tokens: proc_macro2::TokenStream) -> Vec<String> {
    let mut all = Vec::new();
    for token in tokens {
        match token {
            proc_macro2::TokenTree::Group(group) => all.extend(pieces(group.stream())),
            proc_macro2::TokenTree::Literal(literal) => {
                if let syn::Lit::Str(text) = syn::Lit::new(literal) {
                    let text = text.value().replace("{{", "\u{1}").replace("}}", "\u{1}");
                    let between = text.split(['{', '}', '\u{1}']).step_by(2);
                    all.extend(between.filter(|piece| piece.trim().len() > 3).map(str::to_string));
                }
            }
            _ => {}
        }
    }
    all
}

#[test]
fn every_message_is_in_the_inventory() {
    let told: HashSet<_> = all().map(|(_, (function, ..))| function.to_string()).collect();
    let written: HashSet<_> = messages().into_keys().collect();
    assert_eq!(told.difference(&written).collect::<Vec<_>>(), Vec::<&String>::new(), "no such message");
    assert_eq!(written.difference(&told).collect::<Vec<_>>(), Vec::<&String>::new(), "no mistake earns it");
}

/// Each message is the one that the inventory names, and what it says to write instead compiles.
#[test]
fn every_mistake_earns_its_message_and_has_a_way_out() {
    let messages = messages();
    for (_, (function, written, instead)) in all() {
        let said = compiled(written).expect_err(written);
        for message in &said {
            let from = messages[function].iter().any(|piece| message.contains(piece.as_str()));
            assert!(from, "{written}: {message:?} is no message of `{function}`");
            assert!(message.len() < 420, "{written}: {message:?} is long");
        }
        assert!(compiled(instead).is_ok(), "{instead}: {:?}", compiled(instead));
    }
}

/// Settings with which a rule can be reached that another one stands before.
const CONTEXTS: &[(char, &str)] = &[
    ('o', "smooth_second_derivative = 0"),
    ('f', "add_vertical_rq_spline_flow = 1, vertical_fix_first_width_n_height_to_zero = 1"),
    ('f', "add_correlated_rq_spline_flow = 1"),
    ('f', "rotation_mode = \"xyz\""),
    ('f', "rotation_mode = \"quaternion\""),
];

/// Each rule between options can be broken, and then says why.
#[test]
fn every_rule_can_be_broken() {
    for row in LETTERS {
        let manifold = MANIFOLDS.iter().find(|manifold| row.on.contains(&manifold.key)).unwrap();
        for rule in row.rules {
            let mut names: Vec<&str> =
                rule.when.iter().map(|(name, _)| *name).chain([rule.needs.0]).chain(rule.needs.1.other()).collect();
            names.sort_unstable();
            names.dedup();
            let mut lines = vec![Vec::new()];
            for name in names {
                let option = row.option(name).unwrap();
                lines = lines
                    .into_iter()
                    .flat_map(|line: Vec<String>| {
                        tried(option).into_iter().map(move |value| {
                            line.iter().cloned().chain([format!("{name} = {value}")]).collect::<Vec<_>>()
                        })
                    })
                    .collect();
            }
            let context = CONTEXTS.iter().filter(|(letter, _)| *letter == row.letter).map(|(_, more)| *more);
            let contexts: Vec<&str> = [""].into_iter().chain(context).collect();
            let broken =
                lines.iter().flat_map(|line| contexts.iter().map(move |more| (line, more))).any(|(line, more)| {
                    // What is tried counts, not the context.
                    let more = more.split(", ").filter(|one| {
                        !one.is_empty()
                            && !lines[0].iter().any(|tried| tried.split(' ').next() == one.split(' ').next())
                    });
                    let settings = list(more.map(str::to_string).chain(line.iter().cloned()), ", ");
                    let line = format!("{}{} : {}({settings})", manifold.prefix, manifold.dims.0, row.letter);
                    compiled(&line).is_err_and(|said| said.iter().any(|message| message.ends_with(rule.why)))
                });
            assert!(broken, "no values break the rule of `{}` about `{}`: {}", row.letter, rule.needs.0, rule.why);
        }
    }
}

/// Some values of an option, at both sides of what rules ask for.
fn tried(option: &table::Opt) -> Vec<String> {
    use table::Kind;
    let texts = |all: &[&str]| all.iter().map(ToString::to_string).collect();
    match option.kind {
        Kind::Int { .. } => {
            [1, 2, 5, 1000, -1].iter().filter(|n| **n > 0 || takes(option, **n)).map(ToString::to_string).collect()
        }
        Kind::Only(one) => vec![one.to_string()],
        Kind::Positive { or_minus_one } => {
            texts(if or_minus_one { &["1e-5", "0.3", "1.5", "200.0", "-1"] } else { &["1e-5", "0.3", "1.5", "200.0"] })
        }
        Kind::Fraction => texts(&["0.0", "0.1"]),
        Kind::Flag => texts(&["0", "1"]),
        Kind::Choice(of) => of.iter().map(|one| format!("{one:?}")).collect(),
        Kind::Letters { of, .. } => vec![format!("{:?}", &of[..1]), format!("{:?}", of[..1].repeat(2))],
        Kind::Widths => texts(&["\"8\"", "\"6-5\""]),
    }
}

fn takes(option: &table::Opt, number: i64) -> bool {
    option.kind.encode(table::Value::Int(number)).is_some()
}

// ---- documentation and files -------------------------------------------------------------------------------------

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn code(text: &str) -> String {
    let inside = cell(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if inside.is_empty() { "nothing".into() } else { format!("`{inside}`") }
}

/// The page of the documentation.
fn page() -> String {
    let mut page = String::from(
        "# What can be wrong\n\nEvery message of the macro, with a notation that earns it and what to write instead. Errors of one notation \
         are reported together, in the order in which they are written.\n",
    );
    for (_, title, mistakes) in THEMES {
        page += &format!("\n## {title}\n\n| written | message | instead |\n|---|---|---|\n");
        for (_, written, instead) in *mistakes {
            let said = compiled(written).expect_err(written);
            page += &format!("| {} | {} | {} |\n", code(written), cell(&list(&said, "<br>")), code(instead));
        }
    }
    page += "\n## Options that do not go together\n\n| letter | option | reason and way out |\n|---|---|---|\n";
    for row in LETTERS {
        for rule in row.rules {
            page += &format!("| `{}` | `{}` | {} |\n", row.letter, rule.needs.0, cell(rule.why));
        }
    }
    page
}

/// The cases for rustc: one file for a message, one line for a mistake.
fn cases() -> Vec<(PathBuf, String)> {
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for (theme, (function, written, _)) in all() {
        let path = root().join("tests/ui/fail").join(theme).join(format!("{function}.rs"));
        if files.last().is_none_or(|(last, _)| *last != path) {
            let import = if theme == "items" { "" } else { "use flow_runtime::flow;\n\n" };
            files.push((path, format!("{import}fn main() {{}}\n")));
        }
        let text = &mut files.last_mut().expect("a file").1;
        let case = if theme == "items" {
            // Two may have the same name.
            let number = text.matches("\nmod ").count() + 1;
            format!("\nmod case{number} {{\n    flow_runtime::flow! {{\n        {written}\n    }}\n}}\n")
        } else {
            // Uses of a type that is wrong add no errors.
            let name = format!("P{}", text.matches("\ntype ").count() + 1);
            format!("\ntype {name} = flow!({written});\n")
        };
        text.push_str(&case);
    }
    files
}

#[test]
fn the_table_of_mistakes_and_the_cases_for_rustc_are_these() {
    let update = env::var_os("UPDATE_DOCS").is_some();
    let page_path = root().join("flow-macros/mistakes.md");
    let mut expected = cases();
    let paths: HashSet<PathBuf> = expected.iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(paths.len(), expected.len(), "the mistakes of one message stand together");
    expected.push((page_path, page()));
    for (path, text) in expected {
        if update {
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, &text).expect("a file");
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text, "{} is not up to date: run this test with UPDATE_DOCS=1", path.display());
    }
}
