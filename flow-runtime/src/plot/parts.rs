//! What several panels draw alike: axes, contours, the legend, the colour bar.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Pen, corners};
use super::colour::{BLACK, Colour, Colours, INK, TRUTH, WHITE, faded, viridis};
use super::figure::{LABEL_SIZE, TICK_SIZE};
use super::grid::Grid;
use super::{Rect, contour};

const TICK: f64 = 3.5;
const FRAME: f64 = 0.8;
const POINT_RADIUS: f64 = 1.3;
pub(crate) const STAR_RADIUS: f64 = 5.5;

/// Dashes of the contours, from the innermost to the outermost.
const DASHES: [&[f32]; 4] = [&[], &[5.0, 2.5], &[1.6, 1.8], &[7.0, 2.0, 1.6, 2.0]];

/// The frame of a plot with ticks, numbers and axis labels at the left and the bottom.
pub(crate) fn axes(canvas: &mut Canvas, plot: Rect, x: &Axis, y: Option<&Axis>) {
    let pen = Pen::new(INK, FRAME);
    canvas.frame(plot, &pen);
    let (ticks, factor) = x.ticks((plot.w / 40.0) as usize + 1);
    for (t, label) in ticks {
        let [at, bottom] = plot.at([t, 0.0]);
        canvas.line(&[[at, bottom], [at, bottom + TICK]], &pen);
        canvas.text([at, bottom + TICK + 7.0], &label, TICK_SIZE, Anchor::Centre, INK);
    }
    let label = format!("{}{factor}", x.label);
    canvas.text([plot.x + 0.5 * plot.w, plot.y + plot.h + 24.0], &label, LABEL_SIZE, Anchor::Centre, BLACK);
    let Some(y) = y else { return };
    let (ticks, factor) = y.ticks((plot.h / 35.0) as usize + 1);
    let mut widest: f64 = 0.0;
    for (t, label) in ticks {
        let [left, at] = plot.at([0.0, t]);
        canvas.line(&[[left - TICK, at], [left, at]], &pen);
        canvas.text([left - TICK - 2.5, at], &label, TICK_SIZE, Anchor::Right, INK);
        widest = widest.max(canvas.width(&label, TICK_SIZE));
    }
    let label = format!("{}{factor}", y.label);
    let at = [plot.x - TICK - 2.5 - widest - 9.0, plot.y + 0.5 * plot.h];
    canvas.text(at, &label, LABEL_SIZE, Anchor::Upwards, BLACK);
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
    let (columns, rows) = (grid.columns as f64, grid.rows as f64);
    for (i, mass) in sorted(masses).into_iter().enumerate() {
        for line in contour::lines(grid, grid.level(mass)) {
            let line: Vec<_> =
                line.iter().map(|[c, r]| plot.at([(c + 0.5) / columns, 1.0 - (r + 0.5) / rows])).collect();
            contour(canvas, &line, i);
        }
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
    TruthLine,
}

/// The entries that a map or heat map needs.
pub(crate) fn entries(masses: &[f64], points: Option<&str>, truth: bool) -> Vec<Entry> {
    let mut entries: Vec<_> = sorted(masses).into_iter().enumerate().map(|(i, m)| Entry::Contour(i, m)).collect();
    entries.extend(points.map(|label| Entry::Points(label.into())));
    entries.extend(truth.then_some(Entry::Truth));
    entries
}

impl Entry {
    fn words(&self) -> String {
        match self {
            Self::Contour(_, mass) => format!("{} %", (mass * 1e4).round() / 1e2),
            Self::Points(label) | Self::Line(_, label) => label.clone(),
            Self::Truth | Self::TruthLine => "truth".into(),
        }
    }
}

/// A row of legend entries around a centre.
pub(crate) fn legend(canvas: &mut Canvas, [x, y]: [f64; 2], entries: &[Entry]) {
    const SIGN: f64 = 20.0;
    const SPACE: f64 = 4.0;
    const GAP: f64 = 12.0;
    let words: Vec<_> = entries.iter().map(Entry::words).collect();
    let widths: Vec<_> = words.iter().map(|w| SIGN + SPACE + canvas.width(w, TICK_SIZE) + GAP).collect();
    let mut left = x - 0.5 * (widths.iter().sum::<f64>() - GAP);
    for ((entry, words), width) in entries.iter().zip(&words).zip(&widths) {
        let line = [[left, y], [left + SIGN, y]];
        let middle = [left + 0.5 * SIGN, y];
        match entry {
            Entry::Contour(rank, _) => {
                canvas.fill(&corners(Rect { x: left, y: y - 4.0, w: SIGN, h: 8.0 }, false), viridis(LEGEND_GROUND));
                contour(canvas, &[[left + 1.5, y], [left + SIGN - 1.5, y]], *rank);
            }
            Entry::Points(_) => point(canvas, middle, 1.0),
            Entry::Truth => canvas.star(middle, STAR_RADIUS, TRUTH),
            Entry::Line(colour, _) => canvas.line(&line, &Pen::new(*colour, 2.0)),
            Entry::TruthLine => canvas.line(&line, &truth_pen()),
        }
        canvas.text([left + SIGN + SPACE, y], words, TICK_SIZE, Anchor::Left, BLACK);
        left += width;
    }
}

pub(crate) fn truth_pen() -> Pen {
    Pen::new(TRUTH, 1.5).dashed(&[5.0, 2.5])
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
