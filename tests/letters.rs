//! The pictures of the guide's pages of letters: what one line of notation makes of its base, layer by layer.
//!
//! `UPDATE_DOCS=1 cargo test --release --test letters` draws them anew. Otherwise each is drawn and thrown away, and the page's own must be there.

use base64::prelude::{BASE64_STANDARD, Engine};
use dfdx::nn::DeviceBuildExt;
use dfdx::tensor::Cpu;
use flow_runtime::plot::Steps;
use flow_runtime::{Layerwise, flow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

/// Weights around those a fit starts from.
fn stirred(weights: Vec<f64>, by: f64, seed: u64) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    weights.into_iter().map(|w| w + by * rng.sample::<f64, _>(StandardNormal)).collect()
}

/// The same picture with fewer shades, so that a page stays small: 32 a channel.
fn smaller(picture: &[u8]) -> Vec<u8> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(picture)).read_info().expect("a picture");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("pixels");
    assert_eq!(info.color_type, png::ColorType::Rgb);
    let shade = |v: &u8| ((u16::from(*v) * 31 + 127) / 255 * 255 / 31) as u8;
    let rgb: Vec<u8> = pixels.iter().map(shade).collect();
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, info.width, info.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    encoder.write_header().and_then(|mut w| w.write_image_data(&rgb)).expect("a picture");
    out
}

/// Draws a letter's picture.
macro_rules! picture {
    ($letter:ident, stirred $by:literal seed $seed:literal, $steps:expr, $($line:tt)*) => {
        #[test]
        fn $letter() {
            let mut pdf = Cpu::default().build_module::<flow!($($line)*), f64>();
            let weights = stirred(pdf.flat_weights(), $by, $seed);
            pdf.set_flat_weights(&weights).expect("as many as there were");
            keep(stringify!($letter), concat!($(stringify!($line)),*), &pdf, $steps);
        }
    };
}

fn keep<D: Layerwise<f64>>(letter: &str, line: &str, pdf: &D, steps: Steps<'_>) {
    let figure = steps.figure(pdf, &mut StdRng::seed_from_u64(1)).expect("a figure");
    let png = smaller(&figure.dpi(72.0).png().expect("a picture"));
    let path = format!("{}/flow-runtime/src/guide/pictures/{letter}.html", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let tag = format!("<img alt=\"{line}\" src=\"data:image/png;base64,{}\">\n", BASE64_STANDARD.encode(png));
        std::fs::write(&path, tag).expect("the picture written");
        return;
    }
    let kept = std::fs::read_to_string(&path).expect("the letter's picture: see the comment of this file");
    assert!(
        kept.starts_with(&format!("<img alt=\"{line}\"")),
        "{path} shows another line: see the comment of this file"
    );
}

picture!(g, stirred 0.4 seed 3, Steps::new(), e2 : gg);
picture!(t, stirred 0.6 seed 1, Steps::new(), e2 : t(cov_type = "full"));
picture!(x, stirred 1.0 seed 2, Steps::new(), e1 : x(add_offset = 1));
picture!(r, stirred 0.45 seed 4, Steps::new(), i1[-1, 1] : rr);
picture!(z, stirred 0.0 seed 0, Steps::new(), i1[-1, 1] : z);
picture!(m, stirred 0.6 seed 5, Steps::new(), s1 : mm);
picture!(o, stirred 0.9 seed 6, Steps::new(), s1 : oo);
picture!(f, stirred 0.35 seed 7, Steps::new(), s2 : f(add_vertical_rq_spline_flow = 1, add_circular_rq_spline_flow = 1, vertical_smooth = 1, spline_num_basis_functions = -1));
picture!(v, stirred 12.0 seed 8, Steps::new(), s2 : v(num_components = 4, exp_map_type = "quadratic", natural_direction = 1));
picture!(n, stirred 0.08 seed 9, Steps::new(), s2 : n(zenith_type_layers = "gg", hidden_dims = "32"));
picture!(y, stirred 1.0 seed 10, Steps::new(), s1 : m y(add_rotation = 1));
picture!(c, stirred 0.8 seed 11, Steps::new(), e2 : cc(solver = "rk4", steps = 16));
picture!(w, stirred 0.05 seed 12, Steps::new(), a2 : w);
picture!(u, stirred 0.4 seed 13, Steps::new(), a2 : u);
