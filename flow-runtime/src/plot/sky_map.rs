//! A density on the sphere as a map of the whole sphere, or of a part of it.

use super::canvas::{Anchor, Canvas, Pen, corners};
use super::colour::{BLACK, Colours, INK, TRUTH, WHITE, faded};
use super::figure::{Panel, TICK_SIZE, TITLE_SIZE};
use super::mollweide::{HALF_HEIGHT, HALF_WIDTH};
use super::parts::{self, STAR_RADIUS};
use super::zenithal::{self, Zenithal};
use super::{ColourScale, Grid, LogDensities, LogDensity, Mollweide, PlotError, Rect, axis, boxed, finite, masses};
use core::f64::consts::{FRAC_PI_2, PI, TAU};

/// Width and height of the map in points; an ellipse twice as wide as high.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 0.5 * WIDTH;
const SIDE: f64 = 34.0;
const TITLE_HEIGHT: f64 = 20.0;
const ABOVE: f64 = 4.0;
/// The side of a map of a part of the sphere, and its surroundings.
const ZOOM: f64 = 250.0;
const ZOOM_SIDE: f64 = 52.0;
const ZOOM_BELOW: f64 = 30.0;
const NOTE_SIZE: f64 = 7.0;
const BAR_HEIGHT: f64 = 52.0;
const BAR: [f64; 2] = [300.0, 9.0];
/// Degrees between the lines of the graticule.
const GRATICULE: i32 = 30;

/// Which way the map is looked at, and how places are named on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View {
    /// The globe from outside: longitude grows to the right; labels 30°N, 60°W.
    Earth,
    /// The sky from inside: longitude grows to the left; labels +30°, 300°.
    Sky,
    /// Directions: azimuth φ grows to the right from 0° to 360°, labels of the polar angle θ from 0° (top) to 180°.
    Directions,
}

/// A map of the whole sphere in Mollweide's equal-area projection, or by [`zoom`](SkyMap::zoom) of a part of it: heat map, credible contours, points, a truth.
///
/// Points are (theta, phi) in radians: the polar angle from the north pole and the azimuth (longitude east), any number.
/// Densities are per steradian. Without a density the map is white: only points.
#[must_use = "a panel is drawn by `save`, `png` or in a `Figure`"]
pub struct SkyMap<'a> {
    title: String,
    view: View,
    centre: f64,
    zoom: Option<([f64; 2], f64)>,
    cells: Option<usize>,
    density: Option<LogDensity<'a>>,
    scale: ColourScale,
    range: Option<[f64; 2]>,
    label: String,
    masses: Vec<f64>,
    points: Vec<[f64; 2]>,
    points_label: String,
    point_size: f64,
    truth: Option<[f64; 2]>,
}

impl<'a> SkyMap<'a> {
    /// An empty map, longitude 0 in the middle (azimuth 180° for [`View::Directions`]).
    pub fn new(view: View) -> Self {
        Self {
            title: String::new(),
            view,
            centre: if view == View::Directions { PI } else { 0.0 },
            zoom: None,
            cells: None,
            density: None,
            scale: ColourScale::Log { decades: 4.0 },
            range: None,
            label: "probability density (per sr)".into(),
            masses: Vec::new(),
            points: Vec::new(),
            points_label: "events".into(),
            point_size: 1.0,
            truth: None,
        }
    }

    /// A line above the map.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// The azimuth in the middle, in radians.
    pub fn centre(mut self, phi: f64) -> Self {
        self.centre = phi;
        self
    }

    /// The density: a closure from points (theta, phi) to log-densities with respect to solid angle (or a `Result` of them),
    /// called with thousands of points at a time.
    pub fn density<R: LogDensities>(mut self, log_density: impl FnMut(&[[f64; 2]]) -> R + 'a) -> Self {
        self.density = Some(boxed(log_density));
        self
    }

    /// Only the part of the sphere around (theta, phi), up to an angle from it (at most a right one), all in radians: a square in Lambert's
    /// equal-area projection, north up.
    pub fn zoom(mut self, theta_phi: [f64; 2], angle: f64) -> Self {
        self.zoom = Some((theta_phi, angle));
        self
    }

    /// Cells across the map; if not given 560 for the whole sphere (about 123,000 evaluations, 0.6° at the equator), 240 for a part of it. Details
    /// finer than a cell are missed by the picture and by the contours.
    pub fn cells(mut self, cells: usize) -> Self {
        self.cells = Some(cells);
        self
    }

    /// How densities become colours; four decades below the peak if not given.
    pub fn colour_scale(mut self, scale: ColourScale) -> Self {
        self.scale = scale;
        self
    }

    /// Densities at the two ends of the colours, to compare maps; from the density itself if not given.
    pub fn colour_range(mut self, low: f64, high: f64) -> Self {
        self.range = Some([low, high]);
        self
    }

    /// The label of the colour bar.
    pub fn density_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Outlines of the smallest regions that hold these probabilities, such as `[0.5, 0.9, 0.99]`: on the map of a part of the sphere too, where the
    /// densest places must be in view; of a region that is not in view as a whole there is no outline.
    pub fn contours(mut self, masses: &[f64]) -> Self {
        self.masses = masses.to_vec();
        self
    }

    /// Points (theta, phi) with their name in the legend.
    pub fn points(mut self, label: impl Into<String>, points: &[[f64; 2]]) -> Self {
        self.points_label = label.into();
        self.points = points.to_vec();
        self
    }

    /// The size of the points; 1 if not given, smaller for many.
    pub fn point_size(mut self, size: f64) -> Self {
        self.point_size = size;
        self
    }

    /// Marks the true place with a star.
    pub fn truth(mut self, theta_phi: [f64; 2]) -> Self {
        self.truth = Some(theta_phi);
        self
    }

    fn check(&self) -> Result<(), PlotError> {
        masses(&self.masses)?;
        finite("point", self.points.iter().flatten(), 2)?;
        finite("truth", self.truth.iter().flatten().chain([&self.centre]), 2)?;
        if let Some((centre, angle)) = &self.zoom {
            finite("centre", centre, 2)?;
            if !(0.0 < *angle && *angle <= FRAC_PI_2) {
                let wanted = "more than 0 and at most a right angle, in radians, is possible";
                return Err(PlotError::Option { what: "the angle of a zoomed map", given: angle.to_string(), wanted });
            }
        }
        let cells = self.across();
        let wanted = "from 8 to 20000 cells are possible";
        let bad = PlotError::Option { what: "the number of cells across a map", given: cells.to_string(), wanted };
        if (8..=20_000).contains(&cells) { Ok(()) } else { Err(bad) }
    }

    fn across(&self) -> usize {
        self.cells.unwrap_or(if self.zoom.is_some() { 240 } else { 560 })
    }

    fn projection(&self) -> Mollweide {
        Mollweide::new(self.centre, self.view == View::Sky)
    }

    /// The density on the cells of the map. Cells just outside the rim take their nearest place on it and weigh nothing, so that
    /// colours and contours reach the rim.
    fn grid(&mut self) -> Result<Option<Grid>, PlotError> {
        if let Some((centre, angle)) = self.zoom {
            return self.zoomed_grid(Zenithal::new(centre, self.view == View::Sky), angle);
        }
        let (columns, rows, map) = (self.across(), self.across() / 2, self.projection());
        let Some(density) = self.density.as_mut() else { return Ok(None) };
        let size = [2.0 * HALF_WIDTH / columns as f64, 2.0 * HALF_HEIGHT / rows as f64];
        let place = |row: usize, column: usize| {
            let x = (column as f64 + 0.5) * size[0] - HALF_WIDTH;
            let y = HALF_HEIGHT - (row as f64 + 0.5) * size[1];
            if let Some(place) = map.unproject([x, y]) {
                return Some((place, size[0] * size[1]));
            }
            // One cell and a half inwards must be inside; where the rim is flat, at the poles, that is in y.
            let radius = (x / HALF_WIDTH).hypot(y / HALF_HEIGHT);
            let margin = 1.0 + 2.0 * size[1] / HALF_HEIGHT;
            let shrink = (1.0 - 1e-9) / radius;
            (radius < margin).then(|| map.unproject([x * shrink, y * shrink])).flatten().map(|place| (place, 0.0))
        };
        Grid::evaluate(columns, rows, density, place).map(Some)
    }

    fn zoomed_grid(&mut self, map: Zenithal, angle: f64) -> Result<Option<Grid>, PlotError> {
        let (cells, half) = (self.across(), zenithal::distance(angle));
        let Some(density) = self.density.as_mut() else { return Ok(None) };
        let size = 2.0 * half / cells as f64;
        let at = |i: usize| (i as f64 + 0.5) * size - half;
        let place = |row: usize, column: usize| map.unproject([at(column), -at(row)]).map(|place| (place, size * size));
        Grid::evaluate(cells, cells, density, place).map(Some)
    }

    fn bottom(&self) -> f64 {
        let legend = self.legend();
        let legend = if legend.is_empty() { 0.0 } else { 10.0 + parts::legend_height(self.width(), &legend) };
        legend
            + if self.density.is_some() { BAR_HEIGHT } else { 4.0 }
            + if self.zoom.is_some() { ZOOM_BELOW } else { 0.0 }
    }

    fn width(&self) -> f64 {
        if self.zoom.is_some() { ZOOM } else { WIDTH }
    }

    fn left(&self) -> f64 {
        if self.zoom.is_some() { ZOOM_SIDE } else { SIDE }
    }

    fn top(&self) -> f64 {
        ABOVE + if self.title.is_empty() { 0.0 } else { TITLE_HEIGHT }
    }

    fn legend(&self) -> Vec<parts::Entry> {
        let contours: &[f64] = if self.density.is_some() { &self.masses } else { &[] };
        let points = (!self.points.is_empty()).then_some(self.points_label.as_str());
        parts::entries(contours, points, self.truth.is_some())
    }

    /// Points, truth, legend and colour bar: what both kinds of maps have beside the map itself.
    fn marks(&self, canvas: &mut Canvas, onto: impl Fn([f64; 2]) -> Option<[f64; 2]>) {
        for at in self.points.iter().filter_map(|point| onto(*point)) {
            parts::point(canvas, at, self.point_size);
        }
        if let Some(at) = self.truth.and_then(&onto) {
            canvas.star(at, STAR_RADIUS, TRUTH);
        }
    }

    fn below(&self, canvas: &mut Canvas, map: Rect, colours: Option<&Colours>) {
        let (centre, legend) = (map.x + 0.5 * map.w, self.legend());
        let start = map.y + map.h + if self.zoom.is_some() { ZOOM_BELOW } else { 0.0 };
        parts::legend(canvas, [centre, start + 14.0], map.w, &legend);
        if let Some(colours) = colours {
            let below = if legend.is_empty() { 10.0 } else { 14.0 + parts::legend_height(map.w, &legend) };
            let long = BAR[0].min(map.w);
            let bar = Rect { x: centre - 0.5 * long, y: start + below, w: long, h: BAR[1] };
            parts::colour_bar(canvas, bar, false, colours, &self.label);
        }
    }

    fn draw_whole(&self, canvas: &mut Canvas, map: Rect, grid: Option<&Grid>, colours: Option<&Colours>) {
        let (projection, rim) = (self.projection(), rim(map));
        canvas.clipped(&rim, |canvas| {
            if let (Some(grid), Some(colours)) = (grid, colours) {
                parts::heat_map(canvas, map, grid, colours);
            }
            graticule(canvas, map, projection, &graticule_pen(grid.is_some()));
            if let Some(grid) = grid {
                parts::contours(canvas, map, grid, &self.masses);
            }
        });
        canvas.line(&rim, &Pen::new(INK, 1.0));
        labels(canvas, map, projection, self.view, self.centre, grid.is_some());
        // The corners beside the ellipse are empty.
        canvas.text([map.x + map.w, map.y + map.h - 2.0], convention(self.view), NOTE_SIZE, Anchor::Right, INK);
        self.marks(canvas, |point| Some(place(map, projection.project(point))));
    }

    fn draw_zoomed(
        &self,
        canvas: &mut Canvas,
        map: Rect,
        (centre, angle): ([f64; 2], f64),
        grid: Option<&Grid>,
        colours: Option<&Colours>,
    ) {
        let (projection, half) = (Zenithal::new(centre, self.view == View::Sky), zenithal::distance(angle));
        let frame = corners(map, false);
        let plane = |[x, y]: [f64; 2]| map.at([0.5 + 0.5 * x / half, 0.5 + 0.5 * y / half]);
        let lines = lines_of(centre, angle);
        let onto = |point: [f64; 2]| {
            // Places far behind the frame come back from the other side.
            projection.project(point).filter(|[x, y]| x.hypot(*y) < 1.9).map(plane)
        };
        canvas.clipped(&frame, |canvas| {
            if let (Some(grid), Some(colours)) = (grid, colours) {
                parts::heat_map(canvas, map, grid, colours);
            }
            let pen = graticule_pen(grid.is_some());
            for line in &lines {
                canvas.line(&line.places.iter().filter_map(|p| onto(*p)).collect::<Vec<_>>(), &pen);
            }
            if let Some(grid) = grid {
                parts::contours_of_all(canvas, map, grid, &self.masses);
            }
        });
        canvas.frame(map, &Pen::new(INK, 1.0));
        rim_labels(canvas, map, (self.view, grid.is_some()), &lines, onto);
        let note = [map.x + map.w, map.y + map.h + ZOOM_BELOW - 4.0];
        canvas.text(note, convention(self.view), NOTE_SIZE, Anchor::Right, INK);
        let inside = |[x, y]: &[f64; 2]| map.x <= *x && *x <= map.x + map.w && map.y <= *y && *y <= map.y + map.h;
        self.marks(canvas, |point| onto(point).filter(inside));
    }
}

impl Panel for SkyMap<'_> {
    fn size(&self) -> [f64; 2] {
        let height = if self.zoom.is_some() { ZOOM } else { HEIGHT };
        let right = if self.zoom.is_some() { 14.0 } else { SIDE };
        [self.left() + self.width() + right, self.top() + height + self.bottom()]
    }

    fn draw(&mut self, canvas: &mut Canvas, area: Rect) -> Result<(), PlotError> {
        self.check()?;
        let height = if self.zoom.is_some() { ZOOM } else { HEIGHT };
        let map = Rect { x: area.x + self.left(), y: area.y + self.top(), w: self.width(), h: height };
        canvas.text([map.x + 0.5 * map.w, area.y + 10.0], &self.title, TITLE_SIZE, Anchor::Centre, BLACK);
        let grid = self.grid()?;
        let colours = grid.as_ref().map(|grid| Colours::new(self.scale, self.range, grid)).transpose()?;
        match self.zoom {
            Some(zoom) => self.draw_zoomed(canvas, map, zoom, grid.as_ref(), colours.as_ref()),
            None => self.draw_whole(canvas, map, grid.as_ref(), colours.as_ref()),
        }
        self.below(canvas, map, colours.as_ref());
        Ok(())
    }
}

fn graticule_pen(on_colours: bool) -> Pen {
    Pen::new(if on_colours { faded(WHITE, 0.35) } else { faded(BLACK, 0.2) }, 0.6)
}

/// What the angles are and which way they grow.
fn convention(view: View) -> &'static str {
    match view {
        View::Earth => "longitude grows to the right",
        View::Sky => "right ascension grows to the left",
        View::Directions => "zenith angle θ, azimuth φ grows to the right",
    }
}

/// A line of the graticule: its angle in degrees, and places along it.
struct Line {
    parallel: bool,
    degrees: f64,
    decimals: usize,
    places: Vec<[f64; 2]>,
}

/// Steps of a graticule, in degrees.
const STEPS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

/// About four parallels and four meridians around a place; fewer places than a thousandth of a degree apart have none.
fn lines_of([theta, phi]: [f64; 2], angle: f64) -> Vec<Line> {
    let round = |step: f64| STEPS.into_iter().find(|s| *s >= step).unwrap_or(STEPS[STEPS.len() - 1]);
    let decimals = |step: f64| (-step.log10()).ceil().max(0.0) as usize;
    // The frame's corners are farther away than its sides.
    let reach = (1.5 * angle).min(PI);
    let (first, last) = ((theta - reach).max(0.0), (theta + reach).min(PI));
    // How wide the view is in azimuth where it is widest: all around where it holds a pole.
    let pole = first <= 0.0 || last >= PI;
    let width = if pole { PI } else { (reach.sin() / theta.sin().max(1e-9)).min(1.0).asin().max(reach) * 1.2 };
    let (span, steps) = (width.min(PI), 120);
    let mut lines = Vec::new();
    let step = round(0.5 * angle.to_degrees());
    let multiples = |low: f64, high: f64, step: f64| {
        ((low.to_degrees() / step).ceil() as i64..=(high.to_degrees() / step).floor() as i64)
            .map(move |i| i as f64 * step)
    };
    let along =
        move |low: f64, high: f64| (0..=steps).map(move |i| low + (high - low) * f64::from(i) / f64::from(steps));
    for degrees in multiples(first, last, step) {
        let places = along(phi - span, phi + span).map(|p| [degrees.to_radians(), p]).collect();
        lines.push(Line { parallel: true, degrees, decimals: decimals(step), places });
    }
    let step = round((0.5 * angle.to_degrees() / theta.sin().max(1e-9)).min(30.0));
    let end = if pole { (phi + span).to_degrees() - 0.5 * step } else { (phi + span).to_degrees() };
    for degrees in multiples(phi - span, end.to_radians(), step) {
        let places = along(first, last).map(|t| [t, degrees.to_radians()]).collect();
        lines.push(Line { parallel: false, degrees, decimals: decimals(step), places });
    }
    lines
}

/// Names of parallels where they leave at the left, of meridians where they leave at the bottom.
fn rim_labels(
    canvas: &mut Canvas,
    map: Rect,
    (view, on_colours): (View, bool),
    lines: &[Line],
    onto: impl Fn([f64; 2]) -> Option<[f64; 2]>,
) {
    let (bottom, right) = (map.y + map.h, map.x + map.w);
    let mut taken: Vec<[f64; 2]> = Vec::new();
    for line in lines {
        let places: Vec<_> = line.places.iter().map(|p| onto(*p)).collect();
        let crossing = places.windows(2).find_map(|pair| {
            let [Some(a), Some(b)] = [pair[0], pair[1]] else { return None };
            // Which coordinate meets the rim, where, and where the other one is then.
            let (k, edge, [low, high]) =
                if line.parallel { (0, map.x, [map.y, bottom]) } else { (1, bottom, [map.x, right]) };
            let met = (a[k] - edge) * (b[k] - edge) <= 0.0 && a[k] != b[k];
            let other = a[1 - k] + (b[1 - k] - a[1 - k]) * (edge - a[k]) / (b[k] - a[k]);
            (met && (low..=high).contains(&other)).then_some(other)
        });
        let Some(at) = crossing else {
            // Around a pole parallels are closed: their names stand on them, where they are lowest.
            let inside = |[x, y]: &[f64; 2]| map.x + 20.0 < *x && *x < right - 20.0 && map.y < *y && *y < bottom - 6.0;
            let lowest = places.into_iter().flatten().filter(inside).max_by(|a, b| a[1].total_cmp(&b[1]));
            if let Some(at) = lowest.filter(|_| line.parallel) {
                let name = parallel_name(view, line.degrees, line.decimals);
                canvas.rimmed_text(
                    at,
                    &name,
                    TICK_SIZE,
                    if on_colours { [WHITE, faded(BLACK, 0.5)] } else { [INK, WHITE] },
                );
            }
            continue;
        };
        if line.parallel {
            let name = parallel_name(view, line.degrees, line.decimals);
            canvas.text([map.x - 5.0, at], &name, TICK_SIZE, Anchor::Right, INK);
        } else {
            let name = meridian_name(view, line.degrees, line.decimals);
            let half = 0.5 * canvas.width(&name, TICK_SIZE) + 3.0;
            if taken.iter().all(|[from, to]| at + half < *from || *to < at - half) {
                canvas.text([at, bottom + 10.0], &name, TICK_SIZE, Anchor::Centre, INK);
                taken.push([at - half, at + half]);
            }
        }
    }
}

/// From the plane of the projection to the page.
fn place(map: Rect, [x, y]: [f64; 2]) -> [f64; 2] {
    map.at([0.5 + 0.5 * x / HALF_WIDTH, 0.5 + 0.5 * y / HALF_HEIGHT])
}

fn rim(map: Rect) -> Vec<[f64; 2]> {
    let angle = |i: i32| f64::from(i % 360).to_radians();
    (0..=360).map(|i| place(map, [HALF_WIDTH * angle(i).cos(), HALF_HEIGHT * angle(i).sin()])).collect()
}

fn graticule(canvas: &mut Canvas, map: Rect, projection: Mollweide, pen: &Pen) {
    let along = |i: i32| f64::from(i) / 90.0;
    for degrees in (GRATICULE..180).step_by(GRATICULE as usize) {
        let theta = f64::from(degrees).to_radians();
        let parallel: Vec<_> = (0..=90).map(|i| place(map, projection.at(theta, TAU * (along(i) - 0.5)))).collect();
        canvas.line(&parallel, pen);
        let meridian =
            |longitude: f64| (0..=90).map(|i| place(map, projection.at(PI * along(i), longitude))).collect::<Vec<_>>();
        canvas.line(&meridian(theta), pen);
        canvas.line(&meridian(-theta), pen);
    }
    let middle: Vec<_> = (0..=90).map(|i| place(map, projection.at(PI * along(i), 0.0))).collect();
    canvas.line(&middle, pen);
}

/// Names of the parallels at the left rim and of the meridians along the equator.
fn labels(canvas: &mut Canvas, map: Rect, projection: Mollweide, view: View, centre: f64, on_colours: bool) {
    let left_edge = if view == View::Sky { PI } else { -PI };
    for degrees in (GRATICULE..180).step_by(GRATICULE as usize) {
        let [x, y] = place(map, projection.at(f64::from(degrees).to_radians(), left_edge));
        // Beside the rim, which leans away from the equator.
        let up = 4.0 * f64::from(90 - degrees) / 60.0;
        canvas.text([x - 6.0, y - up], &parallel_name(view, f64::from(degrees), 0), TICK_SIZE, Anchor::Right, INK);
    }
    let colours = if on_colours { [WHITE, faded(BLACK, 0.5)] } else { [INK, WHITE] };
    let centre_degrees = centre.to_degrees();
    let first = ((centre_degrees - 180.0) / f64::from(2 * GRATICULE)).ceil() as i32;
    for degrees in (first..first + 6).map(|i| i * 2 * GRATICULE) {
        let longitude = (f64::from(degrees) - centre_degrees).to_radians();
        // Names at the very rim would stick out of the map.
        if longitude.abs() < 0.95 * PI {
            let [x, y] = place(map, projection.at(0.5 * PI, longitude));
            canvas.rimmed_text([x, y], &meridian_name(view, f64::from(degrees), 0), TICK_SIZE, colours);
        }
    }
}

fn parallel_name(view: View, theta: f64, decimals: usize) -> String {
    let latitude = 90.0 - theta;
    let size = axis::number(latitude.abs(), decimals);
    match view {
        View::Directions => format!("θ {}°", axis::number(theta, decimals)),
        _ if latitude.abs() < 1e-9 => "0°".into(),
        View::Earth if latitude > 0.0 => format!("{size}°N"),
        View::Earth => format!("{size}°S"),
        View::Sky if latitude > 0.0 => format!("+{size}°"),
        View::Sky => format!("−{size}°"),
    }
}

fn meridian_name(view: View, degrees: f64, decimals: usize) -> String {
    // A hair below a whole turn is none.
    let east = (degrees + 1e-9).rem_euclid(360.0) - 1e-9;
    let number = |value: f64| axis::number(value, decimals);
    match view {
        View::Directions => format!("φ {}°", number(east)),
        View::Earth if east > 1e-6 && east < 180.0 - 1e-6 => format!("{}°E", number(east)),
        View::Earth if east > 180.0 + 1e-6 => format!("{}°W", number(360.0 - east)),
        View::Sky | View::Earth => format!("{}°", number(east)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::colour::viridis;
    use super::*;
    use crate::plot::Figure;

    /// ln of the von Mises-Fisher density around a place.
    fn bump(at: [f64; 2], kappa: f64) -> impl Fn(&[[f64; 2]]) -> Vec<f64> {
        move |points| {
            let unit = |[t, p]: [f64; 2]| [t.sin() * p.cos(), t.sin() * p.sin(), t.cos()];
            let dot = |p: [f64; 2]| unit(at).iter().zip(unit(p)).map(|(a, b)| a * b).sum::<f64>();
            let log_norm = (kappa / (TAU * -(-2.0 * kappa).exp_m1())).ln();
            points.iter().map(|p| log_norm + kappa * (dot(*p) - 1.0)).collect()
        }
    }

    #[test]
    fn the_map_holds_the_whole_density_and_its_regions_have_their_mass() {
        // Around a place on the far meridian: the bump is cut by the rim.
        let kappa = 60.0;
        let density = bump([1.0, PI], kappa);
        let grid = SkyMap::new(View::Earth).density(density).grid().unwrap().unwrap();
        assert!((grid.integral() - 1.0).abs() < 2e-3, "{}", grid.integral());
        for mass in [0.5f64, 0.9, 0.99] {
            // Outside the angle a lies exp(-kappa (1 - cos a)), up to exp(-2 kappa).
            let exact = (kappa / TAU).ln() + (1.0 - mass).ln();
            assert!((grid.level(mass) - exact).abs() < 0.02, "{mass}");
        }
    }

    #[test]
    fn east_is_right_on_earth_and_left_in_the_sky_and_north_is_up() {
        // 50 degrees north, 70 degrees east: off the lines of the graticule.
        let at = [40f64.to_radians(), 70f64.to_radians()];
        for (view, side) in [(View::Earth, 1.0), (View::Sky, -1.0), (View::Directions, -1.0)] {
            let canvas = Figure::new().panel(SkyMap::new(view).density(bump(at, 40.0))).render().unwrap();
            let bright = viridis(1.0);
            let map = Rect { x: 6.0 + SIDE, y: 6.0 + ABOVE, w: WIDTH, h: HEIGHT };
            let longitude = if view == View::Directions { 70.0 - 180.0 } else { 70.0f64 };
            let [x, y] = Mollweide::new(0.0, false).at(at[0], longitude.to_radians().abs());
            let there = canvas.colour_at(place(map, [side * x, y])).unwrap();
            let mirrored = canvas.colour_at(place(map, [-side * x, y])).unwrap();
            let south = canvas.colour_at(place(map, [side * x, -y])).unwrap();
            let near = |a: [u8; 4]| a.iter().zip(bright).all(|(a, b)| a.abs_diff(b) < 60);
            assert!(near(there) && !near(mirrored) && !near(south), "{view:?} {there:?} {mirrored:?} {south:?}");
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        let error = |map: SkyMap<'_>| map.png().unwrap_err().to_string();
        assert!(
            error(SkyMap::new(View::Sky).points("a", &[[0.0, 1.0], [f64::NAN, 0.0]])).starts_with("point 1 is NaN")
        );
        assert!(error(SkyMap::new(View::Sky).contours(&[90.0])).contains("between 0 and 1"));
        assert!(error(SkyMap::new(View::Sky).cells(0)).contains("cells"));
    }

    #[test]
    fn a_part_of_the_sphere_shows_the_bump_where_it_is() {
        let (at, kappa) = ([1.0, 2.0], 4e4);
        let map = |view| SkyMap::new(view).density(bump(at, kappa)).zoom([1.0, 2.0], 0.03).contours(&[0.5, 0.9]);
        let mut whole = map(View::Sky);
        let grid = whole.grid().unwrap().unwrap();
        assert!((grid.integral() - 1.0).abs() < 1e-3, "{}", grid.integral());
        for mass in [0.5f64, 0.9] {
            let exact = (kappa / TAU).ln() + (1.0 - mass).ln();
            assert!((grid.level_of_all(mass).unwrap() - exact).abs() < 0.02, "{mass}");
        }
        assert_eq!(grid.level_of_all(1.01), None, "what is not in view has no outline");
        // East of the centre: right on Earth, left in the sky.
        for (view, side) in [(View::Earth, 1.0), (View::Sky, -1.0), (View::Directions, 1.0)] {
            let east = [1.0, 2.0 + 0.015 / 1f64.sin()];
            let canvas =
                Figure::new().panel(SkyMap::new(view).density(bump(east, kappa)).zoom(at, 0.03)).render().unwrap();
            let map = Rect { x: 6.0 + ZOOM_SIDE, y: 6.0 + ABOVE, w: ZOOM, h: ZOOM };
            let place = |side: f64| canvas.colour_at(map.at([0.5 + 0.25 * side, 0.503])).unwrap();
            let bright = |a: [u8; 4]| a.iter().zip(viridis(1.0)).all(|(a, b)| a.abs_diff(b) < 60);
            assert!(bright(place(side)) && !bright(place(-side)), "{view:?}");
        }
    }

    #[test]
    fn a_zoomed_map_names_its_lines() {
        let map = SkyMap::new(View::Sky).zoom([40f64.to_radians(), 83f64.to_radians()], 4f64.to_radians());
        let canvas = Figure::new().panel(map).render().unwrap();
        let words: Vec<_> = canvas.words().collect();
        for expected in ["+50°", "+48°", "80°", "85°", "right ascension grows to the left"] {
            assert!(words.contains(&expected), "{expected}: {words:?}");
        }
        // Around a pole, and across the seam: every meridian once.
        for (centre, angle) in [([0.0, 0.0], 0.3), ([1.5, 0.01], 0.2), ([PI, 1.0], 1.5)] {
            let lines = lines_of(centre, angle);
            let meridians: Vec<_> = lines.iter().filter(|l| !l.parallel).map(|l| l.degrees.rem_euclid(360.0)).collect();
            let mut once = meridians.clone();
            once.sort_by(f64::total_cmp);
            once.dedup();
            assert_eq!(once.len(), meridians.len(), "{centre:?}: {meridians:?}");
            assert!(SkyMap::new(View::Earth).zoom(centre, angle).points("a", &[centre]).png().is_ok());
        }
        let error = SkyMap::new(View::Sky).zoom([1.0, 1.0], 2.0).png().unwrap_err().to_string();
        assert!(error.contains("right angle"), "{error}");
    }
}
