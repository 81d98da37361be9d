//! The one table of the notation: manifolds, letters and their options.
//!
//! Plain constant data that needs nothing but `std`, so that tests of other crates can include this file by its path and
//! compare it with what they implement. Formulas behind the letters: the documentation of flow-runtime's `layers`.

// Some parts are read only by the tests that include this file.
#![allow(dead_code)]

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

/// A text travels in the sixteen bytes of a `u128`.
const LONGEST_TEXT: usize = 16;

/// More components than this are a slip of the keyboard, and would make arrays that do not fit a stack.
const MANY: i64 = 4096;

/// Longer than this nobody waits for a search.
const MOST_STEPS: i64 = 1_000_000;

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

const fn flag(name: &'static str, default: bool, doc: &'static str) -> Opt {
    Opt { name, kind: Kind::Flag, default: Value::Int(default as i64), doc }
}

const fn count(name: &'static str, most: i64, default: i64, doc: &'static str) -> Opt {
    Opt { name, kind: Kind::Int { least: 1, most, or_minus_one: false }, default: Value::Int(default), doc }
}

const fn count_or_minus_one(name: &'static str, most: i64, default: i64, doc: &'static str) -> Opt {
    Opt { name, kind: Kind::Int { least: 1, most, or_minus_one: true }, default: Value::Int(default), doc }
}

const fn positive(name: &'static str, default: f64, doc: &'static str) -> Opt {
    Opt { name, kind: Kind::Positive { or_minus_one: false }, default: Value::Float(default), doc }
}

const fn positive_or_minus_one(name: &'static str, default: f64, doc: &'static str) -> Opt {
    Opt { name, kind: Kind::Positive { or_minus_one: true }, default: Value::Float(default), doc }
}

const fn only(name: &'static str, value: i64, doc: &'static str) -> Opt {
    Opt { name, kind: Kind::Only(value), default: Value::Int(value), doc }
}

const fn choice(name: &'static str, of: &'static [&'static str], default: &'static str, doc: &'static str) -> Opt {
    Opt { name, kind: Kind::Choice(of), default: Value::Text(default), doc }
}

const SKIP_MODEL_OFFSET: Opt =
    flag("skip_model_offset", false, "leave out the offset that the last layer of a Euclidean chain adds");
const SOFTPLUS_FOR_WIDTH: Opt = flag("softplus_for_width", false, "widths by a softplus instead of an exponential");
const CLAMP_WIDTHS: Opt = flag("clamp_widths", false, "clip raw widths before they are regulated");
const WIDTH_SMOOTH_SATURATION: Opt = flag("width_smooth_saturation", true, "widths approach their bounds smoothly");
const LOWER_BOUND_FOR_WIDTHS: Opt = positive("lower_bound_for_widths", 0.01, "smallest width");
const UPPER_BOUND_FOR_WIDTHS: Opt =
    positive_or_minus_one("upper_bound_for_widths", 100.0, "greatest width, on top of the smallest; -1: none");
const NUM_HOUSEHOLDER_ITER: Opt =
    count_or_minus_one("num_householder_iter", MANY, -1, "number of reflections; -1: as many as there are dimensions");

const SMOOTH_WIDTHS_ARE_BOUNDED: Rule = Rule {
    when: &[("width_smooth_saturation", Test::In(&[1]))],
    needs: ("upper_bound_for_widths", Test::Positive),
    why: "a smooth saturation needs a bound to approach: give one, or write `width_smooth_saturation = 0`",
};
const WIDTHS_ARE_ORDERED: Rule = Rule {
    when: &[("upper_bound_for_widths", Test::Positive)],
    needs: ("upper_bound_for_widths", Test::Above("lower_bound_for_widths", 0.0)),
    why: "the bounds of the widths are the wrong way round",
};

const SLOPE_EXCEEDS_LEAST: Rule = Rule {
    when: &[("fix_boundary_derivatives", Test::Positive)],
    needs: ("fix_boundary_derivatives", Test::Above("min_derivative", 0.0)),
    why: "a fixed slope must exceed the smallest one: raise it, or write -1 for free slopes",
};
const SECOND_AFTER_FIRST: Rule = Rule {
    when: &[("also_fix_second_width_to_zero", Test::In(&[1]))],
    needs: ("fix_first_width_n_height_to_zero", Test::In(&[1])),
    why: "the second follows the first: write `fix_first_width_n_height_to_zero = 1` too",
};
const SECOND_OF_ONE: Rule = Rule {
    when: &[("also_fix_second_width_to_zero", Test::In(&[1]))],
    needs: ("num_basis_functions", Test::NotIn(&[1])),
    why: "one bin has no second width: write at least 2 bins",
};

/// Layer o is smooth around the circle.
const SMOOTH: &[(&str, Test)] = &[("smooth_second_derivative", Test::In(&[1]))];

/// Layer g has splines instead of mixtures.
const SPLINES: &[(&str, Test)] = &[("nonlinear_stretch_type", Test::In(&[1]))];

/// An option of g that says something about mixtures only.
const fn of_mixtures(name: &'static str) -> Rule {
    Rule {
        when: SPLINES,
        needs: (name, Test::Default),
        why: "splines have no mixture for it to act on: leave it out, or write `nonlinear_stretch_type = \"classic\"`",
    }
}

/// An option that says something only where `when` does not hold.
const fn idle(name: &'static str, when: &'static [(&'static str, Test)], why: &'static str) -> Rule {
    Rule { when, needs: (name, Test::Default), why }
}

/// Layer g has components of equal weight.
const EQUAL_WEIGHTS: &[(&str, Test)] = &[("fit_normalization", Test::In(&[0]))];
const NO_WEIGHTS: &str = "components of equal weight have none to bound: leave it out, or `fit_normalization = 0`";

/// Layer g leaves its weights free.
const FREE_WEIGHTS: &[(&str, Test)] = &[("regulate_normalization", Test::In(&[0]))];
const NO_WEIGHT_BOUNDS: &str = "free weights have no bounds: leave it out, or `regulate_normalization = 0`";

/// Layer t has no widths.
const UNIT_WIDTHS: &[(&str, Test)] = &[("cov_type", Test::In(&[0]))];
const NO_WIDTHS: &str = "the identity has no widths: leave it out, or write another `cov_type`";

/// A rotation is not made of reflections.
const NOT_REFLECTIONS: &[(&str, Test)] = &[("rotation_mode", Test::NotIn(&[0]))];
const NO_REFLECTIONS: &str = "only \"householder\" is made of reflections: leave the number out";

/// There is no rotation.
const UNTURNED: &[(&str, Test)] = &[("add_rotation", Test::In(&[0]))];
const NO_ROTATION: &str = "there is no rotation: leave it out, or write `add_rotation = 1`";

/// Layer f has no splines in z, none in the azimuth, none that are correlated, or none at all.
const NO_VERTICAL: &[(&str, Test)] =
    &[("add_vertical_rq_spline_flow", Test::In(&[0])), ("add_correlated_rq_spline_flow", Test::In(&[0]))];
const NO_CIRCULAR: &[(&str, Test)] =
    &[("add_circular_rq_spline_flow", Test::In(&[0])), ("add_correlated_rq_spline_flow", Test::In(&[0]))];
const NO_CORRELATED: &[(&str, Test)] = &[("add_correlated_rq_spline_flow", Test::In(&[0]))];
const NO_SPLINES: &[(&str, Test)] = &[
    ("add_vertical_rq_spline_flow", Test::In(&[0])),
    ("add_circular_rq_spline_flow", Test::In(&[0])),
    ("add_correlated_rq_spline_flow", Test::In(&[0])),
];

/// An option of f that says something about splines in z only.
const fn of_vertical(name: &'static str) -> Rule {
    idle(name, NO_VERTICAL, "there are no splines in z: write `add_vertical_rq_spline_flow = 1` too, or leave it out")
}

/// An option of f that says something about splines of any kind.
const fn of_splines(name: &'static str) -> Rule {
    idle(
        name,
        NO_SPLINES,
        "there are no splines: write `add_vertical_rq_spline_flow = 1` or `add_circular_rq_spline_flow = 1` too, or leave it out",
    )
}

/// An option of c that says something about dopri5 only.
const fn of_dopri5(name: &'static str) -> Rule {
    Rule {
        when: &[("solver", Test::In(&[1]))],
        needs: (name, Test::Default),
        why: "rk4 has no error control: give `steps`, or write `solver = \"dopri5\"`",
    }
}

// Choices of layer f's `kappa_prediction` that take the concentration from the rotation.
const KAPPA_OF_XYZ: Test = Test::In(&[3, 4]);
const KAPPA_OF_QUATERNION: Test = Test::In(&[5, 6]);
const KAPPA_OF_ROTATION: Test = Test::In(&[3, 4, 5, 6]);

/// Layer f has correlated splines.
const CORRELATED: &[(&str, Test)] = &[("add_correlated_rq_spline_flow", Test::In(&[1]))];

/// An option of f that says something about splines with parameters of their own only.
const fn of_free_splines(name: &'static str) -> Rule {
    Rule {
        when: CORRELATED,
        needs: (name, Test::Default),
        why: "correlated splines have five bins in z and two in the azimuth, with free ends: leave it out",
    }
}

/// The letters, in the order of the documentation.
pub const LETTERS: &[Letter] = &[
    Letter {
        letter: 'g',
        type_name: "Gaussianization",
        arguments: &[Argument::Dim, Argument::Place],
        on: &[E],
        parameters: Parameters::Always,
        options: &[
            count("num_kde", MANY, 10, "mixture components per dimension"),
            flag("fit_normalization", true, "components have weights of their own"),
            flag("regulate_normalization", true, "the weights are bounded"),
            positive("lower_bound_for_norms", 1.0, "smallest unnormalised weight"),
            positive("upper_bound_for_norms", 10.0, "greatest unnormalised weight, on top of the smallest"),
            choice(
                "inverse_function_type",
                &["isigmoid", "inormal_partly_precise", "inormal_full_pade", "inormal_partly_crude", "inormal"],
                "isigmoid",
                "what maps the mixture's distribution function to the line: the logit, or the normal quantile, exact (\"inormal\", \
                 recommended) or by a published approximation",
            ),
            flag("replace_first_sigmoid_with_icdf", true, "the first g of a chain takes the normal quantile"),
            SKIP_MODEL_OFFSET,
            SOFTPLUS_FOR_WIDTH,
            CLAMP_WIDTHS,
            WIDTH_SMOOTH_SATURATION,
            LOWER_BOUND_FOR_WIDTHS,
            UPPER_BOUND_FOR_WIDTHS,
            choice(
                "rotation_mode",
                &["householder", "angles", "none", "triangular_combination", "cayley"],
                "householder",
                "the rotation before the mixtures: reflections, plane rotations, none, triangular matrices of determinant one, \
                 or the Cayley map of a skew-symmetric matrix",
            ),
            NUM_HOUSEHOLDER_ITER,
            flag("center_mean", false, "the last mean of a mixture follows from the others"),
            flag("add_skewness", false, "components are skewed, each by a parameter of its own"),
            choice(
                "nonlinear_stretch_type",
                &["classic", "rq_splines"],
                "classic",
                "what acts on each coordinate after the rotation: a mixture, or a spline with straight tails and `num_kde` bins",
            ),
        ],
        rules: &[
            SMOOTH_WIDTHS_ARE_BOUNDED,
            WIDTHS_ARE_ORDERED,
            Rule {
                when: &[("fit_normalization", Test::In(&[1])), ("regulate_normalization", Test::In(&[1]))],
                needs: ("upper_bound_for_norms", Test::Above("lower_bound_for_norms", 0.0)),
                why: "the bounds of the weights are the wrong way round",
            },
            Rule {
                when: &[("center_mean", Test::In(&[1]))],
                needs: ("num_kde", Test::NotIn(&[1])),
                why: "one mean alone follows from no other: write at least 2 components, or leave `center_mean` out",
            },
            Rule {
                when: SPLINES,
                needs: ("num_kde", Test::Below(1000)),
                why: "every bin takes at least a thousandth of the box: write fewer than 1000 bins",
            },
            of_mixtures("fit_normalization"),
            of_mixtures("regulate_normalization"),
            of_mixtures("lower_bound_for_norms"),
            of_mixtures("upper_bound_for_norms"),
            of_mixtures("inverse_function_type"),
            of_mixtures("replace_first_sigmoid_with_icdf"),
            of_mixtures("softplus_for_width"),
            of_mixtures("clamp_widths"),
            of_mixtures("width_smooth_saturation"),
            of_mixtures("lower_bound_for_widths"),
            of_mixtures("upper_bound_for_widths"),
            of_mixtures("center_mean"),
            of_mixtures("add_skewness"),
            idle("regulate_normalization", EQUAL_WEIGHTS, NO_WEIGHTS),
            idle("lower_bound_for_norms", EQUAL_WEIGHTS, NO_WEIGHTS),
            idle("upper_bound_for_norms", EQUAL_WEIGHTS, NO_WEIGHTS),
            idle("lower_bound_for_norms", FREE_WEIGHTS, NO_WEIGHT_BOUNDS),
            idle("upper_bound_for_norms", FREE_WEIGHTS, NO_WEIGHT_BOUNDS),
            idle("num_householder_iter", NOT_REFLECTIONS, NO_REFLECTIONS),
        ],
        doc: "Gaussianisation: a rotation, then each coordinate through the distribution function of a mixture",
    },
    Letter {
        letter: 't',
        type_name: "Affine",
        arguments: &[Argument::Dim, Argument::Place],
        on: &[E],
        parameters: Parameters::Unless("cov_type", "identity"),
        options: &[
            choice(
                "cov_type",
                &["identity", "diagonal_symmetric", "diagonal", "full"],
                "diagonal",
                "the matrix: the identity, one number, a diagonal, or lower triangular",
            ),
            SKIP_MODEL_OFFSET,
            SOFTPLUS_FOR_WIDTH,
            CLAMP_WIDTHS,
            WIDTH_SMOOTH_SATURATION,
            LOWER_BOUND_FOR_WIDTHS,
            UPPER_BOUND_FOR_WIDTHS,
        ],
        rules: &[
            idle("softplus_for_width", UNIT_WIDTHS, NO_WIDTHS),
            idle("clamp_widths", UNIT_WIDTHS, NO_WIDTHS),
            idle("width_smooth_saturation", UNIT_WIDTHS, NO_WIDTHS),
            idle("lower_bound_for_widths", UNIT_WIDTHS, NO_WIDTHS),
            idle("upper_bound_for_widths", UNIT_WIDTHS, NO_WIDTHS),
            SMOOTH_WIDTHS_ARE_BOUNDED,
            WIDTHS_ARE_ORDERED,
        ],
        doc: "affine map: a matrix and an offset; alone it is a normal distribution",
    },
    Letter {
        letter: 'x',
        type_name: "Identity",
        arguments: &[Argument::Dim],
        on: &[E],
        parameters: Parameters::If("add_offset"),
        options: &[flag("add_offset", false, "add an offset")],
        rules: &[],
        doc: "the identity, or an offset",
    },
    Letter {
        letter: 'r',
        type_name: "IntervalSpline",
        arguments: &[],
        on: &[I1],
        parameters: Parameters::Always,
        options: &[
            count("num_basis_functions", MANY, 5, "bins"),
            positive_or_minus_one("fix_boundary_derivatives", -1.0, "slope at both ends; -1: free"),
            flag("smooth_second_derivative", false, "a continuous second derivative; for 2 and 3 bins"),
            positive_or_minus_one(
                "restrict_max_min_width_height_ratio",
                -1.0,
                "greatest ratio of two widths or heights; -1: none",
            ),
            flag("fix_first_width_n_height_to_zero", false, "the first raw width and height are 0"),
            flag("also_fix_second_width_to_zero", false, "the second raw width is 0 too"),
            flag("independent_width_height_parametrization", false, "raw heights are given relative to raw widths"),
            positive("min_width", 1e-4, "smallest width, as a share of the interval"),
            positive("min_height", 1e-4, "smallest height, as a share of the interval"),
            positive("min_derivative", 1e-4, "smallest slope at a knot"),
        ],
        rules: &[
            Rule {
                when: &[("smooth_second_derivative", Test::In(&[1]))],
                needs: ("num_basis_functions", Test::In(&[2, 3])),
                why: "smooth splines are built for 2 and 3 bins: write `num_basis_functions = 2` or 3",
            },
            SLOPE_EXCEEDS_LEAST,
            Rule {
                when: &[("restrict_max_min_width_height_ratio", Test::Positive)],
                needs: ("restrict_max_min_width_height_ratio", Test::Above("num_basis_functions", 1.0)),
                why: "the greatest ratio must exceed the number of bins less one: raise it, or write -1 for no limit",
            },
            SECOND_AFTER_FIRST,
            SECOND_OF_ONE,
            Rule {
                when: &[
                    ("fix_first_width_n_height_to_zero", Test::In(&[1])),
                    ("fix_boundary_derivatives", Test::Positive),
                ],
                needs: ("num_basis_functions", Test::NotIn(&[1])),
                why: "one bin with all of this fixed has no parameter left: write at least 2 bins",
            },
            Rule {
                when: &[],
                needs: ("min_width", Test::TimesBelow("num_basis_functions", 1.0)),
                why: "the smallest widths of all bins must leave something free of the interval: lower it",
            },
            Rule {
                when: &[],
                needs: ("min_height", Test::TimesBelow("num_basis_functions", 1.0)),
                why: "the smallest heights of all bins must leave something free of the interval: lower it",
            },
        ],
        doc: "a rational-quadratic spline",
    },
    Letter {
        letter: 'z',
        type_name: "IntervalIdentity",
        arguments: &[],
        on: &[I1],
        parameters: Parameters::Never,
        options: &[],
        rules: &[],
        doc: "the identity",
    },
    Letter {
        letter: 'm',
        type_name: "CircleMoebius",
        arguments: &[],
        on: &[S1],
        parameters: Parameters::Always,
        options: &[
            count("num_basis_functions", MANY, 5, "Moebius components"),
            flag("add_rotation", false, "a rotation of the circle"),
            flag(
                "natural_direction",
                false,
                "the formula is the forward map and evaluation searches; 0: the inverse is, and sampling searches",
            ),
        ],
        rules: &[],
        doc: "a mixture of Moebius maps; the density is one of wrapped Cauchy densities",
    },
    Letter {
        letter: 'o',
        type_name: "CircleSpline",
        arguments: &[],
        on: &[S1],
        parameters: Parameters::Always,
        options: &[
            count("num_basis_functions", MANY, 2, "bins"),
            flag("smooth_second_derivative", true, "a continuous second derivative; for 2 bins"),
            flag("add_rotation", true, "a rotation of the circle"),
            flag("natural_direction", true, "the spline is the forward map; 0: it is the inverse"),
            positive_or_minus_one(
                "fix_boundary_derivatives",
                -1.0,
                "slope at the angle 0 of a spline that is not smooth; -1: free",
            ),
            flag("fix_first_width_n_height_to_zero", false, "the first raw width and height are 0"),
            flag("also_fix_second_width_to_zero", false, "the second raw width is 0 too"),
            flag("independent_width_height_parametrization", false, "raw heights are given relative to raw widths"),
            positive("min_width", 1e-4, "smallest width, as a share of the circle"),
            positive("min_height", 1e-4, "smallest height, as a share of the circle"),
            positive("min_derivative", 1e-4, "smallest slope at a knot of a spline that is not smooth"),
        ],
        rules: &[
            Rule {
                when: SMOOTH,
                needs: ("num_basis_functions", Test::In(&[2])),
                why: "smooth circular splines are built for 2 bins: write `smooth_second_derivative = 0` for any other number",
            },
            Rule {
                when: SMOOTH,
                needs: ("fix_boundary_derivatives", Test::Default),
                why: "the slopes of a smooth spline follow from its bins: write `smooth_second_derivative = 0`, or leave it out",
            },
            Rule {
                when: SMOOTH,
                needs: ("min_derivative", Test::Default),
                why: "the slopes of a smooth spline follow from its bins: write `smooth_second_derivative = 0`, or leave it out",
            },
            SLOPE_EXCEEDS_LEAST,
            SECOND_AFTER_FIRST,
            SECOND_OF_ONE,
            Rule {
                when: &[
                    ("fix_first_width_n_height_to_zero", Test::In(&[1])),
                    ("fix_boundary_derivatives", Test::Positive),
                    ("add_rotation", Test::In(&[0])),
                ],
                needs: ("num_basis_functions", Test::NotIn(&[1])),
                why: "one bin with all of this fixed has no parameter left: write at least 2 bins",
            },
            Rule {
                when: &[],
                needs: ("min_width", Test::TimesBelow("num_basis_functions", 1.0)),
                why: "the smallest widths of all bins must leave something free of the circle: lower it",
            },
            Rule {
                when: &[],
                needs: ("min_height", Test::TimesBelow("num_basis_functions", 1.0)),
                why: "the smallest heights of all bins must leave something free of the circle: lower it",
            },
        ],
        doc: "a spline of the circle, with a rotation",
    },
    Letter {
        letter: 'f',
        type_name: "FisherFlow",
        arguments: &[],
        on: &[S2],
        parameters: Parameters::Always,
        options: &[
            positive("min_kappa", 1e-10, "smallest concentration"),
            choice(
                "kappa_prediction",
                &[
                    "direct_log_real_bounded",
                    "softplus_real_bounded",
                    "log_bounded",
                    "mu",
                    "mu_squared",
                    "quatvec",
                    "quatvec_squared",
                ],
                "direct_log_real_bounded",
                "the concentration: from a parameter of its own by an exponential or a softplus above `min_kappa`, or as a multiple of \
                 `min_kappa`; or the length (squared) of the vector of rotation \"xyz\", of the vector part of the quaternion",
            ),
            flag("kappa_clamping", false, "clip the raw concentration from below at -5"),
            flag("inverse_z_scaling", true, "concentrate around -z instead of +z before the rotation"),
            flag("add_rotation", true, "a rotation of the sphere"),
            choice(
                "rotation_mode",
                &["householder", "angles", "xyz", "quaternion"],
                "householder",
                "reflections, plane rotations, the shortest way from +z to a vector, or a quaternion",
            ),
            count_or_minus_one("num_householder_iter", MANY, -1, "number of reflections; -1: 3"),
            flag("add_vertical_rq_spline_flow", false, "splines in z = cos theta"),
            Opt {
                name: "vertical_flow_defs",
                kind: Kind::Letters { of: "rz", same: false, most: LONGEST_TEXT },
                default: Value::Text("rr"),
                doc: "the chain of these splines; `z` leaves z as it is",
            },
            count_or_minus_one("spline_num_basis_functions", MANY, 5, "bins of a spline; -1: 2 and 3 in turn"),
            flag("vertical_smooth", false, "splines with a continuous second derivative"),
            positive_or_minus_one(
                "vertical_restrict_max_min_width_height_ratio",
                -1.0,
                "greatest ratio of two widths or heights; -1: none",
            ),
            flag("vertical_fix_boundary_derivative", true, "slope 1 at the ends of the splines in z"),
            flag("vertical_fix_first_width_n_height_to_zero", false, "the first raw width and height are 0"),
            flag("vertical_also_fix_second_width_to_zero", false, "the second raw width is 0 too"),
            flag(
                "vertical_independent_width_height_parametrization",
                false,
                "widths and heights have parameters of their own",
            ),
            flag("add_circular_rq_spline_flow", false, "splines in the azimuth, faded out at the poles"),
            Opt {
                name: "circular_flow_defs",
                kind: Kind::Letters { of: "o", same: true, most: LONGEST_TEXT },
                default: Value::Text("oo"),
                doc: "the chain of these splines",
            },
            only("circular_add_rotation", 0, "a rotation inside these splines would tear the poles"),
            flag(
                "add_correlated_rq_spline_flow",
                false,
                "splines in z, and in the azimuth by a network of z; tears the poles",
            ),
            Opt {
                name: "correlated_max_rank",
                kind: Kind::Int { least: 0, most: MANY, or_minus_one: false },
                default: Value::Int(3),
                doc: "rank of that network's matrices; 0: the full one",
            },
            Opt {
                name: "boundary_cos_theta_identity_region",
                kind: Kind::Fraction,
                default: Value::Float(0.0),
                doc: "height of the two polar caps that the splines leave alone",
            },
            flag("add_extra_rotation_inbetween", false, "a quarter turn between the concentration and the splines"),
        ],
        rules: &[
            of_vertical("vertical_flow_defs"),
            of_vertical("spline_num_basis_functions"),
            of_vertical("vertical_smooth"),
            of_vertical("vertical_restrict_max_min_width_height_ratio"),
            of_vertical("vertical_fix_boundary_derivative"),
            of_splines("vertical_fix_first_width_n_height_to_zero"),
            of_splines("vertical_also_fix_second_width_to_zero"),
            of_splines("vertical_independent_width_height_parametrization"),
            of_splines("boundary_cos_theta_identity_region"),
            idle(
                "circular_flow_defs",
                NO_CIRCULAR,
                "there are no splines in the azimuth: write `add_circular_rq_spline_flow = 1` too, or leave it out",
            ),
            idle(
                "correlated_max_rank",
                NO_CORRELATED,
                "there are no correlated splines: write `add_correlated_rq_spline_flow = 1` too, or leave it out",
            ),
            Rule {
                when: &[("spline_num_basis_functions", Test::In(&[-1]))],
                needs: ("vertical_smooth", Test::In(&[1])),
                why: "only smooth splines have 2 and 3 bins in turn: write `vertical_smooth = 1`, or a number of bins",
            },
            Rule {
                when: &[("add_vertical_rq_spline_flow", Test::In(&[1])), ("vertical_smooth", Test::In(&[1]))],
                needs: ("spline_num_basis_functions", Test::In(&[-1, 2, 3])),
                why: "smooth splines are built for 2 and 3 bins: write `spline_num_basis_functions = -1`, 2 or 3",
            },
            Rule {
                when: &[("vertical_also_fix_second_width_to_zero", Test::In(&[1]))],
                needs: ("vertical_fix_first_width_n_height_to_zero", Test::In(&[1])),
                why: "the second follows the first: write `vertical_fix_first_width_n_height_to_zero = 1` too",
            },
            Rule {
                when: &[
                    ("add_vertical_rq_spline_flow", Test::In(&[1])),
                    ("vertical_also_fix_second_width_to_zero", Test::In(&[1])),
                ],
                needs: ("spline_num_basis_functions", Test::NotIn(&[1])),
                why: "one bin has no second width: write at least 2 bins",
            },
            Rule {
                when: &[
                    ("add_vertical_rq_spline_flow", Test::In(&[1])),
                    ("vertical_restrict_max_min_width_height_ratio", Test::Positive),
                ],
                needs: ("vertical_restrict_max_min_width_height_ratio", Test::Above("spline_num_basis_functions", 1.0)),
                why: "the greatest ratio must exceed the number of bins less one: raise it, or write -1 for no limit",
            },
            Rule {
                when: &[
                    ("add_vertical_rq_spline_flow", Test::In(&[1])),
                    ("vertical_restrict_max_min_width_height_ratio", Test::Positive),
                    ("spline_num_basis_functions", Test::In(&[-1])),
                ],
                // -1 - -3 = 2, the number of bins less one of the splines with 3.
                needs: (
                    "vertical_restrict_max_min_width_height_ratio",
                    Test::Above("spline_num_basis_functions", -3.0),
                ),
                why: "with 2 and 3 bins in turn the greatest ratio must exceed 2: raise it, or write -1 for no limit",
            },
            Rule {
                when: &[("kappa_prediction", KAPPA_OF_XYZ)],
                needs: ("rotation_mode", Test::In(&[2])),
                why: "the concentration is then the length of the vector that says where to: write `rotation_mode = \"xyz\"`",
            },
            Rule {
                when: &[("kappa_prediction", KAPPA_OF_QUATERNION)],
                needs: ("rotation_mode", Test::In(&[3])),
                why: "the concentration is then the length of the quaternion's vector part: write `rotation_mode = \"quaternion\"`",
            },
            Rule {
                when: &[("kappa_prediction", KAPPA_OF_ROTATION)],
                needs: ("add_rotation", Test::In(&[1])),
                why: "the concentration comes from the rotation's parameters: leave `add_rotation` out",
            },
            Rule {
                when: &[("kappa_prediction", KAPPA_OF_ROTATION)],
                needs: ("min_kappa", Test::Default),
                why: "a concentration that comes from the rotation has no lower bound but 0: leave `min_kappa` out",
            },
            Rule {
                when: &[("kappa_prediction", Test::In(&[2, 3, 4, 5, 6]))],
                needs: ("kappa_clamping", Test::In(&[0])),
                why: "only \"direct_log_real_bounded\" and \"softplus_real_bounded\" clip their parameter: leave `kappa_clamping` out",
            },
            Rule {
                when: CORRELATED,
                needs: ("add_vertical_rq_spline_flow", Test::In(&[0])),
                why: "splines are correlated, or of z alone: leave one of the two out",
            },
            Rule {
                when: CORRELATED,
                needs: ("add_circular_rq_spline_flow", Test::In(&[0])),
                why: "splines are correlated, or of the azimuth alone: leave one of the two out",
            },
            of_free_splines("spline_num_basis_functions"),
            of_free_splines("vertical_smooth"),
            of_free_splines("vertical_restrict_max_min_width_height_ratio"),
            of_free_splines("vertical_fix_boundary_derivative"),
            of_free_splines("vertical_fix_first_width_n_height_to_zero"),
            of_free_splines("vertical_also_fix_second_width_to_zero"),
            of_free_splines("vertical_independent_width_height_parametrization"),
            idle("rotation_mode", UNTURNED, NO_ROTATION),
            idle("num_householder_iter", UNTURNED, NO_ROTATION),
            idle("num_householder_iter", NOT_REFLECTIONS, NO_REFLECTIONS),
        ],
        doc: "von Mises-Fisher concentration and a rotation, with splines in z and in the azimuth if wanted",
    },
    Letter {
        letter: 'v',
        type_name: "ExponentialMap",
        arguments: &[],
        on: &[S2],
        parameters: Parameters::Always,
        options: &[
            choice(
                "exp_map_type",
                &["linear", "quadratic", "splines", "exponential"],
                "exponential",
                "how strongly a component pulls, as a function of the cosine of the angle to its mean",
            ),
            count("num_components", MANY, 10, "components of the potential"),
            flag(
                "natural_direction",
                false,
                "1: sampling is the closed formula and evaluation a search; 0: the opposite",
            ),
            flag("add_rotation", false, "a rotation of the sphere"),
            count("max_num_newton_iter", MOST_STEPS, 1000, "points that the search looks at before it gives up"),
            choice(
                "mean_parametrization",
                &["old", "householder"],
                "old",
                "means as vectors, whose lengths bound the weights, or as reflections beside a bound of its own",
            ),
        ],
        rules: &[],
        doc: "each point moved along the gradient of a sum of potentials about some directions",
    },
    Letter {
        letter: 'n',
        type_name: "SegmentedSphere",
        arguments: &[],
        on: &[S2, S],
        parameters: Parameters::Always,
        options: &[
            flag("add_rotation", true, "a rotation of the sphere"),
            choice(
                "rotation_mode",
                &["householder", "angles"],
                "householder",
                "reflections (one on `s2`) or plane rotations",
            ),
            count("num_basis_functions", MANY, 10, "Moebius components in the azimuth"),
            Opt {
                name: "zenith_type_layers",
                kind: Kind::Letters { of: "rgxz", same: true, most: 8 },
                default: Value::Text("r"),
                doc: "the chain for each polar angle: splines, Gaussianisation, or (`x`, `z`) nothing",
            },
            Opt {
                name: "hidden_dims",
                kind: Kind::Widths,
                default: Value::Text("64"),
                doc: "hidden layers of the networks from the azimuth, and further angles on higher spheres, to the parameters of a polar angle",
            },
            count_or_minus_one(
                "max_rank",
                MANY,
                -1,
                "rank of these networks' matrices, where it saves numbers; -1: full",
            ),
            Opt {
                name: "highway_mode",
                kind: Kind::Int { least: 0, most: 4, or_minus_one: false },
                default: Value::Int(0),
                doc: "0: one net; beside a linear map 1: one net, 2: a net for each hidden layer, 3: each reading the sum before it, 4: and \
                      the input",
            },
        ],
        rules: &[idle("rotation_mode", UNTURNED, NO_ROTATION)],
        doc: "the azimuth by Moebius maps, each polar angle given those before it by a chain of its own",
    },
    Letter {
        letter: 'y',
        type_name: "Orientation",
        arguments: &[],
        on: &[S1, S2, S],
        parameters: Parameters::If("add_rotation"),
        options: &[flag("add_rotation", false, "a rotation")],
        rules: &[],
        doc: "the identity, or a rotation of the circle or a sphere",
    },
    Letter {
        letter: 'c',
        type_name: "ContinuousFlow",
        arguments: &[],
        on: &[E, S1, S2, S],
        parameters: Parameters::Always,
        options: &[
            Opt {
                name: "cnf_network_hidden_dims",
                kind: Kind::Widths,
                default: Value::Text("32"),
                doc: "hidden layers of the network that is the velocity field",
            },
            only("cnf_network_highway_mode", 0, "connections past that network's layers: none"),
            only("cnf_network_rank", -1, "rank of that network's matrices: the full one"),
            choice(
                "solver",
                &["dopri5", "rk4"],
                "dopri5",
                "steps by error control, each point for itself, or equal steps",
            ),
            positive("rtol", 1e-7, "error of a step of dopri5, relative to a coordinate"),
            positive("atol", 1e-7, "error of a step of dopri5 on top of that"),
            count("max_steps", MANY, 256, "most steps of dopri5"),
            count("steps", MANY, 32, "steps of rk4"),
            choice(
                "gradients",
                &["discrete", "adjoint"],
                "discrete",
                "derivatives of the steps taken, or by the adjoint equation",
            ),
            count("checkpoints", MANY, 4, "positions kept for the adjoint equation"),
            choice(
                "divergence",
                &["exact", "hutchinson"],
                "exact",
                "one tangent a coordinate, or an estimate from fixed directions",
            ),
            count("probes", MANY, 4, "directions of that estimate"),
        ],
        rules: &[
            of_dopri5("rtol"),
            of_dopri5("atol"),
            of_dopri5("max_steps"),
            Rule {
                when: &[("solver", Test::In(&[0]))],
                needs: ("steps", Test::Default),
                why: "dopri5 chooses its steps: give `rtol` and `atol`, or write `solver = \"rk4\"`",
            },
            Rule {
                when: &[("gradients", Test::In(&[0]))],
                needs: ("checkpoints", Test::Default),
                why: "discrete derivatives keep every step: leave it out, or write `gradients = \"adjoint\"`",
            },
            Rule {
                when: &[("divergence", Test::In(&[0]))],
                needs: ("probes", Test::Default),
                why: "the exact divergence has no probes: leave it out, or write `divergence = \"hutchinson\"`",
            },
        ],
        doc: "a continuous flow: the solution of a differential equation whose velocity field is a network",
    },
    Letter {
        letter: 'w',
        type_name: "BoxFlow",
        arguments: &[Argument::Dim],
        on: &[A],
        parameters: Parameters::Always,
        options: &[],
        rules: &[],
        doc: "splines of each share of what is left, given the shares before it by small networks",
    },
    Letter {
        letter: 'u',
        type_name: "GumbelSoftmax",
        arguments: &[Argument::Dim],
        on: &[A],
        parameters: Parameters::Always,
        options: &[],
        rules: &[],
        doc: "log-ratios of shares by their Gumbel distribution function",
    },
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

impl core::fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Value::Int(number) => write!(f, "{number}"),
            Value::Float(number) if number.abs() < 1e-3 && *number != 0.0 => write!(f, "{number:e}"),
            Value::Float(number) => write!(f, "{number}"),
            Value::Flag(set) => write!(f, "{set}"),
            Value::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl Kind {
    /// The code of a value in the option's type, which `flow_runtime::layers::decode` undoes; `None` for a value that
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
                fits.then(|| bytes(text))
            }
            (Kind::Widths, Value::Text(text)) => {
                let width = |part: &str| {
                    part.bytes().all(|byte| byte.is_ascii_digit())
                        && part.parse().is_ok_and(|width| (1..=MANY).contains(&width))
                };
                (text.len() <= LONGEST_TEXT && text.split('-').all(width)).then(|| bytes(text))
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
            Kind::Widths => format!("a text of widths such as \"64-32\", of at most {LONGEST_TEXT} characters"),
        }
    }
}

/// The bits of a number; the two zeros are one.
fn bits(number: f64) -> u128 {
    u128::from((number + 0.0).to_bits())
}

/// The bytes of a short text, the first the lowest.
fn bytes(text: &str) -> u128 {
    text.bytes().rev().fold(0, |code, byte| code << 8 | u128::from(byte))
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

/// The table as the README shows it.
pub fn markdown() -> String {
    let mut page = String::from("| manifold | what it is |\n|---|---|\n");
    for row in MANIFOLDS {
        page += &format!("| {} | {} |\n", row.notation(), row.doc);
    }
    page += "\n| letter | acts on | what it is |\n|---|---|---|\n";
    for row in LETTERS {
        let on: Vec<_> = MANIFOLDS.iter().filter(|m| row.on.contains(&m.key)).map(Manifold::notation).collect();
        page += &format!("| `{}` | {} | {} |\n", row.letter, on.join("; "), row.doc);
    }
    for row in LETTERS.iter().filter(|row| !row.options.is_empty()) {
        page += &format!("\nOptions of `{}`:\n\n{}", row.letter, options_markdown(row));
    }
    page
}

/// The options of a letter as a Markdown table.
// For tests that compare pages with this table.
#[allow(dead_code)]
pub fn options_markdown(row: &Letter) -> String {
    let mut page = String::from("| option | values | default | meaning |\n|---|---|---|---|\n");
    for Opt { name, kind, default, doc } in row.options {
        page += &format!("| `{name}` | {} | `{default}` | {doc} |\n", kind.expects());
    }
    page
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

    #[test]
    fn the_page_lists_everything() {
        let page = markdown();
        for row in LETTERS {
            assert!(page.contains(&format!("| `{}` |", row.letter)));
            for option in row.options {
                assert!(page.contains(&format!("| `{}` |", option.name)));
            }
        }
        assert!(page.contains("| `e1`, `e2`, .. | Euclidean space: D coordinates |"));
        assert!(
            page.contains("| `num_kde` | a whole number from 1 to 4096 | `10` | mixture components per dimension |")
        );
        assert!(page.contains("| `s3`, `s4`, .. | spheres") && page.contains("| `y` | `s1`; `s2`; `s3`, `s4`, .. |"));
        assert!(page.contains("| `i1` | the interval") && page.contains("| `w` | `a1`, `a2`, .. |"));
        assert!(!page.contains("Options of `z`"));
        assert!(page.contains("| `min_kappa` | a number above 0 | `1e-10` | smallest concentration |"));
    }
}
