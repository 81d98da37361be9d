//! Layer f: von-Mises-Fisher scaling of the two-sphere, with optional splines along the axis and around it (layers.md 8.1).
//!
//! # The map
//! Forward (base to target), for the uniform distribution on the sphere:
//! 1. vertical splines move z,
//! 2. circular splines turn the azimuth, their parameters faded out towards the poles by g(z),
//! 3. (`add_extra_rotation_inbetween`) a quarter turn about the y axis,
//! 4. the scaling concentrates towards a pole, so that uniform becomes von Mises-Fisher with concentration kappa,
//! 5. a rotation takes the pole anywhere.
//!
//! Inverse undoes the steps in opposite order. Both directions are closed formulas.
//!
//! # Numbers
//! A point is carried as (x, y) and its squared half-chords to the two poles, (1 + z)/2 and (1 - z)/2, each precise
//! near its own pole. A step along the axis gives the ratios new / old of both and scales (x, y) by the root
//! of their product: no angle is formed, and all is smooth at the poles, where ratios are positive and finite. Log-determinants are those of
//! area, d phi dz, so no ln sin(theta) appears either.
//!
//! The published layer clips cos(theta) and the base plane near the poles, forms e^(2 kappa) - 1 literally and rounds the
//! boundary of the splines to two decimals (layers.md P11, Q3, Q18, Q19); here the exact thing is done instead.
//!
//! Parameters: [rotation][kappa][vertical splines, letter by letter][circular splines, letter by letter].

use super::circular_spline::CircularOptions;
use super::rotation::{
    angles, angles_prepare, angles_prepare_vjp, angles_transpose, angles_transpose_vjp, angles_vjp, householder,
    householder_prepare, householder_prepare_vjp, householder_transpose, householder_transpose_vjp, householder_vjp,
};
use super::spline::{Ends, MappedCot, SplineOptions};
use super::{Layer, Options, SphereRotation, StateTensor, decode};
use crate::manifolds::Sphere2;
use crate::manifolds::half_squares;
use crate::numeric::special::{exp_m1_over, ln_1p_over};
use crate::numeric::{Dual, Lift, Mask, Real, Scalar};
use core::f64::consts::{PI, TAU};
use core::marker::PhantomData;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

choices! {
    /// How the concentration is predicted.
    pub enum KappaPrediction {
        /// kappa = e^p + min_kappa.
        DirectLogRealBounded = "direct_log_real_bounded",
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
        rotation_mode: SphereRotation = SphereRotation::Householder, SphereRotation::from_code;
        /// Number of reflections; -1: three.
        num_householder_iter: i64 = -1, decode::int;
        /// Whether there are splines in z.
        add_vertical_rq_spline_flow: bool = false, decode::flag;
        /// One letter r for each spline in z (here: how many).
        vertical_flow_defs: usize = 2, decode::text_len;
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
        /// Splines act only where |z| < 1 - this.
        boundary_cos_theta_identity_region: f64 = 0.0, decode::float;
        /// A fixed quarter turn between splines and scaling.
        add_extra_rotation_inbetween: bool = false, decode::flag;
    }
}

impl FisherOptions {
    const fn reflections(&self) -> usize {
        if self.num_householder_iter < 0 { 3 } else { self.num_householder_iter as usize }
    }
    const fn rotation_params(&self) -> usize {
        match (self.add_rotation, self.rotation_mode) {
            (false, _) => 0,
            (true, SphereRotation::Householder) => 3 * self.reflections(),
            (true, SphereRotation::Angles) => 3,
        }
    }
    const fn rotation_prepared(&self) -> usize {
        match (self.add_rotation, self.rotation_mode) {
            (true, SphereRotation::Angles) => 6,
            _ => self.rotation_params(),
        }
    }
    /// Number of splines in z.
    const fn verticals(&self) -> usize {
        if self.add_vertical_rq_spline_flow { self.vertical_flow_defs } else { 0 }
    }
    /// Number of splines around the axis.
    const fn circulars(&self) -> usize {
        if self.add_circular_rq_spline_flow { self.circular_flow_defs } else { 0 }
    }
    /// Spline number `letter` in z.
    const fn vertical(&self, letter: usize) -> SplineOptions {
        let bins = if self.spline_num_basis_functions < 0 {
            assert!(self.vertical_smooth, "spline_num_basis_functions = -1 needs vertical_smooth = 1");
            2 + letter % 2
        } else {
            self.spline_num_basis_functions as usize
        };
        SplineOptions {
            bins,
            fix_boundary_derivatives: if self.vertical_fix_boundary_derivative { 1.0 } else { -1.0 },
            smooth_second_derivative: self.vertical_smooth,
            restrict_max_min_width_height_ratio: self.vertical_restrict_max_min_width_height_ratio,
            fix_first_width_n_height_to_zero: self.vertical_fix_first_width_n_height_to_zero,
            also_fix_second_width_to_zero: self.vertical_also_fix_second_width_to_zero,
            independent_width_height_parametrization: self.vertical_independent_width_height_parametrization,
            ..SplineOptions::DEFAULT
        }
    }
    /// Parameters of the splines in z before number `letter`.
    const fn vertical_params(&self, letter: usize) -> usize {
        let (mut sum, mut i) = (0, 0);
        while i < letter {
            sum += self.vertical(i).params();
            i += 1;
        }
        sum
    }
    /// Prepared numbers of the splines in z before number `letter`.
    const fn vertical_prepared(&self, letter: usize) -> usize {
        let (mut sum, mut i) = (0, 0);
        while i < letter {
            sum += self.vertical(i).prepared();
            i += 1;
        }
        sum
    }
    /// A spline around the axis.
    const fn circular(&self) -> CircularOptions {
        assert!(!self.circular_add_rotation, "circular_add_rotation must be 0: a rotation is no identity at the poles");
        CircularOptions {
            fix_first_width_n_height_to_zero: self.vertical_fix_first_width_n_height_to_zero,
            also_fix_second_width_to_zero: self.vertical_also_fix_second_width_to_zero,
            independent_width_height_parametrization: self.vertical_independent_width_height_parametrization,
            ..CircularOptions::DEFAULT
        }
    }
}

/// Layer f: von-Mises-Fisher scaling of the sphere with optional splines.
///
/// Forward: uniform becomes von Mises-Fisher with concentration kappa about a pole, splines before and a rotation behind;
/// see the options. Both directions are analytic.
pub struct FisherFlow<Opts>(PhantomData<Opts>);

impl<Opts: Options<FisherOptions>> FisherFlow<Opts> {
    const OPTIONS: FisherOptions = Opts::VALUE;
    const VERTICALS: usize = Self::OPTIONS.verticals();
    const CIRCULARS: usize = Self::OPTIONS.circulars();
    const TILTED: bool = Self::OPTIONS.add_extra_rotation_inbetween;
    /// Half the width of the region in z, at each pole, that the splines leave alone.
    const MARGIN: f64 = {
        let region = Self::OPTIONS.boundary_cos_theta_identity_region;
        assert!(region >= 0.0 && region < 1.0, "boundary_cos_theta_identity_region is at least 0 and below 1");
        0.5 * region
    };

    // Places of blocks in parameters and prepared numbers.
    const KAPPA: (usize, usize) = (Self::OPTIONS.rotation_params(), Self::OPTIONS.rotation_prepared());
    const VERTICAL: (usize, usize) = (Self::KAPPA.0 + 1, Self::KAPPA.1 + 1);
    const CIRCULAR: (usize, usize) = (
        Self::VERTICAL.0 + Self::OPTIONS.vertical_params(Self::VERTICALS),
        Self::VERTICAL.1 + Self::OPTIONS.vertical_prepared(Self::VERTICALS),
    );
    const END: (usize, usize) = (
        Self::CIRCULAR.0 + Self::CIRCULARS * Self::OPTIONS.circular().params(),
        Self::CIRCULAR.1 + Self::CIRCULARS * Self::OPTIONS.circular().prepared(),
    );

    // Scratch: the point at the base and behind each step of the forward map that there is, ..
    const AT_BASE: usize = 0;
    const AT_LIFTED: usize = Self::AT_BASE + if Self::VERTICALS > 0 { Place::<f64>::LEN } else { 0 };
    const AT_TURNED: usize = Self::AT_LIFTED + if Self::CIRCULARS > 0 { Place::<f64>::LEN } else { 0 };
    const AT_TILTED: usize = Self::AT_TURNED + if Self::TILTED { Place::<f64>::LEN } else { 0 };
    const AT_SCALED: usize = Self::AT_TILTED + Place::<f64>::LEN;
    // .. how much the vertical splines stretch (x, y), and the points between them, ..
    const STRETCH: usize = Self::AT_SCALED + Place::<f64>::LEN;
    const LEVELS: usize = Self::STRETCH + (Self::VERTICALS > 0) as usize;
    // .. and the azimuths between the circular splines.
    const AZIMUTHS: usize = Self::LEVELS + if Self::VERTICALS > 0 { 2 * (Self::VERTICALS + 1) } else { 0 };
    const SCRATCH: usize = Self::AZIMUTHS + if Self::CIRCULARS > 0 { Self::CIRCULARS + 1 } else { 0 };

    fn vertical_range(letter: usize) -> (core::ops::Range<usize>, core::ops::Range<usize>) {
        let of = |i| {
            (Self::VERTICAL.0 + Self::OPTIONS.vertical_params(i), Self::VERTICAL.1 + Self::OPTIONS.vertical_prepared(i))
        };
        let (from, to) = (of(letter), of(letter + 1));
        (from.0..to.0, from.1..to.1)
    }
    fn circular_range(letter: usize) -> (core::ops::Range<usize>, core::ops::Range<usize>) {
        let options = const { Self::OPTIONS.circular() };
        let (n, m) = (options.params(), options.prepared());
        let from = (Self::CIRCULAR.0 + letter * n, Self::CIRCULAR.1 + letter * m);
        (from.0..from.0 + n, from.1..from.1 + m)
    }
    /// The letters of a chain of splines in the order that a direction takes them.
    #[inline(always)]
    fn order(letters: usize, inverse: bool) -> impl DoubleEndedIterator<Item = usize> {
        (0..letters).map(move |i| if inverse { letters - 1 - i } else { i })
    }

    /// Whether the splines act at a point.
    #[inline(always)]
    fn acts<R: Real>(at: &Place<R>) -> R::Mask {
        if Self::MARGIN > 0.0 { at.low.min(at.high).gt(R::constant(Self::MARGIN)) } else { R::Mask::splat(true) }
    }

    // Step 1: splines in z. Levels hold the distances to the ends of the splines' interval, in units of its length.

    #[inline(always)]
    fn vertical<R: Real, P: Lift<R>>(
        prepared: &[P],
        at: Place<R>,
        scratch: &mut [R],
        inverse: bool,
        log_det: &mut R,
    ) -> Place<R> {
        let (margin, width) = (R::constant(Self::MARGIN), R::constant(1.0 - 2.0 * Self::MARGIN));
        let acts = Self::acts(&at);
        let mut level = Ends { low: (at.low - margin) / width, high: (at.high - margin) / width };
        let mut squared = R::one();
        let mut ln = R::zero();
        for letter in Self::order(Self::VERTICALS, inverse) {
            let (options, (_, range)) = (Self::OPTIONS.vertical(letter), Self::vertical_range(letter));
            store(&mut scratch[Self::LEVELS..], letter + usize::from(inverse), level);
            let mapped = if inverse {
                options.inverse(&prepared[range], level)
            } else {
                options.direct(&prepared[range], level)
            };
            level = mapped.to;
            squared *= mapped.ratio.low * mapped.ratio.high;
            ln += mapped.ln;
        }
        store(&mut scratch[Self::LEVELS..], if inverse { 0 } else { Self::VERTICALS }, level);
        let mut to = Ends { low: margin + width * level.low, high: margin + width * level.high };
        if Self::MARGIN > 0.0 {
            let one = R::one();
            let old = R::select(acts, at.low * at.high, one);
            squared = R::select(acts, to.low * to.high / old, one);
            to = Ends { low: R::select(acts, to.low, at.low), high: R::select(acts, to.high, at.high) };
            ln = R::select(acts, ln, R::zero());
        }
        let stretch = squared.sqrt();
        scratch[Self::STRETCH] = if inverse { stretch.recip() } else { stretch };
        *log_det += ln;
        Place { x: at.x * stretch, y: at.y * stretch, low: to.low, high: to.high }
    }

    #[inline(always)]
    fn vertical_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        at: Place<R>,
        to: Place<R>,
        scratch: &[R],
        inverse: bool,
        cot: PlaceCot<R>,
        cot_prepared: &mut [R],
    ) -> PlaceCot<R> {
        let (zero, half) = (R::zero(), R::constant(0.5));
        let width = R::constant(1.0 - 2.0 * Self::MARGIN);
        let acts = Self::acts(&at);
        let stretch = scratch[Self::STRETCH];
        let stretch = if inverse { stretch.recip() } else { stretch };
        let cot_squared = (cot.x * to.x + cot.y * to.y) * half;
        // ln stretch^2 is the sum of the logarithms of all ratios, or ln (low' high') - ln (low high) between margins.
        let by_ratio = if Self::MARGIN > 0.0 { zero } else { cot_squared };
        let mut cot_up = cot.up;
        let mut cot_old = zero;
        if Self::MARGIN > 0.0 {
            let tilt = |p: &Place<R>| cot_squared * (p.high - p.low) / R::select(acts, p.low * p.high, R::one());
            cot_up += tilt(&to);
            cot_old = tilt(&at);
        }
        let mut cot_level = Ends { low: R::select(acts, cot_up * width, zero), high: zero };
        let cot_ln = R::select(acts, cot.log_det, zero);
        for letter in Self::order(Self::VERTICALS, inverse).rev() {
            let (options, (_, range)) = (Self::OPTIONS.vertical(letter), Self::vertical_range(letter));
            let level = load(&scratch[Self::LEVELS..], letter + usize::from(inverse));
            let mapped = MappedCot { to: cot_level, ln_ratio: Ends { low: by_ratio, high: by_ratio }, ln: cot_ln };
            cot_level = if inverse {
                options.inverse_vjp(&prepared[range.clone()], level, mapped, &mut cot_prepared[range])
            } else {
                options.direct_vjp(&prepared[range.clone()], level, mapped, &mut cot_prepared[range])
            };
        }
        let up = (cot_level.low - cot_level.high) / width - cot_old;
        PlaceCot { x: cot.x * stretch, y: cot.y * stretch, up: R::select(acts, up, cot.up), ..cot }
    }

    // Step 2: splines around the axis.

    /// g(z), which fades the circular splines out towards the poles, and its derivative by (1 + z)/2.
    ///
    /// A smooth step s^3 (10 - 15 s + 6 s^2) in s = 1 - |z|.
    #[inline(always)]
    fn fade<R: Real>(at: &Place<R>) -> (R, R) {
        let acts = Self::acts(at);
        let s = at.low.min(at.high).scale(2.0);
        let g = s * s * s * (R::constant(10.0) + s * (s.scale(6.0) - R::constant(15.0)));
        let slope = (s * (R::one() - s)).square().scale(60.0);
        let signed = R::select(at.low.lt(at.high), slope, -slope);
        (R::select(acts, g, R::zero()), R::select(acts, signed, R::zero()))
    }

    #[inline(always)]
    fn circular<R: Real, P: Lift<R>>(
        prepared: &[P],
        at: Place<R>,
        scratch: &mut [R],
        inverse: bool,
        log_det: &mut R,
    ) -> Place<R> {
        let options = const { Self::OPTIONS.circular() };
        let (factor, _) = Self::fade(&at);
        let mut azimuth = at.y.atan2(at.x);
        let mut turned = R::zero();
        for letter in Self::order(Self::CIRCULARS, inverse) {
            let (_, range) = Self::circular_range(letter);
            scratch[Self::AZIMUTHS + letter + usize::from(inverse)] = azimuth;
            let (turn, ln) = options.turn(&prepared[range], factor, azimuth, inverse);
            turned += turn;
            *log_det += ln;
            azimuth += turn;
            azimuth = R::select(azimuth.gt(R::constant(PI)), azimuth - R::constant(TAU), azimuth);
            azimuth = R::select(azimuth.lt(R::constant(-PI)), azimuth + R::constant(TAU), azimuth);
        }
        scratch[Self::AZIMUTHS + if inverse { 0 } else { Self::CIRCULARS }] = azimuth;
        let (sin, cos) = turned.sin_cos();
        Place { x: cos * at.x - sin * at.y, y: sin * at.x + cos * at.y, ..at }
    }

    #[inline(always)]
    fn circular_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        at: Place<R>,
        to: Place<R>,
        scratch: &[R],
        inverse: bool,
        cot: PlaceCot<R>,
        cot_prepared: &mut [R],
    ) -> PlaceCot<R> {
        let options = const { Self::OPTIONS.circular() };
        let (factor, slope) = Self::fade(&at);
        let cot_turned = cot.y * to.x - cot.x * to.y;
        let mut cot_azimuth = R::zero();
        let mut cot_factor = R::zero();
        for letter in Self::order(Self::CIRCULARS, inverse).rev() {
            let (_, range) = Self::circular_range(letter);
            let azimuth = scratch[Self::AZIMUTHS + letter + usize::from(inverse)];
            let (by_factor, by_azimuth) = options.turn_vjp(
                &prepared[range.clone()],
                factor,
                azimuth,
                inverse,
                (cot_turned + cot_azimuth, cot.log_det),
                &mut cot_prepared[range],
            );
            cot_factor += by_factor;
            cot_azimuth += by_azimuth;
        }
        let turned = scratch[Self::AZIMUTHS + Self::CIRCULARS] - scratch[Self::AZIMUTHS];
        let (sin, cos) = (if inverse { -turned } else { turned }).sin_cos();
        // At the axis itself the splines are faded out and cot_azimuth is zero.
        let by_square = cot_azimuth / (at.x.square() + at.y.square()).max(R::constant(R::Scalar::TINY));
        PlaceCot {
            x: cos * cot.x + sin * cot.y - by_square * at.y,
            y: cos * cot.y - sin * cot.x + by_square * at.x,
            up: cot.up + cot_factor * slope,
            ..cot
        }
    }

    // Step 4: the scaling.

    #[inline(always)]
    fn scaling<R: Real, P: Lift<R>>(prepared: &[P], at: Place<R>, inverse: bool, log_det: &mut R) -> Place<R> {
        let twice = prepared[Self::KAPPA.1].lift();
        let (n, m) = Self::from_peak(at.low, at.high);
        let scaled = scaling(n, m, twice, inverse);
        *log_det += scaled.ln;
        let stretch = scaled.near_ratio.sqrt() * scaled.far_ratio.sqrt();
        let (low, high) = Self::from_peak(scaled.near, scaled.far);
        Place { x: at.x * stretch, y: at.y * stretch, low, high }
    }

    #[inline(always)]
    fn scaling_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        at: Place<R>,
        to: Place<R>,
        inverse: bool,
        cot: PlaceCot<R>,
        cot_prepared: &mut [R],
    ) -> PlaceCot<R> {
        let twice = prepared[Self::KAPPA.1].lift();
        let (n, m) = Self::from_peak(at.low, at.high);
        // The first input is a logarithm of the distance to the nearer pole: derivatives by the distance itself may overflow.
        let least = n.min(m);
        let n = Dual { value: n, grad: [least, R::zero()] };
        let m = Dual { value: m, grad: [-least, R::zero()] };
        let scaled = scaling(n, m, Dual::<R, 2>::input(twice, 1), inverse);
        let (near_ratio, far_ratio) = (scaled.near_ratio.value, scaled.far_ratio.value);
        let stretch = near_ratio.sqrt() * far_ratio.sqrt();

        let sign = R::constant(if Self::OPTIONS.inverse_z_scaling { 1.0 } else { -1.0 });
        let cot_near = cot.up * sign;
        let cot_squared = (cot.x * to.x + cot.y * to.y).scale(0.5);
        let [by_log, by_twice]: [R; 2] = core::array::from_fn(|i| {
            cot_near * scaled.near.grad[i]
                + cot_squared * (scaled.near_ratio.grad[i] / near_ratio + scaled.far_ratio.grad[i] / far_ratio)
                + cot.log_det * scaled.ln.grad[i]
        });
        cot_prepared[Self::KAPPA.1] += by_twice;
        PlaceCot {
            x: cot.x * stretch,
            y: cot.y * stretch,
            up: sign * by_log / least.max(R::constant(floor::<R>())),
            ..cot
        }
    }

    /// (low, high) as (distance to the pole of concentration, to the other one), and the other way round.
    #[inline(always)]
    fn from_peak<R>(low: R, high: R) -> (R, R) {
        if Self::OPTIONS.inverse_z_scaling { (low, high) } else { (high, low) }
    }

    // Step 5: the rotation.

    #[inline(always)]
    fn rotate<R: Real, P: Lift<R>>(prepared: &[P], v: &mut [R], inverse: bool) {
        let prepared = &prepared[..Self::KAPPA.1];
        match (Self::OPTIONS.rotation_mode, inverse) {
            (SphereRotation::Householder, true) => householder_transpose(3, prepared, v),
            (SphereRotation::Householder, false) => householder(3, prepared, v),
            (SphereRotation::Angles, true) => angles_transpose(3, prepared, v),
            (SphereRotation::Angles, false) => angles(3, prepared, v),
        }
    }
    /// `v` holds the result and is taken back to the argument.
    #[inline(always)]
    fn rotate_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        v: &mut [R],
        inverse: bool,
        cot: &mut [R],
        cot_prepared: &mut [R],
    ) {
        let (prepared, out) = (&prepared[..Self::KAPPA.1], &mut cot_prepared[..Self::KAPPA.1]);
        match (Self::OPTIONS.rotation_mode, inverse) {
            (SphereRotation::Householder, true) => householder_transpose_vjp(3, prepared, v, cot, out),
            (SphereRotation::Householder, false) => householder_vjp(3, prepared, v, cot, out),
            (SphereRotation::Angles, true) => angles_transpose_vjp(3, prepared, v, cot, out),
            (SphereRotation::Angles, false) => angles_vjp(3, prepared, v, cot, out),
        }
    }
}

impl<Opts: Options<FisherOptions>> Layer<Sphere2> for FisherFlow<Opts> {
    const PARAMS: usize = Self::END.0;
    const PREPARED: usize = Self::END.1;
    const SCRATCH: usize = Self::SCRATCH;
    const NAME: &'static str = "f";

    fn options() -> String {
        Opts::VALUE.written()
    }

    fn state() -> Vec<StateTensor> {
        StateTensor::list([
            ("householder_params", &[1, Self::KAPPA.0]),
            ("loglike_kappa", &[1, Self::VERTICAL.0 - Self::KAPPA.0]),
            ("vertical_flow_params", &[1, Self::CIRCULAR.0 - Self::VERTICAL.0]),
            ("circular_flow_params", &[1, Self::END.0 - Self::CIRCULAR.0]),
        ])
    }

    fn initial<G: Rng + ?Sized>(rng: &mut G, params: &mut [f64]) {
        params[..Self::KAPPA.0].iter_mut().for_each(|p| *p = rng.sample(StandardNormal));
        params[Self::KAPPA.0] = rng.sample::<f64, _>(StandardNormal) - 3.0;
        params[Self::VERTICAL.0..Self::CIRCULAR.0].fill(if Self::OPTIONS.vertical_smooth { 0.0 } else { 0.54 });
        params[Self::CIRCULAR.0..].fill(0.0);
    }

    fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        let (rotation, rotation_out) = (&params[..Self::KAPPA.0], &mut prepared[..Self::KAPPA.1]);
        match Self::OPTIONS.rotation_mode {
            SphereRotation::Householder => householder_prepare(3, rotation, rotation_out),
            SphereRotation::Angles => angles_prepare(rotation, rotation_out),
        }
        let raw = params[Self::KAPPA.0];
        let raw = if Self::OPTIONS.kappa_clamping { raw.max(P::constant(LEAST_RAW_KAPPA)) } else { raw };
        prepared[Self::KAPPA.1] = (raw.exp() + P::constant(Self::OPTIONS.min_kappa)).scale(2.0);
        for letter in 0..Self::VERTICALS {
            let (from, to) = Self::vertical_range(letter);
            Self::OPTIONS.vertical(letter).prepare(&params[from], &mut prepared[to]);
        }
        for letter in 0..Self::CIRCULARS {
            let (from, to) = Self::circular_range(letter);
            Self::OPTIONS.circular().prepare(&params[from], &mut prepared[to]);
        }
    }

    fn prepare_vjp<P: Real>(params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        let (rotation, cot_rotation) = (&prepared[..Self::KAPPA.1], &cot_prepared[..Self::KAPPA.1]);
        let out = &mut cot_params[..Self::KAPPA.0];
        match Self::OPTIONS.rotation_mode {
            SphereRotation::Householder => {
                householder_prepare_vjp(3, &params[..Self::KAPPA.0], rotation, cot_rotation, out)
            }
            SphereRotation::Angles => angles_prepare_vjp(rotation, cot_rotation, out),
        }
        let raw = params[Self::KAPPA.0];
        let free =
            if Self::OPTIONS.kappa_clamping { raw.gt(P::constant(LEAST_RAW_KAPPA)) } else { P::Mask::splat(true) };
        cot_params[Self::KAPPA.0] += P::select(free, raw.exp().scale(2.0) * cot_prepared[Self::KAPPA.1], P::zero());
        for letter in 0..Self::VERTICALS {
            let (from, to) = Self::vertical_range(letter);
            Self::OPTIONS.vertical(letter).prepare_vjp(
                &params[from.clone()],
                &prepared[to.clone()],
                &cot_prepared[to],
                &mut cot_params[from],
            );
        }
        for letter in 0..Self::CIRCULARS {
            let (from, to) = Self::circular_range(letter);
            Self::OPTIONS.circular().prepare_vjp(&cot_prepared[to], &mut cot_params[from]);
        }
    }

    fn inverse<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        Self::rotate(prepared, x, true);
        let mut at = Place::from_vector(x);
        at.store(scratch, Self::AT_SCALED);
        at = Self::scaling(prepared, at, true, log_det);
        at.store(scratch, Self::AT_TILTED);
        if Self::TILTED {
            at = at.tilted(true);
            at.store(scratch, Self::AT_TURNED);
        }
        if Self::CIRCULARS > 0 {
            at = Self::circular(prepared, at, scratch, true, log_det);
            at.store(scratch, Self::AT_LIFTED);
        }
        if Self::VERTICALS > 0 {
            at = Self::vertical(prepared, at, scratch, true, log_det);
            at.store(scratch, Self::AT_BASE);
        }
        x.copy_from_slice(&at.vector());
    }

    fn inverse_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let at = |place| Place::load(scratch, place);
        let mut bar = PlaceCot::from_vector(cot, cot_log_det);
        if Self::VERTICALS > 0 {
            let (from, to) = (at(Self::AT_LIFTED), at(Self::AT_BASE));
            bar = Self::vertical_vjp(prepared, from, to, scratch, true, bar, cot_prepared);
        }
        if Self::CIRCULARS > 0 {
            let (from, to) = (at(Self::AT_TURNED), at(Self::AT_LIFTED));
            bar = Self::circular_vjp(prepared, from, to, scratch, true, bar, cot_prepared);
        }
        if Self::TILTED {
            bar = bar.tilted(&at(Self::AT_TURNED), false);
        }
        let (from, to) = (at(Self::AT_SCALED), at(Self::AT_TILTED));
        bar = Self::scaling_vjp(prepared, from, to, true, bar, cot_prepared);
        cot.copy_from_slice(&bar.vector(&from));
        Self::rotate_vjp(prepared, &mut from.vector(), true, cot, cot_prepared);
    }

    fn forward<R: Real, P: Lift<R>>(prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        let mut at = Place::from_vector(z);
        at.store(scratch, Self::AT_BASE);
        if Self::VERTICALS > 0 {
            at = Self::vertical(prepared, at, scratch, false, log_det);
            at.store(scratch, Self::AT_LIFTED);
        }
        if Self::CIRCULARS > 0 {
            at = Self::circular(prepared, at, scratch, false, log_det);
            at.store(scratch, Self::AT_TURNED);
        }
        if Self::TILTED {
            at = at.tilted(false);
            at.store(scratch, Self::AT_TILTED);
        }
        at = Self::scaling(prepared, at, false, log_det);
        at.store(scratch, Self::AT_SCALED);
        z.copy_from_slice(&at.vector());
        Self::rotate(prepared, z, false);
        R::Mask::splat(false)
    }

    fn forward_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let at = |place| Place::load(scratch, place);
        let (from, to) = (at(Self::AT_TILTED), at(Self::AT_SCALED));
        let mut v = to.vector();
        Self::rotate(prepared, &mut v, false);
        Self::rotate_vjp(prepared, &mut v, false, cot, cot_prepared);
        let mut bar = PlaceCot::from_vector(cot, cot_log_det);
        bar = Self::scaling_vjp(prepared, from, to, false, bar, cot_prepared);
        if Self::TILTED {
            bar = bar.tilted(&from, true);
        }
        if Self::CIRCULARS > 0 {
            let (from, to) = (at(Self::AT_LIFTED), at(Self::AT_TURNED));
            bar = Self::circular_vjp(prepared, from, to, scratch, false, bar, cot_prepared);
        }
        if Self::VERTICALS > 0 {
            let (from, to) = (at(Self::AT_BASE), at(Self::AT_LIFTED));
            bar = Self::vertical_vjp(prepared, from, to, scratch, false, bar, cot_prepared);
        }
        cot.copy_from_slice(&bar.vector(&at(Self::AT_BASE)));
    }
}

/// Where `kappa_clamping` holds the raw parameter of the concentration.
const LEAST_RAW_KAPPA: f64 = -5.0;

fn store<R: Real>(list: &mut [R], place: usize, level: Ends<R>) {
    list[2 * place] = level.low;
    list[2 * place + 1] = level.high;
}

fn load<R: Real>(list: &[R], place: usize) -> Ends<R> {
    Ends { low: list[2 * place], high: list[2 * place + 1] }
}

/// A point of the sphere.
#[derive(Clone, Copy, Debug)]
struct Place<R> {
    x: R,
    y: R,
    /// (1 + z) / 2.
    low: R,
    /// (1 - z) / 2.
    high: R,
}

impl<R: Real> Place<R> {
    const LEN: usize = 4;

    #[inline(always)]
    fn from_vector(v: &[R]) -> Self {
        let (high, low) = half_squares(v);
        Place { x: v[0], y: v[1], low, high }
    }
    #[inline(always)]
    fn vector(&self) -> [R; 3] {
        [self.x, self.y, self.low - self.high]
    }
    #[inline(always)]
    fn store(&self, scratch: &mut [R], at: usize) {
        scratch[at..at + Self::LEN].copy_from_slice(&[self.x, self.y, self.low, self.high]);
    }
    #[inline(always)]
    fn load(scratch: &[R], at: usize) -> Self {
        Place { x: scratch[at], y: scratch[at + 1], low: scratch[at + 2], high: scratch[at + 3] }
    }
    /// A quarter turn about the y axis: (x, y, z) to (z, y, -x), or back.
    #[inline(always)]
    fn tilted(&self, inverse: bool) -> Self {
        Self::from_vector(&tilt(self.vector(), inverse))
    }
}

#[inline(always)]
fn tilt<R: Real>([x, y, z]: [R; 3], inverse: bool) -> [R; 3] {
    if inverse { [-z, y, x] } else { [z, y, -x] }
}

/// Cotangents of a [`Place`].
#[derive(Clone, Copy, Debug)]
struct PlaceCot<R> {
    x: R,
    y: R,
    /// Of `low`, with `high` = 1 - `low`.
    up: R,
    /// Of the log-determinant added on the way.
    log_det: R,
}

impl<R: Real> PlaceCot<R> {
    /// From those of [`Place::vector`].
    #[inline(always)]
    fn from_vector(cot: &[R], log_det: R) -> Self {
        PlaceCot { x: cot[0], y: cot[1], up: cot[2].scale(2.0), log_det }
    }
    /// To those of the unit vector: along the sphere d low = dz / 2 = -(x dx + y dy) / (2 z). The latter is taken around
    /// the poles, where `up` may be large while nothing of dz lies along the sphere.
    #[inline(always)]
    fn vector(&self, at: &Place<R>) -> [R; 3] {
        let z = at.low - at.high;
        let polar = z.abs().gt(R::constant(0.5));
        let by_z = self.up.scale(0.5);
        let radial = R::select(polar, by_z / R::select(polar, z, R::one()), R::zero());
        [self.x - radial * at.x, self.y - radial * at.y, R::select(polar, R::zero(), by_z)]
    }
    /// Those behind [`Place::tilted`] turned back (or forward) to those before it; `at` is the point that these here belong to.
    #[inline(always)]
    fn tilted(&self, at: &Place<R>, inverse: bool) -> Self {
        Self::from_vector(&tilt(self.vector(at), inverse), self.log_det)
    }
}

/// Distances below this are read as this where a logarithm or a quotient is taken: the smallest normal number with room above.
fn floor<R: Real>() -> f64 {
    R::Scalar::TINY * 1e16
}

/// A point scaled along the axis.
struct Scaled<R> {
    /// Distance (1 -+ z)/2 to the pole of concentration.
    near: R,
    /// Distance to the other pole.
    far: R,
    /// New / old distance to the pole of concentration.
    near_ratio: R,
    /// New / old distance to the other pole.
    far_ratio: R,
    /// ln of the derivative.
    ln: R,
}

/// The scaling of uniform to von Mises-Fisher and its inverse, from the distances n to the pole of concentration and m = 1 - n to
/// the other one, and K = 2 kappa:
/// ```text
/// forward  n' = -ln(1 + n (e^-K - 1)) / K      m' = ln(1 + m (e^K - 1)) / K      d n'/dn = e^(K n') (1 - e^-K) / K
/// inverse  n = (1 - e^(-K n')) / (1 - e^-K)    m = e^(-K n') (1 - e^(-K m')) / (1 - e^-K)
/// ```
#[inline(always)]
fn scaling<R: Real>(n: R, m: R, twice: R, inverse: bool) -> Scaled<R> {
    let (one, least) = (R::one(), R::constant(floor::<R>()));
    // (1 - e^-K) / K: the derivative at the pole of concentration.
    let shrink = exp_m1_over(-twice);
    if inverse {
        let near_ratio = exp_m1_over(-(twice * n)) / shrink;
        // Below the smallest numbers the azimuth at least survives.
        let far_ratio = ((-(twice * n)).exp() * exp_m1_over(-(twice * m)) / shrink).max(least);
        let ln = -(shrink.ln() + twice * n);
        return Scaled { near: n * near_ratio, far: m * far_ratio, near_ratio, far_ratio, ln };
    }
    // n' to full relative precision: by ln_1p, or from m where little is left of 1 + n (e^-K - 1) = m + n e^-K.
    let m_read = m.max(least);
    let minus = (-twice).exp_m1();
    let (t, rest) = (n * minus, m_read + n * (-twice).exp());
    let close = t.gt(R::constant(-0.5));
    let close_ratio = ln_1p_over(R::select(close, t, R::zero())) * shrink;
    let far_n = R::select(close, one, n);
    let near_ratio = R::select(close, close_ratio, -R::select(close, one, rest).ln() / (twice * far_n));
    let near = n * near_ratio;
    // m' likewise: 1 - n', but by ln_1p where n' > 1/2 unless e^K overflows (then m' is tiny only at distances near e^-K).
    let largest = R::constant(-0.85 * R::Scalar::TINY.ln());
    let simple = near.le(R::constant(0.5)) | twice.gt(largest);
    let bounded = R::select(simple, one, twice);
    let far_ratio = R::select(
        simple,
        (one - near).max(least) / m_read,
        ln_1p_over(m_read * bounded.exp_m1()) * exp_m1_over(bounded),
    );
    let far = m * far_ratio;
    // A pole stays one.
    let near = R::select(m.lt(least), one - far, near);
    let near_ratio = R::select(m.lt(least), near, near_ratio);
    Scaled { near, far, near_ratio, far_ratio, ln: shrink.ln() + twice * near }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Chain;
    use crate::layers::laws::{self, Tolerance, check, random_params};
    use crate::manifolds::Manifold;
    use rand::{SeedableRng, rngs::StdRng};

    const MINUS_ONE: u128 = u128::MAX;
    const RR: u128 = 0x7272;

    type Plain = FisherFlow<()>;
    type Vertical = FisherFlow<f::add_vertical_rq_spline_flow<1>>;
    type Circular = FisherFlow<f::add_circular_rq_spline_flow<1>>;
    type Both = FisherFlow<f::add_vertical_rq_spline_flow<1, f::add_circular_rq_spline_flow<1>>>;
    type SuggestedWith<Rest> = f::add_vertical_rq_spline_flow<
        1,
        f::add_circular_rq_spline_flow<
            1,
            f::spline_num_basis_functions<
                MINUS_ONE,
                f::vertical_smooth<
                    1,
                    f::vertical_fix_first_width_n_height_to_zero<
                        1,
                        f::vertical_also_fix_second_width_to_zero<
                            1,
                            f::vertical_independent_width_height_parametrization<1, f::vertical_flow_defs<RR, Rest>>,
                        >,
                    >,
                >,
            >,
        >,
    >;
    type Suggested = FisherFlow<SuggestedWith<()>>;
    type Unrotated = FisherFlow<f::add_rotation<0>>;
    type UnrotatedSuggested = FisherFlow<SuggestedWith<f::add_rotation<0>>>;
    type UnrotatedBoth =
        FisherFlow<f::add_vertical_rq_spline_flow<1, f::add_circular_rq_spline_flow<1, f::add_rotation<0>>>>;
    type North = FisherFlow<f::inverse_z_scaling<0>>;
    type Tilted = FisherFlow<SuggestedWith<f::add_extra_rotation_inbetween<1>>>;
    type Region = FisherFlow<SuggestedWith<f::boundary_cos_theta_identity_region<{ 0.1_f64.to_bits() as u128 }>>>;
    type Angles = FisherFlow<f::rotation_mode<1>>;
    type Clamped = FisherFlow<f::kappa_clamping<1>>;
    type FreeEnds =
        FisherFlow<f::vertical_fix_boundary_derivative<0, f::add_vertical_rq_spline_flow<1, f::add_rotation<0>>>>;

    fn params<C: Layer<Sphere2>>() -> usize {
        C::PARAMS
    }

    #[test]
    fn parameters_are_counted_as_published() {
        assert_eq!(params::<Plain>(), 10);
        assert_eq!(params::<Suggested>(), 14);
        assert_eq!(params::<Both>(), 46);
        assert_eq!(params::<Angles>(), 4);
        assert_eq!(params::<Unrotated>(), 1);
    }

    #[test]
    fn laws() {
        check::<Sphere2, (Plain, ())>(1, 20, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Vertical, ())>(2, 20, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Circular, ())>(3, 20, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Both, ())>(4, 20, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Suggested, ())>(5, 20, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Unrotated, ())>(6, 20, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (North, ())>(7, 20, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Tilted, ())>(8, 20, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Region, ())>(9, 20, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Angles, ())>(10, 20, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Clamped, ())>(11, 20, 2.0, Tolerance::F64).unwrap();
        check::<Sphere2, (FreeEnds, ())>(12, 20, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Suggested, (Both, (Tilted, ())))>(13, 5, 0.3, Tolerance::F64).unwrap();
    }

    /// Poles, next to them, and the seam of the azimuth.
    fn special_points() -> Vec<Vec<f64>> {
        let mut points = vec![vec![0.0, 0.0, 1.0], vec![0.0, 0.0, -1.0]];
        for rho in [1e-300, 1e-100, 1e-12, 1e-7, 1e-3] {
            let z = (1.0 - rho * rho).sqrt();
            points.push(vec![rho * 0.8, -rho * 0.6, z]);
            points.push(vec![-rho, 0.0, -z]);
            points.push(vec![0.0, rho, -z]);
        }
        for z in [-0.7, 0.4] {
            let rho = f64::sqrt(1.0 - z * z);
            points.push(vec![-rho, 0.0, z]);
            points.push(vec![-rho, -0.0, z]);
            points.push(vec![-rho, 1e-13, z]);
            points.push(vec![rho, 0.0, z]);
        }
        points
    }

    fn holds_at_special_points<C: Chain<Sphere2>>(seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let tolerance = Tolerance::F64;
        for _ in 0..5 {
            let params = random_params::<Sphere2, C>(&mut rng, 0.3);
            for start in special_points() {
                laws::round_trip::<Sphere2, C, f64>(&params, &start, tolerance.round_trip).unwrap();
                laws::round_trip::<Sphere2, C, f32>(&params, &start, 1e-4).unwrap();
                laws::jacobian::<Sphere2, C>(&params, &start, tolerance.jacobian).unwrap();
                for inverse in [true, false] {
                    laws::gradients::<Sphere2, C>(&mut rng, &params, &start, inverse, tolerance.gradient).unwrap();
                }
            }
        }
    }

    #[test]
    fn laws_hold_at_the_poles_and_at_the_seam() {
        holds_at_special_points::<(Unrotated, ())>(21);
        holds_at_special_points::<(UnrotatedSuggested, ())>(22);
        holds_at_special_points::<(UnrotatedBoth, ())>(23);
        holds_at_special_points::<(FreeEnds, ())>(24);
        holds_at_special_points::<(Suggested, ())>(25);
        holds_at_special_points::<(Tilted, ())>(26);
        holds_at_special_points::<(FisherFlow<f::inverse_z_scaling<0, f::add_rotation<0>>>, ())>(27);
    }

    /// A chain walked in one direction: the point reached and the log-determinant of area.
    fn walk<C: Chain<Sphere2>>(params: &[f64], start: &[f64], inverse: bool) -> (Vec<f64>, f64) {
        let mut prepared = vec![0.0; C::PREPARED];
        let mut scratch = vec![0.0; C::SCRATCH];
        let (mut point, mut log_det, mut fault) = (start.to_vec(), 0.0, None);
        C::prepare(params, &mut prepared);
        if inverse {
            C::inverse(&prepared, &mut point, &mut log_det, &mut scratch, 0, &mut fault);
        } else {
            C::forward(&prepared, &mut point, &mut log_det, &mut scratch, 0, &mut fault);
        }
        assert_eq!(fault, None, "{params:?} {start:?}");
        (point, log_det)
    }

    /// Rows of layers.md section 15. Those of a first letter include the map to the plane, with ln |d plane / d area| =
    /// -ln(1 - z); all are in angles.
    #[test]
    fn reference_values() {
        fn row<C: Layer<Sphere2>>(first: bool, base: [f64; 2], ln_inverse: f64, from: [f64; 2], to: [f64; 2], ln: f64) {
            let params: Vec<f64> = (0..C::PARAMS).map(|j| 0.6 * (1.0 + 1.3 * j as f64).sin()).collect();
            let close = |a: f64, b: f64| assert!((a - b).abs() < 2e-11 * (1.0 + b.abs()), "{a} {b}");
            let out = |v: &[f64], log_det: &mut f64| {
                let mut z = [0.0; 2];
                if first {
                    Sphere2::to_base(v, &mut z);
                    *log_det -= (2.0 * half_squares(v).0).ln();
                } else {
                    Sphere2::intrinsic(v, &mut z, log_det);
                }
                z
            };
            let mut log_det = 0.0;
            let mut v = [0.0; 3];
            Sphere2::embed(&[1.1, 4.0], &mut v, &mut log_det);
            let (v, added) = walk::<(C, ())>(&params, &v, true);
            log_det += added;
            let z = out(&v, &mut log_det);
            close(z[0], base[0]);
            close(z[1], base[1]);
            close(log_det, ln_inverse);

            let (mut log_det, mut v) = (0.0, [0.0; 3]);
            if first {
                Sphere2::from_base(&from, &mut v);
                log_det += (2.0 * half_squares(&v).0).ln();
            } else {
                Sphere2::embed(&from, &mut v, &mut log_det);
            }
            let (v, added) = walk::<(C, ())>(&params, &v, false);
            log_det += added;
            let mut x = [0.0; 2];
            Sphere2::intrinsic(&v, &mut x, &mut log_det);
            close(x[0], to[0]);
            close(x[1], to[1]);
            close(log_det, ln);
        }
        row::<Plain>(
            true,
            [0.71020247941, -0.666995060429],
            0.153745771363,
            [0.4, -0.9],
            [1.38492179369, 4.1350705616],
            -0.253341392488,
        );
        row::<Suggested>(
            false,
            [1.483678685, 4.94601580346],
            0.507291117501,
            [2.0, 0.5],
            [1.08435784292, 3.08142092811],
            -1.49030897373,
        );
        row::<Both>(
            false,
            [1.86064596378, 4.01791505319],
            0.447503564286,
            [2.0, 0.5],
            [0.849324737413, 3.26035289238],
            -1.72898297763,
        );
    }

    /// The scaling alone, at a point with (1 + z)/2 = `low` and azimuth 2.
    fn at(low: f64) -> Vec<f64> {
        let rho = 2.0 * (low * (1.0 - low)).sqrt();
        vec![rho * 2.0_f64.cos(), rho * 2.0_f64.sin(), 2.0 * low - 1.0]
    }

    #[test]
    fn every_concentration_is_inverted_and_differentiated() {
        let mut rng = StdRng::seed_from_u64(31);
        for power in -12..=8 {
            let kappa = 10.0_f64.powi(power);
            let params = [kappa.ln()];
            type C = (Unrotated, ());
            // On the target side distances from the pole are of the order of 1 / (2 kappa); forward from anywhere.
            for share in [0.0, 1e-200, 1e-9, 0.01, 0.3, 0.9, 2.0, 10.0] {
                let start = at(share / (2.0 * kappa).max(20.0));
                laws::round_trip::<Sphere2, C, f64>(&params, &start, 1e-9).unwrap();
            }
            for low in [0.0, 1e-200, 1e-9, 0.1, 0.5, 0.9, 0.99] {
                let (there, ln) = walk::<C>(&params, &at(low), false);
                let (back, ln_back) = walk::<C>(&params, &there, true);
                let off = back.iter().zip(at(low)).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs()));
                assert!(off < 1e-9 && (ln + ln_back).abs() < 1e-9, "{kappa} {low}: {off:e} {}", ln + ln_back);
                if power <= 2 {
                    laws::gradients::<Sphere2, C>(&mut rng, &params, &at(low), false, 1e-6).unwrap();
                    laws::gradients::<Sphere2, C>(&mut rng, &params, &at(low), true, 1e-6).unwrap();
                }
            }
        }
    }

    /// Where the raw concentration stands among the parameters.
    trait Fisher: Layer<Sphere2> {
        const KAPPA: usize;
    }
    impl<Opts: Options<FisherOptions>> Fisher for FisherFlow<Opts> {
        const KAPPA: usize = Self::KAPPA.0;
    }

    #[test]
    fn nothing_breaks_anywhere() {
        fn finite<C: Fisher, T: Scalar>(kappa: f64, spread: f64, rng: &mut StdRng) {
            let raw: f64 = kappa.ln();
            let mut points = special_points();
            points.extend([1e-9, 0.1, 0.5, 0.9, 1.0 - 1e-9].map(at));
            let mut params = random_params::<Sphere2, (C, ())>(rng, spread);
            params[C::KAPPA] = raw;
            let params: Vec<T> = params.iter().map(|p| T::narrow(*p)).collect();
            for point in points {
                for inverse in [true, false] {
                    let zero = T::narrow(0.0);
                    let mut prepared = vec![zero; C::PREPARED];
                    let mut scratch = vec![zero; C::SCRATCH];
                    C::prepare(&params, &mut prepared);
                    let mut v: Vec<T> = point.iter().map(|p| T::narrow(*p)).collect();
                    let mut log_det = zero;
                    let mut cot: Vec<T> = [0.4, -0.8, 1.3].map(T::narrow).to_vec();
                    let mut cot_prepared = vec![zero; C::PREPARED];
                    let one = T::narrow(1.0);
                    if inverse {
                        C::inverse(&prepared, &mut v, &mut log_det, &mut scratch);
                        C::inverse_vjp(&prepared, &mut scratch, &mut cot, one, &mut cot_prepared);
                    } else {
                        C::forward(&prepared, &mut v, &mut log_det, &mut scratch);
                        C::forward_vjp(&prepared, &mut scratch, &mut cot, one, &mut cot_prepared);
                    }
                    let mut cot_params = vec![zero; C::PARAMS];
                    C::prepare_vjp(&params, &prepared, &cot_prepared, &mut cot_params);
                    let all = [&v[..], &[log_det], &cot, &cot_params].concat();
                    assert!(all.iter().all(|x| x.is_finite()), "{} {kappa} {point:?} {inverse}: {all:?}", T::NAME);
                    let norm = v.iter().map(|x| x.widen().powi(2)).sum::<f64>();
                    assert!((norm - 1.0).abs() < 40.0 * T::EPSILON, "{} {kappa} {point:?} {inverse}: {norm}", T::NAME);
                }
            }
        }
        let mut rng = StdRng::seed_from_u64(32);
        for power in -12..=8 {
            let kappa = 10.0_f64.powi(power);
            for spread in [0.3, 3.0] {
                finite::<Unrotated, f64>(kappa, spread, &mut rng);
                finite::<Suggested, f64>(kappa, spread, &mut rng);
                finite::<Both, f64>(kappa, spread, &mut rng);
                finite::<UnrotatedBoth, f64>(kappa, spread, &mut rng);
                finite::<UnrotatedSuggested, f64>(kappa, spread, &mut rng);
                finite::<Region, f64>(kappa, spread, &mut rng);
                finite::<Tilted, f64>(kappa, spread, &mut rng);
                finite::<North, f64>(kappa, spread, &mut rng);
                finite::<Unrotated, f32>(kappa, spread, &mut rng);
                finite::<UnrotatedSuggested, f32>(kappa, spread, &mut rng);
                finite::<Suggested, f32>(kappa, spread, &mut rng);
                finite::<Region, f32>(kappa, spread, &mut rng);
            }
        }
    }
}
