//! A gradient of a large batch keeps nothing of size batch x parameters.
#![cfg(target_os = "linux")]

use dfdx::prelude::*;
use flow_runtime::flow;
use flow_runtime::trainers::flat_gradient;
use std::process::Command;

type Event = flow!(e3 + s2 : gggg + f | cond 32);

const ROWS: usize = 100_000;

/// Most memory beside the points and features that a step may take, in MB. The parameters of all points would be 3300.
const MOST: usize = 500;

/// Set for the process that makes the step, so that nothing else is in its memory.
const CHILD: &str = "FLOW_MEMORY_CHILD";

/// A line of /proc/self/status, in MB.
fn status(name: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1000
}

fn step() {
    let dev = Cpu::default();
    let pdf = dev.build_module::<Event, f64>();
    let number = |i: usize| (i as f64 * 0.618).fract();
    let x: Vec<f64> = (0..5 * ROWS).map(|i| if i % 5 == 3 { 0.3 + number(i) } else { number(i) - 0.5 }).collect();
    let features: Vec<f64> = (0..32 * ROWS).map(|i| number(i) - 0.5).collect();
    let x = dev.tensor_from_vec(x, (ROWS, Const::<5>));
    let features = dev.tensor_from_vec(features, (ROWS, Const::<32>));
    let before = status("VmRSS");
    let log_prob = pdf.given(features.traced(pdf.alloc_grads())).unwrap().log_prob(&x).unwrap();
    let gradient = flat_gradient(&pdf, &mut (-log_prob.mean::<(), _>()).backward()).unwrap();
    assert!(gradient.iter().all(|g| g.is_finite()) && gradient.iter().any(|g| *g != 0.0));
    println!("MB above the data: {}", status("VmHWM").saturating_sub(before));
}

#[test]
fn a_gradient_of_a_hundred_thousand_points_fits_in_500_megabytes() {
    if std::env::var_os(CHILD).is_some() {
        return step();
    }
    let child = Command::new(std::env::current_exe().unwrap()).arg("--nocapture").env(CHILD, "1").output().unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{text}");
    let used: usize =
        text.split("MB above the data: ").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    println!("{used} MB");
    assert!((1..MOST).contains(&used), "{used} MB");
}
