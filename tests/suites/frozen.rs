//! Frozen flows: the same numbers as the built flow, from several threads, without allocation.

use dfdx::prelude::*;
use flow_runtime::flow;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches a thread-local number that needs no
// allocation of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: `memory` came from `System` through `alloc` above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

type Event = flow!(e3 + s2 : gggg + n | cond 32);
type Vertex = flow!(e3 + s2 : gg + f);
type TwoInputs = flow!(e1 + s1 : g + y(add_rotation = 1) | cond (2, 3));
type Outer = flow!(e1 + s1 : gt + m | cond 3, hidden 5, highway 1, amortize 6(rank = 2, highway = 1), poisson);

fn normal<const N: usize>(rng: &mut StdRng) -> [f64; N] {
    std::array::from_fn(|_| rng.sample(StandardNormal))
}

/// A point with its direction well inside the range of angles.
fn event(rng: &mut StdRng) -> [f64; 5] {
    let [a, b, c, d, e] = normal(rng);
    [a, b, c, 1.0 + 0.5 * f64::tanh(d), e]
}

#[test]
fn a_frozen_flow_gives_the_numbers_of_the_built_one() {
    let dev = Cpu::seed_from_u64(1);
    let mut rng = StdRng::seed_from_u64(2);
    let pdf = dev.build_module::<Event, f64>();
    let frozen = pdf.freeze();
    let features: Vec<[f64; 32]> = (0..300).map(|_| normal(&mut rng)).collect();
    let x: Vec<[f64; 5]> = (0..300).map(|_| event(&mut rng)).collect();
    let built = pdf.given(&features).unwrap().log_prob(&x).unwrap().as_vec();
    let many = frozen.log_prob_many(&features, &x).unwrap();
    assert_eq!(built, many);
    for i in 0..300 {
        let one = frozen.log_prob(&features[i], &x[i]).unwrap();
        assert!((one - built[i]).abs() < 1e-12 * (1.0 + built[i].abs()), "{i}: {one} {}", built[i]);
    }
    let (points, log_prob) = frozen.sample_many(&features, 2, &mut rng).unwrap();
    assert_eq!((points.len(), log_prob.len()), (600, 600));
    for (i, (x, p)) in points.iter().zip(&log_prob).enumerate() {
        assert!((frozen.log_prob(&features[i / 2], x).unwrap() - p).abs() < 1e-8);
    }
    let (x, p) = frozen.sample(&features[0], &mut rng).unwrap();
    assert!((frozen.log_prob(&features[0], &x).unwrap() - p).abs() < 1e-8);
}

#[test]
fn unconditional_flows_and_lists_of_features_freeze_too() {
    let dev = Cpu::seed_from_u64(1);
    let mut rng = StdRng::seed_from_u64(2);
    let pdf = dev.build_module::<Vertex, f32>();
    let frozen = pdf.freeze();
    let x = event(&mut rng).map(|x| x as f32);
    let built = pdf.log_prob(&[x]).unwrap().as_vec()[0];
    assert!((frozen.log_prob(&x).unwrap() - built).abs() < 1e-5);
    assert_eq!(frozen.log_prob_many(&[x]).unwrap(), [built]);
    assert_eq!(frozen.sample_many(4, &mut rng).unwrap().0.len(), 4);
    assert!(frozen.sample_many(0, &mut rng).is_err());

    let pdf = dev.build_module::<TwoInputs, f64>();
    let frozen = pdf.freeze();
    let (a, b) = ([0.1, -0.4], [1.0, 0.3, 2.0]);
    let built = pdf.given((&[a], &[b])).unwrap().log_prob(&[[0.2, 1.0]]).unwrap().as_vec()[0];
    assert!((frozen.log_prob(&(a, b), &[0.2, 1.0]).unwrap() - built).abs() < 1e-12);
}

/// Parameters and inner networks from an outer network, a highway and a log-mean: frozen as built, and one event at a time without allocation too.
#[test]
fn outer_networks_freeze_too() {
    let mut rng = StdRng::seed_from_u64(2);
    let pdf = Cpu::seed_from_u64(1).build_module::<Outer, f64>();
    let frozen = pdf.freeze();
    let features: Vec<[f64; 3]> = (0..100).map(|_| normal(&mut rng)).collect();
    let x: Vec<[f64; 2]> = (0..100).map(|_| normal(&mut rng)).map(|[a, b]: [f64; 2]| [a, 3.0 + b.tanh()]).collect();
    let built = pdf.given(&features).unwrap().log_prob(&x).unwrap().as_vec();
    let log_means = pdf.given(&features).unwrap().log_mean().unwrap().as_vec();
    assert_eq!(frozen.log_prob_many(&features, &x).unwrap(), built);
    let before = ALLOCATIONS.with(Cell::get);
    let alone = |i: usize| (frozen.log_prob(&features[i], &x[i]).unwrap(), frozen.log_mean(&features[i]).unwrap());
    for i in 0..100 {
        let (log_prob, log_mean) = alone(i);
        assert!((log_prob - built[i]).abs() < 1e-12 * (1.0 + built[i].abs()), "{i}: {log_prob} {}", built[i]);
        assert!((log_mean - log_means[i]).abs() < 1e-12 * (1.0 + log_mean.abs()), "{i}: {log_mean} {}", log_means[i]);
    }
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0);
}

#[test]
fn one_event_costs_no_allocation() {
    let dev = Cpu::seed_from_u64(1);
    let mut rng = StdRng::seed_from_u64(2);
    let event_pdf = dev.build_module::<Event, f64>().freeze();
    let vertex_pdf = dev.build_module::<Vertex, f64>().freeze();
    let (features, x) = (normal::<32>(&mut rng), event(&mut rng));
    let before = ALLOCATIONS.with(Cell::get);
    for _ in 0..10 {
        event_pdf.log_prob(&features, &x).unwrap();
        event_pdf.sample(&features, &mut rng).unwrap();
        vertex_pdf.log_prob(&x).unwrap();
        vertex_pdf.sample(&mut rng).unwrap();
    }
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0);
    // The counter does count.
    drop(std::hint::black_box(vec![1, 2, 3]));
    assert!(ALLOCATIONS.with(Cell::get) > before);
}

#[test]
fn several_threads_share_one_frozen_flow() {
    let dev = Cpu::seed_from_u64(1);
    let mut rng = StdRng::seed_from_u64(2);
    let frozen = dev.build_module::<Event, f64>().freeze();
    let (features, x) = (normal::<32>(&mut rng), event(&mut rng));
    let alone = frozen.log_prob(&features, &x).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(frozen.log_prob(&features, &x).unwrap(), alone);
                }
            });
        }
    });
}

#[test]
fn bad_input_is_refused() {
    let dev = Cpu::seed_from_u64(1);
    let frozen = dev.build_module::<Event, f64>().freeze();
    let message = |features: [f64; 32], x: [f64; 5]| frozen.log_prob(&features, &x).unwrap_err().to_string();
    assert!(message([0.0; 32], [0.0, f64::NAN, 0.0, 1.0, 0.0]).contains("coordinate 1 is NaN"));
    assert!(message([0.0; 32], [0.0, 0.0, 0.0, -1.0, 0.0]).contains("theta is -1"));
    assert!(message([f64::INFINITY; 32], [0.0, 0.0, 0.0, 1.0, 0.0]).contains("feature 0 is inf"));
    assert!(frozen.log_prob_many::<[f64; 32]>(&[], &[]).is_err());
    assert!(
        frozen.log_prob_many(&[[0.0; 32]], &[[0.0, 0.0, 0.0, 1.0, 0.0]; 2]).unwrap_err().to_string().contains("2 rows")
    );
}
