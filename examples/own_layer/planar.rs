//! A planar layer (Rezende and Mohamed 2015, arXiv:1505.05770, equation 10): points are pushed along one direction, by as much as a
//! sigmoid across another direction says.

use flow_runtime::layers::Layer;
use flow_runtime::manifolds::Euclidean;
use flow_runtime::numeric::{Lift, Real, root::monotone_root};
use flow_runtime::rand::Rng;

/// z = x + v tanh(w x + b), from the target to the base, so that evaluation is a formula and sampling searches.
///
/// With v = u / sqrt(1 + |u|^2 |w|^2) the number c = w v lies between -1 and 1, so t + c tanh(t) increases in t = w x + b: the map is
/// invertible whatever the parameters w, u and b are.
pub struct Planar<const D: usize>;

/// Sum of products.
fn dot<R: Real, P: Lift<R>>(a: &[P], b: &[R]) -> R {
    a.iter().zip(b).fold(R::zero(), |sum, (a, b)| sum + a.lift() * *b)
}

impl<const D: usize> Layer<Euclidean<D>> for Planar<D> {
    // w, u, b.
    const PARAMS: usize = 2 * D + 1;
    // w, v, b, c.
    const PREPARED: usize = 2 * D + 2;
    // x and tanh(t).
    const SCRATCH: usize = D + 1;
    const NAME: &'static str = "planar";

    // Nearly the identity, but with w and u away from zero, where all derivatives vanish.
    fn initial<G: Rng + ?Sized>(rng: &mut G, params: &mut [f64]) {
        for p in params {
            *p = 0.2 * (2.0 * (rng.next_u32() as f64 / u32::MAX as f64) - 1.0);
        }
    }

    fn prepare<P: Real>(params: &[P], prepared: &mut [P]) {
        let (w, u, b) = (&params[..D], &params[D..2 * D], params[2 * D]);
        let r = (P::one() + dot(u, u) * dot(w, w)).sqrt();
        prepared[..D].copy_from_slice(w);
        for k in 0..D {
            prepared[D + k] = u[k] / r;
        }
        prepared[2 * D] = b;
        prepared[2 * D + 1] = dot(w, u) / r;
    }

    // c = w v and v = u / r give cotangents of w and u through v; those of r^2 = 1 + |u|^2 |w|^2 follow from dv = du / r - v dr / r.
    fn prepare_vjp<P: Real>(params: &[P], prepared: &[P], cot_prepared: &[P], cot_params: &mut [P]) {
        let (w, u, v) = (&params[..D], &params[D..2 * D], &prepared[D..2 * D]);
        let (uu, ww) = (dot(u, u), dot(w, w));
        let (r2, cot_c) = (P::one() + uu * ww, cot_prepared[2 * D + 1]);
        let r = r2.sqrt();
        let cot_v = |k: usize| cot_prepared[D + k] + cot_c * w[k];
        let g = (0..D).fold(P::zero(), |sum, k| sum + cot_v(k) * v[k]) / r2;
        for k in 0..D {
            cot_params[k] += cot_prepared[k] + cot_c * v[k] - g * uu * w[k];
            cot_params[D + k] += cot_v(k) / r - g * ww * u[k];
        }
        cot_params[2 * D] += cot_prepared[2 * D];
    }

    // |dz / dx| = 1 + c tanh'(t).
    fn inverse<R: Real, P: Lift<R>>(prepared: &[P], x: &mut [R], log_det: &mut R, scratch: &mut [R]) {
        let (w, v) = (&prepared[..D], &prepared[D..2 * D]);
        let h = (dot(w, x) + prepared[2 * D].lift()).tanh();
        *log_det += (prepared[2 * D + 1].lift() * (R::one() - h.square())).ln_1p();
        scratch[..D].copy_from_slice(x);
        scratch[D] = h;
        for (x, v) in x.iter_mut().zip(v) {
            *x += v.lift() * h;
        }
    }

    fn inverse_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (w, v, c, h) = (&prepared[..D], &prepared[D..2 * D], prepared[2 * D + 1].lift(), scratch[D]);
        let slope = R::one() - h.square();
        let by_det = cot_log_det / (R::one() + c * slope);
        let cot_t = slope * (dot(v, cot) - by_det * c * h.scale(2.0));
        for k in 0..D {
            cot_prepared[k] += cot_t * scratch[k];
            cot_prepared[D + k] += cot[k] * h;
            cot[k] += w[k].lift() * cot_t;
        }
        cot_prepared[2 * D] += cot_t;
        cot_prepared[2 * D + 1] += by_det * slope;
    }

    // w z + b = t + c tanh(t) has one root t, which lies within |c| of the left side.
    fn forward<R: Real, P: Lift<R>>(prepared: &[P], z: &mut [R], log_det: &mut R, scratch: &mut [R]) -> R::Mask {
        let (w, v, c) = (&prepared[..D], &prepared[D..2 * D], prepared[2 * D + 1].lift());
        let s = dot(w, z) + prepared[2 * D].lift();
        let (t, failed) = monotone_root(s, s - c.abs(), s + c.abs(), |t: R| {
            let h = t.tanh();
            (t + c * h, R::one() + c * (R::one() - h.square()))
        });
        let h = t.tanh();
        *log_det -= (c * (R::one() - h.square())).ln_1p();
        for (z, v) in z.iter_mut().zip(v) {
            *z -= v.lift() * h;
        }
        scratch[..D].copy_from_slice(z);
        scratch[D] = h;
        failed
    }

    // By the implicit function theorem, (1 + c tanh'(t)) dt = w dz + z dw + db - tanh(t) dc.
    fn forward_vjp<R: Real, P: Lift<R>>(
        prepared: &[P],
        scratch: &mut [R],
        cot: &mut [R],
        cot_log_det: R,
        cot_prepared: &mut [R],
    ) {
        let (w, v, c, h) = (&prepared[..D], &prepared[D..2 * D], prepared[2 * D + 1].lift(), scratch[D]);
        let slope = R::one() - h.square();
        let by_det = cot_log_det / (R::one() + c * slope);
        let q = slope * (by_det * c * h.scale(2.0) - dot(v, cot)) / (R::one() + c * slope);
        for k in 0..D {
            let z = scratch[k] + v[k].lift() * h;
            cot_prepared[k] += q * z;
            cot_prepared[D + k] -= cot[k] * h;
            cot[k] += w[k].lift() * q;
        }
        cot_prepared[2 * D] += q;
        cot_prepared[2 * D + 1] -= h * q + by_det * slope;
    }
}
