//! Values of options as the types of a flow have them: packed into a `u128`.

use core::fmt;

/// A list of settings for the options struct `T`: `g(num_kde = 20)` is the type `num_kde<20, ()>`, the last setting first and `()` at the end.
pub trait Options<T>: Send + Sync + 'static {
    /// The options with all settings applied to the defaults.
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

/// A short text in ASCII, such as `rr` or `64-32`: the value of an option. It travels in the sixteen bytes of a `u128`, the first the lowest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text(u128);

impl Text {
    /// Characters at most.
    pub const MOST: usize = 16;

    /// From its bytes, the first the lowest.
    pub const fn from_code(code: u128) -> Text {
        Text(code)
    }

    /// Its bytes, the first the lowest.
    pub const fn code(self) -> u128 {
        self.0
    }

    /// A text of at most [`Text::MOST`] characters.
    ///
    /// # Panics
    /// It is longer.
    pub const fn new(text: &str) -> Text {
        let (bytes, mut code, mut i) = (text.as_bytes(), 0, text.len());
        assert!(i <= Text::MOST, "a text of an option has at most 16 characters");
        while i > 0 {
            i -= 1;
            code = code << 8 | bytes[i] as u128;
        }
        Text(code)
    }

    /// Number of characters.
    pub const fn len(self) -> usize {
        decode::text_len(self.0)
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A character.
    pub const fn at(self, index: usize) -> u8 {
        decode::text_at(self.0, index)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.len()).try_for_each(|i| write!(f, "{}", char::from(self.at(i))))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}
