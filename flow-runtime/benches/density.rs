//! Times of log-densities, gradients and samples: `e3 : gggg` and `e3 + s2 : gggg + n | cond 32`, in f64.
//!
//! `cargo bench -p flow-runtime` runs all; `RAYON_NUM_THREADS=1 cargo bench -p flow-runtime` on one thread.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dfdx::prelude::*;
use flow_runtime::{Built, flow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use std::hint::black_box;

type Vertex = flow!(e3 : gggg);
type Event = flow!(e3 + s2 : gggg + n | cond 32);

const BATCHES: [usize; 2] = [256, 10_000];

fn normal<const N: usize>(rows: usize, seed: u64) -> Vec<[f64; N]> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..rows).map(|_| std::array::from_fn(|_| rng.sample(StandardNormal))).collect()
}

/// Points of the mission's line: vertex, and a direction in angles.
fn events(rows: usize) -> Vec<[f64; 5]> {
    let direction = |z: f64| 1.0 + 0.5 * z.tanh();
    normal::<5>(rows, 1).into_iter().map(|[a, b, c, d, e]| [a, b, c, direction(d), e]).collect()
}

fn rows_of<const N: usize>(dev: &Cpu, rows: &[[f64; N]]) -> Tensor<(usize, Const<N>), f64, Cpu> {
    dev.tensor_from_vec(rows.concat(), (rows.len(), Const))
}

fn vertex(c: &mut Criterion) {
    let dev = Cpu::default();
    let pdf: Built<Vertex, f64> = dev.build_module::<Vertex, f64>();
    let mut group = c.benchmark_group("e3 : gggg");
    group.sample_size(20);
    for batch in BATCHES {
        let x = rows_of(&dev, &normal::<3>(batch, 0));
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::new("log_prob", batch), |b| b.iter(|| pdf.log_prob(black_box(&x)).unwrap()));
        group.bench_function(BenchmarkId::new("gradient", batch), |b| {
            b.iter(|| {
                let traced = black_box(&x).clone().traced(pdf.alloc_grads());
                pdf.log_prob(traced).unwrap().mean::<(), _>().backward()
            });
        });
        group.bench_function(BenchmarkId::new("sample", batch), |b| {
            b.iter(|| pdf.sample(batch, &mut StdRng::seed_from_u64(2)).unwrap());
        });
    }
    group.finish();
}

fn event(c: &mut Criterion) {
    let dev = Cpu::default();
    let pdf: Built<Event, f64> = dev.build_module::<Event, f64>();
    let mut group = c.benchmark_group("e3 + s2 : gggg + n | cond 32");
    group.sample_size(10);
    for batch in BATCHES {
        let x = rows_of(&dev, &events(batch));
        let features = rows_of(&dev, &normal::<32>(batch, 3));
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::new("log_prob", batch), |b| {
            b.iter(|| pdf.given(black_box(&features)).unwrap().log_prob(black_box(&x)).unwrap());
        });
        group.bench_function(BenchmarkId::new("gradient", batch), |b| {
            b.iter(|| {
                let traced = black_box(&features).clone().traced(pdf.alloc_grads());
                pdf.given(traced).unwrap().log_prob(black_box(&x)).unwrap().mean::<(), _>().backward()
            });
        });
        group.bench_function(BenchmarkId::new("sample", batch), |b| {
            b.iter(|| pdf.given(black_box(&features)).unwrap().sample(&mut StdRng::seed_from_u64(2)).unwrap());
        });
    }
    let frozen = pdf.freeze();
    let (features, x) = (normal::<32>(1, 3)[0], events(1)[0]);
    group.throughput(Throughput::Elements(1));
    group.bench_function("freeze, one log_prob", |b| {
        b.iter(|| frozen.log_prob(black_box(&features), black_box(&x)).unwrap())
    });
    let mut rng = StdRng::seed_from_u64(5);
    group.bench_function("freeze, one sample", |b| b.iter(|| frozen.sample(black_box(&features), &mut rng).unwrap()));
    group.finish();
}

criterion_group!(benches, vertex, event);
criterion_main!(benches);
