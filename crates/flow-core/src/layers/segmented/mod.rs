//! Layer n: a segmented conditional flow of spheres (layers.md 8.4): the azimuth by itself, then each polar angle given the point of the smaller sphere
//! that the angles before it make.
//!
//! # Formula
//! D. J. Rezende et al., Normalizing Flows on Tori and Spheres (2020), section 2.2: S^D is S^{D-1} times a height, down to the circle. A
//! point v = (rho_D u_{D-1}, cos theta_D) of S^D, after an optional rotation, with h = (1 - cos theta)/2 and c = 1 - h at every level
//! m = 2 .. D (theta_D is the theta of the two-sphere, theta_1 of higher ones):
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
//! Zenith letters r are rational-quadratic splines in h (5 bins); letters g are mixtures of logistic functions in
//! u = ln h - ln c = 2 ln tan(theta/2), the Mercator coordinate, where h c du = dh; x and z do nothing. There is no margin at the poles
//! (the ancestor's of 1e-5 in h is left out, Q30): h and c are kept as a pair, u is formed from the distance rho = sin(theta) to the axis, and rho of the
//! result follows from rho of the argument (by the ratios of a spline, or as 1/cosh(u/2)), so that both directions are exact as
//! close to a pole as numbers go.
//!
//! # At the poles
//! The point of S^{m-1} decides how the polar angle of level m is mapped, so the map of the sphere is continuous but **not smooth** where
//! a level is at one of its poles: at the two poles of the (rotated) axis of the two-sphere, on the circles and spheres
//! v_0 = .. = v_{m-1} = 0 of higher ones. The density there depends on the direction from which such a point is approached, and derivatives of a
//! log-density by the point grow as 1/rho beside it. With letters g the density at a pole is moreover 0 or infinite (a power of
//! rho) unless the tail has slope one: a tail of width sigma takes rho to about rho^(1/sigma), and where that leaves the range of numbers, distances
//! are no longer told apart. A point on an axis itself (closer than 1e8 times the smallest normal number) counts as one
//! that far away in the direction (1, 0, .., 0), and has no derivative by the angles that are undefined there.
//!
//! # Parameters
//! Rotation, weights of MLP_2, .., MLP_D, Moebius mixture (K, 4). The rotation is D(D+1)/2 angles or D + 1 reflection vectors of D + 1 numbers; of the
//! three vectors of the two-sphere only the first one acts, so that weights of the ancestor carry over (Q30); on higher spheres all do.

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
use super::{Layer, Options, Spherical, StateTensor, moebius};
use crate::layers::hidden_dims::{HiddenDims, MOST_HIDDEN};
use crate::manifolds::{Sphere, Sphere2};
use crate::networks::Mlp;
use crate::numeric::{Lift, Real};
use core::marker::PhantomData;
use flow_notation::Written;
use flow_notation::options::{SegmentedOptions, SphereRotation};
use point::{Angles, Point};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// Layer n: the azimuth by a mixture of Moebius maps, each polar angle by maps whose parameters a small network
/// makes of the angles before it. See the options in [`SegmentedOptions`].
///
/// Evaluation is closed form; sampling solves for the azimuth, and once more for each letter g.
/// The map is continuous everywhere but not smooth at the poles of its axes: the density there depends on the direction.
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

/// Size of the networks' first weights.
const NETWORK_START: f64 = 1e-4;

/// A flow of one sphere: what the options make of its dimension.
struct Shape<M, Opts>(PhantomData<(M, Opts)>);

/// The parts of a level's scratch: the heights from target to base, what the network keeps, its output, and the cotangent of its
/// output.
struct Parts<'a, R> {
    heights: &'a mut [R],
    hidden: &'a mut [R],
    raw: &'a mut [R],
    cot_raw: &'a mut [R],
}

/// Inputs, hidden layers and outputs of a network.
type Widths = [usize; MOST_HIDDEN + 2];

impl<M: WithHeight, Opts: Options<SegmentedOptions>> Shape<M, Opts> {
    const OPTIONS: SegmentedOptions = {
        let options = Opts::VALUE;
        assert!(options.num_basis_functions > 0, "num_basis_functions of layer n must be positive");
        assert!(
            options.max_rank == -1 || options.max_rank > 0,
            "max_rank of layer n is positive, or -1 for full matrices"
        );
        assert!(options.highway_mode >= 0 && options.highway_mode <= 4, "highway_mode of layer n is 0 to 4");
        options
    };
    const ZENITH: Zenith = Zenith::new(Self::OPTIONS.zenith_type_layers);
    const COMPONENTS: usize = Self::OPTIONS.num_basis_functions as usize;
    /// Numbers of the rotation: parameters, those of them that act, and prepared numbers.
    const ROTATION: (usize, usize, usize) = match (Self::OPTIONS.add_rotation, Self::OPTIONS.rotation_mode) {
        (false, _) => (0, 0, 0),
        (true, SphereRotation::Householder) => {
            (M::EMBED * M::EMBED, M::REFLECTIONS * M::EMBED, M::REFLECTIONS * M::EMBED)
        }
        (true, SphereRotation::Angles) => (M::DIM * M::EMBED / 2, M::DIM * M::EMBED / 2, M::DIM * M::EMBED),
    };

    /// Widths of the network of level `level`, and how many they are.
    const fn widths(level: usize) -> (Widths, usize) {
        let (hidden, mut widths, mut i) = (HiddenDims::new(Self::OPTIONS.hidden_dims), [level; MOST_HIDDEN + 2], 0);
        while i < hidden.layers {
            widths[i + 1] = hidden.widths[i];
            i += 1;
        }
        widths[i + 1] = Self::ZENITH.params();
        (widths, i + 2)
    }
    const fn network((widths, count): &(Widths, usize)) -> Mlp<'_> {
        let rank = if Self::OPTIONS.max_rank > 0 { Self::OPTIONS.max_rank as usize } else { 0 };
        Mlp::new(widths.split_at(*count).0, rank, Self::OPTIONS.highway_mode as usize)
    }
    /// Weights of the networks of all levels before this one.
    const fn weights_before(level: usize) -> usize {
        let (mut n, mut m) = (0, 2);
        while m < level && Self::ZENITH.params() > 0 {
            n += Self::network(&Self::widths(m)).params();
            m += 1;
        }
        n
    }
    const WEIGHTS: usize = Self::weights_before(M::DIM + 1);
    const HEIGHTS: usize = Self::ZENITH.heights();
    /// What a network keeps: the last one, which reads most, keeps most.
    const HIDDEN: usize = Self::network(&Self::widths(M::DIM)).hidden();
    /// Scratch of one level.
    const LEVEL: usize = Self::HEIGHTS + Self::HIDDEN + 2 * Self::ZENITH.params();
    const PARAMS: usize = Self::ROTATION.0 + Self::WEIGHTS + moebius::PARAMS * Self::COMPONENTS;
    const PREPARED: usize = Self::ROTATION.2 + Self::WEIGHTS + moebius::prepared(Self::COMPONENTS);
    const SCRATCH: usize = 2 * Point::<f64>::saved(M::DIM) + (M::DIM - 1) * Self::LEVEL;

    /// Rotation, networks, mixture.
    #[inline(always)]
    fn sections<T>(prepared: &[T]) -> (&[T], &[T], &[T]) {
        let (rotation, rest) = prepared.split_at(Self::ROTATION.2);
        let (weights, mixture) = rest.split_at(Self::WEIGHTS);
        (rotation, weights, mixture)
    }
    #[inline(always)]
    fn sections_mut<T>(prepared: &mut [T]) -> (&mut [T], &mut [T], &mut [T]) {
        let (rotation, rest) = prepared.split_at_mut(Self::ROTATION.2);
        let (weights, mixture) = rest.split_at_mut(Self::WEIGHTS);
        (rotation, weights, mixture)
    }
    /// Target, base, levels.
    #[inline(always)]
    fn scratch<R>(scratch: &mut [R]) -> (&mut [R], &mut [R], &mut [R]) {
        let (target, rest) = scratch.split_at_mut(Point::<f64>::saved(M::DIM));
        let (base, levels) = rest.split_at_mut(Point::<f64>::saved(M::DIM));
        (target, base, levels)
    }
    #[inline(always)]
    fn parts<R>(levels: &mut [R], level: usize) -> Parts<'_, R> {
        let (heights, rest) = levels[(level - 2) * Self::LEVEL..][..Self::LEVEL].split_at_mut(Self::HEIGHTS);
        let (hidden, rest) = rest.split_at_mut(Self::HIDDEN);
        let (raw, cot_raw) = rest.split_at_mut(Self::ZENITH.params());
        Parts { heights, hidden, raw, cot_raw }
    }

    /// The parameters of a level from the target's point below it.
    #[inline(always)]
    fn zenith_parameters<R: Real, P: Lift<R>>(level: usize, weights: &[P], target: &Point<R>, parts: &mut Parts<R>) {
        if Self::ZENITH.params() > 0 {
            let weights = &weights[Self::weights_before(level)..Self::weights_before(level + 1)];
            let below = target.vector(level - 1);
            Self::network(&Self::widths(level)).evaluate(weights, &below[..level], parts.hidden, parts.raw);
        }
    }
    /// Its cotangents, added to those of the target's angles below.
    #[inline(always)]
    fn zenith_parameters_vjp<R: Real, P: Lift<R>>(
        level: usize,
        weights: &[P],
        target: &Point<R>,
        parts: &mut Parts<R>,
        angles: &mut Angles<R>,
        cot_weights: &mut [R],
    ) {
        if Self::ZENITH.params() > 0 {
            let own = Self::weights_before(level)..Self::weights_before(level + 1);
            let below = target.vector(level - 1);
            let mut cot = [R::zero(); point::COMPONENTS];
            Self::network(&Self::widths(level)).evaluate_vjp(
                &weights[own.clone()],
                &below[..level],
                parts.hidden,
                parts.cot_raw,
                &mut cot[..level],
                &mut cot_weights[own],
            );
            target.add_cot_angles(level - 1, &cot, angles);
        }
    }

    #[inline(always)]
    fn rotate<R: Real, P: Lift<R>>(rotation: &[P], x: &mut [R]) {
        match Self::OPTIONS.rotation_mode {
            SphereRotation::Householder => householder(M::EMBED, rotation, x),
            SphereRotation::Angles => angles(M::EMBED, rotation, x),
        }
    }
    #[inline(always)]
    fn rotate_back<R: Real, P: Lift<R>>(rotation: &[P], x: &mut [R]) {
        match Self::OPTIONS.rotation_mode {
            SphereRotation::Householder => householder_transpose(M::EMBED, rotation, x),
            SphereRotation::Angles => angles_transpose(M::EMBED, rotation, x),
        }
    }
}

impl<M: WithHeight, Opts: Options<SegmentedOptions>> Layer<M> for SegmentedSphere<Opts> {
    const PARAMS: usize = Shape::<M, Opts>::PARAMS;
    const PREPARED: usize = Shape::<M, Opts>::PREPARED;
    const SCRATCH: usize = Shape::<M, Opts>::SCRATCH;
    const NAME: &'static str = "n";

    fn options() -> Vec<Written> {
        Opts::VALUE.written()
    }

    /// Rotation and mixture from N(0, 1); the networks start close to a constant: the identity of the polar angles.
    // Those of all networks on a higher sphere stand in one tensor.
    fn state() -> Vec<StateTensor> {
        StateTensor::list([
            ("householder_params", &[1, Shape::<M, Opts>::ROTATION.0]),
            ("amortized_mlp.u_v_b_pars", &[1, Shape::<M, Opts>::WEIGHTS]),
            ("moebius_trafo.moebius_pars", &[1, Shape::<M, Opts>::COMPONENTS, moebius::PARAMS]),
        ])
    }

    fn initial<G: Rng + ?Sized>(rng: &mut G, params: &mut [f64]) {
        type S<M, Opts> = Shape<M, Opts>;
        params.iter_mut().for_each(|p| *p = rng.sample(StandardNormal));
        let weights = &mut params[S::<M, Opts>::ROTATION.0..][..S::<M, Opts>::WEIGHTS];
        weights.iter_mut().for_each(|w| *w *= NETWORK_START);
        for level in 2..=M::DIM {
            let own = &mut weights[..S::<M, Opts>::weights_before(level + 1)];
            let outputs = own.len() - S::<M, Opts>::ZENITH.params();
            S::<M, Opts>::ZENITH.initial(&mut own[outputs..]);
        }
    }

    #[inline]
    fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        let (given, rest) = params.split_at(Shape::<M, Opts>::ROTATION.0);
        let given = &given[..Shape::<M, Opts>::ROTATION.1];
        let (given_weights, given_mixture) = rest.split_at(Shape::<M, Opts>::WEIGHTS);
        let (rotation, weights, mixture) = Shape::<M, Opts>::sections_mut(prepared);
        match Shape::<M, Opts>::OPTIONS.rotation_mode {
            SphereRotation::Householder => householder_prepare(M::EMBED, given, rotation),
            SphereRotation::Angles => angles_prepare(given, rotation),
        }
        weights.copy_from_slice(given_weights);
        moebius::prepare(given_mixture, mixture);
    }
    #[inline]
    fn prepare_vjp<P: Real>(params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        let (all, acting, _) = Shape::<M, Opts>::ROTATION;
        let (given, rest) = params.split_at(all);
        let given_mixture = &rest[Shape::<M, Opts>::WEIGHTS..];
        let (cot_given, rest) = cot_params.split_at_mut(all);
        let (cot_given_weights, cot_given_mixture) = rest.split_at_mut(Shape::<M, Opts>::WEIGHTS);
        let (rotation, _, mixture) = Shape::<M, Opts>::sections(prepared);
        let (cot_rotation, cot_weights, cot_mixture) = Shape::<M, Opts>::sections(cot_prepared);
        let (given, cot_given) = (&given[..acting], &mut cot_given[..acting]);
        match Shape::<M, Opts>::OPTIONS.rotation_mode {
            SphereRotation::Householder => householder_prepare_vjp(M::EMBED, given, rotation, cot_rotation, cot_given),
            SphereRotation::Angles => angles_prepare_vjp(rotation, cot_rotation, cot_given),
        }
        for (out, cot) in cot_given_weights.iter_mut().zip(cot_weights) {
            *out += *cot;
        }
        moebius::prepare_vjp(given_mixture, mixture, cot_mixture, cot_given_mixture);
    }

    #[inline]
    fn inverse<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        let (rotation, weights, mixture) = Shape::<M, Opts>::sections(prepared);
        let (kept_target, kept_base, levels) = Shape::<M, Opts>::scratch(scratch);
        Shape::<M, Opts>::rotate_back(rotation, x);
        let target = Point::of(x);
        let (azimuth, slope) = moebius::map(mixture, target.azimuth);
        *log_det += slope.ln();
        let mut base = Point { azimuth, ..target };
        for m in 2..=M::DIM {
            let mut parts = Shape::<M, Opts>::parts(levels, m);
            Shape::<M, Opts>::zenith_parameters(m, weights, &target, &mut parts);
            let level = Shape::<M, Opts>::ZENITH.level(m);
            base.levels[m - 2] = level.inverse(parts.raw, &target.levels[m - 2], parts.heights, log_det);
        }
        target.save(M::DIM, kept_target);
        base.save(M::DIM, kept_base);
        x.copy_from_slice(&base.vector(M::DIM)[..M::EMBED]);
    }

    #[inline]
    fn inverse_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (rotation, weights, mixture) = Shape::<M, Opts>::sections(prepared);
        let (cot_rotation, cot_weights, cot_mixture) = Shape::<M, Opts>::sections_mut(cot_prepared);
        let (kept_target, kept_base, levels) = Shape::<M, Opts>::scratch(scratch);
        let (target, base) = (Point::load(kept_target), Point::load(kept_base));
        let (mut cot_target, mut cot_base) = (Angles::zero(), Angles::zero());
        base.add_cot_angles(M::DIM, cot, &mut cot_base);

        cot_target.phi = moebius::map_vjp(mixture, target.azimuth, cot_base.phi, cot_log_det, cot_mixture);
        for m in 2..=M::DIM {
            let mut parts = Shape::<M, Opts>::parts(levels, m);
            parts.cot_raw.fill(R::zero());
            cot_target.theta[m - 2] += Shape::<M, Opts>::ZENITH.level(m).inverse_vjp(
                parts.raw,
                &target.levels[m - 2],
                &base.levels[m - 2],
                parts.heights,
                cot_base.theta[m - 2],
                cot_log_det,
                parts.cot_raw,
            );
            Shape::<M, Opts>::zenith_parameters_vjp(m, weights, &target, &mut parts, &mut cot_target, cot_weights);
        }
        target.cot_vector(M::DIM, &cot_target, cot);
        let x = &mut target.vector(M::DIM)[..M::EMBED];
        match Shape::<M, Opts>::OPTIONS.rotation_mode {
            SphereRotation::Householder => householder_transpose_vjp(M::EMBED, rotation, x, cot, cot_rotation),
            SphereRotation::Angles => angles_transpose_vjp(M::EMBED, rotation, x, cot, cot_rotation),
        }
    }

    #[inline]
    fn forward<R: Real, P: Lift<R>>(prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        let (rotation, weights, mixture) = Shape::<M, Opts>::sections(prepared);
        let (kept_target, kept_base, levels) = Shape::<M, Opts>::scratch(scratch);
        let base = Point::of(z);
        let (azimuth, slope, mut failed) = moebius::solve(mixture, base.azimuth);
        *log_det -= slope.ln();
        let mut target = Point { azimuth, ..base };
        for m in 2..=M::DIM {
            let mut parts = Shape::<M, Opts>::parts(levels, m);
            Shape::<M, Opts>::zenith_parameters(m, weights, &target, &mut parts);
            let level = Shape::<M, Opts>::ZENITH.level(m);
            let (to, unconverged) = level.forward(parts.raw, &base.levels[m - 2], parts.heights, log_det);
            target.levels[m - 2] = to;
            failed = failed | unconverged;
        }
        target.save(M::DIM, kept_target);
        base.save(M::DIM, kept_base);
        z.copy_from_slice(&target.vector(M::DIM)[..M::EMBED]);
        Shape::<M, Opts>::rotate(rotation, z);
        failed
    }

    #[inline]
    fn forward_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (rotation, weights, mixture) = Shape::<M, Opts>::sections(prepared);
        let (cot_rotation, cot_weights, cot_mixture) = Shape::<M, Opts>::sections_mut(cot_prepared);
        let (kept_target, kept_base, levels) = Shape::<M, Opts>::scratch(scratch);
        let (target, base) = (Point::load(kept_target), Point::load(kept_base));
        let mut x = target.vector(M::DIM);
        let x = &mut x[..M::EMBED];
        Shape::<M, Opts>::rotate(rotation, x);
        match Shape::<M, Opts>::OPTIONS.rotation_mode {
            SphereRotation::Householder => householder_vjp(M::EMBED, rotation, x, cot, cot_rotation),
            SphereRotation::Angles => angles_vjp(M::EMBED, rotation, x, cot, cot_rotation),
        }
        let (mut cot_target, mut cot_base) = (Angles::zero(), Angles::zero());
        target.add_cot_angles(M::DIM, cot, &mut cot_target);

        // Downwards: the network of a level reads the target's angles below it.
        for m in (2..=M::DIM).rev() {
            let mut parts = Shape::<M, Opts>::parts(levels, m);
            parts.cot_raw.fill(R::zero());
            cot_base.theta[m - 2] = Shape::<M, Opts>::ZENITH.level(m).forward_vjp(
                parts.raw,
                &base.levels[m - 2],
                &target.levels[m - 2],
                parts.heights,
                cot_target.theta[m - 2],
                cot_log_det,
                parts.cot_raw,
            );
            Shape::<M, Opts>::zenith_parameters_vjp(m, weights, &target, &mut parts, &mut cot_target, cot_weights);
        }
        cot_base.phi = moebius::solve_vjp(mixture, target.azimuth, cot_target.phi, cot_log_det, cot_mixture);
        base.cot_vector(M::DIM, &cot_base, cot);
    }
}
