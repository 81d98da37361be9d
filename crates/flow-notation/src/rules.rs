//! Ranges of values, and rules, that are written in one way wherever they occur.

use super::{Kind, Rule, Test};

/// More components than this are a slip of the keyboard, and would make arrays that do not fit a stack.
pub(crate) const MANY: i64 = 4096;

/// Longer than this nobody waits for a search.
pub(crate) const MOST_STEPS: i64 = 1_000_000;

/// A whole number from 1.
pub(crate) const fn count(most: i64) -> Kind {
    Kind::Int { least: 1, most, or_minus_one: false }
}

/// A whole number from 1, or -1.
pub(crate) const fn count_or_minus_one(most: i64) -> Kind {
    Kind::Int { least: 1, most, or_minus_one: true }
}

/// A number above 0.
pub(crate) const POSITIVE: Kind = Kind::Positive { or_minus_one: false };

/// A number above 0, or -1.
pub(crate) const POSITIVE_OR_MINUS_ONE: Kind = Kind::Positive { or_minus_one: true };

pub(crate) const SMOOTH_WIDTHS_ARE_BOUNDED: Rule = Rule {
    when: &[("width_smooth_saturation", Test::In(&[1]))],
    needs: ("upper_bound_for_widths", Test::Positive),
    why: "a smooth saturation needs a bound to approach: give one, or write `width_smooth_saturation = 0`",
};
pub(crate) const WIDTHS_ARE_ORDERED: Rule = Rule {
    when: &[("upper_bound_for_widths", Test::Positive)],
    needs: ("upper_bound_for_widths", Test::Above("lower_bound_for_widths", 0.0)),
    why: "the bounds of the widths are the wrong way round",
};

pub(crate) const SLOPE_EXCEEDS_LEAST: Rule = Rule {
    when: &[("fix_boundary_derivatives", Test::Positive)],
    needs: ("fix_boundary_derivatives", Test::Above("min_derivative", 0.0)),
    why: "a fixed slope must exceed the smallest one: raise it, or write -1 for free slopes",
};
pub(crate) const SECOND_AFTER_FIRST: Rule = Rule {
    when: &[("also_fix_second_width_to_zero", Test::In(&[1]))],
    needs: ("fix_first_width_n_height_to_zero", Test::In(&[1])),
    why: "the second follows the first: write `fix_first_width_n_height_to_zero = 1` too",
};
pub(crate) const SECOND_OF_ONE: Rule = Rule {
    when: &[("also_fix_second_width_to_zero", Test::In(&[1]))],
    needs: ("num_basis_functions", Test::NotIn(&[1])),
    why: "one bin has no second width: write at least 2 bins",
};

/// Layer o is smooth around the circle.
pub(crate) const SMOOTH: &[(&str, Test)] = &[("smooth_second_derivative", Test::In(&[1]))];

/// Layer g has splines instead of mixtures.
pub(crate) const SPLINES: &[(&str, Test)] = &[("nonlinear_stretch_type", Test::In(&[1]))];

/// An option of g that says something about mixtures only.
pub(crate) const fn of_mixtures(name: &'static str) -> Rule {
    Rule {
        when: SPLINES,
        needs: (name, Test::Default),
        why: "splines have no mixture for it to act on: leave it out, or write `nonlinear_stretch_type = \"classic\"`",
    }
}

/// An option that says something only where `when` does not hold.
pub(crate) const fn idle(name: &'static str, when: &'static [(&'static str, Test)], why: &'static str) -> Rule {
    Rule { when, needs: (name, Test::Default), why }
}

/// Layer g has components of equal weight.
pub(crate) const EQUAL_WEIGHTS: &[(&str, Test)] = &[("fit_normalization", Test::In(&[0]))];
pub(crate) const NO_WEIGHTS: &str =
    "components of equal weight have none to bound: leave it out, or `fit_normalization = 0`";

/// Layer g leaves its weights free.
pub(crate) const FREE_WEIGHTS: &[(&str, Test)] = &[("regulate_normalization", Test::In(&[0]))];
pub(crate) const NO_WEIGHT_BOUNDS: &str = "free weights have no bounds: leave it out, or `regulate_normalization = 0`";

/// Layer t has no widths.
pub(crate) const UNIT_WIDTHS: &[(&str, Test)] = &[("cov_type", Test::In(&[0]))];
pub(crate) const NO_WIDTHS: &str = "the identity has no widths: leave it out, or write another `cov_type`";

/// A rotation is not made of reflections.
pub(crate) const NOT_REFLECTIONS: &[(&str, Test)] = &[("rotation_mode", Test::NotIn(&[0]))];
pub(crate) const NO_REFLECTIONS: &str = "only \"householder\" is made of reflections: leave the number out";

/// There is no rotation.
pub(crate) const UNTURNED: &[(&str, Test)] = &[("add_rotation", Test::In(&[0]))];
pub(crate) const NO_ROTATION: &str = "there is no rotation: leave it out, or write `add_rotation = 1`";

/// Layer f has no splines in z, none in the azimuth, none that are correlated, or none at all.
pub(crate) const NO_VERTICAL: &[(&str, Test)] =
    &[("add_vertical_rq_spline_flow", Test::In(&[0])), ("add_correlated_rq_spline_flow", Test::In(&[0]))];
pub(crate) const NO_CIRCULAR: &[(&str, Test)] =
    &[("add_circular_rq_spline_flow", Test::In(&[0])), ("add_correlated_rq_spline_flow", Test::In(&[0]))];
pub(crate) const NO_CORRELATED: &[(&str, Test)] = &[("add_correlated_rq_spline_flow", Test::In(&[0]))];
pub(crate) const NO_SPLINES: &[(&str, Test)] = &[
    ("add_vertical_rq_spline_flow", Test::In(&[0])),
    ("add_circular_rq_spline_flow", Test::In(&[0])),
    ("add_correlated_rq_spline_flow", Test::In(&[0])),
];

/// An option of f that says something about splines in z only.
pub(crate) const fn of_vertical(name: &'static str) -> Rule {
    idle(name, NO_VERTICAL, "there are no splines in z: write `add_vertical_rq_spline_flow = 1` too, or leave it out")
}

/// An option of f that says something about splines of any kind.
pub(crate) const fn of_splines(name: &'static str) -> Rule {
    idle(
        name,
        NO_SPLINES,
        "there are no splines: write `add_vertical_rq_spline_flow = 1` or `add_circular_rq_spline_flow = 1` too, or leave it out",
    )
}

/// An option of c that says something about dopri5 only.
pub(crate) const fn of_dopri5(name: &'static str) -> Rule {
    Rule {
        when: &[("solver", Test::In(&[1]))],
        needs: (name, Test::Default),
        why: "rk4 has no error control: give `steps`, or write `solver = \"dopri5\"`",
    }
}

// Choices of layer f's `kappa_prediction` that take the concentration from the rotation.
pub(crate) const KAPPA_OF_XYZ: Test = Test::In(&[3, 4]);
pub(crate) const KAPPA_OF_QUATERNION: Test = Test::In(&[5, 6]);
pub(crate) const KAPPA_OF_ROTATION: Test = Test::In(&[3, 4, 5, 6]);

/// Layer f has correlated splines.
pub(crate) const CORRELATED: &[(&str, Test)] = &[("add_correlated_rq_spline_flow", Test::In(&[1]))];

/// An option of f that says something about splines with parameters of their own only.
pub(crate) const fn of_free_splines(name: &'static str) -> Rule {
    Rule {
        when: CORRELATED,
        needs: (name, Test::Default),
        why: "correlated splines have five bins in z and two in the azimuth, with free ends: leave it out",
    }
}
