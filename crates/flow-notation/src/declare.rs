//! The macros that declare the options of a letter, once: as a struct of Rust, as types that the notation's settings become, and as
//! rows of the table.

/// Declares the options of a letter.
///
/// ```text
/// options! {
///     /// Options of layer t.
///     pub struct AffineOptions, settings in t {
///         /// The matrix: the identity, one number, a diagonal, or lower triangular.
///         cov_type: CovType = "diagonal";
///         /// Smallest width.
///         lower_bound_for_widths: f64 = 0.01, POSITIVE;
///     }
/// }
/// ```
///
/// becomes the struct with its `DEFAULT`, the rows `AffineOptions::TABLE`, and the types `t::cov_type<CODE, Rest>`. A field is a `bool`, an `i64`, an `f64`, a
/// [`Text`](crate::Text) or an enumeration of [`choices!`]; choices and texts have their defaults in quotes, as in the notation. After the
/// default stands the [`Kind`](crate::Kind) of value where the type does not say it. The first sentence documents the field, the type, and
/// the row.
macro_rules! options {
    (
        $(#[$doc:meta])*
        pub struct $name:ident, settings in $module:ident {
            $($(#[doc = $text:literal])+ $field:ident : $t:ident = $default:literal $(, $kind:expr)?;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name {
            $($(#[doc = $text])+ pub $field: $t,)*
        }
        impl $name {
            /// Every option at its default.
            pub const DEFAULT: $name = $name { $($field: $crate::declare::typed!($t, $default),)* };

            /// The rows of the table.
            pub const TABLE: &'static [$crate::Opt] = &[$($crate::Opt {
                name: stringify!($field),
                kind: $crate::declare::kind!($t $(, $kind)?),
                default: $crate::declare::value!($t, $default),
                doc: $crate::declare::sentence(concat!($($text),+)),
            },)*];

            /// Every option with its value, as the notation writes them.
            pub fn written(&self) -> Vec<$crate::Written> {
                vec![$($crate::Written {
                    name: stringify!($field),
                    value: $crate::written::Spelled::spelled(&self.$field),
                    is_default: self.$field == Self::DEFAULT.$field,
                },)*]
            }
        }
        impl $crate::Options<$name> for () {
            const VALUE: $name = $name::DEFAULT;
        }
        /// The options as types, one each; the notation writes them by name.
        #[allow(non_camel_case_types)]
        pub mod $module {
            #[allow(unused_imports)]
            use super::*;
            $(
                $(#[doc = $text])+
                #[doc = concat!("\n\nIts default is `", stringify!($default), "`: field of [`", stringify!($name), "`].")]
                pub struct $field<const CODE: u128, Rest = ()>(core::marker::PhantomData<Rest>);
                impl<const CODE: u128, Rest: $crate::Options<$name>> $crate::Options<$name> for $field<CODE, Rest> {
                    const VALUE: $name = {
                        let mut options = Rest::VALUE;
                        options.$field = $crate::declare::decoded!($t, CODE);
                        options
                    };
                }
            )*
        }
    };
}

/// Declares an enumeration whose members are the choices of an option.
macro_rules! choices {
    (
        $(#[$doc:meta])*
        pub enum $name:ident { $($(#[$member_doc:meta])* $member:ident = $text:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$member_doc])* $member,)* }
        impl $name {
            /// The members, in order.
            pub const ALL: &'static [$name] = &[$($name::$member,)*];
            /// How the notation writes them, in the same order.
            pub const NAMES: &'static [&'static str] = &[$($text,)*];
            pub(crate) const KIND: $crate::Kind = $crate::Kind::Choice(Self::NAMES);
            /// The member with this number.
            pub const fn from_code(code: u128) -> $name {
                Self::ALL[code as usize]
            }
            pub(crate) const fn new(text: &str) -> $name {
                Self::ALL[$crate::declare::position(Self::NAMES, text)]
            }
        }
        impl $crate::written::Spelled for $name {
            fn spelled(&self) -> String {
                $crate::Value::Text(Self::NAMES[*self as usize]).to_string()
            }
        }
    };
}

/// A default as the field has it.
macro_rules! typed {
    (bool, $default:literal) => {
        $default
    };
    (i64, $default:literal) => {
        $default
    };
    (f64, $default:literal) => {
        $default
    };
    ($t:ident, $default:literal) => {
        $t::new($default)
    };
}

/// A default as the table has it.
macro_rules! value {
    (bool, $default:literal) => {
        $crate::Value::Int($default as i64)
    };
    (i64, $default:literal) => {
        $crate::Value::Int($default)
    };
    (f64, $default:literal) => {
        $crate::Value::Float($default)
    };
    ($t:ident, $default:literal) => {
        $crate::Value::Text($default)
    };
}

/// A value from its code.
macro_rules! decoded {
    (bool, $code:expr) => {
        $crate::decode::flag($code)
    };
    (i64, $code:expr) => {
        $crate::decode::int($code)
    };
    (f64, $code:expr) => {
        $crate::decode::float($code)
    };
    ($t:ident, $code:expr) => {
        $t::from_code($code)
    };
}

/// The values an option takes.
macro_rules! kind {
    ($t:ident, $kind:expr) => {
        $kind
    };
    (bool) => {
        $crate::Kind::Flag
    };
    ($t:ident) => {
        $t::KIND
    };
}

pub(crate) use {choices, decoded, kind, options, typed, value};

/// A doc comment as the text of a row: without the blank before it and the full stop.
pub(crate) const fn sentence(text: &'static str) -> &'static str {
    let text = text.trim_ascii();
    match text.as_bytes() {
        [.., b'.'] => text.split_at(text.len() - 1).0,
        _ => text,
    }
}

/// The place of a name in a list.
pub(crate) const fn position(names: &[&str], name: &str) -> usize {
    let (mut i, name) = (0, name.as_bytes());
    while i < names.len() {
        let (other, mut k) = (names[i].as_bytes(), 0);
        while other.len() == name.len() && k < name.len() && other[k] == name[k] {
            k += 1;
        }
        if other.len() == name.len() && k == name.len() {
            return i;
        }
        i += 1;
    }
    panic!("a default is one of the choices")
}
