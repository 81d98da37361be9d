//! Learning rates over a run.

use serde::{Deserialize, Serialize};

/// How the learning rate changes from step to step, as a factor of the optimiser's rate.
///
/// All but [`Constant`](Schedule::Constant) rise in a line over their first `warm_up` steps (0: none).
///
/// ```
/// use flow_runtime::Schedule;
///
/// let schedule = Schedule::Cosine { warm_up: 10, last: 0.1 };
/// assert_eq!([schedule.factor(4, 110), schedule.factor(10, 110)], [0.5, 1.0]);
/// assert!((schedule.factor(60, 110) - 0.55).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// The same throughout.
    Constant,
    /// Rises, then stays.
    WarmUp {
        /// Steps of the rise.
        warm_up: usize,
    },
    /// Rises in a line over the first `warm_up` steps, then falls along half a cosine to `last` at the end of the run (Loshchilov and
    /// Hutter, arXiv:1608.03983, without restarts).
    Cosine {
        /// Steps of the rise.
        warm_up: usize,
        /// The factor at the end.
        last: f64,
    },
    /// Is multiplied by `factor` after every `every` steps.
    Stairs {
        /// Steps of the rise.
        warm_up: usize,
        /// Steps of a stair, counted from the end of the rise.
        every: usize,
        /// What each stair multiplies by.
        factor: f64,
    },
    /// Falls exponentially.
    Exponential {
        /// Steps of the rise.
        warm_up: usize,
        /// Steps after which it is half, counted from the end of the rise.
        half: f64,
    },
    /// Is multiplied by `factor` after `patience` epochs without a better validation loss (or training loss, without validation).
    Plateau {
        /// Steps of the rise.
        warm_up: usize,
        /// What a plateau multiplies by.
        factor: f64,
        /// Epochs of a plateau.
        patience: usize,
        /// The smallest factor.
        last: f64,
    },
}

impl Schedule {
    /// The factor at a step of a run of `steps`, counted from 0; of a plateau schedule the factor before the first plateau.
    pub fn factor(&self, step: usize, steps: usize) -> f64 {
        let warm_up = match *self {
            Schedule::Constant => 0,
            Schedule::WarmUp { warm_up }
            | Schedule::Cosine { warm_up, .. }
            | Schedule::Stairs { warm_up, .. }
            | Schedule::Exponential { warm_up, .. }
            | Schedule::Plateau { warm_up, .. } => warm_up,
        };
        if step < warm_up {
            return (step + 1) as f64 / warm_up as f64;
        }
        let since = step - warm_up;
        match *self {
            Schedule::Constant | Schedule::WarmUp { .. } | Schedule::Plateau { .. } => 1.0,
            Schedule::Cosine { last, .. } => {
                let done = since as f64 / steps.saturating_sub(warm_up).max(1) as f64;
                last + (1.0 - last) * 0.5 * (1.0 + (core::f64::consts::PI * done.min(1.0)).cos())
            }
            Schedule::Stairs { every, factor, .. } => factor.powf((since / every.max(1)) as f64),
            Schedule::Exponential { half, .. } => (-(since as f64) / half).exp2(),
        }
    }

    /// Whether the factors depend on how long the run is.
    pub(super) fn needs_length(&self) -> bool {
        matches!(self, Schedule::Cosine { .. })
    }

    /// What is wrong with it, if anything.
    pub(super) fn check(&self) -> Result<(), String> {
        let positive = |name: &str, x: f64| match x > 0.0 && x.is_finite() {
            true => Ok(()),
            false => Err(format!("`{name}` is {x}: a number above 0")),
        };
        let count = |name: &str, n: usize| match n {
            0 => Err(format!("`{name}` is 0: at least 1")),
            _ => Ok(()),
        };
        match *self {
            Schedule::Constant | Schedule::WarmUp { .. } => Ok(()),
            Schedule::Cosine { last, .. } if (0.0..=1.0).contains(&last) => Ok(()),
            Schedule::Cosine { last, .. } => Err(format!("`last` is {last}: from 0 to 1")),
            Schedule::Stairs { every, factor, .. } => count("every", every).and(positive("factor", factor)),
            Schedule::Exponential { half, .. } => positive("half", half),
            Schedule::Plateau { factor, patience, last, .. } => {
                count("patience", patience)?;
                positive("factor", factor)?;
                if factor >= 1.0 {
                    return Err(format!("`factor` is {factor}: below 1"));
                }
                if (0.0..=1.0).contains(&last) { Ok(()) } else { Err(format!("`last` is {last}: from 0 to 1")) }
            }
        }
    }
}

/// What a plateau schedule remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plateau {
    /// The factor by now.
    pub factor: f64,
    best: Option<f64>,
    waited: usize,
}

impl Default for Plateau {
    fn default() -> Self {
        Plateau { factor: 1.0, best: None, waited: 0 }
    }
}

impl Plateau {
    /// Takes the loss of an epoch.
    pub fn take(&mut self, schedule: &Schedule, loss: f64) {
        let Schedule::Plateau { factor, patience, last, .. } = *schedule else { return };
        if self.best.is_none_or(|best| loss < best) {
            self.best = Some(loss);
            self.waited = 0;
            return;
        }
        self.waited += 1;
        if self.waited >= patience {
            self.factor = (self.factor * factor).max(last);
            self.waited = 0;
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
        assert_eq!(Schedule::WarmUp { warm_up: 4 }.factor(1, 10), 0.5);
        assert_eq!(Schedule::WarmUp { warm_up: 4 }.factor(4, 10), 1.0);
    }

    #[test]
    fn falls_by_stairs_and_halves() {
        let stairs = Schedule::Stairs { warm_up: 2, every: 3, factor: 0.5 };
        let factors: Vec<f64> = (0..9).map(|step| stairs.factor(step, 0)).collect();
        assert_eq!(factors, [0.5, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]);
        let smooth = Schedule::Exponential { warm_up: 0, half: 4.0 };
        assert_eq!([smooth.factor(0, 0), smooth.factor(4, 0), smooth.factor(8, 0)], [1.0, 0.5, 0.25]);
    }

    #[test]
    fn plateaus_are_counted_from_the_best_loss_and_end_at_the_last_factor() {
        let schedule = Schedule::Plateau { warm_up: 0, factor: 0.1, patience: 2, last: 0.05 };
        let mut plateau = Plateau::default();
        let losses = [3.0, 2.0, 2.5, 2.0, 2.1, 1.9, 2.0, 2.0];
        let factors: Vec<f64> = losses
            .iter()
            .map(|loss| {
                plateau.take(&schedule, *loss);
                plateau.factor
            })
            .collect();
        assert_eq!(factors, [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.05]);
    }
}
