//! Simple densities that a flow has to beat, fitted to the same training events and judged on the same test events.

use crate::data::{Event, Standard};
use std::f64::consts::{PI, TAU};

/// A density of events: ln p with respect to area on the unit sphere x the marks.
pub trait Model {
    /// The log-density at an event.
    fn log_prob(&self, event: &Event) -> f64;
}

/// Mean negative log-likelihood in nats, with the standard error of that mean.
#[derive(Clone, Copy, Debug)]
pub struct Score {
    /// mean
    pub nll: f64,
    /// standard error
    pub error: f64,
}

impl Score {
    /// From the log-densities of the events of one set.
    pub fn of(log_probs: &[f64]) -> Self {
        let n = log_probs.len() as f64;
        let mean = log_probs.iter().sum::<f64>() / n;
        let variance = log_probs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Self { nll: -mean, error: (variance / n).sqrt() }
    }
}

/// A normal distribution of the two marks, by its mean and Cholesky factor.
pub struct Gaussian {
    mean: [f64; 2],
    /// a, b, c of the lower triangle (a 0; b c)
    factor: [f64; 3],
}

impl Gaussian {
    /// Maximum likelihood.
    pub fn fit(events: &[Event]) -> Self {
        let n = events.len() as f64;
        let mean = [0, 1].map(|d| events.iter().map(|e| e.marks[d]).sum::<f64>() / n);
        let moment = |i: usize, j: usize| {
            events.iter().map(|e| (e.marks[i] - mean[i]) * (e.marks[j] - mean[j])).sum::<f64>() / n
        };
        let a = moment(0, 0).sqrt();
        let b = moment(0, 1) / a;
        Self { mean, factor: [a, b, (moment(1, 1) - b * b).sqrt()] }
    }

    /// ln of the density of the marks.
    pub fn log_prob(&self, marks: [f64; 2]) -> f64 {
        let [a, b, c] = self.factor;
        let u = (marks[0] - self.mean[0]) / a;
        let v = (marks[1] - self.mean[1] - b * u) / c;
        -0.5 * (u * u + v * v) - (TAU * a * c).ln()
    }
}

/// Baseline 1: anywhere alike, marks normal and independent of the place.
pub struct Uniform {
    marks: Gaussian,
}

impl Uniform {
    /// Fits the marks.
    pub fn fit(training: &[Event]) -> Self {
        Self { marks: Gaussian::fit(training) }
    }
}

impl Model for Uniform {
    fn log_prob(&self, event: &Event) -> f64 {
        self.marks.log_prob(event.marks) - (4.0 * PI).ln()
    }
}

/// Concentrations tried for the kernels: from a hemisphere wide (1) to a thousandth of a radian, 6 km (1e6).
const CONCENTRATIONS: std::ops::RangeInclusive<i32> = 0..=60;
const STEPS_A_DECADE: f64 = 10.0;

/// Shares of the first baseline that are tried beside the kernels: without one, an event far from all others costs so much that
/// the kernels have to be far wider than suits the rest.
pub const SHARES: &[f64] = &[0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5];
/// Kernels alone.
pub const NO_SHARE: &[f64] = &[0.0];

/// Kernels on the sphere: equal von Mises-Fisher densities around the training events,
/// p(x) = (1 - share) / n sum_i kappa / (2 pi (1 - exp(-2 kappa))) exp(kappa (x . x_i - 1)) + share / 4 pi.
pub struct SphereKernels {
    centres: Vec<[f64; 3]>,
    kappa: f64,
    share: f64,
}

impl SphereKernels {
    /// Kernels at the training events, with the concentration and the uniform share, of those given, that suit the validation
    /// events best.
    pub fn fit(training: &[Event], validation: &[Event], shares: &[f64]) -> Self {
        let centres = training.iter().map(|event| unit(event.place)).collect();
        let mut kernels = Self { centres, kappa: 1.0, share: 0.0 };
        let mut best = (f64::NEG_INFINITY, 1.0, 0.0);
        for i in CONCENTRATIONS {
            kernels.kappa = 10f64.powf(f64::from(i) / STEPS_A_DECADE);
            let found: Vec<_> = validation.iter().map(|event| kernels.log_kernels(event.place)).collect();
            for share in shares {
                let fit = found.iter().map(|l| log_mix(*l, -(4.0 * PI).ln(), *share)).sum();
                best = better(best, (fit, kernels.kappa, *share));
            }
        }
        (_, kernels.kappa, kernels.share) = best;
        kernels
    }

    /// The concentration and the uniform share chosen; the kernels are about 1 / sqrt(kappa) radians wide.
    pub fn chosen(&self) -> [f64; 2] {
        [self.kappa, self.share]
    }

    /// ln of the density per steradian.
    pub fn log_prob(&self, place: [f64; 2]) -> f64 {
        log_mix(self.log_kernels(place), -(4.0 * PI).ln(), self.share)
    }

    fn log_kernels(&self, place: [f64; 2]) -> f64 {
        let x = unit(place);
        // kappa (x . x_i - 1) = -kappa |x - x_i|^2 / 2: the difference keeps its digits where the product of nearby unit
        // vectors has lost them, at concentrations near 1e6 and for repeated events.
        let exponents: Vec<_> = self.centres.iter().map(|centre| -0.5 * self.kappa * distance2(&x, centre)).collect();
        log_kernel_norm(self.kappa) + log_mean_exp(&exponents)
    }
}

/// ln of kappa / (2 pi (1 - exp(-2 kappa))), the von Mises-Fisher density at its mode.
fn log_kernel_norm(kappa: f64) -> f64 {
    kappa.ln() - TAU.ln() - (-(-2.0 * kappa).exp_m1()).ln()
}

fn log_mean_exp(exponents: &[f64]) -> f64 {
    let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = exponents.iter().map(|e| (e - largest).exp()).sum();
    largest + (sum / exponents.len() as f64).ln()
}

/// ln((1 - share) e^a + share e^b).
fn log_mix(a: f64, b: f64, share: f64) -> f64 {
    let (a, b) = ((1.0 - share).ln() + a, share.ln() + b);
    let largest = a.max(b);
    largest + ((a - largest).exp() + (b - largest).exp()).ln()
}

/// The candidate with the larger fit, which comes first in it.
fn better<A, B>(best: (f64, A, B), tried: (f64, A, B)) -> (f64, A, B) {
    if tried.0 > best.0 { tried } else { best }
}

fn unit([theta, phi]: [f64; 2]) -> [f64; 3] {
    [theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()]
}

fn distance2(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// Baseline 2: places by kernels, marks normal and independent of the place.
pub struct KernelPlaces {
    /// the density of places
    pub places: SphereKernels,
    /// the density of marks
    pub marks: Gaussian,
}

impl KernelPlaces {
    /// Fits both.
    pub fn fit(training: &[Event], validation: &[Event], shares: &[f64]) -> Self {
        Self { places: SphereKernels::fit(training, validation, shares), marks: Gaussian::fit(training) }
    }
}

impl Model for KernelPlaces {
    fn log_prob(&self, event: &Event) -> f64 {
        self.places.log_prob(event.place) + self.marks.log_prob(event.marks)
    }
}

/// A unit vector and standardised marks.
type Centre = ([f64; 3], [f64; 2]);

/// Baseline 3: kernels over places and marks together, so that marks depend on the place: von Mises-Fisher times a round
/// normal in the marks, whose width is in units of their standard deviations, and a share of the first baseline.
pub struct JointKernels {
    centres: Vec<Centre>,
    standard: Standard,
    anywhere: Uniform,
    kappa: f64,
    width: f64,
    share: f64,
}

/// Coarser than for places alone: each pair costs a pass over all pairs of events.
const JOINT_CONCENTRATIONS: std::ops::RangeInclusive<i32> = 8..=24;
const JOINT_STEPS_A_DECADE: f64 = 4.0;
const WIDTHS: [f64; 7] = [0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.75];

impl JointKernels {
    /// Kernels at the training events, with the concentration, width and share that suit the validation events best.
    pub fn fit(training: &[Event], validation: &[Event], standard: Standard) -> Self {
        let centres = training.iter().map(|event| centre(&standard, event)).collect();
        let anywhere = Uniform::fit(training);
        let mut model = Self { centres, standard, anywhere, kappa: 1.0, width: 1.0, share: 0.0 };
        let mut best = (f64::NEG_INFINITY, (1.0, 1.0), 0.0);
        for i in JOINT_CONCENTRATIONS {
            for width in WIDTHS {
                (model.kappa, model.width) = (10f64.powf(f64::from(i) / JOINT_STEPS_A_DECADE), width);
                let pair = |event: &Event| (model.log_kernels(event), model.anywhere.log_prob(event));
                let found: Vec<_> = validation.iter().map(pair).collect();
                for share in SHARES {
                    let fit = found.iter().map(|(a, b)| log_mix(*a, *b, *share)).sum();
                    best = better(best, (fit, (model.kappa, width), *share));
                }
            }
        }
        (_, (model.kappa, model.width), model.share) = best;
        model
    }

    /// The concentration, the width and the share chosen.
    pub fn chosen(&self) -> [f64; 3] {
        [self.kappa, self.width, self.share]
    }

    fn log_kernels(&self, event: &Event) -> f64 {
        let (x, marks) = centre(&self.standard, event);
        let exponent = |(place, at): &Centre| {
            let z2: f64 = marks.iter().zip(at).map(|(a, b)| ((a - b) / self.width).powi(2)).sum();
            -0.5 * (self.kappa * distance2(&x, place) + z2)
        };
        let exponents: Vec<_> = self.centres.iter().map(exponent).collect();
        let log_norm = log_kernel_norm(self.kappa) - (TAU * self.width * self.width).ln();
        log_norm + log_mean_exp(&exponents) + self.standard.log_volume()
    }
}

fn centre(standard: &Standard, event: &Event) -> Centre {
    let [theta, phi, depth, magnitude] = standard.row(event);
    (unit([theta, phi]), [depth, magnitude])
}

impl Model for JointKernels {
    fn log_prob(&self, event: &Event) -> f64 {
        log_mix(self.log_kernels(event), self.anywhere.log_prob(event), self.share)
    }
}
