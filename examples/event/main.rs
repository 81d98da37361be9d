//! Vertex and direction of a particle from the light it leaves in a detector: a posterior on e3 x s2.
//!
//!     cargo run --release --example event [folder for the pictures]
//!
//! An encoder network summarises what the sensors report in 32 numbers; the flow is the posterior given these. Both are fitted
//! together to simulated events (simulator.rs), so the encoder learns what the posterior needs.

#[path = "../shared/least_squares.rs"]
mod least_squares;
mod linear;
mod simulator;

use dfdx::prelude::*;
use flow_runtime::plot::{Axis, Corner, Figure, Marginal, Panel, SkyMap, TrainingCurves, View};
use flow_runtime::{Adam, Built, Density, Fit, History, Schedule, flow};
use linear::LinearGuess;
use rand::SeedableRng;
use rand::rngs::StdRng;
use simulator::{BOX, Event, FEATURES, SENSORS, Truth, UNIT};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

const SUMMARIES: usize = 32;

/// What the sensors report, in 32 numbers: any dfdx module whose output the flow is given.
type Encoder = (Linear<FEATURES, 128>, ReLU, Linear<128, 128>, ReLU, Linear<128, SUMMARIES>);

flow! {
    /// Vertex in units of 50 m and direction of flight, given the summaries.
    struct EventPdf = vertex@e3 + direction@s2 : gggg + n | cond 32
}

/// The first manifold alone: its weights are the first of the whole (see [`picture_direction`]).
type VertexPdf = flow!(e3 : gggg | cond 32);

/// Encoder and flow as one module: one optimiser, one set of gradients.
type Model = Built<(Encoder, EventPdf), f64>;

const SEED: u64 = 11;
const TRAINING: usize = 60_000;
const TEST: usize = 2_000;
const FOLDER: &str = "target/pictures";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| FOLDER.into()));
    let training = simulator::events(TRAINING, SEED);
    let test = simulator::events(TEST, SEED + 1);
    describe(&test);

    let start = Instant::now();
    let mut model = Cpu::default().build_module::<(Encoder, EventPdf), f64>();
    println!("fitting {} parameters to {TRAINING} events, a minute or two", model.num_trainable_params());
    let history = fit(&mut model, &training)?;
    println!(
        "{} passes in {:.0} s; the weights of pass {} are kept, the best on the validation events",
        history.epochs.len(),
        start.elapsed().as_secs_f64(),
        history.best + 1
    );

    judge(&model, &history, &training, &test)?;
    count_intervals(&model, &test[..500])?;

    std::fs::create_dir_all(&folder)?;
    TrainingCurves::new(&history).title("The fit").save(folder.join("event_training.png"))?;
    picture_direction(&model, &test[SHOWN], &folder.join("event_direction.png"))?;
    picture_vertex(&model, &test[SHOWN], &folder)?;
    println!("pictures: {}", folder.display());
    Ok(())
}

/// How much light there is.
fn describe(events: &[Event]) {
    let hit = |event: &Event| event.charges.iter().filter(|charge| **charge > 0.0).count();
    let mut hits: Vec<_> = events.iter().map(hit).collect();
    hits.sort_unstable();
    let at = |share: f64| hits[(share * (events.len() - 1) as f64) as usize];
    println!("a detector of {SENSORS} sensors ({FEATURES} features of an event)");
    println!("sensors that saw light, in 5 %, 50 %, 95 % of the events at most: {} {} {}", at(0.05), at(0.5), at(0.95));
}

// ---- learning ----------------------------------------------------------------------------------------------------

fn fit(model: &mut Model, events: &[Event]) -> Result<History, Box<dyn Error>> {
    let settings = Fit {
        epochs: 12,
        batch: 128,
        optimizer: Adam { learning_rate: 2e-3, ..Adam::default() },
        schedule: Schedule::Cosine { warm_up: 100, last: 0.01 },
        validation: 0.1,
        patience: Some(4),
        seed: SEED,
        progress: true,
        ..Fit::default()
    };
    let features: Vec<_> = events.iter().map(Event::features).collect();
    let truths: Vec<_> = events.iter().map(|event| event.truth.row()).collect();
    // The Euclidean chain starts with the spread of the vertices.
    model.1.initialize_from(&truths, SEED)?;
    let history = settings.run(model, events.len(), |(encoder, pdf): &Model, rows, gradients| {
        let x: Vec<_> = rows.iter().map(|row| truths[*row]).collect();
        let seen = tensor(rows.iter().map(|row| features[*row]));
        // The tape starts here: gradients reach the flow and, through the summaries, the encoder.
        pdf.given(encoder.try_forward(seen.traced(gradients))?)?.log_prob(&x)
    })?;
    Ok(history)
}

/// Rows of numbers as a tensor.
fn tensor<const N: usize>(rows: impl ExactSizeIterator<Item = [f64; N]>) -> Tensor<(usize, Const<N>), f64, Cpu> {
    let count = rows.len();
    Cpu::default().tensor_from_vec(rows.flatten().collect(), (count, Const))
}

fn summaries(encoder: &Built<Encoder, f64>, events: &[Event]) -> Tensor<(usize, Const<SUMMARIES>), f64, Cpu> {
    encoder.forward(tensor(events.iter().map(Event::features)))
}

// ---- judging -----------------------------------------------------------------------------------------------------

/// Mean negative log-likelihood with its standard error.
fn score(log_probs: &[f64]) -> String {
    let n = log_probs.len() as f64;
    let mean = log_probs.iter().sum::<f64>() / n;
    let variance = log_probs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (n - 1.0);
    format!("{:7.3} +- {:.3}", -mean, (variance / n).sqrt())
}

/// ln p(truth | event) with respect to volume in units x solid angle. The flow's densities are by d theta d phi; the solid angle is
/// sin theta d theta d phi.
fn log_probs((encoder, pdf): &Model, events: &[Event]) -> Result<Vec<f64>, flow_runtime::Error> {
    let truths: Vec<_> = events.iter().map(|event| event.truth.row()).collect();
    let found = pdf.given(summaries(encoder, events))?.log_prob(&truths)?.as_vec();
    Ok(found.into_iter().zip(events).map(|(log_prob, event)| log_prob - event.truth.theta.sin().ln()).collect())
}

fn judge(model: &Model, history: &History, training: &[Event], test: &[Event]) -> Result<(), Box<dyn Error>> {
    let guess = LinearGuess::fit(training);
    let linear: Vec<_> = test.iter().map(|event| guess.log_prob(event)).collect();
    let own = log_probs(model, test)?;
    let gains: Vec<_> = own.iter().zip(&linear).map(|(own, linear)| linear - own).collect();
    println!("\nnegative log-likelihood of the truth in nats, per volume in ({UNIT} m)^3 x solid angle:");
    println!("  the prior, test events                        {:7.3}", -Truth::log_prior());
    println!("  linear guess, test events                     {}", score(&linear));
    println!("  flow, test events                             {}", score(&own));
    println!("  flow lower than the linear guess, by event    {}", score(&gains));
    // The fit chose its validation events itself: what remains is all it was given, nine tenths of which it learned from.
    println!("  flow, training and validation events          {}", score(&log_probs(model, training)?));
    // The fit's own numbers are by d theta d phi, on average over directions ln sin theta = ln 2 - 1 off.
    println!("  flow, validation events, about                {:7.3}", history.best_loss + 2f64.ln() - 1.0);
    Ok(())
}

/// How often the truth lies in the central intervals of its posterior, coordinate by coordinate: 68 % and 95 % of the time if the
/// posterior is as wide as it should be.
fn count_intervals((encoder, pdf): &Model, events: &[Event]) -> Result<(), Box<dyn Error>> {
    const DRAWS: usize = 400;
    let draws = pdf.given(summaries(encoder, events))?.sample_n(DRAWS, &mut StdRng::seed_from_u64(SEED))?;
    let draws = draws.points.as_vec();
    let mut inside = [[0.0; 2]; 3];
    for (event, draws) in events.iter().zip(draws.as_chunks::<5>().0.chunks(DRAWS)) {
        for (k, inside) in inside.iter_mut().enumerate() {
            let below = draws.iter().filter(|draw| draw[k] < event.truth.row()[k]).count() as f64 / DRAWS as f64;
            let off_centre = (2.0 * below - 1.0).abs();
            inside[0] += if off_centre < 0.68 { 1.0 } else { 0.0 };
            inside[1] += if off_centre < 0.95 { 1.0 } else { 0.0 };
        }
    }
    println!("\nshare of {} test events whose truth lies in the central 68 % and 95 % of the posterior:", events.len());
    for (name, inside) in ["vertex x", "vertex y", "vertex z"].iter().zip(inside) {
        let [half, most] = inside.map(|count| 100.0 * count / events.len() as f64);
        println!("  {name}   {half:.1} %  {most:.1} %");
    }
    Ok(())
}

// ---- pictures ----------------------------------------------------------------------------------------------------

/// The test event that is drawn.
const SHOWN: usize = 3;

/// p(direction | event): the mean of p(direction | vertex, event) over vertices drawn from their posterior, where
/// p(direction | vertex, event) = p(vertex, direction | event) / p(vertex | event).
fn picture_direction((encoder, pdf): &Model, event: &Event, path: &Path) -> Result<(), Box<dyn Error>> {
    const VERTICES: usize = 64;
    let given = summaries(encoder, std::slice::from_ref(event));
    // The flow's weights lie manifold by manifold, and the first manifold depends on no other.
    let mut vertex_pdf = Cpu::default().build_module::<VertexPdf, f64>();
    let own = vertex_pdf.flat_weights().len();
    vertex_pdf.set_flat_weights(&pdf.flat_weights()[..own])?;
    let drawn = vertex_pdf.given(&given)?.sample_rows(VERTICES, &mut StdRng::seed_from_u64(SEED))?;

    let joint = pdf.given(&given)?;
    let density = |directions: &[[f64; 2]]| {
        let mut sums = vec![0.0; directions.len()];
        for ([x, y, z], log_vertex) in drawn.points.as_chunks().0.iter().zip(&drawn.log_prob) {
            let points: Vec<_> = directions.iter().flat_map(|[theta, phi]| [*x, *y, *z, *theta, *phi]).collect();
            for (sum, log_joint) in sums.iter_mut().zip(joint.log_prob_rows(&points)?) {
                *sum += (log_joint - log_vertex).exp();
            }
        }
        let per_sr = |(sum, [theta, _]): (f64, &[f64; 2])| (sum / VERTICES as f64 / theta.sin()).ln();
        Ok::<_, flow_runtime::Error>(sums.into_iter().zip(directions).map(per_sr).collect())
    };
    let map = SkyMap::new(View::Directions)
        .title("Posterior of the direction of one event")
        .density(density)
        .cells(280)
        .contours(&[0.5, 0.9])
        .truth([event.truth.theta, event.truth.phi]);
    Figure::new().panel(map).dpi(108.0).save(path)?;
    Ok(())
}

/// The three coordinates of the vertex, and their pairs, from draws.
fn picture_vertex((encoder, pdf): &Model, event: &Event, folder: &Path) -> Result<(), Box<dyn Error>> {
    let given = summaries(encoder, std::slice::from_ref(event));
    let draws = pdf.given(&given)?.sample_n(20_000, &mut StdRng::seed_from_u64(SEED))?;
    let vertices = draws.vertex().as_vec();
    let metres: Vec<[f64; 3]> = vertices.as_chunks::<3>().0.iter().map(|vertex| vertex.map(|x| UNIT * x)).collect();
    let names = ["x (m)", "y (m)", "z (m)"];
    let axes: [Axis; 3] = std::array::from_fn(|k| Axis::linear(names[k], -1.2 * BOX[k], 1.2 * BOX[k]));
    let title = "Posterior of the vertex of one event";
    let mut figure = Figure::new().title(title);
    for (k, axis) in axes.iter().enumerate() {
        let own: Vec<f64> = metres.iter().map(|vertex| vertex[k]).collect();
        let panel = Marginal::new(axis.clone()).bins(60);
        figure = figure.panel(panel.samples("draws", &own).truth(event.truth.vertex[k]));
    }
    figure.save(folder.join("event_vertex.png"))?;
    let corner = Corner::new(axes).title(title).samples("draws", metres).truth(&event.truth.vertex);
    Figure::new().panel(corner).save_both(folder.join("event_corner"))?;
    Ok(())
}
