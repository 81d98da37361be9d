//! Letters of the sphere and of higher spheres.

use super::declare::{choices, options};
use super::rules::*;
use super::{Kind, Letter, Parameters, Rule, S, S1, S2, Test, Text};

choices! {
    /// How the concentration is predicted.
    pub enum KappaPrediction {
        /// kappa = e^p + min_kappa.
        DirectLogRealBounded = "direct_log_real_bounded",
        /// kappa = ln(1 + e^p) + min_kappa.
        SoftplusRealBounded = "softplus_real_bounded",
        /// kappa = (1 + e^p) min_kappa.
        LogBounded = "log_bounded",
        /// The length of the vector that the rotation takes +z to.
        Mu = "mu",
        /// The square of that.
        MuSquared = "mu_squared",
        /// The length of the vector part of the rotation's quaternion.
        Quatvec = "quatvec",
        /// The square of that.
        QuatvecSquared = "quatvec_squared",
    }
}

choices! {
    /// How layer f rotates.
    pub enum FisherRotation {
        /// Householder reflections.
        Householder = "householder",
        /// Three plane rotations (Givens angles).
        Angles = "angles",
        /// The shortest way from +z to a vector.
        Xyz = "xyz",
        /// A quaternion (scalar part first).
        Quaternion = "quaternion",
    }
}

options! {
    /// Options of layer f.
    pub struct FisherOptions, settings in f {
        /// Smallest concentration.
        min_kappa: f64 = 1e-10, POSITIVE;
        /// The concentration: from a parameter of its own by an exponential or a softplus above `min_kappa`, or as a multiple of
        /// `min_kappa`; or the length (squared) of the vector of rotation "xyz", of the vector part of the quaternion.
        kappa_prediction: KappaPrediction = "direct_log_real_bounded";
        /// Clip the raw concentration from below at -5.
        kappa_clamping: bool = false;
        /// Concentrate around -z instead of +z before the rotation.
        inverse_z_scaling: bool = true;
        /// A rotation of the sphere.
        add_rotation: bool = true;
        /// Reflections, plane rotations, the shortest way from +z to a vector, or a quaternion.
        rotation_mode: FisherRotation = "householder";
        /// Number of reflections; -1: 3.
        num_householder_iter: i64 = -1, count_or_minus_one(MANY);
        /// Splines in z = cos theta.
        add_vertical_rq_spline_flow: bool = false;
        /// The chain of these splines; `z` leaves z as it is.
        vertical_flow_defs: Text = "rr", Kind::Letters { of: "rz", same: false, most: Text::MOST };
        /// Bins of a spline; -1: 2 and 3 in turn.
        spline_num_basis_functions: i64 = 5, count_or_minus_one(MANY);
        /// Splines with a continuous second derivative.
        vertical_smooth: bool = false;
        /// Greatest ratio of two widths or heights; -1: none.
        vertical_restrict_max_min_width_height_ratio: f64 = -1.0, POSITIVE_OR_MINUS_ONE;
        /// Slope 1 at the ends of the splines in z.
        vertical_fix_boundary_derivative: bool = true;
        /// The first raw width and height are 0, not parameters.
        vertical_fix_first_width_n_height_to_zero: bool = false;
        /// The second raw width is 0 too.
        vertical_also_fix_second_width_to_zero: bool = false;
        /// Raw heights are given relative to raw widths.
        vertical_independent_width_height_parametrization: bool = false;
        /// Splines in the azimuth, faded out at the poles.
        add_circular_rq_spline_flow: bool = false;
        /// The chain of these splines.
        circular_flow_defs: Text = "oo", Kind::Letters { of: "o", same: true, most: Text::MOST };
        /// A rotation inside these splines would tear the poles.
        circular_add_rotation: i64 = 0, Kind::Only(0);
        /// Splines in z, and in the azimuth by a network of z; tears the poles.
        add_correlated_rq_spline_flow: bool = false;
        /// Rank of that network's matrices; 0: the full one.
        correlated_max_rank: i64 = 3, Kind::Int { least: 0, most: MANY, or_minus_one: false };
        /// Height of the two polar caps that the splines leave alone.
        boundary_cos_theta_identity_region: f64 = 0.0, Kind::Fraction;
        /// A quarter turn between the concentration and the splines.
        add_extra_rotation_inbetween: bool = false;
    }
}

pub(crate) const F: Letter = Letter {
    letter: 'f',
    type_name: "FisherFlow",
    arguments: &[],
    on: &[S2],
    parameters: Parameters::Always,
    options: FisherOptions::TABLE,
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

choices! {
    /// The profile h of a component, as a function of c, the cosine of the angle to its mean.
    pub enum ExpMapType {
        /// h = 1.
        Linear = "linear",
        /// h = c.
        Quadratic = "quadratic",
        /// A rational-quadratic spline.
        Splines = "splines",
        /// h = e^(beta (c - 1)).
        Exponential = "exponential",
    }
}

choices! {
    /// How the direction of a component and the bound of its weight are parametrised.
    pub enum MeanParametrization {
        /// A vector: its direction and its length.
        Old = "old",
        /// Three reflections, and a number for the bound.
        Householder = "householder",
    }
}

options! {
    /// Options of layer v.
    pub struct ExponentialMapOptions, settings in v {
        /// How strongly a component pulls, as a function of the cosine of the angle to its mean.
        exp_map_type: ExpMapType = "exponential";
        /// Components of the potential.
        num_components: i64 = 10, count(MANY);
        /// 1: sampling is the closed formula and evaluation a search; 0: the opposite.
        natural_direction: bool = false;
        /// A rotation of the sphere.
        add_rotation: bool = false;
        /// Points that the search looks at before it gives up.
        max_num_newton_iter: i64 = 1000, count(MOST_STEPS);
        /// Means as vectors, whose lengths bound the weights, or as reflections beside a bound of its own.
        mean_parametrization: MeanParametrization = "old";
    }
}

pub(crate) const V: Letter = Letter {
    letter: 'v',
    type_name: "ExponentialMap",
    arguments: &[],
    on: &[S2],
    parameters: Parameters::Always,
    options: ExponentialMapOptions::TABLE,
    rules: &[],
    doc: "each point moved along the gradient of a sum of potentials about some directions",
};

choices! {
    /// How layer n rotates.
    pub enum SphereRotation {
        /// Householder reflections.
        Householder = "householder",
        /// Plane rotations (Givens angles), one for each pair of axes.
        Angles = "angles",
    }
}

options! {
    /// Options of layer n.
    pub struct SegmentedOptions, settings in n {
        /// A rotation of the sphere.
        add_rotation: bool = true;
        /// Reflections (one on `s2`) or plane rotations.
        rotation_mode: SphereRotation = "householder";
        /// Number of Moebius components in the azimuth.
        num_basis_functions: i64 = 10, count(MANY);
        /// The chain for each polar angle: splines, Gaussianisation, or (`x`, `z`) nothing.
        zenith_type_layers: Text = "r", Kind::Letters { of: "rgxz", same: true, most: 8 };
        /// Hidden layers of the networks from the azimuth, and further angles on higher spheres, to the parameters of a polar angle.
        hidden_dims: Text = "64", Kind::Widths;
        /// Rank of these networks' matrices, where it saves numbers; -1: full.
        max_rank: i64 = -1, count_or_minus_one(MANY);
        /// 0: one net; beside a linear map 1: one net, 2: a net for each hidden layer, 3: each reading the sum before it, 4: and
        /// the input.
        highway_mode: i64 = 0, Kind::Int { least: 0, most: 4, or_minus_one: false };
    }
}

pub(crate) const N: Letter = Letter {
    letter: 'n',
    type_name: "SegmentedSphere",
    arguments: &[],
    on: &[S2, S],
    parameters: Parameters::Always,
    options: SegmentedOptions::TABLE,
    rules: &[idle("rotation_mode", UNTURNED, NO_ROTATION)],
    doc: "the azimuth by Moebius maps, each polar angle given those before it by a chain of its own",
};

options! {
    /// Options of layer y.
    pub struct OrientationOptions, settings in y {
        /// A rotation.
        add_rotation: bool = false;
    }
}

pub(crate) const Y: Letter = Letter {
    letter: 'y',
    type_name: "Orientation",
    arguments: &[],
    on: &[S1, S2, S],
    parameters: Parameters::If("add_rotation"),
    options: OrientationOptions::TABLE,
    rules: &[],
    doc: "the identity, or a rotation of the circle or a sphere",
};
