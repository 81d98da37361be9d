//! Letters of the interval.

use super::declare::options;
use super::rules::*;
use super::{I1, Letter, Parameters, Rule, Test};

options! {
    /// Options of layer r.
    pub struct IntervalSplineOptions, settings in r {
        /// Number of bins.
        num_basis_functions: i64 = 5, count(MANY);
        /// Slope at both ends; -1: free.
        fix_boundary_derivatives: f64 = -1.0, POSITIVE_OR_MINUS_ONE;
        /// A continuous second derivative; for 2 and 3 bins.
        smooth_second_derivative: bool = false;
        /// Greatest ratio of two widths or heights; -1: none.
        restrict_max_min_width_height_ratio: f64 = -1.0, POSITIVE_OR_MINUS_ONE;
        /// The first raw width and height are 0, not parameters.
        fix_first_width_n_height_to_zero: bool = false;
        /// The second raw width is 0 too.
        also_fix_second_width_to_zero: bool = false;
        /// Raw heights are given relative to raw widths.
        independent_width_height_parametrization: bool = false;
        /// Smallest width, as a share of the interval.
        min_width: f64 = 1e-4, POSITIVE;
        /// Smallest height, as a share of the interval.
        min_height: f64 = 1e-4, POSITIVE;
        /// Smallest slope at a knot.
        min_derivative: f64 = 1e-4, POSITIVE;
    }
}

pub(crate) const R: Letter = Letter {
    letter: 'r',
    type_name: "IntervalSpline",
    arguments: &[],
    on: &[I1],
    parameters: Parameters::Always,
    options: IntervalSplineOptions::TABLE,
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

pub(crate) const Z: Letter = Letter {
    letter: 'z',
    type_name: "IntervalIdentity",
    arguments: &[],
    on: &[I1],
    parameters: Parameters::Never,
    options: &[],
    rules: &[],
    doc: "the identity",
};
