//! The options of layer f, and what follows from them.

use super::rotation::FisherRotation;
use crate::layers::circular_spline::CircularOptions;
use crate::layers::decode;
use crate::layers::spline::SplineOptions;

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

/// The letters of `vertical_flow_defs`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerticalChain(u128);

impl VerticalChain {
    const RR: VerticalChain = VerticalChain(0x7272);
    /// Letters at most: the bytes of the code.
    pub(super) const MOST: usize = 16;

    /// From the bytes of the text, the first the lowest.
    pub const fn from_code(code: u128) -> VerticalChain {
        VerticalChain(code)
    }
    /// Number of letters.
    pub const fn len(self) -> usize {
        decode::text_len(self.0)
    }
    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
    /// Whether a letter is a spline.
    const fn is_spline(self, letter: usize) -> bool {
        decode::text_at(self.0, letter) == b'r'
    }
}

impl core::fmt::Debug for VerticalChain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let text: String = (0..self.len()).map(|letter| char::from(decode::text_at(self.0, letter))).collect();
        write!(f, "{text:?}")
    }
}

options! {
    /// Options of layer f.
    pub struct FisherOptions, settings in f {
        /// Lower bound of the concentration.
        min_kappa: f64 = 1e-10, decode::float;
        /// How the concentration is predicted.
        kappa_prediction: KappaPrediction = KappaPrediction::DirectLogRealBounded, KappaPrediction::from_code;
        /// Whether the raw parameter of the concentration is held at -5 or above.
        kappa_clamping: bool = false, decode::flag;
        /// Whether points concentrate towards the south pole (before the rotation), else the north pole.
        inverse_z_scaling: bool = true, decode::flag;
        /// Whether there is a rotation.
        add_rotation: bool = true, decode::flag;
        /// How the rotation is parametrised.
        rotation_mode: FisherRotation = FisherRotation::Householder, FisherRotation::from_code;
        /// Number of reflections; -1: three.
        num_householder_iter: i64 = -1, decode::int;
        /// Whether there are splines in z.
        add_vertical_rq_spline_flow: bool = false, decode::flag;
        /// The chain in z: r for a spline, z for nothing.
        vertical_flow_defs: VerticalChain = VerticalChain::RR, VerticalChain::from_code;
        /// Number of bins of each spline in z; -1: two and three in turns.
        spline_num_basis_functions: i64 = 5, decode::int;
        /// Whether the splines in z have continuous second derivatives.
        vertical_smooth: bool = false, decode::flag;
        /// Largest ratio of two bins of a spline in z; -1: none.
        vertical_restrict_max_min_width_height_ratio: f64 = -1.0, decode::float;
        /// Whether the slope of the splines in z is 1 at their ends.
        vertical_fix_boundary_derivative: bool = true, decode::flag;
        /// The first width and height of every spline are no parameters.
        vertical_fix_first_width_n_height_to_zero: bool = false, decode::flag;
        /// Nor is the second width.
        vertical_also_fix_second_width_to_zero: bool = false, decode::flag;
        /// Heights of every spline are given relative to widths.
        vertical_independent_width_height_parametrization: bool = false, decode::flag;
        /// Whether there are splines around the axis.
        add_circular_rq_spline_flow: bool = false, decode::flag;
        /// One letter o for each spline around the axis (here: how many).
        circular_flow_defs: usize = 2, decode::text_len;
        /// Rotations inside the splines around the axis; must be off.
        circular_add_rotation: bool = false, decode::flag;
        /// Whether there are splines in z, and splines around the axis that depend on z.
        add_correlated_rq_spline_flow: bool = false, decode::flag;
        /// Rank of the matrices of the network that says how; 0: the full one.
        correlated_max_rank: i64 = 3, decode::int;
        /// Splines act only where |z| < 1 - this.
        boundary_cos_theta_identity_region: f64 = 0.0, decode::float;
        /// A fixed quarter turn between splines and scaling.
        add_extra_rotation_inbetween: bool = false, decode::flag;
    }
}

impl FisherOptions {
    /// How it rotates, if it does.
    pub(super) const fn rotation(&self) -> Option<FisherRotation> {
        if self.add_rotation {
            return Some(self.rotation_mode);
        }
        assert!(
            self.kappa_prediction.has_own(),
            "mu, mu_squared, quatvec and quatvec_squared take the concentration from the rotation"
        );
        None
    }
    const fn reflections(&self) -> usize {
        if self.num_householder_iter < 0 { 3 } else { self.num_householder_iter as usize }
    }
    pub(super) const fn rotation_params(&self) -> usize {
        match (self.rotation(), self.kappa_prediction) {
            (None, _) => 0,
            (Some(mode), KappaPrediction::Mu | KappaPrediction::MuSquared) => {
                assert!(matches!(mode, FisherRotation::Xyz), "mu and mu_squared need rotation_mode xyz");
                3
            }
            (Some(mode), KappaPrediction::Quatvec | KappaPrediction::QuatvecSquared) => {
                assert!(matches!(mode, FisherRotation::Quaternion), "quatvec needs rotation_mode quaternion");
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
        let splines = self.add_vertical_rq_spline_flow || self.add_correlated_rq_spline_flow;
        if splines { self.vertical_flow_defs.len() } else { 0 }
    }
    /// Number of splines around the axis.
    pub(super) const fn circulars(&self) -> usize {
        assert!(
            !(self.add_correlated_rq_spline_flow
                && (self.add_vertical_rq_spline_flow || self.add_circular_rq_spline_flow)),
            "splines are correlated, or of z and of the azimuth alone"
        );
        let splines = self.add_circular_rq_spline_flow || self.add_correlated_rq_spline_flow;
        if splines { self.circular_flow_defs } else { 0 }
    }
    /// Letter number `letter` of the chain in z, if it is a spline.
    pub(super) const fn vertical(&self, letter: usize) -> Option<SplineOptions> {
        if !self.vertical_flow_defs.is_spline(letter) {
            return None;
        }
        if self.add_correlated_rq_spline_flow {
            return Some(SplineOptions::DEFAULT);
        }
        let bins = if self.spline_num_basis_functions < 0 {
            assert!(self.vertical_smooth, "spline_num_basis_functions = -1 needs vertical_smooth = 1");
            2 + letter % 2
        } else {
            self.spline_num_basis_functions as usize
        };
        Some(SplineOptions {
            bins,
            fix_boundary_derivatives: if self.vertical_fix_boundary_derivative { 1.0 } else { -1.0 },
            smooth_second_derivative: self.vertical_smooth,
            restrict_max_min_width_height_ratio: self.vertical_restrict_max_min_width_height_ratio,
            fix_first_width_n_height_to_zero: self.vertical_fix_first_width_n_height_to_zero,
            also_fix_second_width_to_zero: self.vertical_also_fix_second_width_to_zero,
            independent_width_height_parametrization: self.vertical_independent_width_height_parametrization,
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
        assert!(!self.circular_add_rotation, "circular_add_rotation must be 0: a rotation is no identity at the poles");
        CircularOptions {
            fix_first_width_n_height_to_zero: self.vertical_fix_first_width_n_height_to_zero,
            also_fix_second_width_to_zero: self.vertical_also_fix_second_width_to_zero,
            independent_width_height_parametrization: self.vertical_independent_width_height_parametrization,
            ..CircularOptions::DEFAULT
        }
    }
}
