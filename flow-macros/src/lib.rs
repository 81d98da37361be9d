//! The `flow!` notation: parsed, checked and lowered to a type at compile time.
//!
//! This is the shell around the module `compiler`, which does the work; flow-runtime re-exports the macro and gives the types it names
//! their meaning.
//!
#![doc = include_str!("../mistakes.md")]
#![forbid(unsafe_code)]

mod compiler;

use proc_macro::TokenStream;
use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Ident, Span};
use quote::quote;

/// A density on a product of manifolds, in one line.
///
/// ```text
/// type EventPdf = flow!(e3 + s2 : gggg + n | cond 32);
///
/// flow! {
///     /// Vertex and direction of an event, given 32 summary features.
///     pub struct EventPdf = vertex@e3 + direction@s2 : gggg + n | cond 32, hidden 128-128
/// }
/// ```
///
/// Before the `:` stand the manifolds, after it one chain of layers for each, base side first: words of layer letters
/// with options, `ggg(num_kde = 20) t(cov_type = "full")`, or layers of your own, `[my::Layer<3>]`. After the `|` stand
/// clauses: `cond 32` (features given; `cond (3, 5)`: some for each manifold), `hidden 128-128` (widths of the networks),
/// `rank 8` (low-rank matrices), `g(num_kde = 20)` (options of a letter everywhere). Each manifold is conditioned on the
/// features given and on the manifolds before it.
///
/// Every mistake is reported at the word that causes it, all of them in one run, each with what to write instead: see
/// [every message](crate#what-can-be-wrong).
///
/// A manifold of your own stands in brackets too, `angle@[my::Torus]`, with layers of your own.
///
/// Where a type stands the macro is that type. Where an item stands it declares a struct and documents it, with constants: `EventPdf::NOTATION`,
/// `DIM`, `EMBEDDED_DIM`, `FEATURES`, `PARAMS` (trainable numbers), and for each manifold how many parameters it has. For named manifolds there are also
///
/// - `EventPdf::point([x, y, z], [theta, phi])`, a point of its parts, and `EventPdf::points(&rows)`, rows with the names;
/// - the trait `EventPdfParts`, their columns: `sample.vertex()`, `EventPdf::points(&rows).direction()`, and on the tape in `combine_named`;
/// - the trait `EventPdfMarginals`, their distributions: `pdf.marginal_direction()`;
/// - `EventPdf::DIRECTION`, the number of the manifold for estimators, and `DIRECTION_COLUMNS`.
///
/// In an editor with rust-analyzer the words show the documentation of what they stand for and lead to it, and options are completed.
#[proc_macro]
pub fn flow(input: TokenStream) -> TokenStream {
    // Where the user wrote it: errors come in that order.
    let place = |span: Span| (span.unwrap().line(), span.unwrap().column());
    compiler::expand(input.into(), &runtime(), place).into()
}

/// The path of the runtime, under the name that the caller's Cargo.toml gives it.
fn runtime() -> proc_macro2::TokenStream {
    match crate_name("flow-runtime") {
        Ok(FoundCrate::Name(name)) => {
            let name = Ident::new(&name, Span::call_site());
            quote!(::#name)
        }
        // The runtime calls itself by its own name, in its documentation's examples too.
        Ok(FoundCrate::Itself) | Err(_) => quote!(::flow_runtime),
    }
}
