//! The step-by-step picture of a chain: the density at the base, and after each layer.

use super::{Axis, BoxError, CirclePlot, Density2d, Figure, Marginal, PlotError, SkyMap, Ternary, View, smooth};
use crate::density::{Layerwise, ManifoldInfo};
use crate::error::Error;
use crate::manifolds::Geometry;
use crate::module::Element;
use core::f64::consts::TAU;
use core::marker::PhantomData;
use rand::Rng;

/// The kind of picture that a manifold has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// `e1`
    Line,
    /// `i1` with its ends
    Interval([f64; 2]),
    /// `e2`
    Plane,
    /// `s1`
    Circle,
    /// `s2`
    Sphere,
    /// `a2`
    Triangle,
    /// more coordinates than paper has
    Other,
}

impl Kind {
    pub(crate) fn of(space: &ManifoldInfo) -> Kind {
        match space.geometry {
            Geometry::Euclidean { dim: 1 } => Kind::Line,
            Geometry::Euclidean { dim: 2 } => Kind::Plane,
            Geometry::Interval { low, high } => Kind::Interval([low, high]),
            Geometry::Circle => Kind::Circle,
            Geometry::Sphere { dim: 2 } => Kind::Sphere,
            Geometry::Simplex { dim: 2 } => Kind::Triangle,
            _ => Kind::Other,
        }
    }
}

/// One manifold of a density under one condition, averaged over some points of the manifolds before it.
pub(crate) struct Slice<'a, E, D> {
    pub density: &'a D,
    pub condition: usize,
    pub manifold: usize,
    /// Whole rows of intrinsic coordinates: those of the manifolds before are what is given.
    pub rows: Vec<E>,
}

impl<E: Element, D: Layerwise<E>> Slice<'_, E, D> {
    /// ln p after some letters, of points of the manifold: by its intrinsic coordinates, on the sphere by solid angle.
    pub(crate) fn log_prob<const K: usize>(&self, letters: usize, points: &[[f64; K]]) -> Result<Vec<f64>, Error> {
        let space = &self.density.manifolds()[self.manifold];
        // Shares of a whole are a surface in the space of all of them: sqrt(3) of it for each dx_1 dx_2.
        let measure = if Kind::of(space) == Kind::Triangle { 0.5 * 3f64.ln() } else { 0.0 };
        let mut sums = vec![Vec::new(); points.len()];
        for given in self.rows.chunks_exact(D::DIM) {
            let mut rows: Vec<E> = points.iter().flat_map(|_| given).copied().collect();
            for (row, point) in rows.chunks_exact_mut(D::DIM).zip(points) {
                row[space.columns.clone()].iter_mut().zip(point).for_each(|(to, x)| *to = E::narrow(*x));
            }
            let found = self.density.log_prob_after(self.condition, self.manifold, letters, &rows)?;
            sums.iter_mut().zip(found).for_each(|(sum, l)| sum.push(l.widen() + measure));
        }
        Ok(sums.iter().map(|logs| crate::estimators::log_mean_exp(logs)).collect())
    }

    /// A curve of densities over positions.
    pub(crate) fn curve(&self, letters: usize, at: &[f64]) -> Result<Vec<[f64; 2]>, PlotError> {
        let points: Vec<[f64; 1]> = at.iter().map(|x| [*x]).collect();
        let found = self.log_prob(letters, &points).map_err(|e| PlotError::Density(e.into()))?;
        Ok(at.iter().zip(found).map(|(x, l)| [*x, l.exp()]).collect())
    }
}

/// Points of a curve.
const CURVE: usize = 300;

/// Evenly spaced places, the middles of as many cells.
pub(crate) fn even(low: f64, high: f64) -> Vec<f64> {
    (0..CURVE).map(|i| low + (high - low) * (i as f64 + 0.5) / CURVE as f64).collect()
}

/// The range that holds nearly all of some values, with a margin.
pub(crate) fn range(values: &[f64]) -> [f64; 2] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let [low, high] = [0.002, 0.998].map(|q| smooth::quantile(&sorted, q));
    // A single value still needs a range.
    let margin = (0.08 * (high - low)).max(1e-9 * (low.abs() + high.abs()).max(1.0));
    [low - margin, high + margin]
}

/// The step-by-step picture of a manifold's chain: a panel for the base and one after each layer, from the base to the target.
///
/// Under one condition of the density (0 if not given) and, for manifolds after the first, given one point of those before. Manifolds of one or two
/// dimensions are drawn: `e1`, `e2`, `i1`, `s1`, `s2`, `a2`.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{flow, plot::Steps, rand::{SeedableRng, rngs::StdRng}};
///
/// let pdf = Cpu::default().build_module::<flow!(e2 : gggg), f64>();
/// let steps = Steps::new().labels(&["x (m)", "y (m)"]).cells(40).draws(500);
/// let figure = steps.figure(&pdf, &mut StdRng::seed_from_u64(1))?;
/// assert!(figure.svg()?.contains("layer 4"));
/// # Ok::<(), flow_runtime::plot::PlotError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "steps are drawn by `figure`"]
pub struct Steps<'a> {
    condition: usize,
    manifold: usize,
    labels: Vec<String>,
    ranges: Option<Vec<[f64; 2]>>,
    view: View,
    columns: usize,
    cells: Option<usize>,
    draws: usize,
    lifetime: PhantomData<&'a ()>,
}

impl Default for Steps<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// Draws that say where a density is.
const DRAWS: usize = 4000;
/// Panels share their axes unless the widest needs so many times the narrowest.
const APART: f64 = 3.0;

impl<'a> Steps<'a> {
    /// Of the first manifold, under the first condition.
    pub fn new() -> Self {
        Self {
            condition: 0,
            manifold: 0,
            labels: Vec::new(),
            ranges: None,
            view: View::Directions,
            columns: 3,
            cells: None,
            draws: DRAWS,
            lifetime: PhantomData,
        }
    }

    /// The condition, counted from 0.
    pub fn condition(mut self, condition: usize) -> Self {
        self.condition = condition;
        self
    }

    /// The manifold, counted from 0.
    pub fn manifold(mut self, manifold: usize) -> Self {
        self.manifold = manifold;
        self
    }

    /// Names and units of the manifold's coordinates: `"x (m)"`. For `a2` the three shares, the rest first.
    pub fn labels(mut self, labels: &[&str]) -> Self {
        self.labels = labels.iter().map(|label| label.to_string()).collect();
        self
    }

    /// The ranges of the axes of `e1` and `e2`; from draws if not given.
    pub fn ranges(mut self, ranges: &[[f64; 2]]) -> Self {
        self.ranges = Some(ranges.to_vec());
        self
    }

    /// Conventions of the maps of `s2`: [`View::Directions`] if not given.
    pub fn view(mut self, view: View) -> Self {
        self.view = view;
        self
    }

    /// Panels in a row; 3 if not given, 2 for maps of the sphere at most.
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = columns;
        self
    }

    /// Cells across the panels of densities.
    pub fn cells(mut self, cells: usize) -> Self {
        self.cells = Some(cells);
        self
    }

    /// Draws from which the ranges of axes are found; 4000 if not given.
    pub fn draws(mut self, draws: usize) -> Self {
        self.draws = draws;
        self
    }

    fn label(&self, coordinate: usize) -> String {
        self.labels.get(coordinate).cloned().unwrap_or_else(|| format!("x{}", coordinate + 1))
    }

    /// Draws the panels.
    ///
    /// # Errors
    /// There is no such condition or manifold; the manifold has more dimensions than paper; the density fails.
    pub fn figure<E: Element + 'a, D: Layerwise<E>, G: Rng + ?Sized>(
        &self,
        density: &'a D,
        rng: &mut G,
    ) -> Result<Figure<'a>, PlotError> {
        let failed = |e: Error| PlotError::Density(e.into());
        let draws = density.sample_at(self.condition, self.draws, rng).map_err(failed)?.points;
        let steps = density.steps(self.condition, self.manifold, &draws).map_err(failed)?;
        // The call above has looked at the number of the manifold.
        let space = density.manifolds().swap_remove(self.manifold);
        let letters = density.letters().swap_remove(self.manifold);
        let kind = Kind::of(&space);
        let values = |step: usize, k: usize| {
            let column = space.columns.start + k;
            steps[step].chunks_exact(D::DIM).map(|row| row[column].widen()).collect::<Vec<f64>>()
        };
        let dims = match kind {
            Kind::Line => 1,
            Kind::Plane => 2,
            _ => 0,
        };
        let ranges = self.axis_ranges(dims, steps.len(), values)?;
        let mut figure = Figure::new().columns(if kind == Kind::Sphere { self.columns.min(2) } else { self.columns });
        for (n, ranges) in ranges.iter().enumerate() {
            let title = match n.checked_sub(1).map(|last| letters[last]) {
                None => "base".to_string(),
                Some(letter) if n == letters.len() => format!("layer {n}: {letter} (target)"),
                Some(letter) => format!("layer {n}: {letter}"),
            };
            let slice = || Slice {
                density,
                condition: self.condition,
                manifold: self.manifold,
                rows: steps[n][..D::DIM].to_vec(),
            };
            let log_density = || {
                let slice = slice();
                move |points: &[[f64; 2]]| slice.log_prob(n, points).map_err(BoxError::from)
            };
            figure = match kind {
                Kind::Line | Kind::Interval(_) => {
                    let [low, high] = if let Kind::Interval(ends) = kind { ends } else { ranges[0] };
                    let curve = slice().curve(n, &even(low, high))?;
                    let panel = Marginal::new(Axis::linear(self.label(0), low, high)).title(title);
                    figure.panel(panel.curve("", &curve).filled())
                }
                Kind::Plane => {
                    let axis = |k: usize| Axis::linear(self.label(k), ranges[k][0], ranges[k][1]);
                    let panel = Density2d::new(axis(0), axis(1)).title(title).density(log_density());
                    figure.panel(panel.cells(self.cells.unwrap_or(120)).contours(&[0.68, 0.95]))
                }
                Kind::Circle => {
                    let curve = slice().curve(n, &even(0.0, TAU))?;
                    figure.panel(CirclePlot::new(self.label(0)).title(title).curve("", &curve))
                }
                Kind::Sphere => {
                    let panel = SkyMap::new(self.view).title(title).density(log_density());
                    let panel = panel.colour_scale(super::ColourScale::Linear).contours(&[0.68, 0.95]);
                    figure.panel(panel.cells(self.cells.unwrap_or(240)))
                }
                Kind::Triangle => {
                    let names = [0, 1, 2].map(|k| self.labels.get(k).cloned().unwrap_or_else(|| format!("x{k}")));
                    let panel = Ternary::new(names.each_ref().map(String::as_str)).title(title).density(log_density());
                    figure.panel(panel.cells(self.cells.unwrap_or(120)).contours(&[0.68, 0.95]))
                }
                Kind::Other => {
                    let wanted = "e1, e2, i1, s1, s2 and a2 can be drawn step by step";
                    return Err(PlotError::Option { what: "the manifold", given: space.notation, wanted });
                }
            };
        }
        Ok(figure)
    }

    /// The ranges of each panel's axes: common ones where that leaves every panel something to see.
    fn axis_ranges(
        &self,
        dims: usize,
        steps: usize,
        values: impl Fn(usize, usize) -> Vec<f64>,
    ) -> Result<Vec<Vec<[f64; 2]>>, PlotError> {
        if let Some(given) = &self.ranges {
            let wanted = "one for each coordinate of e1 or e2 is needed";
            let bad = || PlotError::Option { what: "the number of ranges", given: given.len().to_string(), wanted };
            return if given.len() == dims { Ok(vec![given.clone(); steps]) } else { Err(bad()) };
        }
        let mut ranges: Vec<Vec<[f64; 2]>> =
            (0..steps).map(|n| (0..dims).map(|k| range(&values(n, k))).collect()).collect();
        for k in 0..dims {
            let all = ranges.iter().map(|r| r[k]).reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])]);
            let Some(all) = all else { continue };
            let narrowest = ranges.iter().map(|r| r[k][1] - r[k][0]).fold(f64::INFINITY, f64::min);
            if all[1] - all[0] <= APART * narrowest {
                ranges.iter_mut().for_each(|r| r[k] = all);
            }
        }
        Ok(ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow;
    use dfdx::prelude::{Cpu, DeviceBuildExt};
    use rand::{SeedableRng, rngs::StdRng};

    fn rng() -> StdRng {
        StdRng::seed_from_u64(1)
    }

    #[test]
    fn every_kind_of_manifold_is_recognised() {
        let kind = |geometry: Geometry| {
            Kind::of(&ManifoldInfo { notation: geometry.notation(), geometry, columns: 0..1, embedded: 0..1 })
        };
        assert_eq!(kind(Geometry::Interval { low: -3.0, high: 3.5 }), Kind::Interval([-3.0, 3.5]));
        assert_eq!([1, 2].map(|dim| kind(Geometry::Euclidean { dim })), [Kind::Line, Kind::Plane]);
        assert_eq!([kind(Geometry::Circle), kind(Geometry::Sphere { dim: 2 })], [Kind::Circle, Kind::Sphere]);
        assert_eq!(kind(Geometry::Simplex { dim: 2 }), Kind::Triangle);
        assert_eq!(
            [kind(Geometry::Euclidean { dim: 3 }), kind(Geometry::Sphere { dim: 3 })],
            [Kind::Other, Kind::Other]
        );
    }

    #[test]
    fn every_kind_of_chain_is_drawn() {
        let pdf = Cpu::seed_from_u64(3)
            .build_module::<flow!(e2 + e1 + i1[-1, 2] + s1 + a2 + s2 : gg + t + r + m + w + f | hidden 4), f64>();
        for (manifold, panels) in [(0, 3), (1, 2), (2, 2), (3, 2), (4, 2), (5, 2)] {
            let figure = Steps::new().manifold(manifold).cells(12).draws(20).figure(&pdf, &mut rng()).unwrap();
            let canvas = figure.render().unwrap();
            let titles: Vec<_> = canvas.words().filter(|w| *w == "base" || w.starts_with("layer ")).collect();
            assert_eq!(titles.len(), panels, "{titles:?}");
            assert!(titles[0] == "base" && titles[panels - 1].ends_with("(target)"));
        }
        let error = |steps: Steps<'_>| steps.figure(&pdf, &mut rng()).err().unwrap().to_string();
        assert!(error(Steps::new().manifold(6)).contains("manifold"));
        assert!(error(Steps::new().condition(1)).contains("condition"));
        assert!(error(Steps::new().ranges(&[[0.0, 1.0]])).contains("ranges"));
    }

    #[test]
    fn what_has_no_picture_is_refused() {
        let pdf = Cpu::seed_from_u64(3).build_module::<flow!(e3 : t), f64>();
        let error = Steps::new().figure(&pdf, &mut rng()).err().unwrap().to_string();
        assert!(error.contains("e3"), "{error}");
    }

    #[test]
    fn slices_have_the_measure_of_their_pictures() {
        let pdf = Cpu::seed_from_u64(3).build_module::<flow!(e1 + a2 + s2 : t + w + f | hidden 4), f64>();
        let rows = pdf.sample_at(0, 2, &mut rng()).unwrap().points;
        let slice = |manifold| Slice { density: &pdf, condition: 0, manifold, rows: rows.clone() };
        let n = 30;
        let cells = || (0..n * n).map(|i| [(i % n) as f64 + 0.5, (i / n) as f64 + 0.5].map(|c| c / n as f64));
        let shares: Vec<[f64; 2]> = cells().filter(|[a, b]| a + b < 1.0).collect();
        // The mean over cells inside, times the area of the triangle.
        let found = slice(1).log_prob(1, &shares).unwrap();
        let sum = 0.5 * found.iter().map(|l| l.exp()).sum::<f64>() / shares.len() as f64;
        assert!((sum - 1.0).abs() < 0.03, "{sum}");
        // Cells even in cos(theta) and phi.
        let places: Vec<[f64; 2]> = cells().map(|[u, v]| [(2.0 * u - 1.0).acos(), TAU * v]).collect();
        let found = slice(2).log_prob(1, &places).unwrap();
        let sum: f64 = found.iter().map(|l| l.exp()).sum::<f64>() * 2.0 * TAU / (n * n) as f64;
        assert!((sum - 1.0).abs() < 0.01, "{sum}");
    }
}
