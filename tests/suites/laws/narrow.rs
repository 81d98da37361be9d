//! What is left of a chain in `f32`: measured against `f64` at the same parameters and points, both rounded to `f32` first.

use super::range;
use super::subject::Subject;
use super::working::{self, density_in, finite_in, off_after_a_round_trip, ordinary, parameters};
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
/// How far parameters are from a start.
const SPREAD: f64 = 0.3;

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
fn compared(subject: &Subject, params: &[f64], intrinsic: &[f64]) -> Measured {
    let (exact, narrow) = ((subject.wide.density)(params, intrinsic), (subject.narrow.density)(params, intrinsic));
    let mut measured = Measured {
        log_prob: (narrow.log_prob - exact.log_prob).abs() / (1.0 + exact.log_prob.abs()),
        ..Measured::default()
    };
    if narrow.fault.is_some() || measured.log_prob.is_nan() {
        measured.broken = Some(format!("at {intrinsic:?}: {:?}, log_prob {}", narrow.fault, narrow.log_prob));
    }
    for (exact, narrow) in exact.gradients.iter().zip(&narrow.gradients) {
        let largest = exact.iter().fold(LEAST_GRADIENT, |largest: f64, g| largest.max(g.abs()));
        let off = exact.iter().zip(narrow).map(|(a, b)| (a - b).abs()).fold(0.0, worse);
        measured.gradient = worse(measured.gradient, off / largest);
    }
    if std::env::var_os("EXPLORE").is_some() && (measured.log_prob > 1e-5 || measured.gradient > 1e-3) {
        let size = |g: &[f64]| g.iter().fold(0.0, |l: f64, g| l.max(g.abs()));
        println!(
            "   worst {:.1e} {:.1e} lp {} point grad {:.1e} params {:.1e} at {intrinsic:?} base {:?}",
            measured.log_prob,
            measured.gradient,
            exact.log_prob,
            size(&exact.gradients[0]),
            size(&exact.gradients[1]),
            exact.base
        );
    }
    measured
}

pub fn measure(subject: &Subject, seed: u64) -> Measured {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut measured = Measured::default();
    for _ in 0..VECTORS {
        let params = rounded(&parameters(subject, &mut rng, SPREAD));
        for _ in 0..POINTS {
            let base = rounded(&ordinary(subject, &mut rng));
            let point = rounded(&(subject.wide.walk)(&params, &base, false, &[]).point);
            let [off, _] = off_after_a_round_trip(&subject.narrow, &params, &point);
            measured.round_trip = worse(measured.round_trip, off);
            measured = measured.or(compared(subject, &params, &rounded(&(subject.intrinsic)(&point))));
        }
    }
    let params = rounded(&parameters(subject, &mut rng, SPREAD));
    for place in range::places(subject) {
        let point = rounded(&place.point);
        let told = finite_in(&subject.narrow, subject, &params, &point)
            .and_then(|()| density_in(&subject.narrow, &params, &rounded(&(subject.intrinsic)(&place.point))));
        measured.broken = measured.broken.or(told.err());
        if std::env::var_os("EXPLORE").is_some() {
            let intrinsic = rounded(&(subject.intrinsic)(&place.point));
            let m = compared(subject, &params, &intrinsic);
            if !(m.log_prob < LOG_PROB && m.gradient < GRADIENT) {
                println!("   explore {intrinsic:?}: log_prob {:.1e} gradient {:.1e}", m.log_prob, m.gradient);
            }
            let [off, sum] = off_after_a_round_trip(&subject.narrow, &params, &point);
            if !(off < ROUND_TRIP && sum < ROUND_TRIP) {
                println!("   explore {point:?}: round trip {off:.1e} {sum:.1e}");
            }
        }
    }
    let _ = working::LAWS;
    measured
}
