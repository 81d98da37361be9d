//! Options of layers as types.
//!
//! `g(num_kde = 20)` becomes the type `num_kde<20, ()>`: a list of settings, the last one first, that ends in `()`. Each letter
//! has a plain struct of options; [`Options`] folds the list over its defaults at compile time. Values travel as `u128`, see [`decode`].

/// A list of settings for the options struct `T`.
pub trait Options<T>: Send + Sync + 'static {
    /// The options with all settings applied.
    const VALUE: T;
}

/// How a value of the notation is packed into the `u128` of an option's type.
pub mod decode {
    /// A whole number: itself; -1 (no limit, or the default) is `u128::MAX`.
    pub const fn int(code: u128) -> i64 {
        if code == u128::MAX { -1 } else { code as i64 }
    }
    /// A number: the bits of the `f64`.
    pub const fn float(code: u128) -> f64 {
        f64::from_bits(code as u64)
    }
    /// 0 or 1.
    pub const fn flag(code: u128) -> bool {
        code != 0
    }
    /// The length of a text of at most 16 ASCII characters, the first in the lowest byte.
    pub const fn text_len(code: u128) -> usize {
        let mut n = 0;
        while n < 16 && (code >> (8 * n)) & 0xff != 0 {
            n += 1;
        }
        n
    }
    /// A character of such a text.
    pub const fn text_at(code: u128, index: usize) -> u8 {
        ((code >> (8 * index)) & 0xff) as u8
    }
}

/// Declares the options struct of a letter, its defaults and one type per option.
///
/// ```text
/// options! {
///     /// Options of layer t.
///     pub struct AffineOptions, settings in t {
///         /// Structure of L.
///         cov_type: CovType = CovType::Diagonal, CovType::from_code;
///     }
/// }
/// ```
macro_rules! options {
    (
        $(#[$doc:meta])*
        pub struct $name:ident, settings in $module:ident {
            $($(#[$field_doc:meta])* $field:ident : $t:ty = $default:expr, $decode:expr;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $t,)*
        }
        impl $name {
            /// Every option at its default.
            pub const DEFAULT: $name = $name { $($field: $default,)* };

            /// The options that differ from their defaults, as `name = value, ..`.
            pub fn written(&self) -> String {
                let mut written = Vec::new();
                $(if self.$field != Self::DEFAULT.$field {
                    written.push(format!("{} = {:?}", stringify!($field), self.$field));
                })*
                written.join(", ")
            }
        }
        impl $crate::layers::Options<$name> for () {
            const VALUE: $name = $name::DEFAULT;
        }
        /// The options as types, one each; the notation writes them by name.
        #[allow(non_camel_case_types)]
        pub mod $module {
            use super::*;
            $(
                $(#[$field_doc])*
                #[doc = concat!("\n\nIts default is `", stringify!($default), "`: field of [`", stringify!($name), "`].")]
                pub struct $field<const CODE: u128, Rest = ()>(core::marker::PhantomData<Rest>);
                impl<const CODE: u128, Rest: $crate::layers::Options<$name>> $crate::layers::Options<$name>
                    for $field<CODE, Rest>
                {
                    const VALUE: $name = {
                        let mut options = Rest::VALUE;
                        options.$field = $decode(CODE);
                        options
                    };
                }
            )*
        }
    };
}

/// Declares an enumeration whose members are the choices of an option, in the order of the macro's table.
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
            /// The member with this number.
            pub const fn from_code(code: u128) -> $name {
                Self::ALL[code as usize]
            }
        }
    };
}
