//! Letters of the circle.

use super::options::*;
use super::*;

pub const M: Letter = Letter {
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
};

pub const O: Letter = Letter {
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
};
