//! Densities on intervals and simplices integrate to one: by midpoints of a box, within 1e-6, and within 1e-5 and 1e-4 where a plane or a space allows
//! no finer grid.

use dfdx::nn::DeviceBuildExt;
use dfdx::tensor::Cpu;
use flow_runtime::flow;
use flow_runtime::kernels::{Blocks, Coordinates, Job, evaluate};
use flow_runtime::module::Spec;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

/// Along a line, in a plane, in space.
const LINE: f64 = 1e-6;
const PLANE: f64 = 1e-5;
const SPACE: f64 = 1e-4;

/// A place in the unit interval for a place of the grid, and its derivative.
type Grid = fn(f64) -> [f64; 2];

/// The same everywhere: for splines.
const EVEN: Grid = |t| [t, 1.0];
/// A smooth step that is flat at its ends: it leaves nothing of the boundary, where a density may go to 0 or to infinity like a power.
const FLAT: Grid = |t| [t * t * t * (10.0 + t * (6.0 * t - 15.0)), 30.0 * (t * (1.0 - t)).powi(2)];
/// A flatter one, for coarse grids: where a density goes like x^(a-1) towards a face, the integrand goes like t^(5a-1). (On a fine grid it would come closer
/// to 1 than numbers can say.)
const FLATTER: Grid = |t| {
    let step = t.powi(5) * (126.0 + t * (-420.0 + t * (540.0 + t * (-315.0 + t * 70.0))));
    [step, 630.0 * (t * (1.0 - t)).powi(4)]
};

/// Integrates the density of a flow, with weights `spread` away from their start, by midpoints of a box of `cells` to each side, which `map` takes to
/// a point and its volume.
fn box_integral<S: Spec>(
    start: &[f64],
    (seed, spread): (u64, f64),
    cells: usize,
    grid: Grid,
    map: impl Fn(&[f64]) -> (Vec<f64>, f64),
) -> f64 {
    let mut rng = StdRng::seed_from_u64(seed);
    let weights: Vec<f64> = start.iter().map(|w| w + spread * rng.sample::<f64, _>(StandardNormal)).collect();
    let job = Job {
        weights: &weights,
        features: &[],
        feature_count: 0,
        repeat: 1,
        coordinates: Coordinates::Intrinsic,
        pool: None,
    };
    let dim = S::Blocks::DIM;
    let (mut points, mut volumes) = (Vec::new(), Vec::new());
    for cell in 0..cells.pow(dim as u32) {
        let (mut rest, mut volume) = (cell, 1.0);
        let mut b = vec![0.0; dim];
        for b in &mut b {
            let t = ((rest % cells) as f64 + 0.5) / cells as f64;
            rest /= cells;
            let [place, slope] = grid(t);
            *b = place;
            volume *= slope / cells as f64;
        }
        let (x, jacobian) = map(&b);
        points.extend(x);
        volumes.push(volume * jacobian);
    }
    let mut log_prob = vec![0.0; volumes.len()];
    evaluate::<S::Blocks, f64>(job, &points, &mut log_prob, &mut []).expect("finite densities");
    log_prob.iter().zip(&volumes).map(|(l, v)| l.exp() * v).sum()
}

/// A point of the simplex from a box, by shares of what is left.
fn of_what_is_left(t: &[f64]) -> (Vec<f64>, f64) {
    let (mut left, mut volume) = (1.0, 1.0);
    let shares = t.iter().map(|b| {
        let x = b * left;
        volume *= left;
        left *= 1.0 - b;
        x
    });
    (shares.collect(), volume)
}

/// Several seeds of one notation over a box.
macro_rules! fills_its_box {
    ($seeds:expr, $spread:expr, $cells:expr, $grid:expr, $map:expr, $tolerance:expr, $($notation:tt)*) => {{
        type S = flow!($($notation)*);
        let pdf = Cpu::default().build_module::<S, f64>();
        for seed in $seeds {
            let total = box_integral::<S>(&pdf.flat_weights(), (seed, $spread), $cells, $grid, $map);
            println!("{}, seed {seed}: 1 {:+.1e}", stringify!($($notation)*), total - 1.0);
            assert!((total - 1.0).abs() < $tolerance, "{}, seed {seed}: {total}", stringify!($($notation)*));
        }
    }};
}

#[test]
fn intervals_r() {
    fn on(low: f64, high: f64) -> impl Fn(&[f64]) -> (Vec<f64>, f64) {
        move |t| (vec![low + (high - low) * t[0]], high - low)
    }
    fills_its_box!(1..=5, 0.7, 100_000, EVEN, on(0.0, 1.0), LINE, i1 : rr);
    fills_its_box!(1..=5, 0.7, 100_000, EVEN, on(-3.0, 3.0), LINE, i1[-3, 3] : rr);
    fills_its_box!(1..=5, 0.7, 100_000, EVEN, on(100.0, 110.0), LINE, i1[100, 110] : rr);
    fills_its_box!(
        1..=5, 0.7, 100_000, EVEN, on(-3.0, 3.0), LINE,
        i1[-3, 3] : rr(smooth_second_derivative = 1, num_basis_functions = 3)
    );
    fills_its_box!(
        1..=5, 0.7, 100_000, EVEN, on(-1.0, 1.0), LINE,
        i1[-1, 1] : rr(
            fix_first_width_n_height_to_zero = 1, also_fix_second_width_to_zero = 1, fix_boundary_derivatives = 1
        )
    );
}

#[test]
fn simplices_w() {
    fills_its_box!([7], 0.5, 100_000, EVEN, of_what_is_left, LINE, a1 : w);
    fills_its_box!([7], 0.1, 500, EVEN, of_what_is_left, PLANE, a2 : w);
    // Splines less bent, for a coarser grid.
    fills_its_box!([7], 0.03, 120, EVEN, of_what_is_left, SPACE, a3 : w);
}

#[test]
fn simplices_u() {
    fills_its_box!(1..=3, 0.3, 20_000, FLAT, of_what_is_left, LINE, a1 : u);
    fills_its_box!(1..=3, 0.3, 1000, FLAT, of_what_is_left, PLANE, a2 : u);
    fills_its_box!(1..=3, 0.3, 100, FLATTER, of_what_is_left, SPACE, a3 : u);
}
