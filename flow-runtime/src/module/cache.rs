//! What a flow remembers from call to call, so that a call need not do it again. It changes how fast results come,
//! never what they are.

use super::Element;
use super::weights::Weights;
use crate::kernels::{Pool as BufferPool, PullBack as BatchGradients};
use core::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one flow remembers. A clone of a flow starts with an empty cache.
pub(in crate::module) struct WeightCache<W, E> {
    /// The flat weights of the last plain call.
    flat: Mutex<Option<Arc<Flat<W, E>>>>,
    /// Stretches as long as the weights, to be used again.
    spare: Arc<BufferPool<E>>,
    guess: GradientGuess,
}

impl<W, E> Default for WeightCache<W, E> {
    fn default() -> Self {
        WeightCache { flat: Mutex::default(), spare: Arc::default(), guess: GradientGuess::default() }
    }
}

impl<W, E> core::fmt::Debug for WeightCache<W, E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("WeightCache")
    }
}

/// Flat weights, and the tensors that they are a copy of.
///
/// These tensors are clones: they hold on to their numbers, so that whoever changes a weight of the flow writes to
/// another place. As long as the flow's tensors lie where these do, they are the same numbers.
struct Flat<W, E> {
    tensors: W,
    weights: Vec<E>,
}

/// Lists where tensors lie.
fn places<W: Weights<E>, E: Element>(tensors: &W) -> Vec<usize> {
    let mut places = Vec::with_capacity(16);
    tensors.places(&mut places);
    places
}

/// Takes a lock. What the locks guard is whole at every moment, also where a thread panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<W: Weights<E>, E: Element> WeightCache<W, E> {
    /// Returns the flat weights of these tensors, for a call that leaves nothing on a tape.
    pub fn weights(&self, tensors: &W) -> impl Deref<Target = [E]> + use<W, E> {
        let mut kept = lock(&self.flat);
        if let Some(flat) = &*kept
            && places(&flat.tensors) == places(tensors)
        {
            return CachedWeights(flat.clone());
        }
        let mut weights = Vec::new();
        tensors.read(&mut weights);
        let flat = Arc::new(Flat { tensors: tensors.clone(), weights });
        *kept = Some(flat.clone());
        CachedWeights(flat)
    }

    /// Copies the flat weights of these tensors, for a tape. The weights will change before the next call, and nothing
    /// may hold on to the tensors then.
    pub fn weights_for_tape(&self, tensors: &W) -> PooledVec<E> {
        self.forget();
        let mut weights = self.spare.empty();
        tensors.read(&mut weights);
        PooledVec { weights, home: self.spare.clone() }
    }

    /// Lets go of the tensors, so that they can be changed where they lie.
    pub fn forget(&self) {
        *lock(&self.flat) = None;
    }

    /// Returns what the flow's gradients were like.
    pub fn guess(&self) -> &GradientGuess {
        &self.guess
    }
}

struct CachedWeights<W, E>(Arc<Flat<W, E>>);

impl<W, E> Deref for CachedWeights<W, E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        &self.0.weights
    }
}

/// Flat weights that go back to where they came from.
pub(in crate::module) struct PooledVec<E> {
    weights: Vec<E>,
    home: Arc<BufferPool<E>>,
}

impl<E> PooledVec<E> {
    /// Where they came from.
    pub fn pool(&self) -> &BufferPool<E> {
        &self.home
    }
}

impl<E> Deref for PooledVec<E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        &self.weights
    }
}

impl<E> Drop for PooledVec<E> {
    fn drop(&mut self) {
        self.home.put(std::mem::take(&mut self.weights));
    }
}

/// Guesses whether the next backward pass gives every row the same cotangent, as a mean does.
///
/// If so the gradient of the sum is computed with the value and only scaled later, which saves the tape from going the
/// same way again. A wrong guess costs a second pass, never another result.
#[derive(Clone, Debug)]
pub(in crate::module) struct GradientGuess(Arc<AtomicBool>);

impl Default for GradientGuess {
    fn default() -> Self {
        GradientGuess(Arc::new(AtomicBool::new(true)))
    }
}

impl GradientGuess {
    /// Tells whether to compute a gradient with the value.
    pub fn is_equal(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Makes what a tape keeps of an evaluation.
    pub fn expect<E>(&self, gradient: Option<BatchGradients<E>>) -> EagerGradient<E> {
        EagerGradient { gradient, guess: Some(self.clone()) }
    }
}

/// The gradient of the sum of log-densities, if it was computed with them. Dropped unused, it tells its flow so.
pub(in crate::module) struct EagerGradient<E> {
    gradient: Option<BatchGradients<E>>,
    guess: Option<GradientGuess>,
}

impl<E: Element> EagerGradient<E> {
    /// Returns the gradient for these cotangents, less a factor that it is still to be multiplied by; `compute` makes
    /// it for any.
    ///
    /// Equal cotangents always take the gradient of the sum, times the one cotangent: the result does not depend on
    /// what was computed when.
    pub fn take<F>(
        mut self,
        cot: &[E],
        compute: impl FnOnce(&[E]) -> Result<BatchGradients<E>, F>,
    ) -> Result<(BatchGradients<E>, E), F> {
        let equal = cot.iter().all(|c| *c == cot[0]);
        if let Some(guess) = self.guess.take() {
            guess.0.store(equal, Ordering::Relaxed);
        }
        if !equal {
            return Ok((compute(cot)?, E::narrow(1.0)));
        }
        let of_sum = match self.gradient.take() {
            Some(of_sum) => of_sum,
            None => compute(&vec![E::narrow(1.0); cot.len()])?,
        };
        Ok((of_sum, cot[0]))
    }
}

impl<E> Drop for EagerGradient<E> {
    fn drop(&mut self) {
        if let Some(guess) = self.guess.take() {
            guess.0.store(false, Ordering::Relaxed);
        }
    }
}
