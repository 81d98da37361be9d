//! Letters of Euclidean space.

use super::declare::{choices, options};
use super::rules::*;
use super::{Argument, E, Letter, Parameters, Rule, Test};

choices! {
    /// What the mixture's distribution function is mapped to.
    pub enum InverseFunction {
        /// The logit: a logistic variable.
        Isigmoid = "isigmoid",
        /// The normal quantile, by Winitzki's approximation in the far tails (published).
        InormalPartlyPrecise = "inormal_partly_precise",
        /// The normal quantile by Winitzki's approximation everywhere (published).
        InormalFullPade = "inormal_full_pade",
        /// The normal quantile, by a cruder approximation in the far tails (published).
        InormalPartlyCrude = "inormal_partly_crude",
        /// The normal quantile, exact in tails of any depth.
        Inormal = "inormal",
    }
}

choices! {
    /// How layer g rotates.
    pub enum RotationMode {
        /// Householder reflections.
        Householder = "householder",
        /// Givens angles.
        Angles = "angles",
        /// Not at all.
        None = "none",
        /// Not a rotation: a product of triangular matrices of determinant one.
        TriangularCombination = "triangular_combination",
        /// The Cayley map of a skew-symmetric matrix.
        Cayley = "cayley",
    }
}

choices! {
    /// What acts on each coordinate after the rotation.
    pub enum StretchType {
        /// The distribution function of a mixture.
        Classic = "classic",
        /// A rational-quadratic spline with straight tails.
        RqSplines = "rq_splines",
    }
}

options! {
    /// Options of layer g.
    pub struct GaussianizationOptions, settings in g {
        /// Mixture components (or spline bins) per dimension.
        num_kde: i64 = 10, count(MANY);
        /// Components have weights of their own.
        fit_normalization: bool = true;
        /// The weights are bounded.
        regulate_normalization: bool = true;
        /// Smallest unnormalised weight.
        lower_bound_for_norms: f64 = 1.0, POSITIVE;
        /// Greatest unnormalised weight, on top of the smallest.
        upper_bound_for_norms: f64 = 10.0, POSITIVE;
        /// What maps the mixture's distribution function to the line: the logit, or the normal quantile, exact ("inormal",
        /// recommended) or by a published approximation.
        inverse_function_type: InverseFunction = "isigmoid";
        /// The first g of a chain takes the normal quantile.
        replace_first_sigmoid_with_icdf: bool = true;
        /// Leave out the offset that the last layer of a Euclidean chain adds.
        skip_model_offset: bool = false;
        /// Widths by a softplus instead of an exponential.
        softplus_for_width: bool = false;
        /// Clip raw widths before they are regulated.
        clamp_widths: bool = false;
        /// Widths approach their bounds smoothly.
        width_smooth_saturation: bool = true;
        /// Smallest width.
        lower_bound_for_widths: f64 = 0.01, POSITIVE;
        /// Greatest width, on top of the smallest; -1: none.
        upper_bound_for_widths: f64 = 100.0, POSITIVE_OR_MINUS_ONE;
        /// The rotation before the mixtures: reflections, plane rotations, none, triangular matrices of determinant one,
        /// or the Cayley map of a skew-symmetric matrix.
        rotation_mode: RotationMode = "householder";
        /// Number of reflections; -1: as many as there are dimensions.
        num_householder_iter: i64 = -1, count_or_minus_one(MANY);
        /// The last mean of a mixture follows from the others.
        center_mean: bool = false;
        /// Components are skewed, each by a parameter of its own.
        add_skewness: bool = false;
        /// What acts on each coordinate after the rotation: a mixture, or a spline with straight tails and `num_kde` bins.
        nonlinear_stretch_type: StretchType = "classic";
    }
}

pub(crate) const G: Letter = Letter {
    letter: 'g',
    type_name: "Gaussianization",
    arguments: &[Argument::Dim, Argument::Place],
    on: &[E],
    parameters: Parameters::Always,
    options: GaussianizationOptions::TABLE,
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

choices! {
    /// Structure of the matrix L.
    pub enum CovType {
        /// L is the identity.
        Identity = "identity",
        /// L is a multiple of the identity.
        DiagonalSymmetric = "diagonal_symmetric",
        /// L is diagonal.
        Diagonal = "diagonal",
        /// L is lower triangular.
        Full = "full",
    }
}

options! {
    /// Options of layer t.
    pub struct AffineOptions, settings in t {
        /// The matrix: the identity, one number, a diagonal, or lower triangular.
        cov_type: CovType = "diagonal";
        /// Leave out the offset that the last layer of a Euclidean chain adds.
        skip_model_offset: bool = false;
        /// Widths by a softplus instead of an exponential.
        softplus_for_width: bool = false;
        /// Clip raw widths before they are regulated.
        clamp_widths: bool = false;
        /// Widths approach their bounds smoothly.
        width_smooth_saturation: bool = true;
        /// Smallest width.
        lower_bound_for_widths: f64 = 0.01, POSITIVE;
        /// Greatest width, on top of the smallest; -1: none.
        upper_bound_for_widths: f64 = 100.0, POSITIVE_OR_MINUS_ONE;
    }
}

pub(crate) const T: Letter = Letter {
    letter: 't',
    type_name: "Affine",
    arguments: &[Argument::Dim, Argument::Place],
    on: &[E],
    parameters: Parameters::Unless("cov_type", "identity"),
    options: AffineOptions::TABLE,
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

options! {
    /// Options of layer x.
    pub struct IdentityOptions, settings in x {
        /// Add an offset.
        add_offset: bool = false;
    }
}

pub(crate) const X: Letter = Letter {
    letter: 'x',
    type_name: "Identity",
    arguments: &[Argument::Dim],
    on: &[E],
    parameters: Parameters::If("add_offset"),
    options: IdentityOptions::TABLE,
    rules: &[],
    doc: "the identity, or an offset",
};
