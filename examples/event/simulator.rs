//! A small simulated detector: what light sensors in deep water see of a particle.
//!
//! **The event.** A particle starts at a vertex, makes a shower there and flies on in a straight line for [`TRACK_LENGTH`] metres at
//! the speed of light. Its brightness is not known to whoever looks at the sensors.
//!
//! **The light.** 36 sensors hang on a grid, 3 x 3 strings of 4. Water absorbs and thins light: from a source at distance d a
//! sensor sees brightness x exp(-d / [`ATTENUATION`]) / (d^2 + [`NEAR`]^2). The shower's light is brightest about the Cherenkov
//! angle (41 degrees to the flight in water) and dim elsewhere. The track's light leaves it at exactly that angle, so a sensor sees
//! one point of the track, if that point lies between its ends, which fade over a few metres.
//!
//! **What a sensor reports.** Photons of shower, track and noise are Poisson numbers; their sum is the charge. The arrival time is
//! that of the first photon: flight of the particle to the point of emission, flight of the light from there, a scattering
//! delay (exponential, longer from afar, shorter the more photons try), jitter of the clock. Noise comes at any time.
//!
//! **What is asked.** Vertex and direction from 36 charges and 36 times. Far, dim or outside events are seen by few sensors: their
//! posteriors are wide, curved and sometimes have two ends.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, Exp1, Poisson, StandardNormal};
use std::f64::consts::TAU;

/// Sensors of the detector.
pub const SENSORS: usize = 36;
/// Numbers that describe an event to a network: see [`Event::features`].
pub const FEATURES: usize = 2 * SENSORS;

/// Metres between strings and between the sensors of a string.
const SPACING: f64 = 40.0;
/// Vertices lie evenly in the box |x| < 60 m, |y| < 60 m, |z| < 80 m: the detector and half a spacing or more around.
pub const BOX: [f64; 3] = [60.0, 60.0, 80.0];
/// Metres that are one unit of [`Truth::row`], so that the numbers are of order one.
pub const UNIT: f64 = 50.0;

/// Metres the particle flies.
const TRACK_LENGTH: f64 = 120.0;
/// Metres over which the ends of the track fade.
const FADE: f64 = 3.0;
/// Metres after which absorption leaves 1/e of the light.
const ATTENUATION: f64 = 30.0;
/// Metres below which coming closer does not help: sensors are not points.
const NEAR: f64 = 5.0;
/// Refractive index of water; cos of the Cherenkov angle is 1/n.
const INDEX: f64 = 1.33;
/// Light's speed in vacuum, metres a nanosecond.
const LIGHT: f64 = 0.299_792_458;
/// Photons of shower and track at brightness one, before distance.
const SHOWER: f64 = 5.0e4;
const TRACK: f64 = 4.0e4;
/// The shower's light away from the Cherenkov angle, and the width of the peak in the cosine.
const DIM: f64 = 0.15;
const PEAK: f64 = 0.25;
/// Brightness is even in the logarithm between these.
const BRIGHTNESS: [f64; 2] = [0.4, 3.0];

/// Noise photons a sensor sees in the window, and its length in nanoseconds.
const NOISE: f64 = 0.03;
const WINDOW: f64 = 1500.0;
/// Nanoseconds of mean scattering delay for each metre of light path, for a single photon.
const SCATTERING: f64 = 0.4;
/// Nanoseconds of jitter.
const JITTER: f64 = 2.0;
/// Nanoseconds that are one unit of a time feature.
const TIME_UNIT: f64 = 100.0;

/// What is to be found: metres and radians; the direction is where the particle flies to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// where it starts, in metres
    pub vertex: [f64; 3],
    /// polar angle of the flight
    pub theta: f64,
    /// azimuth of the flight
    pub phi: f64,
}

impl Truth {
    /// Vertices even in the box, directions even on the sphere.
    pub fn prior(rng: &mut impl Rng) -> Self {
        let vertex = BOX.map(|half| rng.random_range(-half..half));
        Self { vertex, theta: rng.random_range(-1.0..1.0f64).acos(), phi: rng.random_range(0.0..TAU) }
    }

    /// ln of the prior density with respect to volume in [`UNIT`]^3 x solid angle, inside the box.
    pub fn log_prior() -> f64 {
        -BOX.iter().map(|half| (2.0 * half / UNIT).ln()).sum::<f64>() - (2.0 * TAU).ln()
    }

    /// Vertex in units of [`UNIT`], theta, phi: a point of e3 + s2.
    pub fn row(&self) -> [f64; 5] {
        let [x, y, z] = self.vertex.map(|metres| metres / UNIT);
        [x, y, z, self.theta, self.phi]
    }

    /// The unit vector of the flight.
    pub fn direction(&self) -> [f64; 3] {
        let (sin, cos) = self.theta.sin_cos();
        [sin * self.phi.cos(), sin * self.phi.sin(), cos]
    }
}

/// An event: the truth, and what the sensors report.
#[derive(Clone, Debug)]
pub struct Event {
    /// what is to be found
    pub truth: Truth,
    /// photons counted by each sensor
    pub charges: [f64; SENSORS],
    /// nanoseconds of the first photon; none where none was counted
    pub times: [Option<f64>; SENSORS],
}

impl Event {
    /// [`FEATURES`] numbers of order one, all that a network sees: ln(1 + charge) of every sensor, then the times of every
    /// sensor in 100 ns from the charge-weighted mean time (nobody knows when the particle started); 0 for a sensor without light.
    pub fn features(&self) -> [f64; FEATURES] {
        let (mut weighted, mut total) = (0.0, 0.0);
        for (charge, time) in self.charges.iter().zip(&self.times) {
            if let Some(time) = time {
                weighted += charge * time;
                total += charge;
            }
        }
        let mean = if total > 0.0 { weighted / total } else { 0.0 };
        let mut features = [0.0; FEATURES];
        let (charges, times) = features.split_at_mut(SENSORS);
        charges.iter_mut().zip(self.charges).for_each(|(feature, charge)| *feature = charge.ln_1p());
        let since_mean = self.times.map(|time| time.map_or(0.0, |time| (time - mean) / TIME_UNIT));
        times.copy_from_slice(&since_mean);
        features
    }
}

/// Where the sensors are, in metres around the centre.
pub fn sensors() -> [[f64; 3]; SENSORS] {
    std::array::from_fn(|i| {
        let (column, row, level) = (i / 12, i / 4 % 3, i % 4);
        [SPACING * (column as f64 - 1.0), SPACING * (row as f64 - 1.0), SPACING * (level as f64 - 1.5)]
    })
}

/// Light of one source as a sensor sees it.
#[derive(Clone, Copy, Debug)]
pub struct Light {
    /// expected photons at brightness one
    pub expected: f64,
    /// nanoseconds from the start of the particle to the arrival of unscattered light
    pub time: f64,
    /// metres the light flies
    pub distance: f64,
}

/// The light of shower and track at a sensor.
pub fn light(truth: &Truth, sensor: [f64; 3]) -> [Light; 2] {
    let along = truth.direction();
    let from_vertex: [f64; 3] = std::array::from_fn(|k| sensor[k] - truth.vertex[k]);
    let r = from_vertex.iter().map(|x| x * x).sum::<f64>().sqrt();
    let s: f64 = from_vertex.iter().zip(along).map(|(x, u)| x * u).sum();
    let closest = (r * r - s * s).max(0.0).sqrt();
    let cherenkov = 1.0 / INDEX;

    let peak = if r > 0.0 { (s / r - cherenkov) / PEAK } else { 0.0 };
    let towards = DIM + (1.0 - DIM) * (-0.5 * peak * peak).exp();
    let shower = Light { expected: SHOWER * towards * thinned(r), time: r * INDEX / LIGHT, distance: r };

    // Light that leaves at the Cherenkov angle and arrives here has left at this length along the track.
    let sine = (1.0 - cherenkov * cherenkov).sqrt();
    let left_at = s - closest * cherenkov / sine;
    let distance = closest / sine;
    let seen = rise(left_at / FADE) * rise((TRACK_LENGTH - left_at) / FADE);
    let flight = left_at.clamp(0.0, TRACK_LENGTH) / LIGHT;
    let track = Light { expected: TRACK * seen * thinned(distance), time: flight + distance * INDEX / LIGHT, distance };
    [shower, track]
}

fn thinned(distance: f64) -> f64 {
    (-distance / ATTENUATION).exp() / (distance * distance + NEAR * NEAR)
}

/// From 0 to 1 around 0.
fn rise(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// An event with a truth from the prior.
pub fn simulate(rng: &mut impl Rng) -> Event {
    let truth = Truth::prior(rng);
    observe(truth, rng)
}

/// What the sensors report of a given truth.
pub fn observe(truth: Truth, rng: &mut impl Rng) -> Event {
    let [low, high] = BRIGHTNESS.map(f64::ln);
    let brightness = rng.random_range(low..high).exp();
    let mut event = Event { truth, charges: [0.0; SENSORS], times: [None; SENSORS] };
    for (i, sensor) in sensors().into_iter().enumerate() {
        let mut first = f64::INFINITY;
        for source in light(&truth, sensor) {
            let photons = count(brightness * source.expected, rng);
            event.charges[i] += photons;
            if photons > 0.0 {
                // The first of n exponential delays is exponential with an n-th of the mean.
                let delay: f64 = rng.sample(Exp1);
                first = first.min(source.time + delay * SCATTERING * source.distance / photons);
            }
        }
        let noise = count(NOISE, rng);
        event.charges[i] += noise;
        for _ in 0..noise as usize {
            first = first.min(rng.random_range(-0.5 * WINDOW..0.5 * WINDOW));
        }
        let jitter: f64 = rng.sample(StandardNormal);
        event.times[i] = first.is_finite().then_some(first + JITTER * jitter);
    }
    event
}

/// Events from the prior; the same for the same seed.
pub fn events(n: usize, seed: u64) -> Vec<Event> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..n).map(|_| simulate(&mut rng)).collect()
}

/// A Poisson number, zero where less than the smallest usable mean is expected.
fn count(expected: f64, rng: &mut impl Rng) -> f64 {
    const NOTHING: f64 = 1e-12;
    if expected < NOTHING {
        return 0.0;
    }
    Poisson::new(expected).map_or(0.0, |poisson| poisson.sample(rng))
}
