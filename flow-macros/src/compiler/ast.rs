//! What the phases hand to each other: the notation as written ([`Spec`]) and as checked ([`Density`]).

use super::table::{self, Opt, Value};
use proc_macro2::{Delimiter, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;
use std::fmt::{self, Display};
use syn::ext::IdentExt;
use syn::spanned::Spanned;

/// The macro's input. A part that could not be read is `None` and has been reported.
pub struct Input {
    /// Whether it stands where an item stands.
    pub is_item: bool,
    /// `pub struct Name`, in item position.
    pub header: Option<Header>,
    /// The notation.
    pub spec: Option<Spec>,
}

/// The struct that a flow in item position declares.
pub struct Header {
    /// Documentation and other attributes.
    pub attributes: Vec<syn::Attribute>,
    /// Who sees it.
    pub visibility: syn::Visibility,
    /// Name of the struct.
    pub name: Ident,
}

/// Manifolds, chains and clauses in the order written.
pub struct Spec {
    /// The manifolds, before the colon.
    pub manifolds: Vec<Option<Manifold>>,
    /// The chains, after the colon; empty if there was no colon.
    pub chains: Vec<Option<Chain>>,
    /// The clauses, after the bar.
    pub clauses: Vec<Clause>,
    /// Whether one of them could not be read, so that nothing is known to be missing.
    pub unread_clause: bool,
}

/// `direction@s2`.
#[derive(Clone)]
pub struct Manifold {
    /// The name before the `@`.
    pub name: Option<Ident>,
    /// `e3`.
    pub kind: Kind,
    /// `[-1, 1]`.
    pub bounds: Option<Bounds>,
}

/// Which manifold.
#[derive(Clone)]
pub enum Kind {
    /// `e3`.
    Word(Ident),
    /// `[my::Torus]`.
    Own(Box<syn::Type>),
}

impl Kind {
    /// Returns the place in the source.
    pub fn span(&self) -> Span {
        match self {
            Kind::Word(word) => word.span(),
            Kind::Own(own) => own.span(),
        }
    }
}

/// The ends of an interval.
#[derive(Clone)]
pub struct Bounds {
    /// Their place in the source.
    pub span: Span,
    /// The two numbers.
    pub ends: [Literal; 2],
}

/// Layers, the base side first.
#[derive(Clone)]
pub struct Chain {
    /// Words and layers of the user's own.
    pub links: Vec<Link>,
}

/// A part of a chain.
#[derive(Clone)]
pub enum Link {
    /// `ggg(num_kde = 20)`.
    Word(Ident, Vec<Setting>),
    /// `[my::Layer<3>]`.
    Own(Box<syn::Type>),
}

/// `num_kde = 20`.
#[derive(Clone)]
pub struct Setting {
    /// The option.
    pub name: Ident,
    /// Value of the option.
    pub value: Literal,
}

/// A value as written.
#[derive(Clone)]
pub struct Literal {
    /// Its place in the source.
    pub span: Span,
    /// Its meaning.
    pub value: Written,
    /// How the notation is printed with it.
    pub text: String,
}

/// The meaning of a [`Literal`].
#[derive(Clone)]
pub enum Written {
    /// A whole number.
    Int(i64),
    /// A number with a point or an exponent, or one too large for a whole number.
    Float(f64),
    /// `true` or `false`.
    Flag(bool),
    /// A text in quotes.
    Text(String),
    /// A text whose quotes are missing.
    Bare(String),
}

/// A positive whole number.
#[derive(Clone, Copy)]
pub struct Count {
    /// Its place in the source.
    pub span: Span,
    /// The number.
    pub value: usize,
}

/// The word for a network without hidden layers.
pub const NONE: &str = "none";

/// `128-128`; nothing for `none`.
#[derive(Clone)]
pub struct Widths(pub Vec<Count>);

/// A setting written once for all manifolds, or once for each.
pub enum Each<T> {
    /// `cond 3`.
    All(T),
    /// `cond (3, 5)`, and where the list stands.
    List(Span, Vec<T>),
}

/// A part of the notation after the bar.
pub struct Clause {
    /// The first word of the clause.
    pub word: Ident,
    /// Its meaning.
    pub kind: ClauseKind,
}

/// The meaning of a clause.
pub enum ClauseKind {
    /// Features given.
    Cond(Each<Count>),
    /// Widths of the hidden layers.
    Hidden(Each<Widths>),
    /// Rank of the matrices: one for all, or one for each.
    Rank(Each<Widths>),
    /// Connections past the hidden layers.
    Highway(Each<Count>),
    /// A log-mean, and the widths of a network of its own.
    Poisson(Option<Widths>),
    /// Every parameter from outside: from a network with these hidden layers and options, or given.
    Amortize(Option<Widths>, Vec<Setting>),
    /// Options of the letter for the whole notation.
    Defaults(Vec<Setting>),
}

impl Literal {
    /// Whether it is a number.
    pub fn is_number(&self) -> bool {
        matches!(self.value, Written::Int(_) | Written::Float(_))
    }

    /// The value as the table knows it; `None` for a text without quotes.
    pub fn value(&self) -> Option<Value<'_>> {
        Some(match &self.value {
            Written::Int(number) => Value::Int(*number),
            Written::Float(number) => Value::Float(*number),
            Written::Flag(set) => Value::Flag(*set),
            Written::Text(text) => Value::Text(text),
            Written::Bare(_) => return None,
        })
    }
}

/// A density whose notation is sound.
pub struct Density {
    /// The features given.
    pub features: Features,
    /// One for each manifold.
    pub blocks: Vec<Block>,
    /// The source of every parameter, if it is not each manifold's own network.
    pub amortize: Option<Amortize>,
    /// The log-mean beside the density.
    pub poisson: Option<Poisson>,
    /// Places of the clauses.
    pub places: Places,
}

/// Places of the clauses' words. What stands for a clause in the generated type has its place, so that an editor shows
/// the documentation of the one at the other.
#[derive(Clone, Copy)]
pub struct Places {
    /// `cond`.
    pub cond: Span,
    /// `hidden`.
    pub hidden: Span,
    /// `rank`.
    pub rank: Span,
    /// `highway`.
    pub highway: Span,
    /// `poisson`.
    pub poisson: Span,
    /// `amortize`.
    pub amortize: Span,
}

/// The source of every parameter.
pub enum Amortize {
    /// They are given.
    Given,
    /// A network that reads the features.
    Outer(Network),
}

/// The source of a log-mean.
pub enum Poisson {
    /// A free number, one more output of the first network, or one more given number.
    Joint,
    /// A network of its own.
    Separate(Network),
}

/// A network between its inputs and its outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// The rank of each matrix, 0 for a full one; nothing if all are full.
    pub ranks: Vec<usize>,
    /// The mode of the highway.
    pub highway: usize,
}

impl Network {
    /// Number of matrices (layers.md 3.2).
    pub fn matrices(&self) -> usize {
        match (self.highway, self.hidden.len()) {
            (0, hidden) => hidden + 1,
            (_, 0) => 1,
            (1, hidden) => hidden + 2,
            (_, hidden) => 2 * hidden + 1,
        }
    }
}

/// How many features are given.
pub enum Features {
    /// The density is unconditional.
    None,
    /// All features for every manifold.
    Shared(usize),
    /// Some of its own for each manifold.
    Each(Vec<usize>),
}

impl Features {
    /// All of them together.
    pub fn count(&self) -> usize {
        match self {
            Features::None => 0,
            Features::Shared(count) => *count,
            Features::Each(counts) => counts.iter().sum(),
        }
    }
}

/// A manifold, its chain, and the network that predicts the parameters of the chain.
pub struct Block {
    /// The name of its columns.
    pub name: Option<Ident>,
    /// The manifold.
    pub space: Ground,
    /// The layers, the base side first.
    pub chain: Vec<Layer>,
    /// The network.
    pub network: Network,
}

/// The manifold under a chain.
#[derive(Clone)]
pub enum Ground {
    /// A manifold of the table.
    Known(Space),
    /// A manifold of the user's own.
    Own(Box<syn::Type>),
}

/// A manifold of the table.
#[derive(Clone, Copy)]
pub struct Space {
    /// Row of the manifold in the table.
    pub row: &'static table::Manifold,
    /// Dimension.
    pub dim: usize,
    /// Ends of an interval.
    pub bounds: [f64; 2],
    /// Place in the source.
    pub span: Span,
}

/// A layer on its place.
pub enum Layer {
    /// A letter, where its word is written, and the options that are not left to their defaults.
    Letter(&'static table::Letter, Span, Vec<Chosen>),
    /// A layer of the user's own.
    Own(Box<syn::Type>),
}

/// An option with its value.
#[derive(Clone, Copy)]
pub struct Chosen {
    /// Row of the option in the table.
    pub option: &'static Opt,
    /// Place of the name in the source.
    pub span: Span,
    /// Value, as the generated type carries it.
    pub code: u128,
}

/// The notation in its one canonical spelling; parsing that gives the same again.
impl Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} : {}", list(self.manifolds.iter().flatten(), " + "), list(self.chains.iter().flatten(), " + "))?;
        if !self.clauses.is_empty() {
            write!(f, " | {}", list(&self.clauses, ", "))?;
        }
        Ok(())
    }
}

impl Display for Manifold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}@")?;
        }
        write!(f, "{}", self.kind)?;
        if let Some(Bounds { ends: [low, high], .. }) = &self.bounds {
            write!(f, "[{}, {}]", low.text, high.text)?;
        }
        Ok(())
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Word(word) => write!(f, "{}", word.unraw()),
            Kind::Own(own) => write!(f, "[{}]", print(own.to_token_stream())),
        }
    }
}

impl Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&list(&self.links, " "))
    }
}

impl Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Link::Word(word, settings) if settings.is_empty() => write!(f, "{}", word.unraw()),
            Link::Word(word, settings) => write!(f, "{}({})", word.unraw(), list(settings, ", ")),
            Link::Own(layer) => write!(f, "[{}]", print(layer.to_token_stream())),
        }
    }
}

impl Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name, self.value.text)
    }
}

impl Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word.unraw();
        match &self.kind {
            ClauseKind::Cond(features) => write!(f, "{word} {features}"),
            ClauseKind::Hidden(widths) => write!(f, "{word} {widths}"),
            ClauseKind::Rank(ranks) => write!(f, "{word} {ranks}"),
            ClauseKind::Highway(mode) => write!(f, "{word} {mode}"),
            ClauseKind::Poisson(widths) | ClauseKind::Amortize(widths, _) => {
                write!(f, "{word}")?;
                if let Some(widths) = widths {
                    write!(f, " {widths}")?;
                }
                match &self.kind {
                    ClauseKind::Amortize(_, settings) if !settings.is_empty() => {
                        write!(f, "({})", list(settings, ", "))
                    }
                    _ => Ok(()),
                }
            }
            ClauseKind::Defaults(settings) => write!(f, "{word}({})", list(settings, ", ")),
        }
    }
}

impl<T: Display> Display for Each<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Each::All(one) => write!(f, "{one}"),
            Each::List(_, items) => write!(f, "({})", list(items, ", ")),
        }
    }
}

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value)
    }
}

impl Display for Widths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(NONE);
        }
        f.write_str(&list(&self.0, "-"))
    }
}

/// Items with something between them.
pub fn list(items: impl IntoIterator<Item = impl Display>, between: &str) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(between)
}

/// Tokens of a type as a person would write them: `my::Layer<3>`, not `my :: Layer < 3 >`.
pub fn print(tokens: TokenStream) -> String {
    let mut text = String::new();
    let mut before: Option<TokenTree> = None;
    for token in tokens {
        if before.as_ref().is_some_and(|before| apart(before, &token)) {
            text.push(' ');
        }
        text += &match &token {
            TokenTree::Group(group) => {
                let inner = print(group.stream());
                match group.delimiter() {
                    Delimiter::Parenthesis => format!("({inner})"),
                    Delimiter::Bracket => format!("[{inner}]"),
                    Delimiter::Brace => format!("{{ {inner} }}"),
                    Delimiter::None => inner,
                }
            }
            other => other.to_string(),
        };
        before = Some(token);
    }
    text
}

/// Whether a space stands between two tokens: so that words stay two words, signs stay two signs, and for looks.
fn apart(before: &TokenTree, after: &TokenTree) -> bool {
    match (before, after) {
        (TokenTree::Punct(before), TokenTree::Punct(after)) => {
            let (joint, before) = (before.spacing() == Spacing::Joint, before.as_char());
            !joint && (matches!(after.as_char(), '+' | '=') || !matches!(before, '<' | '>' | '&'))
        }
        (TokenTree::Punct(sign), TokenTree::Group(_)) => matches!(sign.as_char(), ',' | ';' | '+' | '='),
        (TokenTree::Punct(sign), _) => matches!(sign.as_char(), ',' | ';' | '+' | '=' | '>'),
        (_, TokenTree::Punct(sign)) => matches!(sign.as_char(), '+' | '='),
        (_, TokenTree::Group(group)) => group.delimiter() == Delimiter::Brace,
        _ => true,
    }
}
