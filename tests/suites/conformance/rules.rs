//! Where the reference itself is not exact: named bounds that are looser than the general one.
//!
//! A rule looks at the numbers of a row and at the letters of the case, never at its name.

use super::reference::{Case, Space};
use flow_runtime::layers::{IntervalSpline, Layer};
use flow_runtime::manifolds::Interval;
use flow_runtime::numeric::special::normal_cdf;

/// The kinds of numbers that a case holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Log-density of given points.
    LogProb,
    /// The same in embedded coordinates.
    Embedded,
    /// Base points, and the log-density there.
    Base,
    /// Gradients of the mean log-density of given points, by the points,
    GradX,
    /// by parameters given row by row,
    GradParams,
    /// by features,
    GradCond,
    /// by weights.
    GradState,
    /// Points made from base points,
    X,
    /// their log-density,
    XLogProb,
    /// and its gradients.
    XGradParams,
    /// See [`What::XGradParams`].
    XGradCond,
    /// See [`What::XGradParams`].
    XGradState,
}

impl What {
    /// How the printout calls it.
    pub fn name(self) -> &'static str {
        match self {
            What::LogProb => "log_prob",
            What::Embedded => "embedded",
            What::Base => "base",
            What::GradX => "d/dx",
            What::GradParams => "d/dparams",
            What::GradCond => "d/dcond",
            What::GradState => "d/dstate",
            What::X => "forward",
            What::XLogProb => "forward log_prob",
            What::XGradParams => "forward d/dparams",
            What::XGradCond => "forward d/dcond",
            What::XGradState => "forward d/dstate",
        }
    }
}

/// A looser bound, and why.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// The reason, as the printout names it.
    pub rule: &'static str,
    /// The bound, in units of the number's scale.
    pub bound: f64,
}

/// The plane map of the reference takes cos(theta) no closer to +-1 than this (layers.md 6.3, Q18).
const PLANE_MARGIN: f64 = 1e-6;

/// A point further from where it should be is no matter of rounding.
const FARTHEST_MISSED: f64 = 1e-6;

/// How much an error within a chain may have grown at its end.
const GROWTH: f64 = 16.0;

/// The same for derivatives of layer v, which are as steep as its potential is curved.
const GROWTH_OF_V: f64 = 64.0;

const SEARCH: &str = "P8, Q17: the reference's point misses its base point";
const V_SEARCH: &str = "Q7: v by a search that ends 1e-8 away";
const R_CLIPPED: &str = "Q2: r clipped to [-1, 1]";
const SKEW: &str = "Q8: the reference's Jacobian of its skewed box";
const ROUNDED_SHARES: &str = "Q21: canonical coordinates through f32";
const FAR_U: &str = "u: base points beyond 37 sigma";
const CHARTS: &str = "Q5: c in charts whose logarithm is clipped";
const PLANE: &str = "Q18: base point clipped as the reference clips it";

/// Every rule.
pub const ALL: [&str; 8] = [SEARCH, V_SEARCH, R_CLIPPED, SKEW, ROUNDED_SHARES, FAR_U, CHARTS, PLANE];

/// The rules that apply to each row of a case: of the given points, and of the generated points.
pub struct Rules {
    given: Vec<Vec<(Vec<What>, Allowance)>>,
    generated: Vec<Vec<(Vec<What>, Allowance)>>,
}

/// How far the reference's layer c is from the equation that it solves: its clipped charts move points by 7e-6 (layers.md 8.3, Q5), and eight steps of rk4 in
/// charts are not those around them.
const CHART_ERROR: f64 = 2e-4;

/// Gradients of the reference's layer c lack the motion of its charts' centres, which count as constants there: off by a few times the gradient by the
/// point, by less than half of the largest gradient by a weight.
const CENTRES_BY_POINT: f64 = 6.0;
/// See [`CENTRES_BY_POINT`].
const CENTRES_BY_WEIGHT: f64 = 0.6;

/// On [-3, 3] the reference takes a point to [-1, 1]: it is up to 4 from its place there, its base point and its derivatives by a few times as much.
const CLIPPED: f64 = 8.0;

/// Where the reference has lost a base coordinate altogether: off by as much as the number itself.
const LOST: f64 = 1.1;

const EVALUATED: &[What] =
    &[What::LogProb, What::Embedded, What::Base, What::GradX, What::GradParams, What::GradCond, What::GradState];
const GENERATED: &[What] = &[What::X, What::XLogProb, What::XGradParams, What::XGradCond, What::XGradState];

impl Rules {
    /// The rules of a case; `back` is where our inverse takes the points that the reference generated, `there` where our forward map takes
    /// the base points that it searched.
    pub fn of(case: &Case, back: &[f64], there: &[f64]) -> Result<Rules, String> {
        let [search_base, search_points] = case.searched();
        let (x, base) = (case.rows("x")?, case.rows("base")?);
        let z = case.rows("from_base.z")?;
        let mut rules = Rules { given: Vec::new(), generated: Vec::new() };
        for row in 0..x.len() {
            let mut here: Vec<(Vec<What>, Allowance)> = Vec::new();
            let mut allow = |whats: &[What], rule, bound| here.push((whats.to_vec(), Allowance { rule, bound }));
            if case.clipped(row, x.row(row), true) {
                allow(EVALUATED, R_CLIPPED, CLIPPED);
            }
            if case.has_letter('c') {
                allow(EVALUATED, CHARTS, CHART_ERROR);
                // The map to the plane stretches the surroundings of the pole at infinity: its distance theta becomes r with 4 e^(-r^2/2) = theta^2.
                let r = base.row(row).iter().fold(0.0_f64, |sum, z| sum.hypot(*z));
                allow(&[What::Base], CHARTS, CHART_ERROR * (1.0 + 0.5 * r * (0.25 * r * r).exp()));
                // Centres of charts count as constants there.
                allow(&[What::GradX], CHARTS, CENTRES_BY_POINT);
                allow(&[What::GradState], CHARTS, CENTRES_BY_WEIGHT);
            }
            if search_base {
                let missed = case.apart(x.row(row), &there[row * x.columns..][..x.columns]);
                if missed < FARTHEST_MISSED {
                    allow(EVALUATED, V_SEARCH, 1e-8 + GROWTH_OF_V * missed);
                    let grown = missed * case.plane_stretch(base.row(row));
                    allow(&[What::Base], V_SEARCH, 1e-8 + GROWTH * grown);
                }
            }
            if case.has_letter('u') && base.row(row).iter().any(|z| z.abs() > FARTHEST) {
                allow(&[What::Base], FAR_U, LOST);
            }
            rules.given.push(here);
        }
        for row in 0..z.len() {
            let mut here: Vec<(Vec<What>, Allowance)> = Vec::new();
            let mut allow = |whats: &[What], rule, bound| here.push((whats.to_vec(), Allowance { rule, bound }));
            let missed = z.row(row).iter().zip(&back[row * z.columns..]);
            let missed = missed.fold(0.0_f64, |most, (z, back)| most.max((z - back).abs() / (1.0 + z.abs())));
            if missed > 1e-12 && missed < FARTHEST_MISSED {
                allow(GENERATED, SEARCH, 1e-8 + GROWTH * missed);
                if search_points {
                    allow(GENERATED, V_SEARCH, 1e-8 + GROWTH_OF_V * missed);
                }
            }
            if case.has_letter('c') {
                allow(GENERATED, CHARTS, CHART_ERROR);
                allow(&[What::XGradState], CHARTS, CENTRES_BY_WEIGHT);
            }
            if case.clipped(row, z.row(row), false) {
                allow(GENERATED, R_CLIPPED, CLIPPED);
            }
            rules.generated.push(here);
        }
        Ok(rules)
    }

    /// The loosest bound for a number of a row.
    pub fn allow(&self, what: What, row: usize) -> Option<Allowance> {
        let rows = if GENERATED.contains(&what) { &self.generated } else { &self.given };
        let of_row = rows.get(row)?.iter().filter(|(whats, _)| whats.contains(&what)).map(|(_, allowance)| *allowance);
        of_row.max_by(|a, b| a.bound.total_cmp(&b.bound))
    }

    /// The bound for a number that sums over all rows: the loosest of the rows.
    pub fn allow_sum(&self, what: What) -> Option<Allowance> {
        let rows = if GENERATED.contains(&what) { self.generated.len() } else { self.given.len() };
        (0..rows).filter_map(|row| self.allow(what, row)).max_by(|a, b| a.bound.total_cmp(&b.bound))
    }
}

/// Moves a base point as the reference's plane map does: radii of a sphere's base point between those of
/// cos(theta) = +-(1 - 1e-6); the angle 0 of a circle to 1e-8. Returns the name of the rule where it moved one.
pub fn clip_base(case: &Case, base: &mut [f64]) -> Option<&'static str> {
    if case.old {
        return None;
    }
    let (far, near) = (radius(PLANE_MARGIN / 2.0), radius(1.0 - PLANE_MARGIN / 2.0));
    let (mut k, mut moved) = (0, None);
    for space in &case.spaces {
        if *space == Space::Sphere {
            let r = base[k].hypot(base[k + 1]);
            let clipped = r.clamp(near, far);
            if r > 0.0 && clipped != r {
                base[k] *= clipped / r;
                base[k + 1] *= clipped / r;
                moved = Some(PLANE);
            }
        }
        k += space.columns();
    }
    moved
}

/// Beyond this a normal variable's probability is below the smallest number, and a point of a simplex cannot say how far.
const FARTHEST: f64 = 37.0;

/// What the reference's log-density is short by, through the Jacobian of its map between box and base (layers.md 9.1): of given points
/// (D - 2) ln 2, of generated ones also half of sum_{i<D} ln(1 - b_i), where (1 - b)^2 = 1 - Phi(z).
pub fn short_by(case: &Case, base: &[f64], generated: bool) -> (f64, Option<&'static str>) {
    let mut short = 0.0;
    for (place, _, z) in case.parts(base) {
        if case.chains[place].starts_with('w') && z.len() > 1 {
            short += (z.len() - 2) as f64 * std::f64::consts::LN_2;
            if generated {
                short += z[..z.len() - 1].iter().map(|z| 0.25 * normal_cdf(*z).1.ln()).sum::<f64>();
            }
        }
    }
    (short, (short != 0.0).then_some(SKEW))
}

/// Takes canonical coordinates of simplices to intrinsic ones and back as the reference does, by a matrix with entries rounded to
/// `f32` (layers.md 9.1). Returns the name of the rule where it did.
pub fn round_shares(case: &Case, embedded: &mut [f64]) -> Option<&'static str> {
    let (mut k, mut moved) = (0, None);
    for (word, space) in case.words.iter().zip(&case.spaces) {
        let columns = match space {
            Space::Flat(dim) if word.starts_with('a') => {
                let (dim, shares) = (*dim, &mut embedded[k..=k + dim]);
                let entry = |above: f64| f64::from((above / (dim + 1) as f64) as f32);
                let (same, other) = (entry(dim as f64), entry(-1.0));
                let given = shares.to_vec();
                let rest: f64 = given[0] - 1.0;
                for j in 1..=dim {
                    let of = |i: usize| given[i] * if i == j { same } else { other };
                    shares[j] = rest * other + (1..=dim).map(of).sum::<f64>();
                }
                shares[0] = 1.0 - shares[1..].iter().sum::<f64>();
                moved = Some(ROUNDED_SHARES);
                dim + 1
            }
            Space::Flat(dim) => *dim,
            Space::Circle => 2,
            Space::Sphere => 3,
        };
        k += columns;
    }
    moved
}

/// The radius in the plane of the point with (1 - cos theta) / 2 = h.
pub fn radius(h: f64) -> f64 {
    (-2.0 * h.ln()).sqrt()
}

impl Case {
    /// The columns of each manifold.
    fn parts<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = (usize, Space, &'a [f64])> {
        let starts = self.spaces.iter().scan(0, |next, space| {
            let start = *next;
            *next += space.columns();
            Some(start)
        });
        self.spaces
            .iter()
            .zip(starts)
            .enumerate()
            .map(|(place, (space, start))| (place, *space, &row[start..start + space.columns()]))
    }

    fn has_letter(&self, letter: char) -> bool {
        self.chains.iter().any(|chain| chain.contains(letter))
    }

    /// Whether the reference clips a point on its way through letters r of an interval that is not inside [-1, 1]: from the target
    /// (`inverse`), or from a base point.
    fn clipped(&self, row: usize, start: &[f64], inverse: bool) -> bool {
        let ([word], [chain]) = (&self.words[..], &self.chains[..]) else { return false };
        let bounds = word.strip_prefix("i1_").and_then(|bounds| bounds.split_once('_'));
        let Some((Ok(low), Ok(high))) = bounds.map(|(low, high)| (low.parse::<f64>(), high.parse::<f64>())) else {
            return false;
        };
        if (low >= -1.0 && high <= 1.0) || !chain.contains('r') {
            return false;
        }
        // The spline of default options is the same on [0, 1], in units of the length.
        type R = IntervalSpline<()>;
        type Unit = Interval<0, { 1.0f64.to_bits() }>;
        let params = if self.weights.is_empty() { self.features.row(row) } else { &self.weights };
        let count = <R as Layer<Unit>>::PARAMS;
        if params.len() != count * chain.len() {
            return true;
        }
        let beyond = |share: f64| (low + (high - low) * share).abs() >= 1.0 - 1e-12;
        let mut x = [if inverse { (start[0] - low) / (high - low) } else { normal_cdf(start[0]).0 }];
        let mut clipped = beyond(x[0]);
        let (mut prepared, mut scratch) = (vec![0.0; <R as Layer<Unit>>::PREPARED], vec![0.0; 4]);
        for k in 0..chain.len() {
            let layer = if inverse { chain.len() - 1 - k } else { k };
            <R as Layer<Unit>>::prepare(&params[layer * count..][..count], &mut prepared);
            if inverse {
                <R as Layer<Unit>>::inverse(&prepared, &mut x, &mut 0.0, &mut scratch);
            } else {
                <R as Layer<Unit>>::forward(&prepared, &mut x, &mut 0.0, &mut scratch);
            }
            clipped |= beyond(x[0]);
        }
        clipped
    }

    /// The largest distance of two points on the spheres of a row.
    fn apart(&self, a: &[f64], b: &[f64]) -> f64 {
        let vector = |angles: &[f64]| {
            let ((sin, cos), (sin_phi, cos_phi)) = (angles[0].sin_cos(), angles[1].sin_cos());
            [sin * cos_phi, sin * sin_phi, cos]
        };
        let pairs = self.parts(a).zip(self.parts(b)).filter(|((_, space, _), _)| *space == Space::Sphere);
        let apart = pairs.map(|((.., a), (.., b))| {
            let (a, b) = (vector(a), vector(b));
            (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt()
        });
        apart.fold(0.0, f64::max)
    }

    /// How much longer than on the sphere a short way is in the plane, at a base point: r / sin(theta) across, and along |dr / dtheta| =
    /// sin(theta) / (r (1 - cos(theta))).
    fn plane_stretch(&self, base: &[f64]) -> f64 {
        let planes = self.parts(base).filter(|(_, space, _)| *space == Space::Sphere);
        let stretch = planes.map(|(_, _, z)| {
            let r = z[0].hypot(z[1]);
            let h = (-0.5 * r * r).exp();
            let sin = 2.0 * (h * (1.0 - h)).sqrt();
            (r / sin).max(sin / (2.0 * r * h))
        });
        stretch.fold(1.0, f64::max)
    }
}
