//! A chain on its manifold with the types erased, so that what is asked of all chains is compiled once.

use flow_runtime::layers::{Chain, Fault, Letter};
use flow_runtime::manifolds::{Geometry, Manifold};
use flow_runtime::numeric::Scalar;
use rand::rngs::StdRng;

/// A chain on a manifold.
#[derive(Clone, Copy)]
pub struct Subject {
    pub geometry: fn() -> Geometry,
    pub dim: usize,
    pub embed: usize,
    pub params: usize,
    /// Why it is refused in f32, if it is.
    pub needs_f64: Option<&'static str>,
    pub letters: fn() -> Vec<Letter>,
    /// Parameters a fit starts from.
    pub initial: fn(&mut StdRng, &mut [f64]),
    /// Base coordinates to embedded ones.
    pub from_base: fn(&[f64]) -> Vec<f64>,
    /// What a user gives in embedded coordinates, on the manifold.
    pub project: fn(&[f64]) -> Vec<f64>,
    /// Intrinsic coordinates of an embedded point.
    pub intrinsic: fn(&[f64]) -> Vec<f64>,
    /// What is wrong with an intrinsic point.
    pub check: fn(&[f64]) -> Option<String>,
    pub wide: Numbers,
    pub narrow: Numbers,
}

/// The chain in one number type.
#[derive(Clone, Copy)]
pub struct Numbers {
    pub name: &'static str,
    pub walk: fn(&[f64], &[f64], bool, &[Cotangent]) -> Walk,
    pub density: fn(&[f64], &[f64]) -> Density,
}

/// Cotangents of where a walk ends and of its log-determinant.
pub struct Cotangent {
    pub point: Vec<f64>,
    pub log_det: f64,
}

/// A walk along a chain in embedded coordinates, with the gradients asked for: by the point, by the parameters.
pub struct Walk {
    pub point: Vec<f64>,
    pub log_det: f64,
    pub fault: Option<Fault>,
    pub gradients: Vec<[Vec<f64>; 2]>,
}

/// The log-density at an intrinsic point, its gradients by the point and by the parameters, and the base point.
pub struct Density {
    pub log_prob: f64,
    pub gradients: [Vec<f64>; 2],
    pub base: Vec<f64>,
    pub fault: Option<Fault>,
}

impl Subject {
    pub const fn of<M: Manifold, C: Chain<M>>() -> Subject {
        Subject {
            geometry: M::geometry,
            dim: M::DIM,
            embed: M::EMBED,
            params: C::PARAMS,
            needs_f64: C::NEEDS_F64,
            letters: || {
                let mut letters = Vec::new();
                C::describe(&mut letters);
                letters
            },
            initial: |rng, params| C::initial(rng, params),
            from_base: |base| fill(M::EMBED, |x| M::from_base(base, x)),
            project: |given| fill(M::EMBED, |x| M::project(given, x)),
            intrinsic: |point| fill(M::DIM, |x| M::intrinsic(point, x, &mut 0.0)),
            check: M::check_intrinsic,
            wide: Numbers { name: "f64", walk: walk::<M, C, f64>, density: density::<M, C, f64> },
            narrow: Numbers { name: "f32", walk: walk::<M, C, f32>, density: density::<M, C, f32> },
        }
    }

    /// Whether points are shares of a whole.
    pub fn is_simplex(&self) -> bool {
        matches!((self.geometry)(), Geometry::Simplex { .. })
    }

    /// Whether a letter of the chain has this name.
    pub fn has(&self, name: &str) -> bool {
        (self.letters)().iter().any(|letter| letter.name == name)
    }
}

fn fill(n: usize, write: impl FnOnce(&mut [f64])) -> Vec<f64> {
    let mut numbers = vec![0.0; n];
    write(&mut numbers);
    numbers
}

fn narrow<T: Scalar>(values: &[f64]) -> Vec<T> {
    values.iter().map(|v| T::narrow(*v)).collect()
}

fn widen<T: Scalar>(values: &[T]) -> Vec<f64> {
    values.iter().map(|v| v.widen()).collect()
}

/// A chain in one number type with its parameters prepared.
struct Prepared<T> {
    params: Vec<T>,
    prepared: Vec<T>,
    scratch: Vec<T>,
}

impl<T: Scalar> Prepared<T> {
    fn of<M: Manifold, C: Chain<M>>(params: &[f64]) -> Self {
        let zeros = |n: usize| vec![T::narrow(0.0); n];
        let mut all = Prepared { params: narrow(params), prepared: zeros(C::PREPARED), scratch: zeros(C::SCRATCH) };
        C::prepare(&all.params, &mut all.prepared);
        all
    }

    fn run<M: Manifold, C: Chain<M>>(&mut self, point: &mut [T], log_det: &mut T, inverse: bool) -> Option<Fault> {
        let mut fault = None;
        if inverse {
            C::inverse(&self.prepared, point, log_det, &mut self.scratch, 0, &mut fault);
        } else {
            C::forward(&self.prepared, point, log_det, &mut self.scratch, 0, &mut fault);
        }
        fault
    }

    /// `cot` becomes that of the point; those of the parameters are returned.
    fn back<M: Manifold, C: Chain<M>>(&mut self, cot: &mut [T], cot_log_det: T, inverse: bool) -> Vec<f64> {
        let mut cot_prepared = vec![T::narrow(0.0); C::PREPARED];
        // Layers may change the scratch on their way back.
        let mut scratch = self.scratch.clone();
        if inverse {
            C::inverse_vjp(&self.prepared, &mut scratch, cot, cot_log_det, &mut cot_prepared);
        } else {
            C::forward_vjp(&self.prepared, &mut scratch, cot, cot_log_det, &mut cot_prepared);
        }
        let mut cot_params = vec![T::narrow(0.0); C::PARAMS];
        C::prepare_vjp(&self.params, &self.prepared, &cot_prepared, &mut cot_params);
        widen(&cot_params)
    }
}

fn walk<M: Manifold, C: Chain<M>, T: Scalar>(
    params: &[f64],
    start: &[f64],
    inverse: bool,
    cotangents: &[Cotangent],
) -> Walk {
    let mut chain = Prepared::<T>::of::<M, C>(params);
    let (mut point, mut log_det) = (narrow::<T>(start), T::narrow(0.0));
    let fault = chain.run::<M, C>(&mut point, &mut log_det, inverse);
    let mut gradients = Vec::new();
    for asked in cotangents {
        let mut cot = narrow::<T>(&asked.point);
        let by_params = chain.back::<M, C>(&mut cot, T::narrow(asked.log_det), inverse);
        gradients.push([widen(&cot), by_params]);
    }
    Walk { point: widen(&point), log_det: log_det.widen(), fault, gradients }
}

fn density<M: Manifold, C: Chain<M>, T: Scalar>(params: &[f64], intrinsic: &[f64]) -> Density {
    let (zero, one) = (T::narrow(0.0), T::narrow(1.0));
    let mut chain = Prepared::<T>::of::<M, C>(params);
    let given = narrow::<T>(intrinsic);
    let (mut point, mut log_prob) = (vec![zero; M::EMBED], zero);
    M::embed(&given, &mut point, &mut log_prob);
    let fault = chain.run::<M, C>(&mut point, &mut log_prob, true);
    log_prob += M::log_reference(&point);
    let mut cot = vec![zero; M::EMBED];
    M::log_reference_vjp(&point, one, &mut cot);
    let by_params = chain.back::<M, C>(&mut cot, one, true);
    let (mut by_point, mut base) = (vec![zero; M::DIM], vec![zero; M::DIM]);
    M::embed_vjp(&given, &cot, one, &mut by_point);
    M::to_base(&point, &mut base);
    Density { log_prob: log_prob.widen(), gradients: [widen(&by_point), by_params], base: widen(&base), fault }
}
