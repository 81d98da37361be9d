//! What a registry wants to know of the crates that are published, and what keeps their versions together.

use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn manifest(folder: &Path) -> Table {
    read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap()
}

/// Folder and manifest of each crate that is published.
fn published() -> Vec<(PathBuf, Table)> {
    let members = manifest(Path::new(ROOT))["workspace"]["members"].as_array().unwrap().clone();
    let folders = members.iter().map(|member| Path::new(ROOT).join(member.as_str().unwrap()));
    let crates = folders.map(|folder| (folder.clone(), manifest(&folder)));
    crates.filter(|(_, manifest)| manifest["package"].get("publish") != Some(&Value::Boolean(false))).collect()
}

#[test]
fn each_package_says_what_it_is() {
    let crates = published();
    assert!(crates.len() >= 3, "{}", crates.len());
    for (folder, manifest) in &crates {
        let package = manifest["package"].as_table().unwrap();
        for key in ["description", "license", "rust-version", "keywords", "categories", "readme"] {
            assert!(package.contains_key(key), "{}: no `{key}`", package["name"]);
        }
        let docs =
            ["metadata", "docs", "rs", "all-features"].iter().try_fold(&manifest["package"], |of, key| of.get(key));
        assert_eq!(docs, Some(&Value::Boolean(true)), "{}", package["name"]);
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            let text = read_to_string(folder.join(file)).unwrap_or_default();
            // A link that a checkout wrote as text is a path of one line.
            assert!(text.lines().count() > 3, "{}: no text in {file}", package["name"]);
        }
    }
}

/// What one crate hides from users another one uses: only versions that were tested together go together.
#[test]
fn crates_of_ours_take_each_others_exact_version() {
    let workspace = manifest(Path::new(ROOT))["workspace"].clone();
    let exact = format!("={}", workspace["package"]["version"].as_str().unwrap());
    let names: Vec<_> = published().iter().map(|(_, manifest)| manifest["package"]["name"].clone()).collect();
    for (_, manifest) in published() {
        for (dependency, how) in manifest.get("dependencies").and_then(Value::as_table).into_iter().flatten() {
            if names.iter().any(|name| name.as_str() == Some(dependency)) {
                let of_all = &workspace["dependencies"][dependency.as_str()];
                let version = how.get("version").or_else(|| of_all.get("version"));
                assert_eq!(
                    version.and_then(Value::as_str),
                    Some(&*exact),
                    "{}: {dependency}",
                    manifest["package"]["name"]
                );
            }
        }
    }
}

fn sources(folder: &Path, found: &mut String) {
    for entry in read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&read_to_string(path).unwrap());
        }
    }
}

/// A feature changes the crate, or asks a crate below for one of its own.
#[test]
fn each_feature_is_read() {
    for (folder, manifest) in published() {
        let mut source = String::new();
        sources(&folder.join("src"), &mut source);
        for (feature, parts) in manifest.get("features").and_then(Value::as_table).into_iter().flatten() {
            let passed_on = parts.as_array().unwrap().iter().any(|part| part.as_str().unwrap().contains('/'));
            let read = passed_on || feature == "default" || source.contains(&format!("feature = \"{feature}\""));
            assert!(read, "{}: nothing reads the feature `{feature}`", manifest["package"]["name"]);
        }
    }
}
