//! The one table of the notation: manifolds, letters and their options.
//!
//! Plain constant data that needs nothing but `std`, so that tests of other crates can include this module by its path and
//! compare it with what they implement. Formulas behind the letters: the documentation of flow-runtime's `layers`.
#![allow(dead_code, reason = "texts are read by the tests that compare pages with the table")]

mod circle;
mod continuous;
mod euclidean;
mod interval;
#[cfg(test)]
pub mod markdown;
mod options;
mod simplex;
mod sphere;
mod values;

pub use values::{Kind, Test, Value};

/// A family of manifolds.
#[derive(Debug)]
pub struct Manifold {
    /// The letter before the dimension.
    pub prefix: char,
    /// The least and the greatest dimension of this row.
    pub dims: (usize, usize),
    /// How letters refer to the row.
    pub key: &'static str,
    /// The runtime's type.
    pub type_name: &'static str,
    /// The arguments of that type.
    pub takes: Takes,
    /// What it is, in a sentence: "`s2` is ...".
    pub name: &'static str,
    /// Its coordinates.
    pub doc: &'static str,
}

/// What the type of a manifold is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// The dimension.
    Dim,
    /// The two ends, as the bits of `f64`.
    Bounds,
}

/// A layer letter.
#[derive(Debug)]
pub struct Letter {
    /// The letter; also the name of the module of its options in the runtime.
    pub letter: char,
    /// The runtime's type.
    pub type_name: &'static str,
    /// What the type is given before the options.
    pub arguments: &'static [Argument],
    /// Keys of the manifolds it acts on.
    pub on: &'static [&'static str],
    /// When the layer has parameters.
    pub parameters: Parameters,
    /// Its options, in the order in which the documentation lists them.
    pub options: &'static [Opt],
    /// What must hold between options.
    pub rules: &'static [Rule],
    /// What it is.
    pub doc: &'static str,
}

/// What the type of a layer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// The dimension of the manifold.
    Dim,
    /// `Only`, `First`, `Middle` or `Last`: the place in the chain.
    Place,
}

/// When a layer has parameters; a chain without any needs no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// Whatever the options say.
    Always,
    /// It has none.
    Never,
    /// Only if this flag is set.
    If(&'static str),
    /// Unless this choice is the given one, and then only the offset of the last layer of a chain.
    Unless(&'static str, &'static str),
}

/// An option of a letter.
#[derive(Debug)]
pub struct Opt {
    /// Its published name.
    pub name: &'static str,
    /// The values it takes.
    pub kind: Kind,
    /// Its value where nothing is written.
    pub default: Value<'static>,
    /// What it does.
    pub doc: &'static str,
}

/// What must hold between the options of one layer.
#[derive(Debug)]
pub struct Rule {
    /// If all of these hold,
    pub when: &'static [(&'static str, Test)],
    /// this must hold.
    pub needs: (&'static str, Test),
    /// Why, and the way out.
    pub why: &'static str,
}

// How letters refer to manifolds.
const E: &str = "e";
const S1: &str = "s1";
const S2: &str = "s2";
const S: &str = "s";
const I1: &str = "i1";
const A: &str = "a";

/// The bounds of an interval where none are written.
pub const BOUNDS: [f64; 2] = [0.0, 1.0];

/// The greatest size of a bound: with some room, squares of lengths are numbers in `f32` too.
pub const LARGEST_BOUND: f64 = 1e15;

/// The manifolds, in the order of the documentation.
pub const MANIFOLDS: &[Manifold] = &[
    Manifold {
        prefix: 'e',
        dims: (1, 512),
        key: E,
        type_name: "Euclidean",
        takes: Takes::Dim,
        name: "a Euclidean space",
        doc: "Euclidean space: D coordinates",
    },
    Manifold {
        prefix: 's',
        dims: (1, 1),
        key: S1,
        type_name: "Circle",
        takes: Takes::Nothing,
        name: "the circle",
        doc: "the circle: an angle in [0, 2 pi); embedded (cos, sin)",
    },
    Manifold {
        prefix: 's',
        dims: (2, 2),
        key: S2,
        type_name: "Sphere2",
        takes: Takes::Nothing,
        name: "the two-sphere",
        doc: "the two-sphere: (theta, phi), theta in [0, pi] from the +z axis, phi in [0, 2 pi); embedded (x, y, z)",
    },
    Manifold {
        prefix: 's',
        dims: (3, 9),
        key: S,
        type_name: "Sphere",
        takes: Takes::Dim,
        name: "a higher sphere",
        doc: "spheres of up to 9 dimensions: (theta_1, .., theta_{D-1}, phi), theta_1 from the last axis; embedded a unit vector of D + 1 \
              numbers, for `s3` a quaternion (w, x, y, z)",
    },
    Manifold {
        prefix: 'i',
        dims: (1, 1),
        key: I1,
        type_name: "Interval",
        takes: Takes::Bounds,
        name: "an interval",
        doc: "the interval `[0, 1]`, or with bounds another one, `i1[-3, 3]`: one coordinate, both ends included",
    },
    Manifold {
        prefix: 'a',
        dims: (1, 9),
        key: A,
        type_name: "Simplex",
        takes: Takes::Dim,
        name: "a simplex",
        doc: "the simplex: D shares of a whole, at most 1 together; embedded all D + 1, the rest of the whole first",
    },
];

/// The letters, in the order of the documentation.
pub const LETTERS: &[Letter] = &[
    euclidean::G,
    euclidean::T,
    euclidean::X,
    interval::R,
    interval::Z,
    circle::M,
    circle::O,
    sphere::F,
    sphere::V,
    sphere::N,
    sphere::Y,
    continuous::C,
    simplex::W,
    simplex::U,
];

/// The row of a letter.
pub fn letter(letter: char) -> Option<&'static Letter> {
    LETTERS.iter().find(|row| row.letter == letter)
}

/// The row of a manifold.
pub fn manifold(prefix: char, dim: usize) -> Option<&'static Manifold> {
    MANIFOLDS.iter().find(|row| row.prefix == prefix && (row.dims.0..=row.dims.1).contains(&dim))
}

impl Letter {
    /// The row of an option.
    pub fn option(&self, name: &str) -> Option<&'static Opt> {
        self.options.iter().find(|row| row.name == name)
    }
}

impl Opt {
    /// A value as a number; a choice as its place in the list, another text as some number of its own. NaN for a value that does not fit.
    pub fn number(&self, value: Value) -> f64 {
        let code = || self.kind.encode(value).map(|code| code as f64);
        value.number().or_else(code).unwrap_or(f64::NAN)
    }
}

impl Manifold {
    /// How the row is written: `e1`, `e2`, .. or `s2`.
    pub fn notation(&self) -> String {
        let Manifold { prefix, dims: (least, most), .. } = self;
        if least == most {
            format!("`{prefix}{least}`")
        } else {
            format!("`{prefix}{least}`, `{prefix}{}`, ..", least + 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_letters_act_somewhere() {
        for (i, row) in LETTERS.iter().enumerate() {
            assert!(LETTERS[..i].iter().all(|other| other.letter != row.letter && other.type_name != row.type_name));
            assert!(!row.on.is_empty());
            assert!(row.on.iter().all(|key| MANIFOLDS.iter().any(|m| m.key == *key)));
            for (k, option) in row.options.iter().enumerate() {
                assert!(row.options[..k].iter().all(|other| other.name != option.name), "{}", option.name);
                assert!(!option.doc.is_empty() && !option.doc.contains('|'));
            }
        }
    }

    #[test]
    fn defaults_are_values_and_keep_the_rules() {
        for row in LETTERS {
            for option in row.options {
                assert!(option.kind.encode(option.default).is_some(), "{} {}", row.letter, option.name);
            }
            let value = |name: &str| {
                let option = row.option(name).unwrap();
                option.number(option.default)
            };
            let holds = |(name, test): &(&str, Test)| {
                assert!(!value(name).is_nan());
                test.holds(value(name), value(name), value)
            };
            for rule in row.rules {
                assert!(!rule.when.iter().all(holds) || holds(&rule.needs), "{}", rule.why);
            }
            match row.parameters {
                Parameters::Always | Parameters::Never => {}
                Parameters::If(name) => assert_eq!(row.option(name).unwrap().kind, Kind::Flag),
                Parameters::Unless(name, choice) => {
                    assert!(row.option(name).unwrap().kind.encode(Value::Text(choice)).is_some());
                }
            }
        }
    }
}
