//! From rows of a table to coordinates and features of a flow and back, with what was measured on the training part.

use super::binding::{Binding, BoundFeature, BoundManifold, Chart, Measure, Scaling, Unit, Unseen};
use super::error::{BadRow, BadRows, DataError, Skipped};
use super::fitting::Fitter;
use super::table::{Column, Table};
use crate::density::ManifoldInfo;
use crate::manifolds::Geometry;
use serde::{Deserialize, Serialize};

/// The manifolds, names and features of a flow, as tables see it.
#[derive(Clone)]
pub struct FlowShape {
    pub(crate) spaces: Vec<ManifoldInfo>,
    /// The names that the notation gives to its manifolds.
    pub(crate) names: Vec<Option<String>>,
    pub(crate) features: usize,
    pub(crate) dim: usize,
    pub(crate) embed_dim: usize,
    /// Says what is wrong with a point, embedded or not.
    pub(crate) check: fn(&[f64], bool) -> Option<(usize, String)>,
    /// Intrinsic to embedded coordinates.
    pub(crate) embed: fn(&[f64], &mut [f64]),
    /// Embedded coordinates, not quite on the manifolds, to intrinsic ones.
    pub(crate) intrinsic: fn(&[f64], &mut [f64]),
}

/// A scaling with its numbers: z = (x - shift) / scale, of ln x where `log` is set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub log: bool,
    pub shift: f64,
    pub scale: f64,
}

impl Line {
    /// Before anything is measured.
    pub fn of(scaling: Scaling) -> Self {
        Line { log: scaling.log(), shift: 0.0, scale: 1.0 }
    }
    pub fn forward(self, x: f64) -> f64 {
        ((if self.log { x.ln() } else { x }) - self.shift) / self.scale
    }
    pub fn back(self, z: f64) -> f64 {
        let x = z * self.scale + self.shift;
        if self.log { x.exp() } else { x }
    }
    /// ln |dz / dx| at z: 1 / scale, by x where the logarithm is taken.
    pub fn ln_derivative(self, z: f64) -> f64 {
        -self.scale.ln() - if self.log { z * self.scale + self.shift } else { 0.0 }
    }
    /// The number of a row, if it is one that this takes.
    fn read(self, table: &Table, name: &str, column: &Column, row: usize) -> Result<f64, Box<BadRow>> {
        let x = number(table, name, column, row)?;
        if self.log && x <= 0.0 {
            return Err(table.bad(row, name, column, "a number above 0: its logarithm is taken", ""));
        }
        Ok(self.forward(x))
    }
}

/// The features that a column becomes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Encoder {
    Number(Line),
    /// The known categories in order, and whether there is another.
    Category {
        known: Vec<String>,
        other: bool,
    },
    Circle(Unit),
}

impl Encoder {
    fn width(&self) -> usize {
        match self {
            Encoder::Number(_) => 1,
            Encoder::Category { known, other } => known.len() + usize::from(*other),
            Encoder::Circle(_) => 2,
        }
    }
}

/// A [`Binding`] with what was measured on the training part: means and standard deviations, categories. Part of a [`Model`](crate::Model), and of its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    pub(crate) binding: Binding,
    /// For each bound manifold the lines of its columns; empty where nothing is scaled.
    pub(crate) lines: Vec<Vec<Line>>,
    /// One for each bound feature.
    pub(crate) encoders: Vec<Encoder>,
    /// Rows it was fitted to.
    pub(crate) rows: usize,
}

impl Preparation {
    /// Returns the binding of the columns.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// How many rows it was fitted to.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The numbers that the flow is given, in order, by name: `energy`, `detector = A`, `cos phase`.
    pub fn feature_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (bound, encoder) in self.binding.features.iter().zip(&self.encoders) {
            let column = bound.column();
            match encoder {
                Encoder::Number(_) => names.push(column.to_string()),
                Encoder::Category { known, other } => {
                    names.extend(known.iter().map(|category| format!("{column} = {category}")));
                    names.extend(other.then(|| format!("{column} = other")));
                }
                Encoder::Circle(_) => names.extend([format!("cos {column}"), format!("sin {column}")]),
            }
        }
        names
    }

    /// Before anything is measured.
    fn unfitted(binding: Binding) -> Self {
        let lines = binding.manifolds.iter().map(|bound| match bound.chart {
            Chart::Scaled(scaling) => vec![Line::of(scaling); bound.columns.len()],
            _ => Vec::new(),
        });
        let encoders = binding.features.iter().map(|bound| match bound {
            BoundFeature::Number(_, scaling) => Encoder::Number(Line::of(*scaling)),
            BoundFeature::Category(..) => Encoder::Category { known: Vec::new(), other: false },
            BoundFeature::Circle(_, unit) => Encoder::Circle(*unit),
        });
        Preparation { lines: lines.collect(), encoders: encoders.collect(), rows: 0, binding }
    }
}

impl BoundFeature {
    pub(crate) fn column(&self) -> &str {
        match self {
            BoundFeature::Number(column, _) | BoundFeature::Category(column, _) | BoundFeature::Circle(column, _) => {
                column
            }
        }
    }
}

/// A number of a row, if it is one.
fn number(table: &Table, name: &str, column: &Column, row: usize) -> Result<f64, Box<BadRow>> {
    match column.number(row) {
        Some(x) if x.is_finite() => Ok(x),
        _ => Err(table.bad(row, name, column, "a finite number", "")),
    }
}

/// A preparation for a flow: each bound manifold with its place.
#[derive(Clone)]
pub(crate) struct Plan {
    pub shape: FlowShape,
    pub preparation: Preparation,
    /// For each bound manifold the place among the flow's.
    places: Vec<usize>,
    fitted: bool,
}

/// Rows of a table as the flow takes them.
#[derive(Default)]
pub(crate) struct Prepared {
    pub features: Vec<f64>,
    pub points: Vec<f64>,
    /// The rows of the table that are in it.
    pub kept: Vec<usize>,
    pub skipped: Skipped,
}

/// The parts of a row that are read.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Parts {
    Features,
    Both,
}

/// The columns of a table that a plan needs.
pub(crate) struct Bound<'a> {
    table: &'a Table,
    pub manifolds: Vec<Vec<&'a Column>>,
    pub features: Vec<&'a Column>,
}

impl Plan {
    /// Finds the manifolds of a binding in a flow.
    pub fn unfitted(shape: FlowShape, binding: Binding) -> Result<Self, DataError> {
        Self::new(shape, Preparation::unfitted(binding), false)
    }

    /// A preparation that was fitted before, for its flow.
    pub fn fitted(shape: FlowShape, preparation: Preparation) -> Result<Self, DataError> {
        let consistent = preparation.lines.len() == preparation.binding.manifolds.len()
            && preparation.encoders.len() == preparation.binding.features.len();
        if !consistent {
            return Err(DataError::binding("the preparation has other columns than the binding"));
        }
        let plan = Self::new(shape, preparation, true)?;
        plan.count_features()?;
        Ok(plan)
    }

    fn new(shape: FlowShape, preparation: Preparation, fitted: bool) -> Result<Self, DataError> {
        let mut places = Vec::new();
        for bound in &preparation.binding.manifolds {
            let place = find(&shape, &bound.manifold)?;
            if places.contains(&place) {
                let message = format!("`{}` is bound twice", bound.manifold);
                return Err(DataError::binding(message));
            }
            fits(bound, &shape.spaces[place])?;
            places.push(place);
        }
        if let Some(free) = (0..shape.spaces.len()).find(|k| !places.contains(k)) {
            let message = format!("{} has no columns: bind some to it", called(&shape, free));
            return Err(DataError::binding(message));
        }
        let mut columns: Vec<&String> = preparation.binding.manifolds.iter().flat_map(|bound| &bound.columns).collect();
        columns.sort();
        if let Some(pair) = columns.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(DataError::binding(format!("column `{}` is bound to two coordinates", pair[0])));
        }
        Ok(Plan { shape, preparation, places, fitted })
    }

    /// The numbers of features are those that the flow is given.
    fn count_features(&self) -> Result<(), DataError> {
        let Preparation { binding, encoders, .. } = &self.preparation;
        let found: usize = encoders.iter().map(Encoder::width).sum();
        let wanted = self.shape.features;
        if found == wanted {
            return Ok(());
        }
        let each: Vec<_> = binding
            .features
            .iter()
            .zip(encoders)
            .map(|(bound, encoder)| format!("`{}` {}", bound.column(), encoder.width()))
            .collect();
        let message = match (found, wanted) {
            (0, _) => format!("it is given {wanted} features (`cond {wanted}`), and none are bound"),
            (_, 0) => format!(
                "it is given no features, but {found} are bound: write `cond {found}` behind a bar in the notation"
            ),
            _ => format!(
                "it is given {wanted} features (`cond {wanted}`), but the columns bound make {found}: {}; write `cond {found}` in the notation, or bind others",
                each.join(", ")
            ),
        };
        Err(DataError::binding(message))
    }

    /// The columns that are needed.
    pub fn bind<'a>(&self, table: &'a Table, parts: Parts) -> Result<Bound<'a>, DataError> {
        let binding = &self.preparation.binding;
        let of = |columns: &Vec<String>| columns.iter().map(|name| table.column(name)).collect::<Result<_, _>>();
        let manifolds = match parts {
            Parts::Features => Vec::new(),
            Parts::Both => binding.manifolds.iter().map(|bound| of(&bound.columns)).collect::<Result<_, _>>()?,
        };
        let features = binding.features.iter().map(|bound| table.column(bound.column())).collect::<Result<_, _>>()?;
        Ok(Bound { table, manifolds, features })
    }

    /// Rows of a table as the flow takes them.
    pub fn rows(&self, table: &Table, parts: Parts, bad: BadRows) -> Result<Prepared, DataError> {
        let bound = self.bind(table, parts)?;
        let mut prepared = Prepared::default();
        for row in 0..table.len() {
            let (features, points) = (prepared.features.len(), prepared.points.len());
            match self.push_row(&bound, parts, row, &mut prepared.features, &mut prepared.points) {
                Ok(()) => prepared.kept.push(row),
                Err(error) if bad == BadRows::Refuse => return Err(error.into()),
                Err(error) => {
                    prepared.features.truncate(features);
                    prepared.points.truncate(points);
                    prepared.skipped.count(*error);
                }
            }
        }
        Ok(prepared)
    }

    /// The rows of a table that break no rule.
    pub fn good(&self, table: &Table, bad: BadRows) -> Result<(Table, Skipped), DataError> {
        let prepared = self.rows(table, Parts::Both, bad)?;
        Ok((table.select(&prepared.kept), prepared.skipped))
    }

    /// Appends a row.
    pub fn push_row(
        &self,
        bound: &Bound<'_>,
        parts: Parts,
        row: usize,
        features: &mut Vec<f64>,
        points: &mut Vec<f64>,
    ) -> Result<(), Box<BadRow>> {
        self.push_features(bound, row, features)?;
        if parts == Parts::Both { self.push_point(bound, row, points) } else { Ok(()) }
    }

    fn push_features(&self, bound: &Bound<'_>, row: usize, features: &mut Vec<f64>) -> Result<(), Box<BadRow>> {
        let Preparation { binding, encoders, .. } = &self.preparation;
        for ((feature, encoder), column) in binding.features.iter().zip(encoders).zip(&bound.features) {
            let name = feature.column();
            match encoder {
                Encoder::Number(line) => features.push(line.read(bound.table, name, column, row)?),
                Encoder::Circle(unit) => {
                    let (sin, cos) = (number(bound.table, name, column, row)? * unit.radians()).sin_cos();
                    features.extend([cos, sin]);
                }
                Encoder::Category { known, other } => {
                    let category = column.category(row);
                    if category.is_empty() {
                        return Err(bound.table.bad(row, name, column, "a category is not empty", ""));
                    }
                    if !self.fitted {
                        continue;
                    }
                    let start = features.len();
                    features.resize(start + encoder.width(), 0.0);
                    match known.binary_search(&category) {
                        Ok(place) => features[start + place] = 1.0,
                        Err(_) if *other => features[start + known.len()] = 1.0,
                        Err(_) => {
                            let known: Vec<_> = known.iter().map(|category| format!("`{category}`")).collect();
                            let rule = format!("one of the categories of the training part, {}", known.join(", "));
                            let advice = "bind it with `Unseen::Other` to take others as one";
                            return Err(bound.table.bad(row, name, column, &rule, advice));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn push_point(&self, bound: &Bound<'_>, row: usize, points: &mut Vec<f64>) -> Result<(), Box<BadRow>> {
        let table = bound.table;
        let start = points.len();
        points.resize(start + self.shape.dim, 0.0);
        let point = &mut points[start..];
        let mut vectors = Vec::new();
        for (k, (manifold, columns)) in self.preparation.binding.manifolds.iter().zip(&bound.manifolds).enumerate() {
            let mut numbers = Vec::with_capacity(columns.len());
            for (j, (name, column)) in manifold.columns.iter().zip(columns).enumerate() {
                numbers.push(match &manifold.chart {
                    Chart::Scaled(_) => self.preparation.lines[k][j].read(table, name, column, row)?,
                    _ => number(table, name, column, row)?,
                });
            }
            let own = &mut point[self.shape.spaces[self.places[k]].columns.clone()];
            let outside = |j: usize, rule: &str| {
                let advice = "are they in another unit or order?";
                Err(table.bad(row, &manifold.columns[j], columns[j], rule, advice))
            };
            match manifold.chart {
                Chart::Own | Chart::Scaled(_) => own.copy_from_slice(&numbers),
                Chart::Angles(unit) => {
                    let half = core::f64::consts::PI / unit.radians();
                    if let Some(j) = (0..numbers.len() - 1).find(|j| !(0.0..=half).contains(&numbers[*j])) {
                        return outside(j, &format!("an angle from an axis is from 0 to {half} {}", unit.name()));
                    }
                    own.iter_mut().zip(&numbers).for_each(|(angle, x)| *angle = x * unit.radians());
                }
                Chart::Direction(convention) => {
                    let ((j, what), [low, high]) = (convention.polar(), convention.polar_range());
                    if !(low..=high).contains(&numbers[j]) {
                        let unit = convention.unit().name();
                        return outside(j, &format!("{what} is from {low} to {high} {unit}"));
                    }
                    let [theta, phi] = convention.to_sphere([numbers[0], numbers[1]]);
                    own.copy_from_slice(&[theta.clamp(0.0, core::f64::consts::PI), phi]);
                }
                Chart::Vector => vectors.push((k, numbers)),
            }
        }
        if !vectors.is_empty() {
            self.place_vectors(vectors, point).map_err(|(place, why)| self.not_a_point(bound, row, place, why))?;
        }
        match (self.shape.check)(point, false) {
            None => Ok(()),
            Some((place, why)) => Err(self.not_a_point(bound, row, place, why)),
        }
    }

    /// Takes the coordinates of vectors over into a point that has all the others.
    fn place_vectors(&self, vectors: Vec<(usize, Vec<f64>)>, point: &mut [f64]) -> Result<(), (usize, String)> {
        let mut embedded = vec![0.0; self.shape.embed_dim];
        (self.shape.embed)(point, &mut embedded);
        for (k, vector) in &vectors {
            embedded[self.shape.spaces[self.places[*k]].embedded.clone()].copy_from_slice(vector);
        }
        if let Some(wrong) = (self.shape.check)(&embedded, true) {
            return Err(wrong);
        }
        let mut intrinsic = vec![0.0; self.shape.dim];
        (self.shape.intrinsic)(&embedded, &mut intrinsic);
        for (k, _) in vectors {
            let own = self.shape.spaces[self.places[k]].columns.clone();
            point[own.clone()].copy_from_slice(&intrinsic[own]);
        }
        Ok(())
    }

    fn not_a_point(&self, bound: &Bound<'_>, row: usize, place: usize, why: String) -> Box<BadRow> {
        let k = self.places.iter().position(|p| *p == place).unwrap_or_default();
        let (manifold, columns) = (&self.preparation.binding.manifolds[k], &bound.manifolds[k]);
        let values: Vec<_> = columns.iter().map(|column| column.show(row)).collect();
        Box::new(BadRow {
            origin: bound.table.origin().into(),
            row: bound.table.origin_rows()[row],
            column: manifold.columns.join(", "),
            value: values.join(", "),
            rule: format!("a point of `{}`", self.shape.spaces[place].notation),
            advice: why,
        })
    }

    /// ln of the density by the columns (or by area) over that by the flow's coordinates, at a point of the flow.
    pub fn log_det(&self, point: &[f64]) -> f64 {
        let Preparation { binding, lines, .. } = &self.preparation;
        let mut sum = 0.0;
        for ((bound, place), lines) in binding.manifolds.iter().zip(&self.places).zip(lines) {
            let space = &self.shape.spaces[*place];
            let own = &point[space.columns.clone()];
            let by_area = binding.measure == Measure::Area;
            sum += match bound.chart {
                Chart::Scaled(_) => lines.iter().zip(own).map(|(line, z)| line.ln_derivative(*z)).sum::<f64>(),
                Chart::Vector => -space.geometry.ln_area(own),
                _ if by_area => -space.geometry.ln_area(own),
                Chart::Own => 0.0,
                Chart::Angles(unit) => own.len() as f64 * unit.radians().ln(),
                Chart::Direction(convention) => 2.0 * convention.unit().radians().ln(),
            };
        }
        sum
    }

    /// Points of the flow as the columns they are bound to, in the order of the binding.
    pub fn columns(&self, points: &[f64]) -> Vec<(String, Vec<f64>)> {
        let mut columns = Vec::new();
        let rows = points.len() / self.shape.dim;
        for (k, bound) in self.preparation.binding.manifolds.iter().enumerate() {
            let start = columns.len();
            columns.extend(bound.columns.iter().map(|name| (name.clone(), Vec::with_capacity(rows))));
            let space = &self.shape.spaces[self.places[k]];
            let mut embedded = vec![0.0; self.shape.embed_dim];
            for point in points.chunks_exact(self.shape.dim) {
                let own = &point[space.columns.clone()];
                let mut put = |j: usize, x: f64| columns[start + j].1.push(x);
                match bound.chart {
                    Chart::Own => own.iter().enumerate().for_each(|(j, x)| put(j, *x)),
                    Chart::Scaled(_) => {
                        own.iter().enumerate().for_each(|(j, z)| put(j, self.preparation.lines[k][j].back(*z)));
                    }
                    Chart::Angles(unit) => own.iter().enumerate().for_each(|(j, x)| put(j, x / unit.radians())),
                    Chart::Direction(convention) => {
                        let pair = convention.from_sphere([own[0], own[1]]);
                        pair.into_iter().enumerate().for_each(|(j, x)| put(j, x));
                    }
                    Chart::Vector => {
                        (self.shape.embed)(point, &mut embedded);
                        embedded[space.embedded.clone()].iter().enumerate().for_each(|(j, x)| put(j, *x));
                    }
                }
            }
        }
        columns
    }

    /// Completes the plan with what a fitter measured on the rows of some tables.
    pub fn fit(self, fitter: Fitter) -> Result<Self, DataError> {
        let preparation = fitter.finish(self.preparation)?;
        Self::fitted(self.shape, preparation)
    }
}

/// A manifold by its name, its notation or its place.
fn find(shape: &FlowShape, manifold: &str) -> Result<usize, DataError> {
    if let Some(place) = shape.names.iter().position(|name| name.as_deref() == Some(manifold)) {
        return Ok(place);
    }
    let same: Vec<usize> = (0..shape.spaces.len()).filter(|k| shape.spaces[*k].notation == manifold).collect();
    if let [place] = same[..] {
        return Ok(place);
    }
    if let Some(place) = manifold.parse().ok().filter(|place| *place < shape.spaces.len()) {
        return Ok(place);
    }
    let all: Vec<_> = (0..shape.spaces.len()).map(|k| called(shape, k)).collect();
    let message = if same.is_empty() {
        format!("there is no manifold `{manifold}`: there are {}", all.join(", "))
    } else {
        format!("there are {} manifolds `{manifold}`: say which by its place, {same:?} counted from 0", same.len())
    };
    Err(DataError::binding(message))
}

/// A manifold as the notation has it.
fn called(shape: &FlowShape, place: usize) -> String {
    let notation = &shape.spaces[place].notation;
    match &shape.names[place] {
        Some(name) => format!("`{name}@{notation}`"),
        None => format!("`{notation}`"),
    }
}

/// The columns bound to a manifold are as many as it has coordinates, and of a kind that it has.
fn fits(bound: &BoundManifold, space: &ManifoldInfo) -> Result<(), DataError> {
    let notation = &space.notation;
    let geometry = space.geometry;
    let refuse = |message: String| Err(DataError::binding(format!("manifold `{}`: {message}", bound.manifold)));
    let wanted = if bound.chart == Chart::Vector { space.embedded.len() } else { space.columns.len() };
    let (what, fits) = match bound.chart {
        Chart::Own => ("", true),
        Chart::Scaled(_) => ("a scaling is of Euclidean coordinates", matches!(geometry, Geometry::Euclidean { .. })),
        Chart::Angles(_) => ("angles are of circles and spheres", geometry.is_sphere()),
        Chart::Direction(_) => ("a convention of directions is of `s2`", geometry == Geometry::Sphere { dim: 2 }),
        Chart::Vector => (
            "vectors are of circles, spheres and simplices",
            geometry.is_sphere() || matches!(geometry, Geometry::Simplex { .. }),
        ),
    };
    if !fits {
        return refuse(format!("{what}, this is `{notation}`: bind it with `manifold`, or as what it is"));
    }
    if bound.columns.len() != wanted {
        let columns = bound.columns.join(", ");
        return refuse(format!(
            "`{notation}` takes {wanted} columns here, {} are bound ({columns})",
            bound.columns.len()
        ));
    }
    Ok(())
}

/// Builds the encoder of a category from the counts of its values.
pub(crate) fn categories(counts: &std::collections::BTreeMap<String, usize>, unseen: Unseen) -> Encoder {
    let enough = |count: usize| match unseen {
        Unseen::Refuse => true,
        Unseen::Other { below } => count >= below,
    };
    let known = counts.iter().filter(|(_, count)| enough(**count)).map(|(category, _)| category.clone()).collect();
    Encoder::Category { known, other: unseen != Unseen::Refuse }
}
