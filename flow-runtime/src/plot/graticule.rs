//! Lines of equal latitude and longitude on maps of the sphere, and their names.

use super::canvas::{Anchor, Canvas, Pen};
use super::colour::{BLACK, INK, WHITE, faded};
use super::figure::TICK_SIZE;
use super::sky_map::place;
use super::{Mollweide, Rect, axis};
use core::f64::consts::{PI, TAU};

/// Degrees between the lines of a map of the whole sphere.
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

pub(crate) fn pen(on_colours: bool) -> Pen {
    Pen::new(if on_colours { faded(WHITE, 0.35) } else { faded(BLACK, 0.2) }, 0.6)
}

/// Says what the angles are and which way they grow.
pub(crate) fn convention(view: View) -> &'static str {
    match view {
        View::Earth => "longitude grows to the right",
        View::Sky => "right ascension grows to the left",
        View::Directions => "zenith angle θ, azimuth φ grows to the right",
    }
}

/// A line of the graticule: its angle in degrees, and places along it.
pub(crate) struct Line {
    parallel: bool,
    degrees: f64,
    decimals: usize,
    pub(crate) places: Vec<[f64; 2]>,
}

/// Steps of a graticule, in degrees.
const STEPS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

/// About four parallels and four meridians around a place; fewer places than a thousandth of a degree apart have none.
pub(crate) fn lines_around([theta, phi]: [f64; 2], angle: f64) -> Vec<Line> {
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
pub(crate) fn rim_names(
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

/// The lines of a map of the whole sphere.
pub(crate) fn whole(canvas: &mut Canvas, map: Rect, projection: Mollweide, pen: &Pen) {
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
pub(crate) fn names(canvas: &mut Canvas, map: Rect, projection: Mollweide, view: View, centre: f64, on_colours: bool) {
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
    use super::*;

    #[test]
    fn every_meridian_is_drawn_once() {
        // Around a pole, and across the seam: every meridian once.
        for (centre, angle) in [([0.0, 0.0], 0.3), ([1.5, 0.01], 0.2), ([PI, 1.0], 1.5)] {
            let lines = lines_around(centre, angle);
            let meridians: Vec<_> = lines.iter().filter(|l| !l.parallel).map(|l| l.degrees.rem_euclid(360.0)).collect();
            let mut once = meridians.clone();
            once.sort_by(f64::total_cmp);
            once.dedup();
            assert_eq!(once.len(), meridians.len(), "{centre:?}: {meridians:?}");
        }
    }
}
