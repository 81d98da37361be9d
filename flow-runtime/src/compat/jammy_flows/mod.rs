//! State dicts of [jammy_flows](https://github.com/thoglu/jammy_flows): a density trained in Python is evaluated here.
//!
//! # In Python
//! ```python
//! from safetensors.torch import save_file
//! state = {name: tensor.detach().cpu().double().clone() for name, tensor in pdf.state_dict().items()}
//! save_file(state, "state.safetensors")
//! ```
//! `clone` is there because safetensors does not store the same memory twice. Where safetensors is not at hand, JSON will do:
//! `json.dump({name: tensor.tolist() for name, tensor in pdf.state_dict().items()}, file)`. See [`State`] for both formats.
//!
//! # In Rust
//! ```
//! use dfdx::prelude::*;
//! use flow_runtime::flow;
//!
//! let mut pdf = Cpu::default().build_module::<flow!(e2 : t), f64>();
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("state.json");
//! # let state = r#"{"layer_list.0.0.offsets": [1.0, -1.0], "layer_list.0.0.full_diagonal_log": [[0.3, -0.2]]}"#;
//! # std::fs::write(&path, state).unwrap();
//! let report = pdf.load_jammy_flows(&path)?;
//! assert_eq!(report.to_string(), "2 tensors, 4 numbers");
//! let log_prob = pdf.log_prob(&[[0.5, 0.0]])?.array()[0];
//! # let sigma = |l: f64| 0.01 + 100.0 / (1.0 + 100.0 * (-l).exp());
//! # let normal = |x: f64, l: f64| -0.5 * (x / sigma(l)).powi(2) - sigma(l).ln() - 0.5 * std::f64::consts::TAU.ln();
//! # assert!((log_prob - normal(-0.5, 0.3) - normal(1.0, -0.2)).abs() < 1e-14);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! [`Flow::load_jammy_flows`] reads all, checks all, and only then changes the flow. Whatever does not fit is in one
//! [error](StateError), and the flow is as it was. [`Flow::load_jammy_flows_state`] takes a [`State`] that is at hand, from bytes, from a
//! reader, or the part of a larger model ([`State::under`]).
//!
//! # The notation for a constructor's arguments
//! | Python | `flow!` |
//! |---|---|
//! | `pdf("e2", "ggt")` | `flow!(e2 : ggt)` |
//! | `pdf("e3+s2", "gggg+n", conditional_input_dim=32, amortization_mlp_dims="128")` | `flow!(e3 + s2 : gggg + n \| cond 32, hidden 128)` |
//! | `pdf("i1_-3.0_3.0+a2", "rr+w")` | `flow!(i1[-3, 3] + a2 : rr + w)` |
//! | `conditional_input_dim=[3, 5]` | `cond (3, 5)` |
//! | `amortization_mlp_dims=["64", "128-64"]` | `hidden (64, 128-64)` |
//! | `amortization_mlp_use_custom_mode=True` | nothing: both ways to store a network are read |
//! | `amortization_mlp_use_custom_mode=True, amortization_mlp_ranks=10` | `rank 10` |
//! | `amortization_mlp_highway_mode=1` beside it | `highway 1` |
//! | `predict_log_normalization=True` | `poisson` |
//! | `amortize_everything=True` | `amortize`, and the vector as features |
//! | `fully_amortized_pdf(..., conditional_input_dim=2, inner_mlp_dims_sub_pdfs="64", amortization_mlp_dims="128")` | `cond 2, hidden 64, highway 1, amortize 128(rank = 5)` |
//! | `options_overwrite={"g": {"num_kde": 20}}` | a clause `g(num_kde = 20)` after the bar |
//! | `options_overwrite={1: {"g": {"num_kde": 20}}}` | `gg(num_kde = 20)` as the chain of manifold 1 |
//! | `options_overwrite={(0, 2): {"t": {"cov_type": "full"}}}` | `gg t(cov_type = "full")` as the chain of manifold 0 |
//!
//! Options have the names and defaults of Python; flags are written 0 and 1. In Python only the most specific level of `options_overwrite` that mentions
//! a letter counts for it, here the options of the clause and of the letter add up: write all of them at the letter. What the notation
//! has no word for does not compile, and what was trained with other options shows in the names and shapes, or not at all: bounds such as
//! `lower_bound_for_widths`, and every other option that changes no count, are not in a state dict. Those have to be written as they were.
//!
//! Letter `n` is that of the tag 1.0.0 of the package; all others are those of today. There the option `upper_bound_for_norms` of `g` is
//! 100 by default: beside an `n` write `g(upper_bound_for_norms = 100)`.
//!
//! # What agrees
//! Log-densities agree to 1e-8 but where the package itself is not exact (beside the poles of spheres, intervals outside of [-1, 1], simplices of three and more
//! dimensions): the README lists what is mended. `u` is the same density where it is the only letter of its chain.
//!
//! # Names
//! Parameters that no network predicts are `layer_list.<manifold>.<letter>.<name>`, both counted from 0; [`Layer::state`](crate::layers::Layer::state)
//! has names and shapes. Networks are `mlp_predictors.<manifold>.<0, 2, 4, ..>.weight` (outputs, inputs) and `.bias`, or one vector
//! `mlp_predictors.<manifold>.u_v_b_pars` (always that with a highway or a rank); an outer network is `amortization_mlp` instead, a free log-mean
//! `log_normalization`. The package cannot evaluate a log-mean that has a network of its own (`poisson 64`), so there is none to load: `log_normalization.*`
//! for the tensors of that network is a choice of this module. A vector `u_v_b_pars` is matrix after matrix, each as it is or as its two factors, then its bias. That is the flat order of
//! [`Flow::flat_weights`]. Axes of length 1 in front of a shape do not count, and a tensor without numbers may be there or not.

mod error;
mod state;

pub use error::{Problem, StateError};
pub use state::State;

use crate::kernels::{BlockSummary, Blocks, LogMeanSummary, NetworkSummary, Summary};
use crate::module::{Element, Flow, Spec, Weights, kernel_calls};
use dfdx::tensor::Cpu;
use state::Found;
use std::collections::HashSet;
use std::fmt;
use std::path::Path;

/// A tensor of the state, and where it lies in the flat weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Where its numbers start in the [flat weights](Flow::flat_weights).
    pub start: usize,
}

impl Placed {
    /// How many numbers it has.
    pub fn numbers(&self) -> usize {
        self.shape.iter().product()
    }
}

/// What was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The tensors in the order of the flat weights.
    pub tensors: Vec<Placed>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: usize = self.tensors.iter().map(Placed::numbers).sum();
        write!(f, "{} tensors, {numbers} numbers", self.tensors.len())
    }
}

/// A tensor that a flow needs.
struct Wanted {
    name: String,
    /// The name of a copy, which may be there with it or in its place.
    copy: Option<String>,
    shape: Vec<usize>,
}

impl Wanted {
    fn new(name: String, shape: &[usize]) -> Wanted {
        Wanted { name, copy: None, shape: shape.to_vec() }
    }
}

/// The tensors of a flow in the order of its flat weights.
fn wanted(summary: &Summary, state: &State) -> Vec<Wanted> {
    let outer = summary.outer.iter().flat_map(|network| of_network("amortization_mlp", network, state));
    let blocks = summary.blocks.iter().enumerate().flat_map(|(i, block)| of_block(i, block, state));
    let log_mean = match &summary.log_mean {
        Some(LogMeanSummary::Free) => vec![Wanted::new("log_normalization".into(), &[1, 1])],
        Some(LogMeanSummary::Separate(network)) => of_network("log_normalization", network, state),
        Some(LogMeanSummary::Joint) | None => Vec::new(),
    };
    outer.chain(blocks).chain(log_mean).collect()
}

/// The tensors of a block. One whose numbers come from elsewhere has none.
fn of_block(index: usize, block: &BlockSummary, state: &State) -> Vec<Wanted> {
    match &block.network {
        _ if block.given > 0 => Vec::new(),
        Some(network) => of_network(&format!("mlp_predictors.{index}"), network, state),
        None => {
            let letters = block.letters.iter().enumerate();
            let of_layers = letters.flat_map(|(j, letter)| letter.state.iter().map(move |tensor| (j, tensor)));
            of_layers
                .map(|(j, tensor)| {
                    let full = |name: &str| format!("layer_list.{index}.{j}.{name}");
                    Wanted { name: full(tensor.name), copy: tensor.copy.map(full), shape: tensor.shape.clone() }
                })
                .collect()
        }
    }
}

/// The tensors of a network. One of full matrices without a highway may be stored matrix by matrix or as one vector: the state shows which.
fn of_network(prefix: &str, network: &NetworkSummary, state: &State) -> Vec<Wanted> {
    let vector = format!("{prefix}.u_v_b_pars");
    if network.weights == 0 {
        return Vec::new();
    }
    if !network.stack || state.tensors.contains_key(&vector) {
        return vec![Wanted::new(vector, &[1, network.weights])];
    }
    // Between two matrices stands a tanh, which counts as a module of the network.
    let named = |i: usize, part: &str| format!("{prefix}.{}.{part}", 2 * i);
    let of_matrix = |(i, pair): (usize, &[usize])| {
        [Wanted::new(named(i, "weight"), &[pair[1], pair[0]]), Wanted::new(named(i, "bias"), &[pair[1]])]
    };
    network.widths.windows(2).enumerate().flat_map(of_matrix).filter(|tensor| !tensor.shape.contains(&0)).collect()
}

/// Axes of length 1 in front come and go with how a tensor was made (layers.md 0).
fn significant(shape: &[usize]) -> &[usize] {
    let ones = shape.iter().take_while(|length| **length == 1).count();
    &shape[ones..]
}

/// The numbers of a tensor, if nothing is wrong with it.
fn numbers<'a>(name: &str, found: &'a Found, expected: &[usize], problems: &mut Vec<Problem>) -> Option<&'a [f64]> {
    let name = || name.to_string();
    let before = problems.len();
    if significant(&found.shape) != significant(expected) {
        problems.push(Problem::Shape { name: name(), found: found.shape.clone(), expected: expected.to_vec() });
    }
    match &found.numbers {
        Err(found) => problems.push(Problem::Type { name: name(), found: found.clone() }),
        Ok(numbers) => {
            if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
                problems.push(Problem::NotFinite { name: name(), value: numbers[at], at, number: "number" });
            }
            if problems.len() == before {
                return Some(numbers);
            }
        }
    }
    None
}

/// The flat weights that a state means for a flow of these blocks, and where its tensors lie in them.
///
/// # Errors
/// The state does not fit: all that is wrong with it is in one error.
pub fn weights<B: Blocks>(state: &State) -> Result<(Vec<f64>, Report), StateError> {
    let summary = kernel_calls::summary_of::<B>();
    let mut flat = Vec::with_capacity(B::WEIGHTS);
    let (mut tensors, mut problems, mut known) = (Vec::new(), Vec::new(), HashSet::new());
    for Wanted { name, copy, shape } in wanted(&summary, state) {
        let stored: Vec<(&String, &Found)> = [Some(&name), copy.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|name| state.tensors.get_key_value(name))
            .collect();
        if stored.is_empty() {
            problems.push(Problem::Missing { name: name.clone(), expected: shape.clone() });
        }
        let sound: Vec<_> =
            stored.iter().filter_map(|(name, found)| numbers(name, found, &shape, &mut problems)).collect();
        if let [first, second] = sound[..]
            && first != second
            && let Some(copy) = &copy
        {
            problems.push(Problem::Copies { name: name.clone(), copy: copy.clone() });
        }
        known.extend(stored.into_iter().map(|(name, _)| name.as_str()));
        tensors.push(Placed { name, start: flat.len(), shape });
        flat.extend(sound.first().copied().unwrap_or_default());
    }
    for (name, Found { shape, .. }) in &state.tensors {
        if !known.contains(name.as_str()) && !shape.contains(&0) {
            problems.push(Problem::Surplus { name: name.clone(), found: shape.clone() });
        }
    }
    if problems.is_empty() {
        Ok((flat, Report { tensors }))
    } else {
        Err(StateError::Misfit { origin: state.origin.clone(), problems })
    }
}

impl<S: Spec, W: Weights<E>, E: Element> Flow<S, W, E, Cpu> {
    /// Loads the state dict of a density trained with jammy_flows, a safetensors or JSON file: see [`compat::jammy_flows`](self).
    ///
    /// # Errors
    /// The file cannot be read, or does not fit the flow: the error names every tensor that is missing, surplus, of another shape or type, or not finite.
    /// Nothing is changed then.
    pub fn load_jammy_flows(&mut self, path: impl AsRef<Path>) -> Result<Report, StateError> {
        self.load_jammy_flows_state(&State::open(path)?)
    }

    /// The same for a [`State`] that is at hand.
    ///
    /// # Errors
    /// See [`load_jammy_flows`](Flow::load_jammy_flows).
    pub fn load_jammy_flows_state(&mut self, state: &State) -> Result<Report, StateError> {
        let (wide, report) = weights::<S::Blocks>(state)?;
        let flat: Vec<E> = wide.iter().map(|number| E::narrow(*number)).collect();
        let beyond = |tensor: &Placed| {
            let at = flat[tensor.start..][..tensor.numbers()].iter().position(|number| !number.widen().is_finite())?;
            let value = wide[tensor.start + at];
            Some(Problem::NotFinite { name: tensor.name.clone(), value, at, number: E::NAME })
        };
        let problems: Vec<Problem> = report.tensors.iter().filter_map(beyond).collect();
        if !problems.is_empty() {
            return Err(StateError::Misfit { origin: state.origin.clone(), problems });
        }
        self.set_flat_weights(&flat)
            .map_err(|error| StateError::NotAState { origin: state.origin.clone(), reason: error.to_string() })?;
        Ok(report)
    }
}
