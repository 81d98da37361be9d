//! What several panels draw alike: axes, contours, the legend, the colour bar.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Pen, corners};
use super::colour::{BLACK, Colour, Colours, INK, TRUTH, WHITE, faded, viridis};
use super::figure::{LABEL_SIZE, TICK_SIZE};
use super::grid::Grid;
use super::{Rect, contour};

pub(crate) const TICK: f64 = 3.5;
pub(crate) const FRAME: f64 = 0.8;
const POINT_RADIUS: f64 = 1.3;
pub(crate) const STAR_RADIUS: f64 = 5.5;

/// Dashes of the contours, from the innermost to the outermost.
const DASHES: [&[f32]; 4] = [&[], &[5.0, 2.5], &[1.6, 1.8], &[7.0, 2.0, 1.6, 2.0]];

/// The frame of a plot with ticks, numbers and axis labels at the left and the bottom.
pub(crate) fn axes(canvas: &mut Canvas, plot: Rect, x: &Axis, y: Option<&Axis>) {
    frame_with_ticks(canvas, plot, x, y, [true, true]);
}

/// Draws a frame with numbers and labels at the bottom and at the left only where `named` says so, for plots that share
/// an axis.
pub(crate) fn frame_with_ticks(canvas: &mut Canvas, plot: Rect, x: &Axis, y: Option<&Axis>, named: [bool; 2]) {
    let pen = Pen::new(INK, FRAME);
    canvas.frame(plot, &pen);
    let (ticks, factor) = x.ticks((plot.w / 40.0) as usize + 1);
    for (t, label) in ticks {
        let [at, bottom] = plot.at([t, 0.0]);
        canvas.line(&[[at, bottom], [at, bottom + TICK]], &pen);
        if named[0] {
            canvas.text([at, bottom + TICK + 7.0], &label, TICK_SIZE, Anchor::Centre, INK);
        }
    }
    if named[0] {
        let label = format!("{}{factor}", x.label);
        canvas.text([plot.x + 0.5 * plot.w, plot.y + plot.h + 24.0], &label, LABEL_SIZE, Anchor::Centre, BLACK);
    }
    let Some(y) = y else { return };
    let (ticks, factor) = y.ticks((plot.h / 35.0) as usize + 1);
    let mut widest: f64 = 0.0;
    for (t, label) in ticks {
        let [left, at] = plot.at([0.0, t]);
        canvas.line(&[[left - TICK, at], [left, at]], &pen);
        if named[1] {
            canvas.text([left - TICK - 2.5, at], &label, TICK_SIZE, Anchor::Right, INK);
            widest = widest.max(canvas.width(&label, TICK_SIZE));
        }
    }
    if named[1] {
        let label = format!("{}{factor}", y.label);
        let at = [plot.x - TICK - 2.5 - widest - 9.0, plot.y + 0.5 * plot.h];
        canvas.text(at, &label, LABEL_SIZE, Anchor::Upwards, BLACK);
    }
}

/// The heat map of a grid that fills a rectangle.
pub(crate) fn heat_map(canvas: &mut Canvas, plot: Rect, grid: &Grid, colours: &Colours) {
    let (columns, rows, floor) = (grid.columns as f64, grid.rows as f64, colours.floor());
    canvas.shade(plot, |u, v| {
        let value = grid.interpolate(u * columns - 0.5, v * rows - 0.5, floor)?;
        Some(viridis(colours.position(value)))
    });
}

/// The credible contours of a grid that fills a rectangle.
pub(crate) fn contours(canvas: &mut Canvas, plot: Rect, grid: &Grid, masses: &[f64]) {
    for (i, mass) in sorted(masses).into_iter().enumerate() {
        contour_at(canvas, plot, grid, grid.level(mass), i);
    }
}

/// Draws contours on a picture of a part of a density: regions of the whole.
pub(crate) fn contours_of_all(canvas: &mut Canvas, plot: Rect, grid: &Grid, masses: &[f64]) {
    for (i, mass) in sorted(masses).into_iter().enumerate() {
        if let Some(level) = grid.level_of_all(mass) {
            contour_at(canvas, plot, grid, level, i);
        }
    }
}

fn contour_at(canvas: &mut Canvas, plot: Rect, grid: &Grid, level: f64, rank: usize) {
    if grid.is_flat() {
        return;
    }
    let (columns, rows) = (grid.columns as f64, grid.rows as f64);
    for line in contour::lines(grid, level) {
        let line: Vec<_> = line.iter().map(|[c, r]| plot.at([(c + 0.5) / columns, 1.0 - (r + 0.5) / rows])).collect();
        contour(canvas, &line, rank);
    }
}

/// A line in white with a dark casing, seen on every colour of the map.
fn contour(canvas: &mut Canvas, line: &[[f64; 2]], rank: usize) {
    canvas.line(line, &Pen::new(faded(BLACK, 0.45), 1.9));
    canvas.line(line, &Pen::new(WHITE, 1.1).dashed(DASHES[rank % DASHES.len()]));
}

fn sorted(masses: &[f64]) -> Vec<f64> {
    let mut masses = masses.to_vec();
    masses.sort_by(f64::total_cmp);
    masses
}

/// A white disk with a dark rim, seen on every colour of the map and on paper.
pub(crate) fn point(canvas: &mut Canvas, at: [f64; 2], size: f64) {
    canvas.disk(at, size * (POINT_RADIUS + 0.45), faded(BLACK, 0.55));
    canvas.disk(at, size * POINT_RADIUS, WHITE);
}

/// Contours are white: in the legend they lie on this colour of the map.
const LEGEND_GROUND: f64 = 0.35;

/// A legend entry: its sign and its words.
pub(crate) enum Entry {
    Contour(usize, f64),
    Points(String),
    Truth,
    Line(Colour, String),
    Dashed(Colour, String),
    TruthLine,
    Area(Colour, String),
}

/// The entries that a map or heat map needs.
pub(crate) fn entries(masses: &[f64], points: Option<&str>, truth: bool) -> Vec<Entry> {
    let mut entries: Vec<_> = sorted(masses).into_iter().enumerate().map(|(i, m)| Entry::Contour(i, m)).collect();
    entries.extend(points.map(|label| Entry::Points(label.into())));
    entries.extend(truth.then_some(Entry::Truth));
    entries
}

/// Width of a sign, and what lies between it and its words.
const SIGN: f64 = 20.0;
const SPACE: f64 = 4.0;

impl Entry {
    fn words(&self) -> String {
        match self {
            Self::Contour(_, mass) => percent(*mass),
            Self::Points(label) | Self::Line(_, label) | Self::Dashed(_, label) | Self::Area(_, label) => label.clone(),
            Self::Truth | Self::TruthLine => "truth".into(),
        }
    }

    /// The width of sign and words.
    fn width(&self, canvas: &Canvas) -> f64 {
        SIGN + SPACE + canvas.width(&self.words(), TICK_SIZE)
    }

    /// Draws sign and words, the left end of the sign at a point.
    fn draw(&self, canvas: &mut Canvas, [left, y]: [f64; 2]) {
        let line = [[left, y], [left + SIGN, y]];
        let middle = [left + 0.5 * SIGN, y];
        let box_ = corners(Rect { x: left, y: y - 4.0, w: SIGN, h: 8.0 }, false);
        match self {
            Self::Contour(rank, _) => {
                canvas.fill(&box_, viridis(LEGEND_GROUND));
                contour(canvas, &[[left + 1.5, y], [left + SIGN - 1.5, y]], *rank);
            }
            Self::Points(_) => point(canvas, middle, 1.0),
            Self::Truth => canvas.star(middle, STAR_RADIUS, TRUTH),
            Self::Line(colour, _) => canvas.line(&line, &Pen::new(*colour, 2.0)),
            Self::Dashed(colour, _) => canvas.line(&line, &Pen::new(*colour, 1.5).dashed(DASH)),
            Self::TruthLine => canvas.line(&line, &truth_pen()),
            Self::Area(colour, _) => canvas.fill(&box_, *colour),
        }
        canvas.text([left + SIGN + SPACE, y], &self.words(), TICK_SIZE, Anchor::Left, BLACK);
    }
}

/// A probability in percent.
pub(crate) fn percent(mass: f64) -> String {
    format!("{} %", (mass * 1e4).round() / 1e2)
}

/// Between entries of a row.
const LEGEND_GAP: f64 = 12.0;
/// Between rows of entries.
pub(crate) const LEGEND_ROW: f64 = 14.0;

/// Entries as rows of a legend that are no wider than `width`.
fn legend_rows<'e>(canvas: &Canvas, width: f64, entries: &'e [Entry]) -> Vec<Vec<(&'e Entry, f64)>> {
    let mut rows: Vec<Vec<(&Entry, f64)>> = Vec::new();
    let mut used = f64::INFINITY;
    for entry in entries {
        let own = entry.width(canvas);
        used += LEGEND_GAP + own;
        match rows.last_mut() {
            Some(row) if used <= width => row.push((entry, own)),
            _ => {
                rows.push(vec![(entry, own)]);
                used = own;
            }
        }
    }
    rows
}

/// The height that [`legend`] needs for entries in a panel of some width.
pub(crate) fn legend_height(width: f64, entries: &[Entry]) -> f64 {
    // The widths of words need a font, and a font a canvas, of any size.
    let rows = Canvas::new([1.0, 1.0], 1.0).map_or(entries.len(), |canvas| legend_rows(&canvas, width, entries).len());
    rows as f64 * LEGEND_ROW
}

/// Legend entries around a centre, in as many rows as a width asks for; `y` is the middle of the first.
pub(crate) fn legend(canvas: &mut Canvas, [x, y]: [f64; 2], width: f64, entries: &[Entry]) {
    for (i, row) in legend_rows(canvas, width, entries).into_iter().enumerate() {
        let whole = row.iter().map(|(_, own)| own + LEGEND_GAP).sum::<f64>() - LEGEND_GAP;
        let mut left = x - 0.5 * whole;
        for (entry, own) in row {
            entry.draw(canvas, [left, y + LEGEND_ROW * i as f64]);
            left += own + LEGEND_GAP;
        }
    }
}

/// Legend entries below each other, from an upper left corner.
pub(crate) fn legend_column(canvas: &mut Canvas, [x, y]: [f64; 2], entries: &[Entry]) {
    for (i, entry) in entries.iter().enumerate() {
        entry.draw(canvas, [x, y + LEGEND_ROW * i as f64]);
    }
}

/// How wide [`legend_column`] is.
pub(crate) fn column_width(canvas: &Canvas, entries: &[Entry]) -> f64 {
    entries.iter().map(|entry| entry.width(canvas)).fold(0.0, f64::max)
}

const DASH: &[f32] = &[5.0, 2.5];

pub(crate) fn truth_pen() -> Pen {
    Pen::new(TRUTH, 1.5).dashed(DASH)
}

/// A colour bar: upright with its numbers at the right, or lying with its numbers below.
pub(crate) fn colour_bar(canvas: &mut Canvas, bar: Rect, upright: bool, colours: &Colours, label: &str) {
    canvas.shade(bar, |u, v| Some(viridis(if upright { 1.0 - v } else { u })));
    let pen = Pen::new(INK, FRAME);
    canvas.frame(bar, &pen);
    let (ticks, factor) = colours.ticks();
    let label = format!("{label}{factor}");
    let mut widest: f64 = 0.0;
    for (t, number) in ticks {
        if upright {
            let [right, y] = bar.at([1.0, t]);
            canvas.line(&[[right, y], [right + TICK, y]], &pen);
            canvas.text([right + TICK + 2.5, y], &number, TICK_SIZE, Anchor::Left, INK);
            widest = widest.max(canvas.width(&number, TICK_SIZE));
        } else {
            let [x, bottom] = bar.at([t, 0.0]);
            canvas.line(&[[x, bottom], [x, bottom + TICK]], &pen);
            canvas.text([x, bottom + TICK + 7.0], &number, TICK_SIZE, Anchor::Centre, INK);
        }
    }
    if upright {
        let at = [bar.x + bar.w + TICK + 2.5 + widest + 8.0, bar.y + 0.5 * bar.h];
        canvas.text(at, &label, LABEL_SIZE, Anchor::Upwards, BLACK);
    } else {
        canvas.text([bar.x + 0.5 * bar.w, bar.y + bar.h + 24.0], &label, LABEL_SIZE, Anchor::Centre, BLACK);
    }
}
