//! Letters of the circle.

use super::declare::options;
use super::rules::*;
use super::{Letter, Parameters, Rule, S1, Test};

options! {
    /// Options of layer m.
    pub struct CircleMoebiusOptions, settings in m {
        /// Number of Moebius components.
        num_basis_functions: i64 = 5, count(MANY);
        /// A rotation of the circle.
        add_rotation: bool = false;
        /// The formula is the forward map and evaluation searches; 0: the inverse is, and sampling searches.
        natural_direction: bool = false;
    }
}

pub(crate) const M: Letter = Letter {
    letter: 'm',
    type_name: "CircleMoebius",
    arguments: &[],
    on: &[S1],
    parameters: Parameters::Always,
    options: CircleMoebiusOptions::TABLE,
    rules: &[],
    doc: "a mixture of Moebius maps; the density is one of wrapped Cauchy densities",
};

options! {
    /// Options of layer o.
    pub struct CircleSplineOptions, settings in o {
        /// Number of bins.
        num_basis_functions: i64 = 2, count(MANY);
        /// A continuous second derivative; for 2 bins.
        smooth_second_derivative: bool = true;
        /// A rotation of the circle.
        add_rotation: bool = true;
        /// The spline is the forward map; 0: it is the inverse.
        natural_direction: bool = true;
        /// Slope at the angle 0 of a spline that is not smooth; -1: free.
        fix_boundary_derivatives: f64 = -1.0, POSITIVE_OR_MINUS_ONE;
        /// The first raw width and height are 0, not parameters.
        fix_first_width_n_height_to_zero: bool = false;
        /// The second raw width is 0 too.
        also_fix_second_width_to_zero: bool = false;
        /// Raw heights are given relative to raw widths.
        independent_width_height_parametrization: bool = false;
        /// Smallest width, as a share of the circle.
        min_width: f64 = 1e-4, POSITIVE;
        /// Smallest height, as a share of the circle.
        min_height: f64 = 1e-4, POSITIVE;
        /// Smallest slope at a knot of a spline that is not smooth.
        min_derivative: f64 = 1e-4, POSITIVE;
    }
}

pub(crate) const O: Letter = Letter {
    letter: 'o',
    type_name: "CircleSpline",
    arguments: &[],
    on: &[S1],
    parameters: Parameters::Always,
    options: CircleSplineOptions::TABLE,
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
};
