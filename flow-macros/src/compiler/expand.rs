//! What the macro puts in its own place: a type, or the items of a named flow; after an error something harmless of the
//! same kind, so that rustc has nothing to add.

use super::ast::{Block, ClauseKind, Density, Ground, Header, Link, Manifold, Spec, list, print};
use super::{check, lower};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use std::collections::HashSet;
use syn::ext::IdentExt;

/// The items of a named flow.
pub fn item(header: &Header, spec: &Spec, density: &Density, root: &TokenStream) -> TokenStream {
    let private = quote!(#root::__private);
    let Header { attributes, visibility, name } = header;
    let labels = labels(&density.blocks);
    let (docs, notation) = (docs(spec, &labels), spec.to_string());
    let flow = lower::density(density, &private, &quote!(#name));
    let own = quote!(<#name as #private::Notation>::Flow);
    let build = build_on_device(
        name,
        &private,
        |build| quote!(<#own as #build>::Built),
        |build| quote!(<#own as #build>::try_build_on_device(device)),
    );
    let facts = facts(name, &notation, &private);
    let label = label(name, density.blocks.iter().map(|block| block.name.as_ref()), &private);
    let constants = constants(&density.blocks, &labels, &own, &private);
    let numbers = numbers(name, &density.blocks, &labels, &private);
    let points = points(name, &density.blocks, &private);
    let parts = parts(header, &density.blocks, &private);
    quote! {
        #(#attributes)*
        #[doc = #docs]
        #visibility struct #name;

        impl #private::Notation for #name {
            type Flow = #flow;
            const NOTATION: &'static str = #notation;
        }
        impl #private::Spec for #name {
            type Tag = <#own as #private::Spec>::Tag;
            type Features = <#own as #private::Spec>::Features;
            type Blocks = <#own as #private::Spec>::Blocks;
        }
        #label
        #numbers
        // Not every program reads every constant.
        #[allow(dead_code)]
        impl #name {
            #facts
            #constants
            #points
        }
        #build
        #parts
    }
}

/// Writes the names of the flow and its manifolds, for what it prints.
fn label<'a>(name: &Ident, parts: impl Iterator<Item = Option<&'a Ident>>, private: &TokenStream) -> TokenStream {
    let text = name.unraw().to_string();
    let parts = parts.map(|part| match part.map(Ident::to_string) {
        Some(part) => quote!(::core::option::Option::Some(#part)),
        None => quote!(::core::option::Option::None),
    });
    quote! {
        impl #private::Label for #name {
            const NAME: &'static str = #text;
            const PARTS: &'static [::core::option::Option<&'static str>] = &[#(#parts),*];
        }
    }
}

/// The line and the sizes of the whole flow, as constants of its struct.
fn facts(name: &Ident, notation: &str, private: &TokenStream) -> TokenStream {
    let of = quote!(<#name as #private::Spec>);
    quote! {
        /// The line that this flow was written as, in its canonical form.
        pub const NOTATION: &'static str = #notation;
        /// Intrinsic coordinates of a point: angles on spheres.
        pub const DIM: usize = #of::DIM;
        /// Embedded coordinates of a point: unit vectors on spheres.
        pub const EMBEDDED_DIM: usize = #of::EMBEDDED_DIM;
        /// Features that are given.
        pub const FEATURES: usize = #of::FEATURES;
        /// Trainable numbers: free parameters and weights of networks.
        pub const PARAMS: usize = #of::PARAMS;
    }
}

// ---- manifolds by their names ------------------------------------------------------------------------------------

/// How constants call each manifold: its name, or what it is; with its place behind it where that is not enough.
fn labels(blocks: &[Block]) -> Vec<String> {
    let plain: Vec<String> = blocks
        .iter()
        .map(|block| match (&block.name, &block.space) {
            (Some(name), _) => name.to_string().to_uppercase(),
            (None, Ground::Known(space)) => format!("{}{}", space.row.prefix.to_ascii_uppercase(), space.dim),
            (None, Ground::Own(_)) => "MANIFOLD".into(),
        })
        .collect();
    let mut labels = plain.clone();
    for place in (0..blocks.len()).filter(|place| blocks[*place].name.is_none()) {
        if plain.iter().filter(|other| **other == plain[place]).count() > 1 {
            labels[place] += &format!("_{place}");
        }
        while plain.contains(&labels[place]) && labels[place] != plain[place] {
            labels[place].push('_');
        }
    }
    labels
}

/// The number of a named manifold and its columns, and how many parameters each has.
fn constants(blocks: &[Block], labels: &[String], own: &TokenStream, private: &TokenStream) -> TokenStream {
    let of = |(place, (block, label)): (usize, (&Block, &String))| {
        let (what, place_number) = (code(&title(block)), lower::number(place));
        let constant = |suffix: &str| Ident::new(&format!("{label}{suffix}"), block_span(block));
        let (params, layer_params) = (constant("_PARAMS"), constant("_LAYER_PARAMS"));
        let part = quote!(#private::Part::of::<#own>(#place_number));
        let doc = format!("Numbers trained for {what}: free parameters, or weights of the network that predicts them.");
        let layers_doc = format!("Numbers that the layers of {what} take.");
        let named = block.name.as_ref().map(|_| {
            let (number, columns) = (constant(""), constant("_COLUMNS"));
            let number_doc = format!("The number of {what} among the manifolds, which estimators ask for.");
            let columns_doc = format!("The intrinsic coordinates of {what} in a point.");
            let start = lower::sum(None, &blocks[..place], quote!(DIM), private);
            let end = lower::sum(None, &blocks[..=place], quote!(DIM), private);
            quote! {
                #[doc = #number_doc]
                pub const #number: usize = #place_number;
                #[doc = #columns_doc]
                pub const #columns: ::core::ops::Range<usize> = #start..#end;
            }
        });
        quote! {
            #named
            #[doc = #layers_doc]
            pub const #layer_params: usize = #part.layer_params;
            #[doc = #doc]
            pub const #params: usize = #part.params;
        }
    };
    blocks.iter().zip(labels).enumerate().map(of).collect()
}

/// The counts as lengths of arrays, which rustdoc evaluates.
fn numbers(name: &Ident, blocks: &[Block], labels: &[String], private: &TokenStream) -> TokenStream {
    let arrays = |suffix: &str| -> TokenStream {
        let lengths = labels.iter().map(|label| format_ident!("{label}{suffix}"));
        quote!((#([(); #name::#lengths],)*))
    };
    let (layer_params, params) = (arrays("_LAYER_PARAMS"), arrays("_PARAMS"));
    let all = list(blocks.iter().map(|block| code(&title(block))), ", ");
    let layers_doc = format!("How many numbers the layers take: of {all}.");
    let doc = format!("How many numbers are trained: for {all}.");
    quote! {
        /// The numbers of the table, as lengths.
        impl #private::Numbers for #name {
            #[doc = #layers_doc]
            type LayerParams = #layer_params;
            #[doc = #doc]
            type Params = #params;
            /// How many numbers are trained in all.
            type Total = [(); #name::PARAMS];
        }
    }
}

/// `direction@s2`.
fn title(block: &Block) -> String {
    let name = block.name.as_ref().map(|name| format!("{name}@")).unwrap_or_default();
    match &block.space {
        Ground::Known(space) => format!("{name}{}{}", space.row.prefix, space.dim),
        Ground::Own(own) => format!("{name}[{}]", print(own.to_token_stream())),
    }
}

fn block_span(block: &Block) -> Span {
    block.name.as_ref().map_or_else(Span::call_site, Ident::span)
}

/// Rows of points with the names of the manifolds, and points made of their parts.
fn points(name: &Ident, blocks: &[Block], private: &TokenStream) -> Option<TokenStream> {
    if blocks.iter().all(|block| block.name.is_none()) {
        return None;
    }
    let join = blocks.iter().all(|block| block.name.is_some()).then(|| {
        let parts: Vec<_> = blocks.iter().filter_map(|block| block.name.as_ref()).collect();
        let dims: Vec<_> = blocks.iter().map(|block| lower::dim(&block.space, private)).collect();
        quote! {
            /// A point in intrinsic coordinates, of its parts.
            #[allow(clippy::too_many_arguments)]
            pub fn point<__E: ::core::marker::Copy + ::core::default::Default>(
                #(#parts: [__E; #dims]),*
            ) -> [__E; #name::DIM] {
                let mut __point = [__E::default(); #name::DIM];
                let mut __rest = &mut __point[..];
                #(
                    let (__part, __after) = __rest.split_at_mut(#parts.len());
                    __part.copy_from_slice(&#parts);
                    __rest = __after;
                )*
                let _ = __rest;
                __point
            }
        }
    });
    Some(quote! {
        #join
        /// Points in intrinsic coordinates, with the accessors of the manifolds: one row, rows, or a tensor without a tape.
        pub fn points<__X: #private::NamedRows<{ #name::DIM }>>(rows: __X) -> #private::Named<#name, __X> {
            #private::Named::new(rows)
        }
        /// Rows of points in embedded coordinates, with the names of their parts.
        pub fn embedded_points<__X: #private::NamedRows<{ #name::EMBEDDED_DIM }>>(
            rows: __X,
        ) -> #private::Named<#name, __X, #private::Embedded> {
            #private::Named::new(rows)
        }
    })
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

/// The traits that give the columns and the marginal densities of named manifolds by their names.
fn parts(header: &Header, blocks: &[Block], private: &TokenStream) -> Option<TokenStream> {
    let Header { visibility, name, .. } = header;
    let (mut columns, mut marginals) = (Vec::new(), Vec::new());
    for (place, block) in blocks.iter().enumerate() {
        let Some(part) = &block.name else { continue };
        let at = |of: TokenStream| lower::argument(&lower::sum(None, &blocks[..place], of, private));
        let (start, embed_start) = (at(quote!(DIM)), at(quote!(EMBED)));
        let dim = lower::dim(&block.space, private);
        let embed = lower::argument(&lower::sum(None, &blocks[place..=place], quote!(EMBED), private));
        let what = match &block.space {
            Ground::Known(space) => space.row.name.to_string(),
            Ground::Own(own) => code(&print(own.to_token_stream())),
        };
        let doc = format!("The columns of `{part}`, {what}.");
        columns.push(quote! {
            #[doc = #doc]
            fn #part(&self) -> Self::Part<#dim, #embed> {
                <Self as #private::Columns>::part::<#start, #dim, #embed_start, #embed>(self)
            }
        });
        let marginal = format_ident!("marginal_{part}", span = part.span());
        let doc = format!("The distribution of `{part}`, {what}, wherever the others are.");
        marginals.push(quote! {
            #[doc = #doc]
            fn #marginal(&self) -> #private::Marginal<'_, Self, #dim, #embed> {
                #private::Marginal::new(self, #place)
            }
        });
    }
    if columns.is_empty() {
        return None;
    }
    let (parts, densities) = (parts_name(header), marginals_name(header));
    let doc =
        format!("The parts of points of [`{name}`] by their names: of samples, and of rows in [`{name}::points`].");
    let densities_doc = format!("The distributions of the parts of [`{name}`] by their names.");
    Some(quote! {
        #[doc = #doc]
        #[allow(dead_code)]
        #visibility trait #parts: #private::Columns<Tag = #name> {
            #(#columns)*
        }
        impl<__Points: #private::Columns<Tag = #name>> #parts for __Points {}

        #[doc = #densities_doc]
        #[allow(dead_code)]
        #visibility trait #densities: #private::NamedDensity<Tag = #name> + ::core::marker::Sized {
            #(#marginals)*
        }
        impl<__Density: #private::NamedDensity<Tag = #name>> #densities for __Density {}
    })
}

fn parts_name(header: &Header) -> Ident {
    format_ident!("{}Parts", header.name, span = header.name.span())
}

fn marginals_name(header: &Header) -> Ident {
    format_ident!("{}Marginals", header.name, span = header.name.span())
}

// ---- documentation -----------------------------------------------------------------------------------------------

/// Writes the notation as a section of the documentation of a named flow.
///
/// Numbers that only rustc knows are links to constants, whose pages show their values.
fn docs(spec: &Spec, labels: &[String]) -> String {
    let mut page = format!(
        "\n# Notation\n\n```text\n{spec}\n```\n\n\
         | manifold | name | layers | options | numbers its layers take | numbers trained |\n|---|---|---|---|---|---|\n"
    );
    let rows = spec.manifolds.iter().flatten().zip(spec.chains.iter().flatten()).zip(labels);
    for ((manifold, chain), label) in rows {
        let name = manifold.name.as_ref().map(|name| format!("`{name}`")).unwrap_or_default();
        let layers = list(chain.links.iter().map(|link| code(&bare(link))), " ");
        let options =
            list(chain.links.iter().filter(|link| has_options(link)).map(|link| code(&link.to_string())), " ");
        let manifold = Manifold { name: None, ..manifold.clone() };
        let link = |constant: &str| format!("[`{label}{constant}`](Self::{label}{constant})");
        let (layer_params, params) = (link("_LAYER_PARAMS"), link("_PARAMS"));
        page += &format!(
            "| {} | {name} | {layers} | {options} | {layer_params} | {params} |\n",
            code(&manifold.to_string())
        );
    }
    page += "| total | | | | | [`PARAMS`](Self::PARAMS) |\n\n\
             The numbers themselves are the lengths in the implementation of `Numbers` below.\n";
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
/// `unfinished` is what an editor is given beside them.
pub fn wrong_type(errors: &[syn::Error], unfinished: &TokenStream) -> TokenStream {
    let errors = errors.iter().map(syn::Error::to_compile_error);
    quote!([(); { #unfinished #(#errors)* }])
}

/// Writes the constants that named manifolds would have, as something unknown.
fn wrong_constants(names: &[&Ident], own: &TokenStream) -> Option<TokenStream> {
    let sound =
        names.iter().map(|name| name.unraw().to_string()).filter(|name| check::is_free(name) && name.is_ascii());
    let unique: HashSet<String> = sound.map(|name| name.to_uppercase()).collect();
    let constants = unique.iter().map(|label| {
        let constant = |suffix: &str| format_ident!("{label}{suffix}");
        let [number, columns, params, layer_params] = ["", "_COLUMNS", "_PARAMS", "_LAYER_PARAMS"].map(constant);
        quote! {
            pub const #number: usize = 0;
            pub const #columns: ::core::ops::Range<usize> = 0..0;
            pub const #params: usize = 0;
            pub const #layer_params: usize = 0;
        }
    });
    let parts: Vec<_> = (0..names.len()).map(|place| format_ident!("__P{place}")).collect();
    (!names.is_empty()).then(|| {
        quote! {
            #(#constants)*
            pub fn point<#(#parts),*>(#(_: #parts),*) -> #own { loop {} }
            pub fn points<__X>(_: __X) -> #own { loop {} }
            pub fn embedded_points<__X>(_: __X) -> #own { loop {} }
        }
    })
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
    let flow = wrong_type(errors, &TokenStream::new());
    let own = quote!(<#name as #private::Notation>::Flow);
    let label = label(name, [].into_iter(), &private);
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
    let names: Vec<&Ident> = spec
        .iter()
        .flat_map(|spec| spec.manifolds.iter().flatten())
        .filter_map(|manifold| manifold.name.as_ref())
        .collect();
    let named = !names.is_empty();
    let constants = wrong_constants(&names, &own);
    let parts = named.then(|| {
        let (parts, densities) = (parts_name(header), marginals_name(header));
        quote! {
            #[doc(hidden)]
            #visibility trait #parts {}
            #[doc(hidden)]
            #[allow(dead_code)]
            #visibility trait #densities {}
        }
    });
    quote! {
        #(#attributes)*
        #visibility struct #name;

        impl #private::Notation for #name {
            type Flow = #flow;
            const NOTATION: &'static str = "";
        }
        #label
        impl #private::Spec for #name {
            type Tag = #name;
            type Features = ();
            type Blocks = ();
        }
        #[allow(dead_code, missing_docs)]
        impl #name {
            #constants
            pub const NOTATION: &'static str = "";
            pub const DIM: usize = 0;
            pub const EMBEDDED_DIM: usize = 0;
            pub const FEATURES: usize = 0;
            pub const PARAMS: usize = 0;
        }
        #build
        #parts
    }
}
