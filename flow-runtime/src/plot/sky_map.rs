//! A density on the sphere as a map of the whole sphere.

use super::canvas::{Anchor, Canvas, Pen};
use super::colour::{BLACK, Colours, INK, TRUTH, WHITE, faded};
use super::figure::{Panel, TICK_SIZE, TITLE_SIZE};
use super::mollweide::{HALF_HEIGHT, HALF_WIDTH};
use super::parts::{self, STAR_RADIUS};
use super::{ColourScale, Grid, LogDensities, LogDensity, Mollweide, PlotError, Rect, boxed, finite, masses};
use core::f64::consts::{PI, TAU};

/// Width and height of the map in points; an ellipse twice as wide as high.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 0.5 * WIDTH;
const SIDE: f64 = 34.0;
const TITLE_HEIGHT: f64 = 20.0;
const ABOVE: f64 = 4.0;
const LEGEND_HEIGHT: f64 = 24.0;
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

/// A map of the whole sphere in Mollweide's equal-area projection: heat map, credible contours, points, a truth.
///
/// Points are (theta, phi) in radians: the polar angle from the north pole and the azimuth (longitude east), any number.
/// Densities are per steradian. Without a density the map is white: only points.
#[must_use = "a panel is drawn by `save`, `png` or in a `Figure`"]
pub struct SkyMap<'a> {
    title: String,
    view: View,
    centre: f64,
    cells: usize,
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
            cells: 560,
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

    /// Cells across the map; 560 if not given (about 123,000 evaluations, 0.6° at the equator). Details finer than a cell are
    /// missed by the picture and by the contours.
    pub fn cells(mut self, cells: usize) -> Self {
        self.cells = cells;
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

    /// Outlines of the smallest regions that hold these probabilities, such as `[0.5, 0.9, 0.99]`.
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
        let usable = (8..=20_000).contains(&self.cells);
        let wanted = "from 8 to 20000 cells are possible";
        let bad = PlotError::Option { what: "the number of cells across a map", given: self.cells.to_string(), wanted };
        if usable { Ok(()) } else { Err(bad) }
    }

    fn projection(&self) -> Mollweide {
        Mollweide::new(self.centre, self.view == View::Sky)
    }

    /// The density on the cells of the map. Cells just outside the rim take their nearest place on it and weigh nothing, so that
    /// colours and contours reach the rim.
    fn grid(&mut self) -> Result<Option<Grid>, PlotError> {
        let (columns, rows, map) = (self.cells, self.cells / 2, self.projection());
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

    fn bottom(&self) -> f64 {
        let legend = if self.legend().is_empty() { 0.0 } else { LEGEND_HEIGHT };
        legend + if self.density.is_some() { BAR_HEIGHT } else { 4.0 }
    }

    fn top(&self) -> f64 {
        ABOVE + if self.title.is_empty() { 0.0 } else { TITLE_HEIGHT }
    }

    fn legend(&self) -> Vec<parts::Entry> {
        let contours: &[f64] = if self.density.is_some() { &self.masses } else { &[] };
        let points = (!self.points.is_empty()).then_some(self.points_label.as_str());
        parts::entries(contours, points, self.truth.is_some())
    }
}

impl Panel for SkyMap<'_> {
    fn size(&self) -> [f64; 2] {
        [WIDTH + 2.0 * SIDE, self.top() + HEIGHT + self.bottom()]
    }

    fn draw(&mut self, canvas: &mut Canvas, area: Rect) -> Result<(), PlotError> {
        self.check()?;
        let map = Rect { x: area.x + SIDE, y: area.y + self.top(), w: WIDTH, h: HEIGHT };
        let centre = map.x + 0.5 * map.w;
        canvas.text([centre, area.y + 10.0], &self.title, TITLE_SIZE, Anchor::Centre, BLACK);
        let grid = self.grid()?;
        let colours = grid.as_ref().map(|grid| Colours::new(self.scale, self.range, grid)).transpose()?;
        let (projection, rim) = (self.projection(), rim(map));
        let onto = |point: [f64; 2]| place(map, projection.project(point));
        canvas.clipped(&rim, |canvas| {
            if let (Some(grid), Some(colours)) = (&grid, &colours) {
                parts::heat_map(canvas, map, grid, colours);
            }
            let line = if grid.is_some() { faded(WHITE, 0.35) } else { faded(BLACK, 0.2) };
            graticule(canvas, map, projection, &Pen::new(line, 0.6));
            if let Some(grid) = &grid {
                parts::contours(canvas, map, grid, &self.masses);
            }
        });
        for point in &self.points {
            parts::point(canvas, onto(*point), self.point_size);
        }
        canvas.line(&rim, &Pen::new(INK, 1.0));
        labels(canvas, map, projection, self.view, self.centre, grid.is_some());
        if let Some(truth) = self.truth {
            canvas.star(onto(truth), STAR_RADIUS, TRUTH);
        }
        let legend = self.legend();
        parts::legend(canvas, [centre, map.y + map.h + 14.0], &legend);
        if let Some(colours) = colours {
            let below = if legend.is_empty() { 10.0 } else { LEGEND_HEIGHT + 4.0 };
            let bar = Rect { x: centre - 0.5 * BAR[0], y: map.y + map.h + below, w: BAR[0], h: BAR[1] };
            parts::colour_bar(canvas, bar, false, &colours, &self.label);
        }
        Ok(())
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
        canvas.text([x - 6.0, y - up], &parallel_name(view, degrees), TICK_SIZE, Anchor::Right, INK);
    }
    let colours = if on_colours { [WHITE, faded(BLACK, 0.5)] } else { [INK, WHITE] };
    let centre_degrees = centre.to_degrees();
    let first = ((centre_degrees - 180.0) / f64::from(2 * GRATICULE)).ceil() as i32;
    for degrees in (first..first + 6).map(|i| i * 2 * GRATICULE) {
        let longitude = (f64::from(degrees) - centre_degrees).to_radians();
        // Names at the very rim would stick out of the map.
        if longitude.abs() < 0.95 * PI {
            let [x, y] = place(map, projection.at(0.5 * PI, longitude));
            canvas.rimmed_text([x, y], &meridian_name(view, degrees), TICK_SIZE, colours);
        }
    }
}

fn parallel_name(view: View, theta: i32) -> String {
    let latitude = 90 - theta;
    match (view, latitude) {
        (View::Directions, _) => format!("θ {theta}°"),
        (_, 0) => "0°".into(),
        (View::Earth, 1..) => format!("{latitude}°N"),
        (View::Earth, _) => format!("{}°S", -latitude),
        (View::Sky, 1..) => format!("+{latitude}°"),
        (View::Sky, _) => format!("−{}°", -latitude),
    }
}

fn meridian_name(view: View, degrees: i32) -> String {
    let east = degrees.rem_euclid(360);
    match (view, east) {
        (View::Directions, _) => format!("φ {east}°"),
        (View::Sky, _) | (View::Earth, 0 | 180) => format!("{east}°"),
        (View::Earth, ..180) => format!("{east}°E"),
        (View::Earth, _) => format!("{}°W", 360 - east),
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
}
