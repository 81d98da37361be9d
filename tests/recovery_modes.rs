//! A density with four modes on the sphere (Rezende et al., arXiv:2002.02428): recovered from its formula alone, through differentiable
//! samples, and from points by maximum likelihood. Density, fits and measures are those of the example.

#[path = "../examples/modes/fits.rs"]
mod fits;
#[path = "../examples/modes/target.rs"]
mod target;

use dfdx::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Largest divergence in nats, and smallest effective share of a sample.
const CLOSE: f64 = 0.02;
const EFFECTIVE: f64 = 0.97;

#[test]
fn the_target_is_what_it_says() {
    let nodes = target::quadrature(64);
    let expect = |f: &dyn Fn(&[f64; 3]) -> f64| -> f64 {
        nodes.iter().map(|(x, area)| area * target::log_prob(x).exp() * f(x)).sum()
    };
    assert!((expect(&|_| 1.0) - 1.0).abs() < 1e-10);

    // On the tape: the same values, and the gradient of the formula.
    let points: Vec<[f64; 3]> = nodes.iter().step_by(97).map(|(x, _)| *x).collect();
    let own = Cpu::default().tensor_from_vec(points.concat(), (points.len(), Const::<3>));
    let traced = target::log_prob_of(own.leaky_trace());
    let formula = points.iter().map(target::log_prob);
    assert!(traced.as_vec().iter().zip(formula).all(|(a, b)| (a - b).abs() < 1e-12));
    let gradient = traced.sum::<(), _>().backward().get(&own).as_vec();
    for (x, gradient) in points.iter().zip(gradient.as_chunks::<3>().0) {
        for i in 0..3 {
            let shifted = |h: f64| target::log_prob(&std::array::from_fn(|k| x[k] + if k == i { h } else { 0.0 }));
            let numerical = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
            assert!((gradient[i] - numerical).abs() < 1e-7, "{} {numerical}", gradient[i]);
        }
    }

    // Points drawn from it: means of the coordinates and of ln p, within five standard errors.
    let n = 50_000;
    let drawn: Vec<_> = target::sample(n, &mut StdRng::seed_from_u64(3)).into_iter().map(target::unit).collect();
    let statistics: [fn(&[f64; 3]) -> f64; 4] = [|x| x[0], |x| x[1], |x| x[2], target::log_prob];
    for f in statistics {
        let mean = drawn.iter().map(f).sum::<f64>() / n as f64;
        let (truth, square) = (expect(&f), expect(&|x| f(x).powi(2)));
        let error = ((square - truth * truth) / n as f64).sqrt();
        assert!((mean - truth).abs() < 5.0 * error, "{mean} {truth} +- {error}");
    }
}

#[test]
fn four_modes_are_recovered_from_their_density() {
    let pdf = fits::by_density(1500, false).unwrap();
    let found = fits::weigh(&pdf, 50_000).unwrap();
    let [forward, integral] = fits::forward_divergence(&pdf).unwrap();
    println!("s2, four modes, by density: {found:?}, forward divergence {forward:.5}, integral {integral:.6}");
    assert!(found.reverse.value <= CLOSE && found.reverse.value > 0.0, "{:?}", found.reverse);
    assert!(found.effective.value >= EFFECTIVE && found.effective.value < 1.0, "{:?}", found.effective);
    assert!(found.weight.pull(1.0).abs() < 5.0, "{:?}", found.weight);
    assert!((integral - 1.0).abs() < 1e-3 && forward <= CLOSE, "{forward} {integral}");
}

#[test]
fn four_modes_are_recovered_from_points() {
    let pdf = fits::by_points(20_000, 30, false).unwrap();
    let [forward, integral] = fits::forward_divergence(&pdf).unwrap();
    println!("s2, four modes, by points: forward divergence {forward:.5}, integral {integral:.6}");
    assert!((integral - 1.0).abs() < 1e-3 && forward <= CLOSE && forward > 0.0, "{forward} {integral}");
}
