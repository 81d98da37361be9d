//! A density to the type that stands for it. Nothing can go wrong here.

use super::ast::{Amortize, Block, Chosen, Density, Features, Ground, Layer, Network, Places, Poisson};
use super::table::{self, Argument, Parameters, Takes, Value};
use proc_macro2::{Ident, Literal, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

/// The type of a density. `private` is the path of the runtime's module for generated code, `tag` the type that tells this
/// density from others.
pub fn density(density: &Density, private: &TokenStream, tag: &TokenStream) -> TokenStream {
    let dim = argument(&sum(None, &density.blocks, quote!(DIM), private));
    let embed = argument(&sum(None, &density.blocks, quote!(EMBED), private));
    let blocks = (0..density.blocks.len()).map(|place| block(density, place, private));
    let blocks: Vec<_> = blocks.chain(log_mean(density, private)).collect();
    let blocks = nest(blocks.into_iter());
    let given = quote!(<#blocks as #private::Blocks>::GIVEN);
    let (features, blocks) = match &density.amortize {
        None => (features(&density.features, density.places.cond, private), blocks),
        Some(Amortize::Given) => {
            let given = argument(&given);
            let name = Ident::new("Features", density.places.amortize);
            (Some(quote!(#private::#name<#given>)), blocks)
        }
        Some(Amortize::Outer(outer)) => {
            let count = number(density.features.count());
            let network = network(outer, &density.places, &quote!(#count), &given, private);
            let name = Ident::new("Outer", density.places.amortize);
            (
                features(&density.features, density.places.cond, private),
                quote!(#private::#name<#count, #network, #blocks>),
            )
        }
    };
    match features {
        None => quote!(#private::Unconditional<#tag, #dim, #embed, #blocks>),
        Some(features) => quote!(#private::Conditional<#tag, #features, #dim, #embed, #blocks>),
    }
}

/// The log-mean that stands after the last block, if it is not an output of the first one.
fn log_mean(density: &Density, private: &TokenStream) -> Option<TokenStream> {
    let head = match (density.poisson.as_ref()?, &density.amortize, &density.features) {
        (Poisson::Joint, None, Features::None) => quote!(#private::Free<1>),
        (Poisson::Joint, None, _) => return None,
        (Poisson::Joint, Some(_), _) => quote!(#private::Given<1>),
        (Poisson::Separate(own), _, features) => {
            let count = number(features.count());
            let network = network(own, &density.places, &quote!(#count), &quote!(1), private);
            quote!(#private::Predicted<0, #count, #network>)
        }
    };
    let name = Ident::new("LogMeanHead", density.places.poisson);
    Some(quote!(#private::#name<#head>))
}

/// `(a, (b, ()))`: nested to the right, which rustc takes well.
fn nest(items: impl DoubleEndedIterator<Item = TokenStream>) -> TokenStream {
    nest_at(Span::call_site(), items)
}

/// Nests items as pairs, with a place for rustc to point at if it finds something wrong.
fn nest_at(span: Span, items: impl DoubleEndedIterator<Item = TokenStream>) -> TokenStream {
    items.rev().fold(quote_spanned!(span=> ()), |rest, item| quote_spanned!(span=> (#item, #rest)))
}

/// A number without a suffix.
pub fn number(value: usize) -> Literal {
    Literal::usize_unsuffixed(value)
}

fn features(features: &Features, cond: Span, private: &TokenStream) -> Option<TokenStream> {
    let one = |count: &usize| {
        let (name, count) = (Ident::new("Features", cond), number(*count));
        quote!(#private::#name<#count>)
    };
    match features {
        Features::None => None,
        Features::Shared(count) => Some(one(count)),
        Features::Each(counts) => Some(nest(counts.iter().map(one))),
    }
}

/// A number and a constant of some manifolds, added.
pub fn sum(first: Option<usize>, blocks: &[Block], of: TokenStream, private: &TokenStream) -> TokenStream {
    let first = first.map(|first| {
        let first = number(first);
        quote!(#first)
    });
    let rest = blocks.iter().map(|block| {
        let space = space(&block.space, private);
        quote!(<#space as #private::Manifold>::#of)
    });
    let terms: Vec<_> = first.into_iter().chain(rest).collect();
    if terms.is_empty() { quote!(0) } else { quote!(#(#terms)+*) }
}

/// A number as an argument of a type: in braces unless it is a literal.
pub fn argument(number: &TokenStream) -> TokenStream {
    let literal = number.clone().into_iter().map(|token| matches!(token, TokenTree::Literal(_)));
    if literal.eq([true]) { number.clone() } else { quote!({ #number }) }
}

// ---- blocks ------------------------------------------------------------------------------------------------------

fn block(density: &Density, place: usize, private: &TokenStream) -> TokenStream {
    let block = &density.blocks[place];
    let (space, chain) = (space(&block.space, private), chain(block, private));
    let params = quote_spanned!(blame(&block.chain)=> <#chain as #private::ChainType<#space>>::PARAMS);
    let head = head(density, place, &params, private);
    quote!(#private::Block<#space, #chain, #head>)
}

pub fn space(ground: &Ground, private: &TokenStream) -> TokenStream {
    let space = match ground {
        Ground::Known(space) => space,
        Ground::Own(own) => return quote!(#own),
    };
    let name = Ident::new(space.row.type_name, space.span);
    match space.row.takes {
        Takes::Nothing => quote!(#private::#name),
        Takes::Dim => {
            let dim = number(space.dim);
            quote!(#private::#name<#dim>)
        }
        Takes::Bounds => {
            let [low, high] = space.bounds.map(|end| Literal::u64_suffixed(end.to_bits()));
            quote!(#private::#name<#low, #high>)
        }
    }
}

/// The dimension of a manifold, as an argument of a type: a number where the notation says it.
pub fn dim(ground: &Ground, private: &TokenStream) -> TokenStream {
    match ground {
        Ground::Known(space) => {
            let dim = number(space.dim);
            quote!(#dim)
        }
        Ground::Own(own) => quote!({ <#own as #private::Manifold>::DIM }),
    }
}

/// Lowers the source of a chain's parameters: the chain itself, a network, or outside.
fn head(density: &Density, place: usize, params: &TokenStream, private: &TokenStream) -> TokenStream {
    let block = &density.blocks[place];
    let (from, count) = match &density.features {
        Features::Each(counts) => (counts[..place].iter().sum(), counts[place]),
        features => (0, features.count()),
    };
    let earlier = &density.blocks[..place];
    let joint =
        place == 0 && count > 0 && density.amortize.is_none() && matches!(density.poisson, Some(Poisson::Joint));
    let parameters = has_parameters(&block.chain);
    if density.amortize.is_some() && parameters {
        if place == 0 {
            let params = argument(params);
            return quote!(#private::Given<#params>);
        }
        let network =
            network(&block.network, &density.places, &sum(None, earlier, quote!(EMBED), private), params, private);
        return quote!(#private::Inner<#network>);
    }
    let sees_nothing = count == 0 && place == 0;
    if sees_nothing || !(parameters || joint) {
        let params = argument(params);
        return quote!(#private::Free<#params>);
    }
    let inputs = sum((count > 0).then_some(count), earlier, quote!(EMBED), private);
    let (from, count) = (number(from), number(count));
    if joint {
        let network = network(&block.network, &density.places, &inputs, &quote!(#params + 1), private);
        return quote!(#private::Predicted<#from, #count, #network, 1>);
    }
    let network = network(&block.network, &density.places, &inputs, params, private);
    quote!(#private::Predicted<#from, #count, #network>)
}

/// The inputs of a net in a ladder: the input, the sum so far, or both (the modes of layers.md 3.2).
const READS: [&str; 3] = ["INPUT", "SUM", "BOTH"];

/// A network between two numbers of numbers.
fn network(
    network: &Network,
    places: &Places,
    inputs: &TokenStream,
    outputs: &TokenStream,
    private: &TokenStream,
) -> TokenStream {
    let (dense, low_rank) = (
        Ident::new("Dense", if network.highway > 0 { places.hidden } else { Span::call_site() }),
        Ident::new("LowRank", places.rank),
    );
    let mut ranks = network.ranks.iter();
    let mut matrix = |inputs: &TokenStream, outputs: &TokenStream| {
        let (columns, rows) = (argument(inputs), argument(outputs));
        match ranks.next().copied().filter(|rank| *rank > 0).map(number) {
            None => quote!(#private::#dense<#columns, #rows>),
            // The runtime says what a rank makes of a matrix: nothing where the product would be the larger one.
            Some(rank) => quote! {
                #private::#low_rank<
                    #columns,
                    #rows,
                    { #private::low_rank(#rank, #inputs, #outputs) },
                    { #private::low_rank_len(#rank, #inputs, #outputs) }
                >
            },
        }
    };
    let widths = network.hidden.iter().map(|width| {
        let width = number(*width);
        quote!(#width)
    });
    if network.highway > 1 && !network.hidden.is_empty() {
        let rungs: Vec<_> = widths
            .enumerate()
            .map(|(place, width)| {
                let mode = if place == 0 { 2 } else { network.highway };
                let read = match mode {
                    2 => inputs.clone(),
                    3 => outputs.clone(),
                    _ => quote!(#inputs + #outputs),
                };
                let reads = Ident::new(READS[mode - 2], Span::call_site());
                let (first, last) = (matrix(&read, &width), matrix(&width, outputs));
                quote!(#private::Rung<{ #private::#reads }, #first, #last>)
            })
            .collect();
        let (rungs, highway) = (nest(rungs.into_iter()), matrix(inputs, outputs));
        let ladder = Ident::new("Ladder", places.highway);
        return quote!(#private::#ladder<#rungs, #highway>);
    }
    let mut from = inputs.clone();
    let mut hidden = Vec::new();
    for width in widths {
        hidden.push(matrix(&from, &width));
        from = width;
    }
    let beside = network.highway == 1 && !hidden.is_empty();
    let (hidden, last) = (nest(hidden.into_iter()), matrix(&from, outputs));
    if beside {
        let (highway, beside) = (matrix(inputs, outputs), Ident::new("Beside", places.highway));
        return quote!(#private::#beside<#hidden, #last, #highway>);
    }
    let plain = Ident::new("Plain", places.hidden);
    quote!(#private::#plain<#hidden, #last>)
}

/// Whether any layer has parameters, as far as the notation tells.
fn has_parameters(chain: &[Layer]) -> bool {
    chain.iter().enumerate().any(|(place, layer)| match layer {
        Layer::Own(_) => true,
        Layer::Letter(row, _, chosen) => match row.parameters {
            Parameters::Always => true,
            Parameters::Never => false,
            Parameters::If(flag) => is(row, chosen, flag, Value::Int(1)),
            Parameters::Unless(name, choice) => {
                let offset = place + 1 == chain.len() && is(row, chosen, "skip_model_offset", Value::Int(0));
                offset || !is(row, chosen, name, Value::Text(choice))
            }
        },
    })
}

/// Whether an option has a value.
fn is(row: &table::Letter, chosen: &[Chosen], name: &str, value: Value) -> bool {
    let Some(option) = row.option(name) else { return false };
    let written = chosen.iter().find(|chosen| chosen.option.name == name).map(|chosen| chosen.code);
    written.or_else(|| option.kind.encode(option.default)) == option.kind.encode(value)
}

// ---- chains ------------------------------------------------------------------------------------------------------

fn chain(block: &Block, private: &TokenStream) -> TokenStream {
    let last = block.chain.len() - 1;
    nest_at(
        blame(&block.chain),
        block.chain.iter().enumerate().map(|(place, layer)| match layer {
            Layer::Own(layer) => quote!(#layer),
            Layer::Letter(row, span, chosen) => {
                let name = Ident::new(row.type_name, *span);
                let arguments = row.arguments.iter().map(|argument| match argument {
                    Argument::Dim => dim(&block.space, private),
                    Argument::Place => {
                        let place = Ident::new(place_name(place, last), Span::call_site());
                        quote!(#private::#place)
                    }
                });
                let options = options(row, chosen, private);
                quote!(#private::#name<#(#arguments,)* #options>)
            }
        }),
    )
}

/// Chooses the place that rustc points at if a chain does not fit its manifold: only a layer of the user's own can be
/// at fault by now.
fn blame(chain: &[Layer]) -> Span {
    let own = chain.iter().find_map(|layer| if let Layer::Own(layer) = layer { Some(layer.span()) } else { None });
    own.unwrap_or_else(Span::call_site)
}

fn place_name(place: usize, last: usize) -> &'static str {
    match (place == 0, place == last) {
        (true, true) => "Only",
        (true, false) => "First",
        (false, true) => "Last",
        (false, false) => "Middle",
    }
}

/// The options as types, the last one outermost.
fn options(row: &table::Letter, chosen: &[Chosen], private: &TokenStream) -> TokenStream {
    let module = Ident::new(&row.letter.to_string(), Span::call_site());
    chosen.iter().fold(quote!(()), |rest, Chosen { option, span, code }| {
        let (name, code) = (Ident::new(option.name, *span), Literal::u128_suffixed(*code));
        quote!(#private::settings::#module::#name<#code, #rest>)
    })
}
