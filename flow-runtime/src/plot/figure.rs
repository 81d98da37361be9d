//! A figure: panels in a grid, and the file they are written to.

use super::canvas::{Anchor, Canvas};
use super::colour::BLACK;
use super::{PlotError, Rect};
use crate::module::write_atomically;
use std::path::Path;

/// Dots per inch at print size, unless others are asked for.
const DPI: f64 = 144.0;
const POINTS_AN_INCH: f64 = 72.0;
pub(crate) const TITLE_SIZE: f64 = 10.5;
pub(crate) const LABEL_SIZE: f64 = 9.0;
pub(crate) const TICK_SIZE: f64 = 8.0;
const HEADLINE_SIZE: f64 = 12.0;
const HEADLINE_HEIGHT: f64 = 26.0;
const MARGIN: f64 = 6.0;
const GAP: f64 = 10.0;

/// Something that can be drawn as a part of a figure.
pub trait Panel {
    /// Width and height in points, labels included.
    fn size(&self) -> [f64; 2];

    /// Draws into a rectangle of that size.
    fn draw(&mut self, canvas: &mut Canvas, area: Rect) -> Result<(), PlotError>;

    /// The panel alone as a PNG.
    fn png(self) -> Result<Vec<u8>, PlotError>
    where
        Self: Sized,
    {
        Figure::new().panel(self).png()
    }

    /// The panel alone as an SVG.
    fn svg(self) -> Result<String, PlotError>
    where
        Self: Sized,
    {
        Figure::new().panel(self).svg()
    }

    /// The panel alone, written to a file: see [`Figure::save`].
    fn save(self, path: impl AsRef<Path>) -> Result<(), PlotError>
    where
        Self: Sized,
    {
        Figure::new().panel(self).save(path)
    }
}

/// Panels side by side, in rows.
#[must_use = "a figure is drawn by `save` or `png`"]
pub struct Figure<'a> {
    panels: Vec<Box<dyn Panel + 'a>>,
    title: String,
    columns: usize,
    scale: f64,
}

impl Default for Figure<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Figure<'a> {
    /// A figure without panels.
    pub fn new() -> Self {
        Self { panels: Vec::new(), title: String::new(), columns: usize::MAX, scale: DPI / POINTS_AN_INCH }
    }

    /// Adds a panel to the right, or at the start of the next row.
    pub fn panel(mut self, panel: impl Panel + 'a) -> Self {
        self.panels.push(Box::new(panel));
        self
    }

    /// A headline above all panels.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Panels in a row; all in one row if not given.
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = columns;
        self
    }

    /// Dots per inch at print size; 144 if not given. Journals ask for 300 or more, or for SVG. In an SVG it is the resolution of the
    /// images of densities; everything else is lines.
    pub fn dpi(mut self, dpi: f64) -> Self {
        self.scale = dpi / POINTS_AN_INCH;
        self
    }

    /// Draws the figure.
    pub fn render(mut self) -> Result<Canvas, PlotError> {
        let sizes: Vec<_> = self.panels.iter().map(|panel| panel.size()).collect();
        let columns = self.columns.clamp(1, self.panels.len().max(1));
        let headline = if self.title.is_empty() { 0.0 } else { HEADLINE_HEIGHT };
        let row_size = |row: &[[f64; 2]]| {
            let width = row.iter().map(|size| size[0] + GAP).sum::<f64>() - GAP;
            [width, row.iter().map(|size| size[1]).fold(0.0, f64::max)]
        };
        let rows: Vec<_> = sizes.chunks(columns).map(row_size).collect();
        let width = rows.iter().map(|row| row[0]).fold(1.0, f64::max) + 2.0 * MARGIN;
        let height = rows.iter().map(|row| row[1] + GAP).sum::<f64>() - GAP + headline + 2.0 * MARGIN;
        let mut canvas = Canvas::new([width, height.max(1.0)], self.scale)?;
        canvas.text([0.5 * width, MARGIN + 8.0], &self.title, HEADLINE_SIZE, Anchor::Centre, BLACK);
        let mut y = MARGIN + headline;
        for ((panels, sizes), row) in self.panels.chunks_mut(columns).zip(sizes.chunks(columns)).zip(&rows) {
            let mut x = MARGIN;
            for (panel, [w, h]) in panels.iter_mut().zip(sizes) {
                panel.draw(&mut canvas, Rect { x, y, w: *w, h: *h })?;
                x += w + GAP;
            }
            y += row[1] + GAP;
        }
        Ok(canvas)
    }

    /// The figure as a PNG.
    pub fn png(self) -> Result<Vec<u8>, PlotError> {
        self.render()?.png()
    }

    /// The figure as an SVG.
    pub fn svg(self) -> Result<String, PlotError> {
        self.render()?.svg()
    }

    /// The figure, written to a file: PNG or SVG, as the name ends. The file holds its old content or all of the new.
    ///
    /// # Errors
    /// The name ends otherwise; a panel cannot be drawn; the file cannot be written.
    pub fn save(self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        let path = path.as_ref();
        let format = Format::of(path)?;
        format.write(&self.render()?, path)
    }

    /// The figure as PNG and as SVG, beside each other: `stem` and the two endings.
    ///
    /// # Errors
    /// A panel cannot be drawn; a file cannot be written.
    pub fn save_both(self, stem: impl AsRef<Path>) -> Result<(), PlotError> {
        let canvas = self.render()?;
        for format in [Format::Png, Format::Svg] {
            let mut path = stem.as_ref().as_os_str().to_owned();
            path.push(format.ending());
            format.write(&canvas, Path::new(&path))?;
        }
        Ok(())
    }
}

/// The kinds of files.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    Png,
    Svg,
}

impl Format {
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Format::Png => ".png",
            Format::Svg => ".svg",
        }
    }

    fn of(path: &Path) -> Result<Self, PlotError> {
        let ending = path.extension().map(|e| e.to_ascii_lowercase());
        match ending.as_deref().and_then(|e| e.to_str()) {
            Some("png") => Ok(Format::Png),
            Some("svg") => Ok(Format::Svg),
            _ => Err(PlotError::Option {
                what: "the name of the file",
                given: path.display().to_string(),
                wanted: "it ends in .png or .svg",
            }),
        }
    }

    fn write(self, canvas: &Canvas, path: &Path) -> Result<(), PlotError> {
        let content = match self {
            Format::Png => canvas.png()?,
            Format::Svg => canvas.svg()?.into_bytes(),
        };
        Ok(write_atomically(path, &content)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Axis, Marginal};
    use super::*;

    fn panel() -> Marginal {
        Marginal::new(Axis::linear("x (m)", -1.0, 1.0)).samples("draws", &[0.0, 0.1, 0.5])
    }

    #[test]
    fn dots_per_inch_are_kept() {
        let file = Figure::new().panel(panel()).dpi(300.0).png().unwrap();
        let info = png::Decoder::new(std::io::Cursor::new(&file)).read_info().unwrap();
        let (header, dims) = (info.info(), info.info().pixel_dims.unwrap());
        let [w, h] = Figure::new().panel(panel()).render().unwrap().size();
        assert_eq!([header.width, header.height], [w, h].map(|l| (l * 300.0 / 72.0).ceil() as u32));
        assert_eq!(dims.xppu, (300.0f64 / 0.0254).round() as u32);
    }

    #[test]
    fn the_ending_of_the_name_says_which_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        panel().save(at("a.svg")).unwrap();
        assert!(std::fs::read_to_string(at("a.svg")).unwrap().starts_with("<svg"));
        Figure::new().panel(panel()).save_both(at("b.c")).unwrap();
        assert!(std::fs::read(at("b.c.png")).unwrap().starts_with(b"\x89PNG"));
        assert!(at("b.c.svg").exists());
        let error = panel().save(at("a.pdf")).unwrap_err().to_string();
        assert!(error.contains("a.pdf") && error.contains(".png or .svg"), "{error}");
        let error = panel().save(at("missing/a.png")).unwrap_err().to_string();
        assert!(error.contains("missing"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "no temporary file is left");
    }
}
