//! Writes what the tests are generic over: one type a reference case, one type a row of the table of letters.
//!
//! The compiler of the notation is included by its path and called here, so that what the notation cannot say is known (with the
//! compiler's own words) before the tests are compiled.

#[allow(dead_code)]
#[path = "../../flow-macros/src/compiler/mod.rs"]
mod compiler;

#[path = "generate/cases.rs"]
mod cases;
#[path = "generate/rows.rs"]
mod rows;

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=generate");
    println!("cargo:rerun-if-changed=../../flow-macros/src/compiler");
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let out = Path::new(&out);
    let write = |name: &str, text: String| fs::write(out.join(name), text).expect("OUT_DIR can be written to");
    write("conformance_cases.rs", cases::generate());
    write("table_rows.rs", rows::generate());
}

/// The type that a line of notation means, as text; or what the compiler says is wrong with it.
fn lowered(line: &str) -> Result<String, String> {
    let tokens = line.parse().map_err(|error| format!("{line}: {error}"))?;
    let root = "::flow_runtime".parse().expect("a path");
    compiler::lower_type(tokens, &root).map(|lowered| lowered.to_string()).map_err(|errors| {
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        let first = first.lines().next().unwrap_or_default().to_string();
        if errors.len() > 1 { format!("{first} (and {} more)", errors.len() - 1) } else { first }
    })
}
