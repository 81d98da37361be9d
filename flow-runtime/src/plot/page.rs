//! The folder of a report: which files are its own, and the page that shows them.

use super::PlotError;
use super::svg::escaped;
use crate::module::{FileError, write_atomically};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The file that says that a folder is a report's, with its numbers and the names of its files.
const MARKER: &str = "report.json";
const INDEX: &str = "index.html";
/// The format that the marker names.
const FORMAT: &str = "flow-runtime report";

/// Parts of the page, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    Training,
    Calibration,
    Density,
    Steps,
}

impl Section {
    fn title(self) -> &'static str {
        match self {
            Section::Training => "Training",
            Section::Calibration => "Calibration",
            Section::Density => "The density",
            Section::Steps => "Step by step",
        }
    }
}

/// A report on its way to disk.
#[derive(Debug)]
pub(crate) struct Page {
    folder: PathBuf,
    /// names of the files of an earlier report
    earlier: BTreeSet<String>,
    files: Vec<(String, Vec<u8>)>,
    figures: Vec<(Section, String, String)>,
}

impl Page {
    /// A folder that a report may be written to: one that is not there, an empty one, or that of an earlier report.
    pub(crate) fn open(folder: &Path) -> Result<Self, PlotError> {
        let io = |source| FileError::Io { path: folder.into(), source };
        let earlier = match fs::read_dir(folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => BTreeSet::new(),
            Err(e) => return Err(io(e).into()),
            Ok(mut entries) => match entries.next() {
                None => BTreeSet::new(),
                Some(_) => names(&folder.join(MARKER)).ok_or_else(|| PlotError::Foreign { path: folder.into() })?,
            },
        };
        Ok(Self { folder: folder.into(), earlier, files: Vec::new(), figures: Vec::new() })
    }

    /// Adds a picture with its caption.
    pub(crate) fn picture(&mut self, section: Section, name: &str, caption: &str, png: Vec<u8>, svg: String) {
        self.figures.push((section, name.into(), caption.into()));
        self.files.push((format!("{name}.png"), png));
        self.files.push((format!("{name}.svg"), svg.into_bytes()));
    }

    /// Writes the pictures, the page and the numbers.
    pub(crate) fn write(mut self, title: &str, tables: &str, mut numbers: Value) -> Result<(), PlotError> {
        let page = self.page(title, tables);
        self.files.push((INDEX.into(), page.into_bytes()));
        let own = self.files.iter().map(|(name, _)| name.clone()).chain([MARKER.to_string()]);
        let all: BTreeSet<String> = own.chain(self.earlier.iter().cloned()).collect();
        for name in all.iter().filter(|name| !self.earlier.contains(*name)) {
            let path = self.folder.join(name);
            // Also where it is a link that leads nowhere.
            if path.symlink_metadata().is_ok() {
                return Err(PlotError::Foreign { path });
            }
        }
        fs::create_dir_all(&self.folder).map_err(|source| FileError::Io { path: self.folder.clone(), source })?;
        // The marker comes first, so that what is cut short can be written again; the numbers come last, when all they speak of is there.
        let mut marker = json!({ "format": FORMAT, "complete": false, "files": all });
        self.put(MARKER, pretty(&marker).as_bytes())?;
        for (name, content) in &self.files {
            self.put(name, content)?;
        }
        marker["complete"] = true.into();
        if let (Some(marker), Some(numbers)) = (marker.as_object_mut(), numbers.as_object_mut()) {
            marker.append(numbers);
        }
        self.put(MARKER, pretty(&marker).as_bytes())
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<(), PlotError> {
        Ok(write_atomically(&self.folder.join(name), content)?)
    }

    fn page(&self, title: &str, tables: &str) -> String {
        let title = escaped(title);
        let mut body = String::new();
        let mut last = None;
        for (section, name, caption) in &self.figures {
            if last != Some(*section) {
                body += &format!("<h2>{}</h2>\n", section.title());
                last = Some(*section);
            }
            let (name, caption) = (escaped(name), escaped(caption));
            body += &format!(
                "<figure>\n<a href=\"{name}.svg\"><img src=\"{name}.png\" alt=\"{caption}\"></a>\n<figcaption>{caption} \
                 <a href=\"{name}.png\">PNG</a> <a href=\"{name}.svg\">SVG</a></figcaption>\n</figure>\n"
            );
        }
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
             <body>\n<h1>{title}</h1>\n<h2>Numbers</h2>\n{tables}<p>All numbers: <a href=\"{MARKER}\">{MARKER}</a></p>\n{body}</body>\n</html>\n"
        )
    }
}

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;color:#222;max-width:1100px;margin:2em auto;padding:0 1em}\
                     h1{font-size:1.6em}h2{font-size:1.25em;border-bottom:1px solid #ccc;margin-top:2em}h3{font-size:1em;margin-bottom:.3em}\
                     table{border-collapse:collapse}th,td{padding:.15em .8em .15em 0;text-align:left;font-variant-numeric:tabular-nums}\
                     th{border-bottom:1px solid #999;font-weight:600}figure{margin:1.5em 0}img{max-width:100%;height:auto}\
                     figcaption{color:#444;max-width:46em}";

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The names of a report's files, if this is its marker.
fn names(marker: &Path) -> Option<BTreeSet<String>> {
    let value: Value = serde_json::from_slice(&fs::read(marker).ok()?).ok()?;
    let files = value.get("files").filter(|_| value.get("format").and_then(Value::as_str) == Some(FORMAT))?;
    // Names, not ways out of the folder.
    let plain = |name: &&str| Path::new(name).components().count() == 1;
    Some(files.as_array()?.iter().filter_map(Value::as_str).filter(plain).map(String::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, names: &[&str]) -> Result<(), PlotError> {
        let mut page = Page::open(folder)?;
        for name in names {
            page.picture(Section::Density, name, "a < b", b"png".to_vec(), "<svg/>".into());
        }
        page.write("Title & more", "<p>tables</p>", json!({ "answer": 42 }))
    }

    #[test]
    fn a_folder_of_anything_else_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("thesis.tex"), "ten years").unwrap();
        let error = write(folder.path(), &["corner"]).unwrap_err().to_string();
        assert!(error.contains("thesis") || error.contains(&folder.path().display().to_string()), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // A file that happens to have the marker's name does not make it a report's.
        fs::write(at(MARKER), "{\"format\": \"another\", \"files\": []}").unwrap();
        assert!(write(folder.path(), &["corner"]).is_err());
        assert_eq!(fs::read_to_string(at("thesis.tex")).unwrap(), "ten years");
        // Nor is a file a folder.
        assert!(matches!(write(&at("thesis.tex"), &[]), Err(PlotError::Write(_))));
    }

    #[test]
    fn a_report_is_replaced_but_nothing_that_was_put_beside_it() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("new/report");
        let at = |name: &str| folder.join(name);
        write(&folder, &["corner"]).unwrap();
        write(&folder, &["corner"]).unwrap();
        let marker: Value = serde_json::from_slice(&fs::read(at(MARKER)).unwrap()).unwrap();
        assert_eq!((&marker["complete"], &marker["answer"]), (&json!(true), &json!(42)));
        assert_eq!(marker["files"], json!(["corner.png", "corner.svg", "index.html", "report.json"]));
        let page = fs::read_to_string(at(INDEX)).unwrap();
        assert!(
            page.contains("<title>Title &amp; more</title>")
                && page.contains("src=\"corner.png\"")
                && page.contains("a &lt; b")
        );
        // A file of the user's beside it stays; where the report would need its name, nothing is written at all.
        fs::write(at("steps.png"), "mine").unwrap();
        let before = fs::read(at("corner.svg")).unwrap();
        let error = write(&folder, &["steps"]).unwrap_err().to_string();
        assert!(error.contains("steps.png"), "{error}");
        assert_eq!(fs::read_to_string(at("steps.png")).unwrap(), "mine");
        assert_eq!(fs::read(at("corner.svg")).unwrap(), before);
        // A report that was cut short is written again.
        fs::write(
            at(MARKER),
            pretty(
                &json!({ "format": FORMAT, "complete": false, "files": ["corner.png", MARKER, INDEX, "corner.svg"] }),
            ),
        )
        .unwrap();
        write(&folder, &["corner"]).unwrap();
    }
}
