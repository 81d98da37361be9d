//! What is left of a chain in a flow of `f32`: measured against `f64` at the same parameters and points, both rounded to `f32` first. Layers are
//! computed in `f64` all the same, so that what is measured is the rounding of what goes in and comes out, and whether `f32` holds the numbers.

use super::range;
use super::subject::{Density, Numbers, Subject};
use super::working::{FAR_SPREAD, density_in, finite_in, off_after_a_round_trip, ordinary, parameters, spread};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// |forward(inverse(x)) - x| over the larger of 1 and max |x_i|, at ordinary points and everywhere in the working range.
pub const ROUND_TRIP: f64 = 1e-4;
/// |log_prob - that in f64| over 1 + |log_prob|: a hundredth of what a fit can tell apart with 10^4 points.
pub const LOG_PROB: f64 = 1e-4;
/// A gradient's worst error over its largest entry (or 0.1, where all are smaller): below the scatter of the gradient of a batch of 10^4 points.
pub const GRADIENT: f64 = 1e-2;
/// Gradients whose entries are all smaller than this count as this large.
const LEAST_GRADIENT: f64 = 0.1;

/// Parameter vectors, and points for each.
const VECTORS: usize = 8;
const POINTS: usize = 4;

/// The worst errors found.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    pub round_trip: f64,
    pub log_prob: f64,
    pub gradient: f64,
    /// What is not a number somewhere in the working range, or does not come back.
    pub broken: Option<String>,
}

impl Measured {
    /// Whether all criteria are met.
    pub fn certified(&self) -> bool {
        // Not a number is not below a bound.
        self.round_trip <= ROUND_TRIP && self.log_prob <= LOG_PROB && self.gradient <= GRADIENT && self.broken.is_none()
    }

    /// The worse of two.
    pub fn or(self, other: Measured) -> Measured {
        Measured {
            round_trip: worse(self.round_trip, other.round_trip),
            log_prob: worse(self.log_prob, other.log_prob),
            gradient: worse(self.gradient, other.gradient),
            broken: self.broken.or(other.broken),
        }
    }
}

fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

fn rounded(numbers: &[f64]) -> Vec<f64> {
    numbers.iter().map(|x| f64::from(*x as f32)).collect()
}

/// Errors of one density in f32.
fn compared([exact, narrow]: [&Density; 2], intrinsic: &[f64]) -> Measured {
    let mut measured = Measured {
        log_prob: (narrow.log_prob - exact.log_prob).abs() / (1.0 + exact.log_prob.abs()),
        ..Measured::default()
    };
    if narrow.fault.is_some() || measured.log_prob.is_nan() {
        measured.broken = Some(format!("at {intrinsic:?}: {:?}, log_prob {}", narrow.fault, narrow.log_prob));
    }
    for (exact, narrow) in exact.gradients.iter().zip(&narrow.gradients) {
        measured.gradient = worse(measured.gradient, off(narrow, exact));
    }
    measured
}

/// The worst error of a gradient.
fn off(gradient: &[f64], exact: &[f64]) -> f64 {
    let largest = exact.iter().fold(LEAST_GRADIENT, |largest: f64, g| largest.max(g.abs()));
    exact.iter().zip(gradient).map(|(a, b)| (a - b).abs()).fold(0.0, worse) / largest
}

/// How far a flow may be from a walk along its chain that is rounded to `f32`: the packs of its kernels round differently, and it adds up points in
/// `f32`.
const AS_WALKED: f64 = 1e-6;

/// Whether a flow of `f32` gives at these points what was found there by walks.
fn as_walked(subject: &Subject, params: &[f64], points: &[f64], found: &[Density]) -> Result<(), String> {
    let [log_prob, by_points, by_params] =
        subject.flow_of_f32(params, points).map_err(|fault| format!("a flow of f32 stops: {fault:?}"))?;
    let mut sum = vec![0.0; subject.params];
    for ((density, ln), by_point) in found.iter().zip(&log_prob).zip(by_points.chunks(subject.dim)) {
        let [exact, by_params] = &density.gradients;
        sum.iter_mut().zip(by_params).for_each(|(sum, g)| *sum += g);
        let apart = (ln - density.log_prob).abs() / (1.0 + ln.abs());
        let apart = worse(apart, off(by_point, exact));
        if apart.is_nan() || apart > AS_WALKED {
            return Err(format!("a flow of f32 gives {ln}, {by_point:?}, its chain {} {exact:?}", density.log_prob));
        }
    }
    let apart = off(&by_params, &sum);
    if apart <= AS_WALKED {
        Ok(())
    } else {
        Err(format!("a flow of f32 has other derivatives by parameters: {apart:e}"))
    }
}

pub fn measure(subject: &Subject, seed: u64) -> Measured {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut measured = Measured::default();
    for _ in 0..VECTORS {
        let params = rounded(&parameters(subject, &mut rng, spread(subject)));
        let (mut points, mut found) = (Vec::new(), Vec::new());
        for _ in 0..POINTS {
            let base = rounded(&ordinary(subject, &mut rng));
            let point = rounded(&subject.walk(Numbers::F64, &params, &base, false, &[]).point);
            let [off, _] = off_after_a_round_trip(Numbers::F32, subject, &params, &point);
            measured.round_trip = worse(measured.round_trip, off);
            let intrinsic = rounded(&subject.intrinsic(&point));
            let [exact, narrow] =
                [Numbers::F64, Numbers::F32].map(|numbers| subject.density(numbers, &params, &intrinsic));
            measured = measured.or(compared([&exact, &narrow], &intrinsic));
            points.extend(intrinsic);
            found.push(narrow);
        }
        measured.broken = measured.broken.or(as_walked(subject, &params, &points, &found).err());
    }
    let params = rounded(&parameters(subject, &mut rng, spread(subject)));
    for place in range::places(subject) {
        let point = rounded(&place.point);
        let told = finite_in(Numbers::F32, subject, &params, &point)
            .and_then(|()| density_in(Numbers::F32, subject, &params, &rounded(&subject.intrinsic(&place.point))));
        measured.broken = measured.broken.or(told.err());
        // On simplices some layers are known not to come back from the faces, and the limits are others in f32.
        if !subject.is_simplex() && subject.excused("round trip", &params, &place.point).is_none() {
            let [off, _] = off_after_a_round_trip(Numbers::F32, subject, &params, &point);
            measured.round_trip = worse(measured.round_trip, off);
        }
    }
    for _ in 0..VECTORS {
        let params = rounded(&parameters(subject, &mut rng, FAR_SPREAD));
        let point = rounded(&ordinary(subject, &mut rng));
        // What is documented to stop in f64 stops in f32.
        if subject.excused("parameters far from a start", &params, &point).is_none() {
            measured.broken = measured.broken.or(finite_in(Numbers::F32, subject, &params, &point).err());
        }
    }
    measured
}

/// A row of the page: letter, line of notation, what was measured.
pub struct Line {
    pub letter: char,
    pub notation: &'static str,
    pub measured: Measured,
}

impl Line {
    /// What is wrong with the line.
    pub fn failure(&self) -> Option<String> {
        let Line { notation, measured, .. } = self;
        let told = || format!("`{notation}` does not meet the criteria in f32: {measured:?}. Mend the layer");
        (!measured.certified()).then(told)
    }
}

/// Rounded up to one digit.
fn at_most(error: f64) -> String {
    if error.is_nan() || error <= 0.0 {
        return if error == 0.0 { "0".into() } else { "not a number".into() };
    }
    let power = error.log10().floor();
    // A hair is taken off, so that 2e-6 stays itself.
    let digit = (error / 10f64.powf(power) - 1e-9).ceil();
    let (digit, power) = if digit > 9.0 { (1.0, power + 1.0) } else { (digit, power) };
    format!("{digit:.0}e{power:.0}")
}

/// The page of all lines.
pub fn page(lines: &[Line]) -> String {
    let mut page = format!(
        "# What `f32` is good for\n\n\
        Written by a test: `UPDATE_DOCS=1 cargo test --release --test laws f32`.\n\n\
        A flow of `f32` has its weights, features, points and networks in `f32`, and its layers are computed in `f64`: what goes into \
        a chain and what comes out of it is rounded to `f32`, and nothing between. Every letter, with each option at each kind of value, is measured against a flow of `f64` at the same \
        parameters and points, both rounded to `f32` first: {VECTORS} parameter vectors a little away from a start, {POINTS} points for \
        each. A line is certified if\n\n\
        - a point mapped to the base and back is off by at most {ROUND_TRIP:e} of the larger of 1 and its largest coordinate, at those points \
        and in the whole working range (|x| up to 1e6, poles, seams, closed ends);\n\
        - ln p is off by at most {LOG_PROB:e} of 1 + |ln p|, so that a fit to 10^4 points sees nothing of it;\n\
        - its gradients by the point and by the parameters are off by at most {GRADIENT:e} of their largest entry, less than the scatter of a \
        gradient over a batch of 10^4 points;\n\
        - values and gradients are numbers everywhere in the working range, faces of simplices included.\n\n\
        Every line is. Numbers are the worst errors found, rounded up to one digit.\n"
    );
    let mut letter = None;
    for line in lines {
        if letter.replace(line.letter) != Some(line.letter) {
            page += &format!(
                "\n## `{}`\n\n| notation | round trip | ln p | gradient | verdict |\n|---|---|---|---|---|\n",
                line.letter
            );
        }
        let Measured { round_trip, log_prob, gradient, .. } = line.measured;
        let [a, b, c] = [round_trip, log_prob, gradient].map(at_most);
        page += &format!("| `{}` | {a} | {b} | {c} | certified |\n", line.notation);
    }
    page
}

/// How far a measured error may be above the one told: other libraries of functions round differently.
const OTHERWISE_ROUNDED: f64 = 4.0;

/// Where the page told and the page found differ: in its text exactly, in its numbers where they became larger.
pub fn differences(told: &str, found: &str) -> Vec<String> {
    let cells = |line: &str| line.split(" | ").map(str::to_string).collect::<Vec<_>>();
    let mut wrong = Vec::new();
    for (told, found) in told.lines().zip(found.lines()) {
        let (old, new) = (cells(told), cells(found));
        let number = |cell: &String| cell.parse::<f64>().ok();
        let grown = |(old, new): (&String, &String)| match (number(old), number(new)) {
            (Some(old), Some(new)) => new > OTHERWISE_ROUNDED * old.max(f64::from(f32::EPSILON)),
            _ => old != new,
        };
        if old.len() != new.len() || old.iter().zip(&new).any(grown) {
            wrong.push(format!("told:  {told}\nfound: {found}"));
        }
    }
    if told.lines().count() != found.lines().count() {
        wrong.push("another number of lines".into());
    }
    wrong
}

#[test]
fn the_page_is_compared_by_its_text_and_by_numbers_that_grew() {
    let measured = |gradient: f64| Measured { round_trip: 1.2e-7, log_prob: 0.0, gradient, broken: None };
    let line = |gradient| Line { letter: 'q', notation: "e1 : q", measured: measured(gradient) };
    let told = page(&[line(3e-6)]);
    assert!(told.contains("| `e1 : q` | 2e-7 | 0 | 3e-6 | certified |"), "{told}");
    for (gradient, same) in [(3e-6, true), (5e-6, true), (1e-9, true), (3e-5, false)] {
        let wrong = differences(&told, &page(&[line(gradient)]));
        assert_eq!(wrong.is_empty(), same, "{gradient}: {wrong:?}");
    }
    let other = Line { notation: "e2 : q", ..line(3e-6) };
    assert!(!differences(&told, &page(&[other])).is_empty());
    assert!(line(3e-6).failure().is_none());
    assert!(line(0.1).failure().is_some() && line(f64::NAN).failure().is_some());
    let broken = Line { measured: Measured { broken: Some("not a number".into()), ..measured(3e-6) }, ..line(3e-6) };
    assert!(broken.failure().is_some());
}
