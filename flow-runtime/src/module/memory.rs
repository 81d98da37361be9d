//! What a flow remembers from call to call, so that a call need not do it again. It changes how fast results come, never what they are.

use super::Element;
use super::weights::Weights;
use crate::kernels::{Pool, PullBack};
use core::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The memory of one flow. A clone of a flow starts with an empty one.
pub(in crate::module) struct Memory<W, E> {
    /// The flat weights of the last plain call.
    flat: Mutex<Option<Arc<Flat<W, E>>>>,
    /// Stretches as long as the weights, to be used again.
    spare: Arc<Pool<E>>,
    habit: Habit,
}

impl<W, E> Default for Memory<W, E> {
    fn default() -> Self {
        Memory { flat: Mutex::default(), spare: Arc::default(), habit: Habit::default() }
    }
}

impl<W, E> core::fmt::Debug for Memory<W, E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Memory")
    }
}

/// Flat weights, and the tensors that they are a copy of.
///
/// These tensors are clones: they hold on to their numbers, so that whoever changes a weight of the flow writes to another place. As long as the
/// flow's tensors lie where these do, they are the same numbers.
struct Flat<W, E> {
    tensors: W,
    weights: Vec<E>,
}

/// Where tensors lie.
fn places<W: Weights<E>, E: Element>(tensors: &W) -> Vec<usize> {
    let mut places = Vec::with_capacity(16);
    tensors.places(&mut places);
    places
}

/// Takes a lock. What the locks guard is whole at every moment, also where a thread panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<W: Weights<E>, E: Element> Memory<W, E> {
    /// The flat weights of these tensors, for a call that leaves nothing on a tape.
    pub fn weights(&self, tensors: &W) -> impl Deref<Target = [E]> + use<W, E> {
        let mut kept = lock(&self.flat);
        if let Some(flat) = &*kept
            && places(&flat.tensors) == places(tensors)
        {
            return Remembered(flat.clone());
        }
        let mut weights = Vec::new();
        tensors.read(&mut weights);
        let flat = Arc::new(Flat { tensors: tensors.clone(), weights });
        *kept = Some(flat.clone());
        Remembered(flat)
    }

    /// The flat weights of these tensors, for a tape. They will change before the next call, and nothing may hold on to the tensors then.
    pub fn weights_for_tape(&self, tensors: &W) -> Lent<E> {
        self.forget();
        let mut weights = self.spare.empty();
        tensors.read(&mut weights);
        Lent { weights, home: self.spare.clone() }
    }

    /// Lets go of the tensors, so that they can be changed where they lie.
    pub fn forget(&self) {
        *lock(&self.flat) = None;
    }

    /// What the flow's gradients were like.
    pub fn habit(&self) -> &Habit {
        &self.habit
    }
}

struct Remembered<W, E>(Arc<Flat<W, E>>);

impl<W, E> Deref for Remembered<W, E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        &self.0.weights
    }
}

/// Flat weights that go back to where they came from.
pub(in crate::module) struct Lent<E> {
    weights: Vec<E>,
    home: Arc<Pool<E>>,
}

impl<E> Lent<E> {
    /// Where they came from.
    pub fn pool(&self) -> &Pool<E> {
        &self.home
    }
}

impl<E> Deref for Lent<E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        &self.weights
    }
}

impl<E> Drop for Lent<E> {
    fn drop(&mut self) {
        self.home.put(std::mem::take(&mut self.weights));
    }
}

/// Whether the last gradient by log-densities had the same cotangent for each, as that of their mean has.
///
/// The gradient of a sum is then as good as known when the log-densities are evaluated: it comes on the same way, which saves the tape from
/// going it again. It is right whenever the guess is, and worked out anew where it is not.
#[derive(Clone, Debug)]
pub(in crate::module) struct Habit(Arc<AtomicBool>);

impl Default for Habit {
    fn default() -> Self {
        Habit(Arc::new(AtomicBool::new(true)))
    }
}

impl Habit {
    /// Whether to work out a gradient ahead.
    pub fn is_equal(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// What a tape keeps of an evaluation.
    pub fn expect<E>(&self, gradient: Option<PullBack<E>>) -> Ahead<E> {
        Ahead { gradient, habit: Some(self.clone()) }
    }
}

/// The gradient of the sum of log-densities, if it was worked out ahead. Dropped unused, it says so to its flow.
pub(in crate::module) struct Ahead<E> {
    gradient: Option<PullBack<E>>,
    habit: Option<Habit>,
}

impl<E: Element> Ahead<E> {
    /// The gradient for these cotangents; `pull` works it out for any.
    ///
    /// Equal cotangents always take the gradient of the sum, times the one cotangent: the result does not depend on what was worked out when.
    pub fn pull<F>(mut self, cot: &[E], pull: impl FnOnce(&[E]) -> Result<PullBack<E>, F>) -> Result<PullBack<E>, F> {
        let equal = cot.iter().all(|c| *c == cot[0]);
        if let Some(habit) = self.habit.take() {
            habit.0.store(equal, Ordering::Relaxed);
        }
        if !equal {
            return pull(cot);
        }
        let mut back = match self.gradient.take() {
            Some(back) => back,
            None => pull(&vec![E::narrow(1.0); cot.len()])?,
        };
        back.scale(cot[0]);
        Ok(back)
    }
}

impl<E> Drop for Ahead<E> {
    fn drop(&mut self) {
        if let Some(habit) = self.habit.take() {
            habit.0.store(false, Ordering::Relaxed);
        }
    }
}
