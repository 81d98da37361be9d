//! A flow without dfdx: owned weights, for one event at a time and for serving from several threads.

use super::Element;
use super::flow::kernel_calls::{self as calls, Beside, OneRow, Request};
use super::flow::{Flow, FlowSpec, Spec, check_features, check_points, conditions};
use super::misuse::SomethingGiven;
use super::points::{FeatureSpec, Features};
use super::weights::Weights;
use crate::density::draw_base;
use crate::error::Error;
use crate::kernels::{Blocks, Coordinates};
use core::marker::PhantomData;
use dfdx::tensor::Cpu;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use std::sync::{Mutex, PoisonError};

/// A frozen flow: `Send + Sync`, its weights fixed, free parameters prepared.
///
/// One event at a time it works without allocation (with up to 1024 features) and without threads, in a workspace from
/// a pool made by [`Flow::freeze`]: one for each hardware thread; more callers at once than that make more workspaces.
/// Coordinates are intrinsic.
pub struct Frozen<S: Spec, E: Element> {
    weights: Vec<E>,
    shared: Vec<E>,
    pool: Mutex<Vec<OneRow<S, E>>>,
    spec: PhantomData<fn() -> S>,
}

impl<S: Spec, W: Weights<E>, E: Element> Flow<S, W, E, Cpu> {
    /// Makes an evaluator with these weights, without dfdx.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::flow;
    ///
    /// let pdf = Cpu::default().build_module::<flow!(e1 + s2 : gt + f | cond 4), f64>();
    /// let frozen = pdf.freeze();
    /// let alert = std::thread::spawn(move || frozen.log_prob(&[0.1, 0.2, 0.3, 0.4], &[0.3, 1.1, 4.0]));
    /// assert!(alert.join().unwrap()?.is_finite());
    /// # Ok::<(), flow_runtime::Error>(())
    /// ```
    pub fn freeze(&self) -> Frozen<S, E> {
        let weights = self.flat_weights();
        let shared = calls::prepare_shared::<S, E>(&weights);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let pool = (0..threads).map(|_| OneRow::new()).collect();
        Frozen { weights, shared, pool: Mutex::new(pool), spec: PhantomData }
    }
}

/// One row of the features that a flow is given: an array, or for a `cond` list a tuple of arrays.
#[diagnostic::on_unimplemented(
    message = "these are not the features that the density is given",
    label = "`cond` in the notation asks for other features",
    note = "a frozen flow takes the features of one row: an array `[number; 32]` for `cond 32`, a tuple of two arrays for a list `cond (3, 5)`"
)]
pub trait FeatureRow<F: FeatureSpec, E: Element> {
    /// Writes the numbers side by side.
    fn write(&self, row: &mut [E]);
}

#[diagnostic::do_not_recommend]
impl<const N: usize, E: Element> FeatureRow<Features<N>, E> for [E; N] {
    fn write(&self, row: &mut [E]) {
        row.copy_from_slice(self);
    }
}

macro_rules! feature_rows {
    ($($($n:ident $x:ident),+;)*) => {$(
        impl<$(const $n: usize,)+ E: Element> FeatureRow<feature_rows!(@spec $($n)+), E> for ($([E; $n],)+) {
            fn write(&self, row: &mut [E]) {
                let ($($x,)+) = self;
                $(let (own, row) = row.split_at_mut($n);
                own.copy_from_slice($x);)+
                let _ = row;
            }
        }
    )*};
    (@spec $n:ident) => { (Features<$n>, ()) };
    (@spec $n:ident $($m:ident)+) => { (Features<$n>, feature_rows!(@spec $($m)+)) };
}
feature_rows! {
    N1 a, N2 b;
    N1 a, N2 b, N3 c;
    N1 a, N2 b, N3 c, N4 d;
    N1 a, N2 b, N3 c, N4 d, N5 e;
    N1 a, N2 b, N3 c, N4 d, N5 e, N6 f;
    N1 a, N2 b, N3 c, N4 d, N5 e, N6 f, N7 g;
    N1 a, N2 b, N3 c, N4 d, N5 e, N6 f, N7 g, N8 h;
}

/// The most numbers that one event's features may be without an allocation.
const ON_STACK: usize = 1024;

impl<S: Spec, E: Element> Frozen<S, E> {
    pub(super) fn with<O>(&self, work: impl FnOnce(&mut OneRow<S, E>) -> O) -> O {
        // A poisoned pool only means that some caller panicked elsewhere: its workspace is gone, the others are sound.
        let pooled = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut space = pooled.unwrap_or_else(OneRow::new);
        let out = work(&mut space);
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(space);
        out
    }

    pub(super) fn request<'a>(&'a self, features: &'a [E]) -> Request<'a, E> {
        Request { weights: &self.weights, features, repeat: 1, coordinates: Coordinates::Intrinsic, pool: None }
    }

    fn one<const N: usize>(&self, features: &[E], x: &[E; N]) -> Result<E, Error> {
        let point = x.map(|x| x.widen());
        if calls::check_point::<S>(&point, Coordinates::Intrinsic).is_some() {
            check_points::<S, E>(x, Coordinates::Intrinsic)?;
        }
        check_features(features, S::Features::COUNT)?;
        self.with(|space| space.log_prob(self.request(features), &self.shared, x))
    }

    fn draw<const N: usize, G: Rng + ?Sized>(&self, features: &[E], rng: &mut G) -> Result<([E; N], E), Error> {
        check_features(features, S::Features::COUNT)?;
        let base: [E; N] = core::array::from_fn(|_| E::narrow(rng.sample(StandardNormal)));
        let mut point = [E::default(); N];
        let log_prob = self.with(|space| space.sample(self.request(features), &self.shared, &base, &mut point))?;
        Ok((point, log_prob))
    }

    fn many<const N: usize>(&self, features: &[E], points: &[[E; N]]) -> Result<Vec<E>, Error> {
        let given = conditions::<S, E>(features).unwrap_or(points.len());
        if points.is_empty() {
            return Err(Error::Empty { argument: "x" });
        }
        if given != points.len() {
            return Err(Error::Rows { argument: "x", expected: given, found: points.len() });
        }
        check_points::<S, E>(points.as_flattened(), Coordinates::Intrinsic)?;
        check_features(features, S::Features::COUNT)?;
        let (request, manifolds) = (self.request(features), 0..S::Blocks::COUNT);
        Ok(calls::evaluate::<S, E>(request, manifolds, points.as_flattened(), Beside::Nothing)?.log_prob)
    }

    fn draw_many<const N: usize, G: Rng + ?Sized>(
        &self,
        features: &[E],
        repeat: usize,
        rng: &mut G,
    ) -> Result<(Vec<[E; N]>, Vec<E>), Error> {
        let given = conditions::<S, E>(features).unwrap_or(1);
        let count = given * repeat;
        if count == 0 {
            return Err(Error::Empty { argument: if repeat == 0 { "n" } else { "features" } });
        }
        check_features(features, S::Features::COUNT)?;
        let base: Vec<E> = draw_base(count * N, rng);
        let request = Request { repeat, ..self.request(features) };
        let (points, log_prob) = calls::generate::<S, E>(request, &base)?;
        Ok((points.as_chunks().0.to_vec(), log_prob))
    }
}

impl<Tag: 'static, const N: usize, const M: usize, B: Blocks, E: Element> Frozen<FlowSpec<Tag, (), N, M, B>, E> {
    /// Computes ln p(x) of one point in intrinsic coordinates.
    ///
    /// # Errors
    /// The point is not finite or not on its manifold; a value leaves the range of the numbers.
    pub fn log_prob(&self, x: &[E; N]) -> Result<E, Error> {
        self.one(&[], x)
    }

    /// Draws one sample, with its log-density.
    ///
    /// # Errors
    /// A value leaves the range of the numbers.
    pub fn sample<G: Rng + ?Sized>(&self, rng: &mut G) -> Result<([E; N], E), Error> {
        self.draw(&[], rng)
    }

    /// Computes ln p of many points, on threads.
    ///
    /// # Errors
    /// As [`log_prob`](Frozen::log_prob); no points.
    pub fn log_prob_many(&self, x: &[[E; N]]) -> Result<Vec<E>, Error> {
        self.many(&[], x)
    }

    /// Draws `n` samples and their log-densities, on threads.
    ///
    /// # Errors
    /// `n` is 0; a value leaves the range of the numbers.
    pub fn sample_many<G: Rng + ?Sized>(&self, n: usize, rng: &mut G) -> Result<(Vec<[E; N]>, Vec<E>), Error> {
        self.draw_many(&[], n, rng)
    }
}

impl<Tag, F, const N: usize, const M: usize, B: Blocks, E: Element> Frozen<FlowSpec<Tag, F, N, M, B>, E>
where
    Tag: 'static,
    F: FeatureSpec + SomethingGiven,
{
    /// Lays features out on the stack, or on the heap where they are more than [`ON_STACK`].
    pub(super) fn with_features<X: FeatureRow<F, E>, O>(features: &X, work: impl FnOnce(&[E]) -> O) -> O {
        if F::COUNT <= ON_STACK {
            let mut row = [E::default(); ON_STACK];
            features.write(&mut row[..F::COUNT]);
            work(&row[..F::COUNT])
        } else {
            let mut row = vec![E::default(); F::COUNT];
            features.write(&mut row);
            work(&row)
        }
    }

    fn gather<X: FeatureRow<F, E>>(features: &[X]) -> Vec<E> {
        let mut rows = vec![E::default(); features.len() * F::COUNT];
        for (row, x) in rows.chunks_exact_mut(F::COUNT).zip(features) {
            x.write(row);
        }
        rows
    }

    /// Computes ln p(x | features) of one event in intrinsic coordinates.
    ///
    /// # Errors
    /// The point or a feature is not finite, the point not on its manifold; a value leaves the range of the numbers.
    pub fn log_prob<X: FeatureRow<F, E>>(&self, features: &X, x: &[E; N]) -> Result<E, Error> {
        Self::with_features(features, |row| self.one(row, x))
    }

    /// Draws one sample for one event, with its log-density.
    ///
    /// # Errors
    /// A feature is not finite; a value leaves the range of the numbers.
    pub fn sample<X: FeatureRow<F, E>, G: Rng + ?Sized>(
        &self,
        features: &X,
        rng: &mut G,
    ) -> Result<([E; N], E), Error> {
        Self::with_features(features, |row| self.draw(row, rng))
    }

    /// Computes ln p of many events, on threads: one point for each row of features.
    ///
    /// # Errors
    /// As [`log_prob`](Frozen::log_prob); the numbers of rows differ or are 0.
    pub fn log_prob_many<X: FeatureRow<F, E>>(&self, features: &[X], x: &[[E; N]]) -> Result<Vec<E>, Error> {
        self.many(&Self::gather(features), x)
    }

    /// Draws `n` samples for each row of features, one event after the other, and their log-densities, on threads.
    ///
    /// # Errors
    /// As [`sample`](Frozen::sample); no features, or `n` is 0.
    pub fn sample_many<X: FeatureRow<F, E>, G: Rng + ?Sized>(
        &self,
        features: &[X],
        n: usize,
        rng: &mut G,
    ) -> Result<(Vec<[E; N]>, Vec<E>), Error> {
        self.draw_many(&Self::gather(features), n, rng)
    }
}
