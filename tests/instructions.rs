//! Instruction counts of small kernels, by valgrind: what costs more instructions than before shows without any noise of timing.
//!
//! `UPDATE_INSTRUCTIONS=1 cargo test --release --test instructions` writes the counts to `tests/instructions.txt`. Where valgrind is missing, or the
//! processor has no AVX2 (valgrind knows no AVX-512, so that all processors with AVX2 run the same code under it), nothing is measured.

use dfdx::prelude::*;
use flow_runtime::flow;
use flow_runtime::numeric::{Lift, Pack, Scalar, WithPack, Work};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::hint::black_box;
use std::process::Command;

type Free = flow!(e1 : g);
type Given = flow!(e1 : t | cond 8, hidden 32);

const ROWS: usize = 64;
const KERNELS: [&str; 5] = ["exp", "ln", "mixture", "mixture_sample", "network_gradient"];

/// Calls of a kernel that are counted.
const CALLS: usize = 200;

/// A kernel may cost this much more than is written down, and this much less before that has to be written down.
const MORE: f64 = 1.03;
const LESS: f64 = 0.9;

/// Set for the process that runs a kernel: its name and how often.
const CHILD: &str = "FLOW_INSTRUCTIONS";

/// Elementary functions of many numbers in the widest packs.
struct Numbers<'a>(&'a str, &'a mut [f64]);

impl WithPack<f64> for Numbers<'_> {
    type Output = ();
    fn call<R: Pack<Scalar = f64>>(self)
    where
        f64: Lift<R>,
    {
        struct InPacks<'a, R>(Numbers<'a>, std::marker::PhantomData<R>);
        impl<R: Pack<Scalar = f64>> Work for InPacks<'_, R> {
            type Output = ();
            #[inline(always)]
            fn run(self) {
                let logarithms = self.0.0 == "ln";
                for some in self.0.1.chunks_exact_mut(R::LANES) {
                    let x = R::read(some);
                    let y = if logarithms { x.ln() } else { x.exp() };
                    y.write(some);
                }
            }
        }
        R::run(InPacks::<R>(self, std::marker::PhantomData));
    }
}

fn kernel(name: &str, calls: usize) {
    let dev = Cpu::seed_from_u64(1);
    let (free, given) = (dev.build_module::<Free, f64>(), dev.build_module::<Given, f64>());
    let x: Vec<[f64; 1]> = (0..ROWS).map(|i| [0.05 * i as f64 - 1.5]).collect();
    let features: Vec<f64> = (0..8 * ROWS).map(|i| (i as f64 * 0.618).fract()).collect();
    let features = dev.tensor_from_vec(features, (ROWS, Const::<8>));
    for _ in 0..calls {
        match name {
            "mixture" => drop(black_box(free.log_prob(black_box(&x)).unwrap())),
            "mixture_sample" => drop(black_box(free.sample(ROWS, &mut StdRng::seed_from_u64(2)).unwrap())),
            "network_gradient" => {
                let traced = features.clone().traced(given.alloc_grads());
                let log_prob = given.given(traced).unwrap().log_prob(black_box(&x)).unwrap();
                black_box(log_prob.mean::<(), _>().backward());
            }
            elementary => {
                let mut numbers: Vec<f64> = (1..=512).map(|i| 0.02 * f64::from(i)).collect();
                f64::widest(Numbers(elementary, black_box(&mut numbers)));
                black_box(&numbers);
            }
        }
    }
}

/// Instructions of a process that calls a kernel so often; `None` without valgrind.
fn count(name: &str, calls: usize) -> Option<f64> {
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["--test-threads=1"])
        .env(CHILD, format!("{name} {calls}"))
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{text}");
    let collected = text.split("Collected :").nth(1).unwrap_or_else(|| panic!("{text}"));
    Some(collected.split_whitespace().next().unwrap().parse().unwrap())
}

#[test]
fn kernels_cost_no_more_instructions_than_written_down() {
    if let Ok(what) = std::env::var(CHILD) {
        let (name, calls) = what.split_once(' ').unwrap();
        return kernel(name, calls.parse().unwrap());
    }
    #[cfg(target_arch = "x86_64")]
    let usual = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    let usual = false;
    if !usual || Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("no valgrind, or no AVX2: instructions are not counted");
        return;
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/instructions.txt");
    let counts = KERNELS.map(|name| {
        let (some, more) = (count(name, CALLS).unwrap(), count(name, 2 * CALLS).unwrap());
        ((more - some) / CALLS as f64).round()
    });
    let lines: Vec<String> = KERNELS.iter().zip(counts).map(|(name, count)| format!("{name} {count}\n")).collect();
    if std::env::var_os("UPDATE_INSTRUCTIONS").is_some() {
        std::fs::write(file, lines.concat()).unwrap();
    }
    let written = std::fs::read_to_string(file).unwrap();
    for (line, count) in written.lines().zip(counts) {
        let (name, before) = line.split_once(' ').unwrap();
        let ratio = count / before.parse::<f64>().unwrap();
        assert!(ratio < MORE, "{name}: {count} instructions a call, {before} before");
        assert!(
            ratio > LESS,
            "{name}: {count} instructions a call, {before} before: write them down (see the head of this file)"
        );
    }
    assert_eq!(written.lines().count(), KERNELS.len());
}
