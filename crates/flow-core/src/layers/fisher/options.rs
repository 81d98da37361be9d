//! What follows from the options of layer f.

use super::rotation::Turn;
use crate::layers::circular_spline::CircularOptions;
use crate::layers::spline::SplineOptions;
use flow_notation::options::{FisherOptions, FisherRotation, KappaPrediction};

/// What follows from the options of layer f.
#[derive(Clone, Copy)]
pub(super) struct Plan(pub FisherOptions);

impl Plan {
    /// How it rotates, if it does.
    pub(super) const fn rotation(&self) -> Option<Turn> {
        if self.0.add_rotation {
            return Some(Turn(self.0.rotation_mode));
        }
        assert!(
            self.has_own_kappa(),
            "mu, mu_squared, quatvec and quatvec_squared take the concentration from the rotation"
        );
        None
    }
    const fn reflections(&self) -> usize {
        if self.0.num_householder_iter < 0 { 3 } else { self.0.num_householder_iter as usize }
    }
    pub(super) const fn rotation_params(&self) -> usize {
        match (self.rotation(), self.0.kappa_prediction) {
            (None, _) => 0,
            (Some(mode), KappaPrediction::Mu | KappaPrediction::MuSquared) => {
                assert!(matches!(mode.0, FisherRotation::Xyz), "mu and mu_squared need rotation_mode xyz");
                3
            }
            (Some(mode), KappaPrediction::Quatvec | KappaPrediction::QuatvecSquared) => {
                assert!(matches!(mode.0, FisherRotation::Quaternion), "quatvec needs rotation_mode quaternion");
                4
            }
            (Some(mode), _) => mode.params(self.reflections()),
        }
    }
    pub(super) const fn rotation_prepared(&self) -> usize {
        match self.rotation() {
            None => 0,
            Some(mode) => mode.prepared(self.reflections()),
        }
    }

    /// Number of letters of the chain in z.
    pub(super) const fn verticals(&self) -> usize {
        let splines = self.0.add_vertical_rq_spline_flow || self.0.add_correlated_rq_spline_flow;
        if splines { self.0.vertical_flow_defs.len() } else { 0 }
    }
    /// Number of splines around the axis.
    pub(super) const fn circulars(&self) -> usize {
        assert!(
            !(self.0.add_correlated_rq_spline_flow
                && (self.0.add_vertical_rq_spline_flow || self.0.add_circular_rq_spline_flow)),
            "splines are correlated, or of z and of the azimuth alone"
        );
        let splines = self.0.add_circular_rq_spline_flow || self.0.add_correlated_rq_spline_flow;
        if splines { self.0.circular_flow_defs.len() } else { 0 }
    }
    /// Letter number `letter` of the chain in z, if it is a spline.
    pub(super) const fn vertical(&self, letter: usize) -> Option<SplineOptions> {
        if self.0.vertical_flow_defs.at(letter) != b'r' {
            return None;
        }
        if self.0.add_correlated_rq_spline_flow {
            return Some(SplineOptions::DEFAULT);
        }
        let bins = if self.0.spline_num_basis_functions < 0 {
            assert!(self.0.vertical_smooth, "spline_num_basis_functions = -1 needs vertical_smooth = 1");
            2 + letter % 2
        } else {
            self.0.spline_num_basis_functions as usize
        };
        Some(SplineOptions {
            bins,
            fix_boundary_derivatives: if self.0.vertical_fix_boundary_derivative { 1.0 } else { -1.0 },
            smooth_second_derivative: self.0.vertical_smooth,
            restrict_max_min_width_height_ratio: self.0.vertical_restrict_max_min_width_height_ratio,
            fix_first_width_n_height_to_zero: self.0.vertical_fix_first_width_n_height_to_zero,
            also_fix_second_width_to_zero: self.0.vertical_also_fix_second_width_to_zero,
            independent_width_height_parametrization: self.0.vertical_independent_width_height_parametrization,
            ..SplineOptions::DEFAULT
        })
    }
    /// Parameters and prepared numbers of the chain in z before letter number `letter`.
    pub(super) const fn vertical_numbers(&self, letter: usize) -> (usize, usize) {
        let (mut params, mut prepared, mut i) = (0, 0, 0);
        while i < letter {
            if let Some(spline) = self.vertical(i) {
                params += spline.params();
                prepared += spline.prepared();
            }
            i += 1;
        }
        (params, prepared)
    }
    /// A spline around the axis, with parameters of its own.
    pub(super) const fn circular(&self) -> CircularOptions {
        assert!(
            self.0.circular_add_rotation == 0,
            "circular_add_rotation must be 0: a rotation is no identity at the poles"
        );
        CircularOptions {
            fix_first_width_n_height_to_zero: self.0.vertical_fix_first_width_n_height_to_zero,
            also_fix_second_width_to_zero: self.0.vertical_also_fix_second_width_to_zero,
            independent_width_height_parametrization: self.0.vertical_independent_width_height_parametrization,
            ..CircularOptions::DEFAULT
        }
    }
}
