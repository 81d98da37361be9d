//! Options and rules that are written in one way wherever they occur.

use super::{Kind, Opt, Rule, Test, Value};

/// More components than this are a slip of the keyboard, and would make arrays that do not fit a stack.
pub const MANY: i64 = 4096;

/// Longer than this nobody waits for a search.
pub const MOST_STEPS: i64 = 1_000_000;

pub const fn flag(name: &'static str, default: bool, doc: &'static str) -> Opt {
    Opt { name, kind: Kind::Flag, default: Value::Int(default as i64), doc }
}

pub const fn count(name: &'static str, most: i64, default: i64, doc: &'static str) -> Opt {
    Opt { name, kind: Kind::Int { least: 1, most, or_minus_one: false }, default: Value::Int(default), doc }
}

pub const fn count_or_minus_one(name: &'static str, most: i64, default: i64, doc: &'static str) -> Opt {
    Opt { name, kind: Kind::Int { least: 1, most, or_minus_one: true }, default: Value::Int(default), doc }
}

pub const fn positive(name: &'static str, default: f64, doc: &'static str) -> Opt {
    Opt { name, kind: Kind::Positive { or_minus_one: false }, default: Value::Float(default), doc }
}

pub const fn positive_or_minus_one(name: &'static str, default: f64, doc: &'static str) -> Opt {
    Opt { name, kind: Kind::Positive { or_minus_one: true }, default: Value::Float(default), doc }
}

pub const fn only(name: &'static str, value: i64, doc: &'static str) -> Opt {
    Opt { name, kind: Kind::Only(value), default: Value::Int(value), doc }
}

pub const fn choice(name: &'static str, of: &'static [&'static str], default: &'static str, doc: &'static str) -> Opt {
    Opt { name, kind: Kind::Choice(of), default: Value::Text(default), doc }
}

pub const SKIP_MODEL_OFFSET: Opt =
    flag("skip_model_offset", false, "leave out the offset that the last layer of a Euclidean chain adds");
pub const SOFTPLUS_FOR_WIDTH: Opt = flag("softplus_for_width", false, "widths by a softplus instead of an exponential");
pub const CLAMP_WIDTHS: Opt = flag("clamp_widths", false, "clip raw widths before they are regulated");
pub const WIDTH_SMOOTH_SATURATION: Opt = flag("width_smooth_saturation", true, "widths approach their bounds smoothly");
pub const LOWER_BOUND_FOR_WIDTHS: Opt = positive("lower_bound_for_widths", 0.01, "smallest width");
pub const UPPER_BOUND_FOR_WIDTHS: Opt =
    positive_or_minus_one("upper_bound_for_widths", 100.0, "greatest width, on top of the smallest; -1: none");
pub const NUM_HOUSEHOLDER_ITER: Opt =
    count_or_minus_one("num_householder_iter", MANY, -1, "number of reflections; -1: as many as there are dimensions");

pub const SMOOTH_WIDTHS_ARE_BOUNDED: Rule = Rule {
    when: &[("width_smooth_saturation", Test::In(&[1]))],
    needs: ("upper_bound_for_widths", Test::Positive),
    why: "a smooth saturation needs a bound to approach: give one, or write `width_smooth_saturation = 0`",
};
pub const WIDTHS_ARE_ORDERED: Rule = Rule {
    when: &[("upper_bound_for_widths", Test::Positive)],
    needs: ("upper_bound_for_widths", Test::Above("lower_bound_for_widths", 0.0)),
    why: "the bounds of the widths are the wrong way round",
};

pub const SLOPE_EXCEEDS_LEAST: Rule = Rule {
    when: &[("fix_boundary_derivatives", Test::Positive)],
    needs: ("fix_boundary_derivatives", Test::Above("min_derivative", 0.0)),
    why: "a fixed slope must exceed the smallest one: raise it, or write -1 for free slopes",
};
pub const SECOND_AFTER_FIRST: Rule = Rule {
    when: &[("also_fix_second_width_to_zero", Test::In(&[1]))],
    needs: ("fix_first_width_n_height_to_zero", Test::In(&[1])),
    why: "the second follows the first: write `fix_first_width_n_height_to_zero = 1` too",
};
pub const SECOND_OF_ONE: Rule = Rule {
    when: &[("also_fix_second_width_to_zero", Test::In(&[1]))],
    needs: ("num_basis_functions", Test::NotIn(&[1])),
    why: "one bin has no second width: write at least 2 bins",
};

/// Layer o is smooth around the circle.
pub const SMOOTH: &[(&str, Test)] = &[("smooth_second_derivative", Test::In(&[1]))];

/// Layer g has splines instead of mixtures.
pub const SPLINES: &[(&str, Test)] = &[("nonlinear_stretch_type", Test::In(&[1]))];

/// An option of g that says something about mixtures only.
pub const fn of_mixtures(name: &'static str) -> Rule {
    Rule {
        when: SPLINES,
        needs: (name, Test::Default),
        why: "splines have no mixture for it to act on: leave it out, or write `nonlinear_stretch_type = \"classic\"`",
    }
}

/// An option that says something only where `when` does not hold.
pub const fn idle(name: &'static str, when: &'static [(&'static str, Test)], why: &'static str) -> Rule {
    Rule { when, needs: (name, Test::Default), why }
}

/// Layer g has components of equal weight.
pub const EQUAL_WEIGHTS: &[(&str, Test)] = &[("fit_normalization", Test::In(&[0]))];
pub const NO_WEIGHTS: &str = "components of equal weight have none to bound: leave it out, or `fit_normalization = 0`";

/// Layer g leaves its weights free.
pub const FREE_WEIGHTS: &[(&str, Test)] = &[("regulate_normalization", Test::In(&[0]))];
pub const NO_WEIGHT_BOUNDS: &str = "free weights have no bounds: leave it out, or `regulate_normalization = 0`";

/// Layer t has no widths.
pub const UNIT_WIDTHS: &[(&str, Test)] = &[("cov_type", Test::In(&[0]))];
pub const NO_WIDTHS: &str = "the identity has no widths: leave it out, or write another `cov_type`";

/// A rotation is not made of reflections.
pub const NOT_REFLECTIONS: &[(&str, Test)] = &[("rotation_mode", Test::NotIn(&[0]))];
pub const NO_REFLECTIONS: &str = "only \"householder\" is made of reflections: leave the number out";

/// There is no rotation.
pub const UNTURNED: &[(&str, Test)] = &[("add_rotation", Test::In(&[0]))];
pub const NO_ROTATION: &str = "there is no rotation: leave it out, or write `add_rotation = 1`";

/// Layer f has no splines in z, none in the azimuth, none that are correlated, or none at all.
pub const NO_VERTICAL: &[(&str, Test)] =
    &[("add_vertical_rq_spline_flow", Test::In(&[0])), ("add_correlated_rq_spline_flow", Test::In(&[0]))];
pub const NO_CIRCULAR: &[(&str, Test)] =
    &[("add_circular_rq_spline_flow", Test::In(&[0])), ("add_correlated_rq_spline_flow", Test::In(&[0]))];
pub const NO_CORRELATED: &[(&str, Test)] = &[("add_correlated_rq_spline_flow", Test::In(&[0]))];
pub const NO_SPLINES: &[(&str, Test)] = &[
    ("add_vertical_rq_spline_flow", Test::In(&[0])),
    ("add_circular_rq_spline_flow", Test::In(&[0])),
    ("add_correlated_rq_spline_flow", Test::In(&[0])),
];

/// An option of f that says something about splines in z only.
pub const fn of_vertical(name: &'static str) -> Rule {
    idle(name, NO_VERTICAL, "there are no splines in z: write `add_vertical_rq_spline_flow = 1` too, or leave it out")
}

/// An option of f that says something about splines of any kind.
pub const fn of_splines(name: &'static str) -> Rule {
    idle(
        name,
        NO_SPLINES,
        "there are no splines: write `add_vertical_rq_spline_flow = 1` or `add_circular_rq_spline_flow = 1` too, or leave it out",
    )
}

/// An option of c that says something about dopri5 only.
pub const fn of_dopri5(name: &'static str) -> Rule {
    Rule {
        when: &[("solver", Test::In(&[1]))],
        needs: (name, Test::Default),
        why: "rk4 has no error control: give `steps`, or write `solver = \"dopri5\"`",
    }
}

// Choices of layer f's `kappa_prediction` that take the concentration from the rotation.
pub const KAPPA_OF_XYZ: Test = Test::In(&[3, 4]);
pub const KAPPA_OF_QUATERNION: Test = Test::In(&[5, 6]);
pub const KAPPA_OF_ROTATION: Test = Test::In(&[3, 4, 5, 6]);

/// Layer f has correlated splines.
pub const CORRELATED: &[(&str, Test)] = &[("add_correlated_rq_spline_flow", Test::In(&[1]))];

/// An option of f that says something about splines with parameters of their own only.
pub const fn of_free_splines(name: &'static str) -> Rule {
    Rule {
        when: CORRELATED,
        needs: (name, Test::Default),
        why: "correlated splines have five bins in z and two in the azimuth, with free ends: leave it out",
    }
}
