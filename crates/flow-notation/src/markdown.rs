//! Writes the table of the notation as Markdown, for the test that compares the guide with it.

use super::{LETTERS, Letter, MANIFOLDS, Manifold, Opt};

/// The manifolds and the letters, as the guide shows them. A letter is a link to its page.
pub fn page() -> String {
    let mut page = String::from("| manifold | what it is |\n|---|---|\n");
    for row in MANIFOLDS {
        page += &format!("| {} | {} |\n", row.notation(), row.doc);
    }
    page += "\n| letter | acts on | what it is |\n|---|---|---|\n";
    for row in LETTERS {
        let on: Vec<_> = MANIFOLDS.iter().filter(|m| row.on.contains(&m.key)).map(Manifold::notation).collect();
        page += &format!("| [`{0}`](self::{0}) | {1} | {2} |\n", row.letter, on.join("; "), row.doc);
    }
    page
}

/// The options of a letter, as its page in the guide shows them.
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
fn the_pages_list_everything() {
    let page = page();
    for row in LETTERS {
        assert!(page.contains(&format!("| [`{0}`](self::{0}) |", row.letter)));
        for option in row.options {
            assert!(options(row).contains(&format!("| `{}` |", option.name)));
        }
    }
    assert!(page.contains("| `e1`, `e2`, .. | Euclidean space: D coordinates |"));
    assert!(page.contains("| `s3`, `s4`, .. | spheres") && page.contains("(self::y) | `s1`; `s2`; `s3`, `s4`, .. |"));
    assert!(page.contains("| `i1` | the interval") && page.contains("(self::w) | `a1`, `a2`, .. |"));
    let options = |letter| options(super::letter(letter).unwrap());
    assert!(options('g').contains(
        "| `num_kde` | a whole number from 1 to 4096 | `10` | mixture components (or spline bins) per dimension |"
    ));
    assert!(options('f').contains("| `min_kappa` | a number above 0 | `1e-10` | smallest concentration |"));
}
