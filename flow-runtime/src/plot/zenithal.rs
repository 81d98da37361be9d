//! Lambert's zenithal equal-area projection: a part of the sphere around a place.
//!
//! Equal area, as [`Mollweide`](super::Mollweide) is: a place at the angle c from the centre lies at the distance 2 sin(c / 2) from the middle
//! (Snyder, Map Projections: A Working Manual, USGS 1987, eq. 24-1). North is up.

use core::f64::consts::TAU;

/// The projection around a centre.
#[derive(Clone, Copy, Debug)]
pub struct Zenithal {
    /// towards the centre, east and north of it
    axes: [[f64; 3]; 3],
    sign: f64,
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

impl Zenithal {
    /// A map around (theta, phi), in radians; `mirrored` lets azimuth grow to the left, as the sky is seen.
    pub fn new([theta, phi]: [f64; 2], mirrored: bool) -> Self {
        let ((st, ct), (sp, cp)) = (theta.sin_cos(), phi.sin_cos());
        let axes = [[st * cp, st * sp, ct], [-sp, cp, 0.0], [-ct * cp, -ct * sp, st]];
        Self { axes, sign: if mirrored { -1.0 } else { 1.0 } }
    }

    /// From (theta, phi) in radians to the plane, y pointing north in the middle; `None` at the place opposite of the centre.
    pub fn project(&self, [theta, phi]: [f64; 2]) -> Option<[f64; 2]> {
        let point = [theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()];
        let [ahead, east, north] = self.axes.map(|axis| dot(axis, point));
        // 2 sin(c / 2) / sin c
        let scale = (2.0 / (1.0 + ahead)).sqrt();
        scale.is_finite().then_some([self.sign * scale * east, scale * north])
    }

    /// From the plane to (theta, phi) with phi in [0, 2 pi); `None` outside the disk that holds the sphere.
    pub fn unproject(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let square = x * x + y * y;
        if square > 4.0 {
            return None;
        }
        let scale = (1.0 - 0.25 * square).sqrt();
        let local = [1.0 - 0.5 * square, self.sign * scale * x, scale * y];
        let point: [f64; 3] = core::array::from_fn(|k| (0..3).map(|i| local[i] * self.axes[i][k]).sum());
        Some([point[0].hypot(point[1]).atan2(point[2]), point[1].atan2(point[0]).rem_euclid(TAU)])
    }
}

/// How far from the middle a place at an angle from the centre lies.
pub(crate) fn distance(angle: f64) -> f64 {
    2.0 * (0.5 * angle).sin()
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::f64::consts::{FRAC_PI_2, PI};

    #[test]
    fn the_projection_and_its_inverse_agree() {
        for centre in [[1.0, 4.0], [0.0, 0.0], [PI, 1.0], [FRAC_PI_2, 0.0]] {
            for mirrored in [false, true] {
                let map = Zenithal::new(centre, mirrored);
                for i in 0..=50 {
                    for j in 0..=50 {
                        let place = [f64::from(i - 25) * 0.055, f64::from(j - 25) * 0.055];
                        let again = map.project(map.unproject(place).unwrap()).unwrap();
                        let off = (again[0] - place[0]).hypot(again[1] - place[1]);
                        assert!(off < 1e-12, "{centre:?} {place:?} {again:?}");
                    }
                }
            }
        }
        assert!(Zenithal::new([1.0, 1.0], false).unproject([1.5, 1.5]).is_none());
    }

    #[test]
    fn areas_are_kept_and_north_is_up() {
        let map = Zenithal::new([1.1, 0.4], false);
        let h = 1e-5;
        for (theta, phi) in [(1.1, 0.4), (0.6, 0.9), (1.8, -0.5), (0.3, 2.0)] {
            let at = |t, p| map.project([t, p]).unwrap();
            let d = |a: [f64; 2], b: [f64; 2]| [(a[0] - b[0]) / (2.0 * h), (a[1] - b[1]) / (2.0 * h)];
            let down = d(at(theta + h, phi), at(theta - h, phi));
            let east = d(at(theta, phi + h), at(theta, phi - h));
            let ratio = (down[0] * east[1] - down[1] * east[0]) / theta.sin();
            assert!((ratio - 1.0).abs() < 1e-6, "{theta} {phi}: {ratio}");
        }
        let [x, y] = map.project([1.1 - 0.2, 0.4]).unwrap();
        assert!(x.abs() < 1e-12 && (y - distance(0.2)).abs() < 1e-12);
        assert!(
            map.project([1.1, 0.5]).unwrap()[0] > 0.0
                && Zenithal::new([1.1, 0.4], true).project([1.1, 0.5]).unwrap()[0] < 0.0
        );
    }
}
