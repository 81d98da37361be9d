//! Layer n: a segmented conditional flow of spheres (layers.md 8.4): the azimuth by itself, then each polar angle given
//! the point of the smaller sphere that the angles before it make.
//!
//! # Formula
//! D. J. Rezende et al., Normalizing Flows on Tori and Spheres (2020), section 2.2: S^D is S^{D-1} times a height, down
//! to the circle. A point v = (rho_D u_{D-1}, cos theta_D) of S^D, after an optional rotation, with h = (1 - cos
//! theta)/2 and c = 1 - h at every level m = 2 .. D (theta_D is the theta of the two-sphere, theta_1 of higher ones):
//!
//! ```text
//! phi_b = T(phi)                         Moebius mixture T (moebius.rs)
//! p_m   = MLP_m(u_{m-1})                 parameters of level m from the target's point of S^{m-1} (networks);
//!                                        on the two-sphere u_1 = (cos phi, sin phi)
//! h_b,m = Z(h_m; p_m)                    zenith letters L_0 first (zenith.rs)
//! ln|det| = ln T'(phi) + sum_m ( ln dh_b/dh + (m - 2)/2 ln (h_b c_b) / (h c) )
//! ```
//! with respect to area = d phi prod_m 2 (4 h c)^{(m-2)/2} dh.
//!
//! Zenith letters r are rational-quadratic splines in h (5 bins); letters g are mixtures of logistic functions in u =
//! ln h - ln c = 2 ln tan(theta/2), the Mercator coordinate, where h c du = dh; x and z do nothing. There is no margin
//! at the poles (the ancestor's of 1e-5 in h is left out, Q30): h and c are kept as a pair, u is formed from the
//! distance rho = sin(theta) to the axis, and rho of the result follows from rho of the argument (by the ratios of a
//! spline, or as 1/cosh(u/2)), so that both directions are exact as close to a pole as numbers go.
//!
//! # At the poles
//! The point of S^{m-1} decides how the polar angle of level m is mapped, so the map of the sphere is continuous but
//! **not smooth** where a level is at one of its poles: at the two poles of the (rotated) axis of the two-sphere, on
//! the circles and spheres v_0 = .. = v_{m-1} = 0 of higher ones. The density there depends on the direction from which
//! such a point is approached, and derivatives of a log-density by the point grow as 1/rho beside it. With letters g
//! the density at a pole is moreover 0 or infinite (a power of rho) unless the tail has slope one: a tail of width
//! sigma takes rho to about rho^(1/sigma), and where that leaves the range of numbers, distances are no longer told
//! apart. A point on an axis itself (closer than 1e8 times the smallest normal number) counts as one that far away in
//! the direction (1, 0, .., 0), and has no derivative by the angles that are undefined there.
//!
//! # Parameters
//! Rotation, weights of MLP_2, .., MLP_D, Moebius mixture (K, 4). The rotation is D(D+1)/2 angles or D + 1 reflection
//! vectors of D + 1 numbers; of the three vectors of the two-sphere only the first one acts, so that weights of the
//! ancestor carry over (Q30); on higher spheres all do.

#[cfg(test)]
mod higher;
mod options;
mod point;
#[cfg(test)]
mod tests;
mod zenith;

pub use options::{Zenith, ZenithLetter};

use super::rotation::{
    angles, angles_prepare, angles_prepare_vjp, angles_transpose, angles_transpose_vjp, angles_vjp, householder,
    householder_prepare, householder_prepare_vjp, householder_transpose, householder_transpose_vjp, householder_vjp,
};
use super::{AnyLayer, Bijection, LayerType, Options, Spherical, StateTensor, moebius};
use crate::layers::hidden_dims::{HiddenDims, MOST_HIDDEN};
use crate::manifolds::{Manifold, Sphere, Sphere2};
use crate::networks::Mlp;
use crate::numeric::{Lift, Real};
use core::marker::PhantomData;
use core::ops::Range;
use flow_notation::Written;
use flow_notation::options::{SegmentedOptions, SphereRotation};
use point::{Angles, LEVELS, Point};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use std::sync::Arc;
use zenith::Level;

/// Layer n in the type of a flow: the azimuth by a mixture of Moebius maps, each polar angle by maps whose parameters a
/// small network makes of the angles before it. See the options in [`SegmentedOptions`].
///
/// Evaluation is closed form; sampling solves for the azimuth, and once more for each letter g. The map is continuous
/// everywhere but not smooth at the poles of its axes: the density there depends on the direction.
pub struct SegmentedSphere<Opts>(PhantomData<Opts>);

/// Spheres that are a smaller sphere times a height: all but the circle.
pub trait WithHeight: Spherical {
    /// How many of the reflection vectors in the parameters act.
    const REFLECTIONS: usize = Self::EMBED;
}
impl WithHeight for Sphere2 {
    const REFLECTIONS: usize = 1;
}
impl<const D: usize> WithHeight for Sphere<D> {}

/// The letter on each of its manifolds.
macro_rules! on {
    ($([$($generics:tt)*] $manifold:ty;)*) => {$(
        impl<$($generics)* Opts: Options<SegmentedOptions>> LayerType<$manifold> for SegmentedSphere<Opts> {
            const PARAMS: usize =
                HeightFlow::<ANY>::new(<$manifold>::DIM, <$manifold>::REFLECTIONS, Opts::VALUE).params;

            fn layer() -> Arc<dyn AnyLayer> {
                layer(<$manifold>::DIM, <$manifold>::REFLECTIONS, Opts::VALUE)
            }
        }
    )*};
}
on! {
    [] Sphere2;
    [const D: usize,] Sphere<D>;
}

/// The two-sphere with one spline and the usual network.
const USUAL: u8 = 0;
/// Its options.
const USUAL_ZENITH: Zenith = Zenith::new(SegmentedOptions::DEFAULT.zenith_type_layers);
const USUAL_HIDDEN: HiddenDims = HiddenDims::new(SegmentedOptions::DEFAULT.hidden_dims);
/// Any sphere, whatever the options say.
const ANY: u8 = 1;

/// The layer for these options, in the kind of which the compiler knows most.
#[inline(never)]
fn layer(dim: usize, reflections: usize, options: SegmentedOptions) -> Arc<dyn AnyLayer> {
    let usual = SegmentedOptions {
        add_rotation: options.add_rotation,
        num_basis_functions: options.num_basis_functions,
        ..SegmentedOptions::DEFAULT
    };
    if dim == 2 && options == usual {
        Arc::new(HeightFlow::<USUAL>::new(dim, reflections, options))
    } else {
        Arc::new(HeightFlow::<ANY>::new(dim, reflections, options))
    }
}

/// Size of the networks' first weights.
const NETWORK_START: f64 = 1e-4;

/// Layer n on a sphere of two or more dimensions. What its kind says of the options is known when this is compiled.
struct HeightFlow<const KIND: u8> {
    dim: usize,
    options: SegmentedOptions,
    zenith: Zenith,
    hidden_dims: HiddenDims,
    /// Numbers of the rotation: parameters, those of them that act, and prepared numbers.
    rotation: (usize, usize, usize),
    /// Where the weights of the network of level m start, at place m - 2, and where those of the last one end.
    weights: [usize; LEVELS + 1],
    /// What a network keeps: the last one, which reads most, keeps most.
    hidden: usize,
    params: usize,
}

/// The parts of a level's scratch: the heights from target to base, what the network keeps, its output, and the
/// cotangent of its output.
struct Parts<'a, R> {
    heights: &'a mut [R],
    hidden: &'a mut [R],
    raw: &'a mut [R],
    cot_raw: &'a mut [R],
}

/// Inputs, hidden layers and outputs of a network, and how many numbers these are.
type Widths = ([usize; MOST_HIDDEN + 2], usize);

impl<const KIND: u8> HeightFlow<KIND> {
    const fn new(dim: usize, reflections: usize, options: SegmentedOptions) -> Self {
        assert!(options.num_basis_functions > 0, "num_basis_functions of layer n must be positive");
        assert!(
            options.max_rank == -1 || options.max_rank > 0,
            "max_rank of layer n is positive, or -1 for full matrices"
        );
        assert!(options.highway_mode >= 0 && options.highway_mode <= 4, "highway_mode of layer n is 0 to 4");
        let embed = dim + 1;
        let rotation = match (options.add_rotation, options.rotation_mode) {
            (false, _) => (0, 0, 0),
            (true, SphereRotation::Householder) => (embed * embed, reflections * embed, reflections * embed),
            (true, SphereRotation::Angles) => (dim * embed / 2, dim * embed / 2, dim * embed),
        };
        let mut flow = HeightFlow {
            dim,
            options,
            zenith: Zenith::new(options.zenith_type_layers),
            hidden_dims: HiddenDims::new(options.hidden_dims),
            rotation,
            weights: [0; LEVELS + 1],
            hidden: 0,
            params: 0,
        };
        let mut level = 2;
        while level <= dim {
            let widths = flow.widths(level);
            let network = flow.network(&widths);
            let own = if flow.zenith.params() > 0 { network.params() } else { 0 };
            flow.weights[level - 1] = flow.weights[level - 2] + own;
            flow.hidden = network.hidden();
            level += 1;
        }
        flow.params = rotation.0 + flow.all_weights() + moebius::PARAMS * flow.components();
        flow
    }

    /// Dimension of the sphere.
    #[inline(always)]
    const fn dim(&self) -> usize {
        if KIND == USUAL { 2 } else { self.dim }
    }
    /// Numbers of a point.
    #[inline(always)]
    const fn embed(&self) -> usize {
        self.dim() + 1
    }
    /// The options, as far as they choose between formulas.
    #[inline(always)]
    const fn options(&self) -> &SegmentedOptions {
        if KIND == USUAL { &SegmentedOptions::DEFAULT } else { &self.options }
    }
    #[inline(always)]
    const fn zenith(&self) -> Zenith {
        if KIND == USUAL { USUAL_ZENITH } else { self.zenith }
    }
    /// The map of the height of level `level`.
    #[inline(always)]
    const fn level(&self, level: usize) -> Level<KIND> {
        Level::new(self.zenith(), level)
    }
    /// Number of Moebius maps.
    const fn components(&self) -> usize {
        self.options.num_basis_functions as usize
    }

    /// Widths of the network of level `level`.
    #[inline(always)]
    const fn widths(&self, level: usize) -> Widths {
        let hidden = if KIND == USUAL { USUAL_HIDDEN } else { self.hidden_dims };
        hidden.network(level, self.zenith().params())
    }
    #[inline(always)]
    const fn network<'a>(&self, (widths, count): &'a Widths) -> Mlp<'a> {
        let options = self.options();
        let rank = if options.max_rank > 0 { options.max_rank as usize } else { 0 };
        Mlp::new(widths.split_at(*count).0, rank, options.highway_mode as usize)
    }
    /// The weights of the network of level `level` among those of all networks.
    #[inline(always)]
    fn own_weights(&self, level: usize) -> Range<usize> {
        self.weights[level - 2]..self.weights[level - 1]
    }
    /// How many weights the networks have together.
    const fn all_weights(&self) -> usize {
        self.weights[self.dim - 1]
    }
    /// Scratch of one level.
    const fn level_len(&self) -> usize {
        self.zenith().heights() + self.hidden + 2 * self.zenith().params()
    }

    /// Rotation, networks, mixture.
    #[inline(always)]
    fn sections<'a, T>(&self, prepared: &'a [T]) -> (&'a [T], &'a [T], &'a [T]) {
        let (rotation, rest) = prepared.split_at(self.rotation.2);
        let (weights, mixture) = rest.split_at(self.all_weights());
        (rotation, weights, mixture)
    }
    #[inline(always)]
    fn sections_mut<'a, T>(&self, prepared: &'a mut [T]) -> (&'a mut [T], &'a mut [T], &'a mut [T]) {
        let (rotation, rest) = prepared.split_at_mut(self.rotation.2);
        let (weights, mixture) = rest.split_at_mut(self.all_weights());
        (rotation, weights, mixture)
    }
    /// Target, base, levels.
    #[inline(always)]
    fn places<'a, R>(&self, scratch: &'a mut [R]) -> (&'a mut [R], &'a mut [R], &'a mut [R]) {
        let (target, rest) = scratch.split_at_mut(point::saved(self.dim()));
        let (base, levels) = rest.split_at_mut(point::saved(self.dim()));
        (target, base, levels)
    }
    #[inline(always)]
    fn parts<'a, R>(&self, levels: &'a mut [R], level: usize) -> Parts<'a, R> {
        let own = &mut levels[(level - 2) * self.level_len()..][..self.level_len()];
        let (heights, rest) = own.split_at_mut(self.zenith().heights());
        let (hidden, rest) = rest.split_at_mut(self.hidden);
        let (raw, cot_raw) = rest.split_at_mut(self.zenith().params());
        Parts { heights, hidden, raw, cot_raw }
    }

    /// The parameters of a level from the target's point below it.
    #[inline(always)]
    fn zenith_parameters<R: Real, P: Lift<R>>(
        &self,
        level: usize,
        weights: &[P],
        target: &Point<R>,
        parts: &mut Parts<R>,
    ) {
        if self.zenith().params() > 0 {
            let below = target.vector(level - 1);
            let widths = self.widths(level);
            let weights = &weights[self.own_weights(level)];
            self.network(&widths).evaluate(weights, &below[..level], parts.hidden, parts.raw);
        }
    }
    /// Its cotangents, added to those of the target's angles below.
    #[inline(always)]
    fn zenith_parameters_vjp<R: Real, P: Lift<R>>(
        &self,
        level: usize,
        weights: &[P],
        target: &Point<R>,
        parts: &mut Parts<R>,
        angles: &mut Angles<R>,
        cot_weights: &mut [R],
    ) {
        if self.zenith().params() > 0 {
            let below = target.vector(level - 1);
            let mut cot = [R::zero(); point::COMPONENTS];
            let widths = self.widths(level);
            self.network(&widths).evaluate_vjp(
                &weights[self.own_weights(level)],
                &below[..level],
                parts.hidden,
                parts.cot_raw,
                &mut cot[..level],
                &mut cot_weights[self.own_weights(level)],
            );
            target.add_cot_angles(level - 1, &cot, angles);
        }
    }

    #[inline(always)]
    fn rotate<R: Real, P: Lift<R>>(&self, rotation: &[P], x: &mut [R]) {
        match self.options().rotation_mode {
            SphereRotation::Householder => householder(self.embed(), rotation, x),
            SphereRotation::Angles => angles(self.embed(), rotation, x),
        }
    }
    #[inline(always)]
    fn rotate_back<R: Real, P: Lift<R>>(&self, rotation: &[P], x: &mut [R]) {
        match self.options().rotation_mode {
            SphereRotation::Householder => householder_transpose(self.embed(), rotation, x),
            SphereRotation::Angles => angles_transpose(self.embed(), rotation, x),
        }
    }
}

impl<const KIND: u8> Bijection for HeightFlow<KIND> {
    fn name(&self) -> &'static str {
        "n"
    }
    fn params(&self) -> usize {
        self.params
    }
    fn prepared(&self) -> usize {
        self.rotation.2 + self.all_weights() + moebius::prepared(self.components())
    }
    fn scratch(&self) -> usize {
        2 * point::saved(self.dim) + (self.dim - 1) * self.level_len()
    }

    fn options(&self) -> Vec<Written> {
        self.options.written()
    }

    // The weights of all networks on a higher sphere stand in one tensor.
    fn state(&self) -> Vec<StateTensor> {
        StateTensor::list([
            ("householder_params", &[1, self.rotation.0]),
            ("amortized_mlp.u_v_b_pars", &[1, self.all_weights()]),
            ("moebius_trafo.moebius_pars", &[1, self.components(), moebius::PARAMS]),
        ])
    }

    /// Rotation and mixture from N(0, 1); the networks start close to a constant: the identity of the polar angles.
    fn initial(&self, rng: &mut dyn Rng, params: &mut [f64]) {
        params.iter_mut().for_each(|p| *p = rng.sample(StandardNormal));
        let weights = &mut params[self.rotation.0..][..self.all_weights()];
        weights.iter_mut().for_each(|w| *w *= NETWORK_START);
        for level in 2..=self.dim {
            let own = &mut weights[self.own_weights(level)];
            let outputs = own.len() - self.zenith().params();
            self.zenith().initial(&mut own[outputs..]);
        }
    }

    #[inline(always)]
    fn prepare<P: Real>(&self, params: &[P], prepared: &mut [P]) {
        let (given, rest) = params.split_at(self.rotation.0);
        let given = &given[..self.rotation.1];
        let (given_weights, given_mixture) = rest.split_at(self.all_weights());
        let (rotation, weights, mixture) = self.sections_mut(prepared);
        match self.options().rotation_mode {
            SphereRotation::Householder => householder_prepare(self.embed(), given, rotation),
            SphereRotation::Angles => angles_prepare(given, rotation),
        }
        weights.copy_from_slice(given_weights);
        moebius::prepare(given_mixture, mixture);
    }
    #[inline(always)]
    fn prepare_vjp<P: Real>(&self, params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        let (all, acting, _) = self.rotation;
        let (given, rest) = params.split_at(all);
        let given_mixture = &rest[self.all_weights()..];
        let (cot_given, rest) = cot_params.split_at_mut(all);
        let (cot_given_weights, cot_given_mixture) = rest.split_at_mut(self.all_weights());
        let (rotation, _, mixture) = self.sections(prepared);
        let (cot_rotation, cot_weights, cot_mixture) = self.sections(cot_prepared);
        let (given, cot_given) = (&given[..acting], &mut cot_given[..acting]);
        match self.options().rotation_mode {
            SphereRotation::Householder => {
                householder_prepare_vjp(self.embed(), given, rotation, cot_rotation, cot_given);
            }
            SphereRotation::Angles => angles_prepare_vjp(rotation, cot_rotation, cot_given),
        }
        for (out, cot) in cot_given_weights.iter_mut().zip(cot_weights) {
            *out += *cot;
        }
        moebius::prepare_vjp(given_mixture, mixture, cot_mixture, cot_given_mixture);
    }

    #[inline(always)]
    fn inverse<R: Real, P: Lift<R>>(&self, prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        let (rotation, weights, mixture) = self.sections(prepared);
        let (kept_target, kept_base, levels) = self.places(scratch);
        self.rotate_back(rotation, x);
        let target = Point::of(self.dim(), x);
        let (azimuth, slope) = moebius::map(mixture, target.azimuth);
        *log_det += slope.ln();
        let mut base = Point { azimuth, ..target };
        for m in 2..=self.dim() {
            let mut parts = self.parts(levels, m);
            self.zenith_parameters(m, weights, &target, &mut parts);
            base.levels[m - 2] = self.level(m).inverse(parts.raw, &target.levels[m - 2], parts.heights, log_det);
        }
        target.save(self.dim(), kept_target);
        base.save(self.dim(), kept_base);
        x.copy_from_slice(&base.vector(self.dim())[..self.embed()]);
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
        let (rotation, weights, mixture) = self.sections(prepared);
        let (cot_rotation, cot_weights, cot_mixture) = self.sections_mut(cot_prepared);
        let (kept_target, kept_base, levels) = self.places(scratch);
        let (target, base) = (Point::load(self.dim(), kept_target), Point::load(self.dim(), kept_base));
        let (mut cot_target, mut cot_base) = (Angles::zero(), Angles::zero());
        base.add_cot_angles(self.dim(), cot, &mut cot_base);

        cot_target.phi = moebius::map_vjp(mixture, target.azimuth, cot_base.phi, cot_log_det, cot_mixture);
        for m in 2..=self.dim() {
            let mut parts = self.parts(levels, m);
            parts.cot_raw.fill(R::zero());
            cot_target.theta[m - 2] += self.level(m).inverse_vjp(
                parts.raw,
                &target.levels[m - 2],
                &base.levels[m - 2],
                parts.heights,
                cot_base.theta[m - 2],
                cot_log_det,
                parts.cot_raw,
            );
            self.zenith_parameters_vjp(m, weights, &target, &mut parts, &mut cot_target, cot_weights);
        }
        target.cot_vector(self.dim(), &cot_target, cot);
        let x = &mut target.vector(self.dim())[..self.embed()];
        match self.options().rotation_mode {
            SphereRotation::Householder => householder_transpose_vjp(self.embed(), rotation, x, cot, cot_rotation),
            SphereRotation::Angles => angles_transpose_vjp(self.embed(), rotation, x, cot, cot_rotation),
        }
    }

    #[inline(always)]
    fn forward<R: Real, P: Lift<R>>(&self, prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        let (rotation, weights, mixture) = self.sections(prepared);
        let (kept_target, kept_base, levels) = self.places(scratch);
        let base = Point::of(self.dim(), z);
        let (azimuth, slope, mut failed) = moebius::solve(mixture, base.azimuth);
        *log_det -= slope.ln();
        let mut target = Point { azimuth, ..base };
        for m in 2..=self.dim() {
            let mut parts = self.parts(levels, m);
            self.zenith_parameters(m, weights, &target, &mut parts);
            let (to, unconverged) = self.level(m).forward(parts.raw, &base.levels[m - 2], parts.heights, log_det);
            target.levels[m - 2] = to;
            failed = failed | unconverged;
        }
        target.save(self.dim(), kept_target);
        base.save(self.dim(), kept_base);
        z.copy_from_slice(&target.vector(self.dim())[..self.embed()]);
        self.rotate(rotation, z);
        failed
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
        let (rotation, weights, mixture) = self.sections(prepared);
        let (cot_rotation, cot_weights, cot_mixture) = self.sections_mut(cot_prepared);
        let (kept_target, kept_base, levels) = self.places(scratch);
        let (target, base) = (Point::load(self.dim(), kept_target), Point::load(self.dim(), kept_base));
        let x = &mut target.vector(self.dim())[..self.embed()];
        self.rotate(rotation, x);
        match self.options().rotation_mode {
            SphereRotation::Householder => householder_vjp(self.embed(), rotation, x, cot, cot_rotation),
            SphereRotation::Angles => angles_vjp(self.embed(), rotation, x, cot, cot_rotation),
        }
        let (mut cot_target, mut cot_base) = (Angles::zero(), Angles::zero());
        target.add_cot_angles(self.dim(), cot, &mut cot_target);

        // Downwards: the network of a level reads the target's angles below it.
        for m in (2..=self.dim()).rev() {
            let mut parts = self.parts(levels, m);
            parts.cot_raw.fill(R::zero());
            cot_base.theta[m - 2] = self.level(m).forward_vjp(
                parts.raw,
                &base.levels[m - 2],
                &target.levels[m - 2],
                parts.heights,
                cot_target.theta[m - 2],
                cot_log_det,
                parts.cot_raw,
            );
            self.zenith_parameters_vjp(m, weights, &target, &mut parts, &mut cot_target, cot_weights);
        }
        cot_base.phi = moebius::solve_vjp(mixture, target.azimuth, cot_target.phi, cot_log_det, cot_mixture);
        base.cot_vector(self.dim(), &cot_base, cot);
    }
}
