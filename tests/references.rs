//! What comments cite of docs/layers.md is there: sections (`layers.md 4.2`), primitives (P9), defects of jammy_flows (Q17).

use std::collections::BTreeSet;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What the page has, each as it is cited: `4.2`, `P9`, `Q17`.
fn defined() -> BTreeSet<String> {
    let page = std::fs::read_to_string(format!("{ROOT}/docs/layers.md")).expect("docs/layers.md");
    let of_line = |line: &str| {
        let after = ["### ", "## ", "- **", "| "].iter().find_map(|mark| line.strip_prefix(mark))?;
        let word = after.split([' ', '*']).next()?;
        (numbered(word, "PQ") || section(word) == Some(word)).then(|| word.to_string())
    };
    page.lines().filter_map(of_line).collect()
}

/// Whether a word is one of these letters and a number.
fn numbered(word: &str, letters: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(|first| letters.contains(first))
        && word.len() > 1
        && chars.all(|digit| digit.is_ascii_digit())
}

/// The number of a section that a text starts with, such as `4.2` or `15`.
fn section(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number = text[..end].trim_end_matches('.');
    (!number.is_empty()).then_some(number)
}

/// What a line of source cites. Names such as `P2` may be of the program, so primitives count in comments alone.
fn cited(line: &str) -> Vec<String> {
    let comment = line.find("//").map_or("", |at| &line[at..]);
    let words = |text: &str, letters: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.filter(|word| numbered(word, letters)).map(String::from).collect()
    };
    let mut found = [words(line, "Q"), words(comment, "P")].concat();
    for (at, name) in line.match_indices("layers.md ") {
        let after = &line[at + name.len()..];
        found.extend(section(after.strip_prefix("section ").unwrap_or(after)).map(String::from));
    }
    found
}

/// Every Rust file below a folder.
fn sources(folder: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, visit);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            visit(&path);
        }
    }
}

#[test]
fn what_sources_cite_of_the_specification_is_there() {
    let defined = defined();
    let (mut count, mut missing) = (0, Vec::new());
    for folder in ["crates", "flow-macros/src", "flow-runtime/src", "tests"] {
        sources(&Path::new(ROOT).join(folder), &mut |path| {
            let text = std::fs::read_to_string(path).expect("a source");
            for (number, line) in text.lines().enumerate() {
                for name in cited(line) {
                    count += 1;
                    if !defined.contains(&name) {
                        missing.push(format!("{}:{}: {name}", path.display(), number + 1));
                    }
                }
            }
        });
    }
    assert!(missing.is_empty(), "docs/layers.md has none of these:\n{}", missing.join("\n"));
    assert!(count > 80, "{count} citations: does the test still read them?");
}

#[test]
fn citations_are_read() {
    assert_eq!(cited("//! Layer o (layers.md 7.2; P9), clipped there (Q27)."), ["Q27", "P9", "7.2"]);
    assert_eq!(cited("/// Rows of layers.md section 15."), ["15"]);
    assert_eq!(cited("const SEARCH: &str = \"Q7: v\"; fn f<P2>() {}"), ["Q7"]);
    let defined = defined();
    assert!(["0", "4.2", "15", "P11", "Q37"].iter().all(|name| defined.contains(*name)));
    assert!(["4.9", "16", "P12"].iter().all(|name| !defined.contains(*name)));
}
