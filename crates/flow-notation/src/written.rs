//! Values of options as text.

use crate::{Text, Value};
use core::fmt;

/// An option of a layer with its value, as the notation writes them. [`Display`](fmt::Display) gives `num_kde = 20`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The option.
    pub name: &'static str,
    /// The value in the notation's spelling: `20`, `0.01`, `"full"`; 0 and 1 for flags. A number reads back as the same number.
    pub value: String,
    /// Whether it is the value of an option that is not written.
    pub is_default: bool,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name, self.value)
    }
}

/// A value of a field.
pub(crate) trait Spelled {
    /// As the notation writes it.
    fn spelled(&self) -> String;
}

impl Spelled for bool {
    fn spelled(&self) -> String {
        Value::Int(i64::from(*self)).to_string()
    }
}

impl Spelled for i64 {
    fn spelled(&self) -> String {
        Value::Int(*self).to_string()
    }
}

impl Spelled for f64 {
    fn spelled(&self) -> String {
        Value::Float(*self).to_string()
    }
}

impl Spelled for Text {
    fn spelled(&self) -> String {
        format!("{self:?}")
    }
}
