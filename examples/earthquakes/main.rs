//! Where, how deep and how strong: a density of a week of earthquakes on sphere x plane.
//!
//!     cargo run --release --example earthquakes
//!
//! Writes its pictures to target/figures/.

mod baselines;
mod data;

use baselines::{Gaussian, JointKernels, KernelPlaces, Model, NO_SHARE, SHARES, Score, Uniform};
use data::{Split, Standard};
use flow_runtime::plot::{Axis, ColourScale, Density2d, Figure, Marginal, Panel, SkyMap, View};
use std::error::Error;
use std::path::Path;

const SEED: u64 = 7;
const FIGURES: &str = "target/figures";

fn main() -> Result<(), Box<dyn Error>> {
    let split = data::split(data::CSV, SEED)?;
    let standard = Standard::of(&split.training);
    let Split { training, validation, test } = &split;
    println!("{} events to learn from, {} to choose by, {} to judge by", training.len(), validation.len(), test.len());
    println!("test negative log-likelihood in nats, per area on the unit sphere x asinh(depth / km) x magnitude:");

    judge_baselines(&split, &standard);

    std::fs::create_dir_all(FIGURES)?;
    picture_data(&split, Path::new(FIGURES))?;
    Ok(())
}

/// The densities a flow has to beat.
fn judge_baselines(split: &Split, standard: &Standard) {
    let Split { training, validation, .. } = split;
    report("uniform x Gaussian", &Uniform::fit(training), split);
    for shares in [NO_SHARE, SHARES] {
        let kernels = KernelPlaces::fit(training, validation, shares);
        let [kappa, share] = kernels.places.chosen();
        report(&format!("kernels x Gaussian (kappa {kappa:.0}, uniform share {share})"), &kernels, split);
    }
    let joint = JointKernels::fit(training, validation, *standard);
    let [kappa, width, share] = joint.chosen();
    report(&format!("joint kernels (kappa {kappa:.0}, width {width}, uniform share {share})"), &joint, split);
}

fn report(name: &str, model: &impl Model, split: &Split) {
    let Score { nll, error } = Score::on(model, &split.test);
    println!("  {name:<64} {nll:7.3} +- {error:.3}   (training {:.3})", Score::on(model, &split.training).nll);
}

/// The kernel density of places with the test events, and the marks.
fn picture_data(split: &Split, folder: &Path) -> Result<(), Box<dyn Error>> {
    let kernels = KernelPlaces::fit(&split.training, &split.validation, NO_SHARE);
    let places: Vec<_> = split.test.iter().map(|event| event.place).collect();
    SkyMap::new(View::Earth)
        .title("A week of earthquakes: kernel density of the training events")
        .density(|points: &[[f64; 2]]| points.iter().map(|p| kernels.places.log_prob(*p)).collect::<Vec<_>>())
        .cells(400)
        .centre(200f64.to_radians())
        .contours(&[0.5, 0.9])
        .points("test events", &places)
        .save(folder.join("earthquakes_kernels.png"))?;
    picture_marks(split, &kernels.marks, folder)
}

fn picture_marks(split: &Split, marks: &Gaussian, folder: &Path) -> Result<(), Box<dyn Error>> {
    let depth = Axis::log("depth (km)", 0.5, 700.0);
    let magnitude = || Axis::linear("magnitude", -1.0, 7.0);
    let in_km = |[depth, magnitude]: &[f64; 2]| {
        marks.log_prob([data::depth_mark(*depth), *magnitude]) + data::log_depth_jacobian(*depth)
    };
    let depths: Vec<_> = split.training.iter().map(|event| event.marks[0].sinh()).collect();
    let magnitudes: Vec<_> = split.training.iter().map(|event| event.marks[1]).collect();
    let points: Vec<_> = depths.iter().zip(&magnitudes).map(|(d, m)| [*d, *m]).collect();
    Figure::new()
        .panel(
            Density2d::new(depth.clone(), magnitude())
                .title("Gaussian in asinh(depth), magnitude")
                .density(|points: &[[f64; 2]]| points.iter().map(in_km).collect::<Vec<_>>())
                .density_label("probability density (per km)")
                .colour_scale(ColourScale::Log { decades: 4.0 })
                .contours(&[0.5, 0.9])
                .points("training events", &points)
                .point_size(0.6),
        )
        .panel(
            Marginal::new(Axis::linear("asinh(depth / km)", -2.0, 8.0))
                .title("Depth")
                .samples("training events", &asinh(&depths)),
        )
        .panel(Marginal::new(magnitude()).title("Magnitude").samples("training events", &magnitudes))
        .save(folder.join("earthquakes_marks.png"))?;
    Ok(())
}

fn asinh(depths: &[f64]) -> Vec<f64> {
    depths.iter().map(|depth| data::depth_mark(*depth)).collect()
}
