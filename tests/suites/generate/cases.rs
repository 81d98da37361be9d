//! Reference cases to lines of notation (format: tests/vectors/README.md).
//!
//! A case that the notation can say becomes a type and an entry that runs it; any other becomes an entry with the reason.

use crate::compiler::table::{self, Kind};
use crate::lowered;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The variable that names another folder of cases.
const FOLDER: &str = "FLOW_VECTORS";

/// Options of the reference that our table has no row for, with the value at which they do nothing (layers.md 8.4).
const WITHOUT_EFFECT: &[(&str, &str, Inert)] = &[
    ("n", "subspace_mapping", Inert::Text("logistic")),
    ("n", "higher_order_cylinder_parametrization", Inert::Number(0.0)),
];

/// Defaults of tag 1.0.0 (cases with layer n) that are not those of today. No document names this one: with it, and with no
/// other bound tried, the base points of pdf_s2e1_n_old are met to 4e-16.
const OLD_DEFAULTS: &[(char, &str, &str)] = &[('g', "upper_bound_for_norms", "100.0")];

/// A default of the reference.
enum Inert {
    Number(f64),
    Text(&'static str),
}

impl Inert {
    fn is(&self, value: &Value) -> bool {
        match self {
            Inert::Number(number) => as_number(value) == Some(*number),
            Inert::Text(text) => value.as_str() == Some(text),
        }
    }
}

fn as_number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_bool().map(|set| f64::from(u8::from(set))))
}

/// How a case is run.
struct Plan {
    line: String,
    type_text: String,
    /// The constructor of `Kernels` that runs it.
    run: &'static str,
}

/// The Rust text of all cases: types `T0`, `T1`, .. and the list `CASES`.
pub fn generate() -> String {
    println!("cargo:rerun-if-env-changed={FOLDER}");
    // A relative folder is meant as seen from the root of the workspace.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root.join(env::var_os(FOLDER).map_or_else(|| PathBuf::from("tests/vectors"), PathBuf::from));
    println!("cargo:rerun-if-changed={}", folder.display());
    let folder = folder.canonicalize().unwrap_or_else(|error| panic!("{FOLDER}={}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();

    let (mut types, mut entries) = (String::new(), String::new());
    let mut known: HashMap<String, usize> = HashMap::new();
    for path in files {
        let case = read(&path);
        // The index and the like.
        let Some(case) = case.as_object().filter(|case| case.contains_key("kind")) else { continue };
        let name = case.get("name").and_then(Value::as_str).unwrap_or("?").to_string();
        let (line, run) = match plan(case) {
            Ok(Plan { line, type_text, run }) => {
                let next = known.len();
                let number = *known.entry(type_text).or_insert_with(|| {
                    writeln!(types, "type T{next} = ::flow_runtime::flow!({line});").expect("a string");
                    next
                });
                let run = format!("Ok(Kernels::{run}::<T{number}>())");
                (line, run)
            }
            Err(reason) => (String::new(), format!("Err({reason:?})")),
        };
        writeln!(
            entries,
            "    Entry {{ name: {name:?}, path: {:?}, line: {line:?}, kernels: {run} }},",
            path.display().to_string()
        )
        .expect("a string");
    }
    format!(
        "{types}\nconst FOLDER: &str = {:?};\nstatic CASES: &[Entry] = &[\n{entries}];\n",
        folder.display().to_string()
    )
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn plan(case: &Map<String, Value>) -> Result<Plan, String> {
    let text = |key: &str| case.get(key).and_then(Value::as_str).ok_or(format!("the case has no `{key}`"));
    let (kind, manifolds, chains) = (text("kind")?, text("pdf")?, text("flow")?);
    let given = given(case)?;
    let parts = manifolds.split('+').count();
    let by_row = || case.get("params").and_then(Value::as_array).is_some_and(|rows| rows.len() > 1);
    let run = match kind {
        "layer" if parts > 1 => "given",
        "layer" if by_row() => "by_row",
        "pdf" if counts(case) => "counted",
        "layer" | "pdf" | "full" => "of",
        other => return Err(format!("a case of the unknown kind `{other}`")),
    };
    let mut clauses: Vec<String> = given.iter().map(|given| format!("cond {given}")).collect();
    if kind == "full" {
        clauses.extend(outer_and_inner(case, parts)?);
    } else {
        clauses.extend(networks(case, parts, given.is_some())?);
    }
    if run == "given" {
        clauses.push("amortize".into());
    }
    let chains: Vec<_> = chains.split('+').enumerate().map(|(place, chain)| written(case, place, chain)).collect();
    let spaces: Vec<_> = manifolds.split('+').map(space).collect();
    let mut line = format!("{} : {}", spaces.join(" + "), chains.join(" + "));
    if !clauses.is_empty() {
        write!(line, " | {}", clauses.join(", ")).expect("a string");
    }
    let type_text = lowered(&line)?;
    Ok(Plan { line, type_text, run })
}

/// Whether there is a log-mean beside the density.
fn counts(case: &Map<String, Value>) -> bool {
    case.get("constructor").and_then(|all| all.get("predict_log_normalization")).and_then(as_number) == Some(1.0)
}

/// The clauses of a fully amortised density: `mlp_hidden` is about the outer network (layers.md 2.7).
fn outer_and_inner(case: &Map<String, Value>, parts: usize) -> Result<Vec<String>, String> {
    let none = Map::new();
    let constructor = case.get("constructor").and_then(Value::as_object).unwrap_or(&none);
    let number = |key: &str, default: u64| {
        constructor.get(key).map_or(Ok(default as i64), |value| {
            as_number(value).map(|number| number as i64).ok_or_else(|| format!("{key} = {value} is not one number"))
        })
    };
    let text = |value: Option<&Value>| value.map_or("128".into(), |value| value.to_string().replace('"', ""));
    let mut clauses = Vec::new();
    if parts > 1 {
        clauses.push(format!("hidden {}", text(constructor.get("inner_mlp_dims_sub_pdfs"))));
        clauses.extend(match number("inner_mlp_ranks", 0)? {
            rank if rank > 0 => Some(format!("rank {rank}")),
            _ => None,
        });
        clauses.push(format!("highway {}", number("inner_mlp_highway_mode", 1)?));
    }
    // The plain network of the package has neither ranks nor highways.
    let custom = number("amortization_mlp_use_custom_mode", 1)? != 0;
    let mut options = Vec::new();
    if custom {
        let (rank, mode) = (number("amortization_mlp_ranks", 5)?, number("amortization_mlp_highway_mode", 0)?);
        options.extend((rank > 0).then(|| format!("rank = {rank}")));
        options.push(format!("highway = {mode}"));
    }
    let options = if options.is_empty() { String::new() } else { format!("({})", options.join(", ")) };
    clauses.push(format!("amortize {}{options}", text(case.get("mlp_hidden").filter(|value| !value.is_null()))));
    Ok(clauses)
}

/// A manifold: `i1_-3_3` is `i1[-3, 3]` here.
fn space(word: &str) -> String {
    match word.strip_prefix("i1_").and_then(|bounds| bounds.split_once('_')) {
        Some((low, high)) => format!("i1[{low}, {high}]"),
        None => word.into(),
    }
}

/// The number of features given: one number or a list.
fn given(case: &Map<String, Value>) -> Result<Option<String>, String> {
    match case.get("conditional_input_dim") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(count)) => Ok(Some(count.to_string())),
        Some(Value::Array(counts)) => {
            let counts: Vec<_> = counts.iter().map(ToString::to_string).collect();
            Ok(Some(format!("({})", counts.join(", "))))
        }
        Some(other) => Err(format!("conditional_input_dim is {other}")),
    }
}

/// The clauses about networks, from `mlp_hidden` and the arguments of the constructor.
fn networks(case: &Map<String, Value>, parts: usize, given: bool) -> Result<Vec<String>, String> {
    let none = Map::new();
    let constructor = case.get("constructor").and_then(Value::as_object).unwrap_or(&none);
    let number = |key: &str| constructor.get(key).and_then(as_number).unwrap_or(0.0);
    for (key, value) in constructor {
        let off = value.is_null() || as_number(value) == Some(0.0);
        match key.as_str() {
            _ if off => {}
            "predict_log_normalization" if given && number("join_poisson_and_pdf_description") == 0.0 => {
                return Err("a separate network for the log-mean, which the reference cannot evaluate (Q15)".into());
            }
            "predict_log_normalization" | "join_poisson_and_pdf_description" => {}
            "amortization_mlp_use_custom_mode" | "amortization_mlp_ranks" | "amortization_mlp_highway_mode" => {}
            _ => return Err(format!("the constructor's {key} = {value}: the notation has no word")),
        }
    }
    let poisson = counts(case).then(|| "poisson".to_string());
    if parts == 1 && !given {
        return Ok(poisson.into_iter().collect());
    }
    let mut clauses: Vec<String> = poisson.into_iter().collect();
    let widths = |value: &Value, used: bool| match value {
        Value::String(widths) if !widths.is_empty() => Ok(widths.clone()),
        Value::Number(width) => Ok(width.to_string()),
        // The first manifold of an unconditional density has no network.
        _ if !used => Ok("1".into()),
        _ => Ok::<_, String>("none".to_string()),
    };
    match case.get("mlp_hidden") {
        None | Some(Value::Null) => {}
        Some(Value::Array(list)) => {
            let list = list.iter().enumerate().map(|(place, one)| widths(one, given || place > 0));
            clauses.push(format!("hidden ({})", list.collect::<Result<Vec<_>, _>>()?.join(", ")));
        }
        Some(all) => clauses.push(format!("hidden {}", widths(all, true)?)),
    }
    if number("amortization_mlp_use_custom_mode") != 0.0 {
        clauses.extend(rank(constructor.get("amortization_mlp_ranks")));
        let mode = number("amortization_mlp_highway_mode");
        clauses.extend((mode != 0.0).then(|| format!("highway {mode}")));
    }
    Ok(clauses)
}

/// One rank for all matrices, or one for each.
fn rank(value: Option<&Value>) -> Option<String> {
    let ranks: Vec<String> = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.iter().map(ToString::to_string).collect(),
        Some(Value::String(list)) => list.split('-').map(ToString::to_string).collect(),
        Some(one) => vec![one.to_string()],
    };
    ranks.iter().any(|rank| rank != "0").then(|| format!("rank {}", ranks.join("-")))
}

/// A chain, each letter with its options.
fn written(case: &Map<String, Value>, place: usize, chain: &str) -> String {
    let none = Map::new();
    let options = case.get("options").and_then(Value::as_object).unwrap_or(&none);
    let letters: Vec<String> = chain
        .chars()
        .enumerate()
        .map(|(layer, letter)| {
            let chosen = chosen(options, place, layer, letter);
            let mut settings: Vec<_> = chosen.into_iter().flat_map(|o| settings(letter, o)).collect();
            let old = case.get("source").and_then(Value::as_str).is_some_and(|source| source.contains("tag 1.0.0"));
            for (_, name, value) in OLD_DEFAULTS.iter().filter(|(of, ..)| old && *of == letter) {
                if chosen.is_none_or(|chosen| !chosen.contains_key(*name)) {
                    settings.push(format!("{name} = {value}"));
                }
            }
            if settings.is_empty() { letter.to_string() } else { format!("{letter}({})", settings.join(", ")) }
        })
        .collect();
    letters.join(" ")
}

/// The options of one layer: those of the most specific key that mentions it, and no others (layers.md 2.1, Q37).
fn chosen(options: &Map<String, Value>, place: usize, layer: usize, letter: char) -> Option<&Map<String, Value>> {
    let letter = letter.to_string();
    let under = |key: String| options.get(&key).and_then(|level| level.get(&letter));
    let found = under(format!("{place},{layer}")).or_else(|| under(place.to_string()));
    found.or_else(|| options.get(&letter)).and_then(Value::as_object)
}

/// Options as the notation writes them; those that do nothing and that our table does not list are left out.
fn settings(letter: char, options: &Map<String, Value>) -> Vec<String> {
    let row = table::letter(letter);
    options
        .iter()
        .filter_map(|(name, value)| {
            let kind = row.and_then(|row| row.option(name)).map(|option| option.kind);
            match (letter, name.as_str()) {
                // Always four charts there (Q4), and the flow that they describe needs none.
                ('c', "num_charts") => return None,
                ('c', "step_size") => return Some(format!("steps = {}", (1.0 / as_number(value)?).round())),
                _ => {}
            }
            let letter = letter.to_string();
            let inert = WITHOUT_EFFECT.iter().any(|(of, option, at)| *of == letter && option == name && at.is(value));
            (kind.is_some() || !inert).then(|| format!("{name} = {}", literal(value, kind)))
        })
        .collect()
}

fn literal(value: &Value, kind: Option<Kind>) -> String {
    let whole = !matches!(kind, Some(Kind::Positive { .. } | Kind::Fraction));
    match value {
        Value::Number(number) => match number.as_f64() {
            // A whole number may be written 1.0 there.
            Some(float) if whole && float.fract() == 0.0 && float.abs() < 1e15 => format!("{}", float as i64),
            Some(float) => format!("{float:?}"),
            None => number.to_string(),
        },
        Value::Array(widths) => {
            let widths: Vec<_> = widths.iter().map(|width| width.to_string().replace('"', "")).collect();
            format!("{:?}", widths.join("-"))
        }
        other => other.to_string(),
    }
}
