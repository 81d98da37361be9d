//! The notation as a user meets it: what compiles runs, and what does not says so in plain words, where it is wrong and what to
//! write instead.

#[test]
fn messages_and_programs() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}

/// Paths of a machine do not belong into expected messages.
#[test]
fn expected_messages_name_no_folder_of_a_machine() {
    for entry in std::fs::read_dir("tests/ui/fail").expect("the folder of cases") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "stderr") {
            let text = std::fs::read_to_string(&path).expect("text");
            for folder in ["/home/", "/root/", "/tmp/", "/work/", "/Users/", ".cargo/", "rustlib"] {
                assert!(!text.contains(folder), "{} names {folder}", path.display());
            }
        }
    }
}
