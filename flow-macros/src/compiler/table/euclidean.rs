//! Letters of Euclidean space.

use super::options::*;
use super::*;

pub const G: Letter = Letter {
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
};

pub const T: Letter = Letter {
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
};

pub const X: Letter = Letter {
    letter: 'x',
    type_name: "Identity",
    arguments: &[Argument::Dim],
    on: &[E],
    parameters: Parameters::If("add_offset"),
    options: &[flag("add_offset", false, "add an offset")],
    rules: &[],
    doc: "the identity, or an offset",
};
