//! Densities on an interval and on a simplex, recovered from samples by maximum likelihood: Beta(2, 5) on `i1` and the Dirichlet
//! distribution (2, 3, 4) on `a2`, whose entropies are known. And points outside are refused.

mod common;

use common::{fit, judge};
use dfdx::prelude::*;
use flow_runtime::{Error, flow};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Gamma};

/// Shares of a whole, Dirichlet distributed.
fn dirichlet<const K: usize>(rng: &mut StdRng, alpha: [f64; K]) -> [f64; K] {
    let parts = alpha.map(|a| Gamma::new(a, 1.0).unwrap().sample(rng));
    let sum: f64 = parts.iter().sum();
    parts.map(|part| part / sum)
}

#[test]
fn a_beta_distribution_is_recovered() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut draw = |n: usize| (0..n).map(|_| [dirichlet(&mut rng, [2.0, 5.0])[0]]).collect::<Vec<[f64; 1]>>();
    let (training, fresh) = (draw(40_000), draw(200_000));
    let mut pdf = Cpu::seed_from_u64(2).build_module::<flow!(i1 : rr), f64>();
    pdf.fit(&training, &fit(40, 0.02)).unwrap();
    let own = pdf.log_prob(&fresh).unwrap().as_vec();
    let truth = fresh.iter().map(|[x]| 30.0_f64.ln() + x.ln() + 4.0 * (1.0 - x).ln());
    judge("i1, Beta(2, 5)", -0.484_530_715, &own, truth);
}

#[test]
fn a_dirichlet_distribution_is_recovered() {
    let mut rng = StdRng::seed_from_u64(3);
    let mut draw = |n: usize| {
        let point = |_| {
            let [_, x1, x2] = dirichlet(&mut rng, [2.0, 3.0, 4.0]);
            [x1, x2]
        };
        (0..n).map(point).collect::<Vec<[f64; 2]>>()
    };
    let (training, fresh) = (draw(40_000), draw(200_000));
    let mut pdf = Cpu::seed_from_u64(4).build_module::<flow!(a2 : w), f64>();
    pdf.fit(&training, &fit(30, 0.01)).unwrap();
    let own = pdf.log_prob(&fresh).unwrap().as_vec();
    let truth = fresh.iter().map(|[x1, x2]| 3360.0_f64.ln() + (1.0 - x1 - x2).ln() + 2.0 * x1.ln() + 3.0 * x2.ln());
    judge("a2, Dirichlet(2, 3, 4)", -1.312_553_396, &own, truth);
}

#[test]
fn points_outside_are_refused_with_their_row() {
    let dev = Cpu::default();
    let interval = dev.build_module::<flow!(i1[-3, 3] : r), f64>();
    let ends = interval.log_prob(&[[-3.0], [3.0], [3.0 + 1e-15], [0.2]]).unwrap().as_vec();
    assert!(ends.iter().all(|p| p.is_finite()) && ends[1] == ends[2]);
    let error = interval.log_prob(&[[0.0], [3.5]]).unwrap_err();
    assert!(matches!(error, Error::Point { row: 1, .. }), "{error}");
    assert!(error.to_string().contains("3.5, outside the interval from -3 to 3"), "{error}");

    let simplex = dev.build_module::<flow!(a2 : wu), f64>();
    let faces = simplex.log_prob(&[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.3, -1e-17]]).unwrap().as_vec();
    assert!(faces.iter().all(|p| p.is_finite()), "{faces:?}");
    let error = simplex.log_prob(&[[0.3, 0.3], [0.2, 0.2], [0.7, 0.4]]).unwrap_err();
    assert!(matches!(error, Error::Point { row: 2, .. }), "{error}");
    let error = simplex.log_prob(&[[0.3, -0.2]]).unwrap_err();
    assert!(error.to_string().contains("each at least 0"), "{error}");
    let error = simplex.log_prob_embedded(&[[0.3, 0.3, 0.3]]).unwrap_err();
    assert!(error.to_string().contains("divide them by their sum"), "{error}");
}

/// Samples come with the log-density that evaluation gives them, in both kinds of coordinates, also where an interval and a simplex are
/// read by a later manifold.
#[test]
fn samples_and_densities_agree() {
    let mut rng = StdRng::seed_from_u64(5);
    let pdf = Cpu::seed_from_u64(6).build_module::<flow!(i1[2, 5] + a3 + e1 : rr + wu + gt), f64>();
    let sample = pdf.sample(500, &mut rng).unwrap();
    let points: Vec<[f64; 5]> = sample.points.as_vec().chunks_exact(5).map(|x| x.try_into().unwrap()).collect();
    let own = pdf.log_prob(&points).unwrap().as_vec();
    for ((x, a), b) in points.iter().zip(sample.log_prob.as_vec()).zip(own) {
        assert!((2.0..=5.0).contains(&x[0]) && x[1..4].iter().sum::<f64>() <= 1.0 + 1e-15);
        // Intrinsic coordinates round x_0, which near its face moves the density by as much.
        let rest = 1.0 - x[1..4].iter().sum::<f64>();
        assert!((a - b).abs() < 1e-9 + 1e-13 / rest.max(1e-16), "{x:?}: {a} {b}");
    }
}
