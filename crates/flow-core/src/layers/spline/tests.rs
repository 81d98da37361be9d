//! Tests of the splines of an interval.

use super::*;
use crate::numeric::special::normal_quantile;
use crate::numeric::{Lanes, Pack};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;

const PLAIN: SplineOptions = SplineOptions::DEFAULT;
const SMOOTH_2: SplineOptions =
    SplineOptions { bins: 2, smooth_second_derivative: true, fix_boundary_derivatives: 1.0, ..PLAIN };
const SMOOTH_3: SplineOptions = SplineOptions { bins: 3, smooth_second_derivative: true, ..PLAIN };
const TIED_3: SplineOptions = SplineOptions {
    fix_boundary_derivatives: 1.0,
    fix_first_width_n_height_to_zero: true,
    also_fix_second_width_to_zero: true,
    independent_width_height_parametrization: true,
    ..SMOOTH_3
};
const ALL: [SplineOptions; 11] = [
    PLAIN,
    SMOOTH_2,
    SMOOTH_3,
    TIED_3,
    SplineOptions { bins: 2, ..TIED_3 },
    SplineOptions { fix_boundary_derivatives: 1.0, restrict_max_min_width_height_ratio: 30.0, ..PLAIN },
    SplineOptions {
        bins: 4,
        fix_first_width_n_height_to_zero: true,
        independent_width_height_parametrization: true,
        restrict_max_min_width_height_ratio: 30.0,
        ..PLAIN
    },
    SplineOptions { bins: 1, ..PLAIN },
    SplineOptions { bins: 2, fix_boundary_derivatives: -1.0, fix_first_width_n_height_to_zero: true, ..SMOOTH_2 },
    SplineOptions { periodic: true, ..PLAIN },
    SplineOptions { periodic: true, bins: 1, ..PLAIN },
];

fn prepared(options: &SplineOptions, params: &[f64]) -> Vec<f64> {
    let mut prepared = vec![0.0; options.prepared()];
    options.prepare(params, &mut prepared);
    prepared
}
fn random(rng: &mut StdRng, n: usize) -> Vec<f64> {
    (0..n).map(|_| rng.sample(StandardNormal)).collect()
}
fn at(low: f64) -> Ends<f64> {
    Ends { low, high: 1.0 - low }
}
fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + b.abs())
}
fn map(options: &SplineOptions, prepared: &[f64], at: Ends<f64>, inverse: bool) -> Mapped<f64> {
    if inverse { options.inverse(prepared, at) } else { options.direct(prepared, at) }
}
/// Cotangents of the inverse at a point.
fn inverse_vjp<R: Real>(
    options: &SplineOptions,
    prepared: &[R],
    at: Ends<R>,
    cot: MappedCot<R>,
    cot_prepared: &mut [R],
) -> Ends<R> {
    let base = options.inverse(prepared, at).to;
    options.map_vjp(prepared, [base, at], cot, cot_prepared, true)
}

#[test]
fn parameters_are_counted_as_published() {
    let counts: Vec<usize> = ALL.iter().map(|o| o.params()).collect();
    assert_eq!(counts, [16, 4, 6, 1, 1, 14, 11, 4, 4, 15, 3]);
}

#[test]
fn both_directions_invert_each_other_up_to_the_ends() {
    let mut rng = StdRng::seed_from_u64(1);
    for options in &ALL {
        for round in 0..30 {
            let params: Vec<f64> =
                random(&mut rng, options.params()).iter().map(|p| p * f64::from(1 + round / 10)).collect();
            let prepared = prepared(options, &params);
            let ends = [(0.0, 1.0), (1e-300, 1.0), (1e-12, 1.0 - 1e-12), (1.0, 1e-300), (1.0, 0.0)];
            let inner = (0..20).map(|_| rng.random::<f64>()).map(|u| (u, 1.0 - u));
            for (low, high) in ends.into_iter().chain(inner) {
                let start = Ends { low, high };
                let there = options.inverse(&prepared, start);
                let back = options.direct(&prepared, there.to);
                // What rounding of the point in between does to the way back.
                let grown = 4e-15 * (1.0 + back.ln.exp());
                assert!((back.to.low - low).abs() <= grown, "{options:?} {low}: {there:?} {back:?}");
                assert!((back.to.high - high).abs() <= grown, "{options:?} {low}: {there:?} {back:?}");
                for (a, b, tiny) in [
                    (back.to.low, low, low < 1e-10),
                    (back.to.high, high, high < 1e-10),
                    (there.to.low, low * there.ratio.low, true),
                    (there.to.high, high * there.ratio.high, true),
                    (there.ratio.low * back.ratio.low, 1.0, low < 1e-10),
                    (there.ratio.high * back.ratio.high, 1.0, high < 1e-10),
                    (there.ln.exp(), (-back.ln).exp(), low < 1e-10 || high < 1e-10),
                ] {
                    assert!(!tiny || (a - b).abs() <= 1e-12 * b.abs(), "{options:?} {low}: {a} {b}");
                }
                assert!(close(there.to.low + there.to.high, 1.0, 1e-15));
            }
        }
    }
}

#[test]
fn points_just_outside_are_the_ends() {
    let prepared = prepared(&PLAIN, &[0.3; 16]);
    for inverse in [true, false] {
        let below = map(&PLAIN, &prepared, Ends { low: -1e-16, high: 1.0 + 2e-16 }, inverse);
        let above = map(&PLAIN, &prepared, Ends { low: 1.0 + 2e-16, high: -2e-16 }, inverse);
        assert_eq!((below.to.low, above.to.high), (0.0, 0.0));
        assert!(close(below.to.high, 1.0, 1e-15) && close(above.to.low, 1.0, 1e-15));
        assert!(below.ln.is_finite() && above.ln.is_finite());
    }
    assert!(PLAIN.direct(&prepared, at(f64::NAN)).to.low.is_nan());
}

/// Outputs contracted with fixed weights, as a function of the point and of the parameters.
fn objective(options: &SplineOptions, params: &[f64], low: f64, weights: &[f64], inverse: bool) -> f64 {
    let m = map(options, &prepared(options, params), at(low), inverse);
    m.to.low * weights[0]
        + m.to.high * weights[1]
        + m.ratio.low.ln() * weights[2]
        + m.ratio.high.ln() * weights[3]
        + m.ln * weights[4]
}
fn difference(mut f: impl FnMut(f64) -> f64) -> f64 {
    let h = 1e-5;
    (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
}

#[test]
fn derivatives_equal_differences() {
    let mut rng = StdRng::seed_from_u64(2);
    for options in &ALL {
        for _ in 0..20 {
            let params = random(&mut rng, options.params());
            let weights = random(&mut rng, 5);
            let low = 0.02 + 0.96 * rng.random::<f64>();
            for inverse in [true, false] {
                let prepared = prepared(options, &params);
                let m = map(options, &prepared, at(low), inverse);
                let slope = difference(|h| map(options, &prepared, at(low + h), inverse).to.low).ln();
                assert!(close(m.ln, slope, 1e-7), "{options:?} {inverse} {low}: {} {slope}", m.ln);

                let cot = MappedCot {
                    to: Ends { low: weights[0], high: weights[1] },
                    ln_ratio: Some(Ends { low: weights[2], high: weights[3] }),
                    ln: weights[4],
                };
                let mut cot_prepared = vec![0.0; options.prepared()];
                let ends = if inverse {
                    inverse_vjp(options, &prepared, at(low), cot, &mut cot_prepared)
                } else {
                    options.direct_vjp(&prepared, at(low), cot, &mut cot_prepared)
                };
                let mut cot_params = vec![0.0; options.params()];
                options.prepare_vjp(&params, &prepared, &cot_prepared, &mut cot_params);
                let mut pairs = vec![(
                    ends.low - ends.high,
                    difference(|h| objective(options, &params, low + h, &weights, inverse)),
                )];
                for k in 0..params.len() {
                    let shifted = |h: f64| {
                        let mut shifted = params.clone();
                        shifted[k] += h;
                        shifted
                    };
                    pairs
                        .push((cot_params[k], difference(|h| objective(options, &shifted(h), low, &weights, inverse))));
                }
                let scale = pairs.iter().fold(1.0_f64, |m, (_, d)| m.max(d.abs()));
                for (exact, numerical) in pairs {
                    assert!(
                        (exact - numerical).abs() <= 1e-7 * scale,
                        "{options:?} {inverse} {low}: {exact} {numerical}"
                    );
                }
            }
        }
    }
}

#[test]
fn derivatives_are_finite_and_continuous_at_the_ends() {
    let mut rng = StdRng::seed_from_u64(3);
    for options in &ALL {
        let params = random(&mut rng, options.params());
        let prepared = prepared(options, &params);
        for inverse in [true, false] {
            let one = |start: Ends<f64>| {
                let cot = MappedCot {
                    to: Ends { low: 0.3, high: -0.8 },
                    ln_ratio: Some(Ends { low: 1.1, high: 0.7 }),
                    ln: -0.4,
                };
                let mut cot_prepared = vec![0.0; options.prepared()];
                let ends = if inverse {
                    inverse_vjp(options, &prepared, start, cot, &mut cot_prepared)
                } else {
                    options.direct_vjp(&prepared, start, cot, &mut cot_prepared)
                };
                cot_prepared.push(ends.low - ends.high);
                cot_prepared
            };
            for (end, near) in [
                (Ends { low: 0.0, high: 1.0 }, Ends { low: 1e-11, high: 1.0 - 1e-11 }),
                (Ends { low: 1.0, high: 0.0 }, Ends { low: 1.0 - 1e-11, high: 1e-11 }),
            ] {
                for (a, b) in one(end).iter().zip(one(near)) {
                    assert!(close(*a, b, 1e-7), "{options:?} {inverse}: {a} {b}");
                }
            }
        }
    }
}

#[test]
fn lanes_with_their_own_parameters_agree_with_single_points() {
    type R = Lanes<f64, 4>;
    let mut rng = StdRng::seed_from_u64(4);
    let rows: Vec<Vec<f64>> = (0..4).map(|_| random(&mut rng, 16)).collect();
    let packed: Vec<R> = (0..16).map(|j| R::from_fn(|l| rows[l][j])).collect();
    let points = [0.05, 0.4, 0.7, 0.99];
    let mut prep = vec![R::from_fn(|_| 0.0); PLAIN.prepared()];
    PLAIN.prepare(&packed, &mut prep);
    let start = Ends { low: R::from_fn(|l| points[l]), high: R::from_fn(|l| 1.0 - points[l]) };
    let there = PLAIN.inverse(&prep, start);
    let both = |v: f64| Ends { low: v, high: -2.0 * v };
    let cot = MappedCot { to: both(0.3), ln_ratio: Some(both(0.7)), ln: 0.9 };
    let wide = |e: Ends<f64>| Ends { low: R::splat(e.low), high: R::splat(e.high) };
    let mut cot_prep = vec![R::from_fn(|_| 0.0); PLAIN.prepared()];
    let wide_cot = MappedCot { to: wide(cot.to), ln_ratio: cot.ln_ratio.map(wide), ln: R::splat(cot.ln) };
    let ends = inverse_vjp(&PLAIN, &prep, start, wide_cot, &mut cot_prep);
    for l in 0..4 {
        let prepared = prepared(&PLAIN, &rows[l]);
        let single = PLAIN.inverse(&prepared, at(points[l]));
        let mut cot_single = vec![0.0; PLAIN.prepared()];
        let single_ends = inverse_vjp(&PLAIN, &prepared, at(points[l]), cot, &mut cot_single);
        assert!(close(there.to.low.lane(l), single.to.low, 1e-15) && close(there.ln.lane(l), single.ln, 1e-15));
        assert!(close(ends.low.lane(l), single_ends.low, 1e-14) && close(ends.high.lane(l), single_ends.high, 1e-14));
        for (a, b) in cot_prep.iter().zip(&cot_single) {
            assert!(close(a.lane(l), *b, 1e-14));
        }
    }
}

#[test]
fn nothing_breaks_at_extreme_parameters() {
    let mut rng = StdRng::seed_from_u64(5);
    for options in &ALL {
        for _ in 0..200 {
            let params: Vec<f64> = random(&mut rng, options.params()).iter().map(|p| p * 30.0).collect();
            let prepared = prepared(options, &params);
            let low = rng.random::<f64>();
            for inverse in [true, false] {
                let m = map(options, &prepared, at(low), inverse);
                assert!((0.0..=1.0 + 1e-15).contains(&m.to.low), "{options:?} {params:?} {low}: {m:?}");
                assert!((0.0..=1.0 + 1e-15).contains(&m.to.high), "{options:?} {params:?} {low}: {m:?}");
                assert!(m.ln.is_finite(), "{options:?} {params:?} {low}: {m:?}");
                let cot = MappedCot { to: m.to, ln_ratio: Some(at(0.4)), ln: 1.0 };
                let mut cot_prepared = vec![0.0; options.prepared()];
                let ends = if inverse {
                    inverse_vjp(options, &prepared, at(low), cot, &mut cot_prepared)
                } else {
                    options.direct_vjp(&prepared, at(low), cot, &mut cot_prepared)
                };
                let mut cot_params = vec![0.0; options.params()];
                options.prepare_vjp(&params, &prepared, &cot_prepared, &mut cot_params);
                assert!(ends.low.is_finite() && ends.high.is_finite());
                assert!(cot_params.iter().all(|c| c.is_finite()), "{options:?} {params:?} {low}: {cot_params:?}");
            }
        }
    }
}

fn wave(n: usize) -> Vec<f64> {
    (0..n).map(|j| 0.6 * (1.0 + 1.3 * j as f64).sin()).collect()
}

/// Rows of layers.md section 15.
#[test]
fn reference_values() {
    for (options, x, z, ln_inverse, from, to, ln_direct) in [
        (SMOOTH_2, 0.37, 0.26155121034, 0.168197610916, -0.6, -0.553246036862, 0.178855973138),
        (SMOOTH_3, 0.37, 0.423133078458, -0.0491802603565, -0.6, -0.588512319983, 0.219659498388),
    ] {
        let prepared = prepared(&options, &wave(options.params()));
        let unit = |x: f64| Ends { low: (1.0 + x) / 2.0, high: (1.0 - x) / 2.0 };
        let m = options.inverse(&prepared, unit(x));
        assert!(close(m.to.low - m.to.high, z, 1e-11) && close(m.ln, ln_inverse, 1e-11), "{m:?}");
        let m = options.direct(&prepared, unit(from));
        assert!(close(m.to.low - m.to.high, to, 1e-11) && close(m.ln, ln_direct, 1e-11), "{m:?}");
    }
    // On [0, 1] with the map to the line behind it.
    let prepared = prepared(&PLAIN, &wave(16));
    let m = PLAIN.inverse(&prepared, at(0.37));
    let z = normal_quantile(m.to.low, m.to.high);
    let ln = m.ln + z * z / 2.0 + crate::numeric::special::HALF_LN_TAU;
    assert!(close(z, -0.362788650368, 1e-11) && close(ln, 0.982051730472, 1e-11), "{z} {ln}");
}
