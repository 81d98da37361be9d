//! A case as its file has it, and its numbers in the order of the kernels.

use super::kernels::Kernels;
use flow_runtime::compat::jammy_flows::{Placed, State};
use serde_json::Value;
use std::fs;

/// Rows of numbers; NaN where the reference has none.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub data: Vec<f64>,
    pub columns: usize,
}

impl Rows {
    pub fn len(&self) -> usize {
        self.data.len().checked_div(self.columns).unwrap_or(0)
    }
    pub fn row(&self, row: usize) -> &[f64] {
        &self.data[row * self.columns..][..self.columns]
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_bool().map(|set| f64::from(u8::from(set)))).unwrap_or(f64::NAN)
}

fn flat(value: &Value, into: &mut Vec<f64>) {
    match value {
        Value::Array(list) => list.iter().for_each(|one| flat(one, into)),
        one => into.push(number(one)),
    }
}

/// One gradient: all numbers, or samples with two sums.
#[derive(Clone, Debug)]
pub enum Gradient {
    /// Every entry.
    All(Vec<f64>),
    /// Entries at some places, the sum of all, and sum_k g_k cos(k).
    Samples { index: Vec<usize>, value: Vec<f64>, sum: f64, dot_cos: f64 },
}

fn gradient(value: &Value) -> Option<Gradient> {
    match value {
        Value::Null => None,
        Value::Array(_) => {
            let mut all = Vec::new();
            flat(value, &mut all);
            Some(Gradient::All(all))
        }
        tensor => {
            let list = |key: &str| {
                let mut all = Vec::new();
                flat(&tensor[key], &mut all);
                all
            };
            Some(if tensor.get("index").is_some() {
                Gradient::Samples {
                    index: list("index").into_iter().map(|k| k as usize).collect(),
                    value: list("value"),
                    sum: number(&tensor["sum"]),
                    dot_cos: number(&tensor["dot_cos"]),
                }
            } else {
                Gradient::All(list("data"))
            })
        }
    }
}

/// A manifold of the case and its first intrinsic column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Euclidean, an interval or a simplex, with its dimension.
    Flat(usize),
    /// A circle.
    Circle,
    /// A two-sphere.
    Sphere,
}

impl Space {
    /// Intrinsic columns.
    pub fn columns(self) -> usize {
        match self {
            Space::Flat(dim) => dim,
            Space::Circle => 1,
            Space::Sphere => 2,
        }
    }
}

/// A case.
pub struct Case {
    json: Value,
    /// The manifolds.
    pub spaces: Vec<Space>,
    /// The manifolds as the reference writes them.
    pub words: Vec<String>,
    /// The letters of each manifold's chain.
    pub chains: Vec<String>,
    /// Whether it comes from the tag of layer n.
    pub old: bool,
    /// Given features, row after row (the parameters where they are given by row).
    pub features: Rows,
    /// Flat weights.
    pub weights: Vec<f64>,
    /// The tensors that make up the weights; empty for a flat vector.
    pub state: Vec<Placed>,
}

impl Case {
    /// Reads a case for a flow; its state as a user's flow would load it.
    pub fn read(path: &str, kernels: &Kernels) -> Result<Case, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        let json: Value = serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
        let words =
            |key: &str| json[key].as_str().unwrap_or_default().split('+').map(str::to_string).collect::<Vec<_>>();
        let space = |word: &String| match word.as_str() {
            "s1" => Ok(Space::Circle),
            "s2" => Ok(Space::Sphere),
            word if word.starts_with("i1") => Ok(Space::Flat(1)),
            flat => {
                flat.trim_start_matches(['e', 'a']).parse().map(Space::Flat).map_err(|_| format!("manifold {word}"))
            }
        };
        let spaces = words("pdf").iter().map(space).collect::<Result<_, _>>()?;
        let (chains, old) = (words("flow"), json["source"].as_str().is_some_and(|source| source.contains("tag 1.0.0")));
        let mut case = Case {
            spaces,
            words: words("pdf"),
            chains,
            old,
            features: Rows::default(),
            weights: Vec::new(),
            state: Vec::new(),
            json,
        };
        if case.json["state"].is_object() {
            let state = State::from_bytes(text.as_bytes()).map_err(|error| error.to_string())?;
            let (weights, report) = (kernels.load)(&state).map_err(|error| error.to_string())?;
            (case.weights, case.state) = (weights, report.tensors);
        } else {
            let params = case.rows("params")?;
            if params.len() > 1 {
                case.features = params;
            } else if kernels.by_row {
                // One row of parameters is that of every row of data.
                let rows = case.rows("x")?.len();
                case.features = Rows { data: params.data.repeat(rows), columns: params.columns };
            } else {
                case.weights = params.data;
            }
        }
        if !case.json["cond"].is_null() {
            case.features = case.rows("cond")?;
        }
        Ok(case)
    }

    /// Whether the numbers read fit the flow.
    pub fn fits(&self, kernels: &Kernels) -> Result<(), String> {
        let (found, expected) = (self.weights.len(), kernels.weights);
        if !kernels.by_row && found != expected {
            return Err(format!("the case has {found} weights, our flow {expected}"));
        }
        let (found, expected) = (self.features.columns, kernels.features);
        if found != expected {
            let what = if kernels.by_row { "parameters" } else { "features" };
            return Err(format!("the case has rows of {found} {what}, our flow takes {expected}"));
        }
        Ok(())
    }

    fn at<'a>(&'a self, path: &str) -> &'a Value {
        path.split('.').fold(&self.json, |value, key| &value[key])
    }

    /// Rows of numbers, `cond` or `from_base.x`.
    pub fn rows(&self, path: &str) -> Result<Rows, String> {
        let list = self.at(path).as_array().ok_or_else(|| format!("the case has no {path}"))?;
        let mut data = Vec::new();
        list.iter().for_each(|row| flat(row, &mut data));
        Ok(Rows { columns: if list.is_empty() { 0 } else { data.len() / list.len() }, data })
    }

    /// An option of a letter, under the most specific key that mentions the letter.
    fn option(&self, letter: &str, manifold: usize, layer: usize, name: &str) -> Option<&Value> {
        let options = &self.json["options"];
        let levels = [&options[format!("{manifold},{layer}")], &options[manifold.to_string()], options];
        levels.into_iter().map(|level| &level[letter]).find(|of| of.is_object())?.get(name)
    }

    /// Whether letters v search on the way to the base points, and on the way from them.
    pub fn searched(&self) -> [bool; 2] {
        let mut searched = [false; 2];
        for (manifold, chain) in self.chains.iter().enumerate() {
            for (layer, _) in chain.chars().enumerate().filter(|(_, letter)| *letter == 'v') {
                let natural = self.option("v", manifold, layer, "natural_direction").map_or(0.0, number);
                searched[usize::from(natural == 0.0)] = true;
            }
        }
        searched
    }

    /// Whether all rows of data have the same row of parameters.
    pub fn shares_parameters(&self) -> bool {
        self.rows("params").is_ok_and(|params| params.len() == 1)
    }

    /// Whether there is something at a path.
    pub fn has(&self, path: &str) -> bool {
        !self.at(path).is_null()
    }

    /// A gradient.
    pub fn gradient(&self, path: &str) -> Option<Gradient> {
        gradient(self.at(path))
    }

    /// The gradient by a tensor of the state.
    pub fn state_gradient(&self, path: &str, tensor: &str) -> Option<Gradient> {
        gradient(&self.at(path)[tensor])
    }

    /// The rounding error of the reference, for every row.
    pub fn noise(&self, what: &str, rows: usize) -> Vec<f64> {
        let value = &self.json["checks"]["noise"][what];
        let one = |value: &Value| value.as_f64().filter(|noise| noise.is_finite()).unwrap_or(0.0);
        match value {
            Value::Array(list) => (0..rows).map(|row| list.get(row).map_or(0.0, one)).collect(),
            all => vec![one(all); rows],
        }
    }
}
