//! Five gigabytes of rows, made as they are read, fitted within one gigabyte of memory. Alone in its process: what is measured is the process.

#![cfg(target_os = "linux")]

use dfdx::prelude::*;
use flow_runtime::data::{DataError, Generated, Order, Rows, Shuffled};
use flow_runtime::{Adam, Fit, Schedule, flow};
use std::cell::Cell;

const FEATURES: usize = 511;
const CHUNK: usize = 4096;
/// 300 chunks of 4096 rows of 512 numbers of 8 bytes: 5.03e9 bytes.
const CHUNKS: usize = 300;
const GIGABYTE: usize = 1_000_000_000;

/// Numbers uniform in (-1, 1) by SplitMix64, which is fast.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) as i64) as f64 / 2f64.powi(63)
}

/// The largest resident memory that this process has had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn five_gigabytes_are_fitted_within_one() {
    let made = Cell::new(0);
    // A number about the sum of two features, uniform by 0.1 to both sides: its entropy is ln 0.2 = -1.61.
    let make = |index: usize, epoch: usize, seed: u64| -> Result<Rows<1, FEATURES>, DataError> {
        let mut state = seed ^ ((epoch * CHUNKS + index) as u64) << 20;
        let features: Vec<[f64; FEATURES]> = (0..CHUNK).map(|_| std::array::from_fn(|_| uniform(&mut state))).collect();
        let points = features.iter().map(|f| [f[0] + f[300] + 0.1 * uniform(&mut state)]).collect();
        made.set(made.get() + size_of_val(&features[..]) + CHUNK * size_of::<f64>());
        Ok(Rows { features, points })
    };
    let order = Order { batch: 2048, buffer: 4 * CHUNK, shuffle: true };
    let mut stream = Shuffled::new(Generated::new(CHUNKS, CHUNK, make), order);
    let mut pdf = Cpu::default().build_module::<flow!(e1 : t | cond 511, hidden none), f64>();
    let fit = Fit {
        epochs: 1,
        optimizer: Adam { learning_rate: 0.02, ..Adam::default() },
        schedule: Schedule::Cosine { warm_up: 10, last: 0.01 },
        ..Fit::default()
    };
    let history = pdf.fit_stream(&mut stream, None, &fit).unwrap();
    assert!(made.get() >= 5 * GIGABYTE, "{} bytes", made.get());
    let peak = peak();
    println!(
        "{} MB made, {} MB of memory at most, loss {}",
        made.get() / 1_000_000,
        peak / 1_000_000,
        history.epochs[0].training
    );
    assert!(peak < GIGABYTE, "{peak} bytes");

    // It has learned: a normal density about the sum with the deviation of the uniform one, 0.2 / sqrt(12), has -1.43.
    let mut state = 77;
    let features: Vec<[f64; FEATURES]> = (0..1000).map(|_| std::array::from_fn(|_| uniform(&mut state))).collect();
    let points: Vec<[f64; 1]> = features.iter().map(|f| [f[0] + f[300] + 0.1 * uniform(&mut state)]).collect();
    let loss = -pdf.given(&features).unwrap().log_prob(&points).unwrap().mean::<(), _>().array();
    println!("loss on other rows {loss}");
    assert!(loss < -1.2, "{loss}");
}
