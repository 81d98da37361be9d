//! Densities integrate to one: by quadrature within 1e-6, within 1e-4 where the map is differentiable only once.
//!
//! Trapezoidal rules throughout: over the line, over whole periods, and over u = ln tan^2(theta/2) on the sphere, where
//! integrands fall off exponentially, they converge faster than any power of the step as long as the density is smooth.

use dfdx::nn::DeviceBuildExt;
use dfdx::tensor::Cpu;
use flow_runtime::flow;
use flow_runtime::kernels::{Coordinates, Job, evaluate};
use flow_runtime::module::{FeatureSpec, Spec};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use std::f64::consts::{PI, TAU};

/// Smooth maps, and maps that are differentiable once.
const SMOOTH: f64 = 1e-6;
const ONCE: f64 = 1e-4;

/// How far weights are from a start: those of networks, which start near 0, and free parameters.
const SPREAD: f64 = 0.3;

/// A point of a rule: coordinates (intrinsic, embedded) and its weight for either measure.
#[derive(Clone)]
struct Node {
    intrinsic: Vec<f64>,
    embedded: Vec<f64>,
    weights: [f64; 2],
}

/// The line from -reach to reach.
fn line(reach: f64, step: f64) -> Vec<Node> {
    let count = (2.0 * reach / step) as usize;
    (0..=count)
        .map(|i| {
            let x = -reach + i as f64 * step;
            Node { intrinsic: vec![x], embedded: vec![x], weights: [step, step] }
        })
        .collect()
}

/// The circle.
fn circle(count: usize) -> Vec<Node> {
    let step = TAU / count as f64;
    (0..count)
        .map(|i| {
            let angle = (i as f64 + 0.25) * step;
            Node { intrinsic: vec![angle], embedded: vec![angle.cos(), angle.sin()], weights: [step, step] }
        })
        .collect()
}

/// The sphere, by u = ln tan^2(theta/2) out to `reach` and the azimuth: sin(theta) = 1/cosh(u/2), d theta = sin(theta)/2 du.
fn sphere(reach: f64, rings: usize, meridians: usize) -> Vec<Node> {
    let (du, dphi) = (2.0 * reach / rings as f64, TAU / meridians as f64);
    let ring = |i: usize| {
        let u = -reach + (i as f64 + 0.5) * du;
        let (sin, cos, theta) = (1.0 / (0.5 * u).cosh(), -(0.5 * u).tanh(), 2.0 * (0.5 * u).exp().atan());
        (0..meridians).map(move |k| {
            let phi = (k as f64 + 0.25) * dphi;
            let by_angles = 0.5 * sin * du * dphi;
            Node {
                intrinsic: vec![theta, phi],
                embedded: vec![sin * phi.cos(), sin * phi.sin(), cos],
                weights: [by_angles, by_angles * sin],
            }
        })
    };
    (0..rings).flat_map(ring).collect()
}

/// The Gauss-Legendre rule on [-1, 1]: Newton steps on the Legendre polynomial from the usual guess.
fn gauss_legendre(count: usize) -> Vec<[f64; 2]> {
    let n = count as f64;
    let node = |i: usize| {
        let (mut x, mut slope) = ((PI * (i as f64 + 0.75) / (n + 0.5)).cos(), 0.0);
        for _ in 0..8 {
            let (mut last, mut p) = (1.0, x);
            for k in 2..=count {
                let k = k as f64;
                (last, p) = (p, ((2.0 * k - 1.0) * x * p - (k - 1.0) * last) / k);
            }
            slope = n * (x * p - last) / (x * x - 1.0);
            x -= p / slope;
        }
        [x, 2.0 / ((1.0 - x * x) * slope * slope)]
    };
    (0..count).map(node).collect()
}

/// A rule for one polar angle: sine, cosine, angle, and the weight of d theta.
type Polar = [f64; 4];

/// By u = ln tan^2(theta/2), as on the sphere.
fn polar_tails(reach: f64, count: usize) -> Vec<Polar> {
    let du = 2.0 * reach / count as f64;
    let one = |i: usize| {
        let u = -reach + (i as f64 + 0.5) * du;
        let sin = 1.0 / (0.5 * u).cosh();
        [sin, -(0.5 * u).tanh(), 2.0 * (0.5 * u).exp().atan(), 0.5 * sin * du]
    };
    (0..count).map(one).collect()
}

/// By theta itself, for even powers of sin theta: what is integrated over the other angles is then a smooth periodic function.
fn polar_steps(count: usize) -> Vec<Polar> {
    let step = PI / count as f64;
    let one = |i: usize| {
        let theta = (i as f64 + 0.5) * step;
        [theta.sin(), theta.cos(), theta, step]
    };
    (0..count).map(one).collect()
}

/// By z = cos theta, for odd powers.
fn polar_heights(count: usize) -> Vec<Polar> {
    let one = |[z, w]: [f64; 2]| {
        let sin = ((1.0 - z) * (1.0 + z)).sqrt();
        [sin, z, sin.atan2(z), w / sin]
    };
    gauss_legendre(count).into_iter().map(one).collect()
}

/// The three-sphere: theta_1, theta_2 and the azimuth; area is sin^2(theta_1) sin(theta_2) as large as the angles' product.
fn three_sphere(first: &[Polar], second: &[Polar], meridians: usize) -> Vec<Node> {
    let circle = circle(meridians);
    let mut nodes = Vec::with_capacity(first.len() * second.len() * meridians);
    for [sin_1, cos_1, theta_1, w_1] in first {
        for [sin_2, cos_2, theta_2, w_2] in second {
            for node in &circle {
                let ([x, y], weight) = ([node.embedded[0], node.embedded[1]], w_1 * w_2 * node.weights[0]);
                nodes.push(Node {
                    intrinsic: vec![*theta_1, *theta_2, node.intrinsic[0]],
                    embedded: vec![sin_1 * sin_2 * x, sin_1 * sin_2 * y, sin_1 * cos_2, *cos_1],
                    weights: [weight, weight * sin_1 * sin_1 * sin_2],
                });
            }
        }
    }
    nodes
}

/// All pairs.
fn product(a: &[Node], b: &[Node]) -> Vec<Node> {
    let pair = |a: &Node, b: &Node| Node {
        intrinsic: [&a.intrinsic[..], &b.intrinsic].concat(),
        embedded: [&a.embedded[..], &b.embedded].concat(),
        weights: [a.weights[0] * b.weights[0], a.weights[1] * b.weights[1]],
    };
    a.iter().flat_map(|a| b.iter().map(move |b| pair(a, b))).collect()
}

/// Integrates the density of a flow by both measures, with weights `spread` away from a start.
fn integrate<S: Spec>(name: &str, start: &[f64], seed: u64, spread: f64, nodes: &[Node], tolerance: f64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let weights: Vec<f64> = start.iter().map(|w| w + spread * rng.sample::<f64, _>(StandardNormal)).collect();
    // One row of features for all points.
    let count = S::Features::COUNT;
    let features: Vec<f64> = (0..count).map(|_| rng.sample(StandardNormal)).collect();
    for (measure, coordinates) in [Coordinates::Intrinsic, Coordinates::Embedded].into_iter().enumerate() {
        let mut total = 0.0;
        // In parts, for the memory.
        for part in nodes.chunks(1 << 16) {
            let of = |node: &Node| if measure == 0 { node.intrinsic.clone() } else { node.embedded.clone() };
            let points: Vec<f64> = part.iter().flat_map(of).collect();
            let mut log_prob = vec![0.0; part.len()];
            let repeat = part.len();
            let job =
                Job { weights: &weights, features: &features, feature_count: count, repeat, coordinates, pool: None };
            evaluate::<S::Blocks, f64>(job, &points, &mut log_prob, &mut []).expect("finite densities");
            total += log_prob.iter().zip(part).map(|(ln, node)| ln.exp() * node.weights[measure]).sum::<f64>();
        }
        println!("{name}, seed {seed}, {coordinates:?}: 1 {:+.1e}", total - 1.0);
        assert!((total - 1.0).abs() < tolerance, "{name}, seed {seed}, {coordinates:?}: {total}");
    }
}

/// A few seeds of one notation.
macro_rules! integrates_to_one {
    ($nodes:expr, $tolerance:expr, $($notation:tt)*) => {
        integrates_to_one!(@ SPREAD, $nodes, $tolerance, $($notation)*)
    };
    (@ $spread:expr, $nodes:expr, $tolerance:expr, $($notation:tt)*) => {{
        type S = flow!($($notation)*);
        let pdf = Cpu::default().build_module::<S, f64>();
        let nodes = $nodes;
        let name = stringify!($($notation)*).split_whitespace().collect::<Vec<_>>().join(" ");
        for seed in 1..=3 {
            integrate::<S>(&name, &pdf.flat_weights(), seed, $spread, &nodes, $tolerance);
        }
    }};
}

#[test]
fn line_g() {
    integrates_to_one!(line(60.0, 0.01), SMOOTH, e1 : g);
    integrates_to_one!(line(60.0, 0.01), SMOOTH, e1 : gg);
    integrates_to_one!(line(60.0, 0.01), SMOOTH, e1 : gt);
    integrates_to_one!(line(60.0, 0.01), SMOOTH, e1 : g | cond 3);
}

#[test]
fn plane_ggt() {
    let nodes = product(&line(15.0, 0.05), &line(15.0, 0.05));
    integrates_to_one!(nodes, SMOOTH, e2 : gg t(cov_type = "full"));
}

#[test]
fn circle_y() {
    integrates_to_one!(circle(64), SMOOTH, s1 : y);
    integrates_to_one!(circle(64), SMOOTH, s1 : y(add_rotation = 1));
}

#[test]
fn circle_m() {
    integrates_to_one!(circle(8192), SMOOTH, s1 : m);
    integrates_to_one!(circle(8192), SMOOTH, s1 : m(natural_direction = 1));
    integrates_to_one!(circle(8192), SMOOTH, s1 : m(add_rotation = 1, num_basis_functions = 1));
    integrates_to_one!(circle(8192), SMOOTH, s1 : mmm(num_basis_functions = 12));
    integrates_to_one!(circle(8192), SMOOTH, s1 : m m(natural_direction = 1) y(add_rotation = 1) | cond 3);
}

#[test]
fn circle_o() {
    // Second derivatives are continuous, third ones jump at the knots.
    integrates_to_one!(circle(1 << 15), SMOOTH, s1 : o);
    integrates_to_one!(circle(1 << 15), SMOOTH, s1 : ooo);
    integrates_to_one!(circle(1 << 15), SMOOTH, s1 : o(add_rotation = 0));
    integrates_to_one!(circle(1 << 15), SMOOTH, s1 : o(natural_direction = 0));
    integrates_to_one!(circle(1 << 15), SMOOTH, s1 : o(fix_first_width_n_height_to_zero = 1));
    integrates_to_one!(
        circle(1 << 15), SMOOTH, s1 : o(fix_first_width_n_height_to_zero = 1, also_fix_second_width_to_zero = 1)
    );
    integrates_to_one!(circle(1 << 15), SMOOTH, s1 : o(independent_width_height_parametrization = 1));
    integrates_to_one!(circle(1 << 15), SMOOTH, s1 : o(min_width = 0.2, min_height = 0.1));
    integrates_to_one!(circle(1 << 15), SMOOTH, s1 : om | cond 3);
}

#[test]
fn circle_o_with_kinks() {
    integrates_to_one!(circle(1 << 15), SMOOTH, s1 : o(smooth_second_derivative = 0));
    integrates_to_one!(circle(1 << 15), SMOOTH, s1 : o(smooth_second_derivative = 0, natural_direction = 0));
    integrates_to_one!(circle(1 << 15), SMOOTH, s1 : oo(smooth_second_derivative = 0, num_basis_functions = 7));
    integrates_to_one!(
        circle(1 << 15), SMOOTH, s1 : o(smooth_second_derivative = 0, num_basis_functions = 5, fix_boundary_derivatives = 0.7)
    );
    integrates_to_one!(circle(1 << 15), SMOOTH, s1 : o(smooth_second_derivative = 0, num_basis_functions = 1));
    integrates_to_one!(circle(1 << 15), SMOOTH, s1 : oo(smooth_second_derivative = 0, min_derivative = 0.3));
}

#[test]
fn product_of_circles() {
    let nodes = product(&circle(600), &circle(600));
    integrates_to_one!(nodes, SMOOTH, s1 + s1 : m + m | hidden 8);
    let nodes = product(&circle(1000), &circle(1000));
    integrates_to_one!(nodes, SMOOTH, s1 + s1 : o + oo | hidden 8);
}

#[test]
fn sphere_y_and_f() {
    integrates_to_one!(sphere(40.0, 400, 64), SMOOTH, s2 : y(add_rotation = 1));
    integrates_to_one!(sphere(40.0, 400, 128), SMOOTH, s2 : f);
    integrates_to_one!(sphere(40.0, 400, 128), SMOOTH, s2 : ff(inverse_z_scaling = 0) | cond 2, hidden 16);
}

#[test]
fn sphere_f_with_every_concentration_and_rotation() {
    let nodes = sphere(40.0, 400, 128);
    integrates_to_one!(nodes.clone(), SMOOTH, s2 : f(rotation_mode = "angles", kappa_clamping = 1));
    integrates_to_one!(nodes.clone(), SMOOTH, s2 : f(rotation_mode = "xyz", kappa_prediction = "softplus_real_bounded"));
    integrates_to_one!(
        nodes.clone(), SMOOTH, s2 : f(rotation_mode = "quaternion", kappa_prediction = "log_bounded", min_kappa = 0.1)
    );
    integrates_to_one!(@ 1.0, nodes.clone(), SMOOTH, s2 : f(rotation_mode = "xyz", kappa_prediction = "mu"));
    integrates_to_one!(@ 1.0, nodes.clone(), SMOOTH, s2 : f(rotation_mode = "xyz", kappa_prediction = "mu_squared"));
    integrates_to_one!(@ 1.0, nodes.clone(), SMOOTH, s2 : f(rotation_mode = "quaternion", kappa_prediction = "quatvec"));
    integrates_to_one!(
        @ 1.0, nodes, SMOOTH, s2 : f(rotation_mode = "quaternion", kappa_prediction = "quatvec_squared")
    );
}

#[test]
fn sphere_f_with_correlated_splines() {
    // Along the layer's own axis, because around the poles the density depends on the azimuth; and not too far from a start, because many weights
    // add up to steep splines.
    let nodes = sphere(24.0, 1200, 400);
    integrates_to_one!(
        @ 0.1, nodes.clone(), ONCE, s2 : f(add_correlated_rq_spline_flow = 1, add_rotation = 0, inverse_z_scaling = 0)
    );
    integrates_to_one!(@ 0.1, nodes, ONCE, s2 : f(
        add_correlated_rq_spline_flow = 1,
        correlated_max_rank = 0,
        circular_flow_defs = "o",
        add_rotation = 0
    ));
}

#[test]
fn sphere_f_with_splines() {
    // Maps with a continuous second derivative.
    let suggested = sphere(24.0, 1600, 600);
    integrates_to_one!(suggested, SMOOTH, s2 : ff(
        add_vertical_rq_spline_flow = 1,
        add_circular_rq_spline_flow = 1,
        spline_num_basis_functions = -1,
        vertical_smooth = 1,
        vertical_fix_first_width_n_height_to_zero = 1,
        vertical_also_fix_second_width_to_zero = 1,
        vertical_independent_width_height_parametrization = 1
    ));
    integrates_to_one!(
        sphere(24.0, 1200, 400), ONCE, s2 : f(add_vertical_rq_spline_flow = 1, add_circular_rq_spline_flow = 1)
    );
}

#[test]
fn sphere_v() {
    // Weights as they start, and near their limit (vectors of length 50: bounds above 0.98).
    let nodes = || sphere(36.0, 300, 96);
    integrates_to_one!(nodes(), SMOOTH, s2 : v);
    integrates_to_one!(nodes(), SMOOTH, s2 : v(natural_direction = 1, num_components = 3));
    integrates_to_one!(@ 30.0, sphere(36.0, 600, 256), SMOOTH, s2 : v(exp_map_type = "linear"));
    integrates_to_one!(@ 30.0, sphere(36.0, 600, 256), SMOOTH, s2 : v(exp_map_type = "quadratic"));
    integrates_to_one!(nodes(), SMOOTH, s2 : v(mean_parametrization = "householder", add_rotation = 1));
    // Slopes of splines have kinks.
    integrates_to_one!(sphere(24.0, 1200, 400), ONCE, s2 : v(exp_map_type = "splines", num_components = 4));
}

#[test]
fn sphere_n() {
    // In its own axis the tails of g, powers of the distance from a pole, are exponentials. Not too wide here: closer than 1e-7 to
    // a pole (|u| = 32) densities by angles hold ln sin(theta) constant.
    let nodes = sphere(30.0, 800, 200);
    integrates_to_one!(@ 0.1, nodes, SMOOTH, s2 : n(add_rotation = 0, zenith_type_layers = "g"));
    integrates_to_one!(@ 0.1, sphere(24.0, 800, 600), ONCE, s2 : n);
}

#[test]
fn three_sphere_y_and_n() {
    let nodes = three_sphere(&polar_steps(40), &polar_heights(40), 16);
    integrates_to_one!(nodes, SMOOTH, s3 : y(add_rotation = 1));
    // Moebius maps have peaks in the azimuth as sharp as their centres are close to the circle.
    let tails = polar_tails(20.0, 64);
    integrates_to_one!(
        @ 0.1,
        three_sphere(&tails, &tails, 240),
        SMOOTH,
        s3 : n(add_rotation = 0, zenith_type_layers = "g", num_basis_functions = 2, hidden_dims = "8", highway_mode = 1)
    );
    integrates_to_one!(
        @ 0.1,
        three_sphere(&polar_steps(72), &polar_heights(72), 180),
        ONCE,
        s3 : n(num_basis_functions = 2, hidden_dims = "8")
    );
}

#[test]
fn continuous_flows() {
    // As exact as the solver: at the default tolerances, and from fixed steps.
    integrates_to_one!(line(20.0, 0.02), SMOOTH, e1 : c);
    integrates_to_one!(line(20.0, 0.02), SMOOTH, e1 : c(solver = "rk4") | cond 2, hidden 8);
    let plane = || product(&line(9.0, 0.1), &line(9.0, 0.1));
    integrates_to_one!(plane(), SMOOTH, e2 : c(cnf_network_hidden_dims = "8-8"));
    integrates_to_one!(circle(400), SMOOTH, s1 : c);
    integrates_to_one!(sphere(30.0, 400, 96), SMOOTH, s2 : c(cnf_network_hidden_dims = "16"));
    // Enough directions for the exact trace. With 32 units and the full spread the density has peaks that the rule does not resolve.
    integrates_to_one!(
        @ 0.15, sphere(30.0, 400, 128), SMOOTH, s2 : c(divergence = "hutchinson", gradients = "adjoint")
    );
}

#[test]
fn product_of_line_and_sphere() {
    integrates_to_one!(product(&line(30.0, 0.15), &sphere(30.0, 120, 32)), SMOOTH, e1 + s2 : g + f);
    integrates_to_one!(
        product(&line(30.0, 0.15), &sphere(30.0, 120, 32)), SMOOTH, e1 + s2 : gt + f | cond 2, hidden 16
    );
}

/// Concentrations about either pole, from none to 1e-4 radians wide: the rule is finest at the poles.
#[test]
fn concentrations_from_none_to_1e8() {
    type Cap = flow!(s2 : f(add_rotation = 0));
    type Other = flow!(s2 : f(add_rotation = 0, inverse_z_scaling = 0));
    fn integral<S: Spec>(nodes: &[Node], kappa: f64, which: usize) -> f64 {
        let coordinates = [Coordinates::Intrinsic, Coordinates::Embedded][which];
        let points: Vec<f64> =
            nodes.iter().flat_map(|node| [&node.intrinsic, &node.embedded][which]).copied().collect();
        let mut log_prob = vec![0.0; nodes.len()];
        let job = Job { weights: &[kappa.ln()], features: &[], feature_count: 0, repeat: 1, coordinates, pool: None };
        evaluate::<S::Blocks, f64>(job, &points, &mut log_prob, &mut []).unwrap();
        nodes.iter().zip(log_prob).map(|(node, p)| node.weights[which] * p.exp()).sum()
    }
    // What lies within 2 e^-22 of a pole is left out: 1e-10 of the narrowest.
    let nodes = sphere(44.0, 880, 6);
    for kappa in [1e-12, 1e-6, 1e-2, 1.0, 50.0, 1e4, 1e6, 1e8] {
        for which in 0..2 {
            for found in [integral::<Cap>(&nodes, kappa, which), integral::<Other>(&nodes, kappa, which)] {
                assert!((found - 1.0).abs() < SMOOTH, "kappa {kappa}: {found}");
            }
        }
    }
}
