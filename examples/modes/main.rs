//! A density with four modes on the sphere, known up to its norm: fitted without any data, and from points for comparison.
//!
//!     cargo run --release --example modes [folder for the pictures]
//!
//! What is fitted: target.rs. How, and how it is judged: fits.rs.

mod fits;
mod target;

use fits::Pdf;
use flow_runtime::estimators::Estimate;
use flow_runtime::plot::{ColourScale, Figure, SkyMap, Steps, View};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

const STEPS: usize = 2000;
const POINTS: usize = 20_000;
const EPOCHS: usize = 50;
const FRESH: usize = 100_000;
const FOLDER: &str = "target/pictures";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| FOLDER.into()));
    let integral: f64 = target::quadrature(64).iter().map(|(x, area)| area * target::log_prob(x).exp()).sum();
    println!("ln Z {}; by quadrature {:.10}", target::LOG_NORM, target::LOG_NORM + integral.ln());

    println!("\nfrom the density alone, {STEPS} steps");
    let start = Instant::now();
    let by_density = fits::by_density(STEPS, true)?;
    judge(&by_density, start)?;

    println!("\nfrom {POINTS} points drawn from it, {EPOCHS} passes");
    let start = Instant::now();
    let by_points = fits::by_points(POINTS, EPOCHS, true)?;
    judge(&by_points, start)?;

    std::fs::create_dir_all(&folder)?;
    picture(&by_density, &folder.join("modes_sky.png"))?;
    // What each layer adds, from the uniform base to the four modes.
    Steps::new().figure(&by_density, &mut StdRng::seed_from_u64(3))?.dpi(90.0).save(folder.join("modes_steps.png"))?;
    println!("\npictures: {}", folder.display());
    Ok(())
}

fn judge(pdf: &Pdf, start: Instant) -> Result<(), flow_runtime::Error> {
    println!("  fitted in {:.0} s", start.elapsed().as_secs_f64());
    let weighed = fits::weigh(pdf, FRESH)?;
    let [forward, _] = fits::forward_divergence(pdf)?;
    let line = |name: &str, found: Estimate| println!("  {name:<48} {:.4} +- {:.4}", found.value, found.standard_error);
    line("KL of the flow from the target, nats", weighed.reverse);
    line("effective sample size, share of the sample", weighed.effective);
    line("mean importance weight", weighed.weight);
    println!("  {:<48} {forward:.4}", "KL of the target from the flow, by quadrature");
    Ok(())
}

/// Target and flow on the same colours, with points drawn from each.
fn picture(pdf: &Pdf, path: &Path) -> Result<(), Box<dyn Error>> {
    const SHOWN: usize = 400;
    let drawn = pdf.sample(SHOWN, &mut StdRng::seed_from_u64(3))?.points.as_vec();
    let map = |title: &str| {
        let map = SkyMap::new(View::Directions).title(title).cells(400);
        map.colour_scale(ColourScale::Log { decades: 4.0 })
            .colour_range(1e-4, 1.0)
            .contours(&[0.5, 0.9])
            .point_size(0.6)
    };
    let target = map("Target")
        .density(|points: &[[f64; 2]]| points.iter().map(|x| target::log_prob(&target::unit(*x))).collect::<Vec<_>>())
        .points("drawn from the target", &target::sample(SHOWN, &mut StdRng::seed_from_u64(3)));
    let flow = map("Flow, fitted to the density without data")
        .density(|points: &[[f64; 2]]| {
            let points: Vec<_> = points.iter().map(|x| target::unit(*x)).collect();
            Ok::<_, flow_runtime::Error>(pdf.log_prob_embedded(&points)?.as_vec())
        })
        .points("drawn from the flow", drawn.as_chunks().0);
    Figure::new().panel(target).panel(flow).dpi(90.0).save(path)?;
    Ok(())
}
