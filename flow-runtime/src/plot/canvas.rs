//! Lines, areas, images and text on a page. Lengths are in points (1/72 inch at print size) from the upper left corner.
//!
//! A page is a list of marks. `raster` makes pixels of it (with tiny-skia), `svg` a vector file: what is drawn is written once.

use super::colour::{Colour, WHITE};
use super::{PlotError, raster, svg};
use std::cell::OnceCell;
use tiny_skia::{Path, PathBuilder, Pixmap, Transform};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

/// A rectangle: upper left corner, width and height, in points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// left edge
    pub x: f64,
    /// upper edge
    pub y: f64,
    /// width
    pub w: f64,
    /// height
    pub h: f64,
}

impl Rect {
    /// The point at fractions of the width (from the left) and of the height (from the bottom).
    pub fn at(&self, [u, v]: [f64; 2]) -> [f64; 2] {
        [self.x + u * self.w, self.y + (1.0 - v) * self.h]
    }
}

/// Which part of a text lies at the given point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Anchor {
    /// the left end, at half the height of capitals
    Left,
    /// the middle
    Centre,
    /// the right end, at half the height of capitals
    Right,
    /// the middle, the text running upwards
    Upwards,
}

/// How a line is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Pen {
    pub colour: Colour,
    pub width: f64,
    pub dash: &'static [f32],
}

impl Pen {
    pub(crate) fn new(colour: Colour, width: f64) -> Self {
        Self { colour, width, dash: &[] }
    }

    pub(crate) fn dashed(self, dash: &'static [f32]) -> Self {
        Self { dash, ..self }
    }
}

/// A mark on a page, in the order drawn: PNG and SVG are both made from these. Paths are in points.
pub(crate) enum Mark {
    /// An area; `words` are what it says, where it is text.
    Fill { path: Path, colour: Colour, words: Option<String> },
    /// A line.
    Stroke { path: Path, pen: Pen },
    /// Pixels, row by row from the upper left corner, that fill a rectangle.
    Image { rect: Rect, width: u32, height: u32, pixels: Vec<Colour> },
    /// From here on only what lies inside is seen,
    Clip(Path),
    /// until here.
    Unclip,
}

/// A white page to draw on.
pub struct Canvas {
    size: [f64; 2],
    scale: f64,
    marks: Vec<Mark>,
    font: Face<'static>,
    pixels: OnceCell<Pixmap>,
}

/// The most pixels of a picture: more is a slip of the pen and would not fit into memory.
const MOST_PIXELS: f64 = 4e8;

impl Canvas {
    /// A page of width and height in points, with `scale` pixels a point.
    pub fn new(size: [f64; 2], scale: f64) -> Result<Self, PlotError> {
        let [w, h] = size.map(|length| (length * scale).ceil());
        if !(w >= 1.0 && h >= 1.0 && w * h <= MOST_PIXELS) {
            return Err(PlotError::Option {
                what: "the size of the picture",
                given: format!("{w} x {h} pixels"),
                wanted: "at least one pixel and at most 400 million are possible",
            });
        }
        let font = Face::parse(notosans::REGULAR_TTF, 0).map_err(|e| PlotError::Encode(format!("the font: {e}")))?;
        Ok(Self { size, scale, marks: Vec::new(), font, pixels: OnceCell::new() })
    }

    /// Width and height in points.
    pub fn size(&self) -> [f64; 2] {
        self.size
    }

    /// The page as a PNG file, which says how large it is at print size.
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        raster::encode(self.pixels()?, self.scale)
    }

    /// The page as an SVG file. Text is drawn as outlines, so that it looks the same everywhere, and kept in the attribute `aria-label`.
    pub fn svg(&self) -> Result<String, PlotError> {
        svg::document(self.size, &self.marks)
    }

    /// The colour of the pixel at a point of the page.
    pub fn colour_at(&self, [x, y]: [f64; 2]) -> Option<Colour> {
        let pixel = self.pixels().ok()?.pixel((x * self.scale) as u32, (y * self.scale) as u32)?.demultiply();
        Some([pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()])
    }

    /// Every line of text on the page, in the order drawn.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.marks.iter().filter_map(|mark| match mark {
            Mark::Fill { words: Some(words), .. } => Some(words.as_str()),
            _ => None,
        })
    }

    fn pixels(&self) -> Result<&Pixmap, PlotError> {
        if let Some(pixels) = self.pixels.get() {
            return Ok(pixels);
        }
        let pixels = raster::pixels(self.size, self.scale, &self.marks)?;
        Ok(self.pixels.get_or_init(|| pixels))
    }

    fn mark(&mut self, mark: Mark) {
        self.pixels.take();
        self.marks.push(mark);
    }

    /// Draws inside a closed outline only, until the closure ends.
    pub(crate) fn clipped<R>(&mut self, outline: &[[f64; 2]], draw: impl FnOnce(&mut Self) -> R) -> R {
        let Some(path) = path(outline, true) else { return draw(self) };
        self.mark(Mark::Clip(path));
        let result = draw(self);
        self.mark(Mark::Unclip);
        result
    }

    pub(crate) fn line(&mut self, points: &[[f64; 2]], pen: &Pen) {
        if let Some(path) = path(points, points.len() > 2 && points.first() == points.last()) {
            self.mark(Mark::Stroke { path, pen: pen.clone() });
        }
    }

    pub(crate) fn fill(&mut self, outline: &[[f64; 2]], colour: Colour) {
        if let Some(path) = path(outline, true) {
            self.mark(Mark::Fill { path, colour, words: None });
        }
    }

    pub(crate) fn frame(&mut self, rect: Rect, pen: &Pen) {
        self.line(&corners(rect, true), pen);
    }

    pub(crate) fn disk(&mut self, [x, y]: [f64; 2], radius: f64, colour: Colour) {
        if let Some(path) = PathBuilder::from_circle(x as f32, y as f32, radius as f32) {
            self.mark(Mark::Fill { path, colour, words: None });
        }
    }

    /// A five-pointed star with a white rim.
    pub(crate) fn star(&mut self, [x, y]: [f64; 2], radius: f64, colour: Colour) {
        const INNER: f64 = 0.42;
        let mut tips: Vec<[f64; 2]> = (0..10)
            .map(|i| {
                let (r, angle) = (if i % 2 == 0 { radius } else { INNER * radius }, f64::from(i) * 36f64.to_radians());
                [x + r * angle.sin(), y - r * angle.cos()]
            })
            .collect();
        tips.push(tips[0]);
        self.line(&tips, &Pen::new(WHITE, 2.0));
        self.fill(&tips, colour);
    }

    /// Colours every pixel of a rectangle; the closure gets fractions of the width and, from the top, of the height.
    pub(crate) fn shade(&mut self, rect: Rect, colour: impl Fn(f64, f64) -> Option<Colour>) {
        // Whole pixels of the page, so that they are not drawn between pixels.
        let device = |v: f64| (v * self.scale).round();
        let (left, top) = (device(rect.x), device(rect.y));
        let (w, h) = ((device(rect.x + rect.w) - left).max(1.0), (device(rect.y + rect.h) - top).max(1.0));
        let (width, height) = (w as u32, h as u32);
        let pixel = |i: u32| {
            let at = (f64::from(i % width) + 0.5) / w;
            colour(at, (f64::from(i / width) + 0.5) / h).unwrap_or([0; 4])
        };
        let pixels = (0..width * height).map(pixel).collect();
        let rect = Rect { x: left / self.scale, y: top / self.scale, w: w / self.scale, h: h / self.scale };
        self.mark(Mark::Image { rect, width, height, pixels });
    }

    /// Writes one line of text.
    pub(crate) fn text(&mut self, at: [f64; 2], text: &str, size: f64, anchor: Anchor, colour: Colour) {
        if let Some(path) = self.written(at, text, size, anchor) {
            self.mark(Mark::Fill { path, colour, words: Some(text.into()) });
        }
    }

    /// Writes text with a rim of another colour, readable on a picture.
    pub(crate) fn rimmed_text(&mut self, at: [f64; 2], text: &str, size: f64, colours: [Colour; 2]) {
        if let Some(path) = self.written(at, text, size, Anchor::Centre) {
            self.mark(Mark::Stroke { path: path.clone(), pen: Pen::new(colours[1], 1.6) });
            self.mark(Mark::Fill { path, colour: colours[0], words: Some(text.into()) });
        }
    }

    /// The width of a line of text.
    pub(crate) fn width(&self, text: &str, size: f64) -> f64 {
        let advances = text.chars().map(|c| self.letter(c)).map(|(glyph, share, _)| self.advance(glyph) * share);
        advances.sum::<f64>() * size / self.em()
    }

    /// The outlines of a line of text in its place.
    fn written(&self, [x, y]: [f64; 2], text: &str, size: f64, anchor: Anchor) -> Option<Path> {
        let unit = size / self.em();
        let mut outline = Glyphs { path: PathBuilder::new(), unit: unit as f32, x: 0.0, up: 0.0 };
        for c in text.chars() {
            let (glyph, share, up) = self.letter(c);
            (outline.unit, outline.up) = ((unit * share) as f32, (size * up) as f32);
            self.font.outline_glyph(glyph, &mut outline);
            outline.x += (self.advance(glyph) * unit * share) as f32;
        }
        let (width, capitals) = (f64::from(outline.x), f64::from(self.font.capital_height().unwrap_or(700)) * unit);
        let back = match anchor {
            Anchor::Left => 0.0,
            Anchor::Centre | Anchor::Upwards => 0.5 * width,
            Anchor::Right => width,
        };
        let centred = Transform::from_translate(-back as f32, 0.5 * capitals as f32);
        let turned = if anchor == Anchor::Upwards { centred.post_rotate(-90.0) } else { centred };
        outline.path.finish()?.transform(turned.post_translate(x as f32, y as f32))
    }

    /// A character's glyph, its share of the size and how far it is raised. The font has no superscript minus: a small raised one
    /// stands for it.
    fn letter(&self, character: char) -> (GlyphId, f64, f64) {
        let (character, share, up) = if character == '⁻' { ('−', 0.6, 0.33) } else { (character, 1.0, 0.0) };
        (self.font.glyph_index(character).unwrap_or_default(), share, up)
    }

    fn advance(&self, glyph: GlyphId) -> f64 {
        f64::from(self.font.glyph_hor_advance(glyph).unwrap_or(0))
    }

    fn em(&self) -> f64 {
        f64::from(self.font.units_per_em())
    }
}

/// The corners of a rectangle, with the first one again at the end where it is to be drawn as a line.
pub(crate) fn corners(rect: Rect, again: bool) -> Vec<[f64; 2]> {
    let mut corners = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]].map(|at| rect.at(at)).to_vec();
    corners.extend(again.then_some(corners[0]));
    corners
}

fn path(points: &[[f64; 2]], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    let (first, rest) = points.split_first()?;
    path.move_to(first[0] as f32, first[1] as f32);
    for [x, y] in rest {
        path.line_to(*x as f32, *y as f32);
    }
    if closed {
        path.close();
    }
    path.finish()
}

/// Font outlines (y upwards, in font units) become a path (y downwards, in points).
struct Glyphs {
    path: PathBuilder,
    unit: f32,
    x: f32,
    up: f32,
}

impl Glyphs {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.unit, -y * self.unit - self.up)
    }
}

impl OutlineBuilder for Glyphs {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }
    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_every_character_that_labels_use() {
        let canvas = Canvas::new([10.0, 10.0], 1.0).unwrap();
        for c in "−°θφ×⁻⁰¹²³⁴⁵⁶⁷⁸⁹ABCxyz0123456789%(),./".chars() {
            assert_ne!(canvas.letter(c).0, GlyphId(0), "{c}");
        }
    }
}
