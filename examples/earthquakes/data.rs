//! A week of earthquakes as points on sphere x plane.
//!
//! | | in the file | as a point |
//! |---|---|---|
//! | place | latitude, longitude in degrees | theta = pi/2 - latitude, phi = longitude mod 2 pi, in radians |
//! | depth | km, -3 to 574 | asinh(depth / 1 km): near ln(2 depth) for deep events, harmless at and above sea level |
//! | magnitude | -0.8 to 6.4 | itself |
//!
//! Densities, and so every negative log-likelihood the example prints, are with respect to **area on the unit sphere x d asinh(depth)
//! x d magnitude**. A model of the standardised marks u = (mark - mean) / deviation has the log-density
//! ln p(place, marks) = ln p(place, u) - ln deviation_depth - ln deviation_magnitude ([`Standard::log_volume`]). To get a density
//! per km of depth, add -ln sqrt(1 + depth^2).

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};

/// The file, as it lies beside this example.
pub const CSV: &str = include_str!("../data/earthquakes.csv");

/// Depth at which asinh turns from linear to logarithmic, in km.
const DEPTH_SCALE: f64 = 1.0;

/// One earthquake.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// polar angle and azimuth in radians
    pub place: [f64; 2],
    /// asinh(depth / 1 km) and magnitude
    pub marks: [f64; 2],
}

/// asinh(depth / 1 km).
pub fn depth_mark(depth_km: f64) -> f64 {
    (depth_km / DEPTH_SCALE).asinh()
}

/// ln |d asinh(depth) / d depth|: what turns a density of the mark into one per km.
pub fn log_depth_jacobian(depth_km: f64) -> f64 {
    -0.5 * (depth_km * depth_km + DEPTH_SCALE * DEPTH_SCALE).ln()
}

/// A line that is not an earthquake.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the catalogue, `{text}`: {wanted}")]
pub struct DataError {
    line: usize,
    text: String,
    wanted: &'static str,
}

/// Reads the catalogue. Rounded numbers are spread evenly over the interval they were rounded from.
///
/// Without this, the likelihood has no maximum: 71 events lie at exactly 10 km, and a density may rise there without bound. The
/// spread points are as likely as the rounded ones are probable (uniform dequantization; Theis, van den Oord and Bethge,
/// ICLR 2016, arXiv:1511.01844, section 3.1).
pub fn load(csv: &str, rng: &mut impl Rng) -> Result<Vec<Event>, DataError> {
    let lines = csv.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| event(line, rng).map_err(|wanted| DataError { line: i + 1, text: line.into(), wanted }))
        .collect()
}

fn event(line: &str, rng: &mut impl Rng) -> Result<Event, &'static str> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [_, latitude, longitude, depth, magnitude] = fields[..] else {
        return Err("five fields are needed: time, latitude, longitude, depth, magnitude");
    };
    let number =
        |text: &str| text.parse::<f64>().ok().filter(|x| x.is_finite()).ok_or("a field is not a finite number");
    let (latitude, longitude) = (number(latitude)?, number(longitude)?);
    if latitude.abs() > 90.0 {
        return Err("the latitude is beyond a pole");
    }
    let depth = number(depth)? + rounding(depth, 0..=1) * rng.random_range(-0.5..0.5);
    let magnitude = number(magnitude)? + rounding(magnitude, 1..=2) * rng.random_range(-0.5..0.5);
    Ok(Event {
        place: [(90.0 - latitude).to_radians(), longitude.rem_euclid(360.0).to_radians()],
        marks: [depth_mark(depth), magnitude],
    })
}

/// The unit of the last digit of a number as written, trailing zeros not counted; within the decimals that catalogues use.
fn rounding(text: &str, decimals: std::ops::RangeInclusive<usize>) -> f64 {
    let written = text.split_once('.').map_or(0, |(_, digits)| digits.trim_end_matches('0').len());
    10f64.powi(-(written.clamp(*decimals.start(), *decimals.end()) as i32))
}

/// Events to learn from, to choose by and to judge by.
#[derive(Clone, Debug)]
pub struct Split {
    /// 80 %: everything that is fitted sees these only
    pub training: Vec<Event>,
    /// 10 %: widths, stopping times
    pub validation: Vec<Event>,
    /// 10 %: to judge by
    pub test: Vec<Event>,
}

/// Loads, shuffles and cuts the catalogue; the same for the same seed.
pub fn split(csv: &str, seed: u64) -> Result<Split, DataError> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut events = load(csv, &mut rng)?;
    events.shuffle(&mut rng);
    let tenth = events.len() / 10;
    let test = events.split_off(events.len() - tenth);
    let validation = events.split_off(events.len() - tenth);
    Ok(Split { training: events, validation, test })
}

/// Means and standard deviations of the marks of the training events.
#[derive(Clone, Copy, Debug)]
pub struct Standard {
    /// means
    pub mean: [f64; 2],
    /// standard deviations
    pub deviation: [f64; 2],
}

impl Standard {
    /// From the training events.
    pub fn of(training: &[Event]) -> Self {
        let n = training.len() as f64;
        let mean = [0, 1].map(|d| training.iter().map(|e| e.marks[d]).sum::<f64>() / n);
        let spread = |d: usize| training.iter().map(|e| (e.marks[d] - mean[d]).powi(2)).sum::<f64>() / n;
        Self { mean, deviation: [spread(0).sqrt(), spread(1).sqrt()] }
    }

    /// Marks to standardised marks.
    pub fn apply(&self, marks: [f64; 2]) -> [f64; 2] {
        [0, 1].map(|d| (marks[d] - self.mean[d]) / self.deviation[d])
    }

    /// Standardised marks to marks.
    pub fn undo(&self, marks: [f64; 2]) -> [f64; 2] {
        [0, 1].map(|d| marks[d] * self.deviation[d] + self.mean[d])
    }

    /// What is added to a log-density of standardised marks to make it one of the marks.
    pub fn log_volume(&self) -> f64 {
        -self.deviation.iter().map(|deviation| deviation.ln()).sum::<f64>()
    }

    /// An event as a row for a model: theta, phi, standardised marks.
    pub fn row(&self, event: &Event) -> [f64; 4] {
        let [depth, magnitude] = self.apply(event.marks);
        [event.place[0], event.place[1], depth, magnitude]
    }
}
