//! What the macro puts in its own place: a type, or the items of a named flow; after an error something harmless of the
//! same kind, so that rustc has nothing to add.

use super::ast::{Block, ClauseKind, Density, Header, Link, Manifold, Spec, list};
use super::lower;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

/// The items of a named flow.
pub fn item(header: &Header, spec: &Spec, density: &Density, root: &TokenStream) -> TokenStream {
    let private = quote!(#root::__private);
    let Header { attributes, visibility, name } = header;
    let (docs, notation) = (docs(spec), spec.to_string());
    let flow = lower::density(density, &private, &quote!(#name));
    let own = quote!(<#name as #private::Notation>::Flow);
    let build = build_on_device(
        name,
        &private,
        |build| quote!(<#own as #build>::Built),
        |build| quote!(<#own as #build>::try_build_on_device(device)),
    );
    let parts = parts(header, &density.blocks, &private);
    quote! {
        #(#attributes)*
        #[doc = #docs]
        #visibility struct #name;

        impl #private::Notation for #name {
            type Flow = #flow;
            const NOTATION: &'static str = #notation;
        }
        #build
        #parts
    }
}

/// A named flow is a module of dfdx. `built` and `body` say what building it gives.
// Underscores: the user's struct may be called `E`.
fn build_on_device(
    name: &Ident,
    private: &TokenStream,
    built: impl Fn(&TokenStream) -> TokenStream,
    body: impl Fn(&TokenStream) -> TokenStream,
) -> TokenStream {
    let dfdx = quote!(#private::dfdx);
    let cpu = quote!(#dfdx::tensor::Cpu);
    let build = quote!(#dfdx::nn::BuildOnDevice<#cpu, __E>);
    let (built, body) = (built(&build), body(&build));
    quote! {
        impl<__E: #private::Element> #build for #name
        where
            #cpu: #dfdx::tensor_ops::Device<__E>,
        {
            type Built = #built;

            fn try_build_on_device(
                device: &#cpu,
            ) -> ::core::result::Result<Self::Built, <#cpu as #dfdx::tensor::HasErr>::Err> {
                #body
            }
        }
    }
}

/// The trait that gives the columns of named manifolds by their names.
fn parts(header: &Header, blocks: &[Block], private: &TokenStream) -> Option<TokenStream> {
    let Header { visibility, name, .. } = header;
    let methods: Vec<_> = blocks
        .iter()
        .enumerate()
        .filter_map(|(place, block)| {
            let part = block.name.as_ref()?;
            let start = lower::argument(&lower::sum(None, &blocks[..place], quote!(DIM), private));
            let length = lower::argument(&lower::sum(None, &blocks[place..=place], quote!(DIM), private));
            let doc = format!("The columns of `{part}`, {}.", block.space.row.name);
            Some(quote! {
                #[doc = #doc]
                fn #part(&self) -> Self::Columns<#length> {
                    <Self as #private::Columns>::columns::<#start, #length>(self)
                }
            })
        })
        .collect();
    if methods.is_empty() {
        return None;
    }
    let (parts, doc) = (parts_name(header), format!("The parts of points of [`{name}`] by their names."));
    Some(quote! {
        #[doc = #doc]
        #visibility trait #parts: #private::Columns<Tag = #name> {
            #(#methods)*
        }
        impl<__Points: #private::Columns<Tag = #name>> #parts for __Points {}
    })
}

fn parts_name(header: &Header) -> Ident {
    format_ident!("{}Parts", header.name, span = header.name.span())
}

// ---- documentation -----------------------------------------------------------------------------------------------

/// What the notation says, as a section of the documentation of a named flow.
fn docs(spec: &Spec) -> String {
    let mut page =
        format!("\n# Notation\n\n```text\n{spec}\n```\n\n| manifold | name | layers | options |\n|---|---|---|---|\n");
    for (manifold, chain) in spec.manifolds.iter().flatten().zip(spec.chains.iter().flatten()) {
        let name = manifold.name.as_ref().map(|name| format!("`{name}`")).unwrap_or_default();
        let layers = list(chain.links.iter().map(|link| code(&bare(link))), " ");
        let options =
            list(chain.links.iter().filter(|link| has_options(link)).map(|link| code(&link.to_string())), " ");
        let manifold = Manifold { name: None, ..manifold.clone() };
        page += &format!("| `{manifold}` | {name} | {layers} | {options} |\n");
    }
    let (defaults, clauses): (Vec<_>, Vec<_>) =
        spec.clauses.iter().partition(|clause| matches!(clause.kind, ClauseKind::Defaults(_)));
    if !clauses.is_empty() {
        page +=
            &format!("\nGiven and networks: {}\n", list(clauses.iter().map(|clause| code(&clause.to_string())), ", "));
    }
    if !defaults.is_empty() {
        page += &format!(
            "\nOptions in all chains: {}\n",
            list(defaults.iter().map(|clause| code(&clause.to_string())), ", ")
        );
    }
    page
}

/// Code in a cell of a table.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

fn has_options(link: &Link) -> bool {
    matches!(link, Link::Word(_, settings) if !settings.is_empty())
}

/// A link without its options.
fn bare(link: &Link) -> String {
    match link {
        Link::Word(word, _) => Link::Word(word.clone(), Vec::new()).to_string(),
        own => own.to_string(),
    }
}

// ---- after an error ----------------------------------------------------------------------------------------------

/// The errors where a type stands.
///
/// A `compile_error!` in the place of a type leaves the unit type, about which rustc would have much to say; in the length
/// of an array it leaves an unknown type, about which it keeps silent.
pub fn wrong_type(errors: &[syn::Error]) -> TokenStream {
    let errors = errors.iter().map(syn::Error::to_compile_error);
    quote!([(); { #(#errors)* }])
}

/// The errors where an item stands, with a struct of the wanted name that builds as something unknown.
pub fn wrong_item(
    header: Option<&Header>,
    spec: Option<&Spec>,
    errors: &[syn::Error],
    root: &TokenStream,
) -> TokenStream {
    let Some(header) = header else {
        return errors.iter().map(syn::Error::to_compile_error).collect();
    };
    let private = quote!(#root::__private);
    let Header { attributes, visibility, name } = header;
    let flow = wrong_type(errors);
    let own = quote!(<#name as #private::Notation>::Flow);
    let build = build_on_device(
        name,
        &private,
        |_| own.clone(),
        |_| {
            quote!({
                let _ = device;
                loop {}
            })
        },
    );
    let named = spec.is_some_and(|spec| spec.manifolds.iter().flatten().any(|manifold| manifold.name.is_some()));
    let parts = named.then(|| {
        let parts = parts_name(header);
        quote!(#[doc(hidden)] #visibility trait #parts {})
    });
    quote! {
        #(#attributes)*
        #visibility struct #name;

        impl #private::Notation for #name {
            type Flow = #flow;
            const NOTATION: &'static str = "";
        }
        #build
        #parts
    }
}
