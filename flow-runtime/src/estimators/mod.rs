//! Differentiable expectation values, and the statistics of a density.
//!
//! Every estimator works for any density, conditional or not, on any product of manifolds; takes the random generator it draws with; works on all
//! conditions at once; and returns values with standard errors. Most come in two forms: a plain one, numbers from a [`Density`](crate::Density), and one
//! whose name ends in `_traced`, a tensor on the tape from a [`TracedDensity`](crate::TracedDensity), for use in a loss.
//!
//! | | plain | on the tape |
//! |---|---|---|
//! | any expectation | [`expectation()`], [`expectations`], [`expectation_controlled`] | [`expectation_traced`], [`expectation_embedded_traced`], [`expectation_controlled_traced`] |
//! | moments | [`moment`], [`covariance()`] | [`moment_traced`], [`covariance_traced`] |
//! | directions | [`direction`], [`kent()`] | [`mean_direction_traced`], [`resultant_length_traced`], [`concentration_traced`], [`kent_traced`] |
//! | quantiles, regions | [`quantiles`], [`highest_density`] | [`quantile_traced`], [`highest_density_level_traced`], [`highest_density_volume_traced`] |
//! | entropy | [`entropy()`], [`conditional_entropy`], [`marginal_entropy`], [`mutual_information`] | [`entropy_traced`], [`conditional_entropy_traced`], [`marginal_entropy_traced`], [`mutual_information_traced`] |
//! | two densities | [`cross_entropy`], [`kl_divergence`] | [`cross_entropy_traced`], [`kl_divergence_traced`] |
//! | maps of equal area | `equal_area_map` (feature `healpix`) | cells: `log_prob` of their centres; areas: [`highest_density_volume_traced`] |
//! | unnormalised targets | [`importance`], [`importance_expectation`], [`reverse_kl`] | [`log_normalisation_traced`], [`importance_expectation_traced`], [`reverse_kl_traced`] |
//! | calibration | [`base_coverage`], [`integral_transform`], [`goodness_of_fit`], [`cramer_von_mises`] | [`base_coverage_traced`], [`integral_transform_traced`], [`goodness_of_fit_traced`], [`cramer_von_mises_traced`] |
//! | calibration by counts | [`highest_density_coverage`], [`marginal_coverage`], [`rank_calibration`] | none exists: [counts are steps](calibration#on-the-tape) |
//! | losses | | [`log_likelihood_traced`], [`Flow::extended_log_likelihood`](crate::Flow::extended_log_likelihood), [`elbo_traced`], [`importance_weighted_traced`], [`semi_supervised`] |
//!
//! # Samples with and without gradients
//! The gradient of an expectation goes through the samples. Samples that carry it and samples that do not are different types
//! ([`TracedSample`](crate::module::TracedSample) and [`Sample`](crate::module::Sample)), and a density on a tape does not take the points of the second:
//! what would come out, the mean of d ln p / d weights at fixed points, is zero in expectation and no gradient of anything.
//!
//! # Standard errors
//! The standard deviation of the estimate over repetitions. They come from the draws themselves, with what depends on each other (antithetic pairs,
//! points of one Sobol replica) taken together first. Where an estimate has a bias, its documentation gives the order.

pub mod base;
pub mod calibration;
pub mod contours;
pub mod control;
pub mod directional;
pub mod divergence;
pub mod entropy;
mod estimate;
pub mod expectation;
pub mod kent;
pub mod losses;
mod marginal;
pub mod moments;
pub mod significance;
#[cfg(feature = "healpix")]
pub mod sky;

pub use base::{PointSet, Sampling};
pub use calibration::{
    Calibration, Coverage, base_coverage, base_coverage_traced, base_p_values, goodness_of_fit, goodness_of_fit_traced,
    highest_density_coverage, integral_transform, integral_transform_traced, marginal_coverage, rank_calibration,
};
pub use contours::{
    Region, densest_draw, highest_density, highest_density_level_traced, highest_density_volume_traced,
    quantile_traced, quantiles,
};
pub use control::{control_variates, expectation_controlled, expectation_controlled_traced};
pub use directional::{
    Direction, bessel_ratio, concentration, concentration_traced, direction, mean_direction_traced,
    resultant_length_traced,
};
pub use divergence::{
    Importance, cross_entropy, cross_entropy_traced, importance, importance_expectation, importance_expectation_traced,
    kl_divergence, kl_divergence_traced, log_normalisation_traced, reverse_kl, reverse_kl_traced,
};
pub use entropy::{
    conditional_entropy, conditional_entropy_traced, entropy, entropy_traced, marginal_entropy,
    marginal_entropy_traced, marginal_log_prob, mutual_information, mutual_information_traced,
};
#[cfg(feature = "plot")]
pub(crate) use estimate::log_mean_exp;
pub use estimate::{Estimate, TracedEstimate};
pub use expectation::{expectation, expectation_embedded_traced, expectation_traced, expectations};
pub use kent::{Kent, kent, kent_traced};
pub use losses::{elbo_traced, importance_weighted_traced, log_likelihood_traced, semi_supervised};
pub use marginal::Marginal;
pub use moments::{Covariance, covariance, covariance_traced, moment, moment_traced};
pub use significance::{Test, chi_square_uniform, cramer_von_mises, cramer_von_mises_traced, kolmogorov_smirnov};
#[cfg(feature = "healpix")]
pub use sky::{Cell, EqualAreaMap, equal_area_map};
