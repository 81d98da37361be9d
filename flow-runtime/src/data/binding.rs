//! Which columns of a table are which coordinates and features of a flow.

use serde::{Deserialize, Serialize};

pub use Unit::{Degrees, Radians};

/// The unit of angles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Degrees.
    Degrees,
    /// Radians.
    Radians,
}

impl Unit {
    /// Radians in one of these.
    pub fn radians(self) -> f64 {
        match self {
            Degrees => core::f64::consts::PI / 180.0,
            Radians => 1.0,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Degrees => "degrees",
            Radians => "radians",
        }
    }
}

/// How two columns give a direction, with their unit. The names say in which order the columns are.
///
/// The flow's coordinates on `s2` are theta from the +z axis and phi from +x towards +y; samples come back in the ranges given here, and points are accepted with any
/// finite azimuth, right ascension or longitude.
///
/// | convention | columns | theta, phi | ranges of samples |
/// |---|---|---|---|
/// | `ZenithAzimuth` | zenith, azimuth | zenith, azimuth | 0 to 180 degrees, 0 to below 360 |
/// | `RaDec` | right ascension, declination | 90 - declination, right ascension | 0 to below 360, -90 to 90 |
/// | `LatLon` | latitude, longitude | 90 - latitude, longitude | -90 to 90, above -180 to 180 |
///
/// ```
/// use flow_runtime::data::{Convention, Degrees};
///
/// // Right ascension 83.6 and declination 22.0: 68 degrees from the pole.
/// let [theta, phi] = Convention::RaDec(Degrees).to_sphere([83.6, 22.0]);
/// assert!((theta.to_degrees() - 68.0).abs() < 1e-12 && (phi.to_degrees() - 83.6).abs() < 1e-12);
/// let [latitude, longitude] = Convention::LatLon(Degrees).from_sphere([theta, 2.0 * phi]);
/// assert!((latitude - 22.0).abs() < 1e-12 && (longitude - 167.2).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Convention {
    /// Zenith angle (from +z) and azimuth, in this order.
    ZenithAzimuth(Unit),
    /// Right ascension and declination, in this order.
    RaDec(Unit),
    /// Latitude and longitude, in this order.
    LatLon(Unit),
}

impl Convention {
    /// The unit of both columns.
    pub fn unit(self) -> Unit {
        match self {
            Convention::ZenithAzimuth(unit) | Convention::RaDec(unit) | Convention::LatLon(unit) => unit,
        }
    }

    /// Which of the two columns is the one that ends at the poles, and what that is.
    pub(crate) fn polar(self) -> (usize, &'static str) {
        match self {
            Convention::ZenithAzimuth(_) => (0, "a zenith angle"),
            Convention::RaDec(_) => (1, "a declination"),
            Convention::LatLon(_) => (0, "a latitude"),
        }
    }

    /// Smallest and largest value of that column.
    pub(crate) fn polar_range(self) -> [f64; 2] {
        let quarter = core::f64::consts::FRAC_PI_2 / self.unit().radians();
        match self {
            Convention::ZenithAzimuth(_) => [0.0, 2.0 * quarter],
            Convention::RaDec(_) | Convention::LatLon(_) => [-quarter, quarter],
        }
    }

    /// Theta and phi, in radians, of the two columns.
    #[allow(clippy::wrong_self_convention, reason = "what is converted is the argument")]
    pub fn to_sphere(self, columns: [f64; 2]) -> [f64; 2] {
        let [first, second] = columns.map(|x| x * self.unit().radians());
        match self {
            Convention::ZenithAzimuth(_) => [first, second],
            Convention::RaDec(_) => [core::f64::consts::FRAC_PI_2 - second, first],
            Convention::LatLon(_) => [core::f64::consts::FRAC_PI_2 - first, second],
        }
    }

    /// The two columns of theta and phi in radians.
    #[allow(clippy::wrong_self_convention, reason = "what is converted is the argument")]
    pub fn from_sphere(self, [theta, phi]: [f64; 2]) -> [f64; 2] {
        use core::f64::consts::{FRAC_PI_2, PI, TAU};
        let around = {
            let turned = phi.rem_euclid(TAU);
            // The remainder of a tiny negative number rounds to a whole turn.
            if turned < TAU { turned } else { 0.0 }
        };
        let unit = self.unit().radians();
        match self {
            Convention::ZenithAzimuth(_) => [theta / unit, around / unit],
            Convention::RaDec(_) => [around / unit, (FRAC_PI_2 - theta) / unit],
            Convention::LatLon(_) => {
                let longitude = if around > PI { around - TAU } else { around };
                [(FRAC_PI_2 - theta) / unit, longitude / unit]
            }
        }
    }
}

/// How numbers are scaled before the flow sees them. What is measured is measured on the training part.
///
/// Of coordinates the way back is taken for samples, and the derivative for densities, which so stay those of the columns as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scaling {
    /// Leaves values as they are.
    Identity,
    /// Less the mean, by the standard deviation (the root of the mean square).
    Standardise,
    /// The natural logarithm; numbers are above 0.
    Log,
    /// The natural logarithm, less its mean, by its standard deviation.
    LogStandardise,
}

impl Scaling {
    pub(crate) fn log(self) -> bool {
        matches!(self, Scaling::Log | Scaling::LogStandardise)
    }
    pub(crate) fn standardise(self) -> bool {
        matches!(self, Scaling::Standardise | Scaling::LogStandardise)
    }
}

/// Treatment of a category that the training part does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unseen {
    /// It breaks a rule, which names the known ones.
    Refuse,
    /// It counts as "other", which has a number of its own.
    Other {
        /// Categories with fewer rows than this in the training part count as "other" too, so that there is something to learn about it.
        below: usize,
    },
}

/// By what the density of a point on a sphere (or a simplex) is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Measure {
    /// By the columns: of right ascension and declination in degrees, by a degree of each. Integrated over the columns it is 1.
    #[default]
    Columns,
    /// By area: of directions, by a steradian, whatever the unit of the columns.
    Area,
}

/// The coordinates that the columns of a manifold hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Chart {
    /// The flow's own coordinates.
    Own,
    /// Euclidean coordinates, scaled.
    Scaled(Scaling),
    /// Angles of a circle or a sphere.
    Angles(Unit),
    /// A direction.
    Direction(Convention),
    /// Embedded coordinates: a unit vector, or all shares of a whole.
    Vector,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BoundManifold {
    pub manifold: String,
    pub columns: Vec<String>,
    pub chart: Chart,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum BoundFeature {
    Number(String, Scaling),
    Category(String, Unseen),
    Circle(String, Unit),
}

/// Which columns of a table are which coordinates and features of a flow.
///
/// Manifolds are called by the names that the notation gives them (`vertex@e3`), else by what they are where there is only one such (`e3`), else by their place from 0
/// (`"1"`). Features come in the order they are bound. Whether all of it fits the flow is checked where a [`Model`](crate::Model) is prepared.
///
/// ```
/// use flow_runtime::data::{Binding, Convention, Degrees, Scaling, Table, Unseen};
/// use flow_runtime::{Model, flow};
///
/// flow! {
///     /// Where and whence, given energy and detector.
///     pub struct EventPdf = vertex@e3 + direction@s2 : gg + f | cond 3, hidden 8
/// }
///
/// let binding = Binding::new()
///     .scaled("vertex", ["x", "y", "z"], Scaling::Standardise)
///     .direction("direction", Convention::RaDec(Degrees), ["ra", "dec"])
///     .feature("energy", Scaling::LogStandardise)
///     .category("detector", Unseen::Refuse);
///
/// let table = Table::from_rows(
///     "events",
///     ["x", "y", "z", "ra", "dec", "energy", "detector"],
///     &[[1.0, 2.0, -3.0, 83.6, 22.0, 10.0, 1.0], [0.0, 1.0, -2.5, 350.0, -5.0, 20.0, 2.0]],
/// )?;
/// let model = Model::<EventPdf>::prepare(binding, &table)?;
/// assert_eq!(model.log_prob(&table)?.len(), 2);
///
/// // A rule that a row breaks is named.
/// let south = table.select(&[0]).with("Dec", [-95.0])?;
/// let binding = Binding::new()
///     .scaled("vertex", ["x", "y", "z"], Scaling::Identity)
///     .direction("direction", Convention::RaDec(Degrees), ["ra", "Dec"])
///     .features(["energy", "x", "y"], Scaling::Identity);
/// let message = Model::<EventPdf>::prepare(binding, &south).unwrap_err().to_string();
/// assert!(message.starts_with("events, row 0, column `Dec`: the value is `-95`; the rule: a declination is from -90 to 90 degrees"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    pub(crate) manifolds: Vec<BoundManifold>,
    pub(crate) features: Vec<BoundFeature>,
    pub(crate) measure: Measure,
}

fn texts<'a>(columns: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    columns.into_iter().map(String::from).collect()
}

impl Binding {
    /// Nothing bound yet.
    pub fn new() -> Self {
        Binding::default()
    }

    fn bind<'a>(mut self, manifold: &str, columns: impl IntoIterator<Item = &'a str>, chart: Chart) -> Self {
        self.manifolds.push(BoundManifold { manifold: manifold.into(), columns: texts(columns), chart });
        self
    }

    /// Columns that hold a manifold's own coordinates as they are: Euclidean ones, angles in radians (theta, phi on `s2`), the coordinate of an interval, all shares
    /// but the first of a simplex.
    pub fn manifold<'a>(self, manifold: &str, columns: impl IntoIterator<Item = &'a str>) -> Self {
        self.bind(manifold, columns, Chart::Own)
    }

    /// Columns that hold Euclidean coordinates, and how they are scaled before the flow sees them. Densities and samples are those of the columns.
    pub fn scaled<'a>(self, manifold: &str, columns: impl IntoIterator<Item = &'a str>, scaling: Scaling) -> Self {
        self.bind(manifold, columns, Chart::Scaled(scaling))
    }

    /// Columns that hold the angles of a circle or sphere in the order of the flow's coordinates: those from an axis (0 to 180 degrees) first, the azimuth last.
    pub fn angles<'a>(self, manifold: &str, unit: Unit, columns: impl IntoIterator<Item = &'a str>) -> Self {
        self.bind(manifold, columns, Chart::Angles(unit))
    }

    /// Two columns that hold a point of `s2` by a convention, in the order of its name.
    pub fn direction(self, manifold: &str, convention: Convention, columns: [&str; 2]) -> Self {
        self.bind(manifold, columns, Chart::Direction(convention))
    }

    /// Columns that hold embedded coordinates: unit vectors of circles and spheres, all shares of a simplex (the rest of the whole first). Vectors may be off unit length by
    /// 0.001; the density is by area.
    pub fn vector<'a>(self, manifold: &str, columns: impl IntoIterator<Item = &'a str>) -> Self {
        self.bind(manifold, columns, Chart::Vector)
    }

    /// A feature: one number of the flow's `cond`.
    pub fn feature(self, column: &str, scaling: Scaling) -> Self {
        self.features([column], scaling)
    }

    /// Several features of one scaling.
    pub fn features<'a>(mut self, columns: impl IntoIterator<Item = &'a str>, scaling: Scaling) -> Self {
        self.features.extend(columns.into_iter().map(|column| BoundFeature::Number(column.into(), scaling)));
        self
    }

    /// A category, one-hot: as many numbers of the flow's `cond` as the training part has categories (in alphabetical order), each 0 or 1; one more, behind them, for "other".
    /// A number (`2`, `2.0`) is the category of that number.
    pub fn category(mut self, column: &str, unseen: Unseen) -> Self {
        self.features.push(BoundFeature::Category(column.into(), unseen));
        self
    }

    /// An angle as a feature: its cosine and sine, two numbers of the flow's `cond`, so that a turn makes no difference.
    pub fn circular(mut self, column: &str, unit: Unit) -> Self {
        self.features.push(BoundFeature::Circle(column.into(), unit));
        self
    }

    /// By what densities on spheres and simplices are; by the columns, if not said.
    pub fn measure(mut self, measure: Measure) -> Self {
        self.measure = measure;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conventions_are_converted_both_ways() {
        let third = 120.0_f64.to_radians();
        for (convention, columns, sphere) in [
            (Convention::ZenithAzimuth(Degrees), [30.0, 240.0], [30.0_f64.to_radians(), 2.0 * third]),
            (Convention::ZenithAzimuth(Radians), [0.3, 4.0], [0.3, 4.0]),
            (Convention::RaDec(Degrees), [240.0, -30.0], [third, 2.0 * third]),
            (Convention::LatLon(Degrees), [-30.0, -120.0], [third, -third]),
            (Convention::LatLon(Radians), [0.5, 3.0], [core::f64::consts::FRAC_PI_2 - 0.5, 3.0]),
        ] {
            let found = convention.to_sphere(columns);
            assert!(found.iter().zip(sphere).all(|(a, b)| (a - b).abs() < 1e-14), "{convention:?}: {found:?}");
            let back = convention.from_sphere(found);
            assert!(back.iter().zip(columns).all(|(a, b)| (a - b).abs() < 1e-12), "{convention:?}: {back:?}");
        }
        // Ranges of what comes back: whole turns are none, and the date line belongs to the east.
        let at = |convention: Convention, phi: f64| convention.from_sphere([1.0, phi]);
        assert_eq!(at(Convention::RaDec(Degrees), -1e-20)[0], 0.0);
        assert_eq!(at(Convention::ZenithAzimuth(Radians), core::f64::consts::TAU)[1], 0.0);
        assert_eq!(at(Convention::LatLon(Degrees), core::f64::consts::PI)[1], 180.0);
        assert!((at(Convention::LatLon(Degrees), 4.0)[1] - (4.0_f64.to_degrees() - 360.0)).abs() < 1e-12);
    }
}
