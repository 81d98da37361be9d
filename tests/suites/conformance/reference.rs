//! A case as its file has it, and its numbers in the order of the kernels.

use super::kernels::Kernels;
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

/// A tensor of the state: its name, and where it lies in the flat weights.
#[derive(Debug)]
pub struct Stretch {
    pub name: String,
    pub start: usize,
    pub len: usize,
}

/// The order of the tensors of one layer in the flat parameter vector (layers.md 2.11, 4.2, 4.3, 6.2, 8.1, 8.4).
const ORDER: &[&str] = &[
    "offsets",
    "vs",
    "triangle_trafo_pars",
    "angle_pars",
    "cayley_pars",
    "householder_params",
    "potential_pars",
    "kde_means",
    "kde_log_widths",
    "kde_log_weights",
    "kde_log_skew_exponents",
    "log_widths",
    "log_heights",
    "log_derivatives",
    "boundary_points",
    "single_diagonal_log",
    "full_diagonal_log",
    "lower_triangular_entries",
    "loglike_kappa",
    "vertical_flow_params",
    "circular_flow_params",
    "correlated_flow_params",
    "amortized_mlp.u_v_b_pars",
    "moebius_trafo.moebius_pars",
    "moebius_pars",
    "rel_log_widths",
    "rel_log_heights",
    "rel_log_derivatives",
    "inner_flow_params",
    "log_tau",
    "log_probs",
];

/// Where a tensor stands: manifold, layer or matrix, place within it.
fn place(name: &str) -> Option<[usize; 3]> {
    let mut parts = name.splitn(4, '.');
    let group = parts.next()?;
    let manifold = parts.next()?.parse().ok()?;
    match (group, parts.next()?, parts.next()) {
        ("layer_list", layer, Some(rest)) => {
            Some([manifold, layer.parse().ok()?, ORDER.iter().position(|known| *known == rest)?])
        }
        ("mlp_predictors", "u_v_b_pars", None) => Some([manifold, 0, 0]),
        ("mlp_predictors", matrix, Some("weight")) => Some([manifold, matrix.parse().ok()?, 0]),
        ("mlp_predictors", matrix, Some("bias")) => Some([manifold, matrix.parse().ok()?, 1]),
        _ => None,
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
    pub state: Vec<Stretch>,
}

impl Case {
    pub fn read(path: &str) -> Result<Case, String> {
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
            case.read_state()?;
        } else {
            let params = case.rows("params")?;
            if params.len() > 1 { case.features = params } else { case.weights = params.data }
        }
        if !case.json["cond"].is_null() {
            case.features = case.rows("cond")?;
        }
        Ok(case)
    }

    fn read_state(&mut self) -> Result<(), String> {
        let state = self.json["state"].as_object().cloned().unwrap_or_default();
        let mut tensors = Vec::new();
        for (name, tensor) in &state {
            let place =
                place(name).ok_or_else(|| format!("the state's tensor `{name}` has no place in our weights"))?;
            let mut data = Vec::new();
            flat(&tensor["data"], &mut data);
            tensors.push((place, name.clone(), data));
        }
        tensors.sort_by_key(|(place, ..)| *place);
        for (_, name, data) in tensors {
            self.state.push(Stretch { name, start: self.weights.len(), len: data.len() });
            self.weights.extend(data);
        }
        Ok(())
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

    /// The least concentration of the letters f that a row goes through; `None` without f, or where a network predicts it.
    pub fn least_kappa(&self, row: usize) -> Option<f64> {
        let least = |all: Vec<f64>| all.into_iter().reduce(f64::min);
        if !self.state.is_empty() {
            let kappas = self.state.iter().filter(|tensor| tensor.name.ends_with("loglike_kappa"));
            return least(
                kappas
                    .filter_map(|tensor| {
                        let [manifold, layer, _] = place(&tensor.name)?;
                        self.kappa(manifold, layer, &[], self.weights[tensor.start..].first())
                    })
                    .collect(),
            );
        }
        let params = if self.weights.is_empty() { self.features.row(row) } else { &self.weights };
        let counts = self.rows("layer_param_counts").ok()?.data;
        let mut start = 0;
        let mut all = Vec::new();
        for (layer, (letter, count)) in self.chains.first()?.chars().zip(counts).enumerate() {
            if letter == 'f' {
                let (rotation, own) = params.get(start..)?.split_at_checked(self.rotation_numbers(layer))?;
                all.push(self.kappa(0, layer, rotation, own.first())?);
            }
            start += count as usize;
        }
        least(all)
    }

    /// An option of a letter, under the most specific key that mentions the letter.
    fn option(&self, letter: &str, manifold: usize, layer: usize, name: &str) -> Option<&Value> {
        let options = &self.json["options"];
        let levels = [&options[format!("{manifold},{layer}")], &options[manifold.to_string()], options];
        levels.into_iter().map(|level| &level[letter]).find(|of| of.is_object())?.get(name)
    }
    fn f_option(&self, manifold: usize, layer: usize, name: &str) -> Option<&Value> {
        self.option("f", manifold, layer, name)
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

    /// A concentration from the parameters of the rotation, or from one of its own (layers.md 8.1).
    fn kappa(&self, manifold: usize, layer: usize, rotation: &[f64], own: Option<&f64>) -> Option<f64> {
        let number = |name, default| self.f_option(manifold, layer, name).map_or(default, number);
        let square = |v: Option<&[f64]>| v.map(|v| v.iter().map(|x| x * x).sum::<f64>());
        let least = number("min_kappa", 1e-10);
        let raw = || {
            let raw = *own?;
            Some(if number("kappa_clamping", 0.0) == 0.0 { raw } else { raw.max(-5.0) })
        };
        match self.f_option(manifold, layer, "kappa_prediction").and_then(Value::as_str) {
            None | Some("direct_log_real_bounded") => Some(raw()?.exp() + least),
            Some("softplus_real_bounded") => Some(raw()?.exp().ln_1p() + least),
            Some("log_bounded") => Some((1.0 + own?.exp()) * least),
            Some("mu") => square(rotation.get(..3)).map(f64::sqrt),
            Some("mu_squared") => square(rotation.get(..3)),
            Some("quatvec") => square(rotation.get(1..4)).map(f64::sqrt),
            Some("quatvec_squared") => square(rotation.get(1..4)),
            Some(_) => None,
        }
    }

    /// Parameters of a letter f before that of its concentration.
    fn rotation_numbers(&self, layer: usize) -> usize {
        let option = |name| self.f_option(0, layer, name);
        let reflections = option("num_householder_iter").map_or(-1.0, number);
        match (option("add_rotation").map_or(1.0, number), option("rotation_mode").and_then(Value::as_str)) {
            (0.0, _) => 0,
            (_, Some("angles" | "xyz")) => 3,
            (_, Some("quaternion")) => 4,
            _ if reflections < 0.0 => 9,
            _ => 3 * reflections as usize,
        }
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
