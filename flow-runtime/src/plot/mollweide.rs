//! Mollweide's projection of the sphere.
//!
//! Equal area: a patch of solid angle A has area A in the plane, so the cells of a picture all weigh the same and a
//! credible region is as large as it looks. The sphere fills the ellipse with half-axes 2 sqrt 2 and sqrt 2 (area 4 pi).
//!
//! With longitude l from the centre and the auxiliary angle a: x = (2 sqrt 2 / pi) l cos a, y = sqrt 2 sin a, where
//! 2 a + sin 2a = pi sin(latitude) (Snyder, Map Projections: A Working Manual, USGS 1987, eq. 31-1 to 31-3).

use core::f64::consts::{FRAC_PI_2, PI, SQRT_2, TAU};

/// Half-axes of the ellipse that holds the sphere.
pub(crate) const HALF_WIDTH: f64 = 2.0 * SQRT_2;
pub(crate) const HALF_HEIGHT: f64 = SQRT_2;

/// The projection: which longitude is in the middle, and which way longitude grows.
#[derive(Clone, Copy, Debug)]
pub struct Mollweide {
    centre: f64,
    sign: f64,
}

impl Mollweide {
    /// A map with the azimuth `centre` (radians) in the middle; `mirrored` lets azimuth grow to the left, as the sky is seen.
    pub fn new(centre: f64, mirrored: bool) -> Self {
        Self { centre, sign: if mirrored { -1.0 } else { 1.0 } }
    }

    /// From (theta, phi) - polar angle from the north pole and azimuth in radians - to the plane, y pointing north.
    pub fn project(&self, [theta, phi]: [f64; 2]) -> [f64; 2] {
        self.at(theta, wrap(phi - self.centre))
    }

    /// Projects a longitude counted from the centre of the map, which may be either edge, -pi or pi.
    pub(crate) fn at(&self, theta: f64, longitude: f64) -> [f64; 2] {
        let (north, colatitude) = if theta <= FRAC_PI_2 { (1.0, theta) } else { (-1.0, PI - theta) };
        let b = auxiliary(colatitude.max(0.0));
        [self.sign * HALF_WIDTH / PI * longitude * b.sin(), north * HALF_HEIGHT * b.cos()]
    }

    /// From the plane to (theta, phi) with phi in [0, 2 pi); `None` outside the ellipse.
    pub fn unproject(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let cos_b = y.abs() / HALF_HEIGHT;
        if cos_b > 1.0 {
            return None;
        }
        let b = cos_b.acos();
        let longitude = if b == 0.0 { 0.0 } else { self.sign * PI * x / (HALF_WIDTH * b.sin()) };
        // A point on the rim may come back a rounding error outside.
        const RIM: f64 = 1e-9;
        if longitude.abs() > PI * (1.0 + RIM) {
            return None;
        }
        let colatitude = 2.0 * (area(b) / TAU).sqrt().min(1.0).asin();
        let theta = if y < 0.0 { PI - colatitude } else { colatitude };
        Some([theta, (longitude + self.centre).rem_euclid(TAU)])
    }
}

/// A longitude in [-pi, pi).
fn wrap(longitude: f64) -> f64 {
    (longitude + PI).rem_euclid(TAU) - PI
}

/// 2 b - sin 2b, by its series where the difference would cancel.
fn area(b: f64) -> f64 {
    let t = 2.0 * b;
    if t < 0.1 {
        let t2 = t * t;
        t * t2 / 6.0 * (1.0 - t2 / 20.0 * (1.0 - t2 / 42.0 * (1.0 - t2 / 72.0)))
    } else {
        t - t.sin()
    }
}

/// The auxiliary angle counted from the pole, b = pi/2 - a, which solves 2 b - sin 2b = 2 pi sin^2(colatitude / 2).
///
/// The left side is convex on [0, pi/2] and below (2 b)^3 / 6, so Newton's method from the root of the cubic jumps once past
/// the solution and then falls towards it; from the equator's side of the pole it would crawl, the root being triple.
fn auxiliary(colatitude: f64) -> f64 {
    let goal = TAU * (0.5 * colatitude).sin().powi(2);
    if goal == 0.0 {
        return 0.0;
    }
    let mut b = (0.75 * goal).cbrt();
    for _ in 0..20 {
        let step = (area(b) - goal) / (4.0 * b.sin().powi(2));
        b = (b - step).min(FRAC_PI_2);
        if step.abs() <= 1e-15 * b {
            break;
        }
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projection_and_its_inverse_agree() {
        for mirrored in [false, true] {
            let map = Mollweide::new(2.3, mirrored);
            for i in 0..=400 {
                for j in 0..97 {
                    let (theta, phi) = (PI * i as f64 / 400.0, TAU * j as f64 / 97.0);
                    let [t, p] = map.unproject(map.project([theta, phi])).expect("inside the ellipse");
                    assert!((t - theta).abs() < 1e-7, "{theta} {phi}: {t}");
                    let away = wrap(p - phi).abs() * theta.sin();
                    assert!(away < 1e-7, "{theta} {phi}: {p}");
                }
            }
        }
    }

    #[test]
    fn small_steps_on_the_sphere_and_in_the_plane_span_the_same_area() {
        let map = Mollweide::new(-1.0, false);
        let h = 1e-5;
        for i in 1..60 {
            for j in 0..50 {
                let (theta, phi) = (PI * i as f64 / 60.0, -1.0 + 3.1 * (j as f64 / 25.0 - 1.0));
                let d = |a: [f64; 2], b: [f64; 2]| [(a[0] - b[0]) / (2.0 * h), (a[1] - b[1]) / (2.0 * h)];
                let down = d(map.project([theta + h, phi]), map.project([theta - h, phi]));
                let east = d(map.project([theta, phi + h]), map.project([theta, phi - h]));
                let ratio = (down[0] * east[1] - down[1] * east[0]).abs() / theta.sin();
                assert!((ratio - 1.0).abs() < 1e-6, "{theta} {phi}: {ratio}");
            }
        }
    }

    #[test]
    fn known_places() {
        let map = Mollweide::new(0.0, false);
        let near = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).abs() < 1e-12 && (a[1] - b[1]).abs() < 1e-12;
        assert!(near(map.project([FRAC_PI_2, 0.0]), [0.0, 0.0]));
        assert!(near(map.project([0.0, 1.0]), [0.0, SQRT_2]));
        assert!(near(map.project([PI, 1.0]), [0.0, -SQRT_2]));
        assert!(near(map.project([FRAC_PI_2, FRAC_PI_2]), [SQRT_2, 0.0]));
        assert!(near(Mollweide::new(0.0, true).project([FRAC_PI_2, FRAC_PI_2]), [-SQRT_2, 0.0]));
        assert!(map.unproject([2.5, 1.0]).is_none() && map.unproject([0.0, 1.5]).is_none());
    }
}
