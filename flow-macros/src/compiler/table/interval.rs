//! Letters of the interval.

use super::options::*;
use super::*;

pub const R: Letter = Letter {
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
            when: &[("fix_first_width_n_height_to_zero", Test::In(&[1])), ("fix_boundary_derivatives", Test::Positive)],
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
};

pub const Z: Letter = Letter {
    letter: 'z',
    type_name: "IntervalIdentity",
    arguments: &[],
    on: &[I1],
    parameters: Parameters::Never,
    options: &[],
    rules: &[],
    doc: "the identity",
};
