//! What an editor shows of a line of notation, asked of rust-analyzer over its protocol.
//!
//! ```sh
//! rustup component add rust-analyzer rust-src
//! cargo test --release --test editors -- --ignored
//! ```

use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const PROGRAM: &str = r#"
use flow_runtime::flow;

flow! {
    pub struct Event = vertex@e3 + direction@s2 : ggt(num_kde = 5, clamp_widths = 1) + n | cond 4, hidden 64, highway 1
}
type Pdf = flow!(e1 + s2 : t(cov_type = "full") + f | cond 4, rank 3, poisson 5);

fn main() {
    let _ = (Event::PARAMS, Pdf::DIM);
}
"#;

/// A session with rust-analyzer about one file.
struct Editor {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    file: String,
    asked: i64,
    text: String,
}

impl Editor {
    /// Opens a small crate that depends on the runtime; `None` without the component rust-analyzer.
    fn open(folder: &Path, target: &Path) -> Option<Editor> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let found = Command::new("rust-analyzer").current_dir(root).arg("--version").output();
        if !found.is_ok_and(|output| output.status.success()) {
            return None;
        }
        let manifest = format!(
            "[package]\nname = \"edited\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
             flow-runtime = {{ path = {:?} }}\n",
            root.join("flow-runtime")
        );
        fs::create_dir(folder.join("src")).expect("a folder");
        fs::write(folder.join("Cargo.toml"), manifest).expect("a file");
        fs::write(folder.join("src/main.rs"), PROGRAM).expect("a file");
        for shared in ["Cargo.lock", "rust-toolchain.toml"] {
            fs::copy(root.join(shared), folder.join(shared)).expect("the versions of this build");
        }
        let mut child = Command::new("rust-analyzer")
            .current_dir(folder)
            .env("CARGO_TARGET_DIR", target)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("rust-analyzer runs");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let file = format!("file://{}", folder.join("src/main.rs").display());
        let mut editor = Editor { child, input, output, file, asked: 0, text: PROGRAM.into() };
        editor.start(folder);
        Some(editor)
    }

    fn start(&mut self, folder: &Path) {
        self.ask(
            "initialize",
            json!({
                "processId": null,
                "rootUri": format!("file://{}", folder.display()),
                "capabilities": {
                    "experimental": { "serverStatusNotification": true },
                    "textDocument": {
                        "hover": { "contentFormat": ["markdown"] },
                        "completion": { "completionItem": { "snippetSupport": true, "documentationFormat": ["markdown"] } },
                    },
                },
                "initializationOptions": { "checkOnSave": false, "cachePriming": { "enable": false } },
            }),
        );
        self.tell("initialized", json!({}));
        let document = json!({ "uri": self.file, "languageId": "rust", "version": 1, "text": self.text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
        // Until dependencies and the macro are built.
        loop {
            let message = self.read();
            if message["method"] == "experimental/serverStatus" && message["params"]["quiescent"] == true {
                return;
            }
        }
    }

    fn write(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).expect("rust-analyzer listens");
        self.input.flush().expect("rust-analyzer listens");
    }

    /// The next message. Questions of the server are answered with nothing.
    fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).expect("rust-analyzer answers") > 0, "rust-analyzer has ended");
            match line.trim().split_once(": ") {
                Some(("Content-Length", number)) => length = number.parse().expect("a number"),
                Some(_) => {}
                None => break,
            }
        }
        let mut bytes = vec![0; length];
        self.output.read_exact(&mut bytes).expect("rust-analyzer answers");
        let message: Value = serde_json::from_slice(&bytes).expect("JSON");
        if message["method"].is_string() && !message["id"].is_null() {
            let nothing = if message["method"] == "workspace/configuration" { json!([null]) } else { Value::Null };
            self.write(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": nothing }));
        }
        message
    }

    fn tell(&mut self, method: &str, parameters: Value) {
        self.write(&json!({ "jsonrpc": "2.0", "method": method, "params": parameters }));
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.write(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters }));
        loop {
            let mut message = self.read();
            if message["id"] == id && message["method"].is_null() {
                return message["result"].take();
            }
        }
    }

    /// The place `|` of a piece of the text, which is written there without it.
    fn at(&self, piece: &str) -> Value {
        let (before, after) = piece.split_once('|').expect("a cursor");
        let start = self.text.find(&format!("{before}{after}")).expect("a piece of the text") + before.len();
        let line = self.text[..start].matches('\n').count();
        let column = start - self.text[..start].rfind('\n').map_or(0, |end| end + 1);
        json!({ "textDocument": { "uri": self.file }, "position": { "line": line, "character": column } })
    }

    /// What is shown of the word at the cursor, and the file of its definition.
    fn word(&mut self, piece: &str) -> (String, String) {
        let at = self.at(piece);
        let shown = self.ask("textDocument/hover", at.clone());
        let lands = self.ask("textDocument/definition", at);
        let file = lands[0]["targetUri"].as_str().or(lands[0]["uri"].as_str()).unwrap_or_default();
        let file = Path::new(file).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        (shown["contents"]["value"].as_str().unwrap_or_default().into(), file)
    }

    /// Replaces a piece of the program (without the cursor) and completes at the cursor: names and what they insert.
    fn complete(&mut self, old: &str, new: &str) -> Vec<(String, String)> {
        self.text = PROGRAM.replacen(old, &new.replacen('|', "", 1), 1);
        assert_ne!(self.text, PROGRAM, "`{old}` is a piece of the program");
        self.asked += 1;
        let document = json!({ "uri": self.file, "version": self.asked + 1 });
        self.tell(
            "textDocument/didChange",
            json!({ "textDocument": document, "contentChanges": [{ "text": self.text }] }),
        );
        let at = self.at(new);
        let found = self.ask("textDocument/completion", at);
        let items = found["items"].as_array().or(found.as_array()).cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        items.iter().map(|item| (text(&item["label"]), text(&item["textEdit"]["newText"]))).collect()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        // Only this child, which may be busy.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "starts rust-analyzer, which builds the dependencies of a small crate first"]
fn words_show_their_documentation_and_options_complete() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("editors");
    let Some(mut editor) = Editor::open(folder.path(), &target) else {
        println!("not run: no rust-analyzer; `rustup component add rust-analyzer rust-src`");
        return;
    };
    for (piece, says, file) in [
        ("g|gt(", "Layer g: a rotation and one mixture of logistics per dimension", "gaussianization.rs"),
        ("g|gt(", "Layer t: an offset and a lower-triangular matrix", "gaussianization.rs"),
        ("vertex@e|3", "Euclidean space of `D` dimensions", "euclidean.rs"),
        ("e1 + s|2", "The two-sphere", "sphere.rs"),
        ("+ |n ", "Layer n: the azimuth by a mixture of Moebius maps", "mod.rs"),
        ("num_k|de", "Mixture components (or spline bins) per dimension", "euclidean.rs"),
        ("clamp_|widths", "Clip raw widths before they are regulated", "euclidean.rs"),
        ("cov_|type", "The matrix: the identity, one number, a diagonal, or lower triangular", "euclidean.rs"),
        ("co|nd 4, hidden", "the clause `cond N`", "points.rs"),
        ("hidd|en 64", "the clause `hidden 128-64`", "linear.rs"),
        ("ra|nk 3", "The clause `rank 8`", "linear.rs"),
        ("high|way 1", "the clause `highway 1`", "network.rs"),
        ("pois|son 5", "the clause `poisson`", "log_mean.rs"),
        ("ver|tex@", "The columns of `vertex`, a Euclidean space.", "main.rs"),
    ] {
        let (shown, lands) = editor.word(piece);
        assert!(shown.contains(says), "{piece}: {shown}");
        assert_eq!(lands, file, "{piece}");
    }
    for (old, new) in [
        // A name that is begun, before a value and without one; a second option; a line where a type stands.
        ("num_kde = 5", "num_k| = 5"),
        ("(num_kde = 5, clamp_widths = 1)", "(nu|)"),
        ("clamp_widths = 1", "cl|"),
    ] {
        let found = editor.complete(old, new);
        for option in ["num_kde", "clamp_widths", "rotation_mode"] {
            assert!(found.contains(&(option.into(), option.into())), "{new}: {found:?}");
        }
        assert!(found.len() < 30, "{new}: only options, not {found:?}");
    }
    let found = editor.complete("cov_type = \"full\"", "cov|");
    assert!(found.contains(&("cov_type".into(), "cov_type".into())), "{found:?}");
}
