//! Marks of a page as pixels, and pixels as a PNG file.

use super::PlotError;
use super::canvas::{Mark, Pen};
use super::colour::Colour;
use tiny_skia::{
    FillRule, LineCap, LineJoin, Mask, Paint, Path, Pixmap, PixmapPaint, PremultipliedColorU8, Stroke, StrokeDash,
    Transform,
};

/// Points in a metre.
const POINTS_A_METRE: f64 = 72.0 / 0.0254;

fn no_memory() -> PlotError {
    PlotError::Encode("there is no memory for so many pixels".into())
}

/// Draws the marks on white, with `scale` pixels a point.
pub(crate) fn pixels(size: [f64; 2], scale: f64, marks: &[Mark]) -> Result<Pixmap, PlotError> {
    let [w, h] = size.map(|length| (length * scale).ceil() as u32);
    let mut page = Pixmap::new(w, h).ok_or_else(no_memory)?;
    page.fill(tiny_skia::Color::WHITE);
    let place = Transform::from_scale(scale as f32, scale as f32);
    let mut clips: Vec<Mask> = Vec::new();
    for mark in marks {
        let clip = clips.last();
        match mark {
            Mark::Fill { path, colour, .. } => page.fill_path(path, &paint(*colour), FillRule::Winding, place, clip),
            Mark::Stroke { path, pen } => page.stroke_path(path, &paint(pen.colour), &stroke(pen), place, clip),
            Mark::Image { rect, width, height, pixels } => {
                let image = image(*width, *height, pixels)?;
                let [left, top] = [rect.x, rect.y].map(|v| (v * scale).round() as i32);
                page.draw_pixmap(left, top, image.as_ref(), &PixmapPaint::default(), Transform::identity(), clip);
            }
            Mark::Clip(path) => {
                let mask = narrowed(clip, path, [w, h], place)?;
                clips.push(mask);
            }
            Mark::Unclip => {
                clips.pop();
            }
        }
    }
    Ok(page)
}

/// Clips a path by another clip.
fn narrowed(clip: Option<&Mask>, path: &Path, [w, h]: [u32; 2], place: Transform) -> Result<Mask, PlotError> {
    match clip {
        Some(outer) => {
            let mut mask = outer.clone();
            mask.intersect_path(path, FillRule::Winding, true, place);
            Ok(mask)
        }
        None => {
            let mut mask = Mask::new(w, h).ok_or_else(no_memory)?;
            mask.fill_path(path, FillRule::Winding, true, place);
            Ok(mask)
        }
    }
}

fn paint([r, g, b, a]: Colour) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(r, g, b, a);
    paint
}

fn stroke(pen: &Pen) -> Stroke {
    Stroke {
        width: pen.width as f32,
        line_cap: if pen.dash.is_empty() { LineCap::Round } else { LineCap::Butt },
        line_join: LineJoin::Round,
        dash: StrokeDash::new(pen.dash.to_vec(), 0.0),
        ..Stroke::default()
    }
}

fn image(width: u32, height: u32, pixels: &[Colour]) -> Result<Pixmap, PlotError> {
    let mut image = Pixmap::new(width, height).ok_or_else(no_memory)?;
    for (to, [r, g, b, a]) in image.pixels_mut().iter_mut().zip(pixels) {
        // Pixels are opaque or not there, so that there is nothing to multiply.
        let opaque = PremultipliedColorU8::from_rgba(*r, *g, *b, 255).filter(|_| *a > 0);
        *to = opaque.unwrap_or(PremultipliedColorU8::TRANSPARENT);
    }
    Ok(image)
}

/// A picture as a PNG file with its resolution.
pub(crate) fn encode(page: &Pixmap, scale: f64) -> Result<Vec<u8>, PlotError> {
    // The page is white below everything, hence opaque.
    let rgb: Vec<u8> = page.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
    let dots = (scale * POINTS_A_METRE).round() as u32;
    png([page.width(), page.height()], png::ColorType::Rgb, &rgb, Some(dots))
}

/// The pixels of an image as a PNG file.
pub(crate) fn encode_image(width: u32, height: u32, pixels: &[Colour]) -> Result<Vec<u8>, PlotError> {
    png([width, height], png::ColorType::Rgba, pixels.as_flattened(), None)
}

fn png([w, h]: [u32; 2], colours: png::ColorType, bytes: &[u8], dots: Option<u32>) -> Result<Vec<u8>, PlotError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, w, h);
    encoder.set_color(colours);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    encoder.set_pixel_dims(dots.map(|d| png::PixelDimensions { xppu: d, yppu: d, unit: png::Unit::Meter }));
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(bytes)?;
        writer.finish()
    });
    written.map(|()| file).map_err(|e| PlotError::Encode(e.to_string()))
}
