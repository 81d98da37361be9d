//! The laws of the working range: everywhere in it a chain is finite, invertible and differentiable.

use super::range::{self, Place, View, Way};
use super::subject::{Cotangent, Density, Numbers, Subject, Walk};
use flow_runtime::layers::Letter;
use flow_runtime::manifolds::Geometry;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

/// |forward(inverse(x)) - x| over 1 + max |x_i|, and the same for the sum of both log-determinants.
const ROUND_TRIP: f64 = 1e-9;
/// Derivatives against differences, relative to the largest of their kind.
const DERIVATIVE: f64 = 1e-6;
/// Steps of differences, as shares of a scale: one of them must agree. A long one reaches over a knot, a short one loses digits.
const STEPS: [f64; 6] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-8, 1e-9];
/// Directions among the parameters along which derivatives are compared; together they hold every parameter.
const DIRECTIONS: usize = 6;
/// How far parameters are from a start: a tenth for layers with networks of a hundred units inside, the size of the weights that such
/// a network starts from. A density with larger ones has peaks of 10^8, which no rounding leaves alone.
pub fn spread(subject: &Subject) -> f64 {
    if subject.params < 1000 { 0.3 } else { 0.1 }
}
/// The same where only finite numbers are asked for.
pub const FAR_SPREAD: f64 = 3.0;

/// What a law says of a place.
pub type Told = Result<(), String>;

/// What is asked of every place.
pub const LAWS: &[(&str, Law)] = &[
    ("finite", finite),
    ("density", density),
    ("round trip", round_trip),
    ("log-determinants", log_determinants),
    ("jacobian", jacobian),
    ("gradients", gradients),
    ("gradients on faces", gradients_on_faces),
];

/// A law at a place.
pub type Law = fn(&Subject, &[f64], &Place, &mut StdRng) -> Told;

/// Parameters `spread` away from a start.
pub fn parameters(subject: &Subject, rng: &mut StdRng, spread: f64) -> Vec<f64> {
    let mut params = vec![0.0; subject.params];
    subject.chain.initial(rng, &mut params);
    params.iter_mut().for_each(|p| *p += spread * normal(rng));
    params
}

pub fn normal(rng: &mut StdRng) -> f64 {
    rng.sample(StandardNormal)
}

/// An ordinary point, in embedded coordinates.
pub fn ordinary(subject: &Subject, rng: &mut StdRng) -> Vec<f64> {
    let base: Vec<f64> = (0..subject.dim).map(|_| normal(rng)).collect();
    subject.from_base(&base)
}

/// Where a law is documented not to hold.
pub struct Exception {
    /// The letter.
    pub letter: &'static str,
    /// The laws.
    pub laws: &'static [&'static str],
    /// What is documented.
    pub why: &'static str,
    /// Whether a place is one of those meant.
    at: fn(&Subject, &[f64], &[f64]) -> bool,
}

/// All exceptions; each is used, or it goes.
pub const EXCEPTIONS: &[Exception] = &[
    Exception {
        letter: "g",
        laws: &["round trip", "tails"],
        why: "inormal_partly_precise steps back from 5.3267 to 5.3234 (Q20): of two preimages the one in the centre comes back",
        at: |subject, params, x| {
            let y = subject.walk(Numbers::F64, params, x, true, &[]).point;
            y.iter().any(|y| (5.3233..5.3268).contains(&y.abs()))
        },
    },
    Exception {
        letter: "n",
        laws: &["round trip", "log-determinants", "jacobian", "gradients"],
        why: "the map is not smooth on its axis: on it there is a value for each direction, beside it there is structure in 1/rho",
        at: |subject, _, x| {
            let turned = subject.letters.iter().any(|letter| !has(letter, "add_rotation", "0"));
            let radius = |m: usize| x[..=m].iter().map(|x| x * x).sum::<f64>().sqrt();
            !turned && (2..x.len()).any(|m| radius(m - 1) < 2e-3 * radius(m))
        },
    },
    Exception {
        letter: "o",
        laws: &["jacobian", "gradients"],
        why: "the second derivative of a spline that is not smooth jumps at the angle 0; beside the layer its sides are compared",
        at: |subject, _, x| {
            let knots = |letter: &Letter| has(letter, "smooth_second_derivative", "0");
            subject.letters.iter().any(knots) && x[0] > 0.0 && x[1].abs() < 5e-4
        },
    },
    Exception {
        letter: "u",
        laws: &["round trip", "log-determinants", "jacobian", "gradients"],
        why: "base points beyond 37 sigma are told as that limit, those beyond 26 sigma and shares below 1e-154 have no derivative",
        at: |subject, params, x| {
            let base = subject.density(Numbers::F64, params, &subject.intrinsic(x)).base;
            base.iter().any(|z| z.abs() > 26.0) || x.iter().any(|x| *x < 1.5e-154)
        },
    },
    Exception {
        letter: "u",
        laws: &["gradients on faces"],
        why: "a power of a share has no bounded derivative on its face",
        at: |_, _, x| x.iter().any(|x| *x < 0.05),
    },
    Exception {
        letter: "c",
        laws: &["round trip", "log-determinants", "jacobian", "gradients", "tails"],
        why: "as exact as its solver, whose default tolerances are 1e-7: rows with tighter ones are held to the laws",
        at: |subject, _, _| is_loose(subject),
    },
    Exception {
        letter: "c",
        laws: &["parameters far from a start"],
        why: "with error control a field ten times as fast may take more than max_steps steps: an error says so",
        at: |subject, _, _| letter_c(subject).is_some_and(|c| !has(c, "solver", "\"rk4\"")),
    },
    Exception {
        letter: "c",
        laws: &["jacobian"],
        why: "with fewer of Hutchinson's directions than coordinates the log-determinant is an estimate",
        at: |subject, _, _| has_few_probes(subject),
    },
    Exception {
        letter: "w",
        laws: &["log-determinants"],
        why: "a share of nothing counts as one half on both sides: on edges and corners the density depends on the direction of approach",
        at: |subject, _, x| !range::is_smooth(subject, x),
    },
];

/// Whether an option of a layer has this value.
pub fn has(letter: &Letter, name: &str, value: &str) -> bool {
    letter.options.iter().any(|option| option.name == name && option.value == value)
}

/// The layer c of a chain.
fn letter_c(subject: &Subject) -> Option<&Letter> {
    subject.letters.iter().find(|letter| letter.name == "c")
}

/// Whether a chain holds a layer c with error control at its default tolerances.
pub fn is_loose(subject: &Subject) -> bool {
    let tolerant = |c: &Letter| c.options.iter().all(|option| option.is_default || !option.name.ends_with("tol"));
    letter_c(subject).is_some_and(|c| tolerant(c) && !has(c, "solver", "\"rk4\""))
}

/// Whether a chain holds a layer c whose divergence is an estimate: with a power of two of directions, at least as many as coordinates, it is exact.
pub fn has_few_probes(subject: &Subject) -> bool {
    letter_c(subject).filter(|c| has(c, "divergence", "\"hutchinson\"")).is_some_and(|c| {
        let probes = c.options.iter().find(|option| option.name == "probes").expect("an option of c");
        let probes: usize = probes.value.parse().expect("a number");
        !probes.is_power_of_two() || probes < subject.embed
    })
}

/// What came of a law on a chain.
pub enum Outcome {
    Broken(&'static str, String),
    /// It does not hold somewhere, as documented: the place of the exception.
    Excused(usize),
}

impl Subject {
    /// The exception for a law at a place.
    pub fn excused(&self, law: &str, params: &[f64], point: &[f64]) -> Option<usize> {
        EXCEPTIONS.iter().position(|exception| {
            self.has(exception.letter) && exception.laws.contains(&law) && (exception.at)(self, params, point)
        })
    }
}

/// Every law at every place; of each law the first failure is told.
pub fn check(subject: &Subject, seed: u64, mut tell: impl FnMut(Outcome)) {
    let mut rng = StdRng::seed_from_u64(seed);
    let params = parameters(subject, &mut rng, spread(subject));
    let mut places = range::places(subject);
    if subject.has("c") {
        // To a continuous flow all places are alike, and each takes it long.
        places = places.into_iter().step_by(8).collect();
    }
    for (name, law) in LAWS {
        let mut broken = None;
        for place in &places {
            let Err(error) = law(subject, &params, place, &mut rng) else { continue };
            match subject.excused(name, &params, &place.point) {
                Some(exception) => tell(Outcome::Excused(exception)),
                None => {
                    broken.get_or_insert(error);
                }
            }
        }
        if let Some(error) = broken {
            tell(Outcome::Broken(name, error));
        }
    }
    places = tails(subject, &params);
    let failed = places.iter().find_map(|place| {
        let error = round_trip(subject, &params, place, &mut rng).err()?;
        match subject.excused("tails", &params, &place.point) {
            Some(exception) => {
                tell(Outcome::Excused(exception));
                None
            }
            None => Some(error),
        }
    });
    if let Some(error) = failed {
        tell(Outcome::Broken("tails", error));
    }
    if let Err(error) = outside(subject, &params) {
        tell(Outcome::Broken("ends", error));
    }
    for _ in 0..4 {
        let params = parameters(subject, &mut rng, FAR_SPREAD);
        let place = Place { point: ordinary(subject, &mut rng), smooth: true };
        let told =
            finite(subject, &params, &place, &mut rng).and_then(|()| density(subject, &params, &place, &mut rng));
        if let Err(error) = told {
            match subject.excused("parameters far from a start", &params, &place.point) {
                Some(exception) => tell(Outcome::Excused(exception)),
                None => {
                    tell(Outcome::Broken("parameters far from a start", error));
                    break;
                }
            }
        }
    }
}

/// Euclidean points around those whose base point is 5.30 to 5.35 in each coordinate, where published quantiles change their formula.
fn tails(subject: &Subject, params: &[f64]) -> Vec<Place> {
    if !matches!(subject.geometry, Geometry::Euclidean { .. }) {
        return Vec::new();
    }
    let mut places: Vec<Place> = Vec::new();
    for sign in [1.0, -1.0] {
        let mut before: Option<Vec<f64>> = None;
        for i in 0..=12 {
            let base = vec![sign * (5.30 + 0.004 * f64::from(i)); subject.dim];
            let x = subject.walk(Numbers::F64, params, &base, false, &[]).point;
            if let Some(before) = before {
                places.push(Place { point: before.iter().zip(&x).map(|(a, b)| 0.5 * (a + b)).collect(), smooth: true });
            }
            places.push(Place { point: x.clone(), smooth: true });
            before = Some(x);
        }
    }
    places
}

fn all_finite<'a>(numbers: impl IntoIterator<Item = &'a f64>) -> bool {
    numbers.into_iter().all(|x| x.is_finite())
}

fn sound(walk: &Walk) -> bool {
    let gradients = walk.gradients.iter().flatten().flatten();
    walk.fault.is_none() && all_finite(walk.point.iter().chain([&walk.log_det]).chain(gradients))
}

/// Values and derivatives of both directions are numbers.
pub fn finite_in(numbers: Numbers, subject: &Subject, params: &[f64], point: &[f64]) -> Told {
    let cot =
        Cotangent { point: [0.4, -0.8, 1.3, -0.6].iter().cycle().take(subject.embed).copied().collect(), log_det: 1.0 };
    let there = subject.walk(numbers, params, point, true, std::slice::from_ref(&cot));
    let back = subject.walk(numbers, params, &there.point, false, &[cot]);
    for (direction, from, walk) in [("inverse", point, &there), ("forward", &there.point, &back)] {
        if !sound(walk) {
            let (at, ln) = (&walk.point, walk.log_det);
            let [by_point, by_params] = &walk.gradients[0];
            let wrong = by_params.iter().position(|g| !g.is_finite());
            return Err(format!(
                "{direction} at {from:?} in {}: {:?}, {at:?} {ln}, gradient {by_point:?}, parameter {wrong:?}",
                numbers.name(),
                walk.fault
            ));
        }
    }
    Ok(())
}

fn finite(subject: &Subject, params: &[f64], place: &Place, _: &mut StdRng) -> Told {
    finite_in(Numbers::F64, subject, params, &place.point)
}

/// The log-density in intrinsic coordinates and its gradients are numbers.
pub fn density_in(numbers: Numbers, subject: &Subject, params: &[f64], intrinsic: &[f64]) -> Told {
    let Density { log_prob, gradients, base, fault } = subject.density(numbers, params, intrinsic);
    let sound = fault.is_none() && all_finite(gradients.iter().flatten().chain(&base).chain([&log_prob]));
    let by_point = &gradients[0];
    let told = || {
        format!(
            "{}, {intrinsic:?}: {fault:?}, log_prob {log_prob}, gradient {by_point:?}, base point {base:?}",
            numbers.name()
        )
    };
    if sound { Ok(()) } else { Err(told()) }
}

fn density(subject: &Subject, params: &[f64], place: &Place, _: &mut StdRng) -> Told {
    density_in(Numbers::F64, subject, params, &subject.intrinsic(&place.point))
}

/// The points that an interval takes for an end have the density of the end, those further out are refused; the same for the faces of a
/// simplex.
fn outside(subject: &Subject, params: &[f64]) -> Told {
    let at = |x: &[f64]| subject.density(Numbers::F64, params, x).log_prob;
    let pairs: Vec<[Vec<f64>; 3]> = match subject.geometry {
        Geometry::Interval { low, high } => {
            let sign = |x: &f64| if *x <= low { -1.0 } else { 1.0 };
            let largest = low.abs().max(high.abs());
            let beyond = range::around_the_ends([low, high]).into_iter().filter(|x| !(low..=high).contains(x));
            beyond.map(|x| [x, x.clamp(low, high), x + 1e-6 * largest * sign(&x)].map(|x| vec![x])).collect()
        }
        Geometry::Simplex { .. } => {
            let rest = 0.7 / (subject.dim as f64);
            (0..subject.dim)
                .map(|k| {
                    let place = |x: f64| (0..subject.dim).map(|i| if i == k { x } else { rest }).collect();
                    [-1e-16, 0.0, -1e-6].map(place)
                })
                .collect()
        }
        _ => Vec::new(),
    };
    for [given, end, wrong] in pairs {
        if let Some(message) = subject.geometry.check_intrinsic(&given) {
            return Err(format!("{given:?} is refused: {message}"));
        }
        let (log_prob, expected) = (at(&given), at(&end));
        if !log_prob.is_finite() || log_prob != expected {
            return Err(format!("{given:?} has log_prob {log_prob}, the end {end:?} has {expected}"));
        }
        if subject.geometry.check_intrinsic(&wrong).is_none() {
            return Err(format!("{wrong:?} is accepted"));
        }
    }
    Ok(())
}

/// The largest difference, relative to 1 and the largest number; NaN if there is one.
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    let largest = b.iter().fold(1.0, |largest: f64, b| largest.max(b.abs()));
    let worst = |worst: f64, off: f64| if off.is_nan() { off } else { worst.max(off) };
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, worst) / largest
}

/// How far a point is from coming back, and the log-determinants from cancelling.
pub fn off_after_a_round_trip(numbers: Numbers, subject: &Subject, params: &[f64], point: &[f64]) -> [f64; 2] {
    let there = subject.walk(numbers, params, point, true, &[]);
    let back = subject.walk(numbers, params, &there.point, false, &[]);
    if there.fault.or(back.fault).is_some() {
        return [f64::NAN; 2];
    }
    [distance(&back.point, point), (there.log_det + back.log_det).abs() / (1.0 + there.log_det.abs())]
}

fn round_trip(subject: &Subject, params: &[f64], place: &Place, _: &mut StdRng) -> Told {
    let [off, _] = off_after_a_round_trip(Numbers::F64, subject, params, &place.point);
    if off <= ROUND_TRIP {
        return Ok(());
    }
    let there = subject.walk(Numbers::F64, params, &place.point, true, &[]).point;
    let back = subject.walk(Numbers::F64, params, &there, false, &[]).point;
    Err(format!("{:?}: off by {off:e}; base side {there:?}, back {back:?}", place.point))
}

fn log_determinants(subject: &Subject, params: &[f64], place: &Place, _: &mut StdRng) -> Told {
    let [_, sum] = off_after_a_round_trip(Numbers::F64, subject, params, &place.point);
    if sum <= ROUND_TRIP { Ok(()) } else { Err(format!("{:?}: they do not cancel by {sum:e}", place.point)) }
}

/// How a place is looked at: beside faces, what is smooth is smooth in the ratios of shares.
fn view(subject: &Subject) -> View {
    if subject.is_simplex() { View::Shares } else { View::Plain }
}

fn close(a: f64, b: f64, largest: f64) -> bool {
    (a - b).abs() <= DERIVATIVE * largest
}

fn jacobian(subject: &Subject, params: &[f64], place: &Place, _: &mut StdRng) -> Told {
    if !place.smooth {
        return Ok(());
    }
    let run = |x: &[f64]| subject.walk(Numbers::F64, params, x, true, &[]);
    let here = run(&place.point);
    let axes = range::coordinates(subject, &here.point);
    let ways = range::ways(subject, &place.point, view(subject));
    if ways.len() < subject.dim {
        // On a face there is nothing to take shares of.
        return Ok(());
    }
    let mut told = Vec::new();
    for step in STEPS {
        let row = |way: &Way| {
            way.difference(subject, &place.point, step, |x| {
                let y = run(x).point;
                let along =
                    |axis: &Vec<f64>| y.iter().zip(&here.point).zip(axis).map(|((y, y0), a)| (y - y0) * a).sum();
                axes.iter().map(along).collect()
            })
        };
        let scales: f64 = ways.iter().map(|way| way.scale.ln()).sum();
        let numerical = range::ln_determinant(ways.iter().map(row).collect()) - scales;
        if close(here.log_det, numerical, 1.0 + here.log_det.abs()) {
            return Ok(());
        }
        told.push(numerical);
    }
    Err(format!("{:?}: log-determinant {} but differences give {told:?}", place.point, here.log_det))
}

/// Derivatives of both directions by the point and along random directions of the parameters: of a combination of the
/// result's coordinates (of their logarithms, where shares are looked at), and of the log-determinant.
fn gradients(subject: &Subject, params: &[f64], place: &Place, rng: &mut StdRng) -> Told {
    gradients_in(view(subject), subject, params, place, rng)
}

/// On a face itself, and beside it, a layer may be smooth in the shares as well.
fn gradients_on_faces(subject: &Subject, params: &[f64], place: &Place, rng: &mut StdRng) -> Told {
    let small = place.point.iter().filter(|x| **x < 0.05).count();
    if subject.is_simplex() && small == 1 { gradients_in(View::Plain, subject, params, place, rng) } else { Ok(()) }
}

fn gradients_in(view: View, subject: &Subject, params: &[f64], place: &Place, rng: &mut StdRng) -> Told {
    let base = subject.walk(Numbers::F64, params, &place.point, true, &[]).point;
    let weights: Vec<f64> = (0..subject.embed).map(|_| normal(rng)).collect();
    let directions: Vec<Vec<f64>> = (0..DIRECTIONS.min(subject.params))
        .map(|k| (0..subject.params).map(|i| if i % DIRECTIONS == k { normal(rng) } else { 0.0 }).collect())
        .collect();
    for (inverse, start) in [(true, &place.point), (false, &base)] {
        let at = Objective { subject, params, start, inverse, view, weights: &weights, smooth: place.smooth };
        let direction = if inverse { "inverse" } else { "forward" };
        at.check(&directions).map_err(|error| format!("{direction} at {start:?}: {error}"))?;
    }
    Ok(())
}

struct Objective<'a> {
    subject: &'a Subject,
    params: &'a [f64],
    start: &'a [f64],
    inverse: bool,
    view: View,
    weights: &'a [f64],
    smooth: bool,
}

impl Objective<'_> {
    fn values(&self, params: &[f64], start: &[f64]) -> Vec<f64> {
        let walk = self.subject.walk(Numbers::F64, params, start, self.inverse, &[]);
        let look = |y: &f64| if self.view == View::Plain { *y } else { y.max(f64::MIN_POSITIVE).ln() };
        vec![walk.point.iter().zip(self.weights).map(|(y, w)| look(y) * w).sum(), walk.log_det]
    }

    fn check(&self, directions: &[Vec<f64>]) -> Told {
        let end = self.subject.walk(Numbers::F64, self.params, self.start, self.inverse, &[]).point;
        let by = |y: f64| match self.view {
            View::Plain => 1.0,
            View::Shares if y <= f64::MIN_POSITIVE => 0.0,
            View::Shares => 1.0 / y,
        };
        let cot = end.iter().zip(self.weights).map(|(y, w)| w * by(*y)).collect();
        let asked =
            [Cotangent { point: cot, log_det: 0.0 }, Cotangent { point: vec![0.0; self.subject.embed], log_det: 1.0 }];
        let walk = self.subject.walk(Numbers::F64, self.params, self.start, self.inverse, &asked);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let of_both = |which: usize, along: &[f64]| walk.gradients.iter().map(|g| dot(&g[which], along)).collect();

        let ways = if self.smooth { range::ways(self.subject, self.start, self.view) } else { Vec::new() };
        let exact: Vec<Vec<f64>> =
            ways.iter().map(|way| of_both(0, &way.tangent.iter().map(|t| t * way.scale).collect::<Vec<_>>())).collect();
        let numerical = |k: usize, step: f64| {
            let way: &Way = &ways[k];
            way.difference(self.subject, self.start, step, |x| self.values(self.params, x))
        };
        compare(&exact, numerical).map_err(|error| format!("by the point, {error}"))?;

        let exact: Vec<Vec<f64>> = directions.iter().map(|along| of_both(1, along)).collect();
        let numerical = |k: usize, step: f64| {
            range::differences(step, true, |h| {
                let moved: Vec<f64> = self.params.iter().zip(&directions[k]).map(|(p, d)| p + h * d).collect();
                self.values(&moved, self.start)
            })
        };
        compare(&exact, numerical).map_err(|error| format!("by the parameters, {error}"))
    }
}

/// Exact derivatives of both objectives along each direction, against differences with the steps until one agrees.
fn compare(exact: &[Vec<f64>], numerical: impl Fn(usize, f64) -> Vec<f64>) -> Told {
    for of in 0..2 {
        let largest = exact.iter().map(|pair| pair[of].abs()).fold(1.0, f64::max);
        for (k, pair) in exact.iter().enumerate() {
            let mut told = Vec::new();
            for step in STEPS {
                told.push(numerical(k, step)[of]);
                if close(pair[of], told[told.len() - 1], largest) {
                    break;
                }
            }
            if !told.last().is_some_and(|last| close(pair[of], *last, largest)) {
                let what = ["the point", "the log-determinant"][of];
                return Err(format!("direction {k}: {} but differences of {what} give {told:?}", pair[of]));
            }
        }
    }
    Ok(())
}
