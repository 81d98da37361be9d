//! The seven workloads of docs/performance.md, in f64.
//!
//! `cargo bench -p flow-runtime --bench workloads` times them with criterion (`RAYON_NUM_THREADS=2` for the threads of the tables).
//!
//! `cargo bench -p flow-runtime --bench workloads -- --against DIR [--only NAME] [--batch N] [--seconds S]` reads parameters and points of W1
//! and W2 from `w1.safetensors` and `w2.safetensors` in DIR, compares its log-densities with those in the files, and prints one line of JSON for
//! each measurement, beside it what the arithmetic alone would take (see limits.rs). `benches/compare` runs that beside another program.

mod limits;

use criterion::{BenchmarkId, Criterion, Throughput};
use dfdx::prelude::*;
use flow_runtime::trainers::{Adam, AdamState, flat_gradient};
use flow_runtime::{Built, flow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use std::hint::black_box;
use std::time::{Duration, Instant};

type W1 = flow!(e3 : gggg);
type W2 = flow!(e3 + s2 : gggg + f | cond 32);
type W3 = flow!(
    s2 : ffff(
        add_vertical_rq_spline_flow = 1, spline_num_basis_functions = -1, vertical_smooth = 1,
        vertical_fix_first_width_n_height_to_zero = 1, vertical_also_fix_second_width_to_zero = 1,
        vertical_independent_width_height_parametrization = 1, add_circular_rq_spline_flow = 1
    )
);
type W4 = flow!(s1 : m);
type W5 = flow!(i1[-1, 1] : rrr);

const BATCHES: [usize; 3] = [1, 256, 10_000];

/// Samples of an entropy.
const ENTROPY: usize = 1000;

fn normal(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..n).map(|_| rng.sample(StandardNormal)).collect()
}

fn rows<const N: usize>(dev: &Cpu, flat: &[f64], n: usize) -> Tensor<(usize, Const<N>), f64, Cpu> {
    dev.tensor_from_vec(flat[..n * N].to_vec(), (n, Const))
}

/// Where measurements go: criterion, or lines of JSON.
trait Clock {
    fn time(&mut self, workload: &str, batch: usize, work: &mut dyn FnMut());
}

impl Clock for Criterion {
    fn time(&mut self, workload: &str, batch: usize, work: &mut dyn FnMut()) {
        let mut group = self.benchmark_group(workload);
        group.sample_size(10).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(300));
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::from_parameter(batch), |b| b.iter(&mut *work));
        group.finish();
    }
}

/// Medians as lines of JSON, in the form of the program that is compared with.
struct Lines {
    only: Option<String>,
    batch: Option<usize>,
    seconds: f64,
    rates: limits::Rates,
}

impl Clock for Lines {
    fn time(&mut self, workload: &str, batch: usize, work: &mut dyn FnMut()) {
        if self.only.as_ref().is_some_and(|only| !workload.contains(only.as_str()))
            || self.batch.is_some_and(|only| only != batch)
        {
            return;
        }
        for _ in 0..3 {
            work();
        }
        let start = Instant::now();
        work();
        let inner = ((0.002 / start.elapsed().as_secs_f64().max(1e-7)) as usize).max(1);
        let (mut times, start) = (Vec::new(), Instant::now());
        while start.elapsed().as_secs_f64() < self.seconds || times.len() < 5 {
            let one = Instant::now();
            for _ in 0..inner {
                work();
            }
            times.push(one.elapsed().as_secs_f64() / inner as f64 * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let (median, least) = (times[times.len() / 2], times[0]);
        let limit = limits::limit(self.rates, workload, batch, threads());
        let limit = limit.map_or("null".into(), |ms| format!("{ms:.6}"));
        println!(
            r#"{{"workload": "{workload}", "batch": {batch}, "ms": {median:.6}, "min": {least:.6}, "runs": {}, "limit": {limit}}}"#,
            times.len()
        );
    }
}

/// Threads that a batch is spread over.
fn threads() -> usize {
    rayon::current_num_threads()
}

/// One step of training on a gradient: Adam on the flat weights.
struct Steps {
    adam: Adam,
    state: AdamState,
    values: Vec<f64>,
}

impl Steps {
    fn new(values: Vec<f64>) -> Self {
        Steps { adam: Adam::default(), state: AdamState::default(), values }
    }
}

/// Times log-density, training step and samples of a flow without conditions.
macro_rules! unconditional {
    ($clock:expr, $name:literal, $pdf:expr, $points:expr, $batches:expr) => {{
        let (mut pdf, points) = ($pdf, $points);
        for batch in $batches {
            let x = rows(&Cpu::default(), points, batch);
            $clock.time(concat!($name, ".log_prob"), batch, &mut || {
                black_box(pdf.log_prob(black_box(&x)).unwrap());
            });
            let start = pdf.flat_weights();
            let mut steps = Steps::new(start.clone());
            $clock.time(concat!($name, ".train"), batch, &mut || {
                let loss = -pdf.log_prob(black_box(&x).clone().traced(pdf.alloc_grads())).unwrap().mean::<(), _>();
                let gradient = flat_gradient(&pdf, &mut loss.backward()).unwrap();
                steps.adam.update(&mut steps.state, &mut steps.values, &gradient, 1.0);
                pdf.set_flat_weights(&steps.values).unwrap();
            });
            pdf.set_flat_weights(&start).unwrap();
            let mut rng = StdRng::seed_from_u64(2);
            $clock.time(concat!($name, ".sample"), batch, &mut || {
                black_box(pdf.sample(batch, &mut rng).unwrap());
            });
        }
        pdf
    }};
}

fn conditional(clock: &mut dyn Clock, mut pdf: Built<W2, f64>, points: &[f64], features: &[f64]) -> Built<W2, f64> {
    let dev = Cpu::default();
    for batch in BATCHES {
        let (x, given) = (rows::<5>(&dev, points, batch), rows::<32>(&dev, features, batch));
        clock.time("W2.log_prob", batch, &mut || {
            black_box(pdf.given(black_box(&given)).unwrap().log_prob(black_box(&x)).unwrap());
        });
        let start = pdf.flat_weights();
        let mut steps = Steps::new(start.clone());
        clock.time("W2.train", batch, &mut || {
            let density = pdf.given(black_box(&given)).unwrap().on_tape(pdf.alloc_grads()).unwrap();
            let loss = -density.log_prob(black_box(&x)).unwrap().mean::<(), _>();
            let gradient = flat_gradient(&pdf, &mut loss.backward()).unwrap();
            steps.adam.update(&mut steps.state, &mut steps.values, &gradient, 1.0);
            pdf.set_flat_weights(&steps.values).unwrap();
        });
        pdf.set_flat_weights(&start).unwrap();
        let mut rng = StdRng::seed_from_u64(2);
        clock.time("W2.sample", batch, &mut || {
            black_box(pdf.given(black_box(&given)).unwrap().sample(&mut rng).unwrap());
        });
    }
    pdf
}

/// W6: the entropy of W1 with its gradient through the samples.
fn entropy(clock: &mut dyn Clock, pdf: &Built<W1, f64>) {
    let mut rng = StdRng::seed_from_u64(3);
    clock.time("W6.entropy_grad", ENTROPY, &mut || {
        let sample = pdf.rsample(ENTROPY, &mut rng, pdf.alloc_grads()).unwrap();
        black_box((-sample.into_log_prob().mean()).backward());
    });
}

/// Frozen flows, one event at a time.
fn frozen(clock: &mut dyn Clock, w1: &Built<W1, f64>, w2: &Built<W2, f64>, points: [&[f64]; 2], features: &[f64]) {
    let (w1, w2) = (w1.freeze(), w2.freeze());
    let x: [f64; 3] = points[0][..3].try_into().unwrap();
    let (y, given): ([f64; 5], [f64; 32]) = (points[1][..5].try_into().unwrap(), features[..32].try_into().unwrap());
    let mut rng = StdRng::seed_from_u64(4);
    clock.time("W1.frozen.log_prob", 1, &mut || {
        black_box(w1.log_prob(black_box(&x)).unwrap());
    });
    clock.time("W1.frozen.sample", 1, &mut || {
        black_box(w1.sample(&mut rng).unwrap());
    });
    clock.time("W2.frozen.log_prob", 1, &mut || {
        black_box(w2.log_prob(black_box(&given), black_box(&y)).unwrap());
    });
    clock.time("W2.frozen.sample", 1, &mut || {
        black_box(w2.sample(black_box(&given), &mut rng).unwrap());
    });
}

/// What has no parameters in files: W3 to W5 near their start.
fn others(clock: &mut dyn Clock) {
    let dev = Cpu::seed_from_u64(5);
    let angles: Vec<f64> =
        normal(20_000, 6).chunks_exact(2).flat_map(|z| [1.5 + 1.4 * z[0].tanh(), 3.0 + 2.9 * z[1].tanh()]).collect();
    unconditional!(clock, "W3", dev.build_module::<W3, f64>(), &angles, [10_000]);
    let circle: Vec<f64> = normal(10_000, 7).iter().map(|z| 3.0 + 2.9 * z.tanh()).collect();
    unconditional!(clock, "W4", dev.build_module::<W4, f64>(), &circle, [10_000]);
    let interval: Vec<f64> = normal(10_000, 8).iter().map(|z| 0.99 * z.tanh()).collect();
    unconditional!(clock, "W5", dev.build_module::<W5, f64>(), &interval, [10_000]);
}

/// W7: from the start of a process to its first log-density. The child says how long it took from its own start.
fn start_up(clock: &mut dyn Clock) {
    let program = std::env::current_exe().unwrap();
    clock.time("W7.start", 1, &mut || {
        let child = std::process::Command::new(&program).arg("--first").output().unwrap();
        assert!(child.status.success());
    });
}

fn first() {
    let pdf = Cpu::default().build_module::<W2, f64>();
    let log_prob = pdf.given(&[[0.1; 32]]).unwrap().log_prob(&[[0.1, 0.2, 0.3, 1.0, 2.0]]).unwrap();
    println!("{}", log_prob.as_vec()[0]);
}

/// A tensor of a file, and the largest difference of two lists of numbers.
fn tensor(bytes: &[u8], name: &str) -> Vec<f64> {
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let numbers = file.tensor(name).unwrap();
    numbers.data().as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()
}

fn agree(name: &str, got: &[f64], wanted: &[f64]) {
    let off = got.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("# {name}: largest difference {off:.2e}");
    assert!(got.len() == wanted.len() && off < 1e-9, "{name} is not the density of the file");
}

/// The networks' numbers in the order of the flat weights.
fn networks(bytes: &[u8]) -> Vec<f64> {
    let mut flat = Vec::new();
    for net in 0..2 {
        for (layer, what) in [(0, "weight"), (0, "bias"), (2, "weight"), (2, "bias")] {
            flat.extend(tensor(bytes, &format!("mlp_predictors.{net}.{layer}.{what}")));
        }
    }
    flat
}

fn against(directory: &str, clock: &mut Lines) {
    let dev = Cpu::default();
    let read = |name: &str| std::fs::read(format!("{directory}/{name}.safetensors")).unwrap();
    let (one, two) = (read("w1"), read("w2"));
    let mut w1: Built<W1, f64> = dev.build_module::<W1, f64>();
    w1.set_flat_weights(&tensor(&one, "params")).unwrap();
    let x = tensor(&one, "x");
    let log_prob = w1.log_prob(rows::<3>(&dev, &x, x.len() / 3)).unwrap();
    agree("W1", &log_prob.as_vec(), &tensor(&one, "log_prob"));
    let mut w2: Built<W2, f64> = dev.build_module::<W2, f64>();
    w2.set_flat_weights(&networks(&two)).unwrap();
    let (y, features) = (tensor(&two, "x"), tensor(&two, "cond"));
    let given = rows::<32>(&dev, &features, y.len() / 5);
    let log_prob = w2.given(given).unwrap().log_prob(rows::<5>(&dev, &y, y.len() / 5)).unwrap();
    agree("W2", &log_prob.as_vec(), &tensor(&two, "log_prob"));

    let w1 = unconditional!(clock, "W1", w1, &x, BATCHES);
    entropy(clock, &w1);
    let w2 = conditional(clock, w2, &y, &features);
    frozen(clock, &w1, &w2, [&x, &y], &features);
    others(clock);
    start_up(clock);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|i| arguments.get(i + 1).cloned());
    if arguments.iter().any(|a| a == "--first") {
        return first();
    }
    if let Some(directory) = value("--against") {
        let seconds = value("--seconds").map_or(2.0, |s| s.parse().unwrap());
        let batch = value("--batch").map(|b| b.parse().unwrap());
        let rates = limits::rates();
        println!(r#"# {{"exp": {:.3e}, "ln": {:.3e}, "flop": {:.3e}}}"#, rates.exp, rates.ln, rates.flop);
        return against(&directory, &mut Lines { only: value("--only"), batch, seconds, rates });
    }
    let mut criterion = Criterion::default().configure_from_args();
    let dev = Cpu::seed_from_u64(1);
    let (x, y, features) = (normal(30_000, 1), normal(50_000, 2), normal(320_000, 3));
    let y: Vec<f64> = y.chunks_exact(5).flat_map(|v| [v[0], v[1], v[2], 1.5 + 1.4 * v[3].tanh(), v[4]]).collect();
    let w1 = unconditional!(criterion, "W1", dev.build_module::<W1, f64>(), &x, BATCHES);
    entropy(&mut criterion, &w1);
    let w2 = conditional(&mut criterion, dev.build_module::<W2, f64>(), &y, &features);
    frozen(&mut criterion, &w1, &w2, [&x, &y], &features);
    others(&mut criterion);
    start_up(&mut criterion);
    criterion.final_summary();
}
