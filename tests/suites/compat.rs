//! State dicts of jammy_flows: a density of the reference vectors, saved as Python would save it, evaluates here as it does there. Whatever
//! does not fit is told in one error and changes nothing.

use dfdx::prelude::*;
use flow_runtime::compat::jammy_flows::{Placed, Problem, State, StateError};
use flow_runtime::kernels::{Blocks, Summary};
use flow_runtime::layers::{Layer, StateTensor};
use flow_runtime::manifolds::Euclidean;
use flow_runtime::module::Spec;
use flow_runtime::numeric::{Lift, Mask, Real};
use flow_runtime::{Built, flow};
use rand::Rng;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// A tensor of a state dict.
#[derive(Clone, Debug, PartialEq)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    data: Vec<f64>,
}

impl Tensor {
    fn new(name: &str, shape: &[usize], data: &[f64]) -> Tensor {
        Tensor { name: name.into(), shape: shape.into(), data: data.into() }
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn vector(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../vectors/{name}.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn state(case: &Value) -> Vec<Tensor> {
    let tensor = |(name, value): (&String, &Value)| {
        let shape: Vec<usize> = numbers(&value["shape"]).into_iter().map(|length| length as usize).collect();
        Tensor::new(name, &shape, &numbers(&value["data"]))
    };
    case["state"].as_object().unwrap().iter().map(tensor).collect()
}

/// `tensor.tolist()`
fn nested(shape: &[usize], data: &[f64]) -> Value {
    match shape {
        [] => json!(data[0]),
        [length, rest @ ..] => data.chunks(data.len() / length).map(|part| nested(rest, part)).collect(),
    }
}

fn save_json(path: &Path, state: &[Tensor]) {
    let all: Map<String, Value> = state.iter().map(|t| (t.name.clone(), nested(&t.shape, &t.data))).collect();
    fs::write(path, Value::Object(all).to_string()).unwrap();
}

fn safetensors(state: &[Tensor], dtype: Dtype) -> Vec<u8> {
    let bytes = |t: &Tensor| match dtype {
        Dtype::F32 => t.data.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect::<Vec<u8>>(),
        Dtype::I64 => t.data.iter().flat_map(|x| (*x as i64).to_le_bytes()).collect(),
        _ => t.data.iter().flat_map(|x| x.to_le_bytes()).collect(),
    };
    let all: Vec<_> = state.iter().map(|t| (t, bytes(t))).collect();
    let view = |(t, bytes)| {
        let (t, bytes): (&Tensor, &Vec<u8>) = (t, bytes);
        (t.name.as_str(), TensorView::new(dtype, t.shape.clone(), bytes).unwrap())
    };
    safetensors::serialize(all.iter().map(|(t, bytes)| view((*t, bytes))), None).unwrap()
}

/// A folder with the state as both kinds of file.
fn saved(state: &[Tensor]) -> (tempfile::TempDir, [PathBuf; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["state.json", "state.safetensors"].map(|name| folder.path().join(name));
    save_json(&paths[0], state);
    fs::write(&paths[1], safetensors(state, Dtype::F64)).unwrap();
    (folder, paths)
}

fn rows<const N: usize>(rows: &Value) -> Vec<[f64; N]> {
    rows.as_array().unwrap().iter().map(|row| numbers(row).try_into().unwrap()).collect()
}

/// Holds log-densities to those of the case, in all rows but those made to show where the reference is not exact: the conformance suite
/// looks at these as well, with its rules.
fn hold(case: &Value, ours: &[f64]) {
    let theirs = numbers(&case["log_prob"]);
    let typical: Vec<bool> = case["row_kinds"].as_array().unwrap().iter().map(|kind| kind == "typical").collect();
    assert!(typical.iter().filter(|typical| **typical).count() >= 4 && ours.len() == theirs.len());
    for row in (0..ours.len()).filter(|row| typical[*row]) {
        let (ours, theirs) = (ours[row], theirs[row]);
        assert!((ours - theirs).abs() <= 1e-8 * (1.0 + theirs.abs()), "row {row}: {ours} for {theirs}");
    }
}

/// Tests: a reference case, how many coordinates it has, what it is given, and the notation that says it.
macro_rules! agree {
    ($($name:ident: $dim:literal $(given $given:literal)? = [$($flow:tt)*])*) => {$(
        #[test]
        fn $name() {
            let case = vector(stringify!($name));
            let state = state(&case);
            let (_folder, paths) = saved(&state);
            for path in paths {
                let mut pdf = Cpu::default().build_module::<flow!($($flow)*), f64>();
                let report = pdf.load_jammy_flows(&path).unwrap();
                assert_eq!(report.tensors.len(), state.len());
                assert_eq!(report.tensors.iter().map(Placed::numbers).sum::<usize>(), pdf.flat_weights().len());
                let x: Vec<[f64; $dim]> = rows(&case["x"]);
                $(
                    let features: Vec<[f64; $given]> = rows(&case["cond"]);
                    let pdf = pdf.given(&features).unwrap();
                )?
                hold(&case, &pdf.log_prob(&x).unwrap().as_vec());
            }
        }
    )*};
}

agree! {
    pdf_a2_w: 2 = [a2 : w]
    pdf_e1_gggt_suggested: 1 = [
        e1 : gggt | g(fit_normalization = 0, lower_bound_for_widths = 0.01, upper_bound_for_widths = 1.0)
    ]
    pdf_e2_layer_options: 3 = [
        e2 + e1 : g(num_kde = 4) g(num_kde = 3, add_skewness = 1) + g(num_kde = 6, fit_normalization = 0) t | hidden 9
    ]
    pdf_e3_gggg: 3 = [e3 : gggg]
    pdf_e3_ggggt: 3 = [e3 : gggg t(cov_type = "full")]
    pdf_e3s2_gggg_f_cond32: 5 given 32 = [e3 + s2 : gggg + f | cond 32, hidden 8-6]
    pdf_e4s2e4: 10 = [e4 + s2 + e4 : gggg + f + gggg | g(num_kde = 5), hidden (1, 6, 7)]
    pdf_s1_y_rotation: 1 = [s1 : y(add_rotation = 1)]
    pdf_e1e2e2s1: 6 = [e1 + e2 + e2 + s1 : gg + gg + gg + m | hidden 10]
    pdf_e2s1i1_cond3: 4 given 3 = [e2 + s1 + i1 : gg + m + r | cond 3, hidden 10]
    pdf_s1_m: 1 = [s1 : m]
    pdf_s1_o: 1 = [s1 : o]
    pdf_s2_v: 2 = [s2 : v]
    pdf_e2s1_lowrank: 3 given 4 = [e2 + s1 : gg + m | cond 4, hidden 16-12, rank 3, highway 1]
    full_e1s1: 2 given 2 = [e1 + s1 : g + m | cond 2, hidden 4, rank 2, amortize 6, g(num_kde = 3), m(num_basis_functions = 2)]
    pdf_e2_lognorm_joint: 2 given 3 = [e2 : gg | cond 3, hidden 12, poisson]
    pdf_s2_f: 2 = [s2 : f]
    pdf_s2_ffff_recommended: 2 = [
        s2 : ffff(
            add_vertical_rq_spline_flow = 1, spline_num_basis_functions = -1, vertical_smooth = 1,
            vertical_fix_first_width_n_height_to_zero = 1, vertical_also_fix_second_width_to_zero = 1,
            vertical_independent_width_height_parametrization = 1, add_circular_rq_spline_flow = 1
        )
    ]
    pdf_s2e1_n_old: 3 = [s2 + e1 : n(hidden_dims = "8") + gg(upper_bound_for_norms = 100) | hidden 8]
}

/// The lines that the documentation gives for arguments of the constructor in Python: they are of the notation.
#[allow(dead_code)]
mod documented {
    use flow_runtime::flow;

    type Chains = flow!(e2 : ggt);
    type Given = flow!(e3 + s2 : gggg + n | cond 32, hidden 128);
    type Bounds = flow!(i1[-3, 3] + a2 : rr + w);
    type Lists = flow!(e2 + s2 : gg + f | cond (3, 5), hidden (64, 128-64));
    type Ranks = flow!(e2 : gg | cond 32, rank 10);
    type Highway = flow!(e2 : gg | cond 32, highway 1);
    type Counted = flow!(e2 : gg | cond 32, poisson);
    type AllGiven = flow!(e2 + e1 : gg + t | amortize);
    type Amortised = flow!(e2 + e1 : gg + t | cond 2, hidden 64, highway 1, amortize 128(rank = 5));
    type Everywhere = flow!(e2 : gg | g(num_kde = 20));
    type OneManifold = flow!(e2 + e1 : gg + gg(num_kde = 20));
    type OneLetter = flow!(e2 : gg t(cov_type = "full"));
    type Old = flow!(s2 + e1 : n + gg | g(upper_bound_for_norms = 100));
}

type Event = flow!(e3 + s2 : gggg + f | cond 32, hidden 8-6);
const EVENT: &str = "pdf_e3s2_gggg_f_cond32";

/// A network as one vector: its matrices and biases one after the other.
fn as_vector(state: &[Tensor], manifold: usize) -> Tensor {
    let prefix = format!("mlp_predictors.{manifold}.");
    let mut data = Vec::new();
    for part in (0..).step_by(2).map(|i| [format!("{prefix}{i}.weight"), format!("{prefix}{i}.bias")]) {
        let found: Vec<&Tensor> =
            part.iter().filter_map(|name| state.iter().find(|tensor| tensor.name == *name)).collect();
        if found.is_empty() {
            break;
        }
        data.extend(found.iter().flat_map(|tensor| &tensor.data));
    }
    Tensor::new(&format!("{prefix}u_v_b_pars"), &[1, data.len()], &data)
}

#[test]
fn a_network_is_read_in_both_ways_to_store_it() {
    let state = state(&vector(EVENT));
    let mut by_matrix = Cpu::default().build_module::<Event, f64>();
    by_matrix.load_jammy_flows_state(&State::from_bytes(&safetensors(&state, Dtype::F64)).unwrap()).unwrap();
    // One network each way.
    let second = state.iter().filter(|tensor| tensor.name.starts_with("mlp_predictors.1.")).cloned();
    let mixed: Vec<Tensor> = [as_vector(&state, 0)].into_iter().chain(second).collect();
    let mut by_vector = Cpu::seed_from_u64(1).build_module::<Event, f64>();
    let report =
        by_vector.load_jammy_flows_state(&State::from_bytes(&safetensors(&mixed, Dtype::F64)).unwrap()).unwrap();
    assert_eq!(by_vector.flat_weights(), by_matrix.flat_weights());
    assert_eq!(report.tensors[0].name, "mlp_predictors.0.u_v_b_pars");
    assert_eq!(report.tensors.len(), 7);
}

#[test]
fn factors_of_low_rank_are_read_as_published() {
    // 3 -> 5 -> 2 with rank 1: for each matrix U (out, 1), V (1, in), bias (out), as 1 (3 + 5) < 3 * 5 and 1 (5 + 2) < 5 * 2.
    let (u1, v1, b1) = ([0.3, -0.2, 0.5, 0.1, -0.4], [0.7, -0.6, 0.2], [0.1, 0.2, -0.3, 0.05, 0.0]);
    let (u2, v2, b2) = ([1.1, -0.8], [0.4, 0.3, -0.2, 0.6, 0.9], [0.25, -0.15]);
    let data = [&u1[..], &v1, &b1, &u2, &v2, &b2].concat();
    let state = [Tensor::new("mlp_predictors.0.u_v_b_pars", &[1, data.len()], &data)];
    let mut pdf = Cpu::default().build_module::<flow!(e1 : t | cond 3, hidden 5, rank 1), f64>();
    pdf.load_jammy_flows_state(&State::from_bytes(&safetensors(&state, Dtype::F64)).unwrap()).unwrap();

    let features = [0.9, -0.3, 1.2];
    let along: f64 = v1.iter().zip(features).map(|(v, x)| v * x).sum();
    let hidden: Vec<f64> = u1.iter().zip(b1).map(|(u, b)| (u * along + b).tanh()).collect();
    let along: f64 = v2.iter().zip(hidden).map(|(v, h)| v * h).sum();
    let [offset, raw] = [0, 1].map(|i| u2[i] * along + b2[i]);
    let width = 0.01 + 100.0 / (1.0 + 100.0 * f64::exp(-raw));
    let theirs = -0.5 * ((0.4 - offset) / width).powi(2) - width.ln() - 0.5 * std::f64::consts::TAU.ln();
    let ours = pdf.given(&[features]).unwrap().log_prob(&[[0.4]]).unwrap().array()[0];
    assert!((ours - theirs).abs() < 1e-14, "{ours} for {theirs}");

    // Stored matrix by matrix it would be another network.
    let state = [Tensor::new("mlp_predictors.0.0.weight", &[5, 3], &[0.1; 15])];
    let error = pdf.load_jammy_flows_state(&State::from_bytes(&safetensors(&state, Dtype::F64)).unwrap()).unwrap_err();
    let [missing, surplus] = &problems(error)[..] else { panic!() };
    assert!(
        matches!(missing, Problem::Missing { name, expected } if name.ends_with("u_v_b_pars") && *expected == [1, 22])
    );
    assert!(matches!(surplus, Problem::Surplus { .. }));
}

#[test]
fn single_precision_on_either_side() {
    let case = vector(EVENT);
    let state = state(&case);
    let narrow = State::from_bytes(&safetensors(&state, Dtype::F32)).unwrap();
    let (mut wide, mut single) =
        (Cpu::default().build_module::<Event, f64>(), Cpu::default().build_module::<Event, f32>());
    wide.load_jammy_flows_state(&narrow).unwrap();
    single.load_jammy_flows_state(&narrow).unwrap();
    let rounded: Vec<f64> = single.flat_weights().into_iter().map(f64::from).collect();
    assert_eq!(wide.flat_weights(), rounded);
    // And F64 into a flow of f32 is rounded once.
    let mut other = Cpu::default().build_module::<Event, f32>();
    other.load_jammy_flows_state(&State::from_bytes(&safetensors(&state, Dtype::F64)).unwrap()).unwrap();
    assert_eq!(other.flat_weights(), single.flat_weights());

    let mut too_large = state;
    too_large[0].data[5] = -1e300;
    let error =
        other.load_jammy_flows_state(&State::from_bytes(&safetensors(&too_large, Dtype::F64)).unwrap()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains(&format!("`{}` holds -1e300 at place 5: not a finite f32", too_large[0].name)),
        "{message}"
    );
    assert_eq!(other.flat_weights(), single.flat_weights());
    wide.load_jammy_flows_state(&State::from_bytes(&safetensors(&too_large, Dtype::F64)).unwrap()).unwrap();
}

fn problems(error: StateError) -> Vec<Problem> {
    match error {
        StateError::Misfit { problems, .. } => problems,
        other => panic!("{other}"),
    }
}

/// The error of loading a state into a flow, which has to be as it was.
fn refused(pdf: &mut Built<Event, f64>, content: &[u8]) -> StateError {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    fs::write(&path, content).unwrap();
    let before = pdf.flat_weights();
    let error = pdf.load_jammy_flows(&path).unwrap_err();
    assert_eq!(pdf.flat_weights(), before);
    assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    error
}

#[test]
fn everything_that_does_not_fit_is_in_one_error_and_changes_nothing() {
    let mut pdf = Cpu::seed_from_u64(1).build_module::<Event, f64>();
    let mut state = state(&vector(EVENT));
    let place = |state: &[Tensor], name: &str| state.iter().position(|t| t.name == name).unwrap();
    let found = place(&state, "mlp_predictors.0.2.bias");
    state.remove(found);
    let found = place(&state, "mlp_predictors.0.4.weight");
    state[found].shape.reverse();
    let found = place(&state, "mlp_predictors.1.0.bias");
    state[found].data[3] = f64::NAN;
    state.push(Tensor::new("layer_list.0.0.vs", &[1, 3, 3], &[0.5; 9]));
    // It has no numbers, so nobody misses them.
    state.push(Tensor::new("layer_list.0.0.nothing", &[1, 0], &[]));

    let error = refused(&mut pdf, &safetensors(&state, Dtype::F64));
    let message = error.to_string();
    let name = |name: &str| name.to_string();
    let problems = problems(error);
    let (nan, rest): (Vec<_>, Vec<_>) = problems.iter().partition(|p| matches!(p, Problem::NotFinite { .. }));
    assert_eq!(
        rest,
        [
            &Problem::Missing { name: name("mlp_predictors.0.2.bias"), expected: vec![6] },
            &Problem::Shape { name: name("mlp_predictors.0.4.weight"), found: vec![6, 399], expected: vec![399, 6] },
            &Problem::Surplus { name: name("layer_list.0.0.vs"), found: vec![1, 3, 3] },
        ]
    );
    assert!(matches!(nan[..], [Problem::NotFinite { name, value, at: 3, .. }]
        if name == "mlp_predictors.1.0.bias" && value.is_nan()));
    for told in [
        "\n  `mlp_predictors.0.2.bias` is missing: its shape would be [6]\n",
        "\n  `mlp_predictors.0.4.weight` has the shape [6, 399]: expected [399, 6]\n",
        "\n  `mlp_predictors.1.0.bias` holds NaN at place 3: not a finite number\n",
        "\n  `layer_list.0.0.vs` of shape [1, 3, 3] is surplus: the flow has no place for it\n",
        "letters, options and clauses (`cond`, `hidden`, `rank`, `highway`, `poisson`, `amortize`)",
    ] {
        assert!(message.contains(told), "{message}");
    }
}

#[test]
fn other_numbers_than_floating_point_are_refused() {
    let mut pdf = Cpu::seed_from_u64(1).build_module::<Event, f64>();
    let state = state(&vector(EVENT));
    let error = refused(&mut pdf, &safetensors(&state, Dtype::I64));
    let message = error.to_string();
    assert!(
        message.contains("`mlp_predictors.0.0.weight` holds numbers of the type I64: expected F32 or F64"),
        "{message}"
    );
    assert!(message.ends_with("with `.double()`"), "{message}");
    assert_eq!(problems(error).len(), state.len());
    // JSON has no word for a number that is not finite; null stands for one, and Python's NaN is no JSON.
    let error = refused(&mut pdf, br#"{"mlp_predictors.0.0.bias": [1, 2, 3, 4, null, 6, 7, 8]}"#);
    assert!(error.to_string().contains("`mlp_predictors.0.0.bias` holds NaN at place 4"), "{error}");
    let error = refused(&mut pdf, br#"{"mlp_predictors.0.0.bias": [NaN]}"#);
    assert!(matches!(error, StateError::NotAState { .. }), "{error}");
}

#[test]
fn damaged_files_are_refused_and_change_nothing() {
    let mut pdf = Cpu::seed_from_u64(1).build_module::<Event, f64>();
    let state = state(&vector(EVENT));
    let (_folder, paths) = saved(&state);
    for path in paths {
        let whole = fs::read(&path).unwrap();
        for cut in [0, 1, 7, 8, 9, 20, 200, whole.len() / 2, whole.len() - 1] {
            let error = refused(&mut pdf, &whole[..cut]);
            assert!(matches!(error, StateError::NotAState { .. }), "{} cut at {cut}: {error}", path.display());
        }
        // A damaged byte anywhere in front is an error or another number, never a panic.
        for at in 0..whole.len().min(400) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x15;
            if let Ok(state) = State::from_bytes(&damaged) {
                let _ = pdf.clone().load_jammy_flows_state(&state);
            }
        }
    }
    let absent = pdf.load_jammy_flows("no such file").unwrap_err();
    assert!(matches!(&absent, StateError::Io { .. }) && absent.to_string().starts_with("no such file: "), "{absent}");
}

#[test]
fn a_part_of_a_larger_model() {
    let case = vector("pdf_s2_f");
    let mut all = state(&case);
    all.iter_mut().for_each(|tensor| tensor.name = format!("model.pdf.{}", tensor.name));
    all.push(Tensor::new("model.encoder.weight", &[2], &[1.0, 2.0]));
    let state = State::from_bytes(&safetensors(&all, Dtype::F64)).unwrap();
    let mut pdf = Cpu::default().build_module::<flow!(s2 : f), f64>();
    // Two are missing, three surplus.
    assert_eq!(problems(pdf.load_jammy_flows_state(&state).unwrap_err()).len(), 5);
    pdf.load_jammy_flows_state(&state.under("model.pdf.")).unwrap();
    hold(&case, &pdf.log_prob(&rows::<2>(&case["x"])).unwrap().as_vec());
}

#[test]
fn the_reference_vectors_themselves_are_states() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/pdf_s2_f.json");
    let mut pdf = Cpu::default().build_module::<flow!(s2 : f), f64>();
    assert_eq!(pdf.load_jammy_flows(path).unwrap().to_string(), "2 tensors, 10 numbers");
}

/// The tensors of a flow's letters, as text.
fn names<S: Spec>() -> String {
    let mut summary = Summary::default();
    S::Blocks::describe(&mut summary);
    let letters = summary.blocks.iter().flat_map(|block| &block.letters);
    let tensors = letters.flat_map(|letter| &letter.state).map(|t| format!("{} {:?}", t.name, t.shape));
    tensors.collect::<Vec<_>>().join(", ")
}

/// Holds the tensors of flows to those that the sources of jammy_flows make.
macro_rules! names {
    ($([$($flow:tt)*] $names:expr;)*) => {$(
        assert_eq!(names::<flow!($($flow)*)>(), $names, stringify!($($flow)*));
    )*};
}

#[test]
fn names_and_shapes_are_those_of_the_package() {
    let kde = |k: usize, d: usize| format!("kde_means [1, {k}, {d}], kde_log_widths [1, {k}, {d}]");
    names! {
        [e3 : g(fit_normalization = 0)] format!("offsets [3], vs [1, 3, 3], {}", kde(10, 3));
        [e3 : g(num_kde = 4, num_householder_iter = 2, skip_model_offset = 1)]
            format!("vs [1, 2, 3], {}, kde_log_weights [1, 4, 3]", kde(4, 3));
        [e2 : g(add_skewness = 1, rotation_mode = "none")]
            format!("offsets [2], {}, kde_log_weights [1, 10, 2], kde_log_skew_exponents [1, 10, 2]", kde(10, 2));
        [e2 : g(center_mean = 1, fit_normalization = 0, rotation_mode = "cayley")]
            "offsets [2], cayley_pars [1, 1], kde_means [1, 9, 2], kde_log_widths [1, 10, 2]";
        [e3 : g(fit_normalization = 0, rotation_mode = "angles")]
            format!("offsets [3], angle_pars [1, 3], {}", kde(10, 3));
        [e3 : g(fit_normalization = 0, rotation_mode = "triangular_combination")]
            format!("offsets [3], triangle_trafo_pars [1, 8], {}", kde(10, 3));
        [e1 : g(fit_normalization = 0, rotation_mode = "triangular_combination")]
            format!("offsets [1], {}", kde(10, 1));
        [e2 : g(nonlinear_stretch_type = "rq_splines", num_kde = 5)]
            "offsets [2], vs [1, 2, 2], log_widths [1, 2, 5], log_heights [1, 2, 5], log_derivatives [1, 2, 6], \
             boundary_points [1, 2, 4]";
        [e3 : t(cov_type = "identity")] "offsets [3]";
        [e3 : t(cov_type = "diagonal_symmetric")] "offsets [3], single_diagonal_log [1, 1]";
        [e3 : tt(cov_type = "full")]
            "full_diagonal_log [1, 3], lower_triangular_entries [1, 3], \
             offsets [3], full_diagonal_log [1, 3], lower_triangular_entries [1, 3]";
        [e2 : x] "";
        [e2 : x(add_offset = 1)] "offsets [2]";
        [i1 : rz] "rel_log_widths [1, 5], rel_log_heights [1, 5], rel_log_derivatives [1, 6]";
        [i1 : r(num_basis_functions = 3, smooth_second_derivative = 1)]
            "rel_log_widths [1, 2], rel_log_heights [1, 2], rel_log_derivatives [1, 2]";
        [i1 : r(
            num_basis_functions = 2, smooth_second_derivative = 1, fix_boundary_derivatives = 1,
            fix_first_width_n_height_to_zero = 1, also_fix_second_width_to_zero = 1
        )] "rel_log_heights [1, 1]";
        [s1 : y(add_rotation = 1)] "householder_params [1, 4]";
        [s1 : mm(num_basis_functions = 3)] "moebius_pars [1, 3, 4], moebius_pars [1, 3, 4]";
        [s1 : m(add_rotation = 1)] "householder_params [1, 4], moebius_pars [1, 5, 4]";
        [s1 : o] "householder_params [1, 4], rel_log_widths [1, 2], rel_log_heights [1, 2]";
        [s1 : o(add_rotation = 0, smooth_second_derivative = 0, num_basis_functions = 5)]
            "rel_log_widths [1, 5], rel_log_heights [1, 5], rel_log_derivatives [1, 5]";
        [s1 : o(add_rotation = 0, fix_first_width_n_height_to_zero = 1, also_fix_second_width_to_zero = 1)]
            "rel_log_heights [1, 1]";
        [s2 : yy(add_rotation = 1)] "householder_params [1, 9], householder_params [1, 9]";
        [s2 : f(rotation_mode = "angles", add_vertical_rq_spline_flow = 1)]
            "householder_params [1, 3], loglike_kappa [1, 1], vertical_flow_params [1, 28]";
        [s2 : f(add_rotation = 0, add_circular_rq_spline_flow = 1)]
            "loglike_kappa [1, 1], circular_flow_params [1, 8]";
        [s2 : n] "householder_params [1, 9], amortized_mlp.u_v_b_pars [1, 1232], moebius_trafo.moebius_pars [1, 10, 4]";
        [s2 : n(rotation_mode = "angles", num_basis_functions = 5, zenith_type_layers = "g", hidden_dims = "8")]
            "householder_params [1, 3], amortized_mlp.u_v_b_pars [1, 303], moebius_trafo.moebius_pars [1, 5, 4]";
        [a3 : w] "inner_flow_params [1, 16698]";
        [a2 : u] "log_tau [1, 1], log_probs [1, 3]";
    }
}

/// A layer of one's own whose number is stored twice.
struct Shift;

impl Layer<Euclidean<1>> for Shift {
    const PARAMS: usize = 1;
    const PREPARED: usize = 1;
    const SCRATCH: usize = 0;
    const NAME: &'static str = "shift";

    fn state() -> Vec<StateTensor> {
        vec![StateTensor { name: "shift", copy: Some("twin"), shape: vec![1, 1] }]
    }
    fn initial<G: Rng + ?Sized>(_: &mut G, params: &mut [f64]) {
        params[0] = 0.0;
    }
    fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        prepared[0] = params[0];
    }
    fn prepare_vjp<P: Real>(_: &[P], _: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        cot_params[0] += cot_prepared[0];
    }
    fn inverse<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], _: &mut R, _: &mut [R]) {
        x[0] -= prepared[0].lift();
    }
    fn inverse_vjp<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], cot: &mut [R], _: R, cot_prepared: &mut [R]) {
        cot_prepared[0] -= cot[0];
    }
    fn forward<R: Real, P: Lift<R>>(prepared: &[P], z: &mut [R], _: &mut R, _: &mut [R]) -> R::Mask {
        z[0] += prepared[0].lift();
        R::Mask::splat(false)
    }
    fn forward_vjp<R: Real, P: Lift<R>>(_: &[P], _: &mut [R], cot: &mut [R], _: R, cot_prepared: &mut [R]) {
        cot_prepared[0] += cot[0];
    }
}

#[test]
fn copies_may_be_there_once_or_twice_but_are_the_same() {
    let mut pdf = Cpu::default().build_module::<flow!(e1 : [Shift]), f64>();
    let read = |text: &str| State::from_bytes(text.as_bytes()).unwrap();
    for text in [
        r#"{"layer_list.0.0.shift": [[0.5]]}"#,
        r#"{"layer_list.0.0.twin": [[0.5]]}"#,
        r#"{"layer_list.0.0.shift": [[0.5]], "layer_list.0.0.twin": [[0.5]]}"#,
    ] {
        pdf.set_flat_weights(&[9.0]).unwrap();
        let report = pdf.load_jammy_flows_state(&read(text)).unwrap();
        assert_eq!((pdf.flat_weights(), report.tensors[0].name.as_str()), (vec![0.5], "layer_list.0.0.shift"));
    }
    let text = r#"{"layer_list.0.0.shift": [[0.5]], "layer_list.0.0.twin": [[0.25]]}"#;
    let error = pdf.load_jammy_flows_state(&read(text)).unwrap_err();
    let message = "`layer_list.0.0.shift` and `layer_list.0.0.twin` are two copies of the same parameters, but differ";
    assert!(error.to_string().ends_with(message), "{error}");
    assert_eq!(pdf.flat_weights(), [0.5]);
    assert_eq!(problems(pdf.load_jammy_flows_state(&State::default()).unwrap_err()).len(), 1);
}
