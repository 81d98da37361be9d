//! E(x) = exp_x(p) of layer v at a point, its Jacobian determinant, and the derivatives of both.
//!
//! # In a frame
//! With two orthonormal tangents e_1, e_2 at x, a component is m_k = e_k . mu and c = x . mu, and the whole map is six
//! sums:
//!
//! ```text
//! p_k = sum w h m_k      M_kl = sum w h' m_k m_l      b = 1 - g . x = (1 - sum w) + sum w (1 - c h)
//! ```
//!
//! # Jacobian
//! Let q = |p|^2 < 1, C = cos|p|, S = sin|p| / |p|. The Hessian of the potential along the sphere is A = M - (g . x) 1,
//! and a step d changes p by A d - (p . d) x. Differentiating E = C x + S p and expressing the result in the frame
//! carried along from x to E(x) gives
//!
//! ```text
//! J = G N      G = S 1 + (1 - S) p p^T / q      N = A + (C/S) 1 + k p p^T      k = (1 - C/S) / q
//! ```
//!
//! G stretches by 1 along p and by S across; N, which is symmetric, is the Hessian of A's potential and of half the
//! squared distance to E(x) together. With a = b - k q and Q = M + k p p^T, both positive (the map is a bijection),
//!
//! ```text
//! det J = S (a^2 + a tr Q + det Q)
//! ```
//!
//! a sum of positive terms, precise however flat the map is; the published 0.5 ln det(J^T J) is its logarithm. C, S and
//! their differences over q are entire functions of q, by their series.

use super::VECTOR;
use super::profile::Profile;
use crate::layers::spline::Ends;
use crate::numeric::Real;

/// Terms of the series: q <= 1, and 1/22! is below rounding.
const TERMS: usize = 10;

/// Coefficients (-1)^k / (2k + start)!.
const fn series(start: usize) -> [f64; TERMS] {
    let mut all = [0.0; TERMS];
    let (mut k, mut factorial, mut of) = (0, 1.0, 1);
    while k < TERMS {
        while of < 2 * k + start {
            of += 1;
            factorial *= of as f64;
        }
        all[k] = if k % 2 == 0 { 1.0 } else { -1.0 } / factorial;
        k += 1;
    }
    all
}

/// (1 - cos v) / v^2, v^2 = q.
const COS: [f64; TERMS] = series(2);
/// (1 - sin v / v) / v^2.
const SIN: [f64; TERMS] = series(3);
/// (sin v / v - cos v) / v^2.
const BOTH: [f64; TERMS] = {
    let (cos, sin) = (COS, SIN);
    let (mut both, mut k) = ([0.0; TERMS], 0);
    while k < TERMS {
        both[k] = cos[k] - sin[k];
        k += 1;
    }
    both
};
/// Minus the derivative of the last by q.
const BOTH_SLOPE: [f64; TERMS] = {
    let (mut slope, mut k) = ([0.0; TERMS], 0);
    let next = [series(4), series(5)];
    while k < TERMS {
        slope[k] = (k + 1) as f64 * (next[0][k] - next[1][k]);
        k += 1;
    }
    slope
};

#[inline(always)]
fn sum_series<R: Real>(coefficients: &[f64; TERMS], q: R) -> R {
    coefficients.iter().rev().fold(R::zero(), |sum, c| sum * q + R::constant(*c))
}

#[inline(always)]
fn dot<R: Real>(a: [R; VECTOR], b: [R; VECTOR]) -> R {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// exp_x(step), and its length put right.
#[inline(always)]
pub(super) fn walk<R: Real>(x: [R; VECTOR], step: [R; VECTOR]) -> [R; VECTOR] {
    let q = dot(step, step);
    let (cos, sin) = (R::one() - q * sum_series(&COS, q), R::one() - q * sum_series(&SIN, q));
    unit(core::array::from_fn(|k| cos * x[k] + sin * step[k]))
}

#[inline(always)]
pub(super) fn unit<R: Real>(x: [R; VECTOR]) -> [R; VECTOR] {
    let scale = dot(x, x).sqrt().recip();
    x.map(|x| x * scale)
}

/// A point and two orthonormal tangents there.
pub(super) struct Frame<R> {
    x: [R; VECTOR],
    tangents: [[R; VECTOR]; 2],
}

/// The direction of a component, seen from a point.
pub(super) struct Seen<R> {
    /// m.
    pub across: [R; 2],
    ends: Ends<R>,
}

impl<R: Real> Seen<R> {
    /// Where c lies in [-1, 1].
    #[inline(always)]
    pub fn ends(&self) -> Ends<R> {
        self.ends
    }
    /// c.
    #[inline(always)]
    pub fn along(&self) -> R {
        self.ends.low - self.ends.high
    }
}

impl<R: Real> Frame<R> {
    /// T. Duff et al., Building an orthonormal basis, revisited, J. Comput. Graph. Tech. 6 (2017) 1.
    #[inline(always)]
    pub fn at(x: [R; VECTOR]) -> Self {
        let one = R::one();
        let sign = R::select(x[2].lt(R::zero()), -one, one);
        let a = -(sign + x[2]).recip();
        let b = x[0] * x[1] * a;
        let first = [one + sign * x[0].square() * a, sign * b, -(sign * x[0])];
        let second = [b, sign + x[1].square() * a, -x[1]];
        Frame { x, tangents: [first, second] }
    }
    /// The components of a vector: along the two tangents, along x.
    #[inline(always)]
    pub fn read(&self, v: [R; VECTOR]) -> [R; VECTOR] {
        [dot(self.tangents[0], v), dot(self.tangents[1], v), dot(self.x, v)]
    }
    /// The vector with these components.
    #[inline(always)]
    pub fn vector(&self, [first, second, along]: [R; VECTOR]) -> [R; VECTOR] {
        core::array::from_fn(|k| self.tangents[0][k] * first + self.tangents[1][k] * second + self.x[k] * along)
    }
    /// A direction from here. Distances to both ends come from differences, which are exact where they are small.
    #[inline(always)]
    pub fn see(&self, mean: [R; VECTOR]) -> Seen<R> {
        let to: [R; VECTOR] = core::array::from_fn(|k| mean[k] - self.x[k]);
        let from: [R; VECTOR] = core::array::from_fn(|k| mean[k] + self.x[k]);
        Seen {
            across: [dot(self.tangents[0], to), dot(self.tangents[1], to)],
            ends: Ends { low: dot(from, from).scale(0.25), high: dot(to, to).scale(0.25) },
        }
    }
}

/// p, M as (M_11, M_12, M_22), and b.
pub(super) struct Sums<R> {
    p: [R; 2],
    m: [R; 3],
    b: R,
}

impl<R: Real> Sums<R> {
    /// No component yet; `rest` is 1 - sum w.
    #[inline(always)]
    pub fn start(rest: R) -> Self {
        Sums { p: [R::zero(); 2], m: [R::zero(); 3], b: rest }
    }
    #[inline(always)]
    pub fn add(&mut self, seen: &Seen<R>, weight: R, profile: &Profile<R>) {
        let [first, second] = seen.across;
        let (height, slope) = (weight * profile.height, weight * profile.slope);
        self.p[0] += height * first;
        self.p[1] += height * second;
        self.m[0] += slope * first.square();
        self.m[1] += slope * first * second;
        self.m[2] += slope * second.square();
        self.b += weight * profile.lack;
    }
}

/// Cotangents of [`Sums`].
pub(super) struct SumsCot<R> {
    p: [R; 2],
    m: [R; 3],
    /// Of b, and of 1 - sum w.
    pub rest: R,
}

/// What a component gets.
pub(super) struct SeenCot<R> {
    /// Of m.
    pub across: [R; 2],
    /// Of c, but for what comes through h and h'.
    pub along: R,
    /// Of h.
    pub height: R,
    /// Of h'.
    pub slope: R,
}

impl<R: Real> SumsCot<R> {
    /// The cotangents of one component, and that of its weight.
    #[inline(always)]
    pub fn take(&self, seen: &Seen<R>, weight: R, profile: &Profile<R>) -> (SeenCot<R>, R) {
        let ([first, second], cot_lack) = (seen.across, self.rest * weight);
        let by_height = self.p[0] * first + self.p[1] * second;
        let by_slope = self.m[0] * first.square() + self.m[1] * first * second + self.m[2] * second.square();
        let (height, slope) = (weight * profile.height, weight * profile.slope);
        let cot = SeenCot {
            across: [
                height * self.p[0] + slope * (self.m[0].scale(2.0) * first + self.m[1] * second),
                height * self.p[1] + slope * (self.m[2].scale(2.0) * second + self.m[1] * first),
            ],
            along: -(cot_lack * profile.height),
            height: weight * by_height - cot_lack * seen.along(),
            slope: weight * by_slope,
        };
        (cot, profile.height * by_height + profile.slope * by_slope + profile.lack * self.rest)
    }
}

/// The map at a point, in its frame.
pub(super) struct Local<R> {
    sums: Sums<R>,
    q: R,
    /// C, S, k.
    cos: R,
    sin: R,
    k: R,
    /// (1 - C) / q, (1 - S) / q, (S - C) / q.
    cos_over: R,
    sin_over: R,
    both_over: R,
    a: R,
    /// Q, its trace, and a^2 + a tr Q + det Q = det N.
    quadratic: [R; 3],
    trace: R,
    det: R,
}

impl<R: Real> Local<R> {
    #[inline(always)]
    pub fn of(sums: Sums<R>) -> Self {
        let [first, second] = sums.p;
        let q = first.square() + second.square();
        let (cos_over, sin_over) = (sum_series(&COS, q), sum_series(&SIN, q));
        let both_over = sum_series(&BOTH, q);
        let (cos, sin) = (R::one() - q * cos_over, R::one() - q * sin_over);
        let k = both_over / sin;
        let a = sums.b - k * q;
        let m = &sums.m;
        let quadratic = [m[0] + k * first.square(), m[1] + k * first * second, m[2] + k * second.square()];
        let trace = quadratic[0] + quadratic[2];
        let det = a * (a + trace) + (quadratic[0] * quadratic[2] - quadratic[1].square());
        Local { sums, q, cos, sin, k, cos_over, sin_over, both_over, a, quadratic, trace, det }
    }

    /// E(x).
    #[inline(always)]
    pub fn image(&self) -> [R; VECTOR] {
        let [first, second] = self.sums.p;
        [self.sin * first, self.sin * second, self.cos]
    }
    /// ln det J.
    #[inline(always)]
    pub fn ln(&self) -> R {
        self.sin.ln() + self.det.ln()
    }
    /// How strongly the map stretches, at most (up to a factor of two).
    #[inline(always)]
    pub fn stretch(&self) -> R {
        self.a.abs() + self.trace
    }

    #[inline(always)]
    fn along_p(&self, v: [R; 2]) -> R {
        self.sums.p[0] * v[0] + self.sums.p[1] * v[1]
    }
    /// N^-1.
    #[inline(always)]
    fn solve_n(&self, [first, second]: [R; 2]) -> [R; 2] {
        let [n_11, n_12, n_22] = [self.a + self.quadratic[0], self.quadratic[1], self.a + self.quadratic[2]];
        [(n_22 * first - n_12 * second) / self.det, (n_11 * second - n_12 * first) / self.det]
    }
    /// G^-1, which is symmetric: (1 - (1 - S)/q p p^T) / S.
    #[inline(always)]
    fn solve_g(&self, v: [R; 2]) -> [R; 2] {
        let along = self.sin_over * self.along_p(v);
        core::array::from_fn(|k| (v[k] - along * self.sums.p[k]) / self.sin)
    }
    /// Newton's step: J^-1 of the tangential part, at E(x), of a vector with these components. Carried along, e_k is
    /// e_k - S p_k x - (1 - C)/q p_k p.
    #[inline(always)]
    pub fn solve(&self, off: [R; VECTOR]) -> [R; 2] {
        let along = self.sin * off[2] + self.cos_over * self.along_p([off[0], off[1]]);
        let carried = core::array::from_fn(|k| off[k] - along * self.sums.p[k]);
        self.solve_n(self.solve_g(carried))
    }
    /// J^-T of a cotangent: the components of a tangent vector at E(x).
    #[inline(always)]
    pub fn solve_transpose(&self, cot: [R; 2]) -> [R; VECTOR] {
        let carried = self.solve_g(self.solve_n(cot));
        let along = self.along_p(carried);
        let [first, second]: [R; 2] = core::array::from_fn(|k| carried[k] - self.cos_over * along * self.sums.p[k]);
        [first, second, -(self.sin * along)]
    }

    /// Cotangents of E (its components) and of ln det J: those of the sums, and that of a step of the point with sums
    /// held.
    #[inline(always)]
    pub fn vjp(&self, cot: [R; VECTOR], cot_ln: R) -> (SumsCot<R>, [R; 2]) {
        let (q, k, a) = (self.q, self.k, self.a);
        let ([p1, p2], [m11, m12, m22]) = (self.sums.p, self.sums.m);
        // E = C x + S p with dC/dq = -S/2, dS/dq = -(S - C)/(2 q); x moves by d, p by -(p . d) x.
        let pulled = self.sin * cot[2] + self.both_over * self.along_p([cot[0], cot[1]]);
        let moved = core::array::from_fn(|k| self.cos * cot[k] - self.sin * cot[2] * self.sums.p[k]);

        // ln det N by a, tr Q and det Q; then by k and q, with dk/dq = (d(S - C)/q / dq + k (S - C)/(2 q)) / S.
        let by_det = cot_ln / self.det;
        let by_trace = a * by_det;
        let by_a = (a + a + self.trace) * by_det;
        let form = m22 * p1.square() - (m12 * p1 * p2).scale(2.0) + m11 * p2.square();
        let by_k = q * (by_trace - by_a) + form * by_det;
        let k_slope = (k * self.both_over.scale(0.5) - sum_series(&BOTH_SLOPE, q)) / self.sin;
        let by_q = k * (by_trace - by_a) + by_k * k_slope - (k * cot_ln).scale(0.5);
        let crossed = by_det * k;
        let p = [
            self.sin * cot[0] - pulled * p1 + (by_q * p1 + crossed * (m22 * p1 - m12 * p2)).scale(2.0),
            self.sin * cot[1] - pulled * p2 + (by_q * p2 + crossed * (m11 * p2 - m12 * p1)).scale(2.0),
        ];
        let m = [
            by_trace + by_det * self.quadratic[2],
            -(by_det * self.quadratic[1]).scale(2.0),
            by_trace + by_det * self.quadratic[0],
        ];
        (SumsCot { p, m, rest: by_a }, moved)
    }
}
