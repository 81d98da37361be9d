//! The laws of layers over every row of the table of the notation (flow-notation): each letter on each
//! manifold it acts on, each option at each kind of value, at each place of a chain. build.rs writes the rows.
//!
//! Laws (flow-runtime, `testing::laws`): round trip to 1e-9 in f64 and 1e-4 in f32, with log-determinants of both directions that
//! cancel; log-determinant against the numerical Jacobian; all derivatives of both directions against central differences; packs
//! against single points. The same in the working range ([`working`]): |x| up to 1e6, poles and seams, closed ends, faces; exceptions
//! have names there. And what `f32` makes of it all ([`narrow`]), told in docs/f32.md.

#[path = "laws/narrow.rs"]
mod narrow;
#[path = "laws/range.rs"]
mod range;
#[path = "laws/subject.rs"]
mod subject;
#[path = "laws/working.rs"]
mod working;

use flow_notation::{LETTERS, markdown};
use flow_runtime::kernels::{Blocks, Program};
use flow_runtime::layers::Letter;
use flow_runtime::manifolds::Geometry;
use flow_runtime::module::Spec;
use flow_runtime::testing::{Laws, Points, Tolerance, Walk};
use rand::SeedableRng;
use rand::rngs::StdRng;
use subject::Subject;
use working::Outcome;

/// The manifolds and chains of a type that `flow!` wrote.
type Flow<S> = <S as Spec>::Blocks;

/// A line of the table's options, and the laws on it.
struct Row {
    letter: char,
    line: &'static str,
    program: fn() -> &'static Program,
}

impl Row {
    const fn of<B: Blocks>(letter: char, line: &'static str) -> Row {
        Row { letter, line, program: B::program }
    }

    fn subject(&self) -> Subject {
        Subject::of((self.program)())
    }
}

include!(concat!(env!("OUT_DIR"), "/table_rows.rs"));

/// How far random parameters are from a start.
const SPREAD: f64 = 0.3;

/// Parameter vectors and points for each row.
const ROUNDS: usize = 2;

/// The laws that come with the runtime, at ordinary points.
fn laws(subject: &Subject, seed: u64) -> Result<(), String> {
    named(subject)?;
    let laws = Laws { seed, rounds: ROUNDS, spread: SPREAD, ..Laws::default() };
    if is_torn(subject) {
        away_from_the_axis(subject, seed)
    } else if subject.params > MANY {
        without_parameters(subject, seed)
    } else if bounded(subject) {
        subject.laws().check(&Laws { at: Points::Samples, ..laws })?;
        Ok(())
    } else {
        // Layer c, which solves an equation each time, takes long.
        let rounds = if subject.has("c") { 1 } else { ROUNDS };
        subject.laws().check(&Laws { rounds, tolerance: tolerance(subject), ..laws })?;
        Ok(())
    }
}

/// Every letter says what its parameters are called in the reference's state dicts, and how they make up its parameter vector.
fn named(subject: &Subject) -> Result<(), String> {
    subject.laws().state()?;
    let unnamed = subject.letters.iter().find(|letter| letter.state.iter().any(|tensor| tensor.name == "params"));
    unnamed.map_or(Ok(()), |letter| Err(format!("`{}` has no `Bijection::state` of its own", letter.name)))
}

/// Above this number of parameters not every one of them is tried here.
const MANY: usize = 2000;

/// Intervals and simplices.
fn bounded(subject: &Subject) -> bool {
    matches!(subject.geometry, Geometry::Interval { .. } | Geometry::Simplex { .. })
}

/// The laws but for derivatives by parameters: layer w has thousands on a simplex, and the tests beside it try them all.
fn without_parameters(subject: &Subject, seed: u64) -> Result<(), String> {
    let laws = subject.laws();
    let mut rng = StdRng::seed_from_u64(seed);
    let params = laws.random_params(&mut rng, 0.1);
    for _ in 0..ROUNDS {
        let start = laws.random_point(&mut rng, 1.0);
        laws.round_trip::<f64>(&params, &start, 1e-9)?;
        laws.jacobian(&params, &start, 1e-6)?;
    }
    let points: Vec<_> = (0..4).map(|_| laws.random_point(&mut rng, 1.0)).collect();
    laws.lanes_agree(&mut rng, &[params], &points)?;
    Ok(())
}

/// What a chain's laws are held to. Layer c is as exact as its solver: at its default tolerances of 1e-7 a hundred of them, and differences, whose steps are 1e-4,
/// see steps come and go. Where directions of Hutchinson's estimate are too few, the log-determinant is that of no map.
fn tolerance(subject: &Subject) -> Tolerance {
    let mut of = Tolerance::F64;
    if working::is_loose(subject) {
        of = Tolerance { round_trip: 1e-5, jacobian: 1e-4, gradient: 1e-4 };
    }
    if working::has_few_probes(subject) {
        of.jacobian = f64::INFINITY;
    }
    of
}

/// Whether a chain holds a layer that is not smooth at the two poles of its axis: n (layers.md 8.4), and f with correlated splines.
fn is_torn(subject: &Subject) -> bool {
    let torn = |letter: &Letter| letter.name == "n" || working::has(letter, "add_correlated_rq_spline_flow", "1");
    subject.letters.iter().any(torn)
}

/// The laws for such a layer: at points that are 0.03
/// away from them, because differences step by 2e-4.
fn away_from_the_axis(subject: &Subject, seed: u64) -> Result<(), String> {
    let laws = subject.laws();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut all = Vec::new();
    for _ in 0..4 {
        let params = laws.random_params(&mut rng, SPREAD);
        if subject.embed > 3 {
            let start = away_from_all_axes(subject, &mut rng, &params);
            all.push((params, start));
            continue;
        }
        // The poles of the base go to those of the axis.
        let axis = Walk::new(subject.chain, &params, &[0.0, 0.0, 1.0], false).point;
        let start = loop {
            let start = laws.random_point(&mut rng, 1.0);
            let along: f64 = start.iter().zip(&axis).map(|(a, b)| a * b).sum();
            if along.abs().max(start[2].abs()) < 0.9995 {
                break start;
            }
        };
        all.push((params, start));
    }
    for (params, start) in &all[..ROUNDS] {
        laws.round_trip::<f64>(params, start, 1e-9)?;
        laws.jacobian(params, start, 1e-6)?;
        if subject.embed == 3 || subject.params <= MANY {
            laws.gradients(&mut rng, params, start, true, 1e-6)?;
            laws.gradients(&mut rng, params, start, false, 1e-6)?;
        }
    }
    let (params, points): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    laws.lanes_agree(&mut rng, &params, &points)?;
    Ok(())
}

/// A point of a higher sphere whose base point has every polar angle well away from 0 and pi, so that its own ones, before the rotation
/// of the layer, are not close to them either.
fn away_from_all_axes(subject: &Subject, rng: &mut StdRng, params: &[f64]) -> Vec<f64> {
    let sines = |v: &[f64]| {
        let radius = |m: usize| v[..=m].iter().map(|x| x * x).sum::<f64>().sqrt();
        (2..v.len()).map(|m| radius(m - 1) / radius(m)).fold(1.0, f64::min)
    };
    loop {
        let base = subject.laws().random_point(rng, 1.0);
        if sines(&base) > 0.4 {
            let point = Walk::new(subject.chain, params, &base, false).point;
            // The forward law starts at the same point, as one of the base.
            if sines(&point) > 0.1 {
                return point;
            }
        }
    }
}

/// All rows of a letter; every failure is told.
fn run(letter: char) {
    let rows: Vec<&Row> = ROWS.iter().filter(|row| row.letter == letter).collect();
    let mut wrong = Vec::new();
    let mut excused = [0; working::EXCEPTIONS.len()];
    for (number, row) in rows.iter().enumerate() {
        let seed = 1 + number as u64;
        let subject = row.subject();
        if let Err(error) = laws(&subject, seed) {
            wrong.push(format!("`{}`: {error}", row.line));
        }
        working::check(&subject, seed, |outcome| match outcome {
            Outcome::Broken(law, error) => wrong.push(format!("`{}`, {law}: {error}", row.line)),
            Outcome::Excused(exception) => excused[exception] += 1,
        });
    }
    for (exception, places) in working::EXCEPTIONS.iter().zip(excused) {
        if places > 0 {
            println!("{letter}, {}: {} places, {}", exception.laws.join(" and "), places, exception.why);
        } else if exception.letter.starts_with(letter) {
            wrong.push(format!(
                "{:?} hold everywhere: this exception is needed no more: {}",
                exception.laws, exception.why
            ));
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
fn layer_v() {
    run('v');
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
fn layer_m() {
    run('m');
}
#[test]
fn layer_o() {
    run('o');
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

#[test]
fn every_letter_of_the_table_is_run() {
    for letter in LETTERS {
        assert!("gtxfvnyrzmowuc".contains(letter.letter), "a test for `{}` is missing above", letter.letter);
        for key in letter.on {
            let on = |row: &&Row| row.letter == letter.letter && row.line.starts_with(key);
            assert!(ROWS.iter().any(|row| on(&row)), "`{}` on {key}", letter.letter);
        }
    }
}

/// Counts of layers.md: g K D (2 + 1) + D^2 (+ D), t D (+ D), x 0, f 10, v 5 K, n 1281, y 0, r 3 K + 1, z 0, m 4 K, o 8, w 62 and a network for each
/// further share, u D + 2.
#[test]
fn parameters_are_counted_as_published() {
    fn params<B: Blocks>() -> usize {
        B::program().blocks[0].chain.params()
    }
    assert_eq!(params::<Flow<flow_runtime::flow!(e3 : g)>>(), 102);
    assert_eq!(params::<Flow<flow_runtime::flow!(e3 : gg)>>(), 99 + 102);
    assert_eq!(params::<Flow<flow_runtime::flow!(e1 : g)>>(), 32);
    assert_eq!(params::<Flow<flow_runtime::flow!(e3 : t)>>(), 6);
    assert_eq!(params::<Flow<flow_runtime::flow!(e3 : t(cov_type = "full"))>>(), 9);
    assert_eq!(params::<Flow<flow_runtime::flow!(e3 : x)>>(), 0);
    assert_eq!(params::<Flow<flow_runtime::flow!(e3 : x(add_offset = 1))>>(), 3);
    assert_eq!(params::<Flow<flow_runtime::flow!(s2 : f)>>(), 10);
    assert_eq!(params::<Flow<flow_runtime::flow!(s2 : v)>>(), 50);
    assert_eq!(params::<Flow<flow_runtime::flow!(s2 : v(exp_map_type = "splines", num_components = 4))>>(), 140);
    assert_eq!(params::<Flow<flow_runtime::flow!(s2 : n)>>(), 1281);
    // A network for each height: 16 + 1232 + 1296 + 40.
    assert_eq!(params::<Flow<flow_runtime::flow!(s3 : n)>>(), 2584);
    assert_eq!(params::<Flow<flow_runtime::flow!(s3 : y(add_rotation = 1))>>(), 16);
    assert_eq!(params::<Flow<flow_runtime::flow!(i1[-3, 3] : rz)>>(), 16);
    assert_eq!(params::<Flow<flow_runtime::flow!(a1 : w)>>(), 62);
    assert_eq!(params::<Flow<flow_runtime::flow!(a2 : w)>>(), 8316);
    assert_eq!(params::<Flow<flow_runtime::flow!(a3 : w)>>(), 16698);
    assert_eq!(params::<Flow<flow_runtime::flow!(a2 : u)>>(), 4);
    assert_eq!(params::<Flow<flow_runtime::flow!(s1 : m)>>(), 20);
    assert_eq!(params::<Flow<flow_runtime::flow!(s1 : m(add_rotation = 1))>>(), 24);
    assert_eq!(params::<Flow<flow_runtime::flow!(s1 : o)>>(), 8);
    assert_eq!(params::<Flow<flow_runtime::flow!(s1 : o(smooth_second_derivative = 0))>>(), 10);
    assert_eq!(params::<Flow<flow_runtime::flow!(s1 : y)>>(), 0);
    assert_eq!(params::<Flow<flow_runtime::flow!(s1 : y(add_rotation = 1))>>(), 4);
    assert_eq!(params::<Flow<flow_runtime::flow!(s2 : y(add_rotation = 1))>>(), 9);
}

/// docs/f32.md says what each line is good for in `f32`. `UPDATE_DOCS=1 cargo test --release --test laws f32` writes it anew.
#[test]
fn f32_is_certified() {
    let line = |row: &Row| narrow::Line {
        letter: row.letter,
        notation: row.line,
        measured: narrow::measure(&row.subject(), 1),
    };
    let lines: Vec<narrow::Line> = ROWS.iter().map(line).collect();
    let wrong: Vec<String> = lines.iter().filter_map(narrow::Line::failure).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/f32.md");
    let page = narrow::page(&lines);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, page).expect("docs/f32.md written");
        return;
    }
    let told = std::fs::read_to_string(path).expect("docs/f32.md");
    let wrong = narrow::differences(&told, &page);
    assert!(wrong.is_empty(), "docs/f32.md changed: see this test's comment\n{}", wrong.join("\n"));
}

/// The guide shows the table itself. `UPDATE_DOCS=1 cargo test --release --test laws guide` writes its pages anew.
#[test]
fn the_guide_shows_the_table() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../flow-runtime/src/guide");
    shows(&format!("{guide}/letters.md"), "letters", &markdown::page());
    for row in LETTERS {
        let page = format!("{guide}/letters/{}.md", row.letter);
        assert!(std::path::Path::new(&page).exists(), "letter `{}` has no page in the guide", row.letter);
        if !row.options.is_empty() {
            shows(&page, "options", &markdown::options(row));
        }
    }
}

/// The page has this text between `<!-- mark -->` and `<!-- /mark -->`.
fn shows(path: &str, mark: &str, told: &str) {
    let text = std::fs::read_to_string(path).expect(path);
    let (start, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let from = text.find(&start).expect("the first mark") + start.len();
    let to = text.find(&end).expect("the last mark");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{}{}\n{}", &text[..from], told.trim_end(), &text[to..])).expect(path);
        return;
    }
    assert_eq!(text[from..to].trim_end(), told.trim_end(), "{path}: the table changed: see the test's comment");
}
