//! The notation as a user meets it: what compiles runs, and what does not says so in plain words, where it is wrong and what to
//! write instead.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn messages_and_programs() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}

/// Paths of a machine do not belong into expected messages.
#[test]
fn expected_messages_name_no_folder_of_a_machine() {
    for entry in fs::read_dir("tests/ui/fail").expect("the folder of cases") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "stderr") {
            let text = fs::read_to_string(&path).expect("text");
            for folder in ["--> /", "/home/", "/Users/", ".cargo/", "rustlib"] {
                assert!(!text.contains(folder), "{} names {folder}", path.display());
            }
        }
    }
}

/// A user's crate depends on the runtime alone, under any name that its Cargo.toml gives it. What is compiled already is taken
/// from this build's folder.
#[test]
fn the_runtime_is_all_a_user_needs_and_may_go_by_another_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let manifest = format!(
        "[package]\nname = \"renamed\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         flows = {{ package = \"flow-runtime\", path = {:?}, features = [\"plot\"] }}\n",
        root.join("flow-runtime")
    );
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
    fs::create_dir(folder.path().join("src")).expect("a folder");
    fs::write(folder.path().join("Cargo.toml"), manifest).expect("a file");
    fs::write(folder.path().join("src/main.rs"), program).expect("a file");
    fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock")).expect("the versions of this build");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(&folder).args(["run", "--offline", "--target-dir"]).arg(target);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
