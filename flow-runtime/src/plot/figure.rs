//! A figure: panels in a grid, and the file they are written to.

use super::canvas::{Anchor, Canvas};
use super::colour::BLACK;
use super::{PlotError, Rect};
use std::path::Path;

/// Pixels a point: 144 dots per inch at print size.
const PIXELS_A_POINT: f64 = 2.0;
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

    /// The panel alone, written to a PNG file.
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
        Self { panels: Vec::new(), title: String::new(), columns: usize::MAX, scale: PIXELS_A_POINT }
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

    /// Pixels a point; 2 if not given, which is 144 dots per inch.
    pub fn scale(mut self, scale: f64) -> Self {
        self.scale = scale;
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

    /// The figure, written to a PNG file.
    pub fn save(self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        let png = self.png()?;
        let path = path.as_ref();
        std::fs::write(path, png).map_err(|source| PlotError::Write { path: path.into(), source })
    }
}
