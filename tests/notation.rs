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
            for folder in ["/home/", "/root/", "/tmp/", "/work/", "/Users/", ".cargo/", "rustlib"] {
                assert!(!text.contains(folder), "{} names {folder}", path.display());
            }
        }
    }
}

/// The macro finds the runtime under the name that the user's Cargo.toml gives it. What is compiled already is taken from this
/// build's folder.
#[test]
fn the_runtime_may_go_by_another_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let manifest = format!(
        "[package]\nname = \"renamed\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         flows = {{ package = \"flow-runtime\", path = {:?}, features = [\"plot\"] }}\n",
        root.join("flow-runtime")
    );
    let program = "flows::flow! { struct Event = vertex@e3 + direction@s2 : gg + n | cond 4 }\n\
         type Free = flows::flow!(e2 : gt);\n\
         fn main() {\n\
             let _ = std::mem::size_of::<(Event, Free)>();\n\
             fn vertex<S: EventParts>(sample: &S) { let _ = sample.vertex(); }\n\
             let _ = vertex::<Never>;\n\
             struct Never;\n\
             impl flows::__private::Columns for Never {\n\
                 type Tag = Event;\n\
                 type Columns<const LEN: usize> = ();\n\
                 fn columns<const START: usize, const LEN: usize>(&self) {}\n\
             }\n\
         }\n";
    fs::create_dir(folder.path().join("src")).expect("a folder");
    fs::write(folder.path().join("Cargo.toml"), manifest).expect("a file");
    fs::write(folder.path().join("src/main.rs"), program).expect("a file");
    fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock")).expect("the versions of this build");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(&folder).args(["build", "--offline", "--target-dir"]).arg(target);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
