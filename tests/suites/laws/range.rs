//! The points of the working range: where every layer must be finite, invertible and differentiable.

use super::subject::Subject;
use flow_runtime::manifolds::Geometry;

/// The largest size of a coordinate of Euclidean space.
const FAR: f64 = 1e6;

/// A place in the working range, in embedded coordinates.
#[derive(Clone, Debug)]
pub struct Place {
    pub point: Vec<f64>,
    /// Whether derivatives by the point exist there (documented exceptions: edges and corners of a simplex, where the
    /// density depends on the direction of approach).
    pub smooth: bool,
}

pub fn places(subject: &Subject) -> Vec<Place> {
    let points = match subject.geometry {
        Geometry::Euclidean { dim } => flat(dim),
        Geometry::Interval { low, high } => interval([low, high]).into_iter().map(|x| vec![x]).collect(),
        Geometry::Circle => circle(),
        Geometry::Sphere { dim: 2 } => sphere(),
        Geometry::Sphere { .. } => higher_sphere(subject.embed),
        Geometry::Simplex { .. } => return simplex(subject),
        Geometry::Own(own) => panic!("{own:?}: what are the points of its working range?"),
    };
    points.into_iter().map(|point| Place { point, smooth: true }).collect()
}

/// Each axis to both sides, all axes together, and the smallest numbers.
fn flat(dim: usize) -> Vec<Vec<f64>> {
    let mut points: Vec<Vec<f64>> = [0.0, -0.0, 1e-300].map(|x| vec![x; dim]).into();
    for axis in 0..dim {
        for far in [FAR, -FAR] {
            points.push((0..dim).map(|d| if d == axis { far } else { 0.3 }).collect());
        }
    }
    for far in [FAR, -FAR, 1e3, -200.0, 30.0, -10.0] {
        points.push((0..dim).map(|d| far * [1.0, -0.7, 0.4][d % 3]).collect());
    }
    points.push((0..dim).map(|d| [-1e-300, FAR, 1e-12][d % 3]).collect());
    points
}

/// The numbers next to `x`, up to a few units in the last place.
fn beside(x: f64) -> [f64; 5] {
    let step = |n: u32| (0..n).fold((x, x), |(low, high), _| (low.next_down(), high.next_up()));
    let (one, three) = (step(1), step(3));
    [x, one.0, one.1, three.0, three.1]
}

/// Both ends and a few numbers next to them, on either side; those outside count as the end.
pub fn around_the_ends([low, high]: [f64; 2]) -> Vec<f64> {
    [low, high].into_iter().flat_map(beside).collect()
}

fn interval([low, high]: [f64; 2]) -> Vec<f64> {
    let length = high - low;
    let shares = [1e-300, 1e-100, 1e-12, 1e-6, 1e-3].into_iter();
    let inside = shares.flat_map(|share| [low + share * length, high - share * length]);
    around_the_ends([low, high]).into_iter().filter(|x| (low..=high).contains(x)).chain(inside).collect()
}

/// The seam at angle 0, the angles pi, pi / 2 and 3 pi / 2, and points next to them.
fn circle() -> Vec<Vec<f64>> {
    let mut points = Vec::new();
    for sin in [0.0, -0.0, 1e-300, -1e-300, f64::EPSILON, -f64::EPSILON, 1e-12, -1e-7, 1e-3] {
        let cos = f64::sqrt(1.0 - sin * sin);
        points.extend([vec![cos, sin], vec![-cos, sin]]);
    }
    points.extend([vec![1e-300, 1.0], vec![-0.0, -1.0]]);
    points
}

/// Both poles, points a few units in the last place away from them and further, the seam of the azimuth.
fn sphere() -> Vec<Vec<f64>> {
    let mut points = vec![vec![0.0, 0.0, 1.0], vec![0.0, 0.0, -1.0], vec![-0.0, 0.0, 1.0], vec![0.0, -0.0, -1.0]];
    for rho in [1e-300, 1e-100, f64::EPSILON, 1e-12, 1e-7, 1e-3] {
        let z = f64::sqrt(1.0 - rho * rho);
        points.extend([vec![rho * 0.8, -rho * 0.6, z], vec![-rho, 0.0, z], vec![-rho, 0.0, -z], vec![0.0, rho, -z]]);
    }
    for z in [-0.7, 0.4] {
        let rho = f64::sqrt(1.0 - z * z);
        for y in [0.0, -0.0, 1e-13, -f64::EPSILON] {
            points.extend([vec![-rho, y, z], vec![rho, y, z]]);
        }
    }
    points
}

/// Points where v_0, .., v_{m-1} vanish for some m, and points beside them.
fn higher_sphere(embed: usize) -> Vec<Vec<f64>> {
    let mut points = Vec::new();
    for size in [0.0, 1e-300, 1e-12, 1e-7, 1e-3] {
        for (level, sign) in (2..embed).flat_map(|level| [(level, 1.0), (level, -1.0)]) {
            let mut v = vec![0.0; embed];
            (v[level], v[0], v[1]) = (sign, 0.6 * size, -0.8 * size);
            v[embed - 1] += 0.7;
            let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
            points.push(v.iter().map(|x| x / norm).collect());
        }
    }
    points
}

/// Faces, edges and corners, and points beside them.
fn simplex(subject: &Subject) -> Vec<Place> {
    let (n, dim) = (subject.embed, subject.dim as f64);
    let mut places = Vec::new();
    for tiny in [0.0, 1e-300, 1e-12, 1e-3] {
        for k in 0..n {
            let place = |at: &dyn Fn(usize) -> f64| (0..n).map(at).collect::<Vec<f64>>();
            // Next to a corner, to a face, to an edge.
            let corner = place(&|i| if i == k { 1.0 - tiny * dim } else { tiny });
            let face = place(&|i| if i == k { tiny } else { (1.0 - tiny) / dim });
            places.extend([corner, face]);
            if n > 3 {
                let both = [k, (k + 1) % n];
                let left = (n - 2) as f64;
                places.push(place(&|i| if both.contains(&i) { 0.5 - 0.5 * tiny * left } else { tiny }));
            }
        }
    }
    places.into_iter().map(|point| Place { smooth: is_smooth(subject, &point), point }).collect()
}

/// Whether the share b_i of R_{i-1} = x_0 + x_i + .. + x_D is a share of something for every i.
pub fn is_smooth(subject: &Subject, x: &[f64]) -> bool {
    !subject.is_simplex() || (1..x.len()).all(|i| x[0] + x[i..].iter().sum::<f64>() > 1e-200)
}

/// What steps are measured by, and what is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View {
    /// The numbers themselves, and steps of the size of the space (of the point, if that is larger).
    Plain,
    /// Logarithms of shares, and steps in proportion to each share: what lies beside faces, edges and corners.
    Shares,
}

/// A curve through a point along which derivatives are compared.
pub struct Way {
    /// Its tangent.
    pub tangent: Vec<f64>,
    /// What steps are measured by.
    pub scale: f64,
    /// Whether it may be walked backwards as well.
    both: bool,
}

/// Curves along the coordinates of a chart that is regular at `point`.
pub fn ways(subject: &Subject, point: &[f64], view: View) -> Vec<Way> {
    let n = point.len();
    let axis = |k: usize| (0..n).map(|i| f64::from(i == k)).collect::<Vec<f64>>();
    match subject.geometry {
        Geometry::Euclidean { .. } | Geometry::Own(_) => {
            let scale = point.iter().fold(1.0, |largest: f64, x| largest.max(x.abs()));
            (0..n).map(|k| Way { tangent: axis(k), scale, both: true }).collect()
        }
        Geometry::Interval { low, high } => {
            let (from_low, from_high) = (point[0] - low, high - point[0]);
            // Inwards where an end is near.
            let sign = if from_low <= from_high { 1.0 } else { -1.0 };
            let scale = 0.1 * (high - low);
            vec![Way { tangent: vec![sign], scale, both: from_low.min(from_high) > scale }]
        }
        Geometry::Circle | Geometry::Sphere { .. } => {
            tangents(point).into_iter().map(|tangent| Way { tangent, scale: 1.0, both: true }).collect()
        }
        Geometry::Simplex { .. } => {
            let largest = largest(point);
            let way = |k: usize| {
                let tangent = (0..n).map(|i| f64::from(i == k) - f64::from(i == largest)).collect();
                let scale = if view == View::Plain { 0.1 } else { point[k] };
                Way { tangent, scale, both: point[k] >= scale }
            };
            (0..n).filter(|k| *k != largest && (view == View::Plain || point[*k] > 0.0)).map(way).collect()
        }
    }
}

impl Way {
    /// Derivatives by this way's coordinate, in units of its scale, by differences with steps of this share of the scale.
    pub fn difference(
        &self,
        subject: &Subject,
        point: &[f64],
        share: f64,
        mut f: impl FnMut(&[f64]) -> Vec<f64>,
    ) -> Vec<f64> {
        let sphere = subject.geometry.is_sphere();
        differences(share, self.both, |h| {
            let ahead: Vec<f64> = point.iter().zip(&self.tangent).map(|(x, d)| x + h * self.scale * d).collect();
            f(&if sphere { subject.project(&ahead) } else { ahead })
        })
    }
}

/// Derivatives at 0 by five points: on both sides, or on one (to the same order).
pub fn differences(step: f64, both: bool, mut f: impl FnMut(f64) -> Vec<f64>) -> Vec<f64> {
    let rule: &[(f64, f64)] = if both {
        &[(1.0, 8.0), (-1.0, -8.0), (2.0, -1.0), (-2.0, 1.0)]
    } else {
        &[(0.0, -25.0), (1.0, 48.0), (2.0, -36.0), (3.0, 16.0), (4.0, -3.0)]
    };
    let mut sums: Vec<f64> = Vec::new();
    for (at, weight) in rule {
        let values = f(at * step);
        sums.resize(values.len(), 0.0);
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
    }
    sums.iter().map(|sum| sum / (12.0 * step)).collect()
}

/// The place of the largest.
pub fn largest(point: &[f64]) -> usize {
    (0..point.len()).max_by(|a, b| point[*a].total_cmp(&point[*b])).unwrap_or(0)
}

/// Coordinates of what lies near `at`: the change of volume in them is that of the surface.
pub fn coordinates(subject: &Subject, at: &[f64]) -> Vec<Vec<f64>> {
    let n = at.len();
    let axis = |k: usize| (0..n).map(|i| f64::from(i == k)).collect::<Vec<f64>>();
    match subject.geometry {
        Geometry::Euclidean { .. } | Geometry::Interval { .. } | Geometry::Own(_) => (0..n).map(axis).collect(),
        Geometry::Circle | Geometry::Sphere { .. } => tangents(at),
        // All shares but one: whichever it is, the surface is sqrt(D + 1) times as large.
        Geometry::Simplex { .. } => (0..n).filter(|k| *k != largest(at)).map(axis).collect(),
    }
}

/// Orthonormal tangents of a sphere.
fn tangents(point: &[f64]) -> Vec<Vec<f64>> {
    if let [x, y] = point {
        return vec![vec![-y, *x]];
    }
    if point.len() > 3 {
        return orthonormal(point);
    }
    // The axis furthest from the point, made orthogonal to it; the cross product.
    let least = (0..3).min_by(|a, b| point[*a].abs().total_cmp(&point[*b].abs())).unwrap_or(0);
    let mut u: Vec<f64> = (0..3).map(|i| f64::from(i == least) - point[least] * point[i]).collect();
    let norm = u.iter().map(|u| u * u).sum::<f64>().sqrt();
    u.iter_mut().for_each(|u| *u /= norm);
    let v = (0..3).map(|i| {
        let (j, k) = ((i + 1) % 3, (i + 2) % 3);
        point[j] * u[k] - point[k] * u[j]
    });
    let v = v.collect();
    vec![u, v]
}

/// All axes but the one nearest to the point, made orthogonal to it and to each other.
fn orthonormal(point: &[f64]) -> Vec<Vec<f64>> {
    let mut axes: Vec<usize> = (0..point.len()).collect();
    axes.sort_by(|a, b| point[*a].abs().total_cmp(&point[*b].abs()));
    axes.pop();
    let mut known = vec![point.to_vec()];
    for axis in axes {
        let mut u: Vec<f64> = (0..point.len()).map(|i| f64::from(i == axis)).collect();
        // Twice, for rounding.
        for other in known.iter().chain(&known) {
            let along: f64 = u.iter().zip(other).map(|(a, b)| a * b).sum();
            u.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
        }
        let norm = u.iter().map(|u| u * u).sum::<f64>().sqrt();
        u.iter_mut().for_each(|u| *u /= norm);
        known.push(u);
    }
    known.split_off(1)
}

/// ln |det|.
pub fn ln_determinant(mut m: Vec<Vec<f64>>) -> f64 {
    let n = m.len();
    let mut ln = 0.0;
    for i in 0..n {
        // Full pivoting: entries may differ by hundreds of orders of magnitude.
        let at = |k: usize| (i + k / (n - i), i + k % (n - i));
        let best = (0..(n - i) * (n - i)).max_by(|a, b| {
            let ((ra, ca), (rb, cb)) = (at(*a), at(*b));
            m[ra][ca].abs().total_cmp(&m[rb][cb].abs())
        });
        let (row, column) = at(best.unwrap_or(0));
        m.swap(i, row);
        m.iter_mut().for_each(|row| row.swap(i, column));
        ln += m[i][i].abs().ln();
        for k in i + 1..n {
            let factor = m[k][i] / m[i][i];
            for j in i..n {
                m[k][j] -= factor * m[i][j];
            }
        }
    }
    ln
}
