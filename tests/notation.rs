//! The notation as a user meets it: what compiles runs, and what does not says so in plain words, where it is wrong and what to
//! write instead.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the programs use besides the runtime, as this package does.
const DEPENDENCIES: &str =
    "dfdx = { version = \"0.13.0\", default-features = false, features = [\"std\", \"cpu\"] }\nrand = \"0.10\"\n";

/// Messages of the notation and of rustc, one folder a theme. Those about the notation are written by flow-macros' inventory of mistakes.
#[test]
fn wrong_programs_say_what_to_write() {
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*/*.rs");
}

/// Programs are built together, without optimisation, and run. What they need is compiled already: it is taken from this build's folder.
#[test]
fn right_programs_compile_and_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cases = files("tests/ui/pass", "rs");
    let programs = cases.iter().enumerate().map(|(number, path)| {
        format!("[[bin]]\nname = \"case{number}\"\npath = {:?}\n", Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
    });
    project(folder.path(), &programs.collect::<String>(), "flow-runtime", DEPENDENCIES);
    let built = cargo(folder.path(), &["build", "--bins"]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    for (number, path) in cases.iter().enumerate() {
        let program =
            target().join(if cfg!(debug_assertions) { "debug" } else { "release" }).join(format!("case{number}"));
        let ran = Command::new(program).output().expect("a program");
        assert!(ran.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&ran.stderr));
    }
}

/// Paths of a machine do not belong into expected messages, and a message fits a screen.
#[test]
fn expected_messages_are_short_and_name_no_folder_of_a_machine() {
    for path in files("tests/ui/fail", "stderr") {
        let text = fs::read_to_string(&path).expect("text");
        for folder in ["--> /", "/home/", "/Users/", ".cargo/", "rustlib"] {
            assert!(!text.contains(folder), "{} names {folder}", path.display());
        }
        for message in text.split("\n\nerror") {
            assert!(message.lines().count() <= 25, "{}: {message}", path.display());
        }
    }
}

#[test]
fn there_are_enough_cases() {
    assert!(files("tests/ui/fail", "rs").len() >= 60);
    assert!(files("tests/ui/pass", "rs").len() >= 25);
}

/// The files of a kind in the themes of a folder, in order.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = |folder: &Path| fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path());
    let mut all: Vec<PathBuf> =
        entries(Path::new(folder)).flat_map(|theme| entries(&theme).collect::<Vec<_>>()).collect();
    all.retain(|path| path.extension().is_some_and(|found| found == extension));
    all.sort();
    all
}

/// The folder of this build.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder")
}

/// A package that uses the runtime by a name of its own, with the features and versions of this build.
fn project(folder: &Path, programs: &str, name: &str, dependencies: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = format!(
        "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{programs}[dependencies]\n{name} = {{ package = \"flow-runtime\", \
         path = {:?}, features = [\"healpix\", \"plot\"] }}\n{dependencies}[workspace]\n[profile.release.package.user]\nopt-level = 0\n",
        root.join("flow-runtime")
    );
    fs::create_dir_all(folder.join("src")).expect("a folder");
    fs::write(folder.join("Cargo.toml"), manifest).expect("a file");
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the versions of this build");
}

fn cargo(folder: &Path, arguments: &[&str]) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(folder).args(arguments).args(["--offline", "--target-dir"]).arg(target());
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    cargo.output().expect("cargo runs")
}

/// A user's crate depends on the runtime alone, under any name that its Cargo.toml gives it. What is compiled already is taken
/// from this build's folder.
#[test]
fn the_runtime_is_all_a_user_needs_and_may_go_by_another_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = r#"
        use flows::dfdx::prelude::*;
        use flows::rand::{SeedableRng, rngs::StdRng};

        flows::flow! { struct Event = vertex@e3 + direction@s2 : gg + f | cond 4, hidden 4 }
        type Free = flows::flow!(e2 : gt);

        fn main() -> Result<(), flows::Error> {
            let dev = Cpu::default();
            let pdf = dev.build_module::<Event, f64>();
            let sample = pdf.given(&[[0.1, 0.2, 0.3, 0.4]])?.sample(&mut StdRng::seed_from_u64(1))?;
            assert_eq!((sample.vertex().as_vec().len(), sample.direction().as_vec().len()), (3, 2));
            dev.build_module::<Free, f32>().log_prob(&[[0.5, -0.5]])?;
            Ok(())
        }
    "#;
    project(folder.path(), "", "flows", "");
    fs::write(folder.path().join("src/main.rs"), program).expect("a file");
    let output = cargo(folder.path(), &["run"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
