//! The laws of layers over every row of the table of the notation (flow-macros/src/compiler/table.rs): each letter on each
//! manifold it acts on, each option at each kind of value, at each place of a chain. build.rs writes the rows.
//!
//! Laws (flow-runtime, `layers::laws`): round trip to 1e-9 in f64 and 1e-4 in f32, with log-determinants of both directions that
//! cancel; log-determinant against the numerical Jacobian; all derivatives of both directions against central differences; packs
//! against single points. Then the ends of the working range: |x| up to 1e6, the poles and the seam.

#[path = "../../flow-macros/src/compiler/table.rs"]
mod table;

use flow_runtime::kernels::{Block, Head};
use flow_runtime::layers::laws::{self, Tolerance};
use flow_runtime::layers::{
    AffineOptions, Chain, ContinuousOptions, CovType, Divergence, Fault, FisherOptions, GaussianizationOptions,
    Gradients, IdentityOptions, IntervalSplineOptions, InverseFunction, KappaPrediction, Options, OrientationOptions,
    RotationMode, SegmentedOptions, Solver, SphereRotation, StretchType, settings,
};
use flow_runtime::manifolds::Manifold;
use flow_runtime::module::Spec;
use flow_runtime::numeric::Scalar;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::fmt::Debug;
use table::{Kind, LETTERS};

/// The manifolds and chains of a type that `flow!` wrote.
type Flow<S> = <S as Spec>::Blocks;

/// A line of the table's options, and the laws on it.
struct Row {
    letter: char,
    line: &'static str,
    laws: fn(u64) -> Result<(), String>,
    ends: fn(u64) -> Result<(), String>,
}

impl Row {
    const fn of<B: Single>(letter: char, line: &'static str) -> Row {
        Row { letter, line, laws: B::laws, ends: B::ends }
    }
}

/// The default of an option, as the table and as the runtime have it.
struct Default {
    letter: char,
    option: &'static str,
    /// Whether the option set to the table's default gives the runtime's defaults.
    same: fn() -> bool,
}

/// A struct of options.
trait Defaults: Sized + PartialEq + Debug + 'static {
    const LETTER: char;
    const DEFAULT: Self;
}

macro_rules! defaults {
    ($($letter:literal $name:ident)*) => {$(
        impl Defaults for $name {
            const LETTER: char = $letter;
            const DEFAULT: Self = $name::DEFAULT;
        }
    )*};
}
defaults! {
    'g' GaussianizationOptions
    't' AffineOptions
    'x' IdentityOptions
    'f' FisherOptions
    'n' SegmentedOptions
    'y' OrientationOptions
    'r' IntervalSplineOptions
    'c' ContinuousOptions
}

impl Default {
    const fn of<Setting: Options<T>, T: Defaults>(letter: char, option: &'static str) -> Default {
        Default { letter, option, same: || Setting::VALUE == T::DEFAULT }
    }
}

include!(concat!(env!("OUT_DIR"), "/table_rows.rs"));

/// How far random parameters are from a start.
const SPREAD: f64 = 0.3;

/// Parameter vectors and points for each row.
const ROUNDS: usize = 2;

/// One manifold with one chain.
trait Single {
    fn laws(seed: u64) -> Result<(), String>;
    fn ends(seed: u64) -> Result<(), String>;
}

impl<M: Manifold, C: Chain<M>, H: Head> Single for (Block<M, C, H>, ()) {
    fn laws(seed: u64) -> Result<(), String> {
        if is_segmented::<M, C>() {
            away_from_the_axis::<M, C>(seed)
        } else if C::PARAMS > MANY {
            without_parameters::<M, C>(seed)
        } else if bounded::<M>() {
            laws::check_samples::<M, C>(seed, ROUNDS, SPREAD, Tolerance::F64)
        } else {
            // Layer c, which solves an equation each time, takes long.
            let rounds = if has::<M, C>("c") { 1 } else { ROUNDS };
            laws::check::<M, C>(seed, rounds, SPREAD, tolerance::<M, C>())
        }
    }

    fn ends(seed: u64) -> Result<(), String> {
        let mut rng = StdRng::seed_from_u64(seed);
        let params = laws::random_params::<M, C>(&mut rng, SPREAD);
        if bounded::<M>() {
            return at_the_boundary::<M, C>(&params);
        }
        let of = tolerance::<M, C>();
        let flat = M::DIM == M::EMBED;
        for (number, point) in if flat { far::<M>() } else { special::<M>() }.into_iter().enumerate() {
            finite::<M, C, f64>(&params, &point)?;
            finite::<M, C, f32>(&params, &point)?;
            // On its axis layer n has a value for each direction in which the axis is left, and rounding picks one.
            if is_segmented::<M, C>() && point[0].hypot(point[1]) < 1e-30 {
                continue;
            }
            laws::round_trip::<M, C, f64>(&params, &point, of.round_trip)?;
            laws::round_trip::<M, C, f32>(&params, &point, 1e-4)?;
            // Beside its axis layer n bends over distances shorter than the steps of the differences. To layer c all points are alike.
            let enough = of.gradient > Tolerance::F64.gradient || number % 8 != 0;
            let left_out = is_segmented::<M, C>() || has::<M, C>("c") && enough;
            if !flat && !left_out {
                laws::jacobian::<M, C>(&params, &point, of.jacobian)?;
                laws::gradients::<M, C>(&mut rng, &params, &point, true, of.gradient)?;
                laws::gradients::<M, C>(&mut rng, &params, &point, false, of.gradient)?;
            }
        }
        Ok(())
    }
}

/// Above this number of parameters not every one of them is tried here.
const MANY: usize = 2000;

/// Intervals and simplices.
fn bounded<M: Manifold>() -> bool {
    M::notation().starts_with(['i', 'a'])
}

/// The laws but for derivatives by parameters: layer w has thousands on a simplex, and the tests beside it try them all.
fn without_parameters<M: Manifold, C: Chain<M>>(seed: u64) -> Result<(), String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let params = laws::random_params::<M, C>(&mut rng, 0.1);
    for _ in 0..ROUNDS {
        let start = laws::random_point::<M>(&mut rng, 1.0);
        laws::round_trip::<M, C, f64>(&params, &start, 1e-9)?;
        laws::round_trip::<M, C, f32>(&params, &start, 1e-4)?;
        laws::jacobian::<M, C>(&params, &start, 1e-6)?;
    }
    let points: Vec<_> = (0..4).map(|_| laws::random_point::<M>(&mut rng, 1.0)).collect();
    laws::lanes_agree::<M, C>(&mut rng, &[params], &points)
}

/// The ends of an interval, faces and corners of a simplex, and points beside them: everything is a number. An interval is mapped
/// there and back as well.
fn at_the_boundary<M: Manifold, C: Chain<M>>(params: &[f64]) -> Result<(), String> {
    let mut points = Vec::new();
    if M::DIM == M::EMBED {
        points.extend([0.0, 1e-300, 1e-12, 1e-3, 1.0 - 1e-3, 1.0 - 1e-12, 1.0].map(|x| vec![x]));
    } else {
        for (tiny, k) in [0.0, 1e-300, 1e-12, 1e-6].into_iter().flat_map(|tiny| (0..M::EMBED).map(move |k| (tiny, k))) {
            let place = |at: f64, others: f64| (0..M::EMBED).map(|i| if i == k { at } else { others }).collect();
            points.push(place(1.0 - tiny * M::DIM as f64, tiny));
            points.push(place(tiny, (1.0 - tiny) / M::DIM as f64));
        }
    }
    for point in points {
        finite::<M, C, f64>(params, &point)?;
        finite::<M, C, f32>(params, &point)?;
        if M::DIM == M::EMBED {
            laws::round_trip::<M, C, f64>(params, &point, 1e-9)?;
            laws::round_trip::<M, C, f32>(params, &point, 1e-4)?;
        }
    }
    Ok(())
}

/// What a chain's laws are held to. Layer c is as exact as its solver: at its default tolerances of 1e-7 a hundred of them, and differences, whose steps are 1e-4,
/// see steps come and go. Where directions of Hutchinson's estimate are too few, the log-determinant is that of no map.
fn tolerance<M: Manifold, C: Chain<M>>() -> Tolerance {
    let mut letters = Vec::new();
    C::describe(&mut letters);
    let Some(options) = letters.iter().find(|letter| letter.name == "c").map(|letter| &letter.options) else {
        return Tolerance::F64;
    };
    let mut of = Tolerance::F64;
    if !options.contains("tol = ") && !options.contains("Rk4") {
        of = Tolerance { round_trip: 1e-5, jacobian: 1e-4, gradient: 1e-4 };
    }
    if options.contains("Hutchinson") {
        let probes = options.split("probes = ").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok());
        let probes: usize = probes.unwrap_or(ContinuousOptions::DEFAULT.probes as usize);
        if !probes.is_power_of_two() || probes < M::EMBED {
            of.jacobian = f64::INFINITY;
        }
    }
    of
}

fn has<M: Manifold, C: Chain<M>>(name: &str) -> bool {
    let mut letters = Vec::new();
    C::describe(&mut letters);
    letters.iter().any(|letter| letter.name == name)
}

fn is_segmented<M: Manifold, C: Chain<M>>() -> bool {
    has::<M, C>("n")
}

/// The laws for layer n, which is continuous but not smooth at the two poles of its axis (layers.md 8.4): at points that are 0.03
/// away from them, because differences step by 2e-4.
fn away_from_the_axis<M: Manifold, C: Chain<M>>(seed: u64) -> Result<(), String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut all = Vec::new();
    for _ in 0..4 {
        let params = laws::random_params::<M, C>(&mut rng, SPREAD);
        // The poles of the base go to those of the axis.
        let mut axis = vec![0.0, 0.0, 1.0];
        let (mut prepared, mut scratch) = (vec![0.0; C::PREPARED], vec![0.0; C::SCRATCH]);
        C::prepare(&params, &mut prepared);
        C::forward(&prepared, &mut axis, &mut 0.0, &mut scratch, 0, &mut None);
        let start = loop {
            let start = laws::random_point::<M>(&mut rng, 1.0);
            let along: f64 = start.iter().zip(&axis).map(|(a, b)| a * b).sum();
            if along.abs().max(start[2].abs()) < 0.9995 {
                break start;
            }
        };
        all.push((params, start));
    }
    for (params, start) in &all[..ROUNDS] {
        laws::round_trip::<M, C, f64>(params, start, 1e-9)?;
        laws::round_trip::<M, C, f32>(params, start, 1e-4)?;
        laws::jacobian::<M, C>(params, start, 1e-6)?;
        laws::gradients::<M, C>(&mut rng, params, start, true, 1e-6)?;
        laws::gradients::<M, C>(&mut rng, params, start, false, 1e-6)?;
    }
    let (params, points): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    laws::lanes_agree::<M, C>(&mut rng, &params, &points)
}

/// Points of a Euclidean space out to 1e6.
fn far<M: Manifold>() -> Vec<Vec<f64>> {
    let mut points = vec![vec![0.0; M::DIM]];
    for far in [10.0, 1e3, 1e6] {
        points.push((0..M::DIM).map(|d| far * [1.0, -0.7, 0.4][d % 3]).collect());
        points.push((0..M::DIM).map(|d| if d == 0 { -far } else { 0.3 }).collect());
    }
    points
}

/// Poles, points beside them, the seam of the azimuth; on the circle the angles 0 and pi.
fn special<M: Manifold>() -> Vec<Vec<f64>> {
    if M::EMBED == 2 {
        let beside = |sin: f64| [vec![(1.0 - sin * sin).sqrt(), sin], vec![-(1.0 - sin * sin).sqrt(), sin]];
        return [0.0, -0.0, 1e-300, -1e-12, 1e-7, -1e-3].into_iter().flat_map(beside).collect();
    }
    let mut points = vec![vec![0.0, 0.0, 1.0], vec![0.0, 0.0, -1.0]];
    for rho in [1e-300, 1e-100, 1e-12, 1e-7, 1e-3] {
        let z = f64::sqrt(1.0 - rho * rho);
        points.extend([vec![rho * 0.8, -rho * 0.6, z], vec![-rho, 0.0, -z], vec![0.0, rho, -z]]);
    }
    for z in [-0.7, 0.4] {
        let rho = f64::sqrt(1.0 - z * z);
        points.extend([vec![-rho, 0.0, z], vec![-rho, -0.0, z], vec![-rho, 1e-13, z], vec![rho, 0.0, z]]);
    }
    points
}

/// Values and derivatives of both directions are numbers.
fn finite<M: Manifold, C: Chain<M>, T: Scalar>(params: &[f64], point: &[f64]) -> Result<(), String> {
    let narrow = |values: &[f64]| values.iter().map(|v| T::narrow(*v)).collect::<Vec<T>>();
    let zeros = |n: usize| vec![T::narrow(0.0); n];
    let params = narrow(params);
    let (mut prepared, mut scratch) = (zeros(C::PREPARED), zeros(C::SCRATCH));
    C::prepare(&params, &mut prepared);
    // To the base side and from there back: the forward direction is asked for what it is given in use.
    let mut at = narrow(point);
    for inverse in [true, false] {
        let start = at.clone();
        let (mut log_det, mut fault): (T, Option<Fault>) = (T::narrow(0.0), None);
        let mut cot = narrow(&[0.4, -0.8, 1.3, -0.6][..M::EMBED]);
        let mut cot_prepared = zeros(C::PREPARED);
        let one = T::narrow(1.0);
        if inverse {
            C::inverse(&prepared, &mut at, &mut log_det, &mut scratch, 0, &mut fault);
            C::inverse_vjp(&prepared, &mut scratch, &mut cot, one, &mut cot_prepared);
        } else {
            C::forward(&prepared, &mut at, &mut log_det, &mut scratch, 0, &mut fault);
            C::forward_vjp(&prepared, &mut scratch, &mut cot, one, &mut cot_prepared);
        }
        let mut cot_params = zeros(C::PARAMS);
        C::prepare_vjp(&params, &prepared, &cot_prepared, &mut cot_params);
        let all = [&at[..], &[log_det], &cot, &cot_params].concat();
        if fault.is_some() || !all.iter().all(|v| v.widen().is_finite()) {
            let direction = if inverse { "inverse" } else { "forward" };
            return Err(format!("{direction} at {start:?} in {}: {fault:?}, {at:?} {log_det} {cot:?}", T::NAME));
        }
    }
    Ok(())
}

/// All rows of a letter; every failure is told.
fn run(letter: char) {
    let rows: Vec<&Row> = ROWS.iter().filter(|row| row.letter == letter).collect();
    let mut wrong = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let seed = 1 + number as u64;
        for (name, law) in [("laws", row.laws), ("ends of the range", row.ends)] {
            if let Err(error) = law(seed) {
                wrong.push(format!("`{}`, {name}: {error}", row.line));
            }
        }
    }
    println!("{letter}: {} rows of the table, {} laws broken", rows.len(), wrong.len());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn layer_g() {
    run('g');
}
#[test]
fn layer_t() {
    run('t');
}
#[test]
fn layer_x() {
    run('x');
}
#[test]
fn layer_f() {
    run('f');
}
#[test]
fn layer_n() {
    run('n');
}
#[test]
fn layer_y() {
    run('y');
}
#[test]
fn layer_r() {
    run('r');
}
#[test]
fn layer_z() {
    run('z');
}
#[test]
fn layer_w() {
    run('w');
}
#[test]
fn layer_u() {
    run('u');
}
#[test]
fn layer_c() {
    run('c');
}

// ---- the table and the runtime say the same --------------------------------------------------------------------

#[test]
fn every_letter_of_the_table_is_run() {
    for letter in LETTERS {
        assert!("gtxfnyrzwuc".contains(letter.letter), "a test for `{}` is missing above", letter.letter);
        for key in letter.on {
            let on = |row: &&Row| row.letter == letter.letter && row.line.starts_with(key);
            assert!(ROWS.iter().any(|row| on(&row)), "`{}` on {key}", letter.letter);
        }
    }
}

/// The fields of a struct printed by `{:?}`.
fn fields(text: &str) -> Vec<String> {
    let inside = text.split_once('{').map_or("", |(_, rest)| rest);
    let (mut depth, mut words, mut word) = (0, Vec::new(), String::new());
    for c in inside.chars() {
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth -= 1,
            ':' if depth == 0 => words.push(std::mem::take(&mut word).trim().to_string()),
            ',' if depth == 0 => word.clear(),
            _ => {}
        }
        if depth == 0 && (c.is_alphanumeric() || c == '_') {
            word.push(c);
        }
    }
    words
}

#[test]
fn options_are_the_same_in_the_table_and_in_the_runtime() {
    fn names<T: Defaults>() -> (char, Vec<String>) {
        (T::LETTER, fields(&format!("{:?}", T::DEFAULT)))
    }
    let structs = [
        names::<GaussianizationOptions>(),
        names::<AffineOptions>(),
        names::<IdentityOptions>(),
        names::<FisherOptions>(),
        names::<SegmentedOptions>(),
        names::<OrientationOptions>(),
        names::<IntervalSplineOptions>(),
        names::<ContinuousOptions>(),
    ];
    let with_options = || LETTERS.iter().filter(|letter| !letter.options.is_empty());
    assert_eq!(structs.len(), with_options().count());
    for letter in with_options() {
        let (_, found) = structs.iter().find(|(name, _)| *name == letter.letter).expect("a struct of options");
        let expected: Vec<_> = letter.options.iter().map(|option| option.name).collect();
        let (mut found, mut expected) = (found.clone(), expected);
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "options of `{}`", letter.letter);
    }
}

#[test]
fn defaults_are_the_same_in_the_table_and_in_the_runtime() {
    assert_eq!(DEFAULTS.len(), LETTERS.iter().map(|letter| letter.options.len()).sum::<usize>());
    for Default { letter, option, same } in DEFAULTS {
        assert!(same(), "the default of `{option}` of `{letter}`");
    }
}

#[test]
fn choices_are_the_same_in_the_table_and_in_the_runtime() {
    let runtime: &[(char, &str, &[&str])] = &[
        ('g', "inverse_function_type", InverseFunction::NAMES),
        ('g', "rotation_mode", RotationMode::NAMES),
        ('g', "nonlinear_stretch_type", StretchType::NAMES),
        ('t', "cov_type", CovType::NAMES),
        ('f', "kappa_prediction", KappaPrediction::NAMES),
        ('f', "rotation_mode", SphereRotation::NAMES),
        ('n', "rotation_mode", SphereRotation::NAMES),
        ('c', "solver", Solver::NAMES),
        ('c', "gradients", Gradients::NAMES),
        ('c', "divergence", Divergence::NAMES),
    ];
    let mut compared = 0;
    for letter in LETTERS {
        for option in letter.options {
            let Kind::Choice(of) = option.kind else { continue };
            let found = runtime.iter().find(|(name, known, _)| *name == letter.letter && *known == option.name);
            let (_, _, names) =
                found.unwrap_or_else(|| panic!("`{}` of `{}` is compared with nothing", option.name, letter.letter));
            assert_eq!(of, *names, "`{}` of `{}`", option.name, letter.letter);
            compared += 1;
        }
    }
    assert_eq!(compared, runtime.len());
}

/// Counts of layers.md: g K D (2 + 1) + D^2 (+ D), t D (+ D), x 0, f 10, n 1281, y 0, r 3 K + 1, z 0, w 62 and a network for each
/// further share, u D + 2.
#[test]
fn parameters_are_counted_as_published() {
    fn params<B: Counted>() -> usize {
        B::PARAMS
    }
    assert_eq!(params::<Flow<flow_runtime::flow!(e3 : g)>>(), 102);
    assert_eq!(params::<Flow<flow_runtime::flow!(e3 : gg)>>(), 99 + 102);
    assert_eq!(params::<Flow<flow_runtime::flow!(e1 : g)>>(), 32);
    assert_eq!(params::<Flow<flow_runtime::flow!(e3 : t)>>(), 6);
    assert_eq!(params::<Flow<flow_runtime::flow!(e3 : t(cov_type = "full"))>>(), 9);
    assert_eq!(params::<Flow<flow_runtime::flow!(e3 : x)>>(), 0);
    assert_eq!(params::<Flow<flow_runtime::flow!(e3 : x(add_offset = 1))>>(), 3);
    assert_eq!(params::<Flow<flow_runtime::flow!(s2 : f)>>(), 10);
    assert_eq!(params::<Flow<flow_runtime::flow!(s2 : n)>>(), 1281);
    assert_eq!(params::<Flow<flow_runtime::flow!(i1[-3, 3] : rz)>>(), 16);
    assert_eq!(params::<Flow<flow_runtime::flow!(a1 : w)>>(), 62);
    assert_eq!(params::<Flow<flow_runtime::flow!(a2 : w)>>(), 8316);
    assert_eq!(params::<Flow<flow_runtime::flow!(a3 : w)>>(), 16698);
    assert_eq!(params::<Flow<flow_runtime::flow!(a2 : u)>>(), 4);
    assert_eq!(params::<Flow<flow_runtime::flow!(s1 : y)>>(), 0);
    assert_eq!(params::<Flow<flow_runtime::flow!(s1 : y(add_rotation = 1))>>(), 4);
    assert_eq!(params::<Flow<flow_runtime::flow!(s2 : y(add_rotation = 1))>>(), 9);
}

/// The parameters of one manifold's chain.
trait Counted {
    const PARAMS: usize;
}
impl<M: Manifold, C: Chain<M>, H: Head> Counted for (Block<M, C, H>, ()) {
    const PARAMS: usize = C::PARAMS;
}

/// The README shows the table itself. `UPDATE_README=1 cargo test --release --test laws readme` writes it anew.
#[test]
fn the_readme_shows_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let text = std::fs::read_to_string(path).expect("the README");
    let (start, end) = ("<!-- letters -->\n", "<!-- /letters -->");
    let from = text.find(start).expect("the table's first mark") + start.len();
    let to = text.find(end).expect("the table's last mark");
    let table = table::markdown();
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, format!("{}{}\n{}", &text[..from], table.trim_end(), &text[to..]))
            .expect("README written");
        return;
    }
    assert_eq!(text[from..to].trim_end(), table.trim_end(), "the table changed: see this test's comment");
}
