//! What lines of notation cost to compile: small crates in a temporary folder, with the dependencies built, checked and built in both profiles.
//!
//! ```sh
//! cargo bench -p flow-runtime --bench compile
//! ```
//!
//! Each crate is compiled from scratch (but for its dependencies), and again with a changed line. Times are of the wall clock, and of the
//! processor for compiler and linker together, which other programs disturb less. The figures of one machine are in docs/compile.md.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// The lines of a crate.
struct Case {
    name: &'static str,
    lines: fn(usize) -> Vec<String>,
}

const CASES: [Case; 5] = [
    Case { name: "no line", lines: |_| Vec::new() },
    Case { name: "1 line", lines: |edit| vec![format!("e3 + s2 : gggg + n | cond 32, hidden {}", 64 + edit)] },
    Case {
        name: "20 lines",
        lines: |edit| (0..20).map(|k| format!("e{} + s2 : gt + f | cond {}", 1 + k % 4, 2 + k + 20 * edit)).collect(),
    },
    Case { name: "15 g", lines: |edit| vec![format!("e3 : {} | cond {}", "g".repeat(15), 4 + edit)] },
    Case { name: "15 f", lines: |edit| vec![format!("s2 : {} | cond {}", "f".repeat(15), 4 + edit)] },
];

/// How each crate is compiled: profile, what is timed.
const WAYS: [(&str, &[&str]); 3] =
    [("check", &["check"]), ("build", &["build"]), ("build --release", &["build", "--release"])];

/// A program that builds each flow, evaluates it, draws from it and takes a gradient step.
fn program(lines: &[String]) -> String {
    let mut text = String::from(
        "#![allow(dead_code, unused)]\nuse flow_runtime::{dfdx::prelude::*, flow, rand::{SeedableRng, rngs::StdRng}, Fit};\n\n",
    );
    let mut calls = String::new();
    for (k, line) in lines.iter().enumerate() {
        text += &format!(
            "type Pdf{k} = flow!({line});\n\
             fn use_{k}() -> Result<(), Box<dyn std::error::Error>> {{\n\
             \x20   let mut pdf = Cpu::default().build_module::<Pdf{k}, f64>();\n\
             \x20   let (features, points) = ([[0.1; Pdf{k}::FEATURES]; 2], [[0.5; Pdf{k}::DIM]; 2]);\n\
             \x20   pdf.fit(&features, &points, &Fit {{ epochs: 1, ..Fit::default() }})?;\n\
             \x20   println!(\"{{:?}}\", pdf.given(&features)?.log_prob(&points)?.array());\n\
             \x20   println!(\"{{:?}}\", pdf.given(&features)?.sample(&mut StdRng::seed_from_u64(1))?.points.as_vec());\n\
             \x20   Ok(())\n\
             }}\n\n"
        );
        calls += &format!("    use_{k}().unwrap();\n");
    }
    text + &format!("fn main() {{\n    println!(\"start\");\n{calls}}}\n")
}

/// Seconds of the wall clock, and of the processor where the system tells it.
struct Seconds {
    wall: f64,
    cpu: Option<f64>,
}

/// Seconds that ended child processes took of the processor, from /proc: fields 16 and 17 of `stat`, in hundredths.
fn children() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |k: usize| fields.get(k)?.parse::<f64>().ok();
    Some((ticks(13)? + ticks(14)?) / 100.0)
}

/// Compiles the crate, and times the last step alone.
fn compile(folder: &Path, target: &Path, way: &[&str]) -> io::Result<Seconds> {
    let (before, start) = (children(), Instant::now());
    let output = Command::new(env!("CARGO"))
        .current_dir(folder)
        .args(way)
        .args(["--offline", "--quiet", "--target-dir"])
        .arg(target)
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let wall = start.elapsed().as_secs_f64();
    let cpu = before.zip(children()).map(|(before, after)| after - before);
    Ok(Seconds { wall, cpu })
}

fn run() -> io::Result<()> {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = runtime.parent().ok_or_else(|| io::Error::other("the workspace"))?;
    let target: PathBuf = root.join("target/compile");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(target, |folder| Path::new(&folder).join("compile"));
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("src"))?;
    let manifest = format!(
        "[package]\nname = \"timed\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         flow-runtime = {{ path = {runtime:?} }}\n[profile.dev]\ndebug = 0\n"
    );
    fs::write(folder.path().join("Cargo.toml"), manifest)?;
    for shared in ["Cargo.lock", "rust-toolchain.toml"] {
        fs::copy(root.join(shared), folder.path().join(shared))?;
    }
    let write = |lines: &[String]| fs::write(folder.path().join("src/main.rs"), program(lines));
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));

    println!(
        "seconds of the wall clock (of the processor)\n\n| crate | how | cold | one line changed |\n|---|---|---|---|"
    );
    for (way, arguments) in WAYS {
        // The dependencies, untimed.
        write(&[])?;
        compile(folder.path(), &target, arguments)?;
        for case in CASES.iter().filter(|case| chosen(case.name)) {
            let mut cells = Vec::new();
            let profile = if arguments.contains(&"--release") { "release" } else { "debug" };
            let _ = fs::remove_dir_all(target.join(profile).join("incremental"));
            for edit in [0, 1] {
                let lines = (case.lines)(edit);
                let text = program(&lines);
                // Without a line to change, another sentence is printed.
                let text = if lines.is_empty() && edit == 1 { text.replace("start", "begin") } else { text };
                fs::write(folder.path().join("src/main.rs"), text)?;
                let Seconds { wall, cpu } = compile(folder.path(), &target, arguments)?;
                let cpu = cpu.map(|cpu| format!(" ({cpu:.2})")).unwrap_or_default();
                cells.push(format!("{wall:.2}{cpu}"));
            }
            println!("| {} | `cargo {way}` | {} | {} |", case.name, cells[0], cells[1]);
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
