//! The values of options: which there are, how they travel in types, and what rules ask of them.

use crate::Text;
use crate::rules::MANY;

/// The values an option takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A whole number of a range.
    Int {
        /// The least.
        least: i64,
        /// The greatest.
        most: i64,
        /// Whether -1 is allowed too.
        or_minus_one: bool,
    },
    /// One whole number, the only one built.
    Only(i64),
    /// A number above 0.
    Positive {
        /// Whether -1 is allowed too.
        or_minus_one: bool,
    },
    /// A number from 0 (included) to 1 (excluded).
    Fraction,
    /// 0 or 1.
    Flag,
    /// One of these texts; its code is its place in the list.
    Choice(&'static [&'static str]),
    /// A text of at most this many letters.
    Letters {
        /// The letters allowed.
        of: &'static str,
        /// Whether they must all be the same.
        same: bool,
        /// The greatest number of them.
        most: usize,
    },
    /// A text of layer widths, `"64-32"`.
    Widths,
}

/// A value as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A whole number.
    Int(i64),
    /// A number with a point or an exponent.
    Float(f64),
    /// `true` or `false`.
    Flag(bool),
    /// A text in quotes.
    Text(&'a str),
}

/// A property of the value of an option; a text counts as the number that [`Opt::number`] gives it.
#[derive(Clone, Copy, Debug)]
pub enum Test {
    /// It is one of these.
    In(&'static [i64]),
    /// It is above 0.
    Positive,
    /// It is none of these.
    NotIn(&'static [i64]),
    /// It is above the value of another option less this number.
    Above(&'static str, f64),
    /// Times the value of another option it is below this number.
    TimesBelow(&'static str, f64),
    /// It is below this number.
    Below(i64),
    /// It is the default.
    Default,
}

impl Value<'_> {
    /// The value as a number, where it is one.
    pub fn number(self) -> Option<f64> {
        match self {
            Value::Int(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            Value::Flag(set) => Some(f64::from(u8::from(set))),
            Value::Text(_) => None,
        }
    }
}

impl<'a> Value<'a> {
    /// A value from how the notation writes it; `None` where this is none.
    pub fn read(written: &'a str) -> Option<Value<'a>> {
        let text = || written.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains(['"', '\\']));
        let flag = || written.parse().ok().map(Value::Flag);
        let int = || written.parse().ok().map(Value::Int);
        let float = || written.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float);
        text().map(Value::Text).or_else(flag).or_else(int).or_else(float)
    }
}

/// As the notation writes it; reads back as the same value.
impl core::fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Value::Int(number) => write!(f, "{number}"),
            Value::Float(number) if *number != 0.0 && !(1e-3..1e15).contains(&number.abs()) => write!(f, "{number:e}"),
            Value::Float(number) => write!(f, "{number}"),
            Value::Flag(set) => write!(f, "{set}"),
            Value::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl Kind {
    /// The code of a value in the option's type, which [`decode`](crate::decode) undoes; `None` for a value that
    /// does not fit.
    pub fn encode(self, value: Value) -> Option<u128> {
        let whole = |number: i64| if number == -1 { u128::MAX } else { number as u128 };
        match (self, value) {
            (Kind::Int { least, most, or_minus_one }, Value::Int(number)) => {
                ((least..=most).contains(&number) || or_minus_one && number == -1).then(|| whole(number))
            }
            (Kind::Only(one), Value::Int(number)) => (number == one).then(|| whole(number)),
            (Kind::Only(one), Value::Flag(set)) => (i64::from(set) == one).then(|| whole(one)),
            (Kind::Positive { or_minus_one }, Value::Int(_) | Value::Float(_)) => {
                let number = value.number()?;
                (number > 0.0 && number.is_finite() || or_minus_one && number == -1.0).then(|| bits(number))
            }
            (Kind::Fraction, Value::Int(_) | Value::Float(_)) => {
                let number = value.number()?;
                (0.0..1.0).contains(&number).then(|| bits(number))
            }
            (Kind::Flag, Value::Int(number)) => matches!(number, 0 | 1).then_some(number as u128),
            (Kind::Flag, Value::Flag(set)) => Some(u128::from(set)),
            (Kind::Choice(of), Value::Text(text)) => of.iter().position(|one| *one == text).map(|place| place as u128),
            (Kind::Letters { of, same, most }, Value::Text(text)) => {
                let fits = !text.is_empty()
                    && text.len() <= most
                    && text.chars().all(|one| of.contains(one))
                    && !(same && text.chars().any(|one| !text.starts_with(one)));
                fits.then(|| Text::new(text).code())
            }
            (Kind::Widths, Value::Text(text)) => {
                let width = |part: &str| {
                    part.bytes().all(|byte| byte.is_ascii_digit())
                        && part.parse().is_ok_and(|width| (1..=MANY).contains(&width))
                };
                (text.len() <= Text::MOST && text.split('-').all(width)).then(|| Text::new(text).code())
            }
            _ => None,
        }
    }

    /// The values it takes, for messages and documentation.
    pub fn expects(self) -> String {
        match self {
            Kind::Int { least, most, or_minus_one: false } => format!("a whole number from {least} to {most}"),
            Kind::Int { least, most, or_minus_one: true } => format!("a whole number from {least} to {most}, or -1"),
            Kind::Only(one) => format!("{one}, the only value built in this version"),
            Kind::Positive { or_minus_one: false } => "a number above 0".into(),
            Kind::Positive { or_minus_one: true } => "a number above 0, or -1".into(),
            Kind::Fraction => "a number from 0 to below 1".into(),
            Kind::Flag => "0 or 1".into(),
            Kind::Choice([one]) => format!("{one:?}, the only value built in this version"),
            Kind::Choice(of) => of.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", "),
            Kind::Letters { of, same, most } => {
                let one_of = of.chars().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(" or ");
                let repeated = if same && of.len() > 1 { ", always the same" } else { "" };
                format!("a text of 1 to {most} letters {one_of}{repeated}")
            }
            Kind::Widths => format!("a text of widths such as \"64-32\", of at most {} characters", Text::MOST),
        }
    }
}

/// The bits of a number; the two zeros are one.
fn bits(number: f64) -> u128 {
    u128::from((number + 0.0).to_bits())
}

impl Test {
    /// Whether it holds for the value of an option with this default; `other` gives the values of other options.
    pub fn holds(self, value: f64, default: f64, other: impl Fn(&str) -> f64) -> bool {
        match self {
            Test::In(of) => of.iter().any(|one| *one as f64 == value),
            Test::Positive => value > 0.0,
            Test::NotIn(of) => of.iter().all(|one| *one as f64 != value),
            Test::Above(name, less) => value > other(name) - less,
            Test::TimesBelow(name, bound) => value * other(name) < bound,
            Test::Below(bound) => value < bound as f64,
            Test::Default => value == default,
        }
    }

    /// The other option that it asks for.
    pub fn other(self) -> Option<&'static str> {
        match self {
            Test::Above(name, _) | Test::TimesBelow(name, _) => Some(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::letter;
    use super::*;

    #[test]
    fn codes() {
        let code = |letter_of: char, option: &str, value| {
            letter(letter_of).unwrap().option(option).unwrap().kind.encode(value)
        };
        assert_eq!(code('g', "num_kde", Value::Int(20)), Some(20));
        assert_eq!(code('g', "num_kde", Value::Int(0)), None);
        assert_eq!(code('g', "num_kde", Value::Int(-1)), None);
        assert_eq!(code('g', "num_kde", Value::Float(2e5)), None);
        assert_eq!(code('g', "num_householder_iter", Value::Int(-1)), Some(u128::MAX));
        assert_eq!(code('g', "upper_bound_for_widths", Value::Int(-1)), Some(u128::from((-1.0f64).to_bits())));
        assert_eq!(code('g', "upper_bound_for_widths", Value::Int(-2)), None);
        assert_eq!(code('g', "lower_bound_for_widths", Value::Float(0.0)), None);
        assert_eq!(code('g', "inverse_function_type", Value::Text("inormal")), Some(4));
        assert_eq!(code('g', "rotation_mode", Value::Text("cayley")), Some(4));
        assert_eq!(code('g', "nonlinear_stretch_type", Value::Text("rq_splines")), Some(1));
        assert_eq!(code('t', "cov_type", Value::Text("full")), Some(3));
        assert_eq!(code('x', "add_offset", Value::Flag(true)), Some(1));
        assert_eq!(code('x', "add_offset", Value::Int(2)), None);
        assert_eq!(code('f', "boundary_cos_theta_identity_region", Value::Float(-0.0)), Some(0));
        assert_eq!(code('f', "boundary_cos_theta_identity_region", Value::Int(1)), None);
        assert_eq!(code('f', "circular_add_rotation", Value::Flag(false)), Some(0));
        assert_eq!(code('f', "vertical_flow_defs", Value::Text("rrr")), Some(0x727272));
        assert_eq!(code('f', "vertical_flow_defs", Value::Text("zr")), Some(0x727a));
        assert_eq!(code('f', "vertical_flow_defs", Value::Text("ro")), None);
        assert_eq!(code('f', "kappa_prediction", Value::Text("quatvec_squared")), Some(6));
        assert_eq!(code('f', "correlated_max_rank", Value::Int(0)), Some(0));
        assert_eq!(code('f', "correlated_max_rank", Value::Int(-1)), None);
        assert_eq!(code('n', "zenith_type_layers", Value::Text("gg")), Some(0x6767));
        assert_eq!(code('n', "zenith_type_layers", Value::Text("gr")), None);
        assert_eq!(code('n', "zenith_type_layers", Value::Text("")), None);
        assert_eq!(code('n', "hidden_dims", Value::Text("64-32")), Some(0x32_33_2d_34_36));
        assert_eq!(code('n', "hidden_dims", Value::Text("64-")), None);
        assert_eq!(code('n', "hidden_dims", Value::Text("0")), None);
        assert_eq!(code('n', "hidden_dims", Value::Text("9999999999")), None);
        assert_eq!(code('n', "hidden_dims", Value::Text("+64")), None);
        assert_eq!(code('n', "hidden_dims", Value::Text("1234-1234-1234-1234")), None);
        assert_eq!(code('n', "zenith_type_layers", Value::Text("zz")), Some(0x7a7a));
        assert_eq!(code('n', "max_rank", Value::Int(-1)), Some(u128::MAX));
        assert_eq!(code('n', "max_rank", Value::Int(0)), None);
        assert_eq!(code('n', "highway_mode", Value::Int(4)), Some(4));
        assert_eq!(code('n', "highway_mode", Value::Int(5)), None);
    }
}
