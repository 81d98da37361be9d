//! Long stretches of numbers that are used again: a call that asks the system for each anew spends more time on that than on a small batch.

use crate::numeric::Scalar;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Stretches kept for later: those of the tasks of one gradient.
const KEPT: usize = 16;

/// Stretches of numbers that are not in use.
#[derive(Debug)]
pub struct Pool<T>(Mutex<Vec<Vec<T>>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Pool(Mutex::default())
    }
}

impl<T: Scalar> Pool<T> {
    /// An empty stretch; it may have room.
    pub fn empty(&self) -> Vec<T> {
        let mut stretch = self.kept().pop().unwrap_or_default();
        stretch.clear();
        stretch
    }

    /// A stretch of zeros.
    pub fn zeros(&self, count: usize) -> Vec<T> {
        let mut stretch = self.empty();
        stretch.resize(count, T::narrow(0.0));
        stretch
    }
}

impl<T> Pool<T> {
    /// Takes a stretch back.
    pub fn put(&self, stretch: Vec<T>) {
        let mut kept = self.kept();
        if kept.len() < KEPT {
            kept.push(stretch);
        }
    }

    // A list of stretches is whole at every moment, also where a thread panicked.
    fn kept(&self) -> MutexGuard<'_, Vec<Vec<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
