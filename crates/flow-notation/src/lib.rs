//! The notation of the flow compiler as data: manifolds, letters, their options with ranges, defaults and rules, and what they mean.
//!
//! All that is known about a letter before anything is computed stands here, once: the macro `flow!` checks and lowers a line by the table
//! [`LETTERS`], the layers of flow-core have their options as the structs in [`options`], the types that `flow!` writes are those of [`settings`], files
//! hold what [`Written`] says, pages show [`markdown`]. Formulas behind the letters: the documentation of flow-core's `layers`.
//!
//! A letter is an invocation of `options!`, a row, a place in [`LETTERS`], and its names in [`options`] and [`settings`].

#![forbid(unsafe_code)]

mod circle;
mod continuous;
mod declare;
mod euclidean;
mod interval;
#[doc(hidden)]
pub mod markdown;
mod rules;
mod simplex;
mod sphere;
mod text;
mod values;
mod written;

pub use text::{Options, Text, decode};
pub use values::{Kind, Test, Value};
pub use written::Written;

/// The options of every letter, and the choices among their values.
pub mod options {
    pub use crate::circle::{CircleMoebiusOptions, CircleSplineOptions};
    pub use crate::continuous::{ContinuousOptions, Divergence, Gradients, Solver};
    pub use crate::euclidean::{
        AffineOptions, CovType, GaussianizationOptions, IdentityOptions, InverseFunction, RotationMode, StretchType,
    };
    pub use crate::interval::IntervalSplineOptions;
    pub use crate::sphere::{
        ExpMapType, ExponentialMapOptions, FisherOptions, FisherRotation, KappaPrediction, MeanParametrization,
        OrientationOptions, SegmentedOptions, SphereRotation,
    };
}

/// The options of every letter as types, one module a letter; the notation names them.
pub mod settings {
    pub use crate::circle::{m, o};
    pub use crate::continuous::c;
    pub use crate::euclidean::{g, t, x};
    pub use crate::interval::r;
    pub use crate::sphere::{f, n, v, y};
}

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

/// Defaults that have changed since files were written that do not name every option: letter, option, and the default that they mean.
///
/// Files of format 1 name only options that differ from their defaults; no file names an option that is younger than the file. Whoever changes a
/// default writes the old one here.
const FORMER_DEFAULTS: &[(char, &str, Value)] = &[];

/// The value that an option of a letter has in a file that does not name it.
pub fn unnamed(letter: char, option: &Opt) -> Value<'static> {
    let former = FORMER_DEFAULTS.iter().find(|(of, name, _)| *of == letter && *name == option.name);
    former.map_or(option.default, |(.., value)| *value)
}

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
    /// Whether two values, as the notation writes them, are the same value.
    pub fn same(&self, a: &str, b: &str) -> bool {
        let code = |written| Value::read(written).and_then(|value| self.kind.encode(value));
        a == b || code(a).is_some_and(|a| code(b) == Some(a))
    }

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

    /// `FORMER_DEFAULTS` says what has changed since former_defaults.txt was written; what is newer than that is not in it.
    #[test]
    fn former_defaults_are_kept() {
        for line in include_str!("former_defaults.txt").lines() {
            let [letter, name, value] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let letter = letter.chars().next().and_then(super::letter).expect(line);
            let option = letter.option(name).unwrap_or_else(|| panic!("{line}: files may name it"));
            let unnamed = unnamed(letter.letter, option).to_string();
            assert!(option.same(&unnamed, value), "{line}, not {unnamed}: write the old default into FORMER_DEFAULTS");
        }
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_value() {
        for row in LETTERS {
            for option in row.options {
                let values: &[Value] = match option.kind {
                    Kind::Flag => &[Value::Int(0), Value::Int(1)],
                    Kind::Int { .. } | Kind::Only(_) => &[option.default],
                    Kind::Positive { .. } => &[0.3, 1e-7, 1.0 / 3.0, 1e15, 123456.0, 1e300, 5e-324].map(Value::Float),
                    Kind::Fraction => &[0.0, 0.1, 1e-9].map(Value::Float),
                    Kind::Choice(of) => &[Value::Text(of[0]), Value::Text(of[of.len() - 1])],
                    Kind::Letters { .. } | Kind::Widths => &[option.default, Value::Text("128-64")],
                };
                for value in values {
                    let Some(code) = option.kind.encode(*value) else { continue };
                    let text = value.to_string();
                    assert_eq!(Value::read(&text).and_then(|value| option.kind.encode(value)), Some(code), "{text}");
                    assert!(option.same(&text, &text));
                }
            }
        }
        let rate = letter('c').and_then(|row| row.option("rtol")).expect("an option");
        assert!(rate.same("1e-7", "0.0000001") && rate.same("2", "2.0") && !rate.same("1e-7", "2e-7"));
        assert!(!rate.same("a", "b") && rate.same("a", "a"));
        assert_eq!(["", "a", "\"a", "nan", "1e999"].map(Value::read), [None; 5]);
    }

    #[test]
    fn a_struct_holds_what_its_types_say_and_writes_it() {
        use options::{AffineOptions, CovType, FisherOptions};
        type Set = settings::t::cov_type<3, settings::t::upper_bound_for_widths<{ (-1.0_f64).to_bits() as u128 }>>;
        const VALUE: AffineOptions = Set::VALUE;
        assert_eq!(
            VALUE,
            AffineOptions { cov_type: CovType::Full, upper_bound_for_widths: -1.0, ..AffineOptions::DEFAULT }
        );
        let written: Vec<String> = VALUE.written().iter().map(Written::to_string).collect();
        assert_eq!(
            written,
            [
                "cov_type = \"full\"",
                "skip_model_offset = 0",
                "softplus_for_width = 0",
                "clamp_widths = 0",
                "width_smooth_saturation = 1",
                "lower_bound_for_widths = 0.01",
                "upper_bound_for_widths = -1",
            ]
        );
        let set: Vec<&str> = VALUE.written().iter().filter(|one| !one.is_default).map(|one| one.name).collect();
        assert_eq!(set, ["cov_type", "upper_bound_for_widths"]);
        type Chain = settings::f::vertical_flow_defs<{ Text::new("rzr").code() }>;
        let options: FisherOptions = Chain::VALUE;
        assert_eq!((options.vertical_flow_defs.len(), options.vertical_flow_defs.at(1)), (3, b'z'));
        let written = options.written();
        let of = |name: &str| written.iter().find(|one| one.name == name).map(|one| one.value.as_str());
        assert_eq!(of("vertical_flow_defs"), Some("\"rzr\""));
        assert_eq!((of("circular_flow_defs"), of("min_kappa")), (Some("\"oo\""), Some("1e-10")));
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
