//! The table of letters to lines of notation: every letter on every manifold it acts on, every option at every kind of value,
//! at every place of a chain.

use crate::lowered;
use flow_notation::{Argument, Kind, LETTERS, Letter, MANIFOLDS, Manifold, Opt, Takes};
use std::collections::HashSet;
use std::fmt::Write;

/// Settings that options are varied over besides the defaults: what else is in use (layers.md 14), and combinations without which
/// an option has nothing to act on.
const BASES: &[(char, &[&str])] = &[
    (
        'g',
        &[
            "width_smooth_saturation = 0",
            "width_smooth_saturation = 0, clamp_widths = 1",
            "softplus_for_width = 1, clamp_widths = 1",
            "fit_normalization = 0, lower_bound_for_widths = 0.01, upper_bound_for_widths = 1.0",
        ],
    ),
    (
        't',
        &[
            "width_smooth_saturation = 0",
            "width_smooth_saturation = 0, clamp_widths = 1",
            "softplus_for_width = 1, clamp_widths = 1",
        ],
    ),
    ('f', &[F_SPLINES, F_SUGGESTED, F_THREE_BINS, F_TWO_BINS, F_CORRELATED, F_CORRELATED_CAP, F_XYZ, F_QUATERNION]),
    ('n', &[N_WIDE]),
    ('y', &["add_rotation = 1"]),
    ('c', &[C_TIGHT, C_RK4, C_ADJOINT, C_ADJOINT_RK4, C_PROBES]),
    (
        'm',
        &[
            "add_rotation = 1",
            "natural_direction = 1",
            "add_rotation = 1, natural_direction = 1, num_basis_functions = 2",
        ],
    ),
    (
        'o',
        &[
            "smooth_second_derivative = 0, num_basis_functions = 5",
            "fix_first_width_n_height_to_zero = 1",
            "add_rotation = 0, natural_direction = 0",
            "add_rotation = 0, natural_direction = 0, smooth_second_derivative = 0",
            O_FIXED,
            O_PLAIN_FIXED,
        ],
    ),
    (
        'v',
        &["natural_direction = 1", "natural_direction = 1, add_rotation = 1, mean_parametrization = \"householder\""],
    ),
    (
        'r',
        &[
            "fix_first_width_n_height_to_zero = 1",
            "num_basis_functions = 2, smooth_second_derivative = 1",
            "num_basis_functions = 3, smooth_second_derivative = 1",
        ],
    ),
];

/// Layer c is as exact as its solver: a small network, and tolerances below those of the laws.
const C_TIGHT: &str = "atol = 1e-11, cnf_network_hidden_dims = \"3\", rtol = 1e-11";
const C_RK4: &str = "cnf_network_hidden_dims = \"3\", solver = \"rk4\", steps = 64";
const C_ADJOINT: &str = "atol = 1e-11, cnf_network_hidden_dims = \"3\", gradients = \"adjoint\", rtol = 1e-11";
const C_ADJOINT_RK4: &str = "cnf_network_hidden_dims = \"3\", gradients = \"adjoint\", solver = \"rk4\", steps = 64";
const C_PROBES: &str = "atol = 1e-11, cnf_network_hidden_dims = \"3\", divergence = \"hutchinson\", rtol = 1e-11";

/// Values of options that decide how exact a layer is: such that the laws can be asked of it.
const EXACT: &[(char, &str, &[&str])] =
    &[('c', "rtol", &["1e-12"]), ('c', "atol", &["1e-12"]), ('c', "max_steps", &["300"]), ('c', "steps", &["80"])];

const O_FIXED: &str = "fix_first_width_n_height_to_zero = 1, also_fix_second_width_to_zero = 1, \
    independent_width_height_parametrization = 1";
const O_PLAIN_FIXED: &str = "smooth_second_derivative = 0, num_basis_functions = 4, fix_boundary_derivatives = 1.0, \
    fix_first_width_n_height_to_zero = 1, also_fix_second_width_to_zero = 1, \
    independent_width_height_parametrization = 1, min_width = 0.01, min_height = 0.02, min_derivative = 0.1";
const F_SPLINES: &str = "add_vertical_rq_spline_flow = 1, add_circular_rq_spline_flow = 1";
const F_SUGGESTED: &str = "add_vertical_rq_spline_flow = 1, add_circular_rq_spline_flow = 1, \
    spline_num_basis_functions = -1, vertical_smooth = 1, vertical_fix_first_width_n_height_to_zero = 1, \
    vertical_also_fix_second_width_to_zero = 1, vertical_independent_width_height_parametrization = 1";
const F_THREE_BINS: &str = "add_vertical_rq_spline_flow = 1, spline_num_basis_functions = 3, vertical_smooth = 1";
const F_TWO_BINS: &str = "add_vertical_rq_spline_flow = 1, spline_num_basis_functions = 2, vertical_smooth = 1, \
    vertical_fix_boundary_derivative = 0";

const F_CORRELATED: &str = "add_correlated_rq_spline_flow = 1";
const F_CORRELATED_CAP: &str = "add_correlated_rq_spline_flow = 1, boundary_cos_theta_identity_region = 0.1, \
    add_extra_rotation_inbetween = 1, circular_flow_defs = \"o\", vertical_flow_defs = \"zrr\"";
const F_XYZ: &str = "rotation_mode = \"xyz\"";
const F_QUATERNION: &str = "rotation_mode = \"quaternion\"";
/// Values tried instead of those of [`values`]: a search that may look at one point finds nothing (the tests of the layer see to that).
const INSTEAD: &[(&str, &[&str])] = &[("max_num_newton_iter", &["100", "5000"])];
/// Two hidden layers that are worth factoring: without them ranks and highways are much the same.
const N_WIDE: &str = "hidden_dims = \"6-5\", highway_mode = 4, max_rank = 2";
const N_SMALL: &str = "hidden_dims = \"8\"";

/// The Rust text: the rows of all letters.
pub fn generate() -> String {
    let mut rows = String::new();
    for letter in LETTERS {
        let mut told = HashSet::new();
        for line in lines(letter) {
            let lowered = lowered(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
            if told.insert(lowered) {
                writeln!(rows, "    Row::of::<Flow<::flow_runtime::flow!({line})>>({:?}, {line:?}),", letter.letter)
                    .expect("a string");
            }
        }
    }
    format!("static ROWS: &[Row] = &[\n{rows}];\n")
}

/// Where rotations and the like are tried in every dimension, options otherwise act coordinate by coordinate and are tried in one.
const BY_DIMENSION: &[&str] = &["rotation_mode", "num_householder_iter", "cov_type"];

/// Options that mean something else for the first or the last letter of a chain (layers.md 2.3).
const BY_PLACE: &[&str] = &["inverse_function_type", "replace_first_sigmoid_with_icdf", "skip_model_offset"];

/// Intervals besides the one that is meant where no bounds are written: around zero, and far from it for its length.
const BOUNDS: [&str; 2] = ["[-3, 7.5]", "[100, 101]"];

/// All lines for one letter.
fn lines(letter: &Letter) -> Vec<String> {
    let mut lines = Vec::new();
    let mentions = |settings: &str, names: &[&str]| names.iter().any(|name| settings.contains(name));
    for manifold in MANIFOLDS.iter().filter(|manifold| letter.on.contains(&manifold.key)) {
        let (least, most) = manifold.dims;
        if manifold.takes == Takes::Bounds {
            lines.extend(BOUNDS.map(|bounds| format!("{}1{bounds} : {}", manifold.prefix, with(letter, 1, ""))));
        }
        // The first three of a family; its second one, or the least of the higher spheres, takes every option.
        let usual = least.max(2);
        for dim in least..=most.min(least + 2) {
            for settings in settings(letter, manifold) {
                let on = format!("{}{dim}", manifold.prefix);
                if least == most || dim == usual || settings.is_empty() || mentions(&settings, BY_DIMENSION) {
                    lines.push(format!("{on} : {}", with(letter, 1, &settings)));
                }
                // First, in the middle and last, where the place matters.
                let placed = letter.arguments.contains(&Argument::Place);
                if placed && (settings.is_empty() || dim == usual && mentions(&settings, BY_PLACE)) {
                    lines.push(format!("{on} : {}", with(letter, 3, &settings)));
                }
            }
        }
    }
    lines
}

fn with(letter: &Letter, times: usize, settings: &str) -> String {
    let word = letter.letter.to_string().repeat(times);
    if settings.is_empty() { word } else { format!("{word}({settings})") }
}

/// The defaults, the other bases, and every option at every kind of value over the first base that admits it.
fn settings(letter: &Letter, manifold: &Manifold) -> Vec<String> {
    let least = manifold.dims.0;
    let bases: Vec<&str> = [""]
        .into_iter()
        .chain(BASES.iter().filter(|(of, _)| *of == letter.letter).flat_map(|(_, bases)| bases.iter().copied()))
        .collect();
    let sorted = |base: &&str| {
        let mut settings: Vec<&str> = base.split(", ").collect();
        settings.sort_unstable();
        settings.join(", ")
    };
    let mut all: Vec<String> = bases.iter().map(sorted).collect();
    for option in letter.options {
        let exact = EXACT.iter().find(|(of, name, _)| *of == letter.letter && *name == option.name);
        let values =
            exact.map_or_else(|| values(option), |(.., values)| values.iter().map(ToString::to_string).collect());
        for value in values {
            let over = |base: &&str| {
                let kept = base.split(", ").filter(|one| !one.is_empty() && one.split(' ').next() != Some(option.name));
                let mut settings: Vec<_> =
                    kept.map(str::to_string).chain([format!("{} = {value}", option.name)]).collect();
                // So that the same settings are the same text.
                settings.sort();
                settings.join(", ")
            };
            let admitted = |settings: &String| {
                let line = format!("{}{} : {}", manifold.prefix, manifold.dims.0, with(letter, 1, settings));
                lowered(&line).is_ok()
            };
            // Options of splines do nothing without splines; the others act alone. Layer c is exact enough with its own bases only.
            let mut bases = bases.clone();
            if letter.letter == 'c' || letter.letter == 'f' && is_of_splines(option) {
                bases.rotate_left(1);
            }
            if option.name == "correlated_max_rank" {
                bases = vec![F_CORRELATED];
            }
            // One network a level: small ones will do.
            if letter.letter == 'n' && least > 2 {
                bases = vec![N_SMALL];
            }
            let found: Option<String> = bases.iter().map(over).find(admitted);
            all.extend(found);
        }
    }
    all
}

fn is_of_splines(option: &Opt) -> bool {
    ["vertical", "circular", "spline", "boundary"].iter().any(|start| option.name.starts_with(start))
}

/// Values of an option that are not its default, as the notation writes them.
fn values(option: &Opt) -> Vec<String> {
    if let Some((_, values)) = INSTEAD.iter().find(|(name, _)| *name == option.name) {
        return values.iter().map(ToString::to_string).collect();
    }
    let all: Vec<String> = match option.kind {
        // The modes of something.
        Kind::Int { least, most, or_minus_one: false } if most - least < 8 => {
            (least..=most).map(|n| n.to_string()).collect()
        }
        Kind::Int { least, most, or_minus_one } => {
            let minus_one = or_minus_one.then_some(-1);
            minus_one
                .into_iter()
                .chain([0, 1, 3].into_iter().filter(|n| (least..=most).contains(n)))
                .map(|n| n.to_string())
                .collect()
        }
        Kind::Only(one) => vec![one.to_string()],
        Kind::Positive { or_minus_one } => {
            let default = option.default.number().unwrap_or(1.0);
            let other = if default > 0.0 { 2.0 * default } else { 20.0 };
            let minus_one = or_minus_one.then_some(-1.0);
            [0.3, other].into_iter().chain(minus_one).map(|number| format!("{number:?}")).collect()
        }
        Kind::Fraction => vec!["0.1".into(), "0.25".into()],
        Kind::Flag => vec!["0".into(), "1".into()],
        Kind::Choice(of) => of.iter().map(|one| format!("{one:?}")).collect(),
        Kind::Letters { of, same, most } => {
            let repeats =
                |one: char| (1..=most.min(2)).map(move |times| format!("{:?}", one.to_string().repeat(times)));
            let mixed = (!same).then(|| format!("{of:?}"));
            of.chars().flat_map(repeats).chain(mixed).collect()
        }
        Kind::Widths => vec!["\"8\"".into(), "\"6-5\"".into()],
    };
    let is_default = |value: &String| {
        *value == option.default.to_string()
            || value.parse().ok().is_some_and(|v: f64| option.default.number() == Some(v))
    };
    all.into_iter().filter(|value| !is_default(value)).collect()
}
