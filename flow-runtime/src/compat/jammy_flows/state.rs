//! Named tensors, from a safetensors or a JSON file.

use super::StateError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A tensor as it was found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub shape: Vec<usize>,
    /// Row by row; or the type of the numbers, where it is none that is read.
    pub numbers: Result<Vec<f64>, String>,
}

/// A state dict: named tensors.
///
/// It is read from **safetensors** with F32 or F64 tensors, or from **JSON**: an object with one entry a tensor, each either nested
/// lists, `{"layer_list.0.0.log_tau": [[0.5]]}`, or a shape with the numbers row by row,
/// `{"layer_list.0.0.log_tau": {"shape": [1, 1], "data": [0.5]}}`. Such an object may also be the entry `state` of a larger one, the rest of which
/// is then passed over. Which of the two formats it is shows in the content.
///
/// ```
/// use flow_runtime::compat::jammy_flows::State;
///
/// let state = State::from_bytes(br#"{"pdf.layer_list.0.0.offsets": [0.5, -1.0], "epoch": 3.0}"#)?;
/// assert_eq!(state.names().collect::<Vec<_>>(), ["epoch", "pdf.layer_list.0.0.offsets"]);
/// // The part of a larger model.
/// let state = state.under("pdf.");
/// assert_eq!(state.tensor("layer_list.0.0.offsets"), Some((&[2][..], &[0.5, -1.0][..])));
/// # Ok::<(), flow_runtime::compat::jammy_flows::StateError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub(super) origin: Option<PathBuf>,
    pub(super) tensors: BTreeMap<String, Found>,
}

impl State {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or is neither of the two formats, or is damaged. What its tensors are called and hold is judged when they are
    /// loaded into a flow.
    pub fn open(path: impl AsRef<Path>) -> Result<State, StateError> {
        let path = path.as_ref();
        let origin = Some(path.to_path_buf());
        match fs::read(path) {
            Ok(content) => State::parse(&content, origin),
            Err(source) => Err(StateError::Io { origin, source }),
        }
    }

    /// Reads all that a reader gives.
    ///
    /// # Errors
    /// See [`State::open`].
    pub fn from_reader(mut reader: impl Read) -> Result<State, StateError> {
        let mut content = Vec::new();
        reader.read_to_end(&mut content).map_err(|source| StateError::Io { origin: None, source })?;
        State::from_bytes(&content)
    }

    /// Reads the content of a file.
    ///
    /// # Errors
    /// See [`State::open`].
    pub fn from_bytes(content: &[u8]) -> Result<State, StateError> {
        State::parse(content, None)
    }

    fn parse(content: &[u8], origin: Option<PathBuf>) -> Result<State, StateError> {
        match tensors(content) {
            Ok(tensors) => Ok(State { origin, tensors }),
            Err(reason) => Err(StateError::NotAState { origin, reason }),
        }
    }

    /// The tensors whose names begin with `prefix`, without it: the density that is a part of a larger model.
    pub fn under(&self, prefix: &str) -> State {
        let of = |(name, tensor): (&String, &Found)| Some((name.strip_prefix(prefix)?.to_string(), tensor.clone()));
        State { origin: self.origin.clone(), tensors: self.tensors.iter().filter_map(of).collect() }
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Shape and numbers (row by row) of a tensor; `None` if there is none of that name, or if it holds no F32 or F64.
    pub fn tensor(&self, name: &str) -> Option<(&[usize], &[f64])> {
        let Found { shape, numbers } = self.tensors.get(name)?;
        Some((shape, numbers.as_ref().ok()?))
    }
}

/// Bytes before the header of a safetensors file: its length.
const LENGTH: usize = 8;

/// The tensors of a file's content, or what is wrong with it.
fn tensors(content: &[u8]) -> Result<BTreeMap<String, Found>, String> {
    let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
    match (content, text) {
        ([], _) => Err("it is empty".into()),
        // A length below 2^32, and the brace that opens the header.
        (content, _) if content.get(LENGTH) == Some(&b'{') && content[LENGTH / 2..LENGTH] == [0; LENGTH / 2] => {
            from_safetensors(content)
        }
        (_, [b'{', ..]) => from_json(text),
        ([b'P', b'K', ..] | [0x80, 0x02..=0x05, ..], _) => {
            Err("it is a file of torch.save or pickle: save the state with safetensors.torch.save_file".into())
        }
        _ => Err("it is neither a safetensors file nor a JSON object".into()),
    }
}

fn from_safetensors(content: &[u8]) -> Result<BTreeMap<String, Found>, String> {
    let file = SafeTensors::deserialize(content).map_err(|error| format!("as a safetensors file: {error}"))?;
    let found = |(name, view): (&str, TensorView<'_>)| {
        let numbers = match view.dtype() {
            Dtype::F32 => Ok(view.data().as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect()),
            Dtype::F64 => Ok(view.data().as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()),
            other => Err(format!("numbers of the type {other:?}")),
        };
        (name.to_string(), Found { shape: view.shape().to_vec(), numbers })
    };
    Ok(file.iter().map(found).collect())
}

fn from_json(text: &[u8]) -> Result<BTreeMap<String, Found>, String> {
    let json: Value = serde_json::from_slice(text).map_err(|error| format!("as JSON: {error}"))?;
    let Value::Object(all) = &json else { return Err("the JSON is no object of named tensors".into()) };
    let tensors = match all.get("state") {
        Some(Value::Object(state)) if !state.contains_key("data") => state,
        _ => all,
    };
    let named = |(name, value): (&String, &Value)| match found(value) {
        Ok(tensor) => Ok((name.clone(), tensor)),
        Err(reason) => Err(format!("the tensor `{name}` {reason}")),
    };
    tensors.iter().map(named).collect()
}

fn found(value: &Value) -> Result<Found, String> {
    match value {
        Value::Object(parts) => with_shape(parts),
        list => {
            let mut numbers = Vec::new();
            let shape = nested(list, &mut numbers)?;
            Ok(Found { shape, numbers: Ok(numbers) })
        }
    }
}

/// `{"shape": [..], "data": [..]}`
fn with_shape(parts: &Map<String, Value>) -> Result<Found, String> {
    let data = parts.get("data").ok_or("has no entry `data`")?;
    let mut numbers = Vec::new();
    let nested = nested(data, &mut numbers)?;
    let shape = match parts.get("shape") {
        None => nested,
        Some(Value::Array(shape)) => shape
            .iter()
            .map(|length| length.as_u64().and_then(|length| usize::try_from(length).ok()))
            .collect::<Option<Vec<_>>>()
            .ok_or("has an entry `shape` that is no list of whole numbers")?,
        Some(_) => return Err("has an entry `shape` that is no list".into()),
    };
    let count = shape.iter().try_fold(1_usize, |count, length| count.checked_mul(*length));
    if count != Some(numbers.len()) {
        return Err(format!("holds {} numbers, but its shape is {shape:?}", numbers.len()));
    }
    Ok(Found { shape, numbers: Ok(numbers) })
}

/// Appends the numbers of nested lists and returns their shape. `null` counts as a number that is not finite.
fn nested(value: &Value, numbers: &mut Vec<f64>) -> Result<Vec<usize>, String> {
    match value {
        Value::Number(number) => {
            numbers.push(number.as_f64().unwrap_or(f64::NAN));
            Ok(Vec::new())
        }
        Value::Null => {
            numbers.push(f64::NAN);
            Ok(Vec::new())
        }
        Value::Array(list) => {
            let mut inner: Option<Vec<usize>> = None;
            for one in list {
                let shape = nested(one, numbers)?;
                if inner.as_ref().is_some_and(|known| *known != shape) {
                    return Err("has rows of different lengths".into());
                }
                inner = Some(shape);
            }
            let mut shape = vec![list.len()];
            shape.extend(inner.unwrap_or_default());
            Ok(shape)
        }
        Value::String(_) => Err("holds a text in place of a number".into()),
        Value::Bool(_) => Err("holds true or false in place of a number".into()),
        Value::Object(_) => Err("holds an object in place of a number".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<State, String> {
        State::from_bytes(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn json_in_all_its_forms() {
        let nested = read(r#" {"a": [[1, 2.5], [-3e-2, 4]], "b": 0.1, "c": []}"#).unwrap();
        assert_eq!(nested.tensor("a"), Some((&[2, 2][..], &[1.0, 2.5, -0.03, 4.0][..])));
        assert_eq!(nested.tensor("b"), Some((&[][..], &[0.1][..])));
        assert_eq!(nested.tensor("c"), Some((&[0][..], &[][..])));
        let flat = r#"{"a": {"shape": [2, 2], "data": [1, 2.5, -3e-2, 4]}, "b": {"data": 0.1}, "c": {"shape": [0], "data": []}}"#;
        assert_eq!(read(flat).unwrap(), nested);
        assert_eq!(read(&format!(r#"{{"name": "a case", "state": {flat}, "x": [[1, 2], 3]}}"#)).unwrap(), nested);
        assert_eq!(read(&format!("\u{feff}{flat}")).unwrap(), nested);
        assert_eq!(State::from_reader(flat.as_bytes()).unwrap(), nested);
        // A tensor may be called `state`.
        assert_eq!(read(r#"{"state": {"shape": [1], "data": [2]}}"#).unwrap().names().collect::<Vec<_>>(), ["state"]);
        // The decimal that is read back to the same bits.
        let state = read(r#"{"a": [0.1234567890123456789, 5e-324, 1.7976931348623157e308]}"#).unwrap();
        assert_eq!(state.tensor("a").unwrap().1, [0.123_456_789_012_345_68, 5e-324, f64::MAX]);
    }

    #[test]
    fn what_is_no_state_is_told() {
        for (text, told) in [
            ("", "it is empty"),
            ("[1, 2]", "neither a safetensors file nor a JSON object"),
            ("PK\u{3}\u{4}archive", "save the state with safetensors.torch.save_file"),
            (r#"{"a": [1, 2"#, "as JSON: EOF"),
            (r#"{"a": [1, NaN]}"#, "as JSON: expected value"),
            (r#"{"a": [[1, 2], [3]]}"#, "the tensor `a` has rows of different lengths"),
            (r#"{"a": [[1, 2], 3]}"#, "the tensor `a` has rows of different lengths"),
            (r#"{"a": "text"}"#, "the tensor `a` holds a text in place of a number"),
            (r#"{"a": [true]}"#, "holds true or false"),
            (r#"{"a": [{}]}"#, "holds an object"),
            (r#"{"a": {"shape": [1]}}"#, "the tensor `a` has no entry `data`"),
            (r#"{"a": {"shape": [3], "data": [1, 2]}}"#, "holds 2 numbers, but its shape is [3]"),
            (r#"{"a": {"shape": [-1], "data": [1]}}"#, "no list of whole numbers"),
            (r#"{"a": {"shape": 1, "data": [1]}}"#, "an entry `shape` that is no list"),
            (r#"{"a": {"shape": [4294967296, 4294967296, 4294967296], "data": []}}"#, "holds 0 numbers, but its shape"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(told), "{text}: {message}");
        }
        let deep = format!(r#"{{"a": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(&deep).unwrap_err().contains("recursion limit"));
    }
}
