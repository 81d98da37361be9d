//! The velocity field of layer c: a network of position and time, its divergence and what penalties need, and the derivatives of all.
//!
//! # The network and its tangents
//! f(y, t) is a perceptron (layers.md 3.2, mode 0): a_l = tanh(W_l a_{l-1} + b_l) with a_0 = (y, t), f = W a_k + b. Directions E_c
//! at the input become tangents that run beside the activations,
//!
//! ```text
//! T_l = g_l (W_l T_{l-1}),   g_l = 1 - a_l^2,   O = W T_k = J T_0,   J = df/dy
//! ```
//!
//! so that the trace of J is sum_ic E_ic O_ic, without noise when the E_c are the n axes: n tangents a layer, and only the diagonal of O.
//!
//! # Hutchinson's estimate
//! Fewer directions than axes (arXiv:1810.01367, eq. 7): E_ic = s_i (-1)^popcount(i and c) for c < m, signs s_i = +-1 scattered by a fixed
//! hash, and the trace is divided by m. With m a power of two it is tr J + sum of s_i s_j J_ij over i != j with i = j modulo m, hence exact once
//! m is at least n (and a power of two).
//!
//! # Spheres
//! The field on the unit sphere is the tangential part v = f - s y, s = y.f, of the ambient f. With P = I - y y^T its covariant derivative
//! is P J P - s P, so that
//!
//! ```text
//! div v = tr(J P) - (n - 1) s         T_0 = P E,   tr(J P) = sum_ic E_ic (J P E)_ic
//! ```
//!
//! Both are polynomials in y beside f, so they extend smoothly to the points off the sphere at which stages of a Runge-Kutta step lie. No chart, no
//! logarithm, nothing singular anywhere (the charts of layers.md 8.3 have both, Q5).
//!
//! # Derivatives
//! Backwards through activations and tangents together: with cotangents A of a_l and T' of T_l, those of the sum before the activation
//! and of W_l T_{l-1} are g A - 2 a sum_c T'_c T_c and g T'.
//!
//! # Numbers of a point
//! A block holds, for each level of the network, column 0 (activations) and columns 1.. (tangents) one after the other: inputs (y, t),
//! hidden layers, outputs f and O.

use crate::layers::hidden_dims::MOST_HIDDEN;
use crate::numeric::{Lift, Real};

/// What is integrated along a path beside the position: the divergence, the kinetic energy |v|^2, the squared Frobenius norm of the derivative.
pub(super) const RATES: usize = 3;

/// The sizes of a field, and the kind of its divergence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Embedded coordinates.
    pub n: usize,
    /// Whether they are those of a unit sphere.
    pub sphere: bool,
    /// Directions of the trace.
    pub directions: usize,
    /// Whether the directions are the axes.
    pub exact: bool,
    widths: [usize; MOST_HIDDEN + 2],
    count: usize,
}

impl Shape {
    pub const fn new(
        n: usize,
        sphere: bool,
        probes: Option<usize>,
        network: ([usize; MOST_HIDDEN + 2], usize),
    ) -> Shape {
        let (exact, directions) = match probes {
            None => (true, n),
            Some(probes) => (false, probes),
        };
        Shape { n, sphere, directions, exact, widths: network.0, count: network.1 }
    }

    /// (in, h_1, .., h_k, out).
    pub const fn widths(&self) -> &[usize] {
        self.widths.split_at(self.count).0
    }

    /// Weights and biases.
    pub const fn params(&self) -> usize {
        let (mut sum, mut i) = (0, 1);
        while i < self.count {
            sum += (self.widths[i - 1] + 1) * self.widths[i];
            i += 1;
        }
        sum
    }

    const fn columns(&self) -> usize {
        1 + self.directions
    }

    /// Numbers of a block.
    pub const fn block(&self) -> usize {
        let (mut sum, mut i) = (0, 0);
        while i < self.count {
            sum += self.widths[i];
            i += 1;
        }
        sum * self.columns()
    }

    /// Numbers that [`Field::pull`] works in.
    pub const fn back(&self) -> usize {
        let (mut widest, mut i) = (0, 0);
        while i < self.count {
            if self.widths[i] > widest {
                widest = self.widths[i];
            }
            i += 1;
        }
        2 * widest * self.columns()
    }

    /// E_ic.
    pub fn direction(&self, i: usize, c: usize) -> f64 {
        if self.exact {
            return f64::from(i == c);
        }
        // The finaliser of the generator splitmix64 spreads the index over all bits.
        let mut hash = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let odd = (hash ^ (hash >> 31)) & 1 ^ u64::from((i & c).count_ones() & 1);
        if odd == 1 { -1.0 } else { 1.0 }
    }

    /// What the trace is divided by.
    fn share(&self) -> f64 {
        if self.exact { 1.0 } else { 1.0 / self.directions as f64 }
    }
}

/// The field with these weights.
pub(super) struct Field<'a, P> {
    pub shape: Shape,
    pub weights: &'a [P],
    /// Whether the rates of the penalties are wanted beside the divergence.
    pub penalised: bool,
}

#[inline(always)]
fn dot<R: Real, P: Lift<R>>(start: R, row: &[P], x: &[R]) -> R {
    row.iter().zip(x).fold(start, |sum, (w, x)| sum + w.lift() * *x)
}

#[inline(always)]
fn inner<R: Real>(a: &[R], b: &[R]) -> R {
    a.iter().zip(b).fold(R::zero(), |sum, (a, b)| sum + *a * *b)
}

/// The matrix and bias of a level, and the weights after them.
fn split<P>(weights: &[P], from: usize, to: usize) -> (&[P], &[P], &[P]) {
    let (matrix, rest) = weights.split_at(from * to);
    let (bias, rest) = rest.split_at(to);
    (matrix, bias, rest)
}

impl<P> Field<'_, P> {
    /// Whether only the diagonal of O matters.
    fn diagonal(&self) -> bool {
        self.shape.exact && !self.penalised
    }

    /// The velocity at (y, t), into `v`, and the rates. Leaves in `block` what [`Field::pull`] needs.
    #[inline]
    pub fn evaluate<R: Real>(&self, t: R, y: &[R], block: &mut [R], v: &mut [R]) -> [R; RATES]
    where
        P: Lift<R>,
    {
        let Shape { n, sphere, directions, .. } = self.shape;
        let (columns, widths) = (self.shape.columns(), self.shape.widths());
        block[..n].copy_from_slice(y);
        block[n] = t;
        for c in 0..directions {
            let column = &mut block[(1 + c) * (n + 1)..][..n + 1];
            for i in 0..n {
                column[i] = R::constant(self.shape.direction(i, c));
            }
            column[n] = R::zero();
            if sphere {
                let along = inner(y, column);
                column.iter_mut().zip(y).for_each(|(e, y)| *e -= along * *y);
            }
        }
        let (mut weights, mut start) = (self.weights, 0);
        let last = widths.len() - 2;
        for level in 0..last {
            let (from, to) = (widths[level], widths[level + 1]);
            let (matrix, bias, rest) = split(weights, from, to);
            weights = rest;
            let (read, write) = block[start..].split_at_mut(columns * from);
            for j in 0..to {
                let row = &matrix[j * from..][..from];
                let a = dot(bias[j].lift(), row, &read[..from]).tanh();
                let slope = R::one() - a.square();
                write[j] = a;
                for c in 1..columns {
                    write[c * to + j] = slope * dot(R::zero(), row, &read[c * from..][..from]);
                }
            }
            start += columns * from;
        }
        let from = widths[last];
        let (matrix, bias, _) = split(weights, from, n);
        let (read, out) = block[start..].split_at_mut(columns * from);
        let (f, o) = out.split_at_mut(n);
        let mut trace = R::zero();
        for i in 0..n {
            let row = &matrix[i * from..][..from];
            f[i] = dot(bias[i].lift(), row, &read[..from]);
            for c in 0..directions {
                if !self.diagonal() || i == c {
                    let entry = dot(R::zero(), row, &read[(1 + c) * from..][..from]);
                    o[c * n + i] = entry;
                    if !self.shape.exact || i == c {
                        trace += entry.scale(self.shape.direction(i, c));
                    }
                }
            }
        }
        let mut divergence = trace.scale(self.shape.share());
        v.copy_from_slice(f);
        let mut s = R::zero();
        if sphere {
            s = inner(y, f);
            divergence -= s.scale((n - 1) as f64);
            v.iter_mut().zip(y).for_each(|(v, y)| *v -= s * *y);
        }
        let (mut energy, mut norm) = (R::zero(), R::zero());
        if self.penalised {
            energy = inner(v, v);
            for c in 0..directions {
                norm += self.covariant(&block[..], c, s).fold(R::zero(), |sum, x| sum + x.square());
            }
            norm = norm.scale(self.shape.share());
        }
        [divergence, energy, norm]
    }

    /// Column c of the (covariant) derivative along the directions: O_c, on a sphere P O_c - s T_0c.
    #[inline]
    fn covariant<'b, R: Real>(&self, block: &'b [R], c: usize, s: R) -> impl Iterator<Item = R> + 'b {
        let Shape { n, sphere, directions, .. } = self.shape;
        let (y, tangent) = (&block[..n], &block[(1 + c) * (n + 1)..][..n]);
        let o = &block[block.len() - directions * n + c * n..][..n];
        let along = if sphere { inner(y, o) } else { R::zero() };
        (0..n).map(move |i| if sphere { o[i] - along * y[i] - s * tangent[i] } else { o[i] })
    }

    /// Cotangents of [`Field::evaluate`] from those of the velocity and the rates: adds that of y to `cot_y` and those of the weights, if
    /// wanted, to `cot_weights`. `back` is space to work in.
    #[inline]
    pub fn pull<R: Real>(
        &self,
        block: &[R],
        cot_v: &[R],
        cot_rates: [R; RATES],
        cot_y: &mut [R],
        mut cot_weights: Option<&mut [R]>,
        back: &mut [R],
    ) where
        P: Lift<R>,
    {
        let Shape { n, sphere, directions, .. } = self.shape;
        let (columns, widths) = (self.shape.columns(), self.shape.widths());
        let [cot_divergence, cot_energy, cot_norm] = cot_rates;
        let (mut above, mut below) = back.split_at_mut(back.len() / 2);
        let y = &block[..n];
        let f = &block[block.len() - columns * n..][..n];
        let s = if sphere { inner(y, f) } else { R::zero() };

        // Cotangents of f and O, and on spheres what s, y and T_0 get besides those through the network.
        let (cot_f, cot_o) = above[..columns * n].split_at_mut(n);
        let trace = cot_divergence.scale(self.shape.share());
        cot_f.copy_from_slice(cot_v);
        if self.penalised {
            let twice = cot_energy.scale(2.0);
            for i in 0..n {
                cot_f[i] += twice * (f[i] - s * y[i]);
            }
        }
        let mut cot_s = R::zero();
        if sphere {
            cot_s = -cot_divergence.scale((n - 1) as f64) - inner(cot_f, y);
            cot_y.iter_mut().zip(&*cot_f).for_each(|(bar, c)| *bar -= s * *c);
        }
        for c in 0..directions {
            let cot_o = &mut cot_o[c * n..][..n];
            for i in 0..n {
                cot_o[i] = trace.scale(self.shape.direction(i, c));
            }
            if self.penalised {
                let twice = cot_norm.scale(2.0 * self.shape.share());
                let o = &block[block.len() - directions * n + c * n..][..n];
                let (mut along_cot, mut tangent_cot) = (R::zero(), R::zero());
                for (i, entry) in self.covariant(block, c, s).enumerate() {
                    let bar = twice * entry;
                    cot_o[i] += bar;
                    if sphere {
                        along_cot += y[i] * bar;
                        tangent_cot += bar * block[(1 + c) * (n + 1) + i];
                    }
                }
                if sphere {
                    cot_s -= tangent_cot;
                    let along = inner(y, o);
                    for (i, entry) in self.covariant(block, c, s).enumerate() {
                        cot_y[i] -= twice * entry * along + o[i] * along_cot;
                        cot_o[i] -= y[i] * along_cot;
                    }
                }
            }
        }
        if sphere {
            for i in 0..n {
                cot_f[i] += cot_s * y[i];
                cot_y[i] += cot_s * f[i];
            }
        }

        // Back through the network.
        let (mut end, mut start) = (self.weights.len(), block.len() - columns * n);
        for level in (0..widths.len() - 1).rev() {
            let (from, to) = (widths[level], widths[level + 1]);
            let begin = end - (from + 1) * to;
            let matrix = &self.weights[begin..begin + from * to];
            start -= columns * from;
            let read = &block[start..][..columns * from];
            // O has entries off its diagonal that nothing reads.
            let diagonal = self.diagonal() && level == widths.len() - 2;
            for m in 0..from {
                for c in 0..columns {
                    let column = &above[c * to..][..to];
                    below[c * from + m] = if diagonal && c > 0 {
                        matrix[(c - 1) * from + m].lift() * column[c - 1]
                    } else {
                        (0..to).fold(R::zero(), |sum, j| sum + matrix[j * from + m].lift() * column[j])
                    };
                }
            }
            if let Some(cot_weights) = &mut cot_weights {
                let (cot_matrix, cot_bias) = cot_weights[begin..end].split_at_mut(from * to);
                for j in 0..to {
                    cot_bias[j] += above[j];
                    let row = &mut cot_matrix[j * from..][..from];
                    for m in 0..from {
                        let mut sum = row[m] + above[j] * read[m];
                        if diagonal {
                            sum += above[(1 + j) * to + j] * read[(1 + j) * from + m];
                        } else {
                            for c in 1..columns {
                                sum += above[c * to + j] * read[c * from + m];
                            }
                        }
                        row[m] = sum;
                    }
                }
            }
            end = begin;
            if level > 0 {
                for j in 0..from {
                    let a = read[j];
                    let slope = R::one() - a.square();
                    let mut bend = R::zero();
                    for c in 1..columns {
                        bend += below[c * from + j] * read[c * from + j];
                        below[c * from + j] *= slope;
                    }
                    below[j] = slope * below[j] - (a * bend).scale(2.0);
                }
            }
            core::mem::swap(&mut above, &mut below);
        }
        // `above` holds the cotangents of (y, t) and of the directions.
        for i in 0..n {
            cot_y[i] += above[i];
        }
        if sphere {
            // T_0c = E_c - (y.E_c) y, and C_c = .. - s T_0c.
            for c in 0..directions {
                let tangent = &mut above[(1 + c) * (n + 1)..][..n];
                if self.penalised {
                    let twice = cot_norm.scale(2.0 * self.shape.share());
                    for (bar, entry) in tangent.iter_mut().zip(self.covariant(block, c, s)) {
                        *bar -= s * twice * entry;
                    }
                }
                let (mut along, bar_along) = (R::zero(), inner(tangent, y));
                for i in 0..n {
                    along += y[i].scale(self.shape.direction(i, c));
                }
                for i in 0..n {
                    cot_y[i] -= along * tangent[i] + bar_along.scale(self.shape.direction(i, c));
                }
            }
        }
    }
}
