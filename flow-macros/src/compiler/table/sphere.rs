//! Letters of the sphere and of higher spheres.

use super::options::*;
use super::values::LONGEST_TEXT;
use super::*;

pub const F: Letter = Letter {
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
            needs: ("vertical_restrict_max_min_width_height_ratio", Test::Above("spline_num_basis_functions", -3.0)),
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
};

pub const V: Letter = Letter {
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
        flag("natural_direction", false, "1: sampling is the closed formula and evaluation a search; 0: the opposite"),
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
};

pub const N: Letter = Letter {
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
        count_or_minus_one("max_rank", MANY, -1, "rank of these networks' matrices, where it saves numbers; -1: full"),
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
};

pub const Y: Letter = Letter {
    letter: 'y',
    type_name: "Orientation",
    arguments: &[],
    on: &[S1, S2, S],
    parameters: Parameters::If("add_rotation"),
    options: &[flag("add_rotation", false, "a rotation")],
    rules: &[],
    doc: "the identity, or a rotation of the circle or a sphere",
};
