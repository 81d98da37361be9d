//! The table as the README and the guide show it, for tests that compare them.

use super::{LETTERS, Letter, MANIFOLDS, Manifold, Opt};

/// The table as the README shows it.
pub fn page() -> String {
    let mut page = String::from("| manifold | what it is |\n|---|---|\n");
    for row in MANIFOLDS {
        page += &format!("| {} | {} |\n", row.notation(), row.doc);
    }
    page += "\n| letter | acts on | what it is |\n|---|---|---|\n";
    for row in LETTERS {
        let on: Vec<_> = MANIFOLDS.iter().filter(|m| row.on.contains(&m.key)).map(Manifold::notation).collect();
        page += &format!("| `{}` | {} | {} |\n", row.letter, on.join("; "), row.doc);
    }
    for row in LETTERS.iter().filter(|row| !row.options.is_empty()) {
        page += &format!("\nOptions of `{}`:\n\n{}", row.letter, options(row));
    }
    page
}

/// The options of a letter as a Markdown table.
pub fn options(row: &Letter) -> String {
    let mut page = String::from("| option | values | default | meaning |\n|---|---|---|---|\n");
    for Opt { name, kind, default, doc } in row.options {
        page += &format!("| `{name}` | {} | `{default}` | {} |\n", kind.expects(), cell(doc));
    }
    page
}

/// A sentence as a cell: it begins small.
fn cell(sentence: &str) -> String {
    let (first, rest) = sentence.split_at(1);
    first.to_lowercase() + rest
}

#[test]
fn the_page_lists_everything() {
    let page = page();
    for row in LETTERS {
        assert!(page.contains(&format!("| `{}` |", row.letter)));
        for option in row.options {
            assert!(page.contains(&format!("| `{}` |", option.name)));
        }
    }
    assert!(page.contains("| `e1`, `e2`, .. | Euclidean space: D coordinates |"));
    assert!(page.contains(
        "| `num_kde` | a whole number from 1 to 4096 | `10` | mixture components (or spline bins) per dimension |"
    ));
    assert!(page.contains("| `s3`, `s4`, .. | spheres") && page.contains("| `y` | `s1`; `s2`; `s3`, `s4`, .. |"));
    assert!(page.contains("| `i1` | the interval") && page.contains("| `w` | `a1`, `a2`, .. |"));
    assert!(!page.contains("Options of `z`"));
    assert!(page.contains("| `min_kappa` | a number above 0 | `1e-10` | smallest concentration |"));
}
