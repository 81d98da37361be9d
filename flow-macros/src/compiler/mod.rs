//! The compiler of the notation: parse, check, lower, expand. It takes and returns tokens of `proc_macro2` and knows nothing of
//! the macro around it, so that tests and build scripts can call it.

mod ancestor;
pub mod ast;
mod check;
mod diagnostics;
mod editor;
mod expand;
mod lower;
mod parse;
pub use flow_notation as table;
#[cfg(test)]
mod tests;

use ast::{Density, Header, Input, Spec};
use diagnostics::Diagnostics;
use proc_macro2::{Span, TokenStream};
use quote::quote;

/// Expands the macro, with its errors as `compile_error!`s in the order of their places. `root` is the path of the
/// runtime crate, `place` gives line and column of a token.
pub fn expand(tokens: TokenStream, root: &TokenStream, place: impl Fn(Span) -> (usize, usize)) -> TokenStream {
    translate(tokens.clone(), root).unwrap_or_else(|Wrong { input, mut errors }| {
        errors.sort_by_key(|error| place(error.span()));
        let unfinished =
            if editor::is_editor() { editor::unfinished_options(tokens, root) } else { TokenStream::new() };
        match *input {
            Input { is_item: true, header, spec } => {
                let items = expand::wrong_item(header.as_ref(), spec.as_ref(), &errors, root);
                quote!(#unfinished #items)
            }
            Input { is_item: false, .. } => expand::wrong_type(&errors, &unfinished),
        }
    })
}

/// Expands the macro, or returns all errors.
// For tests and build scripts, which include this module.
#[allow(dead_code)]
pub fn compile(tokens: TokenStream, root: &TokenStream) -> Result<TokenStream, Vec<syn::Error>> {
    translate(tokens, root).map_err(|wrong| wrong.errors)
}

/// The type of a density alone, in item position too, or all that is wrong.
#[allow(dead_code)]
pub fn lower_type(tokens: TokenStream, root: &TokenStream) -> Result<TokenStream, Vec<syn::Error>> {
    let (_, _, density) = understand(tokens).map_err(|wrong| wrong.errors)?;
    Ok(lower::density(&density, &quote!(#root::__private), &quote!(())))
}

/// A failed translation: the part that could be read, and the errors.
struct Wrong {
    input: Box<Input>,
    errors: Vec<syn::Error>,
}

fn translate(tokens: TokenStream, root: &TokenStream) -> Result<TokenStream, Wrong> {
    let (header, spec, density) = understand(tokens)?;
    Ok(match header {
        Some(header) => expand::item(&header, &spec, &density, root),
        None => lower::density(&density, &quote!(#root::__private), &quote!(())),
    })
}

fn understand(tokens: TokenStream) -> Result<(Option<Header>, Spec, Density), Wrong> {
    let mut errors = Diagnostics::default();
    let input = parse::input(tokens, &mut errors);
    let density = input.spec.as_ref().and_then(|spec| check::density(spec, &mut errors));
    let errors = errors.finish();
    match (input, density) {
        (Input { header, spec: Some(spec), .. }, Some(density)) if errors.is_empty() => Ok((header, spec, density)),
        (input, _) => Err(Wrong { input: Box::new(input), errors }),
    }
}
