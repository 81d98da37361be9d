//! Layer f: von-Mises-Fisher scaling of the two-sphere, with optional splines along the axis and around it (layers.md 8.1).
//!
//! # The map
//! Forward (base to target), for the uniform distribution on the sphere:
//! 1. vertical splines move z,
//! 2. circular splines turn the azimuth: either their parameters are faded out towards the poles by g(z), or (`add_correlated_rq_spline_flow`)
//!    a network gives them for every z,
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
//! The published layer clips cos(theta) and the base plane near the poles, forms e^(2 kappa) - 1 literally, rounds the boundary of the splines to
//! two decimals and takes options that then do nothing (layers.md P11, Q3, Q17, Q18, Q19, Q28); here the exact thing is done instead, and such
//! options are refused.
//!
//! Parameters: [rotation][kappa, unless the rotation gives it][vertical splines, letter by letter][circular splines, letter by letter, or the
//! weights of their network].

mod around;
mod cap;
mod correlated;
mod kappa;
mod options;
mod place;
mod rotation;
#[cfg(test)]
mod tests;
mod vertical;

use super::interval_spline::START;
use super::{AnyLayer, Bijection, LayerType, Options, StateTensor};
use crate::manifolds::Sphere2;
use crate::numeric::{Dual, Lift, Mask, Real};
use cap::{floor, scaling};
use core::marker::PhantomData;
use flow_notation::options::{FisherOptions, FisherRotation};
use flow_notation::{Text, Written};
use options::Plan;
use place::{Place, PlaceCot};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use rotation::Turn;
use std::sync::Arc;

/// The mean that the raw concentration starts around.
const KAPPA_START: f64 = -3.0;
/// How far from zero a rotation starts that gives the concentration as well.
const ROTATION_START: f64 = 0.01;

/// Layer f in the type of a flow: von-Mises-Fisher scaling of the sphere with optional splines.
///
/// Forward: uniform becomes von Mises-Fisher with concentration kappa about a pole, splines before and a rotation behind;
/// see the options. Both directions are analytic.
pub struct FisherFlow<Opts>(PhantomData<Opts>);

impl<Opts: Options<FisherOptions>> LayerType<Sphere2> for FisherFlow<Opts> {
    const PARAMS: usize = AxisFlow::<ANY>::new(Opts::VALUE).end.0;

    fn layer() -> Arc<dyn AnyLayer> {
        layer(Opts::VALUE)
    }
}

/// No splines, and the usual concentration and rotation.
const PLAIN: u8 = 0;
/// What is written for vector registers.
const VECTORISED: u8 = 1;
/// Whatever the options say.
const ANY: u8 = 2;

/// The layer for these options, in the kind of which the compiler knows most.
#[inline(never)]
fn layer(options: FisherOptions) -> Arc<dyn AnyLayer> {
    let plain = FisherOptions {
        min_kappa: options.min_kappa,
        num_householder_iter: options.num_householder_iter,
        // Options of splines that are not there.
        vertical_flow_defs: options.vertical_flow_defs,
        spline_num_basis_functions: options.spline_num_basis_functions,
        vertical_smooth: options.vertical_smooth,
        vertical_fix_boundary_derivative: options.vertical_fix_boundary_derivative,
        circular_flow_defs: options.circular_flow_defs,
        correlated_max_rank: options.correlated_max_rank,
        ..FisherOptions::DEFAULT
    };
    let plan = Plan(options);
    let rotation = plan.rotation();
    let reflections = matches!(rotation, None | Some(Turn(FisherRotation::Householder | FisherRotation::Angles)));
    if options == plain {
        Arc::new(AxisFlow::<PLAIN>::new(options))
    } else if !options.add_correlated_rq_spline_flow && plan.has_own_kappa() && reflections {
        Arc::new(AxisFlow::<VECTORISED>::new(options))
    } else {
        Arc::new(AxisFlow::<ANY>::new(options))
    }
}

/// Layer f. What its kind says of the options is known when this is compiled.
pub(super) struct AxisFlow<const KIND: u8> {
    options: FisherOptions,
    verticals: usize,
    circulars: usize,
    /// Half the width of the region in z, at each pole, that the splines leave alone.
    margin: f64,
    // Places of blocks in parameters and prepared numbers.
    kappa: (usize, usize),
    vertical_at: (usize, usize),
    circular_at: (usize, usize),
    end: (usize, usize),
    /// Where the parameters and the prepared numbers of each vertical letter start, and where the last ones end.
    starts: [(usize, usize); Text::MOST + 1],
    /// Widths of the network of correlated splines.
    widths: [usize; 3],
    // Scratch: the point at the base (AT_BASE) and behind each step of the forward map that there is, ..
    at_lifted: usize,
    at_turned: usize,
    at_tilted: usize,
    at_scaled: usize,
    // .. how much the vertical splines stretch (x, y), and the points between them, ..
    stretch: usize,
    levels: usize,
    // .. the azimuths between the circular splines, and what their network needs.
    azimuths: usize,
    scratch_len: usize,
}

/// Where the point at the base stands in the scratch.
const AT_BASE: usize = 0;

impl<const KIND: u8> AxisFlow<KIND> {
    const fn new(options: FisherOptions) -> Self {
        let region = options.boundary_cos_theta_identity_region;
        assert!(region >= 0.0 && region < 1.0, "boundary_cos_theta_identity_region is at least 0 and below 1");
        let plan = Plan(options);
        let (verticals, circulars) = (plan.verticals(), plan.circulars());
        let kappa = (plan.rotation_params(), plan.rotation_prepared());
        let vertical_at = (kappa.0 + plan.has_own_kappa() as usize, kappa.1 + 1);
        let mut starts = [(0, 0); Text::MOST + 1];
        let mut letter = 0;
        while letter <= verticals {
            let (params, prepared) = plan.vertical_numbers(letter);
            starts[letter] = (vertical_at.0 + params, vertical_at.1 + prepared);
            letter += 1;
        }
        let circular_at = starts[verticals];
        let len = Place::<f64>::LEN;
        let at_lifted = AT_BASE + if verticals > 0 { len } else { 0 };
        let at_turned = at_lifted + if circulars > 0 { len } else { 0 };
        let at_tilted = at_turned + if options.add_extra_rotation_inbetween { len } else { 0 };
        let at_scaled = at_tilted + len;
        let stretch = at_scaled + len;
        let levels = stretch + (verticals > 0) as usize;
        let azimuths = levels + if verticals > 0 { 2 * (verticals + 1) } else { 0 };
        let predicted = azimuths + if circulars > 0 { circulars + 1 } else { 0 };
        let mut layer = AxisFlow {
            options,
            verticals,
            circulars,
            margin: 0.5 * region,
            kappa,
            vertical_at,
            circular_at,
            end: circular_at,
            starts,
            widths: Self::network_widths(circulars),
            at_lifted,
            at_turned,
            at_tilted,
            at_scaled,
            stretch,
            levels,
            azimuths,
            scratch_len: predicted,
        };
        let (params, prepared) = if layer.correlated() {
            (layer.network().params(), layer.network().params())
        } else {
            let one = plan.circular();
            (circulars * one.params(), circulars * one.prepared())
        };
        layer.end = (circular_at.0 + params, circular_at.1 + prepared);
        layer.scratch_len = predicted + layer.predicted_len();
        layer
    }

    /// The options, as far as they choose between formulas.
    #[inline(always)]
    const fn options(&self) -> FisherOptions {
        if KIND == PLAIN {
            FisherOptions { min_kappa: self.options.min_kappa, ..FisherOptions::DEFAULT }
        } else {
            self.options
        }
    }
    /// What follows from them.
    #[inline(always)]
    const fn plan(&self) -> Plan {
        Plan(self.options())
    }
    #[inline(always)]
    const fn verticals(&self) -> usize {
        if KIND == PLAIN { 0 } else { self.verticals }
    }
    #[inline(always)]
    const fn circulars(&self) -> usize {
        if KIND == PLAIN { 0 } else { self.circulars }
    }
    #[inline(always)]
    const fn correlated(&self) -> bool {
        KIND == ANY && self.options.add_correlated_rq_spline_flow
    }
    #[inline(always)]
    const fn tilted(&self) -> bool {
        KIND != PLAIN && self.options.add_extra_rotation_inbetween
    }
    #[inline(always)]
    const fn margin(&self) -> f64 {
        if KIND == PLAIN { 0.0 } else { self.margin }
    }
    #[inline(always)]
    const fn rotation(&self) -> Option<Turn> {
        match (KIND, self.plan().rotation()) {
            (PLAIN, _) => Some(Turn(FisherRotation::Householder)),
            (VECTORISED, Some(Turn(FisherRotation::Angles))) => Some(Turn(FisherRotation::Angles)),
            (VECTORISED, Some(_)) => Some(Turn(FisherRotation::Householder)),
            (_, rotation) => rotation,
        }
    }

    /// The letters of a chain of splines in the order that a direction takes them.
    #[inline(always)]
    fn order(letters: usize, inverse: bool) -> impl DoubleEndedIterator<Item = usize> {
        (0..letters).map(move |i| if inverse { letters - 1 - i } else { i })
    }

    /// Whether the splines act at a point.
    #[inline(always)]
    fn acts<R: Real>(&self, at: &Place<R>) -> R::Mask {
        if self.margin() > 0.0 { at.low.min(at.high).gt(R::constant(self.margin())) } else { R::Mask::splat(true) }
    }

    // Step 4: the scaling.

    #[inline(always)]
    fn scaling<R: Real, P: Lift<R>>(&self, prepared: &[P], at: Place<R>, inverse: bool, log_det: &mut R) -> Place<R> {
        let twice = prepared[self.kappa.1].lift();
        let (n, m) = self.from_peak(at.low, at.high);
        let scaled = scaling(n, m, twice, inverse);
        *log_det += scaled.ln;
        let stretch = scaled.near_ratio.sqrt() * scaled.far_ratio.sqrt();
        let (low, high) = self.from_peak(scaled.near, scaled.far);
        Place { x: at.x * stretch, y: at.y * stretch, low, high }
    }

    #[inline(always)]
    fn scaling_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        at: Place<R>,
        to: Place<R>,
        inverse: bool,
        cot: PlaceCot<R>,
        cot_prepared: &mut [R],
    ) -> PlaceCot<R> {
        let twice = prepared[self.kappa.1].lift();
        let (n, m) = self.from_peak(at.low, at.high);
        // The first input is a logarithm of the distance to the nearer pole: derivatives by the distance itself may overflow.
        let least = n.min(m);
        let n = Dual { value: n, grad: [least, R::zero()] };
        let m = Dual { value: m, grad: [-least, R::zero()] };
        let scaled = scaling(n, m, Dual::<R, 2>::input(twice, 1), inverse);
        let (near_ratio, far_ratio) = (scaled.near_ratio.value, scaled.far_ratio.value);
        let stretch = near_ratio.sqrt() * far_ratio.sqrt();

        let sign = R::constant(if self.options().inverse_z_scaling { 1.0 } else { -1.0 });
        let cot_near = cot.up * sign;
        let cot_squared = (cot.x * to.x + cot.y * to.y).scale(0.5);
        let (by_near_ratio, by_far_ratio) = (cot_squared / near_ratio, cot_squared / far_ratio);
        let mut by = [R::zero(); 2];
        for i in 0..2 {
            by[i] = cot_near * scaled.near.grad[i]
                + by_near_ratio * scaled.near_ratio.grad[i]
                + by_far_ratio * scaled.far_ratio.grad[i]
                + cot.log_det * scaled.ln.grad[i];
        }
        let [by_log, by_twice] = by;
        cot_prepared[self.kappa.1] += by_twice;
        PlaceCot {
            x: cot.x * stretch,
            y: cot.y * stretch,
            up: sign * by_log / least.max(R::constant(floor::<R>())),
            ..cot
        }
    }

    /// (low, high) as (distance to the pole of concentration, to the other one), and the other way round.
    #[inline(always)]
    fn from_peak<R>(&self, low: R, high: R) -> (R, R) {
        if self.options().inverse_z_scaling { (low, high) } else { (high, low) }
    }

    // Step 5: the rotation.

    #[inline(always)]
    fn rotate<R: Real, P: Lift<R>>(&self, prepared: &[P], v: &mut [R], inverse: bool) {
        if let Some(mode) = self.rotation() {
            mode.apply(&prepared[..self.kappa.1], v, inverse);
        }
    }
    /// `v` holds the result and is taken back to the argument.
    #[inline(always)]
    fn rotate_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        v: &mut [R],
        inverse: bool,
        cot: &mut [R],
        cot_prepared: &mut [R],
    ) {
        if let Some(mode) = self.rotation() {
            mode.apply_vjp(&prepared[..self.kappa.1], v, inverse, cot, &mut cot_prepared[..self.kappa.1]);
        }
    }
}

impl<const KIND: u8> Bijection for AxisFlow<KIND> {
    const VECTORISED: bool = KIND != ANY;

    fn name(&self) -> &'static str {
        "f"
    }
    fn params(&self) -> usize {
        self.end.0
    }
    fn prepared(&self) -> usize {
        self.end.1
    }
    fn scratch(&self) -> usize {
        self.scratch_len
    }

    fn options(&self) -> Vec<Written> {
        self.options.written()
    }

    fn state(&self) -> Vec<StateTensor> {
        let of = |there: bool, n: usize| if there { n } else { 0 };
        StateTensor::list([
            ("householder_params", &[1, self.kappa.0]),
            ("loglike_kappa", &[1, self.vertical_at.0 - self.kappa.0]),
            ("vertical_flow_params", &[1, of(!self.correlated(), self.circular_at.0 - self.vertical_at.0)]),
            ("circular_flow_params", &[1, of(!self.correlated(), self.end.0 - self.circular_at.0)]),
            ("correlated_flow_params", &[1, of(self.correlated(), self.end.0 - self.vertical_at.0)]),
        ])
    }

    fn initial(&self, rng: &mut dyn Rng, params: &mut [f64]) {
        let (rotation, rest) = params.split_at_mut(self.kappa.0);
        let spread = if self.plan().has_own_kappa() { 1.0 } else { ROTATION_START };
        rotation.iter_mut().for_each(|p| *p = spread * rng.sample::<f64, _>(StandardNormal));
        for own in &mut rest[..self.vertical_at.0 - self.kappa.0] {
            *own = rng.sample::<f64, _>(StandardNormal) + KAPPA_START;
        }
        let smooth = self.options().vertical_smooth && !self.correlated();
        params[self.vertical_at.0..self.circular_at.0].fill(if smooth { 0.0 } else { START });
        let around = &mut params[self.circular_at.0..];
        if self.correlated() { self.initial_network(rng, around) } else { around.fill(0.0) }
    }

    #[inline(always)]
    fn prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        let (rotation, own) = params[..self.vertical_at.0].split_at(self.kappa.0);
        if let Some(mode) = self.rotation() {
            mode.prepare(rotation, &mut prepared[..self.kappa.1]);
        }
        prepared[self.kappa.1] = self.plan().twice_kappa(own, rotation);
        self.vertical_prepare(params, prepared);
        if self.correlated() {
            prepared[self.circular_at.1..].copy_from_slice(&params[self.circular_at.0..]);
        } else {
            self.faded_prepare(params, prepared);
        }
    }

    #[inline(always)]
    fn prepare_vjp<P: Real>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        let (rotation, own) = params[..self.vertical_at.0].split_at(self.kappa.0);
        let (cot_rotation, cot_own) = cot_params[..self.vertical_at.0].split_at_mut(self.kappa.0);
        if let Some(mode) = self.rotation() {
            let of = ..self.kappa.1;
            mode.prepare_vjp(rotation, &prepared[of], &cot_prepared[of], cot_rotation);
        }
        self.plan().twice_kappa_vjp(own, rotation, cot_prepared[self.kappa.1], cot_own, cot_rotation);
        self.vertical_prepare_vjp(params, prepared, cot_prepared, cot_params);
        if self.correlated() {
            for (bar, cot) in cot_params[self.circular_at.0..].iter_mut().zip(&cot_prepared[self.circular_at.1..]) {
                *bar += *cot;
            }
        } else {
            self.faded_prepare_vjp(cot_prepared, cot_params);
        }
    }

    #[inline(always)]
    fn inverse<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        self.rotate(prepared, x, true);
        let mut at = Place::from_vector(x);
        at.store(scratch, self.at_scaled);
        at = self.scaling(prepared, at, true, log_det);
        at.store(scratch, self.at_tilted);
        if self.tilted() {
            at = at.tilted(true);
            at.store(scratch, self.at_turned);
        }
        if self.circulars() > 0 {
            at = self.around(prepared, at, scratch, true, log_det);
            at.store(scratch, self.at_lifted);
        }
        if self.verticals() > 0 {
            at = self.vertical(prepared, at, scratch, true, log_det);
            at.store(scratch, AT_BASE);
        }
        x.copy_from_slice(&at.vector());
    }

    #[inline(always)]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let mut bar = PlaceCot::from_vector(cot, cot_log_det);
        if self.verticals() > 0 {
            let (from, to) = (Place::load(scratch, self.at_lifted), Place::load(scratch, AT_BASE));
            bar = self.vertical_vjp(prepared, from, to, scratch, true, bar, cot_prepared);
        }
        if self.circulars() > 0 {
            let (from, to) = (Place::load(scratch, self.at_turned), Place::load(scratch, self.at_lifted));
            bar = self.around_vjp(prepared, from, to, scratch, true, bar, cot_prepared);
        }
        if self.tilted() {
            bar = bar.tilted(&Place::load(scratch, self.at_turned), false);
        }
        let (from, to) = (Place::load(scratch, self.at_scaled), Place::load(scratch, self.at_tilted));
        bar = self.scaling_vjp(prepared, from, to, true, bar, cot_prepared);
        cot.copy_from_slice(&bar.vector(&from));
        self.rotate_vjp(prepared, &mut from.vector(), true, cot, cot_prepared);
    }

    #[inline(always)]
    fn forward<R: Real, P: Lift<R>>(&self, prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        let mut at = Place::from_vector(z);
        at.store(scratch, AT_BASE);
        if self.verticals() > 0 {
            at = self.vertical(prepared, at, scratch, false, log_det);
            at.store(scratch, self.at_lifted);
        }
        if self.circulars() > 0 {
            at = self.around(prepared, at, scratch, false, log_det);
            at.store(scratch, self.at_turned);
        }
        if self.tilted() {
            at = at.tilted(false);
            at.store(scratch, self.at_tilted);
        }
        at = self.scaling(prepared, at, false, log_det);
        at.store(scratch, self.at_scaled);
        z.copy_from_slice(&at.vector());
        self.rotate(prepared, z, false);
        R::Mask::splat(false)
    }

    #[inline(always)]
    fn forward_vjp<R: Real, P: Lift<R>>(
        &self,
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (from, to) = (Place::load(scratch, self.at_tilted), Place::load(scratch, self.at_scaled));
        let mut v = to.vector();
        self.rotate(prepared, &mut v, false);
        self.rotate_vjp(prepared, &mut v, false, cot, cot_prepared);
        let mut bar = PlaceCot::from_vector(cot, cot_log_det);
        bar = self.scaling_vjp(prepared, from, to, false, bar, cot_prepared);
        if self.tilted() {
            bar = bar.tilted(&from, true);
        }
        if self.circulars() > 0 {
            let (from, to) = (Place::load(scratch, self.at_lifted), Place::load(scratch, self.at_turned));
            bar = self.around_vjp(prepared, from, to, scratch, false, bar, cot_prepared);
        }
        if self.verticals() > 0 {
            let (from, to) = (Place::load(scratch, AT_BASE), Place::load(scratch, self.at_lifted));
            bar = self.vertical_vjp(prepared, from, to, scratch, false, bar, cot_prepared);
        }
        cot.copy_from_slice(&bar.vector(&Place::load(scratch, AT_BASE)));
    }
}
