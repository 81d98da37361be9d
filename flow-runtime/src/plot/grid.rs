//! A density evaluated on the cells of a picture: what a heat map, its contours and its integral are made from.

use super::{LogDensity, PlotError};

/// Points given to the density closure in one call.
const BATCH: usize = 16_384;

/// Log-densities at cell centres, rows from top to bottom, and what each cell weighs.
#[derive(Clone, Debug)]
pub struct Grid {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    /// log-density; NaN where the density was not asked
    pub(crate) values: Vec<f64>,
    /// size of the cell in the measure of the density; 0 outside
    pub(crate) weights: Vec<f64>,
}

impl Grid {
    /// Evaluates `density` at the point that `place` gives for each cell (`None`: not a place), with the cell's weight.
    pub(crate) fn evaluate(
        columns: usize,
        rows: usize,
        density: &mut LogDensity<'_>,
        place: impl Fn(usize, usize) -> Option<([f64; 2], f64)>,
    ) -> Result<Self, PlotError> {
        let mut grid =
            Self { columns, rows, values: vec![f64::NAN; columns * rows], weights: vec![0.0; columns * rows] };
        let (mut cells, mut points) = (Vec::new(), Vec::new());
        for cell in 0..columns * rows {
            if let Some((point, weight)) = place(cell / columns, cell % columns) {
                grid.weights[cell] = weight;
                cells.push(cell);
                points.push(point);
            }
        }
        for (cells, points) in cells.chunks(BATCH).zip(points.chunks(BATCH)) {
            let values = density(points).map_err(PlotError::Density)?;
            if values.len() != points.len() {
                return Err(PlotError::Count { asked: points.len(), returned: values.len() });
            }
            for ((cell, point), value) in cells.iter().zip(points).zip(values) {
                if value.is_nan() || value == f64::INFINITY {
                    return Err(PlotError::NotADensity { point: *point, value });
                }
                grid.values[*cell] = value;
            }
        }
        if grid.peak() == f64::NEG_INFINITY { Err(PlotError::Empty) } else { Ok(grid) }
    }

    /// The largest log-density on a cell that weighs something.
    pub fn peak(&self) -> f64 {
        self.inside().map(|(value, _)| value).fold(f64::NEG_INFINITY, f64::max)
    }

    /// The integral of the density over the picture, by the midpoint rule: near 1 when the picture holds everything and the
    /// cells are finer than the density.
    pub fn integral(&self) -> f64 {
        self.inside().map(|(value, weight)| weight * value.exp()).sum()
    }

    /// The log-density above which lies the fraction `mass` of what the picture holds (highest-density region).
    pub fn level(&self, mass: f64) -> f64 {
        let peak = self.peak();
        let mut cells: Vec<_> = self.inside().map(|(value, weight)| (value, weight * (value - peak).exp())).collect();
        cells.sort_by(|a, b| b.0.total_cmp(&a.0));
        let goal = mass * cells.iter().map(|cell| cell.1).sum::<f64>();
        let mut held = 0.0;
        let crossed = cells.iter().find(|cell| {
            held += cell.1;
            held >= goal
        });
        crossed.or(cells.last()).map_or(peak, |cell| cell.0)
    }

    /// [`level`](Grid::level) for a picture that may hold only a part of a density that integrates to 1: the region holds `mass` of all. `None` where
    /// that much is not in the picture.
    pub fn level_of_all(&self, mass: f64) -> Option<f64> {
        let held = self.integral();
        (mass < held).then(|| self.level(mass / held))
    }

    /// Whether the density is the same everywhere, up to rounding and a percent: then it has no smallest regions.
    pub(crate) fn is_flat(&self) -> bool {
        let lowest = self.inside().map(|(value, _)| value).fold(f64::INFINITY, f64::min);
        self.peak() - lowest < 0.01
    }

    fn inside(&self) -> impl Iterator<Item = (f64, f64)> {
        let cells = self.values.iter().copied().zip(self.weights.iter().copied());
        cells.filter(|(value, weight)| *weight > 0.0 && !value.is_nan())
    }

    /// The value at a position in units of cells (0 = centre of the first), linear in between; at the rim, where a neighbour is
    /// missing, that of the nearest cell; never below `floor`.
    pub(crate) fn interpolate(&self, column: f64, row: f64, floor: f64) -> Option<f64> {
        let column = column.clamp(0.0, (self.columns - 1) as f64);
        let row = row.clamp(0.0, (self.rows - 1) as f64);
        let (c, r) = (column.floor() as usize, row.floor() as usize);
        let (c1, r1) = ((c + 1).min(self.columns - 1), (r + 1).min(self.rows - 1));
        let (u, v) = (column - c as f64, row - r as f64);
        let at = |r: usize, c: usize| self.values[r * self.columns + c].max_keeping_nan(floor);
        let mixed = (1.0 - v) * ((1.0 - u) * at(r, c) + u * at(r, c1)) + v * ((1.0 - u) * at(r1, c) + u * at(r1, c1));
        let value = if mixed.is_nan() { at(row.round() as usize, column.round() as usize) } else { mixed };
        (!value.is_nan()).then_some(value)
    }
}

/// `f64::max` forgets a NaN; a missing cell has to stay missing.
trait MaxKeepingNan {
    fn max_keeping_nan(self, floor: Self) -> Self;
}

impl MaxKeepingNan for f64 {
    fn max_keeping_nan(self, floor: f64) -> f64 {
        if self < floor { floor } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::super::boxed;
    use super::*;
    use core::f64::consts::TAU;

    fn normal(cells: usize) -> Grid {
        let mut density = boxed(|points: &[[f64; 2]]| -> Vec<f64> {
            points.iter().map(|[x, y]| -0.5 * (x * x + y * y) - TAU.ln()).collect()
        });
        let h = 12.0 / cells as f64;
        let at = |i: usize| -6.0 + (i as f64 + 0.5) * h;
        Grid::evaluate(cells, cells, &mut density, |r, c| Some(([at(c), at(r)], h * h))).unwrap()
    }

    #[test]
    fn a_level_holds_the_mass_it_claims() {
        let grid = normal(400);
        assert!((grid.integral() - 1.0).abs() < 1e-6);
        for mass in [0.5, 0.9, 0.99] {
            // The mass outside radius r of a standard normal in the plane is exp(-r^2 / 2), so the level is (1 - mass) / 2 pi.
            let exact = ((1.0 - mass) / TAU).ln();
            assert!((grid.level(mass) - exact).abs() < 0.02, "{mass}: {} {exact}", grid.level(mass));
        }
    }

    #[test]
    fn a_flat_density_has_no_regions() {
        let flat = |by: f64| {
            Grid::evaluate(
                4,
                1,
                &mut boxed(move |points: &[[f64; 2]]| -> Vec<f64> { points.iter().map(|p| by * p[0]).collect() }),
                |_, c| Some(([c as f64, 0.0], 1.0)),
            )
        };
        assert!(flat(1e-9).unwrap().is_flat() && !flat(0.01).unwrap().is_flat() && !normal(20).is_flat());
    }

    #[test]
    fn what_a_density_returns_is_checked() {
        let place = |_: usize, c: usize| Some(([c as f64, 0.0], 1.0));
        let run =
            |values: Vec<f64>| Grid::evaluate(2, 1, &mut boxed(move |_: &[[f64; 2]]| values.clone()), place).err();
        assert!(matches!(run(vec![0.0]), Some(PlotError::Count { asked: 2, returned: 1 })));
        assert!(matches!(run(vec![0.0, f64::NAN]), Some(PlotError::NotADensity { point: [1.0, 0.0], .. })));
        assert!(matches!(run(vec![f64::NEG_INFINITY; 2]), Some(PlotError::Empty)));
        assert!(run(vec![0.0, f64::NEG_INFINITY]).is_none());
        let mut failing = boxed(|_: &[[f64; 2]]| Err::<Vec<f64>, _>("no weights"));
        let error = Grid::evaluate(2, 1, &mut failing, place).unwrap_err();
        assert_eq!(error.to_string(), "the density could not be evaluated: no weights");
    }
}
