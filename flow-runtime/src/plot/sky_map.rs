//! A density on the sphere as a map of the whole sphere, or of a part of it.

use super::canvas::{Anchor, Canvas, Pen, corners};
use super::colour::{BLACK, Colours, INK};
use super::figure::{Panel, TITLE_SIZE};
use super::graticule::{self, View};
use super::heat::{self, Heat};
use super::mollweide::{HALF_HEIGHT, HALF_WIDTH};
use super::zenithal::{self, Zenithal};
use super::{ColourScale, Grid, LogDensities, Mollweide, PlotError, Rect, boxed, finite, parts, within};
use core::f64::consts::{FRAC_PI_2, PI};

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
/// Cells across a map of the whole sphere, and of a part of it, if no number is given.
const CELLS: [usize; 2] = [560, 240];

/// A map of the whole sphere in Mollweide's equal-area projection, or by [`zoom`](SkyMap::zoom) of a part of it: heat map, credible contours, points, a truth.
///
/// Points are (theta, phi) in radians: the polar angle from the north pole and the azimuth (longitude east), any number.
/// Densities are per steradian. Without a density the map is white: only points.
#[must_use = "a panel is drawn by `save`, `png` or in a `Figure`"]
pub struct SkyMap<'a> {
    view: View,
    centre: f64,
    zoom: Option<([f64; 2], f64)>,
    heat: Heat<'a>,
}

impl<'a> SkyMap<'a> {
    /// An empty map, longitude 0 in the middle (azimuth 180° for [`View::Directions`]).
    pub fn new(view: View) -> Self {
        Self {
            view,
            centre: if view == View::Directions { PI } else { 0.0 },
            zoom: None,
            heat: Heat::new(ColourScale::Log { decades: 4.0 }, "probability density (per sr)", "events"),
        }
    }

    /// The azimuth in the middle, in radians.
    pub fn centre(mut self, phi: f64) -> Self {
        self.centre = phi;
        self
    }

    /// Only the part of the sphere around (theta, phi), up to an angle from it (at most a right one), all in radians: a square in Lambert's
    /// equal-area projection, north up.
    pub fn zoom(mut self, theta_phi: [f64; 2], angle: f64) -> Self {
        self.zoom = Some((theta_phi, angle));
        self
    }

    heat::options! {
        /// The density: a closure from points (theta, phi) to log-densities with respect to solid angle (or a `Result` of them),
        /// called with thousands of points at a time.
        density,
        /// Cells across the map; if not given 560 for the whole sphere (about 123,000 evaluations, 0.6° at the equator), 240 for a part of it. Details
        /// finer than a cell are missed by the picture and by the contours.
        cells,
        /// How densities become colours; four decades below the peak if not given.
        colour_scale,
        /// Densities at the two ends of the colours, to compare maps; from the density itself if not given.
        colour_range,
        /// Outlines of the smallest regions that hold these probabilities, such as `[0.5, 0.9, 0.99]`: on the map of a part of the sphere too, where the
        /// densest places must be in view; of a region that is not in view as a whole there is no outline.
        contours,
        /// Points (theta, phi) with their name in the legend.
        points,
        /// Marks the true place (theta, phi) with a star.
        truth,
    }

    fn check(&self) -> Result<(), PlotError> {
        self.heat.check()?;
        finite("centre", [&self.centre], 1)?;
        if let Some((centre, angle)) = &self.zoom {
            finite("centre", centre, 2)?;
            if !(0.0 < *angle && *angle <= FRAC_PI_2) {
                let wanted = "more than 0 and at most a right angle, in radians, is possible";
                return Err(PlotError::Option { what: "the angle of a zoomed map", given: angle.to_string(), wanted });
            }
        }
        within(8..=20_000, "the number of cells across a map", self.across(), "from 8 to 20000 cells are possible")
    }

    fn across(&self) -> usize {
        self.heat.cells.unwrap_or(CELLS[usize::from(self.zoom.is_some())])
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
        let Some(density) = self.heat.density.as_mut() else { return Ok(None) };
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
        let Some(density) = self.heat.density.as_mut() else { return Ok(None) };
        let size = 2.0 * half / cells as f64;
        let at = |i: usize| (i as f64 + 0.5) * size - half;
        let place = |row: usize, column: usize| map.unproject([at(column), -at(row)]).map(|place| (place, size * size));
        Grid::evaluate(cells, cells, density, place).map(Some)
    }

    fn bottom(&self) -> f64 {
        let legend = self.heat.legend();
        let legend = if legend.is_empty() { 0.0 } else { 10.0 + parts::legend_height(self.width(), &legend) };
        legend
            + if self.heat.density.is_some() { BAR_HEIGHT } else { 4.0 }
            + if self.zoom.is_some() { ZOOM_BELOW } else { 0.0 }
    }

    fn width(&self) -> f64 {
        if self.zoom.is_some() { ZOOM } else { WIDTH }
    }

    fn left(&self) -> f64 {
        if self.zoom.is_some() { ZOOM_SIDE } else { SIDE }
    }

    fn top(&self) -> f64 {
        ABOVE + if self.heat.title.is_empty() { 0.0 } else { TITLE_HEIGHT }
    }

    /// Legend and colour bar.
    fn below(&self, canvas: &mut Canvas, map: Rect, colours: Option<&Colours>) {
        let (centre, legend) = (map.x + 0.5 * map.w, self.heat.legend());
        let start = map.y + map.h + if self.zoom.is_some() { ZOOM_BELOW } else { 0.0 };
        parts::legend(canvas, [centre, start + 14.0], map.w, &legend);
        if let Some(colours) = colours {
            let below = if legend.is_empty() { 10.0 } else { 14.0 + parts::legend_height(map.w, &legend) };
            let long = BAR[0].min(map.w);
            let bar = Rect { x: centre - 0.5 * long, y: start + below, w: long, h: BAR[1] };
            parts::colour_bar(canvas, bar, false, colours, &self.heat.label);
        }
    }

    fn draw_whole(&self, canvas: &mut Canvas, map: Rect, grid: Option<&Grid>, colours: Option<&Colours>) {
        let (projection, rim) = (self.projection(), rim(map));
        canvas.clipped(&rim, |canvas| {
            if let (Some(grid), Some(colours)) = (grid, colours) {
                parts::heat_map(canvas, map, grid, colours);
            }
            graticule::whole(canvas, map, projection, &graticule::pen(grid.is_some()));
            if let Some(grid) = grid {
                parts::contours(canvas, map, grid, &self.heat.masses);
            }
        });
        canvas.line(&rim, &Pen::new(INK, 1.0));
        graticule::names(canvas, map, projection, self.view, self.centre, grid.is_some());
        // The corners beside the ellipse are empty.
        canvas.text(
            [map.x + map.w, map.y + map.h - 2.0],
            graticule::convention(self.view),
            NOTE_SIZE,
            Anchor::Right,
            INK,
        );
        self.heat.marks(canvas, |point| Some(place(map, projection.project(point))));
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
        let lines = graticule::lines_around(centre, angle);
        let onto = |point: [f64; 2]| {
            // Places far behind the frame come back from the other side.
            projection.project(point).filter(|[x, y]| x.hypot(*y) < 1.9).map(plane)
        };
        canvas.clipped(&frame, |canvas| {
            if let (Some(grid), Some(colours)) = (grid, colours) {
                parts::heat_map(canvas, map, grid, colours);
            }
            let pen = graticule::pen(grid.is_some());
            for line in &lines {
                canvas.line(&line.places.iter().filter_map(|p| onto(*p)).collect::<Vec<_>>(), &pen);
            }
            if let Some(grid) = grid {
                parts::contours_of_all(canvas, map, grid, &self.heat.masses);
            }
        });
        canvas.frame(map, &Pen::new(INK, 1.0));
        graticule::rim_names(canvas, map, (self.view, grid.is_some()), &lines, onto);
        let note = [map.x + map.w, map.y + map.h + ZOOM_BELOW - 4.0];
        canvas.text(note, graticule::convention(self.view), NOTE_SIZE, Anchor::Right, INK);
        let inside = |[x, y]: &[f64; 2]| map.x <= *x && *x <= map.x + map.w && map.y <= *y && *y <= map.y + map.h;
        self.heat.marks(canvas, |point| onto(point).filter(inside));
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
        canvas.text([map.x + 0.5 * map.w, area.y + 10.0], &self.heat.title, TITLE_SIZE, Anchor::Centre, BLACK);
        let grid = self.grid()?;
        let colours = grid.as_ref().map(|grid| self.heat.colours(grid)).transpose()?;
        match self.zoom {
            Some(zoom) => self.draw_zoomed(canvas, map, zoom, grid.as_ref(), colours.as_ref()),
            None => self.draw_whole(canvas, map, grid.as_ref(), colours.as_ref()),
        }
        self.below(canvas, map, colours.as_ref());
        Ok(())
    }
}

/// From the plane of the projection to the page.
pub(crate) fn place(map: Rect, [x, y]: [f64; 2]) -> [f64; 2] {
    map.at([0.5 + 0.5 * x / HALF_WIDTH, 0.5 + 0.5 * y / HALF_HEIGHT])
}

fn rim(map: Rect) -> Vec<[f64; 2]> {
    let angle = |i: i32| f64::from(i % 360).to_radians();
    (0..=360).map(|i| place(map, [HALF_WIDTH * angle(i).cos(), HALF_HEIGHT * angle(i).sin()])).collect()
}

#[cfg(test)]
mod tests {
    use super::super::colour::viridis;
    use super::*;
    use crate::plot::Figure;
    use core::f64::consts::TAU;

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
        assert!(SkyMap::new(View::Earth).zoom([PI, 1.0], 1.5).points("a", &[[PI, 1.0]]).png().is_ok());
        let error = SkyMap::new(View::Sky).zoom([1.0, 1.0], 2.0).png().unwrap_err().to_string();
        assert!(error.contains("right angle"), "{error}");
    }
}
