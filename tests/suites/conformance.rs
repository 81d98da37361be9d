//! Agreement with the reference vectors (tests/vectors, format in its README; numbers of jammy_flows).
//!
//! build.rs writes each case as a line of notation; cases that the notation cannot say are listed with the reason. Every
//! other case is compared in all it holds: log-densities, base points, the forward map, gradients in both directions, in
//! intrinsic and embedded coordinates. The one exception is `from_base.grad.z`: the runtime does not differentiate by base
//! points.
//!
//! `FLOW_VECTORS=folder cargo test --release --test conformance -- --nocapture` runs another folder of cases of the same form.
//!
//! # How close
//! |ours - theirs| <= 1e-8 (1 + |theirs|) + noise, where noise is the rounding error that the case itself states. Gradients:
//! 1e-8 of the largest of their row or tensor, + noise. Looser bounds have names and are in [`rules`], each with its reason.

#[path = "conformance/compare.rs"]
mod compare;
#[path = "conformance/kernels.rs"]
mod kernels;
#[path = "conformance/reference.rs"]
mod reference;
#[path = "conformance/rules.rs"]
mod rules;

use compare::{ByRule, Report};
use kernels::Kernels;
use reference::Case;
use std::panic::catch_unwind;
use std::process::Command;

/// A reference case.
struct Entry {
    name: &'static str,
    path: &'static str,
    /// The notation, empty where it cannot say the case.
    line: &'static str,
    /// What runs it, or why nothing does.
    kernels: Result<Kernels, &'static str>,
}

include!(concat!(env!("OUT_DIR"), "/conformance_cases.rs"));

#[test]
fn reference_cases_agree() {
    println!("cases of {FOLDER}");
    let (mut run, mut agree, mut by_rule) = (0, 0, ByRule::new());
    for Entry { name, path, line, kernels } in CASES {
        match kernels {
            Err(reason) => println!("{name:<36} not run: {reason}"),
            Ok(kernels) => {
                run += 1;
                // A case that breaks something must not keep the others from being told.
                let report = catch_unwind(|| Case::read(path, kernels).and_then(|case| compare::case(&case, kernels)));
                let report = report.unwrap_or_else(|_| Err("stopped by a panic".into())).unwrap_or_else(Report::failed);
                agree += usize::from(report.agrees());
                println!("{name:<36} {report}");
                for (of, (count, largest)) in &report.by_rule {
                    let all = by_rule.entry(*of).or_default();
                    *all = (all.0 + count, all.1.max(*largest));
                }
                if !report.agrees() {
                    println!("{:<36} notation: {line}", "");
                }
            }
        }
    }
    println!("{} cases: {run} run, {agree} agree, {} not run", CASES.len(), CASES.len() - run);
    by_rule.iter().for_each(|((rule, what), (count, off))| println!("{rule}, {what}: {count} up to {off:.1e}"));
    assert_eq!(run, agree, "cases disagree: see above");
    // Another folder may hold what the notation has no word for.
    if FOLDER.ends_with("tests/vectors") {
        assert_eq!((run, CASES.len()), (118, 118), "the notation says every case of the repository");
        // A rule that no number needs is a hole in the comparison.
        let idle: Vec<_> = rules::ALL.iter().filter(|rule| !by_rule.keys().any(|(used, _)| used == *rule)).collect();
        assert!(idle.is_empty(), "rules that nothing needs: {idle:?}");
    }
}

/// The same in each kind of packs that this processor has: an ordinary run knows the widest alone. The kind is chosen once in
/// a program, so each has a process of its own.
#[test]
fn each_kind_of_packs_agrees() {
    let this = std::env::current_exe().unwrap();
    for kind in ["portable", "avx2", "avx512"] {
        let outcome =
            Command::new(&this).args(["--exact", "reference_cases_agree"]).env("FLOW_PACKS", kind).output().unwrap();
        let told = String::from_utf8_lossy(&outcome.stdout);
        assert!(outcome.status.success() && told.contains("1 passed"), "FLOW_PACKS={kind}:\n{told}");
    }
}
