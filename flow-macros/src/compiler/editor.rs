//! Completion of option names in editors.
//!
//! Hovering and jumping work by spans alone: what stands for a word in the generated code has the span of the word. To complete, rust-analyzer expands
//! the macro twice, as it is written and with a marker at the cursor, and looks at what the marked word is a part of in both. While an
//! option is being typed the notation is not sound, and in its errors the word would be lost. So, for an editor alone, a name that is no
//! option becomes the path of one in an import that nobody uses, and the editor offers what could stand there. rustc is never given that.

use super::table;
use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt;

/// Whether an editor runs the macro, not rustc.
pub fn is_editor() -> bool {
    let program = std::env::current_exe().ok();
    let name = program.as_ref().and_then(|program| program.file_stem()).map(|name| name.to_string_lossy());
    name.is_some_and(|name| name.contains("rust-analyzer"))
}

/// Imports of the names that are no options of their letters, as if they were; nothing if there are none.
// An import has a path without arguments, so that an editor completes the name alone.
pub fn unfinished_options(tokens: TokenStream, root: &TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    tokens.windows(2).flat_map(|pair| of_word(pair, root)).map(|path| quote!(use #path as _;)).collect()
}

/// The paths of a word and its options.
fn of_word(pair: &[TokenTree], root: &TokenStream) -> Vec<TokenStream> {
    let [TokenTree::Ident(word), TokenTree::Group(group)] = pair else { return Vec::new() };
    let rows = word.unraw().to_string();
    let rows: Option<Vec<_>> = rows.chars().map(table::letter).collect();
    let Some(rows) = rows.filter(|_| group.delimiter() == Delimiter::Parenthesis) else { return Vec::new() };
    let Some(row) = rows.iter().find(|row| !row.options.is_empty()) else { return Vec::new() };
    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
    let module = Ident::new(&row.letter.to_string(), Span::call_site());
    let path = |name: &Ident| quote!(#root::__private::settings::#module::#name);
    inside
        .split(|token| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ','))
        .filter_map(|option| match option.first() {
            Some(TokenTree::Ident(name)) => Some(name),
            _ => None,
        })
        .filter(|name| rows.iter().all(|row| row.option(&name.to_string()).is_none()))
        .map(path)
        .collect()
}
