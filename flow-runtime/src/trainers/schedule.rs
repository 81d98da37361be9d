//! Learning rates over a run.

use serde::{Deserialize, Serialize};

/// How the learning rate changes from step to step, as a factor of the optimiser's rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Schedule {
    /// The same throughout.
    Constant,
    /// Rises in a line over the first `warm_up` steps, then falls along half a cosine to `last` at the end of the run (Loshchilov and
    /// Hutter, arXiv:1608.03983, without restarts).
    Cosine {
        /// Steps of the rise.
        warm_up: usize,
        /// The factor at the end.
        last: f64,
    },
}

impl Schedule {
    /// The factor at a step of a run of `steps`, counted from 0.
    pub fn factor(&self, step: usize, steps: usize) -> f64 {
        match *self {
            Schedule::Constant => 1.0,
            Schedule::Cosine { warm_up, .. } if step < warm_up => (step + 1) as f64 / warm_up as f64,
            Schedule::Cosine { warm_up, last } => {
                let done = (step - warm_up) as f64 / steps.saturating_sub(warm_up).max(1) as f64;
                last + (1.0 - last) * 0.5 * (1.0 + (core::f64::consts::PI * done.min(1.0)).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_then_falls() {
        let cosine = Schedule::Cosine { warm_up: 10, last: 0.1 };
        assert_eq!(cosine.factor(0, 110), 0.1);
        assert_eq!(cosine.factor(9, 110), 1.0);
        assert_eq!(cosine.factor(10, 110), 1.0);
        assert!((cosine.factor(60, 110) - 0.55).abs() < 1e-12);
        assert!((cosine.factor(110, 110) - 0.1).abs() < 1e-12);
        assert_eq!(Schedule::Constant.factor(5, 10), 1.0);
    }
}
